/*
 * HTTP requests on libcurl's multi interface driven by libuv: one loop thread, HTTP/2 where the peer offers it,
 * connections reused and multiplexed; a stream (on_data) has an HTTP/1.1 connection of its own. TLS is always verified;
 * there is no switch for it. curl.h is included only in this folder.
 *
 * Exactly once, later: `done` runs once for each http_send, on the loop thread, never from inside http_send or
 * http_cancel, also for an unusable URL. The caller embeds the request and keeps it in place until then.
 * No retry, no redirect, no cookie, no cache, no log: the caller owns the reaction.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_NET_HTTP_H
#define TRIMTAB_NET_HTTP_H

#include <stdbool.h>
#include <uv.h>

#include "base/buf.h"
#include "base/error.h"

struct http;
struct http_transfer;
struct http_request;

/* Who we are to a peer, and whom we believe; shared by many requests. All strings are copied by http_tls_new. */
struct http_tls_options {
    const char *ca_pem;   /* Only this bundle is trusted; NULL: the system's. */
    const char *cert_pem; /* Client certificate and its key, both or neither. */
    const char *key_pem;
    const char *server_name; /* Verified (and SNI) instead of the URL's host; NULL: the host. */
};
struct http_tls;
struct http_tls *http_tls_new(const struct http_tls_options *options);
void http_tls_free(struct http_tls *tls); /* NULL is fine; key material is wiped. */

#define HTTP_HEADERS_MAX 24

struct http_request {
    /* Filled by the caller; strings and body are borrowed until done. */
    const char *method; /* "GET", "POST", "PATCH"... */
    const char *url;
    const char *headers[HTTP_HEADERS_MAX]; /* "Name: value"; ends at the first NULL. */
    struct bytes body;
    const struct http_tls *tls; /* NULL: system trust, no client certificate. */
    const char *unix_socket;    /* Connect there instead; the URL's host is then only the Host header. NULL: TCP. */
    uint32_t timeout_ms;        /* Whole exchange; 0: none (a stream). */
    uint32_t
        idle_timeout_ms; /* Stream: fail when no byte arrives for so long; detects half-open connections. 0: none. */
    uint32_t connect_timeout_ms; /* 0: 10 s. */
    /* Without on_data, after decompression: a longer body is ERR_PERMANENT. 0: 16 MiB. A body beyond 4 MiB is also
     * ERR_RETRYABLE while the bodies in flight take 64 MiB together. */
    size_t reply_size_max;
    bool accept_gzip; /* Ask for and undo gzip. */

    /* Streaming: each piece of the body of a 2xx as it arrives (other statuses are collected in `reply`). Return false
     * to abort: done then gets ERR_CANCELLED. NULL: collected in `reply`. */
    bool (*on_data)(struct http_request *request, struct bytes piece);
    void (*done)(struct http_request *request);
    void *ctx;

    /* The outcome, valid in done and until the request is reused or http_request_release. */
    struct error
        error; /* class NONE: a response arrived whole, whatever its status. Transport faults: RETRYABLE (effect
                  UNKNOWN once the request may have left, else NONE); TLS distrust: PERMANENT; cancel: CANCELLED. */
    uint32_t status;
    struct buf reply;
    uint32_t retry_after_ms; /* From Retry-After, seconds or a date; 0: absent. */
    char content_type[64];
    char date[40]; /* The Date header verbatim; "" if absent. For clock skew: http_date_ms. */
    char etag[128];
    char next_link[1024]; /* <...>; rel="next" of a Link header; "" if absent. */
    uint32_t request_id_size;
    char request_id[96];  /* x-amzn-requestid, x-ms-request-id, x-request-id, audit-id: the first seen. */
    uint64_t duration_ns; /* Monotonic, send to done. */

    /* private */
    struct http *http;
    struct http_transfer *transfer;
};

struct http_options {
    uint32_t connections_per_host_max; /* 0: 8; streams do not count. With HTTP/2 requests are multiplexed on few. */
    const char *user_agent;            /* "trimtab/0.1.0" */
};

struct http *http_new(uv_loop_t *loop, const struct http_options *options);
/* Cancels everything in flight (each done runs with ERR_CANCELLED), then calls closed once. Then http_free. */
void http_close(struct http *http, void (*closed)(void *ctx), void *ctx);
void http_free(struct http *http);
uv_loop_t *http_loop(const struct http *http);

void http_send(struct http *http, struct http_request *request);
/* done still runs, later and once, with ERR_CANCELLED or the result that won the race. */
void http_cancel(struct http_request *request);
/* Frees what the outcome holds; the request may be reused. Not while in flight. */
void http_request_release(struct http_request *request);
bool http_request_in_flight(const struct http_request *request);

/* New requests use new connections (a certificate or token was rotated, a load balancer moved). */
void http_forget_connections(struct http *http);

/* What the server's clock showed when it answered, in Unix ms; 0: it did not tell. */
int64_t http_date_ms(const struct http_request *request);
/* Percent-encodes all but A-Z a-z 0-9 - . _ ~ and the bytes in `keep`. */
void http_append_escaped(struct buf *out, const char *text, const char *keep);

#endif
