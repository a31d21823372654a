/*
 * One request a connection: each reply says "Connection: close", so that the order of requests is that of the script
 * and an end is told from a cut by the last chunk alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/support/http_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

struct http_script_connection {
    uv_tcp_t tcp;
    struct http_script *server;
    struct http_script_connection *next;
    struct buf request;
    bool is_answered;
    char input[16384];
};

struct http_script_write {
    uv_write_t request;
    struct buf bytes;
};

static void on_closed(uv_handle_t *handle) {
    struct http_script_connection *connection = handle->data;
    buf_release(&connection->request);
    mem_free(connection);
}

static void connection_close(struct http_script_connection *connection) {
    struct http_script_connection **link = &connection->server->connections;
    if (uv_is_closing((uv_handle_t *)&connection->tcp))
        return;
    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    if (connection->server->held == connection)
        connection->server->held = NULL;
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

static void on_written(uv_write_t *request, int status) {
    struct http_script_write *self = CONTAINER_OF(request, struct http_script_write, request);
    (void)status; /* The client may have gone: that is its right. */
    buf_release(&self->bytes);
    mem_free(self);
}

static void connection_write(struct http_script_connection *connection, struct buf *bytes) {
    struct http_script_write *self = mem_alloc(sizeof(*self));
    self->bytes = *bytes;
    *bytes = (struct buf){0};
    uv_buf_t piece = uv_buf_init(self->bytes.data, (unsigned)self->bytes.size);
    if (uv_write(&self->request, (uv_stream_t *)&connection->tcp, &piece, 1, on_written) != 0)
        on_written(&self->request, UV_ECANCELED);
}

static void write_chunk(struct http_script_connection *connection, const char *text) {
    struct buf bytes = {0};
    buf_printf(&bytes, "%zx\r\n%s\r\n", strlen(text), text);
    connection_write(connection, &bytes);
}

static void on_shut(uv_shutdown_t *request, int status) {
    (void)status;
    struct http_script_connection *connection = request->data;
    connection_close(connection);
    mem_free(request);
}

static void connection_end(struct http_script_connection *connection, enum http_script_end end) {
    if (end == HTTP_SCRIPT_HOLD) {
        connection->server->held = connection;
        return;
    }
    if (connection->server->held == connection)
        connection->server->held = NULL;
    if (end == HTTP_SCRIPT_END) {
        struct buf bytes = {0};
        buf_puts(&bytes, "0\r\n\r\n");
        connection_write(connection, &bytes);
    }
    /* Sends what is queued before it closes. */
    uv_shutdown_t *request = mem_alloc(sizeof(*request));
    request->data = connection;
    if (uv_shutdown(request, (uv_stream_t *)&connection->tcp, on_shut) != 0)
        on_shut(request, UV_ENOTCONN);
}

struct parsed_request {
    const char *method, *target, *headers, *body; /* method or target NULL: no HTTP. */
};

static bool fits(const struct http_script_step *step, const struct parsed_request *request) {
    const char *target = request->target;
    return str_eq(request->method, step->method ? step->method : "GET") && strstr(target, step->target) &&
           (!step->target2 || strstr(target, step->target2)) && (!step->lacks || !strstr(target, step->lacks)) &&
           (!step->head_has || strstr(request->headers, step->head_has)) &&
           (!step->body_has || strstr(request->body, step->body_has));
}

static void answer(struct http_script_connection *connection, const struct http_script_step *step) {
    struct buf head = {0};
    buf_printf(&head, "HTTP/1.1 %d Scripted\r\nContent-Type: application/json\r\nConnection: close\r\n",
               step->status ? step->status : 200);
    if (step->header)
        buf_printf(&head, "%s\r\n", step->header);
    buf_puts(&head, "Transfer-Encoding: chunked\r\n\r\n");
    connection_write(connection, &head);
    for (size_t i = 0; i < ARRAY_LEN(step->pieces) && step->pieces[i]; i++)
        write_chunk(connection, step->pieces[i]);
    connection_end(connection, step->end);
}

