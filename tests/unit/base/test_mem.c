/*
 * Heap memory: zeroing, growth, overflow.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

static void assert_zero(const void *data, size_t size) {
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i++)
        cr_assert_eq(p[i], 0, "byte %zu", i);
}

Test(base_mem, allocated_memory_is_zero) {
    char *ptr = mem_alloc(1000);
    assert_zero(ptr, 1000);
    mem_free(ptr);
}

Test(base_mem, nothing_still_gives_a_pointer) {
    void *none = mem_alloc(0), *no_items = mem_alloc_array(0, 16);
    cr_assert_not_null(none);
    cr_assert_not_null(no_items);
    mem_free(none);
    mem_free(no_items);
    mem_free(NULL);
}

Test(base_mem, grow_keeps_the_old_part_and_zeroes_the_new) {
    int *items = mem_grow(NULL, 0, 2, sizeof(*items));
    assert_zero(items, 2 * sizeof(*items));
    items[0] = 1;
    items[1] = 2;
    items = mem_grow(items, 2, 1000, sizeof(*items));
    cr_assert_eq(items[0], 1);
    cr_assert_eq(items[1], 2);
    assert_zero(items + 2, 998 * sizeof(*items));
    mem_free(items);
}

Test(base_mem, an_overflowing_product_ends_the_process, .signal = SIGABRT) {
    volatile size_t count = SIZE_MAX / 2;
    mem_alloc_array(count, 4);
}

Test(base_mem, an_overflowing_growth_ends_the_process, .signal = SIGABRT) {
    volatile size_t count = SIZE_MAX / 2;
    mem_grow(NULL, 0, count, 4);
}

Test(base_mem, copies_of_text) {
    cr_assert_null(mem_strdup(NULL));
    char *whole = mem_strdup("abc"), *part = mem_strndup("abcdef", 2), *over = mem_strndup("ab", 10);
    char *none = mem_strndup(NULL, 0), *printed = mem_printf("%s-%d", "x", 5);
    cr_assert_str_eq(whole, "abc");
    cr_assert_str_eq(part, "ab");
    cr_assert_str_eq(over, "ab");
    cr_assert_str_eq(none, "");
    cr_assert_str_eq(printed, "x-5");
    mem_free(whole);
    mem_free(part);
    mem_free(over);
    mem_free(none);
    mem_free(printed);
}

Test(base_mem, wipe_clears) {
    char secret[16] = "hunter2";
    mem_wipe(secret, sizeof(secret));
    assert_zero(secret, sizeof(secret));
    mem_wipe(NULL, 0);
}

Test(base_mem, container_of_finds_the_owner) {
    struct owner {
        int before;
        char member;
    } owner = {0};
    cr_assert_eq(CONTAINER_OF(&owner.member, struct owner, member), &owner);
}
