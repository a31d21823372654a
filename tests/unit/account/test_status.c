/*
 * Statuses as users see them: goldens, quiet rewriting, and the CRDs' schemas.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "account/status.h"
#include "base/json.h"
#include "base/mem.h"
#include "schema.h"

#define NOW_MS INT64_C(1790553600000) /* 2026-09-28T00:00:00Z */
#define HOUR_MS INT64_C(3600000)

static void same(const struct buf *out, const char *golden) {
    cr_assert_str_eq(buf_text(out), golden);
}

static const struct policy movable = {.actions = 1u << ACTION_SCALE | 1u << ACTION_RIGHTSIZE};

static struct object policy_object(void) {
    return (struct object){.as.policy = &movable,
                           .kind = OBJECT_POLICY,
                           .namespace = "shop",
                           .name = "web",
                           .uid = "0a1b2c3d-0000-4000-8000-000000000001",
                           .generation = 3};
}

static const struct forecast forecast = {
    .model = "seasonal-naive-day", .basis = FORECAST_BASIS_OWN, .loss = 0.123456, .naive_loss = NAN, .used = 4030};
#define TODAY (NOW_MS / (24 * HOUR_MS))
static const struct plan_why_not why_not[] = {
    {"BelowMinSaving", "1 of 40 machines fewer would save less than 5 %", "platform/aws/us-east-1/web", "Scale"}};
static const struct plan_action action = {.type = ACTION_SCALE,
                                          .provider = "platform/aws",
                                          .region = "us-east-1",
                                          .kind = CLOUD_INSTANCE_GROUP,
                                          .id = "web",
                                          .from.count = 8,
                                          .to.count = 6,
                                          .cost_hourly = 1152000,
                                          .saving_hourly = 384000,
                                          .risk_per_mille = 12,
                                          .confidence_per_mille = 940,
                                          .why = (const char *const[]){"demand stays under 9 vCPU", "quoted \"why\""},
                                          .why_count = 2,
                                          .hash = "00f1e2d3c4b5a697"};
static const struct plan plan = {.actions = &action,
                                 .action_count = 1,
                                 .why_not = why_not,
                                 .why_not_count = 1,
                                 .resource_count = 2,
                                 .actual = 8,
                                 .desired = 6,
                                 .cost_hourly = 1536000,
                                 .desired_cost_hourly = 1152000,
                                 .lower_bound_hourly = 1120000,
                                 .gap_per_mille = 28,
                                 .peak_cost_hourly = -1,
                                 .hash = "89abcdef01234567"};
static const struct status_condition more[] = {
    {CONDITION_OBSERVED, CONDITION_FALSE, "Stale", "platform/aws us-east-1: not fresh; nothing shrinks on it"},
    {CONDITION_FORECASTED, CONDITION_TRUE, "Forecasted", "demand is forecast for every selected resource"},
};

static struct policy_status policy_status(enum status_progress progress) {
    return (struct policy_status){.summary = {.progress = progress,
                                              .reason = "Acting",
                                              .message = "the size is being changed",
                                              .more = more,
                                              .more_count = ARRAY_LEN(more)},
                                  .plan = &plan,
                                  .forecast_json = "{\"basis\":\"own\",\"model\":\"seasonal-naive-day\"}"};
}

