/*
 * What the files of observe/ share: providers, their regions, of these a shelf for each kind, and tracked usage.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_OBSERVE_OBSERVE_INTERNAL_H
#define TRIMTAB_OBSERVE_OBSERVE_INTERNAL_H

#include "adapters/wrap/wrap.h"
#include "base/map.h"
#include "base/mem.h"
#include "observe/observe.h"
#include "observe/stock.h"

struct observe_shelf { /* One listing: a region, a kind. */
    struct observe_region *region;
    enum cloud_kind kind;

    /* The last good one. */
    struct stock stock;
    int64_t as_of_ms;  /* Wall time at which it began; 0: none yet. */
    uint64_t as_of_ns; /* The same, monotonic. */
    uint64_t sequence; /* Its number. */
    bool truncated;
    bool cut_by_total; /* By what is held of the whole provider. */
    uint64_t content_hash;
    bool changed; /* By the listing that ended last. */

    /* The listing under way (then its prices), and the next. */
    struct adapter_call call;
    struct cloud_query query;
    struct arena call_arena;
    int64_t began_ms;
    uint64_t began_ns;
    uint64_t began_sequence;
    bool busy;
    bool tried;  /* At least one listing has ended. */
    bool looked; /* And the prices for it have been asked for. */
    bool queued; /* It is due, and waits for a place. */
    bool urgent; /* Somebody waits for it. */
    struct observe_shelf *next_queued;
    struct observe_shelf *next_priced, *next_limited;
    struct timer timer;
    int64_t next_ms; /* Delay of the next listing. */
    uint32_t failures;
    struct error error;
};

struct observe_region {
    struct observe_provider *provider;
    const char *name;                                /* In provider->arena. */
    struct observe_shelf *shelves[CLOUD_KIND_COUNT]; /* NULL: a kind that the adapter does not list. */

    /* Prices of the types in it, kept from listing to listing; asked for when a type is new or the prices are old. */
    struct arena offers_arena;
    struct map offers;     /* type -> struct cloud_offer * */
    uint64_t offers_at_ns; /* 0: never. */
    bool wants_all;        /* A policy chooses among all that the region sells, not only what its listings show. */
    bool has_all;          /* The offers are of all that. */
    struct adapter_call prices_call;
    struct cloud_query prices_query;
    const char **seen_types; /* Of the listings when the call began, in prices_arena. */
    size_t seen_type_count;
    struct arena prices_arena;
    bool prices_busy;
    bool prices_failed;                         /* The last call. */
    uint64_t prices_not_before_ns;              /* After a failure. */
    struct observe_shelf *priced, *priced_next; /* Shelves whose listing waits for this call; for another one. */

    /* Quotas, kept likewise. */
    struct arena limits_arena, limits_call_arena;
    const struct cloud_limit *limits;
    double *limits_used; /* As counted, one for each; NULL: not yet. */
    size_t limit_count;
    uint64_t limits_used_hash;
    uint64_t limits_at_ns; /* 0: never. */
    bool wants_limits;     /* A policy may make something here. */
    bool wants_loads;      /* A policy plans the nodes. */
    bool limits_busy, limits_failed;
    uint64_t limits_not_before_ns;
    struct adapter_call limits_call;
    struct cloud_query limits_query;
    struct observe_shelf *limited; /* Shelves whose listing waits for this call. */

    /* Usage: one call at a time. */
    struct adapter_call usage_call;
    struct cloud_query usage_query;
    struct arena usage_arena;
    struct observe_track **usage_batch; /* In usage_arena. */
    size_t usage_batch_count;
    bool usage_busy;
    bool usage_is_again; /* All of the batch has been asked for in this slot already. */
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
    const struct cloud_commitment *commitments; /* As the spec tells them. */
    size_t commitment_count;
    size_t in_flight;            /* Listings. */
    struct observe_shelf *queue; /* Due listings, those first that somebody waits for. */
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
    bool is_present;        /* As cloud_series tells. */
    int64_t asked_until_ms; /* The end of the last range asked for, */
    int64_t asked_at_ms;    /* and when that was. */
    /* A sample of the slot that still runs, with the size at its time: where the cloud tells only what is now, it is
     * gone when the slot has ended. time_ms 0: none. */
    struct cloud_sample held, held_serving;
    int64_t held_capacity; /* Of a machine at its time: the sample is a share of that. */
    /* Kills that were told already, by the hash of their ids; the oldest go. NULL: none. */
    uint64_t *kills;
    size_t kill_count, kill_next;
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
struct observe_provider *observe_provider_find(const struct observe *observe, const char *namespace, const char *name);
struct observe_region *observe_region_find(const struct observe *observe, const char *provider, const char *region);
/* NULL: no such provider or region, or a kind that the adapter does not list. */
struct observe_shelf *observe_shelf_find(const struct observe *observe, const char *provider, const char *region,
                                         enum cloud_kind kind);
const struct cloud_resource *observe_region_resource(const struct observe_region *region, enum cloud_kind kind,
                                                     const char *id);

/* prices.c: asks for what is missing, then observe_limits_begin (at once when nothing is missing; never fails the
 * listing).
 */
void observe_prices_begin(struct observe_shelf *shelf);
void observe_prices_release(struct observe_region *region);
/* In this resource's region; false: nothing is known. Lives as long as the listing. */
bool observe_offer(const struct observe_region *region, const struct cloud_resource *resource, struct cloud_offer *ret);

/* limits.c: as prices, after them. */
void observe_limits_begin(struct observe_shelf *shelf);
void observe_limits_release(struct observe_region *region);
/* Those of the region that a plan can reckon with, and what is used of each by the listings. Until the next listing. */
size_t observe_limits(struct observe_region *region, const struct cloud_limit **ret, const double **ret_used);

/* commitments.c */
void observe_commitments_keep(struct observe_provider *provider, const struct provider *spec);
/* Those of the scopes' regions; resources are there. */
void observe_view_commitments(const struct observe *observe, const struct observe_scope *scopes, size_t scope_count,
                              struct snapshot *snapshot, struct arena *arena);

/* list.c */
void observe_list_start(struct observe_shelf *shelf, int64_t delay_ms);
void observe_list_end(struct observe_shelf *shelf);
enum source_state observe_shelf_state(const struct observe_shelf *shelf);
size_t observe_shelf_limit(const struct observe_shelf *shelf); /* Where it was cut. */

/* usage.c */
void observe_usage_schedule(struct observe_region *region, int64_t delay_ms);
void observe_usage_forget_region(struct observe *observe, const struct observe_region *region);
char *observe_history_key(const char *provider, const struct cloud_resource *resource, enum cloud_metric metric);

#endif
