/*
 * What AWS is asked to change: which verb is which call, what an action must hold, handles, and deletion. Nothing that
 * holds data goes by this adapter but a volume or snapshot that the action names; a bucket never.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/aws/act.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define WORD_MAX 64
#define TEMPLATE_MAX 200
#define TOKEN_MAX 64 /* RunInstances, ClientToken. */
#define TAGS_MAX 50  /* AWS: of one resource. */

bool aws_word_is_valid(const char *text, size_t size_max) {
    if (text == NULL)
        return false;
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");
    return size > 0 && size <= size_max && text[size] == '\0';
}

/* ---- handles ---- */

static const char *const deed_names[AWS_DEED_COUNT] = {
    [AWS_START] = "start",   [AWS_STOP] = "stop",         [AWS_RESIZE] = "resize",
    [AWS_CREATE] = "create", [AWS_SNAPSHOT] = "snapshot",
};

const char *aws_operation_print(const struct aws_operation *operation, struct arena *arena) {
    const char *text = arena_printf(arena, "%s:%s:%s", deed_names[operation->deed], operation->region, operation->id);
    if (operation->deed != AWS_RESIZE)
        return text;
    return arena_printf(arena, "%s:%s:%s:%s%s%s", text, operation->type, operation->type_before,
                        operation->was_running ? "running" : "stopped", operation->code[0] != '\0' ? ":" : "",
                        operation->code);
}

static bool parse_resize(char *const *fields, size_t count, struct aws_operation *ret) {
    if (count < 6 || count > 7 || !aws_word_is_valid(fields[3], WORD_MAX) || !aws_word_is_valid(fields[4], WORD_MAX))
        return false;
    ret->type = fields[3];
    ret->type_before = fields[4];
    ret->was_running = str_eq(fields[5], "running");
    ret->code = count == 7 ? fields[6] : "";
    return (ret->was_running || str_eq(fields[5], "stopped")) && (count == 6 || aws_word_is_valid(ret->code, WORD_MAX));
}

bool aws_operation_parse(const char *handle, struct arena *arena, struct aws_operation *ret) {
    char *fields[8], *rest;
    size_t count = 0;
    if (handle == NULL || strlen(handle) > ADAPTER_OPERATION_MAX)
        return false;
    rest = arena_strdup(arena, handle);
    while (rest != NULL && count < ARRAY_LEN(fields))
        fields[count++] = strsep(&rest, ":");
    if (rest != NULL || count < 3)
        return false;
    *ret = (struct aws_operation){.deed = 0, .region = fields[1], .id = fields[2], .code = ""};
    while (ret->deed < AWS_DEED_COUNT && !str_eq(deed_names[ret->deed], fields[0]))
        ret->deed++;
    if (ret->deed == AWS_DEED_COUNT || !aws_region_is_valid(ret->region) || !aws_word_is_valid(ret->id, WORD_MAX))
        return false;
    return ret->deed == AWS_RESIZE ? parse_resize(fields, count, ret) : count == 3;
}

void aws_operation_goes_on(struct call *call, uint32_t after_ms) {
    const struct aws_act *act = call->state;
    struct adapter_reply *reply = &call->outer->reply;
    reply->as.operation = aws_operation_print(&act->operation, call->outer->arena);
    reply->poll_after_ms = after_ms;
    if (act->operation.deed == AWS_CREATE || act->operation.deed == AWS_SNAPSHOT)
        reply->id = arena_strdup(call->outer->arena, act->operation.id);
}

/* ---- deletion: what is gone is deleted ---- */

static const struct {
    enum cloud_kind kind;
    const char *request, *parameter;
} deletions[] = {
    {CLOUD_VOLUME, "DeleteVolume", "VolumeId"},
    {CLOUD_SNAPSHOT, "DeleteSnapshot", "SnapshotId"},
    {CLOUD_ADDRESS, "ReleaseAddress", "AllocationId"},
};

static void delete_build(struct call *call) {
    const struct aws_act *act = call->state;
    size_t i = 0;
    while (deletions[i].kind != act->action->kind)
        i++;
    aws_call_begin(call, &act->scope, deletions[i].request);
    aws_query_put(&call->exchange, deletions[i].parameter, act->action->id);
}

