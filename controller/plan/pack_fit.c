/*
 * See pack_fit.h. The programme of the fractions, with t the share of each demand that is left out:
 *
 *     min  t
 *     s.t. sum_j pieces(i, j) x_j + count_i t >= count_i    for each class i              (duals y_i)
 *          sum_{j of kind k} x_j <= machines_k              for each kind of machine k    (duals -m_k)
 *
 * For any y >= 0, with m_k the worth of the best filling of kind k at y, sum_i count_i y_i > sum_k machines_k m_k
 * proves that they do not fit; and the same of any other numbers of machines. That is Farkas' lemma, where the m_k are
 * bounds of a search, so that no rounding can make them too low.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/pack_fit.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

#define NOTHING_LEFT 1e-7 /* Of t, of which 1 is all. */
#define PROOF_MIN 1e-6    /* The worths of all pieces sum to 1. */
#define NEW_MIN 1e-8      /* A filling must be worth more than the programme knows by this. */
#define WHOLE_EPSILON 1e-6
#define FILLINGS_MAX 1200
#define FILLINGS_KEPT 600
#define SOLVES_KEPT 64
#define LP_ITERATIONS_MAX 20000
#define LP_COLUMN_WORK 2
#define LP_STEP_WORK 40 /* Of a simplex iteration, for each row. */
#define STEPS_MAX 5000
#define TOLERANCE_FIRST 1e-3 /* Of the worth of all pieces: fillings better by less are not looked for at first. */
#define TOLERANCE_LAST 2e-5
#define NODES_MAX 20     /* Of the second search, for what takes the first too long. */
#define NODES_UNUSED 200 /* For a kind of machine that there is none of. */

/* All is left out: it can always be solved. */
static struct exact_lp *programme_of(const struct pack_model *model) {
    size_t n = model->class_count;
    struct arena scratch = {0};
    double *lower = arena_alloc_array(&scratch, n + model->machine_count, sizeof(*lower));
    int *rows = arena_alloc_array(&scratch, n, sizeof(*rows));
    struct exact_lp *lp = exact_lp_new(lower, n + model->machine_count);
    for (size_t i = 0; i < n; i++) {
        rows[i] = (int)i;
        lower[i] = (double)model->classes[i].count;
    }
    exact_lp_add(lp, 1, rows, lower, n);
    arena_release(&scratch);
    return lp;
}

void pack_fit_init(struct pack_work *work, const struct pack_model *model, const int64_t *const *limits,
                   struct arena *arena, struct pack_fit *ret) {
    size_t n = model->class_count, kinds = model->machine_count;
    if (!limits) {
        int64_t *counts = arena_alloc_array(arena, n, sizeof(*counts));
        const int64_t **same = arena_alloc_array(arena, kinds, sizeof(*same));
        for (size_t i = 0; i < n; i++)
            counts[i] = model->classes[i].count;
        for (size_t k = 0; k < kinds; k++)
            same[k] = counts;
        limits = same;
    }
    *ret = (struct pack_fit){.work = work,
                             .model = model,
                             .limits = limits,
                             .arena = arena,
                             .lp = programme_of(model),
                             .weights = arena_alloc_array(arena, kinds, sizeof(*ret->weights)),
                             .worth = arena_alloc_array(arena, n, sizeof(double)),
                             .most = arena_alloc_array(arena, kinds, sizeof(double))};
}

void pack_fit_free(struct pack_fit *fit) {
    exact_lp_free(fit->lp);
}

static void add(struct pack_fit *fit, const struct pack_filling *filling, uint64_t used) {
    struct arena scratch = {0};
    int *rows = arena_alloc_array(&scratch, filling->count + 1, sizeof(*rows));
    double *values = arena_alloc_array(&scratch, filling->count + 1, sizeof(*values));
    for (size_t t = 0; t < filling->count; t++) {
        rows[t] = (int)filling->classes[t];
        values[t] = filling->pieces[t];
    }
    rows[filling->count] = (int)(fit->model->class_count + filling->machine);
    values[filling->count] = -1;
    exact_lp_add(fit->lp, 0, rows, values, filling->count + 1);
    fit->fillings = arena_push(fit->arena, fit->fillings, fit->count, sizeof(*fit->fillings));
    fit->used = arena_push(fit->arena, fit->used, fit->count, sizeof(*fit->used));
    fit->used[fit->count] = used;
    fit->fillings[fit->count++] = *filling;
    arena_release(&scratch);
}

void pack_fit_add(struct pack_fit *fit, const struct pack_filling *filling) {
    add(fit, filling, fit->solves);
}

