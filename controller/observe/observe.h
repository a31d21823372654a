/*
 * Observation: opens an adapter for each Provider, lists each kind of each region at a cadence, fetches utilisation of
 * what policies track into the history, and cuts a policy's snapshot out of it. One listing serves all policies. Reads
 * only; loop thread only.
 *
 * Each kind of each region stands alone: a listing that fails hides no other. It keeps the last good one, which grows
 * stale; a truncated one says so. Nothing may be inferred from absence in either.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_OBSERVE_OBSERVE_H
#define TRIMTAB_OBSERVE_OBSERVE_H

#include "adapters/adapter.h"
#include "adapters/wrap/budget.h"
#include "base/metrics.h"
#include "history/history.h"
#include "manifest/object.h"
#include "observe/snapshot.h"

struct observe;

struct observe_options {
    struct adapter_env env;
    /* The kind of adapter for a Provider's type: the simulation wraps them. NULL: adapter_find. */
    const struct adapter_ops *(*find_adapter)(const char *type);
    struct history *history;
    struct metrics *metrics;
    uint32_t kinds;           /* Bits of enum cloud_kind, of those that an adapter lists; 0: all of them. */
    int64_t list_period_ms;   /* 60 s: machines, groups, workloads; others a multiple of it. */
    int64_t stale_after_ms;   /* 5 periods; of the others the same multiple. */
    int64_t start_jitter_ms;  /* The first listings begin within so long. */
    int64_t usage_step_ms;    /* 5 min: the grid of the history. */
    int64_t backfill_ms;      /* 14 d */
    uint32_t call_timeout_ms; /* 60 s */
    size_t count_max;         /* Resources of one listing: 100,000 */
    size_t total_max;         /* Of all listings of one provider: 200,000 */
    /* A listing ended (well or not), the account was learned, or an API's circuit or rate changed. changed: the
     * resources or what is known of them differ from before. */
    void (*on_provider)(void *ctx, const char *namespace, const char *name, bool changed);
    /* New samples of resources of this provider, or a failure to get them. */
    void (*on_usage)(void *ctx, const char *namespace, const char *name);
    /* Sizes that a group had by our own record of actions, as changes in time order; the first entry is the size before
     * the first change. Returns how many (0: no record). NULL: none. */
    size_t (*recorded_sizes)(void *ctx, const char *provider, const struct cloud_resource *resource,
                             struct cloud_sample *ret, size_t ret_max);
    /* So many containers of the resource were killed for want of memory, each told once as far as is known. raise: the
     * newest that the history now holds against it; NULL: they raised nothing anew. on_kills NULL: nobody asks. */
    void (*on_kills)(void *ctx, const char *provider, const struct cloud_resource *resource, size_t count,
                     const struct history_raise *raise);
    void *ctx;
};

struct observe *observe_new(const struct observe_options *options);
void observe_close(struct observe *observe, void (*closed)(void *ctx), void *ctx); /* Then observe_free. */
void observe_free(struct observe *observe);

/* Opens (or, when spec or credentials have changed, reopens) the adapter. credential and is_environment as in
 * adapter_config. */
MUST_CHECK enum err_class observe_provider_open(struct observe *observe, const struct object *provider,
                                                const char *(*credential)(void *ctx, const char *key),
                                                void *credential_ctx, bool is_environment, struct error *err);
void observe_provider_close(struct observe *observe, const char *namespace, const char *name);

/* A listing that fails; one that may pass (ERR_RETRYABLE, ERR_THROTTLED...) from the second time on, or while nothing
 * is known at all. error class NONE: there is none. */
struct observe_trouble {
    struct error error;
    const char *region; /* "" if there is none. */
    enum cloud_kind kind;
};

struct observe_prices {
    size_t known, stale; /* Types that have a price; that have an old one. */
    const char *source;  /* Of the oldest stale one. */
    int64_t oldest_ms;   /* Its as-of time; 0: it bears none. */
};

struct observe_report { /* Of one provider, for its status. Strings are valid until control returns to the loop. */
    bool open;
    bool listed; /* Every kind of every region has been listed at least once. */
    bool truncated;
    const char *account; /* "" unknown */
    bool account_busy;   /* It is being asked for. */
    bool is_looking;     /* The first look at something has not ended: what is told here will still change. */
    uint32_t kinds;      /* That are listed. */
    int64_t counts[CLOUD_KIND_COUNT];
    struct observe_trouble trouble; /* The most severe in a region of which nothing can be listed. */
    struct observe_trouble partly;  /* The most severe in the other regions. */
    struct observe_prices prices;
};
void observe_provider_report(const struct observe *observe, const char *namespace, const char *name,
                             struct observe_report *ret);
