/*
 * See outages.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/outages.h"

#include <stdlib.h>

#include "base/str.h"
#include "manifest/spec.h"

static const struct cloud_resource *target_of(const struct snapshot *snapshot, const struct recommendation *r) {
    for (size_t i = 0; i < snapshot->resource_count; i++) {
        const struct snapshot_resource *one = &snapshot->resources[i];
        if (one->resource.kind == r->target.kind && str_eq(one->resource.id, r->target.id) &&
            str_eq(one->resource.region, r->target.region) && str_eq(one->provider, r->target.provider))
            return &one->resource;
    }
    return NULL;
}

/* Which machines it asked for: other ones, those of another place, or more of what the target has. NULL type: that is
 * not known any more. */
static struct snapshot_outage asked_for(const struct snapshot *snapshot, const struct recommendation *r) {
    const struct cloud_resource *target = target_of(snapshot, r);
    bool is_moved = r->action == ACTION_MIGRATE;
    return (struct snapshot_outage){
        .provider = is_moved && r->to.provider ? r->to.provider : r->target.provider,
        .region = is_moved && r->to.region ? r->to.region : r->target.region,
        .type = r->to.type ? r->to.type
                : target   ? target->type
                           : NULL,
        .is_spot = is_moved ? str_eq(r->to.purchase, policy_purchase_name(true)) : target && target->is_spot,
        .until_ms = r->finished_at_ms + OUTAGE_MS,
    };
}

void outages_add(struct snapshot *snapshot, const struct recommendation *r, struct arena *arena) {
    bool is_machines = r->target.kind == CLOUD_INSTANCE_GROUP || r->target.kind == CLOUD_INSTANCE;
    if (!r->is_out_of_stock || !is_machines)
        return;
    struct snapshot_outage outage = asked_for(snapshot, r);
    if (!outage.type || !*outage.type || outage.until_ms <= snapshot->as_of_ms)
        return;
    outage.provider = arena_strdup(arena, outage.provider);
    outage.region = arena_strdup(arena, outage.region);
    outage.type = arena_strdup(arena, outage.type);
    struct snapshot_outage *outages = arena_alloc_array(arena, snapshot->outage_count + 1, sizeof(*outages));
    for (size_t i = 0; i < snapshot->outage_count; i++)
        outages[i] = snapshot->outages[i];
    outages[snapshot->outage_count++] = outage;
    snapshot->outages = outages;
}

/* Of the same the last to end. */
void outages_end(struct snapshot *snapshot, struct arena *arena) {
    size_t count = 0;
    if (snapshot->outage_count == 0)
        return;
    struct snapshot_outage *outages = arena_memdup(arena, snapshot->outages, snapshot->outage_count * sizeof(*outages));
    qsort(outages, snapshot->outage_count, sizeof(*outages), snapshot_outage_cmp);
    for (size_t i = 0; i < snapshot->outage_count; i++) {
        if (count == 0 || snapshot_outage_cmp(&outages[count - 1], &outages[i]) != 0)
            outages[count++] = outages[i];
        else if (outages[i].until_ms > outages[count - 1].until_ms)
            outages[count - 1] = outages[i];
    }
    snapshot->outages = outages;
    snapshot->outage_count = count < SNAPSHOT_OUTAGES_MAX ? count : SNAPSHOT_OUTAGES_MAX;
}
