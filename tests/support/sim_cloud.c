/*
 * See sim_cloud.h. Two sides of each call:
 *
 *     link_call (the process')  <--->  flight (the cloud's; has its own copy of the action)
 *
 * A flight that loses its call, because the process died or gave up, flies on when it is an apply.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/support/sim_cloud.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct sim_cloud_provider {
    struct sim_cloud *cloud;
    struct sim_cloud_provider *next;
    char *name;
    struct adapter *adapter;
    int64_t *sizes; /* As last noted. */
    struct flight *flights;
};

struct link_call { /* The process' side of a call under way. */
    struct sim_cloud_link *link;
    struct adapter_call *call;
    struct flight *flight; /* NULL: it gave up. */
    struct timer timer;    /* Tells it "cancelled". */
    struct link_call *next;
};

struct sim_cloud_link { /* A process' connection to one provider. */
    struct adapter base;
    struct sim_cloud_provider *provider;
    struct runtime *runtime; /* The process'. */
    struct link_call *calls;
    bool cut, closing;
    struct timer close_timer;
    void (*closed)(void *ctx);
    void *closed_ctx;
    struct sim_cloud_link *next;
};

struct flight { /* The cloud's side. */
    struct sim_cloud_provider *provider;
    struct link_call *caller; /* NULL: nobody waits. */
    struct adapter_call call;
    struct arena arena;
    struct cloud_action action;
    bool is_list, is_memory, is_usage, is_nodes;
    const char *type_before; /* Of an instance, when the apply arrived. */
    char token[24];
    struct timer way; /* An apply's, on the cloud's clock. */
    struct flight *next;
};

static struct sim_cloud *current;
static const struct adapter_ops link_ops;

static struct sim *sim_of_provider(const struct sim_cloud_provider *provider) {
    return CONTAINER_OF(provider->adapter, struct sim, base);
}

/* ---- effects ---- */

static const struct flight *flight_to(const struct sim_cloud_provider *provider, const char *group, int64_t size) {
    const struct flight *best = NULL;
    for (const struct flight *f = provider->flights; f; f = f->next)
        if (f->action.id && str_eq(f->action.id, group) && (!best || f->action.count == size))
            best = f;
    return best;
}

static void effect_add(struct sim_cloud *cloud, const struct sim_effect *effect) {
    cloud->effects = mem_grow(cloud->effects, cloud->effect_count, cloud->effect_count + 1, sizeof(*cloud->effects));
    cloud->effects[cloud->effect_count++] = *effect;
}

static void note_effects(struct sim_cloud *cloud, bool is_ours) {
    for (struct sim_cloud_provider *p = cloud->providers; p; p = p->next) {
        const struct sim *sim = sim_of_provider(p);
        for (size_t i = 0; i < sim->group_count; i++) {
            int64_t now = sim_group_desired(&sim->groups[i]);
            if (now == p->sizes[i])
                continue;
            const struct flight *by = is_ours ? flight_to(p, sim->groups[i].name, now) : NULL;
            cr_assert(by || !is_ours, "%s changed without a request", sim->groups[i].name);
            struct sim_effect effect = {.at_ns = cloud->runtime.now_ns, .before = p->sizes[i], .after = now};
            (void)str_copy(effect.provider, sizeof(effect.provider), p->name);
            (void)str_copy(effect.group, sizeof(effect.group), sim->groups[i].name);
            (void)str_copy(effect.token, sizeof(effect.token), by ? by->token : "");
            p->sizes[i] = now;
            effect_add(cloud, &effect);
        }
    }
}

static const char *type_of(const struct flight *flight) {
    struct sim *sim = sim_of_provider(flight->provider);
    const struct sim_item *item = sim_item_find(sim, flight->action.region, CLOUD_INSTANCE, flight->action.id);
    return item ? sim_item_final_type(item) : "";
}

