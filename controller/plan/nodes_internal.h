/*
 * What the files of nodes share: one cluster as a problem of drain.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_NODES_INTERNAL_H
#define TRIMTAB_PLAN_NODES_INTERNAL_H

#include "base/buf.h"
#include "base/map.h"
#include "base/str.h"
#include "plan/drain.h"
#include "plan/plan_internal.h"

struct nodes_kind { /* What a drain_kind is. */
    const char *workload;
    struct plan_row *row; /* NULL: not selected by the policy. */
    const struct cloud_load *load;
    size_t origin;     /* A node that has such pods. */
    bool may_not_move; /* Of load->stays. */
};

struct nodes_cluster {
    struct plan_work *work;
    struct plan_row *nodes; /* Rows of one provider side by side. */
    size_t node_count;
    struct plan_row *workloads;
    size_t workload_count;
    struct drain_problem problem;
    struct drain_node *drain_nodes;
    struct drain_kind *drain_kinds;
    struct nodes_kind *kinds;
    size_t kind_count, known_count; /* known: of pods that are there; then those of new ones. */
    struct buf key;
};

/* nodes.c. False: there is no more of them. */
bool nodes_next(struct plan_work *work, size_t *at, struct nodes_cluster *ret);
/* It is seen, all of it, and nothing waits for a node; then it is modelled. False: its nodes say why. */
bool nodes_judge(struct nodes_cluster *cluster);

/* nodes_model.c. False: it is too large. */
bool nodes_model(struct nodes_cluster *cluster);
/* Sets problem.more: what of the policy's workloads comes now, or with the greatest demand of the horizon. Of none:
 * more_count 0. */
void nodes_growth(struct nodes_cluster *cluster, bool is_horizon);
/* The kind of new pods of a workload, after nodes_growth. */
size_t nodes_kind_new(struct nodes_cluster *cluster, struct plan_row *row);
/* Why a node that is there may not go; NULL: it may. */
const char *nodes_keep(const struct nodes_cluster *cluster, const struct plan_row *row, const char **ret_reason);

/* nodes_buy.c: which more nodes would carry what has no place, in words. */
const char *nodes_buy(struct nodes_cluster *cluster, const struct drain_load *unplaced, size_t count);

#endif
