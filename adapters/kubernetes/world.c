/*
 * The walk over the collections; see world.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/kubernetes/world.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define PAGE_SIZE 500

/* Running or about to: what has ended mounts, uses and requests nothing. */
#define PODS_QUERY "&fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed"

static const struct source {
    const char *api, *resource;
    const char *query;
    bool is_cluster_wide; /* Not in namespaces. */
    bool is_optional;     /* A cluster may not have this API: then there are none. */
    bool is_counted;      /* Its rows are resources of a list. */
    size_t row_size;
    size_t rows; /* Offset of the table. */
    kubernetes_item_fn *read;
} sources[SOURCE_COUNT] = {
#define ROWS(table, type) .row_size = sizeof(struct type), .rows = offsetof(struct kubernetes_world, table)
    [SOURCE_NODES] = {"/api/v1", "nodes", "", true, false, true, ROWS(nodes, kubernetes_node), kubernetes_node_read},
    [SOURCE_AUTOSCALERS] = {"/apis/autoscaling/v2", "horizontalpodautoscalers", "", false, false, false,
                            ROWS(scalers, kubernetes_scaler), kubernetes_autoscaler_read},
    [SOURCE_SCALED_OBJECTS] = {"/apis/keda.sh/v1alpha1", "scaledobjects", "", false, true, false,
                               ROWS(scalers, kubernetes_scaler), kubernetes_scaled_object_read},
    [SOURCE_VERTICAL_AUTOSCALERS] = {"/apis/autoscaling.k8s.io/v1", "verticalpodautoscalers", "", false, true, false,
                                     ROWS(scalers, kubernetes_scaler), kubernetes_vertical_autoscaler_read},
    [SOURCE_DISRUPTION_BUDGETS] = {"/apis/policy/v1", "poddisruptionbudgets", "", false, false, false,
                                   ROWS(budgets, kubernetes_budget), kubernetes_disruption_budget_read},
    [SOURCE_DEPLOYMENTS] = {"/apis/apps/v1", "deployments", "", false, false, true,
                            ROWS(workloads, kubernetes_workload), kubernetes_deployment_read},
    [SOURCE_STATEFUL_SETS] = {"/apis/apps/v1", "statefulsets", "", false, false, true,
                              ROWS(workloads, kubernetes_workload), kubernetes_stateful_set_read},
    [SOURCE_CLAIMS] = {"/api/v1", "persistentvolumeclaims", "", false, false, true, ROWS(volumes, cloud_resource),
                       kubernetes_claim_read},
    [SOURCE_SNAPSHOTS] = {"/apis/snapshot.storage.k8s.io/v1", "volumesnapshots", "", false, true, true,
                          ROWS(snapshots, cloud_resource), kubernetes_snapshot_read},
    [SOURCE_PODS] = {"/api/v1", "pods", PODS_QUERY, false, false, false, ROWS(pods, kubernetes_pod),
                     kubernetes_pod_read},
    [SOURCE_POD_METRICS] = {"/apis/metrics.k8s.io/v1beta1", "pods", "", false, false, false,
                            ROWS(metrics, kubernetes_pod_metric), kubernetes_pod_metric_read},
    [SOURCE_QUOTAS] = {"/api/v1", "resourcequotas", "", false, false, false, ROWS(limits, cloud_limit),
                       kubernetes_quota_read},
#undef ROWS
};

static struct kubernetes_rows *rows_of(struct kubernetes_world *world) {
    return (struct kubernetes_rows *)((char *)world + sources[world->source].rows);
}

/* The arrays lie in scratch: those of a caller's reply are made at the end, of the size that is needed. */
void *kubernetes_rows_add(struct kubernetes_world *world, struct kubernetes_rows *rows, size_t item_size) {
    rows->items = arena_push(world->scratch, rows->items, rows->count, item_size);
    return (char *)rows->items + item_size * rows->count++;
}

static size_t resource_count(const struct kubernetes_world *world) {
    return world->workloads.count + world->volumes.count + world->snapshots.count +
           ((world->lenient & SOURCE_BIT(SOURCE_NODES)) != 0 ? 0 : world->nodes.count);
}

static void list_begin(struct kubernetes_world *world) {
    world->mark = rows_of(world)->count;
    world->has_restarted = false;
}

/* Moves to the first wanted source from `from` on; false: there is none. */
static bool source_enter(struct kubernetes_world *world, size_t from) {
    for (size_t source = from; source < SOURCE_COUNT; source++) {
        if ((world->wanted & SOURCE_BIT(source)) == 0)
            continue;
        world->source = (enum kubernetes_source)source;
        world->namespace_index = 0;
        list_begin(world);
        return true;
    }
    return false;
}

