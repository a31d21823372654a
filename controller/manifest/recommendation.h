/*
 * A Recommendation: a proposed or running action, and the journal of its effect. Its status is written before each
 * effect and after it, so that a new leader can go on at any instruction.
 *
 *     Pending --approve--> Approved --intent--> Running --effect known--> Verifying --healthy--> Succeeded
 *        |  \--snooze--> Snoozed --time--> Pending   \--refused--> Failed      \--lost--> Failed
 *        |--reject--> Rejected      (Pending, Snoozed, Approved) --plan changed--> Superseded; --old--> Expired
 *     Reverting and Reverted belong to back-out (part 5).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_MANIFEST_RECOMMENDATION_H
#define TRIMTAB_MANIFEST_RECOMMENDATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/cloud.h"
#include "base/money.h"

enum recommendation_phase {
    PHASE_NONE, /* No status yet: just created. Treated as Pending. */
    PHASE_PENDING,
    PHASE_SNOOZED,
    PHASE_APPROVED,
    PHASE_RUNNING, /* Intent recorded; the effect may or may not have been sent. */
    PHASE_VERIFYING,
    PHASE_REVERTING,
    PHASE_SUCCEEDED,
    PHASE_REVERTED,
    PHASE_FAILED,
    PHASE_REJECTED,
    PHASE_SUPERSEDED,
    PHASE_EXPIRED,
    PHASE_COUNT,
};
const char *recommendation_phase_name(enum recommendation_phase phase); /* "Pending"; NONE gives "". */
bool recommendation_phase_is_final(enum recommendation_phase phase);

enum recommendation_decision { DECISION_NONE, DECISION_APPROVED, DECISION_REJECTED, DECISION_SNOOZED, DECISION_COUNT };
const char *recommendation_decision_name(enum recommendation_decision decision); /* NONE gives "". */

struct recommendation {
    /* spec; immutable but for decision, snooze_until and feedback */
    const char *policy_name; /* policyRef.name, same namespace. */
    int action;              /* enum action_type */
    struct {
        const char *provider; /* "namespace/name" */
        const char *region;
        enum cloud_kind kind;
        const char *id;
    } target;
    /* Scale: the size; where is_bounds, the bounds of the autoscaler that sets the size: count is the minimum. */
    bool is_bounds;
    int64_t from_count, to_count;
    int64_t from_max, to_max; /* is_bounds; 0: none */
    int64_t attempt;          /* 1, 2, ... for each target of a policy. */
    const char *plan_hash;
    enum recommendation_decision decision;
    int64_t snooze_until_ms;                     /* 0: not given. */
    const char *feedback_reason, *feedback_note; /* NULL: none. */

    /* status: recorded decisions */
    enum recommendation_phase phase;
    const char *message;
    const char *operation;      /* Handle of a long operation; NULL. */
    int64_t tries;              /* How often the effect was sent. */
    int64_t phase_since_ms;     /* When this phase was written. */
    int64_t finished_at_ms;     /* 0: not final. Cooldown counts from here. */
    money_micros saving_hourly; /* Negative: costs more. */
    const char *saving_currency;
    const char *saving_text; /* status.saving, status.why, ...: carried over on each write, serialised. NULL: none. */
    const char *why_json;    /* The array as found, serialised; NULL: none. */
    int64_t risk_per_mille, confidence_per_mille; /* -1: not given */
};

#endif
