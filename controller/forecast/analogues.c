/*
 * What demand was after moments that were like this one (analogues: Lorenz 1969; as a distribution of their own:
 * Yakowitz 1987), for distances of up to half an hour. A model with one spread for all moments of a distance cannot
 * tell the quiet before a burst from the quiet after it; the twentieth of the newest days' moments that are nearest to
 * now, in the levels, peaks and changes of the last hours, in what past days had next and in the time of day and hour,
 * can.
 *
 * A feature counts for the distance by how far it goes together with the largest demand of the next hour. Features are
 * kept in bytes: a distance is a sum of their differences. An analogue says two things: demand comes to what it came to
 * then, or moves as it moved then. Both are pooled, the sharper of them the more.
 *
 * How much all that counts beside the mixture follows from what both lost at past origins; what is less than an hour
 * from one is then left out (purged, as Lopez de Prado 2018). Their quantiles are averaged up to 0.99. Beyond it their
 * chances are (the linear pool: Stone 1961): a hundred moments have not seen what a thousand have, and a mean of
 * quantiles would halve what only one of both knows to be possible.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "forecast/forecast_internal.h"

#define FEATURES 16
#define ROWS_MAX                                                                                                       \
    2016 /* The newest moments: a week at 5 minutes. Twice as far back with half as many was no better.                \
          */
#define ROWS_MIN 512
#define NEAREST 80
#define LONG_HOURS 12
#define SEASONS 7
#define TILE 32   /* Rows that are gone through together. */
#define LEVELS 64 /* That the weightiest feature is told in: the nearest are less than UINT8_MAX apart in all. */
#define VALUE_MAX 1e33
#define SAME 1e-6f        /* Of its size: a feature that varies by less is one number. */
#define CENSORED_MAX 0.05 /* Of the analogues. */
#define NARROWER 0.4      /* See narrowed. */
#define NEAR 0.99         /* Up to here quantiles are averaged, beyond it chances. */
#define SHARE_NEAR 0.85
#define SHARE_FAR 0.6

_Static_assert(NEAREST <= FORECAST_ALIKE_MAX, "all of them are kept");
_Static_assert(ROWS_MAX % TILE == 0, "no tile is in part");

/* How a feature becomes a byte: by value / (unit + |value|), which is bounded and keeps the order. */
struct measure {
    float unit, low, gain;
};

struct forecast_analogues {
    size_t first, count; /* Row i is the origin first + i. */
    size_t season, hour; /* In steps. */
    struct measure measures[FEATURES];
    uint8_t bytes[FEATURES][ROWS_MAX];
};

struct total {
    double sum;
    uint32_t used;
};

/* What is looked up differently for one origin and for many. Of the demand before the origin. */
struct windows {
    double hour_max, long_max, next_max, change; /* next_max: of the hour that began a season ago. */
    struct total next;                           /* Of that hour and those of the seasons before. */
};

static double last_before(const struct forecast_data *data, size_t slot) {
    return data->last[slot] ? data->y[data->last[slot] - 1] : 0;
}

static double mean_of(const struct forecast_data *data, size_t from, size_t to, double otherwise) {
    double mean = forecast_mean(data, from, to);
    return isnan(mean) ? otherwise : mean;
}

/* So that sums over all rows stay finite. */
static float limited(double value) {
    double most = value < VALUE_MAX ? value : VALUE_MAX;
    return (float)(most > -VALUE_MAX ? most : -VALUE_MAX);
}

static struct total hour_total(const struct forecast_analogues *past, const struct forecast_data *data, size_t from) {
    size_t to = from + past->hour;
    return (struct total){data->sum[to] - data->sum[from], data->used[to] - data->used[from]};
}

/* The same hour of past seasons. */
static struct total profile_of(const struct forecast_analogues *past, const struct forecast_data *data, size_t origin) {
    struct total all = {0};
    for (size_t k = 1; k <= SEASONS && origin >= k * past->season; k++) {
        struct total one = hour_total(past, data, origin - k * past->season);
        all.sum += one.sum;
        all.used += one.used;
    }
    return all;
}

