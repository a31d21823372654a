/*
 * Machine after machine: always the filling that gives the most worth for its price, as often as what is left allows.
 * A machine's filling is made anew only once what is left no longer has it, and of many machines only those whose last
 * filling was among the best: fillings get worse as less is left, so what one was worth is nearly always more than what
 * the next will be (the lazy greedy of Minoux, 1978).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "plan/pack_internal.h"
#include "plan/pack_waiting.h"

void pack_buy(struct pack_plan *plan, const struct pack_filling *filling, int64_t times, double price,
              struct arena *arena) {
    plan->bought = arena_push(arena, plan->bought, plan->count, sizeof(*plan->bought));
    plan->bought[plan->count++] = (struct pack_bought){*filling, times};
    plan->cost += price * (double)times;
}

#define RENEWED_MAX 64 /* Fillings made anew for one purchase. */

struct piece {
    uint32_t position; /* In the work's order. */
    int32_t count;
};

struct candidate {
    struct piece *pieces; /* By position; on the heap. */
    size_t count, room;
    size_t machine;
    double rate; /* Worth for a unit of money, when it was made. */
};

struct greedy {
    struct pack_work *work;
    const double *worth;
    int64_t *limit;
    struct pack_waiting *waiting; /* Of each group of machines that differ only in size: what may be on them. */
    size_t group_count;
    size_t *groups;                /* Of each machine. */
    struct candidate **candidates; /* The greatest rate first, nearly. */
    size_t candidate_count;
};

/* How often what is left has the whole filling. */
static int64_t times_in(const struct greedy *greedy, const struct candidate *candidate) {
    int64_t times = INT64_MAX;
    for (size_t t = 0; t < candidate->count; t++) {
        int64_t whole = greedy->limit[greedy->work->order[candidate->pieces[t].position]] / candidate->pieces[t].count;
        times = whole < times ? whole : times;
    }
    return candidate->count > 0 ? times : 0;
}

/* How many more pieces of the class: at most `most`, within what is left; that is taken off. */
static int64_t take(const struct pack_class *class, int64_t most, int64_t *left) {
    for (size_t d = 0; d < PACK_DIMENSIONS && most > 0; d++)
        if (class->need[d] > 0 && left[d] / class->need[d] < most)
            most = left[d] / class->need[d];
    for (size_t d = 0; d < PACK_DIMENSIONS; d++)
        left[d] -= most * class->need[d];
    return most;
}

static void make(struct greedy *greedy, struct candidate *candidate) {
    const struct pack_model *model = greedy->work->model;
    const uint32_t *order = greedy->work->order;
    int64_t left[PACK_DIMENSIONS];
    double value = 0;
    memcpy(left, model->machines[candidate->machine].has, sizeof(left));
    candidate->count = 0;
    for (size_t at = 0; left[PACK_PIECES] > 0; at++) {
        at = pack_waiting_next(&greedy->waiting[greedy->groups[candidate->machine]], at, left);
        if (at == PACK_NONE_WAITS)
            break;
        const struct pack_class *class = &model->classes[order[at]];
        int64_t limit = greedy->limit[order[at]], most = take(class, limit < class->most ? limit : class->most, left);
        if (candidate->count == candidate->room) {
            size_t room = candidate->room ? 2 * candidate->room : 16;
            candidate->pieces = mem_grow(candidate->pieces, candidate->room, room, sizeof(*candidate->pieces));
            candidate->room = room;
        }
        candidate->pieces[candidate->count++] = (struct piece){(uint32_t)at, (int32_t)most};
        value += greedy->worth[order[at]] * (double)most;
        greedy->work->done += 4;
    }
    candidate->rate = value / model->machines[candidate->machine].price;
}

/* ---- the best first ---- */

static bool is_before(const struct candidate *a, const struct candidate *b) {
    return a->rate != b->rate ? a->rate > b->rate : a->machine < b->machine;
}

/* They are nearly in order: by insertion. */
static void sort(struct greedy *greedy) {
    struct candidate **all = greedy->candidates;
    for (size_t i = 1; i < greedy->candidate_count; i++) {
        struct candidate *moved = all[i];
        size_t at = i;
        for (; at > 0 && is_before(moved, all[at - 1]); at--)
            all[at] = all[at - 1];
        all[at] = moved;
        greedy->work->done += 1 + i - at;
    }
}

static void drop_empty(struct greedy *greedy) {
    size_t kept = 0;
    for (size_t c = 0; c < greedy->candidate_count; c++) {
        if (greedy->candidates[c]->count > 0)
            greedy->candidates[kept++] = greedy->candidates[c];
        else
            mem_free(greedy->candidates[c]->pieces);
    }
    greedy->candidate_count = kept;
}

/* Makes those anew that seemed the best and that what is left no longer has, until the first can be bought. False:
 * nothing fits any more. */
static bool renew(struct greedy *greedy) {
    while (greedy->candidate_count > 0) {
        for (size_t c = 0; c < greedy->candidate_count && c < RENEWED_MAX; c++)
            if (times_in(greedy, greedy->candidates[c]) == 0)
                make(greedy, greedy->candidates[c]);
        drop_empty(greedy);
        sort(greedy);
        if (greedy->candidate_count > 0 && times_in(greedy, greedy->candidates[0]) > 0)
            return true;
    }
    return false;
}

