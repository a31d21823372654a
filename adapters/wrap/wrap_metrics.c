/*
 * Calls as Prometheus sees them: how long, how they ended, how many requests they took.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/wrap/wrap_internal.h"
#include "base/mem.h"
#include "base/metrics.h"

static const char *const call_labels[] = {"cloud", "provider", "verb", "outcome", NULL};
static const char *const verb_labels[] = {"cloud", "verb", NULL};
static const char *const request_labels[] = {"cloud", "provider", "verb", NULL};
static const struct metric metric_calls = {"trimtab_cloud_calls_total", "Calls to a cloud's adapter that ended.",
                                           METRIC_COUNTER, call_labels, NULL};
static const struct metric metric_seconds = {"trimtab_cloud_call_duration_seconds",
                                             "How long a call took, with its pages and its waits.", METRIC_HISTOGRAM,
                                             verb_labels, NULL};
static const struct metric metric_requests = {"trimtab_cloud_call_requests_total",
                                              "Requests that calls to a cloud's adapter took.", METRIC_COUNTER,
                                              request_labels, NULL};

struct wrap_metrics {
    struct wrap wrap;
    struct metrics *metrics;
    char *provider;
};

static void after(struct wrap_call *call) {
    const struct wrap_metrics *self = CONTAINER_OF(call->wrap, struct wrap_metrics, wrap);
    const struct adapter_reply *reply = &call->outer->reply;
    const char *cloud = self->wrap.ops.type, *verb = wrap_verb_name(call->verb);
    const char *outcome = reply->error.class == ERR_NONE ? "Ok" : error_class_name(reply->error.class);
    uint64_t duration_ns = runtime_mono_ns(self->wrap.runtime) - call->began_ns;
    metrics_add(self->metrics, &metric_calls, METRIC_LABELS(cloud, self->provider, verb, outcome), 1);
    metrics_observe(self->metrics, &metric_seconds, METRIC_LABELS(cloud, verb), (double)duration_ns / (double)NS_PER_S);
    metrics_add(self->metrics, &metric_requests, METRIC_LABELS(cloud, self->provider, verb), reply->request_count);
}

static void release(struct wrap *wrap) {
    struct wrap_metrics *self = CONTAINER_OF(wrap, struct wrap_metrics, wrap);
    mem_free(self->provider);
    mem_free(self);
}

struct adapter *wrap_metrics(struct adapter *inner, struct runtime *runtime, struct metrics *metrics,
                             const char *provider) {
    static const struct wrap_hooks hooks = {.after = after, .free = release};
    struct wrap_metrics *self = mem_alloc(sizeof(*self));
    self->metrics = metrics;
    self->provider = mem_strdup(provider);
    return wrap_init(&self->wrap, &hooks, inner, runtime);
}
