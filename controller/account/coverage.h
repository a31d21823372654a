/*
 * How often demand stayed under what had been forecast for it: the live record, as against what the engine estimates
 * from the past. A forecast of each slot is kept, one step and a lead time ahead, until the slot's sample arrives;
 * counts are kept by day, for two weeks. The first word about a slot stands: a plan was made with it.
 *
 * A sample at the ceiling (saturated) that is below its forecast proves nothing and is not counted, nor are gaps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ACCOUNT_COVERAGE_H
#define TRIMTAB_ACCOUNT_COVERAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "forecast/forecast.h"
#include "history/series.h"

#define COVERAGE_DAYS 14

struct coverage_count {
    uint32_t samples, covered;
};

struct coverage_day {
    int64_t day; /* Of Unix time, in UTC. */
    struct coverage_count step, lead;
};

struct coverage { /* Zeroed: nothing known. */
    struct coverage_day days[COVERAGE_DAYS];
};

struct coverage_slot { /* What was forecast for one slot; NaN: nothing yet. */
    int64_t start_ms;  /* 0: none */
    float step, lead;
};

struct coverage_watch { /* One resource's forecasts that wait for their samples. Zeroed: none. */
    int64_t step_ms;
    size_t lead_steps;
    struct coverage_slot *slots; /* Ring, by number of the slot. */
    size_t slot_count;
};

/* Counts what has arrived. */
void coverage_settle(struct coverage_watch *watch, const struct history_series *history, struct coverage *coverage);
/* Keeps what the forecast says at that quantile (its index) of its first step and of the step lead_ms later. One
 * without basis says nothing. */
void coverage_expect(struct coverage_watch *watch, const struct forecast *forecast, size_t quantile, int64_t lead_ms);
void coverage_watch_release(struct coverage_watch *watch);

struct coverage_sum {
    int64_t step_samples, lead_samples;
    int64_t step_per_mille, lead_per_mille; /* -1: no sample yet. */
};
/* Over the last two weeks before now_ms. */
struct coverage_sum coverage_sum(const struct coverage *coverage, int64_t now_ms);

/* An array of texts, oldest first: "2026-11-28 286/288 285/288" is a day, covered/samples one step and a lead time
 * ahead. What reads as anything else is passed over. */
void coverage_print(const struct coverage *coverage, int64_t now_ms, struct json_writer *w);
void coverage_read(const struct json *days, struct coverage *ret);

#endif
