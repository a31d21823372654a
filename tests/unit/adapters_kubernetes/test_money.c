/*
 * Offers, charges by allocation, and quotas.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/common/catalogue.h"
#include "base/str.h"
#include "bench.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
#define TODAY_MS (BENCH_NOW_MS - BENCH_NOW_MS % DAY_MS)

static struct bench bench;

static void set_up(void) {
    bench_init(&bench);
}

static void tear_down(void) {
    bench_release(&bench);
}

TestSuite(kubernetes_money, .init = set_up, .fini = tear_down);

static void catalogue_set(void) {
    static const char rows[] =
        "provider,region,zone,instance_type,vcpu,memory_gib,gpu,gpu_count,arch,price_ondemand_usd_hr,price_spot_usd_hr,"
        "source_id,as_of\n"
        "aws,us-east-1,,m5.xlarge,4,16,,0,amd64,0.192,0.06,test,2026-01-01\n"
        "gcp,us-central1,,n2-standard-4,4,16,,0,amd64,0.2,,test,2026-01-01\n";
    char path[] = "/tmp/trimtab-prices-XXXXXX";
    struct error err = {0};
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, rows, sizeof(rows) - 1), (ssize_t)sizeof(rows) - 1);
    close(fd);
    cr_assert_eq(catalogue_open(path, &bench.catalogue, &err), ERR_NONE, "%s", err.message);
    unlink(path);
}

#define NODE(name, type, region, provider_id, more)                                                                    \
    "{\"metadata\": {\"name\": \"" name "\", \"labels\": {\"node.kubernetes.io/instance-type\": \"" type               \
    "\", \"topology.kubernetes.io/region\": \"" region "\"" more "}}, \"spec\": {\"providerID\": \"" provider_id       \
    "\"}, \"status\": {\"allocatable\": {\"cpu\": \"4\", \"memory\": \"16Gi\"}}}"

static void nodes(void) {
    bench_items(
        &bench, "",
        NODE("a", "m5.xlarge", "us-east-1", "aws:///us-east-1a/i-1", "") "," //
        NODE("b", "m5.xlarge", "us-east-1", "aws:///us-east-1a/i-2",
             ", \"karpenter.sh/capacity-type\": \"spot\"") "," NODE("c", "n2-standard-4", "us-central1", "",
                                                                    ", \"cloud.google.com/gke-nodepool\": "
                                                                    "\"p\"") "," NODE("d", "bare-1", "", "",
                                                                                      "") "," NODE("e", "mystery",
                                                                                                   "us-east-1",
                                                                                                   "aws://x", ""));
}

Test(kubernetes_money, nodes_have_their_clouds_price_by_provider_id_or_label) {
    catalogue_set();
    bench_open_well(&bench, "{\"nodePrices\": [{\"instanceType\": \"bare-?\", \"hourly\": \"1.5\"}]}");
    nodes();
    const struct adapter_reply *reply = bench_list(&bench, 1u << CLOUD_NODE, 10);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    static const money_micros prices[] = {192000, 60000, 200000, 1500000, 0};
    for (size_t i = 0; i < 5; i++)
        cr_expect_eq(reply->as.resources[i].price_hourly, prices[i], "node %zu: %ld", i,
                     (long)reply->as.resources[i].price_hourly);
}

Test(kubernetes_money, an_offer_for_each_type_of_node) {
    static const char *const types[] = {"bare-1", "m5.xlarge", "none"};
    catalogue_set();
    bench_open_well(&bench, "{\"nodePrices\": [{\"instanceType\": \"bare-?\", \"hourly\": \"1.5\"}]}");
    nodes();
    struct cloud_query query = {.region = CLOUD_REGION_CLUSTER};
    const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.prices, &query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 4);
    const struct cloud_offer *it = reply->as.offers;
    cr_expect_str_eq(it[0].type, "bare-1");
    cr_expect_eq(it[0].price_hourly, 1500000);
    cr_expect_eq(it[0].vcpu_milli, 4000);
    cr_expect_str_eq(it[0].source, "nodePrices");
    cr_expect_str_eq(it[1].type, "m5.xlarge");
    cr_expect_str_eq(it[1].region, "cluster");
    cr_expect_eq(it[1].price_hourly, 192000);
    cr_expect_eq(it[1].price_spot_hourly, 60000);
    cr_expect_str_eq(it[2].type, "mystery");
    cr_expect_eq(it[2].price_hourly, -1);
    nodes();
    query.types = types;
    query.type_count = 3;
    cr_expect_eq(bench_query(&bench, adapter_kubernetes.prices, &query)->count, 2);
}

#define WORKLOAD(name, created)                                                                                        \
    "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"" name "\", \"creationTimestamp\": \"" created               \
    "\", \"labels\": {\"team\": \"x\"}}, \"spec\": {\"replicas\": 2, \"template\": {\"spec\": {\"containers\": ["      \
    "{\"resources\": {\"requests\": {\"cpu\": \"1\", \"memory\": \"4Gi\"}}}]}}}}"

static void estate(void) { /* A pod takes a quarter of the one node: 0.05 an hour. */
    bench_items(&bench, "", NODE("n", "bare", "", "", ""));
    bench_items(&bench, "",
                WORKLOAD("old", "2026-01-01T00:00:00Z") "," WORKLOAD("new", "2026-09-20T18:00:00Z") "," //
                WORKLOAD("later", "2026-09-21T13:00:00Z"));
    bench_items(&bench, "", "");
}

#define PRICED "{\"nodePrices\": [{\"instanceType\": \"bare\", \"hourly\": \"0.2\"}]}"

