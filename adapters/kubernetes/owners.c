/*
 * Who else sets a workload's size or its requests, so that nobody is fought: autoscalers found by their target
 * reference, then whoever owns the fields by managedFields, as far as it is a machine that would put them back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/kubernetes/world.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

/* ---- managedFields ---- */

/* The first row that matches decides. Who is not in it is taken for a machine: to leave a workload alone that we might
 * have tuned costs less than to fight for it. */
static const struct {
    const char *manager; /* Glob. */
    bool is_manager;
} field_manager_rules[] = {
    {KUBERNETES_FIELD_MANAGER, false},    /* We. */
    {"kubectl", false},                   /* People and their scripts; kubectl apply --server-side. */
    {"kubectl-*", false},                 /* -client-side-apply, -create, -edit, -patch, -rollout, -set... */
    {"before-first-apply", false},        /* What stood there before server-side apply was first used. */
    {"kube-controller-manager", false},   /* A HorizontalPodAutoscaler, found by its target; rollouts. */
    {"horizontal-pod-autoscaler", false}, /* The same, where it runs on its own. */
    {"vpa-*", false},                     /* Found by its target. */
    {"keda-operator", false},             /* Likewise; it sets replicas to wake a workload from 0. */
    {"argocd-*", true},                   /* argocd-controller, argocd-application-controller */
    {"kustomize-controller", true},       /* Flux */
    {"helm-controller", true},
    {"helm", true},
    {"*", true},
};

bool kubernetes_is_manager(const char *name) {
    size_t i = 0;
    while (!str_glob(field_manager_rules[i].manager, name))
        i++;
    return field_manager_rules[i].is_manager;
}

static bool owns_requests(const struct json *fields) {
    static const char *const lists[] = {"f:containers", "f:initContainers"};
    const struct json *spec = json_get(json_get(json_get(fields, "f:spec"), "f:template"), "f:spec");
    if (json_get(json_get(spec, "f:resources"), "f:requests") != NULL)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (struct json_iter it = json_iter(json_get(spec, lists[i])); json_iter_next(&it);) {
            if (json_get(json_get(it.value, "f:resources"), "f:requests") != NULL)
                return true;
        }
    }
    return false;
}

void kubernetes_field_managers(const struct json *metadata, const char **ret_replicas, const char **ret_requests) {
    const struct json *entries = json_get(metadata, "managedFields");
    *ret_replicas = *ret_requests = NULL;
    for (size_t i = 0; i < json_array_count(entries); i++) {
        const struct json *entry = json_array_at(entries, i), *fields = json_get(entry, "fieldsV1");
        const char *name = json_string(json_get(entry, "manager"), "unknown");
        if (!kubernetes_is_manager(name))
            continue;
        if (*ret_replicas == NULL && json_get(json_get(fields, "f:spec"), "f:replicas") != NULL)
            *ret_replicas = name;
        if (*ret_requests == NULL && owns_requests(fields))
            *ret_requests = name;
    }
}

/* ---- autoscalers ---- */

static struct kubernetes_scaler *scaler_read(struct kubernetes_world *world, enum kubernetes_scaler_kind scaler_kind,
                                             const char *object_kind, const struct json *item,
                                             const struct json *target) {
    const char *namespace = json_string(json_at(item, "metadata.namespace"), "");
    struct kubernetes_scaler *row = kubernetes_rows_add(world, &world->scalers, sizeof(*row));
    *row = (struct kubernetes_scaler){.kind = scaler_kind};
    row->workload =
        arena_printf(world->scratch, "%s/%s/%s", namespace, json_string(json_get(target, "kind"), "Deployment"),
                     json_string(json_get(target, "name"), ""));
    row->name = arena_printf(world->arena, "%s/%s", object_kind, json_string(json_at(item, "metadata.name"), ""));
    return row;
}

void kubernetes_autoscaler_read(struct kubernetes_world *world, const struct json *item) {
    const struct json *spec = json_get(item, "spec");
    struct kubernetes_scaler *row =
        scaler_read(world, SCALER_AUTOSCALER, "HorizontalPodAutoscaler", item, json_get(spec, "scaleTargetRef"));
    row->count_min = json_int(json_get(spec, "minReplicas"), 1);
    row->count_max = json_int(json_get(spec, "maxReplicas"), 0);
}

/* KEDA makes a HorizontalPodAutoscaler of it: the ScaledObject is who to name, and where the bounds are set. */
void kubernetes_scaled_object_read(struct kubernetes_world *world, const struct json *item) {
    const struct json *spec = json_get(item, "spec");
    struct kubernetes_scaler *row =
        scaler_read(world, SCALER_SCALED_OBJECT, "ScaledObject", item, json_get(spec, "scaleTargetRef"));
    row->count_min = json_int(json_get(spec, "minReplicaCount"), 0);
    row->count_max = json_int(json_get(spec, "maxReplicaCount"), 100);
}

