/*
 * Reading JSON: what is refused and where, what is read, how trees are built.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

#define TEXT(literal) ((struct bytes){literal, sizeof(literal) - 1})

static struct json *parsed(const char *text) {
    struct json *root;
    struct error err = {0};
    cr_assert_eq(json_parse(bytes_of(text), &root, &err), ERR_NONE, "%s: %s", text, err.message);
    return root;
}

Test(base_json, refuses_what_is_not_strict_json_and_says_where) {
    static const struct {
        struct bytes text;
        const char *message;
    } rows[] = {
        {TEXT(""), "JSON: unexpected end at line 1, byte 0"},
        {TEXT("  \n"), "JSON: unexpected end at line 2, byte 3"},
        {TEXT("{\"a\":1,\n \"b\":2,\n \"a\":3}"), "JSON: duplicate key at line 3, byte 17"},
        {TEXT("{\"a\":1,\"\\u0061\":3}"), "JSON: duplicate key at line 1, byte 7"},
        {TEXT("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\uDE00\":3}"), "JSON: duplicate key at line 1, byte 10"},
        {TEXT("{\"\":1,\"\":3}"), "JSON: duplicate key at line 1, byte 6"},
        {TEXT("[{\"x\":{\"a\":1,\"a\":2}}]"), "JSON: duplicate key at line 1, byte 13"},
        {TEXT("1 2"), "JSON: trailing bytes at line 1, byte 2"},
        {TEXT("{}\n\n}"), "JSON: trailing bytes at line 3, byte 4"},
        {TEXT("{}\0"), "JSON: trailing bytes at line 1, byte 2"},
        {TEXT("\xef\xbb\xbf{}"), "JSON: expected a value at line 1, byte 0"},
        {TEXT("NaN"), "JSON: expected a value at line 1, byte 0"},
        {TEXT("[nan]"), "JSON: invalid value at line 1, byte 1"},
        {TEXT("Infinity"), "JSON: expected a value at line 1, byte 0"},
        {TEXT("-Infinity"), "JSON: invalid number at line 1, byte 1"},
        {TEXT("True"), "JSON: expected a value at line 1, byte 0"},
        {TEXT("nul"), "JSON: invalid value at line 1, byte 0"},
        {TEXT("9223372036854775808"), "JSON: integer out of range at line 1, byte 0"},
        {TEXT("[-9223372036854775809]"), "JSON: integer out of range at line 1, byte 1"},
        {TEXT("18446744073709551615"), "JSON: integer out of range at line 1, byte 0"},
        {TEXT("1e400"), "JSON: number out of range at line 1, byte 0"},
        {TEXT("-1e400"), "JSON: number out of range at line 1, byte 0"},
        {TEXT("01"), "JSON: number with a leading zero at line 1, byte 0"},
        {TEXT("-01"), "JSON: number with a leading zero at line 1, byte 0"},
        {TEXT("+1"), "JSON: expected a value at line 1, byte 0"},
        {TEXT("-"), "JSON: unexpected end at line 1, byte 1"},
        {TEXT("1."), "JSON: unexpected end at line 1, byte 2"},
        {TEXT("[1.]"), "JSON: invalid number at line 1, byte 3"},
        {TEXT(".5"), "JSON: expected a value at line 1, byte 0"},
        {TEXT("[1e]"), "JSON: invalid number at line 1, byte 3"},
        {TEXT("0x10"), "JSON: trailing bytes at line 1, byte 1"},
        {TEXT("\"a\xff\""), "JSON: text is not UTF-8 at line 1, byte 2"},
        {TEXT("\"\xed\xa0\x80\""), "JSON: text is not UTF-8 at line 1, byte 1"},
        {TEXT("{\"\xc0\xaf\":1}"), "JSON: text is not UTF-8 at line 1, byte 2"},
        {TEXT("\"\\ud800\""), "JSON: lone surrogate at line 1, byte 1"},
        {TEXT("\"\\ud800\\u0041\""), "JSON: lone surrogate at line 1, byte 1"},
        {TEXT("\"\\udc00\""), "JSON: lone surrogate at line 1, byte 1"},
        {TEXT("\"\\ud800\\ud800\""), "JSON: lone surrogate at line 1, byte 1"},
        {TEXT("\"a\\u0000\""), "JSON: U+0000 in a string at line 1, byte 2"},
        {TEXT("\"a\0b\""), "JSON: control character in a string at line 1, byte 2"},
        {TEXT("\"a\nb\""), "JSON: control character in a string at line 1, byte 2"},
        {TEXT("\"\\x\""), "JSON: invalid escape at line 1, byte 1"},
        {TEXT("\"\\u12g4\""), "JSON: invalid escape at line 1, byte 1"},
        {TEXT("\"\\u12"), "JSON: invalid escape at line 1, byte 1"},
        {TEXT("\"abc"), "JSON: unterminated string at line 1, byte 0"},
        {TEXT("\"abc\\"), "JSON: unexpected end at line 1, byte 5"},
        {TEXT("\"abc\\\""), "JSON: unterminated string at line 1, byte 0"},
        {TEXT("'a'"), "JSON: expected a value at line 1, byte 0"},
        {TEXT("[1,]"), "JSON: expected a value at line 1, byte 3"},
        {TEXT("[,1]"), "JSON: expected a value at line 1, byte 1"},
        {TEXT("[1 2]"), "JSON: expected ',' or ']' at line 1, byte 3"},
        {TEXT("[1}"), "JSON: expected ',' or ']' at line 1, byte 2"},
        {TEXT("[1"), "JSON: unexpected end at line 1, byte 2"},
        {TEXT("{\"a\":1,}"), "JSON: expected a key at line 1, byte 7"},
        {TEXT("{a:1}"), "JSON: expected a key at line 1, byte 1"},
        {TEXT("{\"a\" 1}"), "JSON: expected ':' at line 1, byte 5"},
        {TEXT("{\"a\":}"), "JSON: expected a value at line 1, byte 5"},
        {TEXT("{\"a\":1]"), "JSON: expected ',' or '}' at line 1, byte 6"},
        {TEXT("{\"a\":1"), "JSON: unexpected end at line 1, byte 6"},
        {TEXT("/* c */ 1"), "JSON: expected a value at line 1, byte 0"},
        {TEXT("[1] // c"), "JSON: trailing bytes at line 1, byte 4"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json *root = (struct json *)&root;
        struct error err = {0};
        cr_assert_eq(json_parse(rows[i].text, &root, &err), ERR_PERMANENT, "row %zu: %s", i, rows[i].text.data);
        cr_assert_str_eq(err.message, rows[i].message);
        cr_assert_eq(root, (struct json *)&root, "the output is written on success only");
    }
}

