/*
 * The tables that `trimtab slots` reads: slots, `slot[,value][,capacity]`; groups, `name`, a column for each resource,
 * and the demand: `demand`, or `demand:SLOT` for a slot of its own; resources, `resource,amount`. Any fault is an error
 * that names file, row and column.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_SLOTS_READ_H
#define TRIMTAB_CLI_SLOTS_READ_H

#include "base/error.h"
#include "plan/slots.h"

struct slots_tables { /* Zeroed before the first is read. */
    struct slots_problem problem;
    const char **groups, **resources, **slots; /* Names. */
};

/* In this order. path "-": standard input. Everything is in the arena. */
MUST_CHECK enum err_class slots_read_slots(const char *path, struct arena *arena, struct slots_tables *ret,
                                           struct error *err);
MUST_CHECK enum err_class slots_read_groups(const char *path, struct arena *arena, struct slots_tables *ret,
                                            struct error *err);
/* path NULL: there is as much of each as is wanted. */
MUST_CHECK enum err_class slots_read_resources(const char *path, struct arena *arena, struct slots_tables *ret,
                                               struct error *err);

#endif
