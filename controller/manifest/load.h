/*
 * Files and directories of manifests, for `check`, `plan`, `inventory -f` and the local store. Reads *.yaml, *.yml and
 * *.json, recursively, in order of name; hidden files and those of editors (~, .swp) are passed over. Kinds that are
 * not ours (Deployment, Kustomization...) are passed over; Secrets are kept apart.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_MANIFEST_LOAD_H
#define TRIMTAB_MANIFEST_LOAD_H

#include "manifest/decode.h"
#include "manifest/yaml.h"

struct manifest_entry {
    struct object *object;
    const char *file;
    int line;
    const struct json *json; /* The document, for `get -o json`; lives as long as the set. */
};

struct manifest_secret {
    const char *namespace, *name;
    const struct tag *data; /* Decoded (data is base64, stringData plain). Wiped on release. */
    size_t data_count;
};

struct manifest_problem {
    const char *file;
    int line;         /* 0: the file as a whole. */
    bool unreadable;  /* The file could not be read at all: no fault of its content. */
    const char *path; /* "" if none. */
    const char *message;
};

struct manifest_set {
    struct manifest_entry *entries; /* Also invalid ones, as far as they could be named; see object->fault. */
    size_t entry_count;
    struct manifest_secret *secrets;
    size_t secret_count;
    struct manifest_problem *problems; /* Sorted by file, line. Includes cross-object faults. */
    size_t problem_count;
    size_t file_count;
    /* private */
    struct arena arena;
    struct yaml_documents *documents;
    size_t documents_count;
};

/* Reads all; problems are in the set, never an error: one bad file does not hide the others. A path that does not exist
 * is a problem. Objects without a namespace get default_namespace. Two entries of one kind, namespace and name: a
 * problem that names both places. Cross-object checks: policy -> provider exists and is shared, budget parents exist
 * and have no cycle (`complete` false turns these off; what is missing is a problem only where the namespace that
 * should have it has others of its kind among what was loaded, since a repository seldom holds everything). The items
 * of a List are entries of their own. */
void manifest_load(const char *const *paths, size_t path_count, const char *default_namespace, bool complete,
                   struct manifest_set *ret);
void manifest_set_release(struct manifest_set *set);

#endif
