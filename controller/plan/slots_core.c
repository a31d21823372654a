/*
 * A primal-dual interior point method (Mehrotra, SIAM Journal on Optimization 2, 1992; for quadratic programmes Gertz
 * and Wright, ACM TOMS 29, 2003). It starts inside the constraints and stays there, so that each point has a proven
 * gap, and the best is kept. Then the exact step: what the method drives to 0 is set to 0, what it drives to a bound
 * is put on it, and the equations that are left are solved. That replaces the point if its gap proves it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "plan/slots_internal.h"

#define STEPS_MAX 120
#define STALLS_MAX 12
#define GAP_RELATIVE 1e-15 /* Of the loss at w = 0: enough. */
#define GAP_EXACT 1e-13    /* What the exact step may have, as it is exact otherwise. */
#define TO_THE_BOUNDARY 0.995
#define START_SHARE 0.5
#define PROGRESS                                                                                                       \
    0.5            /* Where the corrected direction brings no more, it may go in circles (Cartis, Applied Numerical    \
                    */
#define CENTRE 0.3 /* Mathematics 59, 2009), and the plain one is taken, towards so much of the present products. */
#define EXACT_STEPS 6

struct interior {
    const struct slots_core *core;
    struct slots_system system;
    struct slots_point at, best;
    double *z;              /* m x n: duals of w >= 0. */
    double *slack_capacity; /* m; INFINITY: none. */
    double *slack_amount;   /* n */
    double *gradient;       /* m x n */
    double *dz, *dslack_capacity, *dslack_amount;
    double best_gap;
    bool *is_active; /* At the best: of w >= 0, m x n, of the capacities, m, of the amounts, n. */
};

static double *doubles(struct arena *arena, size_t count) {
    return arena_alloc_array(arena, count, sizeof(double));
}

static void gradient_of(const struct slots_core *core, const double *w, double *ret) {
    size_t n = core->n;
    for (size_t s = 0; s < core->m; s++) {
        for (size_t i = 0; i < n; i++) {
            double sum = -core->rhs[s * n + i];
            for (size_t j = 0; j < n; j++)
                sum += core->gram[i * n + j] * w[s * n + j];
            ret[s * n + i] = 2 * core->value[s] * sum;
        }
    }
}

/* As of slots_result: what the loss at the point can be above the least. */
static double gap_of(const struct slots_core *core, const struct slots_point *point, double *gradient) {
    double gap = 0;
    gradient_of(core, point->w, gradient);
    for (size_t s = 0; s < core->m; s++) {
        gap += isinf(core->capacity[s]) ? 0 : core->capacity[s] * point->lambda[s];
        for (size_t r = 0; r < core->n; r++) {
            size_t i = s * core->n + r;
            double reduced = gradient[i] + core->weights[r] * point->lambda[s] + point->mu[r];
            gap += gradient[i] * point->w[i] + (reduced < 0 ? -reduced * core->limits[i] : 0);
        }
    }
    for (size_t r = 0; r < core->n; r++)
        gap += isinf(core->amount[r]) ? 0 : core->amount[r] * point->mu[r];
    return gap;
}

static void point_copy(const struct slots_core *core, const struct slots_point *from, struct slots_point *to) {
    memcpy(to->w, from->w, core->m * core->n * sizeof(*to->w));
    memcpy(to->lambda, from->lambda, core->m * sizeof(*to->lambda));
    memcpy(to->mu, from->mu, core->n * sizeof(*to->mu));
}

static void slacks_set(const struct slots_core *core, const double *w, double *capacity, double *amount) {
    for (size_t r = 0; r < core->n; r++)
        amount[r] = core->amount[r];
    for (size_t s = 0; s < core->m; s++) {
        capacity[s] = core->capacity[s];
        for (size_t r = 0; r < core->n; r++) {
            capacity[s] -= core->weights[r] * w[s * core->n + r];
            amount[r] -= w[s * core->n + r];
        }
    }
}

