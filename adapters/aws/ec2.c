/*
 * EC2: instances, disks, snapshots, addresses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/aws/inventory.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

/* Of a snapshot that was copied: the id of no volume. */
#define NO_VOLUME "vol-ffffffff"

struct state_name {
    const char *name;
    enum cloud_state state;
};

static enum cloud_state state_of(const struct state_name *states, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (str_eq(states[i].name, name))
            return states[i].state;
    }
    return CLOUD_STATE_UNKNOWN;
}

static const char *text_or_null(const char *text) {
    return text[0] != '\0' ? text : NULL;
}

static void add_tags(struct aws_list *list, struct cloud_resource *to, const struct xml_node *from) {
    aws_list_tags(list, to, xml_at(from, "tagSet"), "item", "key", "value");
    const char *name = cloud_resource_tag(to, "Name");
    to->name = name != NULL ? name : "";
}

/* "User initiated (2024-01-31 09:00:00 GMT)", of what was stopped. 0: it is not said. */
static int64_t transition_time(const char *reason) {
    char text[] = "0000-00-00T00:00:00Z";
    const size_t day = 10, time = 8;
    const char *at = strchr(reason, '(');
    int64_t time_ms;
    if (at == NULL || strlen(at + 1) < day + 1 + time || at[1 + day] != ' ')
        return 0;
    memcpy(text, at + 1, day);
    memcpy(text + day + 1, at + 1 + day + 1, time);
    return time_parse(text, &time_ms) ? time_ms : 0;
}

static void add_instance(struct aws_list *list, const struct xml_node *from) {
    static const struct state_name states[] = {
        {"pending", CLOUD_PENDING}, {"running", CLOUD_RUNNING},        {"stopping", CLOUD_STOPPING},
        {"stopped", CLOUD_STOPPED}, {"shutting-down", CLOUD_DELETING}, {"terminated", CLOUD_DELETING},
    };
    struct cloud_resource *to = aws_list_add(list, CLOUD_INSTANCE, xml_text(from, "instanceId"));
    to->state = state_of(states, ARRAY_LEN(states), xml_text(from, "instanceState/name"));
    to->zone = aws_list_text(list, from, "placement/availabilityZone");
    to->type = aws_list_text(list, from, "instanceType");
    to->created_at_ms = aws_list_time(from, "launchTime");
    if (to->state == CLOUD_STOPPED)
        to->state_since_ms = transition_time(xml_text(from, "reason"));
    to->is_spot = str_eq(xml_text(from, "instanceLifecycle"), "spot");
    add_tags(list, to, from);
    to->parent = cloud_resource_tag(to, "aws:autoscaling:groupName");
    aws_list_size(list, to);
    int64_t cores = xml_int(from, "cpuOptions/coreCount", 0);
    int64_t threads = xml_int(from, "cpuOptions/threadsPerCore", 1);
    if (to->vcpu_milli == 0 && cores > 0 && cores < 100000 && threads > 0 && threads < 1000)
        to->vcpu_milli = cores * threads * 1000;
}

static int64_t mib_of(const struct xml_node *from, const char *path) {
    int64_t gib = xml_int(from, path, 0);
    return gib > 0 && gib < INT32_MAX ? gib * 1024 : 0;
}

static void add_volume(struct aws_list *list, const struct xml_node *from) {
    static const struct state_name states[] = {
        {"creating", CLOUD_PENDING},  {"available", CLOUD_AVAILABLE}, {"in-use", CLOUD_IN_USE},
        {"deleting", CLOUD_DELETING}, {"deleted", CLOUD_DELETING},
    };
    struct cloud_resource *to = aws_list_add(list, CLOUD_VOLUME, xml_text(from, "volumeId"));
    to->state = state_of(states, ARRAY_LEN(states), xml_text(from, "status"));
    to->zone = aws_list_text(list, from, "availabilityZone");
    to->type = aws_list_text(list, from, "volumeType");
    to->memory_mib = mib_of(from, "size");
    to->created_at_ms = aws_list_time(from, "createTime");
    /* The first of several machines that share it. */
    to->parent = text_or_null(aws_list_text(list, from, "attachmentSet/item/instanceId"));
    add_tags(list, to, from);
}

