/*
 * Which piece is the next that fits: the tree answers as a walk over all of them does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "pack_check.h"
#include "plan/pack_waiting.h"

#define CLASSES_MAX 70

struct pieces {
    struct pack_class classes[CLASSES_MAX];
    uint32_t order[CLASSES_MAX];
    bool gone[CLASSES_MAX]; /* By position. */
    size_t count;
};

static void make(uint64_t *state, size_t count, struct pieces *ret) {
    ret->count = count;
    for (size_t i = 0; i < count; i++) {
        for (size_t d = 0; d < PACK_RESOURCES; d++)
            ret->classes[i].need[d] = (int64_t)pack_chance(state, 20);
        ret->order[i] = (uint32_t)(count - 1 - i);
        ret->gone[i] = false;
    }
}

static size_t walk(const struct pieces *pieces, size_t from, const int64_t *left) {
    for (size_t p = from; p < pieces->count; p++) {
        bool fits = !pieces->gone[p];
        for (size_t d = 0; d < PACK_RESOURCES; d++)
            fits &= pieces->classes[pieces->order[p]].need[d] <= left[d];
        if (fits)
            return p;
    }
    return PACK_NONE_WAITS;
}

Test(plan_pack_waiting, the_next_that_fits_is_found_while_others_go) {
    uint64_t state = 1;
    struct arena arena = {0};
    for (size_t count = 0; count <= CLASSES_MAX; count++) {
        struct pieces pieces;
        struct pack_waiting waiting;
        make(&state, count, &pieces);
        const struct pack_model model = {.classes = pieces.classes, .class_count = count};
        pack_waiting_make(&model, pieces.order, count, &arena, &waiting);
        for (size_t round = 0; round < 300; round++) {
            int64_t left[PACK_DIMENSIONS];
            for (size_t d = 0; d < PACK_DIMENSIONS; d++)
                left[d] = (int64_t)pack_chance(&state, 20);
            size_t from = pack_chance(&state, count + 2), found = pack_waiting_next(&waiting, from, left);
            cr_assert_eq(found, walk(&pieces, from, left), "count %zu from %zu", count, from);
            if (found == PACK_NONE_WAITS || round % 4)
                continue;
            pack_waiting_remove(&waiting, found);
            pieces.gone[found] = true;
        }
        arena_release(&arena);
    }
}

/* A thousand large ones before a small one are passed over as a whole. */
Test(plan_pack_waiting, a_stretch_of_large_ones_takes_few_steps) {
    enum { MANY = 1024 };
    static struct pack_class classes[MANY];
    static uint32_t order[MANY];
    struct arena arena = {0};
    struct pack_waiting waiting;
    for (size_t i = 0; i < MANY; i++) {
        classes[i].need[PACK_CPU] = i + 1 < MANY ? 100 : 1;
        order[i] = (uint32_t)i;
    }
    const struct pack_model model = {.classes = classes, .class_count = MANY};
    pack_waiting_make(&model, order, MANY, &arena, &waiting);
    uint64_t before = waiting.steps;
    cr_assert_eq(pack_waiting_next(&waiting, 0, (int64_t[PACK_DIMENSIONS]){50, 0, 0, 1}), MANY - 1);
    cr_assert_leq(waiting.steps - before, 40);
    arena_release(&arena);
}
