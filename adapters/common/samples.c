/*
 * Normalising of samples. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/common/samples.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"

struct keyed_sample { /* qsort is not stable: the index keeps the order of equal times. */
    struct cloud_sample sample;
    size_t index;
};

static int keyed_cmp(const void *a, const void *b) {
    const struct keyed_sample *x = a, *y = b;
    if (x->sample.time_ms != y->sample.time_ms)
        return x->sample.time_ms < y->sample.time_ms ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

enum samples_rule samples_rule_of(enum cloud_metric metric) {
    return metric == CLOUD_METRIC_MEMORY ? SAMPLES_GREATEST : SAMPLES_LAST;
}

size_t samples_normalise(struct cloud_sample *samples, size_t count, const struct cloud_query *query,
                         enum samples_rule rule, int64_t now_ms) {
    ASSERT(query->step_ms > 0);
    if (count == 0)
        return 0;
    struct keyed_sample *sorted = mem_alloc_array(count, sizeof(*sorted));
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct keyed_sample){samples[i], i};
    qsort(sorted, count, sizeof(*sorted), keyed_cmp);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct cloud_sample sample = sorted[i].sample;
        if (!isfinite(sample.value) || sample.value < 0 || sample.time_ms < 0 || sample.time_ms > now_ms)
            continue;
        sample.time_ms -= sample.time_ms % query->step_ms;
        if (sample.time_ms < query->from_ms || sample.time_ms >= query->to_ms)
            continue;
        bool is_same = kept > 0 && samples[kept - 1].time_ms == sample.time_ms;
        if (is_same && rule == SAMPLES_GREATEST && samples[kept - 1].value > sample.value)
            continue;
        kept -= is_same;
        samples[kept++] = sample;
    }
    mem_free(sorted);
    return kept;
}
