/*
 * What a listing asks afterwards about what it found: the machine types of empty groups, by their launch templates; and
 * the size of the types that the catalogue does not know. Both are few requests, bounded, and a refusal leaves unknown
 * what was unknown.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "adapters/aws/inventory.h"
#include "base/mem.h"
#include "base/str.h"

#define TEMPLATE_REQUESTS_MAX 50
#define TEMPLATE_VERSIONS_MAX 200 /* Of one request; the API's limit. */
#define TYPES_MAX 1000
#define TYPES_PER_REQUEST 100 /* The API's limit. */

#define LATEST "$Latest"
#define DEFAULT "$Default"

/* Whether a refusal says only that this one thing cannot be told. */
static bool is_bearable(const struct error *err) {
    return err->class == ERR_PERMISSION || err->class == ERR_PERMANENT || err->class == ERR_CONFLICT;
}

/* Launch templates. */

void aws_templates_add(struct aws_list *list, const struct xml_node *specification) {
    const char *id = xml_text(specification, "LaunchTemplateId");
    const char *name = xml_text(specification, "LaunchTemplateName");
    const char *version = xml_text(specification, "Version");
    if (id[0] == '\0' && name[0] == '\0')
        return;
    list->templates = arena_push(list->scratch, list->templates, list->template_count, sizeof(*list->templates));
    list->templates[list->template_count++] =
        (struct aws_template){.item = list->count - 1,
                              .is_name = id[0] == '\0',
                              .template = arena_strdup(list->scratch, id[0] != '\0' ? id : name),
                              .version = arena_strdup(list->scratch, version[0] != '\0' ? version : DEFAULT)};
}

static int template_cmp(const void *a, const void *b) {
    const struct aws_template *x = a, *y = b;
    int order = x->is_name - y->is_name;
    if (order == 0)
        order = str_cmp(x->template, y->template);
    return order != 0 ? order : str_cmp(x->version, y->version);
}

static bool is_same_template(const struct aws_template *a, const struct aws_template *b) {
    return a->is_name == b->is_name && str_eq(a->template, b->template);
}

bool aws_templates_begin(struct aws_list *list) {
    if (list->template_count > 1)
        qsort(list->templates, list->template_count, sizeof(*list->templates), template_cmp);
    return list->template_count > 0;
}

/* All versions of one template that groups name are one request. */
void aws_templates_build(struct call *call, struct aws_list *list) {
    const struct aws_template *first = &list->templates[list->template_at];
    size_t versions = 0, at = list->template_at;
    aws_call_begin(call, &list->scope, "DescribeLaunchTemplateVersions");
    aws_query_put(&call->exchange, first->is_name ? "LaunchTemplateName" : "LaunchTemplateId", first->template);
    for (; at < list->template_count && is_same_template(&list->templates[at], first); at++) {
        if (at > list->template_at && str_eq(list->templates[at].version, list->templates[at - 1].version))
            continue;
        if (versions == TEMPLATE_VERSIONS_MAX)
            break;
        aws_query_put(&call->exchange, arena_printf(&call->exchange.arena, "LaunchTemplateVersion.%zu", ++versions),
                      list->templates[at].version);
    }
    list->template_end = at;
    list->template_requests++;
}

/* The one that the version means among those that were asked for. */
static const struct xml_node *find_version(const struct xml_node *set, const char *version) {
    const struct xml_node *found = NULL;
    for (const struct xml_node *one = xml_first(set, "item"); one != NULL; one = xml_next(one, "item")) {
        if (str_eq(version, DEFAULT) ? str_eq(xml_text(one, "defaultVersion"), "true")
                                     : str_eq(version, xml_text(one, "versionNumber")))
            return one;
        if (str_eq(version, LATEST) &&
            (found == NULL || xml_int(one, "versionNumber", 0) > xml_int(found, "versionNumber", 0)))
            found = one;
    }
    return found;
}

static enum exchange_next next_template(struct aws_list *list) {
    list->template_at = list->template_end;
    return list->template_at < list->template_count && list->template_requests < TEMPLATE_REQUESTS_MAX ? EXCHANGE_MORE
                                                                                                       : EXCHANGE_DONE;
}

enum exchange_next aws_templates_read(struct call *call, struct aws_list *list, struct error *err) {
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    const struct xml_node *set = xml_at(root, "launchTemplateVersionSet");
    for (size_t i = list->template_at; root != NULL && i < list->template_end; i++) {
        struct cloud_resource *group = &list->items[list->templates[i].item];
        const struct xml_node *version = find_version(set, list->templates[i].version);
        group->type = aws_list_text(list, version, "launchTemplateData/instanceType");
        aws_list_size(list, group);
    }
    return next_template(list);
}

