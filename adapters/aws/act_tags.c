/*
 * Tags: of what EC2 holds by CreateTags, of a group by its own service. Other tags stay as they are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/aws/act.h"
#include "base/mem.h"
#include "base/str.h"

static void put_tag(struct exchange *exchange, const char *prefix, size_t number, const struct cloud_tag *tag) {
    aws_query_put(exchange, arena_printf(&exchange->arena, "%s.%zu.Key", prefix, number), tag->key);
    aws_query_put(exchange, arena_printf(&exchange->arena, "%s.%zu.Value", prefix, number), tag->value);
}

void aws_put_tags(struct exchange *exchange, const char *prefix, const struct cloud_action *action, bool with_token) {
    size_t number = 0;
    for (size_t i = 0; i < action->tag_count; i++) {
        if (!with_token || !str_eq(action->tags[i].key, CLOUD_TAG_TOKEN)) /* AWS refuses a key that stands twice. */
            put_tag(exchange, prefix, ++number, &action->tags[i]);
    }
    if (with_token)
        put_tag(exchange, prefix, ++number, &(struct cloud_tag){CLOUD_TAG_TOKEN, action->token});
}

void aws_put_tag_specification(struct exchange *exchange, int number, const char *type,
                               const struct cloud_action *action) {
    const char *prefix = arena_printf(&exchange->arena, "TagSpecification.%d", number);
    aws_query_put(exchange, arena_printf(&exchange->arena, "%s.ResourceType", prefix), type);
    aws_put_tags(exchange, arena_printf(&exchange->arena, "%s.Tag", prefix), action, true);
}

static void tag_build(struct call *call) {
    const struct aws_act *act = call->state;
    aws_call_begin(call, &act->scope, "CreateTags");
    aws_query_put(&call->exchange, "ResourceId.1", act->action->id);
    aws_put_tags(&call->exchange, "Tag", act->action, false);
}

static enum exchange_next tag_read(struct call *call, struct error *err) {
    if (aws_query_reply(&call->exchange, call->label, err) != NULL)
        call->outer->reply.as.operation = "";
    return EXCHANGE_DONE;
}

const struct call_verb aws_tag_verb = {
    .name = "apply", .mutates = true, .priority = GATE_ACTION, .build = tag_build, .read = tag_read};

/* ---- groups: each tag says whether new machines get it, and that is the owner's: it is read and kept ---- */

enum step { READ, WRITE };

static void group_build(struct call *call) {
    const struct aws_act *act = call->state;
    struct exchange *exchange = &call->exchange;
    call->mutates = act->step == WRITE;
    aws_call_begin(call, &act->scope, act->step == WRITE ? "CreateOrUpdateTags" : "DescribeAutoScalingGroups");
    if (act->step == READ) {
        aws_query_put(exchange, "AutoScalingGroupNames.member.1", act->action->id);
        return;
    }
    for (size_t i = 0; i < act->tag_count; i++) {
        const char *prefix = arena_printf(&exchange->arena, "Tags.member.%zu", i + 1);
        put_tag(exchange, "Tags.member", i + 1, act->tags[i].tag);
        aws_query_put(exchange, arena_printf(&exchange->arena, "%s.ResourceId", prefix), act->action->id);
        aws_query_put(exchange, arena_printf(&exchange->arena, "%s.ResourceType", prefix), "auto-scaling-group");
        aws_query_put(exchange, arena_printf(&exchange->arena, "%s.PropagateAtLaunch", prefix),
                      act->tags[i].is_propagated ? "true" : "false");
    }
}

static const struct xml_node *find_tag(const struct xml_node *tags, const char *key) {
    const struct xml_node *one = xml_first(tags, "member");
    while (one != NULL && !str_eq(xml_text(one, "Key"), key))
        one = xml_next(one, "member");
    return one;
}

static void choose(struct call *call, const struct xml_node *group) {
    struct aws_act *act = call->state;
    act->tags = arena_alloc_array(&call->arena, act->action->tag_count, sizeof(*act->tags));
    for (size_t i = 0; i < act->action->tag_count; i++) {
        const struct cloud_tag *tag = &act->action->tags[i];
        const struct xml_node *have = find_tag(xml_at(group, "Tags"), tag->key);
        if (have == NULL || !str_eq(xml_text(have, "Value"), tag->value))
            act->tags[act->tag_count++] =
                (struct aws_group_tag){tag, str_eq(xml_text(have, "PropagateAtLaunch"), "true")};
    }
}

static enum exchange_next group_read(struct call *call, struct error *err) {
    struct aws_act *act = call->state;
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    if (root == NULL)
        return EXCHANGE_DONE;
    if (act->step == READ) {
        const struct xml_node *group = xml_at(root, "DescribeAutoScalingGroupsResult/AutoScalingGroups/member");
        if (group == NULL) {
            error_set(err, ERR_CONFLICT, "there is no group %s", act->action->id);
            return EXCHANGE_DONE;
        }
        choose(call, group);
        act->step = WRITE;
        if (act->tag_count > 0)
            return EXCHANGE_MORE;
    }
    call->outer->reply.as.operation = "";
    return EXCHANGE_DONE;
}

const struct call_verb aws_tag_group_verb = {
    .name = "apply", .mutates = true, .priority = GATE_ACTION, .build = group_build, .read = group_read};
