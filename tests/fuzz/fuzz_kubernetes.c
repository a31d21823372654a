/*
 * Fuzz target: the replies of an API server, of metrics.k8s.io and of Prometheus. fuzz_reply.h says how an input reads.
 * The options of our own:
 *
 *      8  usage from Prometheus
 *     16  usage: of memory; a resize by rollout
 *     32  only the namespaces shop and data
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_reply.h"

#define OPTION_PROMETHEUS FUZZ_OWN
#define OPTION_OTHER (FUZZ_OWN * 2)
#define OPTION_NAMESPACES (FUZZ_OWN * 4)

#define SERVER "http://127.0.0.1:6443"
#define PROMETHEUS "http://127.0.0.1:9090"
#define TOKEN "s3cr3t-t0ken"
#define PROMETHEUS_TOKEN "prometheus-t0ken"
#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define HOUR_MS INT64_C(3600000)
#define USAGE_FROM_MS (FUZZ_START_MS - FUZZ_START_MS % HOUR_MS - 3 * HOUR_MS)

static const char *credential(void *ctx, const char *key) {
    (void)ctx;
    if (str_eq(key, "PROMETHEUS_TOKEN"))
        return PROMETHEUS_TOKEN;
    return !str_eq(key, "kubeconfig") ? NULL
                                      : "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                                        "clusters: [{name: k, cluster: {server: \"" SERVER "\"}}]\n"
                                        "users: [{name: u, user: {token: " TOKEN "}}]\n"
                                        "contexts: [{name: c, context: {cluster: k, user: u}}]\n";
}

#define TARGET(verb_, kind_, id_) .verb = verb_, .kind = kind_, .region = CLOUD_REGION_CLUSTER, .id = id_, .token = "t"
#define TAGS .tags = tags, .tag_count = 2
static const struct cloud_tag tags[] = {{"app", "web"}, {CLOUD_TAG_OWNER, "trimtab"}};
static const struct cloud_action actions[] = {
    {TARGET(CLOUD_SCALE, CLOUD_WORKLOAD, "shop/Deployment/web"), .count = 5},
    {TARGET(CLOUD_RESIZE, CLOUD_WORKLOAD, "shop/Deployment/web"), .vcpu_milli = 250},
    {TARGET(CLOUD_RESIZE, CLOUD_WORKLOAD, "shop/StatefulSet/db"), .vcpu_milli = 500, .memory_mib = 512},
    {TARGET(CLOUD_START, CLOUD_WORKLOAD, "shop/Deployment/web")},
    {TARGET(CLOUD_STOP, CLOUD_WORKLOAD, "shop/Deployment/web")},
    {TARGET(CLOUD_SET_BOUNDS, CLOUD_WORKLOAD, "shop/Deployment/web"), .count_min = 3, .count_max = 12},
    {TARGET(CLOUD_TAG, CLOUD_WORKLOAD, "shop/Deployment/web"), TAGS},
    {TARGET(CLOUD_DELETE, CLOUD_VOLUME, "shop/PersistentVolumeClaim/data")},
    {TARGET(CLOUD_DELETE, CLOUD_SNAPSHOT, "shop/VolumeSnapshot/s")},
    {TARGET(CLOUD_TAKE_SNAPSHOT, CLOUD_VOLUME, "shop/PersistentVolumeClaim/data"), TAGS},
};

/* A reply that names a token itself, as a page link say, gets it back in the next URL: that is no leak. */
static bool is_told_by_reply;

static bool names_token(const uint8_t *data, size_t size) {
    return memmem(data, size, TOKEN, strlen(TOKEN)) != NULL ||
           memmem(data, size, PROMETHEUS_TOKEN, strlen(PROMETHEUS_TOKEN)) != NULL;
}

/* Each token goes to its own server; what only reads asks by GET. */
static void check_request(const struct http_request *request, enum fuzz_verb verb) {
    bool is_server = str_has_prefix(request->url, SERVER);
    for (size_t i = 0; i < HTTP_HEADERS_MAX && request->headers[i] != NULL; i++)
        ASSERT(strstr(request->headers[i], is_server ? PROMETHEUS_TOKEN : TOKEN) == NULL);
    ASSERT(is_told_by_reply || (strstr(request->url, TOKEN) == NULL && strstr(request->url, PROMETHEUS_TOKEN) == NULL));
    ASSERT(verb >= FUZZ_POLL || !is_server || str_eq(request->method, "GET"));
}

static bool has_prometheus;

static bool holds_secret(const char *text) {
    return strstr(text, TOKEN) != NULL || (has_prometheus && strstr(text, PROMETHEUS_TOKEN) != NULL);
}

static const struct fuzz_target target = {
    .ops = &adapter_kubernetes,
    .origins = (const char *const[]){SERVER, PROMETHEUS, NULL},
    .holds_secret = holds_secret,
    .actions = actions,
    .action_count = sizeof(actions) / sizeof(actions[0]),
    .check_request = check_request,
};

static struct cloud_query query_of(const struct fuzz_input *input) {
    static const char *const ids[] = {"shop/Deployment/web", "shop/StatefulSet/db", "shop/Deployment/gone"};
    bool is_charges = input->verb == FUZZ_CHARGES;
    return (struct cloud_query){.region = CLOUD_REGION_CLUSTER,
                                .kind = CLOUD_WORKLOAD,
                                .metric = (input->options & OPTION_OTHER) != 0 ? CLOUD_METRIC_MEMORY : CLOUD_METRIC_CPU,
                                .ids = ids,
                                .id_count = 3,
                                .from_ms = is_charges ? FUZZ_START_MS - 3 * DAY_MS : USAGE_FROM_MS,
                                .to_ms = is_charges ? FUZZ_START_MS : USAGE_FROM_MS + DAY_MS,
                                .step_ms = HOUR_MS};
}

#define NODE_PRICES "\"nodePrices\":[{\"instanceType\":\"bare-*\",\"hourly\":\"0.42\"}]"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const blocks[] = {"{" NODE_PRICES "}", "{" NODE_PRICES ",\"namespaces\":[\"shop\",\"data\"]}",
                                         "{\"prometheus\":{\"url\":\"" PROMETHEUS "\"}}"};
    struct fuzz_input input;
    struct error err = {0};
    struct json *parameters = NULL;
    if (!fuzz_input_read(data, size, target.action_count, &input))
        return 0;
    is_told_by_reply = names_token(data, size);
    input.is_rollout = (input.options & OPTION_OTHER) != 0;
    has_prometheus = (input.options & OPTION_PROMETHEUS) != 0;
    size_t block = has_prometheus ? 2 : (input.options & OPTION_NAMESPACES) != 0 ? 1 : 0;
    ASSERT(json_parse(bytes_of(blocks[block]), &parameters, &err) == ERR_NONE);
    const struct adapter_config config = {.name = "fuzz", .parameters = parameters, .credential = credential};
    const struct cloud_query query = query_of(&input);
    fuzz_adapter(&target, &config, &query, &input);
    json_free(parameters);
    return 0;
}
