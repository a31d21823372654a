/*
 * Observation on the virtual clock over a scripted cloud: a test writes what each region answers, and reads when it was
 * asked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_UNIT_OBSERVE_RIG_H
#define TRIMTAB_TESTS_UNIT_OBSERVE_RIG_H

#include "base/runtime_virtual.h"
#include "observe/observe.h"

#define RIG_WALL_MS INT64_C(1790553600000)
#define RIG_PERIOD_MS 60000
#define RIG_CALLS_MAX 4000
#define MS NS_PER_MS
#define SECOND NS_PER_S
#define MINUTE (60 * NS_PER_S)

struct rig_region { /* What the cloud says. */
    struct cloud_resource *resources;
    size_t count;
    bool truncated;
    struct error list_error, prices_error, limits_error, usage_error; /* class NONE: it answers. */
    struct error kind_errors[CLOUD_KIND_COUNT];                       /* Of the listings of one kind. */
    double utilization;                                               /* Of every id, at every step. */
    const struct cloud_kill *kills;                                   /* Of every id, with its usage. */
    size_t kill_count;
    const struct cloud_limit *limits;
    size_t limit_count;
    bool only_now; /* Usage is one sample: of now, whatever is asked for. */
};

struct rig {
    struct runtime_virtual runtime;
    struct metrics *metrics;
    struct history *history;
    struct observe *observe;
    struct rig_region regions[2]; /* r1, r2 */
    uint64_t latency_ns;
    uint32_t slow_kinds; /* Their listings take six times as long. */
    int64_t offer_as_of_ms;
    uint32_t kinds;                     /* That the adapter lists; rig_start: instances and groups. */
    uint64_t list_at_ns[RIG_CALLS_MAX]; /* When r1 was asked for groups. */
    size_t kind_lists[CLOUD_KIND_COUNT], in_flight, in_flight_max, in_flight_region_max[2], in_flight_region[2];
    size_t list_query_max; /* count_max of the last listing. */
    bool list_wants_loads; /* Of the last listing. */
    size_t list_count, prices_count, limits_count, usage_count, usage_ids, open_count, close_count;
    size_t kills_told, raises_told;
    size_t provider_events, changed_events, usage_events;
};

void rig_start(struct rig *rig);
void rig_start_with(struct rig *rig, uint32_t kinds, size_t count_max, size_t total_max); /* Limits of observe. */
/* Regions beside r1 and r2 answer as r1 does. */
void rig_open_regions(struct rig *rig, const char *name, const char *const *regions, size_t region_count);
void rig_stop(struct rig *rig); /* Closes and frees; asserts that every provider was told. */
void rig_run(struct rig *rig, uint64_t duration_ns);
/* Opens platform/NAME with regions r1 and, if `two`, r2. */
void rig_open(struct rig *rig, const char *name, bool two);
struct cloud_resource rig_group(const char *region, const char *id, const char *type, const struct cloud_tag *tags,
                                size_t tag_count);

#endif
