/*
 * The window of slots of one series.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>

#include "base/mem.h"
#include "history/history_internal.h"

Test(history_record, never_holds_more_slots_than_it_may) {
    static const int64_t slots[] = {100, 95, 50, 91, 90, 200, 195, 191, 190, 1000000, 7};
    struct history_record *record = mem_alloc(sizeof(*record));
    for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
        history_record_set(record, slots[i], (float)i, 0, 10);
        cr_assert_leq(record->count, 10, "after slot %lld", (long long)slots[i]);
        cr_assert(!isnan(record->demand[0]), "the first slot is never a gap");
        cr_assert(!isnan(record->demand[record->count - 1]), "nor the last");
    }
    cr_assert_eq(record->first, 1000000);
    history_record_free(record);
}

Test(history_record, remembers_what_is_not_yet_on_disk) {
    struct history_record *record = mem_alloc(sizeof(*record));
    history_record_set(record, 5, 1, 0, 100);
    history_record_set(record, 9, 1, 0, 100);
    history_record_set(record, 2, 1, 0, 100);
    cr_assert_eq(record->dirty_from, 2);
    cr_assert_eq(record->dirty_to, 10);
    history_record_free(record);
}
