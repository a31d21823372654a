/*
 * Single machines, disks and snapshots: what they become by themselves, and when. A state that takes time is a list of
 * turns, planned when the effect happens, on the monotonic clock; whoever reads an item takes the turns that are due.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/simulated/simulated_internal.h"
#include "base/mem.h"
#include "base/str.h"

struct sim_item *sim_item_find(struct sim *sim, const char *region, enum cloud_kind kind, const char *id) {
    for (size_t i = 0; i < sim->item_count; i++) {
        struct sim_item *item = &sim->items[i];
        if (item->kind == kind && !item->is_gone && str_eq(item->region, region) && str_eq(item->id, id))
            return item;
    }
    return NULL;
}

struct sim_item *sim_item_add(struct sim *sim) {
    if (sim->item_count == sim->item_capacity) {
        size_t capacity = sim->item_capacity > 0 ? 2 * sim->item_capacity : 16;
        sim->items = mem_grow(sim->items, sim->item_capacity, capacity, sizeof(*sim->items));
        sim->item_capacity = capacity;
    }
    struct sim_item *item = &sim->items[sim->item_count++];
    *item = (struct sim_item){.name = "", .zone = "", .type = ""};
    return item;
}

void sim_item_release(struct sim_item *item) {
    mem_free(item->changes.items);
}

/* A stopped machine costs nothing and is recorded as none. */
static void record(struct sim *sim, struct sim_item *item, int64_t ago_ms) {
    bool runs = item->state == CLOUD_RUNNING || item->state == CLOUD_PENDING;
    sim_changes_push(&item->changes, (struct sim_change){.time_ms = runtime_wall_ms(sim->runtime) - ago_ms,
                                                         .desired = runs ? 1 : 0,
                                                         .serving = item->state == CLOUD_RUNNING ? 1 : 0});
}

static void turn(struct sim *sim, struct sim_item *item, const struct sim_turn *turn, int64_t ago_ms) {
    if (turn->type != NULL) {
        item->resized_at_ms = runtime_wall_ms(sim->runtime) - ago_ms;
        item->vcpu_milli_before = item->vcpu_milli;
        item->type = turn->type;
        (void)sim_item_fill(sim, item);
    }
    item->state = turn->state;
    item->state_since_ms = runtime_wall_ms(sim->runtime) - ago_ms;
    item->is_gone = turn->state == CLOUD_DELETING && item->turn_count == 1;
    record(sim, item, ago_ms);
}

void sim_item_advance(struct sim *sim, struct sim_item *item) {
    uint64_t now_ns = runtime_mono_ns(sim->runtime);
    while (item->turn_count > 0 && item->turns[0].at_ns <= now_ns) {
        turn(sim, item, &item->turns[0], (int64_t)((now_ns - item->turns[0].at_ns) / NS_PER_MS));
        item->turn_count--;
        memmove(item->turns, item->turns + 1, item->turn_count * sizeof(item->turns[0]));
    }
}

bool sim_item_is_settled(const struct sim_item *item) {
    return item->turn_count == 0;
}

enum cloud_state sim_item_final_state(const struct sim_item *item) {
    return item->turn_count > 0 ? item->turns[item->turn_count - 1].state : item->state;
}

const char *sim_item_final_type(const struct sim_item *item) {
    for (size_t i = item->turn_count; i > 0; i--) {
        if (item->turns[i - 1].type != NULL)
            return item->turns[i - 1].type;
    }
    return item->type;
}

void sim_item_plan(struct sim *sim, struct sim_item *item, enum cloud_state state, const char *type) {
    ASSERT(item->turn_count < SIM_TURNS_MAX);
    uint64_t now_ns = runtime_mono_ns(sim->runtime);
    uint64_t from_ns = item->turn_count > 0 ? item->turns[item->turn_count - 1].at_ns : now_ns;
    uint64_t roll = sim_roll(sim, SIM_BOOT, runtime_wall_ms(sim->runtime), item->region, item->id);
    uint64_t delay_ns = sim_jitter((uint64_t)item->boot_delay_ms * NS_PER_MS, roll + item->turn_count);
    item->turns[item->turn_count++] = (struct sim_turn){from_ns + delay_ns, state, type};
    sim_item_advance(sim, item);
}

bool sim_item_fill(const struct sim *sim, struct sim_item *item) {
    struct cloud_offer offer = {0};
    if (sim->catalogue != NULL && !catalogue_find(sim->catalogue, sim->prices, item->region, item->type, &offer) &&
        !catalogue_find(sim->catalogue, sim->prices, NULL, item->type, &offer))
        return false;
    item->vcpu_milli = offer.vcpu_milli;
    item->memory_mib = offer.memory_mib;
    return true;
}
