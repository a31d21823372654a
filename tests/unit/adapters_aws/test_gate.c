/*
 * The gate before every request: what is asked, when, and what is reported of it. The gate here is a scripted one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "adapters/gate.h"
#include "base/mem.h"
#include "base/str.h"
#include "bench.h"

#define PAGE(token)                                                                                                    \
    "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups/>"                         \
    "<NextToken>" token "</NextToken></DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>"
#define SCALED "<SetDesiredCapacityResponse><ResponseMetadata/></SetDesiredCapacityResponse>"

struct fake_gate {
    struct adapter_gate base;
    bool holds; /* Asks wait. */
    struct gate_request *held;
    int ask_count, cancel_count, report_count;
    char api[32], region[32];
    enum gate_priority priority;
    size_t requests_at_ask; /* What the server had heard. */
    struct error reported;
};

static struct bench bench;
static struct fake_gate fake;

static bool fake_ask(struct adapter_gate *gate, struct gate_request *request) {
    (void)gate;
    fake.ask_count++;
    str_copy(fake.api, sizeof(fake.api), request->api);
    str_copy(fake.region, sizeof(fake.region), request->region);
    fake.priority = request->priority;
    fake.requests_at_ask = bench.server.request_count;
    fake.held = fake.holds ? request : NULL;
    return !fake.holds;
}

static void fake_cancel(struct adapter_gate *gate, struct gate_request *request) {
    (void)gate;
    cr_assert_eq(request, fake.held);
    fake.cancel_count++;
    fake.held = NULL;
}

static void fake_report(struct adapter_gate *gate, struct gate_request *request, const struct error *error) {
    (void)gate, (void)request;
    fake.report_count++;
    fake.reported = *error;
}

static const struct adapter_gate_ops fake_ops = {fake_ask, fake_cancel, fake_report};

static void set_up(void) {
    fake = (struct fake_gate){.base = {&fake_ops}};
    bench_init(&bench);
    bench.gate = &fake.base;
    bench_open_static(&bench);
}

static void tear_down(void) {
    cr_expect_null(fake.held, "somebody still waits");
    bench_release(&bench);
}

TestSuite(aws_gate, .init = set_up, .fini = tear_down);

/* The gate answers a call that waits. */
static void let_go(const struct error *error, uint64_t waited_ns) {
    struct gate_request *request = fake.held;
    cr_assert_not_null(request);
    fake.held = NULL;
    request->ready(request, error, waited_ns);
}

static struct adapter_call *submit_scale(uint32_t timeout_ms) {
    static const struct cloud_action action = {.verb = CLOUD_SCALE,
                                               .kind = CLOUD_INSTANCE_GROUP,
                                               .region = "us-east-1",
                                               .id = "web",
                                               .count = 1,
                                               .token = "t"};
    struct adapter_call *call = bench_call(&bench, 0);
    call->timeout_ms = timeout_ms;
    bench.adapter->ops->apply(bench.adapter, call, &action);
    return call;
}

Test(aws_gate, each_page_asks_and_each_answer_is_reported) {
    script_reply(&bench.server, 200, "", PAGE("a"));
    script_reply(&bench.server, 200, "", PAGE("b"));
    script_reply(&bench.server, 200, "", PAGE(""));
    cr_assert_eq(bench_list(&bench, 1u << CLOUD_INSTANCE_GROUP, 100)->error.class, ERR_NONE);
    cr_expect_eq(fake.ask_count, 3);
    cr_expect_eq(fake.report_count, 3);
    cr_expect_eq(fake.requests_at_ask, 2, "asked before sending");
    cr_expect_eq(fake.reported.class, ERR_NONE);
    cr_expect_str_eq(fake.api, "autoscaling");
    cr_expect_str_eq(fake.region, "us-east-1");
    cr_expect_eq(fake.priority, GATE_INVENTORY);
}

Test(aws_gate, an_action_has_its_own_priority) {
    script_reply(&bench.server, 200, "", SCALED);
    cr_assert_eq(bench_scale(&bench, "web", 3)->error.class, ERR_NONE);
    cr_expect_eq(fake.priority, GATE_ACTION);
    cr_expect_eq(fake.report_count, 1);
}

Test(aws_gate, a_throttled_reply_is_reported_with_its_delay) {
    script_reply(&bench.server, 503, "Retry-After: 7\r\n",
                 "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>slow</Message></Error></Errors>"
                 "</Response>");
    cr_assert_eq(bench_scale(&bench, "web", 3)->error.class, ERR_THROTTLED);
    cr_expect_eq(fake.reported.class, ERR_THROTTLED);
    cr_expect_eq(fake.reported.retry_after_ms, 7000);
}

