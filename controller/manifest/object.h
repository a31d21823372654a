/*
 * The objects of trimtab.dev/v1alpha1 as the controller keeps them: metadata, a decoded spec, and of the status only
 * what decisions and the next status write need. An object is immutable once decoded; a change makes a new one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_MANIFEST_OBJECT_H
#define TRIMTAB_MANIFEST_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manifest/recommendation.h"
#include "manifest/spec.h"

#define API_GROUP "trimtab.dev"
#define API_VERSION "v1alpha1"
#define API_SUSPEND_ANNOTATION "trimtab.dev/suspend" /* "true" on an object or a namespace. */

#define OBJECT_VERSION_MAX 24

enum object_kind {
    OBJECT_PROVIDER,
    OBJECT_POLICY,
    OBJECT_BUDGET,
    OBJECT_RECOMMENDATION,
    OBJECT_NAMESPACE, /* Only its labels and the suspend annotation; key is "/name". */
    OBJECT_KIND_COUNT,
};

const char *object_kind_name(enum object_kind kind);   /* "ResourcePolicy" */
const char *object_kind_plural(enum object_kind kind); /* "resourcepolicies" */
/* Kind, plural, singular or short name, in any case ("rp", "Budget"). */
bool object_kind_parse(const char *text, enum object_kind *ret);

enum condition_status { CONDITION_UNKNOWN, CONDITION_TRUE, CONDITION_FALSE };

/* The types that we write, in the order in which they are shown. Ready is the summary; Reconciling and Stalled are
 * kstatus' abnormal-true ones. */
enum condition_type {
    CONDITION_READY,
    CONDITION_RECONCILING,
    CONDITION_STALLED,
    CONDITION_OBSERVED,
    CONDITION_FORECASTED,
    CONDITION_WITHIN_BUDGET,
    CONDITION_APIS_AVAILABLE,
    CONDITION_PRICES_CURRENT,
    CONDITION_TYPE_COUNT,
};
const char *condition_type_name(enum condition_type type); /* "WithinBudget" */
const char *condition_status_name(enum condition_status status);

struct object_condition { /* As it stands in the object now. */
    /* Eight bytes in all: there are seven of them in each of tens of thousands of objects. */
    uint32_t last_transition_s; /* Unix seconds, as precise as the API is; 0: unknown. */
    uint8_t status;             /* enum condition_status */
    bool present;
};
_Static_assert(sizeof(struct object_condition) == 8, "conditions stay small");

#define OBJECT_APIS_MAX 256

struct object_api { /* An API of a Provider's cloud, and how hard it is asked. */
    const char *name;
    const char *region; /* "" where it has none. */
    int64_t requests_per_second;
    bool is_open; /* Its circuit: nothing is sent but a probe now and then. */
};

#define OBJECT_RAISES_MAX 100

struct object_raise {     /* What an OOM kill has raised; see history/series.h. */
    const char *provider; /* "namespace/name" */
    const char *region;
    enum cloud_kind kind;
    const char *id;
    int64_t time_ms;
    int64_t memory_mib;
};

struct object {
    enum object_kind kind;
    const char *namespace; /* "" for namespaces. */
    const char *name;
    const char *uid;
    char resource_version[OBJECT_VERSION_MAX]; /* A number in text, as Kubernetes promises. */
    int64_t generation;
    int64_t created_at_ms;
    bool deleting;
    bool suspended;           /* spec.suspend or the annotation. */
    const struct tag *labels; /* Namespaces only. */
    size_t label_count;

    /* Why the spec cannot be used, "" if it can: "spec.capacity.min: 5 is above max 3; lower min or raise max". All
     * faults in one line, the first few. When set, `as` is incomplete and must not be acted upon. */
    const char *fault;

    union {
        const struct provider *provider;
        const struct policy *policy;
        const struct budget *budget;
        const struct recommendation *recommendation;
    } as;

    /* Status as found. */
    uint64_t status_hash; /* json_hash of .status; 0: no status. */
    int64_t observed_generation;
    struct object_condition conditions[CONDITION_TYPE_COUNT];
    /* Providers: status.apis, if it was of this generation when the object was read. */
    const struct object_api *apis;
    size_t api_count;

    /* Policies: status.forecast as it was when the object was read; NULL: none. */
    const char *forecast_json;
    /* Policies: status.memoryRaises, likewise. By resource, then ascending by time. */
    const struct object_raise *raises;
    size_t raise_count;

    void *owner; /* The store's. */
};

/* "namespace/name" order: by kind, namespace, name. For qsort over struct object *. */
int object_cmp(const void *a, const void *b);

#endif
