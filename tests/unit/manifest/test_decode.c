/*
 * Decoding of the frame and of every field of every kind, the defaults, and what a fault looks like. Single faults are
 * in tests/data/manifests (test_corpus.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "rig.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

static const struct policy *policy_of(struct rig *rig, const char *spec) {
    rig_spec(rig, "ResourcePolicy", spec);
    cr_assert_str_eq(rig_faults(rig), "");
    cr_assert_eq(rig->object->kind, OBJECT_POLICY);
    return rig->object->as.policy;
}

Test(decode, policy_defaults) {
    struct rig rig;
    const struct policy *policy = policy_of(&rig, "  selector: {providers: [p]}");
    cr_expect_str_eq(rig.object->fault, "");
    cr_expect_not(rig.object->suspended);
    cr_expect_eq(policy->selector.provider_count, 1u);
    cr_expect_str_eq(policy->selector.providers[0].namespace, "checkout");
    cr_expect_str_eq(policy->selector.providers[0].name, "p");
    cr_expect_eq(policy->selector.kinds, 1u << CLOUD_INSTANCE_GROUP);
    cr_expect_eq(policy->selector.tag_count, 0u);
    cr_expect_eq(policy->mode, MODE_RECOMMEND);
    cr_expect_eq(policy->actions, 1u << ACTION_SCALE);
    cr_expect_eq(policy->sla.target_utilization_percent, 65);
    cr_expect_eq(policy->sla.max_violation_per_mille, 1);
    cr_expect_eq(policy->sla.violation_cost, 0);
    cr_expect_eq(policy->sla.lead_time_ms, 10 * MINUTE_MS);
    cr_expect_eq(policy->sla.slot_count, 0u);
    cr_expect_eq(policy->capacity.min, 1);
    cr_expect_eq(policy->capacity.max, INT64_MAX);
    cr_expect_eq(policy->forecast.metric, CLOUD_METRIC_CPU);
    cr_expect_eq(policy->forecast.history_ms, 14 * DAY_MS);
    cr_expect_eq(policy->forecast.horizon_ms, DAY_MS);
    cr_expect_eq(policy->placement.target_count, 0u);
    cr_expect_eq(policy->placement.spread_count, 0u);
    cr_expect_not(policy->placement.has_anti_affinity);
    cr_expect_eq(policy->placement.vcpu_min, 0);
    cr_expect_eq(policy->placement.vcpu_max, 0);
    cr_expect_eq(policy->disruption.window_count, 0u);
    cr_expect_eq(policy->disruption.max_concurrent, 1);
    cr_expect_eq(policy->disruption.max_change_percent, 25);
    cr_expect_eq(policy->disruption.cooldown_ms, 15 * MINUTE_MS);
    cr_expect_eq(policy->disruption.min_saving_percent, 5);
    cr_expect_eq(policy->idle.after_ms, 14 * 24 * HOUR_MS);
    cr_expect_eq(policy->idle.snapshot_age_ms, 90 * 24 * HOUR_MS);
    rig_release(&rig);
}

static const char full_policy[] = "  selector:\n"
                                  "    providers: [platform/aws-prod, lab]\n"
                                  "    kinds: [Instance, Node]\n"
                                  "    tags: {z: '1', app: web, empty: ''}\n"
                                  "  mode: Enforce\n"
                                  "  actions: [Migrate, Snapshot]\n"
                                  "  sla:\n"
                                  "    targetUtilization: 70\n"
                                  "    maxViolationPerMille: 5\n"
                                  "    violationCost: 100\n"
                                  "    leadTime: 1h30m\n"
                                  "    slots: [{schedule: 0 9 * * 1-5, duration: 10h, timeZone: Asia/Shanghai,"
                                  " weight: 5}, {schedule: 0 0 * * 0, duration: 1d}]\n"
                                  "  capacity: {min: 2, max: 60}\n"
                                  "  forecast:\n"
                                  "    metric: memory\n"
                                  "    history: 30d\n"
                                  "    horizon: 6h\n"
                                  "    events:\n"
                                  "    - {name: sale, start: '2026-03-01T10:00:00+08:00', duration: 2h,"
                                  " factorPercent: 300}\n"
                                  "    - {name: batch, schedule: 0 22 * * 0, duration: 3h, timeZone: Europe/Berlin,"
                                  " factorPercent: 50}\n"
                                  "    - {name: night, schedule: 0 0 * * *, duration: 1h, factorPercent: 80}\n"
                                  "  placement:\n"
                                  "    targets:\n"
                                  "    - {provider: platform/aws-prod, region: us-east-1, template: lt-0abc,"
                                  " purchase: [OnDemand, Spot]}\n"
                                  "    - {provider: lab, region: us-central1}\n"
                                  "    - {provider: lab, region: us-west1, purchase: [Spot]}\n"
                                  "    instanceTypes: {architectures: [arm64], vcpu: 2-16, exclude: [t*, '*.metal']}\n"
                                  "    overhead: {cpu: '2', memory: 1Gi, hourlyCost: '0.025'}\n"
                                  "    data: [{from: 's3://web-assets', sizeHint: 200Gi, sync: Continuous},"
                                  " {from: 'gs://b', sizeHint: 5M}]\n"
                                  "    spread: [{topologyKey: Region, maxSkew: 4, minDomains: 2},"
                                  " {topologyKey: Zone, maxSkew: 1}]\n"
                                  "    antiAffinity: {topologyKey: Provider}\n"
                                  "  disruption:\n"
                                  "    windows: [{schedule: 0 2 * * *, duration: 4h, timeZone: Europe/Berlin}]\n"
                                  "    maxConcurrent: 3\n"
                                  "    maxChangePercent: 50\n"
                                  "    cooldown: 0s\n"
                                  "    minSavingPercent: 10\n"
                                  "  suspend: true\n";

Test(decode, policy_selection_and_sla) {
    struct rig rig;
    const struct policy *policy = policy_of(&rig, full_policy);
    cr_expect(rig.object->suspended);
    cr_expect_eq(policy->selector.provider_count, 2u);
    cr_expect_str_eq(policy->selector.providers[0].namespace, "platform");
    cr_expect_str_eq(policy->selector.providers[0].name, "aws-prod");
    cr_expect_str_eq(policy->selector.providers[1].namespace, "checkout");
    cr_expect_eq(policy->selector.kinds, 1u << CLOUD_INSTANCE | 1u << CLOUD_NODE);
    cr_assert_eq(policy->selector.tag_count, 3u); /* Sorted by key. */
    cr_expect_str_eq(policy->selector.tags[0].key, "app");
    cr_expect_str_eq(policy->selector.tags[0].value, "web");
    cr_expect_str_eq(policy->selector.tags[1].key, "empty");
    cr_expect_str_eq(policy->selector.tags[1].value, "");
    cr_expect_str_eq(policy->selector.tags[2].key, "z");
    cr_expect_eq(policy->mode, MODE_ENFORCE);
    cr_expect_eq(policy->actions, 1u << ACTION_MIGRATE | 1u << ACTION_SNAPSHOT);
    cr_expect_eq(policy->sla.target_utilization_percent, 70);
    cr_expect_eq(policy->sla.max_violation_per_mille, 5);
    cr_expect_eq(policy->sla.violation_cost, 100);
    cr_expect_eq(policy->sla.lead_time_ms, 90 * MINUTE_MS);
    cr_assert_eq(policy->sla.slot_count, 2u);
    cr_expect_eq(policy->sla.slots[0].duration_ms, 10 * HOUR_MS);
    cr_expect_eq(policy->sla.slots[0].weight, 5);
    cr_expect_eq(policy->sla.slots[0].schedule.zone, zone_find("Asia/Shanghai"));
    cr_expect_eq(policy->sla.slots[0].schedule.hours, 1u << 9);
    cr_expect_eq(policy->sla.slots[1].weight, 1);
    cr_expect_eq(policy->sla.slots[1].schedule.zone, zone_find("UTC"));
    rig_release(&rig);
}

