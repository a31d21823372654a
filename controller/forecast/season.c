/*
 * Which seasons a history has, if any. Nothing is assumed: a day and a week are looked at first, since they are likely,
 * and then every other length from an hour to a week, in what day and week leave unexplained. As in AutoPeriod
 * (Vlachos, Yu & Castelli 2005) a cheap look proposes and the autocorrelation confirms; the cheap look is not the
 * periodogram but the autocorrelation of ever coarser means, each without what is slower than it can see, so that
 * neither a drift nor a slow cycle hides a quick one, and lengths need not be fractions of the history.
 *
 * What confirms is what tells a cycle from noise that wanders: without the mean over one length around each moment, the
 * series must look like itself one, two and three lengths before (cf. SAZED, Toller, Santos & Kern 2019, who take the
 * agreement of several looks for a season). A multiple of a cycle passes too; the shortest that is as good counts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "forecast/forecast_internal.h"

#define CORRELATION_MIN 0.2 /* Of a day and a week. */
#define KNOWN_DOUBT 0.4     /* With few of them it must be more, by this over the number of comparisons. */
#define WEEK_MARGIN 0.05    /* A week costs seven times the memory of a day: it must be worth it. */
#define CYCLES_MIN 6        /* Of a length that nobody expects: fewer are found in anything that wanders. */
#define CYCLE_MIN 0.25      /* The same of its correlation, with many cycles; */
#define CYCLE_DOUBT 1.0     /* with fewer it must be stronger, by this over the root of their number. */
#define PROMISING 0.2       /* What is less where the length is not yet known to the step will not become that much. */
#define FUNDAMENTAL 0.75    /* A cycle's correlation, as a share of that of its multiple; */
#define SHAPE 0.9           /* and of that of a day and a week, of which it may be but a part. */
#define NEAR 0.03           /* A cycle that differs by this share from a day or a week is one. */
#define LAG_FIRST 12        /* In means of a level: from here to the last ones the next level takes over. */
#define LEVEL_RATIO 4
#define MEANS_MAX 2048
#define LAG_LAST (LEVEL_RATIO * LAG_FIRST)
#define PROMINENCE_MIN 0.15     /* Of a hill above the deepest valley before it. */
#define SMOOTH_PARTS 8          /* Of a length: what is quicker is smoothed away. */
#define REPEATS 4               /* By so many a length is told from the ones beside it. */
#define TRIED_MAX (3 * REPEATS) /* Lags at once: 2 LEVEL_RATIO + 1 lengths, or three of them REPEATS times. */
#define LAGS_AT_ONCE 4
#define CLIP 4.0 /* In mean absolute deviations: a spike is no cycle. */
#define HISTORY_WEEKS 4
#define HISTORY_MIN 2048

/* The series of which seasons are taken off one after another. */
struct rest {
    double *y;   /* NaN: a gap. */
    double *sum; /* As forecast_data's. */
    uint32_t *used;
    double *z;     /* Without what is slower than the length that is looked at, */
    double square; /* and the sum of its squares. */
    size_t count;
};

static void sums_renew(struct rest *rest) {
    for (size_t i = 0; i < rest->count; i++) {
        bool is_gap = isnan(rest->y[i]);
        rest->sum[i + 1] = rest->sum[i] + (is_gap ? 0 : rest->y[i]);
        rest->used[i + 1] = rest->used[i] + (is_gap ? 0u : 1u);
    }
}

static double rest_mean(const struct rest *rest, size_t from, size_t to) {
    to = to < rest->count ? to : rest->count;
    uint32_t used = rest->used[to] - rest->used[from];
    return used ? (rest->sum[to] - rest->sum[from]) / (double)used : NAN;
}

static double rest_around(const struct rest *rest, size_t i, size_t length) {
    size_t half = length / 2;
    return rest_mean(rest, i > half ? i - half : 0, i + half + 1);
}

static size_t week_steps(const struct forecast_data *data) {
    return (size_t)(7 * 24 * FORECAST_HOUR_MS / data->step_ms);
}

