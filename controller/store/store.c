/*
 * The cache that both stores share. Each object is decoded twice: into a scratch arena that is used again and again,
 * which tells its size, then into an arena of one block of exactly that size. So an object costs what it holds and one
 * heap block, and 50,000 of them fit into some tens of megabytes.
 *
 * Invariants: an entry's version never falls; on_change is called after the cache has the new state, and `before` lives
 * until it returns.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "manifest/decode.h"

struct store_entry {
    struct arena arena;
    struct object *object;   /* In arena. */
    uint64_t version;        /* resourceVersion of what was fed last, as a number; 0: it has none. */
    uint64_t status_version; /* Of a status that we wrote after that; 0: none. */
    uint64_t content;        /* A hash of all that may matter to on_change. */
    uint32_t mark;           /* The relist in which it was last seen. */
    uint32_t holds;          /* Others that still read the object; see store_hold. */
    bool retired;            /* Out of the cache: goes with the last hold. */
};

static void entry_free(struct store_entry *entry) {
    arena_release(&entry->arena);
    mem_free(entry);
}

/* The entry has left the cache. */
static void entry_retire(struct store_entry *entry) {
    entry->retired = true;
    if (entry->holds == 0)
        entry_free(entry);
}

const struct object *store_hold(const struct object *object) {
    struct store_entry *entry = object->owner;
    entry->holds++;
    return object;
}

void store_drop(const struct object *object) {
    struct store_entry *entry = object->owner;
    ASSERT(entry->holds > 0);
    entry->holds--;
    if (entry->retired && entry->holds == 0)
        entry_free(entry);
}

void store_init(struct store *store, const struct store_ops *ops, struct runtime *runtime, const char *own_namespace,
                const struct store_callbacks *callbacks) {
    ASSERT(ops && runtime && callbacks);
    *store = (struct store){.ops = ops, .runtime = runtime, .callbacks = *callbacks, .own_namespace = own_namespace};
}

void store_release(struct store *store) {
    for (size_t kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
        struct map_entry *entry;
        for (size_t i = 0; (entry = map_next(&store->objects[kind], &i));)
            entry_free(entry->value);
        map_release(&store->objects[kind]);
    }
    arena_release(&store->scratch);
}

static const char *key_of(struct buf *key, const char *namespace, const char *name) {
    buf_clear(key);
    buf_puts(key, namespace ? namespace : "");
    buf_putc(key, '/');
    buf_puts(key, name);
    return buf_text(key);
}

static struct store_entry *entry_find(const struct store *store, enum object_kind kind, const char *namespace,
                                      const char *name) {
    ASSERT(kind < OBJECT_KIND_COUNT);
    struct buf key = {0};
    struct store_entry *entry = map_get(&store->objects[kind], key_of(&key, namespace, name));
    buf_release(&key);
    return entry;
}

const struct object *store_get(const struct store *store, enum object_kind kind, const char *namespace,
                               const char *name) {
    const struct store_entry *entry = entry_find(store, kind, namespace, name);
    return entry ? entry->object : NULL;
}

const struct object *store_next(const struct store *store, enum object_kind kind, size_t *index) {
    ASSERT(kind < OBJECT_KIND_COUNT);
    const struct map_entry *entry = map_next(&store->objects[kind], index);
    return entry ? ((const struct store_entry *)entry->value)->object : NULL;
}

size_t store_count(const struct store *store, enum object_kind kind) {
    ASSERT(kind < OBJECT_KIND_COUNT);
    return store->objects[kind].count;
}

bool store_is_suspended(const struct store *store, const struct object *object) {
    if (object->suspended || store->own_namespace_suspended)
        return true;
    const struct object *namespace = store_get(store, OBJECT_NAMESPACE, "", object->namespace);
    return namespace && namespace->suspended;
}

/* What may matter to anybody: of a Namespace the labels and our annotation; of ours everything but the bookkeeping of
 * the API server (resourceVersion, managedFields), which changes without anything having changed. */
static uint64_t content_hash(const struct json *json, enum object_kind kind, const char *base_dir) {
    const struct json *meta = json_get(json, "metadata");
    const char *suspend = json_string(json_get(json_get(meta, "annotations"), API_SUSPEND_ANNOTATION), "");
    const char *deleted = json_string(json_get(meta, "deletionTimestamp"), "");
    uint64_t hash = str_hash_text(STR_HASH_SEED, suspend);
    hash = str_hash_text(hash, deleted);
    hash = str_hash_text(hash, json_string(json_get(meta, "uid"), ""));
    hash = str_hash_text(hash, base_dir ? base_dir : "");
    uint64_t parts[3] = {0};
    if (kind == OBJECT_NAMESPACE) {
        parts[0] = json_hash(json_get(meta, "labels"));
    } else {
        parts[0] = json_hash(json_get(json, "spec"));
        parts[1] = json_hash(json_get(json, "status"));
        parts[2] = (uint64_t)json_int(json_get(meta, "generation"), 0);
    }
    return str_hash(hash, parts, sizeof(parts));
}

static uint64_t version_of(const char *resource_version) {
    int64_t version;
    return str_to_int64(resource_version ? resource_version : "", &version) && version > 0 ? (uint64_t)version : 0;
}

static void tell_error(struct store *store, const struct error *error) {
    if (store->callbacks.on_error)
        store->callbacks.on_error(store->callbacks.ctx, error);
}

