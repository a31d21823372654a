/*
 * Column generation (Gilmore and Gomory 1961) with smoothed duals (Wentges, Int. Trans. in OR 4, 1997) and the bound of
 * Farley (Operations Research 38, 1990): duals y, divided by the greatest worth-to-price ratio that any filling reaches
 * at them, are feasible, so they bound every purchase from below.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "plan/pack_spread.h"

#define GAP_MIN 2e-4 /* Bound and programme have met. */
#define MARGIN 1e-7  /* A column must be worth more than its price by this share. */
#define NODES_QUICK 6
#define EXACT_EVERY 10 /* Rounds; also when the quick ones find nothing. */
#define NODES_FIRST 200
#define NODES_MAX 2000000000
#define SMOOTHING 0.6
#define LP_ITERATIONS_MAX 200000
#define LP_STEP_WORK 40 /* Of a simplex iteration, for each row. */

void pack_columns_init(struct pack_work *work, const double *feasible, struct pack_columns *ret) {
    const struct pack_model *model = work->model;
    size_t n = model->class_count;
    size_t rows = n + pack_spread_rows(model);
    double *lower = arena_alloc_array(work->arena, rows, sizeof(*lower));
    *ret = (struct pack_columns){.arena = work->arena,
                                 .row_count = rows,
                                 .duals = arena_alloc_array(work->arena, n, sizeof(double)),
                                 .center = arena_memdup(work->arena, feasible, n * sizeof(double))};
    for (size_t i = 0; i < n; i++)
        lower[i] = (double)model->classes[i].count;
    pack_spread_lower(model, true, lower);
    ret->bound = pack_worth_of_all(model, feasible);
    ret->lp = exact_lp_new(lower, rows);
    ret->first = pack_spread_columns(model, ret->lp);
}

void pack_columns_free(struct pack_columns *columns) {
    exact_lp_free(columns->lp);
}

void pack_columns_add(struct pack_work *work, struct pack_columns *columns, const struct pack_filling *filling) {
    struct arena scratch = {0};
    int *rows = arena_alloc_array(&scratch, filling->count, sizeof(*rows));
    double *values = arena_alloc_array(&scratch, filling->count, sizeof(*values));
    for (size_t t = 0; t < filling->count; t++) {
        rows[t] = (int)filling->classes[t];
        values[t] = filling->pieces[t];
    }
    exact_lp_add(columns->lp, work->model->machines[filling->machine].price, rows, values, filling->count);
    columns->fillings = arena_push(columns->arena, columns->fillings, columns->count, sizeof(*columns->fillings));
    columns->fillings[columns->count++] = *filling;
    arena_release(&scratch);
}

static bool solve(struct pack_work *work, struct pack_columns *columns) {
    struct exact_solution solution;
    size_t n = work->model->class_count;
    if (!exact_lp_solve(columns->lp, LP_ITERATIONS_MAX, &solution))
        return false;
    for (size_t i = 0; i < n; i++)
        columns->duals[i] = fmax(0, solution.duals[i]);
    columns->objective = solution.objective;
    columns->splits = solution.values;
    columns->parts = solution.values + columns->first;
    work->done += (solution.iterations + 1) * columns->row_count * LP_STEP_WORK;
    return true;
}

struct promise { /* What a machine may be worth for its price, at most. */
    double rate;
    size_t machine;
};

static int by_rate(const void *left, const void *right) {
    const struct promise *a = left, *b = right;
    if (a->rate != b->rate)
        return a->rate > b->rate ? -1 : 1;
    return (a->machine > b->machine) - (a->machine < b->machine);
}

static double worth_at(const struct pack_model *model, const double *duals, const int32_t *pieces) {
    double value = 0;
    for (size_t i = 0; i < model->class_count; i++)
        value += pieces[i] * duals[i];
    return value;
}

/* Prices every machine at `worth`: adds the fillings that the programme's own duals find worth more than their price.
 * Gives how many, and the greatest rate that any filling may have. */
