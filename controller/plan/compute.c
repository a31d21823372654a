/*
 * The plan of one policy, top to bottom: rows, needs, sums, steps, then actions and explanations. Everything is in the
 * order of provider, region, kind, id, whatever order the snapshot has.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/compute.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/str.h"
#include "plan/placement.h"

#define HOUR_MS INT64_C(3600000)

static int64_t clamp_count(int64_t value) {
    return value < 0 ? 0 : value > PLAN_COUNT_MAX ? PLAN_COUNT_MAX : value;
}

static void hold(struct plan_row *row, const char *reason, const char *detail) {
    if (row->hold)
        return;
    row->hold = true;
    row->reason = reason;
    row->detail = detail;
}

static money_micros price_of(const struct snapshot_resource *r) {
    if (r->resource.price_hourly > 0)
        return r->resource.price_hourly;
    if (r->has_offer && r->resource.is_spot && r->offer.price_spot_hourly >= 0)
        return r->offer.price_spot_hourly;
    return r->has_offer && r->offer.price_hourly >= 0 ? r->offer.price_hourly : -1;
}

/* Bounds that the policy tunes do not bound the plan. An autoscaler's minimum is at least one: none is its own affair.
 */
static void row_bounds(const struct plan_work *work, struct plan_row *row) {
    const struct cloud_resource *r = &row->resource->resource;
    bool has_max = r->count_max > 0 || r->kind != CLOUD_WORKLOAD;
    row->now = row->actual;
    row->low = clamp_count(r->count_min);
    row->high = has_max ? clamp_count(r->count_max) : PLAN_COUNT_MAX;
    if (row->low > row->high)
        row->low = row->high;
    row->is_bounds = policy_hold_of(work->input->policy, r->count_manager) == POLICY_SETS_BOUNDS;
    if (!row->is_bounds)
        return;
    row->now = row->low;
    row->low = row->now < 1 ? row->now : 1;
    row->high = PLAN_COUNT_MAX;
}

static void row_holds(const struct plan_work *work, struct plan_row *row) {
    const struct snapshot_resource *r = row->resource;
    if (r->claimed_by)
        hold(row, "SelectedTwice",
             arena_printf(work->arena, "policy %s selects it too: neither acts until one lets go", r->claimed_by));
    if (row->source->state == SOURCE_MISSING)
        hold(row, "MissingObservation",
             arena_printf(work->arena, "the cloud could not be read: %s",
                          row->source->message && *row->source->message ? row->source->message : "not read yet"));
    if (r->resource.state == CLOUD_DELETING)
        hold(row, "BeingDeleted", "the cloud is deleting it");
    if (r->resource.kind != CLOUD_INSTANCE_GROUP && r->resource.kind != CLOUD_WORKLOAD && !row->is_single)
        hold(row, "NotScalable", "only instance groups and workloads have a size to plan");
    if (r->capacity_per_machine <= 0)
        hold(row, "UnknownCapacity",
             r->resource.kind == CLOUD_WORKLOAD
                 ? arena_printf(work->arena, "its pods request no %s",
                                work->input->policy->forecast.metric == CLOUD_METRIC_CPU ? "cpu" : "memory")
                 : arena_printf(work->arena, "the capacity of type \"%s\" is not known", r->resource.type));
}

