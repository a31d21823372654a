/*
 * Listings: cadence, back-off, states of a source, numbering, reopening; and prices.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "rig.h"

static void set_groups(struct rig *rig, size_t region, size_t count) {
    static const char *const ids[] = {"a", "b", "c", "d"};
    struct rig_region *r = &rig->regions[region];
    mem_free(r->resources);
    r->resources = mem_alloc_array(count, sizeof(*r->resources));
    r->count = count;
    for (size_t i = 0; i < count; i++)
        r->resources[i] = rig_group(region ? "r2" : "r1", ids[i], "m5.xlarge", NULL, 0);
}

static enum source_state state_of(const struct rig *rig, uint64_t *sequence) {
    int64_t seen_ms;
    return observe_source(rig->observe, "platform/p", "r1", CLOUD_INSTANCE_GROUP, &seen_ms, sequence);
}

static struct observe_report report_of(const struct rig *rig) {
    struct observe_report report;
    observe_provider_report(rig->observe, "platform", "p", &report);
    return report;
}

static uint64_t gap_ms(const struct rig *rig, size_t index) {
    return (rig->list_at_ns[index + 1] - rig->list_at_ns[index]) / MS;
}

Test(observe_list, a_region_is_listed_at_its_period_less_a_little_jitter) {
    struct rig rig;
    rig_start(&rig);
    set_groups(&rig, 0, 2);
    rig_open(&rig, "p", false);
    rig_run(&rig, 60 * MINUTE);
    cr_assert_geq(rig.list_count, 60);
    cr_assert_leq(rig.list_count, 68);
    bool jittered = false;
    for (size_t i = 0; i + 1 < rig.list_count; i++) {
        cr_assert_geq(gap_ms(&rig, i), RIG_PERIOD_MS * 9 / 10);
        cr_assert_leq(gap_ms(&rig, i), RIG_PERIOD_MS);
        jittered = jittered || gap_ms(&rig, i) != gap_ms(&rig, 0);
    }
    cr_assert(jittered, "many regions would march in step");
    rig_stop(&rig);
}

Test(observe_list, failures_back_off_to_ten_minutes_and_keep_the_last_good_listing) {
    struct rig rig;
    rig_start(&rig);
    set_groups(&rig, 0, 2);
    rig_open(&rig, "p", false);
    rig_run(&rig, SECOND);
    error_set(&rig.regions[0].list_error, ERR_RETRYABLE, "unavailable");
    size_t first = rig.list_count; /* The first that fails. */
    rig_run(&rig, 60 * MINUTE);
    uint64_t wanted_ms = RIG_PERIOD_MS;
    for (size_t i = first; i + 1 < rig.list_count; i++) {
        cr_assert_eq(gap_ms(&rig, i), wanted_ms, "after %zu failures", i - first + 1);
        wanted_ms = wanted_ms * 2 < 600000 ? wanted_ms * 2 : 600000;
    }
    cr_assert_eq(wanted_ms, 600000);
    const struct cloud_resource *found;
    cr_assert(observe_find(rig.observe, "platform/p", "r1", CLOUD_INSTANCE_GROUP, "b", &found));
    cr_assert_eq(state_of(&rig, NULL), SOURCE_STALE);
    cr_assert_eq(report_of(&rig).trouble.error.class, ERR_RETRYABLE);
    cr_assert_str_eq(report_of(&rig).trouble.region, "r1");
    cr_assert(report_of(&rig).listed);
    rig.regions[0].list_error = (struct error){0};
    rig_run(&rig, 11 * MINUTE);
    cr_assert_eq(state_of(&rig, NULL), SOURCE_FRESH);
    cr_assert_eq(report_of(&rig).trouble.error.class, ERR_NONE);
    cr_assert_leq(gap_ms(&rig, rig.list_count - 2), RIG_PERIOD_MS, "a success forgets the failures");
    rig_stop(&rig);
}

Test(observe_list, a_delay_that_the_cloud_names_is_kept) {
    struct rig rig;
    rig_start(&rig);
    error_set(&rig.regions[0].list_error, ERR_THROTTLED, "slow down");
    rig.regions[0].list_error.retry_after_ms = 200000;
    rig_open(&rig, "p", false);
    rig_run(&rig, 10 * MINUTE);
    cr_assert_eq(gap_ms(&rig, 0), 200000);
    rig_stop(&rig);
}

