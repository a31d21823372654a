/*
 * The life of a request: send, queue, start, finish, cancel, close. Nothing of the caller runs from inside http_send
 * or http_cancel: both only put the transfer on the ready queue, which an idle handle (so: the next turn of the loop)
 * works off. curl must not be entered from its own callbacks either; the same queue sees to that.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/str.h"
#include "net/http_internal.h"

#define POOL_MAX 256
#define CONNECTIONS_PER_HOST 8

static struct http_transfer *transfer_acquire(struct http *http) {
    struct http_transfer *transfer;
    if (!http_link_is_empty(&http->pool)) {
        transfer = CONTAINER_OF(http->pool.next, struct http_transfer, ready);
        http_link_remove(&transfer->ready);
        http->pool_count--;
        return transfer;
    }
    transfer = mem_alloc(sizeof(*transfer));
    transfer->http = http;
    transfer->easy = curl_easy_init();
    ASSERT(transfer->easy);
    curl_easy_setopt(transfer->easy, CURLOPT_SHARE, http->share); /* Outlives curl_easy_reset. */
    uv_timer_init(http->loop, &transfer->idle_timer);
    http->handle_count++;
    return transfer;
}

static void on_transfer_closed(uv_handle_t *handle) {
    struct http_transfer *transfer = CONTAINER_OF((uv_timer_t *)(void *)handle, struct http_transfer, idle_timer);
    struct http *http = transfer->http;
    mem_free(transfer);
    http_handle_closed(http);
}

static void transfer_free(struct http_transfer *transfer) {
    curl_easy_cleanup(transfer->easy);
    http_handle_close(transfer->http, (uv_handle_t *)&transfer->idle_timer, on_transfer_closed);
}

static void transfer_recycle(struct http_transfer *transfer) {
    struct http *http = transfer->http;
    http_transfer_reset(transfer);
    if (http->pool_count >= POOL_MAX) {
        transfer_free(transfer);
        return;
    }
    http_link_append(&http->pool, &transfer->ready);
    http->pool_count++;
}

static void on_idle(uv_idle_t *idle) {
    http_flush(CONTAINER_OF(idle, struct http, idle));
}

void http_ready(struct http_transfer *transfer) {
    struct http *http = transfer->http;
    if (!http_link_is_linked(&transfer->ready)) {
        http_link_append(&http->ready, &transfer->ready);
    }
    if (!uv_is_active((uv_handle_t *)&http->idle)) {
        uv_idle_start(&http->idle, on_idle);
    }
}

static bool method_is_safe(const char *method) {
    return str_eq(method, "GET") || str_eq(method, "HEAD");
}

/* A half-open connection is not noticed by its other streams: HTTP/2 requests would be sent into it until TCP gives up.
 * So after a silent time-out new requests go elsewhere, once per set of connections. */
static void suspect_connections(const struct http_transfer *transfer, CURLcode code) {
    bool silent = transfer->idle_expired || (code == CURLE_OPERATION_TIMEDOUT && transfer->header_size == 0);
    struct http *http = transfer->http;
    if (silent && (transfer->engine == http->engine || transfer->engine == http->stream_engine)) {
        http_forget_connections(http);
    }
}

void http_finish(struct http_transfer *transfer, CURLcode code) {
    struct http *http = transfer->http;
    struct http_request *request = transfer->request;
    ASSERT(request && request->transfer == transfer);
    if (transfer->state != TRANSFER_REFUSED) {
        http_outcome_set(transfer, code);
    }
    if (transfer->state == TRANSFER_RUNNING) {
        suspect_connections(transfer, code);
        curl_multi_remove_handle(transfer->engine->multi, transfer->easy);
        transfer->engine->running--;
    }
    request->duration_ns = uv_hrtime() - transfer->start_ns;
    if (http_link_is_linked(&transfer->ready)) {
        http_link_remove(&transfer->ready);
    }
    http_link_remove(&transfer->live);
    request->transfer = NULL;
    transfer_recycle(transfer);
    /* An engine that has run dry, and the end of closing, are seen to by the flush that follows. */
    if (!uv_is_active((uv_handle_t *)&http->idle)) {
        uv_idle_start(&http->idle, on_idle);
    }
    request->done(request);
}

