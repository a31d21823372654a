/*
 * See evaluate.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/evaluate.h"

#include "base/mem.h"
#include "base/str.h"
#include "forecast/calendar.h"
#include "forecast/pool.h"
#include "loop/lend.h"

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

/* The histories of those that are most like a young one. */
struct donors {
    const struct snapshot_resource *young;
    int64_t likeness;
    size_t count;
    struct history_series series[FORECAST_DONORS_MAX];
};

static void donors_add(struct donors *donors, const char *provider, const struct cloud_resource *resource,
                       const struct history_series *history) {
    int64_t like = lend_likeness(donors->young->provider, &donors->young->resource, provider, resource);
    if (like < donors->likeness)
        return;
    if (like > donors->likeness)
        donors->count = 0;
    donors->likeness = like;
    if (donors->count < FORECAST_DONORS_MAX)
        donors->series[donors->count++] = *history;
}

/* Of the policy, those that have a history of their own: who has borrowed does not lend. */
static void donors_find(struct donors *donors, const struct snapshot *snapshot, const struct forecast *own,
                        enum forecast_kin kin) {
    donors->likeness = 0;
    donors->count = 0;
    for (size_t i = 0; kin == FORECAST_KIN_POLICY && i < snapshot->resource_count; i++) {
        const struct snapshot_resource *entry = &snapshot->resources[i];
        if (entry != donors->young && own[i].basis == FORECAST_BASIS_OWN)
            donors_add(donors, entry->provider, &entry->resource, &entry->history);
    }
    for (size_t i = 0; kin == FORECAST_KIN_TENANT && i < snapshot->donor_count; i++) {
        const struct snapshot_donor *donor = &snapshot->donors[i];
        donors_add(donors, donor->provider, &donor->resource, &donor->history);
    }
}

/* In place of a forecast that knows no season. */
static void borrow(const struct plan_input *input, struct recall *recall, const struct forecast *own, size_t young,
                   struct forecast_options *options, struct span *span, struct arena *arena, struct forecast *ret) {
    static const enum forecast_kin kins[] = {FORECAST_KIN_POLICY, FORECAST_KIN_TENANT};
    const struct snapshot_resource *entry = &input->snapshot->resources[young];
    struct donors donors = {.young = entry};
    for (size_t k = 0; k < ARRAY_LEN(kins); k++) {
        struct forecast_pool pool;
        struct forecast borrowed;
        donors_find(&donors, input->snapshot, own, kins[k]);
        if (!forecast_pool(&entry->history, donors.series, donors.count, kins[k], arena, &pool))
            continue;
        options->factors = factors_of(input->policy, &pool.series, options->steps, span, arena);
        recall_forecast(recall, recall_key(entry, "pool", arena), &pool.series, options, arena, &borrowed);
        if (!forecast_pool_finish(&pool, arena, &borrowed))
            continue;
        *ret = borrowed;
        return;
    }
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
