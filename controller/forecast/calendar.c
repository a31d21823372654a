/*
 * A sweep over the slots with one cursor an event. What lies between two moments at which some event begins or ends has
 * one factor; a slot that such a moment cuts gets the mean of its parts, weighted by their length.
 *
 *     sale       ______|#########|_______________        x3
 *     batch      ____________|##############|____        x1.5
 *     slots      |    1    |    2    |    3    |
 *     factor 2 = (2 x 3 + 4 x 4.5 + 4 x 1.5) / 10, the parts being 2, 4 and 4 long
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forecast/calendar.h"

#include <math.h>

#include "base/error.h"

struct cursor {
    const struct policy_event *event;
    double factor;
    int64_t open_ms, close_ms; /* When it is in force next, [open, close); INT64_MAX: not again. */
};

static int64_t event_next(const struct policy_event *event, int64_t from_ms) {
    if (event->recurs)
        return schedule_next(&event->schedule, from_ms);
    return event->start_ms >= from_ms ? event->start_ms : INT64_MAX;
}

/* To the first start from from_ms on; later starts that come before its end lengthen it. */
static void cursor_move(struct cursor *c, int64_t from_ms, int64_t end_ms) {
    c->open_ms = c->close_ms = event_next(c->event, from_ms);
    for (int64_t next = c->open_ms; next <= c->close_ms && next < end_ms; next = event_next(c->event, next + 1))
        c->close_ms = next + c->event->duration_ms;
}

/* The mean factor over [from, to); cursors move along. end: nothing is asked about beyond. */
static double slot_factor(struct cursor *cursors, size_t count, int64_t from_ms, int64_t to_ms, int64_t end_ms) {
    double sum = 0;
    for (int64_t at = from_ms, until; at < to_ms; at = until) {
        double factor = 1;
        until = to_ms;
        for (size_t i = 0; i < count; i++) {
            struct cursor *c = &cursors[i];
            if (c->close_ms <= at)
                cursor_move(c, c->close_ms, end_ms);
            bool is_open = c->open_ms <= at;
            int64_t change_ms = is_open ? c->close_ms : c->open_ms;
            factor *= is_open ? c->factor : 1;
            until = change_ms < until ? change_ms : until;
        }
        sum += factor * (double)(until - at);
    }
    return fmin(CALENDAR_FACTOR_MAX, fmax(1 / CALENDAR_FACTOR_MAX, sum / (double)(to_ms - from_ms)));
}

const float *calendar_factors(const struct policy *policy, int64_t start_ms, int64_t step_ms, size_t count,
                              struct arena *arena) {
    ASSERT(step_ms > 0);
    int64_t end_ms = start_ms + (int64_t)count * step_ms;
    struct cursor *cursors = arena_alloc_array(arena, policy->forecast.event_count + 1, sizeof(*cursors));
    size_t used = 0;
    for (size_t i = 0; i < policy->forecast.event_count; i++) {
        const struct policy_event *event = &policy->forecast.events[i];
        struct cursor *c = &cursors[used];
        *c = (struct cursor){.event = event, .factor = (double)event->factor_percent / 100};
        cursor_move(c, start_ms - event->duration_ms + 1, end_ms);
        used += c->open_ms < end_ms;
    }
    if (used == 0)
        return NULL;
    float *factors = arena_alloc_array(arena, count, sizeof(*factors));
    for (size_t i = 0; i < count; i++) {
        int64_t from_ms = start_ms + (int64_t)i * step_ms;
        factors[i] = (float)slot_factor(cursors, used, from_ms, from_ms + step_ms, end_ms);
    }
    return factors;
}