Test(base_json, takes_documents_without_a_terminating_nul) {
    static const char *const texts[] = {"5", "-0", "1.5e3", "true", "null", "\"x\"", "[]", "{}"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t size = strlen(texts[i]);
        char *exact = mem_alloc(size); /* An overrun is seen by the sanitizer; digits behind it would be read. */
        memcpy(exact, texts[i], size);
        struct json *root;
        struct error err;
        cr_assert_eq(json_parse((struct bytes){exact, size}, &root, &err), ERR_NONE, "%s", texts[i]);
        json_free(root);
        mem_free(exact);
    }
}

static void nested(struct buf *buf, const char *open, const char *close, int depth) {
    buf_clear(buf);
    for (int i = 0; i < depth; i++)
        buf_puts(buf, open);
    buf_puts(buf, "1");
    for (int i = 0; i < depth; i++)
        buf_puts(buf, close);
}

Test(base_json, depth_64_is_taken_and_65_refused) {
    static const char *const brackets[][2] = {{"[", "]"}, {"{\"a\":", "}"}};
    struct buf text = {0};
    for (size_t i = 0; i < 2; i++) {
        struct json *root;
        struct error err = {0};
        nested(&text, brackets[i][0], brackets[i][1], JSON_DEPTH_MAX);
        cr_assert_eq(json_parse(buf_bytes(&text), &root, &err), ERR_NONE, "%s", err.message);
        json_free(root);
        nested(&text, brackets[i][0], brackets[i][1], JSON_DEPTH_MAX + 1);
        cr_assert_eq(json_parse(buf_bytes(&text), &root, &err), ERR_PERMANENT);
        cr_assert(strstr(err.message, "nested too deep"), "%s", err.message);
        nested(&text, brackets[i][0], brackets[i][1], 100000);
        cr_assert_eq(json_parse_trusted(buf_bytes(&text), &root, &err), ERR_PERMANENT);
    }
    buf_release(&text);
}

