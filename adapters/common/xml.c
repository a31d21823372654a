/*
 * expat's events to a tree, or to one tree after the other. The parser is stopped at the first thing that is refused;
 * its own errors become messages with the line, never with text of the document, which may hold a secret.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/common/xml.h"

#include <expat.h>
#include <string.h>

#include "base/str.h"

struct builder {
    XML_Parser parser;
    struct arena *arena;
    struct xml_node *root;
    struct xml_node *open[XML_DEPTH_MAX]; /* The path to the current element... */
    struct xml_node *last[XML_DEPTH_MAX]; /* ...and the last child of each, NULL if none yet. */
    size_t depth;
    size_t node_count;
    size_t skipped; /* Open elements that are not kept, all below the current one. */
    struct buf text;
    const char *refused;

    /* Only with items. */
    const struct xml_items *items;
    struct arena item_arena;
    size_t matched;    /* How many of the open elements below the root follow the path. */
    size_t item_depth; /* The depth of what is in the item; 0: outside. */
};

static void refuse(struct builder *self, const char *why) {
    if (self->refused == NULL)
        self->refused = why;
    XML_StopParser(self->parser, XML_FALSE);
}

/* The part of the path that an element of this depth must be named by; size 0: there is none. */
static struct bytes path_part(const char *path, size_t depth) {
    for (size_t i = 1; i < depth; i++) {
        path += strcspn(path, "/");
        path += *path == '/';
    }
    return (struct bytes){path, strcspn(path, "/")};
}

/* Whether this element, about to be opened, is an item; keeps count of how much of the path has been gone. */
static bool begins_item(struct builder *self, const char *name) {
    if (self->item_depth > 0 || self->depth == 0 || self->matched != self->depth - 1)
        return false;
    struct bytes part = path_part(self->items->path, self->depth);
    if (part.size == 0 || strncmp(part.data, name, part.size) != 0 || name[part.size] != '\0')
        return false;
    self->matched = self->depth;
    return part.data[part.size] == '\0';
}

static bool is_unwanted(const struct builder *self, const char *name) {
    if (self->items == NULL || self->items->fields == NULL || self->item_depth == 0 || self->depth != self->item_depth)
        return false;
    for (const char *const *field = self->items->fields; *field != NULL; field++) {
        if (str_eq(*field, name))
            return false;
    }
    return true;
}

static void skip(struct builder *self) {
    if (self->skipped++ == 0)
        XML_SetCharacterDataHandler(self->parser, NULL);
}

static void on_start(void *ctx, const char *name, const char **attributes) {
    (void)attributes;
    struct builder *self = ctx;
    if (self->depth + self->skipped == XML_DEPTH_MAX) {
        refuse(self, "is nested too deeply");
        return;
    }
    if (++self->node_count > XML_NODES_MAX) {
        refuse(self, "has too many elements");
        return;
    }
    if (self->skipped > 0 || is_unwanted(self, name)) {
        skip(self);
        return;
    }
    bool is_item = self->items != NULL && begins_item(self, name);
    if (is_item)
        self->item_depth = self->depth + 1;
    struct arena *arena = self->item_depth > 0 ? &self->item_arena : self->arena;
    struct xml_node *node = arena_alloc(arena, sizeof(*node));
    node->name = arena_strdup(arena, name);
    node->text = "";
    if (self->depth == 0) {
        self->root = node;
    } else if (is_item) {
        /* Belongs to nobody: it goes when it has been read. */
    } else if (self->last[self->depth - 1] != NULL) {
        self->last[self->depth - 1]->next = node;
        self->last[self->depth - 1] = node;
    } else {
        self->open[self->depth - 1]->first = node;
        self->last[self->depth - 1] = node;
    }
    self->open[self->depth] = node;
    self->last[self->depth] = NULL;
    self->depth++;
    buf_clear(&self->text);
}

static void on_text(void *ctx, const char *text, int size);

static void on_end(void *ctx, const char *name) {
    (void)name;
    struct builder *self = ctx;
    if (self->skipped > 0) {
        if (--self->skipped == 0)
            XML_SetCharacterDataHandler(self->parser, on_text);
        return;
    }
    ASSERT(self->depth > 0);
    struct xml_node *node = self->open[--self->depth];
    struct arena *arena = self->item_depth > 0 ? &self->item_arena : self->arena;
    if (node->first == NULL && self->text.size > 0)
        node->text = arena_strndup(arena, self->text.data, self->text.size);
    buf_clear(&self->text);
    if (self->item_depth == self->depth + 1) {
        self->items->item(self->items->ctx, node);
        arena_clear(&self->item_arena);
        self->item_depth = 0;
    }
    if (self->item_depth == 0 && self->depth > 0 && self->matched >= self->depth)
        self->matched = self->depth - 1;
}

