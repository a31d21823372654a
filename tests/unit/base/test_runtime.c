/*
 * Timers and chance, on a runtime whose clock the test sets.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/runtime.h"

struct fake {
    struct runtime base;
    uint64_t now_ns, wake_ns;
};

static uint64_t fake_mono_ns(struct runtime *rt) {
    return CONTAINER_OF(rt, struct fake, base)->now_ns;
}

static int64_t fake_wall_ms(struct runtime *rt) {
    (void)rt;
    return 0;
}

static void fake_wake_at(struct runtime *rt, uint64_t due_ns) {
    CONTAINER_OF(rt, struct fake, base)->wake_ns = due_ns;
}

static void fake_submit(struct runtime *rt, struct work *work) {
    (void)rt;
    work->run(work);
    work->done(work);
}

static const struct runtime_ops fake_ops = {fake_mono_ns, fake_wall_ms, fake_wake_at, fake_submit};

static struct fake fake;
static char fired[512]; /* The letters of the timers in the order of firing. */

static void setup(void) {
    runtime_init(&fake.base, &fake_ops, 1);
    fake.now_ns = 1000;
    fake.wake_ns = 0;
    memset(fired, 0, sizeof(fired));
}

static void teardown(void) {
    runtime_release(&fake.base);
}

TestSuite(base_runtime, .init = setup, .fini = teardown);

struct node {
    struct timer timer;
    char letter;
};

static void on_fire(struct timer *timer) {
    const struct node *node = CONTAINER_OF(timer, struct node, timer);
    cr_assert_not(timer_is_active(timer));
    fired[strlen(fired)] = node->letter;
}

static void start(struct node *node, char letter, uint64_t delay_ns) {
    node->letter = letter;
    timer_start(&fake.base, &node->timer, delay_ns, on_fire, NULL);
}

static void fire_at(uint64_t now_ns) {
    fake.now_ns = now_ns;
    runtime_fire_due(&fake.base, now_ns);
}

Test(base_runtime, timers_fire_by_time_and_equal_times_in_order_of_starting) {
    struct node nodes[5] = {0};
    start(&nodes[0], 'a', 50);
    start(&nodes[1], 'b', 10);
    start(&nodes[2], 'c', 50);
    start(&nodes[3], 'd', 50);
    start(&nodes[4], 'e', 20);
    cr_assert_eq(fake.wake_ns, 1010);
    fire_at(1009);
    cr_assert_str_empty(fired);
    fire_at(1010);
    cr_assert_str_eq(fired, "b");
    cr_assert_eq(fake.wake_ns, 1020);
    fire_at(2000);
    cr_assert_str_eq(fired, "beacd");
    cr_assert_eq(fake.wake_ns, UINT64_MAX);
}

Test(base_runtime, restarting_moves_a_timer_behind_its_equals) {
    struct node a = {0}, b = {0};
    start(&a, 'a', 10);
    start(&b, 'b', 10);
    start(&a, 'a', 10);
    cr_assert_eq(fake.base.heap_count, 2);
    fire_at(1010);
    cr_assert_str_eq(fired, "ba");
}

Test(base_runtime, restarting_or_stopping_the_earliest_moves_the_wake_up) {
    struct node a = {0}, b = {0};
    start(&a, 'a', 10);
    start(&b, 'b', 20);
    cr_assert_eq(fake.wake_ns, 1010);
    start(&a, 'a', 30);
    cr_assert_eq(fake.wake_ns, 1020);
    timer_stop(&fake.base, &b.timer);
    cr_assert_eq(fake.wake_ns, 1030);
    timer_stop(&fake.base, &a.timer);
    cr_assert_eq(fake.wake_ns, UINT64_MAX);
    timer_stop(&fake.base, &a.timer);
    fire_at(5000);
    cr_assert_str_empty(fired);
}

Test(base_runtime, a_delay_that_overflows_is_never_due) {
    struct node a = {0};
    start(&a, 'a', UINT64_MAX);
    cr_assert_eq(a.timer.due_ns, UINT64_MAX);
    fire_at(UINT64_MAX - 1);
    cr_assert_str_empty(fired);
}

static void on_fire_restart(struct timer *timer) {
    on_fire(timer);
    timer_start(&fake.base, timer, 0, on_fire_restart, NULL);
}

