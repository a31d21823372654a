/*
 * The decorators around a scripted adapter that counts what reaches it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "adapters/wrap/wrap.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/runtime_virtual.h"
#include "base/str.h"

struct inner { /* Answers each call after a second. */
    struct adapter adapter;
    struct adapter_call *call;
    struct timer timer, close_timer;
    enum wrap_verb verb;
    int count;
    struct error error;
    void (*closed)(void *ctx);
    void *closed_ctx;
    bool is_closed;
};

struct probe {
    struct adapter_call call;
    struct arena arena;
    int done_count;
};

static struct runtime_virtual runtime;
static struct metrics *metrics;
static struct inner inner;
static struct probe probe;
static struct wrap_record last;
static int record_count;

static void on_answer(struct timer *timer) {
    (void)timer;
    struct adapter_call *call = inner.call;
    inner.call = NULL;
    call->state = NULL;
    call->reply.error = inner.error;
    call->reply.request_count = 3;
    if (inner.error.class == ERR_NONE && inner.verb == WRAP_LIST) {
        call->reply.count = 5;
        call->reply.as.resources = arena_alloc_array(call->arena, 5, sizeof(struct cloud_resource));
    }
    call->done(call);
}

static void take(struct adapter_call *call, enum wrap_verb verb) {
    cr_assert_null(inner.call);
    inner.call = call;
    inner.verb = verb;
    inner.count++;
    call->reply = (struct adapter_reply){0};
    call->state = &inner;
    timer_start(&runtime.base, &inner.timer, NS_PER_S, on_answer, NULL);
}

static void inner_account(struct adapter *self, struct adapter_call *call) {
    (void)self;
    take(call, WRAP_ACCOUNT);
}

#define INNER_QUERY(name, verb)                                                                                        \
    static void name(struct adapter *self, struct adapter_call *call, const struct cloud_query *query) {               \
        (void)self;                                                                                                    \
        cr_assert_str_eq(query->region, "eu-west-1");                                                                  \
        take(call, verb);                                                                                              \
    }
INNER_QUERY(inner_list, WRAP_LIST)
INNER_QUERY(inner_prices, WRAP_PRICES)
INNER_QUERY(inner_usage, WRAP_USAGE)
INNER_QUERY(inner_charges, WRAP_CHARGES)
INNER_QUERY(inner_limits, WRAP_LIMITS)

static void inner_apply(struct adapter *self, struct adapter_call *call, const struct cloud_action *action) {
    (void)self;
    cr_assert_str_eq(action->id, "web-1");
    take(call, WRAP_APPLY);
}

static void inner_poll(struct adapter *self, struct adapter_call *call, const char *operation) {
    (void)self;
    cr_assert_str_eq(operation, "handle");
    take(call, WRAP_POLL);
}

static void inner_cancel(struct adapter *self, struct adapter_call *call) {
    (void)self;
    if (call->state) {
        inner.error = (struct error){.class = ERR_CANCELLED};
        timer_start(&runtime.base, &inner.timer, 0, on_answer, NULL);
    }
}

static void on_inner_closed(struct timer *timer) {
    (void)timer;
    inner.is_closed = true;
    inner.closed(inner.closed_ctx);
}

static void inner_close(struct adapter *self, void (*closed)(void *ctx), void *ctx) {
    inner.closed = closed;
    inner.closed_ctx = ctx;
    if (inner.call)
        inner_cancel(self, inner.call);
    timer_start(&runtime.base, &inner.close_timer, 0, on_inner_closed, NULL);
}

static enum err_class inner_open(struct adapter **ret, const struct adapter_env *env,
                                 const struct adapter_config *config, struct error *err) {
    (void)ret, (void)env, (void)config;
    return error_set(err, ERR_PERMANENT, "not opened this way");
}

static const struct adapter_ops inner_ops = {
    .type = "inner",
    .kinds = 1u << CLOUD_BUCKET,
    .verbs = {[CLOUD_VOLUME] = 1u << CLOUD_TAKE_SNAPSHOT},
    .tokens = 1u << CLOUD_CREATE,
    .open = inner_open,
    .close = inner_close,
    .account = inner_account,
    .list = inner_list,
    .prices = inner_prices,
    .usage = inner_usage,
    .charges = inner_charges,
    .limits = inner_limits,
    .apply = inner_apply,
    .poll = inner_poll,
    .cancel = inner_cancel,
};

