/*
 * Single machines, disks and snapshots of the simulated cloud: what is done to them, how long it takes, what it costs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "rig.h"

#include "base/str.h"

static const char estate[] =
    "{\"groups\": [{\"name\": \"web\", \"region\": \"us-east-1\", \"instanceType\": \"m5.xlarge\", \"count\": 2}],"
    " \"instances\": ["
    "  {\"name\": \"app\", \"region\": \"us-east-1\", \"instanceType\": \"m5.large\", \"bootDelay\": \"1m\"},"
    "  {\"name\": \"old\", \"region\": \"us-east-1\", \"instanceType\": \"m5.large\", \"state\": \"stopped\"}],"
    " \"volumes\": ["
    "  {\"name\": \"root\", \"region\": \"us-east-1\", \"sizeGiB\": 50, \"instance\": \"app\"},"
    "  {\"name\": \"spare\", \"region\": \"us-east-1\", \"sizeGiB\": 100, \"type\": \"gp3\", \"snapshotDelay\": "
    "\"2m\"}],"
    " \"capacity\": {\"us-east-1/m5.large\": 2}}";

static struct cloud_resource find(struct rig *rig, enum cloud_kind kind, const char *id) {
    struct cloud_resource found = {0};
    cr_assert(rig_find(rig, kind, id, &found), "%s is not listed", id);
    return found;
}

/* Its id by its name. */
static const char *id_of(struct rig *rig, enum cloud_kind kind, const char *name) {
    return find(rig, kind, name).id;
}

static struct adapter_reply act(struct rig *rig, enum cloud_verb verb, enum cloud_kind kind, const char *id) {
    return rig_act(rig, (struct cloud_action){.verb = verb, .kind = kind, .id = id});
}

/* Polls until it is done, or fails the test after an hour. */
static struct adapter_reply settle(struct rig *rig, struct adapter_reply reply) {
    cr_assert_eq(reply.error.class, ERR_NONE, "%s", reply.error.message);
    for (int i = 0; *reply.as.operation && i < 720; i++) {
        rig_wait(rig, reply.poll_after_ms);
        reply = rig_poll(rig, reply.as.operation);
        cr_assert_eq(reply.error.class, ERR_NONE, "%s", reply.error.message);
    }
    cr_assert_str_eq(reply.as.operation, "");
    return reply;
}

Test(simulated_items, a_stop_takes_its_time_and_a_second_one_joins_it) {
    struct rig rig;
    rig_open(&rig, estate);
    const char *app = id_of(&rig, CLOUD_INSTANCE, "app");
    struct adapter_reply reply = act(&rig, CLOUD_STOP, CLOUD_INSTANCE, app);
    cr_expect(str_has_prefix(reply.as.operation, "wait/us-east-1/Instance/"));
    cr_expect_eq(find(&rig, CLOUD_INSTANCE, app).state, CLOUD_STOPPING);
    cr_expect_str_eq(act(&rig, CLOUD_STOP, CLOUD_INSTANCE, app).as.operation, reply.as.operation);
    struct adapter_reply other = act(&rig, CLOUD_START, CLOUD_INSTANCE, app);
    cr_expect_eq(other.error.class, ERR_CONFLICT);
    cr_expect_eq(other.error.effect, EFFECT_NONE);
    settle(&rig, reply);
    cr_expect_eq(find(&rig, CLOUD_INSTANCE, app).state, CLOUD_STOPPED);
    rig_close(&rig);
}

