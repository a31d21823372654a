/*
 * The live table of a local run: one row a policy. On a terminal it is redrawn in place, elsewhere printed anew.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_LIVE_H
#define TRIMTAB_CLI_LIVE_H

#include "base/buf.h"
#include "loop/loop.h"

struct live { /* Sums over the run, for the closing line. */
    bool is_terminal;
    size_t lines_drawn;
    int64_t last_ms;
    double cost, peak_cost; /* USD, integrated over the run's time. */
    int64_t started_ms;
};

/* Integrates costs since the last call. */
void live_account(struct live *live, const struct loop *loop, int64_t now_ms);
void live_print(struct live *live, const struct loop *loop, int64_t now_ms, struct buf *out);
void live_print_summary(const struct live *live, int64_t now_ms, struct buf *out);

#endif
