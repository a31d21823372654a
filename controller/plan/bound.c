/*
 * What the hour that is planned for costs at least, under the policy: the relaxation of choosing machines, whatever it
 * costs to change to them. With x(i, k) how far row i is served by option k, n(i, k) the machines that this takes at
 * price p(i, k), and e(i) machines that stand there only for capacity.min, at the row's lowest price q(i):
 *
 *     min   sum p(i, k) n(i, k) x(i, k) + sum q(i) e(i)
 *     s.t.  sum_k x(i, k) >= 1                                          for each row i
 *           sum n(i, k) x(i, k) + sum e(i) >= capacity.min - what is held
 *           sum n(i, k) x(i, k)            <= capacity.max - what is held
 *           x, e >= 0
 *
 * Where each row's cheapest keeps both sums, that is the solution. What is covered is what the plan covers.
 *
 * With commitments c, of which f(c) is free and a machine takes u(i, k, c), z(i, k, c) of these machines run on them
 * and cost nothing more: the objective less p(i, k) z(i, k, c), and
 *
 *           sum_c z(i, k, c) <= n(i, k) x(i, k)                           for each row i and option k
 *           sum u(i, k, c) z(i, k, c) <= f(c)                             for each commitment c
 *
 * Rows that nothing is chosen for have one k, x 1. Where these are too many for the programme, each unit of f(c) has
 * the price at which nothing would run on it (Lagrangian relaxation: Geoffrion 1974): list prices, less what all of
 * that comes to.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "plan/exact.h"
#include "plan/plan_internal.h"

#define ITERATIONS_MAX 1000000
#define COVERED_MAX 2000 /* Columns z: some tenths of a second. */

struct machines {
    int64_t count;
    money_micros price;
    money_micros cost; /* Of the row alone: of all that is free of commitments. */
};

struct coverable { /* Machines that commitments may cover. */
    bool is_fixed; /* Of a row that nothing is chosen for; these come first. */
    size_t row, k;
    int64_t count;
    money_micros price; /* What is not paid of one of them then. */
    struct plan_cover cover;
};

struct relaxation {
    const struct plan_work *work;
    money_micros fixed; /* Of the rows that nothing is chosen for. */
    int64_t held;
    int64_t min, max; /* Of the sum: the policy's, as far as the plan itself keeps them. */
    size_t *rows;     /* The others. */
    size_t row_count;
    struct coverable *coverables;
    size_t coverable_count;
};

static bool is_free(const struct plan_row *row) {
    return !row->hold && row->raw >= 0 && !row->is_bounds && row->resource->capacity_per_machine > 0;
}

static struct plan_purchase purchase_of(const struct plan_row *row, size_t k) {
    return k == 0 ? plan_purchase_of(row) : plan_purchase_of_option(row, &row->options[k - 1]);
}

/* Of staying, k 0, and of each option. False: it does not serve, or is not for sale. */
static bool machines_of(const struct plan_work *work, const struct plan_row *row, size_t k, struct machines *ret) {
    const struct plan_option *refuge = row->closure || row->is_short ? row->chosen : NULL; /* Staying does not serve. */
    const struct plan_option *chosen = row->chosen;
    double planned = plan_capacity_of(work, row, row->desired);
    if (chosen && (refuge || chosen->unmet > 0)) /* What is not worth serving is in no bound. */
        planned = plan_serves(work->input->policy, chosen->capacity, chosen->count);
    double covered = fmin(row->hold_demand, planned);
    int64_t capacity = k == 0 ? row->resource->capacity_per_machine : row->options[k - 1].capacity;
    int64_t count = plan_machines_for(work->input->policy, capacity, covered);
    *ret = (struct machines){.count = count > row->low ? count : row->low,
                             .price = k == 0 ? row->price : row->options[k - 1].price};
    if (k == 0 && ret->count > row->desired) /* Its own desired size serves by definition. */
        ret->count = row->desired;
    ret->cost = money_mul(ret->price, ret->count);
    if (work->input->snapshot->commitment_count > 0 && !row->closure) {
        const struct plan_purchase p = purchase_of(row, k);
        const struct plan_cover cover = plan_cover_of(work, &p);
        ret->cost -=
            money_mul(plan_committed_price(work, ret->price), plan_cover_machines(&cover, ret->count, INT64_MIN));
    }
    return k == 0 ? !refuge : ret->count <= row->high;
}

static struct machines cheapest(const struct plan_work *work, const struct plan_row *row) {
    struct machines best = {0}, one;
    bool has_any = false;
    for (size_t k = 0; k <= row->option_count; k++) {
        if (!machines_of(work, row, k, &one) || (has_any && one.cost >= best.cost))
            continue;
        best = one;
        has_any = true;
    }
    return best;
}

