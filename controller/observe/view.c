/*
 * What one policy sees: permission, selection, and the snapshot.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "observe/observe_internal.h"

static bool labels_have(const struct tag *labels, size_t label_count, const struct tag *wanted) {
    for (size_t i = 0; i < label_count; i++)
        if (str_eq(labels[i].key, wanted->key) && str_eq(labels[i].value, wanted->value))
            return true;
    return false;
}

static bool sharing_admits(const struct provider_sharing *sharing, const struct tag *labels, size_t label_count) {
    for (size_t i = 0; i < sharing->namespace_label_count; i++)
        if (!labels_have(labels, label_count, &sharing->namespace_labels[i]))
            return false;
    return true;
}

bool observe_permit(const struct object *provider, const char *policy_namespace, const struct tag *labels,
                    size_t label_count, struct observe_scope *ret) {
    const struct provider *spec = provider->as.provider;
    if (str_eq(provider->namespace, policy_namespace)) {
        ret->require_tags = NULL;
        ret->require_tag_count = 0;
        return true;
    }
    for (size_t i = 0; i < spec->sharing_count; i++) {
        if (!sharing_admits(&spec->sharing[i], labels, label_count))
            continue;
        ret->require_tags = spec->sharing[i].require_tags;
        ret->require_tag_count = spec->sharing[i].require_tag_count;
        return true;
    }
    return false;
}

static bool has_tags(const struct cloud_resource *resource, const struct tag *tags, size_t tag_count) {
    ASSERT(tags || tag_count == 0);
    for (size_t i = 0; i < tag_count; i++)
        if (!str_eq(cloud_resource_tag(resource, tags[i].key), tags[i].value))
            return false;
    return true;
}

static bool is_selected(const struct cloud_resource *resource, const struct policy *policy,
                        const struct observe_scope *scope) {
    return has_tags(resource, policy->selector.tags, policy->selector.tag_count) &&
           has_tags(resource, scope->require_tags, scope->require_tag_count);
}

/* Walks those of one wanted tag where there is one: with thousands of policies on one account, not every resource. */
static void select_shelf(const struct observe_shelf *shelf, const struct policy *policy,
                         const struct observe_scope *scope, observe_each_fn *each, void *ctx) {
    const struct stock *stock = &shelf->stock;
    const struct cloud_resource *resource;
    const char *provider = shelf->region->provider->key;
    const struct tag *tag = policy->selector.tag_count ? &policy->selector.tags[0]
                            : scope->require_tag_count ? &scope->require_tags[0]
                                                       : NULL;
    for (size_t i = 0; !tag && i < stock->count; i++)
        if (is_selected(&stock->resources[i], policy, scope))
            each(ctx, provider, &stock->resources[i]);
    if (!tag)
        return;
    for (size_t i = stock_tag_first(stock, tag->key, tag->value);
         (resource = stock_tag_next(stock, tag->key, tag->value, &i));)
        if (is_selected(resource, policy, scope))
            each(ctx, provider, resource);
}

void observe_select(const struct observe *observe, const struct policy *policy, const struct observe_scope *scopes,
                    size_t scope_count, observe_each_fn *each, void *ctx) {
    for (size_t i = 0; i < scope_count; i++) {
        const struct observe_provider *provider = map_get(&observe->providers, scopes[i].provider);
        for (size_t k = 0; provider && k < provider->region_count; k++)
            for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++)
                if (policy->selector.kinds >> kind & 1u && provider->regions[k].shelves[kind])
                    select_shelf(provider->regions[k].shelves[kind], policy, &scopes[i], each, ctx);
    }
}

/* ---- the snapshot ---- */

static int source_cmp(const void *a, const void *b) {
    const struct snapshot_source *x = a, *y = b;
    int order = str_cmp(x->provider, y->provider);
    if (order == 0)
        order = str_cmp(x->region, y->region);
    return order ? order : (x->kind > y->kind) - (x->kind < y->kind);
}

static int resource_cmp(const void *a, const void *b) {
    const struct snapshot_resource *x = a, *y = b;
    int order = str_cmp(x->provider, y->provider);
    return order ? order : cloud_resource_cmp(&x->resource, &y->resource);
}

