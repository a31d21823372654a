/*
 * How many machines or replicas: from demand to counts, inside the bounds of each group and of the policy's sum, and
 * then what of it may be done now.
 *
 *     forecast --quantile, window--> demand --capacity x target--> raw --group's bounds--> need
 *          --capacity.min, capacity.max--> desired --freshness, saving, maxChangePercent, budget--> to
 *
 * The sum stays inside its bounds whatever part of the plan is carried out, and in any order: growth does not count on
 * the shrinking of others, nor shrinking on their growth. What that holds back comes with the next plan.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "plan/plan_internal.h"

static const double risk_quantiles[] = {0.5, 0.8, 0.9, 0.95, 0.99};
#define QUANTILE_LOW 0.001 /* maxViolationPerMille 1000 and 0 are not quantiles of a distribution. */
#define QUANTILE_HIGH 0.9999
#define HOLD_MIN_MS (INT64_C(60) * 60 * 1000) /* A shrink looks at least so far ahead. */
#define ROUNDING 1e-9                         /* 3.0000000001 machines are 3. */

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* The critical ratio of the newsvendor (Arrow, Harris and Marschak, "Optimal Inventory Policy", Econometrica 19, 1951):
 * demand should exceed capacity in a share over / (over + under) of the time, the costs of one unit too many and of one
 * too few. maxViolationPerMille tells that share for weight 1; where a unit too few costs w times as much, it is
 * over / (over + w x under), which for shares as small as these is a w-th of it. */
double plan_policy_quantile(const struct policy *policy, int64_t weight) {
    double parts = 1000 * (double)weight; /* One division: 1000 and 1 give the double that is written 0.999. */
    double q = (parts - (double)policy->sla.max_violation_per_mille) / parts;
    return fmin(QUANTILE_HIGH, fmax(QUANTILE_LOW, q));
}

/* Keeps ret ascending and distinct. */
static size_t quantile_insert(double *ret, size_t count, double q) {
    size_t at = 0;
    while (at < count && ret[at] < q)
        at++;
    if (count == FORECAST_QUANTILES_MAX || (at < count && !(ret[at] > q)))
        return count;
    for (size_t i = count; i > at; i--)
        ret[i] = ret[i - 1];
    ret[at] = q;
    return count + 1;
}

size_t plan_quantiles(const struct policy *policy, double *ret) {
    size_t count = 0;
    if (policy->sla.violation_cost) /* Those of the risk are among them. */
        return forecast_price_quantiles(ret);
    for (size_t i = 0; i < ARRAY_LEN(risk_quantiles); i++)
        count = quantile_insert(ret, count, risk_quantiles[i]);
    count = quantile_insert(ret, count, plan_policy_quantile(policy, 1));
    for (int64_t below = INT64_MAX, weight; count < FORECAST_QUANTILES_MAX; below = weight) { /* The greatest first. */
        weight = 1;
        for (size_t i = 0; i < policy->sla.slot_count; i++)
            if (policy->sla.slots[i].weight < below)
                weight = max64(weight, policy->sla.slots[i].weight);
        if (weight == 1)
            break;
        count = quantile_insert(ret, count, plan_policy_quantile(policy, weight));
    }
    return count;
}

/* The step that runs now, those of the time, and one more. */
static size_t window_steps(int64_t time_ms, int64_t step_ms) {
    ASSERT(step_ms > 0);
    return (size_t)min64((time_ms + step_ms - 1) / step_ms + 2, FORECAST_STEPS_MAX);
}

int64_t plan_hold_ms(const struct policy *policy) {
    return max64(policy->sla.lead_time_ms + policy->disruption.cooldown_ms, HOLD_MIN_MS);
}

/* Other machines and other places are paid for over the horizon, and nodes stay for what it needs. */
size_t plan_steps(const struct policy *policy, int64_t step_ms) {
    int64_t far_ms = policy_may_move(policy) || policy_plans_nodes(policy) ? policy->forecast.horizon_ms : 0;
    return window_steps(max64(plan_hold_ms(policy), far_ms), step_ms);
}

/* Units of demand (vCPU or MiB) that the machines may carry. */
double plan_serves(const struct policy *policy, int64_t capacity, int64_t count) {
    double unit = policy->forecast.metric == CLOUD_METRIC_CPU ? 1000 : 1;
    double target = (double)policy->sla.target_utilization_percent / 100;
    return (double)capacity / unit * target * (double)count;
}

double plan_capacity_of(const struct plan_work *work, const struct plan_row *row, int64_t count) {
    return plan_serves(work->input->policy, row->resource->capacity_per_machine, count);
}

