/*
 * What stands on machines that are not for sale any more (headroom.h). It counts as gone: its demand is to be served
 * elsewhere, by the cheapest option that the policy allows, in the sums as if it were new. What finds none stands as it
 * is and is told.
 *
 *     needs --closed: options--> refuge --its machines in the sums--> to --> chosen, or DemandUnmet
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "plan/plan_internal.h"

/* Why it cannot be moved at all; NULL: it can, if there is where to. */
static const char *obstacle(const struct plan_work *work, const struct plan_row *row) {
    const struct cloud_resource *r = &row->resource->resource;
    const char *manager = r->count_manager ? r->count_manager : r->size_manager;
    if (row->hold)
        return row->detail;
    if (r->kind != CLOUD_INSTANCE_GROUP && !row->is_single)
        return "only an InstanceGroup can be planned elsewhere";
    if (manager)
        return arena_printf(work->arena, "%s sets it", manager);
    if (!row->may_shrink)
        return row->detail;
    if (row->raw < 0)
        return "without a forecast nobody knows what it needs";
    if (row->price < 0 || !row->resource->has_offer)
        return arena_printf(work->arena, "the price or the size of its machines, type \"%s\", is not known", r->type);
    if (work->input->headroom.shrink_to_minimum)
        return "a budget shrinks to the minimum";
    if (!policy_may_move(work->input->policy))
        return "the policy's actions have neither Migrate nor Rightsize";
    return row->now > 0 ? NULL : "nothing runs there, and nothing may start";
}

static const char *demand_words(const struct plan_work *work, const struct plan_row *row, double demand) {
    if (row->raw < 0)
        return "what it serves";
    return arena_printf(work->arena, "%.1f %s of demand", demand, plan_metric_unit(work->input->policy));
}

static const char *unmet(const struct plan_work *work, const struct plan_row *row, double demand, const char *why) {
    return arena_printf(work->arena, "%s is closed: %s would not be served: %s", row->closure->text,
                        demand_words(work, row, demand), why);
}

static void strand(const struct plan_work *work, struct plan_row *row, const char *why) {
    row->about = NULL;
    row->reason = PLAN_UNMET;
    row->detail = unmet(work, row, fmax(row->demand, row->hold_demand), why);
    row->hold = true;
    row->need = 0;
}

void plan_leave(struct plan_work *work) {
    for (size_t i = 0; i < work->count; i++) {
        struct plan_row *row = &work->rows[i];
        const char *why;
        if (!row->closure)
            continue;
        if ((why = obstacle(work, row))) {
            strand(work, row, why);
            continue;
        }
        plan_options_leaving(work, row);
        for (size_t k = 0; k < row->option_count && !row->refuge; k++)
            if (!row->options[k].reason)
                row->refuge = &row->options[k];
        if (row->refuge)
            row->need = row->refuge->count;
        else
            strand(work, row,
                   "nothing that is for sale in its place or in placement.targets, and that the policy allows, "
                   "could serve it");
    }
}

/* The sums may have left it fewer machines than its demand asks for. */
static void settle(struct plan_work *work, struct plan_row *row) {
    struct plan_option *option = arena_memdup(work->arena, row->refuge, sizeof(*option));
    double demand = fmax(row->demand, row->hold_demand);
    if (row->to < option->count) {
        option->run = (money_micros)((double)option->run * (double)row->to / (double)option->count);
        option->count = row->to;
        double short_of = fmax(0, demand - plan_serves(work->input->policy, option->capacity, option->count));
        plan_why_not_add(work, row, PLAN_UNMET,
                         unmet(work, row, short_of,
                               arena_printf(work->arena, "capacity.max %lld leaves %lld of %lld machines",
                                            (long long)work->input->policy->capacity.max, (long long)row->to,
                                            (long long)row->refuge->count)));
    }
    row->chosen = option;
}

static const char *too_few_words(const struct plan_work *work, const struct plan_row *row, int64_t least) {
    const char *words =
        arena_printf(work->arena, "capacity.max %lld leaves", (long long)work->input->policy->capacity.max);
    return row->to <= 0 ? arena_printf(work->arena, "%s no room", words)
                        : arena_printf(work->arena, "%s %lld machines, and the group must have %lld", words,
                                       (long long)row->to, (long long)least);
}

void plan_leave_settle(struct plan_work *work) {
    for (size_t i = 0; i < work->count; i++) {
        struct plan_row *row = &work->rows[i];
        if (!row->closure || row->state_action)
            continue;
        int64_t least = row->low > 1 ? row->low : 1;
        if (row->refuge && row->to < least && row->to < row->refuge->count)
            strand(work, row, too_few_words(work, row, least));
        else if (row->refuge)
            settle(work, row);
        row->desired = row->to = row->now; /* What stands there, as it is. */
    }
}
