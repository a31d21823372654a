/*
 * The vtable of the simulated cloud. A call is one request on the runtime's clock:
 *
 *     submit --(latency / 2)--> ARRIVED: the effect happens, the reply is made --(latency / 2)--> done
 *        \________ cancel, close, timeout: done with what a client could know by then __________/
 *
 * A client that gives up on a mutation does not know what became of it: EFFECT_UNKNOWN, whether it had arrived or not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/simulated/simulated_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define TIMEOUT_MS_DEFAULT 60000
#define RETRY_AFTER_MS 1000
#define POLL_AFTER_MS 5000

enum sim_verb { VERB_ACCOUNT, VERB_LIST, VERB_PRICES, VERB_USAGE, VERB_CHARGES, VERB_LIMITS, VERB_APPLY, VERB_POLL };

static const char *const verb_words[] = {"account", "list", "prices", "usage", "charges", "limits", "apply", "poll"};

struct sim_op { /* A call in flight. */
    struct sim *sim;
    struct adapter_call *call;
    enum sim_verb verb;
    const struct cloud_query *query;
    const struct cloud_action *action;
    const char *operation;
    struct timer timer;
    uint64_t latency_ns, timeout_ns;
    bool is_cancelled;
    struct sim_op *previous, *next;
};

static struct sim *sim_of(struct adapter *self) {
    return CONTAINER_OF(self, struct sim, base);
}

static enum err_class do_apply(struct sim_op *op, struct adapter_reply *reply) {
    struct sim *sim = op->sim;
    const struct cloud_action *action = op->action;
    if (!action->region || !action->id) {
        return error_set(&reply->error, ERR_PERMANENT, "%s: apply: no region or no id", sim->name);
    }
    const char *operation = NULL, *made = NULL;
    enum err_class class = sim_act(sim, action, op->call->arena, &operation, &made, &reply->error);
    int64_t now_ms = runtime_wall_ms(sim->runtime);
    if (class == ERR_NONE &&
        sim_hits(sim, SIM_LOST, sim->faults.lost_reply_per_mille, now_ms, action->region, action->id)) {
        class = error_set(&reply->error, ERR_RETRYABLE, "%s %s: the connection broke before the reply",
                          cloud_verb_name(action->verb), action->id);
        reply->error.effect = EFFECT_UNKNOWN;
    }
    if (class == ERR_NONE) {
        reply->as.operation = operation;
        reply->id = made;
        reply->poll_after_ms = *operation ? POLL_AFTER_MS : 0;
    }
    return class;
}

/* What the request is about, for the rolls: two requests about different things have different luck. */
static const char *subject(const struct sim_op *op, const char **ret_region) {
    *ret_region = op->query ? op->query->region : op->action ? op->action->region : NULL;
    *ret_region = *ret_region ? *ret_region : "";
    return op->action && op->action->id ? op->action->id : verb_words[op->verb];
}

/* True if the service refuses before it looks at the request. */
static bool is_refused(struct sim_op *op, struct error *err) {
    struct sim *sim = op->sim;
    const char *region, *id = subject(op, &region);
    int64_t now_ms = runtime_wall_ms(sim->runtime);
    if (sim_hits(sim, SIM_THROTTLE, sim->faults.throttle_per_mille, now_ms, region, id)) {
        error_set(err, ERR_THROTTLED, "%s: %s: too many requests", sim->name, verb_words[op->verb]);
        err->http_status = 429;
        err->retry_after_ms = RETRY_AFTER_MS;
        (void)str_copy(err->code, sizeof(err->code), "Throttling");
        return true;
    }
    if (sim_hits(sim, SIM_ERROR, sim->faults.error_per_mille, now_ms, region, id)) {
        error_set(err, ERR_RETRYABLE, "%s: %s: service unavailable", sim->name, verb_words[op->verb]);
        err->http_status = 503;
        (void)str_copy(err->code, sizeof(err->code), "ServiceUnavailable");
        return true;
    }
    return false;
}

