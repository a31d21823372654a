/*
 * The bill: Cost Explorer's days, and FOCUS exports in S3.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "adapters/aws/charges.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "bench.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define FROM_MS INT64_C(1772323200000) /* 2026-03-01 */

static struct bench bench;
static struct cloud_query query;

static void set_up(void) {
    bench_init(&bench);
    query = (struct cloud_query){
        .region = "us-east-1", .count_max = 100, .from_ms = FROM_MS, .to_ms = FROM_MS + 2 * DAY_MS};
}

static void tear_down(void) {
    bench_release(&bench);
}

TestSuite(aws_charges, .init = set_up, .fini = tear_down);

static const struct adapter_reply *charges(const char *cursor) {
    query.cursor = cursor;
    return bench_query(&bench, adapter_aws.charges, &query);
}

static bool asked(size_t index, const char *part) {
    return strstr(script_request(&bench.server, index), part) != NULL;
}

#define GROUP(service, region, cost)                                                                                   \
    "{\"Keys\":[\"" service "\",\"" region "\"],\"Metrics\":{\"UnblendedCost\":{\"Amount\":\"" cost                    \
    "\",\"Unit\":\"USD\"},\"AmortizedCost\":{\"Amount\":\"0.1000000000\",\"Unit\":\"USD\"}}}"
#define DAY(start, end, groups)                                                                                        \
    "{\"TimePeriod\":{\"Start\":\"" start "\",\"End\":\"" end "\"},\"Total\":{},\"Groups\":[" groups "],"              \
    "\"Estimated\":true}"
#define COSTS(days, token) "{\"ResultsByTime\":[" days "]" token "}"
#define FIRST                                                                                                          \
    DAY("2026-03-01", "2026-03-02", GROUP("AmazonEC2", "eu-west-1", "1.2345678901") "," GROUP("Tax", "NoRegion", "0.5"))

Test(aws_charges, cost_explorer_gives_days_verbatim_over_pages) {
    bench_open_static(&bench);
    script_reply(&bench.server, 200, "", COSTS(FIRST, ",\"NextPageToken\":\"p#2\""));
    script_reply(&bench.server, 200, "",
                 COSTS(DAY("2026-03-02", "2026-03-03", GROUP("AmazonS3", "us-east-1", "-3e-7")), ""));
    const struct adapter_reply *reply = charges(NULL);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 3);
    const struct cloud_charge *rows = reply->as.charges;
    cr_expect_str_eq(rows[0].service_name, "AmazonEC2");
    cr_expect_str_eq(rows[0].region_id, "eu-west-1");
    cr_expect_str_eq(rows[0].billed_cost, "1.2345678901");
    cr_expect_str_eq(rows[0].effective_cost, "0.1000000000");
    cr_expect_str_eq(rows[0].billing_currency, "USD");
    cr_expect_eq(rows[0].charge_period_start_ms, FROM_MS);
    cr_expect_eq(rows[0].charge_period_end_ms, FROM_MS + DAY_MS);
    cr_expect_str_eq(rows[1].region_id, "");
    cr_expect_str_eq(rows[2].billed_cost, "-3e-7");
    cr_expect_str_eq(reply->cursor, "");
    cr_expect(asked(0, "\"TimePeriod\":{\"Start\":\"2026-03-01\",\"End\":\"2026-03-03\"}"));
    cr_expect(asked(0, "x-amz-target: AWSInsightsIndexService.GetCostAndUsage\r\n") && asked(0, "/us-east-1/ce/aws4"));
    cr_expect(asked(1, "\"NextPageToken\":\"p#2\""));
}

Test(aws_charges, a_cursor_of_cost_explorer_goes_on_within_a_page_and_behind_it) {
    bench_open_static(&bench);
    query.count_max = 1;
    for (size_t i = 0; i < 3; i++)
        script_reply(&bench.server, 200, "",
                     i < 2 ? COSTS(FIRST, ",\"NextPageToken\":\"p#2\"")
                           : COSTS(DAY("2026-03-02", "2026-03-03", GROUP("AmazonS3", "us-east-1", "2")), ""));
    char cursor[64] = "";
    static const char *const services[] = {"AmazonEC2", "Tax", "AmazonS3"};
    for (size_t i = 0; i < 3; i++) {
        const struct adapter_reply *reply = charges(cursor);
        cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
        cr_assert_eq(reply->count, 1);
        cr_expect_str_eq(reply->as.charges->service_name, services[i]);
        str_copy(cursor, sizeof(cursor), reply->cursor);
        cr_expect_str_eq(cursor, i == 0 ? "1#" : i == 1 ? "0#p#2" : "");
    }
}

