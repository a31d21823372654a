/*
 * See pack_read.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/pack_read.h"

#include <math.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/csv_table.h"

#define ROWS_MAX 100000
#define PRICE_MAX 5000 /* As many as there may be pieces of a demand cost a sum that is still money. */

enum rounding { ROUND_UP, ROUND_DOWN, WHOLE_ONLY };

/* A number >= 0, times `factor`, as a whole: needs are rounded up, what is offered down. */
static bool amount_read(const struct csv_table *table, const struct csv_stream *csv, size_t column, double factor,
                        enum rounding rounding, int64_t most, int64_t *ret, struct error *err) {
    const char *text = csv_table_field(table, csv, column), *name = table->columns[column].name;
    double exact;
    if (!*text && table->columns[column].is_optional) {
        *ret = 0;
        return true;
    }
    if (!csv_table_number(csv, name, text, factor, (double)most, &exact, err))
        return false;
    if (rounding == WHOLE_ONLY && exact != floor(exact)) /* Its factor is 1. */
        return csv_table_fault(csv, err, "%s: %.40s is no whole number", name, text);
    /* What is whole in decimals may be a little off in binary. */
    double near = round(exact);
    bool is_near = fabs(exact - near) <= 1e-9 * (1 + near);
    *ret = (int64_t)(is_near ? near : rounding == ROUND_UP ? ceil(exact) : floor(exact));
    return true;
}

/* ---- demands ---- */

enum { DEMAND_NAME, DEMAND_CPU, DEMAND_MEMORY, DEMAND_COUNT, DEMAND_GPU, DEMAND_COLUMNS };

static bool demand_take(struct csv_table *table, const struct csv_stream *csv, struct error *err) {
    struct pack_problem *problem = table->ctx;
    struct pack_demand demand = {.name = csv_table_field(table, csv, DEMAND_NAME)};
    if (!*demand.name)
        return csv_table_fault(csv, err, "name is empty");
    if (!amount_read(table, csv, DEMAND_CPU, 1, ROUND_UP, PACK_AMOUNT_MAX, &demand.need[PACK_CPU], err) ||
        !amount_read(table, csv, DEMAND_MEMORY, 1, ROUND_UP, PACK_AMOUNT_MAX, &demand.need[PACK_MEMORY], err) ||
        !amount_read(table, csv, DEMAND_COUNT, 1, WHOLE_ONLY, PACK_COUNT_MAX, &demand.count, err) ||
        !amount_read(table, csv, DEMAND_GPU, 1, WHOLE_ONLY, PACK_AMOUNT_MAX, &demand.need[PACK_GPU], err))
        return false;
    if (!csv_table_is_new(table, demand.name))
        return csv_table_fault(csv, err, "name: \"%.80s\" is there twice", demand.name);
    demand.name = arena_strdup(table->arena, demand.name);
    struct pack_demand *demands = (struct pack_demand *)(uintptr_t)problem->demands;
    problem->demands = demands = arena_push(table->arena, demands, problem->demand_count, sizeof(*demands));
    demands[problem->demand_count++] = demand;
    return true;
}

enum err_class pack_read_demands(const char *path, struct arena *arena, struct pack_problem *ret, struct error *err) {
    static const struct csv_table_column columns[DEMAND_COLUMNS] = {[DEMAND_NAME] = {"name", false},
                                                                    [DEMAND_CPU] = {"cpu_millis", false},
                                                                    [DEMAND_MEMORY] = {"memory_mib", false},
                                                                    [DEMAND_COUNT] = {"count", false},
                                                                    [DEMAND_GPU] = {"gpu", true}};
    struct csv_table table = {.path = path,
                              .columns = columns,
                              .column_count = DEMAND_COLUMNS,
                              .arena = arena,
                              .rows_max = ROWS_MAX - 1,
                              .ctx = ret,
                              .take = demand_take};
    return csv_table_read(&table, err);
}

/* ---- offers ---- */

enum { OFFER_PROVIDER, OFFER_REGION, OFFER_TYPE, OFFER_CPU, OFFER_MEMORY, OFFER_PRICE, OFFER_GPU, OFFER_COLUMNS };

static bool offer_take(struct csv_table *table, const struct csv_stream *csv, struct error *err) {
    struct pack_problem *problem = table->ctx;
    struct pack_offer offer = {.provider = csv_table_field(table, csv, OFFER_PROVIDER),
                               .region = csv_table_field(table, csv, OFFER_REGION),
                               .type = csv_table_field(table, csv, OFFER_TYPE)};
    if (!*offer.type)
        return csv_table_fault(csv, err, "instance_type is empty");
    if (!amount_read(table, csv, OFFER_CPU, 1000, ROUND_DOWN, PACK_AMOUNT_MAX, &offer.has[PACK_CPU], err) ||
        !amount_read(table, csv, OFFER_MEMORY, 1024, ROUND_DOWN, PACK_AMOUNT_MAX, &offer.has[PACK_MEMORY], err) ||
        !amount_read(table, csv, OFFER_GPU, 1, WHOLE_ONLY, PACK_AMOUNT_MAX, &offer.has[PACK_GPU], err))
        return false;
    if (offer.has[PACK_CPU] == 0 || offer.has[PACK_MEMORY] == 0)
        return csv_table_fault(csv, err, "%.80s has no vCPU or no memory", offer.type);
    const char *price = csv_table_field(table, csv, OFFER_PRICE);
    double value;
    if (!str_to_double(price, &value) || value <= 0 || value > PRICE_MAX)
        return csv_table_fault(csv, err, "price_ondemand_usd_hr: \"%.40s\" is no price above 0 up to 5000", price);
    offer.price_hourly = money_from_double(value);
    if (offer.price_hourly == 0)
        return csv_table_fault(csv, err, "price_ondemand_usd_hr: %.40s is less than a millionth", price);
    char *key = mem_printf("%s\n%s\n%s", offer.provider, offer.region, offer.type);
    bool added = csv_table_is_new(table, key);
    mem_free(key);
    if (!added)
        return csv_table_fault(csv, err, "%.40s %.40s %.80s is there twice", offer.provider, offer.region, offer.type);
    offer.provider = arena_strdup(table->arena, offer.provider);
    offer.region = arena_strdup(table->arena, offer.region);
    offer.type = arena_strdup(table->arena, offer.type);
    struct pack_offer *offers = (struct pack_offer *)(uintptr_t)problem->offers;
    problem->offers = offers = arena_push(table->arena, offers, problem->offer_count, sizeof(*offers));
    offers[problem->offer_count++] = offer;
    return true;
}

enum err_class pack_read_offers(const char *path, struct arena *arena, struct pack_problem *ret, struct error *err) {
    static const struct csv_table_column columns[OFFER_COLUMNS] = {
        [OFFER_PROVIDER] = {"provider", false},  [OFFER_REGION] = {"region", false},
        [OFFER_TYPE] = {"instance_type", false}, [OFFER_CPU] = {"vcpu", false},
        [OFFER_MEMORY] = {"memory_gib", false},  [OFFER_PRICE] = {"price_ondemand_usd_hr", false},
        [OFFER_GPU] = {"gpu_count", true}};
    struct csv_table table = {.path = path,
                              .columns = columns,
                              .column_count = OFFER_COLUMNS,
                              .arena = arena,
                              .rows_max = ROWS_MAX - 1,
                              .ctx = ret,
                              .take = offer_take};
    return csv_table_read(&table, err);
}
