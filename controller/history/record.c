/*
 * One recorded series: a window of slots that grows at either end and is cut at its length.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "history/history_internal.h"

static void reserve(struct history_record *record, size_t count) {
    if (count <= record->capacity)
        return;
    size_t capacity = record->capacity ? record->capacity : 64;
    while (capacity < count)
        capacity *= 2;
    record->demand = mem_grow(record->demand, record->capacity, capacity, sizeof(*record->demand));
    record->flags = mem_grow(record->flags, record->capacity, capacity, sizeof(*record->flags));
    record->capacity = capacity;
}

static void fill_gap(struct history_record *record, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        record->demand[i] = NAN;
        record->flags[i] = 0;
    }
}

static void drop_oldest(struct history_record *record, size_t count) {
    while (count < record->count && isnan(record->demand[count]))
        count++; /* The first slot is never a gap. */
    record->count -= count;
    memmove(record->demand, record->demand + count, record->count * sizeof(*record->demand));
    memmove(record->flags, record->flags + count, record->count * sizeof(*record->flags));
    record->first += (int64_t)count;
}

static void extend_left(struct history_record *record, int64_t slot) {
    size_t added = (size_t)(record->first - slot);
    reserve(record, record->count + added);
    memmove(record->demand + added, record->demand, record->count * sizeof(*record->demand));
    memmove(record->flags + added, record->flags, record->count * sizeof(*record->flags));
    fill_gap(record, 0, added);
    record->count += added;
    record->first = slot;
}

/* Makes room at the end for slot; what falls out of the window goes first, so that a jump of years costs nothing. */
static void extend_right(struct history_record *record, int64_t slot, size_t slots_max) {
    int64_t oldest = slot - (int64_t)slots_max + 1;
    if (oldest >= record->first + (int64_t)record->count) {
        record->count = 0;
        record->first = slot;
    } else if (oldest > record->first) {
        drop_oldest(record, (size_t)(oldest - record->first));
    }
    if (record->count == 0)
        record->first = slot;
    size_t count = (size_t)(slot - record->first) + 1;
    reserve(record, count);
    fill_gap(record, record->count, count);
    record->count = count;
}

void history_record_set(struct history_record *record, int64_t slot, float demand, uint8_t flags, size_t slots_max) {
    int64_t end = record->first + (int64_t)record->count;
    if (record->count == 0) {
        record->first = slot;
        extend_right(record, slot, slots_max);
    } else if (slot < record->first) {
        if (end - slot > (int64_t)slots_max)
            return;
        extend_left(record, slot);
    } else if (slot >= end) {
        extend_right(record, slot, slots_max);
    }
    size_t i = (size_t)(slot - record->first);
    record->demand[i] = demand;
    record->flags[i] = flags;
    if (record->dirty_from >= record->dirty_to) {
        record->dirty_from = slot;
        record->dirty_to = slot + 1;
    }
    if (slot < record->dirty_from)
        record->dirty_from = slot;
    if (slot >= record->dirty_to)
        record->dirty_to = slot + 1;
}

bool history_record_raise(struct history_record *record, const struct history_raise *raise) {
    size_t count = record->raise_count;
    if (count > 0 && raise->time_ms <= record->raises[count - 1].time_ms)
        return false;
    while (count > 0 && record->raises[count - 1].demand <= raise->demand)
        count--; /* The later one holds longer. */
    if (count == HISTORY_RAISES_MAX)
        count--; /* The least of those before gives way: the greater ones hold as long as it would have. */
    if (!record->raises)
        record->raises = mem_alloc_array(HISTORY_RAISES_MAX, sizeof(*record->raises));
    record->raises[count] = *raise;
    record->raise_count = count + 1;
    record->raises_dirty = true;
    return true;
}

void history_record_expire(struct history_record *record, int64_t from_ms) {
    size_t gone = 0;
    while (gone < record->raise_count && record->raises[gone].time_ms <= from_ms)
        gone++;
    if (gone == 0)
        return;
    record->raise_count -= gone;
    memmove(record->raises, record->raises + gone, record->raise_count * sizeof(*record->raises));
    record->raises_dirty = true;
}

bool history_record_is_dirty(const struct history_record *record) {
    return record->dirty_from < record->dirty_to || record->raises_dirty;
}

void history_record_free(struct history_record *record) {
    if (!record)
        return;
    mem_free(record->key);
    mem_free(record->demand);
    mem_free(record->flags);
    mem_free(record->raises);
    mem_free(record);
}
