/*
 * The gate before a cloud's API: every request of an adapter asks it, and tells it how it went. Behind it stands the
 * budget of the account and API (wrap/budget.c), shared by all policies and Providers of that account; a test may put
 * another one there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_GATE_H
#define TRIMTAB_ADAPTERS_GATE_H

#include <stdbool.h>

#include "base/error.h"

struct adapter_gate;

enum gate_priority { /* The first go first. */
                     GATE_ACTION,
                     GATE_USAGE,
                     GATE_INVENTORY,
                     GATE_PRIORITY_COUNT,
};

struct gate_request { /* Embedded in who asks; zeroed is idle. */
    const char *api;  /* "ec2": lives as long as the request. With the region it names a budget. */
    const char *region;
    enum gate_priority priority;
    /* Later, on the loop thread, once, unless cancelled. error NULL: send now, and report. Else: not now (the circuit
     * is open: ERR_RETRYABLE or ERR_THROTTLED with retry_after_ms), nothing was sent. */
    void (*ready)(struct gate_request *request, const struct error *error, uint64_t waited_ns);
    /* The gate's. */
    void *state;
};

struct adapter_gate_ops {
    /* True: send now, and report; ready will not be called. False: ready will be called. */
    bool (*ask)(struct adapter_gate *gate, struct gate_request *request);
    void (*cancel)(struct adapter_gate *gate, struct gate_request *request); /* Of one that waits. */
    /* Once for each request that was let through. error class NONE: answered, whatever the status said of the input;
     * THROTTLED and RETRYABLE count against the API. */
    void (*report)(struct adapter_gate *gate, struct gate_request *request, const struct error *error);
};

struct adapter_gate {
    const struct adapter_gate_ops *ops;
};

#endif
