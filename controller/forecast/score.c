/*
 * Where models are judged - the past origins and the distances - and quantiles of a sample.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "forecast/forecast_internal.h"

#define KNOT_RATIO 4.0
#define KNOT_GAP 0.4    /* Of the last one, from one to the next at most; */
#define KNOT_APART 0.1  /* and from it at least. */
#define SPAN_SEASONS 42 /* How far back the origins go. */
#define SORT_SMALL 12
#define SORT_WINDOW 16
#define SPLIT_SMALL FORECAST_ORIGINS_MAX
#define TAIL_SHARE 0.1 /* The part of the sample that the exponential tail is fitted to. */

/* The last half hour of a day ahead is known from two days ago (features.c), not from one like all before it: nothing
 * between is foretold from there. */
static size_t knot_last(const struct forecast_data *data, size_t steps) {
    size_t smooth = data->step_ms < FORECAST_SMOOTH_MS ? (size_t)(FORECAST_SMOOTH_MS / data->step_ms) : 0;
    return data->day && steps <= data->day && steps + smooth > data->day ? data->day - smooth : steps;
}

struct forecast_grid forecast_grid_make(const struct forecast_data *data, size_t steps) {
    struct forecast_grid grid = {.horizon = steps};
    double last = (double)knot_last(data, steps), h = 1;
    while (grid.knot_count < FORECAST_KNOTS_MAX - 1 && h + KNOT_APART * last < last) {
        grid.knots[grid.knot_count++] = (size_t)h;
        h = fmax(h + 1, fmin(h * KNOT_RATIO, h + KNOT_GAP * last));
    }
    grid.knots[grid.knot_count++] = (size_t)last;
    for (size_t k = 0; k < grid.knot_count; k++) {
        double left = k ? (double)(grid.knots[k] - grid.knots[k - 1]) / 2 : 0.5;
        double right = k + 1 < grid.knot_count ? (double)(grid.knots[k + 1] - grid.knots[k]) / 2 : 0.5;
        grid.weights[k] = left + right;
        grid.logs[k] = log((double)grid.knots[k]);
    }
    /* A season model has at least its first season behind the first origin; and what a model got wrong while it had
     * next to nothing to learn from is left out. */
    size_t season = data->day ? data->day : data->week;
    grid.origin_first = data->count / (season ? 7 : 2);
    if (grid.origin_first <= season)
        grid.origin_first = season + 1;
    if (season && data->count > SPAN_SEASONS * season)
        grid.origin_first = data->count - SPAN_SEASONS * season;
    size_t length = data->count > grid.origin_first ? data->count - grid.origin_first : 0;
    grid.origin_stride = (length + FORECAST_ORIGINS_MAX - 1) / FORECAST_ORIGINS_MAX;
    if (grid.origin_stride > 1)
        grid.origin_stride |= 1; /* Odd: it then visits more moments of the day. */
    if (grid.origin_stride == 0)
        grid.origin_stride = 1;
    grid.origin_count = (length + grid.origin_stride - 1) / grid.origin_stride;
    /* The newest origins count most: the stride ends at the last one. */
    if (grid.origin_count)
        grid.origin_first = data->count - 1 - (grid.origin_count - 1) * grid.origin_stride;
    return grid;
}

double forecast_grid_between(const struct forecast_grid *grid, size_t step, size_t *ret_left, size_t *ret_right) {
    size_t right = 0;
    while (right + 1 < grid->knot_count && grid->knots[right] < step)
        right++;
    size_t left = right && grid->knots[right] > step ? right - 1 : right;
    *ret_left = left;
    *ret_right = right;
    return left < right ? (log((double)step) - grid->logs[left]) / (grid->logs[right] - grid->logs[left]) : 0;
}

static void insertion_sort(double *values, size_t count) {
    for (size_t i = 1; i < count; i++) {
        double value = values[i];
        size_t j = i;
        for (; j > 0 && values[j - 1] > value; j--)
            values[j] = values[j - 1];
        values[j] = value;
    }
}

static double median_of_3(double a, double b, double c) {
    double low = a < b ? a : b, high = a < b ? b : a; /* fmin is a call. */
    double least = high < c ? high : c;
    return low > least ? low : least;
}

