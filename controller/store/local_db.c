/*
 * SQLite behind the local store: objects, Events and the counter of versions. This file alone knows sqlite3.h here.
 *
 * synchronous=FULL: when a commit has returned, the journal of an effect survives a power cut. The counter is kept in
 * memory and written within the transaction that used it, so it never gives a number twice.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "store/local_internal.h"

#define BUSY_TIMEOUT_MS 2000

enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_COUNTER_GET,
    SQL_COUNTER_PUT,
    SQL_GET,
    SQL_PUT,
    SQL_DELETE,
    SQL_DELETE_OF_POLICY,
    SQL_EACH,
    SQL_NOTE_AGAIN,
    SQL_NOTE,
    SQL_NOTE_TRIM,
    SQL_EACH_EVENT,
    SQL_COUNT,
};

#define COLUMNS "namespace, name, uid, generation, version, created_at_ms, metadata, overlay, spec, status, file, kind"

static const char *const sql[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_COUNTER_GET] = "SELECT value FROM trimtab_store_counter",
    [SQL_COUNTER_PUT] = "UPDATE trimtab_store_counter SET value = ?1",
    [SQL_GET] = "SELECT " COLUMNS " FROM trimtab_store_object WHERE kind = ?1 AND namespace = ?2 AND name = ?3",
    [SQL_PUT] = "INSERT OR REPLACE INTO trimtab_store_object (" COLUMNS
                ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    [SQL_DELETE] = "DELETE FROM trimtab_store_object WHERE kind = ?1 AND namespace = ?2 AND name = ?3",
    [SQL_DELETE_OF_POLICY] = "DELETE FROM trimtab_store_object WHERE kind = ?1 AND namespace = ?2 "
                             "AND json_extract(spec, '$.policyRef.name') = ?3",
    [SQL_EACH] = "SELECT " COLUMNS " FROM trimtab_store_object WHERE kind = ?1 AND (?2 IS NULL OR namespace = ?2) "
                 "ORDER BY namespace, name",
    [SQL_NOTE_AGAIN] = "UPDATE trimtab_store_event SET count = count + 1, last_ms = ?8 WHERE kind = ?1 AND "
                       "namespace = ?2 AND name = ?3 AND warning = ?4 AND reason = ?5 AND action = ?6 AND note = ?7",
    [SQL_NOTE] = "INSERT INTO trimtab_store_event (kind, namespace, name, warning, reason, action, note, first_ms, "
                 "last_ms, uid, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, 1)",
    [SQL_NOTE_TRIM] = "DELETE FROM trimtab_store_event WHERE id <= (SELECT max(id) FROM trimtab_store_event) - ?1",
    [SQL_EACH_EVENT] = "SELECT id, kind, namespace, name, warning, reason, action, note, first_ms, last_ms, uid, count "
                       "FROM trimtab_store_event ORDER BY last_ms DESC, id DESC",
};

/* The prefix keeps our tables apart from those of the history, which may share the file. */
static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
    "CREATE TABLE IF NOT EXISTS trimtab_store_counter (value INTEGER NOT NULL);"
    "INSERT INTO trimtab_store_counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM trimtab_store_counter);"
    "CREATE TABLE IF NOT EXISTS trimtab_store_object (kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,"
    " uid TEXT NOT NULL, generation INTEGER NOT NULL, version INTEGER NOT NULL, created_at_ms INTEGER NOT NULL,"
    " metadata TEXT NOT NULL, overlay TEXT, spec TEXT, status TEXT, file TEXT,"
    " PRIMARY KEY (kind, namespace, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS trimtab_store_event (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,"
    " namespace TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL, warning INTEGER NOT NULL, reason TEXT NOT NULL,"
    " action TEXT NOT NULL, note TEXT NOT NULL, count INTEGER NOT NULL, first_ms INTEGER NOT NULL,"
    " last_ms INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS trimtab_store_event_by_object ON trimtab_store_event (kind, namespace, name);";

struct local_db {
    sqlite3 *handle;
    sqlite3_stmt *statements[SQL_COUNT];
    int lock_fd;
    int64_t version, version_saved;
};

/* A full or busy disk passes; a file that is no database does not. */
static enum err_class fail(const struct local_db *db, struct error *err, const char *what) {
    int code = sqlite3_errcode(db->handle) & 0xff;
    bool is_lasting = code == SQLITE_NOTADB || code == SQLITE_CORRUPT || code == SQLITE_CANTOPEN ||
                      code == SQLITE_READONLY || code == SQLITE_ERROR;
    return error_set(err, is_lasting ? ERR_PERMANENT : ERR_RETRYABLE, "database: %s: %s", what,
                     sqlite3_errmsg(db->handle));
}

static enum err_class lock_take(struct local_db *db, const char *path, struct error *err) {
    char *lock_path = mem_printf("%s.lock", path);
    db->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    enum err_class class = ERR_NONE;
    if (db->lock_fd < 0)
        class = error_set(err, ERR_PERMANENT, "database %s: %s", path, strerror(errno));
    else if (flock(db->lock_fd, LOCK_EX | LOCK_NB) != 0)
        class = error_set(err, ERR_CONFLICT, "database %s: another instance is using it", path);
    mem_free(lock_path);
    return class;
}

