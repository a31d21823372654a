/*
 * The demand history that `forecast` and `backtest` work on: a file, or what a server answers that speaks Prometheus'
 * HTTP API. Either way it becomes the same rows, so the same numbers give the same result.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_DEMAND_H
#define TRIMTAB_CLI_DEMAND_H

#include "base/arena.h"
#include "cli/options.h"
#include "history/csv.h"

struct cli_demand {   /* As the options said; zeroed but for what they set. */
    const char *path; /* SERIES.csv, "-" for standard input; NULL: the server of `history`. */
    const char *history, *query, *since, *until, *step;
    const char *token_file, *basic_auth_file, *ca_file;
};

/* Rows of a table of options, all but that of the file. */
#define CLI_DEMAND_TEXT(name, value, help, target)                                                                     \
    { name, 0, value, help, CLI_OPTION_TEXT, target, NULL, 0, 0 }
#define CLI_DEMAND_OPTIONS(d)                                                                                          \
    CLI_DEMAND_TEXT("history", "URL", "Read it from this Prometheus-compatible server, not from a file.",              \
                    &(d)->history),                                                                                    \
        CLI_DEMAND_TEXT("query", "PROMQL", "What to ask it: an expression that gives one series.", &(d)->query),       \
        CLI_DEMAND_TEXT("since", "DURATION|TIME", "From so long before the end, or from this time on (14d).",          \
                        &(d)->since),                                                                                  \
        CLI_DEMAND_TEXT("until", "TIME", "The end of the history (now).", &(d)->until),                                \
        CLI_DEMAND_TEXT("step", "DURATION", "From point to point (5m).", &(d)->step),                                  \
        CLI_DEMAND_TEXT("token-file", "FILE", "Holds the bearer token for the server.", &(d)->token_file),             \
        CLI_DEMAND_TEXT("basic-auth-file", "FILE", "Holds user:password for the server.", &(d)->basic_auth_file),      \
        CLI_DEMAND_TEXT("ca-file", "FILE", "Trust only the authorities in this file (PEM).", &(d)->ca_file)

/* Fills csv, which the caller releases. CLI_GO_ON; else the exit code, and it is said why. */
int cli_demand_read(const struct cli_demand *demand, const struct cli_syntax *syntax, struct history_csv *csv);

/* What it is called in messages: the file's path, "standard input", or the query. Borrowed, or in the arena. */
const char *cli_demand_name(const struct cli_demand *demand, struct arena *arena);
/* The same for a title: the file without its folder. */
const char *cli_demand_title(const struct cli_demand *demand, struct arena *arena);

#endif
