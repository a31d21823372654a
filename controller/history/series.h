/*
 * The noun of demand history: one resource's demand on a regular grid.
 *
 * demand(t) = utilisation(t) x serving capacity(t), in vCPU (cpu) or MiB (memory), so that it does not change when we
 * scale. Of CPU it is the mean of the slot, of memory the peak, as if every pod used what the one uses that uses most.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_HISTORY_SERIES_H
#define TRIMTAB_HISTORY_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum history_basis {
    HISTORY_BASIS_RECORDED, /* Serving capacity at each sample is from the cloud's or our own record. */
    HISTORY_BASIS_ASSUMED,  /* Today's size was assumed for some samples. */
};

#define HISTORY_RAISES_MAX 16

/* What memory a resource is held to need after one of its containers was killed for want of it. No sample: samples are
 * what was seen, and models learn from them; this is what was seen to be too little. */
struct history_raise {
    int64_t time_ms; /* Of the kill. */
    double demand;   /* MiB */
};

struct history_series {
    int64_t start_ms; /* Unix ms of the start of slot 0; a multiple of step_ms. */
    int64_t step_ms;
    size_t count;
    const float *demand;      /* NaN: a gap. */
    const uint8_t *saturated; /* Bit i: the machines were at their ceiling, demand[i] is a lower bound. NULL: none. */
    enum history_basis basis;
    /* In force: of the time that the series was asked for, whether or not it has samples of then. Ascending by time,
     * descending by demand: one that a later one reaches is gone. */
    const struct history_raise *raises;
    size_t raise_count; /* At most HISTORY_RAISES_MAX. */
};

static inline bool history_is_saturated(const struct history_series *series, size_t i) {
    return series->saturated && (series->saturated[i / 8] >> (i % 8) & 1);
}

#endif
