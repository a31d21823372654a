/*
 * The state machine of a Recommendation; see step.h for its table. One function for each recorded phase.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "act/step.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

/* How soon a change that is not yet visible is looked for again. */
#define VERIFY_PERIOD_MS 10000
/* What a change may take beyond the policy's lead time before it counts as failed. */
#define VERIFY_GRACE_MS (INT64_C(15) * 60 * 1000)
/* How long a listing may lag behind a change that the cloud has confirmed. */
#define VISIBLE_MAX_MS (INT64_C(2) * 60 * 1000)
/* How long a machine that was stopped for another type is asked about until it runs again. */
#define DOWN_MAX_MS (INT64_C(24) * 60 * 60 * 1000)
#define FENCE_WAIT_MS 200
#define WINDOW_WAIT_MS (INT64_C(60) * 1000)
#define RETRY_BASE_MS 2000
#define RETRY_MAX_MS (INT64_C(5) * 60 * 1000)

static struct act_step idle(void) {
    return (struct act_step){.type = ACT_IDLE, .reason = ""};
}

static struct act_step wait_until(int64_t until_ms, const char *reason) {
    return (struct act_step){.type = ACT_WAIT, .until_ms = until_ms, .reason = reason};
}

static struct act_step refresh(const char *reason) {
    return (struct act_step){.type = ACT_REFRESH, .reason = reason};
}

static struct act_step record(enum recommendation_phase phase, const char *reason, const char *message) {
    struct act_step step = {.type = ACT_RECORD, .phase = phase, .reason = reason};
    (void)snprintf(step.message, sizeof(step.message), "%s", message);
    return step;
}

/* What the action changes, as it is seen or as it should be: the size and 0, the bounds, of the requests (CPU, memory)
 * those that are asked for, or the type alone. */
struct act_value {
    int64_t first, second;
    const char *type; /* "": it is not of the value. */
};

static struct act_value value_of(const struct recommendation *r, const struct target_state *state) {
    if (recommendation_is_machine(r))
        return (struct act_value){0, 0, state->type ? state->type : ""};
    if (recommendation_is_requests(r))
        return (struct act_value){state->vcpu_milli, state->memory_mib, ""};
    return (struct act_value){state->count, r->is_bounds ? state->count_max : 0, ""};
}

static struct act_value value_seen(const struct act_input *in) {
    const struct cloud_resource *resource = in->resource;
    const struct recommendation *r = in->recommendation;
    if (recommendation_is_machine(r))
        return (struct act_value){0, 0, resource->type};
    if (recommendation_is_requests(r))
        return (struct act_value){r->to.vcpu_milli ? resource->vcpu_milli : 0,
                                  r->to.memory_mib ? resource->memory_mib : 0, ""};
    if (r->is_bounds)
        return (struct act_value){resource->count_min, resource->count_max, ""};
    return (struct act_value){resource->count, 0, ""};
}

static bool is_value(struct act_value a, struct act_value b) {
    return a.first == b.first && a.second == b.second && str_eq(a.type, b.type);
}

static bool is_at_from(const struct act_input *in) {
    return is_value(value_seen(in), value_of(in->recommendation, &in->recommendation->from));
}

static bool is_at_to(const struct act_input *in) {
    return is_value(value_seen(in), value_of(in->recommendation, &in->recommendation->to));
}

static bool is_down(const struct act_input *in) {
    return recommendation_is_machine(in->recommendation) && in->resource->state != CLOUD_RUNNING;
}

/* Of a thing that is changed: in messages. */
struct words {
    const char *what, *there, *shown, *done;
};