/* Without the straight line, and with spikes cut. */
static struct rest rest_make(const struct forecast_data *data, struct arena *scratch) {
    size_t week = week_steps(data);
    size_t most = HISTORY_WEEKS * week > HISTORY_MIN ? HISTORY_WEEKS * week : HISTORY_MIN;
    size_t from = data->count > most ? data->count - most : 0;
    struct rest rest = {.count = data->count - from};
    rest.y = arena_alloc_array(scratch, rest.count + 1, sizeof(double));
    rest.sum = arena_alloc_array(scratch, rest.count + 1, sizeof(double));
    rest.used = arena_alloc_array(scratch, rest.count + 1, sizeof(uint32_t));
    rest.z = arena_alloc_array(scratch, rest.count + 1, sizeof(double));
    double n = 0, sum_t = 0, sum_y = 0, sum_tt = 0, sum_ty = 0, middle = (double)rest.count / 2;
    for (size_t i = 0; i < rest.count; i++) {
        double y = data->y[from + i], t = (double)i - middle;
        if (isnan(y))
            continue;
        n++;
        sum_t += t;
        sum_y += y;
        sum_tt += t * t;
        sum_ty += t * y;
    }
    double divisor = n * sum_tt - sum_t * sum_t;
    double slope = divisor > 0 ? (n * sum_ty - sum_t * sum_y) / divisor : 0;
    double level = n > 0 ? (sum_y - slope * sum_t) / n : 0, deviation = 0;
    for (size_t i = 0; i < rest.count; i++) {
        rest.y[i] = data->y[from + i] - level - slope * ((double)i - middle);
        deviation += isnan(rest.y[i]) ? 0 : fabs(rest.y[i]);
    }
    double limit = n > 0 ? CLIP * deviation / n : 0;
    for (size_t i = 0; i < rest.count; i++)
        if (!isnan(rest.y[i]))
            rest.y[i] = rest.y[i] < -limit ? -limit : rest.y[i] > limit ? limit : rest.y[i]; /* fmin is a call. */
    sums_renew(&rest);
    return rest;
}

static double lanes_sum(lanes sum) {
    return sum[0] + sum[1] + sum[2] + sum[3];
}

/* Of `values`, one for each slot, over the pairs that are both there. */
FORECAST_WIDE static double correlation(const struct rest *rest, const double *values, size_t lag) {
    lanes sums[3] = {{0}};
    size_t i = 0;
    for (; i + lag + LANES <= rest->count; i += LANES) {
        const lanes y = *(const lanes *)&rest->y[i], y_after = *(const lanes *)&rest->y[i + lag];
        lane_bits both = (y <= INFINITY) & (y_after <= INFINITY); /* Neither is a gap. */
        lanes before = (lanes)((lane_bits) * (const lanes *)&values[i] & both);
        lanes after = (lanes)((lane_bits) * (const lanes *)&values[i + lag] & both);
        sums[0] += after * before;
        sums[1] += after * after;
        sums[2] += before * before;
    }
    double cross = lanes_sum(sums[0]), left = lanes_sum(sums[1]), right = lanes_sum(sums[2]);
    for (; i + lag < rest->count; i++) {
        if (isnan(rest->y[i]) || isnan(rest->y[i + lag]))
            continue;
        cross += values[i + lag] * values[i];
        left += values[i + lag] * values[i + lag];
        right += values[i] * values[i];
    }
    return left > 0 && right > 0 ? cross / sqrt(left) / sqrt(right) : 0;
}

static double square_sum(const double *y, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += y[i] * y[i];
    return sum;
}

/* The sum of products at each of some lags, from `from` products on that are in `sums` already; returns how many are. A
 * sum is in LANES parts, since the compiler must not, and several go side by side. */
static inline __attribute__((always_inline)) size_t products_add(const double *y, size_t count, const size_t *lags,
                                                                 size_t lag_count, size_t lag_max, size_t from,
                                                                 lanes *sums) {
    for (; from + LANES + lag_max <= count; from += LANES)
        for (size_t n = 0; n < lag_count; n++)
            sums[n] += *(const lanes *)&y[from + lags[n]] * *(const lanes *)&y[from];
    return from;
}

FORECAST_WIDE static void correlations_some(const double *y, size_t count, const size_t *lags, double square,
                                            double *ret) {
    lanes sums[LAGS_AT_ONCE] = {{0}};
    size_t lag_max = 0, common;
    for (size_t n = 0; n < LAGS_AT_ONCE; n++)
        lag_max = lags[n] > lag_max ? lags[n] : lag_max;
    common = products_add(y, count, lags, LAGS_AT_ONCE, lag_max, 0, sums);
    for (size_t n = 0; n < LAGS_AT_ONCE; n++) {
        products_add(y, count, &lags[n], 1, lags[n], common, &sums[n]);
        double sum = lanes_sum(sums[n]);
        ret[n] = square > 0 && lags[n] < count ? sum / square * (double)count / (double)(count - lags[n]) : 0;
    }
}

