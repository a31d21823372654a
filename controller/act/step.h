/*
 * What a Recommendation needs next. Pure: the loop reads the world into an act_input, act_step says the one thing to
 * do, the loop does it and asks again. Since each answer follows from what is recorded and what is seen, a new leader
 * goes on where the old one stopped, at any instruction.
 *
 *     recorded phase   seen                                    step
 *     (none)           decision                                RECORD Pending | Approved | Rejected | Snoozed
 *     Pending          decision, policy gone, too old          RECORD ...
 *     Approved         gates open, value == from               RECORD Running      (the intent)
 *     Running          no view since the intent                REFRESH
 *     Running          value == from, still wanted             SEND                (the effect; at most once in flight)
 *     Running          value == from, no longer wanted         RECORD Superseded   (nothing was sent, or it was lost)
 *     Running          value == to                             RECORD Verifying    (ours, or before a crash)
 *     Running          value is something else                 RECORD Failed
 *     Verifying        operation                               POLL                (may send its next request: fenced)
 *     Verifying        value == to and serving                 RECORD Succeeded
 *
 * The value is what the action changes: the size, the bounds of the autoscaler that sets the size, the requests of the
 * pods, or the type of a machine.
 *
 * A machine stops and starts again for another type, so it counts as what shrinks whichever way it goes. Once it may be
 * down because of us nothing is given up before it is seen to run (act_is_up_again).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ACT_STEP_H
#define TRIMTAB_ACT_STEP_H

#include "base/error.h"
#include "manifest/object.h"
#include "observe/snapshot.h"

struct act_input {
    int64_t now_ms;
    const struct recommendation *recommendation;
    const struct policy *policy; /* NULL: gone or invalid; nothing new may start. */
    bool suspended;
    bool claimed_twice; /* Another policy selects the target too. */
    bool selected;      /* The policy selects the target, and its owner permits that. */
    bool provider_gone; /* The Provider does not exist any more: nothing of it will ever be read again. */

    /* The target as last listed. */
    const struct cloud_resource *resource; /* NULL: not in the listing. */
    enum source_state source;
    int64_t seen_at_ms;     /* When that listing began; 0: never. */
    uint64_t seen_sequence; /* Listings are numbered in order of their beginning. */

    /* This process's own knowledge of the Recommendation. */
    uint64_t floor_sequence; /* Only a listing that began after this one counts as news. */
    bool sending;            /* An apply or poll of it is in flight. */
    bool may_act;            /* The lease outlives a request; the take-over wait is over. */
    int64_t tries;           /* How often this process sent the effect. */
    int64_t retry_at_ms;     /* Back-off after a failed try; 0: now. */

    /* The rest of the policy. */
    bool target_busy;         /* Another of its Recommendations is changing the same target. */
    int64_t active;           /* Its other Recommendations that shrink and are Running or Verifying. */
    int64_t last_finished_ms; /* Of its finished actions on this target; 0: none. */
    /* The least and the most that its other groups may sum up to, with all that is begun: what is reserved. */
    bool others_known;
    int64_t others_low, others_high;
};

enum act_step_type {
    ACT_IDLE,    /* Nothing until something changes. */
    ACT_WAIT,    /* Nothing until until_ms. */
    ACT_REFRESH, /* List the target's region now, then ask again. */
    ACT_RECORD,  /* Write phase and message, fenced by the resourceVersion. */
    ACT_SEND, /* Send the effect: the size to.count, the bounds to.count and to.count_max, the requests, or the type. */
    ACT_POLL, /* Ask about recommendation->operation. */
};

struct act_step {
    enum act_step_type type;
    int64_t until_ms;
    enum recommendation_phase phase; /* RECORD */
    const char *reason;              /* CamelCase, static: for the Event, the log and the metric. */
    char message[256];
};

#define ACT_TRIES_MAX 8
#define ACT_PENDING_MAX_MS (INT64_C(7) * 24 * 3600 * 1000)

struct act_step act_step(const struct act_input *input);

/* What to do after an apply that failed for the tries-th time: stay Running and settle or retry (returns false, with
 * the time in *ret_retry_at_ms), or record Failed (true). */
bool act_apply_failed(int64_t tries, const struct error *error, int64_t now_ms, int64_t *ret_retry_at_ms);

/* What becomes of an effect that was refused outright because the target is not ours to change now: somebody else sets
 * its size or bounds, a PodDisruptionBudget forbids it, the autoscaler is gone. No failure: the plan was right when it
 * was made. NULL: another error; else the reason to record it as Superseded for. */
const char *act_refusal(const struct error *error);

/* Of a poll that has failed for good: whether it may be recorded as Failed. Not while a machine that it stopped may
 * still be down: asking goes on then, for as long as a day. */
bool act_is_up_again(const struct act_input *input);

/* Whether an action takes capacity away: only those are gated by cooldown, concurrency and freshness. */
static inline bool act_shrinks(const struct recommendation *r) {
    if (recommendation_is_machine(r))
        return true;
    if (recommendation_is_requests(r))
        return r->to.vcpu_milli < r->from.vcpu_milli || r->to.memory_mib < r->from.memory_mib;
    return r->to.count < r->from.count;
}

#endif
