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
#include "forecast/fit.h"

#define PRIOR_WIDENING 1.5 /* Short histories have not shown their spread yet. */
#define PRIOR_SPREAD 0.3   /* Share of the level, for one logistic unit, when nothing at all is known. */
#define UNSEASONED_USED 96 /* Samples that make a history of one's own where no season fits. */
#define LEVEL_SEASONS 7
#define GLANCES 3
#define GLANCE_STRIDE 8       /* In origins. */
#define PROMISING 1.15        /* Of the best model's errors. */
#define SEASON_FILLED_MIN 0.5 /* Share of two seasons that must be there. */

const char *forecast_basis_name(enum forecast_basis basis) {
    static const char *const names[] = {"none", "prior", "pooled", "own"};
    return names[basis];
}

static size_t used_of(const struct forecast_history *h) {
    return h->used[h->data.count];
}

static double last_of(const struct forecast_history *h) {
    return h->y[h->last[h->data.count] - 1];
}

static enum forecast_basis basis_of(const struct forecast_history *h) {
    size_t used = used_of(h);
    if (used == 0)
        return FORECAST_BASIS_NONE;
    if (h->season == 0)
        return used >= UNSEASONED_USED ? FORECAST_BASIS_OWN : FORECAST_BASIS_PRIOR;
    bool is_long = h->data.count >= 2 * h->season;
    bool is_filled = (double)used >= SEASON_FILLED_MIN * 2 * (double)h->season;
    return is_long && is_filled ? FORECAST_BASIS_OWN : FORECAST_BASIS_PRIOR;
}

