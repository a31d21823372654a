/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/net/tls_peer.h"

#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

static char *pem_text(BIO *bio) {
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    char *text = mem_strndup(data, (size_t)size);
    BIO_free(bio);
    return text;
}

static void add_extension(X509 *x509, int nid, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    ASSERT(extension);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
}

struct tls_cert tls_cert_make(const char *common_name, const struct tls_cert *issuer, const char *san, int valid_days) {
    static long serial;
    struct tls_cert cert = {.x509 = X509_new(), .key = EVP_EC_gen("P-256")};
    ASSERT(cert.x509 && cert.key);
    X509_set_version(cert.x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert.x509), -7L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(cert.x509), valid_days * 86400L);
    X509_set_pubkey(cert.x509, cert.key);
    X509_NAME *name = X509_get_subject_name(cert.x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(cert.x509, issuer ? X509_get_subject_name(issuer->x509) : name);
    if (!issuer) {
        add_extension(cert.x509, NID_basic_constraints, "critical,CA:TRUE");
        add_extension(cert.x509, NID_key_usage, "critical,keyCertSign");
    }
    if (san)
        add_extension(cert.x509, NID_subject_alt_name, san);
    X509_sign(cert.x509, issuer ? issuer->key : cert.key, EVP_sha256());
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, cert.x509);
    cert.cert_pem = pem_text(bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, cert.key, NULL, NULL, 0, NULL, NULL);
    cert.key_pem = pem_text(bio);
    return cert;
}

void tls_cert_release(struct tls_cert *cert) {
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
    mem_free(cert->cert_pem);
    mem_free(cert->key_pem);
}

static void answer(SSL *ssl) {
    char request[4096] = "", client[128] = "none", body[512], reply[1024];
    size_t size = 0;
    while (!strstr(request, "\r\n\r\n") && size < sizeof(request) - 1) {
        int got = SSL_read(ssl, request + size, (int)(sizeof(request) - 1 - size));
        if (got <= 0)
            return;
        size += (size_t)got;
        request[size] = '\0';
    }
    X509 *x509 = SSL_get1_peer_certificate(ssl);
    if (x509)
        X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, client, sizeof(client));
    X509_free(x509);
    const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), *host = strstr(request, "Host: ");
    (void)snprintf(body, sizeof(body), "sni=%s client=%s host=%.*s", sni ? sni : "none", client,
                   host ? (int)strcspn(host + 6, "\r") : 0, host ? host + 6 : "");
    int length = snprintf(reply, sizeof(reply), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                          strlen(body), body);
    (void)SSL_write(ssl, reply, length);
    SSL_shutdown(ssl);
}

static void *serve(void *ctx) {
    struct tls_peer *peer = ctx;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context, peer->cert->x509);
    SSL_CTX_use_PrivateKey(context, peer->cert->key);
    if (peer->client_ca) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context), peer->client_ca->x509);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        SSL_CTX_set_session_id_context(context, (const unsigned char *)"t", 1);
    }
    for (int fd; (fd = accept(peer->fd, NULL, NULL)) >= 0; close(fd)) {
        SSL *ssl = SSL_new(context);
        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) == 1)
            answer(ssl);
        SSL_free(ssl);
    }
    SSL_CTX_free(context);
    return NULL;
}

void tls_peer_start(struct tls_peer *peer, const struct tls_cert *cert, const struct tls_cert *client_ca) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    *peer = (struct tls_peer){.cert = cert, .client_ca = client_ca};
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(bind(peer->fd, (const struct sockaddr *)&address, size) == 0 && listen(peer->fd, 16) == 0);
    ASSERT(getsockname(peer->fd, (struct sockaddr *)&address, &size) == 0);
    peer->port = ntohs(address.sin_port);
    (void)snprintf(peer->url, sizeof(peer->url), "https://127.0.0.1:%u/", peer->port);
    ASSERT(pthread_create(&peer->thread, NULL, serve, peer) == 0);
}

void tls_peer_stop(struct tls_peer *peer) {
    shutdown(peer->fd, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->fd);
}
