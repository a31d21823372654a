/*
 * What is on each node: pods that are alike counted together, and what forbids to move one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "bench.h"

static struct bench bench;

static void set_up(void) {
    bench_init(&bench);
}

static void tear_down(void) {
    bench_release(&bench);
}

TestSuite(kubernetes_loads, .init = set_up, .fini = tear_down);

#define NODE(name, annotations, labels, spec)                                                                          \
    "{\"metadata\": {\"name\": \"" name "\", \"annotations\": {" annotations "}, \"labels\": {" labels "}},"           \
    "\"spec\": {" spec "}, \"status\": {\"allocatable\": {\"cpu\": \"4\", \"memory\": \"16Gi\", \"pods\": \"58\"},"    \
    "\"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}]}}"
#define OWNER(kind, name)                                                                                              \
    ", \"ownerReferences\": [{\"apiVersion\": \"apps/v1\", \"controller\": true, \"kind\": \"" kind                    \
    "\", \"name\": \"" name "\"}]"
#define POD(name, metadata, spec)                                                                                      \
    "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"" name "\", \"labels\": {\"app\": \"web\","                  \
    "\"pod-template-hash\": \"5d\"}" metadata "}, \"spec\": {\"containers\": [{\"resources\": {\"requests\": "         \
    "{\"cpu\": \"500m\", \"memory\": \"256Mi\"}}}]" spec "}, \"status\": {\"phase\": \"Running\"}}"
#define WEB OWNER("ReplicaSet", "web-5d")
#define ON(node) ", \"nodeName\": \"" node "\""

/* Lists the nodes with what is on them. */
static const struct adapter_reply *list(const char *nodes, const char *budgets, const char *pods) {
    const struct cloud_query query = {
        .kinds = 1u << CLOUD_NODE, .region = CLOUD_REGION_CLUSTER, .count_max = 10, .wants_loads = true};
    bench_items(&bench, "", nodes);
    bench_items(&bench, "", budgets);
    bench_items(&bench, "", pods);
    const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.list, &query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    return reply;
}

static const struct cloud_node *one(const char *budgets, const char *pods) {
    const struct adapter_reply *reply = list(NODE("n1", "", "", ""), budgets, pods);
    cr_assert_eq(reply->count, 1u);
    cr_assert_not_null(reply->as.resources[0].node);
    return reply->as.resources[0].node;
}

Test(kubernetes_loads, pods_that_are_alike_are_counted_together_by_workload_and_node) {
    bench_open_well(&bench, NULL);
    const struct adapter_reply *reply =
        list(NODE("n1", "", "", "") "," NODE("n2", "", "", "") "," NODE("n3", "", "", ""), "",
             POD("web-5d-a", WEB, ON("n1")) "," POD("db-0", OWNER("StatefulSet", "db"), ON("n1")) "," //
             POD("web-5d-b", WEB, ON("n2")) "," POD("web-5d-c", WEB, ON("n1")) ","                    //
             POD("agent-x", OWNER("DaemonSet", "agent"), ON("n1")) ","                                //
             POD("night-x", OWNER("Job", "night"), ON("n2")) "," POD("gone", "", ON("nowhere")));
    cr_assert_eq(reply->count, 3u);
    const struct cloud_node *n1 = reply->as.resources[0].node, *n2 = reply->as.resources[1].node;
    cr_expect_eq(n1->pods_max, 58);
    cr_assert_eq(n1->load_count, 2u);
    cr_expect_str_eq(n1->loads[0].workload, "shop/Deployment/web");
    cr_expect_eq(n1->loads[0].count, 2);
    cr_expect_eq(n1->loads[0].vcpu_milli, 500);
    cr_expect_eq(n1->loads[0].memory_mib, 256);
    cr_expect_null(n1->loads[0].stays);
    cr_expect_str_eq(n1->loads[0].keys, "");
    cr_expect_not(n1->loads[0].is_apart);
    cr_expect_str_eq(n1->loads[1].workload, "shop/StatefulSet/db");
    cr_expect_eq(n1->fixed_pods, 1);
    cr_expect_eq(n1->fixed_vcpu_milli, 500);
    cr_expect_eq(n1->fixed_memory_mib, 256);
    cr_expect_null(n1->keep);
    cr_assert_eq(n2->load_count, 2u);
    cr_expect_str_eq(n2->loads[1].workload, "shop/Job/night");
    cr_expect_eq(reply->as.resources[2].node->load_count, 0u);
    cr_expect_eq(reply->request_count, 3u);
}

