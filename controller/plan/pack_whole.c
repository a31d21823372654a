/*
 * Whole fillings for given machines, see pack_fit.h: a search in depth, where each node puts one more piece on one of
 * the machines, after the fractions of all fillings of the rest have said that it is not hopeless, and a dive from them
 * has not met whole fillings by itself. Machines that are alike so far are one choice; what was tried on them is closed
 * to them in what is tried next, so no arrangement is looked at twice (Vance et al., Computational Optimization and
 * Applications 3, 1994, on branching that leaves the fillings of one machine a knapsack).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "plan/pack_fit.h"

#define WHOLE_EPSILON 1e-6
#define STATES_BYTES_MAX (UINT64_C(64) << 20) /* Of the nodes above one another. */
#define DIVES_AT_FIRST 30
#define LUCK_LEAST 0.3 /* Of what a filling is wanted. */

struct bin {
    size_t kind, group;
    int64_t left[PACK_DIMENSIONS];
    int32_t *pieces; /* By class. */
    bool *closed;    /* To classes. */
};

struct state {
    struct bin *bins;
    size_t bin_count;
    int64_t *waiting; /* By class. */
};

struct groups { /* Of bins that are alike. */
    struct pack_model model;
    const int64_t **limits;
    const struct bin **first;
    double *counts;
};

struct whole {
    struct pack_work *work;
    struct pack_fit *top;
    struct pack_plan *plan;
    uint64_t work_max;
    size_t depth_max;
};

static struct state state_copy(const struct state *from, size_t n, struct arena *arena) {
    struct state to = {arena_memdup(arena, from->bins, from->bin_count * sizeof(*from->bins)), from->bin_count,
                       arena_memdup(arena, from->waiting, n * sizeof(*from->waiting))};
    for (size_t b = 0; b < to.bin_count; b++) {
        to.bins[b].pieces = arena_memdup(arena, from->bins[b].pieces, n * sizeof(int32_t));
        to.bins[b].closed = arena_memdup(arena, from->bins[b].closed, n * sizeof(bool));
    }
    return to;
}

static bool is_alike(const struct bin *a, const struct bin *b, size_t n) {
    return a->kind == b->kind && memcmp(a->pieces, b->pieces, n * sizeof(*a->pieces)) == 0 &&
           memcmp(a->closed, b->closed, n * sizeof(*a->closed)) == 0;
}

static bool fits(const struct pack_class *class, const struct bin *bin) {
    for (size_t d = 0; d < PACK_DIMENSIONS; d++)
        if (class->need[d] > bin->left[d])
            return false;
    return true;
}

static const int64_t *limit_of(const struct pack_model *model, const struct state *state, const struct bin *bin,
                               struct arena *arena) {
    size_t n = model->class_count;
    int64_t *limit = arena_memdup(arena, state->waiting, n * sizeof(*limit));
    for (size_t i = 0; i < n; i++) {
        int64_t more = model->classes[i].most - bin->pieces[i];
        if (bin->closed[i] || !pack_may(&model->classes[i], &model->machines[bin->kind]))
            limit[i] = 0;
        else if (more < limit[i])
            limit[i] = more;
    }
    return limit;
}

static void groups_find(const struct whole *whole, struct state *state, struct arena *arena, struct groups *ret) {
    const struct pack_model *model = whole->work->model;
    size_t n = model->class_count;
    *ret = (struct groups){.model = {.classes = model->classes, .class_count = n},
                           .limits = arena_alloc_array(arena, state->bin_count, sizeof(*ret->limits)),
                           .first = arena_alloc_array(arena, state->bin_count, sizeof(*ret->first)),
                           .counts = arena_alloc_array(arena, state->bin_count, sizeof(double))};
    ret->model.machines = arena_alloc_array(arena, state->bin_count, sizeof(struct pack_machine));
    for (size_t b = 0; b < state->bin_count; b++) {
        struct bin *bin = &state->bins[b];
        size_t g = 0, count = ret->model.machine_count;
        while (g < count && !is_alike(bin, ret->first[g], n))
            g++;
        bin->group = g;
        ret->counts[g]++;
        if (g < count)
            continue;
        ret->first[g] = bin;
        ret->limits[g] = limit_of(model, state, bin, arena);
        ret->model.machines[g] = model->machines[bin->kind];
        memcpy(ret->model.machines[g].has, bin->left, sizeof(bin->left));
        ret->model.machine_count++;
    }
    whole->work->done += state->bin_count * ret->model.machine_count * n / 8;
}

