/*
 * The contract of adapters/adapter.h as tables of cases, held against every adapter. A cloud's test file brings a
 * factory and instantiates the tables that it has the abilities for; there is no other way to leave a case out:
 *
 *     #define CASE(name) Test(contract_simulated, name) { contract_##name(&factory); }
 *     CONTRACT_CASES(CASE)
 *     CONTRACT_TOKEN_CASES(CASE)       SCALE takes an idempotency token
 *     CONTRACT_TAKEOVER_CASES(CASE)    verbs are long operations, and the cloud can be opened twice
 *     CONTRACT_USAGE_CASES(CASE)       the group reports its usage
 *
 *     #define SCRIPT_CASE(name) Test(contract_aws_script, name) { contract_##name(&script); }
 *     CONTRACT_SCRIPT_CASES(SCRIPT_CASE)    a server that says what the test wants, in the words of the cloud
 *
 * The bed that a factory opens has, in `region`, at least three resources: the group and one of each kind that the
 * adapter acts on. What each case opens is its own.
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
    bool group_is_workload;    /* Else it is an InstanceGroup. */
    bool moves_by_itself;      /* Others write to it meanwhile: after a conflict the test asks again. */
    const char *group_unknown; /* An id as a group might have it, of none; NULL: "no-such-group". */
    int64_t size, size_other;  /* The group's size at first, and another that it may have. */
    size_t resource_count;     /* In region, of the kinds that the adapter lists. */
    int64_t now_ms;            /* Wall time of the cloud. */
    uint32_t timeout_ms;       /* Runs out, in a slow bed, after a request has left and before it is answered. */
    /* What is acted on, by kind; NULL: none of it. The instance runs, alone; the volume is attached to nothing. Each
     * bears the tag "stay" = "1". */
    const char *targets[CLOUD_KIND_COUNT];
    const char *type_other;   /* RESIZE of the instance. */
    int64_t vcpu_milli_other; /* RESIZE of the workload. */
    const char *template;     /* CREATE */
    const char *tag_key;      /* The same of a key; NULL: "Kosten/Träger 1". */
    const char *tag_value; /* UTF-8 and what is reserved in URLs, forms, JSON and XML, as far as the server bears it. */
    void *ctx;             /* The factory's. */
};

struct contract_factory {
    /* slow: replies take so long that a call is in flight when submit returns and the loop turns once. */
    struct contract_bed *(*open)(bool slow);
    /* Turns the loop until *until, or for longer than any call takes. Returns *until. */
    bool (*pump)(struct contract_bed *bed, const bool *until);
    void (*settle)(struct contract_bed *bed);                 /* Turns the loop until what could come has come. */
    void (*wait)(struct contract_bed *bed, uint32_t time_ms); /* So much time passes in the cloud. */
    void (*shut)(struct contract_bed *bed); /* Closes the adapter if it is still there, and frees the bed. */
    /* CONTRACT_TAKEOVER_CASES: the same cloud by a second adapter, which shut closes. */
    struct adapter *(*another)(struct contract_bed *bed);
    /* Verbs that the adapter has and the server behind the bed has not: bits by kind. */
    uint32_t lacks[CLOUD_KIND_COUNT];
};

/* ---- a cloud that answers by script ---- */

struct contract_refusal {
    const char *name; /* For messages. */
    int status;
    const char *headers, *body;
    enum err_class class;
    enum err_effect effect; /* On SCALE. */
    uint32_t retry_after_ms;
};

struct contract_script {
    struct contract_factory base; /* open: a bed of which only adapter, region and group are filled. */
    uint32_t kinds;               /* What a list of script pages asks for. */
    /* Each puts one reply at the end of the script. */
    void (*page)(struct contract_bed *bed, size_t first, size_t count, const char *next); /* next "": the last. */
    void (*strange)(struct contract_bed *bed); /* The only page: one resource, in a state of next year, with fields. */
    void (*credential)(struct contract_bed *bed); /* Answers the adapter's request for a credential, if it makes one. */
    void (*expired)(struct contract_bed *bed);    /* Refuses the credential as expired. */
    void (*refuse)(struct contract_bed *bed, const struct contract_refusal *refusal);
    void (*endless)(struct contract_bed *bed); /* From now on pages, each with a link that is new. */
    size_t (*request_count)(struct contract_bed *bed);
    /* The cloud's dialects of "too fast", then every row of its error table; false at the end. Texts in the arena. */
    bool (*refusal)(size_t index, struct arena *arena, struct contract_refusal *ret);
    size_t throttle_count; /* So many of them, from the start, are "too fast". */
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
    CASE(unknown_group_is_a_conflict_without_effect)                                                                   \
    CASE(bad_region_is_permanent)                                                                                      \
    CASE(cancelled_read_answers_once_without_effect)                                                                   \
    CASE(cancelled_apply_does_not_claim_to_know)                                                                       \
    CASE(cancel_twice_and_after_done_is_harmless)                                                                      \
    CASE(close_answers_all_in_flight_and_then_reports)                                                                 \
    CASE(close_of_an_idle_adapter_reports_later)                                                                       \
    CASE(timeout_of_an_apply_is_an_unknown_effect)                                                                     \
    CASE(verbs_that_are_not_declared_are_refused)                                                                      \
    CASE(each_verb_shows_in_the_next_list)                                                                             \
    CASE(what_is_made_is_made_once_for_a_token)                                                                        \
    CASE(tags_come_back_as_they_were_set)                                                                              \
    CASE(a_malformed_handle_is_permanent)

#define CONTRACT_TOKEN_CASES(CASE) CASE(one_token_scales_once)
#define CONTRACT_TAKEOVER_CASES(CASE) CASE(another_adapter_goes_on_with_a_handle)
#define CONTRACT_USAGE_CASES(CASE)                                                                                     \
    CASE(usage_samples_ascend_within_the_range)                                                                        \
    CASE(usage_of_memory_ends_well)
#define CONTRACT_SCRIPT_CASES(CASE)                                                                                    \
    CASE(pages_are_followed_to_the_end)                                                                                \
    CASE(a_page_link_that_repeats_is_permanent)                                                                        \
    CASE(a_list_that_never_ends_is_permanent)                                                                          \
    CASE(a_list_over_several_pages_is_cut)                                                                             \
    CASE(what_is_unknown_is_no_error)                                                                                  \
    CASE(too_fast_says_when_to_come_back)                                                                              \
    CASE(every_refusal_has_its_class_and_effect)                                                                       \
    CASE(an_expired_credential_is_renewed_once_in_mid_list)

#define CONTRACT_DECLARE(name) void contract_##name(const struct contract_factory *factory);
CONTRACT_CASES(CONTRACT_DECLARE)
CONTRACT_TOKEN_CASES(CONTRACT_DECLARE)
CONTRACT_TAKEOVER_CASES(CONTRACT_DECLARE)
CONTRACT_USAGE_CASES(CONTRACT_DECLARE)
#undef CONTRACT_DECLARE
#define CONTRACT_DECLARE(name) void contract_##name(const struct contract_script *script);
CONTRACT_SCRIPT_CASES(CONTRACT_DECLARE)
#undef CONTRACT_DECLARE

#endif
