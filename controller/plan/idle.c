/*
 * What nobody uses, and what would end it. Each kind by what its cloud tells of it:
 *
 *     Volume     attached to nothing, and as old as idle.after      Snapshot, where the policy takes any and there is
 *                                                                   none that young; then Delete
 *     Address    attached to nothing                                Delete
 *     Snapshot   as old as idle.snapshotAge, and not the newest     Delete
 *                of its disk
 *     Instance   stopped for idle.after                             Delete
 *     Instance,  its demand was next to nothing for idle.after      Stop
 *     a group
 *
 * Since when a disk hangs on nothing no cloud tells, so that its own age has to do. Nothing is idle by a view that is
 * not fresh, and none of it is proposed unless the policy names the action.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "base/str.h"
#include "base/timefmt.h"
#include "plan/placement.h"

/* Demand up to this share of the capacity is next to nothing: what an agent and the system itself use. It may be
 * exceeded in one sample of a hundred. */
#define IDLE_PERCENT 3
#define BUSY_SAMPLES_PERCENT 1
/* Of the time that is judged there must be samples of so much. */
#define SAMPLES_PERCENT 90

#define HOUR_MS (INT64_C(60) * 60 * 1000)
#define DAY_MS (24 * HOUR_MS)

#define RISK_UNDONE 0      /* It can be undone: something is kept, or it starts again. */
#define RISK_FOR_GOOD 1000 /* It cannot. */

struct search {
    struct plan_work *work;
    const struct snapshot_resource **copies; /* Snapshots by their disk. */
    size_t copy_count;
};

static int64_t age_ms(const struct plan_work *work, int64_t since_ms) {
    return since_ms > 0 ? work->input->snapshot->as_of_ms - since_ms : -1;
}

/* In whole days, or of what is younger in hours: what is told changes no oftener than it has to. */
static const char *days(const struct plan_work *work, int64_t span_ms) {
    char text[32];
    duration_format(span_ms - span_ms % (span_ms < 2 * DAY_MS ? HOUR_MS : DAY_MS), text, sizeof(text));
    return arena_strdup(work->arena, text);
}

/* Of a machine that is weighed for other things too it is one candidate of several. */
static void stays(struct plan_work *work, struct plan_row *row, enum action_type action, const char *reason,
                  const char *detail) {
    if (!row->hold) {
        plan_why_not_about(work, row, action, reason, detail);
        return;
    }
    row->about = action_type_name(action);
    row->reason = reason;
    row->detail = detail;
}

/* The action, if the policy names it. */
static void propose(struct plan_work *work, struct plan_row *row, struct plan_state_action idle) {
    if (!policy_may(work->input->policy, idle.type)) {
        stays(work, row, idle.type, "ActionNotAllowed",
              arena_printf(work->arena, "%s; the policy's actions lack %s", idle.why, action_type_name(idle.type)));
        return;
    }
    row->state_action = arena_memdup(work->arena, &idle, sizeof(idle));
    if (idle.type == ACTION_SNAPSHOT)
        return;
    row->hold = true; /* For the bound: nothing else is weighed for it any more. */
    row->desired = row->to = 0;
}

/* ---- disks, snapshots and addresses ---- */

static const char *parent_of(const struct snapshot_resource *copy) {
    return copy->resource.parent ? copy->resource.parent : "";
}

/* By provider, region and disk; of one disk the newest last. */
static int copy_cmp(const void *a, const void *b) {
    const struct snapshot_resource *x = *(const struct snapshot_resource *const *)a;
    const struct snapshot_resource *y = *(const struct snapshot_resource *const *)b;
    int order = str_cmp(x->provider, y->provider);
    if (order == 0)
        order = str_cmp(x->resource.region, y->resource.region);
    if (order == 0)
        order = str_cmp(parent_of(x), parent_of(y));
    int64_t left = x->resource.created_at_ms, right = y->resource.created_at_ms;
    return order ? order : (left > right) - (left < right);
}

/* Whole ones, of a disk that is told. */
static void copies_find(struct search *search) {
    const struct snapshot *snapshot = search->work->input->snapshot;
    search->copies = arena_alloc_array(search->work->arena, snapshot->resource_count + 1, sizeof(*search->copies));
    for (size_t i = 0; i < snapshot->resource_count; i++) {
        const struct cloud_resource *r = &snapshot->resources[i].resource;
        if (r->kind == CLOUD_SNAPSHOT && r->state == CLOUD_AVAILABLE && r->parent)
            search->copies[search->copy_count++] = &snapshot->resources[i];
    }
    if (search->copy_count > 0)
        qsort(search->copies, search->copy_count, sizeof(*search->copies), copy_cmp);
}

