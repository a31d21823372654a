/*
 * See evaluate.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/evaluate.h"

#include "forecast/calendar.h"
#include "forecast/compute.h"

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

void evaluate_policy(struct plan_input *input, struct arena *arena, struct plan *ret) {
    const struct snapshot *snapshot = input->snapshot;
    double quantiles[FORECAST_QUANTILES_MAX];
    struct forecast_options options = {.quantile_count = plan_quantiles(input->policy, quantiles),
                                       .quantiles = quantiles};
    struct forecast *forecasts = arena_alloc_array(arena, snapshot->resource_count, sizeof(*forecasts));
    struct span span = {0};
    for (size_t i = 0; i < snapshot->resource_count; i++) {
        const struct history_series *history = &snapshot->resources[i].history;
        options.steps = plan_steps(input->policy, history->step_ms);
        options.factors = factors_of(input->policy, history, options.steps, &span, arena);
        forecast_compute(history, &options, arena, &forecasts[i]);
    }
    input->forecasts = forecasts;
    plan_compute(input, arena, ret);
}
