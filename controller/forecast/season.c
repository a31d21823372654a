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
#include <string.h>

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

/* Floats side by side, anywhere in an array of them: seven digits tell one correlation from another, and twice as many
 * are multiplied at once. */
#define FLOATS 8
typedef float floats __attribute__((vector_size(FLOATS * sizeof(float)), aligned(sizeof(float)), may_alias));
#define SUMMED 256 /* Products that are summed as floats, before they are as doubles. */

/* The series of which seasons are taken off one after another, in mean absolute deviations. */
struct rest {
    double *y;   /* NaN: a gap. */
    double *sum; /* As forecast_data's. */
    uint32_t *used;
    float *known;  /* 0 in a gap, else 1. */
    float *z;      /* Without what is slower than the length that is looked at; in gaps 0, */
    double square; /* and the sum of its squares. */
    size_t count;
};

static void sums_renew(struct rest *rest) {
    for (size_t i = 0; i < rest->count; i++)
        rest->sum[i + 1] = rest->sum[i] + (rest->known[i] > 0 ? rest->y[i] : 0);
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
    rest.known = arena_alloc_array(scratch, rest.count + 1, sizeof(float));
    rest.z = arena_alloc_array(scratch, rest.count + 1, sizeof(float));
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
    double scale = n / deviation;
    if (!isfinite(scale)) /* It never varies. */
        scale = 0;
    for (size_t i = 0; i < rest.count; i++) {
        double y = rest.y[i] * scale;
        rest.known[i] = isnan(y) ? 0.0f : 1.0f;
        rest.used[i + 1] = rest.used[i] + (isnan(y) ? 0u : 1u);
        rest.y[i] = y < -CLIP ? -CLIP : y > CLIP ? CLIP : y; /* fmin is a call. */
    }
    sums_renew(&rest);
    return rest;
}

static inline __attribute__((always_inline)) double floats_sum(const floats *sum) {
    double ret = 0;
    for (size_t n = 0; n < FLOATS; n++)
        ret += (double)(*sum)[n];
    return ret;
}

/* Of z, over the pairs that are both there. */
FORECAST_WIDE static double correlation(const struct rest *rest, size_t lag) {
    const float *z = rest->z, *after = z + lag, *known = rest->known, *known_after = known + lag;
    double cross = 0, left = 0, right = 0;
    size_t i = 0, pairs = lag < rest->count ? rest->count - lag : 0;
    while (i + FLOATS <= pairs) {
        floats sums[3] = {{0}};
        for (size_t end = i + SUMMED; i < end && i + FLOATS <= pairs; i += FLOATS) {
            const floats a = *(const floats *)&after[i], b = *(const floats *)&z[i];
            sums[0] += a * b;
            sums[1] += a * a * *(const floats *)&known[i];
            sums[2] += b * b * *(const floats *)&known_after[i];
        }
        cross += floats_sum(&sums[0]);
        left += floats_sum(&sums[1]);
        right += floats_sum(&sums[2]);
    }
    for (; i < pairs; i++) {
        cross += (double)(after[i] * z[i]);
        left += (double)(after[i] * after[i] * known[i]);
        right += (double)(z[i] * z[i] * known_after[i]);
    }
    return left > 0 && right > 0 ? cross / sqrt(left) / sqrt(right) : 0;
}

/* Adds the products at each of some lags, from y[from] on as far as all of them reach; returns how far. The compiler
 * must not sum side by side by itself. */
static inline __attribute__((always_inline)) size_t products_add(const float *y, size_t count, const size_t *lags,
                                                                 size_t lag_count, size_t lag_max, size_t from,
                                                                 double *totals) {
    while (from + FLOATS + lag_max <= count) {
        floats sums[LAGS_AT_ONCE] = {{0}};
        for (size_t end = from + SUMMED; from < end && from + FLOATS + lag_max <= count; from += FLOATS)
            for (size_t n = 0; n < lag_count; n++)
                sums[n] += *(const floats *)&y[from + lags[n]] * *(const floats *)&y[from];
        for (size_t n = 0; n < lag_count; n++)
            totals[n] += floats_sum(&sums[n]);
    }
    return from;
}

FORECAST_WIDE static void correlations_some(const float *y, size_t count, const size_t *lags, double square,
                                            double *ret) {
    double totals[LAGS_AT_ONCE] = {0};
    size_t lag_max = 0;
    for (size_t n = 0; n < LAGS_AT_ONCE; n++)
        lag_max = lags[n] > lag_max ? lags[n] : lag_max;
    size_t common = products_add(y, count, lags, LAGS_AT_ONCE, lag_max, 0, totals);
    for (size_t n = 0; n < LAGS_AT_ONCE; n++) {
        for (size_t i = products_add(y, count, &lags[n], 1, lags[n], common, &totals[n]); i + lags[n] < count; i++)
            totals[n] += (double)(y[i + lags[n]] * y[i]);
        ret[n] = square > 0 && lags[n] < count ? totals[n] / square * (double)count / (double)(count - lags[n]) : 0;
    }
}

static double square_sum(const float *y, size_t count) {
    const size_t none[LAGS_AT_ONCE] = {0};
    double ret[LAGS_AT_ONCE];
    correlations_some(y, count, none, 1, ret);
    return ret[0];
}

/* The same where gaps are 0, of `square` all in all, at several lags: too small by the share of the gaps, and several
 * times as fast. 0 where there is no pair. */
