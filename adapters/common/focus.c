/*
 * bytes -> (gunzip) -> rows (csv_stream.c) -> charges.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/common/focus.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

#define INFLATE_SIZE (64u << 10)
#define TAGS_MAX 500

enum column_form { FORM_TEXT, FORM_AMOUNT, FORM_TIME, FORM_TAGS };

#define OFFSET(member) offsetof(struct cloud_charge, member)
static const struct column {
    const char *name;
    size_t offset;
    enum column_form form;
    bool is_required;
} columns[FOCUS_COLUMNS] = {
    {"BilledCost", OFFSET(billed_cost), FORM_AMOUNT, true},
    {"BillingCurrency", OFFSET(billing_currency), FORM_TEXT, true},
    {"ChargePeriodStart", OFFSET(charge_period_start_ms), FORM_TIME, true},
    {"ChargePeriodEnd", OFFSET(charge_period_end_ms), FORM_TIME, true},
    {"ServiceName", OFFSET(service_name), FORM_TEXT, true},
    {"EffectiveCost", OFFSET(effective_cost), FORM_AMOUNT, false},
    {"ListCost", OFFSET(list_cost), FORM_AMOUNT, false},
    {"ContractedCost", OFFSET(contracted_cost), FORM_AMOUNT, false},
    {"ConsumedQuantity", OFFSET(consumed_quantity), FORM_AMOUNT, false},
    {"ConsumedUnit", OFFSET(consumed_unit), FORM_TEXT, false},
    {"BillingAccountId", OFFSET(billing_account_id), FORM_TEXT, false},
    {"SubAccountId", OFFSET(sub_account_id), FORM_TEXT, false},
    {"ServiceCategory", OFFSET(service_category), FORM_TEXT, false},
    {"RegionId", OFFSET(region_id), FORM_TEXT, false},
    {"ResourceId", OFFSET(resource_id), FORM_TEXT, false},
    {"ResourceType", OFFSET(resource_type), FORM_TEXT, false},
    {"SkuId", OFFSET(sku_id), FORM_TEXT, false},
    {"ChargeCategory", OFFSET(charge_category), FORM_TEXT, false},
    {"ChargeDescription", OFFSET(charge_description), FORM_TEXT, false},
    {"PricingCategory", OFFSET(pricing_category), FORM_TEXT, false},
    {"CommitmentDiscountId", OFFSET(commitment_discount_id), FORM_TEXT, false},
    {"Tags", OFFSET(tags), FORM_TAGS, false},
};

static bool on_row(void *ctx, const struct csv_stream *csv, struct error *err);

void focus_init(struct focus_reader *reader, bool (*row)(void *ctx, const struct cloud_charge *charge), void *ctx) {
    *reader = (struct focus_reader){.row = row, .ctx = ctx};
    csv_stream_init(&reader->csv, on_row, reader);
}

void focus_release(struct focus_reader *reader) {
    csv_stream_release(&reader->csv);
    arena_release(&reader->arena);
    if (reader->is_gzip)
        inflateEnd(&reader->zip);
    *reader = (struct focus_reader){0};
}

/* ---- values ---- */

static bool is_amount(const char *text) {
    double value; /* Only whether it is one: the text is what is kept. */
    return text[strspn(text, "0123456789+-.eE")] == '\0' && str_to_double(text, &value);
}

/* RFC 3339, or "2024-09-18 22:00:00[.000][Z]", or a date alone; without a zone it is UTC. */
static bool parse_time(const char *text, int64_t *ret_ms) {
    char full[TIME_TEXT_MAX + 8];
    size_t size = strlen(text);
    if (size < strlen("2024-09-18") || size >= TIME_TEXT_MAX)
        return false;
    memcpy(full, text, size + 1);
    if (size == strlen("2024-09-18")) {
        memcpy(full + size, "T00:00:00Z", sizeof("T00:00:00Z"));
        return time_parse(full, ret_ms);
    }
    if (str_has_suffix(full, " UTC"))
        full[size -= strlen(" UTC")] = '\0';
    if (full[10] == ' ')
        full[10] = 'T';
    bool has_zone = full[size - 1] == 'Z' || strpbrk(full + strlen("2024-09-18T"), "+-") != NULL;
    if (!has_zone)
        memcpy(full + size, "Z", sizeof("Z"));
    return time_parse(full, ret_ms);
}