static void start(struct interior *in) {
    const struct slots_core *core = in->core;
    size_t n = core->n, m = core->m;
    for (size_t s = 0; s < m; s++) {
        for (size_t r = 0; r < n; r++) {
            double most = core->limits[s * n + r];
            most = fmin(most, core->capacity[s] / ((double)n * core->weights[r]));
            in->at.w[s * n + r] = START_SHARE * fmin(most, core->amount[r] / (double)m);
        }
    }
    slacks_set(core, in->at.w, in->slack_capacity, in->slack_amount);
    double centre = 0;
    for (size_t i = 0; i < m * n; i++)
        centre = fmax(centre, in->at.w[i] * core->value[i / n]);
    for (size_t i = 0; i < m * n; i++)
        in->z[i] = centre / in->at.w[i];
    for (size_t s = 0; s < m; s++)
        in->at.lambda[s] = isinf(core->capacity[s]) ? 0 : centre / in->slack_capacity[s];
    for (size_t r = 0; r < n; r++)
        in->at.mu[r] = isinf(core->amount[r]) ? 0 : centre / in->slack_amount[r];
}

/* The mean of all products of a number and its dual, `step` on along the direction. */
static double complementarity(const struct interior *in, double step) {
    const struct slots_core *core = in->core;
    const struct slots_system *sys = &in->system;
    double sum = 0;
    size_t count = core->m * core->n;
    for (size_t i = 0; i < core->m * core->n; i++)
        sum += (in->at.w[i] + step * sys->dw[i]) * (in->z[i] + step * in->dz[i]);
    for (size_t s = 0; s < core->m; s++) {
        if (isinf(core->capacity[s]))
            continue;
        sum += (in->slack_capacity[s] + step * in->dslack_capacity[s]) * (in->at.lambda[s] + step * sys->dlambda[s]);
        count++;
    }
    for (size_t r = 0; r < core->n; r++) {
        if (isinf(core->amount[r]))
            continue;
        sum += (in->slack_amount[r] + step * in->dslack_amount[r]) * (in->at.mu[r] + step * sys->dmu[r]);
        count++;
    }
    return sum / (double)count;
}

static void shorten(double *step, const double *values, const double *changes, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (changes[i] < 0 && values[i] + *step * changes[i] < 0)
            *step = -values[i] / changes[i];
}

static double longest_step(const struct interior *in) {
    const struct slots_core *core = in->core;
    double step = 1 / TO_THE_BOUNDARY;
    shorten(&step, in->at.w, in->system.dw, core->m * core->n);
    shorten(&step, in->z, in->dz, core->m * core->n);
    shorten(&step, in->slack_capacity, in->dslack_capacity, core->m); /* An infinite one never shortens. */
    shorten(&step, in->at.lambda, in->system.dlambda, core->m);
    shorten(&step, in->slack_amount, in->dslack_amount, core->n);
    shorten(&step, in->at.mu, in->system.dmu, core->n);
    return step;
}

static void matrix_set(struct interior *in) {
    const struct slots_core *core = in->core;
    struct slots_system *sys = &in->system;
    for (size_t i = 0; i < core->m * core->n; i++)
        sys->diagonal[i] = in->z[i] / in->at.w[i];
    for (size_t s = 0; s < core->m; s++)
        sys->ratio_capacity[s] = isinf(core->capacity[s]) ? INFINITY : in->slack_capacity[s] / in->at.lambda[s];
    for (size_t r = 0; r < core->n; r++)
        sys->ratio_amount[r] = isinf(core->amount[r]) ? INFINITY : in->slack_amount[r] / in->at.mu[r];
}

/* Towards the point where all products are `centre`; of second order: less what the last direction's own products are.
 * Slacks are exact at all times, as they are differences of what is kept. */
