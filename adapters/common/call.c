/*
 * The state machine drawn in call.h. One function per event, in the order of time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/common/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* A clock this far off explains a refused signature; the clouds allow 5 to 15 minutes. */
#define SKEW_MIN_MS (INT64_C(2) * 60 * 1000)

static void close_if_idle(struct call_host *host);

void call_host_init(struct call_host *host, const struct adapter_ops *ops, const struct call_cloud *cloud,
                    const struct adapter_env *env) {
    *host = (struct call_host){.adapter = {ops}, .cloud = cloud, .runtime = env->runtime, .http = env->http};
}

int64_t call_host_now_ms(const struct call_host *host) {
    return runtime_wall_ms(host->runtime) + host->clock_offset_ms;
}

struct call *call_new(struct call_host *host, struct adapter_call *outer, const struct call_verb *verb,
                      size_t state_size) {
    ASSERT(!host->is_closing && outer->state == NULL);
    struct call *call = mem_alloc(sizeof(*call));
    call->host = host;
    call->outer = outer;
    call->verb = verb;
    call->mutates = verb->mutates;
    call->state = arena_alloc(&call->arena, state_size);
    call->label = verb->name;
    call->page_token = call->api = call->region = "";
    call->next = host->first;
    call->link = &host->first;
    if (call->next != NULL)
        call->next->link = &call->next;
    host->first = call;
    host->count++;
    outer->reply = (struct adapter_reply){0};
    outer->state = call;
    return call;
}

static void call_free(struct call *call) {
    if (call->verb->release != NULL)
        call->verb->release(call);
    *call->link = call->next;
    if (call->next != NULL)
        call->next->link = call->link;
    call->host->count--;
    exchange_release(&call->exchange);
    map_release(&call->pages_seen);
    arena_release(&call->arena);
    mem_free(call);
}

static void on_end(struct timer *timer) {
    struct call *call = timer->ctx;
    struct call_host *host = call->host;
    struct adapter_call *outer = call->outer;
    call_free(call);
    outer->state = NULL;
    outer->done(outer);
    close_if_idle(host);
}

#define WITHHELD "(text withheld)"

static bool repeats_secret(const struct call *call, const char *text) {
    if (call->host->cloud->repeats_secret != NULL)
        return call->host->cloud->repeats_secret(call, text);
    const struct credentials_value *value = &call->host->credentials.value;
    return (value->secret != NULL && strstr(text, value->secret) != NULL) ||
           (value->token != NULL && strstr(text, value->token) != NULL);
}

/* Much of it is the other side's, and cut somewhere. */
static void make_presentable(const struct call *call, struct error *error) {
    str_make_line(error->code);
    str_make_line(error->message);
    if (repeats_secret(call, error->code))
        error->code[0] = '\0';
    if (repeats_secret(call, error->message))
        str_copy(error->message, sizeof(error->message), WITHHELD);
}

void call_end(struct call *call, const struct error *error) {
    ASSERT(call->phase != CALL_ENDING && !call->waiter.is_waiting);
    call->phase = CALL_ENDING;
    struct adapter_reply *reply = &call->outer->reply;
    if (error != NULL) {
        *reply = (struct adapter_reply){.error = *error, .request_count = reply->request_count};
        make_presentable(call, &reply->error);
        if (!call->mutates)
            reply->error.effect = EFFECT_NONE;
        if (call->has_mutated && reply->error.effect == EFFECT_NONE)
            reply->error.effect = EFFECT_UNKNOWN;
    }
    timer_start(call->host->runtime, &call->timer, 0, on_end, call);
}

void call_refuse(struct call *call, const char *format, ...) {
    struct error error = {.class = ERR_PERMANENT};
    va_list args;
    va_start(args, format);
    vsnprintf(error.message, sizeof(error.message), format, args);
    va_end(args);
    call_end(call, &error);
}

/* The credential: the host's own, or one that the cloud keeps elsewhere. */

static enum err_class credential_acquire(struct call *call, const struct credentials_value **ret, struct error *err) {
    struct call_host *host = call->host;
    const struct call_credentials *other = host->cloud->credentials;
    return other != NULL ? other->acquire(host, &call->waiter, ret, err)
                         : credentials_acquire(&host->credentials, &call->waiter, ret, err);
}

