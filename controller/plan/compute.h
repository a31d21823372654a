/*
 * Spec x snapshot x forecasts x headroom -> plan. Pure and total: no feasible plan is a plan with an explanation.
 *
 * Of size: for each InstanceGroup and Workload the smallest count whose serving capacity x targetUtilization
 * covers the demand quantile over [now, now + lead time + one step], within the group's own bounds and, summed over the
 * policy, within capacity min and max. The quantile of a step is 1 - maxViolationPerMille/1000; where sla.slots say
 * that serving demand is worth w times as much, 1 - maxViolationPerMille/1000/w. With
 * violationCost it is the one that is worth the cost, w times as much there (forecast/price.c). A shrink moves at most
 * maxChangePercent (rounded up, at least 1) and only when it saves at least minSavingPercent; nothing shrinks on a view
 * that is stale, truncated or missing, or on a forecast without basis. Of memory no less is covered than what an OOM
 * kill in the history's window has raised (history/series.h). Where an autoscaler sets a workload's size, the plan is
 * for its minimum, if the policy says so; what anybody else sets is only advised upon. Where the policy allows other
 * machines or places and the size is settled, these are weighed too (plan/options.h, docs/planning.md).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_COMPUTE_H
#define TRIMTAB_PLAN_COMPUTE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "forecast/forecast.h"
#include "observe/snapshot.h"
#include "plan/headroom.h"
#include "plan/plan.h"

struct plan_input {
    const struct policy *policy;
    const struct snapshot *snapshot;
    const struct forecast *forecasts; /* One for each resource of the snapshot, same order. */
    struct headroom headroom;
};

/* The quantiles that plan_compute reads, ascending: the policy's own, those of the weights of sla.slots (where there is
 * no room for all, those of the greatest; the others read the next above), and a few, 0.5 among them, to tell the risk.
 * Returns their number. */
size_t plan_quantiles(const struct policy *policy, double *ret /* FORECAST_QUANTILES_MAX */);
/* The one among them that capacity covers where serving demand has this weight (1: the policy's own). */
double plan_policy_quantile(const struct policy *policy, int64_t weight);
/* How many steps of forecast plan_compute reads at least, given the history's step. */
size_t plan_steps(const struct policy *policy, int64_t step_ms);

void plan_compute(const struct plan_input *input, struct arena *arena, struct plan *ret);

/* The plan as JSON, byte for byte the same for the same plan. */
void plan_print_json(const struct plan *plan, struct buf *out);
/* The members of the same object. */
void plan_print_members(const struct plan *plan, struct json_writer *w);
/* For people, like a diff. */
void plan_print_text(const struct plan *plan, struct buf *out);
/* What is paid for what would have to leave and cannot (PLAN_UNMET, without an action); -1 unknown. */
money_micros plan_stranded_cost(const struct plan *plan);
/* What a plan of the same resources becomes, as a diff: "-" before, "+" after with the reasons, "!" demand that would
 * not be served. */
void plan_print_difference(const struct plan *before, const struct plan *after, struct buf *out);

#endif
