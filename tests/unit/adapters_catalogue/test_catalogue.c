/*
 * The price list: what is found in the one that is shipped, and what is refused in others.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "adapters/common/catalogue.h"
#include "base/mem.h"
#include "base/str.h"

#define HEADER "provider,region,zone,instance_type,vcpu,memory_gib,price_ondemand_usd_hr,source_id,as_of\n"
#define SHIPPED "adapters/catalogue/instance_prices.csv.gz"

struct file { /* In memory, with a path. */
    int fd;
    char path[64];
};

static struct file file_of(const void *data, size_t size) {
    struct file file = {.fd = memfd_create("prices", 0)};
    cr_assert(file.fd >= 0 && write(file.fd, data, size) == (ssize_t)size);
    snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
    return file;
}

static struct catalogue *open_path(const char *path) {
    struct catalogue *catalogue = NULL;
    struct error err;
    cr_assert_eq(catalogue_open(path, &catalogue, &err), ERR_NONE, "%s", err.message);
    return catalogue;
}

static struct catalogue *open_text(const char *text) {
    struct file file = file_of(text, strlen(text));
    struct catalogue *catalogue = open_path(file.path);
    close(file.fd); /* The catalogue has its own. */
    return catalogue;
}

Test(catalogue, knows_the_shipped_price_of_a_type) {
    struct catalogue *catalogue = open_path(SHIPPED);
    struct cloud_offer offer;
    cr_assert(catalogue_find(catalogue, "aws", "us-east-1", "m5.xlarge", &offer));
    cr_expect_str_eq(offer.region, "us-east-1");
    cr_expect_str_eq(offer.type, "m5.xlarge");
    cr_expect_eq(offer.vcpu_milli, 4000);
    cr_expect_eq(offer.memory_mib, 16384);
    cr_expect_eq(offer.price_hourly, 192000);
    cr_expect_eq(offer.as_of_ms, INT64_C(1784505600000)); /* 2026-07-20 */
    cr_expect_str_eq(offer.source, "catalogue karpenter-aws+spotinfo");
    catalogue_free(catalogue);
}

Test(catalogue, is_found_above_the_executable) {
    unsetenv("TRIMTAB_DATA_DIR");
    struct catalogue *catalogue = open_path(NULL);
    cr_expect(catalogue_sells(catalogue, "gcp", "us-central1"));
    catalogue_free(catalogue);
}

Test(catalogue, a_data_dir_that_is_named_but_empty_is_an_error) {
    setenv("TRIMTAB_DATA_DIR", "tests/unit", 1);
    struct catalogue *catalogue = NULL;
    struct error err;
    cr_expect_eq(catalogue_open(NULL, &catalogue, &err), ERR_PERMANENT);
    cr_expect(strstr(err.message, "tests/unit/instance_prices.csv.gz"), "%s", err.message);
    cr_expect_null(catalogue);
}

Test(catalogue, regions_of_the_shipped_list_are_sorted_and_hold_only_their_own) {
    struct catalogue *catalogue = open_path(SHIPPED);
    static const struct {
        const char *provider, *region;
        size_t count;
    } rows[] = {{"aws", "us-east-1", 1352}, {"azure", "westeurope", 1334}, {"gcp", "us-west4", 0}};
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        struct arena arena = {0};
        const struct cloud_offer *offers;
        size_t count = catalogue_region(catalogue, rows[r].provider, rows[r].region, &arena, &offers);
        cr_expect(rows[r].count == 0 ? count > 100 : count == rows[r].count, "%s: %zu", rows[r].region, count);
        for (size_t i = 0; i < count; i++) {
            struct cloud_offer found;
            cr_assert_str_eq(offers[i].region, rows[r].region);
            cr_assert(i == 0 || strcmp(offers[i - 1].type, offers[i].type) < 0, "%s", offers[i].type);
            cr_assert(offers[i].price_hourly > 0 || offers[i].price_hourly == -1);
            cr_assert(catalogue_find(catalogue, rows[r].provider, rows[r].region, offers[i].type, &found));
            cr_assert_eq(found.price_hourly, offers[i].price_hourly);
        }
        arena_release(&arena);
    }
    catalogue_free(catalogue);
}

