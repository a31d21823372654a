/*
 * Fuzz target: the replies of an API server, and of Prometheus where the input's size is odd. Whatever a server says,
 * each verb of the contract answers once, what it reports is in order and valid UTF-8, and an error has a text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_reply.h"

static const char *credential(void *ctx, const char *key) {
    (void)ctx;
    return str_eq(key, "kubeconfig") ? "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                                       "clusters: [{name: k, cluster: {server: \"http://127.0.0.1:1\"}}]\n"
                                       "users: [{name: u, user: {token: t0ken}}]\n"
                                       "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
                                     : NULL;
}

#define WORKLOAD(action)                                                                                               \
    .verb = (action), .kind = CLOUD_WORKLOAD, .region = CLOUD_REGION_CLUSTER, .id = "shop/Deployment/web", .token = "t"

static const struct cloud_tag tags[] = {{"app", "web"}, {CLOUD_TAG_OWNER, "trimtab"}};
static const struct cloud_action actions[] = {
    {WORKLOAD(CLOUD_SCALE), .count = 3},
    {WORKLOAD(CLOUD_SET_BOUNDS), .count_min = 1, .count_max = 3},
    {WORKLOAD(CLOUD_RESIZE), .vcpu_milli = 500, .memory_mib = 256},
    {WORKLOAD(CLOUD_RESIZE), .vcpu_milli = 500, .memory_mib = 256, .is_rollout = true},
    {WORKLOAD(CLOUD_TAG), .tags = tags, .tag_count = 2},
    {.verb = CLOUD_DELETE,
     .kind = CLOUD_VOLUME,
     .region = CLOUD_REGION_CLUSTER,
     .id = "shop/PersistentVolumeClaim/v",
     .token = "t"},
    {.verb = CLOUD_TAKE_SNAPSHOT,
     .kind = CLOUD_VOLUME,
     .region = CLOUD_REGION_CLUSTER,
     .id = "shop/PersistentVolumeClaim/v",
     .tags = tags,
     .tag_count = 2,
     .token = "t"},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const ids[] = {"shop/Deployment/web", "shop/StatefulSet/db"};
    static const char *const operations[] = {"", "resize shop/Deployment/web 500 256"};
    static const char parameters[] = "{\"prometheus\": {\"url\": \"http://127.0.0.1:2\"}, "
                                     "\"nodePrices\": [{\"instanceType\": \"*\", \"hourly\": \"0.2\"}]}";
    struct json *block = NULL;
    struct error err = {0};
    enum err_class class = json_parse(bytes_of(parameters), &block, &err);
    ASSERT(class == ERR_NONE);
    const struct adapter_config config = {
        .name = "fuzz", .credential = credential, .parameters = size % 2 != 0 ? block : NULL};
    const struct cloud_query query = {.kinds = (1u << CLOUD_KIND_COUNT) - 1,
                                      .region = CLOUD_REGION_CLUSTER,
                                      .count_max = 1000,
                                      .kind = CLOUD_WORKLOAD,
                                      .ids = ids,
                                      .id_count = 2,
                                      .from_ms = FUZZ_START_MS - 3600000,
                                      .to_ms = FUZZ_START_MS,
                                      .step_ms = 300000};
    fuzz_adapter(&adapter_kubernetes, &config, &query, actions, sizeof(actions) / sizeof(actions[0]), operations,
                 sizeof(operations) / sizeof(operations[0]), data, size);
    json_free(block);
    return 0;
}
