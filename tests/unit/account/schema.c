/* See schema.h. SPDX-License-Identifier: Apache-2.0 */
#include "schema.h"

#include <criterion/criterion.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "manifest/yaml.h"

static void check(const struct json *value, const struct json *schema, const char *path);

static void read_file(const char *path, struct buf *out) {
    char chunk[4096];
    FILE *file = fopen(path, "r");
    cr_assert(file, "%s cannot be read", path);
    for (size_t size; (size = fread(chunk, 1, sizeof(chunk), file)) > 0;)
        buf_append(out, chunk, size);
    (void)fclose(file);
}

static void check_object(const struct json *value, const struct json *schema, const char *path) {
    const struct json *properties = json_get(schema, "properties"), *others = json_get(schema, "additionalProperties");
    const struct json *required = json_get(schema, "required");
    cr_assert_eq(json_type(value), JSON_OBJECT, "%s is no object", path);
    for (struct json_iter it = json_iter(value); json_iter_next(&it);) {
        const struct json *field = json_get(properties, it.key);
        char *below = mem_printf("%s.%s", path, it.key);
        if (!field)
            field = others;
        cr_assert(field || json_bool(json_get(schema, "x-kubernetes-preserve-unknown-fields"), false),
                  "%s is not in the schema: an API server would drop it", below);
        if (field)
            check(it.value, field, below);
        mem_free(below);
    }
    for (size_t i = 0; i < json_array_count(required); i++) {
        const char *name = json_string(json_array_at(required, i), "");
        cr_assert(json_get(value, name), "%s.%s is required", path, name);
    }
}

static void check_array(const struct json *value, const struct json *schema, const char *path) {
    cr_assert_eq(json_type(value), JSON_ARRAY, "%s is no array", path);
    size_t count = json_array_count(value);
    cr_assert_leq((int64_t)count, json_int(json_get(schema, "maxItems"), INT64_MAX), "%s has too many items", path);
    cr_assert_geq((int64_t)count, json_int(json_get(schema, "minItems"), 0), "%s has too few items", path);
    for (size_t i = 0; i < count; i++) {
        char *below = mem_printf("%s[%zu]", path, i);
        check(json_array_at(value, i), json_get(schema, "items"), below);
        mem_free(below);
    }
}

static void check_string(const struct json *value, const struct json *schema, const char *path) {
    cr_assert_eq(json_type(value), JSON_STRING, "%s is no string", path);
    const char *text = json_string(value, ""), *pattern = json_string(json_get(schema, "pattern"), NULL);
    const struct json *values = json_get(schema, "enum");
    cr_assert_leq((int64_t)strlen(text), json_int(json_get(schema, "maxLength"), INT64_MAX), "%s is too long", path);
    cr_assert_geq((int64_t)strlen(text), json_int(json_get(schema, "minLength"), 0), "%s is too short", path);
    bool is_listed = !values;
    for (size_t i = 0; i < json_array_count(values); i++)
        is_listed = is_listed || str_eq(json_string(json_array_at(values, i), ""), text);
    cr_assert(is_listed, "%s: %s is not in its enum", path, text);
    int64_t ms;
    if (str_eq(json_string(json_get(schema, "format"), ""), "date-time"))
        cr_assert(time_parse(text, &ms), "%s: %s is no date-time", path, text);
    if (pattern) {
        regex_t regex;
        cr_assert_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0, "%s: pattern %s", path, pattern);
        cr_assert_eq(regexec(&regex, text, 0, NULL, 0), 0, "%s: \"%s\" does not match %s", path, text, pattern);
        regfree(&regex);
    }
}

static void check_integer(const struct json *value, const struct json *schema, const char *path) {
    cr_assert_eq(json_type(value), JSON_INT, "%s is no integer", path);
    cr_assert_geq(json_int(value, 0), json_int(json_get(schema, "minimum"), INT64_MIN), "%s is too small", path);
    cr_assert_leq(json_int(value, 0), json_int(json_get(schema, "maximum"), INT64_MAX), "%s is too large", path);
}

static void check(const struct json *value, const struct json *schema, const char *path) {
    const char *type = json_string(json_get(schema, "type"), "");
    if (str_eq(path, ".metadata"))
        return; /* The API server's own. */
    if (str_eq(type, "object"))
        check_object(value, schema, path);
    else if (str_eq(type, "array"))
        check_array(value, schema, path);
    else if (str_eq(type, "string"))
        check_string(value, schema, path);
    else if (str_eq(type, "integer"))
        check_integer(value, schema, path);
    else if (str_eq(type, "boolean"))
        cr_assert_eq(json_type(value), JSON_BOOL, "%s is no boolean", path);
    else
        cr_assert_fail("%s: type \"%s\" of the schema is not known here", path, type);
}

void schema_check(const char *plural, const char *part, const struct buf *value_json) {
    struct yaml_documents documents;
    struct buf text = {0};
    struct json *value;
    struct error err;
    char *file = mem_printf("crds/trimtab.dev_%s.yaml", plural);
    read_file(file, &text);
    cr_assert_eq(yaml_parse(buf_bytes(&text), &documents, &err), ERR_NONE, "%s: %s", file, err.message);
    const struct json *version = json_array_at(json_at(documents.items[0].root, "spec.versions"), 0);
    const struct json *schema = json_at(version, "schema.openAPIV3Schema");
    if (part)
        schema = json_get(json_get(schema, "properties"), part);
    cr_assert(schema, "%s has no schema of %s", file, part ? part : "the object");
    cr_assert_eq(json_parse(buf_bytes(value_json), &value, &err), ERR_NONE, "%s", err.message);
    check(value, schema, part ? part : "");
    json_free(value);
    yaml_documents_release(&documents);
    buf_release(&text);
    mem_free(file);
}
