/*
 * Auto Scaling groups: their listing, and the one mutation, SetDesiredCapacity. It takes no idempotency token, but an
 * absolute target.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/inventory.h"
#include "base/mem.h"
#include "base/str.h"

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

static int64_t count_serving(const struct xml_node *instances) {
    int64_t serving = 0;
    for (const struct xml_node *one = xml_first(instances, "member"); one != NULL; one = xml_next(one, "member")) {
        if (str_eq(xml_text(one, "LifecycleState"), "InService") &&
            strcasecmp(xml_text(one, "HealthStatus"), "Healthy") == 0)
            serving++;
    }
    return serving;
}

/* An empty group: what its policy for mixed types would launch first; else its launch template tells, which is in
 * another API. */
static void add_future_type(struct aws_list *list, struct cloud_resource *to, const struct xml_node *group) {
    const struct xml_node *mixed = xml_at(group, "MixedInstancesPolicy/LaunchTemplate");
    const struct xml_node *template = xml_at(mixed, "LaunchTemplateSpecification");
    to->type = aws_list_text(list, mixed, "Overrides/member/InstanceType");
    if (to->type[0] == '\0')
        aws_templates_add(list, template != NULL ? template : xml_at(group, "LaunchTemplate"));
}

static void add_group(struct aws_list *list, const struct xml_node *group) {
    struct cloud_resource *to = aws_list_add(list, CLOUD_INSTANCE_GROUP, xml_text(group, "AutoScalingGroupName"));
    const struct xml_node *zones = xml_at(group, "AvailabilityZones"), *instances = xml_at(group, "Instances");
    to->name = to->id;
    if (xml_count(zones, "member") == 1)
        to->zone = aws_list_text(list, zones, "member");
    /* Status is there only while the group is being deleted. */
    to->state = xml_text(group, "Status")[0] != '\0' ? CLOUD_DELETING : CLOUD_RUNNING;
    to->count = xml_int(group, "DesiredCapacity", 0);
    to->count_min = xml_int(group, "MinSize", 0);
    to->count_max = xml_int(group, "MaxSize", 0);
    to->serving = count_serving(instances);
    to->created_at_ms = aws_list_time(group, "CreatedTime");
    to->type = texts_keep(&list->texts, type_of_instances(list->scratch, instances));
    if (to->type[0] == '\0')
        add_future_type(list, to, group);
    aws_list_tags(list, to, xml_at(group, "Tags"), "member", "Key", "Value");
    aws_list_size(list, to);
}

const struct aws_pages aws_groups = {.action = "DescribeAutoScalingGroups",
                                     .size_name = "MaxRecords",
                                     .page_size = 100,
                                     .set = "DescribeAutoScalingGroupsResult/AutoScalingGroups",
                                     .items = "DescribeAutoScalingGroupsResult/AutoScalingGroups/member",
                                     .token = "DescribeAutoScalingGroupsResult/NextToken",
                                     .add = add_group};

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
