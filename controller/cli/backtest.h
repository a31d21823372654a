/*
 * A replayed history as it is shown, apart from how it was made.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_BACKTEST_H
#define TRIMTAB_CLI_BACKTEST_H

#include "base/buf.h"
#include "base/error.h"
#include "cli/backtest_replay.h"

struct backtest_machine {
    double unit;          /* Demand that it meets when it is wholly used. */
    double price;         /* Of an hour. */
    const char *currency; /* "" unknown. */
    const char *name;     /* "aws/us-east-1/m5.large"; NULL: given by figures, or assumed. */
    bool is_unit_assumed, is_price_assumed;
};

struct backtest {
    const char *policy; /* "namespace/name" */
    const char *demand; /* Where it is from, as a title says it. */
    const struct replay_input *input;
    const struct replay *replay;
    struct backtest_machine machine;
};

void backtest_print_text(const struct backtest *backtest, struct buf *out);
void backtest_print_json(const struct backtest *backtest, struct buf *out);
void backtest_print_csv(const struct backtest *backtest, struct buf *out); /* A row for each step with a demand. */
MUST_CHECK enum err_class backtest_plot(const struct backtest *backtest, const char *path, struct error *err);

#endif
