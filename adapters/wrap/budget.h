/*
 * The budget of requests: one gentle hand on every API. There is one budget for each (cloud and endpoint, account,
 * region, API), and all policies and Providers of the account share it; while the account is unknown it is the
 * Provider's own.
 *
 * 1. Rate: a token bucket. The strictest spec.limits.requestsPerSecond of the sharers, else the API's default
 * (budget_rates.c). A throttled reply without Retry-After halves the rate, once a second at most; it then grows by a
 * sixtieth of the full rate each second. Retry-After stops everything until then (an hour at most).
 *
 * 2. Order: actions before usage before inventory, first come first served in each. So that nobody starves, each fourth
 * request that goes out while several priorities wait is the one that has waited longest of all.
 *
 * 3. Circuit: opens after 5 failures (ERR_RETRYABLE) or 10 throttled replies in a row (one a second counts). While it
 * is open every request, also each that waits, is refused at once with that class and the time to the next probe. After
 * the pause one request goes out as a probe and the others wait for its end: answered closes, failed opens again. The
 * pause is 5 s, then doubles to 5 min, up to a fifth shorter by chance.
 *
 * 4. Bounds: BUDGET_QUEUE_MAX requests wait at one API; those beyond are refused as ERR_THROTTLED.
 *
 * Asking, cancelling and reporting cost O(1), however many wait. All times are the runtime's. Loop thread only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_WRAP_BUDGET_H
#define TRIMTAB_ADAPTERS_WRAP_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/gate.h"

struct budget_registry;
struct metrics;
struct runtime;

#define BUDGET_QUEUE_MAX 16384

struct budget_registry *budget_registry_new(struct runtime *runtime, struct metrics *metrics); /* metrics NULL: none. */
void budget_registry_free(struct budget_registry *registry);                                   /* With what is left. */

struct budget_gate_options {
    const char *cloud;           /* "aws" */
    const char *provider;        /* "platform/aws-prod" */
    const char *endpoint;        /* spec.endpoint: only Providers of one endpoint share. NULL: the cloud's own. */
    int64_t requests_per_second; /* 0: the API's default. */
    /* What budget_report tells has changed: a circuit, throttling. From inside any function here: must not call back
     * in. NULL: none. */
    void (*changed)(void *ctx);
    void *ctx;
};

/* A gate for one adapter. Never from inside a request's ready: join, close. */
struct adapter_gate *budget_gate_open(struct budget_registry *registry, const struct budget_gate_options *options);
/* The account is known: its budget from now on. What both had spent counts; what waits goes on waiting there. */
void budget_gate_join(struct adapter_gate *gate, const char *account);
void budget_gate_close(struct adapter_gate *gate); /* After its adapter has closed: nothing waits or is in flight. */

enum budget_circuit { BUDGET_CLOSED, BUDGET_HALF_OPEN, BUDGET_OPEN };
const char *budget_circuit_name(enum budget_circuit circuit); /* "Closed" "HalfOpen" "Open" */

struct budget_view {
    const char *cloud, *account;    /* The account, or the Provider while that is unknown. */
    const char *api, *region;       /* region "": it has none. */
    double requests_per_second;     /* Now. */
    double requests_per_second_max; /* What it grows to. */
    enum budget_circuit circuit;
    uint32_t retry_after_ms; /* Open: the time to the next probe. */
    /* Throttled thrice or more, the last time not 5 minutes ago; with the lowest rate since. Made to be quiet: one
     * stray throttled reply is no news. */
    bool is_throttled;
    double requests_per_second_lowest;
    const char *message; /* What opened the circuit or began the throttling, in the cloud's words; else "". */
    size_t waiting;
    uint64_t sent_count, throttled_count, failed_count, refused_count;
};
typedef void budget_report_fn(void *ctx, const struct budget_view *view);
/* Each API that was asked for through any gate of the same account, by name and region. */
void budget_report(const struct adapter_gate *gate, budget_report_fn *each, void *ctx);

#endif
