/*
 * Demand history in memory, with a store behind it in a local run. A series that is not in memory is looked for in the
 * store once, and then known, even if empty. What is dropped from memory is saved first.
 *
 * Only complete slots are kept: a slot that is still running would be read as less (or more) than it becomes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "history/history.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "history/history_internal.h"

#define STEP_MS INT64_C(300000)
#define KEEP_MS (INT64_C(35) * 86400000)
#define SERIES_MAX 100000
#define SATURATION_PERCENT 99.5
#define SERVING_AGE_STEPS 3 /* How long a serving count is taken to hold when the cloud skips samples. */
#define KILL_RATIO 1.2      /* See history_add_kill. */
#define KILL_MIB 100
#define KILL_PEAK_MS INT64_C(86400000)
#define TIME_MAX_MS (INT64_C(253402300800) * 1000) /* Year 10000. */

struct history {
    int64_t step_ms, keep_ms;
    size_t series_max, slots_max;
    struct map records; /* key -> struct history_record */
    struct history_store *store;
    uint64_t clock;          /* Counts touches. */
    struct error load_error; /* The first reading that failed; told by the next flush. */
};

static enum err_class store_open(struct history *history, const char *url, struct error *err) {
    if (!url)
        return ERR_NONE;
    if (!str_has_prefix(url, "sqlite:") || !url[strlen("sqlite:")])
        return error_set(err, ERR_PERMANENT,
                         "history \"%s\": only sqlite:PATH is supported; a Prometheus is named in a Provider", url);
    return history_store_open(url + strlen("sqlite:"), &history->store, err);
}

enum err_class history_open(const struct history_options *options, struct history **ret, struct error *err) {
    struct history *history = mem_alloc(sizeof(*history));
    history->step_ms = options->step_ms > 0 ? options->step_ms : STEP_MS;
    history->keep_ms = options->keep_ms > 0 && options->keep_ms < KEEP_MS ? options->keep_ms : KEEP_MS;
    history->series_max = options->series_max ? options->series_max : SERIES_MAX;
    history->slots_max = (size_t)((history->keep_ms + history->step_ms - 1) / history->step_ms);
    enum err_class class = store_open(history, options->url, err);
    if (class) {
        mem_free(history);
        return class;
    }
    *ret = history;
    return ERR_NONE;
}

void history_close(struct history *history) {
    if (!history)
        return;
    struct error err = {0};
    (void)!history_flush(history, &err); /* Nobody is left to tell; the cloud still has the samples. */
    history_store_close(history->store);
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&history->records, &i));)
        history_record_free(entry->value);
    map_release(&history->records);
    mem_free(history);
}

/* ---- the records in memory ---- */

static enum err_class record_save(struct history *history, struct history_record *record, struct error *err) {
    if (!history->store || !history_record_is_dirty(record))
        return ERR_NONE;
    enum err_class class = history_store_begin(history->store, err);
    if (!class)
        class = history_store_save(history->store, record, history->step_ms, err);
    if (!class)
        class = history_store_commit(history->store, err);
    return class;
}

/* The least recently touched goes; if it cannot be saved it is lost from disk too, and the cloud is asked again. */
static void evict_one(struct history *history) {
    struct map_entry *entry, *oldest = NULL;
    for (size_t i = 0; (entry = map_next(&history->records, &i));) {
        const struct history_record *record = entry->value;
        if (!oldest || record->touched < ((const struct history_record *)oldest->value)->touched)
            oldest = entry;
    }
    if (!oldest)
        return;
    struct history_record *record = oldest->value;
    struct error err = {0};
    if (record_save(history, record, &err) && !history->load_error.class)
        history->load_error = err;
    map_remove(&history->records, record->key);
    history_record_free(record);
}

static struct history_record *record_get(struct history *history, const char *key) {
    struct history_record *record = map_get(&history->records, key);
    if (!record) {
        if (history->records.count >= history->series_max)
            evict_one(history);
        record = mem_alloc(sizeof(*record));
        record->key = mem_strdup(key);
        struct error err = {0};
        if (history->store &&
            history_store_load(history->store, record, history->step_ms, 0, history->slots_max, &err)) {
            record->is_unread = true;
            if (!history->load_error.class)
                history->load_error = err;
        }
        record->dirty_from = record->dirty_to = 0;
        record->raises_dirty = false;
        map_put(&history->records, key, record);
    }
    record->touched = ++history->clock;
    return record;
}

/* ---- adding ---- */

/* The serving count in force at time_ms: the newest sample at or shortly before it; NaN if none. *cursor moves along
 * with ascending times and starts again when they fall back. */