static void set_up(void) {
    runtime_virtual_init(&runtime, 7, INT64_C(1790000000000));
    metrics = metrics_new();
    inner = (struct inner){.adapter = {&inner_ops}};
    probe = (struct probe){0};
    record_count = 0;
}

static void tear_down(void) {
    arena_release(&probe.arena);
    metrics_free(metrics);
    runtime_virtual_release(&runtime);
}

TestSuite(wrap, .init = set_up, .fini = tear_down);

static void keep_record(void *ctx, const struct wrap_record *record) {
    (void)ctx;
    last = *record;
    record_count++;
}

static void on_done(struct adapter_call *call) {
    cr_assert_null(call->state);
    probe.done_count++;
}

static const struct cloud_query query = {
    .region = "eu-west-1", .kind = CLOUD_INSTANCE_GROUP, .kinds = 1u << CLOUD_BUCKET, .count_max = 100};
static const struct cloud_action action = {
    .verb = CLOUD_STOP, .kind = CLOUD_INSTANCE, .region = "eu-west-1", .id = "web-1", .token = "secret-free"};

static void submit(struct adapter *adapter, enum wrap_verb verb) {
    const struct adapter_ops *ops = adapter->ops;
    probe.done_count = 0;
    probe.call = (struct adapter_call){.done = on_done, .arena = &probe.arena, .timeout_ms = 5000};
    void (*const queries[])(struct adapter *, struct adapter_call *, const struct cloud_query *) = {
        [WRAP_LIST] = ops->list,       [WRAP_PRICES] = ops->prices, [WRAP_USAGE] = ops->usage,
        [WRAP_CHARGES] = ops->charges, [WRAP_LIMITS] = ops->limits,
    };
    if (verb == WRAP_ACCOUNT)
        ops->account(adapter, &probe.call);
    else if (verb == WRAP_APPLY)
        ops->apply(adapter, &probe.call, &action);
    else if (verb == WRAP_POLL)
        ops->poll(adapter, &probe.call, "handle");
    else
        queries[verb](adapter, &probe.call, &query);
    cr_assert_eq(probe.done_count, 0, "done ran from inside the submit");
}

static void run_s(uint64_t seconds) {
    runtime_virtual_run_until(&runtime, runtime.now_ns + seconds * NS_PER_S);
}

static const struct adapter_reply *call(struct adapter *adapter, enum wrap_verb verb) {
    submit(adapter, verb);
    run_s(100);
    cr_assert_eq(probe.done_count, 1);
    return &probe.call.reply;
}

static void on_closed(void *ctx) {
    *(bool *)ctx = true;
}

static void close_now(struct adapter *adapter) {
    bool is_closed = false;
    adapter->ops->close(adapter, on_closed, &is_closed);
    cr_assert(!is_closed);
    run_s(100);
    cr_assert(is_closed && inner.is_closed);
}

static struct adapter *stacked(struct wrap_fault *faults, size_t count) {
    struct adapter *adapter = wrap_faults(&inner.adapter, &runtime.base, faults, count);
    adapter = wrap_metrics(adapter, &runtime.base, metrics, "platform/aws");
    return wrap_trace(adapter, &runtime.base, "platform/aws", keep_record, NULL);
}

Test(wrap, every_verb_is_forwarded_and_answered_once) {
    struct adapter *adapter = stacked(NULL, 0);
    for (int verb = 0; verb < WRAP_VERB_COUNT; verb++) {
        const struct adapter_reply *reply = call(adapter, (enum wrap_verb)verb);
        cr_expect_eq(inner.verb, verb);
        cr_expect_eq(inner.count, verb + 1);
        cr_expect_eq(reply->request_count, 3);
        cr_expect_eq(reply->count, verb == WRAP_LIST ? 5 : 0);
        cr_expect_eq(record_count, verb + 1);
        cr_expect_eq(last.verb, verb);
    }
    close_now(adapter);
}

