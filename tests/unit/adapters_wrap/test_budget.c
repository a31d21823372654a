/*
 * The budget on the virtual clock: the bucket, the order, the circuit, and who shares.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "adapters/wrap/budget.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/runtime_virtual.h"
#include "base/str.h"

#define ASKERS_MAX 10100

struct asker {
    struct gate_request request;
    int ready_count;
    bool was_refused;
    struct error error;
    uint64_t at_ns, waited_ns;
    size_t order;
};

static struct runtime_virtual runtime;
static struct metrics *metrics;
static struct budget_registry *registry;
static struct adapter_gate *gate;
static struct asker askers[ASKERS_MAX];
static size_t asker_count, ready_order;
static int changed_count;

static void on_changed(void *ctx) {
    (void)ctx;
    changed_count++;
}

static struct adapter_gate *open_gate(const char *provider, int64_t requests_per_second) {
    return budget_gate_open(registry, &(struct budget_gate_options){.cloud = "aws",
                                                                    .provider = provider,
                                                                    .requests_per_second = requests_per_second,
                                                                    .changed = on_changed});
}

static void set_up(void) {
    runtime_virtual_init(&runtime, 7, INT64_C(1790000000000));
    runtime.now_ns = 100 * NS_PER_S;
    metrics = metrics_new();
    registry = budget_registry_new(&runtime.base, metrics);
    gate = open_gate("platform/aws-prod", 10);
    asker_count = ready_order = 0;
    changed_count = 0;
}

static void tear_down(void) {
    budget_gate_close(gate);
    budget_registry_free(registry);
    metrics_free(metrics);
    runtime_virtual_release(&runtime);
}

TestSuite(budget, .init = set_up, .fini = tear_down);

static void on_ready(struct gate_request *request, const struct error *error, uint64_t waited_ns) {
    struct asker *asker = CONTAINER_OF(request, struct asker, request);
    asker->ready_count++;
    asker->was_refused = error != NULL;
    if (error)
        asker->error = *error;
    asker->at_ns = runtime.now_ns;
    asker->waited_ns = waited_ns;
    asker->order = ready_order++;
}

static struct asker *ask_at(struct adapter_gate *of, const char *api, enum gate_priority priority) {
    cr_assert_lt(asker_count, ASKERS_MAX);
    struct asker *asker = &askers[asker_count++];
    *asker = (struct asker){.request = {.api = api, .region = "us-east-1", .priority = priority, .ready = on_ready}};
    if (of->ops->ask(of, &asker->request)) {
        cr_assert_eq(asker->ready_count, 0);
        on_ready(&asker->request, NULL, 0);
    } else {
        cr_assert_eq(asker->ready_count, 0, "ready ran from inside ask");
    }
    return asker;
}

static struct asker *ask(enum gate_priority priority) {
    return ask_at(gate, "ec2", priority);
}

static void run_s(double seconds) {
    runtime_virtual_run_until(&runtime, runtime.now_ns + (uint64_t)(seconds * (double)NS_PER_S));
}

static void tell(struct asker *asker, enum err_class class, uint32_t retry_after_ms) {
    struct error error = {.class = class, .retry_after_ms = retry_after_ms};
    str_copy(error.message, sizeof(error.message), "RequestLimitExceeded: too much");
    gate->ops->report(gate, &asker->request, &error);
}

static size_t sent_in(double seconds) {
    size_t before = ready_order;
    run_s(seconds);
    return ready_order - before;
}

static void fill_queue(size_t count) {
    for (size_t i = 0; i < count; i++)
        ask(GATE_INVENTORY);
}

struct views {
    struct budget_view all[8];
    size_t count;
};

static void keep_view(void *ctx, const struct budget_view *view) {
    struct views *views = ctx;
    views->all[views->count++] = *view;
}

static struct budget_view view(void) {
    struct views views = {0};
    budget_report(gate, keep_view, &views);
    cr_assert_geq(views.count, 1);
    return views.all[0];
}

/* ---- the bucket ---- */

Test(budget, a_burst_goes_at_once_and_the_rest_at_the_rate) {
    fill_queue(40);
    cr_expect_eq(ready_order, 10, "requestsPerSecond bounds the burst");
    cr_expect_eq(sent_in(1.0), 10);
    cr_expect_eq(sent_in(0.5), 5);
    cr_expect_eq(sent_in(10), 15);
    cr_expect_float_eq((double)askers[39].waited_ns / 1e9, 3.0, 1e-6);
}

