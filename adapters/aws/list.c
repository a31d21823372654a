/*
 * The verb list: goes through the kinds asked for, one paged API after the other, and gathers what they tell.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "adapters/aws/aws_internal.h"
#include "adapters/common/catalogue.h"
#include "base/mem.h"

struct listing { /* One API that lists one kind. */
    enum cloud_kind kind;
    const struct aws_service *service;
    void (*build)(struct call *call);
    const char *(*read)(struct call *call, struct aws_inventory *inventory, struct error *err);
};

static const struct listing listings[] = {
    {CLOUD_INSTANCE_GROUP, &aws_autoscaling, aws_groups_build, aws_groups_read},
    {CLOUD_INSTANCE, &aws_ec2, aws_instances_build, aws_instances_read},
};

struct list_state {
    struct aws_scope scope;
    const struct cloud_query *query;
    const struct listing *listing; /* The present one. */
    struct aws_inventory inventory;
};

/* The first listing from `at` on that the query wants; NULL: none. */
static const struct listing *next_listing(const struct cloud_query *query, const struct listing *at) {
    for (; at < listings + ARRAY_LEN(listings); at++) {
        if ((query->kinds & (1u << at->kind)) != 0)
            return at;
    }
    return NULL;
}

static void list_build(struct call *call) {
    struct list_state *state = call->state;
    state->scope = (struct aws_scope){state->listing->service, state->query->region};
    state->listing->build(call);
}

static void list_finish(struct call *call) {
    struct list_state *state = call->state;
    struct aws_inventory *found = &state->inventory;
    struct adapter_reply *reply = &call->outer->reply;
    if (found->count > 1)
        qsort(found->items, found->count, sizeof(*found->items), cloud_resource_cmp);
    reply->truncated = found->count > state->query->count_max;
    reply->count = reply->truncated ? state->query->count_max : found->count;
    reply->as.resources = found->items;
}

static enum exchange_next list_read(struct call *call, struct error *err) {
    struct list_state *state = call->state;
    const char *token = state->listing->read(call, &state->inventory, err);
    if (err->class != ERR_NONE)
        return EXCHANGE_DONE;
    if (state->inventory.count > state->query->count_max) {
        list_finish(call);
        return EXCHANGE_DONE;
    }
    enum exchange_next next = call_page(call, token, err);
    if (err->class != ERR_NONE || next == EXCHANGE_MORE)
        return next;
    call_pages_restart(call);
    state->listing = next_listing(state->query, state->listing + 1);
    if (state->listing != NULL)
        return EXCHANGE_MORE;
    list_finish(call);
    return EXCHANGE_DONE;
}

static const struct call_verb list_verb = {
    .name = "list", .priority = GATE_INVENTORY, .build = list_build, .read = list_read};

void aws_list(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query) {
    struct call *call = call_new(&aws->host, outer, &list_verb, sizeof(struct list_state));
    struct list_state *state = call->state;
    state->query = query;
    state->inventory = (struct aws_inventory){outer->arena, aws->catalogue, query->region, NULL, 0};
    state->listing = next_listing(query, listings);
    if (!aws_region_is_valid(query->region)) {
        call_refuse(call, "aws: not a region: \"%s\"", query->region);
        return;
    }
    state->inventory.region = arena_strdup(outer->arena, query->region);
    if (state->listing == NULL)
        call_end(call, NULL); /* None of the kinds is known here: nothing to list. */
    else
        call_start(call);
}

struct cloud_resource *aws_inventory_add(struct aws_inventory *inventory, enum cloud_kind kind, const char *id) {
    inventory->items = arena_push(inventory->arena, inventory->items, inventory->count, sizeof(*inventory->items));
    struct cloud_resource *resource = &inventory->items[inventory->count++];
    *resource = (struct cloud_resource){.kind = kind, .region = inventory->region, .zone = "", .name = "", .type = ""};
    resource->id = arena_strdup(inventory->arena, id);
    return resource;
}

void aws_read_tags(struct aws_inventory *inventory, struct cloud_resource *resource, const struct xml_node *list,
                   const char *item, const char *key, const char *value) {
    size_t count = 0;
    struct cloud_tag *tags = arena_alloc_array(inventory->arena, xml_count(list, item), sizeof(*tags));
    for (const struct xml_node *one = xml_first(list, item); one != NULL; one = xml_next(one, item)) {
        tags[count].key = arena_strdup(inventory->arena, xml_text(one, key));
        tags[count++].value = arena_strdup(inventory->arena, xml_text(one, value));
    }
    if (count > 1)
        qsort(tags, count, sizeof(*tags), cloud_tag_cmp);
    resource->tags = tags;
    resource->tag_count = count;
}

void aws_fill_type(const struct aws_inventory *inventory, struct cloud_resource *resource) {
    struct cloud_offer offer;
    if (resource->type[0] == '\0' || inventory->catalogue == NULL)
        return;
    if (!catalogue_find(inventory->catalogue, "aws", inventory->region, resource->type, &offer) &&
        !catalogue_find(inventory->catalogue, "aws", "", resource->type, &offer))
        return;
    resource->vcpu_milli = offer.vcpu_milli;
    resource->memory_mib = offer.memory_mib;
}
