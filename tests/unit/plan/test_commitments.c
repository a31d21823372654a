/*
 * Capacity that is owed either way costs nothing more: what that changes about growth, shrinking, other machines and
 * the bound.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "world.h"

static struct world w; /* One test, one process. */
static struct snapshot_commitment commitments[4];

static struct snapshot_commitment *commit(const char *types, bool is_vcpu, int64_t amount) {
    static const char *const ids[] = {"ri-0", "ri-1", "ri-2", "ri-3"};
    size_t i = w.snapshot.commitment_count++;
    commitments[i] = (struct snapshot_commitment){
        "platform/aws",
        {.region = "us-east-1", .id = ids[i], .types = types, .is_vcpu = is_vcpu, .amount = amount, .price_hourly = -1},
        0};
    w.snapshot.commitments = commitments;
    return &commitments[i];
}

static void begin(void) {
    world_init(&w);
    w.policy.actions = 1U << ACTION_SCALE | 1U << ACTION_RIGHTSIZE;
    w.policy.forecast.horizon_ms = WORLD_STEPS * STEP_MS;
    w.policy.sla.lead_time_ms = STEP_MS;
}

/* Machines of 2 vCPU at 0.096; 1.3 of demand each. */
static struct snapshot_resource *group(int64_t count, double machines) {
    struct snapshot_resource *r = world_add(&w, count, machines * 1.3);
    world_large(r);
    return r;
}

static void sell(const char *type, int64_t vcpu, int64_t price) {
    world_sell(&w, world_offer("us-east-1", type, vcpu, 4 * vcpu, price));
}

Test(plan_commitments, what_is_covered_is_not_shrunk_as_that_saves_nothing) {
    static const struct {
        const char *types;
        bool is_vcpu;
        int64_t amount, used_milli;
        int64_t to; /* Of 10 that should be 4; 10: no action. */
        money_micros saving;
    } rows[] = {
        {"c5.*", false, 10, 0, 4, 6 * 96000}, /* Of other types. */
        {"m5.*", false, 3, 0, 4, 6 * 96000},  /* What stays fills it. */
        {"m5.*", false, 6, 0, 6, 4 * 96000},
        {"m5.*", false, 10, 0, 10, 0},
        {"m5.*", false, 99, 0, 10, 0},
        {"m5.*", false, 10, 4000, 6, 4 * 96000}, /* Others use four. */
        {"m5.*", true, 12, 0, 6, 4 * 96000},
        {"m5.*", true, 13, 0, 6, 4 * 96000},
        {"c5.*,m5.large", true, 14, 0, 7, 3 * 96000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        begin();
        group(10, 4);
        commit(rows[i].types, rows[i].is_vcpu, rows[i].amount)->used_milli = rows[i].used_milli;
        struct plan plan = world_plan(&w);
        const struct plan_action *a = world_action(&plan, "g0");
        cr_expect_eq(a ? a->to.count : 10, rows[i].to, "row %zu: %lld", i, (long long)(a ? a->to.count : 10));
        cr_expect_eq(a ? a->saving_hourly : 0, rows[i].saving, "row %zu", i);
        cr_expect(a || strstr(world_message(&plan, "Committed"), "ri-0"), "row %zu", i);
        cr_expect_eq(plan.cost_hourly, 960000, "What is paid at list is another figure");
        arena_release(&w.arena);
    }
}

Test(plan_commitments, a_machine_that_was_bought_as_spot_is_not_covered) {
    begin();
    group(10, 4)->resource.is_spot = true;
    w.resources[0].offer.price_spot_hourly = 96000;
    commit("m5.*", false, 10);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].to.count, 4);
    arena_release(&w.arena);
}

Test(plan_commitments, what_has_ended_counts_no_more) {
    for (int round = 0; round < 2; round++) {
        begin();
        group(10, 4);
        commit("m5.*", false, 10)->commitment.ends_at_ms = NOW_MS + round;
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.action_count, round == 0);
        arena_release(&w.arena);
    }
}

/* Ten and ten, of which ten are covered: the first may go from what is paid for. */
Test(plan_commitments, rows_shrink_by_what_is_paid_for) {
    begin();
    group(10, 5);
    group(10, 10);
    commit("m5.*", false, 10);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].to.count, 5);
    cr_expect_eq(plan.actions[0].saving_hourly, 5 * 96000);
    commitments[0].commitment.amount = 18;
    plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].to.count, 8, "three of five would go from what is owed");
    cr_expect_eq(plan.actions[0].saving_hourly, 2 * 96000);
    arena_release(&w.arena);
}

Test(plan_commitments, growth_into_them_costs_nothing_and_says_so) {
    begin();
    group(4, 10);
    commit("m5.*", false, 7);
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].to.count, 10);
    cr_expect_eq(plan.actions[0].saving_hourly, -3 * 96000);
    bool is_told = false;
    for (size_t i = 0; i < plan.actions[0].why_count; i++)
        is_told |= strstr(plan.actions[0].why[i], "7 of 10 machines run on commitment ri-0") != NULL;
    cr_expect(is_told);
    cr_expect_eq(plan.committed_hourly, 4 * 96000);
    cr_expect_eq(plan.desired_committed_hourly, 7 * 96000);
    arena_release(&w.arena);
}

