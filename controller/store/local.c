/*
 * The local store. The database is the truth, the cache (store.c) follows it after each commit.
 *
 *     write, note, secret  ->  queued, copied     (never from inside the call: pointers from store_get stay valid)
 *     turn (timer of 0)    ->  begin, all of the queue, commit  ->  cache and on_change  ->  done, one after another
 *
 * So all writes of one turn share one commit, and a done means: on the disk.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/local.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/local_internal.h"

#define NOTES_MAX 1000 /* Waiting for one turn. */

enum task_type { TASK_WRITE, TASK_NOTE, TASK_SECRET };

struct local_task {
    enum task_type type;
    struct local_task *next;
    struct arena arena;        /* Holds the task and its copies. */
    struct store_write *owner; /* WRITE: the caller's. */
    struct store_write write;  /* WRITE: our copy. */
    struct local_event event;  /* NOTE */
    store_secret_fn *done;     /* SECRET */
    void *ctx;
    const char *namespace, *name;
    struct error error;
};

/* ---- cache ---- */

static void feed_row(struct store_local *local, const struct local_row *row) {
    struct buf text = {0};
    struct json *json;
    struct error err;
    local_row_print(row, &text);
    if (json_parse_trusted(buf_bytes(&text), &json, &err) == ERR_NONE) {
        const char *slash = row->file ? strrchr(row->file, '/') : NULL;
        char *base_dir = slash ? mem_strndup(row->file, (size_t)(slash - row->file)) : NULL;
        store_feed(&local->base, row->kind, json, base_dir);
        mem_free(base_dir);
        json_free(json);
    } else {
        error_wrap(&err, "database: %s %s/%s", object_kind_name(row->kind), row->namespace, row->name);
        log_error("object not read", LOG_ERR(&err));
    }
    buf_release(&text);
}

void local_refresh(struct store_local *local, enum object_kind kind, const char *namespace, const char *name) {
    if (!local->base.synced)
        return; /* The first turn reads everything. */
    struct arena arena = {0};
    struct local_row row;
    struct error err;
    bool exists = false;
    if (local_db_get(local->db, kind, namespace, name, &arena, &row, &exists, &err) != ERR_NONE)
        log_error("object not read", LOG_ERR(&err)); /* The cache keeps what it has. */
    else if (exists)
        feed_row(local, &row);
    else
        store_feed_delete(&local->base, kind, namespace, name);
    arena_release(&arena);
}

void local_refresh_of_policy(struct store_local *local, const char *namespace, const char *policy) {
    const struct object *object;
    for (size_t i = 0; (object = store_next(&local->base, OBJECT_RECOMMENDATION, &i));) {
        if (str_eq(object->namespace, namespace) && str_eq(object->as.recommendation->policy_name, policy)) {
            char *name = mem_strdup(object->name); /* The object may go. */
            local_refresh(local, OBJECT_RECOMMENDATION, namespace, name);
            mem_free(name);
        }
    }
}

static void feed_visited(void *ctx, const struct local_row *row) {
    feed_row(ctx, row);
}

static void feed_all(struct store_local *local) {
    struct error err;
    for (int kind = OBJECT_KIND_COUNT; kind-- > 0;) { /* Namespaces first: the others are judged by them. */
        if (local_db_each(local->db, (enum object_kind)kind, NULL, feed_visited, local, &err) != ERR_NONE)
            log_error("objects not read", LOG_ERR(&err));
    }
}

/* ---- secrets ---- */

static const char *const environment_keys[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_SUBSCRIPTION_ID",
    "GOOGLE_CREDENTIALS",
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
    "HUAWEICLOUD_SDK_AK",
    "HUAWEICLOUD_SDK_SK",
    "HUAWEICLOUD_SDK_PROJECT_ID",
    "HUAWEICLOUD_SDK_DOMAIN_ID",
};

