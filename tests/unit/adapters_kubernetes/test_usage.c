/*
 * Usage from metrics.k8s.io and from Prometheus.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "bench.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

static struct bench bench;
static const char *const ids[] = {"shop/Deployment/web", "shop/StatefulSet/db", "shop/Deployment/gone",
                                  "shop/Deployment/web"};

static void set_up(void) {
    bench_init(&bench);
}

static void tear_down(void) {
    bench_release(&bench);
}

TestSuite(kubernetes_usage, .init = set_up, .fini = tear_down);

static struct cloud_query query_of(enum cloud_metric metric, int64_t from_ms, int64_t to_ms, int64_t step_ms) {
    return (struct cloud_query){.region = CLOUD_REGION_CLUSTER,
                                .kind = CLOUD_WORKLOAD,
                                .metric = metric,
                                .ids = ids,
                                .id_count = ARRAY_LEN(ids),
                                .from_ms = from_ms,
                                .to_ms = to_ms,
                                .step_ms = step_ms};
}

#define WORKLOAD(name, cpu, memory, ready)                                                                             \
    "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"" name "\"}, \"spec\": {\"replicas\": 2, \"template\": "     \
    "{\"spec\": {\"containers\": [{\"resources\": {\"requests\": {\"cpu\": \"" cpu "\", \"memory\": \"" memory         \
    "\"}}}]}}}, \"status\": {\"readyReplicas\": " ready "}}"

static void workloads(void) {
    bench_items(&bench, "", WORKLOAD("web", "500m", "1Gi", "2") "," WORKLOAD("free", "0", "0", "1"));
    bench_items(&bench, "", WORKLOAD("db", "2", "4Gi", "1"));
}

#define POD(name, owner, kind, cpu)                                                                                    \
    "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"" name "\", \"labels\": {\"pod-template-hash\": \"h\"},"     \
    "\"ownerReferences\": [{\"apiVersion\": \"apps/v1\", \"kind\": \"" kind "\", \"name\": \"" owner                   \
    "\", \"controller\": true}]}, \"spec\": {\"containers\": [{\"resources\": {\"requests\": {\"cpu\": \"" cpu         \
    "\", \"memory\": \"1Gi\"}}}]}, \"status\": {\"phase\": \"Running\"}}"
#define METRIC(name, time, cpu, memory)                                                                                \
    "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"" name "\"}, \"timestamp\": \"" time                         \
    "\", \"window\": \"15s\", \"containers\": [{\"usage\": {\"cpu\": \"" cpu "\", \"memory\": \"" memory               \
    "\"}}, {\"usage\": {\"cpu\": \"1m\", \"memory\": \"0\"}}]}"

static void pods(void) {
    workloads();
    bench_items(&bench, "",
                POD("web-h-1", "web-h", "ReplicaSet", "500m") "," POD("web-h-2", "web-h", "ReplicaSet", "500m") "," POD(
                    "web-h-3", "web-h", "ReplicaSet", "500m") "," POD("db-0", "db", "StatefulSet", "0"));
    bench_items(&bench, "",
                METRIC("web-h-1", "2026-09-21T14:12:50Z", "99000001n", "256Mi") "," METRIC(
                    "web-h-2", "2026-09-21T14:12:10Z", "399m",
                    "768Mi") "," METRIC("db-0", "2026-09-21T14:12:50Z", "1",
                                        "256Mi") "," METRIC("stranger", "2026-09-21T14:12:50Z", "1", "256Mi"));
}

Test(kubernetes_usage, the_present_comes_from_the_metrics_api) {
    bench_open_well(&bench, NULL);
    pods();
    struct cloud_query query = query_of(CLOUD_METRIC_CPU, BENCH_NOW_MS - HOUR_MS, BENCH_NOW_MS, MINUTE_MS);
    const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.usage, &query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 1, "a pod without requests has no utilisation");
    const struct cloud_series *web = reply->as.series;
    cr_expect_str_eq(web->id, "shop/Deployment/web");
    cr_assert_eq(web->utilization_count, 1);
    cr_expect_float_eq(web->utilization[0].value, 50, 1e-3, "of the two pods that were measured: %f",
                       web->utilization[0].value);
    cr_expect_eq(web->utilization[0].time_ms, BENCH_NOW_MS - BENCH_NOW_MS % MINUTE_MS - MINUTE_MS);
    cr_assert_eq(web->serving_count, 1);
    cr_expect_eq(web->serving[0].value, 2);
    cr_expect(strstr(script_request(&bench.server, 3), "GET /apis/metrics.k8s.io/v1beta1/pods?limit=500 ") != NULL);
}

/* 256Mi and 768Mi of 1Gi each: what the one has free does not help the other. */
Test(kubernetes_usage, memory_is_that_of_the_pod_that_uses_most_of_its_own) {
    bench_open_well(&bench, NULL);
    pods();
    struct cloud_query query = query_of(CLOUD_METRIC_MEMORY, BENCH_NOW_MS - HOUR_MS, BENCH_NOW_MS, MINUTE_MS);
    const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.usage, &query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 2);
    cr_expect_float_eq(reply->as.series[0].utilization[0].value, 75, 1e-6);
    cr_expect_float_eq(reply->as.series[1].utilization[0].value, 25, 1e-6);
}

