/*
 * An inventory as it is printed, apart from how it was read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_INVENTORY_H
#define TRIMTAB_CLI_INVENTORY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "adapters/cloud.h"
#include "base/buf.h"

struct inventory_row {
    const char *provider; /* "namespace/name" */
    const struct cloud_resource *resource;
};

struct inventory_view {
    int64_t as_of_ms;
    bool truncated;
    struct inventory_row *rows;
    size_t count;
};

void inventory_sort(struct inventory_view *view); /* By provider, region, kind, id. */
/* {"asOf", "truncated", "resources": [...]}; what is not known (a size, a date, a parent) is null. With a stream, out
 * is emptied into it from time to time, since a long inventory's text is larger than the inventory. */
void inventory_print_json(const struct inventory_view *view, struct buf *out, FILE *stream);
void inventory_print_text(const struct inventory_view *view, struct buf *out);

#endif
