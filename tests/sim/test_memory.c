/*
 * Kills for want of memory in the whole loop: what they raise is planned for, said, counted once, and not forgotten by
 * a process that is started anew when the cloud has forgotten.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "scenario.h"

static struct scenario s;

/* web-a and web-b: 12 of 24 vCPU, so 50 % of 6 pods of 16 GiB: 48 GiB, for which a history as young as this wants 9
 * pods. */
static void start(void) {
    scenario_start(&s,
                   &(struct scenario_options){.seed = 11, .is_cluster = true, .on_disk = true, .mode = "Recommend"});
    scenario_flat(&s, 0, 12, 12);
    scenario_flat(&s, 1, 12, 12);
    sim_world_apply(
        &s.world,
        "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"ResourcePolicy\",\"metadata\":{\"name\":\"web\","
        "\"namespace\":\"default\"},\"spec\":{\"selector\":{\"providers\":[\"sim\"],\"kinds\":[\"Workload\"],\"tags\":{"
        "\"app\":\"web\"}},\"mode\":\"Recommend\",\"actions\":[\"Scale\"],\"sla\":{\"targetUtilization\":65,"
        "\"maxViolationPerMille\":50,\"leadTime\":\"5m\"},\"capacity\":{\"min\":2,\"max\":40},\"forecast\":{\"metric\":"
        "\"memory\",\"history\":\"6h\",\"horizon\":\"2h\"}}}");
    sim_world_run(&s.world, 30 * SIM_MINUTE);
}

static int64_t desired(void) {
    return strtoll(sim_world_field(&s.world, OBJECT_POLICY, "default", "web", "status.desired"), NULL, 10);
}

/* status.memoryRaises[0].field, "" if there is none. */
static const char *raise_field(const char *field) {
    static char text[80];
    struct json *list = sim_world_list(&s.world, OBJECT_POLICY);
    const struct json *items = json_get(list, "items");
    text[0] = '\0';
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *policy = json_array_at(items, i), *raises = json_at(policy, "status.memoryRaises");
        const struct json *value = json_get(json_array_at(raises, 0), field);
        if (!str_eq(json_string(json_at(policy, "metadata.name"), ""), "web") || json_array_count(raises) == 0)
            continue;
        if (json_type(value) == JSON_INT)
            (void)snprintf(text, sizeof(text), "%lld", (long long)json_int(value, 0));
        else
            (void)str_copy(text, sizeof(text), json_string(value, ""));
    }
    json_free(list);
    return text;
}

/* By a Recommendation. */
static bool is_explained(void) {
    struct json *list = sim_world_list(&s.world, OBJECT_RECOMMENDATION);
    struct buf text = {0};
    json_print_canonical(list, &text);
    bool is = strstr(buf_text(&text), "raised after an OOM kill at 20") != NULL;
    buf_release(&text);
    json_free(list);
    return is;
}

static int64_t wall_ms(void) {
    return runtime_wall_ms(&s.world.cloud.runtime.base);
}

/* A pod that was allowed 24 GiB: 6 pods then need 6 x 28.8 GiB, which 17 serve at 65 %. */
static void kill_one(const char *id) {
    s.world.cloud.workloads[0] =
        (struct sim_workload){.name = "web-a", .kill = {.id = id, .time_ms = wall_ms() - 5000, .memory_mib = 24576}};
    s.world.cloud.workloads[0].kill.time_ms -= s.world.cloud.workloads[0].kill.time_ms % 1000;
}

static double kills_counted(void) {
    return sim_world_metric(&s.world, "trimtab_oom_kills_total", NULL);
}