static void correlations_rough(const float *y, size_t count, const size_t *lags, size_t lag_count, double square,
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

/* Adds to z, `times` over, the mean over `half` steps before and behind each moment, of those that there are. Without
 * gaps it is told from where a moment is how many there are. */
FORECAST_WIDE static void around_add(struct rest *rest, size_t half, double times) {
    const double *restrict sum = rest->sum;
    float *restrict z = rest->z;
    int count = (int)rest->count, width = (int)half; /* Of these the lanes make doubles. */
    if (rest->used[count] < rest->count || width > count / 2) {
        for (int i = 0; i < count; i++)
            z[i] += (float)(times * rest_around(rest, (size_t)i, 2 * half));
        return;
    }
    double share = times / (2 * width + 1), all = sum[count];
    for (int i = 0; i < width; i++)
        z[i] += (float)(times * sum[i + width + 1] / (i + width + 1));
    for (int i = width; i < count - width; i++)
        z[i] += (float)((sum[i + width + 1] - sum[i - width]) * share);
    for (int i = count - width; i < count; i++)
        z[i] += (float)(times * (all - sum[i - width]) / (count + width - i));
}

/* Leaves in z what comes about once to SMOOTH_PARTS times in `length` steps; in gaps 0. */
static void band_pass(struct rest *rest, size_t length) {
    memset(rest->z, 0, rest->count * sizeof(*rest->z));
    around_add(rest, length / SMOOTH_PARTS / 2, 1);
    around_add(rest, length / 2, -1);
    for (size_t i = 0; i < rest->count; i++)
        rest->z[i] = rest->known[i] > 0 ? rest->z[i] : 0; /* Far from any value there is no mean. */
    rest->square = square_sum(rest->z, rest->count);
}

/* How sure a length is a season of what is in z: the least of the correlations with one, two and three lengths before.
 */
static double agreement(const struct rest *rest, size_t length) {
    double least = 1;
    for (size_t k = 1; k <= 3 && (k + 1) * length <= rest->count && least > CORRELATION_MIN; k++)
        least = fmin(least, correlation(rest, k * length));
    return least;
}

/* Takes the mean season off y: of what z does not have, by the place in the season. mean, used: `length` zeros. */
FORECAST_WIDE static void season_take(double *restrict y, const float *restrict z, const float *restrict known,
                                      size_t count, size_t length, double *restrict mean, float *restrict used) {
    for (size_t from = 0; from < count; from += length) {
        size_t size = count - from < length ? count - from : length;
        for (size_t phase = 0; phase < size; phase++) {
            mean[phase] += known[from + phase] > 0 ? y[from + phase] - (double)z[from + phase] : 0;
            used[phase] += known[from + phase];
        }
    }
    for (size_t phase = 0; phase < length; phase++)
        mean[phase] = used[phase] > 0 ? mean[phase] / (double)used[phase] : 0;
    for (size_t from = 0; from < count; from += length)
        for (size_t phase = 0; phase < length && from + phase < count; phase++)
            y[from + phase] -= mean[phase];
}

static void season_remove(struct rest *rest, size_t length, struct arena *scratch) {
    double *mean = arena_alloc_array(scratch, length, sizeof(*mean));
    float *used = arena_alloc_array(scratch, length, sizeof(*used));
    memset(rest->z, 0, rest->count * sizeof(*rest->z));
    around_add(rest, length / 2, 1);
    season_take(rest->y, rest->z, rest->known, rest->count, length, mean, used);
    sums_renew(rest);
}

/* Means over `width` steps, without what is slower than a level can see; in gaps 0. The newest only: to propose a
 * length they will do. Returns how many. */
static size_t means_fill(const struct rest *rest, size_t width, float *ret) {
    const size_t all = rest->count / width, count = all < MEANS_MAX ? all : MEANS_MAX;
    const size_t first = (all - count) * width, slow = (LAG_LAST + LAG_FIRST) * width, half = slow / 2;
    bool has_gaps = rest->used[rest->count] < rest->count;
    double share = 1 / (double)width, slow_share = 1 / (double)(2 * half + 1);
    for (size_t i = 0; i < count; i++) {
        size_t from = first + i * width, middle = from + width / 2;
        if (has_gaps || middle < half || middle + half >= rest->count) {
            double mean = rest_mean(rest, from, from + width);
            ret[i] = isnan(mean) ? 0 : (float)(mean - rest_around(rest, middle, slow));
        } else {
            ret[i] = (float)((rest->sum[from + width] - rest->sum[from]) * share -
                             (rest->sum[middle + half + 1] - rest->sum[middle - half]) * slow_share);
        }
    }
    return count;
}

/* The first of the most prominent hills of the autocorrelation of means over `width` steps, in steps; 0: none. */
static size_t level_look(const struct rest *rest, size_t width, size_t first, size_t longest, float *means) {
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
        found[i] = correlation(rest, lags[i]);
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
        /* The rough one is too small where much of the series is at one end. */
        if (found < PROMISING && correlation(rest, length) < PROMISING)
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
        if (known[k] > length && found < SHAPE * correlation(rest, known[k]))
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
    float *means = arena_alloc_array(scratch, MEANS_MAX, sizeof(*means));
    double highest = 0;
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
    if (!season)
        return 0;
    for (size_t i = 0; i < rest->count; i++)
        rest->z[i] = rest->known[i] > 0 ? (float)rest->y[i] : 0;
    double all = correlation(rest, season);
    if (all <= CORRELATION_MIN)
        return 0;
    band_pass(rest, season);
    double r = correlation(rest, season);
    bool is_hill = r > correlation(rest, season - (season + 3) / 4) && r > correlation(rest, season + (season + 3) / 4);
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
