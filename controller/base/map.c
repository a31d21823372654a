/*
 * The hash map: a dense array of entries in order of insertion, and a table of slots that index it. A removed entry
 * stays as a hole (key NULL) until the array is full; then holes are squeezed out or the array doubles, and the slots
 * are built anew. Slots are at least twice the capacity, so probing always meets an empty one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/map.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#define CAPACITY_MIN ((size_t)8)

void map_release(struct map *map) {
    for (size_t i = 0; i < map->used; i++)
        mem_free(map->entries[i].key);
    mem_free(map->entries);
    mem_free(map->slots);
    *map = (struct map){0};
}

static size_t slot_first(const struct map *map, uint64_t hash) {
    return (size_t)(hash ^ (hash >> 32)) & (map->slot_count - 1);
}

static struct map_entry *map_find(const struct map *map, const char *key, uint64_t hash) {
    if (map->count == 0)
        return NULL;
    for (size_t i = slot_first(map, hash); map->slots[i] != 0; i = (i + 1) & (map->slot_count - 1)) {
        struct map_entry *entry = &map->entries[map->slots[i] - 1];
        if (entry->key && entry->hash == hash && strcmp(entry->key, key) == 0)
            return entry;
    }
    return NULL;
}

static void slot_insert(struct map *map, size_t entry_index) {
    size_t i = slot_first(map, map->entries[entry_index].hash);
    while (map->slots[i] != 0)
        i = (i + 1) & (map->slot_count - 1);
    map->slots[i] = (uint32_t)(entry_index + 1);
}

/* Called when entries are full. Squeezing is enough if at least half are holes. */
static void map_make_room(struct map *map) {
    size_t live = 0;
    for (size_t i = 0; i < map->used; i++) {
        if (map->entries[i].key)
            map->entries[live++] = map->entries[i];
    }
    ASSERT(live == map->count);
    map->used = live;
    if (live > map->capacity / 2 || map->capacity == 0) {
        size_t capacity = map->capacity > 0 ? map->capacity * 2 : CAPACITY_MIN;
        ASSERT(capacity < UINT32_MAX);
        map->entries = mem_grow(map->entries, map->capacity, capacity, sizeof(*map->entries));
        map->capacity = capacity;
        mem_free(map->slots);
        map->slot_count = capacity * 2;
        map->slots = mem_alloc_array(map->slot_count, sizeof(*map->slots));
    } else {
        memset(map->slots, 0, map->slot_count * sizeof(*map->slots));
    }
    for (size_t i = 0; i < live; i++)
        slot_insert(map, i);
}

void *map_get(const struct map *map, const char *key) {
    const struct map_entry *entry = map_find(map, key, str_hash_text(STR_HASH_SEED, key));
    return entry ? entry->value : NULL;
}

void *map_put(struct map *map, const char *key, void *value) {
    ASSERT(value);
    uint64_t hash = str_hash_text(STR_HASH_SEED, key);
    struct map_entry *entry = map_find(map, key, hash);
    if (entry) {
        void *old = entry->value;
        entry->value = value;
        return old;
    }
    if (map->used == map->capacity)
        map_make_room(map);
    map->entries[map->used] = (struct map_entry){.key = mem_strdup(key), .value = value, .hash = hash};
    slot_insert(map, map->used);
    map->used++;
    map->count++;
    return NULL;
}

void *map_remove(struct map *map, const char *key) {
    struct map_entry *entry = map_find(map, key, str_hash_text(STR_HASH_SEED, key));
    if (!entry)
        return NULL;
    void *value = entry->value;
    mem_free(entry->key);
    entry->key = NULL;
    entry->value = NULL;
    map->count--;
    return value;
}

struct map_entry *map_next(const struct map *map, size_t *index) {
    while (*index < map->used) {
        struct map_entry *entry = &map->entries[(*index)++];
        if (entry->key)
            return entry;
    }
    return NULL;
}
