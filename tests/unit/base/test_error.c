/*
 * Error values: cutting at characters, wrapping, aliasing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

Test(base_error, set_fills_every_field_and_returns_the_class) {
    struct error err = {.class = ERR_CONFLICT, .http_status = 409, .code = "Old", .effect = EFFECT_UNKNOWN};
    enum err_class class = error_set(&err, ERR_THROTTLED, "slow %d", 7);
    cr_assert_eq(class, ERR_THROTTLED);
    cr_assert_eq(err.class, ERR_THROTTLED);
    cr_assert_str_eq(err.message, "slow 7");
    cr_assert_str_empty(err.code);
    cr_assert_eq(err.http_status, 0);
    cr_assert_eq(err.effect, EFFECT_NONE);
}

Test(base_error, set_may_quote_the_message_it_replaces) {
    struct error err;
    error_set(&err, ERR_RETRYABLE, "reset");
    error_set(&err, ERR_PERMANENT, "after: %s", err.message);
    cr_assert_str_eq(err.message, "after: reset");
}

Test(base_error, wrap_puts_context_first_and_keeps_the_rest) {
    struct error err;
    error_set(&err, ERR_CAPACITY, "none left");
    err.http_status = 500;
    strcpy(err.code, "InsufficientInstanceCapacity");
    cr_assert_eq(error_wrap(&err, "launch %s", "m5"), ERR_CAPACITY);
    error_wrap(&err, "scale");
    cr_assert_str_eq(err.message, "scale: launch m5: none left");
    cr_assert_str_eq(err.code, "InsufficientInstanceCapacity");
    cr_assert_eq(err.http_status, 500);
}

Test(base_error, a_long_message_is_cut_between_characters) {
    static const char *const characters[] = {"a", "\xc3\xa9", "\xe6\x97\xa5", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < 4; i++) {
        for (size_t shift = 0; shift < 5; shift++) {
            char text[400] = "";
            memset(text, 'x', shift);
            for (size_t at = shift; at + 4 < sizeof(text); at += strlen(characters[i]))
                strcpy(text + at, characters[i]);
            struct error err;
            error_set(&err, ERR_PERMANENT, "%s", text);
            size_t size = strlen(err.message);
            cr_assert(str_is_utf8(err.message, size), "character %zu, shift %zu", i, shift);
            cr_assert_geq(size, sizeof(err.message) - 4);
            error_wrap(&err, "ctx%zu", shift);
            cr_assert(str_is_utf8(err.message, strlen(err.message)), "wrapped: character %zu, shift %zu", i, shift);
            cr_assert(str_has_prefix(err.message, "ctx"));
        }
    }
}

Test(base_error, wrap_with_a_context_that_fills_the_message_keeps_the_context) {
    struct error err;
    char text[500];
    memset(text, 'c', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    error_set(&err, ERR_PERMANENT, "inner");
    error_wrap(&err, "%s", text);
    cr_assert_eq(strlen(err.message), sizeof(err.message) - 1);
}

Test(base_error, every_class_has_a_name_of_its_own) {
    for (int a = 0; a < ERR_CLASS_COUNT; a++) {
        cr_assert_not_null(error_class_name((enum err_class)a));
        for (int b = 0; b < a; b++)
            cr_assert_str_neq(error_class_name((enum err_class)a), error_class_name((enum err_class)b));
    }
    cr_assert_str_eq(error_class_name(ERR_THROTTLED), "Throttled");
}

Test(base_error, a_failed_assertion_aborts, .signal = SIGABRT) {
    ASSERT(1 + 1 == 3);
}
