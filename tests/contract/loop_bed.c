/*
 * A loop for the contract's beds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop_bed.h"

#include <criterion/criterion.h>

#include "base/mem.h"

#define TICK_MS 2
#define TICKS_MAX 30000 /* A minute: a list of 5000 pages under sanitizers. */
#define WAIT_MS_MAX 20

static void on_tick(uv_timer_t *timer) {
    ((struct loop_bed *)timer->data)->ticks++;
}

void loop_bed_init(struct loop_bed *self) {
    uv_loop_init(&self->loop);
    uv_timer_init(&self->loop, &self->tick);
    self->tick.data = self;
    uv_timer_start(&self->tick, on_tick, TICK_MS, TICK_MS);
    runtime_uv_init(&self->runtime, &self->loop, 1, 0);
    self->http = http_new(&self->loop, &(struct http_options){.user_agent = "trimtab-contract"});
}

bool loop_bed_pump(struct contract_bed *bed, const bool *until) {
    struct loop_bed *self = CONTAINER_OF(bed, struct loop_bed, bed);
    int end = self->ticks + TICKS_MAX;
    while (!*until && self->ticks < end)
        uv_run(&self->loop, UV_RUN_ONCE);
    return *until;
}

void loop_bed_wait(struct contract_bed *bed, uint32_t time_ms) {
    struct loop_bed *self = CONTAINER_OF(bed, struct loop_bed, bed);
    int end = self->ticks + (int)(time_ms < WAIT_MS_MAX ? time_ms : WAIT_MS_MAX) / TICK_MS + 1;
    while (self->ticks < end)
        uv_run(&self->loop, UV_RUN_ONCE);
}

void loop_bed_settle(struct contract_bed *bed) {
    loop_bed_wait(bed, TICK_MS);
}

static void on_closed(void *ctx) {
    *(bool *)ctx = true;
}

void loop_bed_close_adapter(struct contract_bed *bed, struct adapter *adapter) {
    bool closed = false;
    adapter->ops->close(adapter, on_closed, &closed);
    cr_assert(loop_bed_pump(bed, &closed));
}

void loop_bed_release(struct loop_bed *self) {
    bool closed = false;
    if (self->bed.adapter != NULL)
        loop_bed_close_adapter(&self->bed, self->bed.adapter);
    for (size_t i = 0; i < self->other_count; i++)
        loop_bed_close_adapter(&self->bed, self->others[i]);
    http_close(self->http, on_closed, &closed);
    cr_assert(loop_bed_pump(&self->bed, &closed));
    http_free(self->http);
    runtime_uv_close(&self->runtime);
    uv_close((uv_handle_t *)&self->tick, NULL);
}

void loop_bed_end(struct loop_bed *self) {
    uv_run(&self->loop, UV_RUN_DEFAULT);
    runtime_uv_release(&self->runtime);
    cr_assert_eq(uv_loop_close(&self->loop), 0);
}
