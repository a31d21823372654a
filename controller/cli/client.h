/*
 * What the verbs that speak to an API server have in common: the options that say which, and one request at a time. A
 * cluster and a local instance answer alike.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_CLIENT_H
#define TRIMTAB_CLI_CLIENT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "manifest/object.h"

struct cli_where { /* The targets of the options. */
    const char *kubeconfig, *context, *namespace;
    const char *local; /* NULL: a cluster. */
};

/* Rows for a struct cli_option table. */
#define CLI_OPTIONS_WHERE(where)                                                                                       \
    {"namespace",                                                                                                      \
     'n',                                                                                                              \
     "NAMESPACE",                                                                                                      \
     "Namespace (default: the context's, or default).",                                                                \
     CLI_OPTION_TEXT,                                                                                                  \
     &(where).namespace,                                                                                               \
     NULL,                                                                                                             \
     0,                                                                                                                \
     0},                                                                                                               \
        {"local",                                                                                                      \
         0,                                                                                                            \
         "DIR|SOCKET",                                                                                                 \
         "Ask a running local instance: of a directory of manifests, by\nits socket, or the only one there is.",       \
         CLI_OPTION_PATH_OR_BARE,                                                                                      \
         &(where).local,                                                                                               \
         NULL,                                                                                                         \
         0,                                                                                                            \
         0},                                                                                                           \
        {"kubeconfig", 0, "FILE", "Default: $KUBECONFIG, then ~/.kube/config.", CLI_OPTION_TEXT, &(where).kubeconfig,  \
         NULL,         0, 0},                                                                                          \
    {                                                                                                                  \
        "context", 0, "NAME", "Context of the kubeconfig.", CLI_OPTION_TEXT, &(where).context, NULL, 0, 0              \
    }

struct cli_client;

MUST_CHECK enum err_class cli_client_open(const struct cli_where *where, struct cli_client **ret, struct error *err);
void cli_client_close(struct cli_client *client); /* NULL is fine. */
/* The namespace that counts: the option's, the context's, else "default". */
const char *cli_client_namespace(const struct cli_client *client);
/* By the clock of who answered last: of a local instance that is sped up its own; else the machine's. */
int64_t cli_client_now_ms(const struct cli_client *client);

MUST_CHECK enum err_class cli_client_get(struct cli_client *client, const char *path, struct json **ret,
                                         struct error *err);
/* A JSON merge patch. */
MUST_CHECK enum err_class cli_client_patch(struct cli_client *client, const char *path, const struct buf *body,
                                           struct json **ret, struct error *err);

/* Path of a list (name NULL) or an object; namespace NULL: all. Names are escaped. */
void cli_path_append(struct buf *out, enum object_kind kind, const char *namespace, const char *name);
/* Says "trimtab: message" on stderr; returns CLI_FAILED. */
int cli_fail(const struct error *err);

#endif
