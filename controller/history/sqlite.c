/*
 * The SQLite back end of demand history: one file, write-ahead log, one row a slot.
 *
 *     series(id, key)     demand(series, time_ms, value, flags)     raises(series, time_ms, value)
 *     user_version: the schema's
 *
 * A damaged file is not repaired: history can be filled again from the cloud, so the message says to move it away.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "history/history_internal.h"

#define SCHEMA_VERSION 2
#define APPLICATION_ID 0x5452494d /* "TRIM" */
#define BUSY_TIMEOUT_MS 2000
#define BUSY_WAIT_MS 10

enum statement {
    SELECT_ID,
    INSERT_KEY,
    SELECT_ROWS,
    SELECT_RAISES,
    UPSERT,
    INSERT_RAISE,
    DELETE_OLD,
    DELETE_ROWS,
    DELETE_RAISES,
    DELETE_KEY,
    STATEMENT_COUNT
};

static const char *const statement_text[STATEMENT_COUNT] = {
    [SELECT_ID] = "SELECT id FROM series WHERE key = ?1",
    [INSERT_KEY] = "INSERT INTO series(key) VALUES(?1)",
    [SELECT_ROWS] = "SELECT time_ms, value, flags FROM demand WHERE series = ?1 AND time_ms >= ?2 ORDER BY time_ms",
    [SELECT_RAISES] = "SELECT time_ms, value FROM raises WHERE series = ?1 ORDER BY time_ms",
    [UPSERT] = "INSERT INTO demand(series, time_ms, value, flags) VALUES(?1, ?2, ?3, ?4) "
               "ON CONFLICT(series, time_ms) DO UPDATE SET value = excluded.value, flags = excluded.flags",
    [INSERT_RAISE] = "INSERT OR REPLACE INTO raises(series, time_ms, value) VALUES(?1, ?2, ?3)",
    [DELETE_OLD] = "DELETE FROM demand WHERE series = ?1 AND time_ms < ?2",
    [DELETE_ROWS] = "DELETE FROM demand WHERE series = ?1",
    [DELETE_RAISES] = "DELETE FROM raises WHERE series = ?1",
    [DELETE_KEY] = "DELETE FROM series WHERE id = ?1",
};

#define RAISES_TABLE                                                                                                   \
    "CREATE TABLE raises(series INTEGER NOT NULL, time_ms INTEGER NOT NULL, value REAL NOT NULL,"                      \
    " PRIMARY KEY(series, time_ms)) STRICT, WITHOUT ROWID;"

/* A file of the first version gets what it lacks. */
static const char from_first[] = RAISES_TABLE "PRAGMA user_version = 2;";

static const char schema[] =
    "CREATE TABLE series(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE demand(series INTEGER NOT NULL, time_ms INTEGER NOT NULL, value REAL NOT NULL,"
    " flags INTEGER NOT NULL, PRIMARY KEY(series, time_ms)) STRICT, WITHOUT ROWID;" RAISES_TABLE
    "PRAGMA application_id = 1414678861;"
    "PRAGMA user_version = 2;";

struct history_store {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    char *path;
};

/* What the user can do about it depends on the class of the failure, so the message ends with that. */
static enum err_class store_fault(const struct history_store *store, const char *what, struct error *err) {
    int code = store->db ? sqlite3_extended_errcode(store->db) : SQLITE_NOMEM;
    const char *text = store->db ? sqlite3_errmsg(store->db) : "out of memory";
    enum err_class class;
    switch (code & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        class = error_set(
            err, ERR_PERMANENT,
            "history file %s is damaged (%s); move it away and start again, history is then read anew from the cloud",
            store->path, text);
        break;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        class =
            error_set(err, ERR_PERMANENT, "history file %s: %s: %s; check that the directory exists and can be written",
                      store->path, what, text);
        break;
    case SQLITE_FULL:
        class =
            error_set(err, ERR_RETRYABLE, "history file %s: %s: %s; make room on the disk", store->path, what, text);
        break;
    default:
        class = error_set(err, ERR_RETRYABLE, "history file %s: %s: %s", store->path, what, text);
        break;
    }
    snprintf(err->code, sizeof(err->code), "SQLITE_%d", code);
    return class;
}

static enum err_class execute(struct history_store *store, const char *sql, const char *what, struct error *err) {
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return ERR_NONE;
    return store_fault(store, what, err);
}

static enum err_class read_int(struct history_store *store, const char *sql, int64_t *ret, struct error *err) {
    sqlite3_stmt *statement = NULL;
    enum err_class class = ERR_NONE;
    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW)
        class = store_fault(store, "cannot read", err);
    else
        *ret = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return class;
}