Test(catalogue, what_is_not_there_is_not_found) {
    struct catalogue *catalogue = open_text(HEADER "aws,r1,,a.large,2,4,0.1,s,2026-01-01\n");
    struct cloud_offer offer = {.vcpu_milli = 7};
    struct arena arena = {0};
    const struct cloud_offer *offers;
    cr_expect(!catalogue_find(catalogue, "aws", "r1", "a.larger", &offer));
    cr_expect(!catalogue_find(catalogue, "aws", "r1", "", &offer));
    cr_expect(!catalogue_find(catalogue, "aws", "r2", "a.large", &offer));
    cr_expect(!catalogue_find(catalogue, "gcp", "r1", "a.large", &offer));
    cr_expect(!catalogue_find(catalogue, NULL, NULL, "a.large", &offer));
    cr_expect_eq(offer.vcpu_milli, 7);
    cr_expect_eq(catalogue_region(catalogue, "gcp", "r1", &arena, &offers), 0);
    cr_expect(catalogue_sells(catalogue, "aws", "r1"));
    cr_expect(catalogue_sells(catalogue, "aws", NULL));
    cr_expect(!catalogue_sells(catalogue, "aws", "r2"));
    cr_expect(!catalogue_sells(catalogue, "gcp", NULL));
    arena_release(&arena);
    catalogue_free(catalogue);
}

Test(catalogue, any_region_gives_the_size_but_no_price) {
    struct catalogue *catalogue = open_text(HEADER "aws,r1,,a.large,2,4,0.1,s,2026-01-01\n"
                                                   "gcp,r1,,b.large,9,9,0.9,s,2026-01-01\n"
                                                   "aws,r2,,b.large,4,8,0.2,s,2026-01-01\n"
                                                   "aws,r3,,a.large,2,4,0.3,s,2026-01-01\n");
    struct cloud_offer offer;
    cr_assert(catalogue_find(catalogue, "aws", "", "b.large", &offer));
    cr_expect_eq(offer.vcpu_milli, 4000);
    cr_expect_eq(offer.price_hourly, -1);
    cr_assert(catalogue_find(catalogue, "aws", NULL, "a.large", &offer));
    struct arena arena = {0};
    const struct cloud_offer *offers;
    cr_expect_eq(catalogue_region(catalogue, "aws", NULL, &arena, &offers), 2, "each type once");
    arena_release(&arena);
    catalogue_free(catalogue);
}

Test(catalogue, empty_is_unknown_and_the_first_of_two_rows_counts) {
    struct catalogue *catalogue = open_text(HEADER "aws,r1,,c,,0.5,,,\n"
                                                   "aws,r2,,c,1,1,1,s,2026-01-01\n"
                                                   "aws,r1,,c,2,2,2,s,2026-01-01\n"
                                                   "aws,r1,,a,0.25,1.7,0.0042,s,2026-01-01T12:00:00Z\n");
    struct cloud_offer offer;
    cr_assert(catalogue_find(catalogue, "aws", "r1", "c", &offer));
    cr_expect_eq(offer.vcpu_milli, 0);
    cr_expect_eq(offer.memory_mib, 512);
    cr_expect_eq(offer.price_hourly, -1);
    cr_expect_eq(offer.as_of_ms, 0);
    cr_expect_str_eq(offer.source, "catalogue");
    cr_assert(catalogue_find(catalogue, "aws", "r1", "a", &offer));
    cr_expect_eq(offer.vcpu_milli, 250);
    cr_expect_eq(offer.memory_mib, 1741); /* 1740.8 */
    cr_expect_eq(offer.price_hourly, 4200);
    cr_expect_eq(offer.as_of_ms, INT64_C(1767268800000));
    catalogue_free(catalogue);
}

