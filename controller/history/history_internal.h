/*
 * One recorded series, and the store behind it. The store is the only thing that knows SQLite.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_HISTORY_HISTORY_INTERNAL_H
#define TRIMTAB_HISTORY_HISTORY_INTERNAL_H

#include "history/history.h"

#define HISTORY_SATURATED 1u
#define HISTORY_ASSUMED 2u

/* Slots [first, first + count) of the grid; the outermost two are never gaps. Slot n starts at n x step_ms. */
struct history_record {
    char *key;
    int64_t first;
    size_t count, capacity;
    float *demand; /* NaN: a gap. */
    uint8_t *flags;
    int64_t dirty_from, dirty_to; /* Slots not yet on disk; empty when from >= to. */
    uint64_t touched;             /* Of the clock of use. */
    struct history_raise *raises; /* As in history_series; HISTORY_RAISES_MAX of them. NULL: none, as mostly. */
    size_t raise_count;
    bool raises_dirty; /* Not yet on disk. */
    bool is_unread;    /* What is on disk could not be read: it stays. */
};

/* Writes one slot, growing at either end and dropping what is older than slots_max before the newest. */
void history_record_set(struct history_record *record, int64_t slot, float demand, uint8_t flags, size_t slots_max);
/* False: it is not later than the last one. */
bool history_record_raise(struct history_record *record, const struct history_raise *raise);
/* Drops the raises up to from_ms. */
void history_record_expire(struct history_record *record, int64_t from_ms);
bool history_record_is_dirty(const struct history_record *record);
void history_record_free(struct history_record *record);

struct history_store;

MUST_CHECK enum err_class history_store_open(const char *path, struct history_store **ret, struct error *err);
void history_store_close(struct history_store *store);
/* Fills the record (empty, with its key) with what is stored since from_ms; rows off the grid are put on it. */
MUST_CHECK enum err_class history_store_load(struct history_store *store, struct history_record *record,
                                             int64_t step_ms, int64_t from_ms, size_t slots_max, struct error *err);
/* begin, any number of saves, commit: one transaction. After an error the transaction is rolled back. */
MUST_CHECK enum err_class history_store_begin(struct history_store *store, struct error *err);
/* Writes the dirty slots and raises, and deletes what is older than the first slot. */
MUST_CHECK enum err_class history_store_save(struct history_store *store, const struct history_record *record,
                                             int64_t step_ms, struct error *err);
MUST_CHECK enum err_class history_store_commit(struct history_store *store, struct error *err);
MUST_CHECK enum err_class history_store_forget(struct history_store *store, const char *key, struct error *err);

#endif
