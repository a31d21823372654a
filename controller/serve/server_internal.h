/*
 * Listening sockets for the server: bound, listening, not blocking.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_SERVE_SERVER_INTERNAL_H
#define TRIMTAB_SERVE_SERVER_INTERNAL_H

#include <stdint.h>

#include "base/error.h"

/* "HOST:PORT" with a numeric host, "localhost" or none (all interfaces). */
MUST_CHECK enum err_class listener_open_tcp(const char *listen_address, int *ret_fd, uint16_t *ret_port,
                                            struct error *err);
/* Mode 0600 from the first moment on. A socket left behind by a process that is gone is replaced; one that still
 * answers is an error. */
MUST_CHECK enum err_class listener_open_unix(const char *path, int *ret_fd, struct error *err);

#endif
