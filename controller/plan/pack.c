/*
 * See pack.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/pack.h"

#include <math.h>

#include "base/error.h"
#include "plan/pack_spread.h"

#define FAILURES_MAX 400
#define REPLAN_SHARE 0.08 /* Of the work, when there is an earlier plan; */
#define REPLAN_FAILURES_MAX 40
#define REPLAN_SAVING_MIN 0.02 /* A machine is not exchanged for less. */
#define REPLAN_GAP_MAX 0.03    /* dearer than the bound by more: it is planned anew. */
#define MICROS 1e6
#define MICRO_SLACK 1e-3
#define PART_MIN 1e-9
#define SMALL_GENERATE_SHARE 0.05 /* Branching goes on with both. */
#define SMALL_IMPROVE_SHARE 0.03
#define SMALL_PROVE_SHARE 0.9
#define SMALL_FAILURES_MAX 20
#define FIRST_WORK_MAX UINT64_C(40000000)  /* For the first plan; nothing more is tried for it then. */
#define AGAIN_MAX 20                       /* Times that it is made anew, */
#define AGAIN_SHARE 0.5                    /* in this share of that, */
#define FIRST_SHARE 0.1                    /* or in this one of the work. */
#define OTHER_WORK_MAX UINT64_C(200000000) /* No other worths are tried once one try took so long. */
#define GENERATE_SHARE 0.7                 /* Of the work, for the bound; the rest makes whole machines of it. */

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

static struct pack_plan try_greedy(struct pack_work *work, const double *worth, struct pack_plan *best) {
    struct pack_plan plan = {0};
    pack_greedy(work, worth, counts_of(work->model, work->arena), &plan);
    if (plan.cost < best->cost)
        *best = plan;
    return plan;
}

/* Moves worths half the way, in ratio, to what was paid for a piece: of each machine's price the share that the piece
 * has of the worth on it. */
static void worth_paid(const struct pack_model *model, const struct pack_plan *plan, double *worth, double *paid) {
    for (size_t i = 0; i < model->class_count; i++)
        paid[i] = 0;
    for (size_t b = 0; b < plan->count; b++) {
        const struct pack_filling *filling = &plan->bought[b].filling;
        double value = 0, bill = model->machines[filling->machine].price * (double)plan->bought[b].times;
        for (size_t t = 0; t < filling->count; t++)
            value += worth[filling->classes[t]] * filling->pieces[t];
        for (size_t t = 0; t < filling->count && value > 0; t++)
            paid[filling->classes[t]] += bill * worth[filling->classes[t]] * filling->pieces[t] / value;
    }
    for (size_t i = 0; i < model->class_count; i++)
        if (paid[i] > 0)
            worth[i] = sqrt(worth[i] * paid[i] / (double)model->classes[i].count);
}

/* Buys, and buys again at the prices that pieces came to: what was left for the end, and paid for machines that are
 * half empty, is worth more then and has its turn sooner. */
static void try_worths(struct pack_work *work, uint64_t work_max, double *worth, struct pack_plan *best) {
    double *paid = arena_alloc_array(work->arena, work->model->class_count, sizeof(*paid));
    struct pack_plan plan = try_greedy(work, worth, best);
    for (int round = 0; round < AGAIN_MAX && work->done < work_max; round++) {
        worth_paid(work->model, &plan, worth, paid);
        plan = try_greedy(work, worth, best);
    }
}

/* ---- all together ---- */

/* The columns that the programme would buy of. */
static void keep_patterns(const struct pack_model *model, const struct pack_columns *columns, struct arena *arena,
                          struct pack_result *ret) {
    struct arena scratch = {0};
    size_t *chosen = arena_alloc_array(&scratch, columns->count, sizeof(*chosen)), count = 0;
    for (size_t j = 0; j < columns->count && columns->parts; j++)
        if (columns->parts[j] > PART_MIN)
            chosen[count++] = j;
    pack_result_patterns(model, columns->fillings, chosen, count, arena, ret);
    arena_release(&scratch);
}

/* Too little for the whole of the first plan, which otherwise comes first whatever there is: so more work never ends in
 * a dearer one. */
