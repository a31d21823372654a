/*
 * One record for each call that ends.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/wrap/wrap_internal.h"
#include "base/mem.h"

struct wrap_trace {
    struct wrap wrap;
    char *provider;
    wrap_trace_fn *each;
    void *ctx;
};

static void after(struct wrap_call *call) {
    const struct wrap_trace *self = CONTAINER_OF(call->wrap, struct wrap_trace, wrap);
    const struct adapter_reply *reply = &call->outer->reply;
    struct wrap_record record = {
        .provider = self->provider,
        .type = self->wrap.ops.type,
        .verb = call->verb,
        .region = "",
        .kind = "",
        .action = "",
        .id = "",
        .error = &reply->error,
        .count = reply->count,
        .truncated = reply->truncated,
        .duration_ns = runtime_mono_ns(self->wrap.runtime) - call->began_ns,
        .request_count = reply->request_count,
    };
    if (call->query) {
        record.region = call->query->region;
        if (call->verb == WRAP_USAGE)
            record.kind = cloud_kind_name(call->query->kind);
    }
    if (call->action) {
        record.region = call->action->region;
        record.kind = cloud_kind_name(call->action->kind);
        record.action = cloud_verb_name(call->action->verb);
        record.id = call->action->id;
    }
    self->each(self->ctx, &record);
}

static void release(struct wrap *wrap) {
    struct wrap_trace *self = CONTAINER_OF(wrap, struct wrap_trace, wrap);
    mem_free(self->provider);
    mem_free(self);
}

struct adapter *wrap_trace(struct adapter *inner, struct runtime *runtime, const char *provider, wrap_trace_fn *each,
                           void *ctx) {
    static const struct wrap_hooks hooks = {.after = after, .free = release};
    struct wrap_trace *self = mem_alloc(sizeof(*self));
    self->provider = mem_strdup(provider);
    self->each = each;
    self->ctx = ctx;
    return wrap_init(&self->wrap, &hooks, inner, runtime);
}
