/*
 * libmicrohttpd without threads: it keeps its sockets in an epoll set of its own, whose descriptor the libuv loop
 * polls; a uv_timer stands for MHD's next time-out. Whenever one of the two fires, MHD_run does what is ready.
 *
 *     uv_poll(epoll fd), uv_timer  ->  MHD_run  ->  on_request (body collected)  ->  route->handle  ->  reply queued
 *
 * Bounds: CONNECTIONS_MAX, HEADER_MEMORY a connection, BODY_SIZE_MAX, IDLE_TIMEOUT_S.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/server.h"

#include <microhttpd.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "serve/server_internal.h"

#define CONNECTIONS_MAX 128u
#define HEADER_MEMORY ((size_t)32 << 10)
#define BODY_SIZE_MAX ((size_t)3 << 20)
#define IDLE_TIMEOUT_S 30u

struct server {
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    const struct server_route *routes;
    void *ctx;
    char *unix_socket; /* Removed at the end; NULL. */
    uint16_t port;
    unsigned open_handles;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

struct exchange { /* One request, from its head to its end. */
    struct buf body;
    bool is_too_large;
};

/* ---- one request ---- */

static const char *lookup(const struct server_request *request, enum MHD_ValueKind kind, const char *key) {
    const char *value = NULL;
    if (MHD_lookup_connection_value_n(request->impl, kind, key, strlen(key), &value, NULL) != MHD_YES)
        return NULL;
    return value ? value : "";
}

static const char *request_query(const struct server_request *request, const char *key) {
    return lookup(request, MHD_GET_ARGUMENT_KIND, key);
}

static const char *request_header(const struct server_request *request, const char *name) {
    return lookup(request, MHD_HEADER_KIND, name);
}

static const struct server_route *route_find(const struct server_route *routes, const char *path) {
    for (const struct server_route *route = routes; route->path; route++) {
        bool is_prefix = str_has_suffix(route->path, "/");
        if (is_prefix ? str_has_prefix(path, route->path) : str_eq(path, route->path))
            return route;
    }
    return NULL;
}

static void date_add(struct MHD_Response *response, int64_t date_ms) {
    time_t seconds = (time_t)(date_ms / 1000);
    struct tm utc;
    char text[64];
    if (date_ms > 0 && gmtime_r(&seconds, &utc) && strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &utc) > 0)
        MHD_add_response_header(response, MHD_HTTP_HEADER_DATE, text);
}

static enum MHD_Result reply_send(struct MHD_Connection *connection, struct server_reply *reply) {
    size_t size = reply->body.size;
    char *data = buf_take(&reply->body);
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback(size, data, mem_free);
    if (!response) {
        mem_free(data);
        return MHD_NO; /* Closes the connection. */
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    date_add(response, reply->date_ms);
    enum MHD_Result result = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result reply_plain(struct MHD_Connection *connection, unsigned status, const char *text) {
    struct server_reply reply = {.status = status, .content_type = "text/plain; charset=utf-8"};
    buf_puts(&reply.body, text);
    return reply_send(connection, &reply);
}

static enum MHD_Result request_answer(struct server *server, struct MHD_Connection *connection, const char *path,
                                      const char *method, const struct exchange *exchange) {
    if (exchange->is_too_large)
        return reply_plain(connection, 413, "the request's body is too large\n");
    const struct server_route *route = route_find(server->routes, path);
    if (!route)
        return reply_plain(connection, 404, "404 page not found\n");
    const struct server_request request = {
        .method = str_eq(method, "HEAD") ? "GET" : method, /* MHD leaves out the body by itself. */
        .path = path,
        .query = request_query,
        .header = request_header,
        .body = buf_bytes(&exchange->body),
        .impl = connection,
    };
    struct server_reply reply = {.status = 200, .content_type = "application/json"};
    route->handle(server->ctx, &request, &reply);
    return reply_send(connection, &reply);
}

/* MHD calls this once when the head is complete, once for each piece of the body, and once at its end. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *data, size_t *data_size, void **state) {
    (void)version;
    struct exchange *exchange = *state;
    if (!exchange) {
        *state = mem_alloc(sizeof(*exchange));
        return MHD_YES;
    }
    if (*data_size == 0)
        return request_answer(cls, connection, path, method, exchange);
    if (exchange->body.size + *data_size > BODY_SIZE_MAX)
        exchange->is_too_large = true; /* The rest is read and dropped, so that the client gets to see the answer. */
    if (!exchange->is_too_large)
        buf_append(&exchange->body, data, *data_size);
    *data_size = 0;
    return MHD_YES;
}

static void on_request_end(void *cls, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode code) {
    (void)cls, (void)connection, (void)code;
    struct exchange *exchange = *state;
    if (exchange) {
        buf_release(&exchange->body);
        mem_free(exchange);
    }
    *state = NULL;
}

static void on_mhd_log(void *cls, const char *format, va_list args) {
    (void)cls;
    struct buf text = {0};
    buf_vprintf(&text, format, args);
    log_debug("http server", LOG_STR("message", buf_text(&text)));
    buf_release(&text);
}

/* ---- the loop ---- */

static void server_run(struct server *server);

static void on_timer(uv_timer_t *timer) {
    server_run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    server_run(poll->data);
}

static void server_run(struct server *server) {
    MHD_run(server->daemon);
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES)
        uv_timer_start(&server->timer, on_timer, timeout_ms, 0);
    else
        uv_timer_stop(&server->timer);
}

