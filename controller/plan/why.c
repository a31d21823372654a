/*
 * The plan in sentences: why an action is proposed, and for what is not acted on why not. Concrete figures, no clock:
 * the same plan reads the same tomorrow.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "base/str.h"
#include "base/timefmt.h"
#include "plan/plan_internal.h"

#define SENTENCES_MAX 11
#define EVENTS_TOLD 3

const char *plan_metric_unit(const struct policy *policy) {
    return policy->forecast.metric == CLOUD_METRIC_CPU ? "vCPU" : "MiB";
}

const char *plan_piece(const struct plan_row *row, int64_t count) {
    if (plan_row_is_workload(row))
        return count == 1 ? "replica" : "replicas";
    return count == 1 ? "machine" : "machines";
}

static const char *owner_word(const struct plan_row *row) {
    return plan_row_is_workload(row) ? "workload" : "group";
}

static const char *serving_sentence(const struct plan_work *work, const struct plan_row *row, int64_t count) {
    const struct policy *policy = work->input->policy;
    const struct cloud_resource *r = &row->resource->resource;
    const char *unit = plan_metric_unit(policy);
    double each =
        (double)row->resource->capacity_per_machine / (policy->forecast.metric == CLOUD_METRIC_CPU ? 1000 : 1);
    return arena_printf(work->arena, "%lld x %s (%.6g %s) at %lld %% serve %.1f %s", (long long)count,
                        r->type && *r->type ? r->type : plan_piece(row, 1), each, unit,
                        (long long)policy->sla.target_utilization_percent, plan_capacity_of(work, row, count), unit);
}

/* Where a step of the window asks for a stricter quantile than the policy's own. */
static const char *weight_words(const struct plan_work *work, const struct plan_row *row) {
    const struct policy *policy = work->input->policy;
    double q = plan_policy_quantile(policy, row->weight);
    if (policy->sla.violation_cost && row->weight > 1)
        return arena_printf(work->arena, ", %lld times that where sla.slots say so", (long long)row->weight);
    if (policy->sla.violation_cost || !(q > plan_policy_quantile(policy, 1)))
        return "";
    return arena_printf(work->arena, ", with %.6g %% where sla.slots make it worth %lld times as much", 100 * q,
                        (long long)row->weight);
}

const char *plan_demand_sentence(const struct plan_work *work, const struct plan_row *row) {
    const struct forecast *f = row->forecast;
    const struct policy *policy = work->input->policy;
    const char *unit = plan_metric_unit(policy);
    char span[32];
    duration_format((int64_t)(row->last_step - row->first_step) * f->step_ms, span, sizeof(span));
    if (policy->sla.violation_cost)
        return arena_printf(
            work->arena,
            "demand up to %.1f %s is worth serving for the next %s at %lld mean demands (%.1f %s) for a "
            "violation%s (median %.1f %s; %s, basis %s)",
            row->forecast_demand, unit, span, (long long)policy->sla.violation_cost, f->level, unit,
            weight_words(work, row), row->demand_p50, unit, f->model, forecast_basis_name(f->basis));
    return arena_printf(work->arena,
                        "demand stays under %.1f %s with %.6g %% for the next %s%s (median %.1f %s; %s, basis %s)",
                        row->forecast_demand, unit, 100 * plan_policy_quantile(policy, 1), span,
                        weight_words(work, row), row->demand_p50, unit, f->model, forecast_basis_name(f->basis));
}

/* What is covered beyond the forecast; NULL: nothing. */
static const char *raise_sentence(const struct plan_work *work, const struct plan_row *row) {
    char at[TIME_TEXT_MAX];
    if (!row->raise)
        return NULL;
    time_format(row->raise->time_ms, at);
    return arena_printf(work->arena, "raised after an OOM kill at %s: %.1f %s are needed, whatever the forecast says",
                        at, row->demand, plan_metric_unit(work->input->policy));
}

