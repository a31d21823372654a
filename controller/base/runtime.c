/*
 * What all runtimes share: the heap of timers, ordered by (due, sequence), and the random numbers. An implementation
 * adds the clocks, the wake-up and the threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/runtime.h"

#include "base/error.h"
#include "base/mem.h"

uint64_t runtime_mono_ns(struct runtime *rt) {
    return rt->ops->mono_ns(rt);
}

int64_t runtime_wall_ms(struct runtime *rt) {
    return rt->ops->wall_ms(rt);
}

void runtime_work(struct runtime *rt, struct work *work) {
    ASSERT(work->run && work->done);
    work->runtime = rt;
    rt->ops->submit(rt, work);
}

/* splitmix64: spreads a seed of few bits over the whole state. */
static uint64_t seed_next(uint64_t *seed) {
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void runtime_init(struct runtime *rt, const struct runtime_ops *ops, uint64_t seed) {
    *rt = (struct runtime){.ops = ops};
    for (int i = 0; i < 4; i++)
        rt->random_state[i] = seed_next(&seed);
}

void runtime_release(struct runtime *rt) {
    for (size_t i = 0; i < rt->heap_count; i++)
        rt->heap[i]->heap_index = 0;
    mem_free((void *)rt->heap);
    rt->heap = NULL;
    rt->heap_count = rt->heap_capacity = 0;
}

static uint64_t rotate_left(uint64_t x, int bits) {
    return (x << bits) | (x >> (64 - bits));
}

uint64_t runtime_random(struct runtime *rt) {
    uint64_t *s = rt->random_state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t runtime_jitter(struct runtime *rt, uint64_t amount) {
    if (amount == UINT64_MAX)
        return runtime_random(rt);
    uint64_t range = amount + 1;
    uint64_t unfair = -range % range; /* The first 2^64 mod range values would make some results more likely. */
    uint64_t value;
    do
        value = runtime_random(rt);
    while (value < unfair);
    return value % range;
}

static bool timer_is_before(const struct timer *a, const struct timer *b) {
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->sequence < b->sequence;
}

/* Indices are 1-based: the parent of i is i / 2. */
static void heap_place(struct runtime *rt, size_t index, struct timer *timer) {
    rt->heap[index - 1] = timer;
    timer->heap_index = index;
}

static void heap_sift(struct runtime *rt, size_t index, struct timer *timer) {
    while (index > 1 && timer_is_before(timer, rt->heap[index / 2 - 1])) {
        heap_place(rt, index, rt->heap[index / 2 - 1]);
        index /= 2;
    }
    for (size_t child; (child = index * 2) <= rt->heap_count; index = child) {
        if (child < rt->heap_count && timer_is_before(rt->heap[child], rt->heap[child - 1]))
            child++;
        if (!timer_is_before(rt->heap[child - 1], timer))
            break;
        heap_place(rt, index, rt->heap[child - 1]);
    }
    heap_place(rt, index, timer);
}

static void heap_remove(struct runtime *rt, struct timer *timer) {
    size_t index = timer->heap_index;
    ASSERT(index >= 1 && index <= rt->heap_count && rt->heap[index - 1] == timer);
    struct timer *last = rt->heap[--rt->heap_count];
    timer->heap_index = 0;
    if (last != timer)
        heap_sift(rt, index, last);
}

static void wake_for_earliest(struct runtime *rt) {
    rt->ops->wake_at(rt, rt->heap_count > 0 ? rt->heap[0]->due_ns : UINT64_MAX);
}

void timer_start(struct runtime *rt, struct timer *timer, uint64_t delay_ns, timer_fn *fire, void *ctx) {
    ASSERT(fire);
    bool was_earliest = timer->heap_index == 1;
    if (timer->heap_index != 0)
        heap_remove(rt, timer);
    uint64_t now_ns = runtime_mono_ns(rt);
    timer->fire = fire;
    timer->ctx = ctx;
    timer->due_ns = delay_ns < UINT64_MAX - now_ns ? now_ns + delay_ns : UINT64_MAX;
    timer->sequence = ++rt->sequence;
    if (rt->heap_count == rt->heap_capacity) {
        size_t capacity = rt->heap_capacity > 0 ? rt->heap_capacity * 2 : 16;
        rt->heap = (struct timer **)mem_grow((void *)rt->heap, rt->heap_capacity, capacity, sizeof(*rt->heap));
        rt->heap_capacity = capacity;
    }
    rt->heap_count++;
    heap_sift(rt, rt->heap_count, timer);
    if (was_earliest || timer->heap_index == 1)
        wake_for_earliest(rt);
}

void timer_stop(struct runtime *rt, struct timer *timer) {
    if (timer->heap_index == 0)
        return;
    bool was_earliest = timer->heap_index == 1;
    heap_remove(rt, timer);
    if (was_earliest)
        wake_for_earliest(rt);
}

bool runtime_fire_next(struct runtime *rt, uint64_t now_ns, uint64_t sequence_max) {
    if (rt->heap_count == 0)
        return false;
    struct timer *timer = rt->heap[0];
    if (timer->due_ns > now_ns || timer->sequence > sequence_max)
        return false;
    heap_remove(rt, timer);
    timer->fire(timer); /* May free the timer's owner, start and stop any timer. */
    return true;
}

void runtime_fire_due(struct runtime *rt, uint64_t now_ns) {
    /* What a fired timer starts with no delay waits for the next turn, else I/O could be starved. */
    uint64_t sequence_max = rt->sequence;
    while (runtime_fire_next(rt, now_ns, sequence_max))
        continue;
    wake_for_earliest(rt);
}