static enum exchange_next delete_read(struct call *call, struct error *err) {
    if (aws_query_reply(&call->exchange, call->label, err) != NULL)
        call->outer->reply.as.operation = "";
    return EXCHANGE_DONE;
}

static enum exchange_next delete_failed(struct call *call, struct error *err) {
    if (str_has_suffix(err->code, ".NotFound")) {
        *err = (struct error){0};
        call->outer->reply.as.operation = "";
    }
    return EXCHANGE_DONE;
}

static const struct call_verb delete_verb = {.name = "apply",
                                             .mutates = true,
                                             .priority = GATE_ACTION,
                                             .build = delete_build,
                                             .read = delete_read,
                                             .failed = delete_failed};

/* A machine is looked at first: its group would replace it. */
enum terminate_step { TERMINATE_READ, TERMINATE_WRITE };

static void terminate_build(struct call *call) {
    const struct aws_act *act = call->state;
    call->mutates = act->step == TERMINATE_WRITE;
    aws_call_begin(call, &act->scope, call->mutates ? "TerminateInstances" : "DescribeInstances");
    aws_query_put(&call->exchange, "InstanceId.1", act->action->id);
}

static enum exchange_next terminate_read(struct call *call, struct error *err) {
    struct aws_act *act = call->state;
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    if (root == NULL)
        return EXCHANGE_DONE;
    if (act->step == TERMINATE_READ) {
        struct aws_machine machine = aws_machine_read(root);
        if (machine.state[0] == '\0') {
            error_set(err, ERR_RETRYABLE, "the reply holds no instance");
            return EXCHANGE_DONE;
        }
        if (!aws_machine_is_gone(&machine)) {
            act->step = TERMINATE_WRITE;
            return aws_machine_is_free(&machine, act->action->id, err) ? EXCHANGE_MORE : EXCHANGE_DONE;
        }
    }
    call->outer->reply.as.operation = "";
    return EXCHANGE_DONE;
}

static const struct call_verb terminate_verb = {.name = "apply",
                                                .mutates = true,
                                                .priority = GATE_ACTION,
                                                .build = terminate_build,
                                                .read = terminate_read,
                                                .failed = delete_failed};

/* ---- apply ---- */

struct entry { /* What is done by which call; kinds: bits. SCALE is autoscaling.c's. */
    uint32_t kinds;
    enum cloud_verb verb;
    const struct call_verb *call;
    const struct aws_service *service;
    enum aws_deed deed;
};

#define BIT(kind) (1u << (kind))

static const struct entry entries[] = {
    {BIT(CLOUD_INSTANCE), CLOUD_START, &aws_drive_verb, &aws_ec2, AWS_START},
    {BIT(CLOUD_INSTANCE), CLOUD_STOP, &aws_drive_verb, &aws_ec2, AWS_STOP},
    {BIT(CLOUD_INSTANCE), CLOUD_RESIZE, &aws_drive_verb, &aws_ec2, AWS_RESIZE},
    {BIT(CLOUD_INSTANCE), CLOUD_CREATE, &aws_create_verb, &aws_ec2, AWS_CREATE},
    {BIT(CLOUD_VOLUME), CLOUD_TAKE_SNAPSHOT, &aws_snapshot_verb, &aws_ec2, AWS_SNAPSHOT},
    {BIT(CLOUD_INSTANCE), CLOUD_DELETE, &terminate_verb, &aws_ec2, AWS_DEED_COUNT},
    {BIT(CLOUD_VOLUME) | BIT(CLOUD_SNAPSHOT) | BIT(CLOUD_ADDRESS), CLOUD_DELETE, &delete_verb, &aws_ec2,
     AWS_DEED_COUNT},
    {BIT(CLOUD_INSTANCE) | BIT(CLOUD_VOLUME) | BIT(CLOUD_SNAPSHOT) | BIT(CLOUD_ADDRESS), CLOUD_TAG, &aws_tag_verb,
     &aws_ec2, AWS_DEED_COUNT},
    {BIT(CLOUD_INSTANCE_GROUP), CLOUD_TAG, &aws_tag_group_verb, &aws_autoscaling, AWS_DEED_COUNT},
};

