/*
 * Calls and streams against a scripted API server; the client's own waits pass in virtual time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "kube/stream.h"
#include "tests/support/kube_bench.h"
#include "tests/unit/kube/scratch.h"

#define BUDGETS "/apis/trimtab.dev/v1alpha1/namespaces/a/budgets"
#define STATUS(code, reason, message)                                                                                  \
    "{\"kind\":\"Status\",\"code\":" #code ",\"reason\":\"" reason "\",\"message\":\"" message "\"}"
#define GOOD                                                                                                           \
    {                                                                                                                  \
        .target = BUDGETS, .pieces = { "{\"kind\":\"Budget\"}" }                                                       \
    }
#define THROTTLED(verb)                                                                                                \
    {                                                                                                                  \
        .method = verb, .target = BUDGETS, .status = 429, .header = "Retry-After: 7", .pieces = {                      \
            STATUS(429, "TooManyRequests", "slow down")                                                                \
        }                                                                                                              \
    }
#define REFUSED(head)                                                                                                  \
    {                                                                                                                  \
        .target = BUDGETS, .head_has = head, .status = 401, .pieces = { STATUS(401, "Unauthorized", "who?") }          \
    }

struct asked {
    struct kube_call call;
    int done_count;
    bool is_sending;
};

static struct kube_bench bench;
static struct asked a, b, c;

#define OPEN(...)                                                                                                      \
    static const struct http_script_step steps[] = {__VA_ARGS__};                                                      \
    kube_bench_open(&bench, steps, ARRAY_LEN(steps))

static void set_flag(void *ctx) {
    *(bool *)ctx = true;
}

static bool is_set(void *ctx) {
    return *(bool *)ctx;
}

/* The bench's client, replaced by one with other credentials or limits. */
static void reopen_client(struct kube_config config, const struct kube_client_options *options) {
    char *url = mem_printf("http://127.0.0.1:%d", bench.server.port);
    config.server = url;
    bool is_closed = false;
    kube_client_close(bench.client, set_flag, &is_closed);
    kube_bench_until(&bench, is_set, &is_closed, "the client to close");
    kube_client_free(bench.client);
    bench.client = kube_client_new(&bench.rt.base, bench.http, &bench.loop, &config, options);
    mem_free(url);
}

static void on_done(struct kube_call *call) {
    struct asked *asked = call->ctx;
    cr_assert_not(asked->is_sending, "done from inside send or cancel");
    asked->done_count++;
}

static void ask(struct asked *asked, const char *method, const char *body) {
    kube_call_release(&asked->call);
    *asked = (struct asked){.call = {.method = method, .path = BUDGETS "/b", .done = on_done, .ctx = asked}};
    if (body) {
        asked->call.content_type = "application/apply-patch+yaml";
        asked->call.body = bytes_of(body);
    }
    asked->is_sending = true;
    kube_call_send(bench.client, &asked->call);
    asked->is_sending = false;
}

static void cancel(struct asked *asked) {
    asked->is_sending = true;
    kube_call_cancel(&asked->call);
    asked->is_sending = false;
}

static bool is_done(void *ctx) {
    return ((struct asked *)ctx)->done_count > 0;
}

static void await(struct asked *asked) {
    kube_bench_until(&bench, is_done, asked, "the answer");
    cr_assert_eq(asked->done_count, 1);
}

static void close_bench(void) {
    kube_bench_close(&bench);
    kube_call_release(&a.call);
    kube_call_release(&b.call);
    kube_call_release(&c.call);
}

TestSuite(kube_client, .fini = close_bench, .timeout = 60);

Test(kube_client, sends_what_was_asked_and_parses_the_reply) {
    OPEN({.method = "PATCH",
          .target = BUDGETS "/b",
          .head_has = "Content-Type: application/apply-patch+yaml\r\n",
          .body_has = "{\"x\":1}",
          .pieces = {"{\"kind\":", "\"Budget\"}"}},
         {.method = "DELETE", .target = BUDGETS "/b", .head_has = "Accept: application/json\r\n"});
    ask(&a, "PATCH", "{\"x\":1}");
    await(&a);
    cr_assert_eq(a.call.error.class, ERR_NONE, "%s", a.call.error.message);
    cr_assert_str_eq(json_string(json_get(a.call.reply, "kind"), ""), "Budget");
    ask(&a, "DELETE", NULL);
    await(&a);
    cr_assert_eq(a.call.error.class, ERR_NONE);
    cr_assert_null(a.call.reply, "an empty body is no JSON");
}