Test(aws_charges, days_beyond_the_range_are_left_out) {
    bench_open_static(&bench);
    query.from_ms = FROM_MS + 3600000;
    query.to_ms = FROM_MS + DAY_MS + 1;
    script_reply(&bench.server, 200, "",
                 COSTS(FIRST "," DAY("2026-03-02", "2026-03-03", GROUP("AmazonS3", "us-east-1", "2")), ""));
    const struct adapter_reply *reply = charges(NULL);
    cr_expect_eq(reply->count, 1);
    cr_expect(asked(0, "\"Start\":\"2026-03-01\",\"End\":\"2026-03-03\""));
}

Test(aws_charges, what_cannot_be_asked_or_read_is_an_error) {
    bench_open_static(&bench);
    cr_expect_eq(charges("rubbish")->error.class, ERR_PERMANENT);
    query.to_ms = query.from_ms;
    cr_expect_eq(charges(NULL)->error.class, ERR_PERMANENT);
    query.to_ms++;
    query.count_max = 0;
    cr_expect_eq(charges(NULL)->error.class, ERR_PERMANENT);
    cr_expect_eq(bench.server.request_count, 0);
    query.count_max = 9;
    static const struct {
        int status;
        const char *body;
        enum err_class class;
    } rows[] = {
        {200, "<html>", ERR_RETRYABLE},
        {200, "{}", ERR_RETRYABLE},
        {200, "{\"ResultsByTime\":[{}]}", ERR_RETRYABLE},
        {400, "{\"__type\":\"com.amazon#DataUnavailableException\",\"message\":\"m\"}", ERR_RETRYABLE},
        {400, "{\"__type\":\"AccessDeniedException\",\"Message\":\"m\"}", ERR_PERMISSION},
        {400, "{\"__type\":\"LimitExceededException\",\"Message\":\"" BENCH_SECRET "\"}", ERR_PERMANENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        script_reply(&bench.server, rows[i].status, "", rows[i].body);
        const struct adapter_reply *reply = charges(NULL);
        cr_expect_eq(reply->error.class, rows[i].class, "row %zu: %s", i, reply->error.message);
        cr_expect(strstr(reply->error.message, BENCH_SECRET) == NULL);
    }
}

/* Exports. */

#define EXPORT "{\"focusExport\":{\"bucket\":\"bills\",\"prefix\":\"/a b/focus\",\"region\":\"eu-west-1\"}}"
#define OBJECT(key, etag, time)                                                                                        \
    "<Contents><Key>" key "</Key><LastModified>2026-03-" time "T00:00:00.000Z</LastModified><ETag>&quot;" etag         \
    "&quot;</ETag><Size>1</Size></Contents>"
#define BUCKET(objects) "<ListBucketResult><IsTruncated>false</IsTruncated>" objects "</ListBucketResult>"
#define BILL "BilledCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,ServiceName\n"
#define LINE(day, service) "1,USD,2026-03-" day "T05:00:00Z,2026-03-" day "T06:00:00Z," service "\n"

static void open_export(void) {
    bench.parameters = EXPORT;
    bench_open_static(&bench);
}

Test(aws_charges, an_export_is_listed_over_pages_and_its_objects_follow_each_other) {
    open_export();
    script_reply(
        &bench.server, 200, "",
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a+/=</NextContinuationToken>" OBJECT(
            "a b/focus/2.csv", "e2", "02") "</ListBucketResult>");
    script_reply(&bench.server, 200, "",
                 BUCKET(OBJECT("a b/focus/1.csv", "e1", "02") OBJECT("a b/focus/x.txt", "", "09")));
    script_reply(&bench.server, 200, "", BILL LINE("01", "One") LINE("09", "Late") LINE("02", "Two"));
    script_reply(&bench.server, 200, "", BILL LINE("02", "Three"));
    const struct adapter_reply *reply = charges(NULL);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 3);
    cr_expect_str_eq(reply->as.charges[0].service_name, "One");
    cr_expect_str_eq(reply->as.charges[1].service_name, "Two");
    cr_expect_str_eq(reply->as.charges[2].service_name, "Three");
    cr_expect_str_eq(reply->cursor, "");
    cr_expect(asked(0, "GET /bills?list-type=2&prefix=a%20b%2Ffocus%2F HTTP/1.1\r\n"));
    cr_expect(asked(0, "/eu-west-1/s3/aws4_request") && asked(0, "x-amz-content-sha256: e3b0c442"));
    cr_expect(asked(1, "&continuation-token=a%2B%2F%3D "));
    cr_expect(asked(2, "GET /bills/a%20b/focus/1.csv HTTP/1.1\r\n") && asked(2, "if-match: \"e1\"\r\n"));
}

