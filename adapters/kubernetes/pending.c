/*
 * Refuses what the files to come will answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/kubernetes/kubernetes_internal.h"

static const struct call_verb pending_verb = {.name = "pending"};

#define REFUSE(name)                                                                                                   \
    void kubernetes_##name(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query) {     \
        (void)query;                                                                                                   \
        call_refuse(call_new(&self->host, outer, &pending_verb, 0),                                                    \
                    "kubernetes: " #name ": not read by this version");                                                \
    }
REFUSE(list)
REFUSE(usage)
REFUSE(prices)
REFUSE(charges)
REFUSE(limits)
