/*
 * The API server as a store; see cluster.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/cluster.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "kube/text.h"
#include "kube/watch.h"
#include "store/store_events.h"

#define OWN_VERSIONS 1024

struct cluster;

struct cluster_watch {
    struct cluster *cluster;
    enum object_kind kind;
    struct kube_watch *watch;
    char *path;
    bool synced;
};

struct cluster {
    struct store base;
    struct kube_client *client;
    const struct kube_lease *lease;
    char *own_namespace;
    char *watch_namespace;
    struct cluster_watch watches[OBJECT_KIND_COUNT];
    size_t watching;
    size_t in_flight;
    uint64_t own_versions[OWN_VERSIONS]; /* Hashes of versions that our status writes made; a lost one costs a parse. */
    struct store_events events;
    bool stopping;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

static struct cluster *cluster_of(struct store *store) {
    return CONTAINER_OF(store, struct cluster, base);
}

/* ---- watching ---- */

static uint64_t hash_of(struct bytes version) {
    return str_hash(STR_HASH_SEED, version.data, version.size);
}

static bool is_own_version(void *ctx, struct bytes version) {
    const struct cluster_watch *watch = ctx;
    uint64_t hash = hash_of(version);
    return watch->cluster->own_versions[hash % OWN_VERSIONS] == hash;
}

/* Items of a namespace list bear no kind, and partial metadata bears its own: give it the one that decoding knows. */
static void feed_namespace(struct cluster *cluster, const struct json *value) {
    struct json *object = json_new_object();
    json_object_set(object, "apiVersion", json_new_string("v1", 2));
    json_object_set(object, "kind", json_new_string("Namespace", 9));
    json_object_set(object, "metadata", json_copy(json_get(value, "metadata")));
    store_feed(&cluster->base, OBJECT_NAMESPACE, object, NULL);
    json_free(object);
}

static void check_synced(struct cluster *cluster) {
    for (size_t kind = 0; kind < OBJECT_KIND_COUNT; kind++)
        if (!cluster->watches[kind].synced)
            return;
    store_set_synced(&cluster->base);
}

static void on_watch_event(void *ctx, enum kube_watch_event event, const struct json *value) {
    struct cluster_watch *watch = ctx;
    struct cluster *cluster = watch->cluster;
    if (cluster->stopping)
        return;
    switch (event) {
    case KUBE_WATCH_UPSERT:
        if (watch->kind == OBJECT_NAMESPACE)
            feed_namespace(cluster, value);
        else
            store_feed(&cluster->base, watch->kind, value, NULL);
        break;
    case KUBE_WATCH_DELETE:
        store_feed_delete(&cluster->base, watch->kind, json_string(json_at(value, "metadata.namespace"), ""),
                          json_string(json_at(value, "metadata.name"), ""));
        break;
    case KUBE_WATCH_RELIST_BEGIN:
        store_relist_begin(&cluster->base, watch->kind);
        break;
    case KUBE_WATCH_SYNCED:
        store_relist_sweep(&cluster->base, watch->kind);
        watch->synced = true;
        check_synced(cluster);
        break;
    }
}

static void on_watch_error(void *ctx, const struct error *error) {
    const struct cluster_watch *watch = ctx;
    struct error wrapped = *error;
    error_wrap(&wrapped, "watch %s", object_kind_plural(watch->kind));
    watch->cluster->base.callbacks.on_error(watch->cluster->base.callbacks.ctx, &wrapped);
}

static char *collection_path(enum object_kind kind, const char *namespace) {
    if (kind == OBJECT_NAMESPACE)
        return mem_strdup("/api/v1/namespaces");
    if (!namespace)
        return mem_printf("/apis/%s/%s/%s", API_GROUP, API_VERSION, object_kind_plural(kind));
    return mem_printf("/apis/%s/%s/namespaces/%s/%s", API_GROUP, API_VERSION, namespace, object_kind_plural(kind));
}

