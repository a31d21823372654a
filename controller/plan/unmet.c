/*
 * What demand that is not served is worth. sla.violationCost V says it of a step with more demand than capacity, in
 * mean demands that stand idle for the step (forecast/price.c chooses sizes by it); sla.slots give it a weight w(s). A
 * unit of demand costs what today's machines take for it. So machines that serve c(s) of the d(s) that are worth
 * serving pay, on top of what they cost, for the chance of a violation that they add:
 *
 *     unmet = sum_s V w(s) level (P(demand(s) > c(s)) - P(demand(s) > d(s))) (price / what it serves) step
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "plan/plan_internal.h"

#define HOUR_MS 3600000.0

money_micros plan_unmet_cost(struct plan_work *work, const struct plan_row *row, size_t step, double required,
                             double serves) {
    const struct forecast *f = row->forecast;
    double violation = (double)work->input->policy->sla.violation_cost;
    if (!(violation > 0) || !(f->level > 0) || serves >= required)
        return 0;
    double chance = plan_chance_above(f, step, serves) - plan_chance_above(f, step, required);
    double unit = (double)row->price / plan_capacity_of(work, row, 1);
    double cost = violation * (double)plan_step_weight(work, f, step) * f->level * fmax(0, chance) * unit;
    return money_from_double(cost * (double)f->step_ms / HOUR_MS / 1e6);
}

const char *plan_short_words(const struct plan_work *work, const struct plan_row *row, int64_t count) {
    double short_of = row->demand - plan_capacity_of(work, row, count);
    return row->raw < 0 || !(short_of > 0) ? ""
                                           : arena_printf(work->arena, ": %.1f of %.1f %s are not served", short_of,
                                                          row->demand, plan_metric_unit(work->input->policy));
}

const char *plan_unmet_sentence(const struct plan_work *work, const struct plan_row *row) {
    const struct plan_option *option = row->chosen;
    char text[MONEY_TEXT_MAX];
    if (!option || option->unmet == 0)
        return NULL;
    money_format(option->unmet, 4, text);
    return arena_printf(work->arena,
                        "%lld, the most that the group may have, do not serve all of its peak: counted as %s USD over "
                        "the horizon (violationCost %lld)",
                        (long long)row->high, text, (long long)work->input->policy->sla.violation_cost);
}
