/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/local_paths.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"

static char root[64];
static struct arena arena;
static struct error err;
static struct local_paths paths;

static const char *in_root(const char *name) {
    return arena_printf(&arena, "%s/%s", root, name);
}

static void setup(void) {
    strcpy(root, "/tmp/trimtab-test-XXXXXX");
    cr_assert(mkdtemp(root));
    cr_assert_eq(mkdir(in_root("m"), 0700), 0);
    cr_assert_eq(mkdir(in_root("n"), 0700), 0);
    setenv("XDG_STATE_HOME", in_root("state"), 1);
    setenv("XDG_RUNTIME_DIR", in_root("run"), 1);
}
static void teardown(void) {
    char command[96];
    snprintf(command, sizeof(command), "rm -r %s", root);
    cr_assert_eq(system(command), 0);
    arena_release(&arena);
}
TestSuite(cli_local_paths, .init = setup, .fini = teardown);

static int listen_on(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    str_copy(address.sun_path, sizeof(address.sun_path), path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 1), 0);
    return fd;
}

Test(cli_local_paths, follow_from_the_directory_however_it_is_written) {
    struct local_paths again, other;
    cr_assert_eq(local_paths_of(in_root("m"), true, &arena, &paths, &err), ERR_NONE, "%s", err.message);
    cr_assert(str_has_prefix(paths.database, in_root("state/trimtab/")), "%s", paths.database);
    cr_assert(str_has_prefix(paths.socket, in_root("run/trimtab/")), "%s", paths.socket);
    struct stat status;
    cr_assert_eq(stat(in_root("run/trimtab"), &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0700);
    cr_assert_eq(local_paths_of(in_root("n/../m/."), false, &arena, &again, &err), ERR_NONE);
    cr_assert_str_eq(again.database, paths.database);
    cr_assert_eq(local_paths_of(in_root("n"), false, &arena, &other, &err), ERR_NONE);
    cr_assert_str_neq(other.socket, paths.socket);
    cr_assert_eq(local_paths_of(in_root("none"), false, &arena, &other, &err), ERR_PERMANENT);
}

Test(cli_local_paths, fall_back_to_the_home_folder) {
    unsetenv("XDG_RUNTIME_DIR");
    setenv("XDG_STATE_HOME", "relative/is/ignored", 1);
    setenv("HOME", in_root("home"), 1);
    cr_assert_eq(local_paths_of(in_root("m"), false, &arena, &paths, &err), ERR_NONE);
    cr_assert(str_has_prefix(paths.database, in_root("home/.local/state/trimtab/")));
    cr_assert(str_has_prefix(paths.socket, in_root("home/.local/state/trimtab/")));
    unsetenv("HOME");
    cr_assert_eq(local_paths_of(in_root("m"), false, &arena, &paths, &err), ERR_PERMANENT);
}

Test(cli_local_paths, find_the_socket_of_a_directory_a_socket_or_the_only_one_alive) {
    const char *found = NULL;
    struct local_paths other;
    cr_assert_eq(local_paths_find("", &arena, &found, &err), ERR_PERMANENT);
    cr_assert_eq(local_paths_of(in_root("m"), true, &arena, &paths, &err), ERR_NONE);
    cr_assert_eq(local_paths_find(in_root("m"), &arena, &found, &err), ERR_PERMANENT);
    cr_assert(strstr(err.message, "no local instance"), "%s", err.message);
    int fd = listen_on(paths.socket);
    close(listen_on(in_root("run/trimtab/dead.sock")));
    cr_assert_eq(local_paths_find("", &arena, &found, &err), ERR_NONE, "%s", err.message);
    cr_assert_str_eq(found, paths.socket);
    cr_assert_eq(local_paths_find(in_root("m"), &arena, &found, &err), ERR_NONE);
    cr_assert_str_eq(found, paths.socket);
    cr_assert_eq(local_paths_find(paths.socket, &arena, &found, &err), ERR_NONE);
    cr_assert_eq(local_paths_of(in_root("n"), true, &arena, &other, &err), ERR_NONE);
    int second = listen_on(other.socket);
    cr_assert_eq(local_paths_find("", &arena, &found, &err), ERR_PERMANENT);
    cr_assert(strstr(err.message, "2 local instances"), "%s", err.message);
    cr_assert_eq(local_paths_find("/etc/passwd", &arena, &found, &err), ERR_PERMANENT);
    close(fd);
    close(second);
}
