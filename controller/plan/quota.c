/*
 * Quotas: what may run at once in a region of an account, or in a namespace of a cluster. Whatever a plan makes is
 * there beside what is there already, until that has gone: so growth takes of what is free, other machines take all
 * that they are, and nothing that goes gives anything back within the plan.
 *
 * Where the cloud does not tell how much of a quota is used, and nobody has counted it (snapshot.h), it is what the
 * policy itself runs. Rows take in their order; a quota that is not known holds nothing back: the cloud refuses then.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/quota.h"

#include <math.h>
#include <string.h>

#include "base/str.h"
#include "plan/plan_internal.h"

struct plan_quota {
    const struct snapshot_limit *limit;
    double free;
};

/* ---- what counts against what ---- */

static bool is_namespace_of(const char *limit_id, const char *workload_id) {
    size_t size = 0;
    while (limit_id[size] && limit_id[size] != '/')
        size++;
    return size > 0 && limit_id[size] == '/' && strncmp(limit_id, workload_id, size) == 0 && workload_id[size] == '/';
}

/* Of a ResourceQuota, "namespace/quota/resource": https://kubernetes.io/docs/concepts/policy/resource-quotas/ */
static double use_of_pod(const struct cloud_limit *limit, const struct plan_purchase *p) {
    const char *resource = strrchr(limit->id, '/');
    if (!resource || !is_namespace_of(limit->id, p->id))
        return 0;
    if (str_eq(resource, "/requests.cpu") || str_eq(resource, "/cpu"))
        return (double)p->vcpu_milli / 1000;
    if (str_eq(resource, "/requests.memory") || str_eq(resource, "/memory"))
        return (double)p->memory_mib;
    return str_eq(resource, "/pods") ? (double)p->pods : 0; /* count/pods too. */
}

static double use_of(const struct snapshot_limit *limit, const struct plan_purchase *p) {
    const struct cloud_limit *l = &limit->limit;
    if (!str_eq(limit->provider, p->provider) || !str_eq(l->region, p->region))
        return 0;
    if (p->kind == CLOUD_WORKLOAD)
        return use_of_pod(l, p);
    double use = cloud_limit_covers(l, p->type, p->is_spot) ? (double)p->vcpu_milli / 1000 : 0;
    if (p->frees_type && cloud_limit_covers(l, p->frees_type, p->is_spot))
        use -= (double)p->frees_vcpu_milli / 1000;
    return fmax(0, use);
}

struct plan_purchase plan_purchase_of(const struct plan_row *row) {
    const struct cloud_resource *r = &row->resource->resource;
    return (struct plan_purchase){.provider = row->resource->provider,
                                  .region = r->region,
                                  .id = r->id,
                                  .kind = r->kind,
                                  .type = r->type,
                                  .vcpu_milli = r->vcpu_milli > 0 ? r->vcpu_milli : row->resource->offer.vcpu_milli,
                                  .memory_mib = r->memory_mib,
                                  .pods = 1,
                                  .is_spot = r->is_spot};
}

/* ---- what is free ---- */

static double used_by_rows(const struct plan_work *work, const struct snapshot_limit *limit) {
    double sum = 0;
    for (size_t i = 0; i < work->count; i++) {
        const struct plan_purchase p = plan_purchase_of(&work->rows[i]);
        sum += use_of(limit, &p) * (double)work->rows[i].actual;
    }
    return sum;
}

void plan_quotas_open(struct plan_work *work) {
    const struct snapshot *snapshot = work->input->snapshot;
    work->quotas = arena_alloc_array(work->arena, snapshot->limit_count + 1, sizeof(*work->quotas));
    for (size_t i = 0; i < snapshot->limit_count; i++) {
        const struct snapshot_limit *limit = &snapshot->limits[i];
        double used = limit->limit.used >= 0 ? limit->limit.used : used_by_rows(work, limit);
        work->quotas[i] = (struct plan_quota){limit, fmax(0, limit->limit.value - used)};
    }
}

int64_t plan_quota_room(const struct plan_work *work, const struct plan_purchase *p, const struct cloud_limit **ret) {
    int64_t room = PLAN_COUNT_MAX;
    *ret = NULL;
    for (size_t i = 0; i < work->input->snapshot->limit_count; i++) {
        const struct plan_quota *quota = &work->quotas[i];
        double use = use_of(quota->limit, p);
        if (!(use > 0) || quota->free / use >= (double)room)
            continue;
        room = (int64_t)floor(quota->free / use + 1e-9);
        *ret = &quota->limit->limit;
    }
    return room;
}

void plan_quota_take(struct plan_work *work, const struct plan_purchase *p, int64_t count) {
    for (size_t i = 0; i < work->input->snapshot->limit_count; i++)
        work->quotas[i].free = fmax(0, work->quotas[i].free - use_of(work->quotas[i].limit, p) * (double)count);
}

const char *plan_quota_words(const struct plan_work *work, const struct cloud_limit *limit) {
    return arena_printf(work->arena, "quota %s (%s, %.6g %s in %s)", limit->id, limit->name, limit->value, limit->unit,
                        limit->region);
}

/* ---- what is taken ---- */

static void grow(struct plan_work *work, struct plan_row *row) {
    const struct plan_purchase p = plan_purchase_of(row);
    const struct cloud_limit *limit;
    int64_t more = row->to - row->now, room = plan_quota_room(work, &p, &limit);
    if (limit && room < more) {
        row->about = action_type_name(ACTION_SCALE);
        row->reason = "QuotaExceeded";
        row->detail = row->quota = arena_printf(work->arena, "%s has room for %lld of %lld more %s; have it raised%s",
                                                plan_quota_words(work, limit), (long long)room, (long long)more,
                                                plan_piece(row, more), plan_short_words(work, row, row->now + room));
        row->to = row->now + room;
        work->binding = "quota";
    }
    plan_quota_take(work, &p, row->to - row->now);
}

void plan_quotas_grow(struct plan_work *work) {
    for (size_t i = 0; i < work->count; i++)
        if (work->rows[i].to > work->rows[i].now && !work->rows[i].is_bounds && !work->rows[i].closure)
            grow(work, &work->rows[i]);
}

struct plan_purchase plan_purchase_of_option(const struct plan_row *row, const struct plan_option *option) {
    const struct cloud_offer *offer = &option->offer->offer;
    return (struct plan_purchase){.provider = option->offer->provider,
                                  .region = offer->region,
                                  .id = row->resource->resource.id,
                                  .kind = row->resource->resource.kind,
                                  .type = offer->type,
                                  .vcpu_milli = offer->vcpu_milli,
                                  .memory_mib = offer->memory_mib,
                                  .is_spot = option->is_spot,
                                  .frees_type = row->is_single ? row->resource->resource.type : NULL,
                                  .frees_vcpu_milli = plan_purchase_of(row).vcpu_milli};
}

void plan_quotas_choose(struct plan_work *work) {
    for (size_t i = 0; i < work->count; i++) {
        struct plan_row *row = &work->rows[i];
        const struct cloud_limit *limit;
        if (!row->chosen || row->closure)
            continue;
        const struct plan_purchase p = plan_purchase_of_option(row, row->chosen);
        if (plan_quota_room(work, &p, &limit) >= row->chosen->count || !limit) {
            plan_quota_take(work, &p, row->chosen->count);
            continue;
        }
        plan_why_not_about(work, row, row->chosen->type, "QuotaExceeded",
                           arena_printf(work->arena, "%s is more than others leave of %s",
                                        plan_option_words(work, row->chosen), plan_quota_words(work, limit)));
        row->chosen = NULL;
    }
}
