/*
 * Strings: patterns, UTF-8, numbers, hashes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

Test(base_str, comparison_knows_null) {
    cr_assert(str_eq(NULL, NULL));
    cr_assert_not(str_eq(NULL, ""));
    cr_assert(str_eq("a", "a"));
    cr_assert_lt(str_cmp(NULL, ""), 0);
    cr_assert_gt(str_cmp("", NULL), 0);
    cr_assert_eq(str_cmp(NULL, NULL), 0);
    cr_assert_lt(str_cmp("a", "b"), 0);
    cr_assert(str_has_prefix("prefix", "pre"));
    cr_assert(str_has_prefix("pre", "pre"));
    cr_assert_not(str_has_prefix("pr", "pre"));
    cr_assert(str_has_suffix("a.yaml", ".yaml"));
    cr_assert_not(str_has_suffix("yaml", ".yaml"));
    cr_assert_not(str_has_prefix(NULL, ""));
    cr_assert_not(str_has_suffix(NULL, ""));
}

Test(base_str, glob) {
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "anything", true},
        {"t*", "t3.micro", true},
        {"t*", "m5", false},
        {"*.large", "m5.large", true},
        {"a*b*c", "aXbXc", true},
        {"a*b*c", "aXbX", false},
        {"a*bc", "abcbc", true},
        {"?", "", false},
        {"?", "a", true},
        {"?", "\xe6\x97\xa5", true},
        {"??", "\xe6\x97\xa5", false},
        {"*?", "", false},
        {"a?c", "abc", true},
        {"abc", "abcd", false},
        {"abcd", "abc", false},
        {"**a**", "xxaxx", true},
        {"*\xa5", "\xe6\x97\xa5", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(str_glob(rows[i].pattern, rows[i].text), rows[i].matches, "%s against %s", rows[i].pattern,
                     rows[i].text);
    cr_assert_not(str_glob(NULL, "a"));
    cr_assert_not(str_glob("a", NULL));
}

Test(base_str, glob_with_many_stars_is_not_exponential) {
    char pattern[201], text[5001];
    for (size_t i = 0; i < 200; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[199] = 'b';
    pattern[200] = '\0';
    memset(text, 'a', 5000);
    text[5000] = '\0';
    cr_assert_not(str_glob(pattern, text));
}

Test(base_str, utf8) {
    static const struct {
        const char *name, *text;
        size_t size;
        bool valid;
    } rows[] = {
        {"empty", "", 0, true},
        {"ascii", "abc", 3, true},
        {"NUL", "a\0b", 3, false},
        {"two bytes", "\xc3\xa9", 2, true},
        {"three bytes", "\xe6\x97\xa5", 3, true},
        {"four bytes", "\xf0\x9f\x98\x80", 4, true},
        {"last code point", "\xf4\x8f\xbf\xbf", 4, true},
        {"beyond the last", "\xf4\x90\x80\x80", 4, false},
        {"lead f5", "\xf5\x80\x80\x80", 4, false},
        {"overlong slash", "\xc0\xaf", 2, false},
        {"overlong two", "\xc1\xbf", 2, false},
        {"overlong three", "\xe0\x9f\xbf", 3, false},
        {"overlong four", "\xf0\x8f\xbf\xbf", 4, false},
        {"overlong NUL", "\xc0\x80", 2, false},
        {"first surrogate", "\xed\xa0\x80", 3, false},
        {"last surrogate", "\xed\xbf\xbf", 3, false},
        {"before surrogates", "\xed\x9f\xbf", 3, true},
        {"after surrogates", "\xee\x80\x80", 3, true},
        {"continuation alone", "\x80", 1, false},
        {"cut after one of two", "a\xc3", 2, false},
        {"cut after two of three", "\xe6\x97", 2, false},
        {"cut after three of four", "\xf0\x9f\x98", 3, false},
        {"lead, then ascii", "\xc3(", 2, false},
        {"bytes fe ff", "\xfe\xff", 2, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(str_is_utf8(rows[i].text, rows[i].size), rows[i].valid, "%s", rows[i].name);
    cr_assert_eq(str_utf8_size("\xe6\x97\xa5xyz", 6), 3);
    cr_assert_eq(str_utf8_size("\xe6\x97\xa5", 2), 0);
}

Test(base_str, copy_says_whether_it_was_cut) {
    char to[4];
    cr_assert(str_copy(to, sizeof(to), "abc"));
    cr_assert_str_eq(to, "abc");
    cr_assert_not(str_copy(to, sizeof(to), "abcd"));
    cr_assert_str_eq(to, "abc");
    cr_assert(str_copy(to, sizeof(to), ""));
    cr_assert_str_empty(to);
}

Test(base_str, a_line_holds_nothing_but_whole_characters) {
    static const char *const rows[][2] = {
        {"", ""},
        {"plain", "plain"},
        {"a\r\nb\tc\x1b[1m\x7f", "a  b c [1m "},
        {"caf\xc3\xa9 \xe6\x97\xa5", "caf\xc3\xa9 \xe6\x97\xa5"},
        {"cut \xe6\x97", "cut "},
        {"\xff"
         "a\xc0\x80"
         "b\xed\xa0\x80",
         "ab"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[32];
        cr_assert(str_copy(text, sizeof(text), rows[i][0]));
        str_make_line(text);
        cr_expect_str_eq(text, rows[i][1], "row %zu", i);
    }
}

Test(base_str, integers) {
    static const struct {
        const char *text;
        bool valid;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"007", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"0x10", false, 0},
        {"1.0", false, 0},
        {"--1", false, 0},
        {NULL, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t value = 77;
        cr_assert_eq(str_to_int64(rows[i].text, &value), rows[i].valid, "\"%s\"", rows[i].text);
        cr_assert_eq(value, rows[i].valid ? rows[i].value : 77, "\"%s\"", rows[i].text);
    }
}

Test(base_str, doubles) {
    static const struct {
        const char *text;
        bool valid;
        double value;
    } rows[] = {
        {"0.1", true, 0.1}, {"-2.5e3", true, -2500}, {"5e-324", true, 5e-324}, {".5", true, 0.5},
        {"1.", true, 1},    {"1e309", false, 0},     {"nan", false, 0},        {"NaN", false, 0},
        {"inf", false, 0},  {"-inf", false, 0},      {"infinity", false, 0},   {"0x1p3", false, 0},
        {"-0X1", false, 0}, {"", false, 0},          {".", false, 0},          {" 1", false, 0},
        {"1 ", false, 0},   {"+1", false, 0},        {"1,5", false, 0},        {"1e", false, 0},
        {NULL, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double value = 77;
        cr_assert_eq(str_to_double(rows[i].text, &value), rows[i].valid, "\"%s\"", rows[i].text);
        cr_assert_eq(value, rows[i].valid ? rows[i].value : 77, "\"%s\"", rows[i].text);
    }
}

Test(base_str, doubles_are_printed_shortest_and_read_back_the_same) {
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0.1, "0.1"},      {0, "0"},           {-1.5, "-1.5"}, {1e21, "1e+21"}, {5e-324, "5e-324"},
        {1e300, "1e+300"}, {100000, "100000"}, {0.3, "0.3"},   {2.5, "2.5"},    {0.1 + 0.2, "0.30000000000000004"},
    };
    char text[STR_DOUBLE_MAX];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        str_from_double(rows[i].value, text);
        cr_assert_str_eq(text, rows[i].text);
    }
    static const double extremes[] = {DBL_MAX, -DBL_MAX, DBL_MIN, DBL_EPSILON, 1.0 / 3, 9007199254740993.0, 0x1p63};
    for (size_t i = 0; i < ARRAY_LEN(extremes); i++) {
        double back;
        str_from_double(extremes[i], text);
        cr_assert(str_to_double(text, &back), "%s", text);
        cr_assert_eq(back, extremes[i], "%s", text);
    }
}

static void expect_as_printf(double value) {
    char wanted[STR_DOUBLE_MAX], text[STR_DOUBLE_MAX];
    (void)snprintf(wanted, sizeof(wanted), "%.8g", value + 0.0);
    *str_put_double8(value, text) = '\0';
    cr_assert_str_eq(text, wanted, "%a", value);
}

Test(base_str, eight_digits_are_those_of_printf) {
    static const double values[] = {0,        -0.0,      1,         0.5,         9.9999999,  99999999.5,  99999999.4,
                                    1e8,      1e-4,      9.9999e-5, 0.000123456, 12345678.5, 12345679.5,  0.99999999,
                                    999999.9, 1e300,     -1e-300,   1.00000005,  1.00000015, 0.999999995, 2.5,
                                    -12.25,   100000000, 10,        0.1};
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        expect_as_printf(values[i]);
    uint64_t state = 1; /* Halves of the last digit, and what is beside them, at every size. */
    for (int i = 0; i < 200000; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        double digits = (double)(10000000 + (state >> 33) % 90000000), unit = pow(10, (double)(int)(state % 16) - 12);
        double near = (digits + (double)((state >> 20) % 5) / 4) * unit;
        expect_as_printf(near);
        expect_as_printf(-nextafter(near, 0));
        expect_as_printf(nextafter(near, INFINITY));
    }
}

