/*
 * Providers: opening, closing and reporting. See observe.h.
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
    return observe;
}

static void provider_free(struct observe_provider *provider) {
    for (size_t i = 0; i < provider->region_count; i++)
        observe_region_release(&provider->regions[i]);
    mem_free(provider->regions);
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
        timer_stop(observe_runtime(observe), &provider->regions[i].timer);
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
        mem_free(track);
    }
    map_release(&observe->tracks);
    map_release(&observe->providers);
    mem_free(observe);
}

static void account_done(struct adapter_call *call) {
    struct observe_provider *provider = call->ctx;
    provider->account_busy = false;
    if (!provider->closing && call->reply.error.class == ERR_NONE) {
        (void)str_copy(provider->account, sizeof(provider->account), call->reply.as.operation);
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

static struct observe_provider *provider_new(struct observe *observe, const struct object *object) {
    const struct provider *spec = object->as.provider;
    struct observe_provider *provider = mem_alloc(sizeof(*provider));
    provider->observe = observe;
    provider->namespace = arena_strdup(&provider->arena, object->namespace);
    provider->name = arena_strdup(&provider->arena, object->name);
    provider->key = arena_printf(&provider->arena, "%s/%s", object->namespace, object->name);
    provider->spec_hash = spec->hash;
    provider->region_count = spec->region_count;
    provider->regions = mem_alloc_array(spec->region_count, sizeof(*provider->regions));
    for (size_t i = 0; i < spec->region_count; i++) {
        provider->regions[i].provider = provider;
        provider->regions[i].name = arena_strdup(&provider->arena, spec->regions[i]);
    }
    return provider;
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
    struct observe_provider *provider = provider_new(observe, object);
    struct adapter_config config = {.name = provider->key,
                                    .regions = spec->regions,
                                    .region_count = spec->region_count,
                                    .endpoint = spec->endpoint,
                                    .credential = credential,
                                    .credential_ctx = credential_ctx,
                                    .is_environment = is_environment,
                                    .parameters = parameters,
                                    .base_dir = spec->base_dir};
    enum err_class class = ops->open(&provider->adapter, &observe->options.env, &config, err);
    json_free(parameters);
    if (class != ERR_NONE) {
        provider_free(provider);
        return class;
    }
    struct observe_provider *before = map_put(&observe->providers, provider->key, provider);
    if (before)
        provider_close(before);
    account_start(provider);
    for (size_t i = 0; i < provider->region_count; i++)
        observe_list_start(&provider->regions[i], 0);
    return ERR_NONE;
}

void observe_provider_report(const struct observe *observe, const char *namespace, const char *name,
                             struct observe_report *ret) {
    char *key = mem_printf("%s/%s", namespace, name);
    const struct observe_provider *provider = map_get(&observe->providers, key);
    mem_free(key);
    *ret = (struct observe_report){.account = "", .error_region = ""};
    if (!provider)
        return;
    ret->open = true;
    ret->listed = true;
    ret->account = provider->account;
    ret->account_busy = provider->account_busy;
    for (size_t i = 0; i < provider->region_count; i++) {
        const struct observe_region *region = &provider->regions[i];
        ret->listed = ret->listed && region->as_of_ms > 0;
        ret->truncated = ret->truncated || region->truncated;
        for (size_t k = 0; k < region->count; k++)
            ret->counts[region->resources[k].kind]++;
        if (region->error.class != ERR_NONE && ret->error.class == ERR_NONE) {
            ret->error = region->error;
            ret->error_region = region->name;
        }
    }
}

bool observe_has_looked(const struct observe *observe) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&observe->providers, &i));) {
        const struct observe_provider *provider = entry->value;
        for (size_t k = 0; k < provider->region_count; k++)
            if (!provider->regions[k].tried || provider->regions[k].busy)
                return false;
    }
    return true;
}

struct adapter *observe_adapter(const struct observe *observe, const char *provider) {
    const struct observe_provider *found = map_get(&observe->providers, provider);
    return found ? found->adapter : NULL;
}

struct observe_region *observe_region_find(const struct observe *observe, const char *provider, const char *name) {
    const struct observe_provider *found = map_get(&observe->providers, provider);
    for (size_t i = 0; found && i < found->region_count; i++)
        if (str_eq(found->regions[i].name, name))
            return &found->regions[i];
    return NULL;
}

void observe_refresh(struct observe *observe, const char *provider, const char *name) {
    struct observe_region *region = observe_region_find(observe, provider, name);
    /* After a failure the back-off rules: who needs the listing is told when it ends. */
    if (region && !region->busy && region->failures == 0)
        observe_list_start(region, 0);
}