Test(budget, an_idle_bucket_holds_no_more_than_its_burst) {
    run_s(3600);
    fill_queue(30);
    cr_expect_eq(ready_order, 10);
    run_s(5);
}

Test(budget, the_default_of_an_api_holds_where_the_provider_names_no_rate) {
    struct adapter_gate *other = open_gate("platform/aws-test", 0);
    for (size_t i = 0; i < 120; i++)
        ask_at(other, "ec2", GATE_INVENTORY);
    cr_expect_eq(ready_order, 50);
    cr_expect_eq(sent_in(1), 20);
    run_s(10);
    for (size_t i = 0; i < 10; i++)
        ask_at(other, "ce", GATE_INVENTORY);
    cr_expect_eq(ready_order, 125, "another API has another bucket");
    run_s(10);
    budget_gate_close(other);
}

Test(budget, no_window_of_a_second_has_more_than_burst_and_rate) {
    for (size_t i = 0; i < 300; i++) {
        ask((enum gate_priority)(i % GATE_PRIORITY_COUNT));
        run_s(0.013);
    }
    run_s(60);
    uint64_t at[300];
    for (size_t i = 0; i < 300; i++)
        at[askers[i].order] = askers[i].at_ns;
    for (size_t i = 0; i + 20 < 300; i++)
        cr_assert_gt(at[i + 20] + 10, at[i] + NS_PER_S, "21 requests in a second at %zu", i);
}

/* ---- the order ---- */

Test(budget, actions_go_before_usage_before_inventory) {
    fill_queue(10); /* The burst. */
    struct asker *inventory = ask(GATE_INVENTORY), *usage = ask(GATE_USAGE), *action = ask(GATE_ACTION);
    run_s(1);
    cr_expect_lt(action->order, usage->order);
    cr_expect_lt(usage->order, inventory->order);
}

Test(budget, a_flood_of_actions_does_not_starve_the_inventory) {
    fill_queue(10);
    struct asker *inventory[5];
    for (size_t i = 0; i < 5; i++)
        inventory[i] = ask(GATE_INVENTORY);
    for (size_t i = 0; i < 300; i++) {
        ask(GATE_ACTION);
        if (i % 2 == 0)
            run_s(0.1);
    }
    /* Each fourth turn is the oldest's: the fifth has gone after 20 turns. */
    for (size_t i = 0; i < 5; i++) {
        cr_expect_eq(inventory[i]->ready_count, 1, "%zu", i);
        cr_expect_leq(inventory[i]->waited_ns, 2 * NS_PER_S + NS_PER_S / 10, "%zu", i);
    }
    run_s(60);
}

Test(budget, ten_thousand_wait_and_each_goes_once) {
    for (size_t i = 0; i < 10010; i++)
        ask((enum gate_priority)(i % GATE_PRIORITY_COUNT));
    cr_expect_eq(view().waiting, 10000);
    for (size_t i = 11; i < 10010; i += 2)
        gate->ops->cancel(gate, &askers[i].request);
    cr_expect_eq(view().waiting, 5000);
    run_s(501);
    cr_expect_eq(ready_order, 5010);
    for (size_t i = 0; i < 10010; i++)
        cr_assert_eq(askers[i].ready_count, i < 10 || i % 2 == 0 ? 1 : 0, "asker %zu", i);
}

Test(budget, beyond_the_bound_a_request_is_refused_as_throttled) {
    static struct gate_request many[BUDGET_QUEUE_MAX + 10];
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        many[i] = (struct gate_request){.api = "ec2", .region = "us-east-1", .priority = GATE_USAGE, .ready = on_ready};
        if (i < 10)
            cr_assert(gate->ops->ask(gate, &many[i]));
        else
            cr_assert(!gate->ops->ask(gate, &many[i]));
    }
    struct asker *late = ask(GATE_ACTION);
    run_s(0);
    cr_expect(late->was_refused);
    cr_expect_eq(late->error.class, ERR_THROTTLED);
    cr_expect_gt(late->error.retry_after_ms, 1000000);
    for (size_t i = 10; i < ARRAY_LEN(many); i++)
        gate->ops->cancel(gate, &many[i]);
}

