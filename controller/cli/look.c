/*
 * See look.h. The same observation as the loop's, driven to its first complete state and then closed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/look.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/clouds.h"
#include "loop/evaluate.h"

#define DAY_MS INT64_C(86400000)
/* Longer than a look takes: what has been listed stays in place until the end. */
#define LIST_PERIOD_MS DAY_MS
#define NAME_LABEL "kubernetes.io/metadata.name"

struct wait {                  /* For one resource's history. */
    struct look_policy *entry; /* NULL: it may only be borrowed from; without it there is less to borrow. */
    enum cloud_metric metric;
    const char *provider;
    const struct cloud_resource *resource;
};

struct claim { /* The first two policies, by key, that select a resource. */
    const char *first, *second;
};

struct look {
    const struct manifest_set *set;
    struct cli_clouds clouds;
    struct cli_secrets secrets;
    struct metrics *metrics;
    struct history *history;
    struct observe *observe;
    struct map providers; /* key -> its fault, "" if it is open. */
    struct wait *waits;
    size_t wait_count;
    struct map claims; /* resource key -> struct claim * */
    struct arena *arena;
    bool has_news, is_turning, is_closed;
};

static const struct object *find(const struct look *look, enum object_kind kind, const char *namespace,
                                 const char *name) {
    for (size_t i = 0; i < look->set->entry_count; i++) {
        const struct object *object = look->set->entries[i].object;
        if (object->kind == kind && str_eq(object->namespace, namespace) && str_eq(object->name, name))
            return object;
    }
    return NULL;
}

/* With the label that every namespace of a cluster bears. */
static const struct object *namespace_of(const struct look *look, const char *name) {
    const struct object *given = find(look, OBJECT_NAMESPACE, "", name);
    struct object *namespace = arena_alloc(look->arena, sizeof(*namespace));
    if (given)
        *namespace = *given;
    struct tag *labels = arena_alloc_array(look->arena, namespace->label_count + 1, sizeof(*labels));
    for (size_t i = 0; i < namespace->label_count; i++)
        labels[i] = namespace->labels[i];
    labels[namespace->label_count++] = (struct tag){NAME_LABEL, name};
    namespace->labels = labels;
    return namespace;
}

/* ---- providers ---- */

/* A turn of the loop fires timers first and then waits for the next event: what came by a timer must not wait with it,
 * for there may be no other for a day. */
static void end_turn(struct look *look) {
    uv_stop(&look->clouds.loop);
}

static void on_provider(void *ctx, const char *namespace, const char *name, bool changed) {
    struct look *look = ctx;
    (void)namespace;
    (void)name;
    (void)changed;
    look->has_news = true;
    end_turn(look);
}

static void on_usage(void *ctx, const char *namespace, const char *name) {
    on_provider(ctx, namespace, name, true);
}

/* Opens it unless that has been tried. */
static const char *provider_fault(struct look *look, const struct object *provider, const char *key) {
    const char *fault = map_get(&look->providers, key);
    if (fault)
        return fault;
    struct error err;
    char *text = arena_strdup(look->arena, "");
    void *secret = cli_secret_of(&look->secrets, provider);
    if (observe_provider_open(look->observe, provider, cli_credential, secret, secret == NULL, &err) != ERR_NONE)
        text = arena_printf(look->arena, "Provider %s cannot be opened: %s", key, err.message);
    (void)map_put(&look->providers, key, text);
    return text;
}

/* False: entry->fault is set. */
static bool scope_of(struct look *look, struct look_policy *entry, const struct object_ref *ref,
                     struct observe_scope *ret) {
    struct status_summary why;
    const struct evaluate_access access = {
        .policy = entry->policy,
        .ref = ref,
        .provider = find(look, OBJECT_PROVIDER, ref->namespace, ref->name),
        .namespace = namespace_of(look, entry->policy->namespace),
    };
    if (!evaluate_scope(&access, look->arena, ret, &why)) {
        entry->fault = why.message;
        return false;
    }
    return true;
}