Test(kubernetes_usage, a_metric_outside_the_range_is_no_sample) {
    bench_open_well(&bench, NULL);
    pods();
    struct cloud_query query =
        query_of(CLOUD_METRIC_CPU, BENCH_NOW_MS - 2 * HOUR_MS, BENCH_NOW_MS - HOUR_MS, MINUTE_MS);
    const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.usage, &query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_eq(reply->count, 0);
}

/* The controller asks for steps that are over. When that of the present is, the present is gone. */
Test(kubernetes_usage, the_present_is_told_of_the_step_that_runs) {
    int64_t over_ms = BENCH_NOW_MS - BENCH_NOW_MS % (5 * MINUTE_MS); /* 14:10; it is 14:13:20. */
    bench_open_well(&bench, NULL);
    pods();
    struct cloud_query query = query_of(CLOUD_METRIC_CPU, over_ms - 5 * MINUTE_MS, over_ms, 5 * MINUTE_MS);
    const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.usage, &query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 1);
    cr_assert_eq(reply->as.series[0].utilization_count, 1);
    cr_expect(reply->as.series[0].is_present);
    cr_expect_eq(reply->as.series[0].utilization[0].time_ms, over_ms);
    cr_expect_eq(reply->as.series[0].serving[0].time_ms, over_ms);
}

Test(kubernetes_usage, without_the_metrics_api_there_is_an_error) {
    bench_open_well(&bench, NULL);
    workloads();
    bench_items(&bench, "", "");
    script_reply(&bench.server, 404, "", "404 page not found\n");
    struct cloud_query query = query_of(CLOUD_METRIC_CPU, BENCH_NOW_MS - HOUR_MS, BENCH_NOW_MS, MINUTE_MS);
    cr_expect_neq(bench_query(&bench, adapter_kubernetes.usage, &query)->error.class, ERR_NONE);
}

#define PROMETHEUS "{\"prometheus\": {\"url\": \"@/prom/\"}}"

static void result(const char *series) {
    char *body =
        mem_printf("{\"status\": \"success\", \"data\": {\"resultType\": \"matrix\", \"result\": [%s]}}", series);
    script_reply(&bench.server, 200, "Content-Type: application/json\r\n", body);
    mem_free(body);
}

