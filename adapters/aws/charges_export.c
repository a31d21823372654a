/*
 * The bill from a FOCUS export in S3: list the objects, choose, and stream one after the other through the reader until
 * enough rows have come. Nothing of an object is held but the present row.
 *
 *     LIST --(pages)--> choose --> OBJECT --(each)--> OBJECT ... end: cursor ""
 *                                     '-- count_max rows --> cursor "row#etag#key"
 *
 * The next call lists anew and goes on in the same version of the same object: it is sent again from its start, since
 * gzip has no middle. An export that was written anew meanwhile is a conflict: the caller begins again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/aws/charges.h"
#include "adapters/common/focus.h"
#include "base/str.h"
#include "base/timefmt.h"

#define OBJECTS_MAX 20000
#define CHANGED "the export was written anew while it was read: begin again"

struct export_state {
    struct aws_scope scope;
    const struct cloud_query *query;
    bool is_streaming; /* The phase. */
    struct aws_export_object *objects;
    size_t object_count, object_at;
    uint64_t skip_count;     /* Of the present object. */
    const char *cursor_etag; /* NULL: from the beginning. */
    const char *cursor_key;
    struct focus_reader reader;
    struct error error; /* Of the reader. */
    struct cloud_charge *charges;
    size_t count;
};

static void list_build(struct call *call) {
    const struct aws *aws = aws_of(call);
    call->label = "ListObjectsV2";
    aws_s3_begin(aws, &call->exchange, call->state, aws->export_bucket, "");
    aws_s3_query(&call->exchange, "list-type", "2");
    aws_s3_query(&call->exchange, "prefix", aws->export_prefix);
    if (call->page_token[0] != '\0')
        aws_s3_query(&call->exchange, "continuation-token", call->page_token);
}

/* Out of the range: counted, as the cursor counts rows of the object, but not kept. */
static bool on_charge(void *ctx, const struct cloud_charge *charge) {
    struct call *call = ctx;
    struct export_state *state = call->state;
    const struct cloud_query *query = state->query;
    if (charge->charge_period_start_ms < query->from_ms || charge->charge_period_start_ms >= query->to_ms)
        return true;
    if (state->count == query->count_max)
        return false;
    state->charges = arena_push(call->outer->arena, state->charges, state->count, sizeof(*state->charges));
    focus_copy(call->outer->arena, charge, &state->charges[state->count++]);
    return true;
}

static bool on_data(struct http_request *request, struct bytes piece) {
    struct call *call = request->ctx;
    struct export_state *state = call->state;
    bool is_good = focus_feed(&state->reader, piece, &state->error) == ERR_NONE;
    call->has_enough = !is_good || state->reader.is_stopped;
    return !call->has_enough;
}

static void object_build(struct call *call) {
    struct export_state *state = call->state;
    const struct aws *aws = aws_of(call);
    const struct aws_export_object *object = &state->objects[state->object_at];
    call->label = "GetObject";
    aws_s3_begin(aws, &call->exchange, &state->scope, aws->export_bucket, object->key);
    exchange_header(&call->exchange, "if-match", "%s", object->etag);
    call->exchange.request.on_data = on_data;
    focus_release(&state->reader);
    focus_init(&state->reader, on_charge, call);
    state->reader.skip_count = state->skip_count;
    state->error = (struct error){0};
}

static void export_build(struct call *call) {
    const struct export_state *state = call->state;
    call->api = aws_s3.host;
    call->region = state->scope.region;
    if (state->is_streaming)
        object_build(call);
    else
        list_build(call);
}

static enum exchange_next finish(struct call *call, const char *cursor) {
    const struct export_state *state = call->state;
    struct adapter_reply *reply = &call->outer->reply;
    reply->as.charges = state->charges;
    reply->count = state->count;
    reply->cursor = cursor;
    return EXCHANGE_DONE;
}

/* Where the cursor points to; an error if that version is gone. */
static enum err_class seek(struct export_state *state, struct error *err) {
    if (state->cursor_key == NULL)
        return ERR_NONE;
    for (size_t i = 0; i < state->object_count; i++) {
        if (str_eq(state->objects[i].key, state->cursor_key) && str_eq(state->objects[i].etag, state->cursor_etag)) {
            state->object_at = i;
            return ERR_NONE;
        }
    }
    return error_set(err, ERR_CONFLICT, "%s", CHANGED);
}

