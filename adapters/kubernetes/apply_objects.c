/*
 * Labels of workloads, the removal of claims and snapshots, and the taking of snapshots. Whatever is deleted was read
 * before, and goes only if it is still that very object, in that very state.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <string.h>

#include "adapters/kubernetes/apply_internal.h"
#include "adapters/kubernetes/world.h"
#include "base/mem.h"
#include "base/str.h"

#define PODS_PAGE 250
#define LABEL_SIZE_MAX 63
#define LABEL_PREFIX_SIZE_MAX 253
#define SNAPSHOT_POLL_MS 5000

/* Labels. */

/* [A-Za-z0-9], with -_. between. */
static bool is_label_word(const char *text, size_t size, size_t size_max) {
    if (size == 0 || size > size_max || !isalnum((unsigned char)text[0]) || !isalnum((unsigned char)text[size - 1]))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)text[i]) && strchr("-_.", text[i]) == NULL)
            return false;
    }
    return true;
}

static bool is_label_key(const char *key) {
    const char *slash = strchr(key, '/');
    if (slash != NULL) {
        size_t size = (size_t)(slash - key);
        if (!is_label_word(key, size, LABEL_PREFIX_SIZE_MAX) ||
            strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-.") < size)
            return false;
        key = slash + 1;
    }
    return is_label_word(key, strlen(key), LABEL_SIZE_MAX);
}

static bool is_label_value(const char *value) {
    return value[0] == '\0' || is_label_word(value, strlen(value), LABEL_SIZE_MAX);
}

static enum err_class check_labels(const struct cloud_action *action, struct error *err) {
    for (size_t i = 0; i < action->tag_count; i++) {
        const struct cloud_tag *tag = &action->tags[i];
        if (!is_label_key(tag->key) || !is_label_value(tag->value))
            return error_set(err, ERR_PERMANENT, "kubernetes: no label has the form \"%s=%s\"", tag->key, tag->value);
    }
    return ERR_NONE;
}

static void write_labels(struct json_writer *w, const struct cloud_action *action) {
    jw_key(w, "labels");
    jw_open(w, '{');
    for (size_t i = 0; i < action->tag_count; i++)
        jw_put_string(w, action->tags[i].key, action->tags[i].value);
    jw_close(w, '}');
}

static void tag_build(struct call *call) {
    struct buf body = {0};
    struct json_writer w = {.out = &body};
    jw_open(&w, '{');
    jw_key(&w, "metadata");
    jw_open(&w, '{');
    write_labels(&w, kubernetes_change_of(call)->action);
    jw_close(&w, '}');
    jw_close(&w, '}');
    kubernetes_send(call, "PATCH", KUBERNETES_MERGE_PATCH,
                    kubernetes_target_path(call, "?fieldManager=" KUBERNETES_FIELD_MANAGER), &body);
}

static const struct kubernetes_step tag_step = {"patch labels", true, tag_build, kubernetes_finish_read, NULL};

/* Who owns a label and would put it back; NULL: nobody. */
static const char *label_manager(const struct json *object, const char *key, struct arena *scratch) {
    const struct json *entries = json_at(object, "metadata.managedFields");
    const char *field = arena_printf(scratch, "f:%s", key);
    for (size_t i = 0; i < json_array_count(entries); i++) {
        const struct json *entry = json_array_at(entries, i);
        const char *name = json_string(json_get(entry, "manager"), "unknown");
        const struct json *labels = json_get(json_get(json_get(entry, "fieldsV1"), "f:metadata"), "f:labels");
        if (json_get(labels, field) != NULL && kubernetes_is_manager(name))
            return name;
    }
    return NULL;
}

static const struct kubernetes_step *labelled_read(struct call *call, struct error *err) {
    const struct cloud_action *action = kubernetes_change_of(call)->action;
    const struct json *object = kubernetes_target_read(call, err), *labels = json_at(object, "metadata.labels");
    bool is_done = true;
    if (object == NULL)
        return NULL;
    for (size_t i = 0; i < action->tag_count; i++) {
        const struct cloud_tag *tag = &action->tags[i];
        if (str_eq(json_string(json_get(labels, tag->key), NULL), tag->value))
            continue;
        const char *manager = label_manager(object, tag->key, &call->exchange.arena);
        if (manager != NULL)
            return kubernetes_refuse(err, ERR_CONFLICT, "ManagedElsewhere", "%s sets the label %s", manager, tag->key);
        is_done = false;
    }
    return is_done ? kubernetes_finish(call) : &tag_step;
}

static const struct kubernetes_step labelled_step = {"get labels", false, kubernetes_target_get, labelled_read, NULL};

const struct kubernetes_step *kubernetes_tag_begin(struct call *call, struct error *err) {
    const struct cloud_action *action = kubernetes_change_of(call)->action;
    if (check_labels(action, err) != ERR_NONE)
        return NULL;
    if (action->tag_count == 0) {
        error_set(err, ERR_PERMANENT, "kubernetes: no tag to set");
        return NULL;
    }
    return &labelled_step;
}

/* Deletion. */

static void delete_build(struct call *call) {
    const struct kubernetes_change *change = kubernetes_change_of(call);
    struct buf body = {0};
    struct json_writer w = {.out = &body};
    jw_open(&w, '{');
    jw_put_string(&w, "apiVersion", "v1");
    jw_put_string(&w, "kind", "DeleteOptions");
    jw_key(&w, "preconditions");
    jw_open(&w, '{');
    jw_put_string(&w, "uid", change->uid);
    jw_put_string(&w, "resourceVersion", change->resource_version);
    jw_close(&w, '}');
    jw_close(&w, '}');
    kubernetes_send(call, "DELETE", "application/json", kubernetes_target_path(call, ""), &body);
}

static const struct kubernetes_step delete_volume_step = {"delete persistentvolumeclaims", true, delete_build,
                                                          kubernetes_finish_read, NULL};
static const struct kubernetes_step delete_snapshot_step = {"delete volumesnapshots", true, delete_build,
                                                            kubernetes_finish_read, NULL};

static void mounts_build(struct call *call) {
    kubernetes_list_page(call, arena_printf(&call->exchange.arena, "/api/v1/namespaces/%s/pods?limit=%d",
                                            kubernetes_change_of(call)->id.namespace, PODS_PAGE));
}

/* Also by a generic ephemeral volume: its claim is named after the pod and the volume. */
static bool pod_mounts(const struct json *pod, const char *claim, struct arena *scratch) {
    const struct json *volumes = json_at(pod, "spec.volumes");
    for (size_t i = 0; i < json_array_count(volumes); i++) {
        const struct json *one = json_array_at(volumes, i);
        if (str_eq(json_string(json_at(one, "persistentVolumeClaim.claimName"), ""), claim))
            return true;
        if (json_get(one, "ephemeral") != NULL &&
            str_eq(arena_printf(scratch, "%s-%s", json_string(json_at(pod, "metadata.name"), ""),
                                json_string(json_get(one, "name"), "")),
                   claim))
            return true;
    }
    return false;
}

static const struct kubernetes_step mounts_step;

static const struct kubernetes_step *mounts_read(struct call *call, struct error *err) {
    const struct kubernetes_change *change = kubernetes_change_of(call);
    const struct json *list = kubernetes_reply(call, err), *items = json_get(list, "items");
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *pod = json_array_at(items, i);
        if (pod_mounts(pod, change->id.name, &call->exchange.arena))
            return kubernetes_refuse(err, ERR_CONFLICT, "Mounted", "pod %s mounts the claim",
                                     json_string(json_at(pod, "metadata.name"), ""));
    }
    enum exchange_next next = call_page(call, json_string(json_at(list, "metadata.continue"), ""), err);
    if (err->class != ERR_NONE)
        return NULL;
    return next == EXCHANGE_MORE ? &mounts_step : &delete_volume_step;
}

