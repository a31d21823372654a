/*
 * The groups of the simulated cloud and their laws. A machine that is started boots for the group's boot delay (±20 %,
 * each its own) and then serves; one that is taken away is gone at once, booting ones first. Boots are counted on the
 * monotonic clock, so that a step of the wall clock starts nothing early; the record of changes is in wall time, as
 * clouds report history.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/simulated/simulated_internal.h"
#include "base/mem.h"
#include "base/str.h"

struct sim_group *sim_group_find(struct sim *sim, const char *region, const char *id) {
    for (size_t i = 0; i < sim->group_count; i++) {
        if (str_eq(sim->groups[i].region, region) && str_eq(sim->groups[i].name, id)) {
            return &sim->groups[i];
        }
    }
    return NULL;
}

bool sim_has_region(const struct sim *sim, const char *region) {
    if (!region || !*region) {
        return false;
    }
    for (size_t i = 0; i < sim->region_count; i++) {
        if (str_eq(sim->regions[i], region)) {
            return true;
        }
    }
    if (sim->region_count > 0) {
        return false;
    }
    for (size_t i = 0; i < sim->group_count; i++) {
        if (str_eq(sim->groups[i].region, region)) {
            return true;
        }
    }
    for (size_t i = 0; i < sim->item_count; i++) {
        if (str_eq(sim->items[i].region, region)) {
            return true;
        }
    }
    return sim->catalogue && catalogue_sells(sim->catalogue, sim->prices, region);
}

int64_t sim_group_desired(const struct sim_group *group) {
    return group->serving + (int64_t)group->boot_count;
}

static size_t changes_slot(const struct sim_changes *changes, size_t index) {
    return (changes->first + index) % changes->capacity;
}

static void changes_grow(struct sim_changes *changes) {
    size_t capacity = changes->capacity ? changes->capacity * 2 : 16;
    ASSERT(changes->first == 0); /* It first moves when the ring is full at its limit, and then it grows no more. */
    changes->items = mem_grow(changes->items, changes->capacity, capacity, sizeof(*changes->items));
    changes->capacity = capacity;
}

/* The record never goes back: after a step of the wall clock to the past, changes bear the time of the last one until
 * the clock has caught up. */
void sim_changes_push(struct sim_changes *changes, struct sim_change change) {
    if (changes->count > 0) {
        struct sim_change *last = &changes->items[changes_slot(changes, changes->count - 1)];
        if (change.time_ms <= last->time_ms) {
            change.time_ms = last->time_ms;
            *last = change;
            return;
        }
    }
    if (changes->count == changes->capacity && changes->capacity < SIM_CHANGES_MAX) {
        changes_grow(changes);
    }
    if (changes->count == changes->capacity) {
        changes->before = changes->items[changes->first];
        changes->first = (changes->first + 1) % changes->capacity;
        changes->count--;
    }
    changes->items[changes_slot(changes, changes->count)] = change;
    changes->count++;
}

struct sim_change sim_changes_at(const struct sim_changes *changes, int64_t time_ms) {
    size_t low = 0, high = changes->count; /* The first that is later. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (changes->items[changes_slot(changes, middle)].time_ms <= time_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? changes->before : changes->items[changes_slot(changes, low - 1)];
}

int64_t sim_changes_machine_ms(const struct sim_changes *changes, int64_t begin_ms, int64_t end_ms) {
    int64_t sum = 0, from_ms = begin_ms;
    int64_t machines = sim_changes_at(changes, begin_ms).desired;
    for (size_t i = 0; i < changes->count; i++) {
        const struct sim_change *change = &changes->items[changes_slot(changes, i)];
        if (change->time_ms <= begin_ms)
            continue;
        if (change->time_ms >= end_ms)
            break;
        sum += machines * (change->time_ms - from_ms);
        from_ms = change->time_ms;
        machines = change->desired;
    }
    return sum + machines * (end_ms - from_ms);
}

static void record(struct sim_group *group, int64_t time_ms) {
    sim_changes_push(&group->changes, (struct sim_change){
                                          .time_ms = time_ms,
                                          .desired = (int32_t)sim_group_desired(group),
                                          .serving = (int32_t)group->serving,
                                      });
}

void sim_group_advance(struct sim *sim, struct sim_group *group) {
    uint64_t now_ns = runtime_mono_ns(sim->runtime);
    int64_t now_ms = runtime_wall_ms(sim->runtime);
    while (group->boot_count > 0 && group->boots_ns[group->boot_count - 1] <= now_ns) {
        uint64_t ago_ms = (now_ns - group->boots_ns[--group->boot_count]) / NS_PER_MS;
        group->serving++;
        record(group, now_ms - (int64_t)ago_ms);
    }
}

void sim_group_release(struct sim_group *group) {
    mem_free(group->boots_ns);
    mem_free(group->changes.items);
}

static int latest_first(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

static void start_machines(struct sim *sim, struct sim_group *group, size_t count) {
    uint64_t now_ns = runtime_mono_ns(sim->runtime);
    uint64_t roll = sim_roll(sim, SIM_BOOT, runtime_wall_ms(sim->runtime), group->region, group->name);
    if (group->boot_count + count > group->boot_capacity) {
        size_t capacity = 2 * (group->boot_count + count);
        group->boots_ns = mem_grow(group->boots_ns, group->boot_capacity, capacity, sizeof(*group->boots_ns));
        group->boot_capacity = capacity;
    }
    for (size_t i = 0; i < count; i++) {
        roll = sim_mix(roll);
        group->boots_ns[group->boot_count++] = now_ns + sim_jitter((uint64_t)group->boot_delay_ms * NS_PER_MS, roll);
    }
    qsort(group->boots_ns, group->boot_count, sizeof(*group->boots_ns), latest_first);
}

/* Those that would serve last go first. */
static void stop_machines(struct sim_group *group, size_t count) {
    size_t booting = count < group->boot_count ? count : group->boot_count;
    if (booting > 0) {
        group->boot_count -= booting;
        memmove(group->boots_ns, group->boots_ns + booting, group->boot_count * sizeof(*group->boots_ns));
    }
    group->serving -= (int64_t)(count - booting);
}

void sim_group_set_size(struct sim *sim, struct sim_group *group, int64_t target) {
    int64_t more = target - sim_group_desired(group);
    if (more == 0) {
        return;
    }
    if (more < 0) {
        stop_machines(group, (size_t)-more);
    } else if (group->boot_delay_ms == 0) {
        group->serving += more;
    } else {
        start_machines(sim, group, (size_t)more);
    }
    ASSERT(sim_group_desired(group) == target && group->serving >= 0);
    record(group, runtime_wall_ms(sim->runtime));
}
