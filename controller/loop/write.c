/*
 * Writes through the store: no write when nothing changed, each counted until it has ended.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/json.h"
#include "base/log.h"
#include "loop/loop_internal.h"

static const char *const kind_names[] = {"kind", NULL};
static const char *const kind_class[] = {"kind", "class", NULL};
static const struct metric metric_writes = {"trimtab_status_writes_total", "Statuses written.", METRIC_COUNTER,
                                            kind_names, NULL};
static const struct metric metric_errors = {"trimtab_write_errors_total", "Writes that failed, by error class.",
                                            METRIC_COUNTER, kind_class, NULL};

struct write_op {
    struct store_write write;
    struct loop *loop;
    write_done_fn *done;
    void *ctx;
    struct arena arena;  /* Copies of what the write points to: the object may go before it ends. */
    struct json *status; /* STATUS only. */
};

static void write_ended(struct store_write *write) {
    struct write_op *op = write->ctx;
    struct loop *loop = op->loop;
    const char *kind = object_kind_plural(write->kind);
    struct error error = write->error;
    write_done_fn *done = op->done;
    void *ctx = op->ctx;
    loop->in_flight--;
    if (error.class == ERR_NONE)
        metrics_add(loop->options.metrics, &metric_writes, METRIC_LABELS(kind), 1);
    else
        metrics_add(loop->options.metrics, &metric_errors, METRIC_LABELS(kind, error_class_name(error.class)), 1);
    json_free(op->status);
    arena_release(&op->arena);
    mem_free(op);
    if (done)
        done(loop, ctx, error.class == ERR_NONE, &error);
}

/* Takes status. */
static void submit(struct loop *loop, struct store_write write, struct json *status, write_done_fn *done, void *ctx) {
    struct write_op *op = mem_alloc(sizeof(*op));
    op->write = write;
    op->status = status;
    op->write.status = status;
    op->write.namespace = arena_strdup(&op->arena, write.namespace);
    op->write.name = arena_strdup(&op->arena, write.name);
    op->write.resource_version = arena_strdup(&op->arena, write.resource_version);
    if (write.body.size)
        op->write.body.data = arena_memdup(&op->arena, write.body.data, write.body.size);
    op->write.done = write_ended;
    op->write.ctx = op;
    op->loop = loop;
    op->done = done;
    op->ctx = ctx;
    loop->in_flight++;
    store_write(loop->store, &op->write);
}

static struct json *parse(const struct buf *body) {
    struct json *root;
    struct error err;
    if (json_parse_trusted(buf_bytes(body), &root, &err) != ERR_NONE)
        ASSERT(!"our own status is JSON");
    return root;
}

void write_status(struct loop *loop, const struct object *object, const struct buf *body, bool fenced,
                  write_done_fn *done, void *ctx) {
    static const struct error none;
    struct json *status = parse(body);
    if (json_hash(status) == object->status_hash) {
        json_free(status);
        if (done)
            done(loop, ctx, false, &none);
        return;
    }
    submit(loop,
           (struct store_write){.type = STORE_WRITE_STATUS,
                                .kind = object->kind,
                                .namespace = object->namespace,
                                .name = object->name,
                                .body = buf_bytes(body),
                                .resource_version = fenced ? object->resource_version : NULL},
           status, done, ctx);
}

bool write_is_passing(const struct object *object, const struct status_summary *summary) {
    return summary->is_passing && object->observed_generation == object->generation &&
           object->conditions[CONDITION_READY].present;
}

void write_create(struct loop *loop, enum object_kind kind, const char *namespace, const char *name,
                  const struct buf *body, write_done_fn *done, void *ctx) {
    submit(loop,
           (struct store_write){
               .type = STORE_WRITE_CREATE, .kind = kind, .namespace = namespace, .name = name, .body = buf_bytes(body)},
           NULL, done, ctx);
}

void write_delete(struct loop *loop, const struct object *object) {
    submit(loop,
           (struct store_write){.type = STORE_WRITE_DELETE,
                                .kind = object->kind,
                                .namespace = object->namespace,
                                .name = object->name,
                                .resource_version = object->resource_version},
           NULL, NULL, NULL);
}

static void finish_after_write(struct loop *loop, void *ctx, bool wrote, const struct error *error) {
    struct workqueue_item *item = ctx;
    (void)wrote;
    /* NotFound and Conflict: the object changed or went; its event has queued the key again. */
    bool failed = error->class != ERR_NONE && error->class != ERR_CONFLICT;
    if (failed)
        log_warn("status not written", LOG_STR("kind", object_kind_name(item->kind)),
                 LOG_STR("namespace", item->namespace), LOG_STR("name", item->name), LOG_ERR(error));
    loop_finish(loop, item, failed);
}

void write_status_and_finish(struct loop *loop, struct workqueue_item *item, const struct object *object,
                             const struct buf *body) {
    write_status(loop, object, body, false, finish_after_write, item);
}
