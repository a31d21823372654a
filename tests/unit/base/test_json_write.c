/*
 * Writing JSON: escapes, doubles, nesting, canonical form, hash.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>

#include "base/json.h"
#include "base/mem.h"

static struct json *parsed(const char *text) {
    struct json *root;
    struct error err = {0};
    cr_assert_eq(json_parse(bytes_of(text), &root, &err), ERR_NONE, "%s: %s", text, err.message);
    return root;
}

static void assert_prints(void (*print)(const struct json *, struct buf *), const char *text, const char *expected) {
    struct json *root = parsed(text);
    struct buf out = {0};
    print(root, &out);
    cr_assert_str_eq(buf_text(&out), expected);
    buf_release(&out);
    json_free(root);
}

Test(base_json_write, writes_commas_and_nesting) {
    struct buf out = {0};
    struct json_writer w = {.out = &out};
    jw_open(&w, '{');
    jw_key(&w, "list");
    jw_open(&w, '[');
    jw_int(&w, INT64_MIN);
    jw_double(&w, 1);
    jw_bool(&w, false);
    jw_string(&w, NULL);
    jw_open(&w, '{');
    jw_close(&w, '}');
    jw_open(&w, '[');
    jw_close(&w, ']');
    jw_raw(&w, "[1]");
    jw_close(&w, ']');
    jw_put_string(&w, "left out", NULL);
    jw_put_string(&w, "s", "x");
    jw_put_int(&w, "i", -1);
    jw_put_bool(&w, "b", true);
    jw_key(&w, "j");
    jw_json(&w, NULL);
    jw_close(&w, '}');
    cr_assert_str_eq(buf_text(&out), "{\"list\":[-9223372036854775808,1.0,false,null,{},[],[1]],\"s\":\"x\",\"i\":-1,"
                                     "\"b\":true,\"j\":null}");
    buf_release(&out);
}

Test(base_json_write, strings_are_escaped_and_made_utf8) {
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"", "\"\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1f", "\"\\u0001\\u001f\""},
        {"\xe6\x97\xa5\xf0\x9f\x98\x80", "\"\xe6\x97\xa5\xf0\x9f\x98\x80\""},
        {"a\xff"
         "b",
         "\"a\xef\xbf\xbd"
         "b\""},
        {"\xe6\x97", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = {0};
        struct json_writer w = {.out = &out};
        jw_string(&w, rows[i].text);
        cr_assert_str_eq(buf_text(&out), rows[i].expected);
        struct json *back;
        struct error err;
        cr_assert_eq(json_parse(buf_bytes(&out), &back, &err), ERR_NONE, "row %zu", i);
        json_free(back);
        buf_release(&out);
    }
}

Test(base_json_write, doubles_read_back_as_the_same_doubles) {
    static const double values[] = {0.0,    1,     -1,     0.1,    1e15, 1e16, 1e17, 123456789012345680.0,
                                    0x1p63, 1e300, 5e-324, 1.0 / 3};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct buf out = {0};
        struct json_writer w = {.out = &out};
        jw_double(&w, values[i]);
        struct json *back = parsed(buf_text(&out));
        cr_assert_eq(json_type(back), JSON_DOUBLE, "%s", buf_text(&out));
        cr_assert_eq(json_double(back, 77), values[i], "%s", buf_text(&out));
        json_free(back);
        buf_release(&out);
    }
    static const double not_finite[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < ARRAY_LEN(not_finite); i++) {
        struct buf out = {0};
        struct json_writer w = {.out = &out};
        jw_double(&w, not_finite[i]);
        cr_assert_str_eq(buf_text(&out), "null");
        buf_release(&out);
    }
}

Test(base_json_write, print_keeps_the_order_and_is_a_fixpoint) {
    assert_prints(json_print, " { \"z\" : [ 1 , 2.50 ,\"\\u0041\"] , \"a\" : { } , \"n\":null,\"t\":true} ",
                  "{\"z\":[1,2.5,\"A\"],\"a\":{},\"n\":null,\"t\":true}");
    assert_prints(json_print, "[1.0,1,1e2,-0.0]", "[1.0,1,100.0,-0.0]");
}

Test(base_json_write, canonical_sorts_keys_at_every_depth) {
    assert_prints(json_print_canonical, "{\"b\":{\"d\":1,\"c\":[{\"z\":1,\"y\":2}]},\"a\":0,\"B\":1,\"\xc3\xa9\":2}",
                  "{\"B\":1,\"a\":0,\"b\":{\"c\":[{\"y\":2,\"z\":1}],\"d\":1},\"\xc3\xa9\":2}");
}

Test(base_json_write, pretty_indents_by_two) {
    assert_prints(json_print_pretty, "{\"a\":[1,{\"b\":2}],\"c\":{},\"d\":[]}",
                  "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ],\n  \"c\": {},\n  \"d\": []\n}");
}

Test(base_json_write, hash_does_not_depend_on_the_order_of_keys_only) {
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"{\"a\":1,\"b\":{\"c\":2,\"d\":3}}", "{\"b\":{\"d\":3,\"c\":2},\"a\":1}", true},
        {"[1,2]", "[2,1]", false},
        {"{\"a\":1}", "{\"a\":2}", false},
        {"{\"a\":null}", "{}", false},
        {"1", "\"1\"", false},
        {"{\"ab\":\"c\"}", "{\"a\":\"bc\"}", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json *a = parsed(rows[i].a), *b = parsed(rows[i].b);
        cr_assert_eq(json_hash(a) == json_hash(b), rows[i].same, "%s against %s", rows[i].a, rows[i].b);
        json_free(a);
        json_free(b);
    }
}

Test(base_json_write, a_deep_tree_can_be_written_inside_another_document) {
    struct buf text = {0}, out = {0};
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        buf_putc(&text, '[');
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        buf_putc(&text, ']');
    struct json *root = parsed(buf_text(&text));
    struct json_writer w = {.out = &out};
    jw_open(&w, '[');
    jw_json(&w, root);
    jw_json(&w, root);
    jw_close(&w, ']');
    cr_assert_eq(out.size, 2 * text.size + 3);
    json_free(root);
    buf_release(&text);
    buf_release(&out);
}

static struct buf misuse_out;

Test(base_json_write, a_value_without_key_in_an_object_is_a_bug, .signal = SIGABRT) {
    struct json_writer w = {.out = &misuse_out};
    jw_open(&w, '{');
    jw_int(&w, 1);
}

Test(base_json_write, a_wrong_bracket_is_a_bug, .signal = SIGABRT) {
    struct json_writer w = {.out = &misuse_out};
    jw_open(&w, '{');
    jw_close(&w, ']');
}

Test(base_json_write, a_key_without_value_is_a_bug, .signal = SIGABRT) {
    struct json_writer w = {.out = &misuse_out};
    jw_open(&w, '{');
    jw_key(&w, "k");
    jw_close(&w, '}');
}

Test(base_json_write, two_values_at_the_top_are_a_bug, .signal = SIGABRT) {
    struct json_writer w = {.out = &misuse_out};
    jw_int(&w, 1);
    jw_int(&w, 2);
}
