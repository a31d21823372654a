/*
 * `trimtab forecast`: demand history from a file or a server -> quantiles as CSV. The same engine as in the cluster; no
 * state, no cloud. With --origins each forecast knows only the rows before its origin.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/clouds.h"
#include "cli/demand.h"
#include "cli/options.h"
#include "cli/plot.h"
#include "forecast/calendar.h"
#include "forecast/compute.h"
#include "history/csv.h"

#define ORIGINS_MAX 100000
#define DAY_MS INT64_C(86400000)
#define MEMORY_KEPT (4 << 20) /* More than a forecast takes. */
#define COSTS_MAX 64
#define COST_MAX 1e9
#define QUANTILES_DEFAULT "0.5,0.9,0.95,0.99"

struct arguments {
    int64_t horizon; /* 0: a day */
    double quantiles[FORECAST_QUANTILES_MAX];
    size_t quantile_count;
    double costs[COSTS_MAX];
    size_t cost_count; /* 0: the quantiles themselves are printed. */
    size_t *origins;
    size_t origin_count;
    const char *plot;
    struct cli_demand demand;
    const char *file;            /* NULL: no policy */
    const struct policy *policy; /* Read from it. */
};

/* Calls back for each element between commas. False: an element is empty, too long, or refused. */
static bool list_each(const char *text, bool (*element)(struct arguments *, const char *), struct arguments *args) {
    for (;;) {
        size_t size = strcspn(text, ",");
        char one[32];
        if (size == 0 || size >= sizeof(one))
            return false;
        memcpy(one, text, size);
        one[size] = '\0';
        if (!element(args, one))
            return false;
        if (!text[size])
            return true;
        text += size + 1;
    }
}

static bool quantile_add(struct arguments *args, const char *text) {
    double q;
    size_t n = args->quantile_count;
    if (n == FORECAST_QUANTILES_MAX || !str_to_double(text, &q) || !(q > 0 && q < 1))
        return false;
    if (n && q <= args->quantiles[n - 1])
        return false;
    args->quantiles[args->quantile_count++] = q;
    return true;
}

static bool cost_add(struct arguments *args, const char *text) {
    double cost;
    if (args->cost_count == COSTS_MAX || !str_to_double(text, &cost) || !(cost > 0 && cost <= COST_MAX))
        return false;
    args->costs[args->cost_count++] = cost;
    return true;
}

static bool origin_add(struct arguments *args, const char *text) {
    int64_t row;
    if (args->origin_count == ORIGINS_MAX || !str_to_int64(text, &row) || row < 0)
        return false;
    if ((args->origin_count & (args->origin_count - 1)) == 0) { /* Grows at powers of two. */
        size_t capacity = args->origin_count ? args->origin_count * 2 : 1;
        args->origins = mem_grow(args->origins, args->origin_count, capacity, sizeof(*args->origins));
    }
    args->origins[args->origin_count++] = (size_t)row;
    return true;
}

/* quantiles, costs, origins NULL: not given. */
static int lists_read(struct arguments *args, const struct cli_syntax *syntax, const char *quantiles, const char *costs,
                      const char *origins) {
    if (quantiles && costs)
        return cli_usage_error(syntax, "--quantiles and --violation-costs ask for different things; give one of them");
    if (costs && !list_each(costs, cost_add, args))
        return cli_usage_error(syntax, "--violation-costs %s: up to %d numbers above 0 are expected", costs, COSTS_MAX);
    if (costs)
        args->quantile_count = forecast_price_quantiles(args->quantiles);
    else if (!list_each(quantiles ? quantiles : QUANTILES_DEFAULT, quantile_add, args))
        return cli_usage_error(syntax, "--quantiles %s: up to %d ascending numbers between 0 and 1 are expected",
                               quantiles, FORECAST_QUANTILES_MAX);
    if (origins && !list_each(origins, origin_add, args))
        return cli_usage_error(syntax, "--origins %s: row numbers like 100,200 are expected", origins);
    return CLI_GO_ON;
}

static void print_header(const struct arguments *args) {
    printf("%sstep", args->origin_count ? "origin," : "");
    for (size_t j = 0; j < args->quantile_count && !args->cost_count; j++)
        printf(",q%.10g", args->quantiles[j]);
    for (size_t j = 0; j < args->cost_count; j++)
        printf(",cost%.10g", args->costs[j]);
    putchar('\n');
}

