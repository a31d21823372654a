/*
 * A plan as JSON and as text. Byte for byte the same for the same plan; nothing is left to locale or hash order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "base/error.h"
#include "base/json.h"
#include "base/map.h"
#include "base/str.h"
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

void plan_print_members(const struct plan *plan, struct json_writer *w) {
    jw_put_string(w, "hash", plan->hash);
    jw_put_int(w, "actual", plan->actual);
    jw_put_int(w, "desired", plan->desired);
    put_money(w, "costHourly", plan->cost_hourly, plan->cost_hourly >= 0);
    put_money(w, "desiredCostHourly", plan->desired_cost_hourly, plan->desired_cost_hourly >= 0);
    if (plan->committed_hourly > 0 || plan->desired_committed_hourly > 0) {
        put_money(w, "committedHourly", plan->committed_hourly, true);
        put_money(w, "desiredCommittedHourly", plan->desired_committed_hourly, true);
    }
    put_money(w, "peakCostHourly", plan->peak_cost_hourly, plan->peak_cost_hourly >= 0);
    put_money(w, "lowerBound", plan->lower_bound_hourly, plan->lower_bound_hourly >= 0);
    put_gap(w, plan);
    jw_put_string(w, "binding", plan->binding);
    jw_key(w, "actions");
    jw_open(w, '[');
    for (size_t i = 0; i < plan->action_count; i++)
        print_action(w, &plan->actions[i]);
    jw_close(w, ']');
    jw_key(w, "whyNot");
    jw_open(w, '[');
    for (size_t i = 0; i < plan->why_not_count; i++) {
        jw_open(w, '{');
        jw_put_string(w, "target", plan->why_not[i].target);
        if (plan->why_not[i].action)
            jw_put_string(w, "action", plan->why_not[i].action);
        jw_put_string(w, "reason", plan->why_not[i].reason);
        jw_put_string(w, "message", plan->why_not[i].message);
        jw_close(w, '}');
    }
    jw_close(w, ']');
    jw_key(w, "resources");
    jw_open(w, '[');
    for (size_t i = 0; i < plan->resource_count; i++)
        print_resource(w, &plan->resources[i]);
    jw_close(w, ']');
}

void plan_print_json(const struct plan *plan, struct buf *out) {
    struct json_writer w = {.out = out};
    jw_open(&w, '{');
    plan_print_members(plan, &w);
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
    buf_printf(out, "%s -> %s", a->from.state, a->to.state);
}

static void text_requests(struct buf *out, const struct plan_action *a) {
    bool is_cpu = a->to.vcpu_milli > 0;
    buf_printf(out, "%s %lld%s -> %lld%s", is_cpu ? "cpu" : "memory",
               (long long)(is_cpu ? a->from.vcpu_milli : a->from.memory_mib), is_cpu ? "m" : "Mi",
               (long long)(is_cpu ? a->to.vcpu_milli : a->to.memory_mib), is_cpu ? "m" : "Mi");
}

static void text_option(struct buf *out, const struct plan_action *a) {
    if (a->kind == CLOUD_INSTANCE) {
        buf_printf(out, "%s -> %s", a->from.type, a->to.type);
        return;
    }
    buf_printf(out, "%lld x %s -> %lld x %s", (long long)a->from.count, a->from.type, (long long)a->to.count,
               a->to.type);
    if (a->to.provider)
        buf_printf(out, " in %s/%s (%s)", a->to.provider, a->to.region, a->to.purchase);
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
    if (a->type == ACTION_START)
        return '+';
    return a->type == ACTION_STOP || a->type == ACTION_DELETE ? '-' : '~';
}

static void text_saving(struct buf *out, const struct plan_action *a) {
    char saving[MONEY_TEXT_MAX];
    if (a->type == ACTION_SCALE || a->cost_hourly < 0)
        return;
    money_format(money_abs(a->saving_hourly), 4, saving);
    buf_printf(out, "  %s %s USD/h", a->saving_hourly < 0 ? "costs" : "saves", saving);
}

static void text_why(struct buf *out, const struct plan_action *a) {
    text_saving(out, a);
    buf_printf(out, "  (risk %lld, confidence %lld per mille)\n", (long long)a->risk_per_mille,
               (long long)a->confidence_per_mille);
    for (size_t i = 0; i < a->why_count; i++)
        buf_printf(out, "      %s\n", a->why[i]);
}

static void text_why_not(struct buf *out, char sign, const struct plan_why_not *why_not) {
    const char *action = why_not->action ? why_not->action : "";
    buf_printf(out, "%c %s  %s%s%s\n      %s\n", sign, why_not->target, action, *action ? ": " : "", why_not->reason,
               why_not->message);
}

static void text_totals(struct buf *out, const struct plan *plan) {
    buf_printf(out, "%zu action%s; %lld %s, %lld desired; ", plan->action_count, plan->action_count == 1 ? "" : "s",
               (long long)plan->actual, plan->unit, (long long)plan->desired);
    text_money(out, "cost", plan->cost_hourly);
    text_money(out, ", desired", plan->desired_cost_hourly);
    if (plan->committed_hourly > 0 || plan->desired_committed_hourly > 0) {
        text_money(out, "; owed either way", plan->committed_hourly);
        text_money(out, ", desired", plan->desired_committed_hourly);
    }
    text_money(out, ", at least", plan->lower_bound_hourly);
    if (plan->lower_bound_hourly >= 0)
        buf_printf(out, " (gap %lld.%lld %%)", (long long)plan->gap_per_mille / 10,
                   (long long)plan->gap_per_mille % 10);
    if (plan->binding)
        buf_printf(out, "; bound by %s", plan->binding);
    buf_putc(out, '\n');
}

void plan_print_text(const struct plan *plan, struct buf *out) {
    for (size_t i = 0; i < plan->action_count; i++) {
        const struct plan_action *a = &plan->actions[i];
        buf_printf(out, "%c %s %s/%s/%s  ", action_sign(a), action_type_name(a->type), a->provider, a->region, a->id);
        text_change(out, a);
        text_why(out, a);
    }
    for (size_t i = 0; i < plan->why_not_count; i++)
        text_why_not(out, '=', &plan->why_not[i]);
    text_totals(out, plan);
    buf_printf(out, "plan %s\n", plan->hash);
}

/* ---- the difference of two plans ---- */