/* What is less than the bound first, the others behind; returns how many are. Without a branch for each value: nobody
 * could foresee it, and it cost more than all else. Nor does a value wait for the one before it to be stored. */
static size_t split_small(double *values, size_t count, double bound) {
    double others[SPLIT_SMALL];
    size_t below = 0;
    for (size_t i = 0; i < count; i++) {
        double value = values[i];
        values[below] = value;
        others[i - below] = value;
        below += value < bound;
    }
    // cppcheck-suppress uninitvar ; all that were put there are read, and no more.
    memcpy(values + below, others, (count - below) * sizeof(*values));
    return below;
}

static size_t split_large(double *values, size_t count, double bound) {
    size_t below = 0;
    for (size_t i = 0; i < count; i++) {
        double value = values[i];
        values[i] = values[below];
        values[below] = value;
        below += value < bound;
    }
    return below;
}

static size_t split(double *values, size_t count, double bound) {
    return count <= SPLIT_SMALL ? split_small(values, count, bound) : split_large(values, count, bound);
}

/* Three parts: the first is of lesser values than the others, and all of values[low] to values[high - 1] are equal.
 * Only where the pivot is the least are its equals looked for: elsewhere that comes later. count >= 3. */
static void partition(double *values, size_t count, size_t *low, size_t *high) {
    double pivot = median_of_3(values[0], values[count / 2], values[count - 1]);
    *low = *high = split(values, count, pivot);
    if (*low == 0)
        *high = split(values, count, nextafter(pivot, INFINITY));
    if (*high == 0) /* Nothing is beyond infinity: all are that, or no numbers. */
        *high = count;
}

/* gcc sees a minimum only where it need not care which of two zeros it is. */
#if defined(__GNUC__) && !defined(__clang__)
#define MIN_IS_ONE_INSTRUCTION __attribute__((optimize("no-signed-zeros", "finite-math-only")))
#else
#define MIN_IS_ONE_INSTRUCTION
#endif

#define ORDER(a, b) less = (a) < (b) ? (a) : (b), more = (a) < (b) ? (b) : (a), (a) = less, (b) = more

/* Eight values by a network of 19 comparisons (Batcher 1968), none of which is a branch. */
MIN_IS_ONE_INSTRUCTION static void sort_8(double *v) {
    double a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7], less, more;
    ORDER(a, b), ORDER(c, d), ORDER(e, f), ORDER(g, h);
    ORDER(a, c), ORDER(b, d), ORDER(e, g), ORDER(f, h);
    ORDER(b, c), ORDER(f, g), ORDER(a, e), ORDER(d, h);
    ORDER(b, f), ORDER(c, g);
    ORDER(c, e), ORDER(d, f);
    ORDER(b, c), ORDER(d, e), ORDER(f, g);
    v[0] = a, v[1] = b, v[2] = c, v[3] = d, v[4] = e, v[5] = f, v[6] = g, v[7] = h;
}

/* Twice eight, and then what is in the wrong half, quarter, eighth and place (bitonic: Batcher 1968). */
MIN_IS_ONE_INSTRUCTION static void sort_16(double *v) {
    double less, more;
    sort_8(v);
    sort_8(v + 8);
    for (size_t i = 0; i < 8; i++)
        ORDER(v[i], v[15 - i]);
    for (size_t i = 0; i < 16; i += 8)
        for (size_t k = i; k < i + 4; k++)
            ORDER(v[k], v[k + 4]);
    for (size_t i = 0; i < 16; i += 4)
        for (size_t k = i; k < i + 2; k++)
            ORDER(v[k], v[k + 2]);
    for (size_t i = 0; i < 16; i += 2)
        ORDER(v[i], v[i + 1]);
}

/* Of an array that ends at `end`, with nothing lesser behind these values nor greater before them. So a window of fixed
 * size around the last few sorts them, whatever else is in it. */
static void sort_part(double *values, size_t count, double *end) {
    while (count > SORT_WINDOW) {
        size_t low, high;
        partition(values, count, &low, &high);
        sort_part(values, low, end);
        values += high;
        count -= high;
    }
    if (count > 1)
        sort_16(values + SORT_WINDOW <= end ? values : end - SORT_WINDOW);
}

