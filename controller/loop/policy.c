/*
 * A policy's providers, its claims, and its status.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "loop/loop_internal.h"

struct policy_state *policy_state_get(struct loop *loop, const char *namespace, const char *name, bool make) {
    bool is_new;
    struct policy_state *state =
        state_get(&loop->policies, namespace, name, sizeof(struct policy_state), make, &is_new);
    if (is_new)
        tenant_add(loop, state);
    return state;
}

void policy_state_forget(struct loop *loop, const char *namespace, const char *name) {
    struct policy_state *state = policy_state_get(loop, namespace, name, false);
    if (!state)
        return;
    claims_set(loop, state, NULL, 0);
    tenant_remove(loop, state);
    reckon_release(&state->reckoning);
    arena_release(&state->raises.arena);
    policy_recall_forget(loop, state);
    state_remove(&loop->policies, &state->id);
}

/* ---- providers ---- */

static bool problem(struct status_summary *ret, enum status_progress progress, const char *reason,
                    const char *message) {
    *ret = (struct status_summary){.progress = progress, .reason = reason, .message = message};
    return false;
}

static bool scope_of(struct loop *loop, const struct object *policy, const struct object_ref *ref, struct arena *arena,
                     struct observe_scope *ret, struct status_summary *why) {
    const struct evaluate_access access = {
        .policy = policy,
        .ref = ref,
        .provider = store_get(loop->store, OBJECT_PROVIDER, ref->namespace, ref->name),
        .namespace = store_get(loop->store, OBJECT_NAMESPACE, "", policy->namespace),
    };
    if (!evaluate_scope(&access, arena, ret, why))
        return false;
    struct observe_trouble trouble;
    uint32_t kinds = policy->as.policy->selector.kinds;
    bool listed = observe_provider_listed(loop->observe, ref->namespace, ref->name, kinds, &trouble);
    const struct provider_state *state = map_get(&loop->providers, ret->provider);
    if (!listed && state && state->error.class != ERR_NONE)
        return problem(why, PROGRESS_STALLED, "ProviderNotReady",
                       arena_printf(arena, "Provider %s cannot be opened: %s", ret->provider, state->error.message));
    if (!listed) {
        bool failed = trouble.error.class != ERR_NONE;
        (void)problem(why, PROGRESS_RECONCILING, "Listing",
                      failed ? arena_printf(arena, "Provider %s has not been listed yet: %s %s: %s", ret->provider,
                                            trouble.region, cloud_kind_name(trouble.kind), trouble.error.message)
                             : arena_printf(arena, "Provider %s has not been listed yet", ret->provider));
        why->is_passing = !failed;
        return false;
    }
    return true;
}

bool policy_scopes(struct loop *loop, const struct object *policy, struct arena *arena, struct observe_scope *ret,
                   size_t *ret_count, struct status_summary *why) {
    const struct policy *spec = policy->as.policy;
    size_t count = spec->selector.provider_count;
    if (count > EVALUATE_SCOPES_MAX)
        return problem(why, PROGRESS_STALLED, "InvalidSpec", "spec.selector.providers names more than 32");
    for (size_t i = 0; i < count; i++)
        if (!scope_of(loop, policy, &spec->selector.providers[i], arena, &ret[i], why))
            return false;
    *ret_count = count;
    return true;
}

/* ---- claims ---- */

struct selection {
    char **keys;
    size_t count;
};

static void select_one(void *ctx, const char *provider, const struct cloud_resource *resource) {
    struct selection *selection = ctx;
    if ((selection->count & (selection->count - 1)) == 0)
        selection->keys = mem_grow(selection->keys, selection->count, selection->count ? selection->count * 2 : 1,
                                   sizeof(*selection->keys));
    selection->keys[selection->count++] = claims_key(provider, resource->region, resource->kind, resource->id);
}

