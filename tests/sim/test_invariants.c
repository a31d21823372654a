/*
 * The design's invariants, one by one, where the whole loop shows them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "scenario.h"

#define EFFECTS(s) ((s)->world.cloud.effect_count)

/* Demand that wants web-a larger (or smaller) at once, and the others as they are. With six hours of history a forecast
 * has no season and allows for 1.8 times what it has seen; a machine carries 2.6 vCPU. */
static void begin(struct scenario *s, const char *mode, double web_a_vcpu) {
    scenario_start(s, &(struct scenario_options){.seed = 1, .mode = mode});
    scenario_flat(s, 0, web_a_vcpu, web_a_vcpu);
    scenario_flat(s, 1, 8, 8);
    scenario_flat(s, 2, 11, 11);
}

#define GROWS 18.0  /* web-a: 6 -> 13 */
#define SHRINKS 4.0 /* web-a: 6 -> 3 */

static const char *reason_of(struct scenario *s, const char *policy) {
    struct json *root;
    struct error err;
    static char reason[64];
    struct buf text = {0};
    cr_assert(store_local_print(s->world.store, OBJECT_POLICY, "default", policy, &text));
    cr_assert_eq(json_parse(buf_bytes(&text), &root, &err), ERR_NONE);
    const struct json *ready = json_array_at(json_at(root, "status.conditions"), 0);
    (void)str_copy(reason, sizeof(reason), json_string(json_get(ready, "reason"), ""));
    json_free(root);
    buf_release(&text);
    return reason;
}

static void patch_policy(struct scenario *s, const char *policy, const char *patch) {
    sim_world_patch(&s->world, OBJECT_POLICY, "default", policy, patch);
}

/* Steps until a Recommendation is in that phase; its name, until the next call. */
static const char *await_phase(struct scenario *s, const char *phase, uint64_t limit_ns) {
    static char name[256];
    uint64_t end_ns = s->world.cloud.runtime.now_ns + limit_ns;
    for (;;) {
        struct json *list = sim_world_list(&s->world, OBJECT_RECOMMENDATION);
        const struct json *items = json_get(list, "items");
        name[0] = '\0';
        for (size_t i = 0; i < json_array_count(items) && !name[0]; i++)
            if (str_eq(json_string(json_at(json_array_at(items, i), "status.phase"), ""), phase))
                (void)str_copy(name, sizeof(name), json_string(json_at(json_array_at(items, i), "metadata.name"), ""));
        json_free(list);
        if (name[0])
            return name;
        cr_assert(sim_world_step(&s->world, end_ns), "no Recommendation came to be %s", phase);
    }
}

static const char *phase_of(struct scenario *s, const char *name) {
    return sim_world_field(&s->world, OBJECT_RECOMMENDATION, "default", name, "status.phase");
}

static void decide(struct scenario *s, const char *name, const char *spec) {
    char *patch = mem_printf("{\"spec\":%s}", spec);
    sim_world_patch(&s->world, OBJECT_RECOMMENDATION, "default", name, patch);
    mem_free(patch);
}

/* ---- 2: inside the limits ---- */

Test(sim_invariants, growth_ignores_cooldown_and_concurrency_shrinking_does_not) {
    struct scenario s;
    begin(&s, NULL, SHRINKS);
    patch_policy(&s, "web", "{\"spec\":{\"disruption\":{\"cooldown\":\"6h\",\"maxChangePercent\":25}}}");
    sim_world_run(&s.world, 10 * SIM_MINUTE);
    int64_t size = scenario_size(&s, "web-a");
    cr_assert_eq(size, 4, "one step of 25 %%, and then the cooldown");
    sim_world_run(&s.world, 2 * SIM_HOUR);
    cr_assert_eq(scenario_size(&s, "web-a"), size, "the cooldown holds the next step");
    for (size_t i = 0; i < SCENARIO_POINTS; i++) /* A surge, from now on. */
        s.demand[0].values[i] = 24;
    sim_world_run(&s.world, 15 * SIM_MINUTE);
    cr_assert_gt(scenario_size(&s, "web-a"), 10, "growth does not wait for the cooldown");
    scenario_check(&s);
    scenario_stop(&s);
}

