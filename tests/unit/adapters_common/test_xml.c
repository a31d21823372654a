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