int64_t plan_count_for(const struct plan_work *work, const struct plan_row *row, double demand) {
    return plan_machines_for(work->input->policy, row->resource->capacity_per_machine, demand);
}

int64_t plan_machines_for(const struct policy *policy, int64_t capacity, double demand) {
    double machines = demand / plan_serves(policy, capacity, 1);
    if (!(machines < (double)PLAN_COUNT_MAX))
        return PLAN_COUNT_MAX;
    return (int64_t)ceil(fmax(0, machines - ROUNDING));
}

static size_t quantile_index(const struct forecast *f, double q) {
    size_t j = 0;
    while (j + 1 < f->quantile_count && f->quantiles[j] < q)
        j++;
    return j;
}

/* The steps between now and lead time + one step after it. False: the forecast has ended before now. */
static bool window_find(const struct plan_work *work, struct plan_row *row) {
    const struct forecast *f = row->forecast;
    int64_t late_ms = work->input->snapshot->as_of_ms - f->start_ms;
    size_t first = late_ms > 0 ? (size_t)(late_ms / f->step_ms) : 0;
    size_t length = window_steps(work->input->policy->sla.lead_time_ms, f->step_ms);
    bool is_current = first < f->steps;
    row->first_step = is_current ? first : f->steps - 1;
    row->last_step = row->first_step + length < f->steps ? row->first_step + length : f->steps;
    return is_current;
}

static void forbid_shrink(struct plan_row *row, const char *reason, const char *detail) {
    if (!row->may_shrink)
        return;
    row->may_shrink = false;
    row->about = action_type_name(ACTION_SCALE);
    row->reason = reason;
    row->detail = detail;
}

static void weights_fill(struct plan_work *work, const struct forecast *f) {
    struct plan_weights *w = &work->weights;
    if (w->count == f->steps && w->start_ms == f->start_ms && w->step_ms == f->step_ms)
        return;
    *w = (struct plan_weights){f->start_ms, f->step_ms, f->steps,
                               arena_alloc_array(work->arena, f->steps, sizeof(*w->values))};
    for (size_t s = 0; s < f->steps; s++) {
        int64_t from_ms = f->start_ms + (int64_t)s * f->step_ms;
        w->values[s] = policy_weight(work->input->policy, from_ms, from_ms + f->step_ms);
    }
}

int64_t plan_step_weight(struct plan_work *work, const struct forecast *f, size_t step) {
    weights_fill(work, f);
    return work->weights.values[step];
}

/* One step is served by the quantile that its own weight asks for, or that is worth the price of its violation. */
static double wanted_demand(struct plan_work *work, const struct forecast *f, size_t step) {
    const struct policy *policy = work->input->policy;
    int64_t weight = plan_step_weight(work, f, step);
    if (policy->sla.violation_cost)
        return forecast_priced(f, step, (double)policy->sla.violation_cost * (double)weight * f->level);
    double q = plan_policy_quantile(policy, weight);
    return forecast_value(f, step, quantile_index(f, q));
}

double plan_demand_at(struct plan_work *work, const struct plan_row *row, size_t step) {
    double demand = wanted_demand(work, row->forecast, step);
    return row->raise ? fmax(demand, row->raise->demand) : demand;
}

double plan_demand_peak(struct plan_work *work, const struct plan_row *row) {
    double peak = fmax(row->demand, row->hold_demand);
    for (size_t s = row->first_step; s < row->forecast->steps; s++)
        peak = fmax(peak, plan_demand_at(work, row, s));
    return peak;
}

/* A shrink below what serves this would have to be taken back within the hold window. */
static double hold_demand(struct plan_work *work, const struct plan_row *row) {
    const struct forecast *f = row->forecast;
    size_t last = row->first_step + window_steps(plan_hold_ms(work->input->policy), f->step_ms);
    double demand = row->demand;
    for (size_t s = row->first_step; s < last && s < f->steps; s++)
        demand = fmax(demand, wanted_demand(work, f, s));
    return demand;
}

/* What was killed for want of memory is not given less than what was held against that, as long as the kill is in the
 * history's window. Raises descend, so the first is the greatest. */
static void raise_demand(const struct plan_work *work, struct plan_row *row) {
    const struct history_series *history = &row->resource->history;
    row->forecast_demand = row->demand;
    if (work->input->policy->forecast.metric != CLOUD_METRIC_MEMORY || history->raise_count == 0 ||
        history->raises[0].demand <= row->demand)
        return;
    row->raise = &history->raises[0];
    row->demand = row->raise->demand;
}