void kubernetes_vertical_autoscaler_read(struct kubernetes_world *world, const struct json *item) {
    const char *mode = json_string(json_at(item, "spec.updatePolicy.updateMode"), "Auto");
    if (!str_eq(mode, "Off")) /* It only recommends. */
        (void)scaler_read(world, SCALER_VERTICAL, "VerticalPodAutoscaler", item, json_at(item, "spec.targetRef"));
}

/* ---- disruption budgets ---- */

struct selector {
    const struct kubernetes_term *terms;
    size_t term_count;
};

static struct kubernetes_term *term_add(struct kubernetes_world *world, struct selector *row, const char *key,
                                        const char *operator, const struct json * values) {
    struct arena *arena = world->scratch;
    struct kubernetes_term *terms = (struct kubernetes_term *)(uintptr_t)row->terms;
    terms = arena_push(arena, terms, row->term_count, sizeof(*terms));
    row->terms = terms;
    struct kubernetes_term *term = &terms[row->term_count++];
    *term = (struct kubernetes_term){.key = arena_strdup(arena, key), .operator= arena_strdup(arena, operator)};
    const char **copies = arena_alloc_array(arena, json_array_count(values) + 1, sizeof(*copies));
    for (size_t i = 0; i < json_array_count(values); i++)
        copies[term->value_count++] = arena_strdup(arena, json_string(json_array_at(values, i), ""));
    term->values = copies;
    return term;
}

static struct selector selector_read(struct kubernetes_world *world, const struct json *selector) {
    struct selector read = {0}, *row = &read;
    for (struct json_iter it = json_iter(json_get(selector, "matchLabels")); json_iter_next(&it);) {
        struct kubernetes_term *term = term_add(world, row, it.key, "In", NULL);
        const char **values = arena_alloc(world->scratch, sizeof(*values));
        values[0] = arena_strdup(world->scratch, json_string(it.value, ""));
        term->values = values;
        term->value_count = 1;
    }
    const struct json *expressions = json_get(selector, "matchExpressions");
    for (size_t i = 0; i < json_array_count(expressions); i++) {
        const struct json *it = json_array_at(expressions, i);
        (void)term_add(world, row, json_string(json_get(it, "key"), ""), json_string(json_get(it, "operator"), ""),
                       json_get(it, "values"));
    }
    return read;
}

void kubernetes_disruption_budget_read(struct kubernetes_world *world, const struct json *item) {
    const struct json *spec = json_get(item, "spec"), *selector = json_get(spec, "selector");
    const struct json *minimum = json_get(spec, "minAvailable");
    if (selector == NULL)
        return; /* It is of no pods. */
    struct selector read = selector_read(world, selector);
    struct kubernetes_budget *row = kubernetes_rows_add(world, &world->budgets, sizeof(*row));
    *row = (struct kubernetes_budget){.terms = read.terms, .term_count = read.term_count};
    row->namespace = arena_strdup(world->scratch, json_string(json_at(item, "metadata.namespace"), ""));
    row->name = arena_strdup(world->scratch, json_string(json_at(item, "metadata.name"), ""));
    /* A share of the pods holds at any size. */
    row->min_available = json_type(minimum) == JSON_INT ? json_int(minimum, 0) : 0;
    row->is_used_up = json_int(json_at(item, "status.disruptionsAllowed"), 0) <= 0;
}

/* value: of the label that the term names; NULL: there is none. */
static bool term_matches(const struct kubernetes_term *term, const char *value) {
    bool is_among = false;
    for (size_t i = 0; i < term->value_count; i++)
        is_among |= str_eq(term->values[i], value);
    if (str_eq(term->operator, "In"))
        return is_among;
    if (str_eq(term->operator, "NotIn"))
        return !is_among;
    if (str_eq(term->operator, "DoesNotExist"))
        return value == NULL;
    return value != NULL; /* Exists; one that we do not know rather binds than not. */
}

static bool budget_selects(const struct kubernetes_budget *budget, const struct kubernetes_workload *workload) {
    for (size_t i = 0; i < budget->term_count; i++) {
        const char *value = NULL;
        for (size_t k = 0; k < workload->pod_label_count; k++) {
            if (str_eq(workload->pod_labels[k].key, budget->terms[i].key))
                value = workload->pod_labels[k].value;
        }
        if (!term_matches(&budget->terms[i], value))
            return false;
    }
    return true;
}

static bool terms_match(const struct kubernetes_term *terms, size_t count, const struct json *labels) {
    for (size_t i = 0; i < count; i++) {
        if (!term_matches(&terms[i], json_string(json_get(labels, terms[i].key), NULL)))
            return false;
    }
    return true;
}