struct view {
    struct observe *observe;
    const struct policy *policy;
    struct arena *arena;
    struct snapshot_source *sources;
    size_t source_count;
    struct snapshot_resource *resources;
    size_t count;
};

static void add_source(struct view *view, const struct observe_shelf *shelf) {
    view->sources = arena_push(view->arena, view->sources, view->source_count, sizeof(*view->sources));
    view->sources[view->source_count++] =
        (struct snapshot_source){.provider = arena_strdup(view->arena, shelf->region->provider->key),
                                 .region = arena_strdup(view->arena, shelf->region->name),
                                 .kind = shelf->kind,
                                 .state = observe_shelf_state(shelf),
                                 .as_of_ms = shelf->as_of_ms,
                                 .message = arena_strdup(view->arena, shelf->error.message)};
}

static void add_sources(struct view *view, const struct observe_scope *scopes, size_t scope_count) {
    for (size_t i = 0; i < scope_count; i++) {
        const struct observe_provider *provider = map_get(&view->observe->providers, scopes[i].provider);
        for (size_t k = 0; provider && k < provider->region_count; k++)
            for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++)
                if (view->policy->selector.kinds >> kind & 1u && provider->regions[k].shelves[kind])
                    add_source(view, provider->regions[k].shelves[kind]);
    }
    if (view->source_count)
        qsort(view->sources, view->source_count, sizeof(*view->sources), source_cmp);
}

static size_t source_index(const struct view *view, const char *provider, const struct cloud_resource *resource) {
    const struct snapshot_source wanted = {.provider = provider, .region = resource->region, .kind = resource->kind};
    ASSERT(view->sources); /* A selected resource has its source in the snapshot. */
    const struct snapshot_source *found =
        bsearch(&wanted, view->sources, view->source_count, sizeof(wanted), source_cmp);
    ASSERT(found);
    return (size_t)(found - view->sources);
}

static struct cloud_resource resource_copy(struct arena *arena, const struct cloud_resource *from) {
    struct cloud_resource to = *from;
    to.region = arena_strdup(arena, from->region);
    to.zone = arena_strdup(arena, from->zone);
    to.id = arena_strdup(arena, from->id);
    to.name = arena_strdup(arena, from->name);
    to.type = arena_strdup(arena, from->type);
    to.parent = arena_strdup(arena, from->parent);
    to.count_manager = arena_strdup(arena, from->count_manager);
    to.size_manager = arena_strdup(arena, from->size_manager);
    to.node = stock_node_copy(arena, from->node);
    struct cloud_tag *tags = arena_alloc_array(arena, from->tag_count, sizeof(*tags));
    for (size_t i = 0; i < from->tag_count; i++)
        tags[i] = (struct cloud_tag){arena_strdup(arena, from->tags[i].key), arena_strdup(arena, from->tags[i].value)};
    to.tags = tags;
    return to;
}

struct history_series observe_history(const struct observe *observe, const char *provider,
                                      const struct cloud_resource *resource, const struct policy *policy,
                                      struct arena *arena) {
    char *key = observe_history_key(provider, resource, policy->forecast.metric);
    struct history_series history = history_view(
        observe->options.history, key, runtime_wall_ms(observe_runtime(observe)), policy->forecast.history_ms, arena);
    mem_free(key);
    return history;
}

static void add_resource(void *ctx, const char *provider, const struct cloud_resource *resource) {
    struct view *view = ctx;
    struct observe *observe = view->observe;
    enum cloud_metric metric = view->policy->forecast.metric;
    struct snapshot_resource entry = {.provider = arena_strdup(view->arena, provider),
                                      .source = source_index(view, provider, resource),
                                      .resource = resource_copy(view->arena, resource)};
    entry.capacity_per_machine = metric == CLOUD_METRIC_MEMORY ? resource->memory_mib : resource->vcpu_milli;
    const struct observe_region *region = observe_region_find(observe, provider, resource->region);
    entry.has_offer = observe_offer(region, resource, &entry.offer);
    if (entry.has_offer) {
        entry.offer.region = entry.resource.region;
        entry.offer.type = entry.resource.type;
        entry.offer.architecture = arena_strdup(view->arena, entry.offer.architecture);
        entry.offer.source = arena_strdup(view->arena, entry.offer.source);
    }
    entry.history = observe_history(observe, provider, resource, view->policy, view->arena);
    view->resources = arena_push(view->arena, view->resources, view->count, sizeof(*view->resources));
    view->resources[view->count++] = entry;
}