/* A plan, and what of it is asked for each resource. */
struct lookup {
    const struct plan *plan;
    struct map actions; /* "kind provider/region/id" -> struct plan_action * */
    struct map unmet;   /* "provider/region/id" -> struct plan_why_not * */
};

static const char *action_key(enum cloud_kind kind, const char *provider, const char *region, const char *id,
                              struct buf *key) {
    buf_clear(key);
    buf_printf(key, "%d %s/%s/%s", (int)kind, provider, region, id);
    return buf_text(key);
}

static struct lookup lookup_make(const struct plan *plan) {
    struct lookup lookup = {.plan = plan};
    struct buf key = {0};
    for (size_t i = 0; i < plan->action_count; i++) {
        const struct plan_action *a = &plan->actions[i];
        (void)map_put(&lookup.actions, action_key(a->kind, a->provider, a->region, a->id, &key), (void *)(uintptr_t)a);
    }
    for (size_t i = 0; i < plan->why_not_count; i++)
        if (str_eq(plan->why_not[i].reason, PLAN_UNMET))
            (void)map_put(&lookup.unmet, plan->why_not[i].target, (void *)(uintptr_t)&plan->why_not[i]);
    buf_release(&key);
    return lookup;
}

static void lookup_release(struct lookup *lookup) {
    map_release(&lookup->actions);
    map_release(&lookup->unmet);
}

static const struct plan_action *action_of(const struct lookup *lookup, const struct plan_resource *r) {
    struct buf key = {0};
    const struct plan_action *action =
        map_get(&lookup->actions, action_key(r->kind, r->provider, r->region, r->id, &key));
    buf_release(&key);
    return action;
}

/* Is to leave, and is not going to. */
static bool is_stranded(const struct lookup *lookup, const struct plan_resource *r) {
    struct buf target = {0};
    buf_printf(&target, "%s/%s/%s", r->provider, r->region, r->id);
    bool is = map_get(&lookup->unmet, buf_text(&target)) && !action_of(lookup, r);
    buf_release(&target);
    return is;
}

