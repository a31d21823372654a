/*
 * The journal: drives each Recommendation through its state machine (act/step.h). Every phase is written, fenced by the
 * resourceVersion, before what follows from it is done; so whoever reads it after a crash knows what may have happened.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "loop/loop_internal.h"

#define BUSY_WAIT_MS 200
#define POLL_MS 5000 /* Where the adapter names no time. */

static const char *const phase_names[] = {"phase", "reason", NULL};
static const struct metric metric_phases = {"trimtab_recommendation_phases_total",
                                            "Phases that Recommendations went through.", METRIC_COUNTER, phase_names,
                                            NULL};
static const char *const effect_names[] = {"provider", "action", "outcome", NULL};
static const struct metric metric_effects = {"trimtab_effects_total", "Effects sent to clouds, by outcome.",
                                             METRIC_COUNTER, effect_names, NULL};

struct recommendation_state *journal_state(struct loop *loop, const char *namespace, const char *name, bool make) {
    bool is_new;
    struct recommendation_state *state =
        state_get(&loop->recommendations, namespace, name, sizeof(*state), make, &is_new);
    if (is_new) {
        state->loop = loop;
        state->floor_sequence = observe_sequence(loop->observe);
    }
    return state;
}

void journal_state_free(struct loop *loop, struct recommendation_state *state) {
    arena_release(&state->arena);
    state_remove(&loop->recommendations, &state->id);
}

#define REFUSED "the target is not ours to change now: "

bool journal_is_refusal(const char *message) {
    return message && str_has_prefix(message, REFUSED);
}

static void forget(struct loop *loop, const char *namespace, const char *name) {
    struct recommendation_state *state = journal_state(loop, namespace, name, false);
    if (!state || state->sending || state->writing)
        return; /* What is in flight wakes the key again. */
    journal_state_free(loop, state);
}

void journal_note(struct loop *loop, const struct object *object, enum recommendation_phase phase, const char *reason,
                  const char *message) {
    const struct recommendation *r = object->as.recommendation;
    bool is_bad = phase == PHASE_FAILED;
    char note[512], from[TARGET_WORDS_MAX], to[TARGET_WORDS_MAX];
    bool has_count = target_state_has_count(r->action, r->target.kind);
    target_state_words(&r->from, has_count, r->is_bounds, from);
    target_state_words(&r->to, has_count, r->is_bounds, to);
    (void)snprintf(note, sizeof(note), "%s %.200s %s -> %s: %s", action_type_name((enum action_type)r->action),
                   r->target.id, from, to, message);
    log_write(is_bad ? LOG_WARN : LOG_INFO, "recommendation",
              LOG_FIELDS(LOG_STR("namespace", object->namespace), LOG_STR("policy", r->policy_name),
                         LOG_STR("name", object->name), LOG_STR("phase", recommendation_phase_name(phase)),
                         LOG_STR("reason", reason), LOG_STR("provider", r->target.provider),
                         LOG_STR("target", r->target.id), LOG_STR("from", from), LOG_STR("to", to),
                         LOG_STR("message", message)));
    metrics_add(loop->options.metrics, &metric_phases, METRIC_LABELS(recommendation_phase_name(phase), reason), 1);
    store_note(loop->store, &(struct store_note){.regarding = object,
                                                 .warning = is_bad,
                                                 .reason = reason,
                                                 .action = action_type_name((enum action_type)r->action),
                                                 .note = note});
}

/* ---- record ---- */

struct recording {
    struct recommendation_state *state;
    enum recommendation_phase phase;
    const char *reason;
    char message[256];
};

static void recorded(struct loop *loop, void *ctx, bool wrote, const struct error *error) {
    struct recording *recording = ctx;
    struct recommendation_state *state = recording->state;
    state->writing = false;
    const struct object *object = store_get(loop->store, OBJECT_RECOMMENDATION, state->id.namespace, state->id.name);
    if (wrote && object) {
        journal_note(loop, object, recording->phase, recording->reason, recording->message);
        if (recommendation_phase_is_final(recording->phase))
            loop_wake(loop, OBJECT_POLICY, object->namespace, object->as.recommendation->policy_name);
    }
    if (error->class != ERR_NONE && error->class != ERR_CONFLICT) {
        log_warn("phase not recorded", LOG_STR("recommendation", state->id.key), LOG_ERR(error));
        workqueue_add_after(&loop->queue, OBJECT_RECOMMENDATION, state->id.namespace, state->id.name, 1000);
    } else {
        loop_wake(loop, OBJECT_RECOMMENDATION, state->id.namespace, state->id.name);
    }
    if (!wrote && recording->phase == PHASE_SUPERSEDED && object && !object->fault[0])
        workqueue_add_after(&loop->queue, OBJECT_POLICY, object->namespace, object->as.recommendation->policy_name,
                            BUSY_WAIT_MS); /* Its plan still wants something else. */
    mem_free(recording);
}

