/*
 * Which policies select which resource. Two policies on one resource: neither acts, both say so. Claims are renewed
 * whenever a policy or a listing changes, so they are complete before any plan is admitted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/str.h"
#include "loop/loop_internal.h"

struct claim {
    struct policy_state **holders;
    size_t count;
};

char *claims_key(const char *provider, const char *region, enum cloud_kind kind, const char *id) {
    return mem_printf("%s/%s/%s/%s", provider, region, cloud_kind_name(kind), id);
}

bool claims_key_read(const char *key, struct arena *arena, struct claims_id *ret) {
    char *parts[4] = {arena_strdup(arena, key)}; /* Provider, region, kind, and an id that may hold slashes. */
    for (size_t i = 1; i < ARRAY_LEN(parts); i++) {
        char *end = strchr(parts[i - 1], '/');
        if (i == 1 && end) /* A provider is "namespace/name". */
            end = strchr(end + 1, '/');
        if (!end)
            return false;
        *end = '\0';
        parts[i] = end + 1;
    }
    const char *kind = parts[2];
    *ret = (struct claims_id){.provider = parts[0], .region = parts[1], .id = parts[3]};
    while (ret->kind < CLOUD_KIND_COUNT && !str_eq(cloud_kind_name(ret->kind), kind))
        ret->kind++;
    return ret->kind < CLOUD_KIND_COUNT;
}

/* The others see the change of one claim: a conflict came or went. */
static void wake_holders(struct loop *loop, const struct claim *claim, const struct policy_state *but) {
    for (size_t i = 0; i < claim->count; i++)
        if (claim->holders[i] != but)
            loop_wake(loop, OBJECT_POLICY, claim->holders[i]->id.namespace, claim->holders[i]->id.name);
}

static void claim_add(struct loop *loop, struct policy_state *state, const char *key) {
    struct claim *claim = map_get(&loop->claims, key);
    if (!claim) {
        claim = mem_alloc(sizeof(*claim));
        (void)map_put(&loop->claims, key, claim);
    }
    claim->holders = mem_grow(claim->holders, claim->count, claim->count + 1, sizeof(struct policy_state *));
    claim->holders[claim->count++] = state;
    if (claim->count > 1)
        wake_holders(loop, claim, state);
}

static void claim_remove(struct loop *loop, struct policy_state *state, const char *key) {
    struct claim *claim = map_get(&loop->claims, key);
    for (size_t i = 0; claim && i < claim->count; i++) {
        if (claim->holders[i] != state)
            continue;
        claim->holders[i] = claim->holders[--claim->count];
        break;
    }
    if (claim && claim->count > 0) {
        wake_holders(loop, claim, state);
        return;
    }
    if (claim) {
        (void)map_remove(&loop->claims, key);
        mem_free(claim->holders);
        mem_free(claim);
    }
}

static bool same_keys(const struct policy_state *state, char **keys, size_t count) {
    if (state->selected_count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!str_eq(state->selected[i], keys[i]))
            return false;
    return true;
}

void claims_set(struct loop *loop, struct policy_state *state, char **keys, size_t count) {
    char **before = state->selected;
    size_t before_count = state->selected_count;
    if (same_keys(state, keys, count)) {
        for (size_t i = 0; i < count; i++)
            mem_free(keys[i]);
        mem_free(keys);
        return;
    }
    state->selected = keys;
    state->selected_count = count;
    for (size_t i = 0; i < count; i++)
        claim_add(loop, state, keys[i]);
    for (size_t i = 0; i < before_count; i++) {
        claim_remove(loop, state, before[i]);
        mem_free(before[i]);
    }
    mem_free(before);
}

const char *claims_other(const struct loop *loop, const char *resource_key, const char *policy_key) {
    const struct claim *claim = map_get(&loop->claims, resource_key);
    const char *other = NULL;
    for (size_t i = 0; claim && i < claim->count; i++)
        if (!str_eq(claim->holders[i]->id.key, policy_key) && (!other || str_cmp(claim->holders[i]->id.key, other) < 0))
            other = claim->holders[i]->id.key;
    return other;
}

void claims_release(struct loop *loop) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&loop->claims, &i));) {
        struct claim *claim = entry->value;
        mem_free(claim->holders);
        mem_free(claim);
    }
    map_release(&loop->claims);
}
