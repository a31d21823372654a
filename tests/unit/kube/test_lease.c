/*
 * Leader election against a scripted API server, in virtual time: who may lead when, and what is written.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/lease.h"
#include "tests/support/kube_bench.h"

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/system/leases"
#define LEASE LEASES "/trimtab"
#define RECORD(version, holder, renewed, seconds)                                                                      \
    "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":\"trimtab\",\"namespace\":"  \
    "\"system\",\"labels\":{\"keep\":\"me\"},\"resourceVersion\":\"" version                                           \
    "\"},\"spec\":{\"holderIdentity\":\"" holder "\",\"leaseDurationSeconds\":" seconds                                \
    ",\"acquireTime\":\"2026-01-01T00:00:00.000000Z\",\"renewTime\":\"" renewed "\",\"leaseTransitions\":4}}"
#define T1 "2026-01-01T00:00:01.000000Z"
#define T2 "2026-01-01T00:00:02.000000Z"
#define READ(record)                                                                                                   \
    {                                                                                                                  \
        .target = LEASE, .pieces = { record }                                                                          \
    }
#define WRITE(version, record)                                                                                         \
    {                                                                                                                  \
        .method = "PUT", .target = LEASE, .body_has = "\"resourceVersion\":\"" version "\"", .pieces = { record }      \
    }
#define FAIL(verb, code)                                                                                               \
    {                                                                                                                  \
        .method = verb, .target = LEASES, .status = code, .pieces = { "{}" }                                           \
    }
#define FREE READ(RECORD("1", "", T1, "1"))
#define OURS(version) RECORD(version, "me", T2, "15")

static struct kube_bench bench;
static struct kube_lease *lease;
static struct buf trace; /* L: we lead; l: no longer. */
static bool is_stopping, is_stopped, stop_on_change;

static void on_stopped(void *ctx) {
    (void)ctx;
    is_stopped = true;
}

static void stop(void) {
    is_stopping = true;
    kube_lease_stop(lease, on_stopped, NULL);
}

static void on_change(void *ctx, bool is_leader) {
    (void)ctx;
    buf_putc(&trace, is_leader ? 'L' : 'l');
    cr_expect_eq(kube_lease_is_leader(lease), is_leader);
    cr_expect_eq(kube_lease_valid_until_ns(lease) != 0, is_leader);
    if (stop_on_change) {
        stop_on_change = false;
        stop();
    }
}

static void begin(const struct http_script_step *steps, size_t count) {
    kube_bench_open(&bench, steps, count);
    log_configure(LOG_ERROR, LOG_FORMAT_TEXT);
    lease = kube_lease_start(bench.client, &bench.rt.base,
                             &(struct kube_lease_options){.namespace = "system",
                                                          .name = "trimtab",
                                                          .identity = "me",
                                                          .lease_duration_ms = 15000,
                                                          .renew_deadline_ms = 10000,
                                                          .retry_period_ms = 2000,
                                                          .on_change = on_change});
}
#define BEGIN() begin(steps, ARRAY_LEN(steps))

static bool trace_is(void *ctx) {
    return strcmp(buf_text(&trace), ctx) == 0;
}

static char leads[] = "L";

/* The step is reached and its answer digested. */
static void expect_step(size_t step_index, const char *told) {
    kube_bench_until_step(&bench, step_index);
    kube_bench_pass(&bench, 0);
    kube_bench_pass(&bench, 0);
    cr_assert_str_eq(buf_text(&trace), told, "at step %zu", step_index);
}

/* A round of a candidate comes after 2 to 4.4 s, of the leader after 2 to 2.2 s. */
static void next_round(size_t step_index, const char *told) {
    uint64_t end_ns = bench.rt.now_ns + 4400 * NS_PER_MS;
    while (bench.server.step_index < step_index && bench.rt.now_ns < end_ns)
        kube_bench_pass(&bench, 200 * NS_PER_MS);
    expect_step(step_index, told);
}

static bool has_stopped(void *ctx) {
    (void)ctx;
    return is_stopped;
}