static void secret_answer(struct store_local *local, const struct local_task *task) {
    char *key = mem_printf("%s/%s", task->namespace, task->name);
    const struct json *secret = map_get(&local->secrets, key);
    mem_free(key);
    if (secret) {
        task->done(task->ctx, secret, NULL);
        return;
    }
    struct json *from_environment = json_new_object();
    for (size_t i = 0; i < ARRAY_LEN(environment_keys); i++) {
        const char *value = getenv(environment_keys[i]);
        if (value && *value)
            json_object_set(from_environment, environment_keys[i], json_new_string(value, strlen(value)));
    }
    struct error err = {0};
    if (json_object_count(from_environment) > 0) {
        task->done(task->ctx, from_environment, NULL);
    } else {
        local_fail(&err, ERR_PERMANENT, 404, "NotFound",
                   "secret \"%s/%s\" is not among the manifests, and no credential stands in the environment",
                   task->namespace, task->name);
        task->done(task->ctx, NULL, &err);
    }
    local_secret_free(from_environment);
}

/* ---- the queue ---- */

static void on_turn(struct timer *timer);

static struct local_task *task_new(struct store_local *local, enum task_type type) {
    ASSERT(local->is_started && !local->is_closing);
    struct arena arena = {0};
    struct local_task *task = arena_alloc(&arena, sizeof(*task));
    task->type = type;
    task->arena = arena;
    *local->last_task = task;
    local->last_task = &task->next;
    timer_start(local->base.runtime, &local->turn, 0, on_turn, local);
    return task;
}

static void task_free(struct local_task *task) {
    struct arena arena = task->arena; /* The task lies in it. */
    arena_release(&arena);
}

static void queue_write(struct store *store, struct store_write *write) {
    struct store_local *local = store_local_of(store);
    struct local_task *task = task_new(local, TASK_WRITE);
    task->owner = write;
    write->state = task;
    task->write = *write;
    task->write.namespace = arena_strdup(&task->arena, write->namespace);
    task->write.name = arena_strdup(&task->arena, write->name);
    task->write.resource_version = arena_strdup(&task->arena, write->resource_version);
    task->write.body.data = arena_memdup(&task->arena, write->body.data, write->body.size);
}

static void queue_note(struct store *store, const struct store_note *note) {
    struct store_local *local = store_local_of(store);
    if (local->is_stopping || local->note_count >= NOTES_MAX)
        return; /* Fire and forget. */
    local->note_count++;
    struct local_task *task = task_new(local, TASK_NOTE);
    int64_t now_ms = runtime_wall_ms(store->runtime);
    task->event = (struct local_event){
        .namespace = arena_strdup(&task->arena, note->regarding->namespace),
        .kind = object_kind_name(note->regarding->kind),
        .name = arena_strdup(&task->arena, note->regarding->name),
        .uid = arena_strdup(&task->arena, note->regarding->uid),
        .warning = note->warning,
        .reason = arena_strdup(&task->arena, note->reason),
        .action = arena_strdup(&task->arena, note->action ? note->action : ""),
        .note = arena_strndup(&task->arena, note->note, 1024),
        .first_ms = now_ms,
        .last_ms = now_ms,
    };
}

static void queue_secret(struct store *store, const char *namespace, const char *name, store_secret_fn *done,
                         void *ctx) {
    struct local_task *task = task_new(store_local_of(store), TASK_SECRET);
    task->done = done;
    task->ctx = ctx;
    task->namespace = arena_strdup(&task->arena, namespace);
    task->name = arena_strdup(&task->arena, name);
}

