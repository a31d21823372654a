/*
 * Who may lend its demand's shape to a resource whose history has just begun: first those of its own policy, then,
 * where they have nothing to lend, what other policies of the same namespace select. Never anything of another
 * namespace. The cluster's loop and `trimtab plan` offer the same resources in the same order: the policies that
 * follow by name, beginning again at the first one; of each what it selects, as it is sorted.
 *
 *     lend_begin -> lend_offer for each, until it has enough -> lend_end
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_LOOP_LEND_H
#define TRIMTAB_LOOP_LEND_H

#include "observe/observe.h"

#define LEND_OFFERS_MAX 256 /* Resources that are weighed, of so many policies at most. */
#define LEND_LOOKS_MAX 4096 /* Resources that are looked at for them: most may be of other kinds. */
#define LEND_YOUNG_MAX 16   /* Borrowers of a kind that these are compared with: a few stand for their like. */
#define LEND_READS_MAX 64   /* Histories of them that are read. */

struct lend_offer {
    const char *provider;
    const struct cloud_resource *resource;
    int64_t likeness; /* To that of the young ones that it is most like. */
};

struct lend_young { /* Of one kind, those that offers are compared with. */
    const struct snapshot_resource *items[LEND_YOUNG_MAX];
    size_t count;
};

struct lend {
    const struct snapshot *borrower;
    struct arena *arena;
    struct lend_young *young; /* [CLOUD_KIND_COUNT]; NULL: there are none. */
    struct lend_offer *offers;
    size_t count, looks;
};

/* How much speaks for two resources doing the same: each tag that they share, and a common provider. -1: of two kinds,
 * they cannot be compared. */
int64_t lend_likeness(const char *a_provider, const struct cloud_resource *a, const char *b_provider,
                      const struct cloud_resource *b);

/* False: no resource of the snapshot has too short a history. */
bool lend_begin(struct lend *lend, const struct snapshot *borrower, struct arena *arena);
/* False: that is enough. provider and resource are the caller's, until lend_end. */
bool lend_offer(struct lend *lend, const char *provider, const struct cloud_resource *resource);
/* The best of what was offered into snapshot->donors: at most SNAPSHOT_DONORS_OF_KIND of a kind. */
void lend_end(const struct lend *lend, struct observe *observe, const struct policy *policy, struct snapshot *snapshot);

#endif
