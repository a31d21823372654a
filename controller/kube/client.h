/*
 * A small asynchronous typed client for the handful of verbs we need. It adds the credential, limits the requests in
 * flight, honours 429 with Retry-After for reads by itself waiting (reads only; writes report THROTTLED to the caller),
 * retries once on 401 after refreshing the credential, and counts rest_client_* metrics. Everything else is the
 * caller's reaction.
 *
 * Errors: 409 CONFLICT (code AlreadyExists or Conflict from the Status reason), 404 CONFLICT with code NotFound,
 * 401/403 PERMISSION, 410 CONFLICT with code Expired or Gone, 422/400 PERMANENT, 429 THROTTLED, 5xx and transport
 * RETRYABLE. The message is the Status object's own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_KUBE_CLIENT_H
#define TRIMTAB_KUBE_CLIENT_H

#include "base/json.h"
#include "base/metrics.h"
#include "base/runtime.h"
#include "kube/config.h"
#include "net/http.h"

struct kube_client;

/* What a call and a stream have in common; private to kube/client.c. */
struct kube_exchange {
    struct kube_client *client;
    void (*finished)(struct kube_exchange *exchange, const struct error *error);
    struct http_request http;
    struct timer timer; /* Waiting out a 429. */
    const char *method; /* A literal. */
    char *url, *accept_header, *content_header, *auth_header;
    struct kube_exchange *previous, *next; /* In the client's list of its state. */
    uint8_t state, tries;
    bool is_counted; /* Among in_flight_max. */
    bool is_stream, has_data, cancelled, refreshed;
};

struct kube_call {
    /* Caller. Strings are copied by kube_call_send. */
    const char *method;       /* GET, POST, PUT, PATCH, DELETE */
    const char *path;         /* "/apis/trimtab.dev/v1alpha1/namespaces/a/budgets?limit=1", already escaped. */
    const char *content_type; /* NULL without body. "application/apply-patch+yaml" takes JSON too. */
    struct bytes body;        /* Borrowed until done. */
    const char *accept;       /* NULL: application/json */
    uint32_t timeout_ms;      /* 0: 30 s. */
    bool is_urgent; /* Does not wait among in_flight_max: a Lease must be renewed whatever else is under way. */
    bool as_text;   /* The reply is not parsed: `text` has it during done. */
    void (*done)(struct kube_call *call);
    void *ctx;
    /* Outcome. */
    struct error error;
    struct bytes text;  /* as_text: the body of a 2xx. */
    struct json *reply; /* Parsed body of a 2xx, NULL if empty or on error; owned by the call. */
    int64_t date_ms;    /* By the server's clock; 0: not told. */
    /* private */
    struct kube_exchange exchange;
};

struct kube_client_options {
    uint32_t in_flight_max;  /* Further calls wait in order; streams do not count. 0: 64. */
    struct metrics *metrics; /* rest_client_*; NULL: none. */
};

/* config is copied. */
struct kube_client *kube_client_new(struct runtime *rt, struct http *http, uv_loop_t *loop,
                                    const struct kube_config *config, const struct kube_client_options *options);
/* Cancels what is in flight, then closed. Then kube_client_free. */
void kube_client_close(struct kube_client *client, void (*closed)(void *ctx), void *ctx);
void kube_client_free(struct kube_client *client);

void kube_call_send(struct kube_client *client, struct kube_call *call);
void kube_call_cancel(struct kube_call *call); /* done still runs, later. */
void kube_call_release(struct kube_call *call);

const char *kube_client_namespace(const struct kube_client *client);

#endif
