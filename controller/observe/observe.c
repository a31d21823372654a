/*
 * Providers: opening and closing. See observe.h.
 *
 * A provider that is closed (or reopened) leaves the map at once; its memory goes when the adapter has reported the
 * last call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "base/str.h"
#include "observe/observe_internal.h"

struct runtime *observe_runtime(const struct observe *observe) {
    return observe->options.env.runtime;
}

struct observe *observe_new(const struct observe_options *options) {
    struct observe *observe = mem_alloc(sizeof(*observe));
    observe->options = *options;
    observe->budgets = budget_registry_new(options->env.runtime, options->metrics);
    return observe;
}

static void region_release(struct observe_region *region) {
    for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++) {
        struct observe_shelf *shelf = region->shelves[kind];
        if (!shelf)
            continue;
        stock_release(&shelf->stock);
        arena_release(&shelf->call_arena);
        mem_free(shelf);
    }
    observe_prices_release(region);
    observe_limits_release(region);
    arena_release(&region->prices_arena);
    arena_release(&region->usage_arena);
}

static void provider_free(struct observe_provider *provider) {
    for (size_t i = 0; i < provider->region_count; i++)
        region_release(&provider->regions[i]);
    mem_free(provider->regions);
    budget_gate_close(provider->gate);
    arena_release(&provider->account_arena);
    arena_release(&provider->arena);
    mem_free(provider);
}

static void adapter_closed(void *ctx) {
    struct observe_provider *provider = ctx;
    struct observe *observe = provider->observe;
    struct observe_provider **at = &observe->closing;
    while (*at != provider)
        at = &(*at)->next_closing;
    *at = provider->next_closing;
    provider_free(provider);
    observe->closing_count--;
    if (observe->closed && observe->closing_count == 0)
        observe->closed(observe->closed_ctx);
}

static void provider_close(struct observe_provider *provider) {
    struct observe *observe = provider->observe;
    provider->closing = true;
    for (size_t i = 0; i < provider->region_count; i++) {
        for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++)
            if (provider->regions[i].shelves[kind])
                timer_stop(observe_runtime(observe), &provider->regions[i].shelves[kind]->timer);
        timer_stop(observe_runtime(observe), &provider->regions[i].usage_timer);
        observe_usage_forget_region(observe, &provider->regions[i]);
    }
    provider->next_closing = observe->closing;
    observe->closing = provider;
    observe->closing_count++;
    provider->adapter->ops->close(provider->adapter, adapter_closed, provider);
}

void observe_provider_close(struct observe *observe, const char *namespace, const char *name) {
    char *key = mem_printf("%s/%s", namespace, name);
    struct observe_provider *provider = map_remove(&observe->providers, key);
    mem_free(key);
    if (provider)
        provider_close(provider);
}

void observe_close(struct observe *observe, void (*closed)(void *ctx), void *ctx) {
    struct map_entry *entry;
    observe->closed = closed;
    observe->closed_ctx = ctx;
    /* Holds the count above zero until all have been asked to close. */
    observe->closing_count++;
    for (size_t i = 0; (entry = map_next(&observe->providers, &i));)
        provider_close(entry->value);
    map_release(&observe->providers);
    if (--observe->closing_count == 0)
        closed(ctx);
}

void observe_free(struct observe *observe) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&observe->tracks, &i));) {
        struct observe_track *track = entry->value;
        mem_free(track->key);
        mem_free(track->id);
        mem_free(track->kills);
        mem_free(track);
    }
    map_release(&observe->tracks);
    map_release(&observe->providers);
    budget_registry_free(observe->budgets);
    mem_free(observe);
}

static void account_done(struct adapter_call *call) {
    struct observe_provider *provider = call->ctx;
    provider->account_busy = false;
    if (!provider->closing && call->reply.error.class == ERR_NONE) {
        (void)str_copy(provider->account, sizeof(provider->account), call->reply.as.operation);
        budget_gate_join(provider->gate, provider->account);
        provider->observe->options.on_provider(provider->observe->options.ctx, provider->namespace, provider->name,
                                               false);
    }
    arena_release(&provider->account_arena);
}

