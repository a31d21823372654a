/*
 * The cases. Each opens a bed of its own, so that none depends on another.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "probe.h"

#include "base/str.h"

#define HOUR_MS INT64_C(3600000)
#define IN_FLIGHT_MAX 16

/* -1: the group is not listed. */
static int64_t listed_size(const struct contract_factory *factory, struct contract_bed *bed) {
    struct probe probe;
    const struct cloud_resource *group = probe_find(factory, bed, &probe, probe_group_kind(bed), bed->group);
    int64_t size = group != NULL ? group->count : -1;
    probe_release(&probe);
    return size;
}

static void on_closed(void *ctx) {
    *(bool *)ctx = true;
}

/* The adapter must not be touched afterwards. */
static void close_now(const struct contract_factory *factory, struct contract_bed *bed) {
    bool closed = false;
    bed->adapter->ops->close(bed->adapter, on_closed, &closed);
    cr_assert(!closed, "closed was reported from inside close");
    cr_assert(factory->pump(bed, &closed), "close never reported");
    bed->adapter = NULL;
}

/* ---- Exactly once, later ---- */

void contract_done_runs_once_and_later_for_every_verb(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    struct cloud_query query = probe_list_query(bed);
    struct cloud_query usage = {
        .region = bed->region,
        .kind = probe_group_kind(bed),
        .metric = CLOUD_METRIC_CPU,
        .ids = &bed->group,
        .id_count = 1,
        .from_ms = bed->now_ms - HOUR_MS,
        .to_ms = bed->now_ms,
        .step_ms = 300000,
    };
    struct cloud_action action = {
        .kind = probe_group_kind(bed), .region = bed->region, .id = bed->group, .count = bed->size};
    const struct adapter_ops *ops = bed->adapter->ops;
    struct probe probe;
    for (int verb = 0; verb < 6; verb++) {
        static const char *const names[] = {"account", "list", "prices", "usage", "apply", "poll"};
        probe_init(&probe);
        switch (verb) {
        case 0:
            ops->account(bed->adapter, &probe.call);
            break;
        case 1:
            ops->list(bed->adapter, &probe.call, &query);
            break;
        case 2:
            ops->prices(bed->adapter, &probe.call, &query);
            break;
        case 3:
            ops->usage(bed->adapter, &probe.call, &usage);
            break;
        case 4:
            ops->apply(bed->adapter, &probe.call, &action);
            break;
        default:
            ops->poll(bed->adapter, &probe.call, "no such operation");
            break;
        }
        probe_check(factory, bed, &probe, names[verb]);
        arena_release(&probe.arena);
    }
    factory->shut(bed);
}

void contract_account_has_an_id(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    struct probe probe;
    probe_init(&probe);
    bed->adapter->ops->account(bed->adapter, &probe.call);
    probe_check(factory, bed, &probe, "account");
    cr_assert_eq(probe.call.reply.error.class, ERR_NONE, "%s", probe.call.reply.error.message);
    cr_assert(probe.call.reply.as.operation && *probe.call.reply.as.operation);
    arena_release(&probe.arena);
    factory->shut(bed);
}

/* ---- Inventory ---- */

void contract_list_is_sorted_and_whole(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    struct cloud_query query = probe_list_query(bed);
    struct probe probe;
    probe_list(factory, bed, &probe, &query);
    const struct adapter_reply *reply = &probe.call.reply;
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, bed->resource_count);
    cr_assert(!reply->truncated);
    for (size_t i = 0; i < reply->count; i++) {
        const struct cloud_resource *resource = &reply->as.resources[i];
        cr_expect_str_eq(resource->region, bed->region);
        cr_expect(resource->id && *resource->id && resource->zone && resource->name && resource->type);
        for (size_t t = 1; t < resource->tag_count; t++) {
            cr_expect(cloud_tag_cmp(&resource->tags[t - 1], &resource->tags[t]) < 0, "tags of %s", resource->id);
        }
        if (i > 0) {
            cr_expect(cloud_resource_cmp(resource - 1, resource) < 0, "%s stands before %s", resource[-1].id,
                      resource->id);
        }
    }
    arena_release(&probe.arena);
    factory->shut(bed);
}

