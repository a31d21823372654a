/*
 * placement.spread in numbers of machines: the places with the fewest are raised until no two differ by more than
 * maxSkew, and nothing shrinks that would make them differ by more than they do now.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "plan/placement.h"

#define PASSES_MAX 8

/* Of a place: the row whose next machine costs least. */
struct part {
    size_t row;
    money_micros price; /* INT64_MAX: not known. */
};

static int by_price(const void *a, const void *b) {
    const struct part *x = a, *y = b;
    if (x->price != y->price)
        return x->price < y->price ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The rows in the places of the kind, cheapest first. */
static struct part *parts_of(const struct plan_work *work, const struct plan_places *places, size_t *ret_count) {
    struct part *parts = arena_alloc_array(work->arena, work->count + 1, sizeof(*parts));
    size_t count = 0;
    for (size_t i = 0; i < work->count; i++)
        if (places->of_rows[i] != PLAN_NOWHERE && !work->rows[i].closure)
            parts[count++] = (struct part){i, work->rows[i].price < 0 ? INT64_MAX : work->rows[i].price};
    if (count > 0)
        qsort(parts, count, sizeof(*parts), by_price);
    *ret_count = count;
    return parts;
}

enum size_of { SIZE_NOW, SIZE_TO, SIZE_DESIRED };

static int64_t size_of(const struct plan_row *row, enum size_of which) {
    return plan_size_after(row, which == SIZE_NOW ? row->now : which == SIZE_TO ? row->to : row->desired);
}

/* Machines by place. Gives the most that any has; PLAN_NOWHERE: there is none. */
static int64_t count_places(const struct plan_work *work, const struct plan_places *places, enum size_of which,
                            int64_t *machines, int64_t *ret_least) {
    bool *has = arena_alloc_array(work->arena, places->count + 1, sizeof(*has));
    int64_t most = 0;
    *ret_least = INT64_MAX;
    for (size_t p = 0; p < places->count; p++)
        machines[p] = 0;
    for (size_t i = 0; i < work->count; i++) {
        size_t place = places->of_rows[i];
        if (place == PLAN_NOWHERE || work->rows[i].closure)
            continue;
        machines[place] += size_of(&work->rows[i], which);
        has[place] = true;
    }
    for (size_t p = 0; p < places->count; p++) {
        if (!has[p])
            continue;
        most = machines[p] > most ? machines[p] : most;
        *ret_least = machines[p] < *ret_least ? machines[p] : *ret_least;
    }
    return most;
}

/* Raises what is below the level, as far as the groups and capacity.max go. True: something was. */
static bool raise(struct plan_work *work, const struct plan_spread *spread, int64_t *room) {
    size_t count;
    int64_t least, most = count_places(work, &spread->places, SIZE_DESIRED, spread->machines, &least);
    int64_t level = most - spread->spec->skew_max;
    bool is_raised = false;
    if (least >= level)
        return false;
    work->binding = work->binding ? work->binding : "placement.spread";
    const struct part *parts = parts_of(work, &spread->places, &count);
    for (size_t t = 0; t < count; t++) {
        struct plan_row *row = &work->rows[parts[t].row];
        int64_t *machines = &spread->machines[spread->places.of_rows[parts[t].row]];
        int64_t more = level - *machines;
        if (row->hold || more <= 0)
            continue;
        more = more < row->high - row->desired ? more : row->high - row->desired;
        more = more < *room ? more : *room;
        if (more <= 0)
            continue;
        row->desired += more;
        row->spread_more += more;
        *machines += more;
        *room -= more;
        is_raised = true;
    }
    return is_raised;
}

static int64_t room_of(const struct plan_work *work) {
    int64_t room = work->input->policy->capacity.max;
    for (size_t i = 0; i < work->count; i++)
        room -= work->rows[i].closure ? 0 : plan_size_after(&work->rows[i], work->rows[i].desired);
    return room;
}

/* Each in turn, again where one has undone what another had raised: a machine of a zone counts in its region too.
 * False: they do not come to an end. */
static bool raise_all(struct plan_work *work, const struct plan_placement *placement) {
    int64_t room = room_of(work);
    for (size_t pass = 0; pass < PASSES_MAX; pass++) {
        bool is_raised = false;
        for (size_t s = 0; s < placement->spread_count; s++)
            is_raised |= raise(work, &placement->spreads[s], &room);
        if (!is_raised)
            return true;
    }
    return false;
}

void plan_spread_needs(struct plan_work *work) {
    struct plan_placement placement;
    if (work->input->policy->placement.spread_count == 0 || work->input->headroom.shrink_to_minimum)
        return;
    plan_placement_open(work, &placement);
    if (raise_all(work, &placement))
        return;
    /* Two regions of a zone and of two cannot have as many machines in each region and in each zone: the first counts.
     */
    for (size_t i = 0; i < work->count; i++) {
        work->rows[i].desired -= work->rows[i].spread_more;
        work->rows[i].spread_more = 0;
    }
    int64_t room = room_of(work);
    (void)raise(work, &placement.spreads[0], &room);
}

/* Takes back some of the shrinking of what has the fewest. */
static void hold_shrinking(struct plan_work *work, const struct plan_spread *spread) {
    size_t count;
    int64_t least, most = count_places(work, &spread->places, SIZE_NOW, spread->machines, &least);
    int64_t allowed = least < most ? most - least : 0;
    allowed = allowed > spread->spec->skew_max ? allowed : spread->spec->skew_max;
    most = count_places(work, &spread->places, SIZE_TO, spread->machines, &least);
    if (least >= most - allowed)
        return;
    const struct part *parts = parts_of(work, &spread->places, &count);
    for (size_t t = 0; t < count; t++) {
        struct plan_row *row = &work->rows[parts[t].row];
        int64_t *machines = &spread->machines[spread->places.of_rows[parts[t].row]];
        int64_t back = most - allowed - *machines;
        if (back <= 0 || row->to >= row->now)
            continue;
        back = back < row->now - row->to ? back : row->now - row->to;
        row->to += back;
        *machines += back;
        work->binding = work->binding ? work->binding : "placement.spread";
        if (row->to < row->now)
            continue;
        row->reason = "SpreadViolated";
        row->detail =
            arena_printf(work->arena,
                         "with fewer machines than %lld, a %s would have more than %lld less than another: "
                         "placement.spread",
                         (long long)row->now, policy_topology_name(spread->spec->topology), (long long)allowed);
    }
}

void plan_spread_steps(struct plan_work *work) {
    struct plan_placement placement;
    if (work->input->policy->placement.spread_count == 0 || work->input->headroom.shrink_to_minimum)
        return;
    plan_placement_open(work, &placement);
    for (size_t s = 0; s < placement.spread_count; s++)
        hold_shrinking(work, &placement.spreads[s]);
}
