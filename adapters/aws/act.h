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
    /* AWS_RESIZE. */
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

extern const struct call_verb aws_drive_verb;    /* START, STOP, RESIZE; polls also of CREATE. act_instance.c */
extern const struct call_verb aws_create_verb;   /* act_instance.c */
extern const struct call_verb aws_snapshot_verb; /* act_snapshot.c */
extern const struct call_verb aws_tag_verb, aws_tag_group_verb; /* act_tags.c */

#endif
