/*
 * The local store without files: what the loop writes, what users patch, what a restart keeps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/local.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/runtime_virtual.h"
#include "base/str.h"

static struct runtime_virtual rt;
static struct store *store;
static struct error err;
static char seen[2048];
static struct buf out;

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

static void run(void) {
    runtime_virtual_run_until(&rt, rt.now_ns + NS_PER_S);
}

static void open_store(const char *database) {
    const struct store_local_options options = {.database = database};
    const struct store_callbacks callbacks = {.on_change = on_change, .on_synced = on_synced};
    cr_assert_eq(store_local_new(&rt.base, &options, &callbacks, &store, &err), ERR_NONE, "%s", err.message);
    store_start(store);
    run();
}

static void set_flag(void *ctx) {
    *(bool *)ctx = true;
}

static void close_store(void) {
    bool stopped = false;
    store->ops->stop(store, set_flag, &stopped);
    run();
    cr_assert(stopped);
    store->ops->free(store);
    store = NULL;
}

static void setup(void) {
    runtime_virtual_init(&rt, 1, INT64_C(1767225600000)); /* 2026-01-01T00:00:00Z */
    seen[0] = '\0';
    open_store(NULL);
}
static void teardown(void) {
    close_store();
    runtime_virtual_release(&rt);
    buf_release(&out);
}
TestSuite(store_local, .init = setup, .fini = teardown);

static void expect_seen(const char *expected) {
    cr_assert_str_eq(seen, expected);
    seen[0] = '\0';
}

static struct json *parsed(const char *text) {
    struct json *json;
    cr_assert_eq(json_parse(bytes_of(text), &json, &err), ERR_NONE, "%s: %s", text, err.message);
    return json;
}

#define BUDGET(amount)                                                                                                 \
    "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"Budget\",\"metadata\":{\"name\":\"b\",\"namespace\":\"a\"},"  \
    "\"spec\":{\"amount\":\"" amount "\",\"currency\":\"USD\",\"period\":\"Monthly\"}}"
#define POLICY                                                                                                         \
    "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"ResourcePolicy\",\"metadata\":{\"name\":\"web\","             \
    "\"namespace\":\"a\"},\"spec\":{\"selector\":{\"providers\":[\"aws\"],\"kinds\":[\"InstanceGroup\"]},\"mode\":"    \
    "\"Enforce\",\"actions\":[\"Scale\"]}}"
#define REC(name)                                                                                                      \
    "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"Recommendation\",\"metadata\":{\"name\":\"" name              \
    "\",\"namespace\":\"a\",\"labels\":{\"trimtab.dev/policy\":\"web\"}},\"spec\":{\"policyRef\":{\"name\":\"web\"},"  \
    "\"action\":\"Scale\",\"target\":{\"provider\":\"a/aws\",\"region\":\"us-east-1\",\"kind\":\"InstanceGroup\","     \
    "\"id\":\"g\"},\"from\":{\"count\":2},\"to\":{\"count\":3},\"planHash\":\"abc\"},\"status\":{\"phase\":"           \
    "\"Failed\"}}"

static enum err_class apply(const char *text) {
    struct json *json = parsed(text);
    enum err_class class = store_local_apply(store, json, &err);
    json_free(json);
    return class;
}

static enum err_class patch(enum object_kind kind, const char *name, const char *text) {
    struct json *json = parsed(text);
    err = (struct error){0};
    enum err_class class = store_local_patch(store, kind, kind == OBJECT_NAMESPACE ? "" : "a", name, json, &err);
    json_free(json);
    return class;
}

static const char *printed(enum object_kind kind, const char *name) {
    buf_clear(&out);
    cr_assert(store_local_print(store, kind, kind == OBJECT_NAMESPACE ? "" : "a", name, &out), "%s", name);
    return buf_text(&out);
}

struct written {
    struct store_write write;
    int done_count;
};
static void on_written(struct store_write *write) {
    ((struct written *)write->ctx)->done_count++;
}

static void submit(struct written *it, enum store_write_type type, enum object_kind kind, const char *name,
                   const char *body, const char *version) {
    char *name_copy = mem_strdup(name), *body_copy = mem_strdup(body), *version_copy = mem_strdup(version);
    *it = (struct written){.write = {.type = type,
                                     .kind = kind,
                                     .namespace = "a",
                                     .name = name_copy,
                                     .body = bytes_of(body_copy),
                                     .resource_version = version_copy,
                                     .done = on_written,
                                     .ctx = it}};
    it->write.error.class = ERR_PERMANENT; /* Must be overwritten. */
    store_write(store, &it->write);
    cr_assert_eq(it->done_count, 0, "never from inside");
    memset(name_copy, 'x', strlen(name_copy)); /* All is copied. */
    memset(body_copy, 'x', strlen(body_copy));
    mem_free(name_copy);
    mem_free(body_copy);
    mem_free(version_copy);
}

