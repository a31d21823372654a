/*
 * Small files that are read whole, as those that hold credentials.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_FILE_H
#define TRIMTAB_BASE_FILE_H

#include "base/buf.h"
#include "base/error.h"

#define FILE_READ_MAX ((size_t)1 << 20)

/* Appends the file to out; PERMANENT if it cannot be read or is larger than 1 MiB (out is then unchanged). The code
 * is "NotFound" if there is none. No copy stays behind in stdio's buffers; the caller wipes what was secret. */
MUST_CHECK enum err_class file_read_into(const char *path, struct buf *out, struct error *err);

#endif