static void providers_open(struct look *look, struct look_policy *entry) {
    const struct policy *policy = entry->policy->as.policy;
    if (policy->selector.provider_count > EVALUATE_SCOPES_MAX)
        entry->fault = "spec.selector.providers names more than 32";
    for (size_t i = 0; !entry->fault && i < policy->selector.provider_count; i++) {
        const struct object_ref *ref = &policy->selector.providers[i];
        struct observe_scope scope;
        if (!scope_of(look, entry, ref, &scope))
            return;
        const char *fault =
            provider_fault(look, find(look, OBJECT_PROVIDER, ref->namespace, ref->name), scope.provider);
        if (*fault)
            entry->fault = fault;
    }
}

static void check_listed(struct look *look, struct look_policy *entry) {
    const struct policy *policy = entry->policy->as.policy;
    for (size_t i = 0; !entry->fault && i < policy->selector.provider_count; i++) {
        const struct object_ref *ref = &policy->selector.providers[i];
        struct observe_trouble trouble;
        if (!observe_provider_listed(look->observe, ref->namespace, ref->name, policy->selector.kinds, &trouble))
            entry->fault =
                arena_printf(look->arena, "Provider %s/%s cannot be listed: %s %s: %s", ref->namespace, ref->name,
                             trouble.region, cloud_kind_name(trouble.kind), trouble.error.message);
    }
}

/* ---- what is selected ---- */

/* The open providers that the policy may use. */
static size_t scopes_of(struct look *look, struct look_policy *entry, struct observe_scope *ret) {
    const struct policy *policy = entry->policy->as.policy;
    size_t count = 0;
    for (size_t i = 0; i < policy->selector.provider_count && i < EVALUATE_SCOPES_MAX; i++) {
        struct look_policy probe = *entry; /* One that may not be used is no fault of who only may claim. */
        if (scope_of(look, &probe, &policy->selector.providers[i], &ret[count]))
            count++;
    }
    return count;
}

struct selection {
    struct look *look;
    struct look_policy *entry;
};

static void wait_add(struct look *look, struct look_policy *entry, enum cloud_metric metric, const char *provider,
                     const struct cloud_resource *resource) {
    observe_track(look->observe, provider, resource, metric);
    look->waits = arena_push(look->arena, look->waits, look->wait_count, sizeof(*look->waits));
    look->waits[look->wait_count++] = (struct wait){entry, metric, provider, resource};
}

static void add_wait(void *ctx, const char *provider, const struct cloud_resource *resource) {
    struct selection *selection = ctx;
    struct look *look = selection->look;
    wait_add(look, selection->entry, selection->entry->policy->as.policy->forecast.metric, provider, resource);
}

static void history_start(struct look *look, struct look_policy *entry) {
    struct selection selection = {look, entry};
    struct observe_scope scopes[EVALUATE_SCOPES_MAX];
    size_t before = look->wait_count;
    observe_select(look->observe, entry->policy->as.policy, scopes, scopes_of(look, entry, scopes), add_wait,
                   &selection);
    if (look->wait_count == before)
        entry->fault = "no resource matches spec.selector; check kinds and tags, and that the tags are on the groups "
                       "themselves";
}

/* Whether nothing more is to be waited for: every history has been read, or cannot be. */
static bool is_history_settled(struct look *look) {
    for (size_t i = 0; i < look->wait_count; i++) {
        const struct wait *wait = &look->waits[i];
        struct error error;
        bool is_there = observe_is_tracked(look->observe, wait->provider, wait->resource, wait->metric, &error);
        if (!wait->entry) {
            if (!is_there && error.class == ERR_NONE)
                return false;
            continue;
        }
        if (error.class != ERR_NONE && !wait->entry->fault)
            wait->entry->fault =
                arena_printf(look->arena, "utilisation of %s cannot be read: %s", wait->resource->id, error.message);
        if (!is_there && !wait->entry->fault)
            return false;
    }
    return true;
}