void contract_list_is_cut_at_count_max_and_says_so(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    struct cloud_query query = probe_list_query(bed);
    query.count_max = bed->resource_count - 1;
    struct probe probe;
    probe_list(factory, bed, &probe, &query);
    cr_expect_eq(probe.call.reply.error.class, ERR_NONE);
    cr_expect_eq(probe.call.reply.count, query.count_max, "%zu of %zu", probe.call.reply.count, query.count_max);
    cr_expect(probe.call.reply.truncated);
    arena_release(&probe.arena);
    factory->shut(bed);
}

void contract_list_of_exactly_count_max_is_not_truncated(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    struct cloud_query query = probe_list_query(bed);
    query.count_max = bed->resource_count;
    struct probe probe;
    probe_list(factory, bed, &probe, &query);
    cr_expect_eq(probe.call.reply.count, bed->resource_count);
    cr_expect(!probe.call.reply.truncated);
    arena_release(&probe.arena);
    factory->shut(bed);
}

void contract_list_of_kinds_that_are_absent_is_empty(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    struct cloud_query query = probe_list_query(bed);
    query.kinds &= ~bed->adapter->ops->kinds;
    struct probe probe;
    probe_list(factory, bed, &probe, &query);
    cr_expect_eq(probe.call.reply.error.class, ERR_NONE);
    cr_expect_eq(probe.call.reply.count, 0);
    cr_expect(!probe.call.reply.truncated);
    arena_release(&probe.arena);
    factory->shut(bed);
}

void contract_results_outlive_the_adapter(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    struct cloud_query query = probe_list_query(bed);
    struct probe probe;
    probe_list(factory, bed, &probe, &query);
    close_now(factory, bed);
    size_t length = 0; /* Reading is the test: under the address sanitizer it fails if the memory has gone. */
    for (size_t i = 0; i < probe.call.reply.count; i++) {
        const struct cloud_resource *resource = &probe.call.reply.as.resources[i];
        length += strlen(resource->id) + strlen(resource->name) + strlen(resource->type) + strlen(resource->region);
        for (size_t t = 0; t < resource->tag_count; t++) {
            length += strlen(resource->tags[t].key) + strlen(resource->tags[t].value);
        }
    }
    cr_assert_gt(length, 0);
    arena_release(&probe.arena);
    factory->shut(bed);
}

/* ---- Effects ---- */

void contract_list_shows_the_target_after_apply(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    cr_assert_eq(listed_size(factory, bed), bed->size);
    const int64_t targets[] = {bed->size_other, bed->size, bed->size};
    for (size_t i = 0; i < 3; i++) {
        struct probe probe;
        probe_scale(factory, bed, &probe, targets[i], NULL);
        cr_assert_eq(probe.call.reply.error.class, ERR_NONE, "%s", probe.call.reply.error.message);
        cr_assert(probe.call.reply.as.operation, "success without an operation, not even \"\"");
        arena_release(&probe.arena);
        cr_assert_eq(listed_size(factory, bed), targets[i], "target %zu", i);
    }
    factory->shut(bed);
}

void contract_one_token_scales_once(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    cr_assert(bed->adapter->ops->tokens & 1u << CLOUD_SCALE, "it takes no token for this verb");
    const int64_t targets[] = {bed->size_other, bed->size, bed->size_other};
    static const char *const tokens[] = {"first", "second", "first"};
    for (size_t i = 0; i < 3; i++) {
        struct probe probe;
        probe_scale(factory, bed, &probe, targets[i], tokens[i]);
        cr_assert_eq(probe.call.reply.error.class, ERR_NONE, "%s", probe.call.reply.error.message);
        arena_release(&probe.arena);
    }
    cr_assert_eq(listed_size(factory, bed), bed->size, "a repeated token had an effect again");
    factory->shut(bed);
}

void contract_unknown_group_is_a_conflict_without_effect(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    const char *group = bed->group;
    bed->group = bed->group_unknown != NULL ? bed->group_unknown : "no-such-group";
    struct probe probe;
    probe_scale(factory, bed, &probe, bed->size_other, "token");
    bed->group = group;
    cr_expect_eq(probe.call.reply.error.class, ERR_CONFLICT, "%s", probe.call.reply.error.message);
    cr_expect_eq(probe.call.reply.error.effect, EFFECT_NONE);
    cr_expect_eq(listed_size(factory, bed), bed->size);
    arena_release(&probe.arena);
    factory->shut(bed);
}

