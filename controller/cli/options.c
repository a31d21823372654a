/*
 * The parser. It walks argv once; what is no option is moved to the front.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/options.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"

#define HELP_COLUMN 32

int cli_usage_error(const struct cli_syntax *syntax, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("trimtab: ", stderr);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nUsage: %s\nSee --help.\n", syntax->usage);
    va_end(args);
    return CLI_USAGE;
}

static void help_line(char letter, const char *name, const char *value, bool is_optional, const char *help) {
    char left[96];
    int size = snprintf(left, sizeof(left), "  %c%c%s--%s%s%s%s", letter ? '-' : ' ', letter ? letter : ' ',
                        letter ? ", " : "  ", name,
                        !value        ? ""
                        : is_optional ? "[="
                                      : " ",
                        value ? value : "", value && is_optional ? "]" : "");
    printf("%s%*s", left, size < HELP_COLUMN ? HELP_COLUMN - size : 1, "");
    for (const char *line = help; *line;) { /* Further lines are indented. */
        int length = (int)strcspn(line, "\n");
        printf("%.*s\n", length, line);
        line += length + (line[length] == '\n');
        if (*line)
            printf("%*s", HELP_COLUMN, "");
    }
}

void cli_help_print(const struct cli_syntax *syntax) {
    printf("Usage: %s\n\n%s\nOptions:\n", syntax->usage, syntax->summary);
    for (const struct cli_option *it = syntax->options; it->name; it++)
        help_line(it->letter, it->name, it->value, it->type == CLI_OPTION_PATH_OR_BARE, it->help);
    help_line('h', "help", NULL, false, "This text.");
    printf("%s%s", syntax->epilogue ? "\n" : "", syntax->epilogue ? syntax->epilogue : "");
}

struct parse {
    const struct cli_syntax *syntax;
    int argc;
    char **argv;
    int at;
};

/* How the user wrote it, for messages. */
static const char *shown(const struct cli_option *option, bool is_short, char *to, size_t size) {
    if (is_short)
        snprintf(to, size, "-%c", option->letter);
    else
        snprintf(to, size, "--%s", option->name);
    return to;
}

static int store_choice(const struct parse *p, const struct cli_option *option, const char *flag, const char *value) {
    char list[256] = "";
    for (const char *const *it = option->choices; *it; it++) {
        if (str_eq(*it, value)) {
            *(const char **)option->target = value;
            return CLI_GO_ON;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", used > 0 ? ", " : "", *it);
    }
    return cli_usage_error(p->syntax, "%s: \"%s\" is none of %s", flag, value, list);
}

static int store_int(const struct parse *p, const struct cli_option *option, const char *flag, const char *value) {
    int64_t number;
    if (!str_to_int64(value, &number) || number < option->min || number > option->max)
        return cli_usage_error(p->syntax, "%s: \"%s\" is no whole number from %" PRId64 " to %" PRId64, flag, value,
                               option->min, option->max);
    *(int64_t *)option->target = number;
    return CLI_GO_ON;
}

static int store_value(const struct parse *p, const struct cli_option *option, const char *flag, const char *value) {
    if (option->type == CLI_OPTION_CHOICE)
        return store_choice(p, option, flag, value);
    if (option->type == CLI_OPTION_INT)
        return store_int(p, option, flag, value);
    if (!*value && option->type != CLI_OPTION_PATH_OR_BARE)
        return cli_usage_error(p->syntax, "%s: the value is empty", flag);
    if (option->type == CLI_OPTION_LIST) {
        struct cli_list *list = option->target;
        if (list->count == CLI_LIST_MAX)
            return cli_usage_error(p->syntax, "%s: more than %d of them", flag, CLI_LIST_MAX);
        list->items[list->count++] = value;
        return CLI_GO_ON;
    }
    *(const char **)option->target = value;
    return CLI_GO_ON;
}

static bool looks_like_path(const char *text) {
    return text[0] != '-' && (strchr(text, '/') || str_eq(text, ".") || str_eq(text, ".."));
}

/* value NULL: none is joined to the option. */
static int take(struct parse *p, const struct cli_option *option, bool is_short, const char *value) {
    char flag[64];
    shown(option, is_short, flag, sizeof(flag));
    if (option->type == CLI_OPTION_FLAG) {
        if (value)
            return cli_usage_error(p->syntax, "%s takes no value", flag);
        *(bool *)option->target = true;
        return CLI_GO_ON;
    }
    bool has_next = p->at + 1 < p->argc;
    if (!value && option->type == CLI_OPTION_PATH_OR_BARE)
        value = has_next && looks_like_path(p->argv[p->at + 1]) ? p->argv[++p->at] : "";
    if (!value && !has_next)
        return cli_usage_error(p->syntax, "%s needs a value: %s", flag, option->value);
    if (!value)
        value = p->argv[++p->at];
    return store_value(p, option, flag, value);
}

static int take_long(struct parse *p, const char *text) {
    size_t size = strcspn(text, "=");
    if (size == 4 && strncmp(text, "help", 4) == 0 && !text[size]) {
        cli_help_print(p->syntax);
        return CLI_DONE;
    }
    for (const struct cli_option *it = p->syntax->options; it->name; it++) {
        if (strlen(it->name) == size && strncmp(it->name, text, size) == 0)
            return take(p, it, false, text[size] ? text + size + 1 : NULL);
    }
    return cli_usage_error(p->syntax, "there is no option --%.*s", (int)size, text);
}

static int take_short(struct parse *p, const char *letters) {
    for (const char *at = letters; *at; at++) {
        const struct cli_option *it = p->syntax->options;
        while (it->name && it->letter != *at)
            it++;
        if (!it->name && *at == 'h') {
            cli_help_print(p->syntax);
            return CLI_DONE;
        }
        if (!it->name)
            return cli_usage_error(p->syntax, "there is no option -%c", *at);
        if (it->type != CLI_OPTION_FLAG) /* The rest, if any, is its value: -nNAMESPACE, -n=NAMESPACE. */
            return take(p, it, true, at[1] == '=' ? at + 2 : at[1] ? at + 1 : NULL);
        int code = take(p, it, true, NULL);
        if (code != CLI_GO_ON)
            return code;
    }
    return CLI_GO_ON;
}

int cli_options_parse(const struct cli_syntax *syntax, int argc, char **argv, size_t *ret_count) {
    struct parse p = {.syntax = syntax, .argc = argc, .argv = argv, .at = 1};
    size_t count = 0;
    bool is_over = false;
    for (; p.at < argc; p.at++) {
        char *arg = argv[p.at];
        int code = CLI_GO_ON;
        if (is_over || arg[0] != '-' || !arg[1])
            argv[1 + count++] = arg; /* Never beyond what has been read. */
        else if (str_eq(arg, "--"))
            is_over = true;
        else
            code = arg[1] == '-' ? take_long(&p, arg + 2) : take_short(&p, arg + 1);
        if (code != CLI_GO_ON)
            return code;
    }
    if (count < syntax->operands_min)
        return cli_usage_error(syntax, count == 0 ? "an argument is missing" : "arguments are missing");
    if (count > syntax->operands_max)
        return cli_usage_error(syntax, "\"%s\" is one argument too many", argv[1 + syntax->operands_max]);
    *ret_count = count;
    return CLI_GO_ON;
}
