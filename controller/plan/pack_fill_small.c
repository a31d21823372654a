/*
 * One machine, filled to the greatest worth, where there are few pieces: by search in depth within what may be lost.
 * With weights w of the dimensions (the duals of the relaxation), a filling x of at most u_i pieces is worth
 *
 *     w has + sum_i s_i u_i  -  w (has - need x)  -  sum_i s_i (u_i - x_i)  -  sum_j -s_j x_j,    s = worth - w need
 *
 * the i with s_i > 0, the j with s_j <= 0: a bound, less what is lost to room left over, to pieces left out that are
 * worth their room, and to those taken that are not. Pieces that would lose most are decided first, so that most of
 * the others are never asked. (Pisinger, Operations Research 45, 1997, on such cores of knapsacks.) A step takes some
 * nanoseconds, against the microseconds of a relaxation (pack_fill.c), but there are more of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/pack_internal.h"

#define EPSILON 1e-9 /* Of relative worth. */
#define RELAX_WORK 5000
#define STEP_WORK 6

struct item {
    uint32_t class;
    int32_t most;
    int64_t need[PACK_DIMENSIONS];
    double worth, surplus;
    double later[PACK_DIMENSIONS]; /* What this and all later items need at most. */
};

struct small {
    const struct item *items;
    size_t count;
    const double *weights;
    double bound, best;           /* Worth: of nothing more, of the best so far. */
    int32_t *pieces, *ret_pieces; /* By item. */
    double tolerance;             /* Better by less is no better. */
    uint64_t steps, steps_max;
    bool found;
};

static int by_loss(const void *left, const void *right) {
    const struct item *a = left, *b = right;
    double x = fabs(a->surplus), y = fabs(b->surplus);
    if (x != y)
        return x > y ? -1 : 1;
    return (a->class > b->class) - (a->class < b->class);
}

static size_t items_of(const struct pack_work *work, const struct pack_small_task *task, struct item *items) {
    size_t count = 0;
    for (size_t i = 0; i < work->model->class_count; i++) {
        int32_t fits = pack_fits(work->model, task->machine, i);
        int32_t most = task->limit[i] < fits ? (int32_t)task->limit[i] : fits;
        if (task->worth[i] <= 0 || most <= 0)
            continue;
        items[count] = (struct item){.class = (uint32_t)i, .most = most, .worth = task->worth[i]};
        memcpy(items[count++].need, work->model->classes[i].need, sizeof(items->need));
    }
    return count;
}

/* At the weights. */
static double bound_at(const double *weights, struct item *items, size_t count, const int64_t *has) {
    double bound = 0;
    for (size_t d = 0; d < PACK_DIMENSIONS; d++)
        bound += weights[d] * (double)has[d];
    for (size_t t = 0; t < count; t++) {
        items[t].surplus = items[t].worth;
        for (size_t d = 0; d < PACK_DIMENSIONS; d++)
            items[t].surplus -= weights[d] * (double)items[t].need[d];
        bound += fmax(0, items[t].surplus) * items[t].most;
    }
    return bound;
}

static void order(struct small *s, struct item *items) {
    qsort(items, s->count, sizeof(*items), by_loss);
    for (size_t t = s->count; t-- > 0;)
        for (size_t d = 0; d < PACK_DIMENSIONS; d++)
            items[t].later[d] =
                (double)items[t].need[d] * items[t].most + (t + 1 < s->count ? items[t + 1].later[d] : 0);
}

static double allowed(const struct small *s) {
    return s->bound - s->best - s->tolerance;
}

/* What is lost of room that no later item can use. */
static double lost_room(const struct small *s, size_t at, const int64_t *left) {
    double lost = 0;
    for (size_t d = 0; d < PACK_DIMENSIONS; d++) {
        double over = (double)left[d] - (at < s->count ? s->items[at].later[d] : 0);
        lost += over > 0 ? s->weights[d] * over : 0;
    }
    return lost;
}

