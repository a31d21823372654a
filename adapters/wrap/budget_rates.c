/*
 * How many requests in a second an API bears, where the Provider does not say. The rate is what the cloud documents for
 * an account and region; the burst is at most half of what it allows at once, as others use the account too. One number
 * an API: where reads and writes have different ones, that of the reads, which are nearly all of what we send.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/wrap/budget_internal.h"
#include "base/mem.h"
#include "base/str.h"

static const struct {
    const char *cloud, *api;
    struct budget_rate rate;
} rates[] = {
    /* EC2 Developer Guide, "Request throttling": non-mutating actions have a bucket of 100, refilled by 20 a second. */
    {"aws", "ec2", {20, 50}},
    /* EC2 Auto Scaling publishes no number; throttling is met at some 10 a second with retries. */
    {"aws", "autoscaling", {10, 20}},
    /* CloudWatch service quotas: GetMetricData 50 a second. */
    {"aws", "monitoring", {50, 50}},
    /* Price List Query API quotas: 10 a second. */
    {"aws", "api.pricing", {10, 10}},
    {"aws", "pricing", {10, 10}},
    /* Cost Explorer: each request costs money; 5 a second are allowed. */
    {"aws", "ce", {1, 5}},
    /* Service Quotas API: 10 a second for the lists. */
    {"aws", "servicequotas", {5, 10}},
    /* S3: 5,500 reads a second for each prefix. */
    {"aws", "s3", {100, 100}},
    /* STS quotas: 600 a second in all; we ask once for each Provider. */
    {"aws", "sts", {20, 20}},
    /* An API server that shares itself by priority and fairness: the default of controller-runtime's clients. */
    {"kubernetes", "", {20, 30}},
};

struct budget_rate budget_rate_default(const char *cloud, const char *api) {
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        if (str_eq(rates[i].cloud, cloud) && (rates[i].api[0] == '\0' || str_eq(rates[i].api, api)))
            return rates[i].rate;
    }
    return (struct budget_rate){10, 20};
}
