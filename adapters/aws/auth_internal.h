/*
 * What the sources of credentials share; private to auth*.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_AWS_AUTH_INTERNAL_H
#define TRIMTAB_ADAPTERS_AWS_AUTH_INTERNAL_H

#include "adapters/aws/aws_internal.h"

#define AUTH_TOKEN_SIZE_MAX 32768

extern const struct credentials_source auth_static_keys;
extern const struct credentials_source auth_web_identity, auth_assume_role; /* auth_sts.c */
extern const struct credentials_source auth_metadata, auth_container;       /* auth_metadata.c */

/* The parts of a temporary key, all needed; expiration as RFC 3339 by the cloud's clock. */
MUST_CHECK enum err_class auth_take_value(const struct aws *aws, const char *id, const char *secret, const char *token,
                                          const char *expiration, struct credentials_value *ret, struct error *err);
/* A file that holds one token, without the white space at its end. variable: what named the file. */
MUST_CHECK enum err_class auth_read_token(const char *variable, const char *path, char to[AUTH_TOKEN_SIZE_MAX],
                                          struct error *err);
void auth_value_wipe(struct credentials_value *value);
bool auth_is_word(const char *text); /* Not empty, without blanks and control characters. */
/* Keys and tokens may be sent there: https, or the loopback and link-local addresses that the SDKs allow. */
bool auth_container_uri_is_allowed(const char *uri);

#endif
