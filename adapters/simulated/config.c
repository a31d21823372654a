/*
 * spec.simulated, read strictly: an unknown key is an error that names the key, a bad value one that names its path
 * ("spec.simulated.groups[0].bootDelay"). The tables below, which fields.c reads by, are the reference of what may be
 * written; README.md says what it means.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/simulated/fields.h"
#include "adapters/simulated/simulated_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define INSTANCES_MAX 100000
#define GROUP_MAX_DEFAULT 1000

static enum err_class read_tags(struct sim *sim, const struct json *node, const char *path,
                                const struct cloud_tag **ret, size_t *ret_count, struct error *err) {
    size_t count = 0;
    struct cloud_tag *tags = arena_alloc_array(&sim->arena, json_object_count(node), sizeof(*tags));
    for (struct json_iter it = json_iter(node); json_iter_next(&it);) {
        const char *value = json_string(it.value, NULL);
        if (!value) {
            char at[SIM_PATH_SIZE];
            sim_path_join(at, path, it.key);
            return sim_field_refuse(err, at, "expected a text");
        }
        tags[count++] = (struct cloud_tag){arena_strdup(&sim->arena, it.key), arena_strdup(&sim->arena, value)};
    }
    if (count > 0) {
        qsort(tags, count, sizeof(*tags), cloud_tag_cmp);
    }
    *ret = tags;
    *ret_count = count;
    return ERR_NONE;
}

/* What a group and an instance have in common: where it is, and what its type is worth. */
static enum err_class check_place(const struct sim *sim, const char *path, const char *region, const char *type,
                                  int64_t *ret_vcpu_milli, int64_t *ret_memory_mib, struct error *err) {
    char at[SIM_PATH_SIZE];
    bool known = sim->region_count == 0;
    for (size_t i = 0; i < sim->region_count; i++) {
        known = known || str_eq(sim->regions[i], region);
    }
    if (!known) {
        sim_path_join(at, path, "region");
        return sim_field_refuse(err, at, "`%s` is not among the Provider's regions", region);
    }
    struct cloud_offer offer = {0};
    /* Price lists have holes: a type that is priced elsewhere only is still of a known size. */
    if (sim->catalogue && !catalogue_find(sim->catalogue, sim->prices, region, type, &offer) &&
        !catalogue_find(sim->catalogue, sim->prices, NULL, type, &offer)) {
        sim_path_join(at, path, "instanceType");
        return sim_field_refuse(err, at, "the price list has no `%s` of %s", type, sim->prices);
    }
    *ret_vcpu_milli = offer.vcpu_milli;
    *ret_memory_mib = offer.memory_mib;
    return ERR_NONE;
}

struct raw_demand {
    const char *trace;
    double vcpu_peak;
    int64_t offset_ms;
};

static const struct sim_field demand_fields[] = {
    {"trace", SIM_FIELD_TEXT, true, offsetof(struct raw_demand, trace), 0, 0},
    {"vcpuPeak", SIM_FIELD_DECIMAL, true, offsetof(struct raw_demand, vcpu_peak), 0, 0},
    {"offset", SIM_FIELD_DURATION, false, offsetof(struct raw_demand, offset_ms), 0, 0},
};

/* What names one file shares one trace. */
static const struct sim_trace *trace_known(const struct sim *sim, const char *path) {
    for (size_t i = 0; i < sim->group_count; i++) {
        if (sim->groups[i].load.trace && str_eq(sim->groups[i].load.trace->path, path)) {
            return sim->groups[i].load.trace;
        }
    }
    for (size_t i = 0; i < sim->item_count; i++) {
        if (sim->items[i].load.trace && str_eq(sim->items[i].load.trace->path, path)) {
            return sim->items[i].load.trace;
        }
    }
    return NULL;
}

struct loaded { /* What has demand, as far as reading it needs that. */
    struct sim_load *load;
    const char *type;
    int64_t vcpu_milli;
};

