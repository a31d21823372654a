/*
 * The text of `trimtab explain`: headed paragraphs, two columns where figures stand, sentences elsewhere.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <string.h>

#include "base/money.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cli/explain.h"
#include "cli/get.h"

static const char *text_at(const struct json *json, const char *path) {
    return json_string(json_at(json, path), "");
}

static bool is_known(const char *figure) {
    return *figure && !str_eq(figure, "-");
}

static void line(struct buf *out, const char *indent, const char *text) {
    char copy[2048];
    (void)str_copy(copy, sizeof(copy), text);
    str_make_line(copy); /* Of the cluster: it may hold what a terminal obeys. */
    buf_printf(out, "%s%s\n", indent, copy);
}

static void put_count(struct buf *out, const char *before, int64_t count, const char *noun, const char *after) {
    buf_printf(out, "%s%" PRId64 " %s%s%s", before, count, noun, count == 1 ? "" : "s", after);
}

/* ", since 3h" */
static void since(const struct explanation *it, const char *time, struct buf *out) {
    int64_t ms;
    char age[GET_AGE_MAX];
    if (!time_parse(time, &ms))
        return;
    get_age_format(it->now_ms - ms, age, sizeof(age));
    buf_printf(out, ", since %s", age);
}

static void strings(const struct json *array, const char *indent, struct buf *out) {
    for (size_t i = 0; i < json_array_count(array); i++)
        line(out, indent, json_string(json_array_at(array, i), ""));
}

/* ---- every kind ---- */

static void print_conditions(const struct explanation *it, struct buf *out) {
    const struct json *items = json_at(it->json, "status.conditions");
    buf_puts(out, "\nConditions\n");
    if (json_array_count(items) == 0)
        buf_puts(out, "  none yet: no controller has looked at it\n");
    if (json_int(json_at(it->json, "metadata.generation"), 0) >
        json_int(json_at(it->json, "status.observedGeneration"), INT64_MAX))
        buf_puts(out, "  these are of an earlier spec: the present one has not been looked at yet\n");
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *node = json_array_at(items, i);
        const char *type = text_at(node, "type"), *status = text_at(node, "status");
        const char *meaning = explain_condition(it->kind, type, status);
        buf_printf(out, "  %s is %s (%s)", type, status, text_at(node, "reason"));
        since(it, text_at(node, "lastTransitionTime"), out);
        buf_puts(out, "\n");
        if (*text_at(node, "message"))
            line(out, "      ", text_at(node, "message"));
        if (meaning)
            line(out, "      -> ", meaning);
    }
}

static void print_holds(const struct explanation *it, struct buf *out) {
    const char **holds;
    size_t count = explain_holds(it, &holds);
    if (count > 0)
        buf_puts(out, "\nWhat holds it back\n");
    for (size_t i = 0; i < count; i++)
        line(out, "  ", holds[i]);
}

/* ---- Recommendations ---- */

static void print_state(const struct json *state, struct buf *out) {
    const struct json *count = json_get(state, "count"), *low = json_get(state, "minCount");
    const struct json *high = json_get(state, "maxCount");
    const char *type = text_at(state, "instanceType"), *region = text_at(state, "region");
    if (json_type(count) == JSON_INT)
        buf_printf(out, "%" PRId64 "%s", json_int(count, 0), *type ? " x " : "");
    if (json_type(low) == JSON_INT)
        buf_printf(out, "%" PRId64 " to %" PRId64, json_int(low, 0), json_int(high, 0));
    buf_puts(out, type);
    if (*region)
        buf_printf(out, " in %s/%s", text_at(state, "provider"), region);
    if (*text_at(state, "purchase"))
        buf_printf(out, " (%s)", text_at(state, "purchase"));
    if (*text_at(state, "cpu"))
        buf_printf(out, " cpu %s", text_at(state, "cpu"));
    if (*text_at(state, "memory"))
        buf_printf(out, " memory %s", text_at(state, "memory"));
    buf_puts(out, text_at(state, "state"));
}

static void print_change(const struct json *rec, struct buf *out) {
    buf_printf(out, "%s %s/%s/%s  ", text_at(rec, "spec.action"), text_at(rec, "spec.target.provider"),
               text_at(rec, "spec.target.region"), text_at(rec, "spec.target.id"));
    print_state(json_at(rec, "spec.from"), out);
    buf_puts(out, " -> ");
    print_state(json_at(rec, "spec.to"), out);
    buf_putc(out, '\n');
}

