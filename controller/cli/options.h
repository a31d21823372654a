/*
 * Command-line options from one table: the table parses, prints --help, and makes the usage errors, which name the
 * flag. `-h` and `--help` are always there. Forms: --name VALUE, --name=VALUE, -n VALUE, -nVALUE, flags joined (-Av);
 * options and operands may stand in any order; `--` ends the options.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_OPTIONS_H
#define TRIMTAB_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_option_type {
    CLI_OPTION_FLAG,   /* bool */
    CLI_OPTION_TEXT,   /* const char * */
    CLI_OPTION_INT,    /* int64_t, within min .. max */
    CLI_OPTION_CHOICE, /* const char *: one of choices */
    /* const char *: "" when given without a value. The value is joined by '=', or is the next argument if that looks
     * like a path (has a '/', or is "." or ".."). */
    CLI_OPTION_PATH_OR_BARE,
    CLI_OPTION_LIST, /* struct cli_list: each time that it is given adds one. */
};

#define CLI_LIST_MAX 32

struct cli_list { /* Zeroed is empty. */
    const char *items[CLI_LIST_MAX];
    size_t count;
};

struct cli_option { /* A table of them ends at name NULL. */
    const char *name;
    char letter;       /* 0: none. */
    const char *value; /* Shown in the help: "NAMESPACE"; NULL for flags. */
    const char *help;
    enum cli_option_type type;
    void *target;               /* Left alone unless the option is given. */
    const char *const *choices; /* NULL-ended. */
    int64_t min, max;
};

struct cli_syntax {
    const char *usage;   /* "trimtab get KIND [NAME]" */
    const char *summary; /* What it does, a few lines; ends in a newline. */
    const struct cli_option *options;
    size_t operands_min, operands_max;
    const char *epilogue; /* After the options; NULL. */
};

#define CLI_GO_ON (-1)

/* CLI_GO_ON: operands are moved to the front of argv + 1, *ret_count of them. Else the exit code: 0 after --help (on
 * stdout), 64 after a usage error (on stderr). */
int cli_options_parse(const struct cli_syntax *syntax, int argc, char **argv, size_t *ret_count);
void cli_help_print(const struct cli_syntax *syntax);
/* Prints "trimtab: ..." and where to find help to stderr; returns CLI_USAGE. */
int cli_usage_error(const struct cli_syntax *syntax, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