static void record(struct loop *loop, struct recommendation_state *state, const struct object *object,
                   enum recommendation_phase phase, const char *reason, const char *message, const char *operation) {
    struct buf body = {0};
    struct recording *recording = mem_alloc(sizeof(*recording));
    *recording = (struct recording){.state = state, .phase = phase, .reason = reason};
    (void)str_copy(recording->message, sizeof(recording->message), message);
    if (phase == PHASE_RUNNING)
        state->floor_sequence = observe_sequence(loop->observe); /* Only what is seen after the intent counts. */
    state->writing = true;
    status_print_recommendation(object, phase, reason, message, operation, state->tries, loop_now_ms(loop), &body);
    write_status(loop, object, &body, true, recorded, recording);
    buf_release(&body);
}

void journal_supersede(struct loop *loop, const struct object *object, const char *message) {
    struct recommendation_state *state = journal_state(loop, object->namespace, object->name, true);
    if (state->writing || state->sending)
        workqueue_add_after(&loop->queue, OBJECT_POLICY, object->namespace, object->as.recommendation->policy_name,
                            BUSY_WAIT_MS);
    else
        record(loop, state, object, PHASE_SUPERSEDED, "PlanChanged", message, NULL);
}

/* ---- send ---- */

/* Sets the time of the next try; true: there is none, it has failed. */
static bool retry_later(struct loop *loop, struct recommendation_state *state, int64_t tries,
                        const struct error *error) {
    int64_t wait_ms = 0;
    if (act_apply_failed(tries, error, 0, &wait_ms))
        return true;
    state->retry_at_ns = runtime_mono_ns(loop->runtime) + (uint64_t)wait_ms * NS_PER_MS;
    return false;
}

static void count_effect(struct loop *loop, const struct recommendation *r, const struct error *error) {
    const char *outcome = error->class == ERR_NONE ? "Succeeded" : error_class_name(error->class);
    metrics_add(loop->options.metrics, &metric_effects,
                METRIC_LABELS(r->target.provider, action_type_name((enum action_type)r->action), outcome), 1);
}

/* A refusal is news of the world: it is listed again, and the next plan knows. */
static void send_failed(struct loop *loop, struct recommendation_state *state, const struct object *object,
                        const struct error *error) {
    const struct recommendation *r = object->as.recommendation;
    const char *refusal = act_refusal(error);
    char message[256];
    log_warn("effect failed", LOG_STR("recommendation", state->id.key), LOG_INT("try", state->tries), LOG_ERR(error));
    if (refusal) {
        (void)snprintf(message, sizeof(message), REFUSED "%s", error->message);
        observe_refresh(loop->observe, r->target.provider, r->target.region, r->target.kind);
        record(loop, state, object, PHASE_SUPERSEDED, refusal, message, NULL);
    } else if (retry_later(loop, state, state->tries, error)) {
        record(loop, state, object, PHASE_FAILED, error_class_name(error->class), error->message, NULL);
    } else {
        loop_wake(loop, OBJECT_RECOMMENDATION, state->id.namespace, state->id.name);
    }
}

/* What the cloud answered: all that is needed of it, before the arena goes. */
struct answer {
    struct error error;
    uint32_t after_ms;
    char message[256];
};

static struct answer answer_of(struct recommendation_state *state, const char *done, const char *goes_on) {
    const struct adapter_reply *reply = &state->call.reply;
    struct answer answer = {.error = reply->error, .after_ms = reply->poll_after_ms ? reply->poll_after_ms : POLL_MS};
    if (reply->error.class == ERR_NONE && !str_copy(state->operation, sizeof(state->operation), reply->as.operation))
        ASSERT(!"a handle is at most ADAPTER_OPERATION_MAX long");
    const char *plain = reply->error.class == ERR_NONE && state->operation[0] ? goes_on : done;
    if (reply->error.class == ERR_NONE && reply->id)
        (void)snprintf(answer.message, sizeof(answer.message), "%s; made %.128s", plain, reply->id);
    else
        (void)str_copy(answer.message, sizeof(answer.message), plain);
    return answer;
}

