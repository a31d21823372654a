/*
 * The mixture. Each model's spread is what its own errors were at past origins, at the same distance; the models'
 * quantiles are averaged (Vincent 1912; Lichtendahl, Grushka-Cockayne & Winkler 2013) with weights for each distance
 * and quantile that follow from their recent pinball loss (as in CRPS learning, Berrisch & Ziel 2021). What the average
 * still gets wrong is added as a conformal correction (Romano, Patterson & Candes 2019). A quantile is never judged on
 * the errors it was taken from: the older half of the origins is judged by the newer one, and the other way round.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "forecast/forecast_internal.h"

#define HALF_LIFE_SEASONS 2.0 /* Of a loss in the weights. */
#define SHARPNESS 10          /* Power of the inverse loss. */
#define FAR 2.0               /* What is off by so many times as much as the best model gets no weight. */
#define NO_BETTER (1 - 1e-9)  /* Of the naive loss: that is how far two that are one may differ. */
#define LOSS_MIN 1e-12        /* Of a model that is always right, as a share of the worst. */
#define JUDGED 12             /* Origins that the analogues are judged at. */

/* What one model said of one distance, at each origin. Where it said nothing, or nobody knows how wrong it was, all
 * three are 0: a sum over the origins needs no branch. */
struct record {
    double point[FORECAST_ORIGINS_MAX], scale[FORECAST_ORIGINS_MAX];
    double known[FORECAST_ORIGINS_MAX];       /* 1 or 0. */
    double errors[FORECAST_ORIGINS_MAX];      /* In units of the scale, `used` elements; */
    double size;                              /* their mean in demand, without the sign; NaN: there are none. */
    double scale_max;                         /* Of those that errors were measured in. */
    double halves[2][FORECAST_QUANTILES_MAX]; /* Quantiles of the scaled errors of the older and the newer half; 0 where
                                                 there is no quantile. */
    size_t used;
};

struct knot_view {
    const struct forecast_data *data;
    const struct forecast_grid *grid;
    const struct forecast *f;
    size_t knot, step, count;                                   /* Origins whose target is known. */
    double y[FORECAST_ORIGINS_MAX], ages[FORECAST_ORIGINS_MAX]; /* ages: what an origin counts for, at any distance. */
    bool saturated[FORECAST_ORIGINS_MAX];
    double unit[FORECAST_ORIGINS_MAX]; /* Scale of the correction; NaN: not to be used for it. */
    const struct forecast_said *said;  /* By the model that is looked at, from each origin; its own or in `room`. */
    struct forecast_said room[FORECAST_ORIGINS_MAX];
    double (*average)[FORECAST_ORIGINS_MAX]; /* What it says, not calibrated; by quantile. */
};

static void knot_open(struct knot_view *view) {
    view->count = 0;
    for (size_t i = 0; i < view->grid->origin_count; i++) {
        size_t origin = forecast_origin(view->grid, i), target = origin + view->step - 1;
        if (target >= view->data->count)
            break;
        view->y[i] = view->data->y[target];
        view->saturated[i] = view->data->saturated[target];
        view->unit[i] = 1;
        view->count++;
    }
}

/* A target at the ceiling was at least that: an error below it says nothing. */
static bool is_censored(const struct knot_view *view, size_t i, double error) {
    return view->saturated[i] && error < 0;
}

static void view_ask(struct knot_view *view, const struct forecast_model *model) {
    view->said = model->said ? &model->said[view->knot * FORECAST_ORIGINS_MAX] : view->room;
    if (model->said)
        return;
    if (model->say)
        model->say(model, view->data, view->grid, view->knot, view->count, view->room);
    for (size_t i = 0; i < view->count && !model->say; i++)
        view->room[i] = forecast_model_say(model, view->data, view->grid, view->knot, i);
}

static void record_fill(struct record *record, const struct knot_view *view) {
    double sums[2] = {0}; /* As in losses_add. */
    record->scale_max = 0;
    record->used = 0;
    for (size_t i = 0; i < view->count; i++) {
        const struct forecast_said said = view->said[i];
        double off = view->y[i] - said.point, error = off / said.scale;
        bool is_used = !isnan(error) && !is_censored(view, i, error);
        record->point[i] = is_used ? said.point : 0;
        record->scale[i] = is_used ? said.scale : 0;
        record->known[i] = is_used;
        record->scale_max = record->scale[i] > record->scale_max ? record->scale[i] : record->scale_max;
        record->errors[record->used] = error;
        record->used += is_used;
        double size = is_used ? fabs(off) : 0;
        if (i % 2)
            sums[1] += size;
        else
            sums[0] += size;
    }
    record->size = record->used ? (sums[0] + sums[1]) / (double)record->used : NAN;
}

