/*
 * From classes back to demands: which demand's pieces are on which machine.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "base/error.h"
#include "base/str.h"
#include "plan/pack_spread.h"

struct result_work {
    const struct pack_problem *problem;
    const struct pack_model *model;
    struct arena *arena;
    size_t *member; /* Of each class: which of its demands is being placed, */
    int64_t *left;  /* and how many of its pieces are not. */
    struct pack_purchase *purchases;
    size_t count;
};

static void next_member(struct result_work *w, size_t class) {
    const struct pack_class *c = &w->model->classes[class];
    while (w->left[class] == 0 && w->member[class] + 1 < c->member_count)
        w->left[class] = w->problem->demands[c->members[++w->member[class]]].count;
}

static void add_load(struct result_work *w, struct pack_load *loads, size_t *count, size_t class, int64_t pieces) {
    loads[(*count)++] = (struct pack_load){w->model->classes[class].members[w->member[class]], pieces};
}

/* One machine's pieces may come from several demands of a class. */
static void place_one(struct result_work *w, const struct pack_filling *filling) {
    size_t count = 0, most = 0;
    for (size_t t = 0; t < filling->count; t++)
        most += (size_t)filling->pieces[t] < w->model->classes[filling->classes[t]].member_count
                    ? (size_t)filling->pieces[t]
                    : w->model->classes[filling->classes[t]].member_count;
    struct pack_load *loads = arena_alloc_array(w->arena, most, sizeof(*loads));
    for (size_t t = 0; t < filling->count; t++) {
        size_t class = filling->classes[t];
        for (int64_t wanted = filling->pieces[t]; wanted > 0;) {
            next_member(w, class);
            int64_t taken = wanted < w->left[class] ? wanted : w->left[class];
            ASSERT(taken > 0);
            add_load(w, loads, &count, class, taken);
            w->left[class] -= taken;
            wanted -= taken;
        }
    }
    w->purchases = arena_push(w->arena, w->purchases, w->count, sizeof(*w->purchases));
    w->purchases[w->count++] = (struct pack_purchase){w->model->machines[filling->machine].offer, 1, loads, count};
}

/* How many machines in a row are filled alike, from one demand of each class. */
static int64_t alike(struct result_work *w, const struct pack_bought *bought, int64_t left) {
    int64_t times = left;
    for (size_t t = 0; t < bought->filling.count; t++) {
        size_t class = bought->filling.classes[t];
        next_member(w, class);
        int64_t whole = w->left[class] / bought->filling.pieces[t];
        times = whole < times ? whole : times;
    }
    return times;
}

static void place(struct result_work *w, const struct pack_bought *bought) {
    for (int64_t left = bought->times; left > 0;) {
        int64_t times = alike(w, bought, left);
        if (times == 0) {
            place_one(w, &bought->filling);
            left--;
            continue;
        }
        size_t count = 0;
        struct pack_load *loads = arena_alloc_array(w->arena, bought->filling.count, sizeof(*loads));
        for (size_t t = 0; t < bought->filling.count; t++) {
            size_t class = bought->filling.classes[t];
            add_load(w, loads, &count, class, bought->filling.pieces[t]);
            w->left[class] -= times * bought->filling.pieces[t];
        }
        w->purchases = arena_push(w->arena, w->purchases, w->count, sizeof(*w->purchases));
        w->purchases[w->count++] =
            (struct pack_purchase){w->model->machines[bought->filling.machine].offer, times, loads, count};
        left -= times;
    }
}

struct order_context {
    const struct pack_problem *problem;
};

static int compare_offers(const struct pack_purchase *a, const struct pack_purchase *b,
                          const struct pack_problem *problem) {
    const struct pack_offer *x = &problem->offers[a->offer], *y = &problem->offers[b->offer];
    int order = str_cmp(x->provider, y->provider);
    if (!order)
        order = str_cmp(x->region, y->region);
    if (!order)
        order = str_cmp(x->type, y->type);
    return order ? order : str_cmp(x->zone ? x->zone : "", y->zone ? y->zone : "");
}

static int compare_loads(const struct pack_purchase *a, const struct pack_purchase *b,
                         const struct pack_problem *problem) {
    int order = 0;
    for (size_t t = 0; !order && t < a->load_count && t < b->load_count; t++) {
        order = str_cmp(problem->demands[a->loads[t].demand].name, problem->demands[b->loads[t].demand].name);
        if (!order && a->loads[t].count != b->loads[t].count)
            order = a->loads[t].count > b->loads[t].count ? -1 : 1;
    }
    return order ? order : (a->load_count > b->load_count) - (a->load_count < b->load_count);
}

