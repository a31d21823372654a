/*
 * The type of a single machine in the whole loop: it stops, changes, starts, and is what it was or what it should be,
 * whatever happens to the controller.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "scenario.h"

static struct scenario s;
static struct scenario_trace load;

/* One m5.2xlarge (8 vCPU) whose users ask for 2: at 65 % those of r5.xlarge do, with as much memory. */
static void start(bool on_disk, const char *mode) {
    scenario_start(&s, &(struct scenario_options){.seed = 11, .on_disk = on_disk, .faults = "{\"latency\":\"1s\"}"});
    for (size_t i = 0; i < SCENARIO_GROUPS; i++)
        scenario_flat(&s, i, i == 2 ? 20 : 15, i == 2 ? 20 : 15); /* In trim from the beginning. */
    s.world.cloud.has_machines = true;
    sim_world_apply(
        &s.world, "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"Provider\",\"metadata\":{\"name\":\"machines\","
                  "\"namespace\":\"default\"},\"spec\":{\"type\":\"simulated\",\"regions\":[\"us-east-1\"],"
                  "\"simulated\":{\"faults\":{\"latency\":\"1s\"},\"instances\":[{\"name\":\"db\",\"region\":"
                  "\"us-east-1\",\"instanceType\":\"m5.2xlarge\",\"bootDelay\":\"40s\"}]}}}");
    while (!sim_cloud_type(&s.world.cloud, "default/machines", "db")[0])
        cr_assert(sim_world_step(&s.world, SIM_HOUR), "the Provider does not open");
    load = s.demand[0];
    for (size_t i = 0; i < SCENARIO_POINTS; i++)
        load.values[i] = 2;
    load.trace.times_ms = load.times_ms;
    load.trace.values = load.values;
    load.trace.value_max = 2;
    sim_cloud_demand(&s.world.cloud, "default/machines", "db", &load.trace);
    char *text = mem_printf(
        "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"ResourcePolicy\",\"metadata\":{\"name\":\"db\","
        "\"namespace\":\"default\"},\"spec\":{\"selector\":{\"providers\":[\"machines\"],\"kinds\":[\"Instance\"]},"
        "\"mode\":\"%s\",\"actions\":[\"Rightsize\"],\"sla\":{\"targetUtilization\":65,\"maxViolationPerMille\":50,"
        "\"leadTime\":\"5m\"},\"forecast\":{\"metric\":\"cpu\",\"history\":\"7d\",\"horizon\":\"2h\"}}}",
        mode);
    sim_world_apply(&s.world, text);
    mem_free(text);
}

static const char *type(void) {
    return sim_cloud_type(&s.world.cloud, "default/machines", "db");
}

static bool is_running(void) {
    return sim_cloud_state(&s.world.cloud, "default/machines", "db") == CLOUD_RUNNING;
}

/* Recommendations of this action, in this phase; "": in any. */
static size_t moves(const char *phase) {
    struct json *list = sim_world_list(&s.world, OBJECT_RECOMMENDATION);
    const struct json *items = json_get(list, "items");
    size_t count = 0;
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *item = json_array_at(items, i);
        count += str_eq(json_string(json_at(item, "spec.action"), ""), "Rightsize") &&
                 (!phase[0] || str_eq(json_string(json_at(item, "status.phase"), ""), phase));
    }
    json_free(list);
    return count;
}

static size_t effects(void) {
    size_t count = 0;
    for (size_t i = 0; i < s.world.cloud.effect_count; i++)
        count += str_eq(s.world.cloud.effects[i].provider, "default/machines");
    return count;
}

Test(sim_machines, another_type_is_taken_once_and_then_all_is_quiet, .timeout = 120) {
    start(false, "Enforce");
    sim_world_run(&s.world, 30 * SIM_MINUTE);
    cr_expect_str_neq(type(), "m5.2xlarge");
    cr_expect(is_running());
    cr_expect_eq(effects(), 1u);
    cr_expect_eq(moves("Succeeded"), 1u);
    sim_world_run(&s.world, 4 * SIM_HOUR);
    cr_expect_eq(effects(), 1u);
    cr_expect_eq(moves(""), 1u, "%zu", moves(""));
    cr_expect_str_eq(sim_world_condition(&s.world, OBJECT_POLICY, "default", "db", "Ready"), "True");
    scenario_stop(&s);
}

/* The cloud tells shares of what the machine was then, which nobody has written down. */
Test(sim_machines, who_takes_over_reads_no_share_of_the_old_type_as_one_of_the_new, .timeout = 120) {
    start(true, "Enforce");
    sim_world_run(&s.world, 90 * SIM_MINUTE);
    cr_assert_eq(moves("Succeeded"), 1u);
    sim_world_kill(&s.world, true);
    sim_world_boot(&s.world, SIM_SECOND);
    sim_world_run(&s.world, 15 * SIM_MINUTE);
    const char *samples = sim_world_field(&s.world, OBJECT_POLICY, "default", "db", "status.forecast.samples");
    cr_expect_leq(strtoll(samples, NULL, 10), 21, "%s samples", samples);
    cr_expect_eq(moves(""), 1u);
    scenario_stop(&s);
}

