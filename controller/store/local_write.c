/*
 * What a write does to the database, with the answers that an API server would give: 404 NotFound, 409 AlreadyExists
 * and Conflict, 422 Invalid, 403 Forbidden. Each function runs between begin and commit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "manifest/decode.h"
#include "store/local_internal.h"

enum err_class local_fail(struct error *err, enum err_class class, uint32_t http_status, const char *code,
                          const char *format, ...) {
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    error_set(err, class, "%s", buf_text(&text));
    buf_release(&text);
    err->http_status = http_status;
    str_copy(err->code, sizeof(err->code), code);
    return class;
}

static enum err_class fail_not_found(struct error *err, enum object_kind kind, const char *namespace,
                                     const char *name) {
    return local_fail(err, ERR_CONFLICT, 404, "NotFound", "%s \"%s/%s\" not found", object_kind_plural(kind), namespace,
                      name);
}

static enum err_class check_fence(const struct local_row *row, const char *resource_version, struct error *err) {
    char version[24];
    snprintf(version, sizeof(version), "%" PRId64, row->version);
    if (!resource_version || str_eq(resource_version, version))
        return ERR_NONE;
    return local_fail(err, ERR_CONFLICT, 409, "Conflict", "%s \"%s/%s\" has changed since version %s; read it again",
                      object_kind_plural(row->kind), row->namespace, row->name, resource_version);
}

/* Whether the object as a whole may stand, by the same rules as a manifest's. */
enum err_class local_row_check(const struct local_row *row, struct error *err) {
    struct buf text = {0};
    struct arena arena = {0};
    struct json *json = NULL;
    struct object *object;
    struct manifest_faults faults;
    local_row_print(row, &text);
    const struct decode_options options = {.strict = true};
    struct error why = {0};
    if (json_parse(buf_bytes(&text), &json, &why) == ERR_NONE &&
        object_decode(json, &options, &arena, &object, &faults, &why) == ERR_NONE && object->fault[0])
        error_set(&why, ERR_PERMANENT, "%s", object->fault);
    if (why.class != ERR_NONE)
        local_fail(err, ERR_PERMANENT, 422, "Invalid", "%s \"%s/%s\" is invalid: %s", object_kind_name(row->kind),
                   row->namespace, row->name, why.message);
    json_free(json);
    arena_release(&arena);
    buf_release(&text);
    return why.class != ERR_NONE ? ERR_PERMANENT : ERR_NONE;
}

static enum err_class kind_of(const struct json *object, enum object_kind *ret, struct error *err) {
    const char *kind = json_string(json_get(object, "kind"), "");
    for (int i = 0; i < OBJECT_KIND_COUNT; i++) {
        if (str_eq(kind, object_kind_name((enum object_kind)i))) {
            *ret = (enum object_kind)i;
            return ERR_NONE;
        }
    }
    return local_fail(err, ERR_PERMANENT, 422, "Invalid", "kind: \"%s\" is not a kind of " API_GROUP, kind);
}

static enum err_class create_row(struct store_local *local, const struct json *object, bool may_replace,
                                 struct arena *arena, struct error *err) {
    const struct json *meta = json_get(object, "metadata");
    struct local_row old = {0}, row = {0};
    bool exists = false;
    if (kind_of(object, &row.kind, err) != ERR_NONE)
        return err->class;
    bool is_namespace = row.kind == OBJECT_NAMESPACE;
    row.name = json_string(json_get(meta, "name"), "");
    row.namespace = is_namespace ? "" : json_string(json_get(meta, "namespace"), local->default_namespace);
    if (local_db_get(local->db, row.kind, row.namespace, row.name, arena, &old, &exists, err) != ERR_NONE)
        return err->class;
    if (exists && !may_replace)
        return local_fail(err, ERR_CONFLICT, 409, "AlreadyExists", "%s \"%s/%s\" already exists",
                          object_kind_plural(row.kind), row.namespace, row.name);
    if (exists && old.file)
        return local_fail(err, ERR_PERMANENT, 403, "Forbidden", "%s \"%s/%s\" comes from %s; change it there",
                          object_kind_name(row.kind), row.namespace, row.name, old.file);
    row.uid = local_uid(row.kind, row.namespace, row.name, arena);
    row.metadata = local_metadata_text(meta, arena);
    row.spec = is_namespace ? NULL : local_text(json_get(object, "spec"), arena);
    row.status = exists ? old.status : NULL;
    row.created_at_ms = exists ? old.created_at_ms : runtime_wall_ms(local->base.runtime);
    row.generation = is_namespace ? 0 : !exists ? 1 : old.generation + !str_eq(old.spec, row.spec);
    row.version = old.version;
    if (exists && str_eq(old.spec, row.spec) && str_eq(old.metadata, row.metadata))
        return ERR_NONE;
    row.version = local_db_next_version(local->db);
    if (local_row_check(&row, err) != ERR_NONE)
        return err->class;
    return local_db_put(local->db, &row, err);
}

