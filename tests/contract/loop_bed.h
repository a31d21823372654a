/*
 * The part of a bed that every adapter over a network has: a real loop, an HTTP client, and the adapters that were
 * opened in them. The first member of a factory's own rig.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_CONTRACT_LOOP_BED_H
#define TRIMTAB_TESTS_CONTRACT_LOOP_BED_H

#include "contract.h"

#include "base/runtime_uv.h"
#include "net/http.h"

#define LOOP_BED_OTHERS_MAX 8

struct loop_bed {
    struct contract_bed bed; /* Must be first. */
    uv_loop_t loop;
    uv_timer_t tick; /* What is set by a timer is seen so soon, since a turn of the loop waits for events. */
    int ticks;
    struct runtime_uv runtime;
    struct http *http;
    struct adapter *others[LOOP_BED_OTHERS_MAX]; /* Closed at the end. */
    size_t other_count;
};

void loop_bed_init(struct loop_bed *self);
/* contract_factory.pump, settle and wait. */
bool loop_bed_pump(struct contract_bed *bed, const bool *until);
void loop_bed_settle(struct contract_bed *bed);
void loop_bed_wait(struct contract_bed *bed, uint32_t time_ms); /* At most 20 ms: a test's cloud is quick. */
void loop_bed_close_adapter(struct contract_bed *bed, struct adapter *adapter);
/* Closes what is open but the loop, in which the rig's own handles may still be: then it closes them, and calls end. */
void loop_bed_release(struct loop_bed *self);
void loop_bed_end(struct loop_bed *self);

#endif
