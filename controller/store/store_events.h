/*
 * events.k8s.io/v1 Events: an Event that repeats within ten minutes becomes a series of the first, by a patch that is
 * itself sent at most twice a minute. A bounded table remembers the last ones; nothing else is kept.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_STORE_STORE_EVENTS_H
#define TRIMTAB_STORE_STORE_EVENTS_H

#include "store/store.h"

#define STORE_EVENTS_REMEMBERED 256

struct store_events {
    char *instance;
    struct store_event_series {
        uint64_t hash;
        char *path; /* Of the Event. */
        int64_t first_ms, patched_ms;
        int64_t count;
    } series[STORE_EVENTS_REMEMBERED];
    size_t next;
};

enum store_events_action { STORE_EVENTS_DROP, STORE_EVENTS_CREATE, STORE_EVENTS_PATCH };

void store_events_init(struct store_events *events, const char *instance);
void store_events_release(struct store_events *events);
/* Path and body of the request to send. `random` makes the name unique. */
enum store_events_action store_events_print(struct store_events *events, const struct store_note *note, int64_t now_ms,
                                            uint64_t random, struct buf *path, struct buf *body);

#endif
