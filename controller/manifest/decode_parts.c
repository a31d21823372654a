/*
 * What several kinds share: amounts, sets of strings, tags, references, windows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "manifest/decode_internal.h"

/* Of a valid quantity: digits and a suffix, in units of 1/scale of its own unit. */
static int64_t quantity_in(const char *text, const char *const *suffixes, const int64_t *numerators,
                           int64_t denominator) {
    char *end;
    long long value = strtoll(text, &end, 10);
    size_t i = 0;
    while (suffixes[i] && !str_eq(end, suffixes[i]))
        i++;
    __int128 scaled = suffixes[i] ? (__int128)value * numerators[i] / denominator : 0;
    return scaled > INT64_MAX ? INT64_MAX : (int64_t)scaled;
}

int64_t decode_cpu(struct decoder *d, const struct place *up) {
    static const char *const suffixes[] = {"", "m", NULL};
    static const int64_t scales[] = {1000, 1};
    const char *text = decode_text_borrowed(d, up, "cpu", &text_cpu, false);
    return text ? quantity_in(text, suffixes, scales, 1) : 0;
}

int64_t decode_memory(struct decoder *d, const struct place *up) {
    static const char *const suffixes[] = {"", "Ki", "Mi", "Gi", "Ti", NULL};
    static const int64_t scales[] = {1, INT64_C(1) << 10, INT64_C(1) << 20, INT64_C(1) << 30, INT64_C(1) << 40};
    const char *text = decode_text_borrowed(d, up, "memory", &text_memory, false);
    return text ? quantity_in(text, suffixes, scales, INT64_C(1) << 20) : 0;
}

const char *const *decode_texts(struct decoder *d, const struct place *up, const char *key,
                                const struct text_rule *rule, size_t count_min, size_t count_max, size_t *ret_count) {
    struct place list;
    size_t entries = decode_list(d, up, key, count_min, count_max, &list), count = 0;
    const char **texts = entries > 0 ? arena_alloc_array(d->arena, entries, sizeof(*texts)) : NULL;
    for (size_t i = 0; i < entries; i++) {
        struct place at = place_index(&list, i);
        const char *text = decode_text_at(d, &at, rule);
        for (size_t j = 0; text && j < count; j++) {
            if (str_eq(texts[j], text)) {
                decode_fault(d, &at, "\"%.80s\" stands twice", text);
                break;
            }
        }
        if (text)
            texts[count++] = text;
    }
    *ret_count = count;
    return texts;
}

static int tag_cmp(const void *a, const void *b) {
    const struct tag *x = a, *y = b;
    return str_cmp(x->key, y->key);
}

const struct tag *decode_tags(struct decoder *d, const struct place *up, const char *key, size_t *ret_count) {
    static const struct text_rule value_rule = {256, NULL, ""};
    struct place map = decode_object(d, up, key, NULL);
    size_t entries = json_object_count(map.json), count = 0;
    *ret_count = 0;
    if (entries == 0)
        return NULL;
    if (entries > TAGS_MAX) {
        decode_fault(d, &map, "has %zu tags; at most %d are allowed", entries, TAGS_MAX);
        return NULL;
    }
    struct tag *tags = arena_alloc_array(d->arena, entries, sizeof(*tags));
    for (struct json_iter it = json_iter(map.json); json_iter_next(&it);) {
        struct place at = {.up = &map, .key = it.key, .json = it.value};
        size_t key_size = strlen(it.key);
        if (key_size == 0 || key_size > 128)
            decode_fault(d, &at, "the key of a tag must have 1 to 128 characters");
        const char *value = decode_text_at(d, &at, &value_rule);
        if (value)
            tags[count++] = (struct tag){arena_strdup(d->arena, it.key), value};
    }
    qsort(tags, count, sizeof(*tags), tag_cmp);
    *ret_count = count;
    return tags;
}

const struct tag *decode_selector(struct decoder *d, const struct place *up, const char *key, size_t *ret_count) {
    static const char *const keys[] = {"matchLabels", NULL};
    struct place selector = decode_object(d, up, key, keys);
    return decode_tags(d, &selector, "matchLabels", ret_count);
}

struct object_ref decode_reference_at(struct decoder *d, const struct place *at) {
    const char *text = decode_text_at(d, at, &text_reference);
    const char *slash = text ? strchr(text, '/') : NULL;
    if (!slash)
        return (struct object_ref){d->namespace, text};
    return (struct object_ref){arena_strndup(d->arena, text, (size_t)(slash - text)), slash + 1};
}

const struct object_ref *decode_references(struct decoder *d, const struct place *up, const char *key, size_t count_min,
                                           size_t count_max, size_t *ret_count) {
    struct place list;
    size_t entries = decode_list(d, up, key, count_min, count_max, &list), count = 0;
    struct object_ref *refs = entries > 0 ? arena_alloc_array(d->arena, entries, sizeof(*refs)) : NULL;
    for (size_t i = 0; i < entries; i++) {
        struct place at = place_index(&list, i);
        struct object_ref ref = decode_reference_at(d, &at);
        if (!ref.name)
            continue;
        for (size_t j = 0; j < count; j++) {
            if (str_eq(refs[j].name, ref.name) && str_eq(refs[j].namespace, ref.namespace)) {
                decode_fault(d, &at, "%s/%s stands twice", ref.namespace, ref.name);
                break;
            }
        }
        refs[count++] = ref;
    }
    *ret_count = count;
    return refs;
}

const char *decode_secret_ref(struct decoder *d, const struct place *up, bool required) {
    static const char *const keys[] = {"name", NULL};
    struct place ref = decode_object(d, up, "secretRef", keys);
    if (!ref.json) {
        if (required && !json_get(up->json, "secretRef"))
            decode_fault(d, &ref, "is required");
        return NULL;
    }
    return decode_text(d, &ref, "name", &text_subdomain, true);
}

int64_t decode_window_duration(struct decoder *d, const struct place *at) {
    return decode_duration(d, at, "duration",
                           DURATION_RULE(.min_ms = MINUTE_MS, .max_ms = 31 * DAY_MS, .required = true));
}

void decode_window(struct decoder *d, const struct place *at, struct schedule *ret, int64_t *ret_duration_ms) {
    const char *cron = decode_text_borrowed(d, at, "schedule", &text_cron, true);
    struct place zone_at = place_key(at, "timeZone");
    const char *zone = zone_at.json ? decode_text_borrowed(d, at, "timeZone", &text_time_zone, false) : "UTC";
    *ret_duration_ms = decode_window_duration(d, at);
    if (zone && !zone_find(zone)) {
        decode_fault(d, &zone_at, "\"%s\" is not in the tz database; write it like Europe/Berlin", zone);
        zone = NULL;
    }
    struct error err = {0};
    struct place schedule_at = place_key(at, "schedule");
    /* With a wrong zone, still look at the schedule. */
    if (cron && schedule_parse(cron, zone ? zone : "UTC", ret, &err) != ERR_NONE)
        decode_fault(d, &schedule_at, "%s", err.message);
}

const char *decode_raw(struct decoder *d, const struct json *json) {
    if (!json)
        return NULL;
    struct buf text = {0};
    json_print(json, &text);
    const char *copy = arena_strndup(d->arena, buf_text(&text), text.size);
    buf_release(&text);
    return copy;
}
