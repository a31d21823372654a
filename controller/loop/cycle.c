/*
 * The cycle of one policy: the six stages in order.
 *
 *     manifest   the object in the cache               observe    what its providers list, its demand history
 *     forecast   quantiles, on another thread          plan       what to run, on another thread
 *     act        Recommendations (admit.c, journal.c), and what holds without one (upkeep.c)
 *     account    the status
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "base/str.h"
#include "loop/loop_internal.h"
#include "loop/outages.h"

static const struct metric metric_plans = {"trimtab_plans_total", "Plans computed.", METRIC_COUNTER, NULL, NULL};
static const char *const policy_names[] = {"namespace", "policy", NULL};
static const struct metric metric_actual = {"trimtab_policy_actual", "Size now, summed over the policy's groups.",
                                            METRIC_GAUGE, policy_names, NULL};
static const struct metric metric_desired = {"trimtab_policy_desired", "Size wanted, summed over the policy's groups.",
                                             METRIC_GAUGE, policy_names, NULL};
static const struct metric metric_demand = {"trimtab_policy_demand",
                                            "Demand that the desired size covers, in the metric's unit.", METRIC_GAUGE,
                                            policy_names, NULL};
static const struct metric metric_cost = {"trimtab_policy_hourly_cost", "Cost per hour now, USD.", METRIC_GAUGE,
                                          policy_names, NULL};

/* ---- what a policy recalls: the job has it while it runs ---- */

/* A half of what is left at most, so that jobs side by side stay below the bound together. */
static void recall_lend(struct loop *loop, struct policy_state *state, struct policy_job *job) {
    size_t others = loop->recall_bytes - state->recall.bytes, max = loop->options.recall_bytes_max;
    size_t left = max > loop->recall_bytes ? max - loop->recall_bytes : 0;
    job->recall = state->recall;
    state->recall = (struct recall){0};
    job->recall.bytes_max = job->recall.bytes + left / 2;
    loop->recall_bytes = others + job->recall.bytes_max;
}

/* state NULL: the policy is gone. */
static void recall_return(struct loop *loop, struct policy_state *state, struct policy_job *job) {
    loop->recall_bytes -= job->recall.bytes_max;
    if (!state || state->recall.bytes) {
        recall_release(&job->recall);
        return;
    }
    loop->recall_bytes += job->recall.bytes;
    state->recall = job->recall;
    job->recall = (struct recall){0};
}

void policy_recall_forget(struct loop *loop, struct policy_state *state) {
    loop->recall_bytes -= state->recall.bytes;
    recall_release(&state->recall);
}

void policy_job_free(struct policy_job *job) {
    if (job->object)
        store_drop(job->object);
    arena_release(&job->arena);
    mem_free(job);
}

static void stop_at(struct loop *loop, struct workqueue_item *item, const struct object *object,
                    const struct status_summary *summary) {
    policy_write_status(loop, item, object, &(struct policy_status){.summary = *summary});
}

/* ---- another thread: pure ---- */

static void job_run(struct work *work) {
    struct policy_job *job = work->ctx;
    evaluate_policy(&job->input, &job->recall, &job->arena, &job->plan);
    if (!job->wants_doubts)
        return;
    struct arena scratch = {0};
    job->doubts = arena_alloc_array(&job->arena, job->snapshot->resource_count + 1, sizeof(*job->doubts));
    for (size_t i = 0; i < job->snapshot->resource_count; i++) {
        job->doubts[i] = forecast_doubt_of(&job->snapshot->resources[i].history, &job->input.forecasts[i], &scratch);
        arena_clear(&scratch);
    }
    arena_release(&scratch);
}

/* ---- the loop's thread ---- */

static const struct forecast *largest_forecast(const struct policy_job *job) {
    size_t best = 0;
    for (size_t i = 1; i < job->plan.resource_count; i++)
        if (job->plan.resources[i].demand > job->plan.resources[best].demand)
            best = i;
    return job->snapshot->resource_count ? &job->input.forecasts[best] : NULL;
}