Test(aws_charges, a_cursor_holds_the_version_of_the_object) {
    open_export();
    query.count_max = 2;
    char cursor[64] = "";
    const char *listing = BUCKET(OBJECT("a b/focus/1#.csv", "e1", "02"));
    for (size_t i = 0; i < 2; i++) {
        script_reply(&bench.server, 200, "", listing);
        script_reply(&bench.server, 200, "",
                     BILL LINE("01", "One") LINE("09", "Late") LINE("02", "Two") LINE("02", "Three"));
        const struct adapter_reply *reply = charges(cursor);
        cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
        cr_expect_eq(reply->count, i == 0 ? 2 : 1);
        cr_expect_str_eq(reply->as.charges->service_name, i == 0 ? "One" : "Three");
        str_copy(cursor, sizeof(cursor), reply->cursor);
        cr_expect_str_eq(cursor, i == 0 ? "3#\"e1\"#a b/focus/1#.csv" : "");
    }
    static const char *const gone[] = {"3#\"e0\"#a b/focus/1#.csv", "3#\"e1\"#a b/focus/0.csv"};
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        script_reply(&bench.server, 200, "", listing);
        const struct adapter_reply *reply = charges(gone[i]);
        cr_expect_eq(reply->error.class, ERR_CONFLICT, "%s", reply->error.message);
    }
    script_reply(&bench.server, 200, "", listing);
    script_reply(&bench.server, 412, "", "<Error><Code>PreconditionFailed</Code></Error>");
    cr_expect_eq(charges(NULL)->error.class, ERR_CONFLICT);
    cr_expect_eq(charges("1#x")->error.class, ERR_PERMANENT);
}