static void run_in_transaction(struct store_local *local, struct local_task *first) {
    struct error err = {0};
    bool has_any = false;
    for (const struct local_task *task = first; task; task = task->next)
        has_any |= task->type != TASK_SECRET;
    if (!has_any)
        return;
    enum err_class class = local_db_begin(local->db, &err);
    for (struct local_task *task = first; task && class == ERR_NONE; task = task->next) {
        struct error note_err;
        if (task->type == TASK_WRITE)
            (void)!local_write_run(local, &task->write, &task->error);
        else if (task->type == TASK_NOTE && local_db_note(local->db, &task->event, &note_err) != ERR_NONE)
            log_warn("event not kept", LOG_ERR(&note_err));
    }
    if (class == ERR_NONE)
        class = local_db_commit(local->db, &err);
    if (class == ERR_NONE)
        return;
    log_error("nothing written", LOG_ERR(&err));
    for (struct local_task *task = first; task; task = task->next)
        task->error = err; /* Rolled back: none of them has happened. */
}

static void task_finish(struct store_local *local, struct local_task *task) {
    if (task->type == TASK_SECRET) {
        secret_answer(local, task);
    } else if (task->type == TASK_WRITE) {
        const struct store_write *write = &task->write;
        if (task->error.class == ERR_NONE || task->error.class == ERR_CONFLICT)
            local_refresh(local, write->kind, write->namespace, write->name);
        if (task->error.class == ERR_NONE && write->type == STORE_WRITE_DELETE && write->kind == OBJECT_POLICY)
            local_refresh_of_policy(local, write->namespace, write->name);
        task->owner->state = NULL;
        task->owner->error = task->error;
        task->owner->done(task->owner);
    }
    task_free(task);
}

static void finish_stop(void *ctx) {
    struct store_local *local = ctx;
    if (local->stopped)
        local->stopped(local->stopped_ctx);
}

static void on_turn(struct timer *timer) {
    struct store_local *local = timer->ctx;
    if (!local->base.synced && !local->is_stopping) {
        if (local->directory)
            local_files_sync(local);
        feed_all(local);
        store_set_synced(&local->base);
    }
    struct local_task *first = local->first_task;
    local->first_task = NULL;
    local->last_task = &local->first_task;
    local->note_count = 0;
    run_in_transaction(local, first);
    for (struct local_task *task = first, *next; task; task = next) {
        next = task->next;
        task_finish(local, task);
    }
    if (!local->is_stopping || local->first_task)
        return;
    local->is_closing = true;
    struct local_watch *watch = local->watch;
    local->watch = NULL;
    if (watch)
        local_watch_stop(watch, finish_stop, local);
    else
        finish_stop(local);
}

/* ---- life ---- */

static void on_files_change(void *ctx) {
    struct store_local *local = ctx;
    if (local->base.synced && !local->is_stopping)
        local_files_sync(local);
}

static void start(struct store *store) {
    struct store_local *local = store_local_of(store);
    ASSERT(!local->is_started);
    local->is_started = true;
    if (local->directory && local->loop)
        local->watch = local_watch_start(local->loop, local->directory, on_files_change, local);
    timer_start(store->runtime, &local->turn, 0, on_turn, local);
}

static void stop(struct store *store, void (*stopped)(void *ctx), void *ctx) {
    struct store_local *local = store_local_of(store);
    ASSERT(!local->is_stopping);
    local->is_stopping = true;
    local->stopped = stopped;
    local->stopped_ctx = ctx;
    timer_start(store->runtime, &local->turn, 0, on_turn, local);
}

static void release(struct store *store) {
    struct store_local *local = store_local_of(store);
    ASSERT(!local->first_task && !local->watch);
    timer_stop(store->runtime, &local->turn);
    local_secrets_release(local);
    local_db_close(local->db);
    store_release(store);
    mem_free(local->directory);
    mem_free(local->default_namespace);
    mem_free(local);
}

static bool may_act(struct store *store, uint32_t timeout_ms) {
    (void)store, (void)timeout_ms;
    return true; /* The lock on the database is what keeps a second instance away. */
}

static const struct store_ops ops = {
    .start = start,
    .stop = stop,
    .free = release,
    .write = queue_write,
    .note = queue_note,
    .secret = queue_secret,
    .may_act = may_act,
};

