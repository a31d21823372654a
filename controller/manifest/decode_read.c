/*
 * Places, faults, and the readers of scalars. See decode_internal.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "manifest/decode_internal.h"

struct place place_key(const struct place *up, const char *key) {
    return (struct place){.up = up, .key = key, .json = json_get(up->json, key)};
}

struct place place_index(const struct place *up, size_t index) {
    return (struct place){.up = up, .index = index, .json = json_array_at(up->json, index)};
}

static void path_print(const struct place *at, struct buf *to) {
    if (!at->up)
        return;
    path_print(at->up, to);
    if (!at->key) {
        buf_printf(to, "[%zu]", at->index);
        return;
    }
    if (to->size > 0)
        buf_putc(to, '.');
    buf_puts(to, at->key);
}

void decode_fault(struct decoder *d, const struct place *at, const char *format, ...) {
    if (d->faults->count == MANIFEST_FAULTS_MAX) {
        d->dropped++;
        return;
    }
    struct buf path = {0};
    path_print(at, &path);
    va_list args;
    va_start(args, format);
    struct manifest_fault fault = {arena_strndup(d->arena, buf_text(&path), path.size),
                                   arena_vprintf(d->arena, format, args)};
    va_end(args);
    buf_release(&path);
    struct manifest_faults *faults = d->faults;
    faults->items = arena_push(d->arena, faults->items, faults->count, sizeof(*faults->items));
    faults->items[faults->count++] = fault;
}

static bool type_check(struct decoder *d, struct place *at, enum json_type type) {
    enum json_type found = json_type(at->json);
    if (found == type)
        return true;
    if (at->json)
        decode_fault(d, at, "must be %s %s, not %s", strchr("aio", *json_type_name(type)) ? "an" : "a",
                     json_type_name(type), json_type_name(found));
    at->json = NULL;
    return false;
}

/* ---- Objects and lists ---- */

/* Edits (insert, delete, replace) from a to b, or 3 if there are more or the words are too long to be worth it. */
static int edit_distance(const char *a, const char *b) {
    enum { LONGEST = 32 };
    size_t a_size = strlen(a), b_size = strlen(b);
    if (a_size > LONGEST || b_size > LONGEST)
        return 3;
    int row[LONGEST + 1];
    for (size_t j = 0; j <= b_size; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= a_size; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= b_size; j++) {
            int replaced = diagonal + ((a[i - 1] | 0x20) != (b[j - 1] | 0x20));
            diagonal = row[j];
            int other = (row[j - 1] < row[j] ? row[j - 1] : row[j]) + 1;
            row[j] = replaced < other ? replaced : other;
        }
    }
    return row[b_size] < 3 ? row[b_size] : 3;
}

static void unknown_field_fault(struct decoder *d, const struct place *at, const char *const *keys) {
    const char *nearest = NULL;
    int least = 3;
    for (; *keys; keys++) {
        int distance = edit_distance(at->key, *keys);
        if (distance < least) {
            least = distance;
            nearest = *keys;
        }
    }
    if (nearest)
        decode_fault(d, at, "unknown field; did you mean %s?", nearest);
    else
        decode_fault(d, at, "unknown field; remove it or correct its name");
}

static bool is_known(const char *key, const char *const *keys) {
    for (; *keys; keys++) {
        if (str_eq(key, *keys))
            return true;
    }
    return false;
}

void decode_object_at(struct decoder *d, struct place *at, const char *const *keys) {
    if (!type_check(d, at, JSON_OBJECT) || !keys || !d->options->strict)
        return;
    for (struct json_iter it = json_iter(at->json); json_iter_next(&it);) {
        if (!is_known(it.key, keys)) {
            struct place field = {.up = at, .key = it.key, .json = it.value};
            unknown_field_fault(d, &field, keys);
        }
    }
}

struct place decode_object(struct decoder *d, const struct place *up, const char *key, const char *const *keys) {
    struct place at = place_key(up, key);
    decode_object_at(d, &at, keys);
    return at;
}

size_t decode_list(struct decoder *d, const struct place *up, const char *key, size_t count_min, size_t count_max,
                   struct place *ret) {
    *ret = place_key(up, key);
    bool is_absent = !ret->json;
    type_check(d, ret, JSON_ARRAY);
    size_t count = json_array_count(ret->json);
    if (count > count_max) {
        decode_fault(d, ret, "has %zu entries; at most %zu are allowed", count, count_max);
        return count_max;
    }
    if (count < count_min && (ret->json || is_absent))
        decode_fault(d, ret, is_absent ? "is required" : "must have at least %zu %s", count_min,
                     count_min == 1 ? "entry" : "entries");
    return count;
}

/* ---- Scalars ---- */

