/*
 * What the files of the budget share: budget.c has the registry, the accounts and their gates; budget_api.c the one
 * bucket with its queue and circuit; budget_rates.c the defaults.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_WRAP_BUDGET_INTERNAL_H
#define TRIMTAB_ADAPTERS_WRAP_BUDGET_INTERNAL_H

#include "adapters/wrap/budget.h"
#include "base/map.h"
#include "base/runtime.h"

struct budget_rate {
    double per_second;
    double burst;
};
struct budget_rate budget_rate_default(const char *cloud, const char *api);

struct budget_queue {
    struct budget_waiter *first, *last;
};

struct budget_waiter { /* gate_request.state of one that waits, or whose refusal is under way. */
    struct gate_request *request;
    struct budget_gate *gate;
    struct budget_api *api;
    struct budget_queue *queue;
    struct budget_waiter *next, *prev;
    uint64_t since_ns;
    uint64_t sequence;
    bool is_overflow; /* Refused for the length of the queue, not for the circuit. */
};

struct budget_api { /* One budget. */
    struct budget_account *account;
    char *name, *region;

    double rate, rate_max, burst;
    double tokens; /* Below zero: a debt from the time before a join. */
    uint64_t refilled_ns;
    uint64_t blocked_until_ns;

    uint64_t throttled_ns; /* When a throttled reply counted last; 0: never. */
    /* Throttling as it is told to people. */
    uint32_t throttled_streak;
    double rate_lowest;
    struct error throttled_why;

    enum budget_circuit circuit;
    uint32_t failures, throttles; /* In a row. */
    uint64_t pause_ns, open_until_ns;
    const struct gate_request *probe; /* HALF_OPEN: the one under way. */
    const struct budget_gate *probe_gate;
    struct error why; /* It opened. */

    struct budget_queue queues[GATE_PRIORITY_COUNT], refused;
    size_t waiting;
    uint64_t sequence;
    uint32_t turns; /* Of those with several priorities waiting. */
    struct timer timer, refuse_timer;

    uint64_t sent_count, throttled_count, failed_count, refused_count;
};

struct budget_account {
    struct budget_registry *registry;
    char *key; /* In the registry's map. */
    char *cloud, *name;
    struct map apis; /* "api/region" -> struct budget_api * */
    struct budget_gate *gates;
};

struct budget_gate {
    struct adapter_gate base;
    struct budget_account *account;
    char *endpoint; /* "" the cloud's own. */
    int64_t requests_per_second;
    void (*changed)(void *ctx);
    void *ctx;
    struct budget_gate *next;
};

struct budget_registry {
    struct runtime *runtime;
    struct metrics *metrics;
    struct map accounts; /* key -> struct budget_account * */
};

/* budget_api.c */
struct budget_api *budget_api_new(struct budget_account *account, const char *name, const char *region);
void budget_api_free(struct budget_api *api);
/* The sharers of the account have changed. */
void budget_api_set_rate(struct budget_api *api);
bool budget_api_ask(struct budget_api *api, struct budget_gate *gate, struct gate_request *request);
void budget_api_cancel(struct budget_waiter *waiter);
void budget_api_take_report(struct budget_api *api, const struct gate_request *request, const struct error *error);
/* What is known and who waits goes from one budget to another of the same API. */
void budget_api_merge(struct budget_api *to, struct budget_api *from);
void budget_api_move_waiters(struct budget_api *to, struct budget_api *from, const struct budget_gate *gate);
void budget_api_view(const struct budget_api *api, struct budget_view *ret);

/* budget_metrics.c; all of them do nothing without metrics. outcome as in error_class_name, "Ok". */
void budget_metrics_sent(const struct budget_api *api, enum gate_priority priority, uint64_t waited_ns);
void budget_metrics_ended(const struct budget_api *api, enum err_class class);
void budget_metrics_refused(const struct budget_api *api);
void budget_metrics_state(const struct budget_api *api);
void budget_metrics_forget(const struct budget_api *api); /* The gauges: the budget goes, or its account's name does. */

#endif
