/*
 * What nobody uses, in the whole loop: proposals that wait for people, and how many of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "scenario.h"

#define VOLUMES 150
#define OPEN_MAX 100 /* BY_HAND_MAX of loop/admit.c */

static struct scenario s;

static void start(const char *mode) {
    struct buf text = {0};
    scenario_start(&s, &(struct scenario_options){.seed = 7});
    s.world.cloud.has_disks = true;
    buf_puts(&text, "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"Provider\",\"metadata\":{\"name\":\"disks\","
                    "\"namespace\":\"default\"},\"spec\":{\"type\":\"simulated\",\"regions\":[\"us-east-1\"],"
                    "\"simulated\":{\"volumes\":[");
    for (int i = 0; i < VOLUMES; i++)
        buf_printf(&text, "%s{\"name\":\"v%d\",\"region\":\"us-east-1\",\"sizeGiB\":10,\"age\":\"90d\"}", i ? "," : "",
                   i);
    buf_puts(&text, "]}}}");
    sim_world_apply(&s.world, buf_text(&text));
    buf_clear(&text);
    buf_printf(&text,
               "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"ResourcePolicy\",\"metadata\":{\"name\":\"tidy\","
               "\"namespace\":\"default\"},\"spec\":{\"selector\":{\"providers\":[\"disks\"],\"kinds\":[\"Volume\"]},"
               "\"mode\":\"%s\",\"actions\":[\"Delete\"]}}",
               mode);
    sim_world_apply(&s.world, buf_text(&text));
    buf_release(&text);
}

/* Proposals of the policy; with a phase, of these. Turns the first `rejects` of them down. */
static size_t proposals(const char *phase, size_t rejects) {
    struct json *list = sim_world_list(&s.world, OBJECT_RECOMMENDATION);
    const struct json *items = json_get(list, "items");
    size_t count = 0;
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *item = json_array_at(items, i);
        if (!str_eq(json_string(json_at(item, "spec.action"), ""), "Delete") ||
            (phase && !str_eq(json_string(json_at(item, "status.phase"), ""), phase)))
            continue;
        if (count++ < rejects)
            sim_world_patch(&s.world, OBJECT_RECOMMENDATION, "default", json_string(json_at(item, "metadata.name"), ""),
                            "{\"spec\":{\"decision\":\"Rejected\"}}");
    }
    json_free(list);
    return count;
}

/* Nobody decides on thousands at once, and each is an object in the cluster. */
Test(sim_idle, a_person_gets_so_many_at_once_and_the_rest_as_they_are_decided, .timeout = 120) {
    start("Recommend");
    sim_world_run(&s.world, 20 * SIM_MINUTE);
    cr_expect_eq(proposals("Pending", 0), (size_t)OPEN_MAX);
    (void)proposals("Pending", 70);
    sim_world_run(&s.world, 20 * SIM_MINUTE);
    cr_expect_eq(proposals("Rejected", 0), 70u);
    cr_expect_eq(proposals("Pending", 0), (size_t)VOLUMES - 70, "those that are left");
    scenario_stop(&s);
}

/* Whether the policy enforces or not: what only a person can do is not on its way. */
Test(sim_idle, a_policy_whose_actions_people_have_to_do_is_ready, .timeout = 120) {
    start("Enforce");
    sim_world_run(&s.world, 20 * SIM_MINUTE);
    cr_expect_eq(proposals("Pending", 0), (size_t)OPEN_MAX);
    cr_expect_str_eq(sim_world_condition(&s.world, OBJECT_POLICY, "default", "tidy", "Ready"), "True");
    cr_expect_str_eq(sim_world_condition(&s.world, OBJECT_POLICY, "default", "tidy", "Reconciling"), "");
    cr_expect_str_eq(sim_world_condition(&s.world, OBJECT_POLICY, "default", "tidy", "Forecasted"), "True",
                     "disks have no demand that could be missing");
    scenario_stop(&s);
}
