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

int64_t plan_running(const struct plan_work *work) {
    int64_t sum = 0;
    for (size_t i = 0; i < work->count; i++)
        if (!is_stopped(&work->rows[i]))
            sum += plan_row_floor(&work->rows[i]);
    return sum;
}

/* Its place may be closed (headroom.h): then there is nothing to start it on. */
static bool is_startable(const struct plan_work *work, const struct plan_row *row) {
    const struct cloud_resource *r = &row->resource->resource;
    return is_stopped(row) && !r->parent && !row->resource->claimed_by && row->source->state == SOURCE_FRESH &&
           !row->is_started &&
           !headroom_closure_of(&work->input->headroom, row->resource->provider, r->region, r->type);
}

static bool is_cheaper(const struct plan_row *row, const struct plan_row *than) {
    return row->start_price >= 0 && (than->start_price < 0 || row->start_price < than->start_price);
}

static struct plan_row *cheapest(struct plan_work *work) {
    struct plan_row *best = NULL;
    for (size_t i = 0; i < work->count; i++)
        if (is_startable(work, &work->rows[i]) && (!best || is_cheaper(&work->rows[i], best)))
            best = &work->rows[i];
    return best;
}

static void stays(struct plan_row *row, const char *reason, const char *detail) {
    row->about = action_type_name(ACTION_START);
    row->reason = reason;
    row->detail = detail;
}

/* False: it is not started, and why is said. */
static bool start(struct plan_work *work, struct plan_row *row) {
    const struct plan_purchase p = plan_purchase_of(row);
    const struct cloud_limit *limit;
    const char *why = arena_printf(work->arena, "%lld %s, capacity.min is %lld, and it is stopped",
                                   (long long)work->running, work->running == 1 ? "machine runs" : "machines run",
                                   (long long)work->input->policy->capacity.min);
    row->is_started = row->hold = true;
    row->state_action = NULL;
    row->desired = row->to = row->now;
    if (work->input->headroom.freeze_growth) {
        stays(row, "BudgetFreeze", arena_printf(work->arena, "%s; the budget freezes growth", why));
        return false;
    }
    if (plan_quota_room(work, &p, &limit) < 1) {
        stays(row, "QuotaExceeded",
              arena_printf(work->arena, "%s; %s has no room for it", why, plan_quota_words(work, limit)));
        return false;
    }
    plan_quota_take(work, &p, 1);
    const struct plan_state_action action = {ACTION_START, cloud_state_name(CLOUD_RUNNING), why, 0, true};
    row->state_action = arena_memdup(work->arena, &action, sizeof(action));
    return true;
}

void plan_start(struct plan_work *work) {
    const struct policy *policy = work->input->policy;
    struct plan_row *row;
    if (!policy_may(policy, ACTION_START))
        return;
    while (work->running < policy->capacity.min && (row = cheapest(work)))
        work->running += start(work, row);
}
