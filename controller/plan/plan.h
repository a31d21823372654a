/*
 * The noun of planning: ordered actions with cost, risk, why, and for what was not taken why not. Holds no uid, no
 * resourceVersion, no clock: the same policy, snapshot, forecasts and headroom give the same bytes (plan/print.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_PLAN_H
#define TRIMTAB_PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/money.h"
#include "manifest/recommendation.h"
#include "manifest/spec.h"

struct plan_action {
    enum action_type type;
    const char *provider; /* "namespace/name" */
    const char *region;
    enum cloud_kind kind;
    const char *id;
    bool is_bounds; /* Scale: not the size changes but the bounds of the autoscaler that sets it. */
    struct target_state from, to;
    money_micros cost_hourly;     /* After the action, of this resource; -1 unknown. */
    money_micros saving_hourly;   /* Before - after; negative for growth. 0 when unknown. Of Rightsize and Migrate the
                                     mean over the horizon, each scaled to demand. */
    int64_t risk_per_mille;       /* Chance, at the worst step of the window planned for, that demand exceeds capacity x
                                     target after it (a violation); 1000 without a forecast. Of what nobody uses, the
                                     share of samples in which somebody did; 1000 where nothing brings it back. */
    int64_t confidence_per_mille; /* From the forecast's basis and coverage. */
    const char *const *why;       /* Sentences, the most important first. */
    size_t why_count;
    char hash[17]; /* planHash: hex of target, from, to and preconditions. */
};

struct plan_why_not {   /* A candidate that was not taken. */
    const char *reason; /* CamelCase: "BelowMinSaving", "StaleObservation", "SelectedTwice", "ManagedElsewhere",
                           "NoHistory"... */
    const char *message;
    const char *target; /* "provider/region/id" */
    const char *action; /* What would have been done: action_type_name; NULL: it is about no action in particular. */
};

#define PLAN_UNMET "DemandUnmet" /* The reason of what would not be served: its place is closed (headroom.h). */

struct plan_resource { /* What the plan wants of each selected resource, whether or not it acts. */
    const char *provider, *region, *id;
    enum cloud_kind kind;
    int64_t actual;                   /* count now */
    int64_t desired;                  /* Where it should end up; under an autoscaler, at least. */
    double demand;                    /* The quantile that desired covers, in the metric's unit. */
    double demand_p50;                /* The median of the same moment. */
    money_micros desired_cost_hourly; /* -1 unknown. */
};

struct plan {
    const struct plan_action
        *actions; /* Growth, shrinking, other machines and places, what nobody uses; by provider, region, id. */
    size_t action_count;
    const struct plan_why_not *why_not;
    size_t why_not_count;
    const struct plan_resource *resources;
    size_t resource_count;
    int64_t actual, desired;          /* Sums. */
    const char *unit;                 /* Of these: "machines", "replicas", "machines and replicas". */
    money_micros cost_hourly;         /* Now; -1 unknown. */
    money_micros desired_cost_hourly; /* -1 unknown. */
    money_micros committed_hourly, desired_committed_hourly; /* What of both runs on commitments: owed either way. */
    money_micros lower_bound_hourly; /* No choice under the policy serves what is desired for less; -1 unknown. */
    int64_t gap_per_mille;           /* By how much of it desired_cost_hourly may be above the least, at most. */
    money_micros peak_cost_hourly; /* Static sizing for the highest demand in the history; -1 unknown. The saving shown
                                      is against it. */
    const char *binding;           /* The constraint that held the plan back ("capacity.max"); NULL: none. */
    char hash[17];                 /* Of all actions. */
};

#endif
