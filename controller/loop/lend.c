/*
 * See lend.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/lend.h"

#include <stdlib.h>

#include "base/str.h"
#include "forecast/pool.h"

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

/* To tell who is young takes all its samples: once, not for each offer. */
bool lend_begin(struct lend *lend, const struct snapshot *borrower, struct arena *arena) {
    *lend = (struct lend){.borrower = borrower, .arena = arena};
    for (size_t i = 0; i < borrower->resource_count; i++) {
        const struct snapshot_resource *entry = &borrower->resources[i];
        enum cloud_kind kind = entry->resource.kind;
        if ((lend->young && lend->young[kind].count == LEND_YOUNG_MAX) || !is_young(entry))
            continue;
        if (!lend->young) {
            lend->young = arena_alloc_array(arena, CLOUD_KIND_COUNT, sizeof(*lend->young));
            lend->offers = arena_alloc_array(arena, LEND_OFFERS_MAX, sizeof(*lend->offers));
        }
        lend->young[kind].items[lend->young[kind].count++] = entry;
    }
    return lend->young != NULL;
}

static bool is_own(const struct snapshot *borrower, const char *provider, const struct cloud_resource *resource) {
    size_t low = 0, high = borrower->resource_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct snapshot_resource *entry = &borrower->resources[middle];
        int order = str_cmp(entry->provider, provider);
        order = order ? order : cloud_resource_cmp(&entry->resource, resource);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Also what the policy selects itself has nothing more to lend to it: -1. */
static int64_t likeness_of(const struct lend *lend, const char *provider, const struct cloud_resource *resource) {
    const struct lend_young *young = &lend->young[resource->kind];
    int64_t best = -1;
    for (size_t i = 0; i < young->count; i++) {
        int64_t like = lend_likeness(young->items[i]->provider, &young->items[i]->resource, provider, resource);
        best = like > best ? like : best;
    }
    return best >= 0 && is_own(lend->borrower, provider, resource) ? -1 : best;
}

bool lend_offer(struct lend *lend, const char *provider, const struct cloud_resource *resource) {
    int64_t likeness = likeness_of(lend, provider, resource);
    if (likeness >= 0)
        lend->offers[lend->count++] = (struct lend_offer){provider, resource, likeness};
    return lend->count < LEND_OFFERS_MAX && ++lend->looks < LEND_LOOKS_MAX;
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
