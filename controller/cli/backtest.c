/*
 * `trimtab backtest`: what a policy would have cost, and when it would have fallen short, on a history of demand from a
 * file or a server. The stages are the controller's own (backtest_replay.c); no cluster, no cloud, no clock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/backtest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adapters/common/catalogue.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cli/cli.h"
#include "cli/clouds.h"
#include "cli/demand.h"
#include "cli/options.h"
#include "history/csv.h"

#define TEST_TENTHS 3        /* Of the series, from its end, */
#define TEST_SLOTS_MAX 20000 /* and at most so many, unless --from asks for more. */
#define PIECES_MIN 20        /* Machines that an assumed machine's size makes of the peak, if bounds allow. */
#define MACHINE_TEXT_MAX 256

struct verb {
    const char *file, *namespace, *policy, *machine_text, *from, *plot, *output;
    int64_t every;
    struct cli_demand demand;
    const char *demand_name;
    struct manifest_set set;
    struct history_csv csv;
    struct history_series series;
    struct catalogue *catalogue;
    const struct object *object;
    struct backtest_machine machine;
    struct arena arena;
    int percent; /* Told last. */
};

static int fault(const char *file, const char *what) {
    fprintf(stderr, "trimtab: %s: %s\n", file, what);
    return CLI_FAULTS;
}

/* ---- the policy ---- */

static int policy_find(struct verb *verb) {
    manifest_load(&verb->file, 1, verb->namespace, false, &verb->set);
    int code = cli_manifests_check(&verb->set);
    if (code != CLI_GO_ON)
        return code;
    if (verb->policy && !str_glob("*/*", verb->policy))
        verb->policy = arena_printf(&verb->arena, "%s/%s", verb->namespace, verb->policy);
    for (size_t i = 0; i < verb->set.entry_count; i++) {
        const struct object *object = verb->set.entries[i].object;
        if (object->kind != OBJECT_POLICY)
            continue;
        const char *key = arena_printf(&verb->arena, "%s/%s", object->namespace, object->name);
        if (verb->policy && !str_eq(verb->policy, key))
            continue;
        if (verb->object)
            return fault(verb->file, "holds several ResourcePolicies: say which with --policy");
        verb->object = object;
    }
    if (!verb->object)
        return fault(verb->file, verb->policy
                                     ? arena_printf(&verb->arena, "there is no ResourcePolicy %s", verb->policy)
                                     : "there is no ResourcePolicy");
    if (!policy_may(verb->object->as.policy, ACTION_SCALE))
        return fault(verb->file, "spec.actions of the policy does not include Scale: nothing to replay");
    return CLI_GO_ON;
}

/* ---- demand ---- */

static int demand_read(struct verb *verb, const struct cli_syntax *syntax) {
    int code = cli_demand_read(&verb->demand, syntax, &verb->csv);
    if (code != CLI_GO_ON)
        return code;
    verb->demand_name = cli_demand_name(&verb->demand, &verb->arena);
    const struct history_csv *csv = &verb->csv;
    for (size_t i = 0; i < csv->count; i++)
        if (csv->values[i] < 0)
            return fault(verb->demand_name, arena_printf(&verb->arena, "row %zu: the demand is negative", i + 1));
    verb->series = history_csv_grid(csv, csv->count, &verb->arena);
    if (verb->series.count < 2)
        return fault(verb->demand_name, "one step of demand: at least one to learn from and one to replay are needed");
    return CLI_GO_ON;
}

/* The slot of a time, which may be outside of the grid. */
static int64_t slot_of(const struct verb *verb, int64_t time_ms) {
    int64_t last = INT64_MIN, step = verb->series.step_ms;
    for (size_t i = 0; i < verb->csv.count; i++)
        last = verb->csv.times_ms[i] > last ? verb->csv.times_ms[i] : last;
    return (int64_t)verb->series.count - 1 - (last - time_ms + step / 2) / step;
}