static double serving_at(const struct cloud_series *series, int64_t time_ms, int64_t age_ms, size_t *cursor) {
    const struct cloud_sample *samples = series->serving;
    if (*cursor >= series->serving_count || samples[*cursor].time_ms > time_ms)
        *cursor = 0;
    while (*cursor + 1 < series->serving_count && samples[*cursor + 1].time_ms <= time_ms)
        ++*cursor;
    if (*cursor >= series->serving_count)
        return NAN;
    const struct cloud_sample *sample = &samples[*cursor];
    bool is_usable = sample->time_ms <= time_ms && time_ms - sample->time_ms <= age_ms;
    return is_usable && isfinite(sample->value) && sample->value >= 0 ? sample->value : NAN;
}

/* Of the samples of one slot the mean is taken, of memory the greatest (enum cloud_metric says why); any saturated one
 * makes the slot a lower bound. */
struct slot_sum {
    int64_t slot;
    double sum, greatest;
    size_t count;
    uint8_t flags;
};

/* NaN: a gap. */
static float demand_at(const struct history_record *record, int64_t slot) {
    bool is_inside = slot >= record->first && slot < record->first + (int64_t)record->count;
    return is_inside ? record->demand[slot - record->first] : NAN;
}

/* Of a reading of the present that was higher nobody else knows: a later one of the same slot does not take it back. */
static void slot_store(struct history *history, struct history_record *record, const struct cloud_series *series,
                       bool is_memory, struct slot_sum *s) {
    double value = is_memory ? s->greatest : s->sum / (double)s->count;
    if (s->count && is_memory && series->is_present)
        value = fmax(value, (double)demand_at(record, s->slot));
    if (s->count)
        history_record_set(record, s->slot, (float)value, s->flags, history->slots_max);
    *s = (struct slot_sum){0};
}

static bool sample_usable(const struct cloud_sample *sample, int64_t now_ms) {
    return isfinite(sample->value) && sample->value >= 0 && sample->time_ms >= 0 && sample->time_ms <= now_ms &&
           sample->time_ms < TIME_MAX_MS;
}

void history_add(struct history *history, const char *key, const struct cloud_series *series,
                 int64_t capacity_per_machine, int64_t assumed_serving, int64_t now_ms, size_t *ret_dropped) {
    struct history_record *record = record_get(history, key);
    bool is_memory = str_has_suffix(key, "/memory");
    double capacity = (double)capacity_per_machine / (is_memory ? 1 : 1000) / 100;
    int64_t age_ms = SERVING_AGE_STEPS * history->step_ms;
    struct slot_sum current = {0};
    size_t dropped = 0, cursor = 0;
    history_record_expire(record, now_ms - history->keep_ms);
    for (size_t i = 0; i < series->utilization_count; i++) {
        const struct cloud_sample *sample = &series->utilization[i];
        if (!sample_usable(sample, now_ms)) {
            dropped++;
            continue;
        }
        int64_t slot = sample->time_ms / history->step_ms;
        if ((slot + 1) * history->step_ms > now_ms) /* Still running: it will be reported again. */
            continue;
        double serving = serving_at(series, sample->time_ms, age_ms, &cursor);
        uint8_t flags = isnan(serving) ? HISTORY_ASSUMED : 0;
        if (isnan(serving))
            serving = (double)assumed_serving;
        double demand = sample->value * serving * capacity;
        if (!isfinite((float)demand)) {
            dropped++;
            continue;
        }
        if (current.count && current.slot != slot)
            slot_store(history, record, series, is_memory, &current);
        current.slot = slot;
        current.sum += demand;
        current.greatest = fmax(current.greatest, demand);
        current.count++;
        current.flags |= flags | (sample->value >= SATURATION_PERCENT ? HISTORY_SATURATED : 0);
    }
    slot_store(history, record, series, is_memory, &current);
    *ret_dropped = dropped;
}

/* ---- kills ---- */

static double peak_before(const struct history *history, const struct history_record *record, int64_t time_ms) {
    double peak = 0;
    int64_t last = time_ms / history->step_ms;
    for (int64_t slot = (time_ms - KILL_PEAK_MS) / history->step_ms; slot <= last; slot++)
        peak = fmax(peak, (double)demand_at(record, slot)); /* A gap is NaN, and no peak. */
    return peak;
}

