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
    struct error list_error, prices_error, usage_error; /* class NONE: it answers. */
    double utilization;                                 /* Of every id, at every step. */
};

struct rig {
    struct runtime_virtual runtime;
    struct metrics *metrics;
    struct history *history;
    struct observe *observe;
    struct rig_region regions[2]; /* r1, r2 */
    uint64_t latency_ns;
    uint64_t list_at_ns[RIG_CALLS_MAX]; /* When r1 was asked. */
    size_t list_count, prices_count, usage_count, usage_ids, open_count, close_count;
    size_t provider_events, changed_events, usage_events;
};

void rig_start(struct rig *rig);
void rig_stop(struct rig *rig); /* Closes and frees; asserts that every provider was told. */
void rig_run(struct rig *rig, uint64_t duration_ns);
/* Opens platform/NAME with regions r1 and, if `two`, r2. */
void rig_open(struct rig *rig, const char *name, bool two, uint64_t hash);
struct cloud_resource rig_group(const char *region, const char *id, const char *type, const struct cloud_tag *tags,
                                size_t tag_count);

#endif
