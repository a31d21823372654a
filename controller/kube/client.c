/*
 * The client; see client.h. A call and a stream share the life of an exchange:
 *
 *     IDLE -> WAITING (for a place among in_flight_max) -> AUTH (for a credential) -> SENT -> IDLE
 *                                                           ^                          |
 *                                                           +--- 401, once ------------+
 *                                                           +--- BACKOFF, 429 to a read+
 *
 * Each state but IDLE is one list; changing the state is moving from list to list.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kube/client.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kube/auth.h"
#include "kube/stream.h"

#define IN_FLIGHT_MAX 64
#define TIMEOUT_MS 30000
#define THROTTLED_TRIES_MAX 6
#define THROTTLED_DELAY_MS 1000
#define REPLY_SIZE_MAX ((size_t)64 << 20)

enum exchange_state {
    EXCHANGE_IDLE,
    EXCHANGE_WAITING,
    EXCHANGE_AUTH,
    EXCHANGE_SENT,
    EXCHANGE_BACKOFF,
    EXCHANGE_STATE_COUNT
};

struct exchange_list {
    struct kube_exchange *head, *tail;
    size_t count;
};

struct kube_client {
    struct runtime *runtime;
    struct http *http;
    struct kube_auth *auth;
    struct metrics *metrics;
    char *server, *unix_socket, *namespace, *host;
    char *impersonate[1 + KUBE_IMPERSONATE_GROUPS_MAX]; /* Headers: the user, then each group. */
    size_t impersonate_count;
    uint32_t in_flight_max;
    size_t calls_in_flight;
    struct exchange_list lists[EXCHANGE_STATE_COUNT];
    bool refreshing, closing, auth_closed;
    struct timer pump;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static const char *const request_labels[] = {"code", "method", "host", NULL};
static const struct metric metric_requests = {"rest_client_requests_total",
                                              "Number of HTTP requests, partitioned by status code, method, and host.",
                                              METRIC_COUNTER, request_labels, NULL};
static const char *const duration_labels[] = {"verb", "host", NULL};
static const struct metric metric_duration = {"rest_client_request_duration_seconds",
                                              "Request latency in seconds, by verb and host.", METRIC_HISTOGRAM,
                                              duration_labels, NULL};

static void pump(struct kube_client *client);

/* ---- states ---- */

static void enter(struct kube_exchange *exchange, enum exchange_state state) {
    struct kube_client *client = exchange->client;
    if (exchange->state != EXCHANGE_IDLE) {
        struct exchange_list *from = &client->lists[exchange->state];
        *(exchange->previous ? &exchange->previous->next : &from->head) = exchange->next;
        *(exchange->next ? &exchange->next->previous : &from->tail) = exchange->previous;
        from->count--;
    }
    exchange->state = (uint8_t)state;
    exchange->previous = exchange->next = NULL;
    if (state == EXCHANGE_IDLE)
        return;
    struct exchange_list *to = &client->lists[state];
    exchange->previous = to->tail;
    *(to->tail ? &to->tail->next : &to->head) = exchange;
    to->tail = exchange;
    to->count++;
}

static void check_closed(struct kube_client *client) {
    if (!client->closing || !client->closed || !client->auth_closed)
        return;
    for (int state = EXCHANGE_WAITING; state < EXCHANGE_STATE_COUNT; state++)
        if (client->lists[state].count)
            return;
    void (*closed)(void *ctx) = client->closed;
    client->closed = NULL;
    timer_stop(client->runtime, &client->pump);
    closed(client->closed_ctx);
}

static void finish(struct kube_exchange *exchange, const struct error *error) {
    struct kube_client *client = exchange->client;
    client->calls_in_flight -= exchange->is_counted;
    timer_stop(client->runtime, &exchange->timer);
    enter(exchange, EXCHANGE_IDLE);
    exchange->finished(exchange, error);
    pump(client);
    check_closed(client);
}

