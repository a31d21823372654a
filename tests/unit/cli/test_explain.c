/*
 * Objects in plain words: what is told of a policy, a Recommendation, a Provider and a Budget, and what holds back now.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/timefmt.h"
#include "cli/explain.h"
#include "manifest/decode.h"

static struct arena arena; /* One test, one process. */
static struct buf out;
static struct json *kept[16]; /* Until the end. */
static size_t kept_count;

static struct json *parsed(const char *text) {
    struct json *json;
    struct error err;
    if (!text)
        return NULL;
    cr_assert_eq(json_parse((struct bytes){text, strlen(text)}, &json, &err), ERR_NONE, "%s", err.message);
    return kept[kept_count++] = json;
}

static struct explanation explanation(enum object_kind kind, const char *json, const char *proposals,
                                      const char *namespace) {
    struct explanation it = {.kind = kind, .json = parsed(json), .arena = &arena};
    struct manifest_faults faults;
    struct object *object;
    struct error err;
    cr_assert_eq(object_decode(it.json, &(struct decode_options){0}, &arena, &object, &faults, &err), ERR_NONE);
    it.object = object;
    it.proposals = parsed(proposals);
    it.namespace = parsed(namespace);
    cr_assert(time_parse("2026-03-04T12:00:00Z", &it.now_ms)); /* A Wednesday. */
    return it;
}

static const char *text_of(const struct explanation *it) {
    buf_clear(&out);
    explain_print_text(it, &out);
    return buf_text(&out);
}

static bool tells(const struct explanation *it, const char *what) {
    return strstr(text_of(it), what) != NULL;
}

#define POLICY(spec, meta, status)                                                                                     \
    "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"ResourcePolicy\",\"metadata\":{\"name\":\"web\","             \
    "\"namespace\":\"shop\",\"generation\":2" meta "},\"spec\":{\"selector\":{\"providers\":[\"aws\"]}" spec           \
    "},\"status\":{\"observedGeneration\":2" status "}}"
#define PROPOSAL(name, policy, status)                                                                                 \
    "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"policyRef\":{\"name\":\"" policy                                \
    "\"},\"action\":\"Scale\",\"target\":{\"id\":\"g1\",\"provider\":\"shop/aws\",\"region\":\"r\"},"                  \
    "\"from\":{\"count\":4},\"to\":{\"count\":3}},\"status\":{" status "}}"

