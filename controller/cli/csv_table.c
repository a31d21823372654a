/*
 * See csv_table.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/csv_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

const char *csv_table_field(const struct csv_table *table, const struct csv_stream *csv, size_t column) {
    return table->at[column] ? csv_stream_field(csv, table->at[column] - 1) : "";
}

bool csv_table_is_new(struct csv_table *table, const char *name) {
    return map_put(&table->seen, name, table) == NULL;
}

bool csv_table_fault(const struct csv_stream *csv, struct error *err, const char *format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)error_set(err, ERR_PERMANENT, "row %llu: %s", (unsigned long long)csv->row_number, text);
    return false;
}

bool csv_table_number(const struct csv_stream *csv, const char *name, const char *text, double factor, double most,
                      double *ret, struct error *err) {
    double value;
    if (!str_to_double(text, &value))
        return csv_table_fault(csv, err, "%.80s: \"%.40s\" is not a number", name, text);
    if (value < 0 || value * factor > most)
        return csv_table_fault(csv, err, "%.80s: %.40s is not between 0 and %.6g", name, text, most / factor);
    *ret = value * factor;
    return true;
}

static bool header_take(struct csv_table *table, const struct csv_stream *csv, struct error *err) {
    for (size_t f = 0; f < csv->field_count; f++)
        for (size_t c = 0; c < table->column_count; c++)
            if (str_eq(csv_stream_field(csv, f), table->columns[c].name)) {
                if (table->at[c])
                    return csv_table_fault(csv, err, "the column %s is there twice", table->columns[c].name);
                table->at[c] = f + 1;
            }
    for (size_t c = 0; c < table->column_count; c++)
        if (!table->at[c] && !table->columns[c].is_optional)
            return csv_table_fault(csv, err, "the header lacks the column %s", table->columns[c].name);
    table->field_count = csv->field_count;
    return !table->take_header || table->take_header(table, csv, err);
}

bool csv_table_known_only(struct csv_table *table, const struct csv_stream *csv, struct error *err) {
    for (size_t f = 0; f < csv->field_count; f++) {
        size_t c = 0;
        while (c < table->column_count && table->at[c] != f + 1)
            c++;
        if (c == table->column_count)
            return csv_table_fault(csv, err, "the column \"%.80s\" is not known here", csv_stream_field(csv, f));
    }
    return true;
}

/* What the header has no column for would be lost. */
static bool has_surplus(const struct csv_table *table, const struct csv_stream *csv) {
    for (size_t f = table->field_count; f < csv->field_count; f++)
        if (*csv_stream_field(csv, f))
            return true;
    return false;
}

static bool on_row(void *ctx, const struct csv_stream *csv, struct error *err) {
    struct csv_table *table = ctx;
    if (csv->row_number == 1)
        return header_take(table, csv, err);
    if (csv->row_number > table->rows_max + 1)
        return csv_table_fault(csv, err, "a table has at most %zu rows", table->rows_max);
    if (has_surplus(table, csv))
        return csv_table_fault(csv, err, "it has %zu fields, and the header %zu", csv->field_count, table->field_count);
    return table->take(table, csv, err);
}

enum err_class csv_table_read(struct csv_table *table, struct error *err) {
    bool is_stdin = str_eq(table->path, "-");
    FILE *file = is_stdin ? stdin : fopen(table->path, "rb");
    if (is_stdin)
        table->path = "standard input";
    if (!file)
        return error_set(err, ERR_PERMANENT, "%s: %s", table->path, strerror(errno));
    struct csv_stream csv;
    char piece[65536];
    size_t size;
    enum err_class class = ERR_NONE;
    csv_stream_init(&csv, on_row, table);
    while (class == ERR_NONE && (size = fread(piece, 1, sizeof(piece), file)) > 0)
        class = csv_stream_feed(&csv, (struct bytes){piece, size}, err);
    if (class == ERR_NONE && !ferror(file))
        class = csv_stream_finish(&csv, err);
    if (class != ERR_NONE) {
        const struct error fault = *err;
        class = error_set(err, class, "%s: %s", table->path, fault.message);
    } else if (ferror(file)) {
        class = error_set(err, ERR_PERMANENT, "%s: %s", table->path, strerror(errno));
    } else if (!table->at[0]) {
        class = error_set(err, ERR_PERMANENT, "%s is empty", table->path);
    }
    csv_stream_release(&csv);
    map_release(&table->seen);
    if (!is_stdin)
        fclose(file);
    return class;
}

void csv_table_put(const char *text, struct buf *out) {
    if (!text[strcspn(text, ",\"\r\n")]) {
        buf_puts(out, text);
        return;
    }
    buf_putc(out, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"')
            buf_putc(out, '"');
        buf_putc(out, *c);
    }
    buf_putc(out, '"');
}
