/*
 * What the files of the Kubernetes adapter's actions share: an action is a chain of steps, each one exchange, that
 * reads before it writes; and the arithmetic of pods' requests, which is pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_KUBERNETES_APPLY_INTERNAL_H
#define TRIMTAB_ADAPTERS_KUBERNETES_APPLY_INTERNAL_H

#include "adapters/kubernetes/kubernetes_internal.h"

/* resources.c */

enum kubernetes_measure { KUBERNETES_CPU, KUBERNETES_MEMORY, KUBERNETES_MEASURE_COUNT };

/* What the containers of one pod are to request in sum; 0: as it is. */
struct kubernetes_target {
    int64_t cpu_milli, memory_mib;
};

enum kubernetes_container_role {
    KUBERNETES_CONTAINER,
    KUBERNETES_SIDECAR,        /* An init container that goes on running: it counts, and may be resized. */
    KUBERNETES_INIT_CONTAINER, /* Runs to its end before the others: does neither. */
};

struct kubernetes_amount { /* Milli-cores or bytes; -1: none is set. */
    int64_t request, limit;
};

struct kubernetes_container {
    const char *name;
    enum kubernetes_container_role role;
    bool restarts[KUBERNETES_MEASURE_COUNT]; /* resizePolicy RestartContainer. */
    struct kubernetes_amount now[KUBERNETES_MEASURE_COUNT], to[KUBERNETES_MEASURE_COUNT];
};

struct kubernetes_resources {
    struct kubernetes_container *items;
    size_t count;
};

/* pod_spec: of a pod, or of a template. Names are copied into the arena; to is as now. */
MUST_CHECK enum err_class kubernetes_resources_read(const struct json *pod_spec, struct arena *arena,
                                                    struct kubernetes_resources *ret, struct error *err);
/* The requests in sum are as asked for. */
bool kubernetes_resources_match(const struct kubernetes_resources *resources, const struct kubernetes_target *target);
/* Fills `to`: the target is shared out in proportion to the requests that there are, in whole milli-cores and MiB. A
 * Guaranteed pod stays so (limits are the requests), and no other becomes it: a limit that would fall below the request
 * rises, one that stood above it stays above. ERR_PERMANENT: it cannot be done. */
MUST_CHECK enum err_class kubernetes_resources_plan(struct kubernetes_resources *resources,
                                                    const struct kubernetes_target *target, struct error *err);
/* Something changes that restarts its container; some change of what counts would. */
bool kubernetes_resources_restart(const struct kubernetes_resources *resources);
bool kubernetes_resources_may_restart(const struct kubernetes_resources *resources);
/* The container of that name requests as much as `resources` (of its status) says that it has. True for a name that is
 * not there. */
bool kubernetes_resources_has(const struct kubernetes_resources *spec, const char *name, const struct json *resources);
/* The target as an annotation holds it, {"cpu": "500m", "memory": "512Mi"}; zeros for what is not there. */
struct kubernetes_target kubernetes_target_parse(const char *text);
const char *kubernetes_target_print(const struct kubernetes_target *target, struct arena *arena);
/* False with *err set: negative, or nothing at all. */
bool kubernetes_target_check(const struct kubernetes_target *target, struct error *err);
/* over where it says something, else under. */
struct kubernetes_target kubernetes_target_merge(struct kubernetes_target under, struct kubernetes_target over);
/* The end of a handle: "500/512". */
bool kubernetes_target_of_handle(const char *rest, struct kubernetes_target *ret);
/* The fields "containers" and "initContainers" of a strategic merge patch, of those that change. */
void kubernetes_resources_write(const struct kubernetes_resources *resources, struct json_writer *w);

#define KUBERNETES_QUANTITY_SIZE 32
void kubernetes_quantity_print(enum kubernetes_measure measure, int64_t amount, char to[KUBERNETES_QUANTITY_SIZE]);

/* apply.c */

struct kubernetes_step { /* One exchange of an action; const. */
    const char *label;   /* In Kubernetes' words: "patch deployments/scale". */
    bool mutates;
    void (*build)(struct call *call);
    /* The step that follows; NULL: the end, outer->reply is filled or *err is set. */
    const struct kubernetes_step *(*read)(struct call *call, struct error *err);
    /* NULL: every refusal ends the action. True: this one is an answer, *ret as read's result. It may change *err. */
    bool (*refused)(struct call *call, struct error *err, const struct kubernetes_step **ret);
};

struct kubernetes_place { /* Where the API serves a kind. */
    const char *kind;
    enum cloud_kind of;
    const char *prefix; /* "/apis/apps/v1" */
    const char *plural;
};

struct kubernetes_change { /* The state of the call of an action. */
    const struct kubernetes_step *step;
    const struct cloud_action *action; /* NULL: it is polled. */
    struct kubernetes_id id;           /* The target's. */
    const struct kubernetes_place *place;
    const char *uid, *resource_version; /* Of the target, once it is read. */
    void *own;                          /* The verb's. */
};

static inline struct kubernetes_change *kubernetes_change_of(const struct call *call) {
    return call->state;
}

