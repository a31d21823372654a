/*
 * What can be seen only with all objects side by side: duplicates, references, cycles of budgets.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "manifest/load_internal.h"

struct index { /* Entries by kind, namespace, name, and in order of loading where these are equal. */
    struct loader *l;
    size_t *order;
};

static int entry_cmp(const void *a, const void *b, void *ctx) {
    const struct manifest_set *set = ctx;
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    const struct object *left = set->entries[x].object, *right = set->entries[y].object;
    int order = object_cmp(&left, &right);
    return order != 0 ? order : (x > y) - (x < y);
}

/* The first position in order whose entry is not before (kind, namespace, name). */
static size_t lower_bound(const struct index *index, const struct object *key) {
    const struct manifest_set *set = index->l->set;
    size_t low = 0, high = set->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct object *at = set->entries[index->order[middle]].object;
        if (object_cmp(&at, &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct object *at_position(const struct index *index, size_t position) {
    const struct manifest_set *set = index->l->set;
    return position < set->entry_count ? set->entries[index->order[position]].object : NULL;
}

static const struct object *find(const struct index *index, enum object_kind kind, struct object_ref ref) {
    struct object key = {.kind = kind, .namespace = ref.namespace, .name = ref.name};
    const struct object *key_ptr = &key, *found = at_position(index, lower_bound(index, &key));
    return found && object_cmp(&found, &key_ptr) == 0 ? found : NULL;
}

/* Whether that namespace has any of the kind: else it is simply not among what was loaded. */
static bool has_others(const struct index *index, enum object_kind kind, const char *namespace) {
    struct object key = {.kind = kind, .namespace = namespace, .name = ""};
    const struct object *found = at_position(index, lower_bound(index, &key));
    return found && found->kind == kind && str_eq(found->namespace, namespace);
}

static void entry_problem(struct index *index, size_t entry_index, const char *path, const char *message) {
    struct loader *l = index->l;
    const struct manifest_entry *entry = &l->set->entries[entry_index];
    int line = source_line(&l->sources[entry_index], &l->set->arena, path);
    load_problem(l, entry->file, line > 0 ? line : entry->line, path, "%s", message);
}

static void duplicates_check(struct index *index) {
    const struct manifest_set *set = index->l->set;
    for (size_t i = 1; i < set->entry_count; i++) {
        const struct manifest_entry *first = &set->entries[index->order[i - 1]];
        const struct manifest_entry *second = &set->entries[index->order[i]];
        if (object_cmp(&first->object, &second->object) != 0)
            continue;
        const char *message =
            arena_printf(&index->l->set->arena, "%s %s/%s stands already at %s:%d; remove one of them",
                         object_kind_name(second->object->kind), second->object->namespace, second->object->name,
                         first->file, first->line);
        entry_problem(index, index->order[i], "metadata.name", message);
    }
}

static void provider_check(struct index *index, size_t entry_index, struct object_ref ref, const char *path) {
    struct arena *arena = &index->l->set->arena;
    const char *namespace = index->l->set->entries[entry_index].object->namespace;
    const struct object *provider = find(index, OBJECT_PROVIDER, ref);
    if (!provider) {
        if (has_others(index, OBJECT_PROVIDER, ref.namespace))
            entry_problem(index, entry_index, path,
                          arena_printf(arena, "there is no Provider %s/%s", ref.namespace, ref.name));
        return;
    }
    if (!*provider->fault && provider->as.provider->sharing_count == 0 && !str_eq(namespace, ref.namespace))
        entry_problem(index, entry_index, path,
                      arena_printf(arena,
                                   "Provider %s/%s is not shared with namespace %s; add it to spec.sharing there",
                                   ref.namespace, ref.name, namespace));
}

/* A target without a region is a Kubernetes cluster; a cluster has no other. */
static void target_region_check(struct index *index, size_t entry_index, const struct policy_target *target,
                                size_t target_index) {
    struct arena *arena = &index->l->set->arena;
    const struct object *provider = find(index, OBJECT_PROVIDER, target->provider);
    if (!provider || *provider->fault)
        return;
    bool is_cluster = provider->as.provider->type == PROVIDER_KUBERNETES;
    if (is_cluster == str_eq(target->region, CLOUD_REGION_CLUSTER))
        return;
    entry_problem(index, entry_index, arena_printf(arena, "spec.placement.targets[%zu].region", target_index),
                  is_cluster ? "a Kubernetes cluster is one place; remove the region"
                             : arena_printf(arena, "is required: Provider %s/%s has regions",
                                            target->provider.namespace, target->provider.name));
}

static void policy_check(struct index *index, size_t entry_index, const struct policy *policy) {
    struct arena *arena = &index->l->set->arena;
    for (size_t i = 0; i < policy->selector.provider_count; i++)
        provider_check(index, entry_index, policy->selector.providers[i],
                       arena_printf(arena, "spec.selector.providers[%zu]", i));
    for (size_t i = 0; i < policy->placement.target_count; i++) {
        provider_check(index, entry_index, policy->placement.targets[i].provider,
                       arena_printf(arena, "spec.placement.targets[%zu].provider", i));
        target_region_check(index, entry_index, &policy->placement.targets[i], i);
    }
}

static const struct object *parent_of(const struct index *index, const struct object *budget) {
    bool has_parent = !*budget->fault && budget->as.budget->parent.name;
    return has_parent ? find(index, OBJECT_BUDGET, budget->as.budget->parent) : NULL;
}

static void budget_check(struct index *index, size_t entry_index, const struct object *budget) {
    struct arena *arena = &index->l->set->arena;
    struct object_ref ref = budget->as.budget->parent;
    if (!ref.name)
        return;
    const struct object *parent = find(index, OBJECT_BUDGET, ref);
    if (!parent) {
        if (has_others(index, OBJECT_BUDGET, ref.namespace))
            entry_problem(index, entry_index, "spec.parentRef.name",
                          arena_printf(arena, "there is no Budget %s/%s", ref.namespace, ref.name));
        return;
    }
    /* Two steps to one: they meet on any cycle, also one that this budget only leads into. */
    const struct object *slow = parent, *fast = parent_of(index, parent);
    while (fast && slow != fast && slow != budget) {
        slow = parent_of(index, slow);
        fast = parent_of(index, fast);
        fast = fast ? parent_of(index, fast) : NULL;
    }
    if (slow == budget || slow == fast)
        entry_problem(index, entry_index, "spec.parentRef",
                      slow == budget ? "the parents run in a circle that comes back to this Budget"
                                     : "the parents of this Budget run in a circle");
}

void load_cross_check(struct loader *l, bool complete) {
    struct manifest_set *set = l->set;
    struct index index = {.l = l, .order = mem_alloc_array(set->entry_count, sizeof(*index.order))};
    for (size_t i = 0; i < set->entry_count; i++)
        index.order[i] = i;
    qsort_r(index.order, set->entry_count, sizeof(*index.order), entry_cmp, set);
    duplicates_check(&index);
    for (size_t i = 0; complete && i < set->entry_count; i++) {
        const struct object *object = set->entries[i].object;
        if (*object->fault)
            continue;
        if (object->kind == OBJECT_POLICY)
            policy_check(&index, i, object->as.policy);
        else if (object->kind == OBJECT_BUDGET)
            budget_check(&index, i, object);
    }
    mem_free(index.order);
}
