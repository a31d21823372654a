/*
 * What OOM kills have raised: what a policy's status remembers of it, whatever a listing shows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "loop/loop_internal.h"

#define HOUR INT64_C(3600000)
#define T0 (HOUR * 500000)
#define PROVIDER "platform/cluster"

static struct policy policy = {.forecast = {.metric = CLOUD_METRIC_MEMORY, .history_ms = 24 * HOUR}};
static struct object object = {.kind = OBJECT_POLICY, .as = {.policy = &policy}};
static struct policy_state state;

static void tear_down(void) {
    arena_release(&state.raises.arena);
}

TestSuite(loop_raises, .fini = tear_down);

static struct snapshot_resource listed(const char *id, const struct history_raise *raises, size_t count) {
    return (struct snapshot_resource){.provider = PROVIDER,
                                      .resource = {.kind = CLOUD_WORKLOAD, .region = "", .id = id},
                                      .history = {.raises = raises, .raise_count = count}};
}

/* After a plan for the first `count` of the resources. */
static void take(const struct snapshot_resource *resources, size_t count, int64_t as_of_ms) {
    const struct snapshot snapshot = {.as_of_ms = as_of_ms, .resources = resources, .resource_count = count};
    raises_take(&state, &object, &snapshot);
    cr_assert(state.raises.is_known);
}

static bool is_item(size_t i, const char *id, int64_t time_ms, int64_t memory_mib) {
    const struct object_raise *it = &state.raises.items[i];
    return i < state.raises.count && strcmp(it->id, id) == 0 && strcmp(it->provider, PROVIDER) == 0 &&
           it->time_ms == time_ms && it->memory_mib == memory_mib;
}

Test(loop_raises, what_a_listing_lacks_is_remembered_until_its_time_has_passed) {
    const struct history_raise of_a = {T0, 500.2}, of_b = {T0 - HOUR, 800};
    const struct snapshot_resource both[] = {listed("a", &of_a, 1), listed("b", &of_b, 1)};
    take(both, 2, T0 + HOUR);
    cr_assert_eq(state.raises.count, 2);
    for (int64_t hour = 2; hour <= 23; hour++) {
        take(both, 1, T0 + hour * HOUR);
        cr_assert_eq(state.raises.count, 2, "hour %lld", (long long)hour);
        cr_assert(is_item(0, "a", T0, 501) && is_item(1, "b", T0 - HOUR, 800), "hour %lld", (long long)hour);
    }
    take(both, 1, T0 + 23 * HOUR + 1);
    cr_expect(state.raises.count == 1 && is_item(0, "a", T0, 501));
}

Test(loop_raises, of_what_is_listed_the_history_knows) {
    const struct history_raise was = {T0, 500}, is = {T0 + HOUR, 700};
    const struct snapshot_resource first[] = {listed("a", &was, 1), listed("b", &was, 1)};
    const struct snapshot_resource then[] = {listed("a", &is, 1), listed("b", NULL, 0)};
    take(first, 2, T0);
    take(then, 2, T0 + 2 * HOUR);
    cr_expect(state.raises.count == 1 && is_item(0, "a", T0 + HOUR, 700));
}

Test(loop_raises, the_first_plan_of_a_process_goes_on_from_the_status) {
    const struct object_raise shown = {PROVIDER, "", CLOUD_WORKLOAD, "b", T0, 900};
    const struct snapshot_resource other = listed("a", NULL, 0);
    object.raises = &shown;
    object.raise_count = 1;
    take(&other, 1, T0 + HOUR);
    cr_expect(state.raises.count == 1 && is_item(0, "b", T0, 900));
    object.raises = NULL;
    object.raise_count = 0;
    take(&other, 1, T0 + 2 * HOUR);
    cr_expect(state.raises.count == 1 && is_item(0, "b", T0, 900), "its own memory");
}

Test(loop_raises, what_is_listed_goes_before_what_is_not) {
    static struct snapshot_resource many[OBJECT_RAISES_MAX];
    static char ids[OBJECT_RAISES_MAX][8];
    const struct history_raise old = {T0, 500}, newer[] = {{T0 + HOUR, 600}, {T0 + 2 * HOUR, 550}};
    const struct snapshot_resource gone = listed("z", newer, 2);
    take(&gone, 1, T0 + 3 * HOUR);
    for (size_t i = 0; i < OBJECT_RAISES_MAX; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "a%03zu", i);
        many[i] = listed(ids[i], &old, 1);
    }
    take(many, OBJECT_RAISES_MAX - 1, T0 + 4 * HOUR);
    cr_expect_eq(state.raises.count, OBJECT_RAISES_MAX);
    cr_expect(is_item(OBJECT_RAISES_MAX - 1, "z", T0 + 2 * HOUR, 550), "the newer one of the two");
    take(many, OBJECT_RAISES_MAX, T0 + 4 * HOUR);
    cr_expect_eq(state.raises.count, OBJECT_RAISES_MAX);
    cr_expect(is_item(OBJECT_RAISES_MAX - 1, "a099", T0, 500));
}

Test(loop_raises, no_demand_is_too_large_to_be_shown) {
    const struct history_raise huge = {T0, 1e300};
    const struct snapshot_resource resource = listed("a", &huge, 1);
    take(&resource, 1, T0);
    cr_expect(is_item(0, "a", T0, INT64_MAX));
}
