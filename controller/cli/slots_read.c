/*
 * See slots_read.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/slots_read.h"

#include <math.h>
#include <string.h>

#include "base/str.h"
#include "cli/csv_table.h"

#define DEMAND_PREFIX "demand:"

struct reading {
    struct slots_tables *tables;
    double *values, *capacities, *inputs, *demands, *amounts;
    size_t *resource_at, *demand_at; /* Of each resource, of each slot: index of the field. */
    const char **demand_columns;     /* Of each slot; NULL: `demand` is for it. */
};

static size_t index_of(const char *const *names, size_t count, const char *name) {
    size_t i = 0;
    while (i < count && !str_eq(names[i], name))
        i++;
    return i;
}

static bool number_read(const struct csv_stream *csv, const char *name, const char *text, double *ret,
                        struct error *err) {
    if (!csv_table_number(csv, name, text, 1, SLOTS_NUMBER_MAX, ret, err))
        return false;
    if (*ret > 0 && *ret < SLOTS_NUMBER_MIN)
        return csv_table_fault(csv, err, "%.80s: %.40s is above 0, but less than %g", name, text, SLOTS_NUMBER_MIN);
    *ret = fabs(*ret); /* No -0. */
    return true;
}

/* Nothing: no limit. */
static bool bound_read(const struct csv_table *table, const struct csv_stream *csv, size_t column, double *ret,
                       struct error *err) {
    const char *text = csv_table_field(table, csv, column);
    *ret = INFINITY;
    return !*text || number_read(csv, table->columns[column].name, text, ret, err);
}

static void push_number(struct arena *arena, double **numbers, size_t count, double number) {
    *numbers = arena_push(arena, *numbers, count, sizeof(**numbers));
    (*numbers)[count] = number;
}

static void push_name(struct arena *arena, const char ***names, size_t count, const char *name) {
    *names = arena_push(arena, (void *)(uintptr_t)*names, count, sizeof(**names));
    (*names)[count] = arena_strdup(arena, name);
}

/* A name that is there, and was not yet; else NULL. */
static const char *name_read(struct csv_table *table, const struct csv_stream *csv, struct error *err) {
    const char *name = csv_table_field(table, csv, 0), *column = table->columns[0].name;
    if (*name && csv_table_is_new(table, name))
        return name;
    (void)(*name ? csv_table_fault(csv, err, "%s: \"%.80s\" is there twice", column, name)
                 : csv_table_fault(csv, err, "%s is empty", column));
    return NULL;
}

/* ---- slots ---- */

enum { SLOT_NAME, SLOT_VALUE, SLOT_CAPACITY, SLOT_COLUMNS };

static bool slot_take(struct csv_table *table, const struct csv_stream *csv, struct error *err) {
    struct reading *r = table->ctx;
    size_t count = r->tables->problem.slot_count;
    const char *name = name_read(table, csv, err);
    double value = 1, capacity;
    if (!name ||
        (table->at[SLOT_VALUE] && !number_read(csv, "value", csv_table_field(table, csv, SLOT_VALUE), &value, err)) ||
        !bound_read(table, csv, SLOT_CAPACITY, &capacity, err))
        return false;
    push_name(table->arena, &r->tables->slots, count, name);
    push_number(table->arena, &r->values, count, value);
    push_number(table->arena, &r->capacities, count, capacity);
    r->tables->problem.slot_count++;
    return true;
}

enum err_class slots_read_slots(const char *path, struct arena *arena, struct slots_tables *ret, struct error *err) {
    static const struct csv_table_column columns[SLOT_COLUMNS] = {
        [SLOT_NAME] = {"slot", false}, [SLOT_VALUE] = {"value", true}, [SLOT_CAPACITY] = {"capacity", true}};
    struct reading reading = {.tables = ret};
    struct csv_table table = {.path = path,
                              .columns = columns,
                              .column_count = SLOT_COLUMNS,
                              .rows_max = SLOTS_SLOTS_MAX,
                              .arena = arena,
                              .ctx = &reading,
                              .take = slot_take,
                              .take_header = csv_table_known_only};
    enum err_class class = csv_table_read(&table, err);
    if (class == ERR_NONE && ret->problem.slot_count == 0)
        class = error_set(err, ERR_PERMANENT, "%s: there is no slot below the header", table.path);
    ret->problem.values = reading.values;
    ret->problem.capacities = reading.capacities;
    return class;
}

/* ---- groups ---- */

enum { GROUP_NAME, GROUP_DEMAND, GROUP_COLUMNS };

/* A column that is neither the name nor the demand is a resource. */
static bool column_take(struct csv_table *table, const struct csv_stream *csv, size_t field, struct error *err) {
    struct reading *r = table->ctx;
    struct slots_tables *t = r->tables;
    const char *name = csv_stream_field(csv, field);
    if (str_has_prefix(name, DEMAND_PREFIX)) {
        size_t slot = index_of(t->slots, t->problem.slot_count, name + strlen(DEMAND_PREFIX));
        if (slot == t->problem.slot_count)
            return csv_table_fault(csv, err, "%.80s: there is no such slot", name);
        if (r->demand_columns[slot])
            return csv_table_fault(csv, err, "the column %.80s is there twice", name);
        r->demand_columns[slot] = arena_strdup(table->arena, name);
        r->demand_at[slot] = field;
        return true;
    }
    if (!*name)
        return csv_table_fault(csv, err, "column %zu has no name", field + 1);
    bool is_twice = field != table->at[GROUP_NAME] - 1 && str_eq(name, table->columns[GROUP_NAME].name);
    is_twice |= field != table->at[GROUP_DEMAND] - 1 && str_eq(name, table->columns[GROUP_DEMAND].name);
    if (is_twice || index_of(t->resources, t->problem.resource_count, name) < t->problem.resource_count)
        return csv_table_fault(csv, err, "the column %.80s is there twice", name);
    if (field == table->at[GROUP_NAME] - 1 || field == table->at[GROUP_DEMAND] - 1)
        return true;
    if (t->problem.resource_count == SLOTS_RESOURCES_MAX)
        return csv_table_fault(csv, err, "there are more than %d columns of resources", SLOTS_RESOURCES_MAX);
    r->resource_at[t->problem.resource_count] = field;
    push_name(table->arena, &t->resources, t->problem.resource_count++, name);
    return true;
}

