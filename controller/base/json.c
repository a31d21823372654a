/*
 * JSON trees: parsing, reading, building. A node is a json-c object behind our own name; JSON's null is the NULL
 * pointer, so an absent value and a null one read the same (json_iter tells them apart).
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <string.h>

#include "base/json_internal.h"
#include "base/mem.h"

static size_t line_of(struct bytes text, size_t at) {
    size_t line = 1;
    for (size_t i = 0; i < at && i < text.size; i++)
        line += text.data[i] == '\n';
    return line;
}

/* json-c was given a document that json_scan has accepted, so an error here is a disagreement between the two. */
static enum err_class tree_build(struct bytes text, struct json **ret, struct error *err) {
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 2);
    ASSERT(tokener);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    struct json_object *root = json_tokener_parse_ex(tokener, text.data, (int)text.size);
    if (json_tokener_get_error(tokener) == json_tokener_continue)
        root = json_tokener_parse_ex(tokener, "", 1); /* A number at the end: the NUL ends it. */
    enum json_tokener_error problem = json_tokener_get_error(tokener);
    size_t at = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);
    if (problem != json_tokener_success)
        return error_set(err, ERR_PERMANENT, "JSON: %s at line %zu, byte %zu", json_tokener_error_desc(problem),
                         line_of(text, at), at);
    *ret = (struct json *)root;
    return ERR_NONE;
}

static enum err_class parse(struct bytes text, bool is_trusted, struct json **ret, struct error *err) {
    if (text.size > JSON_SIZE_MAX)
        return error_set(err, ERR_PERMANENT, "JSON: %zu bytes, at most %zu are taken", text.size, JSON_SIZE_MAX);
    const char *problem;
    size_t at;
    if (!json_scan(text, is_trusted, &problem, &at))
        return error_set(err, ERR_PERMANENT, "JSON: %s at line %zu, byte %zu", problem, line_of(text, at), at);
    return tree_build(text, ret, err);
}

enum err_class json_parse(struct bytes text, struct json **ret, struct error *err) {
    return parse(text, false, ret, err);
}

enum err_class json_parse_trusted(struct bytes text, struct json **ret, struct error *err) {
    return parse(text, true, ret, err);
}

void json_free(struct json *root) {
    json_object_put(json_c_of(root));
}

enum json_type json_type(const struct json *node) {
    switch (json_object_get_type(json_c_of(node))) {
    case json_type_null:
        return JSON_NULL;
    case json_type_boolean:
        return JSON_BOOL;
    case json_type_int:
        return JSON_INT;
    case json_type_double:
        return JSON_DOUBLE;
    case json_type_string:
        return JSON_STRING;
    case json_type_array:
        return JSON_ARRAY;
    case json_type_object:
        return JSON_OBJECT;
    default:
        ASSERT(!"a type that json-c does not have");
    }
}

const char *json_type_name(enum json_type type) {
    static const char *const names[] = {
        [JSON_NULL] = "null",     [JSON_BOOL] = "boolean", [JSON_INT] = "integer",   [JSON_DOUBLE] = "number",
        [JSON_STRING] = "string", [JSON_ARRAY] = "array",  [JSON_OBJECT] = "object",
    };
    ASSERT((unsigned)type < ARRAY_LEN(names));
    return names[type];
}

const struct json *json_get(const struct json *object, const char *key) {
    struct json_object *value = NULL;
    if (json_type(object) == JSON_OBJECT)
        json_object_object_get_ex(json_c_of(object), key, &value);
    return (const struct json *)value;
}

const struct json *json_at(const struct json *object, const char *path) {
    char key[256];
    for (;;) {
        size_t size = strcspn(path, ".");
        ASSERT(size < sizeof(key));
        memcpy(key, path, size);
        key[size] = '\0';
        object = json_get(object, key);
        if (!object || path[size] == '\0')
            return object;
        path += size + 1;
    }
}

size_t json_object_count(const struct json *object) {
    return json_type(object) == JSON_OBJECT ? (size_t)json_object_object_length(json_c_of(object)) : 0;
}

struct json_iter json_iter(const struct json *object) {
    struct json_iter it = {0};
    if (json_type(object) == JSON_OBJECT)
        it.position = lh_table_head(json_object_get_object(json_c_of(object)));
    return it;
}

bool json_iter_next(struct json_iter *it) {
    struct lh_entry *entry = it->position;
    if (it->started && entry)
        entry = lh_entry_next(entry);
    it->started = true;
    it->position = entry;
    if (!entry)
        return false;
    it->key = lh_entry_k(entry);
    it->value = lh_entry_v(entry);
    return true;
}

size_t json_array_count(const struct json *array) {
    return json_type(array) == JSON_ARRAY ? json_object_array_length(json_c_of(array)) : 0;
}

const struct json *json_array_at(const struct json *array, size_t index) {
    if (index >= json_array_count(array))
        return NULL;
    return (const struct json *)json_object_array_get_idx(json_c_of(array), index);
}

const char *json_string(const struct json *node, const char *fallback) {
    return json_type(node) == JSON_STRING ? json_object_get_string(json_c_of(node)) : fallback;
}

bool json_bool(const struct json *node, bool fallback) {
    return json_type(node) == JSON_BOOL ? json_object_get_boolean(json_c_of(node)) : fallback;
}

int64_t json_int(const struct json *node, int64_t fallback) {
    return json_type(node) == JSON_INT ? json_object_get_int64(json_c_of(node)) : fallback;
}

double json_double(const struct json *node, double fallback) {
    enum json_type type = json_type(node);
    return type == JSON_DOUBLE || type == JSON_INT ? json_object_get_double(json_c_of(node)) : fallback;
}

static struct json *json_made(struct json_object *node) {
    ASSERT(node); /* json-c gives NULL only when memory is out. */
    return (struct json *)node;
}

struct json *json_new_object(void) {
    return json_made(json_object_new_object());
}

struct json *json_new_array(void) {
    return json_made(json_object_new_array());
}

struct json *json_new_string(const char *text, size_t size) {
    ASSERT(size <= JSON_SIZE_MAX);
    return json_made(json_object_new_string_len(text, (int)size));
}

struct json *json_new_int(int64_t value) {
    return json_made(json_object_new_int64(value));
}

struct json *json_new_double(double value) {
    return json_made(json_object_new_double(value));
}

struct json *json_new_bool(bool value) {
    return json_made(json_object_new_boolean(value));
}

void json_object_set(struct json *object, const char *key, struct json *child) {
    ASSERT(json_type(object) == JSON_OBJECT);
    int rc = json_object_object_add(json_c_of(object), key, json_c_of(child));
    ASSERT(rc == 0);
}

void json_array_push(struct json *array, struct json *child) {
    ASSERT(json_type(array) == JSON_ARRAY);
    int rc = json_object_array_add(json_c_of(array), json_c_of(child));
    ASSERT(rc == 0);
}

struct json *json_copy(const struct json *node) {
    struct json_object *copy = NULL;
    if (!node)
        return NULL;
    int rc = json_object_deep_copy(json_c_of(node), &copy, NULL);
    ASSERT(rc == 0);
    return (struct json *)copy;
}