Test(base_json, a_document_over_the_size_limit_is_refused) {
    size_t size = JSON_SIZE_MAX + 1;
    char *text = mem_alloc(size);
    memset(text, ' ', size);
    text[0] = '1';
    struct json *root;
    struct error err;
    cr_assert_eq(json_parse((struct bytes){text, size}, &root, &err), ERR_PERMANENT);
    cr_assert_eq(json_parse((struct bytes){text, size - 1}, &root, &err), ERR_NONE);
    json_free(root);
    mem_free(text);
}

Test(base_json, duplicates_among_many_keys_are_found_at_the_first_repetition) {
    struct buf text = {0};
    buf_putc(&text, '{');
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "\"k%d\":0,\n", i);
    size_t good_size = text.size;
    struct json *root;
    struct error err;
    buf_puts(&text, "\"last\":0}");
    cr_assert_eq(json_parse(buf_bytes(&text), &root, &err), ERR_NONE);
    cr_assert_eq(json_object_count(root), 1001);
    json_free(root);
    text.size = good_size;
    buf_puts(&text, "\"k7\":0,\"k3\":0}");
    cr_assert_eq(json_parse(buf_bytes(&text), &root, &err), ERR_PERMANENT);
    char expected[64];
    snprintf(expected, sizeof(expected), "JSON: duplicate key at line 1001, byte %zu", good_size);
    cr_assert_str_eq(err.message, expected);
    buf_release(&text);
}

Test(base_json, equal_keys_in_different_objects_are_no_duplicates) {
    json_free(parsed("{\"a\":{\"a\":{\"a\":1},\"b\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":1}]}"));
}

Test(base_json, trusted_takes_duplicates_and_nul_but_nothing_else) {
    struct json *root;
    struct error err;
    struct bytes text = TEXT("{\"a\":1,\"a\":2,\"n\":\"x\\u0000y\",\"k\\u0000z\":3}");
    cr_assert_eq(json_parse_trusted(text, &root, &err), ERR_NONE);
    cr_assert_eq(json_int(json_get(root, "a"), 0), 2);
    cr_assert_str_eq(json_string(json_get(root, "n"), NULL), "x");
    json_free(root);
    static const char *const refused[] = {"NaN", "\"\xff\"", "1 2", "[1,]", "9223372036854775808", "\"\\ud800\""};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        cr_assert_eq(json_parse_trusted(bytes_of(refused[i]), &root, &err), ERR_PERMANENT, "%s", refused[i]);
}

