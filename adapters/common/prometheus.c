/*
 * See prometheus.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/common/prometheus.h"

#include <math.h>
#include <string.h>

#include "base/str.h"
#include "base/timefmt.h"

#define TIME_MAX_S 253402300799.0 /* The end of year 9999. */

bool prometheus_url_is_valid(const char *url) {
    bool is_http = str_has_prefix(url, "http://") || str_has_prefix(url, "https://");
    return is_http && strpbrk(url, "?#@ \t\r\n") == NULL && exchange_url_host(url).size > 0;
}

const char *prometheus_url_trim(const char *url, struct arena *arena) {
    size_t size = strlen(url);
    while (size > 0 && url[size - 1] == '/')
        size--;
    return arena_strndup(arena, url, size);
}

static void put_field(struct exchange *exchange, const char *name, const char *value) {
    if (exchange->body.size > 0)
        buf_putc(&exchange->body, '&');
    buf_printf(&exchange->body, "%s=", name);
    signing_append_encoded(&exchange->body, bytes_of(value), "");
}

/* By POST: a query may be longer than what servers take in a URL. */
void prometheus_request(struct exchange *exchange, const char *url, const struct prometheus_range *range) {
    char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX];
    time_format(range->from_ms, from);
    time_format(range->to_ms, to);
    exchange->request.method = "POST";
    buf_printf(&exchange->url, "%s/api/v1/query_range", url);
    exchange_header(exchange, "accept", "application/json");
    exchange_header(exchange, "content-type", "application/x-www-form-urlencoded");
    put_field(exchange, "query", range->query);
    put_field(exchange, "start", from);
    put_field(exchange, "end", to);
    put_field(exchange, "step", arena_printf(&exchange->arena, "%lld", (long long)(range->step_ms / 1000)));
}

const struct json *prometheus_series(const struct json *reply, struct error *err) {
    const struct json *result = json_at(reply, "data.result");
    if (str_eq(json_string(json_get(reply, "status"), ""), "success") && json_type(result) == JSON_ARRAY)
        return result;
    error_set(err, ERR_RETRYABLE, "the reply is no result of Prometheus");
    return NULL;
}

bool prometheus_point(const struct json *pair, int64_t *ret_time_ms, double *ret_value) {
    double time = json_double(json_array_at(pair, 0), -1);
    const char *text = json_string(json_array_at(pair, 1), "");
    if (!(time >= 0 && time <= TIME_MAX_S))
        return false;
    if (str_eq(text, "NaN"))
        *ret_value = (double)NAN;
    else if (str_eq(text, "+Inf") || str_eq(text, "-Inf"))
        *ret_value = text[0] == '-' ? -(double)INFINITY : (double)INFINITY;
    else if (!str_to_double(text, ret_value))
        return false;
    *ret_time_ms = (int64_t)(time * 1000 + 0.5);
    return true;
}