Test(wrap, the_table_is_that_of_the_inner_and_has_no_hole) {
    struct adapter *adapter = stacked(NULL, 0);
    const struct adapter_ops *ops = adapter->ops;
    cr_expect_str_eq(ops->type, "inner");
    cr_expect_eq(ops->kinds, inner_ops.kinds);
    cr_expect_eq(ops->tokens, inner_ops.tokens);
    cr_expect_eq(memcmp(ops->verbs, inner_ops.verbs, sizeof(ops->verbs)), 0);
    /* All that follows open is functions: one that is added to the contract and forgotten here would be NULL. */
    for (size_t at = offsetof(struct adapter_ops, open); at + sizeof(void (*)(void)) <= sizeof(*ops);
         at += sizeof(void (*)(void))) {
        void (*function)(void);
        memcpy(&function, (const char *)ops + at, sizeof(function));
        cr_expect(function != NULL, "no function at offset %zu", at);
    }
    close_now(adapter);
}

Test(wrap, cancel_goes_through_all_layers) {
    struct adapter *adapter = stacked(NULL, 0);
    submit(adapter, WRAP_LIST);
    adapter->ops->cancel(adapter, &probe.call);
    adapter->ops->cancel(adapter, &probe.call);
    cr_expect_eq(probe.done_count, 0);
    run_s(10);
    cr_expect_eq(probe.done_count, 1);
    cr_expect_eq(probe.call.reply.error.class, ERR_CANCELLED);
    adapter->ops->cancel(adapter, &probe.call);
    close_now(adapter);
}

Test(wrap, close_ends_calls_inside_and_held_ones_and_then_reports) {
    struct wrap_fault late = {.latency_ms = 60000};
    for (int held = 0; held < 2; held++) {
        inner = (struct inner){.adapter = {&inner_ops}};
        struct adapter *adapter = stacked(&late, (size_t)held);
        submit(adapter, WRAP_APPLY);
        close_now(adapter);
        cr_expect_eq(probe.done_count, 1);
        cr_expect_eq(probe.call.reply.error.class, ERR_CANCELLED);
        cr_expect_eq(inner.count, 1 - held, "a held call never goes inward");
    }
}

Test(wrap, a_trace_record_says_what_was_done_and_how_it_ended) {
    struct adapter *adapter = stacked(NULL, 0);
    inner.error = (struct error){.class = ERR_CONFLICT, .effect = EFFECT_UNKNOWN, .code = "Gone"};
    call(adapter, WRAP_APPLY);
    cr_expect_str_eq(last.provider, "platform/aws");
    cr_expect_str_eq(last.type, "inner");
    cr_expect_str_eq(last.region, "eu-west-1");
    cr_expect_str_eq(last.kind, "Instance");
    cr_expect_str_eq(last.action, "Stop");
    cr_expect_str_eq(last.id, "web-1");
    cr_expect_eq(last.duration_ns, NS_PER_S);
    cr_expect_eq(last.request_count, 3);
    inner.error = (struct error){0};
    call(adapter, WRAP_USAGE);
    cr_expect_str_eq(last.kind, "InstanceGroup");
    cr_expect_str_eq(last.action, "");
    cr_expect_str_eq(last.id, "");
    close_now(adapter);
}

