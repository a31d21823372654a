/*
 * See backtest_replay.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/backtest_replay.h"

#include <math.h>
#include <stdlib.h>

#include "act/step.h"
#include "base/str.h"
#include "loop/evaluate.h"

#define DAY_MS INT64_C(86400000)
#define HOUR_MS 3600000.0
#define ROUNDING 1e-9                    /* Of a size: 3.0000000001 machines are 3, but any demand is one. */
#define HPA_TOLERANCE 0.1                /* Of a HorizontalPodAutoscaler: no change within 10 % of the target, */
#define HPA_DOWN_MS (INT64_C(5) * 60000) /* and down only to the most it wanted within five minutes. */
#define HPA_TARGET_STEP 5                /* Per cent: the targets that are tried. */
#define GROUP_ID "group"

int64_t replay_need(double demand, double each) {
    double machines = demand / each;
    if (!(machines < (double)REPLAY_COUNT_MAX))
        return REPLAY_COUNT_MAX;
    return (int64_t)ceil(fmax(0, machines / (1 + ROUNDING)));
}

bool replay_is_violated(double demand, double capacity) {
    return demand > capacity + ROUNDING * fabs(capacity);
}

static int64_t within(const struct policy *policy, int64_t count) {
    if (count > policy->capacity.max)
        count = policy->capacity.max;
    return count < policy->capacity.min ? policy->capacity.min : count;
}

static int64_t time_of(const struct replay_input *input, size_t slot) {
    return input->series->start_ms + (int64_t)slot * input->series->step_ms;
}

/* ---- ours ---- */

struct group {
    const struct replay_input *input;
    struct policy policy; /* As if it were in mode Enforce. */
    const float *demand;  /* In machines: the engine sees one unit a machine, however small or large that is. */
    int64_t count, serving;
    size_t ready_slot;   /* When the growth under way serves; 0: none. */
    int64_t finished_ms; /* Of the last change; 0: none. */
    size_t gap;          /* Slots without a demand up to now. */
    struct recall recall;
};

/* What the engine may know at this slot: the policy's length of history, up to the slot before. */
static struct history_series history_at(const struct group *group, size_t slot) {
    const struct history_series *all = group->input->series;
    size_t keep = (size_t)(group->policy.forecast.history_ms / all->step_ms);
    size_t from = keep && slot > keep ? slot - keep : 0;
    return (struct history_series){.start_ms = time_of(group->input, from),
                                   .step_ms = all->step_ms,
                                   .count = slot - from,
                                   .demand = group->demand + from,
                                   .basis = HISTORY_BASIS_RECORDED};
}

/* Whether production would carry it out now. */
static bool is_let_through(const struct group *group, const struct cloud_resource *resource,
                           const struct plan_action *action, int64_t now_ms) {
    const struct recommendation r = {.policy_name = GROUP_ID,
                                     .action = (int)action->type,
                                     .from.count = action->from.count,
                                     .to.count = action->to.count,
                                     .attempt = 1,
                                     .decision = DECISION_APPROVED,
                                     .phase = PHASE_APPROVED,
                                     .phase_since_ms = now_ms};
    const struct act_input in = {.now_ms = now_ms,
                                 .recommendation = &r,
                                 .policy = &group->policy,
                                 .selected = true,
                                 .resource = resource,
                                 .source = SOURCE_FRESH,
                                 .seen_at_ms = now_ms,
                                 .seen_sequence = 1,
                                 .may_act = true,
                                 .last_finished_ms = group->finished_ms,
                                 .others_known = true};
    struct act_step step = act_step(&in);
    return step.type == ACT_RECORD && step.phase == PHASE_RUNNING;
}

static void model_count(struct replay *ret, const char *name) {
    size_t i = 0;
    while (i < ret->model_count && !str_eq(ret->models[i].name, name))
        i++;
    if (i == REPLAY_MODELS_MAX)
        return;
    if (i == ret->model_count)
        ret->models[ret->model_count++] = (struct replay_model){.name = name};
    ret->models[i].count++;
}

