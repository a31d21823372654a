/*
 * The cases of what an adapter changes. They go by the verbs that it declares: what it has is done, poll after poll to
 * its end, and must be in the next list; what it has not is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "probe.h"

#include "base/str.h"

#define POLLS_MAX 50
#define OWNER "trimtab-contract"

static bool has(const struct contract_factory *factory, const struct contract_bed *bed, enum cloud_kind kind,
                enum cloud_verb verb) {
    return (bed->adapter->ops->verbs[kind] & ~factory->lacks[kind] & 1u << verb) != 0;
}

/* As the controller does it: a token for each target and verb. */
static const char *token_of(enum cloud_kind kind, enum cloud_verb verb) {
    static char tokens[CLOUD_KIND_COUNT][CLOUD_VERB_COUNT][40];
    snprintf(tokens[kind][verb], sizeof(tokens[kind][verb]), "%s-%s", cloud_kind_name(kind), cloud_verb_name(verb));
    return tokens[kind][verb];
}

static struct cloud_action action_of(const struct contract_bed *bed, enum cloud_kind kind, enum cloud_verb verb,
                                     const struct cloud_tag *tags, size_t tag_count) {
    struct cloud_action action = {.verb = verb,
                                  .kind = kind,
                                  .region = bed->region,
                                  .id = verb == CLOUD_CREATE ? bed->template : bed->targets[kind],
                                  .count = bed->size_other,
                                  .tags = tags,
                                  .tag_count = tag_count,
                                  .token = token_of(kind, verb)};
    if (verb == CLOUD_RESIZE && kind == CLOUD_WORKLOAD)
        action.vcpu_milli = bed->vcpu_milli_other;
    else if (verb == CLOUD_RESIZE)
        action.type = bed->type_other;
    return action;
}

/* Polls to the end by the bed's present adapter. The reply's operation may live in probe, which is used again. */
static void finish(const struct contract_factory *factory, struct contract_bed *bed, struct probe *probe,
                   const char *what) {
    for (int i = 0; i < POLLS_MAX; i++) {
        const struct adapter_reply *reply = &probe->call.reply;
        cr_assert_eq(reply->error.class, ERR_NONE, "%s: %s", what, reply->error.message);
        cr_assert(reply->as.operation != NULL, "%s: success without an operation, not even \"\"", what);
        if (reply->as.operation[0] == '\0')
            return;
        cr_expect(reply->poll_after_ms > 0, "%s: no time to poll after", what);
        cr_expect(strlen(reply->as.operation) <= ADAPTER_OPERATION_MAX);
        struct probe before = *probe;
        factory->wait(bed, reply->poll_after_ms);
        probe_poll(factory, bed, probe, bed->adapter, before.call.reply.as.operation);
        probe_release(&before);
    }
    cr_assert_fail("%s: not done after %d polls", what, POLLS_MAX);
}

static void expect_tags(const struct cloud_resource *resource, const struct cloud_action *action, const char *what) {
    for (size_t i = 0; i < action->tag_count; i++) {
        const char *value = cloud_resource_tag(resource, action->tags[i].key);
        cr_expect(str_eq(value, action->tags[i].value), "%s: tag %s is %s", what, action->tags[i].key,
                  value != NULL ? value : "not there");
    }
}

static void expect_target(const struct contract_bed *bed, const struct cloud_action *action,
                          const struct cloud_resource *found, const char *what) {
    switch (action->verb) {
    case CLOUD_SCALE:
        cr_expect_eq(found->count, action->count, "%s: %lld", what, (long long)found->count);
        break;
    case CLOUD_SET_BOUNDS:
        cr_expect(found->count_min == action->count_min && found->count_max == action->count_max, "%s", what);
        break;
    case CLOUD_RESIZE:
        if (action->kind == CLOUD_WORKLOAD)
            cr_expect(found->vcpu_milli == action->vcpu_milli && found->drifted == 0, "%s: %lld milli-cores", what,
                      (long long)found->vcpu_milli);
        else
            cr_expect_str_eq(found->type, bed->type_other, "%s: %s", what, found->type);
        cr_expect_eq(found->state, CLOUD_RUNNING, "%s: it is %s", what, cloud_state_name(found->state));
        break;
    case CLOUD_START:
        cr_expect_eq(found->state, CLOUD_RUNNING, "%s: it is %s", what, cloud_state_name(found->state));
        break;
    case CLOUD_STOP:
        cr_expect_eq(found->state, CLOUD_STOPPED, "%s: it is %s", what, cloud_state_name(found->state));
        break;
    case CLOUD_TAG:
        expect_tags(found, action, what);
        cr_expect_str_eq(cloud_resource_tag(found, "stay"), "1", "%s: another tag has gone", what);
        break;
    case CLOUD_CREATE:
    case CLOUD_TAKE_SNAPSHOT:
    case CLOUD_DELETE:
    case CLOUD_VERB_COUNT:
        cr_assert_fail("%s", what);
    }
}

