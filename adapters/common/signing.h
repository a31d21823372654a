/*
 * What the request signatures of the clouds share: digests, strict percent-encoding, and the canonical forms of a query
 * string and of a header list. Pure; OpenSSL is known here and to the siblings of this folder only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_COMMON_SIGNING_H
#define TRIMTAB_ADAPTERS_COMMON_SIGNING_H

#include <stddef.h>

#include "base/buf.h"

#define SIGNING_SHA256_SIZE 32
#define SIGNING_SHA256_HEX_SIZE (SIGNING_SHA256_SIZE * 2 + 1)

struct signing_header {
    const char *name; /* Lower case. */
    const char *value;
};

/* to holds size * 2 + 1 characters; lower case. */
void signing_hex(const unsigned char *data, size_t size, char *to);
void signing_sha256_hex(struct bytes data, char to[SIGNING_SHA256_HEX_SIZE]);
void signing_hmac_sha256(const void *key, size_t key_size, struct bytes data, unsigned char to[SIGNING_SHA256_SIZE]);

/* Percent-encodes all but A-Z a-z 0-9 - . _ ~ and the characters in keep ("" for none). */
void signing_append_encoded(struct buf *out, struct bytes text, const char *keep);

/* The query as it stands in a URL (without "?"), decoded, strictly encoded again and sorted by name, then by value.
 * A '+' is a plus sign, not a space; a name without '=' gets an empty value; repeated names stay. */
void signing_canonical_query(const char *query, struct buf *out);

/* "name:value\n" for each, sorted by name, values trimmed and their inner runs of blanks made one space; the values of
 * a repeated name are joined by commas in the order given. names: "a;b;c". */
void signing_canonical_headers(const struct signing_header *headers, size_t count, struct buf *out, struct buf *names);

#endif