/* The same from that of the season before. */
static struct total profile_next(const struct forecast_analogues *past, const struct forecast_data *data, size_t origin,
                                 struct total all) {
    size_t gone = (SEASONS + 1) * past->season;
    struct total one = hour_total(past, data, origin - past->season);
    all.sum += one.sum;
    all.used += one.used;
    if (origin >= gone) {
        one = hour_total(past, data, origin - gone);
        all.sum -= one.sum;
        all.used -= one.used;
    }
    return all;
}

/* What is known at an origin; the demand of the last minutes first. origin > season. */
static void features_fill(const struct forecast_analogues *past, const struct forecast_data *data, size_t origin,
                          const struct windows *windows, float *ret) {
    const size_t half = (past->hour + 1) / 2, hour = past->hour, season = past->season;
    const size_t back[] = {half, hour, 3 * hour, season};
    double last = last_before(data, origin), all[FEATURES] = {last};
    size_t n = 1, ago[] = {1, 2, 5};
    for (size_t i = 0; i < ARRAY_LEN(ago); i++)
        all[n++] = origin > ago[i] ? last_before(data, origin - ago[i]) : last;
    for (size_t i = 0; i < ARRAY_LEN(back); i++)
        all[n++] = mean_of(data, origin > back[i] ? origin - back[i] : 0, origin, last);
    all[n++] = fmax(windows->hour_max, last);
    all[n++] = fmax(windows->long_max, last);
    all[n++] = windows->change;
    all[n++] = mean_of(data, origin - season, origin - season + half, last);
    all[n++] = windows->next_max > -INFINITY ? windows->next_max : last;
    all[n++] = windows->next.used ? windows->next.sum / (double)windows->next.used : last;
    all[n++] = (double)(origin % season);
    all[n++] = (double)(origin % hour);
    ASSERT(n == FEATURES);
    for (size_t i = 0; i < FEATURES; i++)
        ret[i] = limited(all[i]);
}

static double max_of(const double *y, size_t from, size_t to) {
    double max = -INFINITY;
    for (size_t i = from; i < to; i++)
        max = y[i] > max ? y[i] : max;
    return max;
}

static size_t back_from(size_t origin, size_t steps) {
    return origin > steps ? origin - steps : 0;
}

static struct windows windows_at(const struct forecast_analogues *past, const struct forecast_data *data,
                                 size_t origin) {
    size_t hour = past->hour, yesterday = origin - past->season;
    struct windows w = {
        .hour_max = max_of(data->y, back_from(origin, hour), origin),
        .long_max = max_of(data->y, back_from(origin, LONG_HOURS * hour), origin),
        .next_max = max_of(data->y, yesterday, yesterday + hour),
        .next = profile_of(past, data, origin),
    };
    for (size_t i = back_from(origin, hour); i < origin; i++)
        w.change += i && !isnan(data->y[i]) ? fabs(data->y[i] - last_before(data, i)) : 0;
    return w;
}

/* ret[i]: the largest of the `width` values that end before i, for i in [from, to]; in three comparisons each (van Herk
 * 1992). from >= width. room: to + 1 elements. */
static void max_slide(const double *y, size_t from, size_t to, size_t width, double *room, double *ret) {
    size_t start = from - width;
    for (size_t block = start; block < to; block += width) {
        size_t end = block + width < to ? block + width : to;
        double max = -INFINITY;
        for (size_t i = end; i-- > block;)
            room[i] = max = y[i] > max ? y[i] : max;
        max = -INFINITY;
        for (size_t i = block; i < end; i++) {
            max = y[i] > max ? y[i] : max;
            if (i + 1 < from)
                continue;
            /* What ends here, and from where it began to the end of that block. */
            size_t begin = i + 1 - width;
            ret[i + 1] = begin >= block || room[begin] < max ? max : room[begin];
        }
    }
}