/* Of the steps with a demand: a long gap is no part of a series. */
static size_t first_of_last_part(const struct history_series *series) {
    size_t valued = 0, slot = series->count;
    for (size_t i = 0; i < series->count; i++)
        valued += isnan(series->demand[i]) ? 0 : 1;
    size_t test = valued * TEST_TENTHS / 10;
    test = test < 1 ? 1 : test > TEST_SLOTS_MAX ? TEST_SLOTS_MAX : test;
    while (slot > 1 && test > 0)
        test -= isnan(series->demand[--slot]) ? 0 : 1;
    return slot;
}

static int first_find(const struct verb *verb, const struct cli_syntax *syntax, size_t *ret) {
    size_t count = verb->series.count;
    int64_t row, time_ms;
    if (!verb->from) {
        *ret = first_of_last_part(&verb->series);
        return CLI_GO_ON;
    }
    if (str_to_int64(verb->from, &row)) {
        if (row < 1 || row >= (int64_t)verb->csv.count)
            return cli_usage_error(syntax, "--from %s: a row from 1 to %zu is expected", verb->from,
                                   verb->csv.count - 1);
        time_ms = verb->csv.times_ms[row];
    } else if (!time_parse(verb->from, &time_ms)) {
        return cli_usage_error(syntax, "--from %s: a row's number or a time like 2026-01-31T09:00:00Z is expected",
                               verb->from);
    }
    int64_t slot = slot_of(verb, time_ms);
    if (slot < 1 || slot >= (int64_t)count)
        return cli_usage_error(syntax, "--from %s: rows before it and after it are needed", verb->from);
    *ret = (size_t)slot;
    return CLI_GO_ON;
}

static bool has_demand(const struct history_series *series, size_t first) {
    for (size_t i = first; i < series->count; i++)
        if (!isnan(series->demand[i]))
            return true;
    return false;
}

/* ---- the machine ---- */

static int machine_from_catalogue(struct verb *verb, const struct cli_syntax *syntax) {
    char text[MACHINE_TEXT_MAX];
    struct cloud_offer offer;
    struct error err;
    (void)str_copy(text, sizeof(text), verb->machine_text);
    char *region = strchr(text, '/'), *type = region ? strchr(region + 1, '/') : NULL;
    if (!type)
        return cli_usage_error(syntax, "--machine %s: provider/region/type or vcpu=4,price=0.20 is expected",
                               verb->machine_text);
    *region++ = *type++ = '\0';
    if (catalogue_open(NULL, &verb->catalogue, &err) != ERR_NONE) {
        fprintf(stderr, "trimtab: --machine: no catalogue of instance types: %s\n", err.message);
        return CLI_FAILED;
    }
    if (!*region || !catalogue_find(verb->catalogue, text, region, type, &offer)) {
        fprintf(stderr, "trimtab: --machine %s: the catalogue has no such type there\n", verb->machine_text);
        return CLI_FAULTS;
    }
    bool is_cpu = verb->object->as.policy->forecast.metric == CLOUD_METRIC_CPU;
    double unit = is_cpu ? (double)offer.vcpu_milli / 1000 : (double)offer.memory_mib;
    if (unit <= 0 || offer.price_hourly < 0) {
        fprintf(stderr, "trimtab: --machine %s: the catalogue does not know its %s; say it by figures\n",
                verb->machine_text, unit <= 0 ? "size" : "price");
        return CLI_FAULTS;
    }
    verb->machine = (struct backtest_machine){
        .unit = unit, .price = (double)offer.price_hourly / 1e6, .currency = "USD", .name = verb->machine_text};
    return CLI_GO_ON;
}

/* One NAME=NUMBER. The sizes beside the policy's metric are read and not used. */
static bool machine_figure(struct verb *verb, const char *text) {
    const struct policy *policy = verb->object->as.policy;
    const char *own = policy->forecast.metric == CLOUD_METRIC_CPU ? "vcpu=" : "memory=";
    const char *equals = strchr(text, '=');
    double value;
    if (!equals || !str_to_double(equals + 1, &value) || value < 0)
        return false;
    if (str_has_prefix(text, "price=")) {
        verb->machine.price = value;
        verb->machine.is_price_assumed = false;
        return true;
    }
    if (str_has_prefix(text, own) || str_has_prefix(text, "units=")) {
        verb->machine.unit = value;
        verb->machine.is_unit_assumed = false;
        return value > 0;
    }
    return str_has_prefix(text, "vcpu=") || str_has_prefix(text, "memory=");
}