Test(observe_list, a_source_is_missing_then_fresh_then_stale_or_truncated) {
    struct rig rig;
    rig_start(&rig);
    rig.latency_ns = SECOND;
    cr_assert_eq(state_of(&rig, NULL), SOURCE_MISSING);
    set_groups(&rig, 0, 2);
    rig_open(&rig, "p", false);
    rig_run(&rig, 100 * MS);
    cr_assert_eq(state_of(&rig, NULL), SOURCE_MISSING);
    cr_assert_not(report_of(&rig).listed);
    rig_run(&rig, 3 * SECOND);
    cr_assert_eq(state_of(&rig, NULL), SOURCE_FRESH);
    cr_assert_str_eq(report_of(&rig).account, "account-1");
    rig.regions[0].truncated = true;
    rig_run(&rig, 2 * MINUTE);
    cr_assert_eq(state_of(&rig, NULL), SOURCE_TRUNCATED);
    cr_assert(report_of(&rig).truncated);
    error_set(&rig.regions[0].list_error, ERR_PERMISSION, "denied");
    rig_run(&rig, 3 * MINUTE);
    cr_assert_eq(state_of(&rig, NULL), SOURCE_TRUNCATED, "not older than five periods");
    rig_run(&rig, 4 * MINUTE);
    cr_assert_eq(state_of(&rig, NULL), SOURCE_STALE);
    cr_assert_eq(observe_source(rig.observe, "platform/p", "r9", CLOUD_INSTANCE_GROUP, &(int64_t){0}, NULL),
                 SOURCE_MISSING);
    rig_stop(&rig);
}

Test(observe_list, one_bad_region_leaves_the_others_alone) {
    struct rig rig;
    rig_start(&rig);
    set_groups(&rig, 0, 1);
    set_groups(&rig, 1, 3);
    error_set(&rig.regions[0].list_error, ERR_PERMISSION, "denied");
    rig_open(&rig, "p", true);
    rig_run(&rig, MINUTE);
    int64_t seen_ms;
    cr_assert_eq(state_of(&rig, NULL), SOURCE_MISSING);
    cr_assert_eq(observe_source(rig.observe, "platform/p", "r2", CLOUD_INSTANCE_GROUP, &seen_ms, NULL), SOURCE_FRESH);
    cr_assert_eq(report_of(&rig).counts[CLOUD_INSTANCE_GROUP], 3);
    cr_assert_not(report_of(&rig).listed, "not every region is");
    rig_stop(&rig);
}

Test(observe_list, a_step_of_the_wall_clock_makes_nothing_stale) {
    struct rig rig;
    rig_start(&rig);
    set_groups(&rig, 0, 1);
    rig_open(&rig, "p", false);
    rig_run(&rig, SECOND);
    rig.runtime.wall_origin_ms += 3600000;
    cr_assert_eq(state_of(&rig, NULL), SOURCE_FRESH);
    rig.runtime.wall_origin_ms -= 2 * 3600000;
    cr_assert_eq(state_of(&rig, NULL), SOURCE_FRESH);
    rig_run(&rig, 5 * MINUTE);
    cr_assert_geq(rig.list_count, 5);
    rig_stop(&rig);
}

/* ---- kinds ---- */

#define ALL_KINDS ((1u << CLOUD_KIND_COUNT) - 1)
#define GROUP_KIND (1u << CLOUD_INSTANCE_GROUP)

static struct cloud_resource of_kind(enum cloud_kind kind, const char *id) {
    struct cloud_resource resource = rig_group("r1", id, "", NULL, 0);
    resource.kind = kind;
    return resource;
}

static enum source_state kind_state(const struct rig *rig, enum cloud_kind kind, uint64_t *sequence) {
    int64_t seen_ms;
    return observe_source(rig->observe, "platform/p", "r1", kind, &seen_ms, sequence);
}

Test(observe_kinds, are_listed_at_their_own_cadence) {
    static const struct {
        enum cloud_kind kind;
        size_t periods;
    } rows[] = {{CLOUD_INSTANCE, 1}, {CLOUD_INSTANCE_GROUP, 1}, {CLOUD_WORKLOAD, 1},  {CLOUD_NODE, 1},
                {CLOUD_VOLUME, 5},   {CLOUD_ADDRESS, 5},        {CLOUD_SNAPSHOT, 15}, {CLOUD_BUCKET, 15}};
    struct rig rig;
    cr_assert_eq(ARRAY_LEN(rows), CLOUD_KIND_COUNT);
    rig_start_with(&rig, ALL_KINDS, 1000, 1000);
    rig_open(&rig, "p", false);
    rig_run(&rig, 150 * MINUTE);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t least = 150 / rows[i].periods, lists = rig.kind_lists[rows[i].kind];
        cr_expect(lists >= least && lists <= least + least / 9 + 2, "%s: %zu", cloud_kind_name(rows[i].kind), lists);
        cr_expect_eq(kind_state(&rig, rows[i].kind, NULL), SOURCE_FRESH);
    }
    rig_stop(&rig);
}

