/*
 * Range queries of Prometheus' HTTP API, which Thanos, Mimir and VictoriaMetrics speak too: built, and their replies
 * read. https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_COMMON_PROMETHEUS_H
#define TRIMTAB_ADAPTERS_COMMON_PROMETHEUS_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/common/exchange.h"

#define PROMETHEUS_POINTS_MAX 10000 /* Of a request: the server refuses more than 11,000 points a series. */

struct prometheus_range {
    const char *query;      /* PromQL */
    int64_t from_ms, to_ms; /* The first and the last point. */
    int64_t step_ms;        /* Whole seconds. */
};

/* An http or https address without user, query, fragment and white space. */
bool prometheus_url_is_valid(const char *url);
/* Without the slashes at its end, in the arena. */
const char *prometheus_url_trim(const char *url, struct arena *arena);

/* Fills method, URL, headers and body of an exchange that is reset; what authenticates is the caller's. */
void prometheus_request(struct exchange *exchange, const char *url, const struct prometheus_range *range);

/* The array of series of a reply of 2xx. NULL: it is no result of a range query, ERR_RETRYABLE. */
const struct json *prometheus_series(const struct json *reply, struct error *err);
/* One [1700000000.123, "0.25"] of a series' "values"; a value may be NaN and infinite. False: it is none. */
bool prometheus_point(const struct json *pair, int64_t *ret_time_ms, double *ret_value);

#endif