static struct plan_row row_make(struct plan_work *work, size_t i) {
    const struct snapshot *snapshot = work->input->snapshot;
    const struct snapshot_resource *r = &snapshot->resources[i];
    ASSERT(r->source < snapshot->source_count);
    struct plan_row row = {.resource = r,
                           .source = &snapshot->sources[r->source],
                           .forecast = &work->input->forecasts[i],
                           .may_shrink = true,
                           .actual = clamp_count(r->resource.count),
                           .price = price_of(r)};
    if (plan_row_is_storage(&row) || plan_row_is_node(work, &row))
        row.actual = 0; /* Of what is summed it is no part. */
    bool is_stopped = r->resource.kind == CLOUD_INSTANCE && r->resource.state == CLOUD_STOPPED;
    if (!plan_row_is_workload(&row))
        row.price = plan_overhead_price(work, row.price);
    row.start_price = row.price;
    if (plan_row_is_storage(&row) || is_stopped)
        row.price = 0;                             /* A machine that is stopped costs what its disks do. */
    if (!plan_row_is_storage(&row) && !is_stopped) /* They serve no demand that would need another place. */
        row.closure = headroom_closure_of(&work->input->headroom, r->provider, r->resource.region, r->resource.type);
    row_bounds(work, &row);
    plan_instance_open(work, &row);
    row_holds(work, &row);
    return row;
}

static int row_cmp(const void *a, const void *b) {
    const struct plan_row *left = a, *right = b;
    int order = str_cmp(left->resource->provider, right->resource->provider);
    return order ? order : cloud_resource_cmp(&left->resource->resource, &right->resource->resource);
}

static const int64_t confidence[] = {
    [FORECAST_BASIS_NONE] = 0,
    [FORECAST_BASIS_PRIOR] = 300,
    [FORECAST_BASIS_POOLED] = 600,
    [FORECAST_BASIS_OWN] = 950,
};

static int64_t confidence_of(const struct plan_row *row) {
    /* What a bound commands needs no forecast. */
    if (row->raw < 0 || row->raw < row->low || row->raw > row->high)
        return row->now < row->low || row->now > row->high ? 1000 : confidence[row->forecast->basis];
    int64_t coverage = row->forecast->coverage_per_mille;
    return coverage < 0 ? confidence[row->forecast->basis] / 2 : confidence[row->forecast->basis] * coverage / 1000;
}

/* Target, from, to, and what must still hold when it is carried out: the bounds and the machine's type. */
static uint64_t action_hash(const struct plan_action *action, const struct cloud_resource *r) {
    uint64_t hash = STR_HASH_SEED;
    const char *const texts[] = {action->provider, action->region, action->id, r->type};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        hash = str_hash_text(hash, texts[i] ? texts[i] : "");
    const int64_t numbers[] = {(int64_t)action->type, (int64_t)action->kind, r->count_min, r->count_max};
    hash = str_hash(hash, numbers, sizeof(numbers));
    hash = target_state_hash(target_state_hash(hash, &action->from), &action->to);
    return action->is_bounds ? str_hash_text(str_hash_text(hash, "bounds"), r->count_manager) : hash;
}

/* The minimum moves; the maximum is only ever raised, so that it leaves room for the minimum. */
static void action_bounds(const struct plan_row *row, struct plan_action *action) {
    action->is_bounds = true;
    action->from.count_max = row->resource->resource.count_max;
    action->to.count_max =
        action->from.count_max > 0 && action->from.count_max < row->to ? row->to : action->from.count_max;
}

/* Of machines: their type and number; of a place all that says where, and from what. */
static void action_option(const struct plan_row *row, struct plan_action *action) {
    const struct plan_option *option = row->chosen;
    int64_t steps = (int64_t)(row->forecast->steps - row->first_step);
    action->type = option->type;
    action->from.type = row->resource->resource.type;
    action->to.type = option->offer->offer.type;
    action->from.count = row->is_single ? 0 : row->now; /* One it was, and is. */
    action->to.count = row->is_single ? 0 : option->count;
    if (option->type == ACTION_MIGRATE) {
        action->from.provider = row->resource->provider;
        action->from.region = row->resource->resource.region;
        action->from.purchase = policy_purchase_name(row->resource->resource.is_spot);
        action->to.provider = option->offer->provider;
        action->to.region = option->offer->offer.region;
        action->to.template = option->target->template;
        action->to.purchase = policy_purchase_name(option->is_spot);
    }
    action->cost_hourly = money_mul(option->price, option->count);
    action->saving_hourly =
        (money_micros)((__int128)(row->stay_run - option->run) * HOUR_MS / (steps * row->forecast->step_ms));
}

