/*
 * See pack_waiting.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/pack_waiting.h"

#include <string.h>

#define TOO_LARGE INT64_MAX

static void least_of_both(struct pack_waiting *waiting, size_t node) {
    const int64_t *a = waiting->least[2 * node], *b = waiting->least[2 * node + 1];
    for (size_t d = 0; d < PACK_RESOURCES; d++)
        waiting->least[node][d] = a[d] < b[d] ? a[d] : b[d];
}

void pack_waiting_make(const struct pack_model *model, const uint32_t *order, size_t count, struct arena *arena,
                       struct pack_waiting *ret) {
    *ret = (struct pack_waiting){.count = count, .leaf_count = 1, .steps = 2 * count};
    while (ret->leaf_count < count)
        ret->leaf_count *= 2;
    ret->least = arena_alloc_array(arena, 2 * ret->leaf_count, sizeof(*ret->least));
    for (size_t p = 0; p < ret->leaf_count; p++)
        for (size_t d = 0; d < PACK_RESOURCES; d++)
            ret->least[ret->leaf_count + p][d] = p < count ? model->classes[order[p]].need[d] : TOO_LARGE;
    for (size_t node = ret->leaf_count - 1; node > 0; node--)
        least_of_both(ret, node);
}

void pack_waiting_remove(struct pack_waiting *waiting, size_t position) {
    size_t node = waiting->leaf_count + position;
    for (size_t d = 0; d < PACK_RESOURCES; d++)
        waiting->least[node][d] = TOO_LARGE;
    for (node /= 2; node > 0; node /= 2) {
        least_of_both(waiting, node);
        waiting->steps++;
    }
}

static bool may_fit(struct pack_waiting *waiting, size_t node, const int64_t *left) {
    waiting->steps++;
    for (size_t d = 0; d < PACK_RESOURCES; d++)
        if (waiting->least[node][d] > left[d])
            return false;
    return true;
}

size_t pack_waiting_next(struct pack_waiting *waiting, size_t from, const int64_t *left) {
    if (from >= waiting->count)
        return PACK_NONE_WAITS;
    for (size_t node = waiting->leaf_count + from;;) {
        if (may_fit(waiting, node, left)) {
            if (node >= waiting->leaf_count)
                return node - waiting->leaf_count;
            node *= 2;
            continue;
        }
        /* On to what is right of it, from as high as possible. */
        while (node % 2 == 1)
            node /= 2;
        if (node == 0)
            return PACK_NONE_WAITS;
        node++;
    }
}