Test(kubernetes_usage, the_past_comes_from_prometheus_and_gaps_stay_gaps) {
    int64_t from_ms = BENCH_NOW_MS - BENCH_NOW_MS % HOUR_MS - 3 * HOUR_MS; /* 11:00 */
    bench_open_well(&bench, PROMETHEUS);
    workloads();
    result("{\"metric\": {\"workload\": \"web\"}, \"values\": [[1789992000, \"0.25\"], [1789995600.0, \"NaN\"], "
           "[1789999200.001, \"0.5\"]]}, {\"metric\": {\"workload\": \"webb\"}, \"values\": [[1789992000, \"9\"]]},"
           "{\"metric\": {}}");
    result("{\"metric\": {\"workload\": \"web\"}, \"values\": [[1789992000, \"3\"]]}");
    result("{\"metric\": {\"workload\": \"db\"}, \"values\": [[1789992000, \"1\"], [\"x\"], 7, [1789995600]]}");
    result("");
    struct cloud_query query = query_of(CLOUD_METRIC_CPU, from_ms, from_ms + 24 * HOUR_MS, HOUR_MS);
    const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.usage, &query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 2);
    const struct cloud_series *web = reply->as.series, *db = web + 1;
    cr_expect_str_eq(web->id, "shop/Deployment/web");
    cr_assert_eq(web->utilization_count, 2);
    cr_expect_not(web->is_present);
    cr_expect_eq(web->utilization[0].time_ms, from_ms);
    cr_expect_float_eq(web->utilization[0].value, 50, 1e-9);
    cr_expect_eq(web->utilization[1].time_ms, from_ms + 2 * HOUR_MS);
    cr_expect_float_eq(web->utilization[1].value, 100, 1e-9);
    cr_assert_eq(web->serving_count, 1);
    cr_expect_eq(web->serving[0].value, 3);
    cr_assert_eq(db->utilization_count, 1);
    cr_expect_float_eq(db->utilization[0].value, 50, 1e-9);
    const char *asked = script_request(&bench.server, 2);
    cr_expect(strstr(asked, "POST /prom/api/v1/query_range ") != NULL, "%s", asked);
    cr_expect(strstr(asked, "authorization: Bearer prometheus-t0ken") != NULL);
    cr_expect(strstr(asked, BENCH_TOKEN) == NULL, "the cluster's token is not for Prometheus");
    cr_expect(strstr(asked, "&start=2026-09-21T12%3A00%3A00Z&end=2026-09-21T14%3A00%3A00Z&step=3600") != NULL, "%s",
              asked);
    cr_expect(strstr(asked, "container_cpu_usage_seconds_total%7Bnamespace%3D%22shop%22") != NULL, "%s", asked);
    cr_expect(strstr(script_request(&bench.server, 3), "kube_deployment_status_replicas_ready") != NULL);
    cr_expect(strstr(script_request(&bench.server, 4), "%28db%29-%5B0-9%5D%2B") != NULL);
    cr_expect(strstr(script_request(&bench.server, 5), "kube_statefulset_status_replicas_ready") != NULL);
}

Test(kubernetes_usage, a_long_range_is_asked_in_pieces_below_prometheus_limit) {
    int64_t to_ms = BENCH_NOW_MS - BENCH_NOW_MS % MINUTE_MS;
    static const char *const one[] = {"shop/Deployment/web"};
    bench_open_well(&bench, PROMETHEUS);
    workloads();
    bench_items(&bench, "", "");
    for (int i = 0; i < 6; i++)
        result("");
    struct cloud_query query = query_of(CLOUD_METRIC_MEMORY, to_ms - 14 * DAY_MS, to_ms, MINUTE_MS); /* 20,160 points */
    query.ids = one;
    query.id_count = 1;
    const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.usage, &query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_eq(reply->count, 0);
    cr_expect_eq(reply->request_count, 9, "and the pods, that may have been killed");
    const char *asked = script_request(&bench.server, 3);
    cr_expect(strstr(asked, "query=max%20by%20%28workload%29") != NULL, "the worst pod: %s", asked);
    cr_expect(strstr(asked, "max_over_time%28container_memory_working_set_bytes") != NULL, "%s", asked);
}

/* ---- kills ---- */

#define ENDED(state, reason, id, at)                                                                                   \
    "\"" state "\": {\"terminated\": {\"reason\": \"" reason "\", \"exitCode\": 137, \"finishedAt\": \"2026-09-21T" at \
    "Z\", \"containerID\": \"" id "\"}}"
#define KILLED_POD(name, owner, kind, containers, statuses)                                                            \
    "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"" name "\", \"uid\": \"uid-" name                            \
    "\", \"labels\": {\"pod-template-hash\": \"h\"}, \"ownerReferences\": [{\"apiVersion\": \"apps/v1\", \"kind\": "   \
    "\"" kind "\", \"name\": \"" owner "\", \"controller\": true}]}, \"spec\": {" containers                           \
    "}, \"status\": {\"phase\": \"Running\", " statuses "}}"
