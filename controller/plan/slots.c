/*
 * What is fixed at 0 is left out: slots without value, demand or capacity, resources that are not there or that nobody
 * uses. So what is left has points inside all constraints. A column is divided by its norm, demands by the greatest of
 * theirs, and a bound that cannot be reached goes: what is left is near 1, whatever the units.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/slots.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/slots_internal.h"

#define RANK_MIN 1e-12 /* Resources whose columns differ by less stand in for each other. */
#define SIGNED_STEPS 2 /* The first solves, the second takes away its rounding. */

struct work {
    struct slots_problem p; /* The groups in an order of their own. */
    struct arena *arena;
    double mean;                         /* 1/(B S) */
    double *column_norms, *demand_norms; /* n, m */
    double *w, *x, *duals_s, *duals_r;   /* Of slots_result; x in our order of groups. */
    double *gradient;                    /* Resource by slot. */
    size_t *resources;                   /* Those that take part. */
    size_t resource_count;
    unsigned iterations;
};

/* ---- groups in the order of their numbers ---- */

struct row {
    const double *inputs, *demands;
    size_t group;
};

static int compare_numbers(const double *a, const double *b, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

static int compare_rows(const void *a, const void *b, void *ctx) {
    const struct slots_problem *problem = ctx;
    const struct row *left = a, *right = b;
    int order = compare_numbers(left->inputs, right->inputs, problem->resource_count);
    return order ? order : compare_numbers(left->demands, right->demands, problem->slot_count);
}

static const struct row *sort_groups(struct work *work, const struct slots_problem *problem) {
    size_t n = problem->resource_count, m = problem->slot_count, count = problem->group_count;
    struct row *rows = arena_alloc_array(work->arena, count, sizeof(*rows));
    double *inputs = arena_alloc_array(work->arena, count * n, sizeof(*inputs));
    double *demands = arena_alloc_array(work->arena, count * m, sizeof(*demands));
    for (size_t b = 0; b < count; b++)
        rows[b] = (struct row){problem->inputs + b * n, problem->demands + b * m, b};
    qsort_r(rows, count, sizeof(*rows), compare_rows, &work->p);
    for (size_t b = 0; b < count; b++) {
        memcpy(inputs + b * n, rows[b].inputs, n * sizeof(*inputs));
        memcpy(demands + b * m, rows[b].demands, m * sizeof(*demands));
    }
    work->p.inputs = inputs;
    work->p.demands = demands;
    return rows;
}

static void find_norms(struct work *work) {
    const struct slots_problem *p = &work->p;
    for (size_t b = 0; b < p->group_count; b++) {
        for (size_t r = 0; r < p->resource_count; r++)
            work->column_norms[r] += pow(p->inputs[b * p->resource_count + r], 2);
        for (size_t s = 0; s < p->slot_count; s++)
            work->demand_norms[s] += pow(p->demands[b * p->slot_count + s], 2);
    }
    for (size_t r = 0; r < p->resource_count; r++)
        work->column_norms[r] = sqrt(work->column_norms[r]);
    for (size_t s = 0; s < p->slot_count; s++)
        work->demand_norms[s] = sqrt(work->demand_norms[s]);
}

/* ---- the loss and its proof, in the problem's own units ---- */

/* x, the loss and its gradient. */
static double evaluate(struct work *work) {
    const struct slots_problem *p = &work->p;
    size_t n = p->resource_count, m = p->slot_count;
    double loss = 0;
    memset(work->gradient, 0, n * m * sizeof(*work->gradient));
    memset(work->x, 0, p->group_count * m * sizeof(*work->x));
    for (size_t b = 0; b < p->group_count; b++) {
        double *x = work->x + b * m;
        for (size_t r = 0; r < n; r++)
            for (size_t s = 0; s < m; s++)
                x[s] += p->inputs[b * n + r] * work->w[r * m + s];
        for (size_t s = 0; s < m; s++)
            loss += work->mean * p->values[s] * pow(x[s] - p->demands[b * m + s], 2);
        for (size_t r = 0; r < n; r++)
            for (size_t s = 0; s < m; s++)
                work->gradient[r * m + s] +=
                    2 * work->mean * p->values[s] * p->inputs[b * n + r] * (x[s] - p->demands[b * m + s]);
    }
    return loss;
}

/* Where there is nothing, a first unit is worth what it would do for the best of its uses. */
static void price_what_is_none(struct work *work) {
    const struct slots_problem *p = &work->p;
    size_t n = p->resource_count, m = p->slot_count;
    for (size_t s = 0; s < m; s++)
        for (size_t r = 0; r < n && p->capacities[s] == 0; r++)
            if (p->amounts[r] > 0)
                work->duals_s[s] = fmax(work->duals_s[s], -work->gradient[r * m + s] - work->duals_r[r]);
    for (size_t r = 0; r < n; r++)
        for (size_t s = 0; s < m && p->amounts[r] == 0; s++)
            work->duals_r[r] = fmax(work->duals_r[r], -work->gradient[r * m + s] - work->duals_s[s]);
}

/* The most of resource r that any optimum gives to slot s. Without bounds what groups get is a projection of the
 * demands, no longer than these; with them it is no longer either, as less of all is always allowed, and would do. */
static double limit_of(const struct work *work, size_t r, size_t s) {
    double norm = work->column_norms[r];
    return norm > 0 ? work->demand_norms[s] / norm : 0;
}

static double find_gap(const struct work *work) {
    const struct slots_problem *p = &work->p;
    size_t n = p->resource_count, m = p->slot_count;
    double gap = 0;
    for (size_t s = 0; s < m; s++)
        gap += isinf(p->capacities[s]) ? 0 : p->capacities[s] * work->duals_s[s];
    for (size_t r = 0; r < n; r++) {
        gap += isinf(p->amounts[r]) ? 0 : p->amounts[r] * work->duals_r[r];
        for (size_t s = 0; s < m; s++) {
            double gradient = work->gradient[r * m + s];
            double reduced = gradient + work->duals_s[s] + work->duals_r[r];
            double most = fmin(limit_of(work, r, s), fmin(p->capacities[s], p->amounts[r]));
            gap += gradient * work->w[r * m + s] + (reduced < 0 ? -reduced * most : 0);
        }
    }
    return fmax(0, gap);
}

/* ---- the programme of slots_internal.h ---- */

static void fill_gram(const struct work *work, double *gram) {
    const struct slots_problem *p = &work->p;
    size_t n = work->resource_count;
    for (size_t b = 0; b < p->group_count; b++) {
        const double *row = p->inputs + b * p->resource_count;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                gram[i * n + j] += row[work->resources[i]] / work->column_norms[work->resources[i]] *
                                   (row[work->resources[j]] / work->column_norms[work->resources[j]]);
    }
}

/* Some slots by themselves: all that take part, or one. */
struct part {
    const size_t *slots;
    size_t n, m;
    double demand, value, least_norm; /* The units: w is in `demand` by its column's norm. */
    double *rhs, *limits, *values, *weights, *capacity, *amount;
};

static void find_units(const struct work *work, struct part *part) {
    part->least_norm = INFINITY;
    for (size_t i = 0; i < part->m; i++) {
        part->demand = fmax(part->demand, work->demand_norms[part->slots[i]]);
        part->value = fmax(part->value, work->p.values[part->slots[i]]);
    }
    for (size_t j = 0; j < part->n; j++)
        part->least_norm = fmin(part->least_norm, work->column_norms[work->resources[j]]);
}

static void fill_resources(const struct work *work, struct part *part) {
    double most = 0;
    for (size_t i = 0; i < part->m; i++)
        most += work->demand_norms[part->slots[i]] / part->demand;
    for (size_t j = 0; j < part->n; j++) {
        double norm = work->column_norms[work->resources[j]];
        double amount = work->p.amounts[work->resources[j]] * (norm / part->demand);
        part->weights[j] = part->least_norm / norm;
        part->amount[j] = most <= amount ? INFINITY : amount;
    }
}

/* Slot i of the part. Returns by how much its loss can fall at most. */
static double fill_slot(const struct work *work, struct part *part, size_t i) {
    const struct slots_problem *p = &work->p;
    size_t s = part->slots[i], n = part->n;
    double length = work->demand_norms[s] / part->demand, most = 0, falls = 0;
    double capacity = p->capacities[s] * (part->least_norm / part->demand);
    part->values[i] = p->values[s] / part->value;
    for (size_t j = 0; j < n; j++) {
        double *rhs = &part->rhs[i * n + j], *limit = &part->limits[i * n + j];
        size_t r = work->resources[j];
        for (size_t b = 0; b < p->group_count; b++)
            *rhs += p->inputs[b * p->resource_count + r] / work->column_norms[r] *
                    (p->demands[b * p->slot_count + s] / part->demand);
        *limit = fmin(length, fmin(capacity / part->weights[j], part->amount[j]));
        most += part->weights[j] * fmin(length, part->amount[j]);
        falls += 2 * part->values[i] * *rhs * *limit;
    }
    part->capacity[i] = most <= capacity ? INFINITY : capacity;
    return fmin(falls, part->values[i] * length * length);
}

static void take(struct work *work, const struct part *part, const struct slots_point *point) {
    double dual = work->mean * part->value * part->demand; /* Of what a column's norm multiplies. */
    size_t m = work->p.slot_count;
    for (size_t i = 0; i < part->m; i++)
        work->duals_s[part->slots[i]] = point->lambda[i] * dual * part->least_norm;
    for (size_t j = 0; j < part->n; j++) {
        size_t r = work->resources[j];
        double norm = work->column_norms[r];
        if (!isinf(part->amount[j]))
            work->duals_r[r] = point->mu[j] * dual * norm;
        for (size_t i = 0; i < part->m; i++)
            work->w[r * m + part->slots[i]] = point->w[i * part->n + j] * (part->demand / norm);
    }
}

static void solve_part(struct work *work, const double *gram, const size_t *slots, size_t m) {
    struct arena arena = {0};
    size_t n = work->resource_count;
    struct part part = {.slots = slots,
                        .n = n,
                        .m = m,
                        .rhs = arena_alloc_array(&arena, m * n, sizeof(double)),
                        .limits = arena_alloc_array(&arena, m * n, sizeof(double)),
                        .values = arena_alloc_array(&arena, m, sizeof(double)),
                        .weights = arena_alloc_array(&arena, n, sizeof(double)),
                        .capacity = arena_alloc_array(&arena, m, sizeof(double)),
                        .amount = arena_alloc_array(&arena, n, sizeof(double))};
    struct slots_point point = {arena_alloc_array(&arena, m * n, sizeof(double)),
                                arena_alloc_array(&arena, m, sizeof(double)),
                                arena_alloc_array(&arena, n, sizeof(double))};
    double falls = 0;
    find_units(work, &part);
    fill_resources(work, &part);
    for (size_t i = 0; i < m; i++)
        falls += fill_slot(work, &part, i);
    const struct slots_core core = {.n = n,
                                    .m = m,
                                    .gram = gram,
                                    .rhs = part.rhs,
                                    .limits = part.limits,
                                    .value = part.values,
                                    .weights = part.weights,
                                    .capacity = part.capacity,
                                    .amount = part.amount,
                                    .scale = falls};
    if (falls > 0) /* Else nothing does any good. */
        work->iterations += slots_core_solve(&core, &arena, &point);
    take(work, &part, &point);
    arena_release(&arena);
}

static bool is_coupled(const struct work *work, const size_t *slots, size_t count) {
    for (size_t j = 0; j < work->resource_count; j++) {
        double most = 0;
        for (size_t i = 0; i < count; i++)
            most += fmin(limit_of(work, work->resources[j], slots[i]), work->p.capacities[slots[i]]);
        if (most > work->p.amounts[work->resources[j]])
            return true;
    }
    return false;
}

static void solve_bounded(struct work *work) {
    const struct slots_problem *p = &work->p;
    size_t *slots = arena_alloc_array(work->arena, p->slot_count, sizeof(*slots)), slot_count = 0;
    for (size_t r = 0; r < p->resource_count; r++)
        if (work->column_norms[r] > 0 && p->amounts[r] > 0)
            work->resources[work->resource_count++] = r;
    for (size_t s = 0; s < p->slot_count; s++)
        if (p->values[s] > 0 && work->demand_norms[s] > 0 && p->capacities[s] > 0)
            slots[slot_count++] = s;
    if (work->resource_count == 0 || slot_count == 0)
        return;
    double *gram = arena_alloc_array(work->arena, work->resource_count * work->resource_count, sizeof(*gram));
    fill_gram(work, gram);
    if (is_coupled(work, slots, slot_count)) {
        solve_part(work, gram, slots, slot_count);
        return;
    }
    for (size_t i = 0; i < slot_count; i++)
        solve_part(work, gram, &slots[i], 1);
}

/* ---- either sign: least squares by orthogonal columns (Gram and Schmidt's, modified, with pivoting) ---- */

struct basis {
    double *columns;   /* Orthonormal, one by one. */
    double *triangle;  /* n x n: normed column of resource k = sum_i triangle[i, k] columns[i] */
    size_t *resources; /* Which column each was made of. */
    size_t rank;
};

static double dot(const double *a, const double *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* What is left of the column, made a unit that is orthogonal to the basis also where little was left. */
static void basis_add(struct basis *basis, const double *left, double norm, size_t resource, size_t n, size_t count) {
    double *column = basis->columns + basis->rank * count;
    for (size_t b = 0; b < count; b++)
        column[b] = left[b] / norm;
    for (size_t i = 0; i < basis->rank; i++) {
        const double *other = basis->columns + i * count;
        double part = dot(column, other, count);
        basis->triangle[i * n + resource] += part * norm;
        for (size_t b = 0; b < count; b++)
            column[b] -= part * other[b];
    }
    double rest = sqrt(dot(column, column, count));
    for (size_t b = 0; b < count; b++)
        column[b] /= rest;
    basis->triangle[basis->rank * n + resource] = norm * rest;
    basis->resources[basis->rank] = resource;
}

static void find_basis(struct work *work, struct basis *ret) {
    const struct slots_problem *p = &work->p;
    size_t n = p->resource_count, count = p->group_count;
    bool *is_used = arena_alloc_array(work->arena, n, sizeof(*is_used));
    double *left = arena_alloc_array(work->arena, n * count, sizeof(*left)); /* Of each column, without the basis. */
    for (size_t r = 0; r < n; r++)
        for (size_t b = 0; b < count && work->column_norms[r] > 0; b++)
            left[r * count + b] = p->inputs[b * n + r] / work->column_norms[r];
    for (ret->rank = 0; ret->rank < n; ret->rank++) {
        size_t best = n;
        double most = RANK_MIN * RANK_MIN;
        for (size_t r = 0; r < n; r++) {
            double square = is_used[r] ? 0 : dot(left + r * count, left + r * count, count);
            if (square > most) {
                best = r;
                most = square;
            }
        }
        if (best == n)
            return;
        is_used[best] = true;
        basis_add(ret, left + best * count, sqrt(most), best, n, count);
        const double *column = ret->columns + ret->rank * count;
        for (size_t r = 0; r < n; r++) {
            double part = is_used[r] ? 0 : dot(column, left + r * count, count);
            ret->triangle[ret->rank * n + r] += part;
            for (size_t b = 0; b < count; b++)
                left[r * count + b] -= part * column[b];
        }
    }
}

/* The residual's part in the range, by the basis; returns its square. */
static double measure(const struct work *work, const struct basis *basis, size_t s, double *residual, double *parts) {
    const struct slots_problem *p = &work->p;
    size_t n = p->resource_count, m = p->slot_count, count = p->group_count;
    for (size_t b = 0; b < count; b++) {
        residual[b] = p->demands[b * m + s];
        for (size_t r = 0; r < n; r++)
            residual[b] -= p->inputs[b * n + r] * work->w[r * m + s];
    }
    for (size_t i = 0; i < basis->rank; i++)
        parts[i] = dot(basis->columns + i * count, residual, count);
    return dot(parts, parts, basis->rank);
}

/* Adds to w(s) what takes that part away. */
static void correct(struct work *work, const struct basis *basis, size_t s, double *parts) {
    size_t n = work->p.resource_count;
    for (size_t i = basis->rank; i-- > 0;) {
        size_t r = basis->resources[i];
        double step = parts[i] / basis->triangle[i * n + r];
        work->w[r * work->p.slot_count + s] += step / work->column_norms[r];
        for (size_t k = 0; k < i; k++)
            parts[k] -= basis->triangle[k * n + r] * step;
    }
}

/* Returns the gap. */
static double solve_signed(struct work *work) {
    const struct slots_problem *p = &work->p;
    size_t n = p->resource_count, count = p->group_count;
    struct basis basis = {.columns = arena_alloc_array(work->arena, n * count, sizeof(double)),
                          .triangle = arena_alloc_array(work->arena, n * n, sizeof(double)),
                          .resources = arena_alloc_array(work->arena, n, sizeof(size_t))};
    double *residual = arena_alloc_array(work->arena, count, sizeof(*residual));
    double *parts = arena_alloc_array(work->arena, n, sizeof(*parts));
    double gap = 0;
    find_basis(work, &basis);
    for (size_t s = 0; s < p->slot_count; s++) {
        for (size_t round = 0; round < SIGNED_STEPS && p->values[s] > 0; round++) {
            (void)measure(work, &basis, s, residual, parts);
            correct(work, &basis, s, parts);
        }
        gap += work->mean * p->values[s] * measure(work, &basis, s, residual, parts);
    }
    work->iterations = SIGNED_STEPS;
    return gap;
}

void slots_solve(const struct slots_problem *problem, struct arena *arena, struct slots_result *ret) {
    size_t n = problem->resource_count, m = problem->slot_count, count = problem->group_count;
    struct work work = {.p = *problem, .arena = arena, .mean = 1 / ((double)count * (double)m)};
    const struct row *rows = sort_groups(&work, problem);
    work.column_norms = arena_alloc_array(arena, n, sizeof(double));
    work.demand_norms = arena_alloc_array(arena, m, sizeof(double));
    work.w = arena_alloc_array(arena, n * m, sizeof(double));
    work.gradient = arena_alloc_array(arena, n * m, sizeof(double));
    work.x = arena_alloc_array(arena, count * m, sizeof(double));
    work.duals_s = arena_alloc_array(arena, m, sizeof(double));
    work.duals_r = arena_alloc_array(arena, n, sizeof(double));
    work.resources = arena_alloc_array(arena, n, sizeof(size_t));
    find_norms(&work);
    double gap = 0;
    if (problem->is_signed)
        gap = solve_signed(&work);
    else
        solve_bounded(&work);
    double loss = evaluate(&work);
    if (!problem->is_signed) {
        price_what_is_none(&work);
        gap = find_gap(&work);
    }
    double *allocation = arena_alloc_array(arena, count * m, sizeof(*allocation));
    for (size_t b = 0; b < count; b++)
        memcpy(allocation + rows[b].group * m, work.x + b * m, m * sizeof(*allocation));
    *ret = (struct slots_result){.resource_slots = work.w,
                                 .allocation = allocation,
                                 .loss = loss,
                                 .gap = gap,
                                 .slot_duals = work.duals_s,
                                 .resource_duals = work.duals_r,
                                 .iterations = work.iterations};
}
