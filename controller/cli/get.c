/*
 * trimtab get: objects as a table with the columns of the CRDs (their additionalPrinterColumns), or as the API's JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/get.h"
#include "cli/options.h"
#include "cli/table.h"

struct column {
    const char *title;
    const char *path; /* Dotted; "?Ready.status": of the condition of that type; "@age": since creation. */
    bool is_wide;     /* Only with -o wide. */
};

#define COLUMNS_MAX 20

static const struct column columns[OBJECT_KIND_COUNT][COLUMNS_MAX] = {
    [OBJECT_PROVIDER] = {{"TYPE", "spec.type", false},
                         {"READY", "?Ready.status", false},
                         {"REASON", "?Ready.reason", false},
                         {"ACCOUNT", "status.account", false},
                         {"INSTANCES", "status.inventory.instances", false},
                         {"GROUPS", "status.inventory.groups", false},
                         {"VOLUMES", "status.inventory.volumes", true},
                         {"BUCKETS", "status.inventory.buckets", true},
                         {"MESSAGE", "?Ready.message", true},
                         {"AGE", "@age", false}},
    [OBJECT_POLICY] = {{"MODE", "spec.mode", false},
                       {"READY", "?Ready.status", false},
                       {"REASON", "?Ready.reason", false},
                       {"DESIRED", "status.desired", false},
                       {"ACTUAL", "status.actual", false},
                       {"COST/H", "status.hourlyCost", false},
                       {"SAVING", "status.projectedSaving", false},
                       {"RESOURCES", "status.resources", true},
                       {"MODEL", "status.forecast.model", true},
                       {"COVERAGE", "status.forecast.coverage", true},
                       {"GAP%", "status.optimalityGapPercent", true},
                       {"SUSPENDED", "spec.suspend", true},
                       {"MESSAGE", "?Ready.message", true},
                       {"AGE", "@age", false}},
    [OBJECT_BUDGET] = {{"AMOUNT", "spec.amount", false},
                       {"SPENT", "status.spent", false},
                       {"LEVEL", "status.level", false},
                       {"READY", "?Ready.status", false},
                       {"CURRENCY", "spec.currency", true},
                       {"PERIOD", "spec.period", true},
                       {"FORECAST", "status.forecast.p50", true},
                       {"REMAINING", "status.remaining", true},
                       {"REASON", "?Ready.reason", true},
                       {"MESSAGE", "?Ready.message", true},
                       {"AGE", "@age", false}},
    [OBJECT_RECOMMENDATION] = {{"POLICY", "spec.policyRef.name", false},
                               {"ACTION", "spec.action", false},
                               {"TARGET", "spec.target.id", false},
                               {"FROM", "@spec.from", false},
                               {"TO", "@spec.to", false},
                               {"PHASE", "status.phase", false},
                               {"DECISION", "spec.decision", false},
                               {"SAVING/MO", "status.saving.monthly", false},
                               {"FROM-TYPE", "spec.from.instanceType", true},
                               {"TO-TYPE", "spec.to.instanceType", true},
                               {"PROVIDER", "spec.target.provider", true},
                               {"REGION", "spec.target.region", true},
                               {"RISK", "status.risk", true},
                               {"REASON", "?Ready.reason", true},
                               {"MESSAGE", "status.message", true},
                               {"AGE", "@age", false}},
    [OBJECT_NAMESPACE] = {{"AGE", "@age", false}},
};

/* kubectl's coarse form: one unit, or two where one would say too little. */
void get_age_format(int64_t ms, char *to, size_t size) {
    int64_t s = ms > 0 ? ms / 1000 : 0, m = s / 60, h = m / 60, d = h / 24;
    if (s < 120)
        snprintf(to, size, "%llds", (long long)s);
    else if (m < 10 && s % 60)
        snprintf(to, size, "%lldm%llds", (long long)m, (long long)(s % 60));
    else if (h < 3)
        snprintf(to, size, "%lldm", (long long)m);
    else if (h < 8 && m % 60)
        snprintf(to, size, "%lldh%lldm", (long long)h, (long long)(m % 60));
    else if (h < 48)
        snprintf(to, size, "%lldh", (long long)h);
    else
        snprintf(to, size, "%lldd", (long long)d);
}

static const struct json *condition_field(const struct json *object, const char *path) {
    const char *dot = strchr(path, '.');
    const struct json *conditions = json_at(object, "status.conditions");
    for (size_t i = 0; i < json_array_count(conditions); i++) {
        const struct json *it = json_array_at(conditions, i);
        const char *type = json_string(json_get(it, "type"), "");
        if (strlen(type) == (size_t)(dot - path) && strncmp(type, path, strlen(type)) == 0)
            return json_get(it, dot + 1);
    }
    return NULL;
}

/* "?Ready.status": of a condition; "@spec.to": a size, or the minimum of bounds; else a plain path. */
static const struct json *node_of(const struct json *object, const char *path) {
    if (path[0] == '?')
        return condition_field(object, path + 1);
    if (path[0] != '@')
        return json_at(object, path);
    const struct json *state = json_at(object, path + 1), *count = json_get(state, "count");
    return count ? count : json_get(state, "minCount");
}

