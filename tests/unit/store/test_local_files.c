/*
 * The local store on a real directory, with a real loop: edits are seen, faulty ones change nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/runtime_uv.h"
#include "base/str.h"
#include "store/local.h"

static uv_loop_t loop;
static struct runtime_uv rt;
static struct store *store;
static struct error err;
static char seen[2048];
static char dir[64], database[96];

static void on_change(void *ctx, const struct object *before, const struct object *now) {
    (void)ctx;
    char text[160];
    snprintf(text, sizeof(text), "[%c%s]", !before ? '+' : !now ? '-' : '~', (now ? now : before)->name);
    strncat(seen, text, sizeof(seen) - strlen(seen) - 1);
}
static void on_synced(void *ctx) {
    (void)ctx;
    strcat(seen, "[synced]");
}
static void set_flag(void *ctx) {
    *(bool *)ctx = true;
}

/* Runs the loop until all of `expected` has been told. */
static void await_seen(const char *expected) {
    uint64_t give_up_ns = uv_hrtime() + 8 * NS_PER_S;
    while (strcmp(seen, expected) != 0 && uv_hrtime() < give_up_ns) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    cr_assert_str_eq(seen, expected);
    seen[0] = '\0';
}

static void run_for_ms(int ms) {
    for (uint64_t end_ns = uv_hrtime() + (uint64_t)ms * NS_PER_MS; uv_hrtime() < end_ns; usleep(1000))
        uv_run(&loop, UV_RUN_NOWAIT);
}

static void open_store(void) {
    const struct store_local_options options = {.directory = dir, .database = database, .loop = &loop};
    const struct store_callbacks callbacks = {.on_change = on_change, .on_synced = on_synced};
    cr_assert_eq(store_local_new(&rt.base, &options, &callbacks, &store, &err), ERR_NONE, "%s", err.message);
    store_start(store);
}
static void close_store(void) {
    bool stopped = false;
    store->ops->stop(store, set_flag, &stopped);
    while (!stopped)
        uv_run(&loop, UV_RUN_ONCE);
    store->ops->free(store);
}

static void put(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    cr_assert(file);
    fputs(text, file);
    fclose(file);
}
static void drop(const char *name) {
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    cr_assert_eq(remove(path), 0, "%s", path);
}

#define BUDGET(name, amount)                                                                                           \
    "apiVersion: trimtab.dev/v1alpha1\nkind: Budget\nmetadata: {name: " name ", namespace: a}\n"                       \
    "spec: {amount: \"" amount "\", currency: USD, period: Monthly}\n"
#define POLICY                                                                                                         \
    "apiVersion: trimtab.dev/v1alpha1\nkind: ResourcePolicy\nmetadata: {name: web, namespace: a}\n"                    \
    "spec: {selector: {providers: [aws], kinds: [InstanceGroup]}, mode: Enforce, actions: [Scale]}\n"

static void setup(void) {
    strcpy(dir, "/tmp/trimtab-test-XXXXXX");
    cr_assert(mkdtemp(dir));
    snprintf(database, sizeof(database), "sqlite:%s/.state.db", dir);
    uv_loop_init(&loop);
    runtime_uv_init(&rt, &loop, 1, 0);
    seen[0] = '\0';
    put("b.yaml", BUDGET("b", "1.00"));
    open_store();
    await_seen("[+a][+b][synced]");
}
static void teardown(void) {
    close_store();
    runtime_uv_close(&rt);
    uv_run(&loop, UV_RUN_DEFAULT);
    runtime_uv_release(&rt);
    cr_assert_eq(uv_loop_close(&loop), 0);
    char command[96];
    snprintf(command, sizeof(command), "rm -r %s", dir);
    cr_assert_eq(system(command), 0);
}
TestSuite(store_local_files, .init = setup, .fini = teardown);

static const struct object *budget(const char *name) {
    return store_get(store, OBJECT_BUDGET, "a", name);
}

Test(store_local_files, an_edit_raises_the_generation_and_only_a_real_one) {
    put("b.yaml", "# a comment\n" BUDGET("b", "1.00"));
    run_for_ms(300);
    cr_assert_str_eq(seen, "");
    put("b.yaml", BUDGET("b", "2.00"));
    await_seen("[~b]");
    cr_assert_eq(budget("b")->generation, 2);
    cr_assert_eq(budget("b")->as.budget->amount, 2000000);
}

Test(store_local_files, new_files_in_new_folders_are_seen_and_removed_ones_too) {
    char path[96];
    snprintf(path, sizeof(path), "%s/team", dir);
    cr_assert_eq(mkdir(path, 0700), 0);
    run_for_ms(200); /* So that the folder is under watch. */
    put("team/c.yaml", BUDGET("c", "1"));
    await_seen("[+c]");
    put("team/c.yaml", BUDGET("d", "1"));
    await_seen("[-c][+d]");
    drop("team/c.yaml");
    await_seen("[-d]");
    drop("team");
    put("b.yaml", BUDGET("b", "3.00"));
    await_seen("[~b]");
}

