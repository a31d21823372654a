/*
 * Machines that are stopped, where fewer run than capacity.min asks for: the cheapest are proposed to be started. They
 * are there and paid for in part already (disks, addresses), so this comes before what makes new ones. In the policy's
 * sums a stopped machine counts as one all along, so nothing else grows in its place.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/plan_internal.h"

static bool is_stopped(const struct plan_row *row) {
    return row->resource->resource.kind == CLOUD_INSTANCE && row->resource->resource.state == CLOUD_STOPPED;
}

static bool is_startable(const struct plan_row *row) {
    return is_stopped(row) && !row->resource->resource.parent && !row->resource->claimed_by &&
           row->source->state == SOURCE_FRESH && !row->is_started;
}

static int64_t running(const struct plan_work *work) {
    int64_t sum = 0;
    for (size_t i = 0; i < work->count; i++)
        if (!is_stopped(&work->rows[i]))
            sum += plan_row_floor(&work->rows[i]);
    return sum;
}

static bool is_cheaper(const struct plan_row *row, const struct plan_row *than) {
    return row->start_price >= 0 && (than->start_price < 0 || row->start_price < than->start_price);
}

static struct plan_row *cheapest(struct plan_work *work) {
    struct plan_row *best = NULL;
    for (size_t i = 0; i < work->count; i++)
        if (is_startable(&work->rows[i]) && (!best || is_cheaper(&work->rows[i], best)))
            best = &work->rows[i];
    return best;
}

static void start(struct plan_work *work, struct plan_row *row, int64_t sum) {
    static const char frozen[] = "fewer run than capacity.min asks for; the budget freezes growth";
    row->is_started = row->hold = true;
    row->state_action = NULL;
    row->desired = row->to = row->now;
    if (work->input->headroom.freeze_growth) {
        row->about = action_type_name(ACTION_START);
        row->reason = "BudgetFreeze";
        row->detail = frozen;
        return;
    }
    struct plan_state_action *idle = arena_alloc(work->arena, sizeof(*idle));
    *idle = (struct plan_state_action){
        .type = ACTION_START,
        .state = cloud_state_name(CLOUD_RUNNING),
        .why = arena_printf(work->arena, "%lld %s, capacity.min is %lld, and it is stopped", (long long)sum,
                            sum == 1 ? "machine runs" : "machines run", (long long)work->input->policy->capacity.min),
        .is_certain = true};
    row->state_action = idle;
}

void plan_start(struct plan_work *work) {
    const struct policy *policy = work->input->policy;
    struct plan_row *row;
    if (!policy_may(policy, ACTION_START))
        return;
    for (int64_t sum = running(work); sum < policy->capacity.min && (row = cheapest(work)); sum++)
        start(work, row, sum);
}
