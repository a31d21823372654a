/*
 * What a policy's evaluations remember of each other: a track (forecast/track.h) for each of its resources, so that
 * what has not changed is not forecast again, and a new sample costs microseconds. It changes no forecast, only what it
 * costs; so it may be lost, or left out, at any time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_LOOP_RECALL_H
#define TRIMTAB_LOOP_RECALL_H

#include "base/map.h"
#include "forecast/track.h"

struct recall { /* Zeroed but for bytes_max is a valid empty one. One thread at a time. */
    struct map tracks;
    size_t bytes;
    size_t bytes_max; /* What is beyond it is forecast each time. */
    uint64_t turn;
};

void recall_begin(struct recall *recall); /* An evaluation begins. NULL: none of this does anything. */
/* As forecast_track_compute of what `key` names. recall NULL: nothing is kept. */
void recall_forecast(struct recall *recall, const char *key, const struct history_series *series,
                     const struct forecast_options *options, struct arena *arena, struct forecast *ret);
void recall_end(struct recall *recall); /* Forgets what was not asked for since recall_begin. */
void recall_release(struct recall *recall);

#endif
