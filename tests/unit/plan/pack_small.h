/*
 * Cases of the packing that are so small that all ways to share out the pieces can be looked at.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_PACK_SMALL_H
#define TRIMTAB_TESTS_PACK_SMALL_H

#include "pack_check.h"

#define SMALL_DEMANDS_MAX 4
#define SMALL_OFFERS_MAX 5
#define SMALL_PIECES_MAX 6

struct small_case {
    struct pack_demand demands[SMALL_DEMANDS_MAX];
    struct pack_offer offers[SMALL_OFFERS_MAX];
    struct pack_problem problem;
};

static inline void small_make(uint64_t *chance, int64_t pieces_max, uint64_t work, struct small_case *ret) {
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    size_t demand_count = 1 + pack_chance(chance, SMALL_DEMANDS_MAX),
           offer_count = 1 + pack_chance(chance, SMALL_OFFERS_MAX);
    int64_t left = pieces_max;
    for (size_t i = 0; i < demand_count; i++) {
        int64_t count = (int64_t)pack_chance(chance, 4);
        count = count < left ? count : left;
        left -= count;
        ret->demands[i] =
            (struct pack_demand){.name = names[i],
                                 .need = {(int64_t)(100 * pack_chance(chance, 40)),
                                          (int64_t)(128 * pack_chance(chance, 64)), pack_chance(chance, 8) == 0},
                                 .count = count};
    }
    for (size_t k = 0; k < offer_count; k++) {
        uint64_t cpu = 1 + pack_chance(chance, 8), memory = 1 + pack_chance(chance, 16);
        ret->offers[k] = (struct pack_offer){
            .provider = "aws",
            .region = "r",
            .type = names[k],
            .has = {(int64_t)(1000 * cpu), (int64_t)(1024 * memory), pack_chance(chance, 4) == 0},
            .price_hourly = (money_micros)(40000 * cpu + 5000 * memory + pack_chance(chance, 30000))};
    }
    ret->problem = (struct pack_problem){
        .demands = ret->demands,
        .demand_count = demand_count,
        .offers = ret->offers,
        .offer_count = offer_count,
        .overhead = {(int64_t)pack_chance(chance, 3) * 100, (int64_t)pack_chance(chance, 3) * 64, 0},
        .pieces_max = (int64_t)pack_chance(chance, 3) * 2,
        .work_max = work};
}

/* ---- the true optimum ---- */

struct share_out { /* Pieces to machines, in all ways; then offers to machines. */
    const struct pack_problem *problem;
    size_t piece[SMALL_PIECES_MAX], piece_count; /* Each piece's demand. */
    size_t machine[SMALL_PIECES_MAX];            /* Each piece's machine. */
    size_t machine_count, offer[SMALL_PIECES_MAX];
    bool is_spread;
    money_micros best;
};

static inline bool share_out_holds(const struct share_out *s, size_t machine, const struct pack_offer *offer) {
    const struct pack_problem *problem = s->problem;
    int64_t used[PACK_RESOURCES], pieces = 0, of[SMALL_DEMANDS_MAX] = {0};
    memcpy(used, problem->overhead, sizeof(used));
    for (size_t t = 0; t < s->piece_count; t++) {
        const struct pack_demand *demand = &problem->demands[s->piece[t]];
        if (s->machine[t] != machine)
            continue;
        pieces++;
        of[s->piece[t]]++;
        if (demand->per_node_max > 0 && of[s->piece[t]] > demand->per_node_max)
            return false;
        if (!pack_is_same(demand->architecture, "") && !pack_is_same(demand->architecture, offer->architecture))
            return false;
        for (size_t d = 0; d < PACK_RESOURCES; d++)
            used[d] += demand->need[d];
    }
    for (size_t d = 0; d < PACK_RESOURCES; d++)
        if (used[d] > offer->has[d])
            return false;
    return !problem->pieces_max || pieces <= problem->pieces_max;
}

static inline bool share_out_keeps_skew(const struct share_out *s, size_t demand) {
    int64_t least = INT64_MAX, most = 0;
    for (size_t k = 0; k < s->problem->offer_count; k++) {
        int64_t count = 0;
        if (!pack_is_domain(s->problem, demand, k))
            continue;
        for (size_t t = 0; t < s->piece_count; t++)
            count += s->piece[t] == demand &&
                     pack_is_one_zone(&s->problem->offers[k], &s->problem->offers[s->offer[s->machine[t]]]);
        least = count < least ? count : least;
        most = count > most ? count : most;
    }
    return most - least <= s->problem->demands[demand].skew_max;
}

static inline void share_out_buy(struct share_out *s, size_t machine, money_micros cost) {
    const struct pack_problem *problem = s->problem;
    if (cost >= s->best)
        return;
    if (machine == s->machine_count) {
        bool keeps = true;
        for (size_t t = 0; t < s->piece_count && s->is_spread; t++)
            keeps &= problem->demands[s->piece[t]].skew_max == 0 || share_out_keeps_skew(s, s->piece[t]);
        s->best = keeps ? cost : s->best;
        return;
    }
    for (size_t k = 0; k < problem->offer_count; k++) {
        if (!share_out_holds(s, machine, &problem->offers[k]))
            continue;
        s->offer[machine] = k;
        share_out_buy(s, machine + 1, cost + problem->offers[k].price_hourly);
    }
}

static inline void share_out(struct share_out *s, size_t at, size_t machines) {
    if (at == s->piece_count) {
        s->machine_count = machines;
        share_out_buy(s, 0, 0);
        return;
    }
    for (size_t m = 0; m <= machines; m++) {
        s->machine[at] = m;
        share_out(s, at + 1, machines + (m == machines));
    }
}

/* Of what the result has placed. */
static inline money_micros small_optimum(const struct pack_problem *problem, const struct pack_result *result) {
    struct share_out s = {.problem = problem, .best = INT64_MAX};
    for (size_t i = 0; i < problem->demand_count; i++) {
        s.is_spread |= problem->demands[i].skew_max > 0;
        for (int64_t c = 0; c < problem->demands[i].count && !pack_is_unplaced(result, i); c++)
            s.piece[s.piece_count++] = i;
    }
    share_out(&s, 0, 0);
    return s.piece_count > 0 ? s.best : 0;
}

#endif
