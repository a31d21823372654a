/*
 * Resources to time slots: cases whose optimum is known, what must hold of any, and small ones against the best of all
 * active sets.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "plan/slots.h"

#define GROUPS 6
#define RESOURCES 5
#define SLOTS 5

static struct arena arena; /* One test, one process. */

/* A problem that may be changed. */
struct instance {
    double inputs[GROUPS * RESOURCES], demands[GROUPS * SLOTS], values[SLOTS], capacities[SLOTS], amounts[RESOURCES];
    struct slots_problem p;
};

static void reset(struct instance *in, size_t groups, size_t resources, size_t slots) {
    *in = (struct instance){.p = {.group_count = groups,
                                  .resource_count = resources,
                                  .slot_count = slots,
                                  .inputs = in->inputs,
                                  .demands = in->demands,
                                  .values = in->values,
                                  .capacities = in->capacities,
                                  .amounts = in->amounts}};
    for (size_t s = 0; s < slots; s++) {
        in->values[s] = 1;
        in->capacities[s] = INFINITY;
    }
    for (size_t r = 0; r < resources; r++)
        in->amounts[r] = INFINITY;
}

/* What the loss is with nothing given, and 1 if that is nothing. */
static double scale_of(const struct slots_problem *p) {
    double sum = 0;
    for (size_t i = 0; i < p->group_count * p->slot_count; i++)
        sum += p->values[i % p->slot_count] * p->demands[i] * p->demands[i];
    return sum > 0 ? sum / (double)(p->group_count * p->slot_count) : 1;
}

static double sum_of(const double *values, size_t count, size_t stride) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i * stride];
    return sum;
}

#define NEAR 1e-12 /* Of what the loss is with nothing given. */

/* The allocation and the loss are those of w. Gives the loss' gradient. */
static void check_sums(const struct slots_problem *p, const struct slots_result *result, double *gradient) {
    size_t n = p->resource_count, m = p->slot_count, count = p->group_count;
    double loss = 0, mean = 1 / (double)(count * m);
    for (size_t i = 0; i < count * m; i++) {
        const double *inputs = p->inputs + i / m * n;
        size_t s = i % m;
        double x = 0, size = 0;
        for (size_t r = 0; r < n; r++) {
            x += inputs[r] * result->resource_slots[r * m + s];
            size += fabs(inputs[r] * result->resource_slots[r * m + s]);
        }
        cr_assert_leq(fabs(x - result->allocation[i]), 1e-12 * size);
        loss += mean * p->values[s] * pow(x - p->demands[i], 2);
        for (size_t r = 0; r < n; r++)
            gradient[r * m + s] += 2 * mean * p->values[s] * inputs[r] * (x - p->demands[i]);
    }
    cr_assert_leq(fabs(loss - result->loss), NEAR * scale_of(p));
}

/* A bound holds; its dual is 0 where there is room. */
static void check_bound(double bound, double used, double dual, double scale) {
    cr_assert_geq(dual, 0);
    cr_assert(!isinf(bound) || dual <= 0);
    cr_assert_leq(used, bound * (1 + 1e-12));
    cr_assert(isinf(bound) || (bound - used) * dual <= NEAR * scale);
}

/* Of Karush, Kuhn and Tucker, what is of one w. */
static void check_part(const struct slots_problem *p, const struct slots_result *result, double gradient, size_t i) {
    size_t n = p->resource_count, m = p->slot_count;
    double reduced = gradient + result->slot_duals[i % m] + result->resource_duals[i / m];
    double norm = 0, length = 0, scale = scale_of(p);
    for (size_t b = 0; b < p->group_count; b++) {
        norm += pow(p->inputs[b * n + i / m], 2);
        length += pow(p->demands[b * m + i % m], 2);
    }
    cr_assert_geq(result->resource_slots[i], 0);
    cr_assert_leq(result->resource_slots[i] * reduced, 2 * NEAR * scale, "less of %zu would be better", i);
    cr_assert(norm <= 0 || reduced * sqrt(length / norm) >= -2 * NEAR * scale, "more of %zu would be better", i);
}

