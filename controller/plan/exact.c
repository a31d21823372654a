/*
 * See exact.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/exact.h"

#include <float.h>
#include <limits.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes" /* The header is C++ at heart. */
#define COIN_BIG_INDEX 0
#include <Clp_C_Interface.h>
#pragma GCC diagnostic pop

#include "base/mem.h"

#define STATUS_OPTIMAL 0

struct exact_lp {
    Clp_Simplex *clp;
    size_t row_count;
    bool rows_changed; /* The basis is dual feasible, not primal feasible. */
    /* Columns that wait for the next solve. */
    size_t count, room, element_count, element_room;
    double *costs, *values;
    int *rows, *starts; /* starts has count + 1. */
};

struct exact_lp *exact_lp_new(const double *lower, size_t row_count) {
    struct exact_lp *lp = mem_alloc(sizeof(*lp));
    lp->clp = Clp_newModel();
    lp->row_count = row_count;
    lp->starts = mem_alloc_array(1, sizeof(*lp->starts));
    Clp_setLogLevel(lp->clp, 0);
    Clp_resize(lp->clp, (int)row_count, 0);
    double *upper = mem_alloc_array(row_count, sizeof(*upper));
    for (size_t i = 0; i < row_count; i++)
        upper[i] = DBL_MAX;
    Clp_chgRowUpper(lp->clp, upper);
    Clp_chgRowLower(lp->clp, lower);
    mem_free(upper);
    return lp;
}

void exact_lp_free(struct exact_lp *lp) {
    if (!lp)
        return;
    Clp_deleteModel(lp->clp);
    mem_free(lp->costs);
    mem_free(lp->values);
    mem_free(lp->rows);
    mem_free(lp->starts);
    mem_free(lp);
}

void exact_lp_add(struct exact_lp *lp, double cost, const int *rows, const double *values, size_t count) {
    if (lp->count == lp->room) {
        size_t room = lp->room ? 2 * lp->room : 64;
        lp->costs = mem_grow(lp->costs, lp->room, room, sizeof(*lp->costs));
        lp->starts = mem_grow(lp->starts, lp->room + 1, room + 1, sizeof(*lp->starts));
        lp->room = room;
    }
    size_t needed = lp->element_count + count;
    if (needed > lp->element_room) {
        size_t room = needed > 2 * lp->element_room ? needed : 2 * lp->element_room;
        lp->values = mem_grow(lp->values, lp->element_room, room, sizeof(*lp->values));
        lp->rows = mem_grow(lp->rows, lp->element_room, room, sizeof(*lp->rows));
        lp->element_room = room;
    }
    memcpy(lp->rows + lp->element_count, rows, count * sizeof(*rows));
    memcpy(lp->values + lp->element_count, values, count * sizeof(*values));
    lp->element_count = needed;
    lp->costs[lp->count++] = cost;
    lp->starts[lp->count] = (int)needed;
}

void exact_lp_set_lower(struct exact_lp *lp, const double *lower) {
    Clp_chgRowLower(lp->clp, lower);
    lp->rows_changed = true;
}

static void add_waiting(struct exact_lp *lp) {
    if (lp->count == 0)
        return;
    Clp_addColumns(lp->clp, (int)lp->count, NULL, NULL, lp->costs, lp->starts, lp->rows, lp->values);
    lp->count = lp->element_count = 0;
}

bool exact_lp_solve(struct exact_lp *lp, uint64_t iterations_max, struct exact_solution *ret) {
    bool has_new = lp->count > 0;
    add_waiting(lp);
    Clp_setNumberIterations(lp->clp, 0);
    Clp_setMaximumIterations(lp->clp, iterations_max < INT_MAX ? (int)iterations_max : INT_MAX);
    /* Changed rows leave the basis dual feasible, new columns leave it primal feasible. */
    if (lp->rows_changed && !has_new)
        Clp_dual(lp->clp, 0);
    else
        Clp_primal(lp->clp, 0);
    lp->rows_changed = false;
    if (Clp_status(lp->clp) != STATUS_OPTIMAL)
        return false;
    *ret = (struct exact_solution){.objective = Clp_objectiveValue(lp->clp),
                                   .values = Clp_primalColumnSolution(lp->clp),
                                   .duals = Clp_dualRowSolution(lp->clp),
                                   .iterations = (uint64_t)Clp_numberIterations(lp->clp)};
    return true;
}

/* ---- few columns, many rows ---- */

struct exact_box {
    Clp_Simplex *clp;
};