static void note_type(struct sim_cloud *cloud, const struct flight *flight) {
    struct sim_effect effect = {.at_ns = cloud->runtime.now_ns};
    if (str_eq(flight->type_before, type_of(flight)))
        return;
    (void)str_copy(effect.provider, sizeof(effect.provider), flight->provider->name);
    (void)str_copy(effect.group, sizeof(effect.group), flight->action.id);
    (void)str_copy(effect.token, sizeof(effect.token), flight->token);
    effect_add(cloud, &effect);
}

bool sim_cloud_step(struct sim_cloud *cloud, uint64_t until_ns) {
    bool stepped = runtime_virtual_step(&cloud->runtime, until_ns);
    if (stepped)
        note_effects(cloud, true);
    return stepped;
}

/* ---- calls ---- */

static void call_end(struct link_call *caller) {
    struct sim_cloud_link *link = caller->link;
    struct adapter_call *call = caller->call;
    for (struct link_call **at = &link->calls; *at; at = &(*at)->next) {
        if (*at == caller) {
            *at = caller->next;
            break;
        }
    }
    timer_stop(link->runtime, &caller->timer);
    mem_free(caller);
    call->state = NULL;
    call->done(call);
}

static void flight_free(struct flight *flight) {
    for (struct flight **at = &flight->provider->flights; *at; at = &(*at)->next) {
        if (*at == flight) {
            *at = flight->next;
            break;
        }
    }
    arena_release(&flight->arena);
    mem_free(flight);
}

/* ---- a cluster ---- */

static struct sim_workload *workload_of(struct sim_cloud *cloud, const char *name) {
    for (size_t i = 0; i < SIM_WORKLOADS_MAX; i++)
        if (cloud->workloads[i].name && str_eq(cloud->workloads[i].name, name))
            return &cloud->workloads[i];
    return NULL;
}

static struct sim_workload *workload_add(struct sim_cloud *cloud, const char *name) {
    for (size_t i = 0; i < SIM_WORKLOADS_MAX; i++) {
        struct sim_workload *workload = &cloud->workloads[i];
        if (workload->name)
            continue;
        cr_assert(str_copy(workload->own_name, sizeof(workload->own_name), name));
        workload->name = workload->own_name;
        return workload;
    }
    return NULL;
}

static void show_workloads(struct sim_cloud *cloud, const struct adapter_reply *reply) {
    for (size_t i = 0; reply->error.class == ERR_NONE && i < reply->count; i++) {
        struct cloud_resource *r = (struct cloud_resource *)(uintptr_t)&reply->as.resources[i];
        const struct sim_workload *workload = workload_of(cloud, r->name);
        r->kind = CLOUD_WORKLOAD;
        r->count_min = workload ? workload->min : 0;
        r->count_max = workload ? workload->max : 0;
        r->count_manager = workload ? workload->manager : NULL;
        r->drifted = workload ? workload->drifted : 0;
        if (workload && workload->vcpu_milli > 0)
            r->vcpu_milli = workload->vcpu_milli;
    }
}

/* What is dealt out to the n-th of so many nodes: of all pods one after the other each so manieth. */
static const struct cloud_node *node_make(const struct adapter_reply *groups, size_t n, size_t nodes,
                                          struct arena *arena) {
    struct cloud_node *node = arena_alloc(arena, sizeof(*node));
    struct cloud_load *loads = arena_alloc_array(arena, groups->count + 1, sizeof(*loads));
    *node = (struct cloud_node){.pods_max = 110, .taints = "", .loads = loads};
    size_t first = 0;
    for (size_t i = 0; i < groups->count; i++) {
        const struct cloud_resource *r = &groups->as.resources[i];
        int64_t count = 0;
        for (size_t p = first; p < first + (size_t)r->count; p++)
            count += p % nodes == n;
        first += (size_t)r->count;
        if (count > 0)
            loads[node->load_count++] = (struct cloud_load){.workload = r->id,
                                                            .count = count,
                                                            .vcpu_milli = r->vcpu_milli,
                                                            .memory_mib = r->memory_mib,
                                                            .keys = ""};
    }
    return node;
}