/* What a price of violations is counted in. */
static double level_now(const struct forecast_history *h) {
    size_t count = h->data.count, span = h->season ? LEVEL_SEASONS * h->season : count;
    double mean = forecast_mean(&h->data, span < count ? count - span : 0, count);
    return isnan(mean) || h->negative_first != SIZE_MAX ? h->level : mean;
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
            double error = data->y[origin + step - 1] - forecast_model_say(model, data, grid, at[k], i).point;
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
static void models_make(const struct forecast_data *data, const struct forecast_grid *grid, bool has_season,
                        struct arena *arena, struct arena *scratch, struct forecast_mixture *ret) {
    struct forecast_model *models = ret->models;
    size_t count = 0;
    if (has_season && data->day)
        models[count++] = forecast_seasonal_naive(data->day, "seasonal-naive-day");
    if (has_season && data->week)
        models[count++] = forecast_seasonal_naive(data->week, "seasonal-naive-week");
    ret->last_value = count;
    models[count++] = forecast_last_value();
    if (has_season && data->day)
        models[count++] = forecast_profile(data, grid, data->day, "seasonal-mean-day", arena);
    if (has_season && data->week)
        models[count++] = forecast_profile(data, grid, data->week, "seasonal-mean-week", arena);
    if (has_season && data->seasons.cycle)
        models[count++] = forecast_profile(data, grid, data->seasons.cycle, "seasonal-mean-cycle", arena);
    if (has_season && forecast_holt_winters(data, grid, arena, &models[count])) {
        count++;
        if (forecast_holt_winters_multiplicative(data, grid, &models[count - 1], arena, &models[count]))
            count++;
    }
    if (has_season && forecast_decomposition(data, grid, arena, &models[count]))
        count++;
    if (has_season && forecast_histogram(data, arena, &models[count]))
        count++;
    if (has_season && forecast_direct(data, grid, arena, scratch, &models[count]))
        count++;
    ASSERT(count <= FORECAST_MODELS_MAX);
    ret->count = count;
    ret->season = has_season ? (data->day ? data->day : data->week) : 0;
    models_prune(ret, data, grid);
}

/* Wider around the median, and by a share of the level that shrinks as the history grows towards two seasons. */
static void values_widen(const struct forecast_history *h, const struct forecast *f, double *values) {
    double wanted = h->season ? 2 * (double)h->season : UNSEASONED_USED;
    double missing = fmax(0.1, 1 - (double)used_of(h) / wanted), last = last_of(h);
    for (size_t j = 0; j < f->quantile_count; j++) {
        double q = f->quantiles[j], logistic = log(q / (1 - q)), off = isnan(values[j]) ? 0 : values[j] - last;
        values[j] = last + PRIOR_WIDENING * off + PRIOR_SPREAD * missing * h->level * logistic;
    }
}

static void values_fill(const struct forecast_fit *fit, const struct forecast_mixture *mixture,
                        const struct forecast *f, double *ret) {
    const struct forecast_history *h = &fit->history;
    struct forecast_nearest nearest;
    forecast_mixture_nearest(mixture, &h->data, &fit->grid, f, &nearest);
    for (size_t step = 1; step <= f->steps; step++) {
        double *values = &ret[(step - 1) * f->quantile_count], previous = -INFINITY;
        forecast_mixture_at(mixture, &h->data, &fit->grid, f, &nearest, step, values);
        if (f->basis == FORECAST_BASIS_PRIOR)
            values_widen(h, f, values);
        for (size_t j = 0; j < f->quantile_count; j++) {
            double value = isnan(values[j]) ? last_of(h) : values[j];
            if (value < 0 && h->negative_first == SIZE_MAX)
                value = 0;
            /* Averages with different weights, and rounding, may cross. */
            previous = fmax(previous, value);
            values[j] = previous;
        }
    }
}

void forecast_fit_make(struct forecast_fit *fit, const struct forecast *f, struct arena *arena) {
    struct forecast_data *data = &fit->history.data;
    struct arena scratch = {0};
    fit->basis = basis_of(&fit->history);
    if (fit->basis == FORECAST_BASIS_NONE)
        return;
    bool is_own = fit->basis == FORECAST_BASIS_OWN;
    fit->grid = forecast_grid_make(data, f->steps);
    if (is_own)
        data->seasons = forecast_seasons_find(data, &scratch);
    arena_clear(&scratch);
    if (is_own)
        fit->mixture.past = forecast_analogues_learn(data, arena, &scratch);
    arena_clear(&scratch);
    models_make(data, &fit->grid, is_own, arena, &scratch, &fit->mixture);
    fit->shift = forecast_shift_learn(data, fit->mixture.season);
    forecast_mixture_fit(&fit->mixture, data, &fit->grid, f, &scratch);
    forecast_tail_fit(&fit->mixture, data, &fit->grid, f, &scratch);
    for (size_t m = 0; m < fit->mixture.count; m++)
        fit->mixture.models[m].said = NULL;
    arena_release(&scratch);
    if (!fit->mixture.is_known[0])
        fit->basis = FORECAST_BASIS_PRIOR;
}

bool forecast_fit_extend(struct forecast_fit *fit, size_t from) {
    for (size_t m = 0; m < fit->mixture.count; m++) {
        const struct forecast_model *model = &fit->mixture.models[m];
        if (model->state && !model->extend)
            return false;
        if (model->extend)
            model->extend(model, &fit->history.data, from);
    }
    return true;
}

void forecast_fit_answer(const struct forecast_fit *fit, const float *factors, struct forecast *f,
                         struct arena *arena) {
    double *values = arena_alloc_array(arena, f->steps * f->quantile_count, sizeof(*values));
    f->values = values;
    f->used = used_of(&fit->history);
    f->level = level_now(&fit->history);
    f->basis = fit->basis;
    if (f->basis == FORECAST_BASIS_NONE)
        return;
    const struct forecast_mixture *mixture = &fit->mixture;
    struct arena scratch = {0};
    double shift = mixture->is_demoted ? 0 : forecast_shift_now(&fit->shift, &fit->history.data);
    if (shift > 0) {
        struct forecast_mixture *moved = arena_memdup(&scratch, mixture, sizeof(*mixture));
        forecast_mixture_shift(moved, &fit->grid, f, shift);
        mixture = moved;
    }
    f->model = mixture->models[mixture->leader].name;
    f->loss = mixture->loss;
    f->naive_loss = mixture->naive_loss;
    f->coverage_per_mille = mixture->coverage_per_mille;
    values_fill(fit, mixture, f, values);
    for (size_t i = 0; factors && i < f->steps * f->quantile_count; i++)
        values[i] *= (double)factors[i / f->quantile_count];
    arena_release(&scratch);
}

struct forecast forecast_begin(const struct history_series *series, const struct forecast_options *options) {
    ASSERT(options->steps >= 1 && options->steps <= FORECAST_STEPS_MAX);
    ASSERT(options->quantile_count >= 1 && options->quantile_count <= FORECAST_QUANTILES_MAX);
    ASSERT(series->count == 0 || series->step_ms > 0);
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
    return f;
}

void forecast_compute(const struct history_series *series, const struct forecast_options *options, struct arena *arena,
                      struct forecast *ret) {
    struct forecast f = forecast_begin(series, options);
    if (series->count == 0) {
        f.values = arena_alloc_array(arena, f.steps * f.quantile_count, sizeof(*f.values));
        *ret = f;
        return;
    }
    struct arena scratch = {0};
    struct forecast_fit *fit = arena_alloc(&scratch, sizeof(*fit));
    size_t from = series->count > FORECAST_HISTORY_MAX ? series->count - FORECAST_HISTORY_MAX : 0;
    forecast_history_prepare(series, options->factors, from, series->count, 0, &scratch, &fit->history);
    forecast_fit_make(fit, &f, &scratch);
    forecast_fit_answer(fit, options->factors ? options->factors + series->count : NULL, &f, arena);
    arena_release(&scratch);
    *ret = f;
}
