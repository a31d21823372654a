/*
 * A day of the production loop on the virtual clock, with simulated clouds and real demand.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "scenario.h"

#define EXAMPLE "deploy/examples/local"
#define MONDAY_MS INT64_C(1790553600000) /* 2026-09-28T00:00:00Z */

Test(sim_day, converges_and_follows_demand_below_the_cost_of_static_peak_sizing) {
    struct sim_world world;
    struct loop_policy_view views[8];
    sim_world_start(&world, EXAMPLE, 1, MONDAY_MS);
    sim_world_run(&world, 6 * SIM_HOUR);
    cr_assert_eq(loop_policy_views(world.loop, views, 8), 4);
    for (size_t i = 0; i < 4; i++) {
        cr_expect_gt(views[i].cost_hourly, 0, "%s", views[i].name);
        if (strcmp(views[i].name, "reports") != 0) /* Nobody has approved its Recommendation. */
            cr_expect_lt(views[i].cost_hourly, views[i].peak_cost_hourly, "%s", views[i].name);
    }
    cr_assert_gt(sim_world_metric(&world, "trimtab_effects_total", "Succeeded"), 3);
    cr_assert_eq(sim_world_metric(&world, "trimtab_recommendation_phases_total", "Failed"), 0);
    sim_world_stop(&world);
}

static size_t rightsizes(struct sim_world *world, const char *phase) {
    struct json *list = sim_world_list(world, OBJECT_RECOMMENDATION);
    const struct json *items = json_get(list, "items");
    size_t count = 0;
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *item = json_array_at(items, i);
        count += str_eq(json_string(json_at(item, "spec.action"), ""), "Rightsize") &&
                 str_eq(json_string(json_at(item, "spec.target.id"), ""), "api") &&
                 (!phase[0] || str_eq(json_string(json_at(item, "status.phase"), ""), phase));
    }
    json_free(list);
    return count;
}

/* What waits for a person is not taken away and put up again at each change of size: it would never be decided on. */
Test(sim_day, a_proposal_for_people_stays_while_the_size_follows_demand) {
    static struct scenario s;
    scenario_start(&s, &(struct scenario_options){.seed = 3});
    for (size_t i = 0; i < SCENARIO_POINTS; i++)
        s.demand[2].values[i] = 14 + 8 * sin((double)i * 2 * M_PI / 288) + (double)scenario_random(&s, 100) / 100;
    sim_world_apply(&s.world,
                    "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"ResourcePolicy\",\"metadata\":{\"name\":"
                    "\"api\",\"namespace\":\"default\"},\"spec\":{\"selector\":{\"providers\":[\"sim\"],\"tags\":{"
                    "\"app\":\"api\"}},\"mode\":\"Enforce\",\"actions\":[\"Scale\",\"Rightsize\"],\"sla\":{"
                    "\"targetUtilization\":65,\"leadTime\":\"5m\"},\"capacity\":{\"min\":2,\"max\":30},"
                    "\"forecast\":{\"metric\":\"cpu\",\"history\":\"3d\",\"horizon\":\"24h\"}}}");
    sim_world_run(&s.world, 24 * SIM_HOUR);
    cr_expect_geq(sim_world_metric(&s.world, "trimtab_recommendation_phases_total", "Succeeded"), 5);
    cr_expect_leq(rightsizes(&s.world, ""), 3);
    cr_expect_eq(rightsizes(&s.world, "Pending"), 1);
    scenario_stop(&s);
}
