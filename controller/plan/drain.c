/*
 * Nodes are emptied one by one, in an order that puts first what costs most for the share of the load that it carries;
 * two more orders are tried. Then some that go are brought back, so that others may go instead, as long as that pays.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/drain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/drain_internal.h"

#define PAIRS_MAX 24 /* Nodes that go, up to which two are brought back at a time. */

enum order { ORDER_PRICE_PER_LOAD, ORDER_EMPTIEST, ORDER_DEAREST, ORDER_COUNT };

int drain_entry_cmp(const void *a, const void *b) {
    const struct drain_entry *x = a, *y = b;
    if (x->key < y->key || x->key > y->key)
        return x->key > y->key ? -1 : 1;
    return (x->node > y->node) - (x->node < y->node);
}

static int move_cmp(const void *a, const void *b) {
    const struct drain_move *x = a, *y = b;
    const size_t left[] = {x->from, x->to, x->kind}, right[] = {y->from, y->to, y->kind};
    for (size_t i = 0; i < 3; i++)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}

/* ---- orders ---- */

static void scales_find(struct drain_work *work) {
    const struct drain_problem *p = work->problem;
    for (size_t d = 0; d < DRAIN_DIMENSIONS; d++) {
        double sum = 0;
        for (size_t j = 0; j < p->node_count; j++)
            sum += p->nodes[j].role == DRAIN_LEAVES ? 0 : (double)p->nodes[j].has[d];
        work->scale[d] = sum > 0 ? 1 / sum : 0;
    }
    work->size = arena_alloc_array(work->arena, p->kind_count + 1, sizeof(*work->size));
    for (size_t i = 0; i < p->kind_count; i++)
        for (size_t d = 0; d < DRAIN_DIMENSIONS; d++)
            work->size[i] += (double)p->kinds[i].need[d] * work->scale[d];
}

static double load_of(const struct drain_work *work, size_t node) {
    const struct drain_node *n = &work->problem->nodes[node];
    double sum = 0;
    for (size_t k = 0; k < n->load_count; k++)
        sum += work->size[n->loads[k].kind] * (double)n->loads[k].count;
    return sum;
}

static void order_make(struct drain_work *work, enum order order) {
    const struct drain_problem *p = work->problem;
    struct drain_entry *entries = arena_alloc_array(work->arena, p->node_count + 1, sizeof(*entries));
    size_t count = 0;
    for (size_t j = 0; j < p->node_count; j++) {
        double load = load_of(work, j), price = (double)p->nodes[j].price;
        if (p->nodes[j].role == DRAIN_MAY_GO)
            entries[count++] = (struct drain_entry){order == ORDER_EMPTIEST  ? -load
                                                    : order == ORDER_DEAREST ? price
                                                                             : price / (load + 1e-9),
                                                    j};
    }
    if (count > 0)
        qsort(entries, count, sizeof(*entries), drain_entry_cmp);
    work->order_count = count;
    for (size_t j = 0; j < p->node_count; j++)
        work->rank[j] = p->node_count;
    for (size_t i = 0; i < count; i++) {
        work->order[i] = entries[i].node;
        work->rank[entries[i].node] = i;
    }
}

/* ---- search ---- */

static bool is_over(const struct drain_work *work) {
    return work->work >= work->problem->work_max;
}

static void empty_all(struct drain_work *work, size_t without, size_t without_too) {
    for (size_t i = 0; i < work->order_count && !is_over(work); i++) {
        size_t node = work->order[i];
        if (!work->state.gone[node] && node != without && node != without_too)
            (void)drain_node_empty(work, node);
    }
}

static void keep_better(struct drain_work *work, struct drain_state *best) {
    if (work->state.cost < best->cost)
        drain_state_copy(work, best, &work->state);
    else
        drain_state_copy(work, &work->state, best);
}

/* Without these two (or one, twice) first, then with them again. */
static bool is_better_without(struct drain_work *work, struct drain_state *best, size_t one, size_t two) {
    money_micros before = best->cost;
    drain_node_restore(work, one);
    if (two != one)
        drain_node_restore(work, two);
    empty_all(work, one, two);
    empty_all(work, DRAIN_NONE, DRAIN_NONE);
    keep_better(work, best);
    return best->cost < before;
}

