/*
 * What the files of the Kubernetes adapter share. A cluster is a cloud with one region, CLOUD_REGION_CLUSTER. Requests
 * are JSON over the same common/call.c as every other cloud's; only the credential is a kubeconfig's (kube/auth.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_KUBERNETES_INTERNAL_H
#define TRIMTAB_ADAPTERS_KUBERNETES_INTERNAL_H

#include "adapters/common/call.h"
#include "adapters/common/catalogue.h"
#include "kube/auth.h"
#include "kube/config.h"

/* The field manager of all that we write by server-side apply. */
#define KUBERNETES_FIELD_MANAGER "trimtab"
/* On a workload: the requests of each pod as last asked for by RESIZE, {"cpu": "500m", "memory": "512Mi"}. Pods that
 * have others have drifted: a new pod of an old template. */
#define KUBERNETES_REQUESTS_ANNOTATION "trimtab.dev/requests"

struct kubernetes_node_price { /* parameters.nodePrices: where the node's cloud price is not known or not ours. */
    const char *instance_type; /* Glob. */
    money_micros hourly;
};

struct kubernetes {
    struct call_host host;
    const struct catalogue *catalogue;
    struct arena arena; /* Of all that open read. */
    struct kube_config config;
    struct kube_auth *auth;
    const char *const *namespaces; /* parameters.namespaces: only these are looked at; none: all. */
    size_t namespace_count;
    const char *prometheus_url; /* parameters.prometheus.url; NULL: metrics.k8s.io. */
    const struct kubernetes_node_price *node_prices;
    size_t node_price_count;
};

static inline struct kubernetes *kubernetes_of(const struct call *call) {
    return CONTAINER_OF(call->host, struct kubernetes, host);
}

/* "namespace/Kind/name", as of a Workload, a Volume (PersistentVolumeClaim) or a Snapshot (VolumeSnapshot). */
struct kubernetes_id {
    const char *namespace, *kind, *name;
};
bool kubernetes_id_parse(const char *id, struct arena *arena, struct kubernetes_id *ret);

/* request.c. Begins the call's exchange: method, URL of the API server and the path (already escaped), Accept. body
 * NULL: none; else it is sent with that content type. */
void kubernetes_request(struct call *call, const char *method, const char *path);
void kubernetes_request_body(struct call *call, const char *content_type, struct bytes body);
/* The parsed reply, which lives until the exchange is reset; NULL with *err set. */
const struct json *kubernetes_reply(struct call *call, struct error *err);
/* CPU "500m", "2", "1e3m" in milli-cores; memory "512Mi", "1G" in bytes; rounded up. False: not a quantity. */
bool kubernetes_quantity_milli(const char *text, int64_t *ret_milli);
bool kubernetes_quantity_bytes(const char *text, int64_t *ret_bytes);

/* list.c, owners.c, usage.c, prices.c, charges.c, limits.c */
void kubernetes_list(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query);
void kubernetes_usage(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query);
void kubernetes_prices(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query);
void kubernetes_charges(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query);
void kubernetes_limits(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query);

/* apply.c: scale, bounds, resize (in place and by rollout), tag, delete, snapshot; poll. */
extern const uint32_t kubernetes_verbs[CLOUD_KIND_COUNT];
void kubernetes_apply(struct kubernetes *self, struct adapter_call *outer, const struct cloud_action *action);
void kubernetes_poll(struct kubernetes *self, struct adapter_call *outer, const char *operation);

#endif
