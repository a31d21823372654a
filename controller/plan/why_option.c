/*
 * A Rightsize or Migrate in sentences.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/str.h"
#include "base/timefmt.h"
#include "plan/plan_internal.h"

#define SENTENCES_MAX 9

const char *plan_option_words(const struct plan_work *work, const struct plan_option *option) {
    const struct snapshot_offer *offer = option->offer;
    bool is_here = option->type == ACTION_RIGHTSIZE;
    return arena_printf(work->arena, "%lld x %s%s%s%s%s%s", (long long)option->count, offer->offer.type,
                        option->is_spot ? " (spot)" : "", is_here ? "" : " in ", is_here ? "" : offer->provider,
                        is_here ? "" : "/", is_here ? "" : offer->offer.region);
}

static const char *serving_sentence(const struct plan_work *work, const struct plan_row *row) {
    const struct policy *policy = work->input->policy;
    const struct plan_option *option = row->chosen;
    return arena_printf(work->arena, "%lld x %s at %lld %% serve %.1f %s; %s serve %.1f %s", (long long)row->now,
                        row->resource->resource.type, (long long)policy->sla.target_utilization_percent,
                        plan_capacity_of(work, row, row->now), plan_metric_unit(policy),
                        plan_option_words(work, option), plan_serves(policy, option->capacity, option->count),
                        plan_metric_unit(policy));
}

static const char *extra_words(const struct plan_work *work, const struct plan_row *row) {
    if (row->is_single)
        return work->input->policy->sla.violation_cost ? ", with what is not served meanwhile" : "";
    return row->chosen->type == ACTION_MIGRATE ? ", data is copied" : "";
}

static const char *money_sentence(const struct plan_work *work, const struct plan_row *row) {
    const struct plan_option *option = row->chosen;
    const struct forecast *f = row->forecast;
    char stay[MONEY_TEXT_MAX], run[MONEY_TEXT_MAX], once[MONEY_TEXT_MAX], span[32];
    money_format(row->stay_run, 4, stay);
    money_format(option->run, 4, run);
    money_format(option->once, 4, once);
    duration_format((int64_t)(f->steps - row->first_step) * f->step_ms, span, sizeof(span));
    const char *how =
        row->is_single ? "it stops and starts again, both are paid for the lead time" : "both run for the lead time";
    return arena_printf(work->arena,
                        "over the next %s it costs %s USD as it is and %s after; to change costs %s once (%s%s)", span,
                        stay, run, once, how, extra_words(work, row));
}

static const char *covered_sentence(const struct plan_work *work, const struct plan_row *row) {
    const struct plan_option *option = row->chosen;
    int64_t covered = plan_cover_machines(&option->cover, option->count, INT64_MIN);
    if (covered == 0)
        return NULL;
    return arena_printf(work->arena, "%lld of %lld would run on %s", (long long)covered, (long long)option->count,
                        plan_commitment_words(work, option->cover.parts[0].commitment));
}

void plan_why_option(struct plan_work *work, const struct plan_row *row, struct plan_action *action) {
    const char **why = arena_alloc_array(work->arena, SENTENCES_MAX, sizeof(*why));
    char text[MONEY_TEXT_MAX];
    const char *sentence;
    size_t count = 0;
    money_micros saving = action->saving_hourly;
    if (row->closure)
        why[count++] = arena_printf(work->arena, "must leave: %s is closed", row->closure->text);
    if (row->is_short)
        why[count++] = arena_printf(work->arena, "today's type serves %.1f %s, and the horizon asks for up to %.1f",
                                    plan_capacity_of(work, row, 1), plan_metric_unit(work->input->policy),
                                    plan_demand_peak(work, row));
    money_format(money_abs(saving), 4, text);
    why[count++] = arena_printf(work->arena, "%s %s USD an hour, in the mean of the horizon",
                                saving < 0 ? "costs" : "saves", text);
    why[count++] = plan_demand_sentence(work, row);
    why[count++] = serving_sentence(work, row);
    why[count++] = money_sentence(work, row);
    if ((sentence = plan_unmet_sentence(work, row)))
        why[count++] = sentence;
    if ((sentence = covered_sentence(work, row)))
        why[count++] = sentence;
    if (row->chosen->is_spot)
        why[count++] = "spot machines may be taken back; one in twenty is counted as lost";
    action->why = why;
    action->why_count = count;
}
