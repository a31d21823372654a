/*
 * What clouds measure, made uniform: ascending, on the grid of the asked step, one sample a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_COMMON_SAMPLES_H
#define TRIMTAB_ADAPTERS_COMMON_SAMPLES_H

#include "adapters/cloud.h"

enum samples_rule {               /* Which of several samples of one period stays. */
                    SAMPLES_LAST, /* The one stamped last, of equal stamps the later in the array. */
                    SAMPLES_GREATEST,
};
enum samples_rule samples_rule_of(enum cloud_metric metric); /* For utilisation. */

/* In place; returns the new count. Times are cut to the step's grid; what is not finite, negative, outside
 * [query->from_ms, query->to_ms) or later than now_ms is dropped. */
size_t samples_normalise(struct cloud_sample *samples, size_t count, const struct cloud_query *query,
                         enum samples_rule rule, int64_t now_ms);

#endif
