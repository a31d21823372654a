/*
 * The virtual runtime: time jumps from timer to timer, work runs before the next of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "base/runtime_virtual.h"

#define WALL INT64_C(1000000000000)

static struct runtime_virtual rt;
static char trace[256];

static void note(char letter) {
    trace[strlen(trace)] = letter;
}

static void setup(void) {
    runtime_virtual_init(&rt, 42, WALL);
    memset(trace, 0, sizeof(trace));
}

static void teardown(void) {
    runtime_virtual_release(&rt);
}

TestSuite(base_runtime_virtual, .init = setup, .fini = teardown);

static void on_run(struct work *work) {
    (void)work;
    note('r');
}

static void on_done(struct work *work) {
    (void)work;
    note('d');
}

static void on_done_resubmit(struct work *work) {
    note('D');
    work->done = on_done;
    runtime_work(work->runtime, work);
}

static struct work work_a = {.run = on_run, .done = on_done};

static void on_fire_a(struct timer *timer) {
    (void)timer;
    note('a');
    runtime_work(&rt.base, &work_a);
}

static void on_fire_b(struct timer *timer) {
    (void)timer;
    note('b');
}

Test(base_runtime_virtual, time_stands_until_a_step_and_jumps_to_the_timer) {
    struct timer timer = {0};
    timer_start(&rt.base, &timer, 90 * NS_PER_S, on_fire_b, NULL);
    cr_assert_eq(runtime_mono_ns(&rt.base), 0);
    cr_assert_not(runtime_virtual_step(&rt, 90 * NS_PER_S - 1));
    cr_assert_eq(runtime_mono_ns(&rt.base), 0);
    cr_assert(runtime_virtual_step(&rt, 100 * NS_PER_S));
    cr_assert_eq(runtime_mono_ns(&rt.base), 90 * NS_PER_S);
    cr_assert_eq(runtime_wall_ms(&rt.base), WALL + 90000);
    cr_assert_not(runtime_virtual_step(&rt, 100 * NS_PER_S));
    cr_assert_str_eq(trace, "b");
}

Test(base_runtime_virtual, a_step_of_the_wall_clock_leaves_timers_alone) {
    struct timer timer = {0};
    timer_start(&rt.base, &timer, NS_PER_S, on_fire_b, NULL);
    rt.wall_origin_ms -= 3600000;
    runtime_virtual_run_until(&rt, NS_PER_S);
    cr_assert_str_eq(trace, "b");
    cr_assert_eq(runtime_wall_ms(&rt.base), WALL - 3600000 + 1000);
}

Test(base_runtime_virtual, work_runs_before_the_next_timer_even_at_the_same_time) {
    struct timer a = {0}, b = {0};
    timer_start(&rt.base, &a, 5, on_fire_a, NULL);
    timer_start(&rt.base, &b, 5, on_fire_b, NULL);
    runtime_virtual_run_until(&rt, 5);
    cr_assert_str_eq(trace, "ardb");
}

Test(base_runtime_virtual, submit_never_runs_work_inside_itself) {
    runtime_work(&rt.base, &work_a);
    cr_assert_str_empty(trace);
    cr_assert(runtime_virtual_step(&rt, 0));
    cr_assert_str_eq(trace, "rd");
    cr_assert_not(runtime_virtual_step(&rt, 0));
}

Test(base_runtime_virtual, done_may_submit_again) {
    struct work work = {.run = on_run, .done = on_done_resubmit};
    runtime_work(&rt.base, &work);
    runtime_virtual_run_until(&rt, 0);
    cr_assert_str_eq(trace, "rDrd");
}

Test(base_runtime_virtual, run_until_leaves_the_clock_there) {
    runtime_virtual_run_until(&rt, 77);
    cr_assert_eq(runtime_mono_ns(&rt.base), 77);
    runtime_virtual_run_until(&rt, 50);
    cr_assert_eq(runtime_mono_ns(&rt.base), 77);
}

static void on_fire_chain(struct timer *timer) {
    note('c');
    timer_start(&rt.base, timer, 10, on_fire_chain, NULL);
}

Test(base_runtime_virtual, a_periodic_timer_fires_at_each_of_its_times) {
    struct timer timer = {0};
    timer_start(&rt.base, &timer, 10, on_fire_chain, NULL);
    runtime_virtual_run_until(&rt, 55);
    cr_assert_str_eq(trace, "ccccc");
    cr_assert_eq(timer.due_ns, 60);
}

Test(base_runtime_virtual, release_drops_queued_work) {
    runtime_work(&rt.base, &work_a);
    runtime_virtual_release(&rt);
    cr_assert_str_empty(trace);
}
