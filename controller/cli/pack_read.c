/*
 * See pack_read.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/pack_read.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "adapters/common/csv_stream.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

#define COLUMNS_MAX 8
#define ROWS_MAX 100000
#define PRICE_MAX 5000 /* As many as there may be pieces of a demand cost a sum that is still money. */

struct column {
    const char *name;
    bool is_optional;
};

struct table {
    const char *path;
    const struct column *columns;
    size_t column_count;
    size_t at[COLUMNS_MAX]; /* Index of the field + 1; 0: the file lacks it. */
    struct arena *arena;
    struct pack_problem *problem;
    struct map seen; /* Names so far. */
    bool (*take)(struct table *table, const struct csv_stream *csv, struct error *err);
};

static const char *field(const struct table *table, const struct csv_stream *csv, size_t column) {
    return table->at[column] ? csv_stream_field(csv, table->at[column] - 1) : "";
}

__attribute__((format(printf, 4, 5))) static bool fault(const struct table *table, const struct csv_stream *csv,
                                                        struct error *err, const char *format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)error_set(err, ERR_PERMANENT, "%s: row %llu: %s", table->path, (unsigned long long)csv->row_number, text);
    return false;
}

enum rounding { ROUND_UP, ROUND_DOWN, WHOLE_ONLY };

/* A number >= 0, times `factor`, as a whole: needs are rounded up, what is offered down. */
static bool amount_read(const struct table *table, const struct csv_stream *csv, size_t column, double factor,
                        enum rounding rounding, int64_t most, int64_t *ret, struct error *err) {
    const char *text = field(table, csv, column);
    double value;
    if (!*text && table->columns[column].is_optional) {
        *ret = 0;
        return true;
    }
    if (!str_to_double(text, &value))
        return fault(table, csv, err, "%s: \"%.40s\" is not a number", table->columns[column].name, text);
    if (value < 0 || value * factor > (double)most)
        return fault(table, csv, err, "%s: %.40s is not between 0 and %.6g", table->columns[column].name, text,
                     (double)most / factor);
    if (rounding == WHOLE_ONLY && value != floor(value))
        return fault(table, csv, err, "%s: %.40s is no whole number", table->columns[column].name, text);
    /* What is whole in decimals may be a little off in binary. */
    double exact = value * factor, near = round(exact);
    bool is_near = fabs(exact - near) <= 1e-9 * (1 + near);
    *ret = (int64_t)(is_near ? near : rounding == ROUND_UP ? ceil(exact) : floor(exact));
    return true;
}

static bool is_new(struct table *table, const char *name) {
    return map_put(&table->seen, name, table) == NULL;
}

static bool header_take(struct table *table, const struct csv_stream *csv, struct error *err) {
    for (size_t f = 0; f < csv->field_count; f++)
        for (size_t c = 0; c < table->column_count; c++)
            if (str_eq(csv_stream_field(csv, f), table->columns[c].name))
                table->at[c] = f + 1;
    for (size_t c = 0; c < table->column_count; c++)
        if (!table->at[c] && !table->columns[c].is_optional)
            return fault(table, csv, err, "the header lacks the column %s", table->columns[c].name);
    return true;
}

static bool on_row(void *ctx, const struct csv_stream *csv, struct error *err) {
    struct table *table = ctx;
    if (csv->row_number == 1)
        return header_take(table, csv, err);
    if (csv->row_number > ROWS_MAX)
        return fault(table, csv, err, "a table has at most %d rows", ROWS_MAX);
    return table->take(table, csv, err);
}

static enum err_class read_table(struct table *table, struct error *err) {
    bool is_stdin = str_eq(table->path, "-");
    FILE *file = is_stdin ? stdin : fopen(table->path, "rb");
    if (is_stdin)
        table->path = "standard input";
    if (!file)
        return error_set(err, ERR_PERMANENT, "%s: %s", table->path, strerror(errno));
    struct csv_stream csv;
    char piece[65536];
    size_t size;
    enum err_class class = ERR_NONE;
    csv_stream_init(&csv, on_row, table);
    while (class == ERR_NONE && (size = fread(piece, 1, sizeof(piece), file)) > 0)
        class = csv_stream_feed(&csv, (struct bytes){piece, size}, err);
    if (class == ERR_NONE && ferror(file))
        class = error_set(err, ERR_PERMANENT, "%s: %s", table->path, strerror(errno));
    if (class == ERR_NONE)
        class = csv_stream_finish(&csv, err);
    if (class == ERR_NONE && !table->at[0])
        class = error_set(err, ERR_PERMANENT, "%s is empty", table->path);
    csv_stream_release(&csv);
    map_release(&table->seen);
    if (!is_stdin)
        fclose(file);
    return class;
}

/* ---- demands ---- */

enum { DEMAND_NAME, DEMAND_CPU, DEMAND_MEMORY, DEMAND_COUNT, DEMAND_GPU, DEMAND_COLUMNS };

