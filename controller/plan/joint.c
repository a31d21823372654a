/*
 * Replicas and requests by what fits the nodes: more and smaller pods, where the nodes that carry them cost less.
 *
 *     (n, q) --Scale--> (n', q) --Rightsize--> (n', q') --Delete--> fewer nodes        n' q' targetUtilization >= D
 *
 * The pair is chosen as if all pods of the workload were to be placed anew, so it does not depend on where the change
 * stands, and the next plan goes on with it. Replicas are made first, at today's requests and only where they have
 * room; then they stand still at a number that demand does not need, and requests give way (requests.c). No state in
 * between serves less. Larger pods are never chosen: that a pod can use more than it has is not known.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "plan/nodes_internal.h"

#define WORK_MAX 1500000 /* Steps of the search for a pair: some hundredths of a second. */
#define ROWS_MAX 2       /* Workloads of a cluster, those of the greatest demand. */
#define PAIRS_MAX 12
#define ROOMS_MAX 16

struct pair {
    int64_t count, requests;
    money_micros bill; /* Of the nodes that stay; -1: the pods have no place, or it is not known. */
    size_t node_count;
    const char *refused, *detail; /* NULL: it may be taken. */
};

struct joint {
    struct nodes_cluster *cluster;
    struct plan_row *row;
    double peak;
    int64_t count_max;
    struct drain_problem problem; /* Without any pod of the row but `kind`, of more[0]. */
    struct drain_kind *kind;
    struct drain_load *more;
    struct pair now, pairs[PAIRS_MAX];
    size_t pair_count;
};

/* ---- which workloads ---- */

static bool is_eligible(const struct nodes_cluster *cluster, const struct plan_row *row) {
    const struct cloud_resource *r = &row->resource->resource;
    if (row->hold || row->closure || row->raw < 0 || row->actual <= 0 || row->resource->capacity_per_machine <= 0 ||
        r->count_manager || r->size_manager || !row->may_shrink || row->forecast->basis != FORECAST_BASIS_OWN)
        return false;
    for (size_t i = 0; i < cluster->known_count; i++)
        if (cluster->kinds[i].row == row && cluster->kinds[i].may_not_move)
            return false;
    return true;
}

/* What demand asks for comes before what fits better. */
static bool has_growth(const struct nodes_cluster *cluster) {
    for (size_t i = 0; i < cluster->workload_count; i++)
        if (cluster->workloads[i].need > cluster->workloads[i].actual)
            return true;
    return false;
}

/* A pod holds memory whatever its share of the load; so only of cores may it be given less. Nodes that are not needed
 * must be the policy's to end, or nothing is saved. */
static bool may_choose(const struct plan_work *work) {
    const struct policy *policy = work->input->policy;
    return work->has_nodes && policy->forecast.metric == CLOUD_METRIC_CPU && policy_may(policy, ACTION_SCALE) &&
           policy_may(policy, ACTION_RIGHTSIZE) && policy_may(policy, ACTION_DELETE) &&
           !work->input->headroom.freeze_growth && !work->input->headroom.shrink_to_minimum;
}

/* What others have, and are to have, is not the row's. */
static int64_t count_max_of(const struct plan_work *work, const struct plan_row *row) {
    int64_t room = work->input->policy->capacity.max;
    for (size_t i = 0; i < work->count; i++) {
        const struct plan_row *other = &work->rows[i];
        if (other != row)
            room -= other->need > plan_row_ceiling(other) ? other->need : plan_row_ceiling(other);
    }
    return room < row->high ? room : row->high;
}

/* ---- what a pair costs ---- */

static bool is_of(const struct joint *joint, size_t kind) {
    return joint->cluster->kinds[kind].row == joint->row;
}

static void loads_strip(const struct joint *joint, struct drain_node *node) {
    struct drain_load *loads = arena_alloc_array(joint->cluster->work->arena, node->load_count + 1, sizeof(*loads));
    size_t count = 0;
    for (size_t k = 0; k < node->load_count; k++)
        if (!is_of(joint, node->loads[k].kind))
            loads[count++] = node->loads[k];
    node->loads = loads;
    node->load_count = count;
}

static void problem_fill(struct joint *joint) {
    struct nodes_cluster *cluster = joint->cluster;
    struct arena *arena = cluster->work->arena;
    nodes_growth(cluster, true);
    size_t kind = nodes_kind_new(cluster, joint->row);
    const struct drain_problem *p = &cluster->problem;
    struct drain_kind *kinds = arena_memdup(arena, p->kinds, p->kind_count * sizeof(*kinds));
    struct drain_node *nodes = arena_memdup(arena, p->nodes, p->node_count * sizeof(*nodes));
    joint->more = arena_alloc_array(arena, p->more_count + 1, sizeof(*joint->more));
    joint->more[0] = (struct drain_load){kind, 0};
    joint->problem = *p;
    joint->problem.more_count = 1;
    for (size_t k = 0; k < p->more_count; k++)
        if (!is_of(joint, p->more[k].kind))
            joint->more[joint->problem.more_count++] = p->more[k];
    for (size_t j = 0; j < p->node_count; j++)
        loads_strip(joint, &nodes[j]);
    joint->problem.kinds = kinds;
    joint->problem.nodes = nodes;
    joint->problem.more = joint->more;
    joint->problem.work_max = WORK_MAX;
    joint->kind = &kinds[kind];
}