Test(simulated_items, a_running_machine_is_resized_by_stop_and_start) {
    struct rig rig;
    rig_open(&rig, estate);
    const char *app = id_of(&rig, CLOUD_INSTANCE, "app");
    const struct cloud_action action = {
        .verb = CLOUD_RESIZE, .kind = CLOUD_INSTANCE, .id = app, .type = "m5.2xlarge", .token = "t"};
    struct adapter_reply reply = rig_act(&rig, action);
    cr_expect_eq(find(&rig, CLOUD_INSTANCE, app).state, CLOUD_STOPPING);
    cr_expect_str_eq(find(&rig, CLOUD_INSTANCE, app).type, "m5.large");
    settle(&rig, reply);
    struct cloud_resource now = find(&rig, CLOUD_INSTANCE, app);
    cr_expect_eq(now.state, CLOUD_RUNNING);
    cr_expect_str_eq(now.type, "m5.2xlarge");
    cr_expect_eq(now.vcpu_milli, 8000);
    cr_expect_str_eq(rig_act(&rig, action).as.operation, "", "the same again changes nothing");
    cr_expect_eq(find(&rig, CLOUD_INSTANCE, app).state, CLOUD_RUNNING);
    rig_close(&rig);
}

Test(simulated_items, a_type_that_is_not_sold_is_refused_without_effect) {
    struct rig rig;
    rig_open(&rig, estate);
    const char *app = id_of(&rig, CLOUD_INSTANCE, "app");
    struct adapter_reply reply = rig_act(
        &rig, (struct cloud_action){.verb = CLOUD_RESIZE, .kind = CLOUD_INSTANCE, .id = app, .type = "m5.made-up"});
    cr_expect_eq(reply.error.class, ERR_PERMANENT);
    cr_expect_eq(reply.error.effect, EFFECT_NONE);
    cr_expect_eq(find(&rig, CLOUD_INSTANCE, app).state, CLOUD_RUNNING);
    rig_close(&rig);
}

Test(simulated_items, capacity_counts_machines_of_all_makings) {
    struct rig rig;
    rig_open(&rig, estate);
    const char *old = id_of(&rig, CLOUD_INSTANCE, "old");
    settle(&rig, act(&rig, CLOUD_START, CLOUD_INSTANCE, old));
    cr_expect_eq(find(&rig, CLOUD_INSTANCE, old).state, CLOUD_RUNNING);
    struct adapter_reply reply = act(&rig, CLOUD_CREATE, CLOUD_INSTANCE, "m5.large");
    cr_expect_eq(reply.error.class, ERR_CAPACITY, "two of two are running");
    rig_close(&rig);
}

Test(simulated_items, one_token_makes_one_machine) {
    struct rig rig;
    rig_open(&rig, estate);
    const struct cloud_tag tags[] = {{"app", "web"}};
    const struct cloud_action action = {
        .verb = CLOUD_CREATE, .kind = CLOUD_INSTANCE, .id = "m5.xlarge", .tags = tags, .tag_count = 1, .token = "once"};
    struct adapter_reply first = rig_act(&rig, action), second = rig_act(&rig, action);
    cr_assert_not_null(first.id);
    cr_expect_str_eq(first.id, second.id);
    cr_expect_str_eq(settle(&rig, second).id, first.id);
    struct cloud_resource made = find(&rig, CLOUD_INSTANCE, first.id);
    cr_expect_eq(made.state, CLOUD_RUNNING);
    cr_expect_str_eq(cloud_resource_tag(&made, "app"), "web");
    struct cloud_action other = action;
    other.id = "m5.large";
    cr_expect_eq(rig_act(&rig, other).error.class, ERR_PERMANENT, "the token is of another request");
    rig_close(&rig);
}

Test(simulated_items, a_disk_that_hangs_on_a_machine_is_not_deleted) {
    struct rig rig;
    rig_open(&rig, estate);
    const char *root = id_of(&rig, CLOUD_VOLUME, "root"), *app = id_of(&rig, CLOUD_INSTANCE, "app");
    cr_expect_str_eq(find(&rig, CLOUD_VOLUME, root).parent, app);
    cr_expect_eq(act(&rig, CLOUD_DELETE, CLOUD_VOLUME, root).error.class, ERR_CONFLICT);
    settle(&rig, act(&rig, CLOUD_DELETE, CLOUD_INSTANCE, app));
    struct cloud_resource gone;
    cr_expect(!rig_find(&rig, CLOUD_INSTANCE, app, &gone));
    cr_expect_eq(find(&rig, CLOUD_VOLUME, root).state, CLOUD_AVAILABLE, "the machine let it go");
    settle(&rig, act(&rig, CLOUD_DELETE, CLOUD_VOLUME, root));
    cr_expect(!rig_find(&rig, CLOUD_VOLUME, root, &gone));
    rig_close(&rig);
}

