/*
 * trimtab explain: reads an object, and beside it what it takes to understand it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/options.h"
#include "manifest/decode.h"

/* ---- what is derived ---- */

static int name_cmp(const void *a, const void *b) {
    return str_cmp(json_string(json_at(*(const struct json *const *)a, "metadata.name"), ""),
                   json_string(json_at(*(const struct json *const *)b, "metadata.name"), ""));
}

static const char *name_of(const struct explanation *it) {
    return json_string(json_at(it->json, "metadata.name"), "");
}

static bool is_of(const struct explanation *it, const struct json *proposal) {
    return str_eq(json_string(json_at(proposal, "spec.policyRef.name"), ""), name_of(it));
}

size_t explain_open(const struct explanation *it, const struct json ***ret) {
    const struct json *items = json_get(it->proposals, "items");
    size_t count = 0;
    *ret = arena_alloc_array(it->arena, json_array_count(items) + 1, sizeof(**ret));
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *proposal = json_array_at(items, i);
        if (is_of(it, proposal) && !json_get(json_get(proposal, "status"), "finishedAt"))
            (*ret)[count++] = proposal;
    }
    if (count > 0)
        qsort(*ret, count, sizeof(**ret), name_cmp);
    return count;
}

struct sentences {
    const struct explanation *of;
    const char **items;
    size_t count;
};

static void say(struct sentences *s, const char *text) {
    s->items = arena_push(s->of->arena, s->items, s->count, sizeof(*s->items));
    s->items[s->count++] = text;
}

static bool is_annotated(const struct json *json) {
    const struct json *annotations = json_at(json, "metadata.annotations");
    return str_eq(json_string(json_get(annotations, API_SUSPEND_ANNOTATION), ""), "true");
}

static void say_suspended(struct sentences *s) {
    const struct explanation *it = s->of;
    if (json_bool(json_at(it->json, "spec.suspend"), false))
        say(s, "now: suspended by spec.suspend: nothing is changed");
    if (is_annotated(it->json))
        say(s, "now: suspended by the annotation " API_SUSPEND_ANNOTATION " (trimtab resume): nothing is changed");
    if (is_annotated(it->namespace))
        say(s, "now: its namespace is suspended (trimtab resume namespace/NAME): nothing is changed");
}

static void say_windows(struct sentences *s, const struct policy *policy) {
    struct arena *arena = s->of->arena;
    int64_t opens_ms = INT64_MAX;
    char time[TIME_TEXT_MAX];
    bool is_open = policy_is_window(policy, s->of->now_ms);
    for (size_t i = 0; i < policy->disruption.window_count; i++) {
        const struct policy_window *window = &policy->disruption.windows[i];
        int64_t next_ms = schedule_next(&window->schedule, s->of->now_ms);
        opens_ms = next_ms < opens_ms ? next_ms : opens_ms;
    }
    if (is_open && policy->disruption.window_count > 0)
        say(s, "disruption.windows are for requests, other machines, moves, stops and deletes: one is open now");
    if (is_open || opens_ms == INT64_MAX)
        return;
    time_format(opens_ms, time);
    say(s, arena_printf(
               arena,
               "now: disruption.windows are closed for requests, other machines, moves, stops and deletes; the next "
               "opens %s",
               time));
}

/* When what it did, or tried, ended; 0: it does not count for a cooldown. */
static int64_t finished_ms(const struct explanation *of, const struct json *proposal) {
    const char *phase = json_string(json_at(proposal, "status.phase"), "");
    int64_t time_ms;
    bool counts = is_of(of, proposal) && (str_eq(phase, "Succeeded") || str_eq(phase, "Failed")) &&
                  time_parse(json_string(json_at(proposal, "status.finishedAt"), ""), &time_ms);
    return counts ? time_ms : 0;
}