Test(base_runtime, a_timer_restarted_inside_fire_waits_for_the_next_turn) {
    struct node a = {.letter = 'a'}, b = {0};
    timer_start(&fake.base, &a.timer, 10, on_fire_restart, NULL);
    start(&b, 'b', 10);
    fire_at(1010);
    cr_assert_str_eq(fired, "ab");
    cr_assert(timer_is_active(&a.timer));
    cr_assert_eq(fake.wake_ns, 1010);
    fire_at(1010);
    cr_assert_str_eq(fired, "aba");
    timer_stop(&fake.base, &a.timer);
}

static struct node *victim;

static void on_fire_stop_other(struct timer *timer) {
    on_fire(timer);
    timer_stop(&fake.base, &victim->timer);
    timer_stop(&fake.base, timer);
}

Test(base_runtime, a_due_timer_stopped_inside_fire_does_not_fire) {
    struct node a = {.letter = 'a'}, b = {0}, c = {0};
    victim = &b;
    timer_start(&fake.base, &a.timer, 10, on_fire_stop_other, NULL);
    start(&b, 'b', 10);
    start(&c, 'c', 10);
    fire_at(1010);
    cr_assert_str_eq(fired, "ac");
}

static void on_fire_free(struct timer *timer) {
    on_fire(timer);
    mem_free(CONTAINER_OF(timer, struct node, timer));
}

Test(base_runtime, the_owner_may_be_freed_inside_fire) {
    struct node *owner = mem_alloc(sizeof(*owner)), b = {0};
    owner->letter = 'a';
    timer_start(&fake.base, &owner->timer, 1, on_fire_free, NULL);
    start(&b, 'b', 1);
    fire_at(1001);
    cr_assert_str_eq(fired, "ab");
}

Test(base_runtime, ctx_and_fire_are_those_of_the_last_start) {
    struct node a = {0};
    int first, second;
    start(&a, 'a', 5);
    timer_start(&fake.base, &a.timer, 5, on_fire_restart, &first);
    timer_start(&fake.base, &a.timer, 5, on_fire, &second);
    cr_assert_eq(a.timer.ctx, &second);
    fire_at(1005);
    cr_assert_not(timer_is_active(&a.timer));
}

static int compare_due(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t dues[2000];
static size_t due_count;

static void on_fire_record(struct timer *timer) {
    dues[due_count++] = timer->due_ns;
}

Test(base_runtime, many_random_starts_moves_and_stops_fire_sorted) {
    static struct timer timers[1000];
    memset(timers, 0, sizeof(timers));
    due_count = 0;
    for (int i = 0; i < 5000; i++) {
        struct timer *timer = &timers[runtime_random(&fake.base) % ARRAY_LEN(timers)];
        if (runtime_random(&fake.base) % 4 == 0)
            timer_stop(&fake.base, timer);
        else
            timer_start(&fake.base, timer, runtime_random(&fake.base) % 300, on_fire_record, NULL);
    }
    uint64_t expected[1000];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
        if (timer_is_active(&timers[i]))
            expected[count++] = timers[i].due_ns;
    }
    qsort(expected, count, sizeof(*expected), compare_due);
    cr_assert_eq(fake.base.heap_count, count);
    fire_at(2000);
    cr_assert_eq(due_count, count);
    cr_assert_eq(memcmp(dues, expected, count * sizeof(*expected)), 0);
}

Test(base_runtime, release_stops_the_timers) {
    struct node a = {0};
    start(&a, 'a', 5);
    runtime_release(&fake.base);
    cr_assert_not(timer_is_active(&a.timer));
}

Test(base_runtime, random_is_the_seeds_own_sequence) {
    struct runtime same_a, same_b, other;
    runtime_init(&same_a, &fake_ops, 7);
    runtime_init(&same_b, &fake_ops, 7);
    runtime_init(&other, &fake_ops, 8);
    int differing = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t value = runtime_random(&same_a);
        cr_assert_eq(value, runtime_random(&same_b));
        differing += value != runtime_random(&other);
    }
    cr_assert_geq(differing, 99);
}

Test(base_runtime, jitter_covers_its_range_evenly_and_never_leaves_it) {
    int counts[11] = {0};
    for (int i = 0; i < 11000; i++) {
        uint64_t value = runtime_jitter(&fake.base, 10);
        cr_assert_leq(value, 10);
        counts[value]++;
    }
    for (int i = 0; i <= 10; i++)
        cr_assert(counts[i] > 800 && counts[i] < 1200, "%d came %d times", i, counts[i]);
    cr_assert_eq(runtime_jitter(&fake.base, 0), 0);
    cr_assert_neq(runtime_jitter(&fake.base, UINT64_MAX), runtime_jitter(&fake.base, UINT64_MAX));
}
