/*
 * Texts of a long listing, kept once: types, zones, tag keys and most tag values come again and again. A small table of
 * the texts seen last finds them, so that memory for looking up does not grow with the list; what it has forgotten is
 * kept a second time, which costs memory but changes nothing. Texts lie packed, without alignment.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_ADAPTERS_COMMON_TEXTS_H
#define TRIMTAB_ADAPTERS_COMMON_TEXTS_H

#include "base/arena.h"

struct texts {
    struct arena *arena; /* Where the texts live. */
    const char **recent; /* By hash. */
    char *room;          /* The rest of the current piece. */
    size_t room_size;
};

/* scratch holds the table: it may go when the last text has been kept. */
void texts_init(struct texts *texts, struct arena *arena, struct arena *scratch);
const char *texts_keep(struct texts *texts, const char *text); /* "" needs no memory. */

#endif
