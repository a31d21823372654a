/*
 * trimtab check: validates manifests offline, for people and for the CI of a GitOps repository.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/cli.h"
#include "manifest/load.h"

static const char usage[] =
    "Usage: trimtab check DIR|FILE... [-o text|json] [-n NAMESPACE]\n"
    "Validates manifests without a cluster: schemas, schedules, time zones, duplicates, and references within a DIR.\n"
    "  -o, --output text|json      how faults are printed: file:line: path: message, or a JSON array\n"
    "  -n, --namespace NAMESPACE   namespace of objects that name none (default)\n"
    "  -h, --help                  this text\n"
    "Exit: 0 no faults, 1 faults, 2 something could not be read, 64 usage.\n";

static void print_text(const struct manifest_set *set) {
    for (size_t i = 0; i < set->problem_count; i++) {
        const struct manifest_problem *it = &set->problems[i];
        printf("%s", it->file);
        if (it->line > 0)
            printf(":%d", it->line);
        printf(": %s%s%s\n", it->path, *it->path ? ": " : "", it->message);
    }
}

static void print_json(const struct manifest_set *set) {
    struct buf out = {0};
    struct json_writer w = {.out = &out};
    jw_open(&w, '[');
    for (size_t i = 0; i < set->problem_count; i++) {
        const struct manifest_problem *it = &set->problems[i];
        jw_open(&w, '{');
        jw_put_string(&w, "file", it->file);
        jw_put_int(&w, "line", it->line);
        jw_put_string(&w, "path", it->path);
        jw_put_string(&w, "message", it->message);
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    puts(buf_text(&out));
    buf_release(&out);
}

static bool has_unreadable(const struct manifest_set *set) {
    for (size_t i = 0; i < set->problem_count; i++) {
        if (set->problems[i].unreadable)
            return true;
    }
    return false;
}

static bool has_directory(char *const *paths, size_t count) {
    struct stat status;
    for (size_t i = 0; i < count; i++) {
        if (stat(paths[i], &status) == 0 && S_ISDIR(status.st_mode))
            return true;
    }
    return false;
}

static int check_paths(char *const *paths, size_t count, const char *namespace, bool as_json) {
    struct manifest_set set;
    manifest_load((const char *const *)paths, count, namespace, has_directory(paths, count), &set);
    if (as_json)
        print_json(&set);
    else
        print_text(&set);
    fprintf(stderr, "%zu object%s in %zu file%s: %zu fault%s\n", set.entry_count, set.entry_count == 1 ? "" : "s",
            set.file_count, set.file_count == 1 ? "" : "s", set.problem_count, set.problem_count == 1 ? "" : "s");
    int code = has_unreadable(&set) ? CLI_FAILED : set.problem_count > 0 ? CLI_FAULTS : CLI_DONE;
    manifest_set_release(&set);
    return code;
}

int cli_check(int argc, char **argv) {
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"namespace", required_argument, NULL, 'n'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *output = "text", *namespace = "default";
    optind = 0; /* glibc: start over, the arguments are not those of main. */
    for (int option; (option = getopt_long(argc, argv, "o:n:h", options, NULL)) != -1;) {
        if (option == 'o') {
            output = optarg;
        } else if (option == 'n') {
            namespace = optarg;
        } else {
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? CLI_DONE : CLI_USAGE;
        }
    }
    bool is_output_known = str_eq(output, "text") || str_eq(output, "json");
    if (optind == argc || !is_output_known) {
        if (!is_output_known)
            fprintf(stderr, "trimtab check: output \"%s\" is not text or json\n", output);
        fputs(usage, stderr);
        return CLI_USAGE;
    }
    return check_paths(argv + optind, (size_t)(argc - optind), namespace, str_eq(output, "json"));
}
