/*
 * The statuses that users see, derived from what a cycle knows. Pure: conditions keep their lastTransitionTime unless
 * the status flips; figures are rounded to their displayed precision, so that nothing is written when nothing that is
 * shown has changed. Each function writes one JSON object into out. As-of times and live figures are metrics, not
 * status.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ACCOUNT_STATUS_H
#define TRIMTAB_ACCOUNT_STATUS_H

#include "account/coverage.h"
#include "base/buf.h"
#include "forecast/forecast.h"
#include "manifest/object.h"
#include "plan/plan.h"

/* One condition as it is now. Reason CamelCase and stable; message for people: what is so, and what to do. */
struct status_condition {
    enum condition_type type;
    enum condition_status status;
    const char *reason;
    const char *message;
};

/* How far an object has come: gives Ready, Reconciling and Stalled in one consistent set. */
enum status_progress {
    PROGRESS_READY,       /* Ready=True */
    PROGRESS_RECONCILING, /* Ready=False, Reconciling=True: it goes on by itself. */
    PROGRESS_STALLED,     /* Ready=False, Stalled=True: somebody must do something. */
};

struct status_summary {
    enum status_progress progress;
    const char *reason;
    const char *message;
    const struct status_condition *more; /* Further conditions, not those three. */
    size_t more_count;
    /* This process has not looked yet: no news of an object that has a status of its generation. So a new leader does
     * not turn every Ready to False and back. */
    bool is_passing;
};

struct policy_status {
    struct status_summary summary;
    /* NULL: not computed (yet); the fields are then left out. */
    const struct plan *plan;
    const char *forecast_json; /* As status_print_forecast writes it. */
    /* Also without a plan: nobody else remembers them. At most OBJECT_RAISES_MAX. */
    const struct object_raise *raises;
    size_t raise_count;
};

/* Model, basis, losses and samples are of the resource with the largest demand: it is what the policy mostly pays for.
 * Coverage is counted over all resources of the policy, each sample once: the promise is made for all of them. */
struct forecast_summary {
    const struct forecast *forecast;
    double quantile; /* The one in use. */
    const struct coverage *coverage;
    int64_t as_of_ms;
};
/* One JSON object. Figures that are not known are "-". It carries the record of coverage: what a restart needs. */
void status_print_forecast(const struct forecast_summary *summary, struct buf *out);
/* What coverage a status carries, if it is of this quantile; else an empty one. json NULL: empty. */
void status_read_coverage(const char *forecast_json, double quantile, int64_t *ret_as_of_ms, struct coverage *ret);

void status_print_policy(const struct object *object, const struct policy_status *status, int64_t now_ms,
                         struct buf *out);

struct provider_status {
    struct status_summary summary;
    const char *account; /* "" unknown */
    bool listed;         /* counts are known */
    int64_t counts[CLOUD_KIND_COUNT];
    const struct object_api *apis; /* Sorted by name and region; at most OBJECT_APIS_MAX are shown. */
    size_t api_count;
};
void status_print_provider(const struct object *object, const struct provider_status *status, int64_t now_ms,
                           struct buf *out);

void status_print_budget(const struct object *object, const struct status_summary *summary, int64_t now_ms,
                         struct buf *out);

/* A Recommendation's status after moving to `phase`: carries saving, why, risk and confidence over from the object. */
void status_print_recommendation(const struct object *object, enum recommendation_phase phase, const char *reason,
                                 const char *message, const char *operation, int64_t tries, int64_t now_ms,
                                 struct buf *out);
/* The first status of a new one, with what the plan said of the action. */
void status_print_recommendation_new(const struct plan_action *action, bool approved, int64_t now_ms, struct buf *out);

/* The object itself, for the create. name is its identity (loop/identity.h). */
void status_print_recommendation_object(const struct object *policy, const char *name, const struct plan_action *action,
                                        int64_t attempt, bool approved, struct buf *out);

#endif