Test(account_status, a_policy_in_full) {
    struct object object = policy_object();
    struct policy_status status = policy_status(PROGRESS_RECONCILING);
    struct buf out = {0};
    status_print_policy(&object, &status, NOW_MS, &out);
    same(&out,
         "{\"conditions\":[{\"lastTransitionTime\":\"2026-09-28T00:00:00Z\",\"message\":\"the size is being changed\","
         "\"observedGeneration\":3,\"reason\":\"Acting\",\"status\":\"False\",\"type\":\"Ready\"},"
         "{\"lastTransitionTime\":\"2026-09-28T00:00:00Z\",\"message\":\"the size is being changed\","
         "\"observedGeneration\":3,\"reason\":\"Acting\",\"status\":\"True\",\"type\":\"Reconciling\"},"
         "{\"lastTransitionTime\":\"2026-09-28T00:00:00Z\",\"message\":\"platform/aws us-east-1: not fresh; nothing "
         "shrinks on it\",\"observedGeneration\":3,\"reason\":\"Stale\",\"status\":\"False\",\"type\":\"Observed\"},"
         "{\"lastTransitionTime\":\"2026-09-28T00:00:00Z\",\"message\":\"demand is forecast for every selected "
         "resource\",\"observedGeneration\":3,\"reason\":\"Forecasted\",\"status\":\"True\",\"type\":\"Forecasted\"}],"
         "\"observedGeneration\":3,\"actual\":8,\"desired\":6,\"currency\":\"USD\",\"hourlyCost\":\"1.5360\","
         "\"projectedSaving\":\"0.3840\",\"lowerBound\":\"1.1200\",\"optimalityGapPercent\":\"2.8\",\"lastPlan\":{"
         "\"actions\":1,\"hash\":\"89abcdef01234567\"},\"resources\":2,"
         "\"whyNot\":[{\"action\":\"Scale\",\"message\":\"1 of 40 machines fewer would save less than 5 "
         "%\",\"reason\":\"BelowMinSaving\","
         "\"target\":\"platform/aws/us-east-1/web\"}],\"forecast\":{\"basis\":\"own\","
         "\"model\":\"seasonal-naive-day\"}}");
    schema_check("resourcepolicies", "status", &out);
    buf_release(&out);
}

/* Also without a plan: nobody else remembers them. */
Test(account_status, raises_are_shown_with_or_without_a_plan) {
    static const struct object_raise raises[] = {
        {"shop/east", "cluster", CLOUD_WORKLOAD, "shop/Deployment/web", NOW_MS - 1500, 2458}};
    struct object object = policy_object();
    struct policy_status status = {
        .summary = policy_status(PROGRESS_STALLED).summary, .raises = raises, .raise_count = 1};
    struct buf out = {0};
    status_print_policy(&object, &status, NOW_MS, &out);
    cr_expect(strstr(buf_text(&out), "\"memoryRaises\":[{\"id\":\"shop/Deployment/web\",\"kind\":\"Workload\","
                                     "\"memoryMiB\":2458,\"provider\":\"shop/east\",\"region\":\"cluster\","
                                     "\"time\":\"2026-09-27T23:59:58.500000Z\"}]"),
              "%s", buf_text(&out));
    schema_check("resourcepolicies", "status", &out);
    buf_release(&out);
}

static char *forecast_text(const struct coverage *coverage, double quantile) {
    struct buf out = {0};
    status_print_forecast(
        &(struct forecast_summary){
            .forecast = &forecast, .quantile = quantile, .coverage = coverage, .as_of_ms = NOW_MS},
        &out);
    return buf_take(&out);
}

Test(account_status, a_forecast_tells_its_losses_and_its_record) {
    struct coverage coverage = {0};
    coverage.days[TODAY % COVERAGE_DAYS] = (struct coverage_day){TODAY, {200, 198}, {190, 180}};
    coverage.days[(TODAY - 1) % COVERAGE_DAYS] = (struct coverage_day){TODAY - 1, {288, 288}, {288, 287}};
    coverage.days[(TODAY - 2) % COVERAGE_DAYS] = (struct coverage_day){TODAY - 16, {288, 1}, {288, 1}}; /* Long past. */
    char *text = forecast_text(&coverage, 0.99);
    cr_assert_str_eq(text, "{\"asOf\":\"2026-09-28T00:00:00Z\",\"basis\":\"own\",\"coverage\":\"0.995\","
                           "\"coverageAtLead\":\"0.976\",\"coverageSamples\":488,"
                           "\"days\":[\"2026-09-27 288/288 287/288\",\"2026-09-28 198/200 180/190\"],"
                           "\"loss\":\"0.1235\",\"model\":\"seasonal-naive-day\",\"naiveLoss\":\"-\","
                           "\"quantile\":\"0.99\",\"samples\":4030}");
    struct object object = policy_object();
    struct policy_status status = policy_status(PROGRESS_READY);
    struct buf out = {0};
    status.forecast_json = text;
    status_print_policy(&object, &status, NOW_MS, &out);
    schema_check("resourcepolicies", "status", &out);
    buf_release(&out);
    mem_free(text);
}

