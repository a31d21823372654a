/*
 * Budget: what may be spent, by whom, and what happens on the way there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "manifest/decode_internal.h"

#define SCOPE_MAX 64
#define THRESHOLDS_MAX 16
#define NOTIFY_MAX 8

static const char *period_name(int value) {
    return budget_period_name((enum budget_period)value);
}
static const char *of_name(int value) {
    return budget_of_name((enum budget_of)value);
}
static const char *effect_name(int value) {
    return budget_effect_name((enum budget_effect)value);
}
static const char *basis_name(int value) {
    return budget_basis_name((enum budget_basis)value);
}

static void decode_amount(struct decoder *d, const struct place *spec, struct budget *ret) {
    struct place at = place_key(spec, "amount");
    const char *text = decode_text_borrowed(d, spec, "amount", &text_decimal, true);
    if (text && (!money_parse(text, &ret->amount) || ret->amount <= 0))
        decode_fault(d, &at, "must be above zero");
    const char *currency = decode_text_borrowed(d, spec, "currency", &text_currency, true);
    if (currency)
        memcpy(ret->currency, currency, sizeof(ret->currency));
}

static void decode_period(struct decoder *d, const struct place *spec, struct budget *ret) {
    ret->period = (enum budget_period)decode_enum(d, spec, "period", period_name, PERIOD_COUNT, PERIOD_MONTHLY);
    struct place zone_at = place_key(spec, "timeZone");
    ret->time_zone = zone_at.json ? decode_text_at(d, &zone_at, &text_time_zone) : "UTC";
    const struct zone *zone = ret->time_zone ? zone_find(ret->time_zone) : NULL;
    if (ret->time_zone && !zone)
        decode_fault(d, &zone_at, "\"%s\" is not in the tz database; write it like Europe/Berlin", ret->time_zone);
    const char *start = decode_text_borrowed(d, spec, "start", &text_date, false);
    if (!start || !zone)
        return;
    /* text_date let it pass: it is a real date, written YYYY-MM-DD. */
    int year = (int)strtol(start, NULL, 10);
    int month = (int)strtol(start + strlen("YYYY-"), NULL, 10);
    int day = (int)strtol(start + strlen("YYYY-MM-"), NULL, 10);
    ret->start_ms = zone_to_unix_ms(zone, year, month, day, 0, 0);
}

static void decode_parent(struct decoder *d, const struct place *spec, struct budget *ret) {
    static const char *const keys[] = {"namespace", "name", NULL};
    struct place at = decode_object(d, spec, "parentRef", keys);
    if (!at.json)
        return;
    const char *namespace = decode_text(d, &at, "namespace", &text_label, false);
    ret->parent =
        (struct object_ref){namespace ? namespace : d->namespace, decode_text(d, &at, "name", &text_subdomain, true)};
}

static void decode_scope(struct decoder *d, const struct place *spec, struct budget *ret) {
    static const char *const keys[] = {"providers", "tags", "policies", "namespaceSelector", NULL};
    struct place at = decode_object(d, spec, "scope", keys);
    ret->providers = decode_references(d, &at, "providers", 0, SCOPE_MAX, &ret->provider_count);
    ret->tags = decode_tags(d, &at, "tags", &ret->tag_count);
    ret->policies = decode_texts(d, &at, "policies", &text_subdomain, 0, SCOPE_MAX, &ret->policy_count);
    ret->has_namespace_selector = json_get(at.json, "namespaceSelector") != NULL;
    ret->namespace_labels = decode_selector(d, &at, "namespaceSelector", &ret->namespace_label_count);
}

static void decode_thresholds(struct decoder *d, const struct place *spec, struct budget *ret) {
    static const char *const keys[] = {"percent", "of", "effect", NULL};
    struct place list;
    size_t count = decode_list(d, spec, "thresholds", 0, THRESHOLDS_MAX, &list);
    struct budget_threshold *thresholds = count > 0 ? arena_alloc_array(d->arena, count, sizeof(*thresholds)) : NULL;
    for (size_t i = 0; i < count; i++) {
        struct place at = place_index(&list, i);
        decode_object_at(d, &at, keys);
        struct budget_threshold *it = &thresholds[i];
        it->percent = decode_int(d, &at, "percent", INT_RULE(.min = 1, .max = 1000, .required = true));
        it->of = (enum budget_of)decode_enum(d, &at, "of", of_name, BUDGET_OF_COUNT, -1);
        it->effect = (enum budget_effect)decode_enum(d, &at, "effect", effect_name, BUDGET_EFFECT_COUNT, -1);
        for (size_t j = 0; it->percent > 0 && j < i; j++) {
            if (thresholds[j].percent == it->percent && thresholds[j].of == it->of &&
                thresholds[j].effect == it->effect)
                decode_fault(d, &at, "is the same as thresholds[%zu]; remove one of them", j);
        }
    }
    ret->thresholds = thresholds;
    ret->threshold_count = count;
}

static void decode_notify(struct decoder *d, const struct place *spec, struct budget *ret) {
    static const char *const keys[] = {"webhook", NULL};
    static const char *const webhook_keys[] = {"secretRef", NULL};
    struct place list;
    size_t entries = decode_list(d, spec, "notify", 0, NOTIFY_MAX, &list), count = 0;
    const char **names = entries > 0 ? arena_alloc_array(d->arena, entries, sizeof(*names)) : NULL;
    for (size_t i = 0; i < entries; i++) {
        struct place at = place_index(&list, i);
        decode_object_at(d, &at, keys);
        struct place webhook = decode_object(d, &at, "webhook", webhook_keys);
        if (!webhook.json && !json_get(at.json, "webhook"))
            decode_fault(d, &webhook, "is required");
        const char *name = webhook.json ? decode_secret_ref(d, &webhook, true) : NULL;
        if (name)
            names[count++] = name;
    }
    ret->webhook_secrets = names;
    ret->webhook_secret_count = count;
}

const struct budget *decode_budget(struct decoder *d, const struct place *spec) {
    static const char *const keys[] = {"amount", "currency", "period",     "timeZone", "start",   "parentRef",
                                       "scope",  "basis",    "thresholds", "notify",   "suspend", NULL};
    struct place at = *spec;
    decode_object_at(d, &at, keys);
    struct budget *budget = arena_alloc(d->arena, sizeof(*budget));
    decode_amount(d, &at, budget);
    decode_period(d, &at, budget);
    decode_parent(d, &at, budget);
    decode_scope(d, &at, budget);
    budget->basis = (enum budget_basis)decode_enum(d, &at, "basis", basis_name, BASIS_COUNT, BASIS_EFFECTIVE_COST);
    decode_thresholds(d, &at, budget);
    decode_notify(d, &at, budget);
    return budget;
}
