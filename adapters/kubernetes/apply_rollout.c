/*
 * RESIZE by a rollout: the template's requests, in one patch that also takes away the annotation of an earlier resize
 * in place, since from now on the template says the same. Then Kubernetes rolls, and poll looks on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/kubernetes/apply_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define ROLLOUT_POLL_MS 5000

struct rollout {
    struct kubernetes_guard guard;
    struct kubernetes_target target;
};

static struct rollout *rollout_of(const struct call *call) {
    return CONTAINER_OF(kubernetes_guard_of(call), struct rollout, guard);
}

static const struct kubernetes_step *ask_again(struct call *call) {
    const struct kubernetes_id *id = &kubernetes_change_of(call)->id;
    const struct kubernetes_target *target = &rollout_of(call)->target;
    return kubernetes_ask_again(call, ROLLOUT_POLL_MS, "rollout/" CLOUD_REGION_CLUSTER "/%s/%s/%s/%lld/%lld",
                                id->namespace, id->kind, id->name, (long long)target->cpu_milli,
                                (long long)target->memory_mib);
}

static void template_build(struct call *call) {
    struct buf body = {0};
    struct json_writer w = {.out = &body};
    jw_open(&w, '{');
    jw_key(&w, "metadata");
    jw_open(&w, '{');
    jw_put_string(&w, "resourceVersion", kubernetes_change_of(call)->resource_version);
    jw_key(&w, "annotations");
    jw_open(&w, '{');
    jw_key(&w, KUBERNETES_REQUESTS_ANNOTATION);
    jw_string(&w, NULL);
    jw_close(&w, '}');
    jw_close(&w, '}');
    jw_key(&w, "spec");
    jw_open(&w, '{');
    jw_key(&w, "template");
    jw_open(&w, '{');
    jw_key(&w, "spec");
    jw_open(&w, '{');
    kubernetes_resources_write(&kubernetes_guard_of(call)->template, &w);
    for (int depth = 0; depth < 4; depth++)
        jw_close(&w, '}');
    kubernetes_send(call, "PATCH", KUBERNETES_STRATEGIC_PATCH,
                    kubernetes_target_path(call, "?fieldManager=" KUBERNETES_FIELD_MANAGER), &body);
}

static const struct kubernetes_step *template_read(struct call *call, struct error *err) {
    return kubernetes_reply(call, err) != NULL ? ask_again(call) : NULL;
}

static const struct kubernetes_step deployment_step = {"patch deployments", true, template_build, template_read, NULL};
static const struct kubernetes_step stateful_set_step = {"patch statefulsets", true, template_build, template_read,
                                                         NULL};

static const struct kubernetes_step *decide(struct call *call, struct error *err) {
    struct rollout *self = rollout_of(call);
    struct kubernetes_guard *guard = &self->guard;
    if (!kubernetes_guard_size(guard, err))
        return NULL;
    /* What was asked for in place before goes on in the template: its annotation goes. */
    self->target = kubernetes_target_merge(guard->asked, self->target);
    bool is_asked = guard->asked.cpu_milli != 0 || guard->asked.memory_mib != 0;
    if (kubernetes_resources_match(&guard->template, &self->target) && !is_asked)
        return ask_again(call); /* Another try: the rollout may still be under way. */
    if (guard->no_rollout != NULL)
        return kubernetes_refuse(err, ERR_PERMANENT, "NoRollout", "%s: its pods would not follow the template",
                                 guard->no_rollout);
    if (guard->budget != NULL && guard->budget_allowed <= 0)
        return kubernetes_refuse(err, ERR_CONFLICT, "DisruptionBudget",
                                 "PodDisruptionBudget %s allows no disruption now", guard->budget);
    if (kubernetes_resources_plan(&guard->template, &self->target, err) != ERR_NONE)
        return NULL;
    return str_eq(kubernetes_change_of(call)->place->kind, "Deployment") ? &deployment_step : &stateful_set_step;
}

const struct kubernetes_step *kubernetes_rollout_begin(struct call *call, struct error *err) {
    const struct cloud_action *action = kubernetes_change_of(call)->action;
    struct rollout *self = arena_alloc(&call->arena, sizeof(*self));
    self->target = (struct kubernetes_target){action->vcpu_milli, action->memory_mib};
    if (!kubernetes_target_check(&self->target, err))
        return NULL;
    self->guard.vertical_autoscalers = self->guard.budgets = true;
    self->guard.decide = decide;
    return kubernetes_guard_begin(call, &self->guard);
}

static const struct kubernetes_step *look(struct call *call, struct error *err) {
    const struct rollout *self = rollout_of(call);
    if (!kubernetes_resources_match(&self->guard.template, &self->target))
        return kubernetes_refuse(err, ERR_CONFLICT, "Superseded",
                                 "the template's requests have been changed since by somebody else");
    if (self->guard.is_settled)
        return kubernetes_finish(call);
    if (self->guard.is_failed)
        return kubernetes_refuse(err, ERR_CAPACITY, "ProgressDeadlineExceeded",
                                 "the rollout does not come forward: its new pods do not become available");
    return ask_again(call);
}

const struct kubernetes_step *kubernetes_rollout_poll(struct call *call, const char *rest, struct error *err) {
    (void)err;
    struct rollout *self = arena_alloc(&call->arena, sizeof(*self));
    if (!kubernetes_target_of_handle(rest, &self->target))
        return NULL;
    self->guard.decide = look;
    return kubernetes_guard_begin(call, &self->guard);
}