static void perform(struct sim_op *op) {
    struct adapter_reply *reply = &op->call->reply;
    if (is_refused(op, &reply->error)) {
        return;
    }
    enum err_class class = ERR_NONE;
    switch (op->verb) {
    case VERB_ACCOUNT:
        reply->as.operation = arena_printf(op->call->arena, "simulated:%s", op->sim->name);
        break;
    case VERB_LIST:
        class = sim_reply_list(op->sim, op->query, op->call->arena, reply);
        break;
    case VERB_PRICES:
        class = sim_reply_prices(op->sim, op->query, op->call->arena, reply);
        break;
    case VERB_USAGE:
        class = sim_reply_usage(op->sim, op->query, op->call->arena, reply);
        break;
    case VERB_CHARGES:
        class = sim_reply_charges(op->sim, op->query, op->call->arena, reply);
        break;
    case VERB_LIMITS:
        sim_reply_limits(op->sim, op->query, op->call->arena, reply);
        break;
    case VERB_APPLY:
        class = do_apply(op, reply);
        break;
    case VERB_POLL:
        class = sim_poll_operation(op->sim, op->operation, op->call->arena, reply);
        break;
    }
    ASSERT(class == reply->error.class);
}

/* ---- Calls ---- */

static void sim_free(struct sim *sim) {
    for (size_t i = 0; i < sim->group_count; i++) {
        sim_group_release(&sim->groups[i]);
    }
    for (size_t i = 0; i < sim->item_count; i++)
        sim_item_release(&sim->items[i]);
    mem_free(sim->items);
    arena_release(&sim->arena);
    mem_free(sim);
}

static void on_close(struct timer *timer) {
    struct sim *sim = timer->ctx;
    if (sim->ops) {
        return; /* Somebody submitted after close; the last of those starts this timer again. */
    }
    void (*closed)(void *ctx) = sim->closed;
    void *ctx = sim->closed_ctx;
    sim_free(sim);
    closed(ctx);
}

static void close_if_idle(struct sim *sim) {
    if (sim->closing && !sim->ops && !timer_is_active(&sim->close_timer)) {
        timer_start(sim->runtime, &sim->close_timer, 0, on_close, sim);
    }
}

static void finish(struct sim_op *op) {
    struct sim *sim = op->sim;
    struct adapter_call *call = op->call;
    if (op->previous) {
        op->previous->next = op->next;
    } else {
        sim->ops = op->next;
    }
    if (op->next) {
        op->next->previous = op->previous;
    }
    mem_free(op);
    call->reply.request_count = 1;
    call->state = NULL;
    call->done(call);
    close_if_idle(sim); /* done may have called close, but its timer cannot have fired: sim is still there. */
}

/* The client stops waiting. What it had been told is forgotten with the reply. */
static void give_up(struct sim_op *op, enum err_class class, const char *why) {
    op->call->reply = (struct adapter_reply){0};
    error_set(&op->call->reply.error, class, "%s: %s: %s", op->sim->name, verb_words[op->verb], why);
    op->call->reply.error.effect = op->verb == VERB_APPLY ? EFFECT_UNKNOWN : EFFECT_NONE;
    finish(op);
}

static void on_give_up(struct timer *timer) {
    struct sim_op *op = timer->ctx;
    if (op->is_cancelled) {
        give_up(op, ERR_CANCELLED, "cancelled");
    } else {
        give_up(op, ERR_RETRYABLE, "timed out");
    }
}

static void on_reply(struct timer *timer) {
    finish(timer->ctx);
}

static void on_arrived(struct timer *timer) {
    struct sim_op *op = timer->ctx;
    uint64_t there_ns = op->latency_ns / 2;
    perform(op);
    if (op->latency_ns == 0) {
        finish(op);
    } else if (op->latency_ns > op->timeout_ns) {
        timer_start(op->sim->runtime, &op->timer, op->timeout_ns - there_ns, on_give_up, op);
    } else {
        timer_start(op->sim->runtime, &op->timer, op->latency_ns - there_ns, on_reply, op);
    }
}

static void op_cancel(struct sim_op *op) {
    if (!op->is_cancelled) {
        op->is_cancelled = true;
        timer_start(op->sim->runtime, &op->timer, 0, on_give_up, op);
    }
}

static void submit(struct sim_op about, struct adapter *self, struct adapter_call *call) {
    struct sim *sim = sim_of(self);
    ASSERT(call->done && call->arena && !call->state);
    struct sim_op *op = mem_alloc(sizeof(*op));
    *op = about;
    op->sim = sim;
    op->call = call;
    op->next = sim->ops;
    if (sim->ops) {
        sim->ops->previous = op;
    }
    sim->ops = op;
    call->state = op;
    call->reply = (struct adapter_reply){0};

    const char *region, *id = subject(op, &region);
    uint64_t roll = sim_roll(sim, SIM_LATENCY, runtime_wall_ms(sim->runtime), region, id);
    op->latency_ns = sim_jitter((uint64_t)sim->faults.latency_ms * NS_PER_MS, roll);
    op->timeout_ns = (uint64_t)(call->timeout_ms ? call->timeout_ms : TIMEOUT_MS_DEFAULT) * NS_PER_MS;
    if (sim->closing) {
        op_cancel(op);
    } else if (op->latency_ns / 2 > op->timeout_ns) {
        timer_start(sim->runtime, &op->timer, op->timeout_ns, on_give_up, op);
    } else {
        timer_start(sim->runtime, &op->timer, op->latency_ns / 2, on_arrived, op);
    }
}

