/*
 * Which options are taken: a multiple-choice knapsack. Each row stays, or takes one of its options; together they save
 * the most while the sum of counts stays inside capacity min and max whatever part is carried out, and in any order.
 *
 *     room      capacity.max - what may be there at most      used by Migrate: all it makes; Rightsize: what it adds
 *     reserve   what is there at least - capacity.min         used by what a change takes away
 *
 * and so does the sum that the plan is on its way to.
 *
 * First in the order of saving; then, where that leaves something out and rows are few, by branch and bound (Land and
 * Doig 1960), bounded by the work and not by time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "base/str.h"
#include "plan/placement.h"

#define BRANCH_ROWS_MAX 64
#define NODES_MAX 200000

struct entry {
    struct plan_row *row;
    size_t taken, best; /* Option + 1; 0: it stays. */
    money_micros most;  /* The greatest saving from here on, of this and all later entries. */
};

struct choice {
    struct entry *entries;
    size_t count;
    int64_t room, reserve;
    int64_t desired, min, max; /* The sum that the plan is on its way to, and the policy's bounds of it. */
    money_micros best_saving;
    uint64_t nodes;
    struct plan_placement placement; /* As those of the entries are put in that are taken. */
};

static money_micros saving(const struct entry *entry, size_t taken) {
    return taken == 0
               ? 0
               : entry->row->stay_run + entry->row->stay_unmet - plan_option_cost(&entry->row->options[taken - 1]);
}

static int64_t room_of(const struct entry *entry, size_t taken) {
    const struct plan_row *row = entry->row;
    if (taken == 0)
        return 0;
    const struct plan_option *option = &row->options[taken - 1];
    int64_t more = option->type == ACTION_MIGRATE ? option->count : option->count - row->now;
    return more > 0 ? more : 0;
}

static int64_t reserve_of(const struct entry *entry, size_t taken) {
    const struct plan_row *row = entry->row;
    int64_t to = taken == 0 ? row->to : row->options[taken - 1].count;
    return to < row->now ? row->now - to : 0;
}

static int64_t desired_of(const struct entry *entry, size_t taken) {
    return taken == 0 ? entry->row->desired : entry->row->options[taken - 1].count;
}

static const struct plan_option *option_of(const struct entry *entry, size_t taken) {
    return taken == 0 ? NULL : &entry->row->options[taken - 1];
}

static bool fits(const struct choice *choice, const struct entry *entry, size_t taken) {
    int64_t more = desired_of(entry, taken) - entry->row->desired;
    return plan_placement_is_apart(&choice->placement, entry->row, option_of(entry, taken)) &&
           room_of(entry, taken) <= choice->room && reserve_of(entry, taken) <= choice->reserve &&
           (more <= 0 || choice->desired + more <= choice->max) && (more >= 0 || choice->desired + more >= choice->min);
}

/* To stay is always possible. */
static bool take(struct choice *choice, size_t i, size_t taken) {
    struct entry *entry = &choice->entries[i];
    int64_t room = room_of(entry, taken), reserve = reserve_of(entry, taken);
    if (taken > 0 && !fits(choice, entry, taken))
        return false;
    choice->desired += desired_of(entry, taken) - entry->row->desired;
    choice->room -= room;
    choice->reserve -= reserve;
    plan_placement_put(&choice->placement, entry->row, option_of(entry, taken), 1);
    entry->taken = taken;
    return true;
}

static void give_back(struct choice *choice, size_t i) {
    plan_placement_put(&choice->placement, choice->entries[i].row,
                       option_of(&choice->entries[i], choice->entries[i].taken), -1);
    choice->room += room_of(&choice->entries[i], choice->entries[i].taken);
    choice->reserve += reserve_of(&choice->entries[i], choice->entries[i].taken);
    choice->desired -= desired_of(&choice->entries[i], choice->entries[i].taken) - choice->entries[i].row->desired;
    choice->entries[i].taken = 0;
}

static void keep(struct choice *choice, money_micros sum) {
    if (sum <= choice->best_saving)
        return;
    choice->best_saving = sum;
    for (size_t i = 0; i < choice->count; i++)
        choice->entries[i].best = choice->entries[i].taken;
}

/* The same, if the others keep the spread with it. */
static bool take_spread(struct choice *choice, size_t i, size_t taken) {
    if (!take(choice, i, taken))
        return false;
    if (plan_placement_is_spread(&choice->placement))
        return true;
    give_back(choice, i);
    return false;
}

/* All stay to begin with; who saves the most takes its best first. False: somebody could not have its best. */
static bool greedy(struct choice *choice) {
    money_micros sum = 0;
    bool is_best = true;
    for (size_t i = 0; i < choice->count; i++)
        (void)take(choice, i, 0);
    for (size_t i = 0; i < choice->count; i++) {
        const struct plan_row *row = choice->entries[i].row;
        give_back(choice, i);
        size_t taken = 0;
        for (size_t k = 1; k <= row->option_count && taken == 0; k++)
            if (!row->options[k - 1].reason && take_spread(choice, i, k))
                taken = k;
            else if (!row->options[k - 1].reason)
                is_best = false;
        if (taken == 0)
            (void)take(choice, i, 0);
        sum += saving(&choice->entries[i], taken);
    }
    keep(choice, sum);
    for (size_t i = 0; i < choice->count; i++)
        give_back(choice, i);
    return is_best;
}