static void account_start(struct observe_provider *provider) {
    provider->account_busy = true;
    provider->account_call = (struct adapter_call){.done = account_done,
                                                   .ctx = provider,
                                                   .arena = &provider->account_arena,
                                                   .timeout_ms = provider->observe->options.call_timeout_ms};
    provider->adapter->ops->account(provider->adapter, &provider->account_call);
}

static void on_api_changed(void *ctx) {
    const struct observe_provider *provider = ctx;
    const struct observe_options *options = &provider->observe->options;
    if (!provider->closing)
        options->on_provider(options->ctx, provider->namespace, provider->name, false);
}

static void on_call(void *ctx, const struct wrap_record *record) {
    (void)ctx;
    log_debug("cloud call", LOG_STR("provider", record->provider), LOG_STR("verb", wrap_verb_name(record->verb)),
              LOG_STR("region", record->region), LOG_STR("kind", record->kind), LOG_STR("action", record->action),
              LOG_STR("id", record->id), LOG_INT("count", record->count), LOG_INT("truncated", record->truncated),
              LOG_INT("requests", record->request_count), LOG_INT("duration_ms", record->duration_ns / NS_PER_MS),
              LOG_ERR(record->error));
}

/* The adapter within its decorators, and behind the budget of its account. */
static enum err_class adapter_open(struct observe_provider *provider, const struct adapter_ops *ops,
                                   struct adapter_config *config, int64_t requests_per_second, struct error *err) {
    struct observe *observe = provider->observe;
    struct runtime *runtime = observe_runtime(observe);
    provider->gate =
        budget_gate_open(observe->budgets, &(struct budget_gate_options){.cloud = ops->type,
                                                                         .provider = provider->key,
                                                                         .endpoint = config->endpoint,
                                                                         .requests_per_second = requests_per_second,
                                                                         .changed = on_api_changed,
                                                                         .ctx = provider});
    config->gate = provider->gate;
    if (ops->open(&provider->adapter, &observe->options.env, config, err) != ERR_NONE)
        return err->class;
    provider->adapter = wrap_metrics(provider->adapter, runtime, observe->options.metrics, provider->key);
    provider->adapter = wrap_trace(provider->adapter, runtime, provider->key, on_call, NULL);
    return ERR_NONE;
}

static void region_init(struct observe_provider *provider, size_t index, const char *name, uint32_t kinds) {
    struct observe_region *region = &provider->regions[index];
    region->provider = provider;
    region->name = arena_strdup(&provider->arena, name);
    for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++) {
        if (!(kinds >> kind & 1u))
            continue;
        region->shelves[kind] = mem_alloc(sizeof(*region->shelves[kind]));
        region->shelves[kind]->region = region;
        region->shelves[kind]->kind = (enum cloud_kind)kind;
    }
}

static struct observe_provider *provider_new(struct observe *observe, const struct object *object, uint32_t kinds) {
    const struct provider *spec = object->as.provider;
    struct observe_provider *provider = mem_alloc(sizeof(*provider));
    provider->observe = observe;
    provider->namespace = arena_strdup(&provider->arena, object->namespace);
    provider->name = arena_strdup(&provider->arena, object->name);
    provider->key = arena_printf(&provider->arena, "%s/%s", object->namespace, object->name);
    provider->spec_hash = spec->hash;
    provider->region_count = spec->region_count ? spec->region_count : 1;
    provider->regions = mem_alloc_array(provider->region_count, sizeof(*provider->regions));
    for (size_t i = 0; i < provider->region_count; i++)
        region_init(provider, i, spec->region_count ? spec->regions[i] : CLOUD_REGION_CLUSTER, kinds);
    observe_commitments_keep(provider, spec);
    return provider;
}

