/*
 * Admission: a plan's actions become Recommendations. One serial step on the loop's thread, so that what is reserved is
 * always the sum over the Recommendations that are not final.
 *
 *     open for the target      the plan wants              then
 *     none                     an action                   create (in mode Enforce: approved, unless by hand)
 *     Pending..Approved        the same from and to        keep; of other machines or places also at near numbers, and
 *                                                          while a Scale of the target goes first; of requests also
 *                                                          where the plan would come to somewhat less
 *     Pending..Approved        another, or none            Superseded, and create
 *     Running, Verifying       anything                    leave it; the next plan comes when it has ended
 *
 * A name is a hash of policy UID, action, target, `to` and attempt; attempt grows with each Recommendation of a target.
 * So two leaders that admit the same plan make the same name, and the API server lets one of them win.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "loop/loop_internal.h"

#define NAME_PREFIX_MAX 200
#define CREATE_WAIT_MS 5000 /* Before what could not be created is planned again. */
#define BY_HAND_MAX 100     /* That wait for a person at the same time, of one policy. */
#define FAILED_WAIT_MS (INT64_C(60) * 1000)
#define FAILED_WAIT_MAX_MS (INT64_C(60) * 60 * 1000)

/* ---- the index: policy -> names of its Recommendations ---- */

static void names_remove(struct name_set *set, const char *name) {
    for (size_t i = 0; i < set->count; i++) {
        if (!str_eq(set->names[i], name))
            continue;
        mem_free(set->names[i]);
        set->names[i] = set->names[--set->count];
        return;
    }
}

void admit_index(struct loop *loop, const struct object *before, const struct object *now) {
    const struct object *any = now ? now : before;
    if ((before != NULL) == (now != NULL) || any->fault[0])
        return;
    char *key = mem_printf("%s/%s", any->namespace, any->as.recommendation->policy_name);
    struct name_set *set = map_get(&loop->by_policy, key);
    if (!set) {
        set = mem_alloc(sizeof(*set));
        (void)map_put(&loop->by_policy, key, set);
    }
    if (now) {
        set->names = mem_grow(set->names, set->count, set->count + 1, sizeof(*set->names));
        set->names[set->count++] = mem_strdup(now->name);
    } else {
        names_remove(set, before->name);
        if (set->count == 0) {
            (void)map_remove(&loop->by_policy, key);
            mem_free(set->names);
            mem_free(set);
        }
    }
    mem_free(key);
}

const struct name_set *admit_names(const struct loop *loop, const char *namespace, const char *policy) {
    static const struct name_set none;
    char *key = mem_printf("%s/%s", namespace, policy);
    const struct name_set *set = map_get(&loop->by_policy, key);
    mem_free(key);
    return set ? set : &none;
}

/* ---- the record of sizes ---- */

/* When the size became to.count, or the type to.type; 0: it has not, as far as is known. One that is not final counts
 * too: who takes over between the effect and the end of its Recommendation must not read the past of the old size as
 * that of the new. */
static int64_t changed_at_ms(const struct recommendation *r, const struct cloud_resource *resource) {
    if (r->phase == PHASE_SUCCEEDED)
        return r->finished_at_ms;
    if (recommendation_is_machine(r))
        return str_eq(resource->type, r->to.type) ? r->phase_since_ms : 0;
    if (r->phase == PHASE_VERIFYING || (r->phase == PHASE_RUNNING && resource->count == r->to.count))
        return r->phase_since_ms;
    return 0;
}

struct size_change {
    int64_t time_ms, from, to;
};

static int by_time(const void *a, const void *b) {
    const struct size_change *x = a, *y = b;
    return (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms);
}

static bool is_target(const struct recommendation *r, const char *provider, const char *region, enum cloud_kind kind,
                      const char *id) {
    return r->target.kind == kind && str_eq(r->target.id, id) && str_eq(r->target.region, region) &&
           str_eq(r->target.provider, provider);
}