static void print_phase(const struct explanation *it, const struct json *rec, const char *indent, struct buf *out) {
    const char *phase = text_at(rec, "status.phase"), *meaning = explain_phase(rec);
    buf_printf(out, "%s%s", indent, *phase ? phase : "Not looked at yet");
    since(it, text_at(rec, "status.phaseSince"), out);
    line(out, *text_at(rec, "status.message") ? ": " : "", text_at(rec, "status.message"));
    if (meaning)
        buf_printf(out, "%s-> %s\n", indent, meaning);
}

static void print_worth(const struct json *rec, const char *indent, struct buf *out) {
    const char *hourly = text_at(rec, "status.saving.hourly"), *currency = text_at(rec, "status.saving.currency");
    const char *monthly = text_at(rec, "status.saving.monthly"), *verb = "saves";
    double value;
    if (hourly[0] == '-') {
        verb = "costs";
        hourly++;
        monthly += monthly[0] == '-';
    }
    buf_puts(out, indent);
    if (str_to_double(hourly, &value) && value > 0)
        buf_printf(out, "%s %s %s an hour, %s a month", verb, hourly, currency, monthly);
    else
        buf_puts(out, "no saving that is known");
    if (*text_at(rec, "status.risk"))
        buf_printf(out, "; risk %s, confidence %s", text_at(rec, "status.risk"), text_at(rec, "status.confidence"));
    buf_putc(out, '\n');
}

static void print_steps(const struct json *rec, const char *indent, struct buf *out) {
    const struct json *steps = json_at(rec, "status.steps");
    for (size_t i = 0; i < json_array_count(steps); i++) {
        const struct json *step = json_array_at(steps, i);
        buf_printf(out, "%s%zu. %s: %s", indent, i + 1, text_at(step, "name"), text_at(step, "state"));
        if (*text_at(step, "at"))
            buf_printf(out, " (%s)", text_at(step, "at"));
        if (*text_at(step, "message"))
            buf_printf(out, ", %s", text_at(step, "message"));
        buf_putc(out, '\n');
    }
}

static void print_open(const struct explanation *it, struct buf *out) {
    const struct json **open;
    size_t count = explain_open(it, &open);
    buf_printf(out, "\nOpen Recommendations%s\n", count == 0 ? ": none" : "");
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, "  ");
        print_change(open[i], out);
        buf_printf(out, "      %s\n", text_at(open[i], "metadata.name"));
        print_phase(it, open[i], "      ", out);
        print_worth(open[i], "      ", out);
        strings(json_at(open[i], "status.why"), "      - ", out);
        print_steps(open[i], "      ", out);
    }
}

static void print_journey(const struct explanation *it, struct buf *out) {
    const struct json *rec = it->json;
    const char *decision = text_at(rec, "spec.decision");
    buf_puts(out, "\nWhat\n  ");
    print_change(rec, out);
    print_worth(rec, "  ", out);
    buf_puts(out, "\nWhy\n");
    strings(json_at(rec, "status.why"), "  - ", out);
    buf_printf(out, "\nIts way\n  %s  proposed (attempt %" PRId64 ")\n", text_at(rec, "metadata.creationTimestamp"),
               json_int(json_at(rec, "spec.attempt"), 1));
    buf_printf(out, "  decision: %s", *decision ? decision : "none yet");
    if (*text_at(rec, "spec.snoozeUntil"))
        buf_printf(out, " until %s", text_at(rec, "spec.snoozeUntil"));
    if (*text_at(rec, "spec.feedback.reason") || *text_at(rec, "spec.feedback.note"))
        buf_printf(out, ", because: %s %s", text_at(rec, "spec.feedback.reason"), text_at(rec, "spec.feedback.note"));
    buf_putc(out, '\n');
    print_phase(it, rec, "  ", out);
    if (json_int(json_at(rec, "status.tries"), 0) > 0)
        put_count(out, "  sent ", json_int(json_at(rec, "status.tries"), 0), "time", "\n");
    print_steps(rec, "  ", out);
    if (*text_at(rec, "status.realised.hourly"))
        buf_printf(out, "  has saved in truth %s %s an hour\n", text_at(rec, "status.realised.hourly"),
                   text_at(rec, "status.realised.currency"));
    if (*text_at(rec, "status.finishedAt"))
        buf_printf(out, "  %s  finished\n", text_at(rec, "status.finishedAt"));
}

/* ---- policies ---- */