void kubernetes_world_init(struct kubernetes_world *world, struct call *call, uint32_t wanted,
                           kubernetes_finish_fn *finish) {
    ASSERT(wanted != 0);
    world->self = kubernetes_of(call);
    world->arena = call->outer->arena;
    world->scratch = &call->arena;
    world->wanted = wanted;
    world->count_max = SIZE_MAX;
    world->finish = finish;
    source_enter(world, 0);
}

void kubernetes_world_build(struct call *call) {
    struct kubernetes_world *world = call->state;
    const struct source *source = &sources[world->source];
    const struct kubernetes *self = world->self;
    struct arena *arena = &call->exchange.arena;
    const char *scope = "";
    ASSERT(!world->is_over);
    if (!source->is_cluster_wide && self->namespace_count > 0)
        scope = arena_printf(arena, "/namespaces/%s", self->namespaces[world->namespace_index]);
    const char *page = call->page_token[0] != '\0' ? kubernetes_escape(call, call->page_token) : "";
    world->as_of_ms = runtime_wall_ms(call->host->runtime);
    call->label = arena_printf(&call->arena, "list %s", source->resource);
    kubernetes_request(call, "GET",
                       arena_printf(arena, "%s%s/%s?limit=%d%s%s%s", source->api, scope, source->resource, PAGE_SIZE,
                                    source->query, page[0] != '\0' ? "&continue=" : "", page));
}

/* The present list is read: the next namespace, source, or the end. */
static enum exchange_next list_end(struct call *call, struct error *err) {
    struct kubernetes_world *world = call->state;
    call_pages_restart(call);
    if (resource_count(world) > world->count_max) { /* What is cut goes without the rest, but not without its owners. */
        world->is_truncated = true;
        for (size_t source = 0; source < SOURCE_COUNT; source++) {
            if (sources[source].is_counted)
                world->wanted &= ~SOURCE_BIT(source);
        }
    } else if (!sources[world->source].is_cluster_wide && world->namespace_index + 1 < world->self->namespace_count) {
        world->namespace_index++;
        list_begin(world);
        return EXCHANGE_MORE;
    }
    if (source_enter(world, world->source + 1u))
        return EXCHANGE_MORE;
    world->is_over = true;
    return world->finish(call, world, err);
}

enum exchange_next kubernetes_world_read(struct call *call, struct error *err) {
    struct kubernetes_world *world = call->state;
    const struct json *reply = kubernetes_reply(call, err);
    const struct json *items = json_get(reply, "items");
    if (reply == NULL)
        return EXCHANGE_DONE;
    /* An empty list is [] or, of some aggregated APIs, null. */
    if (json_type(items) != JSON_ARRAY && (json_type(items) != JSON_NULL || json_get(reply, "metadata") == NULL)) {
        error_set(err, ERR_RETRYABLE, "the reply is no list");
        return EXCHANGE_DONE;
    }
    for (size_t i = 0; i < json_array_count(items); i++)
        sources[world->source].read(world, json_array_at(items, i));
    if (resource_count(world) > world->count_max)
        return list_end(call, err);
    enum exchange_next next = call_page(call, json_string(json_at(reply, "metadata.continue"), ""), err);
    if (err->class != ERR_NONE || next == EXCHANGE_MORE)
        return next;
    return list_end(call, err);
}

enum exchange_next kubernetes_world_failed(struct call *call, struct error *err) {
    struct kubernetes_world *world = call->state;
    uint32_t status = err->http_status;
    if (world->is_over)
        return EXCHANGE_DONE;
    if (status == 410 && call->page_token[0] != '\0' && !world->has_restarted) {
        *err = (struct error){0}; /* The list was older than etcd's history: once more from its first page. */
        rows_of(world)->count = world->mark;
        world->has_restarted = true;
        if (world->source == SOURCE_PODS) {
            world->loads.count = 0;
            world->pending = 0;
        }
        call_pages_restart(call);
        return EXCHANGE_MORE;
    }
    bool is_absent = status == 404 && sources[world->source].is_optional;
    bool is_forbidden = status == 403 && (world->lenient & SOURCE_BIT(world->source)) != 0;
    if (!is_absent && !is_forbidden)
        return EXCHANGE_DONE;
    *err = (struct error){0};
    world->denied |= is_forbidden ? SOURCE_BIT(world->source) : 0;
    return list_end(call, err);
}
