/*
 * The SQLite file behind the history: what was recorded is there after a restart, and a bad file is refused with words
 * that say what to do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "history/history.h"
#include "history/history_internal.h"

#define STEP INT64_C(300000)
#define T0 (STEP * 5900000)
#define KEY "platform/aws/us-east-1/InstanceGroup/web/cpu"

static char directory[64], path[128], url[160];

static void make_directory(void) {
    strcpy(directory, P_tmpdir "/trimtab-history-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/history.db", directory);
    snprintf(url, sizeof(url), "sqlite:%s", path);
}

static void remove_files(void) {
    char other[160];
    unlink(path);
    snprintf(other, sizeof(other), "%s-wal", path);
    unlink(other);
    snprintf(other, sizeof(other), "%s-shm", path);
    unlink(other);
}

static void remove_directory(void) {
    remove_files();
    rmdir(directory);
}

TestSuite(history_sqlite, .init = make_directory, .fini = remove_directory);

static enum err_class open_as(const char *as_url, int64_t step_ms, size_t series_max, struct history **ret,
                              struct error *err) {
    const struct history_options options = {
        .url = as_url, .step_ms = step_ms, .keep_ms = 100 * STEP, .series_max = series_max};
    return history_open(&options, ret, err);
}

static struct history *open_file(void) {
    struct history *history = NULL;
    struct error err = {0};
    cr_assert_eq(open_as(url, STEP, 0, &history, &err), ERR_NONE, "%s", err.message);
    return history;
}

static void add_one(struct history *history, const char *key, int64_t slot, double percent) {
    const struct cloud_sample sample = {T0 + slot * STEP, percent};
    const struct cloud_series series = {.utilization = &sample, .utilization_count = 1};
    size_t dropped;
    history_add(history, key, &series, 1000, 1, T0 + 1000 * STEP, &dropped);
}

static int64_t count_rows(const char *sql) {
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return count;
}

static void execute(const char *sql) {
    sqlite3 *db = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

Test(history_sqlite, what_was_recorded_is_there_after_a_restart) {
    struct history *history = open_file();
    struct arena arena = {0};
    add_one(history, KEY, 0, 50);
    add_one(history, KEY, 2, 100);
    history_close(history);

    history = open_file();
    cr_assert_eq(history_next_ms(history, KEY), T0 + 3 * STEP, "known without being touched before");
    struct history_series got = history_view(history, KEY, T0 + 3 * STEP, 100 * STEP, &arena);
    cr_assert_eq(got.count, 3);
    cr_assert_float_eq(got.demand[0], 0.5F, 1e-6);
    cr_assert(isnan(got.demand[1]));
    cr_assert_float_eq(got.demand[2], 1.0F, 1e-6);
    cr_assert_not(history_is_saturated(&got, 0));
    cr_assert(history_is_saturated(&got, 2));
    cr_assert_eq(got.basis, HISTORY_BASIS_ASSUMED);
    arena_release(&arena);
    history_close(history);
}

Test(history_sqlite, a_flush_writes_and_a_second_one_has_nothing_to_write) {
    struct history *history = open_file();
    struct error err = {0};
    add_one(history, KEY, 0, 50);
    cr_assert_eq(history_flush(history, &err), ERR_NONE);
    cr_assert_eq(count_rows("SELECT count(*) FROM demand"), 1);
    execute("DELETE FROM demand");
    cr_assert_eq(history_flush(history, &err), ERR_NONE);
    cr_assert_eq(count_rows("SELECT count(*) FROM demand"), 0);
    add_one(history, KEY, 1, 50);
    cr_assert_eq(history_flush(history, &err), ERR_NONE);
    cr_assert_eq(count_rows("SELECT count(*) FROM demand"), 1, "only the new slot");
    history_close(history);
}

Test(history_sqlite, old_rows_leave_the_file) {
    struct history *history = open_file();
    struct error err = {0};
    for (int64_t i = 0; i < 90; i++)
        add_one(history, KEY, i, 50);
    cr_assert_eq(history_flush(history, &err), ERR_NONE);
    for (int64_t i = 90; i < 150; i++)
        add_one(history, KEY, i, 50);
    cr_assert_eq(history_flush(history, &err), ERR_NONE);
    cr_assert_eq(count_rows("SELECT count(*) FROM demand"), 100);
    history_close(history);
}

Test(history_sqlite, what_is_dropped_from_memory_comes_back_from_disk) {
    struct history *history = NULL;
    struct error err = {0};
    cr_assert_eq(open_as(url, STEP, 1, &history, &err), ERR_NONE);
    add_one(history, "a/cpu", 0, 50);
    add_one(history, "b/cpu", 5, 50);
    cr_assert_eq(history_next_ms(history, "a/cpu"), T0 + STEP);
    cr_assert_eq(history_next_ms(history, "b/cpu"), T0 + 6 * STEP);
    history_close(history);
}

Test(history_sqlite, forgetting_deletes) {
    struct history *history = open_file();
    struct error err = {0};
    add_one(history, KEY, 0, 50);
    add_one(history, "other/cpu", 0, 50);
    cr_assert_eq(history_flush(history, &err), ERR_NONE);
    history_forget(history, KEY);
    cr_assert_eq(history_next_ms(history, KEY), 0);
    history_close(history);
    cr_assert_eq(count_rows("SELECT count(*) FROM series"), 1);
    cr_assert_eq(count_rows("SELECT count(*) FROM demand"), 1);
}

Test(history_sqlite, another_step_puts_the_rows_on_the_new_grid) {
    struct history *history = open_file();
    struct arena arena = {0};
    struct error err = {0};
    for (int64_t i = 0; i < 6; i++)
        add_one(history, KEY, i, 50);
    history_close(history);
    cr_assert_eq(open_as(url, 3 * STEP, 0, &history, &err), ERR_NONE);
    struct history_series got = history_view(history, KEY, T0 + 9 * STEP, 100 * STEP, &arena);
    cr_assert_eq(got.step_ms, 3 * STEP);
    cr_assert_float_eq(got.demand[0], 0.5F, 1e-6);
    arena_release(&arena);
    history_close(history);
}

/* While someone else holds the write lock the flush says so, and loses nothing. */
Test(history_sqlite, a_refused_flush_keeps_what_is_pending) {
    struct history *history = open_file();
    struct error err = {0};
    add_one(history, KEY, 0, 50);
    sqlite3 *db = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    cr_assert_eq(history_flush(history, &err), ERR_RETRYABLE);
    cr_assert_not_null(strstr(err.message, path));
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(db);
    cr_assert_eq(history_flush(history, &err), ERR_NONE);
    cr_assert_eq(count_rows("SELECT count(*) FROM demand"), 1);
    history_close(history);
}

