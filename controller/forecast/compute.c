/*
 * Demand history -> quantiles. Each model is run from many past origins; what it got wrong there, at each distance, is
 * its spread, and the model with the lowest pinball loss answers. The seasonal naive model is kept unless another one
 * is clearly better.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forecast/compute.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "forecast/forecast_internal.h"

#define DAY_MS INT64_C(86400000)
#define MODELS_MAX 8
#define NAIVE_MARGIN 0.99     /* A model must have a loss below this share of the naive one's to replace it. */
#define PRIOR_WIDENING 1.5    /* Short histories have not shown their spread yet. */
#define PRIOR_SPREAD 0.3      /* Share of the level, for one logistic unit, when nothing at all is known. */
#define UNSEASONED_USED 96    /* Samples that make a history of one's own where no season fits. */
#define SEASON_FILLED_MIN 0.5 /* Share of two seasons that must be there. */

const char *forecast_basis_name(enum forecast_basis basis) {
    static const char *const names[] = {"none", "prior", "pooled", "own"};
    return names[basis];
}

struct prepared {
    struct forecast_data data;
    size_t used;
    bool has_negative;
    size_t season; /* The shortest season of two steps or more, whether or not the history is long enough; 0: none. */
    double level;  /* Mean absolute value. */
};

static size_t season_steps(int64_t length_ms, int64_t step_ms) {
    size_t steps = (size_t)((length_ms + step_ms / 2) / step_ms);
    return steps >= 2 ? steps : 0;
}

static bool sample_is_usable(float value) {
    return isfinite(value);
}

/* Cuts the history at its first sample and at the cap, and widens it to double: sums of floats lose digits. */
static struct prepared prepare(const struct history_series *series, const float *factors, struct arena *scratch) {
    struct prepared p = {0};
    size_t day = season_steps(DAY_MS, series->step_ms), week = season_steps(7 * DAY_MS, series->step_ms);
    size_t from = series->count > FORECAST_HISTORY_MAX ? series->count - FORECAST_HISTORY_MAX : 0;
    while (from < series->count && !sample_is_usable(series->demand[from]))
        from++;
    size_t count = series->count - from;
    double *y = arena_alloc_array(scratch, count + 1, sizeof(*y));
    bool *saturated = arena_alloc_array(scratch, count + 1, sizeof(*saturated));
    uint32_t *last = arena_alloc_array(scratch, count + 1, sizeof(*last));
    for (size_t i = 0; i < count; i++) {
        float value = series->demand[from + i];
        y[i] = sample_is_usable(value) ? (double)value / (factors ? (double)factors[from + i] : 1) : NAN;
        saturated[i] = history_is_saturated(series, from + i);
        /* At the ceiling nobody saw the demand: it was at least y, and if a day before it was more, likely that. */
        if (saturated[i] && day && i >= day && y[i - day] > y[i])
            y[i] = y[i - day];
        last[i + 1] = isnan(y[i]) ? last[i] : (uint32_t)(i + 1);
        if (isnan(y[i]))
            continue;
        p.used++;
        p.has_negative |= y[i] < 0;
        p.level += fabs(y[i]);
    }
    if (p.used)
        p.level /= (double)p.used;
    p.season = day ? day : week;
    p.data = (struct forecast_data){.y = y,
                                    .saturated = saturated,
                                    .last = last,
                                    .count = count,
                                    .day = count >= 2 * day ? day : 0,
                                    .week = count >= 2 * week ? week : 0};
    return p;
}

static enum forecast_basis basis_of(const struct prepared *p) {
    if (p->used == 0)
        return FORECAST_BASIS_NONE;
    if (p->season == 0)
        return p->used >= UNSEASONED_USED ? FORECAST_BASIS_OWN : FORECAST_BASIS_PRIOR;
    bool is_long = p->data.count >= 2 * p->season;
    bool is_filled = (double)p->used >= SEASON_FILLED_MIN * 2 * (double)p->season;
    return is_long && is_filled ? FORECAST_BASIS_OWN : FORECAST_BASIS_PRIOR;
}