static void show_nodes(struct sim_cloud *cloud, struct adapter_reply *reply, struct arena *arena) {
    static const struct cloud_tag tag = {"app", "web"};
    struct cloud_resource *to = arena_alloc_array(arena, SIM_NODES_MAX, sizeof(*to));
    size_t count = 0, nodes = cloud->node_count;
    for (size_t j = 0; j < cloud->node_count; j++)
        nodes -= cloud->node_gone[j];
    for (size_t j = 0; reply->error.class == ERR_NONE && j < cloud->node_count; j++) {
        if (cloud->node_gone[j])
            continue;
        to[count] = (struct cloud_resource){.kind = CLOUD_NODE,
                                            .state = CLOUD_RUNNING,
                                            .region = "us-east-1",
                                            .zone = "",
                                            .id = arena_printf(arena, "node-%zu", j),
                                            .name = "",
                                            .type = "m5.4xlarge",
                                            .count = 1,
                                            .vcpu_milli = (int64_t)(4 * SIM_POD_MILLI),
                                            .memory_mib = 65536,
                                            .price_hourly = 768000,
                                            .tags = &tag,
                                            .tag_count = 1};
        to[count].node = node_make(reply, count, nodes, arena);
        count++;
    }
    reply->as.resources = to;
    reply->count = reply->error.class == ERR_NONE ? count : 0;
}

/* Usage is told as a share of the requests; underneath it is one of the whole machine. */
static void show_usage(struct sim_cloud *cloud, const struct adapter_reply *reply) {
    for (size_t i = 0; reply->error.class == ERR_NONE && i < reply->count; i++) {
        const struct sim_workload *workload = workload_of(cloud, reply->as.series[i].id);
        struct cloud_sample *samples = (struct cloud_sample *)(uintptr_t)reply->as.series[i].utilization;
        for (size_t k = 0; workload && workload->vcpu_milli > 0 && k < reply->as.series[i].utilization_count; k++)
            samples[k].value *= SIM_POD_MILLI / (double)workload->vcpu_milli;
    }
}

static void show_kills(struct sim_cloud *cloud, const struct adapter_reply *reply) {
    for (size_t i = 0; reply->error.class == ERR_NONE && i < reply->count; i++) {
        struct cloud_series *series = (struct cloud_series *)(uintptr_t)&reply->as.series[i];
        const struct sim_workload *workload = workload_of(cloud, series->id);
        if (!workload || !workload->kill.id)
            continue;
        series->kills = &workload->kill;
        series->kill_count = 1;
    }
}

/* Which part of the change is one of a group. False: none, it is done. */
static bool change_workload(struct sim_cloud *cloud, struct cloud_action *action) {
    struct sim_workload *workload = workload_of(cloud, action->id);
    action->kind = CLOUD_INSTANCE_GROUP;
    if (action->verb == CLOUD_SCALE) {
        cr_assert(!workload || !workload->manager, "the size of %s is not ours to set", action->id);
        return true;
    }
    if (!workload && action->verb == CLOUD_RESIZE)
        workload = workload_add(cloud, action->id);
    cr_assert(workload, "%s is as any other", action->id);
    if (action->verb == CLOUD_SET_BOUNDS) {
        cr_assert(workload->manager, "%s has no bounds", action->id);
        workload->min = action->count_min;
        workload->max = action->count_max;
        action->verb = CLOUD_SCALE;
        action->count = workload->min;
        return true;
    }
    cr_assert(action->verb == CLOUD_RESIZE && !action->is_rollout);
    workload->resizes++;
    workload->vcpu_milli = action->vcpu_milli;
    workload->memory_mib = action->memory_mib;
    workload->drifted = workload->drift_stays ? workload->drifted : 0;
    return false;
}

/* "3/web-a": so many steps are left. */
static const char *handle(size_t left, const char *name, struct arena *arena) {
    return left ? arena_printf(arena, "%zu/%s", left, name) : "";
}

