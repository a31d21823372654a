/*
 * What the files of observe/ share: providers, their regions, and tracked usage.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_OBSERVE_OBSERVE_INTERNAL_H
#define TRIMTAB_OBSERVE_OBSERVE_INTERNAL_H

#include "adapters/wrap/wrap.h"
#include "base/map.h"
#include "base/mem.h"
#include "observe/observe.h"

struct observe_postings { /* Indices of the resources that bear one tag, ascending. */
    uint32_t *indices;
    size_t count;
};

struct observe_region {
    struct observe_provider *provider;
    const char *name; /* In provider->arena. */

    /* The last good listing. */
    struct arena arena;
    const struct cloud_resource *resources;
    size_t count;
    struct map by_tag; /* "key=value" -> struct observe_postings * */
    struct map by_id;  /* "kind/id" -> index + 1 */
    int64_t as_of_ms;  /* Wall time at which it began; 0: none yet. */
    uint64_t as_of_ns; /* The same, monotonic. */
    uint64_t sequence; /* Its number. */
    bool truncated;
    uint64_t content_hash;
    bool changed; /* By the listing that ended last. */

    /* Prices of the types in it, kept from listing to listing; asked for when a type is new or the prices are old. */
    struct arena offers_arena;
    struct map offers;     /* type -> struct cloud_offer * */
    uint64_t offers_at_ns; /* 0: never. */

    /* The listing under way (then its prices), and the next. */
    struct adapter_call call;
    struct cloud_query query;
    struct arena call_arena;
    void (*prices_done)(struct observe_region *region);
    int64_t began_ms;
    uint64_t began_ns;
    uint64_t began_sequence;
    bool busy;
    bool tried; /* At least one listing has ended. */
    struct timer timer;
    int64_t next_ms; /* Delay of the next listing. */
    uint32_t failures;
    struct error error;

    /* Usage: one call at a time. */
    struct adapter_call usage_call;
    struct cloud_query usage_query;
    struct arena usage_arena;
    struct observe_track **usage_batch; /* In usage_arena. */
    size_t usage_batch_count;
    bool usage_busy;
    struct timer usage_timer;
    uint32_t usage_failures;
};

struct observe_provider {
    struct observe *observe;
    struct adapter *adapter;   /* Within its decorators. */
    struct adapter_gate *gate; /* Before every request: the budget of its account. */
    struct arena arena;        /* Names. */
    const char *namespace, *name, *key;
    uint64_t spec_hash;
    struct observe_region *regions;
    size_t region_count;
    struct adapter_call account_call;
    struct arena account_arena;
    bool account_busy;
    char account[128];
    bool closing; /* Results of late calls are dropped. */
    struct observe_provider *next_closing;
};

struct observe_track { /* One resource's metric that somebody wants. */
    char *key;         /* The history's key. */
    char *id;
    enum cloud_kind kind;
    enum cloud_metric metric;
    struct observe_region *region; /* NULL: its provider closed. */
    uint64_t touched_ns;
    bool fetched; /* A first fetch has ended well. */
    bool in_batch;
    int64_t asked_until_ms; /* The end of the last range asked for. */
    struct error error;
};

struct observe {
    struct observe_options options;
    struct budget_registry *budgets;
    uint64_t sequence;    /* Of the listing that began last. */
    struct map providers; /* "namespace/name" -> struct observe_provider * */
    struct map tracks;    /* history key -> struct observe_track * */
    struct observe_provider *closing;
    size_t closing_count;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

struct runtime *observe_runtime(const struct observe *observe);
struct observe_region *observe_region_find(const struct observe *observe, const char *provider, const char *region);
const struct cloud_resource *observe_region_resource(const struct observe_region *region, enum cloud_kind kind,
                                                     const char *id);
bool observe_region_is_stale(const struct observe_region *region);

/* prices.c: asks for what is missing, then calls done (at once when nothing is missing; never fails the listing). */
void observe_prices_begin(struct observe_region *region, void (*done)(struct observe_region *region));
void observe_prices_release(struct observe_region *region);

/* list.c */
void observe_list_start(struct observe_region *region, int64_t delay_ms);
void observe_region_release(struct observe_region *region);

/* usage.c */
void observe_usage_schedule(struct observe_region *region, int64_t delay_ms);
void observe_usage_forget_region(struct observe *observe, const struct observe_region *region);
char *observe_history_key(const char *provider, const struct cloud_resource *resource, enum cloud_metric metric);

#endif