/* A single machine's utilisation is of its type, and what another had is not known here. */
static size_t recorded_type(struct loop *loop, const char *provider, const struct cloud_resource *resource,
                            struct cloud_sample *ret) {
    const struct object *object;
    int64_t newest_ms = 0;
    for (size_t i = 0; (object = store_next(loop->store, OBJECT_RECOMMENDATION, &i));) {
        const struct recommendation *r = object->as.recommendation;
        if (object->fault[0] || !recommendation_is_machine(r) ||
            !is_target(r, provider, resource->region, resource->kind, resource->id))
            continue;
        int64_t time_ms = changed_at_ms(r, resource);
        newest_ms = time_ms > newest_ms ? time_ms : newest_ms;
    }
    if (newest_ms == 0)
        return 0;
    ret[0] = (struct cloud_sample){.time_ms = 0, .value = NAN};
    ret[1] = (struct cloud_sample){.time_ms = newest_ms, .value = 1};
    return 2;
}

size_t admit_recorded_sizes(void *ctx, const char *provider, const struct cloud_resource *resource,
                            struct cloud_sample *ret, size_t ret_max) {
    struct loop *loop = ctx;
    struct size_change done[64];
    size_t done_count = 0;
    if (resource->kind == CLOUD_INSTANCE)
        return ret_max < 2 ? 0 : recorded_type(loop, provider, resource, ret);
    const struct object *object;
    for (size_t i = 0; done_count < ARRAY_LEN(done) && (object = store_next(loop->store, OBJECT_RECOMMENDATION, &i));) {
        const struct recommendation *r = object->as.recommendation;
        /* Under an autoscaler the size is not what we set. */
        if (object->fault[0] || r->is_bounds || r->action != ACTION_SCALE ||
            !is_target(r, provider, resource->region, resource->kind, resource->id))
            continue;
        int64_t time_ms = changed_at_ms(r, resource);
        if (time_ms > 0)
            done[done_count++] = (struct size_change){time_ms, r->from.count, r->to.count};
    }
    if (done_count == 0 || ret_max < 2)
        return 0;
    qsort(done, done_count, sizeof(done[0]), by_time);
    size_t count = 0;
    ret[count++] = (struct cloud_sample){.time_ms = 0, .value = (double)done[0].from};
    for (size_t i = done_count > ret_max - 1 ? done_count - (ret_max - 1) : 0; i < done_count; i++)
        ret[count++] = (struct cloud_sample){.time_ms = done[i].time_ms, .value = (double)done[i].to};
    return count;
}

/* ---- the record of machines and places ---- */

void admit_last_change(const struct loop *loop, const struct object *policy, struct arena *arena,
                       struct snapshot_resource *entry) {
    const struct name_set *names = admit_names(loop, policy->namespace, policy->name);
    const struct cloud_resource *resource = &entry->resource;
    for (size_t i = 0; i < names->count; i++) {
        const struct object *object = store_get(loop->store, OBJECT_RECOMMENDATION, policy->namespace, names->names[i]);
        const struct recommendation *r = object && !object->fault[0] ? object->as.recommendation : NULL;
        if (!r || (r->action != ACTION_RIGHTSIZE && r->action != ACTION_MIGRATE) || r->phase != PHASE_SUCCEEDED ||
            r->finished_at_ms <= entry->last_change.at_ms ||
            !is_target(r, entry->provider, resource->region, resource->kind, resource->id))
            continue;
        entry->last_change = (struct snapshot_change){
            .at_ms = r->finished_at_ms,
            .provider = arena_strdup(arena, r->target.provider),
            .region = arena_strdup(arena, r->target.region),
            .type = arena_strdup(arena, r->from.type ? r->from.type : ""),
        };
    }
}

/* ---- what stands for a target ---- */

static bool is_same_change(const struct recommendation *r, const struct plan_action *action) {
    return r->is_bounds == action->is_bounds && target_state_is_equal(&r->from, &action->from) &&
           target_state_is_equal(&r->to, &action->to);
}

/* Half or double is not another matter. */
static bool is_near(int64_t a, int64_t b) {
    return a <= 2 * b && b <= 2 * a;
}

/* The same machines, pods or place, of whatever number, and requests in the same direction; of Scale, which is about
 * the number, the same. */