enum err_class local_write_create(struct store_local *local, const struct json *object, bool may_replace,
                                  struct error *err) {
    struct arena arena = {0};
    enum err_class class = create_row(local, object, may_replace, &arena, err);
    arena_release(&arena);
    return class;
}

static enum err_class write_create(struct store_local *local, const struct store_write *write, struct error *err) {
    struct json *object;
    if (json_parse(write->body, &object, err) != ERR_NONE)
        return err->class;
    const struct json *meta = json_get(object, "metadata");
    enum err_class class;
    if (!str_eq(json_string(json_get(meta, "name"), NULL), write->name))
        class = local_fail(err, ERR_PERMANENT, 422, "Invalid", "metadata.name is not the name written to");
    else
        class = local_write_create(local, object, false, err);
    json_free(object);
    return class;
}

static enum err_class write_status(struct store_local *local, struct local_row *row, struct bytes body,
                                   struct arena *arena, struct error *err) {
    struct json *status;
    if (json_parse(body, &status, err) != ERR_NONE)
        return err->class;
    const char *text = local_text(status, arena);
    json_free(status);
    if (str_eq(text, row->status))
        return ERR_NONE; /* As an API server: no change, no new version. */
    row->status = text;
    row->version = local_db_next_version(local->db);
    return local_db_put(local->db, row, err);
}

enum err_class local_write_run(struct store_local *local, const struct store_write *write, struct error *err) {
    if (write->type == STORE_WRITE_CREATE)
        return write_create(local, write, err);
    struct arena arena = {0};
    struct local_row row = {0};
    bool exists = false;
    enum err_class class =
        local_db_get(local->db, write->kind, write->namespace, write->name, &arena, &row, &exists, err);
    if (class == ERR_NONE && !exists)
        class = fail_not_found(err, write->kind, write->namespace, write->name);
    if (class == ERR_NONE)
        class = check_fence(&row, write->resource_version, err);
    if (class == ERR_NONE && write->type == STORE_WRITE_STATUS)
        class = write_status(local, &row, write->body, &arena, err);
    else if (class == ERR_NONE)
        class = local_db_delete(local->db, write->kind, write->namespace, write->name, err);
    arena_release(&arena);
    return class;
}

/* ---- patches ---- */

/* Of a Recommendation only these may change; everything else in its spec is what was decided about. */
static const char *spec_frozen_text(const struct json *spec, struct arena *arena) {
    static const char *const user_fields[] = {"decision", "snoozeUntil", "feedback"};
    struct json *nothing = json_new_object();
    for (size_t i = 0; i < ARRAY_LEN(user_fields); i++)
        json_object_set(nothing, user_fields[i], NULL); /* null: remove */
    struct json *rest = local_merge_patch(spec, nothing);
    const char *text = local_text(rest, arena);
    json_free(rest);
    json_free(nothing);
    return text;
}

