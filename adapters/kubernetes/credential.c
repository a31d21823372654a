/*
 * Where a cluster's address and credential come from, and kube/auth.h behind the face that common/call.c wants.
 *
 *     Secret        `kubeconfig`: its text, and nothing beyond it
 *     environment   KUBECONFIG: files, exec plugins as kubectl; else the pod's ServiceAccount
 *
 * Invariant: what belongs to this process (its environment's credential) goes only to a server that proves itself by
 * the CA of that same credential, whatever `endpoint` says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/kubernetes/kubernetes_internal.h"
#include "base/mem.h"
#include "base/str.h"

/* ---- open ---- */

static enum err_class config_read(struct kubernetes *self, const struct adapter_config *config, const char *context,
                                  struct error *err) {
    const char *text = config->credential(config->credential_ctx, "kubeconfig");
    if (text != NULL)
        return kube_config_parse(text, strlen(text), "kubeconfig", context, &self->arena, &self->config, err);
    if (!config->is_environment)
        return error_set(err, ERR_PERMANENT, "the Secret has no key \"kubeconfig\"");
    const char *path = config->credential(config->credential_ctx, "KUBECONFIG");
    if (path != NULL && path[0] != '\0')
        return kube_config_load(NULL, context, &self->arena, &self->config, err);
    if (kube_config_in_cluster("", &self->arena, &self->config, err) != ERR_NONE)
        return error_set(err, err->class,
                         "no credential: name a Secret with the key \"kubeconfig\", or set KUBECONFIG, or run in the "
                         "cluster with a ServiceAccount's token");
    if (context != NULL)
        return error_set(err, ERR_PERMANENT, "context: the pod's own ServiceAccount has none");
    return ERR_NONE;
}

static enum err_class server_override(struct kubernetes *self, const struct adapter_config *config, struct error *err) {
    const char *endpoint = config->endpoint;
    bool is_tls = str_has_prefix(endpoint, "https://");
    if (!is_tls && !exchange_url_is_loopback(endpoint))
        return error_set(err, ERR_PERMANENT, "endpoint: plain http is taken for loopback only; use https");
    if (config->is_environment && (!is_tls || self->config.ca_pem == NULL))
        return error_set(
            err, ERR_PERMANENT,
            "endpoint: the controller's own credential goes only to a server that its CA vouches for; name "
            "a Secret with the key \"kubeconfig\"");
    size_t size = strlen(endpoint);
    while (size > 0 && endpoint[size - 1] == '/')
        size--;
    self->config.server = arena_strndup(&self->arena, endpoint, size);
    self->config.unix_socket = NULL;
    return ERR_NONE;
}

enum err_class kubernetes_config_open(struct kubernetes *self, const struct adapter_config *config, struct error *err) {
    const char *context = json_string(json_get(config->parameters, "context"), NULL);
    if (config_read(self, config, context, err) != ERR_NONE)
        return err->class;
    if (config->endpoint != NULL && server_override(self, config, err) != ERR_NONE)
        return err->class;
    const char *token = config->credential(config->credential_ctx, "PROMETHEUS_TOKEN");
    if (token == NULL || self->prometheus_url == NULL)
        return ERR_NONE;
    if (strpbrk(token, "\r\n") != NULL)
        return error_set(err, ERR_PERMANENT, "PROMETHEUS_TOKEN: not one line");
    if (!str_has_prefix(self->prometheus_url, "https://") && !exchange_url_is_loopback(self->prometheus_url))
        return error_set(err, ERR_PERMANENT, "prometheus.url: a token goes over https only");
    self->prometheus_token = arena_strdup(&self->arena, token);
    return ERR_NONE;
}

void kubernetes_credential_open(struct kubernetes *self, const struct adapter_env *env) {
    struct kubernetes_credential *credential = &self->credential;
    credential->auth = kube_auth_new(env->runtime, http_loop(env->http), &self->config);
    credential->is_fixed = self->config.token_file == NULL && self->config.exec == NULL;
    credential->value.generation = 1;
}

/* They lie in our own arena, const only for their readers. */
static void wipe(const char *text) {
    if (text != NULL)
        mem_wipe((char *)(uintptr_t)text, strlen(text));
}

