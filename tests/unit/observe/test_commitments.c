/*
 * Commitments of a Provider's spec: which a snapshot has, and how much of them others use.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "rig.h"

static void open_with(struct rig *rig, const struct cloud_commitment *commitments, size_t count) {
    static const char *const regions[] = {"r1", "r2"};
    struct provider spec = {.type = PROVIDER_SIMULATED,
                            .regions = regions,
                            .region_count = 2,
                            .commitments = commitments,
                            .commitment_count = count};
    struct object object = {
        .kind = OBJECT_PROVIDER, .namespace = "platform", .name = "p", .fault = "", .as.provider = &spec};
    struct error err;
    cr_assert_eq(observe_provider_open(rig->observe, &object, NULL, NULL, false, &err), ERR_NONE, "%s", err.message);
}

static const struct snapshot *look(struct rig *rig, struct tag *tag, struct arena *arena) {
    struct observe_scope scope = {.provider = "platform/p"};
    struct policy policy = {.selector = {.kinds = 1u << CLOUD_INSTANCE_GROUP, .tags = tag, .tag_count = tag != NULL},
                            .actions = 1u << ACTION_SCALE,
                            .forecast = {.history_ms = 3600000}};
    return observe_snapshot(rig->observe, &policy, &scope, 1, arena);
}

/* Four machines of 4 vCPU in each group; four more alone, of which one is off, one spot, and one the group's. */
static void fill(struct rig *rig) {
    static const struct cloud_tag shop = {"team", "shop"};
    static const struct cloud_resource machines[] = {
        {.kind = CLOUD_INSTANCE, .id = "a", .type = "m5.xlarge", .state = CLOUD_RUNNING},
        {.kind = CLOUD_INSTANCE, .id = "b", .type = "m5.xlarge", .state = CLOUD_STOPPED},
        {.kind = CLOUD_INSTANCE, .id = "c", .type = "m5.xlarge", .state = CLOUD_RUNNING, .is_spot = true},
        {.kind = CLOUD_INSTANCE, .id = "d", .type = "m5.xlarge", .state = CLOUD_RUNNING, .parent = "others"},
    };
    struct cloud_resource *all = mem_alloc_array(6, sizeof(*all));
    all[0] = rig_group("r1", "own", "m5.xlarge", &shop, 1);
    all[1] = rig_group("r1", "others", "m5.xlarge", NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(machines); i++) {
        all[2 + i] = machines[i];
        all[2 + i].region = "r1";
        all[2 + i].vcpu_milli = 4000;
        all[2 + i].count = 1;
    }
    rig->regions[0].resources = all;
    rig->regions[0].count = 6;
}

Test(observe_commitments, are_counted_by_what_the_policy_does_not_select) {
    static const struct cloud_commitment commitments[] = {
        {.region = "r1", .id = "b", .types = "m5.*", .amount = 3, .price_hourly = -1},
        {.region = "r1", .id = "a", .types = "c5.*,m5.xlarge", .is_vcpu = true, .amount = 9, .price_hourly = 5},
        {.region = "r2", .id = "a", .types = "m5.*", .amount = 3, .price_hourly = -1},
        {.region = "r1", .id = "old", .types = "*", .amount = 3, .ends_at_ms = RIG_WALL_MS},
        {.region = "r1", .id = "new", .types = "t*", .amount = 3, .ends_at_ms = RIG_WALL_MS + 86400000},
    };
    struct rig rig;
    struct arena arena = {0};
    struct tag tag = {"team", "shop"};
    rig_start(&rig);
    fill(&rig);
    open_with(&rig, commitments, ARRAY_LEN(commitments));
    rig_run(&rig, 5 * MINUTE);
    const struct snapshot *snapshot = look(&rig, &tag, &arena);
    cr_assert_eq(snapshot->commitment_count, 4, "what has ended is not there");
    const struct snapshot_commitment *c = snapshot->commitments;
    cr_expect_str_eq(c[0].commitment.id, "a");
    cr_expect_str_eq(c[0].provider, "platform/p");
    cr_expect_eq(c[0].commitment.price_hourly, 5);
    cr_expect_eq(c[0].used_milli, 8000, "whole machines: two of the five that others run");
    cr_expect_str_eq(c[1].commitment.id, "b");
    cr_expect_eq(c[1].used_milli, 3000, "the other three");
    cr_expect_str_eq(c[2].commitment.id, "new");
    cr_expect_eq(c[2].used_milli, 0);
    cr_expect_str_eq(c[3].commitment.region, "r2");
    cr_expect_eq(c[3].used_milli, 0, "nothing runs there");
    cr_expect_eq(look(&rig, NULL, &arena)->commitments[1].used_milli, 0, "one machine is left, and the first has room");
    arena_release(&arena);
    rig_stop(&rig);
}
