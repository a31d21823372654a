/*
 * One operation with one stream at a time, and its machine:
 *
 *     START ----------> STREAMING_LIST --initial-events-end--> WATCHING --ended in good order--> WATCHING
 *       |                   |    refused                          ^ |
 *       |                   v                                     | |
 *       +------------> LISTING --next page--> LISTING --complete--+ |
 *                         ^  ^                                      |
 *                         |  +--------------- 410, once ------------+      any --failure--> WAITING --> list or
 * WATCHING any --stop-----> STOPPING
 *
 * Invariant: resource_version is that of the last event delivered whole (or of the list), so a reconnect misses
 * nothing; while a list is under way it is not used. A failure noticed while decoding is kept in `failure`, aborts the
 * stream, and is dealt with when the stream is done.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kube/watch.h"

#include <string.h>

#include "base/json_stream.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/stream.h"
#include "kube/text.h"

#define PAGE_SIZE_DEFAULT 500
#define IDLE_TIMEOUT_DEFAULT_MS 150000
#define BACK_OFF_MIN_NS (800 * NS_PER_MS)
#define BACK_OFF_MAX_NS (30 * NS_PER_S)
/* The server is asked to end a watch after 5 to 10 minutes, as client-go does, so that the watches of many clients
 * spread over the servers and do not all come back at once. */
#define WATCH_SECONDS_MIN 300
/* A connection that has brought data for so long is a success: the back-off starts afresh. */
#define HEALTHY_NS (10 * NS_PER_S)
/* A watch ended in good order but at once would be asked for in a tight loop. */
#define SHORT_WATCH_NS NS_PER_S
/* Longer than connecting takes: a reconnect without data counts as standing only then. */
#define CONNECTED_NS (15 * NS_PER_S)

enum watch_state { START, STREAMING_LIST, LISTING, WATCHING, WAITING, STOPPING, STATE_COUNT };

struct kube_watch {
    struct kube_client *client;
    struct runtime *rt;
    struct kube_watch_options options;
    char *path, *list_accept, *watch_accept;
    char *selectors; /* "&fieldSelector=...", escaped. */

    enum watch_state state;
    struct kube_stream stream;
    struct json_stream decoder;
    struct buf filtered;
    struct timer timer;