Test(observe_kinds, that_the_adapter_does_not_list_are_not_asked_for) {
    struct rig rig;
    rig_start_with(&rig, GROUP_KIND, 1000, 1000); /* The rig fails on any other. */
    rig_open(&rig, "p", false);
    rig_run(&rig, 20 * MINUTE);
    cr_assert_eq(kind_state(&rig, CLOUD_VOLUME, NULL), SOURCE_MISSING);
    cr_assert_eq(report_of(&rig).kinds, GROUP_KIND);
    struct observe_trouble trouble;
    cr_assert(observe_provider_listed(rig.observe, "platform", "p", ALL_KINDS, &trouble), "they are not waited for");
    cr_assert_not(observe_provider_listed(rig.observe, "platform", "none", ALL_KINDS, &trouble));
    observe_refresh(rig.observe, "platform/p", "r1", CLOUD_VOLUME);
    rig_stop(&rig);
}

Test(observe_kinds, one_that_may_not_be_listed_hides_no_other) {
    struct rig rig;
    rig_start_with(&rig, ALL_KINDS, 1000, 1000);
    set_groups(&rig, 0, 3);
    error_set(&rig.regions[0].kind_errors[CLOUD_BUCKET], ERR_PERMISSION, "ListBuckets: denied");
    rig_open(&rig, "p", false);
    rig_run(&rig, 12 * MINUTE);
    struct observe_trouble trouble;
    struct observe_report report = report_of(&rig);
    cr_assert_eq(kind_state(&rig, CLOUD_INSTANCE_GROUP, NULL), SOURCE_FRESH);
    cr_assert_eq(kind_state(&rig, CLOUD_BUCKET, NULL), SOURCE_MISSING);
    cr_assert_geq(rig.kind_lists[CLOUD_INSTANCE_GROUP], 12, "its back-off is its own");
    cr_assert_leq(rig.kind_lists[CLOUD_BUCKET], 4);
    cr_assert_eq(report.counts[CLOUD_INSTANCE_GROUP], 3);
    cr_assert_eq(report.trouble.error.class, ERR_NONE, "the region works");
    cr_assert_eq(report.partly.error.class, ERR_PERMISSION);
    cr_assert_eq(report.partly.kind, CLOUD_BUCKET);
    cr_assert_str_eq(report.partly.region, "r1");
    cr_assert(observe_provider_listed(rig.observe, "platform", "p", GROUP_KIND, &trouble));
    cr_assert_not(observe_provider_listed(rig.observe, "platform", "p", 1u << CLOUD_BUCKET, &trouble));
    cr_assert_str_eq(trouble.error.message, "ListBuckets: denied");
    rig_stop(&rig);
}

Test(observe_kinds, the_first_refusal_is_not_the_regions_before_the_others_were_tried) {
    struct rig rig;
    rig_start_with(&rig, ALL_KINDS, 1000, 1000);
    rig.latency_ns = 10 * SECOND;
    rig.slow_kinds = 1u << CLOUD_NODE;
    for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++)
        error_set(&rig.regions[0].kind_errors[kind], ERR_PERMISSION, "denied");
    rig_open(&rig, "p", false);
    rig_run(&rig, 30 * SECOND);
    cr_assert_eq(report_of(&rig).trouble.error.class, ERR_NONE);
    rig_run(&rig, MINUTE);
    cr_assert_eq(report_of(&rig).trouble.error.class, ERR_PERMISSION, "all were");
    rig_stop(&rig);
}

Test(observe_kinds, the_most_severe_error_is_told) {
    struct rig rig;
    rig_start_with(&rig, ALL_KINDS, 1000, 1000);
    error_set(&rig.regions[0].kind_errors[CLOUD_INSTANCE], ERR_RETRYABLE, "later");
    error_set(&rig.regions[0].kind_errors[CLOUD_VOLUME], ERR_PERMANENT, "wrong");
    error_set(&rig.regions[0].kind_errors[CLOUD_NODE], ERR_THROTTLED, "slower");
    rig_open(&rig, "p", false);
    rig_run(&rig, 2 * MINUTE);
    cr_assert_str_eq(report_of(&rig).partly.error.message, "wrong");
    rig_stop(&rig);
}

Test(observe_kinds, a_request_that_fails_once_is_no_trouble_twice_is) {
    struct rig rig;
    rig_start_with(&rig, GROUP_KIND, 1000, 1000);
    rig_open(&rig, "p", false);
    rig_run(&rig, SECOND);
    error_set(&rig.regions[0].list_error, ERR_THROTTLED, "slower");
    rig_run(&rig, MINUTE);
    cr_assert_eq(rig.list_count, 2);
    cr_assert_eq(report_of(&rig).trouble.error.class, ERR_NONE);
    rig_run(&rig, MINUTE);
    cr_assert_eq(rig.list_count, 3);
    cr_assert_eq(report_of(&rig).trouble.error.class, ERR_THROTTLED);
    rig_stop(&rig);
}

