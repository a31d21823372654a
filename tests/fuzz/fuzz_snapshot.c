/*
 * Fuzz target: records and snapshots from files. Any bytes either give records or a fault; a snapshot that was taken
 * prints, reads back and prints the same bytes, and gives a plan, the same one both times.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "cli/record.h"
#include "loop/evaluate.h"
#include "observe/snapshot_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_plan(const struct snapshot *snapshot, const struct headroom *headroom, struct buf *out) {
    struct policy policy = {.mode = MODE_ENFORCE, .actions = 1u << ACTION_SCALE};
    policy.sla.target_utilization_percent = 65;
    policy.sla.max_violation_per_mille = 10;
    policy.sla.lead_time_ms = 600000;
    policy.capacity.max = 60;
    policy.disruption.max_change_percent = 25;
    policy.disruption.max_concurrent = 1;
    struct plan_input input = {.policy = &policy, .snapshot = snapshot, .headroom = *headroom};
    struct arena arena = {0};
    struct plan plan = {0};
    evaluate_policy(&input, NULL, &arena, &plan);
    plan_print_json(&plan, out);
    plan_print_text(&plan, out);
    arena_release(&arena);
}

static void check(const struct record *record) {
    struct buf first = {0}, second = {0}, plan = {0}, again = {0};
    struct json_writer w = {.out = &first};
    struct arena arena = {0};
    struct snapshot back;
    struct json *json;
    struct error err;
    snapshot_print_json(&record->snapshot, &w);
    enum err_class class = json_parse(buf_bytes(&first), &json, &err);
    ASSERT(class == ERR_NONE);
    class = snapshot_read_json(json, &arena, &back, &err);
    ASSERT(class == ERR_NONE);
    w = (struct json_writer){.out = &second};
    snapshot_print_json(&back, &w);
    ASSERT(str_eq(buf_text(&first), buf_text(&second)));
    print_plan(&record->snapshot, &record->headroom, &plan);
    print_plan(&back, &record->headroom, &again);
    ASSERT(str_eq(buf_text(&plan), buf_text(&again)));
    json_free(json);
    buf_release(&first);
    buf_release(&second);
    buf_release(&plan);
    buf_release(&again);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct record_set set;
    struct error err = {0};
    if (record_parse((struct bytes){(const char *)data, size}, &set, &err) != ERR_NONE) {
        ASSERT(err.class == ERR_PERMANENT && err.message[0]);
        return 0;
    }
    for (size_t i = 0; i < set.count; i++)
        check(&set.items[i]);
    record_set_release(&set);
    return 0;
}