Test(account_status, a_restart_goes_on_with_the_record_unless_the_quantile_is_another) {
    struct coverage coverage = {0}, back;
    int64_t as_of_ms;
    for (int64_t day = TODAY - COVERAGE_DAYS + 1; day <= TODAY; day++)
        coverage.days[day % COVERAGE_DAYS] =
            (struct coverage_day){day, {999999999, 999999990}, {288, (uint32_t)(day % 280)}};
    char *text = forecast_text(&coverage, 0.999), *nothing = forecast_text(&(struct coverage){0}, 0.999);
    cr_assert_leq(strlen(text), 1024u, "a status stays small");
    status_read_coverage(text, 0.999, &as_of_ms, &back);
    cr_assert_eq(as_of_ms, NOW_MS);
    struct coverage_sum before = coverage_sum(&coverage, NOW_MS), after = coverage_sum(&back, NOW_MS);
    cr_assert_eq(before.lead_samples, 14 * 288);
    cr_assert_eq(after.lead_samples, before.lead_samples);
    cr_assert_eq(after.step_samples, before.step_samples);
    cr_assert_eq(after.step_per_mille, before.step_per_mille);
    cr_assert_eq(after.lead_per_mille, before.lead_per_mille);
    status_read_coverage(text, 0.99, &as_of_ms, &back);
    cr_assert_eq(as_of_ms, 0);
    cr_assert_eq(coverage_sum(&back, NOW_MS).step_per_mille, -1);
    cr_assert_not_null(strstr(nothing, "\"coverage\":\"-\""));
    cr_assert_not_null(strstr(nothing, "\"coverageAtLead\":\"-\""));
    static const char *const foreign[] = {NULL,
                                          "",
                                          "[",
                                          "7",
                                          "{\"quantile\":\"0.999\",\"asOf\":3}",
                                          "{\"asOf\":\"2026-09-28T00:00:00Z\",\"quantile\":\"0.999\",\"days\":[1,"
                                          "\"\",\"2026-13-01 1/1 1/1\",\"2026-09-28 2/1 1/1\",\"2026-09-28 1/1 1\","
                                          "\"2026-09-28 1/1 1/1 \",\"2026-09-28 99999999999/1 1/1\"]}"};
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
        status_read_coverage(foreign[i], 0.999, &as_of_ms, &back);
        cr_assert_eq(coverage_sum(&back, NOW_MS).step_samples, 0, "%zu", i);
    }
    mem_free(text);
    mem_free(nothing);
}

Test(account_status, a_policy_without_a_plan_shows_no_figures) {
    struct object object = policy_object();
    struct policy_status status = {.summary = {PROGRESS_STALLED, "InvalidSpec", "spec: no", NULL, 0}};
    struct buf out = {0};
    status_print_policy(&object, &status, NOW_MS, &out);
    same(&out, "{\"conditions\":[{\"lastTransitionTime\":\"2026-09-28T00:00:00Z\",\"message\":\"spec: no\","
               "\"observedGeneration\":3,\"reason\":\"InvalidSpec\",\"status\":\"False\",\"type\":\"Ready\"},"
               "{\"lastTransitionTime\":\"2026-09-28T00:00:00Z\",\"message\":\"spec: no\",\"observedGeneration\":3,"
               "\"reason\":\"InvalidSpec\",\"status\":\"True\",\"type\":\"Stalled\"}],\"observedGeneration\":3}");
    schema_check("resourcepolicies", "status", &out);
    buf_release(&out);
}