Test(budget, who_cancels_hears_nothing_and_takes_no_token) {
    fill_queue(10);
    struct asker *gone = ask(GATE_ACTION), *stays = ask(GATE_INVENTORY);
    gate->ops->cancel(gate, &gone->request);
    run_s(0.11);
    cr_expect_eq(gone->ready_count, 0);
    cr_expect_eq(stays->ready_count, 1);
}

/* ---- throttling ---- */

Test(budget, retry_after_stops_everything_until_then) {
    struct asker *first = ask(GATE_INVENTORY);
    tell(first, ERR_THROTTLED, 7000);
    fill_queue(5);
    cr_expect_eq(sent_in(6.999), 0);
    cr_expect_eq(sent_in(0.201), 2, "at the rate, not all that has waited at once");
    cr_expect_float_eq(view().requests_per_second, 10, 1e-9, "the rate stays");
    run_s(10);
}

Test(budget, a_retry_after_of_days_is_an_hour) {
    tell(ask(GATE_INVENTORY), ERR_THROTTLED, UINT32_MAX);
    struct asker *waiter = ask(GATE_INVENTORY);
    run_s(3601);
    cr_expect_eq(waiter->ready_count, 1);
    cr_expect_eq(waiter->waited_ns, 3600 * NS_PER_S + NS_PER_S / 10);
}

Test(budget, throttling_halves_the_rate_once_a_second_and_it_grows_back) {
    struct asker *in_flight[5];
    for (size_t i = 0; i < 5; i++)
        in_flight[i] = ask(GATE_INVENTORY);
    for (size_t i = 0; i < 5; i++)
        tell(in_flight[i], ERR_THROTTLED, 0);
    cr_expect_float_eq(view().requests_per_second, 5, 1e-9, "one cause, one step");
    run_s(1);
    tell(in_flight[0], ERR_THROTTLED, 0);
    cr_expect_float_eq(view().requests_per_second, (5 + 10.0 / 60) / 2, 1e-9);
    double reduced = view().requests_per_second;
    run_s(12);
    cr_expect_float_eq(view().requests_per_second, reduced + 2, 1e-6);
    run_s(60);
    cr_expect_float_eq(view().requests_per_second, 10, 1e-9);
}

Test(budget, the_rate_never_falls_to_nothing) {
    struct asker *asker = ask(GATE_INVENTORY);
    for (int i = 0; i < 9; i++) {
        tell(asker, ERR_THROTTLED, 0);
        run_s(1);
    }
    cr_expect_geq(view().requests_per_second, 10.0 / 64);
}

Test(budget, one_stray_throttled_reply_is_no_news_but_three_are) {
    struct asker *asker = ask(GATE_INVENTORY);
    tell(asker, ERR_THROTTLED, 0);
    cr_expect(!view().is_throttled);
    cr_expect_eq(changed_count, 0);
    for (int i = 0; i < 2; i++) {
        run_s(1.5);
        tell(asker, ERR_THROTTLED, 0);
    }
    cr_expect(view().is_throttled);
    cr_expect_eq(changed_count, 1);
    cr_expect_lt(view().requests_per_second_lowest, 2);
    cr_expect(strstr(view().message, "RequestLimitExceeded"));
    double lowest = view().requests_per_second_lowest;
    run_s(200);
    cr_expect_float_eq(view().requests_per_second_lowest, lowest, 1e-9, "quiet while it lasts");
    run_s(100);
    cr_expect(!view().is_throttled);
    cr_expect_float_eq(view().requests_per_second_lowest, 10, 1e-9);
}

/* ---- the circuit ---- */

static void fail_in_a_row(int count) {
    for (int i = 0; i < count; i++) {
        struct asker *asker = ask(GATE_INVENTORY);
        cr_assert_eq(asker->ready_count, 1, "failure %d", i);
        tell(asker, ERR_RETRYABLE, 0);
    }
}

