/*
 * The pieces that still wait for a machine, in some order of classes: which is the next class of which a piece fits
 * what a machine has left? A tree over that order knows the least need of each dimension below each node, so that whole
 * stretches of what is too large are passed over: with many thousands of sizes a machine is filled in about as many
 * steps as it takes pieces, times the depth.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_PACK_WAITING_H
#define TRIMTAB_PLAN_PACK_WAITING_H

#include "plan/pack_internal.h"

struct pack_waiting {
    size_t count, leaf_count;         /* Positions; leaf_count: a power of two, at least count. */
    int64_t (*least)[PACK_RESOURCES]; /* By node: 1 is the root, 2 i and 2 i + 1 are below i, leaf_count + p is position
                                         p. */
    uint64_t steps;                   /* Nodes looked at. */
};

#define PACK_NONE_WAITS SIZE_MAX

/* All that is in `order` waits. */
void pack_waiting_make(const struct pack_model *model, const uint32_t *order, size_t count, struct arena *arena,
                       struct pack_waiting *ret);
void pack_waiting_remove(struct pack_waiting *waiting, size_t position);
/* The first position from `from` on of which a piece fits; PACK_NONE_WAITS: there is none. */
size_t pack_waiting_next(struct pack_waiting *waiting, size_t from, const int64_t *left);

#endif
