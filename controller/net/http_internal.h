/*
 * What the files of net/ share. A transfer is a pooled curl easy handle serving one request; an engine is a curl multi
 * handle with its connections. All of it belongs to the loop thread.
 *
 *   FREE -> STARTING -> RUNNING -> FREE        the edges of a transfer
 *              |           |
 *              +-> REFUSED-+-> FREE            REFUSED: the outcome is known before anything was sent
 *
 * The ready queue holds what has to be done outside of curl and of the caller's stack: starts, refusals, cancellations.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_NET_HTTP_INTERNAL_H
#define TRIMTAB_NET_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "base/mem.h"
#include "net/http.h"

struct http_link {
    struct http_link *prev, *next; /* Both NULL: in no list. */
};

static inline void http_link_init(struct http_link *head) {
    head->prev = head->next = head;
}
static inline bool http_link_is_linked(const struct http_link *link) {
    return link->next != NULL;
}
static inline bool http_link_is_empty(const struct http_link *head) {
    return head->next == head;
}
static inline void http_link_append(struct http_link *head, struct http_link *link) {
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}
static inline void http_link_remove(struct http_link *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
}

struct http_tls {
    char *ca_pem, *cert_pem, *key_pem, *server_name;
};

struct http_engine {
    struct http *http;
    CURLM *multi;
    uv_timer_t timer;
    size_t running;
    struct http_link link; /* In http.engines; the newest two serve new requests, the others run dry. */
};

struct http {
    uv_loop_t *loop;
    struct http_options options;
    char *user_agent;
    CURLSH *share;                     /* TLS sessions, for resumption by any engine. */
    struct http_engine *engine;        /* Requests. */
    struct http_engine *stream_engine; /* Streams: a connection each. */
    struct http_link engines;
    struct http_link live;  /* Transfers with a request. */
    struct http_link ready; /* The queue described above. */
    struct http_link pool;  /* Free transfers. */
    size_t pool_count;
    uv_idle_t idle;      /* Active while the ready queue is not empty. */
    size_t handle_count; /* libuv handles whose close callback has not run. */
    bool closing, handles_closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

enum transfer_state { TRANSFER_FREE, TRANSFER_STARTING, TRANSFER_RUNNING, TRANSFER_REFUSED };

#define TRANSFER_NODES_MAX (HTTP_HEADERS_MAX + 4)

struct http_transfer {
    struct http *http;
    struct http_request *request;
    struct http_engine *engine;
    CURL *easy;
    CURLU *url; /* Only where the URL had to be rewritten. */
    struct curl_slist *connect_to;
    struct curl_slist nodes[TRANSFER_NODES_MAX]; /* The header list, over the caller's strings. */
    char *host_header;
    uv_timer_t idle_timer;
    uint64_t start_ns, activity_ns;
    size_t header_size;
    char retry_after[64];
    struct http_link live, ready;
    enum transfer_state state;
    bool head_ended, cancelled, aborted, too_large, room_missing, idle_expired, repeat_refused;
    char error_text[CURL_ERROR_SIZE];
};

/* http_engine.c */
struct http_engine *http_engine_new(struct http *http, uint32_t per_host_max); /* 0: no limit. */
void http_engine_close(struct http_engine *engine); /* Frees itself after its handles have closed. */
void http_handle_close(struct http *http, uv_handle_t *handle, uv_close_cb closed);
void http_handle_closed(struct http *http); /* To be called by each close callback. */

/* http.c */
void http_flush(struct http *http); /* Works off the ready queue; only from a libuv callback. */
void http_ready(struct http_transfer *transfer);
void http_finish(struct http_transfer *transfer, CURLcode code);

/* http_transfer.c */
enum err_class http_request_check(const struct http_request *request, struct error *err);
enum err_class http_transfer_setup(struct http_transfer *transfer, struct error *err);
void http_transfer_reset(struct http_transfer *transfer);

/* http_reply.c */
size_t http_on_header(char *data, size_t size, size_t count, void *ctx);
size_t http_on_body(char *data, size_t size, size_t count, void *ctx);
void http_outcome_clear(struct http_request *request);
void http_outcome_set(struct http_transfer *transfer, CURLcode code);

#endif
