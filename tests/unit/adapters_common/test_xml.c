/*
 * The XML reader: what it keeps, and what it refuses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "adapters/common/xml.h"
#include "base/mem.h"

Test(xml, gives_elements_and_text_by_path) {
    static const char text[] =
        "<?xml version=\"1.0\"?>\n<r xmlns=\"urn:x\"><!-- c --><a x='1'>\n <n> 1 &lt;2&amp;&#233; </n>"
        "<n>7</n></a><empty/><cd><![CDATA[<b>&]]></cd></r>";
    struct arena arena = {0};
    const struct xml_node *root;
    struct error err = {0};
    cr_assert_eq(xml_parse(bytes_of(text), &arena, &root, &err), ERR_NONE, "%s", err.message);
    cr_expect_str_eq(root->name, "r");
    cr_expect_str_eq(xml_text(root, "a/n"), " 1 <2&é ");
    cr_expect_str_eq(xml_text(root, "a"), "");
    cr_expect_str_eq(xml_text(root, "cd"), "<b>&");
    cr_expect_str_eq(xml_text(root, "empty"), "");
    cr_expect_str_eq(xml_text(root, "a/nn"), "");
    cr_expect_str_eq(xml_text(NULL, "a"), "");
    const struct xml_node *second = xml_next(xml_first(xml_at(root, "a"), "n"), "n");
    cr_expect_eq(xml_int(second, "", -1), 7);
    cr_expect_eq(xml_int(root, "cd", -1), -1);
    cr_expect_eq(xml_count(xml_child(root, "a"), "n"), 2);
    cr_expect_null(xml_next(second, "n"));
    cr_expect_str_eq(xml_find(root, "n")->text, " 1 <2&é ");
    cr_expect_null(xml_find(root, "zz"));
    arena_release(&arena);
}

Test(xml, refuses_what_is_no_whole_plain_document) {
    static const struct {
        const char *name, *text, *message;
    } rows[] = {
        {"empty", "", "empty"},
        {"text", "Service Unavailable", "not well-formed"},
        {"cut", "<r><a>1</a><b>", "not well-formed"},
        {"html", "<html><body><br>x</body></html>", "not well-formed"},
        {"two roots", "<a/><b/>", "not well-formed"},
        {"entity", "<!DOCTYPE r [<!ENTITY a \"xxxxxxxxxx\"><!ENTITY b \"&a;&a;\">]><r>&b;</r>", "document type"},
        {"external", "<!DOCTYPE r SYSTEM \"file:///etc/passwd\"><r/>", "document type"},
        {"unknown entity", "<r>&nbsp;</r>", "not well-formed"},
        {"not utf-8", "<r>\xff\xfe</r>", "not well-formed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        const struct xml_node *root = NULL;
        struct error err = {0};
        cr_expect_eq(xml_parse(bytes_of(rows[i].text), &arena, &root, &err), ERR_RETRYABLE, "%s", rows[i].name);
        cr_expect_null(root, "%s", rows[i].name);
        cr_expect(strstr(err.message, rows[i].message) != NULL, "%s: %s", rows[i].name, err.message);
        arena_release(&arena);
    }
}

Test(xml, messages_never_quote_the_document) {
    struct arena arena = {0};
    const struct xml_node *root;
    struct error err = {0};
    cr_assert_eq(xml_parse(bytes_of("<r><SecretAccessKey>hunter2</SecretKey></r>"), &arena, &root, &err),
                 ERR_RETRYABLE);
    cr_expect(strstr(err.message, "hunter2") == NULL && strstr(err.message, "Secret") == NULL, "%s", err.message);
    arena_release(&arena);
}

static enum err_class parse_nested(size_t depth) {
    struct buf text = {0};
    for (size_t i = 0; i < depth; i++)
        buf_puts(&text, "<a>");
    for (size_t i = 0; i < depth; i++)
        buf_puts(&text, "</a>");
    struct arena arena = {0};
    const struct xml_node *root;
    struct error err = {0};
    enum err_class class = xml_parse(buf_bytes(&text), &arena, &root, &err);
    arena_release(&arena);
    buf_release(&text);
    return class;
}

Test(xml, bounds_the_depth) {
    cr_expect_eq(parse_nested(XML_DEPTH_MAX), ERR_NONE);
    cr_expect_eq(parse_nested(XML_DEPTH_MAX + 1), ERR_RETRYABLE);
}

struct seen {
    struct buf text;
};

static void on_item(void *ctx, const struct xml_node *item) {
    struct seen *seen = ctx;
    buf_printf(&seen->text, "[%s|%s|%s]", xml_text(item, "id"), xml_text(item, "deep/x"), xml_text(item, "odd"));
}

static const char *items_of(const char *text, const char *path, const char *const *fields, struct seen *seen,
                            struct arena *arena, const struct xml_node **root) {
    static struct error err;
    const struct xml_items items = {.path = path, .fields = fields, .item = on_item, .ctx = seen};
    buf_clear(&seen->text);
    return xml_parse_items(bytes_of(text), arena, &items, root, &err) == ERR_NONE ? buf_text(&seen->text) : err.message;
}

Test(xml, gives_items_one_by_one_and_keeps_the_rest) {
    static const char text[] =
        "<r><set> <set><item><id>no</id></item></set> <item><in>a</in><list><item><id>1&amp;2</id><deep><y/><x>é</x>"
        "</deep><odd>o</odd></item><item/></list></item><item><list/></item><item><list><item><list><item><id>no</id>"
        "</item></list><odd><deep><x>no</x></deep></odd><id>3</id></item></list></item></set><token>t</token></r>";
    struct arena arena = {0};
    struct seen seen = {0};
    const struct xml_node *root = NULL;
    cr_expect_str_eq(items_of(text, "set/item/list/item", NULL, &seen, &arena, &root), "[1&2|é|o][||][3||]");
    cr_expect_str_eq(xml_text(root, "token"), "t");
    cr_expect_str_eq(xml_text(root, "set/item/in"), "a");
    cr_expect_eq(xml_count(xml_at(root, "set"), "item"), 3);
    cr_expect_null(xml_at(root, "set/item/list/item"));
    static const char *const fields[] = {"id", "deep", NULL};
    cr_expect_str_eq(items_of(text, "set/item/list/item", fields, &seen, &arena, &root), "[1&2|é|][||][3||]");
    cr_expect_str_eq(xml_text(root, "token"), "t", "text is read again behind what was skipped");
    cr_expect_str_eq(items_of(text, "token", NULL, &seen, &arena, &root), "[||]");
    cr_expect_str_eq(items_of(text, "none/item", NULL, &seen, &arena, &root), "");
    cr_expect_not_null(
        strstr(items_of("<r><set><item><id>1</id></item>", "set/item", NULL, &seen, &arena, &root), "XML"));
    cr_expect_str_eq(buf_text(&seen.text), "[1||]");
    buf_release(&seen.text);
    arena_release(&arena);
}

Test(xml, bounds_the_depth_of_what_is_skipped) {
    static const char *const fields[] = {"id", NULL};
    struct arena arena = {0};
    struct seen seen = {0};
    const struct xml_node *root;
    struct buf text = {0};
    buf_puts(&text, "<r><item>");
    for (int i = 0; i < XML_DEPTH_MAX; i++)
        buf_puts(&text, "<a>");
    cr_expect_not_null(strstr(items_of(buf_text(&text), "item", fields, &seen, &arena, &root), "too deeply"));
    buf_release(&text);
    buf_release(&seen.text);
    arena_release(&arena);
}
