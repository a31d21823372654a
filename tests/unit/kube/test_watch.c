/*
 * The watch against a scripted API server: lists by stream and by pages, all the ways a watch ends, back-off.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "kube/watch.h"
#include "tests/support/kube_bench.h"

#define PATH "/apis/trimtab.dev/v1alpha1/things"
#define OBJECT(name, version) "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, name, version) "{\"type\":\"" type "\",\"object\":" OBJECT(name, version) "}\n"
#define BOOKMARK(version) "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version "\"}}}\n"
#define LIST_END(version)                                                                                              \
    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version                                  \
    "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n"
#define ERROR_EVENT(code)                                                                                              \
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":" code ",\"reason\":\"Expired\","                    \
    "\"message\":\"too old\"}}\n"
#define PAGE(version, next, items)                                                                                     \
    "{\"kind\":\"ThingList\",\"metadata\":{\"resourceVersion\":\"" version "\",\"continue\":\"" next                   \
    "\"},\"items\":[" items "]}"
#define STREAMING_LIST                                                                                                 \
    {                                                                                                                  \
        .target = PATH "?watch=1", .target2 = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
#define WATCH_FROM(version)                                                                                            \
    {                                                                                                                  \
        .target = PATH "?watch=1&allowWatchBookmarks=true&timeoutSeconds=", .target2 = "&resourceVersion=" version,    \
        .lacks = "sendInitialEvents"
#define EMPTY_LIST                                                                                                     \
    STREAMING_LIST, .pieces = {LIST_END("5")}, .end = HTTP_SCRIPT_HOLD                                                 \
    }

static struct kube_bench bench;
static struct kube_watch *watch;
static struct buf trace;
static struct error last_error;
static bool is_stopped;
static const char *stop_at; /* Stop from inside the event with this name. */

static void on_stopped(void *ctx) {
    (void)ctx;
    is_stopped = true;
}

static void on_event(void *ctx, enum kube_watch_event event, const struct json *value) {
    static const char *const marks[] = {"+", "-", "[", "]"};
    const char *name = json_string(json_at(value, "metadata.name"), "");
    cr_expect_eq(ctx, &bench);
    buf_printf(&trace, "%s%s", marks[event], name);
    if (stop_at && strcmp(stop_at, name) == 0)
        kube_watch_stop(watch, on_stopped, NULL);
}

static void on_error(void *ctx, const struct error *error) {
    (void)ctx;
    last_error = *error;
    buf_puts(&trace, "!");
}

static void begin_with(struct kube_watch_options options, const struct http_script_step *steps, size_t count) {
    kube_bench_open(&bench, steps, count);
    options.path = PATH;
    options.on_event = on_event;
    options.on_error = on_error;
    options.ctx = &bench;
    watch = kube_watch_start(bench.client, &bench.rt.base, &options);
}

#define BEGIN(...) begin_with((struct kube_watch_options){__VA_ARGS__}, steps, ARRAY_LEN(steps))

static bool trace_is(void *ctx) {
    return strcmp(buf_text(&trace), ctx) == 0;
}

/* Everything told so far: [ relist begins, ] synced, +name, -name, ! error. */
static void expect_trace(const char *text) {
    static char wanted[128];
    (void)snprintf(wanted, sizeof(wanted), "%s", text);
    uint64_t end_ns = uv_hrtime() + 3 * NS_PER_S;
    while (!trace_is(wanted) && uv_hrtime() < end_ns)
        kube_bench_pass(&bench, 0);
    cr_assert_str_eq(buf_text(&trace), wanted, "%s %s", last_error.message, bench.server.complaint);
}

static bool has_stopped(void *ctx) {
    (void)ctx;
    return is_stopped;
}

static void finish(void) {
    if (!stop_at)
        kube_watch_stop(watch, on_stopped, NULL);
    cr_assert(stop_at || !is_stopped, "stopped is told later");
    kube_bench_until(&bench, has_stopped, NULL, "the watch to stop");
    kube_bench_close(&bench);
    buf_release(&trace);
}

Test(kube_watch, a_streaming_list_goes_on_as_the_watch){
    static const struct http_script_step steps[] = {
        STREAMING_LIST, .pieces = {EVENT("ADDED", "a", "9") EVENT("ADDED", "b", "3"), LIST_END("12")},
        .end = HTTP_SCRIPT_HOLD}};
