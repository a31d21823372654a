/*
 * How the APIs of a Provider's account are, as its status says it. Made to be quiet: the rate is the configured one or,
 * while the cloud throttles, the lowest that it came down to; a circuit that probes is still open; messages have no
 * times; and what a process before this one has asked is told until this one asks it too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "base/str.h"
#include "loop/loop_internal.h"

#define NAMED_MAX 3 /* APIs that the message names. */

struct gathering {
    struct arena *arena;
    struct object_api *apis;
    size_t count;
    size_t open_count, throttled_count;
    const char *text;
};

static const char *where(const struct budget_view *view, struct arena *arena) {
    return view->region[0] ? arena_printf(arena, "%s in %s", view->api, view->region) : view->api;
}

static void add_text(struct gathering *g, const struct budget_view *view, const char *what) {
    if (g->open_count + g->throttled_count > NAMED_MAX)
        return;
    g->text = arena_printf(g->arena, "%s%s%s %s: %s", g->text, g->text[0] ? "; " : "", where(view, g->arena), what,
                           view->message);
}

static void gather(void *ctx, const struct budget_view *view) {
    struct gathering *g = ctx;
    bool is_open = view->circuit != BUDGET_CLOSED;
    g->apis = arena_push(g->arena, g->apis, g->count, sizeof(*g->apis));
    g->apis[g->count++] = (struct object_api){
        .name = arena_strdup(g->arena, view->api),
        .region = arena_strdup(g->arena, view->region),
        .requests_per_second = (int64_t)fmax(1, round(view->requests_per_second_lowest)),
        .is_open = is_open,
    };
    g->open_count += is_open;
    g->throttled_count += !is_open && view->is_throttled;
    if (is_open)
        add_text(g, view, "fails");
    else if (view->is_throttled)
        add_text(g, view, "throttles");
}

static struct status_condition condition(const struct gathering *g, const char *account) {
    if (g->open_count + g->throttled_count == 0)
        return (struct status_condition){CONDITION_APIS_AVAILABLE, CONDITION_TRUE, "Answering",
                                         "every API of the account that was asked answers"};
    bool is_open = g->open_count > 0;
    size_t unnamed = g->open_count + g->throttled_count;
    unnamed -= unnamed < NAMED_MAX ? unnamed : NAMED_MAX;
    const char *what_to_do =
        is_open
            ? "it is probed now and then and used again once it answers; if it lasts, check the cloud's status page "
              "and the endpoint"
            : "it is asked less often; if it lasts, lower spec.limits.requestsPerSecond, find who else uses the "
              "account, or ask the cloud for more";
    return (struct status_condition){CONDITION_APIS_AVAILABLE, CONDITION_FALSE, is_open ? "CircuitOpen" : "Throttled",
                                     arena_printf(g->arena, "account %s: %s%s; %s", account, g->text,
                                                  unnamed > 0 ? arena_printf(g->arena, "; and %zu more", unnamed) : "",
                                                  what_to_do)};
}

static int api_cmp(const void *a, const void *b) {
    const struct object_api *x = a, *y = b;
    int order = str_cmp(x->name, y->name);
    return order ? order : str_cmp(x->region, y->region);
}

/* A new leader asks one API after the other: a status that shrank and grew again would tell nothing. */
static void keep_found(struct gathering *g, const struct object *object) {
    size_t asked_count = g->count;
    for (size_t i = 0; i < object->api_count; i++) {
        struct object_api found = object->apis[i];
        bool is_asked = false;
        for (size_t k = 0; k < asked_count; k++)
            is_asked = is_asked || api_cmp(&g->apis[k], &found) == 0;
        if (is_asked)
            continue;
        found.is_open = false;
        g->apis = arena_push(g->arena, g->apis, g->count, sizeof(*g->apis));
        g->apis[g->count++] = found;
    }
    qsort(g->apis, g->count, sizeof(*g->apis), api_cmp);
}

void provider_apis(const struct loop *loop, const struct object *object, struct arena *arena,
                   struct provider_status *status) {
    struct gathering g = {.arena = arena, .text = ""};
    observe_provider_apis(loop->observe, object->namespace, object->name, gather, &g);
    if (g.count == 0)
        return;
    keep_found(&g, object);
    status->apis = g.apis;
    status->api_count = g.count;
    struct status_summary *summary = &status->summary;
    struct status_condition *more = arena_alloc_array(arena, summary->more_count + 1, sizeof(*more));
    for (size_t i = 0; i < summary->more_count; i++)
        more[i] = summary->more[i];
    more[summary->more_count] = condition(&g, status->account[0] ? status->account : "(unknown)");
    summary->more = more;
    summary->more_count++;
}
