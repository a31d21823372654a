/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/metrics.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char *const cloud_labels[] = {"cloud", "kind", NULL};
static const char *const one_label[] = {"n", NULL};
static const struct metric plans = {"trimtab_plans_total", "Plans made.", METRIC_COUNTER, NULL, NULL};
static const struct metric resources = {"trimtab_resources", "Resources\nseen.", METRIC_GAUGE, cloud_labels, NULL};
static const double two_buckets[] = {0.5, 2, 0};
static const struct metric took = {"trimtab_plan_seconds", "Time.", METRIC_HISTOGRAM, NULL, two_buckets};
static const struct metric many = {"trimtab_many", "Many.", METRIC_COUNTER, one_label, NULL};
static const struct metric early = {"a_first", "First.", METRIC_GAUGE, NULL, NULL};

static struct metrics *metrics;
static struct buf out;

static void setup(void) {
    metrics = metrics_new();
}
static void teardown(void) {
    metrics_free(metrics);
    buf_release(&out);
}
TestSuite(base_metrics, .init = setup, .fini = teardown);

static const char *printed(void) {
    buf_clear(&out);
    metrics_print(metrics, &out);
    return buf_text(&out);
}

static void expect_text(const char *part) {
    cr_assert(strstr(printed(), part), "missing:\n%s\nin:\n%s", part, buf_text(&out));
}

Test(base_metrics, counts_without_labels) {
    metrics_add(metrics, &plans, NULL, 1);
    metrics_add(metrics, &plans, NULL, 2.5);
    expect_text(
        "# HELP trimtab_plans_total Plans made.\n# TYPE trimtab_plans_total counter\ntrimtab_plans_total 3.5\n");
}

Test(base_metrics, sorts_series_by_labels_and_escapes_values) {
    metrics_set(metrics, &resources, METRIC_LABELS("gcp", "Bucket"), 7);
    metrics_set(metrics, &resources, METRIC_LABELS("aws", "a\"b\\c\nd"), 1);
    metrics_set(metrics, &resources, METRIC_LABELS("gcp", "Bucket"), 8);
    expect_text("# HELP trimtab_resources Resources\\nseen.\n# TYPE trimtab_resources gauge\n"
                "trimtab_resources{cloud=\"aws\",kind=\"a\\\"b\\\\c\\nd\"} 1\n"
                "trimtab_resources{cloud=\"gcp\",kind=\"Bucket\"} 8\n");
}

Test(base_metrics, cumulates_histogram_buckets_and_counts_what_is_above_all) {
    metrics_observe(metrics, &took, NULL, 0.5);
    metrics_observe(metrics, &took, NULL, 1);
    metrics_observe(metrics, &took, NULL, 100);
    expect_text("trimtab_plan_seconds_bucket{le=\"0.5\"} 1\n"
                "trimtab_plan_seconds_bucket{le=\"2\"} 2\n"
                "trimtab_plan_seconds_bucket{le=\"+Inf\"} 3\n"
                "trimtab_plan_seconds_sum 101.5\n"
                "trimtab_plan_seconds_count 3\n");
}

Test(base_metrics, removes_a_series_and_then_the_empty_family) {
    metrics_set(metrics, &resources, METRIC_LABELS("aws", "Bucket"), 7);
    metrics_remove(metrics, &resources, METRIC_LABELS("aws", "Bucket"));
    metrics_remove(metrics, &resources, METRIC_LABELS("aws", "never seen"));
    cr_assert_null(strstr(printed(), "trimtab_resources"));
}

Test(base_metrics, bounds_the_series_of_a_family) {
    char text[24];
    for (int i = 0; i < METRICS_SERIES_MAX + 50; i++) {
        snprintf(text, sizeof(text), "%d", i);
        metrics_add(metrics, &many, METRIC_LABELS(text), 1);
    }
    metrics_add(metrics, &many, METRIC_LABELS("0"), 1);
    expect_text("trimtab_many{n=\"0\"} 2\n");
    expect_text("trimtab_many{other=\"true\"} 50\n");
    size_t lines = 0;
    for (const char *at = buf_text(&out); (at = strstr(at, "\ntrimtab_many{")); at++)
        lines++;
    cr_assert_eq(lines, METRICS_SERIES_MAX + 1);
}

Test(base_metrics, prints_families_by_name_with_those_of_the_process_among_them) {
    metrics_add(metrics, &plans, NULL, 1);
    metrics_set(metrics, &early, NULL, 0.1);
    const char *text = printed();
    const char *first = strstr(text, "\na_first 0.1\n"), *process = strstr(text, "\nprocess_cpu_seconds_total "),
               *last = strstr(text, "\ntrimtab_plans_total 1\n");
    cr_assert(first && process && last, "%s", text);
    cr_assert(first < process && process < last);
    const char *const names[] = {"process_open_fds", "process_resident_memory_bytes", "process_start_time_seconds"};
    for (size_t i = 0; i < 3; i++) {
        char pattern[64];
        snprintf(pattern, sizeof(pattern), "\n%s ", names[i]);
        const char *line = strstr(text, pattern);
        double value = 0;
        cr_assert(line && sscanf(line + strlen(pattern), "%lf", &value) == 1 && value > 0, "%s", names[i]);
    }
}
