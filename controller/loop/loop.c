/*
 * The loop's frame: what marks keys dirty, the drain that reconciles them, start and stop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/loop.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "loop/loop_internal.h"

#define DRAIN_MAX 256 /* Keys of one turn: the loop stays responsive. */
#define STOP_CHECK_NS (20 * NS_PER_MS)

static const char *const controller_result[] = {"controller", "result", NULL};
static const char *const controller_names[] = {"controller", NULL};
static const struct metric metric_total = {"controller_runtime_reconcile_total",
                                           "Reconciliations by controller and result.", METRIC_COUNTER,
                                           controller_result, NULL};
static const struct metric metric_failed = {"controller_runtime_reconcile_errors_total", "Reconciliations that failed.",
                                            METRIC_COUNTER, controller_names, NULL};
static const struct metric metric_active = {"controller_runtime_active_workers", "Keys that are being worked on.",
                                            METRIC_GAUGE, controller_names, NULL};
static const struct metric metric_seconds = {"controller_runtime_reconcile_time_seconds", "Length of a reconciliation.",
                                             METRIC_HISTOGRAM, controller_names, NULL};

int64_t loop_now_ms(const struct loop *loop) {
    return runtime_wall_ms(loop->runtime);
}

bool loop_may_act(struct loop *loop) {
    return loop->leading && !loop->stopping && runtime_mono_ns(loop->runtime) >= loop->act_from_ns &&
           store_may_act(loop->store, loop->options.action_timeout_ms);
}

void loop_wake(struct loop *loop, enum object_kind kind, const char *namespace, const char *name) {
    if (loop->leading && !loop->stopping)
        workqueue_add(&loop->queue, kind, namespace, name, WORKQUEUE_HIGH);
}

/* ---- the drain ---- */

static void reconcile(struct loop *loop, struct workqueue_item *item) {
    switch (item->kind) {
    case OBJECT_PROVIDER:
        provider_reconcile(loop, item);
        return;
    case OBJECT_POLICY:
        cycle_policy(loop, item);
        return;
    case OBJECT_BUDGET:
        budget_reconcile(loop, item);
        return;
    case OBJECT_RECOMMENDATION:
        journal_recommendation(loop, item);
        return;
    case OBJECT_NAMESPACE:
    case OBJECT_KIND_COUNT:
        break;
    }
    ASSERT(!"no such key is ever queued");
}

static void drain(struct timer *timer) {
    struct loop *loop = timer->ctx;
    for (size_t i = 0; i < DRAIN_MAX && loop->queue.working < loop->options.concurrency; i++) {
        struct workqueue_item *item = workqueue_take(&loop->queue);
        if (!item)
            return;
        reconcile(loop, item);
    }
    if (loop->queue.depth > 0 && loop->queue.working < loop->options.concurrency)
        timer_start(loop->runtime, &loop->drain, 0, drain, loop);
}

static void on_ready(void *ctx) {
    struct loop *loop = ctx;
    if (!timer_is_active(&loop->drain) && !loop->stopping)
        timer_start(loop->runtime, &loop->drain, 0, drain, loop);
}

void loop_finish(struct loop *loop, struct workqueue_item *item, bool failed) {
    const char *controller = object_kind_plural(item->kind);
    struct metrics *metrics = loop->options.metrics;
    metrics_add(metrics, &metric_total, METRIC_LABELS(controller, failed ? "error" : "success"), 1);
    if (failed)
        metrics_add(metrics, &metric_failed, METRIC_LABELS(controller), 1);
    metrics_observe(metrics, &metric_seconds, METRIC_LABELS(controller),
                    (double)(runtime_mono_ns(loop->runtime) - item->started_ns) * 1e-9);
    workqueue_done(&loop->queue, item, failed);
    metrics_set(metrics, &metric_active, METRIC_LABELS("trimtab"), (double)loop->queue.working);
    if (loop->queue.depth > 0)
        on_ready(loop);
}

/* ---- what marks keys dirty ---- */

static void wake_all(struct loop *loop, enum object_kind kind, const char *namespace) {
    const struct object *object;
    for (size_t i = 0; (object = store_next(loop->store, kind, &i));)
        if (!namespace || str_eq(object->namespace, namespace))
            workqueue_add(&loop->queue, kind, object->namespace, object->name, WORKQUEUE_LOW);
}

static bool refers_to(const struct object *policy, const char *namespace, const char *name) {
    const struct policy *spec = policy->as.policy;
    for (size_t i = 0; !policy->fault[0] && i < spec->selector.provider_count; i++)
        if (str_eq(spec->selector.providers[i].name, name) && str_eq(spec->selector.providers[i].namespace, namespace))
            return true;
    return false;
}

static void wake_policies_of(struct loop *loop, const char *namespace, const char *name, bool select) {
    const struct object *policy;
    for (size_t i = 0; (policy = store_next(loop->store, OBJECT_POLICY, &i));) {
        if (!refers_to(policy, namespace, name))
            continue;
        if (select)
            policy_select(loop, policy);
        workqueue_add(&loop->queue, OBJECT_POLICY, policy->namespace, policy->name, WORKQUEUE_LOW);
    }
}