enum exchange_next aws_templates_failed(struct aws_list *list, struct error *err) {
    if (!is_bearable(err))
        return EXCHANGE_DONE;
    bool is_forbidden = err->class == ERR_PERMISSION;
    *err = (struct error){0};
    return is_forbidden ? EXCHANGE_DONE : next_template(list);
}

/* Types. */

static int type_cmp(const void *a, const void *b) {
    return str_cmp(((const struct aws_type *)a)->name, ((const struct aws_type *)b)->name);
}

static bool lacks_size(const struct cloud_resource *resource) {
    return (resource->kind == CLOUD_INSTANCE || resource->kind == CLOUD_INSTANCE_GROUP) && resource->type[0] != '\0' &&
           (resource->vcpu_milli == 0 || resource->memory_mib == 0);
}

bool aws_types_begin(struct aws_list *list) {
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        count += lacks_size(&list->items[i]);
    if (count == 0)
        return false;
    struct aws_type *types = arena_alloc_array(list->scratch, count, sizeof(*types));
    count = 0;
    for (size_t i = 0; i < list->count; i++) {
        /* Equal texts are mostly one text: a cheap filter before the sort. */
        if (lacks_size(&list->items[i]) && (count == 0 || types[count - 1].name != list->items[i].type))
            types[count++].name = list->items[i].type;
    }
    qsort(types, count, sizeof(*types), type_cmp);
    list->types = types;
    for (size_t i = 0; i < count && list->type_count < TYPES_MAX; i++) {
        if (i == 0 || !str_eq(types[i].name, types[list->type_count - 1].name))
            types[list->type_count++] = types[i];
    }
    return true;
}

static size_t types_end(const struct aws_list *list) {
    size_t left = list->type_count - list->type_at;
    return list->type_at + (left < TYPES_PER_REQUEST ? left : TYPES_PER_REQUEST);
}

/* By a filter, not by name: one name that is no longer sold would fail the whole request. */
void aws_types_build(struct call *call, struct aws_list *list) {
    struct exchange *exchange = &call->exchange;
    size_t end = types_end(list);
    aws_call_begin(call, &list->scope, "DescribeInstanceTypes");
    aws_query_put(exchange, "Filter.1.Name", "instance-type");
    for (size_t i = list->type_at; i < end; i++)
        aws_query_put(exchange, arena_printf(&exchange->arena, "Filter.1.Value.%zu", i - list->type_at + 1),
                      list->types[i].name);
    aws_query_put_int(exchange, "MaxResults", TYPES_PER_REQUEST);
    if (call->page_token[0] != '\0')
        aws_query_put(exchange, "NextToken", call->page_token);
}

static struct aws_type *find_type(const struct aws_list *list, const char *name) {
    const struct aws_type wanted = {.name = name};
    return bsearch(&wanted, list->types, list->type_count, sizeof(*list->types), type_cmp);
}

static void on_type(void *ctx, const struct xml_node *item) {
    struct aws_type *type = find_type(ctx, xml_text(item, "instanceType"));
    int64_t vcpus = xml_int(item, "vCpuInfo/defaultVCpus", 0);
    if (type == NULL)
        return;
    type->vcpu_milli = vcpus > 0 && vcpus < 1000000 ? vcpus * 1000 : 0;
    type->memory_mib = xml_int(item, "memoryInfo/sizeInMiB", 0);
}

/* Of the machines' own answers we keep what they tell. */
static void apply_types(struct aws_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        struct cloud_resource *resource = &list->items[i];
        const struct aws_type *type = lacks_size(resource) ? find_type(list, resource->type) : NULL;
        if (type == NULL)
            continue;
        if (resource->vcpu_milli == 0)
            resource->vcpu_milli = type->vcpu_milli;
        if (type->memory_mib > 0)
            resource->memory_mib = type->memory_mib;
    }
}

enum exchange_next aws_types_read(struct call *call, struct aws_list *list, struct error *err) {
    static const char *const fields[] = {"instanceType", "vCpuInfo", "memoryInfo", NULL};
    const struct xml_items items = {.path = "instanceTypeSet/item", .fields = fields, .item = on_type, .ctx = list};
    const struct xml_node *root = aws_query_items(&call->exchange, call->label, &items, err);
    if (root == NULL || call_page(call, xml_text(root, "nextToken"), err) == EXCHANGE_MORE)
        return EXCHANGE_MORE;
    call_pages_restart(call);
    list->type_at = types_end(list);
    if (list->type_at < list->type_count)
        return EXCHANGE_MORE;
    apply_types(list);
    return EXCHANGE_DONE;
}

enum exchange_next aws_types_failed(struct aws_list *list, struct error *err) {
    if (!is_bearable(err))
        return EXCHANGE_DONE;
    *err = (struct error){0};
    apply_types(list); /* Those of the requests before. */
    return EXCHANGE_DONE;
}
