/*
 * The store of a cluster run: the Kubernetes API server. Five watches fill the cache; statuses go by server-side apply
 * under our own field manager; Events go to events.k8s.io/v1; Secrets are read by name, never listed or cached.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_STORE_CLUSTER_H
#define TRIMTAB_STORE_CLUSTER_H

#include "kube/client.h"
#include "kube/lease.h"
#include "store/store.h"

#define STORE_FIELD_MANAGER "trimtab"

struct store_cluster_options {
    const char *own_namespace;   /* Where the controller lives: the global suspend switch. */
    const char *instance;        /* reportingInstance of Events: the pod's name. */
    const char *watch_namespace; /* NULL: all. */
};

struct store *store_cluster_new(struct runtime *runtime, struct kube_client *client,
                                const struct store_cluster_options *options, const struct store_callbacks *callbacks);
/* The fence of may_act; without one nothing may act. */
void store_cluster_set_lease(struct store *store, const struct kube_lease *lease);

#endif
