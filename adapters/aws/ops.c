/*
 * The AWS adapter's table, and the verbs that are more than one API: list goes through the kinds asked for, one paged
 * API after the other; prices come from the catalogue.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/aws_internal.h"
#include "adapters/common/catalogue.h"
#include "base/mem.h"
#include "base/str.h"

static void aws_free(struct call_host *host) {
    struct aws *aws = CONTAINER_OF(host, struct aws, host);
    aws_auth_release(aws);
    mem_free(aws->endpoint);
    mem_free(aws->region);
    mem_free(aws);
}

static const struct call_cloud cloud = {.sign = aws_sign, .refusal = aws_refusal, .free = aws_free};

static enum err_class check_config(const struct adapter_config *config, struct error *err) {
    for (size_t i = 0; i < config->region_count; i++) {
        if (!aws_region_is_valid(config->regions[i]))
            return error_set(err, ERR_PERMANENT, "not a region of AWS: \"%s\"", config->regions[i]);
    }
    if (config->region_count == 0)
        return error_set(err, ERR_PERMANENT, "aws needs at least one region");
    if (config->endpoint != NULL && !str_has_prefix(config->endpoint, "https://") &&
        !str_has_prefix(config->endpoint, "http://"))
        return error_set(err, ERR_PERMANENT, "not an http or https endpoint: \"%s\"", config->endpoint);
    return ERR_NONE;
}

static enum err_class aws_open(struct adapter **ret, const struct adapter_env *env, const struct adapter_config *config,
                               struct error *err) {
    if (env->http == NULL)
        return error_set(err, ERR_PERMANENT, "aws cannot be used without a network");
    if (check_config(config, err) != ERR_NONE)
        return err->class;
    struct aws *aws = mem_alloc(sizeof(*aws));
    call_host_init(&aws->host, &adapter_aws, &cloud, env);
    aws->host.gate = config->gate;
    aws->catalogue = env->catalogue;
    aws->region = mem_strdup(config->regions[0]);
    if (config->endpoint != NULL) {
        aws->endpoint = mem_strdup(config->endpoint);
        for (size_t size = strlen(aws->endpoint); size > 0 && aws->endpoint[size - 1] == '/'; size--)
            aws->endpoint[size - 1] = '\0';
    }
    if (aws_auth_open(aws, config, err) != ERR_NONE) {
        aws_free(&aws->host);
        return err->class;
    }
    *ret = &aws->host.adapter;
    return ERR_NONE;
}

static struct aws *from(struct adapter *self) {
    return CONTAINER_OF(self, struct aws, host.adapter);
}

/* account */

static void account_build(struct call *call) {
    aws_call_begin(call, call->state, "GetCallerIdentity");
}

static enum exchange_next account_read(struct call *call, struct error *err) {
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    if (root == NULL)
        return EXCHANGE_DONE;
    const char *account = xml_text(root, "GetCallerIdentityResult/Account");
    if (account[0] == '\0')
        error_set(err, ERR_RETRYABLE, "the reply names no account");
    call->outer->reply.as.operation = arena_strdup(call->outer->arena, account);
    return EXCHANGE_DONE;
}

static const struct call_verb account_verb = {
    .name = "account", .priority = GATE_INVENTORY, .build = account_build, .read = account_read};

static void aws_account(struct adapter *self, struct adapter_call *outer) {
    struct aws *aws = from(self);
    struct call *call = call_new(&aws->host, outer, &account_verb, sizeof(struct aws_scope));
    *(struct aws_scope *)call->state = (struct aws_scope){&aws_sts, aws->region};
    call_start(call);
}

/* list */

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

static void aws_list(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    struct aws *aws = from(self);
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

/* prices: no exchange at all, but done later all the same. */

static const struct call_verb prices_verb = {.name = "prices", .priority = GATE_INVENTORY};

static void select_types(struct adapter_call *outer, const struct catalogue *catalogue,
                         const struct cloud_query *query) {
    struct cloud_offer *offers = arena_alloc_array(outer->arena, query->type_count, sizeof(*offers));
    size_t count = 0;
    for (size_t i = 0; i < query->type_count; i++) {
        if (catalogue_find(catalogue, "aws", query->region, query->types[i], &offers[count]))
            count++;
    }
    outer->reply.as.offers = offers;
    outer->reply.count = count;
}

static void aws_prices(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    struct aws *aws = from(self);
    struct call *call = call_new(&aws->host, outer, &prices_verb, 0);
    if (aws->catalogue == NULL) {
        call_refuse(call, "aws: prices: there is no catalogue");
        return;
    }
    if (query->types != NULL)
        select_types(outer, aws->catalogue, query);
    else
        outer->reply.count =
            catalogue_region(aws->catalogue, "aws", query->region, outer->arena, &outer->reply.as.offers);
    call_end(call, NULL);
}

static void aws_usage_verb(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    aws_usage(from(self), outer, query);
}

static void aws_apply_verb(struct adapter *self, struct adapter_call *outer, const struct cloud_action *action) {
    aws_apply(from(self), outer, action);
}

static void aws_poll_verb(struct adapter *self, struct adapter_call *outer, const char *operation) {
    aws_poll(from(self), outer, operation);
}

static void refuse(struct adapter *self, struct adapter_call *outer, const char *verb) {
    static const struct call_verb refused_verb = {.name = "refused"};
    struct call *call = call_new(&from(self)->host, outer, &refused_verb, 0);
    call_refuse(call, "aws: %s: not read by this version", verb);
}

static void aws_charges(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    (void)query;
    refuse(self, outer, "charges");
}

static void aws_limits(struct adapter *self, struct adapter_call *outer, const struct cloud_query *query) {
    (void)query;
    refuse(self, outer, "limits");
}

#define BIT(verb) (1u << (verb))

const struct adapter_ops adapter_aws = {
    .type = "aws",
    .kinds = 1u << CLOUD_INSTANCE_GROUP | 1u << CLOUD_INSTANCE,
    .verbs =
        {
            [CLOUD_INSTANCE_GROUP] = BIT(CLOUD_SCALE) | BIT(CLOUD_TAG),
            [CLOUD_INSTANCE] = BIT(CLOUD_RESIZE) | BIT(CLOUD_START) | BIT(CLOUD_STOP) | BIT(CLOUD_CREATE) |
                               BIT(CLOUD_DELETE) | BIT(CLOUD_TAG),
            [CLOUD_VOLUME] = BIT(CLOUD_TAKE_SNAPSHOT) | BIT(CLOUD_DELETE) | BIT(CLOUD_TAG),
            [CLOUD_SNAPSHOT] = BIT(CLOUD_DELETE) | BIT(CLOUD_TAG),
            [CLOUD_ADDRESS] = BIT(CLOUD_DELETE) | BIT(CLOUD_TAG),
        },
    .tokens = BIT(CLOUD_CREATE),
    .open = aws_open,
    .close = call_host_close,
    .account = aws_account,
    .list = aws_list,
    .prices = aws_prices,
    .usage = aws_usage_verb,
    .charges = aws_charges,
    .limits = aws_limits,
    .apply = aws_apply_verb,
    .poll = aws_poll_verb,
    .cancel = call_host_cancel,
};