static void direction(struct interior *in, double centre, bool is_second_order) {
    const struct slots_core *core = in->core;
    struct slots_system *sys = &in->system;
    size_t n = core->n, m = core->m;
    double order = is_second_order ? 1 : 0;
    for (size_t s = 0; s < m; s++) {
        double target = centre - order * in->dslack_capacity[s] * sys->dlambda[s];
        double wanted = isinf(core->capacity[s]) ? 0 : target / in->at.lambda[s] - in->slack_capacity[s];
        sys->right_capacity[s] = -wanted;
        for (size_t r = 0; r < n; r++) {
            size_t i = s * n + r;
            target = centre - order * sys->dw[i] * in->dz[i];
            sys->right[i] = target / in->at.w[i] - in->gradient[i] - core->weights[r] * in->at.lambda[s] - in->at.mu[r];
            in->dz[i] = target / in->at.w[i] - in->z[i]; /* And -z / w dw, below. */
        }
    }
    for (size_t r = 0; r < n; r++) {
        double target = centre - order * in->dslack_amount[r] * sys->dmu[r];
        sys->right_amount[r] = isinf(core->amount[r]) ? 0 : in->slack_amount[r] - target / in->at.mu[r];
    }
    slots_system_solve(sys);
    memset(in->dslack_amount, 0, n * sizeof(*in->dslack_amount));
    for (size_t s = 0; s < m; s++) {
        in->dslack_capacity[s] = 0;
        for (size_t r = 0; r < n; r++) {
            size_t i = s * n + r;
            in->dz[i] -= sys->diagonal[i] * sys->dw[i];
            in->dslack_capacity[s] -= core->weights[r] * sys->dw[i];
            in->dslack_amount[r] -= sys->dw[i];
        }
    }
}

static void move(double *values, const double *changes, double step, size_t count) {
    for (size_t i = 0; i < count; i++)
        values[i] += step * changes[i];
}

static void advance(struct interior *in) {
    const struct slots_core *core = in->core;
    size_t n = core->n, m = core->m;
    matrix_set(in);
    slots_system_factor(&in->system);
    double now = complementarity(in, 0);
    direction(in, 0, false);
    double then = complementarity(in, fmin(1, longest_step(in)));
    direction(in, now * pow(fmin(1, fmax(0, then / now)), 3), true);
    double step = fmin(1, TO_THE_BOUNDARY * longest_step(in));
    if (complementarity(in, step) > PROGRESS * now) {
        direction(in, CENTRE * now, false);
        step = fmin(1, TO_THE_BOUNDARY * longest_step(in));
    }
    move(in->at.w, in->system.dw, step, m * n);
    move(in->z, in->dz, step, m * n);
    move(in->at.lambda, in->system.dlambda, step, m);
    move(in->at.mu, in->system.dmu, step, n);
    move(in->slack_capacity, in->dslack_capacity, step, m);
    move(in->slack_amount, in->dslack_amount, step, n);
}

/* ---- the exact step ---- */

/* What is nearer to its bound than its dual is to 0. The scales are those of w and of the gradient themselves. */
static void guess_active(struct interior *in) {
    const struct slots_core *core = in->core;
    size_t n = core->n, m = core->m;
    bool *is_active = in->is_active;
    for (size_t i = 0; i < m * n; i++)
        is_active[i] = in->at.w[i] / core->limits[i] < in->z[i] / (2 * core->value[i / n]);
    is_active += m * n;
    for (size_t s = 0; s < m; s++)
        is_active[s] = !isinf(core->capacity[s]) &&
                       in->slack_capacity[s] / core->capacity[s] < in->at.lambda[s] / (2 * core->value[s]);
    is_active += m;
    for (size_t r = 0; r < n; r++)
        is_active[r] = !isinf(core->amount[r]) && in->slack_amount[r] / core->amount[r] < in->at.mu[r] / 2;
}

/* Back inside what rounding left by a bit. To give less is always allowed. */
static void clip(struct interior *in, struct slots_point *point) {
    const struct slots_core *core = in->core;
    double *slack_capacity = in->slack_capacity, *slack_amount = in->slack_amount;
    size_t n = core->n, m = core->m;
    for (size_t i = 0; i < m * n; i++)
        point->w[i] = fmax(0, point->w[i]);
    slacks_set(core, point->w, slack_capacity, slack_amount);
    for (size_t s = 0; s < m; s++) {
        point->lambda[s] = fmax(0, point->lambda[s]);
        double factor = slack_capacity[s] < 0 ? core->capacity[s] / (core->capacity[s] - slack_capacity[s]) : 1;
        for (size_t r = 0; r < n; r++)
            point->w[s * n + r] *= factor;
    }
    for (size_t r = 0; r < n; r++) {
        point->mu[r] = fmax(0, point->mu[r]);
        double factor = slack_amount[r] < 0 ? core->amount[r] / (core->amount[r] - slack_amount[r]) : 1;
        for (size_t s = 0; s < m; s++)
            point->w[s * n + r] *= factor;
    }
}