Test(decode, policy_placement_and_disruption) {
    struct rig rig;
    const struct policy *policy = policy_of(&rig, full_policy);
    cr_expect_eq(policy->capacity.min, 2);
    cr_expect_eq(policy->capacity.max, 60);
    cr_expect_eq(policy->forecast.metric, CLOUD_METRIC_MEMORY);
    cr_expect_eq(policy->forecast.history_ms, 30 * DAY_MS);
    cr_expect_eq(policy->forecast.horizon_ms, 6 * HOUR_MS);
    cr_assert_eq(policy->placement.target_count, 3u);
    const struct policy_target *targets = policy->placement.targets;
    cr_expect_str_eq(targets[0].provider.namespace, "platform");
    cr_expect_str_eq(targets[0].region, "us-east-1");
    cr_expect_str_eq(targets[0].template, "lt-0abc");
    cr_expect(targets[0].on_demand && targets[0].spot);
    cr_expect_null(targets[1].template);
    cr_expect(targets[1].on_demand && !targets[1].spot);
    cr_expect(!targets[2].on_demand && targets[2].spot);
    cr_assert_eq(policy->placement.architecture_count, 1u);
    cr_expect_str_eq(policy->placement.architectures[0], "arm64");
    cr_expect_eq(policy->placement.vcpu_min, 2);
    cr_expect_eq(policy->placement.vcpu_max, 16);
    cr_assert_eq(policy->placement.exclude_count, 2u);
    cr_expect_str_eq(policy->placement.exclude[1], "*.metal");
    cr_expect_eq(policy->placement.overhead.vcpu_milli, 2000);
    cr_expect_eq(policy->placement.overhead.memory_mib, 1024);
    cr_expect_eq(policy->placement.overhead.hourly_cost, 25000);
    cr_assert_eq(policy->placement.spread_count, 2u);
    cr_expect_eq(policy->placement.spreads[0].topology, TOPOLOGY_REGION);
    cr_expect_eq(policy->placement.spreads[0].skew_max, 4);
    cr_expect_eq(policy->placement.spreads[0].domains_min, 2);
    cr_expect_eq(policy->placement.spreads[1].topology, TOPOLOGY_ZONE);
    cr_expect_eq(policy->placement.spreads[1].domains_min, 1);
    cr_expect(policy->placement.has_anti_affinity);
    cr_expect_eq(policy->placement.anti_affinity, TOPOLOGY_PROVIDER);
    cr_assert_eq(policy->placement.data_count, 2u);
    cr_expect_str_eq(policy->placement.data[0].from, "s3://web-assets");
    cr_expect_eq(policy->placement.data[0].size_hint_bytes, INT64_C(200) << 30);
    cr_expect(policy->placement.data[0].continuous);
    cr_expect_eq(policy->placement.data[1].size_hint_bytes, 5000000);
    cr_expect_not(policy->placement.data[1].continuous);
    cr_assert_eq(policy->disruption.window_count, 1u);
    cr_expect_eq(policy->disruption.windows[0].duration_ms, 4 * HOUR_MS);
    cr_expect_eq(policy->disruption.max_concurrent, 3);
    cr_expect_eq(policy->disruption.max_change_percent, 50);
    cr_expect_eq(policy->disruption.cooldown_ms, 0);
    cr_expect_eq(policy->disruption.min_saving_percent, 10);
    rig_release(&rig);
}

