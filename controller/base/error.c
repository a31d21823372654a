/*
 * Error values: filling, wrapping, naming. A message that does not fit is cut at a character, never inside one, so that
 * it stays valid UTF-8 for conditions, Events and logs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const class_names[ERR_CLASS_COUNT] = {
    [ERR_NONE] = "None",           [ERR_RETRYABLE] = "Retryable", [ERR_THROTTLED] = "Throttled",
    [ERR_CAPACITY] = "Capacity",   [ERR_CONFLICT] = "Conflict",   [ERR_PERMISSION] = "Permission",
    [ERR_PERMANENT] = "Permanent", [ERR_CANCELLED] = "Cancelled",
};

/* Drops the bytes of a character that was cut at the end of text. */
static void trim_partial_character(char *text, size_t size) {
    size_t start = size;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return; /* No lead byte at all: not our text, leave it. */
    unsigned char lead = (unsigned char)text[start - 1];
    size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (size - (start - 1) < want)
        text[start - 1] = '\0';
}

enum err_class error_set(struct error *err, enum err_class class, const char *format, ...) {
    ASSERT(class > ERR_NONE && class < ERR_CLASS_COUNT);
    struct error made = {.class = class};
    va_list args;
    va_start(args, format);
    int size = vsnprintf(made.message, sizeof(made.message), format, args);
    va_end(args);
    if (size >= (int)sizeof(made.message))
        trim_partial_character(made.message, sizeof(made.message) - 1);
    *err = made; /* Last: the arguments may point into *err. */
    return class;
}

enum err_class error_wrap(struct error *err, const char *format, ...) {
    ASSERT(err->class != ERR_NONE);
    char message[sizeof(err->message)];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (size < 0)
        return err->class;
    size_t used = (size_t)size < sizeof(message) ? (size_t)size : sizeof(message) - 1;
    size = snprintf(message + used, sizeof(message) - used, ": %s", err->message);
    if (size < 0 || used + (size_t)size >= sizeof(message))
        trim_partial_character(message, strlen(message));
    memcpy(err->message, message, sizeof(message));
    return err->class;
}

const char *error_class_name(enum err_class class) {
    ASSERT((unsigned)class < ERR_CLASS_COUNT);
    return class_names[class];
}

void assert_failed(const char *file, int line, const char *condition) {
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}