Test(observe_kinds, are_numbered_and_refreshed_each_by_itself) {
    struct rig rig;
    uint64_t group, instance, after;
    rig_start(&rig);
    rig_open(&rig, "p", false);
    rig_run(&rig, 10 * SECOND);
    (void)kind_state(&rig, CLOUD_INSTANCE_GROUP, &group);
    (void)kind_state(&rig, CLOUD_INSTANCE, &instance);
    observe_refresh(rig.observe, "platform/p", "r1", CLOUD_INSTANCE_GROUP);
    rig_run(&rig, SECOND);
    (void)kind_state(&rig, CLOUD_INSTANCE_GROUP, &after);
    cr_assert_gt(after, group);
    (void)kind_state(&rig, CLOUD_INSTANCE, &after);
    cr_assert_eq(after, instance);
    rig_stop(&rig);
}

Test(observe_kinds, a_provider_without_regions_is_one_place) {
    struct rig rig;
    const struct cloud_resource *found;
    rig_start_with(&rig, 1u << CLOUD_WORKLOAD, 1000, 1000);
    rig.regions[0].resources = mem_alloc(sizeof(struct cloud_resource));
    rig.regions[0].resources[0] = of_kind(CLOUD_WORKLOAD, "shop/Deployment/web");
    rig.regions[0].resources[0].region = CLOUD_REGION_CLUSTER;
    rig.regions[0].count = 1;
    rig_open_regions(&rig, "p", NULL, 0);
    rig_run(&rig, SECOND);
    cr_assert(observe_find(rig.observe, "platform/p", "cluster", CLOUD_WORKLOAD, "shop/Deployment/web", &found));
    rig_stop(&rig);
}

/* ---- incremental ---- */

Test(observe_incremental, what_says_the_same_keeps_its_place_and_moves_its_time) {
    struct rig rig;
    const struct cloud_resource *before, *after;
    rig_start(&rig);
    set_groups(&rig, 0, 3);
    rig_open(&rig, "p", false);
    rig_run(&rig, SECOND);
    cr_assert(observe_find(rig.observe, "platform/p", "r1", CLOUD_INSTANCE_GROUP, "b", &before));
    cr_assert_eq(before->as_of_ms, RIG_WALL_MS, "as of the listing's beginning");
    int64_t first_ms = before->as_of_ms;
    rig_run(&rig, 2 * MINUTE);
    cr_assert(observe_find(rig.observe, "platform/p", "r1", CLOUD_INSTANCE_GROUP, "b", &after));
    cr_assert_eq(before, after);
    cr_assert_gt(after->as_of_ms, first_ms);
    rig.regions[0].resources[1].as_of_ms = 77;
    rig_run(&rig, MINUTE);
    cr_assert_eq(after->as_of_ms, 77, "the adapter's word");
    rig.regions[0].resources[1].count_manager = "HorizontalPodAutoscaler/web";
    rig_run(&rig, 2 * MINUTE);
    cr_assert(observe_find(rig.observe, "platform/p", "r1", CLOUD_INSTANCE_GROUP, "b", &after));
    cr_assert_str_eq(after->count_manager, "HorizontalPodAutoscaler/web");
    rig_stop(&rig);
}

/* ---- bounded ---- */

Test(observe_bounded, few_listings_are_under_way_at_once) {
    static const char *const regions[] = {"r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12"};
    struct rig rig;
    rig_start_with(&rig, ALL_KINDS, 1000, 1000);
    rig.latency_ns = SECOND;
    rig_open_regions(&rig, "p", regions, ARRAY_LEN(regions));
    rig_run(&rig, MINUTE);
    cr_assert_eq(rig.in_flight_max, 32);
    cr_assert_eq(rig.in_flight_region_max[1], CLOUD_KIND_COUNT, "no kind waits for another");
    size_t lists = 0;
    for (size_t kind = 0; kind < CLOUD_KIND_COUNT; kind++)
        lists += rig.kind_lists[kind];
    cr_assert_geq(lists, 12 * CLOUD_KIND_COUNT, "all of them come to it");
    rig_stop(&rig);
}

Test(observe_bounded, what_somebody_waits_for_goes_before_what_is_due) {
    static const char *const regions[] = {"r3", "r4", "r5", "r6", "r1"};
    struct rig rig;
    uint64_t before, after;
    rig_start_with(&rig, ALL_KINDS, 1000, 1000);
    rig_open_regions(&rig, "p", regions, ARRAY_LEN(regions));
    rig_run(&rig, 20 * SECOND);
    (void)kind_state(&rig, CLOUD_BUCKET, &before);
    rig.latency_ns = 10 * SECOND;
    rig_run(&rig, MINUTE); /* Twenty are due, and eight places are taken. */
    observe_refresh(rig.observe, "platform/p", "r1", CLOUD_BUCKET);
    rig_run(&rig, 22 * SECOND);
    (void)kind_state(&rig, CLOUD_BUCKET, &after);
    cr_assert_gt(after, before);
    rig_stop(&rig);
}