Test(decode, policy_events) {
    struct rig rig;
    const struct policy *policy = policy_of(&rig, full_policy);
    cr_assert_eq(policy->forecast.event_count, 3u);
    const struct policy_event *events = policy->forecast.events;
    cr_expect_str_eq(events[0].name, "sale");
    cr_expect_not(events[0].recurs);
    cr_expect_eq(events[0].start_ms, INT64_C(1772330400000)); /* 02:00 in UTC. */
    cr_expect_eq(events[0].duration_ms, 2 * HOUR_MS);
    cr_expect_eq(events[0].factor_percent, 300);
    cr_expect_str_eq(events[1].name, "batch");
    cr_expect(events[1].recurs);
    cr_expect_eq(events[1].schedule.hours, 1u << 22);
    cr_expect_eq(events[1].schedule.zone, zone_find("Europe/Berlin"));
    cr_expect_eq(events[1].duration_ms, 3 * HOUR_MS);
    cr_expect_eq(events[1].factor_percent, 50);
    cr_expect_eq(events[2].schedule.zone, zone_find("UTC"));
    rig_release(&rig);
}

Test(decode, one_vcpu_number_is_a_range_of_one) {
    struct rig rig;
    const struct policy *policy =
        policy_of(&rig, "  selector: {providers: [p]}\n  placement: {instanceTypes: {vcpu: '4'}}");
    cr_expect_eq(policy->placement.vcpu_min, 4);
    cr_expect_eq(policy->placement.vcpu_max, 4);
    rig_release(&rig);
}

/* What the CRD's description allows. */
Test(decode, the_longest_of_idle_can_be_written) {
    struct rig rig;
    const struct policy *policy =
        policy_of(&rig, "  selector: {providers: [p]}\n  idle: {after: 366d, snapshotAge: 3650d}");
    cr_expect_eq(policy->idle.after_ms, 366 * DAY_MS);
    cr_expect_eq(policy->idle.snapshot_age_ms, 3650 * DAY_MS);
    rig_release(&rig);
    rig_spec(&rig, "ResourcePolicy", "  selector: {providers: [p]}\n  idle: {after: 367d, snapshotAge: 23h}");
    cr_expect(strstr(rig_faults(&rig), "it must be 1d to 3650d"), "%s", rig_faults(&rig));
    rig_release(&rig);
}

Test(decode, provider_fields) {
    struct rig rig;
    rig_spec(&rig, "Provider",
             "  type: simulated\n  regions: [us-east-1, eu-west-1]\n"
             "  credentials: {secretRef: {name: keys}}\n  endpoint: https://cloud.example:8443/api\n"
             "  sharing:\n"
             "  - {namespaceSelector: {matchLabels: {team: checkout, b: c}}, requireTags: {team: checkout}}\n"
             "  - {}\n"
             "  limits: {requestsPerSecond: 20}\n"
             "  simulated: {seed: 7, groups: [{name: g, region: us-east-1, instanceType: m5.large, count: 3}]}\n");
    cr_assert_str_eq(rig_faults(&rig), "");
    const struct provider *provider = rig.object->as.provider;
    cr_expect_eq(provider->type, PROVIDER_SIMULATED);
    cr_assert_eq(provider->region_count, 2u);
    cr_expect_str_eq(provider->regions[1], "eu-west-1");
    cr_expect_str_eq(provider->secret_name, "keys");
    cr_expect_str_eq(provider->endpoint, "https://cloud.example:8443/api");
    cr_assert_eq(provider->sharing_count, 2u);
    cr_assert_eq(provider->sharing[0].namespace_label_count, 2u);
    cr_expect_str_eq(provider->sharing[0].namespace_labels[0].key, "b");
    cr_assert_eq(provider->sharing[0].require_tag_count, 1u);
    cr_expect_str_eq(provider->sharing[0].require_tags[0].value, "checkout");
    cr_expect_eq(provider->sharing[1].namespace_label_count, 0u);
    cr_expect_eq(provider->requests_per_second, 20);
    cr_expect_str_eq(provider->parameters_json, "{\"seed\":7,\"groups\":[{\"name\":\"g\",\"region\":\"us-east-1\","
                                                "\"instanceType\":\"m5.large\",\"count\":3}]}");
    cr_expect_str_eq(provider->base_dir, "dir");
    cr_expect_neq(provider->hash, 0u);
    rig_release(&rig);
}