static bool is_same_matter(const struct recommendation *r, const struct plan_action *action) {
    struct plan_action like = *action;
    if (action->type != ACTION_SCALE) {
        like.from.count = r->from.count;
        like.to.count = r->to.count;
        if (is_near(r->to.vcpu_milli, action->to.vcpu_milli) && is_near(r->to.memory_mib, action->to.memory_mib)) {
            like.to.vcpu_milli = r->to.vcpu_milli;
            like.to.memory_mib = r->to.memory_mib;
        }
    }
    return is_same_change(r, &like);
}

/* What is set without anybody looking again is never less than what the newest plan asks for. */
static bool is_enough(const struct recommendation *r, const struct plan_action *action) {
    return r->to.vcpu_milli >= action->to.vcpu_milli && r->to.memory_mib >= action->to.memory_mib;
}

/* The number of other machines follows demand from plan to plan. What a person has before them does not change for
 * that, before it is off by half or double, and by more than two. */
static bool is_near_change(const struct recommendation *r, const struct plan_action *action) {
    int64_t low = r->to.count, high = action->to.count;
    if (!is_enough(r, action))
        return false;
    if (low > high) {
        low = action->to.count;
        high = r->to.count;
    }
    return is_same_matter(r, action) && (high - low <= 2 || high <= 2 * low);
}

struct standing {
    const struct object *open; /* Not final. */
    const struct object *last; /* The final one of the highest attempt. */
    int64_t attempt_max;
    int64_t failures;  /* Failed ones since the last that succeeded. */
    bool was_rejected; /* This very matter, by a person. */
};

/* A refusal is no failure, but to be told the same again and again helps nobody: a listing does not show everything. */
static bool has_failed(const struct recommendation *r) {
    return r->phase == PHASE_FAILED || (r->phase == PHASE_SUPERSEDED && journal_is_refusal(r->message));
}

static int64_t failures_since(struct loop *loop, const struct object *policy, const struct plan_action *action,
                              int64_t attempt) {
    const struct name_set *names = admit_names(loop, policy->namespace, policy->name);
    int64_t failures = 0;
    for (size_t i = 0; i < names->count; i++) {
        const struct object *object = store_get(loop->store, OBJECT_RECOMMENDATION, policy->namespace, names->names[i]);
        const struct recommendation *r = object && !object->fault[0] ? object->as.recommendation : NULL;
        failures += r && has_failed(r) && r->attempt > attempt && r->action == (int)action->type &&
                    is_target(r, action->provider, action->region, action->kind, action->id);
    }
    return failures;
}

static struct standing standing_of(struct loop *loop, const struct object *policy, const struct plan_action *action) {
    struct standing standing = {0};
    int64_t succeeded_attempt = 0;
    const struct name_set *names = admit_names(loop, policy->namespace, policy->name);
    for (size_t i = 0; i < names->count; i++) {
        const struct object *object = store_get(loop->store, OBJECT_RECOMMENDATION, policy->namespace, names->names[i]);
        const struct recommendation *r = object && !object->fault[0] ? object->as.recommendation : NULL;
        if (!r || r->action != (int)action->type ||
            !is_target(r, action->provider, action->region, action->kind, action->id))
            continue;
        if (r->attempt > standing.attempt_max)
            standing.attempt_max = r->attempt;
        if (!recommendation_phase_is_final(r->phase))
            standing.open = object;
        else if (!standing.last || r->attempt > standing.last->as.recommendation->attempt)
            standing.last = object;
        if (r->phase == PHASE_SUCCEEDED && r->attempt > succeeded_attempt)
            succeeded_attempt = r->attempt;
        standing.was_rejected = standing.was_rejected || (r->phase == PHASE_REJECTED && is_same_matter(r, action));
    }
    standing.failures = failures_since(loop, policy, action, succeeded_attempt);
    return standing;
}

/* ---- creating ---- */