static const struct entry *entry_of(const struct cloud_action *action) {
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        if (entries[i].verb == action->verb && (entries[i].kinds & BIT(action->kind)) != 0)
            return &entries[i];
    }
    return NULL;
}

/* What is printable and short enough for a name, a token or a template. */
static bool is_plain(const char *text, size_t size_max) {
    if (text == NULL || text[0] == '\0' || strlen(text) > size_max)
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~')
            return false;
    }
    return true;
}

/* The tags that are written, but for the token's own. */
static size_t count_tags(const struct cloud_action *action) {
    size_t count = 0;
    for (size_t i = 0; i < action->tag_count; i++)
        count += !str_eq(action->tags[i].key, CLOUD_TAG_TOKEN);
    return count;
}

/* What is wrong with the action; NULL: nothing. */
static const char *fault_of(const struct cloud_action *action) {
    bool makes = action->verb == CLOUD_CREATE || action->verb == CLOUD_TAKE_SNAPSHOT;
    bool has_type = action->type != NULL && action->type[0] != '\0';
    if (!aws_region_is_valid(action->region))
        return "its region is none of AWS";
    if (action->verb == CLOUD_CREATE           ? !is_plain(action->id, TEMPLATE_MAX)
        : action->kind == CLOUD_INSTANCE_GROUP ? action->id == NULL || action->id[0] == '\0'
                                               : !aws_word_is_valid(action->id, WORD_MAX))
        return "its id is none of AWS";
    if ((action->verb == CLOUD_RESIZE || has_type) && !aws_word_is_valid(action->type, WORD_MAX))
        return "its type is none of AWS";
    if (action->zone != NULL && action->zone[0] != '\0' && !aws_word_is_valid(action->zone, WORD_MAX))
        return "its zone is none of AWS";
    if (makes && !is_plain(action->token, TOKEN_MAX))
        return "it has no token of 1 to 64 plain characters";
    if (makes && count_tags(action) > TAGS_MAX - 1)
        return "it has more than 49 tags; one more carries its token";
    if (action->tag_count > TAGS_MAX || (action->verb == CLOUD_TAG && action->tag_count == 0))
        return "it needs 1 to 50 tags";
    return NULL;
}

void aws_apply(struct aws *aws, struct adapter_call *outer, const struct cloud_action *action) {
    static const struct call_verb refused_verb = {.name = "apply"};
    if (action->verb == CLOUD_SCALE && action->kind == CLOUD_INSTANCE_GROUP) {
        aws_scale(aws, outer, action);
        return;
    }
    const struct entry *entry = entry_of(action);
    struct call *call =
        call_new(&aws->host, outer, entry != NULL ? entry->call : &refused_verb, sizeof(struct aws_act));
    if (entry == NULL) {
        call_refuse(call, "aws: %s of %s is not supported", cloud_verb_name(action->verb),
                    cloud_kind_name(action->kind));
        return;
    }
    const char *fault = fault_of(action);
    if (fault != NULL) {
        call_refuse(call, "aws: %s of %s: %s", cloud_verb_name(action->verb), cloud_kind_name(action->kind), fault);
        return;
    }
    struct aws_act *act = call->state;
    *act = (struct aws_act){.scope = {entry->service, action->region}, .action = action};
    act->operation = (struct aws_operation){
        .deed = entry->deed, .region = action->region, .id = action->id, .type = action->type, .code = ""};
    call_start(call);
}

void aws_poll(struct aws *aws, struct adapter_call *outer, const char *operation) {
    static const struct call_verb refused_verb = {.name = "poll"};
    struct arena scratch = {0};
    struct aws_operation parsed;
    bool is_ours = aws_operation_parse(operation, &scratch, &parsed);
    const struct call_verb *verb = !is_ours                      ? &refused_verb
                                   : parsed.deed == AWS_SNAPSHOT ? &aws_snapshot_verb
                                                                 : &aws_drive_verb;
    arena_release(&scratch);
    struct call *call = call_new(&aws->host, outer, verb, sizeof(struct aws_act));
    struct aws_act *act = call->state;
    if (!is_ours || !aws_operation_parse(operation, &call->arena, &act->operation)) {
        call_refuse(call, "aws: poll: not a handle of this adapter");
        return;
    }
    act->scope = (struct aws_scope){&aws_ec2, act->operation.region};
    call_start(call);
}
