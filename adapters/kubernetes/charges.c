/*
 * charges: no cluster has a bill. Each workload is charged its pods' share of the nodes (node_price.c), day by day of
 * UTC, from what it requests and how many pods it wants now, since it was made. An estimate, and the rows say so; the
 * nodes themselves are on their cloud's bill.
 *
 * A row's identity is workload and day. The row of a day that is not over grows with it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/kubernetes/world.h"
#include "base/mem.h"
#include "base/str.h"

#define DAY_MS INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)
#define DESCRIPTION "Estimate by allocation: the requests' share of the nodes' prices, at the present size"

struct charges_state {
    struct kubernetes_world world;
    const struct cloud_query *query;
    int64_t after_day_ms; /* The cursor: the last row given. */
    const char *after_id;
};

static int workload_cmp(const void *a, const void *b) {
    const struct kubernetes_workload *x = a, *y = b;
    return cloud_resource_cmp(&x->resource, &y->resource);
}

static struct cloud_charge charge_of(const struct kubernetes_world *world, const struct kubernetes_workload *workload,
                                     int64_t day_ms, double pod_hours) {
    const struct cloud_resource *it = &workload->resource;
    char cost[MONEY_TEXT_MAX];
    double micros = (double)it->price_hourly * pod_hours;
    money_format(money_from_double(micros / 1e6), 6, cost);
    const char *amount = arena_strdup(world->arena, cost);
    return (struct cloud_charge){
        .billing_account_id = world->self->config.server,
        .sub_account_id = arena_strdup(world->arena, workload->namespace),
        .service_name = "Kubernetes",
        .service_category = "Compute",
        .region_id = CLOUD_REGION_CLUSTER,
        .resource_id = it->id,
        .resource_type = "Workload",
        .sku_id = "",
        .charge_category = "Usage",
        .charge_description = DESCRIPTION,
        .pricing_category = "",
        .commitment_discount_id = "",
        .charge_period_start_ms = day_ms,
        .charge_period_end_ms = day_ms + DAY_MS,
        .billing_currency = "USD",
        .billed_cost = amount,
        .effective_cost = amount,
        .list_cost = amount,
        .contracted_cost = amount,
        .consumed_quantity = arena_printf(world->arena, "%.6f", pod_hours),
        .consumed_unit = "Pod-Hours",
        .tags = it->tags,
        .tag_count = it->tag_count,
    };
}

/* "day/id" of the last row. Rows go by day, then in the order of the workloads, so that one that comes or goes in
 * between moves no other. */
static bool cursor_read(struct charges_state *state, struct call *call, const char *cursor) {
    const char *slash = strchr(cursor, '/');
    state->after_day_ms = -1;
    if (cursor[0] == '\0')
        return true;
    if (slash == NULL || slash[1] == '\0' ||
        !str_to_int64(arena_strndup(&call->arena, cursor, (size_t)(slash - cursor)), &state->after_day_ms) ||
        state->after_day_ms < 0)
        return false;
    state->after_id = arena_strdup(&call->arena, slash + 1);
    return true;
}

static bool is_given(const struct charges_state *state, int64_t day_ms, const char *id) {
    return day_ms < state->after_day_ms || (day_ms == state->after_day_ms && str_cmp(id, state->after_id) <= 0);
}

/* How long a workload existed in a day, up to now. */
static double hours_in(const struct cloud_resource *it, int64_t day_ms, int64_t now_ms) {
    int64_t from_ms = it->created_at_ms > day_ms ? it->created_at_ms : day_ms;
    int64_t to_ms = day_ms + DAY_MS < now_ms ? day_ms + DAY_MS : now_ms;
    return to_ms > from_ms ? (double)(to_ms - from_ms) / (double)HOUR_MS : 0;
}

static enum exchange_next charges_finish(struct call *call, struct kubernetes_world *world, struct error *err) {
    const struct charges_state *state = call->state;
    const struct cloud_query *query = state->query;
    struct kubernetes_workload *workloads = world->workloads.items;
    struct adapter_reply *reply = &call->outer->reply;
    struct cloud_charge *rows = NULL;
    int64_t now_ms = call_host_now_ms(call->host);
    (void)err;
    reply->cursor = "";
    kubernetes_prices_join(world);
    if (world->workloads.count > 1)
        qsort(workloads, world->workloads.count, sizeof(*workloads), workload_cmp);
    int64_t day_ms = query->from_ms + (DAY_MS - query->from_ms % DAY_MS) % DAY_MS;
    for (; day_ms < query->to_ms && day_ms < now_ms; day_ms += DAY_MS) {
        for (size_t i = 0; i < world->workloads.count; i++) {
            const struct cloud_resource *it = &workloads[i].resource;
            double pod_hours = (double)it->count * hours_in(it, day_ms, now_ms);
            if (pod_hours <= 0 || it->price_hourly <= 0 || is_given(state, day_ms, it->id))
                continue;
            if (reply->count == query->count_max) {
                ASSERT(rows != NULL);
                reply->cursor =
                    arena_printf(world->arena, "%lld/%s", (long long)rows[reply->count - 1].charge_period_start_ms,
                                 rows[reply->count - 1].resource_id);
                return EXCHANGE_DONE;
            }
            rows = arena_push(world->arena, rows, reply->count, sizeof(*rows));
            rows[reply->count++] = charge_of(world, &workloads[i], day_ms, pod_hours);
            reply->as.charges = rows;
        }
    }
    return EXCHANGE_DONE;
}

static const struct call_verb charges_verb = {.name = "charges",
                                              .priority = GATE_INVENTORY,
                                              .build = kubernetes_world_build,
                                              .read = kubernetes_world_read,
                                              .failed = kubernetes_world_failed};

void kubernetes_charges(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query) {
    struct call *call = call_new(&self->host, outer, &charges_verb, sizeof(struct charges_state));
    struct charges_state *state = call->state;
    if (!kubernetes_region_check(call, query->region))
        return;
    if (query->from_ms < 0 || query->from_ms >= query->to_ms) {
        call_refuse(call, "kubernetes: charges: the time range is empty");
        return;
    }
    if (!cursor_read(state, call, query->cursor != NULL ? query->cursor : "")) {
        call_refuse(call, "kubernetes: charges: not a cursor of ours");
        return;
    }
    if (query->count_max == 0) {
        call_refuse(call, "kubernetes: charges: at least one row must be allowed");
        return;
    }
    kubernetes_world_init(&state->world, call, SOURCE_BIT(SOURCE_NODES) | SOURCES_WORKLOADS, charges_finish);
    state->world.has_no_drift = true;
    state->query = query;
    call_start(call);
}
