/*
 * Machine after machine: always the filling that gives the most worth for its price, as often as what is left allows.
 * A machine's filling is made anew only once what is left no longer has it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "plan/pack_internal.h"

void pack_buy(struct pack_plan *plan, const struct pack_filling *filling, int64_t times, double price,
              struct arena *arena) {
    plan->bought = arena_push(arena, plan->bought, plan->count, sizeof(*plan->bought));
    plan->bought[plan->count++] = (struct pack_bought){*filling, times};
    plan->cost += price * (double)times;
}

struct candidate {
    struct pack_filling filling; /* Arrays of their own, class_count long. */
    double rate;                 /* Worth for a unit of money. */
    bool is_made;
};

/* How often what is left has the whole filling. */
static int64_t times_in(const struct pack_filling *filling, const int64_t *limit) {
    int64_t times = INT64_MAX;
    for (size_t t = 0; t < filling->count; t++) {
        int64_t whole = limit[filling->classes[t]] / filling->pieces[t];
        times = whole < times ? whole : times;
    }
    return filling->count > 0 ? times : 0;
}

static void make(struct pack_work *work, size_t k, const double *worth, const int64_t *limit, struct candidate *ret) {
    const struct pack_model *model = work->model;
    uint32_t *classes = (uint32_t *)(uintptr_t)ret->filling.classes;
    int32_t *pieces = (int32_t *)(uintptr_t)ret->filling.pieces;
    int64_t left[PACK_DIMENSIONS];
    double value = 0;
    size_t count = 0;
    for (size_t d = 0; d < PACK_DIMENSIONS; d++)
        left[d] = model->machines[k].has[d];
    for (size_t t = 0; t < work->order_count; t++) {
        uint32_t i = work->order[t];
        if (limit[i] == 0)
            continue;
        int64_t most = limit[i];
        const int64_t *need = model->classes[i].need;
        for (size_t d = 0; d < PACK_DIMENSIONS && most > 0; d++) {
            if (need[d] > 0 && left[d] / need[d] < most)
                most = left[d] / need[d];
        }
        if (most == 0)
            continue;
        most = most < INT32_MAX ? most : INT32_MAX;
        classes[count] = i;
        pieces[count++] = (int32_t)most;
        value += worth[i] * (double)most;
        for (size_t d = 0; d < PACK_DIMENSIONS; d++)
            left[d] -= most * need[d];
    }
    ret->filling.count = count;
    ret->rate = value / model->machines[k].price;
    ret->is_made = true;
    work->done += 3 * work->order_count;
}

static int by_worth(const void *left, const void *right, void *ctx) {
    const double *worth = ctx;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    if (worth[a] != worth[b])
        return worth[a] > worth[b] ? -1 : 1;
    return (a > b) - (a < b);
}

/* What would cost most alone comes first. */
static void order_by_worth(struct pack_work *work, const double *worth, const int64_t *limit) {
    work->order_count = 0;
    for (size_t i = 0; i < work->model->class_count; i++)
        if (limit[i] > 0)
            work->order[work->order_count++] = (uint32_t)i;
    qsort_r(work->order, work->order_count, sizeof(*work->order), by_worth, (void *)(uintptr_t)worth);
    work->done += 12 * work->order_count;
}

static struct pack_filling by_class(struct pack_work *work, const struct candidate *candidate) {
    const struct pack_filling *filling = &candidate->filling;
    for (size_t i = 0; i < work->model->class_count; i++)
        work->pieces[i] = 0;
    for (size_t t = 0; t < filling->count; t++)
        work->pieces[filling->classes[t]] = filling->pieces[t];
    struct pack_filling found = pack_filling_of(work->model, filling->machine, work->pieces, work->arena);
    found.machine = pack_cheapest(work->model, &found);
    return found;
}

void pack_greedy(struct pack_work *work, const double *worth, int64_t *limit, struct pack_plan *plan) {
    const struct pack_model *model = work->model;
    struct arena scratch = {0};
    struct candidate *candidates = arena_alloc_array(&scratch, model->machine_count, sizeof(*candidates));
    for (size_t k = 0; k < model->machine_count; k++)
        candidates[k].filling = (struct pack_filling){
            .machine = k,
            .classes = arena_alloc_array(&scratch, model->class_count, sizeof(*candidates[k].filling.classes)),
            .pieces = arena_alloc_array(&scratch, model->class_count, sizeof(*candidates[k].filling.pieces))};
    order_by_worth(work, worth, limit);
    for (;;) {
        size_t best = 0;
        for (size_t k = 0; k < model->machine_count; k++) {
            if (!candidates[k].is_made || times_in(&candidates[k].filling, limit) == 0)
                make(work, k, worth, limit, &candidates[k]);
            work->done += candidates[k].filling.count;
            bool is_first = candidates[best].filling.count == 0;
            if (candidates[k].filling.count > 0 && (is_first || candidates[k].rate > candidates[best].rate))
                best = k;
        }
        if (model->machine_count == 0 || candidates[best].filling.count == 0)
            break;
        int64_t times = times_in(&candidates[best].filling, limit);
        struct pack_filling bought = by_class(work, &candidates[best]);
        pack_buy(plan, &bought, times, model->machines[bought.machine].price, work->arena);
        for (size_t t = 0; t < bought.count; t++)
            limit[bought.classes[t]] -= times * bought.pieces[t];
    }
    arena_release(&scratch);
    for (size_t i = 0; i < model->class_count; i++)
        ASSERT(limit[i] == 0); /* Each class fits some machine. */
}
