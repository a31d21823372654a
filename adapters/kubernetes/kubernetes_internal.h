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
#include "base/mem.h"
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

/* credential.c: kube_auth behind the face of common/call.c. One refresh at a time, however many calls wait for it. */
struct kubernetes_credential {
    struct kube_auth *auth;
    struct credentials_value value; /* Only the generation counts; the secret stays in auth. */
    bool is_fixed;                  /* Neither file nor plugin: there is no other. */
    bool is_refused;                /* The server said 401 to this generation. */
    bool is_refreshing;
    uint64_t refresh_began_ns;
    struct credentials_waiter *waiters;
    void (*idle)(void *ctx);
    void *idle_ctx;
};

struct kubernetes {
    struct call_host host;
    const struct catalogue *catalogue;
    struct arena arena; /* Of all that open read. */
    struct kube_config config;
    struct kubernetes_credential credential;
    const char *const *namespaces; /* parameters.namespaces: only these are looked at; none: all. */
    size_t namespace_count;
    const char *prometheus_url;   /* parameters.prometheus.url, without a trailing slash; NULL: metrics.k8s.io. */
    const char *prometheus_token; /* NULL: none. */
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
/* Refuses the call (ERR_PERMANENT) unless the region is the only one that a cluster has. */
bool kubernetes_region_check(struct call *call, const char *region);

/* credential.c */
enum err_class kubernetes_config_open(struct kubernetes *self, const struct adapter_config *config, struct error *err);
void kubernetes_credential_open(struct kubernetes *self, const struct adapter_env *env);
void kubernetes_credential_free(struct kubernetes *self);
extern const struct call_credentials kubernetes_credentials;
/* The call_cloud's sign: requests of kubernetes_request only; other requests of a verb set call->api to something else
 * than KUBERNETES_API. */
void kubernetes_sign(struct call *call, const struct credentials_value *value);
#define KUBERNETES_API "kubernetes"

/* parameters.c: spec.kubernetes. */
enum err_class kubernetes_parameters_read(struct kubernetes *self, const struct json *parameters, struct error *err);

/* errors.c */
extern const struct error_rule kubernetes_error_rules[];
extern const size_t kubernetes_error_rule_count;
enum error_hint kubernetes_refusal(struct call *call, struct error *err);
bool kubernetes_repeats_secret(const struct call *call, const char *text); /* The call_cloud's. */

/* request.c. Begins the call's exchange: method, URL of the API server and the path (already escaped), Accept. body
 * NULL: none; else it is sent with that content type. */
void kubernetes_request(struct call *call, const char *method, const char *path);
void kubernetes_request_body(struct call *call, const char *content_type, struct bytes body);
/* The parsed reply, which lives until the exchange is reset; NULL with *err set. */
const struct json *kubernetes_reply(struct call *call, struct error *err);
/* A path segment or a query's value, percent-encoded, in the exchange's arena. */
const char *kubernetes_escape(struct call *call, const char *text);

/* quantity.c. CPU "500m", "2", "1e3" in milli-cores; memory "512Mi", "1G", "128974848" in bytes; rounded up; saturated
 * at INT64_MAX. False: not a quantity, or negative. */
bool kubernetes_quantity_milli(const char *text, int64_t *ret_milli);
bool kubernetes_quantity_bytes(const char *text, int64_t *ret_bytes);
bool kubernetes_quantity(const char *text, double *ret); /* Cores or bytes, not rounded. */

/* list.c, owners.c, usage.c, prices.c, charges.c, limits.c */
void kubernetes_list(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query);
void kubernetes_usage(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query);
void kubernetes_prices(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query);
void kubernetes_charges(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query);
void kubernetes_limits(struct kubernetes *self, struct adapter_call *outer, const struct cloud_query *query);

/* apply.c: scale, bounds, resize (in place and by rollout), tag, delete, snapshot; poll. The initialiser of
 * adapter_ops.verbs says what it takes. */
#define KUBERNETES_VERBS                                                                                               \
    {                                                                                                                  \
        [CLOUD_WORKLOAD] = 1u << CLOUD_SCALE | 1u << CLOUD_SET_BOUNDS | 1u << CLOUD_RESIZE | 1u << CLOUD_START |       \
                           1u << CLOUD_STOP | 1u << CLOUD_TAG,                                                         \
        [CLOUD_VOLUME] = 1u << CLOUD_DELETE | 1u << CLOUD_TAKE_SNAPSHOT | 1u << CLOUD_TAG,                             \
        [CLOUD_SNAPSHOT] = 1u << CLOUD_DELETE | 1u << CLOUD_TAG,                                                       \
    }
void kubernetes_apply(struct kubernetes *self, struct adapter_call *outer, const struct cloud_action *action);
void kubernetes_poll(struct kubernetes *self, struct adapter_call *outer, const char *operation);

#endif
