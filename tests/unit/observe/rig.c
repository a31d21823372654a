/* See rig.h. SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* ---- the scripted adapter ---- */

static struct rig *current;

enum verb { VERB_ACCOUNT, VERB_LIST, VERB_PRICES, VERB_LIMITS, VERB_USAGE };

struct script_op {
    struct script *script;
    struct adapter_call *call;
    const struct cloud_query *query;
    enum verb verb;
    bool cancelled;
    struct timer timer;
    struct script_op *next;
};

struct script {
    struct adapter base;
    struct rig *rig;
    struct script_op *ops;
    struct timer close_timer;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static struct rig_region *region_of(struct rig *rig, const char *name) {
    return &rig->regions[str_eq(name, "r2")];
}

static void answer_list(struct rig *rig, const struct rig_region *region, const struct cloud_query *query,
                        struct adapter_call *call) {
    struct cloud_resource *copy = arena_alloc_array(call->arena, region->count + 1, sizeof(*copy));
    size_t count = 0;
    (void)rig;
    for (size_t i = 0; i < region->count; i++)
        if (query->kinds >> region->resources[i].kind & 1u)
            copy[count++] = region->resources[i];
    for (size_t i = 0; i < count; i++) { /* Strings of its own: they go when the call's arena does. */
        copy[i].id = arena_strdup(call->arena, copy[i].id);
        copy[i].region = arena_strdup(call->arena, copy[i].region);
        copy[i].type = arena_strdup(call->arena, copy[i].type);
        copy[i].count_manager = arena_strdup(call->arena, copy[i].count_manager);
        struct cloud_tag *tags = arena_alloc_array(call->arena, copy[i].tag_count, sizeof(*tags));
        for (size_t k = 0; k < copy[i].tag_count; k++)
            tags[k] = (struct cloud_tag){arena_strdup(call->arena, copy[i].tags[k].key),
                                         arena_strdup(call->arena, copy[i].tags[k].value)};
        copy[i].tags = tags;
    }
    call->reply.error = region->list_error;
    for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++)
        if (query->kinds >> kind & 1u && region->kind_errors[kind].class != ERR_NONE)
            call->reply.error = region->kind_errors[kind];
    call->reply.as.resources = copy;
    call->reply.count = count < query->count_max ? count : query->count_max;
    call->reply.truncated = region->truncated || count > query->count_max;
}

static void answer_prices(struct rig *rig, const struct rig_region *region, const struct cloud_query *query,
                          struct adapter_call *call) {
    static const char *const all[] = {"m5.xlarge", "c5.large", "a1.large"}; /* What a region sells. */
    const char *const *types = query->types ? query->types : all;
    size_t type_count = query->types ? query->type_count : ARRAY_LEN(all);
    struct cloud_offer *offers = arena_alloc_array(call->arena, type_count, sizeof(*offers));
    for (size_t i = 0; i < type_count; i++)
        if (!str_eq(types[i], "unpriced"))
            offers[call->reply.count++] = (struct cloud_offer){.region = query->region,
                                                               .type = arena_strdup(call->arena, types[i]),
                                                               .vcpu_milli = 4000,
                                                               .price_hourly = 192000,
                                                               .as_of_ms = rig->offer_as_of_ms,
                                                               .source = arena_strdup(call->arena, "script")};
    call->reply.as.offers = offers;
    call->reply.error = region->prices_error;
}

static void answer_limits(const struct rig_region *region, struct adapter_call *call) {
    call->reply.as.limits = arena_memdup(call->arena, region->limits, region->limit_count * sizeof(*region->limits));
    call->reply.count = region->limit_count;
    call->reply.error = region->limits_error;
}

static void answer_usage(struct rig *rig, const struct rig_region *region, const struct cloud_query *query,
                         struct adapter_call *call) {
    struct cloud_series *series = arena_alloc_array(call->arena, query->id_count, sizeof(*series));
    rig->usage_ids = query->id_count;
    for (size_t i = 0; i < query->id_count; i++) {
        struct cloud_sample *samples = NULL;
        size_t count = 0;
        cr_assert_lt(query->from_ms, query->to_ms, "an empty range");
        if (region->only_now) { /* As metrics.k8s.io: the mean of a window that ended a little ago. */
            samples = arena_alloc(call->arena, sizeof(*samples));
            samples[count++] = (struct cloud_sample){runtime_wall_ms(&rig->runtime.base) - 15000, region->utilization};
        }
        for (int64_t t = region->only_now ? query->to_ms : query->from_ms; t < query->to_ms; t += query->step_ms) {
            samples = arena_push(call->arena, samples, count, sizeof(*samples));
            samples[count++] = (struct cloud_sample){t, region->utilization};
        }
        series[i] = (struct cloud_series){.id = query->ids[i],
                                          .utilization = samples,
                                          .utilization_count = count,
                                          .is_present = region->only_now,
                                          .kills = region->kills,
                                          .kill_count = region->kill_count};
    }
    call->reply.as.series = series;
    call->reply.count = query->id_count;
    call->reply.error = region->usage_error;
}