static void record_quantiles(struct record *record, const struct knot_view *view, double *offsets) {
    double older[FORECAST_ORIGINS_MAX], newer[FORECAST_ORIGINS_MAX];
    size_t n = record->used, half = n / 2; /* Halves of what is there, in the order of time. */
    if (n < FORECAST_ERRORS_MIN)
        return;
    memcpy(older, record->errors, half * sizeof(*older));
    memcpy(newer, record->errors + half, (n - half) * sizeof(*newer));
    forecast_sort(older, half);
    forecast_sort(newer, n - half);
    for (size_t j = 0; j < view->f->quantile_count; j++) {
        double q = view->f->quantiles[j];
        record->halves[0][j] = forecast_quantile(older, half, q);
        record->halves[1][j] = forecast_quantile(newer, n - half, q);
        offsets[j] = forecast_quantile_of_two(older, half, newer, n - half, q);
    }
}

/* No branch: which side it is on cannot be foreseen. */
static double pinball(double above, double q) {
    double over = q * above, under = (q - 1) * above;
    return over > under ? over : under;
}

/* What the quantiles of the half that an origin is not in say, of the origins [i, end): those of one half. NULL: done.
 */
static const double *half_next(const struct record *record, const struct knot_view *view, size_t *i, size_t *end) {
    size_t middle = (view->count + 1) / 2;
    *i = *end;
    *end = *i < middle ? middle : view->count;
    return *i == view->count ? NULL : record->halves[*i < middle];
}

/* At some quantiles, of the origins [i, end); returns the weight of those that are known. A sum waits for its own last
 * term, several do not wait for each other: there are two for each quantile. */
FORECAST_WIDE static double losses_add(const struct record *record, const struct knot_view *view, size_t i, size_t end,
                                       const double *quantiles, const double *q, double *sums) {
    const lanes of = *(const lanes *)quantiles, over = *(const lanes *)q, under = over - 1;
    lanes own[2] = {*(const lanes *)sums, {0}};
    double weights[2] = {0};
    for (; i < end; i++) {
        if (record->known[i] == 0)
            continue;
        double age = view->ages[i];
        lanes above = view->y[i] - (record->point[i] + record->scale[i] * of), a = over * above, b = under * above;
        lane_bits is_over = a > b;
        lanes loss = age * LANES_SELECT(is_over, a, b);
        if (i % 2) {
            own[1] += loss;
            weights[1] += age;
        } else {
            own[0] += loss;
            weights[0] += age;
        }
    }
    *(lanes *)sums = own[0] + own[1];
    return weights[0] + weights[1];
}

static void record_losses(const struct record *record, const struct knot_view *view, double *ret) {
    double sums[FORECAST_QUANTILES_MAX] = {0}, q[FORECAST_QUANTILES_MAX] = {0}, weight = 0;
    size_t count = view->f->quantile_count;
    memcpy(q, view->f->quantiles, count * sizeof(*q));
    const double *quantiles;
    for (size_t i, end = 0; record->used >= FORECAST_ERRORS_MIN && (quantiles = half_next(record, view, &i, &end));) {
        double of_half = 0;
        for (size_t j = 0; j < count; j += LANES)
            of_half = losses_add(record, view, i, end, &quantiles[j], &q[j], &sums[j]);
        weight += of_half;
    }
    for (size_t j = 0; j < count; j++)
        ret[j] = weight > 0 ? sums[j] / weight : NAN;
}

/* `losses` NaN: no weight. False: nobody has any. */
static bool weights_make(const double *losses, size_t count, double *ret) {
    double best = INFINITY, worst = 0, sum = 0;
    for (size_t m = 0; m < count; m++) {
        if (isnan(losses[m]))
            continue;
        best = fmin(best, losses[m]);
        worst = fmax(worst, losses[m]);
    }
    double least = LOSS_MIN * worst;
    for (size_t m = 0; m < count; m++) {
        if (isnan(losses[m]))
            ret[m] = 0;
        else
            ret[m] = worst > 0 ? pow(fmax(best, least) / fmax(losses[m], least), SHARPNESS) : 1;
        sum += ret[m];
    }
    for (size_t m = 0; m < count && sum > 0; m++)
        ret[m] /= sum;
    return sum > 0;
}