static enum err_class write_now(enum store_write_type type, enum object_kind kind, const char *name, const char *body,
                                const char *version) {
    struct written it;
    submit(&it, type, kind, name, body, version);
    run();
    cr_assert_eq(it.done_count, 1);
    err = it.write.error;
    return it.write.error.class;
}

Test(store_local, applied_objects_get_metadata_like_a_cluster_gives) {
    expect_seen("[synced]");
    cr_assert_eq(apply(BUDGET("1.00")), ERR_NONE, "%s", err.message);
    expect_seen("[+a][+b]"); /* With the namespace that it lives in. */
    const struct object *b = store_get(store, OBJECT_BUDGET, "a", "b");
    cr_assert_eq(b->generation, 1);
    cr_assert_eq(strlen(b->uid), 36);
    cr_assert_eq(b->created_at_ms, INT64_C(1767225601000));
    char uid[40], version[24];
    strcpy(uid, b->uid);
    strcpy(version, b->resource_version);
    cr_assert_eq(apply(BUDGET("1.00")), ERR_NONE);
    expect_seen("");
    cr_assert_eq(apply(BUDGET("2.00")), ERR_NONE);
    expect_seen("[~b]");
    b = store_get(store, OBJECT_BUDGET, "a", "b");
    cr_assert_eq(b->generation, 2);
    cr_assert_str_eq(b->uid, uid);
    cr_assert_gt(atoll(b->resource_version), atoll(version));
    cr_assert_eq(b->created_at_ms, INT64_C(1767225601000));
}

Test(store_local, refuses_an_invalid_object_as_the_api_server_would) {
    cr_assert_eq(apply(BUDGET("a lot")), ERR_PERMANENT);
    cr_assert_eq(err.http_status, 422);
    cr_assert(strstr(err.message, "spec.amount"), "%s", err.message);
    cr_assert_null(store_get(store, OBJECT_BUDGET, "a", "b"));
}

Test(store_local, writes_are_done_later_with_the_cache_already_new) {
    cr_assert_eq(apply(BUDGET("1.00")), ERR_NONE);
    seen[0] = '\0';
    cr_assert_eq(write_now(STORE_WRITE_STATUS, OBJECT_BUDGET, "b", "{\"spent\":\"1\"}", NULL), ERR_NONE);
    expect_seen("[~b]");
    const struct object *b = store_get(store, OBJECT_BUDGET, "a", "b");
    cr_assert_neq(b->status_hash, 0);
    cr_assert_eq(b->generation, 1, "a status raises no generation");
    char version[24];
    strcpy(version, b->resource_version);
    cr_assert_eq(write_now(STORE_WRITE_STATUS, OBJECT_BUDGET, "b", " { \"spent\" : \"1\" } ", NULL), ERR_NONE);
    expect_seen("");
    cr_assert_str_eq(store_get(store, OBJECT_BUDGET, "a", "b")->resource_version, version, "nothing changed");
}

Test(store_local, fences_by_version_also_within_one_turn) {
    cr_assert_eq(apply(BUDGET("1.00")), ERR_NONE);
    struct written first, second;
    char version[24];
    strcpy(version, store_get(store, OBJECT_BUDGET, "a", "b")->resource_version);
    submit(&first, STORE_WRITE_STATUS, OBJECT_BUDGET, "b", "{\"spent\":\"1\"}", version);
    submit(&second, STORE_WRITE_STATUS, OBJECT_BUDGET, "b", "{\"spent\":\"2\"}", version);
    run();
    cr_assert_eq(first.write.error.class, ERR_NONE);
    cr_assert_eq(second.write.error.class, ERR_CONFLICT);
    cr_assert_str_eq(second.write.error.code, "Conflict");
    cr_assert(strstr(printed(OBJECT_BUDGET, "b"), "\"spent\":\"1\""));
}

