/*
 * Series for the tests of forecast/, and a generator of our own, so that a failure can be repeated from its seed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_FORECAST_SERIES_H
#define TRIMTAB_TESTS_FORECAST_SERIES_H

#include <math.h>
#include <stdint.h>

#include "base/arena.h"
#include "forecast/compute.h"

#define STEP_MS INT64_C(300000)
#define DAY 288

static const double test_quantiles[] = {0.5, 0.9, 0.95, 0.99};
#define TEST_QUANTILES 4

struct chance {
    uint64_t state;
};

static inline double chance_next(struct chance *c) { /* Uniform in [0, 1): splitmix64. */
    uint64_t z = c->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static inline struct history_series series_of(const float *demand, size_t count) {
    return (struct history_series){.start_ms = STEP_MS * 5900000, .step_ms = STEP_MS, .count = count, .demand = demand};
}

/* A day's wave with noise. */
static inline void wave_fill(float *to, size_t count, double noise, uint64_t seed) {
    struct chance c = {seed};
    for (size_t i = 0; i < count; i++) {
        double wave = 10 + 5 * sin(2 * M_PI * (double)(i % DAY) / DAY);
        to[i] = (float)(wave + noise * (chance_next(&c) - 0.5));
    }
}

/* Anything: gaps, level shifts, bursts, repeats, zeros. Never negative. */
static inline void wild_fill(float *to, size_t count, struct chance *c) {
    double level = 1000 * chance_next(c) * chance_next(c), gap = 0.3 * chance_next(c) * chance_next(c);
    double wave = chance_next(c), noise = chance_next(c);
    for (size_t i = 0; i < count; i++) {
        if (chance_next(c) < 0.002)
            level = 1000 * chance_next(c);
        double value = level * (1 + wave * sin(2 * M_PI * (double)i / DAY) + noise * (chance_next(c) - 0.5));
        if (chance_next(c) < 0.01)
            value *= 20;
        to[i] = chance_next(c) < gap ? NAN : (float)fmax(0, value);
    }
}

static inline struct forecast compute(const float *demand, size_t count, size_t steps, struct arena *arena) {
    const struct history_series series = series_of(demand, count);
    const struct forecast_options options = {steps, TEST_QUANTILES, test_quantiles, NULL};
    struct forecast f;
    forecast_compute(&series, &options, arena, &f);
    return f;
}

#endif
