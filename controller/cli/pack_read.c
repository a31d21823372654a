/*
 * See pack_read.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/pack_read.h"

#include <math.h>
#include <string.h>

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

/* A whole number from 1 on; 0: the field is empty, so there is no limit. */
static bool limit_read(const struct csv_table *table, const struct csv_stream *csv, size_t column, int64_t *ret,
                       struct error *err) {
    const char *text = csv_table_field(table, csv, column);
    if (!amount_read(table, csv, column, 1, WHOLE_ONLY, PACK_COUNT_MAX, ret, err))
        return false;
    if (*text && *ret == 0)
        return csv_table_fault(csv, err, "%s: 0 leaves room for no piece; leave it empty where there is no limit",
                               table->columns[column].name);
    return true;
}

static bool architecture_read(const struct csv_table *table, const struct csv_stream *csv, size_t column,
                              const char **ret, struct error *err) {
    const char *text = csv_table_field(table, csv, column);
    if (*text && !str_eq(text, "amd64") && !str_eq(text, "arm64"))
        return csv_table_fault(csv, err, "architecture: \"%.40s\" is neither amd64 nor arm64", text);
    *ret = arena_strdup(table->arena, text);
    return true;
}

/* ---- demands ---- */

enum {
    DEMAND_NAME,
    DEMAND_CPU,
    DEMAND_MEMORY,
    DEMAND_COUNT,
    DEMAND_GPU,
    DEMAND_PER_NODE,
    DEMAND_SKEW,
    DEMAND_ARCHITECTURE,
    DEMAND_COLUMNS
};

static bool demand_take(struct csv_table *table, const struct csv_stream *csv, struct error *err) {
    struct pack_problem *problem = table->ctx;
    struct pack_demand demand = {.name = csv_table_field(table, csv, DEMAND_NAME)};
    if (!*demand.name)
        return csv_table_fault(csv, err, "name is empty");
    if (!amount_read(table, csv, DEMAND_CPU, 1, ROUND_UP, PACK_AMOUNT_MAX, &demand.need[PACK_CPU], err) ||
        !amount_read(table, csv, DEMAND_MEMORY, 1, ROUND_UP, PACK_AMOUNT_MAX, &demand.need[PACK_MEMORY], err) ||
        !amount_read(table, csv, DEMAND_COUNT, 1, WHOLE_ONLY, PACK_COUNT_MAX, &demand.count, err) ||
        !amount_read(table, csv, DEMAND_GPU, 1, WHOLE_ONLY, PACK_AMOUNT_MAX, &demand.need[PACK_GPU], err) ||
        !limit_read(table, csv, DEMAND_PER_NODE, &demand.per_node_max, err) ||
        !limit_read(table, csv, DEMAND_SKEW, &demand.skew_max, err) ||
        !architecture_read(table, csv, DEMAND_ARCHITECTURE, &demand.architecture, err))
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
                                                                    [DEMAND_GPU] = {"gpu", true},
                                                                    [DEMAND_PER_NODE] = {"max_per_node", true},
                                                                    [DEMAND_SKEW] = {"max_skew", true},
                                                                    [DEMAND_ARCHITECTURE] = {"architecture", true}};
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

enum {
    OFFER_PROVIDER,
    OFFER_REGION,
    OFFER_TYPE,
    OFFER_CPU,
    OFFER_MEMORY,
    OFFER_PRICE,
    OFFER_GPU,
    OFFER_ZONE,
    OFFER_ARCHITECTURE,
    OFFER_COLUMNS
};

static const char *spread_demand(const struct pack_problem *problem) {
    for (size_t i = 0; i < problem->demand_count; i++)
        if (problem->demands[i].skew_max > 0)
            return problem->demands[i].name;
    return NULL;
}

struct offers {
    struct pack_problem *problem;
    const char *spread; /* A demand with max_skew; NULL: there is none. */
};

