/*
 * What a history that has just begun is forecast to be, as the loop does it: of the file's rows before each ORIGIN the
 * newest AGE minutes alone (prior), and with what it borrows from the donors (pooled; not printed where it borrows
 * nothing). KIN tells whose the donors are.
 *
 *     forecast_cold policy|tenant STEPS ORIGIN[,ORIGIN...] AGE[,AGE...] YOUNG.csv DONOR.csv...
 *         ->    origin,age,basis,step,quantiles 0.5, 0.9, 0.95 and 0.99
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "forecast/compute.h"
#include "forecast/pool.h"
#include "history/csv.h"

#define NUMBERS_MAX 32
#define MINUTE_MS INT64_C(60000)

static const double quantiles[] = {0.5, 0.9, 0.95, 0.99};

struct numbers {
    int64_t values[NUMBERS_MAX];
    size_t count;
};

static bool numbers_read(char *text, struct numbers *ret) {
    for (char *part = text, *next; part; part = next) {
        next = strchr(part, ',');
        if (next)
            *next++ = '\0';
        if (ret->count == NUMBERS_MAX || !str_to_int64(part, &ret->values[ret->count]) ||
            ret->values[ret->count++] <= 0)
            return false;
    }
    return true;
}

static void print(size_t origin, int64_t age, const struct forecast *f) {
    for (size_t s = 0; s < f->steps; s++)
        printf("%zu,%lld,%s,%zu,%.9g,%.9g,%.9g,%.9g\n", origin, (long long)age, forecast_basis_name(f->basis), s + 1,
               forecast_value(f, s, 0), forecast_value(f, s, 1), forecast_value(f, s, 2), forecast_value(f, s, 3));
}

static void measure(const struct history_series *all, size_t origin, int64_t age, size_t steps,
                    const struct history_series *donors, size_t donor_count, enum forecast_kin kin) {
    const struct forecast_options options = {steps, 4, quantiles, NULL};
    size_t rows = (size_t)(age * MINUTE_MS / all->step_ms);
    if (rows == 0 || origin < rows || origin > all->count)
        return;
    struct history_series young = *all;
    young.start_ms += (int64_t)(origin - rows) * all->step_ms;
    young.demand += origin - rows;
    young.count = rows;
    struct arena arena = {0};
    struct forecast f;
    struct forecast_pool pool;
    forecast_compute(&young, &options, &arena, &f);
    print(origin, age, &f);
    if (forecast_pool(&young, donors, donor_count, kin, &arena, &pool)) {
        forecast_compute(&pool.series, &options, &arena, &f);
        if (forecast_pool_finish(&pool, &arena, &f))
            print(origin, age, &f);
    }
    arena_release(&arena);
}

/* Exits where a file cannot be read: there is nothing to measure. */
static struct history_series series_read(const char *path, struct arena *arena) {
    struct history_csv csv = {0};
    struct error err = {0};
    if (history_csv_read(path, &csv, &err) != ERR_NONE) {
        (void)fprintf(stderr, "%s\n", err.message);
        exit(2);
    }
    struct history_series series = history_csv_grid(&csv, csv.count, arena);
    history_csv_release(&csv);
    return series;
}

int main(int argc, char **argv) {
    struct numbers steps = {0}, origins = {0}, ages = {0};
    struct history_series donors[FORECAST_DONORS_MAX];
    struct arena arena = {0};
    bool is_right = argc >= 6 && argc - 6 <= FORECAST_DONORS_MAX && numbers_read(argv[2], &steps) && steps.count == 1 &&
                    steps.values[0] <= FORECAST_STEPS_MAX && numbers_read(argv[3], &origins) &&
                    numbers_read(argv[4], &ages) && (str_eq(argv[1], "policy") || str_eq(argv[1], "tenant"));
    if (!is_right) {
        (void)fputs("usage: forecast_cold policy|tenant STEPS ORIGIN[,ORIGIN...] AGE[,AGE...] YOUNG.csv DONOR.csv...\n",
                    stderr);
        return 64;
    }
    enum forecast_kin kin = str_eq(argv[1], "policy") ? FORECAST_KIN_POLICY : FORECAST_KIN_TENANT;
    const struct history_series all = series_read(argv[5], &arena);
    size_t donor_count = 0;
    for (int i = 6; i < argc; i++)
        donors[donor_count++] = series_read(argv[i], &arena);
    for (size_t o = 0; o < origins.count; o++)
        for (size_t a = 0; a < ages.count; a++)
            measure(&all, (size_t)origins.values[o], ages.values[a], (size_t)steps.values[0], donors, donor_count, kin);
    arena_release(&arena);
    return 0;
}
