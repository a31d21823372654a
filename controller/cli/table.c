/*
 * Columns are measured in characters (UTF-8 lead bytes), not in bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/table.h"

#include <stdbool.h>

#include "base/error.h"
#include "base/mem.h"

#define GAP 3

static size_t width_of(const char *text) {
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void cli_table_add(struct cli_table *table, const char *cell) {
    ASSERT(table->column_count > 0);
    char *copy = arena_strdup(&table->arena, cell ? cell : "");
    for (char *at = copy; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = ' '; /* What a cloud calls things must not drive the terminal. */
    }
    table->cells = arena_push(&table->arena, table->cells, table->cell_count, sizeof(*table->cells));
    table->cells[table->cell_count++] = copy;
}

void cli_table_print(const struct cli_table *table, struct buf *out) {
    size_t columns = table->column_count;
    ASSERT(columns > 0 && table->cell_count % columns == 0);
    size_t *widths = mem_alloc_array(columns, sizeof(*widths));
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t width = width_of(table->cells[i]);
        if (width > widths[i % columns])
            widths[i % columns] = width;
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        bool is_last = i % columns == columns - 1;
        buf_puts(out, table->cells[i]);
        if (is_last) {
            while (out->size > 0 && out->data[out->size - 1] == ' ')
                out->data[--out->size] = '\0'; /* Empty cells at the end leave nothing behind. */
            buf_putc(out, '\n');
        } else
            buf_printf(out, "%*s", (int)(widths[i % columns] - width_of(table->cells[i]) + GAP), "");
    }
    mem_free(widths);
}

void cli_table_release(struct cli_table *table) {
    arena_release(&table->arena);
    *table = (struct cli_table){0};
}
