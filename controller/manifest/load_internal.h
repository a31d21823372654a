/*
 * Shared by load.c (files to objects), load_secret.c and load_cross.c (checks between objects).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_MANIFEST_LOAD_INTERNAL_H
#define TRIMTAB_MANIFEST_LOAD_INTERNAL_H

#include "manifest/load.h"

struct source {                           /* Where an entry stands in its document, for lines. */
    const struct yaml_document *document; /* NULL: the lines are not known. */
    const char *prefix;                   /* "items[2]" in a List, else "". */
};

struct loader {
    struct manifest_set *set;
    const char *default_namespace;
    struct source *sources; /* One for each entry of the set. */
};

void load_problem(struct loader *l, const char *file, int line, const char *path, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
int source_line(const struct source *source, struct arena *arena, const char *path);

void load_secret(struct loader *l, const struct json *json, const char *file, int line);
void load_cross_check(struct loader *l, bool complete);

#endif
