/*
 * What comes back: the headers that somebody reads, the body, and the outcome of the exchange as an error value.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/str.h"
#include "net/http_internal.h"

#define REPLY_SIZE_MAX ((size_t)16 << 20)
#define REPLY_SIZE_ALWAYS ((size_t)4 << 20) /* A reply of this size is never refused for want of memory. */
#define REPLIES_SIZE_MAX ((size_t)64 << 20) /* Of all bodies in flight, where one of them is larger than that. */
#define HEADERS_SIZE_MAX ((size_t)256 << 10)
#define RETRY_AFTER_MAX_MS (24u * 3600 * 1000)

/* Copies the value of a header line without the white space around it; a value that does not fit is left out, since
 * half an ETag or link is worse than none. */
static void header_copy(char *to, size_t to_size, struct bytes value) {
    if (value.size < to_size) {
        memcpy(to, value.data, value.size);
        to[value.size] = '\0';
    }
}

static struct bytes trim(const char *from, const char *end) {
    while (from < end && (*from == ' ' || *from == '\t')) {
        from++;
    }
    while (end > from && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r' || end[-1] == '\n')) {
        end--;
    }
    return (struct bytes){from, (size_t)(end - from)};
}

static const char *find(const char *from, const char *end, char c) {
    return from < end ? memchr(from, c, (size_t)(end - from)) : NULL;
}

static bool rel_is_next(const char *params, const char *end) {
    for (const char *p = find(params, end, ';'); p; p = find(p + 1, end, ';')) {
        struct bytes param = trim(p + 1, find(p + 1, end, ';') ? find(p + 1, end, ';') : end);
        if (param.size < 4 || strncasecmp(param.data, "rel=", 4) != 0) {
            continue;
        }
        const char *value = param.data + 4;
        size_t size = param.size - 4;
        return (size == 4 && strncasecmp(value, "next", 4) == 0) ||
               (size == 6 && strncasecmp(value, "\"next\"", 6) == 0);
    }
    return false;
}

/* Link: <https://a/?page=1>; rel="prev", <https://a/?page=3>; rel="next". A comma may stand inside <>. */
static void header_link(struct http_request *request, struct bytes value) {
    const char *p = value.data, *end = value.data + value.size;
    while ((p = find(p, end, '<'))) {
        const char *close = find(p, end, '>');
        if (!close) {
            return;
        }
        const char *comma = find(close, end, ',');
        if (rel_is_next(close, comma ? comma : end)) {
            header_copy(request->next_link, sizeof(request->next_link), (struct bytes){p + 1, (size_t)(close - p) - 1});
            return;
        }
        p = close;
    }
}

static bool name_is(struct bytes name, const char *wanted) {
    return name.size == strlen(wanted) && strncasecmp(name.data, wanted, name.size) == 0;
}

static void header_field(struct http_transfer *transfer, struct bytes name, struct bytes value) {
    struct http_request *request = transfer->request;
    if (name_is(name, "content-type")) {
        header_copy(request->content_type, sizeof(request->content_type), value);
    } else if (name_is(name, "date")) {
        header_copy(request->date, sizeof(request->date), value);
    } else if (name_is(name, "etag")) {
        header_copy(request->etag, sizeof(request->etag), value);
    } else if (name_is(name, "retry-after")) {
        header_copy(transfer->retry_after, sizeof(transfer->retry_after), value);
    } else if (name_is(name, "link")) {
        header_link(request, value);
    } else if (!request->request_id[0] && (name_is(name, "x-amzn-requestid") || name_is(name, "x-ms-request-id") ||
                                           name_is(name, "x-request-id") || name_is(name, "audit-id"))) {
        header_copy(request->request_id, sizeof(request->request_id), value);
        request->request_id_size = (uint32_t)strlen(request->request_id);
    }
}

void http_outcome_clear(struct http_request *request) {
    request->error = (struct error){0};
    request->status = 0;
    buf_clear(&request->reply);
    request->retry_after_ms = 0;
    request->content_type[0] = request->date[0] = request->etag[0] = '\0';
    request->next_link[0] = request->request_id[0] = '\0';
    request->request_id_size = 0;
    request->duration_ns = 0;
}

