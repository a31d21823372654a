/*
 * What the fuzz targets of network adapters share: an HTTP that answers from the input, instead of the real one of
 * net/, and a driver that makes one call of the contract, goes on with its handle or cursor, and checks what comes out.
 * Included by one file of a program.
 *
 *     input   = verb, options, argument 0x1e reply 0x1e reply ...
 *     verb    = A account, L list, P prices, U usage, C charges, Q limits, O poll; else apply of action `verb - 'a'`
 *     options = bits of the character, from FUZZ_FEW on; the meaning of the others is the target's
 *     argument: of O the handle, of C the cursor, of L the kinds as a mask, else the id of what is acted on or
 * measured; empty: the target's reply   = three digits of a status, the content type's initial, and the body; a capital
 * initial adds a Date that is an hour off. When they have run out, the connection fails.
 *
 * Whatever is said: done runs once; what is reported is valid UTF-8, in order and in bounds; each request goes to the
 * configured address, holds no line break where none belongs, and changes nothing in a verb that only reads; no error
 * repeats a secret.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_FUZZ_REPLY_H
#define TRIMTAB_TESTS_FUZZ_REPLY_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "adapters/adapter.h"
#include "adapters/common/catalogue.h"
#include "adapters/common/signing.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/runtime_virtual.h"
#include "base/str.h"
#include "net/http.h"

#define FUZZ_SEPARATOR 0x1e
#define FUZZ_START_MS INT64_C(1790000000000)
#define FUZZ_START_DATE "Mon, 21 Sep 2026 15:13:20 GMT" /* An hour later. */
#define FUZZ_SEED 1
#define FUZZ_COUNT_FEW 2
#define FUZZ_COUNT_MANY 1000
#define FUZZ_ROUNDS_MAX 4 /* Of polls, or of pages by cursor. */
#define FUZZ_ARGUMENT_MAX 4000

/* Options. The target's own begin at FUZZ_OWN. */
#define FUZZ_FEW 1u       /* count_max is small. */
#define FUZZ_CANCEL 2u    /* Cancelled after the second request. */
#define FUZZ_CATALOGUE 4u /* With a catalogue of prices. */
#define FUZZ_OWN 8u       /* 8, 16, 32 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum fuzz_verb { FUZZ_ACCOUNT, FUZZ_LIST, FUZZ_PRICES, FUZZ_USAGE, FUZZ_CHARGES, FUZZ_LIMITS, FUZZ_POLL, FUZZ_APPLY };

struct fuzz_input {
    enum fuzz_verb verb;
    size_t action;
    unsigned options;
    bool is_rollout;
    char argument[FUZZ_ARGUMENT_MAX + 1];
    struct bytes replies;
};

struct fuzz_target { /* What is the same for all inputs of a program. */
    const struct adapter_ops *ops;
    const char *const *origins;             /* Where requests may go, NULL-ended. */
    bool (*holds_secret)(const char *text); /* One that is in use: no error may repeat it. */
    const struct cloud_action *actions;
    size_t action_count;
    void (*check_request)(const struct http_request *request, enum fuzz_verb verb);
};

/* ---- an HTTP that answers from the input ---- */

struct http {
    struct runtime *runtime;
    uv_loop_t *loop;
    const struct fuzz_target *target;
    enum fuzz_verb verb;
    struct bytes replies;
    size_t request_count;
};

struct http_transfer {
    struct http_request *request;
    struct timer timer;
    bool is_cancelled;
};

uv_loop_t *http_loop(const struct http *http) {
    return http->loop;
}

bool http_request_in_flight(const struct http_request *request) {
    return request->transfer != NULL;
}

void http_request_release(struct http_request *request) {
    ASSERT(request->transfer == NULL);
    buf_release(&request->reply);
}

