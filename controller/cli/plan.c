/*
 * trimtab plan: what the policies of a directory would do, without doing it. The inputs come from one look at the
 * clouds or from a file; the stages are the loop's own, so the same snapshot gives the same bytes as in the cluster.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cli/cli.h"
#include "cli/clouds.h"
#include "cli/look.h"
#include "cli/options.h"
#include "cli/record.h"
#include "cli/whatif.h"
#include "loop/evaluate.h"

#define USAGE_STEP_DEFAULT "5m"

struct target { /* A policy to plan, and from what. */
    const struct object *policy;
    const char *key;
    const struct snapshot *snapshot;
    struct headroom headroom;
    const struct json *recorded; /* NULL: no plan to compare with. */
};

struct plan_verb {
    const char *file, *namespace, *policy, *snapshot, *record, *replay, *output, *usage_step;
    int64_t usage_step_ms;
    struct cli_whatif whatif;
    struct manifest_set set;
    struct record_set records;
    struct look_policy *policies; /* All of the set, by key. */
    size_t policy_count;
    struct target *targets;
    size_t target_count;
    struct buf out, record_text;
    struct json_writer record_writer;
    struct arena arena;
    int code; /* The exit code so far. */
};

static void worsen(struct plan_verb *verb, int code) {
    if (code > verb->code)
        verb->code = code;
}

static int policy_cmp(const void *a, const void *b) {
    return str_cmp(((const struct look_policy *)a)->key, ((const struct look_policy *)b)->key);
}

/* ---- what to plan ---- */

static int policies_collect(struct plan_verb *verb) {
    int code = cli_manifests_check(&verb->set);
    if (code != CLI_GO_ON)
        return code;
    bool is_any_wanted = false;
    verb->policies = arena_alloc_array(&verb->arena, verb->set.entry_count, sizeof(*verb->policies));
    for (size_t i = 0; i < verb->set.entry_count; i++) {
        const struct object *object = verb->set.entries[i].object;
        if (object->kind != OBJECT_POLICY)
            continue;
        struct look_policy *it = &verb->policies[verb->policy_count++];
        it->policy = object;
        it->key = arena_printf(&verb->arena, "%s/%s", object->namespace, object->name);
        it->is_wanted = !verb->policy || str_eq(verb->policy, it->key);
        is_any_wanted |= it->is_wanted;
    }
    if (verb->policy_count)
        qsort(verb->policies, verb->policy_count, sizeof(*verb->policies), policy_cmp);
    if (is_any_wanted)
        return CLI_GO_ON;
    fprintf(stderr, "trimtab: there is no ResourcePolicy%s%s in %s\n", verb->policy ? " " : "",
            verb->policy ? verb->policy : "", verb->file);
    return CLI_FAULTS;
}

static void target_add(struct plan_verb *verb, const struct target *target) {
    verb->targets = arena_push(&verb->arena, verb->targets, verb->target_count, sizeof(*verb->targets));
    verb->targets[verb->target_count++] = *target;
}

static void targets_look(struct plan_verb *verb) {
    look(&verb->set, verb->usage_step_ms, verb->policies, verb->policy_count, &verb->arena);
    for (size_t i = 0; i < verb->policy_count; i++) {
        const struct look_policy *it = &verb->policies[i];
        if (it->snapshot)
            target_add(verb, &(struct target){.policy = it->policy, .key = it->key, .snapshot = it->snapshot});
        else if (it->is_wanted) {
            fprintf(stderr, "trimtab: policy %s: %s\n", it->key, it->fault);
            worsen(verb, CLI_FAILED);
        }
    }
}

/* The policy that a record is of; a bare snapshot is of the only one that is wanted. */
static const struct look_policy *policy_of(const struct plan_verb *verb, const struct record *record) {
    const struct look_policy *found = NULL;
    for (size_t i = 0; i < verb->policy_count; i++) {
        const struct look_policy *it = &verb->policies[i];
        if (record->policy ? !str_eq(it->key, record->policy) : !it->is_wanted)
            continue;
        if (found)
            return NULL;
        found = it;
    }
    return found;
}