static void carry_out(struct group *group, const struct plan_action *action, size_t slot, size_t ready_slot) {
    bool is_growth = action->to.count > group->count;
    group->count = action->to.count;
    if (is_growth && ready_slot > slot) {
        group->ready_slot = ready_slot;
        return;
    }
    group->serving = group->count;
    group->finished_ms = time_of(group->input, slot);
}

/* What grows now serves from ready_slot on. */
static void decide(struct group *group, size_t slot, size_t ready_slot, struct arena *arena, struct replay *ret) {
    int64_t now_ms = time_of(group->input, slot);
    const struct policy *policy = &group->policy;
    bool is_workload = !(policy->selector.kinds & 1u << CLOUD_INSTANCE_GROUP);
    const struct snapshot_resource resource = {
        .provider = "",
        .resource = {.kind = is_workload ? CLOUD_WORKLOAD : CLOUD_INSTANCE_GROUP,
                     .state = CLOUD_RUNNING,
                     .region = "",
                     .zone = "",
                     .id = GROUP_ID,
                     .name = "",
                     .type = "",
                     .count = group->count,
                     .count_max = REPLAY_COUNT_MAX,
                     .serving = group->serving,
                     .as_of_ms = now_ms},
        .history = history_at(group, slot),
        .capacity_per_machine = policy->forecast.metric == CLOUD_METRIC_CPU ? 1000 : 1,
    };
    const struct snapshot_source source = {.provider = "",
                                           .region = "",
                                           .kind = resource.resource.kind,
                                           .state = SOURCE_FRESH,
                                           .as_of_ms = now_ms,
                                           .message = ""};
    const struct snapshot snapshot = {
        .as_of_ms = now_ms, .sources = &source, .source_count = 1, .resources = &resource, .resource_count = 1};
    struct plan_input input = {.policy = policy, .snapshot = &snapshot};
    struct plan plan;
    evaluate_policy(&input, &group->recall, arena, &plan);
    ret->decisions++;
    ret->bound += str_eq(plan.binding, "capacity.max");
    model_count(ret, input.forecasts[0].model);
    if (plan.action_count && is_let_through(group, &resource.resource, &plan.actions[0], now_ms)) {
        carry_out(group, &plan.actions[0], slot, ready_slot);
        ret->changes++;
    }
}

static int model_cmp(const void *a, const void *b) {
    const struct replay_model *left = a, *right = b;
    if (left->count != right->count)
        return left->count < right->count ? 1 : -1;
    return str_cmp(left->name, right->name);
}

/* It begins a lead time before the first slot with the least size, and what it then asks for serves at the first slot:
 * so the size there is one that the engine chose from what it could know. */
static void run_ours(const struct replay_input *input, const float *demand, struct arena *arena, struct replay *ret) {
    struct replay_slot *slots = arena_alloc_array(arena, ret->count, sizeof(*slots));
    struct group group = {.input = input, .policy = *input->policy, .demand = demand, .recall.bytes_max = SIZE_MAX};
    struct arena cycle = {0};
    group.policy.mode = MODE_ENFORCE;
    group.count = group.serving = within(input->policy, 0);
    size_t start = input->first > ret->lead_slots ? input->first - ret->lead_slots : 1;
    size_t gap_max = (size_t)(DAY_MS / input->series->step_ms) + 1, end = input->first + ret->count;
    for (size_t slot = start; slot < end; slot++) {
        group.gap = isnan(input->series->demand[slot - 1]) ? group.gap + 1 : 0;
        if (group.ready_slot && slot >= group.ready_slot) {
            group.serving = group.count;
            group.finished_ms = time_of(input, slot);
            group.ready_slot = 0;
        }
        /* After a day without a word of demand the size stays as it is until there is one. */
        if ((slot - start) % input->every == 0 && !group.ready_slot && group.gap <= gap_max) {
            decide(&group, slot, slot == start ? input->first : slot + ret->lead_slots, &cycle, ret);
            arena_clear(&cycle);
        }
        if (slot >= input->first)
            slots[slot - input->first] = (struct replay_slot){group.count, group.serving};
        if (input->progress)
            input->progress(input->ctx, slot + 1 - start, end - start);
    }
    recall_release(&group.recall);
    arena_release(&cycle);
    qsort(ret->models, ret->model_count, sizeof(*ret->models), model_cmp);
    ret->ours = slots;
}

