/*
 * The strict scanner: decides whether text is a document that we take, before json-c builds the tree. json-c itself is
 * lenient: it keeps the last of duplicate keys, clamps integers, knows NaN, and takes any bytes as text.
 *
 * Strict adds to the grammar: no duplicate keys (after decoding escapes), no U+0000. A trusted document may have both:
 * whoever may write an annotation must not be able to break our list of all objects. Readers then see the last
 * duplicate, and the text before U+0000.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define NUMBER_SIZE_MAX 512

struct key {
    const char *text; /* In the document, or decoded in the arena. */
    size_t size, at;
};

struct scanner {
    const char *text;
    size_t size, at;
    bool is_trusted;
    const char *problem;
    size_t problem_at;
    struct arena decoded;
    struct key *keys; /* A stack: those of the open objects, innermost last. */
    size_t key_count, key_capacity;
};

static bool scan_value(struct scanner *s, int depth);

static bool fail_at(struct scanner *s, size_t at, const char *problem) {
    s->problem = problem;
    s->problem_at = at;
    return false;
}

static bool fail(struct scanner *s, const char *problem) {
    return fail_at(s, s->at, s->at < s->size ? problem : "unexpected end");
}

static char peek(const struct scanner *s) {
    return s->at < s->size ? s->text[s->at] : '\0';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static void skip_space(struct scanner *s) {
    size_t at = s->at;
    while (at < s->size && (s->text[at] == ' ' || s->text[at] == '\n' || s->text[at] == '\t' || s->text[at] == '\r'))
        at++;
    s->at = at;
}

/* At a backslash u: its four digits, or -1. */
static int32_t hex4(const struct scanner *s, size_t at) {
    if (s->size - at < 6 || s->text[at] != '\\' || s->text[at + 1] != 'u')
        return -1;
    int32_t value = 0;
    for (size_t i = at + 2; i < at + 6; i++) {
        char c = s->text[i];
        int digit = is_digit(c)              ? c - '0'
                    : (c >= 'a' && c <= 'f') ? c - 'a' + 10
                    : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                             : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* At a backslash. Moves behind the escape; *ret_code is the character. */
static bool scan_escape(struct scanner *s, uint32_t *ret_code) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    size_t at = s->at;
    if (s->size - at < 2)
        return fail_at(s, s->size, "unexpected end");
    const char *name = memchr(names, s->text[at + 1], sizeof(names) - 1);
    if (name) {
        *ret_code = (unsigned char)values[name - names];
        s->at += 2;
        return true;
    }
    int32_t code = hex4(s, at);
    if (code < 0)
        return fail(s, "invalid escape");
    s->at += 6;
    if (code >= 0xd800 && code <= 0xdfff) {
        int32_t low = code < 0xdc00 && s->at < s->size ? hex4(s, s->at) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return fail_at(s, at, "lone surrogate");
        s->at += 6;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code == 0 && !s->is_trusted)
        return fail_at(s, at, "U+0000 in a string");
    *ret_code = (uint32_t)code;
    return true;
}

/* At the opening quote. Moves behind the closing one. */
static bool scan_string(struct scanner *s, bool *ret_has_escapes) {
    size_t start = s->at++;
    *ret_has_escapes = false;
    for (;;) {
        const unsigned char *p = (const unsigned char *)s->text;
        size_t at = s->at;
        while (at < s->size && p[at] >= 0x20 && p[at] < 0x80 && p[at] != '"' && p[at] != '\\')
            at++;
        s->at = at;
        if (at == s->size)
            return fail_at(s, start, "unterminated string");
        if (p[at] == '"') {
            s->at++;
            return true;
        }
        if (p[at] == '\\') {
            uint32_t code;
            *ret_has_escapes = true;
            if (!scan_escape(s, &code))
                return false;
        } else if (p[at] < 0x20) {
            return fail(s, "control character in a string");
        } else {
            size_t step = str_utf8_size(s->text + at, s->size - at);
            if (step == 0)
                return fail(s, "text is not UTF-8");
            s->at += step;
        }
    }
}

static size_t utf8_put(uint32_t code, char *to) {
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size - 1; i > 0; i--) {
        to[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    to[0] = (char)(leads[size] | code);
    return size;
}

/* The decoded form of a string that scan_string has accepted; it is never longer than the text. */
static struct key key_decode(struct scanner *s, size_t start, size_t end) {
    char *to = arena_alloc(&s->decoded, end - start);
    size_t size = 0, resume = s->at;
    for (s->at = start; s->at < end;) {
        uint32_t code = 0;
        if (s->text[s->at] != '\\')
            to[size++] = s->text[s->at++];
        else if (scan_escape(s, &code))
            size += utf8_put(code, to + size);
    }
    s->at = resume;
    return (struct key){.text = to, .size = size, .at = start - 1};
}

static int key_cmp(const void *a_, const void *b_) {
    const struct key *a = a_, *b = b_;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    int order = memcmp(a->text, b->text, a->size);
    return order != 0 ? order : (a->at > b->at) - (a->at < b->at);
}

static bool key_eq(const struct key *a, const struct key *b) {
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

/* Small objects pair by pair; large ones sorted, so that hostile keys cannot make it quadratic. */
static bool check_duplicates(struct scanner *s, size_t first) {
    size_t count = s->key_count - first;
    if (count < 2) { /* Also where duplicates are not looked for: then there is no array of keys at all. */
        s->key_count = first;
        return true;
    }
    struct key *keys = s->keys + first;
    const struct key *found = NULL;
    if (count <= 16) {
        for (size_t i = 1; i < count && !found; i++) {
            for (size_t j = 0; j < i && !found; j++)
                found = key_eq(&keys[i], &keys[j]) ? &keys[i] : NULL;
        }
    } else {
        qsort(keys, count, sizeof(*keys), key_cmp);
        for (size_t i = 1; i < count; i++) {
            if (key_eq(&keys[i], &keys[i - 1]) && (!found || keys[i].at < found->at))
                found = &keys[i];
        }
    }
    s->key_count = first;
    return !found || fail_at(s, found->at, "duplicate key");
}

static bool scan_key(struct scanner *s) {
    if (peek(s) != '"')
        return fail(s, "expected a key");
    size_t start = s->at + 1;
    bool has_escapes;
    if (!scan_string(s, &has_escapes))
        return false;
    if (s->is_trusted)
        return true;
    if (s->key_count == s->key_capacity) {
        size_t capacity = s->key_capacity > 0 ? s->key_capacity * 2 : 64;
        s->keys = mem_grow(s->keys, s->key_capacity, capacity, sizeof(*s->keys));
        s->key_capacity = capacity;
    }
    size_t end = s->at - 1;
    s->keys[s->key_count++] = has_escapes ? key_decode(s, start, end)
                                          : (struct key){.text = s->text + start, .size = end - start, .at = start - 1};
    return true;
}

static bool scan_object(struct scanner *s, int depth) {
    size_t first_key = s->key_count;
    s->at++;
    skip_space(s);
    if (peek(s) == '}') {
        s->at++;
        return true;
    }
    for (;;) {
        skip_space(s);
        if (!scan_key(s))
            return false;
        skip_space(s);
        if (peek(s) != ':')
            return fail(s, "expected ':'");
        s->at++;
        if (!scan_value(s, depth))
            return false;
        skip_space(s);
        char c = peek(s);
        if (c != ',' && c != '}')
            return fail(s, "expected ',' or '}'");
        s->at++;
        if (c == '}')
            return check_duplicates(s, first_key);
    }
}

static bool scan_array(struct scanner *s, int depth) {
    s->at++;
    skip_space(s);
    if (peek(s) == ']') {
        s->at++;
        return true;
    }
    for (;;) {
        if (!scan_value(s, depth))
            return false;
        skip_space(s);
        char c = peek(s);
        if (c != ',' && c != ']')
            return fail(s, "expected ',' or ']'");
        s->at++;
        if (c == ']')
            return true;
    }
}

static bool scan_digits(struct scanner *s) {
    if (!is_digit(peek(s)))
        return fail(s, "invalid number");
    while (is_digit(peek(s)))
        s->at++;
    return true;
}

/* Written as an integer it must be one of 64 bits; written as a double it must be finite. */
static bool check_number_range(struct scanner *s, size_t start, bool is_integer) {
    char text[NUMBER_SIZE_MAX + 1];
    size_t size = s->at - start;
    if (size <= 18 && is_integer)
        return true;
    if (size > NUMBER_SIZE_MAX)
        return fail_at(s, start, "number too long");
    memcpy(text, s->text + start, size);
    text[size] = '\0';
    int64_t integer;
    double real;
    if (is_integer)
        return str_to_int64(text, &integer) || fail_at(s, start, "integer out of range");
    return str_to_double(text, &real) || fail_at(s, start, "number out of range");
}

static bool scan_number(struct scanner *s) {
    size_t start = s->at;
    bool is_integer = true;
    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0') {
        s->at++;
        if (is_digit(peek(s)))
            return fail_at(s, start, "number with a leading zero");
    } else if (!scan_digits(s)) {
        return false;
    }
    if (peek(s) == '.') {
        is_integer = false;
        s->at++;
        if (!scan_digits(s))
            return false;
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        is_integer = false;
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        if (!scan_digits(s))
            return false;
    }
    return check_number_range(s, start, is_integer);
}

static bool scan_word(struct scanner *s, const char *word) {
    size_t size = strlen(word);
    if (s->size - s->at < size || memcmp(s->text + s->at, word, size) != 0)
        return fail_at(s, s->at, "invalid value");
    s->at += size;
    return true;
}

static bool scan_value(struct scanner *s, int depth) {
    skip_space(s);
    bool has_escapes;
    switch (peek(s)) {
    case '{':
    case '[':
        if (depth == JSON_DEPTH_MAX)
            return fail(s, "nested too deep");
        return peek(s) == '{' ? scan_object(s, depth + 1) : scan_array(s, depth + 1);
    case '"':
        return scan_string(s, &has_escapes);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        if (peek(s) == '-' || is_digit(peek(s)))
            return scan_number(s);
        return fail(s, "expected a value");
    }
}

bool json_scan(struct bytes text, bool is_trusted, const char **ret_problem, size_t *ret_at) {
    struct scanner s = {.text = text.data, .size = text.size, .is_trusted = is_trusted};
    bool ok = scan_value(&s, 0);
    if (ok) {
        skip_space(&s);
        if (s.at < s.size)
            ok = fail(&s, "trailing bytes");
    }
    if (!ok) {
        *ret_problem = s.problem;
        *ret_at = s.problem_at;
    }
    arena_release(&s.decoded);
    mem_free(s.keys);
    return ok;
}
