/*
 * The proven optimum of small cases, by branching on the purchase: how many machines of each offer, and how many in
 * all. (Benders, Numerische Mathematik 4, 1962; with integer subproblems: Hooker and Ottosson, Mathematical Programming
 * 96, 2003.)
 *
 *     min  sum_k price_k n_k,   n_k whole
 *     s.t. sum_k m_k n_k >= sum_i count_i y_i    for worths y of the pieces, m_k the worth of the best filling of k
 *
 * What the pieces are worth in all, the machines bought must hold. Such rows are valid for every purchase, so that each
 * is made once and used in all of the tree; those that matter are found where the tree needs them (pack_fit.c). A
 * purchase in whole numbers that all rows let pass is tried (pack_whole.c): its fillings are a better plan, or there
 * are none, and then each other purchase has more than it of some offer.
 *
 * Open nodes wait by their bound, the least first; so the search can end at any time with a bound. Bounds are reckoned
 * from the duals by Lagrangian relaxation, so no rounding inside the library makes them too high; and as prices are
 * whole numbers of micro-dollars, so are costs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "plan/pack_fit.h"
#include "plan/pack_spread.h"

#define PIECES_MAX 600
#define CLASSES_MAX 64
#define KINDS_MAX 64
#define WHOLE_EPSILON 1e-6
#define ROW_SLACK 1e-9 /* Of a row's own rounding. */
#define MICRO 1e-6
#define LP_ITERATIONS_MAX 100000
#define LP_STEP_WORK 4
#define MISSING_PRICE 1e4 /* Of what is missing, in plans. */
#define ROWS_AT_A_NODE_MAX 50
#define WHOLE_SHARE 0.05 /* Of the work that is left, for one purchase. */
#define NODES_MAX 100000 /* Open ones: of some 60 MB at most. */

struct node {
    int32_t *lower, *upper; /* By kind; the last is of all machines. */
    double bound;
};

struct row {
    double lower;
    const double *values;
};

struct hard { /* A purchase of which it is not known whether it holds all pieces. */
    const int64_t *machines;
    double bound;
};

struct prove {
    struct pack_work *work;
    struct arena *arena;
    struct pack_fit fit;
    struct exact_box *box;
    size_t kinds;
    double *prices; /* By variable: the kinds, all machines, what is missing. */
    struct row *rows;
    size_t row_count;
    struct node *heap;
    size_t heap_count, heap_room;
    double step; /* Costs are multiples of it. */
    double lost; /* The least bound of what was given up without proof. */
    struct pack_plan *best;
    struct hard *hard;
    size_t hard_count;
};

/* ---- open nodes ---- */

static bool is_before(const struct node *a, const struct node *b) {
    return a->bound < b->bound;
}

static void heap_push(struct prove *p, struct node node) {
    if (p->heap_count == p->heap_room) {
        size_t room = p->heap_room ? 2 * p->heap_room : 256;
        p->heap = mem_grow(p->heap, p->heap_room, room, sizeof(*p->heap));
        p->heap_room = room;
    }
    size_t at = p->heap_count++;
    for (; at > 0 && is_before(&node, &p->heap[(at - 1) / 2]); at = (at - 1) / 2)
        p->heap[at] = p->heap[(at - 1) / 2];
    p->heap[at] = node;
}

static struct node heap_pop(struct prove *p) {
    struct node top = p->heap[0], last = p->heap[--p->heap_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < p->heap_count; at = child) {
        if (child + 1 < p->heap_count && is_before(&p->heap[child + 1], &p->heap[child]))
            child++;
        if (!is_before(&p->heap[child], &last))
            break;
        p->heap[at] = p->heap[child];
    }
    p->heap[at] = last;
    return top;
}

static struct node node_copy(const struct prove *p, const struct node *from) {
    size_t size = (p->kinds + 1) * sizeof(int32_t);
    struct node to = {mem_alloc(size), mem_alloc(size), from->bound};
    memcpy(to.lower, from->lower, size);
    memcpy(to.upper, from->upper, size);
    return to;
}

static void node_free(struct node *node) {
    mem_free(node->lower);
    mem_free(node->upper);
}

/* ---- rows ---- */

