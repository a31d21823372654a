/*
 * One budget: bucket, queue and circuit of one API. The rules are in budget.h.
 *
 * Invariants: who waits stands in exactly one queue, and its request's state points at it; while the circuit is open
 * nobody stands in `queues`; the timer is set whenever somebody waits and time alone will let him go.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "adapters/wrap/budget_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define RECOVERY_S 60.0 /* From nothing to the full rate. */
#define RATE_MIN_SHARE (1.0 / 64)
#define THROTTLE_PERIOD_NS NS_PER_S
#define RETRY_AFTER_LONG_MS 60000 /* Worth telling at once. */
#define RETRY_AFTER_MAX_MS UINT32_C(3600000)
#define FAILURES_MAX 5
#define THROTTLES_MAX 10
#define PAUSE_MIN_NS (5 * NS_PER_S)
#define PAUSE_MAX_NS (300 * NS_PER_S)
#define RESERVED_TURN 4
#define THROTTLED_STREAK_MIN 3
#define THROTTLED_HOLD_NS (300 * NS_PER_S)
#define WHOLE_TOKEN (1 - 1e-9) /* A wait that was rounded to whole nanoseconds must be long enough. */

static void schedule(struct budget_api *api);
static void on_refuse(struct timer *timer);

static struct runtime *runtime_of(const struct budget_api *api) {
    return api->account->registry->runtime;
}

static uint64_t now_ns(const struct budget_api *api) {
    return runtime_mono_ns(runtime_of(api));
}

static void changed(const struct budget_api *api) {
    budget_metrics_state(api);
    for (const struct budget_gate *gate = api->account->gates; gate; gate = gate->next) {
        if (gate->changed)
            gate->changed(gate->ctx);
    }
}

/* ---- the queue ---- */

static void queue_add(struct budget_queue *queue, struct budget_waiter *waiter) {
    waiter->queue = queue;
    waiter->next = NULL;
    waiter->prev = queue->last;
    if (queue->last)
        queue->last->next = waiter;
    else
        queue->first = waiter;
    queue->last = waiter;
}

static void queue_remove(struct budget_waiter *waiter) {
    struct budget_queue *queue = waiter->queue;
    *(waiter->prev ? &waiter->prev->next : &queue->first) = waiter->next;
    *(waiter->next ? &waiter->next->prev : &queue->last) = waiter->prev;
    if (queue != &waiter->api->refused)
        waiter->api->waiting--;
}

static void wait_in_line(struct budget_waiter *waiter, struct budget_api *api) {
    waiter->api = api;
    waiter->sequence = api->sequence++;
    api->waiting++;
    queue_add(&api->queues[waiter->request->priority], waiter);
}

static void refuse(struct budget_waiter *waiter) {
    struct budget_api *api = waiter->api;
    waiter->sequence = api->sequence++;
    queue_add(&api->refused, waiter);
    if (!timer_is_active(&api->refuse_timer))
        timer_start(runtime_of(api), &api->refuse_timer, 0, on_refuse, api);
}

static void refuse_all(struct budget_api *api) {
    for (size_t i = 0; i < GATE_PRIORITY_COUNT; i++) {
        for (struct budget_waiter *waiter; (waiter = api->queues[i].first);) {
            queue_remove(waiter);
            refuse(waiter);
        }
    }
}

/* The first priority that has somebody; every RESERVED_TURN-th time that several have, the one who came first of all.
 */
static struct budget_waiter *next_in_line(struct budget_api *api) {
    struct budget_waiter *first = NULL, *oldest = NULL;
    size_t several = 0;
    for (size_t i = 0; i < GATE_PRIORITY_COUNT; i++) {
        struct budget_waiter *head = api->queues[i].first;
        if (!head)
            continue;
        several++;
        if (!first)
            first = head;
        if (!oldest || head->sequence < oldest->sequence)
            oldest = head;
    }
    if (several > 1 && ++api->turns % RESERVED_TURN == 0)
        return oldest;
    return first;
}

/* ---- the bucket ---- */

static double burst_of(const struct budget_api *api) {
    return fmax(1, api->burst * api->rate / api->rate_max);
}

/* While Retry-After holds nothing fills up: what waits would go out all at once when it ends. */
static uint64_t refill_from_ns(const struct budget_api *api) {
    return api->refilled_ns > api->blocked_until_ns ? api->refilled_ns : api->blocked_until_ns;
}

static void refill(struct budget_api *api) {
    uint64_t now = now_ns(api), from = refill_from_ns(api);
    double seconds = (double)(now - api->refilled_ns) / (double)NS_PER_S;
    double filling = now > from ? (double)(now - from) / (double)NS_PER_S : 0;
    api->tokens = fmin(burst_of(api), api->tokens + filling * api->rate);
    api->rate = fmin(api->rate_max, api->rate + seconds * api->rate_max / RECOVERY_S);
    api->refilled_ns = now;
}