static bool is_same_target(const struct json *a, const struct json *b) {
    static const char *const paths[] = {"spec.target.provider", "spec.target.region", "spec.target.kind",
                                        "spec.target.id"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (!str_eq(json_string(json_at(a, paths[i]), ""), json_string(json_at(b, paths[i]), "")))
            return false;
    return true;
}

static bool is_last_of_target(const struct explanation *of, const struct json *items, size_t index) {
    const struct json *proposal = json_array_at(items, index);
    int64_t own_ms = finished_ms(of, proposal);
    for (size_t i = 0; i < json_array_count(items); i++) {
        int64_t other_ms = finished_ms(of, json_array_at(items, i));
        if ((other_ms > own_ms || (other_ms == own_ms && i > index)) &&
            is_same_target(proposal, json_array_at(items, i)))
            return false;
    }
    return true;
}

static void say_cooldown(struct sentences *s, const struct policy *policy) {
    const struct json *items = json_get(s->of->proposals, "items");
    int64_t cooldown_ms = policy->disruption.cooldown_ms;
    char until[TIME_TEXT_MAX], span[32];
    duration_format(cooldown_ms, span, sizeof(span));
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *proposal = json_array_at(items, i);
        int64_t time_ms = finished_ms(s->of, proposal);
        if (time_ms == 0 || time_ms + cooldown_ms <= s->of->now_ms || !is_last_of_target(s->of, items, i))
            continue;
        time_format(time_ms + cooldown_ms, until);
        say(s, arena_printf(s->of->arena, "now: %s was changed lately and does not shrink before %s (cooldown %s)",
                            json_string(json_at(proposal, "spec.target.id"), "?"), until, span));
    }
}

static void say_limits(struct sentences *s, const struct policy *policy) {
    char span[32];
    duration_format(policy->disruption.cooldown_ms, span, sizeof(span));
    say(s,
        arena_printf(s->of->arena,
                     "what takes capacity away: %lld at a time, at most %lld %% of a group, not within %s of its last "
                     "change, not for savings under %lld %%",
                     (long long)policy->disruption.max_concurrent, (long long)policy->disruption.max_change_percent,
                     span, (long long)policy->disruption.min_saving_percent));
}

size_t explain_holds(const struct explanation *it, const char ***ret) {
    struct sentences s = {.of = it};
    say_suspended(&s);
    if (it->kind == OBJECT_POLICY && it->object && !it->object->fault[0]) {
        const struct policy *policy = it->object->as.policy;
        if (policy->mode == MODE_OBSERVE)
            say(&s, "mode Observe: it looks and plans, and proposes nothing");
        if (policy->mode == MODE_RECOMMEND)
            say(&s, "mode Recommend: every change waits for a decision (trimtab approve NAME)");
        say_windows(&s, policy);
        say_cooldown(&s, policy);
        say_limits(&s, policy);
    }
    *ret = s.items;
    return s.count;
}

/* ---- JSON ---- */

static void put_words(struct json_writer *w, const struct json *node, const char *const *keys, const char *meaning) {
    jw_open(w, '{');
    for (; *keys; keys++)
        jw_put_string(w, *keys, json_string(json_get(node, *keys), NULL));
    jw_put_string(w, "meaning", meaning);
    jw_close(w, '}');
}

static void put_conditions(const struct explanation *it, struct json_writer *w) {
    static const char *const keys[] = {"type", "status", "reason", "message", NULL};
    const struct json *items = json_at(it->json, "status.conditions");
    jw_key(w, "conditions");
    jw_open(w, '[');
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *node = json_array_at(items, i);
        put_words(w, node, keys,
                  explain_condition(it->kind, json_string(json_get(node, "type"), ""),
                                    json_string(json_get(node, "status"), "")));
    }
    jw_close(w, ']');
}

static void put_why_not(const struct explanation *it, struct json_writer *w) {
    static const char *const keys[] = {"target", "action", "reason", "message", NULL};
    const struct json *items = json_at(it->json, "status.whyNot");
    jw_key(w, "whyNot");
    jw_open(w, '[');
    for (size_t i = 0; i < json_array_count(items); i++) {
        const struct json *node = json_array_at(items, i);
        put_words(w, node, keys, explain_why_not(json_string(json_get(node, "reason"), "")));
    }
    jw_close(w, ']');
}

void explain_print_json(const struct explanation *it, struct buf *out) {
    struct json_writer w = {.out = out};
    const char **holds;
    const struct json **open;
    jw_open(&w, '{');
    jw_put_string(&w, "kind", object_kind_name(it->kind));
    jw_put_string(&w, "namespace", json_string(json_at(it->json, "metadata.namespace"), NULL));
    jw_put_string(&w, "name", name_of(it));
    put_conditions(it, &w);
    if (it->kind == OBJECT_RECOMMENDATION)
        jw_put_string(&w, "meaning", explain_phase(it->json));
    if (it->kind == OBJECT_BUDGET)
        jw_put_string(&w, "meaning", explain_level(json_string(json_at(it->json, "status.level"), "")));
    size_t count = explain_holds(it, &holds);
    jw_key(&w, "holdsBack");
    jw_open(&w, '[');
    for (size_t i = 0; i < count; i++)
        jw_string(&w, holds[i]);
    jw_close(&w, ']');
    if (it->kind == OBJECT_POLICY) {
        put_why_not(it, &w);
        count = explain_open(it, &open);
        jw_key(&w, "recommendations");
        jw_open(&w, '[');
        for (size_t i = 0; i < count; i++)
            jw_json(&w, open[i]);
        jw_close(&w, ']');
    }
    jw_key(&w, "object");
    jw_json(&w, it->json);
    jw_close(&w, '}');
    buf_putc(out, '\n');
}

