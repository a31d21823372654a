/*
 * `trimtab slots`: how much of each resource to give to each time slot, so that groups get what they want where it is
 * worth most, and how far from the best it is at most. No state, no cloud; the same input gives the same bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/csv_table.h"
#include "cli/options.h"
#include "cli/slots_read.h"
#include "cli/table.h"

struct arguments {
    const char *groups, *slots, *resources, *output;
    bool is_signed;
};

static double given(const struct slots_tables *t, const struct slots_result *result, size_t resource, size_t slot) {
    return result->resource_slots[resource * t->problem.slot_count + slot];
}

static double given_to_slot(const struct slots_tables *t, const struct slots_result *result, size_t slot) {
    double sum = 0;
    for (size_t r = 0; r < t->problem.resource_count; r++)
        sum += given(t, result, r, slot);
    return sum;
}

static double given_of_resource(const struct slots_tables *t, const struct slots_result *result, size_t resource) {
    double sum = 0;
    for (size_t s = 0; s < t->problem.slot_count; s++)
        sum += given(t, result, resource, s);
    return sum;
}

/* ---- json ---- */

static void put_double(struct json_writer *w, const char *key, double value) {
    jw_key(w, key);
    jw_double(w, value); /* No limit: null. */
}

/* {slot: number} of a row. */
static void put_row(struct json_writer *w, const struct slots_tables *t, const double *row) {
    jw_open(w, '{');
    for (size_t s = 0; s < t->problem.slot_count; s++)
        put_double(w, t->slots[s], row[s]);
    jw_close(w, '}');
}

