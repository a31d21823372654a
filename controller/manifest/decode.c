/*
 * The frame of an object: kind, metadata, conditions; the spec is given to the kind's decoder.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "manifest/decode.h"

#include <string.h>

#include "base/str.h"
#include "base/timefmt.h"
#include "manifest/decode_internal.h"

#define FAULTS_SHOWN 3
#define FORECAST_TEXT_MAX 4096

static const char *condition_name(int value) {
    return condition_type_name((enum condition_type)value);
}

static enum err_class decode_kind(const struct json *json, const struct decode_options *options, enum object_kind *ret,
                                  struct error *err) {
    if (json_type(json) != JSON_OBJECT)
        return error_set(err, ERR_PERMANENT, "an object is expected, not %s", json_type_name(json_type(json)));
    if (options->is_namespace) {
        *ret = OBJECT_NAMESPACE;
        return ERR_NONE;
    }
    const char *kind = json_string(json_get(json, "kind"), NULL);
    const char *version = json_string(json_get(json, "apiVersion"), NULL);
    if (!kind || !version)
        return error_set(err, ERR_PERMANENT, "%s: is required", kind ? "apiVersion" : "kind");
    for (int i = 0; i < OBJECT_KIND_COUNT; i++) {
        if (!str_eq(kind, object_kind_name((enum object_kind)i)))
            continue;
        const char *expected = i == OBJECT_NAMESPACE ? "v1" : API_GROUP "/" API_VERSION;
        if (!str_eq(version, expected))
            return error_set(err, ERR_PERMANENT, "apiVersion: \"%.80s\" is not known; write %s", version, expected);
        *ret = (enum object_kind)i;
        return ERR_NONE;
    }
    return error_set(err, ERR_PERMANENT, "kind: \"%.80s\" is not a kind of " API_GROUP, kind);
}

static enum err_class decode_metadata(const struct json *json, struct arena *arena, struct object *object,
                                      struct error *err) {
    const struct json *metadata = json_get(json, "metadata");
    const char *name = json_string(json_get(metadata, "name"), NULL);
    const char *namespace = object->kind == OBJECT_NAMESPACE ? "" : json_string(json_get(metadata, "namespace"), NULL);
    if (!name || !*name)
        return error_set(err, ERR_PERMANENT, "metadata.name: is required");
    if (!namespace)
        return error_set(err, ERR_PERMANENT, "metadata.namespace: is required");
    if (!text_subdomain.is_good(name) || strlen(name) > text_subdomain.size_max)
        return error_set(err, ERR_PERMANENT, "metadata.name: \"%.80s\" %s", name, text_subdomain.form);
    if (*namespace && !text_label.is_good(namespace))
        return error_set(err, ERR_PERMANENT, "metadata.namespace: \"%.80s\" %s", namespace, text_label.form);
    object->name = arena_strdup(arena, name);
    object->namespace = arena_strdup(arena, namespace);
    object->uid = arena_strdup(arena, json_string(json_get(metadata, "uid"), ""));
    (void)str_copy(object->resource_version, sizeof(object->resource_version),
                   json_string(json_get(metadata, "resourceVersion"), ""));
    object->generation = json_int(json_get(metadata, "generation"), 0);
    if (!time_parse(json_string(json_get(metadata, "creationTimestamp"), ""), &object->created_at_ms))
        object->created_at_ms = 0;
    object->deleting = json_get(metadata, "deletionTimestamp") != NULL;
    const struct json *annotation = json_get(json_get(metadata, "annotations"), API_SUSPEND_ANNOTATION);
    object->suspended = str_eq(json_string(annotation, NULL), "true");
    return ERR_NONE;
}

static bool is_own_condition(const struct json *condition) {
    return enum_find(json_string(json_get(condition, "type"), ""), condition_name, CONDITION_TYPE_COUNT) >= 0;
}

/* Of what we write: conditions that others have added are not ours to compare, or the status would be written again for
 * ever. */