/* Of a machine that is there only for the sum; it may run on a commitment. */
static money_micros price_lowest(const struct plan_work *work, const struct plan_row *row) {
    money_micros price = row->closure ? INT64_MAX : row->price;
    for (size_t k = 0; k <= row->option_count; k++) {
        const struct plan_purchase p = purchase_of(row, k);
        if (k > 0 && row->options[k - 1].price < price)
            price = row->options[k - 1].price;
        if (work->input->snapshot->commitment_count > 0 && plan_cover_of(work, &p).count > 0)
            return 0;
    }
    return price;
}

/* Rounded down by more than the arithmetic can err in numbers of that size. */
static money_micros safe(double value, double size) {
    return value > 1 ? (money_micros)floor(value - 1e-9 * fmax(value, size)) - 1 : 0;
}

/* ---- what runs on commitments ---- */

static void add_coverable(struct relaxation *r, size_t row, size_t k, int64_t count, money_micros price) {
    const struct plan_row *at = &r->work->rows[row];
    const struct plan_purchase p = purchase_of(at, k);
    if (r->work->input->snapshot->commitment_count == 0 || at->closure || count <= 0 || price <= 0)
        return;
    struct plan_cover cover = plan_cover_of(r->work, &p);
    if (cover.count == 0)
        return;
    r->coverables = arena_push(r->work->arena, r->coverables, r->coverable_count, sizeof(*r->coverables));
    r->coverables[r->coverable_count++] =
        (struct coverable){false, row, k, count, plan_committed_price(r->work, price), cover};
}

static int row_of_commitment(const struct relaxation *r, size_t commitment) {
    return (int)(r->row_count + 2 + commitment);
}

static int row_of_coverable(const struct relaxation *r, size_t i) {
    return (int)(r->row_count + 2 + r->work->input->snapshot->commitment_count + i);
}

/* A column for each commitment: machines that run on it. */
static void add_covered(const struct relaxation *r, struct exact_lp *lp, size_t i) {
    const struct coverable *c = &r->coverables[i];
    for (size_t k = 0; k < c->cover.count; k++) {
        const int rows[] = {row_of_commitment(r, c->cover.parts[k].commitment), row_of_coverable(r, i)};
        const double values[] = {-(double)c->cover.parts[k].each, -1};
        exact_lp_add(lp, -(double)c->price, rows, values, 2);
    }
}

/* Rows that cannot grow may leave the sum below capacity.min, those that cannot shrink above capacity.max. */
static void sums_open(struct relaxation *r) {
    const struct policy *policy = r->work->input->policy;
    int64_t sum = 0;
    for (size_t i = 0; i < r->work->count; i++) {
        const struct plan_row *row = &r->work->rows[i];
        int64_t stays = row->closure ? 0 : plan_size_after(row, row->desired);
        sum += row->chosen ? row->chosen->count : stays;
    }
    r->min = sum < policy->capacity.min ? sum : policy->capacity.min;
    r->max = sum > policy->capacity.max ? sum : policy->capacity.max;
}

static double *lower_make(const struct relaxation *r) {
    size_t commitments = r->work->input->snapshot->commitment_count;
    double *lower =
        arena_alloc_array(r->work->arena, r->row_count + 2 + commitments + r->coverable_count, sizeof(*lower));
    for (size_t i = 0; i < r->row_count; i++)
        lower[i] = 1;
    lower[r->row_count] = fmax(0, (double)(r->min - r->held));
    lower[r->row_count + 1] = -fmax(0, (double)(r->max - r->held));
    for (size_t c = 0; c < commitments; c++)
        lower[row_of_commitment(r, c)] = -(double)r->work->commitments_free[c];
    for (size_t i = 0; i < r->coverable_count; i++)
        lower[row_of_coverable(r, i)] = r->coverables[i].is_fixed ? -(double)r->coverables[i].count : 0;
    return lower;
}

/* ---- the programme ---- */

/* *at: the coverable of the row that is next; they are in the order of rows and options. */
static void add_row(const struct relaxation *r, struct exact_lp *lp, size_t i, size_t *at) {
    const struct plan_work *work = r->work;
    const struct plan_row *row = &work->rows[r->rows[i]];
    const int base = (int)r->row_count;
    struct machines one;
    for (size_t k = 0; k <= row->option_count; k++) {
        if (!machines_of(work, row, k, &one))
            continue;
        const struct coverable *c = *at < r->coverable_count ? &r->coverables[*at] : NULL;
        bool is_covered = c && c->row == r->rows[i] && c->k == k;
        const int rows[] = {(int)i, base, base + 1, row_of_coverable(r, *at)};
        const double values[] = {1, (double)one.count, -(double)one.count, (double)one.count};
        exact_lp_add(lp, (double)one.price * (double)one.count, rows, values, is_covered ? 4 : 3);
        *at += is_covered;
    }
    const double spare = 1;
    exact_lp_add(lp, (double)price_lowest(work, row), &base, &spare, 1);
}

