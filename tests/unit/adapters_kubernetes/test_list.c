/*
 * What the objects of a cluster become, page by page.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/str.h"
#include "bench.h"

#define WORKLOAD (1u << CLOUD_WORKLOAD)
#define NODE (1u << CLOUD_NODE)
#define VOLUME (1u << CLOUD_VOLUME)
#define SNAPSHOT (1u << CLOUD_SNAPSHOT)

static struct bench bench;

static void set_up(void) {
    bench_init(&bench);
}

static void tear_down(void) {
    bench_release(&bench);
}

TestSuite(kubernetes_list, .init = set_up, .fini = tear_down);

/* Nodes, HPAs, ScaledObjects, VPAs, PDBs: the five lists before a workload's. */
static void before(const char *nodes, const char *hpas, const char *scaled, const char *vpas, const char *budgets) {
    bench_items(&bench, "", nodes);
    bench_items(&bench, "", hpas);
    bench_items(&bench, "", scaled);
    bench_items(&bench, "", vpas);
    bench_items(&bench, "", budgets);
}

static void nothing_before(void) {
    before("", "", "", "", "");
}

static bool was_asked(size_t index, const char *target) {
    return strstr(script_request(&bench.server, index), target) != NULL;
}

#define DEPLOYMENT(name, more)                                                                                         \
    "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"" name "\", \"labels\": {\"b\": \"2\", \"a\": \"ü\"},"      \
    "\"creationTimestamp\": \"2026-01-02T03:04:05Z\"}, \"spec\": {\"replicas\": 3, \"template\": {\"metadata\": "      \
    "{\"labels\": {\"app\": \"" name "\"}}, \"spec\": {\"containers\": ["                                              \
    "{\"resources\": {\"requests\": {\"cpu\": \"250m\", \"memory\": \"100Mi\"}}},"                                     \
    "{\"resources\": {\"limits\": {\"cpu\": \"1\", \"memory\": \"1M\"}}}],"                                            \
    "\"initContainers\": [{\"resources\": {\"requests\": {\"cpu\": \"8\"}}},"                                          \
    "{\"restartPolicy\": \"Always\", \"resources\": {\"requests\": {\"cpu\": \"0.1\"}}}]}}},"                          \
    "\"status\": {\"readyReplicas\": 2}" more "}"

Test(kubernetes_list, a_deployment_is_a_workload_with_its_pods_requests) {
    bench_open_well(&bench, NULL);
    nothing_before();
    bench_items(&bench, "", DEPLOYMENT("web", ", \"extra\": {\"unknown\": [1]}"));
    bench_items(&bench, "", "");
    const struct adapter_reply *reply = bench_list(&bench, WORKLOAD, 10);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 1);
    const struct cloud_resource *it = reply->as.resources;
    cr_expect_str_eq(it->id, "shop/Deployment/web");
    cr_expect_str_eq(it->name, "web");
    cr_expect_str_eq(it->region, "cluster");
    cr_expect_eq(it->state, CLOUD_RUNNING);
    cr_expect_eq(it->count, 3);
    cr_expect_eq(it->serving, 2);
    cr_expect_eq(it->vcpu_milli, 1350);
    cr_expect_eq(it->memory_mib, 101, "100Mi and 1M, rounded up: %ld", (long)it->memory_mib);
    cr_expect_eq(it->created_at_ms, 1767323045000);
    cr_expect(it->as_of_ms >= BENCH_NOW_MS);
    cr_assert_eq(it->tag_count, 2);
    cr_expect_str_eq(it->tags[0].key, "a");
    cr_expect_str_eq(it->tags[0].value, "ü");
    cr_expect_null(it->count_manager);
    cr_expect_null(it->size_manager);
    cr_expect_eq(it->count_max, 0);
    cr_expect_eq(it->price_hourly, 0);
    cr_expect_eq(reply->request_count, 7);
    cr_expect(was_asked(0, "GET /api/v1/nodes?limit=500 "));
    cr_expect(was_asked(5, "GET /apis/apps/v1/deployments?limit=500 "));
    cr_expect(was_asked(5, "authorization: Bearer " BENCH_TOKEN));
}

