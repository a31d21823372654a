/*
 * The contract of adapters/adapter.h as a table of cases, held against every adapter. A cloud's test file brings a
 * factory and instantiates the table:
 *
 *     #define CASE(name) Test(contract_simulated, name) { contract_##name(&factory); }
 *     CONTRACT_CASES(CASE)
 *
 * The bed that a factory opens has, in `region`, at least three resources, one of them the group.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_CONTRACT_H
#define TRIMTAB_TESTS_CONTRACT_H

#include "adapters/adapter.h"

struct contract_bed {
    struct adapter *adapter; /* A case that closes it sets NULL. */
    const char *region, *region_bad;
    const char *group;
    int64_t size, size_other; /* The group's size at first, and another that it may have. */
    size_t resource_count;    /* In region, groups and instances. */
    int64_t now_ms;           /* Wall time of the cloud. */
    void *ctx;                /* The factory's. */
};

struct contract_factory {
    /* slow: replies take so long that a call is in flight when submit returns and the loop turns once. */
    struct contract_bed *(*open)(bool slow);
    /* Turns the loop until *until, or for longer than any call takes. Returns *until. */
    bool (*pump)(struct contract_bed *bed, const bool *until);
    void (*shut)(struct contract_bed *bed); /* Closes the adapter if it is still there, and frees the bed. */
};

/* The factory of the simulated cloud, for who puts something around it. Its bed's ctx is the runtime, a virtual one. */
extern const struct contract_factory contract_simulated;

#define CONTRACT_CASES(CASE)                                                                                           \
    CASE(done_runs_once_and_later_for_every_verb)                                                                      \
    CASE(account_has_an_id)                                                                                            \
    CASE(list_is_sorted_and_whole)                                                                                     \
    CASE(list_is_cut_at_count_max_and_says_so)                                                                         \
    CASE(list_of_exactly_count_max_is_not_truncated)                                                                   \
    CASE(list_of_kinds_that_are_absent_is_empty)                                                                       \
    CASE(results_outlive_the_adapter)                                                                                  \
    CASE(list_shows_the_target_after_apply)                                                                            \
    CASE(one_token_has_one_effect)                                                                                     \
    CASE(unknown_group_is_a_conflict_without_effect)                                                                   \
    CASE(bad_region_is_permanent)                                                                                      \
    CASE(cancelled_read_answers_once_without_effect)                                                                   \
    CASE(cancelled_apply_does_not_claim_to_know)                                                                       \
    CASE(cancel_twice_and_after_done_is_harmless)                                                                      \
    CASE(close_answers_all_in_flight_and_then_reports)                                                                 \
    CASE(close_of_an_idle_adapter_reports_later)                                                                       \
    CASE(timeout_of_an_apply_is_an_unknown_effect)                                                                     \
    CASE(usage_samples_ascend_within_the_range)

#define CONTRACT_DECLARE(name) void contract_##name(const struct contract_factory *factory);
CONTRACT_CASES(CONTRACT_DECLARE)
#undef CONTRACT_DECLARE

#endif
