/*
 * RFC 4180 as it comes: bytes in any pieces go in, whole rows come out. Fields may be quoted and then hold commas,
 * quotes ("") and line breaks. Lines end in LF or CR LF; a byte order mark is passed over. Only one row is in memory,
 * and it is bounded. For files of a gigabyte; a row without end, a NUL byte or a quote that is never closed is an error
 * that names the row.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_COMMON_CSV_STREAM_H
#define TRIMTAB_ADAPTERS_COMMON_CSV_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define CSV_ROW_SIZE_MAX ((size_t)4 << 20)
#define CSV_FIELDS_MAX 1024

struct csv_stream {
    /* The caller's: called for each row but empty lines; false: no more rows are wanted. */
    bool (*row)(void *ctx, const struct csv_stream *stream, struct error *err);
    void *ctx;
    /* Of the present row. */
    uint64_t row_number; /* From 1, the header included. */
    size_t field_count;
    /* private */
    struct buf text; /* The fields so far, each with a NUL behind it. */
    uint32_t starts[CSV_FIELDS_MAX];
    bool quoted[CSV_FIELDS_MAX];
    uint32_t start;
    enum { CSV_FIELD_START, CSV_PLAIN, CSV_QUOTED, CSV_QUOTE_SEEN } state;
    size_t mark_size; /* Of a byte order mark, seen so far. */
    bool is_stopped, has_begun;
};

void csv_stream_init(struct csv_stream *stream,
                     bool (*row)(void *ctx, const struct csv_stream *stream, struct error *err), void *ctx);
void csv_stream_release(struct csv_stream *stream);
/* After row said false, or after an error, everything is ignored. An error of row is given back. */
MUST_CHECK enum err_class csv_stream_feed(struct csv_stream *stream, struct bytes piece, struct error *err);
MUST_CHECK enum err_class csv_stream_finish(struct csv_stream *stream,
                                            struct error *err); /* The last line may lack its end. */

/* During row. "" behind the last. */
const char *csv_stream_field(const struct csv_stream *stream, size_t index);
bool csv_stream_is_quoted(const struct csv_stream *stream, size_t index);

#endif