/* The average at each origin, from the models that said something. NaN: none did. */
FORECAST_WIDE static void mixed(const struct record *records, const struct forecast_mixture *mixture,
                                const struct knot_view *view, size_t k, size_t j, double *ret) {
    double weight[FORECAST_ORIGINS_MAX] = {0};
    memset(ret, 0, view->count * sizeof(*ret));
    for (size_t m = 0; m < mixture->count; m++) {
        const struct record *record = &records[m];
        double w = mixture->weights[k][j][m];
        const double *quantiles;
        for (size_t i, end = 0; w > 0 && (quantiles = half_next(record, view, &i, &end));) {
            for (double off = quantiles[j]; i < end; i++) {
                ret[i] += w * (record->point[i] + record->scale[i] * off);
                weight[i] += w * record->known[i];
            }
        }
    }
    for (size_t i = 0; i < view->count; i++)
        ret[i] = weight[i] > 0 ? ret[i] / weight[i] : NAN;
}

/* Calibrates one quantile of a knot; returns its loss. */
static double calibrate(struct forecast_mixture *mixture, const struct record *records, const struct knot_view *view,
                        size_t k, size_t j) {
    double off[FORECAST_ORIGINS_MAX], *said = view->average[j], sum = 0, weight = 0, q = view->f->quantiles[j];
    size_t used = 0, under = 0;
    mixed(records, mixture, view, k, j, said);
    for (size_t i = 0; i < view->count; i++) {
        double above = view->y[i] - said[i];
        if (isnan(above) || isnan(view->unit[i]) || is_censored(view, i, above))
            continue;
        off[used++] = above / view->unit[i];
        under += above <= 0;
        sum += view->ages[i] * pinball(above, q);
        weight += view->ages[i];
    }
    if (used < FORECAST_ERRORS_MIN)
        return NAN;
    if (k == 0 && j + 1 == view->f->quantile_count)
        mixture->coverage_per_mille = (int64_t)(1000 * under / used);
    mixture->shifts[k][j] = forecast_quantile_of(off, used, q);
    return weight > 0 ? sum / weight : NAN;
}

/* The correction is as wide as a model that knows calm from restless moments says: narrower in calm ones, and never
 * wider than usual, since the scale of a moment that was never seen before is a guess. */
static double unit_take(struct knot_view *view, const struct forecast_model *model, const struct record *record) {
    double sorted[FORECAST_ORIGINS_MAX];
    size_t count = 0;
    if (!model->has_scale || 2 * record->used < view->count)
        return 0;
    for (size_t i = 0; i < view->count; i++) { /* Also where it cannot be known how wrong it was. */
        const struct forecast_said said = view->said[i];
        view->unit[i] = isnan(said.point) ? NAN : said.scale;
        if (!isnan(view->unit[i]))
            sorted[count++] = view->unit[i];
    }
    double usual = forecast_nth(sorted, count, count / 2);
    for (size_t i = 0; i < view->count; i++)
        view->unit[i] = view->unit[i] > usual ? usual : view->unit[i];
    return usual;
}

/* Loss of the calibrated average in that of the analogues, over all quantiles, where they knew something. */
static double alike_merit(const struct forecast_mixture *mixture, const struct knot_view *view, size_t k) {
    double own = 0, theirs = 0, values[FORECAST_QUANTILES_MAX];
    size_t first = 0;
    while (first < view->count && forecast_origin(view->grid, first) < forecast_analogues_first(mixture->past))
        first++;
    size_t stride = (view->count - first + JUDGED - 1) / JUDGED;
    for (size_t i = first; i < view->count; i += stride) {
        struct forecast_alike alike;
        if (isnan(view->y[i]) || isnan(view->unit[i]))
            continue;
        forecast_analogues_find(mixture->past, view->data, forecast_origin(view->grid, i), &alike);
        if (!forecast_analogues_quantiles(&alike, view->data, view->step, view->f, values))
            continue;
        for (size_t j = 0; j < view->f->quantile_count; j++) {
            double q = view->f->quantiles[j], mine = view->y[i] - values[j];
            double its = view->y[i] - view->average[j][i] - view->unit[i] * mixture->shifts[k][j];
            if (isnan(its) || is_censored(view, i, its) || is_censored(view, i, mine))
                continue;
            own += view->ages[i] * pinball(mine, q);
            theirs += view->ages[i] * pinball(its, q);
        }
    }
    return own > 0 ? theirs / own : NAN;
}

