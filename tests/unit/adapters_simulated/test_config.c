/*
 * spec.simulated: every fault is named with its path.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "rig.h"

#include "base/mem.h"

#define GROUP "\"name\": \"web\", \"region\": \"us-east-1\", \"instanceType\": \"m5.xlarge\", \"count\": 2"
#define DEMAND(x) "{\"groups\": [{" GROUP ", \"demand\": {" x "}}]}"

Test(simulated_config, no_parameters_are_an_empty_cloud) {
    struct rig rig;
    rig_open(&rig, "{}");
    struct adapter_reply reply = rig_list(&rig, "eu-west-1");
    cr_expect_eq(reply.error.class, ERR_NONE, "%s", reply.error.message);
    cr_expect_eq(reply.count, 0);
    rig_close(&rig);
}

Test(simulated_config, each_fault_is_named_with_its_path) {
    static const struct {
        const char *parameters, *message;
    } rows[] = {
        {"{\"price\": \"aws\"}", "spec.simulated.price: there is no such key"},
        {"{\"prices\": \"nimbus\"}", "spec.simulated.prices: the price list has no provider `nimbus`"},
        {"{\"prices\": 3}", "spec.simulated.prices: expected a text"},
        {"{\"seed\": \"7\"}", "spec.simulated.seed: expected a whole number"},
        {"{\"seed\": 1.5}", "spec.simulated.seed: expected a whole number"},
        {"{\"groups\": {}}", "spec.simulated.groups: expected an array"},
        {"{\"groups\": [3]}", "spec.simulated.groups[0]: expected an object"},
        {"{\"groups\": [{}]}", "spec.simulated.groups[0].name: is missing"},
        {"{\"groups\": [{" GROUP "}, {\"name\": \"a\", \"region\": \"us-east-1\", \"count\": 1}]}",
         "spec.simulated.groups[1].instanceType: is missing"},
        {"{\"groups\": [{" GROUP ", \"colour\": \"red\"}]}", "spec.simulated.groups[0].colour: there is no such key"},
        {"{\"groups\": [{" GROUP ", \"min\": 3}]}", "spec.simulated.groups[0].count: 2 is not between min (3)"},
        {"{\"groups\": [{" GROUP ", \"max\": 1}]}", "spec.simulated.groups[0].count: 2 is not between min (0)"},
        {"{\"groups\": [{" GROUP ", \"max\": -1}]}", "spec.simulated.groups[0].max: expected a whole number"},
        {"{\"groups\": [{" GROUP ", \"bootDelay\": \"soon\"}]}", "spec.simulated.groups[0].bootDelay: expected a dur"},
        {"{\"groups\": [{" GROUP ", \"bootDelay\": \"0x\"}]}", "spec.simulated.groups[0].bootDelay: expected a dur"},
        {"{\"groups\": [{" GROUP ", \"tags\": {\"a\": 1}}]}", "spec.simulated.groups[0].tags.a: expected a text"},
        {"{\"groups\": [{" GROUP "}, {" GROUP "}]}", "spec.simulated.groups[1].name: us-east-1 has a group `web`"},
        {"{\"groups\": [{\"name\": \"a\", \"region\": \"mars-1\", \"instanceType\": \"m5.xlarge\", \"count\": 1}]}",
         "spec.simulated.groups[0].region: `mars-1` is not among"},
        {"{\"groups\": [{\"name\": \"a\", \"region\": \"us-east-1\", \"instanceType\": \"x9.huge\", \"count\": 1}]}",
         "spec.simulated.groups[0].instanceType: the price list has no `x9.huge`"},
        {DEMAND("\"trace\": \"nasa_http_1995_jul.csv\""), "spec.simulated.groups[0].demand.vcpuPeak: is missing"},
        {DEMAND("\"trace\": \"x.csv\", \"vcpuPeak\": 40"), "spec.simulated.groups[0].demand.vcpuPeak: expected a pos"},
        {DEMAND("\"trace\": \"x.csv\", \"vcpuPeak\": \"0\""), "spec.simulated.groups[0].demand.vcpuPeak: expected"},
        {DEMAND("\"trace\": \"x.csv\", \"vcpuPeak\": \"4\""), "spec.simulated.groups[0].demand.trace: x.csv: No such"},
        {DEMAND("\"trace\": \"/x.csv\", \"vcpuPeak\": \"4\""), "spec.simulated.groups[0].demand.trace: must be rel"},
        {DEMAND("\"trace\": \"SOURCES.md\", \"vcpuPeak\": \"4\""),
         "spec.simulated.groups[0].demand.trace: SOURCES.md: line 1: the header"},
        {"{\"instances\": [{\"name\": \"a\", \"region\": \"us-east-1\", \"instanceType\": \"m5.xlarge\", "
         "\"state\": \"tired\"}]}",
         "spec.simulated.instances[0].state: expected pending, running"},
        {"{\"instances\": [{\"name\": \"a\", \"region\": \"us-east-1\", \"instanceType\": \"m5.xlarge\", "
         "\"demand\": {\"trace\": \"x.csv\"}}]}",
         "spec.simulated.instances[0].demand.vcpuPeak: is missing"},
        {"{\"faults\": {\"errorPerMille\": 1001}}", "spec.simulated.faults.errorPerMille: expected a whole number"},
        {"{\"faults\": {\"latency\": 200}}", "spec.simulated.faults.latency: expected a duration"},
        {"{\"faults\": {\"lag\": \"1s\"}}", "spec.simulated.faults.lag: there is no such key"},
        {"{\"capacity\": {\"us-east-1\": 3}}", "spec.simulated.capacity.us-east-1: the key is not `region/type`"},
        {"{\"capacity\": {\"us-east-1/\": 3}}", "spec.simulated.capacity.us-east-1/: the key is not `region/type`"},
        {"{\"capacity\": {\"us-east-1/a\": \"3\"}}", "spec.simulated.capacity.us-east-1/a: expected a whole number"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error err = {0};
        cr_expect_eq(rig_try(rows[i].parameters, "tests/data/demand", &err), ERR_PERMANENT, "row %zu", i);
        cr_expect(strncmp(err.message, rows[i].message, strlen(rows[i].message)) == 0, "row %zu: %s", i, err.message);
    }
}

Test(simulated_config, files_cannot_be_named_where_there_is_no_directory) {
    struct error err = {0};
    cr_expect_eq(rig_try(DEMAND("\"trace\": \"nasa_http_1995_jul.csv\", \"vcpuPeak\": \"4\""), NULL, &err),
                 ERR_PERMANENT);
    cr_expect(strstr(err.message, "groups[0].demand.trace: files cannot be named here"), "%s", err.message);
}

Test(simulated_config, a_key_without_end_is_cut_and_not_overrun) {
    char *key = mem_alloc(5001);
    memset(key, 'k', 5000);
    char *parameters = mem_printf("{\"faults\": {\"%s\": 1}}", key);
    struct error err = {0};
    cr_expect_eq(rig_try(parameters, NULL, &err), ERR_PERMANENT);
    cr_expect(strncmp(err.message, "spec.simulated.faults.kkkk", 26) == 0, "%s", err.message);
    mem_free(parameters);
    mem_free(key);
}

Test(simulated_config, durations_may_be_zero) {
    struct error err = {0};
    cr_expect_eq(
        rig_try("{\"groups\": [{" GROUP ", \"bootDelay\": \"0s\"}], \"faults\": {\"latency\": \"0ms\"}}", NULL, &err),
        ERR_NONE, "%s", err.message);
}
