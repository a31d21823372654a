/*
 * Reading of products. Everything in them is text: "2", "16 GiB", "1,952 GiB", "0.0960000000".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/aws/pricing.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

#define TYPE_SIZE_MAX 64
#define VCPU_MAX 100000.0
#define MEMORY_GIB_MAX 1e6
#define GPU_MAX 10000.0
#define PRICE_MAX 1e6

/* The number at the head of the text, its thousands separated by commas; -1 if there is none in range. */
static double leading_number(const char *text, double max) {
    char digits[32];
    size_t size = 0;
    for (; *text != '\0' && strchr("0123456789.,", *text) != NULL; text++) {
        if (size + 1 == sizeof(digits))
            return -1;
        if (*text != ',')
            digits[size++] = *text;
    }
    digits[size] = '\0';
    double value;
    return str_to_double(digits, &value) && value >= 0 && value <= max ? value : -1;
}

static int64_t read_size(const struct json *attributes, const char *name, const char *unit, double max, double scale) {
    const char *text = json_string(json_get(attributes, name), "");
    double value = leading_number(text, max);
    return value >= 0 && str_has_suffix(text, unit) ? llround(value * scale) : 0;
}

/* processorArchitecture says "64-bit" of both; the processor's name tells. */
static const char *read_architecture(const struct json *attributes) {
    const char *processor = json_string(json_get(attributes, "physicalProcessor"), "");
    if (strstr(processor, "Graviton") != NULL || str_has_prefix(processor, "Apple M"))
        return "arm64";
    const char *architecture = json_string(json_get(attributes, "processorArchitecture"), "");
    if (strcasestr(architecture, "arm") != NULL)
        return "arm64";
    return processor[0] != '\0' || architecture[0] != '\0' ? "amd64" : "";
}

bool aws_pricing_decimal(const char *text, money_micros *ret) {
    double value;
    if (!str_to_double(text, &value) || value <= 0 || value > PRICE_MAX)
        return false;
    *ret = money_from_double(value);
    return *ret > 0;
}

/* terms.OnDemand.<offer>.priceDimensions.<rate>: {"unit": "Hrs", "pricePerUnit": {"USD": "0.096"}} */
static money_micros read_price(const struct json *terms) {
    for (struct json_iter offer = json_iter(json_get(terms, "OnDemand")); json_iter_next(&offer);) {
        const struct json *rates = json_get(offer.value, "priceDimensions");
        for (struct json_iter rate = json_iter(rates); json_iter_next(&rate);) {
            money_micros price;
            const char *unit = json_string(json_get(rate.value, "unit"), "");
            const char *text = json_string(json_at(rate.value, "pricePerUnit.USD"), "");
            if ((strcasecmp(unit, "Hrs") == 0 || strcasecmp(unit, "Hours") == 0) && aws_pricing_decimal(text, &price))
                return price;
        }
    }
    return -1;
}

bool aws_pricing_read(struct bytes text, struct arena *arena, struct cloud_offer *ret) {
    struct json *root;
    struct error ignored;
    if (json_parse_trusted(text, &root, &ignored) != ERR_NONE)
        return false;
    const struct json *attributes = json_at(root, "product.attributes");
    const char *type = json_string(json_get(attributes, "instanceType"), "");
    bool is_product = type[0] != '\0' && strlen(type) <= TYPE_SIZE_MAX;
    if (is_product)
        *ret = (struct cloud_offer){
            .type = arena_strdup(arena, type),
            .vcpu_milli = read_size(attributes, "vcpu", "", VCPU_MAX, 1000),
            .memory_mib = read_size(attributes, "memory", " GiB", MEMORY_GIB_MAX, 1024),
            .gpu = read_size(attributes, "gpu", "", GPU_MAX, 1),
            .architecture = read_architecture(attributes),
            .price_hourly = read_price(json_get(root, "terms")),
            .price_spot_hourly = -1,
            .source = "pricing API",
        };
    json_free(root);
    return is_product;
}