/* The figures of metrics and of the live table; the job itself goes. */
static void publish(struct loop *loop, const struct policy_job *job) {
    const char *const *labels = METRIC_LABELS(job->object->namespace, job->object->name);
    struct policy_state *state = policy_state_get(loop, job->object->namespace, job->object->name, true);
    struct loop_policy_view view = {.namespace = state->id.namespace,
                                    .name = state->id.name,
                                    .reason = state->reason,
                                    .model = state->model,
                                    .coverage_per_mille = -1,
                                    .actual = job->plan.actual,
                                    .desired = job->plan.desired,
                                    .cost_hourly = job->plan.cost_hourly,
                                    .peak_cost_hourly = job->plan.peak_cost_hourly};
    for (size_t i = 0; i < job->plan.resource_count; i++)
        view.demand_quantile += job->plan.resources[i].demand;
    for (size_t i = 0; i < job->snapshot->resource_count; i++) {
        const struct history_series *history = &job->snapshot->resources[i].history;
        view.serving += job->snapshot->resources[i].resource.serving;
        view.demand += history->count ? (double)history->demand[history->count - 1] : (double)NAN;
    }
    const struct forecast *forecast = largest_forecast(job);
    if (forecast) {
        (void)str_copy(state->model, sizeof(state->model), forecast->model);
        view.coverage_per_mille = coverage_sum(&state->reckoning.coverage, loop_now_ms(loop)).step_per_mille;
    }
    state->view = view;
    state->has_view = true;
    metrics_add(loop->options.metrics, &metric_plans, NULL, 1);
    metrics_set(loop->options.metrics, &metric_actual, labels, (double)view.actual);
    metrics_set(loop->options.metrics, &metric_desired, labels, (double)view.desired);
    metrics_set(loop->options.metrics, &metric_demand, labels, view.demand_quantile);
    metrics_set(loop->options.metrics, &metric_cost, labels, (double)view.cost_hourly / 1e6);
}

/* A change that the cloud has taken but that does not serve yet: the size is right, the work is not done. */
static bool is_under_way(struct loop *loop, const struct object *policy) {
    const struct name_set *names = admit_names(loop, policy->namespace, policy->name);
    for (size_t i = 0; i < names->count; i++) {
        const struct object *object = store_get(loop->store, OBJECT_RECOMMENDATION, policy->namespace, names->names[i]);
        if (!object || object->fault[0])
            continue;
        enum recommendation_phase phase = object->as.recommendation->phase;
        if (phase == PHASE_RUNNING || phase == PHASE_VERIFYING || phase == PHASE_REVERTING)
            return true;
    }
    return false;
}

static bool is_all_by_hand(const struct plan *plan) {
    for (size_t i = 0; i < plan->action_count; i++)
        if (!recommendation_is_by_hand((int)plan->actions[i].type, plan->actions[i].kind))
            return false;
    return plan->action_count > 0;
}

/* What the policy's Ready says once there is a plan. */
static struct status_summary summary_of(struct loop *loop, const struct object *object, struct policy_job *job) {
    const struct policy_state *state = policy_state_get(loop, object->namespace, object->name, true);
    for (size_t i = 0; i < state->selected_count; i++) {
        const char *other = claims_other(loop, state->selected[i], state->id.key);
        if (other)
            return (struct status_summary){
                .progress = PROGRESS_STALLED,
                .reason = "SelectedTwice",
                .message = arena_printf(&job->arena,
                                        "%s is also selected by policy %s; neither acts until one selector is changed",
                                        state->selected[i], other)};
    }
    if (store_is_suspended(loop->store, object))
        return (struct status_summary){PROGRESS_READY, "Suspended", "suspended: plans are made, nothing is changed",
                                       NULL,           0,           false};
    for (size_t i = 0; i < job->plan.action_count; i++) {
        const char *provider = job->plan.actions[i].provider;
        if (provider_is_suspended(loop, provider))
            return (struct status_summary){
                .progress = PROGRESS_READY,
                .reason = "ProviderSuspended",
                .message = arena_printf(&job->arena, "Provider %s is suspended: nothing of it is changed", provider)};
    }
    if (is_under_way(loop, object))
        return (struct status_summary){
            PROGRESS_RECONCILING, "Acting", "the size is being changed to what the plan wants", NULL, 0, false};
    if (job->plan.actual == job->plan.desired && job->plan.action_count == 0)
        return (struct status_summary){PROGRESS_READY, "InTrim", "the size is what the plan wants", NULL, 0, false};
    if (object->as.policy->mode == MODE_OBSERVE)
        return (struct status_summary){
            PROGRESS_READY, "Observing", "mode Observe: the plan is shown, nothing is changed", NULL, 0, false};
    if (object->as.policy->mode == MODE_RECOMMEND)
        return (struct status_summary){PROGRESS_READY,
                                       "Recommending",
                                       "mode Recommend: changes wait for a decision on their Recommendation",
                                       NULL,
                                       0,
                                       false};
    if (is_all_by_hand(&job->plan))
        return (struct status_summary){
            PROGRESS_READY, "ByHand", "what the plan wants has to be done by hand: see the Recommendations",
            NULL,           0,        false};
    if (job->plan.action_count == 0)
        return (struct status_summary){PROGRESS_READY, "Holding", "held back; status.whyNot tells by what",
                                       NULL,           0,         false};
    return (struct status_summary){
        PROGRESS_RECONCILING, "Acting", "the size is being changed to what the plan wants", NULL, 0, false};
}