static void finish(void) {
    if (!is_stopping) {
        stop();
        cr_expect_not(is_stopped, "stopped is told later");
    }
    kube_bench_until(&bench, has_stopped, NULL, "the lease to stop");
    kube_bench_close(&bench);
    buf_release(&trace);
}

static const char *body_text(const char *path) {
    static char text[64];
    struct json *body;
    struct error error;
    cr_assert_eq(json_parse(buf_bytes(&bench.server.last_body), &body, &error), ERR_NONE, "%s", error.message);
    const struct json *node = json_at(body, path);
    if (json_type(node) == JSON_INT)
        (void)snprintf(text, sizeof(text), "%ld", (long)json_int(node, -1));
    else
        (void)snprintf(text, sizeof(text), "%s", json_string(node, "?"));
    json_free(body);
    return text;
}

Test(kube_lease, is_created_when_there_is_none_and_released_in_the_end) {
    static const struct http_script_step steps[] = {
        FAIL("GET", 404),
        {.method = "POST", .target = LEASES, .lacks = "trimtab", .status = 201, .pieces = {OURS("1")}},
        WRITE("1", OURS("2")),
        WRITE("2", RECORD("3", "", T2, "1"))};
    BEGIN();
    kube_bench_until(&bench, trace_is, leads, "leadership");
    cr_expect_str_eq(body_text("metadata.name"), "trimtab");
    cr_expect_str_eq(body_text("spec.holderIdentity"), "me");
    cr_expect_str_eq(body_text("spec.leaseDurationSeconds"), "15");
    cr_expect_str_eq(body_text("spec.leaseTransitions"), "0");
    cr_expect_str_eq(body_text("spec.renewTime"), "2026-02-02T02:40:00.000000Z");
    cr_expect_str_eq(body_text("spec.acquireTime"), "2026-02-02T02:40:00.000000Z");
    cr_expect_eq(kube_lease_valid_until_ns(lease), 15 * NS_PER_S);
    next_round(3, "L");
    cr_expect_eq(kube_lease_acquired_ns(lease), 0);
    struct buf metrics = {0};
    kube_lease_metrics(lease, &metrics);
    cr_expect(strstr(buf_text(&metrics), "\nleader_election_master_status{name=\"trimtab\"} 1\n"));
    buf_release(&metrics);
    stop();
    cr_expect_str_eq(buf_text(&trace), "Ll", "told before the lease is given up");
    kube_bench_until(&bench, has_stopped, NULL, "the lease to stop");
    cr_expect_str_eq(body_text("spec.holderIdentity"), "");
    cr_expect_str_eq(body_text("spec.leaseDurationSeconds"), "1");
    finish();
}

Test(kube_lease, a_released_one_is_taken_at_once_and_what_others_wrote_stays) {
    static const struct http_script_step steps[] = {FREE, WRITE("1", OURS("2")), WRITE("2", RECORD("3", "", T2, "1"))};
    BEGIN();
    expect_step(2, "L");
    cr_expect_str_eq(body_text("spec.leaseTransitions"), "5");
    cr_expect_str_eq(body_text("metadata.labels.keep"), "me");
    finish();
}

Test(kube_lease, a_renewal_keeps_the_time_of_acquisition) {
    static const struct http_script_step steps[] = {FREE, WRITE("1", OURS("2")), WRITE("2", OURS("3")),
                                                    WRITE("3", RECORD("4", "", T2, "1"))};
    BEGIN();
    expect_step(2, "L");
    next_round(3, "L");
    cr_expect_str_eq(body_text("spec.acquireTime"), "2026-01-01T00:00:00.000000Z");
    cr_expect_str_eq(body_text("spec.leaseTransitions"), "4");
    cr_expect_str_neq(body_text("spec.renewTime"), T2);
    cr_expect_geq(kube_lease_valid_until_ns(lease), 17 * NS_PER_S);
    cr_expect_leq(kube_lease_valid_until_ns(lease), bench.rt.now_ns + 15 * NS_PER_S);
    finish();
}