static void read_demand(struct plan_work *work, struct plan_row *row) {
    const struct forecast *f = row->forecast;
    if (f->basis == FORECAST_BASIS_NONE || f->steps == 0) {
        forbid_shrink(row, "NoHistory", "no usable history of demand yet: its size stays as it is");
        return;
    }
    if (!window_find(work, row))
        forbid_shrink(row, "ForecastExpired", "the history of demand ends too long ago to forecast from");
    weights_fill(work, f);
    size_t median = quantile_index(f, 0.5);
    row->demand = -INFINITY;
    for (size_t s = row->first_step; s < row->last_step; s++) {
        row->weight = max64(row->weight, work->weights.values[s]);
        double demand = wanted_demand(work, f, s);
        if (demand > row->demand) {
            row->demand = demand;
            row->demand_p50 = forecast_value(f, s, median);
        }
    }
    raise_demand(work, row);
    row->hold_demand = hold_demand(work, row);
    row->raw = plan_count_for(work, row, row->demand);
    if (row->raw < row->now)
        row->raw = min64(row->now, max64(row->raw, plan_count_for(work, row, row->hold_demand)));
}

static void need_compute(struct plan_work *work, struct plan_row *row) {
    if (row->hold)
        return;
    switch (row->source->state) {
    case SOURCE_FRESH:
    case SOURCE_MISSING: /* Held already. */
        break;
    case SOURCE_STALE:
        forbid_shrink(row, "StaleObservation", "what is known of it is older than allowed: nothing shrinks on it");
        break;
    case SOURCE_TRUNCATED:
        forbid_shrink(row, "TruncatedObservation", "the listing it is in was cut: nothing shrinks on it");
        break;
    }
    read_demand(work, row);
    row->need = row->raw < 0 ? row->now : row->raw;
    if (work->input->headroom.shrink_to_minimum)
        row->need = row->low;
    row->need = min64(row->high, max64(row->low, row->need));
}

/* Somebody else sets its size, and the policy is to advise: what it needs is said, and what is there is counted on. */
static void advise(struct plan_work *work, struct plan_row *row) {
    const struct policy *policy = work->input->policy;
    const char *manager = row->resource->resource.count_manager;
    if (row->hold || policy_hold_of(policy, manager) != POLICY_ADVISES)
        return;
    const char *what_to_do = policy_is_autoscaler(manager) ? "; spec.autoscalers: TuneBounds would set its bounds" : "";
    const char *wish =
        row->raw < 0 ? arena_printf(work->arena, "there is no history to plan from (now %lld)", (long long)row->actual)
                     : arena_printf(work->arena, "the plan would want %lld %s (now %lld)", (long long)row->raw,
                                    plan_piece(row, row->raw), (long long)row->actual);
    row->hold = true;
    row->about = action_type_name(ACTION_SCALE);
    row->reason = "ManagedElsewhere";
    row->detail = arena_printf(work->arena, "%s sets its size; %s%s", manager, wish, what_to_do);
    row->need = row->actual;
}

void plan_scale_needs(struct plan_work *work) {
    for (size_t i = 0; i < work->count; i++) {
        struct plan_row *row = &work->rows[i];
        row->raw = -1;
        row->need = row->desired = row->to = row->now;
        need_compute(work, row);
        advise(work, row);
    }
}

struct share {
    size_t index;
    int64_t rest; /* Remainder of weight x free / sum: exact, so that no rounding decides. */
};

static int share_cmp(const void *a, const void *b) {
    const struct share *left = a, *right = b;
    if (left->rest != right->rest)
        return left->rest < right->rest ? 1 : -1;
    return (left->index > right->index) - (left->index < right->index);
}

struct part {
    int64_t weight; /* What it would like. */
    int64_t low;    /* What it must have. */
    int64_t given;
    bool pinned;
};

/* One round over the parts that are not pinned. True: some fell under their minimum and were pinned there. */
static bool share_round(struct part *parts, size_t count, int64_t total, struct share *shares) {
    int64_t sum = 0, free = total, given = 0;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].pinned)
            free -= parts[i].low;
        else
            sum += parts[i].weight;
    }
    free = max64(0, free);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].pinned)
            continue;
        __int128 product = (__int128)parts[i].weight * free;
        parts[i].given = sum ? (int64_t)(product / sum) : 0;
        given += parts[i].given;
        shares[used++] = (struct share){i, sum ? (int64_t)(product % sum) : 0};
    }
    qsort(shares, used, sizeof(*shares), share_cmp);
    for (size_t i = 0; sum && i < used && given < free; i++, given++)
        parts[shares[i].index].given++;
    bool pinned = false;
    for (size_t i = 0; i < count; i++) {
        if (!parts[i].pinned && parts[i].given < parts[i].low) {
            parts[i].given = parts[i].low;
            pinned = parts[i].pinned = true;
        }
    }
    return pinned;
}

