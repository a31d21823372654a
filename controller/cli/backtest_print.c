/*
 * A replay in words, as JSON, as rows, and as a picture. The same replay gives the same bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cli/backtest.h"
#include "cli/plot.h"
#include "cli/table.h"

#define PLOT_POINTS_MAX 3000 /* Beyond, neighbours share a point. */
#define PLOT_HISTORY_PART 6  /* The picture shows a sixth as much of what came before. */

struct rule {
    const char *name, *key; /* In text, and in JSON. */
    const struct replay_slot *slots;
    struct replay_score score;
};

enum { OURS, REACTIVE, TUNED, CONSTANT, ORACLE, RULE_COUNT };

static void rules_make(const struct backtest *b, struct rule *ret) {
    const struct replay *r = b->replay;
    const struct rule rules[RULE_COUNT] = {
        [OURS] = {"trimtab", "trimtab", r->ours, {0}},
        [REACTIVE] = {"reactive", "reactive", r->reactive, {0}},
        [TUNED] = {"reactive, tuned", "reactiveTuned", r->tuned, {0}},
        [CONSTANT] = {"constant", "constant", r->constant, {0}},
        [ORACLE] = {"oracle", "oracle", r->oracle, {0}},
    };
    for (size_t i = 0; i < RULE_COUNT; i++) {
        ret[i] = rules[i];
        ret[i].score = replay_score(b->input, r, rules[i].slots);
    }
}

static double violation_rate(const struct replay_score *score) {
    return (double)score->violations / (double)score->steps;
}

static double cost_of(const struct backtest *b, const struct replay_score *score) {
    return score->machine_hours * b->machine.price;
}

static int64_t slot_ms(const struct backtest *b, size_t i) {
    return b->input->series->start_ms + (int64_t)(b->input->first + i) * b->input->series->step_ms;
}

static double demand_at(const struct backtest *b, size_t i) {
    return (double)b->input->series->demand[b->input->first + i];
}

static double capacity_at(const struct backtest *b, const struct replay_slot *slots, size_t i) {
    return b->replay->each * (double)slots[i].serving;
}

/* ---- text ---- */

static const char *percent(struct arena *arena, double share, int decimals) {
    return isnan(share) ? "-" : arena_printf(arena, "%.*f %%", decimals, 100 * share);
}

static void add_rule(const struct backtest *b, const struct rule *rule, double constant_cost, struct cli_table *table) {
    const struct replay_score *score = &rule->score;
    double hours = (double)score->steps * (double)b->input->series->step_ms / 3.6e6, cost = cost_of(b, score);
    cli_table_add(table, rule->name);
    cli_table_add(table, percent(&table->arena, violation_rate(score), 2));
    cli_table_add(table, percent(&table->arena, score->unmet, 3));
    cli_table_add(table, percent(&table->arena, score->slack, 1));
    cli_table_add(table, arena_printf(&table->arena, "%.1f", score->machine_hours / hours));
    cli_table_add(table, arena_printf(&table->arena, "%.2f", cost));
    cli_table_add(table,
                  constant_cost > 0 ? arena_printf(&table->arena, "%+.1f %%", 100 * (cost / constant_cost - 1)) : "");
}

static void print_head(const struct backtest *b, const struct replay_score *score, struct buf *out) {
    const struct policy *policy = b->input->policy;
    const struct backtest_machine *m = &b->machine;
    char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX], step[32], lead[32];
    time_format(slot_ms(b, 0), from);
    time_format(slot_ms(b, b->replay->count), to);
    duration_format(b->input->series->step_ms, step, sizeof(step));
    duration_format(policy->sla.lead_time_ms, lead, sizeof(lead));
    buf_printf(out, "policy %s on %s: %s to %s, %zu steps of %s", b->policy, b->demand, from, to, score->steps, step);
    if (score->steps < b->replay->count)
        buf_printf(out, ", %zu more without a value", b->replay->count - score->steps);
    buf_printf(out, "\nlead time %s, target utilisation %lld %%, ", lead,
               (long long)policy->sla.target_utilization_percent);
    if (policy->sla.violation_cost)
        buf_printf(out, "a step with demand above capacity costs %lld mean demands\n",
                   (long long)policy->sla.violation_cost);
    else
        buf_printf(out, "at most %.1f %% of steps with demand above capacity\n",
                   (double)policy->sla.max_violation_per_mille / 10);
    buf_printf(out, "a machine: %s%s%.6g of demand%s at %.6g%s%s an hour%s\n\n", m->name ? m->name : "",
               m->name ? ", " : "", m->unit, m->is_unit_assumed ? " (assumed)" : "", m->price, *m->currency ? " " : "",
               m->currency, m->is_price_assumed ? " (assumed; see --machine)" : "");
}