bool kubernetes_selector_matches(struct kubernetes_world *world, const struct json *selector,
                                 const struct json *labels) {
    struct selector read = selector_read(world, selector);
    return selector != NULL && terms_match(read.terms, read.term_count, labels);
}

static int budget_cmp(const void *a, const void *b) {
    const struct kubernetes_budget *x = a, *y = b;
    int order = str_cmp(x->namespace, y->namespace);
    return order != 0 || x->name == NULL || y->name == NULL ? order : str_cmp(x->name, y->name);
}

/* The first of a namespace; NULL: it has none. */
static const struct kubernetes_budget *budgets_of(struct kubernetes_world *world, const char *namespace) {
    struct kubernetes_budget *budgets = world->budgets.items;
    const struct kubernetes_budget key = {.namespace = namespace};
    if (world->budgets.count == 0)
        return NULL;
    if (!world->has_sorted_budgets)
        qsort(budgets, world->budgets.count, sizeof(*budgets), budget_cmp);
    world->has_sorted_budgets = true;
    const struct kubernetes_budget *at = bsearch(&key, budgets, world->budgets.count, sizeof(*budgets), budget_cmp);
    while (at != NULL && at > budgets && budget_cmp(at - 1, &key) == 0)
        at--;
    return at;
}

static bool is_of(const struct kubernetes_world *world, const struct kubernetes_budget *at, const char *namespace) {
    const struct kubernetes_budget *budgets = world->budgets.items;
    return at != NULL && at < budgets + world->budgets.count && str_eq(at->namespace, namespace);
}

const char *kubernetes_budget_of_pod(struct kubernetes_world *world, const struct json *metadata) {
    const char *namespace = json_string(json_get(metadata, "namespace"), "");
    const struct json *labels = json_get(metadata, "labels");
    const struct kubernetes_budget *at = budgets_of(world, namespace);
    for (; is_of(world, at, namespace); at++) {
        if (at->is_used_up && terms_match(at->terms, at->term_count, labels))
            return arena_printf(world->scratch, "PodDisruptionBudget %s allows no disruption now", at->name);
    }
    return NULL;
}

/* Where somebody else sets the size, the bounds are theirs: what we set of them must come back as we set it. */
static void budgets_join(struct kubernetes_world *world) {
    struct kubernetes_workload *workloads = world->workloads.items;
    for (size_t i = 0; i < world->workloads.count; i++) {
        struct cloud_resource *resource = &workloads[i].resource;
        if (resource->count_manager != NULL)
            continue;
        const struct kubernetes_budget *at = budgets_of(world, workloads[i].namespace);
        for (; is_of(world, at, workloads[i].namespace); at++) {
            if (at->min_available > resource->count_min && budget_selects(at, &workloads[i]))
                resource->count_min = at->min_available;
        }
    }
}

/* ---- joining ---- */

/* An autoscaler's bounds are those of its HorizontalPodAutoscaler; a ScaledObject's own where it has made none. */
static void scaler_apply(const struct kubernetes_scaler *scaler, struct cloud_resource *resource) {
    switch (scaler->kind) {
    case SCALER_AUTOSCALER:
        resource->count_min = scaler->count_min;
        resource->count_max = scaler->count_max;
        resource->count_manager = scaler->name;
        break;
    case SCALER_SCALED_OBJECT:
        if (resource->count_manager == NULL) {
            resource->count_min = scaler->count_min;
            resource->count_max = scaler->count_max;
        }
        resource->count_manager = scaler->name;
        break;
    case SCALER_VERTICAL:
        resource->size_manager = scaler->name;
        break;
    }
}

void kubernetes_owners_join(struct kubernetes_world *world) {
    struct kubernetes_workload *workloads = world->workloads.items;
    const struct kubernetes_scaler *scalers = world->scalers.items; /* In the order of the sources. */
    struct map by_id = {0};
    for (size_t i = 0; i < world->workloads.count; i++)
        map_put(&by_id, workloads[i].resource.id, &workloads[i]);
    for (size_t i = 0; i < world->scalers.count; i++) {
        struct kubernetes_workload *workload = map_get(&by_id, scalers[i].workload);
        if (workload != NULL)
            scaler_apply(&scalers[i], &workload->resource);
    }
    map_release(&by_id);
    for (size_t i = 0; i < world->workloads.count; i++) {
        struct cloud_resource *resource = &workloads[i].resource;
        if (resource->count_manager == NULL)
            resource->count_manager = workloads[i].replicas_manager;
        if (resource->size_manager == NULL)
            resource->size_manager = workloads[i].requests_manager;
    }
    budgets_join(world);
}