/* ---- the verb ---- */

static enum err_class read_at(struct cli_client *client, enum object_kind kind, const char *name, struct json **ret,
                              struct error *err) {
    struct buf path = {0};
    cli_path_append(&path, kind, cli_client_namespace(client), name);
    enum err_class class = cli_client_get(client, buf_text(&path), ret, err);
    buf_release(&path);
    return class;
}

static int explain(struct cli_client *client, enum object_kind kind, const char *name, const char *output) {
    struct json *json = NULL, *proposals = NULL, *namespace = NULL;
    struct arena arena = {0};
    struct object *object = NULL;
    struct manifest_faults faults;
    struct error err, ignored;
    if (read_at(client, kind, name, &json, &err) != ERR_NONE)
        return cli_fail(&err);
    int code = CLI_DONE;
    if (kind == OBJECT_POLICY && read_at(client, OBJECT_RECOMMENDATION, NULL, &proposals, &err) != ERR_NONE)
        code = cli_fail(&err);
    /* Who may read policies may well not read namespaces: then it is not said. */
    (void)read_at(client, OBJECT_NAMESPACE, cli_client_namespace(client), &namespace, &ignored);
    if (object_decode(json, &(struct decode_options){0}, &arena, &object, &faults, &ignored) != ERR_NONE)
        object = NULL;
    const struct explanation it = {.kind = kind,
                                   .json = json,
                                   .object = object,
                                   .proposals = proposals,
                                   .namespace = namespace,
                                   .now_ms = cli_client_now_ms(client),
                                   .arena = &arena};
    struct buf out = {0};
    if (str_eq(output, "json"))
        explain_print_json(&it, &out);
    else
        explain_print_text(&it, &out);
    if (code == CLI_DONE && (fputs(buf_text(&out), stdout) < 0 || fflush(stdout) != 0))
        code = CLI_FAILED;
    buf_release(&out);
    json_free(json);
    json_free(proposals);
    json_free(namespace);
    arena_release(&arena);
    return code;
}

int cli_explain(int argc, char **argv) {
    static const char *const outputs[] = {"text", "json", NULL};
    struct cli_where where = {0};
    const char *output = "text";
    const struct cli_option options[] = {
        CLI_OPTIONS_WHERE(where),
        {"output", 'o', "text|json", "Default text.", CLI_OPTION_CHOICE, &output, outputs, 0, 0},
        {0},
    };
    const struct cli_syntax syntax = {
        .usage = "trimtab explain KIND/NAME",
        .summary =
            "Says in plain words how an object stands: of a resourcepolicy what is seen, what is wanted and why,\n"
            "and what holds it back; of a recommendation its way so far; of a provider or budget what follows\n"
            "from its conditions. KIND NAME is also understood.\n",
        .options = options,
        .operands_min = 1,
        .operands_max = 2,
    };
    size_t count;
    int code = cli_options_parse(&syntax, argc, argv, &count);
    if (code != CLI_GO_ON)
        return code;
    char *name = count == 2 ? argv[2] : strchr(argv[1], '/');
    if (!name)
        return cli_usage_error(&syntax, "\"%s\" is not of the form KIND/NAME", argv[1]);
    if (count == 1)
        *name++ = '\0';
    enum object_kind kind;
    if (!object_kind_parse(argv[1], &kind))
        return cli_usage_error(&syntax, "\"%s\" is no kind", argv[1]);
    if (kind == OBJECT_NAMESPACE)
        return cli_usage_error(&syntax, "of a namespace there is nothing to explain; name an object in it");
    if (!*name)
        return cli_usage_error(&syntax, "the name is empty");
    struct cli_client *client;
    struct error err;
    if (cli_client_open(&where, &client, &err) != ERR_NONE)
        return cli_fail(&err);
    code = explain(client, kind, name, output);
    cli_client_close(client);
    return code;
}
