/*
 * See pack_previous.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/pack_previous.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"

#define READ_SIZE 65536
#define DUAL_MAX 1e9

struct reading {
    const struct pack_problem *problem;
    struct arena *arena;
    struct map demands; /* By name: &problem->demands[i]. */
    struct map zones;   /* An offer of each. */
    struct error *err;
};

static bool count_read(const struct json *json, int64_t *ret) {
    *ret = json_int(json, 0);
    return json_type(json) == JSON_INT && *ret > 0 && *ret <= PACK_COUNT_MAX;
}

static bool loads_read(struct reading *r, const struct json *json, struct pack_purchase *ret) {
    struct pack_load *loads = arena_alloc_array(r->arena, json_object_count(json), sizeof(*loads));
    if (json_type(json) != JSON_OBJECT) {
        (void)error_set(r->err, ERR_PERMANENT, "workloads: an object is expected");
        return false;
    }
    for (struct json_iter it = json_iter(json); json_iter_next(&it);) {
        const struct pack_demand *demand = map_get(&r->demands, it.key);
        int64_t count;
        if (!count_read(it.value, &count)) {
            (void)error_set(r->err, ERR_PERMANENT, "workloads: %.80s: a number of pieces is expected", it.key);
            return false;
        }
        loads[ret->load_count++] =
            (struct pack_load){demand ? (size_t)(demand - r->problem->demands) : PACK_NO_DEMAND, count};
    }
    ret->loads = loads;
    return true;
}

static char *zone_key(const char *provider, const char *region, const char *zone) {
    return mem_printf("%s\n%s\n%s", provider, region, zone);
}

/* An offer of the zone that the item names; PACK_NO_OFFER: there is none any more. */
static size_t offer_of(const struct reading *r, const struct json *item) {
    char *key = zone_key(json_string(json_get(item, "provider"), ""), json_string(json_get(item, "region"), ""),
                         json_string(json_get(item, "zone"), ""));
    const struct pack_offer *offer = map_get(&r->zones, key);
    mem_free(key);
    return offer ? (size_t)(offer - r->problem->offers) : PACK_NO_OFFER;
}

/* with_count: of purchases; patterns have none. */
static bool list_read(struct reading *r, const struct json *json, const char *name, bool with_count,
                      const struct pack_purchase **ret, size_t *ret_count) {
    const struct json *items = json_get(json, name);
    size_t count = json_array_count(items);
    struct pack_purchase *list = arena_alloc_array(r->arena, count, sizeof(*list));
    if (json_type(items) != JSON_ARRAY) {
        (void)error_set(r->err, ERR_PERMANENT, "%s: an array is expected", name);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct json *item = json_array_at(items, i);
        if (with_count && !count_read(json_get(item, "count"), &list[i].count)) {
            (void)error_set(r->err, ERR_PERMANENT, "%s[%zu]: count: a number of nodes is expected", name, i);
            return false;
        }
        if (!loads_read(r, json_get(item, "workloads"), &list[i])) {
            (void)error_wrap(r->err, "%s[%zu]", name, i);
            return false;
        }
        list[i].offer = offer_of(r, item);
    }
    *ret = list;
    *ret_count = count;
    return true;
}

static bool duals_read(struct reading *r, const struct json *json, const double **ret) {
    double *duals = arena_alloc_array(r->arena, r->problem->demand_count, sizeof(*duals));
    if (json_type(json) != JSON_OBJECT) {
        (void)error_set(r->err, ERR_PERMANENT, "duals: an object is expected");
        return false;
    }
    for (struct json_iter it = json_iter(json); json_iter_next(&it);) {
        const struct pack_demand *demand = map_get(&r->demands, it.key);
        double value = json_double(it.value, -1);
        if (!(value >= 0 && value <= DUAL_MAX)) {
            (void)error_set(r->err, ERR_PERMANENT, "duals: %.80s: a number from 0 on is expected", it.key);
            return false;
        }
        if (demand)
            duals[demand - r->problem->demands] = value;
    }
    *ret = duals;
    return true;
}

/* Plans without demands that are spread have none. */
static bool zone_duals_read(struct reading *r, const struct json *items, struct pack_previous *ret) {
    size_t count = json_array_count(items);
    struct pack_zone_dual *list = arena_alloc_array(r->arena, count, sizeof(*list));
    if (items && json_type(items) != JSON_ARRAY) {
        (void)error_set(r->err, ERR_PERMANENT, "zoneDuals: an array is expected");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct json *item = json_array_at(items, i);
        const struct pack_demand *demand = map_get(&r->demands, json_string(json_get(item, "workload"), ""));
        double value = json_double(json_get(item, "dual"), -1);
        if (!(value >= 0 && value <= DUAL_MAX)) {
            (void)error_set(r->err, ERR_PERMANENT, "zoneDuals[%zu]: dual: a number from 0 on is expected", i);
            return false;
        }
        size_t offer = offer_of(r, item);
        if (demand && offer != PACK_NO_OFFER)
            list[ret->zone_dual_count++] =
                (struct pack_zone_dual){(size_t)(demand - r->problem->demands), offer, value};
    }
    ret->zone_duals = list;
    return true;
}

static enum err_class read_plan(const struct json *json, struct arena *arena, struct pack_problem *problem,
                                struct error *err) {
    struct reading r = {.problem = problem, .arena = arena, .err = err};
    struct pack_previous *previous = arena_alloc(arena, sizeof(*previous));
    for (size_t i = 0; i < problem->demand_count; i++)
        (void)map_put(&r.demands, problem->demands[i].name, (void *)(uintptr_t)&problem->demands[i]);
    for (size_t k = 0; k < problem->offer_count; k++) {
        const struct pack_offer *offer = &problem->offers[k];
        char *key = zone_key(offer->provider, offer->region, offer->zone);
        (void)map_put(&r.zones, key, (void *)(uintptr_t)offer);
        mem_free(key);
    }
    bool is_read = list_read(&r, json, "purchases", true, &previous->purchases, &previous->purchase_count) &&
                   list_read(&r, json, "patterns", false, &previous->patterns, &previous->pattern_count) &&
                   duals_read(&r, json_get(json, "duals"), &previous->duals) &&
                   zone_duals_read(&r, json_get(json, "zoneDuals"), previous);
    map_release(&r.demands);
    map_release(&r.zones);
    problem->previous = previous;
    return is_read ? ERR_NONE : err->class;
}

enum err_class pack_read_previous(const char *path, struct arena *arena, struct pack_problem *ret, struct error *err) {
    struct buf text = {0};
    struct json *json = NULL;
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(err, ERR_PERMANENT, "%s: %s", path, strerror(errno));
    for (size_t size = 1; size > 0 && text.size <= JSON_SIZE_MAX;) { /* One piece too many: the parser says so. */
        buf_reserve(&text, READ_SIZE);
        size = fread(text.data + text.size, 1, READ_SIZE, file);
        text.size += size;
    }
    enum err_class class =
        ferror(file) ? error_set(err, ERR_PERMANENT, "cannot be read") : json_parse(buf_bytes(&text), &json, err);
    (void)fclose(file);
    if (class == ERR_NONE)
        class = read_plan(json, arena, ret, err);
    json_free(json);
    buf_release(&text);
    return class == ERR_NONE ? ERR_NONE : error_wrap(err, "%s", path);
}