/* The record's times are years old by our wall clock: that must not matter. */
Test(kube_lease, a_holder_has_expired_only_when_we_saw_it_stand_still) {
    static const struct http_script_step steps[] = {
        READ(RECORD("1", "other", T1, "10")),
        READ(RECORD("2", "other", T2, "10")), /* Renewed: from here on it stands still. */
        {.target = LEASE, .pieces = {RECORD("2", "other", T2, "10")}, .repeats = true},
        WRITE("2", OURS("3")),
        WRITE("3", RECORD("4", "", T2, "1"))};
    BEGIN();
    expect_step(1, "");
    next_round(2, "");
    uint64_t renewed_ns = bench.rt.now_ns;
    while (!*buf_text(&trace) && bench.rt.now_ns < renewed_ns + 16 * NS_PER_S)
        kube_bench_pass(&bench, 200 * NS_PER_MS);
    cr_assert_str_eq(buf_text(&trace), "L");
    cr_expect_geq(bench.rt.now_ns, renewed_ns + 9600 * NS_PER_MS, "too early");
    cr_expect_leq(bench.rt.now_ns, renewed_ns + 14800 * NS_PER_MS, "later than the first round after its 10 s");
    finish();
}

Test(kube_lease, a_conflict_in_taking_it_makes_us_read_again_and_wait) {
    static const struct http_script_step steps[] = {FREE, FAIL("PUT", 409), READ(RECORD("2", "other", T2, "15"))};
    BEGIN();
    expect_step(3, "");
    kube_bench_pass(&bench, NS_PER_S);
    finish(); /* Not ours: nothing is released. */
}

Test(kube_lease, repeated_conflicts_do_not_make_a_tight_loop) {
    static const struct http_script_step steps[] = {FREE,
                                                    FAIL("PUT", 409),
                                                    FREE,
                                                    FAIL("PUT", 409),
                                                    FREE,
                                                    WRITE("1", OURS("2")),
                                                    WRITE("2", RECORD("3", "", T2, "1"))};
    BEGIN();
    expect_step(4, "");
    kube_bench_pass(&bench, 1900 * NS_PER_MS);
    cr_expect_eq(bench.server.step_index, 4);
    next_round(6, "L");
    finish();
}

Test(kube_lease, the_leader_goes_on_after_a_foreign_edit) {
    static const struct http_script_step steps[] = {FREE,
                                                    WRITE("1", OURS("2")),
                                                    FAIL("PUT", 409),
                                                    READ(OURS("7")), /* Somebody put a label there. */
                                                    WRITE("7", OURS("8")),
                                                    WRITE("8", RECORD("9", "", T2, "1"))};
    BEGIN();
    expect_step(2, "L");
    next_round(5, "L");
    finish();
}

Test(kube_lease, the_leader_steps_down_at_once_when_another_holds_it) {
    static const struct http_script_step steps[] = {FREE, WRITE("1", OURS("2")), FAIL("PUT", 409),
                                                    READ(RECORD("7", "other", T2, "15"))};
    BEGIN();
    expect_step(2, "L");
    next_round(4, "Ll");
    finish();
}

Test(kube_lease, the_leader_creates_it_anew_when_it_was_deleted) {
    static const struct http_script_step steps[] = {
        FREE,
        WRITE("1", OURS("2")),
        FAIL("PUT", 404),
        FAIL("GET", 404),
        {.method = "POST", .target = LEASES, .lacks = "trimtab", .status = 201, .pieces = {OURS("9")}},
        WRITE("9", RECORD("10", "", T2, "1"))};
    BEGIN();
    expect_step(2, "L");
    next_round(5, "L");
    cr_expect_str_eq(body_text("metadata.resourceVersion"), "?");
    finish();
}