BEGIN();
cr_assert_not(kube_watch_is_synced(watch));
expect_trace("[+a+b]");
cr_assert(kube_watch_is_synced(watch));
http_script_push(&bench.server, EVENT("MODIFIED", "a", "13") EVENT("DELETED", "b", "14"));
expect_trace("[+a+b]+a-b");
struct kube_watch_counts counts = kube_watch_counts(watch);
cr_expect_eq(counts.events, 4);
cr_expect_eq(counts.lists, 1);
cr_expect_eq(counts.connects, 1);
finish();
}

Test(kube_watch, a_refused_streaming_list_becomes_a_list_by_pages){
    static const struct http_script_step steps[] = {STREAMING_LIST, .status = 422,
                                                    .pieces = {"{\"kind\":\"Status\",\"code\":422}"}},
    {.target = PATH "?limit=2", .lacks = "continue", .pieces = {PAGE("7", "to&k", OBJECT("a", "1"))}},
    {.target = PATH "?limit=2&continue=to%26k", .pieces = {PAGE("7", "", OBJECT("b", "2"))}},
    WATCH_FROM("7"),
    .pieces = {ERROR_EVENT("410")}},
    {.target = PATH "?limit=2", .pieces = {PAGE("9", "", "")}}, /* The refusal is remembered. */
    WATCH_FROM("9"), .end = HTTP_SCRIPT_HOLD
}
}
;
BEGIN(.page_size = 2);
kube_bench_until_step(&bench, 6);
expect_trace("[[+a+b][]");
cr_expect_eq(last_error.class, ERR_NONE);
finish();
}

Test(kube_watch, a_forbidden_streaming_list_is_tried_again_next_time){
    static const struct http_script_step steps[] = {STREAMING_LIST, .status = 403, .pieces = {"{}"}},
    {.target = PATH "?limit=500",
     .status = 403,
     .pieces = {"{\"kind\":\"Status\",\"code\":403,\"reason\":\"Forbidden\",\"message\":\"no\"}"}},
    EMPTY_LIST};
BEGIN();
expect_trace("[[!");
cr_expect_eq(last_error.class, ERR_PERMISSION);
cr_expect_str_eq(last_error.message, "no");
kube_bench_pass(&bench, NS_PER_S);
expect_trace("[[![]");
finish();
}

Test(kube_watch, an_expired_page_starts_the_list_again_without_pages) {
    static const struct http_script_step steps[] = {STREAMING_LIST, .status = 400, .pieces = {"{}"}},
                                         {.target = "limit=500", .pieces = {PAGE("7", "next", OBJECT("a", "1"))}},
                                         {.target = "continue=next",
                                          .status = 410,
                                          .pieces = {"{\"code\":410,\"reason\":\"Expired\"}"}},
                                         {.target = PATH "?limit=0", .pieces = {PAGE("8", "", OBJECT("b", "2"))}},
                                         WATCH_FROM("8"), .end = HTTP_SCRIPT_HOLD
}
}
;
BEGIN();
kube_bench_until_step(&bench, 5);
expect_trace("[[+a[+b]");
cr_expect_eq(kube_watch_counts(watch).failures, 0);
finish();
}

Test(kube_watch, a_preferred_list_comes_from_the_servers_cache) {
    static const struct http_script_step
        steps[] = {{.target = PATH "?resourceVersion=0&resourceVersionMatch=NotOlderThan&fieldSelector=a%3Db",
                    .pieces = {PAGE("7", "", OBJECT("a", "1"))}},
                   WATCH_FROM("7"),
                   .pieces = {ERROR_EVENT("410")}},
        {.target = PATH "?resourceVersion=7&resourceVersionMatch=NotOlderThan", .pieces = {PAGE("9", "", "")}},
        WATCH_FROM("9"), .end = HTTP_SCRIPT_HOLD
}
}
;
BEGIN(.prefer_list = true, .field_selector = "a=b");
kube_bench_until_step(&bench, 4);
expect_trace("[+a][]");
finish();
}