static void print_models(const struct replay *r, struct buf *out) {
    buf_puts(out, "models: ");
    for (size_t i = 0; i < r->model_count; i++)
        buf_printf(out, "%s%s %.1f %%", i ? ", " : "", r->models[i].name,
                   100 * (double)r->models[i].count / (double)r->decisions);
    buf_printf(out, " of %zu decisions; %zu changes of size\n", r->decisions, r->changes);
}

void backtest_print_text(const struct backtest *b, struct buf *out) {
    static const char *const head[] = {"RULE", "VIOLATIONS", "UNMET", "SLACK", "MACHINES", "COST", "TO CONSTANT"};
    struct cli_table table = {.column_count = ARRAY_LEN(head)};
    struct rule rules[RULE_COUNT];
    rules_make(b, rules);
    print_head(b, &rules[OURS].score, out);
    for (size_t i = 0; i < ARRAY_LEN(head); i++)
        cli_table_add(&table, head[i]);
    for (size_t i = 0; i < RULE_COUNT; i++)
        add_rule(b, &rules[i], cost_of(b, &rules[CONSTANT].score), &table);
    cli_table_print(&table, out);
    cli_table_release(&table);
    buf_puts(out, "\n");
    print_models(b->replay, out);
    if (b->replay->bound)
        buf_printf(out, "capacity.max %lld held it under demand in %zu decisions\n",
                   (long long)b->input->policy->capacity.max, b->replay->bound);
    buf_printf(
        out,
        "violations: steps with demand above capacity; unmet, slack: shares of the demand\n"
        "reactive: a HorizontalPodAutoscaler with the same target; tuned: with %lld %%, the best for the promise "
        "in hindsight\n"
        "constant: the least size that would have kept the promise; oracle: at each step just what it needs\n",
        (long long)b->replay->tuned_percent);
}

/* ---- JSON ---- */

static void put_double(struct json_writer *w, const char *key, double value) {
    jw_key(w, key);
    jw_double(w, value); /* NaN is null. */
}

static void put_score(const struct backtest *b, const struct replay_score *score, struct json_writer *w) {
    put_double(w, "violationRate", violation_rate(score));
    put_double(w, "unmetShare", score->unmet);
    put_double(w, "slack", score->slack);
    put_double(w, "cost", cost_of(b, score));
    put_double(w, "machineHours", score->machine_hours);
}

static void put_rule(const struct backtest *b, const struct rule *rule, struct json_writer *w) {
    jw_key(w, rule->key);
    jw_open(w, '{');
    put_score(b, &rule->score, w);
    if (rule->slots == b->replay->tuned)
        jw_put_int(w, "targetUtilization", b->replay->tuned_percent);
    jw_close(w, '}');
}

static void put_time(struct json_writer *w, const char *key, int64_t time_ms) {
    char text[TIME_TEXT_MAX];
    time_format(time_ms, text);
    jw_put_string(w, key, text);
}

static void put_duration(struct json_writer *w, const char *key, int64_t ms) {
    char text[32];
    duration_format(ms, text, sizeof(text));
    jw_put_string(w, key, text);
}

static void put_machine(const struct backtest_machine *m, struct json_writer *w) {
    jw_key(w, "machine");
    jw_open(w, '{');
    jw_put_string(w, "type", m->name);
    put_double(w, "units", m->unit);
    jw_put_bool(w, "unitsAssumed", m->is_unit_assumed);
    put_double(w, "priceHourly", m->price);
    jw_put_bool(w, "priceAssumed", m->is_price_assumed);
    jw_put_string(w, "currency", *m->currency ? m->currency : NULL);
    jw_close(w, '}');
}