Test(explain, a_policy_tells_what_is_wanted_and_how_well_it_is_known) {
    struct explanation it = explanation(
        OBJECT_POLICY,
        POLICY(
            ",\"actions\":[\"Scale\",\"Migrate\"]", "",
            ",\"actual\":10,\"desired\":8,\"resources\":2,\"hourlyCost\":\"1.0000\",\"projectedSaving\":\"0.2000\","
            "\"lowerBound\":\"0.7000\",\"optimalityGapPercent\":\"12.5\",\"lastPlan\":{\"hash\":\"ab\",\"actions\":1},"
            "\"forecast\":{\"model\":\"direct\",\"basis\":\"own\",\"samples\":9,\"quantile\":\"0.999\","
            "\"coverage\":\"0.990\",\"coverageAtLead\":\"0.980\",\"coverageSamples\":7,\"loss\":\"3\","
            "\"naiveLoss\":\"4\"},\"whyNot\":[{\"target\":\"shop/aws/r/"
            "g2\",\"action\":\"Scale\",\"reason\":\"StaleObservation\","
            "\"message\":\"too old\"}],\"conditions\":[{\"type\":\"Observed\",\"status\":\"False\","
            "\"reason\":\"Stale\",\"message\":\"one source\",\"lastTransitionTime\":\"2026-03-04T09:00:00Z\"}]"),
        "{\"items\":[]}", NULL);
    static const char *const lines[] = {
        "ResourcePolicy shop/web\n  mode Recommend; may Scale, Migrate\n",
        "Observed is False (Stale), since 3h\n      one source\n      -> of what is not seen",
        "2 resources, together 10 machines or replicas, 1.0000 USD an hour",
        "8, that is 2 fewer; saves 0.2000 USD an hour",
        "less than 0.7000 USD an hour: the plan is within 12.5 % of the least",
        "model direct, from its own history, 9 samples",
        "stays under in 99.9 % of the time",
        "in a share of 0.990 of 7 samples (0.980 at the lead time)",
        "loss 3, of the naive forecast 4: 25 % better",
        "Open Recommendations: none",
        "shop/aws/r/g2  Scale: StaleObservation: the view is too old to take anything away on\n      too old",
        "mode Recommend: every change waits for a decision",
        "1 at a time, at most 25 % of a group, not within 15m of its last change, not for savings under 5 %",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        cr_expect(tells(&it, lines[i]), "%s\nis not in\n%s", lines[i], text_of(&it));
}

Test(explain, a_policy_without_a_status_or_with_a_bad_spec_says_so) {
    struct explanation it = explanation(OBJECT_POLICY, POLICY("", "", ""), NULL, NULL);
    cr_expect(tells(&it, "none yet: no controller"));
    cr_expect(tells(&it, "No plan has been made yet."));
    it = explanation(OBJECT_POLICY, POLICY(",\"capacity\":{\"min\":5,\"max\":3}", "", ""), NULL, NULL);
    cr_expect(tells(&it, "its spec cannot be used: spec.capacity"), "%s", text_of(&it));
}

Test(explain, only_what_is_open_and_its_own_is_told_as_open_in_order_of_name) {
    struct explanation it = explanation(
        OBJECT_POLICY, POLICY("", "", ""),
        "{\"items\":[" PROPOSAL("b", "web", "\"phase\":\"Pending\"") "," PROPOSAL(
            "a", "web",
            "\"phase\":\"Running\"") "," PROPOSAL("c", "api",
                                                  "") "," PROPOSAL("d", "web",
                                                                   "\"phase\":\"Failed\",\"finishedAt\":\"x\"") "]}",
        NULL);
    const struct json **open;
    cr_assert_eq(explain_open(&it, &open), 2);
    cr_expect_str_eq(json_string(json_at(open[0], "metadata.name"), ""), "a");
    cr_expect(tells(&it, "Scale shop/aws/r/g1  4 -> 3"));
    cr_expect(tells(&it, "-> it waits for a decision"));
}

Test(explain, of_a_target_the_last_change_alone_cools_down) {
    struct explanation it = explanation(
        OBJECT_POLICY, POLICY(",\"disruption\":{\"cooldown\":\"20m\"}", "", ""),
        "{\"items\":[" PROPOSAL("a", "web", "\"phase\":\"Succeeded\",\"finishedAt\":\"2026-03-04T11:58:00Z\"") "," PROPOSAL(
            "b", "web",
            "\"phase\":\"Failed\",\"finishedAt\":\"2026-03-04T11:59:00Z\"") "," PROPOSAL("c", "web",
                                                                                         "\"phase\":\"Superseded\","
                                                                                         "\"finishedAt\":\"2026-03-"
                                                                                         "04T11:59:30Z\"") "]}",
        NULL);
    cr_expect(tells(&it, "now: g1 was changed lately and does not shrink before 2026-03-04T12:19:00Z (cooldown 20m)"));
    cr_expect_not(tells(&it, "12:18:00"));
    cr_expect_not(tells(&it, "12:19:30"));
}

Test(explain, what_holds_back_is_told_as_it_is_now) {
    struct explanation it = explanation(
        OBJECT_POLICY,
        POLICY(",\"suspend\":true,\"disruption\":{\"cooldown\":\"20m\",\"windows\":[{\"schedule\":\"0 2 * * *\","
               "\"duration\":\"4h\",\"timeZone\":\"Asia/Shanghai\"}]}",
               ",\"annotations\":{\"trimtab.dev/suspend\":\"true\"}", ""),
        "{\"items\":[" PROPOSAL(
            "a", "web",
            "\"phase\":\"Succeeded\",\"finishedAt\":\"2026-03-04T11:50:00Z\"") "," PROPOSAL("b", "api",
                                                                                            "\"phase\":\"Succeeded\","
                                                                                            "\"finishedAt\":\"2026-03-"
                                                                                            "04T11:59:00Z\"") "]}",
        "{\"metadata\":{\"annotations\":{\"trimtab.dev/suspend\":\"true\"}}}");
    cr_expect(tells(&it, "now: suspended by spec.suspend"));
    cr_expect(tells(&it, "now: suspended by the annotation trimtab.dev/suspend"));
    cr_expect(tells(&it, "now: its namespace is suspended"));
    cr_expect(tells(&it, "the next opens 2026-03-04T18:00:00Z"), "02:00 in Shanghai: %s", text_of(&it));
    cr_expect(tells(&it, "now: g1 was changed lately and does not shrink before 2026-03-04T12:10:00Z (cooldown 20m)"));
    cr_expect_not(tells(&it, "12:19:00"), "of another policy");
    it.now_ms += 11 * 60 * 1000; /* The cooldown is over. */
    cr_expect_not(tells(&it, "changed lately"));
    it.now_ms += 7LL * 3600 * 1000; /* The window is open. */
    cr_expect(tells(&it, "one is open now"));
}

Test(explain, a_recommendation_tells_its_way) {
    struct explanation it = explanation(
        OBJECT_RECOMMENDATION,
        "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"Recommendation\",\"metadata\":{\"name\":\"r1\","
        "\"namespace\":\"shop\",\"creationTimestamp\":\"2026-03-04T10:00:00Z\"},\"spec\":{\"policyRef\":{\"name\":"
        "\"web\"},\"action\":\"Migrate\",\"target\":{\"id\":\"g1\",\"provider\":\"shop/aws\",\"region\":\"r\",\"kind\":"
        "\"InstanceGroup\"},\"from\":{\"count\":4,\"instanceType\":\"m5.large\",\"provider\":\"shop/aws\",\"region\":"
        "\"r\",\"purchase\":\"OnDemand\"},\"to\":{\"count\":3,\"instanceType\":\"n2\",\"provider\":\"shop/gcp\","
        "\"region\":\"q\",\"purchase\":\"Spot\",\"template\":\"t\"},\"attempt\":2,\"planHash\":\"ab\",\"decision\":"
        "\"Approved\",\"feedback\":{\"reason\":\"Good\",\"note\":\"do\"}},\"status\":{\"phase\":\"Succeeded\","
        "\"phaseSince\":\"2026-03-04T11:00:00Z\",\"finishedAt\":\"2026-03-04T11:00:00Z\",\"message\":\"is\\u001b["
        "2Jdone\","
        "\"tries\":1,\"saving\":{\"hourly\":\"-0.5\",\"monthly\":\"-365\",\"currency\":\"USD\"},\"risk\":\"0.001\","
        "\"confidence\":\"0.9\",\"why\":[\"because\"],\"steps\":[{\"name\":\"copy\",\"state\":\"Done\"}],"
        "\"realised\":{\"hourly\":\"0.4\",\"currency\":\"USD\"}}}",
        NULL, NULL);
    static const char *const lines[] = {
        "of ResourcePolicy shop/web",
        "Migrate shop/aws/r/g1  4 x m5.large in shop/aws/r (OnDemand) -> 3 x n2 in shop/gcp/q (Spot)",
        "costs 0.5 USD an hour, 365 a month; risk 0.001, confidence 0.9",
        "  - because\n",
        "2026-03-04T10:00:00Z  proposed (attempt 2)",
        "decision: Approved, because: Good do",
        "Succeeded, since 60m: is",
        "-> it is done, and serves",
        "1. copy: Done",
        "has saved in truth 0.4 USD an hour",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        cr_expect(tells(&it, lines[i]), "%s\nis not in\n%s", lines[i], text_of(&it));
    cr_expect_not(strchr(text_of(&it), '\033'), "a terminal obeys nothing of it");
}

/* Nothing that could be taken for an offer to do it, nor half sentences where the status lacks something. */
Test(explain, what_people_have_to_do_is_told_as_that) {
    struct explanation it = explanation(
        OBJECT_POLICY,
        POLICY("", "",
               ",\"actual\":1,\"desired\":1,\"resources\":1,\"projectedSaving\":\"0.0000\",\"forecast\":{\"model\":"
               "\"none\"}"),
        "{\"items\":[{\"metadata\":{\"name\":\"a\"},\"spec\":{\"policyRef\":{\"name\":\"web\"},\"action\":"
        "\"Delete\",\"target\":{\"id\":\"vol-1\",\"kind\":\"Volume\",\"provider\":\"shop/aws\",\"region\":"
        "\"r\"},\"from\":{\"state\":\"available\"},\"to\":{\"state\":\"deleted\"}},\"status\":{\"phase\":"
        "\"Pending\"}},"
        "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"policyRef\":{\"name\":\"web\"},\"action\":\"Scale\",\"target\":"
        "{\"id\":\"g\",\"kind\":\"InstanceGroup\",\"provider\":\"shop/aws\",\"region\":\"r\"}},\"status\":"
        "{\"phase\":\"Pending\"}}]}",
        NULL);
    const char *text = text_of(&it), *second = strstr(text, "Scale shop/aws/r/g");
    cr_assert(second);
    cr_expect(strstr(text, "-> it waits until somebody has done it") < second, "%s", text);
    cr_expect(strstr(text, "trimtab approve, reject") > second, "%s", text);
    cr_expect(tells(&it, "no saving that is known\n"), "%s", text_of(&it));
    cr_expect(tells(&it, "1 resource, together 1 machines"), "%s", text_of(&it));
    cr_expect_not(tells(&it, "saves 0.0000"), "%s", text_of(&it));
    cr_expect(tells(&it, "none: there is no history of demand"));
    cr_expect_not(tells(&it, "capacity covers"), "%s", text_of(&it));
}

Test(explain, a_provider_and_a_budget_tell_what_follows) {
    struct explanation it = explanation(
        OBJECT_PROVIDER,
        "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"Provider\",\"metadata\":{\"name\":\"aws\",\"namespace\":"
        "\"shop\"},\"spec\":{\"type\":\"aws\",\"regions\":[\"us-east-1\"]},\"status\":{\"account\":\"42\","
        "\"inventory\":"
        "{\"groups\":3,\"nodes\":0},\"apis\":[{\"name\":\"ec2\",\"region\":\"r\",\"circuit\":\"Open\"}],\"conditions\":"
        "[{\"type\":\"Stalled\",\"status\":\"True\",\"reason\":\"X\",\"message\":\"m\"}]}}",
        NULL, NULL);
    cr_expect(tells(&it, "type aws, account 42"));
    cr_expect(tells(&it, "  3 groups\n"), "%s", text_of(&it));
    cr_expect(tells(&it, "API ec2 r does not answer"));
    cr_expect(tells(&it, "somebody has to do what the message says"));
    it = explanation(OBJECT_BUDGET,
                     "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"Budget\",\"metadata\":{\"name\":\"b\","
                     "\"namespace\":\"shop\"},\"spec\":{\"amount\":\"100.00\",\"currency\":\"USD\",\"period\":"
                     "\"Monthly\",\"thresholds\":[{\"percent\":80,\"of\":\"Actual\",\"effect\":\"FreezeGrowth\"}]},"
                     "\"status\":{\"spent\":\"90\",\"remaining\":\"10\",\"level\":\"FreezeGrowth\",\"forecast\":"
                     "{\"p50\":\"110\",\"p90\":\"120\"}}}",
                     NULL, NULL);
    cr_expect(tells(&it, "100.00 USD, Monthly"));
    cr_expect(
        tells(&it, "90 USD so far, remaining 10; at the end 110 as likely as not, at most 120 in nine cases of ten"));
    cr_expect(tells(&it, "level FreezeGrowth: policies in scope do not grow"));
    cr_expect(tells(&it, "80 % of Actual: FreezeGrowth"));
}

Test(explain, json_says_the_same) {
    struct explanation it = explanation(
        OBJECT_POLICY,
        POLICY("", "",
               ",\"whyNot\":[{\"target\":\"t\",\"reason\":\"InTrim\",\"message\":\"m\"}],\"conditions\":[{\"type\":"
               "\"Stalled\",\"status\":\"True\",\"reason\":\"X\",\"message\":\"m\"}]"),
        "{\"items\":[" PROPOSAL("b", "web", "\"phase\":\"Pending\"") "]}", NULL);
    buf_clear(&out);
    explain_print_json(&it, &out);
    const struct json *json = parsed(buf_text(&out));
    cr_expect_str_eq(json_string(json_get(json_array_at(json_get(json, "whyNot"), 0), "meaning"), ""),
                     "it has what it needs");
    cr_expect_str_eq(json_string(json_get(json_array_at(json_get(json, "conditions"), 0), "reason"), ""), "X");
    cr_expect_eq(json_array_count(json_get(json, "recommendations")), 1);
    cr_expect_eq(json_array_count(json_get(json, "holdsBack")), 2);
    cr_expect_str_eq(json_string(json_at(json, "object.metadata.name"), ""), "web");
}
