/*
 * trimtab suspend, resume: the annotation trimtab.dev/suspend on an object or a namespace. spec.suspend is the field of
 * the object's author, often a GitOps repository, so it is not touched; but resume says when it is what holds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/options.h"

static int annotate(struct cli_client *client, enum object_kind kind, const char *name, bool is_suspend) {
    struct json *reply = NULL;
    struct error err;
    struct buf path = {0}, body = {0};
    cli_path_append(&path, kind, cli_client_namespace(client), name);
    buf_printf(&body, "{\"metadata\":{\"annotations\":{\"" API_SUSPEND_ANNOTATION "\":%s}}}",
               is_suspend ? "\"true\"" : "null");
    int code = CLI_DONE;
    if (cli_client_patch(client, buf_text(&path), &body, &reply, &err) != ERR_NONE) {
        code = cli_fail(&err);
    } else {
        char kind_text[32];
        str_copy(kind_text, sizeof(kind_text), object_kind_name(kind));
        for (char *at = kind_text; *at; at++)
            *at |= 0x20; /* ASCII letters only: to lower case. */
        printf("%s/%s %s\n", kind_text, name, is_suspend ? "suspended" : "resumed");
        if (!is_suspend && json_bool(json_at(reply, "spec.suspend"), false))
            fprintf(stderr,
                    "trimtab: it stays suspended by spec.suspend: true; change that where the object is written\n");
    }
    json_free(reply);
    buf_release(&body);
    buf_release(&path);
    return code;
}

int cli_suspend(int argc, char **argv) {
    bool is_suspend = str_eq(argv[0], "suspend");
    struct cli_where where = {0};
    const struct cli_option options[] = {CLI_OPTIONS_WHERE(where), {0}};
    const struct cli_syntax syntax = {
        .usage = is_suspend ? "trimtab suspend KIND/NAME" : "trimtab resume KIND/NAME",
        .summary = is_suspend
                       ? "Stops the controller from acting on an object, or on all of a namespace (namespace/NAME),\n"
                         "by the annotation " API_SUSPEND_ANNOTATION ".\n"
                       : "Takes away what `trimtab suspend` set.\n",
        .options = options,
        .operands_min = 1,
        .operands_max = 1,
    };
    size_t count;
    int code = cli_options_parse(&syntax, argc, argv, &count);
    if (code != CLI_GO_ON)
        return code;
    char *name = strchr(argv[1], '/');
    if (!name || !name[1])
        return cli_usage_error(&syntax, "\"%s\" is not of the form KIND/NAME", argv[1]);
    *name++ = '\0';
    enum object_kind kind;
    if (!object_kind_parse(argv[1], &kind))
        return cli_usage_error(&syntax, "\"%s\" is no kind", argv[1]);
    struct cli_client *client;
    struct error err;
    if (cli_client_open(&where, &client, &err) != ERR_NONE)
        return cli_fail(&err);
    code = annotate(client, kind, name, is_suspend);
    cli_client_close(client);
    return code;
}
