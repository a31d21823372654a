/*
 * What the files of plan/ share: the working row of one resource.
 *
 *     hold      nothing may be done to it: `actual` stands as it is
 *     now       what would be set: the size, or, of an autoscaler whose bounds the policy tunes, the minimum
 *     low..high its own bounds; `need` is what demand wants inside them; `desired` after the policy's sums
 *     to        what this plan asks for in place of now: desired, held back by the step limits
 *
 * Whatever its autoscaler does, the size stays between floor and ceiling until the plan is carried out: these are what
 * the sums count on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_PLAN_INTERNAL_H
#define TRIMTAB_PLAN_PLAN_INTERNAL_H

#include <stdbool.h>

#include "plan/commitment.h"
#include "plan/compute.h"
#include "plan/options.h"
#include "plan/quota.h"

#define PLAN_COUNT_MAX INT64_C(1000000000)

struct plan_state_action { /* Another state: what nobody uses ends, what is needed starts. */
    enum action_type type;
    const char *state; /* target_state.state that it comes to. */
    const char *why;
    int64_t risk_per_mille;
    bool is_certain; /* It is told, or seen; of what nobody uses, for how long. */
};

struct plan_row {
    const struct snapshot_resource *resource;
    const struct snapshot_source *source;
    const struct forecast *forecast;
    bool hold;
    bool may_shrink;
    bool is_bounds;
    bool is_single;                         /* One machine whose type may be changed: instances.c. */
    bool is_short;                          /* It does not serve the demand of the horizon. */
    const struct headroom_closure *closure; /* Its machines are not for sale: it counts as gone. NULL: they are. */
    const struct plan_option *refuge;       /* Of what leaves: where to; NULL: nowhere. */
    const char *reason;                     /* Why it is held, may not shrink, or in the end is not acted on. */
    const char *detail;
    const char *about; /* The action that the reason is about, by its name; NULL: none in particular. */
    int64_t actual, now, low, high;
    int64_t raw;  /* What demand wants, outside of any bounds; -1: unknown. */
    int64_t need; /* The same inside low..high. */
    int64_t desired, to;
    int64_t spread_more;               /* Of desired: for placement.spread. */
    double demand, demand_p50;         /* What is covered: of the forecast, and at least the raise. */
    double forecast_demand;            /* The forecast's alone. */
    double hold_demand;                /* The greatest of the hold window: what is chosen now must still do then. */
    const struct history_raise *raise; /* What covers more than the forecast; NULL: nothing does. */
    int64_t weight;                    /* The greatest of sla.slots in the steps that are read. */
    size_t first_step, last_step;      /* The steps of the forecast that are read, [first, last). */
    money_micros price;                /* Of one machine; -1 unknown. */
    int64_t *held;                     /* Of each commitment what is the row's, in thousandths; NULL: nothing. */
    int64_t covered;                   /* Machines of it, as it stands and grows, that commitments cover. */
    money_micros stay_run;             /* What it costs over the horizon as it is, scaled to demand. */
    money_micros stay_unmet;           /* What demand that it cannot serve is worth, likewise. */
    const struct plan_option *options; /* Cheapest over the horizon first. */
    size_t option_count;
    const char *quota;                /* Why it grows by less than it should; NULL: none holds it. */
    const struct plan_option *chosen; /* Instead of scaling; NULL: none. */
    int64_t requests;                 /* Of a pod, instead of today's, in the metric's unit; 0: as they are. */
    money_micros requests_price;      /* Of a pod then. */
    const char *joint;                /* Why more and smaller pods are better (joint.c); NULL: they are not. */
    money_micros least_price;         /* Of a pod with the requests that the horizon needs; -1 unknown. */
    const struct plan_state_action
        *state_action;        /* NULL: its state is as it should be, or stays for the row's reason. */
    money_micros start_price; /* Of a stopped machine once it runs; -1 unknown. */
    bool is_started;          /* Whether to start it is decided: by idle. */
    bool is_on_nodes;         /* A workload whose nodes are rows too: its cost is part of theirs. */
    bool goes;                /* A node that is not needed, now or after others have gone. */
    const char *goes_with;    /* And which others; NULL: nothing is said. */
};

