/*
 * The stages of a cycle as one function: the same snapshot gives the same plan, also when it has been through a file;
 * and who may use which Provider.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "loop/evaluate.h"
#include "observe/snapshot_json.h"

#define STEP_MS INT64_C(300000)
#define SAMPLES 4032 /* 14 days */
#define START_MS (STEP_MS * 5900000)

static float demand[SAMPLES];

static struct policy policy_make(void) {
    struct policy policy = {.mode = MODE_ENFORCE, .actions = 1u << ACTION_SCALE};
    policy.sla.target_utilization_percent = 65;
    policy.sla.max_violation_per_mille = 10;
    policy.sla.lead_time_ms = 2 * STEP_MS;
    policy.capacity.max = INT64_MAX;
    policy.disruption.max_change_percent = 25;
    policy.disruption.max_concurrent = 1;
    return policy;
}

static const struct snapshot_source source = {
    .provider = "p/a", .region = "r", .kind = CLOUD_INSTANCE_GROUP, .message = ""};

/* A day's wave, with a gap. */
static struct snapshot_resource resource_make(void) {
    for (size_t i = 0; i < SAMPLES; i++)
        demand[i] = i > 100 && i < 130 ? NAN : (float)(20 + 9.7 * sin((double)i * 2 * 3.14159265 / 288));
    return (struct snapshot_resource){
        .provider = "p/a",
        .resource = {.kind = CLOUD_INSTANCE_GROUP,
                     .state = CLOUD_RUNNING,
                     .region = "r",
                     .zone = "",
                     .id = "web",
                     .name = "web",
                     .type = "m5.large",
                     .count = 40,
                     .count_max = 60,
                     .serving = 40,
                     .vcpu_milli = 2000,
                     .memory_mib = 8192},
        .has_offer = true,
        .offer = {.region = "r", .type = "m5.large", .price_hourly = 96000, .source = "test"},
        .history = {.start_ms = START_MS, .step_ms = STEP_MS, .count = SAMPLES, .demand = demand},
        .capacity_per_machine = 2000,
    };
}

static char *plan_text(const struct policy *policy, const struct snapshot *snapshot) {
    struct plan_input input = {.policy = policy, .snapshot = snapshot};
    struct arena arena = {0};
    struct plan plan = {0};
    struct buf out = {0};
    evaluate_policy(&input, NULL, &arena, &plan);
    cr_assert_not_null(input.forecasts);
    plan_print_json(&plan, &out);
    arena_release(&arena);
    return buf_take(&out);
}

Test(evaluate, a_snapshot_gives_the_same_plan_after_it_has_been_through_json) {
    struct policy policy = policy_make();
    struct snapshot_resource resource = resource_make();
    struct snapshot back, snapshot = {.as_of_ms = START_MS + SAMPLES * STEP_MS + 1234,
                                      .sources = &source,
                                      .source_count = 1,
                                      .resources = &resource,
                                      .resource_count = 1};
    struct buf text = {0};
    struct json_writer w = {.out = &text};
    struct arena arena = {0};
    struct json *json;
    struct error err;
    snapshot_print_json(&snapshot, &w);
    cr_assert_eq(json_parse(buf_bytes(&text), &json, &err), ERR_NONE);
    cr_assert_eq(snapshot_read_json(json, &arena, &back, &err), ERR_NONE);
    char *before = plan_text(&policy, &snapshot), *after = plan_text(&policy, &back);
    cr_assert_str_eq(before, after);
    cr_assert(strstr(before, "\"action\":\"Scale\""), "%s", before);
    mem_free(before);
    mem_free(after);
    json_free(json);
    buf_release(&text);
    arena_release(&arena);
}

Test(evaluate, a_plan_depends_on_the_time_of_its_snapshot_alone) {
    struct policy policy = policy_make();
    struct snapshot_resource resource = resource_make();
    struct snapshot snapshot = {.as_of_ms = START_MS + SAMPLES * STEP_MS,
                                .sources = &source,
                                .source_count = 1,
                                .resources = &resource,
                                .resource_count = 1};
    char *first = plan_text(&policy, &snapshot), *second = plan_text(&policy, &snapshot);
    cr_assert_str_eq(first, second);
    snapshot.as_of_ms += INT64_C(3600000) * 6; /* Six hours of the wave later. */
    char *later = plan_text(&policy, &snapshot);
    cr_assert_str_neq(first, later);
    mem_free(first);
    mem_free(second);
    mem_free(later);
}

