/*
 * Simulated clouds that outlive the controller: the real adapter `simulated`, one for each Provider, on a runtime of
 * its own (the clouds' clock). The controller's process gets connections to them. When it is killed, what it has sent
 * is still under way and arrives; nobody hears the answer. Every change of a group's size is kept as an effect, with
 * the request that made it: the view from outside, which no bug of the controller can colour.
 *
 * One at a time (adapters are found by a plain function): a test is a process of its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_SUPPORT_SIM_CLOUD_H
#define TRIMTAB_TESTS_SUPPORT_SIM_CLOUD_H

#include "adapters/simulated/simulated_internal.h"
#include "base/runtime_virtual.h"

struct sim_effect { /* A size that changed, or the type of a single machine (before and after 0). */
    uint64_t at_ns;
    char provider[64], group[64];
    int64_t before, after;
    char token[24]; /* Of the request; "" when it was not us (sim_cloud_set_size). */
};

#define SIM_WORKLOADS_MAX 4

/* What makes a workload of a group, where the cloud is a cluster. Its usage of memory is that of CPU, in per cent. An
 * autoscaler runs its minimum: what is set is what follows. */
#define SIM_POD_MILLI 4000.0 /* Of the groups' m5.xlarge. */

#define SIM_NODES_MAX 16

struct sim_workload {
    const char *name, *manager; /* manager NULL: nobody else sets its size. */
    char own_name[32];          /* Where a RESIZE came first. */
    int64_t min, max;
    int64_t drifted; /* RESIZE sets it to 0, unless it stays. */
    bool drift_stays;
    size_t resizes;
    struct cloud_kill kill;         /* Told with usage of memory, as long as it stands here. id NULL: none. */
    int64_t vcpu_milli, memory_mib; /* Of the last RESIZE: listed, and what usage is a share of. */
};

struct sim_cloud {
    struct runtime_virtual runtime;
    const struct catalogue *catalogue;
    bool takes_tokens;     /* false: tokens are dropped on the way, as most clouds take none. */
    uint64_t apply_way_ns; /* How much longer an apply is under way than the reads beside it. */
    struct sim_cloud_provider *providers;
    struct sim_cloud_link *links; /* Of the process that lives. */
    struct sim_effect *effects;
    size_t effect_count;
    size_t apply_count, list_count; /* Requests that arrived or will. */
    size_t repeat_count;            /* Of apply: its effect was there already, or its like was under way. */
    /* Scripted: the next calls of this kind fail with it, without an effect. */
    struct error apply_error;
    size_t apply_error_count;
    size_t truncate_at; /* Listings are cut here; 0: never. */
    /* Set before a Provider opens: its groups are shown as Workloads. */
    bool is_cluster;
    /* A cluster's nodes, of 4 pods each: "node-0" and so on, but those that have gone. The pods are dealt out to them.
     */
    size_t node_count;
    bool node_gone[SIM_NODES_MAX];
    bool has_disks;    /* Volumes are listed too; nothing can be done to them. */
    bool has_machines; /* So are instances, which can be given another type. */
    struct sim_workload workloads[SIM_WORKLOADS_MAX];
    size_t poll_steps; /* An apply answers with a handle, and each of so many polls but the last with another one. */
    size_t poll_count;
    size_t poll_repeats; /* Polls of the handle that was asked about just before. */
    char poll_last[64];
};

void sim_cloud_start(struct sim_cloud *cloud, const struct catalogue *catalogue, uint64_t seed, int64_t wall_ms);
void sim_cloud_stop(struct sim_cloud *cloud);
/* For loop_options.find_adapter. */
const struct adapter_ops *sim_cloud_find_adapter(const char *type);
/* The process dies: its connections break, what it sent stays sent. */
void sim_cloud_cut(struct sim_cloud *cloud);
/* One step of the clouds; false: nothing is due. Notes effects. */
bool sim_cloud_step(struct sim_cloud *cloud, uint64_t until_ns);

void sim_cloud_faults(struct sim_cloud *cloud, struct sim_faults faults); /* Of all that are known. */
/* Demand of a group, or of an instance, from now on; the trace must outlive the cloud. Its values are vCPU. */
void sim_cloud_demand(struct sim_cloud *cloud, const char *provider, const char *group, const struct sim_trace *trace);
int64_t sim_cloud_size(const struct sim_cloud *cloud, const char *provider, const char *group); /* -1: no such group */
/* Somebody else changes it. */
void sim_cloud_set_size(struct sim_cloud *cloud, const char *provider, const char *group, int64_t size);
/* Of an instance, by its name: what it is, or is on its way to be. "": no such instance. */
const char *sim_cloud_type(const struct sim_cloud *cloud, const char *provider, const char *instance);
enum cloud_state sim_cloud_state(const struct sim_cloud *cloud, const char *provider, const char *instance);
void sim_cloud_delete_group(struct sim_cloud *cloud, const char *provider, const char *group);
void sim_cloud_capacity(struct sim_cloud *cloud, const char *provider, int64_t machines_max); /* Of every type. */
uint64_t sim_cloud_hash(const struct sim_cloud *cloud);                                       /* Of the effects. */

#endif
