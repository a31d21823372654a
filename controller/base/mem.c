/*
 * Heap memory that cannot fail. The only caller of calloc, realloc and free of the project.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/mem.h"

#include <limits.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static _Noreturn void out_of_memory(size_t count, size_t size) {
    fprintf(stderr, "out of memory: %zu x %zu bytes\n", count, size);
    abort();
}

void *mem_alloc(size_t size) {
    return mem_alloc_array(1, size);
}

void *mem_alloc_array(size_t count, size_t size) {
    if (count == 0 || size == 0)
        count = size = 1;
    size_t total;
    void *ptr = __builtin_mul_overflow(count, size, &total) ? NULL : calloc(1, total);
    if (!ptr)
        out_of_memory(count, size);
    return ptr;
}

void *mem_grow(void *old, size_t old_count, size_t new_count, size_t size) {
    ASSERT(new_count >= old_count && size > 0);
    size_t total;
    if (__builtin_mul_overflow(new_count, size, &total))
        out_of_memory(new_count, size);
    char *ptr = realloc(old, total > 0 ? total : 1);
    if (!ptr)
        out_of_memory(new_count, size);
    memset(ptr + old_count * size, 0, total - old_count * size);
    return ptr;
}

void *mem_resize(void *old, size_t size) {
    void *ptr = realloc(old, size > 0 ? size : 1);
    if (!ptr)
        out_of_memory(1, size);
    return ptr;
}

char *mem_strdup(const char *text) {
    return text ? mem_strndup(text, strlen(text)) : NULL;
}

char *mem_strndup(const char *text, size_t size) {
    size = size > 0 ? strnlen(text, size) : 0;
    char *copy = mem_alloc(size + 1);
    if (size > 0)
        memcpy(copy, text, size);
    return copy;
}

char *mem_printf(const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int size = vasprintf(&text, format, args);
    va_end(args);
    if (size < 0)
        out_of_memory(1, 0);
    return text;
}

void mem_free(void *ptr) {
    free(ptr);
}

void mem_trim(void) {
    (void)malloc_trim(0);
}

void mem_keep_freed(void) {
    (void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
}

void mem_wipe(void *ptr, size_t size) {
    if (size > 0)
        explicit_bzero(ptr, size);
}
