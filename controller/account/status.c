/*
 * Deriving statuses; see status.h. Keys are written in a fixed order; the API server sorts them anyway.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "account/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/timefmt.h"

#define MESSAGE_MAX 1024
#define WHY_NOT_MAX 20
#define HOURS_PER_MONTH 730

/* Cut to what fits, between characters. */
static void copy_message(char *to, size_t to_size, const char *from) {
    if (str_copy(to, to_size, from))
        return;
    size_t size = strlen(to), start = size;
    while (start > 0 && size - start < 4 && ((unsigned char)to[start - 1] & 0xc0) == 0x80)
        start--;
    if (start > 0 && str_utf8_size(to + start - 1, size - start + 1) != size - start + 1)
        to[start - 1] = '\0';
}

static void put_condition(struct json_writer *w, const struct object *object, const struct status_condition *condition,
                          int64_t now_ms) {
    const struct object_condition *before = &object->conditions[condition->type];
    bool kept = before->present && before->status == condition->status && before->last_transition_s > 0;
    char time[TIME_TEXT_MAX];
    char message[MESSAGE_MAX];
    time_format(kept ? (int64_t)before->last_transition_s * 1000 : now_ms, time);
    copy_message(message, sizeof(message), condition->message);
    jw_open(w, '{');
    jw_put_string(w, "lastTransitionTime", time);
    jw_put_string(w, "message", message);
    jw_put_int(w, "observedGeneration", object->generation);
    jw_put_string(w, "reason", condition->reason);
    jw_put_string(w, "status", condition_status_name(condition->status));
    jw_put_string(w, "type", condition_type_name(condition->type));
    jw_close(w, '}');
}

static void put_summary(struct json_writer *w, const struct object *object, const struct status_summary *s,
                        int64_t now_ms) {
    bool ready = s->progress == PROGRESS_READY;
    jw_key(w, "conditions");
    jw_open(w, '[');
    put_condition(
        w, object,
        &(struct status_condition){CONDITION_READY, ready ? CONDITION_TRUE : CONDITION_FALSE, s->reason, s->message},
        now_ms);
    /* kstatus: abnormal-true conditions are there only while they hold. */
    if (s->progress == PROGRESS_RECONCILING)
        put_condition(w, object,
                      &(struct status_condition){CONDITION_RECONCILING, CONDITION_TRUE, s->reason, s->message}, now_ms);
    if (s->progress == PROGRESS_STALLED)
        put_condition(w, object, &(struct status_condition){CONDITION_STALLED, CONDITION_TRUE, s->reason, s->message},
                      now_ms);
    for (size_t i = 0; i < s->more_count; i++)
        put_condition(w, object, &s->more[i], now_ms);
    jw_close(w, ']');
    jw_put_int(w, "observedGeneration", object->generation);
}

static void put_money(struct json_writer *w, const char *key, money_micros value, int decimals) {
    char text[MONEY_TEXT_MAX];
    money_format(value, decimals, text);
    jw_put_string(w, key, text);
}

/* A share as a decimal: "0.990". */
static void put_share(struct json_writer *w, const char *key, int64_t per_mille) {
    put_money(w, key, per_mille * 1000, 3);
}

/* A figure, or "-". */
static void put_figure(struct json_writer *w, const char *key, double value, int digits) {
    char text[STR_DOUBLE_MAX];
    (void)snprintf(text, sizeof(text), isfinite(value) ? "%.*g" : "-", digits, value);
    jw_put_string(w, key, text);
}

static void put_known_share(struct json_writer *w, const char *key, int64_t per_mille) {
    if (per_mille < 0)
        jw_put_string(w, key, "-");
    else
        put_share(w, key, per_mille);
}

void status_print_forecast(const struct forecast_summary *summary, struct buf *out) {
    const struct forecast *f = summary->forecast;
    struct coverage_sum sum = coverage_sum(summary->coverage, summary->as_of_ms);
    struct json_writer w = {.out = out};
    char time[TIME_TEXT_MAX];
    time_format(summary->as_of_ms, time);
    jw_open(&w, '{');
    jw_put_string(&w, "asOf", time);
    jw_put_string(&w, "basis", forecast_basis_name(f->basis));
    put_known_share(&w, "coverage", sum.step_per_mille);
    put_known_share(&w, "coverageAtLead", sum.lead_per_mille);
    jw_put_int(&w, "coverageSamples", sum.step_samples);
    jw_key(&w, "days");
    coverage_print(summary->coverage, summary->as_of_ms, &w);
    put_figure(&w, "loss", f->loss, 4);
    jw_put_string(&w, "model", f->model);
    put_figure(&w, "naiveLoss", f->naive_loss, 4);
    put_figure(&w, "quantile", summary->quantile, 6);
    jw_put_int(&w, "samples", (int64_t)f->used);
    jw_close(&w, '}');
}

