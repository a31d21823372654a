/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/server.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "serve/health.h"
#include "tests/support/raw_http.h"

static uv_loop_t loop;
static struct server *server;
static struct error err;
static struct buf reply;
static bool is_stopped;
static bool is_loop_check_good;

static void echo(void *ctx, const struct server_request *request, struct server_reply *out) {
    (void)ctx;
    const char *bare = request->query(request, "bare"), *q = request->query(request, "q");
    const char *header = request->header(request, "x-test");
    out->content_type = "text/plain";
    buf_printf(&out->body, "%s %s bare=%s q=%s header=%s body=%zu:", request->method, request->path,
               bare ? bare : "(absent)", q ? q : "(absent)", header ? header : "(absent)", request->body.size);
    buf_append(&out->body, request->body.data, request->body.size < 20 ? request->body.size : 20);
}

static void teapot(void *ctx, const struct server_request *request, struct server_reply *out) {
    (void)ctx, (void)request;
    out->status = 418;
    out->date_ms = INT64_C(1790553600999);
    for (int i = 0; i < 200000; i++)
        buf_puts(&out->body, "tea!");
}

static bool check_good(void *ctx, struct buf *why) {
    (void)ctx, (void)why;
    return true;
}
static bool check_loop(void *ctx, struct buf *why) {
    (void)ctx;
    buf_puts(why, "no turn for 90s");
    return is_loop_check_good;
}
static const struct health_check checks[] = {{"informer-sync", false, true, check_loop},
                                             {"loop", true, false, check_loop},
                                             {"ping", true, true, check_good},
                                             {0}};
static struct health health = {checks, NULL};
static void probe(void *ctx, const struct server_request *request, struct server_reply *out) {
    (void)ctx;
    health_handle(&health, request, out);
}

static const struct server_route routes[] = {
    {"/exact", teapot}, {"/livez", probe}, {"/readyz", probe}, {"/under/", echo}, {0}};

static void on_stopped(void *ctx) {
    (void)ctx;
    is_stopped = true;
}

static void setup(void) {
    uv_loop_init(&loop);
    const struct server_options options = {.listen = "127.0.0.1:0", .routes = routes};
    cr_assert_eq(server_start(&loop, &options, &server, &err), ERR_NONE, "%s", err.message);
}

