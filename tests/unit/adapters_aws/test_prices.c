/*
 * Prices: products, spot, and the catalogue behind them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "adapters/aws/pricing.h"
#include "adapters/common/catalogue.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "bench.h"

#define CATALOGUE                                                                                                      \
    "provider,region,instance_type,vcpu,memory_gib,price_ondemand_usd_hr,price_spot_usd_hr,arch,gpu_count,source_id,"  \
    "as_of\n"                                                                                                          \
    "aws,us-east-1,m5.large,2,8,0.5,0.25,amd64,0,old,2024-01-01\n"                                                     \
    "aws,us-east-1,old.large,2,4,0.3,0.1,amd64,0,old,2024-01-01\n"                                                     \
    "aws,us-gov-west-1,m5.large,2,8,0.7,,amd64,0,old,2024-01-01\n"
#define PRODUCT(type, attributes, price)                                                                               \
    "\"{\\\"product\\\":{\\\"attributes\\\":{\\\"instanceType\\\":\\\"" type "\\\"" attributes                         \
    "}},\\\"terms\\\":{\\\"OnDemand\\\":{\\\"S.J\\\":{\\\"priceDimensions\\\":{\\\"S.J.6\\\":{\\\"unit\\\":"           \
    "\\\"Hrs\\\",\\\"pricePerUnit\\\":{" price "}}}}}}}\""
#define ATTRIBUTE(name, value) ",\\\"" name "\\\":\\\"" value "\\\""
#define USD(price) "\\\"USD\\\":\\\"" price "\\\""
#define PAGE(products, token) "{\"FormatVersion\":\"aws_v1\",\"PriceList\":[" products "]" token "}"
#define M5 PRODUCT("m5.large", ATTRIBUTE("vcpu", "2") ATTRIBUTE("memory", "8 GiB"), USD("0.0960000000"))
#define G6                                                                                                             \
    PRODUCT("g6.xlarge",                                                                                               \
            ATTRIBUTE("vcpu", "4") ATTRIBUTE("memory", "1,952 GiB") ATTRIBUTE("gpu", "1")                              \
                ATTRIBUTE("physicalProcessor", "AWS Graviton3 Processor"),                                             \
            USD("1.2345678901"))
#define SPOT(items, token)                                                                                             \
    "<DescribeSpotPriceHistoryResponse><spotPriceHistorySet>" items "</spotPriceHistorySet><nextToken>" token          \
    "</nextToken></DescribeSpotPriceHistoryResponse>"
#define SPOT_ITEM                                                                                                      \
    "<item><instanceType>%s</instanceType><productDescription>Linux/UNIX</productDescription>"                         \
    "<spotPrice>%s</spotPrice><timestamp>%s</timestamp><availabilityZone>%s</availabilityZone></item>"
#define DENIED "{\"__type\":\"AccessDeniedException\",\"Message\":\"not authorized to perform: pricing:GetProducts\"}"

static struct bench bench;
static struct catalogue *catalogue;

static void set_up(void) {
    struct error err;
    char path[64];
    int fd = memfd_create("prices", 0);
    cr_assert(write(fd, CATALOGUE, strlen(CATALOGUE)) > 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    cr_assert_eq(catalogue_open(path, &catalogue, &err), ERR_NONE, "%s", err.message);
    close(fd);
    bench_init(&bench);
    bench.catalogue = catalogue;
    bench_open_static(&bench);
}

static void tear_down(void) {
    bench_release(&bench);
    catalogue_free(catalogue);
}

TestSuite(aws_prices, .init = set_up, .fini = tear_down);

static const struct adapter_reply *prices(const char *const *types, size_t count) {
    static struct cloud_query query;
    query = (struct cloud_query){.region = "us-east-1", .types = types, .type_count = count};
    return bench_query(&bench, adapter_aws.prices, &query);
}

static bool asked(size_t index, const char *part) {
    return strstr(script_request(&bench.server, index), part) != NULL;
}

static const struct cloud_offer *offer_of(const struct adapter_reply *reply, const char *type) {
    for (size_t i = 0; i < reply->count; i++) {
        if (str_eq(reply->as.offers[i].type, type))
            return &reply->as.offers[i];
    }
    cr_assert_fail("no offer of %s", type);
    return NULL;
}

/* type, price, zone, and how long ago. */
static void script_spot(const char *const items[][3], const int64_t *ages_s, size_t count, const char *token) {
    struct buf text = {0};
    for (size_t i = 0; i < count; i++) {
        char time[TIME_TEXT_MAX];
        time_format(runtime_wall_ms(&bench.runtime.base) - ages_s[i] * 1000, time);
        buf_printf(&text, SPOT_ITEM, items[i][0], items[i][1], time, items[i][2]);
    }
    char *body = mem_printf(SPOT("%s", "%s"), buf_text(&text), token);
    script_reply(&bench.server, 200, "", body);
    mem_free(body);
    buf_release(&text);
}