static void job_done(struct work *work) {
    struct policy_job *job = work->ctx;
    struct loop *loop = job->loop;
    struct workqueue_item *item = job->item;
    loop->in_flight--;
    recall_return(loop, policy_state_get(loop, item->namespace, item->name, false), job);
    const struct object *object = store_get(loop->store, OBJECT_POLICY, item->namespace, item->name);
    if (object != job->object || loop->stopping) {
        /* The policy changed meanwhile: this plan is of the past. Not every change queues the key. */
        if (object)
            loop_wake(loop, OBJECT_POLICY, item->namespace, item->name);
        policy_job_free(job);
        loop_finish(loop, item, false);
        return;
    }
    if (loop->options.on_plan)
        loop->options.on_plan(loop->options.plan_ctx, object, &job->input, &job->plan);
    admit_plan(loop, object, &job->plan);
    upkeep_policy(loop, object, job->snapshot);
    struct policy_state *state = policy_state_get(loop, object->namespace, object->name, true);
    struct policy_status status = {.summary = summary_of(loop, object, job), .plan = &job->plan};
    raises_take(state, object, job->snapshot);
    reckon_job(loop, state, job, largest_forecast(job), &status.summary);
    publish(loop, job);
    status.forecast_json = state->reckoning.shown;
    struct status_condition more[] = {
        {CONDITION_OBSERVED, CONDITION_TRUE, "Observed", "every source is fresh"},
        reckon_condition(&state->reckoning, job),
    };
    for (size_t i = 0; i < job->snapshot->source_count; i++)
        if (job->snapshot->sources[i].state != SOURCE_FRESH)
            more[0] = (struct status_condition){
                CONDITION_OBSERVED, CONDITION_FALSE, source_state_name(job->snapshot->sources[i].state),
                arena_printf(&job->arena, "%s %s %s: %s; nothing shrinks on it", job->snapshot->sources[i].provider,
                             job->snapshot->sources[i].region, cloud_kind_name(job->snapshot->sources[i].kind),
                             job->snapshot->sources[i].message[0] ? job->snapshot->sources[i].message : "not fresh")};
    status.summary.more = more;
    status.summary.more_count = ARRAY_LEN(more);
    policy_write_status(loop, item, object, &status);
    policy_job_free(job);
}

/* Whether every selected resource's usage has been asked for; starts asking. */
static bool is_history_there(struct loop *loop, const struct policy *policy, const struct snapshot *snapshot,
                             struct error *ret_error) {
    bool all = true;
    for (size_t i = 0; i < snapshot->resource_count; i++) {
        const struct snapshot_resource *entry = &snapshot->resources[i];
        struct error error;
        observe_track(loop->observe, entry->provider, &entry->resource, policy->forecast.metric);
        if (!observe_is_tracked(loop->observe, entry->provider, &entry->resource, policy->forecast.metric, &error))
            all = false;
        if (error.class != ERR_NONE)
            *ret_error = error;
    }
    return all;
}

