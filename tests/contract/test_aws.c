/*
 * The contract, held against AWS as moto and ministack emulate it. tests/support/contract_clouds.py starts them, seeds
 * a region for each bed and says what is in it; `make contract` runs this program under it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "loop_bed.h"

#include "base/mem.h"
#include "base/str.h"

#define BIT(verb) (1u << (verb))

struct rig {
    struct loop_bed base;
    struct json *seeded; /* What the bed's texts live in. */
};

static struct rig *rig_of(struct contract_bed *bed) {
    return CONTAINER_OF(bed, struct rig, base.bed);
}

static void on_seeded(struct http_request *request) {
    *(bool *)request->ctx = true;
}

static struct json *seed(struct rig *rig, const char *cloud, bool slow) {
    const char *clouds = getenv("CONTRACT_CLOUDS");
    cr_assert(clouds != NULL, "no clouds: run this by make contract");
    char *url = mem_printf("%s/%s/open%s", clouds, cloud, slow ? "?slow=1" : "");
    bool done = false;
    struct http_request request = {.method = "GET", .url = url, .timeout_ms = 55000, .done = on_seeded, .ctx = &done};
    http_send(rig->base.http, &request);
    cr_assert(loop_bed_pump(&rig->base.bed, &done));
    cr_assert(request.status == 200, "%s: %s%s", url, request.error.message, buf_text(&request.reply));
    struct json *json;
    struct error err;
    cr_assert_eq(json_parse(buf_bytes(&request.reply), &json, &err), ERR_NONE, "%s", err.message);
    http_request_release(&request);
    mem_free(url);
    return json;
}

static const char *text_of(const struct rig *rig, const char *key) {
    const char *text = json_string(json_get(rig->seeded, key), NULL);
    cr_assert(text != NULL, "%s", key);
    return text;
}

static const char *credential(void *ctx, const char *key) {
    if (str_eq(key, "AWS_ACCESS_KEY_ID"))
        return text_of(ctx, "key");
    return str_eq(key, "AWS_SECRET_ACCESS_KEY") ? text_of(ctx, "secret") : NULL;
}

static struct adapter *open_adapter(struct rig *rig) {
    struct adapter *adapter;
    struct error err = {0};
    const struct adapter_env env = {&rig->base.runtime.base, rig->base.http, NULL};
    const struct adapter_config config = {.name = "contract",
                                          .regions = &rig->base.bed.region,
                                          .region_count = 1,
                                          .endpoint = text_of(rig, "endpoint"),
                                          .credential = credential,
                                          .credential_ctx = rig};
    cr_assert_eq(adapter_aws.open(&adapter, &env, &config, &err), ERR_NONE, "%s", err.message);
    return adapter;
}

static size_t count_listed(const struct rig *rig) {
    size_t count = 0;
    for (int kind = 0; kind < CLOUD_KIND_COUNT; kind++) {
        if (adapter_aws.kinds & 1u << kind)
            count +=
                (size_t)json_int(json_get(json_get(rig->seeded, "counts"), cloud_kind_name((enum cloud_kind)kind)), 0);
    }
    return count;
}

static struct contract_bed *rig_open(const char *cloud, const char *tag_value, bool slow) {
    struct rig *rig = mem_alloc(sizeof(*rig));
    struct contract_bed *bed = &rig->base.bed;
    loop_bed_init(&rig->base);
    rig->seeded = seed(rig, cloud, slow);
    bed->region = text_of(rig, "region");
    bed->region_bad = "no region";
    bed->group = bed->targets[CLOUD_INSTANCE_GROUP] = "web";
    bed->size = 2;
    bed->size_other = 4;
    bed->resource_count = count_listed(rig);
    bed->now_ms = runtime_wall_ms(&rig->base.runtime.base);
    bed->timeout_ms = 1000; /* Half of what a slow reply takes. */
    bed->targets[CLOUD_INSTANCE] = text_of(rig, "instance");
    bed->targets[CLOUD_VOLUME] = text_of(rig, "volume");
    bed->targets[CLOUD_ADDRESS] = text_of(rig, "address");
    bed->type_other = "m5.large";
    bed->template = "web";
    bed->tag_value = tag_value;
    bed->adapter = open_adapter(rig);
    return bed;
}

static struct adapter *another(struct contract_bed *bed) {
    struct rig *rig = rig_of(bed);
    cr_assert(rig->base.other_count < LOOP_BED_OTHERS_MAX);
    return rig->base.others[rig->base.other_count++] = open_adapter(rig);
}

static void rig_shut(struct contract_bed *bed) {
    struct rig *rig = rig_of(bed);
    loop_bed_release(&rig->base);
    loop_bed_end(&rig->base);
    json_free(rig->seeded);
    mem_free(rig);
}

/* ---- moto: signatures, the least policy, and the rules of aws_strict.py ---- */

static struct contract_bed *open_moto(bool slow) {
    return rig_open("moto", "结账 <&>\"' +=%20;~*\\", slow);
}

static const struct contract_factory moto = {.open = open_moto,
                                             .pump = loop_bed_pump,
                                             .settle = loop_bed_settle,
                                             .wait = loop_bed_wait,
                                             .shut = rig_shut,
                                             .another = another};

#define MOTO_CASE(name)                                                                                                \
    Test(contract_aws_moto, name) {                                                                                    \
        contract_##name(&moto);                                                                                        \
    }
CONTRACT_CASES(MOTO_CASE)
CONTRACT_TAKEOVER_CASES(MOTO_CASE)
CONTRACT_USAGE_CASES(MOTO_CASE)

/* ---- ministack: clocks and EC2's own envelope of errors ---- */

static struct contract_bed *open_ministack(bool slow) {
    return rig_open("ministack", "结账 +=%20;~*\\", slow); /* It does not escape its XML. */
}

static const struct contract_factory ministack = {
    .open = open_ministack,
    .pump = loop_bed_pump,
    .settle = loop_bed_settle,
    .wait = loop_bed_wait,
    .shut = rig_shut,
    .another = another,
    /* It has no ModifyInstanceAttribute, and its RunInstances knows neither templates nor client tokens. */
    .lacks = {[CLOUD_INSTANCE] = BIT(CLOUD_RESIZE) | BIT(CLOUD_CREATE)},
};

#define MINISTACK_CASE(name)                                                                                           \
    Test(contract_aws_ministack, name) {                                                                               \
        contract_##name(&ministack);                                                                                   \
    }
CONTRACT_CASES(MINISTACK_CASE)
CONTRACT_USAGE_CASES(MINISTACK_CASE)