/* What serving demand is worth in each step of a grid. The forecasts of a plan mostly share theirs. */
struct plan_weights {
    int64_t start_ms, step_ms;
    size_t count; /* 0: none yet */
    int64_t *values;
};

struct plan_work {
    const struct plan_input *input;
    struct arena *arena;
    struct plan_row *rows; /* By provider, region, kind, id. */
    size_t count;
    int64_t actual_sum;
    int64_t floor_sum, ceiling_sum;
    int64_t running; /* Machines that are not stopped, less what is proposed to be, and with what is to be started. */
    const char *binding;
    struct plan_weights weights;
    struct plan_why_not *why_not; /* Candidates that were not taken. */
    size_t why_not_count;
    struct plan_quota *quotas; /* One for each limit of the snapshot. */
    /* Of each commitment of the snapshot, in thousandths: what others do not use, and what of it no row holds. */
    int64_t *commitments_free, *commitments_left;
    bool has_nodes;           /* The policy selects workloads and nodes: how many nodes there are is planned too. */
    money_micros nodes_bound; /* What nodes cost at least; -1 unknown. */
};

static inline int64_t plan_row_floor(const struct plan_row *row) {
    if (row->closure)
        return 0;
    return row->actual < row->now ? row->actual : row->now;
}

static inline int64_t plan_row_ceiling(const struct plan_row *row) {
    if (row->closure)
        return 0;
    return row->actual > row->now ? row->actual : row->now;
}

static inline bool plan_row_is_workload(const struct plan_row *row) {
    return row->resource->resource.kind == CLOUD_WORKLOAD;
}

static inline bool plan_row_is_storage(const struct plan_row *row) {
    return cloud_kind_is_storage(row->resource->resource.kind);
}

/* One whose number is planned: it is no part of the sums of counts. */
static inline bool plan_row_is_node(const struct plan_work *work, const struct plan_row *row) {
    return work->has_nodes && row->resource->resource.kind == CLOUD_NODE;
}

/* The size that follows; under an autoscaler at least the minimum. */
static inline int64_t plan_size_after(const struct plan_row *row, int64_t value) {
    return row->is_bounds && value >= row->now && row->actual > value ? row->actual : value;
}

/* scale.c */
int64_t plan_count_for(const struct plan_work *work, const struct plan_row *row, double demand);
double plan_capacity_of(const struct plan_work *work, const struct plan_row *row, int64_t count);
/* The same of any machine, by its capacity in the policy's metric. */
int64_t plan_machines_for(const struct policy *policy, int64_t capacity, double demand);
double plan_serves(const struct policy *policy, int64_t capacity, int64_t count);
/* What must be covered in a step of the row's forecast. */
double plan_demand_at(struct plan_work *work, const struct plan_row *row, size_t step);
double plan_demand_peak(struct plan_work *work, const struct plan_row *row); /* The greatest of the horizon. */
void plan_scale_needs(struct plan_work *work);
void plan_scale_sum(struct plan_work *work);   /* need -> desired: capacity.min and capacity.max. */
void plan_scale_steps(struct plan_work *work); /* desired -> to: what may be done now. */
int64_t plan_step_weight(struct plan_work *work, const struct forecast *f, size_t step); /* Of sla.slots. */
/* The chance that demand at a step is above what is served, from the quantiles; straight between them. */
double plan_chance_above(const struct forecast *f, size_t step, double serves);
/* What is given up must not be wanted back before it could be: so far a shrink looks ahead. */
int64_t plan_hold_ms(const struct policy *policy);
int64_t plan_risk(const struct plan_work *work, const struct plan_row *row); /* Once it is carried out. */

/* overhead.c */
/* False: it is more than one of today's machines can spare. */
bool plan_overhead_fits(const struct plan_work *work, const struct plan_row *row);
/* What a machine of this capacity is to a demand measured on the row's own; 0: nothing. */
int64_t plan_overhead_capacity(const struct plan_work *work, const struct plan_row *row, int64_t capacity);
money_micros plan_overhead_price(const struct plan_work *work, money_micros price);

/* instances.c: machines that no group decides about. */
void plan_instance_open(const struct plan_work *work, struct plan_row *row);
/* Of the dimension that is not forecast: what another type must have, of what it has. */
int64_t plan_instance_other(const struct plan_work *work, const struct plan_row *row, double peak, int64_t before);
money_micros plan_instance_outage(const struct plan_work *work, const struct plan_row *row);
void plan_instances_choose(struct plan_work *work);

