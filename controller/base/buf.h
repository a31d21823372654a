/*
 * A growable byte buffer, always NUL-terminated behind its last byte, so that data can be read as a C string.
 * A low-level primitive: it knows arena.h and mem.h at most.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_BUF_H
#define TRIMTAB_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct bytes { /* Borrowed, not necessarily NUL-terminated. */
    const char *data;
    size_t size;
};

struct buf { /* Zeroed is a valid empty buffer (data is then NULL; use buf_text). */
    char *data;
    size_t size;
    size_t capacity;
};

void buf_release(struct buf *buf);
void buf_clear(struct buf *buf); /* Size 0, memory kept. */
void buf_reserve(struct buf *buf, size_t more);
void buf_append(struct buf *buf, const void *data, size_t size);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *format, va_list args);
void buf_consume(struct buf *buf, size_t size); /* Drops the first size bytes. */
const char *buf_text(const struct buf *buf);    /* "" when empty. */
char *buf_take(struct buf *buf);                /* The caller mem_free()s it; buf becomes empty. */

static inline struct bytes buf_bytes(const struct buf *buf) {
    return (struct bytes){buf->data, buf->size};
}
struct bytes bytes_of(const char *text);

#endif
