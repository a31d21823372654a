/*
 * JSON, the only place that knows json-c. Reading gives a tree; writing streams into a buffer without a tree.
 *
 * json-c alone accepts duplicate keys and clamps integers silently; json_parse refuses duplicates, documents deeper
 * than JSON_DEPTH_MAX, larger than JSON_SIZE_MAX, text that is not UTF-8, U+0000, lone surrogates, integers beyond
 * 64 bits, trailing bytes, and NaN or Infinity.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_JSON_H
#define TRIMTAB_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct json; /* A node; owned by its root. All readers accept NULL and then say "absent". */

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_DOUBLE, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

#define JSON_SIZE_MAX ((size_t)16 << 20)
#define JSON_DEPTH_MAX 64

MUST_CHECK enum err_class json_parse(struct bytes text, struct json **ret, struct error *err);
/* For replies of servers that we trust to send no duplicates and that are read by the thousand: skips that check, and
 * takes U+0000 in strings (readers see the text before it), so that one odd annotation cannot break a whole list. */
MUST_CHECK enum err_class json_parse_trusted(struct bytes text, struct json **ret, struct error *err);
void json_free(struct json *root); /* The root only; NULL is fine. */

enum json_type json_type(const struct json *node); /* NULL node: JSON_NULL. */
const char *json_type_name(enum json_type type);   /* "object", "string"... for messages. */

/* Objects. json_get takes one key; json_at a dotted path of plain keys ("metadata.name"). NULL if absent or not an
 * object. */
const struct json *json_get(const struct json *object, const char *key);
const struct json *json_at(const struct json *object, const char *path);
size_t json_object_count(const struct json *object);
/* for (struct json_iter it = json_iter(obj); json_iter_next(&it);) use it.key, it.value */
struct json_iter {
    const char *key;
    const struct json *value;
    void *position;
    bool started;
};
struct json_iter json_iter(const struct json *object);
bool json_iter_next(struct json_iter *it);

/* Arrays. */
size_t json_array_count(const struct json *array); /* 0 for anything else. */
const struct json *json_array_at(const struct json *array, size_t index);

/* Scalars: strict in type; the fallback is given when the node is absent or of another type. */
const char *json_string(const struct json *node, const char *fallback);
bool json_bool(const struct json *node, bool fallback);
int64_t json_int(const struct json *node, int64_t fallback);
double json_double(const struct json *node, double fallback); /* Also of an integer. */

/* Building a tree (used where YAML becomes JSON). The parent takes ownership of the child. */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_string(const char *text, size_t size);
struct json *json_new_int(int64_t value);
struct json *json_new_double(double value);
struct json *json_new_bool(bool value);
/* child NULL: null. Replaces. (Not json_object_put: json-c exports a function of that name.) */
void json_object_set(struct json *object, const char *key, struct json *child);
void json_array_push(struct json *array, struct json *child);
struct json *json_copy(const struct json *node); /* Deep. */

/* Serialises a tree, compact, keys in order of the tree; or canonical: keys sorted bytewise. */
void json_print(const struct json *node, struct buf *out);
void json_print_canonical(const struct json *node, struct buf *out);
void json_print_pretty(const struct json *node, struct buf *out); /* Two spaces, for people. */
/* A hash that does not depend on the order of keys. */
uint64_t json_hash(const struct json *node);

/* Writing: commas and escapes are handled, nesting is asserted. Zero-initialise with the buffer set.
 *     struct json_writer w = {.out = &buf};
 *     jw_open(&w, '{'); jw_key(&w, "a"); jw_int(&w, 1); jw_close(&w, '}');                                  */
struct json_writer {
    struct buf *out;
    /* private */
    bool need_comma, after_key;
    uint8_t depth;
    uint64_t objects; /* Bit n: level n is an object. */
};
void jw_open(struct json_writer *w, char bracket); /* '{' or '[' */
void jw_close(struct json_writer *w, char bracket);
void jw_key(struct json_writer *w, const char *key);
void jw_string(struct json_writer *w, const char *text); /* NULL writes null; bytes that are not UTF-8 become U+FFFD. */
void jw_int(struct json_writer *w, int64_t value);
void jw_double(struct json_writer *w,
               double value); /* Shortest form that reads back the same; not finite writes null. */
void jw_bool(struct json_writer *w, bool value);
void jw_json(struct json_writer *w, const struct json *node);
void jw_raw(struct json_writer *w, const char *json_text); /* A complete value already serialised. */
/* jw_key + the value; the string form leaves the key out when text is NULL. */
void jw_put_string(struct json_writer *w, const char *key, const char *text);
void jw_put_int(struct json_writer *w, const char *key, int64_t value);
void jw_put_bool(struct json_writer *w, const char *key, bool value);

#endif