#define MAIN_AND_SIDECAR                                                                                               \
    "\"containers\": [{\"name\": \"main\", \"resources\": {\"requests\": {\"memory\": \"256Mi\"}, \"limits\": "        \
    "{\"memory\": \"512Mi\"}}}, {\"name\": \"log\", \"resources\": {\"requests\": {\"memory\": \"64Mi\"}}}, "          \
    "{\"name\": \"free\"}]"

static const struct cloud_series *kills_of(enum cloud_metric metric, const char *all_pods) {
    bench_open_well(&bench, NULL);
    workloads();
    bench_items(&bench, "", all_pods);
    bench_items(&bench, "", "");
    struct cloud_query query = query_of(metric, BENCH_NOW_MS - HOUR_MS, BENCH_NOW_MS, MINUTE_MS);
    const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.usage, &query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    return reply->count ? reply->as.series : NULL;
}

/* The one that ended last is in state, the one before it in lastState; another reason is no kill; a job's pod is none
 * of ours. */
Test(kubernetes_usage, what_was_killed_for_want_of_memory_is_told_with_what_it_was_allowed) {
    static const struct {
        const char *id;
        int64_t memory_mib;
    } expected[] = {
        {"uid-web-h-1/main/containerd://b", 512 + 64}, /* Its limit, and the other's request. */
        {"uid-web-h-1/free/2026-09-21T11:00:00Z", 0},  /* Without an id of its own; neither limit nor request. */
        {"uid-web-h-2/log/containerd://d", 256 + 64},  /* Without a limit its request. */
        {"uid-web-h-1/main/containerd://a", 512 + 64},
    };
    const struct cloud_series *web = kills_of(
        CLOUD_METRIC_MEMORY,
        KILLED_POD(
            "web-h-1", "web-h", "ReplicaSet", MAIN_AND_SIDECAR,
            "\"containerStatuses\": [{\"name\": \"main\", " ENDED("state", "OOMKilled", "containerd://a", "13:00:00") ", " ENDED(
                "lastState", "OOMKilled", "containerd://b",
                "10:00:00") "}, "
                            "{\"name\": \"free\", " ENDED(
                                "lastState", "OOMKilled", "",
                                "11:00:00") "}]") "," KILLED_POD("web-h-2", "web-h", "ReplicaSet", MAIN_AND_SIDECAR,
                                                                 "\"containerStatuses\": [{\"name\": "
                                                                 "\"main\", " ENDED("lastState", "Error", "containerd://c", "12:00:00") "}], \"initContainerStatuses\": [{\"name\": \"log\", " ENDED(
                                                                     "lastState", "OOMKilled", "containerd://d",
                                                                     "12:00:00") "}]") "," KILLED_POD("job", "job",
                                                                                                      "Job",
                                                                                                      MAIN_AND_SIDECAR,
                                                                                                      "\"containerS"
                                                                                                      "tatuses\": "
                                                                                                      "[{\"name\": "
                                                                                                      "\"main\","
                                                                                                      " " ENDED(
                                                                                                          "lastStat"
                                                                                                          "e",
                                                                                                          "OOMKille"
                                                                                                          "d",
                                                                                                          "containe"
                                                                                                          "rd://e",
                                                                                                          "12:00:"
                                                                                                          "00") "}"
                                                                                                                "]"));
    cr_assert_not_null(web);
    cr_expect_str_eq(web->id, "shop/Deployment/web");
    cr_expect_eq(web->utilization_count, 0);
    cr_assert_eq(web->kill_count, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        cr_expect_str_eq(web->kills[i].id, expected[i].id);
        cr_expect_eq(web->kills[i].memory_mib, expected[i].memory_mib, "%s: %lld", expected[i].id,
                     (long long)web->kills[i].memory_mib);
    }
    cr_expect_eq(web->kills[3].time_ms, BENCH_NOW_MS - 4400 * 1000);
}

Test(kubernetes_usage, a_limit_of_the_whole_pod_stands_above_its_containers) {
    const struct cloud_series *web = kills_of(
        CLOUD_METRIC_MEMORY, KILLED_POD("web-h-1", "web-h", "ReplicaSet",
                                        "\"resources\": {\"limits\": {\"memory\": \"1Gi\"}}, " MAIN_AND_SIDECAR,
                                        "\"containerStatuses\": [{\"name\": \"log\", " ENDED(
                                            "lastState", "OOMKilled", "containerd://a", "13:00:00") "}]"));
    cr_assert(web && web->kill_count == 1);
    cr_expect_eq(web->kills[0].memory_mib, 1024);
}

