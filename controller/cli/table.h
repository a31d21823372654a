/*
 * Text tables as kubectl prints them: columns as wide as their widest cell, three spaces between.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_TABLE_H
#define TRIMTAB_CLI_TABLE_H

#include "base/arena.h"
#include "base/buf.h"

struct cli_table { /* Zeroed is empty. */
    size_t column_count;
    const char **cells; /* Row by row, the head first. */
    size_t cell_count;
    struct arena arena;
};

/* column_count is set before the first cell. NULL or "" shows as nothing; control characters become spaces. */
void cli_table_add(struct cli_table *table, const char *cell);
void cli_table_print(const struct cli_table *table, struct buf *out);
void cli_table_release(struct cli_table *table);

#endif
