/*
 * What one listing holds, packed: the resources in one array, each text once where many bear the same, and two ways to
 * find one. By id it is a binary search over the array, which is sorted; by tag one number a tag, sorted by the tag's
 * hash. A listing of 100,000 machines is what decides the memory of the whole process.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_OBSERVE_STOCK_H
#define TRIMTAB_OBSERVE_STOCK_H

#include "adapters/cloud.h"
#include "base/arena.h"

struct stock {                        /* Zeroed is empty. */
    struct arena arena;               /* Of all of it. */
    struct cloud_resource *resources; /* Of one kind and region, sorted by id. */
    size_t count;
    uint64_t *by_tag; /* Hash of key and value above, index of the resource below; ascending. */
    size_t tag_count;
};

/* Takes what is of that kind out of a listing that lives in this arena; *stock is empty before, the arena after. An
 * arena that holds little else is kept as it is, else what counts is copied. What bears no as-of time gets this one.
 * region is kept: it outlives the stock. */
void stock_fill(struct stock *stock, const char *region, enum cloud_kind kind, struct cloud_resource *resources,
                size_t count, int64_t as_of_ms, struct arena *arena);
void stock_release(struct stock *stock);

/* NULL of NULL. */
const struct cloud_node *stock_node_copy(struct arena *arena, const struct cloud_node *from);

/* Only the as-of times, of a listing that says the same as the one before (equal stock_hash). */
void stock_touch(struct stock *stock, const struct cloud_resource *resources, size_t count, int64_t as_of_ms);
/* Of everything but the as-of times. */
uint64_t stock_hash(enum cloud_kind kind, const struct cloud_resource *resources, size_t count);

const struct cloud_resource *stock_find(const struct stock *stock, const char *id); /* NULL: not there. */

/* Those that may bear the tag, in order of id: of another tag with the same hash they come too, so look at the tags.
 * Use: for (size_t i = stock_tag_first(stock, key, value); (r = stock_tag_next(stock, key, value, &i));) */
size_t stock_tag_first(const struct stock *stock, const char *key, const char *value);
const struct cloud_resource *stock_tag_next(const struct stock *stock, const char *key, const char *value,
                                            size_t *index);

#endif
