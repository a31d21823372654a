/*
 * Inside of the packing, by file:
 *
 *     pack_model.c     demands of one size become one class; offers that another makes pointless go
 *     pack_place.c     zones and architectures: which class may be on which machine; demands that are spread
 *     pack_spread.c    how many pieces of what is spread go to each zone
 *     pack_fill.c      one machine, filled to the greatest worth: heuristic, upper bound, search
 *     pack_fill_small.c   the same, where there are few pieces
 *     pack_waiting.c   the pieces that still wait for a machine: which is the next that fits
 *     pack_greedy.c    machine after machine: the first plan, and the rest of every other
 *     pack_columns.c   column generation: the bound, its duals, and fillings that are worth buying
 *     pack_dive.c      from the fractions of the programme to whole machines
 *     pack_prove.c     small cases: branching on the purchase, to a proven optimum
 *     pack_fit.c       do the pieces fit the machines bought? In fractions, with the proof that they do not
 *     pack_whole.c     the same in whole fillings
 *     pack_replan.c    what an earlier run found: fillings to start from, machines to keep
 *     pack_result.c    from classes back to demands
 *     pack.c           all together
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_PACK_INTERNAL_H
#define TRIMTAB_PLAN_PACK_INTERNAL_H

#include <stdbool.h>

#include "plan/exact.h"
#include "plan/pack.h"

/* One piece is one more dimension: pieces_max bounds it. */
#define PACK_PIECES PACK_RESOURCES
#define PACK_DIMENSIONS (PACK_RESOURCES + 1)

/* What a machine is, and a class may ask for; 0: nothing. Where nobody asks, all is 0. */
enum pack_trait { PACK_ZONE, PACK_ARCHITECTURE, PACK_TRAITS };

struct pack_class { /* Demands of one size; or one alone, which has a limit of its own; or the part of it in a zone. */
    int64_t need[PACK_DIMENSIONS];
    int64_t count; /* To be placed. Of what is spread, this is decided; until then it is the most there may be. */
    int64_t most;  /* On one machine: INT32_MAX at most. */
    uint32_t asks[PACK_TRAITS];
    const size_t *members; /* Demands, by name. */
    size_t member_count;
};

struct pack_machine {
    int64_t has[PACK_DIMENSIONS]; /* Without the overhead. */
    double price;
    size_t offer;
    uint32_t is[PACK_TRAITS];
};

struct pack_spread {          /* A demand over zones. */
    size_t first, zone_count; /* Its classes, one for each zone where a piece fits a machine. */
    size_t demand;
    int64_t count, skew;
    bool is_capped; /* There is a zone where none fits: so no other one has more than skew. */
};

struct pack_model {
    struct pack_class *classes; /* By size, the largest first. */
    size_t class_count;
    struct pack_machine *machines; /* By price. */
    size_t machine_count;
    struct pack_spread *spreads;
    size_t spread_count;
    const uint32_t *zones; /* Of each offer; NULL: nothing is spread. */
};

static inline bool pack_may(const struct pack_class *class, const struct pack_machine *machine) {
    return (class->asks[PACK_ZONE] == 0 || class->asks[PACK_ZONE] == machine->is[PACK_ZONE]) &&
           (class->asks[PACK_ARCHITECTURE] == 0 || class->asks[PACK_ARCHITECTURE] == machine->is[PACK_ARCHITECTURE]);
}

/* How many pieces of the class, of those that there are, may be on the empty machine. */
int32_t pack_fits(const struct pack_model *model, size_t machine, size_t class);

/* Fills ret->unplaced of what fits no machine; that is in no class. */
void pack_model_make(const struct pack_problem *problem, struct arena *arena, struct pack_model *ret,
                     struct pack_result *ret_result);

/* One machine's pieces, by ascending class. */
struct pack_filling {
    size_t machine;
    size_t count;
    const uint32_t *classes;
    const int32_t *pieces;
};

struct pack_bought { /* The same filling several times. */
    struct pack_filling filling;
    int64_t times;
};

struct pack_plan {
    struct pack_bought *bought;
    size_t count;
    double cost;
};

struct pack_search;

struct pack_work {
    const struct pack_model *model;
    struct arena *arena;
    uint64_t done, max;
    /* Of filling. */
    struct exact_fill *fill;
    struct pack_search *search;
    uint32_t *order; /* Of the greedy part. */
    size_t order_count;
    int32_t *pieces, *best; /* By class. */
};

/* When a share of the work that is left is done. The last step may have gone beyond the end: then none is left. */
static inline uint64_t pack_work_until(const struct pack_work *work, double share) {
    return work->done < work->max ? work->done + (uint64_t)(share * (double)(work->max - work->done)) : work->max;
}

void pack_work_init(struct pack_work *work, const struct pack_model *model, uint64_t max, struct arena *arena);
void pack_work_release(struct pack_work *work);

/* Fills one machine with pieces worth `worth` each, at most `limit` of each class. Gives the worth of work->best
 * (pieces by class), or -1 if nothing is worth more than `floor`; *ret_upper: no filling is worth more, max(floor,
 * that). */
double pack_fill(struct pack_work *work, size_t machine, const double *worth, const int64_t *limit, double floor,
                 uint64_t nodes_max, double *ret_upper);