/* What is missing (the last variable) makes each row hold, at a price that no plan pays. */
static void row_add(struct prove *p, double lower, double *values) {
    struct arena scratch = {0};
    int *columns = arena_alloc_array(&scratch, p->kinds + 2, sizeof(*columns));
    for (size_t k = 0; k < p->kinds + 2; k++)
        columns[k] = (int)k;
    exact_box_add(p->box, lower, columns, values, p->kinds + 2);
    p->rows = arena_push(p->arena, p->rows, p->row_count, sizeof(*p->rows));
    p->rows[p->row_count++] = (struct row){lower, values};
    arena_release(&scratch);
}

/* All machines are the sum of those of each kind. */
static void rows_of_sum(struct prove *p, double most) {
    for (int sign = -1; sign <= 1; sign += 2) {
        double *values = arena_alloc_array(p->arena, p->kinds + 2, sizeof(*values));
        for (size_t k = 0; k < p->kinds; k++)
            values[k] = -sign;
        values[p->kinds] = sign;
        values[p->kinds + 1] = most;
        row_add(p, 0, values);
    }
}

/* Of worths and what a machine of each kind holds of them at most. */
static void row_of_worth(struct prove *p, const double *worth, const double *most) {
    double lower = 0;
    for (size_t i = 0; i < p->work->model->class_count; i++)
        lower += worth[i] * (double)p->work->model->classes[i].count;
    if (lower <= 0)
        return;
    double *values = arena_alloc_array(p->arena, p->kinds + 2, sizeof(*values));
    for (size_t k = 0; k < p->kinds; k++)
        values[k] = fmin(1, most[k] / lower); /* More than all is no more than all. */
    values[p->kinds + 1] = 1;
    row_add(p, 1 - ROW_SLACK, values);
}

static void rows_of_dimensions(struct prove *p) {
    const struct pack_model *model = p->work->model;
    struct arena scratch = {0};
    double *worth = arena_alloc_array(&scratch, model->class_count, sizeof(*worth));
    double *most = arena_alloc_array(&scratch, p->kinds, sizeof(*most));
    for (size_t d = 0; d < PACK_DIMENSIONS; d++) {
        for (size_t i = 0; i < model->class_count; i++)
            worth[i] = (double)model->classes[i].need[d];
        for (size_t k = 0; k < p->kinds; k++)
            most[k] = (double)model->machines[k].has[d];
        row_of_worth(p, worth, most);
    }
    arena_release(&scratch);
}

/* ---- one node ---- */

/* No purchase of the node that holds all pieces costs less. */
static double bound_of(const struct prove *p, const double *duals, const double *lower, const double *upper) {
    size_t count = p->kinds + 2;
    struct arena scratch = {0};
    double *left = arena_memdup(&scratch, p->prices, count * sizeof(*left)), bound = 0;
    for (size_t r = 0; r < p->row_count; r++) {
        if (duals[r] <= 0)
            continue;
        bound += duals[r] * p->rows[r].lower;
        for (size_t k = 0; k < count; k++)
            left[k] -= duals[r] * p->rows[r].values[k];
    }
    for (size_t k = 0; k < count; k++)
        bound += left[k] * (left[k] > 0 ? lower[k] : upper[k]);
    arena_release(&scratch);
    return bound;
}

/* Only what is cheaper by a step is of interest. */
static bool is_hopeless(const struct prove *p, double bound) {
    return bound > p->best->cost - p->step + 0.01 * MICRO;
}

/* The variable to branch on; kinds + 1: all are whole. All machines first, then what moves the cost most. */
static size_t branching_kind(const struct prove *p, const double *values) {
    size_t found = p->kinds + 1;
    double most = 0;
    if (fabs(values[p->kinds] - round(values[p->kinds])) > WHOLE_EPSILON)
        return p->kinds;
    for (size_t k = 0; k < p->kinds; k++) {
        double off = fabs(values[k] - round(values[k]));
        if (off > WHOLE_EPSILON && off * p->prices[k] > most) {
            most = off * p->prices[k];
            found = k;
        }
    }
    return found;
}

static void push_child(struct prove *p, const struct node *node, size_t kind, int32_t lower, int32_t upper) {
    struct node child = node_copy(p, node);
    if (lower > child.lower[kind])
        child.lower[kind] = lower;
    if (upper < child.upper[kind])
        child.upper[kind] = upper;
    if (child.lower[kind] <= child.upper[kind])
        heap_push(p, child);
    else
        node_free(&child);
}

