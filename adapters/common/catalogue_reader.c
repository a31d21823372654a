/*
 * The price list's rows: one line at a time through zlib, fields cut in place, numbers checked. Nothing is clamped or
 * guessed: a field that is not what its column says is an error that names the line and the column.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "adapters/common/catalogue_internal.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

#define MIB_PER_GIB 1024.0
#define VCPU_MAX 100000.0
#define MEMORY_GIB_MAX 1e6
#define PRICE_MAX 1e6
#define GPU_MAX 10000.0
#define BUFFER_SIZE (128u << 10)

static const char *const column_names[COLUMN_COUNT] = {
    [COLUMN_PROVIDER] = "provider",      [COLUMN_REGION] = "region",
    [COLUMN_TYPE] = "instance_type",     [COLUMN_VCPU] = "vcpu",
    [COLUMN_MEMORY] = "memory_gib",      [COLUMN_PRICE] = "price_ondemand_usd_hr",
    [COLUMN_SOURCE] = "source_id",       [COLUMN_AS_OF] = "as_of",
    [COLUMN_ARCHITECTURE] = "arch",      [COLUMN_GPU] = "gpu_count",
    [COLUMN_SPOT] = "price_spot_usd_hr",
};

static enum err_class row_error(const struct catalogue_reader *reader, struct error *err, const char *what) {
    return error_set(err, ERR_PERMANENT, "price list %s: line %zu: %s", reader->path, reader->line_number, what);
}

/* Cuts the line at its commas. A field in quotes may hold commas, and "" for a quote, but no line break. */
static enum err_class split(struct catalogue_reader *reader, size_t *ret_count, struct error *err) {
    size_t count = 0;
    char *from = reader->line;
    for (bool more = true; more; count++) {
        if (count == CATALOGUE_FIELDS_MAX) {
            return row_error(reader, err, "too many fields");
        }
        char *to = from;
        reader->fields[count] = to;
        if (*from == '"') {
            for (from++; *from && (*from != '"' || from[1] == '"'); from++) {
                from += *from == '"';
                *to++ = *from;
            }
            if (*from != '"') {
                return row_error(reader, err, "a quote is not closed");
            }
            from++;
        }
        if (to == from) {
            while (*from && *from != ',') {
                from++;
            }
            to = from;
        }
        for (; *from && *from != ','; from++) { /* What stands behind a closing quote. */
            *to++ = *from;
        }
        more = *from == ',';
        from++;
        *to = '\0';
    }
    *ret_count = count;
    return ERR_NONE;
}

static enum err_class read_line(struct catalogue_reader *reader, bool *ret_found, struct error *err) {
    reader->line_number++;
    if (!gzgets(reader->file, reader->line, sizeof(reader->line))) {
        int code = Z_OK;
        const char *why = gzerror(reader->file, &code);
        if (code != Z_OK && code != Z_STREAM_END) {
            return row_error(reader, err, *why ? why : "cannot be read");
        }
        *ret_found = false;
        return ERR_NONE;
    }
    size_t size = strlen(reader->line);
    if (size > 0 && reader->line[size - 1] == '\n') {
        reader->line[--size] = '\0';
    } else if (!gzeof(reader->file)) {
        return row_error(reader, err, "too long, or a NUL byte in it");
    }
    if (size > 0 && reader->line[size - 1] == '\r') {
        reader->line[--size] = '\0';
    }
    *ret_found = true;
    return ERR_NONE;
}

enum err_class catalogue_reader_open(struct catalogue_reader *reader, int fd, const char *path, struct error *err) {
    *reader = (struct catalogue_reader){.path = path};
    int copy = lseek(fd, 0, SEEK_SET) == 0 ? dup(fd) : -1;
    reader->file = copy >= 0 ? gzdopen(copy, "rb") : NULL;
    if (!reader->file) {
        if (copy >= 0) {
            close(copy);
        }
        return error_set(err, ERR_PERMANENT, "price list %s: cannot be read", path);
    }
    gzbuffer(reader->file, BUFFER_SIZE);
    bool found;
    enum err_class class = read_line(reader, &found, err);
    if (class != ERR_NONE) {
        return class;
    }
    if (!found) {
        return row_error(reader, err, "the file is empty");
    }
    class = split(reader, &reader->field_count, err);
    for (size_t c = 0; class == ERR_NONE && c < COLUMN_COUNT; c++) {
        reader->position[c] = -1;
        for (size_t f = 0; f < reader->field_count; f++) {
            if (str_eq(reader->fields[f], column_names[c])) {
                reader->position[c] = (int)f;
            }
        }
        if (c < COLUMN_REQUIRED_COUNT && reader->position[c] < 0) {
            return error_set(err, ERR_PERMANENT, "price list %s: no column %s in its header", path, column_names[c]);
        }
    }
    return class;
}

void catalogue_reader_close(struct catalogue_reader *reader) {
    if (reader->file) {
        gzclose_r(reader->file);
        reader->file = NULL;
    }
}