Test(observe_bounded, a_listing_beyond_the_limit_is_cut_and_says_so) {
    struct rig rig;
    struct arena arena = {0};
    const struct observe_shelf_report *shelves;
    rig_start_with(&rig, GROUP_KIND, 3, 1000);
    set_groups(&rig, 0, 4);
    rig_open(&rig, "p", false);
    rig_run(&rig, SECOND);
    cr_assert_eq(state_of(&rig, NULL), SOURCE_TRUNCATED);
    cr_assert_eq(observe_provider_shelves(rig.observe, "platform", "p", &arena, &shelves), 1);
    cr_assert_eq(shelves[0].count, 3);
    cr_assert_eq(shelves[0].limit, 3);
    cr_assert_not(shelves[0].is_limit_of_provider);
    set_groups(&rig, 0, 3);
    rig_run(&rig, 2 * MINUTE);
    cr_assert_eq(state_of(&rig, NULL), SOURCE_FRESH);
    arena_release(&arena);
    rig_stop(&rig);
}

Test(observe_bounded, all_that_is_held_of_a_provider_has_a_limit) {
    struct rig rig;
    struct arena arena = {0};
    const struct observe_shelf_report *shelves;
    size_t held = 0;
    rig_start_with(&rig, GROUP_KIND, 100, 5);
    set_groups(&rig, 0, 4);
    set_groups(&rig, 1, 4);
    rig_open(&rig, "p", true);
    rig_run(&rig, 10 * MINUTE);
    size_t count = observe_provider_shelves(rig.observe, "platform", "p", &arena, &shelves), cut = 0;
    for (size_t i = 0; i < count; i++) {
        held += shelves[i].count;
        cut += shelves[i].limit == 5 && shelves[i].is_limit_of_provider && shelves[i].state == SOURCE_TRUNCATED;
    }
    cr_assert_eq(held, 5);
    cr_assert_eq(cut, 1);
    cr_assert(report_of(&rig).truncated);
    set_groups(&rig, 0, 1);
    set_groups(&rig, 1, 4);
    rig_run(&rig, 3 * MINUTE);
    cr_assert_not(report_of(&rig).truncated, "room again");
    arena_release(&arena);
    rig_stop(&rig);
}

/* ---- numbers ---- */

Test(observe_list, only_a_listing_that_begins_later_has_a_higher_number) {
    struct rig rig;
    uint64_t seen;
    rig_start(&rig);
    rig.latency_ns = 5 * SECOND;
    set_groups(&rig, 0, 1);
    rig_open(&rig, "p", false);
    rig_run(&rig, 11 * SECOND);
    (void)state_of(&rig, &seen);
    cr_assert_eq(seen, observe_sequence(rig.observe));
    observe_refresh(rig.observe, "platform/p", "r1", CLOUD_INSTANCE_GROUP);
    rig_run(&rig, SECOND); /* It is under way. */
    uint64_t floor = observe_sequence(rig.observe);
    cr_assert_gt(floor, seen);
    rig_run(&rig, 5 * SECOND);
    (void)state_of(&rig, &seen);
    cr_assert_eq(seen, floor, "it began before the floor was taken: no news");
    observe_refresh(rig.observe, "platform/p", "r1", CLOUD_INSTANCE_GROUP);
    rig_run(&rig, 6 * SECOND);
    (void)state_of(&rig, &seen);
    cr_assert_gt(seen, floor);
    rig_stop(&rig);
}

Test(observe_list, a_refresh_lists_at_once_and_one_listing_at_a_time) {
    struct rig rig;
    rig_start(&rig);
    rig.latency_ns = 5 * SECOND;
    set_groups(&rig, 0, 1);
    rig_open(&rig, "p", false);
    rig_run(&rig, 11 * SECOND);
    cr_assert_eq(rig.list_count, 1);
    for (int i = 0; i < 10; i++) {
        observe_refresh(rig.observe, "platform/p", "r1", CLOUD_INSTANCE_GROUP);
        rig_run(&rig, 100 * MS);
    }
    cr_assert_eq(rig.list_count, 2);
    observe_refresh(rig.observe, "platform/none", "r1", CLOUD_INSTANCE_GROUP);
    observe_refresh(rig.observe, "platform/p", "r9", CLOUD_INSTANCE_GROUP);
    rig_stop(&rig);
}

