/*
 * The two forms of an inventory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cli/inventory.h"
#include "cli/table.h"

#define FLUSH_SIZE 65536

static int row_cmp(const void *a, const void *b) {
    const struct inventory_row *x = a, *y = b;
    int by_provider = str_cmp(x->provider, y->provider);
    return by_provider != 0 ? by_provider : cloud_resource_cmp(x->resource, y->resource);
}

void inventory_sort(struct inventory_view *view) {
    if (view->count > 0)
        qsort(view->rows, view->count, sizeof(*view->rows), row_cmp);
}

static const char *text_or_empty(const char *text) {
    return text ? text : "";
}

static void put_known_int(struct json_writer *w, const char *key, int64_t value) {
    jw_key(w, key);
    if (value > 0)
        jw_int(w, value);
    else
        jw_string(w, NULL); /* null */
}

static void put_vcpu(struct json_writer *w, int64_t milli) {
    if (milli % 1000 == 0) {
        put_known_int(w, "vcpu", milli / 1000);
        return;
    }
    jw_key(w, "vcpu");
    jw_double(w, (double)milli / 1000);
}

static void put_time(struct json_writer *w, const char *key, int64_t time_ms) {
    char text[TIME_TEXT_MAX];
    jw_key(w, key);
    if (time_ms > 0)
        time_format(time_ms, text);
    jw_string(w, time_ms > 0 ? text : NULL);
}

static void print_row(const struct inventory_row *row, struct json_writer *w) {
    const struct cloud_resource *it = row->resource;
    jw_open(w, '{');
    jw_put_string(w, "provider", row->provider);
    jw_put_string(w, "region", text_or_empty(it->region));
    jw_put_string(w, "zone", text_or_empty(it->zone));
    jw_put_string(w, "kind", cloud_kind_name(it->kind));
    jw_put_string(w, "id", text_or_empty(it->id));
    jw_put_string(w, "name", text_or_empty(it->name));
    jw_put_string(w, "type", text_or_empty(it->type));
    jw_put_int(w, "count", it->count);
    jw_put_string(w, "state", cloud_state_name(it->state));
    jw_key(w, "tags");
    jw_open(w, '{');
    for (size_t i = 0; i < it->tag_count; i++)
        jw_put_string(w, it->tags[i].key, text_or_empty(it->tags[i].value));
    jw_close(w, '}');
    put_vcpu(w, it->vcpu_milli);
    put_known_int(w, "memoryMiB", it->memory_mib);
    put_time(w, "createdAt", it->created_at_ms);
    put_time(w, "stateSince", it->state_since_ms);
    jw_key(w, "parent");
    jw_string(w, it->parent);
    jw_put_bool(w, "spot", it->is_spot);
    put_time(w, "asOf", it->as_of_ms);
    jw_close(w, '}');
}

static void flush(struct buf *out, FILE *stream) {
    fwrite(buf_text(out), 1, out->size, stream);
    buf_clear(out);
}

void inventory_print_json(const struct inventory_view *view, struct buf *out, FILE *stream) {
    struct json_writer w = {.out = out};
    char as_of[TIME_TEXT_MAX];
    time_format(view->as_of_ms, as_of);
    jw_open(&w, '{');
    jw_put_string(&w, "asOf", as_of);
    jw_put_bool(&w, "truncated", view->truncated);
    jw_key(&w, "resources");
    jw_open(&w, '[');
    for (size_t i = 0; i < view->count; i++) {
        print_row(&view->rows[i], &w);
        if (stream != NULL && out->size > FLUSH_SIZE)
            flush(out, stream);
    }
    jw_close(&w, ']');
    jw_close(&w, '}');
    buf_putc(out, '\n');
}

static void add_number(struct cli_table *table, double value) {
    char text[32];
    snprintf(text, sizeof(text), "%.6g", value);
    cli_table_add(table, value > 0 ? text : "");
}

void inventory_print_text(const struct inventory_view *view, struct buf *out) {
    static const char *const titles[] = {"PROVIDER", "REGION", "KIND", "ID",  "NAME", "TYPE",
                                         "COUNT",    "STATE",  "VCPU", "MIB", "TAGS"};
    struct cli_table table = {.column_count = sizeof(titles) / sizeof(titles[0])};
    if (view->count == 0)
        return;
    for (size_t i = 0; i < table.column_count; i++)
        cli_table_add(&table, titles[i]);
    struct buf tags = {0};
    char count[24];
    for (size_t i = 0; i < view->count; i++) {
        const struct cloud_resource *it = view->rows[i].resource;
        snprintf(count, sizeof(count), "%" PRId64, it->count);
        const char *const cells[] = {
            view->rows[i].provider,     it->region, cloud_kind_name(it->kind), it->id, it->name, it->type, count,
            cloud_state_name(it->state)};
        for (size_t k = 0; k < sizeof(cells) / sizeof(cells[0]); k++)
            cli_table_add(&table, cells[k]);
        add_number(&table, (double)it->vcpu_milli / 1000);
        add_number(&table, (double)it->memory_mib);
        buf_clear(&tags);
        for (size_t k = 0; k < it->tag_count; k++)
            buf_printf(&tags, "%s%s=%s", k > 0 ? "," : "", it->tags[k].key, text_or_empty(it->tags[k].value));
        cli_table_add(&table, buf_text(&tags));
    }
    buf_release(&tags);
    cli_table_print(&table, out);
    cli_table_release(&table);
}
