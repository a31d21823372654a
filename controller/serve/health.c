/*
 * The probes, in the form of the Kubernetes components' own: 200 "ok", or a list of checks with ?verbose, or 500 with
 * the list when one fails. /healthz is the old name of liveness.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/health.h"

#include <string.h>

#include "base/str.h"

/* ?exclude=a,b : a comma-separated list, as one argument. */
static bool is_excluded(const char *exclude, const char *name) {
    size_t size = strlen(name);
    for (const char *at = exclude; at && *at; at += *at == ',') {
        size_t item = strcspn(at, ",");
        if (item == size && strncmp(at, name, size) == 0)
            return true;
        at += item;
    }
    return false;
}

void health_handle(struct health *health, const struct server_request *request, struct server_reply *reply) {
    const char *probe = request->path + (request->path[0] == '/');
    bool is_ready_probe = str_eq(probe, "readyz");
    const char *exclude = request->query(request, "exclude");
    struct buf list = {0}, why = {0};
    bool is_good = true;
    for (const struct health_check *check = health->checks; check->name; check++) {
        if (!(is_ready_probe ? check->in_readyz : check->in_livez))
            continue;
        buf_clear(&why);
        if (is_excluded(exclude, check->name)) {
            buf_printf(&list, "[+]%s excluded: ok\n", check->name);
        } else if (check->check(health->ctx, &why)) {
            buf_printf(&list, "[+]%s ok\n", check->name);
        } else {
            is_good = false;
            buf_printf(&list, "[-]%s failed: %s\n", check->name, why.size > 0 ? buf_text(&why) : "reason withheld");
        }
    }
    reply->status = is_good ? 200 : 500;
    reply->content_type = "text/plain; charset=utf-8";
    bool is_verbose = request->query(request, "verbose") != NULL;
    if (is_good && !is_verbose)
        buf_puts(&reply->body, "ok");
    else
        buf_printf(&reply->body, "%s%s check %s\n", buf_text(&list), probe, is_good ? "passed" : "failed");
    buf_release(&list);
    buf_release(&why);
}