Test(base_json, numbers_keep_type_and_value) {
    static const struct {
        const char *text;
        enum json_type type;
        int64_t integer;
        double real;
    } rows[] = {
        {"0", JSON_INT, 0, 0},
        {"-0", JSON_INT, 0, 0},
        {"9223372036854775807", JSON_INT, INT64_MAX, 0x1p63},
        {"-9223372036854775808", JSON_INT, INT64_MIN, -0x1p63},
        {"1.0", JSON_DOUBLE, 0, 1},
        {"9223372036854775808.0", JSON_DOUBLE, 0, 0x1p63},
        {"1e19", JSON_DOUBLE, 0, 1e19},
        {"1E+2", JSON_DOUBLE, 0, 100},
        {"-2.5e-3", JSON_DOUBLE, 0, -0.0025},
        {"1e-400", JSON_DOUBLE, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json *root = parsed(rows[i].text);
        cr_assert_eq(json_type(root), rows[i].type, "%s", rows[i].text);
        cr_assert_eq(json_int(root, 0), rows[i].integer, "%s", rows[i].text);
        cr_assert_eq(json_double(root, 77), rows[i].real, "%s", rows[i].text);
        json_free(root);
    }
}

Test(base_json, strings_are_decoded) {
    struct json *root = parsed("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"\\u00e9\\u65e5\\ud83d\\ude00\",\"\"]");
    cr_assert_str_eq(json_string(json_array_at(root, 0), NULL), "\"\\/\b\f\n\r\t");
    cr_assert_str_eq(json_string(json_array_at(root, 1), NULL), "\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80");
    cr_assert_str_eq(json_string(json_array_at(root, 2), NULL), "");
    json_free(root);
}

Test(base_json, readers_are_strict_in_type_and_take_null) {
    struct json *root =
        parsed("{\"s\":\"x\",\"i\":5,\"d\":2.5,\"b\":true,\"n\":null,\"a\":[1,2],\"o\":{\"p\":{\"q\":7}}}");
    cr_assert_str_eq(json_string(json_get(root, "i"), "no"), "no");
    cr_assert_eq(json_int(json_get(root, "s"), -1), -1);
    cr_assert_eq(json_int(json_get(root, "d"), -1), -1);
    cr_assert_eq(json_double(json_get(root, "i"), -1), 5);
    cr_assert(json_bool(json_get(root, "b"), false));
    cr_assert_not(json_bool(json_get(root, "i"), false));
    cr_assert_null(json_get(root, "n"));
    cr_assert_null(json_get(root, "absent"));
    cr_assert_null(json_get(json_get(root, "a"), "x"));
    cr_assert_eq(json_int(json_at(root, "o.p.q"), 0), 7);
    cr_assert_null(json_at(root, "o.x.q"));
    cr_assert_null(json_at(root, "s.x"));
    cr_assert_eq(json_array_count(json_get(root, "a")), 2);
    cr_assert_eq(json_array_count(root), 0);
    cr_assert_null(json_array_at(json_get(root, "a"), 2));
    cr_assert_null(json_array_at(root, 0));
    cr_assert_eq(json_object_count(root), 7);
    cr_assert_eq(json_object_count(json_get(root, "a")), 0);
    cr_assert_eq(json_type(NULL), JSON_NULL);
    cr_assert_eq(json_object_count(NULL), 0);
    cr_assert_str_eq(json_type_name(json_type(json_get(root, "d"))), "number");
    json_free(root);
    json_free(NULL);
}

Test(base_json, iterates_in_order_of_the_document_and_shows_nulls) {
    struct json *root = parsed("{\"z\":1,\"a\":null,\"m\":3}");
    static const char *const keys[] = {"z", "a", "m"};
    size_t count = 0;
    for (struct json_iter it = json_iter(root); json_iter_next(&it); count++) {
        cr_assert_lt(count, 3);
        cr_assert_str_eq(it.key, keys[count]);
        cr_assert_eq(it.value == NULL, count == 1);
    }
    cr_assert_eq(count, 3);
    struct json_iter none = json_iter(json_get(root, "z"));
    cr_assert_not(json_iter_next(&none));
    cr_assert_not(json_iter_next(&none));
    struct json *empty = json_new_object();
    struct json_iter it = json_iter(empty);
    cr_assert_not(json_iter_next(&it));
    json_free(empty);
    json_free(root);
}

Test(base_json, building_replaces_and_copies_deeply) {
    struct json *root = json_new_object(), *list = json_new_array();
    json_array_push(list, json_new_int(INT64_MIN));
    json_array_push(list, json_new_double(0.5));
    json_array_push(list, json_new_bool(true));
    json_array_push(list, NULL);
    json_object_set(root, "k", json_new_string("old", 3));
    json_object_set(root, "k", json_new_string("newer", 3));
    json_object_set(root, "list", list);
    json_object_set(root, "none", NULL);
    struct json *copy = json_copy(root);
    json_object_set(root, "k", json_new_int(1));
    json_array_push(list, json_new_int(2));
    struct buf out = {0};
    json_print(copy, &out);
    cr_assert_str_eq(buf_text(&out), "{\"k\":\"new\",\"list\":[-9223372036854775808,0.5,true,null],\"none\":null}");
    cr_assert_null(json_copy(NULL));
    buf_release(&out);
    json_free(copy);
    json_free(root);
}
