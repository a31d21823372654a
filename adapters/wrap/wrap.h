/*
 * Decorators: adapters around any adapter, which keep the contract of adapter.h and can be stacked. Each takes over the
 * adapter that it is put around: closing the outermost closes all. They forward every verb; kinds, verbs and tokens are
 * those of the innermost.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_WRAP_WRAP_H
#define TRIMTAB_ADAPTERS_WRAP_WRAP_H

#include "adapters/adapter.h"

struct metrics;

enum wrap_verb {
    WRAP_ACCOUNT,
    WRAP_LIST,
    WRAP_PRICES,
    WRAP_USAGE,
    WRAP_CHARGES,
    WRAP_LIMITS,
    WRAP_APPLY,
    WRAP_POLL,
    WRAP_VERB_COUNT,
};
const char *wrap_verb_name(enum wrap_verb verb); /* "list" */

/* Duration, outcome and requests of each call, by verb. provider is copied. */
struct adapter *wrap_metrics(struct adapter *inner, struct runtime *runtime, struct metrics *metrics,
                             const char *provider);

/* One record for each call, when it ends. No secret: ids, names and the error as users see it, which has none. */
struct wrap_record {
    const char *provider, *type;
    enum wrap_verb verb;
    const char *region;        /* "" where the verb has none. */
    const char *kind;          /* apply, usage: cloud_kind_name. Else "". */
    const char *action;        /* apply: cloud_verb_name. Else "". */
    const char *id;            /* apply. Else "". */
    const struct error *error; /* class NONE: done. */
    size_t count;              /* Of what was read. */
    bool truncated;
    uint64_t duration_ns;
    uint32_t request_count;
};
typedef void wrap_trace_fn(void *ctx, const struct wrap_record *record);
/* each runs before the call's done; it must not call an adapter. */
struct adapter *wrap_trace(struct adapter *inner, struct runtime *runtime, const char *provider, wrap_trace_fn *each,
                           void *ctx);

/* A fault for the calls that it matches. */
struct wrap_fault {
    uint32_t verbs;      /* Bits 1u << enum wrap_verb; 0: every one. */
    uint32_t kinds;      /* apply, usage: bits 1u << enum cloud_kind; 0: every one, and verbs without. */
    const char *id;      /* apply: a glob. NULL: any, and verbs without. */
    uint32_t times;      /* So often, then the rule is spent; 0: always. */
    uint32_t latency_ms; /* Before the call goes inward, or fails. */
    /* class not NONE: the call fails with it. effect NONE: it never went inward. Else it did, and its answer is dropped
     * for this one. */
    struct error error;
    size_t truncate_at; /* list: no more than so many, and truncated; 0: all. */
};
/* The first rule that matches and is not spent counts. Rules are borrowed, and counted down in place. */
struct adapter *wrap_faults(struct adapter *inner, struct runtime *runtime, struct wrap_fault *faults, size_t count);

#endif
