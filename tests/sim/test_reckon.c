/*
 * How forecasts have done, as the status tells it: counted when samples come, shown now and then, and carried over a
 * restart.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "scenario.h"

static const char *field(struct scenario *s, const char *name) {
    char path[64];
    (void)snprintf(path, sizeof(path), "status.forecast.%s", name);
    return sim_world_field(&s->world, OBJECT_POLICY, "default", "web", path);
}

static int64_t number(struct scenario *s, const char *name) {
    return strtoll(field(s, name), NULL, 10);
}

static struct loop_policy_view view_of_web(struct scenario *s) {
    struct loop_policy_view views[4];
    size_t count = loop_policy_views(s->world.loop, views, 4);
    for (size_t i = 0; i < count; i++)
        if (str_eq(views[i].name, "web"))
            return views[i];
    cr_assert_fail("web is not planned");
    return views[0];
}

/* Written once in so many hours, so what it had counted since the last time is lost, and no more. */
Test(sim_reckon, coverage_is_counted_and_survives_a_restart, .timeout = 300) {
    struct scenario s;
    scenario_start(&s, &(struct scenario_options){.seed = 3, .on_disk = true, .moving_hours = 60});
    sim_world_run(&s.world, 10 * SIM_MINUTE);
    cr_assert_str_eq(field(&s, "coverage"), "-", "no sample has come yet");
    sim_world_run(&s.world, 26 * SIM_HOUR);
    int64_t before = number(&s, "coverageSamples");
    double coverage = strtod(field(&s, "coverage"), NULL);
    /* Two groups of 288 slots a day, as of at most six hours ago. */
    cr_assert_geq(before, 2 * 12 * 19, "%lld", (long long)before);
    cr_assert_leq(before, 2 * 12 * 27, "%lld", (long long)before);
    cr_assert(coverage > 0.8 && coverage < 1, "%g: what jumps is not always foreseen", coverage);
    cr_assert_gt(view_of_web(&s).coverage_per_mille, 800, "the live table has it too");
    char as_of[32];
    (void)str_copy(as_of, sizeof(as_of), field(&s, "asOf"));
    sim_world_kill(&s.world, true);
    sim_world_boot(&s.world, SIM_MINUTE);
    sim_world_run(&s.world, 90 * SIM_SECOND);
    int64_t after = number(&s, "coverageSamples");
    cr_assert_geq(after, before, "%lld, then %lld", (long long)before, (long long)after);
    sim_world_run(&s.world, 7 * SIM_HOUR);
    cr_assert_str_neq(as_of, field(&s, "asOf"));
    after = number(&s, "coverageSamples");
    cr_assert_geq(after, before + 2 * 12 * 1, "%lld, then %lld", (long long)before, (long long)after);
    cr_assert_str_eq(field(&s, "quantile"), "0.95");
    cr_assert_neq(*field(&s, "loss"), '\0');
    cr_assert_neq(*field(&s, "naiveLoss"), '\0');
    /* Under another promise it is counted anew. */
    sim_world_patch(&s.world, OBJECT_POLICY, "default", "web", "{\"spec\":{\"sla\":{\"maxViolationPerMille\":100}}}");
    sim_world_run(&s.world, 4 * SIM_MINUTE);
    cr_assert_str_eq(field(&s, "quantile"), "0.9");
    cr_assert_leq(number(&s, "coverageSamples"), 4);
    scenario_stop(&s);
}

Test(sim_reckon, a_restart_has_no_news_of_what_stands, .timeout = 120) {
    struct scenario s;
    scenario_start(&s, &(struct scenario_options){.seed = 5, .on_disk = true});
    scenario_settle(&s, 12 * SIM_HOUR);
    sim_world_run(&s.world, SIM_HOUR);
    cr_assert_gt(sim_world_metric(&s.world, "trimtab_status_writes_total", "resourcepolicies"), 0);
    char as_of[32];
    (void)str_copy(as_of, sizeof(as_of), field(&s, "asOf"));
    sim_world_kill(&s.world, true);
    sim_world_boot(&s.world, SIM_MINUTE);
    sim_world_run(&s.world, SIM_HOUR);
    cr_assert_str_eq(as_of, field(&s, "asOf"));
    cr_assert_eq(sim_world_metric(&s.world, "trimtab_status_writes_total", "resourcepolicies"), 0);
    scenario_stop(&s);
}

static const char *reason_of_forecast(struct scenario *s) {
    static char reason[64];
    struct json *list = sim_world_list(&s->world, OBJECT_POLICY);
    const struct json *items = json_get(list, "items");
    reason[0] = '\0';
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *item = json_array_at(items, i), *conditions = json_at(item, "status.conditions");
        if (!str_eq(json_string(json_at(item, "metadata.name"), ""), "web"))
            continue;
        for (size_t k = 0; k < json_array_count(conditions); k++) {
            const struct json *it = json_array_at(conditions, k);
            if (str_eq(json_string(json_get(it, "type"), ""), "Forecasted"))
                (void)str_copy(reason, sizeof(reason), json_string(json_get(it, "reason"), ""));
        }
    }
    json_free(list);
    return reason;
}

Test(sim_reckon, bursts_are_said_plainly, .timeout = 120) {
    struct scenario s;
    scenario_start(&s, &(struct scenario_options){.seed = 7});
    /* Six hours are too few to know bursts by. */
    sim_world_patch(&s.world, OBJECT_POLICY, "default", "web", "{\"spec\":{\"forecast\":{\"history\":\"14d\"}}}");
    cr_assert_not(str_eq(reason_of_forecast(&s), "Bursty"));
    for (size_t group = 0; group < 2; group++)
        for (size_t i = 0; i < SCENARIO_POINTS; i++)
            s.demand[group].values[i] = scenario_random(&s, 12) == 0 ? 20 : 4;
    sim_world_run(&s.world, 20 * SIM_HOUR);
    cr_assert_str_eq(reason_of_forecast(&s), "Bursty");
    scenario_stop(&s);
}
