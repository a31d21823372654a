/*
 * Files to objects: finds the files, parses them, decodes what is ours, and keeps what is wrong with its line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "manifest/load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "manifest/load_internal.h"

#define DIRECTORY_DEPTH_MAX 16

/* ---- Problems ---- */

static struct manifest_problem *problem_add(struct loader *l, const char *file, int line) {
    struct manifest_set *set = l->set;
    set->problems = arena_push(&set->arena, set->problems, set->problem_count, sizeof(*set->problems));
    struct manifest_problem *problem = &set->problems[set->problem_count++];
    *problem = (struct manifest_problem){.file = arena_strdup(&set->arena, file), .line = line, .path = ""};
    return problem;
}

void load_problem(struct loader *l, const char *file, int line, const char *path, const char *format, ...) {
    struct manifest_problem *problem = problem_add(l, file, line);
    va_list args;
    va_start(args, format);
    problem->message = arena_vprintf(&l->set->arena, format, args);
    va_end(args);
    problem->path = arena_strdup(&l->set->arena, path);
}

static void unreadable(struct loader *l, const char *file, const char *why) {
    struct manifest_problem *problem = problem_add(l, file, 0);
    problem->unreadable = true;
    problem->message = arena_strdup(&l->set->arena, why);
}

static int problem_cmp(const void *a, const void *b) {
    const struct manifest_problem *x = a, *y = b;
    int order = str_cmp(x->file, y->file);
    if (order == 0)
        order = (x->line > y->line) - (x->line < y->line);
    if (order == 0)
        order = str_cmp(x->path, y->path);
    return order != 0 ? order : str_cmp(x->message, y->message);
}

int source_line(const struct source *source, struct arena *arena, const char *path) {
    if (!source->document)
        return 0;
    if (!*source->prefix)
        return yaml_line(source->document, path);
    return yaml_line(source->document, arena_printf(arena, "%s.%s", source->prefix, path));
}

/* A message that starts with a path, "metadata.name: is required" or "12:3: bad", is taken apart. */
static const char *split_message(const char *message, struct arena *arena, const char **ret_head) {
    size_t size = strcspn(message, " ");
    if (size > 1 && message[size] == ' ' && message[size - 1] == ':') {
        *ret_head = arena_strndup(arena, message, size - 1);
        return message + size + 1;
    }
    *ret_head = "";
    return message;
}

/* ---- Documents ---- */

static bool is_ours(const char *version, const char *kind) {
    enum object_kind ignored;
    if (!version)
        return kind && object_kind_parse(kind, &ignored) && ignored != OBJECT_NAMESPACE;
    if (str_eq(version, "v1"))
        return str_eq(kind, "Namespace");
    return str_has_prefix(version, API_GROUP "/");
}

static void namespace_default(struct loader *l, const struct json *json, const char *kind) {
    const struct json *metadata = json_get(json, "metadata");
    if (json_type(metadata) != JSON_OBJECT || json_get(metadata, "namespace") || str_eq(kind, "Namespace"))
        return;
    /* The tree is the set's own, made by yaml_parse just now. */
    struct json *own = (struct json *)(uintptr_t)metadata;
    json_object_set(own, "namespace", json_new_string(l->default_namespace, strlen(l->default_namespace)));
}

static void object_load(struct loader *l, const struct json *json, const char *file, const char *base_dir,
                        const struct source *source) {
    struct manifest_set *set = l->set;
    struct decode_options options = {.strict = true, .base_dir = base_dir};
    struct manifest_faults faults = {0};
    struct object *object;
    struct error err = {0};
    int line = source_line(source, &set->arena, "kind");
    if (object_decode(json, &options, &set->arena, &object, &faults, &err) != ERR_NONE) {
        const char *path, *message = split_message(err.message, &set->arena, &path);
        load_problem(l, file, source_line(source, &set->arena, path), path, "%s", message);
        return;
    }
    for (size_t i = 0; i < faults.count; i++)
        load_problem(l, file, source_line(source, &set->arena, faults.items[i].path), faults.items[i].path, "%s",
                     faults.items[i].message);
    set->entries = arena_push(&set->arena, set->entries, set->entry_count, sizeof(*set->entries));
    l->sources = arena_push(&set->arena, l->sources, set->entry_count, sizeof(*l->sources));
    l->sources[set->entry_count] = *source;
    set->entries[set->entry_count++] =
        (struct manifest_entry){.object = object, .file = file, .line = line, .json = json};
}

static void document_load(struct loader *l, const struct json *json, const char *file, const char *base_dir,
                          const struct source *source) {
    const char *version = json_string(json_get(json, "apiVersion"), NULL);
    const char *kind = json_string(json_get(json, "kind"), NULL);
    bool is_list = !*source->prefix && str_has_suffix(kind, "List") &&
                   (str_eq(version, "v1") || str_has_prefix(version, API_GROUP "/"));
    if (is_list) {
        const struct json *items = json_get(json, "items");
        for (size_t i = 0; i < json_array_count(items); i++) {
            struct source item = {source->document, arena_printf(&l->set->arena, "items[%zu]", i)};
            document_load(l, json_array_at(items, i), file, base_dir, &item);
        }
    } else if (str_eq(version, "v1") && str_eq(kind, "Secret")) {
        load_secret(l, json, file, source_line(source, &l->set->arena, "kind"));
    } else if (is_ours(version, kind)) {
        namespace_default(l, json, kind);
        object_load(l, json, file, base_dir, source);
    }
}