Test(kube_client, gives_each_refusal_its_class_and_the_servers_own_words) {
    static const struct {
        int status;
        const char *body;
        enum err_class class;
        const char *code, *message;
    } rows[] = {
        {409, STATUS(409, "AlreadyExists", "it is there"), ERR_CONFLICT, "AlreadyExists", "it is there"},
        {409, STATUS(409, "Conflict", "modified"), ERR_CONFLICT, "Conflict", "modified"},
        {404, STATUS(404, "NotFound", "no b"), ERR_CONFLICT, "NotFound", "no b"},
        {404, "<html>proxy</html>", ERR_CONFLICT, "NotFound", "HTTP 404"},
        {410, STATUS(410, "Expired", "too old"), ERR_CONFLICT, "Expired", "too old"},
        {410, "{}", ERR_CONFLICT, "Gone", "HTTP 410"},
        {403, STATUS(403, "Forbidden", "may not"), ERR_PERMISSION, "Forbidden", "may not"},
        {400, STATUS(400, "BadRequest", "what?"), ERR_PERMANENT, "BadRequest", "what?"},
        {422, STATUS(422, "Invalid", "spec.x"), ERR_PERMANENT, "Invalid", "spec.x"},
        {500, STATUS(500, "InternalError", "oops"), ERR_RETRYABLE, "InternalError", "oops"},
        {503, "busy", ERR_RETRYABLE, "", "HTTP 503"},
        {504, STATUS(504, "Timeout", "late"), ERR_RETRYABLE, "Timeout", "late"},
        {408, "", ERR_RETRYABLE, "", "HTTP 408"},
    };
    static struct http_script_step steps[ARRAY_LEN(rows)];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        steps[i] = (struct http_script_step){.method = "PATCH",
                                             .target = BUDGETS,
                                             .status = rows[i].status,
                                             .pieces = {*rows[i].body ? rows[i].body : NULL}};
    kube_bench_open(&bench, steps, ARRAY_LEN(steps));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask(&a, "PATCH", "{}");
        await(&a);
        cr_assert_eq(a.call.error.class, rows[i].class, "row %zu: %d", i, (int)a.call.error.class);
        cr_assert_eq(a.call.error.http_status, (uint32_t)rows[i].status, "row %zu", i);
        cr_assert_str_eq(a.call.error.code, rows[i].code, "row %zu: %s", i, a.call.error.code);
        cr_assert_str_eq(a.call.error.message, rows[i].message, "row %zu: %s", i, a.call.error.message);
        cr_assert_eq(a.call.error.effect, rows[i].status >= 500 ? EFFECT_UNKNOWN : EFFECT_NONE, "row %zu", i);
        cr_assert_null(a.call.reply);
    }
}

Test(kube_client, a_reply_that_is_no_json_is_an_error_of_unknown_effect) {
    OPEN({.method = "PATCH", .target = BUDGETS, .pieces = {"{\"kind\": \"Bud"}});
    ask(&a, "PATCH", "{}");
    await(&a);
    cr_assert_eq(a.call.error.class, ERR_RETRYABLE);
    cr_assert_eq(a.call.error.effect, EFFECT_UNKNOWN);
}

Test(kube_client, a_read_waits_out_a_429_by_itself) {
    OPEN(THROTTLED(NULL), THROTTLED(NULL), GOOD);
    ask(&a, "GET", NULL);
    kube_bench_until_step(&bench, 1);
    kube_bench_pass(&bench, 0); /* The reply is read. */
    kube_bench_pass(&bench, 6 * NS_PER_S);
    cr_assert_eq(bench.server.step_index, 1, "asked again before Retry-After");
    kube_bench_pass(&bench, 5 * NS_PER_S);
    kube_bench_until_step(&bench, 2);
    kube_bench_pass(&bench, 0);
    kube_bench_pass(&bench, 12 * NS_PER_S);
    await(&a);
    cr_assert_eq(a.call.error.class, ERR_NONE, "%s", a.call.error.message);
}

Test(kube_client, a_read_that_is_throttled_for_ever_says_so) {
    OPEN({.target = BUDGETS, .status = 429, .repeats = true});
    ask(&a, "GET", NULL);
    for (int i = 0; i < 60 && !a.done_count; i++)
        kube_bench_pass(&bench, 2 * NS_PER_S);
    await(&a);
    cr_assert_eq(a.call.error.class, ERR_THROTTLED);
}

Test(kube_client, a_write_reports_a_429_at_once) {
    OPEN(THROTTLED("PATCH"));
    ask(&a, "PATCH", "{}");
    await(&a);
    cr_assert_eq(a.call.error.class, ERR_THROTTLED);
    cr_assert_eq(a.call.error.retry_after_ms, 7000);
    cr_assert_eq(a.call.error.effect, EFFECT_NONE);
}

