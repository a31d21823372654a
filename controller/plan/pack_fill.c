/*
 * One machine, filled to the greatest worth: a bounded knapsack with a few dimensions, by branch and bound over its
 * linear relaxation (Land and Doig, Econometrica 28, 1960). The most promising open node comes first, and from each the
 * search goes on down to the child that keeps more; so what is open bounds the rest whenever the search ends. At each
 * node the whole parts of the relaxation, filled up by worth for size, are a filling. Bounds are reckoned from the
 * duals by Lagrangian relaxation, so no rounding inside the library can make them too low.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plan/pack_internal.h"

#define EPSILON 1e-9    /* Of relative worth. */
#define WHOLE 1e-6      /* A part is whole if it is this near. */
#define RELAX_WORK 5000 /* Of a relaxation, beside what grows with the classes. */

/* A bound on one class more than the node above. */
struct node {
    uint32_t above; /* Index + 1; 0: the root. */
    uint32_t class;
    int32_t pieces;
    bool is_lower; /* At least `pieces`; else at most. */
    double bound;  /* No filling below it is worth more. */
};

struct pack_search {
    struct node *nodes;
    size_t node_count, node_room;
    uint32_t *heap; /* Open nodes, the greatest bound first. */
    size_t heap_count;
    double *lower, *upper, *size; /* By class. */
    uint32_t *order;
};

void pack_work_init(struct pack_work *work, const struct pack_model *model, uint64_t max, struct arena *arena) {
    size_t n = model->class_count;
    *work = (struct pack_work){.model = model,
                               .arena = arena,
                               .max = max,
                               .order = arena_alloc_array(arena, n, sizeof(*work->order)),
                               .search = arena_alloc(arena, sizeof(*work->search)),
                               .pieces = arena_alloc_array(arena, n, sizeof(*work->pieces)),
                               .best = arena_alloc_array(arena, n, sizeof(*work->best))};
    *work->search = (struct pack_search){.lower = arena_alloc_array(arena, n, sizeof(double)),
                                         .upper = arena_alloc_array(arena, n, sizeof(double)),
                                         .size = arena_alloc_array(arena, n, sizeof(double)),
                                         .order = arena_alloc_array(arena, n, sizeof(uint32_t))};
    double *needs = arena_alloc_array(arena, n * PACK_DIMENSIONS, sizeof(*needs));
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < PACK_DIMENSIONS; d++)
            needs[i * PACK_DIMENSIONS + d] = (double)model->classes[i].need[d];
    work->fill = exact_fill_new(needs, n, PACK_DIMENSIONS);
}

void pack_work_release(struct pack_work *work) {
    exact_fill_free(work->fill);
    mem_free(work->search->nodes);
    mem_free(work->search->heap);
}

/* ---- open nodes ---- */

static bool is_before(const struct pack_search *s, uint32_t a, uint32_t b) {
    const struct node *x = &s->nodes[a], *y = &s->nodes[b];
    return x->bound != y->bound ? x->bound > y->bound : a < b;
}

static uint32_t node_add(struct pack_search *s, struct node node) {
    if (s->node_count == s->node_room) {
        size_t room = s->node_room ? 2 * s->node_room : 256;
        s->nodes = mem_grow(s->nodes, s->node_room, room, sizeof(*s->nodes));
        s->heap = mem_grow(s->heap, s->node_room, room, sizeof(*s->heap));
        s->node_room = room;
    }
    s->nodes[s->node_count] = node;
    return (uint32_t)s->node_count++;
}

static void heap_push(struct pack_search *s, uint32_t node) {
    size_t at = s->heap_count++;
    for (; at > 0 && is_before(s, node, s->heap[(at - 1) / 2]); at = (at - 1) / 2)
        s->heap[at] = s->heap[(at - 1) / 2];
    s->heap[at] = node;
}

static uint32_t heap_pop(struct pack_search *s) {
    uint32_t top = s->heap[0], last = s->heap[--s->heap_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < s->heap_count; at = child) {
        if (child + 1 < s->heap_count && is_before(s, s->heap[child + 1], s->heap[child]))
            child++;
        if (!is_before(s, s->heap[child], last))
            break;
        s->heap[at] = s->heap[child];
    }
    s->heap[at] = last;
    return top;
}

/* ---- one node ---- */

struct filling_task {
    size_t machine;
    const double *worth;
    const int64_t *limit;
    double best, open; /* open: of what was closed without proof, no filling is worth more. */
    bool found;
};

static bool is_hopeless(const struct filling_task *task, double bound) {
    return bound <= task->best * (1 + EPSILON);
}

/* Bounds by class: of the machine, of the limits, of the node and those above, and of what they leave. False: it does
 * not fit. */
