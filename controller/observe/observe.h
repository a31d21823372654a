/*
 * Observation: opens an adapter for each Provider, lists its regions at a cadence, fetches utilisation of what policies
 * track into the history, and cuts a policy's snapshot out of it. One listing a region serves all policies. Reads only;
 * loop thread only.
 *
 * A listing that fails keeps the last good one, which grows stale; a truncated one says so. Nothing may be inferred
 * from absence in either.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_OBSERVE_OBSERVE_H
#define TRIMTAB_OBSERVE_OBSERVE_H

#include "adapters/adapter.h"
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
    int64_t list_period_ms;   /* 60 s */
    int64_t stale_after_ms;   /* 5 periods */
    int64_t usage_step_ms;    /* 5 min: the grid of the history. */
    int64_t backfill_ms;      /* 14 d */
    uint32_t call_timeout_ms; /* 60 s */
    size_t count_max;         /* Resources of one listing: 100,000 */
    /* A listing ended (well or not), or the account was learned. changed: the resources or what is known of them differ
     * from before. */
    void (*on_provider)(void *ctx, const char *namespace, const char *name, bool changed);
    /* New samples of resources of this provider, or a failure to get them. */
    void (*on_usage)(void *ctx, const char *namespace, const char *name);
    /* Sizes that a group had by our own record of actions, as changes in time order; the first entry is the size before
     * the first change. Returns how many (0: no record). NULL: none. */
    size_t (*recorded_sizes)(void *ctx, const char *provider, const struct cloud_resource *resource,
                             struct cloud_sample *ret, size_t ret_max);
    void *ctx;
};

struct observe *observe_new(const struct observe_options *options);
void observe_close(struct observe *observe, void (*closed)(void *ctx), void *ctx); /* Then observe_free. */
void observe_free(struct observe *observe);

/* Opens (or, when spec or credentials have changed, reopens) the adapter. credential and is_environment as in adapter_config. */
MUST_CHECK enum err_class observe_provider_open(struct observe *observe, const struct object *provider,
                                                const char *(*credential)(void *ctx, const char *key),
                                                void *credential_ctx, bool is_environment, struct error *err);
void observe_provider_close(struct observe *observe, const char *namespace, const char *name);

struct observe_report { /* Of one provider, for its status. Strings are valid until control returns to the loop. */
    bool open;
    bool listed; /* Every region has been listed at least once. */
    bool truncated;
    const char *account; /* "" unknown */
    bool account_busy;   /* It is being asked for. */
    int64_t counts[CLOUD_KIND_COUNT];
    struct error error; /* The latest failure that still holds; class NONE: none. */
    const char *error_region;
};
void observe_provider_report(const struct observe *observe, const char *namespace, const char *name,
                             struct observe_report *ret);

/* Whether the first listing of every region of every open provider has ended, well or not, with the prices for it. */
bool observe_has_looked(const struct observe *observe);

/* NULL when not open. Act uses it for apply and poll. */
struct adapter *observe_adapter(const struct observe *observe, const char *provider);

/* Lists that region soon (if a listing is under way, its end calls on_provider all the same). */
void observe_refresh(struct observe *observe, const char *provider, const char *region);

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

/* Calls each for every listed resource that the policy selects; sorted by scope, region, id. */
typedef void observe_each_fn(void *ctx, const char *provider, const struct cloud_resource *resource);
void observe_select(const struct observe *observe, const struct policy *policy, const struct observe_scope *scopes,
                    size_t scope_count, observe_each_fn *each, void *ctx);

/* Keeps utilisation of this resource coming; call it at each cycle. What nobody asked for in an hour is dropped. */
void observe_track(struct observe *observe, const char *provider, const struct cloud_resource *resource,
                   enum cloud_metric metric);
/* Whether the first fetch of its usage has ended. err: the last failure that still holds, class NONE: none. */
bool observe_is_tracked(const struct observe *observe, const char *provider, const struct cloud_resource *resource,
                        enum cloud_metric metric, struct error *ret_error);

/* One resource as last listed. False: not in the listing (or none yet). */
bool observe_find(const struct observe *observe, const char *provider, const char *region, enum cloud_kind kind,
                  const char *id, const struct cloud_resource **ret);
/* State, start time and number of the last good listing of a region. Listings are numbered in order of their beginning,
 * so that "began after" holds whatever the clocks say. ret_sequence may be NULL. */
enum source_state observe_source(const struct observe *observe, const char *provider, const char *region,
                                 int64_t *ret_seen_at_ms, uint64_t *ret_sequence);
/* The number of the listing that began last. */
uint64_t observe_sequence(const struct observe *observe);

/* The snapshot, deep-copied into the arena: it may go to another thread. claimed_by is filled by the caller. */
struct snapshot *observe_snapshot(struct observe *observe, const struct policy *policy,
                                  const struct observe_scope *scopes, size_t scope_count, struct arena *arena);

#endif
