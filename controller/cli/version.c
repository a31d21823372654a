/*
 * trimtab version.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "manifest/object.h"

int cli_version(int argc, char **argv) {
    static const char *const outputs[] = {"text", "json", NULL};
    const char *output = "text";
    const struct cli_option options[] = {
        {"output", 'o', "text|json", "Default text.", CLI_OPTION_CHOICE, &output, outputs, 0, 0}, {0}};
    const struct cli_syntax syntax = {
        .usage = "trimtab version", .summary = "Prints the version.\n", .options = options};
    size_t count;
    int code = cli_options_parse(&syntax, argc, argv, &count);
    if (code != CLI_GO_ON)
        return code;
    if (str_eq(output, "json"))
        printf("{\"version\":\"%s\",\"api\":\"%s/%s\"}\n", TRIMTAB_VERSION, API_GROUP, API_VERSION);
    else
        printf("trimtab %s (%s/%s)\n", TRIMTAB_VERSION, API_GROUP, API_VERSION);
    return CLI_DONE;
}
