/*
 * Workloads of a cluster in the whole loop: replicas that are ours to set, those that an autoscaler sets, operations
 * that take several requests, refusals, and requests that are applied again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "scenario.h"

#define HPA "HorizontalPodAutoscaler/web"
#define TUNE "\"autoscalers\":\"TuneBounds\","

static struct scenario s;

/* web-a 12 vCPU, web-b 14, api 16: at 65 % of 4 vCPU a pod 5, 6 and 7 pods. */
static void start(const char *more, bool on_disk) {
    scenario_start(&s,
                   &(struct scenario_options){.seed = 7, .is_cluster = true, .policy_more = more, .on_disk = on_disk});
    scenario_flat(&s, 0, 12, 12);
    scenario_flat(&s, 1, 14, 14);
    scenario_flat(&s, 2, 16, 16);
}

static struct sim_workload *autoscale(size_t i, const char *manager) {
    struct sim_workload *workload = &s.world.cloud.workloads[i];
    *workload = (struct sim_workload){
        .name = scenario_groups[i], .manager = manager, .min = scenario_size(&s, scenario_groups[i]), .max = 10};
    return workload;
}

static const char *policy_field(const char *policy, const char *path) {
    return sim_world_field(&s.world, OBJECT_POLICY, "default", policy, path);
}

static bool has_why_not(const char *policy, const char *reason) {
    struct json *list = sim_world_list(&s.world, OBJECT_POLICY);
    const struct json *items = json_get(list, "items");
    bool found = false;
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *why = json_at(json_array_at(items, i), "status.whyNot");
        bool is_it = str_eq(json_string(json_at(json_array_at(items, i), "metadata.name"), ""), policy);
        for (size_t k = 0; is_it && k < json_array_count(why); k++)
            found |= str_eq(json_string(json_get(json_array_at(why, k), "reason"), ""), reason);
    }
    json_free(list);
    return found;
}

/* Recommendations whose `to` has a minCount. */
static size_t count_bounds(void) {
    struct json *list = sim_world_list(&s.world, OBJECT_RECOMMENDATION);
    const struct json *items = json_get(list, "items");
    size_t count = 0;
    for (size_t i = 0; i < json_array_count(items); i++)
        count += json_at(json_array_at(items, i), "spec.to.minCount") != NULL;
    json_free(list);
    return count;
}

Test(sim_workloads, replicas_follow_demand, .timeout = 120) {
    start(NULL, false);
    scenario_settle(&s, 6 * SIM_HOUR);
    cr_expect_gt(s.world.cloud.effect_count, 0u);
    for (size_t i = 0; i < SCENARIO_GROUPS; i++)
        cr_expect_geq(scenario_size(&s, scenario_groups[i]), 5);
    cr_expect_eq(count_bounds(), 0u);
    scenario_stop(&s);
}

Test(sim_workloads, an_autoscaler_is_left_alone_and_advised, .timeout = 120) {
    start(NULL, false);
    for (size_t i = 0; i < SCENARIO_GROUPS; i++)
        autoscale(i, HPA);
    sim_world_run(&s.world, 2 * SIM_HOUR);
    cr_expect_eq(s.world.cloud.apply_count, 0u);
    cr_expect(has_why_not("web", "ManagedElsewhere"));
    cr_expect(has_why_not("api", "ManagedElsewhere"));
    cr_expect_eq(scenario_count(&s, ""), 0u);
    scenario_stop(&s);
}

Test(sim_workloads, a_gitops_tool_is_left_alone_whatever_the_policy_says, .timeout = 120) {
    start(TUNE, false);
    for (size_t i = 0; i < SCENARIO_GROUPS; i++)
        autoscale(i, "argocd-controller");
    sim_world_run(&s.world, 2 * SIM_HOUR);
    cr_expect_eq(s.world.cloud.apply_count, 0u);
    cr_expect(has_why_not("web", "ManagedElsewhere"));
    scenario_stop(&s);
}

static void expect_tuned(const struct sim_workload *api, int64_t least) {
    int64_t desired = strtoll(policy_field("api", "status.desired"), NULL, 10);
    cr_expect_eq(api->min, desired, "%lld is set, %lld desired", (long long)api->min, (long long)desired);
    cr_expect_geq(api->min, least);
    cr_expect_leq(api->min, api->max);
    cr_expect_str_eq(policy_field("api", "status.actual"), policy_field("api", "status.desired"));
}