/* Takes what stands before the next separator. */
static struct bytes fuzz_next(struct bytes *rest) {
    const char *end = rest->size > 0 ? memchr(rest->data, FUZZ_SEPARATOR, rest->size) : NULL;
    struct bytes piece = {rest->data, end != NULL ? (size_t)(end - rest->data) : rest->size};
    size_t skip = end != NULL ? piece.size + 1 : piece.size;
    rest->data += skip;
    rest->size -= skip;
    return piece;
}

static const char *fuzz_content_type(char initial) {
    static const char *const types[] = {"text/xml", "application/json", "text/html", "text/csv"};
    for (size_t i = 0; i < 4; i++) {
        if (strchr("xjhc", initial | 0x20) == strchr("xjhc", "xjhc"[i]))
            return types[i];
    }
    return "";
}

static void fuzz_answer(struct http_request *request, struct bytes piece) {
    request->reply = (struct buf){0};
    if (piece.size < 4) {
        error_set(&request->error, ERR_RETRYABLE, "the connection broke");
        request->error.effect = EFFECT_UNKNOWN;
        return;
    }
    for (size_t i = 0; i < 3; i++)
        request->status = request->status * 10 + ((unsigned)piece.data[i] % 16) % 10;
    if (request->status < 200)
        request->status += 200;
    (void)str_copy(request->content_type, sizeof(request->content_type), fuzz_content_type(piece.data[3]));
    if (piece.data[3] >= 'A' && piece.data[3] <= 'Z')
        (void)str_copy(request->date, sizeof(request->date), FUZZ_START_DATE);
    struct bytes body = {piece.data + 4, piece.size - 4};
    if (request->on_data == NULL || request->status >= 300) {
        buf_append(&request->reply, body.data, body.size);
        return;
    }
    while (body.size > 0) {
        size_t size = body.size < 100 ? body.size : 100;
        if (!request->on_data(request, (struct bytes){body.data, size})) {
            error_set(&request->error, ERR_CANCELLED, "aborted");
            return;
        }
        body.data += size;
        body.size -= size;
    }
}

static void fuzz_deliver(struct timer *timer) {
    struct http_transfer *transfer = timer->ctx;
    struct http_request *request = transfer->request;
    if (transfer->is_cancelled) {
        request->reply = (struct buf){0};
        error_set(&request->error, ERR_CANCELLED, "cancelled");
    } else {
        fuzz_answer(request, fuzz_next(&request->http->replies));
    }
    request->duration_ns = NS_PER_MS;
    request->transfer = NULL;
    mem_free(transfer);
    request->done(request);
}

/* Nothing that a reply said may end a line, leave the address that we were told, or make a reader write. */
static void fuzz_check_request(const struct http *http, const struct http_request *request) {
    bool is_known = false;
    for (const char *const *origin = http->target->origins; *origin != NULL; origin++)
        is_known |= str_has_prefix(request->url, *origin) && strchr("/?", request->url[strlen(*origin)]) != NULL;
    ASSERT(is_known);
    for (const char *c = request->url; *c != '\0'; c++)
        ASSERT(*c > ' ' && *c <= '~' && *c != '#' && *c != '"'); /* '@' names no host behind a '/'; roles have it. */
    for (size_t i = 0; i < HTTP_HEADERS_MAX && request->headers[i] != NULL; i++)
        ASSERT(strpbrk(request->headers[i], "\r\n") == NULL);
    http->target->check_request(request, http->verb);
}

void http_send(struct http *http, struct http_request *request) {
    ASSERT(request->method != NULL && request->url != NULL && request->done != NULL);
    fuzz_check_request(http, request);
    struct http_transfer *transfer = mem_alloc(sizeof(*transfer));
    transfer->request = request;
    request->http = http;
    request->transfer = transfer;
    request->status = 0;
    request->error = (struct error){0};
    request->content_type[0] = request->date[0] = request->etag[0] = request->next_link[0] = '\0';
    request->retry_after_ms = 0;
    http->request_count++;
    timer_start(http->runtime, &transfer->timer, NS_PER_MS, fuzz_deliver, transfer);
}

