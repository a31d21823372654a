/*
 * The corpus of tests/data/manifests and the examples: what is valid has no fault, what is invalid has the one that its
 * first line says. tests/integration/test_crds.py holds the same files against an API server.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "manifest/load.h"

#define CORPUS "tests/data/manifests"
#define EXPECT "# expect: "

static void check_clean(const char *path) {
    struct manifest_set set;
    manifest_load(&path, 1, "default", true, &set);
    for (size_t i = 0; i < set.problem_count; i++)
        cr_expect_fail("%s:%d: %s: %s", set.problems[i].file, set.problems[i].line, set.problems[i].path,
                       set.problems[i].message);
    cr_expect_gt(set.entry_count, 5u, "%s", path);
    manifest_set_release(&set);
}

Test(corpus, valid_manifests_have_no_fault) {
    check_clean(CORPUS "/valid");
}

Test(corpus, examples_have_no_fault) {
    check_clean("crds/examples");
}

static void check_refused(const char *path) {
    char line[256] = "";
    FILE *file = fopen(path, "r");
    cr_assert(file && fgets(line, sizeof(line), file), "%s", path);
    fclose(file);
    cr_assert(str_has_prefix(line, EXPECT), "%s has no expectation", path);
    line[strcspn(line, "\n")] = '\0';
    const char *expected = line + strlen(EXPECT);

    struct manifest_set set;
    manifest_load(&path, 1, "default", false, &set);
    bool is_found = false;
    for (size_t i = 0; i < set.problem_count; i++) {
        const struct manifest_problem *it = &set.problems[i];
        char text[512];
        snprintf(text, sizeof(text), "%s%s%s", it->path, *it->path ? ": " : "", it->message);
        is_found |= strstr(text, expected) != NULL;
        cr_expect_gt(it->line, 0, "%s: %s has no line", path, text);
    }
    cr_expect(is_found, "%s: %zu problems, none of them \"%s\"; the first: %s", path, set.problem_count, expected,
              set.problem_count > 0 ? set.problems[0].message : "");
    for (size_t i = 0; i < set.entry_count; i++)
        cr_expect_str_neq(set.entries[i].object->fault, "", "%s", path);
    manifest_set_release(&set);
}

Test(corpus, invalid_manifests_are_refused_as_they_say) {
    DIR *directory = opendir(CORPUS "/invalid");
    cr_assert(directory, "run from the root of the repository");
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (!str_has_suffix(entry->d_name, ".yaml"))
            continue;
        char *path = mem_printf(CORPUS "/invalid/%s", entry->d_name);
        check_refused(path);
        mem_free(path);
        count++;
    }
    closedir(directory);
    cr_expect_gt(count, 100u);
}
