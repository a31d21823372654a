/*
 * S3's REST: GETs of a bucket or an object. Its signature differs from the other services' in two points, which auth.c
 * sees to: the path is signed as it is sent, and the body's hash is a header.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/aws/aws_internal.h"
#include "base/str.h"

/* A bucket becomes part of a host name. */
bool aws_s3_bucket_is_valid(const char *bucket) {
    size_t size = strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-.");
    return size >= 3 && size <= 63 && bucket[size] == '\0' && bucket[0] != '.' && bucket[0] != '-' &&
           strstr(bucket, "..") == NULL;
}

void aws_s3_begin(const struct aws *aws, struct exchange *exchange, const struct aws_scope *scope, const char *bucket,
                  const char *key) {
    ASSERT(scope->service == &aws_s3);
    /* A name with dots would not match the certificate of *.s3.region.amazonaws.com. */
    bool is_host = aws->endpoint == NULL && bucket[0] != '\0' && strchr(bucket, '.') == NULL;
    if (is_host)
        buf_printf(&exchange->url, "https://%s.s3.%s.%s/", bucket, scope->region, aws_domain(scope->region));
    else
        aws_url_begin(aws, exchange, scope);
    if (!is_host && bucket[0] != '\0') {
        signing_append_encoded(&exchange->url, bytes_of(bucket), "");
        if (key[0] != '\0')
            buf_putc(&exchange->url, '/');
    }
    signing_append_encoded(&exchange->url, bytes_of(key), "/");
    exchange->request.method = "GET";
    exchange_header_host(exchange);
}

void aws_s3_query(struct exchange *exchange, const char *name, const char *value) {
    buf_putc(&exchange->url, strchr(buf_text(&exchange->url), '?') == NULL ? '?' : '&');
    signing_append_encoded(&exchange->url, bytes_of(name), "");
    buf_putc(&exchange->url, '=');
    signing_append_encoded(&exchange->url, bytes_of(value), "");
}

const struct xml_node *aws_s3_reply(struct exchange *exchange, const char *name, struct error *err) {
    const struct xml_node *root;
    if (xml_parse(buf_bytes(&exchange->request.reply), &exchange->arena, &root, err) != ERR_NONE)
        return NULL;
    if (!str_eq(root->name, name)) {
        error_set(err, ERR_RETRYABLE, "the reply is no %s", name);
        return NULL;
    }
    return root;
}
