/*
 * Cutting a stream into values. The bytes of an unfinished token stay in `pending`, from its first byte on; `scanned`
 * says how far the cutter has looked, so that no byte is looked at twice however small the chunks are.
 *
 *     VALUES:  VALUE --value--> VALUE
 *     LIST:    START --{--> FIRST_KEY --key--> COLON --:--> MEMBER --value--> AFTER_MEMBER --}--> DONE
 *                           KEY <--------------------------------------,---+
 *              MEMBER of "items" --[--> FIRST_ITEM --value--> AFTER_ITEM --]--> AFTER_MEMBER
 *                                       ITEM <------,----------+
 *
 * Whether a token is valid JSON is left to the parser; here only its end matters.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/json_stream.h"

#include <string.h>

enum {
    STATE_VALUE,
    STATE_START,
    STATE_FIRST_KEY,
    STATE_KEY,
    STATE_COLON,
    STATE_MEMBER,
    STATE_AFTER_MEMBER,
    STATE_FIRST_ITEM,
    STATE_ITEM,
    STATE_AFTER_ITEM,
    STATE_DONE,
    STATE_FAILED,
};

void json_stream_init(struct json_stream *stream, enum json_stream_form form, json_stream_value_fn *on_value,
                      void *ctx) {
    ASSERT(on_value);
    *stream = (struct json_stream){
        .form = form,
        .on_value = on_value,
        .ctx = ctx,
        .value_size_max = JSON_SIZE_MAX,
        .state = form == JSON_STREAM_VALUES ? STATE_VALUE : STATE_START,
    };
}

void json_stream_release(struct json_stream *stream) {
    buf_release(&stream->pending);
    buf_release(&stream->rest);
}

static bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Moves behind the closing quote; false if the data ends before. */
static bool skip_string(struct json_stream *stream, const char *data, size_t size, size_t *at) {
    size_t i = *at;
    if (stream->escaped && i < size) {
        stream->escaped = false;
        i++;
    }
    while (i < size) {
        char c = data[i++];
        if (c == '"') {
            stream->in_string = false;
            break;
        }
        if (c == '\\') {
            if (i == size)
                stream->escaped = true;
            else
                i++;
        }
    }
    *at = i;
    return !stream->in_string;
}

/* The token is an object, an array or a string: true when its last byte has been passed. */
static bool skip_nested(struct json_stream *stream, const char *data, size_t size, size_t *at) {
    size_t i = *at;
    bool is_done = false;
    while (!is_done && i < size) {
        if (stream->in_string) {
            is_done = skip_string(stream, data, size, &i) && stream->depth == 0;
            continue;
        }
        char c = data[i++];
        if (c == '"') {
            stream->in_string = true;
        } else if (c == '{' || c == '[') {
            stream->depth++;
        } else if (c == '}' || c == ']') {
            is_done = --stream->depth == 0;
        }
    }
    *at = i;
    return is_done;
}

/* A number or a word ends before the first byte that cannot be part of it. */
static bool skip_scalar(const char *data, size_t size, size_t *at) {
    size_t i = *at;
    while (i < size && !is_space(data[i]) && !strchr(",:]}[{\"", data[i]))
        i++;
    *at = i;
    return i < size;
}

static bool skip_token(struct json_stream *stream, const char *data, size_t size, size_t start, size_t *at) {
    char first = data[start];
    if (first == '{' || first == '[' || first == '"')
        return skip_nested(stream, data, size, at);
    return skip_scalar(data, size, at);
}

static enum err_class parse_and_give(struct json_stream *stream, struct bytes text, json_stream_value_fn *give,
                                     struct error *err) {
    struct json *value;
    if (stream->filter && give == stream->on_value) {
        text = stream->filter(stream->ctx, text);
        if (text.size == 0)
            return ERR_NONE;
    }
    enum err_class class = json_parse_trusted(text, &value, err);
    if (class != ERR_NONE)
        return class;
    bool wants_more = give(stream->ctx, value);
    json_free(value);
    return wants_more ? ERR_NONE : error_set(err, ERR_CANCELLED, "JSON stream: stopped by its reader");
}

static enum err_class close_envelope(struct json_stream *stream, struct error *err) {
    buf_puts(&stream->rest, stream->rest.size == 0 ? "{}" : "}");
    stream->state = STATE_DONE;
    if (!stream->on_rest)
        return ERR_NONE;
    return parse_and_give(stream, buf_bytes(&stream->rest), stream->on_rest, err);
}

/* A comma, colon or bracket between tokens, already passed. Anything that does not belong here is an error. */
static enum err_class take_punctuation(struct json_stream *stream, char c, struct error *err) {
    int next = STATE_FAILED;
    if (stream->state == STATE_START && c == '{')
        next = STATE_FIRST_KEY;
    else if (stream->state == STATE_COLON && c == ':')
        next = STATE_MEMBER;
    else if (stream->state == STATE_AFTER_MEMBER && c == ',')
        next = STATE_KEY;
    else if (stream->state == STATE_AFTER_ITEM && c == ',')
        next = STATE_ITEM;
    else if ((stream->state == STATE_FIRST_ITEM || stream->state == STATE_AFTER_ITEM) && c == ']')
        next = STATE_AFTER_MEMBER;
    else if ((stream->state == STATE_FIRST_KEY || stream->state == STATE_AFTER_MEMBER) && c == '}')
        return close_envelope(stream, err);
    if (next == STATE_FAILED)
        return error_set(err, ERR_PERMANENT, "JSON stream: unexpected byte 0x%02x", (unsigned)(unsigned char)c);
    stream->state = next;
    return ERR_NONE;
}

