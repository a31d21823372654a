/*
 * How many pieces of a demand that is spread go to each of its zones. All counts that keep the skew s are
 *
 *     n_z = m + e_z,   0 <= e_z <= s,   sum_z n_z = count        m: the least of them; 0 where a zone can take none
 *
 * The programme of the bound chooses among them too: rows of classes get -n_z, and each demand rows for its sum and for
 * what bounds m and e. What duals prove then is the least worth of all such counts, which are whole here. For plans the
 * counts are fixed: near what the programme wants, and in small cases each in turn.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/pack_spread.h"

#define SPLITS_MAX 256
#define CHEAPER_MIN 0.9e-6 /* Costs are whole micro-dollars. */
#define SPLIT_SHARE 0.3    /* Of the work that is left, for one of them. */

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Of m. */
static int64_t highest(const struct pack_spread *spread) {
    return spread->is_capped ? 0 : spread->count / (int64_t)spread->zone_count;
}

static int64_t lowest(const struct pack_spread *spread) {
    int64_t zones = (int64_t)spread->zone_count, high = highest(spread);
    bool has_rest = spread->count % zones > 0; /* high - skew + 1 leaves skew x zones - (zones - rest) to e. */
    return spread->is_capped ? 0 : max64(0, high - spread->skew + (has_rest ? 1 : 0));
}

/* ---- the least worth ---- */

struct worth_order {
    const double *worth;
};

static int by_worth(const void *left, const void *right, void *ctx) {
    const double *worth = ((const struct worth_order *)ctx)->worth;
    size_t a = *(const size_t *)left, b = *(const size_t *)right;
    if (worth[a] != worth[b])
        return worth[a] < worth[b] ? -1 : 1;
    return (a > b) - (a < b);
}

/* At the least count m, what is worth least has the most. */
static double worth_at(const struct pack_spread *spread, const double *worth, const size_t *order, int64_t m,
                       int64_t *counts) {
    int64_t rest = spread->count - m * (int64_t)spread->zone_count;
    double sum = 0;
    for (size_t t = 0; t < spread->zone_count; t++) {
        int64_t more = min64(rest, spread->skew);
        counts[order[t]] = m + more;
        rest -= more;
        sum += worth[order[t]] * (double)(m + more);
    }
    return sum;
}

double pack_spread_least(const struct pack_spread *spread, const double *worth, int64_t *counts) {
    struct arena scratch = {0};
    struct worth_order by = {worth};
    size_t *order = arena_alloc_array(&scratch, spread->zone_count, sizeof(*order));
    int64_t low = lowest(spread), high = highest(spread);
    for (size_t z = 0; z < spread->zone_count; z++)
        order[z] = z;
    qsort_r(order, spread->zone_count, sizeof(*order), by_worth, &by);
    while (low < high) { /* It is convex in m. */
        int64_t middle = low + (high - low) / 2;
        double here = worth_at(spread, worth, order, middle, counts);
        if (worth_at(spread, worth, order, middle + 1, counts) < here)
            low = middle + 1;
        else
            high = middle;
    }
    double least = worth_at(spread, worth, order, low, counts);
    arena_release(&scratch);
    return least;
}

double pack_worth_of_all(const struct pack_model *model, const double *worth) {
    double sum = 0;
    for (size_t i = 0; i < model->class_count; i++)
        if (model->classes[i].asks[PACK_ZONE] == 0)
            sum += (double)model->classes[i].count * worth[i];
    for (size_t s = 0; s < model->spread_count; s++) {
        const struct pack_spread *spread = &model->spreads[s];
        struct arena scratch = {0};
        int64_t *counts = arena_alloc_array(&scratch, spread->zone_count, sizeof(*counts));
        sum += pack_spread_least(spread, &worth[spread->first], counts);
        arena_release(&scratch);
    }
    return sum;
}

/* ---- counts ---- */

static void counts_set(struct pack_model *model, const struct pack_spread *spread, const int64_t *counts) {
    for (size_t z = 0; z < spread->zone_count; z++)
        model->classes[spread->first + z].count = counts[z];
}

void pack_spread_cheapest(struct pack_model *model, const double *worth) {
    for (size_t s = 0; s < model->spread_count; s++) {
        const struct pack_spread *spread = &model->spreads[s];
        struct arena scratch = {0};
        int64_t *counts = arena_alloc_array(&scratch, spread->zone_count, sizeof(*counts));
        (void)pack_spread_least(spread, &worth[spread->first], counts);
        counts_set(model, spread, counts);
        arena_release(&scratch);
    }
}

/* The zone that is farthest below what is wanted, or, with sign -1, above it; zone_count: none may change. */
static size_t farthest(const struct pack_spread *spread, const double *wanted, const int64_t *counts, int64_t m,
                       int sign, int64_t *ret_room) {
    size_t found = spread->zone_count;
    for (size_t z = 0; z < spread->zone_count; z++) {
        int64_t room = sign > 0 ? m + spread->skew - counts[z] : counts[z] - m;
        if (room <= 0 || (found < spread->zone_count &&
                          sign * (wanted[z] - (double)counts[z]) <= sign * (wanted[found] - (double)counts[found])))
            continue;
        found = z;
        *ret_room = room;
    }
    return found;
}