static void refused(const char *as_url, const char *expected) {
    struct history *history = NULL;
    struct error err = {0};
    cr_assert_eq(open_as(as_url, STEP, 0, &history, &err), ERR_PERMANENT, "%s", as_url);
    cr_assert_not_null(strstr(err.message, expected), "\"%s\" says \"%s\"", err.message, expected);
    cr_assert_null(history);
}

static void write_file(const char *text, size_t size, long at) {
    FILE *file = fopen(path, at ? "r+" : "w");
    cr_assert_not_null(file);
    fseek(file, at, SEEK_SET);
    fwrite(text, 1, size, file);
    fclose(file);
}

Test(history_sqlite, a_file_that_is_no_database_is_refused) {
    char text[4096];
    memset(text, 'x', sizeof(text));
    write_file(text, sizeof(text), 0);
    refused(url, "move it away");
}

Test(history_sqlite, a_damaged_file_is_refused) {
    struct history *history = open_file();
    for (int64_t i = 0; i < 100; i++)
        for (int k = 0; k < 20; k++) {
            char key[16];
            snprintf(key, sizeof(key), "%d/cpu", k);
            add_one(history, key, i, 50);
        }
    history_close(history);
    struct stat status;
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_gt(status.st_size, 20000);
    char text[8192];
    memset(text, 0x5a, sizeof(text));
    write_file(text, sizeof(text), (long)status.st_size - 12288);
    refused(url, "move it away");
}

#define MEMORY "platform/k/cluster/Workload/shop/Deployment/web/memory"

static struct history_series memory_of(struct history *history, struct arena *arena) {
    return history_view(history, MEMORY, T0 + 60 * STEP, 50 * STEP, arena);
}

