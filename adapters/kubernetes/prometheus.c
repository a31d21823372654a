/*
 * The past of workloads from Prometheus' HTTP API: usage by pod, of which the server tells the mean over a workload's
 * pods (CPU) or the greatest (memory), and the pods that kube-state-metrics counted as ready.
 *
 * A series' pods are told by their names, which the workload's controller makes: so the past has also the pods that are
 * gone, of which no API keeps the owner. A Deployment's are "<deployment>-<hash>-<suffix>" in the alphabet that
 * Kubernetes makes names of (no vowels, so that "web-api-..." is not taken for "web"), a StatefulSet's
 * "<set>-<ordinal>".
 *
 *     subjects:  | a/Deployment/x  a/Deployment/y | a/StatefulSet/z | b/Deployment/w |      one request a group,
 *     time:      from ------span------|------span------| end                               one a span,
 *                utilization, then ready                                                   and one each
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "adapters/common/prometheus.h"
#include "adapters/kubernetes/kubernetes_usage.h"
#include "base/str.h"

#define POINTS_SUM_MAX 200000 /* Over the series of a reply, which this bounds: 35 bytes a point. */
#define SUBJECTS_MAX 50
#define RATE_WINDOW_MIN_MS 120000 /* At least two samples of the usual 15 to 60 s. */

#define SAFE "[bcdfghjklmnpqrstvwxz2456789]"
#define DEPLOYMENT_TAIL "-" SAFE "{1,10}-" SAFE "{5}"
#define STATEFUL_SET_TAIL "-[0-9]+"

/* ---- which request is next ---- */

static bool is_same_group(const struct kubernetes_subject *a, const struct kubernetes_subject *b) {
    return str_eq(a->parts.namespace, b->parts.namespace) && str_eq(a->parts.kind, b->parts.kind);
}

/* As many subjects from `first` on as go into one request. */
static void group_begin(struct kubernetes_usage_state *state, size_t first) {
    struct kubernetes_prometheus *at = &state->prometheus;
    size_t points = (size_t)(at->span_ms / state->query->step_ms);
    size_t count_max = POINTS_SUM_MAX / points < SUBJECTS_MAX ? POINTS_SUM_MAX / points : SUBJECTS_MAX;
    at->first = first;
    at->count = 0;
    while (first + at->count < state->subject_count && at->count < count_max &&
           is_same_group(&state->subjects[first], &state->subjects[first + at->count]))
        at->count++;
}

static void span_begin(struct kubernetes_prometheus *at, int64_t from_ms) {
    at->at_ms = from_ms;
    at->to_ms = at->end_ms - from_ms > at->span_ms ? from_ms + at->span_ms : at->end_ms;
}

bool kubernetes_prometheus_begin(struct kubernetes_usage_state *state) {
    const struct cloud_query *query = state->query;
    struct kubernetes_prometheus *at = &state->prometheus;
    int64_t now_ms = runtime_wall_ms(state->world.self->host.runtime);
    int64_t to_ms = query->to_ms < now_ms ? query->to_ms : now_ms;
    at->from_ms = query->from_ms - query->from_ms % query->step_ms;
    at->end_ms = to_ms - to_ms % query->step_ms; /* Whole periods only. */
    int64_t points = (at->end_ms - at->from_ms) / query->step_ms;
    at->span_ms = (points < PROMETHEUS_POINTS_MAX ? points : PROMETHEUS_POINTS_MAX) * query->step_ms;
    if (points <= 0 || state->subject_count == 0)
        return false;
    span_begin(at, at->from_ms);
    group_begin(state, 0);
    return true;
}

static bool advance(struct kubernetes_usage_state *state) {
    struct kubernetes_prometheus *at = &state->prometheus;
    at->is_serving = !at->is_serving;
    if (at->is_serving)
        return true;
    if (at->to_ms < at->end_ms) {
        span_begin(at, at->to_ms);
        return true;
    }
    span_begin(at, at->from_ms);
    if (at->first + at->count >= state->subject_count)
        return false;
    group_begin(state, at->first + at->count);
    return true;
}

/* ---- the query ---- */

/* "(a|b\\.c)" within a string of PromQL: RE2's own signs are escaped, and its backslash once more for the string. Names
 * of Kubernetes have of them only the point. */
static void put_names(const struct kubernetes_usage_state *state, struct buf *out) {
    const struct kubernetes_prometheus *at = &state->prometheus;
    for (size_t i = 0; i < at->count; i++) {
        buf_putc(out, i == 0 ? '(' : '|');
        for (const char *c = state->subjects[at->first + i].parts.name; *c != '\0'; c++) {
            if (*c == '.')
                buf_puts(out, "\\\\");
            buf_putc(out, *c);
        }
    }
    buf_putc(out, ')');
}

static bool is_stateful(const struct kubernetes_usage_state *state) {
    return str_eq(state->subjects[state->prometheus.first].parts.kind, "StatefulSet");
}

