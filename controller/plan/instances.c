/*
 * Single machines: what no group decides about is served by one machine, so another type is all that can be chosen
 * (Rightsize). The row of one is a group of exactly one, and so its options are those of a group (options.c), but:
 *
 *     it must serve    the greatest demand of the horizon alone; where today's type does not, a larger one is taken
 *                      whatever that costs, as groups grow
 *     beside it        it has no less of the dimension that is not forecast in all, since nobody shares the load
 *     once             it stops and starts: both are paid for the lead time, and what is not served meanwhile
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "base/mem.h"
#include "base/str.h"
#include "plan/plan_internal.h"

#define HOUR_MS 3600000.0

/* Marks of a cluster's node, whose pods would have to leave before it stops: by Kubernetes' cloud providers, EKS and
 * Karpenter. */
static const char *const node_marks[] = {"kubernetes.io/cluster/", "eks:cluster-name", "aws:eks:cluster-name",
                                         "karpenter.sh/"};

static const char *node_mark(const struct cloud_resource *r) {
    for (size_t i = 0; i < r->tag_count; i++)
        for (size_t k = 0; k < ARRAY_LEN(node_marks); k++)
            if (str_has_prefix(r->tags[i].key, node_marks[k]))
                return r->tags[i].key;
    return NULL;
}

void plan_instance_open(const struct plan_work *work, struct plan_row *row) {
    const struct cloud_resource *r = &row->resource->resource;
    if (r->kind != CLOUD_INSTANCE || r->state != CLOUD_RUNNING || r->parent || row->actual != 1 ||
        !policy_may(work->input->policy, ACTION_RIGHTSIZE))
        return;
    const char *mark = node_mark(r);
    row->low = row->high = 1;
    row->is_single = true;
    row->hold = mark || r->is_spot;
    if (!row->hold)
        return;
    row->about = action_type_name(ACTION_RIGHTSIZE);
    row->reason = mark ? "ManagedElsewhere" : "NotScalable";
    row->detail = mark ? arena_printf(work->arena, "it is a node of a cluster (tag %s)", mark)
                       : "a spot machine cannot be given another type";
}

/* What outgrows its machine in one dimension is given as much more of the other. */
int64_t plan_instance_other(const struct plan_work *work, const struct plan_row *row, double peak, int64_t before) {
    double growth = peak / plan_capacity_of(work, row, 1);
    return growth > 1 ? (int64_t)ceil(fmin((double)before * growth, (double)PLAN_COUNT_MAX)) : before;
}

/* A violation is worth so many mean demands for as long as it lasts (sla.violationCost), at today's price of what
 * serves them. Without it, what a violation costs is not declared. */
money_micros plan_instance_outage(const struct plan_work *work, const struct plan_row *row) {
    const struct policy *policy = work->input->policy;
    double worth = (double)policy->sla.violation_cost * (double)row->weight * row->forecast->level;
    double hourly = (double)row->price * worth / plan_capacity_of(work, row, 1);
    double once = hourly * (double)policy->sla.lead_time_ms / HOUR_MS;
    return once < (double)(INT64_MAX / 4) ? (money_micros)ceil(fmax(0, once)) : INT64_MAX / 4;
}

/* ---- a larger type ---- */

/* Why nothing may be done now about a machine that does not serve; NULL: something may. */
static const char *obstacle(const struct plan_work *work, const struct plan_row *row, const char **ret_reason) {
    if (!row->may_shrink) { /* It stops for a while: never on a partial view, as what shrinks. */
        *ret_reason = row->reason;
        return row->detail;
    }
    if (row->forecast->basis != FORECAST_BASIS_OWN) {
        *ret_reason = "LittleHistory";
        return arena_printf(work->arena, "its forecast is not from its own history yet (basis %s)",
                            forecast_basis_name(row->forecast->basis));
    }
    if (work->input->headroom.shrink_to_minimum) {
        *ret_reason = "BudgetFreeze";
        return arena_printf(work->arena, "budget %s shrinks to the minimum",
                            work->input->headroom.budget ? work->input->headroom.budget : "(unnamed)");
    }
    return NULL;
}

/* One for one: whatever is chosen, the sums of counts stay as they are. */
static void choose(struct plan_work *work, struct plan_row *row) {
    for (size_t k = 0; k < row->option_count; k++) {
        const struct plan_option *option = &row->options[k];
        if (option->reason)
            continue; /* It has told why not. */
        if (!row->chosen) {
            row->chosen = option;
            continue;
        }
        plan_why_not_about(work, row, ACTION_RIGHTSIZE, "DearerThanChosen",
                           arena_printf(work->arena, "%s %s than what is proposed", plan_option_words(work, option),
                                        row->is_short ? "serves too, and costs more" : "saves less"));
        return;
    }
}

void plan_instances_choose(struct plan_work *work) {
    for (size_t i = 0; i < work->count; i++) {
        struct plan_row *row = &work->rows[i];
        const char *reason, *detail;
        if (!row->is_single || row->closure || row->hold)
            continue;
        choose(work, row);
        if (!row->is_short || row->chosen || !(detail = obstacle(work, row, &reason)))
            continue;
        plan_why_not_about(work, row, ACTION_RIGHTSIZE, reason,
                           arena_printf(work->arena, "a larger type is needed: %.1f %s of demand, %.1f served; %s",
                                        plan_demand_peak(work, row), plan_metric_unit(work->input->policy),
                                        plan_capacity_of(work, row, 1), detail));
    }
}