/* The conditions are enough as the programme is convex. The gap is proven, and nothing. */
static void check(const struct slots_problem *p, const struct slots_result *result) {
    size_t n = p->resource_count, m = p->slot_count;
    double scale = scale_of(p), gradient[RESOURCES * SLOTS] = {0};
    check_sums(p, result, gradient);
    cr_assert(result->gap >= 0 && result->gap <= NEAR * scale, "gap %g", result->gap / scale);
    if (p->is_signed)
        return;
    for (size_t s = 0; s < m; s++)
        check_bound(p->capacities[s], sum_of(result->resource_slots + s, n, m), result->slot_duals[s], scale);
    for (size_t r = 0; r < n; r++)
        check_bound(p->amounts[r], sum_of(result->resource_slots + r * m, m, 1), result->resource_duals[r], scale);
    for (size_t i = 0; i < n * m; i++)
        check_part(p, result, gradient[i], i);
}

static struct slots_result solved(const struct slots_problem *p) {
    struct slots_result result;
    slots_solve(p, &arena, &result);
    check(p, &result);
    return result;
}

/* ---- the article's numbers ---- */

static void set_article(struct instance *in, const double *demand) {
    static const double inputs[] = {2, 3, 5, 1, 2, 3, 3, 4, 6};
    reset(in, 3, 3, 4);
    memcpy(in->inputs, inputs, sizeof(inputs));
    for (size_t i = 0; i < 12; i++)
        in->demands[i] = demand[i / 4];
}

static const double wanted[] = {3, 4, 6}, row_sums[] = {10, 6, 13};

Test(plan_slots, with_either_sign_every_demand_of_the_article_is_met) {
    struct instance in;
    set_article(&in, wanted);
    in.p.is_signed = true;
    struct slots_result result = solved(&in.p);
    cr_assert_leq(result.loss, 1e-24);
    static const double w[] = {-2, 9, -4};
    for (size_t i = 0; i < 12; i++)
        cr_assert_float_eq(result.resource_slots[i], w[i / 4], 1e-12);
    arena_release(&arena);
}

/* Of the second resource alone, 41/29: (3, 2, 4) (3, 4, 6)' / |(3, 2, 4)|^2. */
Test(plan_slots, with_nothing_below_0_they_cannot_all_be_met) {
    struct instance in;
    set_article(&in, wanted);
    struct slots_result result = solved(&in.p);
    cr_assert_float_eq(result.loss, 88.0 / 87, 1e-12);
    for (size_t i = 0; i < 12; i++)
        cr_assert_float_eq(result.resource_slots[i], i / 4 == 1 ? 41.0 / 29 : 0, 1e-12);
    arena_release(&arena);
}

Test(plan_slots, the_articles_demand_by_row_sums_is_met_by_ones) {
    struct instance in;
    set_article(&in, row_sums);
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        in.p.is_signed = is_signed;
        struct slots_result result = solved(&in.p);
        cr_assert_leq(result.loss, 1e-24);
        for (size_t i = 0; i < 12; i++)
            cr_assert_float_eq(result.resource_slots[i], 1, 1e-9);
    }
    arena_release(&arena);
}

/* ---- what bounds and values decide ---- */

/* v1 (1 - w1) = v2 (1 - w2) where w1 + w2 = 1; the worth of a unit more is either side, times 2 / (B S). */
Test(plan_slots, what_is_scarce_goes_where_it_is_worth_most) {
    struct instance in;
    reset(&in, 1, 1, 2);
    in.inputs[0] = in.demands[0] = in.demands[1] = in.amounts[0] = 1;
    in.values[1] = 3;
    struct slots_result result = solved(&in.p);
    cr_assert_float_eq(result.resource_slots[0], 0.25, 1e-12);
    cr_assert_float_eq(result.resource_slots[1], 0.75, 1e-12);
    cr_assert_float_eq(result.loss, 0.375, 1e-12);
    cr_assert_float_eq(result.resource_duals[0], 0.75, 1e-12);
    in.amounts[0] = INFINITY; /* Without it the value does not matter to w. */
    result = solved(&in.p);
    cr_assert_float_eq(result.resource_slots[0], 1, 1e-12);
    cr_assert_float_eq(result.resource_slots[1], 1, 1e-12);
    arena_release(&arena);
}

