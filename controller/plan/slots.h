/*
 * How much of each resource to give to each time slot, so that what groups get is as near as can be to what they want.
 *
 *     sets        b: groups (B of them), r: resources, s: slots (S of them)
 *     data        a(b, r) >= 0    what group b gets out of a unit of resource r (the article's `inputs`)
 *                 d(b, s) >= 0    its demand;   v(s) >= 0  the value of the slot
 *                 c(s), q(r)      capacity of the slot, amount of the resource; either may be without limit
 *     variables   w(r, s)         what slot s is given of resource r (`resource_slots`)
 *                 x(b, s) = sum_r a(b, r) w(r, s)     what group b gets (`allocation`)
 *
 *     min   1/(B S) sum_b,s v(s) (x(b, s) - d(b, s))^2
 *     s.t.  sum_r w(r, s) <= c(s)      for each slot        (dual: worth of a unit of capacity)
 *           sum_s w(r, s) <= q(r)      for each resource    (dual: worth of a unit of the resource)
 *           w(r, s) >= 0
 *
 * A convex quadratic programme. All groups use what a slot is given; it is not divided among them. Only the amounts tie
 * the slots together: without them each slot is a problem of its own, and its value changes the loss but not w. The
 * allocation is unique where the value is above 0; w is where the columns of a are independent.
 *
 * With is_signed, w may have either sign, as in the article's code, and there are neither capacities nor amounts (a
 * negative part would make room for any other): least squares, slot by slot.
 *
 * Pure, deterministic, and work is bounded by the size. The order of the groups does not matter, to the last bit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_SLOTS_H
#define TRIMTAB_PLAN_SLOTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

#define SLOTS_GROUPS_MAX 10000
#define SLOTS_RESOURCES_MAX 64
#define SLOTS_SLOTS_MAX 512
#define SLOTS_NUMBER_MAX 1e12 /* Any datum that is not INFINITY; one that is not 0 is at least the least: */
#define SLOTS_NUMBER_MIN 1e-12

struct slots_problem {
    size_t group_count, resource_count, slot_count; /* From 1 on. */
    const double *inputs;                           /* a, group by group. */
    const double *demands;                          /* d, group by group. */
    const double *values, *capacities, *amounts;    /* v, c, q; no limit: INFINITY. */
    bool is_signed;
};

struct slots_result {
    const double *resource_slots; /* w, resource by resource. */
    const double *allocation;     /* x, group by group. */
    double loss;
    /* No other w has a loss below loss - gap, to the rounding of the sums that say so. From the duals: with g the
     * loss' gradient at w, every feasible u has loss(u) >= loss(w) + g (u - w) as the loss is convex, and
     * g u >= - sum c(s) slot_duals(s) - sum q(r) resource_duals(r) where no reduced cost g(r, s) + slot_duals(s) +
     * resource_duals(r) is below 0. One that is by rounding costs as much times the most that w(r, s) can be. Signed:
     * the part of the residual that lies in the range of a. */
    double gap;
    const double *slot_duals, *resource_duals; /* By how much a unit more lowers the loss, at the margin; >= 0. */
    unsigned iterations;                       /* Newton steps. */
};

void slots_solve(const struct slots_problem *problem, struct arena *arena, struct slots_result *ret);

#endif