/* The same by a search that is quick where there are few pieces. */
struct pack_small_task {
    size_t machine;
    const double *worth;
    const int64_t *limit;
    double floor, tolerance; /* Fillings that are better by no more it need not find. */
    uint64_t steps_max;
    double *weights; /* Of the dimensions, from the last call for the machine; at first 0. */
    /* What comes of it. */
    double found, upper; /* As of pack_fill. */
};
/* False: it took more than steps_max; what was found, and the upper bound, hold all the same. */
bool pack_fill_small(struct pack_work *work, struct pack_small_task *task);
/* The upper bound of it alone: by Lagrangian relaxation of the dimensions. */
double pack_fill_bound(struct pack_work *work, size_t machine, const double *worth, const int64_t *limit);

struct pack_filling pack_filling_of(const struct pack_model *model, size_t machine, const int32_t *pieces,
                                    struct arena *arena);
/* The cheapest machine that holds it. */
size_t pack_cheapest(const struct pack_model *model, const struct pack_filling *filling);

/* Buys for `limit` pieces of each class, adding to the plan; what is placed is taken off limit, down to 0. */
void pack_greedy(struct pack_work *work, const double *worth, int64_t *limit, struct pack_plan *plan);
void pack_buy(struct pack_plan *plan, const struct pack_filling *filling, int64_t times, double price,
              struct arena *arena);

struct pack_columns {
    struct arena *arena; /* Of the fillings. */
    struct exact_lp *lp;
    struct pack_filling *fillings;
    size_t count, rounds;
    size_t row_count;     /* Of the programme: the classes, and what chooses the counts of those that are spread; */
    size_t first;         /* its columns are before those of the fillings. */
    double *duals;        /* Of the present programme. */
    double *center;       /* The best feasible duals: they prove the bound. */
    double bound;         /* pack_worth_of_all(center) */
    double objective;     /* Of the programme with the present columns. */
    const double *parts;  /* Its solution; */
    const double *splits; /* and for what is spread. */
};

void pack_columns_init(struct pack_work *work, const double *feasible, struct pack_columns *ret);
void pack_columns_free(struct pack_columns *columns);
void pack_columns_add(struct pack_work *work, struct pack_columns *columns, const struct pack_filling *filling);
/* Rounds until bound and objective meet, or the work is done. */
void pack_columns_generate(struct pack_work *work, struct pack_columns *columns, uint64_t work_max);
/* Prices at duals that are said to be feasible: if they nearly are, they are the bound. */
void pack_columns_seed(struct pack_work *work, struct pack_columns *columns, const double *duals);
/* One round for other limits than the counts: solves, prices once, solves again. False: nothing can be solved. */
bool pack_columns_resolve(struct pack_work *work, struct pack_columns *columns, const int64_t *limit,
                          bool with_pricing);

/* Whole machines out of the fractions: *best is replaced if it finds a cheaper plan. */
void pack_dive(struct pack_work *work, struct pack_columns *columns, struct pack_plan *best);
/* Gives up some machines of the best plan and dives for what they held, until the work is done, the bound is reached,
 * or nothing has come of failures_max tries. saving_min: of what the machines given up cost, a share that new ones must
 * save. */
void pack_improve(struct pack_work *work, struct pack_columns *columns, size_t failures_max, double saving_min,
                  struct pack_plan *best);

/* Few pieces of few kinds: */
bool pack_prove_is_small(const struct pack_model *model);
/* branches on the purchase, from the best plan and the columns there are, until that plan is a proven optimum or the
 * work is done; *best is replaced by cheaper ones. Gives the bound: best->cost if it is proven. */
double pack_prove(struct pack_work *work, const struct pack_columns *columns, struct pack_plan *best, bool *ret_proven);

/* ---- an earlier run ---- */

struct pack_kept { /* Of an earlier plan, as many machines as the counts allow. */
    struct pack_plan plan;
    const int64_t *limit; /* What is not in it. */
};

struct pack_seed {
    struct pack_plan plan; /* Its machines, each the cheapest that holds the filling; 0 times: only a pattern. */
    const double *duals;   /* By class. */
    struct pack_kept all;
    struct pack_kept whole; /* Without the machines that have lost pieces. */
};
/* The same for what is not in those kept. */
void pack_repair(struct pack_work *work, struct pack_columns *columns, const struct pack_kept *kept,
                 struct pack_plan *best);
/* Of what is spread, the pieces that it had in each zone; by class. */
void pack_seed_counts(const struct pack_problem *problem, const struct pack_model *model, double *ret);
void pack_seed_make(const struct pack_problem *problem, struct pack_work *work, struct pack_seed *ret);

/* ---- the result ---- */

void pack_result_make(const struct pack_problem *problem, const struct pack_model *model, const struct pack_plan *plan,
                      struct arena *arena, struct pack_result *ret);
/* Those of what is spread, and their means in `duals`, by demand. */
void pack_result_zone_duals(const struct pack_problem *problem, const struct pack_model *model, const double *worth,
                            struct arena *arena, double *duals, struct pack_result *ret);
/* A piece of a class stands for one of its first demand. */
void pack_result_patterns(const struct pack_model *model, const struct pack_filling *fillings, const size_t *chosen,
                          size_t count, struct arena *arena, struct pack_result *ret);

#endif
