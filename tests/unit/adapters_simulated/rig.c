/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rig.h"

#include <criterion/criterion.h>

#include "base/mem.h"
#include "base/str.h"

#define DATA_DIR "tests/data/demand"

static enum err_class open_adapter(struct rig *rig, const char *parameters, const char *base_dir, struct error *err) {
    static const char *const regions[] = {"us-east-1", "eu-west-1"};
    struct json *json;
    cr_assert_eq(json_parse(bytes_of(parameters), &json, err), ERR_NONE, "%s", err->message);
    struct adapter_env env = {.runtime = &rig->runtime.base, .catalogue = rig->catalogue};
    struct adapter_config config = {
        .name = "platform/sim", .regions = regions, .region_count = 2, .parameters = json, .base_dir = base_dir};
    enum err_class class = adapter_simulated.open(&rig->adapter, &env, &config, err);
    json_free(json);
    return class;
}

static void rig_init(struct rig *rig) {
    struct error err;
    *rig = (struct rig){0};
    runtime_virtual_init(&rig->runtime, 1, RIG_START_MS);
    cr_assert_eq(catalogue_open("adapters/catalogue/instance_prices.csv.gz", &rig->catalogue, &err), ERR_NONE, "%s",
                 err.message);
}

static void rig_release(struct rig *rig) {
    arena_release(&rig->arena);
    catalogue_free(rig->catalogue);
    runtime_virtual_release(&rig->runtime);
}

void rig_open(struct rig *rig, const char *parameters) {
    struct error err;
    rig_init(rig);
    cr_assert_eq(open_adapter(rig, parameters, DATA_DIR, &err), ERR_NONE, "%s", err.message);
}

enum err_class rig_try(const char *parameters, const char *base_dir, struct error *err) {
    struct rig rig;
    rig_init(&rig);
    enum err_class class = open_adapter(&rig, parameters, base_dir, err);
    if (class == ERR_NONE) {
        rig_close(&rig);
    } else {
        rig_release(&rig);
    }
    return class;
}

static void on_closed(void *ctx) {
    *(bool *)ctx = true;
}

void rig_close(struct rig *rig) {
    bool closed = false;
    rig->adapter->ops->close(rig->adapter, on_closed, &closed);
    while (!closed && runtime_virtual_step(&rig->runtime, UINT64_MAX)) {
        continue;
    }
    cr_assert(closed);
    rig_release(rig);
}

void rig_wait(struct rig *rig, int64_t ms) {
    runtime_virtual_run_until(&rig->runtime, rig->runtime.now_ns + (uint64_t)ms * NS_PER_MS);
}

static void on_done(struct adapter_call *call) {
    ++*(int *)call->ctx;
}

static struct adapter_reply await(struct rig *rig, struct adapter_call *call) {
    int *count = call->ctx;
    cr_assert_eq(*count, 0);
    while (*count == 0 && runtime_virtual_step(&rig->runtime, UINT64_MAX)) {
        continue;
    }
    cr_assert_eq(*count, 1);
    return call->reply;
}

struct adapter_reply rig_list(struct rig *rig, const char *region) {
    int count = 0;
    struct adapter_call call = {.done = on_done, .ctx = &count, .arena = &rig->arena};
    struct cloud_query query = {.kinds = UINT32_MAX, .region = region, .count_max = 1000};
    rig->adapter->ops->list(rig->adapter, &call, &query);
    return await(rig, &call);
}

struct adapter_reply rig_scale(struct rig *rig, const char *group, int64_t target, const char *token) {
    int count = 0;
    struct adapter_call call = {.done = on_done, .ctx = &count, .arena = &rig->arena};
    struct cloud_action action = {
        .kind = CLOUD_INSTANCE_GROUP, .region = "us-east-1", .id = group, .count = target, .token = token};
    rig->adapter->ops->apply(rig->adapter, &call, &action);
    return await(rig, &call);
}

struct adapter_reply rig_usage(struct rig *rig, const char *group, int64_t from_ms, int64_t to_ms, int64_t step_ms) {
    return rig_usage_of(rig, CLOUD_INSTANCE_GROUP, group, from_ms, to_ms, step_ms);
}

struct adapter_reply rig_usage_of(struct rig *rig, enum cloud_kind kind, const char *id, int64_t from_ms, int64_t to_ms,
                                  int64_t step_ms) {
    int count = 0;
    struct adapter_call call = {.done = on_done, .ctx = &count, .arena = &rig->arena};
    struct cloud_query query = {
        .region = "us-east-1",
        .kind = kind,
        .metric = CLOUD_METRIC_CPU,
        .ids = &id,
        .id_count = 1,
        .from_ms = from_ms,
        .to_ms = to_ms,
        .step_ms = step_ms,
    };
    rig->adapter->ops->usage(rig->adapter, &call, &query);
    return await(rig, &call);
}

struct adapter_reply rig_prices(struct rig *rig, const char *region, const char *const *types, size_t type_count) {
    int count = 0;
    struct adapter_call call = {.done = on_done, .ctx = &count, .arena = &rig->arena};
    struct cloud_query query = {.region = region, .types = types, .type_count = type_count};
    rig->adapter->ops->prices(rig->adapter, &call, &query);
    return await(rig, &call);
}

struct adapter_reply rig_act(struct rig *rig, struct cloud_action action) {
    int count = 0;
    struct adapter_call call = {.done = on_done, .ctx = &count, .arena = &rig->arena};
    action.region = "us-east-1";
    rig->adapter->ops->apply(rig->adapter, &call, &action);
    return await(rig, &call);
}

struct adapter_reply rig_poll(struct rig *rig, const char *operation) {
    int count = 0;
    struct adapter_call call = {.done = on_done, .ctx = &count, .arena = &rig->arena};
    rig->adapter->ops->poll(rig->adapter, &call, operation);
    return await(rig, &call);
}

struct adapter_reply rig_charges(struct rig *rig, int64_t from_ms, int64_t to_ms, size_t count_max,
                                 const char *cursor) {
    int count = 0;
    struct adapter_call call = {.done = on_done, .ctx = &count, .arena = &rig->arena};
    struct cloud_query query = {
        .region = "us-east-1", .from_ms = from_ms, .to_ms = to_ms, .count_max = count_max, .cursor = cursor};
    rig->adapter->ops->charges(rig->adapter, &call, &query);
    return await(rig, &call);
}

bool rig_find(struct rig *rig, enum cloud_kind kind, const char *id, struct cloud_resource *ret) {
    struct adapter_reply reply = rig_list(rig, "us-east-1");
    cr_assert_eq(reply.error.class, ERR_NONE, "%s", reply.error.message);
    for (size_t i = 0; i < reply.count; i++) {
        const struct cloud_resource *resource = &reply.as.resources[i];
        if (resource->kind == kind && (str_eq(resource->id, id) || str_eq(resource->name, id))) {
            *ret = *resource;
            return true;
        }
    }
    return false;
}

struct cloud_resource rig_group(struct rig *rig, const char *group) {
    struct adapter_reply reply = rig_list(rig, "us-east-1");
    cr_assert_eq(reply.error.class, ERR_NONE, "%s", reply.error.message);
    for (size_t i = 0; i < reply.count; i++) {
        if (str_eq(reply.as.resources[i].id, group)) {
            return reply.as.resources[i];
        }
    }
    cr_assert(false, "%s is not listed", group);
    return (struct cloud_resource){0};
}
