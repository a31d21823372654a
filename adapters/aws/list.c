/*
 * The verb list: goes through the steps that the kinds asked for need, and gathers what they tell.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "adapters/aws/inventory.h"
#include "adapters/common/catalogue.h"
#include "base/mem.h"
#include "base/timefmt.h"

#define KIND(name) (1u << CLOUD_##name)

/* Groups before instances, so that a machine that a group starts in between is seen; buckets last, since their tags are
 * asked for one by one. */
static const struct aws_step steps[] = {
    {.kinds = KIND(INSTANCE_GROUP), .service = &aws_autoscaling, .pages = &aws_groups},
    {.kinds = KIND(INSTANCE), .service = &aws_ec2, .pages = &aws_instances},
    {.kinds = KIND(VOLUME), .service = &aws_ec2, .pages = &aws_volumes},
    {.kinds = KIND(SNAPSHOT), .service = &aws_ec2, .pages = &aws_snapshots},
    {.kinds = KIND(ADDRESS), .service = &aws_ec2, .pages = &aws_addresses},
    {.kinds = KIND(INSTANCE_GROUP),
     .service = &aws_ec2,
     .completes = true,
     .begin = aws_templates_begin,
     .build = aws_templates_build,
     .read = aws_templates_read,
     .failed = aws_templates_failed},
    {.kinds = KIND(INSTANCE_GROUP) | KIND(INSTANCE),
     .service = &aws_ec2,
     .completes = true,
     .begin = aws_types_begin,
     .build = aws_types_build,
     .read = aws_types_read,
     .failed = aws_types_failed},
    {.kinds = KIND(BUCKET),
     .service = &aws_s3,
     .completes = false,
     .begin = aws_buckets_begin,
     .build = aws_buckets_build,
     .read = aws_buckets_read},
    {.kinds = KIND(BUCKET),
     .service = &aws_s3,
     .completes = true,
     .begin = aws_bucket_tags_begin,
     .build = aws_bucket_tags_build,
     .read = aws_bucket_tags_read,
     .failed = aws_bucket_tags_failed},
};

static struct aws_list *list_of(const struct call *call) {
    return call->state;
}

/* The first step from `at` on that has something to ask; NULL: none. */
static const struct aws_step *next_step(struct aws_list *list, const struct aws_step *at) {
    for (; at < steps + ARRAY_LEN(steps); at++) {
        if ((list->query->kinds & at->kinds) != 0 && (!list->is_cut || at->completes) &&
            (at->begin == NULL || at->begin(list)))
            return at;
    }
    return NULL;
}

/* Pages. */

static void pages_build(struct call *call, const struct aws_list *list) {
    const struct aws_pages *pages = list->step->pages;
    aws_call_begin(call, &list->scope, pages->action);
    for (size_t i = 0; pages->parameters != NULL && pages->parameters[i] != NULL; i += 2)
        aws_query_put(&call->exchange, pages->parameters[i], pages->parameters[i + 1]);
    if (pages->size_name != NULL)
        aws_query_put_int(&call->exchange, pages->size_name, pages->page_size);
    if (call->page_token[0] != '\0')
        aws_query_put(&call->exchange, "NextToken", call->page_token);
}

static void on_item(void *ctx, const struct xml_node *item) {
    struct aws_list *list = ctx;
    list->step->pages->add(list, item);
}

static enum exchange_next pages_read(struct call *call, struct aws_list *list, struct error *err) {
    const struct aws_pages *pages = list->step->pages;
    const struct xml_items items = {.path = pages->items, .fields = pages->fields, .item = on_item, .ctx = list};
    const struct xml_node *root = aws_query_items(&call->exchange, pages->action, &items, err);
    if (root == NULL)
        return EXCHANGE_DONE;
    if (xml_at(root, pages->set) == NULL) {
        error_set(err, ERR_RETRYABLE, "the reply holds no %s", pages->set);
        return EXCHANGE_DONE;
    }
    return call_page(call, xml_text(root, pages->token), err);
}

/* The verb. */

static void list_build(struct call *call) {
    struct aws_list *list = list_of(call);
    list->scope.service = list->step->service;
    list->as_of_ms = runtime_wall_ms(call->host->runtime);
    if (list->step->pages != NULL)
        pages_build(call, list);
    else
        list->step->build(call, list);
}

static void list_finish(struct call *call) {
    struct aws_list *list = list_of(call);
    struct adapter_reply *reply = &call->outer->reply;
    if (list->count > 1)
        qsort(list->items, list->count, sizeof(*list->items), cloud_resource_cmp);
    reply->truncated = list->is_cut || list->count > list->query->count_max;
    reply->count = list->count < list->query->count_max ? list->count : list->query->count_max;
    if (list->items != NULL)
        list->items = arena_resize(list->arena, list->items, list->count * sizeof(*list->items));
    reply->as.resources = list->items;
}