/* ---- what is for sale ---- */

static bool is_target(const struct policy *policy, const struct observe_region *region) {
    const struct observe_provider *provider = region->provider;
    for (size_t i = 0; i < policy->placement.target_count; i++) {
        const struct policy_target *target = &policy->placement.targets[i];
        if (str_eq(target->provider.namespace, provider->namespace) && str_eq(target->provider.name, provider->name) &&
            str_eq(target->region, region->name))
            return true;
    }
    return false;
}

static bool is_place(const struct policy *policy, const struct observe_region *region) {
    return policy_may(policy, ACTION_RIGHTSIZE) || (policy_may(policy, ACTION_MIGRATE) && is_target(policy, region));
}

/* What counts against a quota. */
static bool makes(const struct policy *policy) {
    return policy->actions & (1u << ACTION_SCALE | 1u << ACTION_RIGHTSIZE | 1u << ACTION_MIGRATE) &&
           (policy->selector.kinds & (1u << CLOUD_INSTANCE_GROUP | 1u << CLOUD_WORKLOAD) ||
            (policy->selector.kinds & 1u << CLOUD_INSTANCE && policy_may(policy, ACTION_RIGHTSIZE)));
}

void observe_want_offers(struct observe *observe, const struct policy *policy, const struct observe_scope *scopes,
                         size_t scope_count) {
    for (size_t i = 0; i < scope_count; i++) {
        struct observe_provider *provider = map_get(&observe->providers, scopes[i].provider);
        for (size_t k = 0; provider && k < provider->region_count; k++) {
            provider->regions[k].wants_all |= is_place(policy, &provider->regions[k]);
            provider->regions[k].wants_limits |= makes(policy);
            provider->regions[k].wants_loads |= policy_plans_nodes(policy);
        }
    }
}

int snapshot_offer_cmp(const void *a, const void *b) {
    const struct snapshot_offer *x = a, *y = b;
    int order = str_cmp(x->provider, y->provider);
    if (order == 0)
        order = str_cmp(x->offer.region, y->offer.region);
    return order ? order : str_cmp(x->offer.type, y->offer.type);
}

static bool has_resource(const struct view *view, const struct observe_region *region) {
    for (size_t i = 0; i < view->count; i++)
        if (str_eq(view->resources[i].provider, region->provider->key) &&
            str_eq(view->resources[i].resource.region, region->name))
            return true;
    return false;
}

static void add_offers(struct view *view, const struct observe_region *region, struct snapshot *snapshot,
                       struct snapshot_offer **offers) {
    struct map_entry *entry;
    const char *provider = arena_strdup(view->arena, region->provider->key);
    const char *name = arena_strdup(view->arena, region->name);
    for (size_t i = 0; (entry = map_next(&region->offers, &i));) {
        struct cloud_offer offer = *(const struct cloud_offer *)entry->value;
        offer.region = name;
        offer.type = arena_strdup(view->arena, offer.type);
        offer.architecture = arena_strdup(view->arena, offer.architecture);
        offer.source = arena_strdup(view->arena, offer.source);
        *offers = arena_push(view->arena, *offers, snapshot->offer_count, sizeof(**offers));
        (*offers)[snapshot->offer_count++] = (struct snapshot_offer){provider, offer};
    }
}

static void view_offers(struct view *view, const struct observe_scope *scopes, size_t scope_count,
                        struct snapshot *snapshot) {
    struct snapshot_offer *offers = NULL;
    for (size_t i = 0; i < scope_count; i++) {
        const struct observe_provider *provider = map_get(&view->observe->providers, scopes[i].provider);
        for (size_t k = 0; provider && k < provider->region_count; k++) {
            const struct observe_region *region = &provider->regions[k];
            if (is_place(view->policy, region) && (is_target(view->policy, region) || has_resource(view, region)))
                add_offers(view, region, snapshot, &offers);
        }
    }
    if (offers)
        qsort(offers, snapshot->offer_count, sizeof(*offers), snapshot_offer_cmp);
    if (snapshot->offer_count > SNAPSHOT_OFFERS_MAX)
        snapshot->offer_count = SNAPSHOT_OFFERS_MAX;
    snapshot->offers = offers;
}