/* The APIs that were asked for its account, by name and region; none: not open, or not asked yet. */
void observe_provider_apis(const struct observe *observe, const char *namespace, const char *name,
                           budget_report_fn *each, void *ctx);

struct observe_shelf_report { /* One kind of one region. */
    const char *region;
    enum cloud_kind kind;
    enum source_state state;
    size_t count;
    size_t limit; /* Where it was cut; 0: it is whole. */
    bool is_limit_of_provider;
    const struct error *error; /* As in observe_trouble. */
};
/* Sorted by region as in the spec, then kind. Valid until control returns to the loop. */
size_t observe_provider_shelves(const struct observe *observe, const char *namespace, const char *name,
                                struct arena *arena, const struct observe_shelf_report **ret);
/* Whether each of these kinds that is listed at all has been listed at least once in every region; else the most severe
 * failure among those that have not. False also when the provider is not open. */
bool observe_provider_listed(const struct observe *observe, const char *namespace, const char *name, uint32_t kinds,
                             struct observe_trouble *ret_trouble);

/* Whether the first listing of everything of every open provider has ended, well or not, with the prices for it. */
bool observe_has_looked(const struct observe *observe);

/* NULL when not open. Act uses it for apply and poll. */
struct adapter *observe_adapter(const struct observe *observe, const char *provider);

/* Lists that kind soon, before others that are due (if a listing is under way, its end calls on_provider all the same).
 */
void observe_refresh(struct observe *observe, const char *provider, const char *region, enum cloud_kind kind);

/* What a policy asks for: its providers (already permitted) with the tags that their owners require. */
struct observe_scope {
    const char *provider; /* "namespace/name" */
    const struct tag *require_tags;
    size_t require_tag_count;
};

/* Whether the owner of a Provider lets a policy of that namespace use it, and on which condition. The owner's own
 * namespace may always. labels: those of the policy's namespace. Pure. */
bool observe_permit(const struct object *provider, const char *policy_namespace, const struct tag *labels,
                    size_t label_count, struct observe_scope *ret);

/* Calls each for every listed resource that the policy selects; sorted by scope, region, kind,
 * id. */
typedef void observe_each_fn(void *ctx, const char *provider, const struct cloud_resource *resource);
void observe_select(const struct observe *observe, const struct policy *policy, const struct observe_scope *scopes,
                    size_t scope_count, observe_each_fn *each, void *ctx);

/* Keeps utilisation of this resource coming; call it at each cycle. What nobody asked for in an hour is dropped. Disks,
 * snapshots, buckets and addresses have none: nothing is asked, and they are tracked at once. */
void observe_track(struct observe *observe, const char *provider, const struct cloud_resource *resource,
                   enum cloud_metric metric);
/* Whether the first fetch of its usage has ended. err: the last failure that still holds, class NONE: none. */
bool observe_is_tracked(const struct observe *observe, const char *provider, const struct cloud_resource *resource,
                        enum cloud_metric metric, struct error *ret_error);

/* What a process before this one raised after a kill, of a resource that need not be listed yet; before it is tracked.
 */
void observe_restore_raise(struct observe *observe, const char *provider, const struct cloud_resource *resource,
                           const struct history_raise *raise);

/* One resource as last listed. False: not in the listing (or none yet). */
bool observe_find(const struct observe *observe, const char *provider, const char *region, enum cloud_kind kind,
                  const char *id, const struct cloud_resource **ret);
/* State, start time and number of the last good listing of a kind in a region. Listings are numbered in order of their
 * beginning, so that "began after" holds whatever the clocks say. ret_sequence may be NULL. */
enum source_state observe_source(const struct observe *observe, const char *provider, const char *region,
                                 enum cloud_kind kind, int64_t *ret_seen_at_ms, uint64_t *ret_sequence);
/* The number of the listing that began last. */
uint64_t observe_sequence(const struct observe *observe);

/* From the next listing on, what is for sale where the policy may change machines or place: in all regions of these
 * providers with Rightsize, in those of placement.targets with Migrate. observe_snapshot does it too, for the next one.
 */
void observe_want_offers(struct observe *observe, const struct policy *policy, const struct observe_scope *scopes,
                         size_t scope_count);

/* What is known of the demand of a resource, as the policy looks at it; in the arena. */
struct history_series observe_history(const struct observe *observe, const char *provider,
                                      const struct cloud_resource *resource, const struct policy *policy,
                                      struct arena *arena);

/* The snapshot, deep-copied into the arena: it may go to another thread. Its sources are those of the kinds that the
 * policy selects. donors, claimed_by and last_change are filled by the caller. */
struct snapshot *observe_snapshot(struct observe *observe, const struct policy *policy,
                                  const struct observe_scope *scopes, size_t scope_count, struct arena *arena);

#endif
