/*
 * Base64 of RFC 4648, as Secrets and kubeconfigs hold it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_BASE_BASE64_H
#define TRIMTAB_BASE_BASE64_H

#include <stdbool.h>

#include "base/buf.h"

/* Appends; white space is passed over, padding is required as the RFC says. False (out unchanged) for anything else. */
bool base64_decode(struct bytes text, struct buf *out);
void base64_encode(struct bytes data, struct buf *out);

#endif
