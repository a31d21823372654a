/*
 * Texts kept once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "adapters/common/texts.h"

static struct arena arena, scratch;
static struct texts texts;

static void set_up(void) {
    texts_init(&texts, &arena, &scratch);
}

static void tear_down(void) {
    arena_release(&arena);
    arena_release(&scratch);
}

TestSuite(texts, .init = set_up, .fini = tear_down);

Test(texts, the_same_text_is_kept_once_and_outlives_the_table) {
    char text[] = "m5.large";
    const char *first = texts_keep(&texts, text);
    cr_expect_neq(first, text);
    cr_expect_eq(texts_keep(&texts, "m5.large"), first);
    cr_expect_neq(texts_keep(&texts, "m5.larg"), first);
    size_t used = arena.used;
    cr_expect_str_eq(texts_keep(&texts, ""), "");
    cr_expect_eq(arena.used, used);
    arena_release(&scratch);
    cr_expect_str_eq(first, "m5.large");
}

Test(texts, a_frequent_text_among_many_seldom_ones_costs_next_to_nothing) {
    char name[40];
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "i-%017d", i);
        cr_assert_str_eq(texts_keep(&texts, name), name);
        cr_assert_str_eq(texts_keep(&texts, "production"), "production");
    }
    cr_expect_lt(arena.used, 100000 * 20 + 100000, "%zu", arena.used);
}

Test(texts, long_texts_are_whole) {
    static char text[20000];
    memset(text, 'x', sizeof(text) - 1);
    for (size_t cut = 0; cut < sizeof(text) - 1; cut += 97)
        cr_expect_eq(strlen(texts_keep(&texts, text + cut)), sizeof(text) - 1 - cut);
}