/* 0: they are filled alike. */
static int compare_fillings(const void *left, const void *right, void *ctx) {
    const struct pack_problem *problem = ((struct order_context *)ctx)->problem;
    int order = compare_offers(left, right, problem);
    return order ? order : compare_loads(left, right, problem);
}

static int compare_purchases(const void *left, const void *right, void *ctx) {
    const struct pack_problem *problem = ((struct order_context *)ctx)->problem;
    const struct pack_purchase *a = left, *b = right;
    int order = compare_offers(a, b, problem);
    if (!order && a->count != b->count)
        order = a->count > b->count ? -1 : 1;
    return order ? order : compare_loads(a, b, problem);
}

/* Those that are filled alike become one. */
static void merge(struct result_work *w, struct order_context *context) {
    size_t kept = 0;
    qsort_r(w->purchases, w->count, sizeof(*w->purchases), compare_fillings, context);
    for (size_t i = 1; i < w->count; i++) {
        if (compare_fillings(&w->purchases[kept], &w->purchases[i], context) == 0)
            w->purchases[kept].count += w->purchases[i].count;
        else
            w->purchases[++kept] = w->purchases[i];
    }
    w->count = kept + 1;
    qsort_r(w->purchases, w->count, sizeof(*w->purchases), compare_purchases, context);
}

void pack_result_make(const struct pack_problem *problem, const struct pack_model *model, const struct pack_plan *plan,
                      struct arena *arena, struct pack_result *ret) {
    struct result_work w = {.problem = problem,
                            .model = model,
                            .arena = arena,
                            .member = arena_alloc_array(arena, model->class_count, sizeof(*w.member)),
                            .left = arena_alloc_array(arena, model->class_count, sizeof(*w.left))};
    for (size_t i = 0; i < model->class_count; i++)
        w.left[i] = problem->demands[model->classes[i].members[0]].count;
    for (size_t i = 0; i < plan->count; i++)
        place(&w, &plan->bought[i]);
    struct order_context context = {problem};
    if (w.count > 0)
        merge(&w, &context);
    ret->purchases = w.purchases;
    ret->purchase_count = w.count;
    for (size_t i = 0; i < w.count; i++) {
        ret->machine_count += w.purchases[i].count;
        ret->cost_hourly =
            money_add(ret->cost_hourly, money_mul(pack_price(problem, w.purchases[i].offer), w.purchases[i].count));
    }
}

static size_t offer_in(const struct pack_problem *problem, const struct pack_model *model, uint32_t zone) {
    size_t offer = 0;
    while (offer < problem->offer_count && model->zones[offer] != zone)
        offer++;
    return offer;
}

void pack_result_zone_duals(const struct pack_problem *problem, const struct pack_model *model, const double *worth,
                            struct arena *arena, double *duals, struct pack_result *ret) {
    struct pack_zone_dual *list = NULL;
    for (size_t s = 0; s < model->spread_count; s++) {
        const struct pack_spread *spread = &model->spreads[s];
        int64_t *counts = arena_alloc_array(arena, spread->zone_count, sizeof(*counts));
        duals[spread->demand] = pack_spread_least(spread, &worth[spread->first], counts) / (double)spread->count;
        for (size_t z = 0; z < spread->zone_count; z++) {
            size_t class = spread->first + z;
            list = arena_push(arena, list, ret->zone_dual_count, sizeof(*list));
            list[ret->zone_dual_count++] = (struct pack_zone_dual){
                spread->demand, offer_in(problem, model, model->classes[class].asks[PACK_ZONE]), worth[class]};
        }
    }
    ret->zone_duals = list;
}

void pack_result_patterns(const struct pack_model *model, const struct pack_filling *fillings, const size_t *chosen,
                          size_t count, struct arena *arena, struct pack_result *ret) {
    struct pack_purchase *patterns = arena_alloc_array(arena, count, sizeof(*patterns));
    for (size_t p = 0; p < count; p++) {
        const struct pack_filling *filling = &fillings[chosen[p]];
        struct pack_load *loads = arena_alloc_array(arena, filling->count, sizeof(*loads));
        for (size_t t = 0; t < filling->count; t++)
            loads[t] = (struct pack_load){model->classes[filling->classes[t]].members[0], filling->pieces[t]};
        patterns[p] = (struct pack_purchase){model->machines[filling->machine].offer, 0, loads, filling->count};
    }
    ret->patterns = patterns;
    ret->pattern_count = count;
}
