/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/net/harness.h"

#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static void open_default(void) {
    harness_open(NULL);
}

TestSuite(http, .init = open_default, .fini = harness_close, .timeout = 60);

static struct probe a, b;

Test(http, reads_the_status_the_headers_and_the_body) {
    SERVE({.text = "HTTP/1.1 203 Fine\r\nContent-Type: text/x\r\nETag: \"e1\"\r\nX-Amzn-RequestId:  id-7 \r\n"
                   "Date: Tue, 24 Nov 2026 10:00:00 GMT\r\nContent-Length: 5\r\n\r\nhello"});
    probe_init(&a);
    probe_run(&a);
    cr_assert_eq(a.request.error.class, ERR_NONE);
    cr_assert_eq(a.request.status, 203);
    cr_assert_str_eq(buf_text(&a.request.reply), "hello");
    cr_assert_str_eq(a.request.content_type, "text/x");
    cr_assert_str_eq(a.request.etag, "\"e1\"");
    cr_assert_str_eq(a.request.request_id, "id-7");
    cr_assert_eq(a.request.request_id_size, 4);
    cr_assert_str_eq(a.request.date, "Tue, 24 Nov 2026 10:00:00 GMT");
    cr_assert_eq(http_date_ms(&a.request), INT64_C(1795514400000));
    cr_assert_gt(a.request.duration_ns, 0);
    probe_release(&a);
}

Test(http, sends_what_was_asked_and_nothing_that_curl_guesses) {
    SERVE({.text = OK_HELLO});
    const struct {
        const char *method, *body;
        const char *wanted, *unwanted;
    } rows[] = {
        {"GET", "", "GET /p HTTP/1.1\r\n", "Content-Length"},
        {"POST", "abc", "\r\nContent-Length: 3\r\n", "Content-Type"},
        {"POST", "", "\r\nContent-Length: 0\r\n", "Content-Type"},
        {"PATCH", "x=1", "PATCH /p HTTP/1.1\r\n", "Expect"},
        {"DELETE", "", "DELETE /p HTTP/1.1\r\n", "Content-Length"},
        {"DELETE", "{}", "\r\n\r\n{}", "Expect"},
        {"PUT", "abc", "PUT /p HTTP/1.1\r\n", "Content-Type"},
    };
    char url[96];
    (void)snprintf(url, sizeof(url), "%s/p", server->url);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        probe_init(&a);
        a.request.url = url;
        a.request.method = rows[i].method;
        a.request.body = bytes_of(rows[i].body);
        a.request.headers[0] = "X-Mine: 1";
        probe_run(&a);
        const char *sent = buf_text(&server->requests[server->request_count - 1]);
        cr_assert_eq(a.request.status, 200, "row %zu", i);
        cr_assert(strstr(sent, rows[i].wanted), "row %zu: %s", i, sent);
        cr_assert_not(strstr(sent, rows[i].unwanted), "row %zu: %s", i, sent);
        cr_assert(strstr(sent, "X-Mine: 1\r\n"), "row %zu: %s", i, sent);
        cr_assert(strstr(sent, "User-Agent: trimtab/"), "row %zu: %s", i, sent);
        probe_release(&a);
    }
}