Test(plan_slots, a_capacity_holds_with_one_resource_too) {
    struct instance in;
    reset(&in, 1, 1, 1);
    in.inputs[0] = 2;
    in.demands[0] = 10;
    in.capacities[0] = 3;
    struct slots_result result = solved(&in.p);
    cr_assert_float_eq(result.resource_slots[0], 3, 1e-12);
    cr_assert_float_eq(result.slot_duals[0], 16, 1e-11); /* 2 a (d - a w) */
    arena_release(&arena);
}

/* ---- what must hold of any ---- */

static uint64_t chance;

static double uniform(void) {
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(chance >> 11) / (double)(UINT64_C(1) << 53);
}

/* From 0 to below. */
static size_t pick(size_t below) {
    return (size_t)(uniform() * (double)below);
}

/* Many zeros, equal rows and columns, tight and loose bounds, some of 0. */
static void make(struct instance *in, size_t groups, size_t resources, size_t slots) {
    bool is_whole = pick(2) == 0;
    reset(in, groups, resources, slots);
    for (size_t i = 0; i < groups * resources; i++)
        in->inputs[i] = is_whole ? (double)pick(4) : uniform();
    for (size_t i = 0; i < groups * slots; i++)
        in->demands[i] = is_whole ? (double)pick(8) : 5 * uniform();
    for (size_t b = 0; b < groups && resources > 1 && pick(3) == 0; b++) /* Columns alike. */
        in->inputs[b * resources] = in->inputs[b * resources + 1];
    for (size_t r = 0; r < resources && groups > 1 && pick(3) == 0; r++) /* Rows alike. */
        in->inputs[r] = in->inputs[resources + r];
    for (size_t s = 0; s < slots; s++) {
        in->values[s] = (double)pick(5);
        if (pick(3) > 0)
            in->capacities[s] = pick(8) == 0 ? 0 : 3 * uniform();
    }
    for (size_t r = 0; r < resources; r++)
        if (pick(3) > 0)
            in->amounts[r] = pick(8) == 0 ? 0 : 2 * (double)slots * uniform();
}

static void make_any(struct instance *in) {
    size_t groups = 1 + pick(GROUPS), resources = 1 + pick(RESOURCES), slots = 1 + pick(SLOTS);
    make(in, groups, resources, slots);
}

Test(plan_slots, any_instance_is_solved_and_proven) {
    struct instance in;
    for (uint64_t seed = 0; seed < 1500; seed++) {
        chance = seed;
        make_any(&in);
        solved(&in.p);
        for (size_t s = 0; s < in.p.slot_count; s++)
            in.capacities[s] = INFINITY;
        for (size_t r = 0; r < in.p.resource_count; r++)
            in.amounts[r] = INFINITY;
        double bounded = solved(&in.p).loss;
        in.p.is_signed = true;
        cr_assert_leq(solved(&in.p).loss, bounded + 1e-12 * scale_of(&in.p));
        arena_release(&arena);
    }
}