Test(kubernetes_loads, what_keeps_a_node) {
    static const struct {
        const char *node, *pod, *keep, *taints;
    } rows[] = {
        {NODE("n1", "\"karpenter.sh/do-not-disrupt\": \"true\"", "", ""), "", "karpenter.sh/do-not-disrupt", ""},
        {NODE("n1", "\"cluster-autoscaler.kubernetes.io/scale-down-disabled\": \"true\"", "", ""), "",
         "cluster-autoscaler.kubernetes.io/scale-down-disabled", ""},
        {NODE("n1", "", "\"node-role.kubernetes.io/control-plane\": \"\"", ""), "", "it runs the control plane", ""},
        {NODE("n1", "", "", ""), POD("b", "", ON("n1")) "," POD("a", "", ON("n1")), "pod shop/a has no controller", ""},
        {NODE("n1", "", "", ""), POD("a", ", \"annotations\": {\"kubernetes.io/config.mirror\": \"x\"}", ON("n1")),
         NULL, ""},
        {NODE("n1", "", "", ""), POD("a", ", \"deletionTimestamp\": \"2026-01-02T03:04:05Z\"", ON("n1")), NULL, ""},
        {NODE("n1", "", "",
              "\"taints\": [{\"key\": \"team\", \"value\": \"b\", \"effect\": \"NoSchedule\"}, {\"key\": \"gpu\","
              "\"effect\": \"NoExecute\"}, {\"key\": \"x\", \"effect\": \"PreferNoSchedule\"},"
              "{\"key\": \"node.kubernetes.io/unschedulable\", \"effect\": \"NoSchedule\"}]"),
         "", NULL, "gpu=:NoExecute,team=b:NoSchedule"},
    };
    bench_open_well(&bench, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct cloud_node *node = list(rows[i].node, "", rows[i].pod)->as.resources[0].node;
        cr_assert_not_null(node);
        cr_expect(str_eq(node->keep, rows[i].keep), "%zu: %s", i, node->keep);
        cr_expect_str_eq(node->taints, rows[i].taints);
        cr_expect_eq(node->load_count, 0u);
    }
}

/* Of a node that bears absurdly many the memory grows with their number, not with its square. */
Test(kubernetes_loads, many_taints_take_little_memory) {
    enum { MANY = 3000 };
    struct buf taints = {0}, node = {0};
    struct rusage before, after;
    for (size_t i = 0; i < MANY; i++)
        buf_printf(&taints, "%s{\"key\": \"%0100zu\", \"effect\": \"NoSchedule\"}", i ? "," : "", i);
    buf_printf(&node, "{\"metadata\": {\"name\": \"n1\"}, \"spec\": {\"taints\": [%s]}, \"status\": {}}",
               buf_text(&taints));
    bench_open_well(&bench, NULL);
    getrusage(RUSAGE_SELF, &before);
    const struct cloud_node *read = list(buf_text(&node), "", "")->as.resources[0].node;
    getrusage(RUSAGE_SELF, &after);
    cr_expect_eq(strlen(read->taints), (size_t)MANY * 113 - 1);
    cr_expect_lt(after.ru_maxrss - before.ru_maxrss, 100L << 10, "%ld KiB", after.ru_maxrss - before.ru_maxrss);
    buf_release(&taints);
    buf_release(&node);
}

