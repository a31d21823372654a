/*
 * The work queue's semantics, those of client-go's, on the virtual clock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/runtime_virtual.h"
#include "loop/workqueue.h"

struct rig {
    struct runtime_virtual runtime;
    struct workqueue queue;
    size_t ready_count;
};

static void on_ready(void *ctx) {
    ((struct rig *)ctx)->ready_count++;
}

static void rig_init(struct rig *rig) {
    memset(rig, 0, sizeof(*rig));
    runtime_virtual_init(&rig->runtime, 1, 0);
    workqueue_init(&rig->queue, &rig->runtime.base, NULL, on_ready, rig);
}

static void rig_release(struct rig *rig) {
    workqueue_release(&rig->queue);
    cr_assert_eq(rig->runtime.base.heap_count, 0, "timers of released items are stopped");
    runtime_virtual_release(&rig->runtime);
}

static void add(struct rig *rig, const char *name, enum workqueue_priority priority) {
    workqueue_add(&rig->queue, OBJECT_POLICY, "ns", name, priority);
}

static void add_after(struct rig *rig, const char *name, int64_t delay_ms) {
    workqueue_add_after(&rig->queue, OBJECT_POLICY, "ns", name, delay_ms);
}

static struct workqueue_item *take(struct rig *rig, const char *name) {
    struct workqueue_item *item = workqueue_take(&rig->queue);
    cr_assert(item, "nothing to take, where %s should be", name);
    cr_assert_str_eq(item->name, name);
    return item;
}

static void take_nothing(struct rig *rig) {
    cr_assert_null(workqueue_take(&rig->queue));
}

static void run_ms(struct rig *rig, uint64_t ms) {
    runtime_virtual_run_until(&rig->runtime, rig->runtime.now_ns + ms * NS_PER_MS);
}

Test(loop_workqueue, a_key_added_twice_is_taken_once) {
    struct rig rig;
    rig_init(&rig);
    add(&rig, "a", WORKQUEUE_LOW);
    add(&rig, "a", WORKQUEUE_LOW);
    cr_assert_eq(rig.queue.depth, 1);
    cr_assert_eq(rig.ready_count, 1);
    workqueue_done(&rig.queue, take(&rig, "a"), false);
    take_nothing(&rig);
    cr_assert_eq(rig.queue.items.count, 0, "a key that is done is forgotten");
    rig_release(&rig);
}

Test(loop_workqueue, kinds_and_namespaces_are_part_of_the_key) {
    struct rig rig;
    rig_init(&rig);
    workqueue_add(&rig.queue, OBJECT_POLICY, "ns", "a", WORKQUEUE_LOW);
    workqueue_add(&rig.queue, OBJECT_BUDGET, "ns", "a", WORKQUEUE_LOW);
    workqueue_add(&rig.queue, OBJECT_POLICY, "other", "a", WORKQUEUE_LOW);
    cr_assert_eq(rig.queue.depth, 3);
    cr_assert_eq(take(&rig, "a")->kind, OBJECT_POLICY);
    cr_assert_eq(take(&rig, "a")->kind, OBJECT_BUDGET);
    cr_assert_str_eq(take(&rig, "a")->namespace, "other");
    rig_release(&rig);
}

Test(loop_workqueue, a_key_added_while_worked_on_comes_again_and_never_twice_at_once) {
    struct rig rig;
    rig_init(&rig);
    add(&rig, "a", WORKQUEUE_LOW);
    struct workqueue_item *item = take(&rig, "a");
    add(&rig, "a", WORKQUEUE_LOW);
    add(&rig, "a", WORKQUEUE_LOW);
    take_nothing(&rig);
    cr_assert_eq(rig.queue.depth, 0);
    workqueue_done(&rig.queue, item, false);
    cr_assert_eq(rig.queue.depth, 1);
    workqueue_done(&rig.queue, take(&rig, "a"), false);
    take_nothing(&rig);
    rig_release(&rig);
}

Test(loop_workqueue, high_goes_before_low_and_each_is_first_in_first_out) {
    struct rig rig;
    rig_init(&rig);
    add(&rig, "low-1", WORKQUEUE_LOW);
    add(&rig, "low-2", WORKQUEUE_LOW);
    add(&rig, "high-1", WORKQUEUE_HIGH);
    add(&rig, "high-2", WORKQUEUE_HIGH);
    (void)take(&rig, "high-1");
    (void)take(&rig, "high-2");
    (void)take(&rig, "low-1");
    (void)take(&rig, "low-2");
    take_nothing(&rig);
    rig_release(&rig);
}

Test(loop_workqueue, a_queued_key_can_rise_and_does_not_sink) {
    static const char *const risers[] = {"a", "b", "c"}; /* First, middle, last of the low ones. */
    for (size_t i = 0; i < 3; i++) {
        struct rig rig;
        rig_init(&rig);
        for (size_t k = 0; k < 3; k++)
            add(&rig, risers[k], WORKQUEUE_LOW);
        add(&rig, risers[i], WORKQUEUE_HIGH);
        add(&rig, risers[i], WORKQUEUE_LOW);
        cr_assert_eq(rig.queue.depth, 3);
        add(&rig, "d", WORKQUEUE_LOW); /* The tail is still the tail. */
        (void)take(&rig, risers[i]);
        for (size_t k = 0; k < 3; k++)
            if (k != i)
                (void)take(&rig, risers[k]);
        (void)take(&rig, "d");
        take_nothing(&rig);
        rig_release(&rig);
    }
}