Test(budget, five_failures_in_a_row_open_the_circuit_and_refuse_who_waits) {
    fail_in_a_row(4);
    cr_expect_eq(view().circuit, BUDGET_CLOSED);
    struct asker *last = ask(GATE_INVENTORY);
    fill_queue(8);
    struct asker *waiter = &askers[asker_count - 1];
    cr_assert_eq(waiter->ready_count, 0);
    tell(last, ERR_RETRYABLE, 0);
    cr_expect_eq(view().circuit, BUDGET_OPEN);
    cr_expect_eq(changed_count, 1);
    cr_assert_eq(waiter->ready_count, 0, "later, not from inside report");
    run_s(0);
    cr_expect_eq(waiter->ready_count, 1);
    cr_expect(waiter->was_refused);
    cr_expect_eq(waiter->error.class, ERR_RETRYABLE);
    cr_expect_eq(waiter->error.effect, EFFECT_NONE);
    cr_expect(waiter->error.retry_after_ms >= 4000 && waiter->error.retry_after_ms <= 5000, "%u",
              waiter->error.retry_after_ms);
    cr_expect_str_eq(waiter->error.message, view().message);
    struct asker *late = ask(GATE_ACTION);
    run_s(0);
    cr_expect(late->was_refused);
}

Test(budget, an_answer_between_failures_keeps_the_circuit_closed) {
    static const enum err_class answers[] = {ERR_NONE, ERR_PERMISSION, ERR_PERMANENT, ERR_CONFLICT, ERR_CAPACITY};
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        fail_in_a_row(4);
        tell(ask(GATE_INVENTORY), answers[i], 0);
        cr_expect_eq(view().circuit, BUDGET_CLOSED);
        run_s(2);
    }
}

static void wait_for_probe(void) {
    run_s((double)view().retry_after_ms / 1000 + 0.001);
}

Test(budget, after_the_pause_one_probe_goes_and_the_others_wait_for_its_end) {
    fail_in_a_row(5);
    wait_for_probe();
    struct asker *probe = ask(GATE_INVENTORY), *second = ask(GATE_ACTION);
    cr_expect_eq(probe->ready_count, 1);
    cr_expect_eq(view().circuit, BUDGET_HALF_OPEN);
    run_s(30);
    cr_expect_eq(second->ready_count, 0);
    tell(probe, ERR_NONE, 0);
    cr_expect_eq(view().circuit, BUDGET_CLOSED);
    run_s(0);
    cr_expect_eq(second->ready_count, 1);
    cr_expect(!second->was_refused);
}

Test(budget, a_probe_that_fails_doubles_the_pause_up_to_five_minutes) {
    fail_in_a_row(5);
    uint32_t expected_ms = 5000;
    for (int i = 0; i < 9; i++) {
        uint32_t pause_ms = view().retry_after_ms;
        cr_expect(pause_ms <= expected_ms && pause_ms >= expected_ms * 4 / 5, "pause %d is %u", i, pause_ms);
        wait_for_probe();
        struct asker *probe = ask(GATE_INVENTORY), *second = ask(GATE_INVENTORY);
        cr_assert_eq(probe->ready_count, 1);
        tell(probe, ERR_RETRYABLE, 0);
        run_s(0);
        cr_expect(second->was_refused);
        expected_ms = expected_ms * 2 < 300000 ? expected_ms * 2 : 300000;
    }
    wait_for_probe();
    tell(ask(GATE_INVENTORY), ERR_NONE, 0);
    run_s(60);
    fail_in_a_row(5);
    cr_expect_leq(view().retry_after_ms, 5000, "an answer resets the pause");
}

Test(budget, a_probe_that_was_never_sent_leaves_its_place_to_the_next) {
    fail_in_a_row(5);
    wait_for_probe();
    struct asker *probe = ask(GATE_INVENTORY), *second = ask(GATE_INVENTORY);
    tell(probe, ERR_CANCELLED, 0);
    run_s(0);
    cr_expect_eq(second->ready_count, 1);
    cr_expect(!second->was_refused);
    tell(second, ERR_NONE, 0);
    cr_expect_eq(view().circuit, BUDGET_CLOSED);
}

Test(budget, late_failures_do_not_lengthen_an_open_circuit) {
    struct asker *in_flight[9];
    for (size_t i = 0; i < 9; i++)
        in_flight[i] = ask(GATE_INVENTORY);
    for (size_t i = 0; i < 9; i++)
        tell(in_flight[i], ERR_RETRYABLE, 0);
    cr_expect_leq(view().retry_after_ms, 5000);
    tell(in_flight[0], ERR_NONE, 0);
    cr_expect_eq(view().circuit, BUDGET_OPEN, "only a probe closes it");
}

