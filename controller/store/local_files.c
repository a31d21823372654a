/*
 * Brings the database into line with the directory of manifests.
 *
 *     in the directory      in the database     ->
 *     valid                 none, or different      written; the generation rises if the spec differs
 *     valid                 same                    -
 *     faulty                any                     the last valid object stays; each fault is logged
 *     absent                from a file             deleted, unless that file cannot be read: then what it held stays
 *     absent                through the API         -
 *
 * If the directory itself cannot be read, nothing is concluded from that.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "manifest/load.h"
#include "store/local_internal.h"

struct change {
    enum object_kind kind;
    const char *namespace, *name;
};

struct sync {
    struct store_local *local;
    struct manifest_set set;
    struct map seen;      /* "kind/namespace/name" of what the files hold, valid or not. */
    struct map bad_files; /* Files with faults: absence in them means nothing. */
    struct arena arena;
    struct change *changes;
    size_t change_count;
    struct local_row *gone;
    size_t gone_count;
};

/* ---- Secrets: in memory only ---- */

void local_secret_free(struct json *secret) {
    for (struct json_iter it = json_iter(secret); json_iter_next(&it);) {
        const char *text = json_string(it.value, "");
        mem_wipe((void *)(uintptr_t)text, strlen(text));
    }
    json_free(secret);
}

void local_secrets_release(struct store_local *local) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&local->secrets, &i));)
        local_secret_free(entry->value);
    map_release(&local->secrets);
}

static void secrets_take(struct sync *sync) {
    local_secrets_release(sync->local);
    for (size_t i = 0; i < sync->set.secret_count; i++) {
        const struct manifest_secret *it = &sync->set.secrets[i];
        struct json *data = json_new_object();
        for (size_t k = 0; k < it->data_count; k++)
            json_object_set(data, it->data[k].key, json_new_string(it->data[k].value, strlen(it->data[k].value)));
        struct json *old =
            map_put(&sync->local->secrets, arena_printf(&sync->arena, "%s/%s", it->namespace, it->name), data);
        if (old)
            local_secret_free(old);
    }
}

/* ---- objects ---- */

static const char *key_of(struct sync *sync, enum object_kind kind, const char *namespace, const char *name) {
    return arena_printf(&sync->arena, "%s/%s/%s", object_kind_name(kind), namespace, name);
}

static void changed(struct sync *sync, enum object_kind kind, const char *namespace, const char *name) {
    sync->changes = arena_push(&sync->arena, sync->changes, sync->change_count, sizeof(*sync->changes));
    sync->changes[sync->change_count++] =
        (struct change){kind, arena_strdup(&sync->arena, namespace), arena_strdup(&sync->arena, name)};
}

enum err_class local_ensure_namespace(struct store_local *local, const char *namespace, bool *ret_created,
                                      struct error *err) {
    struct arena arena = {0};
    struct local_row row;
    bool exists = false;
    enum err_class class = local_db_get(local->db, OBJECT_NAMESPACE, "", namespace, &arena, &row, &exists, err);
    *ret_created = class == ERR_NONE && !exists;
    if (*ret_created) {
        row = (struct local_row){
            .kind = OBJECT_NAMESPACE,
            .namespace = "",
            .name = namespace,
            .uid = local_uid(OBJECT_NAMESPACE, "", namespace, &arena),
            .version = local_db_next_version(local->db),
            .created_at_ms = runtime_wall_ms(local->base.runtime),
            .metadata = arena_printf(&arena, "{\"labels\":{\"kubernetes.io/metadata.name\":\"%s\"}}", namespace),
        };
        class = local_db_put(local->db, &row, err);
    }
    arena_release(&arena);
    return class;
}

static enum err_class object_put(struct sync *sync, const struct manifest_entry *entry, struct error *err) {
    const struct object *object = entry->object;
    struct local_db *db = sync->local->db;
    struct local_row old = {0}, row;
    bool exists = false, is_namespace = object->kind == OBJECT_NAMESPACE;
    if (local_db_get(db, object->kind, object->namespace, object->name, &sync->arena, &old, &exists, err) != ERR_NONE)
        return err->class;
    const char *spec = is_namespace ? NULL : local_text(json_get(entry->json, "spec"), &sync->arena);
    const char *metadata = local_metadata_text(json_get(entry->json, "metadata"), &sync->arena);
    if (exists && str_eq(old.spec, spec) && str_eq(old.metadata, metadata) && str_eq(old.file, entry->file))
        return ERR_NONE;
    row = old; /* Status and overlay stay. */
    if (!exists) {
        row.uid = local_uid(object->kind, object->namespace, object->name, &sync->arena);
        row.created_at_ms = runtime_wall_ms(sync->local->base.runtime);
    }
    row.kind = object->kind;
    row.namespace = object->namespace;
    row.name = object->name;
    row.generation = is_namespace ? 0 : old.generation + !(exists && str_eq(old.spec, spec));
    row.spec = spec;
    row.metadata = metadata;
    row.file = entry->file;
    row.version = local_db_next_version(db);
    changed(sync, row.kind, row.namespace, row.name);
    return local_db_put(db, &row, err);
}