void kubernetes_credential_free(struct kubernetes *self) {
    if (self->credential.auth != NULL)
        kube_auth_free(self->credential.auth);
    wipe(self->config.token);
    wipe(self->config.key_pem);
    wipe(self->prometheus_token);
}

/* ---- the hooks of call.c ---- */

static struct kubernetes_credential *of(struct call_host *host) {
    return &CONTAINER_OF(host, struct kubernetes, host)->credential;
}

static void on_refreshed(void *ctx, const struct error *error) {
    struct call_host *host = ctx;
    struct kubernetes_credential *self = of(host);
    uint64_t spent_ns = runtime_mono_ns(host->runtime) - self->refresh_began_ns;
    struct error failure = *error;
    self->is_refreshing = false;
    if (failure.class == ERR_NONE) {
        self->is_refused = false;
        self->value.generation++;
    } else {
        failure.effect = EFFECT_NONE; /* Of a mutation that waits, nothing has been sent yet. */
        error_wrap(&failure, "credential");
    }
    struct credentials_waiter *waiter = self->waiters;
    self->waiters = NULL;
    while (waiter != NULL) { /* Who asks again from inside joins a new list. */
        struct credentials_waiter *next = waiter->next;
        waiter->is_waiting = false;
        waiter->next = NULL;
        waiter->ready(waiter, failure.class != ERR_NONE ? &failure : NULL, spent_ns);
        waiter = next;
    }
}

static enum err_class acquire(struct call_host *host, struct credentials_waiter *waiter,
                              const struct credentials_value **ret, struct error *err) {
    struct kubernetes_credential *self = of(host);
    (void)err;
    ASSERT(!waiter->is_waiting && self->idle == NULL);
    if (!self->is_refused && kube_auth_is_ready(self->auth)) {
        *ret = &self->value;
        return ERR_NONE;
    }
    waiter->is_waiting = true;
    waiter->next = self->waiters;
    self->waiters = waiter;
    *ret = NULL;
    if (!self->is_refreshing) {
        self->is_refreshing = true;
        self->refresh_began_ns = runtime_mono_ns(host->runtime);
        kube_auth_refresh(self->auth, on_refreshed, host);
    }
    return ERR_NONE;
}

static void forget(struct call_host *host, struct credentials_waiter *waiter) {
    for (struct credentials_waiter **at = &of(host)->waiters; *at != NULL; at = &(*at)->next) {
        if (*at == waiter) {
            *at = waiter->next;
            waiter->next = NULL;
            waiter->is_waiting = false;
            return;
        }
    }
}

static bool expire(struct call_host *host, uint64_t generation) {
    struct kubernetes_credential *self = of(host);
    if (self->is_fixed)
        return false;
    if (self->value.generation == generation)
        self->is_refused = true;
    return true;
}

static void on_auth_closed(void *ctx) {
    struct kubernetes_credential *self = ctx;
    self->idle(self->idle_ctx);
}

static bool close_auth(struct call_host *host, void (*idle)(void *ctx), void *ctx) {
    struct kubernetes_credential *self = of(host);
    self->idle = idle;
    self->idle_ctx = ctx;
    kube_auth_close(self->auth, on_auth_closed, self);
    return false;
}

const struct call_credentials kubernetes_credentials = {
    .acquire = acquire, .forget = forget, .expire = expire, .close = close_auth};

void kubernetes_sign(struct call *call, const struct credentials_value *value) {
    struct kubernetes *self = kubernetes_of(call);
    struct exchange *exchange = &call->exchange;
    (void)value;
    if (!str_eq(call->api, KUBERNETES_API))
        return;
    const char *header = kube_auth_header(self->credential.auth);
    if (header != NULL) {
        ASSERT(str_has_prefix(header, "Authorization: "));
        exchange_header(exchange, "authorization", "%s", header + strlen("Authorization: "));
    }
    if (self->config.impersonate_user != NULL)
        exchange_header(exchange, "impersonate-user", "%s", self->config.impersonate_user);
    for (size_t i = 0; self->config.impersonate_groups != NULL && self->config.impersonate_groups[i] != NULL; i++)
        exchange_header(exchange, "impersonate-group", "%s", self->config.impersonate_groups[i]);
    exchange->request.tls = kube_auth_tls(self->credential.auth);
    exchange->request.unix_socket = self->config.unix_socket;
}
