/*
 * The forecast of a history that grows: a fit is kept and goes on with each new sample, which costs microseconds, and
 * is made anew once an hour of the history's time, which costs milliseconds.
 *
 *     history    |  |------------ the fit ------------|-- since --|
 *                start                           full hour       end
 *
 * Where the fit ends follows from the slots of the history alone, not from when it was asked for. So what is answered
 * is a function of the history and the options: with a track or without one, fed one by one or all at once, after
 * samples that came late or were corrected - the same bytes. The track only saves the time. Pure, like compute.h; a
 * track is used by one thread at a time.
 *
 * The fit leaves out up to two hours of the oldest slots, so that a window that slides with the clock keeps its start
 * for an hour (one whose length is no whole hours is fitted twice an hour). Within the hour weights and parameters
 * stand, and what moves on is what the models know and the guard against level shifts: on 99 real series that has cost
 * 0.2 % of the pinball loss an hour ahead and nothing a day ahead, so no rule asks for a fit in between. Histories of
 * less than two seasons, and steps of more than half an hour, are fitted anew each time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_FORECAST_TRACK_H
#define TRIMTAB_FORECAST_TRACK_H

#include "forecast/compute.h"

struct forecast_track;

/* As forecast_compute. *track: of the same history and options before, NULL at first; it is kept for the next time,
 * however much of both has changed meanwhile. bytes_max: the fit is given up if the track would be larger; if it still
 * is, all of it, and *track is NULL. track NULL: nothing is kept. */
void forecast_track_compute(struct forecast_track **track, const struct history_series *series,
                            const struct forecast_options *options, size_t bytes_max, struct arena *arena,
                            struct forecast *ret);
void forecast_track_free(struct forecast_track *track);          /* NULL is fine. */
size_t forecast_track_bytes(const struct forecast_track *track); /* NULL: 0. Some 600 KB for 14 days at 5 minutes. */
size_t forecast_track_fits(const struct forecast_track *track);  /* How many were made in its life. NULL: 0. */

#endif