Test(http, head_has_no_body) {
    SERVE({.text = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"});
    probe_init(&a);
    a.request.method = "HEAD";
    probe_run(&a);
    cr_assert_eq(a.request.error.class, ERR_NONE, "%s", a.request.error.message);
    cr_assert_eq(a.request.reply.size, 0);
    probe_release(&a);
}

Test(http, refuses_unusable_requests_later_and_once) {
    const struct {
        const char *method, *url, *header;
    } rows[] = {
        {"GET", "ftp://127.0.0.1/", "A: b"},
        {"GET", "file:///etc/passwd", "A: b"},
        {"GET", "http://[::1/", "A: b"},
        {"GET", "", "A: b"},
        {"GET", NULL, "A: b"},
        {"GET", "http://127.0.0.1/a b", "A: b"},
        {"G ET", "http://127.0.0.1/", "A: b"},
        {"GET", "http://127.0.0.1/", "A: b\r\nHost: evil"},
        {"GET", "http://127.0.0.1/", "no colon"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        probe_init(&a);
        a.request.method = rows[i].method;
        a.request.url = rows[i].url;
        a.request.headers[0] = rows[i].header;
        probe_run(&a);
        cr_assert_eq(a.request.error.class, ERR_PERMANENT, "row %zu: %s", i, a.request.error.message);
        cr_assert_eq(a.request.error.effect, EFFECT_NONE, "row %zu", i);
        cr_assert_eq(a.done_count, 1, "row %zu", i);
        probe_release(&a);
    }
}

Test(http, follows_no_redirect) {
    SERVE({.text = "HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n"});
    probe_init(&a);
    probe_run(&a);
    cr_assert_eq(a.request.status, 302);
    cr_assert_eq(server->request_count, 1);
    probe_release(&a);
}

Test(http, forgets_what_an_interim_reply_said) {
    SERVE({.text = "HTTP/1.1 103 Early Hints\r\nETag: \"early\"\r\n\r\n" OK_HELLO});
    probe_init(&a);
    probe_run(&a);
    cr_assert_eq(a.request.status, 200);
    cr_assert_str_eq(a.request.etag, "");
    cr_assert_str_eq(buf_text(&a.request.reply), "hello");
    probe_release(&a);
}

Test(http, reads_retry_after_in_both_forms) {
    const struct {
        const char *head;
        uint32_t wanted_ms;
    } rows[] = {
        {"Retry-After: 7", 7000},
        {"Retry-After: 0", 0},
        {"Retry-After: -5", 0},
        {"Retry-After: soon", 0},
        {"Retry-After: 999999999", 24u * 3600 * 1000},
        {"Date: Tue, 24 Nov 2026 10:00:00 GMT\r\nRetry-After: Tue, 24 Nov 2026 10:00:30 GMT", 30000},
        {"Date: Tue, 24 Nov 2026 10:00:00 GMT\r\nRetry-After: Tue, 24 Nov 2026 09:00:00 GMT", 0},
    };
    SERVE({.end = SCRIPTED_CLOSE});
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *reply = mem_printf("HTTP/1.1 429 Slow\r\n%s\r\nContent-Length: 2\r\n\r\nno", rows[i].head);
        scripted_server_rescript(server, &(const struct scripted_reply){.text = reply}, 1);
        probe_init(&a);
        probe_run(&a);
        cr_assert_eq(a.request.error.class, ERR_NONE, "an answer is no transport error");
        cr_assert_eq(a.request.status, 429);
        cr_assert_eq(a.request.retry_after_ms, rows[i].wanted_ms, "row %zu: %u", i, a.request.retry_after_ms);
        probe_release(&a);
        mem_free(reply);
    }
}

Test(http, finds_the_next_link) {
    const struct {
        const char *link, *wanted;
    } rows[] = {
        {"<https://a/?p=1>; rel=\"prev\", <https://a/?p=3,4>; rel=\"next\"", "https://a/?p=3,4"},
        {"<https://a/2>; title=\"x\"; rel=next", "https://a/2"},
        {"<https://a/2>; rel=\"last\"", ""},
        {"<https://a/2", ""},
        {"https://a/2; rel=next", ""},
    };
    SERVE({.end = SCRIPTED_CLOSE});
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *reply = mem_printf("HTTP/1.1 200 OK\r\nLink: %s\r\nContent-Length: 0\r\n\r\n", rows[i].link);
        scripted_server_rescript(server, &(const struct scripted_reply){.text = reply}, 1);
        probe_init(&a);
        probe_run(&a);
        cr_assert_str_eq(a.request.next_link, rows[i].wanted, "row %zu", i);
        probe_release(&a);
        mem_free(reply);
    }
}

Test(http, streams_a_body_in_pieces_and_collects_that_of_a_failure) {
    SERVE({.text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"},
          {.text = "HTTP/1.1 410 Gone\r\nContent-Length: 4\r\n\r\ngone"});
    probe_stream(&a);
    probe_run(&a);
    cr_assert_str_eq(buf_text(&a.body), "abcde");
    cr_assert_eq(a.request.reply.size, 0);
    probe_release(&a);
    probe_stream(&b);
    probe_run(&b);
    cr_assert_eq(b.request.status, 410);
    cr_assert_eq(b.pieces, 0);
    cr_assert_str_eq(buf_text(&b.request.reply), "gone");
    probe_release(&b);
}

Test(http, a_stream_that_its_reader_stops_ends_as_cancelled) {
    SERVE({.text = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", .end = SCRIPTED_HANG});
    probe_stream(&a);
    a.stop_after = 1;
    probe_run(&a);
    cr_assert_eq(a.request.error.class, ERR_CANCELLED);
    cr_assert_eq(a.done_count, 1);
    probe_release(&a);
}

Test(http, cancel_from_inside_on_data_is_safe_for_itself_and_for_others) {
    SERVE({.end = SCRIPTED_HANG}, {.text = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", .end = SCRIPTED_HANG});
    probe_init(&b);
    probe_send(&b);
    bool never = false;
    scripted_run_until(&loop, &never, 50);
    cr_assert_eq(server->request_count, 1);
    probe_stream(&a);
    a.cancel_inside = &b.request;
    probe_send(&a);
    probe_wait(&b);
    cr_assert_eq(b.request.error.class, ERR_CANCELLED);
    cr_assert_not(a.is_done);
    http_cancel(&a.request);
    http_cancel(&a.request);
    cr_assert_not(a.is_done, "done must not run inside http_cancel");
    probe_wait(&a);
    cr_assert_eq(a.request.error.class, ERR_CANCELLED);
    cr_assert_eq(a.done_count + b.done_count, 2);
    scripted_server_rescript(server,
                             &(const struct scripted_reply){.text = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
                                                            .end = SCRIPTED_HANG},
                             1);
    a.cancel_inside = &a.request;
    probe_run(&a);
    cr_assert_eq(a.request.error.class, ERR_CANCELLED);
    cr_assert_eq(a.done_count, 2);
    probe_release(&a);
    probe_release(&b);
}

Test(http, a_request_cancelled_before_it_left_had_no_effect) {
    SERVE({.text = OK_HELLO});
    probe_init(&a);
    a.request.method = "POST";
    probe_send(&a);
    http_cancel(&a.request);
    probe_wait(&a);
    cr_assert_eq(a.request.error.class, ERR_CANCELLED);
    cr_assert_eq(a.request.error.effect, EFFECT_NONE);
    cr_assert_eq(server->request_count, 0);
    probe_release(&a);
}

Test(http, a_request_cancelled_in_flight_may_have_had_one) {
    SERVE({.end = SCRIPTED_HANG});
    probe_init(&a);
    a.request.method = "POST";
    a.request.body = bytes_of("x");
    probe_send(&a);
    bool never = false;
    scripted_run_until(&loop, &never, 50);
    cr_assert_eq(server->request_count, 1);
    http_cancel(&a.request);
    probe_wait(&a);
    cr_assert_eq(a.request.error.effect, EFFECT_UNKNOWN);
    http_cancel(&a.request); /* Not in flight: nothing happens. */
    cr_assert_eq(a.done_count, 1);
    probe_release(&a);
}

Test(http, done_may_send_again_and_reuse_the_request) {
    SERVE({.text = OK_HELLO});
    probe_init(&a);
    a.send_in_done = &a.request;
    probe_send(&a);
    while (a.done_count < 5)
        uv_run(&loop, UV_RUN_ONCE);
    a.send_in_done = NULL;
    a.is_done = false;
    probe_wait(&a);
    cr_assert_eq(a.done_count, 6);
    cr_assert_eq(server->connection_count, 1, "the connection is kept");
    cr_assert_eq(a.request.reply.size, 5, "the reply does not pile up");
    probe_release(&a);
}

Test(http, forgotten_connections_are_not_used_again) {
    SERVE({.text = OK_HELLO});
    probe_init(&a);
    probe_run(&a);
    probe_run(&a);
    cr_assert_eq(server->connection_count, 1);
    http_forget_connections(http);
    probe_run(&a);
    cr_assert_eq(server->connection_count, 2);
    bool never = false;
    scripted_run_until(&loop, &never, 30);
    cr_assert_eq(server->open_count, 1, "the old one is closed when idle");
    probe_release(&a);
}

Test(http, a_request_in_flight_survives_forgetting) {
    SERVE({.text = OK_HELLO, .delay_ms = 60}, {.text = OK_HELLO});
    probe_init(&a);
    probe_send(&a);
    bool never = false;
    scripted_run_until(&loop, &never, 20);
    http_forget_connections(http);
    probe_init(&b);
    probe_run(&b);
    probe_wait(&a);
    cr_assert_eq(a.request.error.class, ERR_NONE);
    cr_assert_eq(b.request.error.class, ERR_NONE);
    cr_assert_eq(server->connection_count, 2);
    probe_release(&a);
    probe_release(&b);
}

Test(http, hundreds_at_once_share_few_connections) {
    static struct probe many[400];
    SERVE({.text = OK_HELLO});
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        probe_init(&many[i]);
        probe_send(&many[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        probe_wait(&many[i]);
        cr_assert_eq(many[i].request.error.class, ERR_NONE, "%s", many[i].request.error.message);
    }
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        cr_assert_eq(many[i].done_count, 1);
        probe_release(&many[i]);
    }
    cr_assert_leq(server->connection_count, 8);
    cr_assert_eq(server->request_count, 400);
}

Test(http, streams_do_not_take_the_places_of_requests) {
    static struct probe streams[12];
    SERVE({.text = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", .end = SCRIPTED_HANG});
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        probe_stream(&streams[i]);
        probe_send(&streams[i]);
    }
    bool never = false;
    for (int i = 0; i < 100 && server->request_count < ARRAY_LEN(streams); i++)
        scripted_run_until(&loop, &never, 20);
    cr_assert_eq(server->connection_count, ARRAY_LEN(streams), "each has a connection");
    scripted_server_rescript(server, &(const struct scripted_reply){.text = OK_HELLO}, 1);
    probe_init(&a);
    probe_run(&a);
    cr_assert_eq(a.request.status, 200, "%s", a.request.error.message);
    probe_release(&a);
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        http_cancel(&streams[i].request);
        probe_wait(&streams[i]);
        probe_release(&streams[i]);
    }
}

Test(http, speaks_over_a_unix_socket) {
    char path[64];
    (void)snprintf(path, sizeof(path), "/tmp/trimtab-net-%d.sock", (int)getpid());
    server = scripted_server_start(&loop, path, &(const struct scripted_reply){.text = OK_HELLO}, 1);
    probe_init(&a);
    a.request.url = "http://localhost/x";
    a.request.unix_socket = path;
    probe_run(&a);
    cr_assert_eq(a.request.status, 200, "%s", a.request.error.message);
    cr_assert(strstr(buf_text(&server->requests[0]), "GET /x HTTP/1.1\r\nHost: localhost\r\n"));
    probe_release(&a);
}

static int closed_count;
static void count_closed(void *ctx) {
    (void)ctx;
    cr_assert(a.is_done && b.is_done, "closed must come last");
    closed_count++;
}

Test(http, close_cancels_what_is_in_flight_and_what_comes_after) {
    SERVE({.text = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", .end = SCRIPTED_HANG});
    probe_init(&a);
    probe_init(&b);
    a.send_in_done = &b.request; /* A caller that repeats at once, unaware of the closing. */
    probe_send(&a);
    bool never = false;
    scripted_run_until(&loop, &never, 50);
    cr_assert_eq(server->request_count, 1);
    http_close(http, count_closed, NULL);
    cr_assert_eq(a.done_count + closed_count, 0);
    probe_wait(&b);
    cr_assert_eq(a.request.error.class, ERR_CANCELLED);
    cr_assert_eq(b.request.error.class, ERR_CANCELLED);
    for (int i = 0; i < 100 && closed_count == 0; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    cr_assert_eq(closed_count, 1);
    cr_assert_eq(server->request_count, 1);
    http_free(http);
    http = NULL;
    probe_release(&a);
    probe_release(&b);
}

Test(http, escapes_all_but_plain_bytes) {
    struct buf out = {0};
    http_append_escaped(&out, "aZ0-._~/ä=%", NULL);
    cr_assert_str_eq(buf_text(&out), "aZ0-._~%2F%C3%A4%3D%25");
    buf_clear(&out);
    http_append_escaped(&out, "a/b c", "/");
    cr_assert_str_eq(buf_text(&out), "a/b%20c");
    buf_release(&out);
}
