/*
 * The byte buffer: termination, growth, consumption.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

Test(base_buf, a_zeroed_buffer_is_empty_text) {
    struct buf buf = {0};
    cr_assert_str_empty(buf_text(&buf));
    buf_clear(&buf);
    buf_consume(&buf, 0);
    char *text = buf_take(&buf);
    cr_assert_str_empty(text);
    mem_free(text);
    buf_release(&buf);
}

Test(base_buf, is_terminated_after_every_append) {
    struct buf buf = {0};
    for (size_t i = 0; i < 1000; i++) {
        buf_putc(&buf, (char)('a' + i % 26));
        cr_assert_eq(buf.size, i + 1);
        cr_assert_eq(strlen(buf_text(&buf)), i + 1);
    }
    buf_append(&buf, "x\0y", 3);
    cr_assert_eq(buf.size, 1003);
    cr_assert_eq(buf.data[1003], '\0');
    buf_release(&buf);
}

Test(base_buf, printf_that_does_not_fit_the_room_is_whole) {
    for (int width = 1; width < 300; width++) {
        struct buf buf = {0};
        buf_puts(&buf, "ab");
        buf_printf(&buf, "%*d", width, 7);
        cr_assert_eq(buf.size, (size_t)width + 2, "width %d", width);
        cr_assert_eq(strlen(buf.data), buf.size, "width %d", width);
        cr_assert_eq(buf.data[buf.size - 1], '7', "width %d", width);
        buf_release(&buf);
    }
}

Test(base_buf, consume_drops_the_front) {
    struct buf buf = {0};
    buf_puts(&buf, "hello world");
    buf_consume(&buf, 6);
    cr_assert_str_eq(buf_text(&buf), "world");
    struct bytes bytes = buf_bytes(&buf);
    cr_assert_eq(bytes.size, 5);
    buf_consume(&buf, 5);
    cr_assert_str_empty(buf_text(&buf));
    buf_release(&buf);
}

Test(base_buf, take_hands_over_the_text) {
    struct buf buf = {0};
    buf_puts(&buf, "mine");
    char *text = buf_take(&buf);
    cr_assert_null(buf.data);
    cr_assert_str_eq(text, "mine");
    mem_free(text);
}

Test(base_buf, bytes_of_null_is_empty) {
    cr_assert_eq(bytes_of(NULL).size, 0);
    cr_assert_eq(bytes_of("abc").size, 3);
}