/* What is known of whole machines, for what is still to come on those partly filled. */
static void seed(const struct whole *whole, const struct groups *groups, struct pack_fit *fit) {
    const struct pack_fit *top = whole->top;
    size_t n = groups->model.class_count;
    struct arena scratch = {0};
    int32_t *pieces = arena_alloc_array(&scratch, n, sizeof(*pieces));
    for (size_t g = 0; g < groups->model.machine_count; g++) {
        for (size_t j = 0; j < top->count; j++) {
            const struct pack_filling *filling = &top->fillings[j];
            bool any = false, holds = filling->machine == groups->first[g]->kind;
            if (!holds)
                continue;
            memset(pieces, 0, n * sizeof(*pieces));
            for (size_t t = 0; t < filling->count; t++)
                pieces[filling->classes[t]] = filling->pieces[t];
            for (size_t i = 0; i < n && holds; i++) {
                int64_t more = pieces[i] - groups->first[g]->pieces[i];
                holds = more >= 0;
                pieces[i] = (int32_t)(more < groups->limits[g][i] ? more : groups->limits[g][i]);
                any |= pieces[i] > 0;
            }
            if (!holds || !any)
                continue;
            struct pack_filling rest = pack_filling_of(&groups->model, g, pieces, fit->arena);
            pack_fit_add(fit, &rest);
        }
        whole->work->done += top->count * n;
    }
    arena_release(&scratch);
}

/* What was found here is known from now on. */
static void learn(const struct whole *whole, const struct groups *groups, const struct pack_fit *fit, size_t from) {
    size_t n = groups->model.class_count;
    struct arena scratch = {0};
    for (size_t j = from; j < fit->count; j++) {
        const struct bin *bin = groups->first[fit->fillings[j].machine];
        int32_t *pieces = arena_memdup(&scratch, bin->pieces, n * sizeof(*pieces));
        for (size_t t = 0; t < fit->fillings[j].count; t++)
            pieces[fit->fillings[j].classes[t]] += fit->fillings[j].pieces[t];
        struct pack_filling filling = pack_filling_of(&groups->model, bin->kind, pieces, whole->top->arena);
        pack_fit_add(whole->top, &filling);
    }
    arena_release(&scratch);
}

/* ---- whole fillings from fractions ---- */

static void emit(const struct whole *whole, const struct state *state) {
    const struct pack_model *model = whole->work->model;
    for (size_t b = 0; b < state->bin_count; b++) {
        struct pack_filling filling =
            pack_filling_of(model, state->bins[b].kind, state->bins[b].pieces, whole->work->arena);
        if (filling.count == 0)
            continue;
        filling.machine = pack_cheapest(model, &filling);
        pack_buy(whole->plan, &filling, 1, model->machines[filling.machine].price, whole->work->arena);
    }
}

static bool is_placed(const struct state *state, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (state->waiting[i] > 0)
            return false;
    return true;
}

/* Puts the filling, as far as its pieces wait, on a bin of its group that has none yet. */
static bool fill_bin(struct state *state, const struct pack_filling *filling, bool *is_filled) {
    bool any = false;
    for (size_t b = 0; b < state->bin_count; b++) {
        struct bin *bin = &state->bins[b];
        if (is_filled[b] || bin->group != filling->machine)
            continue;
        for (size_t t = 0; t < filling->count; t++) {
            int64_t *waiting = &state->waiting[filling->classes[t]];
            int32_t taken = filling->pieces[t] < *waiting ? filling->pieces[t] : (int32_t)*waiting;
            bin->pieces[filling->classes[t]] += taken;
            *waiting -= taken;
            any |= taken > 0;
        }
        is_filled[b] = any;
        return any;
    }
    return false;
}

/* No more pieces on a machine than wait. */
static const int64_t *const *limits_now(const struct groups *groups, const struct state *state, struct arena *scratch) {
    size_t n = groups->model.class_count;
    const int64_t **limits = arena_alloc_array(scratch, groups->model.machine_count, sizeof(*limits));
    for (size_t g = 0; g < groups->model.machine_count; g++) {
        int64_t *limit = arena_memdup(scratch, groups->limits[g], n * sizeof(*limit));
        for (size_t i = 0; i < n; i++)
            limit[i] = limit[i] < state->waiting[i] ? limit[i] : state->waiting[i];
        limits[g] = limit;
    }
    return limits;
}