/* What has more than these machines of some kind. */
static void push_others(struct prove *p, const struct node *node, const int64_t *machines) {
    struct node rest = node_copy(p, node);
    for (size_t k = 0; k < p->kinds; k++) {
        push_child(p, &rest, k, (int32_t)machines[k] + 1, INT32_MAX);
        rest.upper[k] = (int32_t)machines[k];
    }
    node_free(&rest);
}

/* Do these machines hold all pieces? If that is not known in so much work, it is asked again at the end. */
static void try_purchase(struct prove *p, const struct node *node, const double *values) {
    struct pack_work *work = p->work;
    struct arena scratch = {0};
    int64_t *machines = arena_alloc_array(&scratch, p->kinds, sizeof(*machines));
    struct pack_plan plan = {0};
    for (size_t k = 0; k < p->kinds; k++)
        machines[k] = llround(values[k]);
    uint64_t work_max = pack_work_until(work, WHOLE_SHARE);
    enum pack_fit_end end = pack_fit_whole(&p->fit, machines, work_max, &plan);
    if (end == PACK_FIT_YES && plan.cost < p->best->cost)
        *p->best = plan;
    if (end != PACK_FIT_YES)
        push_others(p, node, machines);
    if (end == PACK_FIT_OUT_OF_WORK) {
        p->hard = arena_push(p->arena, p->hard, p->hard_count, sizeof(*p->hard));
        p->hard[p->hard_count++] =
            (struct hard){arena_memdup(p->arena, machines, p->kinds * sizeof(*machines)), node->bound};
    }
    arena_release(&scratch);
}

/* Those that were hard, the cheapest first, with all the work that is left. False: it is not enough. */
static bool try_hard(struct prove *p) {
    for (;;) {
        struct hard *best = NULL;
        for (size_t h = 0; h < p->hard_count; h++)
            if (p->hard[h].machines && (!best || p->hard[h].bound < best->bound))
                best = &p->hard[h];
        if (!best || is_hopeless(p, best->bound))
            return true;
        struct pack_plan plan = {0};
        enum pack_fit_end end = pack_fit_whole(&p->fit, best->machines, p->work->max, &plan);
        if (end == PACK_FIT_OUT_OF_WORK) {
            p->lost = best->bound;
            return false;
        }
        if (end == PACK_FIT_YES && plan.cost < p->best->cost)
            *p->best = plan;
        best->machines = NULL;
    }
}

/* Closes the node, or puts what is left of it back. False: it is out of work. */
static bool expand(struct prove *p, struct node *node, double *lower, double *upper) {
    struct arena scratch = {0};
    double *values = arena_alloc_array(&scratch, p->kinds + 2, sizeof(*values));
    int64_t *counts = arena_alloc_array(&scratch, p->work->model->class_count, sizeof(*counts));
    size_t kind = p->kinds + 1;
    bool is_open = true, is_done = true;
    for (size_t i = 0; i < p->work->model->class_count; i++)
        counts[i] = p->work->model->classes[i].count;
    for (size_t k = 0; k <= p->kinds; k++) {
        lower[k] = node->lower[k];
        upper[k] = node->upper[k];
    }
    for (size_t rows = 0; is_open; rows++) {
        struct exact_solution solution;
        bool is_solved = exact_box_solve(p->box, lower, upper, LP_ITERATIONS_MAX, &solution);
        p->work->done += 2000 + (solution.iterations + 1) * (p->row_count + p->kinds) * LP_STEP_WORK;
        is_done = is_solved && p->work->done < p->work->max;
        if (!is_done)
            break;
        node->bound = fmax(node->bound, bound_of(p, solution.duals, lower, upper));
        if (is_hopeless(p, node->bound)) {
            is_open = false;
            break;
        }
        memcpy(values, solution.values, (p->kinds + 2) * sizeof(*values));
        kind = branching_kind(p, values);
        if (rows >= ROWS_AT_A_NODE_MAX)
            break;
        if (kind > p->kinds)
            for (size_t k = 0; k < p->kinds; k++)
                values[k] = round(values[k]);
        enum pack_fit_end end = pack_fit_solve(&p->fit, counts, values);
        is_done = end != PACK_FIT_OUT_OF_WORK;
        if (end != PACK_FIT_NO)
            break;
        row_of_worth(p, p->fit.worth, p->fit.most);
    }
    if (is_open && is_done && kind > p->kinds) {
        try_purchase(p, node, values);
    } else if (is_open && is_done) {
        int32_t whole = (int32_t)floor(values[kind]);
        push_child(p, node, kind, INT32_MIN, whole);
        push_child(p, node, kind, whole + 1, INT32_MAX);
    }
    arena_release(&scratch);
    return is_done;
}

