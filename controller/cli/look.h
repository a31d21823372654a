/*
 * One look at the clouds of a set of manifests, without a controller: the snapshots that a controller's first cycle
 * would plan from. Reads only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_LOOK_H
#define TRIMTAB_CLI_LOOK_H

#include "base/arena.h"
#include "loop/lend.h"
#include "manifest/load.h"
#include "observe/snapshot.h"

struct look_policy {
    const struct object *policy;
    const char *key; /* "namespace/name" */
    bool is_wanted;  /* Else it counts only as one that may select the same resources. */
    /* Filled for the wanted ones. */
    struct snapshot *snapshot; /* NULL: fault says why there is none. */
    const char *fault;
    struct lend lend; /* Of look itself. */
    bool is_borrowing;
};

/* Opens the Providers that the wanted policies select by, lists them, reads prices and the history of utilisation on a
 * grid of usage_step_ms. policies: all of the set, sorted by key. Results live in the arena. */
void look(const struct manifest_set *set, int64_t usage_step_ms, struct look_policy *policies, size_t count,
          struct arena *arena);

#endif