static enum exchange_next step_over(struct call *call) {
    struct aws_list *list = list_of(call);
    call_pages_restart(call);
    list->step = next_step(list, list->step + 1);
    if (list->step != NULL)
        return EXCHANGE_MORE;
    list_finish(call);
    return EXCHANGE_DONE;
}

static enum exchange_next list_read(struct call *call, struct error *err) {
    struct aws_list *list = list_of(call);
    const struct aws_step *step = list->step;
    enum exchange_next next = step->pages != NULL ? pages_read(call, list, err) : step->read(call, list, err);
    if (err->class != ERR_NONE)
        return EXCHANGE_DONE;
    if (!step->completes && list->count > list->query->count_max) {
        list->is_cut = true;
        next = EXCHANGE_DONE;
    }
    return next == EXCHANGE_MORE ? next : step_over(call);
}

static enum exchange_next list_failed(struct call *call, struct error *err) {
    struct aws_list *list = list_of(call);
    if (list->step->failed == NULL)
        return EXCHANGE_DONE;
    enum exchange_next next = list->step->failed(list, err);
    return err->class != ERR_NONE || next == EXCHANGE_MORE ? next : step_over(call);
}

static const struct call_verb list_verb = {
    .name = "list", .priority = GATE_INVENTORY, .build = list_build, .read = list_read, .failed = list_failed};

void aws_list(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query) {
    struct call *call = call_new(&aws->host, outer, &list_verb, sizeof(struct aws_list));
    struct aws_list *list = list_of(call);
    if (!aws_region_is_valid(query->region)) {
        call_refuse(call, "aws: not a region: \"%s\"", query->region);
        return;
    }
    list->query = query;
    list->catalogue = aws->catalogue;
    list->scratch = &call->arena;
    list->arena = outer->arena;
    list->region = arena_strdup(outer->arena, query->region);
    list->scope.region = query->region;
    texts_init(&list->texts, outer->arena, &call->arena);
    list->step = next_step(list, steps);
    if (list->step == NULL)
        call_end(call, NULL); /* None of the kinds is known here: nothing to list. */
    else
        call_start(call);
}

/* What is gathered. */

struct cloud_resource *aws_list_add(struct aws_list *list, enum cloud_kind kind, const char *id) {
    if (list->count == list->capacity) {
        list->capacity += list->capacity / 4 + 16;
        list->items = arena_resize(list->arena, list->items, list->capacity * sizeof(*list->items));
    }
    struct cloud_resource *resource = &list->items[list->count++];
    *resource = (struct cloud_resource){.kind = kind,
                                        .region = list->region,
                                        .zone = "",
                                        .id = texts_keep(&list->texts, id),
                                        .name = "",
                                        .type = "",
                                        .count = 1,
                                        .as_of_ms = list->as_of_ms};
    return resource;
}

const char *aws_list_text(struct aws_list *list, const struct xml_node *node, const char *path) {
    return texts_keep(&list->texts, xml_text(node, path));
}

void aws_list_tags(struct aws_list *list, struct cloud_resource *resource, const struct xml_node *tags,
                   const char *item, const char *key, const char *value) {
    size_t room = xml_count(tags, item), count = 0;
    if (room == 0)
        return;
    struct cloud_tag *found = arena_alloc_array(list->arena, room, sizeof(*found));
    for (const struct xml_node *one = xml_first(tags, item); one != NULL; one = xml_next(one, item)) {
        found[count].key = aws_list_text(list, one, key);
        found[count++].value = aws_list_text(list, one, value);
    }
    if (count > 1)
        qsort(found, count, sizeof(*found), cloud_tag_cmp);
    resource->tags = found;
    resource->tag_count = count;
}

int64_t aws_list_time(const struct xml_node *node, const char *path) {
    int64_t time_ms;
    return time_parse(xml_text(node, path), &time_ms) ? time_ms : 0;
}

void aws_list_size(const struct aws_list *list, struct cloud_resource *resource) {
    struct cloud_offer offer;
    if (resource->type[0] == '\0' || list->catalogue == NULL)
        return;
    if (!catalogue_find(list->catalogue, "aws", list->region, resource->type, &offer) &&
        !catalogue_find(list->catalogue, "aws", "", resource->type, &offer))
        return;
    resource->vcpu_milli = offer.vcpu_milli;
    resource->memory_mib = offer.memory_mib;
}
