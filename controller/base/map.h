/*
 * A hash map from string keys (copied into the map) to pointers (not owned). Iteration order is the order of insertion
 * until the first removal, so nothing that is decided may depend on it: sort first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_MAP_H
#define TRIMTAB_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_entry { /* key NULL: removed; skip it when iterating entries[0..used). */
    char *key;
    void *value;
    uint64_t hash;
};

struct map {                   /* Zeroed is a valid empty map. */
    struct map_entry *entries; /* Dense, in order of insertion. */
    size_t used;               /* Entries in use, holes included. */
    size_t count;              /* Live keys. */
    size_t capacity;
    uint32_t *slots; /* Open addressing: index + 1 into entries, 0 empty. */
    size_t slot_count;
};

void map_release(struct map *map);
void *map_get(const struct map *map, const char *key);        /* NULL if absent. */
void *map_put(struct map *map, const char *key, void *value); /* value not NULL; returns the old value or NULL. */
void *map_remove(struct map *map, const char *key);           /* Returns the value or NULL. */

/* for (size_t i = 0; (e = map_next(map, &i));) */
struct map_entry *map_next(const struct map *map, size_t *index);

#endif