/* ---- at every single step ---- */

static bool step_until(bool (*is_there)(void), size_t *steps) {
    for (; !is_there(); ++*steps)
        if (*steps > 20000 || !sim_world_step(&s.world, UINT64_MAX))
            return false;
    return true;
}

static bool is_proposed(void) {
    return moves("") > 0;
}

static bool is_done(void) {
    return moves("Succeeded") > 0;
}

/* What it sends arrives after its death, or is lost with it; listings show what is on its way as it is. */
Test(sim_machines, it_is_changed_once_when_killed_at_each_single_step, .timeout = 600) {
    size_t first = 0, last;
    start(true, "Enforce");
    cr_assert(step_until(is_proposed, &first));
    last = first;
    cr_assert(step_until(is_done, &last));
    scenario_stop(&s);
    cr_assert_gt(last, first + 20);
    for (size_t i = first; i <= last; i++) {
        start(true, "Enforce");
        s.world.cloud.apply_way_ns = i % 3 == 0 ? 5 * SIM_SECOND : 0; /* Listings overtake it. */
        for (size_t k = 0; k < i; k++)
            cr_assert(sim_world_step(&s.world, UINT64_MAX));
        sim_world_kill(&s.world, i % 2 == 0);
        sim_world_boot(&s.world, i % 5 ? 100 * NS_PER_MS : 3 * SIM_MINUTE);
        sim_world_run(&s.world, SIM_HOUR);
        cr_expect_str_neq(type(), "m5.2xlarge", "killed at step %zu", i);
        cr_expect(is_running(), "killed at step %zu", i);
        cr_expect_eq(effects(), 1u, "killed at step %zu: %zu", i, effects());
        cr_expect_eq(moves(""), 1u, "killed at step %zu: %zu", i, moves(""));
        cr_expect_eq(moves("Succeeded"), 1u, "killed at step %zu", i);
        cr_expect_eq(s.world.cloud.repeat_count, 0u, "killed at step %zu", i);
        scenario_stop(&s);
    }
}

/* ---- what goes wrong ---- */

Test(sim_machines, what_the_cloud_has_no_room_for_is_told_and_tried_again_later, .timeout = 120) {
    start(false, "Enforce");
    struct error error = {.class = ERR_CAPACITY};
    (void)error_set(&error, ERR_CAPACITY, "no more of it; it runs as m5.2xlarge again");
    (void)str_copy(error.code, sizeof(error.code), "InsufficientInstanceCapacity");
    s.world.cloud.apply_error = error;
    s.world.cloud.apply_error_count = SIZE_MAX / 2;
    sim_world_run(&s.world, 40 * SIM_MINUTE);
    cr_expect_str_eq(type(), "m5.2xlarge");
    cr_expect(is_running());
    cr_expect_gt(moves("Failed"), 1u);
    cr_expect_leq(moves("Failed"), 7u, "after 1, 2, 4, 8 and 16 minutes");
    s.world.cloud.apply_error_count = 0;
    sim_world_run(&s.world, 3 * SIM_HOUR);
    cr_expect_eq(effects(), 1u);
    cr_expect(is_running());
    scenario_stop(&s);
}

/* Demand grows to what only a larger type serves, and comes back: up at once, down after the horizon. */
Test(sim_machines, it_grows_with_demand, .timeout = 120) {
    start(false, "Enforce");
    sim_world_run(&s.world, 30 * SIM_MINUTE);
    char small[32];
    cr_assert(str_copy(small, sizeof(small), type()));
    for (size_t i = 0; i < SCENARIO_POINTS; i++)
        load.values[i] = 6;
    sim_world_run(&s.world, 3 * SIM_HOUR);
    cr_expect_str_neq(type(), small);
    cr_expect(is_running());
    cr_expect_geq(effects(), 2u);
    cr_expect_leq(effects(), 4u, "as more of its demand shows");
    scenario_stop(&s);
}

Test(sim_machines, a_person_is_waited_for, .timeout = 120) {
    start(false, "Recommend");
    sim_world_run(&s.world, 30 * SIM_MINUTE);
    cr_expect_eq(effects(), 0u);
    cr_assert_eq(moves("Pending"), 1u);
    struct json *list = sim_world_list(&s.world, OBJECT_RECOMMENDATION);
    const struct json *items = json_get(list, "items");
    for (size_t i = 0; i < json_array_count(items); i++)
        sim_world_patch(&s.world, OBJECT_RECOMMENDATION, "default",
                        json_string(json_at(json_array_at(items, i), "metadata.name"), ""),
                        "{\"spec\":{\"decision\":\"Approved\"}}");
    json_free(list);
    sim_world_run(&s.world, 30 * SIM_MINUTE);
    cr_expect_eq(effects(), 1u);
    cr_expect_eq(moves("Succeeded"), 1u);
    scenario_stop(&s);
}
