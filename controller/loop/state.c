/*
 * States by identity; see state.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/state.h"

#include "base/error.h"
#include "base/mem.h"

void *state_get(struct map *states, const char *namespace, const char *name, size_t size, bool make, bool *ret_is_new) {
    char *key = mem_printf("%s/%s", namespace, name);
    struct state *state = map_get(states, key);
    if (ret_is_new)
        *ret_is_new = !state && make;
    if (state || !make) {
        mem_free(key);
        return state;
    }
    ASSERT(size >= sizeof(struct state));
    state = mem_alloc(size);
    *state = (struct state){key, mem_strdup(namespace), mem_strdup(name)};
    (void)map_put(states, key, state);
    return state;
}

void state_remove(struct map *states, struct state *state) {
    (void)map_remove(states, state->key);
    mem_free(state->key);
    mem_free(state->namespace);
    mem_free(state->name);
    mem_free(state);
}
