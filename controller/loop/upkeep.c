/*
 * Upkeep: what a decision of the past keeps asking for. A workload that was resized in place carries its requests as an
 * annotation; new pods come with those of the template. Where a listing tells of pods that have drifted from the
 * annotation, it is applied to them again.
 *
 * There is no Recommendation: the intent stands in the cluster, it is level-triggered, and the next listing tells what
 * became of it. The effect is fenced like any other: leader and lease, suspension, one owner, a fresh listing that
 * began after the last try, one at a time for a target, and ever more seldom where it does not help.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "base/log.h"
#include "base/str.h"
#include "loop/loop_internal.h"

#define PERIOD_MS (INT64_C(60) * 1000) /* Between two tries; doubles while the drift stays. */
#define PERIOD_MAX_MS (INT64_C(60) * 60 * 1000)
#define FENCE_WAIT_MS 5000

static const char *const effect_names[] = {"provider", "outcome", NULL};
static const struct metric metric_upkeep = {"trimtab_upkeep_total",
                                            "Requests of workloads applied again to pods that had drifted, by outcome.",
                                            METRIC_COUNTER, effect_names, NULL};

struct upkeep { /* Of one target, while it drifts. */
    struct loop *loop;
    char *key; /* In loop->upkeeps. */
    char *namespace, *policy, *provider;
    int64_t drifted; /* When it was sent. */
    int64_t tries;
    uint64_t floor_sequence; /* Only a listing that began after this one is news. */
    uint64_t next_ns;        /* Monotonic: not before. */
    bool sending;
    struct adapter_call call;
    struct cloud_action action;
    struct arena arena;
    char token[24];
};

static void upkeep_free(struct upkeep *upkeep) {
    arena_release(&upkeep->arena);
    mem_free(upkeep->key);
    mem_free(upkeep->namespace);
    mem_free(upkeep->policy);
    mem_free(upkeep->provider);
    mem_free(upkeep);
}

static void upkeep_forget(struct loop *loop, struct upkeep *upkeep) {
    if (upkeep->sending)
        return;
    (void)map_remove(&loop->upkeeps, upkeep->key);
    upkeep_free(upkeep);
}

void upkeep_release(struct loop *loop) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&loop->upkeeps, &i));)
        upkeep_free(entry->value);
    map_release(&loop->upkeeps);
}

/* Of targets that nobody has looked at in a long time: they are gone, or no longer selected. */
static void forget_old(struct loop *loop) {
    uint64_t now_ns = runtime_mono_ns(loop->runtime), age_ns = 2 * (uint64_t)PERIOD_MAX_MS * NS_PER_MS;
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&loop->upkeeps, &i));) {
        struct upkeep *upkeep = entry->value;
        if (upkeep->sending || upkeep->next_ns + age_ns > now_ns)
            continue;
        upkeep_forget(loop, upkeep);
        i = 0; /* Removal moves entries. */
    }
}

static int64_t period_ms(int64_t tries) {
    int64_t period_ms = PERIOD_MS;
    for (int64_t i = 1; i < tries && period_ms < PERIOD_MAX_MS; i++)
        period_ms *= 2;
    return period_ms < PERIOD_MAX_MS ? period_ms : PERIOD_MAX_MS;
}

/* A change that is under way comes first. */
static bool is_target_busy(const struct loop *loop, const struct object *policy, const struct snapshot_resource *r) {
    const struct name_set *names = admit_names(loop, policy->namespace, policy->name);
    for (size_t i = 0; i < names->count; i++) {
        const struct object *object = store_get(loop->store, OBJECT_RECOMMENDATION, policy->namespace, names->names[i]);
        if (!object || object->fault[0])
            continue;
        const struct recommendation *other = object->as.recommendation;
        bool is_begun = other->phase == PHASE_RUNNING || other->phase == PHASE_VERIFYING;
        if (is_begun && other->target.kind == r->resource.kind && str_eq(other->target.id, r->resource.id) &&
            str_eq(other->target.region, r->resource.region) && str_eq(other->target.provider, r->provider))
            return true;
    }
    return false;
}

static void send_done(struct adapter_call *call) {
    struct upkeep *upkeep = call->ctx;
    struct loop *loop = upkeep->loop;
    struct error error = call->reply.error;
    bool is_good = error.class == ERR_NONE;
    loop->in_flight--;
    loop->effects--;
    upkeep->sending = false;
    upkeep->floor_sequence = observe_sequence(loop->observe);
    upkeep->next_ns = runtime_mono_ns(loop->runtime) + (uint64_t)period_ms(upkeep->tries) * NS_PER_MS;
    metrics_add(loop->options.metrics, &metric_upkeep,
                METRIC_LABELS(upkeep->provider, is_good ? "Succeeded" : error_class_name(error.class)), 1);
    char note[512];
    if (is_good)
        (void)snprintf(note, sizeof(note), "%.200s: its requests were applied again to %lld pods that had others",
                       upkeep->action.id, (long long)upkeep->drifted);
    else
        (void)snprintf(note, sizeof(note), "%.200s: its requests could not be applied again: %s", upkeep->action.id,
                       error.message);
    log_write(is_good ? LOG_INFO : LOG_WARN, "upkeep",
              LOG_FIELDS(LOG_STR("provider", upkeep->provider), LOG_STR("target", upkeep->action.id),
                         LOG_INT("drifted", upkeep->drifted), LOG_INT("try", upkeep->tries), LOG_ERR(&error)));
    arena_release(&upkeep->arena);
    const struct object *policy = store_get(loop->store, OBJECT_POLICY, upkeep->namespace, upkeep->policy);
    if (!policy)
        return;
    store_note(loop->store, &(struct store_note){.regarding = policy,
                                                 .warning = !is_good,
                                                 .reason = is_good ? "ReappliedRequests" : "RequestsNotReapplied",
                                                 .action = action_type_name(ACTION_RIGHTSIZE),
                                                 .note = note});
    workqueue_add_after(&loop->queue, OBJECT_POLICY, policy->namespace, policy->name, period_ms(upkeep->tries) + 1);
}

