/*
 * What OOM kills have raised, beyond the life of a process: the history of a cluster run is filled again from the
 * cloud, which knows of a kill only as long as the pod is there. So the policy's status carries it. A status that is
 * written without a plan carries what the one before it did.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "loop/loop_internal.h"

static const char *const provider_names[] = {"provider", NULL};
static const struct metric metric_kills = {"trimtab_oom_kills_total",
                                           "Containers of selected resources that were killed for want of memory.",
                                           METRIC_COUNTER, provider_names, NULL};

void raises_show(const struct object *object, const struct policy_state *state, struct policy_status *status) {
    bool is_known = state && state->raises.is_known;
    status->raises = is_known ? state->raises.items : object->raises;
    status->raise_count = is_known ? state->raises.count : object->raise_count;
}

static bool is_selected(const struct policy_state *state, const char *key) {
    for (size_t i = 0; i < state->selected_count; i++)
        if (str_eq(state->selected[i], key))
            return true;
    return false;
}

/* Only of what is selected: histories are shared, and a status may be written by others too. */
void raises_restore(struct loop *loop, const struct object *object, const struct policy_state *state) {
    struct policy_status from = {0};
    raises_show(object, state, &from);
    if (object->as.policy->forecast.metric != CLOUD_METRIC_MEMORY || !state)
        return;
    for (size_t i = 0; i < from.raise_count; i++) {
        const struct object_raise *it = &from.raises[i];
        const struct cloud_resource resource = {.kind = it->kind, .region = it->region, .id = it->id};
        char *key = claims_key(it->provider, it->region, it->kind, it->id);
        if (is_selected(state, key))
            observe_restore_raise(loop->observe, it->provider, &resource,
                                  &(struct history_raise){it->time_ms, (double)it->memory_mib});
        mem_free(key);
    }
}

/* ---- after a plan ---- */

static int newest_first(const void *a, const void *b) {
    const struct object_raise *x = a, *y = b;
    return (x->time_ms < y->time_ms) - (x->time_ms > y->time_ms);
}

static int by_resource(const void *a, const void *b) {
    const struct object_raise *x = a, *y = b;
    int order = str_cmp(x->provider, y->provider);
    if (order == 0)
        order = str_cmp(x->region, y->region);
    if (order == 0)
        order = (x->kind > y->kind) - (x->kind < y->kind);
    if (order == 0)
        order = str_cmp(x->id, y->id);
    return order ? order : newest_first(y, x);
}

static int64_t whole_mib(double mib) {
    return mib < (double)INT64_MAX ? (int64_t)ceil(mib) : INT64_MAX;
}

/* Keeps the newest; returns how many are left. */
static size_t cut(struct object_raise *items, size_t count, size_t max) {
    if (count <= max)
        return count;
    qsort(items, count, sizeof(*items), newest_first);
    return max;
}

static bool is_listed(const struct snapshot *snapshot, const struct object_raise *raise) {
    for (size_t i = 0; i < snapshot->resource_count; i++) {
        const struct snapshot_resource *entry = &snapshot->resources[i];
        if (entry->resource.kind == raise->kind && str_eq(entry->resource.id, raise->id) &&
            str_eq(entry->resource.region, raise->region) && str_eq(entry->provider, raise->provider))
            return true;
    }
    return false;
}

/* Of what is listed the history knows. A listing that lacks a resource may be wrong, or the resource be made anew under
 * its name: only time ends what was raised for it, as it does for all, but it gives way to what is listed. */
void raises_take(struct policy_state *state, const struct object *object, const struct snapshot *snapshot) {
    struct policy_raises *raises = &state->raises;
    struct policy_status before = {0};
    struct arena arena = {0};
    struct object_raise *items = NULL;
    size_t count = 0;
    for (size_t i = 0; i < snapshot->resource_count; i++) {
        const struct snapshot_resource *entry = &snapshot->resources[i];
        for (size_t k = 0; k < entry->history.raise_count; k++) {
            items = arena_push(&arena, items, count, sizeof(*items));
            items[count++] = (struct object_raise){
                entry->provider,    entry->resource.region,           entry->resource.kind,
                entry->resource.id, entry->history.raises[k].time_ms, whole_mib(entry->history.raises[k].demand)};
        }
    }
    size_t listed = count = cut(items, count, OBJECT_RAISES_MAX);
    int64_t since_ms = snapshot->as_of_ms - object->as.policy->forecast.history_ms;
    raises_show(object, state, &before);
    for (size_t i = 0; i < before.raise_count; i++) {
        if (before.raises[i].time_ms < since_ms || is_listed(snapshot, &before.raises[i]))
            continue;
        items = arena_push(&arena, items, count, sizeof(*items));
        items[count++] = before.raises[i];
    }
    if (count > listed)
        count = listed + cut(items + listed, count - listed, OBJECT_RAISES_MAX - listed);
    if (count > 1)
        qsort(items, count, sizeof(*items), by_resource);
    for (size_t i = 0; i < count; i++) {
        items[i].provider = arena_strdup(&arena, items[i].provider);
        items[i].region = arena_strdup(&arena, items[i].region);
        items[i].id = arena_strdup(&arena, items[i].id);
    }
    arena_release(&raises->arena);
    *raises = (struct policy_raises){.is_known = true, .arena = arena, .items = items, .count = count};
}

/* ---- news ---- */

static void tell(struct loop *loop, const struct policy_state *state, const char *note) {
    const struct object *object = store_get(loop->store, OBJECT_POLICY, state->id.namespace, state->id.name);
    if (!object || object->fault[0] || object->as.policy->forecast.metric != CLOUD_METRIC_MEMORY)
        return;
    store_note(loop->store,
               &(struct store_note){
                   .regarding = object, .warning = true, .reason = "OOMKilled", .action = "Observe", .note = note});
}

void raises_on_kills(void *ctx, const char *provider, const struct cloud_resource *resource, size_t count,
                     const struct history_raise *raise) {
    struct loop *loop = ctx;
    struct map_entry *entry;
    char at[TIME_TEXT_MAX] = "";
    struct arena arena = {0};
    if (!loop->leading || loop->stopping)
        return;
    if (raise)
        time_format(raise->time_ms, at);
    const char *then =
        raise ? arena_printf(&arena, "the last at %s; no less than %.0f MiB in all are planned for from now on", at,
                             ceil(raise->demand))
              : "which raises nothing anew";
    const char *note = arena_printf(&arena, "%s: %zu %s killed for want of memory, %s", resource->id, count,
                                    count == 1 ? "container was" : "containers were", then);
    metrics_add(loop->options.metrics, &metric_kills, METRIC_LABELS(provider), (double)count);
    log_warn("killed for want of memory", LOG_STR("provider", provider), LOG_STR("id", resource->id),
             LOG_STR("message", note));
    char *key = claims_key(provider, resource->region, resource->kind, resource->id);
    for (size_t i = 0; (entry = map_next(&loop->policies, &i));)
        if (is_selected(entry->value, key))
            tell(loop, entry->value, note);
    mem_free(key);
    arena_release(&arena);
}
