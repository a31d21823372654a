/*
 * The life of one adapter call over HTTP, the same for every cloud: build, gate, credentials, sign, send, read, the
 * next page, one refresh, the end; and the part of an adapter that holds the calls in flight. A cloud brings its verbs
 * (what to send, how to read it) and its manners (how to sign, how to read a refusal).
 *
 *     call_new -> call_start -> ASKING -> WAITING -> SENDING -> ENDING -> done, freed
 *                                 ^-------------------'|  (next page; one refresh)
 *               call_end ------------------------------+-----^
 *
 * ASKING: built, and at the gate (gate.h); WAITING: for a credential. Each request that the gate lets through is
 * reported to it once: as it ended, or as cancelled if it was never sent.
 *
 * The end is always a timer of delay 0, so `done` never runs inside a submit, a cancel or another call's done. The time
 * a call may take is counted in the durations of its exchanges, which are real even where the runtime's clock is not. A
 * wait at the gate counts too for a verb that mutates, as somebody has vouched for just this time; a read may wait.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_COMMON_CALL_H
#define TRIMTAB_ADAPTERS_COMMON_CALL_H

#include "adapters/adapter.h"
#include "adapters/common/credentials.h"
#include "adapters/common/error_table.h"
#include "adapters/common/exchange.h"
#include "adapters/gate.h"
#include "base/map.h"

struct call;
struct call_host;

#define CALL_PAGES_MAX 5000
#define CALL_TIMEOUT_MS 60000 /* Where the caller names none. */
#define CALL_REPLY_SIZE_MAX ((size_t)32 << 20)

struct call_verb { /* One verb of one cloud; const. */
    const char *name;
    bool mutates; /* Whether any of its exchanges does; see call.mutates. */
    enum gate_priority priority;
    /* Writes call->exchange (method, url, headers, body; for a stream request.on_data, whose request's ctx is the
     * call), call->label, and call->api and region: whose budget the request is of. May be called again for the same
     * exchange. */
    void (*build)(struct call *call);
    /* Reads a reply of 2xx. EXCHANGE_MORE: build again. EXCHANGE_DONE: outer->reply is filled or *err is set. */
    enum exchange_next (*read)(struct call *call, struct error *err);
    /* NULL: a failure ends the call. Else it is asked what to do about *err, of a request that was refused, failed or
     * was not sent: cleared (class NONE), the call goes on with what is returned, as after read. */
    enum exchange_next (*failed)(struct call *call, struct error *err);
    void (*release)(
        struct call *call); /* Before the end, however it comes: what state holds outside arenas. Or NULL. */
};

/* A credential that is kept elsewhere, instead of common/credentials.h: each function means what the one of the same
 * name means there. const. */
struct call_credentials {
    enum err_class (*acquire)(struct call_host *host, struct credentials_waiter *waiter,
                              const struct credentials_value **ret, struct error *err);
    void (*forget)(struct call_host *host, struct credentials_waiter *waiter);
    bool (*expire)(struct call_host *host, uint64_t generation);
    bool (*close)(struct call_host *host, void (*idle)(void *ctx), void *ctx);
};

struct call_cloud { /* One cloud's manners; const. */
    /* Adds what authenticates. value has all parts that the cloud's source gives. */
    void (*sign)(struct call *call, const struct credentials_value *value);
    /* Reads a reply that is not 2xx: fills class, effect, code and message of *err. */
    enum error_hint (*refusal)(struct call *call, struct error *err);
    void (*free)(struct call_host *host);       /* Frees the adapter; after call_host's own release. */
    const struct call_credentials *credentials; /* NULL: host->credentials. */
    /* The text holds a secret of ours. Goes with credentials: NULL: one of host->credentials. */
    bool (*repeats_secret)(const struct call *call, const char *text);
};

struct call_host { /* The first member of each network adapter. */
    struct adapter adapter;
    const struct call_cloud *cloud;
    struct runtime *runtime;
    struct http *http;
    struct adapter_gate *gate; /* adapter_config's: set by the cloud's open. NULL: none. */
    struct credentials credentials;
    int64_t clock_offset_ms; /* The cloud's clock less ours, learnt from a refusal. */
    struct call *first;
    size_t count;
    bool is_closing, is_credentials_busy;
    void (*closed)(void *ctx);
    void *closed_ctx;
    struct timer close_timer;
};

enum call_phase { CALL_NEW, CALL_ASKING, CALL_WAITING, CALL_SENDING, CALL_ENDING };

struct call {
    struct call_host *host;
    struct adapter_call *outer;
    const struct call_verb *verb;
    void *state; /* The verb's own, zeroed; lives in arena. */
    struct arena arena;
    struct exchange exchange;
    const char *label;  /* The operation in the cloud's words, for messages: "DescribeInstances". */
    const char *api;    /* "ec2"; static or the adapter's. */
    const char *region; /* "" where the API has none. Lives as long as the query or action. */

    const char *page_token; /* "" on the first page. */
    size_t page_count;
    struct map pages_seen;

    /* Whether the present exchange may have an effect: at first the verb's. A verb that reads before it writes says so
     * in build, for each exchange. */
    bool mutates;
    bool has_mutated; /* An earlier exchange had an effect: what the whole call did is unknown if it fails later. */

    enum call_phase phase;
    bool has_refreshed, has_adjusted_clock, is_cancelled;
    bool has_enough;     /* Set by a stream's on_data before it returns false: the reply is read as if it had ended. */
    uint64_t generation; /* Of the credential that signed. */
    uint64_t spent_ns;
    struct gate_request gate_request;
    bool is_let_through; /* By the gate, and not reported yet. */
    struct credentials_waiter waiter;
    struct timer timer; /* The deadline at the gate; the end. */
    struct call *next, **link;
};

void call_host_init(struct call_host *host, const struct adapter_ops *ops, const struct call_cloud *cloud,
                    const struct adapter_env *env);
/* adapter_ops.close and cancel of every network adapter. */
void call_host_close(struct adapter *self, void (*closed)(void *ctx), void *ctx);
void call_host_cancel(struct adapter *self, struct adapter_call *outer);

struct call *call_new(struct call_host *host, struct adapter_call *outer, const struct call_verb *verb,
                      size_t state_size);
void call_start(struct call *call);
/* Ends without (further) exchange. error NULL: outer->reply is filled. */
void call_end(struct call *call, const struct error *error);
/* For invalid input: ERR_PERMANENT. */
void call_refuse(struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What follows a page: EXCHANGE_MORE with the token kept for build, or EXCHANGE_DONE when token is "" or NULL; a token
 * seen before and a list without end are errors. */
enum exchange_next call_page(struct call *call, const char *token, struct error *err);
/* Another list begins within the same call. */
void call_pages_restart(struct call *call);

/* The server's now, for signatures. */
int64_t call_host_now_ms(const struct call_host *host);
/* Fills err->message with a text of the other side: one line, printable, and only if it repeats none of our secrets. */
void call_quote(const struct call *call, const char *text, struct error *err);
/* Fills err->code in the same way; "" if it repeats a secret. */
void call_quote_code(const struct call *call, const char *code, struct error *err);

#endif
