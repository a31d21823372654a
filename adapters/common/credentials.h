/*
 * Credentials that expire: fetched from one source, kept, renewed before they run out, one fetch at a time however many
 * calls wait. A source is a pair of functions, build and read, for a sequence of HTTP exchanges; how a cloud chooses
 * its source is the cloud's affair. A value that never changes is a source without build.
 *
 * Nothing here retries: a failed fetch fails those who wait for it, and the next call starts another. A value that
 * should be renewed but cannot is used until it really ends.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_COMMON_CREDENTIALS_H
#define TRIMTAB_ADAPTERS_COMMON_CREDENTIALS_H

#include <stdbool.h>

#include "adapters/common/exchange.h"
#include "base/runtime.h"

struct credentials_value { /* Owned strings, wiped when replaced; NULL if the cloud has no such part. */
    char *id;
    char *secret;
    char *token;
    int64_t expires_at_ms; /* Wall clock; 0: never. */
    uint64_t generation;   /* Counts up: says which value a request was signed with. */
};

struct credentials_source {
    const char *name; /* "web identity", for messages. */
    /* Fills the exchange number `index` (from 0) of a fetch; may read local files. NULL: the value is fixed. */
    enum err_class (*build)(void *ctx, struct exchange *exchange, uint32_t index, struct error *err);
    /* Reads a reply of any status. EXCHANGE_DONE: *ret was filled with mem_strdup strings. */
    enum exchange_next (*read)(void *ctx, struct exchange *exchange, uint32_t index, struct credentials_value *ret,
                               struct error *err);
};

struct credentials_waiter { /* Embedded in who waits; zeroed is idle. */
    /* error NULL: try credentials_acquire again. spent_ns: how long the fetch took. On the loop thread, never from
     * inside acquire. */
    void (*ready)(struct credentials_waiter *waiter, const struct error *error, uint64_t spent_ns);
    struct credentials_waiter *next;
    bool is_waiting;
};

struct credentials {
    struct runtime *runtime;
    struct http *http;
    const struct credentials_source *source;
    void *source_ctx;
    struct credentials_value value; /* generation 0: none yet. */
    int64_t renew_at_ms;            /* Of a value that expires. */
    uint64_t generation;
    uint64_t spent_ns;
    uint32_t request_count; /* Of all fetches; a metric. */
    uint32_t index;
    bool is_fetching;
    struct exchange exchange;
    struct credentials_waiter *waiters;
    void (*idle)(void *ctx); /* Set by credentials_close. */
    void *idle_ctx;
};

void credentials_init(struct credentials *self, struct runtime *runtime, struct http *http,
                      const struct credentials_source *source, void *source_ctx);
/* The fixed value of a source without build; copies. */
void credentials_set(struct credentials *self, const char *id, const char *secret, const char *token);
/* ERR_NONE with *ret a valid value, or with *ret NULL: waiter->ready will be called. An error: it will not. */
MUST_CHECK enum err_class credentials_acquire(struct credentials *self, struct credentials_waiter *waiter,
                                              const struct credentials_value **ret, struct error *err);
void credentials_forget(struct credentials *self, struct credentials_waiter *waiter); /* ready is not called. */
/* The cloud said that the value of this generation has expired. False: the source cannot give another. */
bool credentials_expire(struct credentials *self, uint64_t generation);
/* Cancels a fetch. True: idle already; else idle will be called once, later. */
bool credentials_close(struct credentials *self, void (*idle)(void *ctx), void *ctx);
void credentials_release(struct credentials *self); /* Idle only. Wipes. */

#endif