static enum err_class patch_spec(struct local_row *row, const struct json *patch, struct arena *arena,
                                 struct error *err) {
    struct json *old = NULL;
    if (row->spec && json_parse(bytes_of(row->spec), &old, err) != ERR_NONE)
        return err->class;
    struct json *merged = local_merge_patch(old, patch);
    const char *text = local_text(merged, arena);
    enum err_class class = ERR_NONE;
    if (row->file && !str_eq(text, row->spec))
        class = local_fail(err, ERR_PERMANENT, 403, "Forbidden", "%s \"%s/%s\" comes from %s; change it there",
                           object_kind_name(row->kind), row->namespace, row->name, row->file);
    else if (row->kind == OBJECT_RECOMMENDATION &&
             !str_eq(spec_frozen_text(old, arena), spec_frozen_text(merged, arena)))
        class = local_fail(err, ERR_PERMANENT, 422, "Invalid",
                           "Recommendation \"%s/%s\" is invalid: spec: only decision, snoozeUntil and feedback may "
                           "change",
                           row->namespace, row->name);
    if (class == ERR_NONE && !str_eq(text, row->spec)) {
        row->spec = text;
        row->generation++;
    }
    json_free(merged);
    json_free(old);
    return class;
}

/* Annotations of an object from a file are laid over the file's own, in the database. */
static enum err_class patch_annotations(struct local_row *row, const struct json *patch, struct arena *arena,
                                        struct error *err) {
    struct json *given;
    if (json_parse(bytes_of(row->metadata), &given, err) != ERR_NONE)
        return err->class;
    enum err_class class = ERR_NONE;
    if (row->file) {
        for (struct json_iter it = json_iter(patch); json_iter_next(&it);) {
            const char *in_file = json_string(json_get(json_get(given, "annotations"), it.key), NULL);
            if (in_file && json_type(it.value) == JSON_NULL)
                class = local_fail(err, ERR_PERMANENT, 403, "Forbidden",
                                   "the annotation %s is set in %s; change it there", it.key, row->file);
        }
        struct json *overlay = NULL;
        if (class == ERR_NONE && row->overlay)
            class = json_parse(bytes_of(row->overlay), &overlay, err);
        if (class == ERR_NONE) {
            struct json *merged = local_merge_patch(overlay, patch);
            row->overlay = json_object_count(merged) > 0 ? local_text(merged, arena) : NULL;
            json_free(merged);
        }
        json_free(overlay);
    } else {
        struct json *wrapped = json_new_object();
        json_object_set(wrapped, "annotations", json_copy(patch));
        struct json *merged = local_merge_patch(given, wrapped);
        row->metadata = local_metadata_text(merged, arena);
        json_free(merged);
        json_free(wrapped);
    }
    json_free(given);
    return class;
}

static enum err_class refuse_field(const char *field, struct error *err) {
    return local_fail(err, ERR_PERMANENT, 422, "Invalid", "%s cannot be patched; only spec and metadata.annotations",
                      field);
}

static enum err_class patch_metadata(struct local_row *row, const struct json *patch, struct arena *arena,
                                     struct error *err) {
    for (struct json_iter it = json_iter(patch); json_iter_next(&it);) {
        enum err_class class = ERR_NONE;
        const char *text = json_string(it.value, NULL);
        if (str_eq(it.key, "annotations"))
            class = patch_annotations(row, it.value, arena, err);
        else if (str_eq(it.key, "resourceVersion"))
            class = check_fence(row, text, err);
        else if ((!str_eq(it.key, "name") || !str_eq(text, row->name)) &&
                 (!str_eq(it.key, "namespace") || !str_eq(text, row->namespace)))
            class = refuse_field(it.key, err);
        if (class != ERR_NONE)
            return class;
    }
    return ERR_NONE;
}

static enum err_class patch_row(struct local_row *row, const struct json *patch, struct arena *arena,
                                struct error *err) {
    if (json_type(patch) != JSON_OBJECT)
        return local_fail(err, ERR_PERMANENT, 400, "BadRequest", "a merge patch is a JSON object");
    for (struct json_iter it = json_iter(patch); json_iter_next(&it);) {
        enum err_class class = ERR_NONE;
        if (str_eq(it.key, "spec"))
            class = patch_spec(row, it.value, arena, err);
        else if (str_eq(it.key, "metadata"))
            class = patch_metadata(row, it.value, arena, err);
        else if (!str_eq(it.key, "kind") && !str_eq(it.key, "apiVersion"))
            class = refuse_field(it.key, err);
        if (class != ERR_NONE)
            return class;
    }
    return local_row_check(row, err);
}