Test(account_status, unknown_costs_are_left_out_rather_than_shown_as_nothing) {
    struct object object = policy_object();
    struct plan unknown = plan;
    unknown.cost_hourly = unknown.desired_cost_hourly = -1;
    struct policy_status status = {.summary = {PROGRESS_READY, "InTrim", "so", NULL, 0}, .plan = &unknown};
    struct buf out = {0};
    status_print_policy(&object, &status, NOW_MS, &out);
    cr_assert_null(strstr(buf_text(&out), "hourlyCost"));
    cr_assert_null(strstr(buf_text(&out), "projectedSaving"));
    schema_check("resourcepolicies", "status", &out);
    buf_release(&out);
}

Test(account_status, whyNot_is_bounded_as_the_schema_says) {
    struct object object = policy_object();
    struct plan_why_not many[100];
    struct plan crowded = plan;
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = why_not[0];
    crowded.why_not = many;
    crowded.why_not_count = ARRAY_LEN(many);
    struct policy_status status = {.summary = {PROGRESS_READY, "InTrim", "so", NULL, 0}, .plan = &crowded};
    struct buf out = {0};
    status_print_policy(&object, &status, NOW_MS, &out);
    schema_check("resourcepolicies", "status", &out);
    buf_release(&out);
}

/* ---- transitions ---- */

/* lastTransitionTime of a condition in a printed status; "" if it is not there. */
static const char *transition_of(const struct buf *out, const char *type) {
    static char time[40];
    struct json *root;
    struct error err;
    cr_assert_eq(json_parse(buf_bytes(out), &root, &err), ERR_NONE);
    const struct json *conditions = json_get(root, "conditions");
    time[0] = '\0';
    for (size_t i = 0; i < json_array_count(conditions); i++) {
        const struct json *condition = json_array_at(conditions, i);
        if (strcmp(json_string(json_get(condition, "type"), ""), type) == 0)
            (void)snprintf(time, sizeof(time), "%s", json_string(json_get(condition, "lastTransitionTime"), ""));
    }
    json_free(root);
    return time;
}

static const char *ready_after(enum status_progress progress, struct object_condition before) {
    static char time[40];
    struct object object = policy_object();
    object.conditions[CONDITION_READY] = before;
    struct policy_status status = policy_status(progress);
    struct buf out = {0};
    status_print_policy(&object, &status, NOW_MS, &out);
    (void)snprintf(time, sizeof(time), "%s", transition_of(&out, "Ready"));
    buf_release(&out);
    return time;
}

Test(account_status, a_condition_keeps_its_transition_time_unless_it_flips) {
    struct object_condition was_true = {(NOW_MS - HOUR_MS) / 1000, CONDITION_TRUE, true};
    struct object_condition was_false = {(NOW_MS - HOUR_MS) / 1000, CONDITION_FALSE, true};
    struct object_condition was_unknown = {(NOW_MS - HOUR_MS) / 1000, CONDITION_UNKNOWN, true};
    struct object_condition without_time = {0, CONDITION_TRUE, true}, absent = {NOW_MS / 1000, CONDITION_TRUE, false};
    static const char hour_ago[] = "2026-09-27T23:00:00Z", now[] = "2026-09-28T00:00:00Z";
    cr_expect_str_eq(ready_after(PROGRESS_READY, was_true), hour_ago);
    cr_expect_str_eq(ready_after(PROGRESS_READY, was_false), now);
    cr_expect_str_eq(ready_after(PROGRESS_STALLED, was_false), hour_ago);
    cr_expect_str_eq(ready_after(PROGRESS_RECONCILING, was_true), now);
    cr_expect_str_eq(ready_after(PROGRESS_READY, was_unknown), now);
    cr_expect_str_eq(ready_after(PROGRESS_READY, without_time), now);
    cr_expect_str_eq(ready_after(PROGRESS_READY, absent), now);
}