Test(plan_slots, the_order_of_groups_changes_no_bit) {
    struct instance in, turned;
    for (uint64_t seed = 0; seed < 200; seed++) {
        chance = seed;
        make_any(&in);
        in.p.is_signed = seed % 2;
        turned = in;
        turned.p.inputs = turned.inputs;
        turned.p.demands = turned.demands;
        size_t n = in.p.resource_count, m = in.p.slot_count, count = in.p.group_count;
        for (size_t b = 0; b < count; b++) {
            memcpy(turned.inputs + (count - 1 - b) * n, in.inputs + b * n, n * sizeof(double));
            memcpy(turned.demands + (count - 1 - b) * m, in.demands + b * m, m * sizeof(double));
        }
        struct slots_result first, second;
        slots_solve(&in.p, &arena, &first);
        slots_solve(&turned.p, &arena, &second);
        cr_assert(first.loss == second.loss && first.gap == second.gap);
        for (size_t i = 0; i < n * m; i++)
            cr_assert(first.resource_slots[i] == second.resource_slots[i]);
        for (size_t i = 0; i < count * m; i++)
            cr_assert(first.allocation[i] == second.allocation[(count - 1 - i / m) * m + i % m]);
        arena_release(&arena);
    }
}

/* In other units all is as it was: resources in thousandths of a millionth, demand a thousand million fold, and so on.
 */
Test(plan_slots, units_do_not_matter) {
    struct instance in, scaled;
    for (uint64_t seed = 0; seed < 200; seed++) {
        chance = seed;
        make_any(&in);
        struct slots_result before = solved(&in.p);
        double unit = pick(2) ? 1e9 : 1e-9, size = pick(2) ? 1e9 : 1e-6, worth = pick(2) ? 1e6 : 1e-6;
        scaled = in;
        scaled.p.inputs = scaled.inputs;
        scaled.p.demands = scaled.demands;
        scaled.p.values = scaled.values;
        scaled.p.capacities = scaled.capacities;
        scaled.p.amounts = scaled.amounts;
        for (size_t i = 0; i < in.p.group_count * in.p.resource_count; i++)
            scaled.inputs[i] *= unit;
        for (size_t i = 0; i < in.p.group_count * in.p.slot_count; i++)
            scaled.demands[i] *= size;
        for (size_t s = 0; s < in.p.slot_count; s++) {
            scaled.values[s] *= worth;
            scaled.capacities[s] *= size / unit;
        }
        for (size_t r = 0; r < in.p.resource_count; r++)
            scaled.amounts[r] *= size / unit;
        struct slots_result after = solved(&scaled.p);
        cr_assert_leq(fabs(after.loss / (size * size * worth) - before.loss), 1e-11 * scale_of(&in.p));
        arena_release(&arena);
    }
}

/* Columns, demands, values and bounds of all sizes at once. */
Test(plan_slots, numbers_far_apart_are_solved_and_proven) {
    struct instance in;
    for (uint64_t seed = 0; seed < 500; seed++) {
        chance = seed;
        make_any(&in);
        for (size_t i = 0; i < in.p.group_count * in.p.resource_count; i++)
            in.inputs[i] *= pow(10, 18 * uniform() - 9);
        for (size_t s = 0; s < in.p.slot_count; s++) {
            in.values[s] *= pow(10, 18 * uniform() - 9);
            in.capacities[s] *= pow(10, 18 * uniform() - 9);
        }
        for (size_t r = 0; r < in.p.resource_count; r++)
            in.amounts[r] *= pow(10, 18 * uniform() - 9);
        solved(&in.p);
        arena_release(&arena);
    }
}

/* Capacities and amounts that say the same leave the duals open, and their equations singular. */
Test(plan_slots, bounds_that_say_the_same_twice) {
    struct instance in;
    for (uint64_t seed = 0; seed < 100; seed++) {
        chance = seed;
        size_t size = 2 + pick(SLOTS - 1);
        make(&in, 1 + pick(GROUPS), size, size);
        for (size_t i = 0; i < size; i++) {
            in.values[i] += 1;
            in.capacities[i] = in.amounts[i] = 0.125;
        }
        solved(&in.p);
        arena_release(&arena);
    }
}

