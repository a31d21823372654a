/*
 * A world for the loop's simulation: the production loop, store, observation and journal on the virtual clock, with
 * simulated clouds. A crash throws loop, store and observation away at once, as a killed process does; the database and
 * the clouds stay.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_SUPPORT_SIM_WORLD_H
#define TRIMTAB_TESTS_SUPPORT_SIM_WORLD_H

#include "adapters/common/catalogue.h"
#include "base/runtime_virtual.h"
#include "loop/loop.h"
#include "store/local.h"
#include "tests/support/sim_cloud.h"

#define SIM_SECOND NS_PER_S
#define SIM_MINUTE (60 * NS_PER_S)
#define SIM_HOUR (60 * SIM_MINUTE)
#define SIM_ACTION_TIMEOUT_MS 8000

struct sim_world_options {
    const char *directory; /* Of manifests; NULL: none. */
    const char *database;  /* "sqlite:PATH", so that it outlives a crash; NULL: in memory. */
    uint64_t seed;
    int64_t wall_ms; /* 0: a Monday. */
};

struct sim_world {
    struct sim_world_options options;
    struct sim_cloud cloud; /* Its clock is the world's. */
    struct catalogue *catalogue;
    /* The process. Its monotonic clock starts with it. */
    struct runtime_virtual runtime;
    uint64_t booted_ns;   /* On the world's clock. */
    int64_t wall_skew_ms; /* Of the process' wall clock. */
    uint64_t boots;
    struct metrics *metrics;
    struct history *history;
    struct loop *loop;
    struct store *store;
};

/* Leads at once. */
void sim_world_open(struct sim_world *world, const struct sim_world_options *options);
void sim_world_start(struct sim_world *world, const char *directory, uint64_t seed, int64_t wall_ms);
/* Orderly: every done has run, nothing leaks. */
void sim_world_stop(struct sim_world *world);
void sim_world_run(struct sim_world *world, uint64_t duration_ns);
bool sim_world_step(struct sim_world *world, uint64_t until_ns); /* One timer, or all queued work, of one of the two. */

/* kill -9. What the process had asked the database to write is lost, or, with `written`, just made it. */
void sim_world_kill(struct sim_world *world, bool written);
/* A new process, after the clouds have gone on alone for down_ns. It leads at once and waits out what the one before
 * may have sent. */
void sim_world_boot(struct sim_world *world, uint64_t down_ns);
void sim_world_step_wall(struct sim_world *world, int64_t by_ms); /* The process' wall clock jumps. */

/* A field of an object as the local API shows it, as text ("" if absent). Until the next call. */
const char *sim_world_field(struct sim_world *world, enum object_kind kind, const char *namespace, const char *name,
                            const char *path);
/* status of a condition: "True", "False", "". */
const char *sim_world_condition(struct sim_world *world, enum object_kind kind, const char *namespace, const char *name,
                                const char *type);
void sim_world_apply(struct sim_world *world, const char *object_json);
void sim_world_patch(struct sim_world *world, enum object_kind kind, const char *namespace, const char *name,
                     const char *patch_json);
void sim_world_delete(struct sim_world *world, enum object_kind kind, const char *namespace, const char *name);
/* Every object of a kind, as {"items": [...]}; json_free it. */
struct json *sim_world_list(struct sim_world *world, enum object_kind kind);
/* Sum over the series of a metric family whose line contains `labels` (NULL: all). */
double sim_world_metric(struct sim_world *world, const char *family, const char *labels);

#endif
