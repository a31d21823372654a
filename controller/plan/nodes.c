/*
 * The nodes of a cluster, where a policy selects them beside the workloads: which of them are still needed once the
 * sizes and requests of this plan are settled, and whether what grows has room on them.
 *
 *     workloads' replicas and requests --> what each node carries --> drain.h --> Delete of nodes, NodesFull of
 * workloads
 *
 * A node goes only if its pods have a place on the others, at the greatest demand of the horizon, beside pods that the
 * plan asks for, and whether or not anything of what shrinks has been carried out. So a node that has gone is not
 * wanted back within the horizon, and the plan after it is empty. Growth is held back by nothing: what has no room is
 * told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "plan/nodes_internal.h"

#define WORK_MAX 20000000 /* Steps of a search: some tenths of a second. */
#define MOVES_TOLD 4

/* ---- rows ---- */

static void says(struct plan_row *row, const char *reason, const char *detail) {
    row->reason = reason;
    row->detail = detail;
}

static void all_say(struct nodes_cluster *cluster, const char *reason, const char *detail) {
    for (size_t j = 0; j < cluster->node_count; j++)
        if (!cluster->nodes[j].resource->claimed_by)
            says(&cluster->nodes[j], reason, detail);
}

bool nodes_next(struct plan_work *work, size_t *at, struct nodes_cluster *ret) {
    while (*at < work->count) {
        struct plan_row *first = &work->rows[*at];
        *ret = (struct nodes_cluster){.work = work};
        for (; *at < work->count && str_eq(work->rows[*at].resource->provider, first->resource->provider); (*at)++) {
            struct plan_row *row = &work->rows[*at];
            if (plan_row_is_workload(row)) {
                ret->workloads = ret->workloads ? ret->workloads : row;
                ret->workload_count++;
            } else if (plan_row_is_node(work, row)) {
                ret->nodes = ret->nodes ? ret->nodes : row;
                ret->node_count++;
            }
        }
        if (ret->node_count > 0)
            return true;
    }
    return false;
}

void plan_nodes_open(struct plan_work *work) {
    struct nodes_cluster cluster;
    for (size_t at = 0; work->has_nodes && nodes_next(work, &at, &cluster);)
        for (size_t i = 0; i < cluster.workload_count; i++)
            cluster.workloads[i].is_on_nodes = true;
}

/* ---- whether it may be judged ---- */

static bool is_fresh(const struct nodes_cluster *cluster, enum cloud_kind kind) {
    const struct snapshot *snapshot = cluster->work->input->snapshot;
    for (size_t i = 0; i < snapshot->source_count; i++)
        if (snapshot->sources[i].kind == kind &&
            str_eq(snapshot->sources[i].provider, cluster->nodes[0].resource->provider))
            return snapshot->sources[i].state == SOURCE_FRESH;
    return false;
}

/* The cluster is seen, all of it, and nothing waits for a node. */
bool nodes_judge(struct nodes_cluster *cluster) {
    int64_t pending = 0;
    for (size_t j = 0; j < cluster->node_count; j++) {
        const struct cloud_node *node = cluster->nodes[j].resource->resource.node;
        if (!node) {
            all_say(cluster, "UnknownLoad", "what runs on the nodes of its cluster is not seen, or not all of it");
            return false;
        }
        pending = node->pending > pending ? node->pending : pending;
    }
    if (!is_fresh(cluster, CLOUD_NODE) || !is_fresh(cluster, CLOUD_WORKLOAD)) {
        all_say(cluster, "StaleObservation", "the nodes or the workloads of its cluster were not listed lately");
        return false;
    }
    if (pending > 0) {
        all_say(cluster, "PodsPending",
                arena_printf(cluster->work->arena, "%lld pods of its cluster wait for a node: none goes",
                             (long long)pending));
        return false;
    }
    if (nodes_model(cluster))
        return true;
    all_say(cluster, "TooManyNodes", "its cluster has more kinds of pods and nodes than are weighed");
    return false;
}

/* ---- growth ---- */