Test(kube_client, a_401_refreshes_the_credential_and_asks_once_more) {
    OPEN(REFUSED("Authorization: Bearer old\r\n"),
         {.target = BUDGETS, .head_has = "Authorization: Bearer new\r\n", .pieces = {"{}"}},
         REFUSED("Authorization: Bearer new\r\n"), REFUSED("Authorization: Bearer new\r\n"));
    scratch_open();
    reopen_client((struct kube_config){.token_file = scratch_write("token", 0600, "old\n")}, NULL);
    ask(&a, "GET", NULL);
    /* The first request reads the file when it is sent; by the time of the answer it has been rotated. */
    kube_bench_until_step(&bench, 1);
    scratch_write("token", 0600, "new\n");
    await(&a);
    cr_assert_eq(a.call.error.class, ERR_NONE, "%s", a.call.error.message);
    ask(&a, "GET", NULL);
    await(&a);
    cr_assert_eq(a.call.error.class, ERR_PERMISSION);
    cr_assert_str_eq(a.call.error.message, "who?");
    scratch_close();
}

Test(kube_client, a_credential_that_cannot_be_had_is_the_calls_error) {
    OPEN({.target = "never", .repeats = true});
    reopen_client((struct kube_config){.token_file = "/nonexistent/token"}, NULL);
    ask(&a, "GET", NULL);
    await(&a);
    cr_assert_neq(a.call.error.class, ERR_NONE);
    cr_assert(strstr(a.call.error.message, "credential"), "%s", a.call.error.message);
    cr_assert(strstr(a.call.error.message, "/nonexistent/token"), "%s", a.call.error.message);
}

Test(kube_client, impersonates_whom_the_config_names) {
    OPEN({.target = BUDGETS, .head_has = "Impersonate-User: jane\r\n"});
    reopen_client((struct kube_config){.impersonate_user = "jane"}, NULL);
    ask(&a, "GET", NULL);
    await(&a);
    cr_assert_eq(a.call.error.class, ERR_NONE);
}

Test(kube_client, calls_beyond_the_limit_wait_in_order) {
    OPEN({.target = BUDGETS, .pieces = {"{\"n\":1}"}, .end = HTTP_SCRIPT_HOLD}, GOOD, GOOD);
    reopen_client((struct kube_config){0}, &(struct kube_client_options){.in_flight_max = 1});
    ask(&a, "GET", NULL);
    ask(&b, "GET", NULL);
    ask(&c, "GET", NULL);
    kube_bench_until_step(&bench, 1);
    kube_bench_pass(&bench, NS_PER_S);
    cr_assert_eq(bench.server.step_index, 1, "the second call did not wait");
    http_script_end(&bench.server, HTTP_SCRIPT_END);
    await(&b);
    cr_assert_eq(a.done_count, 1);
    cr_assert_eq(c.done_count, 0);
    await(&c);
}

Test(kube_client, a_call_can_be_cancelled_in_every_state) {
    OPEN({.target = BUDGETS, .end = HTTP_SCRIPT_HOLD}, THROTTLED(NULL), GOOD);
    reopen_client((struct kube_config){0}, &(struct kube_client_options){.in_flight_max = 1});
    ask(&a, "GET", NULL);
    ask(&b, "GET", NULL);
    kube_bench_until_step(&bench, 1);
    cancel(&b); /* Waiting for a place. */
    cancel(&b);
    await(&b);
    cr_assert_eq(b.call.error.class, ERR_CANCELLED);
    cancel(&a); /* Sent. */
    await(&a);
    cr_assert_eq(a.call.error.class, ERR_CANCELLED);
    ask(&b, "GET", NULL);
    kube_bench_until_step(&bench, 2);
    kube_bench_pass(&bench, 0);
    kube_bench_pass(&bench, NS_PER_S);
    cancel(&b); /* Waiting out a 429. */
    await(&b);
    cr_assert_eq(b.call.error.class, ERR_CANCELLED);
    ask(&c, "GET", NULL);
    await(&c);
    cr_assert_eq(c.call.error.class, ERR_NONE, "a place was lost: %s", c.call.error.message);
    cancel(&c); /* Over: nothing happens. */
    kube_bench_pass(&bench, NS_PER_S);
    cr_assert_eq(c.done_count, 1);
}

Test(kube_client, close_ends_what_waits_and_what_is_in_flight) {
    OPEN({.target = BUDGETS, .end = HTTP_SCRIPT_HOLD});
    reopen_client((struct kube_config){0}, &(struct kube_client_options){.in_flight_max = 1});
    ask(&a, "GET", NULL);
    ask(&b, "GET", NULL);
    kube_bench_until_step(&bench, 1);
    reopen_client((struct kube_config){0}, NULL); /* Closes the one with the calls. */
    cr_assert_eq(a.done_count, 1);
    cr_assert_eq(b.done_count, 1);
    cr_assert_eq(a.call.error.class, ERR_CANCELLED);
    cr_assert_eq(b.call.error.class, ERR_CANCELLED);
}

