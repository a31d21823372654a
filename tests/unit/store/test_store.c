/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/runtime_virtual.h"
#include "base/str.h"

static const struct store_ops no_ops;
static struct runtime_virtual rt;
static struct store store;
static char seen[1024]; /* What the callbacks were told, in order. */

static void say(const char *text) {
    strncat(seen, text, sizeof(seen) - strlen(seen) - 1);
}
static void on_change(void *ctx, const struct object *before, const struct object *now) {
    (void)ctx;
    char text[128];
    snprintf(text, sizeof(text), "[%s:%s>%s]", (now ? now : before)->name, before ? before->resource_version : "",
             now ? now->resource_version : "");
    say(text);
}
static void on_synced(void *ctx) {
    (void)ctx;
    say("[synced]");
}
static void on_error(void *ctx, const struct error *error) {
    (void)ctx, (void)error;
    say("[error]");
}

static void setup(void) {
    runtime_virtual_init(&rt, 1, 0);
    const struct store_callbacks callbacks = {on_change, on_synced, on_error, NULL};
    store_init(&store, &no_ops, &rt.base, "trimtab-system", &callbacks);
    seen[0] = '\0';
}
static void teardown(void) {
    store_release(&store);
    runtime_virtual_release(&rt);
}
TestSuite(store_store, .init = setup, .fini = teardown);

static void feed_text(enum object_kind kind, const char *text) {
    struct json *json;
    struct error err;
    cr_assert_eq(json_parse(bytes_of(text), &json, &err), ERR_NONE, "%s", err.message);
    store_feed(&store, kind, json, NULL);
    json_free(json);
}

static void feed_budget(const char *name, int version, const char *amount, const char *status) {
    char text[1024];
    snprintf(text, sizeof(text),
             "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"Budget\",\"metadata\":{\"name\":\"%s\",\"namespace\":"
             "\"a\",\"uid\":\"u\",\"resourceVersion\":\"%d\",\"managedFields\":[{\"time\":\"%d\"}]},\"spec\":{"
             "\"amount\":\"%s\",\"currency\":\"USD\",\"period\":\"Monthly\"},\"status\":%s}",
             name, version, version, amount, status);
    feed_text(OBJECT_BUDGET, text);
}

static void feed_namespace(const char *name, int version, bool is_suspended) {
    char text[512];
    snprintf(text, sizeof(text),
             "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"%s\",\"resourceVersion\":\"%d\","
             "\"labels\":{\"team\":\"x\"},\"annotations\":{\"trimtab.dev/suspend\":\"%s\",\"other\":\"%d\"}}}",
             name, version, is_suspended ? "true" : "false", version);
    feed_text(OBJECT_NAMESPACE, text);
}

static void expect_seen(const char *expected) {
    cr_assert_str_eq(seen, expected);
    seen[0] = '\0';
}

Test(store_store, tells_of_new_changed_and_deleted_objects_once) {
    feed_budget("b", 5, "1.00", "{}");
    expect_seen("[b:>5]");
    feed_budget("b", 7, "2.00", "{}");
    expect_seen("[b:5>7]");
    store_feed_delete(&store, OBJECT_BUDGET, "a", "b");
    store_feed_delete(&store, OBJECT_BUDGET, "a", "b");
    expect_seen("[b:7>]");
    cr_assert_null(store_get(&store, OBJECT_BUDGET, "a", "b"));
}

Test(store_store, never_goes_back_and_compares_versions_as_numbers) {
    feed_budget("b", 10, "1.00", "{}");
    feed_budget("b", 9, "2.00", "{}");
    feed_budget("b", 10, "3.00", "{}");
    expect_seen("[b:>10]");
    cr_assert_eq(store_get(&store, OBJECT_BUDGET, "a", "b")->as.budget->amount, 1000000);
}

Test(store_store, keeps_quiet_when_only_the_version_changed_but_keeps_the_version) {
    feed_budget("b", 5, "1.00", "{\"spent\":\"1\"}");
    feed_budget("b", 6, "1.00", "{\"spent\":\"1\"}");
    expect_seen("[b:>5]");
    cr_assert_str_eq(store_get(&store, OBJECT_BUDGET, "a", "b")->resource_version, "6");
    feed_budget("b", 7, "1.00", "{\"spent\":\"2\"}");
    expect_seen("[b:6>7]");
    feed_namespace("n", 1, false);
    feed_namespace("n", 2, false); /* Another annotation changed: not ours to care about. */
    expect_seen("[n:>1]");
}

