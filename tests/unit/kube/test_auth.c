/*
 * Credentials: shell scripts stand for plugins and run for real; the clocks are virtual.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kube/auth.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/runtime_virtual.h"
#include "base/str.h"
#include "kube/auth_internal.h"
#include "scratch.h"

#define PEM "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n"
#define V1 "client.authentication.k8s.io/v1"
#define WALL_MS INT64_C(1764000000000) /* 2025-11-24T16:00:00Z */

static uv_loop_t loop;
static struct runtime_virtual rt;
static struct kube_exec exec;
static struct kube_config config;
static struct kube_auth *auth;
static struct error outcome;
static unsigned told;
static bool is_closed;

static void setup(void) {
    scratch_open();
    cr_assert_eq(uv_loop_init(&loop), 0);
    runtime_virtual_init(&rt, 1, WALL_MS);
    exec = (struct kube_exec){.api_version = V1};
    config = (struct kube_config){.server = "https://10.0.0.1:6443", .ca_pem = "-----BEGIN X-----\n"};
    log_configure(LOG_ERROR, LOG_FORMAT_TEXT);
}

static void on_closed(void *ctx) {
    (void)ctx;
    is_closed = true;
}

static void close_auth(void) {
    if (!auth)
        return;
    is_closed = false;
    kube_auth_close(auth, on_closed, NULL);
    cr_assert(!is_closed, "never from inside");
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert(is_closed);
    kube_auth_free(auth);
    auth = NULL;
}

static void teardown(void) {
    close_auth();
    runtime_virtual_release(&rt);
    cr_assert_eq(uv_loop_close(&loop), 0, "a handle is left open");
    scratch_close();
}

TestSuite(kube_auth, .init = setup, .fini = teardown, .timeout = 60);

static void open_auth(void) {
    close_auth();
    auth = kube_auth_new(&rt.base, &loop, &config);
}

static void use_plugin(const char *script) {
    exec.command = scratch_write("plugin", 0700, script);
    config.exec = &exec;
    open_auth();
}

static void on_told(void *ctx, const struct error *error) {
    (void)ctx;
    outcome = *error;
    told++;
}

static enum err_class refresh(void) {
    unsigned before = told;
    kube_auth_refresh(auth, on_told, NULL);
    cr_assert_eq(told, before, "never from inside");
    while (told == before)
        cr_assert(uv_run(&loop, UV_RUN_ONCE) || told > before, "nobody tells");
    return outcome.class;
}

static void fails_with(enum err_class class, const char *words) {
    cr_assert_eq(refresh(), class, "%s: %s", error_class_name(outcome.class), outcome.message);
    cr_assert(strstr(outcome.message, words), "\"%s\" does not say \"%s\"", outcome.message, words);
    cr_assert(!kube_auth_is_ready(auth));
    cr_assert_null(kube_auth_header(auth));
}

static void advance(uint64_t seconds) {
    runtime_virtual_run_until(&rt, rt.now_ns + seconds * NS_PER_S);
}