static enum err_class append_rest(struct json_stream *stream, const char *before, struct bytes text,
                                  struct error *err) {
    if (stream->rest.size + text.size + 2 > stream->value_size_max)
        return error_set(err, ERR_PERMANENT, "JSON stream: the envelope exceeds %zu bytes", stream->value_size_max);
    buf_puts(&stream->rest, before);
    buf_append(&stream->rest, text.data, text.size);
    return ERR_NONE;
}

static enum err_class take_key(struct json_stream *stream, struct bytes key, struct error *err) {
    static const char items[] = "\"items\"";
    stream->state = STATE_COLON;
    stream->is_items = key.size == sizeof(items) - 1 && memcmp(key.data, items, key.size) == 0;
    return stream->is_items ? ERR_NONE : append_rest(stream, stream->rest.size == 0 ? "{" : ",", key, err);
}

static enum err_class take_token(struct json_stream *stream, struct bytes token, struct error *err) {
    switch (stream->state) {
    case STATE_VALUE:
        return parse_and_give(stream, token, stream->on_value, err);
    case STATE_FIRST_ITEM:
    case STATE_ITEM:
        stream->state = STATE_AFTER_ITEM;
        return parse_and_give(stream, token, stream->on_value, err);
    case STATE_FIRST_KEY:
    case STATE_KEY:
        return take_key(stream, token, err);
    case STATE_MEMBER:
        stream->state = STATE_AFTER_MEMBER;
        if (!stream->is_items)
            return append_rest(stream, ":", token, err);
        if (token.size == 4 && memcmp(token.data, "null", 4) == 0)
            return ERR_NONE; /* How Go writes an empty list. */
        return error_set(err, ERR_PERMANENT, "JSON stream: items is not an array");
    default:
        ASSERT(!"no token can begin in this state");
    }
}

/* Whether c begins a token here, rather than being punctuation or out of place. */
static bool begins_token(const struct json_stream *stream, char c) {
    switch (stream->state) {
    case STATE_FIRST_KEY:
    case STATE_KEY:
        return c == '"';
    case STATE_MEMBER:
    case STATE_FIRST_ITEM:
    case STATE_ITEM:
    case STATE_VALUE:
        return !strchr(",:]}", c);
    default:
        return false;
    }
}

/* Looks at pending from *at on; *start is the first byte that must be kept. */
static enum err_class cut(struct json_stream *stream, size_t *start, size_t *at, struct error *err) {
    const char *data = stream->pending.data;
    size_t size = stream->pending.size;
    for (;;) {
        if (!stream->in_token) {
            while (*at < size && is_space(data[*at]))
                (*at)++;
            *start = *at;
            if (*at == size)
                return ERR_NONE;
            char c = data[*at];
            if (stream->state == STATE_MEMBER && stream->is_items && c == '[') {
                stream->state = STATE_FIRST_ITEM;
                *start = ++*at;
                continue;
            }
            if (!begins_token(stream, c)) {
                *start = ++*at;
                if (take_punctuation(stream, c, err) != ERR_NONE)
                    return err->class;
                continue;
            }
            stream->in_token = true;
            stream->depth = 0;
        }
        bool is_whole = skip_token(stream, data, size, *start, at);
        if (*at - *start > stream->value_size_max)
            return error_set(err, ERR_PERMANENT, "JSON stream: a value exceeds %zu bytes", stream->value_size_max);
        if (!is_whole)
            return ERR_NONE;
        stream->in_token = false;
        struct bytes token = {data + *start, *at - *start};
        *start = *at;
        if (take_token(stream, token, err) != ERR_NONE)
            return err->class;
    }
}

enum err_class json_stream_feed(struct json_stream *stream, struct bytes chunk, struct error *err) {
    if (stream->state == STATE_FAILED)
        return error_set(err, ERR_PERMANENT, "JSON stream: fed after an error");
    buf_append(&stream->pending, chunk.data, chunk.size);
    size_t start = 0, at = stream->scanned;
    enum err_class class = cut(stream, &start, &at, err);
    buf_consume(&stream->pending, start);
    stream->scanned = at - start;
    if (class != ERR_NONE)
        stream->state = STATE_FAILED;
    return class;
}

enum err_class json_stream_finish(struct json_stream *stream, struct error *err) {
    /* White space ends a number or word at the very end of the input. */
    enum err_class class = json_stream_feed(stream, (struct bytes){"\n", 1}, err);
    if (class != ERR_NONE)
        return class;
    bool is_complete = stream->state == STATE_DONE || (stream->state == STATE_VALUE && !stream->in_token);
    return is_complete ? ERR_NONE : error_set(err, ERR_RETRYABLE, "JSON stream: truncated");
}
