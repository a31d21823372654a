/*
 * Whole machines out of the fractions of the programme: buys what it wants whole, then what it wants most, takes that
 * off the demands and solves again; the rest goes to the greedy part as soon as that is no dearer. (A diving heuristic
 * of column generation: Sadykov et al., INFORMS Journal on Computing 31, 2019.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "plan/pack_internal.h"

#define NEARLY_WHOLE 0.85
#define WHOLE_EPSILON 1e-6
#define COST_EPSILON 1e-9 /* Cheaper by less is no cheaper. */
#define GAP_CLOSED 1e-6

struct dive {
    struct pack_work *work;
    struct pack_columns *columns;
    int64_t *limit;
    struct pack_plan plan;
};

static int64_t times_in(const struct pack_filling *filling, const int64_t *limit) {
    int64_t times = INT64_MAX;
    for (size_t t = 0; t < filling->count; t++) {
        int64_t whole = limit[filling->classes[t]] / filling->pieces[t];
        times = whole < times ? whole : times;
    }
    return times;
}

/* What is left of the demand bounds a filling: pieces that nobody waits for are not bought. */
static bool buy_cut(struct dive *dive, const struct pack_filling *filling) {
    struct pack_work *work = dive->work;
    bool any = false;
    memset(work->pieces, 0, work->model->class_count * sizeof(*work->pieces));
    for (size_t t = 0; t < filling->count; t++) {
        int64_t left = dive->limit[filling->classes[t]];
        int32_t pieces = filling->pieces[t] < left ? filling->pieces[t] : (int32_t)left;
        work->pieces[filling->classes[t]] = pieces;
        dive->limit[filling->classes[t]] -= pieces;
        any |= pieces > 0;
    }
    if (!any)
        return false;
    struct pack_filling cut = pack_filling_of(work->model, filling->machine, work->pieces, work->arena);
    memset(work->pieces, 0, work->model->class_count * sizeof(*work->pieces));
    cut.machine = pack_cheapest(work->model, &cut);
    pack_buy(&dive->plan, &cut, 1, work->model->machines[cut.machine].price, work->arena);
    return true;
}

static bool buy_whole(struct dive *dive, size_t column, int64_t times) {
    const struct pack_filling *filling = &dive->columns->fillings[column];
    int64_t most = times_in(filling, dive->limit);
    times = times < most ? times : most;
    if (times <= 0)
        return false;
    pack_buy(&dive->plan, filling, times, dive->work->model->machines[filling->machine].price, dive->work->arena);
    for (size_t t = 0; t < filling->count; t++)
        dive->limit[filling->classes[t]] -= times * filling->pieces[t];
    return true;
}

/* Buys what the fractions say. False: nothing could be bought. */
static bool step(struct dive *dive, double *parts) {
    struct pack_columns *columns = dive->columns;
    size_t best = columns->count;
    bool bought = false;
    for (size_t j = 0; j < columns->count; j++) {
        double whole = floor(parts[j] + WHOLE_EPSILON);
        if (whole >= 1)
            bought |= buy_whole(dive, j, (int64_t)whole);
        parts[j] -= whole;
    }
    if (bought)
        return true;
    for (size_t j = 0; j < columns->count; j++) {
        if (parts[j] > NEARLY_WHOLE)
            bought |= buy_whole(dive, j, 1);
        if (parts[j] > WHOLE_EPSILON && (best == columns->count || parts[j] > parts[best]))
            best = j;
    }
    if (bought || best == columns->count)
        return bought;
    return buy_cut(dive, &columns->fillings[best]);
}

static bool is_empty(const struct dive *dive) {
    for (size_t i = 0; i < dive->work->model->class_count; i++)
        if (dive->limit[i] > 0)
            return false;
    return true;
}

static void plan_copy(const struct pack_plan *from, struct pack_plan *to, struct arena *arena) {
    for (size_t i = 0; i < from->count; i++) {
        const struct pack_filling *f = &from->bought[i].filling;
        struct pack_filling copy = {f->machine, f->count,
                                    arena_memdup(arena, f->classes, f->count * sizeof(*f->classes)),
                                    arena_memdup(arena, f->pieces, f->count * sizeof(*f->pieces))};
        pack_buy(to, &copy, from->bought[i].times, 0, arena);
    }
    to->cost += from->cost;
}