/* As even as chance, and the same each time. (Numerical Recipes' linear congruence.) */
static double next_share(uint64_t *luck) {
    *luck = *luck * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*luck >> 11) * 0x1p-53;
}

/* Takes what the fractions want whole, else what they want most: that, times chance, if there is luck. False: nothing.
 */
static bool take(struct state *state, const struct pack_fit *fit, uint64_t *luck, bool *is_filled, double *counts) {
    size_t best = fit->count;
    double most = 0;
    bool any = false;
    for (size_t j = 0; j < fit->count; j++) {
        int64_t times = (int64_t)floor(fit->parts[j] + WHOLE_EPSILON);
        for (; times > 0 && fill_bin(state, &fit->fillings[j], is_filled); times--) {
            counts[fit->fillings[j].machine]--;
            any = true;
        }
        double want = *luck ? fit->parts[j] * (LUCK_LEAST + next_share(luck)) : fit->parts[j];
        if (fit->parts[j] > WHOLE_EPSILON && want > most) {
            best = j;
            most = want;
        }
    }
    if (any || best == fit->count)
        return any;
    counts[fit->fillings[best].machine]--;
    return fill_bin(state, &fit->fillings[best], is_filled);
}

/* From the fractions down, without a way back. */
static bool dive(struct whole *whole, const struct groups *groups, const struct state *from, struct pack_fit *fit,
                 uint64_t luck) {
    size_t n = groups->model.class_count, kinds = groups->model.machine_count;
    struct arena scratch = {0};
    struct state state = state_copy(from, n, &scratch);
    double *counts = arena_memdup(&scratch, groups->counts, kinds * sizeof(*counts));
    bool *is_filled = arena_alloc_array(&scratch, state.bin_count, sizeof(*is_filled));
    while (!is_placed(&state, n) && whole->work->done < whole->work_max) {
        fit->limits = limits_now(groups, &state, &scratch);
        if (pack_fit_solve(fit, state.waiting, counts) != PACK_FIT_YES || !take(&state, fit, &luck, is_filled, counts))
            break;
    }
    fit->limits = groups->limits;
    bool is_done = is_placed(&state, n);
    if (is_done)
        emit(whole, &state);
    arena_release(&scratch);
    return is_done;
}

/* ---- the search ---- */

/* The class with the fewest groups to go to: of those the largest. False: one has none. */
static bool choose(const struct groups *groups, const struct state *state, size_t *ret) {
    size_t n = groups->model.class_count, fewest = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t count = 0;
        for (size_t g = 0; g < groups->model.machine_count && state->waiting[i] > 0; g++)
            count += groups->limits[g][i] > 0 && fits(&groups->model.classes[i], groups->first[g]);
        if (state->waiting[i] == 0 || count >= fewest)
            continue;
        fewest = count;
        *ret = i;
    }
    return fewest > 0;
}

/* How much of the class the fractions put on each group's machines. */
static void wanted(const struct groups *groups, const struct pack_fit *fit, size_t class, double *ret) {
    memset(ret, 0, groups->model.machine_count * sizeof(*ret));
    for (size_t j = 0; j < fit->count; j++)
        for (size_t t = 0; t < fit->fillings[j].count && fit->parts[j] > WHOLE_EPSILON; t++)
            if (fit->fillings[j].classes[t] == class)
                ret[fit->fillings[j].machine] += fit->parts[j] * fit->fillings[j].pieces[t];
}

static enum pack_fit_end search(struct whole *whole, struct state *state, size_t depth);

static enum pack_fit_end place(struct whole *whole, const struct state *state, size_t group, size_t class,
                               size_t depth) {
    size_t n = whole->work->model->class_count;
    struct arena scratch = {0};
    struct state child = state_copy(state, n, &scratch);
    for (size_t b = 0; b < child.bin_count; b++) {
        if (child.bins[b].group != group)
            continue;
        for (size_t d = 0; d < PACK_DIMENSIONS; d++)
            child.bins[b].left[d] -= whole->work->model->classes[class].need[d];
        child.bins[b].pieces[class]++;
        break;
    }
    child.waiting[class]--;
    enum pack_fit_end end = search(whole, &child, depth + 1);
    arena_release(&scratch);
    return end;
}