static void add_snapshot(struct aws_list *list, const struct xml_node *from) {
    static const struct state_name states[] = {
        {"pending", CLOUD_PENDING}, {"completed", CLOUD_AVAILABLE}, {"recovering", CLOUD_PENDING}};
    struct cloud_resource *to = aws_list_add(list, CLOUD_SNAPSHOT, xml_text(from, "snapshotId"));
    to->state = state_of(states, ARRAY_LEN(states), xml_text(from, "status"));
    to->type = aws_list_text(list, from, "storageTier");
    to->memory_mib = mib_of(from, "volumeSize");
    to->created_at_ms = aws_list_time(from, "startTime");
    if (!str_eq(xml_text(from, "volumeId"), NO_VOLUME))
        to->parent = text_or_null(aws_list_text(list, from, "volumeId"));
    add_tags(list, to, from);
}

static void add_address(struct aws_list *list, const struct xml_node *from) {
    const char *id = xml_text(from, "allocationId"), *address = xml_text(from, "publicIp");
    struct cloud_resource *to = aws_list_add(list, CLOUD_ADDRESS, id[0] != '\0' ? id : address);
    to->type = aws_list_text(list, from, "domain");
    to->parent = text_or_null(aws_list_text(list, from, "instanceId"));
    /* A NAT gateway or a load balancer holds it by an interface, without an instance. */
    bool is_attached = to->parent != NULL || xml_text(from, "associationId")[0] != '\0' ||
                       xml_text(from, "networkInterfaceId")[0] != '\0';
    to->state = is_attached ? CLOUD_IN_USE : CLOUD_AVAILABLE;
    add_tags(list, to, from);
    if (to->name[0] == '\0')
        to->name = texts_keep(&list->texts, address);
}

static const char *const instance_fields[] = {
    "instanceId",        "instanceState", "placement",  "instanceType", "launchTime",
    "instanceLifecycle", "tagSet",        "cpuOptions", "reason",       NULL};
const struct aws_pages aws_instances = {.action = "DescribeInstances",
                                        .size_name = "MaxResults",
                                        .page_size = 1000,
                                        .set = "reservationSet",
                                        .items = "reservationSet/item/instancesSet/item",
                                        .token = "nextToken",
                                        .fields = instance_fields,
                                        .add = add_instance};

static const char *const volume_fields[] = {"volumeId",   "status",        "availabilityZone", "volumeType", "size",
                                            "createTime", "attachmentSet", "tagSet",           NULL};
const struct aws_pages aws_volumes = {.action = "DescribeVolumes",
                                      .size_name = "MaxResults",
                                      .page_size = 1000,
                                      .set = "volumeSet",
                                      .items = "volumeSet/item",
                                      .token = "nextToken",
                                      .fields = volume_fields,
                                      .add = add_volume};

static const char *const snapshot_fields[] = {"snapshotId", "status",   "storageTier", "volumeSize",
                                              "startTime",  "volumeId", "tagSet",      NULL};
static const char *const owned_by_us[] = {"Owner.1", "self", NULL};
const struct aws_pages aws_snapshots = {.action = "DescribeSnapshots",
                                        .size_name = "MaxResults",
                                        .page_size = 1000,
                                        .parameters = owned_by_us,
                                        .set = "snapshotSet",
                                        .items = "snapshotSet/item",
                                        .token = "nextToken",
                                        .fields = snapshot_fields,
                                        .add = add_snapshot};

/* The API has no pages. */
const struct aws_pages aws_addresses = {.action = "DescribeAddresses",
                                        .set = "addressesSet",
                                        .items = "addressesSet/item",
                                        .token = "nextToken",
                                        .add = add_address};