Test(store_local_files, a_faulty_edit_is_logged_and_changes_nothing) {
    uint64_t logged = log_count(LOG_ERROR);
    static const char *const faulty[] = {
        "kind: Budget\nmetadata: {name: [\n",                         /* No YAML. */
        BUDGET("b", "a lot"),                                         /* No amount. */
        "apiVersion: trimtab.dev/v1alpha1\nkind: Budget\nspec: {}\n", /* Not even a name. */
    };
    for (size_t i = 0; i < ARRAY_LEN(faulty); i++) {
        put("b.yaml", faulty[i]);
        for (int turn = 0; turn < 60 && log_count(LOG_ERROR) == logged; turn++)
            run_for_ms(50);
        cr_assert_gt(log_count(LOG_ERROR), logged, "%zu", i);
        logged = log_count(LOG_ERROR);
        cr_assert_str_eq(seen, "");
        cr_assert_eq(budget("b")->as.budget->amount, 1000000);
    }
    close_store(); /* And the last valid one survives a restart, though the file is faulty. */
    open_store();
    await_seen("[+a][+b][synced]");
    cr_assert_eq(budget("b")->as.budget->amount, 1000000);
    put("b.yaml", BUDGET("b", "2.00"));
    await_seen("[~b]");
}

Test(store_local_files, a_new_faulty_object_is_not_taken) {
    put("c.yaml", BUDGET("c", "x"));
    run_for_ms(300);
    cr_assert_str_eq(seen, "");
    cr_assert_null(budget("c"));
}

static struct store_write status_write;
static bool is_written;
static void on_written(struct store_write *write) {
    is_written = write->error.class == ERR_NONE;
}

Test(store_local_files, a_status_survives_restart_and_edits_and_dies_with_its_file) {
    status_write = (struct store_write){.type = STORE_WRITE_STATUS,
                                        .kind = OBJECT_BUDGET,
                                        .namespace = "a",
                                        .name = "b",
                                        .body = bytes_of("{\"spent\":\"7.00\"}"),
                                        .done = on_written};
    store_write(store, &status_write);
    await_seen("[~b]");
    cr_assert(is_written);
    uint64_t hash = budget("b")->status_hash;
    put("b.yaml", BUDGET("b", "2.00"));
    await_seen("[~b]");
    cr_assert_eq(budget("b")->status_hash, hash);
    close_store();
    open_store();
    await_seen("[+a][+b][synced]");
    cr_assert_eq(budget("b")->status_hash, hash);
    cr_assert_eq(budget("b")->generation, 2);
    drop("b.yaml");
    await_seen("[-b]");
    put("b.yaml", BUDGET("b", "2.00"));
    await_seen("[+b]");
    cr_assert_eq(budget("b")->status_hash, 0);
}

Test(store_local_files, what_is_deleted_while_nobody_runs_is_gone_after_start) {
    close_store();
    put("w.yaml", POLICY);
    drop("b.yaml");
    open_store();
    await_seen("[+a][+web][synced]");
}

Test(store_local_files, a_directory_that_vanishes_deletes_nothing) {
    char away[80];
    snprintf(away, sizeof(away), "%s.away", dir);
    cr_assert_eq(rename(dir, away), 0);
    run_for_ms(500); /* Its own removal is an event, too. */
    cr_assert_str_eq(seen, "");
    cr_assert(budget("b"));
    cr_assert_eq(rename(away, dir), 0);
}

Test(store_local_files, objects_of_files_take_only_annotations_and_keep_them) {
    struct json *patch;
    cr_assert_eq(json_parse(bytes_of("{\"spec\":{\"amount\":\"5.00\"}}"), &patch, &err), ERR_NONE);
    cr_assert_eq(store_local_patch(store, OBJECT_BUDGET, "a", "b", patch, &err), ERR_PERMANENT);
    cr_assert_eq(err.http_status, 403);
    cr_assert(strstr(err.message, "b.yaml"), "%s", err.message);
    json_free(patch);
    cr_assert_eq(store_local_delete(store, OBJECT_BUDGET, "a", "b", &err), ERR_PERMANENT);
    cr_assert_eq(
        json_parse(bytes_of("{\"metadata\":{\"annotations\":{\"trimtab.dev/suspend\":\"true\"}}}"), &patch, &err),
        ERR_NONE);
    cr_assert_eq(store_local_patch(store, OBJECT_BUDGET, "a", "b", patch, &err), ERR_NONE, "%s", err.message);
    json_free(patch);
    await_seen("[~b]");
    put("b.yaml", BUDGET("b", "2.00"));
    await_seen("[~b]");
    cr_assert(budget("b")->suspended);
}

static char secret_seen[64];
static void on_secret(void *ctx, const struct json *data, const struct error *error) {
    (void)ctx, (void)error;
    snprintf(secret_seen, sizeof(secret_seen), "%s",
             data ? json_string(json_get(data, "AWS_ACCESS_KEY_ID"), "?") : "none");
}

Test(store_local_files, secrets_of_manifests_are_served_and_never_written_to_the_database) {
    put("s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: a}\n"
                  "stringData: {AWS_ACCESS_KEY_ID: AKIDNEVERONDISK}\n---\n" BUDGET("c", "1"));
    await_seen("[+c]");
    store->ops->secret(store, "a", "s", on_secret, NULL);
    for (int i = 0; i < 100 && !secret_seen[0]; i++)
        run_for_ms(5);
    cr_assert_str_eq(secret_seen, "AKIDNEVERONDISK");
    char command[160];
    snprintf(command, sizeof(command), "cat %s/.state.db* | grep -q NEVERONDISK", dir);
    cr_assert_neq(system(command), 0);
}