/* The point becomes the solution of the equations that the active set leaves. */
static void solve_active(struct interior *in, struct slots_point *point) {
    const struct slots_core *core = in->core;
    struct slots_system *sys = &in->system;
    size_t n = core->n, m = core->m;
    const bool *is_active = in->is_active;
    for (size_t i = 0; i < m * n; i++) {
        sys->diagonal[i] = is_active[i] ? INFINITY : 0;
        point->w[i] = is_active[i] ? 0 : point->w[i];
    }
    is_active += m * n;
    for (size_t s = 0; s < m; s++) {
        sys->ratio_capacity[s] = is_active[s] ? 0 : INFINITY;
        point->lambda[s] = is_active[s] ? point->lambda[s] : 0;
    }
    is_active += m;
    for (size_t r = 0; r < n; r++) {
        sys->ratio_amount[r] = is_active[r] ? 0 : INFINITY;
        point->mu[r] = is_active[r] ? point->mu[r] : 0;
    }
    slots_system_factor(sys);
    for (int round = 0; round < EXACT_STEPS; round++) {
        gradient_of(core, point->w, in->gradient);
        slacks_set(core, point->w, sys->right_capacity, sys->right_amount);
        for (size_t i = 0; i < m * n; i++)
            sys->right[i] = -in->gradient[i] - core->weights[i % n] * point->lambda[i / n] - point->mu[i % n];
        slots_system_solve(sys);
        move(point->w, sys->dw, 1, m * n);
        move(point->lambda, sys->dlambda, 1, m);
        move(point->mu, sys->dmu, 1, n);
    }
}

static void make_exact(struct interior *in, struct arena *arena) {
    const struct slots_core *core = in->core;
    size_t n = core->n, m = core->m;
    struct slots_point exact = {doubles(arena, m * n), doubles(arena, m), doubles(arena, n)};
    point_copy(core, &in->best, &exact);
    solve_active(in, &exact);
    clip(in, &exact);
    double gap = gap_of(core, &exact, in->gradient);
    if (gap <= fmax(in->best_gap, GAP_EXACT * core->scale)) /* Not if it is no number. */
        point_copy(core, &exact, &in->best);
}

unsigned slots_core_solve(const struct slots_core *core, struct arena *arena, struct slots_point *ret) {
    size_t n = core->n, m = core->m;
    struct interior in = {.core = core, .best = *ret, .best_gap = INFINITY};
    slots_system_init(&in.system, core, arena);
    in.at = (struct slots_point){doubles(arena, m * n), doubles(arena, m), doubles(arena, n)};
    in.z = doubles(arena, m * n);
    in.gradient = doubles(arena, m * n);
    in.dz = doubles(arena, m * n);
    in.slack_capacity = doubles(arena, m);
    in.dslack_capacity = doubles(arena, m);
    in.slack_amount = doubles(arena, n);
    in.dslack_amount = doubles(arena, n);
    in.is_active = arena_alloc_array(arena, m * n + m + n, sizeof(*in.is_active));
    start(&in);
    unsigned steps = 0;
    for (unsigned stalls = 0; steps < STEPS_MAX && stalls < STALLS_MAX; steps++) {
        double gap = gap_of(core, &in.at, in.gradient);
        if (!isfinite(gap))
            break;
        stalls = gap < 0.9 * in.best_gap ? 0 : stalls + 1;
        if (gap < in.best_gap) {
            in.best_gap = gap;
            point_copy(core, &in.at, &in.best);
            guess_active(&in);
        }
        if (gap <= GAP_RELATIVE * core->scale)
            break;
        advance(&in);
    }
    make_exact(&in, arena);
    clip(&in, &in.best);
    return steps;
}
