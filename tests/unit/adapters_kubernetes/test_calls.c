/*
 * Opening, credentials, refusals, and the contract of calls.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "bench.h"

#define SNAPSHOT (1u << CLOUD_SNAPSHOT)

static struct bench bench;
static const struct cloud_query snapshots = {.kinds = SNAPSHOT, .region = CLOUD_REGION_CLUSTER, .count_max = 10};

static void set_up(void) {
    bench_init(&bench);
}

static void tear_down(void) {
    bench_release(&bench);
}

TestSuite(kubernetes_calls, .init = set_up, .fini = tear_down);

static const struct {
    const char *parameters, *message;
} bad_parameters[] = {
    {"[]", "must be an object, not array"},
    {"{\"contxt\": \"a\"}", "has no field \"contxt\""},
    {"{\"context\": \"\"}", "kubernetes.context"},
    {"{\"context\": \"other\"}", "other"},
    {"{\"namespaces\": []}", "kubernetes.namespaces"},
    {"{\"namespaces\": \"shop\"}", "kubernetes.namespaces"},
    {"{\"namespaces\": [\"shop\", \"../x\"]}", "kubernetes.namespaces[1]: not a namespace"},
    {"{\"namespaces\": [\"shop\", \"shop\"]}", "twice"},
    {"{\"prometheus\": \"http://a\"}", "kubernetes.prometheus: must be an object"},
    {"{\"prometheus\": {}}", "kubernetes.prometheus.url"},
    {"{\"prometheus\": {\"url\": \"ftp://a\"}}", "kubernetes.prometheus.url"},
    {"{\"prometheus\": {\"url\": \"https://u:p\\u0040a\"}}", "kubernetes.prometheus.url"},
    {"{\"prometheus\": {\"url\": \"https://\"}}", "kubernetes.prometheus.url"},
    {"{\"prometheus\": {\"url\": \"https://a?x=y\"}}", "kubernetes.prometheus.url"},
    {"{\"prometheus\": {\"url\": \"http://prometheus.monitoring:9090\"}}", "a token goes over https only"},
    {"{\"nodePrices\": {}}", "kubernetes.nodePrices"},
    {"{\"nodePrices\": [{\"instanceType\": \"a\"}]}", "kubernetes.nodePrices[0].hourly"},
    {"{\"nodePrices\": [{\"instanceType\": \"a\", \"hourly\": \"-1\"}]}", "kubernetes.nodePrices[0].hourly"},
    {"{\"nodePrices\": [{\"instanceType\": \"a\", \"hourly\": 1}]}", "kubernetes.nodePrices[0].hourly"},
    {"{\"nodePrices\": [{\"hourly\": \"1\"}]}", "kubernetes.nodePrices[0].instanceType"},
    {"{\"nodePrices\": [{\"instanceType\": \"a\", \"hourly\": \"1\", \"x\": 1}]}", "has no field \"x\""},
};

Test(kubernetes_calls, parameters_that_are_wrong_are_named) {
    for (size_t i = 0; i < ARRAY_LEN(bad_parameters); i++) {
        struct error err = {0};
        cr_expect_eq(bench_open(&bench, bad_parameters[i].parameters, &err), ERR_PERMANENT, "row %zu", i);
        cr_expect(strstr(err.message, bad_parameters[i].message) != NULL, "row %zu: %s", i, err.message);
    }
}

Test(kubernetes_calls, a_secret_without_a_kubeconfig_never_falls_back_on_ours) {
    struct error err = {0};
    setenv("KUBECONFIG", "/dev/null", 1);
    bench.has_no_kubeconfig = true;
    cr_expect_eq(bench_open(&bench, NULL, &err), ERR_PERMANENT);
    cr_expect(strstr(err.message, "kubeconfig") != NULL, "%s", err.message);
}

Test(kubernetes_calls, a_secrets_kubeconfig_may_name_no_file_and_no_program) {
    struct error err = {0};
    bench.kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                       "clusters: [{name: k, cluster: {server: \"https://127.0.0.1:1\"}}]\n"
                       "users: [{name: u, user: {tokenFile: /etc/passwd}}]\n"
                       "contexts: [{name: c, context: {cluster: k, user: u}}]\n";
    cr_expect_neq(bench_open(&bench, NULL, &err), ERR_NONE);
    cr_expect(strstr(err.message, "tokenFile") != NULL, "%s", err.message);
}

Test(kubernetes_calls, our_own_credential_goes_to_no_endpoint_without_its_ca) {
    static const char *const endpoints[] = {"https://elsewhere.example", "http://127.0.0.1:9"};
    char path[] = "/tmp/trimtab-kubeconfig-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert(dprintf(fd, "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                          "clusters: [{name: k, cluster: {server: \"https://127.0.0.1:1\"}}]\n"
                          "users: [{name: u, user: {token: t}}]\n"
                          "contexts: [{name: c, context: {cluster: k, user: u}}]\n") > 0);
    close(fd);
    bench.is_environment = true;
    bench.has_no_kubeconfig = true;
    bench.own_kubeconfig = path;
    setenv("KUBECONFIG", path, 1);
    for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
        struct error err = {0};
        bench.endpoint = endpoints[i];
        cr_expect_eq(bench_open(&bench, NULL, &err), ERR_PERMANENT);
        cr_expect(strstr(err.message, "endpoint: the controller's own credential") != NULL, "%s", err.message);
    }
    unlink(path);
}

Test(kubernetes_calls, plain_http_is_for_loopback) {
    static const char *const bad[] = {"http://k8s.example", "http://127.0.0.1.example", "http://localhost.example:80",
                                      "http://127.0.0.1:1@k8s.example"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err = {0};
        bench.endpoint = bad[i];
        cr_expect_eq(bench_open(&bench, NULL, &err), ERR_PERMANENT, "%s", bad[i]);
    }
}

Test(kubernetes_calls, a_cluster_is_known_by_a_uid_or_by_its_address) {
    bench_open_well(&bench, NULL);
    script_reply(&bench.server, 200, "", "{\"metadata\": {\"uid\": \"0b1c\"}}");
    cr_expect_str_eq(bench_account(&bench)->as.operation, "0b1c");
    cr_expect(strstr(script_request(&bench.server, 0), "GET /api/v1/namespaces/kube-system ") != NULL);
    bench_status(&bench, 403, "Forbidden", "no");
    const struct adapter_reply *reply = bench_account(&bench);
    cr_expect_eq(reply->error.class, ERR_NONE);
    cr_expect(str_has_prefix(reply->as.operation, "http://127.0.0.1:"), "%s", reply->as.operation);
    script_reply(&bench.server, 200, "", "{\"metadata\": {}}");
    cr_expect_eq(bench_account(&bench)->error.class, ERR_RETRYABLE);
}

static const struct {
    int status;
    const char *headers, *body;
    enum err_class class;
    const char *code, *message;
    uint32_t retry_after_ms;
} refusals[] = {
    {401, "", "{\"reason\": \"Unauthorized\", \"message\": \"Unauthorized\"}", ERR_PERMISSION, "Unauthorized",
     "Unauthorized", 0},
    {403, "", "{\"reason\": \"Forbidden\", \"message\": \"may not\"}", ERR_PERMISSION, "Forbidden", "may not", 0},
    {403, "", "{\"reason\": \"Forbidden\", \"message\": \"exceeded quota: q\"}", ERR_PERMANENT, "Forbidden", "q", 0},
    {404, "", "{\"reason\": \"NotFound\", \"message\": \"gone\"}", ERR_NONE, "", "", 0}, /* An API that is absent. */
    {409, "", "{\"reason\": \"Conflict\", \"message\": \"modified\"}", ERR_CONFLICT, "Conflict", "modified", 0},
    {410, "", "{\"reason\": \"Gone\", \"message\": \"too old\"}", ERR_CONFLICT, "Gone", "too old", 0},
    {400, "", "{\"reason\": \"BadRequest\", \"message\": \"bad\"}", ERR_PERMANENT, "BadRequest", "bad", 0},
    {422, "", "{\"reason\": \"Invalid\", \"message\": \"spec\"}", ERR_PERMANENT, "Invalid", "spec", 0},
    {429, "Retry-After: 7\r\n", "{\"reason\": \"TooManyRequests\", \"message\": \"slow\"}", ERR_THROTTLED,
     "TooManyRequests", "slow", 7000},
    {429, "", "{\"reason\": \"TooManyRequests\", \"message\": \"s\", \"details\": {\"retryAfterSeconds\": 3}}",
     ERR_THROTTLED, "TooManyRequests", "s", 3000},
    {429, "", "", ERR_THROTTLED, "", "HTTP status 429", 0},
    {500, "", "{\"reason\": \"InternalError\", \"message\": \"oops\"}", ERR_RETRYABLE, "InternalError", "oops", 0},
    {503, "Content-Type: text/html\r\n", "<html>", ERR_RETRYABLE, "", "HTTP status 503 (text/html)", 0},
    {504, "", "{\"reason\": \"Timeout\", \"message\": \"slow\"}", ERR_RETRYABLE, "Timeout", "slow", 0},
    {418, "", "{\"reason\": \"Teapot\", \"message\": \"new\"}", ERR_PERMANENT, "Teapot", "new", 0},
    {599, "", "{\"reason\": \"Odd\", \"message\": \"new\"}", ERR_RETRYABLE, "Odd", "new", 0},
    {301, "Location: http://127.0.0.1:9/\r\n", "", ERR_PERMANENT, "", "HTTP status 301", 0},
    {403, "", "{\"reason\": \"Forbidden\", \"message\": \"Bearer " BENCH_TOKEN " is no good\"}", ERR_PERMISSION,
     "Forbidden", "(text withheld)", 0},
    {403, "", "{\"reason\": \"" BENCH_TOKEN "\", \"message\": \"may not\"}", ERR_PERMISSION, "", "may not", 0},
    {403, "", "[1]", ERR_PERMISSION, "", "HTTP status 403", 0},
    {200, "Content-Type: text/html\r\n", "<html>Log in</html>", ERR_RETRYABLE, "", "the reply is text/html", 0},
    {200, "", "", ERR_RETRYABLE, "", "", 0},
    {200, "", "{\"kind\": \"Status\"}", ERR_RETRYABLE, "", "the reply is no list", 0},
    {200, "", "{\"items\": 7, \"metadata\": {}}", ERR_RETRYABLE, "", "the reply is no list", 0},
    {200, "", "{\"items\": null, \"metadata\": {}}", ERR_NONE, "", "", 0},
    {200, "", "[]", ERR_RETRYABLE, "", "the reply is no object", 0},
    {200, "", "{\"items\": [", ERR_RETRYABLE, "", "", 0},
};