static const struct kubernetes_step mounts_step = {"list pods", false, mounts_build, mounts_read, NULL};

/* What is on its way out already needs nothing more. */
static bool is_going(const struct json *object) {
    return json_at(object, "metadata.deletionTimestamp") != NULL;
}

static const struct kubernetes_step *volume_read(struct call *call, struct error *err) {
    const struct json *claim = kubernetes_target_read(call, err);
    if (claim == NULL)
        return NULL;
    return is_going(claim) ? kubernetes_finish(call) : &mounts_step;
}

static const struct kubernetes_step *snapshot_found_read(struct call *call, struct error *err) {
    const struct json *snapshot = kubernetes_target_read(call, err);
    if (snapshot == NULL)
        return NULL;
    return is_going(snapshot) ? kubernetes_finish(call) : &delete_snapshot_step;
}

static const struct kubernetes_step volume_step = {"get persistentvolumeclaims", false, kubernetes_target_get,
                                                   volume_read, NULL};
static const struct kubernetes_step snapshot_found_step = {"get volumesnapshots", false, kubernetes_target_get,
                                                           snapshot_found_read, NULL};

const struct kubernetes_step *kubernetes_delete_volume_begin(struct call *call, struct error *err) {
    (void)call, (void)err;
    return &volume_step;
}

