/*
 * Machine after machine: always the filling that gives the most worth for its price, as often as what is left allows.
 * A machine's filling is made anew only once what is left no longer has it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

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
            if (need[d] > left[d])
                most = 0;
            else if (need[d] > 0 && need[d] * most > left[d])
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

/* The largest for their worth's sake come first: by worth, which is what one alone would cost. */
static void order_by_worth(struct pack_work *work, const double *worth, const int64_t *limit) {
    work->order_count = 0;
    for (size_t i = 0; i < work->model->class_count; i++)
        if (limit[i] > 0)
            work->order[work->order_count++] = (uint32_t)i;
    for (size_t t = 1; t < work->order_count; t++) { /* Nearly sorted: classes are by size. */
        uint32_t i = work->order[t];
        size_t at = t;
        for (; at > 0 && worth[work->order[at - 1]] < worth[i]; at--)
            work->order[at] = work->order[at - 1];
        work->order[at] = i;
    }
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
            if (candidates[k].rate > candidates[best].rate)
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
}
