/*
 * The contract of calls: exactly once and later; what a failure did; cancel, close, deadline.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "adapters/common/exchange.h"
#include "base/mem.h"
#include "base/str.h"
#include "bench.h"

#define GROUP_BIT (1u << CLOUD_INSTANCE_GROUP)
#define SCALED "<SetDesiredCapacityResponse><ResponseMetadata/></SetDesiredCapacityResponse>"
#define NO_GROUPS                                                                                                      \
    "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups/>"                         \
    "</DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>"
#define FAULT(code, message)                                                                                           \
    "<ErrorResponse><Error><Type>Sender</Type><Code>" code "</Code><Message>" message "</Message></Error>"             \
    "<RequestId>r</RequestId></ErrorResponse>"

static struct bench bench;

static void set_up(void) {
    bench_init(&bench);
}

static void tear_down(void) {
    bench_release(&bench);
}

TestSuite(aws_calls, .init = set_up, .fini = tear_down);

Test(aws_calls, scaling_sends_an_absolute_size_without_cooldown) {
    bench_open_static(&bench);
    script_reply(&bench.server, 200, "", SCALED);
    const struct adapter_reply *reply = bench_scale(&bench, "web & co", 5);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_str_eq(reply->as.operation, "");
    cr_expect(strstr(script_request(&bench.server, 0), "Action=SetDesiredCapacity&Version=2011-01-01&"
                                                       "AutoScalingGroupName=web+%26+co&DesiredCapacity=5&"
                                                       "HonorCooldown=false") != NULL);
}

static const struct {
    const char *name;
    int status;
    const char *headers, *body;
    enum err_class class;
    enum err_effect effect; /* On apply; a list never has one. */
    const char *code, *message;
} replies[] = {
    {"throttled", 400, "Retry-After: 7\r\n", FAULT("Throttling", "Rate exceeded"), ERR_THROTTLED, EFFECT_NONE,
     "Throttling", "Rate exceeded"},
    {"ec2 envelope", 403, "",
     "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error>"
     "</Errors></Response>",
     ERR_PERMISSION, EFFECT_NONE, "UnauthorizedOperation", "no"},
    {"nested envelope", 401, "",
     "<ErrorResponse><Errors><Error><Code>AuthFailure</Code></Error></Errors>"
     "</ErrorResponse>",
     ERR_PERMISSION, EFFECT_NONE, "AuthFailure", "AuthFailure"},
    {"internal", 500, "", FAULT("InternalFailure", "x"), ERR_RETRYABLE, EFFECT_UNKNOWN, "InternalFailure", "x"},
    {"not found", 400, "", FAULT("ValidationError", "AutoScalingGroup name not found - web"), ERR_CONFLICT, EFFECT_NONE,
     "ValidationError", "not found"},
    {"html fault", 502, "Content-Type: text/html\r\n", "<html><body>Bad Gateway<br></body></html>", ERR_RETRYABLE,
     EFFECT_UNKNOWN, "", "HTTP status 502 without an AWS error (text/html)"},
    {"empty fault", 503, "", "", ERR_RETRYABLE, EFFECT_UNKNOWN, "", "HTTP status 503"},
    {"empty 429", 429, "", "", ERR_THROTTLED, EFFECT_NONE, "", "HTTP status 429"},
    {"redirect", 301, "Location: http://127.0.0.1:9/\r\n", "", ERR_PERMANENT, EFFECT_NONE, "", "HTTP status 301"},
    {"html success", 200, "Content-Type: text/html\r\n", "<html><p>Log in</html>", ERR_RETRYABLE, EFFECT_UNKNOWN, "",
     "the reply is text/html"},
    {"empty success", 200, "", "", ERR_RETRYABLE, EFFECT_UNKNOWN, "", "empty"},
    {"other success", 200, "", "<SomethingElse/>", ERR_RETRYABLE, EFFECT_UNKNOWN, "", "the reply is no"},
    {"entities", 200, "", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", ERR_RETRYABLE, EFFECT_UNKNOWN, "",
     "document type"},
};

