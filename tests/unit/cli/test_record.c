/*
 * Records of plans: whole or not at all, for their owner alone, read back as they were written.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/record.h"

static char folder[] = P_tmpdir "/trimtab-record-XXXXXX";
static char path[64];

static void make_folder(void) {
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/shop.web.json", folder);
}

static void remove_folder(void) {
    (void)unlink(path);
    (void)rmdir(folder);
}

TestSuite(record, .init = make_folder, .fini = remove_folder);

static const struct object policy = {.kind = OBJECT_POLICY, .namespace = "shop", .name = "web"};
static const struct snapshot_source source = {
    .provider = "p/a", .region = "r", .kind = CLOUD_INSTANCE_GROUP, .message = ""};
static const struct snapshot snapshot = {.as_of_ms = 5, .sources = &source, .source_count = 1};
static const struct plan plan = {.hash = "0123456789abcdef"};

static void keep(void) {
    const struct plan_input input = {.snapshot = &snapshot, .headroom = {.freeze_growth = true, .budget = "shop/b"}};
    struct error err;
    cr_assert_eq(record_keep(folder, &policy, &input, &plan, &err), ERR_NONE, "%s", err.message);
}

static size_t file_count(void) {
    size_t count = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *it; (it = readdir(dir));)
        count += !str_eq(it->d_name, ".") && !str_eq(it->d_name, "..");
    closedir(dir);
    return count;
}

Test(record, what_was_kept_is_read_back) {
    struct record_set set;
    struct error err;
    keep();
    cr_assert_eq(record_read(path, &set, &err), ERR_NONE, "%s", err.message);
    cr_assert_eq(set.count, 1);
    cr_assert_str_eq(set.items[0].policy, "shop/web");
    cr_assert(set.items[0].headroom.freeze_growth);
    cr_assert_not(set.items[0].headroom.shrink_to_minimum);
    cr_assert_str_eq(set.items[0].headroom.budget, "shop/b");
    cr_assert_eq(set.items[0].snapshot.as_of_ms, 5);
    cr_assert_str_eq(json_string(json_get(set.items[0].plan, "hash"), ""), "0123456789abcdef");
    record_set_release(&set);
}

Test(record, the_newest_replaces_the_one_before_and_leaves_nothing_else_behind) {
    struct stat is;
    keep();
    keep();
    cr_assert_eq(file_count(), 1);
    cr_assert_eq(stat(path, &is), 0);
    cr_assert_eq(is.st_mode & 0777, 0600);
}

Test(record, a_record_that_cannot_be_written_is_an_error_and_leaves_nothing) {
    struct error err;
    struct buf text = {0};
    buf_puts(&text, "{}");
    cr_assert_eq(mkdir(path, 0700), 0); /* A folder stands where the file should go. */
    cr_assert_eq(record_write(path, &text, &err), ERR_RETRYABLE);
    cr_assert(strstr(err.message, path), "%s", err.message);
    cr_assert_eq(file_count(), 1);
    cr_assert_eq(rmdir(path), 0);
    cr_assert_eq(record_write("no-such-folder/x.json", &text, &err), ERR_RETRYABLE);
    buf_release(&text);
}

Test(record, a_folder_is_made_unless_it_is_there) {
    struct error err;
    struct stat is;
    cr_assert_eq(record_folder_make(path, &err), ERR_NONE);
    cr_assert_eq(record_folder_make(path, &err), ERR_NONE);
    cr_assert_eq(stat(path, &is), 0);
    cr_assert_eq(is.st_mode & 0777, 0700);
    cr_assert_eq(rmdir(path), 0);
    keep();
    cr_assert_eq(record_folder_make(path, &err), ERR_PERMANENT);
}

Test(record, a_file_that_is_not_there_is_told_apart_from_one_that_is_faulty) {
    struct record_set set;
    struct error err;
    cr_assert_eq(record_read("no-such-folder/x.json", &set, &err), ERR_RETRYABLE);
    cr_assert_eq(record_read(folder, &set, &err), ERR_RETRYABLE);
    struct buf text = {0};
    buf_puts(&text, "{\"sources\":");
    cr_assert_eq(record_write(path, &text, &err), ERR_NONE);
    cr_assert_eq(record_read(path, &set, &err), ERR_PERMANENT);
    buf_release(&text);
}

#define EMPTY "\"snapshot\":{\"asOf\":null,\"sources\":[],\"resources\":[]}"
#define HEAD "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":"

static const struct {
    const char *text, *message;
} faults[] = {
    {"{\"kind\":\"PlanRecord\"}", "apiVersion: trimtab.dev/v1alpha1 is expected"},
    {HEAD "\"Pod\"}", "kind: PlanRecord or PlanRecordList is expected"},
    {HEAD "\"PlanRecord\"}", "policy: a string is expected"},
    {HEAD "\"PlanRecord\",\"policy\":\"a/b\"}", "snapshot: snapshot: an object is expected"},
    {HEAD "\"PlanRecord\",\"policy\":\"a/b\",\"plan\":1," EMPTY "}", "plan: an object is expected"},
    {HEAD "\"PlanRecord\",\"policy\":\"a/b\",\"headroom\":{}," EMPTY "}", "headroom: freezeGrowth"},
    {HEAD "\"PlanRecordList\"}", "items: an array is expected"},
    {HEAD "\"PlanRecordList\",\"items\":[{\"policy\":\"a/b\"," EMPTY "},{}]}", "items[1]: policy: a string"},
    {"{}", "sources: an array is expected"},
};

Test(record, a_fault_is_told_with_its_path) {
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        struct record_set set;
        struct error err = {0};
        cr_assert_eq(record_parse(bytes_of(faults[i].text), &set, &err), ERR_PERMANENT, "%s", faults[i].text);
        cr_assert(str_has_prefix(err.message, faults[i].message), "%s", err.message);
    }
}

Test(record, lists_and_bare_snapshots_are_taken_too) {
    struct record_set set;
    struct error err;
    const char *list =
        HEAD "\"PlanRecordList\",\"items\":[{\"policy\":\"a/b\"," EMPTY "},{\"policy\":\"a/c\"," EMPTY "}]}";
    cr_assert_eq(record_parse(bytes_of(list), &set, &err), ERR_NONE, "%s", err.message);
    cr_assert_eq(set.count, 2);
    cr_assert_str_eq(set.items[1].policy, "a/c");
    cr_assert_null(set.items[1].plan);
    record_set_release(&set);
    cr_assert_eq(record_parse(bytes_of("{\"asOf\":null,\"sources\":[],\"resources\":[]}"), &set, &err), ERR_NONE);
    cr_assert_eq(set.count, 1);
    cr_assert_null(set.items[0].policy);
    record_set_release(&set);
}
