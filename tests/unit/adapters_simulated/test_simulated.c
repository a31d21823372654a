/*
 * The simulated cloud as its users see it: sizes, boots, capacity, faults, history, repeatability.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "rig.h"

#include "adapters/simulated/simulated_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define WEB "\"name\": \"web\", \"region\": \"us-east-1\", \"instanceType\": \"m5.xlarge\", \"count\": 6"
#define GROUPS(more) "\"groups\": [{" WEB ", \"max\": 40, \"bootDelay\": \"3m\"" more "}]"
#define TRACE ", \"demand\": {\"trace\": \"nasa_http_1995_jul.csv\", \"vcpuPeak\": \"40\", \"offset\": \"2h\"}"

/* ---- Sizes ---- */

Test(simulated, group_is_listed_with_type_size_and_sorted_tags) {
    struct rig rig;
    rig_open(&rig,
             "{" GROUPS(", \"min\": 2, \"zone\": \"us-east-1a\", \"tags\": {\"team\": \"x\", \"app\": \"web\"}") "}");
    struct cloud_resource web = rig_group(&rig, "web");
    cr_expect_eq(web.kind, CLOUD_INSTANCE_GROUP);
    cr_expect_eq(web.count, 6);
    cr_expect_eq(web.serving, 6, "what is there at first serves at first");
    cr_expect_eq(web.count_min, 2);
    cr_expect_eq(web.count_max, 40);
    cr_expect_eq(web.vcpu_milli, 4000);
    cr_expect_eq(web.memory_mib, 16384);
    cr_expect_str_eq(web.zone, "us-east-1a");
    cr_expect_str_eq(cloud_resource_tag(&web, "team"), "x");
    cr_expect_str_eq(web.tags[0].key, "app");
    rig_close(&rig);
}

Test(simulated, machines_serve_after_the_boot_delay_and_not_before) {
    struct rig rig;
    rig_open(&rig, "{" GROUPS("") "}");
    cr_assert_eq(rig_scale(&rig, "web", 16, NULL).error.class, ERR_NONE);
    rig_wait(&rig, 3 * MINUTE_MS * 8 / 10 - 1);
    cr_expect_eq(rig_group(&rig, "web").count, 16);
    cr_expect_eq(rig_group(&rig, "web").serving, 6, "earlier than 80 %% of the delay");
    rig_wait(&rig, 3 * MINUTE_MS * 2 / 10);
    int64_t midway = rig_group(&rig, "web").serving;
    cr_expect(midway > 6 && midway < 16, "each has its own jitter: %lld", (long long)midway);
    rig_wait(&rig, 3 * MINUTE_MS * 2 / 10 + 2);
    cr_expect_eq(rig_group(&rig, "web").serving, 16, "later than 120 %% of the delay");
    rig_close(&rig);
}

Test(simulated, scale_in_is_immediate_and_takes_booting_machines_first) {
    struct rig rig;
    rig_open(&rig, "{" GROUPS("") "}");
    (void)rig_scale(&rig, "web", 10, NULL);
    (void)rig_scale(&rig, "web", 7, NULL);
    cr_expect_eq(rig_group(&rig, "web").count, 7);
    cr_expect_eq(rig_group(&rig, "web").serving, 6);
    (void)rig_scale(&rig, "web", 3, NULL);
    cr_expect_eq(rig_group(&rig, "web").count, 3);
    cr_expect_eq(rig_group(&rig, "web").serving, 3);
    rig_wait(&rig, HOUR_MS);
    cr_expect_eq(rig_group(&rig, "web").serving, 3, "a machine that was taken away booted after all");
    rig_close(&rig);
}

Test(simulated, a_step_of_the_wall_clock_boots_nothing_early) {
    struct rig rig;
    rig_open(&rig, "{" GROUPS("") "}");
    (void)rig_scale(&rig, "web", 8, NULL);
    rig.runtime.wall_origin_ms += DAY_MS;
    cr_expect_eq(rig_group(&rig, "web").serving, 6);
    rig.runtime.wall_origin_ms -= 2 * DAY_MS;
    rig_wait(&rig, 4 * MINUTE_MS);
    cr_expect_eq(rig_group(&rig, "web").serving, 8);
    rig_close(&rig);
}