Test(base_str, whole_numbers_are_those_of_printf) {
    static const size_t values[] = {0, 7, 10, 999, 1000, 4294967296, SIZE_MAX};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char wanted[STR_DOUBLE_MAX], text[STR_DOUBLE_MAX];
        (void)snprintf(wanted, sizeof(wanted), "%zu", values[i]);
        *str_put_size(values[i], text) = '\0';
        cr_assert_str_eq(text, wanted);
    }
}

Test(base_str, hash_is_stable_and_tells_borders_apart) {
    cr_assert_eq(str_hash(STR_HASH_SEED, "", 0), STR_HASH_SEED);
    cr_assert_eq(str_hash(STR_HASH_SEED, "a", 1), UINT64_C(0xaf63dc4c8601ec8c)); /* FNV-1a's published value. */
    cr_assert_eq(str_hash(STR_HASH_SEED, "foobar", 6), UINT64_C(0x85944171f73967e8));
    uint64_t ab_empty = str_hash_text(str_hash_text(STR_HASH_SEED, "ab"), "");
    uint64_t a_b = str_hash_text(str_hash_text(STR_HASH_SEED, "a"), "b");
    cr_assert_neq(ab_empty, a_b);
}

Test(base_str, visible_text_is_fit_for_a_header) {
    cr_expect(str_is_visible("a.B-~!"));
    static const char *const not_visible[] = {"", "a b", "a\n", "\ta", "a\x7f", "\xc3\xbc"};
    for (size_t i = 0; i < ARRAY_LEN(not_visible); i++)
        cr_expect_not(str_is_visible(not_visible[i]), "%zu", i);
}