Test(aws_gate, a_broken_connection_is_reported_as_a_failure) {
    script_raw(&bench.server, "");
    cr_assert_eq(bench_scale(&bench, "web", 3)->error.class, ERR_RETRYABLE);
    cr_expect_eq(fake.report_count, 1);
    cr_expect_eq(fake.reported.class, ERR_RETRYABLE);
}

Test(aws_gate, who_waits_sends_nothing_until_let_through) {
    fake.holds = true;
    script_reply(&bench.server, 200, "", SCALED);
    struct adapter_call *call = submit_scale(5000);
    for (int i = 0; i < 20; i++)
        bench_turn(&bench);
    cr_expect_eq(bench.server.request_count, 0);
    cr_expect_eq(bench.calls[0].done_count, 0);
    let_go(NULL, 1000);
    bench_wait(&bench, 0);
    cr_expect_eq(call->reply.error.class, ERR_NONE);
    cr_expect_eq(fake.report_count, 1);
}

Test(aws_gate, a_refusal_ends_the_call_without_effect_and_keeps_class_and_delay) {
    static const struct error refusal = {
        .class = ERR_THROTTLED, .effect = EFFECT_UNKNOWN, .retry_after_ms = 4321, .message = "its circuit is open"};
    fake.holds = true;
    struct adapter_call *call = submit_scale(5000);
    let_go(&refusal, 1000);
    bench_wait(&bench, 0);
    cr_expect_eq(call->reply.error.class, ERR_THROTTLED);
    cr_expect_eq(call->reply.error.effect, EFFECT_NONE);
    cr_expect_eq(call->reply.error.retry_after_ms, 4321);
    cr_expect_str_eq(call->reply.error.message, "SetDesiredCapacity: its circuit is open");
    cr_expect_eq(call->reply.request_count, 0);
    cr_expect_eq(fake.report_count, 0, "what was not let through is not reported");
    cr_expect_eq(bench.server.request_count, 0);
}

Test(aws_gate, cancel_while_waiting_sends_nothing) {
    fake.holds = true;
    struct adapter_call *call = submit_scale(5000);
    bench.adapter->ops->cancel(bench.adapter, call);
    bench.adapter->ops->cancel(bench.adapter, call);
    cr_expect_eq(bench.calls[0].done_count, 0);
    bench_wait(&bench, 0);
    cr_expect_eq(call->reply.error.class, ERR_CANCELLED);
    cr_expect_eq(call->reply.error.effect, EFFECT_NONE);
    cr_expect_eq(fake.cancel_count, 1);
    cr_expect_eq(fake.report_count, 0);
}

Test(aws_gate, close_while_waiting_ends_the_call) {
    fake.holds = true;
    submit_scale(5000);
    bench_release(&bench);
    cr_expect_eq(fake.cancel_count, 1);
    bench_init(&bench); /* For the end of the fixture. */
}

Test(aws_gate, a_change_that_waits_too_long_is_given_up_unsent) {
    fake.holds = true;
    struct adapter_call *call = submit_scale(80);
    bench_wait(&bench, 0);
    cr_expect_eq(call->reply.error.class, ERR_RETRYABLE);
    cr_expect_eq(call->reply.error.effect, EFFECT_NONE);
    cr_expect(strstr(call->reply.error.message, "autoscaling") != NULL, "%s", call->reply.error.message);
    cr_expect_eq(fake.cancel_count, 1);
}

Test(aws_gate, the_wait_of_a_change_counts_against_its_time) {
    fake.holds = true;
    struct adapter_call *call = submit_scale(5000);
    let_go(NULL, 5000 * NS_PER_MS);
    bench_wait(&bench, 0);
    cr_expect_eq(call->reply.error.class, ERR_RETRYABLE);
    cr_expect_eq(call->reply.error.effect, EFFECT_NONE);
    cr_expect_eq(fake.reported.class, ERR_CANCELLED, "let through, but never sent");
    cr_expect_eq(bench.server.request_count, 0);
}

Test(aws_gate, the_wait_of_a_read_does_not) {
    fake.holds = true;
    script_reply(&bench.server, 200, "", PAGE(""));
    struct adapter_call *call = bench_call(&bench, 0);
    call->timeout_ms = 5000;
    bench_submit_list(&bench, 0);
    let_go(NULL, 3600 * NS_PER_S);
    bench_wait(&bench, 0);
    cr_expect_eq(call->reply.error.class, ERR_NONE, "%s", call->reply.error.message);
}
