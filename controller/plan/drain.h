/*
 * Which nodes of a cluster could go, so that those that stay carry all pods at the least cost.
 *
 *     min   sum_j price(j) y(j)                                             y(j): node j stays
 *     s.t.  sum_i need(i, d) x(i, j) <= has(j, d) y(j)                      for each node j and dimension d
 *           sum_j x(i, j) = count(i),   x(i, j) = 0 where j may not take i  for each kind i
 *           y(j) = 1 where j must stay;   x(i, j) whole, y(j) 0 or 1
 *
 * Variable-sized vector bin packing where each machine is there once. Pods of a node that stays are not moved, so that
 * each node goes on its own: whichever of them go, and in whatever order, their pods have a place.
 *
 * Pure and deterministic; it ends by work done, and has an answer whenever it ends.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_DRAIN_H
#define TRIMTAB_PLAN_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/money.h"

enum drain_dimension { DRAIN_CPU, DRAIN_MEMORY, DRAIN_PODS, DRAIN_DIMENSIONS };

#define DRAIN_NEED_MAX INT64_C(100000000)
#define DRAIN_LOAD_MAX 10000 /* Pods of a kind on a node. */

struct drain_kind {                 /* Pods that are alike. */
    int64_t need[DRAIN_DIMENSIONS]; /* 0..DRAIN_NEED_MAX */
    size_t group;                   /* The workload. */
    bool is_apart; /* Moves only to nodes that have none of its group. The same of all kinds of a group. */
};

struct drain_load {
    size_t kind;
    int64_t count;
};

enum drain_role {
    DRAIN_MAY_GO,
    DRAIN_STAYS,
    DRAIN_LEAVES, /* It goes anyway: its pods must have a place, and it takes none. */
};

struct drain_node {
    enum drain_role role;
    int64_t has[DRAIN_DIMENSIONS]; /* Beside what is not moved. */
    money_micros price;            /* >= 0 */
    const struct drain_load *loads;
    size_t load_count;
};

struct drain_problem {
    const struct drain_kind *kinds;
    size_t kind_count;
    const struct drain_node *nodes;
    size_t node_count;
    const uint8_t *may;            /* [kind * node_count + node]: whether the node takes such pods. */
    const struct drain_load *more; /* Pods that are on no node yet. */
    size_t more_count;
    uint64_t work_max; /* Elementary steps; 0: only whether everything has a place. */
};

struct drain_move {
    size_t from; /* node_count: of `more`, or of a node that stays and has too little for it. */
    size_t to, kind;
    int64_t count;
};

struct drain_result {
    /* What has no place, of `more`, of nodes that leave, and of those whose loads are more than they have. Then no node
     * goes. */
    const struct drain_load *unplaced;
    size_t unplaced_count;
    const bool *goes; /* Of each node, but those that leave. */
    size_t goes_count;
    const struct drain_move *moves; /* By from, to, kind. */
    size_t move_count;
    money_micros cost;  /* Of the nodes that stay. */
    bool is_cut;        /* It ended before each node was tried. */
    money_micros bound; /* No choice of nodes that carries all of it costs less. */
};

void drain_solve(const struct drain_problem *problem, struct arena *arena, struct drain_result *ret);

#endif
