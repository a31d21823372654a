/*
 * The credential of a client: static token or certificate, a token file that rotates, or an exec plugin. Asked before
 * each request; asynchronous where a child process must run. Secrets stay here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_KUBE_AUTH_H
#define TRIMTAB_KUBE_AUTH_H

#include <uv.h>

#include "base/error.h"
#include "base/runtime.h"
#include "kube/config.h"
#include "net/http.h"

struct kube_auth;

/* config is copied. Nothing is read or run yet. */
struct kube_auth *kube_auth_new(struct runtime *rt, uv_loop_t *loop, const struct kube_config *config);
/* Kills a plugin that runs (its refresh ends with ERR_CANCELLED), then closed. Then kube_auth_free. */
void kube_auth_close(struct kube_auth *auth, void (*closed)(void *ctx), void *ctx);
void kube_auth_free(struct kube_auth *auth);

/* A credential is there and not about to expire: header and tls may be used now. A token file is re-read
 * (synchronously, it is small) when it is older than a minute. False: kube_auth_refresh first. */
bool kube_auth_is_ready(struct kube_auth *auth);
/* "Authorization: Bearer ..."; NULL: by certificate, or none. Valid until the next turn. */
const char *kube_auth_header(const struct kube_auth *auth);
/* CA and client certificate; NULL for plain http. A new object after the certificate changed; the old one lives until
 * kube_auth_free. */
const struct http_tls *kube_auth_tls(const struct kube_auth *auth);

/* Gets a new credential (after a 401, or when not ready): re-reads the file, or runs the plugin (at most one at a time,
 * 60 s, its stderr's end in the error, output at most 1 MiB). done runs once, later; several may wait for one refresh.
 */
typedef void kube_auth_done_fn(void *ctx, const struct error *error); /* class NONE: ready. */
void kube_auth_refresh(struct kube_auth *auth, kube_auth_done_fn *done, void *ctx);

#endif