static size_t count_lines(const char *text) {
    size_t count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

/* ---- Static ---- */

Test(kube_auth, a_static_token_is_ready_at_once) {
    config.token = "abc";
    open_auth();
    cr_assert(kube_auth_is_ready(auth));
    cr_assert_str_eq(kube_auth_header(auth), "Authorization: Bearer abc");
    cr_assert_not_null(kube_auth_tls(auth));
    cr_assert_eq(refresh(), ERR_NONE);
}

Test(kube_auth, plain_http_without_credentials_has_neither_header_nor_tls) {
    config.server = "http://localhost";
    open_auth();
    cr_assert(kube_auth_is_ready(auth));
    cr_assert_null(kube_auth_header(auth));
    cr_assert_null(kube_auth_tls(auth));
}

/* ---- Token file ---- */

Test(kube_auth, a_token_file_is_read_again_when_it_changes) {
    config.token_file = scratch_write("token", 0600, "one\n");
    open_auth();
    cr_assert(kube_auth_is_ready(auth));
    cr_assert_str_eq(kube_auth_header(auth), "Authorization: Bearer one");
    scratch_write("token", 0600, "second\n");
    cr_assert(kube_auth_is_ready(auth));
    cr_assert_str_eq(kube_auth_header(auth), "Authorization: Bearer second");
}

Test(kube_auth, a_token_file_is_read_again_after_a_minute) {
    config.token_file = scratch_write("token", 0600, "one\n");
    open_auth();
    cr_assert(kube_auth_is_ready(auth));
    unlink(scratch_path("token"));
    scratch_write("other", 0600, "two");
    advance(59);
    cr_assert_eq(symlink(scratch_path("gone"), scratch_path("token")), 0);
    cr_assert(kube_auth_is_ready(auth), "the last token is kept");
    cr_assert_str_eq(kube_auth_header(auth), "Authorization: Bearer one");
    cr_assert_eq(symlink(scratch_path("other"), scratch_path("gone")), 0);
    advance(2);
    cr_assert(kube_auth_is_ready(auth));
    cr_assert_str_eq(kube_auth_header(auth), "Authorization: Bearer two");
}

Test(kube_auth, a_refresh_reads_a_token_file_at_once_and_keeps_the_last_token_on_failure) {
    config.token_file = scratch_path("token");
    open_auth();
    fails_with(ERR_PERMISSION, "token file: ");
    scratch_write("token", 0600, "a b");
    fails_with(ERR_PERMISSION, "not a token");
    scratch_write("token", 0600, "good");
    cr_assert_eq(refresh(), ERR_NONE, "%s", outcome.message);
    cr_assert_str_eq(kube_auth_header(auth), "Authorization: Bearer good");
    scratch_write("token", 0600, "");
    cr_assert_eq(refresh(), ERR_PERMISSION);
    cr_assert_str_eq(kube_auth_header(auth), "Authorization: Bearer good");
}

/* ---- Plugin ---- */

#define REPLY(status)                                                                                                  \
    "printf '%s\\n' '{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\",\"status\":{" status "}}'\n"

Test(kube_auth, a_plugin_gives_a_token_and_sees_what_it_is_asked) {
    static const char *const args[] = {"get", "a b", "", NULL}, *const env[] = {"COLOUR=green", "HOME=/elsewhere",
                                                                                NULL};
    exec.args = args;
    exec.env = env;
    exec.provide_cluster_info = true;
    config.server_name = "kube.example";
    setenv("COLOUR", "red", 1);
    use_plugin("#!/bin/sh\ncd \"${0%/*}\"\nprintf '%s|' \"$@\" \"$COLOUR\" \"$HOME\" >seen\n"
               "printf %s \"$KUBERNETES_EXEC_INFO\" >info\ncat >stdin\n" REPLY("\"token\":\"xyz\""));
    cr_assert(!kube_auth_is_ready(auth));
    cr_assert_eq(refresh(), ERR_NONE, "%s", outcome.message);
    cr_assert(kube_auth_is_ready(auth));
    cr_assert_str_eq(kube_auth_header(auth), "Authorization: Bearer xyz");
    cr_assert_str_eq(scratch_read("seen"), "get|a b||green|/elsewhere|");
    cr_assert_str_eq(scratch_read("stdin"), "");
    struct json *info = NULL;
    struct error err;
    cr_assert_eq(json_parse(bytes_of(scratch_read("info")), &info, &err), ERR_NONE, "%s", scratch_read("info"));
    cr_assert_str_eq(json_string(json_get(info, "kind"), ""), "ExecCredential");
    cr_assert_str_eq(json_string(json_get(info, "apiVersion"), ""), V1);
    cr_assert(!json_bool(json_at(info, "spec.interactive"), true));
    cr_assert_str_eq(json_string(json_at(info, "spec.cluster.server"), ""), config.server);
    cr_assert_str_eq(json_string(json_at(info, "spec.cluster.tls-server-name"), ""), "kube.example");
    cr_assert_str_eq(json_string(json_at(info, "spec.cluster.certificate-authority-data"), ""),
                     "LS0tLS1CRUdJTiBYLS0tLS0K");
    json_free(info);
}

Test(kube_auth, a_plugin_runs_once_for_all_that_wait) {
    use_plugin("#!/bin/sh\necho run >>\"${0%/*}/runs\"\n" REPLY("\"token\":\"t\""));
    kube_auth_refresh(auth, on_told, NULL);
    kube_auth_refresh(auth, on_told, NULL);
    cr_assert_eq(refresh(), ERR_NONE);
    cr_assert_eq(told, 3);
    cr_assert_eq(count_lines(scratch_read("runs")), 1);
    advance(365 * 86400);
    cr_assert(kube_auth_is_ready(auth), "no end was named");
}

Test(kube_auth, a_credential_is_renewed_a_minute_before_its_end) {
    use_plugin("#!/bin/sh\n" REPLY("\"token\":\"t\",\"expirationTimestamp\":\"2025-11-24T16:10:00Z\""));
    cr_assert_eq(refresh(), ERR_NONE);
    advance(539);
    cr_assert(kube_auth_is_ready(auth));
    advance(1);
    cr_assert(!kube_auth_is_ready(auth));
    cr_assert_eq(refresh(), ERR_NONE);
    cr_assert(kube_auth_is_ready(auth), "one that is about to end is used a little, not asked for in a circle");
    advance(10);
    cr_assert(!kube_auth_is_ready(auth));
}

Test(kube_auth, a_new_certificate_makes_a_new_identity) {
    use_plugin("#!/bin/sh\n" REPLY("\"clientCertificateData\":\"" PEM "\",\"clientKeyData\":\"" PEM "\""));
    const struct http_tls *first = kube_auth_tls(auth);
    cr_assert_not_null(first);
    cr_assert_eq(refresh(), ERR_NONE, "%s", outcome.message);
    const struct http_tls *second = kube_auth_tls(auth);
    cr_assert_neq(first, second);
    cr_assert_null(kube_auth_header(auth));
    cr_assert_eq(refresh(), ERR_NONE);
    cr_assert_eq(second, kube_auth_tls(auth), "the same certificate keeps its connections");
}

Test(kube_auth, a_failing_plugin_is_quoted) {
    use_plugin("#!/bin/sh\nprintf 'much before\\n%0300d' 0 >&2\nprintf '\\nlogin\\texpired\\n\\n' >&2\nexit 3\n");
    fails_with(ERR_RETRYABLE, "exit status 3: ");
    cr_assert(strstr(outcome.message, "login expired"), "%s", outcome.message);
    cr_assert(!strstr(outcome.message, "before"));
    use_plugin("#!/bin/sh\nkill -9 $$\n");
    fails_with(ERR_RETRYABLE, "ended by signal 9");
}

Test(kube_auth, what_a_plugin_prints_in_error_is_refused_and_not_quoted) {
    static const char *const replies[][2] = {
        {"echo junk-secret\n", "not JSON"},
        {"true\n", "not JSON"},
        {"echo '{\"kind\":\"Pod\"}'\n", "not an ExecCredential"},
        {"echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "beta1\",\"status\":{\"token\":\"t\"}}'\n",
         "answered in"},
        {"echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\"}'\n", "no status"},
        {REPLY(""), "neither a token"},
        {REPLY("\"token\":\"\""), "token is empty"},
        {REPLY("\"token\":\"a\\nb\""), "no header can carry"},
        {REPLY("\"clientKeyData\":\"" PEM "\""), "both be PEM"},
        {REPLY("\"token\":\"t\",\"expirationTimestamp\":\"soon\""), "not a time"},
        {"head -c 1200000 /dev/zero\nsleep 100\n", "larger than 1 MiB"},
    };
    for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
        char *script = mem_printf("#!/bin/sh\n%s", replies[i][0]);
        use_plugin(script);
        fails_with(ERR_PERMANENT, replies[i][1]);
        cr_assert(!strstr(outcome.message, "junk-secret"));
        mem_free(script);
    }
}

