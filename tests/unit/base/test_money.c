/*
 * Money: text in and out, rounding, saturation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>

#include "base/mem.h"
#include "base/money.h"

Test(base_money, parse) {
    static const struct {
        const char *text;
        bool valid;
        money_micros value;
    } rows[] = {
        {"12000.00", true, INT64_C(12000000000)},
        {"0", true, 0},
        {"-0", true, 0},
        {"0.000001", true, 1},
        {"-0.000001", true, -1},
        {"0.0000010000", true, 1},
        {"0.0000011", false, 0},
        {"0.0000000001", false, 0},
        {"1.5", true, 1500000},
        {"007.1", true, 7100000},
        {"9223372036854.775807", true, INT64_MAX},
        {"9223372036854.775808", false, 0},
        {"-9223372036854.775808", true, INT64_MIN},
        {"-9223372036854.775809", false, 0},
        {"9223372036855", false, 0},
        {"99999999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {".5", false, 0},
        {"5.", false, 0},
        {"+5", false, 0},
        {"1e3", false, 0},
        {"1,000", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.2.3", false, 0},
        {"$1", false, 0},
        {"NaN", false, 0},
        {NULL, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        money_micros value = 77;
        cr_assert_eq(money_parse(rows[i].text, &value), rows[i].valid, "\"%s\"", rows[i].text);
        cr_assert_eq(value, rows[i].valid ? rows[i].value : 77, "\"%s\"", rows[i].text);
    }
}

Test(base_money, format_rounds_half_away_from_zero) {
    static const struct {
        money_micros value;
        int decimals;
        const char *text;
    } rows[] = {
        {-12300000, 2, "-12.30"},
        {0, 0, "0"},
        {0, 2, "0.00"},
        {5000, 2, "0.01"},
        {-5000, 2, "-0.01"},
        {4999, 2, "0.00"},
        {-4999, 2, "0.00"},
        {1, 6, "0.000001"},
        {-1, 6, "-0.000001"},
        {500000, 0, "1"},
        {-500000, 0, "-1"},
        {499999, 0, "0"},
        {999999, 2, "1.00"},
        {1234567, 3, "1.235"},
        {INT64_MAX, 6, "9223372036854.775807"},
        {INT64_MIN, 6, "-9223372036854.775808"},
        {INT64_MIN, 2, "-9223372036854.78"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[MONEY_TEXT_MAX];
        money_format(rows[i].value, rows[i].decimals, text);
        cr_assert_str_eq(text, rows[i].text);
    }
}

Test(base_money, sums_and_products_saturate) {
    cr_assert_eq(money_add(1, -2), -1);
    cr_assert_eq(money_add(INT64_MAX, 1), INT64_MAX);
    cr_assert_eq(money_add(INT64_MIN, -1), INT64_MIN);
    cr_assert_eq(money_add(INT64_MAX, INT64_MIN), -1);
    cr_assert_eq(money_mul(1500000, 3), 4500000);
    cr_assert_eq(money_mul(INT64_MAX, 2), INT64_MAX);
    cr_assert_eq(money_mul(INT64_MAX, -2), INT64_MIN);
    cr_assert_eq(money_mul(INT64_MIN, 2), INT64_MIN);
    cr_assert_eq(money_mul(INT64_MIN, -1), INT64_MAX);
    cr_assert_eq(money_mul(INT64_MIN, 0), 0);
}

Test(base_money, abs_saturates) {
    cr_expect_eq(money_abs(-5), 5);
    cr_expect_eq(money_abs(5), 5);
    cr_expect_eq(money_abs(INT64_MIN), INT64_MAX);
}

Test(base_money, from_double) {
    cr_assert_eq(money_from_double(0.1), 100000);
    cr_assert_eq(money_from_double(-2.0000005), -2000001);
    cr_assert_eq(money_from_double(NAN), 0);
    cr_assert_eq(money_from_double(INFINITY), 0);
    cr_assert_eq(money_from_double(-INFINITY), 0);
    cr_assert_eq(money_from_double(1e300), INT64_MAX);
    cr_assert_eq(money_from_double(-1e300), INT64_MIN);
    cr_assert_eq(money_from_double(1e308), INT64_MAX);
}