Test(simulated, size_outside_of_the_bounds_is_refused) {
    struct rig rig;
    rig_open(&rig, "{" GROUPS(", \"min\": 2") "}");
    static const int64_t targets[] = {-1, 1, 41, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct adapter_reply reply = rig_scale(&rig, "web", targets[i], "token");
        cr_expect_eq(reply.error.class, ERR_PERMANENT);
        cr_expect_eq(reply.error.effect, EFFECT_NONE);
        cr_expect_str_eq(reply.error.code, "ValidationError");
    }
    cr_expect_eq(rig_group(&rig, "web").count, 6);
    rig_close(&rig);
}

Test(simulated, beyond_the_capacity_some_or_none_are_granted_and_the_effect_is_told) {
    struct rig rig;
    rig_open(
        &rig,
        "{\"capacity\": {\"us-east-1/m5.xlarge\": 9}, " GROUPS(
            "") ", \"instances\": [{\"name\": \"one\", \"region\": \"us-east-1\", \"instanceType\": \"m5.xlarge\"}]}");
    int partial = 0, none = 0;
    for (int i = 0; i < 40; i++) {
        rig_wait(&rig, MINUTE_MS);
        struct adapter_reply reply = rig_scale(&rig, "web", 12, NULL);
        cr_assert_eq(reply.error.class, ERR_CAPACITY);
        cr_assert_str_eq(reply.error.code, "InsufficientInstanceCapacity");
        int64_t count = rig_group(&rig, "web").count;
        cr_assert_eq(count, reply.error.effect == EFFECT_APPLIED ? 8 : 6, "9 less the instance");
        partial += count == 8;
        none += count == 6;
        cr_assert_eq(rig_scale(&rig, "web", 6, NULL).error.class, ERR_NONE);
    }
    cr_expect(partial > 5 && none > 5, "%d and %d", partial, none);
    cr_expect_eq(rig_scale(&rig, "web", 8, NULL).error.class, ERR_NONE, "up to the limit there is no fault");
    rig_close(&rig);
}

/* ---- Tokens and faults ---- */

Test(simulated, a_token_for_another_request_is_refused) {
    struct rig rig;
    rig_open(&rig, "{" GROUPS("") "}");
    cr_expect_eq(rig_scale(&rig, "web", 7, "t").error.class, ERR_NONE);
    struct adapter_reply reply = rig_scale(&rig, "web", 8, "t");
    cr_expect_eq(reply.error.class, ERR_PERMANENT);
    cr_expect_str_eq(reply.error.code, "IdempotentParameterMismatch");
    cr_expect_eq(rig_group(&rig, "web").count, 7);
    rig_close(&rig);
}

Test(simulated, a_lost_reply_has_its_effect_and_the_same_token_repeats_nothing) {
    struct rig rig;
    rig_open(&rig, "{\"faults\": {\"lostReplyPerMille\": 1000}, " GROUPS("") "}");
    struct adapter_reply reply = rig_scale(&rig, "web", 9, "first");
    cr_expect_eq(reply.error.class, ERR_RETRYABLE);
    cr_expect_eq(reply.error.effect, EFFECT_UNKNOWN);
    cr_expect_eq(reply.error.http_status, 0);
    cr_expect_eq(rig_group(&rig, "web").count, 9);
    (void)rig_scale(&rig, "web", 4, "second");
    (void)rig_scale(&rig, "web", 9, "first");
    cr_expect_eq(rig_group(&rig, "web").count, 4);
    rig_close(&rig);
}

Test(simulated, refusals_have_no_effect_and_their_share_is_as_told) {
    static const struct {
        const char *parameters;
        enum err_class class;
        uint32_t http_status;
    } rows[] = {
        {"{\"faults\": {\"errorPerMille\": 300}, " GROUPS("") "}", ERR_RETRYABLE, 503},
        {"{\"faults\": {\"throttlePerMille\": 300}, " GROUPS("") "}", ERR_THROTTLED, 429},
    };
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        struct rig rig;
        rig_open(&rig, rows[r].parameters);
        int failed = 0;
        for (int i = 0; i < 1000; i++) {
            rig_wait(&rig, 1000);
            int64_t target = 6 + i % 2;
            struct adapter_reply reply = rig_scale(&rig, "web", target, NULL);
            if (reply.error.class != ERR_NONE) {
                failed++;
                cr_assert_eq(reply.error.class, rows[r].class);
                cr_assert_eq(reply.error.http_status, rows[r].http_status);
                cr_assert_eq(reply.error.effect, EFFECT_NONE);
                cr_assert_eq(reply.error.retry_after_ms > 0, rows[r].class == ERR_THROTTLED);
            }
        }
        cr_expect(failed > 250 && failed < 350, "%d of 1000", failed);
        rig_close(&rig);
    }
}

