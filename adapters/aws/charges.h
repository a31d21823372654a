/*
 * The two sources of the bill; private to charges*.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_AWS_CHARGES_H
#define TRIMTAB_ADAPTERS_AWS_CHARGES_H

#include "adapters/aws/aws_internal.h"

/* charges_explorer.c, charges_export.c: the query has been checked. */
void aws_charges_explorer(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query);
void aws_charges_export(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query);

/* "12#rest": where a cursor goes on. NULL: it is none of ours. */
const char *aws_cursor_parse(const char *cursor, uint64_t *ret_number);

struct aws_export_object {
    const char *key, *etag;
    int64_t modified_ms;
};
/* charges_objects.c: leaves the objects that hold the bill of the range, sorted by key. Of a period that was exported
 * several times into folders of their own, the newest export; one whose manifest is there goes before one without. */
MUST_CHECK enum err_class aws_export_choose(struct aws_export_object *objects, size_t *count, int64_t from_ms,
                                            int64_t to_ms, struct arena *arena, struct error *err);

#endif