static void make_name(const struct object *policy, const struct plan_action *action, int64_t attempt, char *ret,
                      size_t size) {
    uint64_t hash = str_hash_text(STR_HASH_SEED, policy->uid);
    const int64_t numbers[] = {(int64_t)action->type, (int64_t)action->kind, action->is_bounds, attempt};
    hash = str_hash_text(str_hash_text(str_hash_text(hash, action->provider), action->region), action->id);
    hash = str_hash(hash, numbers, sizeof(numbers));
    hash = target_state_hash(hash, &action->to);
    (void)snprintf(ret, size, "%.*s-%016llx", NAME_PREFIX_MAX, policy->name, (unsigned long long)hash);
}

struct creation {
    struct buf status;
    char *namespace, *name, *policy;
    char *key; /* In loop->creations. */
    bool approved;
    bool is_awaited; /* A newer plan for the target came meanwhile. */
};

static char *creation_key(const struct object *policy, const struct plan_action *action) {
    char *target = claims_key(action->provider, action->region, action->kind, action->id);
    char *key = mem_printf("%s/%s %s", policy->namespace, policy->name, target);
    mem_free(target);
    return key;
}

/* The cache does not show yet what has been sent to be created: without this a second plan would make a second one. */
static bool is_being_created(struct loop *loop, const struct object *policy, const struct plan_action *action) {
    char *key = creation_key(policy, action);
    struct creation *creation = map_get(&loop->creations, key);
    mem_free(key);
    if (creation)
        creation->is_awaited = true;
    return creation != NULL;
}

static void creation_free(struct loop *loop, struct creation *creation) {
    struct recommendation_state *state = journal_state(loop, creation->namespace, creation->name, false);
    if (state)
        state->writing = false;
    loop_wake(loop, OBJECT_RECOMMENDATION, creation->namespace, creation->name);
    if (creation->is_awaited)
        loop_wake(loop, OBJECT_POLICY, creation->namespace, creation->policy);
    (void)map_remove(&loop->creations, creation->key);
    buf_release(&creation->status);
    mem_free(creation->namespace);
    mem_free(creation->name);
    mem_free(creation->policy);
    mem_free(creation->key);
    mem_free(creation);
}

static void status_written(struct loop *loop, void *ctx, bool wrote, const struct error *error) {
    struct creation *creation = ctx;
    const struct object *object = store_get(loop->store, OBJECT_RECOMMENDATION, creation->namespace, creation->name);
    (void)error;
    if (wrote && object)
        journal_note(loop, object, creation->approved ? PHASE_APPROVED : PHASE_PENDING,
                     creation->approved ? "Approved" : "Proposed",
                     creation->approved ? "approved by the policy's mode" : "waits for spec.decision");
    creation_free(loop, creation);
}

static void object_created(struct loop *loop, void *ctx, bool wrote, const struct error *error) {
    struct creation *creation = ctx;
    const struct object *object = store_get(loop->store, OBJECT_RECOMMENDATION, creation->namespace, creation->name);
    if (!wrote)
        log_warn("recommendation not created", LOG_STR("namespace", creation->namespace),
                 LOG_STR("name", creation->name), LOG_ERR(error));
    if (!wrote || !object) {
        workqueue_add_after(&loop->queue, OBJECT_POLICY, creation->namespace, creation->policy, CREATE_WAIT_MS);
        creation_free(loop, creation);
        return;
    }
    write_status(loop, object, &creation->status, true, status_written, creation);
}

static void create(struct loop *loop, const struct object *policy, const struct plan_action *action, int64_t attempt) {
    char name[NAME_PREFIX_MAX + 20];
    struct buf body = {0};
    struct creation *creation = mem_alloc(sizeof(*creation));
    make_name(policy, action, attempt, name, sizeof(name));
    creation->approved =
        policy->as.policy->mode == MODE_ENFORCE && !recommendation_is_by_hand((int)action->type, action->kind);
    creation->namespace = mem_strdup(policy->namespace);
    creation->name = mem_strdup(name);
    creation->policy = mem_strdup(policy->name);
    creation->key = creation_key(policy, action);
    (void)map_put(&loop->creations, creation->key, creation);
    status_print_recommendation_new(action, creation->approved, loop_now_ms(loop), &creation->status);
    status_print_recommendation_object(policy, name, action, attempt, creation->approved, &body);
    /* The journal leaves it alone until its first status is there. */
    journal_state(loop, policy->namespace, name, true)->writing = true;
    char from[TARGET_WORDS_MAX], to[TARGET_WORDS_MAX];
    bool has_count = target_state_has_count((int)action->type, action->kind);
    target_state_words(&action->from, has_count, action->is_bounds, from);
    target_state_words(&action->to, has_count, action->is_bounds, to);
    log_info("recommend", LOG_STR("policy", policy->name), LOG_STR("namespace", policy->namespace),
             LOG_STR("recommendation", name), LOG_STR("action", action_type_name(action->type)),
             LOG_STR("target", action->id), LOG_STR("from", from), LOG_STR("to", to),
             LOG_STR("why", action->why_count ? action->why[0] : ""));
    write_create(loop, OBJECT_RECOMMENDATION, policy->namespace, name, &body, object_created, creation);
    buf_release(&body);
}

