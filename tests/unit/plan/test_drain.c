/*
 * Which nodes may go: never without a place for each pod, never below the bound, and of small clusters as good as
 * trying everything.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "plan/drain.h"

#define NODES_MAX 40
#define KINDS_MAX 8

struct cluster {
    struct drain_problem problem;
    struct drain_kind kinds[KINDS_MAX];
    struct drain_node nodes[NODES_MAX];
    struct drain_load loads[NODES_MAX][KINDS_MAX], more[KINDS_MAX];
    uint8_t may[KINDS_MAX * NODES_MAX];
};

static struct cluster c;
static struct arena arena;
static uint64_t state;

static int64_t draw(int64_t low, int64_t high) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return low + (int64_t)((state >> 33) % (uint64_t)(high - low + 1));
}

static void start(size_t nodes, size_t kinds) {
    memset(&c, 0, sizeof(c));
    memset(c.may, 1, sizeof(c.may));
    c.problem = (struct drain_problem){.kinds = c.kinds,
                                       .kind_count = kinds,
                                       .nodes = c.nodes,
                                       .node_count = nodes,
                                       .may = c.may,
                                       .more = c.more,
                                       .work_max = 5000000};
    for (size_t i = 0; i < kinds; i++)
        c.kinds[i] = (struct drain_kind){.need = {1000, 1000, 1}, .group = i};
    for (size_t j = 0; j < nodes; j++)
        c.nodes[j] = (struct drain_node){.has = {4000, 16000, 110}, .price = 100000, .loads = c.loads[j]};
}

static void load(size_t node, size_t kind, int64_t count) {
    c.loads[node][c.nodes[node].load_count++] = (struct drain_load){kind, count};
}

static struct drain_result solve(void) {
    struct drain_result result;
    drain_solve(&c.problem, &arena, &result);
    return result;
}

static bool is_gone(const struct drain_result *r, size_t j) {
    return r->goes[j] || c.nodes[j].role == DRAIN_LEAVES;
}

static int64_t held[NODES_MAX][KINDS_MAX], from[NODES_MAX + 1][KINDS_MAX];

/* What is where before anything moves, and what must move. */
static void check_start(const struct drain_result *r) {
    memset(held, 0, sizeof(held));
    memset(from, 0, sizeof(from));
    for (size_t j = 0; j < c.problem.node_count; j++)
        for (size_t k = 0; k < c.nodes[j].load_count; k++)
            (is_gone(r, j) ? from : held)[j][c.loads[j][k].kind] += c.loads[j][k].count;
    for (size_t k = 0; k < c.problem.more_count; k++)
        from[c.problem.node_count][c.more[k].kind] += c.more[k].count;
}

static void check_move(const struct drain_result *r, const struct drain_move *m) {
    const struct drain_kind *kind = &c.kinds[m->kind];
    cr_assert(m->count > 0 && !is_gone(r, m->to) && c.may[m->kind * c.problem.node_count + m->to]);
    held[m->to][m->kind] += m->count;
    from[m->from][m->kind] -= m->count;
    for (size_t k = 0; k < c.problem.kind_count && kind->is_apart; k++)
        cr_assert(c.kinds[k].group != kind->group || held[m->to][k] <= (k == m->kind), "two of a group on node %zu",
                  m->to);
}

static void check_unplaced(const struct drain_result *r) {
    for (size_t i = 0; i < r->unplaced_count; i++) {
        int64_t left = r->unplaced[i].count;
        for (size_t j = 0; j <= c.problem.node_count; j++) {
            int64_t *has = &from[j][r->unplaced[i].kind], some = *has < left ? *has : left;
            *has -= some;
            left -= some;
        }
    }
    cr_assert(r->unplaced_count == 0 || r->goes_count == 0);
}

static void check_node(const struct drain_result *r, size_t j) {
    for (size_t d = 0; d < DRAIN_DIMENSIONS && !is_gone(r, j); d++) {
        int64_t used = 0;
        for (size_t k = 0; k < c.problem.kind_count; k++)
            used += held[j][k] * c.kinds[k].need[d];
        cr_assert(used <= c.nodes[j].has[d], "node %zu holds %lld of %lld", j, (long long)used,
                  (long long)c.nodes[j].has[d]);
    }
    cr_assert(!r->goes[j] || c.nodes[j].role == DRAIN_MAY_GO);
}

