/*
 * Turns a request into the options of a curl handle. Strings stay the caller's wherever curl lets them. TLS is always
 * verified: nothing here can switch it off.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "net/http_internal.h"

#define CONNECT_TIMEOUT_MS 10000L
#define KEEPALIVE_IDLE_S 30L
#define KEEPALIVE_INTERVAL_S 10L
/* Unacknowledged data for so long: the peer is gone. TCP alone would try for a quarter of an hour. */
#define UNACKNOWLEDGED_MS 30000
#define STREAM_BUFFER_SIZE 131072L

static bool has_control(const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool is_method(const char *text) {
    if (!text || !*text) {
        return false;
    }
    for (; *text; text++) {
        if (*text < 'A' || *text > 'Z') {
            return false;
        }
    }
    return true;
}

/* Before anything is queued: what curl would take but must not be sent. A line break in a header would smuggle one. */
enum err_class http_request_check(const struct http_request *request, struct error *err) {
    if (!is_method(request->method)) {
        return error_set(err, ERR_PERMANENT, "unusable method");
    }
    if (!request->url ||
        (strncasecmp(request->url, "https://", 8) != 0 && strncasecmp(request->url, "http://", 7) != 0)) {
        return error_set(err, ERR_PERMANENT, "unusable URL: http:// or https:// is needed");
    }
    for (const char *p = request->url; *p; p++) {
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p == 0x7f) {
            return error_set(err, ERR_PERMANENT, "unusable URL: a blank or control character");
        }
    }
    for (size_t i = 0; i < HTTP_HEADERS_MAX && request->headers[i]; i++) {
        if (!strchr(request->headers[i], ':') || has_control(request->headers[i])) {
            return error_set(err, ERR_PERMANENT, "unusable request header %zu", i);
        }
    }
    return ERR_NONE;
}

static int on_socket_options(void *ctx, curl_socket_t fd, curlsocktype purpose) {
    (void)ctx, (void)purpose;
    int timeout_ms = UNACKNOWLEDGED_MS;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms)); /* Not for UNIX sockets. */
    return CURL_SOCKOPT_OK;
}

static void setup_connection(struct http_transfer *transfer) {
    const struct http_request *request = transfer->request;
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    /* A stream has a connection of its own: libcurl 7.88 can leave data of a multiplexed stream lying until the
     * stream's next frame, which for a watch may be never (seen under load), and a slow reader would hold up all
     * others. */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     request->on_data ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS);
    /* Rather wait to share a connection than open more. Not without TLS: there curl would wait for the first reply. */
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, strncasecmp(request->url, "https:", 6) == 0 ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket_options);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     request->connect_timeout_ms ? (long)request->connect_timeout_ms : CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    if (request->unix_socket) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
}

static struct curl_blob blob_of(char *text) {
    return (struct curl_blob){.data = text, .len = strlen(text), .flags = CURL_BLOB_NOCOPY};
}

/* The name to verify replaces the URL's host, and the connection is steered back to the host. */
static enum err_class setup_server_name(struct http_transfer *transfer, const char *name, struct error *err) {
    const struct http_request *request = transfer->request;
    transfer->url = curl_url();
    ASSERT(transfer->url);
    char *host = NULL, *port = NULL;
    if (curl_url_set(transfer->url, CURLUPART_URL, request->url, 0) != CURLUE_OK ||
        curl_url_get(transfer->url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(transfer->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        curl_url_set(transfer->url, CURLUPART_HOST, name, 0) != CURLUE_OK) {
        curl_free(host);
        curl_free(port);
        return error_set(err, ERR_PERMANENT, "unusable URL or TLS server name");
    }
    char *target = mem_printf("::%s:%s", host, port);
    transfer->host_header = mem_printf("Host: %s:%s", host, port);
    transfer->connect_to = curl_slist_append(NULL, target);
    curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_TO, transfer->connect_to);
    mem_free(target);
    curl_free(host);
    curl_free(port);
    curl_easy_setopt(transfer->easy, CURLOPT_CURLU, transfer->url);
    return ERR_NONE;
}

static enum err_class setup_tls(struct http_transfer *transfer, struct error *err) {
    const struct http_tls *tls = transfer->request->tls;
    CURL *easy = transfer->easy;
    if (tls && tls->ca_pem) {
        struct curl_blob ca = blob_of(tls->ca_pem);
        curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* Else the system's folder would be trusted beside it. */
    }
    if (tls && tls->cert_pem) {
        struct curl_blob cert = blob_of(tls->cert_pem), key = blob_of(tls->key_pem);
        curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &cert);
        curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
    }
    if (tls && tls->server_name) {
        return setup_server_name(transfer, tls->server_name, err);
    }
    curl_easy_setopt(easy, CURLOPT_URL, transfer->request->url);
    return ERR_NONE;
}