Test(sim_invariants, maximum_change_holds_for_each_step_of_shrinking) {
    struct scenario s;
    begin(&s, NULL, SHRINKS);
    patch_policy(&s, "web", "{\"spec\":{\"disruption\":{\"maxChangePercent\":10}}}");
    scenario_settle(&s, 12 * SIM_HOUR);
    size_t steps = 0;
    for (size_t i = 0; i < EFFECTS(&s); i++) {
        const struct sim_effect *e = &s.world.cloud.effects[i];
        if (!str_eq(e->group, "web-a"))
            continue;
        cr_assert_eq(e->before - e->after, 1, "10 %% of 6, rounded up, is one");
        cr_assert(steps == 0 || e->at_ns > 2 * SIM_MINUTE);
        steps++;
    }
    cr_assert_geq(steps, 2);
    scenario_stop(&s);
}

/* ---- 3: never on a partial world ---- */

Test(sim_invariants, nothing_shrinks_on_a_cut_listing_but_what_is_in_it_grows) {
    struct scenario s;
    begin(&s, NULL, SHRINKS);
    s.world.cloud.truncate_at = 2; /* api and web-a; web-b is cut off. */
    sim_world_run(&s.world, SIM_HOUR);
    cr_assert_eq(EFFECTS(&s), 0);
    cr_assert_str_eq(sim_world_condition(&s.world, OBJECT_POLICY, "default", "web", "Observed"), "False");
    for (size_t i = 0; i < SCENARIO_POINTS; i++)
        s.demand[0].values[i] = GROWS;
    size_t lists = s.world.cloud.list_count;
    sim_world_run(&s.world, SIM_HOUR);
    cr_assert_gt(scenario_size(&s, "web-a"), 10);
    cr_assert_eq(scenario_open(&s), 0);
    cr_assert_lt(s.world.cloud.list_count - lists, 120, "it lists without pause");
    scenario_stop(&s);
}

Test(sim_invariants, nothing_shrinks_while_listings_fail) {
    struct scenario s;
    begin(&s, NULL, GROWS);
    scenario_settle(&s, 3 * SIM_HOUR);
    size_t effects = EFFECTS(&s);
    for (size_t i = 0; i < SCENARIO_POINTS; i++)
        s.demand[0].values[i] = SHRINKS;
    sim_cloud_faults(&s.world.cloud, (struct sim_faults){.error_per_mille = 1000});
    sim_world_run(&s.world, 12 * SIM_HOUR);
    cr_assert_eq(EFFECTS(&s), effects);
    cr_assert_str_eq(sim_world_condition(&s.world, OBJECT_PROVIDER, "default", "sim", "Ready"), "False");
    cr_assert_str_eq(sim_world_condition(&s.world, OBJECT_PROVIDER, "default", "sim", "Observed"), "False");
    sim_cloud_faults(&s.world.cloud, (struct sim_faults){0});
    sim_world_run(&s.world, 6 * SIM_HOUR);
    cr_assert_gt(EFFECTS(&s), effects, "it goes on when the cloud is back");
    cr_assert_str_eq(sim_world_condition(&s.world, OBJECT_PROVIDER, "default", "sim", "Observed"), "True");
    scenario_stop(&s);
}

Test(sim_invariants, prices_of_a_list_that_has_grown_old_are_said_to_be_old_and_planned_with) {
    struct scenario s;
    begin(&s, NULL, GROWS);
    scenario_settle(&s, 3 * SIM_HOUR);
    cr_assert_str_eq(sim_world_condition(&s.world, OBJECT_PROVIDER, "default", "sim", "PricesCurrent"), "False");
    cr_assert_str_eq(sim_world_condition(&s.world, OBJECT_PROVIDER, "default", "sim", "Ready"), "True");
    cr_assert_gt(EFFECTS(&s), 0);
    scenario_stop(&s);
}

/* ---- 4: only what is selected, and only with permission ---- */

Test(sim_invariants, two_policies_on_one_group_neither_acts_and_both_are_stalled) {
    struct scenario s;
    begin(&s, NULL, GROWS);
    scenario_policy(&s, "rival", "web", "Enforce", 1, 30);
    sim_world_run(&s.world, SIM_HOUR);
    cr_assert_eq(scenario_size(&s, "web-a"), 6);
    cr_assert_str_eq(sim_world_condition(&s.world, OBJECT_POLICY, "default", "web", "Stalled"), "True");
    cr_assert_str_eq(sim_world_condition(&s.world, OBJECT_POLICY, "default", "rival", "Stalled"), "True");
    cr_assert_str_eq(reason_of(&s, "web"), "SelectedTwice");
    sim_world_delete(&s.world, OBJECT_POLICY, "default", "rival");
    scenario_settle(&s, 3 * SIM_HOUR);
    cr_assert_gt(scenario_size(&s, "web-a"), 6, "the conflict is over");
    scenario_stop(&s);
}