Test(kube_auth, a_missing_plugin_says_how_to_get_it) {
    exec.command = "trimtab-test-no-such-plugin";
    exec.install_hint = "see the manual";
    config.exec = &exec;
    open_auth();
    fails_with(ERR_PERMISSION, "trimtab-test-no-such-plugin: not found in PATH: see the manual");
    exec.command = scratch_write("plain", 0600, "x");
    open_auth();
    fails_with(ERR_PERMISSION, "cannot be run: permission denied");
}

static void cr_assert_gone(const char *file) {
    pid_t pid = (pid_t)strtol(scratch_read(file), NULL, 10);
    cr_assert_gt(pid, 1, "%s was not written", file);
    for (int i = 0; i < 200 && kill(pid, 0) == 0; i++) { /* init reaps the orphan soon. */
        char path[64], *stat = NULL;
        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        FILE *f = fopen(path, "re");
        char text[256] = "";
        if (f) {
            text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
            fclose(f);
            stat = strrchr(text, ')');
        }
        if (stat && stat[2] == 'Z')
            return; /* Dead; nobody of this container reaps it. */
        usleep(5000);
    }
    cr_assert_neq(kill(pid, 0), 0, "%s still runs", file);
}

#define HANGS "#!/bin/sh\ncd \"${0%/*}\"\nsleep 300 &\necho $! >child\necho $$ >plugin.pid\nwait\n"

