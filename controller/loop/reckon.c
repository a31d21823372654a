/*
 * Forecasts against what came: the coverage of a policy's forecasts, and the figures of status.forecast.
 *
 * Figures move with each sample; a status that did too would be written every few minutes for every policy there is. So
 * what is shown is as of a time that stands beside it, and is renewed four times a day, and whenever the status is
 * written for another reason. It carries the counts by day, and a process that takes over goes on from there: what was
 * counted since is lost, and the forecasts that waited for their samples.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "loop/loop_internal.h"

#define SHOWN_MAX_MS (INT64_C(6) * 3600 * 1000)
#define DOUBT_MAX_MS SHOWN_MAX_MS

struct watch {
    struct coverage_watch coverage;
    uint64_t cycle; /* In which its resource was last selected. */
};

static void watch_free(struct watch *watch) {
    coverage_watch_release(&watch->coverage);
    mem_free(watch);
}

static void watches_release(struct policy_reckoning *reckoning) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&reckoning->watches, &i));)
        watch_free(entry->value);
    map_release(&reckoning->watches);
}

void reckon_release(struct policy_reckoning *reckoning) {
    watches_release(reckoning);
    mem_free(reckoning->shown);
    *reckoning = (struct policy_reckoning){0};
}

/* ---- counting ---- */

/* Goes on from what the status carries; from nothing where the terms are others. */
static void begin(struct policy_reckoning *reckoning, const struct object *object) {
    const struct policy *policy = object->as.policy;
    double quantile = plan_policy_quantile(policy, 1);
    if (reckoning->is_begun && reckoning->quantile == quantile && reckoning->metric == policy->forecast.metric)
        return;
    bool is_first = !reckoning->is_begun;
    reckon_release(reckoning);
    reckoning->is_begun = true;
    reckoning->quantile = quantile;
    reckoning->metric = policy->forecast.metric;
    if (!is_first || !object->forecast_json)
        return;
    status_read_coverage(object->forecast_json, quantile, &reckoning->shown_ms, &reckoning->coverage);
    if (reckoning->shown_ms > 0 && object->observed_generation == object->generation)
        reckoning->shown = mem_strdup(object->forecast_json);
}

static size_t quantile_index(const struct forecast *forecast, double quantile) {
    size_t j = 0;
    while (j + 1 < forecast->quantile_count && forecast->quantiles[j] < quantile)
        j++;
    return j;
}

static struct watch *watch_get(struct policy_reckoning *reckoning, const struct snapshot_resource *resource) {
    char *key =
        claims_key(resource->provider, resource->resource.region, resource->resource.kind, resource->resource.id);
    struct watch *watch = map_get(&reckoning->watches, key);
    if (!watch) {
        watch = mem_alloc(sizeof(*watch));
        (void)map_put(&reckoning->watches, key, watch);
    }
    mem_free(key);
    return watch;
}

static void forget_unselected(struct policy_reckoning *reckoning) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&reckoning->watches, &i));) {
        struct watch *watch = entry->value;
        if (watch->cycle == reckoning->cycle)
            continue;
        (void)map_remove(&reckoning->watches, entry->key);
        watch_free(watch);
    }
}

static void count(struct policy_reckoning *reckoning, const struct policy_job *job) {
    const struct snapshot *snapshot = job->snapshot;
    reckoning->cycle++;
    for (size_t i = 0; i < snapshot->resource_count; i++) {
        struct watch *watch = watch_get(reckoning, &snapshot->resources[i]);
        const struct forecast *forecast = &job->input.forecasts[i];
        watch->cycle = reckoning->cycle;
        coverage_settle(&watch->coverage, &snapshot->resources[i].history, &reckoning->coverage);
        coverage_expect(&watch->coverage, forecast, quantile_index(forecast, reckoning->quantile),
                        job->object->as.policy->sla.lead_time_ms);
    }
    forget_unselected(reckoning);
}

/* ---- doubts ---- */

bool reckon_wants_doubts(struct loop *loop, const struct policy_state *state) {
    int64_t age_ms = loop_now_ms(loop) - state->reckoning.doubt_ms;
    return state->reckoning.doubt_ms == 0 || age_ms < 0 || age_ms >= DOUBT_MAX_MS;
}

