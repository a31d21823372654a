/*
 * See record.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "observe/snapshot_json.h"

#define VERSION_TEXT API_GROUP "/" API_VERSION
#define READ_SIZE ((size_t)64 << 10)

/* ---- writing ---- */

static void print_headroom(const struct headroom *headroom, struct json_writer *w) {
    jw_open(w, '{');
    jw_put_bool(w, "freezeGrowth", headroom->freeze_growth);
    jw_put_bool(w, "shrinkToMinimum", headroom->shrink_to_minimum);
    jw_key(w, "budget");
    jw_string(w, headroom->budget);
    jw_close(w, '}');
}

void record_print(const struct object *policy, const struct plan_input *input, const struct plan *plan,
                  struct json_writer *w) {
    struct buf text = {0};
    char *name = mem_printf("%s/%s", policy->namespace, policy->name);
    plan_print_json(plan, &text);
    ASSERT(text.size > 0 && text.data[text.size - 1] == '\n');
    text.data[text.size - 1] = '\0';
    jw_open(w, '{');
    jw_put_string(w, "apiVersion", VERSION_TEXT);
    jw_put_string(w, "kind", "PlanRecord");
    jw_put_string(w, "policy", name);
    jw_key(w, "headroom");
    print_headroom(&input->headroom, w);
    jw_key(w, "snapshot");
    snapshot_print_json(input->snapshot, w);
    jw_key(w, "plan");
    jw_raw(w, text.data);
    jw_close(w, '}');
    buf_release(&text);
    mem_free(name);
}

void record_list_open(struct json_writer *w) {
    jw_open(w, '{');
    jw_put_string(w, "apiVersion", VERSION_TEXT);
    jw_put_string(w, "kind", "PlanRecordList");
    jw_key(w, "items");
    jw_open(w, '[');
}

void record_list_close(struct json_writer *w) {
    jw_close(w, ']');
    jw_close(w, '}');
}

static enum err_class cannot(struct error *err, const char *what, const char *path) {
    return error_set(err, ERR_RETRYABLE, "%s: cannot %s: %s", path, what, strerror(errno));
}

static enum err_class write_all(int fd, const char *path, const struct buf *text, struct error *err) {
    for (size_t at = 0; at < text->size;) {
        ssize_t size = write(fd, text->data + at, text->size - at);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return cannot(err, "write", path);
        at += (size_t)size;
    }
    return ERR_NONE;
}

enum err_class record_write(const char *path, const struct buf *text, struct error *err) {
    const char *slash = strrchr(path, '/');
    int folder_size = slash ? (int)(slash + 1 - path) : 0;
    /* A hidden name: no reader of the folder takes it for a record. */
    char *beside = mem_printf("%.*s.%s.XXXXXX", folder_size, path, path + folder_size);
    int fd = mkstemp(beside); /* Mode 0600. */
    enum err_class class = fd < 0 ? cannot(err, "write", path) : write_all(fd, path, text, err);
    if (fd >= 0 && close(fd) != 0 && class == ERR_NONE)
        class = cannot(err, "write", path);
    if (class == ERR_NONE && rename(beside, path) != 0)
        class = cannot(err, "write", path);
    if (fd >= 0 && class != ERR_NONE)
        (void)unlink(beside);
    mem_free(beside);
    return class;
}

enum err_class record_folder_make(const char *folder, struct error *err) {
    struct stat is;
    if (mkdir(folder, 0700) == 0)
        return ERR_NONE;
    if (errno != EEXIST)
        return cannot(err, "make the folder", folder);
    if (stat(folder, &is) != 0 || !S_ISDIR(is.st_mode))
        return error_set(err, ERR_PERMANENT, "%s: not a folder", folder);
    return ERR_NONE;
}

enum err_class record_keep(const char *folder, const struct object *policy, const struct plan_input *input,
                           const struct plan *plan, struct error *err) {
    struct buf text = {0};
    struct json_writer w = {.out = &text};
    /* A namespace holds no dot, so no two policies share a name. */
    char *path = mem_printf("%s/%s.%s.json", folder, policy->namespace, policy->name);
    record_print(policy, input, plan, &w);
    buf_putc(&text, '\n');
    enum err_class class = text.size > JSON_SIZE_MAX
                               ? error_set(err, ERR_PERMANENT, "%s: %zu bytes, at most %zu could be read back", path,
                                           text.size, JSON_SIZE_MAX)
                               : record_write(path, &text, err);
    mem_free(path);
    buf_release(&text);
    return class;
}

/* ---- reading ---- */

