/*
 * Which action each whyNot is about.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/buf.h"
#include "world.h"

static struct world w; /* One test, one process. */

static const struct plan_why_not *find(const struct plan *plan, const char *reason) {
    for (size_t i = 0; i < plan->why_not_count; i++)
        if (strcmp(plan->why_not[i].reason, reason) == 0)
            return &plan->why_not[i];
    cr_assert_fail("no %s", reason);
    return NULL;
}

static const char *action_of(const char *reason) {
    struct plan plan = world_plan(&w);
    const char *action = find(&plan, reason)->action;
    return action ? action : "-";
}

Test(plan_why_not, of_a_size_it_is_scale) {
    world_init(&w);
    world_add(&w, 10, 12.9); /* 10 of 1.3 */
    cr_expect_str_eq(action_of("InTrim"), "-");
    w.policy.capacity.max = 10;
    world_demand(&w, 0, 20);
    cr_expect_str_eq(action_of("AtMaximum"), "Scale");
    w.policy.capacity.max = INT64_MAX;
    w.headroom.freeze_growth = true;
    cr_expect_str_eq(action_of("BudgetFreeze"), "Scale");
    world_demand(&w, 0, 5);
    w.sources[0].state = SOURCE_STALE;
    cr_expect_str_eq(action_of("StaleObservation"), "Scale");
    w.sources[0].state = SOURCE_MISSING;
    cr_expect_str_eq(action_of("MissingObservation"), "-");
    arena_release(&w.arena);
}

Test(plan_why_not, of_other_machines_it_is_what_would_change_them) {
    static const struct policy_target target = {
        .provider = {"platform", "aws"}, .region = "eu-west-1", .template = "t", .on_demand = true};
    world_init(&w);
    w.policy.actions = 1U << ACTION_SCALE | 1U << ACTION_RIGHTSIZE | 1U << ACTION_MIGRATE;
    w.policy.forecast.horizon_ms = WORLD_STEPS * STEP_MS;
    w.policy.placement.targets = &target;
    w.policy.placement.target_count = 1;
    struct snapshot_resource *r = world_add(&w, 10, 12.9);
    world_large(r);
    world_sell(&w, world_offer("eu-west-1", "m6.large", 2, 8, 100000));
    world_sell(&w, world_offer("us-east-1", "m6.large", 2, 4, 90000));
    cr_expect_str_eq(action_of("TooSmall"), "Rightsize");
    cr_expect_str_eq(action_of("DearerThanNow"), "Migrate");
    struct plan plan = world_plan(&w);
    struct buf out = {0};
    plan_print_text(&plan, &out);
    cr_expect(strstr(buf_text(&out), "= platform/aws/us-east-1/g0  Migrate: DearerThanNow\n"), "%s", buf_text(&out));
    buf_clear(&out);
    plan_print_json(&plan, &out);
    cr_expect(strstr(buf_text(&out), "\"action\":\"Migrate\",\"reason\":\"DearerThanNow\""), "%s", buf_text(&out));
    buf_release(&out);
    arena_release(&w.arena);
}

Test(plan_why_not, of_what_nobody_uses_it_is_what_would_end_it) {
    world_init(&w);
    struct snapshot_resource *r = world_add(&w, 1, 0);
    w.policy.actions = 1U << ACTION_SCALE;
    w.policy.idle.after_ms = STEP_MS;
    r->resource.kind = w.sources[0].kind = CLOUD_VOLUME;
    r->resource.state = CLOUD_AVAILABLE;
    r->resource.created_at_ms = NOW_MS - 2 * STEP_MS;
    cr_expect_str_eq(action_of("ActionNotAllowed"), "Delete");
    r->resource.parent = "i-1";
    cr_expect_str_eq(action_of("InUse"), "Delete");
    arena_release(&w.arena);
}