Test(sim_workloads, bounds_are_tuned_ahead_of_demand, .timeout = 120) {
    start(TUNE, false);
    struct sim_workload *api = autoscale(2, HPA);
    api->min = 2;
    api->max = 8;
    sim_world_run(&s.world, 12 * SIM_HOUR);
    scenario_settle(&s, 6 * SIM_HOUR);
    expect_tuned(api, 7);
    cr_expect_gt(count_bounds(), 0u);
    int64_t calm = api->min;
    scenario_flat(&s, 2, 32, 32); /* 13 pods, and more than the maximum was. */
    sim_world_run(&s.world, SIM_HOUR);
    scenario_settle(&s, 6 * SIM_HOUR);
    expect_tuned(api, 13);
    cr_expect_gt(api->min, calm);
    cr_expect_gt(api->max, 8, "raised to leave room");
    cr_expect_eq(scenario_count(&s, "Failed"), 0u);
    scenario_stop(&s);
}

/* ---- operations of several requests ---- */

Test(sim_workloads, each_handle_is_recorded_before_it_is_asked_about, .timeout = 120) {
    start(NULL, false);
    s.world.cloud.poll_steps = 3;
    scenario_settle(&s, 6 * SIM_HOUR);
    size_t done = scenario_count(&s, "Succeeded");
    cr_assert_gt(done, 0u);
    cr_expect_eq(s.world.cloud.poll_count, 3 * done);
    cr_expect_eq(s.world.cloud.poll_repeats, 0u);
    scenario_stop(&s);
}

Test(sim_workloads, who_takes_over_goes_on_with_the_last_handle, .timeout = 120) {
    start(NULL, true);
    s.world.cloud.poll_steps = 6;
    size_t kills = 0;
    for (size_t polls = 0; kills < 6 && s.world.cloud.runtime.now_ns < 6 * SIM_HOUR;) {
        sim_world_run(&s.world, 3 * SIM_SECOND);
        if (s.world.cloud.poll_count == polls)
            continue;
        /* Right after a poll: what it answered is recorded, or the poll is repeated. */
        sim_world_kill(&s.world, kills % 2);
        sim_world_boot(&s.world, 5 * SIM_SECOND);
        polls = s.world.cloud.poll_count;
        kills++;
    }
    cr_assert_eq(kills, 6u);
    scenario_settle(&s, 6 * SIM_HOUR);
    size_t done = scenario_count(&s, "Succeeded");
    cr_expect_eq(scenario_count(&s, "Failed"), 0u);
    cr_expect_eq(s.world.cloud.repeat_count, 0u, "no effect twice");
    cr_expect_leq(s.world.cloud.poll_count, 6 * done + kills, "never from the first again");
    scenario_stop(&s);
}

/* ---- refusals ---- */

Test(sim_workloads, a_refusal_supersedes_and_is_not_repeated_at_once, .timeout = 120) {
    start(NULL, false);
    struct error error = {.class = ERR_CONFLICT};
    (void)error_set(&error, ERR_CONFLICT, "argocd-controller owns spec.replicas");
    (void)str_copy(error.code, sizeof(error.code), "ManagedElsewhere");
    s.world.cloud.apply_error = error;
    s.world.cloud.apply_error_count = SIZE_MAX / 2;
    sim_world_run(&s.world, 30 * SIM_MINUTE);
    cr_expect_eq(scenario_count(&s, "Failed"), 0u);
    cr_expect_gt(scenario_count(&s, "Superseded"), 0u);
    cr_expect_gt(s.world.cloud.apply_count, 1u, "it is tried again");
    cr_expect_leq(s.world.cloud.apply_count, 3 * 6u, "after 1, 2, 4, 8 and 16 minutes");
    cr_expect_eq(s.world.cloud.effect_count, 0u);
    s.world.cloud.apply_error_count = 0;
    scenario_settle(&s, 6 * SIM_HOUR);
    scenario_stop(&s);
}

/* ---- upkeep ---- */

static void drift(bool stays) {
    struct sim_workload *api = autoscale(2, NULL);
    *api = (struct sim_workload){.name = "api", .drifted = 2, .drift_stays = stays};
}

static double upkeeps(const char *labels) {
    return sim_world_metric(&s.world, "trimtab_upkeep_total", labels);
}

