/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scratch.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"

static char root[64];
static struct arena names;

void scratch_open(void) {
    strcpy(root, P_tmpdir "/trimtab-kube-XXXXXX");
    cr_assert(mkdtemp(root));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void scratch_close(void) {
    (void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    arena_release(&names);
}

const char *scratch_path(const char *name) {
    return arena_printf(&names, "%s/%s", root, name);
}

const char *scratch_write(const char *name, mode_t mode, const char *text) {
    char *path = arena_printf(&names, "%s/%s", root, name);
    for (char *c = path + strlen(root) + 1; *c; c++)
        if (*c == '/') {
            *c = '\0';
            (void)mkdir(path, 0700);
            *c = '/';
        }
    (void)unlink(path); /* Another inode, as a rotation makes. */
    FILE *file = fopen(path, "we");
    cr_assert(file, "%s", path);
    fputs(text, file);
    fclose(file);
    cr_assert_eq(chmod(path, mode), 0);
    return path;
}

const char *scratch_read(const char *name) {
    FILE *file = fopen(scratch_path(name), "re");
    if (!file)
        return "";
    char *text = arena_alloc(&names, 1 << 16);
    text[fread(text, 1, (1 << 16) - 1, file)] = '\0';
    fclose(file);
    return text;
}
