/*
 * A policy whose resource has just begun, in the whole loop: it borrows from the other policies of its namespace, and
 * of no other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "scenario.h"

#define DAY_POINTS 288
#define START (3 * DAY_POINTS) /* The point of the start (scenario.h). */
#define YOUNG 60               /* Points: five hours. */
#define HISTORY "{\"spec\":{\"forecast\":{\"history\":\"3d\"}}}"

static struct scenario s;

/* web-a and web-b have had a day's wave for ever, api the same for five hours. */
static void start(void) {
    scenario_start(&s, &(struct scenario_options){.seed = 17, .mode = "Observe"});
    for (size_t group = 0; group < SCENARIO_GROUPS; group++)
        for (size_t i = 0; i < SCENARIO_POINTS; i++) {
            bool is_there = group < 2 || (i >= START - YOUNG && i < START + DAY_POINTS / 2);
            double wave = 6 + 4 * sin((double)i * 2 * 3.14159265358979 / DAY_POINTS);
            s.demand[group].values[i] = is_there ? (1 + (double)group) * wave : NAN;
        }
    sim_world_patch(&s.world, OBJECT_POLICY, "default", "web", HISTORY);
    sim_world_patch(&s.world, OBJECT_POLICY, "default", "api", HISTORY);
}

static const char *basis(const char *namespace, const char *policy) {
    return sim_world_field(&s.world, OBJECT_POLICY, namespace, policy, "status.forecast.basis");
}

Test(sim_cold, a_new_policy_borrows_from_another_one_of_its_namespace, .timeout = 120) {
    start();
    sim_world_run(&s.world, 7 * SIM_HOUR); /* status.forecast is renewed four times a day. */
    cr_assert_str_eq(basis("default", "web"), "own");
    cr_assert_str_eq(basis("default", "api"), "pooled");
    scenario_stop(&s);
}

Test(sim_cold, alone_it_knows_of_no_season, .timeout = 120) {
    start();
    sim_world_delete(&s.world, OBJECT_POLICY, "default", "web");
    sim_world_run(&s.world, 7 * SIM_HOUR);
    cr_assert_str_eq(basis("default", "api"), "prior");
    scenario_stop(&s);
}

/* Of the same Provider, which is shared with it; what `default` selects there is nothing to it. */
Test(sim_cold, a_policy_of_another_namespace_borrows_nothing, .timeout = 120) {
    start();
    sim_world_delete(&s.world, OBJECT_POLICY, "default", "api");
    sim_world_patch(&s.world, OBJECT_PROVIDER, "default", "sim", "{\"spec\":{\"sharing\":[{}]}}");
    sim_world_apply(
        &s.world,
        "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"ResourcePolicy\",\"metadata\":{\"name\":\"new\","
        "\"namespace\":\"other\"},\"spec\":{\"selector\":{\"providers\":[\"default/"
        "sim\"],\"kinds\":[\"InstanceGroup\"],"
        "\"tags\":{\"app\":\"api\"}},\"mode\":\"Observe\",\"actions\":[\"Scale\"],\"sla\":{\"targetUtilization\":65,"
        "\"maxViolationPerMille\":50,\"leadTime\":\"5m\"},\"capacity\":{\"min\":2,\"max\":16},\"forecast\":{\"metric\":"
        "\"cpu\",\"history\":\"3d\",\"horizon\":\"2h\"}}}");
    sim_world_run(&s.world, 7 * SIM_HOUR);
    cr_assert_str_eq(basis("default", "web"), "own");
    cr_assert_str_eq(basis("other", "new"), "prior");
    scenario_stop(&s);
}