static void knot_fit(struct forecast_mixture *mixture, struct record *records, struct knot_view *view, size_t k,
                     double *ret_loss, double *ret_naive) {
    double losses[FORECAST_QUANTILES_MAX][FORECAST_MODELS_MAX] = {{0}};
    double own[FORECAST_QUANTILES_MAX] = {0};
    size_t quantiles = view->f->quantile_count;
    double weight = view->grid->weights[k];
    *ret_loss = *ret_naive = 0;
    mixture->is_known[k] = true;
    double least = INFINITY;
    for (size_t m = 0; m < mixture->count; m++) {
        view_ask(view, &mixture->models[m]);
        record_fill(&records[m], view);
        mixture->scales_max[k][m] = records[m].scale_max;
        mixture->units[k] = fmax(mixture->units[k], unit_take(view, &mixture->models[m], &records[m]));
        least = fmin(least, records[m].size);
    }
    for (size_t m = 0; m < mixture->count; m++) {
        double offsets[FORECAST_QUANTILES_MAX] = {0};
        bool is_far = records[m].size > FAR * least && m > 0 && m != mixture->last_value;
        if (!is_far) {
            record_quantiles(&records[m], view, offsets);
            record_losses(&records[m], view, own);
        }
        for (size_t j = 0; j < quantiles; j++) {
            mixture->offsets[k][j][m] = offsets[j];
            losses[j][m] = is_far ? NAN : own[j];
        }
    }
    for (size_t j = 0; j < quantiles; j++) {
        mixture->is_known[k] &= weights_make(losses[j], mixture->count, mixture->weights[k][j]);
        double loss = calibrate(mixture, records, view, k, j), last = losses[j][mixture->last_value];
        mixture->merits[k][j] = last > 0 ? loss / last : NAN;
        *ret_loss += weight * loss / (double)quantiles;
        *ret_naive += weight * losses[j][0] / (double)quantiles;
    }
    bool is_last = k + 1 == view->grid->knot_count || !forecast_analogues_tell(mixture->past, view->grid->knots[k + 1]);
    if (forecast_analogues_tell(mixture->past, view->step) && is_last) { /* It speaks for the nearer ones. */
        double merit = alike_merit(mixture, view, k);
        for (size_t at = 0; at <= k; at++)
            for (size_t j = 0; j < quantiles; j++)
                mixture->alike_shares[at][j] = forecast_analogues_share(view->f->quantiles[j], merit);
    }
}

static void leader_find(struct forecast_mixture *mixture, const struct forecast_grid *grid, size_t quantiles) {
    double best = -1;
    for (size_t m = 0; m < mixture->count; m++) {
        double sum = 0;
        for (size_t k = 0; k < grid->knot_count; k++)
            for (size_t j = 0; j < quantiles && mixture->is_known[k]; j++)
                sum += mixture->weights[k][j][m] * grid->weights[k];
        if (sum > best) {
            best = sum;
            mixture->leader = m;
        }
    }
}

/* All weight on one model, in part. */
static void weights_move(struct forecast_mixture *mixture, const struct forecast_grid *grid, size_t quantiles,
                         size_t to, double share) {
    for (size_t k = 0; k < grid->knot_count; k++) {
        for (size_t j = 0; j < quantiles; j++) {
            for (size_t m = 0; m < mixture->count; m++)
                mixture->weights[k][j][m] = (1 - share) * mixture->weights[k][j][m] + (m == to ? share : 0);
            mixture->shifts[k][j] *= 1 - share;
            mixture->alike_shares[k][j] *= 1 - share;
        }
    }
}

void forecast_mixture_fit(struct forecast_mixture *mixture, const struct forecast_data *data,
                          const struct forecast_grid *grid, const struct forecast *f, struct arena *scratch) {
    struct record *records = arena_alloc_array(scratch, mixture->count, sizeof(*records));
    struct knot_view *view = arena_alloc(scratch, sizeof(*view));
    *view = (struct knot_view){.data = data, .grid = grid, .f = f};
    for (size_t i = 0; i < grid->origin_count; i++) {
        double age = (double)(data->count - forecast_origin(grid, i));
        view->ages[i] = mixture->season ? exp2(-age / (HALF_LIFE_SEASONS * (double)mixture->season)) : 1;
    }
    view->average = arena_alloc_array(scratch, f->quantile_count, sizeof(*view->average));
    double loss = 0, naive = 0, weight = 0;
    mixture->coverage_per_mille = -1;
    for (size_t k = 0; k < grid->knot_count; k++) {
        double knot_loss, knot_naive;
        view->knot = k;
        view->step = grid->knots[k];
        knot_open(view);
        knot_fit(mixture, records, view, k, &knot_loss, &knot_naive);
        if (isnan(knot_loss) || isnan(knot_naive))
            continue;
        loss += knot_loss;
        naive += knot_naive;
        weight += grid->weights[k];
    }
    mixture->loss = weight > 0 ? loss / weight : NAN;
    mixture->naive_loss = weight > 0 ? naive / weight : NAN;
    /* Demoted: repeating the past would have been as good. */
    if (mixture->loss > 0 && mixture->loss > NO_BETTER * mixture->naive_loss) {
        weights_move(mixture, grid, f->quantile_count, 0, 1);
        mixture->loss = mixture->naive_loss;
        mixture->is_demoted = true;
    }
    leader_find(mixture, grid, f->quantile_count);
}