Test(decode, commitments_of_a_provider) {
    struct rig rig;
    rig_spec(&rig, "Provider",
             "  type: aws\n  regions: [us-east-1]\n  commitments:\n"
             "  - {name: ri-1, region: us-east-1, instanceTypes: [m5.*, c5.large], machines: 3}\n"
             "  - {name: cud, region: us-east-1, instanceTypes: ['*'], vcpu: 64, hourlyPrice: '1.97',"
             " endsAt: '2027-03-01T00:00:00Z'}\n");
    cr_assert_str_eq(rig_faults(&rig), "");
    const struct provider *provider = rig.object->as.provider;
    cr_assert_eq(provider->commitment_count, 2u);
    cr_expect_str_eq(provider->commitments[0].id, "ri-1");
    cr_expect_str_eq(provider->commitments[0].region, "us-east-1");
    cr_expect_str_eq(provider->commitments[0].types, "m5.*,c5.large");
    cr_expect_not(provider->commitments[0].is_vcpu);
    cr_expect_eq(provider->commitments[0].amount, 3);
    cr_expect_eq(provider->commitments[0].price_hourly, -1);
    cr_expect_eq(provider->commitments[0].ends_at_ms, 0);
    cr_expect(provider->commitments[1].is_vcpu);
    cr_expect_eq(provider->commitments[1].amount, 64);
    cr_expect_eq(provider->commitments[1].price_hourly, 1970000);
    cr_expect_eq(provider->commitments[1].ends_at_ms, at("2027-03-01T00:00:00Z"));
    rig_release(&rig);
}

Test(decode, provider_defaults_and_hash) {
    struct rig first, second, third;
    rig_spec(&first, "Provider", "  type: aws\n  regions: [us-east-1]\n");
    rig_spec(&second, "Provider", "  regions: [us-east-1]\n  type: aws\n");
    rig_spec(&third, "Provider", "  type: aws\n  regions: [us-east-2]\n");
    const struct provider *provider = first.object->as.provider;
    cr_expect_null(provider->secret_name);
    cr_expect_null(provider->endpoint);
    cr_expect_null(provider->parameters_json);
    cr_expect_eq(provider->requests_per_second, 0);
    cr_expect_eq(provider->sharing_count, 0u);
    cr_expect_eq(provider->hash, second.object->as.provider->hash, "the order of keys does not matter");
    cr_expect_neq(provider->hash, third.object->as.provider->hash);
    rig_release(&first);
    rig_release(&second);
    rig_release(&third);
}

Test(decode, budget_fields) {
    struct rig rig;
    rig_spec(&rig, "Budget",
             "  amount: '12000.50'\n  currency: CNY\n  period: Quarterly\n  timeZone: Asia/Shanghai\n"
             "  start: 2026-01-01\n  parentRef: {name: company}\n"
             "  scope: {providers: [platform/aws-prod, lab], tags: {a: b}, policies: [web],\n"
             "          namespaceSelector: {matchLabels: {team: x}}}\n"
             "  basis: BilledCost\n"
             "  thresholds: [{percent: 80, of: Forecast, effect: Warn},\n"
             "               {percent: 100, of: Actual, effect: ShrinkToMinimum}]\n"
             "  notify: [{webhook: {secretRef: {name: hook}}}]\n  suspend: true\n");
    cr_assert_str_eq(rig_faults(&rig), "");
    const struct budget *budget = rig.object->as.budget;
    cr_expect(rig.object->suspended);
    cr_expect_eq(budget->amount, INT64_C(12000500000));
    cr_expect_str_eq(budget->currency, "CNY");
    cr_expect_eq(budget->period, PERIOD_QUARTERLY);
    cr_expect_str_eq(budget->time_zone, "Asia/Shanghai");
    cr_expect_eq(budget->start_ms, at("2025-12-31T16:00:00Z"));
    cr_expect_str_eq(budget->parent.namespace, "checkout");
    cr_expect_str_eq(budget->parent.name, "company");
    cr_assert_eq(budget->provider_count, 2u);
    cr_expect_str_eq(budget->providers[0].namespace, "platform");
    cr_expect_eq(budget->tag_count, 1u);
    cr_assert_eq(budget->policy_count, 1u);
    cr_expect_str_eq(budget->policies[0], "web");
    cr_expect(budget->has_namespace_selector);
    cr_expect_eq(budget->namespace_label_count, 1u);
    cr_expect_eq(budget->basis, BASIS_BILLED_COST);
    cr_assert_eq(budget->threshold_count, 2u);
    cr_expect_eq(budget->thresholds[0].percent, 80);
    cr_expect_eq(budget->thresholds[0].of, BUDGET_OF_FORECAST);
    cr_expect_eq(budget->thresholds[1].of, BUDGET_OF_ACTUAL);
    cr_expect_eq(budget->thresholds[1].effect, EFFECT_SHRINK_TO_MINIMUM);
    cr_assert_eq(budget->webhook_secret_count, 1u);
    cr_expect_str_eq(budget->webhook_secrets[0], "hook");
    rig_release(&rig);
}