/* ---- errors ---- */

static enum err_class class_of(uint32_t status) {
    switch (status) {
    case 401:
    case 403:
        return ERR_PERMISSION;
    case 404:
    case 409:
    case 410:
        return ERR_CONFLICT;
    case 429:
        return ERR_THROTTLED;
    case 408:
        return ERR_RETRYABLE;
    default:
        return status >= 500 || status < 300 ? ERR_RETRYABLE : ERR_PERMANENT;
    }
}

static const char *default_code(uint32_t status) {
    return status == 404 ? "NotFound" : status == 409 ? "Conflict" : status == 410 ? "Gone" : "";
}

/* The reply of a status that is not 2xx: a metav1 Status, or whatever a proxy on the way had to say. */
static void error_of_reply(const struct http_request *http, struct error *err) {
    struct json *root = NULL;
    struct error ignored;
    *err = (struct error){
        .class = class_of(http->status), .http_status = http->status, .retry_after_ms = http->retry_after_ms};
    if (http->status >= 500 && !str_eq(http->method, "GET"))
        err->effect = EFFECT_UNKNOWN;
    (void)str_copy(err->code, sizeof(err->code), default_code(http->status));
    (void)snprintf(err->message, sizeof(err->message), "HTTP %u", http->status);
    if (json_parse_trusted(buf_bytes(&http->reply), &root, &ignored) != ERR_NONE)
        return;
    const char *reason = json_string(json_get(root, "reason"), "");
    const char *message = json_string(json_get(root, "message"), "");
    int64_t retry_s = json_int(json_at(root, "details.retryAfterSeconds"), 0);
    if (reason[0])
        (void)str_copy(err->code, sizeof(err->code), reason);
    if (message[0])
        (void)str_copy(err->message, sizeof(err->message), message);
    if (err->retry_after_ms == 0 && retry_s > 0 && retry_s < 3600)
        err->retry_after_ms = (uint32_t)retry_s * 1000;
    json_free(root);
}

/* ---- sending ---- */

static void exchange_http_done(struct http_request *http);

static void send_now(struct kube_exchange *exchange) {
    struct kube_client *client = exchange->client;
    struct http_request *http = &exchange->http;
    size_t count = 0;
    http->headers[count++] = exchange->accept_header;
    if (exchange->content_header)
        http->headers[count++] = exchange->content_header;
    const char *authorization = kube_auth_header(client->auth);
    mem_free(exchange->auth_header);
    exchange->auth_header = mem_strdup(authorization);
    if (exchange->auth_header)
        http->headers[count++] = exchange->auth_header;
    for (size_t i = 0; i < client->impersonate_count; i++)
        http->headers[count++] = client->impersonate[i];
    http->headers[count] = NULL;
    http->method = exchange->method;
    http->url = exchange->url;
    http->tls = kube_auth_tls(client->auth);
    http->unix_socket = client->unix_socket;
    http->done = exchange_http_done;
    http->ctx = exchange;
    exchange->tries++;
    enter(exchange, EXCHANGE_SENT);
    http_send(client->http, http);
}

static void refreshed(void *ctx, const struct error *error) {
    struct kube_client *client = ctx;
    struct error failure = *error;
    client->refreshing = false;
    if (failure.class != ERR_NONE)
        error_wrap(&failure, "credential");
    /* Those that wait now; a finished one may send again, and then waits for the next refresh. */
    for (size_t left = client->lists[EXCHANGE_AUTH].count; left > 0; left--) {
        struct kube_exchange *exchange = client->lists[EXCHANGE_AUTH].head;
        if (exchange->cancelled)
            finish(exchange, &(struct error){.class = ERR_CANCELLED, .message = "cancelled"});
        else if (failure.class != ERR_NONE)
            finish(exchange, &failure);
        else
            send_now(exchange);
    }
    check_closed(client);
}