Test(aws_prices, a_type_is_asked_by_its_name_and_the_spot_price_is_of_the_cheapest_zone) {
    static const char *const types[] = {"m5.large"};
    static const char *const items[][3] = {{"m5.large", "0.050000", "us-east-1a"},
                                           {"m5.large", "0.010000", "us-east-1a"}, /* Older: not its price any more. */
                                           {"m5.large", "0.040000", "us-east-1b"},
                                           {"c5.large", "0.001000", "us-east-1b"},
                                           {"m5.large", "0.000010", "us-east-1c"}}; /* Out of the history. */
    static const int64_t ages_s[] = {10, 5000, 700, 1, 91 * 86400};
    script_reply(&bench.server, 200, "", PAGE(M5, ""));
    script_spot(items, ages_s, ARRAY_LEN(items), "");
    const struct adapter_reply *reply = prices(types, 1);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 1);
    const struct cloud_offer *offer = reply->as.offers;
    cr_expect_str_eq(offer->region, "us-east-1");
    cr_expect_eq(offer->price_hourly, 96000);
    cr_expect_eq(offer->price_spot_hourly, 40000);
    cr_expect_eq(offer->vcpu_milli, 2000);
    cr_expect_eq(offer->memory_mib, 8192);
    cr_expect_str_eq(offer->source, "pricing API");
    cr_expect_str_eq(offer->architecture, "amd64", "what the API leaves out comes from the catalogue");
    cr_expect(!cloud_offer_is_stale(offer, runtime_wall_ms(&bench.runtime.base)));
    cr_expect(asked(0, "x-amz-target: AWSPriceListService.GetProducts\r\n"));
    cr_expect(asked(0, "/us-east-1/pricing/aws4_request") &&
              asked(0, "\"Field\":\"capacitystatus\",\"Value\":\"Used\""));
    cr_expect(asked(0, "{\"Type\":\"TERM_MATCH\",\"Field\":\"instanceType\",\"Value\":\"m5.large\"}"));
    cr_expect(asked(1, "Action=DescribeSpotPriceHistory") && asked(1, "InstanceType.1=m5.large"));
    cr_expect(asked(1, "ProductDescription.1=Linux%2FUNIX"));
}

Test(aws_prices, a_region_is_read_by_pages_and_completed_by_the_catalogue) {
    script_reply(&bench.server, 200, "", PAGE(M5, ",\"NextToken\":\"t+1\""));
    script_reply(&bench.server, 200, "", PAGE(G6 ",\"{oops\",\"{}\"", ",\"NextToken\":\"\""));
    script_spot(NULL, NULL, 0, "more");
    script_spot((const char *const[][3]){{"g6.xlarge", "0.4", "a"}}, (const int64_t[]){1}, 1, "");
    const struct adapter_reply *reply = prices(NULL, 0);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 3);
    cr_expect(asked(1, "\"NextToken\":\"t+1\"") && !asked(0, "instanceType"));
    const struct cloud_offer *g6 = offer_of(reply, "g6.xlarge");
    cr_expect_eq(g6->price_hourly, 1234568);
    cr_expect_eq(g6->price_spot_hourly, 400000);
    cr_expect_eq(g6->memory_mib, 1952 * 1024);
    cr_expect_eq(g6->gpu, 1);
    cr_expect_str_eq(g6->architecture, "arm64");
    const struct cloud_offer *old = offer_of(reply, "old.large");
    cr_expect_str_eq(old->source, "catalogue old");
    cr_expect_eq(old->price_hourly, 300000);
    cr_expect_eq(old->price_spot_hourly, -1, "EC2 told its spot prices, and this was not among them");
    cr_expect(cloud_offer_is_stale(old, runtime_wall_ms(&bench.runtime.base)));
    for (size_t i = 1; i < reply->count; i++)
        cr_expect(strcmp(reply->as.offers[i - 1].type, reply->as.offers[i].type) < 0);
}

Test(aws_prices, many_types_take_one_walk_through_the_region) {
    const char *types[12];
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        types[i] = i == 5 ? "m5.large" : i == 7 ? "old.large" : "nobody.sells";
    script_reply(&bench.server, 200, "", PAGE(M5 "," G6, ""));
    script_spot(NULL, NULL, 0, "");
    const struct adapter_reply *reply = prices(types, ARRAY_LEN(types));
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_eq(reply->count, 2, "what was not asked for is left out");
    cr_expect_eq(bench.server.request_count, 2);
}