Test(decode, budget_defaults) {
    struct rig rig;
    rig_spec(&rig, "Budget", "  amount: '0.01'\n  currency: USD\n  parentRef: {namespace: platform, name: company}\n");
    const struct budget *budget = rig.object->as.budget;
    cr_expect_eq(budget->amount, 10000);
    cr_expect_eq(budget->period, PERIOD_MONTHLY);
    cr_expect_str_eq(budget->time_zone, "UTC");
    cr_expect_eq(budget->start_ms, 0);
    cr_expect_eq(budget->basis, BASIS_EFFECTIVE_COST);
    cr_expect_eq(budget->threshold_count, 0u);
    cr_expect_not(budget->has_namespace_selector);
    cr_expect_str_eq(budget->parent.namespace, "platform");
    rig_release(&rig);
}

Test(decode, recommendation_of_bounds) {
    struct rig rig;
    rig_spec(&rig, "Recommendation",
             "  policyRef: {name: web}\n  action: Scale\n"
             "  target: {provider: east, region: cluster, kind: Workload, id: shop/Deployment/web}\n"
             "  from: {minCount: 2, maxCount: 10}\n  to: {minCount: 6, maxCount: 12}\n");
    cr_assert_str_eq(rig_faults(&rig), "");
    const struct recommendation *rec = rig.object->as.recommendation;
    cr_expect(rec->is_bounds);
    cr_expect_eq(rec->target.kind, CLOUD_WORKLOAD);
    cr_expect_str_eq(rec->target.id, "shop/Deployment/web");
    cr_expect_eq(rec->from.count, 2);
    cr_expect_eq(rec->to.count, 6);
    cr_expect_eq(rec->from.count_max, 10);
    cr_expect_eq(rec->to.count_max, 12);
    rig_release(&rig);
}

