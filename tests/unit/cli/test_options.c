/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/options.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

static bool all, quiet;
static const char *namespace, *output, *local;
static int64_t count;
static struct cli_list list;
static const char *const outputs[] = {"text", "json", NULL};
static const struct cli_option options[] = {
    {"namespace", 'n', "NAMESPACE", "Where.", CLI_OPTION_TEXT, &namespace, NULL, 0, 0},
    {"all", 'A', NULL, "Everywhere.", CLI_OPTION_FLAG, &all, NULL, 0, 0},
    {"quiet", 'q', NULL, "Say less.\nMuch less.", CLI_OPTION_FLAG, &quiet, NULL, 0, 0},
    {"output", 'o', "text|json", "Form.", CLI_OPTION_CHOICE, &output, outputs, 0, 0},
    {"count", 0, "N", "How many.", CLI_OPTION_INT, &count, NULL, 1, 10},
    {"local", 0, "PATH", "Local.", CLI_OPTION_PATH_OR_BARE, &local, NULL, 0, 0},
    {"each", 'e', "X", "Each.", CLI_OPTION_LIST, &list, NULL, 0, 0},
    {0},
};
static const struct cli_syntax syntax = {"trimtab thing NAME...", "Does a thing.\n", options, 0, 2, "Exit: 0.\n"};

/* Splits words at blanks; the operands come back joined by '+'. */
static int parse(const char *line, char *operands) {
    static char copy[256];
    char *argv[100] = {NULL};
    int argc = 0;
    all = quiet = false;
    namespace = output = local = NULL;
    count = 0;
    list = (struct cli_list){0};
    str_copy(copy, sizeof(copy), line);
    char *rest = copy;
    for (char *word; (word = strsep(&rest, " "));)
        argv[argc++] = word;
    size_t operand_count = 0;
    int code = cli_options_parse(&syntax, argc, argv, &operand_count);
    operands[0] = '\0';
    for (size_t i = 0; code == CLI_GO_ON && i < operand_count; i++)
        sprintf(operands + strlen(operands), "%s%s", i > 0 ? "+" : "", argv[1 + i]);
    return code;
}

/* What goes to a descriptor between begin and end. */
static FILE *captured;
static int saved_fd;
static void capture_begin(int fd) {
    fflush(NULL);
    captured = tmpfile();
    saved_fd = dup(fd);
    dup2(fileno(captured), fd);
}
static const char *capture_end(int fd) {
    static char said[8192];
    fflush(NULL);
    dup2(saved_fd, fd);
    close(saved_fd);
    rewind(captured);
    said[fread(said, 1, sizeof(said) - 1, captured)] = '\0';
    fclose(captured);
    return said;
}

Test(cli_options, understands_every_form) {
    static const struct {
        const char *line, *namespace, *output, *local, *operands;
        bool all, quiet;
        int64_t count;
    } rows[] = {
        {"thing", NULL, NULL, NULL, "", false, false, 0},
        {"thing a --namespace x b", "x", NULL, NULL, "a+b", false, false, 0},
        {"thing --namespace=x=y", "x=y", NULL, NULL, "", false, false, 0},
        {"thing -n x -Aq a", "x", NULL, NULL, "a", true, true, 0},
        {"thing -nx -o=json", "x", "json", NULL, "", false, false, 0},
        {"thing -Anx", "x", NULL, NULL, "", true, false, 0},
        {"thing -- -n --all", NULL, NULL, NULL, "-n+--all", false, false, 0},
        {"thing - --count 10", NULL, NULL, NULL, "-", false, false, 10},
        {"thing --namespace --all", "--all", NULL, NULL, "", false, false, 0},
        {"thing --local", NULL, NULL, "", "", false, false, 0},
        {"thing --local web", NULL, NULL, "", "web", false, false, 0},
        {"thing --local ./m web", NULL, NULL, "./m", "web", false, false, 0},
        {"thing --local . web", NULL, NULL, ".", "web", false, false, 0},
        {"thing --local=m web", NULL, NULL, "m", "web", false, false, 0},
        {"thing --local -A", NULL, NULL, "", "", true, false, 0},
    };
    char operands[64];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cr_assert_eq(parse(rows[i].line, operands), CLI_GO_ON, "%s", rows[i].line);
        cr_assert(str_eq(namespace, rows[i].namespace), "%s", rows[i].line);
        cr_assert(str_eq(output, rows[i].output), "%s", rows[i].line);
        cr_assert(str_eq(local, rows[i].local), "%s", rows[i].line);
        cr_assert_str_eq(operands, rows[i].operands, "%s", rows[i].line);
        cr_assert(all == rows[i].all && quiet == rows[i].quiet && count == rows[i].count, "%s", rows[i].line);
    }
}

Test(cli_options, refuses_and_names_the_flag) {
    static const char *const rows[][2] = {
        {"thing --nothing", "--nothing"},
        {"thing --names x", "--names"}, /* No abbreviations: they break when options are added. */
        {"thing -x", "-x"},
        {"thing -Ax", "-x"},
        {"thing --all=yes", "--all"},
        {"thing --namespace", "--namespace needs a value: NAMESPACE"},
        {"thing --namespace=", "--namespace: the value is empty"},
        {"thing -n", "-n needs a value"},
        {"thing -o yaml", "-o: \"yaml\" is none of text, json"},
        {"thing --count 0", "--count: \"0\" is no whole number from 1 to 10"},
        {"thing --count 1x", "--count"},
        {"thing --count 99999999999999999999", "--count"},
        {"thing a b c", "\"c\" is one argument too many"},
    };
    char operands[64];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        capture_begin(STDERR_FILENO);
        int code = parse(rows[i][0], operands);
        const char *said = capture_end(STDERR_FILENO);
        cr_assert_eq(code, CLI_USAGE, "%s", rows[i][0]);
        cr_assert(strstr(said, rows[i][1]), "%s: not said: %s\n%s", rows[i][0], rows[i][1], said);
    }
}

Test(cli_options, a_list_keeps_each_in_order_up_to_its_end) {
    char operands[64], line[256] = "thing";
    cr_assert_eq(parse("thing --each a=b x -e c --each=d", operands), CLI_GO_ON);
    cr_assert_eq(list.count, 3);
    cr_expect_str_eq(list.items[0], "a=b");
    cr_expect_str_eq(list.items[2], "d");
    for (size_t i = 0; i < CLI_LIST_MAX; i++)
        strcat(line, " -ea");
    cr_expect_eq(parse(line, operands), CLI_GO_ON);
    strcat(line, " -eb");
    capture_begin(STDERR_FILENO);
    int code = parse(line, operands);
    const char *said = capture_end(STDERR_FILENO);
    cr_expect_eq(code, CLI_USAGE);
    cr_expect(strstr(said, "-e: more than 32 of them"), "%s", said);
}

Test(cli_options, help_shows_every_option_on_standard_output) {
    char operands[64];
    capture_begin(STDOUT_FILENO);
    int code = parse("thing a -h", operands);
    const char *said = capture_end(STDOUT_FILENO);
    cr_assert_eq(code, CLI_DONE);
    static const char *const expected[] = {
        "Usage: trimtab thing NAME...\n",
        "\n  -n, --namespace NAMESPACE     Where.\n",
        "\n  -q, --quiet                   Say less.\n                                Much less.\n",
        "\n      --local[=PATH]            Local.\n",
        "--help",
        "\nExit: 0.\n"};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        cr_assert(strstr(said, expected[i]), "missing: %s\n%s", expected[i], said);
}
