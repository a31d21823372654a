/*
 * Demand history -> quantiles. Each model is run from many past origins; what it got wrong there, at each distance, is
 * its spread and its weight in the mixture that answers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forecast/compute.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "forecast/forecast_internal.h"

#define DAY_MS INT64_C(86400000)
#define OUTAGE_SHARE_MAX 0.02 /* Of the samples. */
#define OUTAGE_LEVEL 0.05     /* Of the mean: what is near zero. */
#define OUTAGE_NEAR_MAX 0.002 /* Share of samples near zero that are not zero, where it happens by itself. */
#define PRIOR_WIDENING 1.5    /* Short histories have not shown their spread yet. */
#define PRIOR_SPREAD 0.3      /* Share of the level, for one logistic unit, when nothing at all is known. */
#define UNSEASONED_USED 96    /* Samples that make a history of one's own where no season fits. */
#define GLANCES 3
#define GLANCE_STRIDE 8       /* In origins. */
#define PROMISING 1.25        /* Of the best model's errors. */
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

/* An outage is no lack of demand: zeros are gaps where a series that is otherwise never near zero has but a few of
 * them. When they go on for longer than that, they are what the demand is. */
static bool zeros_are_outages(const struct history_series *series, size_t from) {
    double sum = 0;
    size_t used = 0, zeros = 0, small = 0;
    for (size_t i = from; i < series->count; i++) {
        if (!sample_is_usable(series->demand[i]))
            continue;
        used++;
        zeros += series->demand[i] == 0;
        sum += (double)series->demand[i];
    }
    if (zeros == 0 || (double)zeros >= OUTAGE_SHARE_MAX * (double)used)
        return false;
    double limit = OUTAGE_LEVEL * sum / (double)(used - zeros);
    for (size_t i = from; i < series->count; i++)
        small += (double)series->demand[i] < limit && series->demand[i] != 0;
    return (double)small < OUTAGE_NEAR_MAX * (double)used;
}