static size_t price(struct pack_work *work, struct pack_columns *columns, const double *worth, const int64_t *limit,
                    uint64_t nodes_max, double *ret_rate) {
    const struct pack_model *model = work->model;
    struct arena scratch = {0};
    struct promise *promises = arena_alloc_array(&scratch, model->machine_count, sizeof(*promises));
    size_t added = 0;
    double rate = 1e-12;
    for (size_t k = 0; k < model->machine_count; k++)
        promises[k] = (struct promise){pack_fill_bound(work, k, worth, limit) / model->machines[k].price, k};
    qsort(promises, model->machine_count, sizeof(*promises), by_rate);
    for (size_t p = 0; p < model->machine_count; p++) {
        size_t k = promises[p].machine;
        double cost = model->machines[k].price, upper;
        if (promises[p].rate <= rate && (promises[p].rate <= 1 || work->done >= work->max))
            break;
        if (work->done >= work->max) {
            rate = promises[p].rate;
            break;
        }
        double found = pack_fill(work, k, worth, limit, fmin(rate, 0.95) * cost, nodes_max, &upper);
        rate = fmax(rate, fmin(promises[p].rate, upper / cost));
        if (found < 0 || worth_at(model, columns->duals, work->best) <= cost * (1 + MARGIN))
            continue;
        struct pack_filling filling = pack_filling_of(model, k, work->best, columns->arena);
        pack_columns_add(work, columns, &filling);
        added++;
    }
    arena_release(&scratch);
    *ret_rate = rate;
    return added;
}

/* Prices at `worth`, which then may prove a better bound. Gives how many columns that added. */
static size_t price_for_bound(struct pack_work *work, struct pack_columns *columns, const double *worth,
                              const int64_t *limit, uint64_t nodes_max) {
    double rate;
    size_t added = price(work, columns, worth, limit, nodes_max, &rate);
    double bound = pack_worth_of_all(work->model, worth) / rate;
    if (bound > columns->bound) {
        columns->bound = bound;
        for (size_t i = 0; i < work->model->class_count; i++)
            columns->center[i] = worth[i] / rate;
    }
    return added;
}

/* Of the pieces on one machine, whatever the counts of what is spread. */
static int64_t *limits_of(const struct pack_model *model, struct arena *arena) {
    int64_t *limits = arena_alloc_array(arena, model->class_count, sizeof(*limits));
    for (size_t i = 0; i < model->class_count; i++)
        limits[i] = model->classes[i].most;
    return limits;
}

void pack_columns_seed(struct pack_work *work, struct pack_columns *columns, const double *duals) {
    if (solve(work, columns))
        (void)price_for_bound(work, columns, duals, limits_of(work->model, work->arena), NODES_FIRST);
}

void pack_columns_generate(struct pack_work *work, struct pack_columns *columns, uint64_t work_max) {
    const struct pack_model *model = work->model;
    size_t n = model->class_count;
    double smoothing = SMOOTHING, rate;
    uint64_t nodes = NODES_FIRST;
    double *worth = arena_alloc_array(work->arena, n, sizeof(*worth));
    int64_t *limit = limits_of(model, work->arena);
    while (solve(work, columns)) {
        if (columns->objective - columns->bound <= GAP_MIN * columns->objective || work->done >= work_max)
            return;
        columns->rounds++;
        if (columns->rounds % EXACT_EVERY != 0 && price(work, columns, columns->duals, limit, NODES_QUICK, &rate) > 0)
            continue;
        for (size_t i = 0; i < n; i++)
            worth[i] = smoothing * columns->center[i] + (1 - smoothing) * columns->duals[i];
        if (price_for_bound(work, columns, worth, limit, nodes) > 0)
            continue;
        /* Nothing new here: lean to the programme's own duals, then search deeper. */
        if (smoothing > 0) {
            smoothing = smoothing < 0.1 ? 0 : smoothing / 2;
        } else if (nodes < NODES_MAX) {
            nodes *= 10;
            smoothing = SMOOTHING / 2;
        } else {
            return;
        }
    }
}

bool pack_columns_resolve(struct pack_work *work, struct pack_columns *columns, const int64_t *limit,
                          bool with_pricing) {
    size_t n = work->model->class_count;
    struct arena scratch = {0};
    double *lower = arena_alloc_array(&scratch, columns->row_count, sizeof(*lower)), rate;
    pack_spread_lower(work->model, false, lower);
    for (size_t i = 0; i < n; i++)
        lower[i] = (double)limit[i];
    exact_lp_set_lower(columns->lp, lower);
    arena_release(&scratch);
    if (!solve(work, columns))
        return false;
    if (!with_pricing || price(work, columns, columns->duals, limit, NODES_FIRST, &rate) == 0)
        return true;
    return solve(work, columns);
}
