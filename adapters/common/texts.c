/*
 * A direct-mapped table of the texts seen last. A text that is seldom pushes out one that is frequent now and then,
 * which the next use of that one sets right.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/common/texts.h"

#include <string.h>

#include "base/str.h"

#define RECENT_COUNT 4096
#define PIECE_SIZE 8192
#define PACKED_SIZE_MAX 512 /* A longer text has its own memory, so that little of a piece is wasted. */

void texts_init(struct texts *texts, struct arena *arena, struct arena *scratch) {
    *texts = (struct texts){.arena = arena, .recent = arena_alloc_array(scratch, RECENT_COUNT, sizeof(char *))};
}

static char *place(struct texts *texts, size_t size) {
    if (size > PACKED_SIZE_MAX)
        return arena_alloc(texts->arena, size);
    if (size > texts->room_size) {
        texts->room = arena_alloc(texts->arena, PIECE_SIZE);
        texts->room_size = PIECE_SIZE;
    }
    char *at = texts->room;
    texts->room += size;
    texts->room_size -= size;
    return at;
}

const char *texts_keep(struct texts *texts, const char *text) {
    if (text[0] == '\0')
        return "";
    size_t size = strlen(text) + 1;
    uint64_t hash = str_hash(STR_HASH_SEED, text, size);
    const char **slot = &texts->recent[(hash ^ hash >> 32) % RECENT_COUNT];
    if (*slot == NULL || !str_eq(*slot, text))
        *slot = memcpy(place(texts, size), text, size);
    return *slot;
}
