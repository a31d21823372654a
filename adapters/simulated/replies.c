/*
 * What the simulated cloud answers to the questions about it: inventory, prices, usage. Copies into the caller's arena.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/simulated/simulated_internal.h"
#include "base/str.h"

#define STALE_MS_MAX 10000 /* A stale read shows the state of up to so long ago. */

static const struct cloud_tag *copy_tags(struct arena *arena, const struct cloud_tag *tags, size_t count) {
    struct cloud_tag *copy = arena_alloc_array(arena, count, sizeof(*copy));
    for (size_t i = 0; i < count; i++) {
        copy[i] = (struct cloud_tag){arena_strdup(arena, tags[i].key), arena_strdup(arena, tags[i].value)};
    }
    return copy;
}

/* The size that a list shows: now, or, where eventual consistency strikes, of some seconds ago. */
static struct sim_change visible_size(struct sim *sim, struct sim_group *group) {
    int64_t now_ms = runtime_wall_ms(sim->runtime);
    sim_group_advance(sim, group);
    if (sim_hits(sim, SIM_STALE, sim->faults.stale_read_per_mille, now_ms, group->region, group->name)) {
        uint64_t age_ms = 1 + sim_roll(sim, SIM_STALE_AGE, now_ms, group->region, group->name) % STALE_MS_MAX;
        return sim_changes_at(&group->changes, now_ms - (int64_t)age_ms);
    }
    return (struct sim_change){
        .time_ms = now_ms,
        .desired = (int32_t)sim_group_desired(group),
        .serving = (int32_t)group->serving,
    };
}

static struct cloud_resource group_resource(struct sim *sim, struct sim_group *group, struct arena *arena) {
    struct sim_change size = visible_size(sim, group);
    return (struct cloud_resource){
        .kind = CLOUD_INSTANCE_GROUP,
        .state = CLOUD_RUNNING,
        .region = arena_strdup(arena, group->region),
        .zone = arena_strdup(arena, group->zone),
        .id = arena_strdup(arena, group->name),
        .name = arena_strdup(arena, group->name),
        .type = arena_strdup(arena, group->type),
        .count = size.desired,
        .count_min = group->count_min,
        .count_max = group->count_max,
        .serving = size.serving,
        .vcpu_milli = group->vcpu_milli,
        .memory_mib = group->memory_mib,
        .as_of_ms = runtime_wall_ms(sim->runtime),
        .tags = copy_tags(arena, group->tags, group->tag_count),
        .tag_count = group->tag_count,
    };
}

static struct cloud_resource item_resource(const struct sim *sim, const struct sim_item *item, struct arena *arena) {
    return (struct cloud_resource){
        .kind = item->kind,
        .state = item->state,
        .region = arena_strdup(arena, item->region),
        .zone = arena_strdup(arena, item->zone),
        .id = arena_strdup(arena, item->id),
        .name = arena_strdup(arena, item->name),
        .type = arena_strdup(arena, item->type),
        .parent = arena_strdup(arena, item->parent),
        .count = 1,
        .vcpu_milli = item->vcpu_milli,
        .memory_mib = item->memory_mib,
        .created_at_ms = item->created_at_ms,
        .state_since_ms = item->state_since_ms,
        .as_of_ms = runtime_wall_ms(sim->runtime),
        .tags = copy_tags(arena, item->tags, item->tag_count),
        .tag_count = item->tag_count,
    };
}

static enum err_class no_region(const struct sim *sim, const struct cloud_query *query, struct error *err) {
    error_set(err, ERR_PERMANENT, "%s: no such region `%s`", sim->name, query->region ? query->region : "");
    err->http_status = 400;
    (void)str_copy(err->code, sizeof(err->code), "InvalidRegion");
    return ERR_PERMANENT;
}