const struct kubernetes_step *kubernetes_delete_snapshot_begin(struct call *call, struct error *err) {
    (void)call, (void)err;
    return &snapshot_found_step;
}

/* Snapshots. The name follows from the token, so that a second try meets what the first has made. */

#define SNAPSHOTS_PREFIX "/apis/snapshot.storage.k8s.io/v1"

static const char *snapshot_name(const struct call *call) {
    return kubernetes_change_of(call)->own;
}

static void snapshot_create_build(struct call *call) {
    const struct kubernetes_change *change = kubernetes_change_of(call);
    struct buf body = {0};
    struct json_writer w = {.out = &body};
    jw_open(&w, '{');
    jw_put_string(&w, "apiVersion", "snapshot.storage.k8s.io/v1");
    jw_put_string(&w, "kind", "VolumeSnapshot");
    jw_key(&w, "metadata");
    jw_open(&w, '{');
    jw_put_string(&w, "name", snapshot_name(call));
    write_labels(&w, change->action);
    jw_key(&w, "annotations"); /* A token need not have a label's form. */
    jw_open(&w, '{');
    jw_put_string(&w, CLOUD_TAG_TOKEN, change->action->token);
    jw_close(&w, '}');
    jw_close(&w, '}');
    jw_key(&w, "spec");
    jw_open(&w, '{');
    jw_key(&w, "source");
    jw_open(&w, '{');
    jw_put_string(&w, "persistentVolumeClaimName", change->id.name);
    jw_close(&w, '}');
    jw_close(&w, '}');
    jw_close(&w, '}');
    const char *path = arena_printf(
        &call->exchange.arena, SNAPSHOTS_PREFIX "/namespaces/%s/volumesnapshots?fieldManager=" KUBERNETES_FIELD_MANAGER,
        change->id.namespace);
    kubernetes_send(call, "POST", "application/json", path, &body);
}

static const struct kubernetes_step *snapshot_made(struct call *call) {
    const struct kubernetes_change *change = kubernetes_change_of(call);
    call->outer->reply.id =
        arena_printf(call->outer->arena, "%s/VolumeSnapshot/%s", change->id.namespace, snapshot_name(call));
    return kubernetes_ask_again(call, SNAPSHOT_POLL_MS, "snapshot/" CLOUD_REGION_CLUSTER "/%s", call->outer->reply.id);
}

static const struct kubernetes_step *snapshot_create_read(struct call *call, struct error *err) {
    return kubernetes_reply(call, err) != NULL ? snapshot_made(call) : NULL;
}

/* One of that name is there: ours, if it was made of the same claim. */
static void snapshot_same_build(struct call *call) {
    kubernetes_request(call, "GET",
                       arena_printf(&call->exchange.arena, SNAPSHOTS_PREFIX "/namespaces/%s/volumesnapshots/%s",
                                    kubernetes_change_of(call)->id.namespace, snapshot_name(call)));
}