static void expect_reply(const struct adapter_reply *reply, size_t row, enum err_effect effect) {
    const struct error *error = &reply->error;
    cr_expect_eq(error->class, replies[row].class, "%s: %s", replies[row].name, error->message);
    cr_expect_eq(error->effect, effect, "%s: effect %d", replies[row].name, (int)error->effect);
    cr_expect_eq(error->http_status, (uint32_t)replies[row].status, "%s", replies[row].name);
    cr_expect_str_eq(error->code, replies[row].code, "%s", replies[row].name);
    cr_expect(strstr(error->message, replies[row].message) != NULL, "%s: %s", replies[row].name, error->message);
    cr_expect_eq(reply->count, 0);
}

Test(aws_calls, a_bad_reply_says_what_it_was_and_what_it_did) {
    bench_open_static(&bench);
    for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
        script_reply(&bench.server, replies[i].status, replies[i].headers, replies[i].body);
        const struct adapter_reply *reply = bench_scale(&bench, "web", 1);
        expect_reply(reply, i, replies[i].effect);
        cr_expect(str_has_prefix(reply->error.message, "SetDesiredCapacity: "), "%s", reply->error.message);
        if (i == 0)
            cr_expect_eq(reply->error.retry_after_ms, 7000);
        script_reply(&bench.server, replies[i].status, replies[i].headers, replies[i].body);
        expect_reply(bench_list(&bench, GROUP_BIT, 9), i, EFFECT_NONE);
    }
}

Test(aws_calls, what_changes_with_each_try_is_no_part_of_a_message) {
    static const char *const texts[][2] = {
        {"You are not allowed. Encoded authorization failure message: 4GIOHlTkIaWHQD0Q0m6XSnuUMCm-abc",
         "SetDesiredCapacity: AccessDenied: You are not allowed."},
        {"Signature expired: 20261124T100000Z is now earlier than 20261124T101500Z",
         "SetDesiredCapacity: AccessDenied: Signature expired"},
        {"Request has expired. Timestamp date is 2026-11-24T10:00:00Z",
         "SetDesiredCapacity: AccessDenied: Request has expired."},
        {"at most 20: 20 are there", "SetDesiredCapacity: AccessDenied: at most 20: 20 are there"},
    };
    bench_open_static(&bench);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char *body = mem_printf("<ErrorResponse><Error><Code>AccessDenied</Code><Message>%s</Message></Error>"
                                "</ErrorResponse>",
                                texts[i][0]);
        script_reply(&bench.server, 403, "", body);
        cr_expect_str_eq(bench_scale(&bench, "web", 1)->error.message, texts[i][1]);
        mem_free(body);
    }
}

Test(aws_calls, a_connection_that_breaks_leaves_the_effect_unknown) {
    static const char *const raws[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<SetDesiredCapacityResponse>",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
        "",
    };
    bench_open_static(&bench);
    for (size_t i = 0; i < ARRAY_LEN(raws); i++) {
        script_raw(&bench.server, raws[i]);
        const struct adapter_reply *reply = bench_scale(&bench, "web", 1);
        cr_expect(reply->error.class == ERR_RETRYABLE || reply->error.class == ERR_PERMANENT, "raw %zu: %s", i,
                  reply->error.message);
        cr_expect_eq(reply->error.effect, EFFECT_UNKNOWN, "raw %zu: %s", i, reply->error.message);
    }
}

