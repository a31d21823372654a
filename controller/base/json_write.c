/*
 * JSON writing: the streaming writer, and printing of trees.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_internal.h"
#include "base/mem.h"
#include "base/str.h"

struct print_style {
    bool is_canonical;
    bool is_pretty;
};

static void print_string(struct buf *out, const char *text, size_t size) {
    const unsigned char *p = (const unsigned char *)text;
    buf_putc(out, '"');
    for (size_t at = 0; at < size;) {
        size_t run = at;
        while (run < size && p[run] >= 0x20 && p[run] < 0x80 && p[run] != '"' && p[run] != '\\')
            run++;
        if (run > at)
            buf_append(out, text + at, run - at);
        at = run;
        if (at == size)
            break;
        static const char specials[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
        const char *special = p[at] ? strchr(specials, p[at]) : NULL;
        if (special) {
            buf_putc(out, '\\');
            buf_putc(out, names[special - specials]);
            at++;
        } else if (p[at] < 0x20) {
            buf_printf(out, "\\u%04x", (unsigned)p[at++]);
        } else {
            size_t step = str_utf8_size(text + at, size - at);
            if (step > 0)
                buf_append(out, text + at, step);
            else
                buf_puts(out, "\xef\xbf\xbd");
            at += step > 0 ? step : 1;
        }
    }
    buf_putc(out, '"');
}

static void print_double(struct buf *out, double value) {
    char text[STR_DOUBLE_MAX];
    if (!isfinite(value)) {
        buf_puts(out, "null");
        return;
    }
    str_from_double(value, text);
    buf_puts(out, text);
    if (!strpbrk(text, ".e"))
        buf_puts(out, ".0"); /* So that it is read back as a double. */
}

static void print_line(struct buf *out, int indent) {
    buf_putc(out, '\n');
    for (int i = 0; i < indent; i++)
        buf_puts(out, "  ");
}

static void print_node(struct buf *out, const struct json *node, struct print_style style, int indent);

static int member_cmp(const void *a, const void *b) {
    return strcmp(((const struct json_iter *)a)->key, ((const struct json_iter *)b)->key);
}

static void print_object(struct buf *out, const struct json *object, struct print_style style, int indent) {
    size_t count = json_object_count(object), i = 0;
    struct json_iter *members = mem_alloc_array(count, sizeof(*members));
    for (struct json_iter it = json_iter(object); json_iter_next(&it);)
        members[i++] = it;
    if (style.is_canonical)
        qsort(members, count, sizeof(*members), member_cmp);
    buf_putc(out, '{');
    for (i = 0; i < count; i++) {
        if (i > 0)
            buf_putc(out, ',');
        if (style.is_pretty)
            print_line(out, indent + 1);
        print_string(out, members[i].key, strlen(members[i].key));
        buf_puts(out, style.is_pretty ? ": " : ":");
        print_node(out, members[i].value, style, indent + 1);
    }
    if (style.is_pretty && count > 0)
        print_line(out, indent);
    buf_putc(out, '}');
    mem_free(members);
}

static void print_array(struct buf *out, const struct json *array, struct print_style style, int indent) {
    size_t count = json_array_count(array);
    buf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_putc(out, ',');
        if (style.is_pretty)
            print_line(out, indent + 1);
        print_node(out, json_array_at(array, i), style, indent + 1);
    }
    if (style.is_pretty && count > 0)
        print_line(out, indent);
    buf_putc(out, ']');
}

static void print_node(struct buf *out, const struct json *node, struct print_style style, int indent) {
    switch (json_type(node)) {
    case JSON_NULL:
        buf_puts(out, "null");
        break;
    case JSON_BOOL:
        buf_puts(out, json_bool(node, false) ? "true" : "false");
        break;
    case JSON_INT:
        buf_printf(out, "%" PRId64, json_int(node, 0));
        break;
    case JSON_DOUBLE:
        print_double(out, json_double(node, 0));
        break;
    case JSON_STRING:
        print_string(out, json_string(node, ""), (size_t)json_object_get_string_len(json_c_of(node)));
        break;
    case JSON_ARRAY:
        print_array(out, node, style, indent);
        break;
    case JSON_OBJECT:
        print_object(out, node, style, indent);
        break;
    }
}

void json_print(const struct json *node, struct buf *out) {
    print_node(out, node, (struct print_style){0}, 0);
}

