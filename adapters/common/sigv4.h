/*
 * AWS Signature Version 4, header form. Pure: the time and the keys are arguments; the published test suite decides.
 *
 * Everything that is signed is the caller's: it passes the very headers that it will send, with "host" and "x-amz-date"
 * (from sigv4_date), and "x-amz-security-token" where the key is temporary.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_COMMON_SIGV4_H
#define TRIMTAB_ADAPTERS_COMMON_SIGV4_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/common/signing.h"

#define SIGV4_DATE_SIZE 17 /* "20150830T123600Z" */

struct sigv4_input {
    const char *method;
    const char *path;  /* As it goes over the wire; "" is "/". */
    const char *query; /* As it goes over the wire, without "?"; "" for none. */
    const struct signing_header *headers;
    size_t header_count;
    struct bytes body;
    bool path_verbatim; /* S3 alone encodes a path once; the other services sign the encoding of what is sent. */
    const char *region;
    const char *service; /* The signing name, which is not always that of the host: CloudWatch is "monitoring". */
    const char *key_id;
    const char *secret;
    int64_t time_ms; /* Unix milliseconds, the server's idea of now. */
};

void sigv4_date(int64_t time_ms, char to[SIGV4_DATE_SIZE]);
void sigv4_canonical_request(const struct sigv4_input *input, struct buf *out);
void sigv4_string_to_sign(const struct sigv4_input *input, struct buf *out);
/* The value of the Authorization header. */
void sigv4_authorization(const struct sigv4_input *input, struct buf *out);

#endif
