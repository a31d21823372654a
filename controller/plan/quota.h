/*
 * What quotas leave room for: plan/quota.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_QUOTA_H
#define TRIMTAB_PLAN_QUOTA_H

#include "adapters/cloud.h"

struct plan_work;
struct plan_row;
struct plan_option;

struct plan_purchase { /* Machines or pods that may come to be. */
    const char *provider, *region, *id;
    enum cloud_kind kind;
    const char *type;
    int64_t vcpu_milli, memory_mib;
    int64_t pods; /* Of a workload: 1; 0 for what those that are there request more. */
    bool is_spot;
    const char *frees_type; /* Of a machine that stops for it; NULL: what is there goes on. */
    int64_t frees_vcpu_milli;
};
struct plan_purchase plan_purchase_of(const struct plan_row *row); /* More of what is there. */
struct plan_purchase plan_purchase_of_option(const struct plan_row *row, const struct plan_option *option);

/* Once, before the others; rows are there. */
void plan_quotas_open(struct plan_work *work);
/* How many there may still be; *ret: the quota that says so, NULL: none does. */
int64_t plan_quota_room(const struct plan_work *work, const struct plan_purchase *p, const struct cloud_limit **ret);
void plan_quota_take(struct plan_work *work, const struct plan_purchase *p, int64_t count);
const char *plan_quota_words(const struct plan_work *work, const struct cloud_limit *limit);
void plan_quotas_grow(struct plan_work *work);   /* Holds `to` back, and takes. */
void plan_quotas_choose(struct plan_work *work); /* Takes for what is chosen, or drops it. */

#endif