/* The declared events that the demand of the window has put on; NULL: none. */
static const char *events_sentence(const struct plan_work *work, const struct plan_row *row) {
    const struct policy *policy = work->input->policy;
    const struct forecast *f = row->forecast;
    const char *text = NULL;
    size_t count = 0;
    for (size_t i = 0; i < policy->forecast.event_count; i++) {
        const struct policy_event *event = &policy->forecast.events[i];
        if (!policy_event_is_in(event, f->start_ms + (int64_t)row->first_step * f->step_ms,
                                f->start_ms + (int64_t)row->last_step * f->step_ms))
            continue;
        if (count++ < EVENTS_TOLD)
            text = arena_printf(work->arena, "%s %s (%lld %%)",
                                text ? arena_printf(work->arena, "%s,", text) : "counts in", event->name,
                                (long long)event->factor_percent);
    }
    return count > EVENTS_TOLD ? arena_printf(work->arena, "%s and %zu more", text, count - EVENTS_TOLD) : text;
}

/* What moved the count away from what demand alone wants; NULL: nothing did. */
static const char *bound_sentence(const struct plan_work *work, const struct plan_row *row) {
    const struct policy *policy = work->input->policy;
    struct arena *arena = work->arena;
    if (work->input->headroom.shrink_to_minimum)
        return arena_printf(arena, "budget %s shrinks to the minimum",
                            work->input->headroom.budget ? work->input->headroom.budget : "(unnamed)");
    if (row->spread_more > 0 && row->desired - row->spread_more == row->need)
        return arena_printf(arena, "placement.spread asks for %lld more than demand", (long long)row->spread_more);
    if (row->desired > row->need)
        return arena_printf(arena, "capacity.min %lld asks for %lld more than demand", (long long)policy->capacity.min,
                            (long long)(row->desired - row->need));
    if (row->desired < row->need)
        return arena_printf(arena, "capacity.max %lld leaves it %lld of the %lld that demand asks for%s",
                            (long long)policy->capacity.max, (long long)row->desired, (long long)row->need,
                            plan_short_words(work, row, row->desired));
    if (row->is_single && row->raw > row->high)
        return arena_printf(arena, "it is one machine; demand asks for %lld of its type", (long long)row->raw);
    if (row->is_single)
        return NULL;
    if (row->raw >= 0 && row->raw > row->high)
        return arena_printf(arena, "the %s's own maximum is %lld; demand asks for %lld%s", owner_word(row),
                            (long long)row->high, (long long)row->raw, plan_short_words(work, row, row->high));
    if (row->need == row->low && row->raw < row->low)
        return arena_printf(arena, "the %s's own minimum is %lld", owner_word(row), (long long)row->low);
    return NULL;
}

static const char *step_sentence(const struct plan_work *work, const struct plan_row *row) {
    const struct policy *policy = work->input->policy;
    if (row->to == row->desired)
        return NULL;
    if (row->quota)
        return row->quota;
    if (row->to < row->now && row->to == row->covered)
        return arena_printf(work->arena, "keeps %lld, on the way to %lld: to end what is owed either way saves nothing",
                            (long long)row->to, (long long)row->desired);
    if (row->to > row->now)
        return arena_printf(work->arena, "grows to %lld for now: capacity.max %lld counts %lld %s that are there",
                            (long long)row->to, (long long)policy->capacity.max, (long long)work->ceiling_sum,
                            plan_piece(row, work->ceiling_sum));
    return arena_printf(work->arena, "removes %lld of %lld %s now, on the way to %lld (at most %lld %% at a time)",
                        (long long)(row->now - row->to), (long long)row->now, plan_piece(row, row->now),
                        (long long)row->desired, (long long)policy->disruption.max_change_percent);
}

static const char *money_sentence(const struct plan_work *work, const struct plan_row *row, money_micros saving) {
    const char *type = row->resource->resource.type;
    if (row->price < 0)
        return arena_printf(work->arena, "the price of %s is not known", type && *type ? type : "a pod");
    if (saving == 0)
        return "costs what it costs now";
    char text[MONEY_TEXT_MAX];
    money_format(money_abs(saving), 4, text);
    return arena_printf(work->arena, "%s %s USD an hour", saving < 0 ? "costs" : "saves", text);
}