/* False: there is too much to weigh. */
static bool pair_price(struct joint *joint, struct pair *pair) {
    struct arena scratch = {0};
    struct drain_result result;
    joint->kind->need[DRAIN_CPU] = pair->requests;
    joint->more[0].count = pair->count;
    drain_solve(&joint->problem, &scratch, &result);
    pair->bill = result.unplaced_count > 0 || result.is_cut ? -1 : result.cost;
    bool is_whole = !result.is_cut;
    pair->node_count = 0;
    for (size_t j = 0; j < joint->problem.node_count; j++)
        pair->node_count += !result.goes[j] && joint->problem.nodes[j].role != DRAIN_LEAVES;
    arena_release(&scratch);
    return is_whole;
}

/* ---- which pairs ---- */

/* The pair at which the horizon needs just so many of just these requests: the plan after it asks for no other. */
static void pair_add(struct joint *joint, int64_t requests) {
    const struct plan_work *work = joint->cluster->work;
    const struct policy *policy = work->input->policy;
    struct pair pair = {0};
    if (requests <= 0 || joint->pair_count == PAIRS_MAX)
        return;
    int64_t count = plan_machines_for(policy, requests, joint->peak);
    pair.requests = plan_requests_for(work, joint->peak, count);
    pair.count = plan_machines_for(policy, pair.requests, joint->peak);
    if (pair.requests >= joint->now.requests || pair.count < joint->now.count || pair.count > joint->count_max ||
        pair.count > 2 * joint->now.count)
        return;
    for (size_t i = 0; i < joint->pair_count; i++)
        if (joint->pairs[i].requests == pair.requests)
            return;
    joint->pairs[joint->pair_count++] = pair;
}

static size_t room_add(int64_t *rooms, size_t count, int64_t room) {
    for (size_t i = 0; i < count; i++)
        if (rooms[i] == room)
            return count;
    if (room <= 0 || count == ROOMS_MAX)
        return count;
    rooms[count] = room;
    return count + 1;
}

/* What nodes have for pods of the row: all, and beside the other pods that are there. */
static size_t rooms_find(const struct joint *joint, int64_t *rooms) {
    const struct drain_problem *p = &joint->problem;
    size_t count = 0;
    for (size_t j = 0; j < p->node_count; j++) {
        int64_t room = p->nodes[j].has[DRAIN_CPU];
        if (p->nodes[j].role == DRAIN_LEAVES || !p->may[joint->more[0].kind * p->node_count + j])
            continue;
        count = room_add(rooms, count, room);
        for (size_t k = 0; k < p->nodes[j].load_count; k++)
            room -= p->kinds[p->nodes[j].loads[k].kind].need[DRAIN_CPU] * p->nodes[j].loads[k].count;
        count = room_add(rooms, count, room);
    }
    return count;
}

/* The same number, cut to what it needs; then those of which a node takes one more, two more, ... */
static void pairs_find(struct joint *joint) {
    const struct plan_work *work = joint->cluster->work;
    int64_t rooms[ROOMS_MAX];
    size_t room_count = rooms_find(joint, rooms);
    pair_add(joint, plan_requests_for(work, joint->peak, joint->now.count));
    for (int64_t more = 1; more <= PAIRS_MAX; more++)
        for (size_t i = 0; i < room_count; i++)
            pair_add(joint, plan_requests_below(rooms[i] / (rooms[i] / joint->now.requests + more)));
}

/* ---- what is said ---- */

static const char *pair_words(const struct joint *joint, const struct pair *pair) {
    char before[MONEY_TEXT_MAX], after[MONEY_TEXT_MAX];
    money_format(joint->now.bill, 4, before);
    money_format(pair->bill, 4, after);
    return arena_printf(joint->cluster->work->arena,
                        "%lld %s of %lldm need %zu node%s for %s USD an hour, %lld of %lldm %zu for %s",
                        (long long)pair->count, plan_piece(joint->row, pair->count), (long long)pair->requests,
                        pair->node_count, pair->node_count == 1 ? "" : "s", after, (long long)joint->now.count,
                        (long long)joint->now.requests, joint->now.node_count, before);
}

/* ---- the choice ---- */

/* Half of minSavingPercent, once the replicas are there: what was begun is not given up for a small change. */
static bool saves_enough(const struct joint *joint, const struct pair *pair) {
    const struct plan_row *row = joint->row;
    int64_t percent = joint->cluster->work->input->policy->disruption.min_saving_percent;
    int64_t half = row->now >= pair->count && row->now > row->raw ? 2 : 1;
    return (__int128)(joint->now.bill - pair->bill) * 100 * half >= (__int128)joint->now.bill * percent;
}

