/*
 * libyaml's events to JSON trees. A stack of open collections stands for recursion, so that depth is a number that can
 * be bounded; an alias is replaced by a copy of what its anchor stands for, within two limits.
 *
 *     event  ->  place (key or index in the top frame)  ->  node into the parent, mark (hash of path, line)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "manifest/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "manifest/yaml_internal.h"

struct yaml_mark {
    uint64_t path_hash;
    int line;
};

struct frame { /* An open collection. */
    struct json *node;
    bool is_object;
    char *key; /* Objects: a key was read, its value comes next. */
    yaml_mark_t key_mark;
    size_t index;
    uint64_t path_hash;
    bool path_is_empty;
    size_t anchor; /* Index + 1 into anchors, 0: none. */
};

struct anchor {
    char *name;
    const struct json *node;
    size_t node_count; /* With all below it. */
    bool is_open;      /* An alias to it from inside would be a cycle. */
};

struct builder {
    yaml_parser_t parser;
    struct error *err;
    struct frame frames[JSON_DEPTH_MAX];
    size_t depth;
    struct anchor *anchors;
    size_t anchor_count;
    size_t alias_count, alias_node_count, node_count;
    struct json *root;
    struct yaml_mark *marks; /* Heap; copied into the arena when the document ends. */
    size_t mark_count, mark_capacity;
    struct yaml_documents *documents;
};

static enum err_class fail_at(struct builder *b, yaml_mark_t mark, const char *message) {
    return error_set(b->err, ERR_PERMANENT, "%zu:%zu: %s", mark.line + 1, mark.column + 1, message);
}

static enum err_class fail_parser(struct builder *b) {
    const yaml_parser_t *p = &b->parser;
    if (p->error == YAML_READER_ERROR)
        return error_set(b->err, ERR_PERMANENT, "1:1: byte %zu: %s", p->problem_offset,
                         p->problem ? p->problem : "cannot be read");
    const char *problem = p->problem ? p->problem : "not valid YAML";
    if (strstr(problem, "cannot start any token"))
        return error_set(b->err, ERR_PERMANENT, "%zu:%zu: %s; indent with blanks, not tabs, and quote what begins so",
                         p->problem_mark.line + 1, p->problem_mark.column + 1, problem);
    return fail_at(b, p->problem_mark, problem);
}

/* ---- Marks ---- */

static uint64_t path_key(uint64_t hash, bool is_empty, const char *key) {
    if (!is_empty)
        hash = str_hash(hash, ".", 1);
    return str_hash(hash, key, strlen(key));
}

static uint64_t path_index(uint64_t hash, size_t index) {
    char text[24];
    int size = snprintf(text, sizeof(text), "[%zu]", index);
    return str_hash(hash, text, (size_t)size);
}

static void mark_add(struct builder *b, uint64_t path_hash, size_t line) {
    if (b->mark_count == b->mark_capacity) {
        size_t capacity = b->mark_capacity > 0 ? b->mark_capacity * 2 : 256;
        b->marks = mem_grow(b->marks, b->mark_capacity, capacity, sizeof(*b->marks));
        b->mark_capacity = capacity;
    }
    b->marks[b->mark_count++] = (struct yaml_mark){path_hash, (int)line + 1};
}