static void op_end(struct timer *timer) {
    struct script_op *op = timer->ctx;
    struct script *script = op->script;
    struct adapter_call *call = op->call;
    if (op->cancelled)
        error_set(&call->reply.error, ERR_CANCELLED, "cancelled");
    else if (op->verb == VERB_ACCOUNT)
        call->reply.as.operation = arena_strdup(call->arena, "account-1");
    else if (op->verb == VERB_LIST)
        answer_list(script->rig, region_of(script->rig, op->query->region), op->query, call);
    else if (op->verb == VERB_PRICES)
        answer_prices(script->rig, region_of(script->rig, op->query->region), op->query, call);
    else if (op->verb == VERB_LIMITS)
        answer_limits(region_of(script->rig, op->query->region), call);
    else
        answer_usage(script->rig, region_of(script->rig, op->query->region), op->query, call);
    if (op->verb == VERB_LIST) {
        script->rig->in_flight--;
        script->rig->in_flight_region[str_eq(op->query->region, "r2")]--;
    }
    struct script_op **at = &script->ops;
    while (*at != op)
        at = &(*at)->next;
    *at = op->next;
    mem_free(op);
    call->state = NULL;
    call->done(call);
}

static void submit(struct adapter *self, struct adapter_call *call, const struct cloud_query *query, enum verb verb) {
    struct script *script = CONTAINER_OF(self, struct script, base);
    struct script_op *op = mem_alloc(sizeof(*op));
    *op = (struct script_op){.script = script, .call = call, .query = query, .verb = verb, .next = script->ops};
    script->ops = op;
    call->state = op;
    call->reply = (struct adapter_reply){0};
    bool is_slow = query && verb == VERB_LIST && (query->kinds & script->rig->slow_kinds);
    timer_start(&script->rig->runtime.base, &op->timer, script->rig->latency_ns * (is_slow ? 6 : 1), op_end, op);
}

static void script_account(struct adapter *self, struct adapter_call *call) {
    submit(self, call, NULL, VERB_ACCOUNT);
}

static void script_list(struct adapter *self, struct adapter_call *call, const struct cloud_query *query) {
    struct rig *rig = CONTAINER_OF(self, struct script, base)->rig;
    size_t region = str_eq(query->region, "r2");
    cr_assert(query->kinds && (query->kinds & (query->kinds - 1)) == 0, "one kind a listing");
    cr_assert_eq(query->kinds & ~rig->kinds, 0, "a kind that the adapter does not list");
    for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++)
        rig->kind_lists[kind] += query->kinds >> kind & 1u;
    rig->list_query_max = query->count_max;
    rig->list_wants_loads = query->wants_loads;
    if (++rig->in_flight > rig->in_flight_max)
        rig->in_flight_max = rig->in_flight;
    if (++rig->in_flight_region[region] > rig->in_flight_region_max[region])
        rig->in_flight_region_max[region] = rig->in_flight_region[region];
    if (str_eq(query->region, "r1") && query->kinds == 1u << CLOUD_INSTANCE_GROUP) {
        cr_assert_lt(rig->list_count, (size_t)RIG_CALLS_MAX, "it lists without pause");
        rig->list_at_ns[rig->list_count++] = rig->runtime.now_ns;
    }
    submit(self, call, query, VERB_LIST);
}

static void script_prices(struct adapter *self, struct adapter_call *call, const struct cloud_query *query) {
    CONTAINER_OF(self, struct script, base)->rig->prices_count++;
    submit(self, call, query, VERB_PRICES);
}

static void script_limits(struct adapter *self, struct adapter_call *call, const struct cloud_query *query) {
    CONTAINER_OF(self, struct script, base)->rig->limits_count++;
    submit(self, call, query, VERB_LIMITS);
}

static void script_usage(struct adapter *self, struct adapter_call *call, const struct cloud_query *query) {
    CONTAINER_OF(self, struct script, base)->rig->usage_count++;
    submit(self, call, query, VERB_USAGE);
}

static void on_close(struct timer *timer) {
    struct script *script = timer->ctx;
    if (script->ops) {
        timer_start(&script->rig->runtime.base, &script->close_timer, 0, on_close, script);
        return;
    }
    void (*closed)(void *ctx) = script->closed;
    void *ctx = script->closed_ctx;
    script->rig->close_count++;
    mem_free(script);
    closed(ctx);
}

static void script_close(struct adapter *self, void (*closed)(void *ctx), void *ctx) {
    struct script *script = CONTAINER_OF(self, struct script, base);
    script->closed = closed;
    script->closed_ctx = ctx;
    for (struct script_op *op = script->ops; op; op = op->next) {
        op->cancelled = true;
        timer_start(&script->rig->runtime.base, &op->timer, 0, op_end, op);
    }
    timer_start(&script->rig->runtime.base, &script->close_timer, 0, on_close, script);
}

static enum err_class script_open(struct adapter **ret, const struct adapter_env *env,
                                  const struct adapter_config *config, struct error *err);

static struct adapter_ops script_ops = {
    .type = "simulated",
    .open = script_open,
    .close = script_close,
    .account = script_account,
    .list = script_list,
    .prices = script_prices,
    .usage = script_usage,
    .limits = script_limits,
};

