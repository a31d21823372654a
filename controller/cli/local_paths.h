/*
 * Where a local run keeps its state and where its socket is: both follow from the directory of manifests, so that `run`
 * and the verbs with --local find each other without being told.
 *
 *     database   $XDG_STATE_HOME/trimtab/HASH.db       (~/.local/state without XDG_STATE_HOME)
 *     socket     $XDG_RUNTIME_DIR/trimtab/HASH.sock    (beside the database without XDG_RUNTIME_DIR)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_LOCAL_PATHS_H
#define TRIMTAB_CLI_LOCAL_PATHS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"

struct local_paths {
    const char *database; /* A path; "sqlite:" is not before it. */
    const char *socket;
};

/* Makes the folders (mode 0700) if `make_folders`. The directory must exist. */
MUST_CHECK enum err_class local_paths_of(const char *directory, bool make_folders, struct arena *arena,
                                         struct local_paths *ret, struct error *err);
/* The socket that --local means: of a directory, a socket itself, or ("") the only one that answers. */
MUST_CHECK enum err_class local_paths_find(const char *directory_or_socket, struct arena *arena, const char **ret,
                                           struct error *err);

#endif