static enum err_class check_whole(struct history_store *store, struct error *err) {
    sqlite3_stmt *statement = NULL;
    enum err_class class = ERR_NONE;
    if (sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        class = store_fault(store, "cannot check", err);
    } else {
        const unsigned char *text = sqlite3_column_text(statement, 0);
        if (!text || strcmp((const char *)text, "ok") != 0)
            class = error_set(
                err, ERR_PERMANENT,
                "history file %s is damaged; move it away and start again, history is then read anew from the cloud",
                store->path);
    }
    sqlite3_finalize(statement);
    return class;
}

static enum err_class roll_back(struct history_store *store, enum err_class class) {
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return class;
}

enum err_class history_store_begin(struct history_store *store, struct error *err) {
    return execute(store, "BEGIN IMMEDIATE", "cannot write", err);
}

enum err_class history_store_commit(struct history_store *store, struct error *err) {
    enum err_class class = execute(store, "COMMIT", "cannot write", err);
    return class ? roll_back(store, class) : ERR_NONE;
}

/* 0: the file is empty. Anyone else's database is left alone. */
static enum err_class read_version(struct history_store *store, int64_t *ret, struct error *err) {
    int64_t version = 0, application = 0, tables = 0;
    enum err_class class = read_int(store, "PRAGMA user_version", &version, err);
    if (!class)
        class = read_int(store, "PRAGMA application_id", &application, err);
    if (!class)
        class = read_int(store, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (class)
        return class;
    bool is_empty = version == 0 && application == 0 && tables == 0;
    if (!is_empty && application != APPLICATION_ID)
        return error_set(err, ERR_PERMANENT, "history file %s is a database of another program; give another path",
                         store->path);
    if (!is_empty && version != 1 && version != SCHEMA_VERSION)
        return error_set(err, ERR_PERMANENT,
                         "history file %s has schema %lld, this version reads %d; use the version that wrote it, or "
                         "move the file away",
                         store->path, (long long)version, SCHEMA_VERSION);
    *ret = version;
    return ERR_NONE;
}

/* Another process may be about to do the same: under the lock there is one, and whoever comes second finds it done. */
static enum err_class bring_up(struct history_store *store, struct error *err) {
    int64_t version = 0;
    enum err_class class = history_store_begin(store, err);
    if (class)
        return class;
    class = read_version(store, &version, err);
    if (!class && version == 0)
        class = execute(store, schema, "cannot create", err);
    else if (!class && version == 1)
        class = execute(store, from_first, "cannot bring up to date", err);
    return class ? roll_back(store, class) : history_store_commit(store, err);
}

static enum err_class migrate(struct history_store *store, struct error *err) {
    int64_t version = 0;
    enum err_class class = read_int(store, "PRAGMA user_version", &version, err);
    if (!class && version != SCHEMA_VERSION)
        class = bring_up(store, err);
    if (!class)
        class = read_version(store, &version, err);
    return class ? class : check_whole(store, err);
}

/* A new file's change to a write-ahead log does not wait for others by itself. */
static enum err_class use_write_ahead_log(struct history_store *store, struct error *err) {
    int code = SQLITE_BUSY;
    for (int waited_ms = 0; code == SQLITE_BUSY && waited_ms <= BUSY_TIMEOUT_MS; waited_ms += BUSY_WAIT_MS) {
        if (waited_ms > 0)
            (void)sqlite3_sleep(BUSY_WAIT_MS);
        code = sqlite3_exec(store->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;", NULL, NULL, NULL);
    }
    return code == SQLITE_OK ? ERR_NONE : store_fault(store, "cannot open", err);
}

static enum err_class prepare_all(struct history_store *store, struct error *err) {
    for (int i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(store->db, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i],
                               NULL) != SQLITE_OK)
            return store_fault(store, "cannot prepare", err);
    return ERR_NONE;
}

enum err_class history_store_open(const char *path, struct history_store **ret, struct error *err) {
    struct history_store *store = mem_alloc(sizeof(*store));
    store->path = mem_strdup(path);
    enum err_class class = ERR_NONE;
    if (sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL))
        class = store_fault(store, "cannot open", err);
    if (!class) {
        sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
        class = use_write_ahead_log(store, err);
    }
    if (!class)
        class = migrate(store, err);
    if (!class)
        class = prepare_all(store, err);
    if (class) {
        history_store_close(store);
        return class;
    }
    *ret = store;
    return ERR_NONE;
}

void history_store_close(struct history_store *store) {
    if (!store)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    mem_free(store->path);
    mem_free(store);
}

/* Steps a statement that gives no rows, and makes it ready for its next use. */
static bool run(sqlite3_stmt *statement) {
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE;
}