/* Cuts the history at its first sample and at the cap, and widens it to double: sums of floats lose digits. */
static struct prepared prepare(const struct history_series *series, const float *factors, struct arena *scratch) {
    struct prepared p = {0};
    size_t day = season_steps(DAY_MS, series->step_ms), week = season_steps(7 * DAY_MS, series->step_ms);
    size_t from = series->count > FORECAST_HISTORY_MAX ? series->count - FORECAST_HISTORY_MAX : 0;
    while (from < series->count && !sample_is_usable(series->demand[from]))
        from++;
    size_t count = series->count - from;
    bool has_outages = zeros_are_outages(series, from);
    double *y = arena_alloc_array(scratch, count + 1, sizeof(*y));
    bool *saturated = arena_alloc_array(scratch, count + 1, sizeof(*saturated));
    uint32_t *last = arena_alloc_array(scratch, count + 1, sizeof(*last));
    double *sum = arena_alloc_array(scratch, count + 1, sizeof(*sum));
    uint32_t *used = arena_alloc_array(scratch, count + 1, sizeof(*used));
    for (size_t i = 0; i < count; i++) {
        float value = series->demand[from + i];
        if (has_outages && value == 0)
            value = NAN;
        y[i] = sample_is_usable(value) ? (double)value / (factors ? (double)factors[from + i] : 1) : NAN;
        saturated[i] = history_is_saturated(series, from + i);
        /* At the ceiling nobody saw the demand: it was at least y, and if a day before it was more, likely that. */
        if (saturated[i] && day && i >= day && y[i - day] > y[i])
            y[i] = y[i - day];
        bool is_gap = isnan(y[i]);
        last[i + 1] = is_gap ? last[i] : (uint32_t)(i + 1);
        sum[i + 1] = sum[i] + (is_gap ? 0 : y[i]);
        used[i + 1] = used[i] + (is_gap ? 0u : 1u);
        if (is_gap)
            continue;
        p.used++;
        p.has_negative |= y[i] < 0;
        p.level += fabs(y[i]);
    }
    if (p.used)
        p.level /= (double)p.used;
    p.season = day ? day : week;
    p.data = (struct forecast_data){.y = y,
                                    .step_ms = series->step_ms,
                                    .saturated = saturated,
                                    .last = last,
                                    .sum = sum,
                                    .used = used,
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

/* Mean absolute errors at some of the past origins, at three distances. NaN: none. */
static void errors_glance(const struct forecast_model *model, const struct forecast_data *data,
                          const struct forecast_grid *grid, double *ret) {
    const size_t last = grid->knot_count - 1, at[GLANCES] = {0, last / 2, last};
    for (size_t k = 0; k < GLANCES; k++) {
        size_t step = grid->knots[at[k]], used = 0;
        double sum = 0;
        for (size_t i = 0; i < grid->origin_count; i += GLANCE_STRIDE) {
            size_t origin = forecast_origin(grid, i);
            if (origin + step > data->count)
                break;
            double error = data->y[origin + step - 1] - model->point(model, data, origin, step, NULL);
            sum += isnan(error) ? 0 : fabs(error);
            used += isnan(error) ? 0 : 1;
        }
        ret[k] = used ? sum / (double)used : NAN;
    }
}

/* A model that is far from the best at every distance would get next to no weight: to judge it closely is a waste.
 * Those that the mixture leans on stay: the naive ones, and what knows how unsure a moment is. */
static void models_prune(struct forecast_mixture *mixture, const struct forecast_data *data,
                         const struct forecast_grid *grid) {
    double errors[FORECAST_MODELS_MAX][GLANCES], best[GLANCES] = {INFINITY, INFINITY, INFINITY};
    for (size_t m = 0; m < mixture->count; m++) {
        errors_glance(&mixture->models[m], data, grid, errors[m]);
        for (size_t k = 0; k < GLANCES; k++)
            best[k] = fmin(best[k], errors[m][k]);
    }
    size_t kept = 0;
    for (size_t m = 0; m < mixture->count; m++) {
        bool is_kept = m <= mixture->last_value || mixture->models[m].has_scale;
        for (size_t k = 0; k < GLANCES; k++)
            is_kept |= errors[m][k] <= PROMISING * best[k];
        if (is_kept)
            mixture->models[kept++] = mixture->models[m];
    }
    mixture->count = kept;
}

/* The first is the naive model that the others must beat. */
static void models_make(const struct prepared *p, const struct forecast_grid *grid, bool has_season,
                        struct arena *scratch, struct forecast_mixture *ret) {
    const struct forecast_data *data = &p->data;
    struct forecast_model *models = ret->models;
    size_t count = 0;
    if (has_season && data->day)
        models[count++] = forecast_seasonal_naive(data->day, "seasonal-naive-day");
    if (has_season && data->week)
        models[count++] = forecast_seasonal_naive(data->week, "seasonal-naive-week");
    ret->last_value = count;
    models[count++] = forecast_last_value();
    if (has_season && data->day)
        models[count++] = forecast_profile(data, grid, data->day, "seasonal-mean-day", scratch);
    if (has_season && data->week)
        models[count++] = forecast_profile(data, grid, data->week, "seasonal-mean-week", scratch);
    if (has_season && data->seasons.cycle)
        models[count++] = forecast_profile(data, grid, data->seasons.cycle, "seasonal-mean-cycle", scratch);
    if (has_season && forecast_holt_winters(data, grid, scratch, &models[count]))
        count++;
    if (has_season && forecast_holt_winters_multiplicative(data, grid, scratch, &models[count]))
        count++;
    if (has_season && forecast_decomposition(data, grid, scratch, &models[count]))
        count++;
    if (has_season && forecast_histogram(data, scratch, &models[count]))
        count++;
    if (has_season && forecast_direct(data, grid, scratch, &models[count]))
        count++;
    ASSERT(count <= FORECAST_MODELS_MAX);
    ret->count = count;
    ret->season = has_season ? (data->day ? data->day : data->week) : 0;
    models_prune(ret, data, grid);
}

/* Wider around the median, and by a share of the level that shrinks as the history grows towards two seasons. */
static void values_widen(const struct prepared *p, const struct forecast *f, double *values) {
    double wanted = p->season ? 2 * (double)p->season : UNSEASONED_USED;
    double missing = fmax(0.1, 1 - (double)p->used / wanted);
    double last = p->data.y[p->data.last[p->data.count] - 1];
    for (size_t j = 0; j < f->quantile_count; j++) {
        double q = f->quantiles[j], logistic = log(q / (1 - q)), off = isnan(values[j]) ? 0 : values[j] - last;
        values[j] = last + PRIOR_WIDENING * off + PRIOR_SPREAD * missing * p->level * logistic;
    }
}

static void values_fill(const struct prepared *p, const struct forecast_mixture *mixture,
                        const struct forecast_grid *grid, const struct forecast *f, double *ret) {
    for (size_t step = 1; step <= f->steps; step++) {
        double *values = &ret[(step - 1) * f->quantile_count], previous = -INFINITY;
        forecast_mixture_at(mixture, &p->data, grid, f, step, values);
        if (f->basis == FORECAST_BASIS_PRIOR)
            values_widen(p, f, values);
        for (size_t j = 0; j < f->quantile_count; j++) {
            double value = isnan(values[j]) ? p->data.y[p->data.last[p->data.count] - 1] : values[j];
            if (value < 0 && !p->has_negative)
                value = 0;
            /* Averages with different weights, and rounding, may cross. */
            previous = fmax(previous, value);
            values[j] = previous;
        }
    }
}

static void forecast_from(struct prepared *p, struct arena *scratch, struct forecast *f, double *values) {
    bool is_own = f->basis == FORECAST_BASIS_OWN;
    struct forecast_grid grid = forecast_grid_make(&p->data, f->steps);
    struct forecast_mixture *mixture = arena_alloc(scratch, sizeof(*mixture));
    if (is_own)
        p->data.seasons = forecast_seasons_find(&p->data, scratch);
    models_make(p, &grid, is_own, scratch, mixture);
    double shift = forecast_shift(&p->data, mixture->season);
    forecast_mixture_fit(mixture, &p->data, &grid, f, shift, scratch);
    f->model = mixture->models[mixture->leader].name;
    f->loss = mixture->loss;
    f->naive_loss = mixture->naive_loss;
    f->coverage_per_mille = mixture->coverage_per_mille;
    if (!mixture->is_known[0])
        f->basis = FORECAST_BASIS_PRIOR;
    values_fill(p, mixture, &grid, f, values);
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
