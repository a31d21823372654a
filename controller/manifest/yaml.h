/*
 * Manifest files: YAML (or JSON, which is YAML) documents to JSON trees that remember their lines. yaml.h of libyaml is
 * included only here and in kube/config.c.
 *
 * Refused, with line and column: duplicate keys (libyaml takes them silently), aliases and anchors beyond ALIAS_MAX
 * uses (bombs), depth beyond JSON_DEPTH_MAX, files beyond MANIFEST_SIZE_MAX, text that is not UTF-8, keys that are not
 * scalars, NaN and Infinity. Scalars follow the YAML 1.2 core schema (yes and no are strings; 0o17; quoted is always a
 * string).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_MANIFEST_YAML_H
#define TRIMTAB_MANIFEST_YAML_H

#include "base/arena.h"
#include "base/json.h"

#define MANIFEST_SIZE_MAX ((size_t)4 << 20)
#define YAML_ALIAS_MAX 64                /* Uses of aliases in a file. */
#define YAML_ANCHOR_MAX 1024             /* Anchors of a document. */
#define YAML_ALIAS_NODES_MAX 10000       /* Nodes that all of them together may stand for. */
#define YAML_NODES_MAX ((size_t)1 << 19) /* Nodes of a file. */

struct yaml_document {
    struct json *root;       /* json_free by yaml_documents_release. */
    int line;                /* Of its first token, 1-based. */
    struct yaml_mark *marks; /* Sorted by the hash of the path: paths themselves would take quadratic space. */
    size_t mark_count;
};

struct yaml_documents {
    struct yaml_document *items;
    size_t count;
    struct arena arena;
};

/* On error the message starts with "line:column: ". Empty documents are left out. */
MUST_CHECK enum err_class yaml_parse(struct bytes text, struct yaml_documents *ret, struct error *err);
void yaml_documents_release(struct yaml_documents *documents);
/* The line of a path as in manifest_fault ("spec.a[0].b"); of its nearest ancestor that exists otherwise. */
int yaml_line(const struct yaml_document *document, const char *path);

#endif
