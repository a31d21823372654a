/*
 * spec.commitments of a Provider: what is paid for whether or not it runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/str.h"
#include "manifest/decode_internal.h"

#define COMMITMENTS_MAX 64
#define TYPES_MAX 32

static const char *join(struct decoder *d, const char *const *texts, size_t count) {
    const char *all = "";
    for (size_t i = 0; i < count; i++)
        all = arena_printf(d->arena, "%s%s%s", all, i > 0 ? "," : "", texts[i]);
    return all;
}

static void decode_amount(struct decoder *d, const struct place *at, struct cloud_commitment *ret) {
    bool has_machines = json_get(at->json, "machines") != NULL;
    ret->is_vcpu = json_get(at->json, "vcpu") != NULL;
    if (ret->is_vcpu == has_machines)
        decode_fault(d, at, "must say either machines or vcpu: how much of it there is");
    ret->amount = decode_int(d, at, ret->is_vcpu ? "vcpu" : "machines",
                             INT_RULE(.min = 1, .max = CLOUD_COMMITMENT_MAX, .fallback = 1));
}

static void decode_one(struct decoder *d, const struct place *at, const struct provider *provider,
                       struct cloud_commitment *ret) {
    size_t type_count;
    ret->id = decode_text(d, at, "name", &text_label, true);
    ret->region = decode_text(d, at, "region", &text_region, true);
    bool is_looked_at = !ret->region; /* That is told already. */
    for (size_t i = 0; i < provider->region_count; i++)
        is_looked_at |= ret->region && str_eq(provider->regions[i], ret->region);
    struct place region_at = place_key(at, "region");
    if (!is_looked_at)
        decode_fault(d, &region_at, "\"%s\" is not one of spec.regions; add it there", ret->region);
    const char *const *types = decode_texts(d, at, "instanceTypes", &text_glob, 1, TYPES_MAX, &type_count);
    ret->types = join(d, types, type_count);
    decode_amount(d, at, ret);
    const char *price = decode_text_borrowed(d, at, "hourlyPrice", &text_decimal, false);
    ret->price_hourly = -1;
    if (price)
        (void)money_parse(price, &ret->price_hourly);
    ret->ends_at_ms = decode_time(d, at, "endsAt");
}

void decode_commitments(struct decoder *d, const struct place *spec, struct provider *ret) {
    static const char *const keys[] = {"name", "region",      "instanceTypes", "machines",
                                       "vcpu", "hourlyPrice", "endsAt",        NULL};
    struct place list;
    size_t count = decode_list(d, spec, "commitments", 0, COMMITMENTS_MAX, &list);
    struct cloud_commitment *commitments = count > 0 ? arena_alloc_array(d->arena, count, sizeof(*commitments)) : NULL;
    for (size_t i = 0; i < count; i++) {
        struct place at = place_index(&list, i);
        decode_object_at(d, &at, keys);
        decode_one(d, &at, ret, &commitments[i]);
        for (size_t k = 0; commitments[i].id && k < i; k++)
            if (commitments[k].id && str_eq(commitments[k].id, commitments[i].id))
                decode_fault(d, &at, "name %s stands twice", commitments[i].id);
    }
    ret->commitments = commitments;
    ret->commitment_count = count;
}