/* What it costs is the listing's word, or its type's. */
static void action_state(const struct plan_work *work, const struct plan_row *row, struct plan_action *action) {
    bool is_priced = row->state_action->type != ACTION_SNAPSHOT && row->resource->resource.state != CLOUD_STOPPED;
    bool is_single = plan_row_is_storage(row) || plan_row_is_node(work, row);
    money_micros price = is_priced ? price_of(row->resource) : -1;
    if (!plan_row_is_storage(row))
        price = plan_overhead_price(work, price);
    action->type = row->state_action->type;
    action->from = (struct target_state){.state = cloud_state_name(row->resource->resource.state)};
    action->to = (struct target_state){.state = row->state_action->state};
    action->cost_hourly = row->state_action->type == ACTION_START ? row->start_price : price < 0 ? -1 : 0;
    if (row->state_action->type == ACTION_START)
        action->saving_hourly = row->start_price < 0 ? 0 : -row->start_price;
    else if (action->cost_hourly == 0)
        action->saving_hourly = is_single ? price : plan_paid_cost(work, row, row->actual);
    action->risk_per_mille = row->state_action->risk_per_mille;
    action->confidence_per_mille =
        row->state_action->is_certain ? confidence[FORECAST_BASIS_OWN] : confidence[FORECAST_BASIS_PRIOR];
    plan_why_state_action(work, row, action);
}

static void action_requests(struct plan_work *work, const struct plan_row *row, struct plan_action *action) {
    bool is_cpu = work->input->policy->forecast.metric == CLOUD_METRIC_CPU;
    int64_t now = row->resource->capacity_per_machine;
    action->type = ACTION_RIGHTSIZE;
    *(is_cpu ? &action->from.vcpu_milli : &action->from.memory_mib) = now;
    *(is_cpu ? &action->to.vcpu_milli : &action->to.memory_mib) = row->requests;
    action->cost_hourly = row->price < 0 ? -1 : money_mul(row->requests_price, row->now);
    action->saving_hourly = row->price < 0 ? 0 : money_mul(row->price - row->requests_price, row->now);
    plan_why_requests(work, row, action);
}

static struct plan_action action_make(struct plan_work *work, const struct plan_row *row) {
    const struct cloud_resource *r = &row->resource->resource;
    struct plan_action action = {
        .type = ACTION_SCALE,
        .provider = row->resource->provider,
        .region = r->region,
        .kind = r->kind,
        .id = r->id,
        .from.count = row->now,
        .to.count = row->to,
        .cost_hourly = row->price < 0 ? -1 : money_mul(row->price, plan_size_after(row, row->to)),
        .saving_hourly = row->price < 0 ? 0
                                        : plan_paid_cost(work, row, row->actual) -
                                              plan_paid_cost(work, row, plan_size_after(row, row->to)),
        .risk_per_mille = plan_risk(work, row),
        .confidence_per_mille = confidence_of(row),
    };
    if (row->is_bounds)
        action_bounds(row, &action);
    if (row->state_action) {
        action_state(work, row, &action);
    } else if (row->requests) {
        action_requests(work, row, &action);
    } else if (row->chosen) {
        action_option(row, &action);
        plan_why_option(work, row, &action);
    } else {
        plan_why(work, row, &action);
    }
    snprintf(action.hash, sizeof(action.hash), "%016llx", (unsigned long long)action_hash(&action, r));
    return action;
}

enum action_order { ORDER_GROWTH, ORDER_SHRINKING, ORDER_OTHER, ORDER_IDLE, ORDER_NONE };

static enum action_order order_of(const struct plan_row *row) {
    if (row->state_action)
        return row->state_action->type == ACTION_START ? ORDER_GROWTH : ORDER_IDLE;
    if (row->chosen || row->requests)
        return ORDER_OTHER;
    return row->to > row->now ? ORDER_GROWTH : row->to < row->now ? ORDER_SHRINKING : ORDER_NONE;
}