static void flight_done(struct adapter_call *inner) {
    struct flight *flight = inner->ctx;
    struct link_call *caller = flight->caller;
    struct sim_cloud *cloud = flight->provider->cloud;
    if (flight->is_nodes)
        show_nodes(cloud, &inner->reply, inner->arena);
    else if (cloud->is_cluster && flight->is_list)
        show_workloads(cloud, &inner->reply);
    if (cloud->is_cluster && flight->is_usage)
        show_usage(cloud, &inner->reply);
    if (cloud->is_cluster && flight->is_memory)
        show_kills(cloud, &inner->reply);
    bool is_machine = flight->action.id && flight->action.kind == CLOUD_INSTANCE;
    if (is_machine)
        note_type(cloud, flight);
    if (flight->action.id && !is_machine && inner->reply.error.class == ERR_NONE)
        inner->reply.as.operation = handle(cloud->poll_steps, flight->action.id, inner->arena);
    /* The effect is noted while the flight still tells whose it is. */
    note_effects(flight->provider->cloud, true);
    if (caller)
        caller->call->reply = inner->reply;
    flight_free(flight);
    if (caller)
        call_end(caller);
}

static void gave_up(struct timer *timer) {
    struct link_call *caller = timer->ctx;
    caller->call->reply = (struct adapter_reply){0};
    error_set(&caller->call->reply.error, ERR_CANCELLED, "cancelled");
    caller->call->reply.error.effect = EFFECT_UNKNOWN;
    call_end(caller);
}

/* The reply is there already. */
static void answer(struct timer *timer) {
    struct link_call *caller = timer->ctx;
    call_end(caller);
}

/* The process no longer waits; the request goes its way, unless it only asks. */
static void give_up(struct link_call *caller) {
    struct flight *flight = caller->flight;
    caller->flight = NULL;
    if (flight) {
        flight->caller = NULL;
        flight->call.arena = &flight->arena;
        if (!flight->action.id)
            flight->provider->adapter->ops->cancel(flight->provider->adapter, &flight->call);
    }
    timer_start(caller->link->runtime, &caller->timer, 0, gave_up, caller);
}

static struct link_call *caller_new(struct sim_cloud_link *link, struct adapter_call *call) {
    struct link_call *caller = mem_alloc(sizeof(*caller));
    *caller = (struct link_call){.link = link, .call = call, .next = link->calls};
    link->calls = caller;
    call->state = caller;
    call->reply = (struct adapter_reply){0};
    return caller;
}

static struct flight *flight_new(struct adapter *self, struct adapter_call *call) {
    struct sim_cloud_link *link = CONTAINER_OF(self, struct sim_cloud_link, base);
    struct link_call *caller = caller_new(link, call);
    if (link->cut || link->closing) {
        give_up(caller);
        return NULL;
    }
    struct flight *flight = mem_alloc(sizeof(*flight));
    flight->provider = link->provider;
    flight->caller = caller;
    flight->call =
        (struct adapter_call){.done = flight_done, .ctx = flight, .arena = call->arena, .timeout_ms = call->timeout_ms};
    flight->next = link->provider->flights;
    link->provider->flights = flight;
    caller->flight = flight;
    return flight;
}

static void link_account(struct adapter *self, struct adapter_call *call) {
    struct flight *flight = flight_new(self, call);
    if (flight)
        flight->provider->adapter->ops->account(flight->provider->adapter, &flight->call);
}

/* The query is the process'; it does not look at this of it again. */
static struct cloud_query *of_groups(const struct sim_cloud *cloud, const struct cloud_query *query) {
    struct cloud_query *own = (struct cloud_query *)(uintptr_t)query;
    if (cloud->is_cluster && own->kinds & 1u << CLOUD_WORKLOAD)
        own->kinds = 1u << CLOUD_INSTANCE_GROUP;
    if (cloud->is_cluster && own->kind == CLOUD_WORKLOAD)
        own->kind = CLOUD_INSTANCE_GROUP;
    return own;
}