/* At every step between the plan and the effect, a rival appears: the effect comes only if it was sent before. */
static bool late_change(size_t steps, void (*change)(struct scenario *s), uint64_t for_ns) {
    struct scenario s;
    begin(&s, NULL, GROWS);
    (void)await_phase(&s, "Approved", SIM_HOUR);
    for (size_t i = 0; i < steps; i++)
        cr_assert(sim_world_step(&s.world, SIM_HOUR));
    bool sent = s.world.cloud.apply_count > 0;
    change(&s);
    sim_world_run(&s.world, for_ns);
    cr_assert_eq(scenario_size(&s, "web-a") > 6, sent, "after %zu steps: an effect was sent after it was forbidden",
                 steps);
    for (size_t i = 0; i < EFFECTS(&s); i++)
        cr_assert_str_neq(s.world.cloud.effects[i].group, sent ? "" : "web-a");
    scenario_stop(&s);
    return sent;
}

static void sweep(void (*change)(struct scenario *s), uint64_t for_ns) {
    size_t steps = 0;
    while (!late_change(steps, change, for_ns))
        cr_assert_lt(++steps, 500);
    cr_assert_gt(steps, 3, "there was no time for the change");
}

static void rival_comes(struct scenario *s) {
    scenario_policy(s, "rival", "web", "Observe", 1, 30);
}
static void mode_becomes_observe(struct scenario *s) {
    patch_policy(s, "web", "{\"spec\":{\"mode\":\"Observe\"}}");
}
static void selector_moves(struct scenario *s) {
    patch_policy(s, "web", "{\"spec\":{\"selector\":{\"tags\":{\"app\":\"none\"}}}}");
}
static void policy_is_suspended(struct scenario *s) {
    patch_policy(s, "web", "{\"spec\":{\"suspend\":true}}");
}
static void namespace_is_suspended(struct scenario *s) {
    sim_world_patch(&s->world, OBJECT_NAMESPACE, "", "default",
                    "{\"metadata\":{\"annotations\":{\"trimtab.dev/suspend\":\"true\"}}}");
}
static void provider_is_suspended(struct scenario *s) {
    sim_world_patch(&s->world, OBJECT_PROVIDER, "default", "sim",
                    "{\"metadata\":{\"annotations\":{\"trimtab.dev/suspend\":\"true\"}}}");
}
static void policy_goes(struct scenario *s) {
    sim_world_delete(&s->world, OBJECT_POLICY, "default", "web");
}
static void provider_goes(struct scenario *s) {
    sim_world_delete(&s->world, OBJECT_PROVIDER, "default", "sim");
}

Test(sim_invariants, a_rival_that_comes_late_still_stops_what_was_not_sent, .timeout = 120) {
    sweep(rival_comes, 20 * SIM_MINUTE);
}
Test(sim_invariants, mode_observe_stops_what_was_not_sent, .timeout = 120) {
    sweep(mode_becomes_observe, 20 * SIM_MINUTE);
}
Test(sim_invariants, a_selector_that_moves_away_stops_what_was_not_sent, .timeout = 120) {
    sweep(selector_moves, 20 * SIM_MINUTE);
}
Test(sim_invariants, suspend_on_the_policy_stops_what_was_not_sent, .timeout = 120) {
    sweep(policy_is_suspended, 20 * SIM_MINUTE);
}
Test(sim_invariants, suspend_on_the_namespace_stops_what_was_not_sent, .timeout = 120) {
    sweep(namespace_is_suspended, 20 * SIM_MINUTE);
}
Test(sim_invariants, suspend_on_the_provider_stops_what_was_not_sent, .timeout = 120) {
    sweep(provider_is_suspended, 20 * SIM_MINUTE);
}
Test(sim_invariants, a_policy_that_is_deleted_sends_no_more, .timeout = 120) {
    sweep(policy_goes, 20 * SIM_MINUTE);
}
Test(sim_invariants, a_provider_that_is_deleted_gets_no_more, .timeout = 120) {
    sweep(provider_goes, 20 * SIM_MINUTE);
}