static void add_cell(struct cli_table *table, const struct json *object, const char *path, int64_t now_ms) {
    char text[GET_AGE_MAX] = "";
    if (str_eq(path, "@age")) {
        int64_t created_ms;
        if (time_parse(json_string(json_at(object, "metadata.creationTimestamp"), ""), &created_ms))
            get_age_format(now_ms - created_ms, text, sizeof(text));
        cli_table_add(table, text);
        return;
    }
    const struct json *node = node_of(object, path);
    switch (json_type(node)) {
    case JSON_STRING:
        cli_table_add(table, json_string(node, ""));
        break;
    case JSON_INT:
        cli_table_add(table, (snprintf(text, sizeof(text), "%lld", (long long)json_int(node, 0)), text));
        break;
    case JSON_BOOL:
        cli_table_add(table, json_bool(node, false) ? "true" : "false");
        break;
    case JSON_NULL:
    case JSON_DOUBLE:
    case JSON_ARRAY:
    case JSON_OBJECT:
        cli_table_add(table, "");
        break;
    }
}

void get_print_table(enum object_kind kind, const struct json *const *objects, size_t count, bool with_namespace,
                     bool is_wide, int64_t now_ms, struct buf *out) {
    struct cli_table table = {.column_count = 1 + (size_t)with_namespace};
    for (const struct column *it = columns[kind]; it->title; it++)
        table.column_count += is_wide || !it->is_wide;
    if (with_namespace)
        cli_table_add(&table, "NAMESPACE");
    cli_table_add(&table, "NAME");
    for (const struct column *it = columns[kind]; it->title; it++) {
        if (is_wide || !it->is_wide)
            cli_table_add(&table, it->title);
    }
    for (size_t i = 0; i < count; i++) {
        if (with_namespace)
            add_cell(&table, objects[i], "metadata.namespace", now_ms);
        add_cell(&table, objects[i], "metadata.name", now_ms);
        for (const struct column *it = columns[kind]; it->title; it++) {
            if (is_wide || !it->is_wide)
                add_cell(&table, objects[i], it->path, now_ms);
        }
    }
    cli_table_print(&table, out);
    cli_table_release(&table);
}

static void print_reply(enum object_kind kind, const struct json *reply, bool is_list, bool with_namespace,
                        const char *output, int64_t now_ms) {
    struct buf out = {0};
    const struct json *items = json_get(reply, "items");
    size_t count = is_list ? json_array_count(items) : 1;
    if (str_eq(output, "json")) {
        json_print_pretty(reply, &out);
        buf_putc(&out, '\n');
    } else if (count == 0) {
        fprintf(stderr, "No %s found.\n", object_kind_plural(kind));
    } else {
        const struct json **objects = mem_alloc_array(count, sizeof(struct json *));
        for (size_t i = 0; i < count; i++)
            objects[i] = is_list ? json_array_at(items, i) : reply;
        get_print_table(kind, objects, count, with_namespace, str_eq(output, "wide"), now_ms, &out);
        mem_free(objects);
    }
    fputs(buf_text(&out), stdout);
    buf_release(&out);
}

static int get(const struct cli_where *where, enum object_kind kind, const char *name, bool all_namespaces,
               const char *output) {
    struct cli_client *client;
    struct json *reply = NULL;
    struct error err;
    struct buf path = {0};
    if (cli_client_open(where, &client, &err) != ERR_NONE)
        return cli_fail(&err);
    cli_path_append(&path, kind, all_namespaces ? NULL : cli_client_namespace(client), name);
    int code = CLI_DONE;
    if (cli_client_get(client, buf_text(&path), &reply, &err) != ERR_NONE)
        code = cli_fail(&err);
    else
        print_reply(kind, reply, !name, all_namespaces && kind != OBJECT_NAMESPACE, output, cli_client_now_ms(client));
    json_free(reply);
    buf_release(&path);
    cli_client_close(client);
    return code;
}

int cli_get(int argc, char **argv) {
    static const char *const outputs[] = {"text", "wide", "json", NULL};
    struct cli_where where = {0};
    const char *output = "text";
    bool all_namespaces = false;
    const struct cli_option options[] = {
        CLI_OPTIONS_WHERE(where),
        {"all-namespaces", 'A', NULL, "Of every namespace.", CLI_OPTION_FLAG, &all_namespaces, NULL, 0, 0},
        {"output", 'o', "text|wide|json", "Default text.", CLI_OPTION_CHOICE, &output, outputs, 0, 0},
        {0},
    };
    const struct cli_syntax syntax = {
        .usage = "trimtab get KIND [NAME]",
        .summary = "Shows objects of a cluster or of a local run. KIND is provider (prov), resourcepolicy (rp),\n"
                   "budget (bud), recommendation (rec) or namespace (ns); KIND/NAME is also understood.\n",
        .options = options,
        .operands_min = 1,
        .operands_max = 2,
    };
    size_t count;
    int code = cli_options_parse(&syntax, argc, argv, &count);
    if (code != CLI_GO_ON)
        return code;
    enum object_kind kind;
    char *name = count == 2 ? argv[2] : strchr(argv[1], '/');
    if (count == 1 && name)
        *name++ = '\0';
    if (!object_kind_parse(argv[1], &kind))
        return cli_usage_error(&syntax, "\"%s\" is no kind", argv[1]);
    if (name && !*name)
        return cli_usage_error(&syntax, "the name is empty");
    if (name && all_namespaces && kind != OBJECT_NAMESPACE)
        return cli_usage_error(&syntax, "-A goes with lists, not with a name");
    return get(&where, kind, name, all_namespaces, output);
}
