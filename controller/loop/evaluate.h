/*
 * What a policy's cycle decides, apart from the loop that runs it: which Providers the policy may use, and the stages
 * forecast and plan over a snapshot. Pure, any thread. The cluster's loop and `trimtab plan` are the same because both
 * call this.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_LOOP_EVALUATE_H
#define TRIMTAB_LOOP_EVALUATE_H

#include "account/status.h"
#include "loop/recall.h"
#include "observe/observe.h"
#include "plan/compute.h"

#define EVALUATE_SCOPES_MAX 32 /* Providers of one policy. */

struct evaluate_access { /* A policy asks for a Provider. */
    const struct object *policy;
    const struct object_ref *ref;
    const struct object *provider;  /* NULL: there is none of that name. */
    const struct object *namespace; /* The policy's; NULL: one without labels. */
};
/* False: *ret_summary says why not, and what to do. */
bool evaluate_scope(const struct evaluate_access *access, struct arena *arena, struct observe_scope *ret,
                    struct status_summary *ret_summary);

/* input->forecasts is made here; the rest of the input is the caller's. recall: of evaluations of this policy before;
 * NULL gives the same. */
void evaluate_forecast(struct plan_input *input, struct recall *recall, struct arena *arena);
/* The same, and the plan. */
void evaluate_policy(struct plan_input *input, struct recall *recall, struct arena *arena, struct plan *ret);

#endif