static bool round_of(struct drain_work *work, struct drain_state *best, bool is_pairs) {
    for (size_t i = 0; i < work->order_count; i++)
        for (size_t k = is_pairs ? i + 1 : i; k < (is_pairs ? work->order_count : i + 1); k++) {
            if (is_over(work))
                return false;
            if (work->state.gone[work->order[i]] && work->state.gone[work->order[k]] &&
                is_better_without(work, best, work->order[i], work->order[k]))
                return true;
        }
    return false;
}

static size_t gone_count(const struct drain_work *work, const struct drain_state *state) {
    size_t count = 0;
    for (size_t i = 0; i < work->order_count; i++)
        count += state->gone[work->order[i]];
    return count;
}

/* False: it ended before each node was tried. */
static bool search(struct drain_work *work, money_micros bound) {
    struct drain_state start = drain_state_new(work), best = drain_state_new(work);
    drain_state_copy(work, &start, &work->state);
    drain_state_copy(work, &best, &work->state);
    for (int order = 0; order < ORDER_COUNT && !is_over(work) && best.cost > bound; order++) {
        drain_state_copy(work, &work->state, &start);
        order_make(work, (enum order)order);
        empty_all(work, DRAIN_NONE, DRAIN_NONE);
        keep_better(work, &best);
    }
    bool is_whole = !is_over(work) || best.cost <= bound;
    order_make(work, ORDER_PRICE_PER_LOAD);
    while (best.cost > bound && round_of(work, &best, false)) {
    }
    while (best.cost > bound && gone_count(work, &best) <= PAIRS_MAX && round_of(work, &best, true)) {
    }
    drain_state_copy(work, &work->state, &best);
    return is_whole;
}

/* ---- what must have a place first ---- */

struct waiting { /* Pods without a place yet, and where they come from. */
    struct drain_load load;
    size_t from;
};

struct queue {
    struct waiting *items;
    size_t count;
};

static void queue_add(struct drain_work *work, struct queue *queue, size_t from, size_t kind, int64_t count) {
    queue->items = arena_push(work->arena, queue->items, queue->count, sizeof(*queue->items));
    queue->items[queue->count++] = (struct waiting){{kind, count}, from};
}

/* The dimension that a node has too little of; DRAIN_DIMENSIONS: none. */
static size_t short_of(const struct drain_work *work, size_t node) {
    size_t d = 0;
    while (d < DRAIN_DIMENSIONS && work->state.room[node][d] >= 0)
        d++;
    return d;
}

/* Takes pods off a node that has too little for them, those first that need most of what is short. */
static void relieve(struct drain_work *work, struct queue *queue, size_t node) {
    struct drain_state *s = &work->state;
    const struct drain_kind *kinds = work->problem->kinds;
    for (size_t d; (d = short_of(work, node)) < DRAIN_DIMENSIONS;) {
        size_t best = DRAIN_NONE;
        for (size_t i = s->first[node]; i != DRAIN_NONE; i = s->items[i].next)
            if (s->items[i].count > 0 &&
                (best == DRAIN_NONE || kinds[s->items[i].kind].need[d] > kinds[s->items[best].kind].need[d]))
                best = i;
        if (best == DRAIN_NONE || kinds[s->items[best].kind].need[d] <= 0)
            return;
        int64_t need = kinds[s->items[best].kind].need[d];
        int64_t count = (-s->room[node][d] + need - 1) / need;
        count = count < s->items[best].count ? count : s->items[best].count;
        s->items[best].count -= count;
        for (size_t k = 0; k < DRAIN_DIMENSIONS; k++)
            s->room[node][k] += kinds[s->items[best].kind].need[k] * count;
        queue_add(work, queue, work->problem->node_count, s->items[best].kind, count);
    }
}

