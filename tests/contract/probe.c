/*
 * Calls of the contract's cases.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "probe.h"

#include <criterion/criterion.h>

#include "base/str.h"

#define ALL_KINDS ((1u << CLOUD_KIND_COUNT) - 1)
#define ATTEMPTS_MAX 5

static void on_done(struct adapter_call *call) {
    struct probe *probe = call->ctx;
    probe->done_count++;
    probe->done = true;
    probe->state_was_cleared = call->state == NULL;
}

enum cloud_kind probe_group_kind(const struct contract_bed *bed) {
    return bed->group_is_workload ? CLOUD_WORKLOAD : CLOUD_INSTANCE_GROUP;
}

void probe_init(struct probe *probe) {
    *probe = (struct probe){0};
    probe->call.done = on_done;
    probe->call.ctx = probe;
    probe->call.arena = &probe->arena;
}

void probe_release(struct probe *probe) {
    arena_release(&probe->arena);
}

void probe_check(const struct contract_factory *factory, struct contract_bed *bed, struct probe *probe,
                 const char *what) {
    cr_assert(probe->done_count == 0, "%s: done ran from inside the submit", what);
    cr_assert(factory->pump(bed, &probe->done), "%s: done never ran", what);
    cr_expect(probe->state_was_cleared, "%s: state is not NULL in done", what);
    factory->settle(bed);
    cr_assert(probe->done_count == 1, "%s: done ran %d times", what, probe->done_count);
}

struct cloud_query probe_list_query(const struct contract_bed *bed) {
    return (struct cloud_query){.kinds = ALL_KINDS, .region = bed->region, .count_max = 1000};
}

void probe_list(const struct contract_factory *factory, struct contract_bed *bed, struct probe *probe,
                const struct cloud_query *query) {
    probe_init(probe);
    bed->adapter->ops->list(bed->adapter, &probe->call, query);
    probe_check(factory, bed, probe, "list");
}

void probe_apply(const struct contract_factory *factory, struct contract_bed *bed, struct probe *probe,
                 const struct cloud_action *action) {
    for (int attempts = 0;; attempts++) {
        probe_init(probe);
        bed->adapter->ops->apply(bed->adapter, &probe->call, action);
        probe_check(factory, bed, probe, cloud_verb_name(action->verb));
        const struct error *error = &probe->call.reply.error;
        if (!bed->moves_by_itself || error->class != ERR_CONFLICT || error->effect != EFFECT_NONE ||
            attempts == ATTEMPTS_MAX)
            return;
        arena_release(&probe->arena);
    }
}

void probe_poll(const struct contract_factory *factory, struct contract_bed *bed, struct probe *probe,
                struct adapter *adapter, const char *operation) {
    probe_init(probe);
    adapter->ops->poll(adapter, &probe->call, operation);
    probe_check(factory, bed, probe, "poll");
}

const struct cloud_resource *probe_find(const struct contract_factory *factory, struct contract_bed *bed,
                                        struct probe *probe, enum cloud_kind kind, const char *id) {
    struct cloud_query query = probe_list_query(bed);
    query.kinds = 1u << kind;
    probe_list(factory, bed, probe, &query);
    cr_assert_eq(probe->call.reply.error.class, ERR_NONE, "%s", probe->call.reply.error.message);
    cr_assert(!probe->call.reply.truncated);
    for (size_t i = 0; i < probe->call.reply.count; i++) {
        const struct cloud_resource *resource = &probe->call.reply.as.resources[i];
        if (resource->kind == kind && str_eq(resource->id, id))
            return resource;
    }
    return NULL;
}

void probe_scale(const struct contract_factory *factory, struct contract_bed *bed, struct probe *probe, int64_t count,
                 const char *token) {
    struct cloud_action action = {
        .verb = CLOUD_SCALE,
        .kind = probe_group_kind(bed),
        .region = bed->region,
        .id = bed->group,
        .count = count,
        .token = token,
    };
    probe_apply(factory, bed, probe, &action);
}