/* Without a size: a unit of demand, unless the peak before the replayed part would then take too few machines to tell
 * anything, or more than half of capacity.max; then of such a size that it does not. */
static void machine_assume(struct verb *verb, size_t first) {
    const struct policy *policy = verb->object->as.policy;
    double peak = 0, most = fmax(1, floor((double)policy->capacity.max / 2));
    for (size_t i = 0; i < first; i++)
        peak = fmax(peak, (double)verb->series.demand[i]);
    double units = peak * 100 / (double)policy->sla.target_utilization_percent;
    double pieces = fmin(most, fmax(PIECES_MIN, units));
    char text[32];
    verb->machine.unit = 1;
    if (units <= 0 || (pieces <= units && pieces >= units))
        return;
    snprintf(text, sizeof(text), "%.1e", units / pieces); /* Two digits are enough. */
    (void)str_to_double(text, &verb->machine.unit);
}

static int machine_find(struct verb *verb, const struct cli_syntax *syntax, size_t first) {
    verb->machine = (struct backtest_machine){
        .unit = 1, .price = 1, .currency = "", .is_unit_assumed = true, .is_price_assumed = true};
    if (verb->machine_text && !strchr(verb->machine_text, '='))
        return machine_from_catalogue(verb, syntax);
    char *rest = verb->machine_text ? arena_strdup(&verb->arena, verb->machine_text) : NULL;
    for (char *part; (part = strsep(&rest, ","));)
        if (!machine_figure(verb, part))
            return cli_usage_error(
                syntax, "--machine: \"%s\" is none of vcpu=N, memory=MIB, units=N, price=N, with N positive", part);
    bool has_size =
        verb->machine_text && (strstr(verb->machine_text, "vcpu=") || strstr(verb->machine_text, "memory="));
    if (verb->machine.is_unit_assumed && has_size)
        return cli_usage_error(syntax,
                               "--machine: the policy's forecast.metric is %s: say how much of it a machine has",
                               cloud_metric_name(verb->object->as.policy->forecast.metric));
    if (verb->machine.is_unit_assumed)
        machine_assume(verb, first);
    return CLI_GO_ON;
}

/* ---- the verb ---- */

static void progress(void *ctx, size_t done, size_t of) {
    struct verb *verb = ctx;
    int percent = (int)(done * 100 / of);
    if (percent == verb->percent)
        return;
    verb->percent = percent;
    fprintf(stderr, done == of ? "\r\x1b[K" : "\rreplayed %d %%", percent);
}

static int show(const struct verb *verb, const struct backtest *backtest) {
    struct buf out = {0};
    struct error err;
    int code = CLI_DONE;
    if (str_eq(verb->output, "json"))
        backtest_print_json(backtest, &out);
    else if (str_eq(verb->output, "csv"))
        backtest_print_csv(backtest, &out);
    else
        backtest_print_text(backtest, &out);
    if (fwrite(buf_text(&out), 1, out.size, stdout) != out.size || fflush(stdout) != 0) {
        fprintf(stderr, "trimtab: cannot write the result\n");
        code = CLI_FAILED;
    }
    buf_release(&out);
    if (verb->plot && backtest_plot(backtest, verb->plot, &err) != ERR_NONE) {
        fprintf(stderr, "trimtab: --plot: %s\n", err.message);
        code = CLI_FAILED;
    }
    return code;
}

static int replay(struct verb *verb, size_t first) {
    const struct replay_input input = {.policy = verb->object->as.policy,
                                       .series = &verb->series,
                                       .unit = verb->machine.unit,
                                       .first = first,
                                       .every = (size_t)verb->every,
                                       .ctx = verb,
                                       .progress = isatty(STDERR_FILENO) ? progress : NULL};
    struct replay replay;
    replay_run(&input, &verb->arena, &replay);
    const struct backtest backtest = {
        .policy = arena_printf(&verb->arena, "%s/%s", verb->object->namespace, verb->object->name),
        .demand = cli_demand_title(&verb->demand, &verb->arena),
        .input = &input,
        .replay = &replay,
        .machine = verb->machine};
    return show(verb, &backtest);
}

