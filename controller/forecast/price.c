/*
 * Which demand is worth serving, where a step with more demand than that has a price (the newsvendor whose penalty is
 * for the event, not for each unit that is missing; Arrow, Harris & Marschak 1951). A unit more costs itself for as
 * long as it stands idle, and saves the price as often as demand ends within it. So a step, or a resource, whose far
 * tail is long is served to a lower quantile than one where a little more makes nearly sure.
 *
 *     expected idle(c) = integral of F up to c        cost(c) = idle(c) + price x (1 - F(c))
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "forecast/forecast.h"

#define TAIL_QUANTILES 4 /* The highest: what lies beyond them is an exponential tail through the ends of these. */
#define CHANCE_MIN 1e-6  /* Nothing is known of what is rarer. */

static const double price_quantiles[] = {0.05, 0.25, 0.5,  0.7,   0.8,   0.9,   0.93,   0.95,
                                         0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999};
_Static_assert(ARRAY_LEN(price_quantiles) <= FORECAST_QUANTILES_MAX, "a forecast has room for them");

size_t forecast_price_quantiles(double *ret) {
    memcpy(ret, price_quantiles, sizeof(price_quantiles));
    return ARRAY_LEN(price_quantiles);
}

/* Beyond the highest quantile, where the chance to end within the next unit still is worth it. */
static double beyond(const struct forecast *f, size_t step, double price) {
    size_t top = f->quantile_count - 1;
    double highest = forecast_value(f, step, top), chance = 1 - f->quantiles[top];
    if (top < TAIL_QUANTILES - 1)
        return highest;
    size_t from = top - (TAIL_QUANTILES - 1);
    double unit = (highest - forecast_value(f, step, from)) / log((1 - f->quantiles[from]) / chance);
    double wanted = fmax(unit / price, CHANCE_MIN);
    return wanted < chance ? highest + unit * log(chance / wanted) : highest;
}

double forecast_priced(const struct forecast *f, size_t step, double price) {
    size_t count = f->quantile_count, best = count - 1;
    double idle = 0, least = INFINITY;
    if (!(price > 0))
        return forecast_value(f, step, best);
    for (size_t j = 0; j < count; j++) {
        if (j)
            idle += (forecast_value(f, step, j) - forecast_value(f, step, j - 1)) *
                    (f->quantiles[j] + f->quantiles[j - 1]) / 2;
        double cost = idle + price * (1 - f->quantiles[j]);
        if (cost <= least) {
            least = cost;
            best = j;
        }
    }
    return best + 1 < count ? forecast_value(f, step, best) : beyond(f, step, price);
}