/* Counts near those wanted. */
static void counts_near(const struct pack_spread *spread, const double *wanted, int64_t *counts) {
    double least = INFINITY;
    int64_t left = spread->count, room = 0;
    for (size_t z = 0; z < spread->zone_count; z++)
        least = fmin(least, wanted[z]);
    int64_t m = max64(lowest(spread), min64(highest(spread), (int64_t)floor(fmax(0, least))));
    for (size_t z = 0; z < spread->zone_count; z++) {
        counts[z] = max64(m, min64(m + spread->skew, (int64_t)floor(fmax(0, wanted[z]))));
        left -= counts[z];
    }
    while (left != 0) { /* Much of it at once, where it is much. */
        int sign = left > 0 ? 1 : -1;
        size_t z = farthest(spread, wanted, counts, m, sign, &room);
        int64_t share = max64(1, sign * left / (int64_t)spread->zone_count);
        counts[z] += sign * min64(share, room);
        left -= sign * min64(share, room);
    }
}

void pack_spread_near(struct pack_model *model, const double *wanted) {
    for (size_t s = 0; s < model->spread_count; s++) {
        const struct pack_spread *spread = &model->spreads[s];
        struct arena scratch = {0};
        int64_t *counts = arena_alloc_array(&scratch, spread->zone_count, sizeof(*counts));
        counts_near(spread, &wanted[spread->first], counts);
        counts_set(model, spread, counts);
        arena_release(&scratch);
    }
}

/* ---- the programme ---- */

/* Of the spread: its sum, e of each zone, and m above the lowest. */
static size_t rows_of(const struct pack_spread *spread) {
    return spread->zone_count + 2;
}

size_t pack_spread_rows(const struct pack_model *model) {
    size_t count = 0;
    for (size_t s = 0; s < model->spread_count; s++)
        count += rows_of(&model->spreads[s]);
    return count;
}

/* Of skew 1 the counts are all m and m + 1, with m the mean: the rows say so, and no fractions are left. */
static int64_t base_of(const struct pack_spread *spread) {
    return spread->skew == 1 ? highest(spread) : lowest(spread);
}

void pack_spread_lower(const struct pack_model *model, bool is_free, double *lower) {
    size_t row = model->class_count;
    for (size_t s = 0; s < model->spread_count; s++) {
        const struct pack_spread *spread = &model->spreads[s];
        int64_t base = base_of(spread);
        for (size_t z = 0; z < spread->zone_count && is_free; z++)
            lower[spread->first + z] = (double)base;
        lower[row] = is_free ? (double)(spread->count - base * (int64_t)spread->zone_count) : 0;
        for (size_t z = 0; z < spread->zone_count; z++)
            lower[row + 1 + z] = -(double)spread->skew;
        lower[row + 1 + spread->zone_count] = -(double)(highest(spread) - base);
        row += rows_of(spread);
    }
}

size_t pack_spread_columns(const struct pack_model *model, struct exact_lp *lp) {
    size_t row = model->class_count, count = 0;
    for (size_t s = 0; s < model->spread_count; s++) {
        const struct pack_spread *spread = &model->spreads[s];
        size_t zones = spread->zone_count;
        struct arena scratch = {0};
        int *rows = arena_alloc_array(&scratch, zones + 2, sizeof(*rows));
        double *values = arena_alloc_array(&scratch, zones + 2, sizeof(*values));
        for (size_t z = 0; z < zones; z++) {
            rows[z] = (int)(spread->first + z);
            values[z] = -1;
        }
        rows[zones] = (int)row;
        values[zones] = (double)zones;
        rows[zones + 1] = (int)(row + 1 + zones);
        values[zones + 1] = -1;
        exact_lp_add(lp, 0, rows, values, zones + 2);
        for (size_t z = 0; z < zones; z++) {
            const int one_rows[] = {(int)(spread->first + z), (int)row, (int)(row + 1 + z)};
            const double one_values[] = {-1, 1, -1};
            exact_lp_add(lp, 0, one_rows, one_values, 3);
        }
        count += zones + 1;
        row += rows_of(spread);
        arena_release(&scratch);
    }
    return count;
}

void pack_spread_wanted(const struct pack_model *model, const double *parts, double *ret) {
    for (size_t s = 0; s < model->spread_count; s++) {
        const struct pack_spread *spread = &model->spreads[s];
        for (size_t z = 0; z < spread->zone_count; z++)
            ret[spread->first + z] = (double)base_of(spread) + parts[0] + parts[1 + z];
        parts += spread->zone_count + 1;
    }
}

/* ---- each of them in turn ---- */

struct splits { /* Of one demand. */
    const struct pack_spread *spread;
    int64_t *counts; /* One after another. */
    size_t count;
    bool is_cut; /* There are more than SPLITS_MAX. */
};

