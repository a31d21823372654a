/*
 * The noun of observation: what one policy can see at one moment. Immutable; lives in the cycle's arena.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_OBSERVE_SNAPSHOT_H
#define TRIMTAB_OBSERVE_SNAPSHOT_H

#include "adapters/cloud.h"
#include "history/series.h"

enum source_state {
    SOURCE_FRESH,
    SOURCE_STALE,     /* Older than allowed: nothing may shrink on it. */
    SOURCE_TRUNCATED, /* Cut at the cap. */
    SOURCE_MISSING,   /* Never read, or the last read failed and nothing is known. */
};
const char *source_state_name(enum source_state state);

struct snapshot_source {  /* One listing: a provider, a region, a kind. */
    const char *provider; /* "namespace/name" */
    const char *region;
    enum cloud_kind kind;
    enum source_state state;
    int64_t as_of_ms;    /* 0: never. */
    const char *message; /* The last error; "" if none. */
};

struct snapshot_change {                  /* The last change of a resource's machines or place that we made. */
    int64_t at_ms;                        /* When it was done; 0: never, as far as is recorded. */
    const char *provider, *region, *type; /* What it was before; the type of its machines. */
};

struct snapshot_resource {
    const char *provider; /* "namespace/name" */
    size_t source;        /* Index into sources. */
    struct cloud_resource resource;
    bool has_offer;
    struct cloud_offer offer;      /* Of its type in its region. */
    struct history_series history; /* count 0: none yet. */
    int64_t capacity_per_machine;  /* milli-vCPU or MiB of the policy's metric; 0 unknown. */
    const char *claimed_by;        /* Another policy ("namespace/name") that selects it too; NULL: ours alone. */
    struct snapshot_change last_change;
};

/* Of another policy of the same namespace: whose demand's shape a resource may borrow that has no history of its own.
 * Of the resource only region, kind, id and tags are told. */
struct snapshot_donor {
    const char *provider; /* "namespace/name" */
    struct cloud_resource resource;
    struct history_series history;
};
#define SNAPSHOT_DONORS_OF_KIND 16
#define SNAPSHOT_DONORS_MAX (SNAPSHOT_DONORS_OF_KIND * CLOUD_KIND_COUNT)

struct snapshot_offer {   /* What is for sale in a place. */
    const char *provider; /* "namespace/name"; the region is the offer's. */
    struct cloud_offer offer;
};
int snapshot_offer_cmp(const void *a, const void *b); /* By provider, region, type. */
#define SNAPSHOT_OFFERS_MAX 8192 /* Of one policy; what does not fit is as if it were not for sale. */

struct snapshot_limit {   /* A quota that what the policy makes may count against. */
    const char *provider; /* "namespace/name" */
    /* used: as the cloud tells it, else as counted in the region's listings of machines; -1 unknown. */
    struct cloud_limit limit;
};
int snapshot_limit_cmp(const void *a, const void *b); /* By provider, region, id. */
#define SNAPSHOT_LIMITS_MAX 1024                      /* Of one policy; what does not fit is as if it were not known. */

struct snapshot_commitment { /* Capacity that is owed either way, in a place that the policy sees. */
    const char *provider;    /* "namespace/name" */
    struct cloud_commitment commitment;
    int64_t used_milli; /* Of it, by machines in the region's listings that the policy does not select. */
};
int snapshot_commitment_cmp(const void *a, const void *b); /* By provider, region, id. */
#define SNAPSHOT_COMMITMENTS_MAX 256 /* Of one policy; what does not fit is as if it were not known. */

struct snapshot_outage {  /* What the cloud lately said to have none of. */
    const char *provider; /* "namespace/name" */
    const char *region, *type;
    bool is_spot;
    int64_t until_ms; /* Until then it is taken to have none. */
};
#define SNAPSHOT_OUTAGES_MAX 256

struct snapshot {
    int64_t as_of_ms;                      /* Wall time of assembling. */
    const struct snapshot_source *sources; /* Sorted by provider, region, kind. */
    size_t source_count;
    const struct snapshot_resource *resources; /* Sorted by provider, region, kind, id. */
    size_t resource_count;
    /* Where one of the resources has too short a history; the most alike first. */
    const struct snapshot_donor *donors;
    size_t donor_count;
    /* In the regions of the resources and of placement.targets, where the policy may change machines or place. Sorted
     * by provider, region, type. */
    const struct snapshot_offer *offers;
    size_t offer_count;
    /* In the same places, and in those of what it selects. Sorted by provider, region, id. */
    const struct snapshot_limit *limits;
    size_t limit_count;
    const struct snapshot_commitment *commitments; /* Sorted by provider, region, id. */
    size_t commitment_count;
    /* What is known to be out of stock; the caller fills it. Sorted by provider, region, type, on demand first. */
    const struct snapshot_outage *outages;
    size_t outage_count;
};
int snapshot_outage_cmp(const void *a, const void *b);
/* NULL: it is not known to be out of stock then. */
const struct snapshot_outage *snapshot_outage_of(const struct snapshot *snapshot, const char *provider,
                                                 const char *region, const char *type, bool is_spot);

#endif