static bool is_begun(const struct recommendation *r) {
    return r->phase == PHASE_RUNNING || r->phase == PHASE_VERIFYING || r->phase == PHASE_REVERTING;
}

/* ---- one action ---- */

/* What is proposed no sooner than a cooldown after the last. */
static bool is_disruptive(const struct plan_action *action) {
    bool is_machine = action->type == ACTION_RIGHTSIZE && action->kind == CLOUD_INSTANCE;
    return is_machine || action->to.count < action->from.count;
}

/* Whether what came before holds a new one back: a rejection of the same change, a failure not long ago, a cooldown. */
static bool is_held_back(struct loop *loop, const struct object *policy, const struct plan_action *action,
                         const struct standing *standing) {
    const struct recommendation *last = standing->last ? standing->last->as.recommendation : NULL;
    if (standing->was_rejected)
        return true;
    if (!last)
        return false;
    int64_t wait_ms = 0;
    if (has_failed(last)) {
        wait_ms = FAILED_WAIT_MS;
        for (int64_t i = 1; i < standing->failures && wait_ms < FAILED_WAIT_MAX_MS; i++)
            wait_ms *= 2;
    } else if (last->phase == PHASE_SUCCEEDED && is_disruptive(action)) {
        wait_ms = policy->as.policy->disruption.cooldown_ms;
    }
    int64_t left_ms = last->finished_at_ms + wait_ms - loop_now_ms(loop);
    if (left_ms <= 0)
        return false;
    workqueue_add_after(&loop->queue, OBJECT_POLICY, policy->namespace, policy->name, left_ms + 1);
    return true;
}

/* Returns whether one is on its way. One open Recommendation for a target: a new one is made when the end of the old
 * one is recorded, which wakes the policy. Were both on their way at once, a crash could keep the new one and lose the
 * end of the old one. */
static bool admit_action(struct loop *loop, const struct object *policy, const struct plan_action *action) {
    struct standing standing = standing_of(loop, policy, action);
    if (standing.open)
        return false;
    if (is_being_created(loop, policy, action))
        return true;
    if (is_held_back(loop, policy, action, &standing))
        return false;
    create(loop, policy, action, standing.attempt_max + 1);
    return true;
}

static bool is_by_hand(const struct plan_action *action) {
    return recommendation_is_by_hand((int)action->type, action->kind);
}

static size_t open_by_hand(struct loop *loop, const struct object *policy) {
    const struct name_set *names = admit_names(loop, policy->namespace, policy->name);
    size_t count = 0;
    for (size_t i = 0; i < names->count; i++) {
        const struct object *object = store_get(loop->store, OBJECT_RECOMMENDATION, policy->namespace, names->names[i]);
        const struct recommendation *r = object && !object->fault[0] ? object->as.recommendation : NULL;
        count += r && !recommendation_phase_is_final(r->phase) && recommendation_is_by_hand(r->action, r->target.kind);
    }
    return count;
}

static bool plan_has(const struct plan *plan, const struct recommendation *r, bool *ret_other_size) {
    for (size_t i = 0; i < plan->action_count; i++) {
        const struct plan_action *action = &plan->actions[i];
        if (r->action != (int)action->type || !is_target(r, action->provider, action->region, action->kind, action->id))
            continue;
        *ret_other_size = !is_near_change(r, action);
        return true;
    }
    return false;
}