static enum err_class read_demand(struct sim *sim, struct loaded of, const struct json *node, const char *path,
                                  const char *base_dir, struct error *err) {
    struct raw_demand raw = {0};
    char at[SIM_PATH_SIZE];
    enum err_class class = sim_fields_read(node, path, demand_fields, ARRAY_LEN(demand_fields), &raw, err);
    if (class != ERR_NONE) {
        return class;
    }
    sim_path_join(at, path, "trace");
    if (!base_dir || raw.trace[0] == '/') {
        return sim_field_refuse(err, at, base_dir ? "must be relative to its manifest" : "files cannot be named here");
    }
    if (of.vcpu_milli == 0) {
        return sim_field_refuse(err, path, "the vCPU of `%s` are not known, so there can be no demand", of.type);
    }
    char *file = mem_printf("%s/%s", base_dir, raw.trace);
    of.load->trace = trace_known(sim, file);
    if (!of.load->trace) {
        struct sim_trace *trace = arena_alloc(&sim->arena, sizeof(*trace));
        class = sim_trace_load(trace, &sim->arena, file, raw.trace, err);
        of.load->trace = trace;
    }
    mem_free(file);
    if (class != ERR_NONE) {
        return error_wrap(err, "spec.simulated.%s", at);
    }
    of.load->vcpu_per_unit = raw.vcpu_peak / of.load->trace->value_max;
    of.load->offset_ms = raw.offset_ms;
    return ERR_NONE;
}

struct raw_group {
    const char *name, *region, *zone, *type;
    int64_t count, min, max, boot_delay_ms;
    const struct json *tags, *demand;
};

static const struct sim_field group_fields[] = {
    {"name", SIM_FIELD_TEXT, true, offsetof(struct raw_group, name), 0, 0},
    {"region", SIM_FIELD_TEXT, true, offsetof(struct raw_group, region), 0, 0},
    {"zone", SIM_FIELD_TEXT, false, offsetof(struct raw_group, zone), 0, 0},
    {"instanceType", SIM_FIELD_TEXT, true, offsetof(struct raw_group, type), 0, 0},
    {"count", SIM_FIELD_INT, true, offsetof(struct raw_group, count), 0, SIM_MACHINES_MAX},
    {"min", SIM_FIELD_INT, false, offsetof(struct raw_group, min), 0, SIM_MACHINES_MAX},
    {"max", SIM_FIELD_INT, false, offsetof(struct raw_group, max), 0, SIM_MACHINES_MAX},
    {"bootDelay", SIM_FIELD_DURATION, false, offsetof(struct raw_group, boot_delay_ms), 0, 0},
    {"tags", SIM_FIELD_OBJECT, false, offsetof(struct raw_group, tags), 0, 0},
    {"demand", SIM_FIELD_OBJECT, false, offsetof(struct raw_group, demand), 0, 0},
};

static enum err_class read_group(struct sim *sim, const struct json *node, const char *path, const char *base_dir,
                                 struct error *err) {
    struct raw_group raw = {.zone = "", .max = GROUP_MAX_DEFAULT};
    char at[SIM_PATH_SIZE];
    enum err_class class = sim_fields_read(node, path, group_fields, ARRAY_LEN(group_fields), &raw, err);
    if (class != ERR_NONE) {
        return class;
    }
    if (raw.count < raw.min || raw.count > raw.max) {
        sim_path_join(at, path, "count");
        return sim_field_refuse(err, at, "%lld is not between min (%lld) and max (%lld)", (long long)raw.count,
                                (long long)raw.min, (long long)raw.max);
    }
    if (sim_group_find(sim, raw.region, raw.name)) {
        sim_path_join(at, path, "name");
        return sim_field_refuse(err, at, "%s has a group `%s` already", raw.region, raw.name);
    }
    struct sim_group *group = &sim->groups[sim->group_count];
    *group = (struct sim_group){
        .name = arena_strdup(&sim->arena, raw.name),
        .region = arena_strdup(&sim->arena, raw.region),
        .zone = arena_strdup(&sim->arena, raw.zone),
        .type = arena_strdup(&sim->arena, raw.type),
        .count_min = raw.min,
        .count_max = raw.max,
        .boot_delay_ms = raw.boot_delay_ms,
        .serving = raw.count,
        .changes.before = {.desired = (int32_t)raw.count, .serving = (int32_t)raw.count},
    };
    class = check_place(sim, path, group->region, group->type, &group->vcpu_milli, &group->memory_mib, err);
    if (class == ERR_NONE) {
        sim_path_join(at, path, "tags");
        class = read_tags(sim, raw.tags, at, &group->tags, &group->tag_count, err);
    }
    if (class == ERR_NONE && raw.demand) {
        sim_path_join(at, path, "demand");
        class = read_demand(sim, (struct loaded){&group->load, group->type, group->vcpu_milli}, raw.demand, at,
                            base_dir, err);
    }
    sim->group_count += class == ERR_NONE;
    return class;
}