Test(kube_lease, steps_down_when_renewals_fail_for_the_deadline_and_before_the_fence) {
    static const struct http_script_step steps[] = {
        FREE,
        WRITE("1", OURS("2")),
        FAIL("PUT", 500),
        /* In doubt whether the write has arrived, it reads; and stopping does so once more. */
        {.target = LEASE, .status = 500, .pieces = {"{}"}, .repeats = true}};
    BEGIN();
    expect_step(2, "L");
    uint64_t valid_until_ns = kube_lease_valid_until_ns(lease);
    while (bench.rt.now_ns < 9800 * NS_PER_MS) {
        kube_bench_pass(&bench, 200 * NS_PER_MS);
        cr_assert_str_eq(buf_text(&trace), "L", "too early");
        cr_assert_eq(kube_lease_valid_until_ns(lease), valid_until_ns, "a failure does not move the fence");
    }
    kube_bench_pass(&bench, 400 * NS_PER_MS);
    cr_expect_str_eq(buf_text(&trace), "Ll");
    cr_expect_lt(bench.rt.now_ns, valid_until_ns);
    cr_expect_eq(kube_lease_valid_until_ns(lease), 0);
    finish();
}

Test(kube_lease, a_renewal_that_hangs_is_given_up_at_the_deadline) {
    static const struct http_script_step steps[] = {
        FREE,
        WRITE("1", OURS("2")),
        {.method = "PUT", .target = LEASE, .pieces = {"{"}, .end = HTTP_SCRIPT_HOLD},
        READ(OURS("5")), /* It had arrived. */
        WRITE("5", OURS("6")),
        WRITE("6", RECORD("7", "", T2, "1"))};
    BEGIN();
    expect_step(2, "L");
    next_round(3, "L");
    kube_bench_pass(&bench, 8 * NS_PER_S);
    cr_expect_str_eq(buf_text(&trace), "Ll");
    next_round(5, "LlL");
    cr_expect_gt(kube_lease_acquired_ns(lease), 10 * NS_PER_S);
    finish();
}

Test(kube_lease, a_release_in_doubt_reads_and_is_tried_again) {
    static const struct http_script_step steps[] = {FREE, WRITE("1", OURS("2")), FAIL("PUT", 409), READ(OURS("4")),
                                                    WRITE("4", RECORD("5", "", T2, "1"))};
    BEGIN();
    expect_step(2, "L");
    finish();
}

Test(kube_lease, is_not_released_when_another_has_taken_it) {
    static const struct http_script_step steps[] = {FREE, WRITE("1", OURS("2")), FAIL("PUT", 409),
                                                    READ(RECORD("4", "other", T2, "15"))};
    BEGIN();
    expect_step(2, "L");
    finish();
    cr_expect(is_stopped);
}

Test(kube_lease, stopping_takes_two_seconds_at_most) {
    static const struct http_script_step steps[] = {
        FREE, WRITE("1", OURS("2")), {.method = "PUT", .target = LEASE, .pieces = {"{"}, .end = HTTP_SCRIPT_HOLD}};
    BEGIN();
    expect_step(2, "L");
    stop();
    kube_bench_until_step(&bench, 3);
    kube_bench_pass(&bench, 1900 * NS_PER_MS);
    cr_expect_not(is_stopped);
    kube_bench_pass(&bench, 200 * NS_PER_MS);
    kube_bench_until(&bench, has_stopped, NULL, "the lease to stop");
    finish();
}

Test(kube_lease, stopping_waits_for_a_write_under_way_and_then_releases) {
    static const struct http_script_step steps[] = {FREE,
                                                    {.method = "PUT",
                                                     .target = LEASE,
                                                     .pieces = {"{\"metadata\":{\"resourceVersion\":\"2\"},\"spec\":{"},
                                                     .end = HTTP_SCRIPT_HOLD},
                                                    WRITE("2", RECORD("3", "", T2, "1"))};
    BEGIN();
    expect_step(2, "");
    stop();
    http_script_push(&bench.server, "\"holderIdentity\":\"me\"}}");
    http_script_end(&bench.server, HTTP_SCRIPT_END);
    finish();
    cr_expect_str_empty(buf_text(&trace), "never led");
}

Test(kube_lease, can_be_stopped_from_inside_a_change) {
    static const struct http_script_step steps[] = {FREE, WRITE("1", OURS("2")), WRITE("2", RECORD("3", "", T2, "1"))};
    stop_on_change = true;
    BEGIN();
    kube_bench_until(&bench, has_stopped, NULL, "the lease to stop");
    cr_expect_str_eq(buf_text(&trace), "Ll");
    finish();
}