/* Keeps the fillings that were of use lately: a step of the simplex takes as long as there are columns. */
static void forget(struct pack_fit *fit) {
    const struct pack_filling *fillings = fit->fillings;
    const uint64_t *used = fit->used;
    size_t count = fit->count, kept = count;
    uint64_t age = SOLVES_KEPT;
    for (; kept > FILLINGS_KEPT && age > 0; age /= 2) {
        kept = 0;
        for (size_t j = 0; j < count; j++)
            kept += used[j] + age >= fit->solves;
    }
    exact_lp_free(fit->lp);
    fit->lp = programme_of(fit->model);
    fit->fillings = NULL;
    fit->used = NULL;
    fit->count = 0;
    for (size_t j = 0; j < count; j++)
        if (used[j] + 2 * age >= fit->solves)
            add(fit, &fillings[j], used[j]);
}

/* Prices one kind of machine; adds what it finds that is worth more than `known` by more than the tolerance. */
static bool price(struct pack_fit *fit, size_t kind, double known, double tolerance, uint64_t nodes_max) {
    struct pack_work work = *fit->work; /* The search goes by its model. */
    work.model = fit->model;
    struct pack_small_task task = {.machine = kind,
                                   .worth = fit->worth,
                                   .limit = fit->limits[kind],
                                   .floor = known,
                                   .tolerance = tolerance,
                                   .steps_max = STEPS_MAX,
                                   .weights = fit->weights[kind]};
    if (!pack_fill_small(&work, &task)) {
        double floor = fmax(known, task.found) + tolerance, upper;
        double found = pack_fill(&work, kind, task.worth, task.limit, floor, nodes_max, &upper);
        task.found = fmax(task.found, found);
        task.upper = fmin(task.upper, upper);
    }
    fit->most[kind] = task.upper;
    fit->work->done = work.done;
    if (task.found <= known + NEW_MIN)
        return false;
    struct pack_filling filling = pack_filling_of(fit->model, kind, work.best, fit->arena);
    pack_fit_add(fit, &filling);
    return true;
}

/* What the machines hold at most, in worth; of *ret_added fillings the programme did not know. */
static double price_all(struct pack_fit *fit, const double *machines, const double *known, double tolerance,
                        bool *ret_added) {
    double sum = 0;
    *ret_added = false;
    for (size_t k = 0; k < fit->model->machine_count; k++) {
        if (machines[k] <= 0)
            continue;
        *ret_added |= price(fit, k, fmax(0, known[k]), tolerance, NODES_MAX);
        sum += machines[k] * fit->most[k];
    }
    return sum;
}

enum pack_fit_end pack_fit_solve(struct pack_fit *fit, const int64_t *pieces, const double *machines) {
    size_t n = fit->model->class_count, kinds = fit->model->machine_count;
    struct arena scratch = {0};
    struct exact_solution solution;
    double *lower = arena_alloc_array(&scratch, n + kinds, sizeof(*lower));
    double *known = arena_alloc_array(&scratch, kinds, sizeof(*known));
    enum pack_fit_end end = PACK_FIT_OUT_OF_WORK;
    double tolerance = TOLERANCE_FIRST;
    fit->solves++;
    if (fit->count > FILLINGS_MAX)
        forget(fit);
    for (size_t i = 0; i < n; i++)
        lower[i] = (double)pieces[i];
    for (size_t k = 0; k < kinds; k++)
        lower[n + k] = -machines[k];
    exact_lp_set_lower(fit->lp, lower);
    while (fit->work->done < fit->work->max) {
        bool is_solved = exact_lp_solve(fit->lp, LP_ITERATIONS_MAX, &solution), added;
        if (!is_solved) {
            fit->work->done += LP_ITERATIONS_MAX * (n + kinds);
            break;
        }
        fit->work->done += (solution.iterations + 1) * ((n + kinds) * LP_STEP_WORK + LP_COLUMN_WORK * fit->count);
        fit->parts = solution.values + 1;
        for (size_t j = 0; j < fit->count; j++)
            if (fit->parts[j] > WHOLE_EPSILON)
                fit->used[j] = fit->solves;
        if (solution.objective <= NOTHING_LEFT) {
            end = PACK_FIT_YES;
            break;
        }
        double all = 0;
        for (size_t i = 0; i < n; i++) {
            fit->worth[i] = fmax(0, solution.duals[i]);
            all += fit->worth[i] * (double)pieces[i];
        }
        for (size_t k = 0; k < kinds; k++)
            known[k] = solution.duals[n + k];
        if (all > price_all(fit, machines, known, tolerance, &added) + PROOF_MIN) {
            for (size_t k = 0; k < kinds; k++)
                if (machines[k] <= 0)
                    (void)price(fit, k, 0, TOLERANCE_FIRST, NODES_UNUSED);
            end = PACK_FIT_NO;
            break;
        }
        if (!added && tolerance <= TOLERANCE_LAST) { /* As good as all of it fits. */
            end = PACK_FIT_YES;
            break;
        }
        if (!added)
            tolerance /= 4;
    }
    arena_release(&scratch);
    return end;
}
