/*
 * The direct regression: for each distance, demand there is a weighted sum of what is known at the origin - the levels
 * of the last minutes and days, the last hours against past days, the same moment of past days and weeks - each as its
 * difference from the last value moved along the mean day, so that a shift of the whole series shifts the forecast.
 * Fitted by ridge regression (Hoerl & Kennard 1970) with Huber's weights (1964), separately for each distance
 * (Marcellino, Stock & Watson 2006: "direct" multi-step forecasts). The spread is a second regression, with
 * non-negative weights, of the size of the errors on the recent roughness.
 *
 * The origins are gone through in order, in blocks: a block is foretold with what was learned from the blocks before
 * it, and learned from afterwards. So the errors at past origins are those of a forecaster that did not know the
 * future.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "forecast/features.h"

#define BLOCKS_MAX 10
#define BLOCK_ORIGINS_MAX ((FORECAST_ORIGINS_MAX + BLOCKS_MAX - 1) / BLOCKS_MAX)
#define RIDGE 0.05           /* Of each feature's own size. */
#define RIDGE_ALL 1e-4       /* Of all of them together. */
#define HUBER 1.0            /* In mean absolute errors: between a mean and a median regression. */
#define ERROR_CAP 6.0        /* In mean absolute errors: one outage does not set the spread. */
#define SCALE_FLOOR 0.05     /* The same. */
#define HALF_LIFE_SEASONS 14 /* Of what was learned. */
#define SCALE_RIDGE 0.05     /* Against sizes that were next to nothing so far: a small share of them means nothing. */
#define SCALE_ROUNDS 8
#define TINY 1e-300

struct knot_fit {
    size_t block_count;
    size_t starts[BLOCKS_MAX + 1]; /* First origin that the weights of a block are in force for. */
    double weights[BLOCKS_MAX + 1][FEATURES_MAX], scales[BLOCKS_MAX + 1][SCALES];
    double floors[BLOCKS_MAX + 1];
};

struct direct {
    struct forecast_features features;
    struct knot_fit knots[FORECAST_KNOTS_MAX];
    struct forecast_grid grid; /* Of the fit. */
};

static void direct_extend(const struct forecast_model *model, const struct forecast_data *data, size_t from) {
    struct direct *d = model->state;
    forecast_features_extend(&d->features, data, from);
}

/* Solves a x = b for a symmetric positive a by Cholesky's factors; b becomes x, a is overwritten. Of a only what is in
 * a column at or below its diagonal is read: a[column][row]. A column is worked on in lanes: one sum waits for its own
 * last term, several do not wait for each other; nor is there a sum in what follows, where each x is taken off the
 * others as soon as it is known. */
static inline __attribute__((always_inline)) void solve(double a[FEATURES_MAX][FEATURES_MAX], double *b, size_t n) {
    double inverse[FEATURES_MAX] = {0}; /* Of the diagonal; 0 where that is 0. */
    for (size_t j = 0; j < n; j++) {
        for (size_t i = j / LANES * LANES; i < n; i += LANES) {
            lanes sum = *(const lanes *)&a[j][i];
            for (size_t k = 0; k < j; k++)
                sum -= *(const lanes *)&a[k][i] * a[k][j];
            *(lanes *)&a[j][i] = sum;
        }
        inverse[j] = a[j][j] > TINY ? 1 / sqrt(a[j][j]) : 0;
        for (size_t i = j / LANES * LANES; i < n; i += LANES)
            *(lanes *)&a[j][i] *= inverse[j];
    }
    for (size_t k = 0; k < n; k++) {
        b[k] *= inverse[k];
        for (size_t i = k + 1; i < n; i++)
            b[i] -= a[k][i] * b[k];
    }
    for (size_t k = n; k-- > 0;) {
        b[k] *= inverse[k];
        for (size_t i = 0; i < k; i++)
            b[i] -= a[i][k] * b[k];
    }
}

/* What one distance is learned from. */
struct learner {
    size_t features;
    double xx[FEATURES_MAX][FEATURES_MAX], xy[FEATURES_MAX]; /* By column; what is above the diagonal is not used. */
    double vv[SCALES][SCALES], ve[SCALES];                   /* By column. */
    double error;                                            /* Mean absolute; < 0: none yet. */
    double weights[FEATURES_MAX], scales[SCALES];
};

