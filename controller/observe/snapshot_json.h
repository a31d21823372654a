/*
 * A snapshot as JSON and back, exact: reading what was printed gives the same snapshot, and printing that the same
 * bytes. Gaps of the history are null; a time or a price that is not known is null. Pure.
 *
 *     {"asOf", "sources": [{"provider", "region", "kind", "state", "asOf", "message"}],
 *      "resources": [{"provider", "source", "region", "zone", "kind", "id", "name", "type", "state", "count", ...,
 *                     "tags": {}, "capacityPerMachine", "claimedBy", "offer": {} or null,
 *                     "history": {"start", "stepMs", "basis", "demand": [], "saturated": [slots]}}],
 *      "donors": [{"provider", "region", "kind", "id", "tags": {}, "history": {}}]}
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_OBSERVE_SNAPSHOT_JSON_H
#define TRIMTAB_OBSERVE_SNAPSHOT_JSON_H

#include "base/arena.h"
#include "base/json.h"
#include "observe/snapshot.h"

#define SNAPSHOT_SOURCES_MAX 16384
#define SNAPSHOT_RESOURCES_MAX 100000
#define SNAPSHOT_TAGS_MAX 256
#define SNAPSHOT_TEXT_MAX 4096

/* Strings must be UTF-8 and times within the years 1970 to 9999, as they are in what observe makes. */
void snapshot_print_json(const struct snapshot *snapshot, struct json_writer *w);

/* ERR_PERMANENT, with the path of the first fault ("resources[2].history.demand[7]: ..."). Keys that this version does
 * not know are passed over. *ret lives in the arena and borrows nothing from the JSON. */
MUST_CHECK enum err_class snapshot_read_json(const struct json *json, struct arena *arena, struct snapshot *ret,
                                             struct error *err);

#endif
