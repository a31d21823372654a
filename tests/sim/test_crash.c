/*
 * The controller is killed, again and again, at any moment; what it sent may arrive after its death. From outside: each
 * Recommendation has one effect at most, sizes keep inside the policies' bounds, and in the end all is in trim and
 * nothing is left open.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
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
    s.world.cloud.apply_way_ns = scenario_random(&s, 5 * SIM_SECOND);
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
    cr_assert_eq(s.world.cloud.repeat_count, 0, "seed %llu: an effect was sent again", (unsigned long long)seed);
    scenario_stop(&s);
}

#ifdef __SANITIZE_ADDRESS__
#define SEEDS 25
#else
#define SEEDS 100
#endif

/* SIM_SEED=n runs one, SIM_SEEDS=n so many. */
Test(sim_crash, an_effect_happens_once_whenever_the_process_is_killed, .timeout = 600) {
    uint64_t first = number("SIM_SEED", 0), count = getenv("SIM_SEED") ? 1 : number("SIM_SEEDS", SEEDS);
    for (uint64_t i = 0; i < count; i++)
        run_seed(first ? first : i + 1);
}

/* ---- at every single step ---- */

static void start_plain(struct scenario *s, uint64_t seed) {
    scenario_start(s, &(struct scenario_options){.seed = seed, .on_disk = true, .faults = "{\"latency\":\"1s\"}"});
    scenario_flat(s, 0, 10, 30);
    scenario_flat(s, 1, 10, 10);
    scenario_flat(s, 2, 8, 8);
    s->world.cloud.apply_way_ns = 5 * SIM_SECOND; /* Listings overtake it. */
}

static bool step(struct scenario *s, size_t steps) {
    for (size_t i = 0; i < steps; i++)
        if (!sim_world_step(&s->world, UINT64_MAX))
            return false;
    return true;
}

static bool has_both(const struct scenario *s) {
    bool grew = false, shrank = false;
    for (size_t i = 0; i < s->world.cloud.effect_count; i++) {
        bool more = s->world.cloud.effects[i].after > s->world.cloud.effects[i].before;
        grew = grew || more;
        shrank = shrank || !more;
    }
    return grew && shrank;
}

/* Steps of the two clocks until the first growth and the first shrink have ended well. */
static size_t steps_to_the_end(void) {
    struct scenario s;
    size_t steps = 0;
    start_plain(&s, 1);
    while (!has_both(&s) || scenario_open(&s) > 0) {
        cr_assert_lt(steps, 10000);
        cr_assert(step(&s, 1));
        steps++;
    }
    scenario_stop(&s);
    return steps;
}

Test(sim_crash, an_effect_happens_once_when_killed_at_each_single_step, .timeout = 600) {
    size_t count = steps_to_the_end();
    cr_assert_gt(count, 50);
    for (size_t i = 1; i <= count; i++) {
        struct scenario s;
        start_plain(&s, 1);
        cr_assert(step(&s, i));
        sim_world_kill(&s.world, i % 2 == 0);
        sim_world_boot(&s.world, 100 * NS_PER_MS);
        scenario_settle(&s, 6 * SIM_HOUR);
        cr_expect_eq(scenario_count(&s, "Failed"), 0, "killed at step %zu", i);
        cr_expect_eq(s.world.cloud.repeat_count, 0, "killed at step %zu", i);
        scenario_stop(&s);
    }
}
