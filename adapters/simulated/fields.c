/*
 * The reader of JSON objects by tables of fields: each value is checked and put where its table says, and what is wrong
 * is named with its path. It knows nothing of what the fields mean.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/simulated/fields.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/timefmt.h"

#define DECIMAL_MAX 1e9

enum err_class sim_field_refuse(struct error *err, const char *path, const char *format, ...) {
    char what[sizeof(err->message)];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return error_set(err, ERR_PERMANENT, "spec.simulated%s%s: %s", *path ? "." : "", path, what);
}

/* "0s", "0h": duration_parse takes only what is positive. */
static bool parse_duration(const char *text, int64_t *ret_ms) {
    if (text && text[0] == '0' && isalpha((unsigned char)text[1])) {
        char other[16] = "1";
        *ret_ms = 0;
        int64_t ignored;
        return str_copy(other + 1, sizeof(other) - 1, text + 1) && duration_parse(other, &ignored);
    }
    return duration_parse(text ? text : "", ret_ms);
}

static enum err_class read_value(const struct json *node, const char *path, const struct sim_field *field, char *to,
                                 struct error *err) {
    void *at = to + field->offset;
    const char *text = json_string(node, NULL);
    switch (field->type) {
    case SIM_FIELD_TEXT:
        if (!text || !*text) {
            return sim_field_refuse(err, path, "expected a text that is not empty");
        }
        *(const char **)at = text;
        return ERR_NONE;
    case SIM_FIELD_INT: {
        int64_t value = json_int(node, 0);
        if (json_type(node) != JSON_INT || value < field->min || value > field->max) {
            return sim_field_refuse(err, path, "expected a whole number from %lld to %lld", (long long)field->min,
                                    (long long)field->max);
        }
        *(int64_t *)at = value;
        return ERR_NONE;
    }
    case SIM_FIELD_DURATION:
        return parse_duration(text, at) ? ERR_NONE
                                        : sim_field_refuse(err, path, "expected a duration like \"3m\" or \"200ms\"");
    case SIM_FIELD_DECIMAL: {
        double value;
        if (!str_to_double(text ? text : "", &value) || value <= 0 || value > DECIMAL_MAX) {
            return sim_field_refuse(err, path, "expected a positive decimal number in quotes, like \"40\"");
        }
        *(double *)at = value;
        return ERR_NONE;
    }
    case SIM_FIELD_OBJECT:
    case SIM_FIELD_ARRAY:
        if (json_type(node) != (field->type == SIM_FIELD_OBJECT ? JSON_OBJECT : JSON_ARRAY)) {
            return sim_field_refuse(err, path, "expected an %s", field->type == SIM_FIELD_OBJECT ? "object" : "array");
        }
        *(const struct json **)at = node;
        return ERR_NONE;
    }
    return ERR_NONE;
}

void sim_path_join(char *to, const char *path, const char *key) {
    size_t size = 0;
    if (*path && str_copy(to, SIM_PATH_SIZE - 1, path)) {
        size = strlen(to);
        to[size++] = '.';
    }
    (void)str_copy(to + size, SIM_PATH_SIZE - size, key);
}

enum err_class sim_fields_read(const struct json *node, const char *path, const struct sim_field *fields, size_t count,
                               void *to, struct error *err) {
    if (node && json_type(node) != JSON_OBJECT) {
        return sim_field_refuse(err, path, "expected an object");
    }
    char at[SIM_PATH_SIZE];
    for (struct json_iter it = json_iter(node); json_iter_next(&it);) {
        size_t f = 0;
        while (f < count && !str_eq(fields[f].key, it.key)) {
            f++;
        }
        sim_path_join(at, path, it.key);
        if (f == count) {
            return sim_field_refuse(err, at, "there is no such key");
        }
        enum err_class class = read_value(it.value, at, &fields[f], to, err);
        if (class != ERR_NONE) {
            return class;
        }
    }
    for (size_t f = 0; f < count; f++) {
        if (fields[f].required && !json_get(node, fields[f].key)) {
            sim_path_join(at, path, fields[f].key);
            return sim_field_refuse(err, at, "is missing");
        }
    }
    return ERR_NONE;
}
