/*
 * The requests of a workload's pods (Rightsize). Replicas come first: while their number may follow demand, that is
 * what serves it, and requests stay. Where the number stands still at a bound that demand does not need, or may not
 * reach what demand needs, the requests give way:
 *
 *     q = demand of the horizon / (replicas x targetUtilization)        in steps of two digits, rounded up
 *
 * So both are decided by one demand in one plan, and neither undoes the other: at q the horizon needs just the replicas
 * that are there. Down in steps of maxChangePercent, and only where it saves minSavingPercent of the requests. Where an
 * autoscaler sets the number by utilisation, which is in shares of the requests, they are left alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "plan/plan_internal.h"

#define CPU_MIN_MILLI 10
#define MEMORY_MIN_MIB 16
#define SENTENCES_MAX 5

static bool is_cpu(const struct plan_work *work) {
    return work->input->policy->forecast.metric == CLOUD_METRIC_CPU;
}

static const char *words(const struct plan_work *work, int64_t requests) {
    return arena_printf(work->arena, is_cpu(work) ? "%lldm" : "%lldMi", (long long)requests);
}

static int64_t rounded_up(double value, int64_t least) {
    if (!(value < (double)PLAN_COUNT_MAX))
        return PLAN_COUNT_MAX;
    int64_t step = 1;
    while (value > (double)(step * 100))
        step *= 10;
    int64_t requests = (int64_t)ceil(value / (double)step - 1e-9) * step;
    return requests > least ? requests : least;
}

int64_t plan_requests_below(int64_t requests) {
    int64_t step = 1;
    while (requests > step * 100)
        step *= 10;
    return requests / step * step;
}

int64_t plan_requests_for(const struct plan_work *work, double demand, int64_t count) {
    double each = demand / plan_serves(work->input->policy, 1, count);
    return rounded_up(each, is_cpu(work) ? CPU_MIN_MILLI : MEMORY_MIN_MIB);
}

/* The part of a pod's price that is for its requests in the metric's dimension, with these instead. */
static money_micros price_with(const struct plan_work *work, const struct plan_row *row, int64_t requests) {
    const struct cloud_resource *r = &row->resource->resource;
    double cores = (double)r->vcpu_milli / 1000 * CLOUD_CORE_WEIGHT;
    double gib = (double)r->memory_mib / 1024 * CLOUD_GIB_WEIGHT;
    double share = (is_cpu(work) ? cores : gib) / (cores + gib);
    double change = (double)requests / (double)row->resource->capacity_per_machine - 1;
    return money_add(row->price, money_from_double(floor((double)row->price * share * change) / 1e6));
}

static bool is_eligible(const struct plan_row *row) {
    const struct cloud_resource *r = &row->resource->resource;
    return r->kind == CLOUD_WORKLOAD && !row->hold && row->raw >= 0 && row->now > 0 &&
           row->resource->capacity_per_machine > 0 && !r->count_manager;
}

static bool is_settled(const struct plan_work *work, const struct plan_row *row) {
    return row->may_shrink && row->to == row->now &&
           (row->desired == row->now || !policy_may(work->input->policy, ACTION_SCALE)) &&
           row->forecast->basis == FORECAST_BASIS_OWN && !work->input->headroom.shrink_to_minimum;
}

/* What the pods would request more; takes it, where there is room. */
static bool is_beyond_quota(struct plan_work *work, const struct plan_row *row, int64_t more) {
    struct plan_purchase p = plan_purchase_of(row);
    const struct cloud_limit *limit;
    p.vcpu_milli = is_cpu(work) ? more : 0;
    p.memory_mib = is_cpu(work) ? 0 : more;
    p.pods = 0;
    int64_t room = plan_quota_room(work, &p, &limit);
    if (!limit || room >= row->now) {
        plan_quota_take(work, &p, row->now);
        return false;
    }
    plan_why_not_about(work, row, ACTION_RIGHTSIZE, "QuotaExceeded",
                       arena_printf(work->arena, "%s more for each of %lld %s is more than is left of %s",
                                    words(work, more), (long long)row->now, plan_piece(row, row->now),
                                    plan_quota_words(work, limit)));
    return true;
}