Test(sim_workloads, pods_that_drifted_get_their_requests_again, .timeout = 120) {
    start(NULL, false);
    scenario_settle(&s, 6 * SIM_HOUR);
    size_t recommendations = scenario_count(&s, "");
    drift(false);
    sim_world_run(&s.world, 15 * SIM_MINUTE);
    const struct sim_workload *api = &s.world.cloud.workloads[2];
    cr_expect_eq(api->resizes, 1u);
    cr_expect_eq(api->vcpu_milli, 4000);
    cr_expect_eq(api->memory_mib, 16384);
    cr_expect_eq(upkeeps("Succeeded"), 1);
    cr_expect_eq(scenario_count(&s, ""), recommendations, "no Recommendation is made of it");
    sim_world_run(&s.world, SIM_HOUR);
    cr_expect_eq(api->resizes, 1u);
    s.world.cloud.workloads[2].drifted = 1; /* A new pod of the old template. */
    sim_world_run(&s.world, 15 * SIM_MINUTE);
    cr_expect_eq(api->resizes, 2u);
    scenario_stop(&s);
}

Test(sim_workloads, a_drift_that_stays_is_tried_ever_more_seldom, .timeout = 120) {
    start(NULL, false);
    drift(true);
    sim_world_run(&s.world, 6 * SIM_HOUR);
    /* After 1, 2, 4, 8, 16, 32 minutes, then each hour. */
    cr_expect_geq(s.world.cloud.workloads[2].resizes, 8u);
    cr_expect_leq(s.world.cloud.workloads[2].resizes, 13u);
    scenario_stop(&s);
}

Test(sim_workloads, a_failure_to_reapply_is_counted_and_tried_again, .timeout = 120) {
    start(NULL, false);
    scenario_settle(&s, 6 * SIM_HOUR);
    drift(false);
    (void)error_set(&s.world.cloud.apply_error, ERR_RETRYABLE, "busy");
    s.world.cloud.apply_error_count = 1;
    sim_world_run(&s.world, 20 * SIM_MINUTE);
    cr_expect_eq(upkeeps("Retryable"), 1);
    cr_expect_eq(upkeeps("Succeeded"), 1);
    cr_expect_eq(s.world.cloud.workloads[2].drifted, 0);
    scenario_stop(&s);
}

static void expect_no_upkeep(const char *why) {
    sim_world_run(&s.world, SIM_HOUR);
    cr_expect_eq(s.world.cloud.workloads[2].resizes, 0u, "%s", why);
}

Test(sim_workloads, nothing_is_reapplied_without_leave, .timeout = 120) {
    start("\"suspend\":true,", false);
    drift(false);
    expect_no_upkeep("suspended");
    scenario_stop(&s);
    scenario_start(&s, &(struct scenario_options){.seed = 7, .is_cluster = true, .mode = "Recommend"});
    drift(false);
    expect_no_upkeep("mode Recommend");
    scenario_stop(&s);
    start(NULL, false);
    sim_world_patch(&s.world, OBJECT_PROVIDER, "default", "sim", "{\"spec\":{\"suspend\":true}}");
    drift(false);
    expect_no_upkeep("the Provider is suspended");
    scenario_stop(&s);
    start(NULL, false);
    s.policy_more = NULL;
    scenario_policy(&s, "second", "api", "Enforce", 2, 16);
    drift(false);
    expect_no_upkeep("selected twice");
    scenario_stop(&s);
}

/* ---- requests ---- */

#define AT_THREE "\"disruption\":{\"windows\":[{\"schedule\":\"0 3 * * *\",\"duration\":\"1h\"}]},"

/* Two pods of 4 vCPU for a steady demand of 1: fewer are not allowed. */
static void start_oversized(const char *more) {
    scenario_start(&s, &(struct scenario_options){.seed = 7, .is_cluster = true});
    scenario_flat(&s, 2, 1, 1);
    char *text = mem_printf("{\"apiVersion\":\"trimtab.dev/"
                            "v1alpha1\",\"kind\":\"ResourcePolicy\",\"metadata\":{\"name\":\"api\",\"namespace\":"
                            "\"default\"},\"spec\":{%s\"selector\":{\"providers\":[\"sim\"],\"kinds\":[\"Workload\"],"
                            "\"tags\":{\"app\":\"api\"}},"
                            "\"mode\":\"Enforce\",\"actions\":[\"Scale\",\"Rightsize\"],\"sla\":{\"targetUtilization\":"
                            "65,\"leadTime\":\"5m\"},"
                            "\"capacity\":{\"min\":2,\"max\":16},\"forecast\":{\"metric\":\"cpu\",\"history\":\"3d\","
                            "\"horizon\":\"24h\"}}}",
                            more);
    sim_world_apply(&s.world, text);
    mem_free(text);
}

