/*
 * The verbs, in the order of the help.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>

#include "cli/cli.h"

const struct cli_verb cli_verbs[] = {
    {"run", "run the controller, in a cluster or on a directory", cli_run},
    {"check", "validate manifests, with no cluster and no cloud", cli_check},
    {"inventory", "list what a Provider's adapter sees", cli_inventory},
    {"forecast", "forecast a series from a file", cli_forecast},
    {"backtest", "replay a demand history under a policy", cli_backtest},
    {"plan", "show what policies would do, with no effect", cli_plan},
    {"pack", "find the cheapest machines for a list of demands", cli_pack},
    {"slots", "give resources to time slots where they are worth most", cli_slots},
    {"get", "show objects of a cluster or of a local run", cli_get},
    {"explain", "say in plain words how an object stands, and why", cli_explain},
    {"approve", "let a Recommendation be carried out", cli_decide},
    {"reject", "turn a Recommendation down", cli_decide},
    {"snooze", "put a Recommendation off", cli_decide},
    {"suspend", "stop acting on an object or a namespace", cli_suspend},
    {"resume", "act on it again", cli_suspend},
    {"version", "print the version", cli_version},
    {NULL, NULL, NULL},
};