static void check_list(const struct contract_factory *factory, struct contract_bed *bed,
                       const struct cloud_action *action, const char *made, const char *what) {
    bool makes = action->verb == CLOUD_CREATE || action->verb == CLOUD_TAKE_SNAPSHOT;
    enum cloud_kind kind = action->verb == CLOUD_TAKE_SNAPSHOT ? CLOUD_SNAPSHOT : action->kind;
    struct probe probe;
    const struct cloud_resource *found = probe_find(factory, bed, &probe, kind, makes ? made : action->id);
    if (action->verb == CLOUD_DELETE) {
        cr_expect(found == NULL || found->state == CLOUD_DELETING, "%s: it is still there", what);
    } else {
        cr_assert(found != NULL, "%s: it is not in the list", what);
        if (makes)
            expect_tags(found, action, what);
        else
            expect_target(bed, action, found, what);
        if (action->verb == CLOUD_TAKE_SNAPSHOT && found->parent != NULL)
            cr_expect_str_eq(found->parent, action->id, "%s", what);
    }
    probe_release(&probe);
}

/* Does it to the end, looks, and does it again: nothing may change by that. */
static void do_verb(const struct contract_factory *factory, struct contract_bed *bed, enum cloud_kind kind,
                    enum cloud_verb verb) {
    const struct cloud_tag tags[] = {{CLOUD_TAG_OWNER, OWNER}, {"team", bed->tag_value}};
    struct cloud_action action = action_of(bed, kind, verb, tags, 2);
    char what[64];
    snprintf(what, sizeof(what), "%s of %s", cloud_verb_name(verb), cloud_kind_name(kind));
    cr_assert(action.id != NULL, "%s: the bed has none", what);
    cr_assert(bed->adapter->ops->kinds & 1u << kind, "%s: it changes what it does not list", what);
    char made[128] = "";
    for (int i = 0; i < 2; i++) {
        struct probe probe;
        probe_apply(factory, bed, &probe, &action);
        if (verb == CLOUD_DELETE && i == 1 && probe.call.reply.error.class == ERR_CONFLICT)
            cr_expect_eq(probe.call.reply.error.effect, EFFECT_NONE, "%s of what has gone", what);
        else
            finish(factory, bed, &probe, what);
        if (probe.call.reply.id != NULL) {
            cr_expect(made[0] == '\0' || str_eq(made, probe.call.reply.id), "%s: two for one token", what);
            str_copy(made, sizeof(made), probe.call.reply.id);
        }
        check_list(factory, bed, &action, made, what);
        probe_release(&probe);
    }
    if (verb == CLOUD_TAKE_SNAPSHOT && bed->targets[CLOUD_SNAPSHOT] == NULL) {
        static char snapshot[sizeof(made)];
        str_copy(snapshot, sizeof(snapshot), made);
        bed->targets[CLOUD_SNAPSHOT] = snapshot;
        /* What "stay" stands for on the others. */
        struct cloud_action mark = action_of(bed, CLOUD_SNAPSHOT, CLOUD_TAG, &(struct cloud_tag){"stay", "1"}, 1);
        struct probe probe;
        probe_apply(factory, bed, &probe, &mark);
        finish(factory, bed, &probe, "Tag of Snapshot");
        probe_release(&probe);
    }
}