void contract_bad_region_is_permanent(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    struct cloud_query query = probe_list_query(bed);
    query.region = bed->region_bad;
    struct probe probe;
    probe_list(factory, bed, &probe, &query);
    cr_expect_eq(probe.call.reply.error.class, ERR_PERMANENT, "%s", probe.call.reply.error.message);
    cr_expect_eq(probe.call.reply.count, 0);
    arena_release(&probe.arena);
    factory->shut(bed);
}

/* ---- Cancel, timeout, close ---- */

void contract_cancelled_read_answers_once_without_effect(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(true);
    struct cloud_query query = probe_list_query(bed);
    struct probe probe;
    probe_init(&probe);
    bed->adapter->ops->list(bed->adapter, &probe.call, &query);
    bed->adapter->ops->cancel(bed->adapter, &probe.call);
    probe_check(factory, bed, &probe, "cancelled list");
    cr_expect_eq(probe.call.reply.error.class, ERR_CANCELLED);
    cr_expect_eq(probe.call.reply.error.effect, EFFECT_NONE);
    arena_release(&probe.arena);
    factory->shut(bed);
}

void contract_cancelled_apply_does_not_claim_to_know(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(true);
    struct cloud_action action = {
        .kind = probe_group_kind(bed), .region = bed->region, .id = bed->group, .count = bed->size_other};
    struct probe probe;
    probe_init(&probe);
    bed->adapter->ops->apply(bed->adapter, &probe.call, &action);
    bed->adapter->ops->cancel(bed->adapter, &probe.call);
    probe_check(factory, bed, &probe, "cancelled apply");
    cr_expect_eq(probe.call.reply.error.class, ERR_CANCELLED);
    int64_t size = listed_size(factory, bed);
    cr_expect(probe.call.reply.error.effect == EFFECT_UNKNOWN ||
                  (probe.call.reply.error.effect == EFFECT_NONE && size == bed->size),
              "said there was no effect, but there was one");
    arena_release(&probe.arena);
    factory->shut(bed);
}

void contract_cancel_twice_and_after_done_is_harmless(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(true);
    struct cloud_query query = probe_list_query(bed);
    struct probe probe;
    probe_init(&probe);
    bed->adapter->ops->list(bed->adapter, &probe.call, &query);
    bed->adapter->ops->cancel(bed->adapter, &probe.call);
    bed->adapter->ops->cancel(bed->adapter, &probe.call);
    probe_check(factory, bed, &probe, "list cancelled twice");
    bed->adapter->ops->cancel(bed->adapter, &probe.call);
    factory->settle(bed);
    cr_expect_eq(probe.done_count, 1);
    arena_release(&probe.arena);
    factory->shut(bed);
}

struct closing {
    struct probe probes[IN_FLIGHT_MAX];
    bool closed;
    int done_at_close;
};

static void on_closed_count(void *ctx) {
    struct closing *closing = ctx;
    for (size_t i = 0; i < IN_FLIGHT_MAX; i++) {
        closing->done_at_close += closing->probes[i].done_count;
    }
    closing->closed = true;
}

void contract_close_answers_all_in_flight_and_then_reports(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(true);
    struct cloud_query query = probe_list_query(bed);
    struct closing closing = {0};
    for (size_t i = 0; i < IN_FLIGHT_MAX; i++) {
        probe_init(&closing.probes[i]);
        bed->adapter->ops->list(bed->adapter, &closing.probes[i].call, &query);
    }
    bed->adapter->ops->cancel(bed->adapter, &closing.probes[3].call);
    bed->adapter->ops->close(bed->adapter, on_closed_count, &closing);
    cr_assert(!closing.closed, "closed was reported from inside close");
    cr_assert(factory->pump(bed, &closing.closed), "close never reported");
    bed->adapter = NULL;
    cr_expect_eq(closing.done_at_close, IN_FLIGHT_MAX, "closed with %d of %d calls answered", closing.done_at_close,
                 IN_FLIGHT_MAX);
    for (size_t i = 0; i < IN_FLIGHT_MAX; i++) {
        cr_expect_eq(closing.probes[i].done_count, 1);
        cr_expect_eq(closing.probes[i].call.reply.error.class, ERR_CANCELLED);
        arena_release(&closing.probes[i].arena);
    }
    factory->shut(bed);
}

