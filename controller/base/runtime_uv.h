/*
 * The libuv runtime. With speed N both clocks run N times as fast as real time from the moment of init (a day in a
 * minute: 1440); delays shrink likewise. Network time-outs stay in real time (net/ uses libuv itself).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_RUNTIME_UV_H
#define TRIMTAB_BASE_RUNTIME_UV_H

#include <uv.h>

#include "base/runtime.h"

struct runtime_uv {
    struct runtime base;
    uv_loop_t *loop;
    uv_timer_t timer;
    uint64_t speed;         /* >= 1 */
    uint64_t origin_ns;     /* uv_hrtime at init */
    int64_t origin_wall_ms; /* Not used if is_wall_real. */
    bool is_wall_real;      /* Speed 1 and no start given: wall follows the system's clock, steps included. */
    bool closing;
};

/* wall_start_ms 0: the system's wall clock now. */
void runtime_uv_init(struct runtime_uv *rt, uv_loop_t *loop, uint64_t speed, int64_t wall_start_ms);
/* Stops the timer handle; work under way still finishes. Run the loop until it is empty, then runtime_uv_release. */
void runtime_uv_close(struct runtime_uv *rt);
void runtime_uv_release(struct runtime_uv *rt);

#endif