static void cluster_start(struct store *store) {
    struct cluster *cluster = cluster_of(store);
    for (enum object_kind kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
        struct cluster_watch *watch = &cluster->watches[kind];
        *watch = (struct cluster_watch){
            .cluster = cluster, .kind = kind, .path = collection_path(kind, cluster->watch_namespace)};
        watch->watch = kube_watch_start(
            cluster->client, store->runtime,
            &(struct kube_watch_options){.path = watch->path,
                                         .accept = kind == OBJECT_NAMESPACE
                                                       ? "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
                                                       : NULL,
                                         .prefer_list = true,
                                         .is_known = is_own_version,
                                         .on_event = on_watch_event,
                                         .on_error = on_watch_error,
                                         .ctx = watch});
        cluster->watching++;
    }
}

/* ---- stopping ---- */

static void check_stopped(struct cluster *cluster) {
    if (!cluster->stopping || cluster->watching || cluster->in_flight || !cluster->stopped)
        return;
    void (*stopped)(void *ctx) = cluster->stopped;
    cluster->stopped = NULL;
    stopped(cluster->stopped_ctx);
}

static void watch_stopped(void *ctx) {
    struct cluster_watch *watch = ctx;
    watch->cluster->watching--;
    check_stopped(watch->cluster);
}

static void cluster_stop(struct store *store, void (*stopped)(void *ctx), void *ctx) {
    struct cluster *cluster = cluster_of(store);
    cluster->stopping = true;
    cluster->stopped = stopped;
    cluster->stopped_ctx = ctx;
    if (cluster->watching == 0)
        check_stopped(cluster);
    for (size_t kind = 0; kind < OBJECT_KIND_COUNT; kind++)
        if (cluster->watches[kind].watch)
            kube_watch_stop(cluster->watches[kind].watch, watch_stopped, &cluster->watches[kind]);
}

static void cluster_free(struct store *store) {
    struct cluster *cluster = cluster_of(store);
    for (size_t kind = 0; kind < OBJECT_KIND_COUNT; kind++)
        mem_free(cluster->watches[kind].path);
    store_release(store);
    mem_free(cluster->own_namespace);
    mem_free(cluster->watch_namespace);
    store_events_release(&cluster->events);
    mem_free(cluster);
}

/* ---- writing ---- */

struct cluster_op {
    struct kube_call call;
    struct cluster *cluster;
    struct store_write *write;
    struct buf body, path;
};

static void op_free(struct cluster_op *op) {
    struct cluster *cluster = op->cluster;
    kube_call_release(&op->call);
    buf_release(&op->body);
    buf_release(&op->path);
    mem_free(op);
    cluster->in_flight--;
    check_stopped(cluster);
}

/* Whether the object that a status write answers with is the one we know, but for that status. A write that changes
 * nothing is answered with the version of whoever wrote last: were its event passed over, that change would be lost. */
static bool is_as_known(const struct cluster *cluster, const struct store_write *write, struct bytes text) {
    const struct object *known = store_get(&cluster->base, write->kind, write->namespace, write->name);
    return known && !known->suspended && kube_text_generation(text) == known->generation &&
           !kube_text_has(text, API_SUSPEND_ANNOTATION);
}

/* Of a status write only the version is news: the status is what was sent. The watch's echo of it is passed over. */
static void take_version(struct cluster *cluster, const struct store_write *write, struct bytes text) {
    struct bytes version = kube_text_resource_version(text);
    char resource_version[OBJECT_VERSION_MAX];
    if (version.size == 0 || version.size >= sizeof(resource_version) || !is_as_known(cluster, write, text))
        return; /* The watch brings it. */
    memcpy(resource_version, version.data, version.size);
    resource_version[version.size] = '\0';
    store_status_written(&cluster->base, write->kind, write->namespace, write->name, write->status, resource_version);
    cluster->own_versions[hash_of(version) % OWN_VERSIONS] = hash_of(version);
}

