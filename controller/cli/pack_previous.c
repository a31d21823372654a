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

#define READ_SIZE 65536
#define DUAL_MAX 1e9

struct reading {
    const struct pack_problem *problem;
    struct arena *arena;
    struct map demands; /* By name: &problem->demands[i]. */
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

static enum err_class read_plan(const struct json *json, struct arena *arena, struct pack_problem *problem,
                                struct error *err) {
    struct reading r = {.problem = problem, .arena = arena, .err = err};
    struct pack_previous *previous = arena_alloc(arena, sizeof(*previous));
    for (size_t i = 0; i < problem->demand_count; i++)
        (void)map_put(&r.demands, problem->demands[i].name, (void *)(uintptr_t)&problem->demands[i]);
    bool is_read = list_read(&r, json, "purchases", true, &previous->purchases, &previous->purchase_count) &&
                   list_read(&r, json, "patterns", false, &previous->patterns, &previous->pattern_count) &&
                   duals_read(&r, json_get(json, "duals"), &previous->duals);
    map_release(&r.demands);
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
