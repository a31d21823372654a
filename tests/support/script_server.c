/*
 * The server's connections: read until a request is whole, answer, go on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/support/script_server.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

struct script_connection {
    uv_tcp_t tcp;
    struct script_server *server;
    struct buf input;
    char space[4096];
    struct script_connection *next;
};

static void on_closed(uv_handle_t *handle) {
    struct script_connection *connection = handle->data;
    buf_release(&connection->input);
    mem_free(connection);
}

static void drop(struct script_connection *connection) {
    struct script_connection **at = &connection->server->connections;
    while (*at != NULL && *at != connection)
        at = &(*at)->next;
    if (*at != NULL)
        *at = connection->next;
    if (!uv_is_closing((uv_handle_t *)&connection->tcp))
        uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

struct pending_write {
    uv_write_t write;
    struct script_connection *connection;
    bool then_close;
    char *text; /* Its own; NULL: the script's. */
};

static void on_written(uv_write_t *write, int status) {
    struct pending_write *pending = CONTAINER_OF(write, struct pending_write, write);
    if (pending->then_close && status != UV_ECANCELED)
        drop(pending->connection);
    mem_free(pending->text);
    mem_free(pending);
}

static void answer_endless(struct script_connection *connection) {
    struct script_server *server = connection->server;
    char *body = server->endless(server->endless_count++);
    struct pending_write *pending = mem_alloc(sizeof(*pending));
    pending->connection = connection;
    pending->text = mem_printf("HTTP/1.1 200 Scripted\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    mem_free(body);
    uv_buf_t out = uv_buf_init(pending->text, (unsigned int)strlen(pending->text));
    uv_write(&pending->write, (uv_stream_t *)&connection->tcp, &out, 1, on_written);
}

static void answer(struct script_connection *connection) {
    struct script_server *server = connection->server;
    if (server->step_at == server->step_count && server->endless != NULL)
        answer_endless(connection);
    if (server->step_at == server->step_count)
        return; /* Beyond the script: silence, so that the test's own limit shows it. */
    size_t step = server->step_at++;
    if (server->steps[step] == NULL)
        return;
    struct pending_write *pending = mem_alloc(sizeof(*pending));
    pending->connection = connection;
    pending->then_close = server->step_closes[step];
    uv_buf_t out = uv_buf_init(server->steps[step], (unsigned int)strlen(server->steps[step]));
    uv_write(&pending->write, (uv_stream_t *)&connection->tcp, &out, 1, on_written);
}

/* The size of the first whole request in the input; 0: not yet. */
static size_t whole_size(const struct buf *input) {
    const char *text = buf_text(input), *end = strstr(text, "\r\n\r\n");
    if (end == NULL)
        return 0;
    const char *length = strcasestr(text, "\r\ncontent-length:");
    size_t body = length != NULL && length < end ? strtoul(length + strlen("\r\ncontent-length:"), NULL, 10) : 0;
    size_t size = (size_t)(end - text) + 4 + body;
    return input->size >= size ? size : 0;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *chunk) {
    struct script_connection *connection = stream->data;
    if (count < 0) {
        drop(connection);
        return;
    }
    buf_append(&connection->input, chunk->base, (size_t)count);
    for (size_t size; (size = whole_size(&connection->input)) > 0;) {
        struct script_server *server = connection->server;
        ASSERT(server->request_count < SCRIPT_STEPS_MAX || server->endless != NULL);
        if (server->request_count < SCRIPT_STEPS_MAX)
            server->requests[server->request_count++] = mem_strndup(connection->input.data, size);
        buf_consume(&connection->input, size);
        answer(connection);
    }
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *ret) {
    (void)wanted;
    struct script_connection *connection = handle->data;
    *ret = uv_buf_init(connection->space, sizeof(connection->space));
}

static void on_connection(uv_stream_t *listener, int status) {
    ASSERT(status == 0);
    struct script_server *server = listener->data;
    struct script_connection *connection = mem_alloc(sizeof(*connection));
    connection->server = server;
    connection->next = server->connections;
    server->connections = connection;
    uv_tcp_init(listener->loop, &connection->tcp);
    connection->tcp.data = connection;
    ASSERT(uv_accept(listener, (uv_stream_t *)&connection->tcp) == 0);
    uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read);
}

void script_server_start(struct script_server *server, uv_loop_t *loop) {
    *server = (struct script_server){0};
    struct sockaddr_in address;
    int size = sizeof(address);
    ASSERT(uv_ip4_addr("127.0.0.1", 0, &address) == 0);
    uv_tcp_init(loop, &server->listener);
    server->listener.data = server;
    ASSERT(uv_tcp_bind(&server->listener, (const struct sockaddr *)&address, 0) == 0);
    ASSERT(uv_listen((uv_stream_t *)&server->listener, 16, on_connection) == 0);
    ASSERT(uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size) == 0);
    server->port = ntohs(address.sin_port);
}

void script_server_stop(struct script_server *server) {
    uv_close((uv_handle_t *)&server->listener, NULL);
    while (server->connections != NULL)
        drop(server->connections);
}

void script_server_release(struct script_server *server) {
    for (size_t i = 0; i < server->step_count; i++)
        mem_free(server->steps[i]);
    for (size_t i = 0; i < server->request_count; i++)
        mem_free(server->requests[i]);
}

static void push(struct script_server *server, char *raw, bool closes) {
    ASSERT(server->step_count < SCRIPT_STEPS_MAX);
    server->step_closes[server->step_count] = closes;
    server->steps[server->step_count++] = raw;
}

void script_reply(struct script_server *server, int status, const char *extra_headers, const char *body) {
    push(server,
         mem_printf("HTTP/1.1 %d Scripted\r\n%sContent-Length: %zu\r\n\r\n%s", status, extra_headers, strlen(body),
                    body),
         false);
}

void script_raw(struct script_server *server, const char *raw) {
    push(server, mem_strdup(raw), true);
}

void script_silence(struct script_server *server) {
    push(server, NULL, false);
}

const char *script_request(const struct script_server *server, size_t index) {
    return index < server->request_count ? server->requests[index] : "";
}
