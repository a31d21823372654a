/*
 * See pack_internal.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "plan/pack_place.h"

struct sorting {
    const struct pack_problem *problem;
    size_t index;
};

static int by_int64(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

static int compare_needs(const struct pack_demand *a, const struct pack_demand *b) {
    for (size_t d = 0; d < PACK_RESOURCES; d++)
        if (a->need[d] != b->need[d])
            return by_int64(b->need[d], a->need[d]);
    return 0;
}

/* It has a limit of its own, so it is a class of its own. */
static bool is_own(const struct pack_demand *demand) {
    return (demand->per_node_max > 0 && demand->per_node_max < demand->count) ||
           (demand->skew_max > 0 && demand->skew_max < demand->count);
}

static int compare_classes(const struct pack_demand *a, const struct pack_demand *b) {
    int order = compare_needs(a, b);
    if (!order && (a->architecture || b->architecture))
        order = str_cmp(a->architecture ? a->architecture : "", b->architecture ? b->architecture : "");
    return order ? order : is_own(a) - is_own(b);
}

static int compare_demands(const void *left, const void *right) {
    const struct sorting *a = left, *b = right;
    const struct pack_demand *x = &a->problem->demands[a->index], *y = &b->problem->demands[b->index];
    int order = compare_classes(x, y);
    return order ? order : str_cmp(x->name, y->name);
}

static int compare_offers(const void *left, const void *right) {
    const struct sorting *a = left, *b = right;
    const struct pack_offer *x = &a->problem->offers[a->index], *y = &b->problem->offers[b->index];
    int order = by_int64(x->price_hourly, y->price_hourly);
    for (size_t d = 0; d < PACK_RESOURCES && !order; d++)
        order = by_int64(y->has[d], x->has[d]);
    if (!order)
        order = str_cmp(x->provider, y->provider);
    if (!order)
        order = str_cmp(x->region, y->region);
    if (!order)
        order = str_cmp(x->type, y->type);
    return order ? order : str_cmp(x->zone ? x->zone : "", y->zone ? y->zone : "");
}

static struct sorting *sorted(const struct pack_problem *problem, size_t count, struct arena *arena,
                              int (*compare)(const void *, const void *)) {
    struct sorting *rows = arena_alloc_array(arena, count, sizeof(*rows));
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct sorting){problem, i};
    qsort(rows, count, sizeof(*rows), compare);
    return rows;
}

static bool holds(const struct pack_machine *machine, const struct pack_demand *demand,
                  const struct pack_class *class) {
    if (!pack_may(class, machine))
        return false;
    for (size_t d = 0; d < PACK_RESOURCES; d++)
        if (demand->need[d] > machine->has[d])
            return false;
    return true;
}

/* Those before it are no dearer. */
static bool is_pointless(const struct pack_model *model, const struct pack_machine *machine) {
    for (size_t k = 0; k < model->machine_count; k++) {
        bool is_larger = memcmp(model->machines[k].is, machine->is, sizeof(machine->is)) == 0;
        for (size_t d = 0; d < PACK_DIMENSIONS && is_larger; d++)
            is_larger = model->machines[k].has[d] >= machine->has[d];
        if (is_larger)
            return true;
    }
    return false;
}

static void take_machines(const struct pack_places *places, int64_t pieces, struct arena *arena,
                          struct pack_model *model) {
    const struct pack_problem *problem = places->problem;
    struct sorting *rows = sorted(problem, problem->offer_count, arena, compare_offers);
    model->machines = arena_alloc_array(arena, problem->offer_count, sizeof(*model->machines));
    for (size_t i = 0; i < problem->offer_count; i++) {
        const struct pack_offer *offer = &problem->offers[rows[i].index];
        ASSERT(offer->price_hourly > 0);
        struct pack_machine machine = {.price = (double)pack_price(problem, rows[i].index) * 1e-6,
                                       .offer = rows[i].index};
        bool is_enough = true;
        for (size_t d = 0; d < PACK_RESOURCES; d++) {
            machine.has[d] = offer->has[d] - problem->overhead[d];
            is_enough &= machine.has[d] >= 0;
        }
        if (!is_enough)
            continue; /* Less than what it must keep for itself. */
        machine.has[PACK_PIECES] = problem->pieces_max ? problem->pieces_max : pieces;
        pack_places_of_offer(places, machine.offer, &machine);
        if (!is_pointless(model, &machine))
            model->machines[model->machine_count++] = machine;
    }
}

