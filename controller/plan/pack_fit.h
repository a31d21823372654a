/*
 * Do these pieces fit these machines? In fractions of fillings by column generation, where "no" comes with its proof:
 * worths of the pieces at which all the machines together hold less than the pieces are worth. In whole fillings by a
 * search that fixes piece after piece, and asks for fractions of what is left at each step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_PACK_FIT_H
#define TRIMTAB_PLAN_PACK_FIT_H

#include "plan/pack_internal.h"

enum pack_fit_end { PACK_FIT_YES, PACK_FIT_NO, PACK_FIT_OUT_OF_WORK };

struct pack_fit {
    struct pack_work *work;
    const struct pack_model *model; /* Its machines are the kinds of machine. */
    const int64_t *const *limits;   /* Of the pieces on one machine, by kind and class. */
    struct arena *arena;
    struct exact_lp *lp;
    struct pack_filling *fillings; /* Column j + 1 of the programme is filling j. */
    uint64_t *used;                /* In which solve each was taken last. */
    size_t count;
    uint64_t solves;
    const double *parts;                /* How often each filling would be taken; after YES. */
    double (*weights)[PACK_DIMENSIONS]; /* By kind; of the last pricing. */
    double *worth;                      /* Of a piece of each class, and, after NO, */
    double *most;                       /* of the filling of each kind of machine that is worth most, at most. */
};

/* `limits` and `model` must live as long; NULL: the counts of the classes. */
void pack_fit_init(struct pack_work *work, const struct pack_model *model, const int64_t *const *limits,
                   struct arena *arena, struct pack_fit *ret);
void pack_fit_free(struct pack_fit *fit);
void pack_fit_add(struct pack_fit *fit, const struct pack_filling *filling);
/* Do pieces[i] of each class, no more than there are, fit machines[k] of each kind, in fractions? NO is said only when
 * it is proven. */
enum pack_fit_end pack_fit_solve(struct pack_fit *fit, const int64_t *pieces, const double *machines);
/* Do all the pieces fit machines[k] of each kind, whole? `plan` gets their fillings on YES. */
enum pack_fit_end pack_fit_whole(struct pack_fit *fit, const int64_t *machines, uint64_t work_max,
                                 struct pack_plan *plan);

#endif
