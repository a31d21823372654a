/*
 * YAML to JSON: what scalars become, what is refused and where, and the lines of paths.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "manifest/yaml.h"

static void check_prints(const char *text, const char *expected) {
    struct yaml_documents documents;
    struct error err = {0};
    cr_assert_eq(yaml_parse(bytes_of(text), &documents, &err), ERR_NONE, "%s: %s", text, err.message);
    struct buf out = {0};
    for (size_t i = 0; i < documents.count; i++) {
        buf_puts(&out, i > 0 ? " " : "");
        json_print(documents.items[i].root, &out);
    }
    cr_expect_str_eq(buf_text(&out), expected, "%s gives %s", text, buf_text(&out));
    buf_release(&out);
    yaml_documents_release(&documents);
}

static void check_refused(struct bytes text, const char *expected) {
    struct yaml_documents documents = {0};
    struct error err = {0};
    cr_expect_eq(yaml_parse(text, &documents, &err), ERR_PERMANENT, "%.60s", text.data);
    cr_expect(strstr(err.message, expected), "%.60s: \"%s\" lacks \"%s\"", text.data, err.message, expected);
    cr_expect_eq(documents.count, 0u);
}

Test(yaml, scalars_follow_the_core_schema) {
    static const struct {
        const char *text, *json;
    } rows[] = {
        {"[yes, no, on, off, y, N]", "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"N\"]"},
        {"[true, True, TRUE, false, tRUE]", "[true,true,true,false,\"tRUE\"]"},
        {"[null, ~, NULL, nUll]", "[null,null,null,\"nUll\"]"},
        {"[0, -0, 12, -7, +3, 010, 0o17, 0xfF]", "[0,0,12,-7,3,10,15,255]"},
        {"[0o8, 0xg, 1_000, 1:30, 0b1]", "[\"0o8\",\"0xg\",\"1_000\",\"1:30\",\"0b1\"]"},
        {"[9223372036854775807, -9223372036854775808]", "[9223372036854775807,-9223372036854775808]"},
        {"[1.5, .5, 1e3, -2.5E-1]", "[1.5,0.5,1000.0,-0.25]"},
        {"[2026-01-01, 10:00, 1.2.3, \"1\", '2', \"true\"]",
         "[\"2026-01-01\",\"10:00\",\"1.2.3\",\"1\",\"2\",\"true\"]"},
        {"[!!str 5, ! 6, !!int 7, !!str null]", "[\"5\",\"6\",7,\"null\"]"},
        {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}"},
        {"{a: {}, b: [], \"\": 1}", "{\"a\":{},\"b\":[],\"\":1}"},
        {"1: one\ntrue: yes\n", "{\"1\":\"one\",\"true\":\"yes\"}"}, /* Keys are strings. */
        {"\xef\xbb\xbf"
         "a: 1\n",
         "{\"a\":1}"},
        {"{\"a\": [1, 2.5, \"x\\u00e9\"]}", "{\"a\":[1,2.5,\"x\xc3\xa9\"]}"}, /* JSON */
        {"{\n\t\"a\":\t1\n}", "{\"a\":1}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_prints(rows[i].text, rows[i].json);
}

Test(yaml, documents_are_apart_and_empty_ones_left_out) {
    check_prints("", "");
    check_prints("# only a comment\n", "");
    check_prints("---\n---\na: 1\n---\n# nothing\n---\nb: 2\n...\n", "{\"a\":1} {\"b\":2}");
}

Test(yaml, aliases_are_copies) {
    check_prints("a: &x {b: [1]}\nc: *x\nd: [*x]\n", "{\"a\":{\"b\":[1]},\"c\":{\"b\":[1]},\"d\":[{\"b\":[1]}]}");
    check_prints("a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}"); /* The last of a name. */
    check_prints("a: &x null\nb: *x\n", "{\"a\":null,\"b\":null}");
}

Test(yaml, faults_have_line_and_column) {
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"a: 1\nb: 2\na: 3\n", "3:1: key \"a\" stands twice"},
        {"a: null\nb: 2\na: 3\n", "3:1: key \"a\" stands twice"},
        {"a: {b: 1,\n    b: 2}\n", "2:5: key \"b\" stands twice"},
        {"a: *x\n", "1:4: unknown alias"},
        {"a: &x [1, *x]\n", "1:11: the alias stands inside its own anchor"},
        {"---\na: &x 1\n---\nb: *x\n", "4:4: unknown alias"}, /* Anchors end with their document. */
        {"a:\n\tb: 1\n", "2:1: "},
        {"a:\n\tb: 1\n", "indent with blanks, not tabs"},
        {"a: [1\n", "2:1: "},
        {"a: b: c\n", "1:5: "},
        {"? [a]\n: 1\n", "1:3: a key must be a scalar"},
        {"{{ x }}: 1\n", "1:1: a key must be a scalar"},
        {"a: {{ x }}\n", "a key must be a scalar; is a {{ template }} left unquoted?"},
        {"a: &x b\n*x : 1\n", "2:1: a key must be a scalar, not an alias"},
        {"?\n: 1\n", "a key is empty"},
        {"a: .inf\n", "1:4: infinity and NaN"},
        {"a: -.INF\n", "1:4: infinity and NaN"},
        {"a: .NaN\n", "1:4: infinity and NaN"},
        {"a: 1e999\n", "1:4: a number that is out of range"},
        {"a: 9223372036854775808\n", "1:4: a whole number that does not fit"},
        {"a: 0xffffffffffffffff\n", "1:4: a whole number that does not fit"},
        {"a: \"\\0\"\n", "1:4: a string contains a NUL"},
        {"a: !!int x\n", "1:4: the tag does not fit"},
        {"a: !Ref x\n", "1:4: the tag does not fit"},
        {"a: !!set {}\n", "1:4: the tag is not of the core schema"},
        {"a: !!binary aGk=\n", "1:4: the tag does not fit"},
        {"a: 1\n\xff\n", "2:1: not UTF-8 text"},
        {"a: \xc0\x80\n", "1:4: not UTF-8 text"},
        {"a: \x07\n", "control characters"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_refused(bytes_of(rows[i].text), rows[i].message);
    check_refused((struct bytes){"a: \0b\n", 6}, "1:4: not UTF-8 text");
}

