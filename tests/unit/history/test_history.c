/*
 * Recording of demand: what is kept, what is dropped, what comes back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "history/history.h"

#define STEP INT64_C(300000)
#define T0 (STEP * 5900000)
#define KEY "platform/aws/us-east-1/InstanceGroup/web/cpu"

static struct history *open_memory(int64_t keep_ms, size_t series_max) {
    const struct history_options options = {.step_ms = STEP, .keep_ms = keep_ms, .series_max = series_max};
    struct history *history = NULL;
    struct error err = {0};
    cr_assert_eq(history_open(&options, &history, &err), ERR_NONE);
    return history;
}

/* One sample at slot `slot` after T0: 2 machines of 2 vCPU at `percent`. Returns how many were dropped. */
static size_t add_one(struct history *history, int64_t slot, double percent) {
    const struct cloud_sample sample = {T0 + slot * STEP, percent};
    const struct cloud_series series = {.id = "web", .utilization = &sample, .utilization_count = 1};
    size_t dropped = 99;
    history_add(history, KEY, &series, 2000, 2, T0 + 1000 * STEP, &dropped);
    return dropped;
}

static struct history_series view(struct history *history, int64_t now_slot, struct arena *arena) {
    return history_view(history, KEY, T0 + now_slot * STEP, 1000 * STEP, arena);
}

Test(history, demand_is_utilisation_times_serving_capacity) {
    static const struct {
        const char *key;
        double serving;
        int64_t serving_at;
        float expected;
        enum history_basis basis;
    } rows[] = {
        {"p/a/r/InstanceGroup/g/cpu", 4, 0, 4.0F, HISTORY_BASIS_RECORDED},
        {"p/a/r/InstanceGroup/h/cpu", 4, -2 * STEP, 4.0F, HISTORY_BASIS_RECORDED},
        {"p/a/r/InstanceGroup/i/cpu", 4, -4 * STEP, 10.0F, HISTORY_BASIS_ASSUMED}, /* Too old. */
        {"p/a/r/InstanceGroup/j/cpu", 4, STEP, 10.0F, HISTORY_BASIS_ASSUMED},      /* After it. */
        {"p/a/r/InstanceGroup/k/cpu", NAN, 0, 10.0F, HISTORY_BASIS_ASSUMED},
        {"p/a/r/InstanceGroup/g/memory", 4, 0, 4000.0F, HISTORY_BASIS_RECORDED},
    };
    struct history *history = open_memory(0, 0);
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct cloud_sample use = {T0, 50}, serving = {T0 + rows[i].serving_at, rows[i].serving};
        const struct cloud_series series = {
            .utilization = &use, .utilization_count = 1, .serving = &serving, .serving_count = 1};
        size_t dropped;
        history_add(history, rows[i].key, &series, 2000, 10, T0 + STEP, &dropped);
        struct history_series got = history_view(history, rows[i].key, T0 + STEP, 10 * STEP, &arena);
        cr_assert_eq(got.count, 1, "%s", rows[i].key);
        cr_expect_float_eq(got.demand[0], rows[i].expected, 1e-4, "%s: %g", rows[i].key, (double)got.demand[0]);
        cr_expect_eq(got.basis, rows[i].basis, "%s", rows[i].key);
        cr_expect_eq(got.start_ms, T0);
    }
    arena_release(&arena);
    history_close(history);
}

Test(history, of_memory_the_greatest_of_a_slot_is_kept_of_cpu_the_mean) {
    static const struct {
        const char *key;
        float expected;
    } rows[] = {{"p/a/r/InstanceGroup/g/cpu", 2.0F}, {"p/a/r/InstanceGroup/g/memory", 3000.0F}};
    struct history *history = open_memory(0, 0);
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct cloud_sample use[] = {{T0, 25}, {T0 + STEP / 3, 75}, {T0 + STEP / 2, 50}};
        const struct cloud_series series = {.utilization = use, .utilization_count = 3};
        size_t dropped;
        history_add(history, rows[i].key, &series, 2000, 2, T0 + STEP, &dropped);
        struct history_series got = history_view(history, rows[i].key, T0 + STEP, 10 * STEP, &arena);
        cr_assert_eq(got.count, 1, "%s", rows[i].key);
        cr_expect_float_eq(got.demand[0], rows[i].expected, 1e-4, "%s: %g", rows[i].key, (double)got.demand[0]);
    }
    arena_release(&arena);
    history_close(history);
}