static void refresh(struct kube_client *client) {
    if (client->refreshing)
        return;
    client->refreshing = true;
    kube_auth_refresh(client->auth, refreshed, client);
}

static void authorise(struct kube_exchange *exchange) {
    if (kube_auth_is_ready(exchange->client->auth)) {
        send_now(exchange);
        return;
    }
    enter(exchange, EXCHANGE_AUTH);
    refresh(exchange->client);
}

/* Fills the places that are free; on a timer, so that nothing is answered from inside a send. */
static void pump_now(struct timer *timer) {
    struct kube_client *client = timer->ctx;
    while (client->lists[EXCHANGE_WAITING].head) {
        struct kube_exchange *exchange = client->lists[EXCHANGE_WAITING].head;
        if (exchange->cancelled || client->closing) {
            client->calls_in_flight += exchange->is_counted; /* finish gives it back */
            finish(exchange, &(struct error){.class = ERR_CANCELLED, .message = "cancelled"});
            continue;
        }
        if (client->calls_in_flight >= client->in_flight_max)
            return;
        client->calls_in_flight += exchange->is_counted;
        authorise(exchange);
    }
}

static void pump(struct kube_client *client) {
    if (client->lists[EXCHANGE_WAITING].head && !timer_is_active(&client->pump))
        timer_start(client->runtime, &client->pump, 0, pump_now, client);
}

static void exchange_begin(struct kube_client *client, struct kube_exchange *exchange, const char *path,
                           const char *accept, const char *content_type) {
    ASSERT(exchange->state == EXCHANGE_IDLE);
    http_request_release(&exchange->http);
    mem_free(exchange->url);
    mem_free(exchange->accept_header);
    mem_free(exchange->content_header);
    exchange->client = client;
    exchange->url = mem_printf("%s%s", client->server, path);
    exchange->accept_header = mem_printf("Accept: %s", accept ? accept : "application/json");
    exchange->content_header = content_type ? mem_printf("Content-Type: %s", content_type) : NULL;
    exchange->cancelled = exchange->refreshed = exchange->has_data = false;
    exchange->tries = 0;
    if (client->closing || (exchange->is_counted && client->calls_in_flight >= client->in_flight_max)) {
        enter(exchange, EXCHANGE_WAITING);
        if (client->closing)
            pump(client);
        return;
    }
    client->calls_in_flight += exchange->is_counted;
    authorise(exchange);
}

static void exchange_cancel(struct kube_exchange *exchange) {
    if (exchange->state == EXCHANGE_IDLE || exchange->cancelled)
        return;
    exchange->cancelled = true;
    if (exchange->state == EXCHANGE_SENT)
        http_cancel(&exchange->http);
    else if (exchange->state == EXCHANGE_WAITING)
        pump(exchange->client);
    else if (exchange->state == EXCHANGE_BACKOFF)
        timer_start(exchange->client->runtime, &exchange->timer, 0, exchange->timer.fire, exchange);
    /* AUTH: the refresh that it waits for ends it. */
}

static void exchange_release(struct kube_exchange *exchange) {
    ASSERT(exchange->state == EXCHANGE_IDLE);
    http_request_release(&exchange->http);
    mem_free(exchange->url);
    mem_free(exchange->accept_header);
    mem_free(exchange->content_header);
    if (exchange->auth_header)
        mem_wipe(exchange->auth_header, strlen(exchange->auth_header));
    mem_free(exchange->auth_header);
    *exchange = (struct kube_exchange){0};
}

/* ---- answers ---- */

static void measure(struct kube_client *client, const struct http_request *http) {
    char code[12] = "<error>";
    if (!client->metrics)
        return;
    if (http->status)
        (void)snprintf(code, sizeof(code), "%u", http->status);
    metrics_add(client->metrics, &metric_requests, METRIC_LABELS(code, http->method, client->host), 1);
    metrics_observe(client->metrics, &metric_duration, METRIC_LABELS(http->method, client->host),
                    (double)http->duration_ns * 1e-9);
}

