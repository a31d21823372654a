/*
 * trimtab check: what it prints and how it exits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"

#define VALID "tests/data/manifests/valid"
#define INVALID "tests/data/manifests/invalid/"

static int check(const char *a, const char *b, const char *c) {
    char *argv[5] = {mem_strdup("check"), mem_strdup(a), mem_strdup(b), mem_strdup(c), NULL};
    int argc = 1 + (a != NULL) + (b != NULL) + (c != NULL);
    cr_redirect_stdout();
    cr_redirect_stderr();
    int code = cli_check(argc, argv);
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < argc; i++)
        mem_free(argv[i]);
    return code;
}

Test(cli_check, valid_directory) {
    cr_expect_eq(check(VALID, NULL, NULL), 0);
    cr_expect_stdout_eq_str("");
    cr_expect_stderr_eq_str("20 objects in 15 files: 0 faults\n");
}

Test(cli_check, faults_bear_file_line_path_and_message) {
    cr_expect_eq(check(INVALID "policy-min-above-max.yaml", INVALID "yaml-duplicate-key.yaml", NULL), 1);
    cr_expect_stdout_eq_str(
        INVALID "policy-min-above-max.yaml:8: spec.capacity.min: 5 is above max 3; lower min or raise max\n" INVALID
                "yaml-duplicate-key.yaml:8: key \"mode\" stands twice\n");
    cr_expect_stderr_eq_str("1 object in 2 files: 2 faults\n");
}

Test(cli_check, faults_as_json) {
    cr_expect_eq(check("-o", "json", INVALID "frame-no-spec.yaml"), 1);
    cr_expect_stdout_eq_str("[{\"file\":\"" INVALID
                            "frame-no-spec.yaml\",\"line\":3,\"path\":\"spec\",\"message\":\"is required\"}]\n");
}

Test(cli_check, no_faults_as_json) {
    cr_expect_eq(check("--output=json", VALID, NULL), 0);
    cr_expect_stdout_eq_str("[]\n");
}

Test(cli_check, what_cannot_be_read_is_no_fault) {
    cr_expect_eq(check("nowhere.yaml", NULL, NULL), 2);
    cr_expect_stdout_eq_str("nowhere.yaml: No such file or directory\n");
}

Test(cli_check, usage) {
    cr_expect_eq(check(NULL, NULL, NULL), 64);
    cr_expect_stdout_eq_str("");
}

Test(cli_check, unknown_options_and_formats_are_usage) {
    cr_expect_eq(check("--frobnicate", VALID, NULL), 64);
    cr_expect_eq(check("-o", "xml", VALID), 64);
    cr_expect_eq(check("-o", "json", NULL), 64);
    cr_expect_eq(check("--help", NULL, NULL), 0);
}