/* Columns that differ by less than a millionth (Laeuchli's): 1, 2 and 3 meet the demands. */
Test(plan_slots, nearly_equal_columns_are_told_apart) {
    struct instance in;
    const double little = 1e-7;
    reset(&in, 4, 3, 1);
    for (size_t r = 0; r < 3; r++) {
        in.inputs[r] = 1;
        in.inputs[3 + r * 4] = little;
        in.demands[1 + r] = little * (double)(r + 1);
    }
    in.demands[0] = 6;
    in.p.is_signed = true;
    struct slots_result result = solved(&in.p);
    cr_assert_leq(result.loss, 1e-24);
    cr_assert_leq(result.gap, 1e-28);
    for (size_t r = 0; r < 3; r++)
        cr_assert_float_eq(result.resource_slots[r], (double)(r + 1), 1e-6);
    in.p.is_signed = false;
    cr_assert_leq(solved(&in.p).loss, 1e-12);
    arena_release(&arena);
}

/* Where nothing can be done, or nothing is wanted. */
Test(plan_slots, nothing_comes_of_nothing) {
    struct instance in;
    for (int missing = 0; missing < 5; missing++) {
        set_article(&in, wanted);
        double *nothing[] = {in.inputs, in.demands, in.values, in.capacities, in.amounts};
        static const size_t sizes[] = {9, 12, 4, 4, 3};
        memset(nothing[missing], 0, sizes[missing] * sizeof(double));
        struct slots_result result = solved(&in.p);
        for (size_t i = 0; i < 12; i++)
            cr_assert_eq(result.resource_slots[i], 0);
        cr_assert_eq(result.gap, 0);
        if (missing >= 3) /* A first unit is worth something. */
            cr_assert_gt(missing == 3 ? result.slot_duals[0] : result.resource_duals[0], 0);
        in.p.is_signed = missing < 3;
        solved(&in.p);
    }
    arena_release(&arena);
}

/* The duals are derivatives: what a little more is worth. */
Test(plan_slots, duals_are_what_a_little_more_is_worth) {
    struct instance in;
    const double little = 1e-4;
    for (uint64_t seed = 0; seed < 300; seed++) {
        chance = seed;
        make_any(&in);
        struct slots_result before = solved(&in.p);
        double *bounds[] = {&in.capacities[pick(in.p.slot_count)], &in.amounts[pick(in.p.resource_count)]};
        const double duals[] = {before.slot_duals[bounds[0] - in.capacities],
                                before.resource_duals[bounds[1] - in.amounts]};
        for (size_t i = 0; i < 2; i++) {
            double was = *bounds[i];
            if (isinf(was))
                continue;
            *bounds[i] += little;
            double more = (before.loss - solved(&in.p).loss) / little;
            cr_assert_leq(more, duals[i] + 1e-7 * scale_of(&in.p), "seed %zu: a unit more saves more", (size_t)seed);
            /* Where the dual is one of many, it may be above; not by much less than a kink away. */
            *bounds[i] = fmax(0, was - little);
            double less = was > 0 ? (solved(&in.p).loss - before.loss) / (was - *bounds[i]) : INFINITY;
            cr_assert_geq(less, duals[i] - 1e-7 * scale_of(&in.p), "seed %zu: a unit less costs less", (size_t)seed);
            *bounds[i] = was;
        }
        arena_release(&arena);
    }
}

/* ---- against the best of all active sets ---- */

#define VARIABLES 4 /* Two resources, two slots. */
#define BOUNDS 8
#define EQUATIONS (VARIABLES + BOUNDS)

/* Gauss with pivoting; false: singular. */
static bool eliminate(double a[EQUATIONS][EQUATIONS + 1], size_t size) {
    for (size_t k = 0; k < size; k++) {
        size_t best = k;
        for (size_t i = k; i < size; i++)
            best = fabs(a[i][k]) > fabs(a[best][k]) ? i : best;
        if (fabs(a[best][k]) < 1e-9)
            return false;
        for (size_t j = 0; j <= size; j++) {
            double swap = a[k][j];
            a[k][j] = a[best][j];
            a[best][j] = swap;
        }
        for (size_t i = 0; i < size; i++) {
            double factor = i == k ? 0 : a[i][k] / a[k][k];
            for (size_t j = k; j <= size; j++)
                a[i][j] -= factor * a[k][j];
        }
    }
    for (size_t i = 0; i < size; i++)
        a[i][size] /= a[i][i];
    return true;
}

