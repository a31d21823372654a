/*
 * What a peer or the way to it can do to a request: each fault is an error value of the right class and effect.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "tests/unit/net/harness.h"

#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static void open_default(void) {
    harness_open(NULL);
}

TestSuite(http_faults, .init = open_default, .fini = harness_close, .timeout = 60);

/* Two of them leave less than a third of what replies may take together. */
#define LARGE_COUNT 2
#define LARGE_SIZE ((size_t)30 << 20)
#define SMALL_SIZE ((size_t)4 << 20)

static struct probe a, b;

static void expect(const struct probe *probe, enum err_class class, enum err_effect effect) {
    cr_assert_eq(probe->request.error.class, class, "class %d: %s", (int)probe->request.error.class,
                 probe->request.error.message);
    cr_assert_eq(probe->request.error.effect, effect, "effect %d", (int)probe->request.error.effect);
    cr_assert_eq(probe->done_count, 1);
    cr_assert_gt(strlen(probe->request.error.message), 0);
}

Test(http_faults, a_refused_connection_had_no_effect) {
    SERVE({.text = OK_HELLO});
    char url[64];
    (void)snprintf(url, sizeof(url), "%s", server->url);
    scripted_server_stop(server); /* Its port is free again: nobody listens. */
    server = NULL;
    probe_init(&a);
    a.request.url = url;
    a.request.method = "POST";
    probe_run(&a);
    expect(&a, ERR_RETRYABLE, EFFECT_NONE);
    cr_expect(strstr(a.request.error.message, " after ") == NULL, "a text that is the same with each try: %s",
              a.request.error.message);
    probe_release(&a);
}

Test(http_faults, an_unknown_host_had_no_effect) {
    probe_init(&a);
    a.request.url = "http://nowhere.invalid/";
    probe_run(&a);
    expect(&a, ERR_RETRYABLE, EFFECT_NONE);
    probe_release(&a);
}

Test(http_faults, a_reset_after_the_request_left_may_have_had_one) {
    SERVE({.end = SCRIPTED_RESET});
    probe_init(&a);
    a.request.method = "POST";
    a.request.body = bytes_of("x");
    probe_run(&a);
    expect(&a, ERR_RETRYABLE, EFFECT_UNKNOWN);
    probe_release(&a);
}

Test(http_faults, a_mutation_on_a_kept_connection_that_breaks_is_never_sent_twice) {
    const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE"};
    const enum scripted_end ends[] = {SCRIPTED_RESET, SCRIPTED_CLOSE};
    for (size_t i = 0; i < ARRAY_LEN(methods) * ARRAY_LEN(ends); i++) {
        const struct scripted_reply script[] = {
            {.text = OK_HELLO}, {.end = ends[i % 2], .delay_ms = 20}, {.text = OK_HELLO}};
        server = scripted_server_start(&loop, NULL, script, 3);
        probe_init(&a);
        probe_run(&a);
        cr_assert_eq(a.request.status, 200);
        probe_init(&b);
        b.request.method = methods[i / 2];
        b.request.body = i / 2 == 3 ? (struct bytes){0} : bytes_of("x");
        probe_run(&b);
        expect(&b, ERR_RETRYABLE, EFFECT_UNKNOWN);
        cr_assert_eq(server->request_count, 2, "%s was repeated", methods[i / 2]);
        probe_release(&a);
        probe_release(&b);
        scripted_server_stop(server);
    }
    server = NULL;
}

Test(http_faults, a_cut_body_is_no_reply) {
    const char *const cuts[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"items\": [",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "not HTTP at all\r\n\r\n",
    };
    SERVE({.end = SCRIPTED_CLOSE});
    for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
        const struct scripted_reply reply = {.text = cuts[i], .end = SCRIPTED_CLOSE};
        scripted_server_rescript(server, &reply, 1);
        probe_init(&a);
        probe_run(&a);
        cr_assert_eq(a.request.error.class, ERR_RETRYABLE, "cut %zu: %s", i, a.request.error.message);
        cr_assert_eq(a.request.error.effect, EFFECT_UNKNOWN, "cut %zu", i);
        probe_release(&a);
    }
}

