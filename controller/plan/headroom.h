/*
 * What a plan may not exceed besides the policy itself, and what is already under way. Made by the loop's serial
 * admission step from the Recommendations that are not yet finished.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_HEADROOM_H
#define TRIMTAB_PLAN_HEADROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is not for sale: an offer that all which is named here matches. Globs; NULL: whatever. A provider without '/' is
 * of the name alone, whatever the namespace.
 *
 * Nothing is bought of it. What runs on it counts as gone, and must leave: by Rightsize or Migrate, where the policy
 * allows it, whatever that costs. What cannot stands as it is, and is told: DemandUnmet (docs/planning.md, "What if").
 */
struct headroom_closure {
    const char *provider, *region, *type;
    const char *text; /* How whoever closed it wrote that, for messages. */
};

struct headroom {
    bool freeze_growth; /* An enforced budget effect. */
    bool shrink_to_minimum;
    const char *budget; /* Which ("namespace/name"); NULL: none. */
    const struct headroom_closure *closures;
    size_t closure_count;
};

bool headroom_closure_matches(const struct headroom_closure *closure, const char *provider, const char *region,
                              const char *type);
/* The first that closes it; NULL: it is for sale. */
const struct headroom_closure *headroom_closure_of(const struct headroom *headroom, const char *provider,
                                                   const char *region, const char *type);

#endif
