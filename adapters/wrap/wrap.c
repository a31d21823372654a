/*
 * Passing every verb through, once for all decorators.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/wrap/wrap_internal.h"
#include "base/mem.h"

const char *wrap_verb_name(enum wrap_verb verb) {
    static const char *const names[WRAP_VERB_COUNT] = {
        [WRAP_ACCOUNT] = "account", [WRAP_LIST] = "list",     [WRAP_PRICES] = "prices", [WRAP_USAGE] = "usage",
        [WRAP_CHARGES] = "charges", [WRAP_LIMITS] = "limits", [WRAP_APPLY] = "apply",   [WRAP_POLL] = "poll",
    };
    return names[verb];
}

static struct wrap *wrap_of(struct adapter *adapter) {
    return CONTAINER_OF(adapter, struct wrap, adapter);
}

static void close_if_idle(struct wrap *wrap) {
    if (!wrap->is_inner_closed || wrap->calls)
        return;
    void (*closed)(void *ctx) = wrap->closed;
    void *ctx = wrap->closed_ctx;
    if (wrap->hooks->free)
        wrap->hooks->free(wrap);
    else
        mem_free(wrap);
    closed(ctx);
}

static void finish(struct wrap_call *call) {
    struct wrap *wrap = call->wrap;
    struct adapter_call *outer = call->outer;
    if (wrap->hooks->after)
        wrap->hooks->after(call);
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    mem_free(call);
    outer->state = NULL;
    outer->done(outer);
    close_if_idle(wrap);
}

static void on_inner_done(struct adapter_call *inner) {
    struct wrap_call *call = CONTAINER_OF(inner, struct wrap_call, inner);
    call->outer->reply = inner->reply;
    finish(call);
}

void wrap_forward(struct wrap_call *call) {
    struct adapter *inner = call->wrap->inner;
    const struct adapter_ops *ops = inner->ops;
    call->phase = WRAP_INSIDE;
    call->inner = (struct adapter_call){
        .done = on_inner_done, .ctx = call, .arena = call->outer->arena, .timeout_ms = call->outer->timeout_ms};
    switch (call->verb) {
    case WRAP_ACCOUNT:
        ops->account(inner, &call->inner);
        break;
    case WRAP_LIST:
        ops->list(inner, &call->inner, call->query);
        break;
    case WRAP_PRICES:
        ops->prices(inner, &call->inner, call->query);
        break;
    case WRAP_USAGE:
        ops->usage(inner, &call->inner, call->query);
        break;
    case WRAP_CHARGES:
        ops->charges(inner, &call->inner, call->query);
        break;
    case WRAP_LIMITS:
        ops->limits(inner, &call->inner, call->query);
        break;
    case WRAP_APPLY:
        ops->apply(inner, &call->inner, call->action);
        break;
    case WRAP_POLL:
        ops->poll(inner, &call->inner, call->operation);
        break;
    case WRAP_VERB_COUNT:
        break;
    }
}

static void on_end(struct timer *timer) {
    finish(timer->ctx);
}

void wrap_end(struct wrap_call *call, const struct error *error) {
    call->phase = WRAP_ENDING;
    call->outer->reply = (struct adapter_reply){.error = *error};
    timer_start(call->wrap->runtime, &call->timer, 0, on_end, call);
}

static struct wrap_call *call_new(struct adapter *self, struct adapter_call *outer, enum wrap_verb verb) {
    struct wrap *wrap = wrap_of(self);
    ASSERT(!wrap->is_closing);
    struct wrap_call *call = mem_alloc(sizeof(*call));
    *call = (struct wrap_call){.outer = outer, .wrap = wrap, .verb = verb, .began_ns = runtime_mono_ns(wrap->runtime)};
    call->next = wrap->calls;
    call->link = &wrap->calls;
    if (call->next)
        call->next->link = &call->next;
    wrap->calls = call;
    outer->reply = (struct adapter_reply){0};
    outer->state = call;
    return call;
}

static void begin(struct wrap_call *call) {
    if (call->wrap->hooks->before)
        call->wrap->hooks->before(call);
    else
        wrap_forward(call);
}

static void begin_query(struct adapter *self, struct adapter_call *outer, enum wrap_verb verb,
                        const struct cloud_query *query) {
    struct wrap_call *call = call_new(self, outer, verb);
    call->query = query;
    begin(call);
}

static void pass_account(struct adapter *self, struct adapter_call *outer) {
    begin(call_new(self, outer, WRAP_ACCOUNT));
}

static void pass_list(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    begin_query(self, outer, WRAP_LIST, query);
}

static void pass_prices(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    begin_query(self, outer, WRAP_PRICES, query);
}

static void pass_usage(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    begin_query(self, outer, WRAP_USAGE, query);
}

static void pass_charges(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    begin_query(self, outer, WRAP_CHARGES, query);
}

static void pass_limits(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    begin_query(self, outer, WRAP_LIMITS, query);
}

static void pass_apply(struct adapter *self, struct adapter_call *outer, const struct cloud_action *action) {
    struct wrap_call *call = call_new(self, outer, WRAP_APPLY);
    call->action = action;
    begin(call);
}

static void pass_poll(struct adapter *self, struct adapter_call *outer, const char *operation) {
    struct wrap_call *call = call_new(self, outer, WRAP_POLL);
    call->operation = operation;
    begin(call);
}

static void cancel_held(struct wrap_call *call) {
    struct error error = {0};
    timer_stop(call->wrap->runtime, &call->timer);
    error_set(&error, ERR_CANCELLED, "%s: cancelled", wrap_verb_name(call->verb));
    wrap_end(call, &error);
}

static void pass_cancel(struct adapter *self, struct adapter_call *outer) {
    struct wrap_call *call = outer->state;
    if (!call)
        return;
    if (call->phase == WRAP_HELD)
        cancel_held(call);
    else if (call->phase == WRAP_INSIDE)
        wrap_of(self)->inner->ops->cancel(wrap_of(self)->inner, &call->inner);
}

static void on_inner_closed(void *ctx) {
    struct wrap *wrap = ctx;
    wrap->is_inner_closed = true;
    close_if_idle(wrap);
}

static void pass_close(struct adapter *self, void (*closed)(void *ctx), void *ctx) {
    struct wrap *wrap = wrap_of(self);
    wrap->is_closing = true;
    wrap->closed = closed;
    wrap->closed_ctx = ctx;
    for (struct wrap_call *call = wrap->calls; call; call = call->next) {
        if (call->phase == WRAP_HELD)
            cancel_held(call); /* Ends by timer: the list does not change under us. */
    }
    wrap->inner->ops->close(wrap->inner, on_inner_closed, wrap);
}

struct adapter *wrap_init(struct wrap *wrap, const struct wrap_hooks *hooks, struct adapter *inner,
                          struct runtime *runtime) {
    wrap->ops = (struct adapter_ops){
        .type = inner->ops->type,
        .kinds = inner->ops->kinds,
        .tokens = inner->ops->tokens,
        .open = inner->ops->open,
        .close = pass_close,
        .account = pass_account,
        .list = pass_list,
        .prices = pass_prices,
        .usage = pass_usage,
        .charges = pass_charges,
        .limits = pass_limits,
        .apply = pass_apply,
        .poll = pass_poll,
        .cancel = pass_cancel,
    };
    for (size_t i = 0; i < ARRAY_LEN(wrap->ops.verbs); i++)
        wrap->ops.verbs[i] = inner->ops->verbs[i];
    wrap->adapter.ops = &wrap->ops;
    wrap->hooks = hooks;
    wrap->inner = inner;
    wrap->runtime = runtime;
    return &wrap->adapter;
}
