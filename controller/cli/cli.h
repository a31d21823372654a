/*
 * One file for each verb. A verb gets argv from its own name on (argv[0] = "check") and returns the exit code: 0 done,
 * 1 found faults, 2 could not do it, 64 usage. Data goes to stdout, talk to stderr.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_CLI_H
#define TRIMTAB_CLI_CLI_H

enum cli_exit { CLI_DONE = 0, CLI_FAULTS = 1, CLI_FAILED = 2, CLI_USAGE = 64 };

int cli_run(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_inventory(int argc, char **argv);
int cli_forecast(int argc, char **argv);
int cli_backtest(int argc, char **argv);
int cli_plan(int argc, char **argv);
int cli_pack(int argc, char **argv);
int cli_slots(int argc, char **argv);
int cli_get(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_decide(int argc, char **argv);  /* approve, reject, snooze */
int cli_suspend(int argc, char **argv); /* suspend, resume */
int cli_version(int argc, char **argv);

struct cli_verb {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
};
extern const struct cli_verb cli_verbs[]; /* Ends at name NULL. */

#endif