/* What the plan wants of a group whose history ends now, with an event of the past and one that is to come. */
static double demand_with(const struct policy_event *events, size_t count) {
    struct policy policy = policy_make();
    policy.forecast.events = events;
    policy.forecast.event_count = count;
    struct snapshot_resource resources[2] = {resource_make(), resource_make()};
    resources[1].resource.id = "later"; /* Its history is half as long. */
    resources[1].history.start_ms += SAMPLES / 2 * STEP_MS;
    resources[1].history.demand += SAMPLES / 2;
    resources[1].history.count -= SAMPLES / 2;
    for (size_t i = 0; i < count; i++)
        for (size_t s = 0; s < SAMPLES; s++) {
            int64_t at_ms = START_MS + (int64_t)s * STEP_MS;
            if (at_ms >= events[i].start_ms && at_ms < events[i].start_ms + events[i].duration_ms)
                demand[s] *= (float)events[i].factor_percent / 100;
        }
    struct snapshot snapshot = {.as_of_ms = START_MS + SAMPLES * STEP_MS,
                                .sources = &source,
                                .source_count = 1,
                                .resources = resources,
                                .resource_count = 2};
    struct plan_input input = {.policy = &policy, .snapshot = &snapshot};
    struct arena arena = {0};
    struct plan plan;
    evaluate_policy(&input, NULL, &arena, &plan);
    double web = plan.resources[0].demand, later = plan.resources[1].demand;
    if (plan.resources[0].id[0] != 'w')
        web = plan.resources[1].demand, later = plan.resources[0].demand;
    cr_expect_float_eq(later / web, 1, 0.05, "%g and %g", later, web);
    arena_release(&arena);
    return web;
}

Test(evaluate, declared_events_are_learned_without_and_planned_for) {
    const int64_t end_ms = START_MS + SAMPLES * STEP_MS, hour_ms = 12 * STEP_MS;
    const struct policy_event past = {"past", .start_ms = end_ms - 24 * hour_ms, .duration_ms = 2 * hour_ms,
                                      .factor_percent = 400};
    const struct policy_event next = {"next", .start_ms = end_ms, .duration_ms = hour_ms, .factor_percent = 200};
    const struct policy_event events[] = {past, next};
    double plain = demand_with(NULL, 0);
    cr_expect_float_eq(demand_with(&past, 1), plain, 1e-6 * plain); /* Powers of two: exact in floats. */
    cr_expect_float_eq(demand_with(&next, 1), 2 * plain, 1e-6 * plain);
    cr_expect_float_eq(demand_with(events, 2), 2 * plain, 1e-6 * plain);
}

/* ---- cold start ---- */

#define YOUNG 60 /* Five hours. */

static enum forecast_basis basis_of_young(struct snapshot_resource *resources, size_t count,
                                          const struct snapshot_donor *donors, size_t donor_count, double *ret_noon) {
    struct policy policy = policy_make();
    struct snapshot snapshot = {.as_of_ms = START_MS + SAMPLES * STEP_MS,
                                .sources = &source,
                                .source_count = 1,
                                .resources = resources,
                                .resource_count = count,
                                .donors = donors,
                                .donor_count = donor_count};
    policy.sla.lead_time_ms = 6 * 12 * STEP_MS; /* Six hours: the wave's top is inside. */
    struct plan_input input = {.policy = &policy, .snapshot = &snapshot};
    struct arena arena = {0};
    struct plan plan = {0};
    evaluate_policy(&input, NULL, &arena, &plan);
    const struct forecast *f = &input.forecasts[count - 1];
    enum forecast_basis basis = f->basis;
    *ret_noon = forecast_value(f, 72, 0);
    for (size_t i = 0; i + 1 < count; i++)
        cr_assert_neq(input.forecasts[i].basis, FORECAST_BASIS_POOLED);
    arena_release(&arena);
    return basis;
}

Test(evaluate, a_resource_that_is_new_borrows_from_those_that_are_like_it) {
    static const struct cloud_tag api[] = {{"app", "api"}, {"env", "prod"}},
                                  batch[] = {{"app", "batch"}, {"env", "prod"}};
    static float constant[SAMPLES];
    struct snapshot_resource resources[3] = {resource_make(), resource_make(), resource_make()};
    for (size_t i = 0; i < SAMPLES; i++)
        constant[i] = 12;
    const struct cloud_tag *tags[3] = {api, batch, api};
    const char *ids[3] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++) {
        resources[i].resource.tags = tags[i];
        resources[i].resource.tag_count = 2;
        resources[i].resource.id = ids[i];
    }
    resources[1].history.demand = constant;
    resources[2].history.demand += SAMPLES - YOUNG;
    resources[2].history.start_ms += (SAMPLES - YOUNG) * STEP_MS;
    resources[2].history.count = YOUNG;
    double noon, alone;
    cr_assert_eq(basis_of_young(resources, 3, NULL, 0, &noon), FORECAST_BASIS_POOLED);
    cr_assert_float_eq(noon, 29.7, 1.5, "%g: the wave's top, six hours ahead", noon);
    /* Without the one that is like it: the other does not do what it does, and nothing is borrowed. */
    cr_assert_eq(basis_of_young(resources + 1, 2, NULL, 0, &alone), FORECAST_BASIS_PRIOR);
    resources[0].resource.kind = CLOUD_WORKLOAD;
    struct snapshot_resource pair[2] = {resources[0], resources[2]};
    cr_assert_eq(basis_of_young(pair, 2, NULL, 0, &alone), FORECAST_BASIS_PRIOR, "a workload lends to no group");
}

