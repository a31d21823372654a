/*
 * A product of the Pricing API: a JSON document within the reply's JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_AWS_PRICING_H
#define TRIMTAB_ADAPTERS_AWS_PRICING_H

#include "adapters/cloud.h"
#include "base/arena.h"
#include "base/buf.h"

/* False: it is no product with an instance type. Sizes that it does not tell are 0, a price without USD is -1, so is
 * one of 0: that is the price of what is paid for elsewhere. region and as_of_ms are left to the caller. */
bool aws_pricing_read(struct bytes text, struct arena *arena, struct cloud_offer *ret);
/* "0.0960000000"; rounded to micros. False for anything but a positive decimal. */
bool aws_pricing_decimal(const char *text, money_micros *ret);

#endif