struct example {
    double x[FEATURES_MAX], v[SCALES], y, age;
};

/* One after another: lanes would wait until all of what has just been written is in the cache. */
static inline __attribute__((always_inline)) double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static inline __attribute__((always_inline)) void learner_solve(struct learner *l) {
    double a[FEATURES_MAX][FEATURES_MAX];
    memcpy(a, l->xx, sizeof(a));
    memcpy(l->weights, l->xy, sizeof(l->weights));
    double trace = 0;
    for (size_t i = 0; i < l->features; i++)
        trace += l->xx[i][i];
    /* Relative to each feature's own size; and to that of all, for those that were next to nothing so far. */
    for (size_t i = 0; i < l->features; i++)
        a[i][i] += RIDGE * l->xx[i][i] + RIDGE_ALL * trace + TINY;
    solve(a, l->weights, l->features);
}

/* Multiplicative updates for non-negative least squares (Lee & Seung 2001). */
static inline __attribute__((always_inline)) void scales_solve(struct learner *l) {
    double constant = l->vv[SCALES - 1][SCALES - 1]; /* The sum of squared errors, nearly. */
    for (int round = 0; round < SCALE_ROUNDS; round++) {
        lanes next[SCALES / LANES];
        for (size_t n = 0; n < SCALES / LANES; n++) {
            lanes scales = *(const lanes *)&l->scales[n * LANES], divisor = SCALE_RIDGE * constant * scales, odd = {0};
            for (size_t j = 0; j < SCALES; j += 2) {
                divisor += *(const lanes *)&l->vv[j][n * LANES] * l->scales[j];
                odd += *(const lanes *)&l->vv[j + 1][n * LANES] * l->scales[j + 1];
            }
            divisor += odd;
            lanes ratio = scales * *(const lanes *)&l->ve[n * LANES] / divisor;
            next[n] = (lanes)((lane_bits)ratio & (divisor > TINY));
        }
        memcpy(l->scales, next, sizeof(next));
    }
}

/* Adds to the sums in the order of the examples, some sums at a time, which stay in registers. */
static inline __attribute__((always_inline)) void learn_points(struct learner *l, const struct example *examples,
                                                               const double *errors, size_t count) {
    double wx[BLOCK_ORIGINS_MAX][FEATURES_MAX], limit = HUBER * l->error;
    lanes xy[FEATURES_MAX / LANES];
    memcpy(xy, l->xy, sizeof(xy));
    for (size_t i = 0; i < count; i++) {
        const struct example *e = &examples[i];
        double size = errors ? fabs(errors[i]) : limit, most = size > limit ? size : limit;
        double w = most > 0 ? e->age * (limit / most) : e->age; /* Which of the two it was cannot be foreseen. */
        for (size_t n = 0; n < FEATURES_MAX / LANES; n++) {
            lanes part = w * *(const lanes *)&e->x[n * LANES];
            *(lanes *)&wx[i][n * LANES] = part;
            xy[n] += part * e->y;
        }
    }
    memcpy(l->xy, xy, sizeof(xy));
    for (size_t row = 0; row < l->features; row += LANES) {
        for (size_t column = 0; column <= row; column += LANES) {
            lanes sums[LANES];
            for (size_t n = 0; n < LANES; n++)
                sums[n] = *(const lanes *)&l->xx[column + n][row];
            for (size_t i = 0; i < count; i++)
                for (size_t n = 0; n < LANES; n++)
                    sums[n] += *(const lanes *)&wx[i][row] * examples[i].x[column + n];
            for (size_t n = 0; n < LANES; n++)
                *(lanes *)&l->xx[column + n][row] = sums[n];
        }
    }
}

static inline __attribute__((always_inline)) void learn_scales(struct learner *l, const struct example *examples,
                                                               const double *errors, size_t count) {
    for (size_t row = 0; row < SCALES; row += LANES) {
        lanes sums[SCALES], sizes = *(const lanes *)&l->ve[row];
        for (size_t n = 0; n < SCALES; n++)
            sums[n] = *(const lanes *)&l->vv[n][row];
        for (size_t i = 0; i < count; i++) {
            const struct example *e = &examples[i];
            double size = fabs(errors[i]), size_max = ERROR_CAP * l->error;
            lanes v = e->age * *(const lanes *)&e->v[row];
            for (size_t n = 0; n < SCALES; n++)
                sums[n] += v * e->v[n];
            sizes += v * (size < size_max ? size : size_max);
        }
        for (size_t n = 0; n < SCALES; n++)
            *(lanes *)&l->vv[n][row] = sums[n];
        *(lanes *)&l->ve[row] = sizes;
    }
}