Test(kubernetes_loads, what_binds_a_pod) {
#define ANNOTATED(text) WEB ", \"annotations\": {" text "}"
#define REQUIRED(kind, terms)                                                                                          \
    ", \"affinity\": {\"" kind "\": {\"requiredDuringSchedulingIgnoredDuringExecution\": " terms "}}"
#define SPREAD(key, when)                                                                                              \
    ", \"topologySpreadConstraints\": [{\"topologyKey\": \"" key "\", \"whenUnsatisfiable\": \"" when "\"}]"
#define VOLUME(text) ", \"volumes\": [{\"name\": \"v\", " text "}]"
#define ZONE "topology.kubernetes.io/zone"
#define HOST "kubernetes.io/hostname"
#define SELF "\"labelSelector\": {\"matchLabels\": {\"app\": \"web\"}}"
    static const struct {
        const char *pod, *stays, *keys;
        bool is_apart;
    } rows[] = {
        {POD("p", ANNOTATED("\"karpenter.sh/do-not-disrupt\": \"true\""), ON("n1")), "karpenter.sh/do-not-disrupt", "",
         false},
        {POD("p", ANNOTATED("\"cluster-autoscaler.kubernetes.io/safe-to-evict\": \"false\""), ON("n1")),
         "cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\"", "", false},
        {POD("p", WEB, ON("n1") VOLUME("\"emptyDir\": {}")), "local storage", "", false},
        {POD("p", WEB, ON("n1") VOLUME("\"hostPath\": {\"path\": \"/x\"}")), "local storage", "", false},
        {POD("p", WEB, ON("n1") VOLUME("\"emptyDir\": {\"medium\": \"Memory\"}")), NULL, "", false},
        {POD("p", ANNOTATED("\"cluster-autoscaler.kubernetes.io/safe-to-evict\": \"true\""),
             ON("n1") VOLUME("\"emptyDir\": {}")),
         NULL, "", false},
        {POD("p", ANNOTATED("\"cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes\": \"u,v\""),
             ON("n1") VOLUME("\"emptyDir\": {}")),
         NULL, "", false},
        {POD("p", ANNOTATED("\"cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes\": \"vv,u\""),
             ON("n1") VOLUME("\"emptyDir\": {}")),
         "local storage", "", false},
        {POD("p", WEB, ON("n1") VOLUME("\"persistentVolumeClaim\": {\"claimName\": \"c\"}")), NULL, ZONE, false},
        {POD("p", WEB, ON("n1") ", \"nodeSelector\": {\"b\": \"1\", \"a\": \"2\"}" SPREAD(ZONE, "DoNotSchedule")), NULL,
         "a,b," ZONE, false},
        {POD("p", WEB, ON("n1") SPREAD(HOST, "DoNotSchedule")), NULL, "", true},
        {POD("p", WEB, ON("n1") SPREAD(HOST, "ScheduleAnyway")), NULL, "", false},
        {POD("p", WEB,
             ON("n1")
                 REQUIRED("nodeAffinity", "{\"nodeSelectorTerms\": [{\"matchExpressions\": [{\"key\": \"a\"}]}]}")),
         NULL, "a", false},
        {POD("p", WEB,
             ON("n1") REQUIRED("nodeAffinity", "{\"nodeSelectorTerms\": [{\"matchFields\": [{\"key\": \"a\"}]}]}")),
         "it is bound to a node by name", "", false},
        {POD("p", WEB, ON("n1") REQUIRED("podAffinity", "[{\"topologyKey\": \"x\"}]")),
         "it has to run beside other pods", "", false},
        {POD("p", WEB, ON("n1") REQUIRED("podAntiAffinity", "[{\"topologyKey\": \"" HOST "\", " SELF "}]")), NULL, "",
         true},
        {POD("p", WEB, ON("n1") REQUIRED("podAntiAffinity", "[{\"topologyKey\": \"" ZONE "\", " SELF "}]")), NULL, ZONE,
         false},
        {POD("p", WEB,
             ON("n1") REQUIRED("podAntiAffinity", "[{\"topologyKey\": \"" HOST
                                                  "\", \"labelSelector\": {\"matchExpressions\": [{\"key\": \"app\","
                                                  "\"operator\": \"NotIn\", \"values\": [\"web\"]}]}}]")),
         "it may not run beside certain other pods", "", true},
        {POD("p", WEB, ON("n1") ", \"hostNetwork\": true"), NULL, "", true},
    };
    bench_open_well(&bench, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct cloud_node *node = one("", rows[i].pod);
        cr_assert_eq(node->load_count, 1u);
        cr_expect(str_eq(node->loads[0].stays, rows[i].stays), "%zu: %s", i, node->loads[0].stays);
        cr_expect_str_eq(node->loads[0].keys, rows[i].keys, "%zu: %s", i, node->loads[0].keys);
        cr_expect_eq(node->loads[0].is_apart, rows[i].is_apart, "%zu", i);
    }
}

Test(kubernetes_loads, a_disruption_budget_that_is_used_up_keeps_its_pods) {
#define BUDGET(name, app, allowed)                                                                                     \
    "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"" name "\"}, \"spec\": {\"maxUnavailable\": \"10%\","        \
    "\"selector\": {\"matchLabels\": {\"app\": \"" app "\"}}}, \"status\": {\"disruptionsAllowed\": " allowed "}}"
    bench_open_well(&bench, NULL);
    const struct cloud_node *node =
        one(BUDGET("z", "web", "0") "," BUDGET("a", "web", "1") "," BUDGET("b", "db", "0"), POD("p", WEB, ON("n1")));
    cr_assert_eq(node->load_count, 1u);
    cr_expect(str_eq(node->loads[0].stays, "PodDisruptionBudget z allows no disruption now"), "%s",
              node->loads[0].stays);
    node = one(BUDGET("z", "web", "1"), POD("p", WEB, ON("n1")));
    cr_expect_null(node->loads[0].stays);
}

