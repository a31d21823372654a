/*
 * Watches a directory tree. inotify watches one directory at a time and loses events when its queue overflows, so an
 * event only says "look": after a short rest (editors write in several steps) the tree is walked, and only a different
 * signature (path, size, inode, time of each manifest) is reported. The same walk every RESCAN_MS catches what was
 * lost, and file systems that send no events.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "store/local_internal.h"

#define REST_MS 100
#define RESCAN_MS 5000
#define DEPTH_MAX 16
#define WATCHES_MAX 512 /* Of directories; deeper trees are seen by the rescan. */

struct watched {
    uv_fs_event_t handle;
    char *path;
    bool is_seen; /* In the current walk. */
};

struct local_watch {
    uv_loop_t *loop;
    char *directory;
    uv_timer_t timer;
    uint64_t signature;
    struct watched *watched[WATCHES_MAX];
    size_t watched_count;
    size_t open_handles;
    void (*on_change)(void *ctx);
    void *ctx;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

static void on_timer(uv_timer_t *timer);

static void handle_gone(struct local_watch *watch) {
    if (--watch->open_handles > 0)
        return;
    void (*stopped)(void *) = watch->stopped;
    void *ctx = watch->stopped_ctx;
    mem_free(watch->directory);
    mem_free(watch);
    stopped(ctx);
}

static void on_timer_closed(uv_handle_t *handle) {
    handle_gone(handle->data);
}

static void on_event_closed(uv_handle_t *handle) {
    struct watched *it = CONTAINER_OF(handle, struct watched, handle);
    struct local_watch *watch = handle->data;
    mem_free(it->path);
    mem_free(it);
    handle_gone(watch);
}

static void on_event(uv_fs_event_t *handle, const char *file, int events, int status) {
    (void)file, (void)events, (void)status;
    struct local_watch *watch = handle->data;
    uv_timer_start(&watch->timer, on_timer, REST_MS, 0);
}

static void directory_watch(struct local_watch *watch, const char *path) {
    for (size_t i = 0; i < watch->watched_count; i++) {
        if (str_eq(watch->watched[i]->path, path)) {
            watch->watched[i]->is_seen = true;
            return;
        }
    }
    if (watch->watched_count == WATCHES_MAX)
        return;
    struct watched *it = mem_alloc(sizeof(*it));
    it->path = mem_strdup(path);
    it->is_seen = true;
    int rc = uv_fs_event_init(watch->loop, &it->handle);
    ASSERT(rc == 0);
    it->handle.data = watch;
    watch->open_handles++;
    if (uv_fs_event_start(&it->handle, on_event, path, 0) == 0)
        watch->watched[watch->watched_count++] = it;
    else
        uv_close((uv_handle_t *)&it->handle, on_event_closed); /* Out of watches: the rescan does it. */
}

static bool is_manifest(const char *name) {
    return str_has_suffix(name, ".yaml") || str_has_suffix(name, ".yml") || str_has_suffix(name, ".json");
}

/* The order of readdir does not matter: the hashes of the files are added up. */
static uint64_t walk(struct local_watch *watch, const char *path, int depth) {
    DIR *dir = opendir(path);
    if (!dir)
        return 0;
    directory_watch(watch, path);
    uint64_t sum = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        char *child = mem_printf("%s/%s", path, entry->d_name);
        struct stat status;
        if (stat(child, &status) != 0) {
            sum += str_hash_text(STR_HASH_SEED, child); /* A broken link, or gone just now. */
        } else if (S_ISDIR(status.st_mode)) {
            sum += depth < DEPTH_MAX ? walk(watch, child, depth + 1) : 0;
        } else if (is_manifest(entry->d_name)) {
            const uint64_t facts[] = {(uint64_t)status.st_size, (uint64_t)status.st_ino,
                                      (uint64_t)status.st_mtim.tv_sec, (uint64_t)status.st_mtim.tv_nsec};
            sum += str_hash(str_hash_text(STR_HASH_SEED, child), facts, sizeof(facts));
        }
        mem_free(child);
    }
    closedir(dir);
    return sum;
}

static uint64_t scan(struct local_watch *watch) {
    for (size_t i = 0; i < watch->watched_count; i++)
        watch->watched[i]->is_seen = false;
    uint64_t signature = walk(watch, watch->directory, 0);
    size_t kept = 0;
    for (size_t i = 0; i < watch->watched_count; i++) {
        struct watched *it = watch->watched[i];
        if (it->is_seen)
            watch->watched[kept++] = it;
        else
            uv_close((uv_handle_t *)&it->handle, on_event_closed);
    }
    watch->watched_count = kept;
    return signature;
}

static void on_timer(uv_timer_t *timer) {
    struct local_watch *watch = timer->data;
    uint64_t signature = scan(watch);
    uv_timer_start(&watch->timer, on_timer, RESCAN_MS, 0);
    if (signature == watch->signature)
        return;
    watch->signature = signature;
    watch->on_change(watch->ctx);
}

struct local_watch *local_watch_start(uv_loop_t *loop, const char *directory, void (*on_change)(void *ctx), void *ctx) {
    struct local_watch *watch = mem_alloc(sizeof(*watch));
    watch->loop = loop;
    watch->directory = mem_strdup(directory);
    watch->on_change = on_change;
    watch->ctx = ctx;
    uv_timer_init(loop, &watch->timer);
    watch->timer.data = watch;
    watch->open_handles = 1;
    watch->signature = scan(watch);
    uv_timer_start(&watch->timer, on_timer, RESCAN_MS, 0);
    return watch;
}

void local_watch_forget(struct local_watch *watch) {
    watch->signature = 0;
}

void local_watch_stop(struct local_watch *watch, void (*stopped)(void *ctx), void *ctx) {
    watch->stopped = stopped;
    watch->stopped_ctx = ctx;
    for (size_t i = 0; i < watch->watched_count; i++)
        uv_close((uv_handle_t *)&watch->watched[i]->handle, on_event_closed);
    watch->watched_count = 0;
    uv_close((uv_handle_t *)&watch->timer, on_timer_closed);
}