/* Everything has a place that may take it, and nothing else has moved. */
static void check(const struct drain_result *r) {
    money_micros cost = 0;
    check_start(r);
    for (size_t i = 0; i < r->move_count; i++)
        check_move(r, &r->moves[i]);
    check_unplaced(r);
    for (size_t j = 0; j < c.problem.node_count; j++) {
        check_node(r, j);
        cost += is_gone(r, j) ? 0 : c.nodes[j].price;
    }
    for (size_t j = 0; j <= c.problem.node_count; j++)
        for (size_t k = 0; k < c.problem.kind_count; k++)
            cr_assert(from[j][k] == 0, "%lld pods of node %zu have no place", (long long)from[j][k], j);
    cr_assert(cost == r->cost);
    cr_assert(r->bound <= r->cost, "%lld > %lld", (long long)r->bound, (long long)r->cost);
}

Test(plan_drain, an_empty_node_goes_and_one_whose_pods_fit_elsewhere) {
    start(4, 1);
    load(0, 0, 3);
    load(1, 0, 1);
    load(2, 0, 3);
    struct drain_result r = solve();
    check(&r);
    cr_expect_eq(r.goes_count, 2u);
    cr_expect(r.goes[1] && r.goes[3]);
    cr_expect_eq(r.move_count, 1u);
    cr_expect_eq(r.moves[0].from, 1u);
    cr_expect_eq(r.bound, 200000, "7 pods take two nodes at least");
    arena_release(&arena);
}

Test(plan_drain, each_dimension_binds) {
    for (size_t d = 0; d < DRAIN_DIMENSIONS; d++) {
        start(2, 1);
        load(0, 0, 1);
        load(1, 0, 1);
        struct drain_result r = solve();
        cr_expect_eq(r.goes_count, 1u);
        c.nodes[0].has[d] = c.nodes[1].has[d] = c.kinds[0].need[d] * 2 - 1;
        r = solve();
        check(&r);
        cr_expect_eq(r.goes_count, 0u, "dimension %zu", d);
        cr_expect_eq(r.bound, 200000);
        arena_release(&arena);
    }
}

Test(plan_drain, what_must_stay_stays_and_what_a_node_does_not_take_does_not_go_there) {
    start(3, 1);
    load(0, 0, 1);
    c.nodes[0].role = c.nodes[1].role = DRAIN_STAYS;
    c.nodes[2].price = 900000;
    struct drain_result r = solve();
    check(&r);
    cr_expect(r.goes_count == 1 && r.goes[2]);
    c.nodes[0].role = DRAIN_MAY_GO;
    memset(c.may, 0, sizeof(c.may));
    c.may[0] = 1;
    r = solve();
    check(&r);
    cr_expect(!r.goes[0], "no other takes its pod");
    arena_release(&arena);
}

Test(plan_drain, pods_that_are_apart_stay_apart) {
    start(4, 2);
    for (size_t j = 0; j < 3; j++)
        load(j, 0, 1);
    c.kinds[0].is_apart = true;
    struct drain_result r = solve();
    check(&r);
    cr_expect_eq(r.goes_count, 1u, "the empty one");
    c.kinds[1] = c.kinds[0]; /* Another kind of the same group. */
    c.loads[1][0].kind = 1;
    r = solve();
    check(&r);
    cr_expect_eq(r.goes_count, 1u);
    arena_release(&arena);
}

Test(plan_drain, growth_and_what_leaves_come_first) {
    start(4, 1);
    load(0, 0, 2);
    load(1, 0, 2);
    load(2, 0, 2);
    c.nodes[2].role = DRAIN_LEAVES;
    struct drain_result r = solve();
    check(&r);
    cr_expect_eq(r.goes_count, 1u, "two nodes carry six pods");
    c.more[0] = (struct drain_load){0, 3};
    c.problem.more_count = 1;
    r = solve();
    check(&r);
    cr_expect_eq(r.goes_count, 0u);
    c.more[0].count = 9;
    r = solve();
    cr_assert_eq(r.unplaced_count, 1u);
    cr_expect_eq(r.unplaced[0].count, 3);
    check(&r);
    arena_release(&arena);
}

Test(plan_drain, pods_that_have_outgrown_their_node_move) {
    start(2, 2);
    load(0, 0, 4);
    load(0, 1, 1);
    load(1, 1, 1);
    c.nodes[0].has[DRAIN_CPU] = 4500; /* 5 were fine before they grew to 1000m each. */
    struct drain_result r = solve();
    cr_assert_eq(r.unplaced_count, 0u);
    cr_assert_eq(r.move_count, 1u);
    cr_expect(r.moves[0].from == 2 && r.moves[0].to == 1 && r.moves[0].count == 1);
    c.nodes[1].has[DRAIN_CPU] = 1000;
    r = solve();
    cr_assert_eq(r.unplaced_count, 1u);
    cr_expect_eq(r.unplaced[0].count, 1);
    arena_release(&arena);
}