Test(kubernetes_loads, a_pod_takes_what_placing_it_takes) {
    bench_open_well(&bench, NULL);
    const struct cloud_node *node =
        one("", POD("p", WEB,
                    ON("n1") ", \"overhead\": {\"cpu\": \"10m\", \"memory\": \"1Mi\"}, \"initContainers\": ["
                             "{\"restartPolicy\": \"Always\", \"resources\": {\"requests\": {\"cpu\": \"100m\"}}},"
                             "{\"resources\": {\"requests\": {\"cpu\": \"2\", \"nvidia.com/gpu\": \"1\"}}}]"));
    cr_expect_eq(node->loads[0].vcpu_milli, 2110, "its first step beside the sidecar before it");
    cr_expect_eq(node->loads[0].memory_mib, 257);
    node =
        one("", "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"g\"" WEB "}, \"spec\": {\"nodeName\": \"n1\","
                "\"containers\": [{\"ports\": [{\"hostPort\": 80}], \"resources\": {\"requests\": {\"nvidia.com/gpu\": "
                "\"1\"}}}]}}");
    cr_expect_str_eq(node->loads[0].stays, "it requests nvidia.com/gpu");
    cr_expect(node->loads[0].is_apart);
}

Test(kubernetes_loads, pods_without_a_node_are_told_on_each) {
    bench_open_well(&bench, NULL);
    const struct cloud_node *node = one("", POD("p", WEB, "") "," POD("q", WEB,
                                                                      ", \"schedulingGates\": [{\"name\": "
                                                                      "\"x\"}]") "," POD("r", WEB, ON("n1")));
    cr_expect_eq(node->pending, 1);
    cr_expect_eq(node->loads[0].count, 1);
}

Test(kubernetes_loads, what_is_not_all_seen_is_not_told) {
    const struct cloud_query query = {
        .kinds = 1u << CLOUD_NODE, .region = CLOUD_REGION_CLUSTER, .count_max = 10, .wants_loads = true};
    bench_open_well(&bench, NULL);
    bench_items(&bench, "", NODE("n1", "", "", ""));
    bench_items(&bench, "", "");
    bench_status(&bench, 403, "Forbidden", "may not list pods");
    const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.list, &query);
    cr_assert_eq(reply->error.class, ERR_NONE, "the nodes are told all the same");
    cr_assert_eq(reply->count, 1u);
    cr_expect_null(reply->as.resources[0].node);
}

Test(kubernetes_loads, of_some_namespaces_alone_no_load_is_told) {
    const struct cloud_query query = {
        .kinds = 1u << CLOUD_NODE, .region = CLOUD_REGION_CLUSTER, .count_max = 10, .wants_loads = true};
    bench_open_well(&bench, "{\"namespaces\": [\"shop\"]}");
    bench_items(&bench, "", NODE("n1", "", "", ""));
    const struct adapter_reply *reply = bench_query(&bench, adapter_kubernetes.list, &query);
    cr_assert_eq(reply->count, 1u);
    cr_expect_eq(reply->request_count, 1u);
    cr_expect_null(reply->as.resources[0].node);
}

Test(kubernetes_loads, pods_are_read_for_who_asks_alone_and_a_list_that_begins_again_counts_once) {
    bench_open_well(&bench, NULL);
    bench_items(&bench, "", NODE("n1", "", "", ""));
    const struct adapter_reply *reply = bench_list(&bench, 1u << CLOUD_NODE, 10);
    cr_expect_eq(reply->request_count, 1u);
    cr_expect_null(reply->as.resources[0].node);
    const struct cloud_query query = {
        .kinds = 1u << CLOUD_NODE, .region = CLOUD_REGION_CLUSTER, .count_max = 10, .wants_loads = true};
    bench_items(&bench, "", NODE("n1", "", "", ""));
    bench_items(&bench, "", "");
    bench_items(&bench, "t1", POD("p", WEB, ON("n1")) "," POD("q", WEB, ""));
    bench_status(&bench, 410, "Expired", "too old");
    bench_items(&bench, "", POD("p", WEB, ON("n1")));
    reply = bench_query(&bench, adapter_kubernetes.list, &query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_eq(reply->as.resources[0].node->loads[0].count, 1);
    cr_expect_eq(reply->as.resources[0].node->pending, 0);
}
