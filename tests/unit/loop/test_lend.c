/*
 * What a tenant's other policies may lend: who needs it, what is looked at, and how much.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "loop/lend.h"
#include "loop/loop_internal.h"

#define STEP_MS INT64_C(300000)
#define GROWN 576

static float demand[GROWN];

static struct snapshot_resource resource_make(const char *id, enum cloud_kind kind, size_t count) {
    for (size_t i = 0; demand[0] == 0 && i < GROWN; i++)
        demand[GROWN - 1 - i] = 5;
    return (struct snapshot_resource){.provider = "shop/aws",
                                      .resource = {.kind = kind, .region = "r", .id = id},
                                      .history = {.step_ms = STEP_MS, .count = count, .demand = demand}};
}

Test(lend, only_a_short_history_needs_it) {
    struct arena arena = {0};
    struct lend lend;
    struct snapshot_resource resources[2] = {resource_make("a", CLOUD_INSTANCE_GROUP, GROWN),
                                             resource_make("b", CLOUD_INSTANCE_GROUP, 0)};
    const struct snapshot snapshot = {.resources = resources, .resource_count = 2};
    cr_assert_not(lend_begin(&lend, &snapshot, &arena), "one is grown, the other has not begun");
    resources[0].history.count--;
    cr_assert(lend_begin(&lend, &snapshot, &arena));
    arena_release(&arena);
}

Test(lend, what_is_of_its_kind_and_not_its_own_is_taken_until_it_is_enough) {
    static const struct cloud_tag web[] = {{"app", "web"}, {"env", "prod"}}, api[] = {{"app", "api"}, {"env", "prod"}};
    struct arena arena = {0};
    struct lend lend;
    struct snapshot_resource resources[2] = {resource_make("old", CLOUD_INSTANCE_GROUP, GROWN),
                                             resource_make("young", CLOUD_INSTANCE_GROUP, 60)};
    resources[1].resource.tags = web;
    resources[1].resource.tag_count = 2;
    const struct snapshot snapshot = {.resources = resources, .resource_count = 2};
    cr_assert(lend_begin(&lend, &snapshot, &arena));
    struct cloud_resource other = {.kind = CLOUD_WORKLOAD, .region = "r", .id = "x"};
    cr_assert(lend_offer(&lend, "shop/aws", &other));
    cr_assert(lend_offer(&lend, "shop/aws", &resources[0].resource));
    cr_assert_eq(lend.count, 0u, "neither another kind nor the policy's own");
    other =
        (struct cloud_resource){.kind = CLOUD_INSTANCE_GROUP, .region = "r", .id = "x", .tags = api, .tag_count = 2};
    cr_assert(lend_offer(&lend, "shop/gcp", &other));
    cr_assert_eq(lend.offers[0].likeness, 1);
    other.tags = web;
    cr_assert(lend_offer(&lend, "shop/aws", &other));
    cr_assert_eq(lend.offers[1].likeness, 3);
    for (size_t i = 2; i + 1 < LEND_OFFERS_MAX; i++)
        cr_assert(lend_offer(&lend, "shop/aws", &other), "%zu", i);
    cr_assert_not(lend_offer(&lend, "shop/aws", &other));
    cr_assert_eq(lend.count, (size_t)LEND_OFFERS_MAX);
    arena_release(&arena);
}

/* Neither who lends nor who borrows may be so many that it takes long. */
Test(lend, no_more_is_looked_at_than_may_be, .timeout = 10) {
    enum { MANY = 20000 };
    static struct snapshot_resource resources[MANY];
    static char ids[MANY][8];
    struct arena arena = {0};
    struct lend lend;
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "%05zu", i);
        resources[i] = resource_make(ids[i], CLOUD_INSTANCE_GROUP, i + 1 < MANY ? GROWN : 60);
    }
    const struct snapshot snapshot = {.resources = resources, .resource_count = MANY};
    cr_assert(lend_begin(&lend, &snapshot, &arena));
    const struct cloud_resource other = {.kind = CLOUD_WORKLOAD, .region = "r", .id = "x"};
    for (size_t i = 0; i + 1 < LEND_LOOKS_MAX; i++)
        cr_assert(lend_offer(&lend, "shop/aws", i % 2 ? &other : &resources[0].resource), "%zu", i);
    cr_assert_not(lend_offer(&lend, "shop/aws", &other));
    cr_assert_eq(lend.count, 0u);
    arena_release(&arena);
}

Test(lend, a_claim_is_read_back_whatever_its_id) {
    static const char *const ids[] = {"i-1", "shop/Deployment/web", "", "a//b"};
    struct arena arena = {0};
    struct claims_id id;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        char *key = claims_key("platform/aws", "eu-west-1", CLOUD_WORKLOAD, ids[i]);
        cr_assert(claims_key_read(key, &arena, &id));
        cr_assert_str_eq(id.provider, "platform/aws");
        cr_assert_str_eq(id.region, "eu-west-1");
        cr_assert_eq(id.kind, CLOUD_WORKLOAD);
        cr_assert_str_eq(id.id, ids[i]);
        mem_free(key);
    }
    cr_assert_not(claims_key_read("platform/aws/eu/west/Workload/x", &arena, &id));
    cr_assert_not(claims_key_read("platform/aws/eu", &arena, &id));
    cr_assert_not(claims_key_read("platform", &arena, &id));
    arena_release(&arena);
}