void loop_wake_policies_of(struct loop *loop, const char *namespace, const char *name) {
    wake_policies_of(loop, namespace, name, false);
}

static void wake_recommendations_of(struct loop *loop, const char *namespace, const char *name) {
    char *provider = mem_printf("%s/%s", namespace, name);
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&loop->recommendations, &i));) {
        const struct recommendation_state *state = entry->value;
        const struct object *object =
            store_get(loop->store, OBJECT_RECOMMENDATION, state->id.namespace, state->id.name);
        if (object && !object->fault[0] && str_eq(object->as.recommendation->target.provider, provider))
            loop_wake(loop, OBJECT_RECOMMENDATION, state->id.namespace, state->id.name);
    }
    mem_free(provider);
}

static void on_provider(void *ctx, const char *namespace, const char *name, bool changed) {
    struct loop *loop = ctx;
    if (!loop->leading || loop->stopping)
        return;
    loop_wake(loop, OBJECT_PROVIDER, namespace, name);
    wake_recommendations_of(loop, namespace, name);
    if (changed)
        wake_policies_of(loop, namespace, name, true);
}

static void on_usage(void *ctx, const char *namespace, const char *name) {
    struct loop *loop = ctx;
    if (loop->leading && !loop->stopping)
        loop_wake_policies_of(loop, namespace, name);
}

static void namespace_changed(struct loop *loop, const struct object *before, const struct object *now) {
    const char *name = now ? now->name : before->name;
    bool is_own = loop->store->own_namespace && str_eq(name, loop->store->own_namespace);
    for (enum object_kind kind = OBJECT_PROVIDER; kind < OBJECT_NAMESPACE; kind++)
        wake_all(loop, kind, is_own ? NULL : name);
}

static void recommendation_changed(struct loop *loop, const struct object *before, const struct object *now) {
    admit_index(loop, before, now);
    const struct object *any = now ? now : before;
    /* A decision, or the end: the policy may go on. */
    bool decided = before && now && !before->fault[0] && !now->fault[0] &&
                   before->as.recommendation->decision != now->as.recommendation->decision;
    if (!any->fault[0] && (decided || !now))
        loop_wake(loop, OBJECT_POLICY, any->namespace, any->as.recommendation->policy_name);
}

static void policy_changed(struct loop *loop, const struct object *now) {
    const struct name_set *names = admit_names(loop, now->namespace, now->name);
    policy_select(loop, now);
    for (size_t i = 0; i < names->count; i++)
        loop_wake(loop, OBJECT_RECOMMENDATION, now->namespace, names->names[i]);
}

static void on_change(void *ctx, const struct object *before, const struct object *now) {
    struct loop *loop = ctx;
    const struct object *any = now ? now : before;
    if (any->kind == OBJECT_RECOMMENDATION)
        recommendation_changed(loop, before, now); /* The index is kept also while standing by. */
    if (!loop->leading || loop->stopping)
        return;
    if (any->kind == OBJECT_NAMESPACE) {
        if (loop->synced)
            namespace_changed(loop, before, now);
        return;
    }
    bool is_new_spec = !before || !now || before->generation != now->generation || before->suspended != now->suspended;
    if (any->kind == OBJECT_POLICY && now && is_new_spec)
        policy_changed(loop, now);
    if (any->kind == OBJECT_PROVIDER && is_new_spec) {
        wake_policies_of(loop, any->namespace, any->name, true);
        wake_recommendations_of(loop, any->namespace, any->name);
    }
    /* The echo of our own status write needs no reconcile, save for the journal, whose phases are statuses. */
    if (is_new_spec || any->kind == OBJECT_RECOMMENDATION)
        loop_wake(loop, any->kind, any->namespace, any->name);
}

static void resync(struct timer *timer) {
    struct loop *loop = timer->ctx;
    for (enum object_kind kind = OBJECT_PROVIDER; kind < OBJECT_NAMESPACE; kind++)
        wake_all(loop, kind, NULL);
    uint64_t period_ns = (uint64_t)loop->options.resync_period_ms * NS_PER_MS;
    timer_start(loop->runtime, &loop->resync, period_ns + runtime_jitter(loop->runtime, period_ns / 10), resync, loop);
}

static void begin(struct loop *loop) {
    log_info("leading", LOG_INT("providers", store_count(loop->store, OBJECT_PROVIDER)),
             LOG_INT("policies", store_count(loop->store, OBJECT_POLICY)),
             LOG_INT("budgets", store_count(loop->store, OBJECT_BUDGET)),
             LOG_INT("recommendations", store_count(loop->store, OBJECT_RECOMMENDATION)));
    timer_start(loop->runtime, &loop->resync, 0, resync, loop);
}

static void on_synced(void *ctx) {
    struct loop *loop = ctx;
    loop->synced = true;
    if (loop->leading)
        begin(loop);
}

static void on_store_error(void *ctx, const struct error *error) {
    (void)ctx;
    log_warn("store", LOG_ERR(error));
}

/* ---- life ---- */

struct store_callbacks loop_store_callbacks(struct loop *loop) {
    return (struct store_callbacks){
        .on_change = on_change, .on_synced = on_synced, .on_error = on_store_error, .ctx = loop};
}