static uint64_t own_hash(const struct json *status) {
    const struct json *conditions = json_get(status, "conditions");
    bool is_shared = false;
    for (size_t i = 0; i < json_array_count(conditions); i++)
        is_shared = is_shared || !is_own_condition(json_array_at(conditions, i));
    if (!is_shared)
        return json_hash(status);
    struct json *own = json_copy(status), *kept = json_new_array();
    for (size_t i = 0; i < json_array_count(conditions); i++)
        if (is_own_condition(json_array_at(conditions, i)))
            json_array_push(kept, json_copy(json_array_at(conditions, i)));
    json_object_set(own, "conditions", kept);
    uint64_t hash = json_hash(own);
    json_free(own);
    return hash;
}

void object_take_status(const struct json *status, struct object *object) {
    object->status_hash = status ? own_hash(status) : 0;
    object->observed_generation = json_int(json_get(status, "observedGeneration"), 0);
    memset(object->conditions, 0, sizeof(object->conditions));
    const struct json *conditions = json_get(status, "conditions");
    for (size_t i = 0; i < json_array_count(conditions); i++) {
        const struct json *it = json_array_at(conditions, i);
        int type = enum_find(json_string(json_get(it, "type"), ""), condition_name, CONDITION_TYPE_COUNT);
        if (type < 0)
            continue;
        const char *word = json_string(json_get(it, "status"), "");
        int64_t time_ms = 0; /* Stays when there is none that can be read. */
        (void)time_parse(json_string(json_get(it, "lastTransitionTime"), ""), &time_ms);
        bool fits = time_ms > 0 && time_ms / 1000 <= UINT32_MAX;
        object->conditions[type] =
            (struct object_condition){.present = true,
                                      .status = str_eq(word, "True")    ? CONDITION_TRUE
                                                : str_eq(word, "False") ? CONDITION_FALSE
                                                                        : CONDITION_UNKNOWN,
                                      .last_transition_s = fits ? (uint32_t)(time_ms / 1000) : 0};
    }
}

static void take_apis(const struct json *status, struct arena *arena, struct object *object) {
    const struct json *apis = json_get(status, "apis");
    size_t count = json_array_count(apis);
    if (object->kind != OBJECT_PROVIDER || object->observed_generation != object->generation || count > OBJECT_APIS_MAX)
        return;
    struct object_api *to = arena_alloc_array(arena, count, sizeof(*to));
    for (size_t i = 0; i < count; i++) {
        const struct json *it = json_array_at(apis, i);
        to[i] = (struct object_api){.name = arena_strdup(arena, json_string(json_get(it, "name"), "")),
                                    .region = arena_strdup(arena, json_string(json_get(it, "region"), "")),
                                    .requests_per_second = json_int(json_get(it, "requestsPerSecond"), 0),
                                    .is_open = str_eq(json_string(json_get(it, "circuit"), ""), "Open")};
    }
    object->apis = to;
    object->api_count = count;
}

/* Canonical: ours is short; what is longer is somebody else's and of no use. */
static void take_forecast(const struct json *status, struct arena *arena, struct object *object) {
    const struct json *forecast = json_get(status, "forecast");
    if (object->kind != OBJECT_POLICY || json_type(forecast) != JSON_OBJECT)
        return;
    struct buf text = {0};
    json_print_canonical(forecast, &text);
    if (text.size <= FORECAST_TEXT_MAX)
        object->forecast_json = arena_strndup(arena, buf_text(&text), text.size);
    buf_release(&text);
}