/* Claims hold also where another provider of the policy is not there yet: who selects is told by what is listed. */
void policy_select(struct loop *loop, const struct object *policy) {
    struct selection selection = {0};
    struct arena arena = {0};
    const struct policy *spec = policy->as.policy;
    bool any_open = false;
    for (size_t i = 0; !policy->fault[0] && !policy->deleting && i < spec->selector.provider_count; i++) {
        struct observe_scope scope;
        struct status_summary why;
        if (!scope_of(loop, policy, &spec->selector.providers[i], &arena, &scope, &why) &&
            !str_eq(why.reason, "Listing"))
            continue;
        any_open = true;
        observe_select(loop->observe, spec, &scope, 1, select_one, &selection);
    }
    arena_release(&arena);
    struct policy_state *state = policy_state_get(loop, policy->namespace, policy->name, any_open);
    if (state)
        claims_set(loop, state, selection.keys, selection.count);
}

/* ---- what is reserved ---- */

#define VISIBLE_MAX_MS (INT64_C(2) * 60 * 1000) /* How long a listing may lag behind what has ended. */

struct survey {
    struct loop *loop;
    const struct object *policy, *own;
    struct act_input *in;
};

static bool is_target(const struct recommendation *r, const char *provider, const struct cloud_resource *resource) {
    return r->target.kind == resource->kind && str_eq(r->target.id, resource->id) &&
           str_eq(r->target.region, resource->region) && str_eq(r->target.provider, provider);
}

/* Whether its effect may be under way, or may not be visible yet. */
static bool is_reserved(struct loop *loop, const struct object *object) {
    const struct recommendation *r = object->as.recommendation;
    const struct recommendation_state *state = journal_state(loop, object->namespace, object->name, false);
    bool is_starting = r->phase == PHASE_APPROVED && state && state->writing;
    bool has_ended = r->phase == PHASE_SUCCEEDED || r->phase == PHASE_FAILED;
    int64_t age_ms = loop_now_ms(loop) - r->finished_at_ms;
    return is_starting || r->phase == PHASE_RUNNING || r->phase == PHASE_VERIFYING ||
           (has_ended && age_ms >= 0 && age_ms < VISIBLE_MAX_MS);
}

/* The Recommendation of that name, if it is another's than our own, of the size of this target, and reserves; else
 * NULL. */
static const struct recommendation *reserves(const struct survey *survey, const char *name, const char *provider,
                                             const struct cloud_resource *resource) {
    const struct object *other = store_get(survey->loop->store, OBJECT_RECOMMENDATION, survey->policy->namespace, name);
    if (!other || other == survey->own || other->fault[0] || !is_target(other->as.recommendation, provider, resource) ||
        other->as.recommendation->action != ACTION_SCALE || !is_reserved(survey->loop, other))
        return NULL;
    return other->as.recommendation;
}

static void survey_one(void *ctx, const char *provider, const struct cloud_resource *resource) {
    struct survey *survey = ctx;
    struct loop *loop = survey->loop;
    if (is_target(survey->own->as.recommendation, provider, resource)) {
        survey->in->selected = true;
        return;
    }
    /* What an autoscaler runs may go down to its minimum, and goes up to it, at any time. */
    bool is_tuned = policy_hold_of(survey->policy->as.policy, resource->count_manager) == POLICY_SETS_BOUNDS;
    int64_t minimum = is_tuned ? resource->count_min : resource->count;
    int64_t low = resource->count < minimum ? resource->count : minimum;
    int64_t high = resource->count > minimum ? resource->count : minimum;
    const struct name_set *names = admit_names(loop, survey->policy->namespace, survey->policy->name);
    int64_t newest = 0;
    for (size_t i = 0; i < names->count; i++) {
        const struct recommendation *r = reserves(survey, names->names[i], provider, resource);
        newest = r && r->attempt > newest ? r->attempt : newest;
    }
    for (size_t i = 0; i < names->count; i++) {
        const struct recommendation *r = reserves(survey, names->names[i], provider, resource);
        if (!r || (recommendation_phase_is_final(r->phase) && r->attempt < newest))
            continue; /* What came after it began from what it had made: it has been seen. */
        low = r->to.count < low ? r->to.count : low;
        high = r->to.count > high ? r->to.count : high;
    }
    survey->in->others_low += low;
    survey->in->others_high += high;
}

