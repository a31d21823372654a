/*
 * curl's multi-socket interface on libuv: a poll handle for each socket that curl names, one timer, and the messages of
 * finished transfers. An engine owns a set of connections; replacing the engine is how connections are forgotten.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "net/http_internal.h"

#define CONNECTIONS_KEPT 64L
#define STREAMS_PER_CONNECTION 250L

struct engine_socket {
    struct http_engine *engine;
    uv_poll_t poll;
    curl_socket_t fd;
    int events;
};

void http_handle_close(struct http *http, uv_handle_t *handle, uv_close_cb closed) {
    ASSERT(http->handle_count > 0);
    uv_close(handle, closed);
}

void http_handle_closed(struct http *http) {
    if (--http->handle_count == 0 && http->handles_closing && http->closed) {
        http->closed(http->closed_ctx);
    }
}

static void engine_drain(struct http_engine *engine) {
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(engine->multi, &left))) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = message->data.result;
        char *private = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        http_finish((struct http_transfer *)(void *)private, code);
    }
}

static void engine_act(struct http_engine *engine, curl_socket_t fd, int flags) {
    struct http *http = engine->http;
    int running;
    curl_multi_socket_action(engine->multi, fd, flags, &running);
    engine_drain(engine);
    http_flush(http); /* May free the engine. */
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct engine_socket *sock = CONTAINER_OF(poll, struct engine_socket, poll);
    int flags = 0;
    if (status < 0) {
        flags = CURL_CSELECT_ERR;
    }
    if (events & UV_READABLE) {
        flags |= CURL_CSELECT_IN;
    }
    if (events & UV_WRITABLE) {
        flags |= CURL_CSELECT_OUT;
    }
    engine_act(sock->engine, sock->fd, flags);
}

static void on_timer(uv_timer_t *timer) {
    engine_act(CONTAINER_OF(timer, struct http_engine, timer), CURL_SOCKET_TIMEOUT, 0);
}

static void on_socket_closed(uv_handle_t *handle) {
    struct engine_socket *sock = CONTAINER_OF((uv_poll_t *)(void *)handle, struct engine_socket, poll);
    struct http *http = handle->data;
    mem_free(sock);
    http_handle_closed(http);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx) {
    (void)easy;
    struct http_engine *engine = ctx;
    struct engine_socket *sock = socket_ctx;
    if (what == CURL_POLL_REMOVE) {
        if (sock) {
            curl_multi_assign(engine->multi, fd, NULL);
            http_handle_close(engine->http, (uv_handle_t *)&sock->poll, on_socket_closed);
        }
        return 0;
    }
    if (!sock) {
        sock = mem_alloc(sizeof(*sock));
        sock->engine = engine;
        sock->fd = fd;
        int status = uv_poll_init_socket(engine->http->loop, &sock->poll, fd);
        ASSERT(status == 0);
        sock->poll.data = engine->http; /* The engine may be gone when the handle has closed. */
        engine->http->handle_count++;
        curl_multi_assign(engine->multi, fd, sock);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    if (events != sock->events) {
        sock->events = events;
        uv_poll_start(&sock->poll, events, on_poll);
    }
    return 0;
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *ctx) {
    (void)multi;
    struct http_engine *engine = ctx;
    if (timeout_ms < 0) {
        uv_timer_stop(&engine->timer);
    } else {
        /* libuv counts from the start of this turn; a turn may have been long. */
        uv_update_time(engine->http->loop);
        uv_timer_start(&engine->timer, on_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

struct http_engine *http_engine_new(struct http *http, uint32_t per_host_max) {
    struct http_engine *engine = mem_alloc(sizeof(*engine));
    engine->http = http;
    uv_timer_init(http->loop, &engine->timer);
    http->handle_count++;
    engine->multi = curl_multi_init();
    ASSERT(engine->multi);
    curl_multi_setopt(engine->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(engine->multi, CURLMOPT_SOCKETDATA, engine);
    curl_multi_setopt(engine->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(engine->multi, CURLMOPT_TIMERDATA, engine);
    curl_multi_setopt(engine->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(engine->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)per_host_max);
    curl_multi_setopt(engine->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    curl_multi_setopt(engine->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, STREAMS_PER_CONNECTION);
    http_link_append(&http->engines, &engine->link);
    return engine;
}

static void on_engine_closed(uv_handle_t *handle) {
    struct http_engine *engine = CONTAINER_OF((uv_timer_t *)(void *)handle, struct http_engine, timer);
    struct http *http = engine->http;
    mem_free(engine);
    http_handle_closed(http);
}

void http_engine_close(struct http_engine *engine) {
    ASSERT(engine->running == 0);
    http_link_remove(&engine->link);
    curl_multi_cleanup(engine->multi);
    http_handle_close(engine->http, (uv_handle_t *)&engine->timer, on_engine_closed);
}
