/*
 * Small files that credentials are read from, for config.c and auth.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_KUBE_CONFIG_INTERNAL_H
#define TRIMTAB_KUBE_CONFIG_INTERNAL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

/* Appends the file to out; PERMANENT if it cannot be read or is larger than KUBE_CONFIG_SIZE_MAX (out is then
 * unchanged). The code is "NotFound" if there is none. The caller wipes what was secret. */
MUST_CHECK enum err_class kube_file_read(const char *path, struct buf *out, struct error *err);

/* Fit for a header: not empty, visible ASCII only. */
bool kube_token_is_valid(const char *token);

#endif