static void full_say(struct nodes_cluster *cluster, const struct drain_result *result) {
    struct plan_work *work = cluster->work;
    const char *more = nodes_buy(cluster, result->unplaced, result->unplaced_count);
    for (size_t i = 0; i < cluster->workload_count; i++) {
        struct plan_row *row = &cluster->workloads[i];
        int64_t count = 0;
        for (size_t k = 0; k < result->unplaced_count; k++)
            count += cluster->kinds[result->unplaced[k].kind].row == row ? result->unplaced[k].count : 0;
        if (count > 0)
            plan_why_not_add(work, row, "NodesFull",
                             arena_printf(work->arena, "%lld of its pods find no node with room, now or as planned; %s",
                                          (long long)count, more));
    }
    all_say(cluster, "NodesFull", arena_printf(work->arena, "some pods find no room as it is: no node goes; %s", more));
    work->binding = work->binding ? work->binding : "nodes";
}

/* ---- nodes that go ---- */

static bool is_allowed(struct nodes_cluster *cluster, const struct drain_result *result, int64_t saving) {
    const struct policy *policy = cluster->work->input->policy;
    money_micros all = result->cost + saving;
    const char *reason = NULL, *detail = NULL;
    if ((__int128)saving * 100 < (__int128)all * policy->disruption.min_saving_percent) {
        reason = "BelowMinSaving";
        detail = arena_printf(cluster->work->arena, "the nodes that are not needed cost less than %lld %% of all",
                              (long long)policy->disruption.min_saving_percent);
    } else if (!policy_may(policy, ACTION_DELETE)) {
        reason = "ActionNotAllowed";
        detail = "its pods have a place on the other nodes; the policy's actions lack Delete";
    }
    for (size_t j = 0; reason && j < cluster->node_count; j++)
        if (result->goes[j])
            says(&cluster->nodes[j], reason, detail);
    return !reason;
}

static const char *moves_words(const struct nodes_cluster *cluster, const struct drain_result *result, size_t from) {
    struct arena *arena = cluster->work->arena;
    const char *text = "it has no pods but those that go with it";
    int64_t pods = 0;
    size_t told = 0;
    for (size_t i = 0; i < result->move_count; i++)
        pods += result->moves[i].from == from ? result->moves[i].count : 0;
    if (pods > 0)
        text = arena_printf(arena, "its %lld pod%s a place on other nodes:", (long long)pods,
                            pods == 1 ? " has" : "s have");
    for (size_t i = 0; i < result->move_count; i++) {
        const struct drain_move *move = &result->moves[i];
        if (move->from != from || told++ >= MOVES_TOLD)
            continue;
        text = arena_printf(arena, "%s%s %lld x %s on %s", text, told > 1 ? "," : "", (long long)move->count,
                            cluster->kinds[move->kind].workload, cluster->nodes[move->to].resource->resource.id);
    }
    return told > MOVES_TOLD ? arena_printf(arena, "%s and more", text) : text;
}

static void propose(struct nodes_cluster *cluster, const struct drain_result *result, size_t j, const char *also,
                    bool is_certain) {
    struct arena *arena = cluster->work->arena;
    const char *why = arena_printf(arena, "%s; drain it, then delete it", moves_words(cluster, result, j));
    const struct plan_state_action idle = {ACTION_DELETE, TARGET_STATE_DELETED, why, 0, is_certain};
    cluster->nodes[j].goes_with = also;
    cluster->nodes[j].state_action = arena_memdup(arena, &idle, sizeof(idle));
}

/* Demand of all workloads of the policy is forecast. */
static bool is_forecast(const struct nodes_cluster *cluster) {
    for (size_t i = 0; i < cluster->workload_count; i++)
        if (cluster->workloads[i].raw < 0 && cluster->workloads[i].actual > 0)
            return false;
    return true;
}

