/*
 * A small estate for the simulations: one simulated Provider, default/sim, with the groups web-a, web-b (policy web)
 * and api (policy api), and demand that moves for some hours and then rests.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_SIM_SCENARIO_H
#define TRIMTAB_TESTS_SIM_SCENARIO_H

#include "tests/support/sim_world.h"

#define SCENARIO_POINTS (7 * 288) /* A week of five minutes. */
#define SCENARIO_GROUPS 3

struct scenario_trace {
    struct sim_trace trace;
    int64_t times_ms[SCENARIO_POINTS];
    double values[SCENARIO_POINTS];
};

struct scenario {
    struct sim_world world;
    char directory[64]; /* Of the database; "" if in memory. */
    char database[96];
    uint64_t random;
    const char *policy_more;
    struct scenario_trace demand[SCENARIO_GROUPS];
};

struct scenario_options {
    uint64_t seed;
    bool on_disk;            /* The database outlives a crash. */
    int64_t moving_hours;    /* How long demand moves from the start. */
    const char *mode;        /* NULL: Enforce */
    bool is_cluster;         /* The groups are workloads. */
    size_t node_count;       /* Of the cluster: then nodes are planned too. */
    const char *policy_more; /* JSON of fields of the policies' specs, each with a comma behind it; NULL: none. */
    const char *faults;      /* JSON of spec.simulated.faults; NULL: a latency of 300 ms. */
};

extern const char *const scenario_groups[SCENARIO_GROUPS];
extern const char *const scenario_policies[2];

void scenario_start(struct scenario *s, const struct scenario_options *options);
void scenario_stop(struct scenario *s);
uint64_t scenario_random(struct scenario *s, uint64_t below);
void scenario_flat(struct scenario *s, size_t group, double before_vcpu, double after_vcpu); /* A step at the start. */
void scenario_policy(struct scenario *s, const char *name, const char *app, const char *mode, int64_t min, int64_t max);

int64_t scenario_size(const struct scenario *s, const char *group);
/* Recommendations that are in this phase; "": all. */
size_t scenario_count(struct scenario *s, const char *phase);
size_t scenario_open(struct scenario *s); /* Neither final nor waiting for a person. */
/* Every policy is InTrim by its own word and from outside, and nothing is open. */
bool scenario_is_quiet(struct scenario *s);
/* Runs until quiet; fails the test after limit_ns. */
void scenario_settle(struct scenario *s, uint64_t limit_ns);
/* What must hold at each moment, from outside: one effect a Recommendation, and sizes inside their bounds. */
void scenario_check(const struct scenario *s);

#endif
