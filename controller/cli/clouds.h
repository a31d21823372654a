/*
 * What the verbs that look at clouds without a controller have in common: an event loop with HTTP and the catalogue,
 * the Secrets that stand in manifests, and telling what is wrong with the manifests.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_CLOUDS_H
#define TRIMTAB_CLI_CLOUDS_H

#include <uv.h>

#include "adapters/adapter.h"
#include "base/runtime_uv.h"
#include "manifest/load.h"

struct cli_clouds { /* Stays in place from open to close. */
    uv_loop_t loop;
    struct runtime_uv runtime;
    struct catalogue *catalogue; /* NULL: none. */
    struct adapter_env env;
};

/* A catalogue that cannot be read is told on stderr, and done without. */
void cli_clouds_open(struct cli_clouds *clouds);
/* Every adapter is closed before. */
void cli_clouds_close(struct cli_clouds *clouds);

struct cli_secrets {
    const struct manifest_set *set;
    struct manifest_set beside; /* The other manifests of the first Provider's folder, read when a Secret is missing. */
    bool has_beside;
};

/* The Secret that a Provider names: in the set, else beside its file. NULL: the environment stands in. As the ctx of
 * cli_credential. */
void *cli_secret_of(struct cli_secrets *secrets, const struct object *provider);
const char *cli_credential(void *ctx, const char *key);
void cli_secrets_release(struct cli_secrets *secrets);

/* Tells all problems on stderr. CLI_GO_ON: there is none; CLI_FAULTS, or CLI_FAILED when a file could not be read. */
int cli_manifests_check(const struct manifest_set *set);

#endif
