/*
 * Money in micro-units: text in and out, saturating sums. No float takes part but in money_from_double.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/money.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"

#define MICROS_PER_UNIT 1000000

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* value * 10 + digit, counted downwards so that INT64_MIN can be read. */
static bool push_digit(int64_t *value, int digit) {
    return !__builtin_mul_overflow(*value, 10, value) && !__builtin_sub_overflow(*value, digit, value);
}

bool money_parse(const char *text, money_micros *ret) {
    if (!text)
        return false;
    bool is_negative = *text == '-';
    text += is_negative;
    if (!is_digit(*text))
        return false;
    int64_t value = 0; /* Minus the magnitude. */
    for (; is_digit(*text); text++) {
        if (!push_digit(&value, *text - '0'))
            return false;
    }
    bool has_point = *text == '.';
    text += has_point;
    if (has_point && !is_digit(*text))
        return false;
    for (int i = 0; i < 6; i++) {
        if (!push_digit(&value, is_digit(*text) ? *text++ - '0' : 0))
            return false;
    }
    while (*text == '0')
        text++;
    if (*text != '\0' || (!is_negative && value == INT64_MIN))
        return false;
    *ret = is_negative ? value : -value;
    return true;
}

void money_format(money_micros value, int decimals, char *to) {
    static const uint64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    ASSERT(decimals >= 0 && decimals <= 6);
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    uint64_t dropped = powers[6 - decimals]; /* Micro-units in one of the last decimal shown. */
    uint64_t shown = magnitude / dropped + (magnitude % dropped * 2 >= dropped && dropped > 1);
    const char *sign = value < 0 && shown > 0 ? "-" : "";
    uint64_t whole = shown / powers[decimals], fraction = shown % powers[decimals];
    if (decimals == 0)
        snprintf(to, MONEY_TEXT_MAX, "%s%" PRIu64, sign, whole);
    else
        snprintf(to, MONEY_TEXT_MAX, "%s%" PRIu64 ".%0*" PRIu64, sign, whole, decimals, fraction);
}

money_micros money_add(money_micros a, money_micros b) {
    money_micros sum;
    if (__builtin_add_overflow(a, b, &sum))
        return a < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

money_micros money_mul(money_micros price, int64_t count) {
    money_micros product;
    if (__builtin_mul_overflow(price, count, &product))
        return (price < 0) != (count < 0) ? INT64_MIN : INT64_MAX;
    return product;
}

money_micros money_abs(money_micros value) {
    return value >= 0 ? value : value == INT64_MIN ? INT64_MAX : -value;
}

money_micros money_from_double(double units) {
    if (!isfinite(units))
        return 0;
    double micros = round(units * MICROS_PER_UNIT);
    if (micros >= 0x1p63)
        return INT64_MAX;
    if (micros < -0x1p63)
        return INT64_MIN;
    return (money_micros)micros;
}