Test(observe_list, a_refresh_does_not_cut_a_back_off_short) {
    struct rig rig;
    rig_start(&rig);
    error_set(&rig.regions[0].list_error, ERR_THROTTLED, "slow down");
    rig_open(&rig, "p", false);
    rig_run(&rig, SECOND);
    for (int i = 0; i < 30; i++) {
        observe_refresh(rig.observe, "platform/p", "r1", CLOUD_INSTANCE_GROUP);
        rig_run(&rig, SECOND);
    }
    cr_assert_eq(rig.list_count, 1);
    rig_stop(&rig);
}

/* ---- events ---- */

Test(observe_list, every_listing_is_told_but_only_a_change_is_called_one) {
    struct rig rig;
    rig_start_with(&rig, 1u << CLOUD_INSTANCE_GROUP, 1000, 1000);
    set_groups(&rig, 0, 2);
    rig_open(&rig, "p", false);
    rig_run(&rig, SECOND);
    cr_assert_eq(rig.changed_events, 1);
    size_t events = rig.provider_events;
    rig_run(&rig, 10 * MINUTE);
    cr_assert_geq(rig.provider_events, events + 9);
    cr_assert_eq(rig.changed_events, 1);
    rig.regions[0].resources[1].serving = 3;
    rig_run(&rig, 2 * MINUTE);
    cr_assert_eq(rig.changed_events, 2);
    struct cloud_tag tag = {"app", "web"};
    rig.regions[0].resources[1].tags = &tag;
    rig.regions[0].resources[1].tag_count = 1;
    rig_run(&rig, 2 * MINUTE);
    cr_assert_eq(rig.changed_events, 3);
    rig.regions[0].truncated = true;
    rig_run(&rig, 2 * MINUTE);
    cr_assert_eq(rig.changed_events, 4);
    error_set(&rig.regions[0].list_error, ERR_RETRYABLE, "no");
    rig_run(&rig, 10 * MINUTE);
    cr_assert_eq(rig.changed_events, 5, "the first failure is news, the second is not");
    rig.regions[0].list_error = (struct error){0};
    rig_run(&rig, 10 * MINUTE);
    cr_assert_eq(rig.changed_events, 6, "and so is its end");
    rig_stop(&rig);
}

/* A policy that was planned meanwhile holds back for StaleObservation: nothing else would wake it. */
Test(observe_list, that_a_late_listing_is_fresh_again_is_a_change) {
    struct rig rig;
    rig_start_with(&rig, 1u << CLOUD_INSTANCE_GROUP, 1000, 1000);
    set_groups(&rig, 0, 2);
    rig_open(&rig, "p", false);
    rig_run(&rig, SECOND);
    rig.latency_ns = 7 * MINUTE;
    rig_run(&rig, 7 * MINUTE);
    rig.latency_ns = 0;
    cr_assert_eq(state_of(&rig, NULL), SOURCE_STALE);
    rig_run(&rig, 65 * SECOND);
    cr_assert_eq(rig.list_count, 2);
    cr_assert_eq(rig.changed_events, 1, "it began so long ago that it is stale when it ends");
    rig_run(&rig, 65 * SECOND);
    cr_assert_eq(state_of(&rig, NULL), SOURCE_FRESH);
    cr_assert_eq(rig.changed_events, 2);
    rig_run(&rig, 10 * MINUTE);
    cr_assert_eq(rig.changed_events, 2);
    rig_stop(&rig);
}

/* ---- opening and closing ---- */

Test(observe_list, a_provider_that_is_reopened_starts_anew_and_late_answers_are_dropped) {
    struct rig rig;
    rig_start(&rig);
    rig.latency_ns = 5 * SECOND;
    set_groups(&rig, 0, 2);
    rig_open(&rig, "p", false);
    rig_run(&rig, 2 * SECOND);
    rig_open(&rig, "p", false);
    cr_assert_eq(state_of(&rig, NULL), SOURCE_MISSING);
    rig_run(&rig, SECOND);
    cr_assert_eq(rig.close_count, 1);
    cr_assert_eq(rig.provider_events, 0, "the old one's cancelled calls are not told");
    rig_run(&rig, 20 * SECOND);
    cr_assert_eq(state_of(&rig, NULL), SOURCE_FRESH);
    rig_stop(&rig);
}

Test(observe_list, a_provider_that_is_closed_is_gone_at_once) {
    struct rig rig;
    rig_start(&rig);
    rig.latency_ns = 5 * SECOND;
    set_groups(&rig, 0, 2);
    rig_open(&rig, "p", true);
    rig_run(&rig, 12 * SECOND);
    cr_assert_not_null(observe_adapter(rig.observe, "platform/p"));
    observe_refresh(rig.observe, "platform/p", "r1", CLOUD_INSTANCE_GROUP);
    rig_run(&rig, SECOND);
    observe_provider_close(rig.observe, "platform", "p");
    cr_assert_null(observe_adapter(rig.observe, "platform/p"));
    cr_assert_not(report_of(&rig).open);
    size_t events = rig.provider_events, lists = rig.list_count;
    rig_run(&rig, 10 * MINUTE);
    cr_assert_eq(rig.close_count, 1);
    cr_assert_eq(rig.provider_events, events);
    cr_assert_eq(rig.list_count, lists);
    observe_provider_close(rig.observe, "platform", "p"); /* Again is nothing. */
    rig_stop(&rig);
}