static int run(struct verb *verb, const struct cli_syntax *syntax) {
    size_t first = 0;
    int code = policy_find(verb);
    if (code == CLI_GO_ON)
        code = demand_read(verb, syntax);
    if (code == CLI_GO_ON)
        code = first_find(verb, syntax, &first);
    if (code == CLI_GO_ON && !has_demand(&verb->series, first))
        code = fault(verb->demand_name, "no row with a value in the part to replay; see --from");
    if (code == CLI_GO_ON)
        code = machine_find(verb, syntax, first);
    return code == CLI_GO_ON ? replay(verb, first) : code;
}

int cli_backtest(int argc, char **argv) {
    static const char *const outputs[] = {"text", "json", "csv", NULL};
    struct verb verb = {.namespace = "default", .output = "text", .every = 1};
    const struct cli_option options[] = {
        {"file", 'f', "DIR|FILE", "The manifest of the policy.", CLI_OPTION_TEXT, &verb.file, NULL, 0, 0},
        {"namespace", 'n', "NAMESPACE", "Of objects that name none (default).", CLI_OPTION_TEXT, &verb.namespace, NULL,
         0, 0},
        {"policy", 0, "NAMESPACE/NAME", "Which one, where there are several.", CLI_OPTION_TEXT, &verb.policy, NULL, 0,
         0},
        {"demand", 0, "SERIES.csv", "The history: timestamp,value rows (RFC 3339); \"-\" is standard\ninput.",
         CLI_OPTION_TEXT, &verb.demand.path, NULL, 0, 0},
        CLI_DEMAND_OPTIONS(&verb.demand),
        {"machine", 0, "MACHINE",
         "What is counted: vcpu=4,memory=16384,price=0.20, or units=N in\nthe series' own unit, or a type of the "
         "catalogue:\naws/us-east-1/m5.large. Else a size is assumed, and said.",
         CLI_OPTION_TEXT, &verb.machine_text, NULL, 0, 0},
        {"from", 0, "ROW|TIME",
         "Replay from this row (rows 0 to ROW-1 are history) or time on;\ndefault the last 30 %.", CLI_OPTION_TEXT,
         &verb.from, NULL, 0, 0},
        {"every", 0, "STEPS", "Decide at every so many steps (1).", CLI_OPTION_INT, &verb.every, NULL, 1, 1000000},
        {"plot", 0, "F.svg|F.png", "Draw demand, capacity and violations.", CLI_OPTION_TEXT, &verb.plot, NULL, 0, 0},
        {"output", 'o', "text|json|csv", "Default text; csv is a row for each step.", CLI_OPTION_CHOICE, &verb.output,
         outputs, 0, 0},
        {0},
    };
    const struct cli_syntax syntax = {
        .usage = "trimtab backtest -f POLICY.yaml [--plot F.svg] --demand SERIES.csv | --history URL --query PROMQL",
        .summary =
            "Replays a history of demand: what the policy would have cost, when demand would have been above\n"
            "capacity, and how much capacity would have stood idle; next to a reactive autoscaler, the best constant\n"
            "size and perfect foresight. Each decision knows only what was there before it.\n",
        .options = options,
        .epilogue = "Exit: 0 replayed, 1 faults in the files, 2 something could not be read or written, 64 usage.\n",
    };
    size_t count;
    int code = cli_options_parse(&syntax, argc, argv, &count);
    if (code == CLI_GO_ON && !verb.file)
        code = cli_usage_error(&syntax, "--file is missing");
    if (code == CLI_GO_ON && !verb.demand.path && !verb.demand.history)
        code = cli_usage_error(&syntax, "--demand is missing, or --history and --query");
    if (code == CLI_GO_ON)
        code = run(&verb, &syntax);
    manifest_set_release(&verb.set);
    history_csv_release(&verb.csv);
    catalogue_free(verb.catalogue);
    arena_release(&verb.arena);
    return code;
}
