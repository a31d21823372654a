/*
 * What yaml_scalar.c gives to yaml.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_MANIFEST_YAML_INTERNAL_H
#define TRIMTAB_MANIFEST_YAML_INTERNAL_H

#include "manifest/yaml.h"

enum scalar_type { SCALAR_NULL, SCALAR_BOOL, SCALAR_INT, SCALAR_DOUBLE, SCALAR_STRING };

struct scalar {
    enum scalar_type type;
    int64_t number; /* BOOL, INT */
    double decimal;
};

/* text is NUL-terminated and has no NUL inside. False: *ret_problem says why it cannot be taken. */
bool scalar_parse(const char *text, bool is_plain, const char *tag, struct scalar *ret, const char **ret_problem);

#endif