static void groups_make(struct greedy *greedy, struct arena *arena) {
    const struct pack_model *model = greedy->work->model;
    const uint32_t *order = greedy->work->order;
    size_t n = greedy->work->order_count;
    greedy->groups = arena_alloc_array(arena, model->machine_count, sizeof(*greedy->groups));
    for (size_t k = 0; k < model->machine_count; k++) {
        const struct pack_machine *machine = &model->machines[k];
        size_t like = 0;
        while (memcmp(model->machines[like].is, machine->is, sizeof(machine->is)) != 0)
            like++;
        if (like < k) {
            greedy->groups[k] = greedy->groups[like];
            continue;
        }
        struct pack_waiting waiting;
        pack_waiting_make(model, order, n, arena, &waiting);
        for (size_t at = 0; at < n; at++)
            if (!pack_may(&model->classes[order[at]], machine))
                pack_waiting_remove(&waiting, at);
        greedy->waiting = arena_push(arena, greedy->waiting, greedy->group_count, sizeof(waiting));
        greedy->groups[k] = greedy->group_count;
        greedy->waiting[greedy->group_count++] = waiting;
    }
}

static void begin(struct greedy *greedy, struct arena *arena) {
    const struct pack_model *model = greedy->work->model;
    struct candidate *all = arena_alloc_array(arena, model->machine_count, sizeof(*all));
    groups_make(greedy, arena);
    greedy->candidates = arena_alloc_array(arena, model->machine_count, sizeof(struct candidate *));
    greedy->candidate_count = model->machine_count;
    for (size_t k = 0; k < model->machine_count; k++) {
        all[k].machine = k;
        greedy->candidates[k] = &all[k];
        make(greedy, &all[k]);
    }
    drop_empty(greedy);
    sort(greedy);
}

/* ---- buying ---- */

static int by_worth(const void *left, const void *right, void *ctx) {
    const double *worth = ctx;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    if (worth[a] != worth[b])
        return worth[a] > worth[b] ? -1 : 1;
    return (a > b) - (a < b);
}

/* What would cost most alone comes first. */
static void order_by_worth(struct pack_work *work, const double *worth, const int64_t *limit) {
    work->order_count = 0;
    for (size_t i = 0; i < work->model->class_count; i++)
        if (limit[i] > 0)
            work->order[work->order_count++] = (uint32_t)i;
    qsort_r(work->order, work->order_count, sizeof(*work->order), by_worth, (void *)(uintptr_t)worth);
    work->done += 12 * work->order_count;
}

static int by_class(const void *left, const void *right, void *ctx) {
    const uint32_t *order = ctx;
    uint32_t a = order[((const struct piece *)left)->position], b = order[((const struct piece *)right)->position];
    return (a > b) - (a < b);
}

static struct pack_filling filling_of(struct pack_work *work, const struct candidate *candidate,
                                      struct arena *scratch) {
    size_t count = candidate->count;
    struct piece *sorted = arena_memdup(scratch, candidate->pieces, count * sizeof(*sorted));
    uint32_t *classes = arena_alloc_array(work->arena, count, sizeof(*classes));
    int32_t *pieces = arena_alloc_array(work->arena, count, sizeof(*pieces));
    qsort_r(sorted, count, sizeof(*sorted), by_class, work->order);
    for (size_t t = 0; t < count; t++) {
        classes[t] = work->order[sorted[t].position];
        pieces[t] = sorted[t].count;
    }
    struct pack_filling found = {candidate->machine, count, classes, pieces};
    found.machine = pack_cheapest(work->model, &found);
    work->done += 8 * count;
    return found;
}

static void buy(struct greedy *greedy, struct pack_plan *plan) {
    const struct candidate *best = greedy->candidates[0];
    struct pack_work *work = greedy->work;
    struct arena scratch = {0};
    int64_t times = times_in(greedy, best);
    struct pack_filling bought = filling_of(work, best, &scratch);
    pack_buy(plan, &bought, times, work->model->machines[bought.machine].price, work->arena);
    for (size_t t = 0; t < best->count; t++) {
        int64_t *left = &greedy->limit[work->order[best->pieces[t].position]];
        *left -= times * best->pieces[t].count;
        for (size_t g = 0; g < greedy->group_count && *left == 0; g++)
            pack_waiting_remove(&greedy->waiting[g], best->pieces[t].position);
    }
    arena_release(&scratch);
}

void pack_greedy(struct pack_work *work, const double *worth, int64_t *limit, struct pack_plan *plan) {
    struct arena scratch = {0};
    struct greedy greedy = {.work = work, .worth = worth, .limit = limit};
    order_by_worth(work, worth, limit);
    begin(&greedy, &scratch);
    while (renew(&greedy))
        buy(&greedy, plan);
    for (size_t g = 0; g < greedy.group_count; g++)
        work->done += greedy.waiting[g].steps;
    arena_release(&scratch);
    for (size_t i = 0; i < work->model->class_count; i++)
        ASSERT(limit[i] == 0); /* Each class fits some machine. */
}
