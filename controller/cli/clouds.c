/*
 * See clouds.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/clouds.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapters/common/catalogue.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "net/http.h"

/* ---- the loop ---- */

void cli_clouds_open(struct cli_clouds *clouds) {
    struct error err;
    int rc = uv_loop_init(&clouds->loop);
    ASSERT(rc == 0);
    runtime_uv_init(&clouds->runtime, &clouds->loop, 1, 0);
    const struct http_options options = {.user_agent = "trimtab/" TRIMTAB_VERSION};
    clouds->catalogue = NULL;
    if (catalogue_open(NULL, &clouds->catalogue, &err) != ERR_NONE)
        fprintf(stderr, "trimtab: no catalogue of instance types, so sizes may be missing: %s\n", err.message);
    clouds->env = (struct adapter_env){
        .runtime = &clouds->runtime.base, .http = http_new(&clouds->loop, &options), .catalogue = clouds->catalogue};
}

static void on_http_closed(void *ctx) {
    struct cli_clouds *clouds = ctx;
    http_free(clouds->env.http);
    runtime_uv_close(&clouds->runtime);
}

void cli_clouds_close(struct cli_clouds *clouds) {
    http_close(clouds->env.http, on_http_closed, clouds);
    uv_run(&clouds->loop, UV_RUN_DEFAULT);
    runtime_uv_release(&clouds->runtime);
    int rc = uv_loop_close(&clouds->loop);
    ASSERT(rc == 0);
    catalogue_free(clouds->catalogue);
}

/* ---- credentials ---- */

static const struct manifest_secret *secret_find(const struct manifest_set *set, const char *namespace,
                                                 const char *name) {
    for (size_t i = 0; i < set->secret_count; i++) {
        if (str_eq(set->secrets[i].namespace, namespace) && str_eq(set->secrets[i].name, name))
            return &set->secrets[i];
    }
    return NULL;
}

void *cli_secret_of(struct cli_secrets *secrets, const struct object *provider) {
    union { /* The callback's ctx is not const, the Secret is. */
        const void *given;
        void *ctx;
    } secret = {.given = NULL};
    const char *name = provider->as.provider->secret_name;
    if (!name)
        return NULL;
    secret.given = secret_find(secrets->set, provider->namespace, name);
    if (secret.given)
        return secret.ctx;
    if (!secrets->has_beside && provider->as.provider->base_dir) {
        const char *const paths[] = {provider->as.provider->base_dir};
        manifest_load(paths, 1, "default", false, &secrets->beside);
        secrets->has_beside = true;
    }
    if (secrets->has_beside)
        secret.given = secret_find(&secrets->beside, provider->namespace, name);
    return secret.ctx;
}

const char *cli_credential(void *ctx, const char *key) {
    const struct manifest_secret *secret = ctx;
    if (!secret)
        return getenv(key);
    for (size_t i = 0; i < secret->data_count; i++) {
        if (str_eq(secret->data[i].key, key))
            return secret->data[i].value;
    }
    return NULL;
}

void cli_secrets_release(struct cli_secrets *secrets) {
    if (secrets->has_beside)
        manifest_set_release(&secrets->beside);
    secrets->has_beside = false;
}

/* ---- manifests ---- */

int cli_manifests_check(const struct manifest_set *set) {
    bool is_unreadable = false;
    for (size_t i = 0; i < set->problem_count; i++) {
        const struct manifest_problem *it = &set->problems[i];
        is_unreadable |= it->unreadable;
        fprintf(stderr, "%s:%d: %s%s%s\n", it->file, it->line, it->path, *it->path ? ": " : "", it->message);
    }
    if (is_unreadable)
        return CLI_FAILED;
    return set->problem_count > 0 ? CLI_FAULTS : CLI_GO_ON;
}
