/*
 * Demand from a file: rows of `timestamp,value` (RFC 3339; a header is optional), put on a regular grid.
 *
 * An empty value, NaN or null is a gap; a row that cannot be read is a fault of the file, named by its row and line.
 * Rows out of order are sorted, of equal times the last row wins, several rows in one slot are averaged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_HISTORY_CSV_H
#define TRIMTAB_HISTORY_CSV_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "history/series.h"

#define HISTORY_CSV_ROWS_MAX ((size_t)50000000)
#define HISTORY_CSV_SLOTS_MAX ((size_t)1 << 20) /* Of the grid; what is older than this before the end is left out. */
#define HISTORY_CSV_STEP_MS INT64_C(300000)     /* Where one row alone tells no step. */

struct history_csv { /* Zeroed is empty. */
    int64_t *times_ms;
    float *values; /* NaN: a gap. */
    size_t count, capacity;
    size_t value_count;  /* Rows that are not gaps. */
    size_t sorted_count; /* Leading rows with strictly ascending times. */
    int64_t step_ms;     /* Of the grid, set by who knows it; 0: found from the rows. */
    /* private */
    char line[256];
    size_t line_size, line_number;
};

/* ERR_PERMANENT: a fault in the data; ERR_RETRYABLE: cannot be read. "-" is standard input. */
MUST_CHECK enum err_class history_csv_read(const char *path, struct history_csv *csv, struct error *err);
/* The same from memory, in any pieces. After an error only release. */
MUST_CHECK enum err_class history_csv_feed(struct history_csv *csv, struct bytes chunk, struct error *err);
MUST_CHECK enum err_class history_csv_finish(struct history_csv *csv, struct error *err);
/* One row that is known by other means; value finite or NaN. */
void history_csv_add(struct history_csv *csv, int64_t time_ms, float value);
void history_csv_release(struct history_csv *csv);

/* The first `rows` rows on a grid that is found from them alone (but for step_ms); its last slot is the last row's. */
struct history_series history_csv_grid(const struct history_csv *csv, size_t rows, struct arena *arena);

#endif