/* Largest remainder; ties go to the first. Each gets at least its minimum, even where total does not suffice. */
static void share_out(struct part *parts, size_t count, int64_t total, struct arena *arena) {
    struct share *shares = arena_alloc_array(arena, count + 1, sizeof(*shares));
    while (share_round(parts, count, total, shares)) {
    }
}

static void bind(struct plan_work *work, const char *binding) {
    if (!work->binding)
        work->binding = binding;
}

static void sum_cut(struct plan_work *work, int64_t total) {
    struct part *parts = arena_alloc_array(work->arena, work->count + 1, sizeof(*parts));
    for (size_t i = 0; i < work->count; i++)
        if (!work->rows[i].hold)
            parts[i] = (struct part){.weight = work->rows[i].need, .low = work->rows[i].low};
    share_out(parts, work->count, total, work->arena);
    for (size_t i = 0; i < work->count; i++)
        if (!work->rows[i].hold)
            work->rows[i].desired = parts[i].given;
}

struct priced {
    bool is_out;        /* Of stock: it comes last. */
    money_micros price; /* INT64_MAX: unknown, dearest. */
    size_t index;
};

static int priced_cmp(const void *a, const void *b) {
    const struct priced *left = a, *right = b;
    if (left->is_out != right->is_out)
        return left->is_out ? 1 : -1;
    if (left->price != right->price)
        return left->price < right->price ? -1 : 1;
    return (left->index > right->index) - (left->index < right->index);
}

static void sum_raise(struct plan_work *work, int64_t missing) {
    struct priced *order = arena_alloc_array(work->arena, work->count + 1, sizeof(*order));
    for (size_t i = 0; i < work->count; i++)
        order[i] = (struct priced){.is_out = plan_is_out_of_stock(work, &work->rows[i]),
                                   .price = work->rows[i].price < 0 ? INT64_MAX : work->rows[i].price,
                                   .index = i};
    qsort(order, work->count, sizeof(*order), priced_cmp);
    for (size_t i = 0; i < work->count && missing > 0; i++) {
        struct plan_row *row = &work->rows[order[i].index];
        if (row->hold || row->closure)
            continue;
        int64_t more = max64(0, min64(missing, row->high - row->desired));
        row->desired += more;
        missing -= more;
    }
}

void plan_scale_sum(struct plan_work *work) {
    const struct policy *policy = work->input->policy;
    int64_t sum = 0, held = 0;
    bool may_grow = false; /* Something of it may. Else capacity.min binds nothing. */
    for (size_t i = 0; i < work->count; i++) {
        struct plan_row *row = &work->rows[i];
        row->desired = row->need;
        sum += row->need;
        may_grow |= !row->hold && !row->closure && !row->is_single;
        held += row->hold && !row->closure ? row->actual : 0;
        if (!row->hold && !row->closure && !row->is_single && row->raw > row->high)
            bind(work, "group.max");
    }
    if (sum > policy->capacity.max) {
        work->binding = "capacity.max";
        if (!plan_cut_priced(work, max64(0, policy->capacity.max - held)))
            sum_cut(work, max64(0, policy->capacity.max - held));
    } else if (sum < policy->capacity.min && may_grow) {
        bind(work, "capacity.min");
        sum_raise(work, policy->capacity.min - sum);
    }
}

static void leave(struct plan_row *row, const char *reason, const char *detail) {
    row->to = row->now;
    row->about = action_type_name(ACTION_SCALE);
    row->reason = reason;
    row->detail = detail;
}

static void step_of_growth(struct plan_work *work, struct plan_row *row) {
    const char *budget = work->input->headroom.budget;
    if (!work->input->headroom.freeze_growth)
        return;
    leave(row, "BudgetFreeze", arena_printf(work->arena, "budget %s freezes growth", budget ? budget : "(unnamed)"));
    work->binding = "budget";
}

/* By what is paid, where commitments cover some of it. */
static bool saves_little(const struct plan_work *work, const struct plan_row *row) {
    int64_t percent = work->input->policy->disruption.min_saving_percent;
    if (row->covered == 0)
        return (row->now - row->to) * 100 < percent * row->now;
    money_micros stay = plan_paid_cost(work, row, row->now), saving = stay - plan_paid_cost(work, row, row->to);
    return (__int128)saving * 100 < (__int128)stay * percent;
}