static void target_recorded(struct plan_verb *verb, const char *path, const struct record *record) {
    const struct look_policy *it = policy_of(verb, record);
    if (record->policy && verb->policy && !str_eq(verb->policy, record->policy))
        return;
    if (!it) {
        if (record->policy)
            fprintf(stderr, "trimtab: %s is of policy %s, which %s does not hold\n", path, record->policy, verb->file);
        else
            fprintf(stderr, "trimtab: %s names no policy and %s holds several: say which with --policy\n", path,
                    verb->file);
        worsen(verb, CLI_FAULTS);
        return;
    }
    if (verb->replay && !record->plan) {
        fprintf(stderr, "trimtab: %s holds no plan of policy %s to compare with\n", path, it->key);
        worsen(verb, CLI_FAULTS);
        return;
    }
    target_add(verb, &(struct target){.policy = it->policy,
                                      .key = it->key,
                                      .snapshot = &record->snapshot,
                                      .headroom = record->headroom,
                                      .recorded = record->plan});
}

static void targets_read(struct plan_verb *verb, const char *path) {
    struct error err;
    enum err_class class = record_read(path, &verb->records, &err);
    if (class != ERR_NONE) {
        fprintf(stderr, "trimtab: %s\n", err.message);
        worsen(verb, class == ERR_PERMANENT ? CLI_FAULTS : CLI_FAILED);
        return;
    }
    for (size_t i = 0; i < verb->records.count; i++)
        target_recorded(verb, path, &verb->records.items[i]);
    if (verb->target_count == 0 && verb->code == CLI_DONE) {
        fprintf(stderr, "trimtab: %s holds nothing of policy %s\n", path, verb->policy ? verb->policy : "");
        worsen(verb, CLI_FAULTS);
    }
}

/* ---- planning ---- */

/* Whatever the layout of the record: by value, in one order of keys. */
static bool is_identical(const struct json *recorded, const struct buf *computed) {
    struct buf a = {0}, b = {0};
    struct json *json;
    struct error err;
    enum err_class class = json_parse(buf_bytes(computed), &json, &err);
    ASSERT(class == ERR_NONE);
    json_print_canonical(recorded, &a);
    json_print_canonical(json, &b);
    bool is_same = str_eq(buf_text(&a), buf_text(&b));
    json_free(json);
    buf_release(&a);
    buf_release(&b);
    return is_same;
}

static void print_replay(struct plan_verb *verb, const struct target *target, const struct plan *plan,
                         const struct buf *json) {
    bool is_same = is_identical(target->recorded, json);
    const char *hash = json_string(json_get(target->recorded, "hash"), "");
    if (!is_same)
        worsen(verb, CLI_FAULTS);
    if (str_eq(verb->output, "json")) {
        struct json_writer w = {.out = &verb->out};
        jw_open(&w, '{');
        jw_put_string(&w, "policy", target->key);
        jw_put_bool(&w, "identical", is_same);
        jw_put_string(&w, "recordedHash", hash);
        jw_put_string(&w, "hash", plan->hash);
        jw_close(&w, '}');
        buf_putc(&verb->out, '\n');
    } else if (is_same) {
        buf_printf(&verb->out, "policy %s: identical, plan %s\n", target->key, plan->hash);
    } else {
        buf_printf(&verb->out, "policy %s: not identical: recorded plan %s; now\n", target->key, hash);
        plan_print_text(plan, &verb->out);
    }
}

