/*
 * Fuzz target: FOCUS bills, plain or gzipped, in pieces whose size the first byte chooses. Whatever the pieces, the
 * rows and the outcome are the same; each row has all its texts, and tags in order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/common/focus.h"
#include "base/str.h"

#define ROWS_MAX 5000 /* A gzip bomb may hold millions. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t hash;
    size_t rows;
};

static bool note(void *ctx, const struct cloud_charge *charge) {
    struct seen *seen = ctx;
    const char *const texts[] = {charge->billed_cost, charge->billing_currency, charge->service_name,
                                 charge->resource_id, charge->consumed_unit,    charge->charge_category};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        seen->hash = str_hash_text(seen->hash, texts[i]);
    for (size_t i = 1; i < charge->tag_count; i++)
        ASSERT(strcmp(charge->tags[i - 1].key, charge->tags[i].key) <= 0);
    seen->hash = str_hash(seen->hash, &charge->charge_period_start_ms, sizeof(charge->charge_period_start_ms));
    return ++seen->rows < ROWS_MAX;
}

static enum err_class read_bill(const uint8_t *data, size_t size, size_t piece, struct seen *seen) {
    struct focus_reader reader;
    struct error err = {0};
    enum err_class class = ERR_NONE;
    *seen = (struct seen){STR_HASH_SEED, 0};
    focus_init(&reader, note, seen);
    for (size_t at = 0; !class && at < size; at += piece) {
        size_t now = size - at < piece ? size - at : piece;
        class = focus_feed(&reader, (struct bytes){(const char *)data + at, now}, &err);
    }
    if (!class)
        class = focus_finish(&reader, &err);
    ASSERT(class == ERR_NONE || err.message[0] != '\0');
    focus_release(&reader);
    return class;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct seen whole, pieces;
    enum err_class class = read_bill(data + 1, size - 1, size, &whole);
    ASSERT(read_bill(data + 1, size - 1, (size_t)data[0] + 1, &pieces) == class);
    ASSERT(whole.hash == pieces.hash && whole.rows == pieces.rows);
    return 0;
}
