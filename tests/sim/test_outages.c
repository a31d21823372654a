/*
 * What the cloud has none of is remembered, also by the process that takes over.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/str.h"
#include "scenario.h"

/* The reasons of the newest attempt. */
static bool is_told(struct scenario *s) {
    struct json *list = sim_world_list(&s->world, OBJECT_RECOMMENDATION);
    const struct json *items = json_get(list, "items");
    int64_t last = 0;
    bool is_out = false;
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *why = json_at(json_array_at(items, i), "status.why");
        int64_t attempt = json_int(json_at(json_array_at(items, i), "spec.attempt"), 0);
        if (attempt <= last)
            continue;
        last = attempt;
        is_out = false;
        for (size_t k = 0; k < json_array_count(why); k++)
            is_out |= strstr(json_string(json_array_at(why, k), ""), "was out of stock") != NULL;
    }
    json_free(list);
    return is_out;
}

Test(sim_outages, what_was_refused_for_want_of_it_is_known_after_a_crash, .timeout = 60) {
    struct scenario s;
    scenario_start(&s, &(struct scenario_options){.seed = 3, .on_disk = true});
    scenario_flat(&s, 0, 18, 18); /* web-a: 6 -> 13 */
    scenario_flat(&s, 1, 8, 8);
    scenario_flat(&s, 2, 11, 11);
    sim_cloud_capacity(&s.world.cloud, "default/sim", 0);
    while (scenario_count(&s, "Failed") == 0)
        cr_assert(sim_world_step(&s.world, SIM_HOUR));
    cr_expect_not(is_told(&s), "the first could not know");
    sim_world_run(&s.world, SIM_SECOND);
    sim_world_kill(&s.world, true);
    sim_world_boot(&s.world, SIM_SECOND);
    while (scenario_count(&s, "Failed") == 1)
        cr_assert(sim_world_step(&s.world, 2 * SIM_HOUR));
    cr_expect(is_told(&s));
    sim_cloud_capacity(&s.world.cloud, "default/sim", -1);
    scenario_settle(&s, 2 * SIM_HOUR);
    cr_expect_gt(scenario_size(&s, "web-a"), 10);
    scenario_stop(&s);
}
