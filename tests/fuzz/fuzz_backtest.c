/*
 * Fuzz target: from a demand file to a replayed policy and its figures. Whatever the rows are, sizes stay within the
 * policy's bounds, each rule's sums are those of its own slots, the oracle falls short only at capacity.max, and what
 * is printed is JSON. The first bytes choose the policy and where the replay begins; the rest is the file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "cli/backtest.h"
#include "history/csv.h"

#define HEAD_SIZE 4
#define SLOTS_MAX 2048  /* Of the series: the newest. */
#define REPLAYED_MAX 64 /* Of them. */
#define DECISIONS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_slots(const struct replay_input *input, const struct replay *replay,
                        const struct replay_slot *slots) {
    struct replay_score score = replay_score(input, replay, slots);
    ASSERT(score.violations <= score.steps && score.steps <= replay->count);
    ASSERT(isnan(score.slack) || (score.slack >= 0 && score.unmet >= 0));
    ASSERT((score.violations > 0) == (score.unmet > 0) || isnan(score.unmet) || score.unmet < 1e-6);
    for (size_t i = 0; i < replay->count; i++) {
        ASSERT(slots[i].serving <= slots[i].paid);
        ASSERT(slots[i].paid >= input->policy->capacity.min && slots[i].paid <= input->policy->capacity.max);
    }
}

static void check_oracle(const struct replay_input *input, const struct replay *replay) {
    for (size_t i = 0; i < replay->count; i++) {
        double demand = (double)input->series->demand[input->first + i];
        double capacity = replay->each * (double)replay->oracle[i].serving;
        ASSERT(!replay_is_violated(demand, capacity) || replay->oracle[i].serving == input->policy->capacity.max);
    }
}

static void check_printed(const struct replay_input *input, const struct replay *replay) {
    const struct backtest backtest = {.policy = "a/b",
                                      .demand = "c",
                                      .input = input,
                                      .replay = replay,
                                      .machine = {.unit = input->unit, .price = 1, .currency = ""}};
    struct buf out = {0};
    struct json *json;
    struct error err;
    backtest_print_json(&backtest, &out);
    enum err_class class = json_parse(buf_bytes(&out), &json, &err);
    ASSERT(class == ERR_NONE);
    json_free(json);
    backtest_print_text(&backtest, &out);
    backtest_print_csv(&backtest, &out);
    buf_release(&out);
}

static void check(const uint8_t *head, const struct history_series *series) {
    struct policy policy = {.mode = MODE_OBSERVE, .actions = 1U << ACTION_SCALE};
    policy.selector.kinds = 1U << CLOUD_INSTANCE_GROUP;
    policy.sla.target_utilization_percent = 1 + head[0] % 100;
    policy.sla.max_violation_per_mille = head[1] * 4 % 1001;
    policy.sla.lead_time_ms = head[2] * series->step_ms / 16;
    policy.capacity.min = head[1] % 4;
    policy.capacity.max = head[0] % 2 ? 1000000 : 3 + head[2] % 20;
    policy.disruption.max_change_percent = 1 + head[2] % 100;
    policy.disruption.max_concurrent = 1;
    policy.disruption.cooldown_ms = head[3] * 60000;
    size_t replayed = 1 + head[3] % REPLAYED_MAX;
    if (replayed > series->count - 1)
        replayed = series->count - 1;
    struct replay_input input = {.policy = &policy,
                                 .series = series,
                                 .unit = head[0] % 3 ? 1 : 0.001,
                                 .first = series->count - replayed,
                                 .every = 1 + replayed / DECISIONS_MAX};
    struct arena arena = {0};
    struct replay replay;
    replay_run(&input, &arena, &replay);
    const struct replay_slot *const rules[] = {replay.ours, replay.reactive, replay.tuned, replay.oracle,
                                               replay.constant};
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        check_slots(&input, &replay, rules[i]);
    check_oracle(&input, &replay);
    check_printed(&input, &replay);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct history_csv csv = {0};
    struct arena arena = {0};
    struct error err;
    if (size < HEAD_SIZE)
        return 0;
    enum err_class class =
        history_csv_feed(&csv, (struct bytes){(const char *)data + HEAD_SIZE, size - HEAD_SIZE}, &err);
    if (class == ERR_NONE)
        class = history_csv_finish(&csv, &err);
    for (size_t i = 0; class == ERR_NONE && i < csv.count; i++)
        if (csv.values[i] < 0)
            class = ERR_PERMANENT; /* No demand: the verb refuses it. */
    if (class == ERR_NONE) {
        struct history_series series = history_csv_grid(&csv, csv.count, &arena);
        size_t cut = series.count > SLOTS_MAX ? series.count - SLOTS_MAX : 0;
        series.start_ms += (int64_t)cut * series.step_ms;
        series.demand += cut;
        series.count -= cut;
        if (series.count >= 2)
            check(data, &series);
    }
    history_csv_release(&csv);
    arena_release(&arena);
    return 0;
}