/* The rows while they are learned from. */
struct rows {
    float (*x)[FEATURES];
    float *y; /* The largest demand of the next hour. */
};

static void rows_fill(const struct forecast_analogues *past, const struct forecast_data *data, struct arena *scratch,
                      struct rows *ret) {
    /* Of the origins from `base` on: what the first row looks back at. */
    size_t hour = past->hour, longest = LONG_HOURS * hour, base = back_from(past->first - past->season, longest);
    size_t count = data->count - base, first = past->first - base, season = past->season;
    const double *y = data->y + base;
    double *room = arena_alloc_array(scratch, count + 1, sizeof(*room));
    double *hour_max = arena_alloc_array(scratch, count + 1, sizeof(*hour_max));
    double *long_max = arena_alloc_array(scratch, count + 1, sizeof(*long_max));
    double *change = arena_alloc_array(scratch, count + 1, sizeof(*change));
    max_slide(y, first - season + hour, count, hour, room, hour_max);
    max_slide(y, longest < first ? first : longest, count, longest, room, long_max);
    for (size_t i = back_from(first, hour); i < count; i++)
        change[i + 1] = change[i] + (base + i && !isnan(y[i]) ? fabs(y[i] - last_before(data, base + i)) : 0);
    struct total *next = arena_alloc_array(scratch, past->count, sizeof(*next));
    for (size_t i = 0; i < past->count; i++) {
        size_t o = first + i;
        next[i] = i < season ? profile_of(past, data, base + o) : profile_next(past, data, base + o, next[i - season]);
        const struct windows w = {hour_max[o], o < longest ? max_of(y, 0, o) : long_max[o], hour_max[o - season + hour],
                                  change[o] - change[back_from(o, hour)], next[i]};
        features_fill(past, data, base + o, &w, ret->x[i]);
        ret->y[i] = limited(hour_max[o + hour] > -INFINITY ? hour_max[o + hour] : last_before(data, base + o));
    }
    ASSERT(next[past->count - 1].used == profile_of(past, data, base + first + past->count - 1).used);
}

static float bounded(float value, float unit) {
    return value / (unit + fabsf(value));
}

/* Sums over the rows, of each feature. */
struct sums {
    float size[FEATURES], x[FEATURES], xx[FEATURES], xy[FEATURES], low[FEATURES], high[FEATURES];
};

/* Bounds the features and y; returns sums of what they are then. */
FORECAST_WIDE static void rows_bound(const struct rows *rows, size_t count, struct sums *sums, double *ret_y,
                                     double *ret_yy) {
    float size = 0, units[FEATURES];
    for (size_t i = 0; i < count; i++) {
        for (size_t f = 0; f < FEATURES; f++)
            sums->size[f] += fabsf(rows->x[i][f]);
        size += fabsf(rows->y[i]);
    }
    for (size_t f = 0; f < FEATURES; f++) {
        units[f] = sums->size[f] > 0 ? sums->size[f] / (float)count : 1;
        sums->low[f] = INFINITY;
        sums->high[f] = -INFINITY;
    }
    for (size_t i = 0; i < count; i++) {
        float y = rows->y[i] = bounded(rows->y[i], size > 0 ? size / (float)count : 1);
        for (size_t f = 0; f < FEATURES; f++) {
            float x = rows->x[i][f] = bounded(rows->x[i][f], units[f]);
            sums->x[f] += x;
            sums->xx[f] += x * x;
            sums->xy[f] += x * y;
            sums->low[f] = x < sums->low[f] ? x : sums->low[f];
            sums->high[f] = x > sums->high[f] ? x : sums->high[f];
        }
        *ret_y += (double)y;
        *ret_yy += (double)(y * y);
    }
    memcpy(sums->size, units, sizeof(units));
}

