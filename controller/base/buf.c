/*
 * The growable byte buffer. Invariant: if data is not NULL, size < capacity and data[size] is NUL.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

#define CAPACITY_MIN ((size_t)64)

void buf_release(struct buf *buf) {
    mem_free(buf->data);
    *buf = (struct buf){0};
}

void buf_clear(struct buf *buf) {
    buf->size = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

void buf_reserve(struct buf *buf, size_t more) {
    ASSERT(more < SIZE_MAX / 4);
    size_t want = buf->size + more + 1;
    if (want <= buf->capacity)
        return;
    size_t capacity = buf->capacity > 0 ? buf->capacity : CAPACITY_MIN;
    while (capacity < want)
        capacity *= 2;
    buf->data = mem_resize(buf->data, capacity); /* Not touched: a reply of 17 MiB takes no 32. */
    buf->data[buf->size] = '\0';
    buf->capacity = capacity;
}

void buf_append(struct buf *buf, const void *data, size_t size) {
    buf_reserve(buf, size);
    if (size > 0)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void buf_puts(struct buf *buf, const char *text) {
    buf_append(buf, text, strlen(text));
}

void buf_putc(struct buf *buf, char c) {
    if (buf->size + 1 >= buf->capacity)
        buf_reserve(buf, 1);
    buf->data[buf->size++] = c;
    buf->data[buf->size] = '\0';
}

void buf_printf(struct buf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    buf_vprintf(buf, format, args);
    va_end(args);
}

void buf_vprintf(struct buf *buf, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    buf_reserve(buf, 64);
    size_t room = buf->capacity - buf->size;
    int size = vsnprintf(buf->data + buf->size, room, format, args);
    ASSERT(size >= 0);
    if ((size_t)size >= room) {
        buf_reserve(buf, (size_t)size);
        vsnprintf(buf->data + buf->size, (size_t)size + 1, format, again);
    }
    va_end(again);
    buf->size += (size_t)size;
}

void buf_consume(struct buf *buf, size_t size) {
    ASSERT(size <= buf->size);
    if (size == 0)
        return;
    buf->size -= size;
    memmove(buf->data, buf->data + size, buf->size);
    buf->data[buf->size] = '\0';
}

const char *buf_text(const struct buf *buf) {
    return buf->data ? buf->data : "";
}

char *buf_take(struct buf *buf) {
    char *data = buf->data ? buf->data : mem_alloc(1);
    *buf = (struct buf){0};
    return data;
}

struct bytes bytes_of(const char *text) {
    return (struct bytes){text, text ? strlen(text) : 0};
}