static void take_doubts(struct policy_reckoning *reckoning, const struct policy_job *job, int64_t now_ms) {
    size_t first = 0, number = 0;
    reckoning->doubt = FORECAST_DOUBT_NONE;
    reckoning->doubt_ms = now_ms;
    for (size_t i = 0; i < job->snapshot->resource_count; i++) {
        if (job->doubts[i] > reckoning->doubt) {
            reckoning->doubt = job->doubts[i];
            first = i;
            number = 0;
        }
        number += job->doubts[i] == reckoning->doubt;
    }
    if (reckoning->doubt == FORECAST_DOUBT_NONE)
        return;
    char others[40] = "";
    if (number > 1)
        (void)snprintf(others, sizeof(others), " and %zu more", number - 1);
    (void)snprintf(reckoning->doubt_message, sizeof(reckoning->doubt_message), "%.120s%s: %s",
                   job->snapshot->resources[first].resource.id, others,
                   reckoning->doubt == FORECAST_DOUBT_BURSTY
                       ? "demand comes in bursts (p99 over 3 times the median) that nothing before them tells; keep "
                         "room with spec.capacity.min, or allow more in spec.sla.maxViolationPerMille"
                       : "no model does better on it than the seasonal naive one");
}

/* Disks and their like have no demand at all, nodes that of what runs on them, and what is stopped has none now. */
static bool has_demand(const struct cloud_resource *r) {
    return !cloud_kind_is_storage(r->kind) && r->kind != CLOUD_NODE && r->state != CLOUD_STOPPED;
}

struct status_condition reckon_condition(const struct policy_reckoning *reckoning, struct policy_job *job) {
    for (size_t i = 0; i < job->snapshot->resource_count; i++)
        if (job->input.forecasts[i].basis == FORECAST_BASIS_NONE && has_demand(&job->snapshot->resources[i].resource))
            return (struct status_condition){CONDITION_FORECASTED, CONDITION_FALSE, "NoHistory",
                                             arena_printf(&job->arena,
                                                          "%s has no demand history yet; it is left as it is",
                                                          job->snapshot->resources[i].resource.id)};
    /* It is forecast all the same, and acted upon: True, with what to expect of it. */
    if (reckoning->doubt != FORECAST_DOUBT_NONE)
        return (struct status_condition){CONDITION_FORECASTED, CONDITION_TRUE,
                                         reckoning->doubt == FORECAST_DOUBT_BURSTY ? "Bursty" : "NoBetterThanNaive",
                                         reckoning->doubt_message};
    return (struct status_condition){CONDITION_FORECASTED, CONDITION_TRUE, "Forecasted",
                                     "demand is forecast for every selected resource"};
}

/* ---- what is shown ---- */

static bool has_basis(const char *shown, enum forecast_basis basis) {
    char text[40];
    (void)snprintf(text, sizeof(text), "\"basis\":\"%s\"", forecast_basis_name(basis));
    return strstr(shown, text) != NULL;
}

static bool is_due(const struct policy_state *state, const struct policy_job *job, const struct forecast *largest,
                   const struct status_summary *summary, int64_t now_ms) {
    const struct policy_reckoning *reckoning = &state->reckoning;
    int64_t age_ms = now_ms - reckoning->shown_ms;
    if (!reckoning->shown || age_ms < 0 || age_ms >= SHOWN_MAX_MS || !has_basis(reckoning->shown, largest->basis))
        return true;
    /* The status is written anyway. What a process before this one said is no news. */
    return job->object->observed_generation != job->object->generation ||
           (state->reason[0] && !str_eq(state->reason, summary->reason)) ||
           (state->plan_hash[0] && !str_eq(state->plan_hash, job->plan.hash));
}

void reckon_job(struct loop *loop, struct policy_state *state, const struct policy_job *job,
                const struct forecast *largest, const struct status_summary *summary) {
    struct policy_reckoning *reckoning = &state->reckoning;
    int64_t now_ms = loop_now_ms(loop);
    begin(reckoning, job->object);
    count(reckoning, job);
    if (job->doubts)
        take_doubts(reckoning, job, now_ms);
    if (!largest || !is_due(state, job, largest, summary, now_ms))
        return;
    struct buf text = {0};
    status_print_forecast(
        &(struct forecast_summary){
            .forecast = largest, .quantile = reckoning->quantile, .coverage = &reckoning->coverage, .as_of_ms = now_ms},
        &text);
    mem_free(reckoning->shown);
    reckoning->shown = buf_take(&text);
    reckoning->shown_ms = now_ms;
}