Test(kubernetes_list, pages_are_followed_and_namespaces_are_listed_one_by_one) {
    bench_open_well(&bench, "{\"namespaces\": [\"shop\", \"search\"]}");
    bench_items(&bench, "a+b/=&", "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"d1\"}}");
    bench_items(&bench, "", "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"d0\"}}");
    bench_items(&bench, "", "{\"metadata\": {\"namespace\": \"search\", \"name\": \"d2\"}}");
    const struct adapter_reply *reply = bench_list(&bench, SNAPSHOT, 10);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 3);
    cr_expect_str_eq(reply->as.resources[0].id, "search/VolumeSnapshot/d2");
    cr_expect_str_eq(reply->as.resources[1].id, "shop/VolumeSnapshot/d0");
    cr_expect(was_asked(0, "/apis/snapshot.storage.k8s.io/v1/namespaces/shop/volumesnapshots?limit=500 "));
    cr_expect(was_asked(1, "/namespaces/shop/volumesnapshots?limit=500&continue=a%2Bb%2F%3D%26 "));
    cr_expect(was_asked(2, "/namespaces/search/volumesnapshots?limit=500 "));
}

Test(kubernetes_list, an_expired_continue_token_begins_the_list_once_more) {
    bench_open_well(&bench, NULL);
    bench_items(&bench, "t1", "{\"metadata\": {\"namespace\": \"a\", \"name\": \"x\"}}");
    bench_status(&bench, 410, "Expired", "The provided continue parameter is too old");
    bench_items(&bench, "t1", "{\"metadata\": {\"namespace\": \"a\", \"name\": \"y\"}}");
    bench_items(&bench, "", "{\"metadata\": {\"namespace\": \"a\", \"name\": \"z\"}}");
    const struct adapter_reply *reply = bench_list(&bench, SNAPSHOT, 10);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 2, "what the first try had read is not kept");
    cr_expect_str_eq(reply->as.resources[0].name, "y");
}

Test(kubernetes_list, a_continue_token_that_expires_twice_is_an_error) {
    bench_open_well(&bench, NULL);
    for (int i = 0; i < 2; i++) {
        bench_items(&bench, "t1", "");
        bench_status(&bench, 410, "Expired", "too old");
    }
    const struct adapter_reply *reply = bench_list(&bench, SNAPSHOT, 10);
    cr_expect_eq(reply->error.class, ERR_CONFLICT, "%s", reply->error.message);
    cr_expect_str_eq(reply->error.code, "Expired");
}

Test(kubernetes_list, a_continue_token_that_repeats_is_an_error) {
    bench_open_well(&bench, NULL);
    bench_items(&bench, "t1", "");
    bench_items(&bench, "t1", "");
    cr_expect_eq(bench_list(&bench, SNAPSHOT, 10)->error.class, ERR_PERMANENT);
}

Test(kubernetes_list, what_is_beyond_the_cap_is_cut_and_said_to_be) {
    bench_open_well(&bench, NULL);
    nothing_before();
    bench_items(&bench, "more", DEPLOYMENT("a", "") "," DEPLOYMENT("b", "") "," DEPLOYMENT("c", ""));
    const struct adapter_reply *reply = bench_list(&bench, WORKLOAD, 2);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_eq(reply->count, 2);
    cr_expect(reply->truncated);
    cr_expect_eq(bench.server.request_count, 6);
}

Test(kubernetes_list, an_api_that_a_cluster_does_not_have_holds_nothing) {
    bench_open_well(&bench, NULL);
    bench_items(&bench, "", "");
    bench_items(&bench, "", "");
    script_reply(&bench.server, 404, "", "404 page not found\n");
    script_reply(&bench.server, 404, "", "404 page not found\n");
    bench_items(&bench, "", "");
    bench_items(&bench, "", DEPLOYMENT("web", ""));
    bench_items(&bench, "", "");
    const struct adapter_reply *reply = bench_list(&bench, WORKLOAD, 10);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_eq(reply->count, 1);
    script_reply(&bench.server, 404, "", "404 page not found\n");
    cr_expect_eq(bench_list(&bench, SNAPSHOT, 10)->error.class, ERR_NONE);
}

Test(kubernetes_list, who_may_not_see_autoscalers_is_told_so_and_sees_no_workloads) {
    bench_open_well(&bench, NULL);
    bench_status(&bench, 403, "Forbidden", "nodes is forbidden");
    bench_status(&bench, 403, "Forbidden", "horizontalpodautoscalers is forbidden");
    const struct adapter_reply *reply = bench_list(&bench, WORKLOAD, 10);
    cr_expect_eq(reply->error.class, ERR_PERMISSION);
    cr_expect(strstr(reply->error.message, "list horizontalpodautoscalers: ") != NULL, "%s", reply->error.message);
    cr_expect_eq(bench.server.request_count, 2, "without nodes there is no price, which is no reason to stop");
    bench_status(&bench, 403, "Forbidden", "nodes is forbidden");
    cr_expect_eq(bench_list(&bench, NODE, 10)->error.class, ERR_PERMISSION, "the nodes themselves were asked for");
}

