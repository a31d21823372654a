/*
 * Time, chance and threads: the only door to them. The production loop runs unchanged on the libuv runtime
 * (runtime_uv.h), on the same with time sped up, and on the virtual runtime (runtime_virtual.h) of the simulation and
 * the backtest.
 *
 * Two clocks: monotonic for delays and leases, wall for schedules, display and what clouds stamp. Everything that runs
 * here runs on the loop thread, except work.run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_RUNTIME_H
#define TRIMTAB_BASE_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct runtime;
struct timer;
struct work;

typedef void timer_fn(struct timer *timer);

/* Embedded in its owner; zeroed is stopped. Starting a started timer moves it. Stop before the owner is freed. */
struct timer {
    timer_fn *fire; /* Set by timer_start; called once per start, never from inside timer_start. */
    void *ctx;
    uint64_t due_ns;
    uint64_t sequence; /* Equal times fire in order of starting. */
    size_t heap_index; /* 1-based; 0: stopped. */
};

/* A pure function on another thread (virtual runtime: inline, before the next timer). Embedded in its owner, which must
 * live until done; there is no cancel: the owner marks itself stale and lets it finish. */
struct work {
    void (*run)(struct work *work);  /* Any thread. */
    void (*done)(struct work *work); /* Loop thread. */
    void *ctx;
    struct runtime *runtime;
    void *impl;
};

struct runtime_ops {
    uint64_t (*mono_ns)(struct runtime *rt);
    int64_t (*wall_ms)(struct runtime *rt);               /* Unix milliseconds, UTC. */
    void (*wake_at)(struct runtime *rt, uint64_t due_ns); /* The earliest timer changed; UINT64_MAX: none. */
    void (*submit)(struct runtime *rt, struct work *work);
};

struct runtime { /* Embedded as the first member of an implementation. */
    const struct runtime_ops *ops;
    struct timer **heap;
    size_t heap_count, heap_capacity;
    uint64_t sequence;
    uint64_t random_state[4]; /* xoshiro256**; seeded by the implementation. */
};

uint64_t runtime_mono_ns(struct runtime *rt);
int64_t runtime_wall_ms(struct runtime *rt);
uint64_t runtime_random(struct runtime *rt);                  /* Not for secrets. */
uint64_t runtime_jitter(struct runtime *rt, uint64_t amount); /* Uniform in [0, amount]. */
void runtime_work(struct runtime *rt, struct work *work);

void timer_start(struct runtime *rt, struct timer *timer, uint64_t delay_ns, timer_fn *fire, void *ctx);
void timer_stop(struct runtime *rt, struct timer *timer);
static inline bool timer_is_active(const struct timer *timer) {
    return timer->heap_index != 0;
}

/* For implementations. */
void runtime_init(struct runtime *rt, const struct runtime_ops *ops, uint64_t seed);
void runtime_release(struct runtime *rt);
/* Fires what is due, in order, but nothing that was started meanwhile; then wake_at for the rest. */
void runtime_fire_due(struct runtime *rt, uint64_t now_ns);
/* Fires the earliest timer if it is due and its sequence is not above sequence_max; false if it did not. Leaves the
 * wake-up to the caller. */
bool runtime_fire_next(struct runtime *rt, uint64_t now_ns, uint64_t sequence_max);

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

#endif
