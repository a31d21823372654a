/*
 * Shared by the json_*.c files: json-c under names that do not clash with ours, and the strict scanner.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_JSON_INTERNAL_H
#define TRIMTAB_BASE_JSON_INTERNAL_H

#define json_type json_c_type /* json-c has types of these names too. */
#define json_bool json_c_bool
#include <json-c/json.h>
#undef json_bool
#undef json_type

#include "base/json.h"

/* A node is a json-c object. json-c's getters want it without const, but do not change nodes of the right type. */
static inline struct json_object *json_c_of(const struct json *node) {
    return (struct json_object *)(uintptr_t)node;
}

/* The whole of RFC 8259 without building anything. On failure *ret_problem says what, *ret_at where (a byte offset). */
bool json_scan(struct bytes text, bool is_trusted, const char **ret_problem, size_t *ret_at);

#endif