static void take_best(struct small *s) {
    double value = 0;
    for (size_t t = 0; t < s->count; t++)
        value += s->pieces[t] * s->items[t].worth;
    if (value <= s->best + s->tolerance)
        return;
    s->best = value;
    s->found = true;
    memcpy(s->ret_pieces, s->pieces, s->count * sizeof(*s->pieces));
}

static void descend(struct small *s, size_t at, const int64_t *left, double lost) {
    s->steps++;
    if (lost + lost_room(s, at, left) >= allowed(s) || s->steps > s->steps_max)
        return;
    if (at == s->count) {
        take_best(s);
        return;
    }
    const struct item *item = &s->items[at];
    int64_t rest[PACK_DIMENSIONS], most = item->most;
    for (size_t d = 0; d < PACK_DIMENSIONS; d++)
        if (item->need[d] * most > left[d])
            most = left[d] / item->need[d];
    bool is_wanted = item->surplus > 0;
    for (int64_t tried = 0; tried <= most; tried++) {
        int64_t taken = is_wanted ? most - tried : tried;
        double more = is_wanted ? item->surplus * (double)(item->most - taken) : -item->surplus * (double)taken;
        if (lost + more >= allowed(s))
            break;
        for (size_t d = 0; d < PACK_DIMENSIONS; d++)
            rest[d] = left[d] - taken * item->need[d];
        s->pieces[at] = (int32_t)taken;
        descend(s, at + 1, rest, lost + more);
    }
    s->pieces[at] = 0;
}

/* The duals of the relaxation. False: there are none. */
static bool weigh(struct pack_work *work, const struct pack_small_task *task, const struct item *items, size_t count,
                  struct arena *scratch) {
    size_t n = work->model->class_count;
    double has[PACK_DIMENSIONS];
    struct exact_fill_solution solution;
    double *lower = arena_alloc_array(scratch, n, sizeof(*lower)),
           *upper = arena_alloc_array(scratch, n, sizeof(*upper));
    for (size_t t = 0; t < count; t++)
        upper[items[t].class] = items[t].most;
    for (size_t d = 0; d < PACK_DIMENSIONS; d++)
        has[d] = (double)work->model->machines[task->machine].has[d];
    work->done += RELAX_WORK + 10 * n;
    if (!exact_fill_solve(work->fill, has, task->worth, lower, upper, &solution))
        return false;
    memcpy(task->weights, solution.weights, PACK_DIMENSIONS * sizeof(*task->weights));
    return true;
}

bool pack_fill_small(struct pack_work *work, struct pack_small_task *task) {
    const int64_t *has = work->model->machines[task->machine].has;
    size_t n = work->model->class_count;
    struct arena scratch = {0};
    struct item *items = arena_alloc_array(&scratch, n, sizeof(*items));
    struct small s = {.items = items,
                      .count = items_of(work, task, items),
                      .weights = task->weights,
                      .best = task->floor,
                      .tolerance = task->tolerance,
                      .steps_max = task->steps_max,
                      .pieces = arena_alloc_array(&scratch, n, sizeof(*s.pieces)),
                      .ret_pieces = arena_alloc_array(&scratch, n, sizeof(*s.ret_pieces))};
    bool is_done = true;
    s.bound = bound_at(s.weights, items, s.count, has);
    if (s.bound > s.best + s.tolerance && (is_done = weigh(work, task, items, s.count, &scratch))) {
        s.bound = bound_at(s.weights, items, s.count, has);
        order(&s, items);
        descend(&s, 0, has, 0);
        is_done = s.steps <= s.steps_max;
    }
    memset(work->best, 0, n * sizeof(*work->best));
    for (size_t t = 0; t < s.count; t++)
        work->best[items[t].class] = s.ret_pieces[t];
    work->done += s.steps * STEP_WORK + 20 * n;
    task->found = s.found ? s.best : -1;
    task->upper = fmax(s.best, is_done ? fmin(s.bound, s.best + s.tolerance) : s.bound) * (1 + EPSILON);
    arena_release(&scratch);
    return is_done;
}