Test(kubernetes_money, a_workload_is_charged_its_share_day_by_day) {
    static const struct {
        const char *id;
        int64_t day_ms;
        double cost, quantity;
    } rows[] = {
        {"shop/Deployment/new", TODAY_MS - DAY_MS, 0.600000, 12.000000}, /* Since 18:00. */
        {"shop/Deployment/old", TODAY_MS - DAY_MS, 2.400000, 48.000000},
        {"shop/Deployment/later", TODAY_MS, 0.122222, 2.444444}, /* It is 14:13:20. */
        {"shop/Deployment/new", TODAY_MS, 1.422222, 28.444444},
        {"shop/Deployment/old", TODAY_MS, 1.422222, 28.444444},
    };
    char cursor[200] = "";
    size_t at = 0;
    bench_open_well(&bench, PRICED);
    do {
        struct cloud_query query = {.region = CLOUD_REGION_CLUSTER,
                                    .count_max = 2,
                                    .from_ms = TODAY_MS - DAY_MS - HOUR_MS,
                                    .to_ms = TODAY_MS + 10 * DAY_MS,
                                    .cursor = cursor};
        estate();
        const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.charges, &query);
        cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
        cr_assert_leq(reply->count, 2);
        for (size_t i = 0; i < reply->count; i++, at++) {
            const struct cloud_charge *row = &reply->as.charges[i];
            cr_assert_lt(at, 5);
            cr_expect_str_eq(row->resource_id, rows[at].id, "row %zu", at);
            cr_expect_eq(row->charge_period_start_ms, rows[at].day_ms, "row %zu", at);
            cr_expect_eq(row->charge_period_end_ms, rows[at].day_ms + DAY_MS);
            double cost = -1, quantity = -1;
            cr_expect(str_to_double(row->effective_cost, &cost) && str_to_double(row->consumed_quantity, &quantity));
            cr_expect_float_eq(cost, rows[at].cost, 1e-4, "row %zu: %s", at, row->effective_cost);
            cr_expect_float_eq(quantity, rows[at].quantity, 1e-3, "row %zu: %s", at, row->consumed_quantity);
            cr_expect_str_eq(row->billing_currency, "USD");
            cr_expect_str_eq(row->sub_account_id, "shop");
            cr_expect(strstr(row->charge_description, "Estimate by allocation") != NULL);
            cr_assert_eq(row->tag_count, 1);
            cr_expect_str_eq(row->tags[0].value, "x");
        }
        str_copy(cursor, sizeof(cursor), reply->cursor);
    } while (cursor[0] != '\0');
    cr_expect_eq(at, 5);
}

Test(kubernetes_money, without_a_price_there_are_no_charges) {
    bench_open_well(&bench, NULL);
    estate();
    struct cloud_query query = {
        .region = CLOUD_REGION_CLUSTER, .count_max = 10, .from_ms = TODAY_MS, .to_ms = BENCH_NOW_MS};
    const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.charges, &query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_eq(reply->count, 0);
    cr_expect_str_eq(reply->cursor, "");
}

Test(kubernetes_money, charges_that_cannot_be_asked_are_refused) {
    static const char *const cursors[] = {"x", "/", "1/", "-5/a", "1.5/a"};
    bench_open_well(&bench, PRICED);
    struct cloud_query query = {.region = CLOUD_REGION_CLUSTER, .count_max = 10, .from_ms = 5, .to_ms = 5};
    cr_expect_eq(bench_query(&bench, adapter_kubernetes.charges, &query)->error.class, ERR_PERMANENT);
    query.to_ms = DAY_MS;
    for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
        query.cursor = cursors[i];
        cr_expect_eq(bench_query(&bench, adapter_kubernetes.charges, &query)->error.class, ERR_PERMANENT, "%s",
                     cursors[i]);
    }
    query.cursor = NULL;
    query.count_max = 0;
    cr_expect_eq(bench_query(&bench, adapter_kubernetes.charges, &query)->error.class, ERR_PERMANENT);
}

Test(kubernetes_money, a_quota_is_a_limit_for_each_of_its_resources) {
    static const struct {
        const char *id, *unit;
        double value, used;
    } limits[] = {
        {"shop/q/requests.cpu", "vCPU", 20, 1.5},
        {"shop/q/requests.memory", "MiB", 1024, 512},
        {"shop/q/pods", "count", 50, 3},
        {"shop/q/count/deployments.apps", "count", 10, -1},
        {"shop/q/requests.storage", "MiB", 10240, 0},
    };
    bench_open_well(&bench, NULL);
    bench_items(&bench, "",
                "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"q\"}, \"status\": {\"hard\": {\"requests.cpu\": "
                "\"20\", \"requests.memory\": \"1Gi\", \"pods\": \"50\", \"count/deployments.apps\": \"10\", "
                "\"requests.storage\": \"10Gi\", \"odd\": \"x\"}, \"used\": {\"requests.cpu\": \"1500m\", "
                "\"requests.memory\": \"512Mi\", \"pods\": \"3\", \"requests.storage\": \"0\"}}}");
    const struct cloud_query query = {.region = CLOUD_REGION_CLUSTER};
    const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.limits, &query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct cloud_limit *it = &reply->as.limits[i];
        cr_expect_str_eq(it->id, limits[i].id);
        cr_expect_str_eq(it->unit, limits[i].unit, "%s", it->id);
        cr_expect_float_eq(it->value, limits[i].value, 1e-9, "%s", it->id);
        cr_expect_float_eq(it->used, limits[i].used, 1e-9, "%s", it->id);
        cr_expect_str_eq(it->types, "");
    }
}
