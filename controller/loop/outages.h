/*
 * What a cloud said to have none of, out of the Recommendations that it refused for that: they survive restarts. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_LOOP_OUTAGES_H
#define TRIMTAB_LOOP_OUTAGES_H

#include "base/arena.h"
#include "manifest/recommendation.h"
#include "observe/snapshot.h"

/* So long after a refusal a cloud is taken to have none. Karpenter holds 3 minutes; here a try that is lost costs a
 * Recommendation and, of other machines, a day's plan that waits for it, while the next best is at hand. */
#define OUTAGE_MS (INT64_C(10) * 60 * 1000)

/* Adds what the Recommendation tells, if it tells of any that still lasts. */
void outages_add(struct snapshot *snapshot, const struct recommendation *r, struct arena *arena);
/* When all are added. */
void outages_end(struct snapshot *snapshot, struct arena *arena);

#endif
