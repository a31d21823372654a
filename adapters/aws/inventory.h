/*
 * What the files behind the verb `list` share. A listing is a row of steps, each of which asks one API until it has
 * told all: first those that list a kind, page by page, then those that complete what was found (the types of empty
 * groups, the size of unknown types, the tags of buckets).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_AWS_INVENTORY_H
#define TRIMTAB_ADAPTERS_AWS_INVENTORY_H

#include "adapters/aws/aws_internal.h"
#include "adapters/common/texts.h"

struct aws_list;

struct aws_pages { /* An API of the query protocol that lists a kind. */
    const char *action;
    const char *size_name;           /* Of the parameter that asks for page_size items; NULL: not paged. */
    int page_size;                   /* The API's limit. */
    const char *const *parameters;   /* Names and values in turn, NULL-ended; NULL: none. */
    const char *set, *items, *token; /* Where they stand in the reply, below its root; a reply without set is none. */
    const char *const *fields;       /* The children of an item that add reads, NULL-ended. */
    void (*add)(struct aws_list *list, const struct xml_node *item);
};
extern const struct aws_pages aws_groups, aws_instances, aws_volumes, aws_snapshots, aws_addresses;

struct aws_step {
    uint32_t kinds; /* It is of use when one of these is asked for. */
    const struct aws_service *service;
    const struct aws_pages *pages; /* NULL: the functions below. */
    bool completes;                /* Also done for a list that was cut. */
    /* False: there is nothing to ask. NULL: there always is. */
    bool (*begin)(struct aws_list *list);
    void (*build)(struct call *call, struct aws_list *list);
    /* EXCHANGE_DONE: the step is over, or *err says why it failed. */
    enum exchange_next (*read)(struct call *call, struct aws_list *list, struct error *err);
    /* Clears *err to go on without what was refused; NULL: that ends the call. */
    enum exchange_next (*failed)(struct aws_list *list, struct error *err);
};

struct aws_template { /* An empty group: only its launch template tells the type of its machines. */
    size_t item;
    bool is_name; /* The template is named, not identified. */
    const char *template, *version;
};

struct aws_type {
    const char *name;
    int64_t vcpu_milli, memory_mib;
};

struct aws_list {
    struct aws_scope scope; /* First: the signature finds it there. */
    const struct cloud_query *query;
    const struct catalogue *catalogue;
    const struct aws_step *step; /* The present one. */
    struct arena *scratch;       /* The call's. */
    bool is_cut;

    /* What was found, in the caller's arena. */
    struct arena *arena;
    const char *region;
    int64_t as_of_ms; /* When the request for this page was sent. */
    struct texts texts;
    struct cloud_resource *items;
    size_t count, capacity;

    /* The steps' own. */
    struct aws_template *templates;
    size_t template_count, template_at, template_end, template_requests;
    struct aws_type *types;
    size_t type_count, type_at;
    size_t bucket_first, bucket_at, bucket_requests, buckets_denied;
    bool buckets_are_listed, buckets_lack_region, is_bucket_located;
};

/* The resource stays in place until the next is added. */
struct cloud_resource *aws_list_add(struct aws_list *list, enum cloud_kind kind, const char *id);
/* As texts_keep, of an element's text. */
const char *aws_list_text(struct aws_list *list, const struct xml_node *node, const char *path);
/* Sorted by key; item, key, value: the names of the elements. */
void aws_list_tags(struct aws_list *list, struct cloud_resource *resource, const struct xml_node *tags,
                   const char *item, const char *key, const char *value);
/* The time in an element, 0 if there is none. */
int64_t aws_list_time(const struct xml_node *node, const char *path);
/* vCPU and memory by the type, from the catalogue. */
void aws_list_size(const struct aws_list *list, struct cloud_resource *resource);

/* complete.c. An empty group, the last one added, whose launch template tells the type of its machines. */
void aws_templates_add(struct aws_list *list, const struct xml_node *specification);
bool aws_templates_begin(struct aws_list *list);
void aws_templates_build(struct call *call, struct aws_list *list);
enum exchange_next aws_templates_read(struct call *call, struct aws_list *list, struct error *err);
enum exchange_next aws_templates_failed(struct aws_list *list, struct error *err);
bool aws_types_begin(struct aws_list *list);
void aws_types_build(struct call *call, struct aws_list *list);
enum exchange_next aws_types_read(struct call *call, struct aws_list *list, struct error *err);
enum exchange_next aws_types_failed(struct aws_list *list, struct error *err);

/* buckets.c */
bool aws_buckets_begin(struct aws_list *list);
void aws_buckets_build(struct call *call, struct aws_list *list);
enum exchange_next aws_buckets_read(struct call *call, struct aws_list *list, struct error *err);
bool aws_bucket_tags_begin(struct aws_list *list);
void aws_bucket_tags_build(struct call *call, struct aws_list *list);
enum exchange_next aws_bucket_tags_read(struct call *call, struct aws_list *list, struct error *err);
enum exchange_next aws_bucket_tags_failed(struct aws_list *list, struct error *err);

#endif