/* What only the loop knows of a resource: who else selects it, and what it was changed from. */
static void mark_resources(struct loop *loop, const struct object *object, struct policy_job *job) {
    char *own = mem_printf("%s/%s", object->namespace, object->name);
    struct snapshot_resource *resources =
        arena_memdup(&job->arena, job->snapshot->resources, job->snapshot->resource_count * sizeof(*resources));
    for (size_t i = 0; i < job->snapshot->resource_count; i++) {
        const struct cloud_resource *resource = &resources[i].resource;
        char *key = claims_key(resources[i].provider, resource->region, resource->kind, resource->id);
        const char *other = claims_other(loop, key, own);
        if (other)
            resources[i].claimed_by = arena_strdup(&job->arena, other);
        admit_last_change(loop, object, &job->arena, &resources[i]);
        mem_free(key);
    }
    job->snapshot->resources = resources;
    mem_free(own);
}

/* What the cloud has lately refused this policy for want of it. */
static void mark_outages(const struct loop *loop, const struct object *object, struct policy_job *job) {
    const struct name_set *names = admit_names(loop, object->namespace, object->name);
    for (size_t i = 0; i < names->count; i++) {
        const struct object *one = store_get(loop->store, OBJECT_RECOMMENDATION, object->namespace, names->names[i]);
        if (one && !one->fault[0])
            outages_add(job->snapshot, one->as.recommendation, &job->arena);
    }
    outages_end(job->snapshot, &job->arena);
}

/* Observation of the policy; false: *ret_summary says what is missing. */
static bool job_observe(struct loop *loop, const struct object *object, struct policy_job *job,
                        struct status_summary *ret_summary) {
    const struct policy *policy = object->as.policy;
    struct observe_scope scopes[EVALUATE_SCOPES_MAX];
    size_t scope_count = 0;
    policy_select(loop, object); /* Also without permission: then nothing is claimed any more. */
    if (!policy_scopes(loop, object, &job->arena, scopes, &scope_count, ret_summary))
        return false;
    raises_restore(loop, object, policy_state_get(loop, object->namespace, object->name, false));
    job->snapshot = observe_snapshot(loop->observe, policy, scopes, scope_count, &job->arena);
    if (job->snapshot->resource_count == 0) {
        *ret_summary = (struct status_summary){
            PROGRESS_STALLED,
            "NothingSelected",
            "no resource matches spec.selector; check kinds and tags, and that the tags are on the groups themselves",
            NULL,
            0,
            false};
        return false;
    }
    struct error error = {0};
    if (!is_history_there(loop, policy, job->snapshot, &error)) {
        bool failed = error.class != ERR_NONE;
        *ret_summary = (struct status_summary){PROGRESS_RECONCILING,
                                               failed ? "UtilizationUnavailable" : "CollectingHistory",
                                               failed ? arena_strdup(&job->arena, error.message)
                                                      : "utilisation history is being read",
                                               NULL,
                                               0,
                                               !failed};
        return false;
    }
    mark_resources(loop, object, job);
    mark_outages(loop, object, job);
    tenant_lend(loop, policy_state_get(loop, object->namespace, object->name, true), policy, job->snapshot,
                &job->arena);
    return true;
}

void cycle_policy(struct loop *loop, struct workqueue_item *item) {
    const struct object *object = store_get(loop->store, OBJECT_POLICY, item->namespace, item->name);
    if (!object || object->deleting) {
        policy_state_forget(loop, item->namespace, item->name);
        loop_finish(loop, item, false);
        return;
    }
    if (object->fault[0]) {
        struct status_summary summary = {PROGRESS_STALLED, "InvalidSpec", object->fault, NULL, 0, false};
        stop_at(loop, item, object, &summary);
        return;
    }
    struct policy_job *job = mem_alloc(sizeof(*job));
    job->loop = loop;
    struct status_summary summary;
    if (!job_observe(loop, object, job, &summary)) {
        stop_at(loop, item, object, &summary);
        policy_job_free(job);
        return;
    }
    job->item = item;
    job->object = store_hold(object);
    job->input = (struct plan_input){.policy = object->as.policy, .snapshot = job->snapshot};
    struct policy_state *state = policy_state_get(loop, object->namespace, object->name, true);
    job->wants_doubts = reckon_wants_doubts(loop, state);
    recall_lend(loop, state, job);
    job->work = (struct work){.run = job_run, .done = job_done, .ctx = job};
    loop->in_flight++;
    runtime_work(loop->runtime, &job->work);
}
