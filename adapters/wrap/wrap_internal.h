/*
 * The pass-through that all decorators are: wrap.c. A decorator brings hooks and may keep data of its own around struct
 * wrap.
 *
 *     submit -> before -> wrap_forward -> (inner done) -> after -> outer done
 *                  `----> wrap_end ------ timer of 0 ---------------^
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_WRAP_WRAP_INTERNAL_H
#define TRIMTAB_ADAPTERS_WRAP_WRAP_INTERNAL_H

#include "adapters/wrap/wrap.h"

struct wrap;

enum wrap_phase { WRAP_HELD, WRAP_INSIDE, WRAP_ENDING };

struct wrap_call {
    struct adapter_call inner;
    struct adapter_call *outer;
    struct wrap *wrap;
    enum wrap_verb verb;
    enum wrap_phase phase;
    /* What the verb was called with; the rest NULL. */
    const struct cloud_query *query;
    const struct cloud_action *action;
    const char *operation;
    uint64_t began_ns;
    struct timer timer;
    const void *mark; /* The decorator's. */
    struct wrap_call *next, **link;
};

struct wrap_hooks { /* NULL: nothing. */
    /* Sees to it that the call goes on, now or later: wrap_forward or wrap_end, once. NULL: wrap_forward. While it is
     * held, its timer is the decorator's. */
    void (*before)(struct wrap_call *call);
    /* The inner adapter's answer is in call->outer->reply, and may be changed. */
    void (*after)(struct wrap_call *call);
    void (*free)(struct wrap *wrap); /* NULL: mem_free(wrap). */
};

struct wrap {
    struct adapter adapter;
    struct adapter_ops ops; /* The inner's but for what wrap.c does. */
    struct adapter *inner;
    const struct wrap_hooks *hooks;
    struct runtime *runtime;
    struct wrap_call *calls;
    bool is_closing, is_inner_closed;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

struct adapter *wrap_init(struct wrap *wrap, const struct wrap_hooks *hooks, struct adapter *inner,
                          struct runtime *runtime);
void wrap_forward(struct wrap_call *call);
/* Ends one that is held, later. */
void wrap_end(struct wrap_call *call, const struct error *error);

#endif