void http_cancel(struct http_request *request) {
    if (request->transfer != NULL)
        request->transfer->is_cancelled = true;
}

/* What only the real one needs: every address here is plain http. */

struct http_tls *http_tls_new(const struct http_tls_options *options) {
    ASSERT(options == NULL);
    return NULL;
}

void http_tls_free(struct http_tls *tls) {
    ASSERT(tls == NULL);
}

void http_forget_connections(struct http *http) {
    (void)http;
}

void http_append_escaped(struct buf *out, const char *text, const char *keep) {
    signing_append_encoded(out, bytes_of(text), keep);
}

/* ---- the input ---- */

/* False: too short to say anything. */
static bool fuzz_input_read(const uint8_t *data, size_t size, size_t action_count, struct fuzz_input *ret) {
    static const char verbs[] = "ALPUCQO";
    if (size < 2)
        return false;
    const char *verb = data[0] != '\0' ? strchr(verbs, data[0]) : NULL;
    *ret = (struct fuzz_input){.verb = verb != NULL ? (enum fuzz_verb)(verb - verbs) : FUZZ_APPLY,
                               .action = (uint8_t)(data[0] - 'a') % action_count,
                               .options = data[1] & 0x3f,
                               .replies = {(const char *)data + 2, size - 2}};
    struct bytes argument = fuzz_next(&ret->replies);
    /* Whatever an adapter is given has been through a parser that lets only such text through. */
    if (argument.size <= FUZZ_ARGUMENT_MAX && str_is_utf8(argument.data, argument.size))
        memcpy(ret->argument, argument.data, argument.size);
    return true;
}

static const struct catalogue *fuzz_catalogue(void) {
    static const char text[] =
        "provider,region,instance_type,vcpu,memory_gib,price_ondemand_usd_hr,price_spot_usd_hr,arch,gpu_count,"
        "source_id,as_of\n"
        "aws,us-east-1,m5.large,2,8,0.5,0.25,amd64,0,old,2024-01-01\n"
        "aws,us-east-1,old.large,2,4,0.3,0.1,amd64,0,old,2024-01-01\n"
        "aws,eu-west-1,m5.large,2,8,0.7,,amd64,0,old,2024-01-01\n";
    static struct catalogue *catalogue;
    struct error err = {0};
    char path[64];
    if (catalogue == NULL) {
        int fd = memfd_create("prices", 0);
        ASSERT(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ASSERT(catalogue_open(path, &catalogue, &err) == ERR_NONE);
        close(fd);
    }
    return catalogue;
}

/* ---- what comes out ---- */

struct fuzz_run {
    const struct fuzz_target *target;
    const struct fuzz_input *input;
    struct cloud_query query;
    struct cloud_action action;
    struct runtime_virtual runtime;
    uv_loop_t loop;
    struct http http;
    struct adapter *adapter;
    struct arena arena;
    struct adapter_call call;
    int done_count;
    bool is_closed;
};

static void fuzz_check_text(const char *text) {
    ASSERT(text != NULL);
    ASSERT(str_is_utf8(text, strlen(text)));
}

static void fuzz_check_text_or_null(const char *text) {
    if (text != NULL)
        fuzz_check_text(text);
}

static void fuzz_check_tags(const struct cloud_tag *tags, size_t count) {
    for (size_t i = 0; i < count; i++) {
        fuzz_check_text(tags[i].key);
        fuzz_check_text(tags[i].value);
        ASSERT(i == 0 || cloud_tag_cmp(&tags[i - 1], &tags[i]) <= 0);
    }
}

static void fuzz_check_resources(const struct fuzz_run *run, const struct adapter_reply *reply) {
    ASSERT(reply->count <= run->query.count_max);
    for (size_t i = 0; i < reply->count; i++) {
        const struct cloud_resource *resource = &reply->as.resources[i];
        const char *const texts[] = {resource->id, resource->name, resource->type, resource->zone, resource->region};
        for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++)
            fuzz_check_text(texts[t]);
        fuzz_check_text_or_null(resource->parent);
        fuzz_check_text_or_null(resource->count_manager);
        fuzz_check_text_or_null(resource->size_manager);
        fuzz_check_tags(resource->tags, resource->tag_count);
        ASSERT(resource->kind < CLOUD_KIND_COUNT && resource->state < CLOUD_STATE_COUNT);
        ASSERT((run->target->ops->kinds & run->query.kinds & 1u << resource->kind) != 0);
        ASSERT(i == 0 || cloud_resource_cmp(resource - 1, resource) <= 0);
        ASSERT(resource->vcpu_milli >= 0 && resource->memory_mib >= 0 && resource->price_hourly >= 0);
        ASSERT(resource->count >= 0 && resource->count_min >= 0 && resource->count_max >= 0 && resource->serving >= 0);
        ASSERT(resource->drifted >= 0 && resource->as_of_ms >= FUZZ_START_MS);
    }
}