/* The first is the naive model that the others must beat. */
static size_t models_make(const struct prepared *p, const struct forecast_grid *grid, bool has_season,
                          struct arena *scratch, struct forecast_model *ret) {
    const struct forecast_data *data = &p->data;
    size_t count = 0;
    if (has_season && data->day)
        ret[count++] = forecast_seasonal_naive(data->day, "seasonal-naive-day");
    if (has_season && data->week)
        ret[count++] = forecast_seasonal_naive(data->week, "seasonal-naive-week");
    ret[count++] = forecast_last_value();
    if (has_season && data->day)
        ret[count++] = forecast_profile(data, grid, data->day, "seasonal-mean-day", scratch);
    if (has_season && data->week)
        ret[count++] = forecast_profile(data, grid, data->week, "seasonal-mean-week", scratch);
    if (has_season && forecast_holt_winters(data, grid, scratch, &ret[count]))
        count++;
    ASSERT(count <= MODELS_MAX);
    return count;
}

/* Offsets from the point at each knot and quantile. Knots without enough errors take those of the last knot that has
 * them, growing with the square root of the distance where no season ties the model down. */
static bool offsets_make(struct forecast_errors *errors, const struct forecast_grid *grid, const struct forecast *f,
                         bool has_season, double (*ret)[FORECAST_QUANTILES_MAX]) {
    size_t known = FORECAST_KNOTS_MAX;
    for (size_t k = 0; k < grid->knot_count; k++) {
        size_t count = errors->counts[k];
        if (count >= FORECAST_ERRORS_MIN) {
            forecast_sort(errors->values[k], count);
            for (size_t j = 0; j < f->quantile_count; j++)
                ret[k][j] = forecast_quantile(errors->values[k], count, f->quantiles[j]);
            known = k;
        } else if (known < FORECAST_KNOTS_MAX) {
            double growth = has_season ? 1 : sqrt((double)grid->knots[k] / (double)grid->knots[known]);
            for (size_t j = 0; j < f->quantile_count; j++)
                ret[k][j] = growth * ret[known][j];
        }
    }
    return known < FORECAST_KNOTS_MAX;
}

/* Wider around zero, and by a share of the level that shrinks as the history grows towards two seasons. */
static void offsets_widen(const struct prepared *p, const struct forecast_grid *grid, const struct forecast *f,
                          double (*offsets)[FORECAST_QUANTILES_MAX]) {
    double wanted = p->season ? 2 * (double)p->season : UNSEASONED_USED;
    double missing = fmax(0.1, 1 - (double)p->used / wanted);
    for (size_t k = 0; k < grid->knot_count; k++) {
        for (size_t j = 0; j < f->quantile_count; j++) {
            double q = f->quantiles[j];
            double logistic = log(q / (1 - q));
            offsets[k][j] = PRIOR_WIDENING * offsets[k][j] + PRIOR_SPREAD * missing * p->level * logistic;
        }
    }
}

static void values_fill(const struct prepared *p, const struct forecast_model *model, const struct forecast_grid *grid,
                        double (*offsets)[FORECAST_QUANTILES_MAX], const struct forecast *f, double *ret) {
    size_t k = 0;
    for (size_t step = 1; step <= f->steps; step++) {
        while (grid->knots[k] < step)
            k++;
        size_t left = k && grid->knots[k] > step ? k - 1 : k;
        double w = left < k ? (double)(step - grid->knots[left]) / (double)(grid->knots[k] - grid->knots[left]) : 0;
        double point = model->point(model, &p->data, p->data.count, step), previous = -INFINITY;
        if (isnan(point)) /* Nothing in any past season at this moment. */
            point = p->data.y[p->data.last[p->data.count] - 1];
        for (size_t j = 0; j < f->quantile_count; j++) {
            double value = point + offsets[left][j] + w * (offsets[k][j] - offsets[left][j]);
            if (value < 0 && !p->has_negative)
                value = 0;
            /* Interpolation and rounding may cross by an ulp. */
            previous = fmax(previous, value);
            ret[(step - 1) * f->quantile_count + j] = previous;
        }
    }
}