/* {"team": "web"}; a value that is no text is printed. */
static bool parse_tags(struct arena *arena, const char *text, struct cloud_charge *charge) {
    struct json *root;
    struct error ignored;
    if (json_parse_trusted(bytes_of(text), &root, &ignored) != ERR_NONE)
        return false;
    if (json_type(root) != JSON_OBJECT || json_object_count(root) > TAGS_MAX) {
        json_free(root);
        return false;
    }
    struct cloud_tag *tags = arena_alloc_array(arena, json_object_count(root), sizeof(*tags));
    size_t count = 0;
    for (struct json_iter it = json_iter(root); json_iter_next(&it);) {
        struct buf printed = {0};
        if (json_type(it.value) != JSON_STRING && json_type(it.value) != JSON_NULL)
            json_print(it.value, &printed);
        const char *value = json_string(it.value, buf_text(&printed));
        tags[count++] = (struct cloud_tag){arena_strdup(arena, it.key), arena_strdup(arena, value)};
        buf_release(&printed);
    }
    if (count > 1)
        qsort(tags, count, sizeof(*tags), cloud_tag_cmp);
    charge->tags = tags;
    charge->tag_count = count;
    json_free(root);
    return true;
}

/* ---- rows ---- */

static enum err_class read_header(struct focus_reader *reader, const struct csv_stream *csv, struct error *err) {
    reader->field_count = csv->field_count;
    for (size_t c = 0; c < FOCUS_COLUMNS; c++) {
        reader->columns[c] = -1;
        for (size_t f = 0; f < csv->field_count; f++) {
            if (strcasecmp(csv_stream_field(csv, f), columns[c].name) == 0)
                reader->columns[c] = (int)f;
        }
        if (reader->columns[c] < 0 && columns[c].is_required)
            return error_set(err, ERR_PERMANENT, "no column %s in the header: this is no FOCUS export",
                             columns[c].name);
    }
    reader->has_header = true;
    return ERR_NONE;
}

static const char *value_of(const struct focus_reader *reader, const struct csv_stream *csv, size_t column) {
    if (reader->columns[column] < 0)
        return "";
    const char *text = csv_stream_field(csv, (size_t)reader->columns[column]);
    return strcasecmp(text, "null") == 0 ? "" : text;
}

static enum err_class bad_value(const struct csv_stream *csv, size_t column, const char *what, const char *text,
                                struct error *err) {
    return error_set(err, ERR_PERMANENT, "row %llu: %s: \"%.40s\" is no %s", (unsigned long long)csv->row_number,
                     columns[column].name, text, what);
}

static enum err_class read_value(struct focus_reader *reader, const struct csv_stream *csv, size_t column,
                                 struct cloud_charge *charge, struct error *err) {
    const char *text = value_of(reader, csv, column);
    char *member = (char *)charge + columns[column].offset;
    switch (columns[column].form) {
    case FORM_AMOUNT:
        if ((text[0] == '\0' && columns[column].is_required) || (text[0] != '\0' && !is_amount(text)))
            return bad_value(csv, column, "amount", text, err);
        break;
    case FORM_TIME: {
        int64_t time_ms;
        if (!parse_time(text, &time_ms))
            return bad_value(csv, column, "time", text, err);
        memcpy(member, &time_ms, sizeof(time_ms));
        return ERR_NONE;
    }
    case FORM_TAGS:
        if (text[0] != '\0' && !parse_tags(&reader->arena, text, charge))
            reader->bad_tags_count++;
        return ERR_NONE;
    case FORM_TEXT:
        if (!str_is_utf8(text, strlen(text)))
            return error_set(err, ERR_PERMANENT, "row %llu: %s: this is no UTF-8", (unsigned long long)csv->row_number,
                             columns[column].name);
        break;
    }
    memcpy(member, &text, sizeof(text));
    return ERR_NONE;
}

static bool on_row(void *ctx, const struct csv_stream *csv, struct error *err) {
    struct focus_reader *reader = ctx;
    if (!reader->has_header)
        return read_header(reader, csv, err) == ERR_NONE;
    if (csv->field_count != reader->field_count) {
        error_set(err, ERR_PERMANENT, "row %llu: %zu fields, the header has %zu", (unsigned long long)csv->row_number,
                  csv->field_count, reader->field_count);
        return false;
    }
    if (reader->row_count < reader->skip_count) {
        reader->row_count++;
        return true;
    }
    struct cloud_charge charge = {0};
    arena_clear(&reader->arena);
    for (size_t c = 0; c < FOCUS_COLUMNS; c++) {
        if (read_value(reader, csv, c, &charge, err) != ERR_NONE)
            return false;
    }
    reader->is_stopped = !reader->row(reader->ctx, &charge);
    reader->row_count += reader->is_stopped ? 0 : 1;
    return !reader->is_stopped;
}