static uint64_t token_due_ns(const struct budget_api *api) {
    uint64_t due = refill_from_ns(api);
    if (api->tokens < WHOLE_TOKEN)
        due += (uint64_t)ceil((1 - api->tokens) / api->rate * (double)NS_PER_S);
    return due;
}

static bool can_send(const struct budget_api *api) {
    uint64_t now = api->refilled_ns;
    switch (api->circuit) {
    case BUDGET_OPEN:
        return now >= api->open_until_ns;
    case BUDGET_HALF_OPEN:
        return api->probe == NULL;
    case BUDGET_CLOSED:
        break;
    }
    return now >= api->blocked_until_ns && api->tokens >= WHOLE_TOKEN;
}

static void take(struct budget_api *api, const struct budget_gate *gate, const struct gate_request *request,
                 uint64_t waited_ns) {
    if (api->circuit == BUDGET_OPEN)
        api->circuit = BUDGET_HALF_OPEN;
    if (api->circuit == BUDGET_HALF_OPEN) {
        api->probe = request;
        api->probe_gate = gate;
    }
    api->tokens -= 1;
    api->sent_count++;
    budget_metrics_sent(api, request->priority, waited_ns);
    budget_metrics_state(api);
}

static void on_due(struct timer *timer) {
    struct budget_api *api = timer->ctx;
    refill(api);
    while (api->waiting > 0 && can_send(api)) {
        struct budget_waiter *waiter = next_in_line(api);
        const struct budget_gate *gate = waiter->gate;
        struct gate_request *request = waiter->request;
        uint64_t waited_ns = api->refilled_ns - waiter->since_ns;
        queue_remove(waiter);
        mem_free(waiter);
        request->state = NULL;
        take(api, gate, request, waited_ns);
        request->ready(request, NULL, waited_ns);
    }
    schedule(api);
}

/* Of an open circuit nobody waits; of a half open one they wait for the probe, not for the time. */
static void schedule(struct budget_api *api) {
    timer_stop(runtime_of(api), &api->timer);
    if (api->waiting == 0 || (!can_send(api) && api->circuit != BUDGET_CLOSED))
        return;
    uint64_t now = now_ns(api), due = api->circuit == BUDGET_CLOSED ? token_due_ns(api) : now;
    timer_start(runtime_of(api), &api->timer, due > now ? due - now : 0, on_due, api);
}

bool budget_api_ask(struct budget_api *api, struct budget_gate *gate, struct gate_request *request) {
    refill(api);
    request->state = NULL;
    if (api->waiting == 0 && can_send(api)) {
        take(api, gate, request, 0);
        return true;
    }
    struct budget_waiter *waiter = mem_alloc(sizeof(*waiter));
    *waiter = (struct budget_waiter){.request = request, .gate = gate, .api = api, .since_ns = api->refilled_ns};
    request->state = waiter;
    waiter->is_overflow = api->waiting >= BUDGET_QUEUE_MAX;
    if (api->circuit == BUDGET_OPEN || waiter->is_overflow) {
        refuse(waiter);
        return false;
    }
    wait_in_line(waiter, api);
    if (!timer_is_active(&api->timer))
        schedule(api);
    budget_metrics_state(api);
    return false;
}

void budget_api_cancel(struct budget_waiter *waiter) {
    queue_remove(waiter);
    budget_metrics_state(waiter->api);
    waiter->request->state = NULL;
    mem_free(waiter);
}

/* ---- refusals ---- */

