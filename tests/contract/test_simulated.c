/*
 * The contract, held against the simulated cloud on the virtual clock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "contract.h"

#include "adapters/common/catalogue.h"
#include "base/mem.h"
#include "base/runtime_virtual.h"

#define START_MS INT64_C(1790000000000)
#define PUMP_NS (300 * NS_PER_S)

static const char parameters[] =
    "{\"seed\": 7, \"faults\": {\"latency\": \"%s\"},"
    " \"groups\": ["
    "  {\"name\": \"web\", \"region\": \"us-east-1\", \"instanceType\": \"m5.xlarge\", \"count\": 6, \"min\": 2,"
    "   \"max\": 20, \"bootDelay\": \"3m\", \"tags\": {\"team\": \"checkout\", \"app\": \"web\"},"
    "   \"demand\": {\"trace\": \"nasa_http_1995_jul.csv\", \"vcpuPeak\": \"40\"}},"
    "  {\"name\": \"batch\", \"region\": \"us-east-1\", \"instanceType\": \"c5.large\", \"count\": 1},"
    "  {\"name\": \"web\", \"region\": \"eu-west-1\", \"instanceType\": \"m5.xlarge\", \"count\": 1}],"
    " \"instances\": ["
    "  {\"name\": \"old\", \"region\": \"us-east-1\", \"instanceType\": \"m5.large\", \"state\": \"stopped\"},"
    "  {\"name\": \"bastion\", \"region\": \"us-east-1\", \"instanceType\": \"t3.micro\"}]}";

struct rig {
    struct contract_bed bed;
    struct runtime_virtual runtime;
    struct catalogue *catalogue;
};

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
    rig->bed.resource_count = 4;
    rig->bed.now_ms = START_MS;
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
    catalogue_free(rig->catalogue);
    runtime_virtual_release(&rig->runtime);
    mem_free(rig);
}

const struct contract_factory contract_simulated = {.open = rig_open, .pump = rig_pump, .shut = rig_shut};

#define CASE(name)                                                                                                     \
    Test(contract_simulated, name) {                                                                                   \
        contract_##name(&contract_simulated);                                                                          \
    }
CONTRACT_CASES(CASE)