Test(kubernetes_calls, every_refusal_has_its_class_and_says_why) {
    bench_open_well(&bench, NULL);
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        script_reply(&bench.server, refusals[i].status, refusals[i].headers, refusals[i].body);
        const struct error *error = &bench_list(&bench, SNAPSHOT, 10)->error;
        cr_expect_eq(error->class, refusals[i].class, "row %zu: %s: %s", i, error_class_name(error->class),
                     error->message);
        cr_expect_str_eq(error->code, refusals[i].code, "row %zu", i);
        cr_expect(strstr(error->message, refusals[i].message) != NULL, "row %zu: %s", i, error->message);
        cr_expect_null(strstr(error->message, BENCH_TOKEN), "row %zu", i);
        cr_expect_eq(error->retry_after_ms, refusals[i].retry_after_ms, "row %zu", i);
        cr_expect_eq(error->effect, EFFECT_NONE, "row %zu", i);
    }
    cr_expect_eq(bench.server.request_count, ARRAY_LEN(refusals),
                 "nothing is sent twice with a token that never changes");
}

Test(kubernetes_calls, a_token_file_is_read_again_after_a_401_once) {
    char path[] = "/tmp/trimtab-token-XXXXXX", config[] = "/tmp/trimtab-kubeconfig-XXXXXX";
    int fd = mkstemp(path), config_fd = mkstemp(config);
    cr_assert(fd >= 0 && config_fd >= 0);
    cr_assert(dprintf(fd, "old-token") > 0);
    cr_assert(dprintf(config_fd,
                      "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                      "clusters: [{name: k, cluster: {server: \"http://127.0.0.1:%d\"}}]\n"
                      "users: [{name: u, user: {tokenFile: %s}}]\n"
                      "contexts: [{name: c, context: {cluster: k, user: u}}]\n",
                      bench.server.port, path) > 0);
    close(config_fd);
    bench.is_environment = true;
    bench.has_no_kubeconfig = true;
    bench.own_kubeconfig = config;
    setenv("KUBECONFIG", config, 1);
    bench_open_well(&bench, NULL);
    for (int i = 0; i < 4; i++) {
        if (i % 2 == 0)
            bench_status(&bench, 401, "Unauthorized", "Unauthorized");
        else if (i == 1)
            bench_items(&bench, "", "");
        else
            bench_status(&bench, 401, "Unauthorized", "Unauthorized");
    }
    cr_expect_eq(bench_list(&bench, SNAPSHOT, 10)->error.class, ERR_NONE);
    cr_expect(strstr(script_request(&bench.server, 1), "Bearer old-token") != NULL);
    cr_assert(pwrite(fd, "new-token", 9, 0) == 9);
    close(fd);
    const struct adapter_reply *reply = bench_list(&bench, SNAPSHOT, 10);
    cr_expect_eq(reply->error.class, ERR_PERMISSION, "once, not for ever");
    cr_expect_eq(reply->request_count, 2);
    cr_expect(strstr(script_request(&bench.server, 3), "Bearer new-token") != NULL);
    unlink(path);
    unlink(config);
}

Test(kubernetes_calls, a_plugin_is_run_once_for_all_that_wait_and_close_does_not_wait_for_it) {
    char config[] = "/tmp/trimtab-kubeconfig-XXXXXX";
    int fd = mkstemp(config);
    cr_assert(fd >= 0);
    cr_assert(dprintf(fd,
                      "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                      "clusters: [{name: k, cluster: {server: \"http://127.0.0.1:%d\"}}]\n"
                      "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: sleep, "
                      "interactiveMode: Never, args: [\"60\"]}}}]\n"
                      "contexts: [{name: c, context: {cluster: k, user: u}}]\n",
                      bench.server.port) > 0);
    close(fd);
    bench.is_environment = true;
    bench.has_no_kubeconfig = true;
    bench.own_kubeconfig = config;
    setenv("KUBECONFIG", config, 1);
    bench_open_well(&bench, NULL);
    unlink(config);
    bench_submit(&bench, 0, &snapshots);
    bench_submit(&bench, 1, &snapshots);
    bench_submit(&bench, 2, &snapshots);
    bench_turn(&bench);
    bench.adapter->ops->cancel(bench.adapter, &bench.calls[1].call);
    bench_wait(&bench, 1);
    cr_expect_eq(bench.calls[1].call.reply.error.class, ERR_CANCELLED);
    cr_expect_eq(bench.calls[0].done_count, 0);
    cr_expect_eq(bench.server.request_count, 0);
    bench_release(&bench); /* With two calls that wait and a child that sleeps. */
    cr_expect_eq(bench.calls[0].call.reply.error.class, ERR_CANCELLED);
    bench_init(&bench);
}

Test(kubernetes_calls, a_plugin_that_fails_fails_the_call_with_its_reason) {
    char config[] = "/tmp/trimtab-kubeconfig-XXXXXX";
    int fd = mkstemp(config);
    cr_assert(fd >= 0);
    cr_assert(dprintf(fd,
                      "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                      "clusters: [{name: k, cluster: {server: \"http://127.0.0.1:%d\"}}]\n"
                      "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, "
                      "interactiveMode: Never, args: [\"-c\", \"echo please log in >&2; exit 1\"]}}}]\n"
                      "contexts: [{name: c, context: {cluster: k, user: u}}]\n",
                      bench.server.port) > 0);
    close(fd);
    bench.is_environment = true;
    bench.has_no_kubeconfig = true;
    bench.own_kubeconfig = config;
    setenv("KUBECONFIG", config, 1);
    bench_open_well(&bench, NULL);
    unlink(config);
    const struct adapter_reply *reply = bench_list(&bench, SNAPSHOT, 10);
    cr_expect_eq(reply->error.class, ERR_RETRYABLE);
    cr_expect(strstr(reply->error.message, "please log in") != NULL, "%s", reply->error.message);
    cr_expect_eq(bench.server.request_count, 0);
}

Test(kubernetes_calls, cancel_ends_a_call_in_flight_once) {
    bench_open_well(&bench, NULL);
    script_silence(&bench.server);
    bench_submit(&bench, 0, &snapshots);
    while (bench.server.request_count == 0)
        bench_turn(&bench);
    bench.adapter->ops->cancel(bench.adapter, &bench.calls[0].call);
    bench_wait(&bench, 0);
    cr_expect_eq(bench.calls[0].call.reply.error.class, ERR_CANCELLED);
}

Test(kubernetes_calls, close_ends_what_is_in_flight) {
    bench_open_well(&bench, NULL);
    script_silence(&bench.server);
    bench_submit(&bench, 0, &snapshots);
    bench_submit(&bench, 1, &snapshots);
    while (bench.server.request_count == 0)
        bench_turn(&bench); /* The fixture closes, and asserts that each ended once. */
}
