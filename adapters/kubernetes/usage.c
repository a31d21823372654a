/*
 * usage: how much of its requests a workload uses. metrics.k8s.io tells the present only, one sample; Prometheus, where
 * the Provider names one, the past.
 *
 * The requests are today's, so that usage over requests, times today's capacity, is what was used. CPU is what the pods
 * use together, memory what the one uses that uses most of its own (enum cloud_metric says why).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/common/samples.h"
#include "adapters/kubernetes/kubernetes_usage.h"
#include "base/mem.h"
#include "base/str.h"

void kubernetes_track_add(struct arena *arena, struct kubernetes_track *track, int64_t time_ms, double value) {
    track->samples = arena_push(arena, track->samples, track->count, sizeof(*track->samples));
    track->samples[track->count++] = (struct cloud_sample){time_ms, value};
}

/* ---- the subjects ---- */

static int subject_cmp(const void *a, const void *b) {
    const struct kubernetes_subject *x = a, *y = b;
    return str_cmp(x->id, y->id);
}

static void subjects_find(struct kubernetes_usage_state *state) {
    struct kubernetes_world *world = &state->world;
    const struct kubernetes_workload *workloads = world->workloads.items;
    const struct cloud_query *query = state->query;
    struct map by_id = {0};
    for (size_t i = 0; i < world->workloads.count; i++)
        map_put(&by_id, workloads[i].resource.id, (void *)(uintptr_t)(i + 1));
    state->subjects = arena_alloc_array(world->scratch, query->id_count, sizeof(*state->subjects));
    for (size_t i = 0; i < query->id_count; i++) {
        size_t index = (uintptr_t)map_remove(&by_id, query->ids[i]); /* Removed: one that is named twice is one. */
        if (index == 0)
            continue;
        const struct cloud_resource *resource = &workloads[index - 1].resource;
        struct kubernetes_subject *subject = &state->subjects[state->subject_count];
        *subject = (struct kubernetes_subject){.id = resource->id, .serving = resource->serving};
        if (!kubernetes_id_parse(subject->id, world->scratch, &subject->parts))
            continue;
        subject->request = query->metric == CLOUD_METRIC_CPU ? (double)resource->vcpu_milli / 1000
                                                             : (double)resource->memory_mib * 1048576;
        state->subject_count++;
    }
    map_release(&by_id);
    if (state->subject_count > 1)
        qsort(state->subjects, state->subject_count, sizeof(*state->subjects), subject_cmp);
}

/* ---- metrics.k8s.io ---- */

/* NULL: of none that was asked for. */
static struct kubernetes_subject *subject_of_pod(const struct kubernetes_usage_state *state,
                                                 const struct kubernetes_pod *pod) {
    const struct kubernetes_subject key = {.id = pod->workload};
    if (key.id == NULL || state->subject_count == 0)
        return NULL;
    return bsearch(&key, state->subjects, state->subject_count, sizeof(key), subject_cmp);
}

static void metrics_join(struct kubernetes_usage_state *state) {
    struct kubernetes_world *world = &state->world;
    const struct kubernetes_pod *pods = world->pods.items;
    const struct kubernetes_pod_metric *metrics = world->metrics.items;
    bool is_cpu = state->query->metric == CLOUD_METRIC_CPU;
    struct map by_pod = {0};
    for (size_t i = 0; i < world->metrics.count; i++)
        map_put(&by_pod, metrics[i].pod, (void *)(uintptr_t)(i + 1));
    for (size_t i = 0; i < world->pods.count; i++) {
        size_t index = (uintptr_t)map_get(&by_pod, pods[i].key);
        struct kubernetes_subject *subject = index == 0 ? NULL : subject_of_pod(state, &pods[i]);
        double asked =
            is_cpu ? (double)pods[i].requests.vcpu_milli / 1000 : (double)pods[i].requests.memory_mib * 1048576;
        if (subject == NULL || asked <= 0)
            continue;
        const struct kubernetes_pod_metric *metric = &metrics[index - 1];
        double used = is_cpu ? metric->cores : metric->bytes;
        subject->used += used;
        subject->asked += asked;
        subject->worst = used / asked > subject->worst ? used / asked : subject->worst;
        subject->time_ms = metric->time_ms > subject->time_ms ? metric->time_ms : subject->time_ms;
    }
    map_release(&by_pod);
    for (size_t i = 0; i < state->subject_count; i++) {
        struct kubernetes_subject *it = &state->subjects[i];
        if (it->asked <= 0)
            continue;
        kubernetes_track_add(world->scratch, &it->utilization, it->time_ms,
                             100 * (is_cpu ? it->used / it->asked : it->worst));
        kubernetes_track_add(world->scratch, &it->ready, it->time_ms, (double)it->serving);
    }
}

/* ---- kills ---- */

static void kills_join(struct kubernetes_usage_state *state) {
    const struct kubernetes_pod *pods = state->world.pods.items;
    for (size_t i = 0; i < state->world.pods.count; i++) {
        struct kubernetes_subject *subject = pods[i].kill_count > 0 ? subject_of_pod(state, &pods[i]) : NULL;
        for (size_t k = 0; subject != NULL && k < pods[i].kill_count; k++) {
            subject->kills =
                arena_push(state->world.scratch, subject->kills, subject->kill_count, sizeof(*subject->kills));
            subject->kills[subject->kill_count++] = pods[i].kills[k];
        }
    }
}

/* Of one moment the larger first: the history takes one of a moment. */
static int kill_cmp(const void *a, const void *b) {
    const struct cloud_kill *x = a, *y = b;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    if (x->memory_mib != y->memory_mib)
        return x->memory_mib > y->memory_mib ? -1 : 1;
    return str_cmp(x->id, y->id);
}

