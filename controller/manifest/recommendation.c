/*
 * The names of a Recommendation's phases and decisions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "manifest/recommendation.h"

#include "base/error.h"
#include "base/mem.h"

static const char *const phases[] = {
    [PHASE_NONE] = "",
    [PHASE_PENDING] = "Pending",
    [PHASE_SNOOZED] = "Snoozed",
    [PHASE_APPROVED] = "Approved",
    [PHASE_RUNNING] = "Running",
    [PHASE_VERIFYING] = "Verifying",
    [PHASE_REVERTING] = "Reverting",
    [PHASE_SUCCEEDED] = "Succeeded",
    [PHASE_REVERTED] = "Reverted",
    [PHASE_FAILED] = "Failed",
    [PHASE_REJECTED] = "Rejected",
    [PHASE_SUPERSEDED] = "Superseded",
    [PHASE_EXPIRED] = "Expired",
};
static const char *const decisions[] = {
    [DECISION_NONE] = "",
    [DECISION_APPROVED] = "Approved",
    [DECISION_REJECTED] = "Rejected",
    [DECISION_SNOOZED] = "Snoozed",
};

_Static_assert(ARRAY_LEN(phases) == PHASE_COUNT, "a name for each phase");
_Static_assert(ARRAY_LEN(decisions) == DECISION_COUNT, "a name for each decision");

const char *recommendation_phase_name(enum recommendation_phase phase) {
    ASSERT((size_t)phase < ARRAY_LEN(phases));
    return phases[phase];
}

bool recommendation_phase_is_final(enum recommendation_phase phase) {
    ASSERT((size_t)phase < ARRAY_LEN(phases));
    return phase >= PHASE_SUCCEEDED;
}

const char *recommendation_decision_name(enum recommendation_decision decision) {
    ASSERT((size_t)decision < ARRAY_LEN(decisions));
    return decisions[decision];
}
