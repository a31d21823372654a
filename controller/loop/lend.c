/*
 * See lend.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/lend.h"

#include <stdlib.h>

#include "base/str.h"
#include "forecast/pool.h"

#define YOUNG_MAX 16 /* Of the borrowers those that offers are compared with: a few stand for their like. */

int64_t lend_likeness(const char *a_provider, const struct cloud_resource *a, const char *b_provider,
                      const struct cloud_resource *b) {
    if (a->kind != b->kind)
        return -1;
    int64_t shared = str_eq(a_provider, b_provider);
    for (size_t i = 0; i < a->tag_count; i++)
        shared += str_eq(cloud_resource_tag(b, a->tags[i].key), a->tags[i].value);
    return shared;
}

/* Who has no demand at all has no level that a shape could be scaled to. */
static bool is_young(const struct snapshot_resource *entry) {
    return entry->history.count > 0 && !forecast_pool_is_grown(&entry->history);
}

bool lend_begin(struct lend *lend, const struct snapshot *borrower, struct arena *arena) {
    *lend = (struct lend){.borrower = borrower, .arena = arena};
    for (size_t i = 0; i < borrower->resource_count; i++)
        if (is_young(&borrower->resources[i])) {
            lend->offers = arena_alloc_array(arena, LEND_OFFERS_MAX, sizeof(*lend->offers));
            return true;
        }
    return false;
}

/* Also what the policy selects itself has nothing more to lend to it: -1. */
static int64_t likeness_of(const struct lend *lend, const char *provider, const struct cloud_resource *resource) {
    const struct snapshot *borrower = lend->borrower;
    int64_t best = -1;
    for (size_t i = 0, young = 0; i < borrower->resource_count && young < YOUNG_MAX; i++) {
        const struct snapshot_resource *entry = &borrower->resources[i];
        if (!is_young(entry))
            continue;
        int64_t like = lend_likeness(entry->provider, &entry->resource, provider, resource);
        best = like > best ? like : best;
        young += like >= 0;
    }
    for (size_t i = 0; best >= 0 && i < borrower->resource_count; i++)
        if (str_eq(borrower->resources[i].provider, provider) &&
            cloud_resource_cmp(&borrower->resources[i].resource, resource) == 0)
            return -1;
    return best;
}

bool lend_offer(struct lend *lend, const char *provider, const struct cloud_resource *resource) {
    int64_t likeness = likeness_of(lend, provider, resource);
    if (likeness >= 0)
        lend->offers[lend->count++] = (struct lend_offer){provider, resource, likeness};
    return lend->count < LEND_OFFERS_MAX;
}

static struct snapshot_donor donor_copy(const struct lend_offer *offer, const struct history_series *history,
                                        struct arena *arena) {
    const struct cloud_resource *from = offer->resource;
    struct cloud_tag *tags = arena_alloc_array(arena, from->tag_count, sizeof(*tags));
    for (size_t i = 0; i < from->tag_count; i++)
        tags[i] = (struct cloud_tag){arena_strdup(arena, from->tags[i].key), arena_strdup(arena, from->tags[i].value)};
    return (struct snapshot_donor){.provider = arena_strdup(arena, offer->provider),
                                   .resource = {.kind = from->kind,
                                                .region = arena_strdup(arena, from->region),
                                                .id = arena_strdup(arena, from->id),
                                                .tags = tags,
                                                .tag_count = from->tag_count},
                                   .history = *history};
}

/* Two policies may select one resource. */
static bool is_taken(const struct snapshot_donor *donors, size_t count, const struct lend_offer *offer) {
    for (size_t i = 0; i < count; i++)
        if (str_eq(donors[i].provider, offer->provider) &&
            cloud_resource_cmp(&donors[i].resource, offer->resource) == 0)
            return true;
    return false;
}

/* The most alike first, of the equally alike those that were offered first. */
static int offer_cmp(const void *a, const void *b) {
    const struct lend_offer *const *x = a, *const *y = b;
    if ((*x)->likeness != (*y)->likeness)
        return (*x)->likeness > (*y)->likeness ? -1 : 1;
    return (*x > *y) - (*x < *y);
}

void lend_end(const struct lend *lend, struct observe *observe, const struct policy *policy,
              struct snapshot *snapshot) {
    const struct lend_offer **sorted = arena_alloc_array(lend->arena, lend->count, sizeof(*sorted));
    size_t of_kind[CLOUD_KIND_COUNT] = {0}, reads = 0;
    struct snapshot_donor *donors = arena_alloc_array(lend->arena, LEND_READS_MAX, sizeof(*donors));
    for (size_t i = 0; i < lend->count; i++)
        sorted[i] = &lend->offers[i];
    if (lend->count)
        qsort(sorted, lend->count, sizeof(*sorted), offer_cmp);
    for (size_t i = 0; i < lend->count && reads < LEND_READS_MAX; i++) {
        enum cloud_kind kind = sorted[i]->resource->kind;
        if (of_kind[kind] == SNAPSHOT_DONORS_OF_KIND || is_taken(donors, snapshot->donor_count, sorted[i]))
            continue;
        reads++;
        struct history_series history =
            observe_history(observe, sorted[i]->provider, sorted[i]->resource, policy, lend->arena);
        if (!forecast_pool_is_grown(&history))
            continue;
        donors[snapshot->donor_count++] = donor_copy(sorted[i], &history, lend->arena);
        of_kind[kind]++;
    }
    snapshot->donors = donors;
}
