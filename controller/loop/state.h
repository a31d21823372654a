/*
 * What the loop remembers of an object between its reconciles: each kind has a struct of its own that begins with its
 * identity, in a map by "namespace/name". Nothing here is a decision: those stand in the object's status.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_LOOP_STATE_H
#define TRIMTAB_LOOP_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/map.h"

struct state { /* The first member of each. */
    char *key, *namespace, *name;
};

/* NULL if there is none and none is to be made. A new one is `size` bytes, zeroed but for its identity;
 * *ret_is_new (may be NULL) says so. */
void *state_get(struct map *states, const char *namespace, const char *name, size_t size, bool make, bool *ret_is_new);
/* Takes it out of the map and frees identity and struct; the owner has released the rest. */
void state_remove(struct map *states, struct state *state);

#endif