struct raw_instance {
    const char *name, *region, *type, *state;
    int64_t boot_delay_ms, age_ms;
    const struct json *tags, *demand;
};

static const struct sim_field instance_fields[] = {
    {"name", SIM_FIELD_TEXT, true, offsetof(struct raw_instance, name), 0, 0},
    {"region", SIM_FIELD_TEXT, true, offsetof(struct raw_instance, region), 0, 0},
    {"instanceType", SIM_FIELD_TEXT, true, offsetof(struct raw_instance, type), 0, 0},
    {"state", SIM_FIELD_TEXT, false, offsetof(struct raw_instance, state), 0, 0},
    {"bootDelay", SIM_FIELD_DURATION, false, offsetof(struct raw_instance, boot_delay_ms), 0, 0},
    {"age", SIM_FIELD_DURATION, false, offsetof(struct raw_instance, age_ms), 0, 0},
    {"tags", SIM_FIELD_OBJECT, false, offsetof(struct raw_instance, tags), 0, 0},
    {"demand", SIM_FIELD_OBJECT, false, offsetof(struct raw_instance, demand), 0, 0},
};

/* The id is a function of region and name, and NULL if that name is taken. */
static const char *item_id(struct sim *sim, enum cloud_kind kind, const char *prefix, const char *region,
                           const char *name) {
    for (size_t i = 0; i < sim->item_count; i++) {
        const struct sim_item *item = &sim->items[i];
        if (item->kind == kind && str_eq(item->region, region) && str_eq(item->name, name))
            return NULL;
    }
    uint64_t hash = sim_mix(str_hash_text(str_hash_text(STR_HASH_SEED, region), name));
    return arena_printf(&sim->arena, "%s-%016llx", prefix, (unsigned long long)hash);
}

/* Of what is so old at the start; 0: that is not said. */
static int64_t born_at_ms(const struct sim *sim, int64_t age_ms) {
    return age_ms > 0 ? runtime_wall_ms(sim->runtime) - age_ms : 0;
}

