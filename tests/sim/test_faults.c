/*
 * Clouds at their worst, then at rest. While they fail: nothing outside the bounds, no effect twice. When they recover:
 * all comes into trim, and then nothing is written any more.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

static void run_seed(uint64_t seed, const char *faults) {
    struct scenario s;
    scenario_start(&s, &(struct scenario_options){.seed = seed, .moving_hours = 3, .faults = faults});
    s.world.cloud.takes_tokens = seed % 2;
    while (s.world.cloud.runtime.now_ns < 3 * SIM_HOUR) {
        sim_world_run(&s.world, 10 * SIM_MINUTE);
        scenario_check(&s);
    }
    sim_cloud_faults(&s.world.cloud, (struct sim_faults){.latency_ms = 200});
    scenario_settle(&s, 12 * SIM_HOUR);
    cr_assert_gt(s.world.cloud.effect_count, 0, "seed %llu", (unsigned long long)seed);
    if (!strstr(faults, "staleRead")) /* Who is told what was, does it again: to the same absolute size. */
        cr_assert_eq(s.world.cloud.repeat_count, 0, "seed %llu: sent again", (unsigned long long)seed);
    scenario_stop(&s);
}

static void run_seeds(const char *faults) {
    uint64_t first = getenv("SIM_SEED") ? strtoull(getenv("SIM_SEED"), NULL, 10) : 1;
    for (uint64_t seed = first; seed < first + (getenv("SIM_SEED") ? 1 : 20); seed++)
        run_seed(seed, faults);
}

Test(sim_faults, replies_are_lost, .timeout = 300) {
    run_seeds("{\"lostReplyPerMille\":500,\"latency\":\"1s\"}");
}

Test(sim_faults, requests_fail_and_are_throttled, .timeout = 300) {
    run_seeds("{\"errorPerMille\":300,\"throttlePerMille\":200,\"latency\":\"500ms\"}");
}

Test(sim_faults, reads_are_stale, .timeout = 300) {
    run_seeds("{\"staleReadPerMille\":500,\"latency\":\"300ms\"}");
}

Test(sim_faults, requests_take_as_long_as_their_time_out, .timeout = 300) {
    run_seeds("{\"latency\":\"8s\",\"lostReplyPerMille\":100}");
}

Test(sim_faults, everything_at_once, .timeout = 300) {
    run_seeds("{\"latency\":\"3s\",\"errorPerMille\":150,\"throttlePerMille\":100,\"lostReplyPerMille\":150,"
              "\"staleReadPerMille\":200}");
}

/* ---- and then is quiet ---- */

static double writes(struct scenario *s) {
    return sim_world_metric(&s->world, "trimtab_status_writes_total", NULL) +
           sim_world_metric(&s->world, "trimtab_write_errors_total", NULL);
}

Test(sim_faults, a_steady_state_writes_nothing, .timeout = 120) {
    struct scenario s;
    scenario_start(&s, &(struct scenario_options){.seed = 5});
    scenario_flat(&s, 0, 12, 12);
    scenario_flat(&s, 1, 14, 14);
    scenario_flat(&s, 2, 16, 16);
    scenario_settle(&s, 12 * SIM_HOUR);
    sim_world_run(&s.world, SIM_HOUR); /* What is on its way to be shown. */
    double before = writes(&s);
    size_t effects = s.world.cloud.effect_count, applies = s.world.cloud.apply_count;
    double plans = sim_world_metric(&s.world, "trimtab_plans_total", NULL);
    sim_world_run(&s.world, 2 * SIM_HOUR);
    cr_assert_gt(sim_world_metric(&s.world, "trimtab_plans_total", NULL), plans + 20, "it must go on planning");
    cr_assert_eq(writes(&s), before, "%.0f writes in two hours", writes(&s) - before);
    cr_assert_eq(s.world.cloud.effect_count, effects);
    cr_assert_eq(s.world.cloud.apply_count, applies);
    scenario_stop(&s);
}

/* ---- the same seed, the same story ---- */

static uint64_t story(uint64_t seed) {
    struct scenario s;
    scenario_start(&s, &(struct scenario_options){.seed = seed,
                                                  .on_disk = true,
                                                  .moving_hours = 2,
                                                  .faults = "{\"latency\":\"1s\",\"errorPerMille\":50,"
                                                            "\"lostReplyPerMille\":50,\"staleReadPerMille\":50}"});
    for (int i = 0; i < 6; i++) {
        sim_world_run(&s.world, scenario_random(&s, 40 * SIM_MINUTE));
        sim_world_kill(&s.world, scenario_random(&s, 2));
        sim_world_boot(&s.world, scenario_random(&s, SIM_MINUTE));
    }
    sim_world_run(&s.world, SIM_HOUR);
    uint64_t hash = sim_cloud_hash(&s.world.cloud);
    cr_assert_gt(s.world.cloud.effect_count, 3);
    scenario_stop(&s);
    return hash;
}

Test(sim_faults, the_same_seed_tells_the_same_story, .timeout = 120) {
    uint64_t one = story(11);
    cr_assert_eq(one, story(11));
    cr_assert_neq(one, story(12));
}
