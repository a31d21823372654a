/*
 * The local API over a real unix socket, on a store in memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/api.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/runtime_virtual.h"
#include "base/str.h"
#include "tests/support/raw_http.h"

static uv_loop_t loop;
static struct runtime_virtual rt;
static struct store *store;
static struct server *server;
static struct error err;
static struct buf reply;
static struct json *body;
static char path[64];

static void handle(void *ctx, const struct server_request *request, struct server_reply *out) {
    api_handle(*(struct store **)ctx, request, out);
}
static const struct server_route routes[] = {{"/apis/", handle}, {"/api/", handle}, {0}};

static void apply(const char *text) {
    struct json *json;
    cr_assert_eq(json_parse(bytes_of(text), &json, &err), ERR_NONE, "%s", err.message);
    cr_assert_eq(store_local_apply(store, json, &err), ERR_NONE, "%s", err.message);
    json_free(json);
}

static void setup(void) {
    runtime_virtual_init(&rt, 1, INT64_C(1767225600000));
    const struct store_local_options local = {0};
    const struct store_callbacks callbacks = {0};
    cr_assert_eq(store_local_new(&rt.base, &local, &callbacks, &store, &err), ERR_NONE);
    store_start(store);
    runtime_virtual_run_until(&rt, NS_PER_S);
    apply("{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"Budget\",\"metadata\":{\"name\":\"b\",\"namespace\":"
          "\"a\"},\"spec\":{\"amount\":\"1\",\"currency\":\"USD\",\"period\":\"Daily\"}}");
    apply(
        "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"Recommendation\",\"metadata\":{\"name\":\"r\","
        "\"namespace\":\"a\"},\"spec\":{\"policyRef\":{\"name\":\"web\"},\"action\":\"Scale\",\"target\":{\"provider\":"
        "\"a/aws\",\"region\":\"us-east-1\",\"kind\":\"InstanceGroup\",\"id\":\"g\"},\"from\":{\"count\":2},\"to\":{"
        "\"count\":3},\"planHash\":\"abc\"}}");
    uv_loop_init(&loop);
    snprintf(path, sizeof(path), "/tmp/trimtab-api-%d.sock", (int)getpid());
    const struct server_options options = {.unix_socket = path, .routes = routes, .ctx = &store};
    cr_assert_eq(server_start(&loop, &options, &server, &err), ERR_NONE, "%s", err.message);
}

static void set_flag(void *ctx) {
    *(bool *)ctx = true;
}
static void teardown(void) {
    server_stop(server, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    bool stopped = false;
    store->ops->stop(store, set_flag, &stopped);
    runtime_virtual_run_until(&rt, rt.now_ns + NS_PER_S);
    cr_assert(stopped);
    store->ops->free(store);
    runtime_virtual_release(&rt);
    json_free(body);
    body = NULL;
    buf_release(&reply);
}
TestSuite(serve_api, .init = setup, .fini = teardown);

/* The status of the answer; its JSON is in body. */
static int say(const char *method, const char *url, const char *type, const char *text) {
    struct buf request = {0};
    int status = 0;
    buf_printf(&request,
               "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: %s\r\n"
               "Content-Length: %zu\r\n\r\n%s",
               method, url, type, strlen(text), text);
    raw_http_exchange(&loop, raw_http_connect_unix(path), buf_bytes(&request), &reply);
    buf_release(&request);
    json_free(body);
    body = NULL;
    cr_assert_eq(sscanf(buf_text(&reply), "HTTP/1.1 %d", &status), 1, "%s", buf_text(&reply));
    cr_assert_eq(json_parse(bytes_of(raw_http_body(&reply)), &body, &err), ERR_NONE, "%s", raw_http_body(&reply));
    return status;
}

static const char *text_at(const char *where) {
    return json_string(json_at(body, where), "(absent)");
}

#define GROUP "/apis/trimtab.dev/v1alpha1"
#define MERGE "application/merge-patch+json"

