/*
 * Budgets: without charges there is nothing to hold them against, and the object says so rather than look well.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/loop_internal.h"

void budget_reconcile(struct loop *loop, struct workqueue_item *item) {
    const struct object *object = store_get(loop->store, OBJECT_BUDGET, item->namespace, item->name);
    if (!object || object->deleting) {
        loop_finish(loop, item, false);
        return;
    }
    struct status_summary summary = {.progress = PROGRESS_STALLED,
                                     .reason = "ChargesUnavailable",
                                     .message =
                                         "no charges are read yet, so this budget is not counted and not enforced"};
    if (object->fault[0]) {
        summary.reason = "InvalidSpec";
        summary.message = object->fault;
    }
    struct buf body = {0};
    status_print_budget(object, &summary, loop_now_ms(loop), &body);
    write_status_and_finish(loop, item, object, &body);
    buf_release(&body);
}