/* Returns the index of the model chosen, its errors in *best. */
static size_t models_judge(const struct prepared *p, const struct forecast_grid *grid,
                           const struct forecast_model *models, size_t count, struct forecast *f,
                           struct forecast_errors *best, struct forecast_errors *other) {
    size_t chosen = 0;
    forecast_errors_collect(&models[0], &p->data, grid, best);
    f->naive_loss = f->loss = forecast_errors_loss(best, grid, f);
    for (size_t i = 1; i < count; i++) {
        forecast_errors_collect(&models[i], &p->data, grid, other);
        double loss = forecast_errors_loss(other, grid, f);
        if (isnan(loss) || !(loss < fmin(f->loss, f->naive_loss * NAIVE_MARGIN)))
            continue;
        *best = *other;
        f->loss = loss;
        chosen = i;
    }
    return chosen;
}

static void forecast_from(const struct prepared *p, struct arena *scratch, struct forecast *f, double *values) {
    bool is_own = f->basis == FORECAST_BASIS_OWN;
    struct forecast_grid grid = forecast_grid_make(&p->data, f->steps);
    struct forecast_model models[MODELS_MAX];
    size_t count = models_make(p, &grid, is_own, scratch, models);
    struct forecast_errors *errors = arena_alloc_array(scratch, 2, sizeof(*errors));
    size_t chosen = models_judge(p, &grid, models, count, f, &errors[0], &errors[1]);
    f->model = models[chosen].name;
    f->coverage_per_mille = forecast_errors_coverage(&errors[0], f->quantiles[f->quantile_count - 1]);
    double offsets[FORECAST_KNOTS_MAX][FORECAST_QUANTILES_MAX] = {{0}};
    if (!offsets_make(&errors[0], &grid, f, models[chosen].season != 0, offsets))
        f->basis = FORECAST_BASIS_PRIOR;
    if (f->basis == FORECAST_BASIS_PRIOR)
        offsets_widen(p, &grid, f, offsets);
    values_fill(p, &models[chosen], &grid, offsets, f, values);
}

void forecast_compute(const struct history_series *series, const struct forecast_options *options, struct arena *arena,
                      struct forecast *ret) {
    ASSERT(options->steps >= 1 && options->steps <= FORECAST_STEPS_MAX);
    ASSERT(options->quantile_count >= 1 && options->quantile_count <= FORECAST_QUANTILES_MAX);
    struct forecast f = {.model = "none",
                         .start_ms = series->start_ms + (int64_t)series->count * series->step_ms,
                         .step_ms = series->step_ms,
                         .steps = options->steps,
                         .quantile_count = options->quantile_count,
                         .coverage_per_mille = -1,
                         .loss = NAN,
                         .naive_loss = NAN};
    for (size_t j = 0; j < options->quantile_count; j++) {
        double q = options->quantiles[j];
        ASSERT(q > 0 && q < 1 && (j == 0 || q > options->quantiles[j - 1]));
        f.quantiles[j] = q;
    }
    double *values = arena_alloc_array(arena, f.steps * f.quantile_count, sizeof(*values));
    f.values = values;
    if (series->count) {
        ASSERT(series->step_ms > 0);
        struct arena scratch = {0};
        struct prepared p = prepare(series, options->factors, &scratch);
        f.used = p.used;
        f.basis = basis_of(&p);
        if (f.basis != FORECAST_BASIS_NONE)
            forecast_from(&p, &scratch, &f, values);
        for (size_t i = 0; options->factors && i < f.steps * f.quantile_count; i++)
            values[i] *= (double)options->factors[series->count + i / f.quantile_count];
        arena_release(&scratch);
    }
    *ret = f;
}