/* ---- the others ---- */

/* What a HorizontalPodAutoscaler with the policy's bounds wants at each slot, from the demand of the slot before: the
 * ratio rule, its tolerance, and its stabilisation downwards. Machines take the lead time to serve here too; it does
 * not wait for them. */
static void reactive_sizes(const struct replay_input *input, double each, size_t end, int64_t *wanted, int64_t *size) {
    const struct history_series *series = input->series;
    size_t window = 1;
    if (series->step_ms <= HPA_DOWN_MS)
        window += (size_t)((HPA_DOWN_MS + series->step_ms - 1) / series->step_ms);
    int64_t least = within(input->policy, 1);
    size[0] = wanted[0] = least;
    for (size_t slot = 1; slot < end; slot++) {
        double demand = (double)series->demand[slot - 1];
        int64_t now = size[slot - 1];
        wanted[slot] = now;
        if (!isnan(demand) && !(now && fabs(demand / ((double)now * each) - 1) <= HPA_TOLERANCE))
            wanted[slot] = within(input->policy, replay_need(demand, each));
        if (wanted[slot] < least)
            wanted[slot] = least;
        size[slot] = wanted[slot];
        for (size_t back = 1; wanted[slot] < now && back < window && back <= slot; back++)
            if (wanted[slot - back] > size[slot])
                size[slot] = wanted[slot - back];
    }
}

static const struct replay_slot *run_reactive_at(const struct replay_input *input, const struct replay *replay,
                                                 int64_t percent, struct arena *arena) {
    struct arena scratch = {0};
    size_t end = input->first + replay->count;
    int64_t *wanted = arena_alloc_array(&scratch, end, sizeof(*wanted));
    int64_t *size = arena_alloc_array(&scratch, end, sizeof(*size));
    reactive_sizes(input, input->unit * (double)percent / 100, end, wanted, size);
    struct replay_slot *slots = arena_alloc_array(arena, replay->count, sizeof(*slots));
    for (size_t i = 0; i < replay->count; i++) {
        size_t slot = input->first + i;
        slots[i] = (struct replay_slot){size[slot], size[slot]};
        for (size_t back = 1; back <= replay->lead_slots && back <= slot; back++)
            if (size[slot - back] < slots[i].serving)
                slots[i].serving = size[slot - back];
    }
    arena_release(&scratch);
    return slots;
}

/* What the policy promises; where it promises nothing, as many as ours. Ours is there. */
static size_t violations_allowed(const struct replay_input *input, const struct replay *replay) {
    struct replay_score score = replay_score(input, replay, replay->ours);
    if (input->policy->sla.violation_cost)
        return score.violations;
    return score.steps * (size_t)input->policy->sla.max_violation_per_mille / 1000;
}

/* With the policy's target, and with the highest target at which it would have kept the policy's promise (else the one
 * with the fewest violations): what an operator who knew the outcome would have set. */
static void run_reactive(const struct replay_input *input, struct arena *arena, struct replay *ret) {
    ret->reactive = run_reactive_at(input, ret, input->policy->sla.target_utilization_percent, arena);
    size_t fewest = SIZE_MAX, allowed = violations_allowed(input, ret);
    for (int64_t percent = 100; percent > 0; percent -= percent > 10 ? HPA_TARGET_STEP : 1) {
        struct arena scratch = {0};
        struct replay_score score = replay_score(input, ret, run_reactive_at(input, ret, percent, &scratch));
        arena_release(&scratch);
        if (score.violations < fewest) {
            fewest = score.violations;
            ret->tuned_percent = percent;
        }
        if (score.violations <= allowed)
            break;
    }
    ret->tuned = run_reactive_at(input, ret, ret->tuned_percent, arena);
}

