/*
 * A plan as JSON and as text. Byte for byte the same for the same plan; nothing is left to locale or hash order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "base/json.h"
#include "plan/compute.h"

#define MONEY_DECIMALS 6

static void put_share(struct json_writer *w, const char *key, int64_t per_mille) {
    char text[MONEY_TEXT_MAX];
    money_format(per_mille * 1000, 3, text);
    jw_put_string(w, key, text);
}

static void put_money(struct json_writer *w, const char *key, money_micros value, bool known) {
    char text[MONEY_TEXT_MAX];
    jw_key(w, key);
    if (known)
        money_format(value, MONEY_DECIMALS, text);
    jw_string(w, known ? text : NULL);
}

/* Demand at the precision that people read: three decimals. */
static void put_demand(struct json_writer *w, const char *key, double value) {
    jw_key(w, key);
    jw_double(w, round(value * 1000) / 1000);
}

static void print_action(struct json_writer *w, const struct plan_action *a) {
    jw_open(w, '{');
    jw_put_string(w, "action", action_type_name(a->type));
    jw_put_string(w, "provider", a->provider);
    jw_put_string(w, "region", a->region);
    jw_put_string(w, "kind", cloud_kind_name(a->kind));
    jw_put_string(w, "id", a->id);
    bool has_count = target_state_has_count((int)a->type, a->kind);
    jw_key(w, "from");
    target_state_print(w, &a->from, has_count, a->is_bounds);
    jw_key(w, "to");
    target_state_print(w, &a->to, has_count, a->is_bounds);
    put_money(w, "costHourly", a->cost_hourly, a->cost_hourly >= 0);
    put_money(w, "savingHourly", a->saving_hourly, a->cost_hourly >= 0);
    put_share(w, "risk", a->risk_per_mille);
    put_share(w, "confidence", a->confidence_per_mille);
    jw_key(w, "why");
    jw_open(w, '[');
    for (size_t i = 0; i < a->why_count; i++)
        jw_string(w, a->why[i]);
    jw_close(w, ']');
    jw_put_string(w, "hash", a->hash);
    jw_close(w, '}');
}

static void print_resource(struct json_writer *w, const struct plan_resource *r) {
    jw_open(w, '{');
    jw_put_string(w, "provider", r->provider);
    jw_put_string(w, "region", r->region);
    jw_put_string(w, "id", r->id);
    jw_put_int(w, "actual", r->actual);
    jw_put_int(w, "desired", r->desired);
    put_demand(w, "demand", r->demand);
    put_demand(w, "demandP50", r->demand_p50);
    jw_close(w, '}');
}

static void put_gap(struct json_writer *w, const struct plan *plan) {
    char text[MONEY_TEXT_MAX];
    jw_key(w, "optimalityGapPercent");
    money_format(plan->gap_per_mille * 100000, 1, text);
    jw_string(w, plan->lower_bound_hourly >= 0 ? text : NULL);
}

