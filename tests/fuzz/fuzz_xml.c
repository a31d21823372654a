/*
 * Fuzz target: XML, whole and item by item, which must tell the same: the same items in the same order, the same rest,
 * the same outcome. The first byte chooses the path of the items. All texts are valid UTF-8, and no tree is too deep.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/common/xml.h"
#include "base/mem.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t hash;
    size_t count;
};

static void note_tree(struct seen *seen, const struct xml_node *node, size_t depth) {
    ASSERT(depth <= XML_DEPTH_MAX);
    ASSERT(node->name[0] != '\0' && str_is_utf8(node->name, strlen(node->name)));
    ASSERT(str_is_utf8(node->text, strlen(node->text)));
    seen->hash = str_hash_text(str_hash_text(seen->hash, node->name), node->text);
    for (const struct xml_node *child = node->first; child != NULL; child = child->next)
        note_tree(seen, child, depth + 1);
    seen->hash = str_hash_text(seen->hash, "/");
}

static void on_item(void *ctx, const struct xml_node *item) {
    struct seen *seen = ctx;
    note_tree(seen, item, 1);
    seen->count++;
}

/* The same from the whole tree: names holds the path from here on. */
static void find_items(struct seen *items, struct seen *rest, const struct xml_node *node, const char *const *names) {
    rest->hash = str_hash_text(rest->hash, node->name);
    for (const struct xml_node *child = node->first; child != NULL; child = child->next) {
        bool is_on_path = names != NULL && str_eq(child->name, names[0]);
        if (is_on_path && names[1] == NULL)
            on_item(items, child);
        else
            find_items(items, rest, child, is_on_path ? names + 1 : NULL);
    }
    rest->hash = str_hash_text(rest->hash, "/");
}

static void note_names(struct seen *rest, const struct xml_node *node) {
    rest->hash = str_hash_text(rest->hash, node->name);
    for (const struct xml_node *child = node->first; child != NULL; child = child->next)
        note_names(rest, child);
    rest->hash = str_hash_text(rest->hash, "/");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const paths[] = {"a", "a/b", "reservationSet/item/instancesSet/item"};
    static const char *const names[][5] = {
        {"a", NULL}, {"a", "b", NULL}, {"reservationSet", "item", "instancesSet", "item", NULL}};
    if (size == 0)
        return 0;
    size_t path = data[0] % ARRAY_LEN(paths);
    struct bytes text = {(const char *)data + 1, size - 1};
    struct arena arena = {0};
    struct error whole_err = {0}, items_err = {0};
    const struct xml_node *whole = NULL, *rest = NULL;
    struct seen by_one = {STR_HASH_SEED, 0}, of_whole = by_one, left = by_one, left_of_whole = by_one, tree = by_one;
    const struct xml_items items = {.path = paths[path], .item = on_item, .ctx = &by_one};
    enum err_class class = xml_parse(text, &arena, &whole, &whole_err);
    ASSERT(xml_parse_items(text, &arena, &items, &rest, &items_err) == class);
    ASSERT(class == ERR_NONE || (whole_err.message[0] != '\0' && items_err.message[0] != '\0'));
    if (class == ERR_NONE) {
        note_tree(&tree, whole, 1);
        find_items(&of_whole, &left_of_whole, whole, names[path]);
        note_names(&left, rest);
        ASSERT(by_one.count == of_whole.count && by_one.hash == of_whole.hash);
        ASSERT(left.hash == left_of_whole.hash);
    }
    arena_release(&arena);
    return 0;
}