static void on_text(void *ctx, const char *text, int size) {
    struct builder *self = ctx;
    buf_append(&self->text, text, (size_t)size);
}

static void on_doctype(void *ctx, const char *name, const char *system_id, const char *public_id, int has_subset) {
    (void)name, (void)system_id, (void)public_id, (void)has_subset;
    refuse(ctx, "has a document type");
}

static enum err_class fail(struct builder *self, struct error *err) {
    if (self->refused != NULL)
        return error_set(err, ERR_RETRYABLE, "the XML %s", self->refused);
    return error_set(err, ERR_RETRYABLE, "not well-formed XML: %s in line %lu",
                     XML_ErrorString(XML_GetErrorCode(self->parser)),
                     (unsigned long)XML_GetCurrentLineNumber(self->parser));
}

enum err_class xml_parse(struct bytes text, struct arena *arena, const struct xml_node **ret, struct error *err) {
    return xml_parse_items(text, arena, NULL, ret, err);
}

enum err_class xml_parse_items(struct bytes text, struct arena *arena, const struct xml_items *items,
                               const struct xml_node **ret, struct error *err) {
    if (text.size == 0)
        return error_set(err, ERR_RETRYABLE, "the reply is empty");
    if (text.size > INT32_MAX)
        return error_set(err, ERR_RETRYABLE, "the reply is too large");
    struct builder self = {.parser = XML_ParserCreate(NULL), .arena = arena, .items = items};
    ASSERT(self.parser != NULL);
    XML_SetUserData(self.parser, &self);
    XML_SetElementHandler(self.parser, on_start, on_end);
    XML_SetCharacterDataHandler(self.parser, on_text);
    XML_SetStartDoctypeDeclHandler(self.parser, on_doctype);
    enum err_class class = ERR_NONE;
    if (XML_Parse(self.parser, text.data, (int)text.size, /* isFinal= */ 1) == XML_STATUS_OK)
        *ret = self.root;
    else
        class = fail(&self, err);
    XML_ParserFree(self.parser);
    arena_release(&self.item_arena);
    buf_release(&self.text);
    return class;
}

const struct xml_node *xml_first(const struct xml_node *list, const char *name) {
    const struct xml_node *node = list != NULL ? list->first : NULL;
    while (node != NULL && !str_eq(node->name, name))
        node = node->next;
    return node;
}

const struct xml_node *xml_next(const struct xml_node *node, const char *name) {
    do
        node = node->next;
    while (node != NULL && !str_eq(node->name, name));
    return node;
}

const struct xml_node *xml_child(const struct xml_node *node, const char *name) {
    return xml_first(node, name);
}

size_t xml_count(const struct xml_node *list, const char *name) {
    size_t count = 0;
    for (const struct xml_node *node = xml_first(list, name); node != NULL; node = xml_next(node, name))
        count++;
    return count;
}

static const struct xml_node *child_of_size(const struct xml_node *node, const char *name, size_t size) {
    for (node = node->first; node != NULL; node = node->next) {
        if (strncmp(node->name, name, size) == 0 && node->name[size] == '\0')
            return node;
    }
    return NULL;
}

const struct xml_node *xml_at(const struct xml_node *node, const char *path) {
    while (node != NULL && *path != '\0') {
        size_t size = strcspn(path, "/");
        node = child_of_size(node, path, size);
        path += size + (path[size] == '/');
    }
    return node;
}

const char *xml_text(const struct xml_node *node, const char *path) {
    const struct xml_node *found = xml_at(node, path);
    return found != NULL ? found->text : "";
}

int64_t xml_int(const struct xml_node *node, const char *path, int64_t fallback) {
    int64_t value;
    return str_to_int64(xml_text(node, path), &value) ? value : fallback;
}

const struct xml_node *xml_find(const struct xml_node *node, const char *name) {
    if (node == NULL || str_eq(node->name, name))
        return node;
    for (const struct xml_node *child = node->first; child != NULL; child = child->next) {
        const struct xml_node *found = xml_find(child, name);
        if (found != NULL)
            return found;
    }
    return NULL;
}
