/*
 * Machines: started, stopped, given another type, made from a launch template. Level-triggered: each poll reads the
 * machine and sends the one request that is due, so that what EC2 still shows of the past is repeated and nothing else.
 *
 *     running --Stop--> stopping --> stopped --Modify--> stopped --Start--> pending --> running      (RESIZE)
 *
 * RESIZE sends nothing in apply: whether the machine ran is in the handle before it is stopped. If AWS refuses the new
 * type, or has no room for it, the machine goes back to the old one and runs again, and then the operation fails.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/aws/act.h"
#include "base/mem.h"
#include "base/str.h"

#define POLL_MS 5000
#define AT_ONCE_MS 1

enum step { READ, CHECK_TYPE, STOP, MODIFY, START, WAIT, DONE, GONE };

struct machine {
    const char *state; /* In EC2's words; "" if there is no such machine (yet). */
    const char *type, *architecture;
    const char *group;  /* "" if it is alone. */
    const char *reason; /* The code of stateReason. */
};

/* ---- what is sent ---- */

static void put_filter(struct exchange *exchange, const char *name, const char *value) {
    aws_query_put(exchange, "Filter.1.Name", name);
    aws_query_put(exchange, "Filter.1.Value.1", value);
}

static void drive_build(struct call *call) {
    static const char *const requests[] = {
        [READ] = "DescribeInstances", [CHECK_TYPE] = "DescribeInstanceTypes", [STOP] = "StopInstances",
        [START] = "StartInstances",   [MODIFY] = "ModifyInstanceAttribute",
    };
    const struct aws_act *act = call->state;
    const struct aws_operation *operation = &act->operation;
    aws_call_begin(call, &act->scope, requests[act->step]);
    call->mutates = act->step == STOP || act->step == MODIFY || act->step == START;
    if (act->step == CHECK_TYPE) {
        aws_query_put(&call->exchange, "InstanceType.1", operation->type);
    } else if (act->step == MODIFY) {
        aws_query_put(&call->exchange, "InstanceId", operation->id);
        aws_query_put(&call->exchange, "InstanceType.Value",
                      operation->code[0] != '\0' ? operation->type_before : operation->type);
    } else if (act->step == READ && operation->deed == AWS_CREATE) {
        /* By filter: a new machine may not be visible yet, and that is no error. */
        put_filter(&call->exchange, "instance-id", operation->id);
    } else {
        aws_query_put(&call->exchange, "InstanceId.1", operation->id);
    }
}

/* ---- what is due ---- */

static bool is_in(const struct machine *machine, const char *state) {
    return str_eq(machine->state, state);
}

static enum step due_to_run(const struct machine *machine) {
    return is_in(machine, "running") ? DONE : is_in(machine, "stopped") ? START : WAIT;
}

static enum step due_to_stop(const struct machine *machine) {
    return is_in(machine, "stopped") ? DONE : is_in(machine, "running") ? STOP : WAIT;
}

static enum step due_to_resize(const struct aws_operation *operation, const struct machine *machine) {
    const char *type = operation->code[0] != '\0' ? operation->type_before : operation->type;
    if (str_eq(machine->type, type))
        return operation->was_running ? due_to_run(machine) : DONE;
    enum step due = due_to_stop(machine);
    return due == DONE ? MODIFY : due;
}

static enum step due_of(const struct aws_operation *operation, const struct machine *machine) {
    if (is_in(machine, "shutting-down") || is_in(machine, "terminated"))
        return GONE;
    switch (operation->deed) {
    case AWS_START:
        return due_to_run(machine);
    case AWS_STOP:
        return due_to_stop(machine);
    case AWS_RESIZE:
        return due_to_resize(operation, machine);
    case AWS_CREATE: /* Somebody may have stopped it since. */
        return is_in(machine, "running") || is_in(machine, "stopping") || is_in(machine, "stopped") ? DONE : WAIT;
    case AWS_SNAPSHOT:
    case AWS_DEED_COUNT:
        break;
    }
    ASSERT(false);
    return WAIT;
}

/* ---- what is read ---- */

