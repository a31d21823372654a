/*
 * Exec plugins as auth.c runs them, and what tests shorten.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_KUBE_AUTH_INTERNAL_H
#define TRIMTAB_KUBE_AUTH_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/error.h"
#include "kube/auth.h"
#include "kube/config.h"

#define KUBE_PLUGIN_OUTPUT_MAX ((size_t)1 << 20)

/* What an ExecCredential holds. Heap; wiped by the release. */
struct kube_credential {
    char *token; /* NULL: none. */
    char *cert_pem, *key_pem;
    int64_t expires_ms; /* 0: no end was named. */
};
void kube_credential_release(struct kube_credential *credential);

struct kube_plugin;

/* Runs once, later, after the child is reaped and its pipes are closed; frees the plugin afterwards. The credential is
 * the callee's when the error's class is NONE, else NULL. */
typedef void kube_plugin_done_fn(void *ctx, struct kube_credential *credential, const struct error *error);

/* config is borrowed until done. The timeout is in real time. */
struct kube_plugin *kube_plugin_start(uv_loop_t *loop, const struct kube_config *config, uint32_t timeout_ms,
                                      kube_plugin_done_fn *done, void *ctx);
/* Kills the child and all of its process group; done follows with ERR_CANCELLED. */
void kube_plugin_cancel(struct kube_plugin *plugin);

/* Pure: the reply of a plugin that was asked with api_version. */
MUST_CHECK enum err_class kube_credential_parse(struct bytes text, const char *api_version, struct kube_credential *ret,
                                                struct error *err);

/* For tests; 60 s otherwise. */
void kube_auth_set_plugin_timeout(struct kube_auth *auth, uint32_t timeout_ms);

#endif
