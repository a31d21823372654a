/*
 * An error is a value: making one cannot fail, nobody frees it.
 *
 * A class exists only where somebody reacts to it differently (the one table of reactions is act/retry.c). The cloud's
 * or API server's own code is kept verbatim, for the user to search for.
 *
 * Convention for every fallible function: it returns enum err_class, takes `struct error *err` last (never NULL),
 * leaves *err untouched on success, and writes its ret_* outputs on success only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_ERROR_H
#define TRIMTAB_BASE_ERROR_H

#include <stdint.h>

enum err_class {
    ERR_NONE = 0,
    ERR_RETRYABLE,  /* 5xx, reset, timeout: back off with jitter, then the same again. */
    ERR_THROTTLED,  /* 429 and its dialects: honour retry_after_ms, slow the whole adapter. */
    ERR_CAPACITY,   /* The cloud has none of this offer now: mark the offer, plan again. */
    ERR_CONFLICT,   /* The world moved (409, gone, already there): observe and plan again. */
    ERR_PERMISSION, /* 401, 403: stop this adapter, say so in a condition, await credentials. */
    ERR_PERMANENT,  /* Our request is wrong, or a hard quota: park the action, show the user. */
    ERR_CANCELLED,  /* We asked for it. */
    ERR_CLASS_COUNT,
};

/* What a failed mutation did to the cloud. A timeout is ERR_RETRYABLE with EFFECT_UNKNOWN. */
enum err_effect { EFFECT_NONE = 0, EFFECT_APPLIED, EFFECT_UNKNOWN };

struct error {
    enum err_class class;
    enum err_effect effect;
    uint32_t http_status;    /* 0: no response was received. */
    uint32_t retry_after_ms; /* 0: no delay was named. */
    char code[48];           /* The other side's own word, verbatim; "" if it has none. */
    char message[192];       /* Outermost context first: "list groups: DescribeAutoScalingGroups: ...". */
};

/* Fills *err and returns class, so that `return error_set(err, ERR_PERMANENT, "...")` reads well. */
enum err_class error_set(struct error *err, enum err_class class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the message; the end of a message that grows too long is cut. Returns err->class. */
enum err_class error_wrap(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "Retryable", "Throttled"...: CamelCase, used as condition reason, metric label and log value. */
const char *error_class_name(enum err_class class);

/* Our own bug: prints file:line and the condition, then aborts. Stays on in release builds. */
#define ASSERT(cond) ((cond) ? (void)0 : assert_failed(__FILE__, __LINE__, #cond))
_Noreturn void assert_failed(const char *file, int line, const char *condition);

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
