/*
 * The table of `trimtab get`, apart from where the objects come from.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_GET_H
#define TRIMTAB_CLI_GET_H

#include "base/json.h"
#include "manifest/object.h"

void get_print_table(enum object_kind kind, const struct json *const *objects, size_t count, bool with_namespace,
                     bool is_wide, int64_t now_ms, struct buf *out);

#define GET_AGE_MAX 32
void get_age_format(int64_t ms, char *to, size_t size); /* "3h12m" */

#endif
