/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/net/scripted_http.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/mem.h"

struct scripted_connection {
    struct scripted_server *server;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } io;
    uv_timer_t timer;
    struct buf in;
    char chunk[16384];
    const struct scripted_reply *reply; /* Being said; NULL: waiting for a request. */
    uint32_t sent;
    int handles_open;
    bool closing, said;
    struct scripted_connection *next;
};

static void serve_next(struct scripted_connection *conn);

static void connection_closed(uv_handle_t *handle) {
    struct scripted_connection *conn = handle->data;
    if (--conn->handles_open > 0)
        return;
    struct scripted_connection **link = &conn->server->connections;
    while (*link != conn)
        link = &(*link)->next;
    *link = conn->next;
    conn->server->open_count--;
    buf_release(&conn->in);
    mem_free(conn);
}

static void connection_close(struct scripted_connection *conn, bool reset) {
    if (conn->closing)
        return;
    conn->closing = true;
    uv_close((uv_handle_t *)&conn->timer, connection_closed);
    if (!reset || conn->io.handle.type != UV_TCP || uv_tcp_close_reset(&conn->io.tcp, connection_closed) != 0)
        uv_close(&conn->io.handle, connection_closed);
}

/* The reply has been said and has left: now its end. */
static void reply_end(struct scripted_connection *conn) {
    if (conn->closing || !conn->said || uv_stream_get_write_queue_size(&conn->io.stream) > 0)
        return;
    enum scripted_end end = conn->reply->end;
    if (end == SCRIPTED_HANG)
        return;
    conn->said = false;
    conn->reply = NULL;
    if (end == SCRIPTED_KEEP)
        serve_next(conn);
    else
        connection_close(conn, end == SCRIPTED_RESET);
}

static void on_written(uv_write_t *write, int status) {
    struct scripted_connection *conn = write->data;
    mem_free(write);
    if (status == 0)
        reply_end(conn);
    else
        connection_close(conn, false);
}

static void on_reply_due(uv_timer_t *timer) {
    struct scripted_connection *conn = timer->data;
    const struct scripted_reply *reply = conn->reply;
    conn->said = conn->sent++ >= reply->repeat;
    if (!conn->said)
        uv_timer_start(timer, on_reply_due, reply->interval_ms, 0);
    if (!reply->text) {
        reply_end(conn);
        return;
    }
    uv_write_t *write = mem_alloc(sizeof(*write));
    write->data = conn;
    uv_buf_t out = {.base = (char *)(uintptr_t)reply->text, .len = reply->size ? reply->size : strlen(reply->text)};
    if (uv_write(write, &conn->io.stream, &out, 1, on_written) != 0) {
        mem_free(write);
        connection_close(conn, false);
    }
}

/* Size of the first whole request in `in`, 0: not yet whole. Bodies have a Content-Length. */
static size_t request_size(const struct buf *in) {
    const char *text = buf_text(in), *end = strstr(text, "\r\n\r\n");
    if (!end)
        return 0;
    size_t head = (size_t)(end - text) + 4, body = 0;
    for (const char *line = text; line < end; line = strstr(line, "\r\n") + 2)
        if (strncasecmp(line, "content-length:", 15) == 0)
            (void)sscanf(line + 15, "%zu", &body);
    return in->size >= head + body ? head + body : 0;
}