static bool is_little(uint64_t work_max) {
    return work_max > 0 && work_max < 2 * FIRST_WORK_MAX;
}

static void plan_first(struct pack_work *work, const double *fluid, struct pack_plan *best) {
    double *alone = arena_alloc_array(work->arena, work->model->class_count, sizeof(*alone));
    worth_alone(work->model, alone);
    double *again = arena_memdup(work->arena, fluid, work->model->class_count * sizeof(*again));
    uint64_t work_max =
        (uint64_t)(is_little(work->max) ? FIRST_SHARE * (double)work->max : AGAIN_SHARE * (double)FIRST_WORK_MAX);
    try_worths(work, work_max, alone, best);
    if (work->done < OTHER_WORK_MAX)
        try_worths(work, work_max, again, best);
}

/* What is spread goes where it was, as far as it may; else where it costs least alone. */
static void split_first(const struct pack_problem *problem, struct pack_model *model) {
    struct arena scratch = {0};
    double *values = arena_alloc_array(&scratch, model->class_count, sizeof(*values));
    if (problem->previous) {
        pack_seed_counts(problem, model, values);
        pack_spread_near(model, values);
    } else if (model->spread_count > 0) {
        worth_alone(model, values);
        pack_spread_cheapest(model, values);
    }
    arena_release(&scratch);
}

/* Near what the programme wants. */
static void split_anew(const struct pack_columns *columns, struct pack_model *model) {
    struct arena scratch = {0};
    double *wanted = arena_alloc_array(&scratch, model->class_count, sizeof(*wanted));
    pack_spread_wanted(model, columns->splits, wanted);
    pack_spread_near(model, wanted);
    arena_release(&scratch);
}

/* The bound, and the plans that come of it. */
static void plan_by_columns(struct pack_work *work, struct pack_model *model, struct pack_columns *columns,
                            double share, struct pack_plan *best, struct pack_result *ret) {
    for (size_t i = 0; i < best->count; i++)
        pack_columns_add(work, columns, &best->bought[i].filling);
    pack_columns_generate(work, columns, pack_work_until(work, share));
    keep_patterns(work->model, columns, work->arena, ret);
    split_anew(columns, model);
    try_greedy(work, columns->center, best);
    pack_dive(work, columns, best);
}

/* From nothing to whole machines. */
static void plan_anew(struct pack_work *work, struct pack_model *model, struct pack_columns *columns,
                      struct pack_plan *best, struct pack_result *ret) {
    uint64_t max = work->max;
    if (!pack_prove_is_small(work->model)) {
        plan_by_columns(work, model, columns, GENERATE_SHARE, best, ret);
        pack_improve(work, columns, FAILURES_MAX, 0, best);
        return;
    }
    plan_by_columns(work, model, columns, SMALL_GENERATE_SHARE, best, ret);
    work->max = pack_work_until(work, SMALL_IMPROVE_SHARE);
    pack_improve(work, columns, SMALL_FAILURES_MAX, 0, best);
    work->max = max;
    work->max = pack_work_until(work, SMALL_PROVE_SHARE);
    ret->bound_hourly = pack_spread_prove(work, model, columns, best, &ret->is_proven);
    work->max = max;
    if (!ret->is_proven)
        pack_improve(work, columns, FAILURES_MAX, 0, best);
}

/* What an earlier run bought is kept as far as it goes, and the rest is bought greedily. */
static void replan_first(struct pack_work *work, const struct pack_seed *seed, const double *worth,
                         struct pack_plan *best) {
    int64_t *limit = arena_memdup(work->arena, seed->all.limit, work->model->class_count * sizeof(*limit));
    for (size_t i = 0; i < seed->all.plan.count; i++) {
        const struct pack_bought *bought = &seed->all.plan.bought[i];
        pack_buy(best, &bought->filling, bought->times, work->model->machines[bought->filling.machine].price,
                 work->arena);
    }
    pack_greedy(work, worth, limit, best);
}

