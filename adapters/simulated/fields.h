/*
 * Tables that say which keys an object may have, of which type they are and where their values go; fields.c. Reading is
 * strict: an unknown key is an error that names the key, a bad value one that names its path below spec.simulated.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_SIMULATED_FIELDS_H
#define TRIMTAB_ADAPTERS_SIMULATED_FIELDS_H

#include <stddef.h>

#include "base/error.h"
#include "base/json.h"

#define SIM_PATH_SIZE 128

enum sim_field_type {
    SIM_FIELD_TEXT,
    SIM_FIELD_INT,
    SIM_FIELD_DURATION,
    SIM_FIELD_DECIMAL,
    SIM_FIELD_OBJECT,
    SIM_FIELD_ARRAY
};

struct sim_field { /* One key of an object, and where its value goes. */
    const char *key;
    enum sim_field_type type;
    bool required;
    size_t offset; /* Of a const char *, int64_t, int64_t (ms), double or const struct json *. */
    int64_t min, max;
};

/* ERR_PERMANENT: "spec.simulated.PATH: ..."; path "": of the whole. */
enum err_class sim_field_refuse(struct error *err, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* to holds SIM_PATH_SIZE. A path that is too long is cut: it is for a message, which is cut too. */
void sim_path_join(char *to, const char *path, const char *key);
/* Of a key that is absent, what is in *to stays. node absent counts as an empty object. Texts are borrowed from node.
 */
MUST_CHECK enum err_class sim_fields_read(const struct json *node, const char *path, const struct sim_field *fields,
                                          size_t count, void *to, struct error *err);

#endif
