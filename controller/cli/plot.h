/*
 * A chart over time as SVG: lines and bands on one grid, axes with round ticks, a legend. No fonts, scripts or links
 * from elsewhere, so the file can be shown anywhere.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_PLOT_H
#define TRIMTAB_CLI_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define PLOT_LINES_MAX 8
#define PLOT_BANDS_MAX 4

enum plot_style {
    PLOT_STRAIGHT, /* From value to value. */
    PLOT_STAIRS,   /* Each value lasts its step. */
    PLOT_POINTS,   /* Dots alone. */
};

struct plot_line {
    const char *label;
    const char *color;    /* "#1f5fa8" */
    const double *values; /* plot.count of them; NaN: nothing there. */
    bool is_dashed;
    enum plot_style style;
};

struct plot_band {
    const char *label;
    const char *color;
    const double *low, *high; /* NaN: nothing there. */
};

struct plot {
    const char *title, *subtitle; /* subtitle NULL: none. */
    int64_t start_ms, step_ms;
    size_t count;
    struct plot_band bands[PLOT_BANDS_MAX]; /* Drawn in this order, below the lines. */
    size_t band_count;
    struct plot_line lines[PLOT_LINES_MAX];
    size_t line_count;
    size_t marker; /* A vertical rule before this slot; 0: none. */
    const char *marker_label;
};

void plot_print(const struct plot *plot, struct buf *out);
/* Prints to a file: SVG, or PNG where its name ends in .png and rsvg-convert is installed. ERR_RETRYABLE if it cannot
 * be written. */
MUST_CHECK enum err_class plot_write(const struct plot *plot, const char *path, struct error *err);

#endif