Test(aws_charges, an_object_that_is_no_bill_names_itself_and_its_row) {
    open_export();
    static const struct {
        const char *body, *message;
    } rows[] = {{BILL LINE("01", "A") "x\n", "GetObject: a b/focus/1.csv: row 3: 1 fields"},
                {"<html>no</html>", "no column BilledCost"},
                {"", "the file is empty"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        script_reply(&bench.server, 200, "", BUCKET(OBJECT("a b/focus/1.csv", "e1", "02")));
        script_reply(&bench.server, 200, "", rows[i].body);
        const struct adapter_reply *reply = charges(NULL);
        cr_expect_eq(reply->error.class, ERR_PERMANENT);
        cr_expect(strstr(reply->error.message, rows[i].message) != NULL, "%s", reply->error.message);
    }
    script_reply(&bench.server, 200, "", BUCKET(OBJECT("a b/focus/1.csv", "e1", "02")));
    script_raw(&bench.server, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" BILL);
    cr_expect_eq(charges(NULL)->error.class, ERR_RETRYABLE, "a body cut in the middle");
    script_reply(&bench.server, 404, "", "<Error><Code>NoSuchBucket</Code><Message>m</Message></Error>");
    cr_expect_eq(charges(NULL)->error.class, ERR_PERMANENT);
}

Test(aws_charges, cancel_and_close_in_the_middle_of_an_object) {
    open_export();
    for (size_t i = 0; i < 2; i++) {
        script_reply(&bench.server, 200, "", BUCKET(OBJECT("a b/focus/1.csv", "e1", "02")));
        script_silence(&bench.server);
        struct adapter_call *call = bench_call(&bench, i);
        adapter_aws.charges(bench.adapter, call, &query);
        while (bench.server.request_count < 2 * (i + 1))
            uv_run(&bench.loop, UV_RUN_ONCE);
    }
    adapter_aws.cancel(bench.adapter, &bench.calls[0].call);
    bench_wait(&bench, 0);
    cr_expect_eq(bench.calls[0].call.reply.error.class, ERR_CANCELLED);
    bench_release(&bench);
    cr_expect_eq(bench.calls[1].call.reply.error.class, ERR_CANCELLED);
    bench_init(&bench);
}

Test(aws_charges, an_export_that_is_misspelt_is_refused_at_open) {
    static const char *const blocks[] = {"{\"focusExport\":{}}", "{\"focusExport\":{\"bucket\":\"a/../b\"}}",
                                         "{\"focusExport\":{\"bucket\":\"bills\",\"region\":\"x.y\"}}"};
    bench_static_keys(&bench);
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        struct error err = {0};
        bench.parameters = blocks[i];
        cr_expect_eq(bench_open(&bench, &err), ERR_PERMANENT, "%s", blocks[i]);
    }
}

/* What of a bucket is the bill. "key@day" in; the keys that are left, joined by blanks. */
static const char *chosen(const char *const *keys, size_t count, struct arena *arena, struct error *err) {
    struct aws_export_object objects[16];
    for (size_t i = 0; i < count; i++) {
        const char *at = strrchr(keys[i], '@');
        int64_t day = 0;
        cr_assert(str_to_int64(at + 1, &day));
        objects[i] = (struct aws_export_object){arena_strndup(arena, keys[i], (size_t)(at - keys[i])), "", day};
    }
    if (aws_export_choose(objects, &count, FROM_MS, FROM_MS + DAY_MS, arena, err) != ERR_NONE)
        return err->message;
    const char *text = "";
    for (size_t i = 0; i < count; i++)
        text = arena_printf(arena, "%s%s%s", text, i > 0 ? " " : "", objects[i].key);
    return text;
}

#define D "x/data/BILLING_PERIOD=2026-03/"
#define M "x/metadata/BILLING_PERIOD=2026-03/"

Test(aws_export, the_newest_complete_export_of_a_period_is_the_bill) {
    static const struct {
        const char *keys[8];
        const char *chosen;
    } rows[] = {
        {{D "b.csv.gz@1", D "a.csv.gz@2", M "x-Manifest.json@3"}, D "a.csv.gz " D "b.csv.gz"},
        {{D "run1/a.csv.gz@1", D "run1/b.csv.gz@5", D "run2/a.csv.gz@4"}, D "run1/a.csv.gz " D "run1/b.csv.gz"},
        {{D "run1/a.csv.gz@1", D "run2/a.csv.gz@4", M "run1/x-Manifest.json@2"}, D "run1/a.csv.gz"},
        {{D "run1/a.csv.gz@1", D "run2/a.csv.gz@4", M "run1/x-Manifest.json@2", M "run2/x-Manifest.json@5"},
         D "run2/a.csv.gz"},
        {{D "r1/a.csv.gz@4", D "r2/a.csv.gz@4"}, D "r2/a.csv.gz"},
        {{D "run1/a.csv.gz@1", M "run2/x-Manifest.json@5"}, D "run1/a.csv.gz"},
        {{"x/data/BILLING_PERIOD=2026-02/a.csv@1", "x/data/BILLING_PERIOD=2026-01/a.csv@1",
          "x/data/BILLING_PERIOD=2026-04/a.csv@1", "x/data/BILLING_PERIOD=2026-06/a.csv@1", D "a.csv@1"},
         "x/data/BILLING_PERIOD=2026-02/a.csv " D "a.csv x/data/BILLING_PERIOD=2026-04/a.csv"},
        {{"x/loose.csv@1", "y/data/billing_period=2026-03/r/a.CSV@1", D "r2/a.csv@9"},
         "x/data/BILLING_PERIOD=2026-03/r2/a.csv x/loose.csv y/data/billing_period=2026-03/r/a.CSV"},
        {{"x/data/BILLING_PERIOD=2026-13/a.csv@1", "x/BILLING_PERIOD=2026-03.csv@1"},
         "x/BILLING_PERIOD=2026-03.csv x/data/BILLING_PERIOD=2026-13/a.csv"},
        {{D "a.snappy.parquet@1"}, "the export is in Parquet, which is not read: choose text/csv with gzip for it"},
        {{D "readme.txt@1"}, "no .csv.gz or .csv object there; a new export takes up to a day to appear"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct error err = {0};
        size_t count = 0;
        while (count < 8 && rows[i].keys[count] != NULL)
            count++;
        cr_expect_str_eq(chosen(rows[i].keys, count, &arena, &err), rows[i].chosen, "row %zu", i);
        arena_release(&arena);
    }
}
