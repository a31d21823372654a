/*
 * Capacity that is owed either way costs nothing more while it runs: plan/commitment.c, docs/planning.md "Commitments".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_COMMITMENT_H
#define TRIMTAB_PLAN_COMMITMENT_H

#include "observe/snapshot.h"
#include "plan/quota.h"

struct plan_cover_part {
    size_t commitment;    /* Index into the snapshot's. */
    int64_t each;         /* What a machine takes of it, in thousandths. */
    int64_t machines;     /* That it has room for. */
    int64_t until_end_ms; /* INT64_MAX: not told. */
};
struct plan_cover { /* What of the commitments machines of one purchase may run on. Zeroed: nothing. */
    const struct plan_cover_part *parts;
    size_t count;
};

/* Once, before the others; rows are there. */
void plan_commitments_open(struct plan_work *work);
/* When sizes are settled: what stands and what grows runs on what is free, first of all what must stay. */
void plan_commitments_hold(struct plan_work *work);
/* All that is free for such machines when nothing of the policy runs. */
struct plan_cover plan_cover_of(const struct plan_work *work, const struct plan_purchase *p);
/* What is free for the row's machines, or those of an option: its own, and what nobody has taken. is_beside: its own
 * still run. */
struct plan_cover plan_cover_for(const struct plan_work *work, const struct plan_row *row,
                                 const struct plan_purchase *p, bool is_beside);
/* Of what is the row's own alone. */
struct plan_cover plan_cover_held(const struct plan_work *work, const struct plan_row *row,
                                  const struct plan_purchase *p);
/* Machines that it has room for until that moment, of `count`. */
int64_t plan_cover_machines(const struct plan_cover *cover, int64_t count, int64_t until_ms);
/* The row may come to use it for so many machines: from now on that is no other row's. */
void plan_commitments_allot(struct plan_work *work, struct plan_row *row, const struct plan_cover *cover,
                            int64_t count);
/* What of a machine's price is not paid where it runs on a commitment: all but what it costs besides its own price. */
money_micros plan_committed_price(const struct plan_work *work, money_micros price);
/* What so many machines of the row cost an hour, without what is owed either way; its price is known. */
money_micros plan_paid_cost(const struct plan_work *work, const struct plan_row *row, int64_t count);
/* What of the costs (now, or as desired) is owed either way. */
money_micros plan_committed_cost(const struct plan_work *work, bool is_desired);
/* "commitment ri-1, owed either way until 2027-03-01T00:00:00Z" */
const char *plan_commitment_words(const struct plan_work *work, size_t commitment);
/* The first that the row runs on, which it does. */
size_t plan_commitment_of(const struct plan_work *work, const struct plan_row *row);
/* What of the row runs on commitments once it is carried out; NULL: nothing. */
const char *plan_committed_sentence(const struct plan_work *work, const struct plan_row *row);

#endif
