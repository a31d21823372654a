/*
 * The what-ifs of `trimtab plan`: from options to plan/whatif.h, and what is said about them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_WHATIF_H
#define TRIMTAB_CLI_WHATIF_H

#include "cli/options.h"
#include "plan/whatif.h"

struct cli_whatif {
    struct cli_list without, price, demand; /* The targets of the options. */
    struct whatif whatif;
};

/* Rows for a struct cli_option table. */
#define CLI_OPTIONS_WHATIF(it)                                                                                         \
    {"without",                                                                                                        \
     0,                                                                                                                \
     "KEY=GLOB[,...]",                                                                                                 \
     "What if that were not for sale, and what runs there had to\nleave: region=us-east-1, provider=NAMESPACE/NAME,\n" \
     "type=m5.*; what is joined by commas must all match.",                                                            \
     CLI_OPTION_LIST,                                                                                                  \
     &(it).without,                                                                                                    \
     NULL,                                                                                                             \
     0,                                                                                                                \
     0},                                                                                                               \
        {"price",                                                                                                      \
         0,                                                                                                            \
         "GLOB=FACTOR",                                                                                                \
         "What if prices were others: a Provider's ('aws*=1.2'), or\nof KEY=GLOB,... as above ('type=m5.*=0.7').",     \
         CLI_OPTION_LIST,                                                                                              \
         &(it).price,                                                                                                  \
         NULL,                                                                                                         \
         0,                                                                                                            \
         0},                                                                                                           \
    {                                                                                                                  \
        "demand", 0, "GLOB=FACTOR",                                                                                    \
            "What if demand were another: a policy's, or a resource's by\nid or name (web=2).", CLI_OPTION_LIST,       \
            &(it).demand, NULL, 0, 0                                                                                   \
    }

/* CLI_GO_ON, or the exit code of a usage error. Texts and results live as long as argv and the arena. */
int cli_whatif_parse(struct cli_whatif *it, const struct cli_syntax *syntax, struct arena *arena);

static inline bool cli_whatif_is_given(const struct cli_whatif *it) {
    return whatif_count(&it->whatif) > 0;
}

struct cli_whatif_world { /* One policy and what it sees. */
    const char *policy;
    const struct snapshot *snapshot;
};
/* Whether each touches something in one of the worlds; else stderr is told which does not, and what there is. */
bool cli_whatif_check(const struct cli_whatif *it, const struct cli_whatif_world *worlds, size_t count);

/* "@@ what if without region=us-east-1, demand web=2 @@" */
void cli_whatif_print_text(const struct cli_whatif *it, struct buf *out);
/* The member "whatIf": what was asked, the plan without it, the difference, and what would not be served. */
void cli_whatif_print_json(const struct cli_whatif *it, const struct plan *before, const struct plan *after,
                           struct json_writer *w);

#endif