/* ---- what fits nowhere ---- */

static const char *amount(const struct pack_problem *problem, size_t dimension, int64_t value, struct arena *arena) {
    if (dimension == PACK_CPU)
        return arena_printf(arena, "%lldm CPU", (long long)value);
    if (dimension == PACK_MEMORY)
        return arena_printf(arena, "%lldMi memory", (long long)value);
    if (dimension == PACK_GPU)
        return arena_printf(arena, "%lld GPU", (long long)value);
    return arena_printf(arena, "%.15g %s", (double)value / 1000, problem->others[dimension - PACK_OTHER]);
}

/* "3000m CPU, 5000Mi memory and 1 GPU" */
static const char *amounts(const struct pack_problem *problem, const struct pack_demand *demand, struct arena *arena) {
    size_t last = PACK_CPU;
    for (size_t d = 0; d < PACK_RESOURCES; d++)
        if (demand->need[d] > 0)
            last = d;
    const char *text = "";
    for (size_t d = 0; d <= last; d++)
        if (demand->need[d] > 0)
            text = arena_printf(arena, "%s%s%s", text,
                                !*text      ? ""
                                : d == last ? " and "
                                            : ", ",
                                amount(problem, d, demand->need[d], arena));
    return text;
}

static const char *why_unplaced(const struct pack_problem *problem, const struct pack_model *model,
                                const struct pack_demand *demand, const struct pack_class *class, struct arena *arena) {
    bool may = false;
    if (model->machine_count == 0)
        return "no offer has more than the overhead";
    for (size_t k = 0; k < model->machine_count; k++)
        may |= pack_may(class, &model->machines[k]);
    if (!may)
        return arena_printf(arena, "no machine is %s", demand->architecture);
    for (size_t d = 0; d < PACK_RESOURCES; d++) {
        int64_t most = 0;
        for (size_t k = 0; k < model->machine_count; k++)
            if (pack_may(class, &model->machines[k]) && model->machines[k].has[d] > most)
                most = model->machines[k].has[d];
        if (demand->need[d] > most)
            return arena_printf(arena, "a piece needs %s, the largest machine has %s free",
                                amount(problem, d, demand->need[d], arena), amount(problem, d, most, arena));
    }
    return arena_printf(arena, "no machine has %s together", amounts(problem, demand, arena));
}

static bool fits_somewhere(const struct pack_model *model, const struct pack_demand *demand,
                           const struct pack_class *class) {
    for (size_t k = 0; k < model->machine_count; k++)
        if (holds(&model->machines[k], demand, class))
            return true;
    return false;
}

/* ---- classes ---- */

struct taking {
    const struct pack_places *places;
    struct arena *arena;
    struct pack_model *model;
    size_t *members, member_count; /* The next free. */
    struct pack_unplaced *unplaced;
    size_t unplaced_count;
    size_t class_room;
};

static struct pack_class *add_class(struct taking *t, const struct pack_class *asks, const struct pack_demand *demand) {
    struct pack_model *model = t->model;
    if (model->class_count == t->class_room) { /* Of what is spread there are several for a demand. */
        t->class_room = 2 * t->class_room;
        struct pack_class *moved = arena_alloc_array(t->arena, t->class_room, sizeof(*moved));
        memcpy(moved, model->classes, model->class_count * sizeof(*moved));
        model->classes = moved;
    }
    struct pack_class *added = &model->classes[model->class_count++];
    *added = *asks;
    memcpy(added->need, demand->need, sizeof(demand->need));
    added->need[PACK_PIECES] = 1;
    added->members = &t->members[t->member_count];
    return added;
}

static void leave_out(struct taking *t, size_t demand, const char *why) {
    t->unplaced[t->unplaced_count++] = (struct pack_unplaced){demand, why};
}

/* One class for each zone. False: there is nothing to spread. */
static bool take_spread(struct taking *t, size_t index, struct pack_class *asks) {
    struct pack_model *model = t->model;
    const struct pack_demand *demand = &t->places->problem->demands[index];
    struct pack_spread spread;
    const uint32_t *zones;
    const char *why;
    if (demand->skew_max == 0 || demand->skew_max >= demand->count ||
        !pack_spread_make(t->places, model, index, t->arena, &spread, &zones, &why))
        return false;
    if (why) {
        leave_out(t, index, why);
        return true;
    }
    spread.first = model->class_count;
    for (size_t z = 0; z < spread.zone_count; z++) {
        asks->asks[PACK_ZONE] = zones[z];
        struct pack_class *class = add_class(t, asks, demand);
        class->count = pack_spread_most(&spread);
        class->most = demand->per_node_max;
        class->member_count = 1;
    }
    t->members[t->member_count++] = index;
    model->spreads = arena_push(t->arena, model->spreads, model->spread_count, sizeof(*model->spreads));
    model->spreads[model->spread_count++] = spread;
    return true;
}