static enum err_class script_open(struct adapter **ret, const struct adapter_env *env,
                                  const struct adapter_config *config, struct error *err) {
    (void)env;
    if (str_eq(config->name, "platform/broken"))
        return error_set(err, ERR_PERMANENT, "no such account");
    struct script *script = mem_alloc(sizeof(*script));
    script->base.ops = &script_ops;
    script->rig = current;
    current->open_count++;
    *ret = &script->base;
    return ERR_NONE;
}

static const struct adapter_ops *find(const char *type) {
    return str_eq(type, "simulated") ? &script_ops : NULL;
}

/* ---- the rig ---- */

static void on_provider(void *ctx, const char *namespace, const char *name, bool changed) {
    struct rig *rig = ctx;
    (void)namespace, (void)name;
    rig->provider_events++;
    rig->changed_events += changed;
}

static void on_usage(void *ctx, const char *namespace, const char *name) {
    (void)namespace, (void)name;
    ((struct rig *)ctx)->usage_events++;
}

static void on_kills(void *ctx, const char *provider, const struct cloud_resource *resource, size_t count,
                     const struct history_raise *raise) {
    struct rig *rig = ctx;
    cr_assert(provider && resource->id && count > 0);
    rig->kills_told += count;
    rig->raises_told += raise != NULL;
}

void rig_start(struct rig *rig) {
    rig_start_with(rig, 1u << CLOUD_INSTANCE | 1u << CLOUD_INSTANCE_GROUP, 1000, 100000);
}

void rig_start_with(struct rig *rig, uint32_t kinds, size_t count_max, size_t total_max) {
    struct error err;
    memset(rig, 0, sizeof(*rig));
    script_ops.kinds = rig->kinds = kinds;
    current = rig;
    runtime_virtual_init(&rig->runtime, 1, RIG_WALL_MS);
    rig->metrics = metrics_new();
    struct history_options history = {.step_ms = 300000, .keep_ms = INT64_C(2) * 86400000, .series_max = 100};
    cr_assert_eq(history_open(&history, &rig->history, &err), ERR_NONE);
    rig->observe = observe_new(&(struct observe_options){.env = {.runtime = &rig->runtime.base},
                                                         .find_adapter = find,
                                                         .history = rig->history,
                                                         .metrics = rig->metrics,
                                                         .list_period_ms = RIG_PERIOD_MS,
                                                         .stale_after_ms = 5 * RIG_PERIOD_MS,
                                                         .usage_step_ms = 300000,
                                                         .backfill_ms = 86400000,
                                                         .call_timeout_ms = 60000,
                                                         .count_max = count_max,
                                                         .total_max = total_max,
                                                         .on_provider = on_provider,
                                                         .on_usage = on_usage,
                                                         .on_kills = on_kills,
                                                         .ctx = rig});
}

static void set_flag(void *ctx) {
    *(bool *)ctx = true;
}

void rig_stop(struct rig *rig) {
    bool closed = false;
    observe_close(rig->observe, set_flag, &closed);
    while (!closed && runtime_virtual_step(&rig->runtime, UINT64_MAX))
        continue;
    cr_assert(closed);
    cr_assert_eq(rig->open_count, rig->close_count);
    observe_free(rig->observe);
    cr_assert_eq(rig->runtime.base.heap_count, 0, "a timer is left");
    history_close(rig->history);
    metrics_free(rig->metrics);
    runtime_virtual_release(&rig->runtime);
    for (size_t i = 0; i < 2; i++)
        mem_free(rig->regions[i].resources);
}

void rig_run(struct rig *rig, uint64_t duration_ns) {
    runtime_virtual_run_until(&rig->runtime, rig->runtime.now_ns + duration_ns);
}

void rig_open(struct rig *rig, const char *name, bool two) {
    static const char *const regions[] = {"r1", "r2"};
    rig_open_regions(rig, name, regions, two ? 2 : 1);
}

void rig_open_regions(struct rig *rig, const char *name, const char *const *regions, size_t region_count) {
    struct provider spec = {.type = PROVIDER_SIMULATED, .regions = regions, .region_count = region_count};
    struct object object = {
        .kind = OBJECT_PROVIDER, .namespace = "platform", .name = name, .fault = "", .as.provider = &spec};
    struct error err;
    cr_assert_eq(observe_provider_open(rig->observe, &object, NULL, NULL, false, &err), ERR_NONE, "%s", err.message);
}

struct cloud_resource rig_group(const char *region, const char *id, const char *type, const struct cloud_tag *tags,
                                size_t tag_count) {
    return (struct cloud_resource){.kind = CLOUD_INSTANCE_GROUP,
                                   .state = CLOUD_RUNNING,
                                   .region = region,
                                   .zone = "",
                                   .id = id,
                                   .name = "",
                                   .type = type,
                                   .count = 4,
                                   .count_min = 1,
                                   .count_max = 10,
                                   .serving = 4,
                                   .vcpu_milli = 4000,
                                   .memory_mib = 16384,
                                   .tags = tags,
                                   .tag_count = tag_count};
}