static void teardown(void) {
    server_stop(server, on_stopped, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert(is_stopped);
    cr_assert_eq(uv_loop_close(&loop), 0);
    buf_release(&reply);
}
TestSuite(serve_server, .init = setup, .fini = teardown);

static const char *say(const char *request) {
    int fd = raw_http_connect_tcp(server_port(server));
    cr_assert(fd >= 0);
    raw_http_exchange(&loop, fd, bytes_of(request), &reply);
    return buf_text(&reply);
}

static const char *get(const char *path) {
    char request[256];
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
    return say(request);
}

Test(serve_server, gives_the_handler_path_query_headers_and_body) {
    say("POST /under/a%20b?bare&q=1%2B1 HTTP/1.1\r\nHost: x\r\nX-Test: yes\r\nContent-Length: 3\r\nConnection: "
        "close\r\n\r\nabc");
    cr_assert_str_eq(raw_http_body(&reply), "POST /under/a b bare= q=1+1 header=yes body=3:abc");
    cr_assert(str_has_prefix(buf_text(&reply), "HTTP/1.1 200 "));
    get("/under/");
    cr_assert_str_eq(raw_http_body(&reply), "GET /under/ bare=(absent) q=(absent) header=(absent) body=0:");
}

Test(serve_server, sends_a_large_reply_whole) {
    cr_assert(str_has_prefix(get("/exact"), "HTTP/1.1 418 "));
    cr_assert_eq(strlen(raw_http_body(&reply)), 800000);
}

/* Who runs at another speed than the machine tells its own time. */
Test(serve_server, tells_the_time_that_the_handler_names) {
    const char *text = get("/exact"), *date = strstr(text, "Date: Mon, 28 Sep 2026 00:00:00 GMT\r\n");
    cr_assert(date, "%.400s", text);
    cr_expect_not(strstr(date + 1, "Date: "), "and no other");
    cr_expect(strstr(get("/under/"), "Date: "), "else the machine's");
    cr_expect_not(strstr(buf_text(&reply), "28 Sep 2026 00:00:00"));
}

Test(serve_server, matches_exact_routes_exactly_and_others_by_prefix) {
    static const struct {
        const char *path, *status;
    } rows[] = {{"/exact/more", "404"}, {"/exac", "404"}, {"/under", "404"}, {"/under/x/y", "200"}, {"/", "404"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert(strncmp(get(rows[i].path) + 9, rows[i].status, 3) == 0, "%s: %s", rows[i].path, buf_text(&reply));
}

Test(serve_server, answers_head_without_a_body) {
    say("HEAD /exact HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    cr_assert(strstr(buf_text(&reply), "Content-Length: 800000\r\n"));
    cr_assert_str_eq(raw_http_body(&reply), "");
}

Test(serve_server, refuses_a_body_that_is_too_large_and_reads_on) {
    struct buf request = {0};
    size_t size = (size_t)4 << 20;
    buf_printf(&request, "POST /under/ HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", size);
    buf_reserve(&request, size);
    for (size_t i = 0; i < size; i++)
        buf_putc(&request, 'x');
    raw_http_exchange(&loop, raw_http_connect_tcp(server_port(server)), buf_bytes(&request), &reply);
    buf_release(&request);
    cr_assert(str_has_prefix(buf_text(&reply), "HTTP/1.1 413 "), "%s", buf_text(&reply));
}

Test(serve_server, refuses_heads_that_are_too_large_or_no_http) {
    struct buf request = {0};
    buf_puts(&request, "GET /under/ HTTP/1.1\r\nHost: x\r\nX-Big: ");
    for (size_t i = 0; i < 100000; i++)
        buf_putc(&request, 'x');
    buf_puts(&request, "\r\nConnection: close\r\n\r\n");
    raw_http_exchange(&loop, raw_http_connect_tcp(server_port(server)), buf_bytes(&request), &reply);
    buf_release(&request);
    cr_assert(reply.size == 0 || str_has_prefix(buf_text(&reply), "HTTP/1.1 4"), "%s", buf_text(&reply));
    say("\r\n\r\nnonsense\r\n\r\n");
    cr_assert_null(strstr(buf_text(&reply), " 200 "));
    cr_assert(str_has_prefix(get("/under/"), "HTTP/1.1 200 ")); /* And goes on. */
}

Test(serve_server, stops_with_a_request_half_sent) {
    int fd = raw_http_connect_tcp(server_port(server));
    cr_assert_eq(send(fd, "POST /under/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab", 55, 0), 55);
    for (int i = 0; i < 5; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    close(fd); /* teardown stops the server; the sanitizer sees what is left behind. */
}

Test(serve_server, refuses_addresses_that_it_cannot_read) {
    static const char *const bad[] = {"8080",        "localhost", "example.test:80", "127.0.0.1:99999",
                                      "127.0.0.1:x", "[::1:80",   "::1:80:",         "256.0.0.1:80"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct server *other;
        const struct server_options options = {.listen = bad[i], .routes = routes};
        cr_assert_eq(server_start(&loop, &options, &other, &err), ERR_PERMANENT, "%s", bad[i]);
    }
}

Test(serve_server, unix_socket_is_private_and_replaces_only_a_dead_one) {
    char path[64];
    snprintf(path, sizeof(path), "/tmp/trimtab-test-%d.sock", (int)getpid());
    const struct server_options options = {.unix_socket = path, .routes = routes};
    struct server *first, *second;
    cr_assert_eq(server_start(&loop, &options, &first, &err), ERR_NONE, "%s", err.message);
    struct stat status;
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
    cr_assert_eq(server_start(&loop, &options, &second, &err), ERR_CONFLICT);
    raw_http_exchange(&loop, raw_http_connect_unix(path), bytes_of("GET /under/ HTTP/1.0\r\n\r\n"), &reply);
    cr_assert(strstr(buf_text(&reply), " 200 "), "%s", buf_text(&reply));
    char dead[80];
    snprintf(dead, sizeof(dead), "%s.dead", path);
    cr_assert_eq(rename(path, dead), 0); /* Leaves a socket without a listener once the server has stopped. */
    server_stop(first, NULL, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    cr_assert_eq(rename(dead, path), 0);
    cr_assert_eq(server_start(&loop, &options, &second, &err), ERR_NONE, "%s", err.message);
    server_stop(second, NULL, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    cr_assert_neq(stat(path, &status), 0);
}

Test(serve_health, says_ok_or_which_check_failed) {
    setup();
    is_loop_check_good = true;
    get("/livez");
    cr_assert_str_eq(raw_http_body(&reply), "ok");
    get("/livez?verbose");
    cr_assert_str_eq(raw_http_body(&reply), "[+]loop ok\n[+]ping ok\nlivez check passed\n");
    is_loop_check_good = false;
    cr_assert(str_has_prefix(get("/readyz"), "HTTP/1.1 500 "));
    cr_assert_str_eq(raw_http_body(&reply),
                     "[-]informer-sync failed: no turn for 90s\n[+]ping ok\nreadyz check failed\n");
    get("/readyz?exclude=x,informer-sync&verbose");
    cr_assert_str_eq(raw_http_body(&reply), "[+]informer-sync excluded: ok\n[+]ping ok\nreadyz check passed\n");
    teardown();
}