/* 0: the key is not there. */
static enum err_class series_id(struct history_store *store, const char *key, int64_t *ret, struct error *err) {
    sqlite3_stmt *statement = store->statements[SELECT_ID];
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    *ret = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_reset(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? ERR_NONE : store_fault(store, "cannot read", err);
}

static enum err_class load_raises(struct history_store *store, struct history_record *record, int64_t id,
                                  struct error *err) {
    sqlite3_stmt *statement = store->statements[SELECT_RAISES];
    sqlite3_bind_int64(statement, 1, id);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct history_raise raise = {sqlite3_column_int64(statement, 0), sqlite3_column_double(statement, 1)};
        if (raise.time_ms >= 0 && isfinite(raise.demand))
            (void)history_record_raise(record, &raise);
    }
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? ERR_NONE : store_fault(store, "cannot read", err);
}

enum err_class history_store_load(struct history_store *store, struct history_record *record, int64_t step_ms,
                                  int64_t from_ms, size_t slots_max, struct error *err) {
    int64_t id = 0;
    enum err_class class = series_id(store, record->key, &id, err);
    if (class || !id)
        return class;
    sqlite3_stmt *statement = store->statements[SELECT_ROWS];
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_int64(statement, 2, from_ms);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t time_ms = sqlite3_column_int64(statement, 0);
        float value = (float)sqlite3_column_double(statement, 1);
        if (time_ms >= 0 && isfinite(value))
            history_record_set(record, time_ms / step_ms, value, (uint8_t)sqlite3_column_int(statement, 2), slots_max);
    }
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? load_raises(store, record, id, err) : store_fault(store, "cannot read", err);
}

static enum err_class id_for_writing(struct history_store *store, const char *key, int64_t *ret, struct error *err) {
    enum err_class class = series_id(store, key, ret, err);
    if (class || *ret)
        return class;
    sqlite3_stmt *statement = store->statements[INSERT_KEY];
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    if (!run(statement))
        return store_fault(store, "cannot write", err);
    *ret = sqlite3_last_insert_rowid(store->db);
    return ERR_NONE;
}

/* All of them anew: they are few, and one that a later one reaches is gone. Of those that could not be read nobody
 * knows. */
static bool save_raises(struct history_store *store, const struct history_record *record, int64_t id) {
    sqlite3_stmt *insert = store->statements[INSERT_RAISE];
    sqlite3_bind_int64(store->statements[DELETE_RAISES], 1, id);
    if (!record->is_unread && !run(store->statements[DELETE_RAISES]))
        return false;
    for (size_t i = 0; i < record->raise_count; i++) {
        sqlite3_bind_int64(insert, 1, id);
        sqlite3_bind_int64(insert, 2, record->raises[i].time_ms);
        sqlite3_bind_double(insert, 3, record->raises[i].demand);
        if (!run(insert))
            return false;
    }
    return true;
}

enum err_class history_store_save(struct history_store *store, const struct history_record *record, int64_t step_ms,
                                  struct error *err) {
    int64_t id = 0;
    enum err_class class = id_for_writing(store, record->key, &id, err);
    if (class)
        return roll_back(store, class);
    sqlite3_stmt *upsert = store->statements[UPSERT];
    for (int64_t slot = record->dirty_from; slot < record->dirty_to; slot++) {
        if (slot < record->first || slot >= record->first + (int64_t)record->count)
            continue;
        size_t i = (size_t)(slot - record->first);
        if (isnan(record->demand[i]))
            continue;
        sqlite3_bind_int64(upsert, 1, id);
        sqlite3_bind_int64(upsert, 2, slot * step_ms);
        sqlite3_bind_double(upsert, 3, (double)record->demand[i]);
        sqlite3_bind_int(upsert, 4, record->flags[i]);
        if (!run(upsert))
            return roll_back(store, store_fault(store, "cannot write", err));
    }
    if (record->raises_dirty && !save_raises(store, record, id))
        return roll_back(store, store_fault(store, "cannot write", err));
    if (record->is_unread)
        return ERR_NONE;
    sqlite3_stmt *old = store->statements[DELETE_OLD];
    sqlite3_bind_int64(old, 1, id);
    sqlite3_bind_int64(old, 2, record->first * step_ms);
    if (!run(old))
        return roll_back(store, store_fault(store, "cannot write", err));
    return ERR_NONE;
}

enum err_class history_store_forget(struct history_store *store, const char *key, struct error *err) {
    int64_t id = 0;
    enum err_class class = series_id(store, key, &id, err);
    if (class || !id)
        return class;
    class = history_store_begin(store, err);
    if (class)
        return class;
    sqlite3_bind_int64(store->statements[DELETE_ROWS], 1, id);
    sqlite3_bind_int64(store->statements[DELETE_RAISES], 1, id);
    sqlite3_bind_int64(store->statements[DELETE_KEY], 1, id);
    if (!run(store->statements[DELETE_ROWS]) || !run(store->statements[DELETE_RAISES]) ||
        !run(store->statements[DELETE_KEY]))
        return roll_back(store, store_fault(store, "cannot delete", err));
    return history_store_commit(store, err);
}