Test(aws_prices, without_the_pricing_api_the_catalogue_says_its_date) {
    static const char *const types[] = {"m5.large", "nobody.sells"};
    static const struct {
        int status;
        const char *body;
    } failures[] = {{400, DENIED},   {500, ""},   {404, "<html>no such page</html>"},
                    {200, "<html>"}, {200, "{}"}, {400, "{\"__type\":\"ThrottlingException\"}"}};
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        script_reply(&bench.server, failures[i].status, "", failures[i].body);
        script_reply(&bench.server, 403, "",
                     "<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error>"
                     "</Errors></Response>");
        const struct adapter_reply *reply = prices(types, ARRAY_LEN(types));
        cr_assert_eq(reply->error.class, ERR_NONE, "%zu: %s", i, reply->error.message);
        cr_assert_eq(reply->count, 1);
        cr_expect_eq(reply->as.offers->price_hourly, 500000);
        cr_expect_eq(reply->as.offers->price_spot_hourly, 250000, "spot was not told: the catalogue's own");
        cr_expect_str_eq(reply->as.offers->source, "catalogue old");
        cr_expect(cloud_offer_is_stale(reply->as.offers, runtime_wall_ms(&bench.runtime.base)));
    }
}

Test(aws_prices, a_page_link_that_repeats_leaves_what_was_read) {
    script_reply(&bench.server, 200, "", PAGE(G6, ",\"NextToken\":\"same\""));
    script_reply(&bench.server, 200, "", PAGE(M5, ",\"NextToken\":\"same\""));
    script_spot(NULL, NULL, 0, "");
    const struct adapter_reply *reply = prices(NULL, 0);
    cr_expect_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_str_eq(offer_of(reply, "g6.xlarge")->source, "pricing API");
    cr_expect_str_eq(offer_of(reply, "old.large")->source, "catalogue old");
}

Test(aws_prices, a_partition_without_the_api_is_not_asked) {
    static const struct cloud_query gov = {.region = "us-gov-west-1"};
    script_spot(NULL, NULL, 0, "");
    const struct adapter_reply *reply = bench_query(&bench, adapter_aws.prices, &gov);
    cr_expect_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_eq(offer_of(reply, "m5.large")->price_hourly, 700000);
    cr_expect_eq(bench.server.request_count, 1);
}

Test(aws_prices, nothing_known_is_an_empty_answer_and_cancelled_is_cancelled) {
    static const char *const types[] = {"nobody.sells"};
    script_reply(&bench.server, 200, "", PAGE("", ""));
    const struct adapter_reply *reply = prices(types, 1);
    cr_expect_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_eq(reply->count, 0);
    script_silence(&bench.server);
    struct adapter_call *call = bench_call(&bench, 0);
    const struct cloud_query query = {.region = "us-east-1"};
    adapter_aws.prices(bench.adapter, call, &query);
    while (bench.server.request_count < 2)
        uv_run(&bench.loop, UV_RUN_ONCE);
    adapter_aws.cancel(bench.adapter, call);
    bench_wait(&bench, 0);
    cr_expect_eq(call->reply.error.class, ERR_CANCELLED);
}

Test(aws_pricing, products_that_are_odd) {
    static const struct {
        const char *text;
        bool is_product;
        money_micros price;
    } rows[] = {
        {"{\"product\":{\"attributes\":{\"instanceType\":\"a\"}}}", true, -1},
        {"{\"product\":{\"attributes\":{\"instanceType\":\"\"}}}", false, 0},
        {"{\"product\":{\"attributes\":{\"instanceType\":7}}}", false, 0},
        {"[]", false, 0},
        {"", false, 0},
        {"{\"product\":{\"attributes\":{\"instanceType\":\"a\",\"memory\":\"NA\",\"vcpu\":\"many\"}},\"terms\":{"
         "\"OnDemand\":{\"x\":{\"priceDimensions\":{\"y\":{\"unit\":\"Hrs\",\"pricePerUnit\":{\"USD\":\"0.0000000000\"}"
         "}"
         "}}}}}",
         true, -1},
        {"{\"product\":{\"attributes\":{\"instanceType\":\"a\"}},\"terms\":{\"OnDemand\":{\"x\":{\"priceDimensions\":{"
         "\"y\":{\"unit\":\"Quantity\",\"pricePerUnit\":{\"USD\":\"500\"}},\"z\":{\"unit\":\"Hrs\",\"pricePerUnit\":{"
         "\"USD\":\"0.0058\"}}}}}}}",
         true, 5800},
        {"{\"product\":{\"attributes\":{\"instanceType\":\"a\"}},\"terms\":{\"OnDemand\":{\"x\":{\"priceDimensions\":{"
         "\"y\":{\"unit\":\"Hrs\",\"pricePerUnit\":{\"CNY\":\"0.5\"}}}}}}}",
         true, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct cloud_offer offer = {0};
        cr_expect_eq(aws_pricing_read(bytes_of(rows[i].text), &arena, &offer), rows[i].is_product, "row %zu", i);
        if (rows[i].is_product) {
            cr_expect_eq(offer.price_hourly, rows[i].price, "row %zu", i);
            cr_expect_eq(offer.vcpu_milli, 0);
            cr_expect_eq(offer.memory_mib, 0);
        }
        arena_release(&arena);
    }
}