void contract_each_verb_shows_in_the_next_list(const struct contract_factory *factory) {
    static const enum cloud_verb order[] = {CLOUD_SCALE, CLOUD_STOP,          CLOUD_START,  CLOUD_RESIZE,
                                            CLOUD_TAG,   CLOUD_TAKE_SNAPSHOT, CLOUD_CREATE, CLOUD_DELETE};
    struct contract_bed *bed = factory->open(false);
    int done = 0;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        for (int kind = 0; kind < CLOUD_KIND_COUNT; kind++) {
            if (!has(factory, bed, (enum cloud_kind)kind, order[i]))
                continue;
            if (order[i] == CLOUD_TAG && kind == CLOUD_SNAPSHOT && bed->targets[kind] == NULL)
                continue; /* The snapshot is made later, and tagged then. */
            do_verb(factory, bed, (enum cloud_kind)kind, order[i]);
            done++;
        }
    }
    cr_expect(done > 0, "no verb was tried");
    factory->shut(bed);
}

void contract_verbs_that_are_not_declared_are_refused(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    const struct cloud_tag tag = {CLOUD_TAG_OWNER, OWNER};
    for (int kind = 0; kind < CLOUD_KIND_COUNT; kind++) {
        for (int verb = 0; verb < CLOUD_VERB_COUNT; verb++) {
            if (bed->adapter->ops->verbs[kind] & 1u << verb)
                continue;
            struct cloud_action action = action_of(bed, (enum cloud_kind)kind, (enum cloud_verb)verb, &tag, 1);
            if (action.id == NULL)
                action.id = "some-id";
            struct probe probe;
            probe_apply(factory, bed, &probe, &action);
            cr_expect_eq(probe.call.reply.error.class, ERR_PERMANENT, "%s of %s: %s",
                         cloud_verb_name((enum cloud_verb)verb), cloud_kind_name((enum cloud_kind)kind),
                         probe.call.reply.error.message);
            cr_expect_eq(probe.call.reply.error.effect, EFFECT_NONE);
            probe_release(&probe);
        }
    }
    factory->shut(bed);
}

static size_t count_of(const struct contract_factory *factory, struct contract_bed *bed, enum cloud_kind kind) {
    struct probe probe;
    (void)probe_find(factory, bed, &probe, kind, "");
    size_t count = probe.call.reply.count;
    probe_release(&probe);
    return count;
}

static void make_twice(const struct contract_factory *factory, struct contract_bed *bed, enum cloud_kind kind,
                       enum cloud_verb verb) {
    const struct cloud_tag tag = {CLOUD_TAG_OWNER, OWNER};
    enum cloud_kind made_kind = verb == CLOUD_TAKE_SNAPSHOT ? CLOUD_SNAPSHOT : kind;
    size_t count = count_of(factory, bed, made_kind);
    struct cloud_action action = action_of(bed, kind, verb, &tag, 1);
    struct probe probes[2];
    for (int i = 0; i < 2; i++)
        probe_apply(factory, bed, &probes[i], &action);
    for (int i = 0; i < 2; i++)
        finish(factory, bed, &probes[i], cloud_verb_name(verb));
    cr_assert(probes[0].call.reply.id != NULL && probes[1].call.reply.id != NULL, "the reply says not what was made");
    cr_expect_str_eq(probes[0].call.reply.id, probes[1].call.reply.id, "two for one token");
    cr_expect_eq(count_of(factory, bed, made_kind), count + 1, "two for one token");
    probe_release(&probes[0]);
    action.token = token_of(kind, CLOUD_TAG); /* Any other. */
    probe_apply(factory, bed, &probes[0], &action);
    finish(factory, bed, &probes[0], cloud_verb_name(verb));
    cr_expect_str_neq(probes[0].call.reply.id, probes[1].call.reply.id, "one for two tokens");
    cr_expect_eq(count_of(factory, bed, made_kind), count + 2);
    probe_release(&probes[0]);
    probe_release(&probes[1]);
}

