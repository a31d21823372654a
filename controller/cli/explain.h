/*
 * `trimtab explain`: an object in plain words, apart from where it comes from. Text and JSON say the same: what the
 * status holds, what follows from it, and what holds changes back at this moment.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_EXPLAIN_H
#define TRIMTAB_CLI_EXPLAIN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "manifest/object.h"

struct explanation {
    enum object_kind kind;
    const struct json *json;      /* As the API gives it. */
    const struct object *object;  /* The same, decoded; NULL: it cannot be. */
    const struct json *proposals; /* A policy's namespace's RecommendationList; NULL: none. */
    const struct json *namespace; /* NULL: not known. */
    int64_t now_ms;
    struct arena *arena;
};

void explain_print_text(const struct explanation *it, struct buf *out);
void explain_print_json(const struct explanation *it, struct buf *out);

/* Of a policy: those that are not at their end, by name. */
size_t explain_open(const struct explanation *it, const struct json ***ret);
/* Of a policy or a Recommendation: sentences. */
size_t explain_holds(const struct explanation *it, const char ***ret);

/* explain_meaning.c. NULL: the message says all there is. */
const char *explain_why_not(const char *reason);
const char *explain_condition(enum object_kind kind, const char *type, const char *status);
const char *explain_phase(const struct json *recommendation);
const char *explain_level(const char *level);

#endif