/* At each slot just what its demand needs, with no lead time. */
static void run_oracle(const struct replay_input *input, struct arena *arena, struct replay *ret) {
    struct replay_slot *slots = arena_alloc_array(arena, ret->count, sizeof(*slots));
    int64_t count = within(input->policy, 0);
    for (size_t i = 0; i < ret->count; i++) {
        double demand = (double)input->series->demand[input->first + i];
        if (!isnan(demand))
            count = within(input->policy, replay_need(demand, ret->each));
        slots[i] = (struct replay_slot){count, count};
    }
    ret->oracle = slots;
}

static int falling_cmp(const void *a, const void *b) {
    float left = *(const float *)a, right = *(const float *)b;
    return (left < right) - (left > right);
}

/* The least constant size that would have kept the policy's promise. */
static void run_constant(const struct replay_input *input, struct arena *arena, struct replay *ret) {
    float *demand = arena_alloc_array(arena, ret->count, sizeof(*demand));
    size_t used = 0;
    for (size_t i = 0; i < ret->count; i++)
        if (!isnan(input->series->demand[input->first + i]))
            demand[used++] = input->series->demand[input->first + i];
    qsort(demand, used, sizeof(*demand), falling_cmp);
    size_t allowed = violations_allowed(input, ret);
    int64_t count = within(input->policy, allowed < used ? replay_need((double)demand[allowed], ret->each) : 0);
    struct replay_slot *slots = arena_alloc_array(arena, ret->count, sizeof(*slots));
    for (size_t i = 0; i < ret->count; i++)
        slots[i] = (struct replay_slot){count, count};
    ret->constant = slots;
}

static const float *demand_in_machines(const struct replay_input *input, struct arena *arena) {
    float *demand = arena_alloc_array(arena, input->series->count, sizeof(*demand));
    for (size_t i = 0; i < input->series->count; i++)
        demand[i] = (float)((double)input->series->demand[i] / input->unit);
    return demand;
}

void replay_run(const struct replay_input *input, struct arena *arena, struct replay *ret) {
    ASSERT(input->first >= 1 && input->first < input->series->count && input->every >= 1 && input->unit > 0);
    int64_t step_ms = input->series->step_ms;
    /* A slot has the machines that serve for the most of it. */
    struct replay replay = {.count = input->series->count - input->first,
                            .lead_slots = (size_t)((input->policy->sla.lead_time_ms + step_ms / 2) / step_ms),
                            .each = input->unit * (double)input->policy->sla.target_utilization_percent / 100};
    run_ours(input, demand_in_machines(input, arena), arena, &replay);
    run_reactive(input, arena, &replay);
    run_oracle(input, arena, &replay);
    run_constant(input, arena, &replay);
    *ret = replay;
}

struct replay_score replay_score(const struct replay_input *input, const struct replay *replay,
                                 const struct replay_slot *slots) {
    struct replay_score score = {0};
    double demand_sum = 0, over = 0, under = 0, machines = 0;
    for (size_t i = 0; i < replay->count; i++) {
        double demand = (double)input->series->demand[input->first + i];
        double capacity = replay->each * (double)slots[i].serving;
        if (isnan(demand))
            continue;
        score.steps++;
        score.violations += replay_is_violated(demand, capacity);
        demand_sum += demand;
        over += fmax(0, capacity - demand);
        under += fmax(0, demand - capacity);
        machines += (double)slots[i].paid;
    }
    score.slack = demand_sum > 0 ? over / demand_sum : (double)NAN;
    score.unmet = demand_sum > 0 ? under / demand_sum : (double)NAN;
    score.machine_hours = machines * (double)input->series->step_ms / HOUR_MS;
    return score;
}