static void print_seen(const struct json *json, struct buf *out) {
    const struct json *status = json_get(json, "status");
    if (json_type(json_get(status, "actual")) != JSON_INT) {
        buf_puts(out, "\nNo plan has been made yet.\n");
        return;
    }
    int64_t actual = json_int(json_get(status, "actual"), 0), desired = json_int(json_get(status, "desired"), 0);
    const char *cost = text_at(status, "hourlyCost"), *saving = text_at(status, "projectedSaving");
    put_count(out, "\nSeen\n  ", json_int(json_get(status, "resources"), 0), "resource", ", together ");
    buf_printf(out, "%" PRId64 " machines or replicas, ", actual);
    if (*cost)
        buf_printf(out, "%s USD an hour\n", cost);
    else
        buf_puts(out, "at a price that is not known\n");
    buf_printf(out, "\nWanted\n  %" PRId64 ", that is ", desired);
    if (desired == actual)
        buf_puts(out, "what is there");
    else
        buf_printf(out, "%" PRId64 " %s", desired > actual ? desired - actual : actual - desired,
                   desired > actual ? "more" : "fewer");
    double value;
    if (str_to_double(saving, &value) && (value > 0 || value < 0))
        buf_printf(out, "; %s %s USD an hour", saving[0] == '-' ? "costs" : "saves", saving + (saving[0] == '-'));
    buf_putc(out, '\n');
    if (*text_at(status, "lowerBound"))
        buf_printf(
            out, "  no choice under the policy costs less than %s USD an hour: the plan is within %s %% of the least\n",
            text_at(status, "lowerBound"), text_at(status, "optimalityGapPercent"));
    buf_printf(out, "  plan %s", text_at(status, "lastPlan.hash"));
    put_count(out, ", ", json_int(json_at(status, "lastPlan.actions"), 0), "action", "\n");
}

static void print_loss(const struct json *forecast, struct buf *out) {
    const char *loss = text_at(forecast, "loss"), *naive = text_at(forecast, "naiveLoss");
    double own, other;
    if (!is_known(loss) || !is_known(naive) || !str_to_double(loss, &own) || !str_to_double(naive, &other))
        return;
    buf_printf(out, "  loss %s, of the naive forecast %s", loss, naive);
    if (other > 0)
        buf_printf(out, ": %.0f %% %s", 100 * (own <= other ? other - own : own - other) / other,
                   own <= other ? "better" : "worse");
    buf_putc(out, '\n');
}

static void print_forecast(const struct json *forecast, struct buf *out) {
    const char *basis = text_at(forecast, "basis"), *coverage = text_at(forecast, "coverage");
    double quantile;
    if (!forecast)
        return;
    if (str_eq(text_at(forecast, "model"), "none")) {
        buf_puts(out, "\nForecast\n  none: there is no history of demand\n");
        return;
    }
    bool is_quantile = str_to_double(text_at(forecast, "quantile"), &quantile);
    buf_printf(out, "\nForecast\n  model %s, %s, %" PRId64 " samples\n", text_at(forecast, "model"),
               str_eq(basis, "own")      ? "from its own history"
               : str_eq(basis, "pooled") ? "borrowed from similar resources"
               : str_eq(basis, "prior")  ? "level and spread only: the history is too short for a season"
                                         : "no usable history",
               json_int(json_get(forecast, "samples"), 0));
    if (is_quantile)
        buf_printf(out, "  capacity covers what demand stays under in %.6g %% of the time\n", 100 * quantile);
    if (is_known(coverage))
        buf_printf(out, "  so far it did in a share of %s of %" PRId64 " samples (%s at the lead time)\n", coverage,
                   json_int(json_get(forecast, "coverageSamples"), 0), text_at(forecast, "coverageAtLead"));
    else
        buf_puts(out, "  whether it does has not been counted yet\n");
    print_loss(forecast, out);
}

static void print_why_not(const struct json *items, struct buf *out) {
    if (json_array_count(items) > 0)
        buf_puts(out, "\nNot done, and why\n");
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *node = json_array_at(items, i);
        const char *meaning = explain_why_not(text_at(node, "reason"));
        const char *action = json_string(json_get(node, "action"), "");
        buf_printf(out, "  %s  %s%s%s%s%s\n", text_at(node, "target"), action, *action ? ": " : "",
                   text_at(node, "reason"), meaning ? ": " : "", meaning ? meaning : "");
        line(out, "      ", text_at(node, "message"));
    }
}

static void print_policy(const struct explanation *it, struct buf *out) {
    const struct json *status = json_get(it->json, "status");
    print_seen(it->json, out);
    print_forecast(json_get(status, "forecast"), out);
    print_open(it, out);
    print_why_not(json_get(status, "whyNot"), out);
}

/* ---- Providers and Budgets ---- */

