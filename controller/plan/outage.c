/*
 * Machines that the cloud lately had none of (snapshot.h). Nothing is changed to them while that is known; what is
 * there only for capacity.min grows elsewhere first. What demand asks of a group itself is asked for all the same, as
 * nothing else serves that, and told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/timefmt.h"
#include "plan/plan_internal.h"

static const struct snapshot_outage *outage_of(const struct plan_work *work, const struct plan_row *row) {
    const struct cloud_resource *r = &row->resource->resource;
    if (r->kind != CLOUD_INSTANCE_GROUP)
        return NULL;
    return snapshot_outage_of(work->input->snapshot, row->resource->provider, r->region, r->type, r->is_spot);
}

bool plan_is_out_of_stock(const struct plan_work *work, const struct plan_row *row) {
    return outage_of(work, row) != NULL;
}

const char *plan_outage_sentence(const struct plan_work *work, const struct plan_row *row) {
    const struct snapshot_outage *outage = outage_of(work, row);
    return outage && row->to > row->now ? plan_outage_words(work, outage) : NULL;
}

const char *plan_outage_words(const struct plan_work *work, const struct snapshot_outage *outage) {
    char until[TIME_TEXT_MAX];
    time_format(outage->until_ms, until);
    return arena_printf(work->arena, "%s%s in %s/%s was out of stock; that is taken to last until %s", outage->type,
                        outage->is_spot ? " (spot)" : "", outage->provider, outage->region, until);
}