Test(account_status, abnormal_conditions_are_there_only_while_they_hold) {
    static const enum status_progress all[] = {PROGRESS_READY, PROGRESS_RECONCILING, PROGRESS_STALLED};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct object object = policy_object();
        struct policy_status status = policy_status(all[i]);
        struct buf out = {0};
        status_print_policy(&object, &status, NOW_MS, &out);
        cr_expect_eq(transition_of(&out, "Reconciling")[0] != '\0', all[i] == PROGRESS_RECONCILING);
        cr_expect_eq(transition_of(&out, "Stalled")[0] != '\0', all[i] == PROGRESS_STALLED);
        cr_expect_neq(transition_of(&out, "Ready")[0], '\0');
        buf_release(&out);
    }
}

Test(account_status, the_same_state_later_gives_the_same_bytes) {
    struct object object = policy_object();
    struct policy_status status = policy_status(PROGRESS_READY);
    for (int i = 0; i < CONDITION_TYPE_COUNT; i++)
        object.conditions[i] = (struct object_condition){(NOW_MS - HOUR_MS) / 1000, CONDITION_TRUE, true};
    object.conditions[CONDITION_OBSERVED].status = CONDITION_FALSE;
    struct buf one = {0}, two = {0};
    status_print_policy(&object, &status, NOW_MS, &one);
    status_print_policy(&object, &status, NOW_MS + 5 * HOUR_MS, &two);
    cr_assert_str_eq(buf_text(&one), buf_text(&two));
    buf_release(&one);
    buf_release(&two);
}

Test(account_status, a_long_message_is_cut_and_bytes_that_are_not_text_are_replaced) {
    struct object object = policy_object();
    char message[4000];
    memset(message, 'x', sizeof(message) - 1);
    message[0] = '\xff';
    message[sizeof(message) - 1] = '\0';
    struct policy_status status = {.summary = {PROGRESS_STALLED, "InvalidSpec", message, NULL, 0}};
    struct buf out = {0};
    status_print_policy(&object, &status, NOW_MS, &out);
    cr_assert_lt(out.size, 4000);
    schema_check("resourcepolicies", "status", &out);
    buf_release(&out);
}

/* A cut in the middle of a character must not make the status differ from what the server keeps of it. */
Test(account_status, a_message_is_cut_between_characters) {
    struct object object = policy_object();
    for (size_t shift = 0; shift < 3; shift++) {
        struct buf message = {0}, out = {0};
        for (size_t i = 0; i < shift; i++)
            buf_puts(&message, "x");
        for (int i = 0; i < 1000; i++)
            buf_puts(&message, "\u20ac");
        struct policy_status status = {.summary = {PROGRESS_STALLED, "InvalidSpec", buf_text(&message), NULL, 0}};
        status_print_policy(&object, &status, NOW_MS, &out);
        cr_assert_null(strstr(buf_text(&out), "\xef\xbf\xbd"), "half a character became U+FFFD, shift %zu", shift);
        cr_assert_null(strstr(buf_text(&out), "\\ufffd"));
        buf_release(&message);
        buf_release(&out);
    }
}

/* ---- Provider and Budget ---- */

Test(account_status, a_provider_with_its_inventory) {
    struct object object = {.kind = OBJECT_PROVIDER, .namespace = "platform", .name = "aws", .generation = 1};
    struct provider_status status = {.summary = {PROGRESS_READY, "Listed", "every region is listed", NULL, 0},
                                     .account = "123456789012",
                                     .listed = true,
                                     .counts = {[CLOUD_INSTANCE] = 3, [CLOUD_INSTANCE_GROUP] = 2}};
    struct buf out = {0};
    status_print_provider(&object, &status, NOW_MS, &out);
    same(&out, "{\"conditions\":[{\"lastTransitionTime\":\"2026-09-28T00:00:00Z\",\"message\":\"every region is "
               "listed\",\"observedGeneration\":1,\"reason\":\"Listed\",\"status\":\"True\",\"type\":\"Ready\"}],"
               "\"observedGeneration\":1,\"account\":\"123456789012\",\"inventory\":{\"instances\":3,\"groups\":2,"
               "\"volumes\":0,\"snapshots\":0,\"buckets\":0,\"workloads\":0,\"nodes\":0,\"addresses\":0}}");
    schema_check("providers", "status", &out);
    buf_clear(&out);
    status = (struct provider_status){.summary = {PROGRESS_RECONCILING, "Opening", "reading", NULL, 0}, .account = ""};
    status_print_provider(&object, &status, NOW_MS, &out);
    cr_assert_null(strstr(buf_text(&out), "inventory"), "what is not known is not shown as zero");
    schema_check("providers", "status", &out);
    buf_release(&out);
}