/* The first node is the emptiest, the dearest, and the dearest for its load; but it takes the CPU that the pods of two
 * others need, which together cost more. */
Test(plan_drain, one_is_brought_back_where_two_others_pay_more) {
    start(4, 2);
    c.kinds[0] = (struct drain_kind){.need = {1500, 0, 1}};
    c.kinds[1] = (struct drain_kind){.need = {1000, 2000, 1}, .group = 1};
    load(0, 0, 1);
    load(1, 1, 1);
    load(2, 1, 1);
    for (size_t j = 0; j < 3; j++)
        memcpy(c.nodes[j].has, c.kinds[j > 0].need, sizeof(c.nodes[j].has));
    c.nodes[0].price = 300000;
    c.nodes[1].price = c.nodes[2].price = 200000;
    c.nodes[3].role = DRAIN_STAYS;
    c.nodes[3].has[DRAIN_CPU] = 2000;
    c.nodes[3].has[DRAIN_MEMORY] = 4000;
    struct drain_result r = solve();
    check(&r);
    cr_expect(!r.goes[0] && r.goes[1] && r.goes[2]);
    c.problem.work_max = 1;
    r = solve();
    check(&r);
    cr_expect_eq(r.goes_count, 1u, "it ends by work");
    arena_release(&arena);
}

static void random_cluster(size_t nodes_max, size_t kinds_max) {
    size_t nodes = (size_t)draw(1, (int64_t)nodes_max), kinds = (size_t)draw(1, (int64_t)kinds_max);
    start(nodes, kinds);
    for (size_t i = 0; i < kinds; i++) {
        c.kinds[i] = (struct drain_kind){.need = {draw(0, 20) * 100, draw(0, 20) * 100, 1},
                                         .group = (size_t)draw(0, (int64_t)kinds),
                                         .is_apart = draw(0, 5) == 0};
        for (size_t k = 0; k < i; k++)
            c.kinds[i].is_apart = c.kinds[k].group == c.kinds[i].group ? c.kinds[k].is_apart : c.kinds[i].is_apart;
        for (size_t j = 0; j < nodes; j++)
            c.may[i * nodes + j] = draw(0, 6) > 0;
    }
    for (size_t j = 0; j < nodes; j++) {
        int64_t room[] = {draw(1, 4) * 2000, draw(1, 4) * 2000, draw(3, 20)};
        memcpy(c.nodes[j].has, room, sizeof(room));
        c.nodes[j].price = draw(1, 5) * 50000;
        c.nodes[j].role = draw(0, 9) < 8 ? DRAIN_MAY_GO : draw(0, 1) ? DRAIN_STAYS : DRAIN_LEAVES;
        for (size_t i = 0; i < kinds; i++) {
            int64_t count = draw(0, 3);
            for (size_t d = 0; d < DRAIN_DIMENSIONS; d++) {
                int64_t need = c.kinds[i].need[d];
                count = need > 0 && room[d] / need < count ? room[d] / need : count;
            }
            for (size_t d = 0; d < DRAIN_DIMENSIONS; d++)
                room[d] -= count * c.kinds[i].need[d];
            if (count > 0)
                load(j, i, c.kinds[i].is_apart ? 1 : count);
        }
    }
    c.problem.more_count = 1;
    c.more[0] = (struct drain_load){(size_t)draw(0, (int64_t)kinds - 1), draw(0, 4)};
}

Test(plan_drain, random_clusters_are_never_overfilled, .timeout = 120) {
    size_t gone = 0, full = 0;
    state = 7;
    for (int round = 0; round < 3000; round++) {
        random_cluster(round % 10 ? 12 : NODES_MAX, KINDS_MAX);
        c.problem.work_max = round % 3 ? 200000 : 2000;
        struct drain_result r = solve();
        gone += r.goes_count;
        full += r.unplaced_count > 0;
        check(&r);
        arena_release(&arena);
    }
    cr_expect_gt(gone, 2000u);
    cr_expect_gt(full, 100u);
}

/* ---- against trying everything ---- */

struct piece {
    size_t kind, at;
};
static struct piece pieces[256];
static size_t piece_count;
static int64_t room[NODES_MAX][DRAIN_DIMENSIONS];
static int64_t groups[NODES_MAX][KINDS_MAX + 1];
static uint64_t steps;

