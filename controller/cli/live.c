/*
 * The live table; see live.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/live.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/timefmt.h"

#define ROWS_MAX 200
#define MS_PER_HOUR 3600000.0

void live_account(struct live *live, const struct loop *loop, int64_t now_ms) {
    struct loop_policy_view views[ROWS_MAX];
    size_t count = loop_policy_views(loop, views, ROWS_MAX);
    double hours = live->last_ms ? (double)(now_ms - live->last_ms) / MS_PER_HOUR : 0;
    if (count > ROWS_MAX)
        count = ROWS_MAX;
    for (size_t i = 0; i < count; i++) {
        if (views[i].cost_hourly < 0 || views[i].peak_cost_hourly < 0)
            continue;
        live->cost += (double)views[i].cost_hourly / 1e6 * hours;
        live->peak_cost += (double)views[i].peak_cost_hourly / 1e6 * hours;
    }
    if (live->started_ms == 0 && count > 0)
        live->started_ms = now_ms;
    live->last_ms = now_ms;
}

static void put_number(struct buf *out, int decimals, const char *unit, double value) {
    if (isnan(value))
        buf_printf(out, " %8s", "-");
    else
        buf_printf(out, " %*.*f%s", unit[0] ? 7 : 8, decimals, value, unit);
}

static double units(int64_t micros) {
    return micros < 0 ? (double)NAN : (double)micros / 1e6;
}

static void put_row(const struct loop_policy_view *view, struct buf *out) {
    char name[40];
    double cost = units(view->cost_hourly), peak = units(view->peak_cost_hourly);
    (void)snprintf(name, sizeof(name), "%s/%s", view->namespace, view->name);
    buf_printf(out, "%-22.22s %7lld %7lld %7lld", name, (long long)view->desired, (long long)view->actual,
               (long long)view->serving);
    put_number(out, 1, "", view->demand);
    put_number(out, 1, "", view->demand_quantile);
    put_number(out, 3, "", cost);
    put_number(out, 0, "%", peak > 0 ? 100 * (peak - cost) / peak : (double)NAN);
    buf_printf(out, "  %-22.22s ", view->model);
    if (view->coverage_per_mille >= 0)
        buf_printf(out, "%5.1f%%", (double)view->coverage_per_mille / 10);
    else
        buf_printf(out, "%6s", "-");
    buf_printf(out, "  %s\n", view->reason);
}

void live_print(struct live *live, const struct loop *loop, int64_t now_ms, struct buf *out) {
    struct loop_policy_view views[ROWS_MAX];
    size_t count = loop_policy_views(loop, views, ROWS_MAX);
    char now[TIME_TEXT_MAX];
    if (count > ROWS_MAX)
        count = ROWS_MAX;
    time_format(now_ms, now);
    if (live->is_terminal && live->lines_drawn)
        buf_printf(out, "\033[%zuA\033[J", live->lines_drawn);
    buf_printf(out, "%s   vCPU demand now and as forecast for the lead time; saving against static peak sizing\n", now);
    buf_printf(out, "%-22s %7s %7s %7s %8s %8s %8s %8s  %-22s %6s  %s\n", "POLICY", "DESIRED", "ACTUAL", "SERVING",
               "DEMAND", "FORECAST", "USD/H", "SAVING", "MODEL", "COVER", "STATE");
    for (size_t i = 0; i < count; i++)
        put_row(&views[i], out);
    if (count == 0)
        buf_puts(out, "(no policy has been planned yet)\n");
    live->lines_drawn = 2 + (count ? count : 1);
}

void live_print_summary(const struct live *live, int64_t now_ms, struct buf *out) {
    double hours = live->started_ms ? (double)(now_ms - live->started_ms) / MS_PER_HOUR : 0;
    buf_printf(out, "\nIn %.1f h: cost %.2f USD; static peak sizing would have cost %.2f USD", hours, live->cost,
               live->peak_cost);
    if (live->peak_cost > 0)
        buf_printf(out, "; saved %.0f %%", 100 * (live->peak_cost - live->cost) / live->peak_cost);
    buf_puts(out, ".\n");
}
