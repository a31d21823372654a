/*
 * Machines: started, stopped, given another type, made from a launch template. Level-triggered: each poll reads the
 * machine and sends the one request that is due, so that what EC2 still shows of the past is repeated and nothing else.
 *
 *     running --Stop--> stopping --> stopped --Modify--> stopped --Start--> pending --> running      (RESIZE)
 *
 * RESIZE sends nothing in apply: whether the machine ran is in the handle before it is stopped. If AWS refuses the new
 * type, or has no room for it, the machine goes back to the old one and runs again, and then the operation fails. What
 * must not be stopped at all is refused in apply (act_guard.c).
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
    if (act->step == CHECK_TYPE && operation->deed == AWS_RESIZE) {
        aws_query_put(&call->exchange, "InstanceType.1", operation->type);
        aws_query_put(&call->exchange, "InstanceType.2", operation->type_before);
    } else if (act->step == CHECK_TYPE) {
        aws_query_put(&call->exchange, "InstanceType.1", operation->type_before);
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

static enum step due_to_run(const struct aws_machine *machine) {
    return aws_machine_is_in(machine, "running") ? DONE : aws_machine_is_in(machine, "stopped") ? START : WAIT;
}

static enum step due_to_stop(const struct aws_machine *machine) {
    return aws_machine_is_in(machine, "stopped") ? DONE : aws_machine_is_in(machine, "running") ? STOP : WAIT;
}

static enum step due_to_resize(const struct aws_operation *operation, const struct aws_machine *machine) {
    const char *type = operation->code[0] != '\0' ? operation->type_before : operation->type;
    if (str_eq(machine->type, type))
        return operation->was_running ? due_to_run(machine) : DONE;
    enum step due = due_to_stop(machine);
    return due == DONE ? MODIFY : due;
}

static enum step due_of(const struct aws_operation *operation, const struct aws_machine *machine) {
    if (aws_machine_is_gone(machine))
        return GONE;
    switch (operation->deed) {
    case AWS_START:
        return due_to_run(machine);
    case AWS_STOP:
        return due_to_stop(machine);
    case AWS_RESIZE:
        return due_to_resize(operation, machine);
    case AWS_CREATE: /* Somebody may have stopped it since. */
        return aws_machine_is_in(machine, "running") || aws_machine_is_in(machine, "stopping") ||
                       aws_machine_is_in(machine, "stopped")
                   ? DONE
                   : WAIT;
    case AWS_SNAPSHOT:
    case AWS_DEED_COUNT:
        break;
    }
    ASSERT(false);
    return WAIT;
}

/* ---- what is read ---- */

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
static void fail_as_gone(const struct aws_operation *operation, const struct aws_machine *machine, struct error *err) {
    const char *dot = strchr(machine->reason, '.');
    const char *code = dot != NULL ? dot + 1 : machine->reason;
    bool is_failure = operation->deed == AWS_CREATE && code[0] != '\0' && !str_has_prefix(code, "User");
    error_set(err, is_failure ? class_of(code) : ERR_CONFLICT, "%s is %s%s%s", operation->id, machine->state,
              code[0] != '\0' ? ": " : "", code);
    str_copy(err->code, sizeof(err->code), code);
}

/* The first look of an apply. DONE: *err is set, or the reply filled. */
static enum step begin(struct call *call, const struct aws_machine *machine, struct error *err) {
    struct aws_act *act = call->state;
    struct aws_operation *operation = &act->operation;
    if (!aws_machine_is_free(machine, operation->id, err))
        return DONE;
    operation->type_before = arena_strdup(&call->arena, machine->type);
    operation->was_running = aws_machine_is_up(machine);
    enum step due = due_of(operation, machine);
    if (due == GONE || operation->deed == AWS_START)
        return due;
    if (due == DONE || (operation->deed == AWS_RESIZE && str_eq(machine->type, operation->type)))
        return DONE;
    if (operation->was_running && !aws_machine_root_survives(machine, operation->id, err))
        return DONE;
    if (operation->deed == AWS_STOP && (!operation->was_running || aws_type_lacks_store(machine->type)))
        return due;
    act->step_after = (int)due;
    return CHECK_TYPE;
}

static enum exchange_next take_machine(struct call *call, struct error *err) {
    struct aws_act *act = call->state;
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    if (root == NULL)
        return EXCHANGE_DONE;
    struct aws_machine machine = aws_machine_read(root);
    if (machine.state[0] == '\0' && act->operation.deed != AWS_CREATE) {
        error_set(err, ERR_RETRYABLE, "the reply holds no instance");
        return EXCHANGE_DONE;
    }
    enum step due = act->action != NULL ? begin(call, &machine, err) : due_of(&act->operation, &machine);
    if (due == STOP && act->operation.deed == AWS_RESIZE && !act->operation.was_running)
        error_set(err, ERR_CONFLICT, "%s was stopped and now runs: somebody has started it", act->operation.id);
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

/* That a type does not exist, or that a stop loses data, must not be found out with the machine stopped. */
static enum exchange_next take_types(struct call *call, struct error *err) {
    struct aws_act *act = call->state;
    const struct aws_operation *operation = &act->operation;
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    if (root == NULL)
        return EXCHANGE_DONE;
    if (operation->deed == AWS_RESIZE && aws_type_find(root, operation->type) == NULL) {
        error_set(err, ERR_PERMANENT, "%s is not sold in %s", operation->type, operation->region);
        return EXCHANGE_DONE;
    }
    if (operation->was_running && !aws_type_survives(root, operation->id, operation->type_before, err))
        return EXCHANGE_DONE;
    act->step = act->step_after;
    if (operation->deed == AWS_STOP && act->step == STOP)
        return EXCHANGE_MORE;
    aws_operation_goes_on(call, operation->deed == AWS_STOP ? POLL_MS : AT_ONCE_MS);
    return EXCHANGE_DONE;
}

static enum exchange_next drive_read(struct call *call, struct error *err) {
    const struct aws_act *act = call->state;
    if (act->step == READ)
        return take_machine(call, err);
    if (act->step == CHECK_TYPE)
        return take_types(call, err);
    if (aws_query_reply(&call->exchange, call->label, err) != NULL)
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
        error_wrap(err, "%s stays stopped: %s could not be had (%s), nor could it run as %s again", operation->id,
                   operation->type, operation->code, operation->type_before);
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