/* What a plan makes of a resource, on one line. */
static void text_outcome(struct buf *out, const struct lookup *lookup, const struct plan_resource *r) {
    const struct plan_action *a = action_of(lookup, r);
    buf_printf(out, "%s/%s/%s  ", r->provider, r->region, r->id);
    if (a) {
        buf_printf(out, "%s ", action_type_name(a->type));
        text_change(out, a);
    } else {
        buf_printf(out, "%s %lld", is_stranded(lookup, r) ? "cannot leave:" : "stays", (long long)r->actual);
    }
    if (r->desired != r->actual && (!a || (a->to.count != r->desired && !a->is_bounds)))
        buf_printf(out, ", wants %lld", (long long)r->desired);
    if (!cloud_kind_is_storage(r->kind)) /* Of what stores no price is known, and none is counted. */
        text_money(out, ", cost", r->desired_cost_hourly);
}

static void difference_of_resource(const struct lookup *before, const struct lookup *after, size_t i, struct buf *out) {
    const struct plan_resource *r = &after->plan->resources[i];
    const struct plan_action *action = action_of(after, r);
    struct buf old = {0}, new = {0};
    text_outcome(&old, before, &before->plan->resources[i]);
    text_outcome(&new, after, r);
    if (str_eq(buf_text(&old), buf_text(&new))) {
        buf_printf(out, "  %s\n", buf_text(&old));
    } else {
        buf_printf(out, "- %s\n+ %s", buf_text(&old), buf_text(&new));
        if (action)
            text_why(out, action);
        else
            buf_putc(out, '\n');
    }
    buf_release(&old);
    buf_release(&new);
}

money_micros plan_stranded_cost(const struct plan *plan) {
    struct lookup lookup = lookup_make(plan);
    money_micros sum = 0;
    for (size_t i = 0; i < plan->resource_count && sum >= 0; i++)
        if (is_stranded(&lookup, &plan->resources[i]))
            sum = plan->resources[i].desired_cost_hourly < 0 ? -1
                                                             : money_add(sum, plan->resources[i].desired_cost_hourly);
    lookup_release(&lookup);
    return sum;
}

static void difference_of_cost(const struct plan *before, const struct plan *after, struct buf *out) {
    money_micros old = before->desired_cost_hourly, new = after->desired_cost_hourly;
    money_micros stranded = plan_stranded_cost(after);
    char text[MONEY_TEXT_MAX];
    text_money(out, "  hourly cost", old);
    text_money(out, " ->", new);
    if (old >= 0 && new >= 0) {
        money_format(new >= old ? new - old : old - new, 4, text);
        buf_printf(out, ": %s%s USD/h", new >= old ? "+" : "-", text);
    }
    if (old > 0 && new >= 0)
        buf_printf(out, ", %+.1f %%", 100 * ((double)new - (double)old) / (double)old);
    if (stranded != 0)
        text_money(out, "; of what cannot leave", stranded);
    buf_putc(out, '\n');
}

static void difference_of_totals(const struct plan *before, const struct plan *after, struct buf *out) {
    struct buf old = {0}, new = {0};
    text_totals(&old, before);
    text_totals(&new, after);
    if (str_eq(buf_text(&old), buf_text(&new))) {
        buf_printf(out, "  %s", buf_text(&old));
    } else {
        buf_printf(out, "- %s+ %s", buf_text(&old), buf_text(&new));
        difference_of_cost(before, after, out);
    }
    buf_release(&old);
    buf_release(&new);
    if (str_eq(before->hash, after->hash))
        buf_printf(out, "  plan %s\n", after->hash);
    else
        buf_printf(out, "- plan %s\n+ plan %s\n", before->hash, after->hash);
}

void plan_print_difference(const struct plan *before, const struct plan *after, struct buf *out) {
    ASSERT(before->resource_count == after->resource_count);
    struct lookup old = lookup_make(before), new = lookup_make(after);
    for (size_t i = 0; i < after->resource_count; i++)
        difference_of_resource(&old, &new, i, out);
    lookup_release(&old);
    lookup_release(&new);
    for (size_t i = 0; i < after->why_not_count; i++)
        if (str_eq(after->why_not[i].reason, PLAN_UNMET))
            text_why_not(out, '!', &after->why_not[i]);
    difference_of_totals(before, after, out);
}
