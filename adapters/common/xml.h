/*
 * XML replies as a small tree in an arena. Elements and text only: attributes, comments and prefixes carry nothing that
 * an adapter needs. A document type, and with it every entity, is refused; depth and the count of elements are bounded.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_COMMON_XML_H
#define TRIMTAB_ADAPTERS_COMMON_XML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct xml_node {
    const char *name;
    const char *text; /* Of an element without children, verbatim; "" otherwise. */
    struct xml_node *first;
    struct xml_node *next; /* The next sibling. */
};

#define XML_DEPTH_MAX 48
#define XML_NODES_MAX 2000000

/* What is empty, cut short, too deep, too large or no XML at all is ERR_RETRYABLE: the server's fault, not ours. */
MUST_CHECK enum err_class xml_parse(struct bytes text, struct arena *arena, const struct xml_node **ret,
                                    struct error *err);

/* The same for long lists, of which only one item is in memory at a time. */
struct xml_items {
    const char *path;          /* Of each item, below the root: "reservationSet/item". */
    const char *const *fields; /* The children of an item that are kept, NULL-ended; NULL: all. */
    /* In the order of the document, also of one that turns out bad later. The tree lives until this returns. */
    void (*item)(void *ctx, const struct xml_node *item);
    void *ctx;
};
/* *ret: what is there besides the items. items NULL: as xml_parse. */
MUST_CHECK enum err_class xml_parse_items(struct bytes text, struct arena *arena, const struct xml_items *items,
                                          const struct xml_node **ret, struct error *err);

/* All readers accept NULL and then say "absent". */
const struct xml_node *xml_child(const struct xml_node *node, const char *name); /* The first of that name. */
const struct xml_node *xml_at(const struct xml_node *node, const char *path);    /* "a/b/c" below node. */
const char *xml_text(const struct xml_node *node, const char *path);             /* "" if absent. */
int64_t xml_int(const struct xml_node *node, const char *path, int64_t fallback);
/* The first element of that name in the whole tree, in the order of the document. */
const struct xml_node *xml_find(const struct xml_node *node, const char *name);
/* for (e = xml_first(list, "member"); e != NULL; e = xml_next(e, "member")) */
const struct xml_node *xml_first(const struct xml_node *list, const char *name);
const struct xml_node *xml_next(const struct xml_node *node, const char *name);
size_t xml_count(const struct xml_node *list, const char *name);

#endif
