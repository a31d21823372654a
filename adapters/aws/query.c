/*
 * The query protocol: form fields out, XML in; and where a service of a region is found.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/aws/aws_internal.h"
#include "base/mem.h"
#include "base/str.h"

const struct aws_service aws_autoscaling = {"autoscaling", "autoscaling", "2011-01-01"};
const struct aws_service aws_ec2 = {"ec2", "ec2", "2016-11-15"};
const struct aws_service aws_cloudwatch = {"monitoring", "monitoring", "2010-08-01"};
const struct aws_service aws_sts = {"sts", "sts", "2011-06-15"};
const struct aws_service aws_s3 = {"s3", "s3", ""};

/* The partitions: regions with these beginnings live under a domain of their own. */
static const struct {
    const char *region_prefix;
    const char *domain;
} partitions[] = {
    {"cn-", "amazonaws.com.cn"}, {"eusc-", "amazonaws.eu"}, {"us-isob-", "sc2s.sgov.gov"},
    {"us-iso-", "c2s.ic.gov"},   {"", "amazonaws.com"},
};

bool aws_region_is_valid(const char *region) {
    size_t size = strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return size > 0 && size <= 40 && region[size] == '\0';
}

const char *aws_domain(const char *region) {
    size_t i = 0;
    while (!str_has_prefix(region, partitions[i].region_prefix))
        i++;
    return partitions[i].domain;
}

void aws_url_begin(const struct aws *aws, struct exchange *exchange, const struct aws_scope *scope) {
    ASSERT(aws_region_is_valid(scope->region));
    if (aws->endpoint != NULL)
        buf_printf(&exchange->url, "%s/", aws->endpoint);
    else
        buf_printf(&exchange->url, "https://%s.%s.%s/", scope->service->host, scope->region, aws_domain(scope->region));
}

void aws_query_begin(const struct aws *aws, struct exchange *exchange, const struct aws_scope *scope,
                     const char *action) {
    aws_url_begin(aws, exchange, scope);
    exchange->request.method = "POST";
    exchange_header_host(exchange);
    exchange_header(exchange, "content-type", "application/x-www-form-urlencoded; charset=utf-8");
    aws_query_put(exchange, "Action", action);
    aws_query_put(exchange, "Version", scope->service->version);
}

void aws_call_begin(struct call *call, const struct aws_scope *scope, const char *action) {
    call->label = action;
    call->api = scope->service->host;
    call->region = scope->region;
    aws_query_begin(aws_of(call), &call->exchange, scope, action);
}

/* A form's space is a plus, as AWS's own SDKs send it; the signature covers the bytes, whichever they are. */
static void append_form_encoded(struct buf *to, const char *text) {
    size_t from = to->size;
    signing_append_encoded(to, bytes_of(text), " ");
    for (size_t i = from; i < to->size; i++) {
        if (to->data[i] == ' ')
            to->data[i] = '+';
    }
}

void aws_query_put(struct exchange *exchange, const char *name, const char *value) {
    if (exchange->body.size > 0)
        buf_putc(&exchange->body, '&');
    append_form_encoded(&exchange->body, name);
    buf_putc(&exchange->body, '=');
    append_form_encoded(&exchange->body, value);
}

void aws_query_put_int(struct exchange *exchange, const char *name, int64_t value) {
    aws_query_put(exchange, name, arena_printf(&exchange->arena, "%lld", (long long)value));
}

const struct xml_node *aws_query_reply(struct exchange *exchange, const char *action, struct error *err) {
    return aws_query_items(exchange, action, NULL, err);
}

const struct xml_node *aws_query_items(struct exchange *exchange, const char *action, const struct xml_items *items,
                                       struct error *err) {
    const struct xml_node *root;
    if (xml_parse_items(buf_bytes(&exchange->request.reply), &exchange->arena, items, &root, err) != ERR_NONE) {
        if (exchange->request.content_type[0] != '\0' && strstr(exchange->request.content_type, "xml") == NULL)
            error_wrap(err, "the reply is %s", exchange->request.content_type);
        return NULL;
    }
    if (!str_eq(root->name, arena_printf(&exchange->arena, "%sResponse", action))) {
        error_set(err, ERR_RETRYABLE, "the reply is no %sResponse", action);
        return NULL;
    }
    return root;
}
