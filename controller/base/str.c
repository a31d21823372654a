/*
 * Strings: comparison, patterns, numbers in text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/str.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

bool str_eq(const char *a, const char *b) {
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

int str_cmp(const char *a, const char *b) {
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    return strcmp(a, b);
}

bool str_has_prefix(const char *text, const char *prefix) {
    return text && strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_has_suffix(const char *text, const char *suffix) {
    if (!text)
        return false;
    size_t text_size = strlen(text), suffix_size = strlen(suffix);
    return text_size >= suffix_size && memcmp(text + text_size - suffix_size, suffix, suffix_size) == 0;
}

/* Bytes that are not UTF-8 count as one character each. */
static size_t character_size(const char *text) {
    size_t size = str_utf8_size(text, strnlen(text, 4));
    return size > 0 ? size : 1;
}

/* Keeps one point to fall back to, the last star: earlier stars never need to be tried again. */
bool str_glob(const char *pattern, const char *text) {
    if (!pattern || !text)
        return false;
    const char *star = NULL, *star_text = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            star_text = text;
        } else if (*pattern == '?') {
            pattern++;
            text += character_size(text);
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            star_text += character_size(star_text);
            pattern = star + 1;
            text = star_text;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static bool is_continuation(unsigned char c) {
    return (c & 0xc0) == 0x80;
}

size_t str_utf8_size(const char *text, size_t size) {
    const unsigned char *p = (const unsigned char *)text;
    if (size == 0 || p[0] == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || size < 2 || !is_continuation(p[1]))
        return 0;
    if (p[0] < 0xe0)
        return 2;
    if (size < 3 || !is_continuation(p[2]))
        return 0;
    if (p[0] < 0xf0) {
        bool is_overlong = p[0] == 0xe0 && p[1] < 0xa0;
        bool is_surrogate = p[0] == 0xed && p[1] >= 0xa0;
        return is_overlong || is_surrogate ? 0 : 3;
    }
    if (size < 4 || !is_continuation(p[3]))
        return 0;
    bool is_overlong = p[0] == 0xf0 && p[1] < 0x90;
    bool is_too_high = p[0] > 0xf4 || (p[0] == 0xf4 && p[1] >= 0x90);
    return is_overlong || is_too_high ? 0 : 4;
}

bool str_is_utf8(const char *text, size_t size) {
    for (size_t at = 0; at < size;) {
        size_t step = str_utf8_size(text + at, size - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

bool str_copy(char *to, size_t to_size, const char *from) {
    ASSERT(to_size > 0);
    size_t size = strnlen(from, to_size);
    bool fits = size < to_size;
    if (!fits)
        size = to_size - 1;
    memcpy(to, from, size);
    to[size] = '\0';
    return fits;
}

void str_make_line(char *text) {
    size_t size = strlen(text), kept = 0;
    for (size_t at = 0; at < size;) {
        size_t step = str_utf8_size(text + at, size - at);
        bool is_control = (unsigned char)text[at] < ' ' || text[at] == 0x7f;
        memmove(text + kept, is_control ? " " : text + at, step);
        kept += step;
        at += step > 0 ? step : 1;
    }
    text[kept] = '\0';
}

bool str_to_int64(const char *text, int64_t *ret) {
    if (!text)
        return false;
    const char *digits = text + (*text == '-');
    if (*digits < '0' || *digits > '9')
        return false; /* strtoll would take white space and a plus. */
    errno = 0;
    char *end;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *ret = value;
    return true;
}

/* The C locale, whatever a library has done to the process's: made once, kept to the end. */
static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void c_locale_make(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    ASSERT(c_locale != (locale_t)0);
}

bool str_to_double(const char *text, double *ret) {
    if (!text)
        return false;
    const char *digits = text + (*text == '-');
    if ((*digits < '0' || *digits > '9') && *digits != '.')
        return false; /* White space, plus, "inf", "nan". */
    if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
        return false;
    pthread_once(&c_locale_once, c_locale_make);
    char *end;
    double value = strtod_l(text, &end, c_locale);
    if (end == text || *end != '\0' || !isfinite(value))
        return false;
    *ret = value;
    return true;
}

void str_from_double(double value, char *to) {
    ASSERT(isfinite(value));
    pthread_once(&c_locale_once, c_locale_make);
    locale_t previous = uselocale(c_locale);
    /* 15 digits always survive the way there and back, 17 always suffice; subnormals have fewer than 15. */
    double magnitude = fabs(value);
    int digits = magnitude > 0 && magnitude < DBL_MIN ? 1 : 15;
    for (; digits <= 17; digits++) {
        snprintf(to, STR_DOUBLE_MAX, "%.*g", digits, value);
        if (strtod(to, NULL) == value)
            break;
    }
    uselocale(previous);
}

char *str_put_size(size_t value, char *to) {
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count)
        *to++ = digits[--count];
    return to;
}

static char *put_double8_slowly(double value, char *to) {
    pthread_once(&c_locale_once, c_locale_make);
    locale_t previous = uselocale(c_locale);
    int size = snprintf(to, STR_DOUBLE_MAX, "%.8g", value);
    uselocale(previous);
    return to + size;
}

/* The eight digits are a whole number of units of 10^(exponent - 7). Dividing by the unit errs by 1e-8 of it at most:
 * where that might turn the rounding, and where there would be an exponent, printf is asked. */
char *str_put_double8(double value, char *to) {
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11};
    static const char pairs[] =
        "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243"
        "4445464748495051525354555657585960616263646566676869707172737475767778798081828384858687"
        "888990919293949596979899";
    enum { DIGITS = 8, EXPONENT_MIN = -4 };
    double size = fabs(value);
    if (size == 0) {
        *to = '0';
        return to + 1;
    }
    if (!(size >= 1e-4 && size < 1e8))
        return put_double8_slowly(value, to);
    int exponent = EXPONENT_MIN;
    for (double raised = size * 1e4; exponent < DIGITS - 1 && raised >= powers[exponent + 1 - EXPONENT_MIN];)
        exponent++;
    double scaled = size * powers[DIGITS - 1 - exponent];
    uint32_t number = (uint32_t)scaled;
    double rest = scaled - (double)number;
    number += rest > 0.5;
    if (fabs(rest - 0.5) < 1e-6 || number < 10000000 || number >= 100000000)
        return put_double8_slowly(value, to);
    char digits[DIGITS];
    for (int i = DIGITS - 2; i >= 0; i -= 2, number /= 100)
        memcpy(digits + i, &pairs[2 * (number % 100)], 2);
    int used = DIGITS, whole = exponent < 0 ? 0 : exponent + 1;
    while (used > 1 && digits[used - 1] == '0')
        used--;
    if (value < 0)
        *to++ = '-';
    if (whole) { /* All digits, the zeros behind them included: there is room. */
        memcpy(to, digits, DIGITS);
        to += whole;
    } else {
        *to++ = '0';
    }
    if (used > whole) {
        *to++ = '.';
        for (int i = exponent + 1; i < 0; i++)
            *to++ = '0';
        memcpy(to, digits + whole, (size_t)(DIGITS - whole));
        to += used - whole;
    }
    return to;
}

uint64_t str_hash(uint64_t seed, const void *data, size_t size) {
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i++)
        seed = (seed ^ p[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    return seed;
}

uint64_t str_hash_text(uint64_t seed, const char *text) {
    return str_hash(seed, text, strlen(text) + 1);
}

bool str_is_visible(const char *text) {
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return *text != '\0';
}
