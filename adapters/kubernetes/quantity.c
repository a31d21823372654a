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

/* value times base ^ exponent times 10 ^ scale, rounded up. Long double holds 64 bits: exact for all integers that
 * int64_t does, and the slack below keeps 0.1 from becoming 101 milli. */
static int64_t scaled(long double value, int base, int exponent, int scale) {
    long double product = value * powl((long double)base, exponent) * powl(10.0L, scale);
    long double nearest = roundl(product);
    if (fabsl(product - nearest) > product * 1e-15L)
        nearest = ceill(product);
    return nearest >= 9223372036854775807.0L ? INT64_MAX : (int64_t)nearest;
}

static bool parse(const char *text, int scale, int64_t *ret) {
    size_t size = strspn(text, "0123456789.");
    int base, exponent;
    if (text[0] == '+')
        return parse(text + 1, scale, ret);
    if (size == 0 || size > NUMBER_MAX || !suffix_find(text + size, &base, &exponent))
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
    if (decimals > 0)
        value /= powl(10.0L, decimals);
    *ret = scaled(value, base, exponent, scale);
    return true;
}

bool kubernetes_quantity_milli(const char *text, int64_t *ret_milli) {
    return parse(text, 3, ret_milli);
}

bool kubernetes_quantity_bytes(const char *text, int64_t *ret_bytes) {
    return parse(text, 0, ret_bytes);
}
