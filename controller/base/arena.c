/*
 * The bump allocator. Blocks double up to a limit; a request that is larger than a quarter of the next block gets a
 * block of its own behind the head, so that the rest of the head is not wasted:
 *
 *     head -> [used......|free]  ->  [one large value]  ->  [full]  ->  NULL
 *
 * Memory beyond `used` of a block is always zero, which is what makes allocation a mere addition.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

#define BLOCK_SIZE_MIN ((size_t)4096)
#define BLOCK_SIZE_MAX ((size_t)1 << 18)

struct arena_block {
    struct arena_block *next;
    size_t size, used;
    alignas(max_align_t) char data[];
};

static struct arena_block *block_new(size_t size) {
    ASSERT(size < SIZE_MAX - sizeof(struct arena_block));
    struct arena_block *block = mem_alloc(sizeof(*block) + size);
    block->size = size;
    return block;
}

static void blocks_free(struct arena_block *block) {
    while (block) {
        struct arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
}

void arena_init(struct arena *arena) {
    *arena = (struct arena){0};
}

void arena_reserve(struct arena *arena, size_t size) {
    ASSERT(!arena->head);
    arena->head = block_new(size);
}

void arena_release(struct arena *arena) {
    blocks_free(arena->head);
    *arena = (struct arena){0};
}

void arena_clear(struct arena *arena) {
    struct arena_block *kept = arena->head;
    arena->used = 0;
    if (!kept)
        return;
    blocks_free(kept->next);
    kept->next = NULL;
    memset(kept->data, 0, kept->used);
    kept->used = 0;
}

static void *arena_alloc_slow(struct arena *arena, size_t size) {
    size_t next_size = arena->head ? arena->head->size * 2 : BLOCK_SIZE_MIN;
    if (next_size > BLOCK_SIZE_MAX)
        next_size = BLOCK_SIZE_MAX;
    bool is_large = size > next_size / 4;
    struct arena_block *block = block_new(is_large ? size : next_size);
    block->used = size;
    if (is_large && arena->head) {
        block->next = arena->head->next;
        arena->head->next = block;
    } else {
        block->next = arena->head;
        arena->head = block;
    }
    return block->data;
}

void *arena_alloc(struct arena *arena, size_t size) {
    ASSERT(size <= SIZE_MAX / 2);
    size_t align = alignof(max_align_t);
    size = size == 0 ? align : (size + align - 1) / align * align;
    arena->used += size;
    struct arena_block *head = arena->head;
    if (!head || head->size - head->used < size)
        return arena_alloc_slow(arena, size);
    void *ptr = head->data + head->used;
    head->used += size;
    return ptr;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size) {
    size_t total;
    ASSERT(!__builtin_mul_overflow(count, size, &total));
    return arena_alloc(arena, total);
}

void *arena_memdup(struct arena *arena, const void *data, size_t size) {
    void *copy = arena_alloc(arena, size);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text) {
    return text ? arena_memdup(arena, text, strlen(text) + 1) : NULL;
}

char *arena_strndup(struct arena *arena, const char *text, size_t size) {
    size = size > 0 ? strnlen(text, size) : 0;
    char *copy = arena_alloc(arena, size + 1);
    if (size > 0)
        memcpy(copy, text, size);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    ASSERT(size >= 0);
    char *text = arena_alloc(arena, (size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}

void *arena_push(struct arena *arena, void *items, size_t count, size_t item_size) {
    if (count == 0)
        return arena_alloc_array(arena, 4, item_size);
    if (count < 4 || (count & (count - 1)) != 0)
        return items; /* The capacity follows from the count: 4, then the next power of two. */
    void *grown = arena_alloc_array(arena, count * 2, item_size);
    memcpy(grown, items, count * item_size);
    return grown;
}

void *arena_resize(struct arena *arena, void *items, size_t size) {
    struct arena_block **link = &arena->head;
    ASSERT(size < SIZE_MAX - sizeof(struct arena_block));
    if (!items) {
        struct arena_block *block = block_new(size);
        block->used = size;
        if (arena->head)
            link = &arena->head->next; /* The rest of the head is not wasted. */
        block->next = *link;
        *link = block;
        arena->used += size;
        return block->data;
    }
    ASSERT(*link);
    while ((*link)->data != items) {
        link = &(*link)->next;
        ASSERT(*link);
    }
    struct arena_block *block = *link;
    size_t old = block->size;
    block = size >= old ? mem_grow(block, sizeof(*block) + old, sizeof(*block) + size, 1)
                        : mem_resize(block, sizeof(*block) + size);
    block->size = block->used = size;
    *link = block;
    arena->used = arena->used - old + size;
    return block->data;
}