Test(catalogue, columns_are_found_by_name_and_the_optional_ones_may_be_absent) {
    struct catalogue *catalogue =
        open_text("price_ondemand_usd_hr,\"instance_type\",memory_gib,vcpu,region,provider\r\n"
                  "0.5,\"a,\"\"b\"\"\",8,2,r1,aws\r\n"
                  "\r\n");
    struct cloud_offer offer;
    cr_assert(catalogue_find(catalogue, "aws", "r1", "a,\"b\"", &offer));
    cr_expect_eq(offer.price_hourly, 500000);
    catalogue_free(catalogue);
}

Test(catalogue, architecture_devices_and_spot_come_along) {
    struct catalogue *catalogue = open_text(
        "provider,region,instance_type,vcpu,memory_gib,price_ondemand_usd_hr,arch,gpu_count,price_spot_usd_hr\n"
        "aws,r1,a,2,4,0.1,arm64,,\n"
        "aws,r1,g,8,64,1.2,amd64,4,0.360001\n"
        "aws,r1,z,8,64,1.2,,0,0\n");
    struct cloud_offer offer;
    cr_assert(catalogue_find(catalogue, "aws", "r1", "a", &offer));
    cr_expect_str_eq(offer.architecture, "arm64");
    cr_expect_eq(offer.gpu, 0);
    cr_expect_eq(offer.price_spot_hourly, -1, "empty is unknown, not free");
    cr_assert(catalogue_find(catalogue, "aws", "r1", "g", &offer));
    cr_expect_str_eq(offer.architecture, "amd64");
    cr_expect_eq(offer.gpu, 4);
    cr_expect_eq(offer.price_spot_hourly, 360001);
    cr_assert(catalogue_find(catalogue, "aws", "r1", "z", &offer));
    cr_expect_str_eq(offer.architecture, "");
    cr_assert(catalogue_find(catalogue, "aws", "", "g", &offer));
    cr_expect_eq(offer.price_spot_hourly, -1, "any region has no price");
    cr_expect_eq(offer.gpu, 4);
    catalogue_free(catalogue);
}

Test(catalogue, the_shipped_list_knows_spot_and_devices) {
    struct catalogue *catalogue = open_path(SHIPPED);
    struct cloud_offer offer;
    cr_assert(catalogue_find(catalogue, "aws", "us-east-1", "g4dn.12xlarge", &offer));
    cr_expect_eq(offer.gpu, 4);
    cr_assert(catalogue_find(catalogue, "aws", "us-east-1", "m6g.large", &offer));
    cr_expect_str_eq(offer.architecture, "arm64");
    cr_expect(offer.price_spot_hourly > 0 && offer.price_spot_hourly < offer.price_hourly);
    catalogue_free(catalogue);
}

Test(catalogue, decimals_are_read_as_the_c_library_reads_them) {
    static const char *const texts[] = {"0.1", "0.0042", "123456.789012", "000.5", "7.", ".5", "999999.999999"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char text[512];
        snprintf(text, sizeof(text), HEADER "aws,r1,,a,2,4,%s,s,2026-01-01\n", texts[i]);
        struct catalogue *catalogue = open_text(text);
        struct cloud_offer offer;
        cr_assert(catalogue_find(catalogue, "aws", "r1", "a", &offer));
        cr_expect_eq(offer.price_hourly, money_from_double(strtod(texts[i], NULL)), "%s", texts[i]);
        catalogue_free(catalogue);
    }
}