static void text_load(struct loader *l, struct bytes text, const char *file, const char *base_dir) {
    struct manifest_set *set = l->set;
    struct yaml_documents documents = {0};
    struct error err = {0};
    if (yaml_parse(text, &documents, &err) != ERR_NONE) {
        const char *place, *message = split_message(err.message, &set->arena, &place);
        int64_t line = 0;
        str_to_int64(arena_strndup(&set->arena, place, strcspn(place, ":")), &line);
        load_problem(l, file, (int)line, "", "%s", message);
        return;
    }
    set->documents = mem_grow(set->documents, set->documents_count, set->documents_count + 1, sizeof(*set->documents));
    set->documents[set->documents_count++] = documents;
    for (size_t i = 0; i < documents.count; i++) {
        struct source source = {&documents.items[i], ""};
        document_load(l, documents.items[i].root, file, base_dir, &source);
    }
}

/* ---- Files ---- */

static bool file_read(struct loader *l, const char *path, struct buf *text) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        unreadable(l, path, strerror(errno));
        return false;
    }
    ssize_t count;
    do { /* One byte more than is taken shows that there is more. */
        buf_reserve(text, 65536);
        count = read(fd, text->data + text->size, 65536);
        text->size += count > 0 ? (size_t)count : 0;
    } while (count > 0 && text->size <= MANIFEST_SIZE_MAX);
    int code = errno;
    close(fd);
    if (count < 0)
        unreadable(l, path, strerror(code));
    return count >= 0;
}

static void file_load(struct loader *l, const char *path) {
    struct buf text = {0};
    if (file_read(l, path, &text)) {
        struct arena *arena = &l->set->arena;
        const char *slash = strrchr(path, '/');
        const char *base_dir = slash == path ? "/" : slash ? arena_strndup(arena, path, (size_t)(slash - path)) : ".";
        l->set->file_count++;
        text_load(l, buf_bytes(&text), arena_strdup(arena, path), base_dir);
    }
    if (text.data)
        mem_wipe(text.data, text.size); /* It may hold Secrets. */
    buf_release(&text);
}

static bool has_manifest_name(const char *name) {
    return str_has_suffix(name, ".yaml") || str_has_suffix(name, ".yml") || str_has_suffix(name, ".json");
}

static int entry_filter(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int entry_order(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name); /* Not alphasort: that depends on the locale. */
}

static void directory_load(struct loader *l, const char *path, int depth) {
    struct dirent **entries;
    int count = scandir(path, &entries, entry_filter, entry_order);
    if (count < 0) {
        unreadable(l, path, strerror(errno));
        return;
    }
    for (int i = 0; i < count; i++) {
        const char *slash = str_has_suffix(path, "/") ? "" : "/";
        char *child = mem_printf("%s%s%s", path, slash, entries[i]->d_name);
        struct stat status;
        /* Links to directories are not followed (they may run in circles), links to files are. */
        bool is_directory = lstat(child, &status) == 0 && S_ISDIR(status.st_mode);
        if (is_directory && depth < DIRECTORY_DEPTH_MAX)
            directory_load(l, child, depth + 1);
        else if (is_directory)
            unreadable(l, child, "nested too deeply");
        else if (has_manifest_name(child) && (stat(child, &status) != 0 || S_ISREG(status.st_mode)))
            file_load(l, child);
        mem_free(child);
        free(entries[i]); /* scandir's. */
    }
    free(entries);
}

void manifest_load(const char *const *paths, size_t path_count, const char *default_namespace, bool complete,
                   struct manifest_set *ret) {
    *ret = (struct manifest_set){0};
    struct loader l = {.set = ret, .default_namespace = default_namespace};
    for (size_t i = 0; i < path_count; i++) {
        struct stat status;
        if (stat(paths[i], &status) != 0)
            unreadable(&l, paths[i], strerror(errno));
        else if (S_ISDIR(status.st_mode))
            directory_load(&l, paths[i], 0);
        else
            file_load(&l, paths[i]);
    }
    load_cross_check(&l, complete);
    if (ret->problem_count > 1)
        qsort(ret->problems, ret->problem_count, sizeof(*ret->problems), problem_cmp);
}

void manifest_set_release(struct manifest_set *set) {
    for (size_t i = 0; i < set->secret_count; i++) {
        for (size_t j = 0; j < set->secrets[i].data_count; j++) {
            char *value = (char *)(uintptr_t)set->secrets[i].data[j].value;
            mem_wipe(value, strlen(value));
        }
    }
    for (size_t i = 0; i < set->documents_count; i++)
        yaml_documents_release(&set->documents[i]);
    mem_free(set->documents);
    arena_release(&set->arena);
    *set = (struct manifest_set){0};
}