enum err_class sim_reply_list(struct sim *sim, const struct cloud_query *query, struct arena *arena,
                              struct adapter_reply *reply) {
    if (!sim_has_region(sim, query->region)) {
        return no_region(sim, query, &reply->error);
    }
    struct cloud_resource *resources = NULL;
    size_t count = 0;
    for (size_t i = 0; query->kinds & 1u << CLOUD_INSTANCE_GROUP && i < sim->group_count; i++) {
        if (str_eq(sim->groups[i].region, query->region)) {
            resources = arena_push(arena, resources, count, sizeof(*resources));
            resources[count++] = group_resource(sim, &sim->groups[i], arena);
        }
    }
    for (size_t i = 0; i < sim->item_count; i++) {
        struct sim_item *item = &sim->items[i];
        if ((query->kinds & 1u << item->kind) == 0 || !str_eq(item->region, query->region))
            continue;
        sim_item_advance(sim, item);
        if (!item->is_gone) {
            resources = arena_push(arena, resources, count, sizeof(*resources));
            resources[count++] = item_resource(sim, item, arena);
        }
    }
    if (count > 0) {
        qsort(resources, count, sizeof(*resources), cloud_resource_cmp);
    }
    reply->truncated = count > query->count_max;
    reply->count = reply->truncated ? query->count_max : count;
    reply->as.resources = resources;
    return ERR_NONE;
}

