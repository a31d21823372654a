/*
 * See file.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum err_class file_read_into(const char *path, struct buf *out, struct error *err) {
    FILE *file = fopen(path, "re");
    if (!file) {
        bool is_missing = errno == ENOENT || errno == ENOTDIR;
        error_set(err, ERR_PERMANENT, "%s: %s", path, strerror(errno));
        str_copy(err->code, sizeof(err->code), is_missing ? "NotFound" : "");
        return err->class;
    }
    setvbuf(file, NULL, _IONBF, 0);
    size_t size_before = out->size;
    buf_reserve(out, FILE_READ_MAX + 1);
    size_t size = fread(out->data + size_before, 1, FILE_READ_MAX + 1, file);
    enum err_class class = ERR_NONE;
    if (ferror(file))
        class = error_set(err, ERR_PERMANENT, "%s: %s", path, strerror(errno));
    else if (size > FILE_READ_MAX)
        class = error_set(err, ERR_PERMANENT, "%s: larger than 1 MiB", path);
    (void)fclose(file);
    out->size += class == ERR_NONE ? size : 0;
    out->data[out->size] = '\0';
    return class;
}
