/*
 * Finds the verb and hands over. The only place that exits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"

/* kubectl runs a file kubectl-NAME on PATH as `kubectl NAME`. */
static const char *command_name(const char *argv0) {
    const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
    const char *base = slash ? slash + 1 : argv0;
    return str_eq(base, "kubectl-trimtab") ? "kubectl trimtab" : "trimtab";
}

static void print_help(FILE *to, const char *command) {
    fprintf(to,
            "Usage: %s VERB [OPTIONS] [ARGUMENTS]\n"
            "Keeps a multi-cloud estate in trim: scales it ahead of demand, inside a budget.\n\n",
            command);
    for (const struct cli_verb *verb = cli_verbs; verb->name; verb++)
        fprintf(to, "  %-12s %s\n", verb->name, verb->summary);
    fprintf(to,
            "\n%s VERB --help tells more. Data goes to stdout, talk to stderr.\n"
            "Exit: 0 done, 1 found faults, 2 could not do it, 64 usage.\n",
            command);
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN); /* A peer or a pager that goes away is an error of that write, not our end. */
    const char *command = command_name(argc > 0 ? argv[0] : NULL);
    if (argc < 2) {
        print_help(stderr, command);
        return CLI_USAGE;
    }
    if (str_eq(argv[1], "--help") || str_eq(argv[1], "-h") || str_eq(argv[1], "help")) {
        print_help(stdout, command);
        return CLI_DONE;
    }
    const char *wanted = str_eq(argv[1], "--version") ? "version" : argv[1];
    for (const struct cli_verb *verb = cli_verbs; verb->name; verb++) {
        if (!str_eq(verb->name, wanted))
            continue;
        int code = verb->run(argc - 1, argv + 1);
        if (fflush(stdout) != 0 || ferror(stdout))
            return code == CLI_DONE ? CLI_FAILED : code; /* The data did not arrive whole. */
        return code;
    }
    fprintf(stderr, "%s: there is no verb \"%s\"; %s --help lists them\n", command, argv[1], command);
    return CLI_USAGE;
}