static const struct words *words_of(const struct recommendation *r) {
    static const struct words size = {"the size is", "the target has this size already",
                                      "the cloud shows the new size; waits until it serves", "the new size serves"};
    static const struct words limits = {"the bounds are", "the target has these bounds already",
                                        "the cloud shows the new bounds; waits until the minimum serves",
                                        "the new bounds hold"};
    static const struct words requests = {"the requests are", "the target has these requests already",
                                          "the cloud shows the new requests; waits until all pods have them",
                                          "all pods have the new requests"};
    static const struct words machine = {"the type is", "the target is of this type already",
                                         "the cloud shows the new type; waits until it runs",
                                         "it runs as the new type"};
    return recommendation_is_machine(r)    ? &machine
           : recommendation_is_requests(r) ? &requests
           : r->is_bounds                  ? &limits
                                           : &size;
}

static void value_print(const struct recommendation *r, struct act_value value, char *ret, size_t size) {
    long long first = (long long)value.first, second = (long long)value.second;
    if (recommendation_is_machine(r))
        (void)snprintf(ret, size, "%.40s", value.type);
    else if (r->is_bounds)
        (void)snprintf(ret, size, "%lld to %lld", first, second);
    else if (!recommendation_is_requests(r))
        (void)snprintf(ret, size, "%lld", first);
    else if (second == 0)
        (void)snprintf(ret, size, "%lldm", first);
    else if (first == 0)
        (void)snprintf(ret, size, "%lldMi", second);
    else
        (void)snprintf(ret, size, "%lldm and %lldMi", first, second);
}

static struct act_step record_moved(enum recommendation_phase phase, const struct act_input *in) {
    const struct recommendation *r = in->recommendation;
    struct act_step step = {.type = ACT_RECORD, .phase = phase, .reason = "TargetChanged"};
    char seen[48], from[48], to[48];
    value_print(r, value_seen(in), seen, sizeof(seen));
    value_print(r, value_of(r, &r->from), from, sizeof(from));
    value_print(r, value_of(r, &r->to), to, sizeof(to));
    if (is_at_from(in)) {
        bool is_down = recommendation_is_machine(r) && in->resource->state != CLOUD_RUNNING;
        (void)snprintf(step.message, sizeof(step.message), "%s still %s: the change has not come about%s%s",
                       words_of(r)->what, from, is_down ? "; the machine does not run, it is " : "; a new plan follows",
                       is_down ? cloud_state_name(in->resource->state) : "");
        return step;
    }
    (void)snprintf(step.message, sizeof(step.message),
                   "%s %s, neither %s nor %s: somebody else changed %s; a new plan follows", words_of(r)->what, seen,
                   from, to, recommendation_is_requests(r) || r->is_bounds ? "them" : "it");
    return step;
}

/* Whether who sets the size has changed since the plan, or what the policy says of that. */
static bool is_managed_elsewhere(const struct act_input *in) {
    if (!in->resource || !in->policy)
        return false;
    if (recommendation_is_machine(in->recommendation))
        return in->resource->parent != NULL;
    if (recommendation_is_requests(in->recommendation) && in->resource->size_manager)
        return true;
    return policy_hold_of(in->policy, in->resource->count_manager) !=
           (in->recommendation->is_bounds ? POLICY_SETS_BOUNDS : POLICY_SETS_COUNT);
}

static struct act_step record_managed(const struct act_input *in) {
    struct act_step step = {.type = ACT_RECORD, .phase = PHASE_SUPERSEDED, .reason = "ManagedElsewhere"};
    const char *manager = in->resource->count_manager;
    if (recommendation_is_machine(in->recommendation)) {
        (void)snprintf(step.message, sizeof(step.message), "it belongs to %.120s now, which decides about it",
                       in->resource->parent);
        return step;
    }
    if (recommendation_is_requests(in->recommendation)) {
        (void)snprintf(step.message, sizeof(step.message), "%.120s is in the way of setting its requests now",
                       in->resource->size_manager ? in->resource->size_manager
                       : manager                  ? manager
                                                  : "somebody else");
        return step;
    }
    (void)snprintf(step.message, sizeof(step.message), "%.120s sets its size now, and the policy leaves it alone",
                   manager ? manager : "nobody else");
    if (!manager)
        (void)snprintf(step.message, sizeof(step.message), "no autoscaler sets its size any more");
    return step;
}