/* ---- a tenant on a shared Provider ---- */

static void namespace_label(struct scenario *s, const char *team) {
    char *text = mem_printf("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"shop\","
                            "\"labels\":{\"team\":\"%s\"}}}",
                            team);
    sim_world_apply(&s->world, text);
    mem_free(text);
}

/* The policy web lives in shop, which may use what bears the tag. */
static void begin_shared(struct scenario *s, const char *tag) {
    begin(s, NULL, GROWS);
    sim_world_delete(&s->world, OBJECT_POLICY, "default", "web");
    char *sharing = mem_printf("{\"spec\":{\"sharing\":[{\"namespaceSelector\":{\"matchLabels\":{\"team\":\"shop\"}},"
                               "\"requireTags\":{\"app\":\"%s\"}}]}}",
                               tag);
    sim_world_patch(&s->world, OBJECT_PROVIDER, "default", "sim", sharing);
    mem_free(sharing);
    namespace_label(s, "shop");
    sim_world_apply(&s->world,
                    "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"ResourcePolicy\",\"metadata\":{\"name\":"
                    "\"web\",\"namespace\":\"shop\"},\"spec\":{\"selector\":{\"providers\":[\"default/sim\"],"
                    "\"kinds\":[\"InstanceGroup\"],\"tags\":{\"app\":\"web\"}},\"mode\":\"Enforce\",\"actions\":"
                    "[\"Scale\"],\"capacity\":{\"min\":4,\"max\":24}}}");
}

Test(sim_invariants, a_tenant_acts_on_what_its_owner_shares_and_on_nothing_else) {
    struct scenario s;
    begin_shared(&s, "web");
    sim_world_run(&s.world, 20 * SIM_MINUTE);
    cr_assert_gt(scenario_size(&s, "web-a"), 6);
    scenario_stop(&s);
    begin_shared(&s, "other");
    sim_world_run(&s.world, 20 * SIM_MINUTE);
    cr_assert_eq(scenario_size(&s, "web-a"), 6);
    scenario_stop(&s);
}

Test(sim_invariants, sharing_that_is_revoked_stops_what_was_not_sent, .timeout = 120) {
    for (size_t steps = 0, sent = 0; !sent; steps++) {
        struct scenario s;
        begin_shared(&s, "web");
        (void)await_phase(&s, "Approved", SIM_HOUR);
        for (size_t i = 0; i < steps; i++)
            cr_assert(sim_world_step(&s.world, SIM_HOUR));
        sent = s.world.cloud.apply_count;
        namespace_label(&s, "elsewhere");
        sim_world_run(&s.world, 20 * SIM_MINUTE);
        cr_assert(sent || scenario_size(&s, "web-a") == 6, "after %zu steps", steps);
        scenario_stop(&s);
    }
}

Test(sim_invariants, a_lower_maximum_stops_what_was_not_sent, .timeout = 120) {
    bool sent = false;
    for (size_t steps = 0; !sent; steps++) {
        struct scenario s;
        begin(&s, NULL, GROWS);
        (void)await_phase(&s, "Approved", SIM_HOUR);
        for (size_t i = 0; i < steps; i++)
            cr_assert(sim_world_step(&s.world, SIM_HOUR));
        sent = s.world.cloud.apply_count > 0;
        patch_policy(&s, "web", "{\"spec\":{\"capacity\":{\"min\":4,\"max\":12}}}");
        for (int minute = 0; minute < 20; minute++) {
            sim_world_run(&s.world, SIM_MINUTE);
            cr_assert(sent || scenario_size(&s, "web-a") + scenario_size(&s, "web-b") <= 12, "after %zu steps", steps);
        }
        scenario_stop(&s);
    }
}

Test(sim_invariants, nothing_grows_while_what_another_provider_holds_is_not_known) {
    struct scenario s;
    begin(&s, NULL, GROWS);
    sim_world_apply(&s.world,
                    "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"Provider\",\"metadata\":{\"name\":\"late\","
                    "\"namespace\":\"default\"},\"spec\":{\"type\":\"simulated\",\"regions\":[\"us-east-1\"],"
                    "\"simulated\":{\"faults\":{\"latency\":\"30m\"},\"groups\":[{\"name\":\"web-c\",\"region\":"
                    "\"us-east-1\",\"instanceType\":\"m5.xlarge\",\"count\":10,\"min\":1,\"max\":30,"
                    "\"tags\":{\"app\":\"web\"}}]}}}");
    const char *name = await_phase(&s, "Approved", SIM_HOUR);
    patch_policy(&s, "web", "{\"spec\":{\"selector\":{\"providers\":[\"sim\",\"late\"]}}}");
    sim_world_run(&s.world, 20 * SIM_MINUTE);
    cr_assert_str_eq(reason_of(&s, "web"), "Listing");
    cr_assert_str_eq(phase_of(&s, name), "Approved");
    cr_assert_eq(EFFECTS(&s), 0);
    scenario_stop(&s);
}