static void link_list(struct adapter *self, struct adapter_call *call, const struct cloud_query *query) {
    struct flight *flight = flight_new(self, call);
    if (!flight)
        return;
    struct sim_cloud *cloud = flight->provider->cloud;
    struct cloud_query *own = of_groups(cloud, query);
    cloud->list_count++;
    flight->is_list = true;
    flight->is_nodes = query->kinds == 1u << CLOUD_NODE;
    if (flight->is_nodes)
        own->kinds = 1u << CLOUD_INSTANCE_GROUP;
    if (cloud->truncate_at)
        own->count_max = cloud->truncate_at;
    flight->provider->adapter->ops->list(flight->provider->adapter, &flight->call, own);
}

static void link_prices(struct adapter *self, struct adapter_call *call, const struct cloud_query *query) {
    struct flight *flight = flight_new(self, call);
    if (flight)
        flight->provider->adapter->ops->prices(flight->provider->adapter, &flight->call, query);
}

static void link_limits(struct adapter *self, struct adapter_call *call, const struct cloud_query *query) {
    struct flight *flight = flight_new(self, call);
    if (flight)
        flight->provider->adapter->ops->limits(flight->provider->adapter, &flight->call, query);
}

static void link_usage(struct adapter *self, struct adapter_call *call, const struct cloud_query *query) {
    struct flight *flight = flight_new(self, call);
    if (!flight)
        return;
    struct cloud_query *own = of_groups(flight->provider->cloud, query);
    flight->is_memory = own->metric == CLOUD_METRIC_MEMORY;
    flight->is_usage = !flight->is_memory;
    if (flight->provider->cloud->is_cluster)
        own->metric = CLOUD_METRIC_CPU;
    flight->provider->adapter->ops->usage(flight->provider->adapter, &flight->call, own);
}

/* Blindly repeated: whoever had read before writing would have known, or should have waited. */
static bool is_repeat(const struct sim_cloud_provider *provider, const struct cloud_action *action) {
    const struct sim_cloud *cloud = provider->cloud;
    for (const struct flight *f = provider->flights; f; f = f->next)
        if (f->action.id && str_eq(f->token, action->token))
            return true;
    for (size_t i = 0; i < cloud->effect_count; i++)
        if (str_eq(cloud->effects[i].token, action->token))
            return true;
    return false;
}

static void arrive(struct timer *timer) {
    struct flight *flight = timer->ctx;
    flight->type_before = flight->action.kind == CLOUD_INSTANCE ? type_of(flight) : NULL;
    flight->provider->adapter->ops->apply(flight->provider->adapter, &flight->call, &flight->action);
}

static void link_apply(struct adapter *self, struct adapter_call *call, const struct cloud_action *action) {
    struct sim_cloud_link *link = CONTAINER_OF(self, struct sim_cloud_link, base);
    struct sim_cloud *cloud = link->provider->cloud;
    cloud->apply_count += !link->cut;
    cloud->repeat_count += !link->cut && is_repeat(link->provider, action);
    if (cloud->apply_error_count > 0 && !link->cut) {
        cloud->apply_error_count--;
        struct link_call *caller = caller_new(link, call);
        call->reply.error = cloud->apply_error;
        timer_start(link->runtime, &caller->timer, 0, answer, caller);
        return;
    }
    struct cloud_action change = *action;
    if (cloud->is_cluster && !link->cut && !change_workload(cloud, &change)) {
        struct link_call *caller = caller_new(link, call);
        call->reply.as.operation = "";
        timer_start(link->runtime, &caller->timer, 0, answer, caller);
        return;
    }
    struct flight *flight = flight_new(self, call);
    if (!flight)
        return;
    flight->action = change;
    flight->action.region = arena_strdup(&flight->arena, action->region);
    flight->action.id = arena_strdup(&flight->arena, action->id);
    flight->action.type = arena_strdup(&flight->arena, action->type);
    (void)str_copy(flight->token, sizeof(flight->token), action->token);
    flight->action.token = cloud->takes_tokens ? flight->token : "";
    if (cloud->apply_way_ns)
        timer_start(&cloud->runtime.base, &flight->way, cloud->apply_way_ns, arrive, flight);
    else
        arrive(&(struct timer){.ctx = flight});
}