/* First what keeps each resource as it is, then the candidates that were not taken. */
static void why_not_fill(const struct plan_work *work, struct plan *plan) {
    struct plan_why_not *why_not =
        arena_alloc_array(work->arena, work->count + work->why_not_count + 1, sizeof(*why_not));
    for (size_t i = 0; i < work->count; i++)
        if (order_of(&work->rows[i]) == ORDER_NONE)
            why_not[plan->why_not_count++] = plan_why_not_of(work, &work->rows[i]);
    for (size_t i = 0; i < work->why_not_count; i++)
        why_not[plan->why_not_count++] = work->why_not[i];
    plan->why_not = why_not;
}

static void actions_fill(struct plan_work *work, struct plan *plan) {
    struct plan_action *actions = arena_alloc_array(work->arena, work->count + 1, sizeof(*actions));
    uint64_t hash = STR_HASH_SEED;
    for (int order = ORDER_GROWTH; order < ORDER_NONE; order++) {
        for (size_t i = 0; i < work->count; i++) {
            const struct plan_row *row = &work->rows[i];
            if ((int)order_of(row) != order)
                continue;
            actions[plan->action_count] = action_make(work, row);
            hash = str_hash_text(hash, actions[plan->action_count++].hash);
        }
    }
    snprintf(plan->hash, sizeof(plan->hash), "%016llx", (unsigned long long)hash);
    plan->actions = actions;
}

/* Machines for the highest demand that the history shows; -1: no history. */
static int64_t peak_count(const struct plan_work *work, const struct plan_row *row) {
    const struct history_series *history = &row->resource->history;
    double peak = -1;
    for (size_t i = 0; i < history->count; i++)
        if (isfinite(history->demand[i]) && (double)history->demand[i] > peak)
            peak = (double)history->demand[i];
    if (peak < 0 || row->resource->capacity_per_machine <= 0)
        return -1;
    int64_t count = plan_count_for(work, row, peak);
    return count > row->low ? count : row->low;
}

static money_micros add_cost(money_micros sum, money_micros price, int64_t count) {
    return sum < 0 || price < 0 || count < 0 ? -1 : money_add(sum, money_mul(price, count));
}

static int64_t desired_count(const struct plan_row *row) {
    return row->chosen ? row->chosen->count : plan_size_after(row, row->desired);
}

static money_micros desired_price(const struct plan_row *row) {
    if (row->state_action && row->state_action->type == ACTION_START)
        return row->start_price;
    return row->chosen ? row->chosen->price : row->requests && row->price >= 0 ? row->requests_price : row->price;
}

/* Its cost is counted, it itself is none of the machines or replicas. */
static void node_fill(const struct plan_row *row, struct plan *plan, struct plan_resource *resource) {
    resource->actual = 1;
    resource->desired = row->goes ? 0 : 1;
    resource->desired_cost_hourly = add_cost(0, row->price, resource->desired);
    plan->cost_hourly = add_cost(plan->cost_hourly, row->price, 1);
    plan->desired_cost_hourly = add_cost(plan->desired_cost_hourly, row->price, resource->desired);
    plan->peak_cost_hourly = -1;
}

