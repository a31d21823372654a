/*
 * The look-up, and the rows of HTTP that all clouds share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/common/error_table.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

const struct error_rule error_table_http[] = {
    {.code = "*", .status = 401, .class = ERR_PERMISSION},
    {.code = "*", .status = 403, .class = ERR_PERMISSION},
    {.code = "*", .status = 404, .class = ERR_CONFLICT},
    {.code = "*", .status = 408, .class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN},
    {.code = "*", .status = 409, .class = ERR_CONFLICT},
    {.code = "*", .status = 410, .class = ERR_CONFLICT},
    {.code = "*", .status = 412, .class = ERR_CONFLICT},
    {.code = "*", .status = 429, .class = ERR_THROTTLED},
    {.code = "*", .status = 500, .class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN},
    {.code = "*", .status = 501, .class = ERR_PERMANENT},
    {.code = "*", .status = 502, .class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN},
    /* Some gateway or server declined; whether it had begun is not said. */
    {.code = "*", .status = 503, .class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN},
    {.code = "*", .status = 504, .class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN},
};
const size_t error_table_http_count = ARRAY_LEN(error_table_http);

static const struct error_rule unknown_server_fault = {.code = "*", .class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN};
static const struct error_rule unknown_refusal = {.code = "*", .class = ERR_PERMANENT};

static const struct error_rule *find(const struct error_rule *rules, size_t count, const char *code,
                                     const char *message, uint32_t status) {
    for (size_t i = 0; i < count; i++) {
        const struct error_rule *rule = &rules[i];
        if (rule->status != 0 && rule->status != status)
            continue;
        if (rule->message != NULL && strcasestr(message, rule->message) == NULL)
            continue;
        if (str_glob(rule->code, code))
            return rule;
    }
    return NULL;
}

const struct error_rule *error_table_find(const struct error_rule *rules, size_t count, const char *code,
                                          const char *message, uint32_t status) {
    const struct error_rule *rule = find(rules, count, code, message, status);
    if (rule == NULL)
        rule = find(error_table_http, error_table_http_count, code, message, status);
    if (rule == NULL)
        rule = status >= 500 ? &unknown_server_fault : &unknown_refusal;
    return rule;
}
