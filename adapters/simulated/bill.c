/*
 * The bill of the simulated cloud: what each group and machine ran in each whole hour, at the catalogue's price, in the
 * columns of FOCUS. An hour is charged once it is over.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/simulated/simulated_internal.h"
#include "base/str.h"

#define HOUR_MS INT64_C(3600000)

struct line { /* One thing that costs by the hour. */
    const char *region, *type, *id;
    const struct cloud_tag *tags;
    size_t tag_count;
    const struct sim_changes *changes;
};

/* The index-th of all; groups first. False: there is no such. */
static bool line_at(struct sim *sim, size_t index, struct line *ret) {
    if (index < sim->group_count) {
        struct sim_group *group = &sim->groups[index];
        sim_group_advance(sim, group);
        *ret = (struct line){group->region, group->type, group->name, group->tags, group->tag_count, &group->changes};
        return true;
    }
    index -= sim->group_count;
    if (index >= sim->item_count)
        return false;
    struct sim_item *item = &sim->items[index];
    sim_item_advance(sim, item);
    *ret = (struct line){item->region, item->type, item->id, item->tags, item->tag_count, &item->changes};
    return true;
}

/* Micros an hour for so many machine-milliseconds, exact to the nano. */
static const char *cost_text(money_micros price_hourly, int64_t machine_ms, struct arena *arena) {
    __int128 nanos = (__int128)price_hourly * 1000 * machine_ms / HOUR_MS;
    return arena_printf(arena, "%lld.%09lld", (long long)(nanos / 1000000000), (long long)(nanos % 1000000000));
}

static struct cloud_charge charge_of(const struct sim *sim, const struct line *line, int64_t hour_ms,
                                     money_micros price_hourly, int64_t machine_ms, struct arena *arena) {
    struct cloud_tag *tags = arena_alloc_array(arena, line->tag_count, sizeof(*tags));
    for (size_t i = 0; i < line->tag_count; i++)
        tags[i] = (struct cloud_tag){arena_strdup(arena, line->tags[i].key), arena_strdup(arena, line->tags[i].value)};
    const char *cost = cost_text(price_hourly, machine_ms, arena);
    return (struct cloud_charge){
        .billing_account_id = arena_printf(arena, "simulated:%s", sim->name),
        .sub_account_id = arena_printf(arena, "simulated:%s", sim->name),
        .service_name = "Simulated Compute",
        .service_category = "Compute",
        .region_id = arena_strdup(arena, line->region),
        .resource_id = arena_strdup(arena, line->id),
        .resource_type = "Virtual Machine",
        .sku_id = arena_strdup(arena, line->type),
        .charge_category = "Usage",
        .charge_description = arena_printf(arena, "%s hours", line->type),
        .pricing_category = "Standard",
        .commitment_discount_id = "",
        .charge_period_start_ms = hour_ms,
        .charge_period_end_ms = hour_ms + HOUR_MS,
        .billing_currency = "USD",
        .billed_cost = cost,
        .effective_cost = cost,
        .list_cost = cost,
        .contracted_cost = cost,
        .consumed_quantity = cost_text(1000000, machine_ms, arena),
        .consumed_unit = "Hours",
        .tags = tags,
        .tag_count = line->tag_count,
    };
}

static bool cursor_parse(const char *cursor, struct arena *arena, int64_t *ret_hour_ms, size_t *ret_index) {
    const char *slash = strchr(cursor, '/');
    int64_t index;
    if (slash == NULL || !str_to_int64(arena_strndup(arena, cursor, (size_t)(slash - cursor)), ret_hour_ms) ||
        !str_to_int64(slash + 1, &index) || *ret_hour_ms % HOUR_MS != 0 || index < 0)
        return false;
    *ret_index = (size_t)index;
    return true;
}

enum err_class sim_reply_charges(struct sim *sim, const struct cloud_query *query, struct arena *arena,
                                 struct adapter_reply *reply) {
    int64_t hour_ms = (query->from_ms + HOUR_MS - 1) / HOUR_MS * HOUR_MS;
    size_t index = 0;
    if (query->from_ms < 0 || query->count_max == 0)
        return error_set(&reply->error, ERR_PERMANENT, "%s: charges: not a range, or no room for rows", sim->name);
    int64_t first_ms = hour_ms;
    bool goes_on = query->cursor != NULL && query->cursor[0] != '\0';
    if (goes_on && (!cursor_parse(query->cursor, arena, &hour_ms, &index) || hour_ms < first_ms))
        return error_set(&reply->error, ERR_PERMANENT, "%s: charges: not a cursor of this cloud", sim->name);
    int64_t now_ms = runtime_wall_ms(sim->runtime);
    int64_t end_ms = query->to_ms < now_ms ? query->to_ms : now_ms;
    struct cloud_charge *charges = NULL;
    reply->cursor = "";
    for (; hour_ms < end_ms && hour_ms + HOUR_MS <= now_ms; hour_ms += HOUR_MS, index = 0) {
        struct line line;
        for (; line_at(sim, index, &line); index++) {
            struct cloud_offer offer;
            int64_t machine_ms = sim_changes_machine_ms(line.changes, hour_ms, hour_ms + HOUR_MS);
            if (!str_eq(line.region, query->region) || machine_ms == 0 || sim->catalogue == NULL ||
                !catalogue_find(sim->catalogue, sim->prices, line.region, line.type, &offer) || offer.price_hourly < 0)
                continue;
            if (reply->count == query->count_max) {
                reply->as.charges = charges;
                reply->cursor = arena_printf(arena, "%lld/%zu", (long long)hour_ms, index);
                return ERR_NONE;
            }
            charges = arena_push(arena, charges, reply->count, sizeof(*charges));
            charges[reply->count++] = charge_of(sim, &line, hour_ms, offer.price_hourly, machine_ms, arena);
        }
    }
    reply->as.charges = charges;
    return ERR_NONE;
}
