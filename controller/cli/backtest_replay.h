/*
 * History replayed: what a policy would have kept running, next to what a reactive rule, a constant size and perfect
 * foresight would have. Pure.
 *
 * Ours is the engine itself: at each slot evaluate_policy sees a snapshot of one made-up group with the demand before
 * that slot only, and act_step's gates (cooldown, maxChangePercent, bounds) let its action through or not. Growth is
 * paid from its decision, serves a lead time later, and until then nothing else is begun; shrinking works at once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_BACKTEST_REPLAY_H
#define TRIMTAB_CLI_BACKTEST_REPLAY_H

#include "base/arena.h"
#include "history/series.h"
#include "manifest/spec.h"

#define REPLAY_MODELS_MAX 16
#define REPLAY_COUNT_MAX INT64_C(1000000000) /* Machines. */

struct replay_input {
    const struct policy *policy;
    const struct history_series *series;
    double unit;  /* Demand that one machine meets when it is wholly used; > 0. */
    size_t first; /* The slots from here on are replayed; >= 1. */
    size_t every; /* Decide at every so many slots. */
    void *ctx;
    void (*progress)(void *ctx, size_t done, size_t of); /* NULL: none. */
};

struct replay_slot {
    int64_t paid;    /* Machines that are there or on their way. */
    int64_t serving; /* Of these, past their lead time. */
};

struct replay_model {
    const char *name;
    size_t count; /* Decisions that it made. */
};

struct replay { /* Arrays have `count` slots, the first of them is input->first. */
    size_t count;
    size_t lead_slots;
    double each; /* Demand that a machine serves at the target utilisation. */
    const struct replay_slot *ours, *reactive, *tuned, *oracle, *constant;
    int64_t tuned_percent;                         /* The target utilisation of `tuned`. */
    struct replay_model models[REPLAY_MODELS_MAX]; /* The most frequent first. */
    size_t model_count;
    size_t decisions, changes;
    size_t bound; /* Decisions that capacity.max held under demand. */
};

void replay_run(const struct replay_input *input, struct arena *arena, struct replay *ret);

/* Machines that serve this demand. */
int64_t replay_need(double demand, double each);

struct replay_score {
    size_t steps;      /* Slots with a demand: only these count. */
    size_t violations; /* Steps with demand above capacity. */
    double slack;      /* sum(max(c - d, 0)) / sum(d); NaN when there is no demand at all. */
    double unmet;      /* sum(max(d - c, 0)) / sum(d); the same. */
    double machine_hours;
};

struct replay_score replay_score(const struct replay_input *input, const struct replay *replay,
                                 const struct replay_slot *slots);
/* Whether demand is above what so many machines serve. */
bool replay_is_violated(double demand, double capacity);

#endif