Test(simulated, a_stale_read_shows_the_state_of_some_seconds_ago) {
    struct rig rig;
    rig_open(&rig, "{\"faults\": {\"staleReadPerMille\": 1000}, " GROUPS("") "}");
    rig_wait(&rig, HOUR_MS);
    (void)rig_scale(&rig, "web", 9, NULL);
    cr_expect_eq(rig_group(&rig, "web").count, 6);
    rig_wait(&rig, 10001);
    cr_expect_eq(rig_group(&rig, "web").count, 9, "older than it may be");
    rig_close(&rig);
}

static void note_done(struct adapter_call *call) {
    *(int64_t *)call->ctx = 1;
}

Test(simulated, an_effect_happens_half_way_and_a_cancel_after_it_does_not_undo_it) {
    struct rig rig;
    rig_open(&rig, "{\"faults\": {\"latency\": \"1s\"}, " GROUPS("") "}");
    struct cloud_action action = {.kind = CLOUD_INSTANCE_GROUP, .region = "us-east-1", .id = "web", .count = 9};
    static const int64_t wait_ms[] = {0, 700}; /* The latency is 0.8 to 1.2 s. */
    for (size_t i = 0; i < ARRAY_LEN(wait_ms); i++) {
        int64_t done = 0;
        struct adapter_call call = {.done = note_done, .ctx = &done, .arena = &rig.arena};
        rig.adapter->ops->apply(rig.adapter, &call, &action);
        rig_wait(&rig, wait_ms[i]);
        rig.adapter->ops->cancel(rig.adapter, &call);
        rig_wait(&rig, 0);
        cr_assert_eq(done, 1);
        cr_expect_eq(call.reply.error.class, ERR_CANCELLED);
        cr_expect_eq(call.reply.error.effect, EFFECT_UNKNOWN);
        cr_expect_eq(rig_group(&rig, "web").count, wait_ms[i] == 0 ? 6 : 9);
    }
    rig_close(&rig);
}

static void count_closed(void *ctx) {
    ++*(int *)ctx;
}

Test(simulated, calls_after_close_are_answered_as_cancelled_before_it_reports) {
    struct rig rig;
    rig_open(&rig, "{" GROUPS("") "}");
    int closed = 0;
    int64_t done = 0;
    rig.adapter->ops->close(rig.adapter, count_closed, &closed);
    struct adapter_call call = {.done = note_done, .ctx = &done, .arena = &rig.arena};
    rig.adapter->ops->account(rig.adapter, &call);
    rig_wait(&rig, 1000);
    cr_expect_eq(done, 1);
    cr_expect_eq(call.reply.error.class, ERR_CANCELLED);
    cr_expect_eq(closed, 1);
    arena_release(&rig.arena);
    catalogue_free(rig.catalogue);
    runtime_virtual_release(&rig.runtime);
}

/* ---- Usage and prices ---- */

Test(simulated, history_before_the_start_is_the_pure_function_of_the_trace) {
    struct rig rig;
    rig_open(&rig, "{" GROUPS(TRACE) "}");
    struct sim_trace trace;
    struct error err;
    cr_assert_eq(sim_trace_load(&trace, &rig.arena, "tests/data/demand/nasa_http_1995_jul.csv", "t", &err), ERR_NONE);
    int64_t from_ms = RIG_START_MS - 14 * DAY_MS;
    struct adapter_reply reply = rig_usage(&rig, "web", from_ms, RIG_START_MS, 5 * MINUTE_MS);
    cr_assert_eq(reply.error.class, ERR_NONE, "%s", reply.error.message);
    cr_assert_eq(reply.count, 1);
    const struct cloud_series *series = &reply.as.series[0];
    cr_assert_eq(series->utilization_count, 14 * 24 * 12);
    cr_assert_eq(series->serving_count, series->utilization_count);
    size_t saturated = 0;
    for (size_t i = 0; i < series->utilization_count; i++) {
        struct cloud_sample sample = series->utilization[i];
        cr_assert_eq(sample.time_ms % (5 * MINUTE_MS), 0);
        double demand = sim_trace_at(&trace, sample.time_ms - 2 * HOUR_MS) * 40.0 / trace.value_max;
        double expected = fmin(100.0, demand / (6 * 4.0) * 100.0);
        cr_assert_float_eq(sample.value, expected, 1e-9);
        cr_assert_eq(series->serving[i].value, 6);
        saturated += sample.value == 100.0;
    }
    cr_expect(saturated > 0 && saturated < series->utilization_count / 10, "%zu samples at the ceiling", saturated);
    rig_close(&rig);
}

