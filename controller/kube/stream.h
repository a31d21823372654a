/*
 * The streaming form of a call: a GET whose body is handed over piece by piece, for watches and long lists. Private to
 * kube/: watch.c is its user, client.c implements it with the credential, the TLS policy, the single retry on 401 (only
 * while no piece has been handed over), the metrics and the error mapping of kube_call.
 *
 * A stream does not count against in_flight_max, or a few dozen watches would starve all calls; nor does it wait out a
 * 429 by itself: that is reported as THROTTLED with retry_after_ms, for the watch has a back-off of its own.
 * kube_client_close cancels open streams as it cancels calls.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_KUBE_STREAM_H
#define TRIMTAB_KUBE_STREAM_H

#include "kube/client.h"

struct kube_stream {
    /* Caller. Strings are copied by kube_stream_send. */
    const char *path;         /* With its query, already escaped. */
    const char *accept;       /* NULL: application/json */
    uint32_t idle_timeout_ms; /* No byte for so long: RETRYABLE. 0: none. */
    uint32_t timeout_ms;      /* Whole exchange; 0: none. */
    bool accept_gzip;
    /* Pieces of the body of a 2xx. False aborts: done then gets ERR_CANCELLED. kube_stream_cancel may be called from
     * here as well. */
    bool (*on_data)(struct kube_stream *stream, struct bytes piece);
    /* Once for each send, later, on the loop thread; never from inside kube_stream_send or kube_stream_cancel. The
     * stream may be released and sent again, or freed, from here. */
    void (*done)(struct kube_stream *stream);
    void *ctx;
    /* Outcome. */
    struct error error; /* class NONE: the body of a 2xx ended as announced. Else as kube_call's. */
    uint32_t status;    /* 0: no response. */
    /* private */
    struct kube_exchange exchange;
};

void kube_stream_send(struct kube_client *client, struct kube_stream *stream);
void kube_stream_cancel(struct kube_stream *stream);  /* Nothing happens when it is not in flight. */
void kube_stream_release(struct kube_stream *stream); /* Frees what it holds; a zeroed one is fine. Not in flight. */

#endif