Test(history_sqlite, a_raise_is_there_after_a_restart) {
    struct history *history = open_file();
    struct arena arena = {0};
    struct history_raise raise;
    cr_assert(history_add_kill(history, MEMORY, T0 + 7, 1024, 4, T0 + STEP, &raise));
    cr_assert(history_add_kill(history, MEMORY, T0 + 40 * STEP, 512, 4, T0 + 41 * STEP, &raise));
    history_close(history);
    history = open_file();
    cr_expect_not(history_add_kill(history, MEMORY, T0 + 7, 1024, 8, T0 + STEP, &raise), "it is known");
    struct history_series series = memory_of(history, &arena);
    cr_assert_eq(series.raise_count, 1, "of the time that is asked for");
    cr_expect_eq(series.raises[0].time_ms, T0 + 40 * STEP);
    cr_expect_float_eq(series.raises[0].demand, 4 * 614.4, 1e-6);
    cr_assert(history_add_kill(history, MEMORY, T0 + 50 * STEP, 2048, 4, T0 + 51 * STEP, &raise));
    struct error err = {0};
    cr_assert_eq(history_flush(history, &err), ERR_NONE, "%s", err.message);
    cr_expect_eq(count_rows("SELECT count(*) FROM raises"), 1, "what a later one reaches is gone");
    history_close(history);
    history = open_file();
    history_forget(history, MEMORY);
    history_close(history);
    cr_expect_eq(count_rows("SELECT count(*) FROM raises"), 0);
    arena_release(&arena);
}

Test(history_sqlite, a_raise_leaves_memory_and_file_when_its_time_has_passed) {
    struct history *history = open_file();
    struct history_raise raise;
    struct error err = {0};
    struct arena arena = {0};
    cr_assert(history_add_kill(history, MEMORY, T0 + 899 * STEP, 2048, 4, T0 + 950 * STEP, &raise));
    cr_assert(history_add_kill(history, MEMORY, T0 + 901 * STEP, 1024, 4, T0 + 950 * STEP, &raise));
    cr_assert_eq(history_flush(history, &err), ERR_NONE, "%s", err.message);
    cr_assert_eq(count_rows("SELECT count(*) FROM raises"), 2);
    add_one(history, MEMORY, 990, 50); /* At 1000: of the 100 slots before it is kept. */
    cr_assert_eq(history_flush(history, &err), ERR_NONE, "%s", err.message);
    cr_expect_eq(count_rows("SELECT count(*) FROM raises"), 1);
    struct history_series series = history_view(history, MEMORY, T0 + 1000 * STEP, 200 * STEP, &arena);
    cr_assert_eq(series.raise_count, 1);
    cr_expect_eq(series.raises[0].time_ms, T0 + 901 * STEP);
    cr_expect_not(history_add_kill(history, MEMORY, T0 + 899 * STEP, 2048, 4, T0 + 1000 * STEP, &raise), "told again");
    history_close(history);
    arena_release(&arena);
}

Test(history_sqlite, what_could_not_be_read_is_not_deleted) {
    struct history *history = open_file();
    struct history_raise raise;
    cr_assert(history_add_kill(history, MEMORY, T0 + 7, 1024, 4, T0 + STEP, &raise));
    history_close(history);
    struct history_store *store;
    struct error err = {0};
    struct history_record *record = mem_alloc(sizeof(*record));
    record->key = mem_strdup(MEMORY);
    record->is_unread = true;
    cr_assert(history_record_raise(record, &(struct history_raise){T0 + 9 * STEP, 1}));
    cr_assert_eq(history_store_open(path, &store, &err), ERR_NONE, "%s", err.message);
    cr_assert_eq(history_store_begin(store, &err), ERR_NONE);
    cr_assert_eq(history_store_save(store, record, STEP, &err), ERR_NONE, "%s", err.message);
    cr_assert_eq(history_store_commit(store, &err), ERR_NONE);
    history_store_close(store);
    history_record_free(record);
    cr_expect_eq(count_rows("SELECT count(*) FROM raises"), 2);
}

