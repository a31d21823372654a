/*
 * Building a request and owning it until its reply has been read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/common/exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

void exchange_reset(struct exchange *exchange) {
    http_request_release(&exchange->request);
    exchange->request = (struct http_request){0};
    json_free(exchange->json);
    exchange->json = NULL;
    arena_clear(&exchange->arena);
    buf_clear(&exchange->url);
    buf_clear(&exchange->body);
    exchange->header_count = 0;
}

static void wipe_buf(struct buf *buf) {
    if (buf->data != NULL)
        mem_wipe(buf->data, buf->size);
    buf_release(buf);
}

void exchange_release(struct exchange *exchange) {
    http_request_release(&exchange->request);
    wipe_buf(&exchange->url);
    wipe_buf(&exchange->body);
    json_free(exchange->json);
    exchange->json = NULL;
    arena_release(&exchange->arena);
    exchange->header_count = 0;
}

void exchange_header(struct exchange *exchange, const char *name, const char *format, ...) {
    ASSERT(exchange->header_count < HTTP_HEADERS_MAX - 1);
    va_list args;
    va_start(args, format);
    const char *value = arena_vprintf(&exchange->arena, format, args);
    va_end(args);
    exchange->headers[exchange->header_count++] = (struct signing_header){name, value};
}

/* The authority of the URL: what stands between "//" and the next "/" or "?". */
static struct bytes authority(const struct exchange *exchange) {
    const char *url = buf_text(&exchange->url);
    const char *start = strstr(url, "://");
    start = start != NULL ? start + 3 : url;
    return (struct bytes){start, strcspn(start, "/?")};
}

struct bytes exchange_url_host(const char *url) {
    const char *start = strstr(url, "://");
    start = start != NULL ? start + 3 : url;
    const char *end = start + strcspn(start, "/?#");
    for (const char *c = start; c < end; c++) {
        if (*c == '@') /* What stands before is a user, whatever it looks like. */
            start = c + 1;
    }
    const char *bracket = *start == '[' ? memchr(start, ']', (size_t)(end - start)) : NULL;
    const char *colon = bracket == NULL ? memchr(start, ':', (size_t)(end - start)) : NULL;
    return (struct bytes){start, (size_t)((bracket != NULL ? bracket + 1 : colon != NULL ? colon : end) - start)};
}

bool exchange_url_is_loopback(const char *url) {
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]"};
    struct bytes host = exchange_url_host(url);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        if (host.size == strlen(hosts[i]) && memcmp(host.data, hosts[i], host.size) == 0)
            return true;
    }
    return false;
}

void exchange_header_host(struct exchange *exchange) {
    struct bytes host = authority(exchange);
    const char *port = str_has_prefix(buf_text(&exchange->url), "https:") ? ":443" : ":80";
    size_t port_size = strlen(port);
    if (host.size > port_size && memcmp(host.data + host.size - port_size, port, port_size) == 0)
        host.size -= port_size;
    exchange_header(exchange, "host", "%.*s", (int)host.size, host.data);
}

void exchange_url_parts(struct exchange *exchange, const char **path, const char **query) {
    struct bytes host = authority(exchange);
    const char *rest = host.data + host.size;
    size_t path_size = strcspn(rest, "?");
    *path = path_size > 0 ? arena_strndup(&exchange->arena, rest, path_size) : "/";
    *query = rest[path_size] == '?' ? arena_strdup(&exchange->arena, rest + path_size + 1) : "";
}

void exchange_send(struct exchange *exchange, struct http *http, void (*done)(struct http_request *request),
                   void *ctx) {
    struct http_request *request = &exchange->request;
    ASSERT(request->method != NULL);
    request->url = buf_text(&exchange->url);
    request->body = buf_bytes(&exchange->body);
    for (size_t i = 0; i < exchange->header_count; i++)
        request->headers[i] =
            arena_printf(&exchange->arena, "%s: %s", exchange->headers[i].name, exchange->headers[i].value);
    request->headers[exchange->header_count] = NULL;
    request->done = done;
    request->ctx = ctx;
    http_send(http, request);
}

const struct json *exchange_reply_object(struct exchange *exchange, struct error *err) {
    const char *type = exchange->request.content_type;
    const struct buf *body = &exchange->request.reply; /* Its data is NULL when it is empty. */
    struct json *root = exchange->json;
    if (root == NULL && json_parse_trusted((struct bytes){buf_text(body), body->size}, &root, err) != ERR_NONE) {
        err->class = ERR_RETRYABLE; /* A proxy's page, or a body that was cut: not what we asked for. */
        if (type[0] != '\0' && strstr(type, "json") == NULL)
            error_wrap(err, "the reply is %s", type);
        return NULL;
    }
    exchange->json = root;
    if (json_type(root) != JSON_OBJECT) {
        error_set(err, ERR_RETRYABLE, "the reply is no object but a %s", json_type_name(json_type(root)));
        return NULL;
    }
    return root;
}

bool exchange_date_parse(const char *text, int64_t *ret_ms) {
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    /* RFC 9110 fixes each place of the form: "Sun, 06 Nov 1994 08:49:37 GMT". time_parse judges the numbers. */
    if (strlen(text) != strlen("Sun, 06 Nov 1994 08:49:37 GMT") || strncmp(text + 3, ", ", 2) != 0 || text[7] != ' ' ||
        text[11] != ' ' || text[16] != ' ' || !str_eq(text + 25, " GMT"))
        return false;
    const char *day = text + 5, *month = text + 8, *year = text + 12, *clock = text + 17;
    char iso[TIME_TEXT_MAX];
    for (unsigned int i = 0; i < ARRAY_LEN(months); i++) {
        if (strncmp(month, months[i], 3) != 0)
            continue;
        snprintf(iso, sizeof(iso), "%.4s-%02u-%.2sT%.8sZ", year, i + 1, day, clock);
        return time_parse(iso, ret_ms);
    }
    return false;
}
