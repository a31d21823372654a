/*
 * The policies of each namespace in order of name, and what those beside a policy may lend to it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/str.h"
#include "loop/lend.h"
#include "loop/loop_internal.h"

struct tenant {
    struct policy_state **policies;
    size_t count;
};

/* Where a policy of that name stands, or would. */
static size_t place_of(const struct tenant *tenant, const char *name) {
    size_t low = 0, high = tenant->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(tenant->policies[middle]->id.name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void tenant_add(struct loop *loop, struct policy_state *state) {
    struct tenant *tenant = map_get(&loop->tenants, state->id.namespace);
    if (!tenant) {
        tenant = mem_alloc(sizeof(*tenant));
        (void)map_put(&loop->tenants, state->id.namespace, tenant);
    }
    if ((tenant->count & (tenant->count - 1)) == 0)
        tenant->policies = mem_grow(tenant->policies, tenant->count, tenant->count ? 2 * tenant->count : 1,
                                    sizeof(struct policy_state *));
    struct policy_state **at = tenant->policies + place_of(tenant, state->id.name);
    memmove(at + 1, at, (size_t)(tenant->policies + tenant->count - at) * sizeof(struct policy_state *));
    *at = state;
    tenant->count++;
}

void tenant_remove(struct loop *loop, const struct policy_state *state) {
    struct tenant *tenant = map_get(&loop->tenants, state->id.namespace);
    struct policy_state **at = tenant->policies + place_of(tenant, state->id.name);
    ASSERT(*at == state);
    memmove(at, at + 1, (size_t)(tenant->policies + --tenant->count - at) * sizeof(struct policy_state *));
    if (tenant->count > 0)
        return;
    (void)map_remove(&loop->tenants, state->id.namespace);
    mem_free(tenant->policies);
    mem_free(tenant);
}

/* What it claims: by that it is permitted to this namespace. False: that is enough. */
static bool offer_all(struct lend *lend, const struct loop *loop, const struct policy_state *state) {
    for (size_t i = 0; i < state->selected_count; i++) {
        const struct cloud_resource *resource;
        struct claims_id id;
        if (!claims_key_read(state->selected[i], lend->arena, &id) ||
            !observe_find(loop->observe, id.provider, id.region, id.kind, id.id, &resource))
            continue;
        if (!lend_offer(lend, id.provider, resource))
            return false;
    }
    return true;
}

void tenant_lend(struct loop *loop, const struct policy_state *state, const struct policy *policy,
                 struct snapshot *snapshot, struct arena *arena) {
    struct lend lend;
    if (!lend_begin(&lend, snapshot, arena))
        return;
    const struct tenant *tenant = map_get(&loop->tenants, state->id.namespace);
    size_t own = place_of(tenant, state->id.name), looked = 0;
    for (size_t i = 1; i < tenant->count && looked < LEND_OFFERS_MAX; i++) {
        const struct policy_state *other = tenant->policies[(own + i) % tenant->count];
        const struct object *object = store_get(loop->store, OBJECT_POLICY, other->id.namespace, other->id.name);
        looked++;
        if (!object || object->fault[0] || object->as.policy->forecast.metric != policy->forecast.metric)
            continue;
        if (!offer_all(&lend, loop, other))
            break;
    }
    lend_end(&lend, loop->observe, policy, snapshot);
}