Test(simulated_items, a_snapshot_is_whole_after_its_delay_and_knows_its_disk) {
    struct rig rig;
    rig_open(&rig, estate);
    const char *spare = id_of(&rig, CLOUD_VOLUME, "spare");
    struct adapter_reply reply = act(&rig, CLOUD_TAKE_SNAPSHOT, CLOUD_VOLUME, spare);
    cr_expect_eq(find(&rig, CLOUD_SNAPSHOT, reply.id).state, CLOUD_PENDING);
    settle(&rig, reply);
    struct cloud_resource snapshot = find(&rig, CLOUD_SNAPSHOT, reply.id);
    cr_expect_eq(snapshot.state, CLOUD_AVAILABLE);
    cr_expect_str_eq(snapshot.parent, spare);
    cr_expect_eq(snapshot.memory_mib, 100 * 1024);
    rig_close(&rig);
}

Test(simulated_items, tags_are_set_and_the_others_stay) {
    struct rig rig;
    rig_open(&rig, estate);
    const struct cloud_tag tags[] = {{"team", "结账"}, {"app", "a=b&c"}};
    struct cloud_action action = {
        .verb = CLOUD_TAG, .kind = CLOUD_INSTANCE_GROUP, .id = "web", .tags = tags, .tag_count = 2};
    cr_assert_eq(rig_act(&rig, action).error.class, ERR_NONE);
    action.tag_count = 1;
    cr_assert_eq(rig_act(&rig, action).error.class, ERR_NONE);
    struct cloud_resource web = rig_group(&rig, "web");
    cr_expect_eq(web.tag_count, 2);
    cr_expect_str_eq(cloud_resource_tag(&web, "team"), "结账");
    cr_expect_str_eq(cloud_resource_tag(&web, "app"), "a=b&c");
    rig_close(&rig);
}