static char *resource_key(const char *provider, const struct cloud_resource *resource) {
    return mem_printf("%s/%s/%s/%s", provider, resource->region, cloud_kind_name(resource->kind), resource->id);
}

static void add_claim(void *ctx, const char *provider, const struct cloud_resource *resource) {
    struct selection *selection = ctx;
    struct look *look = selection->look;
    char *key = resource_key(provider, resource);
    struct claim *claim = map_get(&look->claims, key);
    if (!claim) {
        claim = arena_alloc(look->arena, sizeof(*claim));
        claim->first = selection->entry->key;
        (void)map_put(&look->claims, key, claim);
    } else if (!claim->second && !str_eq(claim->first, selection->entry->key)) {
        claim->second = selection->entry->key;
    }
    mem_free(key);
}

static void claim(struct look *look, struct look_policy *entry) {
    struct selection selection = {look, entry};
    struct observe_scope scopes[EVALUATE_SCOPES_MAX];
    observe_select(look->observe, entry->policy->as.policy, scopes, scopes_of(look, entry, scopes), add_claim,
                   &selection);
}

static void offers_want(struct look *look, struct look_policy *entry) {
    struct observe_scope scopes[EVALUATE_SCOPES_MAX];
    observe_want_offers(look->observe, entry->policy->as.policy, scopes, scopes_of(look, entry, scopes));
}

static void snapshot_take(struct look *look, struct look_policy *entry) {
    struct observe_scope scopes[EVALUATE_SCOPES_MAX];
    struct snapshot *snapshot =
        observe_snapshot(look->observe, entry->policy->as.policy, scopes, scopes_of(look, entry, scopes), look->arena);
    struct snapshot_resource *resources =
        arena_memdup(look->arena, snapshot->resources, snapshot->resource_count * sizeof(*resources));
    for (size_t i = 0; i < snapshot->resource_count; i++) {
        char *key = resource_key(resources[i].provider, &resources[i].resource);
        const struct claim *claim = map_get(&look->claims, key);
        mem_free(key);
        resources[i].claimed_by = str_eq(claim->first, entry->key) ? claim->second : claim->first;
    }
    snapshot->resources = resources;
    entry->snapshot = snapshot;
}

/* ---- what may be borrowed ---- */

static void add_offer(void *ctx, const char *provider, const struct cloud_resource *resource) {
    struct lend *lend = ctx;
    if (lend->count < LEND_OFFERS_MAX && lend->looks < LEND_LOOKS_MAX)
        (void)lend_offer(lend, provider, resource);
}

/* As the controller does: what the policies of its namespace select that follow by name (loop/tenant.c). */
static void lenders_ask(struct look *look, struct look_policy *policies, size_t count, size_t own) {
    struct look_policy *entry = &policies[own];
    enum cloud_metric metric = entry->policy->as.policy->forecast.metric;
    struct lend *lend = &entry->lend;
    entry->is_borrowing = lend_begin(lend, entry->snapshot, look->arena);
    for (size_t i = 1, looked = 0; entry->is_borrowing && i < count && looked < LEND_OFFERS_MAX; i++) {
        struct look_policy *other = &policies[(own + i) % count];
        struct observe_scope scopes[EVALUATE_SCOPES_MAX];
        if (!str_eq(other->policy->namespace, entry->policy->namespace))
            continue;
        looked++;
        if (other->policy->as.policy->forecast.metric != metric)
            continue;
        observe_select(look->observe, other->policy->as.policy, scopes, scopes_of(look, other, scopes), add_offer,
                       lend);
    }
    for (size_t i = 0; i < lend->count; i++)
        wait_add(look, NULL, metric, lend->offers[i].provider, lend->offers[i].resource);
}