/* Puts piece after piece wherever it may go. */
static bool all_fit(size_t next, const bool *gone) {
    if (next == piece_count)
        return true;
    const struct drain_kind *k = &c.kinds[pieces[next].kind];
    if (++steps > 300000)
        return false;
    for (size_t j = 0; j < c.problem.node_count; j++) {
        if (gone[j] || c.nodes[j].role == DRAIN_LEAVES || !c.may[pieces[next].kind * c.problem.node_count + j] ||
            (k->is_apart && groups[j][k->group] > 0))
            continue;
        bool fits = true;
        for (size_t d = 0; d < DRAIN_DIMENSIONS; d++)
            fits &= room[j][d] >= k->need[d];
        if (!fits)
            continue;
        for (size_t d = 0; d < DRAIN_DIMENSIONS; d++)
            room[j][d] -= k->need[d];
        groups[j][k->group]++;
        bool is_done = all_fit(next + 1, gone);
        for (size_t d = 0; d < DRAIN_DIMENSIONS; d++)
            room[j][d] += k->need[d];
        groups[j][k->group]--;
        if (is_done)
            return true;
    }
    return false;
}

static bool is_feasible(const bool *gone) {
    piece_count = 0;
    memset(groups, 0, sizeof(groups));
    for (size_t j = 0; j < c.problem.node_count; j++) {
        bool stays = !gone[j] && c.nodes[j].role != DRAIN_LEAVES;
        memcpy(room[j], c.nodes[j].has, sizeof(room[j]));
        for (size_t k = 0; k < c.nodes[j].load_count; k++)
            for (int64_t n = 0; n < c.loads[j][k].count; n++) {
                size_t kind = c.loads[j][k].kind;
                if (!stays)
                    pieces[piece_count++] = (struct piece){kind, j};
                for (size_t d = 0; stays && d < DRAIN_DIMENSIONS; d++)
                    room[j][d] -= c.kinds[kind].need[d];
                groups[j][c.kinds[kind].group] += stays;
            }
    }
    for (size_t k = 0; k < c.problem.more_count; k++)
        for (int64_t n = 0; n < c.more[k].count; n++)
            pieces[piece_count++] = (struct piece){c.more[k].kind, NODES_MAX};
    return all_fit(0, gone);
}

static money_micros least(void) {
    size_t nodes = c.problem.node_count;
    money_micros best = INT64_MAX;
    for (size_t set = 0; set < (size_t)1 << nodes; set++) {
        bool gone[NODES_MAX] = {false}, is_allowed = true;
        money_micros cost = 0;
        for (size_t j = 0; j < nodes; j++) {
            gone[j] = set >> j & 1;
            is_allowed &= !gone[j] || c.nodes[j].role == DRAIN_MAY_GO;
            cost += gone[j] || c.nodes[j].role == DRAIN_LEAVES ? 0 : c.nodes[j].price;
        }
        if (is_allowed && cost < best && is_feasible(gone))
            best = cost;
    }
    return best;
}

Test(plan_drain, small_clusters_are_as_good_as_trying_everything, .timeout = 300) {
    size_t equal = 0, all = 0;
    money_micros ours = 0, theirs = 0;
    state = 11;
    while (all < 400) {
        random_cluster(7, 4);
        struct drain_result r = solve();
        steps = 0;
        money_micros best = least();
        if (best == INT64_MAX || steps > 300000 || r.unplaced_count > 0) {
            cr_assert(best == INT64_MAX || steps > 300000 || r.unplaced_count == 0 || c.problem.node_count > 0);
            arena_release(&arena);
            continue;
        }
        all++;
        cr_assert(r.cost >= best, "nothing is cheaper than the cheapest");
        cr_assert(r.bound <= best, "bound %lld, optimum %lld", (long long)r.bound, (long long)best);
        equal += r.cost == best;
        ours += r.cost;
        theirs += best;
        arena_release(&arena);
    }
    cr_expect_geq(equal * 100, all * 97, "%zu of %zu", equal, all);
    cr_expect_leq(ours * 1000, theirs * 1005);
}

Test(plan_drain, the_same_cluster_gives_the_same_answer) {
    state = 5;
    for (int round = 0; round < 100; round++) {
        random_cluster(NODES_MAX, KINDS_MAX);
        struct drain_result a = solve(), b = solve();
        cr_assert(a.move_count == b.move_count && a.cost == b.cost && a.bound == b.bound);
        cr_assert(memcmp(a.goes, b.goes, c.problem.node_count) == 0);
        for (size_t i = 0; i < a.move_count; i++)
            cr_assert(a.moves[i].from == b.moves[i].from && a.moves[i].to == b.moves[i].to &&
                      a.moves[i].kind == b.moves[i].kind && a.moves[i].count == b.moves[i].count);
        arena_release(&arena);
    }
}

