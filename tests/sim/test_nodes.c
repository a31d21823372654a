/*
 * The nodes of a cluster in the whole loop: those that are not needed are proposed, people take them away, and then it
 * is quiet.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "scenario.h"

#define NODES 10

static struct scenario s;

/* What people have done: the nodes that wait for them are gone. Returns how many. */
static size_t carry_out(void) {
    struct json *list = sim_world_list(&s.world, OBJECT_RECOMMENDATION);
    const struct json *items = json_get(list, "items");
    size_t count = 0;
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *it = json_array_at(items, i);
        const char *id = json_string(json_at(it, "spec.target.id"), "");
        if (!str_eq(json_string(json_at(it, "spec.action"), ""), "Delete") ||
            !str_eq(json_string(json_at(it, "status.phase"), ""), "Pending"))
            continue;
        cr_assert(str_has_prefix(id, "node-"));
        cr_expect_str_eq(json_string(json_at(it, "spec.target.kind"), ""), "Node");
        s.world.cloud.node_gone[strtoul(id + strlen("node-"), NULL, 10)] = true;
        count++;
    }
    json_free(list);
    return count;
}

static size_t left(void) {
    size_t count = 0;
    for (size_t j = 0; j < NODES; j++)
        count += !s.world.cloud.node_gone[j];
    return count;
}

/* web-a 5 pods, web-b 6 and api 7: 18 pods, 4 on a node. */
Test(sim_nodes, nodes_that_are_not_needed_are_proposed_until_the_rest_is, .timeout = 120) {
    scenario_start(&s, &(struct scenario_options){.seed = 7, .is_cluster = true, .node_count = NODES});
    scenario_flat(&s, 0, 12, 12);
    scenario_flat(&s, 1, 14, 14);
    scenario_flat(&s, 2, 16, 16);
    sim_world_run(&s.world, 8 * SIM_HOUR);
    size_t rounds = 0;
    for (size_t gone = 1; gone > 0 && rounds < 10; rounds++) {
        gone = carry_out();
        cr_expect_leq(gone, 5u, "at most half of them at a time");
        sim_world_run(&s.world, SIM_HOUR);
    }
    cr_expect_geq(rounds, 2u);
    cr_expect_lt(rounds, 10u);
    int64_t pods = 0;
    for (size_t i = 0; i < SCENARIO_GROUPS; i++)
        pods += scenario_size(&s, scenario_groups[i]);
    cr_expect_geq((int64_t)left() * 4, pods, "%lld pods on %zu nodes", (long long)pods, left());
    cr_expect_leq(left(), (size_t)(pods + 3) / 4 + 1);
    cr_expect_str_eq(sim_world_condition(&s.world, OBJECT_POLICY, "default", "web", "Forecasted"), "True");
    size_t writes = (size_t)sim_world_metric(&s.world, "trimtab_status_writes_total", NULL);
    sim_world_run(&s.world, 2 * SIM_HOUR);
    cr_expect_eq(carry_out(), 0u, "and then it is quiet");
    cr_expect_leq((size_t)sim_world_metric(&s.world, "trimtab_status_writes_total", NULL), writes + 12, "%zu",
                  (size_t)sim_world_metric(&s.world, "trimtab_status_writes_total", NULL) - writes);
    scenario_stop(&s);
}