Test(account_status, a_provider_says_how_its_apis_are) {
    struct object object = {.kind = OBJECT_PROVIDER, .namespace = "platform", .name = "aws", .generation = 2};
    const struct status_condition available = {CONDITION_APIS_AVAILABLE, CONDITION_FALSE, "CircuitOpen",
                                               "account 1: ec2 in eu-west-1 fails: HTTP status 500"};
    const struct object_api apis[] = {{"autoscaling", "eu-west-1", 10, false}, {"ec2", "", 3, true}};
    struct provider_status status = {.summary = {PROGRESS_READY, "Listed", "every region is listed", &available, 1},
                                     .account = "1",
                                     .apis = apis,
                                     .api_count = ARRAY_LEN(apis)};
    struct buf out = {0};
    status_print_provider(&object, &status, NOW_MS, &out);
    same(&out,
         "{\"conditions\":[{\"lastTransitionTime\":\"2026-09-28T00:00:00Z\",\"message\":\"every region is "
         "listed\",\"observedGeneration\":2,\"reason\":\"Listed\",\"status\":\"True\",\"type\":\"Ready\"},"
         "{\"lastTransitionTime\":\"2026-09-28T00:00:00Z\",\"message\":\"account 1: ec2 in eu-west-1 fails: HTTP "
         "status 500\",\"observedGeneration\":2,\"reason\":\"CircuitOpen\",\"status\":\"False\",\"type\":"
         "\"ApisAvailable\"}],\"observedGeneration\":2,\"account\":\"1\",\"apis\":[{\"circuit\":\"Closed\",\"name\":"
         "\"autoscaling\",\"region\":\"eu-west-1\",\"requestsPerSecond\":10},{\"circuit\":\"Open\",\"name\":"
         "\"ec2\",\"region\":\"\",\"requestsPerSecond\":3}]}");
    schema_check("providers", "status", &out);
    buf_release(&out);
}

Test(account_status, no_more_apis_are_shown_than_the_schema_takes) {
    static struct object_api apis[OBJECT_APIS_MAX + 1];
    static char names[OBJECT_APIS_MAX + 1][8];
    for (size_t i = 0; i < ARRAY_LEN(apis); i++) {
        (void)snprintf(names[i], sizeof(names[i]), "a%04zu", i);
        apis[i] = (struct object_api){names[i], "r", 1, false};
    }
    struct object object = {.kind = OBJECT_PROVIDER, .namespace = "platform", .name = "aws", .generation = 2};
    struct provider_status status = {.summary = {PROGRESS_READY, "Listed", "every region is listed", NULL, 0},
                                     .account = "1",
                                     .apis = apis,
                                     .api_count = ARRAY_LEN(apis)};
    struct buf out = {0};
    status_print_provider(&object, &status, NOW_MS, &out);
    schema_check("providers", "status", &out);
    cr_expect(strstr(buf_text(&out), "a0255") && !strstr(buf_text(&out), "a0256"));
    buf_release(&out);
}

Test(account_status, a_budget_that_is_not_counted) {
    struct object object = {.kind = OBJECT_BUDGET, .namespace = "shop", .name = "b", .generation = 2};
    struct status_summary summary = {PROGRESS_STALLED, "ChargesUnavailable", "no charges", NULL, 0, false};
    struct buf out = {0};
    status_print_budget(&object, &summary, NOW_MS, &out);
    schema_check("budgets", "status", &out);
    buf_release(&out);
}