static struct machine read_machine(const struct xml_node *root) {
    const struct xml_node *one = xml_at(root, "reservationSet/item/instancesSet/item");
    struct machine machine = {.state = xml_text(one, "instanceState/name"),
                              .type = xml_text(one, "instanceType"),
                              .architecture = xml_text(one, "architecture"),
                              .reason = xml_text(one, "stateReason/code"),
                              .group = ""};
    const struct xml_node *tags = xml_at(one, "tagSet");
    for (const struct xml_node *tag = xml_first(tags, "item"); tag != NULL; tag = xml_next(tag, "item")) {
        if (str_eq(xml_text(tag, "key"), "aws:autoscaling:groupName"))
            machine.group = xml_text(tag, "value");
    }
    return machine;
}

/* A code that came earlier than this reply. */
static enum err_class class_of(const char *code) {
    return error_table_find(aws_error_rules, aws_error_rule_count, code, "", 400)->class;
}

static void finish(struct call *call, struct error *err) {
    const struct aws_operation *operation = &((struct aws_act *)call->state)->operation;
    if (operation->deed == AWS_RESIZE && operation->code[0] != '\0') {
        error_set(err, class_of(operation->code), "%s: %s could not be had; it runs as %s again", operation->code,
                  operation->type, operation->type_before);
        str_copy(err->code, sizeof(err->code), operation->code);
        return;
    }
    call->outer->reply.as.operation = "";
    if (operation->deed == AWS_CREATE)
        call->outer->reply.id = arena_strdup(call->outer->arena, operation->id);
}

/* A launch that fails after it was accepted ends by itself, with "Server.InsufficientInstanceCapacity" and the like;
 * one that a user has ended says so too. */
static void fail_as_gone(const struct aws_operation *operation, const struct machine *machine, struct error *err) {
    const char *dot = strchr(machine->reason, '.');
    const char *code = dot != NULL ? dot + 1 : machine->reason;
    bool is_failure = operation->deed == AWS_CREATE && code[0] != '\0' && !str_has_prefix(code, "User");
    error_set(err, is_failure ? class_of(code) : ERR_CONFLICT, "%s is %s%s%s", operation->id, machine->state,
              code[0] != '\0' ? ": " : "", code);
    str_copy(err->code, sizeof(err->code), code);
}

/* The first look of an apply. DONE: *err is set, or the reply filled. */
static enum step begin(struct call *call, const struct machine *machine, struct error *err) {
    struct aws_act *act = call->state;
    struct aws_operation *operation = &act->operation;
    if (machine->group[0] != '\0') {
        error_set(err, ERR_PERMANENT, "%s belongs to the group %s, which would replace it: change the group",
                  operation->id, machine->group);
        return DONE;
    }
    if (operation->deed != AWS_RESIZE)
        return due_of(operation, machine);
    operation->type_before = arena_strdup(&call->arena, machine->type);
    operation->was_running = is_in(machine, "running") || is_in(machine, "pending");
    if (str_eq(machine->type, operation->type))
        return DONE;
    return due_of(operation, machine) == GONE ? GONE : CHECK_TYPE;
}

static enum exchange_next take_machine(struct call *call, struct error *err) {
    struct aws_act *act = call->state;
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    if (root == NULL)
        return EXCHANGE_DONE;
    struct machine machine = read_machine(root);
    if (machine.state[0] == '\0' && act->operation.deed != AWS_CREATE) {
        error_set(err, ERR_RETRYABLE, "the reply holds no instance");
        return EXCHANGE_DONE;
    }
    enum step due = act->action != NULL ? begin(call, &machine, err) : due_of(&act->operation, &machine);
    if (err->class != ERR_NONE)
        return EXCHANGE_DONE;
    act->step = (int)due;
    if (due == DONE)
        finish(call, err);
    else if (due == GONE)
        fail_as_gone(&act->operation, &machine, err);
    else if (due == WAIT)
        aws_operation_goes_on(call, POLL_MS);
    else
        return EXCHANGE_MORE;
    return EXCHANGE_DONE;
}

/* A type that does not exist must not be found out with the machine stopped. */
static void take_type(struct call *call, struct error *err) {
    const struct aws_operation *operation = &((struct aws_act *)call->state)->operation;
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    if (root == NULL)
        return;
    if (!str_eq(xml_text(root, "instanceTypeSet/item/instanceType"), operation->type)) {
        error_set(err, ERR_PERMANENT, "%s is not sold in %s", operation->type, operation->region);
        return;
    }
    aws_operation_goes_on(call, AT_ONCE_MS);
}