static bool groups_header_take(struct csv_table *table, const struct csv_stream *csv, struct error *err) {
    struct reading *r = table->ctx;
    struct slots_tables *t = r->tables;
    for (size_t field = 0; field < csv->field_count; field++)
        if (!column_take(table, csv, field, err))
            return false;
    if (t->problem.resource_count == 0)
        return csv_table_fault(csv, err, "the header has no column of a resource beside name and demand");
    for (size_t s = 0; s < t->problem.slot_count; s++) {
        if (!r->demand_columns[s] && !table->at[GROUP_DEMAND])
            return csv_table_fault(csv, err, "the header has neither the column demand nor demand:%.80s", t->slots[s]);
    }
    return true;
}

static bool group_take(struct csv_table *table, const struct csv_stream *csv, struct error *err) {
    struct reading *r = table->ctx;
    struct slots_tables *t = r->tables;
    size_t count = t->problem.group_count, n = t->problem.resource_count, m = t->problem.slot_count;
    const char *name = name_read(table, csv, err);
    double number;
    if (!name)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!number_read(csv, t->resources[i], csv_stream_field(csv, r->resource_at[i]), &number, err))
            return false;
        push_number(table->arena, &r->inputs, count * n + i, number);
    }
    for (size_t s = 0; s < m; s++) {
        const char *column = r->demand_columns[s] ? r->demand_columns[s] : "demand";
        const char *text =
            r->demand_columns[s] ? csv_stream_field(csv, r->demand_at[s]) : csv_table_field(table, csv, GROUP_DEMAND);
        if (!number_read(csv, column, text, &number, err))
            return false;
        push_number(table->arena, &r->demands, count * m + s, number);
    }
    push_name(table->arena, &t->groups, count, name);
    t->problem.group_count++;
    return true;
}

enum err_class slots_read_groups(const char *path, struct arena *arena, struct slots_tables *ret, struct error *err) {
    static const struct csv_table_column columns[GROUP_COLUMNS] = {
        [GROUP_NAME] = {"name", false}, [GROUP_DEMAND] = {"demand", true}};
    struct reading reading = {.tables = ret};
    struct csv_table table = {.path = path,
                              .columns = columns,
                              .column_count = GROUP_COLUMNS,
                              .rows_max = SLOTS_GROUPS_MAX,
                              .arena = arena,
                              .ctx = &reading,
                              .take = group_take,
                              .take_header = groups_header_take};
    reading.resource_at = arena_alloc_array(arena, SLOTS_RESOURCES_MAX, sizeof(size_t));
    reading.demand_at = arena_alloc_array(arena, ret->problem.slot_count, sizeof(size_t));
    reading.demand_columns = arena_alloc_array(arena, ret->problem.slot_count, sizeof(char *));
    enum err_class class = csv_table_read(&table, err);
    if (class == ERR_NONE && ret->problem.group_count == 0)
        class = error_set(err, ERR_PERMANENT, "%s: there is no group below the header", table.path);
    ret->problem.inputs = reading.inputs;
    ret->problem.demands = reading.demands;
    return class;
}

/* ---- resources ---- */

enum { RESOURCE_NAME, RESOURCE_AMOUNT, RESOURCE_COLUMNS };

static bool resource_take(struct csv_table *table, const struct csv_stream *csv, struct error *err) {
    struct reading *r = table->ctx;
    size_t count = r->tables->problem.resource_count;
    const char *name = name_read(table, csv, err);
    if (!name)
        return false;
    size_t at = index_of(r->tables->resources, count, name);
    if (at == count)
        return csv_table_fault(csv, err, "resource: no column of the groups is named \"%.80s\"", name);
    return bound_read(table, csv, RESOURCE_AMOUNT, &r->amounts[at], err);
}

enum err_class slots_read_resources(const char *path, struct arena *arena, struct slots_tables *ret,
                                    struct error *err) {
    static const struct csv_table_column columns[RESOURCE_COLUMNS] = {
        [RESOURCE_NAME] = {"resource", false}, [RESOURCE_AMOUNT] = {"amount", false}};
    size_t count = ret->problem.resource_count;
    struct reading reading = {.tables = ret, .amounts = arena_alloc_array(arena, count, sizeof(double))};
    struct csv_table table = {.path = path,
                              .columns = columns,
                              .column_count = RESOURCE_COLUMNS,
                              .rows_max = SLOTS_RESOURCES_MAX,
                              .arena = arena,
                              .ctx = &reading,
                              .take = resource_take,
                              .take_header = csv_table_known_only};
    for (size_t i = 0; i < count; i++)
        reading.amounts[i] = INFINITY;
    ret->problem.amounts = reading.amounts;
    return path ? csv_table_read(&table, err) : ERR_NONE;
}