/* input: with the forecasts of the world as it is. */
static void print_whatif(struct plan_verb *verb, const struct target *target, const struct plan_input *input,
                         const struct plan *before, struct arena *arena) {
    const struct plan_input changed = whatif_input(&verb->whatif.whatif, target->key, input, arena);
    struct plan plan = {0};
    plan_compute(&changed, arena, &plan);
    if (str_eq(verb->output, "json")) {
        struct json_writer w = {.out = &verb->out};
        jw_open(&w, '{');
        plan_print_members(&plan, &w);
        cli_whatif_print_json(&verb->whatif, before, &plan, &w);
        jw_close(&w, '}');
        buf_putc(&verb->out, '\n');
        return;
    }
    buf_printf(&verb->out, "%spolicy %s\n", target == verb->targets ? "" : "\n", target->key);
    cli_whatif_print_text(&verb->whatif, &verb->out);
    plan_print_difference(before, &plan, &verb->out);
}

static void target_plan(struct plan_verb *verb, const struct target *target) {
    struct plan_input input = {
        .policy = target->policy->as.policy, .snapshot = target->snapshot, .headroom = target->headroom};
    struct arena arena = {0};
    struct buf json = {0};
    struct plan plan = {0};
    evaluate_policy(&input, NULL, &arena, &plan);
    plan_print_json(&plan, &json);
    if (cli_whatif_is_given(&verb->whatif)) {
        print_whatif(verb, target, &input, &plan, &arena);
    } else if (verb->replay) {
        print_replay(verb, target, &plan, &json);
    } else if (str_eq(verb->output, "json")) {
        buf_append(&verb->out, json.data, json.size);
    } else {
        buf_printf(&verb->out, "%spolicy %s\n", target == verb->targets ? "" : "\n", target->key);
        plan_print_text(&plan, &verb->out);
    }
    if (verb->record)
        record_print(target->policy, &input, &plan, &verb->record_writer);
    buf_release(&json);
    arena_release(&arena);
}

/* Says so if a what-if is about nothing. */
static bool is_about_something(struct plan_verb *verb) {
    if (!cli_whatif_is_given(&verb->whatif) || verb->target_count == 0)
        return true;
    struct cli_whatif_world *worlds = arena_alloc_array(&verb->arena, verb->target_count, sizeof(*worlds));
    for (size_t i = 0; i < verb->target_count; i++)
        worlds[i] = (struct cli_whatif_world){verb->targets[i].key, verb->targets[i].snapshot};
    if (cli_whatif_check(&verb->whatif, worlds, verb->target_count))
        return true;
    worsen(verb, CLI_FAULTS);
    return false;
}

static void plan_all(struct plan_verb *verb) {
    struct json_writer *w = &verb->record_writer;
    bool is_list = verb->target_count > 1;
    w->out = &verb->record_text;
    if (is_list)
        record_list_open(w);
    for (size_t i = 0; i < verb->target_count; i++)
        target_plan(verb, &verb->targets[i]);
    if (is_list)
        record_list_close(w);
    buf_putc(&verb->record_text, '\n');
    struct error err;
    if (verb->record && verb->target_count > 0 && record_write(verb->record, &verb->record_text, &err) != ERR_NONE) {
        fprintf(stderr, "trimtab: --record: %s\n", err.message);
        worsen(verb, CLI_FAILED);
    }
    if (fwrite(buf_text(&verb->out), 1, verb->out.size, stdout) != verb->out.size || fflush(stdout) != 0) {
        fprintf(stderr, "trimtab: cannot write the result\n");
        worsen(verb, CLI_FAILED);
    }
}

/* ---- the verb ---- */

static int check(struct plan_verb *verb, const struct cli_syntax *syntax) {
    if (!verb->file)
        return cli_usage_error(syntax, "--file is missing");
    if (verb->replay && (verb->snapshot || verb->record))
        return cli_usage_error(syntax, "--replay goes with neither --snapshot nor --record");
    int code = cli_whatif_parse(&verb->whatif, syntax, &verb->arena);
    if (code != CLI_GO_ON)
        return code;
    if (cli_whatif_is_given(&verb->whatif) && (verb->replay || verb->record))
        return cli_usage_error(syntax,
                               "--without, --price and --demand go with neither --record nor --replay: a record "
                               "is of what was seen; ask one what if with --snapshot");
    if (!duration_parse(verb->usage_step, &verb->usage_step_ms))
        return cli_usage_error(syntax, "--usage-step: a duration like 5m is expected");
    return CLI_GO_ON;
}