/* ---- 9: stop means stop, and resume resumes ---- */

static void resume(struct scenario *s, enum object_kind kind, const char *namespace, const char *name) {
    sim_world_patch(&s->world, kind, namespace, name,
                    "{\"metadata\":{\"annotations\":{\"trimtab.dev/suspend\":null}}}");
    scenario_settle(s, 2 * SIM_HOUR);
    cr_assert_gt(scenario_size(s, "web-a"), 6);
    scenario_stop(s);
}

Test(sim_invariants, a_namespace_resumes) {
    struct scenario s;
    begin(&s, NULL, GROWS);
    namespace_is_suspended(&s);
    sim_world_run(&s.world, SIM_HOUR);
    cr_assert_eq(EFFECTS(&s), 0);
    cr_assert_str_eq(reason_of(&s, "web"), "Suspended");
    resume(&s, OBJECT_NAMESPACE, "", "default");
}

Test(sim_invariants, a_policy_resumes) {
    struct scenario s;
    begin(&s, NULL, GROWS);
    sim_world_patch(&s.world, OBJECT_POLICY, "default", "web",
                    "{\"metadata\":{\"annotations\":{\"trimtab.dev/suspend\":\"true\"}}}");
    sim_world_run(&s.world, SIM_HOUR);
    cr_assert_eq(scenario_size(&s, "web-a"), 6);
    resume(&s, OBJECT_POLICY, "default", "web");
}

Test(sim_invariants, a_provider_resumes) {
    struct scenario s;
    begin(&s, NULL, GROWS);
    provider_is_suspended(&s);
    sim_world_run(&s.world, SIM_HOUR);
    cr_assert_eq(EFFECTS(&s), 0);
    resume(&s, OBJECT_PROVIDER, "default", "sim");
}

/* ---- decisions ---- */

Test(sim_invariants, observe_never_acts) {
    struct scenario s;
    begin(&s, "Observe", GROWS);
    sim_world_run(&s.world, 6 * SIM_HOUR);
    cr_assert_eq(s.world.cloud.apply_count, 0);
    cr_assert_eq(scenario_count(&s, ""), 0);
    cr_assert_str_eq(reason_of(&s, "web"), "Observing");
    scenario_stop(&s);
}

Test(sim_invariants, recommend_waits_for_a_decision_and_then_acts) {
    struct scenario s;
    begin(&s, "Recommend", GROWS);
    const char *name = await_phase(&s, "Pending", SIM_HOUR);
    sim_world_run(&s.world, 6 * SIM_HOUR);
    cr_assert_eq(s.world.cloud.apply_count, 0);
    cr_assert_str_eq(phase_of(&s, name), "Pending", "a plan that stays the same keeps its Recommendation");
    decide(&s, name, "{\"decision\":\"Approved\"}");
    sim_world_run(&s.world, 10 * SIM_MINUTE);
    cr_assert_str_eq(phase_of(&s, name), "Succeeded");
    cr_assert_eq(EFFECTS(&s), 1);
    scenario_stop(&s);
}

Test(sim_invariants, what_is_rejected_is_not_proposed_again) {
    struct scenario s;
    begin(&s, "Recommend", GROWS);
    const char *name = await_phase(&s, "Pending", SIM_HOUR);
    decide(&s, name, "{\"decision\":\"Rejected\",\"feedback\":{\"reason\":\"TooRisky\"}}");
    sim_world_run(&s.world, 6 * SIM_HOUR);
    cr_assert_str_eq(phase_of(&s, name), "Rejected");
    cr_assert_eq(scenario_count(&s, "Pending"), 0);
    /* Another change is proposed meanwhile, then the first is wanted again. */
    for (size_t i = 0; i < SCENARIO_POINTS; i++)
        s.demand[0].values[i] = 21;
    sim_world_run(&s.world, SIM_HOUR);
    cr_assert_eq(scenario_count(&s, "Pending"), 1);
    for (size_t i = 0; i < SCENARIO_POINTS; i++)
        s.demand[0].values[i] = GROWS;
    sim_world_run(&s.world, 24 * SIM_HOUR);
    cr_assert_eq(scenario_count(&s, "Pending"), 0, "the rejected change came back");
    cr_assert_eq(s.world.cloud.apply_count, 0);
    scenario_stop(&s);
}