static void decide(struct plan_work *work, struct plan_row *row, int64_t wanted) {
    const struct policy *policy = work->input->policy;
    int64_t now = row->resource->capacity_per_machine;
    int64_t change_max = (now * policy->disruption.max_change_percent + 99) / 100;
    if (wanted < now && !row->joint && (now - wanted) * 100 < now * policy->disruption.min_saving_percent) {
        plan_why_not_about(work, row, ACTION_RIGHTSIZE, "BelowMinSaving",
                           arena_printf(work->arena, "requests of %s instead of %s would save less than %lld %%",
                                        words(work, wanted), words(work, now),
                                        (long long)policy->disruption.min_saving_percent));
        return;
    }
    if (wanted > now && work->input->headroom.freeze_growth) {
        const char *budget = work->input->headroom.budget;
        plan_why_not_about(work, row, ACTION_RIGHTSIZE, "BudgetFreeze",
                           arena_printf(work->arena, "budget %s freezes growth of requests to %s",
                                        budget ? budget : "(unnamed)", words(work, wanted)));
        return;
    }
    if (wanted > now && is_beyond_quota(work, row, wanted - now))
        return;
    row->requests = now - wanted > change_max ? rounded_up((double)(now - change_max), 1) : wanted;
    if (row->requests >= now && wanted < now) /* Two digits are too coarse for the step. */
        row->requests = now - change_max;
    row->desired = row->now;
    if (row->price >= 0)
        row->requests_price = price_with(work, row, row->requests);
}

static void row_requests(struct plan_work *work, struct plan_row *row) {
    int64_t now = row->resource->capacity_per_machine;
    double peak = plan_demand_peak(work, row);
    int64_t wanted = plan_requests_for(work, peak, row->now);
    bool is_less = wanted<now, is_more = wanted> now && row->raw > row->now;
    if (!is_less && !is_more)
        return;
    if (is_less && row->price >= 0)
        row->least_price = price_with(work, row, wanted);
    const char *manager = row->resource->resource.size_manager;
    if (!policy_may(work->input->policy, ACTION_RIGHTSIZE))
        return;
    if (manager)
        plan_why_not_about(work, row, ACTION_RIGHTSIZE, "ManagedElsewhere",
                           arena_printf(work->arena, "%s sets its requests; the plan would want %s (now %s)", manager,
                                        words(work, wanted), words(work, now)));
    else
        decide(work, row, wanted);
}

void plan_requests(struct plan_work *work) {
    for (size_t i = 0; i < work->count; i++) {
        struct plan_row *row = &work->rows[i];
        row->least_price = row->price;
        if (is_eligible(row) && is_settled(work, row))
            row_requests(work, row);
    }
}

void plan_why_requests(struct plan_work *work, const struct plan_row *row, struct plan_action *action) {
    const struct policy *policy = work->input->policy;
    const char **why = arena_alloc_array(work->arena, SENTENCES_MAX, sizeof(*why));
    const char *unit = plan_metric_unit(policy);
    int64_t now = row->resource->capacity_per_machine;
    size_t count = 0;
    why[count++] = plan_demand_sentence(work, row);
    why[count++] = arena_printf(
        work->arena, "of the whole horizon it stays under %.2f %s; %lld %s of %s at %lld %% serve %.2f, of %s %.2f",
        plan_demand_peak(work, row), unit, (long long)row->now, plan_piece(row, row->now), words(work, now),
        (long long)policy->sla.target_utilization_percent, plan_serves(policy, now, row->now),
        words(work, row->requests), plan_serves(policy, row->requests, row->now));
    why[count++] = row->requests < now ? "their number stays: fewer are not allowed, or not ours to set"
                                       : "their number stays: more are not allowed, or not ours to set";
    if (row->joint)
        why[count++] = row->joint;
    if (row->price < 0) {
        why[count++] = "the price of a pod is not known";
    } else {
        char text[MONEY_TEXT_MAX];
        money_micros saving = action->saving_hourly;
        money_format(money_abs(saving), 4, text);
        why[count++] =
            arena_printf(work->arena, "%s %s USD an hour of the nodes' price", saving < 0 ? "costs" : "saves", text);
    }
    action->why = why;
    action->why_count = count;
}
