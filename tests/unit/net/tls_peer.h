/*
 * Certificates made on the spot, and a TLS server on a thread that answers every request with who it saw:
 * "sni=<name> client=<CN>". One connection at a time, one request each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_NET_TLS_PEER_H
#define TRIMTAB_TESTS_NET_TLS_PEER_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdint.h>

struct tls_cert {
    X509 *x509;
    EVP_PKEY *key;
    char *cert_pem, *key_pem;
};

/* issuer NULL: a self-signed CA. san: "IP:127.0.0.1,DNS:a.example" or NULL. valid_days < 0: expired. */
struct tls_cert tls_cert_make(const char *common_name, const struct tls_cert *issuer, const char *san, int valid_days);
void tls_cert_release(struct tls_cert *cert);

struct tls_peer {
    uint16_t port;
    char url[64];
    int fd;
    pthread_t thread;
    const struct tls_cert *cert, *client_ca;
};

/* client_ca not NULL: a client certificate by it is demanded. */
void tls_peer_start(struct tls_peer *peer, const struct tls_cert *cert, const struct tls_cert *client_ca);
void tls_peer_stop(struct tls_peer *peer);

#endif