enum err_class store_local_new(struct runtime *runtime, const struct store_local_options *options,
                               const struct store_callbacks *callbacks, struct store **ret, struct error *err) {
    char *directory = options->directory ? realpath(options->directory, NULL) : NULL;
    if (options->directory && !directory)
        return error_set(err, ERR_PERMANENT, "directory %s: %m", options->directory);
    struct local_db *db;
    if (local_db_open(options->database, &db, err) != ERR_NONE) {
        mem_free(directory);
        return err->class;
    }
    struct store_local *local = mem_alloc(sizeof(*local));
    store_init(&local->base, &ops, runtime, NULL, callbacks);
    local->db = db;
    local->loop = options->loop;
    local->directory = directory;
    local->default_namespace = mem_strdup(options->default_namespace ? options->default_namespace : "default");
    local->last_task = &local->first_task;
    *ret = &local->base;
    return ERR_NONE;
}

/* ---- printing ---- */

bool store_local_print(struct store *store, enum object_kind kind, const char *namespace, const char *name,
                       struct buf *out) {
    struct arena arena = {0};
    struct local_row row;
    struct error err;
    bool exists = false;
    if (local_db_get(store_local_of(store)->db, kind, namespace, name, &arena, &row, &exists, &err) != ERR_NONE)
        log_error("object not read", LOG_ERR(&err));
    if (exists)
        local_row_print(&row, out);
    arena_release(&arena);
    return exists;
}

static void print_visited(void *ctx, const struct local_row *row) {
    struct json_writer *w = ctx;
    struct buf text = {0};
    local_row_print(row, &text);
    jw_raw(w, buf_text(&text));
    buf_release(&text);
}

void store_local_print_list(struct store *store, enum object_kind kind, const char *namespace, struct buf *out) {
    struct store_local *local = store_local_of(store);
    struct json_writer w = {.out = out};
    struct error err;
    char *list_kind = mem_printf("%sList", object_kind_name(kind));
    char *version = mem_printf("%" PRId64, local_db_version(local->db));
    jw_open(&w, '{');
    jw_put_string(&w, "apiVersion", kind == OBJECT_NAMESPACE ? "v1" : API_GROUP "/" API_VERSION);
    jw_put_string(&w, "kind", list_kind);
    jw_key(&w, "metadata");
    jw_open(&w, '{');
    jw_put_string(&w, "resourceVersion", version);
    jw_close(&w, '}');
    jw_key(&w, "items");
    jw_open(&w, '[');
    if (local_db_each(local->db, kind, namespace, print_visited, &w, &err) != ERR_NONE)
        log_error("objects not read", LOG_ERR(&err));
    jw_close(&w, ']');
    jw_close(&w, '}');
    mem_free(list_kind);
    mem_free(version);
}

struct event_filter {
    struct json_writer w;
    const char *namespace, *kind, *name;
};

static void print_event(void *ctx, const struct local_event *event) {
    struct event_filter *filter = ctx;
    if ((!filter->namespace || str_eq(filter->namespace, event->namespace)) &&
        (!filter->kind || str_eq(filter->kind, event->kind)) && (!filter->name || str_eq(filter->name, event->name)))
        local_event_print(event, &filter->w);
}

void store_local_print_events(struct store *store, const char *namespace, const char *kind, const char *name,
                              struct buf *out) {
    struct event_filter filter = {.w = {.out = out}, .namespace = namespace, .kind = kind, .name = name};
    struct error err;
    jw_open(&filter.w, '{');
    jw_put_string(&filter.w, "apiVersion", "v1");
    jw_put_string(&filter.w, "kind", "EventList");
    jw_key(&filter.w, "items");
    jw_open(&filter.w, '[');
    if (local_db_each_event(store_local_of(store)->db, print_event, &filter, &err) != ERR_NONE)
        log_error("events not read", LOG_ERR(&err));
    jw_close(&filter.w, ']');
    jw_close(&filter.w, '}');
}