void policy_survey(struct loop *loop, const struct object *policy, const struct object *recommendation,
                   struct act_input *in) {
    struct survey survey = {.loop = loop, .policy = policy, .own = recommendation, .in = in};
    struct arena arena = {0};
    const struct policy *spec = policy->as.policy;
    in->others_known = true;
    for (size_t i = 0; i < spec->selector.provider_count; i++) {
        struct observe_scope scope;
        struct status_summary why;
        if (scope_of(loop, policy, &spec->selector.providers[i], &arena, &scope, &why))
            observe_select(loop->observe, spec, &scope, 1, survey_one, &survey);
        else if (str_eq(why.reason, "Listing") || str_eq(why.reason, "ProviderNotReady"))
            in->others_known = false;
    }
    arena_release(&arena);
}

/* ---- status ---- */

static void note_transition(struct loop *loop, const struct object *object, struct policy_state *state,
                            const struct status_summary *summary) {
    if (!state || str_eq(state->reason, summary->reason))
        return;
    bool first = state->reason[0] == '\0';
    (void)str_copy(state->reason, sizeof(state->reason), summary->reason);
    const struct object_condition *ready = &object->conditions[CONDITION_READY];
    bool was_ready = ready->present && ready->status == CONDITION_TRUE;
    /* After a restart the same state is no news. */
    if (first && ready->present && was_ready == (summary->progress == PROGRESS_READY))
        return;
    log_info("policy", LOG_STR("policy", state->id.key), LOG_STR("reason", summary->reason),
             LOG_STR("message", summary->message));
    store_note(loop->store, &(struct store_note){.regarding = object,
                                                 .warning = summary->progress == PROGRESS_STALLED,
                                                 .reason = summary->reason,
                                                 .action = "Reconcile",
                                                 .note = summary->message});
}

/* Figures alone are written at most once an interval; whatever a person waits for is written at once. */
static bool is_urgent(const struct object *object, const struct policy_state *state, const struct policy_status *status,
                      bool reason_changed) {
    return !state || reason_changed || object->observed_generation != object->generation || object->status_hash == 0 ||
           (status->plan && !str_eq(status->plan->hash, state->plan_hash));
}

void policy_write_status(struct loop *loop, struct workqueue_item *item, const struct object *object,
                         const struct policy_status *status) {
    struct policy_state *state = policy_state_get(loop, object->namespace, object->name, false);
    int64_t now_ms = loop_now_ms(loop);
    if (write_is_passing(object, &status->summary)) {
        loop_finish(loop, item, false);
        return;
    }
    bool reason_changed = state && !str_eq(state->reason, status->summary.reason);
    note_transition(loop, object, state, &status->summary);
    if (!is_urgent(object, state, status, reason_changed)) {
        int64_t wait_ms = state->status_written_ms + loop->options.status_interval_ms - now_ms;
        if (wait_ms > 0 && wait_ms <= loop->options.status_interval_ms) {
            workqueue_add_after(&loop->queue, OBJECT_POLICY, object->namespace, object->name, wait_ms);
            loop_finish(loop, item, false);
            return;
        }
    }
    if (state) {
        state->status_written_ms = now_ms;
        if (status->plan)
            (void)str_copy(state->plan_hash, sizeof(state->plan_hash), status->plan->hash);
    }
    struct buf body = {0};
    struct policy_status whole = *status;
    raises_show(object, state, &whole);
    status_print_policy(object, &whole, now_ms, &body);
    write_status_and_finish(loop, item, object, &body);
    buf_release(&body);
}