static void sim_account(struct adapter *self, struct adapter_call *call) {
    submit((struct sim_op){.verb = VERB_ACCOUNT}, self, call);
}

static void sim_list(struct adapter *self, struct adapter_call *call, const struct cloud_query *query) {
    submit((struct sim_op){.verb = VERB_LIST, .query = query}, self, call);
}

static void sim_prices(struct adapter *self, struct adapter_call *call, const struct cloud_query *query) {
    submit((struct sim_op){.verb = VERB_PRICES, .query = query}, self, call);
}

static void sim_usage(struct adapter *self, struct adapter_call *call, const struct cloud_query *query) {
    submit((struct sim_op){.verb = VERB_USAGE, .query = query}, self, call);
}

static void sim_charges(struct adapter *self, struct adapter_call *call, const struct cloud_query *query) {
    submit((struct sim_op){.verb = VERB_CHARGES, .query = query}, self, call);
}

static void sim_limits(struct adapter *self, struct adapter_call *call, const struct cloud_query *query) {
    submit((struct sim_op){.verb = VERB_LIMITS, .query = query}, self, call);
}

static void sim_apply(struct adapter *self, struct adapter_call *call, const struct cloud_action *action) {
    submit((struct sim_op){.verb = VERB_APPLY, .action = action}, self, call);
}

static void sim_poll(struct adapter *self, struct adapter_call *call, const char *operation) {
    submit((struct sim_op){.verb = VERB_POLL, .operation = operation ? operation : ""}, self, call);
}

static void sim_cancel(struct adapter *self, struct adapter_call *call) {
    (void)self;
    if (call->state) {
        op_cancel(call->state);
    }
}

/* ---- Lifetime ---- */

#define BIT(n) (1u << (n))

static enum err_class sim_open(struct adapter **ret, const struct adapter_env *env, const struct adapter_config *config,
                               struct error *err) {
    struct sim *sim = mem_alloc(sizeof(*sim));
    sim->base.ops = &adapter_simulated;
    sim->runtime = env->runtime;
    sim->catalogue = env->catalogue;
    arena_init(&sim->arena);
    enum err_class class = sim_configure(sim, config, err);
    if (class != ERR_NONE) {
        sim_free(sim);
        return class;
    }
    *ret = &sim->base;
    return ERR_NONE;
}

static void sim_close(struct adapter *self, void (*closed)(void *ctx), void *ctx) {
    struct sim *sim = sim_of(self);
    ASSERT(!sim->closing && closed);
    sim->closing = true;
    sim->closed = closed;
    sim->closed_ctx = ctx;
    for (struct sim_op *op = sim->ops; op; op = op->next) {
        op_cancel(op);
    }
    close_if_idle(sim);
}

const struct adapter_ops adapter_simulated = {
    .type = "simulated",
    .kinds = BIT(CLOUD_INSTANCE_GROUP) | BIT(CLOUD_INSTANCE) | BIT(CLOUD_VOLUME) | BIT(CLOUD_SNAPSHOT),
    .verbs =
        {
            [CLOUD_INSTANCE_GROUP] = BIT(CLOUD_SCALE) | BIT(CLOUD_TAG),
            [CLOUD_INSTANCE] = BIT(CLOUD_RESIZE) | BIT(CLOUD_START) | BIT(CLOUD_STOP) | BIT(CLOUD_CREATE) |
                               BIT(CLOUD_DELETE) | BIT(CLOUD_TAG),
            [CLOUD_VOLUME] = BIT(CLOUD_DELETE) | BIT(CLOUD_TAKE_SNAPSHOT) | BIT(CLOUD_TAG),
            [CLOUD_SNAPSHOT] = BIT(CLOUD_DELETE) | BIT(CLOUD_TAG),
        },
    .tokens = BIT(CLOUD_VERB_COUNT) - 1, /* All. */
    .open = sim_open,
    .close = sim_close,
    .account = sim_account,
    .list = sim_list,
    .prices = sim_prices,
    .usage = sim_usage,
    .charges = sim_charges,
    .limits = sim_limits,
    .apply = sim_apply,
    .poll = sim_poll,
    .cancel = sim_cancel,
};
