/*
 * What is done to a cluster.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/kubernetes/kubernetes_internal.h"

static const struct call_verb apply_verb = {.name = "apply"};

void kubernetes_apply(struct kubernetes *self, struct adapter_call *outer, const struct cloud_action *action) {
    call_refuse(call_new(&self->host, outer, &apply_verb, 0), "kubernetes: %s: not done by this version",
                cloud_verb_name(action->verb));
}

void kubernetes_poll(struct kubernetes *self, struct adapter_call *outer, const char *operation) {
    (void)operation;
    call_refuse(call_new(&self->host, outer, &apply_verb, 0), "kubernetes: poll: no such operation");
}