static char *repeated(const char *head, const char *unit, size_t count, const char *tail) {
    struct buf text = {0};
    buf_puts(&text, head);
    for (size_t i = 0; i < count; i++)
        buf_puts(&text, unit);
    buf_puts(&text, tail);
    return buf_take(&text);
}

static void check_refused_long(char *text, const char *expected) {
    check_refused(bytes_of(text), expected);
    mem_free(text);
}

Test(yaml, depth_is_bounded_as_in_json) {
    char *deepest = repeated("", "[", JSON_DEPTH_MAX, "");
    char *closed = repeated(deepest, "]", JSON_DEPTH_MAX, "");
    check_prints(closed, closed);
    mem_free(closed);
    mem_free(deepest);
    check_refused_long(repeated("", "[", JSON_DEPTH_MAX + 1, ""), "1:65: nested too deeply");
    check_refused_long(repeated("", "[", 100000, ""), "nested too deeply");
    check_refused_long(repeated("", "- ", 100000, ""), "nested too deeply");
    check_refused_long(repeated("", "{a: ", 100000, ""), "nested too deeply");
    /* Also by way of an alias. */
    char *anchor = repeated("a: &x ", "[", 40, "");
    char *closing = repeated(anchor, "]", 40, "\nb: ");
    check_refused_long(repeated(closing, "[", 30, "*x"), "nested too deeply");
    mem_free(anchor);
    mem_free(closing);
}

Test(yaml, bombs_are_refused) {
    check_refused(bytes_of("a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
                           "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
                           "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]\n"
                           "g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f]\n"),
                  "too many aliases");
    check_refused_long(repeated("a: &a 1\nb: [", "*a, ", YAML_ALIAS_MAX + 1, "]"), "too many aliases");
    check_refused_long(repeated("", "- &a x\n", YAML_ANCHOR_MAX + 1, ""), "too many anchors");
    check_refused_long(repeated("", "-\n", YAML_NODES_MAX + 1, ""), "too many values");
    char *exactly = repeated("a: &a 1\nb: [", "*a, ", YAML_ALIAS_MAX, "]");
    struct yaml_documents documents;
    struct error err = {0};
    cr_expect_eq(yaml_parse(bytes_of(exactly), &documents, &err), ERR_NONE, "%s", err.message);
    yaml_documents_release(&documents);
    mem_free(exactly);
}

Test(yaml, size_is_bounded) {
    check_refused_long(repeated("# ", "x", MANIFEST_SIZE_MAX, ""), "4194306 bytes; at most 4194304 are taken");
}

Test(yaml, lines_of_paths) {
    static const char text[] = "# head\n"           /* 1 */
                               "a: 1\n"             /* 2 */
                               "---\n"              /* 3 */
                               "\n"                 /* 4 */
                               "kind: Budget\n"     /* 5 */
                               "spec:\n"            /* 6 */
                               "  windows:\n"       /* 7 */
                               "  - x: 1\n"         /* 8 */
                               "    y: 2\n"         /* 9 */
                               "  - {x: 1,\n"       /* 10 */
                               "     y: 2}\n"       /* 11 */
                               "  tags:\n"          /* 12 */
                               "    app.io/n: v\n"; /* 13 */
    static const struct {
        const char *path;
        int line;
    } rows[] = {
        {"", 5},
        {"kind", 5},
        {"spec", 6},
        {"spec.windows", 7},
        {"spec.windows[0]", 8},
        {"spec.windows[0].y", 9},
        {"spec.windows[1].x", 10},
        {"spec.windows[1].y", 11},
        {"spec.windows[1].z.deep[3]", 10}, /* The nearest ancestor that exists. */
        {"spec.windows[7]", 7},
        {"spec.tags.app.io/n", 13},
        {"spec.none", 6},
        {"status.phase", 5},
    };
    struct yaml_documents documents;
    struct error err = {0};
    cr_assert_eq(yaml_parse(bytes_of(text), &documents, &err), ERR_NONE);
    cr_assert_eq(documents.count, 2u);
    cr_expect_eq(documents.items[0].line, 2);
    cr_expect_eq(documents.items[1].line, 5);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_expect_eq(yaml_line(&documents.items[1], rows[i].path), rows[i].line, "%s: %d", rows[i].path,
                     yaml_line(&documents.items[1], rows[i].path));
    yaml_documents_release(&documents);
}