static enum err_class read_instance(struct sim *sim, const struct json *node, const char *path, const char *base_dir,
                                    struct error *err) {
    struct raw_instance raw = {.state = "running"};
    char at[SIM_PATH_SIZE];
    enum err_class class = sim_fields_read(node, path, instance_fields, ARRAY_LEN(instance_fields), &raw, err);
    if (class != ERR_NONE) {
        return class;
    }
    size_t state = CLOUD_PENDING;
    while (state <= CLOUD_DELETING && !str_eq(cloud_state_name((enum cloud_state)state), raw.state)) {
        state++;
    }
    if (state > CLOUD_DELETING) {
        sim_path_join(at, path, "state");
        return sim_field_refuse(err, at, "expected pending, running, stopping, stopped or deleting");
    }
    const char *id = item_id(sim, CLOUD_INSTANCE, "i", raw.region, raw.name);
    if (id == NULL) {
        sim_path_join(at, path, "name");
        return sim_field_refuse(err, at, "%s has an instance `%s` already", raw.region, raw.name);
    }
    struct sim_item *item = sim_item_add(sim);
    item->kind = CLOUD_INSTANCE;
    item->id = id;
    item->name = arena_strdup(&sim->arena, raw.name);
    item->region = arena_strdup(&sim->arena, raw.region);
    item->type = arena_strdup(&sim->arena, raw.type);
    item->state = (enum cloud_state)state;
    item->boot_delay_ms = raw.boot_delay_ms;
    item->created_at_ms = item->state_since_ms = born_at_ms(sim, raw.age_ms);
    int32_t runs = item->state == CLOUD_RUNNING ? 1 : 0;
    item->changes.before = (struct sim_change){.desired = runs, .serving = runs};
    sim->boot_delay_ms = raw.boot_delay_ms > sim->boot_delay_ms ? raw.boot_delay_ms : sim->boot_delay_ms;
    class = check_place(sim, path, item->region, item->type, &item->vcpu_milli, &item->memory_mib, err);
    if (class == ERR_NONE) {
        sim_path_join(at, path, "tags");
        class = read_tags(sim, raw.tags, at, &item->tags, &item->tag_count, err);
    }
    if (class == ERR_NONE && raw.demand) {
        sim_path_join(at, path, "demand");
        class =
            read_demand(sim, (struct loaded){&item->load, item->type, item->vcpu_milli}, raw.demand, at, base_dir, err);
    }
    return class;
}

struct raw_volume {
    const char *name, *region, *type, *instance;
    int64_t size_gib, snapshot_delay_ms, age_ms;
    const struct json *tags;
};

static const struct sim_field volume_fields[] = {
    {"name", SIM_FIELD_TEXT, true, offsetof(struct raw_volume, name), 0, 0},
    {"region", SIM_FIELD_TEXT, true, offsetof(struct raw_volume, region), 0, 0},
    {"type", SIM_FIELD_TEXT, false, offsetof(struct raw_volume, type), 0, 0},
    {"sizeGiB", SIM_FIELD_INT, true, offsetof(struct raw_volume, size_gib), 1, 65536},
    {"instance", SIM_FIELD_TEXT, false, offsetof(struct raw_volume, instance), 0, 0},
    {"snapshotDelay", SIM_FIELD_DURATION, false, offsetof(struct raw_volume, snapshot_delay_ms), 0, 0},
    {"age", SIM_FIELD_DURATION, false, offsetof(struct raw_volume, age_ms), 0, 0},
    {"tags", SIM_FIELD_OBJECT, false, offsetof(struct raw_volume, tags), 0, 0},
};

/* The id of the instance that a volume hangs on; NULL: none is named, or (*ret_known false) there is none of that
 * name. */
static const char *instance_of(const struct sim *sim, const struct raw_volume *raw, bool *ret_known) {
    *ret_known = raw->instance == NULL;
    for (size_t i = 0; raw->instance != NULL && i < sim->item_count; i++) {
        const struct sim_item *item = &sim->items[i];
        if (item->kind != CLOUD_INSTANCE || !str_eq(item->region, raw->region) || !str_eq(item->name, raw->instance))
            continue;
        *ret_known = true;
        return item->id;
    }
    return NULL;
}