/* As many at a time as maxChangePercent allows, those that leave already among them; the dearest first. */
static void go(struct nodes_cluster *cluster, const struct drain_result *result) {
    const struct policy *policy = cluster->work->input->policy;
    int64_t count = (int64_t)cluster->node_count;
    int64_t most = (count * policy->disruption.max_change_percent + 99) / 100, now = 0;
    for (size_t j = 0; j < cluster->node_count; j++)
        now += cluster->drain_nodes[j].role == DRAIN_LEAVES;
    const char *also = arena_printf(
        cluster->work->arena,
        "%zu of %lld nodes are not needed for the greatest demand of the horizon; at most %lld %% go at a time",
        result->goes_count, (long long)count, (long long)policy->disruption.max_change_percent);
    bool *is_done = arena_alloc_array(cluster->work->arena, cluster->node_count + 1, sizeof(*is_done));
    for (size_t round = 0; round < result->goes_count; round++) {
        size_t best = cluster->node_count;
        for (size_t j = 0; j < cluster->node_count; j++)
            if (result->goes[j] && !is_done[j] &&
                (best == cluster->node_count || cluster->drain_nodes[j].price > cluster->drain_nodes[best].price))
                best = j;
        is_done[best] = cluster->nodes[best].goes = true;
        if (now++ < most)
            propose(cluster, result, best, also, is_forecast(cluster));
        else
            says(&cluster->nodes[best], "WaitsForOthers", arena_printf(cluster->work->arena, "not needed; %s", also));
    }
}

static void others_say(struct nodes_cluster *cluster, const struct drain_result *result) {
    for (size_t j = 0; j < cluster->node_count; j++) {
        struct plan_row *row = &cluster->nodes[j];
        const char *reason, *keep;
        if (result->goes[j])
            continue;
        keep = nodes_keep(cluster, row, &reason);
        if (row->resource->resource.state == CLOUD_DELETING)
            continue; /* That is said already. */
        if (row->resource->resource.state == CLOUD_STOPPING)
            says(row, "BeingDrained", "it takes no pods any more; a place is kept for those that it has");
        else if (row->resource->resource.state != CLOUD_RUNNING)
            says(row, "NotReady", "it is not ready; a place is kept for the pods that it has");
        else if (keep)
            says(row, reason, keep);
        else
            says(row, "NodeNeeded",
                 result->unplaced_count > 0 ? "the greatest demand of the horizon takes all the room that there is"
                                            : "the other nodes have no room for its pods");
    }
}

/* ---- a cluster ---- */

static money_micros cost_of(const struct nodes_cluster *cluster) {
    money_micros sum = 0;
    for (size_t j = 0; j < cluster->node_count; j++) {
        if (cluster->nodes[j].price < 0)
            return -1;
        sum = money_add(sum, cluster->nodes[j].price);
    }
    return sum;
}

/* What they cost at least. */
static money_micros cluster_plan(struct nodes_cluster *cluster) {
    struct drain_result result;
    if (!nodes_judge(cluster))
        return cost_of(cluster);
    nodes_growth(cluster, false);
    drain_solve(&cluster->problem, cluster->work->arena, &result);
    if (result.unplaced_count > 0) {
        full_say(cluster, &result);
        return cost_of(cluster);
    }
    nodes_growth(cluster, true);
    cluster->problem.work_max = WORK_MAX;
    drain_solve(&cluster->problem, cluster->work->arena, &result);
    money_micros before = 0;
    for (size_t j = 0; j < cluster->node_count; j++)
        before += cluster->drain_nodes[j].role == DRAIN_LEAVES ? 0 : cluster->drain_nodes[j].price;
    others_say(cluster, &result);
    if (result.goes_count > 0 && is_allowed(cluster, &result, before - result.cost))
        go(cluster, &result);
    return cost_of(cluster) < 0 ? -1 : result.bound;
}

void plan_nodes(struct plan_work *work) {
    struct nodes_cluster cluster;
    for (size_t at = 0; work->has_nodes && nodes_next(work, &at, &cluster);) {
        money_micros bound = cluster_plan(&cluster);
        work->nodes_bound = work->nodes_bound < 0 || bound < 0 ? -1 : money_add(work->nodes_bound, bound);
    }
}