/* The same where gaps are 0, of `square` all in all, at several lags: too small by the share of the gaps, and several
 * times as fast. 0 where there is no pair. */
static void correlations_rough(const double *y, size_t count, const size_t *lags, size_t lag_count, double square,
                               double *ret) {
    for (size_t i = 0; i < lag_count; i += LAGS_AT_ONCE) {
        size_t some[LAGS_AT_ONCE];
        double found[LAGS_AT_ONCE];
        for (size_t n = 0; n < LAGS_AT_ONCE; n++)
            some[n] = lags[i + n < lag_count ? i + n : i];
        correlations_some(y, count, some, square, found);
        for (size_t n = 0; n < LAGS_AT_ONCE && i + n < lag_count; n++)
            ret[i + n] = found[n];
    }
}

static double passed_at(const struct rest *rest, size_t i, size_t length) {
    return isnan(rest->y[i]) ? 0 : rest_around(rest, i, length / SMOOTH_PARTS) - rest_around(rest, i, length);
}

/* Leaves in z what comes about once to SMOOTH_PARTS times in `length` steps; in gaps 0. Where there are no gaps and the
 * ends are far, all means are of as many. */
FORECAST_WIDE static void band_pass(struct rest *rest, size_t length) {
    bool has_gaps = rest->used[rest->count] < rest->count;
    size_t quick = length / SMOOTH_PARTS / 2, slow = length / 2;
    size_t to = !has_gaps && rest->count > 2 * slow ? rest->count - slow : 0, from = to ? slow : 0;
    double quick_share = 1 / (double)(2 * quick + 1), slow_share = 1 / (double)(2 * slow + 1);
    const double *restrict sum = rest->sum;
    double *restrict z = rest->z;
    for (size_t i = from; i < to; i++)
        z[i] = (sum[i + quick + 1] - sum[i - quick]) * quick_share - (sum[i + slow + 1] - sum[i - slow]) * slow_share;
    for (size_t i = 0; i < from; i++)
        z[i] = passed_at(rest, i, length);
    for (size_t i = to; i < rest->count; i++)
        z[i] = passed_at(rest, i, length);
    rest->square = square_sum(rest->z, rest->count);
}

/* How sure a length is a season of what is in z: the least of the correlations with one, two and three lengths before.
 */
static double agreement(const struct rest *rest, size_t length) {
    double least = 1;
    for (size_t k = 1; k <= 3 && (k + 1) * length <= rest->count && least > CORRELATION_MIN; k++)
        least = fmin(least, correlation(rest, rest->z, k * length));
    return least;
}

/* Leaves in z the mean over `length` around each moment. */
FORECAST_WIDE static void around_fill(struct rest *rest, size_t length) {
    size_t half = length / 2, to = rest->count > 2 * half ? rest->count - half : 0, from = to ? half : 0;
    if (rest->used[rest->count] < rest->count)
        from = to = 0;
    const double *restrict sum = rest->sum;
    double *restrict z = rest->z, share = 1 / (double)(2 * half + 1);
    for (size_t i = from; i < to; i++)
        z[i] = (sum[i + half + 1] - sum[i - half]) * share;
    for (size_t i = 0; i < from; i++)
        z[i] = rest_around(rest, i, length);
    for (size_t i = to; i < rest->count; i++)
        z[i] = rest_around(rest, i, length);
}

/* Takes the mean season off. */
static void season_remove(struct rest *rest, size_t length, struct arena *scratch) {
    around_fill(rest, length);
    double *sum = arena_alloc_array(scratch, length, sizeof(*sum));
    uint32_t *used = arena_alloc_array(scratch, length, sizeof(*used));
    for (size_t i = 0, phase = 0; i < rest->count; i++, phase = phase + 1 < length ? phase + 1 : 0) {
        double z = rest->y[i] - rest->z[i];
        sum[phase] += isnan(z) ? 0 : z;
        used[phase] += isnan(z) ? 0u : 1u;
    }
    for (size_t phase = 0; phase < length; phase++)
        sum[phase] = used[phase] ? sum[phase] / (double)used[phase] : 0;
    for (size_t i = 0, phase = 0; i < rest->count; i++, phase = phase + 1 < length ? phase + 1 : 0)
        rest->y[i] -= sum[phase];
    sums_renew(rest);
}