/* Of each example; returns their mean size. */
static inline __attribute__((always_inline)) double errors_find(const struct learner *l, const struct example *examples,
                                                                size_t count, double *ret) {
    double sum = 0, weight = 0;
    for (size_t i = 0; i < count; i++) {
        lanes sums = {0};
        for (size_t n = 0; n < FEATURES_MAX; n += LANES)
            sums += *(const lanes *)&l->weights[n] * *(const lanes *)&examples[i].x[n];
        ret[i] = examples[i].y - ((sums[0] + sums[1]) + (sums[2] + sums[3]));
        sum += examples[i].age * fabs(ret[i]);
        weight += examples[i].age;
    }
    return weight > 0 ? sum / weight : 0;
}

/* Learns from a block that has been foretold. The first one is gone through twice: nothing was known of it. */
FORECAST_WIDE static void learn_block(struct learner *l, struct example *examples, size_t count, bool is_first) {
    double errors[BLOCK_ORIGINS_MAX], error = errors_find(l, examples, count, errors);
    l->error = l->error < 0 ? error : 0.5 * (l->error + error);
    if (is_first) {
        learn_points(l, examples, NULL, count);
        learner_solve(l);
        memset(l->xx, 0, sizeof(l->xx));
        memset(l->xy, 0, sizeof(l->xy));
        l->error = errors_find(l, examples, count, errors);
        for (size_t i = 0; i < SCALES; i++)
            l->scales[i] = 1.0 / SCALES;
    }
    for (size_t i = 0; i < count; i++)
        examples[i].v[SCALES - 1] = l->error;
    learn_points(l, examples, errors, count);
    learn_scales(l, examples, errors, count);
    learner_solve(l);
    scales_solve(l);
}

static void fit_keep(struct knot_fit *fit, const struct learner *l, size_t start) {
    size_t b = fit->block_count++;
    fit->starts[b] = start;
    memcpy(fit->weights[b], l->weights, sizeof(l->weights));
    memcpy(fit->scales[b], l->scales, sizeof(l->scales));
    fit->floors[b] = SCALE_FLOOR * l->error;
    fit->scales[b][SCALES - 1] *= l->error; /* The constant's feature is 1 from here on. */
}

/* The block in force at an origin; -1: nothing had been learned. */
static int block_at(const struct knot_fit *fit, size_t origin) {
    int b = (int)fit->block_count - 1;
    while (b >= 0 && fit->starts[b] > origin)
        b--;
    return b;
}

/* A forecast beyond all that the features suggest is an extrapolation that nothing supports. */
static double fit_point(const struct direct *d, const struct knot_fit *fit, size_t origin, const double *x) {
    int b = block_at(fit, origin);
    if (b < 0)
        return NAN;
    double low = 0, high = 0;
    for (size_t i = 0; i < d->features.count; i++) {
        low = x[i] < low ? x[i] : low; /* fmin is a call. */
        high = x[i] > high ? x[i] : high;
    }
    double point = dot(fit->weights[b], x, d->features.count);
    return point < low ? low : point > high ? high : point;
}

static double fit_scale(const struct knot_fit *fit, size_t origin, const double *v) {
    int b = block_at(fit, origin);
    double scale = b < 0 ? NAN : dot(fit->scales[b], v, SCALES) + fit->floors[b];
    return scale > TINY ? scale : NAN;
}

/* An origin of the grid. */
struct vantage {
    struct forecast_outlook outlook;
    double age; /* What it counts for in what is learned. */
};

static void learn_pending(struct learner *l, struct knot_fit *fit, struct example *examples, size_t count,
                          size_t start) {
    if (!count)
        return;
    learn_block(l, examples, count, fit->block_count == 0);
    fit_keep(fit, l, start);
}