/* ---- bytes ---- */

static enum err_class inflate_piece(struct focus_reader *reader, struct bytes piece, struct error *err) {
    char out[INFLATE_SIZE];
    z_stream *zip = &reader->zip;
    zip->next_in = (const unsigned char *)piece.data;
    zip->avail_in = (uInt)piece.size;
    bool has_more = piece.size > 0;
    while (has_more && !reader->is_stopped) {
        if (reader->is_member_done && (zip->avail_in == 0 || inflateReset(zip) != Z_OK))
            break;
        reader->is_member_done = false;
        zip->next_out = (unsigned char *)out;
        zip->avail_out = sizeof(out);
        int code = inflate(zip, Z_NO_FLUSH);
        reader->is_member_done = code == Z_STREAM_END;
        if (csv_stream_feed(&reader->csv, (struct bytes){out, sizeof(out) - zip->avail_out}, err) != ERR_NONE)
            return err->class;
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR && !reader->is_stopped)
            return error_set(err, ERR_PERMANENT, "row %llu: the gzip data are broken: %s",
                             (unsigned long long)reader->csv.row_number, zip->msg != NULL ? zip->msg : "?");
        has_more = zip->avail_in > 0 || zip->avail_out == 0;
    }
    return ERR_NONE;
}

static enum err_class feed(struct focus_reader *reader, struct bytes piece, struct error *err) {
    return reader->is_gzip ? inflate_piece(reader, piece, err) : csv_stream_feed(&reader->csv, piece, err);
}

/* By the first bytes, not by the name: whoever sent it may have undone the gzip. */
static enum err_class know(struct focus_reader *reader, struct error *err) {
    reader->is_known = true;
    if (reader->head_size == sizeof(reader->head) && memcmp(reader->head, "PAR1", sizeof(reader->head)) == 0)
        return error_set(err, ERR_PERMANENT, "this is Parquet, which is not read: let the export be CSV");
    if (reader->head_size >= 2 && memcmp(reader->head, "\x1f\x8b", 2) == 0) {
        if (inflateInit2(&reader->zip, 15 + 16) != Z_OK)
            return error_set(err, ERR_RETRYABLE, "no memory to undo gzip");
        reader->is_gzip = true;
    }
    return feed(reader, (struct bytes){reader->head, reader->head_size}, err);
}

enum err_class focus_feed(struct focus_reader *reader, struct bytes piece, struct error *err) {
    while (!reader->is_known && piece.size > 0) {
        reader->head[reader->head_size++] = *piece.data++;
        piece.size--;
        if (reader->head_size == sizeof(reader->head) && know(reader, err) != ERR_NONE)
            return err->class;
    }
    return piece.size > 0 ? feed(reader, piece, err) : ERR_NONE;
}

enum err_class focus_finish(struct focus_reader *reader, struct error *err) {
    if (!reader->is_known && know(reader, err) != ERR_NONE)
        return err->class;
    if (reader->is_stopped)
        return ERR_NONE;
    if (reader->is_gzip && !reader->is_member_done)
        return error_set(err, ERR_RETRYABLE, "row %llu: the gzip data end too early",
                         (unsigned long long)reader->csv.row_number);
    if (csv_stream_finish(&reader->csv, err) != ERR_NONE)
        return err->class;
    if (!reader->has_header)
        return error_set(err, ERR_PERMANENT, "the file is empty");
    return ERR_NONE;
}

void focus_copy(struct arena *arena, const struct cloud_charge *from, struct cloud_charge *to) {
    *to = *from;
    for (size_t c = 0; c < FOCUS_COLUMNS; c++) {
        if (columns[c].form != FORM_TEXT && columns[c].form != FORM_AMOUNT)
            continue;
        const char *text;
        memcpy(&text, (const char *)from + columns[c].offset, sizeof(text));
        text = text != NULL && text[0] != '\0' ? arena_strdup(arena, text) : "";
        memcpy((char *)to + columns[c].offset, &text, sizeof(text));
    }
    struct cloud_tag *tags = arena_alloc_array(arena, from->tag_count, sizeof(*tags));
    for (size_t i = 0; i < from->tag_count; i++)
        tags[i] = (struct cloud_tag){arena_strdup(arena, from->tags[i].key), arena_strdup(arena, from->tags[i].value)};
    to->tags = tags;
}
