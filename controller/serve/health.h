/*
 * /healthz /livez /readyz with per-check ?verbose and ?exclude= as Kubernetes does, and /metrics. Liveness never
 * depends on clouds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_SERVE_HEALTH_H
#define TRIMTAB_SERVE_HEALTH_H

#include <stdbool.h>

#include "base/metrics.h"
#include "serve/server.h"

struct health_check { /* Ends at name NULL. */
    const char *name; /* "informer-sync", "shutdown", "leader-election", "loop" */
    bool in_livez, in_readyz;
    /* True: good. Else why is filled (shown with ?verbose). */
    bool (*check)(void *ctx, struct buf *why);
};

struct health {
    const struct health_check *checks;
    void *ctx;
};
void health_handle(struct health *health, const struct server_request *request, struct server_reply *reply);

#endif
