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
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "plan/exact.h"
#include "plan/plan_internal.h"

#define ITERATIONS_MAX 1000000

struct machines {
    int64_t count;
    money_micros price;
};

struct relaxation {
    const struct plan_work *work;
    money_micros fixed; /* Of the rows that nothing is chosen for. */
    int64_t held;
    size_t *rows; /* The others. */
    size_t row_count;
};

static bool is_free(const struct plan_row *row) {
    return !row->hold && row->raw >= 0 && !row->is_bounds && row->resource->capacity_per_machine > 0;
}

/* Of staying, k 0, and of each option. False: it does not serve, or is not for sale. */
static bool machines_of(const struct plan_work *work, const struct plan_row *row, size_t k, struct machines *ret) {
    const struct plan_option *refuge = row->closure || row->is_short ? row->chosen : NULL; /* Staying does not serve. */
    double planned = refuge ? plan_serves(work->input->policy, refuge->capacity, refuge->count)
                            : plan_capacity_of(work, row, row->desired);
    double covered = fmin(row->hold_demand, planned);
    int64_t capacity = k == 0 ? row->resource->capacity_per_machine : row->options[k - 1].capacity;
    int64_t count = plan_machines_for(work->input->policy, capacity, covered);
    *ret = (struct machines){count > row->low ? count : row->low, k == 0 ? row->price : row->options[k - 1].price};
    if (k == 0 && ret->count > row->desired) /* Its own desired size serves by definition. */
        ret->count = row->desired;
    return k == 0 ? !refuge : ret->count <= row->high;
}

static struct machines cheapest(const struct plan_work *work, const struct plan_row *row) {
    struct machines best = {0}, one;
    bool has_any = false;
    for (size_t k = 0; k <= row->option_count; k++) {
        if (!machines_of(work, row, k, &one) ||
            (has_any && money_mul(one.price, one.count) >= money_mul(best.price, best.count)))
            continue;
        best = one;
        has_any = true;
    }
    return best;
}

static money_micros price_lowest(const struct plan_row *row) {
    money_micros price = row->closure ? INT64_MAX : row->price;
    for (size_t k = 0; k < row->option_count; k++)
        if (row->options[k].price < price)
            price = row->options[k].price;
    return price;
}

/* Rounded down by more than the arithmetic can err. */
static money_micros safe(double value) {
    return value > 1 ? (money_micros)floor(value * (1 - 1e-9)) - 1 : 0;
}

static void add_row(const struct relaxation *r, struct exact_lp *lp, size_t i) {
    const struct plan_work *work = r->work;
    const struct plan_row *row = &work->rows[r->rows[i]];
    const int base = (int)r->row_count, rows[] = {(int)i, base, base + 1};
    struct machines one;
    for (size_t k = 0; k <= row->option_count; k++) {
        if (!machines_of(work, row, k, &one))
            continue;
        const double values[] = {1, (double)one.count, -(double)one.count};
        exact_lp_add(lp, (double)one.price * (double)one.count, rows, values, 3);
    }
    const double spare = 1;
    exact_lp_add(lp, (double)price_lowest(row), &base, &spare, 1);
}

static money_micros solve(const struct relaxation *r, money_micros separate) {
    const struct policy *policy = r->work->input->policy;
    double *lower = arena_alloc_array(r->work->arena, r->row_count + 2, sizeof(*lower));
    for (size_t i = 0; i < r->row_count; i++)
        lower[i] = 1;
    lower[r->row_count] = fmax(0, (double)(policy->capacity.min - r->held));
    lower[r->row_count + 1] = -fmax(0, (double)(policy->capacity.max - r->held));
    struct exact_lp *lp = exact_lp_new(lower, r->row_count + 2);
    for (size_t i = 0; i < r->row_count; i++)
        add_row(r, lp, i);
    struct exact_solution solution;
    bool is_solved = exact_lp_solve(lp, ITERATIONS_MAX, &solution);
    money_micros bound = is_solved ? safe(solution.objective) : separate;
    exact_lp_free(lp);
    return bound > separate ? bound : separate; /* Without the sums it is a relaxation too. */
}

money_micros plan_bound(const struct plan_work *work) {
    const struct policy *policy = work->input->policy;
    struct relaxation r = {.work = work, .rows = arena_alloc_array(work->arena, work->count + 1, sizeof(size_t))};
    money_micros separate = 0;
    int64_t count = 0;
    for (size_t i = 0; i < work->count; i++) {
        const struct plan_row *row = &work->rows[i];
        int64_t size = plan_size_after(row, row->desired);
        if (row->price < 0 && size > 0)
            return -1;
        if (!is_free(row) || row->least_price != row->price) { /* Of requests that may go down nothing less serves. */
            r.fixed = money_add(r.fixed, money_mul(row->least_price, size));
            r.held += row->closure ? 0 : size;
            continue;
        }
        struct machines best = cheapest(work, row);
        r.rows[r.row_count++] = i;
        separate = money_add(separate, money_mul(best.price, best.count));
        count += best.count;
    }
    bool is_inside = r.held + count >= policy->capacity.min && r.held + count <= policy->capacity.max;
    return money_add(r.fixed, is_inside || r.row_count == 0 ? separate : solve(&r, separate));
}