static const struct kubernetes_step *snapshot_same_read(struct call *call, struct error *err) {
    const struct kubernetes_change *change = kubernetes_change_of(call);
    const struct json *snapshot = kubernetes_reply(call, err);
    if (snapshot == NULL)
        return NULL;
    const char *claim = json_string(json_at(snapshot, "spec.source.persistentVolumeClaimName"), "");
    const char *token = json_string(json_get(json_at(snapshot, "metadata.annotations"), CLOUD_TAG_TOKEN), "");
    if (!str_eq(claim, change->id.name) || !str_eq(token, change->action->token))
        return kubernetes_refuse(err, ERR_CONFLICT, "AlreadyExists", "VolumeSnapshot %s is another one",
                                 snapshot_name(call));
    return snapshot_made(call);
}

static const struct kubernetes_step snapshot_same_step = {"get volumesnapshots", false, snapshot_same_build,
                                                          snapshot_same_read, NULL};

static bool snapshot_unknown(const struct call *call, struct error *err) {
    if (!kubernetes_is_unknown_api(call, err))
        return false;
    error_set(err, ERR_PERMANENT, "the cluster does not serve VolumeSnapshots (snapshot.storage.k8s.io/v1)");
    return true;
}

static bool snapshot_create_refused(struct call *call, struct error *err, const struct kubernetes_step **ret) {
    if (str_eq(err->code, "AlreadyExists")) {
        *err = (struct error){0};
        *ret = &snapshot_same_step;
        return true;
    }
    (void)snapshot_unknown(call, err);
    return false;
}

static const struct kubernetes_step snapshot_create_step = {"create volumesnapshots", true, snapshot_create_build,
                                                            snapshot_create_read, snapshot_create_refused};

static const struct kubernetes_step *claim_read(struct call *call, struct error *err) {
    const struct json *claim = kubernetes_target_read(call, err);
    if (claim == NULL)
        return NULL;
    if (is_going(claim))
        return kubernetes_refuse(err, ERR_CONFLICT, "Deleting", "the claim is being deleted");
    return &snapshot_create_step;
}

static const struct kubernetes_step claim_step = {"get persistentvolumeclaims", false, kubernetes_target_get,
                                                  claim_read, NULL};

const struct kubernetes_step *kubernetes_snapshot_begin(struct call *call, struct error *err) {
    struct kubernetes_change *change = kubernetes_change_of(call);
    const char *token = change->action->token;
    if (check_labels(change->action, err) != ERR_NONE)
        return NULL;
    if (token == NULL || token[0] == '\0') {
        error_set(err, ERR_PERMANENT, "kubernetes: a snapshot needs a token, from which its name follows");
        return NULL;
    }
    uint64_t hash = str_hash_text(str_hash_text(STR_HASH_SEED, change->action->id), token);
    change->own = arena_printf(&call->arena, "trimtab-%016llx", (unsigned long long)hash);
    return &claim_step;
}

static const struct kubernetes_step *snapshot_poll_read(struct call *call, struct error *err) {
    const struct kubernetes_change *change = kubernetes_change_of(call);
    const struct json *snapshot = kubernetes_reply(call, err), *status = json_get(snapshot, "status");
    if (snapshot == NULL)
        return NULL;
    const char *id = arena_printf(call->outer->arena, "%s/VolumeSnapshot/%s", change->id.namespace, change->id.name);
    if (json_bool(json_get(status, "readyToUse"), false)) {
        call->outer->reply.id = id;
        return kubernetes_finish(call);
    }
    const char *fault = json_string(json_at(status, "error.message"), NULL);
    if (fault != NULL) {
        char quoted[sizeof(err->message)];
        call_quote(call, fault, err);
        str_copy(quoted, sizeof(quoted), err->message);
        return kubernetes_refuse(err, ERR_RETRYABLE, "SnapshotError", "%s", quoted);
    }
    call->outer->reply.id = id;
    return kubernetes_ask_again(call, SNAPSHOT_POLL_MS, "snapshot/" CLOUD_REGION_CLUSTER "/%s", id);
}

static const struct kubernetes_step snapshot_poll_step = {"get volumesnapshots", false, kubernetes_target_get,
                                                          snapshot_poll_read, NULL};

const struct kubernetes_step *kubernetes_snapshot_poll(struct call *call, const char *rest, struct error *err) {
    (void)call, (void)err;
    return rest[0] == '\0' ? &snapshot_poll_step : NULL;
}