static enum err_class read_volume(struct sim *sim, const struct json *node, const char *path, struct error *err) {
    struct raw_volume raw = {.type = "ssd"};
    char at[SIM_PATH_SIZE];
    enum err_class class = sim_fields_read(node, path, volume_fields, ARRAY_LEN(volume_fields), &raw, err);
    if (class != ERR_NONE) {
        return class;
    }
    bool is_known;
    const char *parent = instance_of(sim, &raw, &is_known);
    const char *id = item_id(sim, CLOUD_VOLUME, "vol", raw.region, raw.name);
    if (!is_known || id == NULL || !sim_has_region(sim, raw.region)) {
        sim_path_join(at, path, !is_known ? "instance" : id == NULL ? "name" : "region");
        return sim_field_refuse(err, at,
                                !is_known    ? "%s has no instance `%s`"
                                : id == NULL ? "%s has a volume `%s` already"
                                             : "`%s` is not among the Provider's regions (%s)",
                                raw.region, !is_known ? raw.instance : raw.name);
    }
    struct sim_item *item = sim_item_add(sim);
    item->kind = CLOUD_VOLUME;
    item->id = id;
    item->name = arena_strdup(&sim->arena, raw.name);
    item->region = arena_strdup(&sim->arena, raw.region);
    item->type = arena_strdup(&sim->arena, raw.type);
    item->parent = parent;
    item->state = parent != NULL ? CLOUD_IN_USE : CLOUD_AVAILABLE;
    item->memory_mib = raw.size_gib * 1024;
    item->boot_delay_ms = raw.snapshot_delay_ms;
    item->created_at_ms = born_at_ms(sim, raw.age_ms);
    sim_path_join(at, path, "tags");
    return read_tags(sim, raw.tags, at, &item->tags, &item->tag_count, err);
}

static enum err_class read_capacity(struct sim *sim, const struct json *node, struct error *err) {
    sim->capacities = arena_alloc_array(&sim->arena, json_object_count(node), sizeof(*sim->capacities));
    for (struct json_iter it = json_iter(node); json_iter_next(&it);) {
        char at[SIM_PATH_SIZE];
        sim_path_join(at, "capacity", it.key);
        const char *slash = strchr(it.key, '/');
        if (!slash || slash == it.key || !slash[1]) {
            return sim_field_refuse(err, at, "the key is not `region/type`");
        }
        int64_t machines_max = json_int(it.value, -1);
        if (json_type(it.value) != JSON_INT || machines_max < 0) {
            return sim_field_refuse(err, at, "expected a whole number of machines");
        }
        sim->capacities[sim->capacity_count++] = (struct sim_capacity){
            .region = arena_strndup(&sim->arena, it.key, (size_t)(slash - it.key)),
            .type = arena_strdup(&sim->arena, slash + 1),
            .machines_max = machines_max,
        };
    }
    return ERR_NONE;
}

static enum err_class read_quotas(struct sim *sim, const struct json *node, struct error *err) {
    sim->quotas = arena_alloc_array(&sim->arena, json_object_count(node), sizeof(*sim->quotas));
    for (struct json_iter it = json_iter(node); json_iter_next(&it);) {
        char at[SIM_PATH_SIZE];
        sim_path_join(at, "quotas", it.key);
        int64_t vcpu_max = json_int(it.value, -1);
        if (json_type(it.value) != JSON_INT || vcpu_max < 0 || vcpu_max > 1000000) {
            return sim_field_refuse(err, at, "expected a whole number of vCPU");
        }
        sim->quotas[sim->quota_count++] =
            (struct sim_quota){.region = arena_strdup(&sim->arena, it.key), .vcpu_max = vcpu_max};
    }
    return ERR_NONE;
}

static const struct sim_field fault_fields[] = {
    {"latency", SIM_FIELD_DURATION, false, offsetof(struct sim_faults, latency_ms), 0, 0},
    {"errorPerMille", SIM_FIELD_INT, false, offsetof(struct sim_faults, error_per_mille), 0, 1000},
    {"throttlePerMille", SIM_FIELD_INT, false, offsetof(struct sim_faults, throttle_per_mille), 0, 1000},
    {"lostReplyPerMille", SIM_FIELD_INT, false, offsetof(struct sim_faults, lost_reply_per_mille), 0, 1000},
    {"staleReadPerMille", SIM_FIELD_INT, false, offsetof(struct sim_faults, stale_read_per_mille), 0, 1000},
};

struct raw_root {
    const char *prices;
    int64_t seed;
    const struct json *groups, *instances, *volumes, *faults, *capacity, *quotas;
};

