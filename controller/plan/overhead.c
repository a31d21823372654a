/*
 * What each machine keeps for itself and costs besides its price (placement.overhead). Agents are part of the demand
 * that was measured, on as many machines as there were; on fewer, larger ones there is less of it. With u what a
 * machine serves at the target and o what it keeps, n(0) of today's machines do work of n(0) (u(0) - o). So a machine
 * of another type stands in for (u(k) - o) / (u(0) - o) of today's, and serves as much of the demand as these.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/plan_internal.h"

#define LEFT_MAX ((__int128)1000000000000000000) /* Times an int64 it fits. */

static int64_t kept(const struct policy *policy) {
    return policy->forecast.metric == CLOUD_METRIC_CPU ? policy->placement.overhead.vcpu_milli
                                                       : policy->placement.overhead.memory_mib;
}

/* Of its capacity at the target, in hundredths. */
static __int128 left_of(const struct policy *policy, int64_t capacity) {
    return (__int128)capacity * policy->sla.target_utilization_percent - (__int128)kept(policy) * 100;
}

bool plan_overhead_fits(const struct plan_work *work, const struct plan_row *row) {
    return left_of(work->input->policy, row->resource->capacity_per_machine) > 0;
}

int64_t plan_overhead_capacity(const struct plan_work *work, const struct plan_row *row, int64_t capacity) {
    const struct policy *policy = work->input->policy;
    int64_t today = row->resource->capacity_per_machine;
    __int128 left = left_of(policy, capacity), left_today = left_of(policy, today);
    if (kept(policy) == 0 || left_today <= 0)
        return capacity;
    if (left <= 0)
        return 0;
    if (left > LEFT_MAX)
        left = LEFT_MAX;
    __int128 stands_for = left * today / left_today;
    return stands_for > INT64_MAX ? INT64_MAX : (int64_t)stands_for;
}

money_micros plan_overhead_price(const struct plan_work *work, money_micros price) {
    return price < 0 ? price : money_add(price, work->input->policy->placement.overhead.hourly_cost);
}
