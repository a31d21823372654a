/*
 * What the nodes that stay cost at least: the relaxation without whole pods, without who takes what, and with parts of
 * nodes. With D(d) what all pods need:
 *
 *     min   sum_j price(j) y(j)
 *     s.t.  sum_j has(j, d) y(j) >= D(d)      for each dimension d      (dual u(d))
 *           low(j) <= y(j) <= 1                                         low: 1 where j must stay
 *
 * The value is not believed of the library: for any u >= 0 what follows from Lagrange's relaxation is a bound,
 *
 *     sum_d D(d) u(d) + sum_j min over y(j) of (price(j) - sum_d has(j, d) u(d)) y(j)
 *
 * and as each choice costs a multiple of the prices' greatest common divisor, so rounded up.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "plan/drain_internal.h"
#include "plan/exact.h"

#define ITERATIONS_MAX 100000

static double low_of(const struct drain_node *node) {
    return node->role == DRAIN_STAYS ? 1 : 0;
}

static void needs_of(const struct drain_problem *p, double *ret) {
    for (size_t d = 0; d < DRAIN_DIMENSIONS; d++) {
        ret[d] = 0;
        for (size_t j = 0; j < p->node_count; j++)
            for (size_t k = 0; k < p->nodes[j].load_count; k++)
                ret[d] += (double)p->kinds[p->nodes[j].loads[k].kind].need[d] * (double)p->nodes[j].loads[k].count;
        for (size_t k = 0; k < p->more_count; k++)
            ret[d] += (double)p->kinds[p->more[k].kind].need[d] * (double)p->more[k].count;
    }
}

static double lagrange(const struct drain_problem *p, const double *needs, const double *duals) {
    double sum = 0;
    for (size_t d = 0; d < DRAIN_DIMENSIONS; d++)
        sum += needs[d] * duals[d];
    for (size_t j = 0; j < p->node_count; j++) {
        const struct drain_node *node = &p->nodes[j];
        double reduced = (double)node->price;
        for (size_t d = 0; d < DRAIN_DIMENSIONS; d++)
            reduced -= (double)node->has[d] * duals[d];
        if (node->role != DRAIN_LEAVES)
            sum += reduced < 0 ? reduced : reduced * low_of(node);
    }
    return sum;
}

static money_micros divisor(money_micros a, money_micros b) {
    while (b > 0) {
        money_micros rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static money_micros rounded_up(const struct drain_problem *p, double bound) {
    money_micros unit = 0, floor_of = (money_micros)floor(bound * (1 - 1e-9)) - 1;
    for (size_t j = 0; j < p->node_count; j++)
        unit = divisor(unit, p->nodes[j].role == DRAIN_LEAVES ? 0 : p->nodes[j].price);
    if (floor_of <= 0 || unit == 0)
        return floor_of > 0 ? floor_of : 0;
    return (floor_of + unit - 1) / unit * unit;
}

static void rows_add(const struct drain_problem *p, struct exact_box *box, const double *needs, struct arena *arena) {
    int *columns = arena_alloc_array(arena, p->node_count + 1, sizeof(*columns));
    double *values = arena_alloc_array(arena, p->node_count + 1, sizeof(*values));
    for (size_t d = 0; d < DRAIN_DIMENSIONS; d++) {
        size_t count = 0;
        for (size_t j = 0; j < p->node_count; j++) {
            if (p->nodes[j].has[d] <= 0)
                continue;
            columns[count] = (int)j;
            values[count++] = (double)p->nodes[j].has[d];
        }
        exact_box_add(box, needs[d], columns, values, count);
    }
}

money_micros drain_bound(const struct drain_work *work) {
    const struct drain_problem *p = work->problem;
    double needs[DRAIN_DIMENSIONS], duals[DRAIN_DIMENSIONS] = {0};
    double *costs = arena_alloc_array(work->arena, p->node_count + 1, sizeof(*costs));
    double *lower = arena_alloc_array(work->arena, p->node_count + 1, sizeof(*lower));
    double *upper = arena_alloc_array(work->arena, p->node_count + 1, sizeof(*upper));
    struct exact_solution solution;
    needs_of(p, needs);
    for (size_t j = 0; j < p->node_count; j++) {
        costs[j] = (double)p->nodes[j].price;
        lower[j] = low_of(&p->nodes[j]);
        upper[j] = p->nodes[j].role == DRAIN_LEAVES ? 0 : 1;
    }
    struct exact_box *box = exact_box_new(costs, p->node_count);
    rows_add(p, box, needs, work->arena);
    if (exact_box_solve(box, lower, upper, ITERATIONS_MAX, &solution))
        for (size_t d = 0; d < DRAIN_DIMENSIONS; d++)
            duals[d] = fmax(0, solution.duals[d]);
    exact_box_free(box);
    return rounded_up(p, lagrange(p, needs, duals));
}
