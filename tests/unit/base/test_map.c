/*
 * The map against a plain array, and its order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

Test(base_map, an_empty_map_has_nothing) {
    struct map map = {0};
    size_t i = 0;
    cr_assert_null(map_get(&map, "a"));
    cr_assert_null(map_remove(&map, "a"));
    cr_assert_null(map_next(&map, &i));
    map_release(&map);
}

Test(base_map, put_returns_what_it_replaced) {
    struct map map = {0};
    int a, b;
    cr_assert_null(map_put(&map, "k", &a));
    cr_assert_eq(map_put(&map, "k", &b), &a);
    cr_assert_eq(map_get(&map, "k"), &b);
    cr_assert_eq(map.count, 1);
    cr_assert_eq(map_remove(&map, "k"), &b);
    cr_assert_null(map_get(&map, "k"));
    cr_assert_null(map_put(&map, "k", &a));
    cr_assert_eq(map_get(&map, "k"), &a);
    map_release(&map);
}

Test(base_map, keys_are_copied) {
    struct map map = {0};
    int value;
    char key[] = "key";
    map_put(&map, key, &value);
    key[0] = 'x';
    cr_assert_eq(map_get(&map, "key"), &value);
    map_release(&map);
}

Test(base_map, iterates_in_order_of_insertion) {
    struct map map = {0};
    static int values[1000];
    char key[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        map_put(&map, key, &values[i]);
    }
    struct map_entry *entry;
    int count = 0;
    for (size_t i = 0; (entry = map_next(&map, &i)); count++)
        cr_assert_eq(entry->value, &values[count]);
    cr_assert_eq(count, 1000);
    map_release(&map);
}

Test(base_map, agrees_with_an_array_under_random_puts_and_removals) {
    enum { KEYS = 200 };
    static int pool[64];
    void *expected[KEYS] = {0};
    struct map map = {0};
    uint64_t random = 88172645463325252u;
    size_t live = 0;
    for (int step = 0; step < 50000; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        size_t k = random % KEYS;
        void *value = &pool[random / KEYS % 64];
        char key[16];
        snprintf(key, sizeof(key), "k%zu", k);
        if (random >> 40 & 1) {
            cr_assert_eq(map_put(&map, key, value), expected[k]);
            live += expected[k] == NULL;
            expected[k] = value;
        } else {
            cr_assert_eq(map_remove(&map, key), expected[k]);
            live -= expected[k] != NULL;
            expected[k] = NULL;
        }
        cr_assert_eq(map.count, live);
        cr_assert_eq(map_get(&map, key), expected[k]);
    }
    for (size_t k = 0; k < KEYS; k++) {
        char key[16];
        snprintf(key, sizeof(key), "k%zu", k);
        cr_assert_eq(map_get(&map, key), expected[k]);
    }
    cr_assert_leq(map.capacity, 1024, "holes are reused");
    map_release(&map);
}

Test(base_map, entries_may_be_removed_while_iterating) {
    struct map map = {0};
    static int value;
    char key[16];
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "%d", i);
        map_put(&map, key, &value);
    }
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&map, &i));) {
        snprintf(key, sizeof(key), "%s", entry->key);
        cr_assert_eq(map_remove(&map, key), &value);
    }
    cr_assert_eq(map.count, 0);
    map_release(&map);
}
