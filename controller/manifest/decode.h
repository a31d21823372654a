/*
 * From JSON (an API server's, or a YAML file made into JSON) to objects. Decoding and validation are one pass: whatever
 * the CRD's schema and CEL rules refuse is refused here too, plus what they cannot see (time zones, windows that never
 * open, ...). Pure but for zone_find.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_MANIFEST_DECODE_H
#define TRIMTAB_MANIFEST_DECODE_H

#include "base/arena.h"
#include "base/json.h"
#include "manifest/object.h"

struct manifest_fault {
    const char *path;    /* "spec.disruption.windows[0].schedule"; "" for the document. */
    const char *message; /* What is wrong, and what to do. */
};

struct manifest_faults { /* In the arena of the decode call. At most MANIFEST_FAULTS_MAX are kept. */
    struct manifest_fault *items;
    size_t count;
};
#define MANIFEST_FAULTS_MAX 50

struct decode_options {
    bool strict;          /* Unknown fields are faults (files); else they are passed over (a newer CRD). */
    const char *base_dir; /* -> provider.base_dir */
    bool is_namespace;    /* The items of a NamespaceList bear neither kind nor apiVersion. */
};

/* Decodes any of our kinds or a Namespace. Always gives an object when kind, name and namespace can be read (then
 * object->fault tells of semantic faults, if any); ERR_PERMANENT only when not even those can. *ret and its strings
 * live in the arena. */
MUST_CHECK enum err_class object_decode(const struct json *json, const struct decode_options *options,
                                        struct arena *arena, struct object **ret, struct manifest_faults *faults,
                                        struct error *err);

/* What every kind keeps of its status: hash, observedGeneration, conditions. NULL: none. */
void object_take_status(const struct json *status, struct object *object);

#endif
