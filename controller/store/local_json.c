/*
 * Rows and Events as the JSON of Kubernetes objects, and back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/str.h"
#include "base/timefmt.h"
#include "store/local_internal.h"

static const char *const user_metadata[] = {"labels", "annotations", "ownerReferences", NULL};

const char *local_uid(enum object_kind kind, const char *namespace, const char *name, struct arena *arena) {
    uint64_t high = STR_HASH_SEED, low;
    high = str_hash_text(high, object_kind_name(kind));
    high = str_hash_text(high, namespace);
    high = str_hash_text(high, name);
    low = str_hash_text(high, "uid");
    /* The form of a version 8 UUID (RFC 9562: custom), variant 10. */
    return arena_printf(arena, "%08" PRIx64 "-%04" PRIx64 "-8%03" PRIx64 "-%04" PRIx64 "-%012" PRIx64, high >> 32,
                        (high >> 16) & 0xffff, high & 0xfff, 0x8000 | (low >> 50), low & UINT64_C(0xffffffffffff));
}

const char *local_text(const struct json *node, struct arena *arena) {
    if (!node)
        return NULL;
    struct buf text = {0};
    json_print_canonical(node, &text);
    const char *copy = arena_strndup(arena, buf_text(&text), text.size);
    buf_release(&text);
    return copy;
}

const char *local_metadata_text(const struct json *metadata, struct arena *arena) {
    struct json *kept = json_new_object();
    for (const char *const *key = user_metadata; *key; key++) {
        const struct json *value = json_get(metadata, *key);
        if (value)
            json_object_set(kept, *key, json_copy(value));
    }
    const char *text = local_text(kept, arena);
    json_free(kept);
    return text;
}

struct json *local_merge_patch(const struct json *target, const struct json *patch) {
    if (json_type(patch) != JSON_OBJECT)
        return json_copy(patch);
    struct json *merged = json_new_object();
    if (json_type(target) == JSON_OBJECT) {
        for (struct json_iter it = json_iter(target); json_iter_next(&it);) {
            bool is_patched = false;
            for (struct json_iter p = json_iter(patch); json_iter_next(&p);)
                is_patched |= str_eq(p.key, it.key);
            if (!is_patched)
                json_object_set(merged, it.key, json_copy(it.value));
        }
    }
    for (struct json_iter it = json_iter(patch); json_iter_next(&it);) {
        if (json_type(it.value) != JSON_NULL)
            json_object_set(merged, it.key, local_merge_patch(json_get(target, it.key), it.value));
    }
    return merged;
}

static struct json *parse_own(const char *text) {
    struct json *root = NULL;
    struct error err;
    if (text && json_parse_trusted(bytes_of(text), &root, &err) != ERR_NONE)
        root = NULL; /* Only a database that somebody else wrote into. */
    return root;
}

static void print_metadata(const struct local_row *row, struct json_writer *w) {
    char number[24], created[TIME_TEXT_MAX];
    snprintf(number, sizeof(number), "%" PRId64, row->version);
    time_format(row->created_at_ms, created);
    jw_put_string(w, "name", row->name);
    if (row->namespace[0])
        jw_put_string(w, "namespace", row->namespace);
    jw_put_string(w, "uid", row->uid);
    jw_put_string(w, "resourceVersion", number);
    if (row->generation > 0)
        jw_put_int(w, "generation", row->generation);
    jw_put_string(w, "creationTimestamp", created);
    struct json *given = parse_own(row->metadata), *overlay = parse_own(row->overlay);
    struct json *annotations = overlay ? local_merge_patch(json_get(given, "annotations"), overlay)
                                       : json_copy(json_get(given, "annotations"));
    if (json_object_count(annotations) > 0) {
        jw_key(w, "annotations");
        jw_json(w, annotations);
    }
    for (struct json_iter it = json_iter(given); json_iter_next(&it);) {
        if (!str_eq(it.key, "annotations")) {
            jw_key(w, it.key);
            jw_json(w, it.value);
        }
    }
    json_free(annotations);
    json_free(overlay);
    json_free(given);
}

void local_row_print(const struct local_row *row, struct buf *out) {
    struct json_writer w = {.out = out};
    jw_open(&w, '{');
    jw_put_string(&w, "apiVersion", row->kind == OBJECT_NAMESPACE ? "v1" : API_GROUP "/" API_VERSION);
    jw_put_string(&w, "kind", object_kind_name(row->kind));
    jw_key(&w, "metadata");
    jw_open(&w, '{');
    print_metadata(row, &w);
    jw_close(&w, '}');
    if (row->spec) {
        jw_key(&w, "spec");
        jw_raw(&w, row->spec);
    }
    if (row->status) {
        jw_key(&w, "status");
        jw_raw(&w, row->status);
    }
    jw_close(&w, '}');
}

void local_event_print(const struct local_event *event, struct json_writer *w) {
    char name[64], first[TIME_TEXT_MAX], last[TIME_TEXT_MAX];
    snprintf(name, sizeof(name), "%" PRIx64, (uint64_t)event->id);
    time_format(event->first_ms, first);
    time_format(event->last_ms, last);
    jw_open(w, '{');
    jw_put_string(w, "apiVersion", "v1");
    jw_put_string(w, "kind", "Event");
    jw_key(w, "metadata");
    jw_open(w, '{');
    jw_put_string(w, "name", name);
    jw_put_string(w, "namespace", event->namespace);
    jw_put_string(w, "creationTimestamp", first);
    jw_close(w, '}');
    jw_key(w, "involvedObject");
    jw_open(w, '{');
    jw_put_string(w, "apiVersion", API_GROUP "/" API_VERSION);
    jw_put_string(w, "kind", event->kind);
    jw_put_string(w, "namespace", event->namespace);
    jw_put_string(w, "name", event->name);
    jw_put_string(w, "uid", event->uid);
    jw_close(w, '}');
    jw_put_string(w, "type", event->warning ? "Warning" : "Normal");
    jw_put_string(w, "reason", event->reason);
    jw_put_string(w, "action", event->action);
    jw_put_string(w, "message", event->note);
    jw_put_int(w, "count", event->count);
    jw_put_string(w, "firstTimestamp", first);
    jw_put_string(w, "lastTimestamp", last);
    jw_put_string(w, "reportingComponent", API_GROUP "/controller");
    jw_close(w, '}');
}
