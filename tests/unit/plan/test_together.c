/*
 * All that a plan weighs, at once: random worlds of groups and machines in places, with commitments, quotas,
 * stock-outs, spread, what is closed, what agents keep and what violations cost. Whatever the mixture, the plan stays
 * inside its limits and above its bound, does not depend on the order of the listing, and carried out comes to an end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "world.h"

#define ROUNDS 4000
#define TURNS_MAX 200 /* A narrow band of capacity lets machines come and go one by one. */

static struct world w; /* One test, one process. */
static struct snapshot_offer offers[40];
static struct snapshot_commitment commitments[3];
static struct snapshot_limit limits[3];
static struct snapshot_outage outages[3];
static struct policy_spread spreads[2];
static struct policy_target targets[3];
static struct policy_slot slot;
static struct headroom_closure closure;
static char types[12][48];
static float idle[4], busy[] = {3, 2, 3, 1};
static uint64_t chance;

static int64_t draw(int64_t low, int64_t high) {
    chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407;
    return low + (int64_t)((chance >> 33) % (uint64_t)(high - low + 1));
}

static bool once_in(int64_t n) {
    return draw(1, n) == 1;
}

static const char *const providers[] = {"platform/aws", "platform/gcp"};
static const char *const regions[] = {"us-east-1", "us-west-2"};
static const char *const zones[] = {"a", "b", "c", ""};

/* ---- a world ---- */

/* The same types everywhere, at other prices. */
static void draw_offers(void) {
    size_t type_count = (size_t)draw(1, 5);
    w.snapshot.offers = offers;
    for (size_t t = 0; t < type_count; t++) {
        int64_t vcpu = INT64_C(1) << draw(0, 3), ratio = draw(3, 5);
        snprintf(types[t], sizeof(types[t]), "x%zu.%lld", t, (long long)vcpu);
        for (size_t place = 0; place < 4; place++) {
            struct snapshot_offer *offer = &offers[w.snapshot.offer_count++];
            int64_t price = once_in(15) ? -1 : once_in(40) ? 0 : vcpu * draw(20000, 80000);
            *offer = (struct snapshot_offer){providers[place / 2],
                                             {.region = regions[place % 2],
                                              .type = types[t],
                                              .vcpu_milli = vcpu * 1000,
                                              .memory_mib = vcpu * ratio * 1024,
                                              .architecture = "amd64",
                                              .price_hourly = price,
                                              .price_spot_hourly = once_in(3) ? -1 : price / 2,
                                              .source = "test"}};
        }
    }
    qsort(offers, w.snapshot.offer_count, sizeof(*offers), snapshot_offer_cmp);
}

static const struct snapshot_offer *offer_find(const char *provider, const char *region, const char *type) {
    for (size_t k = 0; k < w.snapshot.offer_count; k++)
        if (strcmp(offers[k].provider, provider) == 0 && strcmp(offers[k].offer.region, region) == 0 &&
            strcmp(offers[k].offer.type, type) == 0)
            return &offers[k];
    return NULL;
}

/* The machines of a resource are those of an offer. */
static void become(struct snapshot_resource *r, const struct snapshot_offer *offer) {
    r->provider = offer->provider;
    r->has_offer = true;
    r->offer = offer->offer;
    r->resource.region = offer->offer.region;
    r->resource.type = offer->offer.type;
    r->resource.vcpu_milli = offer->offer.vcpu_milli;
    r->resource.memory_mib = offer->offer.memory_mib;
    r->capacity_per_machine =
        w.policy.forecast.metric == CLOUD_METRIC_CPU ? offer->offer.vcpu_milli : offer->offer.memory_mib;
    w.sources[r->source].provider = r->provider;
    w.sources[r->source].region = r->resource.region;
}

