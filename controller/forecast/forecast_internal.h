/*
 * What the files of forecast/ share: the cleaned history, the grid of past origins on which models are judged, and the
 * face of a model. A model is a point forecast from any origin that looks only at what lies before the origin; its
 * spread is what its own past errors were, at the same distance (score.c).
 *
 *     history   |----------- y[0..count) ------------|  steps 1..H
 *     origins            o   o   o   o   o   o
 *     an error           y[o + h - 1] - point(o, h), for each knot h
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_FORECAST_FORECAST_INTERNAL_H
#define TRIMTAB_FORECAST_FORECAST_INTERNAL_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "forecast/forecast.h"

#define FORECAST_KNOTS_MAX 24
#define FORECAST_ORIGINS_MAX 480
#define FORECAST_MODELS_MAX 12
#define FORECAST_ALIKE_MAX 128
#define FORECAST_HISTORY_MAX 65536 /* Older slots are not looked at: bounds time and memory. */
#define FORECAST_HOUR_MS INT64_C(3600000)
#define FORECAST_SMOOTH_MS INT64_C(1800000) /* Half the width of the window around the same moment of past seasons. */
#define FORECAST_ERRORS_MIN 8               /* Fewer errors at a distance say nothing about its spread. */

/* A function of loops over arrays that is also there for wider registers, and taken where the processor has them. The
 * results are the same: nothing is summed in another order, nor multiplied and added at once. The sanitizers are not
 * ready yet when the choice is made. */
#if defined(__x86_64__) && defined(__OPTIMIZE__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define FORECAST_WIDE __attribute__((target_clones("avx2", "default")))
#else
#define FORECAST_WIDE
#endif

/* Doubles side by side, anywhere in an array of them. */
#define LANES 4
typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double)), may_alias));
typedef int64_t lane_bits __attribute__((vector_size(LANES * sizeof(double))));
/* By lane; mask: all bits or none. */
#define LANES_SELECT(mask, yes, no) ((lanes)(((mask) & (lane_bits)(yes)) | (~(mask) & (lane_bits)(no))))

/* Seasons that show in a history. */
struct forecast_seasons {
    bool has_day, has_week; /* has_week: it tells more than the day does. */
    size_t cycle;           /* Any other length from an hour to a week, in steps; 0: none. */
};

struct forecast_data {
    const double *y; /* NaN: a gap. */
    const bool *saturated;
    const uint32_t *last; /* last[i]: 1 + the index of the newest sample before i; 0: none. count + 1 elements. */
    const double *sum;    /* Of the samples before i, */
    const uint32_t *used; /* and how many they are. count + 1 elements each. */
    size_t count;
    size_t room; /* Slots that may be added: what a model keeps by slot has room for them. */
    int64_t step_ms;
    size_t day, week;                /* Seasons in steps; 0: shorter than two steps, or not twice in the history. */
    struct forecast_seasons seasons; /* Of season.c. */
};

struct forecast_grid {
    size_t knots[FORECAST_KNOTS_MAX]; /* Distances, ascending; the last is the horizon, or half an hour before it. */
    double weights[FORECAST_KNOTS_MAX], logs[FORECAST_KNOTS_MAX]; /* Logarithms of the knots. */
    size_t knot_count, horizon;
    size_t origin_first, origin_stride, origin_count;
};

/* What a model says of one distance from one origin. */
struct forecast_said {
    double point; /* NaN: nothing; */
    double scale; /* what its error is measured in. */
};

struct forecast_model {
    const char *name;
    size_t season; /* In steps; 0: none. */
    bool has_scale;
    /* NaN if it has nothing to say. step >= 1. Reads y only below origin. A model that has_scale also sets *ret_scale
     * (NULL: not wanted) to what its errors are measured in, > 0: how unsure this moment is compared to others; or to
     * NaN, where it was never wrong so far. */
    double (*point)(const struct forecast_model *model, const struct forecast_data *data, size_t origin, size_t step,
                    double *ret_scale);
    /* The same from the first `count` origins of the grid, at knot k. NULL: `said` has it, or point is asked. */
    void (*say)(const struct forecast_model *model, const struct forecast_data *data, const struct forecast_grid *grid,
                size_t k, size_t count, struct forecast_said *ret);
    /* The slots of data from `from` on, up to its count, are new, or not what they were: brings the state up to that. A
     * season of two steps or more is the same, and so are all weights. `from` is never before the count at the fit.
     * NULL: nothing is kept by slot. */
    void (*extend)(const struct forecast_model *model, const struct forecast_data *data, size_t from);
    /* What point says at knot k from origin i of the grid, if it is known since the model was made: element k x
     * FORECAST_ORIGINS_MAX + i. In the scratch memory of the fit: NULL once that is made. */
    const struct forecast_said *said;
    void *state;
};