static void print_json(const struct slots_tables *t, const struct slots_result *result, struct buf *out) {
    const struct slots_problem *p = &t->problem;
    struct json_writer w = {.out = out};
    jw_open(&w, '{');
    put_double(&w, "loss", result->loss);
    put_double(&w, "gap", result->gap);
    put_double(&w, "lowerBound", fmax(0, result->loss - result->gap));
    jw_key(&w, "slots");
    jw_open(&w, '[');
    for (size_t s = 0; s < p->slot_count; s++) {
        jw_open(&w, '{');
        jw_put_string(&w, "slot", t->slots[s]);
        put_double(&w, "value", p->values[s]);
        put_double(&w, "capacity", p->capacities[s]);
        put_double(&w, "given", given_to_slot(t, result, s));
        put_double(&w, "dual", result->slot_duals[s]);
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    jw_key(&w, "resources");
    jw_open(&w, '[');
    for (size_t r = 0; r < p->resource_count; r++) {
        jw_open(&w, '{');
        jw_put_string(&w, "resource", t->resources[r]);
        put_double(&w, "amount", p->amounts[r]);
        put_double(&w, "given", given_of_resource(t, result, r));
        put_double(&w, "dual", result->resource_duals[r]);
        jw_key(&w, "slots");
        put_row(&w, t, result->resource_slots + r * p->slot_count);
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    jw_key(&w, "groups");
    jw_open(&w, '[');
    for (size_t b = 0; b < p->group_count; b++) {
        jw_open(&w, '{');
        jw_put_string(&w, "name", t->groups[b]);
        jw_key(&w, "demand");
        put_row(&w, t, p->demands + b * p->slot_count);
        jw_key(&w, "allocation");
        put_row(&w, t, result->allocation + b * p->slot_count);
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    jw_close(&w, '}');
    buf_putc(out, '\n');
}

/* ---- csv ---- */

static void print_csv_row(const char *kind, const char *name, const char *slot, double amount, const double *demand,
                          struct buf *out) {
    char number[STR_DOUBLE_MAX];
    str_from_double(amount, number);
    buf_printf(out, "%s,", kind);
    csv_table_put(name, out);
    buf_putc(out, ',');
    csv_table_put(slot, out);
    buf_printf(out, ",%s,", number);
    if (demand) {
        str_from_double(*demand, number);
        buf_puts(out, number);
    }
    buf_putc(out, '\n');
}

static void print_csv(const struct slots_tables *t, const struct slots_result *result, struct buf *out) {
    const struct slots_problem *p = &t->problem;
    buf_puts(out, "kind,name,slot,amount,demand\n");
    for (size_t r = 0; r < p->resource_count; r++)
        for (size_t s = 0; s < p->slot_count; s++)
            print_csv_row("resource", t->resources[r], t->slots[s], given(t, result, r, s), NULL, out);
    for (size_t b = 0; b < p->group_count; b++)
        for (size_t s = 0; s < p->slot_count; s++)
            print_csv_row("group", t->groups[b], t->slots[s], result->allocation[b * p->slot_count + s],
                          &p->demands[b * p->slot_count + s], out);
}

/* ---- text ---- */

static void add_number(struct cli_table *table, double value) {
    char cell[64];
    snprintf(cell, sizeof(cell), "%.6g", value);
    cli_table_add(table, isinf(value) ? "-" : cell);
}

static void print_table(struct cli_table *table, struct buf *out) {
    cli_table_print(table, out);
    cli_table_release(table);
    buf_putc(out, '\n');
}

static void print_text(const struct slots_tables *t, const struct slots_result *result, struct buf *out) {
    const struct slots_problem *p = &t->problem;
    struct cli_table table = {.column_count = 5};
    static const char *const slot_heads[] = {"SLOT", "VALUE", "CAPACITY", "GIVEN", "WORTH"};
    for (size_t i = 0; i < table.column_count; i++)
        cli_table_add(&table, slot_heads[i]);
    for (size_t s = 0; s < p->slot_count; s++) {
        cli_table_add(&table, t->slots[s]);
        add_number(&table, p->values[s]);
        add_number(&table, p->capacities[s]);
        add_number(&table, given_to_slot(t, result, s));
        add_number(&table, result->slot_duals[s]);
    }
    print_table(&table, out);
    table.column_count = p->slot_count + 4;
    cli_table_add(&table, "RESOURCE");
    cli_table_add(&table, "AMOUNT");
    cli_table_add(&table, "GIVEN");
    cli_table_add(&table, "WORTH");
    for (size_t s = 0; s < p->slot_count; s++)
        cli_table_add(&table, t->slots[s]);
    for (size_t r = 0; r < p->resource_count; r++) {
        cli_table_add(&table, t->resources[r]);
        add_number(&table, p->amounts[r]);
        add_number(&table, given_of_resource(t, result, r));
        add_number(&table, result->resource_duals[r]);
        for (size_t s = 0; s < p->slot_count; s++)
            add_number(&table, given(t, result, r, s));
    }
    print_table(&table, out);
    table.column_count = p->slot_count + 1;
    cli_table_add(&table, "GROUP");
    for (size_t s = 0; s < p->slot_count; s++)
        cli_table_add(&table, t->slots[s]);
    for (size_t b = 0; b < p->group_count; b++) {
        cli_table_add(&table, t->groups[b]);
        for (size_t s = 0; s < p->slot_count; s++) {
            char cell[80];
            size_t i = b * p->slot_count + s;
            snprintf(cell, sizeof(cell), "%.6g of %.6g", result->allocation[i], p->demands[i]);
            cli_table_add(&table, cell);
        }
    }
    print_table(&table, out);
    buf_printf(out, "loss %.6g; no other way to give has less than %.6g (gap %.2g)\n", result->loss,
               fmax(0, result->loss - result->gap), result->gap);
}

static int print(const struct arguments *args, const struct slots_tables *tables, const struct slots_result *result) {
    struct buf out = {0};
    if (str_eq(args->output, "json"))
        print_json(tables, result, &out);
    else if (str_eq(args->output, "csv"))
        print_csv(tables, result, &out);
    else
        print_text(tables, result, &out);
    fwrite(out.data, 1, out.size, stdout);
    buf_release(&out);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CLI_DONE;
    fprintf(stderr, "trimtab slots: cannot write the result\n");
    return CLI_FAILED;
}

static enum err_class read_tables(const struct arguments *args, struct arena *arena, struct slots_tables *ret,
                                  struct error *err) {
    enum err_class class = slots_read_slots(args->slots, arena, ret, err);
    if (class == ERR_NONE)
        class = slots_read_groups(args->groups, arena, ret, err);
    if (class == ERR_NONE)
        class = slots_read_resources(args->resources, arena, ret, err);
    for (size_t s = 0; class == ERR_NONE && args->is_signed && s < ret->problem.slot_count; s++)
        if (!isinf(ret->problem.capacities[s]))
            class = error_set(err, ERR_PERMANENT,
                              "%s: slot %s has a capacity, which --signed cannot keep: what is negative makes room "
                              "for any other",
                              args->slots, ret->slots[s]);
    return class;
}

int cli_slots(int argc, char **argv) {
    static const char *const outputs[] = {"text", "json", "csv", NULL};
    struct arguments args = {.output = "text"};
    const struct cli_option options[] = {
        {"groups", 'g', "G.csv",
         "name, what it gets out of a unit of each resource (a column each), demand\n"
         "(or demand:SLOT for a slot of its own)",
         CLI_OPTION_TEXT, &args.groups, NULL, 0, 0},
        {"slots", 's', "S.csv", "slot[,value][,capacity]: value 1 and no limit where not said", CLI_OPTION_TEXT,
         &args.slots, NULL, 0, 0},
        {"resources", 'r', "R.csv", "resource,amount: over all slots; no limit where not said", CLI_OPTION_TEXT,
         &args.resources, NULL, 0, 0},
        {"signed", 0, NULL, "a slot may be given less than nothing; without any bounds", CLI_OPTION_FLAG,
         &args.is_signed, NULL, 0, 0},
        {"output", 'o', "FORM", "text, json or csv", CLI_OPTION_CHOICE, &args.output, outputs, 0, 0},
        {NULL, 0, NULL, NULL, CLI_OPTION_FLAG, NULL, NULL, 0, 0}};
    const struct cli_syntax syntax = {
        "trimtab slots --groups G.csv --slots S.csv [--resources R.csv]",
        "How much of each resource to give to each time slot, so that the mean of value x (allocation - demand)^2\n"
        "over groups and slots is least; how far from the least it is at most (gap), and what a unit more of each\n"
        "capacity and amount would be worth (duals).\n",
        options,
        0,
        0,
        "Exit: 0 done, 1 a table is at fault, 64 usage.\n"};
    size_t operands;
    int code = cli_options_parse(&syntax, argc, argv, &operands);
    if (code != CLI_GO_ON)
        return code;
    if (!args.groups || !args.slots)
        return cli_usage_error(&syntax, "--groups and --slots are both needed");
    if (args.is_signed && args.resources)
        return cli_usage_error(&syntax, "--signed and --resources do not go together");
    struct arena arena = {0};
    struct error err = {0};
    struct slots_tables tables = {0};
    struct slots_result result;
    if (read_tables(&args, &arena, &tables, &err) != ERR_NONE) {
        fprintf(stderr, "trimtab slots: %s\n", err.message);
        arena_release(&arena);
        return CLI_FAULTS;
    }
    tables.problem.is_signed = args.is_signed;
    slots_solve(&tables.problem, &arena, &result);
    code = print(&args, &tables, &result);
    arena_release(&arena);
    return code;
}
