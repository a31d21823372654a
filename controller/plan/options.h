/*
 * The candidates of a row besides staying what it is and scaling: other machines in its place (Rightsize), or another
 * place (Migrate). Each with what it costs over the horizon, and, where it may not be taken, why not.
 *
 *     offers of its place and of placement.targets
 *          --architecture, instanceTypes, the other dimension--> fit --of each place the undominated--> options
 *          --counts and costs over the horizon--> run, once --saving, payback, ping-pong--> reason
 *
 * An offer dominates another of its place when it is no dearer and serves no less: whatever the demand, it costs no
 * more, so that none but the undominated can be the cheapest. What a quota keeps out dominates nothing but its like: a
 * dearer offer of another family may have room.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_OPTIONS_H
#define TRIMTAB_PLAN_OPTIONS_H

#include "observe/snapshot.h"
#include "plan/commitment.h"
#include "plan/plan.h"

struct plan_option {
    enum action_type type; /* ACTION_RIGHTSIZE or ACTION_MIGRATE */
    const struct snapshot_offer *offer;
    const struct policy_target *target; /* Migrate: to which; else NULL. */
    bool is_spot;
    int64_t capacity;   /* Of a machine in the policy's metric (milli-vCPU, MiB); spot: less what is interrupted. */
    money_micros price; /* Of a machine and hour. */
    struct plan_cover cover; /* What of it commitments may cover: that costs nothing more. */
    int64_t count;           /* Machines when it is done. */
    bool is_blocked;         /* A quota has no room for them. */
    money_micros run;        /* Over the horizon. */
    money_micros unmet;      /* What demand that it cannot serve is worth: sla.violationCost. */
    money_micros once;       /* What changing costs: dual running, cold start, egress. */
    const char *reason;      /* Why it may not be taken; NULL: it may. */
    const char *detail;
};

static inline money_micros plan_option_cost(const struct plan_option *option) {
    return option->run + option->unmet + option->once;
}

#endif