/* Means over `width` steps, without what is slower than a level can see; in gaps 0. The newest only: to propose a
 * length they will do. Returns how many. */
static size_t means_fill(const struct rest *rest, size_t width, double *ret) {
    const size_t all = rest->count / width, count = all < MEANS_MAX ? all : MEANS_MAX;
    const size_t first = (all - count) * width, slow = (LAG_LAST + LAG_FIRST) * width, half = slow / 2;
    bool has_gaps = rest->used[rest->count] < rest->count;
    double share = 1 / (double)width, slow_share = 1 / (double)(2 * half + 1);
    for (size_t i = 0; i < count; i++) {
        size_t from = first + i * width, middle = from + width / 2;
        if (has_gaps || middle < half || middle + half >= rest->count) {
            double mean = rest_mean(rest, from, from + width);
            ret[i] = isnan(mean) ? 0 : mean - rest_around(rest, middle, slow);
        } else {
            ret[i] = (rest->sum[from + width] - rest->sum[from]) * share -
                     (rest->sum[middle + half + 1] - rest->sum[middle - half]) * slow_share;
        }
    }
    return count;
}

/* The first of the most prominent hills of the autocorrelation of means over `width` steps, in steps; 0: none. */
static size_t level_look(const struct rest *rest, size_t width, size_t first, size_t longest, double *means) {
    size_t count = means_fill(rest, width, means), last = longest / width < LAG_LAST ? longest / width : LAG_LAST;
    double square = square_sum(means, count), r[LAG_LAST + 2] = {0}, hills[LAG_LAST + 1] = {0}, valley = 1,
           highest = PROMINENCE_MIN;
    size_t from = first > 3 ? (first - 1) / 2 : 1, lags[LAG_LAST + 2];
    for (size_t lag = from; lag <= last + 1; lag++)
        lags[lag] = lag;
    if (from <= last + 1)
        correlations_rough(means, count, &lags[from], last + 2 - from, square, &r[from]);
    for (size_t lag = from; lag <= last; lag++) {
        if (lag >= first && lag > 1 && r[lag] >= r[lag - 1] && r[lag] >= r[lag + 1])
            hills[lag] = r[lag] - valley;
        highest = fmax(highest, hills[lag]);
        valley = fmin(valley, r[lag]);
    }
    for (size_t lag = first; lag <= last; lag++)
        if (hills[lag] >= FUNDAMENTAL * highest)
            return lag * width;
    return 0;
}

/* The best of the lengths from `low`, `stride` apart; by how they agree over `lengths` of them, all together in
 * *ret_agreement. */
static size_t best_of(const struct rest *rest, size_t low, size_t high, size_t stride, size_t lengths,
                      double *ret_agreement) {
    bool has_gaps =
        rest->used[rest->count] < rest->count; /* Gaps that come again draw the rough one to their own lag. */
    size_t best = low, lags[TRIED_MAX], tried = 0;
    double highest = -INFINITY, found[TRIED_MAX] = {0};
    for (size_t length = low; length <= high; length += stride)
        for (size_t lag = length; lag <= lengths * length && lag + length <= rest->count; lag += length)
            lags[tried++] = lag;
    if (!has_gaps)
        correlations_rough(rest->z, rest->count, lags, tried, rest->square, found);
    for (size_t i = 0; i < tried && has_gaps; i++)
        found[i] = correlation(rest, rest->z, lags[i]);
    const double *next = found;
    for (size_t length = low; length <= high; length += stride) {
        double sum = 0;
        for (size_t lag = length; lag <= lengths * length && lag + length <= rest->count; lag += length)
            sum += *next++;
        if (sum > highest) {
            highest = sum;
            best = length;
        }
    }
    *ret_agreement = highest;
    return best;
}

/* To the step, by what is in z, from what is known to within `width`. 0: none there will do for a cycle. */
static size_t refine(const struct rest *rest, size_t length, size_t width) {
    double found;
    for (size_t stride = (width + LEVEL_RATIO - 1) / LEVEL_RATIO;; stride = (stride + LEVEL_RATIO - 1) / LEVEL_RATIO) {
        size_t reach = LEVEL_RATIO * stride;
        length = best_of(rest, length > reach + 1 ? length - reach : 2, length + reach, stride, 1, &found);
        if (found < PROMISING)
            return 0;
        if (stride == 1)
            return best_of(rest, length > 3 ? length - 1 : 2, length + 1, 1, REPEATS, &found);
    }
}

