/*
 * Names and order of objects and conditions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "manifest/object.h"

#include <strings.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

static const struct {
    const char *name, *singular, *plural, *short_name;
} kinds[] = {
    [OBJECT_PROVIDER] = {"Provider", "provider", "providers", "prov"},
    [OBJECT_POLICY] = {"ResourcePolicy", "resourcepolicy", "resourcepolicies", "rp"},
    [OBJECT_BUDGET] = {"Budget", "budget", "budgets", "bud"},
    [OBJECT_RECOMMENDATION] = {"Recommendation", "recommendation", "recommendations", "rec"},
    [OBJECT_NAMESPACE] = {"Namespace", "namespace", "namespaces", "ns"},
};
static const char *const condition_types[] = {
    [CONDITION_READY] = "Ready",
    [CONDITION_RECONCILING] = "Reconciling",
    [CONDITION_STALLED] = "Stalled",
    [CONDITION_OBSERVED] = "Observed",
    [CONDITION_FORECASTED] = "Forecasted",
    [CONDITION_WITHIN_BUDGET] = "WithinBudget",
    [CONDITION_APIS_AVAILABLE] = "ApisAvailable",
    [CONDITION_PRICES_CURRENT] = "PricesCurrent",
};
static const char *const condition_statuses[] = {
    [CONDITION_UNKNOWN] = "Unknown", [CONDITION_TRUE] = "True", [CONDITION_FALSE] = "False"};

_Static_assert(ARRAY_LEN(kinds) == OBJECT_KIND_COUNT, "names for each kind");
_Static_assert(ARRAY_LEN(condition_types) == CONDITION_TYPE_COUNT, "a name for each condition");

const char *object_kind_name(enum object_kind kind) {
    ASSERT((size_t)kind < ARRAY_LEN(kinds));
    return kinds[kind].name;
}

const char *object_kind_plural(enum object_kind kind) {
    ASSERT((size_t)kind < ARRAY_LEN(kinds));
    return kinds[kind].plural;
}

bool object_kind_parse(const char *text, enum object_kind *ret) {
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        /* The CamelCase name differs from the singular in case only. */
        if (strcasecmp(text, kinds[i].singular) == 0 || strcasecmp(text, kinds[i].plural) == 0 ||
            strcasecmp(text, kinds[i].short_name) == 0) {
            *ret = (enum object_kind)i;
            return true;
        }
    }
    return false;
}

const char *condition_type_name(enum condition_type type) {
    ASSERT((size_t)type < ARRAY_LEN(condition_types));
    return condition_types[type];
}

const char *condition_status_name(enum condition_status status) {
    ASSERT((size_t)status < ARRAY_LEN(condition_statuses));
    return condition_statuses[status];
}

int object_cmp(const void *a, const void *b) {
    const struct object *x = *(const struct object *const *)a, *y = *(const struct object *const *)b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    int order = str_cmp(x->namespace, y->namespace);
    return order != 0 ? order : str_cmp(x->name, y->name);
}