static int text_cmp(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum err_class sim_reply_prices(struct sim *sim, const struct cloud_query *query, struct arena *arena,
                                struct adapter_reply *reply) {
    if (!sim_has_region(sim, query->region)) {
        return no_region(sim, query, &reply->error);
    }
    if (!sim->catalogue) {
        return ERR_NONE;
    }
    if (!query->types) {
        reply->count = catalogue_region(sim->catalogue, sim->prices, query->region, arena, &reply->as.offers);
        return ERR_NONE;
    }
    struct cloud_offer *offers = arena_alloc_array(arena, query->type_count, sizeof(*offers));
    const char **types = arena_alloc_array(arena, query->type_count, sizeof(*types));
    for (size_t i = 0; i < query->type_count; i++) {
        types[i] = query->types[i];
    }
    if (query->type_count > 0) {
        qsort(types, query->type_count, sizeof(*types), text_cmp);
    }
    for (size_t i = 0; i < query->type_count; i++) {
        bool again = i > 0 && str_eq(types[i], types[i - 1]);
        if (!again && catalogue_find(sim->catalogue, sim->prices, query->region, types[i], &offers[reply->count])) {
            reply->count++;
        }
    }
    reply->as.offers = offers;
    return ERR_NONE;
}

void sim_reply_limits(const struct sim *sim, const struct cloud_query *query, struct arena *arena,
                      struct adapter_reply *reply) {
    struct cloud_limit *limits = arena_alloc_array(arena, sim->quota_count + 1, sizeof(*limits));
    for (size_t i = 0; i < sim->quota_count; i++)
        if (str_eq(sim->quotas[i].region, query->region))
            limits[reply->count++] = (struct cloud_limit){.region = arena_strdup(arena, query->region),
                                                          .id = "vcpu",
                                                          .name = "Running On-Demand instances",
                                                          .types = "*",
                                                          .unit = "vCPU",
                                                          .value = (double)sim->quotas[i].vcpu_max,
                                                          .used = -1};
    reply->as.limits = limits;
}

/* Samples stand at whole multiples of the step, as clouds align theirs. The first at or after from_ms. */
static int64_t first_sample_ms(int64_t from_ms, int64_t step_ms) {
    int64_t rest = from_ms % step_ms;
    return rest == 0 ? from_ms : from_ms + (rest < 0 ? -rest : step_ms - rest);
}

/* What has demand, and the machines that serve it. */
struct served {
    const char *id;
    const struct sim_load *load;
    const struct sim_changes *changes;
    int64_t vcpu_milli;
    bool tells_serving;
    int64_t resized_at_ms, vcpu_milli_before; /* Of each machine. */
};

static struct cloud_series series_of(const struct sim *sim, const struct served *of, const struct cloud_query *query,
                                     struct arena *arena) {
    int64_t now_ms = runtime_wall_ms(sim->runtime);
    int64_t end_ms = query->to_ms <= now_ms ? query->to_ms : now_ms + 1;
    int64_t first_ms = first_sample_ms(query->from_ms, query->step_ms);
    size_t room = first_ms < end_ms ? (size_t)((end_ms - first_ms - 1) / query->step_ms + 1) : 0;
    struct cloud_sample *utilization = arena_alloc_array(arena, room, sizeof(*utilization));
    struct cloud_sample *serving = arena_alloc_array(arena, room, sizeof(*serving));
    struct cloud_series series = {.id = arena_strdup(arena, of->id), .utilization = utilization, .serving = serving};
    for (int64_t t = first_ms; t < end_ms; t += query->step_ms) {
        int64_t machines = sim_changes_at(of->changes, t).serving;
        double demand = sim_load_at(of->load, t);
        if (of->tells_serving)
            serving[series.serving_count++] = (struct cloud_sample){t, (double)machines};
        /* No machine, no utilisation: a gap, not a zero. Nor where a trace that was made in memory has one. */
        if (machines > 0 && !isnan(demand)) {
            int64_t milli = t < of->resized_at_ms ? of->vcpu_milli_before : of->vcpu_milli;
            double vcpu = (double)machines * (double)milli / 1000.0;
            double percent = demand / vcpu * 100.0;
            utilization[series.utilization_count++] = (struct cloud_sample){t, fmin(percent, 100.0)};
        }
    }
    return series;
}

/* Of what is one machine nobody records how many serve. False: nothing is told of it. */
static bool served_find(struct sim *sim, const struct cloud_query *query, const char *id, struct served *ret) {
    struct sim_group *group = query->kind == CLOUD_INSTANCE_GROUP ? sim_group_find(sim, query->region, id) : NULL;
    struct sim_item *item =
        query->kind == CLOUD_INSTANCE ? sim_item_find(sim, query->region, CLOUD_INSTANCE, id) : NULL;
    if (group && group->load.trace) {
        sim_group_advance(sim, group);
        *ret = (struct served){group->name, &group->load, &group->changes, group->vcpu_milli, true, 0, 0};
        return true;
    }
    if (!item || !item->load.trace)
        return false;
    sim_item_advance(sim, item);
    *ret = (struct served){item->id, &item->load,         &item->changes,         item->vcpu_milli,
                           false,    item->resized_at_ms, item->vcpu_milli_before};
    return true;
}

enum err_class sim_reply_usage(struct sim *sim, const struct cloud_query *query, struct arena *arena,
                               struct adapter_reply *reply) {
    if (!sim_has_region(sim, query->region)) {
        return no_region(sim, query, &reply->error);
    }
    if (query->step_ms <= 0 || query->to_ms < query->from_ms || query->from_ms < -INT64_MAX / 4 ||
        query->to_ms > INT64_MAX / 4) {
        return error_set(&reply->error, ERR_PERMANENT, "%s: usage: not a time range with a step", sim->name);
    }
    int64_t samples = (query->to_ms - query->from_ms) / query->step_ms + 1;
    if (query->id_count > 0 && samples > (int64_t)(SIM_SAMPLES_MAX / query->id_count)) {
        return error_set(&reply->error, ERR_PERMANENT, "%s: usage: more than %d samples", sim->name, SIM_SAMPLES_MAX);
    }
    struct cloud_series *series = arena_alloc_array(arena, query->id_count, sizeof(*series));
    bool any = query->metric == CLOUD_METRIC_CPU;
    for (size_t i = 0; any && i < query->id_count; i++) {
        struct served of;
        if (!served_find(sim, query, query->ids[i], &of)) {
            continue;
        }
        series[reply->count] = series_of(sim, &of, query, arena);
        reply->count += series[reply->count].serving_count > 0 || series[reply->count].utilization_count > 0;
    }
    reply->as.series = series;
    return ERR_NONE;
}
