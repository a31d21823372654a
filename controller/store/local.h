/*
 * The store of a local run: a watched directory of manifests for desired state, SQLite for status, Recommendations,
 * Events and the users' decisions. Invalid files are logged with file:line and keep the last valid object.
 *
 * In the simulation and in tests: directory NULL, database NULL (in memory), objects fed by store_local_apply.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_STORE_LOCAL_H
#define TRIMTAB_STORE_LOCAL_H

#include <uv.h>

#include "store/store.h"

struct store_local_options {
    const char *directory;         /* NULL: none is watched. */
    const char *database;          /* "sqlite:PATH"; NULL: in memory. */
    uv_loop_t *loop;               /* For fs events (with a rescan every 5 s, and on error); NULL: no watching. */
    const char *default_namespace; /* "default" */
};

MUST_CHECK enum err_class store_local_new(struct runtime *runtime, const struct store_local_options *options,
                                          const struct store_callbacks *callbacks, struct store **ret,
                                          struct error *err);

/* What the local API serves (serve/api.h) and `--local` verbs use; the JSON is a whole Kubernetes-shaped object. */
bool store_local_print(struct store *store, enum object_kind kind, const char *namespace, const char *name,
                       struct buf *out);
/* {"kind":"ResourcePolicyList","items":[...]}; namespace NULL: all. Sorted. */
void store_local_print_list(struct store *store, enum object_kind kind, const char *namespace, struct buf *out);
/* JSON merge patch (RFC 7386) of spec and metadata.annotations, checked as the CRD would: of a Recommendation only
 * decision, snoozeUntil and feedback may change. Objects that come from files accept only annotations (suspend), kept
 * in the database. */
MUST_CHECK enum err_class store_local_patch(struct store *store, enum object_kind kind, const char *namespace,
                                            const char *name, const struct json *patch, struct error *err);
/* Creates or replaces the spec of an object that does not come from a file. */
MUST_CHECK enum err_class store_local_apply(struct store *store, const struct json *object, struct error *err);
MUST_CHECK enum err_class store_local_delete(struct store *store, enum object_kind kind, const char *namespace,
                                             const char *name, struct error *err);
/* The last Events (v1), newest first, as {"kind":"EventList","items":[...]}. NULL: of all namespaces, kinds, names. */
void store_local_print_events(struct store *store, const char *namespace, const char *kind, const char *name,
                              struct buf *out);

#endif
