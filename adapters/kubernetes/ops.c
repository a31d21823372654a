/*
 * The Kubernetes adapter's table, its open and close, and whose cluster it is. What it lists and does is in the other
 * files.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/kubernetes/kubernetes_internal.h"
#include "base/mem.h"
#include "base/str.h"

static void kubernetes_free(struct call_host *host) {
    struct kubernetes *self = CONTAINER_OF(host, struct kubernetes, host);
    kubernetes_credential_free(self);
    arena_release(&self->arena);
    mem_free(self);
}

static const struct call_cloud cloud = {.sign = kubernetes_sign,
                                        .refusal = kubernetes_refusal,
                                        .free = kubernetes_free,
                                        .credentials = &kubernetes_credentials,
                                        .repeats_secret = kubernetes_repeats_secret};

static enum err_class kubernetes_open(struct adapter **ret, const struct adapter_env *env,
                                      const struct adapter_config *config, struct error *err) {
    if (env->http == NULL)
        return error_set(err, ERR_PERMANENT, "kubernetes cannot be used without a network");
    for (size_t i = 0; i < config->region_count; i++) {
        if (!str_eq(config->regions[i], CLOUD_REGION_CLUSTER))
            return error_set(err, ERR_PERMANENT, "a Kubernetes cluster has no regions: remove \"%s\"",
                             config->regions[i]);
    }
    struct kubernetes *self = mem_alloc(sizeof(*self));
    call_host_init(&self->host, &adapter_kubernetes, &cloud, env);
    self->host.gate = config->gate;
    self->catalogue = env->catalogue;
    if (kubernetes_parameters_read(self, config->parameters, err) != ERR_NONE ||
        kubernetes_config_open(self, config, err) != ERR_NONE) {
        kubernetes_free(&self->host);
        return err->class;
    }
    kubernetes_credential_open(self, env);
    *ret = &self->host.adapter;
    return ERR_NONE;
}

static struct kubernetes *from(struct adapter *self) {
    return CONTAINER_OF(self, struct kubernetes, host.adapter);
}

bool kubernetes_id_parse(const char *id, struct arena *arena, struct kubernetes_id *ret) {
    const char *first = strchr(id, '/');
    const char *second = first != NULL ? strchr(first + 1, '/') : NULL;
    if (second == NULL || first == id || second == first + 1 || second[1] == '\0' || strchr(second + 1, '/') != NULL)
        return false;
    *ret = (struct kubernetes_id){.namespace = arena_strndup(arena, id, (size_t)(first - id)),
                                  .kind = arena_strndup(arena, first + 1, (size_t)(second - first - 1)),
                                  .name = arena_strdup(arena, second + 1)};
    return true;
}

bool kubernetes_region_check(struct call *call, const char *region) {
    if (str_eq(region, CLOUD_REGION_CLUSTER))
        return true;
    call_refuse(call, "kubernetes: a cluster has the one region \"" CLOUD_REGION_CLUSTER "\", not \"%s\"", region);
    return false;
}

/* account: nothing names a cluster but the uid of a namespace that all have and that is never made anew. */

static void account_build(struct call *call) {
    call->label = "get namespace kube-system";
    kubernetes_request(call, "GET", "/api/v1/namespaces/kube-system");
}

static enum exchange_next account_read(struct call *call, struct error *err) {
    const struct json *namespace = kubernetes_reply(call, err);
    const char *uid = json_string(json_at(namespace, "metadata.uid"), "");
    if (namespace != NULL && uid[0] == '\0')
        error_set(err, ERR_RETRYABLE, "the reply names no uid");
    call->outer->reply.as.operation = arena_strdup(call->outer->arena, uid);
    return EXCHANGE_DONE;
}

/* Who may not read it still has an address to tell clusters apart by. */
static enum exchange_next account_failed(struct call *call, struct error *err) {
    if (err->http_status == 403) {
        *err = (struct error){0};
        call->outer->reply.as.operation = arena_strdup(call->outer->arena, kubernetes_of(call)->config.server);
    }
    return EXCHANGE_DONE;
}

static const struct call_verb account_verb = {.name = "account",
                                              .priority = GATE_INVENTORY,
                                              .build = account_build,
                                              .read = account_read,
                                              .failed = account_failed};

static void account(struct adapter *self, struct adapter_call *outer) {
    call_start(call_new(&from(self)->host, outer, &account_verb, 0));
}

static void list(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    kubernetes_list(from(self), outer, query);
}

static void prices(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    kubernetes_prices(from(self), outer, query);
}

static void usage(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    kubernetes_usage(from(self), outer, query);
}

static void charges(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    kubernetes_charges(from(self), outer, query);
}

static void limits(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    kubernetes_limits(from(self), outer, query);
}

static void apply(struct adapter *self, struct adapter_call *outer, const struct cloud_action *action) {
    kubernetes_apply(from(self), outer, action);
}

static void poll(struct adapter *self, struct adapter_call *outer, const char *operation) {
    kubernetes_poll(from(self), outer, operation);
}

const struct adapter_ops adapter_kubernetes = {
    .type = "kubernetes",
    .kinds = 1u << CLOUD_WORKLOAD | 1u << CLOUD_NODE | 1u << CLOUD_VOLUME | 1u << CLOUD_SNAPSHOT,
    .verbs = KUBERNETES_VERBS,
    .tokens = 1u << CLOUD_TAKE_SNAPSHOT, /* The name of what is made follows from it. */
    .open = kubernetes_open,
    .close = call_host_close,
    .account = account,
    .list = list,
    .prices = prices,
    .usage = usage,
    .charges = charges,
    .limits = limits,
    .apply = apply,
    .poll = poll,
    .cancel = call_host_cancel,
};