static struct MHD_Daemon *daemon_start(struct server *server, int fd) {
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, server,
                            MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
                            MHD_OPTION_NOTIFY_COMPLETED, on_request_end, NULL, MHD_OPTION_CONNECTION_LIMIT,
                            CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADER_MEMORY,
                            MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S, MHD_OPTION_END);
}

enum err_class server_start(uv_loop_t *loop, const struct server_options *options, struct server **ret,
                            struct error *err) {
    ASSERT(options->routes && (options->listen || options->unix_socket));
    int fd;
    uint16_t port = 0;
    enum err_class class = options->unix_socket ? listener_open_unix(options->unix_socket, &fd, err)
                                                : listener_open_tcp(options->listen, &fd, &port, err);
    if (class != ERR_NONE)
        return class;
    struct server *server = mem_alloc(sizeof(*server));
    server->routes = options->routes;
    server->ctx = options->ctx;
    server->port = port;
    server->unix_socket = mem_strdup(options->unix_socket);
    server->daemon = daemon_start(server, fd);
    if (!server->daemon) {
        close(fd);
        mem_free(server->unix_socket);
        mem_free(server);
        return error_set(err, ERR_PERMANENT, "start the HTTP server: libmicrohttpd refused");
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    ASSERT(info && info->epoll_fd >= 0);
    int rc = uv_poll_init(loop, &server->poll, info->epoll_fd);
    ASSERT(rc == 0);
    uv_timer_init(loop, &server->timer);
    server->poll.data = server->timer.data = server;
    server->open_handles = 2;
    rc = uv_poll_start(&server->poll, UV_READABLE, on_poll);
    ASSERT(rc == 0);
    *ret = server;
    return ERR_NONE;
}

uint16_t server_port(const struct server *server) {
    return server->port;
}

static void on_handle_closed(uv_handle_t *handle) {
    struct server *server = handle->data;
    if (--server->open_handles > 0)
        return;
    void (*stopped)(void *) = server->stopped;
    void *ctx = server->stopped_ctx;
    mem_free(server->unix_socket);
    mem_free(server);
    if (stopped)
        stopped(ctx);
}

void server_stop(struct server *server, void (*stopped)(void *ctx), void *ctx) {
    ASSERT(server->daemon);
    server->stopped = stopped;
    server->stopped_ctx = ctx;
    uv_poll_stop(&server->poll); /* Before MHD closes the descriptor. */
    MHD_run(server->daemon);     /* A last chance for replies that are ready. */
    MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
    if (server->unix_socket)
        unlink(server->unix_socket);
    uv_close((uv_handle_t *)&server->poll, on_handle_closed);
    uv_close((uv_handle_t *)&server->timer, on_handle_closed);
}
