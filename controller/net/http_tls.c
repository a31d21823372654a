/*
 * Trust and identity: owned copies of PEM text, handed to curl by reference for each request. curl compares them by
 * content when it looks for a connection to reuse, so that a rotated certificate gets connections of its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "net/http_internal.h"

struct http_tls *http_tls_new(const struct http_tls_options *options) {
    ASSERT(!options->cert_pem == !options->key_pem);
    struct http_tls *tls = mem_alloc(sizeof(*tls));
    tls->ca_pem = mem_strdup(options->ca_pem);
    tls->cert_pem = mem_strdup(options->cert_pem);
    tls->key_pem = mem_strdup(options->key_pem);
    tls->server_name = mem_strdup(options->server_name);
    return tls;
}

void http_tls_free(struct http_tls *tls) {
    if (!tls) {
        return;
    }
    if (tls->key_pem) {
        mem_wipe(tls->key_pem, strlen(tls->key_pem));
    }
    mem_free(tls->ca_pem);
    mem_free(tls->cert_pem);
    mem_free(tls->key_pem);
    mem_free(tls->server_name);
    mem_free(tls);
}