Test(serve_api, serves_lists_and_objects_in_the_shape_of_kubernetes) {
    cr_assert_eq(say("GET", GROUP "/budgets", "", ""), 200);
    cr_assert_str_eq(text_at("kind"), "BudgetList");
    cr_assert_eq(json_array_count(json_get(body, "items")), 1);
    cr_assert_eq(say("GET", GROUP "/namespaces/none/budgets", "", ""), 200);
    cr_assert_eq(json_array_count(json_get(body, "items")), 0);
    cr_assert_eq(say("GET", GROUP "/namespaces/a/budgets/b", "", ""), 200);
    cr_assert_str_eq(text_at("metadata.name"), "b");
    cr_assert_str_eq(text_at("spec.amount"), "1");
    cr_assert_eq(say("GET", "/api/v1/namespaces/a", "", ""), 200);
    cr_assert_str_eq(text_at("kind"), "Namespace");
    cr_assert_eq(say("GET", "/api/v1/namespaces", "", ""), 200);
    cr_assert_eq(say("GET", "/api/v1/events?fieldSelector=involvedObject.name=b", "", ""), 200);
    cr_assert_str_eq(text_at("kind"), "EventList");
    cr_assert_eq(say("GET", "/api/v1/namespaces/a/events", "", ""), 200);
}

Test(serve_api, patches_are_carried_out_and_answered_with_the_new_object) {
    cr_assert_eq(say("PATCH", GROUP "/namespaces/a/recommendations/r", MERGE, "{\"spec\":{\"decision\":\"Approved\"}}"),
                 200);
    cr_assert_str_eq(text_at("spec.decision"), "Approved");
    cr_assert_eq(store_get(store, OBJECT_RECOMMENDATION, "a", "r")->as.recommendation->decision, DECISION_APPROVED);
    cr_assert_eq(say("PATCH", "/api/v1/namespaces/a", MERGE,
                     "{\"metadata\":{\"annotations\":{\"trimtab.dev/suspend\":\"true\"}}}"),
                 200);
    cr_assert(store_is_suspended(store, store_get(store, OBJECT_BUDGET, "a", "b")));
}

Test(serve_api, refusals_are_status_objects_with_reason_and_code) {
    static const struct {
        const char *method, *url, *type, *text;
        int code;
        const char *reason;
    } rows[] = {
        {"GET", GROUP "/namespaces/a/budgets/none", "", "", 404, "NotFound"},
        {"GET", GROUP "/gadgets", "", "", 404, "NotFound"},
        {"GET", GROUP "/namespaces", "", "", 404, "NotFound"},
        {"GET", GROUP "/namespaces/a/budgets/b/status", "", "", 404, "NotFound"},
        {"GET", GROUP "//budgets", "", "", 404, "NotFound"},
        {"GET", "/apis/other.dev/v1/budgets", "", "", 404, "NotFound"},
        {"GET", "/api/v1/secrets", "", "", 404, "NotFound"},
        {"GET", "/apis/1/2/3/4/5/6/7/8/9/10", "", "", 404, "NotFound"},
        {"GET", GROUP "/budgets?watch=1", "", "", 400, "BadRequest"},
        {"GET", "/api/v1/events?fieldSelector=type=Warning", "", "", 400, "BadRequest"},
        {"DELETE", GROUP "/namespaces/a/budgets/b", "", "", 405, "MethodNotAllowed"},
        {"POST", GROUP "/namespaces/a/budgets", "application/json", "{}", 405, "MethodNotAllowed"},
        {"PATCH", GROUP "/namespaces/a/budgets", MERGE, "{}", 405, "MethodNotAllowed"},
        {"PATCH", GROUP "/namespaces/a/budgets/b", "application/json", "{}", 415, "UnsupportedMediaType"},
        {"PATCH", GROUP "/namespaces/a/budgets/b", MERGE, "{", 400, "BadRequest"},
        {"PATCH", GROUP "/namespaces/a/budgets/b", MERGE, "{\"spec\":{\"amount\":\"x\"}}", 422, "Invalid"},
        {"PATCH", GROUP "/namespaces/a/budgets/b", MERGE, "{\"status\":{}}", 422, "Invalid"},
        {"PATCH", GROUP "/namespaces/a/budgets/b", MERGE, "{\"metadata\":{\"resourceVersion\":\"9999\"}}", 409,
         "Conflict"},
        {"PATCH", GROUP "/namespaces/a/recommendations/r", MERGE, "{\"spec\":{\"to\":{\"count\":9}}}", 422, "Invalid"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int code = say(rows[i].method, rows[i].url, rows[i].type, rows[i].text);
        cr_assert_eq(code, rows[i].code, "%s %s %s: %s", rows[i].method, rows[i].url, rows[i].text, buf_text(&reply));
        cr_assert_str_eq(text_at("kind"), "Status");
        cr_assert_str_eq(text_at("status"), "Failure");
        cr_assert_str_eq(text_at("reason"), rows[i].reason);
        cr_assert_eq(json_int(json_get(body, "code"), 0), rows[i].code);
        cr_assert_neq(text_at("message")[0], '\0');
    }
}
