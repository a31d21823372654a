/*
 * How models are judged: by the pinball loss of the quantiles that their own past errors give, at each distance. A
 * quantile is never judged on the errors it was taken from.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forecast/forecast_internal.h"

#define KNOT_RATIO 1.6
#define TAIL_SHARE 0.1 /* The part of the sample that the exponential tail is fitted to. */

struct forecast_grid forecast_grid_make(const struct forecast_data *data, size_t steps) {
    struct forecast_grid grid = {0};
    double h = 1;
    while (grid.knot_count < FORECAST_KNOTS_MAX - 1 && (size_t)h < steps) {
        grid.knots[grid.knot_count++] = (size_t)h;
        h = fmax(h + 1, h * KNOT_RATIO);
    }
    grid.knots[grid.knot_count++] = steps;
    for (size_t k = 0; k < grid.knot_count; k++) {
        double left = k ? (double)(grid.knots[k] - grid.knots[k - 1]) / 2 : 0.5;
        double right = k + 1 < grid.knot_count ? (double)(grid.knots[k + 1] - grid.knots[k]) / 2 : 0.5;
        grid.weights[k] = left + right;
    }
    /* The newer half of the history: a season model then has at least its first season behind the first origin. */
    grid.origin_first = data->count / 2 > 0 ? data->count / 2 : 1;
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

void forecast_errors_collect(const struct forecast_model *model, const struct forecast_data *data,
                             const struct forecast_grid *grid, struct forecast_errors *ret) {
    for (size_t k = 0; k < grid->knot_count; k++) {
        size_t used = 0, step = grid->knots[k];
        for (size_t i = 0; i < grid->origin_count; i++) {
            size_t origin = forecast_origin(grid, i), target = origin + step - 1;
            if (target >= data->count)
                break;
            double error = data->y[target] - model->point(model, data, origin, step);
            if (isnan(error) || (data->saturated[target] && error < 0))
                continue;
            ret->values[k][used++] = error;
        }
        ret->counts[k] = used;
    }
}

static int double_cmp(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

void forecast_sort(double *values, size_t count) {
    qsort(values, count, sizeof(*values), double_cmp);
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

static double pinball_sum(const double *errors, size_t count, double offset, double q) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double d = errors[i] - offset;
        sum += d >= 0 ? q * d : (q - 1) * d;
    }
    return sum;
}

double forecast_errors_loss(const struct forecast_errors *errors, const struct forecast_grid *grid,
                            const struct forecast *forecast) {
    double loss = 0, weight = 0;
    for (size_t k = 0; k < grid->knot_count; k++) {
        size_t count = errors->counts[k], half = count / 2;
        if (count < FORECAST_ERRORS_MIN)
            continue;
        double sorted[FORECAST_ORIGINS_MAX];
        memcpy(sorted, errors->values[k], count * sizeof(*sorted));
        forecast_sort(sorted, half);
        forecast_sort(sorted + half, count - half);
        double sum = 0;
        for (size_t j = 0; j < forecast->quantile_count; j++) {
            double q = forecast->quantiles[j];
            sum += pinball_sum(sorted + half, count - half, forecast_quantile(sorted, half, q), q);
            sum += pinball_sum(sorted, half, forecast_quantile(sorted + half, count - half, q), q);
        }
        loss += grid->weights[k] * sum / (double)(count * forecast->quantile_count);
        weight += grid->weights[k];
    }
    return weight > 0 ? loss / weight : NAN;
}

int64_t forecast_errors_coverage(const struct forecast_errors *errors, double q) {
    size_t count = errors->counts[0], half = count / 2, under = 0;
    if (count < 2 * FORECAST_ERRORS_MIN)
        return -1;
    double sorted[FORECAST_ORIGINS_MAX];
    memcpy(sorted, errors->values[0], half * sizeof(*sorted));
    forecast_sort(sorted, half);
    double limit = forecast_quantile(sorted, half, q);
    for (size_t i = half; i < count; i++)
        under += errors->values[0][i] <= limit;
    return (int64_t)(1000 * under / (count - half));
}