Test(sim_workloads, requests_come_down_in_steps_where_replicas_may_not, .timeout = 120) {
    start_oversized("");
    sim_world_run(&s.world, 12 * SIM_HOUR);
    const struct sim_workload *api = &s.world.cloud.workloads[0];
    cr_assert_str_eq(api->own_name, "api");
    cr_expect_eq(scenario_size(&s, "api"), 2);
    /* 1 vCPU, by two pods at 65 %: 770m each, and what the forecast allows beside. */
    cr_expect_geq(api->vcpu_milli, 770);
    cr_expect_leq(api->vcpu_milli, 1100);
    cr_expect_eq(api->memory_mib, 0, "the other dimension is left alone");
    cr_expect_geq(api->resizes, 4u, "by 25 per cent a step");
    cr_expect_leq(api->resizes, 8u);
    cr_expect_eq(sim_world_metric(&s.world, "trimtab_recommendation_phases_total", "Failed"), 0);
    size_t resizes = api->resizes;
    sim_world_run(&s.world, 24 * SIM_HOUR);
    cr_expect_leq(api->resizes, resizes + 1, "and then it is quiet");
    scenario_stop(&s);
}

/* The window opens at three in the morning, UTC; the world starts at midnight. */
Test(sim_workloads, requests_come_down_in_windows_only, .timeout = 120) {
    start_oversized(AT_THREE);
    sim_world_run(&s.world, 2 * SIM_HOUR + 50 * SIM_MINUTE);
    cr_expect_eq(s.world.cloud.workloads[0].resizes, 0u);
    sim_world_run(&s.world, SIM_HOUR);
    cr_expect_geq(s.world.cloud.workloads[0].resizes, 1u);
    scenario_stop(&s);
}

/* The name of the one Recommendation of this action that has not ended; "" if there is none. */
static const char *open_of(const char *action) {
    static char name[256];
    struct json *list = sim_world_list(&s.world, OBJECT_RECOMMENDATION);
    const struct json *items = json_get(list, "items");
    name[0] = '\0';
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *item = json_array_at(items, i);
        if (str_eq(json_string(json_at(item, "spec.action"), ""), action) && !json_at(item, "status.finishedAt"))
            (void)str_copy(name, sizeof(name), json_string(json_at(item, "metadata.name"), ""));
    }
    json_free(list);
    return name;
}

/* Approved by the mode, and waiting for its window; what is proposed from then on waits for a person. */
static void wait_for_window(void) {
    start_oversized(AT_THREE);
    sim_world_run(&s.world, 2 * SIM_HOUR);
    cr_assert_str_eq(sim_world_field(&s.world, OBJECT_RECOMMENDATION, "default", open_of("Rightsize"), "status.phase"),
                     "Approved");
    sim_world_patch(&s.world, OBJECT_POLICY, "default", "api", "{\"spec\":{\"mode\":\"Recommend\"}}");
}

/* What was approved when there was little to do is not done once demand asks for more: not in the window either. */
Test(sim_workloads, requests_that_demand_has_overtaken_stay, .timeout = 120) {
    wait_for_window();
    scenario_flat(&s, 2, 1, 12);
    sim_world_run(&s.world, 90 * SIM_MINUTE);
    cr_expect_str_neq(open_of("Scale"), "", "demand asks for more pods");
    cr_expect_eq(s.world.cloud.workloads[0].resizes, 0u);
    cr_expect_str_eq(open_of("Rightsize"), "");
    scenario_stop(&s);
}

/* It stands while the newest plan asks for no more than it leaves, and falls when that asks for more. */
Test(sim_workloads, requests_that_no_longer_suffice_are_proposed_anew, .timeout = 120) {
    wait_for_window();
    char *name = mem_strdup(open_of("Rightsize"));
    sim_world_run(&s.world, 30 * SIM_MINUTE);
    cr_expect_str_eq(open_of("Rightsize"), name, "nothing has changed");
    /* 1 vCPU, by two pods: 3400m each, more than the 3000m that were proposed. */
    sim_world_patch(&s.world, OBJECT_POLICY, "default", "api", "{\"spec\":{\"sla\":{\"targetUtilization\":15}}}");
    sim_world_run(&s.world, SIM_HOUR);
    cr_expect_str_neq(open_of("Rightsize"), name);
    cr_expect_eq(s.world.cloud.workloads[0].resizes, 0u);
    mem_free(name);
    scenario_stop(&s);
}