enum err_class catalogue_reader_skip(struct catalogue_reader *reader, size_t line, struct error *err) {
    bool found = true;
    enum err_class class = ERR_NONE;
    while (class == ERR_NONE && found && reader->line_number + 1 < line) {
        class = read_line(reader, &found, err);
    }
    return class;
}

static const char *field(const struct catalogue_reader *reader, enum catalogue_column column) {
    int position = reader->position[column];
    return position < 0 ? "" : reader->fields[position];
}

/* The same as str_to_double for the plain decimals that nearly all fields are, at a tenth of its cost: both parts are
 * exact doubles, so that their quotient is the nearest one too. False: ask str_to_double. */
static bool plain_decimal(const char *text, double *ret) {
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    uint64_t digits = 0;
    size_t count = 0, decimals = 0;
    bool has_point = false;
    for (const char *c = text; *c; c++) {
        if (*c == '.' && !has_point) {
            has_point = true;
            continue;
        }
        if (*c < '0' || *c > '9' || ++count > 15) {
            return false;
        }
        digits = digits * 10 + (uint64_t)(*c - '0');
        decimals += has_point ? 1 : 0;
    }
    *ret = (double)digits / powers[decimals];
    return count > 0;
}

/* In units of 1/scale, rounded; `unknown` for an empty field. */
static enum err_class number(const struct catalogue_reader *reader, enum catalogue_column column, double max,
                             double scale, int64_t unknown, int64_t *ret, struct error *err) {
    const char *text = field(reader, column);
    if (!*text) {
        *ret = unknown;
        return ERR_NONE;
    }
    double value;
    if ((!plain_decimal(text, &value) && !str_to_double(text, &value)) || value < 0 || value > max) {
        return error_set(err, ERR_PERMANENT, "price list %s: line %zu: %s: `%.40s` is not a number from 0 to %.0f",
                         reader->path, reader->line_number, column_names[column], text, max);
    }
    *ret = llround(value * scale);
    return ERR_NONE;
}

/* A date, or a full time. */
static bool parse_date(const char *text, int64_t *ret_ms) {
    char full[TIME_TEXT_MAX];
    if (strlen(text) == strlen("2026-01-01") && str_copy(full, sizeof(full), text)) {
        memcpy(full + strlen("2026-01-01"), "T00:00:00Z", sizeof("T00:00:00Z"));
        text = full;
    }
    return time_parse(text, ret_ms);
}

static bool parse_as_of(struct catalogue_reader *reader, const char *text, int64_t *ret_ms) {
    if (!str_eq(reader->as_of, text)) {
        if (!parse_date(text, &reader->as_of_ms)) {
            reader->as_of[0] = '\0';
            return false;
        }
        if (!str_copy(reader->as_of, sizeof(reader->as_of), text)) {
            reader->as_of[0] = '\0'; /* Cut: would stand for another text. */
        }
    }
    *ret_ms = reader->as_of_ms;
    return true;
}

enum err_class catalogue_reader_next(struct catalogue_reader *reader, struct catalogue_row *ret, bool *ret_found,
                                     struct error *err) {
    bool found = false;
    enum err_class class;
    do { /* Empty lines are skipped: editors leave one at the end. */
        class = read_line(reader, &found, err);
    } while (class == ERR_NONE && found && !*reader->line);
    if (class != ERR_NONE || !found) {
        *ret_found = false;
        return class;
    }
    size_t count = 0;
    class = split(reader, &count, err);
    if (class != ERR_NONE) {
        return class;
    }
    if (count != reader->field_count) {
        return error_set(err, ERR_PERMANENT, "price list %s: line %zu: %zu fields, the header has %zu", reader->path,
                         reader->line_number, count, reader->field_count);
    }
    struct catalogue_row row = {
        .provider = field(reader, COLUMN_PROVIDER),
        .region = field(reader, COLUMN_REGION),
        .type = field(reader, COLUMN_TYPE),
        .source = field(reader, COLUMN_SOURCE),
        .as_of = field(reader, COLUMN_AS_OF),
        .architecture = field(reader, COLUMN_ARCHITECTURE),
    };
    if (!*row.provider || !*row.region || !*row.type) {
        return row_error(reader, err, "provider, region and instance_type must not be empty");
    }
    if (*row.as_of && !parse_as_of(reader, row.as_of, &row.as_of_ms)) {
        return row_error(reader, err, "as_of is not a date");
    }
    if ((class = number(reader, COLUMN_VCPU, VCPU_MAX, 1000, 0, &row.vcpu_milli, err)) != ERR_NONE ||
        (class = number(reader, COLUMN_MEMORY, MEMORY_GIB_MAX, MIB_PER_GIB, 0, &row.memory_mib, err)) != ERR_NONE ||
        (class = number(reader, COLUMN_PRICE, PRICE_MAX, 1e6, -1, &row.price_hourly, err)) != ERR_NONE ||
        (class = number(reader, COLUMN_SPOT, PRICE_MAX, 1e6, -1, &row.price_spot_hourly, err)) != ERR_NONE ||
        (class = number(reader, COLUMN_GPU, GPU_MAX, 1, 0, &row.gpu, err)) != ERR_NONE) {
        return class;
    }
    *ret = row;
    *ret_found = true;
    return ERR_NONE;
}