Test(decode, the_block_of_the_type_is_passed_on) {
    static const struct {
        const char *spec, *parameters;
    } rows[] = {
        {"  type: kubernetes\n  kubernetes: {context: a}\n", "{\"context\":\"a\"}"},
        {"  type: aws\n  regions: [r]\n  aws: {focusExport: {bucket: bills}}\n",
         "{\"focusExport\":{\"bucket\":\"bills\"}}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig rig;
        rig_spec(&rig, "Provider", rows[i].spec);
        cr_assert_str_eq(rig_faults(&rig), "");
        cr_expect_str_eq(rig.object->as.provider->parameters_json, rows[i].parameters);
        rig_release(&rig);
    }
}

Test(decode, a_policy_sets_what_nobody_else_does) {
    struct policy policy = {.autoscalers = AUTOSCALERS_ADVISE};
    cr_expect_eq(policy_hold_of(&policy, NULL), POLICY_SETS_COUNT);
    cr_expect_eq(policy_hold_of(&policy, "HorizontalPodAutoscaler/web"), POLICY_ADVISES);
    cr_expect_eq(policy_hold_of(&policy, "argocd-controller"), POLICY_ADVISES);
    policy.autoscalers = AUTOSCALERS_TUNE_BOUNDS;
    cr_expect_eq(policy_hold_of(&policy, NULL), POLICY_SETS_COUNT);
    cr_expect_eq(policy_hold_of(&policy, "HorizontalPodAutoscaler/web"), POLICY_SETS_BOUNDS);
    cr_expect_eq(policy_hold_of(&policy, "ScaledObject/web"), POLICY_SETS_BOUNDS);
    cr_expect_eq(policy_hold_of(&policy, "argocd-controller"), POLICY_ADVISES);
    cr_expect_eq(policy_hold_of(&policy, "HorizontalPodAutoscalerish"), POLICY_ADVISES);
}

Test(decode, recommendation_spec) {
    struct rig rig;
    rig_spec(&rig, "Recommendation",
             "  policyRef: {name: web}\n  action: Scale\n"
             "  target: {provider: lab, region: us-east-1, kind: InstanceGroup, id: 'a group'}\n"
             "  from: {count: 6}\n  to: {count: 4}\n  attempt: 2\n  planHash: 5f1d\n"
             "  decision: Snoozed\n  snoozeUntil: 2030-01-01T00:00:00+08:00\n"
             "  feedback: {reason: TooRisky, note: after the sale}\n");
    cr_assert_str_eq(rig_faults(&rig), "");
    const struct recommendation *rec = rig.object->as.recommendation;
    cr_expect_str_eq(rec->policy_name, "web");
    cr_expect_eq(rec->action, ACTION_SCALE);
    cr_expect_str_eq(rec->target.provider, "checkout/lab");
    cr_expect_str_eq(rec->target.region, "us-east-1");
    cr_expect_eq(rec->target.kind, CLOUD_INSTANCE_GROUP);
    cr_expect_str_eq(rec->target.id, "a group");
    cr_expect_eq(rec->from.count, 6);
    cr_expect_eq(rec->to.count, 4);
    cr_expect_eq(rec->attempt, 2);
    cr_expect_str_eq(rec->plan_hash, "5f1d");
    cr_expect_eq(rec->decision, DECISION_SNOOZED);
    cr_expect_eq(rec->snooze_until_ms, at("2029-12-31T16:00:00Z"));
    cr_expect_str_eq(rec->feedback_reason, "TooRisky");
    cr_expect_str_eq(rec->feedback_note, "after the sale");
    cr_expect_eq(rec->phase, PHASE_NONE);
    cr_expect_null(rec->operation);
    cr_expect_null(rec->saving_text);
    cr_expect_null(rec->why_json);
    cr_expect_eq(rec->risk_per_mille, -1);
    cr_expect_eq(rec->confidence_per_mille, -1);
    cr_expect_eq(rig.object->status_hash, 0u);
    rig_release(&rig);
}

#define REC                                                                                                            \
    "apiVersion: trimtab.dev/v1alpha1\nkind: Recommendation\n"                                                         \
    "metadata: {name: x, namespace: checkout, uid: u-1, resourceVersion: '42', generation: 3,\n"                       \
    "           creationTimestamp: '2026-11-24T10:00:00Z'%s}\n"                                                        \
    "spec:\n  policyRef: {name: web}\n  action: Stop\n"                                                                \
    "  target: {provider: p, region: r, kind: Instance, id: i}\n"

Test(decode, what_a_policys_status_remembers_of_oom_kills) {
    struct rig rig;
    rig_decode(
        &rig,
        "apiVersion: trimtab.dev/v1alpha1\nkind: ResourcePolicy\nmetadata: {name: x, namespace: shop, uid: u-1}\n"
        "spec: {selector: {providers: [p], kinds: [Workload]}, mode: Observe, capacity: {max: 3}}\n"
        "status:\n  memoryRaises:\n"
        "  - {provider: shop/p, region: cluster, kind: Workload, id: shop/Deployment/web, memoryMiB: 2458,\n"
        "     time: '2026-11-24T10:00:00.000000Z'}\n"
        "  - {provider: shop/p, region: cluster, kind: Other, id: a, memoryMiB: 1, time: '2026-11-24T10:00:00Z'}\n"
        "  - {provider: shop/p, region: cluster, kind: Workload, id: a, memoryMiB: 1, time: then}\n"
        "  - {provider: shop/p, region: cluster, kind: Workload, id: a, time: '2026-11-24T10:00:00Z'}\n"
        "  - 7\n",
        &(struct decode_options){0});
    cr_assert_eq(rig.object->raise_count, 1, "what cannot be read is left out");
    const struct object_raise *raise = rig.object->raises;
    cr_expect_str_eq(raise->provider, "shop/p");
    cr_expect_str_eq(raise->region, "cluster");
    cr_expect_str_eq(raise->id, "shop/Deployment/web");
    cr_expect(raise->kind == CLOUD_WORKLOAD && raise->memory_mib == 2458);
    cr_expect_eq(raise->time_ms, at("2026-11-24T10:00:00Z"));
    rig_release(&rig);
}

Test(decode, recommendation_journal_and_frame) {
    struct rig rig;
    char *text = mem_printf(REC "status:\n  observedGeneration: 2\n  phase: Running\n  message: sent\n"
                                "  operation: op-1\n  tries: 2\n  phaseSince: 2026-11-24T10:01:00Z\n"
                                "  finishedAt: 2026-11-24T10:02:00Z\n  extra: {}\n"
                                "  saving: {hourly: '-0.5', monthly: '-365.00', currency: USD}\n"
                                "  risk: '0.007'\n  confidence: '0.900'\n  why: [a, b]\n"
                                "  conditions:\n"
                                "  - {type: Ready, status: 'False', lastTransitionTime: 2026-11-24T10:00:30Z}\n"
                                "  - {type: Stalled, status: 'True'}\n  - {type: Other, status: 'True'}\n"
                                "  - {type: Observed, status: Unknown}\n",
                            ", deletionTimestamp: '2026-11-24T11:00:00Z', annotations: {trimtab.dev/suspend: 'true'}");
    rig_decode(&rig, text, &(struct decode_options){.strict = true});
    mem_free(text);
    cr_assert_str_eq(rig_faults(&rig), "");
    const struct object *object = rig.object;
    cr_expect_str_eq(object->uid, "u-1");
    cr_expect_str_eq(object->resource_version, "42");
    cr_expect_eq(object->generation, 3);
    cr_expect_eq(object->created_at_ms, at("2026-11-24T10:00:00Z"));
    cr_expect(object->deleting);
    cr_expect(object->suspended);
    cr_expect_eq(object->observed_generation, 2);
    cr_expect_neq(object->status_hash, 0); /* Without the condition of another type. */
    cr_expect(object->conditions[CONDITION_READY].present);
    cr_expect_eq(object->conditions[CONDITION_READY].status, CONDITION_FALSE);
    cr_expect_eq(object->conditions[CONDITION_READY].last_transition_s, at("2026-11-24T10:00:30Z") / 1000);
    cr_expect_eq(object->conditions[CONDITION_STALLED].status, CONDITION_TRUE);
    cr_expect_eq(object->conditions[CONDITION_OBSERVED].status, CONDITION_UNKNOWN);
    cr_expect_not(object->conditions[CONDITION_RECONCILING].present);
    const struct recommendation *rec = object->as.recommendation;
    cr_expect_eq(rec->phase, PHASE_RUNNING);
    cr_expect_str_eq(rec->message, "sent");
    cr_expect_str_eq(rec->operation, "op-1");
    cr_expect_eq(rec->tries, 2);
    cr_expect_eq(rec->phase_since_ms, at("2026-11-24T10:01:00Z"));
    cr_expect_eq(rec->finished_at_ms, at("2026-11-24T10:02:00Z"));
    cr_expect_eq(rec->saving_hourly, -500000);
    cr_expect_str_eq(rec->saving_currency, "USD");
    cr_expect_str_eq(rec->saving_text, "{\"hourly\":\"-0.5\",\"monthly\":\"-365.00\",\"currency\":\"USD\"}");
    cr_expect_str_eq(rec->why_json, "[\"a\",\"b\"]");
    cr_expect_eq(rec->risk_per_mille, 7);
    cr_expect_eq(rec->confidence_per_mille, 900);
    rig_release(&rig);
}

Test(decode, a_phase_of_a_newer_version_is_left_alone) {
    struct rig rig;
    char *text = mem_printf(REC "status: {phase: Thinking}\n", "");
    rig_decode(&rig, text, &(struct decode_options){0});
    mem_free(text);
    cr_expect(str_has_prefix(rig.object->fault, "status.phase: \"Thinking\" is a phase that this version"), "%s",
              rig.object->fault);
    rig_release(&rig);
}

Test(decode, the_apis_of_a_providers_status_are_kept_while_they_are_of_this_generation) {
    static const char text[] =
        "apiVersion: trimtab.dev/v1alpha1\nkind: Provider\n"
        "metadata: {name: x, namespace: checkout, generation: %d}\nspec: {type: simulated, regions: [us-east-1]}\n"
        "status: {observedGeneration: 3, apis: [{name: ec2, region: us-east-1, requestsPerSecond: 20, circuit: "
        "Open}]}\n";
    for (int generation = 3; generation <= 4; generation++) {
        struct rig rig;
        char *document = mem_printf(text, generation);
        rig_decode(&rig, document, &(struct decode_options){.strict = true});
        cr_assert_not_null(rig.object);
        cr_assert_eq(rig.object->api_count, generation == 3 ? 1u : 0u);
        if (rig.object->api_count > 0) {
            cr_expect_str_eq(rig.object->apis[0].name, "ec2");
            cr_expect_str_eq(rig.object->apis[0].region, "us-east-1");
            cr_expect_eq(rig.object->apis[0].requests_per_second, 20);
            cr_expect(rig.object->apis[0].is_open);
        }
        mem_free(document);
        rig_release(&rig);
    }
}

Test(decode, a_broken_status_does_not_hinder) {
    struct rig rig;
    char *text = mem_printf(REC "status: {tries: x, saving: [], why: 3, conditions: {}, phaseSince: then, "
                                "observedGeneration: '1', risk: 1.5}\n",
                            "");
    rig_decode(&rig, text, &(struct decode_options){.strict = true});
    mem_free(text);
    cr_expect_str_eq(rig_faults(&rig), "");
    cr_expect_eq(rig.object->as.recommendation->tries, 0);
    cr_expect_eq(rig.object->as.recommendation->risk_per_mille, -1);
    rig_release(&rig);
}

Test(decode, unknown_fields_are_passed_over_unless_strict) {
    static const char text[] = "apiVersion: trimtab.dev/v1alpha1\nkind: Budget\nnew: 1\n"
                               "metadata: {name: x, namespace: n}\n"
                               "spec: {amount: '1', currency: USD, new: {a: 1}, thresholds: "
                               "[{percent: 1, of: Actual, effect: Warn, new: 1}]}\n";
    struct rig rig;
    rig_decode(&rig, text, &(struct decode_options){.strict = false});
    cr_expect_str_eq(rig_faults(&rig), "");
    rig_release(&rig);
    rig_decode(&rig, text, &(struct decode_options){.strict = true});
    cr_expect_str_eq(rig_faults(&rig), "new: unknown field; remove it or correct its name\n"
                                       "spec.new: unknown field; remove it or correct its name\n"
                                       "spec.thresholds[0].new: unknown field; remove it or correct its name\n");
    rig_release(&rig);
}

Test(decode, all_faults_of_an_object_are_told_at_once) {
    struct rig rig;
    rig_spec(&rig, "ResourcePolicy",
             "  selector: {providers: [p], kinds: [Nodes]}\n  mode: enforce\n  capacity: {min: 5, max: 3}\n"
             "  disruption: {cooldown: soon, windows: [{schedule: '* * *'}]}\n");
    cr_expect_str_eq(
        rig_faults(&rig),
        "spec.selector.kinds[0]: \"Nodes\" is not one of Instance, InstanceGroup, Volume, Snapshot, Bucket, Workload, "
        "Node, Address\n"
        "spec.mode: \"enforce\" is not one of Observe, Recommend, Enforce\n"
        "spec.capacity.min: 5 is above max 3; lower min or raise max\n"
        "spec.disruption.windows[0].duration: is required\n"
        "spec.disruption.windows[0].schedule: \"* * *\" must have five fields: minute hour day-of-month month "
        "day-of-week\n"
        "spec.disruption.cooldown: \"soon\" must be a duration like 90s, 10m, 24h, 14d or 1h30m\n");
    cr_expect(str_has_suffix(rig.object->fault, "lower min or raise max; and 3 more"), "%s", rig.object->fault);
    rig_release(&rig);
}

Test(decode, without_a_spec_there_is_one_fault) {
    static const char head[] = "apiVersion: trimtab.dev/v1alpha1\nkind: Budget\nmetadata: {name: x, namespace: n}\n";
    static const char *const rows[][2] = {{"", "spec: is required\n"},
                                          {"spec: null\n", "spec: is required\n"},
                                          {"spec: 5\n", "spec: must be an object, not integer\n"},
                                          {"spec: []\n", "spec: must be an object, not array\n"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *text = mem_printf("%s%s", head, rows[i][0]);
        struct rig rig;
        rig_decode(&rig, text, &(struct decode_options){.strict = true});
        cr_expect_str_eq(rig_faults(&rig), rows[i][1], "%s", rows[i][0]);
        rig_release(&rig);
        mem_free(text);
    }
}

Test(decode, faults_are_bounded) {
    struct buf spec = {0};
    buf_puts(&spec, "  selector: {providers: [p]}\n");
    for (int i = 0; i < 200; i++)
        buf_printf(&spec, "  unknown%d: x\n", i);
    struct rig rig;
    rig_spec(&rig, "ResourcePolicy", buf_text(&spec));
    cr_expect_eq(rig.faults.count, (size_t)MANIFEST_FAULTS_MAX);
    cr_expect(str_has_suffix(rig.object->fault, "; and 197 more"), "%s", rig.object->fault);
    buf_release(&spec);
    rig_release(&rig);
}

Test(decode, namespaces) {
    static const char text[] = "metadata: {name: checkout, labels: {team: checkout, a: b},\n"
                               "           annotations: {trimtab.dev/suspend: 'true'}}\n";
    struct rig rig;
    rig_decode(&rig, text, &(struct decode_options){.is_namespace = true}); /* As in a NamespaceList. */
    cr_assert(rig.object);
    cr_expect_eq(rig.object->kind, OBJECT_NAMESPACE);
    cr_expect_str_eq(rig.object->namespace, "");
    cr_expect_str_eq(rig.object->name, "checkout");
    cr_expect(rig.object->suspended);
    cr_assert_eq(rig.object->label_count, 2u);
    cr_expect_str_eq(rig.object->labels[0].key, "a");
    rig_release(&rig);
    rig_decode(&rig, "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n",
               &(struct decode_options){.strict = true});
    cr_expect(rig.object && !rig.object->suspended && rig.object->label_count == 0);
    rig_release(&rig);
}

Test(decode, what_cannot_be_named_is_an_error) {
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"[1]", "an object is expected, not array"},
        {"{apiVersion: trimtab.dev/v1alpha1}", "kind: is required"},
        {"{kind: Budget}", "apiVersion: is required"},
        {"{kind: Budget, apiVersion: v1}", "apiVersion: \"v1\" is not known; write trimtab.dev/v1alpha1"},
        {"{kind: Deployment, apiVersion: apps/v1}", "kind: \"Deployment\" is not a kind of trimtab.dev"},
        {"{kind: Budget, apiVersion: trimtab.dev/v1alpha1}", "metadata.name: is required"},
        {"{kind: Budget, apiVersion: trimtab.dev/v1alpha1, metadata: {name: ''}}", "metadata.name: is required"},
        {"{kind: Budget, apiVersion: trimtab.dev/v1alpha1, metadata: {name: x}}", "metadata.namespace: is required"},
        {"{kind: Budget, apiVersion: trimtab.dev/v1alpha1, metadata: {name: a_b, namespace: n}}",
         "metadata.name: \"a_b\" must be"},
        {"{kind: Budget, apiVersion: trimtab.dev/v1alpha1, metadata: {name: x, namespace: a.b}}",
         "metadata.namespace: \"a.b\" must be"},
        {"{kind: 5, apiVersion: 6}", "kind: is required"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig rig;
        rig_decode(&rig, rows[i].text, &(struct decode_options){0});
        cr_expect_null(rig.object, "%s", rows[i].text);
        cr_expect(strstr(rig.err.message, rows[i].message), "%s: %s", rows[i].text, rig.err.message);
        rig_release(&rig);
    }
}

Test(decode, a_small_object_takes_little_memory) {
    struct rig rig;
    policy_of(&rig, "  selector: {providers: [lab], tags: {app: web}}\n");
    cr_expect_lt(rig.arena.used, 1000u, "%zu bytes; 50,000 of these are kept", rig.arena.used);
    rig_release(&rig);
}

Test(decode, a_condition_of_somebody_else_does_not_change_the_hash_of_our_status) {
    static const char *const texts[] = {"{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}],\"desired\":3}",
                                        "{\"conditions\":[{\"type\":\"Floor\",\"status\":\"True\"},{\"type\":\"Ready\","
                                        "\"status\":\"True\"}],\"desired\":3}",
                                        "{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}],\"desired\":3}"};
    struct object objects[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        struct json *json;
        struct error err;
        cr_assert_eq(json_parse(bytes_of(texts[i]), &json, &err), ERR_NONE);
        object_take_status(json, &objects[i]);
        json_free(json);
    }
    cr_expect_eq(objects[0].status_hash, objects[1].status_hash);
    cr_expect_neq(objects[0].status_hash, objects[2].status_hash);
}
