/*
 * What the files of the acting half share: the handle of a long operation, taken apart, and the verbs that need more
 * than one request. Each call reads first and writes at most once, in its last request; so its error says what it did,
 * and doing it again does nothing twice.
 *
 * A handle is fields with colons between them, none of which can hold one:
 *
 *     start:REGION:INSTANCE      stop:REGION:INSTANCE      create:REGION:INSTANCE      snapshot:REGION:SNAPSHOT
 *     resize:REGION:INSTANCE:TYPE:TYPE_BEFORE:running|stopped
 *     resize:REGION:INSTANCE:TYPE:TYPE_BEFORE:running|stopped:CODE     on the way back, because AWS refused with CODE
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_AWS_ACT_H
#define TRIMTAB_ADAPTERS_AWS_ACT_H

#include "adapters/aws/aws_internal.h"

enum aws_deed { AWS_START, AWS_STOP, AWS_RESIZE, AWS_CREATE, AWS_SNAPSHOT, AWS_DEED_COUNT };

struct aws_operation {
    enum aws_deed deed;
    const char *region, *id;
    /* AWS_RESIZE. type_before and was_running also in the apply of the others: as it was found. */
    const char *type, *type_before;
    bool was_running;
    const char *code; /* Why it goes back; "": it does not. */
};

struct aws_group_tag { /* One to write. */
    const struct cloud_tag *tag;
    bool is_propagated; /* To the machines that the group launches. */
};

/* The state of every acting call. */
struct aws_act {
    struct aws_scope scope;            /* Must be first. */
    const struct cloud_action *action; /* NULL in a poll. */
    struct aws_operation operation;    /* Of a poll, and of an apply that starts one. */
    int step;                          /* The verb's own; 0 at first. */
    int step_after;                    /* aws_drive_verb: when the types are known. */
    struct aws_group_tag *tags;        /* aws_tag_group_verb. */
    size_t tag_count;
};

/* Letters, digits, dashes and dots: what ids, types and codes are made of. */
bool aws_word_is_valid(const char *text, size_t size_max);
const char *aws_operation_print(const struct aws_operation *operation, struct arena *arena);
/* False: not one of ours. Its texts are copied into the arena. */
bool aws_operation_parse(const char *handle, struct arena *arena, struct aws_operation *ret);
/* Fills the reply of a call whose operation goes on. */
void aws_operation_goes_on(struct call *call, uint32_t after_ms);
/* PREFIX.1.Key=...&PREFIX.1.Value=...; the token's tag too if with_token. */
void aws_put_tags(struct exchange *exchange, const char *prefix, const struct cloud_action *action, bool with_token);
/* TagSpecification.NUMBER of what is made. */
void aws_put_tag_specification(struct exchange *exchange, int number, const char *type,
                               const struct cloud_action *action);

/* act_guard.c. A machine as DescribeInstances shows it; the texts are the reply's. */
struct aws_machine {
    const char *state; /* In EC2's words; "" if there is no such machine (yet). */
    const char *type;
    const char *group;       /* "" if it is alone. */
    const char *reason;      /* The code of stateReason. */
    const char *root_device; /* "ebs", "instance-store"; "" unknown. */
};
struct aws_machine aws_machine_read(const struct xml_node *root);
bool aws_machine_is_in(const struct aws_machine *machine, const char *state);
bool aws_machine_is_up(const struct aws_machine *machine); /* It runs or is about to. */
bool aws_machine_is_gone(const struct aws_machine *machine);
/* What must hold before a machine is changed or stopped; where it does not, *err says why and false is returned. */
bool aws_machine_is_free(const struct aws_machine *machine, const char *id, struct error *err);
bool aws_machine_root_survives(const struct aws_machine *machine, const char *id, struct error *err);
/* Whether the name says that the type has no instance store; false: it may have one. */
bool aws_type_lacks_store(const char *type);
/* In a reply of DescribeInstanceTypes. */
const struct xml_node *aws_type_find(const struct xml_node *root, const char *type); /* NULL: it is not there. */
bool aws_type_survives(const struct xml_node *root, const char *id, const char *type, struct error *err);

extern const struct call_verb aws_drive_verb;    /* START, STOP, RESIZE; polls also of CREATE. act_instance.c */
extern const struct call_verb aws_create_verb;   /* act_instance.c */
extern const struct call_verb aws_snapshot_verb; /* act_snapshot.c */
extern const struct call_verb aws_tag_verb, aws_tag_group_verb; /* act_tags.c */

#endif