/* printf would take a tenth of the time of a forecast. */
static void print_rows(const struct arguments *args, const struct forecast *f, const size_t *origin) {
    char line[(COSTS_MAX + 2) * STR_DOUBLE_MAX]; /* Costs may be more than quantiles. */
    size_t count = args->cost_count ? args->cost_count : f->quantile_count;
    for (size_t s = 0; s < f->steps; s++) {
        char *end = line;
        if (origin) {
            end = str_put_size(*origin, end);
            *end++ = ',';
        }
        end = str_put_size(s + 1, end);
        for (size_t j = 0; j < count; j++) {
            *end++ = ',';
            end = str_put_double8(
                args->cost_count ? forecast_priced(f, s, args->costs[j] * f->level) : forecast_value(f, s, j), end);
        }
        *end++ = '\n';
        (void)fwrite(line, 1, (size_t)(end - line), stdout);
    }
}

static void tell(const struct forecast *f, const size_t *origin) {
    if (origin)
        fprintf(stderr, "origin %zu: ", *origin);
    fprintf(stderr, "model %s, basis %s, %zu samples", f->model, forecast_basis_name(f->basis), f->used);
    if (!isnan(f->loss))
        fprintf(stderr, ", pinball loss %.4g (naive %.4g)", f->loss, f->naive_loss);
    fputc('\n', stderr);
}

/* The newest history, at most three horizons of it, and the forecast behind it. */
static enum err_class draw(const struct arguments *args, const struct history_series *series, const struct forecast *f,
                           struct arena *arena, struct error *err) {
    size_t tail = series->count < 3 * f->steps ? series->count : 3 * f->steps;
    size_t count = tail + f->steps, first = series->count - tail, last = f->quantile_count - 1, median = 0;
    while (median < last && f->quantiles[median] < 0.5)
        median++;
    double *lines[4];
    for (size_t k = 0; k < 4; k++) {
        lines[k] = arena_alloc_array(arena, count, sizeof(double));
        for (size_t i = 0; i < count; i++)
            lines[k][i] = NAN;
    }
    for (size_t i = 0; i < tail; i++)
        lines[0][i] = (double)series->demand[first + i];
    for (size_t s = 0; s < f->steps; s++) {
        lines[1][tail + s] = forecast_value(f, s, median);
        lines[2][tail + s] = forecast_value(f, s, 0);
        lines[3][tail + s] = forecast_value(f, s, last);
    }
    struct plot plot = {
        .title = arena_printf(arena, "Demand forecast: %s", cli_demand_title(&args->demand, arena)),
        .subtitle =
            arena_printf(arena, "model %s, basis %s, %zu samples", f->model, forecast_basis_name(f->basis), f->used),
        .start_ms = series->start_ms + (int64_t)first * series->step_ms,
        .step_ms = series->step_ms,
        .count = count,
        .lines = {{"history", "#24303d", lines[0], false, PLOT_STRAIGHT},
                  {arena_printf(arena, "q%.6g", f->quantiles[median]), "#1f5fa8", lines[1], false, PLOT_STRAIGHT},
                  {arena_printf(arena, "q%.6g", f->quantiles[last]), "#c2571a", lines[3], true, PLOT_STRAIGHT}},
        .line_count = last > median ? 3 : 2,
        .bands = {{arena_printf(arena, "q%.6g to q%.6g", f->quantiles[0], f->quantiles[last]), "#c9dcf0", lines[2],
                   lines[3]}},
        .band_count = f->quantile_count > 1,
        .marker = tail,
        .marker_label = "forecast starts",
    };
    return plot_write(&plot, args->plot, err);
}

static int64_t default_horizon(const struct history_csv *csv) {
    struct arena arena = {0};
    int64_t steps = DAY_MS / history_csv_grid(csv, csv->count, &arena).step_ms;
    arena_release(&arena);
    return steps < 1 ? 1 : steps > FORECAST_STEPS_MAX ? FORECAST_STEPS_MAX : steps;
}

/* One forecast from the first `rows` rows; origin NULL: that is all of them. */
static int forecast_one(const struct arguments *args, const struct history_csv *csv, size_t rows, const size_t *origin,
                        bool is_last) {
    struct arena arena = {0};
    struct error err = {0};
    struct history_series series = history_csv_grid(csv, rows, &arena);
    size_t steps = (size_t)args->horizon;
    const struct forecast_options options = {
        steps, args->quantile_count, args->quantiles,
        args->policy ? calendar_factors(args->policy, series.start_ms, series.step_ms, series.count + steps, &arena)
                     : NULL};
    struct forecast f;
    forecast_compute(&series, &options, &arena, &f);
    tell(&f, origin);
    print_rows(args, &f, origin);
    int code = CLI_DONE;
    if (is_last && args->plot && draw(args, &series, &f, &arena, &err)) {
        fprintf(stderr, "trimtab: --plot: %s\n", err.message);
        code = CLI_FAILED;
    }
    arena_release(&arena);
    return code;
}