/* e of the zones from z on; one of all must be 0, or they are those of a greater m. */
static void splits_add(struct splits *splits, int64_t m, int64_t *now, size_t z, int64_t left, bool has_least,
                       struct arena *arena) {
    size_t zones = splits->spread->zone_count;
    if (z == zones) {
        if (left > 0 || !(has_least || splits->spread->is_capped))
            return;
        splits->is_cut |= splits->count == SPLITS_MAX;
        if (splits->is_cut)
            return;
        memcpy(&splits->counts[splits->count++ * zones], now, zones * sizeof(*now));
        return;
    }
    int64_t most = min64(left, splits->spread->skew), rest = (int64_t)(zones - z - 1) * splits->spread->skew;
    for (int64_t e = max64(0, left - rest); e <= most && !splits->is_cut; e++) {
        now[z] = m + e;
        splits_add(splits, m, now, z + 1, left - e, has_least || e == 0, arena);
    }
}

static struct splits splits_of(const struct pack_spread *spread, struct arena *arena) {
    struct splits splits = {.spread = spread};
    size_t zones = spread->zone_count;
    int64_t *now = arena_alloc_array(arena, zones, sizeof(*now));
    splits.counts = arena_alloc_array(arena, (size_t)SPLITS_MAX * zones, sizeof(*splits.counts));
    for (int64_t m = lowest(spread); m <= highest(spread) && !splits.is_cut; m++)
        splits_add(&splits, m, now, 0, spread->count - m * (int64_t)zones, false, arena);
    return splits;
}

/* The number-th combination. */
static void splits_set(struct pack_model *model, const struct splits *all, size_t number) {
    for (size_t s = 0; s < model->spread_count; s++) {
        const struct splits *of = &all[s];
        counts_set(model, of->spread, &of->counts[number % of->count * of->spread->zone_count]);
        number /= of->count;
    }
}

/* What the pieces are worth in all, at the present counts. */
static double worth_now(const struct pack_model *model, const double *worth) {
    double sum = 0;
    for (size_t i = 0; i < model->class_count; i++)
        sum += (double)model->classes[i].count * worth[i];
    return sum;
}

struct combination {
    size_t number;
    double worth; /* No purchase for it costs less. */
};

static int by_least_worth(const void *left, const void *right) {
    const struct combination *a = left, *b = right;
    if (a->worth != b->worth)
        return a->worth < b->worth ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

/* All of them, what may be the cheapest first. 0: they are too many. */
static size_t combinations_of(struct pack_model *model, const double *worth, struct splits *all, struct arena *arena,
                              struct combination **ret) {
    size_t total = 1;
    for (size_t s = 0; s < model->spread_count; s++) {
        all[s] = splits_of(&model->spreads[s], arena);
        total *= all[s].count;
        if (all[s].is_cut || total > SPLITS_MAX)
            return 0;
    }
    *ret = arena_alloc_array(arena, total, sizeof(**ret));
    for (size_t number = 0; number < total; number++) {
        splits_set(model, all, number);
        (*ret)[number] = (struct combination){number, worth_now(model, worth)};
    }
    qsort(*ret, total, sizeof(**ret), by_least_worth);
    return total;
}

double pack_spread_prove(struct pack_work *work, struct pack_model *model, const struct pack_columns *columns,
                         struct pack_plan *best, bool *ret_proven) {
    struct arena scratch = {0};
    struct splits *all = arena_alloc_array(&scratch, model->spread_count, sizeof(*all));
    struct combination *combinations = NULL;
    size_t total = combinations_of(model, columns->center, all, &scratch, &combinations);
    uint64_t max = work->max;
    double open = INFINITY;
    *ret_proven = total > 0;
    for (size_t c = 0; c < total && combinations[c].worth <= best->cost - CHEAPER_MIN; c++) {
        bool is_proven;
        splits_set(model, all, combinations[c].number);
        work->max = pack_work_until(work, fmax(SPLIT_SHARE, 1 / (double)(total - c)));
        double bound = pack_prove(work, columns, best, &is_proven);
        work->max = max;
        *ret_proven &= is_proven;
        open = is_proven ? open : fmin(open, bound);
    }
    arena_release(&scratch);
    return total > 0 ? fmin(open, best->cost) : columns->bound;
}

struct pack_filling pack_spread_cut(const struct pack_model *model, const struct pack_filling *filling,
                                    struct arena *arena) {
    uint32_t *classes = arena_alloc_array(arena, filling->count, sizeof(*classes));
    int32_t *pieces = arena_alloc_array(arena, filling->count, sizeof(*pieces));
    size_t count = 0;
    for (size_t t = 0; t < filling->count; t++) {
        int64_t most = min64(filling->pieces[t], model->classes[filling->classes[t]].count);
        if (most == 0)
            continue;
        classes[count] = filling->classes[t];
        pieces[count++] = (int32_t)most;
    }
    return (struct pack_filling){filling->machine, count, classes, pieces};
}