Test(kube_watch, a_watch_that_ends_in_good_order_goes_on_from_where_it_was) {
    static const struct http_script_step steps[] = {EMPTY_LIST, WATCH_FROM("6"), .end = HTTP_SCRIPT_HOLD},
                                         WATCH_FROM("20"), .end = HTTP_SCRIPT_HOLD
}
}
;
BEGIN();
expect_trace("[]");
http_script_push(&bench.server, EVENT("ADDED", "a", "6"));
expect_trace("[]+a");
kube_bench_pass(&bench, 400 * NS_PER_S);
http_script_end(&bench.server, HTTP_SCRIPT_END);
kube_bench_until_step(&bench, 2);
cr_expect(kube_watch_is_synced(watch), "an orderly end is no failure");
http_script_push(&bench.server, BOOKMARK("20"));
kube_bench_pass(&bench, 400 * NS_PER_S);
http_script_end(&bench.server, HTTP_SCRIPT_END);
kube_bench_until_step(&bench, 3);
expect_trace("[]+a");
finish();
}

Test(kube_watch, a_broken_connection_is_made_anew_after_a_while_and_misses_nothing){
    static const struct http_script_step steps[] = {EMPTY_LIST, WATCH_FROM("6"), .pieces = {EVENT("ADDED", "b", "7")},
                                                    .end = HTTP_SCRIPT_HOLD}};
BEGIN();
expect_trace("[]");
http_script_push(&bench.server, EVENT("ADDED", "a", "6") "{\"type\":\"ADDED\",\"obj");
expect_trace("[]+a");
http_script_end(&bench.server, HTTP_SCRIPT_CUT);
expect_trace("[]+a!");
cr_expect_eq(last_error.class, ERR_RETRYABLE);
cr_expect_not(kube_watch_is_synced(watch));
cr_expect_eq(bench.server.step_index, 1, "not before the wait");
kube_bench_pass(&bench, 800 * NS_PER_MS);
expect_trace("[]+a!+b");
cr_expect(kube_watch_is_synced(watch));
cr_expect_eq(kube_watch_counts(watch).lists, 1);
cr_expect_eq(kube_watch_counts(watch).malformed, 0);
finish();
}

Test(kube_watch, what_is_no_event_breaks_the_connection_and_lists_again) {
    static const char *const bad[] = {
        "{\"type\":\"ADDED\",]\n",              /* Not JSON. */
        "{\"type\":\"ADDED\",\"object\":{}}\n", /* No version. */
        EVENT("TRIMMED", "x", "9"),             /* No such type. */
        "7\n",                                  /* Not an object. */
    };
    static const struct http_script_step steps[] = {EMPTY_LIST, EMPTY_LIST};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        is_stopped = false;
        BEGIN();
        expect_trace("[]");
        http_script_push(&bench.server, bad[i]);
        expect_trace("[]!");
        cr_expect_eq(kube_watch_counts(watch).malformed, 1, "case %zu", i);
        kube_bench_pass(&bench, 800 * NS_PER_MS);
        expect_trace("[]![]");
        finish();
    }
}

Test(kube_watch, an_event_cut_short_by_an_orderly_end_lists_again) {
    static const struct http_script_step steps[] = {EMPTY_LIST, EMPTY_LIST};
    BEGIN();
    expect_trace("[]");
    http_script_push(&bench.server, "{\"type\":\"ADDED\",\"object\":{\"metadata\":");
    kube_bench_pass(&bench, 60 * NS_PER_S);
    http_script_end(&bench.server, HTTP_SCRIPT_END);
    expect_trace("[]!");
    cr_expect_eq(kube_watch_counts(watch).malformed, 1);
    kube_bench_pass(&bench, 800 * NS_PER_MS);
    expect_trace("[]![]");
    finish();
}

Test(kube_watch, a_list_cut_half_way_is_never_taken_as_complete) {
    static const struct http_script_step steps[] = {STREAMING_LIST, .status = 422, .pieces = {"{}"}},
                                         {.target = "limit=500",
                                          .pieces = {"{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[" OBJECT(
                                              "a", "1") ","}},
                                         {.target = "limit=500", .pieces = {PAGE("8", "", "")}}, WATCH_FROM("8"),
                                         .end = HTTP_SCRIPT_HOLD
}
}
;
BEGIN();
expect_trace("[[+a!");
cr_expect_not(kube_watch_is_synced(watch));
kube_bench_pass(&bench, 800 * NS_PER_MS);
expect_trace("[[+a![]");
kube_bench_until_step(&bench, 4);
finish();
}