/* Each group in turn, what is wanted most first; then it is closed to the class. */
static enum pack_fit_end branch(struct whole *whole, const struct groups *groups, struct state *state, size_t class,
                                double *wants, size_t depth) {
    enum pack_fit_end worst = PACK_FIT_NO;
    for (;;) {
        size_t best = SIZE_MAX;
        for (size_t g = 0; g < groups->model.machine_count; g++)
            if (wants[g] >= 0 && groups->limits[g][class] > 0 &&
                fits(&groups->model.classes[class], groups->first[g]) && (best == SIZE_MAX || wants[g] > wants[best]))
                best = g;
        if (best == SIZE_MAX)
            return worst;
        wants[best] = -1;
        enum pack_fit_end end = place(whole, state, best, class, depth);
        if (end == PACK_FIT_YES)
            return end;
        if (end == PACK_FIT_OUT_OF_WORK)
            worst = end;
        for (size_t b = 0; b < state->bin_count; b++)
            if (state->bins[b].group == best)
                state->bins[b].closed[class] = true;
    }
}

static enum pack_fit_end search(struct whole *whole, struct state *state, size_t depth) {
    size_t n = whole->work->model->class_count, class = 0;
    if (is_placed(state, n)) {
        emit(whole, state);
        return PACK_FIT_YES;
    }
    if (whole->work->done >= whole->work_max || depth > whole->depth_max)
        return PACK_FIT_OUT_OF_WORK;
    struct arena scratch = {0};
    struct groups groups;
    struct pack_fit fit;
    groups_find(whole, state, &scratch, &groups);
    if (!choose(&groups, state, &class)) {
        arena_release(&scratch);
        return PACK_FIT_NO;
    }
    pack_fit_init(whole->work, &groups.model, groups.limits, &scratch, &fit);
    seed(whole, &groups, &fit);
    size_t seeded = fit.count;
    double *wants = arena_alloc_array(&scratch, groups.model.machine_count, sizeof(*wants));
    enum pack_fit_end end = pack_fit_solve(&fit, state->waiting, groups.counts);
    if (end == PACK_FIT_YES) {
        wanted(&groups, &fit, class, wants);
        bool is_done = false;
        for (uint64_t luck = 0; luck < (depth == 0 ? DIVES_AT_FIRST : 1) && !is_done; luck++)
            is_done = dive(whole, &groups, state, &fit, luck);
        learn(whole, &groups, &fit, seeded);
        end = is_done ? PACK_FIT_YES : branch(whole, &groups, state, class, wants, depth);
    }
    pack_fit_free(&fit);
    arena_release(&scratch);
    return end;
}

enum pack_fit_end pack_fit_whole(struct pack_fit *fit, const int64_t *machines, uint64_t work_max,
                                 struct pack_plan *plan) {
    struct pack_work *work = fit->work;
    size_t n = work->model->class_count, count = 0;
    struct arena scratch = {0};
    struct whole whole = {.work = work, .top = fit, .plan = plan, .work_max = work_max};
    for (size_t k = 0; k < work->model->machine_count; k++)
        count += (size_t)machines[k];
    struct state state = {.bins = arena_alloc_array(&scratch, count, sizeof(*state.bins)),
                          .waiting = arena_alloc_array(&scratch, n, sizeof(*state.waiting))};
    for (size_t i = 0; i < n; i++)
        state.waiting[i] = work->model->classes[i].count;
    for (size_t k = 0; k < work->model->machine_count; k++) {
        for (int64_t m = 0; m < machines[k]; m++) {
            struct bin *bin = &state.bins[state.bin_count++];
            bin->kind = k;
            memcpy(bin->left, work->model->machines[k].has, sizeof(bin->left));
            bin->pieces = arena_alloc_array(&scratch, n, sizeof(*bin->pieces));
            bin->closed = arena_alloc_array(&scratch, n, sizeof(*bin->closed));
        }
    }
    size_t bytes = (count + 1) * (sizeof(struct bin) + n * (sizeof(int32_t) + sizeof(bool) + sizeof(int64_t)));
    whole.depth_max = STATES_BYTES_MAX / bytes;
    enum pack_fit_end end = search(&whole, &state, 0);
    arena_release(&scratch);
    return end;
}