static void replan(struct pack_work *work, struct pack_columns *columns, const struct pack_seed *seed,
                   struct pack_plan *best, struct pack_result *ret) {
    uint64_t max = work->max;
    work->max = (uint64_t)(REPLAN_SHARE * (double)max);
    for (size_t i = 0; i < seed->plan.count; i++)
        pack_columns_add(work, columns, &seed->plan.bought[i].filling);
    for (size_t i = 0; i < best->count; i++)
        pack_columns_add(work, columns, &best->bought[i].filling);
    pack_columns_seed(work, columns, seed->duals);
    pack_columns_generate(work, columns, (uint64_t)(GENERATE_SHARE * (double)work->max));
    keep_patterns(work->model, columns, work->arena, ret);
    pack_repair(work, columns, &seed->all, best);
    pack_repair(work, columns, &seed->whole, best);
    pack_improve(work, columns, REPLAN_FAILURES_MAX, REPLAN_SAVING_MIN, best);
    work->max = max;
}

void pack_solve(const struct pack_problem *problem, struct arena *arena, struct pack_result *ret) {
    struct pack_model model;
    struct pack_work work;
    struct pack_columns columns;
    struct pack_seed seed = {0};
    struct pack_plan best = {.cost = INFINITY};
    *ret = (struct pack_result){0};
    pack_model_make(problem, arena, &model, ret);
    split_first(problem, &model);
    size_t n = model.class_count;
    double *duals = arena_alloc_array(arena, problem->demand_count, sizeof(*duals));
    ret->duals = duals;
    ret->class_count = n;
    ret->machine_type_count = model.machine_count;
    ret->is_proven = n == 0;
    if (n == 0)
        return;
    pack_work_init(&work, &model, problem->work_max, arena);
    double *fluid = arena_alloc_array(arena, n, sizeof(*fluid));
    worth_fluid(&model, fluid);
    if (problem->previous) {
        pack_seed_make(problem, &work, &seed);
        best.cost = 0;
        replan_first(&work, &seed, fluid, &best);
    } else {
        plan_first(&work, fluid, &best);
    }
    ret->first_cost_hourly = money_from_double(best.cost);
    pack_columns_init(&work, fluid, &columns);
    if (problem->work_max > 0 && problem->previous)
        replan(&work, &columns, &seed, &best, ret);
    bool is_far = best.cost > columns.bound * (1 + REPLAN_GAP_MAX);
    if (problem->previous && is_far) /* The times have changed. */
        plan_first(&work, fluid, &best);
    if (!problem->previous && !is_little(problem->work_max) && work.done < FIRST_WORK_MAX) {
        work.max = FIRST_WORK_MAX;
        plan_by_columns(&work, &model, &columns, GENERATE_SHARE, &best, ret);
        work.max = problem->work_max;
        if (work.max > 0) { /* Columns anew: those of a search that was cut off lead the next one astray. */
            pack_columns_free(&columns);
            pack_columns_init(&work, fluid, &columns);
        }
    }
    if (problem->work_max > 0 && (!problem->previous || is_far))
        plan_anew(&work, &model, &columns, &best, ret);
    for (size_t i = 0; i < n; i++)
        for (size_t t = 0; t < model.classes[i].member_count; t++)
            duals[model.classes[i].members[t]] = columns.center[i];
    pack_result_zone_duals(problem, &model, columns.center, arena, duals, ret);
    ASSERT(columns.bound <= best.cost * (1 + 1e-6));
    ret->dual_bound_hourly = columns.bound;
    ret->bound_hourly = fmax(ret->bound_hourly, columns.bound);
    ret->column_count = columns.count;
    ret->round_count = columns.rounds;
    pack_columns_free(&columns);
    pack_work_release(&work);
    pack_result_make(problem, &model, &best, arena, ret);
    /* Costs are whole: none is between the bound and this one. */
    ret->is_proven |= (double)ret->cost_hourly - 1 < ret->bound_hourly * MICROS - MICRO_SLACK;
    if (ret->is_proven)
        ret->bound_hourly = (double)ret->cost_hourly / MICROS; /* Divided: it prints as the cost does. */
    ret->work = work.done;
}