static void draw_demand(size_t i, double most) {
    double unit = w.policy.forecast.metric == CLOUD_METRIC_CPU ? 1 : 2048;
    double demand = once_in(15) ? 0 : most * unit * (double)draw(1, 100) / 100;
    world_demand(&w, i, demand);
    w.forecasts[i].level = demand / 2;
    for (size_t s = 0; s < WORLD_STEPS; s++)
        for (size_t j = 0; j < w.forecasts[i].quantile_count; j++)
            w.values[i][s * w.forecasts[i].quantile_count + j] *= 1 + (double)((s + i) % 5) / 10;
    if (once_in(12))
        w.forecasts[i].basis = FORECAST_BASIS_POOLED;
    if (once_in(25))
        w.forecasts[i].basis = FORECAST_BASIS_NONE;
}

static void draw_resource(void) {
    struct snapshot_resource *r = world_add(&w, draw(0, 20), 1);
    become(r, &offers[draw(0, (int64_t)w.snapshot.offer_count - 1)]);
    r->resource.zone = zones[draw(0, 3)];
    r->resource.is_spot = once_in(6);
    r->resource.count_min = once_in(3) ? draw(0, 6) : 0;
    r->resource.count_max = once_in(10) ? 0 : draw(10, 60);
    if (once_in(4)) {
        r->resource.kind = w.sources[w.count - 1].kind = CLOUD_INSTANCE;
        r->resource.count = 1;
        r->resource.count_min = r->resource.count_max = 0;
        r->resource.state = once_in(5) ? CLOUD_STOPPED : CLOUD_RUNNING;
    }
    draw_demand(w.count - 1, r->resource.kind == CLOUD_INSTANCE ? 4 : 30);
    w.resources[w.count - 1].history = (struct history_series){
        .start_ms = NOW_MS - 4 * STEP_MS, .step_ms = STEP_MS, .count = 4, .demand = once_in(5) ? idle : busy};
    if (once_in(12))
        w.sources[w.count - 1].state = (enum source_state)draw(SOURCE_STALE, SOURCE_MISSING);
    r->claimed_by = once_in(20) ? "platform/other" : NULL;
    r->resource.size_manager = once_in(20) ? "terraform" : NULL;
    r->resource.state = once_in(30) ? CLOUD_DELETING : r->resource.state;
}

static void draw_commitments(void) {
    static const char *const ids[] = {"ri-0", "ri-1", "ri-2"};
    static const char *const globs[] = {"x0.*", "x1.*,x2.*", "*"};
    w.snapshot.commitments = commitments;
    w.snapshot.commitment_count = (size_t)draw(0, 3);
    for (size_t c = 0; c < w.snapshot.commitment_count; c++) {
        commitments[c] = (struct snapshot_commitment){providers[draw(0, 1)],
                                                      {.region = regions[draw(0, 1)],
                                                       .id = ids[c],
                                                       .types = globs[draw(0, 2)],
                                                       .is_vcpu = once_in(2),
                                                       .amount = draw(1, 30),
                                                       .price_hourly = -1},
                                                      once_in(3) ? draw(0, 40000) : 0};
        commitments[c].commitment.ends_at_ms = once_in(3) ? NOW_MS + draw(-1, WORLD_STEPS + 4) * STEP_MS : 0;
    }
    qsort(commitments, w.snapshot.commitment_count, sizeof(*commitments), snapshot_commitment_cmp);
}

static void draw_limits(void) {
    w.snapshot.limits = limits;
    w.snapshot.limit_count = once_in(2) ? (size_t)draw(1, 3) : 0;
    for (size_t i = 0; i < w.snapshot.limit_count; i++) {
        static const char *const ids[] = {"L-0", "L-1", "L-2"};
        limits[i] = (struct snapshot_limit){providers[draw(0, 1)],
                                            {.region = regions[draw(0, 1)],
                                             .id = ids[i],
                                             .name = "vCPU",
                                             .types = once_in(2) ? "*" : "x0.*,x1.*",
                                             .unit = once_in(4) ? "spot vCPU" : "vCPU",
                                             .value = (double)draw(0, 200),
                                             .used = once_in(2) ? -1 : (double)draw(0, 100)}};
    }
    qsort(limits, w.snapshot.limit_count, sizeof(*limits), snapshot_limit_cmp);
}

