/*
 * Providers: credentials -> adapter -> status. A Secret is read again every few minutes and when the cloud refuses us,
 * so that rotated credentials are taken without a restart.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "loop/loop_internal.h"

#define SECRET_PERIOD_MS (INT64_C(5) * 60 * 1000)
#define SECRET_RETRY_MS 30000

static struct provider_state *provider_state_get(struct loop *loop, const char *namespace, const char *name,
                                                 bool make) {
    return state_get(&loop->providers, namespace, name, sizeof(struct provider_state), make, NULL);
}

const struct object *provider_object(const struct loop *loop, const char *key) {
    const char *slash = strchr(key, '/');
    if (!slash)
        return NULL;
    char *namespace = mem_strndup(key, (size_t)(slash - key));
    const struct object *provider = store_get(loop->store, OBJECT_PROVIDER, namespace, slash + 1);
    mem_free(namespace);
    return provider;
}

bool provider_is_suspended(const struct loop *loop, const char *key) {
    const struct object *provider = provider_object(loop, key);
    return provider && store_is_suspended(loop->store, provider);
}

/* ---- opening ---- */

struct credentials {
    struct loop *loop;
    const struct json *secret; /* NULL: the environment's. */
};

static const char *credential(void *ctx, const char *key) {
    const struct credentials *credentials = ctx;
    if (credentials->secret)
        return json_string(json_get(credentials->secret, key), NULL);
    return credentials->loop->options.environment ? credentials->loop->options.environment(key) : NULL;
}

/* The policies that wait for it tell their users why. */
static void open_failed(struct loop *loop, struct provider_state *state, const struct error *error) {
    bool is_news = !str_eq(state->error.message, error->message);
    state->error = *error;
    if (is_news)
        loop_wake_policies_of(loop, state->id.namespace, state->id.name);
}

/* Its first prices are of all that the policies may choose from: a first plan without would be another one, and told in
 * their statuses. */
static void offers_want(struct loop *loop, const struct object *provider, const char *key) {
    const struct observe_scope scope = {.provider = key};
    const struct object *object;
    for (size_t i = 0; (object = store_next(loop->store, OBJECT_POLICY, &i));) {
        const struct policy *policy = object->fault[0] ? NULL : object->as.policy;
        for (size_t k = 0; policy && k < policy->selector.provider_count; k++)
            if (str_eq(policy->selector.providers[k].namespace, provider->namespace) &&
                str_eq(policy->selector.providers[k].name, provider->name))
                observe_want_offers(loop->observe, policy, &scope, 1);
    }
}

static void open_with(struct loop *loop, struct provider_state *state, const struct object *object,
                      const struct json *secret) {
    struct credentials credentials = {.loop = loop, .secret = secret};
    uint64_t hash = object->as.provider->hash ^ (secret ? json_hash(secret) : 1);
    if (hash == 0)
        hash = 1;
    if (state->opened_hash == hash) { /* Also what was changed to something unusable and back again. */
        state->error = (struct error){0};
        return;
    }
    struct error error = {0};
    if (observe_provider_open(loop->observe, object, credential, &credentials, secret == NULL, &error) == ERR_NONE) {
        state->opened_hash = hash;
        state->error = (struct error){0};
        offers_want(loop, object, state->id.key);
        log_info("provider opened", LOG_STR("provider", state->id.key),
                 LOG_STR("type", provider_type_name(object->as.provider->type)));
    } else {
        if (!secret && object->as.provider->secret_name)
            (void)error_wrap(&error, "no Secret \"%s\" among the manifests, so the environment was tried",
                             object->as.provider->secret_name);
        open_failed(loop, state, &error);
    }
}

struct secret_request { /* Names, not pointers: the provider may change before the answer. */
    struct loop *loop;
    char *namespace, *name;
};

static void secret_read(void *ctx, const struct json *data, const struct error *err) {
    struct secret_request *request = ctx;
    struct loop *loop = request->loop;
    loop->in_flight--;
    struct provider_state *state = provider_state_get(loop, request->namespace, request->name, false);
    const struct object *object = store_get(loop->store, OBJECT_PROVIDER, request->namespace, request->name);
    if (state) {
        state->opening = false;
        state->secret_read_ms = loop_now_ms(loop);
    }
    if (state && object && !object->fault[0] && !loop->stopping) {
        if (data || (loop->options.secrets_from_environment && err->class == ERR_CONFLICT))
            open_with(loop, state, object, data);
        else if (state->opened_hash == 0) /* An adapter that is open goes on with what it has. */
            open_failed(loop, state, err);
        loop_wake(loop, OBJECT_PROVIDER, request->namespace, request->name);
    }
    mem_free(request->namespace);
    mem_free(request->name);
    mem_free(request);
}

/* A simulated cloud needs nobody's identity. */
static bool may_be_us(const struct loop *loop, const struct object *object) {
    const struct loop_options *options = &loop->options;
    return object->as.provider->type == PROVIDER_SIMULATED || !options->lends_identity ||
           options->lends_identity(options->identity_ctx, object->namespace);
}