Test(observe_list, a_provider_that_cannot_be_opened_says_why_and_leaves_nothing) {
    struct rig rig;
    struct error err = {0};
    static const char *const regions[] = {"r1"};
    struct provider spec = {.type = PROVIDER_SIMULATED, .regions = regions, .region_count = 1};
    struct object object = {.namespace = "platform", .name = "broken", .fault = "", .as.provider = &spec};
    rig_start(&rig);
    cr_assert_eq(observe_provider_open(rig.observe, &object, NULL, NULL, false, &err), ERR_PERMANENT);
    cr_assert_str_eq(err.message, "no such account");
    spec.type = PROVIDER_HUAWEI;
    cr_assert_eq(observe_provider_open(rig.observe, &object, NULL, NULL, false, &err), ERR_PERMANENT);
    cr_assert(strstr(err.message, "huawei"), "%s", err.message);
    rig_stop(&rig);
}

/* ---- prices ---- */

static const struct cloud_offer *offer_of(struct rig *rig, const char *id, struct arena *arena) {
    struct policy policy = {.selector = {.kinds = 1u << CLOUD_INSTANCE_GROUP}, .forecast = {.history_ms = 3600000}};
    struct observe_scope scope = {.provider = "platform/p"};
    struct snapshot *snapshot = observe_snapshot(rig->observe, &policy, &scope, 1, arena);
    for (size_t i = 0; i < snapshot->resource_count; i++)
        if (strcmp(snapshot->resources[i].resource.id, id) == 0)
            return snapshot->resources[i].has_offer ? &snapshot->resources[i].offer : NULL;
    return NULL;
}

Test(observe_prices, are_asked_for_once_an_hour_and_when_a_type_is_new) {
    struct rig rig;
    struct arena arena = {0};
    rig_start(&rig);
    set_groups(&rig, 0, 2);
    rig_open(&rig, "p", false);
    rig_run(&rig, 50 * MINUTE);
    cr_assert_eq(rig.prices_count, 1);
    cr_assert_eq(offer_of(&rig, "a", &arena)->price_hourly, 192000);
    rig.regions[0].resources[1].type = "c5.large";
    rig_run(&rig, 2 * MINUTE);
    cr_assert_eq(rig.prices_count, 2);
    cr_assert_eq(offer_of(&rig, "b", &arena)->price_hourly, 192000);
    rig_run(&rig, 125 * MINUTE);
    cr_assert_eq(rig.prices_count, 4);
    arena_release(&arena);
    rig_stop(&rig);
}

Test(observe_prices, of_a_type_that_nobody_sells_are_unknown_and_not_asked_for_with_each_listing) {
    struct rig rig;
    struct arena arena = {0};
    rig_start(&rig);
    set_groups(&rig, 0, 1);
    rig.regions[0].resources[0].type = "unpriced";
    rig_open(&rig, "p", false);
    rig_run(&rig, 50 * MINUTE);
    cr_assert_eq(rig.prices_count, 1);
    cr_assert_eq(offer_of(&rig, "a", &arena)->price_hourly, -1);
    arena_release(&arena);
    rig_stop(&rig);
}

static const char *offers_of(struct rig *rig, const struct policy *policy, struct arena *arena) {
    struct observe_scope scope = {.provider = "platform/p"};
    const struct snapshot *snapshot = observe_snapshot(rig->observe, policy, &scope, 1, arena);
    const char *text = "";
    for (size_t i = 0; i < snapshot->offer_count; i++)
        text = arena_printf(arena, "%s%s/%s/%s ", text, snapshot->offers[i].provider, snapshot->offers[i].offer.region,
                            snapshot->offers[i].offer.type);
    return text;
}