/* A feature's share of the distance: its correlation with y, in its own standard deviations. */
static void measures_make(struct forecast_analogues *past, const struct sums *sums, double y, double yy) {
    double count = (double)past->count, most = 0, weights[FEATURES];
    double y_deviation = sqrt(fmax(yy / count - y / count * (y / count), 0));
    for (size_t f = 0; f < FEATURES; f++) {
        double mean = (double)sums->x[f] / count, deviation = sqrt(fmax((double)sums->xx[f] / count - mean * mean, 0));
        double together = fabs((double)sums->xy[f] / count - mean * (y / count));
        bool is_known = deviation > (double)SAME && y_deviation > (double)SAME;
        double r = together / (deviation * y_deviation);
        weights[f] = is_known ? r * sqrt(r) / deviation : 0;
        most = fmax(most, weights[f] * (double)(sums->high[f] - sums->low[f]));
    }
    for (size_t f = 0; f < FEATURES; f++)
        past->measures[f] =
            (struct measure){sums->size[f], sums->low[f], most > 0 ? (float)(weights[f] * LEVELS / most) : 0};
}

static uint8_t byte_of(const struct measure *measure, float bounded_value) {
    float value = (bounded_value - measure->low) * measure->gain + 0.5f;
    return (uint8_t)(value < 0 ? 0 : value > UINT8_MAX ? UINT8_MAX : value);
}

/* byte_of of all rows, which are within the bounds. First by row, where the features are side by side. */
FORECAST_WIDE static void bytes_fill(struct forecast_analogues *past, const struct rows *rows) {
    float lows[FEATURES], gains[FEATURES];
    for (size_t f = 0; f < FEATURES; f++) {
        lows[f] = past->measures[f].low;
        gains[f] = past->measures[f].gain;
    }
    for (size_t from = 0; from < past->count; from += TILE) {
        uint8_t tile[TILE][FEATURES];
        size_t count = past->count - from < TILE ? past->count - from : TILE;
        for (size_t i = 0; i < count; i++)
            for (size_t f = 0; f < FEATURES; f++)
                tile[i][f] = (uint8_t)(int)((rows->x[from + i][f] - lows[f]) * gains[f] + 0.5f);
        for (size_t f = 0; f < FEATURES; f++)
            for (size_t i = 0; i < count; i++)
                past->bytes[f][from + i] = tile[i][f];
    }
}

struct forecast_analogues *forecast_analogues_learn(const struct forecast_data *data, struct arena *arena,
                                                    struct arena *scratch) {
    size_t season = data->day ? data->day : data->week;
    size_t hour = forecast_hour(data), end = data->count > hour ? data->count - hour : 0;
    size_t first = end > ROWS_MAX ? end - ROWS_MAX : 0;
    if (first <= season + hour)
        first = season + hour + 1;
    if (!season || season < hour || end < first + ROWS_MIN)
        return NULL;
    struct forecast_analogues *past = arena_alloc(arena, sizeof(*past));
    past->first = first;
    past->count = end - first;
    past->season = season;
    past->hour = hour;
    struct rows rows = {arena_alloc_array(scratch, past->count, sizeof(*rows.x)),
                        arena_alloc_array(scratch, past->count, sizeof(*rows.y))};
    struct sums sums = {0};
    double y = 0, yy = 0;
    rows_fill(past, data, scratch, &rows);
    rows_bound(&rows, past->count, &sums, &y, &yy);
    measures_make(past, &sums, y, yy);
    bytes_fill(past, &rows);
    return past;
}

/* Sums of differences; UINT8_MAX: that or more. */
FORECAST_WIDE static void distances_find(const struct forecast_analogues *past, const uint8_t *bytes, uint8_t *ret) {
    memset(ret, 0, ROWS_MAX);
    for (size_t f = 0; f < FEATURES; f++) {
        const uint8_t *row = past->bytes[f], byte = bytes[f];
        if (past->measures[f].gain == 0)
            continue;
        for (size_t i = 0; i < ROWS_MAX; i++) {
            uint8_t more = row[i] > byte ? row[i] : byte, less = row[i] > byte ? byte : row[i];
            uint8_t apart = (uint8_t)(more - less), room = (uint8_t)(UINT8_MAX - ret[i]);
            ret[i] = (uint8_t)(ret[i] + (apart < room ? apart : room));
        }
    }
}

