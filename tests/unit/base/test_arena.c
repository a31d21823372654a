/*
 * The arena: alignment, zeroing after reuse, large values, growing arrays.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"

static bool is_zero(const void *data, size_t size) {
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i++) {
        if (p[i] != 0)
            return false;
    }
    return true;
}

Test(base_arena, allocations_are_aligned_zero_and_apart) {
    struct arena arena = {0};
    char *previous = NULL;
    for (size_t size = 0; size < 3000; size += 7) {
        char *ptr = arena_alloc(&arena, size);
        cr_assert_eq((uintptr_t)ptr % alignof(max_align_t), 0, "size %zu", size);
        cr_assert_neq(ptr, previous);
        cr_assert(is_zero(ptr, size), "size %zu", size);
        memset(ptr, 0xff, size);
        previous = ptr;
    }
    arena_release(&arena);
    cr_assert_null(arena.head);
    cr_assert_eq(arena.used, 0);
}

Test(base_arena, memory_is_zero_again_after_clear) {
    struct arena arena;
    arena_init(&arena);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 200; i++) {
            char *ptr = arena_alloc(&arena, 333);
            cr_assert(is_zero(ptr, 333), "round %d, allocation %d", round, i);
            memset(ptr, 0xaa, 333);
        }
        cr_assert_geq(arena.used, 200 * 333);
        arena_clear(&arena);
        cr_assert_eq(arena.used, 0);
        cr_assert_not_null(arena.head);
    }
    arena_release(&arena);
    arena_clear(&arena);
    arena_release(&arena);
}

Test(base_arena, a_large_value_does_not_waste_the_current_block) {
    struct arena arena = {0};
    char *small = arena_alloc(&arena, 16);
    struct arena_block *head = arena.head;
    char *large = arena_alloc(&arena, 5 << 20);
    memset(large, 1, 5 << 20);
    cr_assert_eq(arena.head, head);
    char *next = arena_alloc(&arena, 16);
    cr_assert_eq(next, small + 16);
    arena_release(&arena);
}

Test(base_arena, text) {
    struct arena arena = {0};
    cr_assert_null(arena_strdup(&arena, NULL));
    cr_assert_str_eq(arena_strdup(&arena, "abc"), "abc");
    cr_assert_str_eq(arena_strndup(&arena, "abcdef", 3), "abc");
    cr_assert_str_eq(arena_strndup(&arena, "ab", 9), "ab");
    cr_assert_str_eq(arena_printf(&arena, "%05d|%s", 42, "x"), "00042|x");
    char *longer = arena_printf(&arena, "%10000d", 1);
    cr_assert_eq(strlen(longer), 10000);
    cr_assert_eq(memcmp(arena_memdup(&arena, "a\0b", 3), "a\0b", 3), 0);
    arena_release(&arena);
}

Test(base_arena, push_grows_an_array_and_keeps_its_items) {
    struct arena arena = {0};
    int *items = NULL;
    for (int count = 0; count < 1000; count++) {
        items = arena_push(&arena, items, (size_t)count, sizeof(*items));
        items[count] = count;
    }
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(items[i], i);
    cr_assert_lt(arena.used, 4 * 1000 * sizeof(*items));
    arena_release(&arena);
}

Test(base_arena, resize_moves_one_array_and_leaves_nothing_behind) {
    struct arena arena = {0};
    for (int is_first = 0; is_first < 2; is_first++) { /* In an arena with and without other blocks. */
        char *other = is_first == 0 ? arena_strdup(&arena, "other") : NULL;
        int *items = arena_resize(&arena, NULL, 3 * sizeof(*items));
        size_t before = arena.used - 3 * sizeof(*items);
        for (size_t count = 3; count < 100000; count += count / 4 + 1) {
            items = arena_resize(&arena, items, count * sizeof(*items));
            cr_assert_eq(items[count - 1], 0);
            items[count - 1] = (int)count;
            (void)arena_alloc(&arena, 16);
            before += 16;
            cr_assert_eq(arena.used, before + count * sizeof(*items));
        }
        items = arena_resize(&arena, items, 3 * sizeof(*items));
        cr_assert_eq(items[2], 3);
        cr_assert_eq(arena.used, before + 3 * sizeof(*items));
        if (other)
            cr_assert_str_eq(other, "other");
        cr_assert_str_eq(arena_strdup(&arena, "next"), "next");
        arena_release(&arena);
    }
}
