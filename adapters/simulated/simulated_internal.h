/*
 * The simulated cloud's parts; private to this folder.
 *
 *     config.c     spec.simulated as JSON -> struct sim, every fault with its path
 *     fields.c     the strict reader of objects by tables, which config.c holds
 *     demand.c     a trace file -> demand at any wall time; pure
 *     world.c      groups: size, boots, record of changes
 *     items.c      single machines, disks, snapshots: states that take time
 *     act.c        what may be done to them: checks, tokens, capacity
 *     bill.c       the hours of machines, as charges
 *     faults.c     chance: pure functions of (seed, time, what)
 *     replies.c    inventory, prices, usage into the caller's arena
 *     simulated.c  the vtable: calls, their delays and faults
 *
 * Nothing here asks for a random number: what happens is a function of the seed, the time and the name of what it
 * happens to, so the same seed and clock give the same cloud, whatever else was asked of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_SIMULATED_INTERNAL_H
#define TRIMTAB_ADAPTERS_SIMULATED_INTERNAL_H

#include "adapters/adapter.h"
#include "adapters/common/catalogue.h"

#define SIM_GROUPS_MAX 10000
#define SIM_MACHINES_MAX 100000 /* Of one group. */
#define SIM_CHANGES_MAX 4096    /* Kept of one group; the oldest go. */
#define SIM_TOKENS_MAX 1024     /* Remembered; the oldest go. */
#define SIM_SAMPLES_MAX 200000  /* Of one usage reply. */

/* ---- demand.c ---- */

struct sim_trace { /* One period, repeated for ever in both directions. */
    const char *path;
    int64_t *times_ms; /* Ascending; within [times_ms[0], times_ms[0] + period_ms). */
    double *values;
    size_t count;
    int64_t period_ms;
    double value_max; /* Of the samples kept. */
};

/* Arrays are in the arena. The path is in messages as `name`; the file's content is not. */
MUST_CHECK enum err_class sim_trace_load(struct sim_trace *trace, struct arena *arena, const char *path,
                                         const char *name, struct error *err);
double sim_trace_at(const struct sim_trace *trace, int64_t wall_ms);

struct sim_load {
    const struct sim_trace *trace; /* NULL: no demand, and no usage is reported. */
    double vcpu_per_unit;          /* Of the trace's values. */
    int64_t offset_ms;             /* The trace is this much later. */
};
double sim_load_at(const struct sim_load *load, int64_t wall_ms); /* Demand in vCPU; 0 without a trace. */

/* ---- world.c ---- */

struct sim_change {
    int64_t time_ms;
    int32_t desired, serving;
};

struct sim_changes {          /* A ring that grows up to SIM_CHANGES_MAX. */
    struct sim_change before; /* What held before the oldest that is kept. */
    struct sim_change *items;
    size_t first, count, capacity;
};

struct sim_group {
    const char *name, *region, *zone, *type;
    int64_t vcpu_milli, memory_mib;
    const struct cloud_tag *tags;
    size_t tag_count;
    int64_t count_min, count_max;
    int64_t boot_delay_ms;
    struct sim_load load;

    int64_t serving;
    uint64_t *boots_ns; /* When each booting machine will serve, monotonic, latest first. */
    size_t boot_count, boot_capacity;
    struct sim_changes changes;
};

#define SIM_TURNS_MAX 3

struct sim_turn {   /* What becomes of an item by itself. */
    uint64_t at_ns; /* Monotonic. */
    enum cloud_state state;
    const char *type; /* NULL: as it is. */
};

struct sim_item { /* An instance, a volume or a snapshot. */
    enum cloud_kind kind;
    const char *name, *region, *zone, *type, *id;
    const char *parent; /* The instance of a volume, the volume of a snapshot; NULL: none. */
    enum cloud_state state;
    int64_t vcpu_milli, memory_mib;
    int64_t created_at_ms;  /* 0: before the start. */
    int64_t state_since_ms; /* 0: since before the start. */
    int64_t boot_delay_ms;  /* Also how long it takes to stop, or for a snapshot to be whole. */
    const struct cloud_tag *tags;
    size_t tag_count;
    struct sim_turn turns[SIM_TURNS_MAX]; /* In order of time. */
    size_t turn_count;
    struct sim_changes changes; /* serving 1 while it runs. */
    struct sim_load load;       /* Of an instance. */
    int64_t resized_at_ms;      /* When it came to have its type; 0: since before the start. */
    int64_t vcpu_milli_before;
    bool is_gone;
};

struct sim_capacity { /* How many machines of a type a region has for us, groups and instances together. */
    const char *region, *type;
    int64_t machines_max;
};

struct sim_quota { /* How many vCPU may run in a region at once, on demand. */
    const char *region;
    int64_t vcpu_max;
};

struct sim_token {
    uint64_t token, action; /* Hashes; token 0: empty. */
    const char *made;       /* The id of what CREATE or TAKE_SNAPSHOT made; NULL: nothing. */
};

struct sim_faults {
    int64_t latency_ms;
    int64_t error_per_mille, throttle_per_mille, lost_reply_per_mille, stale_read_per_mille;
};

struct sim_op;