bool history_add_kill(struct history *history, const char *key, int64_t time_ms, int64_t memory_mib, int64_t machines,
                      int64_t now_ms, struct history_raise *ret) {
    struct history_record *record = record_get(history, key);
    double pods = machines > 0 ? (double)machines : 1;
    double used = fmax((double)memory_mib * pods, peak_before(history, record, time_ms));
    /* A node's clock may be a little ahead of ours. */
    struct history_raise raise = {time_ms < now_ms ? time_ms : now_ms, fmax(used * KILL_RATIO, used + KILL_MIB * pods)};
    if (!(used > 0) || raise.time_ms <= now_ms - history->keep_ms || !history_record_raise(record, &raise))
        return false;
    *ret = raise;
    return true;
}

void history_restore_raise(struct history *history, const char *key, const struct history_raise *raise,
                           int64_t now_ms) {
    if (raise->time_ms > now_ms - history->keep_ms && raise->time_ms <= now_ms && isfinite(raise->demand))
        (void)history_record_raise(record_get(history, key), raise);
}

/* ---- reading ---- */

static void view_raises(const struct history_record *record, int64_t from_ms, struct arena *arena,
                        struct history_series *view) {
    size_t first = 0;
    while (first < record->raise_count && record->raises[first].time_ms < from_ms)
        first++;
    view->raise_count = record->raise_count - first;
    if (view->raise_count > 0)
        view->raises = arena_memdup(arena, record->raises + first, view->raise_count * sizeof(*view->raises));
}

struct history_series history_view(struct history *history, const char *key, int64_t now_ms, int64_t length_ms,
                                   struct arena *arena) {
    const struct history_record *record = record_get(history, key);
    int64_t end = now_ms / history->step_ms; /* The slot that runs now is not complete. */
    int64_t length = length_ms < history->keep_ms ? length_ms : history->keep_ms;
    int64_t from = end - (length + history->step_ms - 1) / history->step_ms;
    if (from < record->first)
        from = record->first;
    struct history_series view = {.start_ms = from * history->step_ms, .step_ms = history->step_ms};
    int64_t have = record->first + (int64_t)record->count;
    view_raises(record, now_ms - length, arena, &view);
    if (record->count == 0 || from >= end || from >= have)
        return view;
    view.count = (size_t)(end - from);
    float *demand = arena_alloc_array(arena, view.count, sizeof(*demand));
    uint8_t *saturated = arena_alloc_array(arena, view.count / 8 + 1, 1);
    for (size_t i = 0; i < view.count; i++) {
        int64_t slot = from + (int64_t)i;
        size_t at = (size_t)(slot - record->first);
        demand[i] = slot < have ? record->demand[at] : NAN; /* Missing at the end: gaps too. */
        if (slot >= have || isnan(demand[i]))
            continue;
        if (record->flags[at] & HISTORY_SATURATED)
            saturated[i / 8] = (uint8_t)(saturated[i / 8] | 1u << i % 8);
        if (record->flags[at] & HISTORY_ASSUMED)
            view.basis = HISTORY_BASIS_ASSUMED;
    }
    view.demand = demand;
    view.saturated = saturated;
    return view;
}

int64_t history_next_ms(struct history *history, const char *key) {
    const struct history_record *record = record_get(history, key);
    return record->count ? (record->first + (int64_t)record->count) * history->step_ms : 0;
}

void history_forget(struct history *history, const char *key) {
    struct history_record *record = map_remove(&history->records, key);
    history_record_free(record);
    struct error err = {0};
    if (history->store && history_store_forget(history->store, key, &err) && !history->load_error.class)
        history->load_error = err;
}

static bool has_dirty(const struct history *history) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&history->records, &i));) {
        const struct history_record *record = entry->value;
        if (history_record_is_dirty(record))
            return true;
    }
    return false;
}

static enum err_class load_error_take(struct history *history, struct error *err) {
    if (!history->load_error.class)
        return ERR_NONE;
    *err = history->load_error;
    history->load_error = (struct error){0};
    return err->class;
}

enum err_class history_flush(struct history *history, struct error *err) {
    if (!history->store || !has_dirty(history))
        return load_error_take(history, err);
    enum err_class class = history_store_begin(history->store, err);
    struct map_entry *entry;
    for (size_t i = 0; !class && (entry = map_next(&history->records, &i));) {
        const struct history_record *record = entry->value;
        if (history_record_is_dirty(record))
            class = history_store_save(history->store, record, history->step_ms, err);
    }
    if (!class)
        class = history_store_commit(history->store, err);
    if (class)
        return class;
    for (size_t i = 0; (entry = map_next(&history->records, &i));) {
        struct history_record *record = entry->value;
        record->dirty_from = record->dirty_to = 0;
        record->raises_dirty = false;
    }
    return load_error_take(history, err);
}
