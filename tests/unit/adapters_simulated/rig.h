/*
 * A simulated cloud on the virtual clock, for the tests: open from JSON text, ask, wait, look.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_SIMULATED_RIG_H
#define TRIMTAB_TESTS_SIMULATED_RIG_H

#include "adapters/adapter.h"
#include "adapters/common/catalogue.h"
#include "base/runtime_virtual.h"

#define RIG_START_MS INT64_C(1790000000000) /* 2026-09-21T14:13:20Z, a Monday */
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

struct rig {
    struct runtime_virtual runtime;
    struct catalogue *catalogue;
    struct adapter *adapter;
    struct arena arena; /* Of all replies. */
};

/* Fails the test if the parameters are refused. */
void rig_open(struct rig *rig, const char *parameters);
/* Gives the class and the error of an open that is expected to fail. */
enum err_class rig_try(const char *parameters, const char *base_dir, struct error *err);
void rig_close(struct rig *rig);
void rig_wait(struct rig *rig, int64_t ms);

/* Each submits one call and waits until it is done. */
struct adapter_reply rig_list(struct rig *rig, const char *region);
struct adapter_reply rig_scale(struct rig *rig, const char *group, int64_t count, const char *token);
struct adapter_reply rig_usage(struct rig *rig, const char *group, int64_t from_ms, int64_t to_ms, int64_t step_ms);
struct adapter_reply rig_usage_of(struct rig *rig, enum cloud_kind kind, const char *id, int64_t from_ms, int64_t to_ms,
                                  int64_t step_ms);
struct adapter_reply rig_prices(struct rig *rig, const char *region, const char *const *types, size_t type_count);
/* In us-east-1. */
struct adapter_reply rig_act(struct rig *rig, struct cloud_action action);
struct adapter_reply rig_poll(struct rig *rig, const char *operation);
struct adapter_reply rig_charges(struct rig *rig, int64_t from_ms, int64_t to_ms, size_t count_max, const char *cursor);
/* The item of us-east-1 that has this id or name; kind tells it from others. False: not listed. */
bool rig_find(struct rig *rig, enum cloud_kind kind, const char *id, struct cloud_resource *ret);

/* Of us-east-1; fails the test if the list fails or lacks it. */
struct cloud_resource rig_group(struct rig *rig, const char *group);

#endif