static void draw_outages(void) {
    w.snapshot.outages = outages;
    w.snapshot.outage_count = once_in(2) ? (size_t)draw(1, 3) : 0;
    for (size_t i = 0; i < w.snapshot.outage_count; i++) {
        const struct snapshot_offer *offer = &offers[draw(0, (int64_t)w.snapshot.offer_count - 1)];
        outages[i] = (struct snapshot_outage){offer->provider, offer->offer.region, offer->offer.type, once_in(3),
                                              NOW_MS + STEP_MS};
    }
    qsort(outages, w.snapshot.outage_count, sizeof(*outages), snapshot_outage_cmp);
}

static void draw_placement(void) {
    w.policy.placement.targets = targets;
    w.policy.placement.target_count = (size_t)draw(0, 3);
    for (size_t t = 0; t < w.policy.placement.target_count; t++)
        targets[t] = (struct policy_target){.provider = {"platform", once_in(2) ? "aws" : "gcp"},
                                            .region = regions[draw(0, 1)],
                                            .template = "lt",
                                            .on_demand = true,
                                            .spot = once_in(2)};
    w.policy.placement.spreads = spreads;
    w.policy.placement.spread_count = (size_t)draw(0, 2);
    for (size_t s = 0; s < w.policy.placement.spread_count; s++)
        spreads[s] = (struct policy_spread){(enum policy_topology)draw(0, TOPOLOGY_COUNT - 1), draw(1, 10), draw(1, 3)};
    w.policy.placement.has_anti_affinity = once_in(4);
    w.policy.placement.anti_affinity = (enum policy_topology)draw(0, TOPOLOGY_COUNT - 1);
    if (once_in(3)) {
        w.policy.placement.overhead.vcpu_milli = draw(0, 400);
        w.policy.placement.overhead.memory_mib = draw(0, 512);
        w.policy.placement.overhead.hourly_cost = draw(0, 20000);
    }
}

static void draw_policy(void) {
    w.policy.actions =
        (uint32_t)draw(0, 7) | (uint32_t)draw(0, 1) << ACTION_STOP | (uint32_t)draw(0, 1) << ACTION_DELETE;
    w.policy.forecast.horizon_ms = WORLD_STEPS * STEP_MS;
    w.policy.forecast.history_ms = WORLD_STEPS * STEP_MS;
    w.policy.forecast.metric = once_in(4) ? CLOUD_METRIC_MEMORY : CLOUD_METRIC_CPU;
    w.policy.sla.lead_time_ms = draw(0, 3) * STEP_MS;
    w.policy.sla.violation_cost = once_in(2) ? draw(1, 50) : 0;
    w.policy.sla.target_utilization_percent = draw(5, 100);
    w.policy.disruption.min_saving_percent = draw(0, 10);
    w.policy.disruption.max_change_percent = once_in(2) ? draw(1, 100) : 100;
    w.policy.idle.after_ms = draw(1, 3) * STEP_MS;
    if (once_in(3)) {
        struct error err;
        slot = (struct policy_slot){.weight = draw(2, 30), .duration_ms = 8 * STEP_MS};
        cr_assert_eq(schedule_parse("0 * * * *", "UTC", &slot.schedule, &err), ERR_NONE);
        w.policy.sla.slots = &slot;
        w.policy.sla.slot_count = 1;
    }
}

