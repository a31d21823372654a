/*
 * Where the desired state comes from and where status, journal and Events go: the Kubernetes API server
 * (store/cluster.h) or a watched directory with SQLite behind it (store/local.h). The loop knows only this. Loop thread
 * only.
 *
 * The cache holds decoded objects (manifest/object.h), one for each key; a pointer from store_get is valid until
 * control returns to the event loop. resourceVersions are compared as numbers: the cache never goes back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_STORE_STORE_H
#define TRIMTAB_STORE_STORE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "base/map.h"
#include "base/runtime.h"
#include "manifest/object.h"

struct store;
struct store_write;

struct store_callbacks {
    /* now NULL: deleted; before NULL: new. Only real changes; both valid during the call. */
    void (*on_change)(void *ctx, const struct object *before, const struct object *now);
    /* Every kind has been listed once: from now on absence means absence. Once. */
    void (*on_synced)(void *ctx);
    void (*on_error)(void *ctx, const struct error *error);
    void *ctx;
};

enum store_write_type {
    STORE_WRITE_STATUS, /* body: the status object. Replaces all that we own of it. */
    STORE_WRITE_CREATE, /* body: the whole object. An existing name is ERR_CONFLICT, code AlreadyExists. */
    STORE_WRITE_DELETE,
};

/* Embedded by the caller, which keeps it and what it points to until done. done runs once, later. On success the cache
 * has the result already. */
struct store_write {
    enum store_write_type type;
    enum object_kind kind;
    const char *namespace, *name;
    struct bytes body;
    const struct json *status; /* STATUS: the body as a tree. */
    /* The fence: write only if the object still has this version, else ERR_CONFLICT. NULL: whatever it has. */
    const char *resource_version;
    void (*done)(struct store_write *write);
    void *ctx;
    struct error error;
    void *state; /* The store's. */
};

struct store_note { /* One Event: reason and action CamelCase of few values, note at most 1024 bytes. */
    const struct object *regarding;
    bool warning;
    const char *reason, *action, *note;
};

/* data: NULL with err set, or a flat object of decoded strings; valid during the call, then wiped. */
typedef void store_secret_fn(void *ctx, const struct json *data, const struct error *err);

struct store_ops {
    void (*start)(struct store *store);
    void (*stop)(struct store *store, void (*stopped)(void *ctx), void *ctx); /* After the last done. */
    void (*free)(struct store *store);
    void (*write)(struct store *store, struct store_write *write);
    void (*note)(struct store *store, const struct store_note *note); /* Fire and forget; bounded. */
    void (*secret)(struct store *store, const char *namespace, const char *name, store_secret_fn *done,
                   void *ctx); /* done later */
    /* May effects be sent that last at most timeout_ms? Local: always. Cluster: the fence of the Lease. */
    bool (*may_act)(struct store *store, uint32_t timeout_ms);
};

struct store {
    const struct store_ops *ops;
    struct runtime *runtime;
    struct store_callbacks callbacks;
    struct map objects[OBJECT_KIND_COUNT]; /* "namespace/name" -> struct store_entry * */
    bool synced;
    bool own_namespace_suspended; /* The annotation on the controller's own namespace: the global switch. */
    const char *own_namespace;    /* NULL in a local run. */
    /* private */
    struct arena scratch;              /* Decoded into first, to learn the size. */
    uint32_t marks[OBJECT_KIND_COUNT]; /* The current relist of each kind. */
};

const struct object *store_get(const struct store *store, enum object_kind kind, const char *namespace,
                               const char *name);
/* Keeps an object alive beyond the turn (a worker reads its spec): a hold is a written reason for a count of
 * references. */
const struct object *store_hold(const struct object *object);
void store_drop(const struct object *object);
/* for (size_t i = 0; (object = store_next(store, kind, &i));) in no particular order */
const struct object *store_next(const struct store *store, enum object_kind kind, size_t *index);
size_t store_count(const struct store *store, enum object_kind kind);
/* The object's own suspend, its namespace's annotation, or the global switch. */
bool store_is_suspended(const struct store *store, const struct object *object);

static inline void store_start(struct store *store) {
    store->ops->start(store);
}
static inline void store_write(struct store *store, struct store_write *write) {
    store->ops->write(store, write);
}
static inline void store_note(struct store *store, const struct store_note *note) {
    store->ops->note(store, note);
}
static inline bool store_may_act(struct store *store, uint32_t timeout_ms) {
    return store->ops->may_act(store, timeout_ms);
}

/* ---- for implementations ---- */

void store_init(struct store *store, const struct store_ops *ops, struct runtime *runtime, const char *own_namespace,
                const struct store_callbacks *callbacks);
void store_release(struct store *store);
/* Decodes and puts an object into the cache and tells on_change, unless its resourceVersion is not newer than the
 * cached. */
void store_feed(struct store *store, enum object_kind kind, const struct json *json, const char *base_dir);
void store_feed_delete(struct store *store, enum object_kind kind, const char *namespace, const char *name);
/* A status that was just written is there, under that version: as store_feed, but without the object's text. */
void store_status_written(struct store *store, enum object_kind kind, const char *namespace, const char *name,
                          const struct json *status, const char *resource_version);
/* Marks for a relist: begin, feed all, then sweep deletes what was not fed since. */
void store_relist_begin(struct store *store, enum object_kind kind);
void store_relist_sweep(struct store *store, enum object_kind kind);
void store_set_synced(struct store *store);

#endif