static void node_add(struct http_transfer *transfer, size_t *count, const char *text) {
    struct curl_slist *node = &transfer->nodes[*count];
    node->data = (char *)(uintptr_t)text; /* curl only reads it. */
    node->next = NULL;
    if (*count > 0) {
        transfer->nodes[*count - 1].next = node;
    }
    ++*count;
}

static void setup_method(struct http_transfer *transfer) {
    const struct http_request *request = transfer->request;
    CURL *easy = transfer->easy;
    size_t count = 0;
    bool has_content_type = false;
    for (size_t i = 0; i < HTTP_HEADERS_MAX && request->headers[i]; i++) {
        has_content_type |= strncasecmp(request->headers[i], "content-type:", 13) == 0;
        node_add(transfer, &count, request->headers[i]);
    }
    if (transfer->host_header) {
        node_add(transfer, &count, transfer->host_header);
    }
    bool sends_length = request->body.size > 0 || str_eq(request->method, "POST") || str_eq(request->method, "PUT") ||
                        str_eq(request->method, "PATCH");
    if (sends_length) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.size > 0 ? request->body.data : "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
        node_add(transfer, &count, "Expect:"); /* No round trip before a large body. */
        if (!has_content_type) {
            node_add(transfer, &count, "Content-Type:"); /* Not curl's guess. */
        }
    }
    if (str_eq(request->method, "HEAD")) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (!str_eq(request->method, sends_length ? "POST" : "GET")) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    }
    if (count > 0) {
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->nodes);
    }
    curl_easy_setopt(easy, CURLOPT_USERAGENT, transfer->http->user_agent);
}

enum err_class http_transfer_setup(struct http_transfer *transfer, struct error *err) {
    const struct http_request *request = transfer->request;
    CURL *easy = transfer->easy;
    setup_connection(transfer);
    if (setup_tls(transfer, err) != ERR_NONE) {
        return err->class;
    }
    setup_method(transfer);
    if (request->accept_gzip) {
        curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    }
    if (request->on_data) {
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, STREAM_BUFFER_SIZE);
    }
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error_text);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    return ERR_NONE;
}

void http_transfer_reset(struct http_transfer *transfer) {
    curl_easy_reset(transfer->easy); /* Options only: connections, TLS sessions and names found stay known. */
    uv_timer_stop(&transfer->idle_timer);
    curl_slist_free_all(transfer->connect_to);
    transfer->connect_to = NULL;
    curl_url_cleanup(transfer->url);
    transfer->url = NULL;
    mem_free(transfer->host_header);
    transfer->host_header = NULL;
    transfer->request = NULL;
    transfer->engine = NULL;
    transfer->header_size = 0;
    transfer->retry_after[0] = '\0';
    transfer->error_text[0] = '\0';
    transfer->state = TRANSFER_FREE;
    transfer->cancelled = transfer->aborted = transfer->too_large = transfer->head_ended = false;
    transfer->room_missing = transfer->idle_expired = transfer->repeat_refused = false;
}
