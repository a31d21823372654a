/*
 * A world for the loop's simulation: the production loop, store, observation and journal on the virtual clock, with simulated
 * clouds. A crash throws loop, store and observation away at once, as a killed process does; the database and the clouds stay.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_SUPPORT_SIM_WORLD_H
#define TRIMTAB_TESTS_SUPPORT_SIM_WORLD_H

#include "adapters/common/catalogue.h"
#include "base/runtime_virtual.h"
#include "loop/loop.h"
#include "store/local.h"

#define SIM_MINUTE (60 * NS_PER_S)
#define SIM_HOUR (60 * SIM_MINUTE)

struct sim_world {
    struct runtime_virtual runtime;
    struct catalogue *catalogue;
    struct metrics *metrics;
    struct history *history;
    struct loop *loop;
    struct store *store;
};

/* Leads at once. */
void sim_world_start(struct sim_world *world, const char *directory, uint64_t seed, int64_t wall_ms);
/* Orderly: every done has run, nothing leaks. */
void sim_world_stop(struct sim_world *world);
void sim_world_run(struct sim_world *world, uint64_t duration_ns);

/* A field of an object as the local API shows it, as text ("" if absent). Until the next call. */
const char *sim_world_field(struct sim_world *world, enum object_kind kind, const char *namespace, const char *name,
                            const char *path);
/* status of a condition: "True", "False", "". */
const char *sim_world_condition(struct sim_world *world, enum object_kind kind, const char *namespace, const char *name,
                                const char *type);
void sim_world_apply(struct sim_world *world, const char *object_json);
void sim_world_patch(struct sim_world *world, enum object_kind kind, const char *namespace, const char *name,
                     const char *patch_json);
/* Sum over the series of a metric family whose line contains `labels` (NULL: all). */
double sim_world_metric(struct sim_world *world, const char *family, const char *labels);

#endif