static void fuzz_check_offers(const struct adapter_reply *reply) {
    for (size_t i = 0; i < reply->count; i++) {
        const struct cloud_offer *offer = &reply->as.offers[i];
        fuzz_check_text(offer->region);
        fuzz_check_text(offer->type);
        fuzz_check_text(offer->architecture);
        fuzz_check_text(offer->source);
        ASSERT(offer->type[0] != '\0' && offer->vcpu_milli >= 0 && offer->memory_mib >= 0 && offer->gpu >= 0);
        ASSERT(offer->price_hourly >= -1 && offer->price_spot_hourly >= -1);
    }
}

static void fuzz_check_samples(const struct cloud_sample *samples, size_t count) {
    for (size_t i = 0; i < count; i++) {
        ASSERT(isfinite(samples[i].value) && samples[i].value >= 0);
        ASSERT(i == 0 || samples[i - 1].time_ms < samples[i].time_ms);
    }
}

static void fuzz_check_series(const struct fuzz_run *run, const struct adapter_reply *reply) {
    ASSERT(reply->count <= run->query.id_count);
    for (size_t i = 0; i < reply->count; i++) {
        const struct cloud_series *series = &reply->as.series[i];
        bool is_asked_for = false;
        for (size_t k = 0; k < run->query.id_count; k++)
            is_asked_for |= str_eq(run->query.ids[k], series->id);
        ASSERT(is_asked_for && series->utilization_count + series->serving_count + series->kill_count > 0);
        ASSERT(series->kill_count <= CLOUD_KILLS_MAX);
        for (size_t k = 0; k < series->kill_count; k++)
            ASSERT(series->kills[k].id[0] != '\0' && series->kills[k].time_ms > 0 && series->kills[k].memory_mib >= 0 &&
                   (k == 0 || series->kills[k].time_ms >= series->kills[k - 1].time_ms));
        fuzz_check_samples(series->utilization, series->utilization_count);
        fuzz_check_samples(series->serving, series->serving_count);
    }
}

static void fuzz_check_charges(const struct fuzz_run *run, const struct adapter_reply *reply) {
    ASSERT(reply->count <= run->query.count_max);
    fuzz_check_text(reply->cursor);
    ASSERT(reply->cursor[0] == '\0' || reply->count > 0);
    for (size_t i = 0; i < reply->count; i++) {
        const struct cloud_charge *it = &reply->as.charges[i];
        const char *const texts[] = {
            it->billing_account_id, it->sub_account_id,     it->service_name,     it->service_category,
            it->region_id,          it->resource_id,        it->resource_type,    it->sku_id,
            it->charge_category,    it->charge_description, it->pricing_category, it->commitment_discount_id,
            it->billing_currency,   it->billed_cost,        it->effective_cost,   it->list_cost,
            it->contracted_cost,    it->consumed_quantity,  it->consumed_unit};
        for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++)
            fuzz_check_text(texts[t]);
        fuzz_check_tags(it->tags, it->tag_count);
        ASSERT(it->charge_period_start_ms >= run->query.from_ms && it->charge_period_start_ms < run->query.to_ms);
    }
}