#define BUDGET(name, minimum, selector)                                                                                \
    "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"" name "\"}, \"spec\": {\"minAvailable\": " minimum          \
    ", \"selector\": " selector "}}"

Test(kubernetes_list, autoscalers_are_found_by_their_target) {
    bench_open_well(&bench, NULL);
    before("",
           "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"web\"}, \"spec\": {\"minReplicas\": 2, "
           "\"maxReplicas\": 9,"
           "\"scaleTargetRef\": {\"apiVersion\": \"apps/v1\", \"kind\": \"Deployment\", \"name\": \"web\"}}},"
           "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"keda-hpa-queue\"}, \"spec\": {\"maxReplicas\": 5,"
           "\"scaleTargetRef\": {\"kind\": \"Deployment\", \"name\": \"queue\"}}},"
           "{\"metadata\": {\"namespace\": \"other\", \"name\": \"x\"}, \"spec\": {\"maxReplicas\": 5,"
           "\"scaleTargetRef\": {\"kind\": \"Deployment\", \"name\": \"free\"}}}",
           "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"queue\"}, \"spec\": {\"scaleTargetRef\": {\"name\": "
           "\"queue\"}, \"maxReplicaCount\": 7}},"
           "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"paused\"}, \"spec\": {\"scaleTargetRef\": {\"name\": "
           "\"paused\"}, \"minReplicaCount\": 1}}",
           "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"v\"}, \"spec\": {\"targetRef\": {\"kind\": "
           "\"Deployment\","
           "\"name\": \"web\"}}},"
           "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"off\"}, \"spec\": {\"targetRef\": {\"kind\": "
           "\"Deployment\", \"name\": \"free\"}, \"updatePolicy\": {\"updateMode\": \"Off\"}}}",
           BUDGET("p", "4", "{}"));
    bench_items(
        &bench, "",
        DEPLOYMENT("free", "") "," DEPLOYMENT("paused", "") "," DEPLOYMENT("queue", "") "," DEPLOYMENT("web", ""));
    bench_items(&bench, "", "");
    const struct adapter_reply *reply = bench_list(&bench, WORKLOAD, 10);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    const struct cloud_resource *free = reply->as.resources, *paused = free + 1, *queue = free + 2, *web = free + 3;
    cr_expect_null(free->count_manager);
    cr_expect_eq(free->count_min, 4, "of the disruption budget");
    cr_expect_null(free->size_manager);
    cr_expect_str_eq(paused->count_manager, "ScaledObject/paused");
    cr_expect_eq(paused->count_min, 1);
    cr_expect_eq(paused->count_max, 100);
    cr_expect_str_eq(queue->count_manager, "ScaledObject/queue");
    cr_expect_eq(queue->count_min, 1);
    cr_expect_eq(queue->count_max, 5);
    cr_expect_str_eq(web->count_manager, "HorizontalPodAutoscaler/web");
    cr_expect_eq(web->count_min, 2, "the autoscaler's own, whatever the disruption budget asks for");
    cr_expect_eq(web->count_max, 9);
    cr_expect_str_eq(web->size_manager, "VerticalPodAutoscaler/v");
}

#define EXPRESSION(key, operator, values)                                                                              \
    "{\"matchExpressions\": [{\"key\": \"" key "\", \"operator\": \"" operator"\", \"values\": [" values "]}]}"

static const struct {
    const char *budget;
    int64_t count_min;
} budgets[] = {
    {BUDGET("p", "2", "{\"matchLabels\": {\"app\": \"web\"}}"), 2},
    {BUDGET("p", "2", "{\"matchLabels\": {\"app\": \"api\"}}"), 0},
    {BUDGET("p", "2", "{\"matchLabels\": {\"app\": \"web\", \"tier\": \"x\"}}"), 0},
    {BUDGET("p", "\"50%\"", "{\"matchLabels\": {\"app\": \"web\"}}"), 0},
    {BUDGET("p", "2", "{}"), 2},
    {BUDGET("p", "2", "null"), 0},
    {BUDGET("p", "2", EXPRESSION("app", "In", "\"api\", \"web\"")), 2},
    {BUDGET("p", "2", EXPRESSION("app", "NotIn", "\"api\", \"web\"")), 0},
    {BUDGET("p", "2", EXPRESSION("tier", "NotIn", "\"x\"")), 2},
    {BUDGET("p", "2", EXPRESSION("app", "Exists", "")), 2},
    {BUDGET("p", "2", EXPRESSION("tier", "Exists", "")), 0},
    {BUDGET("p", "2", EXPRESSION("tier", "DoesNotExist", "")), 2},
    {BUDGET("p", "2", "{}") "," BUDGET("q", "4", "{}") "," BUDGET("r", "3", "{}"), 4},
};