static void answered(struct recommendation_state *state) {
    struct loop *loop = state->loop;
    arena_release(&state->arena);
    state->sending = false;
    loop->in_flight--;
    loop->effects--;
}

static void wait_ms(struct recommendation_state *state, uint32_t after_ms) {
    state->retry_at_ns = runtime_mono_ns(state->loop->runtime) + after_ms * NS_PER_MS;
}

static void send_done(struct adapter_call *call) {
    struct recommendation_state *state = call->ctx;
    struct loop *loop = state->loop;
    struct answer answer = answer_of(state, "the cloud took the change; waits until it serves",
                                     "the cloud took the change, and is about it");
    answered(state);
    /* Listings that began before the answer tell nothing of the effect. */
    state->floor_sequence = observe_sequence(loop->observe);
    const struct object *object = store_get(loop->store, OBJECT_RECOMMENDATION, state->id.namespace, state->id.name);
    if (!object || object->fault[0]) {
        loop_wake(loop, OBJECT_RECOMMENDATION, state->id.namespace, state->id.name);
        return;
    }
    count_effect(loop, object->as.recommendation, &answer.error);
    if (answer.error.class != ERR_NONE) {
        send_failed(loop, state, object, &answer.error);
        return;
    }
    if (state->operation[0])
        wait_ms(state, answer.after_ms);
    record(loop, state, object, PHASE_VERIFYING, "Applied", answer.message, state->operation);
}

static struct adapter_call call_of(struct loop *loop, struct recommendation_state *state, adapter_done_fn *done) {
    return (struct adapter_call){
        .done = done, .ctx = state, .arena = &state->arena, .timeout_ms = loop->options.action_timeout_ms};
}

static void send_effect(struct loop *loop, struct recommendation_state *state, const struct object *object) {
    const struct recommendation *r = object->as.recommendation;
    struct adapter *adapter = observe_adapter(loop->observe, r->target.provider);
    if (!adapter || !loop_may_act(loop)) {
        workqueue_add_after(&loop->queue, OBJECT_RECOMMENDATION, state->id.namespace, state->id.name, 1000);
        return;
    }
    /* The token is the object's identity: the same on every try and for every leader. The time of its creation is part
     * of it, since a policy that is deleted and made again gives its Recommendations the old names (and, in a local
     * run, the old UIDs): they are new requests all the same. */
    uint64_t token = str_hash_text(str_hash_text(STR_HASH_SEED, object->uid), object->name);
    token = str_hash(token, &object->created_at_ms, sizeof(object->created_at_ms));
    (void)snprintf(state->token, sizeof(state->token), "%016llx", (unsigned long long)token);
    state->action = (struct cloud_action){.verb = CLOUD_SCALE,
                                          .kind = r->target.kind,
                                          .region = arena_strdup(&state->arena, r->target.region),
                                          .id = arena_strdup(&state->arena, r->target.id),
                                          .token = state->token};
    if (recommendation_is_machine(r)) {
        state->action.verb = CLOUD_RESIZE;
        state->action.type = arena_strdup(&state->arena, r->to.type);
    } else if (recommendation_is_requests(r)) {
        state->action.verb = CLOUD_RESIZE;
        state->action.vcpu_milli = r->to.vcpu_milli;
        state->action.memory_mib = r->to.memory_mib;
    } else if (r->is_bounds) {
        state->action.verb = CLOUD_SET_BOUNDS;
        state->action.count_min = r->to.count;
        state->action.count_max = r->to.count_max;
    } else {
        state->action.count = r->to.count;
    }
    state->call = call_of(loop, state, send_done);
    state->tries++;
    state->sending = true;
    loop->in_flight++;
    loop->effects++;
    char to[TARGET_WORDS_MAX];
    target_state_words(&r->to, target_state_has_count(r->action, r->target.kind), r->is_bounds, to);
    log_info("effect", LOG_STR("recommendation", state->id.key), LOG_STR("provider", r->target.provider),
             LOG_STR("target", r->target.id), LOG_STR("verb", cloud_verb_name(state->action.verb)), LOG_STR("to", to),
             LOG_INT("try", state->tries));
    adapter->ops->apply(adapter, &state->call, &state->action);
}