/* Models together: at each distance and quantile the weighted mean of their quantiles. */
struct forecast_mixture {
    struct forecast_model models[FORECAST_MODELS_MAX]; /* The first is the yardstick. */
    size_t count, last_value, season;                  /* Index of the last-value model; the season of the series. */
    size_t leader;                                     /* The model with the largest weight. */
    bool is_demoted;                                   /* All weight is on the yardstick. */
    double weights[FORECAST_KNOTS_MAX][FORECAST_QUANTILES_MAX][FORECAST_MODELS_MAX];
    double offsets[FORECAST_KNOTS_MAX][FORECAST_QUANTILES_MAX][FORECAST_MODELS_MAX]; /* In units of the scale. */
    double scales_max[FORECAST_KNOTS_MAX][FORECAST_MODELS_MAX];
    double shifts[FORECAST_KNOTS_MAX]
                 [FORECAST_QUANTILES_MAX]; /* What calibration adds, in units of min(scale, units[k]), or of demand. */
    double units[FORECAST_KNOTS_MAX];      /* Usual scale of what is unsure; 0: there is none. */
    double merits[FORECAST_KNOTS_MAX][FORECAST_QUANTILES_MAX]; /* Its loss, in those of the last value; NaN unknown. */
    double tails[FORECAST_KNOTS_MAX][FORECAST_QUANTILES_MAX];  /* Quantiles of the last value's errors, */
    double tail_shares[FORECAST_KNOTS_MAX][FORECAST_QUANTILES_MAX];  /* and how much they count, 0 to 1. */
    const struct forecast_analogues *past;                           /* NULL: there are none. */
    double alike_shares[FORECAST_KNOTS_MAX][FORECAST_QUANTILES_MAX]; /* How much they count, 0 to 1. */
    bool is_known[FORECAST_KNOTS_MAX];
    double loss, naive_loss; /* Mean pinball loss over the horizon; NaN unknown. */
    int64_t coverage_per_mille;
};

static inline size_t forecast_origin(const struct forecast_grid *grid, size_t i) {
    return grid->origin_first + i * grid->origin_stride;
}
/* Of the samples in [from, to). NaN: there are none. */
static inline double forecast_mean(const struct forecast_data *data, size_t from, size_t to) {
    uint32_t used = data->used[to] - data->used[from];
    return used ? (data->sum[to] - data->sum[from]) / (double)used : NAN;
}
/* In steps; a step of more than an hour is one. */
static inline size_t forecast_hour(const struct forecast_data *data) {
    size_t steps = (size_t)((FORECAST_HOUR_MS + data->step_ms / 2) / data->step_ms);
    return steps > 0 ? steps : 1;
}
/* From origin i of the grid at knot k. */
static inline struct forecast_said forecast_model_say(const struct forecast_model *model,
                                                      const struct forecast_data *data,
                                                      const struct forecast_grid *grid, size_t k, size_t i) {
    if (model->said)
        return model->said[k * FORECAST_ORIGINS_MAX + i];
    struct forecast_said said = {.scale = 1};
    said.point = model->point(model, data, forecast_origin(grid, i), grid->knots[k], &said.scale);
    return said;
}
/* Defines say for a point that is in the same file and has no scale: what is the same for all origins is found once. */
#define FORECAST_SAY(name, point_of)                                                                                   \
    static void name(const struct forecast_model *model, const struct forecast_data *data,                             \
                     const struct forecast_grid *grid, size_t k, size_t count, struct forecast_said *ret) {            \
        for (size_t i = 0; i < count; i++)                                                                             \
            ret[i] = (struct forecast_said){point_of(model, data, forecast_origin(grid, i), grid->knots[k], NULL), 1}; \
    }
struct forecast_grid forecast_grid_make(const struct forecast_data *data, size_t steps);
/* The knots around a step, the same where it is one or beyond the last; returns the share of the right one, which grows
 * with the logarithm of the distance. */
double forecast_grid_between(const struct forecast_grid *grid, size_t step, size_t *ret_left, size_t *ret_right);

/* naive.c */
struct forecast_model forecast_last_value(void);
struct forecast_model forecast_seasonal_naive(size_t season, const char *name);
/* profile.c: the mean of the past seasons, and back to it from today's deviation. */
struct forecast_model forecast_profile(const struct forecast_data *data, const struct forecast_grid *grid,
                                       size_t season, const char *name, struct arena *scratch);
/* Values of the same moment of the past. */
struct forecast_past {
    const double *y; /* count elements; NaN: a gap. */
    size_t count, season, seasons;
    bool has_gaps;
};
/* For each t in [from, count + season) the mean of y[t - season], y[t - 2 season]..., `seasons` of them at most, and,
 * if spread is not NULL, how far they are from it in the mean. NaN: there is none, and fewer than two. */
void forecast_past_means(const struct forecast_past *past, size_t from, double *mean, double *spread);
/* holt_winters.c: false if the history is too short. */
bool forecast_holt_winters(const struct forecast_data *data, const struct forecast_grid *grid, struct arena *scratch,
                           struct forecast_model *ret);
/* The same where a value is negative, or no season shows. additive: what the former made of the same. */
bool forecast_holt_winters_multiplicative(const struct forecast_data *data, const struct forecast_grid *grid,
                                          const struct forecast_model *additive, struct arena *scratch,
                                          struct forecast_model *ret);