static void write_done(struct kube_call *call) {
    struct cluster_op *op = call->ctx;
    struct store_write *write = op->write;
    struct store *store = &op->cluster->base;
    write->error = call->error;
    bool gone = call->error.class == ERR_CONFLICT && str_eq(call->error.code, "NotFound");
    if (write->type == STORE_WRITE_DELETE && gone)
        write->error = (struct error){0};
    /* Read your own writes: the cache has the answer before the watch brings it. */
    if (call->error.class == ERR_NONE && call->as_text)
        take_version(op->cluster, write, call->text);
    else if (call->error.class == ERR_NONE && write->type != STORE_WRITE_DELETE && call->reply)
        store_feed(store, write->kind, call->reply, NULL);
    if (gone)
        store_feed_delete(store, write->kind, write->namespace, write->name);
    write->state = NULL;
    write->done(write);
    op_free(op);
}

static void status_body(struct cluster_op *op, const struct store_write *write) {
    struct json_writer w = {.out = &op->body};
    jw_open(&w, '{');
    jw_put_string(&w, "apiVersion", API_GROUP "/" API_VERSION);
    jw_put_string(&w, "kind", object_kind_name(write->kind));
    jw_key(&w, "metadata");
    jw_open(&w, '{');
    jw_put_string(&w, "name", write->name);
    jw_put_string(&w, "namespace", write->namespace);
    jw_put_string(&w, "resourceVersion", write->resource_version);
    jw_close(&w, '}');
    jw_key(&w, "status");
    buf_reserve(&op->body, write->body.size);
    char *status = mem_strndup(write->body.data, write->body.size);
    jw_raw(&w, status);
    mem_free(status);
    jw_close(&w, '}');
}

static struct cluster_op *op_new(struct cluster *cluster, void (*done)(struct kube_call *call)) {
    struct cluster_op *op = mem_alloc(sizeof(*op));
    op->cluster = cluster;
    op->call.done = done;
    op->call.ctx = op;
    cluster->in_flight++;
    return op;
}

static void op_send(struct cluster_op *op) {
    op->call.path = buf_text(&op->path);
    op->call.body = buf_bytes(&op->body);
    kube_call_send(op->cluster->client, &op->call);
}

static void cluster_write(struct store *store, struct store_write *write) {
    struct cluster_op *op = op_new(cluster_of(store), write_done);
    op->write = write;
    buf_printf(&op->path, "/apis/%s/%s/namespaces/%s/%s", API_GROUP, API_VERSION, write->namespace,
               object_kind_plural(write->kind));
    switch (write->type) {
    case STORE_WRITE_STATUS:
        op->call.method = "PATCH";
        op->call.content_type = "application/apply-patch+yaml";
        /* The status of a Recommendation is a record that decisions read: it is decoded as the server has it. */
        op->call.as_text = write->kind != OBJECT_RECOMMENDATION;
        buf_printf(&op->path, "/%s/status?fieldManager=%s&force=true", write->name, STORE_FIELD_MANAGER);
        status_body(op, write);
        break;
    case STORE_WRITE_CREATE:
        op->call.method = "POST";
        op->call.content_type = "application/json";
        buf_printf(&op->path, "?fieldManager=%s", STORE_FIELD_MANAGER);
        buf_append(&op->body, write->body.data, write->body.size);
        break;
    case STORE_WRITE_DELETE:
        op->call.method = "DELETE";
        buf_printf(&op->path, "/%s", write->name);
        if (write->resource_version) {
            struct json_writer w = {.out = &op->body};
            op->call.content_type = "application/json";
            jw_open(&w, '{');
            jw_key(&w, "preconditions");
            jw_open(&w, '{');
            jw_put_string(&w, "resourceVersion", write->resource_version);
            jw_close(&w, '}');
            jw_close(&w, '}');
        }
        break;
    }
    write->state = op;
    op_send(op);
}

/* ---- Events ---- */

static void note_done(struct kube_call *call) {
    op_free(call->ctx);
} /* Best effort: an Event is for people. */