static void step_of_shrinking(struct plan_work *work, struct plan_row *row) {
    const struct policy *policy = work->input->policy;
    bool must =
        work->actual_sum > policy->capacity.max || row->now > row->high || work->input->headroom.shrink_to_minimum;
    bool is_owed = row->covered > row->desired && plan_committed_price(work, row->price) == row->price;
    if (!must && is_owed) { /* To end what is owed either way saves nothing. */
        row->to = min64(row->now, row->covered);
        if (row->to == row->now) {
            leave(row, "Committed", plan_committed_sentence(work, row));
            return;
        }
    }
    int64_t less = row->now - row->to;
    if (!must && saves_little(work, row)) {
        leave(row, "BelowMinSaving",
              arena_printf(work->arena, "%lld of %lld %s fewer would save less than %lld %%", (long long)less,
                           (long long)row->now, plan_piece(row, row->now),
                           (long long)policy->disruption.min_saving_percent));
        return;
    }
    int64_t most = max64(1, (row->now * policy->disruption.max_change_percent + 99) / 100);
    if (less > most) {
        row->to = row->now - most;
        bind(work, "disruption.maxChangePercent");
    }
}

/* What this row alone may do now. */
static void step_of(struct plan_work *work, struct plan_row *row) {
    row->to = row->desired;
    if (row->desired == row->now || row->closure)
        return;
    if (!policy_may(work->input->policy, ACTION_SCALE))
        leave(row, "ActionNotAllowed", "the policy's actions do not include Scale");
    else if (row->desired > row->now)
        step_of_growth(work, row);
    else if (row->may_shrink)
        step_of_shrinking(work, row);
    else
        row->to = row->now;
}

/* What the row's step adds to what may be there (sign 1), or takes from what there is at least (sign -1). */
static int64_t step_weight(const struct plan_row *row, int64_t sign) {
    return max64(0, sign > 0 ? row->to - plan_row_ceiling(row) : plan_row_floor(row) - row->to);
}

/* Cuts the growth (sign 1) or shrinking (sign -1) of all rows together to `allowed`. */
static void steps_cut(struct plan_work *work, int64_t sign, int64_t allowed) {
    struct part *parts = arena_alloc_array(work->arena, work->count + 1, sizeof(*parts));
    int64_t wanted = 0;
    for (size_t i = 0; i < work->count; i++) {
        bool is_step = work->rows[i].to != work->rows[i].now || work->rows[i].closure;
        parts[i].weight = is_step ? step_weight(&work->rows[i], sign) : 0;
        wanted += parts[i].weight;
    }
    if (wanted == 0 || wanted <= allowed)
        return;
    bind(work, sign > 0 ? "capacity.max" : "capacity.min");
    share_out(parts, work->count, max64(0, allowed), work->arena);
    for (size_t i = 0; i < work->count; i++) {
        struct plan_row *row = &work->rows[i];
        if (parts[i].weight == 0)
            continue;
        row->to = sign > 0 ? plan_row_ceiling(row) + parts[i].given : plan_row_floor(row) - parts[i].given;
        if (row->to != row->now || row->closure)
            continue;
        if (sign > 0)
            leave(row, "AtMaximum", "capacity.max is used up until others have shrunk");
        else
            leave(row, "AtMinimum", "capacity.min holds it until others have grown");
    }
}

void plan_scale_steps(struct plan_work *work) {
    const struct policy *policy = work->input->policy;
    for (size_t i = 0; i < work->count; i++)
        if (!work->rows[i].hold)
            step_of(work, &work->rows[i]);
    steps_cut(work, 1, policy->capacity.max - work->ceiling_sum);
    steps_cut(work, -1, work->floor_sum - policy->capacity.min);
}

double plan_chance_above(const struct forecast *f, size_t s, double capacity) {
    double below_value = 0, below_q = 0;
    if (capacity < 0)
        return 1;
    for (size_t j = 0; j < f->quantile_count; j++) {
        double value = forecast_value(f, s, j), q = f->quantiles[j];
        if (capacity < value) {
            double w = value > below_value ? (capacity - below_value) / (value - below_value) : 0;
            return 1 - (below_q + w * (q - below_q));
        }
        below_value = value;
        below_q = q;
    }
    return 1 - below_q;
}

int64_t plan_risk(const struct plan_work *work, const struct plan_row *row) {
    if (row->raw < 0)
        return 1000;
    double capacity = row->chosen ? plan_serves(work->input->policy, row->chosen->capacity, row->chosen->count)
                                  : plan_capacity_of(work, row, row->to);
    double worst = 0;
    for (size_t s = row->first_step; s < row->last_step; s++)
        worst = fmax(worst, plan_chance_above(row->forecast, s, capacity));
    return (int64_t)ceil(worst * 1000 - ROUNDING * 1000);
}