Test(budget, throttling_without_end_opens_the_circuit_as_throttled) {
    struct asker *asker = ask(GATE_INVENTORY);
    for (int i = 0; i < 10; i++) {
        cr_expect_eq(view().circuit, BUDGET_CLOSED);
        tell(asker, ERR_THROTTLED, 0);
        run_s(1);
    }
    cr_expect_eq(view().circuit, BUDGET_OPEN);
    struct asker *late = ask(GATE_INVENTORY);
    run_s(0);
    cr_expect_eq(late->error.class, ERR_THROTTLED);
}

Test(budget, a_refusal_can_be_cancelled) {
    fail_in_a_row(5);
    struct asker *asker = ask(GATE_INVENTORY);
    gate->ops->cancel(gate, &asker->request);
    run_s(1);
    cr_expect_eq(asker->ready_count, 0);
}

/* ---- who shares ---- */

Test(budget, providers_of_one_account_share_and_the_strictest_rate_wins) {
    struct adapter_gate *other = open_gate("checkout/aws", 4);
    budget_gate_join(gate, "123456789012");
    budget_gate_join(other, "123456789012");
    for (size_t i = 0; i < 20; i++)
        ask_at(i % 2 ? gate : other, "ec2", GATE_INVENTORY);
    cr_expect_eq(ready_order, 4);
    cr_expect_eq(sent_in(1), 4);
    cr_expect_str_eq(view().account, "123456789012");
    cr_expect_float_eq(view().requests_per_second_max, 4, 1e-9);
    run_s(10);
    budget_gate_close(other);
    cr_expect_float_eq(view().requests_per_second_max, 10, 1e-9, "who has gone binds nobody");
}

Test(budget, other_accounts_and_clouds_have_budgets_of_their_own) {
    struct adapter_gate *other = open_gate("checkout/aws", 10);
    budget_gate_join(gate, "1");
    budget_gate_join(other, "2");
    fill_queue(11);
    cr_expect_eq(ask_at(other, "ec2", GATE_INVENTORY)->ready_count, 1);
    run_s(1);
    budget_gate_close(other);
}

Test(budget, an_endpoint_of_its_own_is_another_api) {
    struct adapter_gate *other = budget_gate_open(
        registry, &(struct budget_gate_options){
                      .cloud = "aws", .provider = "a/b", .endpoint = "https://private", .requests_per_second = 10});
    budget_gate_join(gate, "1");
    budget_gate_join(other, "1");
    fill_queue(11);
    cr_expect_eq(ask_at(other, "ec2", GATE_INVENTORY)->ready_count, 1);
    run_s(1);
    budget_gate_close(other);
}

Test(budget, what_was_spent_before_the_account_was_known_counts) {
    struct adapter_gate *others[9];
    fill_queue(10);
    budget_gate_join(gate, "1");
    for (size_t i = 0; i < 9; i++) {
        const char provider[] = {'n', '/', (char)('0' + i), '\0'};
        others[i] = open_gate(provider, 10);
        for (size_t k = 0; k < 10; k++)
            ask_at(others[i], "ec2", GATE_INVENTORY);
        budget_gate_join(others[i], "1");
    }
    cr_expect_eq(ready_order, 100, "apart they had ten bursts");
    struct asker *next = ask(GATE_ACTION);
    run_s(20);
    cr_expect_float_eq((double)next->waited_ns / 1e9, 9.1, 1e-6, "and now they have to pay for nine");
    for (size_t i = 0; i < 9; i++)
        budget_gate_close(others[i]);
}

Test(budget, what_waits_goes_on_waiting_after_a_join) {
    struct adapter_gate *other = open_gate("checkout/aws", 10);
    budget_gate_join(other, "1");
    ask_at(other, "ec2", GATE_INVENTORY);
    fill_queue(13);
    struct asker *waiter = &askers[asker_count - 1];
    budget_gate_join(gate, "1");
    cr_expect_eq(view().waiting, 3);
    run_s(5);
    cr_expect_eq(waiter->ready_count, 1);
    gate->ops->cancel(gate, &waiter->request); /* Of one that waits no more: nothing. */
    budget_gate_close(other);
}