static void draw_world(uint64_t round) {
    int64_t sum = 0;
    chance = round * 977 + 1;
    world_init(&w);
    draw_policy();
    draw_offers();
    for (int64_t i = draw(0, WORLD_MAX); i > 0; i--)
        draw_resource();
    for (size_t i = 0; i < w.count; i++)
        sum += w.resources[i].resource.count;
    w.policy.capacity.min = once_in(2) ? draw(0, sum + 3) : 0;
    w.policy.capacity.max = once_in(2) ? draw(sum / 2, sum + 60) : INT64_MAX;
    if (w.policy.capacity.min > w.policy.capacity.max)
        w.policy.capacity.min = w.policy.capacity.max;
    draw_commitments();
    draw_limits();
    draw_outages();
    draw_placement();
    if (once_in(6)) {
        closure = (struct headroom_closure){.region = once_in(2) ? regions[draw(0, 1)] : NULL,
                                            .provider = once_in(3) ? "gcp" : NULL,
                                            .type = once_in(2) ? "x0.*" : NULL,
                                            .text = "drawn"};
        w.headroom.closures = &closure;
        w.headroom.closure_count = 1;
    }
    w.headroom.freeze_growth = once_in(12);
    w.headroom.shrink_to_minimum = once_in(20);
}

/* ---- what must hold ---- */

static bool is_scaled(const struct plan_action *a) {
    return a->type == ACTION_SCALE;
}

static bool is_closed(const struct snapshot_resource *r) {
    bool is_stopped = r->resource.kind == CLOUD_INSTANCE && r->resource.state == CLOUD_STOPPED;
    return !is_stopped && headroom_closure_of(&w.headroom, r->provider, r->resource.region, r->resource.type) != NULL;
}

static int64_t size_after(const struct snapshot_resource *r, const struct plan_action *a) {
    if (!a)
        return r->resource.count;
    if (r->resource.kind == CLOUD_INSTANCE) /* One that is stopped is still there, and counts. */
        return a->type == ACTION_DELETE ? 0 : 1;
    return a->type == ACTION_STOP ? 0 : a->to.count;
}

/* Whatever part of it is carried out, in whatever order. */
static void check_sums(const struct plan *plan, unsigned round) {
    int64_t least = 0, most = 0, now = 0;
    for (size_t i = 0; i < w.count; i++) {
        const struct snapshot_resource *r = &w.resources[i];
        const struct plan_action *a = world_action(plan, r->resource.id);
        if (is_closed(r) && !(a && a->type != ACTION_STOP && a->type != ACTION_DELETE))
            continue;
        int64_t count = is_closed(r) ? 0 : r->resource.count, to = size_after(r, a);
        bool is_beside = a && (a->type == ACTION_MIGRATE || is_closed(r));
        now += count;
        least += to < count ? to : count;
        most += is_beside ? count + to : to > count ? to : count;
    }
    cr_assert(least >= w.policy.capacity.min || least >= now, "round %u: %lld left of %lld", round, (long long)least,
              (long long)now);
    cr_assert(most <= w.policy.capacity.max || most <= now, "round %u: %lld beside %lld", round, (long long)most,
              (long long)now);
}