/* A cluster of a size that there is: 1,000 nodes, 20 workloads, all half full. */
Test(plan_drain, a_large_cluster_takes_bounded_work, .timeout = 60) {
    enum { COUNT = 1000, KINDS = 20 };
    struct drain_kind *kinds = mem_alloc_array(KINDS, sizeof(*kinds));
    struct drain_node *nodes = mem_alloc_array(COUNT, sizeof(*nodes));
    struct drain_load *loads = mem_alloc_array(COUNT, 4 * sizeof(*loads));
    uint8_t *may = mem_alloc_array(COUNT, KINDS);
    memset(may, 1, (size_t)COUNT * KINDS);
    state = 3;
    for (size_t i = 0; i < KINDS; i++)
        kinds[i] = (struct drain_kind){.need = {draw(1, 10) * 100, draw(1, 10) * 256, 1}, .group = i};
    for (size_t j = 0; j < COUNT; j++) {
        nodes[j] = (struct drain_node){.has = {8000, 32000, 110}, .price = draw(1, 3) * 100000, .loads = &loads[j * 4]};
        for (size_t k = 0; k < 4; k++)
            loads[j * 4 + nodes[j].load_count++] = (struct drain_load){(size_t)draw(0, KINDS - 1), draw(0, 3)};
    }
    const struct drain_problem problem = {
        .kinds = kinds, .kind_count = KINDS, .nodes = nodes, .node_count = COUNT, .may = may, .work_max = 20000000};
    struct drain_result r;
    drain_solve(&problem, &arena, &r);
    cr_expect_gt(r.goes_count, 300u);
    cr_expect_leq(r.bound, r.cost);
    cr_expect_leq((r.cost - r.bound) * 100, r.bound * 10);
    cr_expect_lt(arena.used, (size_t)64 << 20);
    arena_release(&arena);
    mem_free(kinds);
    mem_free(nodes);
    mem_free(loads);
    mem_free(may);
}

/* Each replica on a node of its own, in a cluster as large as there are. */
Test(plan_drain, many_that_are_kept_apart_take_little_time, .timeout = 10) {
    enum { COUNT = 5000, LOADS = 20, MORE = 3000 };
    struct drain_kind *kinds = mem_alloc_array(LOADS + 1, sizeof(*kinds));
    struct drain_node *nodes = mem_alloc_array(COUNT, sizeof(*nodes));
    struct drain_load loads[LOADS];
    uint8_t *may = mem_alloc_array(COUNT, LOADS + 1), *has = mem_alloc(COUNT);
    memset(may, 1, (size_t)COUNT * (LOADS + 1));
    for (size_t i = 0; i <= LOADS; i++)
        kinds[i] = (struct drain_kind){.need = {100, 128, 1}, .group = i, .is_apart = i == LOADS};
    for (size_t k = 0; k < LOADS; k++)
        loads[k] = (struct drain_load){k, 1};
    for (size_t j = 0; j < COUNT; j++)
        nodes[j] = (struct drain_node){
            .has = {8000, 32000, 110}, .price = 100000, .loads = loads, .load_count = j == 7 ? LOADS - 1 : LOADS};
    const struct drain_load more = {LOADS, MORE};
    const struct drain_problem problem = {.kinds = kinds,
                                          .kind_count = LOADS + 1,
                                          .nodes = nodes,
                                          .node_count = COUNT,
                                          .may = may,
                                          .more = &more,
                                          .more_count = 1};
    struct drain_result r;
    drain_solve(&problem, &arena, &r);
    cr_expect_eq(r.unplaced_count, 0u);
    cr_expect_eq(r.move_count, (size_t)MORE);
    for (size_t i = 0; i < r.move_count; i++) {
        cr_expect_eq(r.moves[i].count, 1);
        cr_expect_eq(has[r.moves[i].to]++, 0);
    }
    cr_expect_eq(has[7], 0, "the fullest first, of these the first");
    cr_expect_eq(has[0], 1);
    cr_expect_eq(has[MORE], 1);
    cr_expect_eq(has[MORE + 1], 0);
    arena_release(&arena);
    mem_free(kinds);
    mem_free(nodes);
    mem_free(may);
    mem_free(has);
}