Test(loop_workqueue, again_keeps_the_highest_priority_asked_for) {
    struct rig rig;
    rig_init(&rig);
    add(&rig, "a", WORKQUEUE_LOW);
    struct workqueue_item *item = take(&rig, "a");
    add(&rig, "a", WORKQUEUE_HIGH);
    add(&rig, "a", WORKQUEUE_LOW);
    add(&rig, "b", WORKQUEUE_LOW);
    workqueue_done(&rig.queue, item, false);
    (void)take(&rig, "a");
    (void)take(&rig, "b");
    rig_release(&rig);
}

Test(loop_workqueue, the_least_delay_wins) {
    struct rig rig;
    rig_init(&rig);
    add_after(&rig, "a", 1000);
    add_after(&rig, "a", 200);
    add_after(&rig, "a", 5000);
    run_ms(&rig, 199);
    take_nothing(&rig);
    run_ms(&rig, 1);
    workqueue_done(&rig.queue, take(&rig, "a"), false);
    run_ms(&rig, 10000);
    take_nothing(&rig);
    rig_release(&rig);
}

Test(loop_workqueue, an_add_overtakes_its_delay_and_a_delay_does_not_hold_back_an_add) {
    struct rig rig;
    rig_init(&rig);
    add_after(&rig, "a", 1000);
    add(&rig, "a", WORKQUEUE_LOW);
    add_after(&rig, "a", 1000); /* It is queued: sooner than that. */
    workqueue_done(&rig.queue, take(&rig, "a"), false);
    run_ms(&rig, 5000);
    take_nothing(&rig);
    add_after(&rig, "b", 0);
    add_after(&rig, "c", -5);
    (void)take(&rig, "b");
    (void)take(&rig, "c");
    rig_release(&rig);
}

Test(loop_workqueue, a_delay_asked_for_while_worked_on_survives_the_end_of_the_work) {
    struct rig rig;
    rig_init(&rig);
    add(&rig, "a", WORKQUEUE_LOW);
    struct workqueue_item *item = take(&rig, "a");
    add_after(&rig, "a", 300);
    workqueue_done(&rig.queue, item, false);
    take_nothing(&rig);
    run_ms(&rig, 300);
    workqueue_done(&rig.queue, take(&rig, "a"), false);
    rig_release(&rig);
}

Test(loop_workqueue, a_delay_that_ends_while_worked_on_comes_after_the_work) {
    struct rig rig;
    rig_init(&rig);
    add(&rig, "a", WORKQUEUE_LOW);
    struct workqueue_item *item = take(&rig, "a");
    add_after(&rig, "a", 300);
    run_ms(&rig, 400);
    take_nothing(&rig);
    workqueue_done(&rig.queue, item, false);
    (void)take(&rig, "a");
    rig_release(&rig);
}

/* How long a failed key stays away. */
static uint64_t fail_once(struct rig *rig, const char *name) {
    workqueue_done(&rig->queue, take(rig, name), true);
    uint64_t from_ns = rig->runtime.now_ns;
    cr_assert_eq(rig->queue.depth, 0);
    while (rig->queue.depth == 0)
        cr_assert(runtime_virtual_step(&rig->runtime, UINT64_MAX));
    return (rig->runtime.now_ns - from_ns) / NS_PER_MS;
}

Test(loop_workqueue, failures_back_off_from_5_ms_to_1000_s_with_jitter) {
    struct rig rig;
    rig_init(&rig);
    add(&rig, "a", WORKQUEUE_LOW);
    uint64_t base_ms = 5;
    for (int i = 0; i < 40; i++) {
        uint64_t waited_ms = fail_once(&rig, "a");
        cr_assert_geq(waited_ms, base_ms, "failure %d", i + 1);
        cr_assert_leq(waited_ms, base_ms + base_ms / 2, "failure %d", i + 1);
        base_ms = base_ms * 2 < 1000000 ? base_ms * 2 : 1000000;
    }
    rig_release(&rig);
}

Test(loop_workqueue, a_success_forgets_the_failures) {
    struct rig rig;
    rig_init(&rig);
    add(&rig, "a", WORKQUEUE_LOW);
    for (int i = 0; i < 8; i++)
        (void)fail_once(&rig, "a");
    workqueue_done(&rig.queue, take(&rig, "a"), false);
    cr_assert_eq(rig.queue.items.count, 0);
    add(&rig, "a", WORKQUEUE_LOW);
    cr_assert_leq(fail_once(&rig, "a"), 7);
    rig_release(&rig);
}