static uint32_t to_ms(double ns) {
    double ms = ceil(ns / (double)NS_PER_MS);
    return ms < 1 ? 1 : ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

static uint32_t probe_in_ms(const struct budget_api *api) {
    uint64_t now = now_ns(api);
    return to_ms(api->open_until_ns > now ? (double)(api->open_until_ns - now) : 0);
}

static struct error refusal(const struct budget_api *api, const struct budget_waiter *waiter) {
    struct error error = {0};
    if (waiter->is_overflow) {
        error_set(&error, ERR_THROTTLED, "%zu requests wait already for the API %s", api->waiting, api->name);
        error.retry_after_ms = to_ms((double)api->waiting / api->rate * (double)NS_PER_S);
        return error;
    }
    /* In the words of what opened it: a status that shows the error stays as it is from probe to probe. */
    error = api->why;
    error.effect = EFFECT_NONE;
    error.retry_after_ms = probe_in_ms(api);
    return error;
}

static void on_refuse(struct timer *timer) {
    struct budget_api *api = timer->ctx;
    /* Those who ask anew from inside ready are for the next turn. */
    uint64_t end = api->sequence;
    for (struct budget_waiter *waiter; (waiter = api->refused.first) && waiter->sequence < end;) {
        struct gate_request *request = waiter->request;
        struct error error = refusal(api, waiter);
        uint64_t waited_ns = now_ns(api) - waiter->since_ns;
        queue_remove(waiter);
        mem_free(waiter);
        request->state = NULL;
        api->refused_count++;
        budget_metrics_refused(api);
        request->ready(request, &error, waited_ns);
    }
    if (api->refused.first && !timer_is_active(&api->refuse_timer))
        timer_start(runtime_of(api), &api->refuse_timer, 0, on_refuse, api);
}

/* ---- reports: rate and circuit ---- */

/* Counted once in a period: what was in flight together is throttled for the same cause. */
static void note_throttled(struct budget_api *api, const struct error *error) {
    uint64_t now = api->refilled_ns > 0 ? api->refilled_ns : 1, age = now - api->throttled_ns;
    api->throttled_count++;
    api->tokens = fmin(api->tokens, 0);
    if (api->throttled_ns > 0 && age < THROTTLE_PERIOD_NS)
        return;
    if (api->throttled_ns == 0 || age >= THROTTLED_HOLD_NS) {
        api->throttled_streak = 0;
        api->throttled_why = (struct error){0};
        api->rate_lowest = api->rate_max;
    }
    api->throttled_ns = now;
    api->throttles++;
    api->throttled_streak += error->retry_after_ms >= RETRY_AFTER_LONG_MS ? THROTTLED_STREAK_MIN : 1;
    if (error->retry_after_ms == 0)
        api->rate = fmax(api->rate / 2, api->rate_max * RATE_MIN_SHARE);
    bool is_lower = api->rate < api->rate_lowest;
    api->rate_lowest = fmin(api->rate_lowest, api->rate);
    if (api->throttled_streak < THROTTLED_STREAK_MIN)
        return;
    bool is_news = api->throttled_why.class == ERR_NONE;
    if (is_news)
        api->throttled_why = *error;
    if (is_news || is_lower)
        changed(api);
}

static void circuit_open(struct budget_api *api, const struct error *error) {
    if (api->circuit == BUDGET_CLOSED) {
        api->why = *error;
        api->pause_ns = PAUSE_MIN_NS;
    } else {
        api->pause_ns = api->pause_ns * 2 < PAUSE_MAX_NS ? api->pause_ns * 2 : PAUSE_MAX_NS;
    }
    api->circuit = BUDGET_OPEN;
    api->open_until_ns = api->refilled_ns + api->pause_ns - runtime_jitter(runtime_of(api), api->pause_ns / 5);
    if (api->open_until_ns < api->blocked_until_ns)
        api->open_until_ns = api->blocked_until_ns;
    refuse_all(api);
    changed(api);
}

static void circuit_close(struct budget_api *api) {
    api->circuit = BUDGET_CLOSED;
    api->blocked_until_ns = 0;
    api->tokens = fmin(api->tokens, 1); /* Those who come back now do so at the rate, not all at once. */
    changed(api);
}

static void note_against(struct budget_api *api, bool is_probe, const struct error *error) {
    if (error->retry_after_ms > 0) {
        uint32_t ms = error->retry_after_ms < RETRY_AFTER_MAX_MS ? error->retry_after_ms : RETRY_AFTER_MAX_MS;
        uint64_t until = api->refilled_ns + ms * NS_PER_MS;
        if (api->blocked_until_ns < until)
            api->blocked_until_ns = until;
    }
    if (error->class == ERR_THROTTLED) {
        note_throttled(api, error);
    } else {
        api->failures++;
        api->failed_count++;
    }
    if (is_probe ||
        (api->circuit == BUDGET_CLOSED && (api->failures >= FAILURES_MAX || api->throttles >= THROTTLES_MAX)))
        circuit_open(api, error);
}

void budget_api_take_report(struct budget_api *api, const struct gate_request *request, const struct error *error) {
    bool is_probe = api->probe == request;
    refill(api);
    if (is_probe)
        api->probe = NULL;
    budget_metrics_ended(api, error->class);
    if (error->class == ERR_THROTTLED || error->class == ERR_RETRYABLE) {
        note_against(api, is_probe, error);
    } else if (error->class != ERR_CANCELLED) {
        api->failures = api->throttles = 0;
        if (is_probe)
            circuit_close(api);
    }
    schedule(api);
    budget_metrics_state(api);
}

/* ---- life, and joining ---- */

struct budget_api *budget_api_new(struct budget_account *account, const char *name, const char *region) {
    struct budget_api *api = mem_alloc(sizeof(*api));
    api->account = account;
    api->name = mem_strdup(name);
    api->region = mem_strdup(region);
    budget_api_set_rate(api);
    api->rate = api->rate_lowest = api->rate_max;
    api->tokens = api->burst;
    api->refilled_ns = now_ns(api);
    return api;
}

static void queue_free(struct budget_queue *queue) {
    for (struct budget_waiter *waiter = queue->first, *next; waiter; waiter = next) {
        next = waiter->next;
        waiter->request->state = NULL;
        mem_free(waiter);
    }
}

void budget_api_free(struct budget_api *api) {
    timer_stop(runtime_of(api), &api->timer);
    timer_stop(runtime_of(api), &api->refuse_timer);
    for (size_t i = 0; i < GATE_PRIORITY_COUNT; i++)
        queue_free(&api->queues[i]);
    queue_free(&api->refused);
    budget_metrics_forget(api);
    mem_free(api->name);
    mem_free(api->region);
    mem_free(api);
}

void budget_api_set_rate(struct budget_api *api) {
    struct budget_rate rate = budget_rate_default(api->account->cloud, api->name);
    double named = 0;
    for (const struct budget_gate *gate = api->account->gates; gate; gate = gate->next) {
        if (gate->requests_per_second > 0 && (named == 0 || (double)gate->requests_per_second < named))
            named = (double)gate->requests_per_second;
    }
    if (named > 0)
        rate = (struct budget_rate){named, fmin(rate.burst, named)};
    bool is_full = api->rate >= api->rate_max;
    api->rate_max = rate.per_second;
    api->burst = rate.burst;
    api->rate = is_full ? api->rate_max : fmin(api->rate, api->rate_max);
    api->tokens = fmin(api->tokens, api->burst);
    if (api->waiting > 0)
        schedule(api);
}

void budget_api_move_waiters(struct budget_api *to, struct budget_api *from, const struct budget_gate *gate) {
    struct budget_queue *queues[] = {&from->queues[GATE_ACTION], &from->queues[GATE_USAGE],
                                     &from->queues[GATE_INVENTORY], &from->refused};
    for (size_t i = 0; i < ARRAY_LEN(queues); i++) {
        for (struct budget_waiter *waiter = queues[i]->first, *next; waiter; waiter = next) {
            next = waiter->next;
            if (gate && waiter->gate != gate)
                continue;
            bool was_refused = queues[i] == &from->refused;
            queue_remove(waiter);
            waiter->api = to;
            if (to->circuit == BUDGET_OPEN || (was_refused && waiter->is_overflow))
                refuse(waiter);
            else
                wait_in_line(waiter, to);
        }
    }
    /* Its report will go to the other budget: this one must not wait for it. */
    if (gate && from->probe && from->probe_gate == gate)
        from->probe = NULL;
    refill(to);
    refill(from);
    schedule(to);
    schedule(from);
}

void budget_api_merge(struct budget_api *to, struct budget_api *from) {
    refill(to);
    refill(from);
    to->tokens += fmin(0, from->tokens - from->burst); /* What it has spent. */
    to->rate = fmin(to->rate, from->rate);
    to->rate_lowest = fmin(to->rate_lowest, from->rate_lowest);
    if (from->blocked_until_ns > to->blocked_until_ns)
        to->blocked_until_ns = from->blocked_until_ns;
    if (from->circuit == BUDGET_OPEN && to->circuit == BUDGET_CLOSED) {
        to->circuit = BUDGET_OPEN;
        to->open_until_ns = from->open_until_ns;
        to->pause_ns = from->pause_ns;
        to->why = from->why;
        refuse_all(to);
    }
    to->sent_count += from->sent_count;
    to->throttled_count += from->throttled_count;
    to->failed_count += from->failed_count;
    to->refused_count += from->refused_count;
    budget_api_move_waiters(to, from, NULL);
}

void budget_api_view(const struct budget_api *api, struct budget_view *ret) {
    uint64_t now = now_ns(api);
    double seconds = (double)(now - api->refilled_ns) / (double)NS_PER_S;
    bool is_throttled = api->throttled_streak >= THROTTLED_STREAK_MIN && now - api->throttled_ns < THROTTLED_HOLD_NS;
    *ret = (struct budget_view){
        .cloud = api->account->cloud,
        .account = api->account->name,
        .api = api->name,
        .region = api->region,
        .requests_per_second = fmin(api->rate_max, api->rate + seconds * api->rate_max / RECOVERY_S),
        .requests_per_second_max = api->rate_max,
        .circuit = api->circuit,
        .retry_after_ms = api->circuit == BUDGET_OPEN ? probe_in_ms(api) : 0,
        .is_throttled = is_throttled,
        .requests_per_second_lowest = is_throttled ? fmin(api->rate_lowest, api->rate_max) : api->rate_max,
        .message = api->circuit != BUDGET_CLOSED ? api->why.message
                   : is_throttled                ? api->throttled_why.message
                                                 : "",
        .waiting = api->waiting,
        .sent_count = api->sent_count,
        .throttled_count = api->throttled_count,
        .failed_count = api->failed_count,
        .refused_count = api->refused_count,
    };
}