static void fuzz_check_limits(const struct adapter_reply *reply) {
    for (size_t i = 0; i < reply->count; i++) {
        const struct cloud_limit *limit = &reply->as.limits[i];
        const char *const texts[] = {limit->region, limit->id, limit->name, limit->types, limit->unit};
        for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++)
            fuzz_check_text(texts[t]);
        ASSERT(limit->id[0] != '\0' && isfinite(limit->value) && isfinite(limit->used));
        ASSERT(limit->used == -1 || limit->used >= 0);
    }
}

/* A handle goes through a journal, and comes back to poll in another process. */
static void fuzz_check_operation(const char *operation) {
    ASSERT(operation != NULL && strlen(operation) <= ADAPTER_OPERATION_MAX);
    for (const char *c = operation; *c != '\0'; c++)
        ASSERT(*c >= ' ' && *c <= '~');
}

static bool fuzz_is_line(const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    }
    return str_is_utf8(text, strlen(text));
}

static void fuzz_check_error(const struct fuzz_run *run, const struct error *error) {
    bool is_good = error->class < ERR_CLASS_COUNT && error->message[0] != '\0' && fuzz_is_line(error->message) &&
                   fuzz_is_line(error->code) && (run->input->verb >= FUZZ_POLL || error->effect == EFFECT_NONE);
    is_good &= !run->target->holds_secret(error->message) && !run->target->holds_secret(error->code);
    if (!is_good)
        fprintf(stderr, "code \"%s\", message \"%s\"\n", error->code, error->message);
    ASSERT(is_good);
}

static void fuzz_check(const struct fuzz_run *run, enum fuzz_verb verb) {
    const struct adapter_reply *reply = &run->call.reply;
    ASSERT(run->done_count == 1);
    if (reply->error.class != ERR_NONE) {
        fuzz_check_error(run, &reply->error);
        return;
    }
    switch (verb) {
    case FUZZ_ACCOUNT:
        fuzz_check_text(reply->as.operation);
        ASSERT(reply->as.operation[0] != '\0');
        break;
    case FUZZ_LIST:
        fuzz_check_resources(run, reply);
        break;
    case FUZZ_PRICES:
        fuzz_check_offers(reply);
        break;
    case FUZZ_USAGE:
        fuzz_check_series(run, reply);
        break;
    case FUZZ_CHARGES:
        fuzz_check_charges(run, reply);
        break;
    case FUZZ_LIMITS:
        fuzz_check_limits(reply);
        break;
    case FUZZ_POLL:
    case FUZZ_APPLY:
        fuzz_check_operation(reply->as.operation);
        fuzz_check_text_or_null(reply->id);
        break;
    }
}

/* ---- one call of the contract ---- */

static void fuzz_done(struct adapter_call *call) {
    struct fuzz_run *run = call->ctx;
    ASSERT(call->state == NULL);
    run->done_count++;
}

static void fuzz_closed(void *ctx) {
    *(bool *)ctx = true;
}

static void fuzz_submit(struct fuzz_run *run, enum fuzz_verb verb, const char *operation) {
    const struct adapter_ops *ops = run->adapter->ops;
    run->done_count = 0;
    run->call = (struct adapter_call){.done = fuzz_done, .ctx = run, .arena = &run->arena, .timeout_ms = 60000};
    switch (verb) {
    case FUZZ_ACCOUNT:
        ops->account(run->adapter, &run->call);
        break;
    case FUZZ_LIST:
        ops->list(run->adapter, &run->call, &run->query);
        break;
    case FUZZ_PRICES:
        ops->prices(run->adapter, &run->call, &run->query);
        break;
    case FUZZ_USAGE:
        ops->usage(run->adapter, &run->call, &run->query);
        break;
    case FUZZ_CHARGES:
        ops->charges(run->adapter, &run->call, &run->query);
        break;
    case FUZZ_LIMITS:
        ops->limits(run->adapter, &run->call, &run->query);
        break;
    case FUZZ_POLL:
        ops->poll(run->adapter, &run->call, operation);
        break;
    case FUZZ_APPLY:
        ops->apply(run->adapter, &run->call, &run->action);
        break;
    }
    ASSERT(run->done_count == 0);
}

