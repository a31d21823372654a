/*
 * What the files of loop/ share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_LOOP_LOOP_INTERNAL_H
#define TRIMTAB_LOOP_LOOP_INTERNAL_H

#include "account/status.h"
#include "act/step.h"
#include "base/mem.h"
#include "forecast/doubt.h"
#include "loop/evaluate.h"
#include "loop/loop.h"
#include "loop/state.h"
#include "loop/workqueue.h"
#include "observe/observe.h"
#include "plan/compute.h"

/* What a policy's cycle computes on another thread. */
struct policy_job {
    struct work work;
    struct loop *loop;
    struct workqueue_item *item;
    const struct object *object; /* Held. */
    struct arena arena;
    struct snapshot *snapshot;
    struct plan_input input;
    struct plan plan;
    struct recall recall; /* The policy's, which lends it for the time. */
    bool wants_doubts;
    enum forecast_doubt *doubts; /* One for each resource; NULL: not asked for. */
};

/* How a policy's forecasts have done; see reckon.c. */
struct policy_reckoning {
    bool is_begun;
    enum cloud_metric metric;
    double quantile;
    struct coverage coverage;
    struct map watches; /* resource key -> struct watch * */
    uint64_t cycle;
    char *shown; /* status.forecast as it stands, or is to be written; NULL: none yet. */
    int64_t shown_ms;
    enum forecast_doubt doubt; /* The worst of its resources'. */
    char doubt_message[360];
    int64_t doubt_ms; /* When that was looked at; 0: never. */
};

/* What its status remembers of OOM kills; see raises.c. */
struct policy_raises {
    bool is_known; /* As of the last plan of this process. */
    struct arena arena;
    const struct object_raise *items;
    size_t count;
};

/* Kept for a policy whose providers can be resolved. */
struct policy_state {
    struct state id;
    char **selected; /* Resource keys that it claims, sorted as selected. */
    size_t selected_count;
    struct loop_policy_view view; /* Figures of the last cycle; has_view false: none yet. */
    bool has_view;
    char model[48];
    struct policy_reckoning reckoning;
    struct policy_raises raises;
    struct recall recall;
    int64_t status_written_ms;
    char reason[48]; /* Of the last summary. */
    char plan_hash[17];
};

/* Kept for a Recommendation that is not final. */
struct recommendation_state {
    struct state id;
    struct loop *loop;
    uint64_t floor_sequence; /* See act/step.h. */
    uint64_t retry_at_ns;    /* Monotonic: a step of the wall clock neither hastens nor delays a retry. */
    int64_t tries;
    int64_t poll_failures;           /* One after another. */
    bool sending;                    /* apply or poll in flight */
    bool writing;                    /* status write in flight */
    enum recommendation_phase noted; /* The last phase that was logged. */
    struct adapter_call call;
    struct cloud_action action;
    struct arena arena;
    char operation[ADAPTER_OPERATION_MAX + 1];
    char token[24];
};

struct provider_state {
    struct state id;
    uint64_t opened_hash; /* Spec and credentials of the open adapter; 0: not open. */
    uint64_t spec_hash;   /* Of the spec whose Secret was asked for last. */
    bool opening;
    struct error error; /* Why it could not be opened; class NONE: it could. */
    int64_t secret_read_ms;
    char reason[48];
};

