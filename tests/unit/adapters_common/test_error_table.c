/*
 * Looking up errors: the cloud's rows first, then those of HTTP, then the rest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "adapters/common/error_table.h"
#include "base/mem.h"

static const struct error_rule rules[] = {
    {.code = "Limit*", .message = "RATE", .class = ERR_THROTTLED},
    {.code = "Limit*", .class = ERR_PERMANENT},
    {.code = "Busy", .status = 409, .class = ERR_RETRYABLE},
};

Test(error_table, first_matching_row_wins) {
    static const struct {
        const char *code, *message;
        uint32_t status;
        enum err_class class;
        enum err_effect effect;
    } rows[] = {
        {"LimitX", "Rate exceeded", 400, ERR_THROTTLED, EFFECT_NONE},
        {"LimitX", "too many", 400, ERR_PERMANENT, EFFECT_NONE},
        {"Busy", "", 409, ERR_RETRYABLE, EFFECT_NONE},
        {"Busy", "", 400, ERR_PERMANENT, EFFECT_NONE},
        {"", "", 401, ERR_PERMISSION, EFFECT_NONE},
        {"Odd", "", 403, ERR_PERMISSION, EFFECT_NONE},
        {"", "", 404, ERR_CONFLICT, EFFECT_NONE},
        {"", "", 409, ERR_CONFLICT, EFFECT_NONE},
        {"", "", 429, ERR_THROTTLED, EFFECT_NONE},
        {"", "", 500, ERR_RETRYABLE, EFFECT_UNKNOWN},
        {"", "", 503, ERR_RETRYABLE, EFFECT_UNKNOWN},
        {"", "", 599, ERR_RETRYABLE, EFFECT_UNKNOWN},
        {"", "", 501, ERR_PERMANENT, EFFECT_NONE},
        {"", "", 302, ERR_PERMANENT, EFFECT_NONE},
        {"", "", 418, ERR_PERMANENT, EFFECT_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct error_rule *rule =
            error_table_find(rules, ARRAY_LEN(rules), rows[i].code, rows[i].message, rows[i].status);
        cr_expect_eq(rule->class, rows[i].class, "%s %u", rows[i].code, rows[i].status);
        cr_expect_eq(rule->effect, rows[i].effect, "%s %u", rows[i].code, rows[i].status);
    }
}
