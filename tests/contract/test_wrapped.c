/*
 * The contract, held against the simulated cloud within all decorators and behind a budget: what is put around an
 * adapter must not be seen.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "contract.h"

#include "adapters/wrap/budget.h"
#include "adapters/wrap/wrap_internal.h"
#include "base/mem.h"
#include "base/metrics.h"

/* The simulated cloud sends no requests, so that a decorator asks the gate for each of its calls. */

struct gated_call {
    struct gate_request request;
    struct wrap_call *call;
    struct gated_call *next;
};

static struct budget_registry *budgets;
static struct adapter_gate *gate;
static struct metrics *metrics;
static struct gated_call *waiting;

static void report(struct wrap_call *call) {
    struct gate_request request = {.api = "simulated", .region = ""};
    if (call->phase == WRAP_INSIDE)
        gate->ops->report(gate, &request, &call->outer->reply.error);
}

static void forget(struct gated_call *gated) {
    struct gated_call **at = &waiting;
    while (*at != gated)
        at = &(*at)->next;
    *at = gated->next;
    mem_free(gated);
}

static void on_ready(struct gate_request *request, const struct error *error, uint64_t waited_ns) {
    (void)waited_ns;
    struct gated_call *gated = CONTAINER_OF(request, struct gated_call, request);
    struct wrap_call *call = gated->call;
    cr_assert_null(error, "nothing here opens a circuit");
    forget(gated);
    if (call->phase == WRAP_HELD)
        wrap_forward(call);
}

static void ask(struct wrap_call *call) {
    struct gated_call *gated = mem_alloc(sizeof(*gated));
    *gated = (struct gated_call){
        .request = {.api = "simulated", .region = "", .priority = GATE_INVENTORY, .ready = on_ready},
        .call = call,
        .next = waiting};
    waiting = gated;
    if (gate->ops->ask(gate, &gated->request)) {
        forget(gated);
        wrap_forward(call);
    }
}

/* One that waited has been cancelled: the gate must not call into what is freed. */
static void leave(struct wrap_call *call) {
    for (struct gated_call *gated = waiting, *next; gated; gated = next) {
        next = gated->next;
        if (gated->call == call) {
            gate->ops->cancel(gate, &gated->request);
            forget(gated);
        }
    }
    report(call);
}

static void on_call(void *ctx, const struct wrap_record *record) {
    (void)ctx;
    cr_assert(record->region && record->kind && record->id);
}

static struct contract_bed *open_wrapped(bool slow) {
    static const struct wrap_hooks hooks = {.before = ask, .after = leave};
    struct contract_bed *bed = contract_simulated.open(slow);
    struct runtime *runtime = bed->ctx;
    metrics = metrics_new();
    budgets = budget_registry_new(runtime, metrics);
    gate = budget_gate_open(budgets, &(struct budget_gate_options){
                                         .cloud = "simulated", .provider = "platform/sim", .requests_per_second = 2});
    bed->adapter = wrap_init(mem_alloc(sizeof(struct wrap)), &hooks, bed->adapter, runtime);
    bed->adapter = wrap_faults(bed->adapter, runtime, NULL, 0);
    bed->adapter = wrap_metrics(bed->adapter, runtime, metrics, "platform/sim");
    bed->adapter = wrap_trace(bed->adapter, runtime, "platform/sim", on_call, NULL);
    return bed;
}

static bool pump(struct contract_bed *bed, const bool *until) {
    return contract_simulated.pump(bed, until);
}

static void settle(struct contract_bed *bed) {
    contract_simulated.settle(bed);
}

static void pass_time(struct contract_bed *bed, uint32_t time_ms) {
    contract_simulated.wait(bed, time_ms);
}

/* The gate goes after the adapter, and before the runtime. */
static void on_closed(void *ctx) {
    *(bool *)ctx = true;
}

static void shut_wrapped(struct contract_bed *bed) {
    if (bed->adapter) {
        bool closed = false;
        bed->adapter->ops->close(bed->adapter, on_closed, &closed);
        cr_assert(pump(bed, &closed));
        bed->adapter = NULL;
    }
    cr_assert_null(waiting);
    budget_gate_close(gate);
    budget_registry_free(budgets);
    metrics_free(metrics);
    contract_simulated.shut(bed);
}

static const struct contract_factory factory = {
    .open = open_wrapped, .pump = pump, .settle = settle, .wait = pass_time, .shut = shut_wrapped};

#define CASE(name)                                                                                                     \
    Test(contract_wrapped, name) {                                                                                     \
        contract_##name(&factory);                                                                                     \
    }
CONTRACT_CASES(CASE)
CONTRACT_TOKEN_CASES(CASE)
CONTRACT_USAGE_CASES(CASE)
