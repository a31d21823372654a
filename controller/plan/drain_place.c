/*
 * Where pods are, and moving those of a node to others. What moves goes by rules that are tried in turn: to the node
 * that is fullest, to the one that likeliest stays, to the one with the most room.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "plan/drain_internal.h"

enum rule { RULE_FULLEST, RULE_LIKELIEST, RULE_ROOMIEST, RULE_COUNT };

/* ---- items ---- */

static void item_add(struct drain_work *work, size_t node, struct drain_item item) {
    struct drain_state *s = &work->state;
    for (size_t i = s->first[node]; i != DRAIN_NONE; i = s->items[i].next)
        if (s->items[i].kind == item.kind && s->items[i].from == item.from) {
            s->items[i].count += item.count;
            return;
        }
    if (s->item_count == s->item_room) {
        struct drain_item *items = arena_alloc_array(work->arena, s->item_room * 2, sizeof(*items));
        memcpy(items, s->items, s->item_count * sizeof(*items));
        s->items = items;
        s->item_room *= 2;
    }
    item.next = s->first[node];
    s->items[s->item_count] = item;
    s->first[node] = s->item_count++;
}

static void room_take(struct drain_work *work, size_t node, size_t kind, int64_t count) {
    for (size_t d = 0; d < DRAIN_DIMENSIONS; d++)
        work->state.room[node][d] -= work->problem->kinds[kind].need[d] * count;
}

struct drain_state drain_state_new(const struct drain_work *work) {
    const struct drain_problem *p = work->problem;
    struct drain_state s = {.item_room = 16};
    for (size_t j = 0; j < p->node_count; j++)
        s.item_room += 2 * p->nodes[j].load_count;
    s.items = arena_alloc_array(work->arena, s.item_room, sizeof(*s.items));
    s.first = arena_alloc_array(work->arena, p->node_count + 1, sizeof(*s.first));
    s.room = arena_alloc_array(work->arena, p->node_count + 1, sizeof(*s.room));
    s.gone = arena_alloc_array(work->arena, p->node_count + 1, sizeof(*s.gone));
    return s;
}

/* What is not used any more is left behind. */
void drain_state_copy(const struct drain_work *work, struct drain_state *to, const struct drain_state *from) {
    size_t nodes = work->problem->node_count;
    if (to->item_room < from->item_count) {
        to->item_room = from->item_room;
        to->items = arena_alloc_array(work->arena, to->item_room, sizeof(*to->items));
    }
    to->item_count = 0;
    for (size_t j = 0; j < nodes; j++) {
        size_t *link = &to->first[j];
        for (size_t i = from->first[j]; i != DRAIN_NONE; i = from->items[i].next) {
            to->items[to->item_count] = from->items[i];
            *link = to->item_count;
            link = &to->items[to->item_count++].next;
        }
        *link = DRAIN_NONE;
    }
    memcpy(to->room, from->room, nodes * sizeof(*to->room));
    memcpy(to->gone, from->gone, nodes * sizeof(*to->gone));
    to->cost = from->cost;
}

void drain_state_open(struct drain_work *work) {
    const struct drain_problem *p = work->problem;
    struct drain_state *s = &work->state;
    *s = drain_state_new(work);
    for (size_t j = 0; j < p->node_count; j++) {
        const struct drain_node *node = &p->nodes[j];
        s->first[j] = DRAIN_NONE;
        memcpy(s->room[j], node->has, sizeof(s->room[j]));
        for (size_t k = 0; k < node->load_count; k++) {
            item_add(work, j, (struct drain_item){node->loads[k].kind, j, node->loads[k].count, 0});
            room_take(work, j, node->loads[k].kind, node->loads[k].count);
        }
        s->cost += node->role == DRAIN_LEAVES ? 0 : node->price;
    }
}

/* ---- one piece after another ---- */

static bool has_group(struct drain_work *work, size_t node, size_t group) {
    const struct drain_state *s = &work->state;
    work->work += work->log_count;
    for (size_t i = s->first[node]; i != DRAIN_NONE; i = s->items[i].next)
        if (work->problem->kinds[s->items[i].kind].group == group)
            return true;
    for (size_t i = 0; i < work->log_count; i++)
        if (work->log[i].to == node && work->problem->kinds[work->log[i].kind].group == group)
            return true;
    return false;
}

/* How many pods of a kind a node takes. */
static int64_t fit(struct drain_work *work, size_t kind, size_t node, int64_t wanted) {
    const struct drain_problem *p = work->problem;
    const struct drain_kind *k = &p->kinds[kind];
    const int64_t *room = work->state.room[node];
    work->work++;
    if (!p->may[kind * p->node_count + node] || work->state.gone[node] || p->nodes[node].role == DRAIN_LEAVES)
        return 0;
    for (size_t d = 0; d < DRAIN_DIMENSIONS; d++) {
        int64_t most = k->need[d] <= 0 ? wanted : room[d] < 0 ? 0 : room[d] / k->need[d];
        wanted = most < wanted ? most : wanted;
    }
    if (k->is_apart && wanted > 0)
        return has_group(work, node, k->group) ? 0 : 1;
    return wanted;
}

static double value_of(const struct drain_work *work, size_t node, enum rule rule) {
    double room = 0;
    if (rule == RULE_LIKELIEST)
        return (double)work->rank[node];
    for (size_t d = 0; d < DRAIN_DIMENSIONS; d++)
        room += (double)work->state.room[node][d] * work->scale[d];
    return rule == RULE_FULLEST ? -room : room;
}