Test(history_sqlite, a_file_of_the_first_version_is_brought_up_to_date) {
    struct history *history = open_file();
    struct arena arena = {0};
    struct history_raise raise;
    add_one(history, MEMORY, 40, 50);
    history_close(history);
    execute("DROP TABLE raises; PRAGMA user_version = 1");
    history = open_file();
    cr_expect(history_add_kill(history, MEMORY, T0 + 45 * STEP, 512, 1, T0 + 46 * STEP, &raise));
    history_close(history);
    history = open_file();
    struct history_series series = memory_of(history, &arena);
    cr_expect_eq(series.raise_count, 1);
    cr_expect_eq(series.count, 20, "from the one sample on, which is kept");
    history_close(history);
    arena_release(&arena);
}

/* Whether one that opens the file while `sql` is under way in another process waits, and then goes on. */
static bool opens_beside(const char *sql) {
    int gate[2];
    sqlite3 *db = NULL;
    char byte = 0;
    cr_assert_eq(pipe(gate), 0);
    pid_t child = fork();
    if (child == 0) {
        struct history *history = NULL;
        struct error err = {0};
        close(gate[1]);
        bool is_let = read(gate[0], &byte, 1) == 1;
        _exit(is_let && open_as(url, STEP, 0, &history, &err) == ERR_NONE ? 0 : 1);
    }
    close(gate[0]);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_eq(write(gate[1], &byte, 1), 1);
    usleep(300000);
    cr_assert_eq(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    int status = 1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    sqlite3_close(db);
    close(gate[1]);
    return status == 0;
}

#define RAISES                                                                                                         \
    "CREATE TABLE raises(series INTEGER NOT NULL, time_ms INTEGER NOT NULL, value REAL NOT NULL,"                      \
    " PRIMARY KEY(series, time_ms)) STRICT, WITHOUT ROWID;"

Test(history_sqlite, whoever_opens_while_another_brings_it_up_to_date_finds_it_done) {
    history_close(open_file());
    execute("DROP TABLE raises; PRAGMA user_version = 1");
    cr_expect(opens_beside(RAISES "PRAGMA user_version = 2"));
    history_close(open_file());
}

Test(history_sqlite, whoever_opens_while_another_creates_it_finds_it_done) {
    cr_expect(opens_beside("CREATE TABLE series(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE) STRICT;"
                           "CREATE TABLE demand(series INTEGER NOT NULL, time_ms INTEGER NOT NULL, value REAL NOT NULL,"
                           " flags INTEGER NOT NULL, PRIMARY KEY(series, time_ms)) STRICT, WITHOUT ROWID;" RAISES
                           "PRAGMA application_id = 1414678861; PRAGMA user_version = 2"));
    history_close(open_file());
}

Test(history_sqlite, many_that_open_an_empty_file_at_once_all_can) {
    enum { PROCESSES = 6, ROUNDS = 5 };
    for (int round = 0; round < ROUNDS; round++) {
        int gate[2], failed = 0;
        cr_assert_eq(pipe(gate), 0);
        for (int i = 0; i < PROCESSES; i++) {
            if (fork() != 0)
                continue;
            struct history *history = NULL;
            struct error err = {0};
            char byte;
            close(gate[1]);
            (void)!read(gate[0], &byte, 1); /* Until it is closed. */
            if (open_as(url, STEP, 0, &history, &err) != ERR_NONE)
                _exit(fprintf(stderr, "%s\n", err.message) ? 1 : 2);
            _exit(0);
        }
        close(gate[1]);
        close(gate[0]);
        for (int i = 0, status; i < PROCESSES; i++) {
            cr_assert_gt(wait(&status), 0);
            failed += status != 0;
        }
        cr_expect_eq(failed, 0, "%d of %d", failed, PROCESSES);
        remove_files();
    }
}

Test(history_sqlite, a_newer_schema_is_refused) {
    history_close(open_file());
    execute("PRAGMA user_version = 3");
    refused(url, "schema 3");
}

Test(history_sqlite, a_database_of_another_program_is_left_alone) {
    execute("CREATE TABLE theirs(x); PRAGMA user_version = 1");
    refused(url, "another program");
    cr_assert_eq(count_rows("SELECT count(*) FROM sqlite_schema"), 1);
}

Test(history_sqlite, bad_urls_are_refused) {
    refused("sqlite:", "sqlite:PATH");
    refused("postgres://x", "sqlite:PATH");
    refused("sqlite:/nonexistent/directory/history.db", "check that the directory exists");
}