/* Five of m6a.xlarge at 0.150 would do what ten of m5.large do at 0.096. */
Test(plan_commitments, who_stands_on_them_stays) {
    static const struct {
        int64_t amount;
        const char *reason; /* NULL: moves. */
    } rows[] = {{0, NULL}, {1, NULL}, {2, "NotWorthDisruption"}, {3, "Committed"}, {10, "Committed"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        begin();
        group(10, 10);
        sell("m6a.xlarge", 4, 150000);
        commit("m5.*", false, rows[i].amount);
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.action_count, rows[i].reason == NULL, "row %zu", i);
        cr_expect(!rows[i].reason || strstr(world_message(&plan, rows[i].reason), "m6a.xlarge"), "row %zu", i);
        money_micros paid = (10 - rows[i].amount) * 96000;
        if (rows[i].reason)
            cr_expect_eq(plan.desired_cost_hourly - plan.desired_committed_hourly, paid, "row %zu", i);
        cr_expect(plan.gap_per_mille <= 1 || i == 2, "row %zu: %lld", i, (long long)plan.gap_per_mille);
        arena_release(&w.arena);
    }
}

/* One that is dearer, and that another of its place dominates at list price. */
Test(plan_commitments, who_can_move_on_to_unused_ones_does) {
    for (int64_t amount = 3; amount <= 6; amount++) {
        begin();
        group(10, 10);
        sell("m6a.xlarge", 4, 400000);
        sell("c7.xlarge", 4, 300000);
        commit("m6a.*", false, amount);
        struct plan plan = world_plan(&w);
        bool pays = (5 - amount) * 400000 < 960000; /* And both run for an hour's twelfth. */
        cr_assert_eq(plan.action_count, pays, "%lld", (long long)amount);
        if (pays) {
            cr_expect_str_eq(plan.actions[0].to.type, "m6a.xlarge");
            cr_expect_eq(plan.actions[0].cost_hourly, 5 * 400000);
            cr_expect_eq(plan.actions[0].saving_hourly, 960000 - (amount < 5 ? 5 - amount : 0) * 400000);
            cr_expect_eq(plan.gap_per_mille, amount >= 5 ? 0 : plan.gap_per_mille);
        }
        arena_release(&w.arena);
    }
}

/* It ends after half of the horizon: what comes then is paid for. */
Test(plan_commitments, they_count_until_they_end) {
    for (int half = 0; half <= 1; half++) {
        begin();
        group(10, 10);
        sell("m6a.xlarge", 4, 400000);
        commit("m6a.*", false, 5)->commitment.ends_at_ms = NOW_MS + (half ? 12 : 24) * STEP_MS;
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.action_count, !half); /* 1.0 an hour in the mean, as against 0.96. */
        arena_release(&w.arena);
    }
}

Test(plan_commitments, what_one_row_takes_another_does_not_get) {
    for (int64_t amount = 5; amount <= 10; amount += 5) {
        begin();
        group(10, 10);
        group(10, 10);
        sell("m6a.xlarge", 4, 400000);
        commit("m6a.*", false, amount);
        struct plan plan = world_plan(&w);
        cr_expect_eq(plan.action_count, (size_t)amount / 5);
        cr_expect_eq(plan.desired_committed_hourly, amount * 400000);
        cr_expect_leq(plan.gap_per_mille, 1); /* Rounded up. */
        arena_release(&w.arena);
    }
}

/* More of them than the programme of the bound takes: list prices, less all that is owed. */
Test(plan_commitments, the_bound_holds_for_many) {
    enum { MANY = 1001 };
    static struct snapshot_commitment many[MANY];
    static char ids[MANY][8];
    begin();
    for (size_t i = 0; i < 2; i++)
        group(5000, 5000)->resource.count_max = 10000;
    for (size_t i = 0; i < MANY; i++) {
        snprintf(ids[i], sizeof(ids[i]), "%04zu", i);
        many[i] = (struct snapshot_commitment){
            "platform/aws", {.region = "us-east-1", .id = ids[i], .types = "m5.*", .amount = 1, .price_hourly = -1}, 0};
    }
    w.snapshot.commitments = many;
    w.snapshot.commitment_count = MANY;
    struct plan plan = world_plan(&w);
    cr_expect_eq(plan.desired_cost_hourly, 10000 * 96000);
    cr_expect_eq(plan.desired_committed_hourly, MANY * 96000);
    cr_expect_leq(plan.lower_bound_hourly, plan.desired_cost_hourly); /* With what is owed. */
    cr_expect_leq(plan.gap_per_mille, 1);
    arena_release(&w.arena);
}

/* Of vCPU: its own share is there for what comes in its place. */
Test(plan_commitments, another_size_under_the_same_commitment_has_its_share) {
    begin();
    group(10, 10);
    sell("m5.xlarge", 4, 190000);
    commit("m5.*", true, 10); /* Five of ten stand on it, two of five would. */
    w.policy.disruption.min_saving_percent = 0;
    struct plan plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 0, "0.57 for three, as against 0.48 for five");
    commitments[0].commitment.amount = 12; /* Six stand on it, three would: 0.38 each, but half a cent for changing. */
    plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 0);
    w.offers[0].offer.price_hourly = 150000;
    plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].saving_hourly, 4 * 96000 - 2 * 150000);
    arena_release(&w.arena);
}