    char *resource_version; /* NULL: none known, or not to be used. */
    char *continue_token;   /* LISTING: of the next page; NULL: none. */
    struct error failure;   /* Noticed by the decoder in this connection. */
    uint32_t status;        /* HTTP status of the stream that is done. */
    bool is_open;           /* The stream is in flight. */
    bool must_list;         /* After WAITING. */
    bool is_listed;
    bool is_once_listed;
    bool is_stream_list_refused; /* For good: the server does not know it. */
    bool is_paging_next;         /* The next list is to be by pages, once. */
    bool is_unpaged;             /* Pages expired while we read: the whole list in one reply. */
    bool has_data;               /* In this connection. */
    bool is_doubtful;            /* This connection follows a failure. */
    uint32_t failure_count;      /* In a row: the exponent of the back-off. */
    uint32_t gone_count;         /* 410s since the last healthy connection. */
    uint64_t since_ns;           /* When this connection was begun, or has completed its list. */
    struct kube_watch_counts counts;

    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

static void list_begin(struct kube_watch *watch);
static void list_page(struct kube_watch *watch);
static void watch_begin(struct kube_watch *watch);
static void stop_finish(struct kube_watch *watch);

static void watch_enter(struct kube_watch *watch, enum watch_state next) {
    static const uint8_t edges[STATE_COUNT] = {
        [START] = 1 << STREAMING_LIST | 1 << LISTING | 1 << STOPPING,
        [STREAMING_LIST] = 1 << STREAMING_LIST | 1 << LISTING | 1 << WATCHING | 1 << WAITING | 1 << STOPPING,
        [LISTING] = 1 << LISTING | 1 << WATCHING | 1 << WAITING | 1 << STOPPING,
        [WATCHING] = 1 << STREAMING_LIST | 1 << LISTING | 1 << WATCHING | 1 << WAITING | 1 << STOPPING,
        [WAITING] = 1 << STREAMING_LIST | 1 << LISTING | 1 << WATCHING | 1 << STOPPING,
    };
    ASSERT(edges[watch->state] & 1 << next);
    watch->state = next;
}

static void tell(struct kube_watch *watch, enum kube_watch_event event, const struct json *value) {
    if (value)
        watch->counts.events++;
    watch->options.on_event(watch->options.ctx, event, value);
}

static void set_text(char **text, const char *value) {
    char *copy = value && *value ? mem_strdup(value) : NULL;
    mem_free(*text);
    *text = copy;
}

/* ---- Decoding. Each function here returns false to break the connection, with the reason in `failure`. ---- */

static bool refuse(struct kube_watch *watch, const char *what) {
    error_set(&watch->failure, ERR_RETRYABLE, "%s", what);
    watch->must_list = true;
    watch->counts.malformed++;
    return false;
}

static bool take_error_event(struct kube_watch *watch, const struct json *status) {
    const char *message = json_string(json_get(status, "message"), "");
    const char *reason = json_string(json_get(status, "reason"), "");
    int64_t code = json_int(json_get(status, "code"), 0);
    error_set(&watch->failure, code == 410 ? ERR_CONFLICT : ERR_RETRYABLE, "%s",
              *message ? message : "the server reported an error without a message");
    watch->failure.http_status = code > 0 && code < 600 ? (uint32_t)code : 0;
    str_copy(watch->failure.code, sizeof(watch->failure.code), reason);
    return false;
}

static bool take_bookmark(struct kube_watch *watch, const struct json *object) {
    const struct json *annotations = json_at(object, "metadata.annotations");
    bool is_end = str_eq(json_string(json_get(annotations, "k8s.io/initial-events-end"), ""), "true");
    if (watch->state == STREAMING_LIST) {
        if (!is_end) {
            /* A server older than the streaming list ignores the parameter and never marks the end. */
            error_set(&watch->failure, ERR_RETRYABLE, "the server does not mark the end of the list");
            watch->is_stream_list_refused = watch->must_list = true;
            return false;
        }
        watch->is_listed = watch->is_once_listed = true;
        watch->since_ns = runtime_mono_ns(watch->rt);
        watch_enter(watch, WATCHING);
        tell(watch, KUBE_WATCH_SYNCED, NULL);
    }
    return watch->state == WATCHING;
}

/* Decoder callback: one event of a watch or of a streaming list. */
static bool take_event(void *ctx, const struct json *event) {
    struct kube_watch *watch = ctx;
    const char *type = json_string(json_get(event, "type"), "");
    const struct json *object = json_get(event, "object");
    if (str_eq(type, "ERROR"))
        return take_error_event(watch, object);
    const char *version = json_string(json_at(object, "metadata.resourceVersion"), "");
    if (!*version)
        return refuse(watch, "an event without a resourceVersion");

    bool is_bookmark = str_eq(type, "BOOKMARK");
    /* Objects of a streaming list come in no order of version: only its end says where the watch stands. */
    if (is_bookmark || watch->state == WATCHING)
        set_text(&watch->resource_version, version);
    if (is_bookmark)
        return take_bookmark(watch, object);
    if (str_eq(type, "ADDED") || str_eq(type, "MODIFIED"))
        tell(watch, KUBE_WATCH_UPSERT, object);
    else if (str_eq(type, "DELETED"))
        tell(watch, KUBE_WATCH_DELETE, object);
    else
        return refuse(watch, "an event of unknown type");
    return watch->state != STOPPING;
}

/* Decoder callbacks: one item of a list, and what is around the items. */
static bool take_item(void *ctx, const struct json *item) {
    struct kube_watch *watch = ctx;
    tell(watch, KUBE_WATCH_UPSERT, item);
    return watch->state != STOPPING;
}

static bool take_envelope(void *ctx, const struct json *envelope) {
    struct kube_watch *watch = ctx;
    const char *version = json_string(json_at(envelope, "metadata.resourceVersion"), "");
    if (!*version)
        return refuse(watch, "a list without a resourceVersion");
    set_text(&watch->resource_version, version);
    set_text(&watch->continue_token, json_string(json_at(envelope, "metadata.continue"), NULL));
    return true;
}

static bool on_data(struct kube_stream *stream, struct bytes piece) {
    struct kube_watch *watch = stream->ctx;
    struct error error;
    if (watch->state == STOPPING)
        return false;
    watch->has_data = true;
    if (json_stream_feed(&watch->decoder, piece, &error) == ERR_NONE)
        return true;
    if (error.class != ERR_CANCELLED)
        refuse(watch, error.message);
    return false;
}

/* ---- Failing and waiting. ---- */

static void on_wait_over(struct timer *timer) {
    struct kube_watch *watch = timer->ctx;
    if (watch->must_list)
        list_begin(watch);
    else
        watch_begin(watch);
}

static uint64_t back_off_ns(struct kube_watch *watch, const struct error *error) {
    uint32_t shift = watch->failure_count < 16 ? watch->failure_count : 16;
    uint64_t most_ns = BACK_OFF_MIN_NS << shift;
    uint64_t wait_ns = runtime_jitter(watch->rt, most_ns < BACK_OFF_MAX_NS ? most_ns : BACK_OFF_MAX_NS);
    return wait_ns + error->retry_after_ms * NS_PER_MS;
}

static void fail(struct kube_watch *watch, const struct error *error) {
    /* By value: the reader may do anything with the watch in on_error. */
    struct error told = *error;
    uint64_t wait_ns = back_off_ns(watch, error);
    watch->failure_count++;
    watch->is_doubtful = true;
    watch_enter(watch, WAITING);
    timer_start(watch->rt, &watch->timer, wait_ns, on_wait_over, watch);
    watch->counts.failures++;
    if (watch->options.on_error)
        watch->options.on_error(watch->options.ctx, &told);
}

/* ---- Requests. ---- */

static void on_done(struct kube_stream *stream);

/* managedFields are half of what the server sends, and nobody here reads them. */
static struct bytes without_managed_fields(struct kube_watch *watch, struct bytes text) {
    struct bytes fields = kube_text_managed_fields(text);
    if (fields.size == 0)
        return text;
    size_t before = (size_t)(fields.data - text.data);
    buf_clear(&watch->filtered);
    buf_append(&watch->filtered, text.data, before);
    buf_puts(&watch->filtered, "[]");
    buf_append(&watch->filtered, fields.data + fields.size, text.size - before - fields.size);
    return buf_bytes(&watch->filtered);
}

static struct bytes filter_event(void *ctx, struct bytes text) {
    struct kube_watch *watch = ctx;
    struct bytes lean = without_managed_fields(watch, text);
    if (watch->state != WATCHING || !watch->options.is_known)
        return lean;
    struct bytes version = kube_text_resource_version(lean);
    if (version.size > 0 && watch->options.is_known(watch->options.ctx, version))
        return (struct bytes){0};
    return lean;
}

static struct bytes filter_item(void *ctx, struct bytes text) {
    return without_managed_fields(ctx, text);
}

static void stream_send(struct kube_watch *watch, enum json_stream_form form, struct buf *path) {
    json_stream_release(&watch->decoder);
    json_stream_init(&watch->decoder, form, form == JSON_STREAM_LIST ? take_item : take_event, watch);
    watch->decoder.filter = form == JSON_STREAM_LIST ? filter_item : filter_event;
    if (form == JSON_STREAM_LIST)
        watch->decoder.on_rest = take_envelope;
    watch->failure = (struct error){0};
    watch->has_data = false;
    watch->since_ns = runtime_mono_ns(watch->rt);
    watch->counts.connects++;
    watch->stream = (struct kube_stream){
        .path = buf_text(path),
        .accept = form == JSON_STREAM_LIST ? watch->list_accept : watch->watch_accept,
        .idle_timeout_ms = watch->options.idle_timeout_ms,
        .on_data = on_data,
        .done = on_done,
        .ctx = watch,
    };
    watch->is_open = true;
    kube_stream_send(watch->client, &watch->stream);
    buf_release(path);
}

static void put_watch_query(struct kube_watch *watch, struct buf *path) {
    uint64_t seconds = WATCH_SECONDS_MIN + runtime_jitter(watch->rt, WATCH_SECONDS_MIN);
    buf_printf(path, "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%u%s", watch->path, (unsigned)seconds,
               watch->selectors);
}

/* A whole list, by the means that suits. */
static void list_begin(struct kube_watch *watch) {
    bool is_streaming = !watch->options.prefer_list && !watch->is_stream_list_refused && !watch->is_paging_next;
    watch->must_list = watch->is_listed = false;
    watch->is_paging_next = watch->is_unpaged = false;
    set_text(&watch->continue_token, NULL);
    watch->counts.lists++;
    watch_enter(watch, is_streaming ? STREAMING_LIST : LISTING);
    tell(watch, KUBE_WATCH_RELIST_BEGIN, NULL);
    if (watch->state == STOPPING)
        return;
    if (!is_streaming) {
        list_page(watch);
        return;
    }
    struct buf path = {0};
    put_watch_query(watch, &path);
    buf_puts(&path, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    stream_send(watch, JSON_STREAM_VALUES, &path);
}

static void streaming_list_done(struct kube_watch *watch, const struct error *error) {
    if (watch->status == 400 || watch->status == 403 || watch->status == 422) {
        /* A 403 may be about the right to watch, not about the form: it is asked for again next time. */
        watch->is_stream_list_refused = watch->status != 403;
        watch->is_paging_next = true;
        list_begin(watch);
        return;
    }
    struct error told = *error;
    watch->must_list = true;
    watch->is_paging_next = watch->status / 100 == 2; /* It began but did not get there: try the other way once. */
    if (told.class == ERR_NONE)
        error_set(&told, ERR_RETRYABLE, "the streaming list ended before it was complete");
    fail(watch, &told);
}

/* The next page, or the first. */
static void list_page(struct kube_watch *watch) {
    struct buf path = {0};
    buf_printf(&path, "%s?", watch->path);
    if (watch->continue_token) {
        buf_printf(&path, "limit=%u&continue=", watch->options.page_size);
        http_append_escaped(&path, watch->continue_token, "");
    } else if (watch->options.prefer_list && !watch->is_unpaged &&
               (watch->resource_version || !watch->is_once_listed)) {
        /* Not older than what we have seen, or time would seem to run backwards. */
        buf_printf(&path, "resourceVersion=%s&resourceVersionMatch=NotOlderThan",
                   watch->resource_version ? watch->resource_version : "0");
    } else if (watch->is_unpaged) {
        buf_puts(&path, "limit=0");
    } else {
        buf_printf(&path, "limit=%u", watch->options.page_size);
    }
    buf_puts(&path, watch->selectors);
    stream_send(watch, JSON_STREAM_LIST, &path);
}

static void list_page_done(struct kube_watch *watch, const struct error *error) {
    if (error->class == ERR_NONE && watch->continue_token) {
        watch_enter(watch, LISTING);
        list_page(watch);
    } else if (error->class == ERR_NONE) {
        watch->is_listed = watch->is_once_listed = true;
        watch->is_doubtful = false;
        tell(watch, KUBE_WATCH_SYNCED, NULL);
        if (watch->state != STOPPING)
            watch_begin(watch);
    } else if (watch->status == 410 && !watch->is_unpaged) {
        /* The token, or the version asked for, has expired: from the start, and faster than pages can expire. */
        set_text(&watch->continue_token, NULL);
        set_text(&watch->resource_version, NULL);
        watch->is_unpaged = true;
        watch->counts.lists++;
        watch_enter(watch, LISTING);
        tell(watch, KUBE_WATCH_RELIST_BEGIN, NULL);
        if (watch->state != STOPPING)
            list_page(watch);
    } else {
        /* A server that was restored from a backup refuses our version for ever: ask without it. */
        set_text(&watch->resource_version, NULL);
        watch->must_list = true;
        fail(watch, error);
    }
}

static void watch_begin(struct kube_watch *watch) {
    ASSERT(watch->is_listed && watch->resource_version);
    struct buf path = {0};
    watch_enter(watch, WATCHING);
    put_watch_query(watch, &path);
    buf_puts(&path, "&resourceVersion=");
    http_append_escaped(&path, watch->resource_version, "");
    stream_send(watch, JSON_STREAM_VALUES, &path);
}

static void watching_done(struct kube_watch *watch, const struct error *error) {
    uint64_t lived_ns = runtime_mono_ns(watch->rt) - watch->since_ns;
    bool is_short = lived_ns < SHORT_WATCH_NS;
    if ((watch->has_data && lived_ns >= HEALTHY_NS) || (error->class == ERR_NONE && !is_short))
        watch->failure_count = watch->gone_count = 0;
    if (error->class == ERR_NONE && !is_short) {
        watch->is_doubtful = false;
        watch_begin(watch);
        return;
    }
    bool is_gone = error->http_status == 410 || watch->status == 410;
    if (is_gone)
        watch->must_list = true;
    if (watch->status == 400 || watch->status == 422) {
        /* The server cannot read our version, so it must not bound the list either. */
        set_text(&watch->resource_version, NULL);
        watch->must_list = true;
    }
    if (is_gone) {
        /* The server answers, whatever failed before: ordinary after a break, so the list is asked for at once. But one
         * that says so each time is asked ever more rarely. */
        watch->failure_count = watch->gone_count++;
        if (watch->failure_count == 0) {
            list_begin(watch);
            return;
        }
    }
    struct error told = *error;
    if (told.class == ERR_NONE)
        error_set(&told, ERR_RETRYABLE, "the server ended the watch at once");
    fail(watch, &told);
}

static void on_done(struct kube_stream *stream) {
    struct kube_watch *watch = stream->ctx;
    struct error error = watch->failure;
    watch->is_open = false;
    watch->status = stream->status;
    if (error.class == ERR_NONE)
        error = stream->error;
    if (error.class == ERR_NONE && watch->state != STOPPING) {
        struct error truncated;
        if (json_stream_finish(&watch->decoder, &truncated) != ERR_NONE && watch->failure.class == ERR_NONE)
            refuse(watch, truncated.message);
        error = watch->failure;
    }
    kube_stream_release(stream);
    switch (watch->state) {
    case STREAMING_LIST:
        streaming_list_done(watch, &error);
        break;
    case LISTING:
        list_page_done(watch, &error);
        break;
    case WATCHING:
        watching_done(watch, &error);
        break;
    case STOPPING:
        stop_finish(watch);
        break;
    case START:
    case WAITING:
    case STATE_COUNT:
        ASSERT(!"no stream is open in this state");
    }
}

/* ---- Life. ---- */

/* A list of PartialObjectMetadata is a kind of its own, which the watch must not ask for. */
static char *list_accept_of(const char *accept) {
    static const char partial[] = "as=PartialObjectMetadata";
    const char *at = accept ? strstr(accept, partial) : NULL;
    if (!at || str_has_prefix(at + sizeof(partial) - 1, "List"))
        return mem_strdup(accept);
    size_t head_size = (size_t)(at - accept) + sizeof(partial) - 1;
    return mem_printf("%.*sList%s", (int)head_size, accept, accept + head_size);
}

static void put_selector(struct buf *out, const char *name, const char *selector) {
    if (!selector || !*selector)
        return;
    buf_printf(out, "&%s=", name);
    http_append_escaped(out, selector, "");
}

static void on_start(struct timer *timer) {
    list_begin(timer->ctx);
}

struct kube_watch *kube_watch_start(struct kube_client *client, struct runtime *rt,
                                    const struct kube_watch_options *options) {
    ASSERT(options->path && options->on_event);
    struct kube_watch *watch = mem_alloc(sizeof(*watch));
    struct buf selectors = {0};
    put_selector(&selectors, "fieldSelector", options->field_selector);
    put_selector(&selectors, "labelSelector", options->label_selector);
    watch->client = client;
    watch->rt = rt;
    watch->options = *options;
    watch->path = mem_strdup(options->path);
    watch->watch_accept = mem_strdup(options->accept);
    watch->list_accept = list_accept_of(options->accept);
    watch->selectors = mem_strdup(buf_text(&selectors));
    buf_release(&selectors);
    if (watch->options.page_size == 0)
        watch->options.page_size = PAGE_SIZE_DEFAULT;
    if (watch->options.idle_timeout_ms == 0)
        watch->options.idle_timeout_ms = IDLE_TIMEOUT_DEFAULT_MS;
    timer_start(rt, &watch->timer, 0, on_start, watch);
    return watch;
}

static void stop_finish(struct kube_watch *watch) {
    timer_stop(watch->rt, &watch->timer);
    buf_release(&watch->filtered);
    json_stream_release(&watch->decoder);
    mem_free(watch->path);
    mem_free(watch->watch_accept);
    mem_free(watch->list_accept);
    mem_free(watch->selectors);
    mem_free(watch->resource_version);
    mem_free(watch->continue_token);
    void (*stopped)(void *ctx) = watch->stopped;
    void *ctx = watch->stopped_ctx;
    if (stopped)
        stopped(ctx);
    mem_free(watch);
}

static void on_stop(struct timer *timer) {
    stop_finish(timer->ctx);
}

void kube_watch_stop(struct kube_watch *watch, void (*stopped)(void *ctx), void *ctx) {
    ASSERT(watch->state != STOPPING);
    watch_enter(watch, STOPPING);
    watch->stopped = stopped;
    watch->stopped_ctx = ctx;
    if (watch->is_open)
        kube_stream_cancel(&watch->stream);
    else
        timer_start(watch->rt, &watch->timer, 0, on_stop, watch);
}

bool kube_watch_is_synced(const struct kube_watch *watch) {
    if (!watch->is_listed || watch->state != WATCHING)
        return false;
    return !watch->is_doubtful || watch->has_data || runtime_mono_ns(watch->rt) - watch->since_ns >= CONNECTED_NS;
}

struct kube_watch_counts kube_watch_counts(const struct kube_watch *watch) {
    return watch->counts;
}