static int waiting_cmp(const void *a, const void *b) {
    const struct waiting *x = a, *y = b;
    if (x->load.kind != y->load.kind)
        return x->load.kind < y->load.kind ? -1 : 1;
    return (x->from > y->from) - (x->from < y->from);
}

static void queue_fill(struct drain_work *work, struct queue *queue) {
    const struct drain_problem *p = work->problem;
    for (size_t j = 0; j < p->node_count; j++) {
        if (p->nodes[j].role != DRAIN_LEAVES) {
            relieve(work, queue, j);
            continue;
        }
        for (size_t k = 0; k < p->nodes[j].load_count; k++)
            queue_add(work, queue, j, p->nodes[j].loads[k].kind, p->nodes[j].loads[k].count);
        work->state.first[j] = DRAIN_NONE;
    }
    for (size_t k = 0; k < p->more_count; k++)
        queue_add(work, queue, p->node_count, p->more[k].kind, p->more[k].count);
}

/* The largest first. */
static void place_first(struct drain_work *work, struct drain_result *ret) {
    struct queue queue = {0};
    struct drain_load *unplaced = NULL;
    queue_fill(work, &queue);
    if (queue.count > 0)
        qsort(queue.items, queue.count, sizeof(*queue.items), waiting_cmp);
    struct drain_entry *order = arena_alloc_array(work->arena, queue.count + 1, sizeof(*order));
    for (size_t i = 0; i < queue.count; i++)
        order[i] = (struct drain_entry){work->size[queue.items[i].load.kind], i};
    if (queue.count > 0)
        qsort(order, queue.count, sizeof(*order), drain_entry_cmp);
    for (size_t i = 0; i < queue.count; i++) {
        const struct waiting *one = &queue.items[order[i].node];
        int64_t left;
        drain_put(work, one->from, one->load, &left);
        if (left == 0)
            continue;
        unplaced = arena_push(work->arena, unplaced, ret->unplaced_count, sizeof(*unplaced));
        unplaced[ret->unplaced_count++] = (struct drain_load){one->load.kind, left};
    }
    ret->unplaced = unplaced;
}

/* ---- the answer ---- */

static void moves_fill(const struct drain_work *work, struct drain_result *ret) {
    const struct drain_state *s = &work->state;
    struct drain_move *moves = NULL;
    for (size_t j = 0; j < work->problem->node_count; j++)
        for (size_t i = s->first[j]; i != DRAIN_NONE; i = s->items[i].next) {
            if (s->items[i].from == j || s->items[i].count == 0)
                continue;
            moves = arena_push(work->arena, moves, ret->move_count, sizeof(*moves));
            moves[ret->move_count++] = (struct drain_move){s->items[i].from, j, s->items[i].kind, s->items[i].count};
        }
    if (ret->move_count > 0)
        qsort(moves, ret->move_count, sizeof(*moves), move_cmp);
    ret->moves = moves;
}

void drain_solve(const struct drain_problem *problem, struct arena *arena, struct drain_result *ret) {
    struct drain_work work = {.problem = problem, .arena = arena};
    struct drain_result result = {0};
    work.order = arena_alloc_array(arena, problem->node_count + 1, sizeof(*work.order));
    work.rank = arena_alloc_array(arena, problem->node_count + 1, sizeof(*work.rank));
    work.ranked = arena_alloc_array(arena, problem->node_count + 1, sizeof(*work.ranked));
    scales_find(&work);
    drain_state_open(&work);
    order_make(&work, ORDER_PRICE_PER_LOAD);
    place_first(&work, &result);
    result.bound = problem->node_count > 0 ? drain_bound(&work) : 0;
    if (result.unplaced_count == 0 && problem->work_max > 0)
        result.is_cut = !search(&work, result.bound);
    bool *goes = arena_alloc_array(arena, problem->node_count + 1, sizeof(*goes));
    for (size_t j = 0; j < problem->node_count; j++) {
        goes[j] = work.state.gone[j];
        result.goes_count += goes[j];
    }
    result.goes = goes;
    result.cost = work.state.cost;
    moves_fill(&work, &result);
    *ret = result;
}