Test(kubernetes_usage, kills_are_no_matter_of_cpu) {
    cr_expect_null(
        kills_of(CLOUD_METRIC_CPU, KILLED_POD("web-h-1", "web-h", "ReplicaSet", MAIN_AND_SIDECAR,
                                              "\"containerStatuses\": [{\"name\": \"main\", " ENDED(
                                                  "lastState", "OOMKilled", "containerd://a", "13:00:00") "}]")));
}

Test(kubernetes_usage, of_many_kills_the_newest_are_told) {
    struct buf all = {0};
    for (int i = 0; i < CLOUD_KILLS_MAX + 9; i++)
        buf_printf(
            &all,
            "%s{\"metadata\": {\"namespace\": \"shop\", \"name\": \"web-h-%d\", \"labels\": {\"pod-template-hash\": "
            "\"h\"}, \"ownerReferences\": [{\"apiVersion\": \"apps/v1\", \"kind\": \"ReplicaSet\", \"name\": "
            "\"web-h\", \"controller\": true}]}, \"spec\": {}, \"status\": {\"containerStatuses\": [{\"name\": "
            "\"main\", \"lastState\": {\"terminated\": {\"reason\": \"OOMKilled\", \"containerID\": \"c%d\", "
            "\"finishedAt\": \"2026-09-21T12:%02d:%02dZ\"}}}]}}",
            i ? "," : "", i, i, i / 60, i % 60);
    const struct cloud_series *web = kills_of(CLOUD_METRIC_MEMORY, buf_text(&all));
    buf_release(&all);
    cr_assert(web && web->kill_count == CLOUD_KILLS_MAX);
    cr_expect_str_eq(web->kills[0].id, "shop/web-h-9/main/c9");
    cr_expect_str_eq(web->kills[CLOUD_KILLS_MAX - 1].id, "shop/web-h-72/main/c72");
}

Test(kubernetes_usage, a_refusal_of_prometheus_says_what_it_said) {
    bench_open_well(&bench, PROMETHEUS);
    struct cloud_query query = query_of(CLOUD_METRIC_CPU, BENCH_NOW_MS - HOUR_MS, BENCH_NOW_MS, MINUTE_MS);
    workloads();
    script_reply(&bench.server, 422, "",
                 "{\"status\": \"error\", \"errorType\": \"execution\", \"error\": \"too many\"}");
    const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.usage, &query);
    cr_expect_eq(reply->error.class, ERR_PERMANENT);
    cr_expect_str_eq(reply->error.message, "query Prometheus: too many");
    workloads();
    script_reply(&bench.server, 401, "", "{\"error\": \"prometheus-t0ken is unknown\"}");
    reply = bench_query(&bench, adapter_kubernetes.usage, &query);
    cr_expect_eq(reply->error.class, ERR_PERMISSION);
    cr_expect_str_eq(reply->error.message, "query Prometheus: (text withheld)");
    workloads();
    script_reply(&bench.server, 200, "", "{\"status\": \"success\", \"data\": {}}");
    cr_expect_eq(bench_query(&bench, adapter_kubernetes.usage, &query)->error.class, ERR_RETRYABLE);
}

Test(kubernetes_usage, what_cannot_be_asked_is_refused) {
    bench_open_well(&bench, NULL);
    const struct cloud_query good = query_of(CLOUD_METRIC_CPU, 0, HOUR_MS, MINUTE_MS);
    struct cloud_query bad[6];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        bad[i] = good;
    bad[0].kind = CLOUD_NODE;
    bad[1].step_ms = 500;
    bad[2].to_ms = 0;
    bad[3].region = "eu";
    bad[4].from_ms = -1;
    bad[5].step_ms = 2 * DAY_MS;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_expect_eq(bench_query(&bench, adapter_kubernetes.usage, &bad[i])->error.class, ERR_PERMANENT, "row %zu", i);
    cr_expect_eq(bench.server.request_count, 0);
}
