/*
 * The virtual runtime: the clock is a number, and a step is either all queued work or one timer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/runtime_virtual.h"

#include "base/mem.h"

static struct runtime_virtual *runtime_virtual_of(struct runtime *rt) {
    return CONTAINER_OF(rt, struct runtime_virtual, base);
}

static uint64_t virtual_mono_ns(struct runtime *base) {
    return runtime_virtual_of(base)->now_ns;
}

static int64_t virtual_wall_ms(struct runtime *base) {
    const struct runtime_virtual *rt = runtime_virtual_of(base);
    return rt->wall_origin_ms + (int64_t)(rt->now_ns / NS_PER_MS);
}

static void virtual_wake_at(struct runtime *base, uint64_t due_ns) {
    (void)base; /* Whoever steps looks at the heap itself. */
    (void)due_ns;
}

static void virtual_submit(struct runtime *base, struct work *work) {
    struct runtime_virtual *rt = runtime_virtual_of(base);
    if (rt->queue_count == rt->queue_capacity) {
        size_t capacity = rt->queue_capacity > 0 ? rt->queue_capacity * 2 : 16;
        rt->queue = (struct work **)mem_grow((void *)rt->queue, rt->queue_capacity, capacity, sizeof(*rt->queue));
        rt->queue_capacity = capacity;
    }
    rt->queue[rt->queue_count++] = work;
}

static const struct runtime_ops virtual_ops = {
    .mono_ns = virtual_mono_ns,
    .wall_ms = virtual_wall_ms,
    .wake_at = virtual_wake_at,
    .submit = virtual_submit,
};

void runtime_virtual_init(struct runtime_virtual *rt, uint64_t seed, int64_t wall_origin_ms) {
    *rt = (struct runtime_virtual){.wall_origin_ms = wall_origin_ms};
    runtime_init(&rt->base, &virtual_ops, seed);
}

void runtime_virtual_release(struct runtime_virtual *rt) {
    mem_free((void *)rt->queue); /* Work may still be queued: that is how a simulated crash ends. */
    rt->queue = NULL;
    rt->queue_count = rt->queue_capacity = 0;
    runtime_release(&rt->base);
}

/* done() may submit again: that is appended, perhaps to an array that has moved, and runs in the same pass. */
static bool run_queue(struct runtime_virtual *rt) {
    size_t i = 0;
    for (; i < rt->queue_count; i++) {
        struct work *work = rt->queue[i];
        work->run(work);
        work->done(work);
    }
    rt->queue_count = 0;
    return i > 0;
}

bool runtime_virtual_step(struct runtime_virtual *rt, uint64_t until_ns) {
    bool has_worked = run_queue(rt);
    if (rt->base.heap_count == 0 || rt->base.heap[0]->due_ns > until_ns)
        return has_worked;
    uint64_t due_ns = rt->base.heap[0]->due_ns;
    if (due_ns > rt->now_ns)
        rt->now_ns = due_ns;
    return runtime_fire_next(&rt->base, rt->now_ns, UINT64_MAX);
}

void runtime_virtual_run_until(struct runtime_virtual *rt, uint64_t until_ns) {
    while (runtime_virtual_step(rt, until_ns))
        continue;
    if (until_ns > rt->now_ns)
        rt->now_ns = until_ns;
}