/* How sure by z a length is a cycle of its own; 0: it is none. Fewer cycles must agree better, and a part of the day's
 * or the week's shape is not a cycle: that comes again after a day, but not so well after its own length. */
static double cycle_agreement(const struct forecast_data *data, const struct rest *rest, size_t length) {
    double found = agreement(rest, length);
    if (found < CYCLE_MIN + CYCLE_DOUBT / sqrt((double)rest->count / (double)length))
        return 0;
    const size_t known[2] = {data->day, data->week};
    for (size_t k = 0; k < 2; k++)
        if (known[k] > length && found < SHAPE * correlation(rest, rest->z, known[k]))
            return 0;
    return found;
}

/* A day, or days: no cycle of its own. */
static bool is_multiple(size_t length, size_t season) {
    if (!length || !season)
        return false;
    double times = round((double)length / (double)season);
    return times >= 1 && fabs((double)length - times * (double)season) <= NEAR * times * (double)season;
}

/* The shortest length that comes again as well as any. */
static size_t cycle_find(const struct forecast_data *data, struct rest *rest, struct arena *scratch) {
    size_t hour = forecast_hour(data), shortest = hour > 2 ? hour : 2, best = 0;
    size_t width = hour > LAG_FIRST ? hour / LAG_FIRST : 1, longest = week_steps(data);
    if (longest > rest->count / CYCLES_MIN)
        longest = rest->count / CYCLES_MIN;
    double *means = arena_alloc_array(scratch, MEANS_MAX, sizeof(*means)), highest = 0;
    for (size_t first = (shortest + width - 1) / width; first * width <= longest; width *= LEVEL_RATIO) {
        size_t length = level_look(rest, width, first, longest, means);
        first = LAG_FIRST;
        if (!length)
            continue;
        band_pass(rest, length);
        length = refine(rest, length, width);
        double found = length < shortest || length > longest ? 0 : cycle_agreement(data, rest, length);
        if (FUNDAMENTAL * found > highest) { /* What is longer may be a multiple, and smoother. */
            best = length;
            highest = found;
        }
    }
    for (size_t parts = best / shortest; parts > 1; parts--) {
        if (best % parts)
            continue;
        band_pass(rest, best / parts);
        if (cycle_agreement(data, rest, best / parts) >= FUNDAMENTAL * highest)
            return best / parts;
    }
    return best;
}

/* 0: it does not show. A slower wave looks like itself after a day too, but more so after a shorter time. */
static double known_correlation(struct rest *rest, size_t season) {
    double all = season ? correlation(rest, rest->y, season) : 0;
    if (all <= CORRELATION_MIN)
        return 0;
    band_pass(rest, season);
    double r = correlation(rest, rest->z, season);
    bool is_hill = r > correlation(rest, rest->z, season - (season + 3) / 4) &&
                   r > correlation(rest, rest->z, season + (season + 3) / 4);
    double cycles = (double)rest->count / (double)season;
    return is_hill && r > CORRELATION_MIN + KNOWN_DOUBT / fmax(1, cycles - 1) ? all : 0;
}

static struct forecast_seasons known_find(const struct forecast_data *data, struct rest *rest) {
    double day = known_correlation(rest, data->day), week = known_correlation(rest, data->week);
    return (struct forecast_seasons){.has_day = day > 0,
                                     .has_week = week > 0 && week > day + (day > 0 ? WEEK_MARGIN : 0)};
}

struct forecast_seasons forecast_seasons_find(const struct forecast_data *data, struct arena *scratch) {
    struct rest rest = rest_make(data, scratch);
    size_t cycle = cycle_find(data, &rest, scratch);
    if (is_multiple(cycle, data->day) || is_multiple(cycle, data->week))
        cycle = 0;
    if (cycle)
        season_remove(&rest, cycle, scratch);
    struct forecast_seasons ret = known_find(data, &rest);
    if (!cycle && (ret.has_day || ret.has_week)) { /* It may be hidden by them. */
        if (ret.has_day)
            season_remove(&rest, data->day, scratch);
        if (ret.has_week)
            season_remove(&rest, data->week, scratch);
        cycle = cycle_find(data, &rest, scratch);
        if (is_multiple(cycle, data->day) || is_multiple(cycle, data->week))
            cycle = 0;
    }
    ret.cycle = cycle;
    return ret;
}