Test(aws_calls, time_runs_out_for_the_whole_call) {
    bench_open_static(&bench);
    script_silence(&bench.server);
    struct adapter_call *call = bench_call(&bench, 0);
    call->timeout_ms = 150;
    const struct cloud_action action = {.verb = CLOUD_SCALE,
                                        .kind = CLOUD_INSTANCE_GROUP,
                                        .region = "us-east-1",
                                        .id = "web",
                                        .count = 1,
                                        .token = "t"};
    bench.adapter->ops->apply(bench.adapter, call, &action);
    bench_wait(&bench, 0);
    cr_expect_eq(call->reply.error.class, ERR_RETRYABLE);
    cr_expect_eq(call->reply.error.effect, EFFECT_UNKNOWN);
}

Test(aws_calls, invalid_actions_end_later_and_once) {
    static const struct cloud_action bad[] = {
        {.verb = CLOUD_SCALE, .kind = CLOUD_INSTANCE_GROUP, .region = "us-east-1", .id = "", .count = 1, .token = ""},
        {.verb = CLOUD_SCALE,
         .kind = CLOUD_INSTANCE_GROUP,
         .region = "us-east-1",
         .id = "web",
         .count = -1,
         .token = ""},
        {.verb = CLOUD_SCALE,
         .kind = CLOUD_INSTANCE_GROUP,
         .region = "us-east-1",
         .id = "web",
         .count = INT64_C(1) << 40,
         .token = ""},
        {.verb = CLOUD_SCALE, .kind = CLOUD_INSTANCE, .region = "us-east-1", .id = "web", .count = 1, .token = ""},
        {.verb = CLOUD_SCALE,
         .kind = CLOUD_INSTANCE_GROUP,
         .region = "us-east-1/../x",
         .id = "web",
         .count = 1,
         .token = ""},
    };
    bench_open_static(&bench);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct adapter_call *call = bench_call(&bench, i);
        bench.calls[i].is_submitting = true;
        bench.adapter->ops->apply(bench.adapter, call, &bad[i]);
        bench.calls[i].is_submitting = false;
    }
    bench_call(&bench, 5);
    bench.adapter->ops->poll(bench.adapter, &bench.calls[5].call, "x");
    bench_call(&bench, 6);
    static const struct cloud_query elsewhere = {.region = "us-east-1/../x"};
    bench.adapter->ops->prices(bench.adapter, &bench.calls[6].call, &elsewhere);
    for (size_t i = 0; i < 7; i++) {
        bench_wait(&bench, i);
        cr_expect_eq(bench.calls[i].call.reply.error.class, ERR_PERMANENT, "call %zu", i);
        cr_expect_eq(bench.calls[i].call.reply.error.effect, EFFECT_NONE);
    }
    cr_expect_eq(bench.server.request_count, 0);
}

Test(aws_calls, cancel_ends_a_call_later_and_once) {
    bench_open_static(&bench);
    script_silence(&bench.server);
    bench_call(&bench, 0);
    bench_submit_list(&bench, 0);
    while (bench.server.request_count == 0)
        uv_run(&bench.loop, UV_RUN_ONCE);
    bench.calls[0].is_submitting = true;
    bench.adapter->ops->cancel(bench.adapter, &bench.calls[0].call);
    bench.adapter->ops->cancel(bench.adapter, &bench.calls[0].call);
    bench.calls[0].is_submitting = false;
    bench_wait(&bench, 0);
    cr_expect_eq(bench.calls[0].call.reply.error.class, ERR_CANCELLED);
    bench.adapter->ops->cancel(bench.adapter, &bench.calls[0].call); /* After done: nothing. */
    bench_turn(&bench);
    cr_expect_eq(bench.calls[0].done_count, 1);
}

Test(aws_calls, cancel_right_after_the_submit) {
    bench_open_static(&bench);
    script_reply(&bench.server, 200, "", NO_GROUPS);
    bench_call(&bench, 0);
    bench_submit_list(&bench, 0);
    bench.adapter->ops->cancel(bench.adapter, &bench.calls[0].call);
    bench_wait(&bench, 0);
    cr_expect_eq(bench.calls[0].call.reply.error.class, ERR_CANCELLED);
}