/* The newest of them, into the caller's arena. */
static const struct cloud_kill *kills_settled(struct call *call, struct kubernetes_subject *subject,
                                              size_t *ret_count) {
    struct arena *arena = call->outer->arena;
    size_t count = subject->kill_count < CLOUD_KILLS_MAX ? subject->kill_count : CLOUD_KILLS_MAX;
    *ret_count = count;
    if (count == 0)
        return NULL;
    qsort(subject->kills, subject->kill_count, sizeof(*subject->kills), kill_cmp);
    struct cloud_kill *newest =
        arena_memdup(arena, subject->kills + (subject->kill_count - count), count * sizeof(*newest));
    for (size_t i = 0; i < count; i++)
        newest[i].id = arena_strdup(arena, newest[i].id);
    return newest;
}

/* ---- the reply ---- */

/* What is now is of the step that runs, which comes after the last one that is over. */
static struct cloud_query range_of(const struct kubernetes_usage_state *state, int64_t now_ms) {
    struct cloud_query range = *state->query;
    bool is_present = state->world.self->prometheus_url == NULL && range.to_ms > now_ms - range.step_ms;
    if (is_present && range.to_ms <= now_ms)
        range.to_ms = now_ms + 1;
    return range;
}

static const struct cloud_sample *settled(struct call *call, struct kubernetes_track *track, enum samples_rule rule,
                                          size_t *ret_count) {
    int64_t now_ms = call_host_now_ms(call->host);
    const struct cloud_query range = range_of(call->state, now_ms);
    *ret_count = samples_normalise(track->samples, track->count, &range, rule, now_ms);
    if (*ret_count == 0)
        return NULL;
    return arena_memdup(call->outer->arena, track->samples, *ret_count * sizeof(*track->samples));
}

static enum exchange_next reply_fill(struct call *call) {
    struct kubernetes_usage_state *state = call->state;
    struct adapter_reply *reply = &call->outer->reply;
    struct cloud_series *all = arena_alloc_array(call->outer->arena, state->subject_count, sizeof(*all));
    for (size_t i = 0; i < state->subject_count; i++) {
        struct cloud_series series = {.id = state->subjects[i].id,
                                      .is_present = state->world.self->prometheus_url == NULL};
        series.utilization = settled(call, &state->subjects[i].utilization, samples_rule_of(state->query->metric),
                                     &series.utilization_count);
        series.serving = settled(call, &state->subjects[i].ready, SAMPLES_LAST, &series.serving_count);
        series.kills = kills_settled(call, &state->subjects[i], &series.kill_count);
        if (series.utilization_count + series.serving_count + series.kill_count > 0)
            all[reply->count++] = series;
    }
    reply->as.series = all;
    return EXCHANGE_DONE;
}

static enum exchange_next world_finish(struct call *call, struct kubernetes_world *world, struct error *err) {
    struct kubernetes_usage_state *state = call->state;
    (void)err;
    subjects_find(state);
    kills_join(state);
    if (world->self->prometheus_url == NULL)
        metrics_join(state);
    else if (kubernetes_prometheus_begin(state))
        return EXCHANGE_MORE;
    return reply_fill(call);
}

static void usage_build(struct call *call) {
    const struct kubernetes_usage_state *state = call->state;
    if (state->world.is_over)
        kubernetes_prometheus_build(call);
    else
        kubernetes_world_build(call);
}

static enum exchange_next usage_read(struct call *call, struct error *err) {
    const struct kubernetes_usage_state *state = call->state;
    if (!state->world.is_over)
        return kubernetes_world_read(call, err);
    enum exchange_next next = kubernetes_prometheus_read(call, err);
    return err->class != ERR_NONE || next == EXCHANGE_MORE ? next : reply_fill(call);
}

static const struct call_verb usage_verb = {.name = "usage",
                                            .priority = GATE_USAGE,
                                            .build = usage_build,
                                            .read = usage_read,
                                            .failed = kubernetes_world_failed};

/* NULL if the query can be asked. */
static const char *fault_of(const struct cloud_query *query) {
    if (query->kind != CLOUD_WORKLOAD)
        return "no usage of this kind";
    if (query->metric != CLOUD_METRIC_CPU && query->metric != CLOUD_METRIC_MEMORY)
        return "no such metric";
    if (query->step_ms < 1000 || query->step_ms % 1000 != 0 || query->step_ms > 86400000)
        return "the step must be a whole number of seconds, at most a day";
    if (query->from_ms < 0 || query->from_ms >= query->to_ms)
        return "the time range is empty";
    return NULL;
}

void kubernetes_usage(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query) {
    struct call *call = call_new(&self->host, outer, &usage_verb, sizeof(struct kubernetes_usage_state));
    struct kubernetes_usage_state *state = call->state;
    const char *fault = fault_of(query);
    uint32_t wanted = SOURCES_WORKLOADS;
    if (!kubernetes_region_check(call, query->region))
        return;
    if (fault != NULL) {
        call_refuse(call, "kubernetes: usage: %s", fault);
        return;
    }
    state->query = query;
    if (query->id_count == 0) {
        call_end(call, NULL);
        return;
    }
    if (self->prometheus_url == NULL)
        wanted |= SOURCE_BIT(SOURCE_PODS) | SOURCE_BIT(SOURCE_POD_METRICS);
    if (query->metric == CLOUD_METRIC_MEMORY)
        wanted |= SOURCE_BIT(SOURCE_PODS);
    kubernetes_world_init(&state->world, call, wanted, world_finish);
    state->world.wants_kills = query->metric == CLOUD_METRIC_MEMORY;
    state->world.has_no_drift = true;
    call_start(call);
}