static void serve_next(struct scripted_connection *conn) {
    struct scripted_server *server = conn->server;
    size_t size = conn->reply || conn->closing ? 0 : request_size(&conn->in);
    if (size == 0)
        return;
    ASSERT(server->request_count < SCRIPTED_REQUESTS_MAX);
    buf_append(&server->requests[server->request_count++], conn->in.data, size);
    buf_consume(&conn->in, size);
    conn->reply = server->script;
    if (server->script_count > 1) {
        server->script++;
        server->script_count--;
    }
    conn->sent = 0;
    uv_timer_start(&conn->timer, on_reply_due, conn->reply->delay_ms, 0);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret) {
    (void)suggested;
    struct scripted_connection *conn = handle->data;
    *ret = uv_buf_init(conn->chunk, sizeof(conn->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *chunk) {
    struct scripted_connection *conn = stream->data;
    if (size < 0) {
        connection_close(conn, false);
        return;
    }
    buf_append(&conn->in, chunk->base, (size_t)size);
    serve_next(conn);
}

static void stream_init(uv_loop_t *loop, uv_stream_t *stream, bool is_unix) {
    int status =
        is_unix ? uv_pipe_init(loop, (uv_pipe_t *)(void *)stream, 0) : uv_tcp_init(loop, (uv_tcp_t *)(void *)stream);
    ASSERT(status == 0);
}

static void on_connection(uv_stream_t *listener, int status) {
    struct scripted_server *server = listener->data;
    ASSERT(status == 0);
    struct scripted_connection *conn = mem_alloc(sizeof(*conn));
    conn->server = server;
    conn->handles_open = 2;
    stream_init(server->loop, &conn->io.stream, listener->type == UV_NAMED_PIPE);
    uv_timer_init(server->loop, &conn->timer);
    conn->io.handle.data = conn->timer.data = conn;
    conn->next = server->connections;
    server->connections = conn;
    server->connection_count++;
    server->open_count++;
    ASSERT(uv_accept(listener, &conn->io.stream) == 0);
    uv_read_start(&conn->io.stream, on_alloc, on_read);
}

void scripted_server_rescript(struct scripted_server *server, const struct scripted_reply *script, size_t count) {
    ASSERT(count > 0);
    server->script = script;
    server->script_count = count;
}

struct scripted_server *scripted_server_start(uv_loop_t *loop, const char *unix_path,
                                              const struct scripted_reply *script, size_t script_count) {
    struct scripted_server *server = mem_alloc(sizeof(*server));
    server->loop = loop;
    scripted_server_rescript(server, script, script_count);
    stream_init(loop, &server->listener.stream, unix_path != NULL);
    server->listener.stream.data = server;
    if (unix_path) {
        ASSERT(uv_pipe_bind(&server->listener.pipe, unix_path) == 0);
    } else {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int size = sizeof(address);
        ASSERT(uv_tcp_bind(&server->listener.tcp, (const struct sockaddr *)&address, 0) == 0);
        ASSERT(uv_tcp_getsockname(&server->listener.tcp, (struct sockaddr *)&address, &size) == 0);
        server->port = ntohs(address.sin_port);
    }
    (void)snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", server->port);
    ASSERT(uv_listen(&server->listener.stream, 128, on_connection) == 0);
    return server;
}

static void on_listener_closed(uv_handle_t *handle) {
    *(bool *)handle->data = true;
}

void scripted_server_stop(struct scripted_server *server) {
    bool is_closed = false;
    server->listener.stream.data = &is_closed;
    uv_close((uv_handle_t *)&server->listener.stream, on_listener_closed);
    for (struct scripted_connection *conn = server->connections; conn; conn = conn->next)
        connection_close(conn, false);
    while (!is_closed || server->open_count > 0)
        uv_run(server->loop, UV_RUN_ONCE);
    for (size_t i = 0; i < server->request_count; i++)
        buf_release(&server->requests[i]);
    mem_free(server);
}

static void on_limit(uv_timer_t *timer) {
    *(bool *)timer->data = true;
}

static void on_limit_closed(uv_handle_t *handle) {
    *(bool *)handle->data = false;
}

bool scripted_run_until(uv_loop_t *loop, const bool *flag, uint32_t limit_ms) {
    bool is_over = false;
    uv_timer_t limit;
    uv_timer_init(loop, &limit);
    limit.data = &is_over;
    uv_update_time(loop);
    uv_timer_start(&limit, on_limit, limit_ms, 0);
    while (!*flag && !is_over)
        uv_run(loop, UV_RUN_ONCE);
    bool is_open = true;
    limit.data = &is_open;
    uv_close((uv_handle_t *)&limit, on_limit_closed);
    while (is_open)
        uv_run(loop, UV_RUN_NOWAIT);
    return *flag;
}