static void backoff_over(struct timer *timer) {
    struct kube_exchange *exchange = timer->ctx;
    if (exchange->cancelled)
        finish(exchange, &(struct error){.class = ERR_CANCELLED, .message = "cancelled"});
    else
        authorise(exchange);
}

/* A read that is throttled waits by itself; a write is its caller's to repeat. */
static bool waits_out(struct kube_exchange *exchange, const struct error *error) {
    if (error->class != ERR_THROTTLED || exchange->is_stream || !str_eq(exchange->method, "GET") ||
        exchange->tries >= THROTTLED_TRIES_MAX)
        return false;
    uint64_t delay_ms = error->retry_after_ms ? error->retry_after_ms : THROTTLED_DELAY_MS;
    delay_ms += runtime_jitter(exchange->client->runtime, delay_ms / 2);
    enter(exchange, EXCHANGE_BACKOFF);
    timer_start(exchange->client->runtime, &exchange->timer, delay_ms * NS_PER_MS, backoff_over, exchange);
    return true;
}

static void exchange_http_done(struct http_request *http) {
    struct kube_exchange *exchange = http->ctx;
    struct error error = http->error;
    measure(exchange->client, http);
    if (error.class == ERR_NONE && (http->status < 200 || http->status > 299))
        error_of_reply(http, &error);
    bool is_refused = error.http_status == 401;
    if (is_refused && !exchange->refreshed && !exchange->has_data && !exchange->cancelled &&
        !exchange->client->closing) {
        exchange->refreshed = true;
        enter(exchange, EXCHANGE_AUTH);
        refresh(exchange->client);
        return;
    }
    if (!exchange->cancelled && waits_out(exchange, &error))
        return;
    finish(exchange, &error);
}

/* ---- calls ---- */

static void call_finished(struct kube_exchange *exchange, const struct error *error) {
    struct kube_call *call = CONTAINER_OF(exchange, struct kube_call, exchange);
    call->error = *error;
    call->date_ms = http_date_ms(&exchange->http);
    call->text = call->as_text && error->class == ERR_NONE ? buf_bytes(&exchange->http.reply) : (struct bytes){0};
    if (error->class == ERR_NONE && exchange->http.reply.size > 0 && !call->as_text) {
        struct error bad;
        if (json_parse_trusted(buf_bytes(&exchange->http.reply), &call->reply, &bad) != ERR_NONE) {
            call->error =
                (struct error){.class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN, .http_status = exchange->http.status};
            (void)snprintf(call->error.message, sizeof(call->error.message),
                           "the API server's reply is not JSON: %.100s", bad.message);
        }
    }
    call->done(call); /* May release or send the call again. */
}

void kube_call_send(struct kube_client *client, struct kube_call *call) {
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    json_free(call->reply);
    call->reply = NULL;
    call->error = (struct error){0};
    call->exchange.is_stream = false;
    call->exchange.is_counted = !call->is_urgent;
    call->exchange.finished = call_finished;
    call->exchange.method = NULL;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (str_eq(methods[i], call->method))
            call->exchange.method = methods[i];
    ASSERT(call->exchange.method && call->done);
    call->exchange.http.body = call->body;
    call->exchange.http.timeout_ms = call->timeout_ms ? call->timeout_ms : TIMEOUT_MS;
    call->exchange.http.reply_size_max = REPLY_SIZE_MAX;
    exchange_begin(client, &call->exchange, call->path, call->accept, call->content_type);
}

void kube_call_cancel(struct kube_call *call) {
    exchange_cancel(&call->exchange);
}

void kube_call_release(struct kube_call *call) {
    json_free(call->reply);
    call->reply = NULL;
    exchange_release(&call->exchange);
}

/* ---- streams ---- */

static bool stream_piece(struct http_request *http, struct bytes piece) {
    struct kube_exchange *exchange = http->ctx;
    struct kube_stream *stream = CONTAINER_OF(exchange, struct kube_stream, exchange);
    exchange->has_data = true;
    return stream->on_data(stream, piece);
}