void contract_what_is_made_is_made_once_for_a_token(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    if (has(factory, bed, CLOUD_INSTANCE, CLOUD_CREATE))
        make_twice(factory, bed, CLOUD_INSTANCE, CLOUD_CREATE);
    if (has(factory, bed, CLOUD_VOLUME, CLOUD_TAKE_SNAPSHOT))
        make_twice(factory, bed, CLOUD_VOLUME, CLOUD_TAKE_SNAPSHOT);
    factory->shut(bed);
}

void contract_tags_come_back_as_they_were_set(const struct contract_factory *factory) {
    struct contract_bed *bed = factory->open(false);
    const struct cloud_tag tags[] = {
        {bed->tag_key != NULL ? bed->tag_key : "Kosten/Träger 1", bed->tag_value}, {"empty", ""}, {"team", "old"}};
    const struct cloud_tag newer[] = {{"team", bed->tag_value}};
    for (int kind = 0; kind < CLOUD_KIND_COUNT; kind++) {
        if (!has(factory, bed, (enum cloud_kind)kind, CLOUD_TAG) || bed->targets[kind] == NULL)
            continue;
        const struct cloud_action actions[] = {action_of(bed, (enum cloud_kind)kind, CLOUD_TAG, tags, 3),
                                               action_of(bed, (enum cloud_kind)kind, CLOUD_TAG, newer, 1)};
        for (int i = 0; i < 2; i++) {
            struct probe probe;
            struct cloud_action action = actions[i];
            if (i == 1)
                action.token = token_of((enum cloud_kind)kind, CLOUD_SCALE); /* Any other. */
            probe_apply(factory, bed, &probe, &action);
            finish(factory, bed, &probe, "Tag");
            probe_release(&probe);
        }
        struct probe probe;
        const struct cloud_resource *found =
            probe_find(factory, bed, &probe, (enum cloud_kind)kind, bed->targets[kind]);
        cr_assert(found != NULL);
        struct cloud_action kept = actions[0];
        kept.tag_count = 2;
        expect_tags(found, &kept, cloud_kind_name((enum cloud_kind)kind));
        expect_tags(found, &actions[1], cloud_kind_name((enum cloud_kind)kind));
        cr_expect_str_eq(cloud_resource_tag(found, "stay"), "1");
        probe_release(&probe);
    }
    factory->shut(bed);
}

void contract_a_malformed_handle_is_permanent(const struct contract_factory *factory) {
    static char endless[ADAPTER_OPERATION_MAX + 100];
    memset(endless, 'x', sizeof(endless) - 1);
    const char *const handles[] = {"no such operation", "", ":::", "结账", endless};
    struct contract_bed *bed = factory->open(false);
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        struct probe probe;
        probe_poll(factory, bed, &probe, bed->adapter, handles[i]);
        cr_expect_eq(probe.call.reply.error.class, ERR_PERMANENT, "%.20s: %s", handles[i],
                     probe.call.reply.error.message);
        cr_expect_eq(probe.call.reply.error.effect, EFFECT_NONE);
        probe_release(&probe);
    }
    factory->shut(bed);
}

/* Begins in one adapter, ends in another: of each long operation. */
void contract_another_adapter_goes_on_with_a_handle(const struct contract_factory *factory) {
    static const enum cloud_verb verbs[] = {CLOUD_STOP, CLOUD_START, CLOUD_RESIZE};
    struct contract_bed *bed = factory->open(false);
    enum cloud_kind kind = bed->group_is_workload ? CLOUD_WORKLOAD : CLOUD_INSTANCE;
    int handed_over = 0;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (!has(factory, bed, kind, verbs[i]))
            continue;
        struct adapter *first = bed->adapter;
        struct cloud_action action = action_of(bed, kind, verbs[i], NULL, 0);
        struct probe probe;
        probe_apply(factory, bed, &probe, &action);
        handed_over += probe.call.reply.error.class == ERR_NONE && probe.call.reply.as.operation[0] != '\0';
        bed->adapter = factory->another(bed);
        finish(factory, bed, &probe, cloud_verb_name(verbs[i]));
        bed->adapter = first;
        check_list(factory, bed, &action, "", cloud_verb_name(verbs[i]));
        probe_release(&probe);
    }
    cr_expect(handed_over > 0, "no verb was a long operation");
    factory->shut(bed);
}