Test(simulated, usage_follows_the_serving_machines_and_never_the_future) {
    struct rig rig;
    rig_open(&rig, "{" GROUPS(TRACE) "}");
    rig_wait(&rig, 2 * HOUR_MS);
    int64_t scaled_ms = RIG_START_MS + 2 * HOUR_MS;
    (void)rig_scale(&rig, "web", 12, NULL);
    rig_wait(&rig, 2 * HOUR_MS);
    struct adapter_reply reply = rig_usage(&rig, "web", RIG_START_MS, RIG_START_MS + 30 * DAY_MS, MINUTE_MS);
    const struct cloud_series *series = &reply.as.series[0];
    cr_assert_eq(reply.count, 1);
    cr_expect_eq(series->serving[series->serving_count - 1].time_ms / MINUTE_MS,
                 (RIG_START_MS + 4 * HOUR_MS) / MINUTE_MS);
    for (size_t i = 0; i < series->serving_count; i++) {
        int64_t age_ms = series->serving[i].time_ms - scaled_ms;
        double serving = series->serving[i].value;
        cr_expect(age_ms < 3 * MINUTE_MS * 8 / 10 ? serving == 6 : serving >= 6, "%lld", (long long)age_ms);
        cr_expect(age_ms > 3 * MINUTE_MS * 12 / 10 ? serving == 12 : serving <= 12, "%lld", (long long)age_ms);
    }
    rig_close(&rig);
}

Test(simulated, no_machine_means_a_gap_and_no_trace_means_no_series) {
    struct rig rig;
    rig_open(&rig, "{" GROUPS(TRACE) "}");
    (void)rig_scale(&rig, "web", 0, NULL);
    rig_wait(&rig, HOUR_MS);
    struct adapter_reply reply = rig_usage(&rig, "web", RIG_START_MS + 1, RIG_START_MS + HOUR_MS, MINUTE_MS);
    cr_assert_eq(reply.count, 1);
    cr_expect_eq(reply.as.series[0].utilization_count, 0);
    cr_expect_eq(reply.as.series[0].serving_count, 60);
    cr_expect_eq(rig_usage(&rig, "other", RIG_START_MS, RIG_START_MS + HOUR_MS, MINUTE_MS).count, 0);
    cr_expect_eq(rig_usage(&rig, "web", RIG_START_MS, RIG_START_MS, MINUTE_MS).count, 0);
    cr_expect_eq(rig_usage(&rig, "web", RIG_START_MS, RIG_START_MS + HOUR_MS, 0).error.class, ERR_PERMANENT);
    cr_expect_eq(rig_usage(&rig, "web", 0, RIG_START_MS, 1).error.class, ERR_PERMANENT);
    cr_expect_eq(rig_usage(&rig, "web", INT64_MIN, INT64_MAX, MINUTE_MS).error.class, ERR_PERMANENT);
    rig_close(&rig);
    rig_open(&rig, "{" GROUPS("") "}");
    cr_expect_eq(rig_usage(&rig, "web", RIG_START_MS - HOUR_MS, RIG_START_MS, MINUTE_MS).count, 0);
    rig_close(&rig);
}

