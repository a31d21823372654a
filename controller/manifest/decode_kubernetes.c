/*
 * The `kubernetes` block of a Provider, checked as its CRD does. Its values are read by adapters/kubernetes from the
 * serialised block; nothing is kept here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "manifest/decode_internal.h"

#define NAMESPACES_MAX 256
#define PRICES_MAX 100

static void check_price(struct decoder *d, struct place *at) {
    static const char *const keys[] = {"instanceType", "hourly", NULL};
    decode_object_at(d, at, keys);
    decode_text_borrowed(d, at, "instanceType", &text_glob, true);
    decode_text_borrowed(d, at, "hourly", &text_decimal, true);
}

void decode_kubernetes(struct decoder *d, const struct place *block) {
    static const char *const keys[] = {"context", "namespaces", "prometheus", "nodePrices", NULL};
    static const char *const prometheus_keys[] = {"url", NULL};
    struct place at = *block, list;
    size_t ignored;
    decode_object_at(d, &at, keys);
    decode_text_borrowed(d, &at, "context", &text_context, false);
    decode_texts(d, &at, "namespaces", &text_label, 0, NAMESPACES_MAX, &ignored);
    struct place prometheus = decode_object(d, &at, "prometheus", prometheus_keys);
    if (prometheus.json)
        decode_text_borrowed(d, &prometheus, "url", &text_url, true);
    size_t count = decode_list(d, &at, "nodePrices", 0, PRICES_MAX, &list);
    for (size_t i = 0; i < count; i++) {
        struct place price = place_index(&list, i);
        check_price(d, &price);
    }
}
