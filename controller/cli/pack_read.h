/*
 * The tables that `trimtab pack` reads: demands, `name,cpu_millis,memory_mib,count` and optionally
 * `gpu`, `max_per_node`, `max_skew` and `architecture`, and offers with the columns of the price catalogue,
 * `provider,region,instance_type,vcpu,memory_gib,price_ondemand_usd_hr` and optionally `gpu_count`, `arch`, and `zone`,
 * which may be several: "a;b;c". Both may have columns `resource:NAME` of whatever else a piece needs; what demands
 * name offers must have. The header names the columns; others are passed over. Any fault is an error that names file,
 * row and column.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_PACK_READ_H
#define TRIMTAB_CLI_PACK_READ_H

#include "base/arena.h"
#include "base/error.h"
#include "plan/pack.h"

/* path "-": standard input. Everything is in the arena. Offers after demands: what is to be spread needs two zones. */
MUST_CHECK enum err_class pack_read_demands(const char *path, struct arena *arena, struct pack_problem *ret,
                                            struct error *err);
MUST_CHECK enum err_class pack_read_offers(const char *path, struct arena *arena, struct pack_problem *ret,
                                           struct error *err);

#endif
