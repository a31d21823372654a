/*
 * Names and order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/mem.h"
#include "manifest/object.h"

Test(object, kinds_are_found_by_every_name) {
    static const struct {
        const char *text;
        enum object_kind kind;
    } rows[] = {
        {"Provider", OBJECT_PROVIDER},
        {"prov", OBJECT_PROVIDER},
        {"ResourcePolicy", OBJECT_POLICY},
        {"resourcepolicies", OBJECT_POLICY},
        {"RP", OBJECT_POLICY},
        {"resourcepolicy", OBJECT_POLICY},
        {"Budget", OBJECT_BUDGET},
        {"budgets", OBJECT_BUDGET},
        {"bud", OBJECT_BUDGET},
        {"rec", OBJECT_RECOMMENDATION},
        {"Recommendations", OBJECT_RECOMMENDATION},
        {"namespace", OBJECT_NAMESPACE},
    };
    enum object_kind kind;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cr_expect(object_kind_parse(rows[i].text, &kind), "%s", rows[i].text);
        cr_expect_eq(kind, rows[i].kind, "%s", rows[i].text);
    }
    cr_expect_not(object_kind_parse("pods", &kind));
    cr_expect_not(object_kind_parse("", &kind));
    cr_expect_str_eq(object_kind_name(OBJECT_POLICY), "ResourcePolicy");
    cr_expect_str_eq(object_kind_plural(OBJECT_POLICY), "resourcepolicies");
}

Test(object, order_is_kind_then_namespace_then_name) {
    struct object a = {.kind = OBJECT_PROVIDER, .namespace = "z", .name = "z"};
    struct object b = {.kind = OBJECT_POLICY, .namespace = "a", .name = "b"};
    struct object c = {.kind = OBJECT_POLICY, .namespace = "a", .name = "c"};
    struct object d = {.kind = OBJECT_POLICY, .namespace = "b", .name = "a"};
    const struct object *objects[] = {&d, &c, &a, &b};
    qsort(objects, ARRAY_LEN(objects), sizeof(objects[0]), object_cmp);
    cr_expect(objects[0] == &a && objects[1] == &b && objects[2] == &c && objects[3] == &d);
    const struct object *same = &a;
    cr_expect_eq(object_cmp(&same, &same), 0);
}

Test(object, names_of_words) {
    cr_expect_str_eq(condition_type_name(CONDITION_WITHIN_BUDGET), "WithinBudget");
    cr_expect_str_eq(condition_status_name(CONDITION_UNKNOWN), "Unknown");
    cr_expect_str_eq(provider_type_name(PROVIDER_HUAWEI), "huawei");
    cr_expect_str_eq(policy_mode_name(MODE_ENFORCE), "Enforce");
    cr_expect_str_eq(action_type_name(ACTION_SNAPSHOT), "Snapshot");
    cr_expect_str_eq(budget_period_name(PERIOD_QUARTERLY), "Quarterly");
    cr_expect_str_eq(budget_of_name(BUDGET_OF_ACTUAL), "Actual");
    cr_expect_str_eq(budget_effect_name(EFFECT_SHRINK_TO_MINIMUM), "ShrinkToMinimum");
    cr_expect_str_eq(budget_basis_name(BASIS_CONTRACTED_COST), "ContractedCost");
    cr_expect_str_eq(recommendation_phase_name(PHASE_NONE), "");
    cr_expect_str_eq(recommendation_phase_name(PHASE_VERIFYING), "Verifying");
    cr_expect_str_eq(recommendation_decision_name(DECISION_SNOOZED), "Snoozed");
}

Test(object, a_state_in_words) {
    static const struct {
        struct target_state state;
        bool has_count, is_bounds;
        const char *words;
    } rows[] = {
        {{.count = 6}, true, false, "6"},
        {{.count = 2, .count_max = 8}, true, true, "2 to 8"},
        {{.vcpu_milli = 500, .count = 3}, true, false, "500m"},
        {{.memory_mib = 64}, true, false, "64Mi"},
        {{.type = "m5.large"}, false, false, "m5.large"},
        {{.type = "m5.large", .count = 5}, true, false, "5 x m5.large"},
        {{.state = "stopped"}, false, false, "stopped"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char words[TARGET_WORDS_MAX];
        target_state_words(&rows[i].state, rows[i].has_count, rows[i].is_bounds, words);
        cr_expect_str_eq(words, rows[i].words);
    }
}

Test(object, final_phases) {
    for (int phase = PHASE_NONE; phase < PHASE_COUNT; phase++)
        cr_expect_eq(recommendation_phase_is_final((enum recommendation_phase)phase),
                     phase == PHASE_SUCCEEDED || phase == PHASE_REVERTED || phase == PHASE_FAILED ||
                         phase == PHASE_REJECTED || phase == PHASE_SUPERSEDED || phase == PHASE_EXPIRED,
                     "%s", recommendation_phase_name((enum recommendation_phase)phase));
}
