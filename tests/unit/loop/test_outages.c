/*
 * What a cloud said to have none of, out of Recommendations.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "loop/outages.h"
#include "manifest/spec.h"

#define NOW_MS INT64_C(1700000000000)

static const struct snapshot_resource resources[] = {
    {.provider = "platform/aws",
     .resource = {.kind = CLOUD_INSTANCE_GROUP, .region = "us-east-1", .id = "web", .type = "m5.large"}},
    {.provider = "platform/aws",
     .resource =
         {.kind = CLOUD_INSTANCE_GROUP, .region = "us-east-1", .id = "spot", .type = "m5.large", .is_spot = true}},
};

static struct recommendation failed(int action, const char *id, int64_t ago_ms) {
    return (struct recommendation){.action = action,
                                   .target = {"platform/aws", "us-east-1", CLOUD_INSTANCE_GROUP, id},
                                   .phase = PHASE_FAILED,
                                   .is_out_of_stock = true,
                                   .finished_at_ms = NOW_MS - ago_ms};
}

static struct snapshot of(const struct recommendation *all, size_t count, struct arena *arena) {
    struct snapshot snapshot = {.as_of_ms = NOW_MS, .resources = resources, .resource_count = 2};
    for (size_t i = 0; i < count; i++)
        outages_add(&snapshot, &all[i], arena);
    outages_end(&snapshot, arena);
    return snapshot;
}

Test(loop_outages, are_of_what_was_asked_for) {
    struct recommendation all[6] = {failed(ACTION_SCALE, "web", 1000),     failed(ACTION_SCALE, "spot", 2000),
                                    failed(ACTION_RIGHTSIZE, "web", 3000), failed(ACTION_MIGRATE, "web", 4000),
                                    failed(ACTION_SCALE, "gone", 1000),    failed(ACTION_SCALE, "web", 500)};
    struct arena arena = {0};
    all[2].to.type = "c5.large";
    all[3].to = (struct target_state){
        .type = "n2-standard-4", .provider = "platform/gcp", .region = "us-central1", .purchase = "Spot"};
    struct snapshot s = of(all, 6, &arena);
    cr_assert_eq(s.outage_count, 4, "%zu", s.outage_count);
    cr_expect_str_eq(s.outages[0].type, "c5.large");
    cr_expect_str_eq(s.outages[1].type, "m5.large");
    cr_expect_not(s.outages[1].is_spot);
    cr_expect_eq(s.outages[1].until_ms, NOW_MS - 500 + OUTAGE_MS, "the last of the same counts");
    cr_expect(s.outages[2].is_spot);
    cr_expect_str_eq(s.outages[3].provider, "platform/gcp");
    cr_expect_str_eq(s.outages[3].region, "us-central1");
    cr_expect(s.outages[3].is_spot);
    cr_expect_not_null(snapshot_outage_of(&s, "platform/aws", "us-east-1", "c5.large", false));
    cr_expect_null(snapshot_outage_of(&s, "platform/aws", "us-east-1", "c5.large", true));
    cr_expect_null(snapshot_outage_of(&s, "platform/aws", "us-east-2", "c5.large", false));
    cr_expect_null(snapshot_outage_of(&s, "platform/gcp", "us-east-1", "c5.large", false));
    arena_release(&arena);
}

Test(loop_outages, pass_and_are_of_nothing_else) {
    struct recommendation all[4] = {failed(ACTION_SCALE, "web", OUTAGE_MS), failed(ACTION_SCALE, "web", 1000),
                                    failed(ACTION_SCALE, "web", 1000), failed(ACTION_SCALE, "web", OUTAGE_MS - 1)};
    struct arena arena = {0};
    all[1].is_out_of_stock = false;
    all[2].target.kind = CLOUD_WORKLOAD;
    cr_expect_eq(of(all, 3, &arena).outage_count, 0);
    struct snapshot last = of(all, 4, &arena);
    cr_assert_eq(last.outage_count, 1);
    cr_expect_not_null(snapshot_outage_of(&last, "platform/aws", "us-east-1", "m5.large", false));
    last.as_of_ms++;
    cr_expect_null(snapshot_outage_of(&last, "platform/aws", "us-east-1", "m5.large", false));
    arena_release(&arena);
}
