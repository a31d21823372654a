/*
 * What the words of a status mean, and what follows from them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/mem.h"
#include "base/str.h"
#include "cli/explain.h"

struct word {
    const char *word, *meaning;
};

static const char *find(const struct word *words, size_t count, const char *word) {
    for (size_t i = 0; i < count; i++)
        if (str_eq(words[i].word, word))
            return words[i].meaning;
    return NULL;
}

const char *explain_why_not(const char *reason) {
    static const struct word words[] = {
        {"ActionNotAllowed", "it would help, but spec.actions lacks it"},
        {"AntiAffinity", "another group of the policy is in that place: placement.antiAffinity"},
        {"AtMaximum", "a maximum leaves no room: capacity.max, or its own"},
        {"AtMinimum", "a minimum keeps it: capacity.min, or its own"},
        {"BeingDeleted", "the cloud is deleting it"},
        {"BeingDrained", "it is cordoned: its pods are counted on the other nodes"},
        {"BelowMinSaving", "it would save less than disruption.minSavingPercent"},
        {"BudgetFreeze", "a budget has frozen growth"},
        {"DearerThanChosen", "it saves less than what is proposed"},
        {"DearerThanNow", "it costs no less than to stay"},
        {"DemandUnmet", "what it runs on is not for sale, and it cannot leave"},
        {"ExcludedType", "it would save, but placement.instanceTypes leaves it out"},
        {"ForecastExpired", "the history ends too long ago: nothing shrinks until there is news"},
        {"InTrim", "it has what it needs"},
        {"InUse", "somebody uses it"},
        {"LastCopy", "it may be the only copy of that disk"},
        {"LittleHistory", "what is known of its demand is borrowed, or too little to change its machine for"},
        {"ManagedElsewhere", "somebody else decides about it, and two must not fight over it"},
        {"MissingObservation", "it could not be read, and nothing is changed unseen"},
        {"NoHistory", "demand is not known yet: it grows by its bounds alone, and does not shrink"},
        {"NodeNeeded", "the other nodes have no room for its pods"},
        {"NodesFull", "pods have no room on the nodes: more nodes are needed"},
        {"NotEvictable", "pods on it must not be moved"},
        {"NotReady", "it takes no pods; they are counted on the other nodes"},
        {"NotScalable", "it has no size to plan"},
        {"NotWorthDisruption", "the change would cost more than it saves within the horizon"},
        {"PingPong", "it is what was there before the last change"},
        {"PlaceClosed", "nothing is known to be for sale there"},
        {"PodsPending", "pods wait for a node, so none is given up"},
        {"QuotaExceeded", "a quota leaves no room for it: have it raised"},
        {"SelectedTwice", "two policies select it: neither acts until one lets go"},
        {"SnapshotsNotSelected", "it may be the only copy of what is on it"},
        {"SpreadViolated", "places would differ by more than placement.spread allows, or be too few"},
        {"StaleObservation", "the view is too old to take anything away on"},
        {"TooManyNodes", "the cluster is too large for its nodes to be weighed"},
        {"TooYoung", "it may still be of use (idle.after, idle.snapshotAge; of nodes an hour at least)"},
        {"TooSmall", "those machines could not serve the demand"},
        {"TruncatedObservation", "the listing was cut: nothing shrinks on a part of the world"},
        {"UnknownCapacity", "nobody knows what one machine or pod of it serves"},
        {"UnknownLoad", "nobody has told all that runs on it"},
        {"UnknownPrice", "without a price it cannot be compared"},
        {"WaitsForOthers", "it is not needed, and goes after others: disruption.maxChangePercent"},
        {"WrongArchitecture", "it would save, but its images may not run there"},
    };
    return find(words, ARRAY_LEN(words), reason);
}

const char *explain_condition(enum object_kind kind, const char *type, const char *status) {
    static const struct {
        int kind; /* enum object_kind; -1: any. */
        const char *type, *status, *meaning;
    } words[] = {
        {OBJECT_PROVIDER, "Ready", "True", "the policies that select it can plan on it"},
        {OBJECT_PROVIDER, "Ready", "False", "what its policies cannot see they neither shrink nor move"},
        {OBJECT_PROVIDER, "Observed", "False", "of what is not listed, or was long ago, nothing shrinks"},
        {OBJECT_PROVIDER, "ApisAvailable", "False", "those APIs are asked only now and then until they answer again"},
        {OBJECT_PROVIDER, "PricesCurrent", "False", "costs and savings rest on prices that may have changed"},
        {OBJECT_POLICY, "Observed", "False", "of what is not seen, or was long ago, nothing shrinks"},
        {OBJECT_POLICY, "Forecasted", "False", "meanwhile quantiles are wide, and what has no history does not shrink"},
        {OBJECT_POLICY, "WithinBudget", "False", "the effect of that budget is in force"},
        {OBJECT_BUDGET, "Ready", "False", "its thresholds have no effect"},
        {-1, "Reconciling", "True", "it goes on by itself"},
        {-1, "Stalled", "True", "it does not go on by itself: somebody has to do what the message says"},
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if ((words[i].kind < 0 || words[i].kind == (int)kind) && str_eq(words[i].type, type) &&
            str_eq(words[i].status, status))
            return words[i].meaning;
    return NULL;
}

/* What the controller does not carry out, whatever is decided. */
static bool is_by_hand(const struct json *recommendation) {
    const char *action = json_string(json_at(recommendation, "spec.action"), "");
    enum cloud_kind kind;
    if (!cloud_kind_parse(json_string(json_at(recommendation, "spec.target.kind"), ""), &kind))
        return false;
    for (int i = 0; i < ACTION_TYPE_COUNT; i++)
        if (str_eq(action, action_type_name((enum action_type)i)))
            return recommendation_is_by_hand(i, kind);
    return false;
}

const char *explain_phase(const struct json *recommendation) {
    const char *phase = json_string(json_at(recommendation, "status.phase"), "");
    static const struct word words[] = {
        {"Pending", "it waits for a decision: trimtab approve, reject or snooze"},
        {"Snoozed", "it comes back when the time is over"},
        {"Approved", "it begins as soon as its gates are open"},
        {"Running", "the intent is recorded; the effect is on its way, or being settled"},
        {"Verifying", "the cloud shows the change; it waits until it serves"},
        {"Reverting", "it goes back to what was"},
        {"Succeeded", "it is done, and serves"},
        {"Reverted", "it was taken back"},
        {"Failed", "it was not done; a new plan may propose it again"},
        {"Rejected", "it was turned down; the same change is not proposed again"},
        {"Superseded", "a newer plan, or the world, has overtaken it"},
        {"Expired", "nobody decided in time"},
    };
    if (str_eq(phase, "Pending") && is_by_hand(recommendation))
        return "it waits until somebody has done it, which the next plan sees, or turns it down: trimtab reject";
    return find(words, ARRAY_LEN(words), phase);
}

const char *explain_level(const char *level) {
    static const struct word words[] = {
        {"None", "no threshold is reached: policies are not held back"},
        {"Warn", "a threshold is reached that only warns"},
        {"FreezeGrowth", "policies in scope do not grow"},
        {"Economize", "policies in scope accept more violation, cheaper places and spot machines"},
        {"ShrinkToMinimum", "policies in scope go to their minimum"},
    };
    return find(words, ARRAY_LEN(words), level);
}
