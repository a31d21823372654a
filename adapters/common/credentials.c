/*
 * The cache:
 *
 *     none or due for renewal --acquire--> fetching --DONE--> valid
 *                                             |--error--> none, or the old value while it lasts
 *
 * Waiters are told from the fetch's own completion, so never from inside acquire.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/common/credentials.h"

#include <string.h>

#include "base/mem.h"

/* Early enough that a request signed now does not arrive too late, and that a source may fail for a while. */
#define RENEW_BEFORE_MS (INT64_C(5) * 60 * 1000)

void credentials_init(struct credentials *self, struct runtime *runtime, struct http *http,
                      const struct credentials_source *source, void *source_ctx) {
    *self = (struct credentials){.runtime = runtime, .http = http, .source = source, .source_ctx = source_ctx};
}

static void wipe_text(char **text) {
    if (*text != NULL)
        mem_wipe(*text, strlen(*text));
    mem_free(*text);
    *text = NULL;
}

static void value_release(struct credentials_value *value) {
    wipe_text(&value->id);
    wipe_text(&value->secret);
    wipe_text(&value->token);
    *value = (struct credentials_value){0};
}

static void value_replace(struct credentials *self, const struct credentials_value *value) {
    value_release(&self->value);
    self->value = *value;
    self->value.generation = ++self->generation;
    int64_t now_ms = runtime_wall_ms(self->runtime), lifetime_ms = value->expires_at_ms - now_ms;
    /* A value of short life must not be fetched anew for each call. */
    self->renew_at_ms = now_ms + (lifetime_ms > 2 * RENEW_BEFORE_MS ? lifetime_ms - RENEW_BEFORE_MS : lifetime_ms / 2);
}

void credentials_set(struct credentials *self, const char *id, const char *secret, const char *token) {
    struct credentials_value value = {.id = mem_strdup(id), .secret = mem_strdup(secret), .token = mem_strdup(token)};
    value_replace(self, &value);
}

static bool has_ended(const struct credentials *self, const struct credentials_value *value) {
    return value->expires_at_ms != 0 && runtime_wall_ms(self->runtime) >= value->expires_at_ms;
}

static bool is_valid(const struct credentials *self) {
    return self->value.generation != 0 && !has_ended(self, &self->value);
}

static bool is_due(const struct credentials *self) {
    return !is_valid(self) || (self->value.expires_at_ms != 0 && runtime_wall_ms(self->runtime) >= self->renew_at_ms);
}

static void finish(struct credentials *self, const struct error *error) {
    self->is_fetching = false;
    exchange_reset(&self->exchange);
    /* An old value that still holds is better than the error. */
    const struct error *told = error != NULL && is_valid(self) ? NULL : error;
    struct credentials_waiter *waiter = self->waiters;
    self->waiters = NULL;
    while (waiter != NULL) {
        struct credentials_waiter *next = waiter->next;
        waiter->is_waiting = false;
        waiter->next = NULL;
        waiter->ready(waiter, told, self->spent_ns);
        waiter = next;
    }
    if (self->idle != NULL) {
        void (*idle)(void *ctx) = self->idle;
        self->idle = NULL;
        idle(self->idle_ctx);
    }
}

static enum err_class send_next(struct credentials *self, struct error *err);

/* A value that has ended is an error: those who wait would ask for the next at once, and so on without end. */
static void on_reply(struct http_request *request) {
    struct credentials *self = request->ctx;
    self->spent_ns += request->duration_ns;
    struct error error = request->error;
    enum exchange_next next = EXCHANGE_DONE;
    struct credentials_value value = {0};
    if (error.class == ERR_NONE)
        next = self->source->read(self->source_ctx, &self->exchange, self->index, &value, &error);
    if (error.class == ERR_NONE && next == EXCHANGE_MORE) {
        self->index++;
        if (self->idle == NULL && send_next(self, &error) == ERR_NONE)
            return;
        if (self->idle != NULL)
            error_set(&error, ERR_CANCELLED, "closed");
    }
    if (error.class == ERR_NONE && has_ended(self, &value))
        error_set(&error, ERR_PERMISSION,
                  "what it gave has expired already: check the clock of this machine, or the source");
    if (error.class == ERR_NONE) {
        value_replace(self, &value);
        finish(self, NULL);
        return;
    }
    value_release(&value);
    error.effect = EFFECT_NONE; /* Of a mutation that waits, nothing has been sent yet. */
    error_wrap(&error, "credentials from %s", self->source->name);
    finish(self, &error);
}

static enum err_class send_next(struct credentials *self, struct error *err) {
    exchange_reset(&self->exchange);
    if (self->source->build(self->source_ctx, &self->exchange, self->index, err) != ERR_NONE)
        return err->class;
    self->request_count++;
    exchange_send(&self->exchange, self->http, on_reply, self);
    return ERR_NONE;
}

static enum err_class begin(struct credentials *self, struct error *err) {
    self->index = 0;
    self->spent_ns = 0;
    if (send_next(self, err) != ERR_NONE) {
        exchange_reset(&self->exchange);
        return error_wrap(err, "credentials from %s", self->source->name);
    }
    self->is_fetching = true;
    return ERR_NONE;
}

enum err_class credentials_acquire(struct credentials *self, struct credentials_waiter *waiter,
                                   const struct credentials_value **ret, struct error *err) {
    ASSERT(!waiter->is_waiting && self->idle == NULL);
    if (!is_due(self) || self->source->build == NULL) {
        ASSERT(self->value.generation != 0);
        *ret = &self->value;
        return ERR_NONE;
    }
    struct error failure = {0};
    bool is_started = self->is_fetching || begin(self, &failure) == ERR_NONE;
    if (is_valid(self)) { /* The renewal runs behind the call, or has failed and may be tried again by the next. */
        *ret = &self->value;
        return ERR_NONE;
    }
    if (!is_started) {
        *err = failure;
        return err->class;
    }
    waiter->is_waiting = true;
    waiter->next = self->waiters;
    self->waiters = waiter;
    *ret = NULL;
    return ERR_NONE;
}

void credentials_forget(struct credentials *self, struct credentials_waiter *waiter) {
    for (struct credentials_waiter **at = &self->waiters; *at != NULL; at = &(*at)->next) {
        if (*at == waiter) {
            *at = waiter->next;
            waiter->next = NULL;
            waiter->is_waiting = false;
            return;
        }
    }
}

bool credentials_expire(struct credentials *self, uint64_t generation) {
    if (self->source->build == NULL)
        return false;
    if (self->value.generation == generation)
        value_release(&self->value);
    return true;
}

bool credentials_close(struct credentials *self, void (*idle)(void *ctx), void *ctx) {
    if (!self->is_fetching)
        return true;
    self->idle = idle;
    self->idle_ctx = ctx;
    http_cancel(&self->exchange.request);
    return false;
}

void credentials_release(struct credentials *self) {
    ASSERT(!self->is_fetching && self->waiters == NULL);
    value_release(&self->value);
    exchange_release(&self->exchange);
}