static enum err_class patch_in_transaction(struct store_local *local, enum object_kind kind, const char *namespace,
                                           const char *name, const struct json *patch, struct arena *arena,
                                           struct error *err) {
    struct local_row old = {0}, row;
    bool exists = false;
    if (local_db_get(local->db, kind, namespace, name, arena, &old, &exists, err) != ERR_NONE)
        return err->class;
    if (!exists)
        return fail_not_found(err, kind, namespace, name);
    row = old;
    if (patch_row(&row, patch, arena, err) != ERR_NONE)
        return err->class;
    if (str_eq(row.spec, old.spec) && str_eq(row.metadata, old.metadata) && str_eq(row.overlay, old.overlay))
        return ERR_NONE;
    row.version = local_db_next_version(local->db);
    return local_db_put(local->db, &row, err);
}

/* Ends what begin began. */
static enum err_class finish(struct store_local *local, enum err_class class, struct error *err) {
    if (class == ERR_NONE)
        return local_db_commit(local->db, err);
    local_db_rollback(local->db);
    return class;
}

enum err_class store_local_patch(struct store *store, enum object_kind kind, const char *namespace, const char *name,
                                 const struct json *patch, struct error *err) {
    struct store_local *local = store_local_of(store);
    struct arena arena = {0};
    enum err_class class = local_db_begin(local->db, err);
    if (class == ERR_NONE)
        class = finish(local, patch_in_transaction(local, kind, namespace, name, patch, &arena, err), err);
    arena_release(&arena);
    if (class == ERR_NONE)
        local_refresh(local, kind, namespace, name);
    return class;
}

enum err_class store_local_apply(struct store *store, const struct json *object, struct error *err) {
    struct store_local *local = store_local_of(store);
    const struct json *meta = json_get(object, "metadata");
    const char *namespace = json_string(json_get(meta, "namespace"), local->default_namespace);
    enum object_kind kind;
    bool created = false;
    if (kind_of(object, &kind, err) != ERR_NONE || local_db_begin(local->db, err) != ERR_NONE)
        return err->class;
    enum err_class class = local_write_create(local, object, true, err);
    if (kind == OBJECT_NAMESPACE)
    namespace = "";
    else if (class == ERR_NONE) class = local_ensure_namespace(local, namespace, &created, err);
    class = finish(local, class, err);
    if (class != ERR_NONE)
        return class;
    if (created)
        local_refresh(local, OBJECT_NAMESPACE, "", namespace);
    local_refresh(local, kind, namespace, json_string(json_get(meta, "name"), ""));
    return ERR_NONE;
}

enum err_class store_local_delete(struct store *store, enum object_kind kind, const char *namespace, const char *name,
                                  struct error *err) {
    struct store_local *local = store_local_of(store);
    struct arena arena = {0};
    struct local_row row = {0};
    bool exists = false;
    if (local_db_begin(local->db, err) != ERR_NONE)
        return err->class;
    enum err_class class = local_db_get(local->db, kind, namespace, name, &arena, &row, &exists, err);
    if (class == ERR_NONE && !exists)
        class = fail_not_found(err, kind, namespace, name);
    else if (class == ERR_NONE && row.file)
        class = local_fail(err, ERR_PERMANENT, 403, "Forbidden", "%s \"%s/%s\" comes from %s; delete it there",
                           object_kind_name(kind), namespace, name, row.file);
    if (class == ERR_NONE)
        class = local_db_delete(local->db, kind, namespace, name, err);
    class = finish(local, class, err);
    arena_release(&arena);
    if (class != ERR_NONE)
        return class;
    local_refresh(local, kind, namespace, name);
    if (kind == OBJECT_POLICY)
        local_refresh_of_policy(local, namespace, name);
    return ERR_NONE;
}
