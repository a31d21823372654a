/*
 * The contract, held against the simulated cloud on the virtual clock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "probe.h"

#include "adapters/common/catalogue.h"
#include "base/mem.h"
#include "base/runtime_virtual.h"
#include "base/str.h"

#define START_MS INT64_C(1790000000000)
#define PUMP_NS (300 * NS_PER_S)

static const char parameters[] =
    "{\"seed\": 7, \"faults\": {\"latency\": \"%s\"},"
    " \"groups\": ["
    "  {\"name\": \"web\", \"region\": \"us-east-1\", \"instanceType\": \"m5.xlarge\", \"count\": 6, \"min\": 2,"
    "   \"max\": 20, \"bootDelay\": \"3m\", \"tags\": {\"team\": \"checkout\", \"stay\": \"1\"},"
    "   \"demand\": {\"trace\": \"nasa_http_1995_jul.csv\", \"vcpuPeak\": \"40\"}},"
    "  {\"name\": \"batch\", \"region\": \"us-east-1\", \"instanceType\": \"c5.large\", \"count\": 1},"
    "  {\"name\": \"web\", \"region\": \"eu-west-1\", \"instanceType\": \"m5.xlarge\", \"count\": 1}],"
    " \"instances\": ["
    "  {\"name\": \"old\", \"region\": \"us-east-1\", \"instanceType\": \"m5.large\", \"state\": \"stopped\"},"
    "  {\"name\": \"bastion\", \"region\": \"us-east-1\", \"instanceType\": \"t3.micro\", \"bootDelay\": \"1m\","
    "   \"tags\": {\"stay\": \"1\"}}],"
    " \"volumes\": ["
    "  {\"name\": \"data\", \"region\": \"us-east-1\", \"type\": \"ssd\", \"sizeGiB\": 100, \"snapshotDelay\": \"2m\","
    "   \"tags\": {\"stay\": \"1\"}}]}";

struct rig {
    struct contract_bed bed;
    struct runtime_virtual runtime;
    struct catalogue *catalogue;
    struct probe listing; /* Holds the ids that the bed names. */
};

/* Ids are made by the simulation: they are looked up by name. */
static const char *id_of(const struct rig *rig, enum cloud_kind kind, const char *name) {
    const struct adapter_reply *reply = &rig->listing.call.reply;
    for (size_t i = 0; i < reply->count; i++) {
        if (reply->as.resources[i].kind == kind && str_eq(reply->as.resources[i].name, name))
            return reply->as.resources[i].id;
    }
    cr_assert_fail("no %s %s", cloud_kind_name(kind), name);
    return NULL;
}

static struct contract_bed *rig_open(bool slow) {
    struct rig *rig = mem_alloc(sizeof(*rig));
    struct error err;
    runtime_virtual_init(&rig->runtime, 1, START_MS);
    cr_assert_eq(catalogue_open(NULL, &rig->catalogue, &err), ERR_NONE, "%s", err.message);
    char *text = mem_printf(parameters, slow ? "2s" : "0s"); /* The format is the constant above. */
    struct json *json;
    cr_assert_eq(json_parse(bytes_of(text), &json, &err), ERR_NONE, "%s", err.message);
    static const char *const regions[] = {"us-east-1", "eu-west-1"};
    struct adapter_env env = {.runtime = &rig->runtime.base, .catalogue = rig->catalogue};
    struct adapter_config config = {
        .name = "platform/sim",
        .regions = regions,
        .region_count = 2,
        .parameters = json,
        .base_dir = "tests/data/demand",
    };
    cr_assert_eq(adapter_simulated.open(&rig->bed.adapter, &env, &config, &err), ERR_NONE, "%s", err.message);
    json_free(json);
    mem_free(text);
    rig->bed.region = "us-east-1";
    rig->bed.region_bad = "us-nowhere-9";
    rig->bed.group = "web";
    rig->bed.size = 6;
    rig->bed.size_other = 9;
    rig->bed.resource_count = 5;
    rig->bed.timeout_ms = 1;
    rig->bed.targets[CLOUD_INSTANCE_GROUP] = "web";
    rig->bed.type_other = "m5.large";
    rig->bed.template = "c5.large";
    rig->bed.tag_value = "结账 <&>\"' +=%20;~*\\\n";
    struct cloud_query query = probe_list_query(&rig->bed);
    probe_list(&contract_simulated, &rig->bed, &rig->listing, &query);
    rig->bed.targets[CLOUD_INSTANCE] = id_of(rig, CLOUD_INSTANCE, "bastion");
    rig->bed.targets[CLOUD_VOLUME] = id_of(rig, CLOUD_VOLUME, "data");
    rig->bed.now_ms = runtime_wall_ms(&rig->runtime.base);
    rig->bed.ctx = &rig->runtime.base;
    return &rig->bed;
}

static bool rig_pump(struct contract_bed *bed, const bool *until) {
    struct rig *rig = CONTAINER_OF(bed, struct rig, bed);
    uint64_t end_ns = rig->runtime.now_ns + PUMP_NS;
    while (!*until && runtime_virtual_step(&rig->runtime, end_ns)) {
        continue;
    }
    return *until;
}

static void rig_settle(struct contract_bed *bed) {
    struct rig *rig = CONTAINER_OF(bed, struct rig, bed);
    uint64_t end_ns = rig->runtime.now_ns + PUMP_NS;
    while (runtime_virtual_step(&rig->runtime, end_ns))
        continue;
}

static void rig_wait(struct contract_bed *bed, uint32_t time_ms) {
    struct rig *rig = CONTAINER_OF(bed, struct rig, bed);
    runtime_virtual_run_until(&rig->runtime, rig->runtime.now_ns + time_ms * NS_PER_MS);
}

static void on_closed(void *ctx) {
    *(bool *)ctx = true;
}

static void rig_shut(struct contract_bed *bed) {
    struct rig *rig = CONTAINER_OF(bed, struct rig, bed);
    if (bed->adapter) {
        bool closed = false;
        bed->adapter->ops->close(bed->adapter, on_closed, &closed);
        cr_assert(rig_pump(bed, &closed));
    }
    probe_release(&rig->listing);
    catalogue_free(rig->catalogue);
    runtime_virtual_release(&rig->runtime);
    mem_free(rig);
}

const struct contract_factory contract_simulated = {
    .open = rig_open, .pump = rig_pump, .settle = rig_settle, .wait = rig_wait, .shut = rig_shut};

#define CASE(name)                                                                                                     \
    Test(contract_simulated, name) {                                                                                   \
        contract_##name(&contract_simulated);                                                                          \
    }
CONTRACT_CASES(CASE)
CONTRACT_TOKEN_CASES(CASE)
CONTRACT_USAGE_CASES(CASE)