static void read_object(struct call *call, const struct xml_node *content) {
    struct export_state *state = call->state;
    struct aws_export_object object = {arena_strdup(&call->arena, xml_text(content, "Key")),
                                       arena_strdup(&call->arena, xml_text(content, "ETag")), 0};
    if (!time_parse(xml_text(content, "LastModified"), &object.modified_ms))
        object.modified_ms = 0;
    state->objects = arena_push(&call->arena, state->objects, state->object_count, sizeof(object));
    state->objects[state->object_count++] = object;
}

static enum exchange_next list_read(struct call *call, struct error *err) {
    struct export_state *state = call->state;
    const struct aws *aws = aws_of(call);
    const struct xml_node *root = aws_s3_reply(&call->exchange, "ListBucketResult", err);
    for (const struct xml_node *one = xml_first(root, "Contents"); one != NULL; one = xml_next(one, "Contents"))
        read_object(call, one);
    if (root == NULL)
        return EXCHANGE_DONE;
    if (state->object_count > OBJECTS_MAX) {
        error_set(err, ERR_PERMANENT, "more than %d objects below s3://%s/%s: name a narrower prefix", OBJECTS_MAX,
                  aws->export_bucket, aws->export_prefix);
        return EXCHANGE_DONE;
    }
    bool is_last = !str_eq(xml_text(root, "IsTruncated"), "true");
    if (!is_last && call_page(call, xml_text(root, "NextContinuationToken"), err) == EXCHANGE_MORE)
        return EXCHANGE_MORE;
    const struct cloud_query *query = state->query;
    if (err->class != ERR_NONE ||
        aws_export_choose(state->objects, &state->object_count, query->from_ms, query->to_ms, &call->arena, err) !=
            ERR_NONE ||
        seek(state, err) != ERR_NONE) {
        error_wrap(err, "s3://%s/%s", aws->export_bucket, aws->export_prefix);
        return EXCHANGE_DONE;
    }
    state->is_streaming = true;
    return state->object_count > 0 ? EXCHANGE_MORE : finish(call, "");
}

static enum exchange_next object_read(struct call *call, struct error *err) {
    struct export_state *state = call->state;
    const struct aws_export_object *object = &state->objects[state->object_at];
    if (state->error.class == ERR_NONE && !state->reader.is_stopped)
        (void)!focus_finish(&state->reader, &state->error);
    if (state->error.class != ERR_NONE) {
        *err = state->error;
        error_wrap(err, "%s", object->key);
        return EXCHANGE_DONE;
    }
    if (state->reader.is_stopped)
        return finish(call, arena_printf(call->outer->arena, "%llu#%s#%s", (unsigned long long)state->reader.row_count,
                                         object->etag, object->key));
    state->skip_count = 0;
    return ++state->object_at < state->object_count ? EXCHANGE_MORE : finish(call, "");
}

static enum exchange_next export_read(struct call *call, struct error *err) {
    const struct export_state *state = call->state;
    return state->is_streaming ? object_read(call, err) : list_read(call, err);
}

static void export_release(struct call *call) {
    struct export_state *state = call->state;
    focus_release(&state->reader);
}

static const struct call_verb export_verb = {.name = "charges",
                                             .priority = GATE_INVENTORY,
                                             .build = export_build,
                                             .read = export_read,
                                             .release = export_release};

void aws_charges_export(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query) {
    struct call *call = call_new(&aws->host, outer, &export_verb, sizeof(struct export_state));
    struct export_state *state = call->state;
    state->scope = (struct aws_scope){&aws_s3, aws->export_region};
    state->query = query;
    if (query->cursor != NULL && query->cursor[0] != '\0') {
        const char *rest = aws_cursor_parse(query->cursor, &state->skip_count);
        const char *key = rest != NULL ? strchr(rest, '#') : NULL;
        if (key == NULL) {
            call_refuse(call, "aws: charges: not a cursor of this export");
            return;
        }
        state->cursor_etag = arena_strndup(&call->arena, rest, (size_t)(key - rest));
        state->cursor_key = arena_strdup(&call->arena, key + 1);
    }
    call_start(call);
}