/* What the user's decision amounts to now: a snooze that has run out is no decision, nor is to approve what a person
 * has to do. */
static enum recommendation_decision decision_now(const struct act_input *in) {
    const struct recommendation *r = in->recommendation;
    if (r->decision == DECISION_APPROVED && recommendation_is_by_hand(r->action, r->target.kind))
        return DECISION_NONE;
    if (r->decision == DECISION_SNOOZED && r->snooze_until_ms <= in->now_ms)
        return DECISION_NONE;
    return r->decision;
}

/* Nothing new may start: for whom, by whom, or where is gone. */
static bool is_unwanted(const struct act_input *in, struct act_step *ret) {
    if (!in->policy)
        *ret = record(PHASE_SUPERSEDED, "PolicyGone", "its policy is gone or cannot be used");
    else if (in->policy->mode == MODE_OBSERVE)
        *ret = record(PHASE_SUPERSEDED, "ModeObserve", "the policy's mode is Observe now");
    else if (in->provider_gone)
        *ret = record(PHASE_SUPERSEDED, "ProviderGone", "its Provider does not exist any more");
    else if (in->resource && !in->selected)
        *ret = record(PHASE_SUPERSEDED, "NotSelected", "its policy does not select the target any more, or may not");
    else if (is_managed_elsewhere(in))
        *ret = record_managed(in);
    else
        return false;
    return true;
}

static struct act_step step_undecided(const struct act_input *in) {
    const struct recommendation *r = in->recommendation;
    switch (decision_now(in)) {
    case DECISION_APPROVED:
        return record(PHASE_APPROVED, "Approved", "approved; waits for its gates");
    case DECISION_REJECTED:
        return record(PHASE_REJECTED, "Rejected", "rejected by decision; the same change is not proposed again");
    case DECISION_SNOOZED:
        if (r->phase != PHASE_SNOOZED)
            return record(PHASE_SNOOZED, "Snoozed", "snoozed by decision");
        return wait_until(r->snooze_until_ms, "Snoozed");
    case DECISION_NONE:
    case DECISION_COUNT:
        break;
    }
    struct act_step dropped;
    if (is_unwanted(in, &dropped))
        return dropped;
    if (r->phase != PHASE_PENDING)
        return record(PHASE_PENDING, "Proposed", "waits for spec.decision");
    if (in->now_ms - r->phase_since_ms > ACT_PENDING_MAX_MS)
        return record(PHASE_EXPIRED, "Expired", "not decided within 7 days");
    return idle();
}

static bool is_too_much(const struct policy *policy, int64_t from, int64_t to) {
    int64_t change_max = (from * policy->disruption.max_change_percent + 99) / 100;
    return from - to > (change_max > 1 ? change_max : 1);
}

/* Gates of actions that take capacity away. NONE of them holds back growth. */
static bool shrink_gate(const struct act_input *in, struct act_step *ret) {
    const struct recommendation *r = in->recommendation;
    int64_t open_at_ms = in->last_finished_ms ? in->last_finished_ms + in->policy->disruption.cooldown_ms : 0;
    if (open_at_ms > in->now_ms) {
        *ret = wait_until(open_at_ms, "CoolingDown");
        return false;
    }
    if (in->active >= in->policy->disruption.max_concurrent) {
        *ret = wait_until(in->now_ms + VERIFY_PERIOD_MS, "MaxConcurrent");
        return false;
    }
    bool is_disturbed = recommendation_is_requests(r) || recommendation_is_machine(r); /* Pods, or what runs there. */
    if (is_disturbed && !policy_is_window(in->policy, in->now_ms)) {
        *ret = wait_until(in->now_ms + WINDOW_WAIT_MS, "OutsideWindows");
        return false;
    }
    struct act_value from = value_of(r, &r->from), to = value_of(r, &r->to);
    if (is_too_much(in->policy, from.first, to.first) || is_too_much(in->policy, from.second, to.second)) {
        *ret = record(PHASE_SUPERSEDED, "MaxChangePercent", "the policy's maxChangePercent no longer allows this step");
        return false;
    }
    return true;
}