static void resources_fill(const struct plan_work *work, struct plan *plan) {
    struct plan_resource *resources = arena_alloc_array(work->arena, work->count + 1, sizeof(*resources));
    bool has_workloads = false, has_others = false;
    for (size_t i = 0; i < work->count; i++) {
        const struct plan_row *row = &work->rows[i];
        money_micros price = desired_price(row);
        resources[i] = (struct plan_resource){.provider = row->resource->provider,
                                              .region = row->resource->resource.region,
                                              .kind = row->resource->resource.kind,
                                              .id = row->resource->resource.id,
                                              .actual = row->actual,
                                              .desired = desired_count(row),
                                              .demand = row->demand,
                                              .demand_p50 = row->demand_p50};
        if (plan_row_is_storage(row)) {
            resources[i].actual = clamp_count(row->resource->resource.count);
            resources[i].desired =
                row->state_action && row->state_action->type == ACTION_DELETE ? 0 : resources[i].actual;
            resources[i].desired_cost_hourly = -1;
            continue;
        }
        if (plan_row_is_node(work, row)) {
            node_fill(row, plan, &resources[i]);
            continue;
        }
        plan->actual += row->actual;
        plan->desired += resources[i].desired;
        has_workloads = has_workloads || plan_row_is_workload(row);
        has_others = has_others || !plan_row_is_workload(row);
        resources[i].desired_cost_hourly = add_cost(0, price, resources[i].desired);
        if (row->is_on_nodes)
            continue;
        plan->cost_hourly = add_cost(plan->cost_hourly, row->price, row->actual);
        plan->desired_cost_hourly = add_cost(plan->desired_cost_hourly, price, resources[i].desired);
        plan->peak_cost_hourly = add_cost(plan->peak_cost_hourly, row->price, peak_count(work, row));
    }
    plan->unit = !has_workloads ? "machines" : has_others ? "machines and replicas" : "replicas";
    plan->resources = resources;
    plan->resource_count = work->count;
}

static void bound_fill(const struct plan_work *work, struct plan *plan) {
    money_micros cost = plan->desired_cost_hourly;
    plan->committed_hourly = plan_committed_cost(work, false);
    plan->desired_committed_hourly = plan_committed_cost(work, true);
    plan->lower_bound_hourly = plan_bound(work);
    if (plan->lower_bound_hourly >= 0) /* Of what is paid beyond commitments; these are owed whatever is chosen. */
        plan->lower_bound_hourly = money_add(plan->lower_bound_hourly, plan->desired_committed_hourly);
    if (plan->lower_bound_hourly > 0 && cost > 0)
        plan->gap_per_mille = (int64_t)(((__int128)(cost - plan->lower_bound_hourly) * 1000 + cost - 1) / cost);
}

void plan_compute(const struct plan_input *input, struct arena *arena, struct plan *ret) {
    size_t count = input->snapshot->resource_count;
    struct plan_work work = {.input = input,
                             .arena = arena,
                             .rows = arena_alloc_array(arena, count + 1, sizeof(struct plan_row)),
                             .count = count,
                             .has_nodes = policy_plans_nodes(input->policy)};
    for (size_t i = 0; i < count; i++) {
        work.rows[i] = row_make(&work, i);
        work.actual_sum += work.rows[i].closure ? 0 : work.rows[i].actual;
        work.floor_sum += plan_row_floor(&work.rows[i]);
        work.ceiling_sum += plan_row_ceiling(&work.rows[i]);
    }
    qsort(work.rows, count, sizeof(*work.rows), row_cmp);
    plan_nodes_open(&work);
    plan_quotas_open(&work);
    plan_commitments_open(&work);
    plan_scale_needs(&work);
    plan_leave(&work);
    plan_joint(&work);
    plan_scale_sum(&work);
    plan_spread_needs(&work);
    plan_commitments_hold(&work);
    plan_scale_steps(&work);
    plan_quotas_grow(&work);
    plan_spread_steps(&work);
    plan_idle(&work);
    plan_start(&work);
    plan_options(&work);
    plan_choose(&work);
    plan_instances_choose(&work);
    plan_quotas_choose(&work);
    plan_placement_settle(&work);
    plan_leave_settle(&work);
    plan_requests(&work);
    plan_idle_groups(&work);
    plan_nodes(&work);
    struct plan plan = {0};
    actions_fill(&work, &plan);
    why_not_fill(&work, &plan);
    resources_fill(&work, &plan);
    bound_fill(&work, &plan);
    plan.binding = work.binding;
    *ret = plan;
}
