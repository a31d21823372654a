/*
 * From a cloud's error code and HTTP status to our class and effect: one table a cloud, tried from the top, the first
 * row that matches wins; then the rows that HTTP itself gives.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_COMMON_ERROR_TABLE_H
#define TRIMTAB_ADAPTERS_COMMON_ERROR_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum error_hint {
    ERROR_HINT_NONE,
    ERROR_HINT_EXPIRED, /* The credential has run out: worth one refresh. */
    ERROR_HINT_SKEW,    /* Perhaps our clock is wrong: worth one try by the server's clock. */
};

struct error_rule {
    const char *code;    /* With * and ? as in str_glob. */
    const char *message; /* The cloud's text must hold this, upper or lower case; NULL: any text. */
    uint32_t status;     /* 0: any. */
    enum err_class class;
    enum err_effect effect; /* On a mutation: a refusal has none; a server that failed may have done it. */
    enum error_hint hint;
};

/* Never NULL: the last rules match everything. code and message "" if the reply has none. */
const struct error_rule *error_table_find(const struct error_rule *rules, size_t count, const char *code,
                                          const char *message, uint32_t status);

/* What HTTP alone says, for replies without a known code. */
extern const struct error_rule error_table_http[];
extern const size_t error_table_http_count;

#endif
