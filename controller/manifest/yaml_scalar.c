/*
 * Plain scalars by the core schema of YAML 1.2: null, true and false, integers (decimal, 0o, 0x), decimals; everything
 * else is a string, also yes, no, on, off and dates.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/str.h"
#include "manifest/yaml_internal.h"

#define DIGITS "0123456789"
#define NUMBER_SIZE_MAX 64

static bool is_one_of(const char *text, const char *const *words) {
    for (; *words; words++) {
        if (str_eq(text, *words))
            return true;
    }
    return false;
}

/* [-+]? ( . [0-9]+ | [0-9]+ ( . [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_number(const char *text, bool *ret_is_int) {
    text += *text == '-' || *text == '+';
    size_t whole = strspn(text, DIGITS), part = 0;
    text += whole;
    *ret_is_int = *text == '\0';
    if (*text == '.') {
        part = strspn(++text, DIGITS);
        text += part;
    }
    if (whole + part == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+';
        size_t exponent = strspn(text, DIGITS);
        if (exponent == 0)
            return false;
        text += exponent;
    }
    return *text == '\0';
}

static bool radix_parse(const char *text, int64_t *ret, bool *ret_overflows) {
    int base = text[0] == '0' && text[1] == 'o' ? 8 : text[0] == '0' && text[1] == 'x' ? 16 : 0;
    if (base == 0 || text[2] == '\0')
        return false;
    int64_t value = 0;
    *ret_overflows = false;
    for (const char *p = text + 2; *p; p++) {
        int digit = *p >= '0' && *p <= '9'                     ? *p - '0'
                    : (*p | 0x20) >= 'a' && (*p | 0x20) <= 'f' ? (*p | 0x20) - 'a' + 10
                                                               : 99;
        if (digit >= base)
            return false;
        *ret_overflows |= __builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value);
    }
    *ret = value;
    return true;
}

static enum scalar_type number_parse(const char *text, bool is_int, struct scalar *ret, const char **ret_problem) {
    const char *unsigned_text = text + (*text == '+'); /* Our readers of numbers take no plus. */
    if (is_int) {
        if (!str_to_int64(unsigned_text, &ret->number))
            *ret_problem = "a whole number that does not fit 64 bits; quote it if it is a string";
        return SCALAR_INT;
    }
    if (strlen(text) > NUMBER_SIZE_MAX || !str_to_double(unsigned_text, &ret->decimal))
        *ret_problem = "a number that is out of range; quote it if it is a string";
    return SCALAR_DOUBLE;
}

static enum scalar_type resolve(const char *text, struct scalar *ret, const char **ret_problem) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const not_finite[] = {".inf",  ".Inf",  ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
                                             "-.Inf", "-.INF", ".nan", ".NaN",  ".NAN",  NULL};
    bool is_int, overflows;
    if (is_one_of(text, nulls))
        return SCALAR_NULL;
    if (is_one_of(text, trues) || is_one_of(text, falses)) {
        ret->number = is_one_of(text, trues);
        return SCALAR_BOOL;
    }
    if (is_one_of(text, not_finite)) {
        *ret_problem = "infinity and NaN cannot be used; quote it if it is a string";
        return SCALAR_DOUBLE;
    }
    if (radix_parse(text, &ret->number, &overflows)) {
        if (overflows)
            *ret_problem = "a whole number that does not fit 64 bits; quote it if it is a string";
        return SCALAR_INT;
    }
    return is_number(text, &is_int) ? number_parse(text, is_int, ret, ret_problem) : SCALAR_STRING;
}

bool scalar_parse(const char *text, bool is_plain, const char *tag, struct scalar *ret, const char **ret_problem) {
    static const char *const names[] = {
        [SCALAR_NULL] = "tag:yaml.org,2002:null",  [SCALAR_BOOL] = "tag:yaml.org,2002:bool",
        [SCALAR_INT] = "tag:yaml.org,2002:int",    [SCALAR_DOUBLE] = "tag:yaml.org,2002:float",
        [SCALAR_STRING] = "tag:yaml.org,2002:str",
    };
    *ret = (struct scalar){.type = SCALAR_STRING};
    *ret_problem = NULL;
    if (!tag) {
        if (is_plain)
            ret->type = resolve(text, ret, ret_problem);
        return *ret_problem == NULL;
    }
    if (str_eq(tag, "!") || str_eq(tag, names[SCALAR_STRING]))
        return true;
    ret->type = resolve(text, ret, ret_problem);
    if (ret->type == SCALAR_INT && str_eq(tag, names[SCALAR_DOUBLE])) {
        ret->decimal = (double)ret->number;
        ret->type = SCALAR_DOUBLE;
    }
    if (!*ret_problem && !str_eq(tag, names[ret->type]))
        *ret_problem = "the tag does not fit the value, or is not of the core schema";
    return *ret_problem == NULL;
}
