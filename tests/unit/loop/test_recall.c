/*
 * What evaluations remember: it changes no plan, stays within its bound, and goes with what it is about.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>

#include "loop/recall.h"

#define STEP_MS INT64_C(300000)
#define SAMPLES 2880
#define STEPS 6

static float demand[SAMPLES + 10];
static const double quantiles[] = {0.5, 0.99};
static const struct forecast_options options = {STEPS, 2, quantiles, NULL};

static struct history_series series_of(size_t count) {
    for (size_t i = 0; i < count; i++)
        demand[i] = (float)(20 + 9.7 * sin((double)i * 2 * 3.14159265 / 288) + (double)(i * 7919 % 100) / 50);
    return (struct history_series){.start_ms = STEP_MS * 5900000, .step_ms = STEP_MS, .count = count, .demand = demand};
}

static double asked(struct recall *recall, const char *key, const struct history_series *series) {
    struct arena arena = {0};
    struct forecast f;
    recall_forecast(recall, key, series, &options, &arena, &f);
    double value = forecast_value(&f, STEPS - 1, 1);
    arena_release(&arena);
    return value;
}

Test(recall, keeps_what_is_asked_for_and_forgets_the_rest) {
    struct recall recall = {.bytes_max = SIZE_MAX};
    struct history_series series = series_of(SAMPLES);
    recall_begin(&recall);
    double value = asked(&recall, "a", &series);
    (void)asked(&recall, "b", &series);
    recall_end(&recall);
    cr_expect_eq(recall.tracks.count, 2);
    size_t both = recall.bytes;
    recall_begin(&recall);
    cr_expect_eq(asked(&recall, "b", &series), value);
    recall_end(&recall);
    cr_expect_eq(recall.tracks.count, 1);
    cr_expect(recall.bytes > both / 3 && recall.bytes < 2 * both / 3, "%zu of %zu bytes", recall.bytes, both);
    const struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&recall.tracks, &i));)
        cr_expect_str_eq(entry->key, "b");
    recall_release(&recall);
    cr_expect_eq(recall.bytes, 0);
}

Test(recall, beyond_the_bound_answers_are_the_same) {
    struct recall unbounded = {.bytes_max = SIZE_MAX}, bounded = {.bytes_max = (size_t)800 << 10}, none = {0};
    for (size_t count = SAMPLES; count < SAMPLES + 3; count++) {
        struct history_series series = series_of(count);
        recall_begin(&bounded);
        for (int i = 0; i < 40; i++) {
            char key[] = {(char)('0' + i), '\0'};
            double value = asked(&unbounded, key, &series);
            cr_expect_eq(asked(&bounded, key, &series), value);
            cr_expect_eq(asked(&none, key, &series), value);
            cr_expect_eq(asked(NULL, key, &series), value);
            cr_expect_leq(bounded.bytes, bounded.bytes_max);
        }
        recall_end(&bounded);
    }
    cr_expect_gt(bounded.tracks.count, 3, "answers are kept where fits are too large");
    cr_expect_lt(bounded.tracks.count, 40);
    cr_expect_eq(none.tracks.count, 0);
    recall_release(&unbounded);
    recall_release(&bounded);
    recall_release(&none);
}