static bool bounds_find(struct pack_work *work, const struct filling_task *task, const struct node *node) {
    struct pack_search *s = work->search;
    const struct pack_model *model = work->model;
    size_t n = model->class_count;
    int64_t left[PACK_DIMENSIONS];
    memcpy(left, model->machines[task->machine].has, sizeof(left));
    for (size_t i = 0; i < n; i++) {
        int32_t fits = pack_fits(model, task->machine, i);
        int64_t most = task->worth[i] > 0 ? task->limit[i] : 0;
        s->lower[i] = 0;
        s->upper[i] = most < fits ? (double)most : fits;
    }
    for (;; node = &s->nodes[node->above - 1]) {
        double pieces = node->pieces;
        if (node->is_lower)
            s->lower[node->class] = fmax(s->lower[node->class], pieces);
        else
            s->upper[node->class] = fmin(s->upper[node->class], pieces);
        if (!node->above)
            break;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < PACK_DIMENSIONS && s->lower[i] > 0; d++)
            left[d] -= (int64_t)s->lower[i] * model->classes[i].need[d];
    for (size_t d = 0; d < PACK_DIMENSIONS; d++)
        if (left[d] < 0)
            return false;
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < PACK_DIMENSIONS && s->upper[i] > s->lower[i]; d++)
            if ((int64_t)(s->upper[i] - s->lower[i]) * model->classes[i].need[d] > left[d])
                s->upper[i] = s->lower[i] + floor((double)left[d] / (double)model->classes[i].need[d]);
    work->done += 6 * n;
    return true;
}

static double bound_of(struct pack_work *work, const struct filling_task *task, const double *weights) {
    struct pack_search *s = work->search;
    const struct pack_model *model = work->model;
    double bound = 0;
    for (size_t d = 0; d < PACK_DIMENSIONS; d++)
        bound += weights[d] * (double)model->machines[task->machine].has[d];
    for (size_t i = 0; i < model->class_count; i++) {
        double surplus = task->worth[i];
        if (s->upper[i] == 0)
            continue;
        for (size_t d = 0; d < PACK_DIMENSIONS; d++)
            surplus -= weights[d] * (double)model->classes[i].need[d];
        s->size[i] = task->worth[i] - surplus;
        bound += surplus * (surplus > 0 ? s->upper[i] : s->lower[i]);
    }
    work->done += 3 * model->class_count;
    return bound;
}

struct density_order {
    const double *worth, *size;
};

static int by_density(const void *left, const void *right, void *ctx) {
    const struct density_order *by = ctx;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    double x = by->worth[a] * by->size[b], y = by->worth[b] * by->size[a];
    if (x != y)
        return x > y ? -1 : 1;
    return (a > b) - (a < b);
}

/* The whole parts, filled up. */
static void round_down(struct pack_work *work, struct filling_task *task, const double *parts) {
    struct pack_search *s = work->search;
    const struct pack_model *model = work->model;
    int64_t left[PACK_DIMENSIONS];
    size_t count = 0;
    double value = 0;
    memcpy(left, model->machines[task->machine].has, sizeof(left));
    for (size_t i = 0; i < model->class_count; i++) {
        work->pieces[i] = s->upper[i] > 0 ? (int32_t)floor(parts[i] + WHOLE) : 0;
        if (s->upper[i] == 0)
            continue;
        s->order[count++] = (uint32_t)i;
        for (size_t d = 0; d < PACK_DIMENSIONS; d++)
            left[d] -= work->pieces[i] * model->classes[i].need[d];
    }
    for (size_t d = 0; d < PACK_DIMENSIONS; d++)
        if (left[d] < 0)
            return; /* Rounding said whole what is not. */
    struct density_order by = {task->worth, s->size};
    qsort_r(s->order, count, sizeof(*s->order), by_density, &by);
    for (size_t t = 0; t < count; t++) {
        uint32_t i = s->order[t];
        const int64_t *need = model->classes[i].need;
        int64_t more = (int64_t)s->upper[i] - work->pieces[i];
        for (size_t d = 0; d < PACK_DIMENSIONS && more > 0; d++)
            if (need[d] * more > left[d])
                more = left[d] / need[d];
        if (more > 0) {
            work->pieces[i] += (int32_t)more;
            for (size_t d = 0; d < PACK_DIMENSIONS; d++)
                left[d] -= more * need[d];
        }
        value += work->pieces[i] * task->worth[i];
    }
    work->done += 8 * count;
    if (is_hopeless(task, value))
        return;
    task->best = value;
    task->found = true;
    memcpy(work->best, work->pieces, model->class_count * sizeof(*work->best));
}

/* Whose part is farthest from whole; class_count: all are whole. */
static size_t branching_class(const struct pack_model *model, const double *parts) {
    size_t found = model->class_count;
    double farthest = WHOLE;
    for (size_t i = 0; i < model->class_count; i++) {
        double off = fabs(parts[i] - round(parts[i]));
        if (off > farthest) {
            farthest = off;
            found = i;
        }
    }
    return found;
}

