/*
 * What a Provider's conditions say, from what is observed: which account, region and kind, what happened, what to do.
 * No live times and no counts that move: a status is written only when something is to be said.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/str.h"
#include "base/timefmt.h"
#include "loop/loop_internal.h"

#define NAMED_MAX 3 /* Listings that a message names; more are counted. */

static const char *what_to_do(enum err_class class) {
    return class == ERR_PERMISSION  ? "check the credentials and their permissions"
           : class == ERR_PERMANENT ? "check the Provider's spec; it is tried again"
                                    : "it is tried again";
}

/* "account 123, us-east-1 Bucket: AccessDenied: no" */
static const char *trouble_text(const struct observe_report *report, const struct observe_trouble *trouble,
                                struct arena *arena) {
    bool is_known = report->account[0] != '\0';
    return arena_printf(arena, "%s%s%s%s %s: %s", is_known ? "account " : "", report->account, is_known ? ", " : "",
                        trouble->region, cloud_kind_name(trouble->kind), trouble->error.message);
}

static const char *shelf_text(const struct observe_shelf_report *shelf, struct arena *arena) {
    const char *kind = cloud_kind_name(shelf->kind);
    if (shelf->error->class != ERR_NONE)
        return arena_printf(arena, "%s %s: %s", shelf->region, kind, shelf->error->message);
    if (shelf->limit && shelf->is_limit_of_provider)
        return arena_printf(arena, "%s %s: cut, more than the %zu resources that are held of a Provider", shelf->region,
                            kind, shelf->limit);
    if (shelf->limit)
        return arena_printf(arena, "%s %s: cut at %zu", shelf->region, kind, shelf->limit);
    return arena_printf(arena, "%s %s: no listing for five periods", shelf->region, kind);
}

static bool is_whole(const struct observe_shelf_report *shelf) {
    return shelf->state == SOURCE_FRESH && shelf->error->class == ERR_NONE;
}

/* Errors first, then what is cut: the message is of all, the reason of the worst. */
static int rank(const struct observe_shelf_report *shelf) {
    return shelf->error->class != ERR_NONE ? 2 : shelf->limit ? 1 : 0;
}

static struct status_condition observed(const struct observe_report *report, const struct observe_shelf_report *shelves,
                                        size_t count, struct arena *arena) {
    const struct observe_shelf_report *worst = NULL;
    size_t troubled = 0;
    const char *text = "";
    for (size_t i = 0; i < count; i++) {
        if (is_whole(&shelves[i]))
            continue;
        if (!worst || rank(&shelves[i]) > rank(worst))
            worst = &shelves[i];
        if (troubled++ < NAMED_MAX)
            text = arena_printf(arena, "%s%s%s", text, *text ? "; " : "", shelf_text(&shelves[i], arena));
    }
    if (!worst)
        return (struct status_condition){CONDITION_OBSERVED, CONDITION_TRUE, "Observed",
                                         "every kind of every region is listed"};
    if (troubled > NAMED_MAX)
        text = arena_printf(arena, "%s; and %zu more", text, troubled - NAMED_MAX);
    const struct observe_trouble *trouble =
        report->trouble.error.class != ERR_NONE ? &report->trouble : &report->partly;
    const char *reason = rank(worst) == 2 ? error_class_name(trouble->error.class) : source_state_name(worst->state);
    const char *advice = rank(worst) == 2   ? what_to_do(trouble->error.class)
                         : rank(worst) == 1 ? "raise --list-max, or spread the regions over several Providers"
                                            : "see the log of the controller";
    return (struct status_condition){CONDITION_OBSERVED, CONDITION_FALSE, reason,
                                     arena_printf(arena,
                                                  "%s%s%s%s. Nothing shrinks on these; all else goes on. To do: %s",
                                                  report->account[0] ? "account " : "", report->account,
                                                  report->account[0] ? ": " : "", text, advice)};
}

static struct status_condition prices_current(const struct observe_prices *prices, struct arena *arena) {
    char date[TIME_TEXT_MAX];
    if (prices->stale == 0)
        return (struct status_condition){CONDITION_PRICES_CURRENT, CONDITION_TRUE, "Current",
                                         "no price is older than 30 days"};
    time_format(prices->oldest_ms, date);
    date[strlen("2026-01-31")] = '\0';
    return (struct status_condition){
        CONDITION_PRICES_CURRENT, CONDITION_FALSE, "Stale",
        arena_printf(arena,
                     "prices are older than 30 days: %s%s%s; costs are planned with them all the same. To do: let the "
                     "Provider's credentials read the cloud's prices, or install a newer price list (--catalogue)",
                     prices->source[0] ? prices->source : "of no source", prices->oldest_ms > 0 ? " of " : ", undated",
                     prices->oldest_ms > 0 ? date : "")};
}

static struct status_summary progress_of(const struct observe_report *report, struct arena *arena) {
    const struct observe_trouble *trouble = &report->trouble;
    if (trouble->error.class != ERR_NONE) {
        bool stalled = trouble->error.class == ERR_PERMISSION || trouble->error.class == ERR_PERMANENT;
        return (struct status_summary){.progress = stalled ? PROGRESS_STALLED : PROGRESS_RECONCILING,
                                       .reason = error_class_name(trouble->error.class),
                                       .message = arena_printf(arena, "%s; %s", trouble_text(report, trouble, arena),
                                                               what_to_do(trouble->error.class))};
    }
    if (report->partly.error.class != ERR_NONE)
        return (struct status_summary){.progress = PROGRESS_READY,
                                       .reason = "PartlyListed",
                                       .is_passing = report->is_looking,
                                       .message = arena_printf(arena, "%s; %s; what else there is is listed",
                                                               trouble_text(report, &report->partly, arena),
                                                               what_to_do(report->partly.error.class))};
    if (!report->listed)
        return (struct status_summary){.progress = PROGRESS_RECONCILING,
                                       .reason = "Listing",
                                       .message = "the first listing is under way",
                                       .is_passing = true};
    if (report->truncated)
        return (struct status_summary){
            .progress = PROGRESS_READY,
            .reason = "Truncated",
            .message = "more resources than the limit: the listing is cut, and nothing shrinks on it"};
    return (struct status_summary){.progress = PROGRESS_READY,
                                   .reason = "Listed",
                                   .message = "every region is listed",
                                   .is_passing = report->account_busy || report->is_looking};
}

struct status_summary provider_summary(const struct error *open_error, const struct observe_report *report,
                                       const struct observe_shelf_report *shelves, size_t shelf_count,
                                       struct arena *arena) {
    if (open_error->class != ERR_NONE)
        return (struct status_summary){
            .progress = PROGRESS_STALLED, .reason = "CannotOpen", .message = arena_strdup(arena, open_error->message)};
    if (!report->open)
        return (struct status_summary){.progress = PROGRESS_RECONCILING,
                                       .reason = "Opening",
                                       .message = "credentials are being read",
                                       .is_passing = true};
    struct status_summary summary = progress_of(report, arena);
    struct status_condition *more = arena_alloc_array(arena, 2, sizeof(*more));
    bool is_listing = str_eq(summary.reason, "Listing");
    if (!is_listing)
        more[summary.more_count++] = observed(report, shelves, shelf_count, arena);
    if (!is_listing && report->prices.known > 0)
        more[summary.more_count++] = prices_current(&report->prices, arena);
    summary.more = more;
    return summary;
}
