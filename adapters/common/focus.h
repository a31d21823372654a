/*
 * A bill in FOCUS (FinOps Open Cost and Usage Specification, 1.0 to 1.2) as CSV, plain or gzipped, pushed in as it
 * arrives: the same reader for every cloud's export. Columns are found by their names, in any order; others are passed
 * over. Bounded memory whatever the size of the export.
 *
 * Real exports differ from the specification's examples, and this is taken: the text NULL for an absent value, times
 * without zone ("2024-09-18 22:00:00": UTC), columns that a provider adds or leaves out. Amounts are kept as they are
 * written. Tags that are no JSON object are left out, and counted. Anything else that cannot be read is an error that
 * names row and column: a bill with holes would be a wrong bill.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_COMMON_FOCUS_H
#define TRIMTAB_ADAPTERS_COMMON_FOCUS_H

#ifndef ZLIB_CONST
#define ZLIB_CONST /* What it reads is const. */
#endif
#include <zlib.h>

#include "adapters/cloud.h"
#include "adapters/common/csv_stream.h"
#include "base/arena.h"

#define FOCUS_COLUMNS 22

struct focus_reader {
    /* The caller's: the charge is borrowed during the call (focus_copy keeps it). false: no more rows are wanted, and
     * this one is not counted in row_count. */
    bool (*row)(void *ctx, const struct cloud_charge *charge);
    void *ctx;
    uint64_t skip_count; /* Rows at the head that are counted but neither read nor told. */
    uint64_t row_count;  /* Told or skipped so far, without the header. */
    uint64_t bad_tags_count;
    bool is_stopped;
    /* private */
    struct csv_stream csv;
    struct arena arena; /* Of the present row. */
    int columns[FOCUS_COLUMNS];
    size_t field_count;
    bool has_header;
    char head[4]; /* What tells the form: gzip, Parquet or text. */
    size_t head_size;
    bool is_known, is_gzip, is_member_done;
    z_stream zip;
};

void focus_init(struct focus_reader *reader, bool (*row)(void *ctx, const struct cloud_charge *charge), void *ctx);
void focus_release(struct focus_reader *reader); /* A zeroed one too. */
MUST_CHECK enum err_class focus_feed(struct focus_reader *reader, struct bytes piece, struct error *err);
MUST_CHECK enum err_class focus_finish(struct focus_reader *reader, struct error *err);

/* With all its strings. */
void focus_copy(struct arena *arena, const struct cloud_charge *from, struct cloud_charge *to);

#endif