/* What cannot be read is left out. */
static void take_raises(const struct json *status, struct arena *arena, struct object *object) {
    const struct json *raises = json_get(status, "memoryRaises");
    size_t count = json_array_count(raises);
    if (object->kind != OBJECT_POLICY || count == 0 || count > OBJECT_RAISES_MAX)
        return;
    struct object_raise *to = arena_alloc_array(arena, count, sizeof(*to));
    for (size_t i = 0; i < count; i++) {
        const struct json *it = json_array_at(raises, i);
        struct object_raise raise = {.provider = arena_strdup(arena, json_string(json_get(it, "provider"), "")),
                                     .region = arena_strdup(arena, json_string(json_get(it, "region"), "")),
                                     .id = arena_strdup(arena, json_string(json_get(it, "id"), "")),
                                     .memory_mib = json_int(json_get(it, "memoryMiB"), 0)};
        if (cloud_kind_parse(json_string(json_get(it, "kind"), ""), &raise.kind) &&
            time_parse(json_string(json_get(it, "time"), ""), &raise.time_ms) && raise.memory_mib > 0)
            to[object->raise_count++] = raise;
    }
    object->raises = to;
}

static const char *faults_summary(struct decoder *d) {
    const struct manifest_faults *faults = d->faults;
    if (faults->count == 0)
        return "";
    struct buf line = {0};
    for (size_t i = 0; i < faults->count && i < FAULTS_SHOWN; i++) {
        const struct manifest_fault *it = &faults->items[i];
        buf_printf(&line, "%s%s%s%s", i > 0 ? "; " : "", it->path, *it->path ? ": " : "", it->message);
    }
    if (faults->count > FAULTS_SHOWN)
        buf_printf(&line, "; and %zu more", faults->count + d->dropped - FAULTS_SHOWN);
    const char *summary = arena_strndup(d->arena, buf_text(&line), line.size);
    buf_release(&line);
    return summary;
}

static void decode_spec(struct decoder *d, const struct place *root, struct object *object) {
    struct place spec = place_key(root, "spec"), status = place_key(root, "status");
    size_t faults_before = d->faults->count;
    if (!spec.json)
        decode_fault(d, &spec, "is required");
    object->suspended |= decode_bool(d, &spec, "suspend", false);
    switch (object->kind) {
    case OBJECT_PROVIDER:
        object->as.provider = decode_provider(d, &spec);
        break;
    case OBJECT_POLICY:
        object->as.policy = decode_policy(d, &spec);
        break;
    case OBJECT_BUDGET:
        object->as.budget = decode_budget(d, &spec);
        break;
    case OBJECT_RECOMMENDATION:
        object->as.recommendation = decode_recommendation(d, &spec, &status);
        break;
    case OBJECT_NAMESPACE:
    case OBJECT_KIND_COUNT:
        break;
    }
    /* Without a spec every required field is missing: the one fault says it all. */
    if (json_type(spec.json) != JSON_OBJECT && d->faults->count > faults_before)
        d->faults->count = faults_before + 1;
}

enum err_class object_decode(const struct json *json, const struct decode_options *options, struct arena *arena,
                             struct object **ret, struct manifest_faults *faults, struct error *err) {
    static const char *const keys[] = {"apiVersion", "kind", "metadata", "spec", "status", NULL};
    struct object *object = arena_alloc(arena, sizeof(*object));
    *faults = (struct manifest_faults){0};
    if (decode_kind(json, options, &object->kind, err) != ERR_NONE ||
        decode_metadata(json, arena, object, err) != ERR_NONE)
        return err->class;

    struct decoder d = {.arena = arena, .faults = faults, .options = options, .namespace = object->namespace};
    struct place root = {.json = json};
    const struct json *status = json_get(json, "status");
    if (object->kind == OBJECT_NAMESPACE) {
        struct place metadata = place_key(&root, "metadata");
        object->labels = decode_tags(&d, &metadata, "labels", &object->label_count);
        *faults = (struct manifest_faults){0}; /* The server's labels are what they are. */
    } else {
        decode_object_at(&d, &root, keys);
        decode_spec(&d, &root, object);
        object_take_status(status, object);
        take_apis(status, arena, object);
        take_forecast(status, arena, object);
        take_raises(status, arena, object);
    }
    object->fault = faults_summary(&d);
    *ret = object;
    return ERR_NONE;
}