Test(kubernetes_list, a_disruption_budget_with_a_number_bounds_the_pods_that_it_selects) {
    bench_open_well(&bench, NULL);
    for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
        if (bench.server.step_at + 7 > SCRIPT_STEPS_MAX) {
            bench_release(&bench);
            bench_init(&bench);
            bench_open_well(&bench, NULL);
        }
        before("", "", "", "", budgets[i].budget);
        bench_items(&bench, "", DEPLOYMENT("web", ""));
        bench_items(&bench, "", "");
        const struct adapter_reply *reply = bench_list(&bench, WORKLOAD, 10);
        cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
        cr_expect_eq(reply->as.resources[0].count_min, budgets[i].count_min, "row %zu", i);
    }
}

Test(kubernetes_list, pods_with_other_requests_than_were_asked_for_have_drifted) {
#define POD(name, phase, cpu, owner)                                                                                   \
    "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"" name "\", \"labels\": {\"pod-template-hash\": \"6b7c\"},"  \
    "\"ownerReferences\": [{\"apiVersion\": \"apps/v1\", \"kind\": \"ReplicaSet\", \"name\": \"" owner                 \
    "\", \"controller\": true}]}, \"spec\": {\"containers\": [{\"resources\": {\"requests\": {\"cpu\": \"" cpu         \
    "\", \"memory\": \"64Mi\"}}}]}, \"status\": {\"phase\": \"" phase "\"}}"
    bench_open_well(&bench, NULL);
    nothing_before();
    bench_items(
        &bench, "",
        "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"web\", \"annotations\": {\"trimtab.dev/requests\": "
        "\"{\\\"cpu\\\": \\\"500m\\\"}\"}}, \"spec\": {\"template\": {\"spec\": {\"containers\": [{\"resources\": "
        "{\"requests\": {\"cpu\": \"2\", \"memory\": \"64Mi\"}}}]}}}}");
    bench_items(&bench, "", "");
    bench_items(&bench, "",
                POD("w1", "Running", "0.5", "web-6b7c") "," POD("w2", "Running", "2", "web-6b7c") "," //
                POD("w3", "Pending", "2", "web-6b7c") "," POD("w4", "Running", "2", "webb-6b7c") ","  //
                POD("w5", "Running", "2", "web-6b7d"));
    const struct adapter_reply *reply = bench_list(&bench, WORKLOAD, 10);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_eq(reply->as.resources[0].vcpu_milli, 500);
    cr_expect_eq(reply->as.resources[0].memory_mib, 64);
    cr_expect_eq(reply->as.resources[0].count, 1, "replicas has a default");
    cr_expect_eq(reply->as.resources[0].drifted, 1);
    cr_expect(was_asked(7, "/api/v1/pods?limit=500&fieldSelector=status.phase%21%3DSucceeded%2C"));
}

Test(kubernetes_list, a_claim_is_in_use_while_a_pod_mounts_it) {
#define CLAIM(name, phase)                                                                                             \
    "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"" name "\"}, \"spec\": {\"storageClassName\": \"fast\","     \
    "\"resources\": {\"requests\": {\"storage\": \"5Gi\"}}}, \"status\": {\"phase\": \"" phase "\"}}"
    bench_open_well(&bench, NULL);
    bench_items(&bench, "",
                CLAIM("a", "Bound") "," CLAIM("b", "Bound") "," CLAIM("c", "Pending") "," CLAIM("d", "Lost"));
    bench_items(
        &bench, "",
        "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"db-0\", \"ownerReferences\": [{\"apiVersion\": "
        "\"apps/v1\", \"kind\": \"StatefulSet\", \"name\": \"db\", \"controller\": true}]}, \"spec\": {\"volumes\":"
        "[{\"name\": \"x\"}, {\"persistentVolumeClaim\": {\"claimName\": \"b\"}}]}}");
    const struct adapter_reply *reply = bench_list(&bench, VOLUME, 10);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 4);
    const struct cloud_resource *a = reply->as.resources, *b = a + 1;
    cr_expect_str_eq(a->id, "shop/PersistentVolumeClaim/a");
    cr_expect_eq(a->state, CLOUD_AVAILABLE);
    cr_expect_str_eq(a->type, "fast");
    cr_expect_eq(a->memory_mib, 5120);
    cr_expect_null(a->parent);
    cr_expect_eq(b->state, CLOUD_IN_USE);
    cr_expect_str_eq(b->parent, "shop/StatefulSet/db");
    cr_expect_eq(a[2].state, CLOUD_PENDING);
    cr_expect_eq(a[3].state, CLOUD_STATE_UNKNOWN);
}