static void send(struct upkeep *upkeep, struct adapter *adapter, const struct snapshot_resource *r) {
    struct loop *loop = upkeep->loop;
    uint64_t token = str_hash_text(STR_HASH_SEED, upkeep->key);
    token = str_hash(token, &r->resource.vcpu_milli, sizeof(r->resource.vcpu_milli));
    token = str_hash(token, &r->resource.memory_mib, sizeof(r->resource.memory_mib));
    (void)snprintf(upkeep->token, sizeof(upkeep->token), "%016llx", (unsigned long long)token);
    upkeep->action = (struct cloud_action){.verb = CLOUD_RESIZE,
                                           .kind = r->resource.kind,
                                           .region = arena_strdup(&upkeep->arena, r->resource.region),
                                           .id = arena_strdup(&upkeep->arena, r->resource.id),
                                           .vcpu_milli = r->resource.vcpu_milli,
                                           .memory_mib = r->resource.memory_mib,
                                           .token = upkeep->token};
    upkeep->call = (struct adapter_call){
        .done = send_done, .ctx = upkeep, .arena = &upkeep->arena, .timeout_ms = loop->options.action_timeout_ms};
    upkeep->drifted = r->resource.drifted;
    upkeep->tries++;
    upkeep->sending = true;
    loop->in_flight++;
    loop->effects++;
    adapter->ops->apply(adapter, &upkeep->call, &upkeep->action);
}

static struct upkeep *upkeep_make(struct loop *loop, const struct object *policy, const struct snapshot_resource *r,
                                  char *key) {
    struct upkeep *upkeep = mem_alloc(sizeof(*upkeep));
    upkeep->loop = loop;
    upkeep->key = key;
    upkeep->namespace = mem_strdup(policy->namespace);
    upkeep->policy = mem_strdup(policy->name);
    upkeep->provider = mem_strdup(r->provider);
    (void)map_put(&loop->upkeeps, key, upkeep);
    return upkeep;
}

/* What has drifted and may be set right now is; else the policy comes back when that may be so. */
static void upkeep_resource(struct loop *loop, const struct object *policy, const struct snapshot *snapshot,
                            const struct snapshot_resource *r) {
    char *key = claims_key(r->provider, r->resource.region, r->resource.kind, r->resource.id);
    struct upkeep *upkeep = map_get(&loop->upkeeps, key);
    if (r->resource.drifted <= 0) {
        if (upkeep && snapshot->sources[r->source].state == SOURCE_FRESH)
            upkeep_forget(loop, upkeep);
        mem_free(key);
        return;
    }
    if (upkeep)
        mem_free(key);
    else
        upkeep = upkeep_make(loop, policy, r, key);
    if (upkeep->sending)
        return;
    int64_t ignored;
    uint64_t sequence, now_ns = runtime_mono_ns(loop->runtime);
    enum source_state source =
        observe_source(loop->observe, r->provider, r->resource.region, r->resource.kind, &ignored, &sequence);
    struct adapter *adapter = observe_adapter(loop->observe, r->provider);
    bool is_news = source == SOURCE_FRESH && sequence > upkeep->floor_sequence;
    if (upkeep->next_ns > now_ns || !is_news || !adapter || !loop_may_act(loop) || is_target_busy(loop, policy, r)) {
        int64_t left_ms = upkeep->next_ns > now_ns ? (int64_t)((upkeep->next_ns - now_ns) / NS_PER_MS) + 1 : 0;
        workqueue_add_after(&loop->queue, OBJECT_POLICY, policy->namespace, policy->name,
                            left_ms > FENCE_WAIT_MS ? left_ms : FENCE_WAIT_MS);
        return;
    }
    send(upkeep, adapter, r);
}

void upkeep_policy(struct loop *loop, const struct object *policy, const struct snapshot *snapshot) {
    const struct policy *spec = policy->as.policy;
    bool is_on = spec->mode == MODE_ENFORCE && policy_may(spec, ACTION_RIGHTSIZE) && !policy->deleting &&
                 !store_is_suspended(loop->store, policy);
    forget_old(loop);
    for (size_t i = 0; is_on && i < snapshot->resource_count; i++) {
        const struct snapshot_resource *r = &snapshot->resources[i];
        bool is_ours = r->resource.kind == CLOUD_WORKLOAD && !r->claimed_by && !r->resource.size_manager &&
                       (r->resource.vcpu_milli > 0 || r->resource.memory_mib > 0);
        if (is_ours && !provider_is_suspended(loop, r->provider))
            upkeep_resource(loop, policy, snapshot, r);
    }
}
