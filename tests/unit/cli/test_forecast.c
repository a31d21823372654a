/*
 * `trimtab forecast` as a user runs it: exit codes, and what stands on standard output.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static char path[128], out_path[160], policy_path[160], output[65536];

static void make_file(void) {
    strcpy(path, P_tmpdir "/trimtab-forecast-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    snprintf(out_path, sizeof(out_path), "%s.out", path);
    snprintf(policy_path, sizeof(policy_path), "%s.yaml", path);
}

static void remove_file(void) {
    unlink(path);
    unlink(out_path);
    unlink(policy_path);
}

TestSuite(cli_forecast, .init = make_file, .fini = remove_file);

static void write_rows(size_t count, const char *bad) {
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs("timestamp,value\n", file);
    for (size_t i = 0; i < count; i++)
        fprintf(file, "2026-01-%02zuT%02zu:%02zu:00Z,%zu\n", i / 288 + 1, i / 12 % 24, i % 12 * 5, i % 288);
    if (bad)
        fprintf(file, "%s\n", bad);
    fclose(file);
}

/* Documents of policies with these events. */
static void write_policies(size_t count, const char *events) {
    FILE *file = fopen(policy_path, "w");
    cr_assert_not_null(file);
    for (size_t i = 0; i < count; i++)
        fprintf(file,
                "---\napiVersion: trimtab.dev/v1alpha1\nkind: ResourcePolicy\nmetadata: {name: p%zu}\n"
                "spec: {selector: {providers: [p]}, forecast: {events: [%s]}}\n",
                i, events);
    fclose(file);
}

/* Arguments in one text, parted by spaces; FILE stands for the file, POLICY for that of policies. Fills `output`. */
static int run(const char *text) {
    char copy[256], *argv[16] = {(char[]){"forecast"}};
    int argc = 1;
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *rest = copy, *word; (word = strsep(&rest, " "));)
        argv[argc++] = strcmp(word, "FILE") == 0 ? path : strcmp(word, "POLICY") == 0 ? policy_path : word;
    fflush(stdout);
    int saved = dup(1);
    FILE *file = freopen(out_path, "w", stdout);
    cr_assert_not_null(file);
    int code = cli_forecast(argc, argv);
    fflush(stdout);
    dup2(saved, 1);
    close(saved);
    file = fopen(out_path, "r");
    output[fread(output, 1, sizeof(output) - 1, file)] = '\0';
    fclose(file);
    return code;
}

Test(cli_forecast, prints_steps_and_quantiles) {
    write_rows(4 * 288, NULL);
    cr_assert_eq(run("--horizon 3 --quantiles 0.5,0.99 FILE"), CLI_DONE);
    cr_assert_str_eq(output, "step,q0.5,q0.99\n1,0,0\n2,1,1\n3,2,2\n");
}

Test(cli_forecast, a_cost_of_violations_stands_in_for_quantiles) {
    write_rows(4 * 288, NULL);
    cr_assert_eq(run("--horizon 2 --violation-costs 1,1e6 FILE"), CLI_DONE);
    cr_assert_str_eq(output, "step,cost1,cost1000000\n1,0,0\n2,1,1\n");
    cr_expect_eq(run("--violation-costs 1 --quantiles 0.5 FILE"), CLI_USAGE);
    cr_expect_eq(run("--violation-costs 0 FILE"), CLI_USAGE);
    cr_expect_eq(run("--violation-costs 1,,2 FILE"), CLI_USAGE);
    cr_expect_eq(run("--violation-costs nan FILE"), CLI_USAGE);
}

Test(cli_forecast, origins_know_only_what_is_before_them) {
    write_rows(4 * 288, NULL);
    cr_assert_eq(run("--horizon 2 --quantiles 0.5 --origins 0,676,1152 FILE"), CLI_DONE);
    cr_assert_str_eq(output, "origin,step,q0.5\n0,1,0\n0,2,0\n676,1,100\n676,2,101\n1152,1,0\n1152,2,1\n");
}

Test(cli_forecast, a_day_is_the_default_horizon) {
    write_rows(4 * 288, NULL);
    cr_assert_eq(run("FILE"), CLI_DONE);
    cr_assert_not_null(strstr(output, "step,q0.5,q0.9,q0.95,q0.99\n"));
    cr_assert_not_null(strstr(output, "\n288,"));
    cr_assert_null(strstr(output, "\n289,"));
}

/* The rows end on 5 January 2026 at 00:00. */
Test(cli_forecast, a_policys_events_are_put_on) {
    write_rows(4 * 288, NULL);
    write_policies(1, "{name: a, start: '2026-01-05T00:05:00Z', duration: 5m, factorPercent: 300}");
    cr_assert_eq(run("-f POLICY --horizon 3 --quantiles 0.5 FILE"), CLI_DONE);
    cr_assert_str_eq(output, "step,q0.5\n1,0\n2,3\n3,2\n");
    write_policies(1, "");
    cr_assert_eq(run("--file POLICY --horizon 3 --quantiles 0.5 FILE"), CLI_DONE);
    cr_assert_str_eq(output, "step,q0.5\n1,0\n2,1\n3,2\n");
    write_policies(2, "");
    cr_assert_eq(run("-f POLICY FILE"), CLI_FAULTS);
    write_policies(0, "");
    cr_assert_eq(run("-f POLICY FILE"), CLI_FAULTS);
    write_policies(1, "{name: a, duration: 5m, factorPercent: 300}");
    cr_assert_eq(run("-f POLICY FILE"), CLI_FAULTS);
    cr_assert_str_empty(output);
    cr_assert_eq(run("-f /nonexistent.yaml FILE"), CLI_FAILED);
}

Test(cli_forecast, exit_codes_tell_usage_faults_and_failures) {
    static const struct {
        const char *arguments;
        int code;
    } rows[] = {
        {"--help", CLI_DONE},
        {"FILE", CLI_FAULTS}, /* The last row of it is bad. */
        {"/nonexistent.csv", CLI_FAILED},
        {"FILE FILE", CLI_USAGE},
        {"--bogus FILE", CLI_USAGE},
        {"--horizon 0 FILE", CLI_USAGE},
        {"--horizon 4097 FILE", CLI_USAGE},
        {"--horizon x FILE", CLI_USAGE},
        {"--quantiles 0.9,0.5 FILE", CLI_USAGE},
        {"--quantiles 0.5,1 FILE", CLI_USAGE},
        {"--quantiles , FILE", CLI_USAGE},
        {"--origins -1 FILE", CLI_USAGE},
        {"--origins 1,,2 FILE", CLI_USAGE},
    };
    write_rows(10, "2026-01-01T01:00:00Z,x");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        cr_expect_eq(run(rows[i].arguments), rows[i].code, "%s", rows[i].arguments);
        if (rows[i].code != CLI_DONE)
            cr_expect_str_empty(output, "%s", rows[i].arguments);
    }
    write_rows(10, NULL);
    cr_expect_eq(run("--origins 10 --horizon 1 FILE"), CLI_DONE);
    cr_expect_eq(run("--origins 11 --horizon 1 FILE"), CLI_USAGE);
    cr_expect_eq(run("--plot /nonexistent/f.svg FILE"), CLI_FAILED);
}