Test(store_local, create_answers_already_exists_and_leaves_the_status_to_its_own_write) {
    cr_assert_eq(write_now(STORE_WRITE_CREATE, OBJECT_RECOMMENDATION, "r1", REC("r1"), NULL), ERR_NONE, "%s",
                 err.message);
    const struct object *rec = store_get(store, OBJECT_RECOMMENDATION, "a", "r1");
    cr_assert_eq(rec->as.recommendation->phase, PHASE_NONE);
    cr_assert(strstr(printed(OBJECT_RECOMMENDATION, "r1"), "\"labels\":{\"trimtab.dev/policy\":\"web\"}"));
    cr_assert_eq(write_now(STORE_WRITE_CREATE, OBJECT_RECOMMENDATION, "r1", REC("r1"), NULL), ERR_CONFLICT);
    cr_assert_str_eq(err.code, "AlreadyExists");
    cr_assert_eq(write_now(STORE_WRITE_CREATE, OBJECT_RECOMMENDATION, "other", REC("r1"), NULL), ERR_PERMANENT);
    cr_assert_eq(write_now(STORE_WRITE_STATUS, OBJECT_RECOMMENDATION, "none", "{}", NULL), ERR_CONFLICT);
    cr_assert_str_eq(err.code, "NotFound");
    cr_assert_eq(write_now(STORE_WRITE_STATUS, OBJECT_RECOMMENDATION, "r1", "no json", NULL), ERR_PERMANENT);
}

Test(store_local, deleting_a_policy_takes_its_recommendations_along) {
    cr_assert_eq(apply(POLICY), ERR_NONE, "%s", err.message);
    cr_assert_eq(write_now(STORE_WRITE_CREATE, OBJECT_RECOMMENDATION, "r1", REC("r1"), NULL), ERR_NONE);
    cr_assert_eq(write_now(STORE_WRITE_CREATE, OBJECT_RECOMMENDATION, "r2", REC("r2"), NULL), ERR_NONE);
    seen[0] = '\0';
    cr_assert_eq(write_now(STORE_WRITE_DELETE, OBJECT_RECOMMENDATION, "r2", "", "1"), ERR_CONFLICT);
    cr_assert_eq(write_now(STORE_WRITE_DELETE, OBJECT_RECOMMENDATION, "r2", "", NULL), ERR_NONE);
    expect_seen("[-r2]");
    cr_assert_eq(store_local_delete(store, OBJECT_POLICY, "a", "web", &err), ERR_NONE);
    expect_seen("[-web][-r1]");
    cr_assert_eq(store_local_delete(store, OBJECT_POLICY, "a", "web", &err), ERR_CONFLICT);
    cr_assert_eq(err.http_status, 404);
}