static int mark_cmp(const void *a, const void *b) {
    const struct yaml_mark *x = a, *y = b;
    if (x->path_hash != y->path_hash)
        return x->path_hash < y->path_hash ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

/* ---- Nodes ---- */

static size_t node_count_of(const struct json *node, size_t count_max) {
    size_t count = 1;
    for (struct json_iter it = json_iter(node); count < count_max && json_iter_next(&it);)
        count += node_count_of(it.value, count_max - count);
    for (size_t i = 0; count < count_max && i < json_array_count(node); i++)
        count += node_count_of(json_array_at(node, i), count_max - count);
    return count;
}

static size_t depth_of(const struct json *node) {
    size_t deepest = 0;
    for (struct json_iter it = json_iter(node); json_iter_next(&it);) {
        size_t depth = depth_of(it.value);
        deepest = depth > deepest ? depth : deepest;
    }
    for (size_t i = 0; i < json_array_count(node); i++) {
        size_t depth = depth_of(json_array_at(node, i));
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + (json_type(node) == JSON_OBJECT || json_type(node) == JSON_ARRAY);
}

/* Puts a node where it belongs and gives its path. Takes the node, also on failure. */
static enum err_class attach(struct builder *b, struct json *node, yaml_mark_t mark, uint64_t *ret_hash,
                             bool *ret_is_empty) {
    if (++b->node_count > YAML_NODES_MAX) {
        json_free(node);
        return fail_at(b, mark, "the file has too many values; split it");
    }
    *ret_hash = STR_HASH_SEED;
    *ret_is_empty = b->depth == 0;
    if (b->depth == 0) {
        b->root = node;
        mark_add(b, *ret_hash, mark.line);
        return ERR_NONE;
    }
    struct frame *top = &b->frames[b->depth - 1];
    if (!top->is_object) {
        *ret_hash = path_index(top->path_hash, top->index++);
        json_array_push(top->node, node);
        mark_add(b, *ret_hash, mark.line);
        return ERR_NONE;
    }
    *ret_hash = path_key(top->path_hash, top->path_is_empty, top->key);
    /* By the count, since a null value could not be found by json_get. */
    size_t count_before = json_object_count(top->node);
    json_object_set(top->node, top->key, node);
    bool is_new = json_object_count(top->node) > count_before;
    if (!is_new)
        error_set(b->err, ERR_PERMANENT, "%zu:%zu: key \"%.80s\" stands twice", top->key_mark.line + 1,
                  top->key_mark.column + 1, top->key);
    mem_free(top->key);
    top->key = NULL;
    return is_new ? ERR_NONE : b->err->class; /* The mark of a member is that of its key. */
}

static bool awaits_key(const struct builder *b) {
    return b->depth > 0 && b->frames[b->depth - 1].is_object && !b->frames[b->depth - 1].key;
}

static size_t anchor_add(struct builder *b, const yaml_char_t *name, const struct json *node, bool is_open) {
    if (!name)
        return 0;
    b->anchors = mem_grow(b->anchors, b->anchor_count, b->anchor_count + 1, sizeof(*b->anchors));
    b->anchors[b->anchor_count++] =
        (struct anchor){.name = mem_strdup((const char *)name), .node = node, .node_count = 1, .is_open = is_open};
    return b->anchor_count;
}

static enum err_class on_key(struct builder *b, const yaml_event_t *event, const char *text) {
    struct frame *top = &b->frames[b->depth - 1];
    struct scalar scalar;
    const char *problem;
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (event->data.scalar.tag || event->data.scalar.anchor)
        return fail_at(b, event->start_mark, "keys with tags or anchors are not taken");
    if (is_plain && scalar_parse(text, true, NULL, &scalar, &problem) && scalar.type == SCALAR_NULL)
        return fail_at(b, event->start_mark, "a key is empty; quote it if it is meant so");
    top->key_mark = event->start_mark;
    top->key = mem_strdup(text);
    mark_add(b, path_key(top->path_hash, top->path_is_empty, text), event->start_mark.line);
    return ERR_NONE;
}

static enum err_class on_scalar(struct builder *b, const yaml_event_t *event) {
    const char *text = (const char *)event->data.scalar.value;
    if (strlen(text) != event->data.scalar.length)
        return fail_at(b, event->start_mark, "a string contains a NUL character");
    if (awaits_key(b))
        return on_key(b, event, text);
    struct scalar scalar;
    const char *problem;
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (!scalar_parse(text, is_plain, (const char *)event->data.scalar.tag, &scalar, &problem))
        return fail_at(b, event->start_mark, problem);
    struct json *node = NULL;
    if (scalar.type == SCALAR_STRING)
        node = json_new_string(text, event->data.scalar.length);
    else if (scalar.type == SCALAR_INT)
        node = json_new_int(scalar.number);
    else if (scalar.type == SCALAR_DOUBLE)
        node = json_new_double(scalar.decimal);
    else if (scalar.type == SCALAR_BOOL)
        node = json_new_bool(scalar.number != 0);
    uint64_t hash;
    bool is_empty;
    enum err_class class = attach(b, node, event->start_mark, &hash, &is_empty);
    if (class == ERR_NONE)
        anchor_add(b, event->data.scalar.anchor, node, false);
    return class;
}

static enum err_class on_open(struct builder *b, const yaml_event_t *event, bool is_object, const yaml_char_t *tag,
                              const yaml_char_t *anchor) {
    const char *expected = is_object ? "tag:yaml.org,2002:map" : "tag:yaml.org,2002:seq";
    if (awaits_key(b))
        return fail_at(b, event->start_mark, "a key must be a scalar; is a {{ template }} left unquoted?");
    if (tag && !str_eq((const char *)tag, expected) && !str_eq((const char *)tag, "!"))
        return fail_at(b, event->start_mark, "the tag is not of the core schema");
    if (b->depth == JSON_DEPTH_MAX)
        return fail_at(b, event->start_mark, "nested too deeply");
    struct frame frame = {.node = is_object ? json_new_object() : json_new_array(), .is_object = is_object};
    enum err_class class = attach(b, frame.node, event->start_mark, &frame.path_hash, &frame.path_is_empty);
    if (class != ERR_NONE)
        return class;
    frame.anchor = anchor_add(b, anchor, frame.node, true);
    if (frame.anchor > 0)
        b->anchors[frame.anchor - 1].node_count = b->node_count;
    b->frames[b->depth++] = frame;
    return ERR_NONE;
}

static enum err_class on_close(struct builder *b) {
    ASSERT(b->depth > 0);
    struct frame *top = &b->frames[--b->depth];
    ASSERT(!top->key);
    if (top->anchor > 0) {
        struct anchor *anchor = &b->anchors[top->anchor - 1];
        anchor->node_count = node_count_of(top->node, YAML_ALIAS_NODES_MAX + 1);
        anchor->is_open = false;
    }
    return ERR_NONE;
}

static enum err_class on_alias(struct builder *b, const yaml_event_t *event) {
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = NULL;
    for (size_t i = b->anchor_count; i > 0 && !anchor; i--) { /* The last of a name counts. */
        if (str_eq(b->anchors[i - 1].name, name))
            anchor = &b->anchors[i - 1];
    }
    if (awaits_key(b))
        return fail_at(b, event->start_mark, "a key must be a scalar, not an alias");
    if (!anchor || anchor->is_open)
        return fail_at(b, event->start_mark, anchor ? "the alias stands inside its own anchor" : "unknown alias");
    b->alias_node_count += anchor->node_count;
    if (++b->alias_count > YAML_ALIAS_MAX || b->alias_node_count > YAML_ALIAS_NODES_MAX)
        return fail_at(b, event->start_mark, "too many aliases; write the values out");
    if (b->depth + depth_of(anchor->node) > JSON_DEPTH_MAX)
        return fail_at(b, event->start_mark, "nested too deeply");
    uint64_t hash;
    bool is_empty;
    return attach(b, json_copy(anchor->node), event->start_mark, &hash, &is_empty);
}

/* ---- Documents ---- */

static void anchors_free(struct builder *b) {
    for (size_t i = 0; i < b->anchor_count; i++)
        mem_free(b->anchors[i].name);
    mem_free(b->anchors);
    b->anchors = NULL;
    b->anchor_count = 0;
}

static void document_end(struct builder *b) {
    struct yaml_documents *documents = b->documents;
    if (b->root) { /* null: an empty document. */
        int line = b->marks[0].line;
        qsort(b->marks, b->mark_count, sizeof(*b->marks), mark_cmp);
        documents->items = arena_push(&documents->arena, documents->items, documents->count, sizeof(*documents->items));
        documents->items[documents->count++] = (struct yaml_document){
            .root = b->root,
            .line = line,
            .marks = arena_memdup(&documents->arena, b->marks, b->mark_count * sizeof(*b->marks)),
            .mark_count = b->mark_count,
        };
    }
    b->root = NULL;
    b->mark_count = 0;
    anchors_free(b);
}

static enum err_class on_event(struct builder *b, const yaml_event_t *event) {
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_ALIAS_EVENT:
        return on_alias(b, event);
    case YAML_MAPPING_START_EVENT:
        return on_open(b, event, true, event->data.mapping_start.tag, event->data.mapping_start.anchor);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(b, event, false, event->data.sequence_start.tag, event->data.sequence_start.anchor);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return on_close(b);
    case YAML_DOCUMENT_END_EVENT:
        document_end(b);
        return ERR_NONE;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
        return ERR_NONE;
    }
    return ERR_NONE;
}

static enum err_class events_read(struct builder *b) {
    for (bool is_done = false; !is_done;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&b->parser, &event))
            return fail_parser(b);
        is_done = event.type == YAML_STREAM_END_EVENT;
        enum err_class class = on_event(b, &event);
        yaml_event_delete(&event);
        if (class != ERR_NONE)
            return class;
        if (b->anchor_count > YAML_ANCHOR_MAX)
            return error_set(b->err, ERR_PERMANENT, "%zu:1: too many anchors", b->parser.mark.line + 1);
    }
    return ERR_NONE;
}