Test(sim_memory, a_kill_raises_what_is_planned_for_and_is_counted_once, .timeout = 120) {
    start();
    int64_t calm = desired();
    cr_assert_eq(calm, 18, "%lld", (long long)calm);
    cr_expect_str_eq(raise_field("id"), "");
    kill_one("pod-1/main/a");
    sim_world_run(&s.world, 6 * SIM_MINUTE);
    cr_expect_eq(desired(), calm / 2 + 17, "%lld", (long long)desired());
    cr_expect_eq(kills_counted(), 1);
    cr_expect_str_eq(raise_field("id"), "web-a");
    cr_expect_str_eq(raise_field("memoryMiB"), "176948", "6 x 24576 x 1.2");
    cr_expect(is_explained());
    sim_world_run(&s.world, SIM_HOUR);
    cr_expect_eq(kills_counted(), 1, "the cloud tells it again and again");
    kill_one("pod-1/main/b");
    sim_world_run(&s.world, 6 * SIM_MINUTE);
    cr_expect_eq(kills_counted(), 2);
    cr_expect_eq(desired(), calm / 2 + 17, "kills in a row do not pile up");
    sim_world_run(&s.world, 6 * SIM_HOUR);
    cr_expect_eq(desired(), calm, "it is no longer in the history's window");
    cr_expect_str_eq(raise_field("id"), "", "nor remembered");
    scenario_stop(&s);
}

Test(sim_memory, a_raise_is_not_forgotten_by_a_restart_when_the_pod_is_gone, .timeout = 120) {
    start();
    int64_t calm = desired();
    kill_one("pod-1/main/a");
    sim_world_run(&s.world, 6 * SIM_MINUTE);
    int64_t raised = desired();
    cr_assert_gt(raised, calm);
    for (int i = 0; i < 2; i++) { /* The one that took over is killed too. */
        sim_world_kill(&s.world, true);
        s.world.cloud.workloads[0] = (struct sim_workload){0};
        sim_world_boot(&s.world, SIM_MINUTE);
        sim_world_run(&s.world, 2 * SIM_MINUTE);
        cr_expect_eq(desired(), raised, "%lld", (long long)desired());
        cr_expect(is_explained());
        cr_expect_eq(kills_counted(), 0, "it is no news");
        sim_world_run(&s.world, 30 * SIM_MINUTE);
        cr_expect_eq(desired(), raised, "%lld", (long long)desired());
        cr_expect_str_eq(raise_field("memoryMiB"), "176948");
    }
    scenario_stop(&s);
}

/* What it raised then was for the pods that there were. */
Test(sim_memory, a_kill_that_is_still_told_after_a_restart_raises_nothing_anew, .timeout = 120) {
    start();
    kill_one("pod-1/main/a");
    sim_world_run(&s.world, 6 * SIM_MINUTE);
    int64_t raised = desired();
    sim_cloud_set_size(&s.world.cloud, "default/sim", "web-a", 17);
    sim_world_kill(&s.world, true);
    sim_world_boot(&s.world, SIM_MINUTE);
    sim_world_run(&s.world, 20 * SIM_MINUTE);
    cr_expect_eq(desired(), raised, "%lld", (long long)desired());
    cr_expect_eq(kills_counted(), 0);
    scenario_stop(&s);
}

/* A status that is written without a plan, as while the policy is faulty, carries it on. */
Test(sim_memory, a_raise_outlives_a_status_without_a_plan, .timeout = 120) {
    start();
    kill_one("pod-1/main/a");
    sim_world_run(&s.world, 6 * SIM_MINUTE);
    sim_world_kill(&s.world, true);
    s.world.cloud.workloads[0] = (struct sim_workload){0};
    sim_world_boot(&s.world, SIM_MINUTE);
    sim_world_patch(&s.world, OBJECT_POLICY, "default", "web",
                    "{\"spec\":{\"selector\":{\"tags\":{\"app\":\"nothing\"}}}}");
    sim_world_run(&s.world, 10 * SIM_MINUTE);
    cr_expect_str_eq(sim_world_condition(&s.world, OBJECT_POLICY, "default", "web", "Ready"), "False");
    cr_expect_str_eq(raise_field("id"), "web-a");
    scenario_stop(&s);
}
