/*
 * Which objects of an export are the bill. AWS Data Exports writes
 *
 *     <prefix>/<name>/data/BILLING_PERIOD=2026-11/<name>-00001.csv.gz               overwritten with each refresh, or
 *     <prefix>/<name>/data/BILLING_PERIOD=2026-11/<execution>/<name>-00001.csv.gz   a folder for each refresh
 *     <prefix>/<name>/metadata/BILLING_PERIOD=2026-11/[<execution>/]<name>-Manifest.json   last of all
 *
 * Keys without a period are taken as they are: an export of our own, or one that was copied.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/charges.h"
#include "base/str.h"
#include "base/timefmt.h"

#define PERIOD_WORD "billing_period="
#define PERIOD_SIZE (sizeof(PERIOD_WORD "2026-11") - 1)

struct place {        /* What a key says. */
    const char *root; /* Up to and without "/data/" or "/metadata/"; shared by both. */
    const char *period;
    const char *execution; /* "" none. */
    int64_t month_ms;      /* The period's begin; -1: none. */
};

/* NULL if the key names no period. */
static const char *find_period(const char *key) {
    const char *at = strcasestr(key, PERIOD_WORD);
    return at != NULL && (at == key || at[-1] == '/') && strlen(at) > PERIOD_SIZE && at[PERIOD_SIZE] == '/' ? at : NULL;
}

static struct place place_of(const char *key, struct arena *arena) {
    struct place place = {"", "", "", -1};
    const char *period = find_period(key);
    if (period == NULL)
        return place;
    const char *month = period + strlen(PERIOD_WORD);
    char first[TIME_TEXT_MAX];
    memcpy(first, month, strlen("2026-11"));
    memcpy(first + strlen("2026-11"), "-01T00:00:00Z", sizeof("-01T00:00:00Z"));
    if (!time_parse(first, &place.month_ms))
        return (struct place){"", "", "", -1};
    place.period = arena_strndup(arena, month, strlen("2026-11"));
    const char *rest = period + PERIOD_SIZE + 1, *file = strrchr(rest, '/');
    if (file != NULL)
        place.execution = arena_strndup(arena, rest, (size_t)(file - rest));
    size_t root_size = (size_t)(period - key);
    while (root_size > 0 && key[root_size - 1] == '/')
        root_size--;
    while (root_size > 0 && key[root_size - 1] != '/')
        root_size--;
    place.root = arena_strndup(arena, key, root_size);
    return place;
}

static bool has_suffix_nocase(const char *text, const char *suffix) {
    size_t size = strlen(text), suffix_size = strlen(suffix);
    return size >= suffix_size && strcasecmp(text + size - suffix_size, suffix) == 0;
}

static bool is_csv(const char *key) {
    return has_suffix_nocase(key, ".csv") || has_suffix_nocase(key, ".csv.gz");
}

struct execution { /* One export of one period into its own folder. */
    const char *name;
    int64_t modified_ms; /* Of its newest object. */
    bool has_manifest;
};

struct choice { /* By root and period. */
    struct execution *executions;
    size_t count;
};

static const char *period_key(struct arena *arena, const struct place *place) {
    return arena_printf(arena, "%s\n%s", place->root, place->period);
}

static struct execution *note_execution(struct map *choices, struct arena *arena, const struct place *place) {
    const char *key = period_key(arena, place);
    struct choice *choice = map_get(choices, key);
    if (choice == NULL) {
        choice = arena_alloc(arena, sizeof(*choice));
        map_put(choices, key, choice);
    }
    for (size_t i = 0; i < choice->count; i++) {
        if (str_eq(choice->executions[i].name, place->execution))
            return &choice->executions[i];
    }
    choice->executions = arena_push(arena, choice->executions, choice->count, sizeof(*choice->executions));
    choice->executions[choice->count] = (struct execution){.name = place->execution, .modified_ms = INT64_MIN};
    return &choice->executions[choice->count++];
}

/* Complete before incomplete, new before old; of two of the same second the later name, which begins with its time. */
static bool is_better(const struct execution *a, const struct execution *b) {
    if (a->has_manifest != b->has_manifest)
        return a->has_manifest;
    if (a->modified_ms != b->modified_ms)
        return a->modified_ms > b->modified_ms;
    return strcmp(a->name, b->name) > 0;
}

static const char *best_execution(const struct choice *choice) {
    const struct execution *best = NULL;
    for (size_t i = 0; i < choice->count; i++) {
        const struct execution *one = &choice->executions[i];
        if (one->modified_ms != INT64_MIN && (best == NULL || is_better(one, best)))
            best = one;
    }
    return best != NULL ? best->name : "";
}

/* Executions are judged by all that stands in their folders, data and manifest. */
static void note_objects(struct map *choices, const struct aws_export_object *objects, size_t count,
                         struct arena *arena) {
    for (size_t i = 0; i < count; i++) {
        bool is_manifest = has_suffix_nocase(objects[i].key, "manifest.json");
        struct place place = place_of(objects[i].key, arena);
        if (place.month_ms < 0 || (!is_manifest && !is_csv(objects[i].key)))
            continue;
        struct execution *execution = note_execution(choices, arena, &place);
        if (is_manifest)
            execution->has_manifest = true;
        else if (objects[i].modified_ms > execution->modified_ms)
            execution->modified_ms = objects[i].modified_ms;
    }
}

/* A charge is billed in its own month or, corrected, in a later one. */
static bool is_in_range(const struct place *place, int64_t from_ms, int64_t to_ms) {
    const int64_t day_ms = INT64_C(24) * 3600 * 1000;
    return place->month_ms < 0 || (place->month_ms + 31 * day_ms > from_ms && place->month_ms < to_ms + 31 * day_ms);
}

static int object_cmp(const void *a, const void *b) {
    return strcmp(((const struct aws_export_object *)a)->key, ((const struct aws_export_object *)b)->key);
}

enum err_class aws_export_choose(struct aws_export_object *objects, size_t *count, int64_t from_ms, int64_t to_ms,
                                 struct arena *arena, struct error *err) {
    struct map choices = {0};
    size_t kept = 0, csv_count = 0, parquet_count = 0;
    note_objects(&choices, objects, *count, arena);
    for (size_t i = 0; i < *count; i++) {
        const char *key = objects[i].key;
        parquet_count += has_suffix_nocase(key, ".parquet") ? 1 : 0;
        if (!is_csv(key))
            continue;
        csv_count++;
        struct place place = place_of(key, arena);
        if (place.month_ms >= 0 &&
            !str_eq(place.execution, best_execution(map_get(&choices, period_key(arena, &place)))))
            continue;
        if (is_in_range(&place, from_ms, to_ms))
            objects[kept++] = objects[i];
    }
    map_release(&choices);
    if (csv_count == 0 && parquet_count > 0)
        return error_set(err, ERR_PERMANENT,
                         "the export is in Parquet, which is not read: choose text/csv with gzip for it");
    if (csv_count == 0)
        return error_set(err, ERR_PERMANENT,
                         "no .csv.gz or .csv object there; a new export takes up to a day to appear");
    if (kept > 1)
        qsort(objects, kept, sizeof(*objects), object_cmp);
    *count = kept;
    return ERR_NONE;
}
