/*
 * CSV in pieces: every text is fed whole and byte by byte, and must give the same rows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "adapters/common/csv_stream.h"
#include "base/mem.h"
#include "base/str.h"

struct seen { /* Rows as "a|b|c" and a line break; a quoted field stands between angles. */
    struct buf text;
    size_t rows, stop_at;
};

static bool note(void *ctx, const struct csv_stream *stream, struct error *err) {
    struct seen *seen = ctx;
    (void)err;
    for (size_t i = 0; i < stream->field_count; i++) {
        bool is_quoted = csv_stream_is_quoted(stream, i);
        buf_printf(&seen->text, "%s%s%s%s", i > 0 ? "|" : "", is_quoted ? "<" : "", csv_stream_field(stream, i),
                   is_quoted ? ">" : "");
    }
    buf_puts(&seen->text, "\n");
    return ++seen->rows != seen->stop_at;
}

static enum err_class read_in_pieces(const char *text, size_t size, size_t piece, struct seen *seen,
                                     struct error *err) {
    struct csv_stream stream;
    csv_stream_init(&stream, note, seen);
    enum err_class class = ERR_NONE;
    for (size_t at = 0; at < size && class == ERR_NONE; at += piece) {
        size_t length = size - at < piece ? size - at : piece;
        char *copy = mem_alloc(length); /* A sanitizer sees what reads beyond its end. */
        memcpy(copy, text + at, length);
        class = csv_stream_feed(&stream, (struct bytes){copy, length}, err);
        mem_free(copy);
    }
    if (class == ERR_NONE)
        class = csv_stream_finish(&stream, err);
    csv_stream_release(&stream);
    return class;
}

Test(csv_stream, rows_are_the_same_in_any_pieces) {
    static const struct {
        const char *text, *rows;
    } cases[] = {
        {"", ""},
        {"a,b\n1,2\n", "a|b\n1|2\n"},
        {"a,b\r\n1,2\r\n", "a|b\n1|2\n"},
        {"a,b\n1,2", "a|b\n1|2\n"},
        {"\xef\xbb\xbf"
         "a,b\n",
         "a|b\n"},
        {"\xef\xbb\xbf\"a\",b\n", "<a>|b\n"},
        {"\n\na\n\r\n", "a\n"},
        {",\n,,\n", "|\n||\n"},
        {"\"\"\n", "<>\n"},
        {"\"a,b\",\"c\"\"d\"\n", "<a,b>|<c\"d>\n"},
        {"\"a\nb\r\nc\",d\n", "<a\nb\r\nc>|d\n"},
        {"a\"b,c\n", "a\"b|c\n"},
        {"\"a\"\r\n\"b\"", "<a>\n<b>\n"},
        {"gr\xc3\xbc\xc3\x9f,\xe7\xbb\x93\n", "gr\xc3\xbc\xc3\x9f|\xe7\xbb\x93\n"},
        {"{\"\"},NULL,\"NULL\"\n", "{\"\"}|NULL|<NULL>\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t piece = 1; piece <= 64; piece += 7) {
            struct seen seen = {0};
            struct error err = {0};
            cr_expect_eq(read_in_pieces(cases[i].text, strlen(cases[i].text), piece, &seen, &err), ERR_NONE,
                         "case %zu: %s", i, err.message);
            cr_expect_str_eq(buf_text(&seen.text), cases[i].rows, "case %zu in pieces of %zu", i, piece);
            buf_release(&seen.text);
        }
    }
}

Test(csv_stream, what_is_no_csv_is_an_error_with_its_row) {
    static const struct {
        const char *text;
        size_t size;
        const char *message;
    } cases[] = {
        {"a\n\"b", 4, "row 2: a quote is not closed"},
        {"a\n\"b\"c\n", 7, "row 2: text behind a closing quote"},
        {"a\nb\0c\n", 6, "row 2: a NUL byte"},
        {"\xef\xbb\0", 3, "row 1: a NUL byte"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t piece = 1; piece < 9; piece++) {
            struct seen seen = {0};
            struct error err = {0};
            cr_expect_eq(read_in_pieces(cases[i].text, cases[i].size, piece, &seen, &err), ERR_PERMANENT);
            cr_expect(strstr(err.message, cases[i].message), "case %zu: %s", i, err.message);
            buf_release(&seen.text);
        }
    }
}

Test(csv_stream, no_row_comes_after_the_last_that_is_wanted) {
    struct seen seen = {.stop_at = 2};
    struct error err = {0};
    cr_expect_eq(read_in_pieces("a\nb\nc\nd\n", 8, 3, &seen, &err), ERR_NONE);
    cr_expect_str_eq(buf_text(&seen.text), "a\nb\n");
    buf_release(&seen.text);
}

Test(csv_stream, rows_and_fields_without_end_are_refused) {
    struct seen seen = {0};
    struct error err = {0};
    size_t size = CSV_ROW_SIZE_MAX + 10;
    char *text = mem_alloc(size);
    memset(text, 'x', size);
    cr_expect_eq(read_in_pieces(text, size, 65536, &seen, &err), ERR_PERMANENT);
    cr_expect(strstr(err.message, "row 1: longer"), "%s", err.message);
    memset(text, ',', size);
    cr_expect_eq(read_in_pieces(text, size, 65536, &seen, &err), ERR_PERMANENT);
    cr_expect(strstr(err.message, "row 1: too many fields"), "%s", err.message);
    mem_free(text);
    buf_release(&seen.text);
}
