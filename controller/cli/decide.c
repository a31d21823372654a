/*
 * trimtab approve, reject, snooze: the user's decision on a Recommendation, written to its spec as a merge patch that
 * is fenced by the version that was read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <time.h>

#include "base/str.h"
#include "base/timefmt.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/options.h"

static const struct {
    const char *verb, *usage, *summary, *past;
    enum recommendation_decision decision;
} decisions[] = {
    {"approve", "trimtab approve REC", "Lets the controller carry out a Recommendation.\n", "approved",
     DECISION_APPROVED},
    {"reject", "trimtab reject REC", "Turns a Recommendation down for good.\n", "rejected", DECISION_REJECTED},
    {"snooze", "trimtab snooze REC --until TIME", "Puts a Recommendation off until a time.\n", "snoozed",
     DECISION_SNOOZED},
};

struct request {
    size_t which;
    const char *name, *reason, *note, *until;
    char until_text[TIME_TEXT_MAX]; /* RFC 3339 */
};

static bool phase_is_final(const char *text) {
    for (int phase = 0; phase < PHASE_COUNT; phase++) {
        if (*text && str_eq(text, recommendation_phase_name((enum recommendation_phase)phase)))
            return recommendation_phase_is_final((enum recommendation_phase)phase);
    }
    return false;
}

static void patch_build(const struct request *request, const char *version, struct buf *out) {
    struct json_writer w = {.out = out};
    jw_open(&w, '{');
    jw_key(&w, "metadata");
    jw_open(&w, '{');
    jw_put_string(&w, "resourceVersion", version);
    jw_close(&w, '}');
    jw_key(&w, "spec");
    jw_open(&w, '{');
    jw_put_string(&w, "decision", recommendation_decision_name(decisions[request->which].decision));
    jw_key(&w, "snoozeUntil");
    jw_string(&w, request->until_text[0] ? request->until_text : NULL); /* null takes an old one away. */
    if (request->reason || request->note) {
        jw_key(&w, "feedback");
        jw_open(&w, '{');
        jw_put_string(&w, "reason", request->reason);
        jw_put_string(&w, "note", request->note);
        jw_close(&w, '}');
    }
    jw_close(&w, '}');
    jw_close(&w, '}');
}

static enum err_class decide(struct cli_client *client, const struct request *request, struct error *err) {
    struct json *now = NULL, *reply = NULL;
    struct buf path = {0}, body = {0};
    cli_path_append(&path, OBJECT_RECOMMENDATION, cli_client_namespace(client), request->name);
    enum err_class class = cli_client_get(client, buf_text(&path), &now, err);
    if (class == ERR_NONE) {
        const char *phase = json_string(json_at(now, "status.phase"), "");
        if (phase_is_final(phase))
            class = error_set(err, ERR_PERMANENT, "recommendation %s is already %s: nothing is left to decide",
                              request->name, phase);
        else if (str_eq(phase, recommendation_phase_name(PHASE_RUNNING)) ||
                 str_eq(phase, recommendation_phase_name(PHASE_VERIFYING)))
            class =
                error_set(err, ERR_PERMANENT, "recommendation %s is already %s: it has been approved and is under way",
                          request->name, phase);
    }
    if (class == ERR_NONE) {
        patch_build(request, json_string(json_at(now, "metadata.resourceVersion"), NULL), &body);
        class = cli_client_patch(client, buf_text(&path), &body, &reply, err);
    }
    buf_release(&body);
    buf_release(&path);
    json_free(reply);
    json_free(now);
    return class;
}

/* A time, or a duration from now. */
static bool until_parse(const char *text, char *ret) {
    int64_t ms;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000;
    if (duration_parse(text, &ms))
        ms += now_ms;
    else if (!time_parse(text, &ms))
        return false;
    time_format(ms, ret);
    return ms > now_ms;
}

int cli_decide(int argc, char **argv) {
    struct cli_where where = {0};
    struct request request = {0};
    while (request.which + 1 < sizeof(decisions) / sizeof(decisions[0]) &&
           !str_eq(argv[0], decisions[request.which].verb))
        request.which++;
    const struct cli_option options[] = {
        {"reason", 0, "REASON", "Why, in one CamelCase word: TooRisky, WrongTime, NotOurs...", CLI_OPTION_TEXT,
         &request.reason, NULL, 0, 0},
        {"note", 0, "TEXT", "Why, in your words.", CLI_OPTION_TEXT, &request.note, NULL, 0, 0},
        {"until", 0, "TIME|DURATION", "For snooze: 2026-12-01T09:00:00Z, or 24h, 7d from now.", CLI_OPTION_TEXT,
         &request.until, NULL, 0, 0},
        CLI_OPTIONS_WHERE(where),
        {0},
    };
    const struct cli_syntax syntax = {
        .usage = decisions[request.which].usage,
        .summary = decisions[request.which].summary,
        .options = options,
        .operands_min = 1,
        .operands_max = 1,
    };
    size_t count;
    int code = cli_options_parse(&syntax, argc, argv, &count);
    if (code != CLI_GO_ON)
        return code;
    request.name = argv[1];
    bool is_snooze = decisions[request.which].decision == DECISION_SNOOZED;
    if (is_snooze != (request.until != NULL))
        return cli_usage_error(&syntax, is_snooze ? "--until is missing: until when?" : "--until goes with snooze");
    if (request.until && !until_parse(request.until, request.until_text))
        return cli_usage_error(&syntax, "--until: \"%s\" is no time to come; write 2026-12-01T09:00:00Z or 24h",
                               request.until);
    struct cli_client *client;
    struct error err;
    if (cli_client_open(&where, &client, &err) != ERR_NONE)
        return cli_fail(&err);
    code = decide(client, &request, &err) == ERR_NONE ? CLI_DONE : cli_fail(&err);
    if (code == CLI_DONE)
        printf("recommendation/%s %s%s%s\n", request.name, decisions[request.which].past, is_snooze ? " until " : "",
               request.until_text);
    cli_client_close(client);
    return code;
}