Test(simulated, record_of_changes_forgets_the_oldest_and_nothing_else) {
    struct rig rig;
    rig_open(&rig, "{\"groups\": [{" WEB TRACE "}]}"); /* No boot delay: one change a call, one call a second. */
    const int64_t change_count = SIM_CHANGES_MAX + 501;
    for (int64_t i = 1; i <= change_count; i++) {
        rig_wait(&rig, 1000);
        cr_assert_eq(rig_scale(&rig, "web", 7 + i % 3, NULL).error.class, ERR_NONE);
    }
    struct adapter_reply reply = rig_usage(&rig, "web", RIG_START_MS, RIG_START_MS + (change_count + 1) * 1000, 1000);
    cr_assert_eq(reply.count, 1);
    const struct cloud_series *series = &reply.as.series[0];
    cr_assert_eq((int64_t)series->serving_count, change_count + 1);
    int64_t oldest = change_count - SIM_CHANGES_MAX; /* What held before the oldest kept is kept too. */
    for (int64_t i = 0; i <= change_count; i++) {
        int64_t expected = 7 + (i < oldest ? oldest : i) % 3;
        cr_assert_eq((int64_t)series->serving[i].value, expected, "second %lld", (long long)i);
    }
    rig_close(&rig);
}

Test(simulated, prices_are_those_of_the_catalogue) {
    struct rig rig;
    rig_open(&rig, "{\"prices\": \"gcp\"}");
    static const char *const types[] = {"n2-standard-4", "no-such-type", "e2-standard-2", "e2-standard-2"};
    struct adapter_reply reply = rig_prices(&rig, "us-east-1", types, 4);
    cr_expect_eq(reply.error.class, ERR_NONE);
    cr_expect_eq(reply.count, 0, "gcp sells nothing in a region of aws");
    cr_expect_eq(rig_prices(&rig, "us-central1", NULL, 0).error.class, ERR_PERMANENT, "not one of the Provider's");
    rig_close(&rig);
    rig_open(&rig, "{}");
    static const char *const aws_types[] = {"m5.xlarge", "no-such-type", "c5.large", "m5.xlarge"};
    reply = rig_prices(&rig, "us-east-1", aws_types, 4);
    cr_assert_eq(reply.count, 2);
    cr_expect_str_eq(reply.as.offers[0].type, "c5.large");
    cr_expect_eq(reply.as.offers[1].price_hourly, 192000);
    cr_expect_gt(rig_prices(&rig, "us-east-1", NULL, 0).count, 1000);
    rig_close(&rig);
}

/* ---- Repeatability ---- */

/* A day of scaling with every fault; the hash of all that was answered. `chatty` asks more in between. */
static uint64_t story(const char *parameters, bool chatty) {
    struct rig rig;
    uint64_t hash = STR_HASH_SEED;
    rig_open(&rig, parameters);
    for (int i = 0; i < 24 * 12; i++) {
        runtime_virtual_run_until(&rig.runtime, (uint64_t)(i + 1) * 5 * 60 * NS_PER_S);
        struct adapter_reply reply = rig_scale(&rig, "web", 4 + (i * 7) % 20, NULL);
        hash = str_hash(hash, &reply.error.class, sizeof(reply.error.class));
        hash = str_hash_text(hash, reply.error.message);
        runtime_virtual_run_until(&rig.runtime, ((uint64_t)(i + 1) * 5 + 1) * 60 * NS_PER_S);
        if (chatty) {
            (void)rig_list(&rig, "eu-west-1");
            runtime_virtual_run_until(&rig.runtime, ((uint64_t)(i + 1) * 5 + 2) * 60 * NS_PER_S);
        } else {
            runtime_virtual_run_until(&rig.runtime, ((uint64_t)(i + 1) * 5 + 2) * 60 * NS_PER_S);
        }
        reply = rig_list(&rig, "us-east-1");
        int64_t serving = reply.error.class == ERR_NONE ? reply.as.resources[0].serving : -1;
        hash = str_hash(hash, &serving, sizeof(serving));
    }
    rig_close(&rig);
    return hash;
}

#define STORY(seed)                                                                                                    \
    "{\"seed\": " seed ", \"faults\": {\"latency\": \"200ms\", \"errorPerMille\": 100, \"throttlePerMille\": 100,"     \
    " \"lostReplyPerMille\": 100, \"staleReadPerMille\": 100}, \"capacity\": {\"us-east-1/m5.xlarge\": 15}, " GROUPS(  \
        "") "}"

Test(simulated, same_seed_and_clock_give_the_same_cloud_whatever_else_was_asked) {
    uint64_t first = story(STORY("1"), false);
    cr_expect_eq(first, story(STORY("1"), false));
    cr_expect_eq(first, story(STORY("1"), true));
    cr_expect_neq(first, story(STORY("2"), false));
}
