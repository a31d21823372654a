/*
 * See evaluate.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/evaluate.h"

#include "base/str.h"
#include "forecast/calendar.h"
#include "forecast/pool.h"

static bool refuse(struct status_summary *ret, const char *reason, const char *message) {
    *ret = (struct status_summary){.progress = PROGRESS_STALLED, .reason = reason, .message = message};
    return false;
}

bool evaluate_scope(const struct evaluate_access *access, struct arena *arena, struct observe_scope *ret,
                    struct status_summary *ret_summary) {
    const struct object *provider = access->provider, *namespace = access->namespace;
    const char *tenant = access->policy->namespace;
    ret->provider = arena_printf(arena, "%s/%s", access->ref->namespace, access->ref->name);
    if (!provider)
        return refuse(ret_summary, "ProviderNotFound",
                      arena_printf(arena, "Provider %s does not exist; create it or change spec.selector.providers",
                                   ret->provider));
    if (provider->fault[0])
        return refuse(ret_summary, "ProviderInvalid",
                      arena_printf(arena, "Provider %s cannot be used: %s", ret->provider, provider->fault));
    if (!observe_permit(provider, tenant, namespace ? namespace->labels : NULL, namespace ? namespace->label_count : 0,
                        ret))
        return refuse(ret_summary, "ProviderNotShared",
                      arena_printf(arena, "Provider %s is not shared with namespace %s; its owner can add spec.sharing",
                                   ret->provider, tenant));
    return true;
}

/* The factors of one span of slots. The histories of a policy mostly share theirs. */
struct span {
    int64_t start_ms, step_ms;
    size_t count; /* 0: none yet */
    const float *factors;
};

static const float *factors_of(const struct policy *policy, const struct history_series *history, size_t steps,
                               struct span *last, struct arena *arena) {
    size_t count = history->count + steps;
    if (last->count != count || last->start_ms != history->start_ms || last->step_ms != history->step_ms)
        *last = (struct span){history->start_ms, history->step_ms, count,
                              calendar_factors(policy, history->start_ms, history->step_ms, count, arena)};
    return last->factors;
}

/* Apart from what the pool of it is called. */
static const char *recall_key(const struct snapshot_resource *entry, const char *of, struct arena *arena) {
    const struct cloud_resource *resource = &entry->resource;
    return arena_printf(arena, "%s %s/%s/%s/%s", of, entry->provider, resource->region, cloud_kind_name(resource->kind),
                        resource->id);
}

/* ---- cold start ---- */

/* What speaks for two resources being of one kind: each tag that they share, and a common provider. -1: they cannot be
 * compared. */
static int64_t likeness(const struct snapshot_resource *a, const struct snapshot_resource *b) {
    if (a->resource.kind != b->resource.kind)
        return -1;
    int64_t shared = str_eq(a->provider, b->provider);
    for (size_t i = 0; i < a->resource.tag_count; i++) {
        const struct cloud_tag *tag = &a->resource.tags[i];
        shared += str_eq(cloud_resource_tag(&b->resource, tag->key), tag->value);
    }
    return shared;
}

/* The histories of those that are most like the young one, among those that have a history of their own. */
static size_t donors_find(const struct snapshot *snapshot, const struct forecast *forecasts, size_t young,
                          struct history_series *ret) {
    int64_t best = 0;
    size_t count = 0;
    for (size_t i = 0; i < snapshot->resource_count; i++) {
        if (i == young || forecasts[i].basis != FORECAST_BASIS_OWN)
            continue;
        int64_t like = likeness(&snapshot->resources[young], &snapshot->resources[i]);
        if (like < best)
            continue;
        if (like > best)
            count = 0;
        best = like;
        if (count < FORECAST_DONORS_MAX)
            ret[count++] = snapshot->resources[i].history;
    }
    return count;
}

/* In place of a forecast that knows no season. */
static void borrow(const struct plan_input *input, struct recall *recall, const struct forecast *own, size_t young,
                   struct forecast_options *options, struct span *span, struct arena *arena, struct forecast *ret) {
    const struct snapshot *snapshot = input->snapshot;
    struct history_series donors[FORECAST_DONORS_MAX];
    struct forecast_pool pool;
    struct forecast borrowed;
    size_t count = donors_find(snapshot, own, young, donors);
    if (!forecast_pool(&snapshot->resources[young].history, donors, count, arena, &pool))
        return;
    options->factors = factors_of(input->policy, &pool.series, options->steps, span, arena);
    const char *key = recall_key(&snapshot->resources[young], "pool", arena);
    recall_forecast(recall, key, &pool.series, options, arena, &borrowed);
    if (forecast_pool_finish(&pool, arena, &borrowed))
        *ret = borrowed;
}

void evaluate_forecast(struct plan_input *input, struct recall *recall, struct arena *arena) {
    const struct snapshot *snapshot = input->snapshot;
    double quantiles[FORECAST_QUANTILES_MAX];
    struct forecast_options options = {.quantile_count = plan_quantiles(input->policy, quantiles),
                                       .quantiles = quantiles};
    struct forecast *own = arena_alloc_array(arena, snapshot->resource_count, sizeof(*own));
    struct span span = {0};
    recall_begin(recall);
    for (size_t i = 0; i < snapshot->resource_count; i++) {
        const struct history_series *history = &snapshot->resources[i].history;
        options.steps = plan_steps(input->policy, history->step_ms);
        options.factors = factors_of(input->policy, history, options.steps, &span, arena);
        recall_forecast(recall, recall_key(&snapshot->resources[i], "own", arena), history, &options, arena, &own[i]);
    }
    /* Apart from `own`: who has borrowed does not lend. */
    struct forecast *forecasts = arena_memdup(arena, own, snapshot->resource_count * sizeof(*own));
    for (size_t i = 0; i < snapshot->resource_count; i++) {
        options.steps = own[i].steps;
        if (own[i].basis == FORECAST_BASIS_PRIOR)
            borrow(input, recall, own, i, &options, &span, arena, &forecasts[i]);
    }
    recall_end(recall);
    input->forecasts = forecasts;
}

void evaluate_policy(struct plan_input *input, struct recall *recall, struct arena *arena, struct plan *ret) {
    evaluate_forecast(input, recall, arena);
    plan_compute(input, arena, ret);
}