static const struct sim_field root_fields[] = {
    {"prices", SIM_FIELD_TEXT, false, offsetof(struct raw_root, prices), 0, 0},
    {"seed", SIM_FIELD_INT, false, offsetof(struct raw_root, seed), INT64_MIN, INT64_MAX},
    {"groups", SIM_FIELD_ARRAY, false, offsetof(struct raw_root, groups), 0, 0},
    {"instances", SIM_FIELD_ARRAY, false, offsetof(struct raw_root, instances), 0, 0},
    {"volumes", SIM_FIELD_ARRAY, false, offsetof(struct raw_root, volumes), 0, 0},
    {"faults", SIM_FIELD_OBJECT, false, offsetof(struct raw_root, faults), 0, 0},
    {"capacity", SIM_FIELD_OBJECT, false, offsetof(struct raw_root, capacity), 0, 0},
    {"quotas", SIM_FIELD_OBJECT, false, offsetof(struct raw_root, quotas), 0, 0},
};

static enum err_class read_machines(struct sim *sim, const struct raw_root *raw, const char *base_dir,
                                    struct error *err) {
    size_t group_count = json_array_count(raw->groups), instance_count = json_array_count(raw->instances);
    size_t volume_count = json_array_count(raw->volumes);
    if (group_count > SIM_GROUPS_MAX || instance_count > INSTANCES_MAX || volume_count > INSTANCES_MAX) {
        return sim_field_refuse(err, "", "more than %d groups, %d instances or %d volumes", SIM_GROUPS_MAX,
                                INSTANCES_MAX, INSTANCES_MAX);
    }
    enum err_class class = ERR_NONE;
    char at[SIM_PATH_SIZE];
    sim->groups = arena_alloc_array(&sim->arena, group_count, sizeof(*sim->groups));
    for (size_t i = 0; class == ERR_NONE && i < group_count; i++) {
        (void)snprintf(at, sizeof(at), "groups[%zu]", i);
        class = read_group(sim, json_array_at(raw->groups, i), at, base_dir, err);
    }
    for (size_t i = 0; class == ERR_NONE && i < instance_count; i++) {
        (void)snprintf(at, sizeof(at), "instances[%zu]", i);
        class = read_instance(sim, json_array_at(raw->instances, i), at, base_dir, err);
    }
    for (size_t i = 0; class == ERR_NONE && i < volume_count; i++) {
        (void)snprintf(at, sizeof(at), "volumes[%zu]", i);
        class = read_volume(sim, json_array_at(raw->volumes, i), at, err);
    }
    return class;
}

enum err_class sim_configure(struct sim *sim, const struct adapter_config *config, struct error *err) {
    struct raw_root raw = {.prices = "aws"};
    enum err_class class = sim_fields_read(config->parameters, "", root_fields, ARRAY_LEN(root_fields), &raw, err);
    if (class != ERR_NONE) {
        return class;
    }
    sim->name = arena_strdup(&sim->arena, config->name ? config->name : "");
    sim->prices = arena_strdup(&sim->arena, raw.prices);
    sim->seed = sim_mix((uint64_t)raw.seed);
    sim->region_count = config->region_count;
    sim->regions = arena_alloc_array(&sim->arena, config->region_count, sizeof(*sim->regions));
    for (size_t i = 0; i < config->region_count; i++) {
        sim->regions[i] = arena_strdup(&sim->arena, config->regions[i]);
    }
    if (sim->catalogue && !catalogue_sells(sim->catalogue, sim->prices, NULL)) {
        return sim_field_refuse(err, "prices", "the price list has no provider `%s`", sim->prices);
    }
    class = sim_fields_read(raw.faults, "faults", fault_fields, ARRAY_LEN(fault_fields), &sim->faults, err);
    if (class == ERR_NONE) {
        class = read_capacity(sim, raw.capacity, err);
    }
    if (class == ERR_NONE) {
        class = read_quotas(sim, raw.quotas, err);
    }
    return class == ERR_NONE ? read_machines(sim, &raw, config->base_dir, err) : class;
}