/* Notes what the files hold; of two entries of one name the first counts, the set has the problem. */
static void entries_see(struct sync *sync) {
    for (size_t i = 0; i < sync->set.entry_count; i++) {
        struct manifest_entry *entry = &sync->set.entries[i];
        const char *key = key_of(sync, entry->object->kind, entry->object->namespace, entry->object->name);
        if (!map_get(&sync->seen, key))
            map_put(&sync->seen, key, entry);
    }
}

static enum err_class entry_sync(struct sync *sync, const struct manifest_entry *entry, struct error *err) {
    const struct object *object = entry->object;
    if (object->fault[0] || map_get(&sync->seen, key_of(sync, object->kind, object->namespace, object->name)) != entry)
        return ERR_NONE;
    if (object->kind == OBJECT_RECOMMENDATION) {
        log_error("a Recommendation is made by its policy, never by a manifest", LOG_STR("file", entry->file),
                  LOG_INT("line", entry->line));
        return ERR_NONE;
    }
    bool created = false;
    if (object->kind != OBJECT_NAMESPACE) {
        if (local_ensure_namespace(sync->local, object->namespace, &created, err) != ERR_NONE)
            return err->class;
        if (created)
            changed(sync, OBJECT_NAMESPACE, "", object->namespace);
    }
    return object_put(sync, entry, err);
}

static void row_check_gone(void *ctx, const struct local_row *row) {
    struct sync *sync = ctx;
    if (!row->file || map_get(&sync->bad_files, row->file) ||
        map_get(&sync->seen, key_of(sync, row->kind, row->namespace, row->name)))
        return;
    sync->gone = arena_push(&sync->arena, sync->gone, sync->gone_count, sizeof(*sync->gone));
    sync->gone[sync->gone_count++] = (struct local_row){.kind = row->kind,
                                                        .namespace = arena_strdup(&sync->arena, row->namespace),
                                                        .name = arena_strdup(&sync->arena, row->name)};
}

static enum err_class gone_delete(struct sync *sync, struct error *err) {
    for (int kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
        if (local_db_each(sync->local->db, (enum object_kind)kind, NULL, row_check_gone, sync, err) != ERR_NONE)
            return err->class;
    }
    for (size_t i = 0; i < sync->gone_count; i++) {
        const struct local_row *it = &sync->gone[i];
        if (local_db_delete(sync->local->db, it->kind, it->namespace, it->name, err) != ERR_NONE)
            return err->class;
        changed(sync, it->kind, it->namespace, it->name);
    }
    return ERR_NONE;
}

static enum err_class set_sync(struct sync *sync, struct error *err) {
    struct local_db *db = sync->local->db;
    if (local_db_begin(db, err) != ERR_NONE)
        return err->class;
    entries_see(sync);
    enum err_class class = gone_delete(sync, err);
    for (size_t i = 0; class == ERR_NONE && i < sync->set.entry_count; i++)
        class = entry_sync(sync, &sync->set.entries[i], err);
    if (class == ERR_NONE)
        return local_db_commit(db, err);
    local_db_rollback(db);
    return class;
}

/* Logs each; false: the directory itself could not be read. */
static bool problems_report(struct sync *sync) {
    bool is_readable = true;
    for (size_t i = 0; i < sync->set.problem_count; i++) {
        const struct manifest_problem *it = &sync->set.problems[i];
        log_error("manifest refused; what was valid before stays", LOG_STR("file", it->file), LOG_INT("line", it->line),
                  LOG_STR("path", it->path), LOG_STR("problem", it->message));
        map_put(&sync->bad_files, it->file, sync);
        is_readable &= !str_eq(it->file, sync->local->directory);
    }
    return is_readable;
}

void local_files_sync(struct store_local *local) {
    struct sync sync = {.local = local};
    struct error err;
    const char *const paths[] = {local->directory};
    manifest_load(paths, 1, local->default_namespace, false, &sync.set);
    if (problems_report(&sync)) {
        secrets_take(&sync);
        if (set_sync(&sync, &err) != ERR_NONE) {
            log_error("manifests not taken over", LOG_ERR(&err));
            if (local->base.callbacks.on_error)
                local->base.callbacks.on_error(local->base.callbacks.ctx, &err);
            sync.change_count = 0;
            if (local->watch)
                local_watch_forget(local->watch);
        }
    }
    for (size_t i = 0; i < sync.change_count; i++)
        local_refresh(local, sync.changes[i].kind, sync.changes[i].namespace, sync.changes[i].name);
    for (size_t i = 0; i < sync.gone_count && sync.change_count > 0; i++) {
        if (sync.gone[i].kind == OBJECT_POLICY)
            local_refresh_of_policy(local, sync.gone[i].namespace, sync.gone[i].name);
    }
    manifest_set_release(&sync.set);
    map_release(&sync.seen);
    map_release(&sync.bad_files);
    arena_release(&sync.arena);
}