struct loop {
    struct loop_options options;
    struct runtime *runtime;
    struct store *store;
    struct observe *observe;
    struct workqueue queue;
    struct timer drain;
    struct timer resync;
    struct map policies;        /* key -> struct policy_state * */
    struct map recommendations; /* key -> struct recommendation_state * */
    struct map providers;       /* key -> struct provider_state * */
    struct map tenants;         /* namespace -> struct tenant * */
    struct map claims;          /* resource key -> struct claim * */
    struct map by_policy;       /* policy key -> struct name_set * of its Recommendations */
    struct map creations;       /* policy and resource key -> struct creation * under way */
    struct map upkeeps;         /* resource key -> struct upkeep * */
    bool leading, stopping, synced;
    uint64_t act_from_ns; /* Monotonic: no effect before. */
    size_t in_flight;     /* Writes, jobs, calls that must end before stopped. */
    size_t recall_bytes;  /* That policies hold, and jobs may come to hold. */
    size_t effects;       /* Of these, calls that change a cloud or ask how far a change is. */
    bool observe_closing, observe_closed;
    struct timer stop_check;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

struct name_set {
    char **names;
    size_t count;
};

/* loop.c */
void loop_finish(struct loop *loop, struct workqueue_item *item, bool failed);
void loop_wake(struct loop *loop, enum object_kind kind, const char *namespace, const char *name);
void loop_wake_policies_of(struct loop *loop, const char *namespace, const char *name); /* That select by it. */
bool loop_may_act(struct loop *loop);
int64_t loop_now_ms(const struct loop *loop);

/* cycle.c: the policy's cycle */
void cycle_policy(struct loop *loop, struct workqueue_item *item);
void policy_job_free(struct policy_job *job);
void policy_recall_forget(struct loop *loop, struct policy_state *state);

/* reckon.c: forecasts against what came */
/* On the loop's thread, before the job: whether its resources' doubts are due. */
bool reckon_wants_doubts(struct loop *loop, const struct policy_state *state);
/* After it: counts what has arrived, keeps what is forecast now, and renews what the status shows where that is due. */
void reckon_job(struct loop *loop, struct policy_state *state, const struct policy_job *job,
                const struct forecast *largest, const struct status_summary *summary);
/* The condition Forecasted; its message until the reckoning's next turn. */
struct status_condition reckon_condition(const struct policy_reckoning *reckoning, struct policy_job *job);
void reckon_release(struct policy_reckoning *reckoning);

/* raises.c: what OOM kills have raised */
/* Gives the history what the status remembers of the resources that the policy claims. Before they are tracked. */
void raises_restore(struct loop *loop, const struct object *object, const struct policy_state *state);
/* After a plan. */
void raises_take(struct policy_state *state, const struct object *object, const struct snapshot *snapshot);
/* state NULL: none. */
void raises_show(const struct object *object, const struct policy_state *state, struct policy_status *status);
/* For observe: counts them, and tells the policies. */
void raises_on_kills(void *ctx, const char *provider, const struct cloud_resource *resource, size_t count,
                     const struct history_raise *raise);

/* policy.c */
struct policy_state *policy_state_get(struct loop *loop, const char *namespace, const char *name, bool make);
void policy_state_forget(struct loop *loop, const char *namespace, const char *name);
/* Providers of a policy that exist, are valid, permitted and listed -> scopes. False: *ret_summary says which is not,
 * and why. */
bool policy_scopes(struct loop *loop, const struct object *policy, struct arena *arena, struct observe_scope *ret,
                   size_t *ret_count, struct status_summary *ret_summary);
void policy_select(struct loop *loop, const struct object *policy); /* Renews its claims. */
/* What the policy selects beside a Recommendation's target, into in->selected and in->others_*. */
void policy_survey(struct loop *loop, const struct object *policy, const struct object *recommendation,
                   struct act_input *in);
/* Writes the status, with what it remembers of OOM kills, if it differs; then finishes the item. */
void policy_write_status(struct loop *loop, struct workqueue_item *item, const struct object *object,
                         const struct policy_status *status);

/* tenant.c: the policies of a namespace. A state is in it from when it is made until it is forgotten. */
void tenant_add(struct loop *loop, struct policy_state *state);
void tenant_remove(struct loop *loop, const struct policy_state *state);
/* snapshot->donors: what other policies of the namespace select, where the policy's own resources need to borrow. */
void tenant_lend(struct loop *loop, const struct policy_state *state, const struct policy *policy,
                 struct snapshot *snapshot, struct arena *arena);

/* claims.c */
void claims_set(struct loop *loop, struct policy_state *state, char **keys, size_t count); /* Takes keys. */
/* Another policy that selects this resource; NULL: none. */
const char *claims_other(const struct loop *loop, const char *resource_key, const char *policy_key);
char *claims_key(const char *provider, const char *region, enum cloud_kind kind, const char *id);
struct claims_id {
    const char *provider, *region, *id;
    enum cloud_kind kind;
};
/* What claims_key was made of; in the arena. False: a region with a slash in its name, of which it cannot be told. */
bool claims_key_read(const char *key, struct arena *arena, struct claims_id *ret);
void claims_release(struct loop *loop);

/* admit.c: plan -> Recommendations. Serial: one policy at a time, on the loop thread. */
void admit_plan(struct loop *loop, const struct object *policy, const struct plan *plan);
void admit_index(struct loop *loop, const struct object *before, const struct object *now);
const struct name_set *admit_names(const struct loop *loop, const char *namespace, const char *policy);
/* Fills last_change from what the policy's Recommendations tell: they survive restarts. */
void admit_last_change(const struct loop *loop, const struct object *policy, struct arena *arena,
                       struct snapshot_resource *entry);
size_t admit_recorded_sizes(void *ctx, const char *provider, const struct cloud_resource *resource,
                            struct cloud_sample *ret, size_t ret_max);

/* journal.c: one step of a Recommendation */
void journal_recommendation(struct loop *loop, struct workqueue_item *item);
struct recommendation_state *journal_state(struct loop *loop, const char *namespace, const char *name, bool make);
void journal_state_free(struct loop *loop, struct recommendation_state *state);
/* Records it as Superseded; its end wakes the policy. Where it is busy just now, the policy is woken to try again. */
void journal_supersede(struct loop *loop, const struct object *object, const char *message);
/* Whether that is the message of an effect that was refused because the target is not ours to change now. */
bool journal_is_refusal(const char *message);
void journal_note(struct loop *loop, const struct object *object, enum recommendation_phase phase, const char *reason,
                  const char *message);

/* provider_apis.c: the APIs of its account in *status, and the condition ApisAvailable. account is set. */
struct provider_status;
void provider_apis(const struct loop *loop, const struct object *object, struct arena *arena,
                   struct provider_status *status);

/* provider_status.c: what a Provider's conditions say. Pure. open_error: why it could not be opened; class NONE: it
 * could. */
struct status_summary provider_summary(const struct error *open_error, const struct observe_report *report,
                                       const struct observe_shelf_report *shelves, size_t shelf_count,
                                       struct arena *arena);

/* provider.c, budget.c */
void provider_reconcile(struct loop *loop, struct workqueue_item *item);
/* A suspended Provider ("namespace/name") is a switch too: nothing of it is changed. */
const struct object *provider_object(const struct loop *loop, const char *key); /* "namespace/name"; NULL: none. */
bool provider_is_suspended(const struct loop *loop, const char *key);
void budget_reconcile(struct loop *loop, struct workqueue_item *item);

/* upkeep.c: what holds without a Recommendation */
void upkeep_policy(struct loop *loop, const struct object *policy, const struct snapshot *snapshot);
void upkeep_release(struct loop *loop);

/* write.c */
/* Writes body as the status unless the object has it already. done(ctx, wrote, error): later, or at once when there is
 * nothing to write. fenced: only if the object is still the version that was read. */
typedef void write_done_fn(struct loop *loop, void *ctx, bool wrote, const struct error *error);
void write_status(struct loop *loop, const struct object *object, const struct buf *body, bool fenced,
                  write_done_fn *done, void *ctx);
/* Whether the status that the object has stands until there is something to say. */
bool write_is_passing(const struct object *object, const struct status_summary *summary);
void write_create(struct loop *loop, enum object_kind kind, const char *namespace, const char *name,
                  const struct buf *body, write_done_fn *done, void *ctx);
void write_delete(struct loop *loop, const struct object *object);
/* write_status, then loop_finish. */
void write_status_and_finish(struct loop *loop, struct workqueue_item *item, const struct object *object,
                             const struct buf *body);

#endif
