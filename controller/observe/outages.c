/*
 * What a snapshot knows to be out of stock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/str.h"
#include "observe/snapshot.h"

int snapshot_outage_cmp(const void *a, const void *b) {
    const struct snapshot_outage *x = a, *y = b;
    int order = str_cmp(x->provider, y->provider);
    if (order == 0)
        order = str_cmp(x->region, y->region);
    if (order == 0)
        order = str_cmp(x->type, y->type);
    return order ? order : (int)x->is_spot - (int)y->is_spot;
}

const struct snapshot_outage *snapshot_outage_of(const struct snapshot *snapshot, const char *provider,
                                                 const char *region, const char *type, bool is_spot) {
    for (size_t i = 0; i < snapshot->outage_count; i++) {
        const struct snapshot_outage *outage = &snapshot->outages[i];
        if (outage->is_spot == is_spot && outage->until_ms > snapshot->as_of_ms && str_eq(outage->type, type) &&
            str_eq(outage->region, region) && str_eq(outage->provider, provider))
            return outage;
    }
    return NULL;
}