/* "/apis/apps/v1/namespaces/shop/deployments/web" + suffix, in the exchange's arena. */
const char *kubernetes_target_path(struct call *call, const char *suffix);
void kubernetes_target_get(struct call *call); /* The build of the step that reads the target. */
/* Fills uid and resource_version. NULL: *err is set. */
const struct json *kubernetes_target_read(struct call *call, struct error *err);
/* The build of a change. The body is released. */
#define KUBERNETES_MERGE_PATCH "application/merge-patch+json"
#define KUBERNETES_STRATEGIC_PATCH "application/strategic-merge-patch+json"
#define KUBERNETES_APPLY_PATCH "application/apply-patch+yaml" /* JSON is YAML. */
void kubernetes_send(struct call *call, const char *method, const char *content_type, const char *path,
                     struct buf *body);
/* The build of a list: path has a query already; the present page is added. */
void kubernetes_list_page(struct call *call, const char *path);
/* Ends an action: *err with the code that users search for. Returns NULL, for `return` in a step's read. */
const struct kubernetes_step *kubernetes_refuse(struct error *err, enum err_class class, const char *code,
                                                const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The end of an action that is done, or goes on by itself: poll again with this handle. */
const struct kubernetes_step *kubernetes_finish(struct call *call);
const struct kubernetes_step *kubernetes_finish_read(struct call *call,
                                                     struct error *err); /* The read of a last step. */
const struct kubernetes_step *kubernetes_ask_again(struct call *call, uint32_t after_ms, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The refusal says that the API server does not know this path at all, not that the object is not there. */
bool kubernetes_is_unknown_api(const struct call *call, const struct error *err);

/* apply_guard.c: what is read before a workload is changed, and whom we would fight. */

/* On a workload that STOP has scaled to nothing: its size before. */
#define KUBERNETES_REPLICAS_ANNOTATION "trimtab.dev/replicas"

struct kubernetes_bounds_owner { /* The autoscaler whose bounds are the workload's. name NULL: there is none. */
    const char *kind, *name, *resource_version;
    int64_t count_min, count_max;
    const char *manager; /* Who else sets the bounds; NULL: nobody. */
};

struct kubernetes_guard { /* The first member of change->own of the verbs that use it. */
    /* Which of these are asked for. */
    bool autoscalers, vertical_autoscalers, budgets;
    bool budgets_if_restart; /* Only if the template has a container that a resize restarts. */
    const struct kubernetes_step *(*decide)(struct call *call, struct error *err); /* When all is read. */

    /* What was found. */
    int64_t replicas, serving;
    bool is_observed; /* Its controller has seen the present spec. */
    struct kubernetes_resources template;
    struct kubernetes_target asked; /* The annotation's; zeros: none. */
    const char *stopped_replicas;   /* KUBERNETES_REPLICAS_ANNOTATION; NULL: none. */
    const char *selector;           /* As a query takes it, escaped. */
    const char *no_rollout;         /* Why a change of the template would not reach the pods; NULL: it would. */
    bool is_settled, is_failed;     /* The rollout of the present template. */
    const char *replicas_manager, *requests_manager;
    struct kubernetes_bounds_owner bounds;
    const char *budget; /* The PodDisruptionBudget that allows least; NULL: none selects the pods. */
    int64_t budget_allowed;

    /* While it reads. */
    size_t stage;
    const struct cloud_tag *pod_labels;
    size_t pod_label_count;
};

static inline struct kubernetes_guard *kubernetes_guard_of(const struct call *call) {
    return kubernetes_change_of(call)->own;
}

/* The first step: reads the workload, and what the guard asks for; then decide. */
const struct kubernetes_step *kubernetes_guard_begin(struct call *call, struct kubernetes_guard *guard);
/* False with *err set (ManagedElsewhere) if another sets the size or the requests. */
bool kubernetes_guard_count(const struct kubernetes_guard *guard, struct error *err);
bool kubernetes_guard_size(const struct kubernetes_guard *guard, struct error *err);

/* Each verb's begin: the first step, or NULL with *err set. The id and its kind have been checked. */
typedef const struct kubernetes_step *kubernetes_begin_fn(struct call *call, struct error *err);
kubernetes_begin_fn kubernetes_scale_begin, kubernetes_stop_begin, kubernetes_start_begin, kubernetes_bounds_begin;
kubernetes_begin_fn kubernetes_resize_begin, kubernetes_rollout_begin;
kubernetes_begin_fn kubernetes_tag_begin, kubernetes_delete_volume_begin, kubernetes_delete_snapshot_begin,
    kubernetes_snapshot_begin;
/* And of polls; rest is the handle behind "verb/cluster/namespace/Kind/name", without its slash. */
typedef const struct kubernetes_step *kubernetes_poll_fn(struct call *call, const char *rest, struct error *err);
kubernetes_poll_fn kubernetes_resize_poll, kubernetes_rollout_poll, kubernetes_snapshot_poll, kubernetes_stop_poll,
    kubernetes_start_poll;

#endif