static void credential_forget(struct call *call) {
    struct call_host *host = call->host;
    if (host->cloud->credentials != NULL)
        host->cloud->credentials->forget(host, &call->waiter);
    else
        credentials_forget(&host->credentials, &call->waiter);
}

static bool credential_expire(struct call *call) {
    struct call_host *host = call->host;
    const struct call_credentials *other = host->cloud->credentials;
    return other != NULL ? other->expire(host, call->generation)
                         : credentials_expire(&host->credentials, call->generation);
}

static bool credential_close(struct call_host *host, void (*idle)(void *ctx)) {
    const struct call_credentials *other = host->cloud->credentials;
    return other != NULL ? other->close(host, idle, host) : credentials_close(&host->credentials, idle, host);
}

static void on_reply(struct http_request *request);

static uint32_t remaining_ms(const struct call *call) {
    uint64_t whole_ms = call->outer->timeout_ms != 0 ? call->outer->timeout_ms : CALL_TIMEOUT_MS;
    uint64_t spent_ms = call->spent_ns / NS_PER_MS;
    return spent_ms < whole_ms ? (uint32_t)(whole_ms - spent_ms) : 0;
}

/* To the gate, of a request that it let through. error class NONE: answered. */
static void report(struct call *call, const struct error *error) {
    if (!call->is_let_through)
        return;
    call->is_let_through = false;
    call->host->gate->ops->report(call->host->gate, &call->gate_request, error);
}

static void proceed(struct call *call);

/* The end, unless the verb knows what to do without what has failed. */
static void fail(struct call *call, const struct error *error) {
    struct error left = *error;
    if (call->verb->failed == NULL || error->class == ERR_CANCELLED || call->is_cancelled) {
        call_end(call, error);
        return;
    }
    enum exchange_next next = call->verb->failed(call, &left);
    if (left.class != ERR_NONE)
        call_end(call, &left);
    else if (next == EXCHANGE_MORE)
        proceed(call);
    else
        call_end(call, NULL);
}

/* What was let through but never sent says nothing of the API. */
static void end_unsent(struct call *call, const struct error *error) {
    struct error unsent = {.class = ERR_CANCELLED};
    report(call, &unsent);
    fail(call, error);
}

static void end_out_of_time(struct call *call) {
    struct error error = {0};
    error_set(&error, ERR_RETRYABLE, "%s: out of time", call->label);
    end_unsent(call, &error);
}

static void send_signed(struct call *call, const struct credentials_value *value) {
    uint32_t timeout_ms = remaining_ms(call);
    if (timeout_ms == 0) {
        end_out_of_time(call);
        return;
    }
    struct exchange *exchange = &call->exchange;
    call->generation = value->generation;
    call->host->cloud->sign(call, value);
    exchange->request.timeout_ms = timeout_ms;
    exchange->request.reply_size_max = CALL_REPLY_SIZE_MAX;
    exchange->request.accept_gzip = true;
    call->outer->reply.request_count++;
    call->phase = CALL_SENDING;
    exchange_send(exchange, call->host->http, on_reply, call);
}

static void acquire(struct call *call) {
    const struct credentials_value *value = NULL;
    struct error error = {0};
    call->phase = CALL_WAITING;
    if (credential_acquire(call, &value, &error) != ERR_NONE)
        end_unsent(call, &error);
    else if (value != NULL)
        send_signed(call, value);
}

static void on_credentials(struct credentials_waiter *waiter, const struct error *error, uint64_t spent_ns) {
    struct call *call = CONTAINER_OF(waiter, struct call, waiter);
    ASSERT(call->phase == CALL_WAITING);
    call->spent_ns += spent_ns;
    if (error != NULL)
        end_unsent(call, error);
    else
        acquire(call);
}

static void on_gate(struct gate_request *request, const struct error *error, uint64_t waited_ns) {
    struct call *call = CONTAINER_OF(request, struct call, gate_request);
    ASSERT(call->phase == CALL_ASKING);
    timer_stop(call->host->runtime, &call->timer);
    if (call->verb->mutates)
        call->spent_ns += waited_ns;
    if (error != NULL) {
        struct error refused = *error;
        refused.effect = EFFECT_NONE;
        error_wrap(&refused, "%s", call->label);
        fail(call, &refused);
        return;
    }
    call->is_let_through = true;
    acquire(call);
}