Test(kube_watch, a_server_that_never_marks_the_end_is_listed_by_pages) {
    static const struct http_script_step steps[] = {STREAMING_LIST, .pieces = {EVENT("ADDED", "a", "1") BOOKMARK("3")},
                                                    .end = HTTP_SCRIPT_HOLD},
                                         {.target = "limit=500", .pieces = {PAGE("8", "", OBJECT("a", "1"))}},
                                         WATCH_FROM("8"), .end = HTTP_SCRIPT_HOLD
}
}
;
BEGIN();
expect_trace("[+a!");
kube_bench_pass(&bench, 800 * NS_PER_MS);
expect_trace("[+a![+a]");
kube_bench_until_step(&bench, 3);
finish();
}

Test(kube_watch, a_streaming_list_that_ends_early_is_made_by_pages_once){
    static const struct http_script_step steps[] = {STREAMING_LIST, .pieces = {EVENT("ADDED", "a", "1")}},
    {.target = "limit=500", .pieces = {PAGE("8", "", OBJECT("a", "1"))}},
    WATCH_FROM("8"),
    .pieces = {ERROR_EVENT("410")}},
    EMPTY_LIST
}
;
BEGIN();
expect_trace("[+a!");
kube_bench_pass(&bench, 800 * NS_PER_MS);
expect_trace("[+a![+a][]");
finish();
}

Test(kube_watch, a_watch_ended_at_once_is_not_asked_for_in_a_tight_loop){
    static const struct http_script_step steps[] = {EMPTY_LIST, WATCH_FROM("5"), .end = HTTP_SCRIPT_HOLD}};
BEGIN();
expect_trace("[]");
http_script_end(&bench.server, HTTP_SCRIPT_END);
expect_trace("[]!");
cr_expect_eq(bench.server.step_index, 1);
kube_bench_pass(&bench, 800 * NS_PER_MS);
kube_bench_until_step(&bench, 2);
finish();
}

Test(kube_watch, an_error_event_that_is_not_gone_reconnects_without_a_list){
    static const struct http_script_step steps[] = {EMPTY_LIST, WATCH_FROM("5"), .end = HTTP_SCRIPT_HOLD}};
BEGIN();
expect_trace("[]");
http_script_push(&bench.server, ERROR_EVENT("500"));
expect_trace("[]!");
cr_expect_eq(last_error.http_status, 500);
kube_bench_pass(&bench, 800 * NS_PER_MS);
kube_bench_until_step(&bench, 2);
cr_expect_not(kube_watch_is_synced(watch), "not before a byte has come");
kube_bench_pass(&bench, 20 * NS_PER_S);
cr_expect(kube_watch_is_synced(watch), "a silent connection that stands is fine");
finish();
}

Test(kube_watch, a_version_that_is_always_gone_is_listed_ever_more_rarely) {
    static const struct http_script_step steps[] = {EMPTY_LIST, EMPTY_LIST, EMPTY_LIST};
    BEGIN();
    expect_trace("[]");
    http_script_push(&bench.server, ERROR_EVENT("410"));
    expect_trace("[][]"); /* The first time at once, and silently. */
    http_script_push(&bench.server, ERROR_EVENT("410"));
    expect_trace("[][]!");
    kube_bench_pass(&bench, 1600 * NS_PER_MS);
    expect_trace("[][]![]");
    finish();
}

Test(kube_watch, a_version_that_is_gone_after_an_outage_is_listed_at_once) {
    static const struct http_script_step failure = {.target = PATH, .status = 503, .pieces = {"{}"}};
    struct http_script_step steps[9] = {EMPTY_LIST};
    for (size_t i = 1; i < 7; i++)
        steps[i] = failure;
    steps[7] = (struct http_script_step){.target = "resourceVersion=5", .pieces = {ERROR_EVENT("410")}};
    steps[8] = (struct http_script_step)EMPTY_LIST;
    BEGIN();
    expect_trace("[]");
    http_script_end(&bench.server, HTTP_SCRIPT_CUT);
    expect_trace("[]!");
    while (bench.server.step_index < 7 && bench.rt.now_ns < 200 * NS_PER_S)
        kube_bench_pass(&bench, NS_PER_S);
    expect_trace("[]!!!!!!!");
    uint64_t now_ns = bench.rt.now_ns;
    while (bench.server.step_index < 8 && bench.rt.now_ns < now_ns + 31 * NS_PER_S)
        kube_bench_pass(&bench, NS_PER_S);
    expect_trace("[]!!!!!!![]"); /* expect_trace lets no virtual time pass. */
    finish();
}

