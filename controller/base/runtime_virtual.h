/*
 * The virtual runtime: time stands still until told to advance; work runs inline; same seed, same run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_RUNTIME_VIRTUAL_H
#define TRIMTAB_BASE_RUNTIME_VIRTUAL_H

#include "base/runtime.h"

struct runtime_virtual {
    struct runtime base;
    uint64_t now_ns;
    int64_t wall_origin_ms; /* wall = wall_origin_ms + now_ns / 1e6; tests step it to simulate a clock change. */
    struct work **queue;    /* Submitted, not yet run. */
    size_t queue_count, queue_capacity;
};

void runtime_virtual_init(struct runtime_virtual *rt, uint64_t seed, int64_t wall_origin_ms);
void runtime_virtual_release(struct runtime_virtual *rt);
/* Runs queued work, then the next timer if it is due by until_ns (time jumps to it). False: nothing left before
 * until_ns. */
bool runtime_virtual_step(struct runtime_virtual *rt, uint64_t until_ns);
/* Steps until until_ns and leaves the clock there. */
void runtime_virtual_run_until(struct runtime_virtual *rt, uint64_t until_ns);

#endif
