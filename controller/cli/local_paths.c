/*
 * Paths of a local run. The hash keeps names short: a socket's path may have 107 bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/local_paths.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "serve/server.h"

/* Relative values are invalid by the XDG specification and are ignored. */
static const char *environment_path(const char *name) {
    const char *value = getenv(name);
    return value && value[0] == '/' ? value : NULL;
}

static enum err_class state_folder(struct arena *arena, const char **ret, struct error *err) {
    const char *state = environment_path("XDG_STATE_HOME"), *home = environment_path("HOME");
    if (!state && !home)
        return error_set(err, ERR_PERMANENT, "neither XDG_STATE_HOME nor HOME is set; give --database");
    *ret = state ? arena_printf(arena, "%s/trimtab", state) : arena_printf(arena, "%s/.local/state/trimtab", home);
    return ERR_NONE;
}

static enum err_class socket_folder(struct arena *arena, const char **ret, struct error *err) {
    const char *runtime = environment_path("XDG_RUNTIME_DIR");
    if (!runtime)
        return state_folder(arena, ret, err);
    *ret = arena_printf(arena, "%s/trimtab", runtime);
    return ERR_NONE;
}

static enum err_class folder_make(const char *path, struct error *err) {
    char *copy = mem_strdup(path);
    enum err_class class = ERR_NONE;
    for (char *at = copy + 1; class == ERR_NONE; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char end = *at;
        *at = '\0';
        if (mkdir(copy, S_IRWXU) != 0 && errno != EEXIST)
            class = error_set(err, ERR_PERMANENT, "make folder %s: %s", copy, strerror(errno));
        if (end == '\0')
            break;
        *at = end;
    }
    mem_free(copy);
    return class;
}

enum err_class local_paths_of(const char *directory, bool make_folders, struct arena *arena, struct local_paths *ret,
                              struct error *err) {
    const char *state = NULL, *sockets = NULL;
    char *absolute = realpath(directory, NULL);
    if (!absolute)
        return error_set(err, ERR_PERMANENT, "directory %s: %s", directory, strerror(errno));
    uint64_t hash = str_hash_text(STR_HASH_SEED, absolute);
    mem_free(absolute);
    if (state_folder(arena, &state, err) != ERR_NONE || socket_folder(arena, &sockets, err) != ERR_NONE)
        return err->class;
    if (make_folders && (folder_make(state, err) != ERR_NONE || folder_make(sockets, err) != ERR_NONE))
        return err->class;
    ret->database = arena_printf(arena, "%s/%016" PRIx64 ".db", state, hash);
    ret->socket = arena_printf(arena, "%s/%016" PRIx64 ".sock", sockets, hash);
    return ERR_NONE;
}

static enum err_class only_socket(struct arena *arena, const char **ret, struct error *err) {
    const char *folder = NULL, *found = NULL;
    size_t count = 0;
    if (socket_folder(arena, &folder, err) != ERR_NONE)
        return err->class;
    ASSERT(folder != NULL);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        const char *path = arena_printf(arena, "%s/%s", folder, entry->d_name);
        if (!str_has_suffix(entry->d_name, ".sock") || !server_socket_answers(path))
            continue; /* Left behind by a run that was killed. */
        found = path;
        count++;
    }
    if (dir)
        closedir(dir);
    if (count == 0)
        return error_set(err, ERR_PERMANENT, "no local instance is running (looked in %s); start one with trimtab run",
                         folder);
    if (count > 1)
        return error_set(err, ERR_PERMANENT,
                         "%zu local instances are running; say which with --local DIRECTORY or --local SOCKET", count);
    *ret = found;
    return ERR_NONE;
}

enum err_class local_paths_find(const char *directory_or_socket, struct arena *arena, const char **ret,
                                struct error *err) {
    struct stat status;
    struct local_paths paths = {0};
    if (!*directory_or_socket)
        return only_socket(arena, ret, err);
    if (stat(directory_or_socket, &status) != 0)
        return error_set(err, ERR_PERMANENT, "%s: %s", directory_or_socket, strerror(errno));
    if (S_ISSOCK(status.st_mode)) {
        *ret = arena_strdup(arena, directory_or_socket);
        return ERR_NONE;
    }
    if (!S_ISDIR(status.st_mode))
        return error_set(err, ERR_PERMANENT, "%s is neither a directory of manifests nor a socket",
                         directory_or_socket);
    if (local_paths_of(directory_or_socket, false, arena, &paths, err) != ERR_NONE)
        return err->class;
    if (!server_socket_answers(paths.socket))
        return error_set(err, ERR_PERMANENT,
                         "no local instance is running on %s; start one with trimtab run --manifests",
                         directory_or_socket);
    *ret = paths.socket;
    return ERR_NONE;
}