/* The size is another's to set; what is set is between which bounds. */
static const char *autoscaler_sentence(const struct plan_work *work, const struct plan_row *row,
                                       const struct plan_action *action) {
    const char *manager = row->resource->resource.count_manager;
    const char *text =
        arena_printf(work->arena, "%s sets the size, now %lld: its minimum goes from %lld to %lld", manager,
                     (long long)row->actual, (long long)action->from.count, (long long)action->to.count);
    if (action->to.count_max == action->from.count_max)
        return text;
    return arena_printf(work->arena, "%s, its maximum from %lld to %lld", text, (long long)action->from.count_max,
                        (long long)action->to.count_max);
}

void plan_why(const struct plan_work *work, const struct plan_row *row, struct plan_action *action) {
    const char **why = arena_alloc_array(work->arena, SENTENCES_MAX, sizeof(*why));
    size_t count = 0;
    const char *sentence;
    if ((sentence = raise_sentence(work, row)))
        why[count++] = sentence;
    if (row->raw >= 0)
        why[count++] = plan_demand_sentence(work, row);
    if (row->raw >= 0 && (sentence = events_sentence(work, row)))
        why[count++] = sentence;
    why[count] = serving_sentence(work, row, row->now);
    why[count] = arena_printf(work->arena, "%s; %lld serve %.1f %s", why[count], (long long)row->to,
                              plan_capacity_of(work, row, row->to), plan_metric_unit(work->input->policy));
    count++;
    if (row->joint)
        why[count++] = arena_printf(work->arena, "%s; replicas come first, then requests", row->joint);
    if ((sentence = bound_sentence(work, row)))
        why[count++] = sentence;
    if ((sentence = step_sentence(work, row)))
        why[count++] = sentence;
    if ((sentence = plan_outage_sentence(work, row)))
        why[count++] = sentence;
    if ((sentence = plan_committed_sentence(work, row)))
        why[count++] = sentence;
    if (action->is_bounds)
        why[count++] = autoscaler_sentence(work, row, action);
    why[count++] = money_sentence(work, row, action->saving_hourly);
    action->why = why;
    action->why_count = count;
}

/* desired == now: what keeps it there. */
static void settled(const struct plan_work *work, const struct plan_row *row, struct plan_why_not *ret) {
    const char *bound = bound_sentence(work, row), *raise = raise_sentence(work, row);
    ret->reason = "InTrim";
    if (row->desired < row->need || row->raw > row->high)
        ret->reason = "AtMaximum";
    else if (row->desired > row->need || (!row->is_single && row->raw >= 0 && row->raw < row->low))
        ret->reason = "AtMinimum";
    ret->action =
        str_eq(ret->reason, "InTrim") ? NULL : action_type_name(row->is_single ? ACTION_RIGHTSIZE : ACTION_SCALE);
    const char *serving = serving_sentence(work, row, row->now);
    ret->message =
        row->raw < 0 ? serving : arena_printf(work->arena, "%s; %s", plan_demand_sentence(work, row), serving);
    if (raise)
        ret->message = arena_printf(work->arena, "%s; %s", raise, ret->message);
    if (bound)
        ret->message = arena_printf(work->arena, "%s; %s", bound, ret->message);
}

static const char *target_of(const struct plan_work *work, const struct plan_row *row) {
    const struct snapshot_resource *r = row->resource;
    return arena_printf(work->arena, "%s/%s/%s", r->provider, r->resource.region, r->resource.id);
}

struct plan_why_not plan_why_not_of(const struct plan_work *work, const struct plan_row *row) {
    struct plan_why_not ret = {
        .reason = row->reason, .message = row->detail, .target = target_of(work, row), .action = row->about};
    /* Something that may not shrink, and would not either, is in trim; without history nobody knows. */
    if (!ret.reason || (!row->hold && row->desired == row->now && row->raw >= 0))
        settled(work, row, &ret);
    return ret;
}

void plan_why_not_add(struct plan_work *work, const struct plan_row *row, const char *reason, const char *message) {
    work->why_not = arena_push(work->arena, work->why_not, work->why_not_count, sizeof(*work->why_not));
    work->why_not[work->why_not_count++] = (struct plan_why_not){reason, message, target_of(work, row), NULL};
}

void plan_why_not_about(struct plan_work *work, const struct plan_row *row, enum action_type action, const char *reason,
                        const char *message) {
    plan_why_not_add(work, row, reason, message);
    work->why_not[work->why_not_count - 1].action = action_type_name(action);
}
