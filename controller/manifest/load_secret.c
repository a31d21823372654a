/*
 * Secrets that stand beside Providers in a local run. Values are text; they go nowhere but into the set.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/str.h"
#include "manifest/load_internal.h"

/* Text only: NULL if it is not base64 or contains a NUL byte. */
static char *decode_value(struct arena *arena, const char *text) {
    struct buf value = {0};
    char *copy = NULL;
    if (base64_decode(bytes_of(text), &value) && strlen(buf_text(&value)) == value.size)
        copy = arena_strndup(arena, buf_text(&value), value.size);
    if (value.data)
        mem_wipe(value.data, value.size);
    buf_release(&value);
    return copy;
}

static int tag_cmp(const void *a, const void *b) {
    const struct tag *x = a, *y = b;
    return str_cmp(x->key, y->key);
}

static size_t plain_add(struct arena *arena, const struct json *map, struct tag *tags, size_t count) {
    for (struct json_iter it = json_iter(map); json_iter_next(&it);) {
        const char *text = json_string(it.value, NULL);
        if (text)
            tags[count++] = (struct tag){arena_strdup(arena, it.key), arena_strdup(arena, text)};
    }
    return count;
}

static size_t encoded_add(struct loader *l, const struct json *data, const struct json *plain, struct tag *tags,
                          size_t count, const char *file, int line) {
    struct arena *arena = &l->set->arena;
    for (struct json_iter it = json_iter(data); json_iter_next(&it);) {
        const char *text = json_string(it.value, NULL);
        if (json_get(plain, it.key)) /* stringData wins, as in the API server. */
            continue;
        const char *decoded = text ? decode_value(arena, text) : NULL;
        if (decoded)
            tags[count++] = (struct tag){arena_strdup(arena, it.key), decoded};
        else
            load_problem(l, file, line, arena_printf(arena, "data.%s", it.key),
                         "must be text in base64; put plain text under stringData");
    }
    return count;
}

void load_secret(struct loader *l, const struct json *json, const char *file, int line) {
    struct manifest_set *set = l->set;
    struct arena *arena = &set->arena;
    const char *name = json_string(json_at(json, "metadata.name"), NULL);
    const struct json *data = json_get(json, "data"), *plain = json_get(json, "stringData");
    if (!name) {
        load_problem(l, file, line, "metadata.name", "is required");
        return;
    }
    size_t room = json_object_count(data) + json_object_count(plain);
    struct tag *tags = arena_alloc_array(arena, room, sizeof(*tags));
    size_t count = encoded_add(l, data, plain, tags, plain_add(arena, plain, tags, 0), file, line);
    if (count > 1)
        qsort(tags, count, sizeof(*tags), tag_cmp);
    set->secrets = arena_push(arena, set->secrets, set->secret_count, sizeof(*set->secrets));
    set->secrets[set->secret_count++] = (struct manifest_secret){
        .namespace = arena_strdup(arena, json_string(json_at(json, "metadata.namespace"), l->default_namespace)),
        .name = arena_strdup(arena, name),
        .data = tags,
        .data_count = count,
    };
}
