/*
 * Bills in FOCUS: a real one, its odd forms, and what is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/common/focus.h"
#include "base/mem.h"
#include "base/str.h"

#define REAL "tests/data/bills/focus_1.0_excerpt.csv"
#define HEADER "BilledCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,ServiceName"
#define ROW "1.50,USD,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,Compute"

struct bill {
    struct arena arena;
    struct cloud_charge rows[64];
    size_t count, stop_at;
};

static bool take(void *ctx, const struct cloud_charge *charge) {
    struct bill *bill = ctx;
    if (bill->count == bill->stop_at)
        return false;
    focus_copy(&bill->arena, charge, &bill->rows[bill->count++]);
    return true;
}

static enum err_class read_bytes(struct bill *bill, struct bytes bytes, size_t piece, struct error *err) {
    struct focus_reader reader;
    enum err_class class = ERR_NONE;
    if (bill->stop_at == 0)
        bill->stop_at = ARRAY_LEN(bill->rows);
    focus_init(&reader, take, bill);
    for (size_t at = 0; at < bytes.size && class == ERR_NONE; at += piece) {
        size_t size = bytes.size - at < piece ? bytes.size - at : piece;
        class = focus_feed(&reader, (struct bytes){bytes.data + at, size}, err);
    }
    if (class == ERR_NONE)
        class = focus_finish(&reader, err);
    focus_release(&reader);
    return class;
}

static enum err_class read_text(struct bill *bill, const char *text, struct error *err) {
    return read_bytes(bill, bytes_of(text), 7, err);
}

static struct bytes real_bill(void) {
    static char text[100000];
    FILE *file = fopen(REAL, "rb");
    cr_assert(file);
    size_t size = fread(text, 1, sizeof(text), file);
    fclose(file);
    return (struct bytes){text, size};
}

static size_t gzip(struct bytes text, char *to, size_t to_size) {
    z_stream zip = {0};
    cr_assert_eq(deflateInit2(&zip, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    zip.next_in = (const unsigned char *)text.data;
    zip.avail_in = (uInt)text.size;
    zip.next_out = (unsigned char *)to;
    zip.avail_out = (uInt)to_size;
    cr_assert_eq(deflate(&zip, Z_FINISH), Z_STREAM_END);
    size_t size = to_size - zip.avail_out;
    deflateEnd(&zip);
    return size;
}

static void check_real(const struct bill *bill) {
    cr_assert_eq(bill->count, 51);
    const struct cloud_charge *first = &bill->rows[0];
    cr_expect_str_eq(first->billed_cost, "0.00000080000");
    cr_expect_str_eq(first->consumed_quantity, "2.000000000000000");
    cr_expect_str_eq(first->service_name, "Amazon Simple Queue Service");
    cr_expect_str_eq(first->service_category, "Integration");
    cr_expect_str_eq(first->charge_category, "Usage");
    cr_expect_str_eq(first->billing_currency, "USD");
    cr_expect_str_eq(first->region_id, "us-west-2");
    cr_expect_str_eq(first->commitment_discount_id, "", "NULL is absent");
    cr_expect_str_eq(first->sub_account_id, "51738928782");
    cr_expect_eq(first->charge_period_start_ms, INT64_C(1726696800000)); /* 2024-09-18 22:00:00 */
    cr_expect_eq(first->charge_period_end_ms - first->charge_period_start_ms, 3600000);
    double billed = 0, effective = 0;
    size_t tagged = 0;
    for (size_t i = 0; i < bill->count; i++) {
        billed += strtod(bill->rows[i].billed_cost, NULL);
        effective += strtod(bill->rows[i].effective_cost, NULL);
        tagged += bill->rows[i].tag_count > 0 ? 1 : 0;
    }
    cr_expect(billed > 0.20979488470 - 1e-9 && billed < 0.20979488470 + 1e-9, "%.12f", billed);
    cr_expect(effective > -0.88535373593 - 1e-9 && effective < -0.88535373593 + 1e-9, "%.12f", effective);
    cr_expect(tagged == 36, "%zu", tagged);
}

Test(focus, a_real_bill_adds_up_in_any_pieces) {
    static char packed[100000];
    struct bytes text = real_bill();
    size_t size = gzip(text, packed, sizeof(packed));
    for (size_t piece = 1; piece < 100000; piece *= 19) {
        struct error err = {0};
        struct bill plain = {0}, zipped = {0};
        cr_assert_eq(read_bytes(&plain, text, piece, &err), ERR_NONE, "%s", err.message);
        check_real(&plain);
        cr_assert_eq(read_bytes(&zipped, (struct bytes){packed, size}, piece, &err), ERR_NONE, "%s", err.message);
        check_real(&zipped);
        arena_release(&plain.arena);
        arena_release(&zipped.arena);
    }
}

Test(focus, gzip_of_several_members_is_one_bill) {
    static char packed[4096];
    struct error err = {0};
    struct bill bill = {0};
    size_t size = gzip(bytes_of(HEADER "\n" ROW "\n1.2"), packed, sizeof(packed));
    size += gzip(bytes_of("5,USD,2026-01-01,2026-01-02,Disk\n"), packed + size, sizeof(packed) - size);
    cr_assert_eq(read_bytes(&bill, (struct bytes){packed, size}, 5, &err), ERR_NONE, "%s", err.message);
    cr_assert_eq(bill.count, 2);
    cr_expect_str_eq(bill.rows[1].billed_cost, "1.25");
    struct bill cut = {0};
    cr_expect_eq(read_bytes(&cut, (struct bytes){packed, size - 9}, 5, &err), ERR_RETRYABLE);
    cr_expect(strstr(err.message, "end too early"), "%s", err.message);
    packed[size / 2] ^= 0x55;
    struct bill broken = {0};
    cr_expect_neq(read_bytes(&broken, (struct bytes){packed, size}, 5, &err), ERR_NONE);
    arena_release(&bill.arena);
    arena_release(&cut.arena);
    arena_release(&broken.arena);
}