static void link_poll(struct adapter *self, struct adapter_call *call, const char *operation) {
    struct sim_cloud_link *link = CONTAINER_OF(self, struct sim_cloud_link, base);
    struct sim_cloud *cloud = link->provider->cloud;
    if (cloud->poll_steps && !link->cut) {
        const char *name = strchr(operation, '/');
        size_t left = strtoul(operation, NULL, 10);
        struct link_call *caller = caller_new(link, call);
        cr_assert(left > 0 && name, "no handle of ours: %s", operation);
        cloud->poll_repeats += str_eq(cloud->poll_last, operation);
        cloud->poll_count++;
        (void)str_copy(cloud->poll_last, sizeof(cloud->poll_last), operation);
        call->reply.as.operation = handle(left - 1, name + 1, call->arena);
        call->reply.poll_after_ms = 7000;
        timer_start(link->runtime, &caller->timer, 0, answer, caller);
        return;
    }
    struct flight *flight = flight_new(self, call);
    if (flight)
        flight->provider->adapter->ops->poll(flight->provider->adapter, &flight->call, operation);
}

static void link_cancel(struct adapter *self, struct adapter_call *call) {
    (void)self;
    struct link_call *caller = call->state;
    if (caller && caller->flight)
        give_up(caller);
}

/* ---- life of a connection ---- */

static void on_close(struct timer *timer) {
    struct sim_cloud_link *link = timer->ctx;
    if (link->calls) {
        timer_start(link->runtime, &link->close_timer, 0, on_close, link);
        return;
    }
    struct sim_cloud *cloud = link->provider->cloud;
    for (struct sim_cloud_link **at = &cloud->links; *at; at = &(*at)->next) {
        if (*at == link) {
            *at = link->next;
            break;
        }
    }
    void (*closed)(void *ctx) = link->closed;
    void *ctx = link->closed_ctx;
    mem_free(link);
    closed(ctx);
}

static void link_close(struct adapter *self, void (*closed)(void *ctx), void *ctx) {
    struct sim_cloud_link *link = CONTAINER_OF(self, struct sim_cloud_link, base);
    link->closing = true;
    link->closed = closed;
    link->closed_ctx = ctx;
    for (struct link_call *caller = link->calls; caller; caller = caller->next)
        if (caller->flight)
            give_up(caller);
    timer_start(link->runtime, &link->close_timer, 0, on_close, link);
}

void sim_cloud_cut(struct sim_cloud *cloud) {
    for (struct sim_cloud_link *link = cloud->links; link; link = link->next) {
        link->cut = true;
        for (struct link_call *caller = link->calls; caller; caller = caller->next)
            if (caller->flight)
                give_up(caller);
    }
    cloud->links = NULL; /* They wind themselves down; on_close of a link that is not listed finds nothing. */
}

static struct sim_cloud_provider *provider_of(struct sim_cloud *cloud, const char *name) {
    for (struct sim_cloud_provider *p = cloud->providers; p; p = p->next)
        if (str_eq(p->name, name))
            return p;
    return NULL;
}

