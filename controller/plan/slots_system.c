/*
 * The slots are eliminated one by one, by Cholesky's factors; what is left is a system of the resources with an amount.
 * So a step costs S R^3, not (S R)^3. Where resources stand in for each other, the matrices are singular or nearly so:
 * a small part of the diagonal is added, which makes of the Newton step one of the proximal point method. That has the
 * same fixed points.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "plan/slots_internal.h"

#define PROXIMAL 1e-12   /* Of the diagonal. */
#define PIVOT_MIN 1e-13  /* Of what stood there: less is rounding, and */
#define PIVOT_NONE 1e100 /* makes this component of the solution 0. */
#define PIVOT_DIVISOR_MIN 1e-300

/* In place, the lower half of an n x n matrix. */
static void cholesky(double *a, size_t n) {
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = a[i * n + j];
            for (size_t k = 0; k < j; k++)
                sum -= a[i * n + k] * a[j * n + k];
            if (j < i)
                a[i * n + j] = sum / a[j * n + j];
            else
                a[i * n + i] = sqrt(sum > PIVOT_MIN * a[i * n + i] && sum > 0 ? sum : PIVOT_NONE);
        }
    }
}

static void forward(const double *factor, size_t n, double *x) {
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            x[i] -= factor[i * n + k] * x[k];
        x[i] /= factor[i * n + i];
    }
}

static void backward(const double *factor, size_t n, double *x) {
    for (size_t i = n; i-- > 0;) {
        x[i] /= factor[i * n + i];
        for (size_t k = 0; k < i; k++)
            x[k] -= factor[i * n + k] * x[i];
    }
}

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

void slots_system_init(struct slots_system *system, const struct slots_core *core, struct arena *arena) {
    size_t n = core->n, m = core->m;
    *system = (struct slots_system){.core = core};
    double **const arrays[] = {&system->diagonal, &system->ratio_capacity, &system->ratio_amount,
                               &system->right,    &system->right_capacity, &system->right_amount,
                               &system->dw,       &system->dlambda,        &system->dmu,
                               &system->factors,  &system->border,         &system->schur,
                               &system->pivots,   &system->inverse,        &system->temp};
    const size_t sizes[] = {m * n, m, n, m * n, m, n, m * n, m, n, m * n * n, m * n, n * n, m, n * n, n};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        *arrays[i] = arena_alloc_array(arena, sizes[i], sizeof(double));
}

static void factor_slot(struct slots_system *system, size_t s) {
    const struct slots_core *core = system->core;
    size_t n = core->n;
    double *factor = system->factors + s * n * n, *border = system->border + s * n;
    const double *diagonal = system->diagonal + s * n;
    double weight = 2 * core->value[s];
    for (size_t i = 0; i < n; i++) {
        bool is_fixed = isinf(diagonal[i]);
        for (size_t j = 0; j < i; j++)
            factor[i * n + j] = is_fixed || isinf(diagonal[j]) ? 0 : weight * core->gram[i * n + j];
        factor[i * n + i] = is_fixed ? 1 : weight * (core->gram[i * n + i] + PROXIMAL) + diagonal[i];
        border[i] = is_fixed ? 0 : core->weights[i];
    }
    cholesky(factor, n);
    forward(factor, n, border);
    backward(factor, n, border);
    double pivot = dot(border, core->weights, n);
    /* A capacity of a slot where all is fixed has no dual. */
    system->pivots[s] =
        isinf(system->ratio_capacity[s]) || pivot < PIVOT_DIVISOR_MIN ? INFINITY : system->ratio_capacity[s] + pivot;
}

/* schur += (2 v G + D)^-1 - border border' / pivot, the rows and columns of what is not fixed. */
static void add_inverse(struct slots_system *system, size_t s) {
    size_t n = system->core->n;
    const double *factor = system->factors + s * n * n, *border = system->border + s * n;
    const double *diagonal = system->diagonal + s * n;
    double *inverse = system->inverse; /* Of the factor, column by column: L^-1 e_j. */
    for (size_t j = 0; j < n; j++) {
        double *column = inverse + j * n;
        memset(column, 0, n * sizeof(*column));
        column[j] = 1;
        for (size_t i = j; i < n; i++) {
            for (size_t k = j; k < i; k++)
                column[i] -= factor[i * n + k] * column[k];
            column[i] /= factor[i * n + i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i && !isinf(diagonal[i]); j++) {
            if (!isinf(diagonal[j]))
                system->schur[i * n + j] +=
                    dot(inverse + i * n + i, inverse + j * n + i, n - i) - border[i] * border[j] / system->pivots[s];
        }
    }
}

static bool is_coupled(const struct slots_system *system) {
    for (size_t r = 0; r < system->core->n; r++)
        if (!isinf(system->ratio_amount[r]))
            return true;
    return false;
}

void slots_system_factor(struct slots_system *system) {
    size_t n = system->core->n, m = system->core->m;
    double *schur = system->schur;
    for (size_t s = 0; s < m; s++)
        factor_slot(system, s);
    if (!is_coupled(system))
        return;
    memset(schur, 0, n * n * sizeof(*schur));
    for (size_t s = 0; s < m; s++)
        add_inverse(system, s);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            if (isinf(system->ratio_amount[i]) || isinf(system->ratio_amount[j]))
                schur[i * n + j] = 0;
        double *pivot = &schur[i * n + i];
        *pivot = isinf(system->ratio_amount[i]) ? 1 : *pivot + system->ratio_amount[i];
    }
    cholesky(schur, n);
}

/* dw(s) of h(s) - dmu; the dual of the capacity too. */
static void solve_slot(struct slots_system *system, size_t s) {
    size_t n = system->core->n;
    double *dw = system->dw + s * n;
    const double *factor = system->factors + s * n * n, *border = system->border + s * n;
    for (size_t r = 0; r < n; r++)
        dw[r] = isinf(system->diagonal[s * n + r]) ? 0 : system->right[s * n + r] - system->dmu[r];
    system->dlambda[s] =
        isinf(system->pivots[s]) ? 0 : (dot(border, dw, n) - system->right_capacity[s]) / system->pivots[s];
    forward(factor, n, dw);
    backward(factor, n, dw);
    for (size_t r = 0; r < n; r++)
        dw[r] -= border[r] * system->dlambda[s];
}

void slots_system_solve(struct slots_system *system) {
    size_t n = system->core->n, m = system->core->m;
    memset(system->dmu, 0, n * sizeof(*system->dmu));
    for (size_t s = 0; s < m; s++)
        solve_slot(system, s);
    if (!is_coupled(system))
        return;
    for (size_t r = 0; r < n; r++) {
        double sum = 0;
        for (size_t s = 0; s < m; s++)
            sum += system->dw[s * n + r];
        system->temp[r] = isinf(system->ratio_amount[r]) ? 0 : sum - system->right_amount[r];
    }
    forward(system->schur, n, system->temp);
    backward(system->schur, n, system->temp);
    memcpy(system->dmu, system->temp, n * sizeof(*system->dmu));
    for (size_t s = 0; s < m; s++)
        solve_slot(system, s);
}
