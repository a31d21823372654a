/*
 * The JSON 1.1 protocol: a POST of an object to "/", the operation in a header, an object back. Prices, quotas and
 * costs speak it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/aws/aws_internal.h"

void aws_json_begin(const struct aws *aws, struct exchange *exchange, const struct aws_scope *scope,
                    const char *target) {
    aws_url_begin(aws, exchange, scope);
    exchange->request.method = "POST";
    exchange_header_host(exchange);
    exchange_header(exchange, "content-type", "application/x-amz-json-1.1");
    exchange_header(exchange, "x-amz-target", "%s", target);
}

struct json *aws_json_reply(struct exchange *exchange, struct error *err) {
    struct json *root;
    if (json_parse_trusted(buf_bytes(&exchange->request.reply), &root, err) != ERR_NONE) {
        const char *type = exchange->request.content_type;
        /* A proxy's page, or a body cut short: not our request's fault. */
        err->class = ERR_RETRYABLE;
        if (type[0] != '\0' && strstr(type, "json") == NULL)
            error_wrap(err, "the reply is %s", type);
        return NULL;
    }
    if (json_type(root) != JSON_OBJECT) {
        error_set(err, ERR_RETRYABLE, "the reply is no JSON object");
        json_free(root);
        return NULL;
    }
    return root;
}
