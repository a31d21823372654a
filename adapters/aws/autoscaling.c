/*
 * Auto Scaling groups: their listing, and the one mutation, SetDesiredCapacity. It takes no idempotency token, but an
 * absolute target.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/aws_internal.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

#define PAGE_SIZE 100 /* The API's limit: DescribeAutoScalingGroups, MaxRecords. */

void aws_groups_build(struct call *call) {
    aws_call_begin(call, call->state, "DescribeAutoScalingGroups");
    aws_query_put_int(&call->exchange, "MaxRecords", PAGE_SIZE);
    if (call->page_token[0] != '\0')
        aws_query_put(&call->exchange, "NextToken", call->page_token);
}

static int text_cmp(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The type that most of the group's machines have; of equally many the first by name. */
static const char *type_of_instances(struct arena *scratch, const struct xml_node *instances) {
    size_t count = 0;
    const char **types = arena_alloc_array(scratch, xml_count(instances, "member"), sizeof(*types));
    for (const struct xml_node *one = xml_first(instances, "member"); one != NULL; one = xml_next(one, "member")) {
        if (xml_text(one, "InstanceType")[0] != '\0')
            types[count++] = xml_text(one, "InstanceType");
    }
    if (count > 1)
        qsort(types, count, sizeof(*types), text_cmp);
    const char *best = "";
    size_t best_run = 0, run = 0;
    for (size_t i = 0; i < count; i++) {
        run = i > 0 && str_eq(types[i], types[i - 1]) ? run + 1 : 1;
        if (run > best_run) {
            best_run = run;
            best = types[i];
        }
    }
    return best;
}

/* An empty group: what its policy for mixed types would launch first. A launch template's own type is not in this
 * reply. */
static const char *type_of_policy(const struct xml_node *group) {
    const struct xml_node *overrides = xml_at(group, "MixedInstancesPolicy/LaunchTemplate/Overrides");
    return xml_text(overrides, "member/InstanceType");
}

static int64_t count_serving(const struct xml_node *instances) {
    int64_t serving = 0;
    for (const struct xml_node *one = xml_first(instances, "member"); one != NULL; one = xml_next(one, "member")) {
        if (str_eq(xml_text(one, "LifecycleState"), "InService") &&
            strcasecmp(xml_text(one, "HealthStatus"), "Healthy") == 0)
            serving++;
    }
    return serving;
}

static void read_group(struct call *call, struct aws_inventory *inventory, const struct xml_node *group) {
    struct cloud_resource *to =
        aws_inventory_add(inventory, CLOUD_INSTANCE_GROUP, xml_text(group, "AutoScalingGroupName"));
    const struct xml_node *zones = xml_at(group, "AvailabilityZones"), *instances = xml_at(group, "Instances");
    to->name = to->id;
    if (xml_count(zones, "member") == 1)
        to->zone = arena_strdup(inventory->arena, xml_text(zones, "member"));
    /* Status is there only while the group is being deleted. */
    to->state = xml_text(group, "Status")[0] != '\0' ? CLOUD_DELETING : CLOUD_RUNNING;
    to->count = xml_int(group, "DesiredCapacity", 0);
    to->count_min = xml_int(group, "MinSize", 0);
    to->count_max = xml_int(group, "MaxSize", 0);
    to->serving = count_serving(instances);
    const char *type = type_of_instances(&call->exchange.arena, instances);
    to->type = arena_strdup(inventory->arena, type[0] != '\0' ? type : type_of_policy(group));
    if (!time_parse(xml_text(group, "CreatedTime"), &to->created_at_ms))
        to->created_at_ms = 0;
    aws_read_tags(inventory, to, xml_at(group, "Tags"), "member", "Key", "Value");
    aws_fill_type(inventory, to);
}

const char *aws_groups_read(struct call *call, struct aws_inventory *inventory, struct error *err) {
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    const struct xml_node *result = xml_at(root, "DescribeAutoScalingGroupsResult");
    const struct xml_node *groups = xml_at(result, "AutoScalingGroups");
    if (root != NULL && groups == NULL)
        error_set(err, ERR_RETRYABLE, "the reply holds no AutoScalingGroups");
    for (const struct xml_node *one = xml_first(groups, "member"); one != NULL; one = xml_next(one, "member"))
        read_group(call, inventory, one);
    return xml_text(result, "NextToken");
}

struct scale_state {
    struct aws_scope scope;
    const struct cloud_action *action;
};

static void scale_build(struct call *call) {
    const struct scale_state *state = call->state;
    aws_call_begin(call, &state->scope, "SetDesiredCapacity");
    aws_query_put(&call->exchange, "AutoScalingGroupName", state->action->id);
    aws_query_put_int(&call->exchange, "DesiredCapacity", state->action->count);
    /* The cooldown is ours to keep: the plan has already weighed it. */
    aws_query_put(&call->exchange, "HonorCooldown", "false");
}

static enum exchange_next scale_read(struct call *call, struct error *err) {
    if (aws_query_reply(&call->exchange, call->label, err) != NULL)
        call->outer->reply.as.operation = "";
    return EXCHANGE_DONE;
}

static const struct call_verb scale_verb = {
    .name = "apply", .mutates = true, .priority = GATE_ACTION, .build = scale_build, .read = scale_read};

void aws_scale(struct aws *aws, struct adapter_call *outer, const struct cloud_action *action) {
    struct call *call = call_new(&aws->host, outer, &scale_verb, sizeof(struct scale_state));
    struct scale_state *state = call->state;
    *state = (struct scale_state){{&aws_autoscaling, action->region}, action};
    if (action->verb != CLOUD_SCALE || action->kind != CLOUD_INSTANCE_GROUP)
        call_refuse(call, "aws: %s of %s is not supported", cloud_verb_name(action->verb),
                    cloud_kind_name(action->kind));
    else if (!aws_region_is_valid(action->region))
        call_refuse(call, "aws: not a region: \"%s\"", action->region);
    else if (action->id == NULL || action->id[0] == '\0')
        call_refuse(call, "aws: a group without a name");
    else if (action->count < 0 || action->count > INT32_MAX)
        call_refuse(call, "aws: a size of %lld", (long long)action->count);
    else
        call_start(call);
}