Test(history, gaps_are_gaps_and_order_does_not_matter) {
    static const int64_t slots[] = {7, 2, 5, 3};
    struct history *history = open_memory(0, 0);
    struct arena arena = {0};
    for (size_t i = 0; i < 4; i++)
        add_one(history, slots[i], (double)slots[i]);
    struct history_series got = view(history, 10, &arena);
    cr_assert_eq(got.start_ms, T0 + 2 * STEP);
    cr_assert_eq(got.count, 8, "up to the last complete slot, gaps at the end included");
    for (size_t i = 0; i < 8; i++) {
        bool is_there = i == 0 || i == 1 || i == 3 || i == 5;
        cr_expect_eq(!isnan(got.demand[i]), is_there, "slot %zu", i + 2);
        if (is_there)
            cr_expect_float_eq(got.demand[i], (double)(i + 2) / 100 * 4, 1e-5);
    }
    cr_assert_eq(history_next_ms(history, KEY), T0 + 8 * STEP);
    cr_assert_eq(view(history, 4, &arena).count, 2, "an earlier now sees less");
    cr_assert_eq(view(history, 2, &arena).count, 0);
    arena_release(&arena);
    history_close(history);
}

Test(history, the_newest_word_wins) {
    struct history *history = open_memory(0, 0);
    struct arena arena = {0};
    add_one(history, 1, 10);
    add_one(history, 1, 30);
    cr_assert_float_eq(view(history, 2, &arena).demand[0], 1.2F, 1e-5);
    arena_release(&arena);
    history_close(history);
}

Test(history, bad_samples_are_dropped_and_counted) {
    static const struct {
        double value;
        int64_t slot;
        size_t dropped;
    } rows[] = {{NAN, 1, 1},
                {INFINITY, 1, 1},
                {-1, 1, 1},
                {50, 1001, 1},
                {50, -5900001, 1},
                {1e300, 1, 1},
                {50, 1000, 0} /* Runs now: not an error, not yet kept. */,
                {0, 1, 0}};
    struct history *history = open_memory(0, 0);
    for (size_t i = 0; i + 1 < sizeof(rows) / sizeof(*rows); i++) {
        cr_expect_eq(add_one(history, rows[i].slot, rows[i].value), rows[i].dropped, "row %zu", i);
        cr_expect_eq(history_next_ms(history, KEY), 0, "row %zu leaves no trace", i);
    }
    cr_expect_eq(add_one(history, 1, 0), 0);
    cr_expect_eq(history_next_ms(history, KEY), T0 + 2 * STEP);
    history_close(history);
}

Test(history, saturation_is_marked) {
    struct history *history = open_memory(0, 0);
    struct arena arena = {0};
    add_one(history, 0, 99.4);
    add_one(history, 1, 99.5);
    add_one(history, 9, 100);
    struct history_series got = view(history, 10, &arena);
    cr_assert_not(history_is_saturated(&got, 0));
    cr_assert(history_is_saturated(&got, 1));
    cr_assert_not(history_is_saturated(&got, 5), "a gap is not saturated");
    cr_assert(history_is_saturated(&got, 9));
    arena_release(&arena);
    history_close(history);
}

Test(history, samples_of_one_slot_are_averaged) {
    const struct cloud_sample samples[] = {{T0, 10}, {T0 + 60000, 20}, {T0 + 299999, 30}, {T0 + STEP, 80}};
    const struct cloud_series series = {.utilization = samples, .utilization_count = 4};
    struct history *history = open_memory(0, 0);
    struct arena arena = {0};
    size_t dropped;
    history_add(history, KEY, &series, 1000, 1, T0 + 2 * STEP, &dropped);
    struct history_series got = view(history, 2, &arena);
    cr_assert_eq(got.count, 2);
    cr_assert_float_eq(got.demand[0], 0.2F, 1e-6);
    cr_assert_float_eq(got.demand[1], 0.8F, 1e-6);
    arena_release(&arena);
    history_close(history);
}

Test(history, length_is_bounded) {
    struct history *history = open_memory(10 * STEP, 0);
    struct arena arena = {0};
    for (int64_t i = 0; i < 25; i++)
        add_one(history, i, (double)i);
    struct history_series got = view(history, 25, &arena);
    cr_assert_eq(got.count, 10);
    cr_assert_eq(got.start_ms, T0 + 15 * STEP);
    cr_assert_float_eq(got.demand[0], 0.6F, 1e-5);
    add_one(history, 3, 50);
    cr_assert_eq(view(history, 25, &arena).start_ms, T0 + 15 * STEP, "older than is kept: ignored");
    add_one(history, 900, 50); /* A jump far beyond the window. */
    got = view(history, 901, &arena);
    cr_assert_eq(got.count, 1);
    cr_assert_float_eq(got.demand[0], 2.0F, 1e-5);
    arena_release(&arena);
    history_close(history);
}

