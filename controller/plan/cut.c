/*
 * Who gets how much where capacity.max does not suffice, and a violation has a price: so that what is not served costs
 * least. Of each row the expected cost of its violations falls with its machines; from its minimum on, the steps of its
 * lower convex hull are bought in the order of what a machine saves (Fox 1966). The last may be bought in part.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "plan/plan_internal.h"

#define POINTS_MAX (FORECAST_QUANTILES_MAX + 2)

struct point {
    int64_t count;
    money_micros cost; /* Of violations, in the window that is planned for. */
};

struct step {
    size_t row;
    int64_t count;
    money_micros saving;
};

static money_micros cost_of(struct plan_work *work, const struct plan_row *row, int64_t count) {
    double serves = plan_capacity_of(work, row, count);
    money_micros sum = 0;
    for (size_t s = row->first_step; s < row->last_step; s++)
        sum = money_add(sum, plan_unmet_cost(work, row, s, plan_demand_at(work, row, s), serves));
    return sum;
}

static int by_count(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Counts where the cost may bend: those that serve a quantile of some step, between the minimum and the need. */
static size_t counts_of(const struct plan_work *work, const struct plan_row *row, int64_t *ret) {
    const struct forecast *f = row->forecast;
    size_t count = 0;
    ret[count++] = row->low;
    ret[count++] = row->need;
    for (size_t j = 0; j < f->quantile_count; j++) {
        double highest = 0;
        for (size_t s = row->first_step; s < row->last_step; s++)
            highest = forecast_value(f, s, j) > highest ? forecast_value(f, s, j) : highest;
        int64_t n = plan_count_for(work, row, highest);
        if (n > row->low && n < row->need)
            ret[count++] = n;
    }
    qsort(ret, count, sizeof(*ret), by_count);
    return count;
}

/* The middle one lies on or above the line between its neighbours. */
static bool is_idle(const struct point *a, const struct point *b, const struct point *c) {
    return (__int128)(a->cost - b->cost) * (c->count - b->count) <=
           (__int128)(b->cost - c->cost) * (b->count - a->count);
}

static size_t steps_of(struct plan_work *work, size_t at, struct step *ret) {
    const struct plan_row *row = &work->rows[at];
    int64_t counts[POINTS_MAX];
    struct point hull[POINTS_MAX];
    size_t count = counts_of(work, row, counts), size = 0;
    for (size_t i = 0; i < count; i++) {
        const struct point point = {counts[i], cost_of(work, row, counts[i])};
        if (size > 0 && hull[size - 1].count == point.count)
            continue;
        while (size > 1 && is_idle(&hull[size - 2], &hull[size - 1], &point))
            size--;
        hull[size++] = point;
    }
    for (size_t i = 1; i < size; i++)
        ret[i - 1] = (struct step){at, hull[i].count - hull[i - 1].count, hull[i - 1].cost - hull[i].cost};
    return size > 0 ? size - 1 : 0;
}

static int by_worth(const void *a, const void *b) {
    const struct step *x = a, *y = b;
    const __int128 left = (__int128)x->saving * y->count, right = (__int128)y->saving * x->count;
    if (left != right)
        return left > right ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static bool is_priced(const struct plan_row *row) {
    return row->raw >= 0 && row->price > 0 && row->forecast->level > 0;
}

bool plan_cut_priced(struct plan_work *work, int64_t total) {
    struct step *steps = arena_alloc_array(work->arena, work->count * POINTS_MAX + 1, sizeof(*steps));
    size_t count = 0;
    if (!work->input->policy->sla.violation_cost)
        return false;
    for (size_t i = 0; i < work->count; i++)
        if (!work->rows[i].hold && !is_priced(&work->rows[i]))
            return false;
    for (size_t i = 0; i < work->count; i++) {
        struct plan_row *row = &work->rows[i];
        if (row->hold)
            continue;
        row->desired = row->low;
        total -= row->low;
        count += steps_of(work, i, &steps[count]);
    }
    qsort(steps, count, sizeof(*steps), by_worth);
    for (size_t i = 0; i < count && total > 0; i++) {
        int64_t taken = steps[i].count < total ? steps[i].count : total;
        work->rows[steps[i].row].desired += taken;
        total -= taken;
    }
    return true;
}
