/*
 * The budget as Prometheus sees it. Counters leave the region out, so that many regions of many accounts stay within
 * the series of a family; gauges have it, as each is of one budget.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/wrap/budget_internal.h"
#include "base/metrics.h"

static const char *const request_labels[] = {"cloud", "account", "api", "outcome", NULL};
static const char *const wait_labels[] = {"cloud", "api", "priority", NULL};
static const char *const api_labels[] = {"cloud", "account", "api", NULL};
static const char *const state_labels[] = {"cloud", "account", "api", "region", NULL};
static const double wait_buckets[] = {0.001, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 0};
static const struct metric metric_requests = {"trimtab_cloud_requests_total",
                                              "Requests to a cloud's API that ended, or that its budget refused.",
                                              METRIC_COUNTER, request_labels, NULL};
static const struct metric metric_wait = {"trimtab_cloud_request_wait_seconds",
                                          "How long a request waited for its budget before it was sent.",
                                          METRIC_HISTOGRAM, wait_labels, wait_buckets};
static const struct metric metric_throttles = {
    "trimtab_cloud_throttles_total", "Replies of a cloud that we ask too much.", METRIC_COUNTER, api_labels, NULL};
static const struct metric metric_circuit = {"trimtab_cloud_circuit_state", "0 closed, 1 half open, 2 open.",
                                             METRIC_GAUGE, state_labels, NULL};
static const struct metric metric_tokens = {"trimtab_cloud_request_tokens",
                                            "Requests that could be sent at once; below zero: a debt.", METRIC_GAUGE,
                                            state_labels, NULL};
static const struct metric metric_waiting = {"trimtab_cloud_requests_waiting", "Requests that wait for their budget.",
                                             METRIC_GAUGE, state_labels, NULL};

static struct metrics *metrics_of(const struct budget_api *api) {
    return api->account->registry->metrics;
}

#define STATE_LABELS(api) METRIC_LABELS((api)->account->cloud, (api)->account->name, (api)->name, (api)->region)

static void count(const struct budget_api *api, const char *outcome) {
    metrics_add(metrics_of(api), &metric_requests,
                METRIC_LABELS(api->account->cloud, api->account->name, api->name, outcome), 1);
}

void budget_metrics_sent(const struct budget_api *api, enum gate_priority priority, uint64_t waited_ns) {
    static const char *const names[GATE_PRIORITY_COUNT] = {"action", "usage", "inventory"};
    if (metrics_of(api))
        metrics_observe(metrics_of(api), &metric_wait, METRIC_LABELS(api->account->cloud, api->name, names[priority]),
                        (double)waited_ns / (double)NS_PER_S);
}

void budget_metrics_ended(const struct budget_api *api, enum err_class class) {
    if (!metrics_of(api))
        return;
    count(api, class == ERR_NONE ? "Ok" : error_class_name(class));
    if (class == ERR_THROTTLED)
        metrics_add(metrics_of(api), &metric_throttles,
                    METRIC_LABELS(api->account->cloud, api->account->name, api->name), 1);
}

void budget_metrics_refused(const struct budget_api *api) {
    if (metrics_of(api))
        count(api, "Refused");
}

void budget_metrics_state(const struct budget_api *api) {
    if (!metrics_of(api))
        return;
    metrics_set(metrics_of(api), &metric_circuit, STATE_LABELS(api), (double)api->circuit);
    metrics_set(metrics_of(api), &metric_tokens, STATE_LABELS(api), api->tokens);
    metrics_set(metrics_of(api), &metric_waiting, STATE_LABELS(api), (double)api->waiting);
}

void budget_metrics_forget(const struct budget_api *api) {
    if (!metrics_of(api))
        return;
    metrics_remove(metrics_of(api), &metric_circuit, STATE_LABELS(api));
    metrics_remove(metrics_of(api), &metric_tokens, STATE_LABELS(api));
    metrics_remove(metrics_of(api), &metric_waiting, STATE_LABELS(api));
}