static void stream_finished(struct kube_exchange *exchange, const struct error *error) {
    struct kube_stream *stream = CONTAINER_OF(exchange, struct kube_stream, exchange);
    stream->error = *error;
    stream->status = exchange->http.status;
    stream->done(stream);
}

void kube_stream_send(struct kube_client *client, struct kube_stream *stream) {
    struct http_request *http = &stream->exchange.http;
    ASSERT(stream->done && stream->on_data);
    stream->error = (struct error){0};
    stream->status = 0;
    stream->exchange.is_stream = true;
    stream->exchange.is_counted = false;
    stream->exchange.finished = stream_finished;
    stream->exchange.method = "GET";
    http->on_data = stream_piece;
    http->idle_timeout_ms = stream->idle_timeout_ms;
    http->timeout_ms = stream->timeout_ms;
    http->accept_gzip = stream->accept_gzip;
    exchange_begin(client, &stream->exchange, stream->path, stream->accept, NULL);
}

void kube_stream_cancel(struct kube_stream *stream) {
    exchange_cancel(&stream->exchange);
}

void kube_stream_release(struct kube_stream *stream) {
    exchange_release(&stream->exchange);
}

/* ---- life ---- */

static char *host_of(const char *server) {
    const char *start = strstr(server, "://");
    start = start ? start + 3 : server;
    return mem_strndup(start, strcspn(start, "/"));
}

static void take_impersonation(struct kube_client *client, const struct kube_config *config) {
    if (!config->impersonate_user)
        return;
    client->impersonate[client->impersonate_count++] = mem_printf("Impersonate-User: %s", config->impersonate_user);
    for (size_t i = 0; config->impersonate_groups && config->impersonate_groups[i]; i++)
        client->impersonate[client->impersonate_count++] =
            mem_printf("Impersonate-Group: %s", config->impersonate_groups[i]);
}

struct kube_client *kube_client_new(struct runtime *rt, struct http *http, uv_loop_t *loop,
                                    const struct kube_config *config, const struct kube_client_options *options) {
    struct kube_client *client = mem_alloc(sizeof(*client));
    client->runtime = rt;
    client->http = http;
    client->auth = kube_auth_new(rt, loop, config);
    client->server = mem_strdup(config->server);
    client->unix_socket = mem_strdup(config->unix_socket);
    client->namespace = mem_strdup(config->namespace ? config->namespace : "default");
    client->host = host_of(config->server);
    take_impersonation(client, config);
    client->in_flight_max = options && options->in_flight_max ? options->in_flight_max : IN_FLIGHT_MAX;
    client->metrics = options ? options->metrics : NULL;
    return client;
}

static void auth_closed(void *ctx) {
    struct kube_client *client = ctx;
    client->auth_closed = true;
    check_closed(client);
}

void kube_client_close(struct kube_client *client, void (*closed)(void *ctx), void *ctx) {
    ASSERT(!client->closing);
    client->closing = true;
    client->closed = closed;
    client->closed_ctx = ctx;
    for (int state = EXCHANGE_WAITING; state < EXCHANGE_STATE_COUNT; state++)
        for (struct kube_exchange *e = client->lists[state].head, *next; e; e = next) {
            next = e->next;
            exchange_cancel(e);
        }
    kube_auth_close(client->auth, auth_closed, client);
}

void kube_client_free(struct kube_client *client) {
    if (!client)
        return;
    kube_auth_free(client->auth);
    mem_free(client->server);
    mem_free(client->unix_socket);
    mem_free(client->namespace);
    mem_free(client->host);
    for (size_t i = 0; i < client->impersonate_count; i++)
        mem_free(client->impersonate[i]);
    mem_free(client);
}

const char *kube_client_namespace(const struct kube_client *client) {
    return client->namespace;
}