/* The least distance that NEAREST rows are within; of what is too far to tell none. */
FORECAST_WIDE static uint8_t reach_find(const uint8_t *distances) {
    unsigned reach = 0;
    for (unsigned bit = 128; bit; bit /= 2) {
        uint8_t tried = (uint8_t)(reach + bit - 1);
        size_t within = 0;
        for (size_t from = 0; from < ROWS_MAX; from += TILE) {
            uint8_t of_tile = 0;
            for (size_t i = from; i < from + TILE; i++)
                of_tile = (uint8_t)(of_tile + (distances[i] <= tried));
            within += of_tile;
        }
        if (within < NEAREST)
            reach += bit;
    }
    return (uint8_t)(reach < UINT8_MAX ? reach : UINT8_MAX - 1);
}

FORECAST_WIDE static uint8_t least_of(const uint8_t *tile) {
    uint8_t least = UINT8_MAX;
    for (size_t i = 0; i < TILE; i++)
        least = tile[i] < least ? tile[i] : least;
    return least;
}

void forecast_analogues_find(const struct forecast_analogues *past, const struct forecast_data *data, size_t origin,
                             struct forecast_alike *ret) {
    float x[FEATURES];
    uint8_t bytes[FEATURES];
    uint8_t distances[ROWS_MAX];
    const struct windows windows = windows_at(past, data, origin);
    features_fill(past, data, origin, &windows, x);
    for (size_t f = 0; f < FEATURES; f++)
        bytes[f] = byte_of(&past->measures[f], bounded(x[f], past->measures[f].unit));
    distances_find(past, bytes, distances);
    size_t row = origin - past->first, near = back_from(row + 1, past->hour);
    for (size_t i = near; i < row + past->hour && i < past->count; i++)
        distances[i] = UINT8_MAX;
    memset(distances + past->count, UINT8_MAX, ROWS_MAX - past->count);
    uint8_t reach = reach_find(distances);
    ret->origin = origin;
    ret->count = 0;
    for (size_t tile = ROWS_MAX / TILE; tile-- > 0;) { /* The newest first. */
        if (least_of(distances + tile * TILE) > reach)
            continue;
        for (size_t i = (tile + 1) * TILE; i-- > tile * TILE && ret->count < FORECAST_ALIKE_MAX;) {
            ret->origins[ret->count] = (uint32_t)(past->first + i);
            ret->count += distances[i] <= reach ? 1 : 0;
        }
    }
}

/* Mean distance of what is sorted from its median. */
static double spread_of(const double *sorted, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count / 2; i++)
        sum += sorted[count - 1 - i] - sorted[i];
    return sum / (double)count;
}

/* A pool of what is calibrated is too wide (Gneiting & Ranjan 2013): a level nearer to the middle is what is wanted. */
static double narrowed(double q) {
    double out = q < 0.5 ? q : 1 - q, level = out * (1 + NARROWER * (1 - 2 * out));
    return q < 0.5 ? level : 1 - level;
}

/* Quantiles of both together, each sorted; `share` of the weight is the first's. */
static void pool(const double *a, const double *b, size_t count, double share, const struct forecast *f, double *ret) {
    double weight = 0, each[2] = {share / (double)count, (1 - share) / (double)count}, value = NAN;
    size_t i = 0, k = 0;
    for (size_t j = 0; j < f->quantile_count; j++) {
        double q = narrowed(f->quantiles[j]);
        while (i + k < 2 * count && (weight < q || isnan(value))) {
            bool is_first = k == count || (i < count && a[i] <= b[k]);
            value = is_first ? a[i++] : b[k++];
            weight += each[is_first ? 0 : 1];
        }
        ret[j] = value;
    }
}

