/*
 * What the suites of manifest/ share: YAML text to one object, with its faults.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_UNIT_MANIFEST_RIG_H
#define TRIMTAB_TESTS_UNIT_MANIFEST_RIG_H

#include "manifest/decode.h"
#include "manifest/yaml.h"

struct rig {
    struct yaml_documents documents;
    struct arena arena;
    struct object *object; /* NULL: object_decode failed with err. */
    struct manifest_faults faults;
    struct error err;
};

/* The first document of text. Release with rig_release. */
void rig_decode(struct rig *rig, const char *text, const struct decode_options *options);
/* spec (flow or indented YAML) inside an object of that kind, named checkout/x; strict. */
void rig_spec(struct rig *rig, const char *kind, const char *spec);
void rig_release(struct rig *rig);
/* "path: message\n" of each fault, in the arena. */
const char *rig_faults(struct rig *rig);
int64_t at(const char *time); /* RFC 3339 to Unix ms; asserts that it can be read. */

#endif