void status_read_coverage(const char *forecast_json, double quantile, int64_t *ret_as_of_ms, struct coverage *ret) {
    struct json *json = NULL;
    struct error err;
    double found;
    *ret_as_of_ms = 0;
    *ret = (struct coverage){0};
    if (!forecast_json || json_parse(bytes_of(forecast_json), &json, &err) != ERR_NONE)
        return;
    /* Shares under another quantile say nothing about this one. */
    if (str_to_double(json_string(json_get(json, "quantile"), ""), &found) && fabs(found - quantile) < 1e-6 &&
        time_parse(json_string(json_get(json, "asOf"), ""), ret_as_of_ms))
        coverage_read(json_get(json, "days"), ret);
    json_free(json);
}

static void put_why_not(struct json_writer *w, const struct plan *plan) {
    jw_key(w, "whyNot");
    jw_open(w, '[');
    for (size_t i = 0; i < plan->why_not_count && i < WHY_NOT_MAX; i++) {
        jw_open(w, '{');
        if (plan->why_not[i].action)
            jw_put_string(w, "action", plan->why_not[i].action);
        jw_put_string(w, "message", plan->why_not[i].message);
        jw_put_string(w, "reason", plan->why_not[i].reason);
        jw_put_string(w, "target", plan->why_not[i].target);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

static void put_bound(struct json_writer *w, const struct plan *plan) {
    char text[MONEY_TEXT_MAX];
    put_money(w, "lowerBound", plan->lower_bound_hourly, 4);
    money_format(plan->gap_per_mille * 100000, 1, text);
    jw_put_string(w, "optimalityGapPercent", text);
}

/* What is owed either way is not saved. */
static money_micros saving_of(const struct plan *plan) {
    return plan->cost_hourly - plan->committed_hourly - (plan->desired_cost_hourly - plan->desired_committed_hourly);
}

static void put_plan(struct json_writer *w, const struct policy *policy, const struct plan *plan) {
    jw_put_int(w, "actual", plan->actual);
    jw_put_int(w, "desired", plan->desired);
    if (plan->cost_hourly >= 0) {
        jw_put_string(w, "currency", "USD");
        put_money(w, "hourlyCost", plan->cost_hourly, 4);
        if (plan->desired_cost_hourly >= 0)
            put_money(w, "projectedSaving", saving_of(plan), 4);
        /* It moves with each forecast: shown only where there is more to choose from than sizes. */
        if (policy_may_move(policy) && plan->lower_bound_hourly >= 0 && plan->desired_cost_hourly >= 0)
            put_bound(w, plan);
    }
    jw_key(w, "lastPlan");
    jw_open(w, '{');
    jw_put_int(w, "actions", (int64_t)plan->action_count);
    jw_put_string(w, "hash", plan->hash);
    jw_close(w, '}');
    jw_put_int(w, "resources", (int64_t)plan->resource_count);
    if (plan->why_not_count)
        put_why_not(w, plan);
}

static void put_raises(struct json_writer *w, const struct policy_status *status) {
    char time[TIME_TEXT_MAX];
    jw_key(w, "memoryRaises");
    jw_open(w, '[');
    for (size_t i = 0; i < status->raise_count && i < OBJECT_RAISES_MAX; i++) {
        const struct object_raise *raise = &status->raises[i];
        time_format_micro(raise->time_ms, time);
        jw_open(w, '{');
        jw_put_string(w, "id", raise->id);
        jw_put_string(w, "kind", cloud_kind_name(raise->kind));
        jw_put_int(w, "memoryMiB", raise->memory_mib);
        jw_put_string(w, "provider", raise->provider);
        jw_put_string(w, "region", raise->region);
        jw_put_string(w, "time", time);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

void status_print_policy(const struct object *object, const struct policy_status *status, int64_t now_ms,
                         struct buf *out) {
    struct json_writer w = {.out = out};
    jw_open(&w, '{');
    put_summary(&w, object, &status->summary, now_ms);
    if (status->plan)
        put_plan(&w, object->as.policy, status->plan);
    if (status->forecast_json) {
        jw_key(&w, "forecast");
        jw_raw(&w, status->forecast_json);
    }
    if (status->raise_count > 0)
        put_raises(&w, status);
    jw_close(&w, '}');
}

static void put_apis(struct json_writer *w, const struct provider_status *status) {
    jw_key(w, "apis");
    jw_open(w, '[');
    for (size_t i = 0; i < status->api_count && i < OBJECT_APIS_MAX; i++) {
        const struct object_api *api = &status->apis[i];
        jw_open(w, '{');
        jw_put_string(w, "circuit", api->is_open ? "Open" : "Closed");
        jw_put_string(w, "name", api->name);
        jw_put_string(w, "region", api->region);
        jw_put_int(w, "requestsPerSecond", api->requests_per_second);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

void status_print_provider(const struct object *object, const struct provider_status *status, int64_t now_ms,
                           struct buf *out) {
    static const char *const names[CLOUD_KIND_COUNT] = {
        [CLOUD_INSTANCE] = "instances", [CLOUD_INSTANCE_GROUP] = "groups", [CLOUD_VOLUME] = "volumes",
        [CLOUD_SNAPSHOT] = "snapshots", [CLOUD_BUCKET] = "buckets",        [CLOUD_WORKLOAD] = "workloads",
        [CLOUD_NODE] = "nodes",         [CLOUD_ADDRESS] = "addresses",
    };
    struct json_writer w = {.out = out};
    jw_open(&w, '{');
    put_summary(&w, object, &status->summary, now_ms);
    if (status->account[0])
        jw_put_string(&w, "account", status->account);
    if (status->api_count > 0)
        put_apis(&w, status);
    if (status->listed) {
        jw_key(&w, "inventory");
        jw_open(&w, '{');
        for (int kind = 0; kind < CLOUD_KIND_COUNT; kind++)
            jw_put_int(&w, names[kind], status->counts[kind]);
        jw_close(&w, '}');
    }
    jw_close(&w, '}');
}

void status_print_budget(const struct object *object, const struct status_summary *summary, int64_t now_ms,
                         struct buf *out) {
    struct json_writer w = {.out = out};
    jw_open(&w, '{');
    put_summary(&w, object, summary, now_ms);
    jw_close(&w, '}');
}

/* ---- Recommendations ---- */

static void put_saving(struct json_writer *w, money_micros hourly, const char *currency) {
    jw_key(w, "saving");
    jw_open(w, '{');
    jw_put_string(w, "currency", currency);
    put_money(w, "hourly", hourly, 4);
    put_money(w, "monthly", money_mul(hourly, HOURS_PER_MONTH), 2);
    jw_close(w, '}');
}

/* kstatus reads Ready: a Recommendation is Current when it has come to its end, or waits for a person. */
static void put_recommendation_conditions(struct json_writer *w, const struct object *object,
                                          enum recommendation_phase phase, const char *reason, const char *message,
                                          int64_t now_ms) {
    enum status_progress progress = PROGRESS_READY;
    if (phase == PHASE_RUNNING || phase == PHASE_VERIFYING || phase == PHASE_REVERTING)
        progress = PROGRESS_RECONCILING;
    else if (phase == PHASE_FAILED)
        progress = PROGRESS_STALLED;
    put_summary(w, object, &(struct status_summary){.progress = progress, .reason = reason, .message = message},
                now_ms);
}

static void put_phase(struct json_writer *w, enum recommendation_phase phase, const char *message, int64_t since_ms,
                      int64_t now_ms) {
    char now[TIME_TEXT_MAX], since[TIME_TEXT_MAX];
    time_format(now_ms, now);
    time_format(since_ms, since);
    if (recommendation_phase_is_final(phase))
        jw_put_string(w, "finishedAt", now);
    jw_put_string(w, "message", message);
    jw_put_string(w, "phase", recommendation_phase_name(phase));
    jw_put_string(w, "phaseSince", since);
}

void status_print_recommendation(const struct object *object, enum recommendation_phase phase, const char *reason,
                                 const char *message, const char *operation, int64_t tries, int64_t now_ms,
                                 struct buf *out) {
    const struct recommendation *r = object->as.recommendation;
    struct json_writer w = {.out = out};
    jw_open(&w, '{');
    put_recommendation_conditions(&w, object, phase, reason, message, now_ms);
    /* A handle that has changed is progress inside a phase: how long that may take counts from its beginning. */
    bool is_same_phase = phase == r->phase && operation && operation[0] && r->phase_since_ms > 0;
    put_phase(&w, phase, message, is_same_phase ? r->phase_since_ms : now_ms, now_ms);
    if (operation && operation[0])
        jw_put_string(&w, "operation", operation);
    if (tries > 0)
        jw_put_int(&w, "tries", tries);
    if (r->saving_currency)
        put_saving(&w, r->saving_hourly, r->saving_currency);
    if (r->risk_per_mille >= 0)
        put_share(&w, "risk", r->risk_per_mille);
    if (r->confidence_per_mille >= 0)
        put_share(&w, "confidence", r->confidence_per_mille);
    if (r->why_json) {
        jw_key(&w, "why");
        jw_raw(&w, r->why_json);
    }
    jw_close(&w, '}');
}

void status_print_recommendation_new(const struct plan_action *action, bool approved, int64_t now_ms, struct buf *out) {
    static const struct object fresh = {.kind = OBJECT_RECOMMENDATION, .generation = 1};
    bool is_by_hand = recommendation_is_by_hand((int)action->type, action->kind);
    const char *message = is_by_hand ? "to be done by hand: this version does not do it, whatever is decided"
                          : approved ? "approved by the policy's mode; waits for its gates"
                                     : "waits for spec.decision";
    enum recommendation_phase phase = approved ? PHASE_APPROVED : PHASE_PENDING;
    struct json_writer w = {.out = out};
    jw_open(&w, '{');
    put_recommendation_conditions(&w, &fresh, phase, approved ? "Approved" : "Proposed", message, now_ms);
    put_phase(&w, phase, message, now_ms, now_ms);
    if (action->cost_hourly >= 0)
        put_saving(&w, action->saving_hourly, "USD");
    put_share(&w, "risk", action->risk_per_mille);
    put_share(&w, "confidence", action->confidence_per_mille);
    jw_key(&w, "why");
    jw_open(&w, '[');
    for (size_t i = 0; i < action->why_count; i++)
        jw_string(&w, action->why[i]);
    jw_close(&w, ']');
    jw_close(&w, '}');
}

static void put_target(struct json_writer *w, const struct plan_action *action) {
    jw_key(w, "target");
    jw_open(w, '{');
    jw_put_string(w, "id", action->id);
    jw_put_string(w, "kind", cloud_kind_name(action->kind));
    jw_put_string(w, "provider", action->provider);
    jw_put_string(w, "region", action->region);
    jw_close(w, '}');
}

static void put_state(struct json_writer *w, const char *key, const struct plan_action *action,
                      const struct target_state *state) {
    jw_key(w, key);
    target_state_print(w, state, target_state_has_count((int)action->type, action->kind), action->is_bounds);
}

void status_print_recommendation_object(const struct object *policy, const char *name, const struct plan_action *action,
                                        int64_t attempt, bool approved, struct buf *out) {
    struct json_writer w = {.out = out};
    jw_open(&w, '{');
    jw_put_string(&w, "apiVersion", API_GROUP "/" API_VERSION);
    jw_put_string(&w, "kind", object_kind_name(OBJECT_RECOMMENDATION));
    jw_key(&w, "metadata");
    jw_open(&w, '{');
    jw_put_string(&w, "name", name);
    jw_put_string(&w, "namespace", policy->namespace);
    jw_key(&w, "labels");
    jw_open(&w, '{');
    jw_put_string(&w, "app.kubernetes.io/managed-by", "trimtab");
    jw_close(&w, '}');
    jw_key(&w, "ownerReferences");
    jw_open(&w, '[');
    jw_open(&w, '{');
    jw_put_string(&w, "apiVersion", API_GROUP "/" API_VERSION);
    jw_put_bool(&w, "controller", true);
    jw_put_string(&w, "kind", object_kind_name(OBJECT_POLICY));
    jw_put_string(&w, "name", policy->name);
    jw_put_string(&w, "uid", policy->uid);
    jw_close(&w, '}');
    jw_close(&w, ']');
    jw_close(&w, '}');
    jw_key(&w, "spec");
    jw_open(&w, '{');
    jw_put_string(&w, "action", action_type_name(action->type));
    jw_put_int(&w, "attempt", attempt);
    if (approved)
        jw_put_string(&w, "decision", recommendation_decision_name(DECISION_APPROVED));
    put_state(&w, "from", action, &action->from);
    jw_put_string(&w, "planHash", action->hash);
    jw_key(&w, "policyRef");
    jw_open(&w, '{');
    jw_put_string(&w, "name", policy->name);
    jw_close(&w, '}');
    put_target(&w, action);
    put_state(&w, "to", action, &action->to);
    jw_close(&w, '}');
    jw_close(&w, '}');
}