static int run(struct plan_verb *verb) {
    const char *path = verb->replay ? verb->replay : verb->snapshot;
    if (verb->policy && !str_glob("*/*", verb->policy)) /* As kubectl has it: of the namespace that counts. */
        verb->policy = arena_printf(&verb->arena, "%s/%s", verb->namespace, verb->policy);
    manifest_load(&verb->file, 1, verb->namespace, false, &verb->set);
    int code = policies_collect(verb);
    if (code == CLI_GO_ON) {
        if (path)
            targets_read(verb, path);
        else
            targets_look(verb);
        if (is_about_something(verb))
            plan_all(verb);
        code = verb->code;
    }
    manifest_set_release(&verb->set);
    record_set_release(&verb->records);
    buf_release(&verb->out);
    buf_release(&verb->record_text);
    return code;
}

int cli_plan(int argc, char **argv) {
    static const char *const outputs[] = {"text", "json", NULL};
    struct plan_verb verb = {.namespace = "default", .output = "text", .usage_step = USAGE_STEP_DEFAULT};
    const struct cli_option options[] = {
        {"file", 'f', "DIR|FILE",
         "Manifests of policies and their Providers; Secrets among\nthem, else the environment.", CLI_OPTION_TEXT,
         &verb.file, NULL, 0, 0},
        {"namespace", 'n', "NAMESPACE", "Of objects that name none (default).", CLI_OPTION_TEXT, &verb.namespace, NULL,
         0, 0},
        {"policy", 0, "NAMESPACE/NAME", "Only this one.", CLI_OPTION_TEXT, &verb.policy, NULL, 0, 0},
        {"snapshot", 0, "FILE", "Plan from a record or a bare snapshot instead of looking at\nthe clouds.",
         CLI_OPTION_TEXT, &verb.snapshot, NULL, 0, 0},
        {"record", 0, "FILE", "Write the plans with their inputs.", CLI_OPTION_TEXT, &verb.record, NULL, 0, 0},
        {"replay", 0, "FILE", "Plan anew from a record, and compare with the plan in it.", CLI_OPTION_TEXT,
         &verb.replay, NULL, 0, 0},
        CLI_OPTIONS_WHATIF(verb.whatif),
        {"usage-step", 0, "DURATION", "Grid of the demand history, as of run (5m).", CLI_OPTION_TEXT, &verb.usage_step,
         NULL, 0, 0},
        {"output", 'o', "text|json", "Default text; json is one plan a line.", CLI_OPTION_CHOICE, &verb.output, outputs,
         0, 0},
        {0},
    };
    const struct cli_syntax syntax = {
        .usage = "trimtab plan -f DIR|FILE [--snapshot FILE] [--without KEY=GLOB] [--price GLOB=FACTOR]\n"
                 "           [--demand GLOB=FACTOR] [--record FILE | --replay FILE]",
        .summary =
            "Shows what the policies would do now, in order of namespace and name, and does nothing: the same\n"
            "plans as a controller's from the same snapshot, byte for byte.\n"
            "\n"
            "With --without, --price or --demand (each may be given often; globs have * and ?) it shows what the\n"
            "plans become, as a diff: - the plan of the world as it is, + that of the other, ! demand that would\n"
            "not be served. Factors of one resource multiply.\n",
        .options = options,
        .epilogue =
            "Exit: 0 planned, 1 faults in the files, another plan than the replayed or a what-if about nothing,\n2 "
            "something could not be read (the other policies are planned all the same), 64 usage.\n",
    };
    size_t count;
    int code = cli_options_parse(&syntax, argc, argv, &count);
    if (code == CLI_GO_ON)
        code = check(&verb, &syntax);
    if (code == CLI_GO_ON)
        code = run(&verb);
    arena_release(&verb.arena);
    return code;
}
