/*
 * The controller is killed, again and again, at any moment; what it sent may arrive after its death. From outside: each
 * Recommendation has one effect at most, sizes keep inside the policies' bounds, and in the end all is in trim and
 * nothing is left open.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "scenario.h"

static uint64_t number(const char *variable, uint64_t otherwise) {
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void crash(struct scenario *s) {
    sim_world_kill(&s->world, scenario_random(s, 2));
    sim_world_boot(&s->world,
                   scenario_random(s, 3) ? scenario_random(s, 3 * SIM_SECOND) : scenario_random(s, 4 * SIM_MINUTE));
}

static void run_seed(uint64_t seed) {
    struct scenario s;
    scenario_start(&s, &(struct scenario_options){
                           .seed = seed, .on_disk = true, .moving_hours = 2, .faults = "{\"latency\":\"2s\"}"});
    s.world.cloud.takes_tokens = seed % 4 == 0;
    uint64_t end_ns = 2 * SIM_HOUR;
    while (s.world.cloud.runtime.now_ns < end_ns) {
        sim_world_run(&s.world, scenario_random(&s, 20 * SIM_MINUTE));
        for (uint64_t i = scenario_random(&s, 3); i-- > 0;) { /* Also soon after the start. */
            sim_world_run(&s.world, scenario_random(&s, 30 * SIM_SECOND));
            crash(&s);
        }
        scenario_check(&s);
    }
    scenario_settle(&s, 12 * SIM_HOUR);
    cr_assert_gt(s.world.cloud.effect_count, 0);
    scenario_stop(&s);
}

/* SIM_SEED=n runs one, SIM_SEEDS=n so many. */
Test(sim_crash, an_effect_happens_once_whenever_the_process_is_killed, .timeout = 600) {
    uint64_t first = number("SIM_SEED", 0), count = getenv("SIM_SEED") ? 1 : number("SIM_SEEDS", 200);
    for (uint64_t i = 0; i < count; i++)
        run_seed(first ? first : i + 1);
}
