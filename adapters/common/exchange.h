/*
 * One HTTP request under construction and its reply: a thin owner of what struct http_request only borrows. Used by the
 * calls of all network adapters and by the sources of credentials.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_COMMON_EXCHANGE_H
#define TRIMTAB_ADAPTERS_COMMON_EXCHANGE_H

#include "adapters/common/signing.h"
#include "base/arena.h"
#include "base/json.h"
#include "net/http.h"

enum exchange_next {
    EXCHANGE_DONE, /* The result is complete, or *err says why there is none. */
    EXCHANGE_MORE, /* Build and send the next. */
};

struct exchange {
    struct arena arena; /* What lives as long as the reply: headers, parsed trees. Cleared by exchange_reset. */
    struct buf url;
    struct buf body;
    struct signing_header headers[HTTP_HEADERS_MAX]; /* Names in lower case. */
    size_t header_count;
    struct json *json;           /* The parsed reply, where it is JSON; freed with the arena's end. */
    struct http_request request; /* method and limits are set by the owner; the rest by exchange_send. */
};

void exchange_reset(struct exchange *exchange);   /* Ready to be built anew; not while in flight. */
void exchange_release(struct exchange *exchange); /* Likewise; wipes body and headers, which may hold secrets. */
/* The value is copied. Too many headers is our bug. */
void exchange_header(struct exchange *exchange, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sets the header "host" to what the URL says, without the scheme's own port. */
void exchange_header_host(struct exchange *exchange);
/* The parts of the URL as they go over the wire, in the arena: "/path" and "a=b". */
void exchange_url_parts(struct exchange *exchange, const char **path, const char **query);
void exchange_send(struct exchange *exchange, struct http *http, void (*done)(struct http_request *request), void *ctx);

/* The reply's body as a JSON object, parsed once and the exchange's own. NULL: it is none, ERR_RETRYABLE. */
const struct json *exchange_reply_object(struct exchange *exchange, struct error *err);

/* The host that the URL names, without user and port, in brackets if it is an IPv6 address. */
struct bytes exchange_url_host(const char *url);
bool exchange_url_is_loopback(const char *url);

/* "Tue, 24 Nov 2026 10:00:00 GMT"; false if it is anything else. */
bool exchange_date_parse(const char *text, int64_t *ret_ms);

#endif