/* ---- life ---- */

/* What no policy selects is not asked for: neither is it needed, nor need it be permitted. */
static uint32_t kinds_of(const struct look_policy *policies, size_t count) {
    uint32_t kinds = 0;
    for (size_t i = 0; i < count; i++)
        kinds |= policies[i].policy->as.policy->selector.kinds;
    return kinds;
}

static void look_open(struct look *look, int64_t usage_step_ms, const struct look_policy *policies, size_t count) {
    struct error err;
    cli_clouds_open(&look->clouds);
    look->metrics = metrics_new();
    enum err_class class = history_open(&(struct history_options){.step_ms = usage_step_ms}, &look->history, &err);
    ASSERT(class == ERR_NONE); /* In memory alone it cannot fail. */
    look->observe = observe_new(&(struct observe_options){.env = look->clouds.env,
                                                          .history = look->history,
                                                          .metrics = look->metrics,
                                                          .list_period_ms = LIST_PERIOD_MS,
                                                          .stale_after_ms = LIST_PERIOD_MS * 5,
                                                          .usage_step_ms = usage_step_ms,
                                                          .backfill_ms = 14 * DAY_MS,
                                                          .call_timeout_ms = 60000,
                                                          .count_max = 100000,
                                                          .total_max = 200000,
                                                          .kinds = kinds_of(policies, count),
                                                          .on_provider = on_provider,
                                                          .on_usage = on_usage,
                                                          .ctx = look});
}

static void on_closed(void *ctx) {
    struct look *look = ctx;
    look->is_closed = true;
    if (look->is_turning) /* Else the stop would end the next turn, which is not ours. */
        end_turn(look);
}

static void look_close(struct look *look) {
    observe_close(look->observe, on_closed, look);
    look->is_turning = true;
    while (!look->is_closed)
        uv_run(&look->clouds.loop, UV_RUN_ONCE);
    observe_free(look->observe);
    history_close(look->history);
    metrics_free(look->metrics);
    cli_clouds_close(&look->clouds);
    cli_secrets_release(&look->secrets);
    map_release(&look->providers);
    map_release(&look->claims);
}

/* Turns the loop until settled is true; asked only when there is news. */
static void wait_until(struct look *look, bool (*settled)(struct look *look)) {
    while (!settled(look)) {
        look->has_news = false;
        while (!look->has_news)
            uv_run(&look->clouds.loop, UV_RUN_ONCE);
    }
}

static bool is_listing_settled(struct look *look) {
    return observe_has_looked(look->observe);
}

void look(const struct manifest_set *set, int64_t usage_step_ms, struct look_policy *policies, size_t count,
          struct arena *arena) {
    struct look look = {.set = set, .secrets = {.set = set}, .arena = arena};
    look_open(&look, usage_step_ms, policies, count);
    for (size_t i = 0; i < count; i++)
        if (policies[i].is_wanted)
            providers_open(&look, &policies[i]);
    for (size_t i = 0; i < count; i++)
        if (policies[i].is_wanted)
            offers_want(&look, &policies[i]);
    wait_until(&look, is_listing_settled);
    for (size_t i = 0; i < count; i++) {
        if (policies[i].is_wanted)
            check_listed(&look, &policies[i]);
        if (policies[i].is_wanted && !policies[i].fault)
            history_start(&look, &policies[i]);
        claim(&look, &policies[i]);
    }
    wait_until(&look, is_history_settled);
    for (size_t i = 0; i < count; i++)
        if (policies[i].is_wanted && !policies[i].fault) {
            snapshot_take(&look, &policies[i]);
            lenders_ask(&look, policies, count, i);
        }
    wait_until(&look, is_history_settled);
    for (size_t i = 0; i < count; i++)
        if (policies[i].is_borrowing)
            lend_end(&policies[i].lend, look.observe, policies[i].policy->as.policy, policies[i].snapshot);
    look_close(&look);
}