/* Against a plain array: any order of writes ends in the same window. */
Test(history, any_order_of_samples_gives_the_same_window) {
    for (unsigned seed = 1; seed <= 50; seed++) {
        struct history *history = open_memory(40 * STEP, 0);
        struct arena arena = {0};
        double model[300];
        for (size_t i = 0; i < 300; i++)
            model[i] = NAN;
        int64_t newest = -1;
        unsigned state = seed;
        for (int k = 0; k < 400; k++) {
            state = state * 1664525U + 1013904223U;
            int64_t slot = k * 300 / 500 + (int64_t)((state >> 16) % 60);
            double value = state >> 24;
            add_one(history, slot, value / 4);
            newest = slot > newest ? slot : newest;
            if (slot > newest - 40)
                model[slot] = value / 100;
        }
        struct history_series got = view(history, newest + 1, &arena);
        cr_assert_leq(got.count, 40);
        for (int64_t slot = newest - 39; slot <= newest; slot++) {
            int64_t i = slot - (got.start_ms - T0) / STEP;
            double value = i >= 0 ? (double)got.demand[i] : NAN;
            if (slot < 0 || isnan(model[slot]))
                cr_expect(isnan(value), "seed %u slot %lld", seed, (long long)slot);
            else
                cr_expect_float_eq(value, model[slot], 1e-5, "seed %u slot %lld", seed, (long long)slot);
        }
        arena_release(&arena);
        history_close(history);
    }
}

Test(history, number_of_series_is_bounded_by_the_least_recently_touched) {
    struct history *history = open_memory(0, 2);
    const struct cloud_sample sample = {T0, 50};
    const struct cloud_series series = {.utilization = &sample, .utilization_count = 1};
    size_t dropped;
    history_add(history, "a/cpu", &series, 1000, 1, T0 + STEP, &dropped);
    history_add(history, "b/cpu", &series, 1000, 1, T0 + STEP, &dropped);
    cr_assert_neq(history_next_ms(history, "a/cpu"), 0); /* Touches a. */
    history_add(history, "c/cpu", &series, 1000, 1, T0 + STEP, &dropped);
    cr_assert_neq(history_next_ms(history, "a/cpu"), 0);
    cr_assert_eq(history_next_ms(history, "b/cpu"), 0, "b was untouched for longest");
    history_close(history);
}

Test(history, unknown_and_forgotten_series_are_empty) {
    struct history *history = open_memory(0, 0);
    struct arena arena = {0};
    cr_assert_eq(view(history, 5, &arena).count, 0);
    cr_assert_eq(history_next_ms(history, KEY), 0);
    add_one(history, 1, 5);
    history_forget(history, KEY);
    history_forget(history, "never seen");
    cr_assert_eq(view(history, 5, &arena).count, 0);
    arena_release(&arena);
    history_close(history);
}

/* ---- kills ---- */

#define MEMORY "p/k/cluster/Workload/shop/Deployment/web/memory"

/* The slot's demand: so many pods of 1000 MiB at so many percent. */
static void add_memory(struct history *history, int64_t slot, double percent) {
    const struct cloud_sample sample = {T0 + slot * STEP, percent};
    const struct cloud_series series = {.utilization = &sample, .utilization_count = 1};
    size_t dropped;
    history_add(history, MEMORY, &series, 1000, 2, T0 + 1000 * STEP, &dropped);
}

Test(history_kills, what_was_too_little_is_raised_by_a_fifth_or_100_mib_a_pod) {
    static const struct {
        int64_t allowed, machines;
        double peak_percent; /* Of 2 pods of 1000 MiB, an hour before; 0: no sample. */
        double expected;     /* 0: no raise */
    } rows[] = {
        {256, 4, 0, 4 * 356}, {1024, 4, 0, 4 * 1228.8}, {500, 1, 0, 600},
        {1000, 2, 75, 2400},  {1000, 2, 150, 3600},     {0, 2, 150, 3600}, /* Allowed is not known: what was seen. */
        {0, 2, 0, 0},         {512, 0, 0, 614.4},                          /* All are down: as if one was there. */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct history *history = open_memory(0, 0);
        struct history_raise raise = {0};
        if (rows[i].peak_percent > 0)
            add_memory(history, 88, rows[i].peak_percent);
        bool is_raised = history_add_kill(history, MEMORY, T0 + 100 * STEP, rows[i].allowed, rows[i].machines,
                                          T0 + 101 * STEP, &raise);
        cr_expect_eq(is_raised, rows[i].expected > 0, "row %zu", i);
        cr_expect_float_eq(raise.demand, rows[i].expected, 1e-6, "row %zu: %g", i, raise.demand);
        history_close(history);
    }
}

