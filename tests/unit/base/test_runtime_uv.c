/*
 * The libuv runtime on a real loop: order, speed, work on threads, closing. Real time, a few milliseconds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/runtime_uv.h"

static uv_loop_t loop;
static struct runtime_uv rt;
static char trace[64];

static void open_runtime(uint64_t speed, int64_t wall_start_ms) {
    cr_assert_eq(uv_loop_init(&loop), 0);
    runtime_uv_init(&rt, &loop, speed, wall_start_ms);
    memset(trace, 0, sizeof(trace));
}

static void close_runtime(void) {
    if (!rt.closing)
        runtime_uv_close(&rt);
    uv_run(&loop, UV_RUN_DEFAULT);
    runtime_uv_release(&rt);
    cr_assert_eq(uv_loop_close(&loop), 0, "a handle is left open");
}

static void on_fire(struct timer *timer) {
    cr_assert_geq(runtime_mono_ns(&rt.base), timer->due_ns, "never early");
    trace[strlen(trace)] = *(const char *)timer->ctx;
}

static char names[] = "abc";

Test(base_runtime_uv, timers_fire_in_order_and_the_loop_ends) {
    struct timer a = {0}, b = {0}, c = {0};
    open_runtime(1, 0);
    timer_start(&rt.base, &b, 4 * NS_PER_MS, on_fire, names + 1);
    timer_start(&rt.base, &c, 8 * NS_PER_MS, on_fire, names + 2);
    timer_start(&rt.base, &a, 0, on_fire, names);
    cr_assert_str_empty(trace, "never from inside timer_start");
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert_str_eq(trace, "abc");
    close_runtime();
}

Test(base_runtime_uv, a_stopped_timer_does_not_keep_the_loop_alive) {
    struct timer a = {0};
    open_runtime(1, 0);
    timer_start(&rt.base, &a, 3600 * NS_PER_S, on_fire, names);
    timer_stop(&rt.base, &a);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert_str_empty(trace);
    close_runtime();
}

Test(base_runtime_uv, speed_runs_both_clocks_and_timers) {
    struct timer a = {0};
    open_runtime(1440 * 60, INT64_C(1700000000000));
    uint64_t real_ns = uv_hrtime(), mono_ns = runtime_mono_ns(&rt.base);
    timer_start(&rt.base, &a, 600 * NS_PER_S, on_fire, names); /* 7 ms of real time */
    uv_run(&loop, UV_RUN_DEFAULT);
    uint64_t virtual_ns = runtime_mono_ns(&rt.base) - mono_ns;
    uint64_t passed_ns = uv_hrtime() - real_ns;
    int64_t wall_ms = runtime_wall_ms(&rt.base) - INT64_C(1700000000000);
    cr_assert_str_eq(trace, "a");
    cr_assert_geq(virtual_ns, 600 * NS_PER_S);
    cr_assert_leq(virtual_ns / (1440 * 60), passed_ns);
    cr_assert_geq(passed_ns, 6 * NS_PER_MS);
    cr_assert_geq(wall_ms, 600 * 1000);
    close_runtime();
}

Test(base_runtime_uv, wall_follows_the_system_at_speed_1) {
    open_runtime(1, 0);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t difference = runtime_wall_ms(&rt.base) - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    cr_assert(difference >= 0 && difference < 5000, "off by %ld ms", (long)difference);
    close_runtime();
}

Test(base_runtime_uv, a_given_start_of_the_wall_clock_counts_at_speed_1_too) {
    open_runtime(1, 5000);
    int64_t wall_ms = runtime_wall_ms(&rt.base);
    cr_assert(wall_ms >= 5000 && wall_ms < 10000, "%ld", (long)wall_ms);
    close_runtime();
}

struct job {
    struct work work;
    pthread_t ran_on;
    int result, done_count;
};

static void job_run(struct work *work) {
    struct job *job = CONTAINER_OF(work, struct job, work);
    job->ran_on = pthread_self();
    job->result = 42;
}

static void job_done(struct work *work) {
    struct job *job = CONTAINER_OF(work, struct job, work);
    cr_assert_eq(job->result, 42);
    cr_assert_not(pthread_equal(job->ran_on, pthread_self()));
    job->done_count++;
}

Test(base_runtime_uv, work_runs_on_another_thread_and_is_done_once_on_the_loop) {
    struct job jobs[20];
    open_runtime(1, 0);
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i] = (struct job){.work = {.run = job_run, .done = job_done}};
        runtime_work(&rt.base, &jobs[i].work);
        cr_assert_eq(jobs[i].done_count, 0);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        cr_assert_eq(jobs[i].done_count, 1);
    close_runtime();
}

Test(base_runtime_uv, work_submitted_around_closing_still_finishes_but_timers_do_not_fire) {
    struct job before = {.work = {.run = job_run, .done = job_done}}, after = before;
    struct timer timer = {0};
    open_runtime(1, 0);
    timer_start(&rt.base, &timer, 0, on_fire, names);
    runtime_work(&rt.base, &before.work);
    runtime_uv_close(&rt);
    runtime_work(&rt.base, &after.work);
    timer_start(&rt.base, &timer, 0, on_fire, names);
    close_runtime();
    cr_assert_eq(before.done_count, 1);
    cr_assert_eq(after.done_count, 1);
    cr_assert_str_empty(trace);
    cr_assert_not(timer_is_active(&timer));
}
