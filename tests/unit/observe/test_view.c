/*
 * What one policy sees: permission, selection, the snapshot; and the usage that it tracks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "rig.h"

/* ---- permission ---- */

Test(observe_permit, follows_the_owners_sharing) {
    static const struct tag team_checkout = {"team", "checkout"}, stage_prod = {"stage", "prod"};
    static const struct tag both[] = {{"stage", "prod"}, {"team", "checkout"}}, required = {"app", "web"};
    static const struct provider_sharing shared[] = {
        {.namespace_labels = &team_checkout,
         .namespace_label_count = 1,
         .require_tags = &required,
         .require_tag_count = 1},
        {.namespace_labels = &stage_prod, .namespace_label_count = 1},
    };
    static const struct provider_sharing everyone[] = {{0}};
    static const struct provider_sharing needs_both[] = {{.namespace_labels = both, .namespace_label_count = 2}};
    const struct {
        const char *namespace;
        const struct provider_sharing *sharing;
        size_t sharing_count;
        const struct tag *labels;
        size_t label_count;
        bool permitted;
        size_t require_tag_count;
    } rows[] = {
        {"platform", NULL, 0, NULL, 0, true, 0},              /* The owner's own. */
        {"platform", shared, 2, &team_checkout, 1, true, 0},  /* Without its own conditions. */
        {"shop", NULL, 0, &team_checkout, 1, false, 0},       /* Not shared at all. */
        {"shop", shared, 2, NULL, 0, false, 0},               /* No labels. */
        {"shop", shared, 2, &team_checkout, 1, true, 1},      /* Under a condition. */
        {"shop", shared, 2, &stage_prod, 1, true, 0},         /* By the second. */
        {"shop", shared, 2, both, 2, true, 1},                /* The first that admits counts. */
        {"shop", everyone, 1, NULL, 0, true, 0},              /* An empty selector is every namespace. */
        {"shop", needs_both, 1, &team_checkout, 1, false, 0}, /* All labels must match. */
        {"shop", needs_both, 1, both, 2, true, 0},
        {"shop", shared, 1, &(struct tag){"team", "other"}, 1, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct provider spec = {.sharing = rows[i].sharing, .sharing_count = rows[i].sharing_count};
        struct object object = {.namespace = "platform", .name = "p", .as.provider = &spec};
        struct observe_scope scope = {.provider = "platform/p", .require_tag_count = 77};
        bool permitted = observe_permit(&object, rows[i].namespace, rows[i].labels, rows[i].label_count, &scope);
        cr_expect_eq(permitted, rows[i].permitted, "row %zu", i);
        if (permitted)
            cr_expect_eq(scope.require_tag_count, rows[i].require_tag_count, "row %zu", i);
    }
}

/* ---- selection ---- */

static const struct cloud_tag web_checkout[] = {{"app", "web"}, {"team", "checkout"}};
static const struct cloud_tag web_other[] = {{"app", "web"}, {"team", "other"}};
static const struct cloud_tag api_checkout[] = {{"app", "api"}, {"team", "checkout"}};

static void start_estate(struct rig *rig) {
    rig_start(rig);
    struct rig_region *r1 = &rig->regions[0], *r2 = &rig->regions[1];
    r1->count = 4;
    r1->resources = mem_alloc_array(4, sizeof(struct cloud_resource));
    r1->resources[0] = rig_group("r1", "a", "m5.xlarge", web_checkout, 2);
    r1->resources[1] = rig_group("r1", "b", "m5.xlarge", web_other, 2);
    r1->resources[2] = rig_group("r1", "c", "m5.xlarge", api_checkout, 2);
    r1->resources[3] = rig_group("r1", "d", "m5.xlarge", NULL, 0);
    r1->resources[3].kind = CLOUD_INSTANCE;
    r2->count = 1;
    r2->resources = mem_alloc_array(1, sizeof(struct cloud_resource));
    r2->resources[0] = rig_group("r2", "a", "m5.xlarge", web_checkout, 2);
    rig_open(rig, "p", true);
    rig_run(rig, SECOND);
}

static void append(void *ctx, const char *provider, const struct cloud_resource *resource) {
    char *text = ctx;
    (void)provider;
    (void)snprintf(text + strlen(text), 200 - strlen(text), "%s/%s ", resource->region, resource->id);
}

/* "r1/a r1/b " */
static const char *selected(struct rig *rig, uint32_t kinds, const struct tag *tags, size_t tag_count,
                            const struct tag *require_tags, size_t require_tag_count) {
    static char text[200];
    struct policy policy = {.selector = {.kinds = kinds, .tags = tags, .tag_count = tag_count}};
    struct observe_scope scope = {
        .provider = "platform/p", .require_tags = require_tags, .require_tag_count = require_tag_count};
    text[0] = '\0';
    observe_select(rig->observe, &policy, &scope, 1, append, text);
    return text;
}

#define GROUPS (1u << CLOUD_INSTANCE_GROUP)

Test(observe_select, takes_what_bears_every_tag_of_the_policy_and_of_the_owner) {
    static const struct tag web = {"app", "web"}, checkout = {"team", "checkout"}, none = {"app", "none"};
    static const struct tag both[] = {{"app", "web"}, {"team", "checkout"}};
    struct rig rig;
    start_estate(&rig);
    cr_expect_str_eq(selected(&rig, GROUPS, NULL, 0, NULL, 0), "r1/a r1/b r1/c r2/a ");
    cr_expect_str_eq(selected(&rig, GROUPS | 1u << CLOUD_INSTANCE, NULL, 0, NULL, 0), "r1/d r1/a r1/b r1/c r2/a ");
    cr_expect_str_eq(selected(&rig, 1u << CLOUD_INSTANCE, NULL, 0, NULL, 0), "r1/d ");
    cr_expect_str_eq(selected(&rig, 0, NULL, 0, NULL, 0), "");
    cr_expect_str_eq(selected(&rig, GROUPS, &web, 1, NULL, 0), "r1/a r1/b r2/a ");
    cr_expect_str_eq(selected(&rig, GROUPS, both, 2, NULL, 0), "r1/a r2/a ");
    cr_expect_str_eq(selected(&rig, GROUPS, NULL, 0, &checkout, 1), "r1/a r1/c r2/a ");
    cr_expect_str_eq(selected(&rig, GROUPS, &web, 1, &checkout, 1), "r1/a r2/a ");
    cr_expect_str_eq(selected(&rig, GROUPS, &web, 1, &none, 1), "", "the owner's word holds");
    cr_expect_str_eq(selected(&rig, GROUPS, &none, 1, NULL, 0), "");
    cr_expect_str_eq(selected(&rig, 1u << CLOUD_INSTANCE, &web, 1, NULL, 0), "");
    rig_stop(&rig);
}

Test(observe_select, follows_the_listing) {
    static const struct tag web = {"app", "web"};
    struct rig rig;
    start_estate(&rig);
    rig.regions[0].resources[0].tag_count = 0;
    rig.regions[1].count = 0;
    rig_run(&rig, 2 * MINUTE);
    cr_expect_str_eq(selected(&rig, GROUPS, &web, 1, NULL, 0), "r1/b ");
    const struct cloud_resource *found;
    cr_expect_not(observe_find(rig.observe, "platform/p", "r2", CLOUD_INSTANCE_GROUP, "a", &found));
    cr_expect(observe_find(rig.observe, "platform/p", "r1", CLOUD_INSTANCE_GROUP, "a", &found));
    cr_expect_not(observe_find(rig.observe, "platform/p", "r1", CLOUD_INSTANCE, "a", &found), "the kind is part of it");
    observe_provider_close(rig.observe, "platform", "p");
    cr_expect_str_eq(selected(&rig, GROUPS, &web, 1, NULL, 0), "");
    rig_stop(&rig);
}

/* ---- the snapshot ---- */

static struct policy web_policy(void) {
    static const struct tag web = {"app", "web"};
    return (struct policy){.selector = {.kinds = GROUPS, .tags = &web, .tag_count = 1},
                           .forecast = {.metric = CLOUD_METRIC_CPU, .history_ms = 3600000}};
}

Test(observe_snapshot, outlives_everything_it_was_cut_from) {
    struct rig rig;
    struct arena arena = {0};
    struct policy policy = web_policy();
    struct observe_scope scope = {.provider = "platform/p"};
    start_estate(&rig);
    struct snapshot *snapshot = observe_snapshot(rig.observe, &policy, &scope, 1, &arena);
    rig_run(&rig, 3 * MINUTE); /* The listing that it was cut from is freed. */
    rig_stop(&rig);
    cr_assert_eq(snapshot->as_of_ms, RIG_WALL_MS + 1000);
    cr_assert_eq(snapshot->source_count, 2);
    cr_assert_str_eq(snapshot->sources[0].region, "r1");
    cr_assert_str_eq(snapshot->sources[1].region, "r2");
    cr_assert_eq(snapshot->sources[0].state, SOURCE_FRESH);
    cr_assert_eq(snapshot->resource_count, 3);
    const struct snapshot_resource *last = &snapshot->resources[2];
    cr_assert_str_eq(last->provider, "platform/p");
    cr_assert_eq(last->source, 1);
    cr_assert_str_eq(last->resource.region, "r2");
    cr_assert_str_eq(last->resource.id, "a");
    cr_assert_str_eq(cloud_resource_tag(&last->resource, "team"), "checkout");
    cr_assert_eq(last->capacity_per_machine, 4000);
    cr_assert(last->has_offer);
    cr_assert_str_eq(last->offer.type, "m5.xlarge");
    cr_assert_str_eq(last->offer.source, "script");
    cr_assert_null(last->claimed_by);
    arena_release(&arena);
}

Test(observe_snapshot, asks_for_what_is_on_the_nodes_once_a_policy_plans_them) {
    static const uint32_t both = 1u << CLOUD_WORKLOAD | 1u << CLOUD_NODE;
    struct policy policy = {.selector = {.kinds = 1u << CLOUD_NODE}};
    struct observe_scope scope = {.provider = "platform/p"};
    struct rig rig;
    start_estate(&rig);
    observe_want_offers(rig.observe, &policy, &scope, 1);
    rig_run(&rig, 2 * MINUTE);
    cr_expect_not(rig.list_wants_loads);
    policy.selector.kinds = both;
    observe_want_offers(rig.observe, &policy, &scope, 1);
    rig_run(&rig, 2 * MINUTE);
    cr_expect(rig.list_wants_loads);
    rig_stop(&rig);
}

Test(observe_snapshot, tells_of_each_source_how_good_it_is) {
    struct rig rig;
    struct arena arena = {0};
    struct policy policy = web_policy();
    struct observe_scope scope = {.provider = "platform/p"};
    start_estate(&rig);
    rig.regions[1].truncated = true;
    error_set(&rig.regions[0].list_error, ERR_RETRYABLE, "unavailable");
    rig_run(&rig, 10 * MINUTE);
    struct snapshot *snapshot = observe_snapshot(rig.observe, &policy, &scope, 1, &arena);
    cr_assert_eq(snapshot->source_count, 2, "of the kind that the policy selects alone");
    cr_assert_eq(snapshot->sources[0].kind, CLOUD_INSTANCE_GROUP);
    cr_assert_eq(snapshot->sources[0].state, SOURCE_STALE);
    cr_assert_str_eq(snapshot->sources[0].message, "unavailable");
    cr_assert_eq(snapshot->sources[1].state, SOURCE_TRUNCATED);
    cr_assert_eq(snapshot->resource_count, 3, "what was known is still shown");
    arena_release(&arena);
    rig_stop(&rig);
}

Test(observe_snapshot, measures_capacity_in_the_policys_metric) {
    struct rig rig;
    struct arena arena = {0};
    struct policy policy = web_policy();
    struct observe_scope scope = {.provider = "platform/p"};
    policy.forecast.metric = CLOUD_METRIC_MEMORY;
    start_estate(&rig);
    struct snapshot *snapshot = observe_snapshot(rig.observe, &policy, &scope, 1, &arena);
    cr_assert_eq(snapshot->resources[0].capacity_per_machine, 16384);
    arena_release(&arena);
    rig_stop(&rig);
}

/* ---- usage ---- */

static struct history_series metric_of(struct rig *rig, const char *id, enum cloud_metric metric, struct arena *arena) {
    char *key = mem_printf("platform/p/r1/InstanceGroup/%s/%s", id, cloud_metric_name(metric));
    struct history_series series =
        history_view(rig->history, key, runtime_wall_ms(&rig->runtime.base), 86400000, arena);
    mem_free(key);
    return series;
}

static struct history_series history_of(struct rig *rig, const char *id, struct arena *arena) {
    return metric_of(rig, id, CLOUD_METRIC_CPU, arena);
}

static bool is_tracked(struct rig *rig, size_t index, struct error *error) {
    return observe_is_tracked(rig->observe, "platform/p", &rig->regions[0].resources[index], CLOUD_METRIC_CPU, error);
}

static void track(struct rig *rig, size_t index) {
    observe_track(rig->observe, "platform/p", &rig->regions[0].resources[index], CLOUD_METRIC_CPU);
}

Test(observe_usage, is_filled_back_in_one_call_for_all_and_then_once_a_step) {
    struct rig rig;
    struct arena arena = {0};
    struct error error;
    start_estate(&rig);
    rig.regions[0].utilization = 50;
    cr_assert_not(is_tracked(&rig, 0, &error));
    track(&rig, 0);
    track(&rig, 1);
    cr_assert_not(is_tracked(&rig, 0, &error));
    rig_run(&rig, SECOND);
    cr_assert_eq(rig.usage_count, 1);
    cr_assert_eq(rig.usage_ids, 2);
    cr_assert(is_tracked(&rig, 0, &error) && error.class == ERR_NONE);
    cr_assert(is_tracked(&rig, 1, &error));
    struct history_series series = history_of(&rig, "a", &arena);
    cr_assert_eq(series.count, 288, "a day of five minutes");
    cr_assert_float_eq(series.demand[100], 8, 1e-6, "half of 4 machines of 4 vCPU");
    for (int i = 0; i < 12; i++) {
        track(&rig, 0);
        track(&rig, 1);
        rig_run(&rig, 5 * MINUTE);
    }
    cr_assert_eq(rig.usage_count, 12, "once a step, 30 s after its end");
    cr_assert_geq(rig.usage_events, 12);
    series = history_of(&rig, "a", &arena);
    cr_assert(isnan(series.demand[series.count - 1]), "the slot that ended just now is not published yet");
    cr_assert_float_eq(series.demand[series.count - 2], 8, 1e-6, "the one before is there");
    arena_release(&arena);
    rig_stop(&rig);
}

Test(observe_usage, that_fails_backs_off_and_says_why) {
    struct rig rig;
    struct error error;
    start_estate(&rig);
    error_set(&rig.regions[0].usage_error, ERR_PERMISSION, "denied");
    track(&rig, 0);
    rig_run(&rig, SECOND);
    cr_assert_not(is_tracked(&rig, 0, &error));
    cr_assert_eq(error.class, ERR_PERMISSION);
    cr_assert_gt(rig.usage_events, 0);
    rig_run(&rig, 30 * MINUTE);
    cr_assert_lt(rig.usage_count, 9, "30 s, 1, 2, 4, 8 minutes");
    rig.regions[0].usage_error = (struct error){0};
    rig_run(&rig, 10 * MINUTE);
    cr_assert(is_tracked(&rig, 0, &error));
    cr_assert_eq(error.class, ERR_NONE);
    rig_stop(&rig);
}

Test(observe_usage, that_comes_with_a_second_try_is_news) {
    struct rig rig;
    struct error error;
    start_estate(&rig);
    error_set(&rig.regions[0].usage_error, ERR_RETRYABLE, "unavailable");
    track(&rig, 0);
    rig_run(&rig, SECOND);
    cr_assert_not(is_tracked(&rig, 0, &error));
    size_t events = rig.usage_events;
    rig.regions[0].usage_error = (struct error){0};
    rig_run(&rig, 31 * SECOND);
    cr_assert(is_tracked(&rig, 0, &error));
    cr_assert_gt(rig.usage_events, events);
    rig_stop(&rig);
}

Test(observe_usage, that_nobody_asks_for_is_dropped_after_an_hour) {
    struct rig rig;
    struct error error;
    start_estate(&rig);
    track(&rig, 0);
    rig_run(&rig, 90 * MINUTE);
    cr_assert_not(is_tracked(&rig, 0, &error));
    size_t calls = rig.usage_count;
    rig_run(&rig, 60 * MINUTE);
    cr_assert_eq(rig.usage_count, calls);
    rig_stop(&rig);
}

Test(observe_usage, goes_on_after_its_provider_was_reopened) {
    struct rig rig;
    struct error error;
    start_estate(&rig);
    rig.latency_ns = SECOND;
    track(&rig, 0);
    rig_run(&rig, 500 * MS); /* Its call is under way. */
    rig_open(&rig, "p", true);
    rig_run(&rig, 10 * SECOND);
    cr_assert_not(is_tracked(&rig, 0, &error));
    track(&rig, 0);
    rig_run(&rig, 10 * SECOND);
    cr_assert(is_tracked(&rig, 0, &error));
    rig_stop(&rig);
}

Test(observe_usage, of_a_provider_that_closed_is_dropped) {
    struct rig rig;
    struct error error;
    start_estate(&rig);
    track(&rig, 0);
    rig_run(&rig, SECOND);
    observe_provider_close(rig.observe, "platform", "p");
    rig_run(&rig, 3 * 60 * MINUTE);
    rig_open(&rig, "p", true);
    rig_run(&rig, 10 * SECOND);
    track(&rig, 1); /* Any call on the way drops what nobody touched. */
    rig_run(&rig, 10 * SECOND);
    cr_assert_not(is_tracked(&rig, 0, &error));
    cr_assert(is_tracked(&rig, 1, &error));
    rig_stop(&rig);
}

Test(observe_usage, of_a_cloud_that_tells_only_what_is_now_becomes_a_history) {
    struct rig rig;
    struct arena arena = {0};
    start_estate(&rig);
    rig.regions[0].utilization = 50;
    rig.regions[0].only_now = true;
    for (int i = 0; i < 12; i++) {
        track(&rig, 0);
        rig_run(&rig, 5 * MINUTE);
    }
    struct history_series series = history_of(&rig, "a", &arena);
    cr_assert_geq(series.count, 10);
    size_t known = 0;
    for (size_t i = 0; i < series.count; i++) {
        known += isnan(series.demand[i]) ? 0u : 1u;
        if (!isnan(series.demand[i]))
            cr_assert_float_eq(series.demand[i], 8, 1e-6);
    }
    cr_assert_geq(known, 10, "one a step");
    cr_assert_leq(rig.usage_count, 13);
    arena_release(&arena);
    rig_stop(&rig);
}

/* Two minutes of each step at 80 %, the rest at 50. */
Test(observe_usage, of_memory_that_is_told_only_now_the_peak_of_a_step_is_kept) {
    struct rig rig;
    struct arena arena = {0};
    start_estate(&rig);
    rig.regions[0].utilization = 50;
    rig.regions[0].only_now = true;
    observe_track(rig.observe, "platform/p", &rig.regions[0].resources[0], CLOUD_METRIC_MEMORY);
    rig_run(&rig, 5 * MINUTE);
    size_t events = rig.usage_events;
    for (int i = 0; i < 6; i++) {
        rig_run(&rig, 2 * MINUTE);
        rig.regions[0].utilization = 80;
        rig_run(&rig, 2 * MINUTE);
        rig.regions[0].utilization = 50;
        rig_run(&rig, MINUTE);
    }
    struct history_series series = metric_of(&rig, "a", CLOUD_METRIC_MEMORY, &arena);
    cr_assert_geq(series.count, 7);
    for (size_t i = 2; i + 1 < series.count; i++) /* Before the first is over, and in it, it was 50. */
        cr_expect_float_eq(series.demand[i], 0.8 * 4 * 16384, 1, "step %zu: %g", i, (double)series.demand[i]);
    cr_expect_geq(rig.usage_count, 30, "once a minute");
    cr_expect_leq(rig.usage_count, 40);
    cr_expect_leq(rig.usage_events - events, 7, "nobody is woken for what is held: %zu", rig.usage_events - events);
    arena_release(&arena);
    rig_stop(&rig);
}

/* 90 % of what it had is less than half of what it has now. */
Test(observe_usage, a_peak_of_memory_is_a_share_of_what_there_was) {
    struct rig rig;
    struct arena arena = {0};
    start_estate(&rig);
    rig.regions[0].utilization = 50;
    rig.regions[0].only_now = true;
    observe_track(rig.observe, "platform/p", &rig.regions[0].resources[0], CLOUD_METRIC_MEMORY);
    rig_run(&rig, 10 * MINUTE + 10 * SECOND);
    rig.regions[0].utilization = 90;
    rig_run(&rig, 2 * MINUTE);
    rig.regions[0].utilization = 50;
    rig.regions[0].resources[0].memory_mib *= 2;
    rig_run(&rig, 13 * MINUTE);
    struct history_series series = metric_of(&rig, "a", CLOUD_METRIC_MEMORY, &arena);
    for (size_t i = 0; i < series.count; i++) /* Half of twice as much is more than 90 % of it once. */
        cr_expect(isnan(series.demand[i]) || series.demand[i] <= 4 * 16384 + 1, "step %zu: %g", i,
                  (double)series.demand[i]);
    arena_release(&arena);
    rig_stop(&rig);
}

static void track_memory(struct rig *rig) {
    observe_track(rig->observe, "platform/p", &rig->regions[0].resources[0], CLOUD_METRIC_MEMORY);
}

Test(observe_kills, each_is_told_once_and_raises_the_history) {
    const struct cloud_kill first = {"pod/a", RIG_WALL_MS - 60000, 1000};
    const struct cloud_kill both[] = {first, {"pod/b", RIG_WALL_MS + 1000, 1000}};
    struct rig rig;
    struct arena arena = {0};
    start_estate(&rig);
    rig.regions[0].only_now = true;
    rig.regions[0].kills = &first;
    rig.regions[0].kill_count = 1;
    track_memory(&rig);
    rig_run(&rig, 3 * MINUTE);
    cr_assert(rig.kills_told == 1 && rig.raises_told == 1, "%zu, %zu", rig.kills_told, rig.raises_told);
    struct history_series series = metric_of(&rig, "a", CLOUD_METRIC_MEMORY, &arena);
    cr_assert_eq(series.raise_count, 1);
    cr_expect_float_eq(series.raises[0].demand, 4 * 1200, 1e-6, "of the 4 machines that are wanted");
    size_t events = rig.usage_events;
    rig.regions[0].kills = both;
    rig.regions[0].kill_count = 2;
    rig_run(&rig, 65 * SECOND);
    cr_expect_eq(rig.kills_told, 2);
    cr_expect_gt(rig.usage_events, events, "it is news within the step too");
    arena_release(&arena);
    rig_stop(&rig);
}

Test(observe_kills, what_the_process_before_has_raised_is_no_news) {
    const struct cloud_kill kills[] = {{"pod/a", RIG_WALL_MS - 60000, 1000}, {"pod/b", RIG_WALL_MS - 30000, 1000}};
    const struct cloud_kill older = {"pod/c", RIG_WALL_MS - 40000, 1000};
    struct rig rig;
    struct arena arena = {0};
    start_estate(&rig);
    rig.regions[0].only_now = true;
    rig.regions[0].kills = kills;
    rig.regions[0].kill_count = 2;
    observe_restore_raise(rig.observe, "platform/p", &rig.regions[0].resources[0],
                          &(struct history_raise){RIG_WALL_MS - 30000, 2400});
    track_memory(&rig);
    rig_run(&rig, 3 * MINUTE);
    cr_expect_eq(rig.kills_told, 0);
    rig.regions[0].kills = &older; /* A node was out of reach: one that is told late is counted all the same. */
    rig.regions[0].kill_count = 1;
    rig_run(&rig, 2 * MINUTE);
    cr_expect(rig.kills_told == 1 && rig.raises_told == 0, "%zu, %zu", rig.kills_told, rig.raises_told);
    struct history_series series = metric_of(&rig, "a", CLOUD_METRIC_MEMORY, &arena);
    cr_assert_eq(series.raise_count, 1);
    cr_expect_eq(series.raises[0].demand, 2400);
    arena_release(&arena);
    rig_stop(&rig);
}

Test(observe_usage, of_one_machine_is_its_own_and_of_a_disk_there_is_none) {
    struct rig rig;
    struct arena arena = {0};
    struct error error;
    start_estate(&rig);
    rig.regions[0].utilization = 50;
    rig.regions[0].resources[3].serving = 0; /* As of all that are no groups. */
    rig_run(&rig, 2 * MINUTE);
    track(&rig, 3);
    rig_run(&rig, SECOND);
    struct history_series series =
        history_view(rig.history, "platform/p/r1/Instance/d/cpu", runtime_wall_ms(&rig.runtime.base), 86400000, &arena);
    cr_assert_gt(series.count, 0);
    cr_assert_float_eq(series.demand[0], 2, 1e-6, "half of one machine of 4 vCPU");
    size_t calls = rig.usage_count;
    rig.regions[0].resources[3].kind = CLOUD_VOLUME;
    track(&rig, 3);
    rig_run(&rig, SECOND);
    cr_assert_eq(rig.usage_count, calls);
    cr_assert(is_tracked(&rig, 3, &error), "nobody waits for what never comes");
    arena_release(&arena);
    rig_stop(&rig);
}