Test(sim_invariants, what_is_snoozed_comes_back) {
    struct scenario s;
    begin(&s, "Recommend", GROWS);
    const char *name = await_phase(&s, "Pending", SIM_HOUR);
    decide(&s, name, "{\"decision\":\"Snoozed\",\"snoozeUntil\":\"2026-09-28T03:00:00Z\"}");
    sim_world_run(&s.world, 2 * SIM_HOUR);
    cr_assert_str_eq(phase_of(&s, name), "Snoozed");
    sim_world_run(&s.world, 90 * SIM_MINUTE);
    cr_assert_str_eq(phase_of(&s, name), "Pending");
    cr_assert_eq(s.world.cloud.apply_count, 0);
    scenario_stop(&s);
}

/* ---- the world changes under way ---- */

Test(sim_invariants, a_policy_that_is_deleted_and_made_again_acts_again) {
    struct scenario s;
    begin(&s, NULL, GROWS);
    s.world.cloud.takes_tokens = true;
    scenario_settle(&s, 2 * SIM_HOUR);
    int64_t size = scenario_size(&s, "web-a");
    sim_world_delete(&s.world, OBJECT_POLICY, "default", "web");
    sim_world_run(&s.world, 5 * SIM_MINUTE);
    sim_cloud_set_size(&s.world.cloud, "default/sim", "web-a", 6);
    sim_world_run(&s.world, 5 * SIM_MINUTE);
    cr_assert_eq(scenario_size(&s, "web-a"), 6);
    scenario_policy(&s, "web", "web", "Enforce", 4, 24);
    sim_world_run(&s.world, 10 * SIM_MINUTE);
    cr_assert_eq(scenario_size(&s, "web-a"), size);
    cr_assert_eq(scenario_count(&s, "Failed"), 0);
    scenario_stop(&s);
}

Test(sim_invariants, a_provider_that_is_deleted_leaves_nothing_open) {
    for (int phase = 0; phase < 3; phase++) {
        static const char *const phases[] = {"Approved", "Running", "Verifying"};
        struct scenario s;
        begin(&s, NULL, GROWS);
        (void)await_phase(&s, phases[phase], SIM_HOUR);
        provider_goes(&s);
        sim_world_run(&s.world, 10 * SIM_MINUTE);
        cr_assert_eq(scenario_open(&s), 0, "deleted in %s", phases[phase]);
        cr_assert_str_eq(reason_of(&s, "web"), "ProviderNotFound");
        scenario_stop(&s);
    }
}

Test(sim_invariants, a_group_that_is_deleted_in_the_cloud_ends_its_recommendation) {
    for (int phase = 0; phase < 3; phase++) {
        static const char *const phases[] = {"Approved", "Running", "Verifying"};
        struct scenario s;
        begin(&s, NULL, GROWS);
        (void)await_phase(&s, phases[phase], SIM_HOUR);
        sim_cloud_delete_group(&s.world.cloud, "default/sim", "web-a");
        sim_world_run(&s.world, 30 * SIM_MINUTE);
        cr_assert_eq(scenario_open(&s), 0, "deleted in %s", phases[phase]);
        cr_assert_str_eq(sim_world_field(&s.world, OBJECT_POLICY, "default", "web", "status.resources"), "1");
        scenario_stop(&s);
    }
}

Test(sim_invariants, somebody_else_changes_the_size_under_way) {
    for (int phase = 0; phase < 3; phase++) {
        static const char *const phases[] = {"Approved", "Running", "Verifying"};
        struct scenario s;
        begin(&s, NULL, GROWS);
        (void)await_phase(&s, phases[phase], SIM_HOUR);
        sim_cloud_set_size(&s.world.cloud, "default/sim", "web-a", 9);
        scenario_settle(&s, 3 * SIM_HOUR);
        cr_assert_gt(scenario_size(&s, "web-a"), 10, "in %s", phases[phase]);
        scenario_stop(&s);
    }
}