/* ---- all of it ---- */

static double step_of(const struct pack_model *model) {
    int64_t step = 0;
    for (size_t k = 0; k < model->machine_count; k++)
        for (int64_t other = llround(model->machines[k].price / MICRO); other != 0;) {
            int64_t rest = step % other;
            step = other;
            other = rest;
        }
    return (double)step * MICRO;
}

static struct node root_of(struct prove *p) {
    const struct pack_model *model = p->work->model;
    struct node root = {mem_alloc_array(p->kinds + 1, sizeof(int32_t)), mem_alloc_array(p->kinds + 1, sizeof(int32_t)),
                        0};
    int64_t pieces = 0;
    for (size_t i = 0; i < model->class_count; i++)
        pieces += model->classes[i].count;
    for (size_t k = 0; k < p->kinds; k++)
        root.upper[k] = (int32_t)fmin((double)pieces, floor(p->best->cost / model->machines[k].price));
    root.upper[p->kinds] = (int32_t)pieces;
    return root;
}

static void prove_init(struct prove *p, struct pack_work *work, const struct pack_columns *columns,
                       struct pack_plan *best, struct arena *arena) {
    const struct pack_model *model = work->model;
    *p = (struct prove){.work = work,
                        .arena = arena,
                        .kinds = model->machine_count,
                        .step = step_of(model),
                        .lost = INFINITY,
                        .best = best};
    p->prices = arena_alloc_array(arena, p->kinds + 2, sizeof(*p->prices));
    for (size_t k = 0; k < p->kinds; k++)
        p->prices[k] = model->machines[k].price;
    p->prices[p->kinds + 1] = MISSING_PRICE * best->cost;
    p->box = exact_box_new(p->prices, p->kinds + 2);
    pack_fit_init(work, model, NULL, arena, &p->fit);
    for (size_t j = 0; j < columns->count; j++) {
        struct pack_filling filling = pack_spread_cut(model, &columns->fillings[j], arena);
        if (filling.count > 0)
            pack_fit_add(&p->fit, &filling);
    }
    heap_push(p, root_of(p));
    rows_of_sum(p, p->heap[0].upper[p->kinds] * 2);
    rows_of_dimensions(p);
    row_of_worth(p, columns->center, p->prices);
}

bool pack_prove_is_small(const struct pack_model *model) {
    int64_t pieces = 0;
    for (size_t i = 0; i < model->class_count; i++)
        pieces += model->classes[i].count;
    return pieces <= PIECES_MAX && model->class_count <= CLASSES_MAX && model->machine_count <= KINDS_MAX;
}

double pack_prove(struct pack_work *work, const struct pack_columns *columns, struct pack_plan *best,
                  bool *ret_proven) {
    struct arena arena = {0};
    struct prove p;
    prove_init(&p, work, columns, best, &arena);
    double *lower = arena_alloc_array(&arena, p.kinds + 2, sizeof(*lower));
    double *upper = arena_alloc_array(&arena, p.kinds + 2, sizeof(*upper)), bound = columns->bound;
    upper[p.kinds + 1] = 1;
    bool is_done = true;
    while (is_done && p.heap_count > 0 && p.heap_count < NODES_MAX && !is_hopeless(&p, p.heap[0].bound)) {
        struct node node = heap_pop(&p);
        is_done = expand(&p, &node, lower, upper);
        if (!is_done)
            p.lost = node.bound;
        node_free(&node);
    }
    is_done = is_done && p.heap_count < NODES_MAX && try_hard(&p);
    double open = fmin(p.lost, p.heap_count > 0 ? p.heap[0].bound : INFINITY);
    for (size_t h = 0; h < p.hard_count; h++)
        open = p.hard[h].machines ? fmin(open, p.hard[h].bound) : open;
    *ret_proven = is_done;
    bound = is_done ? best->cost : fmax(bound, fmin(open, best->cost));
    while (p.heap_count > 0)
        node_free(&p.heap[--p.heap_count]);
    mem_free(p.heap);
    exact_box_free(p.box);
    pack_fit_free(&p.fit);
    arena_release(&arena);
    return bound;
}