static void on_gate_deadline(struct timer *timer) {
    struct call *call = timer->ctx;
    struct error error = {0};
    call->host->gate->ops->cancel(call->host->gate, &call->gate_request);
    error_set(&error, ERR_RETRYABLE, "%s: out of time while waiting for the budget of requests to %s", call->label,
              call->api);
    call_end(call, &error);
}

/* Builds the next request and takes it to the gate. */
static void proceed(struct call *call) {
    struct adapter_gate *gate = call->host->gate;
    uint32_t timeout_ms = remaining_ms(call);
    if (timeout_ms == 0) {
        end_out_of_time(call);
        return;
    }
    exchange_reset(&call->exchange);
    call->verb->build(call);
    call->phase = CALL_ASKING;
    if (gate == NULL) {
        acquire(call);
        return;
    }
    call->gate_request = (struct gate_request){
        .api = call->api, .region = call->region, .priority = call->verb->priority, .ready = on_gate};
    if (gate->ops->ask(gate, &call->gate_request)) {
        call->is_let_through = true;
        acquire(call);
    } else if (call->verb->mutates) {
        timer_start(call->host->runtime, &call->timer, timeout_ms * NS_PER_MS, on_gate_deadline, call);
    }
}

void call_start(struct call *call) {
    ASSERT(call->phase == CALL_NEW);
    call->waiter.ready = on_credentials;
    proceed(call);
}

/* No whole reply. Once the head of one has come, the request had arrived, whatever went wrong later. */
static void end_by_transport(struct call *call) {
    const struct http_request *request = &call->exchange.request;
    struct error error = request->error;
    if (request->status != 0 || error.class == ERR_CANCELLED)
        error.effect = EFFECT_UNKNOWN;
    error.http_status = request->status;
    report(call, &error);
    error_wrap(&error, "%s", call->label);
    fail(call, &error);
}

/* The reply said success. If it cannot be read, a mutation may have happened all the same. */
static void take_reply(struct call *call) {
    struct error error = {0};
    enum exchange_next next = call->verb->read(call, &error);
    report(call, &error);
    if (error.class != ERR_NONE) {
        error.http_status = call->exchange.request.status;
        if (call->mutates)
            error.effect = EFFECT_UNKNOWN;
        error_wrap(&error, "%s", call->label);
        fail(call, &error);
    } else if (next == EXCHANGE_DONE) {
        call_end(call, NULL);
    } else if (call->is_cancelled) {
        error_set(&error, ERR_CANCELLED, "%s: cancelled", call->label);
        call_end(call, &error);
    } else {
        proceed(call);
    }
}

/* True: our clock was wrong by the Date of this reply, and a signature by the right time is worth one try. */
static bool adjust_clock(struct call *call) {
    int64_t server_ms;
    if (call->has_adjusted_clock || !exchange_date_parse(call->exchange.request.date, &server_ms))
        return false;
    if (llabs(server_ms - call_host_now_ms(call->host)) < SKEW_MIN_MS)
        return false;
    call->has_adjusted_clock = true;
    call->host->clock_offset_ms = server_ms - runtime_wall_ms(call->host->runtime);
    return true;
}

/* A refusal of the credential has had no effect, so that one more try with a new one is no repetition. */
static bool is_worth_another(struct call *call, enum error_hint hint) {
    if (call->is_cancelled || hint == ERROR_HINT_NONE)
        return false;
    if (adjust_clock(call))
        return true;
    if (hint != ERROR_HINT_EXPIRED || call->has_refreshed)
        return false;
    call->has_refreshed = true;
    return credential_expire(call);
}

static void take_refusal(struct call *call) {
    const struct http_request *request = &call->exchange.request;
    struct error error = {0};
    enum error_hint hint = call->host->cloud->refusal(call, &error);
    ASSERT(error.class != ERR_NONE);
    error.http_status = request->status;
    if (error.retry_after_ms == 0)
        error.retry_after_ms = request->retry_after_ms;
    report(call, &error);
    if (is_worth_another(call, hint)) {
        proceed(call);
        return;
    }
    error_wrap(&error, "%s", call->label);
    fail(call, &error);
}

