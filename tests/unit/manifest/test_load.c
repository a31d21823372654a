/*
 * Loading of files and directories, with the problems that only several objects side by side show.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "manifest/load.h"

struct folder { /* A directory of its own for each test; paths in problems are relative to it. */
    char path[64];
    struct manifest_set set;
};

static struct folder folder;

static void folder_make(void) {
    str_copy(folder.path, sizeof(folder.path), "/tmp/trimtab-load-XXXXXX");
    cr_assert(mkdtemp(folder.path));
    cr_assert_eq(chdir(folder.path), 0);
}

static int entry_remove(const char *path, const struct stat *status, int flag, struct FTW *ftw) {
    (void)status, (void)flag, (void)ftw;
    return remove(path);
}

static void folder_remove(void) {
    manifest_set_release(&folder.set);
    nftw(folder.path, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(load, .init = folder_make, .fini = folder_remove);

static void put(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0, "%s", path);
}

#define HEAD(kind, name) "apiVersion: trimtab.dev/v1alpha1\nkind: " kind "\nmetadata: {name: " name "}\n"
#define BUDGET(name) HEAD("Budget", name) "spec: {amount: '1', currency: USD}\n"

/* Loads "." and compares all problems, each printed as file:line: path: message. */
static const struct manifest_set *check_problems(const char *expected) {
    const char *path = ".";
    manifest_load(&path, 1, "default", true, &folder.set);
    struct buf out = {0};
    for (size_t i = 0; i < folder.set.problem_count; i++) {
        const struct manifest_problem *it = &folder.set.problems[i];
        buf_printf(&out, "%s:%d: %s: %s\n", it->file, it->line, it->path, it->message);
    }
    cr_expect_str_eq(buf_text(&out), expected, "%s", buf_text(&out));
    buf_release(&out);
    return &folder.set;
}

Test(load, reads_directories_in_order_and_passes_over_what_is_no_manifest) {
    mkdir("b", 0700);
    mkdir(".git", 0700);
    put("b/x.yml", BUDGET("second"));
    put("a.yaml", BUDGET("first"));
    put("c.json",
        "{\"apiVersion\": \"trimtab.dev/v1alpha1\", \"kind\": \"Budget\", \"metadata\": {\"name\": \"third\", "
        "\"namespace\": \"other\"}, \"spec\": {\"amount\": \"1\", \"currency\": \"USD\"}}");
    put("d.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicas: -1}\n---\n"
                  "replicaCount: 1\n---\n[1, 2]\n---\njust text\n---\n"
                  "apiVersion: pkg.crossplane.io/v1\nkind: Provider\nmetadata: {name: y}\n");
    put(".hidden.yaml", "broken: [");
    put(".git/x.yaml", "broken: [");
    put("a.yaml~", "broken: [");
    put("a.yaml.swp", "broken: [");
    put("README.md", "# broken: [");
    cr_assert_eq(symlink("..", "b/up"), 0); /* Would run in circles. */
    const struct manifest_set *set = check_problems("");
    cr_expect_eq(set->file_count, 4u);
    cr_assert_eq(set->entry_count, 3u);
    cr_expect_str_eq(set->entries[0].object->name, "first");
    cr_expect_str_eq(set->entries[0].object->namespace, "default");
    cr_expect_str_eq(set->entries[0].file, "./a.yaml");
    cr_expect_eq(set->entries[0].line, 2);
    cr_expect_str_eq(set->entries[1].object->name, "second");
    cr_expect_str_eq(set->entries[1].file, "./b/x.yml");
    cr_expect_str_eq(set->entries[2].object->namespace, "other");
    cr_expect_str_eq(json_string(json_at(set->entries[0].json, "metadata.namespace"), ""), "default");
}

Test(load, one_bad_file_does_not_hide_the_others) {
    put("a.yaml", BUDGET("good"));
    put("b.yaml", "a: 1\na: 2\n");
    put("c.yaml", HEAD("Budget", "bad") "spec:\n  amount: '1'\n  currency: usd\n  period: Hourly\n");
    put("d.yaml", "---\n" BUDGET("better") "---\n" HEAD("Budgett", "x"));
    const struct manifest_set *set =
        check_problems("./b.yaml:2: : key \"a\" stands twice\n"
                       "./c.yaml:6: spec.currency: \"usd\" must be an ISO 4217 code, like USD\n"
                       "./c.yaml:7: spec.period: \"Hourly\" is not one of Daily, Weekly, Monthly, Quarterly, Yearly\n"
                       "./d.yaml:8: kind: \"Budgett\" is not a kind of trimtab.dev\n");
    cr_assert_eq(set->entry_count, 3u);
    cr_expect_str_eq(set->entries[1].object->name, "bad");
    cr_expect_str_neq(set->entries[1].object->fault, "");
    cr_expect_str_eq(set->entries[2].object->fault, "");
}

Test(load, a_target_without_a_region_is_a_cluster) {
    put("a.yaml",
        HEAD("Provider", "east") "spec: {type: kubernetes}\n---\n" HEAD(
            "Provider", "aws") "spec: {type: aws, regions: [r]}\n---\n" HEAD("ResourcePolicy",
                                                                             "web") "spec:\n  selector: {providers: "
                                                                                    "[east]}\n  placement:\n    "
                                                                                    "targets:\n    - {provider: east}\n"
                                                                                    "    - {provider: aws, region: "
                                                                                    "r}\n    - {provider: aws}\n    - "
                                                                                    "{provider: east, region: r}\n");
    const struct manifest_set *set = check_problems(
        "./a.yaml:20: spec.placement.targets[2].region: is required: Provider default/aws has regions\n"
        "./a.yaml:21: spec.placement.targets[3].region: a Kubernetes cluster is one place; remove the region\n");
    const struct provider *east = set->entries[0].object->as.provider;
    cr_assert_eq(east->region_count, 1u);
    cr_expect_str_eq(east->regions[0], CLOUD_REGION_CLUSTER);
    cr_expect_str_eq(set->entries[2].object->as.policy->placement.targets[0].region, CLOUD_REGION_CLUSTER);
}

Test(load, a_path_that_is_not_there_is_a_problem_of_its_own) {
    put("a.yaml", BUDGET("good"));
    const char *paths[] = {"a.yaml", "nowhere", "gone.yaml"};
    manifest_load(paths, ARRAY_LEN(paths), "default", true, &folder.set);
    cr_expect_eq(folder.set.entry_count, 1u);
    cr_assert_eq(folder.set.problem_count, 2u);
    cr_expect_str_eq(folder.set.problems[0].file, "gone.yaml");
    cr_expect_eq(folder.set.problems[0].line, 0);
    cr_expect(folder.set.problems[0].unreadable);
    cr_expect_str_eq(folder.set.problems[1].message, "No such file or directory");
}

Test(load, duplicates_name_both_places) {
    put("a.yaml", BUDGET("same") "---\n" BUDGET("other"));
    put("b.yaml", BUDGET("different") "---\n" BUDGET("same"));
    put("c.yaml", "apiVersion: trimtab.dev/v1alpha1\nkind: Budget\nmetadata:\n  name: same\n  namespace: elsewhere\n"
                  "spec: {amount: '1', currency: USD}\n");
    const struct manifest_set *set = check_problems("./b.yaml:8: metadata.name: Budget default/same stands already at "
                                                    "./a.yaml:2; remove one of them\n");
    cr_expect_eq(set->entry_count, 5u);
}

Test(load, lists_are_taken_apart) {
    put("a.yaml", "apiVersion: v1\nkind: List\nitems:\n"
                  "- apiVersion: trimtab.dev/v1alpha1\n  kind: Budget\n  metadata: {name: one}\n"
                  "  spec: {amount: '1', currency: USD}\n"
                  "- apiVersion: trimtab.dev/v1alpha1\n  kind: Budget\n  metadata: {name: two}\n"
                  "  spec:\n    amount: 1\n    currency: USD\n"
                  "- kind: ConfigMap\n  apiVersion: v1\n");
    const struct manifest_set *set = check_problems("./a.yaml:12: spec.amount: must be a string, not integer\n");
    cr_assert_eq(set->entry_count, 2u);
    cr_expect_eq(set->entries[1].line, 9);
}

Test(load, secrets_are_kept_apart_and_decoded) {
    put("a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: keys, namespace: platform}\n"
                  "data: {B: c2VjcmV0, A: \"aGk=\", S: eA==}\nstringData: {S: plain, C: also}\n---\n"
                  "apiVersion: v1\nkind: Secret\nmetadata: {name: bad}\ndata: {X: '***', N: AAA=}\n");
    const struct manifest_set *set =
        check_problems("./a.yaml:8: data.N: must be text in base64; put plain text under stringData\n"
                       "./a.yaml:8: data.X: must be text in base64; put plain text under stringData\n");
    cr_assert_eq(set->secret_count, 2u);
    const struct manifest_secret *secret = &set->secrets[0];
    cr_expect_str_eq(secret->namespace, "platform");
    cr_expect_str_eq(secret->name, "keys");
    static const struct tag expected[] = {{"A", "hi"}, {"B", "secret"}, {"C", "also"}, {"S", "plain"}};
    cr_assert_eq(secret->data_count, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        cr_expect_str_eq(secret->data[i].key, expected[i].key);
        cr_expect_str_eq(secret->data[i].value, expected[i].value);
    }
    cr_expect_str_eq(set->secrets[1].namespace, "default");
    cr_expect_eq(set->entry_count, 0u);
}

#define PROVIDER(name) HEAD("Provider", name) "spec: {type: aws, regions: [r]}\n"

Test(load, references_to_providers_are_followed_where_it_can_be_known) {
    put("a.yaml", PROVIDER("here") "---\napiVersion: trimtab.dev/v1alpha1\nkind: Provider\n"
                                   "metadata: {name: there, namespace: platform}\nspec: {type: aws, regions: [r]}\n");
    put("b.yaml", HEAD("ResourcePolicy", "x") "spec:\n  selector:\n    providers:\n    - here\n    - missing\n"
                                              "    - platform/there\n    - absent/entirely\n"
                                              "  placement:\n    targets:\n    - provider: platform/missing\n"
                                              "      region: r\n");
    check_problems("./b.yaml:8: spec.selector.providers[1]: there is no Provider default/missing\n"
                   "./b.yaml:9: spec.selector.providers[2]: Provider platform/there is not shared with namespace "
                   "default; add it to spec.sharing there\n"
                   "./b.yaml:13: spec.placement.targets[0].provider: there is no Provider platform/missing\n");
    manifest_set_release(&folder.set);
    const char *path = ".";
    manifest_load(&path, 1, "default", false, &folder.set);
    cr_expect_eq(folder.set.problem_count, 0u, "complete = false turns these off");
}

#define CHILD(name, parent) HEAD("Budget", name) "spec: {amount: '1', currency: USD, parentRef: {name: " parent "}}\n"

Test(load, budget_parents_exist_and_run_in_no_circle) {
    put("a.yaml", CHILD("a", "b") "---\n" CHILD("b", "c") "---\n" BUDGET("c"));
    put("b.yaml", CHILD("self", "self"));
    put("c.yaml", CHILD("x", "y") "---\n" CHILD("y", "z") "---\n" CHILD("z", "x"));
    put("d.yaml", CHILD("leads-in", "x"));
    put("e.yaml", CHILD("orphan", "nobody"));
    check_problems("./b.yaml:4: spec.parentRef: the parents run in a circle that comes back to this Budget\n"
                   "./c.yaml:4: spec.parentRef: the parents run in a circle that comes back to this Budget\n"
                   "./c.yaml:9: spec.parentRef: the parents run in a circle that comes back to this Budget\n"
                   "./c.yaml:14: spec.parentRef: the parents run in a circle that comes back to this Budget\n"
                   "./d.yaml:4: spec.parentRef: the parents of this Budget run in a circle\n"
                   "./e.yaml:4: spec.parentRef.name: there is no Budget default/nobody\n");
}

Test(load, provider_files_are_relative_to_the_manifest) {
    mkdir("sub", 0700);
    put("sub/a.yaml", PROVIDER("p"));
    const struct manifest_set *set = check_problems("");
    cr_expect_str_eq(set->entries[0].object->as.provider->base_dir, "./sub");
    manifest_set_release(&folder.set);
    cr_assert_eq(chdir("sub"), 0);
    const char *path = "a.yaml";
    manifest_load(&path, 1, "default", true, &folder.set);
    cr_expect_str_eq(folder.set.entries[0].object->as.provider->base_dir, ".");
}

Test(load, a_file_that_is_too_large_is_refused_unread) {
    FILE *file = fopen("a.yaml", "w");
    cr_assert(file && fseek(file, 1L << 30, SEEK_SET) == 0 && fputc('x', file) == 'x' && fclose(file) == 0);
    const char *path = "a.yaml";
    manifest_load(&path, 1, "default", true, &folder.set);
    cr_assert_eq(folder.set.problem_count, 1u);
    cr_expect(strstr(folder.set.problems[0].message, "at most 4194304 are taken"), "%s",
              folder.set.problems[0].message);
}
