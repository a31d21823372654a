/*
 * The CRDs' schemas as a check of what we write: an API server drops silently what the schema does not have, and a
 * controller that writes it again and again never comes to rest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_UNIT_ACCOUNT_SCHEMA_H
#define TRIMTAB_TESTS_UNIT_ACCOUNT_SCHEMA_H

#include "base/buf.h"

/* Fails the test, naming the path, where value_json is not as the schema of `part` ("status", "spec"; NULL: the whole
 * object) in crds/trimtab.dev_PLURAL.yaml has it: unknown or missing fields, types, enums, bounds, patterns. */
void schema_check(const char *plural, const char *part, const struct buf *value_json);

#endif
