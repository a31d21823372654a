/*
 * Facts of an object read off its JSON text without parsing it: for what comes by the thousand. The API server writes
 * keys without white space; a quote inside a string is escaped, so `"key":` cannot occur in one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_KUBE_TEXT_H
#define TRIMTAB_KUBE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* The value of the first metadata.resourceVersion, without quotes; size 0: none. */
struct bytes kube_text_resource_version(struct bytes text);
/* metadata.generation; -1: none. */
int64_t kube_text_generation(struct bytes text);
/* Whether the word stands anywhere in the text. */
bool kube_text_has(struct bytes text, const char *word);
/* The array of the first managedFields, with its brackets; size 0: none, or not an array that ends. */
struct bytes kube_text_managed_fields(struct bytes text);

#endif