static money_micros solve(const struct relaxation *r) {
    struct exact_lp *lp =
        exact_lp_new(lower_make(r), r->row_count + 2 + r->coverable_count + r->work->input->snapshot->commitment_count);
    size_t at = 0;
    while (at < r->coverable_count && r->coverables[at].is_fixed)
        at++;
    for (size_t i = 0; i < r->row_count; i++)
        add_row(r, lp, i, &at);
    for (size_t i = 0; i < r->coverable_count; i++)
        add_covered(r, lp, i);
    struct exact_solution solution;
    bool is_solved = exact_lp_solve(lp, ITERATIONS_MAX, &solution);
    money_micros bound = is_solved ? safe(solution.objective + (double)r->fixed, (double)r->fixed) : 0;
    exact_lp_free(lp);
    return bound;
}

/* Rows that nothing is chosen for. False: a price is not known. */
static bool fix_rows(struct relaxation *r) {
    for (size_t i = 0; i < r->work->count; i++) {
        const struct plan_row *row = &r->work->rows[i];
        int64_t size = plan_size_after(row, row->desired);
        if (row->is_on_nodes || plan_row_is_node(r->work, row)) { /* What it costs is in the nodes' bound. */
            r->held += row->closure ? 0 : size;
            continue;
        }
        if (row->price < 0 && size > 0)
            return false;
        if (is_free(row) && row->least_price == row->price) {
            r->rows[r->row_count++] = i;
            continue;
        }
        r->fixed = money_add(r->fixed, money_mul(row->least_price, size)); /* Nothing less than requests serves. */
        r->held += row->closure ? 0 : size;
        size_t before = r->coverable_count;
        add_coverable(r, i, 0, size, row->least_price);
        if (r->coverable_count > before)
            r->coverables[before].is_fixed = true;
    }
    return true;
}

/* Of the fixed rows, of which each alone runs on all that is free of commitments. */
static money_micros fixed_alone(const struct relaxation *r) {
    money_micros sum = r->fixed;
    for (size_t i = 0; i < r->coverable_count && r->coverables[i].is_fixed; i++) {
        const struct coverable *c = &r->coverables[i];
        sum -= money_mul(c->price, plan_cover_machines(&c->cover, c->count, INT64_MIN));
    }
    return sum > 0 ? sum : 0;
}

static size_t covered_count(const struct relaxation *r) {
    size_t count = 0;
    for (size_t i = 0; i < r->coverable_count; i++)
        count += r->coverables[i].cover.count;
    return count;
}

/* All that is free of commitments, at the price of a unit at which nothing would run on it. */
static double free_worth(const struct relaxation *r) {
    size_t count = r->work->input->snapshot->commitment_count;
    double *prices = arena_alloc_array(r->work->arena, count + 1, sizeof(*prices)), worth = 0;
    for (size_t i = 0; i < r->coverable_count; i++) {
        const struct coverable *c = &r->coverables[i];
        for (size_t k = 0; k < c->cover.count; k++) {
            double *price = &prices[c->cover.parts[k].commitment];
            *price = fmax(*price, (double)c->price / (double)c->cover.parts[k].each);
        }
    }
    for (size_t c = 0; c < count; c++)
        worth += prices[c] * (double)r->work->commitments_free[c];
    return worth;
}

static money_micros solve_relaxed(struct relaxation *r) {
    double worth = free_worth(r);
    r->coverable_count = 0;
    double listed = (double)(r->row_count > 0 ? solve(r) : r->fixed);
    return safe(listed - worth, listed);
}

money_micros plan_bound(const struct plan_work *work) {
    struct relaxation r = {.work = work, .rows = arena_alloc_array(work->arena, work->count + 1, sizeof(size_t))};
    struct machines one;
    int64_t count = 0;
    if (work->nodes_bound < 0 || !fix_rows(&r))
        return -1;
    sums_open(&r);
    money_micros separate = fixed_alone(&r); /* Each row alone: without the sums it is a relaxation too. */
    for (size_t i = 0; i < r.row_count; i++) {
        const struct plan_row *row = &work->rows[r.rows[i]];
        for (size_t k = 0; k <= row->option_count; k++)
            if (machines_of(work, row, k, &one))
                add_coverable(&r, r.rows[i], k, one.count, one.price);
        struct machines best = cheapest(work, row);
        separate = money_add(separate, best.cost);
        count += best.count;
    }
    bool is_inside = r.held + count >= r.min && r.held + count <= r.max;
    if (r.coverable_count == 0 && (is_inside || r.row_count == 0))
        return money_add(separate, work->nodes_bound);
    money_micros bound = covered_count(&r) <= COVERED_MAX ? solve(&r) : solve_relaxed(&r);
    return money_add(bound > separate ? bound : separate, work->nodes_bound);
}