static enum err_class db_prepare(struct local_db *db, struct error *err) {
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    if (sqlite3_exec(db->handle, schema, NULL, NULL, NULL) != SQLITE_OK)
        return fail(db, err, "open");
    for (size_t i = 0; i < SQL_COUNT; i++) {
        if (sqlite3_prepare_v3(db->handle, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL) !=
            SQLITE_OK)
            return fail(db, err, sql[i]);
    }
    sqlite3_stmt *get = db->statements[SQL_COUNTER_GET];
    if (sqlite3_step(get) != SQLITE_ROW)
        return fail(db, err, "read the counter");
    db->version = db->version_saved = sqlite3_column_int64(get, 0);
    sqlite3_reset(get);
    return ERR_NONE;
}

enum err_class local_db_open(const char *url, struct local_db **ret, struct error *err) {
    if (url && (!str_has_prefix(url, "sqlite:") || !url[strlen("sqlite:")]))
        return error_set(err, ERR_PERMANENT, "database \"%s\": want sqlite:PATH", url);
    const char *path = url ? url + strlen("sqlite:") : ":memory:";
    struct local_db *db = mem_alloc(sizeof(*db));
    db->lock_fd = -1;
    enum err_class class = url ? lock_take(db, path, err) : ERR_NONE;
    if (class == ERR_NONE) {
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
        mode_t old_mask = umask(077); /* Statuses and decisions are the user's own. */
        class =
            sqlite3_open_v2(path, &db->handle, flags, NULL) == SQLITE_OK ? db_prepare(db, err) : fail(db, err, path);
        umask(old_mask);
    }
    if (class != ERR_NONE)
        local_db_close(db);
    else
        *ret = db;
    return class;
}

void local_db_close(struct local_db *db) {
    if (!db)
        return;
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(db->statements[i]);
    sqlite3_close(db->handle);
    if (db->lock_fd >= 0)
        close(db->lock_fd);
    mem_free(db);
}

/* ---- statements ---- */

static void bind_text(sqlite3_stmt *statement, int index, const char *text) {
    if (text)
        sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, index);
}

static sqlite3_stmt *statement_of_key(struct local_db *db, enum statement which, enum object_kind kind,
                                      const char *namespace, const char *name) {
    sqlite3_stmt *statement = db->statements[which];
    bind_text(statement, 1, object_kind_name(kind));
    bind_text(statement, 2, namespace);
    if (name)
        bind_text(statement, 3, name);
    return statement;
}

/* Runs a statement that gives no rows. */
static enum err_class run(struct local_db *db, enum statement which, const char *what, struct error *err) {
    sqlite3_stmt *statement = db->statements[which];
    enum err_class class = sqlite3_step(statement) == SQLITE_DONE ? ERR_NONE : fail(db, err, what);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return class;
}

enum err_class local_db_begin(struct local_db *db, struct error *err) {
    return run(db, SQL_BEGIN, "begin", err);
}

void local_db_rollback(struct local_db *db) {
    struct error ignored; /* SQLite may have rolled back by itself; then there is nothing left to do. */
    if (!sqlite3_get_autocommit(db->handle))
        (void)!run(db, SQL_ROLLBACK, "rollback", &ignored);
    db->version = db->version_saved;
}

enum err_class local_db_commit(struct local_db *db, struct error *err) {
    if (db->version != db->version_saved) {
        sqlite3_bind_int64(db->statements[SQL_COUNTER_PUT], 1, db->version);
        if (run(db, SQL_COUNTER_PUT, "count", err) != ERR_NONE) {
            local_db_rollback(db);
            return err->class;
        }
    }
    if (run(db, SQL_COMMIT, "commit", err) != ERR_NONE) {
        local_db_rollback(db);
        return err->class;
    }
    db->version_saved = db->version;
    return ERR_NONE;
}

int64_t local_db_next_version(struct local_db *db) {
    return ++db->version;
}

int64_t local_db_version(const struct local_db *db) {
    return db->version;
}

/* ---- objects ---- */

static const char *column(sqlite3_stmt *statement, int index) {
    return (const char *)sqlite3_column_text(statement, index);
}

static struct local_row row_read(sqlite3_stmt *statement, enum object_kind kind) {
    return (struct local_row){
        .kind = kind,
        .namespace = column(statement, 0),
        .name = column(statement, 1),
        .uid = column(statement, 2),
        .generation = sqlite3_column_int64(statement, 3),
        .version = sqlite3_column_int64(statement, 4),
        .created_at_ms = sqlite3_column_int64(statement, 5),
        .metadata = column(statement, 6),
        .overlay = column(statement, 7),
        .spec = column(statement, 8),
        .status = column(statement, 9),
        .file = column(statement, 10),
    };
}