Test(wrap, metrics_count_calls_requests_and_time) {
    struct adapter *adapter = stacked(NULL, 0);
    struct buf out = {0};
    call(adapter, WRAP_LIST);
    call(adapter, WRAP_LIST);
    inner.error = (struct error){.class = ERR_THROTTLED};
    call(adapter, WRAP_LIST);
    metrics_print(metrics, &out);
    static const char *const lines[] = {
        "trimtab_cloud_calls_total{cloud=\"inner\",provider=\"platform/aws\",verb=\"list\",outcome=\"Ok\"} 2\n",
        "trimtab_cloud_calls_total{cloud=\"inner\",provider=\"platform/aws\",verb=\"list\",outcome=\"Throttled\"} 1\n",
        "trimtab_cloud_call_requests_total{cloud=\"inner\",provider=\"platform/aws\",verb=\"list\"} 9\n",
        "trimtab_cloud_call_duration_seconds_sum{cloud=\"inner\",verb=\"list\"} 3\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        cr_expect(strstr(buf_text(&out), lines[i]), "%s is missing in\n%s", lines[i], buf_text(&out));
    buf_release(&out);
    close_now(adapter);
}

/* ---- faults ---- */

Test(wrap, a_fault_without_effect_never_goes_inward_and_is_spent) {
    struct wrap_fault faults[] = {
        {.verbs = 1u << WRAP_LIST, .times = 2, .error = {.class = ERR_THROTTLED, .code = "Slow", .retry_after_ms = 9}}};
    struct adapter *adapter = stacked(faults, 1);
    for (int i = 0; i < 3; i++) {
        const struct adapter_reply *reply = call(adapter, WRAP_LIST);
        cr_expect_eq(reply->error.class, i < 2 ? ERR_THROTTLED : ERR_NONE, "call %d", i);
        cr_expect_eq(inner.count, i < 2 ? 0 : 1);
    }
    close_now(adapter);
}

Test(wrap, a_fault_with_an_effect_drops_the_answer_of_what_happened) {
    struct wrap_fault faults[] = {{.verbs = 1u << WRAP_APPLY,
                                   .id = "web-*",
                                   .kinds = 1u << CLOUD_INSTANCE,
                                   .error = {.class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN}}};
    struct adapter *adapter = stacked(faults, 1);
    const struct adapter_reply *reply = call(adapter, WRAP_APPLY);
    cr_expect_eq(inner.count, 1);
    cr_expect_eq(reply->error.class, ERR_RETRYABLE);
    cr_expect_eq(reply->error.effect, EFFECT_UNKNOWN);
    cr_expect_eq(call(adapter, WRAP_LIST)->error.class, ERR_NONE);
    close_now(adapter);
}

Test(wrap, faults_match_by_verb_kind_and_id) {
    static const struct wrap_fault misses[] = {
        {.verbs = 1u << WRAP_LIST | 1u << WRAP_POLL}, {.kinds = 1u << CLOUD_VOLUME}, {.id = "db-*"}};
    for (size_t i = 0; i < ARRAY_LEN(misses); i++) {
        struct wrap_fault fault = misses[i];
        fault.error.class = ERR_CAPACITY;
        inner = (struct inner){.adapter = {&inner_ops}};
        struct adapter *adapter = stacked(&fault, 1);
        cr_expect_eq(call(adapter, WRAP_APPLY)->error.class, ERR_NONE, "rule %zu", i);
        cr_expect_eq(call(adapter, WRAP_POLL)->error.class, i == 0 ? ERR_CAPACITY : ERR_NONE, "rule %zu", i);
        close_now(adapter);
    }
}

Test(wrap, latency_holds_a_call_and_cancel_ends_it_without_effect) {
    struct wrap_fault late = {.latency_ms = 5000};
    struct adapter *adapter = stacked(&late, 1);
    submit(adapter, WRAP_APPLY);
    run_s(4);
    cr_expect_eq(inner.count, 0);
    run_s(3);
    cr_expect_eq(probe.done_count, 1);
    cr_expect_eq(last.duration_ns, 6 * NS_PER_S);
    submit(adapter, WRAP_APPLY);
    adapter->ops->cancel(adapter, &probe.call);
    adapter->ops->cancel(adapter, &probe.call);
    cr_expect_eq(probe.done_count, 0);
    run_s(20);
    cr_expect_eq(probe.done_count, 1);
    cr_expect_eq(probe.call.reply.error.class, ERR_CANCELLED);
    cr_expect_eq(probe.call.reply.error.effect, EFFECT_NONE);
    cr_expect_eq(inner.count, 1);
    close_now(adapter);
}

Test(wrap, a_list_is_cut_and_says_so) {
    struct wrap_fault fault = {.verbs = 1u << WRAP_LIST, .truncate_at = 2};
    struct adapter *adapter = stacked(&fault, 1);
    const struct adapter_reply *reply = call(adapter, WRAP_LIST);
    cr_expect_eq(reply->count, 2);
    cr_expect(reply->truncated);
    cr_expect(last.truncated);
    close_now(adapter);
}