struct loop *loop_new(const struct loop_options *options) {
    struct loop *loop = mem_alloc(sizeof(*loop));
    loop->options = *options;
    loop->runtime = options->env.runtime;
    workqueue_init(&loop->queue, loop->runtime, options->metrics, on_ready, loop);
    loop->observe = observe_new(&(struct observe_options){.env = options->env,
                                                          .find_adapter = options->find_adapter,
                                                          .history = options->history,
                                                          .metrics = options->metrics,
                                                          .list_period_ms = options->list_period_ms,
                                                          .stale_after_ms = options->list_period_ms * 5,
                                                          .usage_step_ms = options->usage_step_ms,
                                                          .backfill_ms = INT64_C(14) * 24 * 3600 * 1000,
                                                          .start_jitter_ms = options->list_period_ms / 60,
                                                          .call_timeout_ms = 60000,
                                                          .count_max = options->list_count_max,
                                                          .total_max = options->list_count_max * 2,
                                                          .on_provider = on_provider,
                                                          .on_usage = on_usage,
                                                          .recorded_sizes = admit_recorded_sizes,
                                                          .on_kills = raises_on_kills,
                                                          .ctx = loop});
    return loop;
}

void loop_start(struct loop *loop, struct store *store) {
    loop->store = store;
}

void loop_lead(struct loop *loop, int64_t wait_ms) {
    ASSERT(loop->store && !loop->leading);
    loop->leading = true;
    loop->act_from_ns = runtime_mono_ns(loop->runtime) + (uint64_t)wait_ms * NS_PER_MS;
    if (loop->synced)
        begin(loop);
}

static void observe_is_closed(void *ctx) {
    ((struct loop *)ctx)->observe_closed = true;
}

static void check_stopped(struct timer *timer) {
    struct loop *loop = timer->ctx;
    /* Closing cancels what is under way: a change that has been sent is heard out first, so that its outcome is known
     * and recorded. */
    if (loop->effects == 0 && !loop->observe_closing) {
        loop->observe_closing = true;
        observe_close(loop->observe, observe_is_closed, loop);
    }
    if (loop->observe_closed && loop->in_flight == 0) {
        loop->stopped(loop->stopped_ctx);
        return;
    }
    timer_start(loop->runtime, &loop->stop_check, STOP_CHECK_NS, check_stopped, loop);
}

void loop_stop(struct loop *loop, void (*stopped)(void *ctx), void *ctx) {
    loop->stopping = true;
    loop->stopped = stopped;
    loop->stopped_ctx = ctx;
    timer_stop(loop->runtime, &loop->drain);
    timer_stop(loop->runtime, &loop->resync);
    timer_start(loop->runtime, &loop->stop_check, 0, check_stopped, loop);
}

void loop_abandon(struct loop *loop) {
    loop->leading = false;
    loop->stopping = true;
    timer_stop(loop->runtime, &loop->drain);
    timer_stop(loop->runtime, &loop->resync);
}

static void free_states(struct loop *loop) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&loop->recommendations, &i));)
        journal_state_free(loop, entry->value);
    for (size_t i = 0; (entry = map_next(&loop->providers, &i));)
        state_remove(&loop->providers, entry->value);
    for (size_t i = 0; (entry = map_next(&loop->policies, &i));) {
        const struct policy_state *state = entry->value;
        policy_state_forget(loop, state->id.namespace, state->id.name);
    }
    for (size_t i = 0; (entry = map_next(&loop->by_policy, &i));) {
        struct name_set *set = entry->value;
        for (size_t k = 0; k < set->count; k++)
            mem_free(set->names[k]);
        mem_free(set->names);
        mem_free(set);
    }
}

void loop_free(struct loop *loop) {
    timer_stop(loop->runtime, &loop->stop_check);
    free_states(loop);
    claims_release(loop);
    map_release(&loop->recommendations);
    map_release(&loop->providers);
    map_release(&loop->policies);
    map_release(&loop->by_policy);
    map_release(&loop->tenants);
    map_release(&loop->creations);
    upkeep_release(loop);
    workqueue_release(&loop->queue);
    observe_free(loop->observe);
    mem_free(loop);
}

bool loop_is_leading(const struct loop *loop) {
    return loop->leading;
}

size_t loop_depth(const struct loop *loop) {
    return loop->queue.depth + loop->queue.working;
}

static int view_cmp(const void *a, const void *b) {
    const struct loop_policy_view *x = a, *y = b;
    int order = str_cmp(x->namespace, y->namespace);
    return order ? order : str_cmp(x->name, y->name);
}

size_t loop_policy_views(const struct loop *loop, struct loop_policy_view *ret, size_t ret_max) {
    struct map_entry *entry;
    size_t count = 0, stored = 0;
    for (size_t i = 0; (entry = map_next(&loop->policies, &i));) {
        const struct policy_state *state = entry->value;
        if (!state->has_view)
            continue;
        if (stored < ret_max)
            ret[stored++] = state->view;
        count++;
    }
    qsort(ret, stored, sizeof(*ret), view_cmp);
    return count;
}