Test(simulated_items, poll_refuses_what_is_no_handle) {
    struct rig rig;
    rig_open(&rig, estate);
    static const char *const bad[] = {"x", "wait/us-east-1", "wait/us-east-1/Nothing/i-1", "wait/a/Instance"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_eq(rig_poll(&rig, bad[i]).error.class, ERR_PERMANENT, "%s", bad[i]);
    rig_close(&rig);
}

/* ---- The bill ---- */

static double cost_of(const struct cloud_charge *charge) {
    double value = -1;
    cr_assert(str_to_double(charge->billed_cost, &value), "%s", charge->billed_cost);
    return value;
}

Test(simulated_bill, an_hour_costs_what_ran_in_it) {
    struct rig rig;
    rig_open(&rig, estate);
    int64_t hour_ms = (RIG_START_MS / HOUR_MS + 1) * HOUR_MS;
    rig_wait(&rig, hour_ms + HOUR_MS / 2 - RIG_START_MS);
    (void)rig_scale(&rig, "web", 4, NULL); /* Half an hour of two, half an hour of four. */
    cr_expect_eq(rig_charges(&rig, hour_ms, hour_ms + HOUR_MS, 100, "").count, 0, "it is not over");
    rig_wait(&rig, HOUR_MS);
    struct adapter_reply reply = rig_charges(&rig, hour_ms, hour_ms + HOUR_MS, 100, "");
    cr_assert_eq(reply.count, 2, "the group and the machine that runs; not the stopped one, not the disks");
    cr_expect_str_eq(reply.as.charges[0].resource_id, "web");
    cr_expect_float_eq(cost_of(&reply.as.charges[0]), 3 * 0.192, 1e-9);
    cr_expect_float_eq(cost_of(&reply.as.charges[1]), 0.096, 1e-9);
    cr_expect_str_eq(reply.as.charges[0].consumed_quantity, "3.000000000");
    cr_expect_eq(reply.as.charges[0].charge_period_start_ms, hour_ms);
    cr_expect_str_eq(reply.cursor, "");
    rig_close(&rig);
}

Test(simulated_bill, the_pages_of_a_bill_are_the_bill) {
    struct rig rig;
    rig_open(&rig, estate);
    rig_wait(&rig, 6 * HOUR_MS);
    int64_t from_ms = RIG_START_MS - DAY_MS, to_ms = RIG_START_MS + DAY_MS;
    struct adapter_reply whole = rig_charges(&rig, from_ms, to_ms, 1000, NULL);
    cr_assert_gt(whole.count, 50);
    size_t count = 0;
    const char *cursor = "";
    do {
        struct adapter_reply page = rig_charges(&rig, from_ms, to_ms, 7, cursor);
        cr_assert_eq(page.error.class, ERR_NONE, "%s", page.error.message);
        for (size_t i = 0; i < page.count; i++, count++) {
            cr_expect_str_eq(page.as.charges[i].resource_id, whole.as.charges[count].resource_id);
            cr_expect_eq(page.as.charges[i].charge_period_start_ms, whole.as.charges[count].charge_period_start_ms);
        }
        cursor = page.cursor;
    } while (*cursor);
    cr_expect_eq(count, whole.count);
    cr_expect_eq(rig_charges(&rig, from_ms, to_ms, 7, "17/x").error.class, ERR_PERMANENT);
    rig_close(&rig);
}

/* Demand stays what it is; the share of the machine was that of the type of the time, and without one it had none. */
Test(simulated_items, usage_is_a_share_of_the_type_of_its_time) {
    struct rig rig;
    rig_open(&rig, "{\"instances\": [{\"name\": \"app\", \"region\": \"us-east-1\", \"instanceType\": \"m5.large\", "
                   "\"bootDelay\": \"5m\", \"demand\": {\"trace\": \"nasa_http_1995_jul.csv\", \"vcpuPeak\": "
                   "\"1\"}}]}");
    const char *app = id_of(&rig, CLOUD_INSTANCE, "app");
    const int64_t minute_ms = 60000, from_ms = RIG_START_MS - 30 * minute_ms, to_ms = RIG_START_MS + 60 * minute_ms;
    struct adapter_reply reply = rig_usage_of(&rig, CLOUD_INSTANCE, app, from_ms, RIG_START_MS, minute_ms);
    cr_assert_eq(reply.count, 1u);
    cr_expect_str_eq(reply.as.series[0].id, app);
    cr_expect_eq(reply.as.series[0].serving_count, 0u, "of one machine nobody records how many there were");
    cr_assert_eq(reply.as.series[0].utilization_count, 30u);
    double before = reply.as.series[0].utilization[0].value;
    cr_expect(before > 0 && before < 50, "of 2 vCPU: %f", before);
    settle(&rig, rig_act(&rig, (struct cloud_action){
                                   .verb = CLOUD_RESIZE, .kind = CLOUD_INSTANCE, .id = app, .type = "m5.2xlarge"}));
    rig_wait(&rig, 60 * 60000);
    reply = rig_usage_of(&rig, CLOUD_INSTANCE, app, from_ms, to_ms, minute_ms);
    const struct cloud_series *series = &reply.as.series[0];
    cr_expect_float_eq(series->utilization[0].value, before, 1e-9, "the past stays as it was");
    cr_expect_lt(series->utilization_count, 85u, "none while it is down");
    cr_expect_gt(series->utilization_count, 60u);
    cr_expect_lt(series->utilization[series->utilization_count - 1].value, before / 2, "of 8 vCPU");
    cr_expect_eq(rig_usage_of(&rig, CLOUD_INSTANCE, "i-none", from_ms, to_ms, minute_ms).count, 0u);
    rig_close(&rig);
}