static void fuzz_turn(struct fuzz_run *run) {
    (void)runtime_virtual_step(&run->runtime, UINT64_MAX);
    uv_run(&run->loop, UV_RUN_NOWAIT);
}

static void fuzz_call(struct fuzz_run *run, enum fuzz_verb verb, const char *operation) {
    bool is_to_cancel = (run->input->options & FUZZ_CANCEL) != 0;
    fuzz_submit(run, verb, operation);
    while (run->done_count == 0) {
        fuzz_turn(run);
        if (is_to_cancel && run->done_count == 0 && run->http.request_count >= 2) {
            run->adapter->ops->cancel(run->adapter, &run->call);
            is_to_cancel = false;
            ASSERT(run->done_count == 0);
        }
    }
    fuzz_check(run, verb);
}

/* The call that the input names, and what it leads to. */
static void fuzz_calls(struct fuzz_run *run) {
    enum fuzz_verb verb = run->input->verb;
    const char *handle = run->input->argument;
    run->query.cursor = verb == FUZZ_CHARGES ? run->input->argument : NULL;
    for (int round = 0; round < FUZZ_ROUNDS_MAX; round++) {
        fuzz_call(run, verb, handle);
        const struct adapter_reply *reply = &run->call.reply;
        if (reply->error.class != ERR_NONE)
            return;
        if (verb == FUZZ_CHARGES && reply->cursor[0] != '\0') {
            run->query.cursor = reply->cursor;
        } else if (verb >= FUZZ_POLL && reply->as.operation[0] != '\0') {
            verb = run->http.verb = FUZZ_POLL;
            handle = reply->as.operation;
        } else {
            return;
        }
    }
}

/* Opens, makes the call, closes. query: its ids and kinds are replaced by the argument if there is one. */
static void fuzz_adapter(const struct fuzz_target *target, const struct adapter_config *config,
                         const struct cloud_query *query, const struct fuzz_input *input) {
    struct fuzz_run run = {.target = target, .input = input, .query = *query};
    struct error err = {0};
    const char *argument = input->argument;
    run.query.count_max = (input->options & FUZZ_FEW) != 0 ? FUZZ_COUNT_FEW : FUZZ_COUNT_MANY;
    run.query.kinds = (uint32_t)strtoul(argument, NULL, 10);
    if (run.query.kinds == 0)
        run.query.kinds = (1u << CLOUD_KIND_COUNT) - 1;
    run.action = target->actions[input->action];
    run.action.is_rollout = input->is_rollout;
    if (argument[0] != '\0') {
        run.action.id = argument;
        run.query.ids = &argument;
        run.query.id_count = 1;
    }
    runtime_virtual_init(&run.runtime, FUZZ_SEED, FUZZ_START_MS);
    uv_loop_init(&run.loop);
    run.http = (struct http){&run.runtime.base, &run.loop, target, input->verb, input->replies, 0};
    const struct adapter_env env = {&run.runtime.base, &run.http,
                                    (input->options & FUZZ_CATALOGUE) != 0 ? fuzz_catalogue() : NULL};
    ASSERT(target->ops->open(&run.adapter, &env, config, &err) == ERR_NONE);
    fuzz_calls(&run);
    run.adapter->ops->close(run.adapter, fuzz_closed, &run.is_closed);
    while (!run.is_closed)
        fuzz_turn(&run);
    ASSERT(uv_loop_close(&run.loop) == 0);
    arena_release(&run.arena);
    runtime_virtual_release(&run.runtime);
}

#endif