/* ret: what is said from each origin of the grid, by the block that is in force there. */
static void knot_learn(struct direct *d, const struct forecast_data *data, size_t k, const struct vantage *vantages,
                       struct example *examples, struct forecast_said *ret) {
    const struct forecast_grid *grid = &d->grid;
    struct knot_fit *fit = &d->knots[k];
    size_t step = grid->knots[k];
    struct learner l = {.features = d->features.count, .error = -1};
    size_t per_block = (grid->origin_count + BLOCKS_MAX - 1) / BLOCKS_MAX, pending = 0;
    for (size_t i = 0; i < grid->origin_count; i++) {
        size_t origin = forecast_origin(grid, i), target = origin + step - 1;
        if (pending >= per_block) { /* In force only once the last target learned from is past. */
            learn_pending(&l, fit, examples, pending, target);
            pending = 0;
        }
        ret[i].point = NAN;
        double base = target < data->count ? forecast_features_base(&d->features, data, origin, step) : NAN;
        if (isnan(base))
            continue;
        struct example *e = &examples[pending];
        forecast_features_fill(&d->features, data, &vantages[i].outlook, origin, step, base, e->x, e->v);
        e->v[SCALES - 1] = 1;
        ret[i].point = base + fit_point(d, fit, origin, e->x);
        ret[i].scale = fit_scale(fit, origin, e->v);
        if (isnan(data->y[target]) || data->saturated[target])
            continue;
        e->y = data->y[target] - base;
        e->age = vantages[i].age;
        pending++;
    }
    learn_pending(&l, fit, examples, pending, data->count);
}

static double direct_point(const struct forecast_model *model, const struct forecast_data *data, size_t origin,
                           size_t step, double *ret_scale) {
    const struct direct *d = model->state;
    double base = forecast_features_base(&d->features, data, origin, step), x[FEATURES_MAX], v[SCALES];
    if (isnan(base))
        return NAN;
    size_t left, right;
    double w = forecast_grid_between(&d->grid, step, &left, &right);
    struct forecast_outlook now;
    forecast_features_look(&d->features, data, origin, &now);
    forecast_features_fill(&d->features, data, &now, origin, step, base, x, v);
    v[SCALES - 1] = 1;
    double point = fit_point(d, &d->knots[left], origin, x), scale = fit_scale(&d->knots[left], origin, v);
    if (w > 0) {
        point = (1 - w) * point + w * fit_point(d, &d->knots[right], origin, x);
        scale = (1 - w) * scale + w * fit_scale(&d->knots[right], origin, v);
    }
    if (ret_scale)
        *ret_scale = scale;
    return base + point;
}

static struct vantage *vantages_make(const struct direct *d, const struct forecast_data *data,
                                     const struct forecast_grid *grid, struct arena *scratch) {
    struct vantage *vantages = arena_alloc_array(scratch, grid->origin_count, sizeof(*vantages));
    for (size_t i = 0; i < grid->origin_count; i++) {
        size_t origin = forecast_origin(grid, i);
        if (data->last[origin])
            forecast_features_look(&d->features, data, origin, &vantages[i].outlook);
        vantages[i].age = exp2(-(double)(data->count - origin) / (double)(HALF_LIFE_SEASONS * d->features.season));
    }
    return vantages;
}

bool forecast_direct(const struct forecast_data *data, const struct forecast_grid *grid, struct arena *arena,
                     struct arena *scratch, struct forecast_model *ret) {
    if ((!data->day && !data->week) || grid->origin_count < 2 * FORECAST_ERRORS_MIN)
        return false;
    struct direct *d = arena_alloc(arena, sizeof(*d));
    forecast_features_make(&d->features, data, arena);
    const struct vantage *vantages = vantages_make(d, data, grid, scratch);
    struct forecast_said *said = arena_alloc_array(scratch, grid->knot_count * FORECAST_ORIGINS_MAX, sizeof(*said));
    struct example *examples = arena_alloc_array(scratch, BLOCK_ORIGINS_MAX, sizeof(*examples));
    d->grid = *grid;
    for (size_t k = 0; k < grid->knot_count; k++)
        knot_learn(d, data, k, vantages, examples, &said[k * FORECAST_ORIGINS_MAX]);
    *ret = (struct forecast_model){.name = "direct",
                                   .season = d->features.season,
                                   .has_scale = true,
                                   .point = direct_point,
                                   .extend = direct_extend,
                                   .said = said,
                                   .state = d};
    return true;
}
