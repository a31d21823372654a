/*
 * A bump allocator. Everything derived in one reconcile cycle (view, forecast, plan) lives in one arena and dies with
 * it. Allocation cannot fail (mem.h); memory is zeroed. An arena is owned by one thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_ARENA_H
#define TRIMTAB_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *head; /* NULL: nothing allocated yet; a zeroed struct is a valid empty arena. */
    size_t used;              /* Bytes handed out, for limits and metrics. */
};

void arena_init(struct arena *arena);
/* On an empty arena: the first block has exactly this size, for a value whose size is known and that lives long. */
void arena_reserve(struct arena *arena, size_t size);
void arena_release(struct arena *arena); /* Frees everything; the arena is empty and usable again. */
void arena_clear(struct arena *arena);   /* As release, but keeps one block for reuse. */

void *arena_alloc(struct arena *arena, size_t size); /* Aligned for any type. */
void *arena_alloc_array(struct arena *arena, size_t count, size_t size);
void *arena_memdup(struct arena *arena, const void *data, size_t size);
char *arena_strdup(struct arena *arena, const char *text); /* NULL gives NULL. */
char *arena_strndup(struct arena *arena, const char *text, size_t size);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args);

/* A growing array in an arena: returns the array with room for count + 1 elements (doubles at powers of two, old copies
 * are left behind). Use: `items = arena_push(arena, items, count, sizeof(*items)); items[count++] = x;` */
void *arena_push(struct arena *arena, void *items, size_t count, size_t item_size);

/* One array that grows and leaves nothing behind: it has a block of its own, which grows and shrinks as realloc does.
 * items: NULL, or what this gave last. What is added is zeroed. For what is too long to be copied by arena_push. */
void *arena_resize(struct arena *arena, void *items, size_t size);

#endif
