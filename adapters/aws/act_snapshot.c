/*
 * Snapshots of volumes. CreateSnapshot takes no token: the snapshot bears it in a tag, and a snapshot with that tag is
 * looked for before one is made.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/aws/act.h"
#include "base/mem.h"
#include "base/str.h"

#define POLL_MS 15000

enum step { READ, CREATE };

static void put_filter(struct exchange *exchange, const char *number, const char *name, const char *value) {
    aws_query_put(exchange, arena_printf(&exchange->arena, "Filter.%s.Name", number), name);
    aws_query_put(exchange, arena_printf(&exchange->arena, "Filter.%s.Value.1", number), value);
}

static void snapshot_build(struct call *call) {
    const struct aws_act *act = call->state;
    struct exchange *exchange = &call->exchange;
    call->mutates = act->step == CREATE;
    aws_call_begin(call, &act->scope, act->step == CREATE ? "CreateSnapshot" : "DescribeSnapshots");
    if (act->step == CREATE) {
        aws_query_put(exchange, "VolumeId", act->action->id);
        aws_put_tag_specification(exchange, 1, "snapshot", act->action);
        return;
    }
    aws_query_put(exchange, "Owner.1", "self");
    if (act->action != NULL) {
        put_filter(exchange, "1", "tag:" CLOUD_TAG_TOKEN, act->action->token);
        put_filter(exchange, "2", "volume-id", act->action->id);
    } else {
        /* By filter: a new snapshot may not be visible yet, and that is no error. */
        put_filter(exchange, "1", "snapshot-id", act->operation.id);
    }
}

static void go_on_with(struct call *call, const struct xml_node *snapshot, struct error *err) {
    struct aws_act *act = call->state;
    const char *id = xml_text(snapshot, "snapshotId");
    if (!aws_word_is_valid(id, 64)) {
        error_set(err, ERR_RETRYABLE, "the reply names no snapshot");
        return;
    }
    act->operation.id = id;
    if (str_eq(xml_text(snapshot, "status"), "error")) {
        error_set(err, ERR_CONFLICT, "%s failed", id);
        return;
    }
    bool is_complete = str_eq(xml_text(snapshot, "status"), "completed");
    aws_operation_goes_on(call, is_complete ? 0 : POLL_MS);
    if (is_complete)
        call->outer->reply.as.operation = "";
}

static enum exchange_next snapshot_read(struct call *call, struct error *err) {
    struct aws_act *act = call->state;
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    if (root == NULL)
        return EXCHANGE_DONE;
    const struct xml_node *found = act->step == CREATE ? root : xml_at(root, "snapshotSet/item");
    if (found != NULL) {
        go_on_with(call, found, err);
    } else if (act->action == NULL) {
        aws_operation_goes_on(call, POLL_MS);
    } else {
        act->step = CREATE;
        return EXCHANGE_MORE;
    }
    return EXCHANGE_DONE;
}

const struct call_verb aws_snapshot_verb = {
    .name = "snapshot", .mutates = true, .priority = GATE_ACTION, .build = snapshot_build, .read = snapshot_read};