/* Whether the replicas that come first have a place where today's pods are, with today's requests. */
static void room_find(const struct joint *joint, struct pair *pair) {
    struct nodes_cluster *cluster = joint->cluster;
    struct arena *arena = cluster->work->arena;
    struct drain_problem problem = cluster->problem;
    struct drain_result result;
    const struct cloud_limit *limit;
    const struct drain_load more = {joint->more[0].kind, pair->count - joint->row->actual};
    if (more.count <= 0)
        return;
    const struct plan_purchase purchase = plan_purchase_of(joint->row);
    int64_t room = plan_quota_room(cluster->work, &purchase, &limit);
    problem.more = &more;
    problem.more_count = 1;
    problem.work_max = 0;
    drain_solve(&problem, arena, &result);
    const char *first = arena_printf(arena, "%lld more of %lldm would come first, and ", (long long)more.count,
                                     (long long)joint->now.requests);
    if (limit && room < more.count) {
        pair->refused = "QuotaExceeded";
        pair->detail =
            arena_printf(arena, "%sare more than is left of %s", first, plan_quota_words(cluster->work, limit));
    } else if (result.unplaced_count > 0) {
        pair->refused = "NodesFull";
        pair->detail = arena_printf(arena, "%sfind no room; %s", first,
                                    nodes_buy(cluster, result.unplaced, result.unplaced_count));
    }
}

static void pairs_judge(struct joint *joint) {
    for (size_t i = 0; i < joint->pair_count; i++) {
        struct pair *pair = &joint->pairs[i];
        if (!pair_price(joint, pair))
            continue;
        if (pair->bill < 0 || pair->bill >= joint->now.bill)
            continue;
        if (saves_enough(joint, pair)) {
            room_find(joint, pair);
            continue;
        }
        pair->refused = "BelowMinSaving";
        pair->detail = arena_printf(joint->cluster->work->arena, "that saves less than %lld %% of them",
                                    (long long)joint->cluster->work->input->policy->disruption.min_saving_percent);
    }
}

/* Of those that cost less than today's; NULL: there is none. */
static const struct pair *best_of(const struct joint *joint, bool is_refused) {
    const struct pair *best = NULL;
    for (size_t i = 0; i < joint->pair_count; i++) {
        const struct pair *pair = &joint->pairs[i];
        if (pair->bill < 0 || pair->bill >= joint->now.bill || (pair->refused != NULL) != is_refused)
            continue;
        if (!best || pair->bill < best->bill || (pair->bill == best->bill && pair->count < best->count))
            best = pair;
    }
    return best;
}

/* True: the row's pair is to change. */
static bool row_choose(struct nodes_cluster *cluster, struct plan_row *row) {
    struct plan_work *work = cluster->work;
    struct joint joint = {.cluster = cluster,
                          .row = row,
                          .peak = plan_demand_peak(work, row),
                          .count_max = count_max_of(work, row),
                          .now.requests = row->resource->capacity_per_machine};
    joint.now.count = plan_count_for(work, row, joint.peak);
    if (joint.now.count < 1 || joint.now.count < row->low || joint.now.count > joint.count_max)
        return false; /* A bound decides (requests.c). */
    problem_fill(&joint);
    if (!pair_price(&joint, &joint.now)) {
        plan_why_not_about(work, row, ACTION_RIGHTSIZE, "TooManyNodes",
                           "its cluster has more pods and nodes than more and smaller replicas are weighed for");
        return false;
    }
    if (joint.now.bill < 0)
        return false;
    pairs_find(&joint);
    pairs_judge(&joint);
    const struct pair *best = best_of(&joint, false), *refused = best_of(&joint, true);
    if (best) {
        row->need = best->count > row->need ? best->count : row->need;
        row->joint = pair_words(&joint, best);
    } else if (refused) {
        plan_why_not_about(work, row, ACTION_RIGHTSIZE, refused->refused,
                           arena_printf(work->arena, "%s; %s", pair_words(&joint, refused), refused->detail));
    }
    return best != NULL;
}

/* The eligible row of the greatest demand below that of the last; NULL: no more. */
static struct plan_row *row_next(const struct nodes_cluster *cluster, const struct plan_row *last) {
    struct plan_row *best = NULL;
    double below = last ? plan_demand_peak(cluster->work, last) : 0;
    for (size_t i = 0; i < cluster->workload_count; i++) {
        struct plan_row *row = &cluster->workloads[i];
        if (row == last || !is_eligible(cluster, row))
            continue;
        double peak = plan_demand_peak(cluster->work, row);
        bool is_after = !last || peak < below || (!(peak > below) && row > last);
        if (is_after && (!best || peak > plan_demand_peak(cluster->work, best)))
            best = row;
    }
    return best;
}

void plan_joint(struct plan_work *work) {
    struct nodes_cluster cluster;
    if (!may_choose(work))
        return;
    for (size_t at = 0; nodes_next(work, &at, &cluster);) {
        if (cluster.workload_count == 0 || has_growth(&cluster) || !nodes_judge(&cluster))
            continue;
        struct plan_row *row = NULL;
        for (size_t i = 0; i < ROWS_MAX && (row = row_next(&cluster, row)); i++)
            if (row_choose(&cluster, row))
                break; /* One at a time: the next counts on what it comes to. */
    }
}
