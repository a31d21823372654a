/*
 * The median of a histogram whose weights halve with each day, as the vertical pod autoscaler's recommender keeps for
 * its percentiles (kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender/util/decaying_histogram.go; half-life
 * of 24 h, buckets that grow by 5 %). A level with a long memory that bursts do not move: what comes back to it is
 * foretold best by it. The percentiles themselves follow from its past errors, as those of every model do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "base/error.h"
#include "forecast/forecast_internal.h"

#define BUCKETS 384 /* Nine decades; */
#define GROWTH 1.05 /* each bucket is by this larger than the one before. */
#define LOG_GROWTH 0.048790164169432
#define FIRST_UNIT 1e-4 /* The lowest bound, in first samples above 0: VPA's are absolute, ours know no unit. */
#define HALF_LIFE_HOURS 24
#define WEIGHT_MAX 1e100

/* Weights grow instead of decaying: one number changes, not all. */
struct buckets {
    double weights[BUCKETS], total, below, weight;
    size_t median; /* `below` is the weight of the buckets before it. */
};

struct decaying_histogram {
    uint16_t *median;       /* Bucket before each slot; count + room + 1 elements. */
    double bounds[BUCKETS]; /* Where a bucket begins, in units; the lowest holds what is not above one. */
    double unit, growth;    /* Growth: of the weight with each slot. */
    struct buckets learned; /* Of the slots before `count`: whoever goes on begins here. */
    size_t count;
};

static double histogram_point(const struct forecast_model *model, const struct forecast_data *data, size_t origin,
                              size_t step, double *ret_scale) {
    (void)step, (void)ret_scale;
    const struct decaying_histogram *h = model->state;
    return data->last[origin] ? h->bounds[h->median[origin]] * sqrt(GROWTH) * h->unit : NAN;
}

FORECAST_SAY(histogram_say, histogram_point)

static void buckets_add(struct buckets *b, size_t at) {
    const double of[2] = {0, b->weight}; /* A branch that nobody can foresee costs more. */
    b->weights[at] += b->weight;
    b->total += b->weight;
    b->below += of[at < b->median];
    while (b->median > 0 && b->below > b->total / 2)
        b->below -= b->weights[--b->median];
    while (b->median + 1 < BUCKETS && b->below + b->weights[b->median] < b->total / 2)
        b->below += b->weights[b->median++];
}

static void buckets_rescale(struct buckets *b) {
    for (size_t i = 0; i < BUCKETS; i++)
        b->weights[i] /= WEIGHT_MAX;
    b->total /= WEIGHT_MAX;
    b->below /= WEIGHT_MAX;
    b->weight /= WEIGHT_MAX;
}

/* Within a hundredth of the logarithm to the base 2: value = 2^(exponent - 1) (1 + part). */
static double log2_about(double value) {
    int exponent;
    double part = 2 * frexp(value, &exponent) - 1;
    return exponent - 1 + part + 0.344 * part * (1 - part);
}

/* The place is found to a tenth of a bucket first, and then by the bounds beside it: a logarithm for each sample took
 * longer than all else. */
static size_t bucket_of(const struct decaying_histogram *h, double value) {
    double times = value / h->unit;
    if (times <= 1)
        return 0;
    if (times >= h->bounds[BUCKETS - 1])
        return BUCKETS - 1;
    size_t at = (size_t)(1 + log2_about(times) * (M_LN2 / LOG_GROWTH));
    at = at < BUCKETS - 2 ? at : BUCKETS - 2;
    return at + (times >= h->bounds[at + 1]) - (times < h->bounds[at]);
}

static void histogram_go_on(struct decaying_histogram *h, const struct forecast_data *data, struct buckets *b) {
    for (size_t i = h->count; i < data->count; i++) {
        if (!isnan(data->y[i]))
            buckets_add(b, bucket_of(h, data->y[i]));
        b->weight *= h->growth;
        if (b->weight > WEIGHT_MAX)
            buckets_rescale(b);
        h->median[i + 1] = (uint16_t)b->median;
    }
}

/* What is added is little: it is gone through again from what the fit had learned. */
static void histogram_extend(const struct forecast_model *model, const struct forecast_data *data, size_t from) {
    struct decaying_histogram *h = model->state;
    ASSERT(from >= h->count);
    struct buckets b = h->learned;
    histogram_go_on(h, data, &b);
}

bool forecast_histogram(const struct forecast_data *data, struct arena *scratch, struct forecast_model *ret) {
    double unit = 0;
    for (size_t i = 0; i < data->count; i++) {
        if (data->y[i] < 0)
            return false;
        if (unit == 0 && data->y[i] > 0)
            unit = FIRST_UNIT * data->y[i];
    }
    if (unit == 0)
        return false;
    struct decaying_histogram *h = arena_alloc(scratch, sizeof(*h));
    h->median = arena_alloc_array(scratch, data->count + data->room + 1, sizeof(*h->median));
    for (size_t k = 1; k < BUCKETS; k++)
        h->bounds[k] = k > 1 ? h->bounds[k - 1] * GROWTH : 1;
    h->unit = unit;
    h->growth = exp2((double)data->step_ms / (double)(HALF_LIFE_HOURS * FORECAST_HOUR_MS));
    h->learned.weight = 1;
    histogram_go_on(h, data, &h->learned);
    h->count = data->count;
    *ret = (struct forecast_model){
        .name = "histogram", .point = histogram_point, .say = histogram_say, .extend = histogram_extend, .state = h};
    return true;
}