Test(sim_invariants, an_invalid_policy_says_so_and_the_others_go_on) {
    struct scenario s;
    begin(&s, NULL, GROWS);
    sim_world_apply(&s.world, "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"ResourcePolicy\",\"metadata\":"
                              "{\"name\":\"orphan\",\"namespace\":\"default\"},\"spec\":{\"selector\":{\"providers\":"
                              "[\"nowhere\"],\"kinds\":[\"InstanceGroup\"]},\"mode\":\"Enforce\",\"actions\":"
                              "[\"Scale\"]}}");
    scenario_settle(&s, 3 * SIM_HOUR);
    cr_assert_gt(scenario_size(&s, "web-a"), 10);
    cr_assert_str_eq(reason_of(&s, "orphan"), "ProviderNotFound");
    cr_assert_str_eq(sim_world_condition(&s.world, OBJECT_POLICY, "default", "orphan", "Stalled"), "True");
    scenario_stop(&s);
}

/* ---- time ---- */

static void with_clock_step(int64_t by_ms, const char *phase) {
    struct scenario s;
    begin(&s, NULL, GROWS);
    (void)await_phase(&s, phase, SIM_HOUR);
    sim_world_step_wall(&s.world, by_ms);
    sim_world_run(&s.world, 10 * SIM_MINUTE);
    cr_assert_gt(scenario_size(&s, "web-a"), 10, "%s, %lld ms: growth waits for the clock", phase, (long long)by_ms);
    scenario_settle(&s, 6 * SIM_HOUR);
    scenario_stop(&s);
}

Test(sim_invariants, the_wall_clock_steps_by_an_hour, .timeout = 60) {
    static const char *const phases[] = {"Approved", "Running", "Verifying", "Succeeded"};
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        with_clock_step(3600000, phases[i]);
        with_clock_step(-3600000, phases[i]);
    }
}

Test(sim_invariants, a_retry_does_not_wait_for_a_wall_clock_that_was_set_back) {
    struct scenario s;
    begin(&s, NULL, GROWS);
    s.world.cloud.apply_error = (struct error){.class = ERR_THROTTLED, .message = "slow down"};
    s.world.cloud.apply_error_count = 1;
    while (s.world.cloud.apply_error_count > 0)
        cr_assert(sim_world_step(&s.world, SIM_HOUR));
    sim_world_run(&s.world, SIM_SECOND);
    sim_world_step_wall(&s.world, -3600000);
    sim_world_run(&s.world, 2 * SIM_MINUTE);
    cr_assert_gt(scenario_size(&s, "web-a"), 10);
    scenario_stop(&s);
}

/* ---- failures of effects ---- */

Test(sim_invariants, a_drought_of_capacity_fails_with_back_off_and_ends_with_the_drought) {
    struct scenario s;
    begin(&s, NULL, GROWS);
    sim_cloud_capacity(&s.world.cloud, "default/sim", 0);
    sim_world_run(&s.world, 4 * SIM_HOUR);
    cr_assert_gt(scenario_count(&s, "Failed"), 2);
    cr_assert_lt(s.world.cloud.apply_count, 16, "1, 2, 4... minutes, an hour at most");
    cr_assert_eq(scenario_open(&s), 0);
    sim_cloud_capacity(&s.world.cloud, "default/sim", -1);
    scenario_settle(&s, 2 * SIM_HOUR);
    cr_assert_gt(scenario_size(&s, "web-a"), 10);
    scenario_stop(&s);
}

Test(sim_invariants, what_is_refused_for_good_is_told_and_not_repeated) {
    struct scenario s;
    begin(&s, NULL, GROWS);
    s.world.cloud.apply_error = (struct error){.class = ERR_PERMISSION, .code = "AccessDenied", .message = "no"};
    s.world.cloud.apply_error_count = 1;
    const char *name = await_phase(&s, "Failed", SIM_HOUR);
    cr_assert_eq(s.world.cloud.apply_count, 1);
    cr_assert_str_eq(sim_world_field(&s.world, OBJECT_RECOMMENDATION, "default", name, "status.message"), "no");
    scenario_settle(&s, SIM_HOUR);
    cr_assert_eq(s.world.cloud.apply_count, 2, "a new attempt after the back-off");
    scenario_stop(&s);
}