static void branch(struct choice *choice, size_t i, money_micros sum) {
    if (i == choice->count) {
        bool is_inside = choice->room >= 0 && choice->reserve >= 0;
        if (is_inside && choice->desired >= choice->min && choice->desired <= choice->max &&
            sum > choice->best_saving && plan_placement_is_spread(&choice->placement))
            keep(choice, sum);
        return;
    }
    if (++choice->nodes > NODES_MAX || sum + choice->entries[i].most <= choice->best_saving)
        return;
    const struct plan_row *row = choice->entries[i].row;
    for (size_t k = 1; k <= row->option_count + 1; k++) {
        size_t taken = k <= row->option_count ? k : 0; /* To stay comes last: it saves the least. */
        if ((taken > 0 && row->options[taken - 1].reason) || !take(choice, i, taken))
            continue;
        branch(choice, i + 1, sum + saving(&choice->entries[i], taken));
        give_back(choice, i);
    }
}

static money_micros entry_best(const struct entry *entry) {
    for (size_t k = 1; k <= entry->row->option_count; k++)
        if (!entry->row->options[k - 1].reason)
            return saving(entry, k);
    return 0;
}

static int by_saving(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    if (x->most != y->most)
        return x->most > y->most ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row); /* Rows of one array: their order. */
}

static void tell(struct plan_work *work, const struct plan_row *row, const struct plan_option *option,
                 const char *reason, const char *message) {
    plan_why_not_about(work, row, option->type, reason,
                       arena_printf(work->arena, "%s %s", plan_option_words(work, option), message));
}

/* Of an option that would have saved more, beside what is taken of the others. */
static void tell_better(struct plan_work *work, struct choice *choice, const struct entry *entry,
                        const struct plan_option *option) {
    const struct plan_row *row = entry->row;
    struct plan_placement *placement = &choice->placement;
    bool is_room = option->type == ACTION_MIGRATE || option->count > row->now;
    const char *reason = is_room ? "AtMaximum" : "AtMinimum",
               *message = is_room ? "would save more; capacity.max leaves no room for it beside what is there"
                                  : "would save more; it has too few machines for capacity.min";
    plan_placement_put(placement, row, option_of(entry, entry->best), -1);
    bool is_apart = plan_placement_is_apart(placement, row, option);
    plan_placement_put(placement, row, option, 1);
    if (!is_apart) {
        reason = "AntiAffinity";
        message = "would save more; another group of the policy is there: placement.antiAffinity";
    } else if (!plan_placement_is_spread(placement)) {
        reason = "SpreadViolated";
        message = arena_printf(work->arena, "would save more; %s", plan_placement_words(placement));
    }
    plan_placement_put(placement, row, option, -1);
    plan_placement_put(placement, row, option_of(entry, entry->best), 1);
    tell(work, row, option, reason, message);
}

/* The first option that would have saved more than what is taken, and the first that saves less. */
static void tell_left_out(struct plan_work *work, struct choice *choice, const struct entry *entry) {
    const struct plan_row *row = entry->row;
    for (size_t k = 1; k < (entry->best ? entry->best : row->option_count + 1); k++) {
        if (row->options[k - 1].reason)
            continue;
        tell_better(work, choice, entry, &row->options[k - 1]);
        break;
    }
    for (size_t k = entry->best + 1; entry->best && k <= row->option_count; k++) {
        if (row->options[k - 1].reason)
            continue;
        tell(work, row, &row->options[k - 1], "DearerThanChosen", "saves less than what is proposed");
        break;
    }
}

static void choice_make(struct plan_work *work, struct choice *choice) {
    const struct policy *policy = work->input->policy;
    choice->entries = arena_alloc_array(work->arena, work->count + 1, sizeof(*choice->entries));
    choice->room = policy->capacity.max - work->ceiling_sum;
    choice->reserve = work->floor_sum - policy->capacity.min;
    choice->min = policy->capacity.min;
    choice->max = policy->capacity.max;
    for (size_t i = 0; i < work->count; i++)
        choice->desired += work->rows[i].desired;
    for (size_t i = 0; i < work->count; i++) {
        struct plan_row *row = &work->rows[i];
        struct entry entry = {.row = row};
        entry.most = entry_best(&entry);
        if (entry.most > 0 && !row->closure && !row->is_single) {
            choice->entries[choice->count++] = entry;
            continue;
        }
        int64_t more = row->to - plan_row_ceiling(row), less = plan_row_floor(row) - row->to;
        bool is_step = row->to != row->now || row->closure;
        choice->room -= is_step && more > 0 ? more : 0;
        choice->reserve -= is_step && less > 0 ? less : 0;
    }
    if (choice->count > 0)
        qsort(choice->entries, choice->count, sizeof(*choice->entries), by_saving);
    plan_placement_open(work, &choice->placement);
    for (size_t i = 0; i < choice->count; i++)
        plan_placement_put(&choice->placement, choice->entries[i].row, NULL, -1);
}

void plan_choose(struct plan_work *work) {
    struct choice choice = {0};
    choice_make(work, &choice);
    bool is_best = greedy(&choice);
    for (size_t i = choice.count; i-- > 1;)
        choice.entries[i - 1].most = money_add(choice.entries[i - 1].most, choice.entries[i].most);
    if (!is_best && choice.count <= BRANCH_ROWS_MAX)
        branch(&choice, 0, 0);
    for (size_t i = 0; i < choice.count; i++)
        plan_placement_put(&choice.placement, choice.entries[i].row,
                           option_of(&choice.entries[i], choice.entries[i].best), 1);
    for (size_t i = 0; i < choice.count; i++) {
        struct entry *entry = &choice.entries[i];
        if (entry->best) {
            entry->row->chosen = &entry->row->options[entry->best - 1];
            entry->row->to = entry->row->now;
        }
        tell_left_out(work, &choice, entry);
    }
    plan_placement_tell(&choice.placement);
}