static void print_provider(const struct json *json, struct buf *out) {
    const struct json *inventory = json_at(json, "status.inventory"), *apis = json_at(json, "status.apis");
    buf_puts(out, "\nSeen\n ");
    const char *separator = " ";
    for (struct json_iter it = json_iter(inventory); json_iter_next(&it);) {
        if (json_int(it.value, 0) == 0)
            continue;
        buf_printf(out, "%s%" PRId64 " %s", separator, json_int(it.value, 0), it.key);
        separator = ", ";
    }
    buf_printf(out, "%s\n", *separator != ' ' ? "" : inventory ? " nothing is there" : " nothing has been listed yet");
    for (size_t i = 0; i < json_array_count(apis); i++)
        if (str_eq(text_at(json_array_at(apis, i), "circuit"), "Open"))
            buf_printf(out, "  API %s %s does not answer: it is asked only now and then\n",
                       text_at(json_array_at(apis, i), "name"), text_at(json_array_at(apis, i), "region"));
}

static void print_budget(const struct json *json, struct buf *out) {
    const char *currency = text_at(json, "spec.currency"), *level = text_at(json, "status.level");
    const char *spent = text_at(json, "status.spent"), *likely = text_at(json, "status.forecast.p50");
    if (!*spent)
        buf_puts(out, "\nWhat has been spent is not known yet.\n");
    else
        buf_printf(out, "\nSpent\n  %s %s so far, remaining %s%s%s%s%s%s\n", spent, currency,
                   text_at(json, "status.remaining"), *likely ? "; at the end " : "", likely,
                   *likely ? " as likely as not, at most " : "", text_at(json, "status.forecast.p90"),
                   *likely ? " in nine cases of ten" : "");
    if (*level)
        buf_printf(out, "  level %s: %s\n", level, explain_level(level) ? explain_level(level) : "");
    const struct json *thresholds = json_at(json, "spec.thresholds");
    if (json_array_count(thresholds) > 0)
        buf_puts(out, "\nThresholds\n");
    for (size_t i = 0; i < json_array_count(thresholds); i++) {
        const struct json *it = json_array_at(thresholds, i);
        const char *effect = text_at(it, "effect"), *meaning = explain_level(effect);
        buf_printf(out, "  %" PRId64 " %% of %s: %s, %s\n", json_int(json_get(it, "percent"), 0), text_at(it, "of"),
                   effect, meaning ? meaning : "");
    }
}

static void print_policy_head(const struct object *object, struct buf *out) {
    if (!object || object->fault[0]) /* The conditions say so too, once it has been looked at. */
        line(out, "  its spec cannot be used: ", object ? object->fault : "not understood");
    if (!object || object->fault[0])
        return;
    const struct policy *policy = object->as.policy;
    const char *separator = "; may ";
    buf_printf(out, "  mode %s", policy_mode_name(policy->mode));
    for (int i = 0; i < ACTION_TYPE_COUNT; i++) {
        if (!policy_may(policy, (enum action_type)i))
            continue;
        buf_printf(out, "%s%s", separator, action_type_name((enum action_type)i));
        separator = ", ";
    }
    buf_putc(out, '\n');
}

static void print_head(const struct explanation *it, struct buf *out) {
    const struct json *json = it->json;
    buf_printf(out, "%s %s/%s\n", object_kind_name(it->kind), text_at(json, "metadata.namespace"),
               text_at(json, "metadata.name"));
    if (it->kind == OBJECT_POLICY)
        print_policy_head(it->object, out);
    if (it->kind == OBJECT_PROVIDER)
        buf_printf(out, "  type %s", text_at(json, "spec.type"));
    if (it->kind == OBJECT_PROVIDER)
        buf_printf(out, "%s%s\n", *text_at(json, "status.account") ? ", account " : "",
                   text_at(json, "status.account"));
    if (it->kind == OBJECT_BUDGET)
        buf_printf(out, "  %s %s, %s\n", text_at(json, "spec.amount"), text_at(json, "spec.currency"),
                   text_at(json, "spec.period"));
    if (it->kind == OBJECT_RECOMMENDATION)
        buf_printf(out, "  of ResourcePolicy %s/%s\n", text_at(json, "metadata.namespace"),
                   text_at(json, "spec.policyRef.name"));
    if (json_at(json, "metadata.deletionTimestamp"))
        buf_puts(out, "  is being deleted\n");
}

void explain_print_text(const struct explanation *it, struct buf *out) {
    print_head(it, out);
    print_conditions(it, out);
    switch (it->kind) {
    case OBJECT_PROVIDER:
        print_provider(it->json, out);
        break;
    case OBJECT_POLICY:
        print_policy(it, out);
        break;
    case OBJECT_BUDGET:
        print_budget(it->json, out);
        break;
    case OBJECT_RECOMMENDATION:
        print_journey(it, out);
        break;
    case OBJECT_NAMESPACE:
    case OBJECT_KIND_COUNT:
        break;
    }
    print_holds(it, out);
    for (char *at = out->data; at && *at; at++) /* What else a terminal would obey. */
        if ((unsigned char)*at < ' ' && *at != '\n')
            *at = ' ';
}