static void put_models(const struct replay *r, struct json_writer *w) {
    jw_put_string(w, "model", r->models[0].name);
    jw_key(w, "models");
    jw_open(w, '{');
    for (size_t i = 0; i < r->model_count; i++)
        jw_put_int(w, r->models[i].name, (int64_t)r->models[i].count);
    jw_close(w, '}');
}

void backtest_print_json(const struct backtest *b, struct buf *out) {
    struct json_writer w = {.out = out};
    struct rule rules[RULE_COUNT];
    rules_make(b, rules);
    jw_open(&w, '{');
    jw_put_string(&w, "policy", b->policy);
    put_time(&w, "from", slot_ms(b, 0));
    put_time(&w, "to", slot_ms(b, b->replay->count));
    put_duration(&w, "step", b->input->series->step_ms);
    put_duration(&w, "leadTime", b->input->policy->sla.lead_time_ms);
    put_machine(&b->machine, &w);
    jw_put_int(&w, "steps", (int64_t)rules[OURS].score.steps);
    jw_put_int(&w, "stepsWithoutDemand", (int64_t)(b->replay->count - rules[OURS].score.steps));
    const struct policy *policy = b->input->policy;
    if (policy->sla.violation_cost)
        jw_put_int(&w, "violationCost", policy->sla.violation_cost);
    else
        put_double(&w, "maxViolationRate", (double)policy->sla.max_violation_per_mille / 1000);
    put_score(b, &rules[OURS].score, &w);
    for (size_t i = ORACLE; i > OURS; i--)
        put_rule(b, &rules[i], &w);
    put_models(b->replay, &w);
    jw_put_int(&w, "decisions", (int64_t)b->replay->decisions);
    jw_put_int(&w, "changes", (int64_t)b->replay->changes);
    jw_put_int(&w, "heldByMaximum", (int64_t)b->replay->bound);
    jw_close(&w, '}');
    buf_putc(out, '\n');
}

/* ---- CSV ---- */

static void put_number(struct buf *out, double value) {
    char text[STR_DOUBLE_MAX];
    str_from_double(value, text);
    buf_printf(out, ",%s", text);
}

void backtest_print_csv(const struct backtest *b, struct buf *out) {
    const struct replay *r = b->replay;
    buf_puts(out, "timestamp,demand,capacity,machines,reactive_capacity,reactive_machines,oracle_capacity,"
                  "constant_capacity\n");
    for (size_t i = 0; i < r->count; i++) {
        char time[TIME_TEXT_MAX];
        if (isnan(demand_at(b, i)))
            continue;
        time_format(slot_ms(b, i), time);
        buf_puts(out, time);
        put_number(out, demand_at(b, i));
        put_number(out, capacity_at(b, r->ours, i));
        buf_printf(out, ",%lld", (long long)r->ours[i].paid);
        put_number(out, capacity_at(b, r->reactive, i));
        buf_printf(out, ",%lld", (long long)r->reactive[i].paid);
        put_number(out, capacity_at(b, r->oracle, i));
        put_number(out, capacity_at(b, r->constant, i));
        buf_putc(out, '\n');
    }
}

/* ---- the picture ---- */

enum { LINE_DEMAND, LINE_CAPACITY, LINE_ORACLE, LINE_VIOLATION, LINE_COUNT };

/* Of the slots that share a point the one with the least room between demand and capacity is shown. */
static size_t tightest(const struct backtest *b, size_t from, size_t to) {
    const struct replay_slot *ours = b->replay->ours;
    size_t best = from;
    double least = INFINITY;
    for (size_t i = from; i < to; i++) {
        double room = capacity_at(b, ours, i) - demand_at(b, i);
        if (room < least) {
            least = room;
            best = i;
        }
    }
    return best;
}

static double highest(const struct backtest *b, size_t from, size_t to) {
    double best = NAN;
    for (size_t i = from; i < to; i++)
        best = fmax(best, (double)b->input->series->demand[i]);
    return best;
}