static void tell_change(struct store *store, const struct object *before, const struct object *now) {
    const struct object *any = now ? now : before;
    ASSERT(any != NULL);
    if (any->kind == OBJECT_NAMESPACE && str_eq(any->name, store->own_namespace))
        store->own_namespace_suspended = now && now->suspended;
    if (store->callbacks.on_change)
        store->callbacks.on_change(store->callbacks.ctx, before, now);
}

/* A compact copy: the second decoding hands out exactly as many bytes as the first, as decoding is deterministic. */
static struct store_entry *entry_decode(struct store *store, enum object_kind kind, const struct json *json,
                                        const char *base_dir, struct error *err) {
    const struct decode_options options = {.base_dir = base_dir, .is_namespace = kind == OBJECT_NAMESPACE};
    struct manifest_faults faults = {0};
    struct object *object;
    arena_clear(&store->scratch);
    if (object_decode(json, &options, &store->scratch, &object, &faults, err) != ERR_NONE)
        return NULL;
    struct store_entry *entry = mem_alloc(sizeof(*entry));
    arena_reserve(&entry->arena, store->scratch.used);
    faults = (struct manifest_faults){0};
    enum err_class class = object_decode(json, &options, &entry->arena, &object, &faults, err);
    ASSERT(class == ERR_NONE && entry->arena.used == store->scratch.used);
    object->owner = entry;
    entry->object = object;
    return entry;
}

/* What is fed is older than the status that we wrote since: a change of the spec that the watch brings after our
 * answer. */
static void keep_status(const struct store_entry *old, struct store_entry *entry) {
    const struct object *from = old->object;
    entry->status_version = old->status_version;
    entry->object->status_hash = from->status_hash;
    entry->object->observed_generation = from->observed_generation;
    memcpy(entry->object->conditions, from->conditions, sizeof(from->conditions));
    (void)str_copy(entry->object->resource_version, sizeof(entry->object->resource_version), from->resource_version);
}

void store_feed(struct store *store, enum object_kind kind, const struct json *json, const char *base_dir) {
    ASSERT(kind < OBJECT_KIND_COUNT);
    const struct json *meta = json_get(json, "metadata");
    const char *name = json_string(json_get(meta, "name"), "");
    const char *namespace = json_string(json_get(meta, "namespace"), "");
    uint64_t version = version_of(json_string(json_get(meta, "resourceVersion"), NULL));
    struct store_entry *old = entry_find(store, kind, namespace, name);
    if (old) {
        old->mark = store->marks[kind];
        if (version != 0 && version <= old->version)
            return; /* Known already, or older than what is known. */
    }
    struct error err;
    struct store_entry *entry = entry_decode(store, kind, json, base_dir, &err);
    if (!entry) {
        error_wrap(&err, "%s %s/%s", object_kind_name(kind), namespace, name);
        tell_error(store, &err);
        return;
    }
    ASSERT(entry->object->kind == kind);
    entry->version = version;
    if (old && old->status_version > version)
        keep_status(old, entry);
    entry->content = content_hash(json, kind, base_dir);
    entry->mark = store->marks[kind];
    struct buf key = {0};
    map_put(&store->objects[kind], key_of(&key, namespace, name), entry);
    buf_release(&key);
    if (!old || old->content != entry->content)
        tell_change(store, old ? old->object : NULL, entry->object);
    if (old)
        entry_retire(old);
}

void store_status_written(struct store *store, enum object_kind kind, const char *namespace, const char *name,
                          const struct json *status, const char *resource_version) {
    struct store_entry *entry = entry_find(store, kind, namespace, name);
    uint64_t version = version_of(resource_version);
    if (!entry || version <= entry->version || version <= entry->status_version)
        return;
    /* In place: only the loop's thread reads these fields, a worker that holds the object reads its spec. */
    object_take_status(status, entry->object);
    (void)str_copy(entry->object->resource_version, sizeof(entry->object->resource_version), resource_version);
    entry->status_version = version;
}

static void entry_remove(struct store *store, enum object_kind kind, const char *key) {
    struct store_entry *old = map_remove(&store->objects[kind], key);
    if (!old)
        return;
    tell_change(store, old->object, NULL);
    entry_retire(old);
}

void store_feed_delete(struct store *store, enum object_kind kind, const char *namespace, const char *name) {
    ASSERT(kind < OBJECT_KIND_COUNT);
    struct buf key = {0};
    entry_remove(store, kind, key_of(&key, namespace, name));
    buf_release(&key);
}

void store_relist_begin(struct store *store, enum object_kind kind) {
    ASSERT(kind < OBJECT_KIND_COUNT);
    store->marks[kind]++;
}

void store_relist_sweep(struct store *store, enum object_kind kind) {
    ASSERT(kind < OBJECT_KIND_COUNT);
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&store->objects[kind], &i));) {
        if (((const struct store_entry *)entry->value)->mark != store->marks[kind]) {
            char *key = mem_strdup(entry->key); /* Removal frees the map's own. */
            entry_remove(store, kind, key);
            mem_free(key);
        }
    }
}

void store_set_synced(struct store *store) {
    if (store->synced)
        return;
    store->synced = true;
    if (store->callbacks.on_synced)
        store->callbacks.on_synced(store->callbacks.ctx);
}