static void log_add(struct drain_work *work, struct drain_move move) {
    if (work->log_count == work->log_room) {
        work->log_room = work->log_room ? work->log_room * 2 : 64;
        struct drain_move *log = arena_alloc_array(work->arena, work->log_room, sizeof(*log));
        if (work->log_count > 0)
            memcpy(log, work->log, work->log_count * sizeof(*log));
        work->log = log;
    }
    work->log[work->log_count++] = move;
}

/* One on each node: what a node got changes nothing for the others, so they are ranked once. */
static int64_t apart_place(struct drain_work *work, size_t at, struct drain_item item, enum rule rule) {
    size_t count = 0;
    for (size_t j = 0; j < work->problem->node_count; j++)
        if (j != at && fit(work, item.kind, j, 1) > 0)
            work->ranked[count++] = (struct drain_entry){value_of(work, j, rule), j};
    if (count > 1)
        qsort(work->ranked, count, sizeof(*work->ranked), drain_entry_cmp);
    for (size_t i = 0; i < count && item.count > 0; i++, item.count--) {
        room_take(work, work->ranked[i].node, item.kind, 1);
        log_add(work, (struct drain_move){item.from, work->ranked[i].node, item.kind, 1});
    }
    return item.count;
}

/* Returns what is left. Not to the node that it is on. */
static int64_t piece_place(struct drain_work *work, size_t at, struct drain_item item, enum rule rule) {
    if (work->problem->kinds[item.kind].is_apart && item.count > 1)
        return apart_place(work, at, item, rule);
    while (item.count > 0) {
        size_t best = DRAIN_NONE;
        int64_t best_fit = 0;
        double best_value = 0;
        for (size_t j = 0; j < work->problem->node_count; j++) {
            int64_t one = j == at ? 0 : fit(work, item.kind, j, item.count);
            double value = one > 0 ? value_of(work, j, rule) : 0;
            if (one == 0 || (best != DRAIN_NONE && value <= best_value))
                continue;
            best = j;
            best_fit = one;
            best_value = value;
        }
        if (best == DRAIN_NONE)
            break;
        room_take(work, best, item.kind, best_fit);
        log_add(work, (struct drain_move){item.from, best, item.kind, best_fit});
        item.count -= best_fit;
    }
    return item.count;
}

static void log_undo(struct drain_work *work) {
    for (size_t i = 0; i < work->log_count; i++)
        room_take(work, work->log[i].to, work->log[i].kind, -work->log[i].count);
    work->log_count = 0;
}

static void log_apply(struct drain_work *work) {
    for (size_t i = 0; i < work->log_count; i++)
        item_add(work, work->log[i].to,
                 (struct drain_item){work->log[i].kind, work->log[i].from, work->log[i].count, 0});
    work->log_count = 0;
}

/* The item of a node that comes after `last`: the largest first. */
static size_t item_next(const struct drain_work *work, size_t node, size_t last) {
    const struct drain_state *s = &work->state;
    size_t best = DRAIN_NONE;
    for (size_t i = s->first[node]; i != DRAIN_NONE; i = s->items[i].next) {
        double size = work->size[s->items[i].kind];
        double before = last == DRAIN_NONE ? 0 : work->size[s->items[last].kind];
        bool is_after = last == DRAIN_NONE || size < before || (!(size > before) && i > last);
        double found = best == DRAIN_NONE ? 0 : work->size[s->items[best].kind];
        if (is_after && (best == DRAIN_NONE || size > found || (!(size < found) && i < best)))
            best = i;
    }
    return best;
}

bool drain_node_empty(struct drain_work *work, size_t node) {
    struct drain_state *s = &work->state;
    for (int rule = 0; rule < RULE_COUNT; rule++) {
        size_t i = item_next(work, node, DRAIN_NONE);
        work->log_count = 0;
        while (i != DRAIN_NONE && piece_place(work, node, s->items[i], (enum rule)rule) == 0)
            i = item_next(work, node, i);
        if (i == DRAIN_NONE) {
            log_apply(work);
            s->first[node] = DRAIN_NONE;
            memcpy(s->room[node], work->problem->nodes[node].has, sizeof(s->room[node]));
            s->gone[node] = true;
            s->cost -= work->problem->nodes[node].role == DRAIN_LEAVES ? 0 : work->problem->nodes[node].price;
            return true;
        }
        log_undo(work);
    }
    return false;
}

void drain_put(struct drain_work *work, size_t from, struct drain_load load, int64_t *ret_left) {
    work->log_count = 0;
    *ret_left = piece_place(work, from, (struct drain_item){load.kind, from, load.count, 0}, RULE_FULLEST);
    log_apply(work);
}

static void item_return(struct drain_state *s, size_t node, size_t i) {
    for (size_t k = s->first[node]; k != DRAIN_NONE; k = s->items[k].next)
        if (s->items[k].kind == s->items[i].kind) {
            s->items[k].count += s->items[i].count;
            return;
        }
    s->items[i].next = s->first[node];
    s->first[node] = i;
}

void drain_node_restore(struct drain_work *work, size_t node) {
    struct drain_state *s = &work->state;
    s->gone[node] = false;
    s->cost += work->problem->nodes[node].price;
    for (size_t j = 0; j < work->problem->node_count; j++) {
        if (s->gone[j] || j == node)
            continue;
        for (size_t *link = &s->first[j]; *link != DRAIN_NONE;) {
            size_t i = *link;
            const struct drain_item item = s->items[i];
            work->work++;
            if (item.from != node) {
                link = &s->items[i].next;
                continue;
            }
            *link = item.next;
            room_take(work, j, item.kind, -item.count);
            room_take(work, node, item.kind, item.count);
            item_return(s, node, i);
        }
    }
}