/* Looks at the node. Its children are added; gives the one to go on with, as index + 1; 0: none is left. */
static uint32_t expand(struct pack_work *work, struct filling_task *task, uint32_t at, double *ret_bound) {
    struct pack_search *s = work->search;
    const struct pack_model *model = work->model;
    double has[PACK_DIMENSIONS];
    struct exact_fill_solution solution;
    *ret_bound = 0;
    if (!bounds_find(work, task, &s->nodes[at]))
        return 0;
    for (size_t d = 0; d < PACK_DIMENSIONS; d++)
        has[d] = (double)model->machines[task->machine].has[d];
    bool solved = exact_fill_solve(work->fill, has, task->worth, s->lower, s->upper, &solution);
    *ret_bound = s->nodes[at].bound;
    work->done += RELAX_WORK + 10 * model->class_count;
    if (!solved) { /* It fits, so that is a matter of numbers. */
        task->open = fmax(task->open, *ret_bound);
        return 0;
    }
    double bound = fmin(*ret_bound, bound_of(work, task, solution.weights));
    *ret_bound = bound;
    if (is_hopeless(task, bound))
        return 0;
    round_down(work, task, solution.pieces);
    size_t class = branching_class(model, solution.pieces);
    if (is_hopeless(task, bound))
        return 0;
    if (class == model->class_count) { /* Nearly whole, and yet the whole is worth less. */
        task->open = fmax(task->open, bound);
        return 0;
    }
    double part = solution.pieces[class], whole = floor(part);
    struct node less = {at + 1, (uint32_t) class, (int32_t)whole, false, bound}, more = less;
    more.pieces++;
    more.is_lower = true;
    bool is_up = part - whole > 0.5;
    heap_push(s, node_add(s, is_up ? less : more));
    return node_add(s, is_up ? more : less) + 1;
}

static void search_begin(struct pack_search *s) {
    s->node_count = s->heap_count = 0;
    /* The root bounds nothing. */
    (void)node_add(s, (struct node){0, 0, 0, true, INFINITY});
}

double pack_fill_bound(struct pack_work *work, size_t machine, const double *worth, const int64_t *limit) {
    struct filling_task task = {.machine = machine, .worth = worth, .limit = limit};
    double bound;
    search_begin(work->search);
    (void)expand(work, &task, 0, &bound);
    return bound;
}

double pack_fill(struct pack_work *work, size_t machine, const double *worth, const int64_t *limit, double floor,
                 uint64_t nodes_max, double *ret_upper) {
    struct pack_search *s = work->search;
    struct filling_task task = {.machine = machine, .worth = worth, .limit = limit, .best = floor};
    uint32_t at = 1; /* Index + 1. */
    double bound, open = 0;
    search_begin(s);
    for (uint64_t nodes = 0;; nodes++) {
        if (at && is_hopeless(&task, s->nodes[at - 1].bound))
            at = 0;
        if (!at && s->heap_count > 0 && !is_hopeless(&task, s->nodes[s->heap[0]].bound))
            at = heap_pop(s) + 1;
        if (!at)
            break;
        if (nodes == nodes_max || work->done >= work->max) {
            open = s->nodes[at - 1].bound;
            for (size_t h = 0; h < s->heap_count; h++)
                open = fmax(open, s->nodes[s->heap[h]].bound);
            break;
        }
        at = expand(work, &task, at - 1, &bound);
    }
    *ret_upper = fmax(task.best, fmax(task.open, open)) * (1 + EPSILON);
    return task.found ? task.best : -1;
}

/* ---- fillings ---- */

struct pack_filling pack_filling_of(const struct pack_model *model, size_t machine, const int32_t *pieces,
                                    struct arena *arena) {
    size_t count = 0;
    for (size_t i = 0; i < model->class_count; i++)
        count += pieces[i] > 0;
    uint32_t *classes = arena_alloc_array(arena, count, sizeof(*classes));
    int32_t *kept = arena_alloc_array(arena, count, sizeof(*kept));
    size_t at = 0;
    for (size_t i = 0; i < model->class_count; i++) {
        if (pieces[i] == 0)
            continue;
        classes[at] = (uint32_t)i;
        kept[at++] = pieces[i];
    }
    return (struct pack_filling){machine, count, classes, kept};
}

size_t pack_cheapest(const struct pack_model *model, const struct pack_filling *filling) {
    int64_t used[PACK_DIMENSIONS] = {0};
    struct pack_class asked = {0}; /* All together. */
    for (size_t t = 0; t < filling->count; t++)
        for (size_t trait = 0; trait < PACK_TRAITS; trait++)
            asked.asks[trait] |= model->classes[filling->classes[t]].asks[trait];
    for (size_t t = 0; t < filling->count; t++)
        for (size_t d = 0; d < PACK_DIMENSIONS; d++)
            used[d] += filling->pieces[t] * model->classes[filling->classes[t]].need[d];
    for (size_t k = 0; k < filling->machine; k++) { /* By price. */
        bool is_enough = pack_may(&asked, &model->machines[k]);
        for (size_t d = 0; d < PACK_DIMENSIONS && is_enough; d++)
            is_enough = model->machines[k].has[d] >= used[d];
        if (is_enough)
            return k;
    }
    return filling->machine;
}
