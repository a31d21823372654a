/*
 * The reader's states, by field:
 *
 *     FIELD_START --"--> QUOTED --"--> QUOTE_SEEN --"--> QUOTED        (a quote in the text)
 *          '--other--> PLAIN               '--, or line end--> FIELD_START
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/common/csv_stream.h"

#include <string.h>

#include "base/str.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

void csv_stream_init(struct csv_stream *stream,
                     bool (*row)(void *ctx, const struct csv_stream *stream, struct error *err), void *ctx) {
    *stream = (struct csv_stream){.row = row, .ctx = ctx, .row_number = 1};
}

void csv_stream_release(struct csv_stream *stream) {
    buf_release(&stream->text);
}

const char *csv_stream_field(const struct csv_stream *stream, size_t index) {
    return index < stream->field_count ? stream->text.data + stream->starts[index] : "";
}

bool csv_stream_is_quoted(const struct csv_stream *stream, size_t index) {
    return index < stream->field_count && stream->quoted[index];
}

static enum err_class fault(struct csv_stream *stream, struct error *err, const char *what) {
    stream->is_stopped = true;
    return error_set(err, ERR_PERMANENT, "row %llu: %s", (unsigned long long)stream->row_number, what);
}

static enum err_class end_field(struct csv_stream *stream, struct error *err) {
    bool is_quoted = stream->state == CSV_QUOTE_SEEN;
    if (stream->field_count == CSV_FIELDS_MAX)
        return fault(stream, err, "too many fields");
    stream->starts[stream->field_count] = stream->start;
    stream->quoted[stream->field_count++] = is_quoted;
    buf_putc(&stream->text, '\0');
    stream->start = (uint32_t)stream->text.size;
    stream->state = CSV_FIELD_START;
    return ERR_NONE;
}

static enum err_class end_row(struct csv_stream *stream, struct error *err) {
    struct buf *text = &stream->text;
    if (stream->state == CSV_PLAIN && text->size > stream->start && text->data[text->size - 1] == '\r')
        text->size--;
    bool is_empty = stream->field_count == 0 && text->size == 0 && stream->state != CSV_QUOTE_SEEN;
    if (!is_empty) {
        if (end_field(stream, err) != ERR_NONE)
            return err->class;
        struct error error = {0};
        bool goes_on = stream->row(stream->ctx, stream, &error);
        stream->is_stopped = !goes_on || error.class != ERR_NONE;
        if (error.class != ERR_NONE) {
            *err = error;
            return err->class;
        }
    }
    stream->row_number += stream->is_stopped ? 0 : 1;
    buf_clear(text);
    stream->field_count = 0;
    stream->start = 0;
    stream->state = CSV_FIELD_START;
    return ERR_NONE;
}

/* How many bytes from `at` on are text of the field as it is. */
static size_t run_size(const struct csv_stream *stream, const char *at, const char *end) {
    if (stream->state == CSV_QUOTED) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        return (size_t)((quote != NULL ? quote : end) - at);
    }
    const char *from = at;
    while (at < end && *at != ',' && *at != '\n')
        at++;
    return (size_t)(at - from);
}

static enum err_class take_run(struct csv_stream *stream, const char *at, size_t size, struct error *err) {
    if (memchr(at, '\0', size) != NULL)
        return fault(stream, err, "a NUL byte; this is no CSV in UTF-8");
    if (size > CSV_ROW_SIZE_MAX - stream->text.size)
        return fault(stream, err, "longer than any row of a bill");
    buf_append(&stream->text, at, size);
    return ERR_NONE;
}

/* One byte that is not plain text: it changes the state. */
static enum err_class take_mark(struct csv_stream *stream, char c, struct error *err) {
    if (stream->state == CSV_QUOTED) {
        stream->state = CSV_QUOTE_SEEN;
        return ERR_NONE;
    }
    if (c == ',')
        return end_field(stream, err);
    return end_row(stream, err);
}

static enum err_class step(struct csv_stream *stream, const char **at, const char *end, struct error *err) {
    char c = **at;
    if (stream->state == CSV_FIELD_START && c == '"') {
        stream->state = CSV_QUOTED;
        ++*at;
        return ERR_NONE;
    }
    if (stream->state == CSV_QUOTE_SEEN && c == '"') {
        stream->state = CSV_QUOTED;
        ++*at;
        return take_run(stream, "\"", 1, err);
    }
    if (stream->state == CSV_QUOTE_SEEN && c != ',' && c != '\n') {
        ++*at;
        return c == '\r' ? ERR_NONE : fault(stream, err, "text behind a closing quote");
    }
    if (stream->state == CSV_FIELD_START && c != ',' && c != '\n')
        stream->state = CSV_PLAIN;
    size_t size = stream->state == CSV_PLAIN || stream->state == CSV_QUOTED ? run_size(stream, *at, end) : 0;
    if (size > 0 && take_run(stream, *at, size, err) != ERR_NONE)
        return err->class;
    *at += size;
    if (*at == end)
        return ERR_NONE;
    c = *(*at)++;
    return take_mark(stream, c, err);
}

/* Passes over a byte order mark, which may come in pieces. */
static enum err_class begin(struct csv_stream *stream, const char **at, const char *end, struct error *err) {
    while (*at < end && !stream->has_begun) {
        if (**at == BYTE_ORDER_MARK[stream->mark_size]) {
            ++*at;
            stream->has_begun = ++stream->mark_size == strlen(BYTE_ORDER_MARK);
            continue;
        }
        stream->has_begun = true;
        if (stream->mark_size == 0)
            return ERR_NONE;
        stream->state = CSV_PLAIN; /* It only began like one. */
        return take_run(stream, BYTE_ORDER_MARK, stream->mark_size, err);
    }
    return ERR_NONE;
}

enum err_class csv_stream_feed(struct csv_stream *stream, struct bytes piece, struct error *err) {
    if (piece.size == 0 || stream->is_stopped)
        return ERR_NONE;
    const char *at = piece.data, *end = piece.data + piece.size;
    if (begin(stream, &at, end, err) != ERR_NONE)
        return err->class;
    while (at < end && !stream->is_stopped) {
        if (step(stream, &at, end, err) != ERR_NONE)
            return err->class;
    }
    return ERR_NONE;
}

enum err_class csv_stream_finish(struct csv_stream *stream, struct error *err) {
    if (stream->is_stopped)
        return ERR_NONE;
    if (stream->state == CSV_QUOTED)
        return fault(stream, err, "a quote is not closed");
    return end_row(stream, err);
}