struct sim {
    struct adapter base;
    struct runtime *runtime;
    const struct catalogue *catalogue;
    struct arena arena; /* Names, tags, traces; only grows. */
    const char *name;
    const char *prices; /* The catalogue's provider whose types are sold. */
    uint64_t seed;
    const char **regions; /* The Provider's; none: all that are sold or stand in the parameters. */
    size_t region_count;
    struct sim_group *groups;
    size_t group_count;
    struct sim_item *items; /* Grows; so do the strings in the arena that effects bring. */
    size_t item_count, item_capacity;
    struct sim_capacity *capacities;
    size_t capacity_count;
    struct sim_quota *quotas;
    size_t quota_count;
    struct sim_faults faults;
    int64_t boot_delay_ms; /* Of instances that CREATE makes: the longest of those that are written. */
    struct sim_token tokens[SIM_TOKENS_MAX];
    size_t token_next;

    struct sim_op *ops; /* In flight. */
    bool closing;
    struct timer close_timer;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

struct sim_group *sim_group_find(struct sim *sim, const char *region, const char *id); /* NULL if unknown. */
bool sim_has_region(const struct sim *sim, const char *region);
int64_t sim_group_desired(const struct sim_group *group);
/* Boots what is due by now. Call before anything of the group is read. */
void sim_group_advance(struct sim *sim, struct sim_group *group);
void sim_group_release(struct sim_group *group);
struct sim_change sim_changes_at(const struct sim_changes *changes, int64_t time_ms);
void sim_changes_push(struct sim_changes *changes, struct sim_change change);
/* What the record says held from begin to end, in machine-milliseconds of those ordered. */
int64_t sim_changes_machine_ms(const struct sim_changes *changes, int64_t begin_ms, int64_t end_ms);
/* To more machines than there are room for must not be asked. */
void sim_group_set_size(struct sim *sim, struct sim_group *group, int64_t target);

/* ---- items.c ---- */

struct sim_item *sim_item_find(struct sim *sim, const char *region, enum cloud_kind kind, const char *id);
/* Zeroed; pointers to items are valid until the next. */
struct sim_item *sim_item_add(struct sim *sim);
/* Takes the turns that are due. Call before anything of it is read. */
void sim_item_advance(struct sim *sim, struct sim_item *item);
/* Whether anything will still become of it by itself. */
bool sim_item_is_settled(const struct sim_item *item);
/* In boot_delay_ms (±20 %) after the last turn that is planned, or at once when that is 0. */
void sim_item_plan(struct sim *sim, struct sim_item *item, enum cloud_state state, const char *type);
/* What holds when all its turns are taken. */
enum cloud_state sim_item_final_state(const struct sim_item *item);
const char *sim_item_final_type(const struct sim_item *item);
void sim_item_release(struct sim_item *item);
/* vCPU and memory by its type. */
bool sim_item_fill(const struct sim *sim, struct sim_item *item);

/* ---- act.c ---- */

/* Does it as a cloud does, or fills *err. *ret_operation: "" done, else a handle, in the arena; *ret_made as in
 * adapter_reply.id. */
MUST_CHECK enum err_class sim_act(struct sim *sim, const struct cloud_action *action, struct arena *arena,
                                  const char **ret_operation, const char **ret_made, struct error *err);
MUST_CHECK enum err_class sim_poll_operation(struct sim *sim, const char *operation, struct arena *arena,
                                             struct adapter_reply *reply);

/* ---- replies.c: each fills reply, or reply->error and returns its class ---- */

MUST_CHECK enum err_class sim_reply_list(struct sim *sim, const struct cloud_query *query, struct arena *arena,
                                         struct adapter_reply *reply);
void sim_reply_limits(const struct sim *sim, const struct cloud_query *query, struct arena *arena,
                      struct adapter_reply *reply);
MUST_CHECK enum err_class sim_reply_prices(struct sim *sim, const struct cloud_query *query, struct arena *arena,
                                           struct adapter_reply *reply);
MUST_CHECK enum err_class sim_reply_usage(struct sim *sim, const struct cloud_query *query, struct arena *arena,
                                          struct adapter_reply *reply);
MUST_CHECK enum err_class sim_reply_charges(struct sim *sim, const struct cloud_query *query, struct arena *arena,
                                            struct adapter_reply *reply); /* bill.c */

/* ---- faults.c ---- */

enum sim_chance { SIM_LATENCY, SIM_ERROR, SIM_THROTTLE, SIM_LOST, SIM_STALE, SIM_STALE_AGE, SIM_BOOT, SIM_PARTIAL };

uint64_t sim_roll(const struct sim *sim, enum sim_chance chance, int64_t time_ms, const char *region, const char *id);
bool sim_hits(const struct sim *sim, enum sim_chance chance, int64_t per_mille, int64_t time_ms, const char *region,
              const char *id);
uint64_t sim_mix(uint64_t x); /* splitmix64's finaliser. */
/* base ±20 %. */
uint64_t sim_jitter(uint64_t base, uint64_t roll);

/* ---- config.c ---- */

/* sim is zeroed but for runtime, catalogue and arena; on failure it may be half filled. */
MUST_CHECK enum err_class sim_configure(struct sim *sim, const struct adapter_config *config, struct error *err);

#endif