Test(catalogue, a_row_that_cannot_be_read_is_an_error_with_its_line) {
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "line 1: the file is empty"},
        {"provider,region,instance_type,vcpu,memory_gib\n", "no column price_ondemand_usd_hr"},
        {HEADER "aws,r1,,a,2,4,0.1,s,2026-01-01\naws,r1,,b,two,4,0.1,s,2026-01-01\n", "line 3: vcpu: `two`"},
        {HEADER "aws,r1,,a,2,-4,0.1,s,2026-01-01\n", "line 2: memory_gib: `-4`"},
        {HEADER "aws,r1,,a,2,4,1e9,s,2026-01-01\n", "line 2: price_ondemand_usd_hr: `1e9`"},
        {HEADER "aws,r1,,a,2,4,nan,s,2026-01-01\n", "line 2: price_ondemand_usd_hr: `nan`"},
        {HEADER "aws,r1,,a,2,4,0.1,s,yesterday\n", "line 2: as_of"},
        {HEADER "aws,r1,,a,2,4,0.1,s,2026-13-01\n", "line 2: as_of"},
        {HEADER "aws,r1,,a,2,4,0.1,s\n", "line 2: 8 fields, the header has 9"},
        {HEADER "aws,r1,,a,2,4,0.1,s,2026-01-01,\n", "line 2: 10 fields, the header has 9"},
        {HEADER "aws,,,a,2,4,0.1,s,2026-01-01\n", "line 2: provider, region and instance_type"},
        {HEADER "aws,r1,,,2,4,0.1,s,2026-01-01\n", "line 2: provider, region and instance_type"},
        {HEADER "aws,r1,,a,2,4,.,s,2026-01-01\n", "line 2: price_ondemand_usd_hr: `.`"},
        {HEADER "aws,r1,,a,2,4,1.2.3,s,2026-01-01\n", "line 2: price_ondemand_usd_hr: `1.2.3`"},
        {HEADER "aws,r1,,\"a,2,4,0.1,s,2026-01-01\n", "line 2: a quote is not closed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct file file = file_of(rows[i].text, strlen(rows[i].text));
        struct catalogue *catalogue = NULL;
        struct error err = {0};
        cr_expect_eq(catalogue_open(file.path, &catalogue, &err), ERR_PERMANENT, "row %zu", i);
        cr_expect(strstr(err.message, rows[i].message), "row %zu: %s", i, err.message);
        cr_expect_null(catalogue);
        close(file.fd);
    }
}

Test(catalogue, lines_and_fields_without_end_are_refused) {
    size_t size = strlen(HEADER) + 100000;
    char *text = mem_alloc(size + 1);
    for (int commas = 0; commas < 2; commas++) {
        memset(text, commas ? ',' : 'x', size);
        memcpy(text, HEADER, strlen(HEADER));
        size_t length = commas ? strlen(HEADER) + 200 : size;
        struct file file = file_of(text, length);
        struct catalogue *catalogue = NULL;
        struct error err = {0};
        cr_expect_eq(catalogue_open(file.path, &catalogue, &err), ERR_PERMANENT);
        cr_expect(strstr(err.message, commas ? "line 2: too many fields" : "line 2: too long"), "%s", err.message);
        close(file.fd);
    }
    mem_free(text);
}

Test(catalogue, a_gzip_file_that_ends_early_is_an_error) {
    FILE *shipped = fopen(SHIPPED, "rb");
    static char half[300000];
    cr_assert(shipped && fread(half, 1, sizeof(half), shipped) == sizeof(half));
    fclose(shipped);
    struct file file = file_of(half, sizeof(half));
    struct catalogue *catalogue = NULL;
    struct error err = {0};
    cr_expect_eq(catalogue_open(file.path, &catalogue, &err), ERR_PERMANENT);
    cr_expect(strstr(err.message, "line "), "%s", err.message);
    cr_expect_null(catalogue);
    close(file.fd);
}

Test(catalogue, a_file_that_is_not_there_is_an_error_with_its_path) {
    struct catalogue *catalogue = NULL;
    struct error err = {0};
    cr_expect_eq(catalogue_open("no/such/file.csv", &catalogue, &err), ERR_PERMANENT);
    cr_expect(strstr(err.message, "no/such/file.csv"), "%s", err.message);
}