/* A little apart, so that many Providers that open at once do not ask at once. */
static void lists_start(struct observe_provider *provider) {
    struct observe *observe = provider->observe;
    for (size_t i = 0; i < provider->region_count; i++)
        for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++)
            if (provider->regions[i].shelves[kind])
                observe_list_start(
                    provider->regions[i].shelves[kind],
                    (int64_t)runtime_jitter(observe_runtime(observe), (uint64_t)observe->options.start_jitter_ms));
}

enum err_class observe_provider_open(struct observe *observe, const struct object *object,
                                     const char *(*credential)(void *ctx, const char *key), void *credential_ctx,
                                     bool is_environment, struct error *err) {
    const struct provider *spec = object->as.provider;
    const struct adapter_ops *(*find)(const char *) = observe->options.find_adapter;
    const struct adapter_ops *ops = (find ? find : adapter_find)(provider_type_name(spec->type));
    if (!ops)
        return error_set(err, ERR_PERMANENT, "spec.type: this version has no adapter for %s",
                         provider_type_name(spec->type));
    struct json *parameters = NULL;
    if (spec->parameters_json && json_parse(bytes_of(spec->parameters_json), &parameters, err) != ERR_NONE)
        return err->class;
    uint32_t wanted = observe->options.kinds ? observe->options.kinds : UINT32_MAX;
    struct observe_provider *provider = provider_new(observe, object, ops->kinds & wanted);
    struct adapter_config config = {.name = provider->key,
                                    .regions = spec->regions,
                                    .region_count = spec->region_count,
                                    .endpoint = spec->endpoint,
                                    .credential = credential,
                                    .credential_ctx = credential_ctx,
                                    .is_environment = is_environment,
                                    .parameters = parameters,
                                    .base_dir = spec->base_dir};
    enum err_class class = adapter_open(provider, ops, &config, spec->requests_per_second, err);
    json_free(parameters);
    if (class != ERR_NONE) {
        provider_free(provider);
        return class;
    }
    struct observe_provider *before = map_put(&observe->providers, provider->key, provider);
    if (before && before->account[0]) /* Most likely still its account; else that is learnt soon. */
        budget_gate_join(provider->gate, before->account);
    if (before)
        provider_close(before);
    account_start(provider);
    lists_start(provider);
    return ERR_NONE;
}

void observe_provider_apis(const struct observe *observe, const char *namespace, const char *name,
                           budget_report_fn *each, void *ctx) {
    const struct observe_provider *provider = observe_provider_find(observe, namespace, name);
    if (provider)
        budget_report(provider->gate, each, ctx);
}

struct adapter *observe_adapter(const struct observe *observe, const char *provider) {
    const struct observe_provider *found = map_get(&observe->providers, provider);
    return found ? found->adapter : NULL;
}

struct observe_provider *observe_provider_find(const struct observe *observe, const char *namespace, const char *name) {
    char *key = mem_printf("%s/%s", namespace, name);
    struct observe_provider *provider = map_get(&observe->providers, key);
    mem_free(key);
    return provider;
}

struct observe_region *observe_region_find(const struct observe *observe, const char *provider, const char *name) {
    const struct observe_provider *found = map_get(&observe->providers, provider);
    for (size_t i = 0; found && i < found->region_count; i++)
        if (str_eq(found->regions[i].name, name))
            return &found->regions[i];
    return NULL;
}

struct observe_shelf *observe_shelf_find(const struct observe *observe, const char *provider, const char *name,
                                         enum cloud_kind kind) {
    const struct observe_region *region = observe_region_find(observe, provider, name);
    return region ? region->shelves[kind] : NULL;
}

const struct cloud_resource *observe_region_resource(const struct observe_region *region, enum cloud_kind kind,
                                                     const char *id) {
    return region->shelves[kind] ? stock_find(&region->shelves[kind]->stock, id) : NULL;
}
