/*
 * EC2 instances.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/aws/aws_internal.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

#define PAGE_SIZE 1000 /* The API's limit: DescribeInstances, MaxResults. */

void aws_instances_build(struct call *call) {
    aws_call_begin(call, call->state, "DescribeInstances");
    aws_query_put_int(&call->exchange, "MaxResults", PAGE_SIZE);
    if (call->page_token[0] != '\0')
        aws_query_put(&call->exchange, "NextToken", call->page_token);
}

static enum cloud_state state_of(const char *name) {
    static const struct {
        const char *name;
        enum cloud_state state;
    } states[] = {
        {"pending", CLOUD_PENDING}, {"running", CLOUD_RUNNING},        {"stopping", CLOUD_STOPPING},
        {"stopped", CLOUD_STOPPED}, {"shutting-down", CLOUD_DELETING}, {"terminated", CLOUD_DELETING},
    };
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (str_eq(states[i].name, name))
            return states[i].state;
    }
    return CLOUD_STATE_UNKNOWN;
}

static void read_instance(struct aws_inventory *inventory, const struct xml_node *instance) {
    struct cloud_resource *to = aws_inventory_add(inventory, CLOUD_INSTANCE, xml_text(instance, "instanceId"));
    to->count = 1;
    to->state = state_of(xml_text(instance, "instanceState/name"));
    to->zone = arena_strdup(inventory->arena, xml_text(instance, "placement/availabilityZone"));
    to->type = arena_strdup(inventory->arena, xml_text(instance, "instanceType"));
    if (!time_parse(xml_text(instance, "launchTime"), &to->created_at_ms))
        to->created_at_ms = 0;
    aws_read_tags(inventory, to, xml_at(instance, "tagSet"), "item", "key", "value");
    const char *name = cloud_resource_tag(to, "Name");
    to->name = name != NULL ? name : "";
    aws_fill_type(inventory, to);
    int64_t cores = xml_int(instance, "cpuOptions/coreCount", 0);
    int64_t threads = xml_int(instance, "cpuOptions/threadsPerCore", 1);
    if (to->vcpu_milli == 0 && cores > 0 && cores < 100000 && threads > 0 && threads < 1000)
        to->vcpu_milli = cores * threads * 1000;
}

const char *aws_instances_read(struct call *call, struct aws_inventory *inventory, struct error *err) {
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    const struct xml_node *set = xml_at(root, "reservationSet");
    if (root != NULL && set == NULL)
        error_set(err, ERR_RETRYABLE, "the reply holds no reservationSet");
    for (const struct xml_node *item = xml_first(set, "item"); item != NULL; item = xml_next(item, "item")) {
        const struct xml_node *instances = xml_at(item, "instancesSet");
        for (const struct xml_node *one = xml_first(instances, "item"); one != NULL; one = xml_next(one, "item"))
            read_instance(inventory, one);
    }
    return xml_text(root, "nextToken");
}