Test(kubernetes_list, nodes_have_their_clouds_type_zone_state_and_price) {
#define NODE_OF(name, labels, spec, ready)                                                                             \
    "{\"metadata\": {\"name\": \"" name "\", \"labels\": {" labels "}}, \"spec\": {" spec "}, \"status\": {"           \
    "\"allocatable\": {\"cpu\": \"3920m\", \"memory\": \"15728640Ki\"}, \"conditions\": [{\"type\": \"Ready\","        \
    "\"status\": \"" ready "\"}]}}"
    bench_open_well(&bench, "{\"nodePrices\": [{\"instanceType\": \"m5.*\", \"hourly\": \"0.2\"}]}");
    bench_items(&bench, "",
                NODE_OF("n1",
                        "\"node.kubernetes.io/instance-type\": \"m5.xlarge\", \"topology.kubernetes.io/zone\": \"z1\","
                        "\"eks.amazonaws.com/capacityType\": \"SPOT\"",
                        "", "True") "," //
                NODE_OF("n2", "\"cloud.google.com/gke-spot\": \"false\"", "\"unschedulable\": true",
                        "True") "," NODE_OF("n3", "", "", "Unknown") "," NODE_OF("n4", "", "", "False"));
    const struct adapter_reply *reply = bench_list(&bench, NODE, 10);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 4);
    const struct cloud_resource *it = reply->as.resources;
    cr_expect_str_eq(it->id, "n1");
    cr_expect_str_eq(it->type, "m5.xlarge");
    cr_expect_str_eq(it->zone, "z1");
    cr_expect(it->is_spot);
    cr_expect_eq(it->vcpu_milli, 3920);
    cr_expect_eq(it->memory_mib, 15360);
    cr_expect_eq(it->price_hourly, 200000);
    cr_expect_eq(it->state, CLOUD_RUNNING);
    cr_expect_not(it[1].is_spot);
    cr_expect_eq(it[1].price_hourly, 0);
    cr_expect_eq(it[1].state, CLOUD_STOPPING);
    cr_expect_eq(it[2].state, CLOUD_STATE_UNKNOWN);
    cr_expect_eq(it[3].state, CLOUD_PENDING);
}

Test(kubernetes_list, a_pods_price_is_its_share_of_the_nodes) {
    bench_open_well(&bench, "{\"nodePrices\": [{\"instanceType\": \"big\", \"hourly\": \"1.0\"}]}");
    before("{\"metadata\": {\"name\": \"n\", \"labels\": {\"node.kubernetes.io/instance-type\": \"big\"}}, \"status\": "
           "{\"allocatable\": {\"cpu\": \"13500m\", \"memory\": \"1010Mi\"}}}",
           "", "", "", "");
    bench_items(&bench, "", DEPLOYMENT("web", "")); /* A tenth of the node's cpu and of its memory. */
    bench_items(&bench, "", "");
    const struct adapter_reply *reply = bench_list(&bench, WORKLOAD, 10);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 1, "the nodes were not asked for");
    cr_expect_eq(reply->as.resources[0].price_hourly, 100000, "%ld", (long)reply->as.resources[0].price_hourly);
}

Test(kubernetes_list, another_region_is_refused_and_kinds_unknown_here_are_nothing) {
    bench_open_well(&bench, NULL);
    const struct cloud_query query = {.kinds = WORKLOAD, .region = "us-east-1", .count_max = 1};
    cr_expect_eq(bench_query(&bench, adapter_kubernetes.list, &query)->error.class, ERR_PERMANENT);
    cr_expect_eq(bench_list(&bench, 1u << CLOUD_BUCKET, 1)->error.class, ERR_NONE);
    cr_expect_eq(bench.server.request_count, 0);
}
