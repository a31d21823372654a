/*
 * How to reach an API server and as whom: a kubeconfig (certificates, token, token file, exec plugin; any context) or
 * the in-cluster ServiceAccount, or a running local instance's socket. Reading is synchronous and done at start or on
 * reload; tokens that rotate are re-read by kube/auth.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_KUBE_CONFIG_H
#define TRIMTAB_KUBE_CONFIG_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"

#define KUBE_CONFIG_SIZE_MAX FILE_READ_MAX /* Of a kubeconfig, and of each file that it names. */
#define KUBE_IMPERSONATE_GROUPS_MAX 12

struct kube_exec { /* client.authentication.k8s.io/v1 or v1beta1, as EKS, GKE and AKS use. */
    const char *command;
    const char *const *args; /* NULL-ended. */
    const char *const *env;  /* "NAME=value", NULL-ended, added to ours. */
    const char *api_version;
    bool provide_cluster_info;
    const char *install_hint; /* Shown when the command is not there; NULL: none. */
};

struct kube_config {
    const char *server;      /* "https://127.0.0.1:6443", no trailing slash. "http://localhost" with unix_socket. */
    const char *unix_socket; /* A local instance; else NULL. */
    const char *ca_pem;
    const char *cert_pem;
    const char *key_pem;
    const char *server_name;      /* tls-server-name */
    const char *token;            /* Static; with a token_file only what stands until the file could be read. */
    const char *token_file;       /* Re-read when it changes and at least every minute. */
    const struct kube_exec *exec; /* NULL when there is a token: it wins, as with kubectl. */
    const char *namespace;        /* The context's, else "default". */
    const char *context;
    const char *impersonate_user;          /* as of the kubeconfig; NULL: none. */
    const char *const *impersonate_groups; /* as-groups, NULL-ended, at most KUBE_IMPERSONATE_GROUPS_MAX; NULL: none. */
};

/* path NULL: $KUBECONFIG (a list: files are merged as kubectl does), else ~/.kube/config. context NULL:
 * current-context. Results live in the arena. Relative paths are relative to the file. What would be silently weaker or
 * wrong here is refused with a message that says what to do: insecure-skip-tls-verify: true, plain http beyond
 * loopback, proxy-url, user names with passwords, auth-provider. */
MUST_CHECK enum err_class kube_config_load(const char *path, const char *context, struct arena *arena,
                                           struct kube_config *ret, struct error *err);
/* The text of a Secret's `kubeconfig` key. Whoever may write a Secret must not thereby read our files or run a command
 * here, so a file or a plugin that it names is refused: certificates and the token stand in it. origin is its name in
 * messages. */
MUST_CHECK enum err_class kube_config_parse(const char *text, size_t size, const char *origin, const char *context,
                                            struct arena *arena, struct kube_config *ret, struct error *err);
/* KUBERNETES_SERVICE_HOST/PORT and /var/run/secrets/kubernetes.io/serviceaccount (root: a prefix for tests, ""
 * normally). */
MUST_CHECK enum err_class kube_config_in_cluster(const char *root, struct arena *arena, struct kube_config *ret,
                                                 struct error *err);

#endif