Test(history_kills, peaks_of_the_day_before_count_and_raises_do_not) {
    struct history *history = open_memory(0, 0);
    struct history_raise raise;
    add_memory(history, 0, 300);
    add_memory(history, 10, 100);
    cr_assert(history_add_kill(history, MEMORY, T0 + 290 * STEP, 500, 2, T0 + 300 * STEP, &raise));
    cr_expect_float_eq(raise.demand, 2400, 1e-6, "the greater one was over a day before: %g", raise.demand);
    cr_assert(history_add_kill(history, MEMORY, T0 + 295 * STEP, 500, 2, T0 + 300 * STEP, &raise));
    cr_expect_float_eq(raise.demand, 2400, 1e-6, "kills in a row do not pile up: %g", raise.demand);
    add_memory(history, 297, 200);
    cr_assert(history_add_kill(history, MEMORY, T0 + 296 * STEP, 500, 2, T0 + 300 * STEP, &raise));
    cr_expect_float_eq(raise.demand, 2400, 1e-6, "what came after it is no part of it: %g", raise.demand);
    history_close(history);
}

Test(history_kills, one_is_raised_once_and_kept_while_it_is_in_the_window) {
    struct history *history = open_memory(500 * STEP, 0);
    struct arena arena = {0};
    struct history_raise raise;
    int64_t at = T0 + 100 * STEP;
    cr_assert(history_add_kill(history, MEMORY, at, 1000, 2, at, &raise));
    cr_expect_not(history_add_kill(history, MEMORY, at, 1000, 9, at + STEP, &raise), "the same");
    cr_expect_not(history_add_kill(history, MEMORY, at - 1, 1000, 9, at + STEP, &raise), "an earlier one");
    cr_assert(history_add_kill(history, MEMORY, at + STEP, 500, 2, at + STEP, &raise),
              "a later one that asks for less");
    struct history_series got = history_view(history, MEMORY, at + 2 * STEP, 100 * STEP, &arena);
    cr_assert_eq(got.raise_count, 2);
    cr_expect_eq(got.count, 0, "it is no sample");
    cr_expect_eq(history_next_ms(history, MEMORY), 0, "nor is anything known that was seen");
    cr_expect(got.raises[0].time_ms == at && got.raises[0].demand > got.raises[1].demand);
    got = history_view(history, MEMORY, at + 101 * STEP, 101 * STEP, &arena);
    cr_expect_eq(got.raise_count, 2, "at the window's edge");
    got = history_view(history, MEMORY, at + 101 * STEP, 100 * STEP, &arena);
    cr_expect_eq(got.raise_count, 1);
    cr_expect_not(history_add_kill(history, MEMORY "x/memory", at, 1000, 2, at + 500 * STEP, &raise), "too old");
    cr_assert(history_add_kill(history, MEMORY, at + 9 * STEP, 1000, 2, at + 5 * STEP, &raise));
    cr_expect_eq(raise.time_ms, at + 5 * STEP, "of a clock that is ahead");
    arena_release(&arena);
    history_close(history);
}

Test(history_kills, are_bounded_and_the_newest_is_kept) {
    struct history *history = open_memory(0, 0);
    struct arena arena = {0};
    struct history_raise raise;
    for (int64_t i = 0; i < HISTORY_RAISES_MAX + 5; i++)
        cr_assert(history_add_kill(history, MEMORY, T0 + i * STEP, 9000 - i, 1, T0 + 100 * STEP, &raise));
    struct history_series got = history_view(history, MEMORY, T0 + 200 * STEP, 1000 * STEP, &arena);
    cr_assert_eq(got.raise_count, (size_t)HISTORY_RAISES_MAX);
    cr_expect_eq(got.raises[0].time_ms, T0);
    cr_expect_eq(got.raises[HISTORY_RAISES_MAX - 1].time_ms, T0 + (HISTORY_RAISES_MAX + 4) * STEP);
    arena_release(&arena);
    history_close(history);
}

Test(history_kills, what_was_raised_before_is_restored_once) {
    const struct history_raise raises[] = {{T0, 500}, {T0 + STEP, 400}, {T0 + 99 * STEP, 300}, {T0 + 2 * STEP, NAN}};
    struct history *history = open_memory(0, 0);
    struct arena arena = {0};
    struct history_raise raise;
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof(raises) / sizeof(*raises); i++)
            history_restore_raise(history, MEMORY, &raises[i], T0 + 50 * STEP);
    struct history_series got = history_view(history, MEMORY, T0 + 60 * STEP, 1000 * STEP, &arena);
    cr_assert_eq(got.raise_count, 2, "none of the future, none that is no number: %zu", got.raise_count);
    cr_expect(got.raises[0].demand == 500 && got.raises[1].demand == 400);
    cr_expect_not(history_add_kill(history, MEMORY, T0 + STEP, 1000, 9, T0 + 50 * STEP, &raise), "it is known");
    arena_release(&arena);
    history_close(history);
}
