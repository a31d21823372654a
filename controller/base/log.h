/*
 * Structured logs on standard error: a constant message, then key/value pairs. Text for people, or JSON lines.
 *     log_info("scaled", LOG_STR("policy", key), LOG_INT("from", 3), LOG_INT("to", 5));
 * Secrets never reach a log: nothing that holds one has a LOG_ form. Pure stages do not include this header.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_LOG_H
#define TRIMTAB_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_field {
    enum { LOG_FIELD_END, LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_ERR } type;
    const char *key;
    const char *str;
    int64_t num;
    const struct error *err;
};

#define LOG_STR(k, v) ((struct log_field){.type = LOG_FIELD_STR, .key = (k), .str = (v)})
#define LOG_INT(k, v) ((struct log_field){.type = LOG_FIELD_INT, .key = (k), .num = (int64_t)(v)})
#define LOG_ERR(e) ((struct log_field){.type = LOG_FIELD_ERR, .err = (e)}) /* class, code, http status, message */

void log_configure(enum log_level level, enum log_format format);
/* Wall time for the stamp is asked from the hook, so that logs of a virtual clock bear virtual time. NULL: no stamp. */
void log_set_clock(int64_t (*wall_ms)(void *ctx), void *ctx);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *message, const struct log_field *fields);
/* How many lines of warn and error were written: a metric. */
uint64_t log_count(enum log_level level);

#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.type = LOG_FIELD_END}})
#define log_debug(msg, ...) (log_enabled(LOG_DEBUG) ? log_write(LOG_DEBUG, msg, LOG_FIELDS(__VA_ARGS__)) : (void)0)
#define log_info(msg, ...) log_write(LOG_INFO, msg, LOG_FIELDS(__VA_ARGS__))
#define log_warn(msg, ...) log_write(LOG_WARN, msg, LOG_FIELDS(__VA_ARGS__))
#define log_error(msg, ...) log_write(LOG_ERROR, msg, LOG_FIELDS(__VA_ARGS__))

#endif
