/*
 * What a history that grows costs, as the loop forecasts it (forecast/track.h): slides a window of ROWS rows over the
 * file, a row at a time, and prints the CPU time in microseconds of a call that fits and of one that only adds the row,
 * means of as many as there are in HOURS hours, and the bytes that are kept of the series. Each call gives STEPS steps
 * of four quantiles.
 *
 *     forecast_track SERIES.csv ROWS STEPS HOURS    ->    fit,sample,bytes
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/str.h"
#include "forecast/track.h"
#include "history/csv.h"

#define HOUR_MS INT64_C(3600000)

static double cpu_us(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static void measure(const struct history_series *all, size_t rows, size_t steps, size_t calls) {
    static const double quantiles[] = {0.5, 0.9, 0.95, 0.99};
    const struct forecast_options options = {steps, 4, quantiles, NULL};
    struct forecast_track *track = NULL;
    struct arena arena = {0};
    double spent[2] = {0, 0};
    size_t made[2] = {0, 0};
    for (size_t first = 0; first + rows <= all->count && first < calls; first++) {
        const struct history_series window = {.start_ms = all->start_ms + (int64_t)first * all->step_ms,
                                              .step_ms = all->step_ms,
                                              .count = rows,
                                              .demand = all->demand + first};
        struct forecast f;
        size_t fits = forecast_track_fits(track);
        double started = cpu_us();
        forecast_track_compute(&track, &window, &options, SIZE_MAX, &arena, &f);
        size_t is_sample = forecast_track_fits(track) == fits;
        spent[is_sample] += cpu_us() - started;
        made[is_sample]++;
        arena_clear(&arena);
    }
    printf("%.1f,%.1f,%zu\n", spent[0] / (double)made[0], spent[1] / (double)made[1], forecast_track_bytes(track));
    forecast_track_free(track);
    arena_release(&arena);
}

int main(int argc, char **argv) {
    struct history_csv csv = {0};
    struct error err = {0};
    int64_t numbers[3] = {0};
    bool is_right = argc == 5;
    for (int i = 0; is_right && i < 3; i++)
        is_right = str_to_int64(argv[2 + i], &numbers[i]) && numbers[i] > 0;
    if (!is_right) {
        (void)fputs("usage: forecast_track SERIES.csv ROWS STEPS HOURS\n", stderr);
        return 64;
    }
    if (history_csv_read(argv[1], &csv, &err) != ERR_NONE) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 2;
    }
    struct arena arena = {0};
    const struct history_series all = history_csv_grid(&csv, csv.count, &arena);
    size_t calls = (size_t)(numbers[2] * HOUR_MS / all.step_ms);
    bool is_long = all.count >= (size_t)numbers[0] + 1;
    if (is_long)
        measure(&all, (size_t)numbers[0], (size_t)numbers[1], calls);
    else
        (void)fprintf(stderr, "%s has no more than %lld rows\n", argv[1], (long long)numbers[0]);
    arena_release(&arena);
    history_csv_release(&csv);
    return is_long ? 0 : 1;
}