Test(budget, an_open_circuit_comes_along_to_the_account) {
    struct adapter_gate *other = open_gate("checkout/aws", 10);
    budget_gate_join(other, "1");
    ask_at(other, "ec2", GATE_INVENTORY);
    fail_in_a_row(5);
    budget_gate_join(gate, "1");
    struct asker *late = ask_at(other, "ec2", GATE_ACTION);
    run_s(0);
    cr_expect(late->was_refused);
    budget_gate_close(other);
}

Test(budget, a_probe_of_a_gate_that_moves_away_is_not_waited_for) {
    struct adapter_gate *other = open_gate("checkout/aws", 10);
    budget_gate_join(gate, "1");
    budget_gate_join(other, "1");
    fail_in_a_row(5);
    wait_for_probe();
    struct asker *probe = ask(GATE_INVENTORY), *second = ask_at(other, "ec2", GATE_INVENTORY);
    cr_assert_eq(probe->ready_count, 1);
    budget_gate_join(gate, "2");
    tell(probe, ERR_NONE, 0);
    run_s(1);
    cr_expect_eq(second->ready_count, 1, "it is the next probe");
    budget_gate_close(other);
}

Test(budget, a_provider_that_is_opened_anew_keeps_its_budget) {
    fail_in_a_row(5);
    struct adapter_gate *again = open_gate("platform/aws-prod", 10);
    budget_gate_close(gate);
    gate = again;
    struct asker *late = ask(GATE_ACTION);
    run_s(0);
    cr_expect(late->was_refused);
}

Test(budget, one_of_several_gates_moves_with_those_of_its_own_that_wait) {
    struct adapter_gate *old = open_gate("platform/aws-prod", 10);
    fill_queue(12);
    struct asker *stays = ask_at(old, "ec2", GATE_INVENTORY);
    budget_gate_join(gate, "1");
    cr_expect_eq(view().waiting, 2);
    run_s(0);
    cr_expect_eq(view().waiting, 0, "the new account's bucket is full");
    run_s(1);
    cr_expect_eq(stays->ready_count, 1);
    budget_gate_close(old);
}

/* ---- reports and metrics ---- */

Test(budget, the_report_is_sorted_by_api_and_region) {
    ask_at(gate, "monitoring", GATE_USAGE);
    ask_at(gate, "autoscaling", GATE_INVENTORY);
    ask_at(gate, "ec2", GATE_INVENTORY);
    struct views views = {0};
    budget_report(gate, keep_view, &views);
    cr_assert_eq(views.count, 3);
    cr_expect_str_eq(views.all[0].api, "autoscaling");
    cr_expect_str_eq(views.all[1].api, "ec2");
    cr_expect_str_eq(views.all[2].api, "monitoring");
    cr_expect_eq(views.all[0].sent_count, 1);
}

Test(budget, metrics_count_outcomes_waits_and_the_circuit) {
    struct buf out = {0};
    budget_gate_join(gate, "123456789012");
    tell(ask(GATE_ACTION), ERR_NONE, 0);
    tell(ask(GATE_ACTION), ERR_THROTTLED, 100);
    run_s(1);
    fail_in_a_row(5);
    ask(GATE_USAGE);
    run_s(0);
    metrics_print(metrics, &out);
    static const char *const lines[] = {
        "trimtab_cloud_requests_total{cloud=\"aws\",account=\"123456789012\",api=\"ec2\",outcome=\"Ok\"} 1\n",
        "trimtab_cloud_requests_total{cloud=\"aws\",account=\"123456789012\",api=\"ec2\",outcome=\"Throttled\"} 1\n",
        "trimtab_cloud_requests_total{cloud=\"aws\",account=\"123456789012\",api=\"ec2\",outcome=\"Retryable\"} 5\n",
        "trimtab_cloud_requests_total{cloud=\"aws\",account=\"123456789012\",api=\"ec2\",outcome=\"Refused\"} 1\n",
        "trimtab_cloud_throttles_total{cloud=\"aws\",account=\"123456789012\",api=\"ec2\"} 1\n",
        "trimtab_cloud_circuit_state{cloud=\"aws\",account=\"123456789012\",api=\"ec2\",region=\"us-east-1\"} 2\n",
        "trimtab_cloud_request_wait_seconds_count{cloud=\"aws\",api=\"ec2\",priority=\"action\"} 2\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        cr_expect(strstr(buf_text(&out), lines[i]), "%s is missing in\n%s", lines[i], buf_text(&out));
    buf_release(&out);
}
