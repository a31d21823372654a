/*
 * Structured logs. A line is built whole and written with one write(), so that lines of several processes on one
 * stream do not mix. Whatever a value holds, it cannot start a new line, forge a field or steer a terminal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/timefmt.h"

#define VALUE_SIZE_MAX 4096

static struct {
    enum log_level level;
    enum log_format format;
    int64_t (*wall_ms)(void *ctx);
    void *ctx;
    uint64_t counts[LOG_ERROR + 1]; /* Atomic: work on other threads may log. */
} config = {.level = LOG_INFO};

void log_configure(enum log_level level, enum log_format format) {
    ASSERT(level <= LOG_ERROR && format <= LOG_FORMAT_JSON);
    config.level = level;
    config.format = format;
}

void log_set_clock(int64_t (*wall_ms)(void *ctx), void *ctx) {
    config.wall_ms = wall_ms;
    config.ctx = ctx;
}

bool log_enabled(enum log_level level) {
    return level >= config.level;
}

uint64_t log_count(enum log_level level) {
    ASSERT(level <= LOG_ERROR);
    return __atomic_load_n(&config.counts[level], __ATOMIC_RELAXED);
}

/* "2026-11-24T10:00:00.123Z" */
static void stamp(char *to) {
    struct timespec now;
    int64_t ms;
    if (config.wall_ms) {
        ms = config.wall_ms(config.ctx);
    } else { /* Before any runtime exists. */
        clock_gettime(CLOCK_REALTIME, &now);
        ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    }
    time_format_micro(ms, to);
    memcpy(strchr(to, '.') + 4, "Z", 2);
}

/* The JSON form of text, in quotes, where also DEL, the C1 controls and the Unicode line ends are escaped: JSON lets
 * them stand, but terminals and log viewers act on them. */
static void append_quoted(struct buf *out, const char *text) {
    struct buf plain = {0};
    size_t size = strnlen(text, VALUE_SIZE_MAX + 1);
    char *cut = size > VALUE_SIZE_MAX ? mem_strndup(text, VALUE_SIZE_MAX) : NULL;
    struct json_writer w = {.out = &plain};
    jw_string(&w, cut ? cut : text);
    mem_free(cut);
    for (size_t i = 0; i < plain.size; i++) {
        const unsigned char *p = (const unsigned char *)plain.data + i;
        if (p[0] == 0x7f) {
            buf_puts(out, "\\u007f");
        } else if (p[0] == 0xc2 && p[1] < 0xa0) {
            buf_printf(out, "\\u%04x", (unsigned)p[1]);
            i++;
        } else if (p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9)) {
            buf_puts(out, p[2] == 0xa8 ? "\\u2028" : "\\u2029");
            i += 2;
        } else {
            buf_putc(out, plain.data[i]);
        }
    }
    buf_release(&plain);
}

/* Without quotes where that is unambiguous. */
static void append_text_value(struct buf *out, const char *text) {
    struct buf quoted = {0};
    append_quoted(&quoted, text);
    bool is_plain = quoted.size > 2 && !strpbrk(quoted.data, "\\ =");
    buf_append(out, quoted.data + is_plain, quoted.size - (is_plain ? 2 : 0));
    buf_release(&quoted);
}

static void append_str(struct buf *out, const char *key, const char *value) {
    if (config.format == LOG_FORMAT_JSON) {
        buf_putc(out, ',');
        append_quoted(out, key);
        buf_putc(out, ':');
        if (value)
            append_quoted(out, value);
        else
            buf_puts(out, "null");
    } else {
        buf_printf(out, " %s=", key);
        if (value)
            append_text_value(out, value);
        else
            buf_puts(out, "null");
    }
}

static void append_int(struct buf *out, const char *key, int64_t value) {
    buf_printf(out, config.format == LOG_FORMAT_JSON ? ",\"%s\":%" PRId64 : " %s=%" PRId64, key, value);
}

static void append_error(struct buf *out, const struct error *err) {
    append_str(out, "class", error_class_name(err->class));
    if (err->code[0] != '\0')
        append_str(out, "code", err->code);
    if (err->http_status != 0)
        append_int(out, "status", err->http_status);
    append_str(out, "error", err->message);
}

static void append_head(struct buf *out, enum log_level level, const char *message) {
    static const char *const text_names[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
    static const char *const json_names[] = {"debug", "info", "warn", "error"};
    char time[TIME_TEXT_MAX];
    stamp(time);
    if (config.format == LOG_FORMAT_JSON) {
        buf_printf(out, "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":", time, json_names[level]);
        append_quoted(out, message);
        return;
    }
    struct buf quoted = {0};
    append_quoted(&quoted, message);
    buf_printf(out, "%s %s ", time, text_names[level]);
    buf_append(out, quoted.data + 1, quoted.size - 2);
    buf_release(&quoted);
}

static void write_all(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno != EINTR)
            return; /* A log that nobody takes must not stop the controller. */
        if (written > 0) {
            data += written;
            size -= (size_t)written;
        }
    }
}

void log_write(enum log_level level, const char *message, const struct log_field *fields) {
    ASSERT(level <= LOG_ERROR);
    __atomic_fetch_add(&config.counts[level], 1, __ATOMIC_RELAXED);
    if (!log_enabled(level))
        return;
    struct buf line = {0};
    append_head(&line, level, message);
    for (; fields->type != LOG_FIELD_END; fields++) {
        if (fields->type == LOG_FIELD_STR)
            append_str(&line, fields->key, fields->str);
        else if (fields->type == LOG_FIELD_INT)
            append_int(&line, fields->key, fields->num);
        else
            append_error(&line, fields->err);
    }
    buf_puts(&line, config.format == LOG_FORMAT_JSON ? "}\n" : "\n");
    write_all(STDERR_FILENO, line.data, line.size);
    buf_release(&line);
}