/* scale_spread.c: placement.spread, after the sums and after the steps. */
void plan_spread_needs(struct plan_work *work);
void plan_spread_steps(struct plan_work *work);

/* options.c */
void plan_options(struct plan_work *work);
/* Of a row that leaves; none where it may not be moved. */
void plan_options_leaving(struct plan_work *work, struct plan_row *row);
/* leave.c: what stands on closed machines. */
void plan_leave(struct plan_work *work);        /* Between needs and sums: need becomes that of the refuge. */
void plan_leave_settle(struct plan_work *work); /* After the choice: what it comes to. */
/* choose.c: at most one option a row, inside the policy's sums; growth is never held back by it. */
void plan_choose(struct plan_work *work);
/* bound.c: what the hour planned for costs at least; -1: a price is not known. */
money_micros plan_bound(const struct plan_work *work);

/* unmet.c: what a violation costs, where the policy says so. */
/* What it is worth that of `required` in a step of the row only `serves` is served. */
money_micros plan_unmet_cost(struct plan_work *work, const struct plan_row *row, size_t step, double required,
                             double serves);
/* ": 3.9 of 13.0 vCPU are not served" by so many of the row's machines; "" if all is. */
const char *plan_short_words(const struct plan_work *work, const struct plan_row *row, int64_t count);
/* Of what is chosen; NULL: it serves all. */
const char *plan_unmet_sentence(const struct plan_work *work, const struct plan_row *row);

/* cut.c: need -> desired, of `total` machines that may be there. False: unmet demand has no price here. */
bool plan_cut_priced(struct plan_work *work, int64_t total);

/* outage.c */
bool plan_is_out_of_stock(const struct plan_work *work, const struct plan_row *row);
const char *plan_outage_words(const struct plan_work *work, const struct snapshot_outage *outage);
/* Of what grows all the same; NULL: nothing is known to be out of stock. */
const char *plan_outage_sentence(const struct plan_work *work, const struct plan_row *row);

/* requests.c */
void plan_requests(struct plan_work *work);
void plan_why_requests(struct plan_work *work, const struct plan_row *row, struct plan_action *action);

/* What each of so many pods must request for this demand: two digits, rounded up. */
int64_t plan_requests_for(const struct plan_work *work, double demand, int64_t count);
int64_t plan_requests_below(int64_t requests); /* Two digits, rounded down. */

/* joint.c: replicas and requests by what fits the nodes; between needs and sums, which count on it. */
void plan_joint(struct plan_work *work);

/* start.c: after idle, whose verdict it replaces. */
void plan_start(struct plan_work *work);
int64_t plan_running(const struct plan_work *work); /* Machines that are not stopped. */

/* idle.c */
void plan_idle(struct plan_work *work);        /* Before the options: what is idle needs none. */
void plan_idle_groups(struct plan_work *work); /* After the choice: a group that is settled. */
void plan_why_state_action(const struct plan_work *work, const struct plan_row *row, struct plan_action *action);

/* nodes.c: last, as it counts on what the others have decided. */
void plan_nodes_open(struct plan_work *work); /* Once, the rows are there. */
void plan_nodes(struct plan_work *work);

/* why.c */
const char *plan_demand_sentence(const struct plan_work *work, const struct plan_row *row);
const char *plan_metric_unit(const struct policy *policy);
const char *plan_piece(const struct plan_row *row, int64_t count); /* "machine", "replicas" */
void plan_why(const struct plan_work *work, const struct plan_row *row, struct plan_action *action);
struct plan_why_not plan_why_not_of(const struct plan_work *work, const struct plan_row *row);
/* One more candidate of the row that is not taken. */
void plan_why_not_add(struct plan_work *work, const struct plan_row *row, const char *reason, const char *message);
void plan_why_not_about(struct plan_work *work, const struct plan_row *row, enum action_type action, const char *reason,
                        const char *message);

/* why_option.c */
const char *plan_option_words(const struct plan_work *work,
                              const struct plan_option *option); /* "4 x c6i.large in shop/aws/us-east-1" */
void plan_why_option(struct plan_work *work, const struct plan_row *row, struct plan_action *action);

#endif