static void put_usage(const struct kubernetes_usage_state *state, struct buf *out) {
    const char *tail = is_stateful(state) ? STATEFUL_SET_TAIL : DEPLOYMENT_TAIL;
    bool is_cpu = state->query->metric == CLOUD_METRIC_CPU;
    int64_t step_ms = state->query->step_ms;
    int64_t window_ms = is_cpu && step_ms < RATE_WINDOW_MIN_MS ? RATE_WINDOW_MIN_MS : step_ms;
    /* By container first: two scrapes of one container, as of two exporters, are not added up. Peaks of a pod's
     * containers are, whether or not they came at one moment: who plans for their sum errs to the safe side. */
    buf_printf(out, "%s by (workload) (label_replace(sum by (pod) (max by (pod, container) (", is_cpu ? "avg" : "max");
    buf_printf(out, "%s{namespace=\"%s\",container!=\"\",container!=\"POD\",pod=~\"",
               is_cpu ? "rate(container_cpu_usage_seconds_total" : "max_over_time(container_memory_working_set_bytes",
               state->subjects[state->prometheus.first].parts.namespace);
    put_names(state, out);
    buf_printf(out, "%s\"}[%llds]))),\"workload\",\"$1\",\"pod\",\"(.+)%s\"))", tail, (long long)(window_ms / 1000),
               tail);
}

static void put_ready(const struct kubernetes_usage_state *state, struct buf *out) {
    bool stateful = is_stateful(state);
    const char *label = stateful ? "statefulset" : "deployment";
    buf_printf(out, "label_replace(max by (%s) (%s{namespace=\"%s\",%s=~\"", label,
               stateful ? "kube_statefulset_status_replicas_ready" : "kube_deployment_status_replicas_ready",
               state->subjects[state->prometheus.first].parts.namespace, label);
    put_names(state, out);
    buf_printf(out, "\"}),\"workload\",\"$1\",\"%s\",\"(.+)\")", label);
}

/* Prometheus looks back from each point: what it says of the end of a period is of that period. */
void kubernetes_prometheus_build(struct call *call) {
    struct kubernetes_usage_state *state = call->state;
    const struct kubernetes *self = state->world.self;
    const struct kubernetes_prometheus *at = &state->prometheus;
    struct exchange *exchange = &call->exchange;
    struct buf query = {0};
    call->label = "query Prometheus";
    call->api = "prometheus";
    call->region = CLOUD_REGION_CLUSTER;
    if (self->prometheus_token != NULL)
        exchange_header(exchange, "authorization", "Bearer %s", self->prometheus_token);
    if (at->is_serving)
        put_ready(state, &query);
    else
        put_usage(state, &query);
    prometheus_request(exchange, self->prometheus_url,
                       &(const struct prometheus_range){.query = buf_text(&query),
                                                        .from_ms = at->at_ms + state->query->step_ms,
                                                        .to_ms = at->to_ms,
                                                        .step_ms = state->query->step_ms});
    buf_release(&query);
}

/* ---- the reply ---- */

static struct kubernetes_subject *subject_of(const struct kubernetes_usage_state *state, const char *name) {
    const struct kubernetes_prometheus *at = &state->prometheus;
    for (size_t i = 0; i < at->count; i++) {
        if (str_eq(state->subjects[at->first + i].parts.name, name))
            return &state->subjects[at->first + i];
    }
    return NULL;
}

static void read_series(struct call *call, const struct json *values, struct kubernetes_subject *subject) {
    const struct kubernetes_usage_state *state = call->state;
    bool is_serving = state->prometheus.is_serving;
    if (!is_serving && subject->request <= 0)
        return;
    for (size_t i = 0; i < json_array_count(values); i++) {
        int64_t time_ms;
        double value;
        if (!prometheus_point(json_array_at(values, i), &time_ms, &value) || !isfinite(value))
            continue; /* A missing sample. */
        kubernetes_track_add(&call->arena, is_serving ? &subject->ready : &subject->utilization,
                             time_ms - state->query->step_ms, is_serving ? value : 100 * value / subject->request);
    }
}

enum exchange_next kubernetes_prometheus_read(struct call *call, struct error *err) {
    struct kubernetes_usage_state *state = call->state;
    const struct json *reply = kubernetes_reply(call, err);
    if (reply == NULL)
        return EXCHANGE_DONE;
    const struct json *result = prometheus_series(reply, err);
    if (result == NULL)
        return EXCHANGE_DONE;
    for (size_t i = 0; i < json_array_count(result); i++) {
        const struct json *series = json_array_at(result, i);
        struct kubernetes_subject *subject = subject_of(state, json_string(json_at(series, "metric.workload"), ""));
        if (subject != NULL)
            read_series(call, json_get(series, "values"), subject);
    }
    return advance(state) ? EXCHANGE_MORE : EXCHANGE_DONE;
}