static void on_reply(struct http_request *request) {
    struct call *call = request->ctx;
    ASSERT(call->phase == CALL_SENDING);
    call->spent_ns += request->duration_ns;
    bool is_cut = call->has_enough && !call->is_cancelled && request->error.class == ERR_CANCELLED;
    call->has_enough = false;
    if (request->error.class != ERR_NONE && !is_cut)
        end_by_transport(call);
    else if (is_cut || (request->status >= 200 && request->status < 300))
        take_reply(call);
    else
        take_refusal(call);
}

static void cancel(struct call *call) {
    struct error error = {0};
    switch (call->phase) {
    case CALL_SENDING:
        call->is_cancelled = true;
        http_cancel(&call->exchange.request);
        return;
    case CALL_ASKING:
        timer_stop(call->host->runtime, &call->timer);
        call->host->gate->ops->cancel(call->host->gate, &call->gate_request);
        break;
    case CALL_WAITING:
        credential_forget(call);
        break;
    case CALL_NEW:
    case CALL_ENDING:
        return;
    }
    error_set(&error, ERR_CANCELLED, "%s: cancelled", call->label);
    end_unsent(call, &error);
}

void call_host_cancel(struct adapter *self, struct adapter_call *outer) {
    struct call *call = outer->state;
    if (call == NULL)
        return;
    ASSERT(&call->host->adapter == self);
    cancel(call);
}

enum exchange_next call_page(struct call *call, const char *token, struct error *err) {
    if (token == NULL || token[0] == '\0')
        return EXCHANGE_DONE;
    if (map_put(&call->pages_seen, token, call) != NULL) {
        error_set(err, ERR_PERMANENT, "the link to the next page repeats after %zu pages", call->page_count + 1);
        return EXCHANGE_DONE;
    }
    if (++call->page_count >= CALL_PAGES_MAX) {
        error_set(err, ERR_PERMANENT, "the list does not end after %d pages", CALL_PAGES_MAX);
        return EXCHANGE_DONE;
    }
    call->page_token = arena_strdup(&call->arena, token);
    return EXCHANGE_MORE;
}

void call_pages_restart(struct call *call) {
    map_release(&call->pages_seen);
    call->pages_seen = (struct map){0};
    call->page_token = "";
    call->page_count = 0;
}

void call_quote(const struct call *call, const char *text, struct error *err) {
    char line[sizeof(err->message)];
    str_copy(line, sizeof(line), text);
    line[strcspn(line, "\r\n")] = '\0';
    str_make_line(line);
    /* The whole text decides: a secret that the cut has shortened would not be found in the line. */
    str_copy(err->message, sizeof(err->message), repeats_secret(call, text) ? WITHHELD : line);
}

void call_quote_code(const struct call *call, const char *code, struct error *err) {
    str_copy(err->code, sizeof(err->code), repeats_secret(call, code) ? "" : code);
}

static void on_close(struct timer *timer) {
    struct call_host *host = timer->ctx;
    void (*closed)(void *ctx) = host->closed;
    void *ctx = host->closed_ctx;
    credentials_release(&host->credentials);
    host->cloud->free(host);
    closed(ctx);
}

static void close_if_idle(struct call_host *host) {
    if (host->is_closing && host->count == 0 && !host->is_credentials_busy && !timer_is_active(&host->close_timer))
        timer_start(host->runtime, &host->close_timer, 0, on_close, host);
}

static void on_credentials_idle(void *ctx) {
    struct call_host *host = ctx;
    host->is_credentials_busy = false;
    close_if_idle(host);
}

void call_host_close(struct adapter *self, void (*closed)(void *ctx), void *ctx) {
    struct call_host *host = CONTAINER_OF(self, struct call_host, adapter);
    ASSERT(!host->is_closing);
    host->is_closing = true;
    host->closed = closed;
    host->closed_ctx = ctx;
    for (struct call *call = host->first; call != NULL; call = call->next)
        cancel(call); /* Ends by timer: the list does not change under us. */
    host->is_credentials_busy = !credential_close(host, on_credentials_idle);
    close_if_idle(host);
}