Test(store_store, sweep_deletes_what_a_relist_did_not_bring) {
    feed_budget("kept", 1, "1.00", "{}");
    feed_budget("gone", 2, "1.00", "{}");
    seen[0] = '\0';
    store_relist_begin(&store, OBJECT_BUDGET);
    feed_budget("kept", 1, "1.00", "{}"); /* Not newer, but seen. */
    feed_budget("made", 3, "1.00", "{}");
    store_relist_sweep(&store, OBJECT_BUDGET);
    expect_seen("[made:>3][gone:2>]");
    cr_assert_eq(store_count(&store, OBJECT_BUDGET), 2);
    store_relist_begin(&store, OBJECT_BUDGET);
    store_relist_sweep(&store, OBJECT_BUDGET);
    cr_assert_eq(store_count(&store, OBJECT_BUDGET), 0);
}

Test(store_store, suspends_by_object_by_namespace_and_globally) {
    feed_budget("b", 1, "1.00", "{}");
    const struct object *budget = store_get(&store, OBJECT_BUDGET, "a", "b");
    cr_assert_not(store_is_suspended(&store, budget));
    feed_namespace("a", 2, true);
    cr_assert(store_is_suspended(&store, budget));
    feed_namespace("a", 3, false);
    cr_assert_not(store_is_suspended(&store, budget));
    feed_namespace("trimtab-system", 4, true);
    cr_assert(store_is_suspended(&store, budget));
    store_feed_delete(&store, OBJECT_NAMESPACE, "", "trimtab-system");
    cr_assert_not(store_is_suspended(&store, budget));
}

Test(store_store, reports_what_cannot_be_decoded_and_keeps_the_old) {
    feed_budget("b", 1, "1.00", "{}");
    seen[0] = '\0';
    feed_text(OBJECT_BUDGET, "{\"kind\":\"Budget\",\"apiVersion\":\"trimtab.dev/v9\",\"metadata\":{\"name\":\"b\","
                             "\"namespace\":\"a\",\"resourceVersion\":\"2\"}}");
    expect_seen("[error]");
    cr_assert_str_eq(store_get(&store, OBJECT_BUDGET, "a", "b")->resource_version, "1");
}

Test(store_store, keeps_objects_with_a_faulty_spec_so_that_their_status_can_say_so) {
    feed_budget("b", 1, "a lot", "{}");
    const struct object *budget = store_get(&store, OBJECT_BUDGET, "a", "b");
    cr_assert(budget && budget->fault[0]);
}

Test(store_store, says_synced_once) {
    store_set_synced(&store);
    store_set_synced(&store);
    expect_seen("[synced]");
    cr_assert(store.synced);
}

#if !defined(__SANITIZE_ADDRESS__)
Test(store_store, fifty_thousand_policies_cost_less_than_1200_bytes_each) {
    enum { COUNT = 50000 };
    struct json *json;
    struct error err;
    char text[1024];
    store.callbacks.on_change = NULL;
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text),
                 "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"ResourcePolicy\",\"metadata\":{\"name\":\"policy-"
                 "%d\",\"namespace\":\"team-%d\",\"uid\":\"0a1b2c3d-0000-4000-8000-%012d\",\"resourceVersion\":\"%d\","
                 "\"generation\":1,\"creationTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":{\"selector\":{"
                 "\"providers\":[\"platform/aws-prod\"],\"kinds\":[\"InstanceGroup\"],\"tags\":{\"app\":\"web-%d\"}},"
                 "\"mode\":\"Enforce\",\"actions\":[\"Scale\"],\"capacity\":{\"min\":2,\"max\":60}}}",
                 i, i % 100, i, i + 1, i);
        cr_assert_eq(json_parse_trusted(bytes_of(text), &json, &err), ERR_NONE, "%s", err.message);
        store_feed(&store, OBJECT_POLICY, json, NULL);
        json_free(json);
    }
    size_t each = (mallinfo2().uordblks - before) / COUNT;
    cr_assert_eq(store_count(&store, OBJECT_POLICY), COUNT);
    cr_assert_str_eq(store_get(&store, OBJECT_POLICY, "team-7", "policy-7")->fault, "");
    cr_log_info("%zu bytes each", each);
    cr_assert_lt(each, 1200, "%zu bytes each", each);
}
#endif
