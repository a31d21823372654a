/*
 * Machines as DescribeInstances shows them, and what must not be done to them: what an Auto Scaling group would undo,
 * and a stop that loses data. The disks that a type brings along (instance store) are empty after a stop, and nothing
 * brings their data back; so a stop that cannot be told to be harmless is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/act.h"
#include "base/str.h"

struct aws_machine aws_machine_read(const struct xml_node *root) {
    const struct xml_node *one = xml_at(root, "reservationSet/item/instancesSet/item");
    struct aws_machine machine = {.state = xml_text(one, "instanceState/name"),
                                  .type = xml_text(one, "instanceType"),
                                  .reason = xml_text(one, "stateReason/code"),
                                  .root_device = xml_text(one, "rootDeviceType"),
                                  .group = ""};
    const struct xml_node *tags = xml_at(one, "tagSet");
    for (const struct xml_node *tag = xml_first(tags, "item"); tag != NULL; tag = xml_next(tag, "item")) {
        if (str_eq(xml_text(tag, "key"), "aws:autoscaling:groupName"))
            machine.group = xml_text(tag, "value");
    }
    return machine;
}

bool aws_machine_is_in(const struct aws_machine *machine, const char *state) {
    return str_eq(machine->state, state);
}

bool aws_machine_is_up(const struct aws_machine *machine) {
    return aws_machine_is_in(machine, "running") || aws_machine_is_in(machine, "pending");
}

bool aws_machine_is_gone(const struct aws_machine *machine) {
    return aws_machine_is_in(machine, "shutting-down") || aws_machine_is_in(machine, "terminated");
}

bool aws_machine_is_free(const struct aws_machine *machine, const char *id, struct error *err) {
    if (machine->group[0] == '\0')
        return true;
    error_set(err, ERR_PERMANENT, "%s belongs to the group %s, which would replace it: change the group", id,
              machine->group);
    return false;
}

/* ---- disks of its own ---- */

/* By AWS's naming of types: a family is letters, a generation and attributes, of which "d" stands for instance store.
 * For c, m and r that holds from the fourth generation on; t has never had any. Of others the name tells nothing. */
bool aws_type_lacks_store(const char *type) {
    size_t size = strcspn(type, ".");
    char *attributes;
    if (type[0] == '\0' || strchr("cmrt", type[0]) == NULL || type[1] < '1' || type[1] > '9')
        return false;
    unsigned long generation = strtoul(type + 1, &attributes, 10);
    size_t plain = strcspn(attributes, "d.");
    return type[size] == '.' && (generation >= 4 || type[0] == 't') && attributes + plain == type + size;
}

static bool refuse(struct error *err, const char *id, const char *type, const char *what) {
    error_set(err, ERR_PERMANENT, "%s is not stopped: %s %s", id, type, what);
    str_copy(err->code, sizeof(err->code), "InstanceStore");
    return false;
}

bool aws_machine_root_survives(const struct aws_machine *machine, const char *id, struct error *err) {
    if (!str_eq(machine->root_device, "instance-store"))
        return true;
    return refuse(err, id, machine->type, "with an instance store as its root disk would lose its data");
}

const struct xml_node *aws_type_find(const struct xml_node *root, const char *type) {
    const struct xml_node *one = xml_first(xml_at(root, "instanceTypeSet"), "item");
    while (one != NULL && !str_eq(xml_text(one, "instanceType"), type))
        one = xml_next(one, "item");
    return one;
}

bool aws_type_survives(const struct xml_node *root, const char *id, const char *type, struct error *err) {
    const char *has_store = xml_text(aws_type_find(root, type), "instanceStorageSupported");
    if (str_eq(has_store, "true"))
        return refuse(err, id, type, "has disks of its own (instance store), whose data would be lost");
    if (str_eq(has_store, "false") || aws_type_lacks_store(type))
        return true;
    return refuse(err, id, type, "may have disks of its own (instance store): AWS does not tell");
}
