/*
 * Cuts a stream of bytes into JSON values without building a tree of the whole, so that a 200 MB list never stands in
 * memory. Two forms: a watch (values one after another, white space between) and a list (the elements of the array
 * under the top-level key "items"; everything else of the top level is handed over once at the end as one small object
 * without items).
 *
 * The cutter tracks strings, escapes and depth only; each value is parsed by json_parse_trusted when it is handed over.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_JSON_STREAM_H
#define TRIMTAB_BASE_JSON_STREAM_H

#include "base/json.h"

enum json_stream_form { JSON_STREAM_VALUES, JSON_STREAM_LIST };

/* Called for each value; the root is freed after the call. Return false to stop (json_stream_feed then returns
 * ERR_CANCELLED). */
typedef bool json_stream_value_fn(void *ctx, const struct json *value);

/* May look at a value's text before it is parsed: gives it back, or a shorter text for it (which lives until the next
 * call), or size 0 to pass over it. What need not be parsed is the cheapest. */
typedef struct bytes json_stream_filter_fn(void *ctx, struct bytes text);

struct json_stream {
    enum json_stream_form form;
    json_stream_value_fn *on_value;
    json_stream_filter_fn *filter; /* NULL: none. Not asked for the envelope of a list. */
    json_stream_value_fn *on_rest; /* LIST: the envelope ({"kind","metadata",...}) when it has closed; may be NULL. */
    void *ctx;
    size_t value_size_max; /* JSON_SIZE_MAX unless lowered. A larger single value is ERR_PERMANENT. */
    /* private */
    struct buf pending;
    struct buf rest;
    size_t scanned;
    int depth;
    int state;
    bool in_token, in_string, escaped, is_items;
};

void json_stream_init(struct json_stream *stream, enum json_stream_form form, json_stream_value_fn *on_value,
                      void *ctx);
void json_stream_release(struct json_stream *stream);
MUST_CHECK enum err_class json_stream_feed(struct json_stream *stream, struct bytes chunk, struct error *err);
/* End of input: ERR_RETRYABLE "truncated" if a value is unfinished. */
MUST_CHECK enum err_class json_stream_finish(struct json_stream *stream, struct error *err);

#endif
