/*
 * Strings: comparison, patterns, numbers in text. Nothing here allocates.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_STR_H
#define TRIMTAB_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool str_eq(const char *a, const char *b); /* NULL equals only NULL. */
int str_cmp(const char *a, const char *b); /* NULL sorts first. */
bool str_has_prefix(const char *text, const char *prefix);
bool str_has_suffix(const char *text, const char *suffix);
bool str_glob(const char *pattern, const char *text); /* `*` any run, `?` one character; the whole text must match. */
bool str_is_utf8(const char *text, size_t size);      /* Strict: no overlong forms, no surrogates, no NUL byte. */
bool str_is_visible(const char *text);                /* Not empty, visible ASCII only: fit for a header. */
/* Bytes of the first character of text, by the same rules; 0 if it is not one. */
size_t str_utf8_size(const char *text, size_t size);
bool str_copy(char *to, size_t to_size, const char *from); /* Always terminates; false if cut. */
/* In place, fit to be shown on a line: bytes that are no UTF-8 go, as does a character that was cut; control characters
 * become blanks. */
void str_make_line(char *text);

bool str_to_int64(const char *text, int64_t *ret); /* Whole text, decimal, in range; else false. */
bool str_to_double(const char *text, double *ret); /* Whole text, finite, C locale; else false. */
/* The shortest text that reads back as the same double, in the C locale; value is finite, to holds STR_DOUBLE_MAX. */
#define STR_DOUBLE_MAX 40
void str_from_double(double value, char *to);
/* What printf's %.8g and %zu write, several times as fast, in the C locale; to holds STR_DOUBLE_MAX, and is not
 * terminated. Both return the end. A zero has no sign. */
char *str_put_double8(double value, char *to);
char *str_put_size(size_t value, char *to);

#define STR_HASH_SEED UINT64_C(0xcbf29ce484222325)
uint64_t str_hash(uint64_t seed, const void *data, size_t size); /* 64-bit, stable across runs and machines. */
uint64_t str_hash_text(uint64_t seed, const char *text); /* Includes the terminating NUL, so "a","b" != "ab","". */

#endif
