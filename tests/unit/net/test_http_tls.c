/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/net/harness.h"
#include "tests/unit/net/tls_peer.h"

static struct tls_cert ca, other_ca, leaf, client;
static struct tls_peer peer;
static struct probe a;

static void open_all(void) {
    signal(SIGPIPE, SIG_IGN);
    harness_open(NULL);
    ca = tls_cert_make("test CA", NULL, NULL, 2);
    other_ca = tls_cert_make("other CA", NULL, NULL, 2);
    leaf = tls_cert_make("leaf", &ca, "IP:127.0.0.1,DNS:a.example", 2);
    client = tls_cert_make("robot", &ca, NULL, 2);
}

static void close_all(void) {
    harness_close();
    tls_peer_stop(&peer);
    tls_cert_release(&ca);
    tls_cert_release(&other_ca);
    tls_cert_release(&leaf);
    tls_cert_release(&client);
}

TestSuite(http_tls, .init = open_all, .fini = close_all, .timeout = 60);

static void ask(const char *url, const struct http_tls_options *options) {
    struct http_tls *tls = options ? http_tls_new(options) : NULL;
    probe_init(&a);
    a.request.url = url;
    a.request.tls = tls;
    probe_run(&a);
    http_tls_free(tls);
}

static void expect_distrust(void) {
    cr_assert_eq(a.request.error.class, ERR_PERMANENT, "class %d status %u: %s", (int)a.request.error.class,
                 a.request.status, a.request.error.message);
    cr_assert_eq(a.request.error.effect, EFFECT_NONE);
    cr_assert_eq(a.request.status, 0);
    probe_release(&a);
}

static void expect_body(const char *wanted) {
    cr_assert_eq(a.request.status, 200, "%s", a.request.error.message);
    cr_assert(strstr(buf_text(&a.request.reply), wanted), "%s", buf_text(&a.request.reply));
    probe_release(&a);
}

Test(http_tls, a_server_by_the_given_ca_is_believed) {
    tls_peer_start(&peer, &leaf, NULL);
    ask(peer.url, &(struct http_tls_options){.ca_pem = ca.cert_pem});
    expect_body("client=none");
}

Test(http_tls, the_right_ca_among_several_is_found) {
    tls_peer_start(&peer, &leaf, NULL);
    char *bundle = mem_printf("%s%s", other_ca.cert_pem, ca.cert_pem);
    ask(peer.url, &(struct http_tls_options){.ca_pem = bundle});
    expect_body("sni=");
    mem_free(bundle);
}

Test(http_tls, an_unknown_ca_is_refused) {
    tls_peer_start(&peer, &leaf, NULL);
    ask(peer.url, &(struct http_tls_options){.ca_pem = other_ca.cert_pem});
    expect_distrust();
    ask(peer.url, NULL); /* The system's does not know it either. */
    expect_distrust();
}

Test(http_tls, trust_is_not_taken_over_from_another_requests_connection) {
    tls_peer_start(&peer, &leaf, NULL);
    ask(peer.url, &(struct http_tls_options){.ca_pem = ca.cert_pem});
    expect_body("sni=");
    ask(peer.url, &(struct http_tls_options){.ca_pem = other_ca.cert_pem});
    expect_distrust();
}

Test(http_tls, a_certificate_for_another_name_is_refused) {
    struct tls_cert wrong = tls_cert_make("wrong", &ca, "IP:127.0.0.9,DNS:b.example", 2);
    tls_peer_start(&peer, &wrong, NULL);
    ask(peer.url, &(struct http_tls_options){.ca_pem = ca.cert_pem});
    expect_distrust();
    tls_cert_release(&wrong);
}

Test(http_tls, an_expired_certificate_is_refused) {
    struct tls_cert expired = tls_cert_make("old", &ca, "IP:127.0.0.1", -1);
    tls_peer_start(&peer, &expired, NULL);
    ask(peer.url, &(struct http_tls_options){.ca_pem = ca.cert_pem});
    expect_distrust();
    tls_cert_release(&expired);
}

Test(http_tls, an_unusable_bundle_or_key_is_refused) {
    tls_peer_start(&peer, &leaf, NULL);
    ask(peer.url, &(struct http_tls_options){.ca_pem = "no PEM at all"});
    expect_distrust();
    ask(peer.url,
        &(struct http_tls_options){.ca_pem = ca.cert_pem, .cert_pem = client.cert_pem, .key_pem = leaf.key_pem});
    expect_distrust();
}

Test(http_tls, the_server_name_replaces_the_host_for_verification_and_sni_only) {
    tls_peer_start(&peer, &leaf, NULL);
    ask(peer.url, &(struct http_tls_options){.ca_pem = ca.cert_pem, .server_name = "a.example"});
    char wanted[96];
    (void)snprintf(wanted, sizeof(wanted), "sni=a.example client=none host=127.0.0.1:%u", peer.port);
    expect_body(wanted);
    ask(peer.url, &(struct http_tls_options){.ca_pem = ca.cert_pem, .server_name = "b.example"});
    expect_distrust();
}

Test(http_tls, the_client_certificate_is_presented_and_a_rotated_one_too) {
    tls_peer_start(&peer, &leaf, &ca);
    ask(peer.url,
        &(struct http_tls_options){.ca_pem = ca.cert_pem, .cert_pem = client.cert_pem, .key_pem = client.key_pem});
    expect_body("client=robot");
    struct tls_cert next = tls_cert_make("robot-2", &ca, NULL, 2);
    ask(peer.url,
        &(struct http_tls_options){.ca_pem = ca.cert_pem, .cert_pem = next.cert_pem, .key_pem = next.key_pem});
    expect_body("client=robot-2");
    tls_cert_release(&next);
}
