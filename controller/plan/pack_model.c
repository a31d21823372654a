/*
 * See pack_internal.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "plan/pack_internal.h"

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

static int compare_demands(const void *left, const void *right) {
    const struct sorting *a = left, *b = right;
    const struct pack_demand *x = &a->problem->demands[a->index], *y = &b->problem->demands[b->index];
    int order = compare_needs(x, y);
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
    return order ? order : str_cmp(x->type, y->type);
}

static struct sorting *sorted(const struct pack_problem *problem, size_t count, struct arena *arena,
                              int (*compare)(const void *, const void *)) {
    struct sorting *rows = arena_alloc_array(arena, count, sizeof(*rows));
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct sorting){problem, i};
    qsort(rows, count, sizeof(*rows), compare);
    return rows;
}

static bool holds(const struct pack_machine *machine, const struct pack_demand *demand) {
    for (size_t d = 0; d < PACK_RESOURCES; d++)
        if (demand->need[d] > machine->has[d])
            return false;
    return true;
}

/* Those before it are no dearer. */
static bool is_pointless(const struct pack_model *model, const struct pack_machine *machine) {
    for (size_t k = 0; k < model->machine_count; k++) {
        bool is_larger = true;
        for (size_t d = 0; d < PACK_DIMENSIONS && is_larger; d++)
            is_larger = model->machines[k].has[d] >= machine->has[d];
        if (is_larger)
            return true;
    }
    return false;
}

static void take_machines(const struct pack_problem *problem, int64_t pieces, struct arena *arena,
                          struct pack_model *model) {
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
        if (!is_pointless(model, &machine))
            model->machines[model->machine_count++] = machine;
    }
}

/* ---- what fits nowhere ---- */

static const char *amount(enum pack_dimension dimension, int64_t value, struct arena *arena) {
    switch (dimension) {
    case PACK_CPU:
        return arena_printf(arena, "%lldm CPU", (long long)value);
    case PACK_MEMORY:
        return arena_printf(arena, "%lldMi memory", (long long)value);
    case PACK_GPU:
    case PACK_RESOURCES:
        break;
    }
    return arena_printf(arena, "%lld GPU", (long long)value);
}

static const char *why_unplaced(const struct pack_model *model, const struct pack_demand *demand, struct arena *arena) {
    if (model->machine_count == 0)
        return "no offer has more than the overhead";
    for (size_t d = 0; d < PACK_RESOURCES; d++) {
        int64_t most = 0;
        for (size_t k = 0; k < model->machine_count; k++)
            most = model->machines[k].has[d] > most ? model->machines[k].has[d] : most;
        if (demand->need[d] > most)
            return arena_printf(arena, "a piece needs %s, the largest machine has %s free",
                                amount(d, demand->need[d], arena), amount(d, most, arena));
    }
    return arena_printf(arena, "no machine has %s, %s and %s together", amount(PACK_CPU, demand->need[PACK_CPU], arena),
                        amount(PACK_MEMORY, demand->need[PACK_MEMORY], arena),
                        amount(PACK_GPU, demand->need[PACK_GPU], arena));
}

static bool fits_somewhere(const struct pack_model *model, const struct pack_demand *demand) {
    for (size_t k = 0; k < model->machine_count; k++)
        if (holds(&model->machines[k], demand))
            return true;
    return false;
}

/* ---- classes ---- */

static void take_classes(const struct pack_problem *problem, struct arena *arena, struct pack_model *model,
                         struct pack_result *result) {
    struct sorting *rows = sorted(problem, problem->demand_count, arena, compare_demands);
    size_t *members = arena_alloc_array(arena, problem->demand_count, sizeof(*members)), member_count = 0;
    struct pack_unplaced *unplaced = arena_alloc_array(arena, problem->demand_count, sizeof(*unplaced));
    model->classes = arena_alloc_array(arena, problem->demand_count, sizeof(*model->classes));
    const struct pack_demand *last = NULL;
    for (size_t i = 0; i < problem->demand_count; i++) {
        const struct pack_demand *demand = &problem->demands[rows[i].index];
        if (demand->count == 0)
            continue;
        if (!fits_somewhere(model, demand)) {
            unplaced[result->unplaced_count++] =
                (struct pack_unplaced){rows[i].index, why_unplaced(model, demand, arena)};
            continue;
        }
        /* Several classes of one size are as good: pieces of a filling are counted in 32 bits. */
        bool is_full = last && model->classes[model->class_count - 1].count + demand->count > INT32_MAX;
        if (!last || is_full || compare_needs(last, demand) != 0) {
            struct pack_class *added = &model->classes[model->class_count++];
            memcpy(added->need, demand->need, sizeof(demand->need));
            added->need[PACK_PIECES] = 1;
            added->members = &members[member_count];
        }
        struct pack_class *class = &model->classes[model->class_count - 1];
        class->count += demand->count;
        class->member_count++;
        members[member_count++] = rows[i].index;
        last = demand;
    }
    result->unplaced = unplaced;
}

int32_t pack_fits(const struct pack_model *model, size_t machine, size_t class) {
    const struct pack_class *pieces = &model->classes[class];
    int64_t most = pieces->count < INT32_MAX ? pieces->count : INT32_MAX;
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
    *ret = (struct pack_model){0};
    int64_t pieces = 1;
    for (size_t i = 0; i < problem->demand_count; i++)
        pieces += problem->demands[i].count;
    take_machines(problem, pieces, arena, ret);
    take_classes(problem, arena, ret, ret_result);
    keep_useful_machines(ret);
}
