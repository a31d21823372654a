/*
 * Quotas: where they are asked for and when, and how much of them is used.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "rig.h"

static void one_group(struct rig *rig) {
    rig->regions[0].resources = mem_alloc(sizeof(*rig->regions[0].resources));
    rig->regions[0].resources[0] = rig_group("r1", "a", "m5.xlarge", NULL, 0);
    rig->regions[0].count = 1;
}

static const struct snapshot *quotas_of(struct rig *rig, uint32_t actions, struct arena *arena) {
    struct observe_scope scope = {.provider = "platform/p"};
    struct policy policy = {
        .selector = {.kinds = 1u << CLOUD_INSTANCE_GROUP}, .actions = actions, .forecast = {.history_ms = 3600000}};
    return observe_snapshot(rig->observe, &policy, &scope, 1, arena);
}

static const struct cloud_limit quotas[] = {
    {.region = "r1", .id = "L-1", .name = "On-Demand", .types = "c5.*,m5.*", .unit = "vCPU", .value = 64, .used = -1},
    {.region = "r1", .id = "L-2", .name = "spot", .types = "m5.*", .unit = "spot vCPU", .value = 8, .used = -1},
    {.region = "r1", .id = "L-3", .name = "addresses", .types = "", .unit = "count", .value = 5, .used = -1},
};

Test(observe_limits, are_read_where_a_policy_makes_something_and_counted_by_the_machines) {
    struct rig rig;
    struct arena arena = {0};
    rig_start(&rig);
    one_group(&rig);
    rig.regions[0].limits = quotas;
    rig.regions[0].limit_count = ARRAY_LEN(quotas);
    rig_open(&rig, "p", false);
    rig_run(&rig, 5 * MINUTE);
    cr_expect_eq(rig.limits_count, 0, "nobody wants them");
    cr_expect_eq(quotas_of(&rig, 1u << ACTION_DELETE, &arena)->limit_count, 0);
    rig_run(&rig, 5 * MINUTE);
    cr_expect_eq(rig.limits_count, 0, "nothing is made");
    (void)quotas_of(&rig, 1u << ACTION_SCALE, &arena);
    rig_run(&rig, 2 * MINUTE);
    cr_expect_eq(rig.limits_count, 1);
    const struct snapshot *snapshot = quotas_of(&rig, 1u << ACTION_SCALE, &arena);
    cr_assert_eq(snapshot->limit_count, 2, "of addresses nothing is made");
    cr_expect_str_eq(snapshot->limits[0].limit.id, "L-1");
    cr_expect_eq(snapshot->limits[0].limit.used, 0, "instances are listed, and there are none");
    static struct cloud_resource machines[4];
    for (size_t i = 0; i < 4; i++)
        machines[i] = (struct cloud_resource){.kind = CLOUD_INSTANCE,
                                              .region = "r1",
                                              .id = (const char *[]){"a", "b", "c", "d"}[i],
                                              .type = "m5.xlarge",
                                              .vcpu_milli = 4000,
                                              .count = 1,
                                              .state = i == 2 ? CLOUD_STOPPED : CLOUD_RUNNING,
                                              .is_spot = i == 3};
    struct cloud_resource *all = mem_grow(rig.regions[0].resources, 1, 5, sizeof(*all));
    memcpy(all + 1, machines, sizeof(machines));
    rig.regions[0].resources = all;
    rig.regions[0].count = 5;
    rig_run(&rig, 2 * MINUTE);
    snapshot = quotas_of(&rig, 1u << ACTION_SCALE, &arena);
    cr_expect_eq(snapshot->limits[0].limit.used, 8, "two run on demand");
    cr_expect_eq(snapshot->limits[1].limit.used, 4);
    cr_expect_eq(rig.limits_count, 1, "they last some minutes");
    rig_run(&rig, 30 * MINUTE);
    cr_expect_eq(rig.limits_count, 4);
    arena_release(&arena);
    rig_stop(&rig);
}

Test(observe_limits, that_cannot_be_read_hold_nothing_up) {
    struct rig rig;
    struct arena arena = {0};
    rig_start(&rig);
    one_group(&rig);
    error_set(&rig.regions[0].limits_error, ERR_PERMISSION, "denied");
    rig_open(&rig, "p", false);
    (void)quotas_of(&rig, 1u << ACTION_SCALE, &arena);
    rig_run(&rig, 50 * MINUTE);
    cr_expect_eq(rig.limits_count, 1, "and are not asked for again within the hour");
    cr_expect_geq(rig.list_count, 45);
    cr_expect_eq(quotas_of(&rig, 1u << ACTION_SCALE, &arena)->limit_count, 0);
    rig_run(&rig, 20 * MINUTE);
    cr_expect_eq(rig.limits_count, 2);
    arena_release(&arena);
    rig_stop(&rig);
}

Test(observe_limits, a_provider_closes_while_they_are_asked_for) {
    struct rig rig;
    struct arena arena = {0};
    rig_start(&rig);
    one_group(&rig);
    rig.regions[0].limits = quotas;
    rig.regions[0].limit_count = ARRAY_LEN(quotas);
    rig_open(&rig, "p", true);
    (void)quotas_of(&rig, 1u << ACTION_SCALE, &arena);
    for (int i = 0; i < 10000 && rig.limits_count == 0; i++)
        rig_run(&rig, 100 * MS);
    cr_expect_geq(rig.limits_count, 1);
    arena_release(&arena);
    rig_stop(&rig);
}
