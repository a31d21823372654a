/*
 * The contract, held against a real control plane whose pods kwok plays (contract_cluster.py starts it). Each bed is a
 * namespace of its own with what kubernetes_bed.yaml says; the nodes are the cluster's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/runtime_uv.h"
#include "base/str.h"
#include "net/http.h"

#define PUMP_MS 30000
#define SETTLE_MS 20
#define TICK_MS 5
#define WAIT_MAX_MS 100
#define NODES 2

struct rig {
    struct contract_bed bed;
    uv_loop_t loop;
    uv_timer_t timer;
    struct runtime_uv runtime;
    struct http *http;
    char namespace[40], group[80], group_unknown[80], volume[80];
    const char *kubeconfig;
    struct adapter *second;
    uint64_t end_ms;
    bool is_over;
};

static const char *setting(const char *name) {
    const char *value = getenv(name);
    cr_assert(value != NULL, "%s is not set: tests/support/contract_cluster.py does so", name);
    return value;
}

/* Runs kubectl to its end; it must succeed. */
static void kubectl(const char *const *words) {
    const char *program = setting("CONTRACT_KUBECTL");
    char *argv[16] = {mem_strdup(program), mem_printf("--kubeconfig=%s", setting("CONTRACT_KUBECONFIG"))};
    size_t count = 2;
    for (; *words != NULL && count < 15; words++)
        argv[count++] = mem_strdup(*words);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    pid_t child;
    int status = -1;
    cr_assert_eq(posix_spawn(&child, program, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "kubectl %s %s", argv[2], argv[3]);
    for (size_t i = 0; i < count; i++)
        mem_free(argv[i]);
}
#define KUBECTL(...) kubectl((const char *const[]){__VA_ARGS__, NULL})

static const char *credential(void *ctx, const char *key) {
    const struct rig *rig = ctx;
    return str_eq(key, "KUBECONFIG") ? rig->kubeconfig : NULL;
}

static struct adapter *open_adapter(struct rig *rig) {
    struct error err = {0};
    struct json *parameters;
    struct adapter *adapter = NULL;
    char *text = mem_printf("{\"namespaces\": [\"%s\"]}", rig->namespace);
    cr_assert_eq(json_parse(bytes_of(text), &parameters, &err), ERR_NONE, "%s", err.message);
    mem_free(text);
    setenv("KUBECONFIG", rig->kubeconfig, 1);
    const struct adapter_env env = {.runtime = &rig->runtime.base, .http = rig->http};
    const struct adapter_config config = {.name = "contract",
                                          .credential = credential,
                                          .credential_ctx = rig,
                                          .is_environment = true,
                                          .parameters = parameters};
    cr_assert_eq(adapter_kubernetes.open(&adapter, &env, &config, &err), ERR_NONE, "%s", err.message);
    json_free(parameters);
    return adapter;
}

static void make_objects(struct rig *rig) {
    static int number;
    snprintf(rig->namespace, sizeof(rig->namespace), "contract-%ld-%d", (long)getpid(), number++);
    KUBECTL("create", "namespace", rig->namespace);
    KUBECTL("-n", rig->namespace, "apply", "-f", "tests/contract/kubernetes_bed.yaml");
    KUBECTL("-n", rig->namespace, "rollout", "status", "deployment/web", "--timeout=60s");
}

static struct contract_bed *rig_open(bool slow) {
    struct rig *rig = mem_alloc(sizeof(*rig));
    make_objects(rig);
    rig->kubeconfig = setting(slow ? "CONTRACT_KUBECONFIG_SLOW" : "CONTRACT_KUBECONFIG");
    uv_loop_init(&rig->loop);
    uv_timer_init(&rig->loop, &rig->timer);
    runtime_uv_init(&rig->runtime, &rig->loop, 1, 0);
    rig->http = http_new(&rig->loop, &(struct http_options){.user_agent = "trimtab-contract"});
    snprintf(rig->group, sizeof(rig->group), "%s/Deployment/web", rig->namespace);
    snprintf(rig->group_unknown, sizeof(rig->group_unknown), "%s/Deployment/none", rig->namespace);
    snprintf(rig->volume, sizeof(rig->volume), "%s/PersistentVolumeClaim/data", rig->namespace);
    rig->bed = (struct contract_bed){.adapter = open_adapter(rig),
                                     .region = CLOUD_REGION_CLUSTER,
                                     .region_bad = "us-east-1",
                                     .group = rig->group,
                                     .group_is_workload = true,
                                     .moves_by_itself = true,
                                     .group_unknown = rig->group_unknown,
                                     .size = 2,
                                     .size_other = 3,
                                     .resource_count = 2 + NODES,
                                     .now_ms = runtime_wall_ms(&rig->runtime.base),
                                     .timeout_ms = 4000, /* A slow PATCH takes twice that. */
                                     .targets = {[CLOUD_WORKLOAD] = rig->group, [CLOUD_VOLUME] = rig->volume},
                                     .vcpu_milli_other = 800,
                                     .tag_key = "example.com/cost_Center-1",
                                     .tag_value = "a-B_c.9"};
    return &rig->bed;
}

static void on_timer(uv_timer_t *timer) {
    struct rig *rig = timer->data;
    rig->is_over = uv_now(&rig->loop) >= rig->end_ms;
}

static bool turn(struct rig *rig, const bool *until, uint32_t time_ms) {
    rig->is_over = false;
    rig->timer.data = rig;
    uv_update_time(&rig->loop);
    rig->end_ms = uv_now(&rig->loop) + time_ms;
    /* A turn may set *until in its beginning and then wait for what comes next: a tick. */
    uv_timer_start(&rig->timer, on_timer, TICK_MS, TICK_MS);
    while (!*until && !rig->is_over)
        uv_run(&rig->loop, UV_RUN_ONCE);
    uv_timer_stop(&rig->timer);
    return *until;
}

static struct rig *rig_of(struct contract_bed *bed) {
    return CONTAINER_OF(bed, struct rig, bed);
}

static bool rig_pump(struct contract_bed *bed, const bool *until) {
    return turn(rig_of(bed), until, PUMP_MS);
}

static void rig_settle(struct contract_bed *bed) {
    const bool never = false;
    (void)turn(rig_of(bed), &never, SETTLE_MS);
}

static void rig_wait(struct contract_bed *bed, uint32_t time_ms) {
    const bool never = false;
    (void)turn(rig_of(bed), &never, time_ms < WAIT_MAX_MS ? time_ms : WAIT_MAX_MS);
}

static void on_closed(void *ctx) {
    *(bool *)ctx = true;
}

static void shut_adapter(struct rig *rig, struct adapter *adapter) {
    bool closed = false;
    if (adapter == NULL)
        return;
    adapter->ops->close(adapter, on_closed, &closed);
    cr_assert(turn(rig, &closed, PUMP_MS));
}

static void rig_shut(struct contract_bed *bed) {
    struct rig *rig = rig_of(bed);
    bool closed = false;
    shut_adapter(rig, bed->adapter);
    shut_adapter(rig, rig->second);
    http_close(rig->http, on_closed, &closed);
    cr_assert(turn(rig, &closed, PUMP_MS));
    http_free(rig->http);
    runtime_uv_close(&rig->runtime);
    uv_close((uv_handle_t *)&rig->timer, NULL);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    runtime_uv_release(&rig->runtime);
    cr_expect_eq(uv_loop_close(&rig->loop), 0, "handles are left over");
    KUBECTL("delete", "namespace", rig->namespace, "--wait=false");
    mem_free(rig);
}

static struct adapter *rig_another(struct contract_bed *bed) {
    struct rig *rig = rig_of(bed);
    if (rig->second == NULL)
        rig->second = open_adapter(rig);
    return rig->second;
}

/* No snapshot controller is among the parts of the test's cluster: see test_kubernetes_actions.py. */
static const struct contract_factory factory = {.open = rig_open,
                                                .pump = rig_pump,
                                                .settle = rig_settle,
                                                .wait = rig_wait,
                                                .shut = rig_shut,
                                                .another = rig_another,
                                                .lacks = {[CLOUD_VOLUME] = 1u << CLOUD_TAKE_SNAPSHOT,
                                                          [CLOUD_SNAPSHOT] = 1u << CLOUD_DELETE | 1u << CLOUD_TAG,
                                                          [CLOUD_WORKLOAD] = 1u << CLOUD_SET_BOUNDS}};

#define CASE(name)                                                                                                     \
    Test(contract_kubernetes, name) {                                                                                  \
        contract_##name(&factory);                                                                                     \
    }
CONTRACT_CASES(CASE)
CONTRACT_TAKEOVER_CASES(CASE)