static enum exchange_next drive_read(struct call *call, struct error *err) {
    const struct aws_act *act = call->state;
    if (act->step == READ)
        return take_machine(call, err);
    if (act->step == CHECK_TYPE)
        take_type(call, err);
    else if (aws_query_reply(&call->exchange, call->label, err) != NULL)
        aws_operation_goes_on(call, POLL_MS);
    return EXCHANGE_DONE;
}

static bool is_final(enum err_class class) {
    return class == ERR_CAPACITY || class == ERR_CONFLICT || class == ERR_PERMISSION || class == ERR_PERMANENT;
}

/* A machine that has moved on since it was read is looked at again. A resize that is refused while the machine is down
 * because of us turns back. */
static enum exchange_next drive_failed(struct call *call, struct error *err) {
    struct aws_act *act = call->state;
    struct aws_operation *operation = &act->operation;
    bool is_refusal = call->mutates && err->http_status != 0;
    if (is_refusal && str_eq(err->code, "IncorrectInstanceState")) {
        *err = (struct error){0};
        aws_operation_goes_on(call, POLL_MS);
        return EXCHANGE_DONE;
    }
    if (!is_refusal || operation->deed != AWS_RESIZE || !operation->was_running || act->step == STOP ||
        !is_final(err->class))
        return EXCHANGE_DONE;
    if (operation->code[0] != '\0') { /* On the way back already: it stays down. */
        err->effect = EFFECT_APPLIED;
        return EXCHANGE_DONE;
    }
    operation->code =
        aws_word_is_valid(err->code, sizeof(err->code)) ? arena_strdup(&call->arena, err->code) : "Refused";
    *err = (struct error){0};
    aws_operation_goes_on(call, AT_ONCE_MS);
    return EXCHANGE_DONE;
}

const struct call_verb aws_drive_verb = {.name = "machine",
                                         .mutates = true,
                                         .priority = GATE_ACTION,
                                         .build = drive_build,
                                         .read = drive_read,
                                         .failed = drive_failed};

/* ---- create ---- */

/* "lt-0123456789abcdef0" is an id, anything else a name; ":7" or ":$Latest" behind either is the version. */
static void put_template(struct call *call, const char *template) {
    struct exchange *exchange = &call->exchange;
    const char *colon = strchr(template, ':');
    size_t size = colon != NULL ? (size_t)(colon - template) : strlen(template);
    const char *name = arena_strndup(&exchange->arena, template, size);
    size_t digits = str_has_prefix(name, "lt-") ? strspn(name + 3, "0123456789abcdef") : 0;
    bool is_id = (digits == 8 || digits == 17) && size == digits + 3;
    aws_query_put(exchange, is_id ? "LaunchTemplate.LaunchTemplateId" : "LaunchTemplate.LaunchTemplateName", name);
    if (colon != NULL)
        aws_query_put(exchange, "LaunchTemplate.Version", colon + 1);
}

static void create_build(struct call *call) {
    const struct aws_act *act = call->state;
    const struct cloud_action *action = act->action;
    struct exchange *exchange = &call->exchange;
    aws_call_begin(call, &act->scope, "RunInstances");
    put_template(call, action->id);
    aws_query_put_int(exchange, "MinCount", 1);
    aws_query_put_int(exchange, "MaxCount", 1);
    aws_query_put(exchange, "ClientToken", action->token);
    if (action->type != NULL && action->type[0] != '\0')
        aws_query_put(exchange, "InstanceType", action->type);
    if (action->zone != NULL && action->zone[0] != '\0')
        aws_query_put(exchange, "Placement.AvailabilityZone", action->zone);
    aws_put_tag_specification(exchange, 1, "instance", action);
    aws_put_tag_specification(exchange, 2, "volume", action); /* A disk that outlives its machine is known as ours. */
}

static enum exchange_next create_read(struct call *call, struct error *err) {
    struct aws_act *act = call->state;
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    if (root == NULL)
        return EXCHANGE_DONE;
    const char *id = xml_text(root, "instancesSet/item/instanceId");
    if (!aws_word_is_valid(id, 64)) {
        error_set(err, ERR_RETRYABLE, "the reply names no instance");
        return EXCHANGE_DONE;
    }
    act->operation.id = id;
    aws_operation_goes_on(call, POLL_MS);
    return EXCHANGE_DONE;
}

const struct call_verb aws_create_verb = {
    .name = "apply", .mutates = true, .priority = GATE_ACTION, .build = create_build, .read = create_read};