static void check_action(const struct snapshot_resource *r, const struct plan_action *a, unsigned round) {
    const struct snapshot_source *source = &w.sources[r->source];
    int64_t to = size_after(r, a);
    bool is_changed = a->type == ACTION_RIGHTSIZE || a->type == ACTION_MIGRATE;
    cr_assert(w.policy.actions >> a->type & 1u || a->type >= ACTION_START, "round %u: %d", round, (int)a->type);
    cr_assert(!r->claimed_by && source->state != SOURCE_MISSING && r->resource.state != CLOUD_DELETING, "round %u",
              round);
    bool is_less = to < r->resource.count || !is_scaled(a);
    cr_assert(!is_less || source->state == SOURCE_FRESH, "round %u: %s on a partial view", round, r->resource.id);
    cr_assert(a->risk_per_mille >= 0 && a->risk_per_mille <= 1000, "round %u", round);
    cr_assert(a->confidence_per_mille >= 0 && a->confidence_per_mille <= 1000, "round %u", round);
    cr_assert(a->cost_hourly >= -1 && a->why_count > 0, "round %u", round);
    if (r->resource.kind == CLOUD_INSTANCE_GROUP && (is_changed || is_scaled(a)))
        cr_assert(to >= r->resource.count_min || to >= r->resource.count ||
                      r->resource.count_min > r->resource.count_max,
                  "round %u", round);
    if (r->resource.kind == CLOUD_INSTANCE_GROUP && (is_changed || is_scaled(a)))
        cr_assert(to <= r->resource.count_max || to <= r->resource.count, "round %u: %s to %lld of %lld", round,
                  r->resource.id, (long long)to, (long long)r->resource.count_max);
    if (!is_changed)
        return;
    const char *provider = a->to.provider ? a->to.provider : r->provider;
    const char *region = a->to.region ? a->to.region : r->resource.region;
    bool is_spot = a->to.purchase ? strcmp(a->to.purchase, "Spot") == 0 : r->resource.is_spot;
    cr_assert(!snapshot_outage_of(&w.snapshot, provider, region, a->to.type, is_spot), "round %u: out of stock", round);
    cr_assert(!headroom_closure_of(&w.headroom, provider, region, a->to.type), "round %u: closed", round);
}

static void check_quotas(const struct plan *plan, unsigned round) {
    for (size_t l = 0; l < w.snapshot.limit_count; l++) {
        const struct cloud_limit *limit = &limits[l].limit;
        double used = limit->used >= 0 ? limit->used : 0, more = 0;
        for (size_t i = 0; i < w.count; i++) {
            const struct snapshot_resource *r = &w.resources[i];
            const struct plan_action *a = world_action(plan, r->resource.id);
            bool is_own = strcmp(limits[l].provider, r->provider) == 0 &&
                          strcmp(limit->region, r->resource.region) == 0 &&
                          cloud_limit_covers(limit, r->resource.type, r->resource.is_spot);
            if (is_own && limit->used < 0)
                used += (double)(r->resource.count * r->resource.vcpu_milli) / 1000;
            if (!a || a->type > ACTION_MIGRATE || r->resource.kind == CLOUD_INSTANCE || is_closed(r))
                continue;
            if (is_scaled(a)) {
                more += is_own && a->to.count > r->resource.count
                            ? (double)((a->to.count - r->resource.count) * r->resource.vcpu_milli) / 1000
                            : 0;
                continue;
            }
            const char *provider = a->to.provider ? a->to.provider : r->provider;
            const char *region = a->to.region ? a->to.region : r->resource.region;
            bool is_spot = a->to.purchase ? strcmp(a->to.purchase, "Spot") == 0 : r->resource.is_spot;
            const struct snapshot_offer *offer = offer_find(provider, region, a->to.type);
            if (strcmp(limits[l].provider, provider) == 0 && strcmp(limit->region, region) == 0 &&
                cloud_limit_covers(limit, a->to.type, is_spot))
                more += (double)(a->to.count * offer->offer.vcpu_milli) / 1000;
        }
        cr_assert(more == 0 || used + more <= limit->value + 1e-6, "round %u: %s %g + %g of %g", round, limit->id, used,
                  more, limit->value);
    }
}

static void check(const struct plan *plan, unsigned round) {
    check_sums(plan, round);
    check_quotas(plan, round);
    for (size_t a = 0; a < plan->action_count; a++)
        for (size_t i = 0; i < w.count; i++)
            if (strcmp(plan->actions[a].id, w.resources[i].resource.id) == 0)
                check_action(&w.resources[i], &plan->actions[a], round);
    money_micros bound = plan->lower_bound_hourly, cost = plan->desired_cost_hourly;
    cr_assert(bound == -1 || cost == -1 || (bound >= 0 && bound <= cost), "round %u: bound %lld, cost %lld", round,
              (long long)bound, (long long)cost);
    cr_assert(plan->gap_per_mille >= 0 && plan->gap_per_mille <= 1000, "round %u", round);
    cr_assert(plan->committed_hourly >= 0 && plan->desired_committed_hourly >= 0, "round %u", round);
    cr_assert(plan->cost_hourly < 0 || plan->committed_hourly <= plan->cost_hourly, "round %u", round);
    cr_assert(cost < 0 || plan->desired_committed_hourly <= cost, "round %u", round);
    for (size_t i = 0; i < plan->resource_count; i++)
        cr_assert(isfinite(plan->resources[i].demand) && plan->resources[i].desired >= 0, "round %u", round);
}

