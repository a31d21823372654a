/*
 * Fuzz target: FOCUS bills, plain or gzipped, in pieces of sizes that the first byte chooses: all of one size, or of
 * random ones. Whatever the pieces, the rows and the outcome are the same, also for a reader that passes over the rows
 * at the head, as a cursor's does; each row has all its texts, and tags in order; no more than a row is in memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/common/focus.h"
#include "base/str.h"

#define ROWS_MAX 5000      /* A gzip bomb may hold millions. */
#define RANDOM_FROM 128    /* A first byte from here on is a seed, below a size. */
#define RANDOM_SIZE_MAX 97 /* A prime, so that pieces fall behind the fields in every way. */
#define SPACE_MAX (4 * CSV_ROW_SIZE_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pieces {
    size_t size;    /* 0: random. */
    uint64_t state; /* Of the random sizes. */
};

struct seen {
    const struct focus_reader *reader;
    uint64_t hash; /* Of the rows from hash_from on. */
    uint64_t rows, hash_from, rows_max;
    enum err_class class;
    char message[sizeof(((struct error *)0)->message)];
};

static size_t next_size(struct pieces *pieces) {
    if (pieces->size > 0)
        return pieces->size;
    pieces->state = pieces->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return 1 + (size_t)(pieces->state >> 33) % RANDOM_SIZE_MAX;
}

static void check_space(const struct focus_reader *reader) {
    ASSERT(reader->csv.text.capacity <= SPACE_MAX && reader->arena.used <= SPACE_MAX);
}

static void note_text(struct seen *seen, const char *text) {
    ASSERT(text != NULL && str_is_utf8(text, strlen(text)));
    seen->hash = str_hash_text(seen->hash, text);
}

static bool note(void *ctx, const struct cloud_charge *charge) {
    struct seen *seen = ctx;
    const char *const texts[] = {charge->billing_account_id, charge->sub_account_id,   charge->service_name,
                                 charge->service_category,   charge->region_id,        charge->resource_id,
                                 charge->resource_type,      charge->sku_id,           charge->charge_category,
                                 charge->charge_description, charge->pricing_category, charge->commitment_discount_id,
                                 charge->billing_currency,   charge->billed_cost,      charge->effective_cost,
                                 charge->list_cost,          charge->contracted_cost,  charge->consumed_quantity,
                                 charge->consumed_unit};
    check_space(seen->reader);
    if (seen->rows == seen->rows_max)
        return false;
    if (seen->rows++ < seen->hash_from)
        return true;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        note_text(seen, texts[i]);
    for (size_t i = 0; i < charge->tag_count; i++) {
        ASSERT(i == 0 || cloud_tag_cmp(&charge->tags[i - 1], &charge->tags[i]) <= 0);
        note_text(seen, charge->tags[i].key);
        note_text(seen, charge->tags[i].value);
    }
    seen->hash = str_hash(seen->hash, &charge->charge_period_start_ms, sizeof(charge->charge_period_start_ms));
    seen->hash = str_hash(seen->hash, &charge->charge_period_end_ms, sizeof(charge->charge_period_end_ms));
    return true;
}

/* hash_from rows are noted without their texts; with skips, the reader itself passes over them. */
static struct seen read_bill(const uint8_t *data, size_t size, struct pieces pieces, uint64_t hash_from, bool skips) {
    struct focus_reader reader;
    struct error err = {0};
    struct seen seen = {.reader = &reader, .hash = STR_HASH_SEED, .hash_from = hash_from, .rows_max = ROWS_MAX};
    focus_init(&reader, note, &seen);
    if (skips) {
        reader.skip_count = hash_from;
        seen.rows = hash_from;
    }
    for (size_t at = 0, now; seen.class == ERR_NONE && at < size; at += now) {
        now = next_size(&pieces);
        now = size - at < now ? size - at : now;
        seen.class = focus_feed(&reader, (struct bytes){(const char *)data + at, now}, &err);
        check_space(&reader);
    }
    if (seen.class == ERR_NONE)
        seen.class = focus_finish(&reader, &err);
    ASSERT(seen.class == ERR_NONE || err.message[0] != '\0');
    ASSERT(seen.class != ERR_NONE || skips || reader.row_count == seen.rows);
    memcpy(seen.message, err.message, sizeof(seen.message));
    focus_release(&reader);
    return seen;
}

static bool is_same(const struct seen *a, const struct seen *b) {
    return a->hash == b->hash && a->rows == b->rows && a->class == b->class && str_eq(a->message, b->message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    struct pieces chosen = {data[0] < RANDOM_FROM ? data[0] + 1u : 0, data[0]};
    const struct pieces one = {.size = size};
    struct seen whole = read_bill(data + 1, size - 1, one, 0, false);
    struct seen pieces = read_bill(data + 1, size - 1, chosen, 0, false);
    ASSERT(is_same(&whole, &pieces));
    if (whole.class != ERR_NONE || whole.rows < 2)
        return 0;
    struct seen rest = read_bill(data + 1, size - 1, one, whole.rows / 2, false);
    struct seen skipped = read_bill(data + 1, size - 1, chosen, whole.rows / 2, true);
    ASSERT(is_same(&rest, &skipped));
    return 0;
}