/* Another type or other requests: their number stays. */
static bool is_of_one(const struct recommendation *r) {
    return recommendation_is_requests(r) || recommendation_is_machine(r);
}

/* Within the target's own bounds, where these are not what is changed. */
static bool within_group(const struct act_input *in) {
    const struct cloud_resource *group = in->resource;
    int64_t to = in->recommendation->to.count, max = in->recommendation->to.count_max;
    if (is_of_one(in->recommendation))
        return true;
    if (in->recommendation->is_bounds)
        return to >= 0 && (max == 0 || to <= max);
    return to >= group->count_min && to >= 0 && (group->count_max == 0 || to <= group->count_max);
}

/* The policy's bounds hold for the sum of its groups whatever becomes of what is begun. */
static bool within_policy(const struct act_input *in) {
    int64_t to = in->recommendation->to.count;
    if (is_of_one(in->recommendation))
        return true;
    return act_shrinks(in->recommendation) ? in->others_low + to >= in->policy->capacity.min
                                           : in->others_high + to <= in->policy->capacity.max;
}

/* Asks for a newer listing, at most every VERIFY_PERIOD_MS. */
static struct act_step look_again(const struct act_input *in, const char *reason) {
    int64_t age_ms = in->now_ms - in->seen_at_ms;
    if (age_ms >= VERIFY_PERIOD_MS || age_ms < 0) /* Seen in the future: the wall clock was set back. */
        return refresh(reason);
    return wait_until(in->seen_at_ms + VERIFY_PERIOD_MS, reason);
}

static struct act_step step_approved(const struct act_input *in) {
    const struct recommendation *r = in->recommendation;
    if (decision_now(in) == DECISION_REJECTED)
        return record(PHASE_REJECTED, "Rejected", "rejected by decision before it began");
    if (decision_now(in) == DECISION_SNOOZED)
        return record(PHASE_SNOOZED, "Snoozed", "snoozed by decision before it began");
    struct act_step dropped;
    if (is_unwanted(in, &dropped))
        return dropped;
    if (in->suspended || in->claimed_twice || !in->may_act)
        return in->suspended || in->claimed_twice ? idle() : wait_until(in->now_ms + FENCE_WAIT_MS, "Fence");
    if (in->target_busy)
        return wait_until(in->now_ms + VERIFY_PERIOD_MS, "TargetBusy");
    if (in->source == SOURCE_MISSING || (in->source != SOURCE_FRESH && (act_shrinks(r) || !in->resource)))
        return look_again(in, "StaleObservation");
    if (!in->resource)
        return record(PHASE_FAILED, "TargetGone", "the target is not in the cloud's listing any more");
    if (!is_at_from(in))
        return is_at_to(in) ? record(PHASE_SUPERSEDED, "AlreadyThere", words_of(r)->there)
                            : record_moved(PHASE_SUPERSEDED, in);
    if (is_down(in))
        return record(PHASE_SUPERSEDED, "NotRunning", "it does not run now, and is not started for another type");
    if (!within_group(in))
        return record(PHASE_SUPERSEDED, "OutsideLimits", "the size is outside the target's bounds now");
    if (!in->others_known || !within_policy(in)) /* When what is begun has ended, a new plan tells. */
        return wait_until(in->now_ms + VERIFY_PERIOD_MS, in->others_known ? "CapacityReserved" : "OthersUnknown");
    struct act_step gate;
    if (act_shrinks(r) && !shrink_gate(in, &gate))
        return gate;
    return record(PHASE_RUNNING, "Started", "intent recorded; the effect follows");
}