/* One group in r1, none in r2, which is a target of placement. */
Test(observe_prices, of_all_that_is_sold_are_read_where_machines_or_places_may_change) {
    static const struct policy_target target = {.provider = {"platform", "p"}, .region = "r2", .on_demand = true};
    static const struct {
        uint32_t actions;
        const char *expected;
    } rows[] = {
        {1u << ACTION_SCALE, ""},
        {1u << ACTION_RIGHTSIZE, "platform/p/r1/a1.large platform/p/r1/c5.large platform/p/r1/m5.xlarge "
                                 "platform/p/r2/a1.large platform/p/r2/c5.large platform/p/r2/m5.xlarge "},
        {1u << ACTION_MIGRATE, "platform/p/r2/a1.large platform/p/r2/c5.large platform/p/r2/m5.xlarge "},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig rig;
        struct arena arena = {0};
        struct policy policy = {.selector = {.kinds = 1u << CLOUD_INSTANCE_GROUP},
                                .actions = rows[i].actions,
                                .placement = {.targets = &target, .target_count = 1},
                                .forecast = {.history_ms = 3600000}};
        rig_start(&rig);
        set_groups(&rig, 0, 1);
        rig_open(&rig, "p", true);
        rig_run(&rig, 2 * MINUTE);
        (void)offers_of(&rig, &policy, &arena); /* Wants them. */
        rig_run(&rig, 2 * MINUTE);
        cr_expect_str_eq(offers_of(&rig, &policy, &arena), rows[i].expected, "row %zu: %s", i,
                         offers_of(&rig, &policy, &arena));
        size_t asked = rig.prices_count;
        rig_run(&rig, 40 * MINUTE);
        cr_expect_eq(rig.prices_count, asked, "row %zu: with each listing", i);
        arena_release(&arena);
        rig_stop(&rig);
    }
}

Test(observe_prices, that_cannot_be_read_do_not_fail_the_listing) {
    struct rig rig;
    struct arena arena = {0};
    rig_start(&rig);
    set_groups(&rig, 0, 1);
    error_set(&rig.regions[0].prices_error, ERR_PERMISSION, "denied");
    rig_open(&rig, "p", false);
    rig_run(&rig, 10 * MINUTE);
    cr_assert_eq(state_of(&rig, NULL), SOURCE_FRESH);
    cr_assert_null(offer_of(&rig, "a", &arena));
    rig.regions[0].prices_error = (struct error){0};
    rig_run(&rig, 2 * MINUTE);
    cr_assert_not_null(offer_of(&rig, "a", &arena));
    arena_release(&arena);
    rig_stop(&rig);
}

Test(observe_prices, of_two_kinds_that_are_listed_at_once_are_asked_for_one_call_after_the_other) {
    struct rig rig;
    struct arena arena = {0};
    rig_start(&rig);
    rig.latency_ns = SECOND;
    set_groups(&rig, 0, 3);
    rig.regions[0].resources[0].kind = CLOUD_INSTANCE;
    rig.regions[0].resources[0].type = "c5.large";
    rig_open(&rig, "p", false);
    rig_run(&rig, 1500 * MS); /* The listings have ended; the prices of the first are under way. */
    cr_assert_eq(rig.prices_count, 1);
    rig_run(&rig, 30 * MINUTE);
    cr_assert_eq(rig.prices_count, 2);
    cr_assert_eq(offer_of(&rig, "b", &arena)->price_hourly, 192000);
    arena_release(&arena);
    rig_stop(&rig);
}

Test(observe_prices, that_a_listing_tells_are_an_offer_as_of_the_listing) {
    struct rig rig;
    struct arena arena = {0};
    rig_start(&rig);
    set_groups(&rig, 0, 1);
    rig.regions[0].resources[0].type = "";
    rig.regions[0].resources[0].price_hourly = 41000;
    rig_open(&rig, "p", false);
    rig_run(&rig, SECOND);
    const struct cloud_offer *offer = offer_of(&rig, "a", &arena);
    cr_assert_not_null(offer);
    cr_assert_eq(offer->price_hourly, 41000);
    cr_assert_eq(offer->price_spot_hourly, -1);
    cr_assert_eq(offer->vcpu_milli, 4000);
    cr_assert_eq(offer->as_of_ms, RIG_WALL_MS);
    cr_assert_str_eq(offer->source, "listing");
    cr_assert_eq(rig.prices_count, 0, "it need not be asked for");
    arena_release(&arena);
    rig_stop(&rig);
}

Test(observe_prices, that_are_old_are_told_with_their_source_and_date) {
    struct rig rig;
    rig_start(&rig);
    rig.offer_as_of_ms = RIG_WALL_MS - INT64_C(29) * 86400000;
    set_groups(&rig, 0, 2);
    rig_open(&rig, "p", false);
    rig_run(&rig, SECOND);
    cr_assert_eq(report_of(&rig).prices.known, 1);
    cr_assert_eq(report_of(&rig).prices.stale, 0);
    rig_run(&rig, 24 * 60 * MINUTE);
    rig_run(&rig, MINUTE);
    cr_assert_eq(report_of(&rig).prices.stale, 1);
    cr_assert_eq(report_of(&rig).prices.oldest_ms, rig.offer_as_of_ms);
    cr_assert_str_eq(report_of(&rig).prices.source, "script");
    rig_stop(&rig);
}
