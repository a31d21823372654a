/*
 * `trimtab forecast`: demand history from a file -> quantiles as CSV. The same engine as in the cluster; no state, no
 * cloud. With --origins each forecast knows only the rows before its origin.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/clouds.h"
#include "cli/options.h"
#include "cli/plot.h"
#include "forecast/calendar.h"
#include "forecast/compute.h"
#include "history/csv.h"

#define ORIGINS_MAX 100000
#define DAY_MS INT64_C(86400000)

static const char usage_text[] =
    "Usage: trimtab forecast [-f POLICY.yaml] [--horizon STEPS] [--quantiles Q,...] [--origins I,...] [--plot F.svg]\n"
    "                        SERIES.csv\n"
    "\n"
    "Reads timestamp,value rows (RFC 3339, header optional, \"-\": standard input) and prints quantiles of what comes\n"
    "next as CSV: step,q0.5,... - or origin,step,q0.5,... where the forecast of origin I knows rows 0 to I-1 only.\n"
    "\n"
    "  -f, --file F.yaml  a ResourcePolicy: its forecast.events are taken off the past and put on the forecast\n"
    "  --horizon STEPS    how many steps ahead, 1 to 4096 (default: a day)\n"
    "  --quantiles Q,...  ascending, between 0 and 1 (default 0.5,0.9,0.95,0.99)\n"
    "  --origins I,...    forecast from these rows instead of from the end\n"
    "  --plot F.svg       also draw the newest history and the (last) forecast; F.png where rsvg-convert is installed\n"
    "\n"
    "Exit: 0 done, 1 fault in the data, 2 cannot read or write, 64 usage.\n";

struct arguments {
    int64_t horizon; /* 0: a day */
    double quantiles[FORECAST_QUANTILES_MAX];
    size_t quantile_count;
    size_t *origins;
    size_t origin_count;
    const char *plot;
    const char *path;
    const char *file;            /* NULL: no policy */
    const struct policy *policy; /* Read from it. */
    bool help;
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

static bool option_read(struct arguments *args, int option) {
    switch (option) {
    case 'h':
        if (str_to_int64(optarg, &args->horizon) && args->horizon >= 1 && args->horizon <= FORECAST_STEPS_MAX)
            return true;
        fprintf(stderr, "trimtab forecast: --horizon %s: a number of steps from 1 to %d expected\n", optarg,
                FORECAST_STEPS_MAX);
        return false;
    case 'q':
        args->quantile_count = 0;
        if (list_each(optarg, quantile_add, args))
            return true;
        fprintf(stderr, "trimtab forecast: --quantiles %s: up to %d ascending numbers between 0 and 1 expected\n",
                optarg, FORECAST_QUANTILES_MAX);
        return false;
    case 'o':
        if (list_each(optarg, origin_add, args))
            return true;
        fprintf(stderr, "trimtab forecast: --origins %s: row numbers like 100,200 expected\n", optarg);
        return false;
    case 'p':
        args->plot = optarg;
        return true;
    case 'f':
        args->file = optarg;
        return true;
    case 'H':
        args->help = true;
        return true;
    default:
        return false; /* getopt has said why. */
    }
}

static bool arguments_read(int argc, char **argv, struct arguments *args) {
    static const struct option options[] = {
        {"horizon", required_argument, NULL, 'h'},
        {"quantiles", required_argument, NULL, 'q'},
        {"origins", required_argument, NULL, 'o'},
        {"plot", required_argument, NULL, 'p'},
        {"file", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'H'},
        {NULL, 0, NULL, 0},
    };
    static const double defaults[] = {0.5, 0.9, 0.95, 0.99};
    memcpy(args->quantiles, defaults, sizeof(defaults));
    args->quantile_count = ARRAY_LEN(defaults);
    optind = 0; /* Starts over: the main program may have used it. */
    int option;
    while ((option = getopt_long(argc, argv, "f:", options, NULL)) != -1)
        if (!option_read(args, option))
            return false;
    if (args->help)
        return true;
    if (optind + 1 != argc) {
        fprintf(stderr, "trimtab forecast: %s; see trimtab forecast --help\n",
                optind < argc ? "one file at a time" : "which SERIES.csv?");
        return false;
    }
    args->path = argv[optind];
    return true;
}

static void print_header(const struct arguments *args) {
    printf("%sstep", args->origin_count ? "origin," : "");
    for (size_t j = 0; j < args->quantile_count; j++)
        printf(",q%.10g", args->quantiles[j]);
    putchar('\n');
}

static void print_rows(const struct forecast *f, const size_t *origin) {
    for (size_t s = 0; s < f->steps; s++) {
        if (origin)
            printf("%zu,", *origin);
        printf("%zu", s + 1);
        for (size_t j = 0; j < f->quantile_count; j++)
            printf(",%.8g", forecast_value(f, s, j) + 0.0); /* + 0.0: no "-0". */
        putchar('\n');
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
    const char *slash = strrchr(args->path, '/');
    struct plot plot = {
        .title = arena_printf(arena, "Demand forecast: %s", slash ? slash + 1 : args->path),
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
    print_rows(&f, origin);
    int code = CLI_DONE;
    if (is_last && args->plot && draw(args, &series, &f, &arena, &err)) {
        fprintf(stderr, "trimtab forecast: --plot: %s\n", err.message);
        code = CLI_FAILED;
    }
    arena_release(&arena);
    return code;
}

static int forecast_all(struct arguments *args, const struct history_csv *csv) {
    for (size_t i = 0; i < args->origin_count; i++) {
        if (args->origins[i] > csv->count) {
            fprintf(stderr, "trimtab forecast: --origins: row %zu is beyond the %zu rows of %s\n", args->origins[i],
                    csv->count, args->path);
            return CLI_USAGE;
        }
    }
    if (!args->horizon)
        args->horizon = default_horizon(csv);
    print_header(args);
    int code = CLI_DONE;
    if (!args->origin_count)
        code = forecast_one(args, csv, csv->count, NULL, true);
    for (size_t i = 0; i < args->origin_count && code == CLI_DONE; i++)
        code = forecast_one(args, csv, args->origins[i], &args->origins[i], i + 1 == args->origin_count);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "trimtab forecast: cannot write the result\n");
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
    fprintf(stderr, "trimtab forecast: %s holds %zu ResourcePolicies; name a file with one\n", args->file, found);
    return CLI_FAULTS;
}

int cli_forecast(int argc, char **argv) {
    struct arguments args = {0};
    struct history_csv csv = {0};
    struct manifest_set set = {0};
    struct error err = {0};
    int code = CLI_USAGE;
    if (!arguments_read(argc, argv, &args)) {
        code = CLI_USAGE;
    } else if (args.help) {
        fputs(usage_text, stdout);
        code = CLI_DONE;
    } else if ((code = policy_find(&args, &set)) != CLI_GO_ON) {
        /* It is said. */
    } else if (history_csv_read(args.path, &csv, &err)) {
        fprintf(stderr, "trimtab forecast: %s\n", err.message);
        code = err.class == ERR_PERMANENT ? CLI_FAULTS : CLI_FAILED;
    } else {
        code = forecast_all(&args, &csv);
    }
    history_csv_release(&csv);
    manifest_set_release(&set);
    mem_free(args.origins);
    return code;
}