static void cluster_note(struct store *store, const struct store_note *note) {
    struct cluster *cluster = cluster_of(store);
    struct cluster_op *op = op_new(cluster, note_done);
    enum store_events_action action = store_events_print(&cluster->events, note, runtime_wall_ms(store->runtime),
                                                         runtime_random(store->runtime), &op->path, &op->body);
    if (action == STORE_EVENTS_DROP || cluster->stopping) {
        op_free(op);
        return;
    }
    op->call.method = action == STORE_EVENTS_CREATE ? "POST" : "PATCH";
    op->call.content_type = action == STORE_EVENTS_CREATE ? "application/json" : "application/merge-patch+json";
    op_send(op);
}

/* ---- Secrets ---- */

struct secret_op {
    struct kube_call call;
    struct cluster *cluster;
    store_secret_fn *done;
    void *ctx;
    char *path, *name;
};

static struct json *decode_data(const struct json *data) {
    struct json *flat = json_new_object();
    for (struct json_iter it = json_iter(data); json_iter_next(&it);) {
        struct buf text = {0};
        if (base64_decode(bytes_of(json_string(it.value, "")), &text))
            json_object_set(flat, it.key, json_new_string(buf_text(&text), text.size));
        if (text.data)
            mem_wipe(text.data, text.size);
        buf_release(&text);
    }
    return flat;
}

static void secret_done(struct kube_call *call) {
    struct secret_op *op = call->ctx;
    struct cluster *cluster = op->cluster;
    if (call->error.class == ERR_NONE) {
        struct json *flat = decode_data(json_get(call->reply, "data"));
        op->done(op->ctx, flat, &call->error);
        json_free(flat);
    } else {
        struct error error = call->error;
        error_wrap(&error, "Secret %s", op->name);
        op->done(op->ctx, NULL, &error);
    }
    kube_call_release(&op->call);
    mem_free(op->path);
    mem_free(op->name);
    mem_free(op);
    cluster->in_flight--;
    check_stopped(cluster);
}

static void cluster_secret(struct store *store, const char *namespace, const char *name, store_secret_fn *done,
                           void *ctx) {
    struct cluster *cluster = cluster_of(store);
    struct secret_op *op = mem_alloc(sizeof(*op));
    op->cluster = cluster;
    op->done = done;
    op->ctx = ctx;
    op->path = mem_printf("/api/v1/namespaces/%s/secrets/%s", namespace, name);
    op->name = mem_printf("%s/%s", namespace, name);
    op->call = (struct kube_call){.method = "GET", .path = op->path, .done = secret_done, .ctx = op};
    cluster->in_flight++;
    kube_call_send(cluster->client, &op->call);
}

static bool cluster_may_act(struct store *store, uint32_t timeout_ms) {
    const struct cluster *cluster = cluster_of(store);
    uint64_t ends_ns = runtime_mono_ns(store->runtime) + timeout_ms * NS_PER_MS;
    return cluster->lease && !cluster->stopping && ends_ns < kube_lease_valid_until_ns(cluster->lease);
}

static const struct store_ops cluster_ops = {
    .start = cluster_start,
    .stop = cluster_stop,
    .free = cluster_free,
    .write = cluster_write,
    .note = cluster_note,
    .secret = cluster_secret,
    .may_act = cluster_may_act,
};

struct store *store_cluster_new(struct runtime *runtime, struct kube_client *client,
                                const struct store_cluster_options *options, const struct store_callbacks *callbacks) {
    struct cluster *cluster = mem_alloc(sizeof(*cluster));
    cluster->client = client;
    cluster->own_namespace = mem_strdup(options->own_namespace);
    cluster->watch_namespace = mem_strdup(options->watch_namespace);
    store_events_init(&cluster->events, options->instance);
    store_init(&cluster->base, &cluster_ops, runtime, cluster->own_namespace, callbacks);
    return &cluster->base;
}

void store_cluster_set_lease(struct store *store, const struct kube_lease *lease) {
    cluster_of(store)->lease = lease;
}