Test(plan_together, any_world_stays_inside_its_limits_and_above_its_bound) {
    for (unsigned round = 0; round < ROUNDS; round++) {
        draw_world(round);
        const struct plan plan = world_plan(&w);
        check(&plan, round);
        arena_release(&w.arena);
    }
}

/* ---- the order of the listing ---- */

static void swap_resources(size_t i, size_t k) {
    const struct snapshot_resource r = w.resources[i];
    const struct forecast f = w.forecasts[i];
    w.resources[i] = w.resources[k];
    w.resources[k] = r;
    w.forecasts[i] = w.forecasts[k];
    w.forecasts[k] = f;
}

Test(plan_together, the_order_of_the_listing_changes_nothing) {
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct buf before = {0}, after = {0};
        draw_world(round);
        const struct plan plan = world_plan(&w);
        plan_print_json(&plan, &before);
        for (size_t i = w.count; i-- > 1;)
            swap_resources(i, (size_t)draw(0, (int64_t)i));
        const struct plan again = world_plan(&w);
        plan_print_json(&again, &after);
        cr_assert_str_eq(buf_text(&before), buf_text(&after), "round %u", round);
        buf_release(&before);
        buf_release(&after);
        arena_release(&w.arena);
    }
}

/* ---- carried out ---- */

static void carry_out(struct snapshot_resource *r, const struct plan_action *a) {
    const char *provider = r->provider, *region = r->resource.region, *type = r->resource.type;
    if (a->type > ACTION_MIGRATE)
        return;
    if (a->type != ACTION_SCALE) {
        become(r, offer_find(a->to.provider ? a->to.provider : provider, a->to.region ? a->to.region : region,
                             a->to.type));
        r->resource.is_spot = a->to.purchase ? strcmp(a->to.purchase, "Spot") == 0 : r->resource.is_spot;
        r->resource.zone = a->type == ACTION_MIGRATE ? "" : r->resource.zone;
        r->last_change = (struct snapshot_change){NOW_MS, provider, region, type};
    }
    if (r->resource.kind != CLOUD_INSTANCE)
        r->resource.count = r->resource.serving = a->to.count;
}

/* Groups are stopped by hand, and machines deleted: those stay. */
static size_t left_to_do(const struct plan *plan) {
    size_t count = 0;
    for (size_t a = 0; a < plan->action_count; a++)
        count += plan->actions[a].type <= ACTION_MIGRATE;
    return count;
}

static void apply(const struct plan *plan) {
    for (size_t i = 0; i < w.count; i++) {
        const struct plan_action *a = world_action(plan, w.resources[i].resource.id);
        if (a)
            carry_out(&w.resources[i], a);
    }
}

Test(plan_together, what_is_carried_out_comes_to_an_end) {
    for (unsigned round = 0; round < ROUNDS; round++) {
        draw_world(round);
        w.policy.disruption.max_change_percent = 100;
        struct plan plan = world_plan(&w);
        int turn = 0;
        for (; turn < TURNS_MAX && left_to_do(&plan) > 0; turn++) {
            apply(&plan);
            plan = world_plan(&w);
            check(&plan, round);
        }
        cr_assert_eq(left_to_do(&plan), 0, "round %u: still after %d plans", round, turn);
        arena_release(&w.arena);
    }
}