static void lines_fill(const struct backtest *b, size_t share, size_t before, size_t points, double **lines) {
    const struct replay *r = b->replay;
    for (size_t p = 0; p < points; p++) {
        for (size_t k = 0; k < LINE_COUNT; k++)
            lines[k][p] = NAN;
        if (p < before) {
            size_t from = b->input->first - (before - p) * share;
            lines[LINE_DEMAND][p] = highest(b, from, from + share);
            continue;
        }
        size_t from = (p - before) * share, to = from + share < r->count ? from + share : r->count;
        size_t i = tightest(b, from, to);
        lines[LINE_DEMAND][p] = demand_at(b, i);
        lines[LINE_CAPACITY][p] = capacity_at(b, r->ours, i);
        lines[LINE_ORACLE][p] = isnan(demand_at(b, i)) ? (double)NAN : capacity_at(b, r->oracle, i);
        if (replay_is_violated(demand_at(b, i), capacity_at(b, r->ours, i)))
            lines[LINE_VIOLATION][p] = demand_at(b, i);
    }
}

static const char *subtitle(const struct backtest *b, size_t share, struct arena *arena) {
    struct rule rules[RULE_COUNT];
    rules_make(b, rules);
    const struct replay_score *ours = &rules[OURS].score;
    char each[64] = "";
    if (share > 1)
        snprintf(each, sizeof(each), "; each point the tightest of %zu steps", share);
    const struct policy *policy = b->input->policy;
    const char *promise =
        policy->sla.violation_cost
            ? arena_printf(arena, "at a cost of %lld mean demands", (long long)policy->sla.violation_cost)
            : arena_printf(arena, "promised %.1f %%", (double)policy->sla.max_violation_per_mille / 10);
    return arena_printf(arena, "violations %s (%s), slack %s; machines %s of the constant size's, oracle %s%s",
                        percent(arena, violation_rate(ours), 2), promise, percent(arena, ours->slack, 1),
                        percent(arena, ours->machine_hours / rules[CONSTANT].score.machine_hours, 0),
                        percent(arena, rules[ORACLE].score.machine_hours / rules[CONSTANT].score.machine_hours, 0),
                        each);
}

enum err_class backtest_plot(const struct backtest *b, const char *path, struct error *err) {
    struct arena arena = {0};
    size_t count = b->replay->count, tail = count / PLOT_HISTORY_PART;
    if (tail > b->input->first)
        tail = b->input->first;
    size_t share = (count + tail) / PLOT_POINTS_MAX + 1, before = tail / share;
    size_t points = before + (count + share - 1) / share;
    double *lines[LINE_COUNT];
    for (size_t k = 0; k < LINE_COUNT; k++)
        lines[k] = arena_alloc_array(&arena, points, sizeof(double));
    lines_fill(b, share, before, points, lines);
    int64_t step_ms = b->input->series->step_ms;
    struct plot plot = {
        .title = arena_printf(&arena, "Backtest: %s on %s", b->policy, b->demand),
        .subtitle = subtitle(b, share, &arena),
        .start_ms = slot_ms(b, 0) - (int64_t)(before * share) * step_ms,
        .step_ms = step_ms * (int64_t)share,
        .count = points,
        .bands = {{"slack", "#d8e6f5", lines[LINE_DEMAND], lines[LINE_CAPACITY]}},
        .band_count = 1,
        .lines = {{.label = "capacity", .color = "#1f5fa8", .values = lines[LINE_CAPACITY], .style = PLOT_STAIRS},
                  {.label = "oracle", .color = "#5b9a5b", .values = lines[LINE_ORACLE], .style = PLOT_STAIRS},
                  {.label = "demand", .color = "#24303d", .values = lines[LINE_DEMAND]},
                  {.label = "violation", .color = "#d1242f", .values = lines[LINE_VIOLATION], .style = PLOT_POINTS}},
        .line_count = LINE_COUNT,
        .marker = before,
        .marker_label = "replay starts",
    };
    enum err_class class = plot_write(&plot, path, err);
    arena_release(&arena);
    return class;
}