/* A cut listing tells nothing of what is not in it, but what is in it is so. */
static bool is_news(const struct act_input *in) {
    return (in->source == SOURCE_FRESH || in->source == SOURCE_TRUNCATED) && in->seen_sequence > in->floor_sequence;
}

static bool is_late(const struct act_input *in) {
    int64_t lead_ms = in->policy ? in->policy->sla.lead_time_ms : 0;
    return in->now_ms - in->recommendation->phase_since_ms > lead_ms + VERIFY_GRACE_MS;
}

bool act_is_up_again(const struct act_input *in) {
    bool is_hopeless = in->now_ms - in->recommendation->phase_since_ms > DOWN_MAX_MS;
    bool is_gone = !in->resource && in->source == SOURCE_FRESH;
    if (!recommendation_is_machine(in->recommendation) || is_hopeless || in->provider_gone)
        return true;
    return is_news(in) && (is_gone || (in->resource && !is_down(in)));
}

static struct act_step target_unseen(const struct act_input *in) {
    if (in->source == SOURCE_TRUNCATED)
        return look_again(in, "TruncatedObservation");
    return record(PHASE_FAILED, "TargetGone", "the target is not in the cloud's listing any more");
}

static struct act_step record_gone(void) {
    return record(PHASE_FAILED, "ProviderGone",
                  "its Provider does not exist any more; what became of the change is not known");
}

static struct act_step step_running(const struct act_input *in) {
    const struct recommendation *r = in->recommendation;
    if (in->sending)
        return idle();
    if (in->retry_at_ms > in->now_ms)
        return wait_until(in->retry_at_ms, "BackOff");
    if (in->provider_gone)
        return record_gone();
    if (!in->may_act)
        return wait_until(in->now_ms + FENCE_WAIT_MS, "Fence");
    if (!is_news(in))
        return refresh("ReadBeforeWrite");
    if (!in->resource)
        return target_unseen(in);
    if (is_at_to(in))
        return record(PHASE_VERIFYING, "Applied", words_of(r)->shown);
    if (!is_at_from(in))
        return record_moved(PHASE_FAILED, in);
    if (is_down(in)) /* By us before a crash, or by somebody else: never sent twice to find out. */
        return is_late(in) ? record_moved(PHASE_FAILED, in) : look_again(in, "WaitsUntilRunning");
    struct act_step dropped;
    if (is_unwanted(in, &dropped))
        return dropped;
    if (in->suspended || in->claimed_twice)
        return idle();
    if (!within_group(in) || (in->others_known && !within_policy(in)))
        return record(PHASE_SUPERSEDED, "OutsideLimits", "the size is outside the target's or the policy's bounds now");
    if (!in->others_known)
        return wait_until(in->now_ms + VERIFY_PERIOD_MS, "OthersUnknown");
    if (act_shrinks(r) && in->source != SOURCE_FRESH)
        return look_again(in, "TruncatedObservation");
    if (in->tries >= ACT_TRIES_MAX)
        return record(PHASE_FAILED, "TriesExhausted",
                      "the cloud did not take the change; see the Events of this object");
    return (struct act_step){.type = ACT_SEND, .reason = "Send"};
}

/* Bounds that shrink take effect when they are set: what follows is the autoscaler's affair. */
static bool is_serving(const struct act_input *in) {
    if (recommendation_is_machine(in->recommendation))
        return !is_down(in);
    if (recommendation_is_requests(in->recommendation))
        return in->resource->drifted == 0 && in->resource->serving >= in->resource->count;
    if (in->recommendation->is_bounds && act_shrinks(in->recommendation))
        return true;
    return act_shrinks(in->recommendation) ? in->resource->serving <= in->recommendation->to.count
                                           : in->resource->serving >= in->recommendation->to.count;
}