static bool offer_add(struct csv_table *table, const struct csv_stream *csv, const struct pack_offer *offer,
                      const char *zone, struct error *err) {
    const struct offers *all = table->ctx;
    struct pack_problem *problem = all->problem;
    char *key = mem_printf("%s\n%s\n%s\n%s", offer->provider, offer->region, offer->type, zone);
    bool added = csv_table_is_new(table, key);
    mem_free(key);
    if (!added)
        return csv_table_fault(csv, err, "%.40s %.40s %.80s%s%.40s is there twice", offer->provider, offer->region,
                               offer->type, *zone ? " " : "", zone);
    struct pack_offer *offers = (struct pack_offer *)(uintptr_t)problem->offers;
    problem->offers = offers = arena_push(table->arena, offers, problem->offer_count, sizeof(*offers));
    offers[problem->offer_count] = *offer;
    offers[problem->offer_count++].zone = all->spread ? arena_strdup(table->arena, zone) : "";
    return true;
}

/* As the catalogue has them: "a;b;c". Where nothing is spread, a machine is the same in each. */
static bool offer_take_zones(struct csv_table *table, const struct csv_stream *csv, const struct pack_offer *offer,
                             const char *zones, struct error *err) {
    char zone[64];
    if (!*zones || !((const struct offers *)table->ctx)->spread)
        return offer_add(table, csv, offer, zones, err);
    for (bool is_last = false; !is_last; zones += is_last ? 0 : 1) {
        size_t size = strcspn(zones, ";");
        if (size == 0 || size >= sizeof(zone))
            return csv_table_fault(csv, err,
                                   "zone: \"%.80s\": names of up to 63 bytes with ; between them are expected",
                                   csv_table_field(table, csv, OFFER_ZONE));
        memcpy(zone, zones, size);
        zone[size] = '\0';
        zones += size;
        is_last = !*zones;
        if (!offer_add(table, csv, offer, zone, err))
            return false;
    }
    return true;
}

static bool offer_take(struct csv_table *table, const struct csv_stream *csv, struct error *err) {
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
    offer.provider = arena_strdup(table->arena, offer.provider);
    offer.region = arena_strdup(table->arena, offer.region);
    offer.type = arena_strdup(table->arena, offer.type);
    offer.architecture = arena_strdup(table->arena, csv_table_field(table, csv, OFFER_ARCHITECTURE));
    return offer_take_zones(table, csv, &offer, csv_table_field(table, csv, OFFER_ZONE), err);
}

/* One zone alone keeps every skew, which is not what was meant. */
static enum err_class check_zones(const struct offers *all, const char *path, struct error *err) {
    const struct pack_problem *problem = all->problem;
    const struct pack_offer *first = problem->offers;
    for (size_t k = 0; k < problem->offer_count; k++)
        if (!str_eq(first->provider, problem->offers[k].provider) ||
            !str_eq(first->region, problem->offers[k].region) || !str_eq(first->zone, problem->offers[k].zone))
            return ERR_NONE;
    if (!all->spread || problem->offer_count == 0)
        return ERR_NONE;
    return error_set(err, ERR_PERMANENT,
                     "%.200s: zone: max_skew of \"%.80s\" needs offers in two zones at least, and all are in %.80s: "
                     "add a column zone",
                     path, all->spread, *first->zone ? first->zone : first->region);
}

enum err_class pack_read_offers(const char *path, struct arena *arena, struct pack_problem *ret, struct error *err) {
    static const struct csv_table_column columns[OFFER_COLUMNS] = {
        [OFFER_PROVIDER] = {"provider", false},  [OFFER_REGION] = {"region", false},
        [OFFER_TYPE] = {"instance_type", false}, [OFFER_CPU] = {"vcpu", false},
        [OFFER_MEMORY] = {"memory_gib", false},  [OFFER_PRICE] = {"price_ondemand_usd_hr", false},
        [OFFER_GPU] = {"gpu_count", true},       [OFFER_ZONE] = {"zone", true},
        [OFFER_ARCHITECTURE] = {"arch", true}};
    struct offers all = {ret, spread_demand(ret)};
    struct csv_table table = {.path = path,
                              .columns = columns,
                              .column_count = OFFER_COLUMNS,
                              .arena = arena,
                              .rows_max = ROWS_MAX - 1,
                              .ctx = &all,
                              .take = offer_take};
    enum err_class class = csv_table_read(&table, err);
    return class == ERR_NONE ? check_zones(&all, path, err) : class;
}