/* A change of size goes first; that other machines would be better is no less true for it. Requests and what nobody
 * uses are another matter: demand that changes the size may have overtaken them. */
static bool is_put_off(const struct plan *plan, const struct recommendation *r) {
    bool is_of_machines = (r->action == ACTION_RIGHTSIZE || r->action == ACTION_MIGRATE) &&
                          recommendation_is_by_hand(r->action, r->target.kind);
    for (size_t i = 0; i < plan->action_count && is_of_machines; i++) {
        const struct plan_action *action = &plan->actions[i];
        if (action->type == ACTION_SCALE && is_target(r, action->provider, action->region, action->kind, action->id))
            return true;
    }
    return false;
}

static void supersede_unwanted(struct loop *loop, const struct object *object, const struct plan *plan) {
    const struct recommendation *r = object->as.recommendation;
    bool other_size = false;
    if (recommendation_phase_is_final(r->phase) || is_begun(r))
        return;
    if (!plan_has(plan, r, &other_size) && !is_put_off(plan, r))
        journal_supersede(loop, object, "the plan no longer wants it");
    else if (other_size)
        journal_supersede(loop, object, "a newer plan wants another size");
}

static int by_finished(const void *a, const void *b) {
    const struct object *x = *(const struct object *const *)a, *y = *(const struct object *const *)b;
    int64_t s = x->as.recommendation->finished_at_ms, t = y->as.recommendation->finished_at_ms;
    return s != t ? (s > t) - (s < t) : str_cmp(x->name, y->name);
}

/* Whether no younger one of the same target ended like it. The last of each way to end is kept: they carry attempt,
 * cooldown, back-off and rejection. */
static bool is_latest(const struct object *const *finished, size_t count, size_t index) {
    const struct recommendation *r = finished[index]->as.recommendation;
    for (size_t i = 0; i < count; i++) {
        const struct recommendation *other = finished[i]->as.recommendation;
        if (other->attempt > r->attempt && other->action == r->action && other->phase == r->phase &&
            is_target(other, r->target.provider, r->target.region, r->target.kind, r->target.id))
            return false;
    }
    return true;
}

static void trim_finished(struct loop *loop, const struct object *policy) {
    const struct name_set *names = admit_names(loop, policy->namespace, policy->name);
    if (names->count <= loop->options.finished_max)
        return;
    const struct object **finished = mem_alloc_array(names->count, sizeof(*finished));
    size_t count = 0;
    for (size_t i = 0; i < names->count; i++) {
        const struct object *object = store_get(loop->store, OBJECT_RECOMMENDATION, policy->namespace, names->names[i]);
        if (object && !object->fault[0] && !object->deleting &&
            recommendation_phase_is_final(object->as.recommendation->phase))
            finished[count++] = object;
    }
    qsort(finished, count, sizeof(*finished), by_finished);
    size_t surplus = count > loop->options.finished_max ? count - loop->options.finished_max : 0;
    for (size_t i = 0; i < count && surplus > 0; i++) {
        if (is_latest(finished, count, i))
            continue;
        write_delete(loop, finished[i]);
        surplus--;
    }
    mem_free(finished);
}

void admit_plan(struct loop *loop, const struct object *policy, const struct plan *plan) {
    const struct name_set *names = admit_names(loop, policy->namespace, policy->name);
    for (size_t i = 0; i < names->count; i++) {
        const struct object *object = store_get(loop->store, OBJECT_RECOMMENDATION, policy->namespace, names->names[i]);
        if (object && !object->fault[0])
            supersede_unwanted(loop, object, plan);
    }
    trim_finished(loop, policy);
    if (policy->as.policy->mode == MODE_OBSERVE || store_is_suspended(loop->store, policy))
        return;
    size_t by_hand = open_by_hand(loop, policy);
    for (size_t i = 0; i < plan->action_count; i++) {
        const struct plan_action *action = &plan->actions[i];
        if (!is_by_hand(action) || by_hand < BY_HAND_MAX)
            by_hand += admit_action(loop, policy, action) && is_by_hand(action);
    }
}