/* The coefficient of w(r, s), at r * 2 + s, in a bound: w >= 0, then capacities, then amounts. */
static double coefficient(size_t bound, size_t i) {
    return bound < 4 ? bound == i : bound < 6 ? i % 2 == bound - 4 : i / 2 == bound - 6;
}

static double bound_of(const struct instance *in, size_t bound) {
    return bound < 4 ? 0 : bound < 6 ? in->capacities[bound - 4] : in->amounts[bound - 6];
}

/* The loss where the bounds of the set hold with equality, or INFINITY. */
static double loss_of_set(const struct instance *in, unsigned set) {
    double a[EQUATIONS][EQUATIONS + 1] = {{0}};
    size_t size = VARIABLES;
    for (size_t i = 0; i < VARIABLES; i++) {
        for (size_t b = 0; b < in->p.group_count; b++) {
            double weight = 2 * in->values[i % 2] * in->inputs[b * 2 + i / 2];
            for (size_t r = 0; r < 2; r++)
                a[i][r * 2 + i % 2] += weight * in->inputs[b * 2 + r];
            a[i][EQUATIONS] += weight * in->demands[b * 2 + i % 2];
        }
    }
    for (size_t bound = 0; bound < BOUNDS; bound++) {
        if (!(set >> bound & 1))
            continue;
        for (size_t i = 0; i < VARIABLES; i++)
            a[i][size] = a[size][i] = coefficient(bound, i);
        a[size++][EQUATIONS] = bound_of(in, bound);
    }
    for (size_t i = 0; i < size; i++) {
        a[i][size] = a[i][EQUATIONS];
    }
    if (!eliminate(a, size))
        return INFINITY;
    double loss = 0, w[VARIABLES];
    for (size_t i = 0; i < VARIABLES; i++)
        w[i] = a[i][size];
    for (size_t bound = 0; bound < BOUNDS; bound++) {
        double sum = 0;
        for (size_t i = 0; i < VARIABLES; i++)
            sum += coefficient(bound, i) * w[i];
        if (bound < 4 ? sum < -1e-9 : sum > bound_of(in, bound) + 1e-9)
            return INFINITY;
    }
    for (size_t b = 0; b < in->p.group_count; b++)
        for (size_t s = 0; s < 2; s++)
            loss += in->values[s] *
                    pow(in->inputs[b * 2] * w[s] + in->inputs[b * 2 + 1] * w[2 + s] - in->demands[b * 2 + s], 2);
    return loss / (double)(2 * in->p.group_count);
}

Test(plan_slots, no_active_set_is_better) {
    struct instance in;
    size_t compared = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        chance = seed;
        make(&in, 2 + pick(3), 2, 2);
        for (size_t i = 0; i < 2; i++) { /* All bounds are there, all values count. */
            in.values[i] += 1;
            in.capacities[i] = fmin(in.capacities[i], 50);
            in.amounts[i] = fmin(in.amounts[i], 50);
        }
        double best = INFINITY;
        for (unsigned set = 0; set < 1U << BOUNDS; set++)
            best = fmin(best, loss_of_set(&in, set));
        double loss = solved(&in.p).loss;
        cr_assert_leq(loss, best + 1e-9 * scale_of(&in.p), "seed %zu", (size_t)seed);
        if (isfinite(best)) { /* Of a singular optimum some other set is not, or none is. */
            cr_assert_geq(loss, best - 1e-7 * scale_of(&in.p), "seed %zu", (size_t)seed);
            compared++;
        }
        arena_release(&arena);
    }
    cr_assert_gt(compared, 300);
}
