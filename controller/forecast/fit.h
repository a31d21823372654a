/*
 * A fit: the cleaned history, the models that learned from it, and how they are weighed. It answers from the end of the
 * history, and goes on when slots are added, with the weights that it has.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_FORECAST_FIT_H
#define TRIMTAB_FORECAST_FIT_H

#include "forecast/compute.h"
#include "forecast/forecast_internal.h"

struct forecast_history {
    struct forecast_data data; /* Looks at the arrays below. */
    double *y;
    bool *saturated;
    uint32_t *last;
    double *sum;
    uint32_t *used;
    size_t from;   /* Slot of the series that data begins with: its first sample. */
    size_t season; /* The shortest one of two steps or more, whether or not the history is long enough; 0: none. */
    double level;  /* Mean absolute value when it was prepared. */
    size_t negative_first; /* SIZE_MAX: no sample is. */
    bool has_outages;      /* Zeros are gaps. */
};

struct forecast_fit {
    struct forecast_history history;
    struct forecast_grid grid;
    struct forecast_mixture mixture;
    struct forecast_shift shift;
    enum forecast_basis basis;
};

/* prepare.c */
/* Whether the zeros among the slots [from, to) of the series are outages. */
bool forecast_zeros_are_outages(const struct history_series *series, size_t from, size_t to);
/* Of the slots [from, to) of the series, with room for `room` more. */
void forecast_history_prepare(const struct history_series *series, const float *factors, size_t from, size_t to,
                              size_t room, struct arena *arena, struct forecast_history *ret);
/* Makes [from, to) of the series the slots from data.count on. */
void forecast_history_append(struct forecast_history *history, const struct history_series *series,
                             const float *factors, size_t from, size_t to);
/* Takes back what was appended: count slots stay. */
void forecast_history_cut(struct forecast_history *history, size_t count);

/* compute.c */
/* What does not depend on the history; the values are not there yet. */
struct forecast forecast_begin(const struct history_series *series, const struct forecast_options *options);
/* The history is there already; f tells the steps and quantiles. */
void forecast_fit_make(struct forecast_fit *fit, const struct forecast *f, struct arena *arena);
/* False: one of the models cannot go on. */
bool forecast_fit_extend(struct forecast_fit *fit, size_t from);
/* From the end of the history: values, in the arena, times the factors of the future; and what is known of them. */
void forecast_fit_answer(const struct forecast_fit *fit, const float *factors, struct forecast *f, struct arena *arena);

#endif