struct exact_box *exact_box_new(const double *costs, size_t column_count) {
    struct exact_box *box = mem_alloc(sizeof(*box));
    box->clp = Clp_newModel();
    Clp_setLogLevel(box->clp, 0);
    Clp_resize(box->clp, 0, (int)column_count);
    Clp_chgObjCoefficients(box->clp, costs);
    return box;
}

void exact_box_free(struct exact_box *box) {
    if (!box)
        return;
    Clp_deleteModel(box->clp);
    mem_free(box);
}

void exact_box_add(struct exact_box *box, double lower, const int *columns, const double *values, size_t count) {
    const double upper = DBL_MAX;
    const int starts[] = {0, (int)count};
    Clp_addRows(box->clp, 1, &lower, &upper, starts, columns, values);
}

bool exact_box_solve(struct exact_box *box, const double *lower, const double *upper, uint64_t iterations_max,
                     struct exact_solution *ret) {
    Clp_setNumberIterations(box->clp, 0);
    Clp_setMaximumIterations(box->clp, iterations_max < INT_MAX ? (int)iterations_max : INT_MAX);
    Clp_chgColumnLower(box->clp, lower);
    Clp_chgColumnUpper(box->clp, upper);
    Clp_dual(box->clp, 0);
    if (Clp_status(box->clp) != STATUS_OPTIMAL)
        return false;
    *ret = (struct exact_solution){.objective = Clp_objectiveValue(box->clp),
                                   .values = Clp_primalColumnSolution(box->clp),
                                   .duals = Clp_dualRowSolution(box->clp),
                                   .iterations = (uint64_t)Clp_numberIterations(box->clp)};
    return true;
}

/* ---- one machine ---- */

struct exact_fill {
    Clp_Simplex *clp;
    size_t class_count, dimension_count;
    double *costs, *weights;
};

struct exact_fill *exact_fill_new(const double *needs, size_t class_count, size_t dimension_count) {
    struct exact_fill *fill = mem_alloc(sizeof(*fill));
    fill->clp = Clp_newModel();
    fill->class_count = class_count;
    fill->dimension_count = dimension_count;
    fill->costs = mem_alloc_array(class_count, sizeof(*fill->costs));
    fill->weights = mem_alloc_array(dimension_count, sizeof(*fill->weights));
    size_t element_count = class_count * dimension_count;
    int *starts = mem_alloc_array(class_count + 1, sizeof(*starts));
    int *rows = mem_alloc_array(element_count, sizeof(*rows));
    for (size_t e = 0; e < element_count; e++)
        rows[e] = (int)(e % dimension_count);
    for (size_t i = 0; i <= class_count; i++)
        starts[i] = (int)(i * dimension_count);
    Clp_setLogLevel(fill->clp, 0);
    Clp_resize(fill->clp, (int)dimension_count, 0);
    Clp_addColumns(fill->clp, (int)class_count, NULL, NULL, fill->costs, starts, rows, needs);
    mem_free(starts);
    mem_free(rows);
    return fill;
}

void exact_fill_free(struct exact_fill *fill) {
    if (!fill)
        return;
    Clp_deleteModel(fill->clp);
    mem_free(fill->costs);
    mem_free(fill->weights);
    mem_free(fill);
}

bool exact_fill_solve(struct exact_fill *fill, const double *has, const double *worth, const double *lower,
                      const double *upper, struct exact_fill_solution *ret) {
    double *rows = Clp_rowLower(fill->clp);
    for (size_t d = 0; d < fill->dimension_count; d++)
        rows[d] = -DBL_MAX;
    for (size_t i = 0; i < fill->class_count; i++)
        fill->costs[i] = -worth[i];
    Clp_setNumberIterations(fill->clp, 0);
    Clp_chgRowUpper(fill->clp, has);
    Clp_chgColumnLower(fill->clp, lower);
    Clp_chgColumnUpper(fill->clp, upper);
    Clp_chgObjCoefficients(fill->clp, fill->costs);
    Clp_dual(fill->clp, 0);
    if (Clp_status(fill->clp) != STATUS_OPTIMAL)
        return false;
    const double *duals = Clp_dualRowSolution(fill->clp);
    for (size_t d = 0; d < fill->dimension_count; d++)
        fill->weights[d] = duals[d] < 0 ? -duals[d] : 0;
    *ret = (struct exact_fill_solution){.pieces = Clp_primalColumnSolution(fill->clp),
                                        .weights = fill->weights,
                                        .iterations = (uint64_t)Clp_numberIterations(fill->clp)};
    return true;
}