Test(kube_auth, a_plugin_that_hangs_is_killed_with_its_children) {
    use_plugin(HANGS);
    kube_auth_set_plugin_timeout(auth, 300);
    fails_with(ERR_RETRYABLE, "no answer within the time limit");
    cr_assert_gone("plugin.pid");
    cr_assert_gone("child");
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1, "no zombie of ours");
    cr_assert_eq(errno, ECHILD);
}

Test(kube_auth, closing_kills_the_plugin_and_cancels_those_who_wait) {
    use_plugin(HANGS);
    kube_auth_refresh(auth, on_told, NULL);
    kube_auth_refresh(auth, on_told, NULL);
    while (!*scratch_read("plugin.pid"))
        uv_run(&loop, UV_RUN_NOWAIT), usleep(2000);
    close_auth();
    cr_assert_eq(told, 2);
    cr_assert_eq(outcome.class, ERR_CANCELLED);
    cr_assert_gone("plugin.pid");
    cr_assert_gone("child");
}

Test(kube_auth, closing_cancels_a_refresh_without_plugin_too) {
    config.token = "t";
    open_auth();
    kube_auth_refresh(auth, on_told, NULL);
    close_auth();
    cr_assert_eq(told, 1);
    cr_assert_eq(outcome.class, ERR_CANCELLED);
}

Test(kube_auth, a_child_that_keeps_the_pipe_does_not_keep_us) {
    use_plugin("#!/bin/sh\ncd \"${0%/*}\"\nsleep 30 &\necho $! >child\n" REPLY("\"token\":\"t\""));
    uint64_t start = uv_hrtime();
    cr_assert_eq(refresh(), ERR_NONE, "%s", outcome.message);
    cr_assert_lt(uv_hrtime() - start, 15 * NS_PER_S);
    cr_assert_str_eq(kube_auth_header(auth), "Authorization: Bearer t");
    kill((pid_t)strtol(scratch_read("child"), NULL, 10), SIGKILL);
}

static void again(void *ctx, const struct error *error) {
    (void)ctx;
    cr_assert_eq(error->class, ERR_NONE);
    if (++told < 3)
        kube_auth_refresh(auth, again, NULL);
}

Test(kube_auth, a_refresh_may_be_asked_for_from_the_answer_of_one) {
    use_plugin("#!/bin/sh\n" REPLY("\"token\":\"t\""));
    kube_auth_refresh(auth, again, NULL);
    while (told < 3)
        uv_run(&loop, UV_RUN_ONCE);
    cr_assert_eq(told, 3);
}