/* Those of the policy first; where they have nothing to lend, the others of the tenant, with more doubt. */
Test(evaluate, what_the_policy_cannot_lend_other_policies_of_the_tenant_do) {
    static const struct cloud_tag api[] = {{"app", "api"}}, batch[] = {{"app", "batch"}};
    static float constant[SAMPLES], twice[SAMPLES];
    struct snapshot_resource resources[2] = {resource_make(), resource_make()};
    for (size_t i = 0; i < SAMPLES; i++) {
        constant[i] = 12;
        twice[i] = 2 * demand[i];
    }
    resources[0].resource.id = "old";
    resources[1].resource.id = "young";
    resources[1].history.demand += SAMPLES - YOUNG;
    resources[1].history.start_ms += (SAMPLES - YOUNG) * STEP_MS;
    resources[1].history.count = YOUNG;
    struct snapshot_donor donors[2] = {{"p/a", resources[0].resource, resources[0].history},
                                       {"p/a", resources[0].resource, resources[0].history}};
    donors[0].history.demand = constant;
    donors[0].resource.tags = batch;
    donors[1].history.demand = twice;
    donors[1].resource.tags = resources[1].resource.tags = api;
    donors[0].resource.tag_count = donors[1].resource.tag_count = resources[1].resource.tag_count = 1;
    double of_policy, of_tenant, with_both, other;
    cr_assert_eq(basis_of_young(resources, 2, NULL, 0, &of_policy), FORECAST_BASIS_POOLED);
    cr_assert_eq(basis_of_young(resources, 2, donors, 2, &with_both), FORECAST_BASIS_POOLED);
    cr_assert_eq(with_both, of_policy, "the policy's own comes first");
    /* Alone, and beside one that does not do what it does. */
    cr_assert_eq(basis_of_young(resources + 1, 1, NULL, 0, &other), FORECAST_BASIS_PRIOR);
    cr_assert_eq(basis_of_young(resources + 1, 1, donors, 2, &of_tenant), FORECAST_BASIS_POOLED);
    cr_assert_float_eq(of_tenant, of_policy, 1.5, "%g and %g: the wave's top", of_tenant, of_policy);
    resources[0].history.demand = constant;
    cr_assert_eq(basis_of_young(resources, 2, donors, 2, &other), FORECAST_BASIS_POOLED);
    cr_assert_eq(other, of_tenant, "%g and %g", other, of_tenant);
    cr_assert_eq(basis_of_young(resources + 1, 1, donors, 1, &other), FORECAST_BASIS_PRIOR,
                 "a constant refutes itself");
    donors[1].resource.kind = CLOUD_WORKLOAD;
    cr_assert_eq(basis_of_young(resources + 1, 1, donors + 1, 1, &other), FORECAST_BASIS_PRIOR);
}

static const char *refused(const struct object *provider, const struct object *namespace, const char *tenant) {
    const struct object policy = {.namespace = tenant, .name = "web"};
    const struct object_ref ref = {"platform", "aws"};
    const struct evaluate_access access = {&policy, &ref, provider, namespace};
    static struct arena arena;
    struct observe_scope scope;
    struct status_summary why = {.reason = "?"};
    arena_release(&arena);
    return evaluate_scope(&access, &arena, &scope, &why) ? NULL : why.reason;
}

Test(evaluate, a_provider_is_used_only_where_it_exists_is_valid_and_is_shared) {
    const struct tag label = {"team", "shop"};
    const struct provider_sharing sharing = {.namespace_labels = &label, .namespace_label_count = 1};
    const struct provider spec = {.sharing = &sharing, .sharing_count = 1};
    struct object provider = {.namespace = "platform", .name = "aws", .fault = "", .as.provider = &spec};
    const struct object namespace = {.name = "shop", .labels = &label, .label_count = 1};
    cr_assert_str_eq(refused(NULL, NULL, "shop"), "ProviderNotFound");
    cr_assert_str_eq(refused(&provider, NULL, "shop"), "ProviderNotShared");
    cr_assert_null(refused(&provider, &namespace, "shop"));
    cr_assert_null(refused(&provider, NULL, "platform"));
    provider.fault = "spec.type: is required";
    cr_assert_str_eq(refused(&provider, &namespace, "shop"), "ProviderInvalid");
}