/* A Provider that is known keeps its state whatever its spec says now: it is the cloud. */
static enum err_class link_open(struct adapter **ret, const struct adapter_env *env,
                                const struct adapter_config *config, struct error *err) {
    struct sim_cloud *cloud = current;
    struct sim_cloud_provider *provider = provider_of(cloud, config->name);
    if (!provider) {
        struct adapter_env own = {.runtime = &cloud->runtime.base, .catalogue = cloud->catalogue};
        struct adapter *adapter;
        if (adapter_simulated.open(&adapter, &own, config, err) != ERR_NONE)
            return err->class;
        provider = mem_alloc(sizeof(*provider));
        *provider = (struct sim_cloud_provider){
            .cloud = cloud, .next = cloud->providers, .name = mem_strdup(config->name), .adapter = adapter};
        const struct sim *sim = sim_of_provider(provider);
        provider->sizes = mem_alloc_array(sim->group_count, sizeof(*provider->sizes));
        for (size_t i = 0; i < sim->group_count; i++)
            provider->sizes[i] = sim_group_desired(&sim->groups[i]);
        cloud->providers = provider;
    }
    struct sim_cloud_link *link = mem_alloc(sizeof(*link));
    *link = (struct sim_cloud_link){.base = {.ops = sim_cloud_find_adapter("simulated")},
                                    .provider = provider,
                                    .runtime = env->runtime,
                                    .next = cloud->links};
    cloud->links = link;
    *ret = &link->base;
    return ERR_NONE;
}

static const struct adapter_ops link_ops = {
    .type = "simulated",
    .kinds = 1u << CLOUD_INSTANCE_GROUP,
    .verbs = {[CLOUD_INSTANCE_GROUP] = 1u << CLOUD_SCALE},
    .open = link_open,
    .close = link_close,
    .account = link_account,
    .list = link_list,
    .prices = link_prices,
    .usage = link_usage,
    .limits = link_limits,
    .apply = link_apply,
    .poll = link_poll,
    .cancel = link_cancel,
};

const struct adapter_ops *sim_cloud_find_adapter(const char *type) {
    static struct adapter_ops ops;
    ops = link_ops;
    if (current->is_cluster)
        ops.kinds = 1u << CLOUD_WORKLOAD | (current->node_count > 0 ? 1u << CLOUD_NODE : 0);
    else if (current->has_disks)
        ops.kinds |= 1u << CLOUD_VOLUME;
    if (current->has_machines) {
        ops.kinds |= 1u << CLOUD_INSTANCE;
        ops.verbs[CLOUD_INSTANCE] = 1u << CLOUD_RESIZE;
    }
    return str_eq(type, "simulated") ? &ops : NULL;
}

/* ---- life of the clouds ---- */

void sim_cloud_start(struct sim_cloud *cloud, const struct catalogue *catalogue, uint64_t seed, int64_t wall_ms) {
    *cloud = (struct sim_cloud){.catalogue = catalogue};
    runtime_virtual_init(&cloud->runtime, seed, wall_ms);
    current = cloud;
}

static void set_flag(void *ctx) {
    *(bool *)ctx = true;
}

void sim_cloud_stop(struct sim_cloud *cloud) {
    cr_assert(!cloud->links, "the process still has connections");
    for (struct sim_cloud_provider *p = cloud->providers, *next; p; p = next) {
        bool closed = false;
        next = p->next;
        while (p->flights && runtime_virtual_step(&cloud->runtime, UINT64_MAX))
            continue;
        p->adapter->ops->close(p->adapter, set_flag, &closed);
        while (!closed && runtime_virtual_step(&cloud->runtime, cloud->runtime.now_ns + NS_PER_S))
            ;
        cr_assert(closed && !p->flights);
        mem_free(p->sizes);
        mem_free(p->name);
        mem_free(p);
    }
    mem_free(cloud->effects);
    runtime_virtual_release(&cloud->runtime);
    current = NULL;
}

/* ---- the hand of God ---- */

static struct sim_group *group_of(const struct sim_cloud *cloud, const char *provider, const char *name) {
    const struct sim_cloud_provider *p = provider_of((struct sim_cloud *)(uintptr_t)cloud, provider);
    const struct sim *sim = p ? sim_of_provider(p) : NULL;
    for (size_t i = 0; sim && i < sim->group_count; i++)
        if (str_eq(sim->groups[i].name, name))
            return &sim->groups[i];
    return NULL;
}