Test(loop_workqueue, failures_are_remembered_through_a_change_of_the_key) {
    struct rig rig;
    rig_init(&rig);
    add(&rig, "a", WORKQUEUE_LOW);
    for (int i = 0; i < 6; i++)
        (void)fail_once(&rig, "a");
    struct workqueue_item *item = take(&rig, "a");
    add(&rig, "a", WORKQUEUE_HIGH);
    workqueue_done(&rig.queue, item, true); /* Changed meanwhile: at once, not after the back-off. */
    cr_assert_eq(rig.queue.depth, 1);
    cr_assert_geq(fail_once(&rig, "a"), 5 << 7, "but the eighth failure counts as the eighth");
    rig_release(&rig);
}

Test(loop_workqueue, another_key_is_not_held_back_by_one_that_fails) {
    struct rig rig;
    rig_init(&rig);
    add(&rig, "bad", WORKQUEUE_LOW);
    add(&rig, "good", WORKQUEUE_LOW);
    workqueue_done(&rig.queue, take(&rig, "bad"), true);
    workqueue_done(&rig.queue, take(&rig, "good"), false);
    rig_release(&rig);
}

Test(loop_workqueue, release_with_queued_delayed_and_failed_keys_leaves_no_timer) {
    struct rig rig;
    rig_init(&rig);
    add(&rig, "queued", WORKQUEUE_LOW);
    add_after(&rig, "delayed", 1000);
    add(&rig, "failed", WORKQUEUE_HIGH);
    workqueue_done(&rig.queue, take(&rig, "failed"), true);
    cr_assert_eq(rig.runtime.base.heap_count, 2);
    rig_release(&rig);
}

Test(loop_workqueue, metrics_tell_depth_adds_and_retries) {
    struct rig rig;
    struct buf text = {0};
    memset(&rig, 0, sizeof(rig));
    runtime_virtual_init(&rig.runtime, 1, 0);
    struct metrics *metrics = metrics_new();
    workqueue_init(&rig.queue, &rig.runtime.base, metrics, on_ready, &rig);
    add(&rig, "a", WORKQUEUE_LOW);
    add(&rig, "a", WORKQUEUE_LOW);
    add(&rig, "b", WORKQUEUE_LOW);
    workqueue_done(&rig.queue, take(&rig, "a"), true);
    metrics_print(metrics, &text);
    cr_expect(strstr(buf_text(&text), "workqueue_depth{name=\"trimtab\"} 1"), "%s", buf_text(&text));
    cr_expect(strstr(buf_text(&text), "workqueue_adds_total{name=\"resourcepolicies\"} 2"));
    cr_expect(strstr(buf_text(&text), "workqueue_retries_total{name=\"resourcepolicies\"} 1"));
    buf_release(&text);
    rig_release(&rig);
    metrics_free(metrics);
}

/* ---- against a model ---- */

Test(loop_workqueue, any_order_of_calls_keeps_each_key_at_most_once_in_work_and_loses_none, .timeout = 60) {
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct rig rig;
        struct workqueue_item *working[5] = {0};
        bool owed[5] = {0}; /* Added and not taken since. */
        rig_init(&rig);
        struct runtime_virtual chance;
        runtime_virtual_init(&chance, seed, 0);
        for (int i = 0; i < 200; i++) {
            size_t k = runtime_random(&chance.base) % 5;
            struct workqueue_item *item;
            switch (runtime_random(&chance.base) % 5) {
            case 0:
                add(&rig, names[k], (enum workqueue_priority)(runtime_random(&chance.base) % 2));
                owed[k] = true;
                break;
            case 1:
                add_after(&rig, names[k], (int64_t)(runtime_random(&chance.base) % 50));
                owed[k] = true;
                break;
            case 2:
                item = workqueue_take(&rig.queue);
                if (!item)
                    break;
                k = (size_t)(item->name[0] - 'a');
                cr_assert_null(working[k], "seed %llu: two workers on one key", (unsigned long long)seed);
                working[k] = item;
                owed[k] = false;
                break;
            case 3:
                if (!working[k])
                    break;
                item = working[k];
                working[k] = NULL;
                bool failed = runtime_random(&chance.base) % 3 == 0;
                owed[k] = owed[k] || failed;
                workqueue_done(&rig.queue, item, failed);
                break;
            default:
                run_ms(&rig, runtime_random(&chance.base) % 20);
            }
        }
        for (size_t k = 0; k < 5; k++) /* Now drain: every owed key comes. */
            if (working[k])
                workqueue_done(&rig.queue, working[k], false);
        run_ms(&rig, 3000000);
        for (struct workqueue_item *item; (item = workqueue_take(&rig.queue)); workqueue_done(&rig.queue, item, false))
            owed[item->name[0] - 'a'] = false;
        for (size_t k = 0; k < 5; k++)
            cr_assert_not(owed[k], "seed %llu: %s was lost", (unsigned long long)seed, names[k]);
        cr_assert_eq(rig.queue.items.count, 0);
        cr_assert_eq(rig.queue.depth + rig.queue.working, 0);
        runtime_virtual_release(&chance);
        rig_release(&rig);
    }
}