static int forecast_all(struct arguments *args, const struct cli_syntax *syntax, const struct history_csv *csv) {
    for (size_t i = 0; i < args->origin_count; i++)
        if (args->origins[i] > csv->count)
            return cli_usage_error(syntax, "--origins: row %zu is beyond the %zu rows of the history", args->origins[i],
                                   csv->count);
    if (!args->horizon)
        args->horizon = default_horizon(csv);
    /* What one forecast gives back the next one takes. By way of the kernel, which zeroes it, a tenth was lost to that.
     */
    (void)mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT);
    (void)mallopt(M_MMAP_THRESHOLD, MEMORY_KEPT);
    print_header(args);
    int code = CLI_DONE;
    if (!args->origin_count)
        code = forecast_one(args, csv, csv->count, NULL, true);
    for (size_t i = 0; i < args->origin_count && code == CLI_DONE; i++)
        code = forecast_one(args, csv, args->origins[i], &args->origins[i], i + 1 == args->origin_count);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "trimtab: cannot write the result\n");
        code = CLI_FAILED;
    }
    return code;
}

/* The one policy of the file, if a file is named. Else the exit code. */
static int policy_find(struct arguments *args, struct manifest_set *set) {
    if (!args->file)
        return CLI_GO_ON;
    manifest_load(&args->file, 1, "default", false, set);
    int code = cli_manifests_check(set);
    size_t found = 0;
    for (size_t i = 0; code == CLI_GO_ON && i < set->entry_count; i++) {
        if (set->entries[i].object->kind != OBJECT_POLICY)
            continue;
        args->policy = set->entries[i].object->as.policy;
        found++;
    }
    if (code != CLI_GO_ON || found == 1)
        return code;
    fprintf(stderr, "trimtab: %s holds %zu ResourcePolicies; name a file with one\n", args->file, found);
    return CLI_FAULTS;
}

int cli_forecast(int argc, char **argv) {
    struct arguments args = {0};
    struct history_csv csv = {0};
    struct manifest_set set = {0};
    const char *quantiles = NULL, *costs = NULL, *origins = NULL;
    const struct cli_option options[] = {
        {"file", 'f', "F.yaml",
         "A ResourcePolicy: its forecast.events are taken off the past and put on\nthe forecast.", CLI_OPTION_TEXT,
         &args.file, NULL, 0, 0},
        {"horizon", 0, "STEPS", "How many steps ahead (a day of them).", CLI_OPTION_INT, &args.horizon, NULL, 1,
         FORECAST_STEPS_MAX},
        {"quantiles", 0, "Q,...", "Ascending, between 0 and 1 (" QUANTILES_DEFAULT ").", CLI_OPTION_TEXT, &quantiles,
         NULL, 0, 0},
        {"violation-costs", 0, "C,...",
         "Instead of quantiles: the demand that is worth serving where a step with\nmore costs so many mean demands "
         "(spec.sla.violationCost).",
         CLI_OPTION_TEXT, &costs, NULL, 0, 0},
        {"origins", 0, "I,...", "Forecast from these rows instead of from the end.", CLI_OPTION_TEXT, &origins, NULL, 0,
         0},
        {"plot", 0, "F.svg|F.png", "Also draw the newest history and the (last) forecast.", CLI_OPTION_TEXT, &args.plot,
         NULL, 0, 0},
        CLI_DEMAND_OPTIONS(&args.demand),
        {0},
    };
    const struct cli_syntax syntax = {
        .usage = "trimtab forecast [-f POLICY.yaml] [--horizon STEPS] [--quantiles Q,... | --violation-costs C,...]\n"
                 "                        [--origins I,...] [--plot F.svg] SERIES.csv | --history URL --query PROMQL",
        .summary =
            "Reads timestamp,value rows (RFC 3339, header optional, \"-\": standard input), or what a server of\n"
            "Prometheus' HTTP API answers, and prints quantiles of what comes next as CSV: step,q0.5,... - or\n"
            "origin,step,q0.5,... where the forecast of origin I knows rows 0 to I-1 only.\n",
        .options = options,
        .operands_max = 1,
        .epilogue = "Exit: 0 done, 1 fault in the data or the query, 2 cannot read or write, 64 usage.\n",
    };
    size_t count = 0;
    int code = cli_options_parse(&syntax, argc, argv, &count);
    args.demand.path = count > 0 ? argv[1] : NULL;
    if (code == CLI_GO_ON)
        code = lists_read(&args, &syntax, quantiles, costs, origins);
    if (code == CLI_GO_ON)
        code = policy_find(&args, &set);
    if (code == CLI_GO_ON)
        code = cli_demand_read(&args.demand, &syntax, &csv);
    if (code == CLI_GO_ON)
        code = forecast_all(&args, &syntax, &csv);
    history_csv_release(&csv);
    manifest_set_release(&set);
    mem_free(args.origins);
    return code;
}
