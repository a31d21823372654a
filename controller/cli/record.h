/*
 * A plan with what it was made from, as a file: `run --record` writes the latest of each policy, `plan` reads and
 * writes them. The same record for the same inputs, byte for byte.
 *
 *     {"apiVersion": "trimtab.dev/v1alpha1", "kind": "PlanRecord", "policy": "namespace/name",
 *      "headroom": {"freezeGrowth", "shrinkToMinimum", "budget"}, "snapshot": {...}, "plan": {...}}
 *     {"apiVersion": "trimtab.dev/v1alpha1", "kind": "PlanRecordList", "items": [...]}
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_RECORD_H
#define TRIMTAB_CLI_RECORD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "manifest/object.h"
#include "observe/snapshot.h"
#include "plan/compute.h"

/* One record, without a newline behind it. */
void record_print(const struct object *policy, const struct plan_input *input, const struct plan *plan,
                  struct json_writer *w);

/* Around the records of a list. */
void record_list_open(struct json_writer *w);
void record_list_close(struct json_writer *w);

struct record {
    const char *policy; /* "namespace/name"; NULL: a bare snapshot, of whatever policy. */
    struct headroom headroom;
    struct snapshot snapshot;
    const struct json *plan; /* As recorded; NULL: none. */
};

struct record_set {
    struct record *items;
    size_t count;
    struct json *root;
    struct arena arena;
};

/* A record, a list of them, or a bare snapshot. ERR_PERMANENT: a fault of the content, with its path. */
MUST_CHECK enum err_class record_parse(struct bytes text, struct record_set *ret, struct error *err);
/* ERR_RETRYABLE: the file cannot be read. */
MUST_CHECK enum err_class record_read(const char *path, struct record_set *ret, struct error *err);
void record_set_release(struct record_set *set);

/* All of the file or nothing of it: written beside it, then renamed; mode 0600. ERR_RETRYABLE if that fails. */
MUST_CHECK enum err_class record_write(const char *path, const struct buf *text, struct error *err);

/* Makes the folder of `run --record` (mode 0700) unless it is there. */
MUST_CHECK enum err_class record_folder_make(const char *folder, struct error *err);
/* Writes FOLDER/namespace.name.json. A record that is too large to be read back is ERR_PERMANENT. */
MUST_CHECK enum err_class record_keep(const char *folder, const struct object *policy, const struct plan_input *input,
                                      const struct plan *plan, struct error *err);

#endif