/* decompose.c: false if the history is too short for a season. */
bool forecast_decomposition(const struct forecast_data *data, const struct forecast_grid *grid, struct arena *scratch,
                            struct forecast_model *ret);
/* histogram.c: false if a value is negative, or all are 0. */
bool forecast_histogram(const struct forecast_data *data, struct arena *scratch, struct forecast_model *ret);
/* season.c: of data->seasons nothing is read. */
struct forecast_seasons forecast_seasons_find(const struct forecast_data *data, struct arena *scratch);

/* direct.c: false if the history is too short or has no season. */
bool forecast_direct(const struct forecast_data *data, const struct forecast_grid *grid, struct arena *arena,
                     struct arena *scratch, struct forecast_model *ret);

/* analogues.c: what demand was after moments that were alike. NULL: the history is too short, or has no season. */
struct forecast_analogues *forecast_analogues_learn(const struct forecast_data *data, struct arena *arena,
                                                    struct arena *scratch);
/* Whether they have anything to say of that distance: it is half an hour at most, or the first one. past: or NULL. */
bool forecast_analogues_tell(const struct forecast_analogues *past, size_t step);
/* The moments like an origin, past or next; of them no hour that overlaps with its own. */
struct forecast_alike {
    size_t origin, count;
    uint32_t origins[FORECAST_ALIKE_MAX];
};
/* origin >= forecast_analogues_first. */
void forecast_analogues_find(const struct forecast_analogues *past, const struct forecast_data *data, size_t origin,
                             struct forecast_alike *ret);
/* Quantiles at a step that they tell of, into ret[f->quantile_count]; none crosses another. False: too little is known.
 */
bool forecast_analogues_quantiles(const struct forecast_alike *alike, const struct forecast_data *data, size_t step,
                                  const struct forecast *f, double *ret);
size_t forecast_analogues_first(const struct forecast_analogues *past); /* The oldest origin that is looked at. */
/* How much they count at a quantile, 0 to 1. merit: loss of the mixture in theirs; NaN unknown. */
double forecast_analogues_share(double q, double merit);
/* values: quantiles that the mixture says, NaN unknown; become those of both. shares, theirs: by quantile too; beyond
 * 0.99 all have the last one's share, and one quantile alone stays, since it tells no chance beside it. */
void forecast_analogues_pool(const struct forecast *f, const double *shares, const double *theirs, double *values);

/* shift.c: what is known of past distances from the seasons before, and how sure it is that the level has now moved to
 * where it never was before, 0 to 1. */
struct forecast_shift {
    size_t season;  /* 0: nothing is known. */
    double largest; /* Distance so far. */
};
struct forecast_shift forecast_shift_learn(const struct forecast_data *data, size_t season);
double forecast_shift_now(const struct forecast_shift *shift, const struct forecast_data *data);

/* mixture.c: weighs the models of *mixture by what they did at the past origins. */
void forecast_mixture_fit(struct forecast_mixture *mixture, const struct forecast_data *data,
                          const struct forecast_grid *grid, const struct forecast *f, struct arena *scratch);
/* Moves weight to the last value, as far as the level has shifted. */
void forecast_mixture_shift(struct forecast_mixture *mixture, const struct forecast_grid *grid,
                            const struct forecast *f, double shift);
/* What the analogues say from the origin data->count, by knot: of the first `count`. */
struct forecast_nearest {
    double values[FORECAST_KNOTS_MAX][FORECAST_QUANTILES_MAX];
    size_t count;
};
void forecast_mixture_nearest(const struct forecast_mixture *mixture, const struct forecast_data *data,
                              const struct forecast_grid *grid, const struct forecast *f, struct forecast_nearest *ret);
/* Quantiles at a step from the origin data->count, into ret[f->quantile_count]; NaN where nothing is known. */
void forecast_mixture_at(const struct forecast_mixture *mixture, const struct forecast_data *data,
                         const struct forecast_grid *grid, const struct forecast *f,
                         const struct forecast_nearest *nearest, size_t step, double *ret);

/* tail.c: sets tails and tail_shares of a mixture that has been fitted. */
void forecast_tail_fit(struct forecast_mixture *mixture, const struct forecast_data *data,
                       const struct forecast_grid *grid, const struct forecast *f, struct arena *scratch);

/* score.c */
void forecast_sort(double *values, size_t count);
/* Of sorted values, with the finite-sample correction; beyond the sample an exponential tail. count >= 1. */
double forecast_quantile(const double *sorted, size_t count, double q);
/* The same of the values of two that are sorted; FORECAST_ORIGINS_MAX together at most. */
double forecast_quantile_of_two(const double *a, size_t a_count, const double *b, size_t b_count, double q);
/* The same of values in any order, which are moved about. It need not sort them. */
double forecast_quantile_of(double *values, size_t count, double q);
double forecast_nth(double *values, size_t count, size_t rank); /* values[rank], were they sorted; rank < count. */

#endif
