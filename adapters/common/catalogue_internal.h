/*
 * Reading the price list row by row; private to catalogue*.c. The reader knows the file's form (gzip or plain, CSV with
 * quotes, columns by name), not what is kept of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_COMMON_CATALOGUE_INTERNAL_H
#define TRIMTAB_ADAPTERS_COMMON_CATALOGUE_INTERNAL_H

#include <zlib.h>

#include "adapters/common/catalogue.h"

#define CATALOGUE_LINE_MAX 4096
#define CATALOGUE_FIELDS_MAX 64

enum catalogue_column {
    COLUMN_PROVIDER,
    COLUMN_REGION,
    COLUMN_TYPE,
    COLUMN_VCPU,
    COLUMN_MEMORY,
    COLUMN_PRICE,
    COLUMN_REQUIRED_COUNT,
    COLUMN_SOURCE = COLUMN_REQUIRED_COUNT,
    COLUMN_AS_OF,
    COLUMN_ARCHITECTURE,
    COLUMN_GPU,
    COLUMN_SPOT,
    COLUMN_COUNT,
};

struct catalogue_row { /* Texts are valid until the next row is read. */
    const char *provider, *region, *type, *source, *as_of, *architecture;
    int64_t vcpu_milli, memory_mib, gpu;
    money_micros price_hourly, price_spot_hourly;
    int64_t as_of_ms;
};

struct catalogue_reader {
    const char *path; /* For messages; borrowed. */
    gzFile file;
    size_t line_number;         /* Of the row last read; the header is line 1. */
    size_t field_count;         /* Of the header; each row must have as many. */
    int position[COLUMN_COUNT]; /* -1: the file has no such column. */
    char as_of[32];             /* Of the row before, and what it is: dates come in long runs. */
    int64_t as_of_ms;
    char *fields[CATALOGUE_FIELDS_MAX];
    char line[CATALOGUE_LINE_MAX];
};

/* Reads from the start of fd, which stays the caller's. Close also after a failure of open. */
MUST_CHECK enum err_class catalogue_reader_open(struct catalogue_reader *reader, int fd, const char *path,
                                                struct error *err);
void catalogue_reader_close(struct catalogue_reader *reader);
/* Passes over rows, unread, until `line` is the next. */
MUST_CHECK enum err_class catalogue_reader_skip(struct catalogue_reader *reader, size_t line, struct error *err);
/* *ret_found false at the end of the file. */
MUST_CHECK enum err_class catalogue_reader_next(struct catalogue_reader *reader, struct catalogue_row *ret,
                                                bool *ret_found, struct error *err);

#endif
