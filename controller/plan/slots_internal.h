/*
 * The quadratic programme of slots.h in units in which all of its numbers are near 1, without what is fixed at 0:
 *
 *     min   sum_s v(s) (w(s)' G w(s) - 2 b(s)' w(s))      G >= 0 with a diagonal of 1, b >= 0
 *     s.t.  e' w(s) <= c(s),  sum_s w(s, r) <= q(r),  w >= 0      0 < e <= 1, c > 0, q > 0
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_SLOTS_INTERNAL_H
#define TRIMTAB_PLAN_SLOTS_INTERNAL_H

#include "plan/slots.h"

struct slots_core {
    size_t n, m;            /* Resources, slots. */
    const double *gram;     /* n x n */
    const double *rhs;      /* b: m x n, slot by slot, as all here of that size. */
    const double *limits;   /* m x n: no optimum needs w beyond. */
    const double *value;    /* m */
    const double *weights;  /* e: n */
    const double *capacity; /* m; INFINITY: none. */
    const double *amount;   /* n; INFINITY: none. */
    double scale;           /* The loss falls by no more than this from w = 0 on; > 0. */
};

struct slots_point {
    double *w;      /* m x n */
    double *lambda; /* m: duals of the capacities. */
    double *mu;     /* n: duals of the amounts. */
};

/* The point has its memory. Returns the Newton steps that it took. */
unsigned slots_core_solve(const struct slots_core *core, struct arena *arena, struct slots_point *ret);

/* The Newton system of slots_core_solve, and of its last, exact step:
 *
 *     (2 v(s) G + D(s)) dw(s) + e dlambda(s) + dmu = h(s)
 *     e' dw(s)     - ratio_capacity(s) dlambda(s)  = h_capacity(s)      where the ratio is finite; else dlambda(s) = 0
 *     sum_s dw(s)  - ratio_amount(r) dmu(r)        = h_amount(r)        likewise
 *
 * where an infinite D(s, r) fixes dw(s, r) = 0. It falls apart by slots but for dmu. */
struct slots_system {
    const struct slots_core *core;
    double *diagonal;                              /* D: m x n, >= 0 */
    double *ratio_capacity, *ratio_amount;         /* m, n; >= 0 */
    double *right, *right_capacity, *right_amount; /* h */
    double *dw, *dlambda, *dmu;
    /* private */
    double *factors;                 /* Cholesky's, m of n x n */
    double *border, *schur;          /* m x n: (2 v G + D)^-1 e; n x n */
    double *pivots, *inverse, *temp; /* m: of the border; n x n; n */
};

void slots_system_init(struct slots_system *system, const struct slots_core *core, struct arena *arena);
void slots_system_factor(struct slots_system *system);
void slots_system_solve(struct slots_system *system); /* For another right side, factored once. */

#endif