/* Joins the class of the last demand where it may. */
static void take_demand(struct taking *t, size_t index, const struct pack_class *asks,
                        const struct pack_demand **last) {
    const struct pack_demand *demand = &t->places->problem->demands[index];
    struct pack_model *model = t->model;
    /* Several classes of one size are as good: pieces of a filling are counted in 32 bits. */
    bool is_full = *last && model->classes[model->class_count - 1].count + demand->count > INT32_MAX;
    struct pack_class *class = !*last || is_full || is_own(demand) || compare_classes(*last, demand) != 0
                                   ? add_class(t, asks, demand)
                                   : &model->classes[model->class_count - 1];
    class->most = is_own(demand) ? demand->per_node_max : 0;
    class->count += demand->count;
    class->member_count++;
    t->members[t->member_count++] = index;
    *last = demand;
}

static void take_classes(const struct pack_places *places, struct arena *arena, struct pack_model *model,
                         struct pack_result *result) {
    const struct pack_problem *problem = places->problem;
    size_t n = problem->demand_count;
    struct sorting *rows = sorted(problem, n, arena, compare_demands);
    struct taking t = {.places = places,
                       .arena = arena,
                       .model = model,
                       .members = arena_alloc_array(arena, n, sizeof(*t.members)),
                       .unplaced = arena_alloc_array(arena, n, sizeof(*t.unplaced)),
                       .class_room = n + 1};
    model->classes = arena_alloc_array(arena, t.class_room, sizeof(*model->classes));
    const struct pack_demand *last = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct pack_demand *demand = &problem->demands[rows[i].index];
        struct pack_class asks = {0};
        if (demand->count == 0)
            continue;
        pack_places_of_demand(places, demand, &asks);
        if (!fits_somewhere(model, demand, &asks))
            leave_out(&t, rows[i].index, why_unplaced(problem, model, demand, &asks, arena));
        else if (take_spread(&t, rows[i].index, &asks))
            last = NULL; /* The next one cannot join it. */
        else
            take_demand(&t, rows[i].index, &asks, &last);
    }
    for (size_t i = 0; i < model->class_count; i++) {
        struct pack_class *class = &model->classes[i];
        int64_t most = class->count < INT32_MAX ? class->count : INT32_MAX;
        class->most = class->most > 0 && class->most < most ? class->most : most;
    }
    result->unplaced = t.unplaced;
    result->unplaced_count = t.unplaced_count;
}

int32_t pack_fits(const struct pack_model *model, size_t machine, size_t class) {
    const struct pack_class *pieces = &model->classes[class];
    int64_t most = pack_may(pieces, &model->machines[machine]) ? pieces->most : 0;
    for (size_t d = 0; d < PACK_DIMENSIONS; d++)
        if (pieces->need[d] > 0 && model->machines[machine].has[d] / pieces->need[d] < most)
            most = model->machines[machine].has[d] / pieces->need[d];
    return (int32_t)most;
}

static bool is_useful(const struct pack_model *model, size_t machine) {
    for (size_t i = 0; i < model->class_count; i++)
        if (pack_fits(model, machine, i) > 0)
            return true;
    return false;
}

static void keep_useful_machines(struct pack_model *model) {
    size_t kept = 0;
    for (size_t k = 0; k < model->machine_count; k++)
        if (is_useful(model, k))
            model->machines[kept++] = model->machines[k];
    model->machine_count = kept;
}

void pack_model_make(const struct pack_problem *problem, struct arena *arena, struct pack_model *ret,
                     struct pack_result *ret_result) {
    struct pack_places places;
    pack_places_find(problem, arena, &places);
    *ret = (struct pack_model){.zones = places.zones};
    int64_t pieces = 1;
    for (size_t i = 0; i < problem->demand_count; i++)
        pieces += problem->demands[i].count;
    take_machines(&places, pieces, arena, ret);
    take_classes(&places, arena, ret, ret_result);
    keep_useful_machines(ret);
}