static bool demand_take(struct table *table, const struct csv_stream *csv, struct error *err) {
    struct pack_problem *problem = table->problem;
    struct pack_demand demand = {.name = field(table, csv, DEMAND_NAME)};
    if (!*demand.name)
        return fault(table, csv, err, "name is empty");
    if (!amount_read(table, csv, DEMAND_CPU, 1, ROUND_UP, PACK_AMOUNT_MAX, &demand.need[PACK_CPU], err) ||
        !amount_read(table, csv, DEMAND_MEMORY, 1, ROUND_UP, PACK_AMOUNT_MAX, &demand.need[PACK_MEMORY], err) ||
        !amount_read(table, csv, DEMAND_COUNT, 1, WHOLE_ONLY, PACK_COUNT_MAX, &demand.count, err) ||
        !amount_read(table, csv, DEMAND_GPU, 1, WHOLE_ONLY, PACK_AMOUNT_MAX, &demand.need[PACK_GPU], err))
        return false;
    if (!is_new(table, demand.name))
        return fault(table, csv, err, "name: \"%.80s\" is there twice", demand.name);
    demand.name = arena_strdup(table->arena, demand.name);
    struct pack_demand *demands = (struct pack_demand *)(uintptr_t)problem->demands;
    problem->demands = demands = arena_push(table->arena, demands, problem->demand_count, sizeof(*demands));
    demands[problem->demand_count++] = demand;
    return true;
}

enum err_class pack_read_demands(const char *path, struct arena *arena, struct pack_problem *ret, struct error *err) {
    static const struct column columns[DEMAND_COLUMNS] = {[DEMAND_NAME] = {"name", false},
                                                          [DEMAND_CPU] = {"cpu_millis", false},
                                                          [DEMAND_MEMORY] = {"memory_mib", false},
                                                          [DEMAND_COUNT] = {"count", false},
                                                          [DEMAND_GPU] = {"gpu", true}};
    struct table table = {.path = path,
                          .columns = columns,
                          .column_count = DEMAND_COLUMNS,
                          .arena = arena,
                          .problem = ret,
                          .take = demand_take};
    return read_table(&table, err);
}

/* ---- offers ---- */

enum { OFFER_PROVIDER, OFFER_REGION, OFFER_TYPE, OFFER_CPU, OFFER_MEMORY, OFFER_PRICE, OFFER_GPU, OFFER_COLUMNS };

static bool offer_take(struct table *table, const struct csv_stream *csv, struct error *err) {
    struct pack_problem *problem = table->problem;
    struct pack_offer offer = {.provider = field(table, csv, OFFER_PROVIDER),
                               .region = field(table, csv, OFFER_REGION),
                               .type = field(table, csv, OFFER_TYPE)};
    if (!*offer.type)
        return fault(table, csv, err, "instance_type is empty");
    if (!amount_read(table, csv, OFFER_CPU, 1000, ROUND_DOWN, PACK_AMOUNT_MAX, &offer.has[PACK_CPU], err) ||
        !amount_read(table, csv, OFFER_MEMORY, 1024, ROUND_DOWN, PACK_AMOUNT_MAX, &offer.has[PACK_MEMORY], err) ||
        !amount_read(table, csv, OFFER_GPU, 1, WHOLE_ONLY, PACK_AMOUNT_MAX, &offer.has[PACK_GPU], err))
        return false;
    if (offer.has[PACK_CPU] == 0 || offer.has[PACK_MEMORY] == 0)
        return fault(table, csv, err, "%.80s has no vCPU or no memory", offer.type);
    const char *price = field(table, csv, OFFER_PRICE);
    double value;
    if (!str_to_double(price, &value) || value <= 0 || value > PRICE_MAX)
        return fault(table, csv, err, "price_ondemand_usd_hr: \"%.40s\" is no price above 0 up to 5000", price);
    offer.price_hourly = money_from_double(value);
    if (offer.price_hourly == 0)
        return fault(table, csv, err, "price_ondemand_usd_hr: %.40s is less than a millionth", price);
    char *key = mem_printf("%s\n%s\n%s", offer.provider, offer.region, offer.type);
    bool added = is_new(table, key);
    mem_free(key);
    if (!added)
        return fault(table, csv, err, "%.40s %.40s %.80s is there twice", offer.provider, offer.region, offer.type);
    offer.provider = arena_strdup(table->arena, offer.provider);
    offer.region = arena_strdup(table->arena, offer.region);
    offer.type = arena_strdup(table->arena, offer.type);
    struct pack_offer *offers = (struct pack_offer *)(uintptr_t)problem->offers;
    problem->offers = offers = arena_push(table->arena, offers, problem->offer_count, sizeof(*offers));
    offers[problem->offer_count++] = offer;
    return true;
}

enum err_class pack_read_offers(const char *path, struct arena *arena, struct pack_problem *ret, struct error *err) {
    static const struct column columns[OFFER_COLUMNS] = {
        [OFFER_PROVIDER] = {"provider", false},  [OFFER_REGION] = {"region", false},
        [OFFER_TYPE] = {"instance_type", false}, [OFFER_CPU] = {"vcpu", false},
        [OFFER_MEMORY] = {"memory_gib", false},  [OFFER_PRICE] = {"price_ondemand_usd_hr", false},
        [OFFER_GPU] = {"gpu_count", true}};
    struct table table = {.path = path,
                          .columns = columns,
                          .column_count = OFFER_COLUMNS,
                          .arena = arena,
                          .problem = ret,
                          .take = offer_take};
    return read_table(&table, err);
}
