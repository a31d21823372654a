/*
 * A day of the production loop on the virtual clock, with simulated clouds and real demand.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/sim_world.h"

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
