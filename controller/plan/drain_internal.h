/*
 * What the files of drain share: where each pod is, in the state of a search.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_DRAIN_INTERNAL_H
#define TRIMTAB_PLAN_DRAIN_INTERNAL_H

#include "plan/drain.h"

#define DRAIN_NONE SIZE_MAX

struct drain_item { /* Pods of one kind from one node, on a node. */
    size_t kind, from;
    int64_t count;
    size_t next; /* On the same node. */
};

struct drain_state {
    struct drain_item *items; /* Those that nobody holds any more are not used again. */
    size_t item_count, item_room;
    size_t *first; /* Of each node. */
    int64_t (*room)[DRAIN_DIMENSIONS];
    bool *gone;
    money_micros cost;
};

struct drain_entry {
    double key;
    size_t node;
};
int drain_entry_cmp(const void *a, const void *b); /* The greatest key first, then the lowest node. */

struct drain_work {
    const struct drain_problem *problem;
    struct arena *arena;
    struct drain_state state;
    double scale[DRAIN_DIMENSIONS]; /* 1 / what there is of it. */
    double *size;                   /* Of a pod of each kind. */
    size_t *order;                  /* Nodes that may go: the first to try first. */
    size_t order_count;
    size_t *rank;               /* Of each node: the higher the likelier it stays. */
    struct drain_entry *ranked; /* Scratch, of node_count. */
    struct drain_move *log;
    size_t log_count, log_room;
    uint64_t work;
};

/* drain_place.c */
void drain_state_open(struct drain_work *work);
/* Puts all items of a node elsewhere and marks it gone; false: nothing has changed. */
bool drain_node_empty(struct drain_work *work, size_t node);
/* Puts what finds a place; the rest is in *ret_left. */
void drain_put(struct drain_work *work, size_t from, struct drain_load load, int64_t *ret_left);
/* Brings back what was on it at first, and the node. */
void drain_node_restore(struct drain_work *work, size_t node);
void drain_state_copy(const struct drain_work *work, struct drain_state *to, const struct drain_state *from);
struct drain_state drain_state_new(const struct drain_work *work);

/* drain_bound.c */
money_micros drain_bound(const struct drain_work *work);

#endif