/* ---- poll ---- */

static struct act_input input_of(struct loop *loop, const struct object *object,
                                 const struct recommendation_state *state);

/* Sets the time of the next poll; true: there is none. */
static bool is_given_up(struct loop *loop, struct recommendation_state *state, const struct object *object,
                        const struct error *error) {
    const struct recommendation *r = object->as.recommendation;
    log_warn("poll failed", LOG_STR("recommendation", state->id.key), LOG_INT("failures", state->poll_failures),
             LOG_ERR(error));
    if (!retry_later(loop, state, state->poll_failures, error))
        return false;
    const struct act_input in = input_of(loop, object, state);
    if (act_is_up_again(&in))
        return true;
    const struct error passing = {.class = ERR_RETRYABLE};
    observe_refresh(loop->observe, r->target.provider, r->target.region, r->target.kind);
    (void)retry_later(loop, state, state->poll_failures, &passing);
    return false;
}

/* A handle that has changed is recorded before it is asked about: poll may have sent the next request of a sequence,
 * and who goes on after a crash must not begin at the first again. */
static void poll_done(struct adapter_call *call) {
    struct recommendation_state *state = call->ctx;
    struct loop *loop = state->loop;
    struct answer answer = answer_of(state, "the operation has ended; waits until it serves", "the operation goes on");
    bool has_failed = answer.error.class != ERR_NONE, is_done = !has_failed && !state->operation[0];
    answered(state);
    const struct object *object = store_get(loop->store, OBJECT_RECOMMENDATION, state->id.namespace, state->id.name);
    bool is_there = object && !object->fault[0];
    const char *known = is_there ? object->as.recommendation->operation : NULL;
    if (is_there && is_done) {
        state->floor_sequence = observe_sequence(loop->observe);
        record(loop, state, object, PHASE_VERIFYING, "OperationDone", answer.message, NULL);
        return;
    }
    state->poll_failures = has_failed ? state->poll_failures + 1 : 0;
    if (!has_failed) /* It may have sent a request: what was listed before tells nothing of that. */
        state->floor_sequence = observe_sequence(loop->observe);
    if (is_there && has_failed && is_given_up(loop, state, object, &answer.error)) {
        record(loop, state, object, PHASE_FAILED, error_class_name(answer.error.class), answer.error.message, NULL);
        return;
    }
    if (!has_failed)
        wait_ms(state, answer.after_ms);
    if (is_there && !has_failed && !str_eq(known, state->operation)) {
        record(loop, state, object, PHASE_VERIFYING, "OperationGoesOn", answer.message, state->operation);
        return;
    }
    loop_wake(loop, OBJECT_RECOMMENDATION, state->id.namespace, state->id.name);
}

static void poll_operation(struct loop *loop, struct recommendation_state *state, const struct object *object) {
    const struct recommendation *r = object->as.recommendation;
    struct adapter *adapter = observe_adapter(loop->observe, r->target.provider);
    if (!adapter || !loop_may_act(loop)) {
        workqueue_add_after(&loop->queue, OBJECT_RECOMMENDATION, state->id.namespace, state->id.name, 1000);
        return;
    }
    (void)str_copy(state->operation, sizeof(state->operation), r->operation);
    state->call = call_of(loop, state, poll_done);
    state->sending = true;
    loop->in_flight++;
    loop->effects++;
    adapter->ops->poll(adapter, &state->call, state->operation);
}

/* ---- the input of a step ---- */

/* What the policy's other Recommendations amount to. */
static void look_at_siblings(struct loop *loop, const struct object *object, struct act_input *in) {
    const struct recommendation *own = object->as.recommendation;
    const struct name_set *names = admit_names(loop, object->namespace, own->policy_name);
    for (size_t i = 0; i < names->count; i++) {
        const struct object *other = store_get(loop->store, OBJECT_RECOMMENDATION, object->namespace, names->names[i]);
        if (!other || other == object || other->fault[0])
            continue;
        const struct recommendation *r = other->as.recommendation;
        const struct recommendation_state *state = journal_state(loop, other->namespace, other->name, false);
        bool is_starting = r->phase == PHASE_APPROVED && state && state->writing;
        bool is_begun = r->phase == PHASE_RUNNING || r->phase == PHASE_VERIFYING || is_starting;
        bool is_same_target = r->target.kind == own->target.kind && str_eq(r->target.id, own->target.id) &&
                              str_eq(r->target.region, own->target.region) &&
                              str_eq(r->target.provider, own->target.provider);
        if (is_begun && act_shrinks(r))
            in->active++;
        in->target_busy = in->target_busy || (is_begun && is_same_target);
        if ((r->phase == PHASE_SUCCEEDED || r->phase == PHASE_FAILED) && r->finished_at_ms > in->last_finished_ms &&
            is_same_target)
            in->last_finished_ms = r->finished_at_ms;
    }
}