/* The plan so far with its rest bought greedily. */
static void complete(struct dive *dive, struct pack_plan *best) {
    struct pack_work *work = dive->work;
    struct arena scratch = {0};
    int64_t *limit = arena_memdup(&scratch, dive->limit, work->model->class_count * sizeof(*limit));
    struct pack_plan rest = {0};
    pack_greedy(work, dive->columns->center, limit, &rest);
    arena_release(&scratch);
    if (dive->plan.cost + rest.cost >= best->cost * (1 - COST_EPSILON))
        return;
    *best = (struct pack_plan){0};
    plan_copy(&dive->plan, best, work->arena);
    plan_copy(&rest, best, work->arena);
}

static void dive_down(struct dive *dive, bool with_pricing, struct pack_plan *best) {
    struct pack_work *work = dive->work;
    while (!is_empty(dive) && work->done < work->max) {
        if (!pack_columns_resolve(work, dive->columns, dive->limit, with_pricing))
            break;
        with_pricing = true;
        struct arena scratch = {0};
        double *parts = arena_memdup(&scratch, dive->columns->parts, dive->columns->count * sizeof(*parts));
        bool bought = step(dive, parts);
        arena_release(&scratch);
        if (!bought || dive->plan.cost >= best->cost * (1 - COST_EPSILON))
            break;
        complete(dive, best);
    }
}

void pack_dive(struct pack_work *work, struct pack_columns *columns, struct pack_plan *best) {
    const struct pack_model *model = work->model;
    struct dive dive = {
        .work = work, .columns = columns, .limit = arena_alloc_array(work->arena, model->class_count, sizeof(int64_t))};
    for (size_t i = 0; i < model->class_count; i++)
        dive.limit[i] = model->classes[i].count;
    dive_down(&dive, false, best);
}

void pack_repair(struct pack_work *work, struct pack_columns *columns, const struct pack_kept *kept,
                 struct pack_plan *best) {
    struct dive dive = {.work = work,
                        .columns = columns,
                        .limit = arena_memdup(work->arena, kept->limit, work->model->class_count * sizeof(int64_t))};
    plan_copy(&kept->plan, &dive.plan, work->arena);
    dive_down(&dive, true, best);
}

/* ---- again and again ---- */

/* As even as chance, and the same each time. (Numerical Recipes' linear congruence.) */
static double next_share(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 11) * 0x1p-53;
}

/* Keeps each machine of the plan but for about `share` of them, whose pieces go back into the dive's limit. */
static void give_up(struct dive *dive, const struct pack_plan *plan, double share, uint64_t *state) {
    struct pack_work *work = dive->work;
    for (size_t i = 0; i < plan->count; i++) {
        const struct pack_bought *bought = &plan->bought[i];
        const struct pack_filling *filling = &bought->filling;
        double given = share * (double)bought->times, luck = next_share(state);
        int64_t times = (int64_t)given + (luck < given - floor(given) ? 1 : 0);
        for (size_t t = 0; t < filling->count; t++)
            dive->limit[filling->classes[t]] += times * filling->pieces[t];
        if (times < bought->times)
            pack_buy(&dive->plan, filling, bought->times - times, work->model->machines[filling->machine].price,
                     work->arena);
    }
}

void pack_improve(struct pack_work *work, struct pack_columns *columns, size_t failures_max, double saving_min,
                  struct pack_plan *best) {
    static const double machines[] = {4, 8, 16, 32};
    struct arena *arena = work->arena;
    uint64_t state = 1;
    size_t failures = 0;
    for (size_t round = 0; failures < failures_max && work->done < work->max; round++) {
        if (best->cost <= columns->bound * (1 + GAP_CLOSED))
            break;
        struct arena scratch = {0};
        int64_t count = 0;
        for (size_t i = 0; i < best->count; i++)
            count += best->bought[i].times;
        work->arena = &scratch;
        struct dive dive = {.work = work,
                            .columns = columns,
                            .limit = arena_alloc_array(&scratch, work->model->class_count, sizeof(int64_t))};
        give_up(&dive, best, fmin(0.9, machines[round % 4] / (double)count), &state);
        struct pack_plan found = {.cost = best->cost - saving_min * (best->cost - dive.plan.cost)};
        dive_down(&dive, true, &found);
        work->arena = arena;
        failures++;
        if (found.count > 0) {
            *best = (struct pack_plan){0};
            plan_copy(&found, best, arena);
            failures = 0;
        }
        arena_release(&scratch);
    }
}