Test(aws_calls, a_cancelled_mutation_that_was_sent_has_an_unknown_effect) {
    bench_open_static(&bench);
    script_silence(&bench.server);
    struct adapter_call *call = bench_call(&bench, 0);
    const struct cloud_action action = {.verb = CLOUD_SCALE,
                                        .kind = CLOUD_INSTANCE_GROUP,
                                        .region = "us-east-1",
                                        .id = "web",
                                        .count = 1,
                                        .token = "t"};
    bench.adapter->ops->apply(bench.adapter, call, &action);
    while (bench.server.request_count == 0)
        uv_run(&bench.loop, UV_RUN_ONCE);
    bench.adapter->ops->cancel(bench.adapter, call);
    bench_wait(&bench, 0);
    cr_expect_eq(call->reply.error.class, ERR_CANCELLED);
    cr_expect_eq(call->reply.error.effect, EFFECT_UNKNOWN);
}

Test(aws_calls, close_ends_every_call_first) {
    bench_open_static(&bench);
    for (size_t i = 0; i < 4; i++) {
        script_silence(&bench.server);
        bench_call(&bench, i);
        bench_submit_list(&bench, i);
    }
    bench_turn(&bench);
    bench_release(&bench); /* Asserts one end each, before closed. */
    for (size_t i = 0; i < 4; i++)
        cr_expect_eq(bench.calls[i].call.reply.error.class, ERR_CANCELLED);
    bench_init(&bench);
}

Test(aws_calls, messages_never_hold_a_secret) {
    static const char token[] = "FwoGZXIvYXdzEXAMPLETOKEN";
    bench_key(&bench, "AWS_SESSION_TOKEN", token);
    bench_open_static(&bench);
    script_reply(&bench.server, 403, "",
                 FAULT("AccessDenied", "The Canonical String was x-amz-security-token:FwoGZXIvYXdzEXAMPLETOKEN"));
    script_reply(&bench.server, 403, "",
                 FAULT("AccessDenied", "line one\nx-amz-security-token:something\n\nsecret two"));
    script_reply(&bench.server, 403, "", FAULT("FwoGZXIvYXdzEXAMPLETOKEN", "not you"));
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 9);
    cr_expect_str_eq(reply->error.message, "DescribeAutoScalingGroups: AccessDenied: (text withheld)");
    reply = bench_list(&bench, GROUP_BIT, 9);
    cr_expect_str_eq(reply->error.message, "DescribeAutoScalingGroups: AccessDenied: line one");
    reply = bench_list(&bench, GROUP_BIT, 9);
    cr_expect_str_eq(reply->error.message, "DescribeAutoScalingGroups: not you");
    cr_expect_str_empty(reply->error.code);
    cr_expect(strstr(script_request(&bench.server, 0), "x-amz-security-token: FwoGZXIvYXdzEXAMPLETOKEN\r\n") != NULL);
    cr_expect(strstr(script_request(&bench.server, 0), ";x-amz-date;x-amz-security-token,") != NULL);
}

Test(aws_calls, dates_of_http) {
    int64_t ms;
    cr_expect(exchange_date_parse("Sun, 06 Nov 1994 08:49:37 GMT", &ms) && ms == INT64_C(784111777000));
    cr_expect(!exchange_date_parse("", &ms));
    cr_expect(!exchange_date_parse("Sun, 06 Foo 1994 08:49:37 GMT", &ms));
    cr_expect(!exchange_date_parse("Sun, 06 Nov 1994 08:49:37 CET", &ms));
    cr_expect(!exchange_date_parse("Sun, 06 Nov 1994 08:49:37 GMT+1", &ms));
    cr_expect(!exchange_date_parse("Sun, 06 Nov 1994 08:49:+7 GMT", &ms));
    cr_expect(!exchange_date_parse("Sun, 31 Feb 1994 08:49:37 GMT", &ms));
    cr_expect(!exchange_date_parse("Sun Nov  6 08:49:37 1994", &ms));
}
