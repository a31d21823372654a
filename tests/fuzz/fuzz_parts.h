/*
 * An input of several files, one after the other, each behind a line "--". Verbs read paths, so each is a file in
 * memory that has one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_FUZZ_PARTS_H
#define TRIMTAB_TESTS_FUZZ_PARTS_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

#define FUZZ_PARTS_MAX 3
#define FUZZ_PART_LINE "--\n"

struct fuzz_parts {
    int files[FUZZ_PARTS_MAX];
    char paths[FUZZ_PARTS_MAX][32];
    size_t count;
};

static inline void fuzz_part_add(struct fuzz_parts *parts, const char *data, size_t size) {
    int file = memfd_create("part", MFD_CLOEXEC);
    ASSERT(file >= 0 && write(file, data, size) == (ssize_t)size);
    snprintf(parts->paths[parts->count], sizeof(parts->paths[0]), "/proc/self/fd/%d", file);
    parts->files[parts->count++] = file;
}

static inline void fuzz_parts_open(const uint8_t *data, size_t size, struct fuzz_parts *ret) {
    const char *text = (const char *)data;
    *ret = (struct fuzz_parts){.count = 0};
    while (ret->count < FUZZ_PARTS_MAX - 1) {
        const char *line = size > 0 ? memmem(text, size, FUZZ_PART_LINE, strlen(FUZZ_PART_LINE)) : NULL;
        if (!line)
            break;
        fuzz_part_add(ret, text, (size_t)(line - text));
        size -= (size_t)(line - text) + strlen(FUZZ_PART_LINE);
        text = line + strlen(FUZZ_PART_LINE);
    }
    fuzz_part_add(ret, text, size);
}

static inline void fuzz_parts_close(struct fuzz_parts *parts) {
    for (size_t i = 0; i < parts->count; i++)
        close(parts->files[i]);
}

#endif