void contract_close_of_an_idle_adapter_reports_later(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    close_now(factory, bed);
    factory->shut(bed);
}

void contract_timeout_of_an_apply_is_an_unknown_effect(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(true);
    struct cloud_action action = {
        .kind = probe_group_kind(bed), .region = bed->region, .id = bed->group, .count = bed->size_other};
    struct probe probe;
    probe_init(&probe);
    probe.call.timeout_ms = bed->timeout_ms;
    bed->adapter->ops->apply(bed->adapter, &probe.call, &action);
    probe_check(factory, bed, &probe, "apply with a timeout");
    cr_expect_eq(probe.call.reply.error.class, ERR_RETRYABLE, "%s", probe.call.reply.error.message);
    cr_expect_eq(probe.call.reply.error.effect, EFFECT_UNKNOWN);
    arena_release(&probe.arena);
    factory->shut(bed);
}

/* ---- Usage ---- */

static void check_kills(const struct cloud_series *series) {
    cr_assert_leq(series->kill_count, (size_t)CLOUD_KILLS_MAX);
    for (size_t i = 0; i < series->kill_count; i++) {
        const struct cloud_kill *kill = &series->kills[i];
        cr_assert(kill->id[0] != '\0' && kill->time_ms > 0 && kill->memory_mib >= 0);
        cr_assert(i == 0 || kill->time_ms >= kill[-1].time_ms);
        for (size_t k = 0; k < i; k++)
            cr_assert_str_neq(kill->id, series->kills[k].id, "one death is told once");
    }
}

/* Who has no memory to tell of says so with no series, and in time. */
void contract_usage_of_memory_ends_well(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    struct cloud_query query = {
        .region = bed->region,
        .kind = probe_group_kind(bed),
        .metric = CLOUD_METRIC_MEMORY,
        .ids = &bed->group,
        .id_count = 1,
        .from_ms = bed->now_ms - HOUR_MS,
        .to_ms = bed->now_ms,
        .step_ms = 300000,
    };
    struct probe probe;
    probe_init(&probe);
    bed->adapter->ops->usage(bed->adapter, &probe.call, &query);
    probe_check(factory, bed, &probe, "usage of memory");
    const struct adapter_reply *reply = &probe.call.reply;
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_leq(reply->count, 1);
    if (reply->count > 0)
        check_kills(&reply->as.series[0]);
    arena_release(&probe.arena);
    factory->shut(bed);
}

void contract_usage_samples_ascend_within_the_range(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    struct cloud_query query = {
        .region = bed->region,
        .kind = probe_group_kind(bed),
        .metric = CLOUD_METRIC_CPU,
        .ids = &bed->group,
        .id_count = 1,
        .from_ms = bed->now_ms - 24 * HOUR_MS,
        .to_ms = bed->now_ms,
        .step_ms = 300000,
    };
    struct probe probe;
    probe_init(&probe);
    bed->adapter->ops->usage(bed->adapter, &probe.call, &query);
    probe_check(factory, bed, &probe, "usage");
    const struct adapter_reply *reply = &probe.call.reply;
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 1);
    const struct cloud_series *series = &reply->as.series[0];
    cr_assert_str_eq(series->id, bed->group);
    cr_assert_gt(series->utilization_count, 0);
    for (size_t i = 0; i < series->utilization_count; i++) {
        const struct cloud_sample *sample = &series->utilization[i];
        cr_assert(sample->time_ms >= query.from_ms && sample->time_ms < query.to_ms);
        cr_assert(sample->value >= 0 && sample->value <= 100);
        cr_assert(i == 0 || sample->time_ms > sample[-1].time_ms);
    }
    cr_assert_eq(series->kill_count, 0, "kills are told with memory");
    arena_release(&probe.arena);
    factory->shut(bed);
}