/* ---- quotas ---- */

int snapshot_limit_cmp(const void *a, const void *b) {
    const struct snapshot_limit *x = a, *y = b;
    int order = str_cmp(x->provider, y->provider);
    if (order == 0)
        order = str_cmp(x->limit.region, y->limit.region);
    return order ? order : str_cmp(x->limit.id, y->limit.id);
}

/* Of a cluster only those of the namespaces that are looked at. */
static bool is_limit_of(const struct view *view, const struct observe_region *region, const struct cloud_limit *limit) {
    if (!str_eq(region->name, CLOUD_REGION_CLUSTER))
        return true;
    size_t size = strcspn(limit->id, "/") + 1;
    for (size_t i = 0; i < view->count; i++)
        if (strncmp(view->resources[i].resource.id, limit->id, size) == 0)
            return true;
    return false;
}

static void add_limits(struct view *view, struct observe_region *region, struct snapshot *snapshot,
                       struct snapshot_limit **limits) {
    const struct cloud_limit *known;
    const double *used;
    size_t count = observe_limits(region, &known, &used);
    const char *provider = arena_strdup(view->arena, region->provider->key);
    for (size_t i = 0; i < count; i++) {
        if (!is_limit_of(view, region, &known[i]))
            continue;
        struct cloud_limit limit = known[i];
        limit.region = arena_strdup(view->arena, region->name);
        limit.id = arena_strdup(view->arena, limit.id);
        limit.name = arena_strdup(view->arena, limit.name);
        limit.types = arena_strdup(view->arena, limit.types);
        limit.unit = arena_strdup(view->arena, limit.unit);
        if (limit.used < 0 && limit.types[0])
            limit.used = used[i];
        *limits = arena_push(view->arena, *limits, snapshot->limit_count, sizeof(**limits));
        (*limits)[snapshot->limit_count++] = (struct snapshot_limit){provider, limit};
    }
}

static void view_limits(struct view *view, const struct observe_scope *scopes, size_t scope_count,
                        struct snapshot *snapshot) {
    struct snapshot_limit *limits = NULL;
    for (size_t i = 0; makes(view->policy) && i < scope_count; i++) {
        struct observe_provider *provider = map_get(&view->observe->providers, scopes[i].provider);
        for (size_t k = 0; provider && k < provider->region_count; k++)
            if (is_target(view->policy, &provider->regions[k]) || has_resource(view, &provider->regions[k]))
                add_limits(view, &provider->regions[k], snapshot, &limits);
    }
    if (limits)
        qsort(limits, snapshot->limit_count, sizeof(*limits), snapshot_limit_cmp);
    if (snapshot->limit_count > SNAPSHOT_LIMITS_MAX)
        snapshot->limit_count = SNAPSHOT_LIMITS_MAX;
    snapshot->limits = limits;
}

struct snapshot *observe_snapshot(struct observe *observe, const struct policy *policy,
                                  const struct observe_scope *scopes, size_t scope_count, struct arena *arena) {
    struct snapshot *snapshot = arena_alloc(arena, sizeof(*snapshot));
    struct view view = {.observe = observe, .policy = policy, .arena = arena};
    snapshot->as_of_ms = runtime_wall_ms(observe_runtime(observe));
    add_sources(&view, scopes, scope_count);
    observe_select(observe, policy, scopes, scope_count, add_resource, &view);
    if (view.count)
        qsort(view.resources, view.count, sizeof(*view.resources), resource_cmp);
    snapshot->sources = view.sources;
    snapshot->source_count = view.source_count;
    snapshot->resources = view.resources;
    snapshot->resource_count = view.count;
    observe_want_offers(observe, policy, scopes, scope_count);
    view_offers(&view, scopes, scope_count, snapshot);
    view_limits(&view, scopes, scope_count, snapshot);
    observe_view_commitments(observe, scopes, scope_count, snapshot, arena);
    return snapshot;
}

const char *source_state_name(enum source_state state) {
    static const char *const names[] = {"Fresh", "Stale", "Truncated", "Missing"};
    ASSERT(state <= SOURCE_MISSING);
    return names[state];
}