/* Whether the snapshots of its region are seen, all of them and as they are. */
static bool is_copy_seen(const struct plan_work *work, const struct plan_row *row) {
    const struct snapshot *snapshot = work->input->snapshot;
    for (size_t i = 0; i < snapshot->source_count; i++) {
        const struct snapshot_source *source = &snapshot->sources[i];
        if (source->kind == CLOUD_SNAPSHOT && str_eq(source->region, row->resource->resource.region) &&
            str_eq(source->provider, row->resource->provider))
            return source->state == SOURCE_FRESH;
    }
    return false;
}

/* When the newest snapshot of a disk was taken; 0: there is none, or it is not told. */
static int64_t copied_at_ms(const struct search *search, const char *provider, const char *region, const char *disk) {
    const struct snapshot_resource wanted = {
        .provider = provider, .resource = {.region = region, .parent = disk, .created_at_ms = INT64_MAX}};
    const struct snapshot_resource *const key = &wanted;
    size_t low = 0, high = search->copy_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (copy_cmp(&search->copies[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    const struct snapshot_resource *found = low > 0 ? search->copies[low - 1] : NULL;
    bool is_of_it = found && str_eq(found->provider, provider) && str_eq(found->resource.region, region) &&
                    str_eq(parent_of(found), disk);
    return is_of_it ? found->resource.created_at_ms : 0;
}

static const char *size_words(const struct plan_work *work, const struct cloud_resource *r) {
    return arena_printf(work->arena, "%lld GiB%s%s", (long long)(r->memory_mib / 1024), r->type[0] ? " of " : "",
                        r->type);
}

static void volume(const struct search *search, struct plan_row *row) {
    struct plan_work *work = search->work;
    const struct policy *policy = work->input->policy;
    const struct cloud_resource *r = &row->resource->resource;
    int64_t age = age_ms(work, r->created_at_ms);
    if (r->state != CLOUD_AVAILABLE || r->parent) {
        stays(work, row, ACTION_DELETE, "InUse",
              r->parent ? arena_printf(work->arena, "attached to %s", r->parent) : "it is in use");
    } else if (age < policy->idle.after_ms) {
        stays(work, row, ACTION_DELETE, "TooYoung",
              age < 0 ? "attached to nothing; how old it is is not told"
                      : arena_printf(work->arena, "attached to nothing; only %s old", days(work, age)));
    } else if (!policy_may(work->input->policy, ACTION_SNAPSHOT)) {
        propose(work, row,
                (struct plan_state_action){ACTION_DELETE, TARGET_STATE_DELETED,
                                           arena_printf(work->arena, "attached to nothing; %s, %s old; no copy is kept",
                                                        size_words(work, r), days(work, age)),
                                           RISK_FOR_GOOD, false});
    } else if (!(policy->selector.kinds >> CLOUD_SNAPSHOT & 1u)) {
        stays(work, row, ACTION_DELETE, "SnapshotsNotSelected",
              "attached to nothing; whether there is a snapshot of it is seen only with Snapshot in selector.kinds");
    } else if (!is_copy_seen(work, row)) {
        stays(work, row, ACTION_DELETE, "StaleObservation",
              "attached to nothing; whether there is a snapshot of it is not known: its region's snapshots were not "
              "listed lately, or not all of them");
    } else {
        int64_t copy_age = age_ms(work, copied_at_ms(search, row->resource->provider, r->region, r->id));
        bool has_copy = copy_age >= 0 && copy_age < policy->idle.after_ms;
        const char *what =
            arena_printf(work->arena, "attached to nothing; %s, %s old", size_words(work, r), days(work, age));
        propose(work, row,
                has_copy ? (struct plan_state_action){ACTION_DELETE, TARGET_STATE_DELETED,
                                                      arena_printf(work->arena, "%s; a snapshot of %s ago stays", what,
                                                                   days(work, copy_age)),
                                                      RISK_UNDONE, false}
                         : (struct plan_state_action){
                               ACTION_SNAPSHOT, TARGET_STATE_SNAPSHOTTED,
                               arena_printf(work->arena, "%s; to be deleted once there is a copy", what), RISK_UNDONE,
                               false});
    }
}

static void address(const struct search *search, struct plan_row *row) {
    struct plan_work *work = search->work;
    const struct cloud_resource *r = &row->resource->resource;
    if (r->state != CLOUD_AVAILABLE || r->parent)
        stays(work, row, ACTION_DELETE, "InUse",
              r->parent ? arena_printf(work->arena, "attached to %s", r->parent) : "it is in use");
    else
        propose(work, row,
                (struct plan_state_action){ACTION_DELETE, TARGET_STATE_DELETED,
                                           "held, and attached to nothing; released, it can go to somebody else",
                                           RISK_FOR_GOOD, false});
}

static void old_copy(const struct search *search, struct plan_row *row) {
    struct plan_work *work = search->work;
    const struct cloud_resource *r = &row->resource->resource;
    int64_t age = age_ms(work, r->created_at_ms);
    if (r->state != CLOUD_AVAILABLE || age < work->input->policy->idle.snapshot_age_ms)
        stays(work, row, ACTION_DELETE, "TooYoung",
              age < 0 ? "how old it is is not told"
                      : arena_printf(work->arena, "%s old; idle.snapshotAge asks for more", days(work, age)));
    else if (!r->parent || copied_at_ms(search, row->resource->provider, r->region, r->parent) <= r->created_at_ms)
        stays(work, row, ACTION_DELETE, "LastCopy", "there is no newer snapshot of its disk");
    else
        propose(work, row,
                (struct plan_state_action){ACTION_DELETE, TARGET_STATE_DELETED,
                                           arena_printf(work->arena, "%s old, and there is a newer snapshot of %s",
                                                        days(work, age), r->parent),
                                           RISK_UNDONE, true});
}

/* ---- machines ---- */

/* Of the last idle.after, or of what is kept if that is less, the samples and those above next to nothing. False: too
 * few are known. */
static bool is_unused(const struct plan_work *work, const struct plan_row *row, int64_t *ret_span_ms,
                      int64_t *ret_busy) {
    const struct policy *policy = work->input->policy;
    const struct history_series *h = &row->resource->history;
    int64_t span_ms =
        policy->idle.after_ms < policy->forecast.history_ms ? policy->idle.after_ms : policy->forecast.history_ms;
    double idle = (double)row->resource->capacity_per_machine / 1000 * (double)row->actual * IDLE_PERCENT / 100;
    int64_t from_ms = work->input->snapshot->as_of_ms - span_ms, known = 0, busy = 0;
    for (size_t i = 0; i < h->count; i++) {
        if (h->start_ms + (int64_t)i * h->step_ms < from_ms || !isfinite(h->demand[i]))
            continue;
        known++;
        busy += (double)h->demand[i] > idle;
    }
    *ret_span_ms = span_ms;
    *ret_busy = known > 0 ? busy * 1000 / known : 0;
    return known * h->step_ms * 100 >= span_ms * SAMPLES_PERCENT && busy * 100 <= known * BUSY_SAMPLES_PERCENT;
}

/* end: of a group, where the machines of the policy are without it. */
static void unused_machine(struct plan_work *work, struct plan_row *row, struct plan_placement *end) {
    int64_t span_ms, busy;
    if (work->input->policy->forecast.metric != CLOUD_METRIC_CPU || row->resource->capacity_per_machine <= 0 ||
        row->actual <= 0 || !is_unused(work, row, &span_ms, &busy))
        return;
    if (!end && work->running <= work->input->policy->capacity.min) {
        stays(work, row, ACTION_STOP, "AtMinimum",
              arena_printf(work->arena, "nobody uses it, but capacity.min is %lld, and no more run",
                           (long long)work->input->policy->capacity.min));
        return;
    }
    const char *against = end ? plan_placement_against_none(end, row) : NULL;
    if (against) {
        stays(work, row, ACTION_STOP, "SpreadViolated", arena_printf(work->arena, "nobody uses it, but %s", against));
        return;
    }
    propose(work, row,
            (struct plan_state_action){ACTION_STOP, cloud_state_name(CLOUD_STOPPED),
                                       arena_printf(work->arena,
                                                    "its demand was up to %d %% of its capacity for the last %s",
                                                    IDLE_PERCENT, days(work, span_ms)),
                                       busy, true});
    work->running -= row->state_action ? row->actual : 0;
}

static void stopped_machine(struct plan_work *work, struct plan_row *row) {
    const struct cloud_resource *r = &row->resource->resource;
    int64_t age = age_ms(work, r->state_since_ms);
    if (age < work->input->policy->idle.after_ms)
        stays(work, row, ACTION_DELETE, "TooYoung",
              age < 0 ? "it is stopped; since when is not told"
                      : arena_printf(work->arena, "it is stopped, but only for %s", days(work, age)));
    else
        propose(work, row,
                (struct plan_state_action){
                    ACTION_DELETE, TARGET_STATE_DELETED,
                    arena_printf(work->arena, "stopped for %s; its disks may go with it, so take snapshots first",
                                 days(work, age)),
                    RISK_FOR_GOOD, true});
}

static void machine(const struct search *search, struct plan_row *row) {
    struct plan_work *work = search->work;
    const struct cloud_resource *r = &row->resource->resource;
    if (r->parent)
        stays(work, row, r->state == CLOUD_STOPPED ? ACTION_DELETE : ACTION_STOP, "ManagedElsewhere",
              arena_printf(work->arena, "%s decides about it", r->parent));
    else if (r->state == CLOUD_STOPPED)
        stopped_machine(work, row);
    else if (r->state == CLOUD_RUNNING)
        unused_machine(work, row, NULL);
}

/* Machines that it has at least, now, on the way and at the plan's end. */
static int64_t least_of(const struct plan_row *row) {
    int64_t least = plan_row_floor(row), desired = row->chosen ? row->chosen->count : row->desired;
    if (row->closure)
        return 0;
    least = row->to < least ? row->to : least;
    return desired < least ? desired : least;
}

/* A group that is as small as it may be, and settled; the others keep capacity.min without it. */
static bool is_settled_group(const struct plan_work *work, const struct plan_row *row, int64_t least) {
    const struct cloud_resource *r = &row->resource->resource;
    return r->kind == CLOUD_INSTANCE_GROUP && !row->hold && row->may_shrink && !row->is_bounds && !row->chosen &&
           !r->count_manager && row->to == row->now && row->desired == row->now &&
           least - least_of(row) >= work->input->policy->capacity.min && policy_may(work->input->policy, ACTION_STOP);
}

static void (*const judges[CLOUD_KIND_COUNT])(const struct search *search, struct plan_row *row) = {
    [CLOUD_VOLUME] = volume,
    [CLOUD_ADDRESS] = address,
    [CLOUD_SNAPSHOT] = old_copy,
    [CLOUD_INSTANCE] = machine,
};

static void row_judge(const struct search *search, struct plan_row *row) {
    bool is_certain = row->source->state == SOURCE_FRESH && !row->resource->claimed_by &&
                      row->resource->resource.state != CLOUD_DELETING;
    if (is_certain && judges[row->resource->resource.kind])
        judges[row->resource->resource.kind](search, row);
}

void plan_idle(struct plan_work *work) {
    struct search search = {.work = work};
    copies_find(&search);
    work->running = plan_running(work);
    for (size_t i = 0; i < work->count; i++)
        row_judge(&search, &work->rows[i]);
}

void plan_idle_groups(struct plan_work *work) {
    struct plan_placement end;
    int64_t least = 0;
    plan_placement_open_end(work, &end);
    for (size_t i = 0; i < work->count; i++)
        least += least_of(&work->rows[i]);
    for (size_t i = 0; i < work->count; i++) {
        struct plan_row *row = &work->rows[i];
        int64_t own = least_of(row);
        if (!is_settled_group(work, row, least))
            continue;
        unused_machine(work, row, &end);
        least -= row->state_action ? own : 0;
    }
}

void plan_why_state_action(const struct plan_work *work, const struct plan_row *row, struct plan_action *action) {
    const char **why = arena_alloc_array(work->arena, 3, sizeof(*why));
    char text[MONEY_TEXT_MAX];
    why[action->why_count++] = row->state_action->why;
    if (row->goes_with)
        why[action->why_count++] = row->goes_with;
    if (action->cost_hourly < 0) {
        why[action->why_count++] = "what it costs is not known";
    } else if (action->saving_hourly != 0) {
        money_format(money_abs(action->saving_hourly), 4, text);
        why[action->why_count++] =
            arena_printf(work->arena, "%s %s USD an hour", action->saving_hourly > 0 ? "saves" : "costs", text);
    }
    action->why = why;
}
