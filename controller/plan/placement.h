/*
 * placement.spread and placement.antiAffinity: where the groups of a policy are, and how many machines that makes in
 * each place.
 *
 * A group is in the places that the listing names: its Provider, region and zone. One over several zones, of which no
 * listing tells how many machines are where, is spread by the cloud, and counts in no zone; so does one that a
 * migration moves, which names a region.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_PLACEMENT_H
#define TRIMTAB_PLAN_PLACEMENT_H

#include "plan/plan_internal.h"

struct plan_places { /* Of one kind. */
    enum policy_topology topology;
    const char **names; /* Of the places of groups and targets. */
    size_t count;
    size_t *of_rows, *of_targets; /* PLAN_NOWHERE: in none. */
};
#define PLAN_NOWHERE SIZE_MAX

struct plan_spread {
    const struct policy_spread *spec;
    struct plan_places places;
    int64_t *machines; /* By place. */
    size_t *groups;
    int64_t skew_allowed;    /* What there must be at most: maxSkew, or what it would be without any change. */
    size_t domains_required; /* minDomains, or as many as there are. */
};

struct plan_affinity {
    struct plan_places places; /* topology: of a migration, at least the region. */
    size_t *standing;          /* Groups by place, before the plan; */
    size_t *coming;            /* and those that it moves there. */
};

/* Of a plan's end, as it is built up. */
struct plan_placement {
    struct plan_work *work;
    struct plan_spread *spreads;
    size_t spread_count;
    struct plan_affinity *affinity; /* NULL: there is none. */
};

/* All rows stay, at their desired size; what must leave is where it finds refuge. */
void plan_placement_open(struct plan_work *work, struct plan_placement *ret);
/* The same, with what is chosen. */
void plan_placement_open_end(struct plan_work *work, struct plan_placement *ret);
/* Takes the row out as it stays (option NULL) or as the option leaves it, or puts it in. */
void plan_placement_put(struct plan_placement *placement, const struct plan_row *row, const struct plan_option *option,
                        int sign);
bool plan_placement_is_spread(const struct plan_placement *placement);
/* Takes out the machines of a group that stays. Why they must stay, and are put back; NULL: nothing asks for them. */
const char *plan_placement_against_none(struct plan_placement *placement, struct plan_row *row);
/* May the option be put in, as far as other groups go? */
bool plan_placement_is_apart(const struct plan_placement *placement, const struct plan_row *row,
                             const struct plan_option *option);
/* "Region platform/aws/us-east-1 has ..." */
const char *plan_placement_words(const struct plan_placement *placement);
/* Gives up what was chosen beside something that a quota has taken out, where the places would differ by too much. */
void plan_placement_settle(struct plan_work *work);
/* Groups that stand in one place already. */
void plan_placement_tell(const struct plan_placement *placement);

#endif