/* Licences are paid for what is covered too. */
Test(plan_commitments, what_a_machine_costs_besides_its_price_is_no_commitments) {
    begin();
    group(10, 4);
    commit("m5.*", false, 10);
    w.policy.placement.overhead.hourly_cost = 10000;
    struct plan plan = world_plan(&w);
    cr_assert_eq(plan.action_count, 1);
    cr_expect_eq(plan.actions[0].to.count, 4);
    cr_expect_eq(plan.actions[0].saving_hourly, 6 * 10000);
    cr_expect_eq(plan.desired_cost_hourly - plan.desired_committed_hourly, 4 * 10000);
    cr_expect_leq(plan.gap_per_mille, 1);
    w.policy.disruption.min_saving_percent = 61; /* Of what is paid, not of what is owed: it is 60. */
    cr_expect_eq(world_plan(&w).action_count, 0);
    w.policy.disruption.min_saving_percent = 60;
    cr_expect_eq(world_plan(&w).action_count, 1);
    world_demand(&w, 0, 13); /* Ten: five of m6a.xlarge have half of the licences, 0.05; they would cost 0.5 more. */
    sell("m6a.xlarge", 4, 100000);
    plan = world_plan(&w);
    cr_expect_eq(plan.action_count, 0);
    cr_expect(strstr(world_message(&plan, "Committed"), "m6a.xlarge"));
    arena_release(&w.arena);
}

static uint64_t state = 1;
static int64_t draw(int64_t low, int64_t high) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return low + (int64_t)((state >> 33) % (uint64_t)(high - low + 1));
}

static void draw_commitment(void) {
    static const char *const types[] = {"m5.*", "m6.*", "c7.*", "m*", "*.large", "*"};
    commit(types[draw(0, 5)], draw(0, 1) == 1, draw(1, 20))->used_milli = 1000 * draw(0, 4);
}

static void draw_world(void) {
    static const char *const types[] = {"c7.large", "c7.xlarge", "m5.xlarge", "m6.2xlarge", "m6.large"};
    static const int64_t vcpus[] = {2, 4, 4, 8, 2};
    begin();
    w.policy.sla.lead_time_ms = 0; /* What it costs to change is another matter. */
    w.policy.disruption.min_saving_percent = 0;
    w.policy.placement.overhead.hourly_cost = draw(0, 1) * draw(0, 30000);
    for (int64_t i = draw(1, 5); i > 0; i--) {
        int64_t count = draw(1, 12);
        group(count, (double)(draw(0, 2) ? count : draw(1, 14)))->resource.is_spot = draw(0, 9) == 0;
    }
    for (size_t i = 0; i < 5; i++)
        if (draw(0, 3))
            sell(types[i], vcpus[i], vcpus[i] * draw(20000, 70000));
    for (int64_t i = draw(0, 3); i > 0; i--)
        draw_commitment();
}

static money_micros paid(const struct plan *plan) {
    return plan->desired_cost_hourly - plan->desired_committed_hourly;
}

/* Each row pays no more than without them, whoever else uses them. */
Test(plan_commitments, never_make_a_plan_dearer) {
    size_t covered = 0, cheaper = 0;
    for (int round = 0; round < 3000; round++) {
        draw_world();
        if (w.snapshot.commitment_count == 0)
            draw_commitment();
        struct plan with = world_plan(&w);
        w.snapshot.commitment_count = 0;
        struct plan without = world_plan(&w);
        cr_assert_eq(without.desired_committed_hourly, 0);
        cr_assert_leq(paid(&with), paid(&without), "round %d", round);
        covered += with.desired_committed_hourly > 0;
        cheaper += paid(&with) < paid(&without);
        arena_release(&w.arena);
    }
    cr_expect(covered > 1500 && cheaper > 1000, "%zu %zu", covered, cheaper);
}

static money_micros least(const struct plan *plan) {
    return plan->lower_bound_hourly - plan->desired_committed_hourly;
}

/* Rows take in turn, so that one more may be taken by the wrong one: never for more than the gap. */
Test(plan_commitments, one_more_is_seldom_dearer_and_never_beyond_the_gap) {
    size_t dearer = 0, cheaper = 0;
    for (int round = 0; round < 3000; round++) {
        draw_world();
        struct plan before = world_plan(&w);
        draw_commitment();
        struct plan after = world_plan(&w);
        cr_assert_leq(least(&before), paid(&before), "round %d", round);
        cr_assert_leq(least(&after), paid(&after), "round %d", round);
        cr_assert_leq(least(&after), least(&before) + 2 + least(&before) / 100000000, "round %d", round);
        dearer += paid(&after) > paid(&before);
        cheaper += paid(&after) < paid(&before);
        arena_release(&w.arena);
    }
    cr_expect(dearer < 60 && cheaper > 1000, "%zu %zu", dearer, cheaper);
}