void json_print_canonical(const struct json *node, struct buf *out) {
    print_node(out, node, (struct print_style){.is_canonical = true}, 0);
}

void json_print_pretty(const struct json *node, struct buf *out) {
    print_node(out, node, (struct print_style){.is_pretty = true}, 0);
}

/* Each value is hashed with its type; members of an object are added up, so that their order does not matter, after
 * each has been mixed with its key, so that equal values under other keys do not cancel out. */
static uint64_t mix(uint64_t hash) {
    hash ^= hash >> 31;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static uint64_t hash_text(uint64_t seed, const char *text) {
    return str_hash(seed, text, strlen(text));
}

uint64_t json_hash(const struct json *node) {
    uint64_t hash = mix(STR_HASH_SEED + (uint64_t)json_type(node));
    int64_t whole;
    double number;
    switch (json_type(node)) {
    case JSON_NULL:
        break;
    case JSON_BOOL:
        hash += json_bool(node, false);
        break;
    case JSON_INT:
        whole = json_int(node, 0);
        hash = str_hash(hash, &whole, sizeof(whole));
        break;
    case JSON_DOUBLE:
        number = json_double(node, 0);
        hash = str_hash(hash, &number, sizeof(number));
        break;
    case JSON_STRING:
        hash = hash_text(hash, json_string(node, ""));
        break;
    case JSON_ARRAY:
        for (size_t i = 0; i < json_array_count(node); i++)
            hash = mix(hash + json_hash(json_array_at(node, i)));
        break;
    case JSON_OBJECT:
        for (struct json_iter it = json_iter(node); json_iter_next(&it);)
            hash += mix(hash_text(json_hash(it.value), it.key));
        break;
    }
    return mix(hash);
}

static bool in_object(const struct json_writer *w) {
    return w->depth > 0 && (w->objects >> (w->depth - 1) & 1) != 0;
}

/* Before every value: a comma in an array; in an object jw_key has written it. */
static void value_begin(struct json_writer *w) {
    ASSERT(in_object(w) == w->after_key);
    ASSERT(w->depth > 0 || !w->need_comma); /* One value at the top. */
    if (w->need_comma && !w->after_key)
        buf_putc(w->out, ',');
    w->need_comma = true;
    w->after_key = false;
}

void jw_open(struct json_writer *w, char bracket) {
    ASSERT(bracket == '{' || bracket == '[');
    value_begin(w);
    ASSERT(w->depth < 64);
    uint64_t bit = UINT64_C(1) << w->depth++;
    w->objects = bracket == '{' ? w->objects | bit : w->objects & ~bit;
    w->need_comma = false;
    buf_putc(w->out, bracket);
}

void jw_close(struct json_writer *w, char bracket) {
    ASSERT(w->depth > 0 && !w->after_key);
    ASSERT(bracket == (in_object(w) ? '}' : ']'));
    w->depth--;
    w->need_comma = true;
    buf_putc(w->out, bracket);
}

void jw_key(struct json_writer *w, const char *key) {
    ASSERT(in_object(w) && !w->after_key);
    if (w->need_comma)
        buf_putc(w->out, ',');
    print_string(w->out, key, strlen(key));
    buf_putc(w->out, ':');
    w->after_key = true;
}

void jw_string(struct json_writer *w, const char *text) {
    value_begin(w);
    if (text)
        print_string(w->out, text, strlen(text));
    else
        buf_puts(w->out, "null");
}

void jw_int(struct json_writer *w, int64_t value) {
    value_begin(w);
    buf_printf(w->out, "%" PRId64, value);
}

void jw_double(struct json_writer *w, double value) {
    value_begin(w);
    print_double(w->out, value);
}

void jw_bool(struct json_writer *w, bool value) {
    value_begin(w);
    buf_puts(w->out, value ? "true" : "false");
}

void jw_json(struct json_writer *w, const struct json *node) {
    value_begin(w);
    json_print(node, w->out);
}

void jw_raw(struct json_writer *w, const char *json_text) {
    value_begin(w);
    buf_puts(w->out, json_text);
}

void jw_put_string(struct json_writer *w, const char *key, const char *text) {
    if (!text)
        return;
    jw_key(w, key);
    jw_string(w, text);
}

void jw_put_int(struct json_writer *w, const char *key, int64_t value) {
    jw_key(w, key);
    jw_int(w, value);
}

void jw_put_bool(struct json_writer *w, const char *key, bool value) {
    jw_key(w, key);
    jw_bool(w, value);
}