bool forecast_analogues_quantiles(const struct forecast_alike *alike, const struct forecast_data *data, size_t step,
                                  const struct forecast *f, double *ret) {
    double levels[FORECAST_ALIKE_MAX], moves[FORECAST_ALIKE_MAX], now = last_before(data, alike->origin);
    size_t count = 0, censored = 0;
    for (size_t i = 0; i < alike->count; i++) {
        size_t then = alike->origins[i], target = then + step - 1;
        double value = data->y[target];
        levels[count] = value;
        moves[count] = now + (value - last_before(data, then));
        count += isnan(value) ? 0 : 1;
        censored += data->saturated[target] ? 1 : 0;
    }
    /* At the ceiling nobody saw how far demand went: what is said of the upper quantiles would be too little. */
    if (count < FORECAST_ERRORS_MIN || (double)censored > CENSORED_MAX * (double)count)
        return false;
    forecast_sort(levels, count);
    forecast_sort(moves, count);
    double level = spread_of(levels, count), move = spread_of(moves, count), both = level * level + move * move;
    pool(levels, moves, count, both > 0 ? move * move / both : 0.5, f, ret);
    return true;
}

bool forecast_analogues_tell(const struct forecast_analogues *past, size_t step) {
    return past && step <= (past->hour + 1) / 2;
}

size_t forecast_analogues_first(const struct forecast_analogues *past) {
    return past->first;
}

double forecast_analogues_share(double q, double merit) {
    double square = merit * merit, share = q > NEAR ? SHARE_FAR : SHARE_NEAR;
    return isnan(merit) ? 0 : share * (square >= 1 ? 1 : 2 * square / (1 + square));
}

/* The chance to be above x, exponential between quantiles that do not cross, and beyond the ends as beside them.
 * f->quantile_count >= 2. */
static double chance_above(const struct forecast *f, const double *values, double x) {
    size_t right = 1;
    while (right + 1 < f->quantile_count && values[right] <= x)
        right++;
    double low = values[right - 1], width = values[right] - low;
    double left = 1 - f->quantiles[right - 1], part = width > 0 ? (x - low) / width : x >= low;
    return fmin(1, left * pow((1 - f->quantiles[right]) / left, part));
}

static void sorted_copy(const double *values, size_t count, double *ret) {
    for (size_t j = 0; j < count; j++)
        ret[j] = j && values[j] < ret[j - 1] ? ret[j - 1] : values[j];
}

/* The quantiles from `first` on of both together: each chance is the mean of theirs. Found by going along all that both
 * name, from below what is wanted to the largest. */
static void far_pool(const struct forecast *f, size_t first, double share, const double *theirs, double *values) {
    double a[FORECAST_QUANTILES_MAX], b[FORECAST_QUANTILES_MAX], x0 = NAN, log0 = NAN;
    size_t count = f->quantile_count, i = first ? first - 1 : 0, k = i, j = first;
    sorted_copy(theirs, count, a);
    sorted_copy(values, count, b);
    while (j < count) {
        double x = k == count || (i < count && a[i] <= b[k]) ? a[i++] : b[k++];
        double chance = share * chance_above(f, a, x) + (1 - share) * chance_above(f, b, x), log1 = log(chance);
        for (; j < count && (log1 <= log(1 - f->quantiles[j]) || i + k == 2 * count); j++) {
            double part = log1 < log0 ? (log(1 - f->quantiles[j]) - log0) / (log1 - log0) : 1;
            values[j] = part < 1 ? x0 + part * (x - x0) : x;
        }
        x0 = x;
        log0 = log1;
    }
}

void forecast_analogues_pool(const struct forecast *f, const double *shares, const double *theirs, double *values) {
    size_t far = f->quantile_count;
    bool is_known = far >= 2;
    for (size_t j = 0; j < f->quantile_count; j++)
        is_known &= !isnan(values[j]);
    while (far > 0 && f->quantiles[far - 1] > NEAR)
        far--;
    if (is_known && far < f->quantile_count && shares[f->quantile_count - 1] > 0)
        far_pool(f, far, shares[f->quantile_count - 1], theirs, values);
    for (size_t j = 0; j < far; j++)
        values[j] += shares[j] * (theirs[j] - values[j]);
}