void forecast_mixture_shift(struct forecast_mixture *mixture, const struct forecast_grid *grid,
                            const struct forecast *f, double shift) {
    weights_move(mixture, grid, f->quantile_count, mixture->last_value, shift);
    leader_find(mixture, grid, f->quantile_count);
}

/* The newest knot at or before k that has errors; beyond it the spread grows with the square root of the distance where
 * no season ties the models down. */
static size_t knot_known(const struct forecast_mixture *mixture, size_t k) {
    size_t known = 0;
    for (size_t i = 1; i <= k && i < FORECAST_KNOTS_MAX; i++)
        if (mixture->is_known[i])
            known = i;
    return known;
}

void forecast_mixture_nearest(const struct forecast_mixture *mixture, const struct forecast_data *data,
                              const struct forecast_grid *grid, const struct forecast *f,
                              struct forecast_nearest *ret) {
    struct forecast_alike alike;
    ret->count = 0;
    if (!mixture->past)
        return;
    forecast_analogues_find(mixture->past, data, data->count, &alike);
    while (ret->count < grid->knot_count && forecast_analogues_tell(mixture->past, grid->knots[ret->count]) &&
           forecast_analogues_quantiles(&alike, data, grid->knots[ret->count], f, ret->values[ret->count]))
        ret->count++;
}

void forecast_mixture_at(const struct forecast_mixture *mixture, const struct forecast_data *data,
                         const struct forecast_grid *grid, const struct forecast *f,
                         const struct forecast_nearest *nearest, size_t step, double *ret) {
    size_t left, right;
    double w = forecast_grid_between(grid, step, &left, &right);
    double points[FORECAST_MODELS_MAX], scales[FORECAST_MODELS_MAX], unit = INFINITY;
    for (size_t m = 0; m < mixture->count; m++) {
        const struct forecast_model *model = &mixture->models[m];
        scales[m] = 1;
        points[m] = model->point(model, data, data->count, step, &scales[m]);
        if (model->has_scale && !isnan(points[m]))
            unit = scales[m];
    }
    for (size_t j = 0; j < f->quantile_count; j++)
        ret[j] = 0;
    const size_t at[2] = {left, right};
    const double shares[2] = {1 - w, w};
    for (size_t side = 0; side < 2; side++) {
        if (shares[side] <= 0)
            continue;
        size_t k = knot_known(mixture, at[side]);
        double growth =
            mixture->season || k == at[side] ? 1 : sqrt((double)grid->knots[at[side]] / (double)grid->knots[k]);
        double correction = mixture->units[k] > 0 ? fmin(unit, mixture->units[k]) : 1, spreads[FORECAST_MODELS_MAX];
        for (size_t m = 0; m < mixture->count; m++) /* Beyond all that errors were measured in, it is a guess. */
            spreads[m] = growth * fmin(scales[m], mixture->scales_max[k][m]);
        double values[FORECAST_QUANTILES_MAX];
        for (size_t j = 0; j < f->quantile_count; j++) {
            double sum = 0, weight = 0;
            for (size_t m = 0; m < mixture->count; m++) {
                double share = mixture->weights[k][j][m];
                if (share <= 0 || isnan(points[m]))
                    continue;
                sum += share * (points[m] + spreads[m] * mixture->offsets[k][j][m]);
                weight += share;
            }
            values[j] = weight > 0 ? sum / weight + correction * mixture->shifts[k][j] : NAN;
            double tail = points[mixture->last_value] + growth * mixture->tails[k][j];
            if (mixture->tail_shares[k][j] > 0)
                values[j] += mixture->tail_shares[k][j] * (tail - values[j]);
        }
        if (at[side] < nearest->count)
            forecast_analogues_pool(f, mixture->alike_shares[k], nearest->values[k], values);
        for (size_t j = 0; j < f->quantile_count; j++)
            ret[j] += shares[side] * values[j];
    }
}
