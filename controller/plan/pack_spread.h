/*
 * How many pieces of a demand that is spread go to each of its zones: what is best at given worths, near what a
 * programme wants, and each possible choice in turn.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_PACK_SPREAD_H
#define TRIMTAB_PLAN_PACK_SPREAD_H

#include "plan/pack_internal.h"

/* The least worth of all counts that keep the skew; counts: of the zones, those. worth: of a piece in each zone. */
double pack_spread_least(const struct pack_spread *spread, const double *worth, int64_t *counts);
/* The same of all demands, in one sum: no purchase costs less than that at feasible duals. */
double pack_worth_of_all(const struct pack_model *model, const double *worth);

/* Sets the counts of the classes: to those; to some near wanted[class]. */
void pack_spread_cheapest(struct pack_model *model, const double *worth);
void pack_spread_near(struct pack_model *model, const double *wanted);

/* The programme that chooses the counts: rows after those of the classes, and columns before any filling. */
size_t pack_spread_rows(const struct pack_model *model);
/* is_free: they are chosen; else the rows of classes say what is wanted in each zone, and these ask for nothing. */
void pack_spread_lower(const struct pack_model *model, bool is_free, double *lower);
size_t pack_spread_columns(const struct pack_model *model, struct exact_lp *lp);           /* How many it has added. */
void pack_spread_wanted(const struct pack_model *model, const double *parts, double *ret); /* By class. */

/* pack_prove, for each choice of counts; leaves some other one in the model. Where they are too many nothing is
 * proven, and the bound is that of the columns. */
double pack_spread_prove(struct pack_work *work, struct pack_model *model, const struct pack_columns *columns,
                         struct pack_plan *best, bool *ret_proven);
/* With no more pieces than are to be placed. */
struct pack_filling pack_spread_cut(const struct pack_model *model, const struct pack_filling *filling,
                                    struct arena *arena);

#endif