/* Quicksort (Hoare 1962). qsort was a third of a forecast's time: its comparisons are calls. The samples are bounded by
 * FORECAST_ORIGINS_MAX, and so is the worst case. */
void forecast_sort(double *values, size_t count) {
    if (count < SORT_WINDOW)
        insertion_sort(values, count);
    else
        sort_part(values, count, values + count);
}

/* Puts the value of this rank in its place, and none that is greater before it, nor smaller behind. */
static void place(double *values, size_t count, size_t rank) {
    while (count > SORT_SMALL) {
        size_t low, high;
        partition(values, count, &low, &high);
        if (rank < low) {
            count = low;
        } else if (rank < high) {
            return;
        } else {
            values += high;
            count -= high;
            rank -= high;
        }
    }
    insertion_sort(values, count);
}

double forecast_nth(double *values, size_t count, size_t rank) {
    place(values, count, rank);
    return values[rank];
}

/* The value at rank q from above, as an exponential tail fitted to the largest values; at least the largest. `sign` -1
 * looks at the lower end. */
static double tail(const double *sorted, size_t count, double chance, double sign) {
    size_t used = (size_t)(TAIL_SHARE * (double)count);
    double extreme = sign > 0 ? sorted[count - 1] : sorted[0];
    if (used < 4)
        return extreme;
    double base = sign > 0 ? sorted[count - 1 - used] : sorted[used], excess = 0;
    for (size_t i = 0; i < used; i++)
        excess += sign * ((sign > 0 ? sorted[count - 1 - i] : sorted[i]) - base);
    double value = base + sign * excess / (double)used * log((double)used / (double)count / chance);
    return sign > 0 ? fmax(value, extreme) : fmin(value, extreme);
}

double forecast_quantile(const double *sorted, size_t count, double q) {
    double position = q * (double)(count + 1) - 1;
    if (position > (double)(count - 1))
        return tail(sorted, count, 1 - q, 1);
    if (position < 0)
        return tail(sorted, count, q, -1);
    size_t low = (size_t)position;
    if (low + 1 >= count)
        return sorted[count - 1];
    return sorted[low] + (position - (double)low) * (sorted[low + 1] - sorted[low]);
}

/* How many of the `rank` least of both are in the first. */
static size_t rank_in_first(const double *a, size_t a_count, const double *b, size_t b_count, size_t rank) {
    size_t low = rank > b_count ? rank - b_count : 0, high = rank < a_count ? rank : a_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (a[middle] < b[rank - middle - 1])
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void merge(const double *a, size_t a_count, const double *b, size_t b_count, double *ret) {
    for (size_t i = 0, j = 0; i + j < a_count + b_count;) {
        bool is_first = j == b_count || (i < a_count && a[i] <= b[j]);
        *ret++ = is_first ? a[i++] : b[j++];
    }
}

/* Beyond what was seen. */
static double quantile_of_merged(const double *a, size_t a_count, const double *b, size_t b_count, double q) {
    double both[FORECAST_ORIGINS_MAX] = {0};
    merge(a, a_count, b, b_count, both);
    return forecast_quantile(both, a_count + b_count, q);
}

double forecast_quantile_of_two(const double *a, size_t a_count, const double *b, size_t b_count, double q) {
    size_t count = a_count + b_count;
    double position = q * (double)(count + 1) - 1, next[4] = {0};
    if (!(position >= 0 && position < (double)(count - 1)))
        return quantile_of_merged(a, a_count, b, b_count, q);
    size_t low = (size_t)position, i = rank_in_first(a, a_count, b, b_count, low), j = low - i;
    merge(a + i, a_count - i < 2 ? a_count - i : 2, b + j, b_count - j < 2 ? b_count - j : 2, next);
    return next[0] + (position - (double)low) * (next[1] - next[0]);
}

double forecast_quantile_of(double *values, size_t count, double q) {
    double position = q * (double)(count + 1) - 1;
    if (position >= 0 && position < (double)(count - 1)) {
        size_t low = (size_t)position;
        place(values, count, low);
        place(values + low + 1, count - low - 1, 0);
    } else {
        forecast_sort(values, count);
    }
    return forecast_quantile(values, count, q);
}