static struct sim_item *machine_of(const struct sim_cloud *cloud, const char *provider, const char *name) {
    const struct sim_cloud_provider *p = provider_of((struct sim_cloud *)(uintptr_t)cloud, provider);
    const struct sim *sim = p ? sim_of_provider(p) : NULL;
    for (size_t i = 0; sim && i < sim->item_count; i++)
        if (sim->items[i].kind == CLOUD_INSTANCE && str_eq(sim->items[i].name, name))
            return &sim->items[i];
    return NULL;
}

const char *sim_cloud_type(const struct sim_cloud *cloud, const char *provider, const char *name) {
    const struct sim_item *machine = machine_of(cloud, provider, name);
    return machine ? sim_item_final_type(machine) : "";
}

enum cloud_state sim_cloud_state(const struct sim_cloud *cloud, const char *provider, const char *name) {
    const struct sim_item *machine = machine_of(cloud, provider, name);
    return machine ? machine->state : CLOUD_STATE_UNKNOWN;
}

void sim_cloud_faults(struct sim_cloud *cloud, struct sim_faults faults) {
    for (struct sim_cloud_provider *p = cloud->providers; p; p = p->next)
        sim_of_provider(p)->faults = faults;
}

void sim_cloud_demand(struct sim_cloud *cloud, const char *provider, const char *name, const struct sim_trace *trace) {
    struct sim_group *group = group_of(cloud, provider, name);
    struct sim_item *machine = machine_of(cloud, provider, name);
    cr_assert(group || machine, "%s has no %s", provider, name);
    *(group ? &group->load : &machine->load) = (struct sim_load){.trace = trace, .vcpu_per_unit = 1};
}

int64_t sim_cloud_size(const struct sim_cloud *cloud, const char *provider, const char *name) {
    const struct sim_group *group = group_of(cloud, provider, name);
    return group ? sim_group_desired(group) : -1;
}

void sim_cloud_set_size(struct sim_cloud *cloud, const char *provider, const char *name, int64_t size) {
    struct sim_group *group = group_of(cloud, provider, name);
    cr_assert(group);
    sim_group_set_size(sim_of_provider(provider_of(cloud, provider)), group, size);
    note_effects(cloud, false);
}

void sim_cloud_delete_group(struct sim_cloud *cloud, const char *provider, const char *name) {
    struct sim_cloud_provider *p = provider_of(cloud, provider);
    struct sim_group *group = group_of(cloud, provider, name);
    cr_assert(p && group);
    struct sim *sim = sim_of_provider(p);
    size_t index = (size_t)(group - sim->groups), last = --sim->group_count;
    sim_group_release(group);
    sim->groups[index] = sim->groups[last];
    p->sizes[index] = p->sizes[last];
}

void sim_cloud_capacity(struct sim_cloud *cloud, const char *provider, int64_t machines_max) {
    struct sim_cloud_provider *p = provider_of(cloud, provider);
    cr_assert(p);
    struct sim *sim = sim_of_provider(p);
    sim->capacities = arena_alloc_array(&sim->arena, sim->group_count, sizeof(*sim->capacities));
    sim->capacity_count = machines_max < 0 ? 0 : sim->group_count;
    for (size_t i = 0; i < sim->capacity_count; i++)
        sim->capacities[i] = (struct sim_capacity){sim->groups[i].region, sim->groups[i].type, machines_max};
}

uint64_t sim_cloud_hash(const struct sim_cloud *cloud) {
    uint64_t hash = STR_HASH_SEED;
    for (size_t i = 0; i < cloud->effect_count; i++) {
        const struct sim_effect *e = &cloud->effects[i];
        const int64_t numbers[] = {(int64_t)e->at_ns, e->before, e->after};
        hash = str_hash(hash, numbers, sizeof(numbers));
        hash = str_hash_text(str_hash_text(str_hash_text(hash, e->provider), e->group), e->token);
    }
    return hash;
}
