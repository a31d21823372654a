/*
 * Shared by the local_*.c files: the database's rows, the watch of the directory, and the store that joins them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_STORE_LOCAL_INTERNAL_H
#define TRIMTAB_STORE_LOCAL_INTERNAL_H

#include "base/arena.h"
#include "store/local.h"

/* ---- local_db.c ---- */

struct local_db;

/* One object. JSON is text with sorted keys, so that equal text means equal content. */
struct local_row {
    enum object_kind kind;
    const char *namespace, *name, *uid;
    int64_t generation, version, created_at_ms;
    const char *metadata; /* {"labels", "annotations", "ownerReferences"} as given. */
    const char *overlay;  /* Annotations patched onto an object that comes from a file; NULL: none. */
    const char *spec;     /* NULL: none (Namespaces). */
    const char *status;   /* NULL: none yet. */
    const char *file;     /* Where it comes from; NULL: through the API. */
};

struct local_event {
    const char *namespace, *kind, *name, *uid;
    bool warning;
    const char *reason, *action, *note;
    int64_t id, count, first_ms, last_ms;
};

#define LOCAL_EVENTS_MAX 1000

/* url: "sqlite:PATH", or NULL for memory. A file is locked against a second instance (PATH.lock). */
MUST_CHECK enum err_class local_db_open(const char *url, struct local_db **ret, struct error *err);
void local_db_close(struct local_db *db); /* NULL is fine. */

/* What is written between begin and commit is durable when commit returns ERR_NONE, and gone otherwise. */
MUST_CHECK enum err_class local_db_begin(struct local_db *db, struct error *err);
MUST_CHECK enum err_class local_db_commit(struct local_db *db, struct error *err);
void local_db_rollback(struct local_db *db);
int64_t local_db_next_version(struct local_db *db); /* The one counter of resourceVersions; within begin .. commit. */

int64_t local_db_version(const struct local_db *db); /* The last one given. */

/* *ret_found false: there is none. Strings live in the arena. */
MUST_CHECK enum err_class local_db_get(struct local_db *db, enum object_kind kind, const char *namespace,
                                       const char *name, struct arena *arena, struct local_row *ret, bool *ret_found,
                                       struct error *err);
MUST_CHECK enum err_class local_db_put(struct local_db *db, const struct local_row *row, struct error *err);
/* Removes an object; with a policy its Recommendations. */
MUST_CHECK enum err_class local_db_delete(struct local_db *db, enum object_kind kind, const char *namespace,
                                          const char *name, struct error *err);
/* All rows of a kind (and a namespace, unless NULL) in order; they live during the call. */
MUST_CHECK enum err_class local_db_each(struct local_db *db, enum object_kind kind, const char *namespace,
                                        void (*visit)(void *ctx, const struct local_row *row), void *ctx,
                                        struct error *err);
/* Adds an Event or counts one more of the same. */
MUST_CHECK enum err_class local_db_note(struct local_db *db, const struct local_event *event, struct error *err);
MUST_CHECK enum err_class local_db_each_event(struct local_db *db,
                                              void (*visit)(void *ctx, const struct local_event *event), void *ctx,
                                              struct error *err);

/* ---- local_json.c ---- */

void local_row_print(const struct local_row *row, struct buf *out);
void local_event_print(const struct local_event *event, struct json_writer *out);
/* Deterministic: an object keeps its uid when the database is lost. */
const char *local_uid(enum object_kind kind, const char *namespace, const char *name, struct arena *arena);
const char *local_text(const struct json *node, struct arena *arena); /* Canonical; NULL for an absent node. */
/* Of a manifest's or request's metadata only what a user may give. Never NULL. */
const char *local_metadata_text(const struct json *metadata, struct arena *arena);
/* RFC 7386; a new tree. */
struct json *local_merge_patch(const struct json *target, const struct json *patch);

/* ---- local_watch.c ---- */

struct local_watch;
/* Calls on_change, after a short rest, whenever a manifest below the directory was added, removed or written. */
struct local_watch *local_watch_start(uv_loop_t *loop, const char *directory, void (*on_change)(void *ctx), void *ctx);
void local_watch_forget(struct local_watch *watch); /* The next rescan reports a change in any case. */
void local_watch_stop(struct local_watch *watch, void (*stopped)(void *ctx), void *ctx); /* Frees it. */

/* ---- local.c, local_files.c, local_write.c ---- */

struct local_task;

struct store_local {
    struct store base;
    struct local_db *db;
    struct local_watch *watch;
    uv_loop_t *loop;
    char *directory; /* Absolute; NULL. */
    char *default_namespace;
    struct map secrets; /* "namespace/name" -> struct json *; memory only. */
    struct local_task *first_task, **last_task;
    size_t note_count; /* Notes waiting: bounded. */
    struct timer turn;
    bool is_started, is_stopping, is_closing;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

static inline struct store_local *store_local_of(struct store *store) {
    return (struct store_local *)(void *)store; /* base is its first member. */
}

/* Reads the directory, brings the database into line, tells what changed. */
void local_files_sync(struct store_local *local);
void local_secret_free(struct json *secret); /* Wipes the values. */
void local_secrets_release(struct store_local *local);
/* Brings the cache into line with the database's row, if there is one. */
void local_refresh(struct store_local *local, enum object_kind kind, const char *namespace, const char *name);
/* The same for the Recommendations of a policy that was deleted. */
void local_refresh_of_policy(struct store_local *local, const char *namespace, const char *policy);
/* A Namespace object for a namespace that is used without being declared, as every cluster has one. */
MUST_CHECK enum err_class local_ensure_namespace(struct store_local *local, const char *namespace, bool *ret_created,
                                                 struct error *err);

/* local_write.c: within begin .. commit. Errors carry code and http_status as an API server's do. */
MUST_CHECK enum err_class local_write_run(struct store_local *local, const struct store_write *write,
                                          struct error *err);
MUST_CHECK enum err_class local_write_create(struct store_local *local, const struct json *object, bool may_replace,
                                             struct error *err);
/* Fills code and http_status beside the message. */
enum err_class local_fail(struct error *err, enum err_class class, uint32_t http_status, const char *code,
                          const char *format, ...) __attribute__((format(printf, 5, 6)));
MUST_CHECK enum err_class local_row_check(const struct local_row *row, struct error *err);

#endif
