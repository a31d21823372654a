/*
 * The linear programme of column generation: min cost x, A x >= lower, x >= 0, which grows by columns and is solved
 * again from where it stood. Behind it stands Clp, through its C interface; nothing else of the plan knows that
 * library. Its memory is its own heap. The same calls give the same numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_EXACT_H
#define TRIMTAB_PLAN_EXACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exact_lp;

struct exact_lp *exact_lp_new(const double *lower, size_t row_count);
void exact_lp_free(struct exact_lp *lp); /* NULL is fine. */

/* A column: `count` rows, ascending, with their values. It takes part in the next solve. */
void exact_lp_add(struct exact_lp *lp, double cost, const int *rows, const double *values, size_t count);
void exact_lp_set_lower(struct exact_lp *lp, const double *lower);

struct exact_solution {
    double objective;
    const double *values; /* Of the columns, in the order of adding; until the next call. */
    const double *duals;  /* Of the rows. */
    uint64_t iterations;  /* Of the simplex in this solve. */
};
/* False: there is no solution, or none was found in iterations_max. */
bool exact_lp_solve(struct exact_lp *lp, uint64_t iterations_max, struct exact_solution *ret);

/* A programme of few columns that grows by rows: min cost x, A x >= lower, each x within bounds. Solved again and again
 * as rows come and bounds change, each time from where it stood. */
struct exact_box;

struct exact_box *exact_box_new(const double *costs, size_t column_count);
void exact_box_free(struct exact_box *box); /* NULL is fine. */
void exact_box_add(struct exact_box *box, double lower, const int *columns, const double *values, size_t count);
/* False: no x is within all of it, or none was found in iterations_max. */
bool exact_box_solve(struct exact_box *box, const double *lower, const double *upper, uint64_t iterations_max,
                     struct exact_solution *ret);

/* The relaxation of filling one machine: max worth x, need x <= has, lower <= x <= upper. Solved again and again for
 * other machines, worths and bounds, each time from where it stood. */
struct exact_fill;

struct exact_fill *exact_fill_new(const double *needs, size_t class_count, size_t dimension_count); /* Row by class. */
void exact_fill_free(struct exact_fill *fill);                                                      /* NULL is fine. */

struct exact_fill_solution {
    const double *pieces;  /* By class, in fractions; until the next call. */
    const double *weights; /* What a unit of each dimension is worth: the duals, >= 0. Until the next call. */
    uint64_t iterations;
};
/* False: the lower bounds do not fit, or nothing was found. */
bool exact_fill_solve(struct exact_fill *fill, const double *has, const double *worth, const double *lower,
                      const double *upper, struct exact_fill_solution *ret);

#endif