static void open_begin(struct loop *loop, struct provider_state *state, const struct object *object) {
    const char *secret = object->as.provider->secret_name;
    if (!secret && !may_be_us(loop, object)) {
        struct error error = {0};
        error_set(&error, ERR_PERMISSION,
                  "spec.credentials is required in namespace %s: the controller lends its own identity to its own "
                  "namespace and to those of --identity-namespaces",
                  object->namespace);
        if (state->opened_hash != 0)
            observe_provider_close(loop->observe, object->namespace, object->name);
        state->opened_hash = 0;
        open_failed(loop, state, &error);
        return;
    }
    if (!secret) {
        open_with(loop, state, object, NULL);
        if (state->error.class != ERR_NONE) /* A file of the environment may come, or be mended. */
            workqueue_add_after(&loop->queue, OBJECT_PROVIDER, object->namespace, object->name, SECRET_RETRY_MS);
        return;
    }
    struct observe_report report;
    observe_provider_report(loop->observe, object->namespace, object->name, &report);
    bool works = state->opened_hash != 0 && report.trouble.error.class != ERR_PERMISSION;
    int64_t period_ms = works ? SECRET_PERIOD_MS : SECRET_RETRY_MS;
    int64_t age_ms = loop_now_ms(loop) - state->secret_read_ms;
    bool is_due = state->secret_read_ms == 0 || state->spec_hash != object->as.provider->hash || age_ms >= period_ms ||
                  age_ms < 0;
    if (state->opening)
        return;
    if (!is_due) {
        /* Asked for at each reconcile: one that comes earlier takes the place of a timer that was set before. */
        workqueue_add_after(&loop->queue, OBJECT_PROVIDER, object->namespace, object->name, period_ms - age_ms);
        return;
    }
    struct secret_request *request = mem_alloc(sizeof(*request));
    *request = (struct secret_request){loop, mem_strdup(object->namespace), mem_strdup(object->name)};
    state->opening = true;
    state->spec_hash = object->as.provider->hash;
    loop->in_flight++;
    loop->store->ops->secret(loop->store, object->namespace, secret, secret_read, request);
}

/* ---- status ---- */

static void note_transition(struct loop *loop, struct provider_state *state, const struct object *object,
                            const struct status_summary *summary) {
    if (str_eq(state->reason, summary->reason))
        return;
    (void)str_copy(state->reason, sizeof(state->reason), summary->reason);
    log_info("provider", LOG_STR("provider", state->id.key), LOG_STR("reason", summary->reason),
             LOG_STR("message", summary->message));
    if (summary->progress == PROGRESS_STALLED)
        store_note(loop->store, &(struct store_note){.regarding = object,
                                                     .warning = true,
                                                     .reason = summary->reason,
                                                     .action = "Observe",
                                                     .note = summary->message});
}

static void forget(struct loop *loop, const struct workqueue_item *item) {
    struct provider_state *state = provider_state_get(loop, item->namespace, item->name, false);
    observe_provider_close(loop->observe, item->namespace, item->name);
    if (!state)
        return;
    state_remove(&loop->providers, &state->id);
}

void provider_reconcile(struct loop *loop, struct workqueue_item *item) {
    const struct object *object = store_get(loop->store, OBJECT_PROVIDER, item->namespace, item->name);
    if (!object || object->deleting) {
        forget(loop, item);
        loop_finish(loop, item, false);
        return;
    }
    struct arena arena = {0};
    struct buf body = {0};
    struct provider_status status = {.account = ""};
    struct provider_state *state = provider_state_get(loop, item->namespace, item->name, true);
    if (object->fault[0]) {
        observe_provider_close(loop->observe, item->namespace, item->name);
        state->opened_hash = 0;
        status.summary = (struct status_summary){PROGRESS_STALLED, "InvalidSpec", object->fault, NULL, 0, false};
    } else {
        open_begin(loop, state, object);
        struct observe_report report;
        observe_provider_report(loop->observe, object->namespace, object->name, &report);
        const struct observe_shelf_report *shelves;
        size_t shelf_count = observe_provider_shelves(loop->observe, object->namespace, object->name, &arena, &shelves);
        status.summary = provider_summary(&state->error, &report, shelves, shelf_count, &arena);
        status.account = report.account;
        status.listed = report.listed || report.partly.error.class != ERR_NONE;
        for (size_t i = 0; i < CLOUD_KIND_COUNT; i++)
            status.counts[i] = report.counts[i];
        provider_apis(loop, object, &arena, &status);
    }
    if (write_is_passing(object, &status.summary)) {
        loop_finish(loop, item, false);
        arena_release(&arena);
        return;
    }
    note_transition(loop, state, object, &status.summary);
    status_print_provider(object, &status, loop_now_ms(loop), &body);
    write_status_and_finish(loop, item, object, &body);
    buf_release(&body);
    arena_release(&arena);
}
