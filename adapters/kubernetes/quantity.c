/*
 * Kubernetes quantities: a decimal number and a suffix, binary (Ki..Ei), decimal (n u m k M G T P E) or an exponent.
 * Exact in integers as far as they reach; what is finer than the unit asked for is rounded up, as Kubernetes does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "adapters/kubernetes/kubernetes_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define NUMBER_MAX 64

static const struct suffix {
    const char *text;
    int base, exponent; /* base ^ exponent */
} suffixes[] = {
    {"", 10, 0},   {"n", 10, -9}, {"u", 10, -6}, {"m", 10, -3}, {"k", 10, 3},  {"M", 10, 6},
    {"G", 10, 9},  {"T", 10, 12}, {"P", 10, 15}, {"E", 10, 18}, {"Ki", 2, 10}, {"Mi", 2, 20},
    {"Gi", 2, 30}, {"Ti", 2, 40}, {"Pi", 2, 50}, {"Ei", 2, 60},
};

static bool suffix_find(const char *text, int *ret_base, int *ret_exponent) {
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        if (str_eq(suffixes[i].text, text)) {
            *ret_base = suffixes[i].base;
            *ret_exponent = suffixes[i].exponent;
            return true;
        }
    }
    int64_t exponent;
    if ((text[0] != 'e' && text[0] != 'E') || !str_to_int64(text + 1 + (text[1] == '+'), &exponent) || exponent < -18 ||
        exponent > 18)
        return false;
    *ret_base = 10;
    *ret_exponent = (int)exponent;
    return true;
}

/* Number and unit apart, so that each result rounds once. */
struct quantity {
    long double number;
    int base, exponent;
};

static bool parse(const char *text, struct quantity *ret) {
    text += text[0] == '+';
    size_t size = strspn(text, "0123456789.");
    if (size == 0 || size > NUMBER_MAX || !suffix_find(text + size, &ret->base, &ret->exponent))
        return false;
    long double value = 0;
    int decimals = -1; /* -1: before the point. */
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.' && (decimals >= 0 || size == 1))
            return false;
        if (text[i] != '.')
            value = value * 10 + (text[i] - '0');
        if (text[i] == '.' || decimals >= 0)
            decimals++;
    }
    ret->number = decimals > 0 ? value / powl(10.0L, decimals) : value;
    return true;
}

/* In units of 10 ^ -scale, rounded up. Long double holds 64 bits: exact for all integers that int64_t has, and the
 * slack keeps "0.1" from becoming 101 milli. */
static int64_t rounded(const struct quantity *quantity, int scale) {
    long double product = quantity->number * powl((long double)quantity->base, quantity->exponent) * powl(10.0L, scale);
    long double nearest = roundl(product);
    if (fabsl(product - nearest) > product * 1e-15L)
        nearest = ceill(product);
    return nearest >= 9223372036854775807.0L ? INT64_MAX : (int64_t)nearest;
}

bool kubernetes_quantity_milli(const char *text, int64_t *ret_milli) {
    struct quantity quantity;
    if (!parse(text, &quantity))
        return false;
    *ret_milli = rounded(&quantity, 3);
    return true;
}

bool kubernetes_quantity_bytes(const char *text, int64_t *ret_bytes) {
    struct quantity quantity;
    if (!parse(text, &quantity))
        return false;
    *ret_bytes = rounded(&quantity, 0);
    return true;
}

bool kubernetes_quantity(const char *text, double *ret) {
    struct quantity quantity;
    if (!parse(text, &quantity))
        return false;
    *ret = (double)(quantity.number * powl((long double)quantity.base, quantity.exponent));
    return true;
}