static struct act_input input_of(struct loop *loop, const struct object *object,
                                 const struct recommendation_state *state) {
    const struct recommendation *r = object->as.recommendation;
    struct act_input in = {.now_ms = loop_now_ms(loop),
                           .recommendation = r,
                           .floor_sequence = state->floor_sequence,
                           .sending = state->sending,
                           .may_act = loop_may_act(loop),
                           .tries = state->tries};
    uint64_t mono_ns = runtime_mono_ns(loop->runtime);
    if (state->retry_at_ns > mono_ns)
        in.retry_at_ms = in.now_ms + (int64_t)((state->retry_at_ns - mono_ns) / NS_PER_MS) + 1;
    const struct object *policy = store_get(loop->store, OBJECT_POLICY, object->namespace, r->policy_name);
    if (policy && !policy->deleting && !policy->fault[0])
        in.policy = policy->as.policy;
    in.suspended = store_is_suspended(loop->store, object) || (policy && store_is_suspended(loop->store, policy));
    const struct object *provider = provider_object(loop, r->target.provider);
    in.provider_gone = !provider || provider->deleting;
    /* A suspended Provider is a switch too. */
    in.suspended = in.suspended || (provider && store_is_suspended(loop->store, provider));
    char *key = claims_key(r->target.provider, r->target.region, r->target.kind, r->target.id);
    char *own = mem_printf("%s/%s", object->namespace, r->policy_name);
    in.claimed_twice = claims_other(loop, key, own) != NULL;
    mem_free(key);
    mem_free(own);
    (void)observe_find(loop->observe, r->target.provider, r->target.region, r->target.kind, r->target.id, &in.resource);
    in.source = observe_source(loop->observe, r->target.provider, r->target.region, r->target.kind, &in.seen_at_ms,
                               &in.seen_sequence);
    look_at_siblings(loop, object, &in);
    if (in.policy && (r->phase == PHASE_APPROVED || r->phase == PHASE_RUNNING))
        policy_survey(loop, policy, object, &in);
    else
        in.selected = true; /* It is not asked for. */
    return in;
}

void journal_recommendation(struct loop *loop, struct workqueue_item *item) {
    const struct object *object = store_get(loop->store, OBJECT_RECOMMENDATION, item->namespace, item->name);
    if (!object || object->deleting || object->fault[0] ||
        recommendation_phase_is_final(object->as.recommendation->phase)) {
        forget(loop, item->namespace, item->name);
        loop_finish(loop, item, false);
        return;
    }
    struct recommendation_state *state = journal_state(loop, item->namespace, item->name, true);
    if (state->writing || loop->stopping) {
        loop_finish(loop, item, false);
        return;
    }
    /* What an earlier leader sent may take effect until we may act: nothing seen before that is news. */
    if (!loop_may_act(loop))
        state->floor_sequence = observe_sequence(loop->observe);
    const struct recommendation *r = object->as.recommendation;
    struct act_input in = input_of(loop, object, state);
    struct act_step step = act_step(&in);
    switch (step.type) {
    case ACT_IDLE:
        break;
    case ACT_WAIT:
        workqueue_add_after(&loop->queue, OBJECT_RECOMMENDATION, item->namespace, item->name,
                            step.until_ms > in.now_ms ? step.until_ms - in.now_ms : 1);
        break;
    case ACT_REFRESH:
        observe_refresh(loop->observe, r->target.provider, r->target.region, r->target.kind);
        break;
    case ACT_RECORD:
        record(loop, state, object, step.phase, step.reason, step.message, in.recommendation->operation);
        break;
    case ACT_SEND:
        send_effect(loop, state, object);
        break;
    case ACT_POLL:
        poll_operation(loop, state, object);
        break;
    }
    loop_finish(loop, item, false);
}