Test(store_local, patches_of_a_recommendation_may_touch_only_the_users_fields) {
    cr_assert_eq(write_now(STORE_WRITE_CREATE, OBJECT_RECOMMENDATION, "r1", REC("r1"), NULL), ERR_NONE);
    seen[0] = '\0';
    cr_assert_eq(patch(OBJECT_RECOMMENDATION, "r1",
                       "{\"spec\":{\"decision\":\"Snoozed\",\"snoozeUntil\":\"2026-02-01T00:00:00Z\",\"feedback\":{"
                       "\"reason\":\"TooRisky\"}}}"),
                 ERR_NONE, "%s", err.message);
    expect_seen("[~r1]");
    const struct recommendation *rec = store_get(store, OBJECT_RECOMMENDATION, "a", "r1")->as.recommendation;
    cr_assert_eq(rec->decision, DECISION_SNOOZED);
    cr_assert_eq(patch(OBJECT_RECOMMENDATION, "r1", "{\"spec\":{\"decision\":\"Approved\",\"snoozeUntil\":null}}"),
                 ERR_NONE);
    cr_assert_null(strstr(printed(OBJECT_RECOMMENDATION, "r1"), "snoozeUntil"));
    expect_seen("[~r1]");

    static const struct {
        const char *patch;
        uint32_t status;
    } refused[] = {
        {"{\"spec\":{\"to\":{\"count\":30}}}", 422},
        {"{\"spec\":{\"decision\":\"Approved\",\"planHash\":null}}", 422},
        {"{\"spec\":null}", 422},
        {"{\"spec\":{\"decision\":\"Perhaps\"}}", 422},
        {"{\"spec\":{\"decision\":\"Snoozed\"}}", 422}, /* Until when? */
        {"{\"status\":{\"phase\":\"Succeeded\"}}", 422},
        {"{\"metadata\":{\"name\":\"r9\"}}", 422},
        {"{\"metadata\":{\"labels\":{}}}", 422},
        {"{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":{\"decision\":\"Rejected\"}}", 409},
        {"[]", 400},
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        cr_assert_neq(patch(OBJECT_RECOMMENDATION, "r1", refused[i].patch), ERR_NONE, "%s", refused[i].patch);
        cr_assert_eq(err.http_status, refused[i].status, "%s: %u %s", refused[i].patch, err.http_status, err.message);
    }
    expect_seen("");
    cr_assert_neq(patch(OBJECT_RECOMMENDATION, "none", "{}"), ERR_NONE);
    cr_assert_eq(err.http_status, 404);
}

Test(store_local, suspends_by_annotation_an_object_and_a_namespace) {
    cr_assert_eq(apply(POLICY), ERR_NONE);
    const char *on = "{\"metadata\":{\"annotations\":{\"trimtab.dev/suspend\":\"true\"}}}";
    const char *off = "{\"metadata\":{\"annotations\":{\"trimtab.dev/suspend\":null}}}";
    cr_assert_eq(patch(OBJECT_POLICY, "web", on), ERR_NONE, "%s", err.message);
    const struct object *web = store_get(store, OBJECT_POLICY, "a", "web");
    cr_assert(web->suspended);
    cr_assert_eq(web->generation, 1);
    cr_assert_eq(patch(OBJECT_POLICY, "web", off), ERR_NONE);
    cr_assert_not(store_is_suspended(store, store_get(store, OBJECT_POLICY, "a", "web")));
    cr_assert_eq(patch(OBJECT_NAMESPACE, "a", on), ERR_NONE, "%s", err.message);
    cr_assert(store_is_suspended(store, store_get(store, OBJECT_POLICY, "a", "web")));
}

static void note(const char *reason, const char *text) {
    const struct store_note it = {
        .regarding = store_get(store, OBJECT_BUDGET, "a", "b"), .reason = reason, .action = "Act", .note = text};
    store_note(store, &it);
}

Test(store_local, events_are_counted_bounded_and_newest_first) {
    cr_assert_eq(apply(BUDGET("1.00")), ERR_NONE);
    note("First", "one");
    note("First", "one");
    run();
    note("Second", "two");
    run();
    store_local_print_events(store, "a", "Budget", "b", &out);
    struct json *json = parsed(buf_text(&out));
    const struct json *items = json_get(json, "items");
    cr_assert_eq(json_array_count(items), 2);
    cr_assert_str_eq(json_string(json_get(json_array_at(items, 0), "reason"), ""), "Second");
    cr_assert_eq(json_int(json_get(json_array_at(items, 1), "count"), 0), 2);
    cr_assert_str_eq(json_string(json_at(json_array_at(items, 1), "involvedObject.name"), ""), "b");
    json_free(json);
    char text[32];
    for (int i = 0; i < 1100; i++) {
        snprintf(text, sizeof(text), "note %d", i);
        note("Many", text);
        if (i % 100 == 0)
            run();
    }
    run();
    buf_clear(&out);
    store_local_print_events(store, NULL, NULL, NULL, &out);
    json = parsed(buf_text(&out));
    cr_assert_eq(json_array_count(json_get(json, "items")), 1000);
    json_free(json);
    buf_clear(&out);
    store_local_print_events(store, "elsewhere", NULL, NULL, &out);
    cr_assert(str_has_suffix(buf_text(&out), "\"items\":[]}"));
}

static char secret_seen[256];
static void on_secret(void *ctx, const struct json *data, const struct error *error) {
    (void)ctx;
    snprintf(secret_seen, sizeof(secret_seen), "%s",
             data ? json_string(json_get(data, "AWS_ACCESS_KEY_ID"), "?") : error->code);
}

Test(store_local, secrets_come_from_the_environment_when_no_manifest_has_them) {
    unsetenv("AWS_ACCESS_KEY_ID");
    store->ops->secret(store, "a", "s", on_secret, NULL);
    cr_assert_str_eq(secret_seen, "");
    run();
    cr_assert_str_eq(secret_seen, "NotFound");
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    store->ops->secret(store, "a", "s", on_secret, NULL);
    run();
    cr_assert_str_eq(secret_seen, "AKIDEXAMPLE");
}

Test(store_local, lists_are_sorted_and_can_be_of_one_namespace) {
    cr_assert_eq(apply(BUDGET("1.00")), ERR_NONE);
    cr_assert_eq(apply("{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"Budget\",\"metadata\":{\"name\":\"a\","
                       "\"namespace\":\"z\"},\"spec\":{\"amount\":\"1\",\"currency\":\"USD\",\"period\":\"Daily\"}}"),
                 ERR_NONE, "%s", err.message);
    store_local_print_list(store, OBJECT_BUDGET, NULL, &out);
    struct json *json = parsed(buf_text(&out));
    cr_assert_str_eq(json_string(json_get(json, "kind"), ""), "BudgetList");
    const struct json *items = json_get(json, "items");
    cr_assert_eq(json_array_count(items), 2);
    cr_assert_str_eq(json_string(json_at(json_array_at(items, 0), "metadata.namespace"), ""), "a");
    json_free(json);
    buf_clear(&out);
    store_local_print_list(store, OBJECT_BUDGET, "z", &out);
    json = parsed(buf_text(&out));
    cr_assert_eq(json_array_count(json_get(json, "items")), 1);
    json_free(json);
}

Test(store_local, a_restart_keeps_objects_statuses_and_the_counter) {
    char path[64], url[80];
    snprintf(path, sizeof(path), "/tmp/trimtab-test-%d.db", (int)getpid());
    snprintf(url, sizeof(url), "sqlite:%s", path);
    close_store();
    open_store(url);
    struct store *other;
    const struct store_local_options options = {.database = url};
    const struct store_callbacks callbacks = {0};
    cr_assert_eq(store_local_new(&rt.base, &options, &callbacks, &other, &err), ERR_CONFLICT, "one instance a file");
    cr_assert_eq(write_now(STORE_WRITE_CREATE, OBJECT_RECOMMENDATION, "r1", REC("r1"), NULL), ERR_NONE);
    cr_assert_eq(write_now(STORE_WRITE_STATUS, OBJECT_RECOMMENDATION, "r1",
                           "{\"phase\":\"Running\",\"operation\":\"op-1\",\"tries\":1}", NULL),
                 ERR_NONE);
    cr_assert_eq(apply(BUDGET("1.00")), ERR_NONE);
    char version[24];
    strcpy(version, store_get(store, OBJECT_BUDGET, "a", "b")->resource_version);
    cr_assert_eq(store_local_delete(store, OBJECT_BUDGET, "a", "b", &err), ERR_NONE);
    close_store();
    seen[0] = '\0';
    open_store(url);
    expect_seen("[+a][+r1][synced]");
    const struct recommendation *rec = store_get(store, OBJECT_RECOMMENDATION, "a", "r1")->as.recommendation;
    cr_assert_eq(rec->phase, PHASE_RUNNING);
    cr_assert_str_eq(rec->operation, "op-1");
    cr_assert_eq(apply(BUDGET("1.00")), ERR_NONE);
    cr_assert_gt(atoll(store_get(store, OBJECT_BUDGET, "a", "b")->resource_version), atoll(version),
                 "a version is never given twice");
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        snprintf(url, sizeof(url), "%s%s", path, suffixes[i]);
        unlink(url);
    }
}

