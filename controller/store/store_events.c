/*
 * Events as requests; see store_events.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_events.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

#define SERIES_MS (INT64_C(10) * 60 * 1000)
#define PATCH_PERIOD_MS 30000
#define NOTE_MAX 1024
#define NAME_PREFIX_MAX 200

void store_events_init(struct store_events *events, const char *instance) {
    *events = (struct store_events){.instance = mem_strdup(instance)};
}

void store_events_release(struct store_events *events) {
    for (size_t i = 0; i < STORE_EVENTS_REMEMBERED; i++)
        mem_free(events->series[i].path);
    mem_free(events->instance);
}

static uint64_t hash_of(const struct store_note *note) {
    uint64_t hash = str_hash_text(STR_HASH_SEED, note->regarding->uid);
    return str_hash_text(str_hash_text(str_hash_text(hash, note->reason), note->action), note->note);
}

static enum store_events_action print_series(struct store_event_series *series, int64_t now_ms, struct buf *path,
                                             struct buf *body) {
    struct json_writer w = {.out = body};
    char now[TIME_TEXT_MAX];
    series->count++;
    if (now_ms - series->patched_ms < PATCH_PERIOD_MS)
        return STORE_EVENTS_DROP; /* Counted; a later one carries the count. */
    series->patched_ms = now_ms;
    time_format_micro(now_ms, now);
    buf_puts(path, series->path);
    jw_open(&w, '{');
    jw_key(&w, "series");
    jw_open(&w, '{');
    jw_put_int(&w, "count", series->count);
    jw_put_string(&w, "lastObservedTime", now);
    jw_close(&w, '}');
    jw_close(&w, '}');
    return STORE_EVENTS_PATCH;
}

static void print_regarding(struct json_writer *w, const struct object *object) {
    jw_key(w, "regarding");
    jw_open(w, '{');
    jw_put_string(w, "apiVersion", API_GROUP "/" API_VERSION);
    jw_put_string(w, "kind", object_kind_name(object->kind));
    jw_put_string(w, "name", object->name);
    jw_put_string(w, "namespace", object->namespace);
    jw_put_string(w, "resourceVersion", object->resource_version);
    jw_put_string(w, "uid", object->uid);
    jw_close(w, '}');
}

static void print_event(const struct store_events *events, const struct store_note *note, const char *name,
                        int64_t now_ms, struct buf *body) {
    struct json_writer w = {.out = body};
    char now[TIME_TEXT_MAX], text[NOTE_MAX];
    time_format_micro(now_ms, now);
    (void)str_copy(text, sizeof(text), note->note);
    jw_open(&w, '{');
    jw_put_string(&w, "action", note->action);
    jw_put_string(&w, "apiVersion", "events.k8s.io/v1");
    jw_put_string(&w, "eventTime", now);
    jw_put_string(&w, "kind", "Event");
    jw_key(&w, "metadata");
    jw_open(&w, '{');
    jw_put_string(&w, "name", name);
    jw_put_string(&w, "namespace", note->regarding->namespace);
    jw_close(&w, '}');
    jw_put_string(&w, "note", text);
    jw_put_string(&w, "reason", note->reason);
    print_regarding(&w, note->regarding);
    jw_put_string(&w, "reportingController", API_GROUP "/controller");
    jw_put_string(&w, "reportingInstance", events->instance);
    jw_put_string(&w, "type", note->warning ? "Warning" : "Normal");
    jw_close(&w, '}');
}

enum store_events_action store_events_print(struct store_events *events, const struct store_note *note, int64_t now_ms,
                                            uint64_t random, struct buf *path, struct buf *body) {
    uint64_t hash = hash_of(note);
    for (size_t i = 0; i < STORE_EVENTS_REMEMBERED; i++) {
        struct store_event_series *series = &events->series[i];
        if (series->path && series->hash == hash && now_ms - series->first_ms < SERIES_MS)
            return print_series(series, now_ms, path, body);
    }
    char *name = mem_printf("%.*s.%016llx", NAME_PREFIX_MAX, note->regarding->name, (unsigned long long)random);
    struct store_event_series *series = &events->series[events->next++ % STORE_EVENTS_REMEMBERED];
    buf_printf(path, "/apis/events.k8s.io/v1/namespaces/%s/events", note->regarding->namespace);
    mem_free(series->path);
    *series = (struct store_event_series){.hash = hash,
                                          .path = mem_printf("%s/%s", buf_text(path), name),
                                          .first_ms = now_ms,
                                          .patched_ms = now_ms,
                                          .count = 1};
    print_event(events, note, name, now_ms, body);
    mem_free(name);
    return STORE_EVENTS_CREATE;
}
