/*
 * What an earlier run found, for this run to start from: its fillings, cut to what is still wanted and moved to the
 * cheapest machine that holds them today; its duals; and as many of its machines as the counts allow.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "plan/pack_internal.h"

#define NO_CLASS SIZE_MAX

/* Of what is spread, the first. */
static const size_t *classes_of(const struct pack_problem *problem, const struct pack_model *model,
                                struct arena *arena) {
    size_t *classes = arena_alloc_array(arena, problem->demand_count, sizeof(*classes));
    for (size_t i = 0; i < problem->demand_count; i++)
        classes[i] = NO_CLASS;
    for (size_t i = 0; i < model->class_count; i++)
        for (size_t t = 0; t < model->classes[i].member_count; t++)
            if (classes[model->classes[i].members[t]] == NO_CLASS)
                classes[model->classes[i].members[t]] = i;
    return classes;
}

/* Of a demand's pieces on that offer. */
static size_t class_on(const struct pack_model *model, const size_t *classes, size_t demand, size_t offer) {
    size_t class = demand == PACK_NO_DEMAND ? NO_CLASS : classes[demand];
    if (class == NO_CLASS || model->classes[class].asks[PACK_ZONE] == 0)
        return class;
    const size_t *members = model->classes[class].members;
    uint32_t zone = offer == PACK_NO_OFFER ? 0 : model->zones[offer];
    for (; class < model->class_count && model->classes[class].members == members; class ++)
        if (model->classes[class].asks[PACK_ZONE] == zone)
            return class;
    return NO_CLASS;
}

static const double *duals_of(const struct pack_problem *problem, const struct pack_model *model, const size_t *classes,
                              struct arena *arena) {
    const struct pack_previous *previous = problem->previous;
    double *duals = arena_alloc_array(arena, model->class_count, sizeof(*duals));
    for (size_t i = 0; i < model->class_count; i++)
        for (size_t t = 0; t < model->classes[i].member_count; t++)
            duals[i] = fmax(duals[i], previous->duals[model->classes[i].members[t]]);
    for (size_t t = 0; t < previous->zone_dual_count; t++) {
        const struct pack_zone_dual *dual = &previous->zone_duals[t];
        size_t class = class_on(model, classes, dual->demand, dual->offer);
        if (class != NO_CLASS)
            duals[class] = dual->dual;
    }
    return duals;
}

struct piece {
    size_t class;
    int64_t count;
};

static int by_class(const void *left, const void *right) {
    size_t a = ((const struct piece *)left)->class, b = ((const struct piece *)right)->class;
    return (a > b) - (a < b);
}

/* Its pieces of what is still wanted, by class; several demands may have become one class. */
static struct piece *pieces_of(const struct pack_model *model, const struct pack_purchase *purchase,
                               const size_t *classes, struct arena *scratch, size_t *ret_count, bool *ret_whole) {
    struct piece *pieces = arena_alloc_array(scratch, purchase->load_count, sizeof(*pieces));
    size_t count = 0, kept = 0;
    for (size_t t = 0; t < purchase->load_count; t++) {
        size_t class = class_on(model, classes, purchase->loads[t].demand, purchase->offer);
        if (class != NO_CLASS)
            pieces[count++] = (struct piece){class, purchase->loads[t].count};
    }
    if (count > 0)
        qsort(pieces, count, sizeof(*pieces), by_class);
    for (size_t t = 0; t < count; t++) {
        if (kept > 0 && pieces[kept - 1].class == pieces[t].class)
            pieces[kept - 1].count += pieces[t].count;
        else
            pieces[kept++] = pieces[t];
    }
    *ret_whole = count == purchase->load_count;
    *ret_count = kept;
    return pieces;
}

/* Adds one filling, `times` times; none if no machine holds it. whole: only if it has lost nothing; may be NULL. */
static void add(struct pack_work *work, const size_t *classes, const struct pack_purchase *purchase, int64_t times,
                struct pack_plan *plan, struct pack_plan *whole) {
    const struct pack_model *model = work->model;
    struct arena scratch = {0};
    size_t count;
    bool is_whole;
    const struct piece *pieces = pieces_of(model, purchase, classes, &scratch, &count, &is_whole);
    uint32_t *found = arena_alloc_array(work->arena, count, sizeof(*found));
    int32_t *counts = arena_alloc_array(work->arena, count, sizeof(*counts));
    for (size_t t = 0; t < count; t++) {
        int64_t most = model->classes[pieces[t].class].most;
        is_whole &= pieces[t].count <= most;
        found[t] = (uint32_t)pieces[t].class;
        counts[t] = (int32_t)(pieces[t].count < most ? pieces[t].count : most);
    }
    struct pack_filling filling = {model->machine_count, count, found, counts};
    filling.machine = pack_cheapest(model, &filling);
    if (count > 0 && filling.machine < model->machine_count) {
        double price = model->machines[filling.machine].price;
        pack_buy(plan, &filling, times, price, work->arena);
        if (whole && is_whole)
            pack_buy(whole, &filling, times, price, work->arena);
    }
    work->done += 20 * count;
    arena_release(&scratch);
}

/* As many machines of the plan as there are pieces for. */
static struct pack_kept keep(struct pack_work *work, const struct pack_plan *plan) {
    const struct pack_model *model = work->model;
    int64_t *limit = arena_alloc_array(work->arena, model->class_count, sizeof(*limit));
    struct pack_kept kept = {.limit = limit};
    for (size_t i = 0; i < model->class_count; i++)
        limit[i] = model->classes[i].count;
    for (size_t i = 0; i < plan->count; i++) {
        const struct pack_filling *filling = &plan->bought[i].filling;
        int64_t times = plan->bought[i].times;
        for (size_t t = 0; t < filling->count; t++) {
            int64_t most = limit[filling->classes[t]] / filling->pieces[t];
            times = most < times ? most : times;
        }
        if (times == 0)
            continue;
        pack_buy(&kept.plan, filling, times, model->machines[filling->machine].price, work->arena);
        for (size_t t = 0; t < filling->count; t++)
            limit[filling->classes[t]] -= times * filling->pieces[t];
    }
    return kept;
}

void pack_seed_counts(const struct pack_problem *problem, const struct pack_model *model, double *ret) {
    struct arena scratch = {0};
    const size_t *classes = classes_of(problem, model, &scratch);
    for (size_t i = 0; i < problem->previous->purchase_count && model->spread_count > 0; i++) {
        const struct pack_purchase *purchase = &problem->previous->purchases[i];
        for (size_t t = 0; t < purchase->load_count; t++) {
            size_t class = class_on(model, classes, purchase->loads[t].demand, purchase->offer);
            if (class != NO_CLASS)
                ret[class] += (double)(purchase->loads[t].count * purchase->count);
        }
    }
    arena_release(&scratch);
}

void pack_seed_make(const struct pack_problem *problem, struct pack_work *work, struct pack_seed *ret) {
    const struct pack_previous *previous = problem->previous;
    const size_t *classes = classes_of(problem, work->model, work->arena);
    struct pack_plan whole = {0};
    *ret = (struct pack_seed){.duals = duals_of(problem, work->model, classes, work->arena)};
    for (size_t i = 0; i < previous->purchase_count; i++)
        add(work, classes, &previous->purchases[i], previous->purchases[i].count, &ret->plan, &whole);
    for (size_t i = 0; i < previous->pattern_count; i++)
        add(work, classes, &previous->patterns[i], 0, &ret->plan, NULL);
    ret->all = keep(work, &ret->plan);
    ret->whole = keep(work, &whole);
}