size_t http_on_header(char *data, size_t size, size_t count, void *ctx) {
    struct http_transfer *transfer = ctx;
    size_t total = size * count;
    transfer->activity_ns = uv_hrtime();
    transfer->header_size += total;
    if (transfer->header_size > HEADERS_SIZE_MAX) {
        transfer->too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    const char *end = data + total;
    if (total >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        /* Again after a 1xx: what it said is forgotten. */
        http_outcome_clear(transfer->request);
        transfer->retry_after[0] = '\0';
        transfer->head_ended = false;
        const char *blank = find(data, end, ' ');
        for (const char *p = blank ? blank + 1 : end; p < end && *p >= '0' && *p <= '9'; p++) {
            transfer->request->status = transfer->request->status * 10 + (uint32_t)(*p - '0');
        }
        return total;
    }
    const char *colon = find(data, end, ':');
    if (!colon) {
        transfer->head_ended |= trim(data, end).size == 0;
    } else {
        header_field(transfer, (struct bytes){data, (size_t)(colon - data)}, trim(colon + 1, end));
    }
    return total;
}

/* Many listings are in flight at once, and a hostile or broken server makes each of them as large as it may be. */
static bool replies_have_room(const struct http_transfer *transfer, size_t more) {
    size_t size = transfer->request->reply.size + more;
    if (size <= REPLY_SIZE_ALWAYS)
        return true;
    struct http_link *live = &transfer->http->live;
    for (struct http_link *link = live->next; link != live; link = link->next) {
        const struct http_transfer *other = CONTAINER_OF(link, struct http_transfer, live);
        if (other != transfer)
            size += other->request->reply.size;
    }
    return size <= REPLIES_SIZE_MAX;
}

size_t http_on_body(char *data, size_t size, size_t count, void *ctx) {
    struct http_transfer *transfer = ctx;
    struct http_request *request = transfer->request;
    size_t total = size * count;
    transfer->activity_ns = uv_hrtime();
    if (transfer->cancelled) {
        return CURL_WRITEFUNC_ERROR;
    }
    if (request->on_data && request->status / 100 == 2) {
        bool goes_on = request->on_data(request, (struct bytes){data, total});
        transfer->aborted = !goes_on;
        return goes_on && !transfer->cancelled ? total : CURL_WRITEFUNC_ERROR;
    }
    size_t limit = request->reply_size_max ? request->reply_size_max : REPLY_SIZE_MAX;
    if (total > limit - request->reply.size) {
        transfer->too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    if (!replies_have_room(transfer, total)) {
        transfer->too_large = transfer->room_missing = true;
        return CURL_WRITEFUNC_ERROR;
    }
    buf_append(&request->reply, data, total);
    return total;
}

int64_t http_date_ms(const struct http_request *request) {
    time_t time = request->date[0] ? curl_getdate(request->date, NULL) : -1;
    return time > 0 ? (int64_t)time * 1000 : 0;
}

/* Seconds, or a date, which is taken against the server's own Date so that our clock does not matter. */
static uint32_t retry_after_parse(const struct http_transfer *transfer) {
    int64_t seconds = 0;
    if (transfer->retry_after[0] == '\0') {
        return 0;
    }
    if (!str_to_int64(transfer->retry_after, &seconds)) {
        time_t then = curl_getdate(transfer->retry_after, NULL);
        time_t now = transfer->request->date[0] ? curl_getdate(transfer->request->date, NULL) : -1;
        if (then == -1) {
            return 0;
        }
        if (now == -1) {
            uv_timeval64_t wall;
            uv_gettimeofday(&wall);
            now = (time_t)wall.tv_sec;
        }
        seconds = (int64_t)then - (int64_t)now;
    }
    if (seconds <= 0) {
        return 0;
    }
    return seconds < RETRY_AFTER_MAX_MS / 1000 ? (uint32_t)seconds * 1000 : RETRY_AFTER_MAX_MS;
}

static enum err_class class_of(CURLcode code) {
    switch ((int)code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
        return ERR_PERMANENT;
    default:
        return ERR_RETRYABLE;
    }
}

/* curl's text without " after 5001 ms" and what follows " after 5001 milliseconds": statuses show it, and must stay as
 * they are while nothing changes. */
static void duration_remove(char *text) {
    char *at = strstr(text, " after ");
    if (at == NULL)
        return;
    char *unit = at + strlen(" after ");
    unit += strspn(unit, "0123456789");
    if (str_has_prefix(unit, " milliseconds"))
        *at = '\0';
    else if (str_has_prefix(unit, " ms"))
        memmove(at, unit + strlen(" ms"), strlen(unit + strlen(" ms")) + 1);
}

static void outcome_error(struct http_transfer *transfer, CURLcode code) {
    struct error *err = &transfer->request->error;
    if (transfer->idle_expired) {
        error_set(err, ERR_RETRYABLE, "no data for %u ms", transfer->request->idle_timeout_ms);
    } else if (transfer->too_large) {
        buf_release(&transfer->request->reply); /* Half a bomb is of no use to the caller, who may keep it for long. */
        /* One text for both, since which of the two it is changes from one try to the next. */
        error_set(err, transfer->room_missing ? ERR_RETRYABLE : ERR_PERMANENT, "the reply is larger than allowed");
    } else if (transfer->cancelled || transfer->aborted) {
        error_set(err, ERR_CANCELLED, "cancelled");
    } else if (transfer->repeat_refused) {
        error_set(err, ERR_RETRYABLE, "the connection broke before a reply came");
    } else if (code == CURLE_OK) {
        /* curl takes a head that is cut as a reply without a body. */
        error_set(err, ERR_RETRYABLE, "the reply ends within its head");
    } else {
        duration_remove(transfer->error_text);
        const char *text = transfer->error_text[0] ? transfer->error_text : curl_easy_strerror(code);
        error_set(err, class_of(code), "%s", text);
    }
}

void http_outcome_set(struct http_transfer *transfer, CURLcode code) {
    struct http_request *request = transfer->request;
    request->retry_after_ms = retry_after_parse(transfer);
    if (code == CURLE_OK && transfer->head_ended) {
        return;
    }
    outcome_error(transfer, code);
    long sent_size = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent_size);
    request->error.effect = sent_size > 0 ? EFFECT_UNKNOWN : EFFECT_NONE;
    request->error.http_status = request->status;
}