Test(kube_client, counts_requests_by_code_and_method) {
    OPEN(GOOD, {.method = "PATCH", .target = BUDGETS, .status = 409, .pieces = {"{}"}});
    struct metrics *metrics = metrics_new();
    struct buf text = {0};
    reopen_client((struct kube_config){0}, &(struct kube_client_options){.metrics = metrics});
    ask(&a, "GET", NULL);
    await(&a);
    ask(&a, "PATCH", "{}");
    await(&a);
    metrics_print(metrics, &text);
    cr_assert(strstr(buf_text(&text), "rest_client_requests_total{code=\"200\",method=\"GET\",host=\"127.0.0.1:"));
    cr_assert(strstr(buf_text(&text), "rest_client_requests_total{code=\"409\",method=\"PATCH\",host=\"127.0.0.1:"));
    cr_assert(strstr(buf_text(&text), "rest_client_request_duration_seconds_count{verb=\"PATCH\""));
    buf_release(&text);
    reopen_client((struct kube_config){0}, NULL);
    metrics_free(metrics);
}

/* ---- streams ---- */

struct streamed {
    struct kube_stream stream;
    struct buf body;
    int done_count;
    bool cancels;
};
static struct streamed s;

static bool on_piece(struct kube_stream *stream, struct bytes piece) {
    struct streamed *streamed = stream->ctx;
    buf_append(&streamed->body, piece.data, piece.size);
    if (streamed->cancels)
        kube_stream_cancel(stream);
    return true;
}

static void on_stream_done(struct kube_stream *stream) {
    ((struct streamed *)stream->ctx)->done_count++;
}

static bool stream_is_done(void *ctx) {
    return ((struct streamed *)ctx)->done_count > 0;
}

static void stream(void) {
    s.stream = (struct kube_stream){
        .path = BUDGETS "?watch=1", .on_data = on_piece, .done = on_stream_done, .ctx = &s, .idle_timeout_ms = 5000};
    kube_stream_send(bench.client, &s.stream);
}

static void stream_await(void) {
    kube_bench_until(&bench, stream_is_done, &s, "the stream's end");
    cr_assert_eq(s.done_count, 1);
    kube_stream_release(&s.stream);
    buf_release(&s.body);
}

Test(kube_client, a_stream_hands_over_pieces_and_takes_no_place_of_calls) {
    OPEN({.target = "watch=1", .pieces = {"{\"a\"", ":1}"}, .end = HTTP_SCRIPT_HOLD}, GOOD);
    reopen_client((struct kube_config){0}, &(struct kube_client_options){.in_flight_max = 1});
    stream();
    kube_bench_until_step(&bench, 1);
    ask(&a, "GET", NULL);
    await(&a);
    cr_assert_eq(s.done_count, 0);
    http_script_push(&bench.server, "{\"b\":2}");
    http_script_end(&bench.server, HTTP_SCRIPT_END);
    kube_bench_until(&bench, stream_is_done, &s, "the stream's end");
    cr_assert_eq(s.stream.error.class, ERR_NONE, "%s", s.stream.error.message);
    cr_assert_eq(s.stream.status, 200);
    cr_assert_str_eq(buf_text(&s.body), "{\"a\":1}{\"b\":2}");
    stream_await();
}

Test(kube_client, a_stream_that_is_cut_is_retryable) {
    OPEN({.target = "watch=1", .pieces = {"{\"a\""}, .end = HTTP_SCRIPT_CUT});
    stream();
    stream_await();
    cr_assert_eq(s.stream.error.class, ERR_RETRYABLE);
}

Test(kube_client, a_stream_that_is_refused_reports_it_as_a_call_does_but_does_not_wait) {
    OPEN({.target = "watch=1", .status = 410, .pieces = {STATUS(410, "Expired", "too old")}},
         {.target = "watch=1", .status = 429, .header = "Retry-After: 3"});
    stream();
    kube_bench_until(&bench, stream_is_done, &s, "the stream's end");
    cr_assert_eq(s.stream.error.class, ERR_CONFLICT);
    cr_assert_str_eq(s.stream.error.code, "Expired");
    s.done_count = 0;
    kube_stream_release(&s.stream);
    stream();
    kube_bench_until(&bench, stream_is_done, &s, "the stream's end");
    cr_assert_eq(s.stream.error.class, ERR_THROTTLED);
    cr_assert_eq(s.stream.error.retry_after_ms, 3000);
    stream_await();
}

Test(kube_client, a_stream_may_be_cancelled_from_its_own_piece) {
    OPEN({.target = "watch=1", .pieces = {"{\"a\":1}"}, .end = HTTP_SCRIPT_HOLD});
    s.cancels = true;
    stream();
    kube_bench_until(&bench, stream_is_done, &s, "the stream's end");
    cr_assert_eq(s.stream.error.class, ERR_CANCELLED);
    stream_await();
}