/* Back-off: 0.8 s doubled up to 30 s, and any part of it at random. */
Test(kube_watch, waits_grow_with_failures_and_start_afresh_after_a_healthy_connection) {
    static const struct http_script_step failure = {.target = PATH, .status = 500, .pieces = {"{}"}};
    struct http_script_step steps[14];
    uint64_t most_ns = 0;
    for (size_t i = 0; i < 10; i++)
        steps[i] = failure;
    for (size_t i = 10; i < 14; i++)
        steps[i] = (struct http_script_step)EMPTY_LIST;
    BEGIN();
    for (size_t i = 0; i < 10; i++) {
        kube_bench_until_step(&bench, i + 1);
        uint64_t cap_ns = (i < 6 ? 800 * NS_PER_MS << i : 30 * NS_PER_S), before_ns = bench.rt.now_ns;
        for (int turn = 0; bench.rt.base.heap_count == 0 && turn < 100; turn++)
            kube_bench_pass(&bench, 0);
        cr_assert_gt(bench.rt.base.heap_count, 0, "it does not wait");
        uint64_t wait_ns = bench.rt.base.heap[0]->due_ns - before_ns;
        cr_expect_leq(wait_ns, cap_ns, "wait %zu", i);
        most_ns = wait_ns > most_ns ? wait_ns : most_ns;
        kube_bench_pass(&bench, wait_ns);
    }
    cr_expect_gt(most_ns, 5 * NS_PER_S, "the waits do grow");
    for (size_t i = 0; i < 3; i++) { /* More than once: a long wait may be short by chance. */
        kube_bench_until_step(&bench, 11 + i);
        kube_bench_pass(&bench, 30 * NS_PER_S);
        http_script_push(&bench.server, "]");
        for (int turn = 0; kube_watch_counts(watch).failures < 11 + i && turn < 100; turn++)
            kube_bench_pass(&bench, 0);
        cr_assert_eq(kube_watch_counts(watch).failures, 11 + i);
        cr_expect_leq(bench.rt.base.heap[0]->due_ns - bench.rt.now_ns, 800 * NS_PER_MS, "as after a first failure");
        kube_bench_pass(&bench, 800 * NS_PER_MS);
    }
    kube_bench_until_step(&bench, 14);
    finish();
}

Test(kube_watch, a_throttled_watch_honours_retry_after){
    static const struct http_script_step steps[] = {STREAMING_LIST, .status = 429, .header = "Retry-After: 7",
                                                    .pieces = {"{}"}},
    EMPTY_LIST};
BEGIN();
expect_trace("[!");
cr_expect_eq(last_error.class, ERR_THROTTLED);
kube_bench_pass(&bench, 6900 * NS_PER_MS);
cr_expect_eq(bench.server.step_index, 1);
kube_bench_pass(&bench, 900 * NS_PER_MS);
expect_trace("[![]");
finish();
}

Test(kube_watch, silence_is_a_half_open_connection){
    static const struct http_script_step steps[] = {EMPTY_LIST, WATCH_FROM("5"), .pieces = {BOOKMARK("5")},
                                                    .end = HTTP_SCRIPT_HOLD}};
BEGIN(.idle_timeout_ms = 300); /* Of real time: the network's. */
expect_trace("[]");
expect_trace("[]!");
cr_expect_eq(last_error.class, ERR_RETRYABLE);
kube_bench_pass(&bench, 800 * NS_PER_MS);
kube_bench_until_step(&bench, 2);
finish();
}

Test(kube_watch, can_be_stopped_from_inside_an_event){
    static const struct http_script_step steps[] = {
        STREAMING_LIST, .pieces = {EVENT("ADDED", "a", "9") EVENT("ADDED", "b", "3"), LIST_END("12")},
        .end = HTTP_SCRIPT_HOLD}};
stop_at = "a";
BEGIN();
expect_trace("[+a");
finish();
}

Test(kube_watch, can_be_stopped_before_it_began_and_while_it_waits){
    static const struct http_script_step steps[] = {STREAMING_LIST, .status = 500, .pieces = {"{}"}}};
begin_with((struct kube_watch_options){0}, steps, 0);
finish();
is_stopped = false;
BEGIN();
expect_trace("[!");
finish();
}
