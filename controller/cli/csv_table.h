/*
 * The tables that verbs without a cluster read: CSV whose header names the columns. Any fault is an error that names
 * file, row and column. Also how one field of such a table is written.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_CSV_TABLE_H
#define TRIMTAB_CLI_CSV_TABLE_H

#include <stdarg.h>

#include "adapters/common/csv_stream.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"

#define CSV_TABLE_COLUMNS_MAX 12

struct csv_table_column {
    const char *name;
    bool is_optional;
};

struct csv_table {    /* The first block is the caller's to fill. */
    const char *path; /* "-": standard input. */
    const struct csv_table_column *columns;
    size_t column_count; /* 1..CSV_TABLE_COLUMNS_MAX; the first column is not optional. */
    size_t rows_max;     /* Without the header. */
    struct arena *arena; /* For what take keeps. */
    void *ctx;
    /* For each row; false: err is set. */
    bool (*take)(struct csv_table *table, const struct csv_stream *csv, struct error *err);
    /* The header, once `at` is known; NULL: columns of other names are passed over. */
    bool (*take_header)(struct csv_table *table, const struct csv_stream *csv, struct error *err);
    size_t field_count;               /* Of the header. */
    size_t at[CSV_TABLE_COLUMNS_MAX]; /* Index of the field + 1; 0: the file lacks it. */
    struct map seen;                  /* Names so far. */
};

/* Errors are about the file. What was taken before one stays with the caller's arena. */
MUST_CHECK enum err_class csv_table_read(struct csv_table *table, struct error *err);

/* ---- for take and take_header ---- */

/* "" where the file lacks the column. */
const char *csv_table_field(const struct csv_table *table, const struct csv_stream *csv, size_t column);
bool csv_table_is_new(struct csv_table *table, const char *name); /* And remembers it. */
/* For take_header: a column of another name is a fault. */
bool csv_table_known_only(struct csv_table *table, const struct csv_stream *csv, struct error *err);
/* Sets err to "row N: ...", before which the reader puts the file; returns false. */
bool csv_table_fault(const struct csv_stream *csv, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A number from 0 to most, in the caller's own unit: what is written times factor. */
bool csv_table_number(const struct csv_stream *csv, const char *name, const char *text, double factor, double most,
                      double *ret, struct error *err);

/* ---- writing ---- */

void csv_table_put(const char *text, struct buf *out); /* Quoted where it has to be. */

#endif
