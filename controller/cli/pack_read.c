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
static bool amount_make(const struct csv_stream *csv, const char *name, const char *text, double factor,
                        enum rounding rounding, int64_t most, int64_t *ret, struct error *err) {
    double exact;
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

static bool amount_read(const struct csv_table *table, const struct csv_stream *csv, size_t column, double factor,
                        enum rounding rounding, int64_t most, int64_t *ret, struct error *err) {
    const char *text = csv_table_field(table, csv, column);
    *ret = 0;
    return (!*text && table->columns[column].is_optional) ||
           amount_make(csv, table->columns[column].name, text, factor, rounding, most, ret, err);
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

/* ---- resources by name ---- */

#define OTHER_PREFIX "resource:"

struct reading {
    struct pack_problem *problem;
    const char *spread;               /* Of offers: a demand with max_skew; NULL: there is none. */
    size_t other_at[PACK_OTHERS_MAX]; /* Field + 1 of each that the problem names; 0: not there. */
};

/* Where in the problem; PACK_OTHERS_MAX: it is not named. */
static size_t other_find(const struct pack_problem *problem, const char *name) {
    size_t i = 0;
    while (i < PACK_OTHERS_MAX && !(problem->others[i] && str_eq(problem->others[i], name)))
        i++;
    return i;
}

static size_t other_count(const struct pack_problem *problem) {
    size_t count = 0;
    while (count < PACK_OTHERS_MAX && problem->others[count])
        count++;
    return count;
}

static bool other_at_set(struct reading *r, const struct csv_stream *csv, size_t index, size_t field,
                         struct error *err) {
    if (r->other_at[index])
        return csv_table_fault(csv, err, "the column %.80s is there twice", csv_stream_field(csv, field));
    r->other_at[index] = field + 1;
    return true;
}

static bool demand_other_take(struct csv_table *table, const struct csv_stream *csv, size_t field, struct error *err) {
    struct reading *r = table->ctx;
    const char *name = csv_stream_field(csv, field) + strlen(OTHER_PREFIX);
    size_t index = other_find(r->problem, name);
    if (!*name)
        return csv_table_fault(csv, err, "column %zu: " OTHER_PREFIX " has no name behind it", field + 1);
    if (index == PACK_OTHERS_MAX) {
        index = other_count(r->problem);
        if (index == PACK_OTHERS_MAX)
            return csv_table_fault(csv, err, "there are more than %d columns " OTHER_PREFIX "NAME", PACK_OTHERS_MAX);
        r->problem->others[index] = arena_strdup(table->arena, name);
    }
    return other_at_set(r, csv, index, field, err);
}

static bool demands_header_take(struct csv_table *table, const struct csv_stream *csv, struct error *err) {
    for (size_t f = 0; f < csv->field_count; f++)
        if (str_has_prefix(csv_stream_field(csv, f), OTHER_PREFIX) && !demand_other_take(table, csv, f, err))
            return false;
    return true;
}

/* What no demand names is passed over. */
static bool offers_header_take(struct csv_table *table, const struct csv_stream *csv, struct error *err) {
    struct reading *r = table->ctx;
    for (size_t f = 0; f < csv->field_count; f++) {
        const char *column = csv_stream_field(csv, f);
        size_t index = PACK_OTHERS_MAX;
        if (str_has_prefix(column, OTHER_PREFIX))
            index = other_find(r->problem, column + strlen(OTHER_PREFIX));
        if (index < PACK_OTHERS_MAX && !other_at_set(r, csv, index, f, err))
            return false;
    }
    for (size_t i = 0; i < PACK_OTHERS_MAX; i++)
        if (r->problem->others[i] && !r->other_at[i])
            return csv_table_fault(csv, err, "the header lacks the column " OTHER_PREFIX "%.80s, which demands ask for",
                                   r->problem->others[i]);
    return true;
}

/* In thousandths; an empty field is 0. */
static bool others_read(const struct reading *r, const struct csv_stream *csv, enum rounding rounding, int64_t *ret,
                        struct error *err) {
    for (size_t i = 0; i < PACK_OTHERS_MAX; i++) {
        const char *text = r->other_at[i] ? csv_stream_field(csv, r->other_at[i] - 1) : "";
        if (*text && !amount_make(csv, r->problem->others[i], text, 1000, rounding, PACK_AMOUNT_MAX, &ret[i], err))
            return false;
    }
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
    struct reading *r = table->ctx;
    struct pack_problem *problem = r->problem;
    struct pack_demand demand = {.name = csv_table_field(table, csv, DEMAND_NAME)};
    if (!*demand.name)
        return csv_table_fault(csv, err, "name is empty");
    if (!amount_read(table, csv, DEMAND_CPU, 1, ROUND_UP, PACK_AMOUNT_MAX, &demand.need[PACK_CPU], err) ||
        !amount_read(table, csv, DEMAND_MEMORY, 1, ROUND_UP, PACK_AMOUNT_MAX, &demand.need[PACK_MEMORY], err) ||
        !amount_read(table, csv, DEMAND_COUNT, 1, WHOLE_ONLY, PACK_COUNT_MAX, &demand.count, err) ||
        !amount_read(table, csv, DEMAND_GPU, 1, WHOLE_ONLY, PACK_AMOUNT_MAX, &demand.need[PACK_GPU], err) ||
        !others_read(r, csv, ROUND_UP, &demand.need[PACK_OTHER], err) ||
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
    struct reading reading = {.problem = ret};
    struct csv_table table = {.path = path,
                              .columns = columns,
                              .column_count = DEMAND_COLUMNS,
                              .arena = arena,
                              .rows_max = ROWS_MAX - 1,
                              .ctx = &reading,
                              .take = demand_take,
                              .take_header = demands_header_take};
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

static bool offer_add(struct csv_table *table, const struct csv_stream *csv, const struct pack_offer *offer,
                      const char *zone, struct error *err) {
    const struct reading *all = table->ctx;
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
    if (!*zones || !((const struct reading *)table->ctx)->spread)
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
        !amount_read(table, csv, OFFER_GPU, 1, WHOLE_ONLY, PACK_AMOUNT_MAX, &offer.has[PACK_GPU], err) ||
        !others_read(table->ctx, csv, ROUND_DOWN, &offer.has[PACK_OTHER], err))
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
static enum err_class check_zones(const struct reading *all, const char *path, struct error *err) {
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
    struct reading all = {.problem = ret, .spread = spread_demand(ret)};
    struct csv_table table = {.path = path,
                              .columns = columns,
                              .column_count = OFFER_COLUMNS,
                              .arena = arena,
                              .rows_max = ROWS_MAX - 1,
                              .ctx = &all,
                              .take = offer_take,
                              .take_header = offers_header_take};
    enum err_class class = csv_table_read(&table, err);
    return class == ERR_NONE ? check_zones(&all, path, err) : class;
}