static size_t character_count(const char *text) {
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static const char *text_check(struct decoder *d, const struct place *at, const struct text_rule *rule) {
    struct place typed = *at;
    if (!type_check(d, &typed, JSON_STRING)) {
        if (!at->json)
            decode_fault(d, at, "must be a string, not null");
        return NULL;
    }
    const char *text = json_string(at->json, "");
    size_t count = character_count(text);
    if (count > rule->size_max) {
        decode_fault(d, at, "has %zu characters; at most %zu are allowed", count, rule->size_max);
        return NULL;
    }
    if (rule->is_good && !rule->is_good(text)) {
        decode_fault(d, at, "\"%.80s\" %s", text, rule->form);
        return NULL;
    }
    return text;
}

const char *decode_text_at(struct decoder *d, const struct place *at, const struct text_rule *rule) {
    return arena_strdup(d->arena, text_check(d, at, rule));
}

const char *decode_text_borrowed(struct decoder *d, const struct place *up, const char *key,
                                 const struct text_rule *rule, bool required) {
    struct place at = place_key(up, key);
    if (at.json)
        return text_check(d, &at, rule);
    if (required)
        decode_fault(d, &at, "is required");
    return NULL;
}

const char *decode_text(struct decoder *d, const struct place *up, const char *key, const struct text_rule *rule,
                        bool required) {
    return arena_strdup(d->arena, decode_text_borrowed(d, up, key, rule, required));
}

int64_t decode_int(struct decoder *d, const struct place *up, const char *key, struct int_rule rule) {
    struct place at = place_key(up, key);
    if (!at.json) {
        if (rule.required)
            decode_fault(d, &at, "is required");
        return rule.fallback;
    }
    if (json_type(at.json) == JSON_DOUBLE) {
        decode_fault(d, &at, "must be a whole number");
        return rule.fallback;
    }
    if (!type_check(d, &at, JSON_INT))
        return rule.fallback;
    int64_t value = json_int(at.json, 0);
    if (value >= rule.min && value <= rule.max)
        return value;
    decode_fault(d, &at, "%lld is out of range; it must be %lld to %lld", (long long)value, (long long)rule.min,
                 (long long)rule.max);
    return rule.fallback;
}

/* As the CRD's pattern has it: each number starts with 1 to 9, so that no component is idle and "0s" is the only zero.
 */
static bool has_idle_component(const char *text) {
    for (bool is_start = true; *text; text++) {
        bool is_digit = *text >= '0' && *text <= '9';
        if (is_start && *text == '0')
            return true;
        is_start = !is_digit;
    }
    return false;
}

int64_t decode_duration(struct decoder *d, const struct place *up, const char *key, struct duration_rule rule) {
    struct place at = place_key(up, key);
    if (!at.json) {
        if (rule.required)
            decode_fault(d, &at, "is required");
        return rule.fallback_ms;
    }
    if (!type_check(d, &at, JSON_STRING))
        return rule.fallback_ms;
    const char *text = json_string(at.json, "");
    int64_t value;
    if (str_eq(text, "0s")) {
        value = 0;
    } else if (has_idle_component(text) || !duration_parse(text, &value)) {
        decode_fault(d, &at, "\"%.80s\" must be a duration like 90s, 10m, 24h, 14d or 1h30m", text);
        return rule.fallback_ms;
    }
    if (value >= rule.min_ms && value <= rule.max_ms)
        return value;
    char low[32], high[32];
    duration_format(rule.min_ms, low, sizeof(low));
    duration_format(rule.max_ms, high, sizeof(high));
    decode_fault(d, &at, "%s is out of range; it must be %s to %s", text, low, high);
    return rule.fallback_ms;
}

bool decode_bool(struct decoder *d, const struct place *up, const char *key, bool fallback) {
    struct place at = place_key(up, key);
    return type_check(d, &at, JSON_BOOL) ? json_bool(at.json, fallback) : fallback;
}

int64_t decode_time(struct decoder *d, const struct place *up, const char *key) {
    struct place at = place_key(up, key);
    if (!type_check(d, &at, JSON_STRING))
        return 0;
    int64_t value = 0;
    const char *text = json_string(at.json, "");
    if (!time_parse(text, &value))
        decode_fault(d, &at, "\"%.80s\" must be a time like 2026-11-24T10:00:00Z", text);
    return value;
}

/* ---- Words of closed lists ---- */

int enum_find(const char *text, enum_name_fn *name, int count) {
    for (int i = 0; i < count; i++) {
        if (str_eq(text, name(i)))
            return i;
    }
    return -1;
}

static int enum_at(struct decoder *d, struct place *at, enum_name_fn *name, int count) {
    if (!type_check(d, at, JSON_STRING))
        return -1;
    const char *text = json_string(at->json, "");
    int value = enum_find(text, name, count);
    if (value >= 0 && *text)
        return value;
    struct buf words = {0};
    for (int i = 0; i < count; i++) {
        if (*name(i))
            buf_printf(&words, "%s%s", words.size > 0 ? ", " : "", name(i));
    }
    decode_fault(d, at, "\"%.80s\" is not one of %s", text, buf_text(&words));
    buf_release(&words);
    return -1;
}

int decode_enum(struct decoder *d, const struct place *up, const char *key, enum_name_fn *name, int count,
                int fallback) {
    struct place at = place_key(up, key);
    int otherwise = fallback < 0 ? 0 : fallback;
    if (!at.json) {
        if (fallback < 0)
            decode_fault(d, &at, "is required");
        return otherwise;
    }
    int value = enum_at(d, &at, name, count);
    return value < 0 ? otherwise : value;
}

uint32_t decode_enum_set(struct decoder *d, const struct place *up, const char *key, enum_name_fn *name, int count,
                         uint32_t fallback) {
    struct place list = place_key(up, key);
    if (!list.json)
        return fallback;
    size_t entries = decode_list(d, up, key, 1, (size_t)count, &list);
    uint32_t bits = 0;
    for (size_t i = 0; i < entries; i++) {
        struct place at = place_index(&list, i);
        bool is_null = !at.json;
        int value = enum_at(d, &at, name, count);
        if (is_null)
            decode_fault(d, &at, "must be a string, not null");
        if (value < 0)
            continue;
        if (bits & 1u << value)
            decode_fault(d, &at, "%s stands twice", name(value));
        bits |= 1u << value;
    }
    return bits != 0 ? bits : fallback;
}
