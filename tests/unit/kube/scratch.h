/*
 * A temporary folder of a test, with files written into it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TEST_KUBE_SCRATCH_H
#define TRIMTAB_TEST_KUBE_SCRATCH_H

#include <sys/types.h>

void scratch_open(void);
void scratch_close(void); /* Removes it with all in it. */
/* Paths below it; valid until scratch_close. */
const char *scratch_path(const char *name);
const char *scratch_write(const char *name, mode_t mode, const char *text);
/* What a file holds; "" if there is none. */
const char *scratch_read(const char *name);

#endif