Test(http_faults, a_silent_peer_times_out_and_its_connection_is_left) {
    SERVE({.text = OK_HELLO}, {.end = SCRIPTED_HANG}, {.text = OK_HELLO});
    probe_init(&a);
    probe_run(&a);
    a.request.timeout_ms = 100;
    probe_run(&a);
    cr_assert_eq(a.request.error.class, ERR_RETRYABLE);
    cr_assert_eq(a.request.error.effect, EFFECT_UNKNOWN);
    cr_expect(strpbrk(a.request.error.message, "0123456789") == NULL, "a text that is the same with each try: %s",
              a.request.error.message);
    cr_assert_geq(a.request.duration_ns, UINT64_C(90000000));
    cr_assert_lt(a.request.duration_ns, UINT64_C(3000000000));
    probe_run(&a);
    cr_assert_eq(a.request.status, 200);
    cr_assert_eq(server->connection_count, 2);
    probe_release(&a);
}

Test(http_faults, a_half_open_stream_ends_when_it_has_been_silent_for_long) {
    SERVE({.text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", .end = SCRIPTED_HANG});
    probe_stream(&a);
    a.request.timeout_ms = 0;
    a.request.idle_timeout_ms = 150;
    probe_run(&a);
    expect(&a, ERR_RETRYABLE, EFFECT_UNKNOWN);
    cr_assert_str_eq(buf_text(&a.body), "abc");
    cr_assert_geq(a.request.duration_ns, UINT64_C(140000000));
    probe_release(&a);
}

Test(http_faults, a_stream_that_trickles_is_not_silent) {
    /* The head with its first chunk, five times over: the peer's later heads are chunk data to us only if well formed,
     * so the drip is a body without a length, ended by closing. */
    SERVE({.text = "HTTP/1.1 200 OK\r\n\r\n", .repeat = 8, .interval_ms = 60, .end = SCRIPTED_CLOSE});
    probe_stream(&a);
    a.request.timeout_ms = 0;
    a.request.idle_timeout_ms = 250;
    probe_run(&a);
    cr_assert_eq(a.request.error.class, ERR_NONE, "%s", a.request.error.message);
    cr_assert_geq(a.request.duration_ns, UINT64_C(400000000), "longer than the idle time-out");
    cr_assert_geq(a.pieces, 2);
    probe_release(&a);
}

Test(http_faults, a_reply_larger_than_allowed_is_refused) {
    SERVE({.text = OK_HELLO});
    probe_init(&a);
    a.request.reply_size_max = 4;
    probe_run(&a);
    cr_assert_eq(a.request.error.class, ERR_PERMANENT);
    cr_assert_leq(a.request.reply.size, 4);
    a.request.reply_size_max = 5;
    probe_run(&a);
    cr_assert_eq(a.request.error.class, ERR_NONE);
    probe_release(&a);
}

static void fill(struct buf *buf, size_t size) {
    char piece[4096];
    memset(piece, 'x', sizeof(piece));
    for (; size > 0; size -= sizeof(piece))
        buf_append(buf, piece, sizeof(piece));
}

static void large_arrived(uv_timer_t *timer) {
    bool *have_arrived = timer->data;
    *have_arrived = a.request.reply.size + b.request.reply.size >= LARGE_COUNT * LARGE_SIZE;
}

Test(http_faults, large_replies_share_their_room_and_small_ones_never_lack_it) {
    struct buf large = {0}, small = {0};
    buf_printf(&large, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", LARGE_SIZE + 1);
    buf_printf(&small, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", SMALL_SIZE);
    fill(&large, LARGE_SIZE);
    fill(&small, SMALL_SIZE);
    SERVE({.text = large.data, .size = large.size, .end = SCRIPTED_HANG},
          {.text = large.data, .size = large.size, .end = SCRIPTED_HANG}, {.text = large.data, .size = large.size},
          {.text = small.data, .size = small.size});
    struct probe *holders[LARGE_COUNT] = {&a, &b};
    for (size_t i = 0; i < LARGE_COUNT; i++) {
        probe_init(holders[i]);
        holders[i]->request.reply_size_max = 2 * LARGE_SIZE;
        probe_send(holders[i]);
    }
    bool have_arrived = false;
    uv_timer_t timer = {.data = &have_arrived};
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, large_arrived, 5, 5);
    cr_assert(scripted_run_until(&loop, &have_arrived, 10000));
    uv_close((uv_handle_t *)&timer, NULL);

    static struct probe late;
    probe_init(&late);
    late.request.reply_size_max = 2 * LARGE_SIZE;
    probe_run(&late);
    cr_expect_eq(late.request.error.class, ERR_RETRYABLE, "%s", late.request.error.message);
    cr_expect_eq(late.request.reply.capacity, 0, "nothing of it is kept");
    probe_release(&late);
    probe_init(&late);
    probe_run(&late);
    cr_expect_eq(late.request.error.class, ERR_NONE, "%s", late.request.error.message);
    probe_release(&late);
    for (size_t i = 0; i < LARGE_COUNT; i++) {
        http_cancel(&holders[i]->request);
        probe_wait(holders[i]);
        probe_release(holders[i]);
    }
    buf_release(&large);
    buf_release(&small);
}

Test(http_faults, endless_headers_are_refused) {
    struct buf reply = {0};
    buf_puts(&reply, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 40000; i++)
        buf_printf(&reply, "X-Filler-%d: abcdefgh\r\n", i);
    buf_puts(&reply, "Content-Length: 0\r\n\r\n");
    SERVE({.text = reply.data, .size = reply.size, .end = SCRIPTED_CLOSE});
    probe_init(&a);
    probe_run(&a);
    cr_assert_neq(a.request.error.class, ERR_NONE);
    probe_release(&a);
    scripted_server_stop(server);
    server = NULL;
    buf_release(&reply);
}

/* A gzip member of `size` zeros behind an HTTP head. */
static void gzip_reply(struct buf *out, size_t size) {
    static unsigned char zeros[65536], packed[65536];
    struct buf body = {0};
    z_stream z = {0};
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    int status = Z_OK;
    while (status != Z_STREAM_END) {
        z.next_in = zeros;
        z.avail_in = (uInt)(size < sizeof(zeros) ? size : sizeof(zeros));
        size -= z.avail_in;
        do {
            z.next_out = packed;
            z.avail_out = sizeof(packed);
            status = deflate(&z, size == 0 ? Z_FINISH : Z_NO_FLUSH);
            buf_append(&body, packed, sizeof(packed) - z.avail_out);
        } while (z.avail_out == 0);
    }
    deflateEnd(&z);
    buf_printf(out, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", body.size);
    buf_append(out, body.data, body.size);
    buf_release(&body);
}

Test(http_faults, the_size_limit_counts_after_decompression) {
    struct buf reply = {0};
    gzip_reply(&reply, (size_t)64 << 20);
    cr_assert_lt(reply.size, (size_t)100 << 10, "a bomb is small");
    SERVE({.text = reply.data, .size = reply.size});
    probe_init(&a);
    a.request.accept_gzip = true;
    probe_run(&a);
    expect(&a, ERR_PERMANENT, EFFECT_UNKNOWN);
    cr_assert_leq(a.request.reply.size, (size_t)16 << 20);
    cr_assert(strstr(buf_text(&server->requests[0]), "Accept-Encoding: gzip\r\n"));
    probe_release(&a);
    scripted_server_stop(server);
    server = NULL;
    buf_release(&reply);
}

Test(http_faults, gzip_is_undone_where_it_was_asked_for) {
    struct buf reply = {0};
    gzip_reply(&reply, 1000);
    SERVE({.text = reply.data, .size = reply.size});
    probe_init(&a);
    a.request.accept_gzip = true;
    probe_run(&a);
    cr_assert_eq(a.request.error.class, ERR_NONE, "%s", a.request.error.message);
    cr_assert_eq(a.request.reply.size, 1000);
    a.request.accept_gzip = false;
    probe_run(&a);
    cr_assert_lt(a.request.reply.size, 1000);
    cr_assert_not(strstr(buf_text(&server->requests[1]), "Accept-Encoding"));
    probe_release(&a);
    scripted_server_stop(server);
    server = NULL;
    buf_release(&reply);
}
