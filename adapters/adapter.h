/*
 * The interface of a cloud. One vtable, asynchronous. The contract, which tests/contract holds against every adapter:
 *
 * 1. Exactly once, later, on the loop thread: done runs once for each submit, never from inside it, also after cancel
 *    and on invalid input.
 * 2. Ownership: query and action are borrowed until done; results live in the caller's arena; the adapter outlives its
 *    calls; close cancels what is in flight and reports after the last done.
 * 3. An adapter neither retries, sleeps, caches nor logs. One exception: a single refresh of the credential on 401/403
 *    "expired". Paging is inside one call.
 * 4. apply is at most one effect for each token. Where the API takes no token, an unknown effect is settled by list.
 * 5. list reports what the cloud says, each with as_of_ms, sorted by cloud_resource_cmp, cut at count_max and then
 * `truncated`. A page link that repeats or never ends is ERR_PERMANENT. Unknown enum values and extra fields are no
 * error.
 * 6. Each cloud's codes map to classes in one table.
 * 7. Mutations: reply.error.effect says what a failure did. A timeout after the request may have left is
 * EFFECT_UNKNOWN.
 * 8. Each request asks the gate first (gate.h): common/call.c does it for all that are built on it.
 * 9. A long operation is two verbs: apply answers with a handle, poll with the same handle until it is done. The handle
 * holds all that poll needs (it is journaled, and another process goes on with it): printable, at most
 * ADAPTER_OPERATION_MAX characters, no secret. poll may send the next request of a sequence (stop, modify, start); it
 * reads before it writes, so that a repeated poll repeats no effect.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_ADAPTER_H
#define TRIMTAB_ADAPTERS_ADAPTER_H

#include "adapters/cloud.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "base/runtime.h"

struct adapter_gate; /* gate.h */
struct http;
struct catalogue;
struct adapter;
struct adapter_call;

/* Everything an adapter may touch besides its arguments. Outlives it. */
struct adapter_env {
    struct runtime *runtime;
    struct http *http;                 /* NULL only in the simulation; then only `simulated` opens. */
    const struct catalogue *catalogue; /* Prices and types; NULL: none. */
};

/* Borrowed during open only. */
struct adapter_config {
    const char *name; /* "platform/aws-prod", for messages. */
    const char *const *regions;
    size_t region_count;
    const char *endpoint; /* NULL: the cloud's own. */
    /* The Secret's keys by the names that the cloud's own tools use; where the Provider names none, the environment's
     * variables of the same names (workload identity). NULL if absent. Called during open only. */
    const char *(*credential)(void *ctx, const char *key);
    void *credential_ctx;
    bool is_environment; /* credential gives the environment of this process, not a Secret: only then may files that it
                            names be read and programs be run. */
    struct adapter_gate *gate;     /* NULL: no budget. Outlives the adapter. */
    const struct json *parameters; /* spec.<type>: the adapter's own block ("simulated"); NULL: none. */
    const char *base_dir;          /* Files named in parameters are relative to it; NULL: no files allowed. */
};

struct adapter_reply {
    struct error error; /* class NONE: success. */
    size_t count;
    bool truncated; /* count_max was reached: nothing may be inferred from absence. */
    union {
        const struct cloud_resource *resources; /* list */
        const struct cloud_offer *offers;       /* prices */
        const struct cloud_series *series;      /* usage; one for each id with any data */
        const struct cloud_charge *charges;     /* charges */
        const struct cloud_limit *limits;       /* limits */
        const char *operation; /* apply: "" done, else an opaque handle for poll. poll: "" done, else ask again (the
                                  handle may have changed). account: its id. */
    } as;
    const char *id;         /* CREATE, TAKE_SNAPSHOT, also of a poll: what was made, once it is known; else NULL. */
    const char *cursor;     /* charges: where to go on; "" at the end. */
    uint32_t poll_after_ms; /* apply, poll: with an operation that is not done. */
    uint32_t request_count; /* HTTP requests that this call took. */
};

typedef void adapter_done_fn(struct adapter_call *call);

struct adapter_call {
    /* The caller's. */
    adapter_done_fn *done;
    void *ctx;
    struct arena *arena;
    uint32_t timeout_ms; /* The whole call, pages and refresh included; 0: 60 s. Wall-real for network adapters. */
    /* The adapter's. */
    struct adapter_reply reply;
    void *state; /* NULL before submit and after done. */
};

#define ADAPTER_OPERATION_MAX 1000

struct adapter_ops {
    const char *type;                 /* "aws": Provider.spec.type. */
    uint32_t kinds;                   /* What it lists: bits of enum cloud_kind. */
    uint32_t verbs[CLOUD_KIND_COUNT]; /* What it does to each kind: bits of enum cloud_verb. Others are refused. */
    uint32_t tokens;                  /* Verbs whose API takes an idempotency token. */

    /* No I/O beyond local files. */
    enum err_class (*open)(struct adapter **ret, const struct adapter_env *env, const struct adapter_config *config,
                           struct error *err);
    void (*close)(struct adapter *self, void (*closed)(void *ctx), void *ctx); /* Frees self before closed. */

    /* Observe: no effect, repeatable. */
    void (*account)(struct adapter *self, struct adapter_call *call); /* reply.as.operation: the account's id. */
    void (*list)(struct adapter *self, struct adapter_call *call, const struct cloud_query *query);
    void (*prices)(struct adapter *self, struct adapter_call *call, const struct cloud_query *query);
    void (*usage)(struct adapter *self, struct adapter_call *call, const struct cloud_query *query);
    /* Rows of the bill for charge periods that begin in the range, at most count_max; go on with the cursor. */
    void (*charges)(struct adapter *self, struct adapter_call *call, const struct cloud_query *query);
    void (*limits)(struct adapter *self, struct adapter_call *call, const struct cloud_query *query);

    /* Act. */
    void (*apply)(struct adapter *self, struct adapter_call *call, const struct cloud_action *action);
    void (*poll)(struct adapter *self, struct adapter_call *call, const char *operation);

    void (*cancel)(struct adapter *self, struct adapter_call *call); /* done still runs, later and once. */
};

struct adapter { /* The first member of each adapter. */
    const struct adapter_ops *ops;
};

/* NULL-ended; adapter_find gives NULL for an unknown type. */
extern const struct adapter_ops *const adapter_all[];
const struct adapter_ops *adapter_find(const char *type);

extern const struct adapter_ops adapter_aws;
extern const struct adapter_ops adapter_kubernetes;
extern const struct adapter_ops adapter_simulated;

#endif
