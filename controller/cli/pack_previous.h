/*
 * The plan of an earlier `trimtab pack -o json`, for a run with much the same demands and offers to start from. What it
 * says of demands that are no more is passed over; what is no such plan is an error that names the file and the field.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_PACK_PREVIOUS_H
#define TRIMTAB_CLI_PACK_PREVIOUS_H

#include "base/arena.h"
#include "base/error.h"
#include "plan/pack.h"

/* For the demands that the problem has by now. Everything is in the arena. */
MUST_CHECK enum err_class pack_read_previous(const char *path, struct arena *arena, struct pack_problem *ret,
                                             struct error *err);

#endif