/* A process that is killed in the very callback of done: the write must be there. */
static void die(struct store_write *write) {
    (void)write;
    kill(getpid(), SIGKILL);
}

Test(store_local, what_was_done_is_there_after_a_kill) {
    char path[64], url[96];
    snprintf(path, sizeof(path), "/tmp/trimtab-test-kill-%d.db", (int)getpid());
    snprintf(url, sizeof(url), "sqlite:%s", path);
    pid_t child = fork();
    if (child == 0) {
        open_store(url);
        struct written it;
        (void)write_now(STORE_WRITE_CREATE, OBJECT_RECOMMENDATION, "r1", REC("r1"), NULL);
        submit(&it, STORE_WRITE_STATUS, OBJECT_RECOMMENDATION, "r1", "{\"phase\":\"Running\",\"tries\":1}", NULL);
        it.write.done = die;
        run();
        _exit(0);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child came to the write");
    close_store();
    open_store(url);
    const struct object *rec = store_get(store, OBJECT_RECOMMENDATION, "a", "r1");
    cr_assert(rec);
    cr_assert_eq(rec->as.recommendation->phase, PHASE_RUNNING);
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        snprintf(url, sizeof(url), "%s%s", path, suffixes[i]);
        unlink(url);
    }
}

Test(store_local, refuses_a_database_url_that_it_cannot_use) {
    static const char *const bad[] = {"postgres://x", "sqlite:", "sqlite:/nonexistent-folder/x.db"};
    const struct store_callbacks callbacks = {0};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct store *other;
        const struct store_local_options options = {.database = bad[i]};
        cr_assert_eq(store_local_new(&rt.base, &options, &callbacks, &other, &err), ERR_PERMANENT, "%s", bad[i]);
    }
}
