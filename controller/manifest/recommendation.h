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
#include "base/json.h"
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

/* A state of an action's target: as the plan found it (from), or as it is wanted (to), absolute. What the action does
 * not change is not said. In JSON the names of the API. */
struct target_state {
    int64_t count;                   /* Where target_state_has_count; of bounds the minimum. */
    int64_t count_max;               /* Of bounds; 0: none. */
    const char *type;                /* instanceType. Rightsize and Migrate of machines; NULL. */
    int64_t vcpu_milli, memory_mib;  /* requests of a pod. Rightsize of workloads; 0: as they are. */
    const char *provider, *region;   /* Migrate: where; "namespace/name". NULL. */
    const char *template, *purchase; /* Migrate: from what, "OnDemand" or "Spot". NULL. */
    const char *state;               /* Start, Stop, Delete, Snapshot to what. NULL. */
};
/* Words of `state` beside those of cloud_state_name: what Delete and Snapshot want. */
#define TARGET_STATE_DELETED "deleted"
#define TARGET_STATE_SNAPSHOTTED "snapshotted"

/* Whether a person has to do it: this version changes sizes, the requests of workloads, and the types of single
 * machines. The rest is proposed all the same, and stays Pending. */
bool recommendation_is_by_hand(int action /* enum action_type */, enum cloud_kind kind);

/* Whether an action of this type says a size: Scale does, and what changes the machines or pods of a sized target. */
bool target_state_has_count(int action /* enum action_type */, enum cloud_kind kind);
bool target_state_is_equal(const struct target_state *a, const struct target_state *b);
uint64_t target_state_hash(uint64_t hash, const struct target_state *state);
/* For people and logs: "6", "2 to 8", "500m", "m5.large", "5 x m5.large", "stopped". */
#define TARGET_WORDS_MAX 96
void target_state_words(const struct target_state *state, bool has_count, bool is_bounds,
                        char ret[static TARGET_WORDS_MAX]);
/* As the value of a key, its own keys in order. */
void target_state_print(struct json_writer *w, const struct target_state *state, bool has_count, bool is_bounds);

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
    bool is_bounds; /* Scale: not the size changes but the bounds of the autoscaler that sets it. */
    struct target_state from, to;
    int64_t attempt; /* 1, 2, ... for each target of a policy. */
    const char *plan_hash;
    enum recommendation_decision decision;
    int64_t snooze_until_ms;                     /* 0: not given. */
    const char *feedback_reason, *feedback_note; /* NULL: none. */

    /* status: recorded decisions */
    enum recommendation_phase phase;
    bool is_out_of_stock; /* It failed because the cloud had none of what it asked for. */
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

/* Whether it changes the requests of a workload's pods; the type of a single machine. */
bool recommendation_is_requests(const struct recommendation *r);
bool recommendation_is_machine(const struct recommendation *r);

#endif
