/*
 * Fuzz target: products of the AWS Pricing API. What is taken has a type, sizes that are not negative and a price that
 * is positive or unknown.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/aws/pricing.h"
#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena = {0};
    struct cloud_offer offer;
    if (aws_pricing_read((struct bytes){(const char *)data, size}, &arena, &offer)) {
        ASSERT(offer.type[0] != '\0' && strlen(offer.type) <= 64);
        ASSERT(offer.vcpu_milli >= 0 && offer.memory_mib >= 0 && offer.gpu >= 0);
        ASSERT(offer.price_hourly == -1 || offer.price_hourly > 0);
        ASSERT(offer.price_spot_hourly == -1 && offer.architecture != NULL);
    }
    arena_release(&arena);
    return 0;
}
