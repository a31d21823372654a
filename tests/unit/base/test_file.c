/*
 * Small files read whole.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static char path[64];

static void make_file(void) {
    strcpy(path, P_tmpdir "/trimtab-file-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

static void remove_file(void) {
    unlink(path);
}

TestSuite(base_file, .init = make_file, .fini = remove_file);

static void write_bytes(size_t size) {
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    for (size_t i = 0; i < size; i++)
        fputc('a', file);
    fclose(file);
}

Test(base_file, is_appended_up_to_its_limit) {
    struct buf out = {0};
    struct error err = {0};
    buf_puts(&out, "before ");
    write_bytes(3);
    cr_assert_eq(file_read_into(path, &out, &err), ERR_NONE);
    cr_expect_str_eq(buf_text(&out), "before aaa");
    write_bytes(FILE_READ_MAX);
    cr_assert_eq(file_read_into(path, &out, &err), ERR_NONE);
    cr_expect_eq(out.size, 10 + FILE_READ_MAX);
    buf_release(&out);
}

Test(base_file, what_cannot_be_read_leaves_the_buffer_as_it_is) {
    struct buf out = {0};
    struct error err = {0};
    buf_puts(&out, "before");
    write_bytes(FILE_READ_MAX + 1);
    cr_expect_eq(file_read_into(path, &out, &err), ERR_PERMANENT);
    cr_expect_not_null(strstr(err.message, "larger than 1 MiB"));
    cr_expect_str_empty(err.code);
    cr_expect_eq(file_read_into(P_tmpdir, &out, &err), ERR_PERMANENT, "a folder");
    unlink(path);
    cr_expect_eq(file_read_into(path, &out, &err), ERR_PERMANENT);
    cr_expect_str_eq(err.code, "NotFound");
    cr_expect_str_eq(buf_text(&out), "before");
    buf_release(&out);
}