static void on_stream_silent(uv_timer_t *timer) {
    struct http_transfer *transfer = CONTAINER_OF(timer, struct http_transfer, idle_timer);
    uint64_t limit_ns = (uint64_t)transfer->request->idle_timeout_ms * 1000000;
    uint64_t silent_ns = uv_hrtime() - transfer->activity_ns;
    if (silent_ns < limit_ns) {
        uv_timer_start(timer, on_stream_silent, (limit_ns - silent_ns) / 1000000 + 1, 0);
        return;
    }
    transfer->idle_expired = true;
    http_ready(transfer);
}

/* curl repeats a request by itself when a kept connection turns out dead before the first byte of the reply. For a
 * mutation that could be a second effect: the caller must learn of it instead. */
static int on_before_send(void *ctx, char *remote_ip, char *local_ip, int remote_port, int local_port) {
    (void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
    struct http_transfer *transfer = ctx;
    long sent_size = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent_size);
    if (sent_size > 0 && !method_is_safe(transfer->request->method)) {
        transfer->repeat_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    return CURL_PREREQFUNC_OK;
}

static void transfer_start(struct http_transfer *transfer) {
    struct http *http = transfer->http;
    struct http_request *request = transfer->request;
    if (http_transfer_setup(transfer, &request->error) != ERR_NONE) {
        transfer->state = TRANSFER_REFUSED;
        http_finish(transfer, CURLE_OK);
        return;
    }
    curl_easy_setopt(transfer->easy, CURLOPT_PREREQFUNCTION, on_before_send);
    curl_easy_setopt(transfer->easy, CURLOPT_PREREQDATA, transfer);
    transfer->engine = request->on_data ? http->stream_engine : http->engine;
    transfer->state = TRANSFER_RUNNING;
    transfer->engine->running++;
    if (request->idle_timeout_ms > 0) {
        transfer->activity_ns = uv_hrtime();
        uv_timer_start(&transfer->idle_timer, on_stream_silent, request->idle_timeout_ms, 0);
    }
    CURLMcode added = curl_multi_add_handle(transfer->engine->multi, transfer->easy);
    ASSERT(added == CURLM_OK);
}

static void engines_prune(struct http *http) {
    struct http_link *link = http->engines.next;
    while (link != &http->engines) {
        struct http_engine *engine = CONTAINER_OF(link, struct http_engine, link);
        link = link->next;
        if (engine != http->engine && engine != http->stream_engine && engine->running == 0) {
            http_engine_close(engine);
        }
    }
}

static void on_idle_closed(uv_handle_t *handle) {
    http_handle_closed(CONTAINER_OF((uv_idle_t *)(void *)handle, struct http, idle));
}

static void handles_close(struct http *http) {
    http->handles_closing = true;
    while (!http_link_is_empty(&http->pool)) {
        struct http_transfer *transfer = CONTAINER_OF(http->pool.next, struct http_transfer, ready);
        http_link_remove(&transfer->ready);
        transfer_free(transfer);
    }
    http->engine = http->stream_engine = NULL;
    engines_prune(http);
    http_handle_close(http, (uv_handle_t *)&http->idle, on_idle_closed);
}

void http_flush(struct http *http) {
    /* What the callbacks add waits for the next turn, so that a loop of failures cannot starve the rest. */
    size_t count = 0;
    for (const struct http_link *link = http->ready.next; link != &http->ready; link = link->next) {
        count++;
    }
    for (; count > 0 && !http_link_is_empty(&http->ready); count--) {
        struct http_transfer *transfer = CONTAINER_OF(http->ready.next, struct http_transfer, ready);
        http_link_remove(&transfer->ready);
        if (transfer->state == TRANSFER_STARTING && !transfer->cancelled) {
            transfer_start(transfer);
        } else {
            http_finish(transfer, CURLE_ABORTED_BY_CALLBACK);
        }
    }
    engines_prune(http);
    if (!http_link_is_empty(&http->ready)) {
        return;
    }
    uv_idle_stop(&http->idle);
    if (http->closing && !http->handles_closing && http_link_is_empty(&http->live)) {
        handles_close(http);
    }
}

static void engines_renew(struct http *http) {
    uint32_t per_host = http->options.connections_per_host_max;
    http->engine = http_engine_new(http, per_host ? per_host : CONNECTIONS_PER_HOST);
    http->stream_engine = http_engine_new(http, 0);
}

uv_loop_t *http_loop(const struct http *http) {
    return http->loop;
}

struct http *http_new(uv_loop_t *loop, const struct http_options *options) {
    ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    struct http *http = mem_alloc(sizeof(*http));
    http->loop = loop;
    if (options) {
        http->options = *options;
    }
    http->user_agent = mem_strdup(options && options->user_agent ? options->user_agent : "trimtab/" TRIMTAB_VERSION);
    http->share = curl_share_init();
    ASSERT(http->share);
    curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    http_link_init(&http->engines);
    http_link_init(&http->live);
    http_link_init(&http->ready);
    http_link_init(&http->pool);
    uv_idle_init(loop, &http->idle);
    http->handle_count++;
    engines_renew(http);
    return http;
}

void http_close(struct http *http, void (*closed)(void *ctx), void *ctx) {
    ASSERT(!http->closing);
    http->closing = true;
    http->closed = closed;
    http->closed_ctx = ctx;
    for (struct http_link *link = http->live.next; link != &http->live; link = link->next) {
        struct http_transfer *transfer = CONTAINER_OF(link, struct http_transfer, live);
        transfer->cancelled = true;
        http_ready(transfer);
    }
    uv_idle_start(&http->idle, on_idle);
}

void http_free(struct http *http) {
    if (!http) {
        return;
    }
    ASSERT(http->handles_closing && http->handle_count == 0);
    curl_share_cleanup(http->share);
    mem_free(http->user_agent);
    mem_free(http);
    curl_global_cleanup();
}

void http_send(struct http *http, struct http_request *request) {
    ASSERT(request->done && !request->transfer && !http->handles_closing);
    http_outcome_clear(request);
    struct http_transfer *transfer = transfer_acquire(http);
    request->http = http;
    request->transfer = transfer;
    transfer->request = request;
    transfer->start_ns = uv_hrtime();
    transfer->state = TRANSFER_STARTING;
    transfer->cancelled = http->closing;
    if (http_request_check(request, &request->error) != ERR_NONE) {
        transfer->state = TRANSFER_REFUSED;
    }
    http_link_append(&http->live, &transfer->live);
    http_ready(transfer);
}

void http_cancel(struct http_request *request) {
    struct http_transfer *transfer = request->transfer;
    if (transfer && !transfer->cancelled) {
        transfer->cancelled = true;
        http_ready(transfer);
    }
}

void http_request_release(struct http_request *request) {
    ASSERT(!request->transfer);
    buf_release(&request->reply);
}

bool http_request_in_flight(const struct http_request *request) {
    return request->transfer != NULL;
}

void http_forget_connections(struct http *http) {
    if (http->closing) {
        return;
    }
    engines_renew(http);
    uv_idle_start(&http->idle, on_idle); /* The old ones may be idle already. */
}

void http_append_escaped(struct buf *out, const char *text, const char *keep) {
    static const char hex[] = "0123456789ABCDEF";
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '.' || c == '_' || c == '~' || (keep && strchr(keep, c));
        if (plain) {
            buf_putc(out, *p);
        } else {
            buf_append(out, (const char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
        }
    }
}
