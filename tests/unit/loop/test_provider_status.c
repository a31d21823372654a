/*
 * What a Provider's conditions say: which account, region and kind, what happened, what to do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "loop/loop_internal.h"

static const struct error none;
static struct error denied, later;
static struct arena arena;

static void set_up(void) {
    (void)error_set(&denied, ERR_PERMISSION, "ListBuckets: AccessDenied");
    (void)error_set(&later, ERR_RETRYABLE, "timed out");
}

static void tear_down(void) {
    arena_release(&arena);
}

TestSuite(provider_status, .init = set_up, .fini = tear_down);

static struct observe_report report_make(void) {
    return (struct observe_report){.open = true,
                                   .listed = true,
                                   .account = "123",
                                   .trouble = {.region = ""},
                                   .partly = {.region = ""},
                                   .prices = {.source = ""}};
}

static struct observe_shelf_report shelf(enum cloud_kind kind, enum source_state state, const struct error *error) {
    return (struct observe_shelf_report){.region = "r1", .kind = kind, .state = state, .error = error};
}

static const struct status_condition *condition(const struct status_summary *summary, enum condition_type type) {
    for (size_t i = 0; i < summary->more_count; i++)
        if (summary->more[i].type == type)
            return &summary->more[i];
    return NULL;
}

#define HAS(text, part) cr_expect(strstr(text, part), "%s", text)

Test(provider_status, all_is_well) {
    struct observe_report report = report_make();
    const struct observe_shelf_report shelves[] = {shelf(CLOUD_INSTANCE, SOURCE_FRESH, &none)};
    struct status_summary summary = provider_summary(&none, &report, shelves, 1, &arena);
    cr_expect_eq(summary.progress, PROGRESS_READY);
    cr_expect_str_eq(summary.reason, "Listed");
    cr_expect_eq(condition(&summary, CONDITION_OBSERVED)->status, CONDITION_TRUE);
    cr_expect_null(condition(&summary, CONDITION_PRICES_CURRENT), "no price is known");
}

Test(provider_status, a_kind_that_is_denied_is_named_and_the_provider_is_ready) {
    struct observe_report report = report_make();
    report.listed = false;
    report.partly = (struct observe_trouble){denied, "r1", CLOUD_BUCKET};
    const struct observe_shelf_report shelves[] = {shelf(CLOUD_INSTANCE, SOURCE_FRESH, &none),
                                                   shelf(CLOUD_BUCKET, SOURCE_MISSING, &denied)};
    struct status_summary summary = provider_summary(&none, &report, shelves, 2, &arena);
    cr_expect_eq(summary.progress, PROGRESS_READY);
    cr_expect_str_eq(summary.reason, "PartlyListed");
    HAS(summary.message, "account 123, r1 Bucket: ListBuckets: AccessDenied");
    const struct status_condition *observed = condition(&summary, CONDITION_OBSERVED);
    cr_expect_eq(observed->status, CONDITION_FALSE);
    cr_expect_str_eq(observed->reason, "Permission");
    HAS(observed->message, "account 123: r1 Bucket: ListBuckets: AccessDenied");
    HAS(observed->message, "To do: check the credentials and their permissions");
}

Test(provider_status, a_region_of_which_nothing_is_listed_is_stalled_or_tried_again) {
    struct observe_report report = report_make();
    const struct observe_shelf_report shelves[] = {shelf(CLOUD_INSTANCE, SOURCE_MISSING, &denied)};
    report.trouble = (struct observe_trouble){denied, "r1", CLOUD_INSTANCE};
    struct status_summary summary = provider_summary(&none, &report, shelves, 1, &arena);
    cr_expect_eq(summary.progress, PROGRESS_STALLED);
    cr_expect_str_eq(summary.reason, "Permission");
    report.trouble = (struct observe_trouble){later, "r1", CLOUD_INSTANCE};
    summary = provider_summary(&none, &report, shelves, 1, &arena);
    cr_expect_eq(summary.progress, PROGRESS_RECONCILING);
    HAS(summary.message, "it is tried again");
}

Test(provider_status, what_is_cut_is_said_with_its_number_and_what_to_do) {
    struct observe_report report = report_make();
    report.truncated = true;
    struct observe_shelf_report shelves[] = {shelf(CLOUD_INSTANCE, SOURCE_TRUNCATED, &none),
                                             shelf(CLOUD_VOLUME, SOURCE_TRUNCATED, &none)};
    shelves[0].limit = 100000;
    shelves[1].limit = 200000;
    shelves[1].is_limit_of_provider = true;
    struct status_summary summary = provider_summary(&none, &report, shelves, 2, &arena);
    cr_expect_str_eq(summary.reason, "Truncated");
    const struct status_condition *observed = condition(&summary, CONDITION_OBSERVED);
    cr_expect_str_eq(observed->reason, "Truncated");
    HAS(observed->message, "r1 Instance: cut at 100000; r1 Volume: cut, more than the 200000");
    HAS(observed->message, "raise --list-max");
}

Test(provider_status, of_many_in_trouble_few_are_named_and_the_rest_is_counted) {
    struct observe_report report = report_make();
    report.partly = (struct observe_trouble){denied, "r1", CLOUD_BUCKET};
    struct observe_shelf_report shelves[CLOUD_KIND_COUNT];
    for (size_t i = 0; i < ARRAY_LEN(shelves); i++)
        shelves[i] = shelf((enum cloud_kind)i, SOURCE_STALE, i == CLOUD_BUCKET ? &denied : &none);
    struct status_summary summary = provider_summary(&none, &report, shelves, ARRAY_LEN(shelves), &arena);
    const struct status_condition *observed = condition(&summary, CONDITION_OBSERVED);
    cr_expect_str_eq(observed->reason, "Permission", "the worst rules");
    HAS(observed->message, "and 5 more");
}

Test(provider_status, old_prices_are_said_with_source_and_date) {
    struct observe_report report = report_make();
    const struct observe_shelf_report shelves[] = {shelf(CLOUD_INSTANCE, SOURCE_FRESH, &none)};
    report.prices =
        (struct observe_prices){.known = 9, .stale = 2, .source = "catalogue x", .oldest_ms = INT64_C(1784505600000)};
    struct status_summary summary = provider_summary(&none, &report, shelves, 1, &arena);
    cr_expect_eq(summary.progress, PROGRESS_READY, "plans go on with them");
    const struct status_condition *prices = condition(&summary, CONDITION_PRICES_CURRENT);
    cr_expect_eq(prices->status, CONDITION_FALSE);
    cr_expect_str_eq(prices->reason, "Stale");
    HAS(prices->message, "catalogue x of 2026-07-20;");
    report.prices.stale = 0;
    summary = provider_summary(&none, &report, shelves, 1, &arena);
    cr_expect_eq(condition(&summary, CONDITION_PRICES_CURRENT)->status, CONDITION_TRUE);
}

Test(provider_status, what_is_not_open_or_not_listed_yet_passes) {
    struct observe_report report = report_make();
    report.listed = false;
    struct status_summary summary = provider_summary(&none, &report, NULL, 0, &arena);
    cr_expect_str_eq(summary.reason, "Listing");
    cr_expect(summary.is_passing);
    cr_expect_eq(summary.more_count, 0);
    report.open = false;
    cr_expect_str_eq(provider_summary(&none, &report, NULL, 0, &arena).reason, "Opening");
    cr_expect_str_eq(provider_summary(&denied, &report, NULL, 0, &arena).reason, "CannotOpen");
}
