/*
 * Money is an int64 count of micro-units with a currency beside it; never a float. 9.2e12 units are the limit; sums
 * saturate.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_MONEY_H
#define TRIMTAB_BASE_MONEY_H

#include <stdbool.h>
#include <stdint.h>

typedef int64_t money_micros;

#define MONEY_TEXT_MAX 48

/* Decimal string, at most 6 decimals unless the rest is zeros; false otherwise. */
bool money_parse(const char *text, money_micros *ret);
/* Rounded half away from zero to `decimals` (0..6). to must hold MONEY_TEXT_MAX. "-12.30" */
void money_format(money_micros value, int decimals, char *to);
money_micros money_add(money_micros a, money_micros b);    /* Saturates. */
money_micros money_mul(money_micros price, int64_t count); /* Saturates. */
money_micros money_abs(money_micros value);                /* Saturates. */
money_micros money_from_double(double units);              /* Rounded; 0 for what is not finite. */

#endif