static struct act_step step_verifying(const struct act_input *in) {
    const struct recommendation *r = in->recommendation;
    if (in->sending)
        return idle();
    if (in->retry_at_ms > in->now_ms)
        return wait_until(in->retry_at_ms, "BackOff");
    if (in->provider_gone)
        return record_gone();
    /* A poll may send the next request of a sequence: it is an effect. One that never ends is settled by what the
     * listing shows. */
    if (r->operation && r->operation[0] && (!is_late(in) || !act_is_up_again(in)))
        return in->may_act ? (struct act_step){.type = ACT_POLL, .reason = "Poll"}
                           : wait_until(in->now_ms + FENCE_WAIT_MS, "Fence");
    if (!is_news(in))
        return refresh("Verify");
    if (!in->resource && is_late(in))
        return record(PHASE_FAILED, "NotSeen", "the target has not shown up in the cloud's listing in time");
    if (!in->resource)
        return target_unseen(in);
    /* Clouds are eventually consistent: for a while a listing may still show what was before. */
    if (is_at_from(in) && in->now_ms - r->phase_since_ms < VISIBLE_MAX_MS)
        return look_again(in, "WaitsUntilVisible");
    if (!is_at_to(in))
        return record_moved(PHASE_FAILED, in);
    if (is_serving(in))
        return record(PHASE_SUCCEEDED, "Succeeded", words_of(r)->done);
    if (is_late(in))
        return record(PHASE_FAILED, "NotServing",
                      r->target.kind == CLOUD_WORKLOAD ? "the pods did not become ready in time"
                      : recommendation_is_machine(r)   ? "it has the new type, but did not come to run in time"
                                                       : "the machines did not become healthy in time");
    return look_again(in, "WaitsUntilServing");
}

struct act_step act_step(const struct act_input *in) {
    ASSERT(in->recommendation);
    switch (in->recommendation->phase) {
    case PHASE_NONE:
    case PHASE_PENDING:
    case PHASE_SNOOZED:
        return step_undecided(in);
    case PHASE_APPROVED:
        return step_approved(in);
    case PHASE_RUNNING:
        return step_running(in);
    case PHASE_VERIFYING:
        return step_verifying(in);
    case PHASE_REVERTING:
    case PHASE_SUCCEEDED:
    case PHASE_REVERTED:
    case PHASE_FAILED:
    case PHASE_REJECTED:
    case PHASE_SUPERSEDED:
    case PHASE_EXPIRED:
    case PHASE_COUNT:
        break;
    }
    return idle();
}

const char *act_refusal(const struct error *error) {
    static const char *const reasons[] = {"ManagedElsewhere", "DisruptionBudget", "NoAutoscaler"};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (error->class != ERR_NONE && error->effect == EFFECT_NONE && str_eq(error->code, reasons[i]))
            return reasons[i];
    return NULL;
}

bool act_apply_failed(int64_t tries, const struct error *error, int64_t now_ms, int64_t *ret_retry_at_ms) {
    int64_t delay_ms = RETRY_BASE_MS;
    for (int64_t i = 1; i < tries && delay_ms < RETRY_MAX_MS; i++)
        delay_ms *= 2;
    if (error->retry_after_ms > delay_ms)
        delay_ms = error->retry_after_ms;
    switch (error->class) {
    case ERR_RETRYABLE:
    case ERR_THROTTLED:
    case ERR_CANCELLED:
        *ret_retry_at_ms = now_ms + (delay_ms < RETRY_MAX_MS ? delay_ms : RETRY_MAX_MS);
        return false;
    case ERR_CAPACITY:
    case ERR_CONFLICT:
    case ERR_PERMISSION:
    case ERR_PERMANENT:
        /* Refused outright: nothing happened. If the effect is not known to be none, the listing settles it. */
        if (error->effect == EFFECT_NONE)
            return true;
        *ret_retry_at_ms = now_ms + delay_ms;
        return false;
    case ERR_NONE:
    case ERR_CLASS_COUNT:
        break;
    }
    ASSERT(!"act_apply_failed: not a failure");
    return true;
}