void plan_print_json(const struct plan *plan, struct buf *out) {
    struct json_writer w = {.out = out};
    jw_open(&w, '{');
    jw_put_string(&w, "hash", plan->hash);
    jw_put_int(&w, "actual", plan->actual);
    jw_put_int(&w, "desired", plan->desired);
    put_money(&w, "costHourly", plan->cost_hourly, plan->cost_hourly >= 0);
    put_money(&w, "desiredCostHourly", plan->desired_cost_hourly, plan->desired_cost_hourly >= 0);
    put_money(&w, "peakCostHourly", plan->peak_cost_hourly, plan->peak_cost_hourly >= 0);
    put_money(&w, "lowerBound", plan->lower_bound_hourly, plan->lower_bound_hourly >= 0);
    put_gap(&w, plan);
    jw_put_string(&w, "binding", plan->binding);
    jw_key(&w, "actions");
    jw_open(&w, '[');
    for (size_t i = 0; i < plan->action_count; i++)
        print_action(&w, &plan->actions[i]);
    jw_close(&w, ']');
    jw_key(&w, "whyNot");
    jw_open(&w, '[');
    for (size_t i = 0; i < plan->why_not_count; i++) {
        jw_open(&w, '{');
        jw_put_string(&w, "target", plan->why_not[i].target);
        jw_put_string(&w, "reason", plan->why_not[i].reason);
        jw_put_string(&w, "message", plan->why_not[i].message);
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    jw_key(&w, "resources");
    jw_open(&w, '[');
    for (size_t i = 0; i < plan->resource_count; i++)
        print_resource(&w, &plan->resources[i]);
    jw_close(&w, ']');
    jw_close(&w, '}');
    buf_putc(out, '\n');
}

static void text_money(struct buf *out, const char *label, money_micros value) {
    char text[MONEY_TEXT_MAX];
    if (value < 0) {
        buf_printf(out, "%s unknown", label);
        return;
    }
    money_format(value, 4, text);
    buf_printf(out, "%s %s USD/h", label, text);
}

static void text_scale(struct buf *out, const struct plan_action *a) {
    buf_printf(out, "%s%lld -> %lld", a->is_bounds ? "minimum " : "", (long long)a->from.count, (long long)a->to.count);
    if (a->is_bounds)
        buf_printf(out, ", maximum %lld -> %lld", (long long)a->from.count_max, (long long)a->to.count_max);
}

static void text_state(struct buf *out, const struct plan_action *a) {
    char saving[MONEY_TEXT_MAX];
    buf_printf(out, "%s -> %s", a->from.state, a->to.state);
    if (a->cost_hourly < 0)
        return;
    money_format(a->saving_hourly, 4, saving);
    buf_printf(out, "  saves %s USD/h", saving);
}

static void text_requests(struct buf *out, const struct plan_action *a) {
    bool is_cpu = a->to.vcpu_milli > 0;
    buf_printf(out, "%s %lld%s -> %lld%s", is_cpu ? "cpu" : "memory",
               (long long)(is_cpu ? a->from.vcpu_milli : a->from.memory_mib), is_cpu ? "m" : "Mi",
               (long long)(is_cpu ? a->to.vcpu_milli : a->to.memory_mib), is_cpu ? "m" : "Mi");
}

static void text_option(struct buf *out, const struct plan_action *a) {
    char saving[MONEY_TEXT_MAX];
    money_format(a->saving_hourly, 4, saving);
    buf_printf(out, "%lld x %s -> %lld x %s", (long long)a->from.count, a->from.type, (long long)a->to.count,
               a->to.type);
    if (a->to.provider)
        buf_printf(out, " in %s/%s (%s)", a->to.provider, a->to.region, a->to.purchase);
    buf_printf(out, "  saves %s USD/h", saving);
}

static void text_change(struct buf *out, const struct plan_action *a) {
    if (a->type == ACTION_SCALE)
        text_scale(out, a);
    else if (a->to.state)
        text_state(out, a);
    else if (a->kind == CLOUD_WORKLOAD)
        text_requests(out, a);
    else
        text_option(out, a);
}

static char action_sign(const struct plan_action *a) {
    if (a->type == ACTION_SCALE)
        return a->to.count > a->from.count ? '+' : '-';
    return a->type == ACTION_STOP || a->type == ACTION_DELETE ? '-' : '~';
}

void plan_print_text(const struct plan *plan, struct buf *out) {
    for (size_t i = 0; i < plan->action_count; i++) {
        const struct plan_action *a = &plan->actions[i];
        char sign = action_sign(a);
        buf_printf(out, "%c %s %s/%s/%s  ", sign, action_type_name(a->type), a->provider, a->region, a->id);
        text_change(out, a);
        buf_printf(out, "  (risk %lld, confidence %lld per mille)\n", (long long)a->risk_per_mille,
                   (long long)a->confidence_per_mille);
        for (size_t j = 0; j < a->why_count; j++)
            buf_printf(out, "      %s\n", a->why[j]);
    }
    for (size_t i = 0; i < plan->why_not_count; i++)
        buf_printf(out, "= %s  %s\n      %s\n", plan->why_not[i].target, plan->why_not[i].reason,
                   plan->why_not[i].message);
    buf_printf(out, "%zu action%s; %lld %s, %lld desired; ", plan->action_count, plan->action_count == 1 ? "" : "s",
               (long long)plan->actual, plan->unit, (long long)plan->desired);
    text_money(out, "cost", plan->cost_hourly);
    text_money(out, ", desired", plan->desired_cost_hourly);
    text_money(out, ", at least", plan->lower_bound_hourly);
    if (plan->lower_bound_hourly >= 0)
        buf_printf(out, " (gap %lld.%lld %%)", (long long)plan->gap_per_mille / 10,
                   (long long)plan->gap_per_mille % 10);
    if (plan->binding)
        buf_printf(out, "; bound by %s", plan->binding);
    buf_printf(out, "\nplan %s\n", plan->hash);
}