Test(focus, times_have_many_forms) {
    static const char *const times[] = {"2024-09-18T22:00:00Z",      "2024-09-18 22:00:00",
                                        "2024-09-18 22:00:00 UTC",   "2024-09-18T22:00:00.000Z",
                                        "2024-09-19T00:00:00+02:00", "2024-09-18 22:00:00.0"};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        struct bill bill = {0};
        struct error err = {0};
        char text[512];
        snprintf(text, sizeof(text), HEADER "\n1,USD,%s,2024-09-30,X\n", times[i]);
        cr_assert_eq(read_text(&bill, text, &err), ERR_NONE, "%s: %s", times[i], err.message);
        cr_expect_eq(bill.rows[0].charge_period_start_ms, INT64_C(1726696800000), "%s", times[i]);
        cr_expect_eq(bill.rows[0].charge_period_end_ms, INT64_C(1727654400000));
        arena_release(&bill.arena);
    }
}

Test(focus, tags_are_sorted_and_those_that_are_no_json_are_left_out) {
    struct bill bill = {0};
    struct error err = {0};
    const char *text =
        "Tags," HEADER "\n"
        "\"{\"\"team\"\":\"\"\xe7\xbb\x93\"\",\"\"app\"\":\"\"a,b\"\",\"\"n\"\":1,\"\"no\"\":null}\"," ROW "\n"
        "{}," ROW "\nteam:web," ROW "\n\"[1]\"," ROW "\n," ROW "\n";
    cr_assert_eq(read_text(&bill, text, &err), ERR_NONE, "%s", err.message);
    cr_assert_eq(bill.count, 5);
    cr_assert_eq(bill.rows[0].tag_count, 4);
    cr_expect_str_eq(bill.rows[0].tags[0].key, "app");
    cr_expect_str_eq(bill.rows[0].tags[0].value, "a,b");
    cr_expect_str_eq(bill.rows[0].tags[1].value, "1");
    cr_expect_str_eq(bill.rows[0].tags[2].value, "");
    cr_expect_str_eq(bill.rows[0].tags[3].value, "\xe7\xbb\x93");
    for (size_t i = 1; i < 5; i++)
        cr_expect_eq(bill.rows[i].tag_count, 0, "row %zu", i);
    arena_release(&bill.arena);
}

Test(focus, rows_can_be_passed_over_and_the_last_is_where_one_stops) {
    struct error err = {0};
    struct bill bill = {.stop_at = 1};
    struct focus_reader reader;
    const char *text = HEADER "\nbroken but skipped,,,,\n" ROW "\n" ROW "\n" ROW "\n";
    focus_init(&reader, take, &bill);
    reader.skip_count = 1;
    cr_assert_eq(focus_feed(&reader, bytes_of(text), &err), ERR_NONE, "%s", err.message);
    cr_assert_eq(focus_finish(&reader, &err), ERR_NONE, "%s", err.message);
    cr_expect(reader.is_stopped);
    cr_expect_eq(reader.row_count, 2, "one passed over, one told; the next call begins at the third");
    cr_expect_eq(bill.count, 1);
    focus_release(&reader);
    arena_release(&bill.arena);
}

Test(focus, what_is_no_bill_is_an_error_that_says_where) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "the file is empty"},
        {"lineItem/UnblendedCost,product/region\n1,2\n", "no column BilledCost in the header: this is no FOCUS export"},
        {"PAR1xxxxxxx", "this is Parquet"},
        {"<html>\n", "no column BilledCost"},
        {HEADER "\n" ROW ",x\n", "row 2: 6 fields, the header has 5"},
        {HEADER "\n" ROW "\n,USD,2026-01-01,2026-01-02,X\n", "row 3: BilledCost: \"\" is no amount"},
        {HEADER "\n\"1,5\",USD,2026-01-01,2026-01-02,X\n", "row 2: BilledCost: \"1,5\" is no amount"},
        {HEADER "\ninf,USD,2026-01-01,2026-01-02,X\n", "BilledCost: \"inf\""},
        {HEADER "\n1,USD,yesterday,2026-01-02,X\n", "row 2: ChargePeriodStart: \"yesterday\" is no time"},
        {HEADER "\n1,USD,2026-01-01,,X\n", "row 2: ChargePeriodEnd"},
        {HEADER "\n" ROW "\n1,USD,2026-01-01,2026-01-02,caf\xe9\n", "row 3: ServiceName: this is no UTF-8"},
        {"\x1f\x8bzz\n", "gzip"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bill bill = {0};
        struct error err = {0};
        cr_expect_neq(read_text(&bill, cases[i].text, &err), ERR_NONE, "case %zu", i);
        cr_expect(strstr(err.message, cases[i].message), "case %zu: %s", i, err.message);
        arena_release(&bill.arena);
    }
}