/* ---- Recommendations ---- */

static const struct recommendation stored = {.policy_name = "web",
                                             .action = ACTION_SCALE,
                                             .target = {"platform/aws", "us-east-1", CLOUD_INSTANCE_GROUP, "web"},
                                             .from.count = 8,
                                             .to.count = 6,
                                             .attempt = 1,
                                             .saving_hourly = 384000,
                                             .saving_currency = "USD",
                                             .why_json = "[\"because\"]",
                                             .risk_per_mille = 12,
                                             .confidence_per_mille = 940};

Test(account_status, a_recommendation_carries_over_what_it_was_made_with) {
    struct object object = {.kind = OBJECT_RECOMMENDATION,
                            .namespace = "shop",
                            .name = "web-1",
                            .generation = 1,
                            .as.recommendation = &stored};
    struct buf out = {0};
    status_print_recommendation(&object, PHASE_SUCCEEDED, "Succeeded", "the new size serves", "op-1", 2, NOW_MS, &out);
    same(&out, "{\"conditions\":[{\"lastTransitionTime\":\"2026-09-28T00:00:00Z\",\"message\":\"the new size serves\","
               "\"observedGeneration\":1,\"reason\":\"Succeeded\",\"status\":\"True\",\"type\":\"Ready\"}],"
               "\"observedGeneration\":1,\"finishedAt\":\"2026-09-28T00:00:00Z\",\"message\":\"the new size serves\","
               "\"phase\":\"Succeeded\",\"phaseSince\":\"2026-09-28T00:00:00Z\",\"operation\":\"op-1\",\"tries\":2,"
               "\"saving\":{\"currency\":\"USD\",\"hourly\":\"0.3840\",\"monthly\":\"280.32\"},\"risk\":\"0.012\","
               "\"confidence\":\"0.940\",\"why\":[\"because\"]}");
    schema_check("recommendations", "status", &out);
    buf_release(&out);
}

/* How long a phase may take counts from its beginning, whatever handles the cloud gives meanwhile. */
Test(account_status, another_handle_is_no_other_phase) {
    struct recommendation verifying = stored;
    verifying.phase = PHASE_VERIFYING;
    verifying.phase_since_ms = NOW_MS - 60000;
    struct object object = {.kind = OBJECT_RECOMMENDATION,
                            .namespace = "shop",
                            .name = "web-1",
                            .generation = 1,
                            .as.recommendation = &verifying};
    struct buf out = {0};
    status_print_recommendation(&object, PHASE_VERIFYING, "OperationGoesOn", "the operation goes on", "op-2", 1, NOW_MS,
                                &out);
    cr_expect(strstr(buf_text(&out), "\"phaseSince\":\"2026-09-27T23:59:00Z\""), "%s", buf_text(&out));
    cr_expect(strstr(buf_text(&out), "\"operation\":\"op-2\""));
    schema_check("recommendations", "status", &out);
    buf_clear(&out);
    status_print_recommendation(&object, PHASE_VERIFYING, "OperationDone", "it has ended", NULL, 1, NOW_MS, &out);
    cr_expect(strstr(buf_text(&out), "\"phaseSince\":\"2026-09-28T00:00:00Z\""), "what follows has its own time");
    buf_release(&out);
}

Test(account_status, every_phase_of_a_recommendation_is_as_the_schema_has_it) {
    struct object object = {.kind = OBJECT_RECOMMENDATION,
                            .namespace = "shop",
                            .name = "web-1",
                            .generation = 1,
                            .as.recommendation = &stored};
    for (int phase = PHASE_PENDING; phase < PHASE_COUNT; phase++) {
        struct buf out = {0};
        bool is_final = recommendation_phase_is_final((enum recommendation_phase)phase);
        status_print_recommendation(&object, (enum recommendation_phase)phase, "Reason", "message", NULL, 0, NOW_MS,
                                    &out);
        schema_check("recommendations", "status", &out);
        cr_expect_eq(strstr(buf_text(&out), "finishedAt") != NULL, is_final);
        cr_expect_eq(transition_of(&out, "Reconciling")[0] != '\0',
                     phase == PHASE_RUNNING || phase == PHASE_VERIFYING || phase == PHASE_REVERTING);
        cr_expect_eq(transition_of(&out, "Stalled")[0] != '\0', phase == PHASE_FAILED);
        buf_release(&out);
    }
}