static enum err_class read_headroom(const struct json *json, struct arena *arena, struct headroom *ret,
                                    struct error *err) {
    const struct json *freeze = json_get(json, "freezeGrowth"), *shrink = json_get(json, "shrinkToMinimum");
    const struct json *budget = json_get(json, "budget");
    if (json_type(json) == JSON_NULL)
        return ERR_NONE;
    if (json_type(freeze) != JSON_BOOL || json_type(shrink) != JSON_BOOL ||
        (json_type(budget) != JSON_NULL && json_type(budget) != JSON_STRING))
        return error_set(err, ERR_PERMANENT,
                         "headroom: freezeGrowth and shrinkToMinimum are true or false, budget a string or null");
    *ret = (struct headroom){.freeze_growth = json_bool(freeze, false),
                             .shrink_to_minimum = json_bool(shrink, false),
                             .budget = arena_strdup(arena, json_string(budget, NULL))};
    return ERR_NONE;
}

static enum err_class read_one(const struct json *json, struct arena *arena, struct record *ret, struct error *err) {
    const struct json *plan = json_get(json, "plan");
    ret->policy = arena_strdup(arena, json_string(json_get(json, "policy"), NULL));
    if (!ret->policy)
        return error_set(err, ERR_PERMANENT, "policy: a string is expected");
    if (json_type(plan) != JSON_NULL && json_type(plan) != JSON_OBJECT)
        return error_set(err, ERR_PERMANENT, "plan: an object is expected");
    ret->plan = plan;
    if (read_headroom(json_get(json, "headroom"), arena, &ret->headroom, err) != ERR_NONE)
        return err->class;
    if (snapshot_read_json(json_get(json, "snapshot"), arena, &ret->snapshot, err) != ERR_NONE)
        return error_wrap(err, "snapshot");
    return ERR_NONE;
}

static enum err_class read_list(struct record_set *set, struct error *err) {
    const struct json *items = json_get(set->root, "items");
    if (json_type(items) != JSON_ARRAY)
        return error_set(err, ERR_PERMANENT, "items: an array is expected");
    size_t count = json_array_count(items);
    set->items = arena_alloc_array(&set->arena, count, sizeof(*set->items));
    for (; set->count < count; set->count++)
        if (read_one(json_array_at(items, set->count), &set->arena, &set->items[set->count], err) != ERR_NONE)
            return error_wrap(err, "items[%zu]", set->count);
    return ERR_NONE;
}

static enum err_class read_root(struct record_set *set, struct error *err) {
    const char *kind = json_string(json_get(set->root, "kind"), NULL);
    const char *version = json_string(json_get(set->root, "apiVersion"), NULL);
    if (kind && !str_eq(version, VERSION_TEXT))
        return error_set(err, ERR_PERMANENT, "apiVersion: %s is expected", VERSION_TEXT);
    if (str_eq(kind, "PlanRecordList"))
        return read_list(set, err);
    if (kind && !str_eq(kind, "PlanRecord"))
        return error_set(err, ERR_PERMANENT, "kind: PlanRecord or PlanRecordList is expected");
    set->items = arena_alloc(&set->arena, sizeof(*set->items));
    set->count = 1;
    return kind ? read_one(set->root, &set->arena, set->items, err)
                : snapshot_read_json(set->root, &set->arena, &set->items->snapshot, err);
}

enum err_class record_parse(struct bytes text, struct record_set *ret, struct error *err) {
    struct record_set set = {0};
    if (json_parse(text, &set.root, err) != ERR_NONE)
        return err->class;
    if (read_root(&set, err) != ERR_NONE) {
        record_set_release(&set);
        return err->class;
    }
    *ret = set;
    return ERR_NONE;
}

enum err_class record_read(const char *path, struct record_set *ret, struct error *err) {
    struct buf text = {0};
    FILE *file = fopen(path, "re");
    if (!file)
        return cannot(err, "read", path);
    for (size_t size = 1; size > 0 && text.size <= JSON_SIZE_MAX;) { /* One piece too many: the parser says so. */
        buf_reserve(&text, READ_SIZE);
        size = fread(text.data + text.size, 1, READ_SIZE, file);
        text.size += size;
    }
    enum err_class class = ferror(file) ? cannot(err, "read", path) : ERR_NONE;
    (void)fclose(file);
    if (class == ERR_NONE && record_parse(buf_bytes(&text), ret, err) != ERR_NONE)
        class = error_wrap(err, "%s", path);
    buf_release(&text);
    return class;
}

void record_set_release(struct record_set *set) {
    json_free(set->root);
    arena_release(&set->arena);
    *set = (struct record_set){0};
}