enum err_class local_db_get(struct local_db *db, enum object_kind kind, const char *namespace, const char *name,
                            struct arena *arena, struct local_row *ret, bool *ret_found, struct error *err) {
    sqlite3_stmt *statement = statement_of_key(db, SQL_GET, kind, namespace, name);
    int rc = sqlite3_step(statement);
    enum err_class class = rc == SQLITE_ROW || rc == SQLITE_DONE ? ERR_NONE : fail(db, err, "read");
    if (rc == SQLITE_ROW) {
        struct local_row row = row_read(statement, kind);
        const char **texts[] = {&row.namespace, &row.name, &row.uid,    &row.metadata,
                                &row.overlay,   &row.spec, &row.status, &row.file};
        for (size_t i = 0; i < ARRAY_LEN(texts); i++)
            *texts[i] = arena_strdup(arena, *texts[i]);
        *ret = row;
    }
    if (class == ERR_NONE)
        *ret_found = rc == SQLITE_ROW;
    sqlite3_reset(statement);
    return class;
}

enum err_class local_db_put(struct local_db *db, const struct local_row *row, struct error *err) {
    ASSERT(row->uid && row->metadata && row->version > 0);
    sqlite3_stmt *statement = db->statements[SQL_PUT];
    bind_text(statement, 1, row->namespace);
    bind_text(statement, 2, row->name);
    bind_text(statement, 3, row->uid);
    sqlite3_bind_int64(statement, 4, row->generation);
    sqlite3_bind_int64(statement, 5, row->version);
    sqlite3_bind_int64(statement, 6, row->created_at_ms);
    bind_text(statement, 7, row->metadata);
    bind_text(statement, 8, row->overlay);
    bind_text(statement, 9, row->spec);
    bind_text(statement, 10, row->status);
    bind_text(statement, 11, row->file);
    bind_text(statement, 12, object_kind_name(row->kind));
    return run(db, SQL_PUT, "write", err);
}

enum err_class local_db_delete(struct local_db *db, enum object_kind kind, const char *namespace, const char *name,
                               struct error *err) {
    statement_of_key(db, SQL_DELETE, kind, namespace, name);
    if (run(db, SQL_DELETE, "delete", err) != ERR_NONE)
        return err->class;
    if (kind != OBJECT_POLICY)
        return ERR_NONE;
    statement_of_key(db, SQL_DELETE_OF_POLICY, OBJECT_RECOMMENDATION, namespace, name);
    return run(db, SQL_DELETE_OF_POLICY, "delete recommendations", err);
}

enum err_class local_db_each(struct local_db *db, enum object_kind kind, const char *namespace,
                             void (*visit)(void *ctx, const struct local_row *row), void *ctx, struct error *err) {
    sqlite3_stmt *statement = statement_of_key(db, SQL_EACH, kind, namespace, NULL);
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct local_row row = row_read(statement, kind);
        visit(ctx, &row);
    }
    enum err_class class = rc == SQLITE_DONE ? ERR_NONE : fail(db, err, "list");
    sqlite3_reset(statement);
    return class;
}

/* ---- Events ---- */

static void event_bind(sqlite3_stmt *statement, const struct local_event *event) {
    bind_text(statement, 1, event->kind);
    bind_text(statement, 2, event->namespace);
    bind_text(statement, 3, event->name);
    sqlite3_bind_int(statement, 4, event->warning);
    bind_text(statement, 5, event->reason);
    bind_text(statement, 6, event->action);
    bind_text(statement, 7, event->note);
    sqlite3_bind_int64(statement, 8, event->last_ms);
}

enum err_class local_db_note(struct local_db *db, const struct local_event *event, struct error *err) {
    event_bind(db->statements[SQL_NOTE_AGAIN], event);
    if (run(db, SQL_NOTE_AGAIN, "count event", err) != ERR_NONE)
        return err->class;
    if (sqlite3_changes(db->handle) > 0)
        return ERR_NONE;
    event_bind(db->statements[SQL_NOTE], event);
    bind_text(db->statements[SQL_NOTE], 9, event->uid);
    if (run(db, SQL_NOTE, "add event", err) != ERR_NONE)
        return err->class;
    sqlite3_bind_int(db->statements[SQL_NOTE_TRIM], 1, LOCAL_EVENTS_MAX);
    return run(db, SQL_NOTE_TRIM, "trim events", err);
}

enum err_class local_db_each_event(struct local_db *db, void (*visit)(void *ctx, const struct local_event *event),
                                   void *ctx, struct error *err) {
    sqlite3_stmt *statement = db->statements[SQL_EACH_EVENT];
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct local_event event = {
            .id = sqlite3_column_int64(statement, 0),
            .kind = column(statement, 1),
            .namespace = column(statement, 2),
            .name = column(statement, 3),
            .warning = sqlite3_column_int(statement, 4) != 0,
            .reason = column(statement, 5),
            .action = column(statement, 6),
            .note = column(statement, 7),
            .first_ms = sqlite3_column_int64(statement, 8),
            .last_ms = sqlite3_column_int64(statement, 9),
            .uid = column(statement, 10),
            .count = sqlite3_column_int64(statement, 11),
        };
        visit(ctx, &event);
    }
    enum err_class class = rc == SQLITE_DONE ? ERR_NONE : fail(db, err, "list events");
    sqlite3_reset(statement);
    return class;
}
