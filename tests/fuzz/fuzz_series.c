/*
 * Fuzz target: demand files. Any bytes, in pieces whose size the first byte chooses, either give rows or a fault; rows
 * give a grid, and the grid a finite, monotone forecast.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "forecast/compute.h"
#include "history/csv.h"

#define STEPS 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_forecast(const struct history_csv *csv, size_t rows) {
    static const double quantiles[] = {0.05, 0.5, 0.999};
    const struct forecast_options options = {STEPS, 3, quantiles, NULL};
    struct arena arena = {0};
    struct history_series series = history_csv_grid(csv, rows, &arena);
    struct forecast f;
    forecast_compute(&series, &options, &arena, &f);
    for (size_t s = 0; s < STEPS; s++) {
        for (size_t j = 0; j < 3; j++) {
            ASSERT(isfinite(forecast_value(&f, s, j)));
            ASSERT(j == 0 || forecast_value(&f, s, j) >= forecast_value(&f, s, j - 1));
        }
    }
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct history_csv csv = {0};
    struct error err = {0};
    if (size == 0)
        return 0;
    size_t piece = (size_t)data[0] + 1;
    enum err_class class = ERR_NONE;
    for (size_t at = 1; !class && at < size; at += piece) {
        size_t now = size - at < piece ? size - at : piece;
        class = history_csv_feed(&csv, (struct bytes){(const char *)data + at, now}, &err);
    }
    if (!class)
        class = history_csv_finish(&csv, &err);
    if (!class) {
        check_forecast(&csv, csv.count);
        check_forecast(&csv, csv.count / 2);
    }
    history_csv_release(&csv);
    return 0;
}
