/*
 * The libuv runtime: one uv_timer that stands for the earliest timer of the heap, uv_queue_work for threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/runtime_uv.h"

#include <time.h>

#include "base/error.h"
#include "base/mem.h"

static struct runtime_uv *runtime_uv_of(struct runtime *rt) {
    return CONTAINER_OF(rt, struct runtime_uv, base);
}

static int64_t system_wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t elapsed_ns(const struct runtime_uv *rt) {
    return (uv_hrtime() - rt->origin_ns) * rt->speed;
}

static uint64_t uv_mono_ns(struct runtime *base) {
    const struct runtime_uv *rt = runtime_uv_of(base);
    return rt->origin_ns + elapsed_ns(rt);
}

static int64_t uv_wall_ms(struct runtime *base) {
    const struct runtime_uv *rt = runtime_uv_of(base);
    return rt->is_wall_real ? system_wall_ms() : rt->origin_wall_ms + (int64_t)(elapsed_ns(rt) / NS_PER_MS);
}

static void on_uv_timer(uv_timer_t *handle) {
    struct runtime_uv *rt = handle->data;
    runtime_fire_due(&rt->base, uv_mono_ns(&rt->base));
}

static void uv_wake_at(struct runtime *base, uint64_t due_ns) {
    struct runtime_uv *rt = runtime_uv_of(base);
    if (rt->closing)
        return;
    if (due_ns == UINT64_MAX) {
        uv_timer_stop(&rt->timer);
        return;
    }
    uint64_t now_ns = uv_mono_ns(base);
    uint64_t delay_ns = due_ns > now_ns ? (due_ns - now_ns) / rt->speed : 0;
    uint64_t delay_ms = delay_ns / NS_PER_MS + (delay_ns % NS_PER_MS != 0 || (delay_ns == 0 && due_ns > now_ns));
    uv_update_time(rt->loop); /* The loop's idea of now may be old by as long as the current callback has run. */
    int rc = uv_timer_start(&rt->timer, on_uv_timer, delay_ms, 0);
    ASSERT(rc == 0);
}

static void on_uv_work(uv_work_t *request) {
    struct work *work = request->data;
    work->run(work);
}

static void on_uv_work_done(uv_work_t *request, int status) {
    struct work *work = request->data;
    ASSERT(status == 0); /* We never cancel. */
    work->impl = NULL;
    mem_free(request);
    work->done(work);
}

static void uv_submit(struct runtime *base, struct work *work) {
    uv_work_t *request = mem_alloc(sizeof(*request));
    request->data = work;
    work->impl = request;
    int rc = uv_queue_work(runtime_uv_of(base)->loop, request, on_uv_work, on_uv_work_done);
    ASSERT(rc == 0);
}

static const struct runtime_ops uv_ops = {
    .mono_ns = uv_mono_ns,
    .wall_ms = uv_wall_ms,
    .wake_at = uv_wake_at,
    .submit = uv_submit,
};

void runtime_uv_init(struct runtime_uv *rt, uv_loop_t *loop, uint64_t speed, int64_t wall_start_ms) {
    ASSERT(speed >= 1);
    *rt = (struct runtime_uv){.loop = loop, .speed = speed, .origin_ns = uv_hrtime()};
    rt->is_wall_real = speed == 1 && wall_start_ms == 0;
    rt->origin_wall_ms = wall_start_ms != 0 ? wall_start_ms : system_wall_ms();
    uint64_t seed;
    if (uv_random(NULL, NULL, &seed, sizeof(seed), 0, NULL) != 0)
        seed = rt->origin_ns ^ (uint64_t)system_wall_ms();
    runtime_init(&rt->base, &uv_ops, seed);
    int rc = uv_timer_init(loop, &rt->timer);
    ASSERT(rc == 0);
    rt->timer.data = rt;
}

void runtime_uv_close(struct runtime_uv *rt) {
    ASSERT(!rt->closing);
    rt->closing = true;
    uv_close((uv_handle_t *)&rt->timer, NULL);
}

void runtime_uv_release(struct runtime_uv *rt) {
    ASSERT(rt->closing);
    runtime_release(&rt->base);
}
