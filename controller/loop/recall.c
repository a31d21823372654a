/*
 * See recall.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/recall.h"

#include "base/mem.h"

struct recalled {
    struct forecast_track *track;
    uint64_t turn; /* When it was asked for last. */
};

static size_t bytes_of(const struct recalled *recalled) {
    return recalled ? sizeof(*recalled) + forecast_track_bytes(recalled->track) : 0;
}

static void forget(struct recall *recall, const char *key, struct recalled *recalled) {
    recall->bytes -= bytes_of(recalled);
    (void)map_remove(&recall->tracks, key);
    forecast_track_free(recalled->track);
    mem_free(recalled);
}

void recall_begin(struct recall *recall) {
    if (recall)
        recall->turn++;
}

void recall_forecast(struct recall *recall, const char *key, const struct history_series *series,
                     const struct forecast_options *options, struct arena *arena, struct forecast *ret) {
    if (!recall) {
        forecast_track_compute(NULL, series, options, 0, arena, ret);
        return;
    }
    struct recalled *recalled = map_get(&recall->tracks, key);
    if (!recalled) {
        recalled = mem_alloc(sizeof(*recalled));
        (void)map_put(&recall->tracks, key, recalled);
    } else {
        recall->bytes -= bytes_of(recalled);
    }
    size_t others = recall->bytes + sizeof(*recalled);
    size_t left = others < recall->bytes_max ? recall->bytes_max - others : 0;
    forecast_track_compute(&recalled->track, series, options, left, arena, ret);
    recalled->turn = recall->turn;
    recall->bytes += bytes_of(recalled);
    if (!recalled->track)
        forget(recall, key, recalled);
}

void recall_end(struct recall *recall) {
    struct map_entry *entry;
    for (size_t i = 0; recall && (entry = map_next(&recall->tracks, &i));) {
        struct recalled *recalled = entry->value;
        if (recalled->turn != recall->turn)
            forget(recall, entry->key, recalled);
    }
}

void recall_release(struct recall *recall) {
    recall_begin(recall);
    recall_end(recall);
    map_release(&recall->tracks);
    *recall = (struct recall){0};
}
