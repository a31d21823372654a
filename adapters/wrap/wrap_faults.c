/*
 * Faults by rules, for tests and rehearsals.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/wrap/wrap_internal.h"
#include "base/mem.h"
#include "base/str.h"

struct wrap_faults {
    struct wrap wrap;
    struct wrap_fault *faults;
    size_t count;
    bool *is_spent;
};

static bool matches(const struct wrap_fault *fault, const struct wrap_call *call) {
    const struct cloud_action *action = call->action;
    if (fault->verbs != 0 && (fault->verbs & 1u << call->verb) == 0)
        return false;
    if (fault->kinds != 0) {
        bool has_kind = action || call->verb == WRAP_USAGE;
        if (!has_kind || (fault->kinds & 1u << (action ? action->kind : call->query->kind)) == 0)
            return false;
    }
    return !fault->id || (action && action->id && str_glob(fault->id, action->id));
}

static const struct wrap_fault *fault_for(struct wrap_faults *self, const struct wrap_call *call) {
    for (size_t i = 0; i < self->count; i++) {
        struct wrap_fault *fault = &self->faults[i];
        if (self->is_spent[i] || !matches(fault, call))
            continue;
        self->is_spent[i] = fault->times > 0 && --fault->times == 0;
        return fault;
    }
    return NULL;
}

static void go_on(struct wrap_call *call) {
    const struct wrap_fault *fault = call->mark;
    if (fault && fault->error.class != ERR_NONE && fault->error.effect == EFFECT_NONE)
        wrap_end(call, &fault->error);
    else
        wrap_forward(call);
}

static void on_late(struct timer *timer) {
    go_on(timer->ctx);
}

static void before(struct wrap_call *call) {
    const struct wrap_fault *fault = fault_for(CONTAINER_OF(call->wrap, struct wrap_faults, wrap), call);
    call->mark = fault;
    if (fault && fault->latency_ms > 0)
        timer_start(call->wrap->runtime, &call->timer, fault->latency_ms * NS_PER_MS, on_late, call);
    else
        go_on(call);
}

static void after(struct wrap_call *call) {
    const struct wrap_fault *fault = call->mark;
    struct adapter_reply *reply = &call->outer->reply;
    if (!fault || call->phase != WRAP_INSIDE)
        return;
    if (fault->error.class != ERR_NONE) {
        *reply = (struct adapter_reply){.error = fault->error, .request_count = reply->request_count};
    } else if (call->verb == WRAP_LIST && fault->truncate_at > 0 && reply->count > fault->truncate_at) {
        reply->count = fault->truncate_at;
        reply->truncated = true;
    }
}

static void release(struct wrap *wrap) {
    struct wrap_faults *self = CONTAINER_OF(wrap, struct wrap_faults, wrap);
    mem_free(self->is_spent);
    mem_free(self);
}

struct adapter *wrap_faults(struct adapter *inner, struct runtime *runtime, struct wrap_fault *faults, size_t count) {
    static const struct wrap_hooks hooks = {.before = before, .after = after, .free = release};
    struct wrap_faults *self = mem_alloc(sizeof(*self));
    self->faults = faults;
    self->count = count;
    self->is_spent = mem_alloc_array(count, sizeof(*self->is_spent));
    return wrap_init(&self->wrap, &hooks, inner, runtime);
}
