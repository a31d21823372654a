/*
 * See pack.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/pack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "plan/pack_internal.h"

#define GENERATE_SHARE 0.7 /* Of the work, for the bound; the rest makes whole machines of it. */

/* ---- the first plan ---- */

/* What one piece costs on the machine that is cheapest for it alone, as a share of that machine. */
static void worth_alone(const struct pack_model *model, double *ret) {
    for (size_t i = 0; i < model->class_count; i++) {
        ret[i] = INFINITY;
        for (size_t k = 0; k < model->machine_count; k++) {
            const struct pack_machine *machine = &model->machines[k];
            double share = 0;
            if (pack_fits(model, k, i) == 0)
                continue;
            for (size_t d = 0; d < PACK_DIMENSIONS; d++)
                if (model->classes[i].need[d] > 0)
                    share = fmax(share, (double)model->classes[i].need[d] / (double)machine->has[d]);
            ret[i] = fmin(ret[i], share * machine->price);
        }
    }
}

/* Prices of the dimensions alone, from the programme that covers their totals with machines in fractions: a piece is
 * worth its size in them. No machine holds more worth than its price, so they are feasible duals. */
static void worth_fluid(const struct pack_model *model, double *ret) {
    double total[PACK_DIMENSIONS] = {0}, values[PACK_DIMENSIONS];
    int rows[PACK_DIMENSIONS];
    for (size_t d = 0; d < PACK_DIMENSIONS; d++)
        for (size_t i = 0; i < model->class_count; i++)
            total[d] += (double)model->classes[i].need[d] * (double)model->classes[i].count;
    struct exact_lp *lp = exact_lp_new(total, PACK_DIMENSIONS);
    for (size_t k = 0; k < model->machine_count; k++) {
        size_t count = 0;
        for (size_t d = 0; d < PACK_DIMENSIONS; d++) {
            if (model->machines[k].has[d] == 0)
                continue;
            rows[count] = (int)d;
            values[count++] = (double)model->machines[k].has[d];
        }
        exact_lp_add(lp, model->machines[k].price, rows, values, count);
    }
    struct exact_solution solution;
    bool solved = exact_lp_solve(lp, UINT64_MAX, &solution);
    /* The library's tolerances are absolute: what they leave too high is taken off. */
    double rate = 1;
    for (size_t k = 0; k < model->machine_count && solved; k++) {
        double worth = 0;
        for (size_t d = 0; d < PACK_DIMENSIONS; d++)
            worth += fmax(0, solution.duals[d]) * (double)model->machines[k].has[d];
        rate = fmax(rate, worth / model->machines[k].price);
    }
    rate *= 1 + 1e-9;
    for (size_t i = 0; i < model->class_count; i++) {
        ret[i] = 0;
        for (size_t d = 0; d < PACK_DIMENSIONS && solved; d++)
            ret[i] += fmax(0, solution.duals[d]) / rate * (double)model->classes[i].need[d];
    }
    exact_lp_free(lp);
}

static int64_t *counts_of(const struct pack_model *model, struct arena *arena) {
    int64_t *counts = arena_alloc_array(arena, model->class_count, sizeof(*counts));
    for (size_t i = 0; i < model->class_count; i++)
        counts[i] = model->classes[i].count;
    return counts;
}

static void try_greedy(struct pack_work *work, const double *worth, struct pack_plan *best) {
    struct pack_plan plan = {0};
    pack_greedy(work, worth, counts_of(work->model, work->arena), &plan);
    if (plan.cost < best->cost)
        *best = plan;
}

/* ---- from classes back to demands ---- */

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

static int compare_purchases(const void *left, const void *right, void *ctx) {
    const struct pack_problem *problem = ((struct order_context *)ctx)->problem;
    const struct pack_purchase *a = left, *b = right;
    const struct pack_offer *x = &problem->offers[a->offer], *y = &problem->offers[b->offer];
    int order = str_cmp(x->provider, y->provider);
    if (!order)
        order = str_cmp(x->region, y->region);
    if (!order)
        order = str_cmp(x->type, y->type);
    if (!order && a->count != b->count)
        order = a->count > b->count ? -1 : 1;
    for (size_t t = 0; !order && t < a->load_count && t < b->load_count; t++) {
        order = str_cmp(problem->demands[a->loads[t].demand].name, problem->demands[b->loads[t].demand].name);
        if (!order && a->loads[t].count != b->loads[t].count)
            order = a->loads[t].count > b->loads[t].count ? -1 : 1;
    }
    return order ? order : (a->load_count > b->load_count) - (a->load_count < b->load_count);
}

static void result_make(const struct pack_problem *problem, const struct pack_model *model,
                        const struct pack_plan *plan, struct arena *arena, struct pack_result *ret) {
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
        qsort_r(w.purchases, w.count, sizeof(*w.purchases), compare_purchases, &context);
    ret->purchases = w.purchases;
    ret->purchase_count = w.count;
    for (size_t i = 0; i < w.count; i++) {
        ret->machine_count += w.purchases[i].count;
        ret->cost_hourly = money_add(
            ret->cost_hourly, money_mul(problem->offers[w.purchases[i].offer].price_hourly, w.purchases[i].count));
    }
}

void pack_solve(const struct pack_problem *problem, struct arena *arena, struct pack_result *ret) {
    struct pack_model model;
    struct pack_work work;
    struct pack_columns columns;
    *ret = (struct pack_result){0};
    pack_model_make(problem, arena, &model, ret);
    size_t n = model.class_count;
    double *duals = arena_alloc_array(arena, problem->demand_count, sizeof(*duals));
    ret->duals = duals;
    ret->class_count = n;
    ret->machine_type_count = model.machine_count;
    if (n == 0)
        return;
    pack_work_init(&work, &model, problem->work_max, arena);
    double *alone = arena_alloc_array(arena, n, sizeof(*alone)), *fluid = arena_alloc_array(arena, n, sizeof(*fluid));
    struct pack_plan best = {.cost = INFINITY};
    worth_alone(&model, alone);
    worth_fluid(&model, fluid);
    try_greedy(&work, alone, &best);
    try_greedy(&work, fluid, &best);
    ret->first_cost_hourly = money_from_double(best.cost);
    pack_columns_init(&work, fluid, &columns);
    if (problem->work_max > 0) {
        for (size_t i = 0; i < best.count; i++)
            pack_columns_add(&work, &columns, &best.bought[i].filling);
        pack_columns_generate(&work, &columns, (uint64_t)(GENERATE_SHARE * (double)problem->work_max));
        try_greedy(&work, columns.center, &best);
        pack_dive(&work, &columns, &best);
        pack_improve(&work, &columns, &best);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t t = 0; t < model.classes[i].member_count; t++)
            duals[model.classes[i].members[t]] = columns.center[i];
    ASSERT(columns.bound <= best.cost * (1 + 1e-6));
    ret->bound_hourly = columns.bound;
    ret->column_count = columns.count;
    ret->round_count = columns.rounds;
    pack_columns_free(&columns);
    pack_work_release(&work);
    result_make(problem, &model, &best, arena, ret);
    ret->work = work.done;
}