static enum err_class utf8_check(struct bytes text, struct error *err) {
    size_t at = 0, line = 1, line_start = 0;
    while (at < text.size) {
        size_t step = str_utf8_size(text.data + at, text.size - at);
        if (step == 0)
            return error_set(err, ERR_PERMANENT, "%zu:%zu: not UTF-8 text", line, at - line_start + 1);
        if (text.data[at] == '\n') {
            line++;
            line_start = at + 1;
        }
        at += step;
    }
    return ERR_NONE;
}

enum err_class yaml_parse(struct bytes text, struct yaml_documents *ret, struct error *err) {
    if (text.size > MANIFEST_SIZE_MAX)
        return error_set(err, ERR_PERMANENT, "1:1: %zu bytes; at most %zu are taken, split the file", text.size,
                         MANIFEST_SIZE_MAX);
    if (utf8_check(text, err) != ERR_NONE)
        return err->class;
    struct yaml_documents documents = {0};
    struct builder *b = mem_alloc(sizeof(*b));
    b->err = err;
    b->documents = &documents;
    ASSERT(yaml_parser_initialize(&b->parser));
    yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b->parser, (const unsigned char *)text.data, text.size);
    enum err_class class = events_read(b);
    yaml_parser_delete(&b->parser);
    while (b->depth > 0)
        mem_free(b->frames[--b->depth].key);
    anchors_free(b);
    json_free(b->root);
    mem_free(b->marks);
    mem_free(b);
    if (class == ERR_NONE)
        *ret = documents;
    else
        yaml_documents_release(&documents);
    return class;
}

void yaml_documents_release(struct yaml_documents *documents) {
    for (size_t i = 0; i < documents->count; i++)
        json_free(documents->items[i].root);
    arena_release(&documents->arena);
    *documents = (struct yaml_documents){0};
}

/* The end of the parent's path: before the last ".key" or "[index]". */
static size_t parent_size(const char *path, size_t size) {
    while (size > 0) {
        size--;
        if (path[size] == '.' || path[size] == '[')
            return size;
    }
    return 0;
}

int yaml_line(const struct yaml_document *document, const char *path) {
    for (size_t size = strlen(path);; size = parent_size(path, size)) {
        uint64_t hash = str_hash(STR_HASH_SEED, path, size);
        size_t low = 0, high = document->mark_count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (document->marks[middle].path_hash < hash)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < document->mark_count && document->marks[low].path_hash == hash)
            return document->marks[low].line;
        if (size == 0)
            return document->line;
    }
}
