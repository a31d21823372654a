/*
 * A history that a test fills slot by slot, for the models alone: bench.y, NAN for a gap, and bench.saturated, then
 * bench_make.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_FORECAST_BENCH_H
#define TRIMTAB_TESTS_FORECAST_BENCH_H

#include "forecast/forecast_internal.h"
#include "series.h"

struct bench {
    double y[14 * DAY];
    bool saturated[14 * DAY];
    uint32_t last[14 * DAY + 1], used[14 * DAY + 1];
    double sum[14 * DAY + 1];
    struct forecast_data data;
};

static struct bench bench; /* One test, one process. */

static inline void bench_slot(size_t i) {
    bool is_gap = isnan(bench.y[i]);
    bench.last[i + 1] = is_gap ? bench.last[i] : (uint32_t)(i + 1);
    bench.sum[i + 1] = bench.sum[i] + (is_gap ? 0 : bench.y[i]);
    bench.used[i + 1] = bench.used[i] + (is_gap ? 0u : 1u);
}

static inline struct forecast_data *bench_make(size_t count, size_t day, size_t week) {
    for (size_t i = 0; i < count; i++)
        bench_slot(i);
    bench.data = (struct forecast_data){.y = bench.y,
                                        .saturated = bench.saturated,
                                        .last = bench.last,
                                        .sum = bench.sum,
                                        .used = bench.used,
                                        .count = count,
                                        .step_ms = STEP_MS,
                                        .day = day,
                                        .week = week};
    return &bench.data;
}

#endif
