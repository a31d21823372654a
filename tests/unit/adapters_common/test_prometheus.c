/*
 * Prometheus' HTTP API: which addresses are taken, what a request looks like, and what a point is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "adapters/common/prometheus.h"

Test(prometheus, an_address_has_a_host_and_nothing_behind_its_path) {
    static const char *const good[] = {"http://a", "https://a:9090", "https://a/prometheus/", "http://[::1]:9090"};
    static const char *const bad[] = {"",         "a:9090",     "ftp://a",        "https://",   "https:///api",
                                      "http://:", "http://a?b", "http://u:p@a:1", "http://a#b", "http://a b"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_expect(prometheus_url_is_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(prometheus_url_is_valid(bad[i]), "%s", bad[i]);
    struct arena arena = {0};
    cr_expect_str_eq(prometheus_url_trim("https://a/b//", &arena), "https://a/b");
    arena_release(&arena);
}

Test(prometheus, a_request_is_a_form) {
    struct exchange exchange = {0};
    prometheus_request(&exchange, "https://a/b",
                       &(const struct prometheus_range){"sum(x{y=\"z\"}) + 1", 300000, 900000, 300000});
    cr_expect_str_eq(buf_text(&exchange.url), "https://a/b/api/v1/query_range");
    cr_expect_str_eq(exchange.request.method, "POST");
    cr_expect_str_eq(buf_text(&exchange.body),
                     "query=sum%28x%7By%3D%22z%22%7D%29%20%2B%201&start=1970-01-01T00%3A05%3A00Z"
                     "&end=1970-01-01T00%3A15%3A00Z&step=300");
    exchange_release(&exchange);
}

/* The point in `text`, or time -1. */
static double point(const char *text, int64_t *ret_time_ms) {
    struct json *root;
    struct error err;
    double value = -99;
    *ret_time_ms = -1;
    cr_assert_eq(json_parse(bytes_of(text), &root, &err), ERR_NONE, "%s", text);
    if (!prometheus_point(root, ret_time_ms, &value))
        cr_expect_eq(value, -99, "%s: nothing is written", text);
    json_free(root);
    return value;
}

Test(prometheus, a_point_is_a_time_and_a_text) {
    int64_t time_ms;
    cr_expect_eq(point("[1700000000.1234, \"0.25\"]", &time_ms), 0.25);
    cr_expect_eq(time_ms, INT64_C(1700000000123));
    cr_expect_eq(point("[0, \"-1e-3\"]", &time_ms), -1e-3);
    cr_expect_eq(time_ms, 0);
    cr_expect(isnan(point("[1, \"NaN\"]", &time_ms)));
    cr_expect_eq(time_ms, 1000);
    cr_expect_eq(point("[1, \"+Inf\"]", &time_ms), (double)INFINITY);
    cr_expect_eq(point("[1, \"-Inf\"]", &time_ms), -(double)INFINITY);
    static const char *const bad[] = {
        "[]", "[1]",       "[1, 2]", "[\"1\", \"2\"]", "[-1, \"2\"]", "[1e300, \"2\"]", "[1, \"x\"]", "[1, \"1e999\"]",
        "7",  "{\"0\": 1}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        point(bad[i], &time_ms);
        cr_expect_eq(time_ms, -1, "%s", bad[i]);
    }
}