Test(account_status, negative_savings_and_unknown_ones_fit_the_schema) {
    static const money_micros savings[] = {0, 1, -1, -384000, -123456789, INT64_C(1000000) * 1000000};
    for (size_t i = 0; i < ARRAY_LEN(savings); i++) {
        struct plan_action growth = action;
        growth.saving_hourly = savings[i];
        struct buf out = {0};
        status_print_recommendation_new(&growth, i % 2, NOW_MS, &out);
        schema_check("recommendations", "status", &out);
        buf_release(&out);
    }
}

Test(account_status, what_a_person_has_to_do_says_so) {
    for (int i = 0; i < ACTION_TYPE_COUNT; i++) {
        struct plan_action one = action;
        one.type = (enum action_type)i;
        one.kind = CLOUD_INSTANCE_GROUP;
        struct buf out = {0};
        status_print_recommendation_new(&one, false, NOW_MS, &out);
        schema_check("recommendations", "status", &out);
        cr_expect_eq(strstr(buf_text(&out), "by hand") != NULL, i != ACTION_SCALE);
        buf_release(&out);
    }
}

Test(account_status, a_new_recommendation_is_an_object_of_its_kind) {
    struct object policy = policy_object();
    struct buf out = {0};
    for (int approved = 0; approved < 2; approved++) {
        buf_clear(&out);
        status_print_recommendation_object(&policy, "web-00f1e2d3c4b5a697", &action, 4, approved, &out);
        schema_check("recommendations", NULL, &out);
    }
    same(&out, "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"Recommendation\",\"metadata\":{\"name\":"
               "\"web-00f1e2d3c4b5a697\",\"namespace\":\"shop\",\"labels\":{\"app.kubernetes.io/managed-by\":"
               "\"trimtab\"},\"ownerReferences\":[{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"controller\":true,"
               "\"kind\":\"ResourcePolicy\",\"name\":\"web\",\"uid\":\"0a1b2c3d-0000-4000-8000-000000000001\"}]},"
               "\"spec\":{\"action\":\"Scale\",\"attempt\":4,\"decision\":\"Approved\",\"from\":{\"count\":8},"
               "\"planHash\":\"00f1e2d3c4b5a697\",\"policyRef\":{\"name\":\"web\"},\"target\":{\"id\":\"web\","
               "\"kind\":\"InstanceGroup\",\"provider\":\"platform/aws\",\"region\":\"us-east-1\"},\"to\":{\"count\":"
               "6}}}");
    buf_release(&out);
}

Test(account_status, a_new_recommendation_of_bounds_speaks_of_bounds) {
    struct object policy = policy_object();
    struct plan_action bounds = action;
    bounds.is_bounds = true;
    bounds.kind = CLOUD_WORKLOAD;
    bounds.region = CLOUD_REGION_CLUSTER;
    bounds.id = "shop/Deployment/web";
    bounds.from.count_max = 10;
    bounds.to.count_max = 12;
    struct buf out = {0};
    status_print_recommendation_object(&policy, "web-00f1e2d3c4b5a697", &bounds, 1, true, &out);
    schema_check("recommendations", NULL, &out);
    cr_expect(strstr(buf_text(&out), "\"from\":{\"maxCount\":10,\"minCount\":8}"), "%s", buf_text(&out));
    cr_expect(strstr(buf_text(&out), "\"to\":{\"maxCount\":12,\"minCount\":6}"));
    buf_release(&out);
}