/* NULL: the request does not fit the script. Moves past a repeating step when the next one fits. */
static const struct http_script_step *current_step(struct http_script *server, const struct parsed_request *request) {
    const struct http_script_step *steps = server->steps;
    size_t at = server->step_index;
    if (!request->method || !request->target || at == server->step_count)
        return NULL;
    if (steps[at].repeats && at + 1 < server->step_count && fits(&steps[at + 1], request))
        at = ++server->step_index;
    return fits(&steps[at], request) ? &steps[at] : NULL;
}

static void take_request(struct http_script_connection *connection, char *head, const char *body) {
    static const struct http_script_step off_script = {.target = "", .status = 599, .pieces = {"{}"}};
    struct http_script *server = connection->server;
    char *save = NULL;
    struct parsed_request request = {.method = strtok_r(head, " ", &save), .body = body};
    request.target = strtok_r(NULL, " ", &save);
    request.headers = save ? save : "";
    connection->is_answered = true;
    buf_clear(&server->last_body);
    buf_puts(&server->last_body, body);
    const struct http_script_step *step = current_step(server, &request);
    if (step) {
        server->step_index += !step->repeats;
        answer(connection, step);
        return;
    }
    if (!*server->complaint)
        snprintf(server->complaint, sizeof(server->complaint), "request %zu: %s %s %.150s, but the script says %s",
                 server->step_index, request.method, request.target, body,
                 server->step_index < server->step_count ? server->steps[server->step_index].target
                                                         : "that it is over");
    answer(connection, &off_script);
}

static size_t content_length(const char *head) {
    const char *at = strcasestr(head, "\r\ncontent-length:");
    return at ? strtoul(at + 17, NULL, 10) : 0;
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *input) {
    struct http_script_connection *connection = stream->data;
    if (size < 0) {
        connection_close(connection);
        return;
    }
    buf_append(&connection->request, input->base, (size_t)size);
    char *end = connection->request.data ? strstr(connection->request.data, "\r\n\r\n") : NULL;
    if (!end || connection->is_answered)
        return;
    size_t head_size = (size_t)(end - connection->request.data) + 4;
    end[2] = '\0';
    size_t body_size = content_length(connection->request.data);
    end[2] = '\r';
    if (connection->request.size < head_size + body_size)
        return;
    end[2] = '\0'; /* The last line keeps its end. */
    take_request(connection, connection->request.data, connection->request.data + head_size);
}

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *ret) {
    (void)hint;
    struct http_script_connection *connection = handle->data;
    *ret = uv_buf_init(connection->input, sizeof(connection->input));
}

static void on_connection(uv_stream_t *listener, int status) {
    struct http_script *server = listener->data;
    ASSERT(status == 0);
    struct http_script_connection *connection = mem_alloc(sizeof(*connection));
    uv_tcp_init(server->loop, &connection->tcp);
    connection->tcp.data = connection;
    connection->server = server;
    connection->next = server->connections;
    server->connections = connection;
    ASSERT(uv_accept(listener, (uv_stream_t *)&connection->tcp) == 0);
    uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read);
}

void http_script_open(struct http_script *server, uv_loop_t *loop, const struct http_script_step *steps, size_t count) {
    struct sockaddr_in address;
    int size = sizeof(address);
    *server = (struct http_script){.loop = loop, .steps = steps, .step_count = count};
    uv_tcp_init(loop, &server->listener);
    server->listener.data = server;
    uv_ip4_addr("127.0.0.1", 0, &address);
    ASSERT(uv_tcp_bind(&server->listener, (const struct sockaddr *)&address, 0) == 0);
    ASSERT(uv_listen((uv_stream_t *)&server->listener, 16, on_connection) == 0);
    ASSERT(uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size) == 0);
    server->port = ntohs(address.sin_port);
}

void http_script_close(struct http_script *server) {
    uv_close((uv_handle_t *)&server->listener, NULL);
    while (server->connections)
        connection_close(server->connections);
}

void http_script_release(struct http_script *server) {
    buf_release(&server->last_body);
}

void http_script_push(struct http_script *server, const char *text) {
    ASSERT(server->held);
    write_chunk(server->held, text);
}

void http_script_end(struct http_script *server, enum http_script_end end) {
    ASSERT(server->held && end != HTTP_SCRIPT_HOLD);
    connection_end(server->held, end);
}
