/*
 * The offline catalogue of instance types and prices: a gzipped CSV with the columns
 *     provider,region,zone,instance_type,vcpu,memory_gib,gpu,gpu_count,arch,price_ondemand_usd_hr,price_spot_usd_hr,
 *     source_id,as_of,...   (the first of them that are needed suffice; found by the header's names)
 * Dated and with its source on each row; empty means unknown. Gzipped or plain. Opening reads every row once, so that a
 * row that cannot be read is an error with the number of its line; only an index of the regions is kept. The rows of a
 * region are read again on first demand (some ms with 80,000 rows) and kept packed; a lookup is a binary search.
 * Where a type stands twice in a region, the first row counts.
 *
 * Loop thread only: const stands for "the same answers", not for "no loading".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_COMMON_CATALOGUE_H
#define TRIMTAB_ADAPTERS_COMMON_CATALOGUE_H

#include "adapters/cloud.h"
#include "base/arena.h"
#include "base/error.h"

struct catalogue;

/* path NULL: instance_prices.csv.gz in $TRIMTAB_DATA_DIR, /usr/share/trimtab, or adapters/catalogue above the
 * executable. */
MUST_CHECK enum err_class catalogue_open(const char *path, struct catalogue **ret, struct error *err);
void catalogue_free(struct catalogue *catalogue);

/* Whether there are rows of this provider and region. region NULL: of any region. */
bool catalogue_sells(const struct catalogue *catalogue, const char *provider, const char *region);
/* False if unknown. Strings of ret live as long as the catalogue. region "" or NULL: any region (type data only, price
 * -1). */
bool catalogue_find(const struct catalogue *catalogue, const char *provider, const char *region, const char *type,
                    struct cloud_offer *ret);
/* All of a region, sorted by type; the array is in the arena, its strings live as long as the catalogue. */
size_t catalogue_region(const struct catalogue *catalogue, const char *provider, const char *region,
                        struct arena *arena, const struct cloud_offer **ret);

#endif
