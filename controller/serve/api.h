/*
 * The local API on the unix socket of a local run: the part of the Kubernetes API that our command needs, in its shape,
 * so that the same client code speaks to a cluster and to a laptop. The socket's mode 0600 is the access control.
 *
 *     GET        /apis/trimtab.dev/v1alpha1/{plural}                         every namespace
 *     GET        /apis/trimtab.dev/v1alpha1/namespaces/NS/{plural}[/NAME]
 *     PATCH      /apis/trimtab.dev/v1alpha1/namespaces/NS/{plural}/NAME      application/merge-patch+json
 *     GET, PATCH /api/v1/namespaces[/NAME]
 *     GET        /api/v1/[namespaces/NS/]events[?fieldSelector=involvedObject.kind=K,involvedObject.name=N]
 *
 * Errors are metav1 Status objects.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_SERVE_API_H
#define TRIMTAB_SERVE_API_H

#include "serve/server.h"
#include "store/local.h"

/* For the routes "/apis/" and "/api/". */
void api_handle(struct store *store, const struct server_request *request, struct server_reply *reply);

#endif
