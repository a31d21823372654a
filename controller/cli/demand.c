/*
 * See demand.h. The server is asked for one window after the other, each with fewer points than it would refuse:
 *
 *     from |--- 10,000 points ---|--- 10,000 points ---|-- the rest --| to          NaN where it told none
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/demand.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "adapters/common/prometheus.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cli/cli.h"

#define SINCE_DEFAULT "14d" /* As a policy's forecast.history. */
#define STEP_DEFAULT "5m"
#define REQUEST_TIMEOUT_MS 150000 /* Prometheus itself gives up after two minutes, and then says so. */
#define WARNINGS_MAX 8
#define NAME_MAX_SIZE 60

struct reader {
    const struct cli_demand *demand;
    struct prometheus_range range; /* The whole of it; from and to are on the grid of the step. */
    size_t count;                  /* Points of the range. */
    float *values;
    const char *url;
    const char *series; /* The labels of the one series, once it has been seen. */
    struct buf authorization;
    struct buf secret;    /* The part of it that no message may repeat. */
    struct http_tls *tls; /* NULL: the system's trust. */
    struct arena arena;
    const char *warnings[WARNINGS_MAX];
    size_t warning_count;
    uv_loop_t loop;
    struct http *http;
    struct exchange exchange;
    bool is_answered;
};

/* ---- what is asked for ---- */

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int range_find(struct reader *reader, const struct cli_syntax *syntax) {
    const struct cli_demand *demand = reader->demand;
    const char *since = demand->since ? demand->since : SINCE_DEFAULT;
    const char *step_text = demand->step ? demand->step : STEP_DEFAULT;
    int64_t from, to = now_ms(), step;
    if (!duration_parse(step_text, &step) || step % 1000 != 0)
        return cli_usage_error(syntax, "--step %s: a duration of whole seconds like 5m is expected", step_text);
    if (demand->until && !time_parse(demand->until, &to))
        return cli_usage_error(syntax, "--until %s: a time like 2026-01-31T09:00:00Z is expected", demand->until);
    if (duration_parse(since, &from))
        from = to - from;
    else if (!time_parse(since, &from))
        return cli_usage_error(
            syntax, "--since %s: a duration like 14d or a time like 2026-01-31T09:00:00Z is expected", since);
    if (from < 0)
        return cli_usage_error(syntax, "--since %s: is before 1970", since);
    from = (from + step - 1) / step * step;
    to = to / step * step;
    if (from > to)
        return cli_usage_error(syntax, "--since %s: there is no step of %s between it and the end", since, step_text);
    if ((to - from) / step >= (int64_t)HISTORY_CSV_SLOTS_MAX)
        return cli_usage_error(syntax, "--since %s: more than %zu steps of %s; take a longer --step", since,
                               HISTORY_CSV_SLOTS_MAX, step_text);
    reader->range = (struct prometheus_range){demand->query, from, to, step};
    reader->count = (size_t)((to - from) / step) + 1;
    return CLI_GO_ON;
}

static int options_check(const struct cli_demand *demand, const struct cli_syntax *syntax) {
    bool is_secret = demand->token_file || demand->basic_auth_file;
    if (!demand->query)
        return cli_usage_error(syntax, "--query is missing: what to ask the server of --history");
    if (!prometheus_url_is_valid(demand->history))
        return cli_usage_error(syntax,
                               "--history: an http or https address without user, query or fragment is expected");
    if (demand->token_file && demand->basic_auth_file)
        return cli_usage_error(syntax, "--token-file or --basic-auth-file, not both");
    if (is_secret && !str_has_prefix(demand->history, "https://") && !exchange_url_is_loopback(demand->history))
        return cli_usage_error(syntax, "--history: a token or password goes over https only");
    return CLI_GO_ON;
}

/* ---- who we are, whom we believe ---- */

static void wipe(struct buf *buf) {
    if (buf->data)
        mem_wipe(buf->data, buf->capacity);
    buf_release(buf);
}

/* The one line of a file. */
static enum err_class secret_read(const char *path, struct buf *ret, struct error *err) {
    if (file_read_into(path, ret, err) != ERR_NONE)
        return err->class;
    while (ret->size > 0 && strchr(" \t\r\n", ret->data[ret->size - 1]))
        ret->data[--ret->size] = '\0';
    if (ret->size == 0 || strlen(buf_text(ret)) != ret->size || strpbrk(buf_text(ret), "\r\n"))
        return error_set(err, ERR_PERMANENT, "%s: one line is expected", path);
    return ERR_NONE;
}

static enum err_class authorization_read(struct reader *reader, struct error *err) {
    const struct cli_demand *demand = reader->demand;
    const char *path = demand->token_file ? demand->token_file : demand->basic_auth_file;
    if (!path)
        return ERR_NONE;
    if (secret_read(path, &reader->secret, err) != ERR_NONE)
        return err->class;
    const char *secret = buf_text(&reader->secret);
    if (demand->token_file && !str_is_visible(secret))
        return error_set(err, ERR_PERMANENT, "%s: is no bearer token", path);
    if (!demand->token_file && !strchr(secret, ':'))
        return error_set(err, ERR_PERMANENT, "%s: user:password is expected", path);
    buf_puts(&reader->authorization, demand->token_file ? "Bearer " : "Basic ");
    if (demand->token_file)
        buf_puts(&reader->authorization, secret);
    else
        base64_encode(buf_bytes(&reader->secret), &reader->authorization);
    return ERR_NONE;
}

static enum err_class trust_read(struct reader *reader, struct error *err) {
    const char *path = reader->demand->ca_file;
    struct buf pem = {0};
    if (!path)
        return ERR_NONE;
    enum err_class class = file_read_into(path, &pem, err);
    if (class == ERR_NONE && !strstr(buf_text(&pem), "-----BEGIN CERTIFICATE-----"))
        class = error_set(err, ERR_PERMANENT, "%s: holds no certificate in PEM", path);
    if (class == ERR_NONE)
        reader->tls = http_tls_new(&(const struct http_tls_options){.ca_pem = buf_text(&pem)});
    buf_release(&pem);
    return class;
}

/* ---- one window ---- */

/* It is the other side's: one line, and nothing of ours that it may repeat. */
static const char *presentable(struct reader *reader, const char *text) {
    char *line = arena_strdup(&reader->arena, text);
    str_make_line(line);
    const char *password = reader->secret.size > 0 ? strchr(buf_text(&reader->secret), ':') : NULL;
    const char *secret = password && !reader->demand->token_file ? password + 1 : buf_text(&reader->secret);
    return *secret && strstr(line, secret) ? "(text withheld)" : line;
}

/* What is no answer to the query. Who asked the wrong thing is told apart from a server that cannot answer. */
static enum err_class refusal(struct reader *reader, struct error *err) {
    const struct http_request *request = &reader->exchange.request;
    struct error ignored = {0};
    const struct json *reply = exchange_reply_object(&reader->exchange, &ignored);
    const char *said = presentable(reader, json_string(json_get(reply, "error"), ""));
    bool is_credential = request->status == 401 || request->status == 403;
    bool is_query = (request->status == 400 || request->status == 422) && *said;
    if (!*said)
        said = request->content_type[0] ? request->content_type : "no content type";
    if (is_query)
        return error_set(err, ERR_PERMANENT, "--query: %s", said);
    return error_set(err, is_credential ? ERR_PERMISSION : ERR_RETRYABLE, "HTTP status %u (%s)%s", request->status,
                     said,
                     !is_credential        ? ""
                     : reader->secret.size ? ": the credential is refused"
                                           : ": a credential is wanted, see --token-file and --basic-auth-file");
}

static void warnings_tell(struct reader *reader, const struct json *reply) {
    const struct json *list = json_get(reply, "warnings");
    for (size_t i = 0; i < json_array_count(list); i++) {
        const char *text = presentable(reader, json_string(json_array_at(list, i), ""));
        size_t k = 0;
        while (k < reader->warning_count && !str_eq(reader->warnings[k], text))
            k++;
        if (k < reader->warning_count || k == WARNINGS_MAX)
            continue; /* It is said once, not for each window. */
        reader->warnings[reader->warning_count++] = text;
        fprintf(stderr, "trimtab: the server warns: %s\n", text);
    }
}

/* Which series it is, by its labels: a query may give one in each window and yet not the same. */
static enum err_class series_check(struct reader *reader, const struct json *series, struct error *err) {
    struct buf labels = {0};
    json_print_canonical(json_get(series, "metric"), &labels);
    const char *seen = presentable(reader, buf_text(&labels));
    buf_release(&labels);
    if (json_type(json_get(series, "values")) != JSON_ARRAY)
        return error_set(err, ERR_PERMANENT, "--query: %.80s: has no numbers (a native histogram?)", seen);
    if (!reader->series)
        reader->series = seen;
    if (str_eq(reader->series, seen))
        return ERR_NONE;
    return error_set(err, ERR_PERMANENT,
                     "--query: two series, one after the other: add them up, as in sum(...): %.45s, %.45s",
                     reader->series, seen);
}

static enum err_class values_read(struct reader *reader, const struct prometheus_range *window,
                                  const struct json *values, struct error *err) {
    const struct prometheus_range *range = &reader->range;
    for (size_t i = 0; i < json_array_count(values); i++) {
        int64_t time_ms;
        double value;
        char time[TIME_TEXT_MAX];
        if (!prometheus_point(json_array_at(values, i), &time_ms, &value))
            return error_set(err, ERR_RETRYABLE, "the reply has a point that is none");
        if (time_ms < window->from_ms || time_ms > window->to_ms || (time_ms - range->from_ms) % range->step_ms != 0)
            return error_set(err, ERR_RETRYABLE, "the reply has a point at a time that was not asked for");
        time_format(time_ms, time);
        if (!isnan(value) && !isfinite((float)value))
            return error_set(err, ERR_PERMANENT, "--query: at %s: the value is infinite or too large", time);
        reader->values[(time_ms - range->from_ms) / range->step_ms] = (float)value;
    }
    return ERR_NONE;
}

static enum err_class reply_read(struct reader *reader, const struct prometheus_range *window, struct error *err) {
    const struct json *reply = exchange_reply_object(&reader->exchange, err);
    const struct json *result = reply ? prometheus_series(reply, err) : NULL;
    if (!result)
        return err->class;
    warnings_tell(reader, reply);
    size_t count = json_array_count(result);
    if (count > 1)
        return error_set(
            err, ERR_PERMANENT,
            "--query: %zu series, one is expected: add them up, as in sum(...), or choose one by its labels", count);
    const struct json *series = json_array_at(result, 0);
    if (count == 0)
        return ERR_NONE;
    if (series_check(reader, series, err) != ERR_NONE)
        return err->class;
    return values_read(reader, window, json_get(series, "values"), err);
}

static void on_answer(struct http_request *request) {
    struct reader *reader = request->ctx;
    reader->is_answered = true;
}

static enum err_class window_read(struct reader *reader, const struct prometheus_range *window, struct error *err) {
    struct http_request *request = &reader->exchange.request;
    exchange_reset(&reader->exchange);
    prometheus_request(&reader->exchange, reader->url, window);
    if (reader->authorization.size > 0)
        exchange_header(&reader->exchange, "authorization", "%s", buf_text(&reader->authorization));
    request->tls = reader->tls;
    request->timeout_ms = REQUEST_TIMEOUT_MS;
    request->reply_size_max = JSON_SIZE_MAX;
    request->accept_gzip = true;
    reader->is_answered = false;
    exchange_send(&reader->exchange, reader->http, on_answer, reader);
    while (!reader->is_answered)
        uv_run(&reader->loop, UV_RUN_ONCE);
    bool is_success = request->status >= 200 && request->status < 300;
    if (request->error.class == ERR_NONE)
        return is_success ? reply_read(reader, window, err) : refusal(reader, err);
    if (is_success && request->error.class == ERR_PERMANENT)
        return error_set(err, ERR_PERMANENT,
                         "--query: the reply is larger than %zu MiB: too many series; add them up, "
                         "as in sum(...)",
                         JSON_SIZE_MAX >> 20);
    return error_set(err, ERR_RETRYABLE, "%s", request->error.message);
}

/* ---- all of them ---- */

static enum err_class windows_read(struct reader *reader, struct error *err) {
    const struct prometheus_range *range = &reader->range;
    int64_t span = (PROMETHEUS_POINTS_MAX - 1) * range->step_ms;
    reader->values = mem_alloc_array(reader->count, sizeof(*reader->values));
    for (size_t i = 0; i < reader->count; i++)
        reader->values[i] = NAN;
    for (int64_t from = range->from_ms; from <= range->to_ms; from += span + range->step_ms) {
        struct prometheus_range window = *range;
        window.from_ms = from;
        if (range->to_ms - from > span)
            window.to_ms = from + span;
        if (window_read(reader, &window, err) != ERR_NONE)
            return err->class;
    }
    return ERR_NONE;
}

/* A row for each step from the first value to the end: what is missing after it is a gap too, and the forecast begins
 * where the user said that the history ends. */
static enum err_class rows_add(const struct reader *reader, struct history_csv *csv, struct error *err) {
    const struct prometheus_range *range = &reader->range;
    size_t first = 0;
    while (first < reader->count && isnan(reader->values[first]))
        first++;
    if (first == reader->count) {
        char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX];
        time_format(range->from_ms, from);
        time_format(range->to_ms, to);
        return error_set(err, ERR_PERMANENT, "--query: no value from %s to %s", from, to);
    }
    csv->step_ms = range->step_ms;
    for (size_t i = first; i < reader->count; i++)
        history_csv_add(csv, range->from_ms + (int64_t)i * range->step_ms, reader->values[i]);
    return ERR_NONE;
}

static void on_http_closed(void *ctx) {
    struct reader *reader = ctx;
    http_free(reader->http);
}

static enum err_class ask(struct reader *reader, struct history_csv *csv, struct error *err) {
    int rc = uv_loop_init(&reader->loop);
    ASSERT(rc == 0);
    reader->http = http_new(&reader->loop, &(const struct http_options){.user_agent = "trimtab/" TRIMTAB_VERSION});
    reader->url = prometheus_url_trim(reader->demand->history, &reader->arena);
    enum err_class class = windows_read(reader, err);
    http_close(reader->http, on_http_closed, reader);
    uv_run(&reader->loop, UV_RUN_DEFAULT);
    rc = uv_loop_close(&reader->loop);
    ASSERT(rc == 0);
    if (class == ERR_NONE)
        class = rows_add(reader, csv, err);
    return class == ERR_NONE ? ERR_NONE : error_wrap(err, "%s", reader->url);
}

static int server_read(const struct cli_demand *demand, const struct cli_syntax *syntax, struct history_csv *csv) {
    struct reader reader = {.demand = demand};
    struct error err = {0};
    int code = options_check(demand, syntax);
    if (code == CLI_GO_ON)
        code = range_find(&reader, syntax);
    if (code == CLI_GO_ON && (authorization_read(&reader, &err) != ERR_NONE || trust_read(&reader, &err) != ERR_NONE))
        code = CLI_FAILED;
    else if (code == CLI_GO_ON && ask(&reader, csv, &err) != ERR_NONE)
        code = err.class == ERR_PERMANENT ? CLI_FAULTS : CLI_FAILED;
    if (err.class != ERR_NONE)
        fprintf(stderr, "trimtab: %s\n", err.message);
    exchange_release(&reader.exchange);
    http_tls_free(reader.tls);
    wipe(&reader.authorization);
    wipe(&reader.secret);
    arena_release(&reader.arena);
    mem_free(reader.values);
    return code;
}

/* ---- either ---- */

/* What is done with rows that are no series yet: nothing of it is wrong, and all of it may surprise. */
static void notices_tell(const char *path, const struct history_csv *csv) {
    const char *name = str_eq(path, "-") ? "standard input" : path;
    struct arena arena = {0};
    struct history_series series = history_csv_grid(csv, csv->count, &arena);
    char start[TIME_TEXT_MAX], step[TIME_TEXT_MAX];
    time_format(series.start_ms, start);
    duration_format(series.step_ms, step, sizeof(step));
    size_t older = 0;
    for (size_t i = 0; i < csv->count; i++)
        older +=
            csv->times_ms[i] < series.start_ms - series.step_ms / 2 ? 1 : 0; /* Slot 0 has what is nearest to it. */
    if (csv->sorted_count < csv->count)
        fprintf(
            stderr,
            "trimtab: %s: row %zu is not later than the one before it: rows are sorted, and of equal times the last "
            "one counts\n",
            name, csv->sorted_count + 1);
    if (older > 0)
        fprintf(stderr, "trimtab: %s: %zu rows before %s are left out: only the newest %zu steps of %s are used\n",
                name, older, start, series.count, step);
    arena_release(&arena);
}

int cli_demand_read(const struct cli_demand *demand, const struct cli_syntax *syntax, struct history_csv *csv) {
    struct error err;
    bool has_more = demand->query || demand->since || demand->until || demand->step || demand->token_file ||
                    demand->basic_auth_file || demand->ca_file;
    if (demand->path && demand->history)
        return cli_usage_error(syntax, "a file or --history, not both");
    if (demand->history)
        return server_read(demand, syntax, csv);
    if (!demand->path || has_more)
        return cli_usage_error(syntax, has_more ? "--history is missing: the server that is asked"
                                                : "which SERIES.csv, or --history URL and --query PROMQL?");
    enum err_class class = history_csv_read(demand->path, csv, &err);
    if (class == ERR_NONE) {
        notices_tell(demand->path, csv);
        return CLI_GO_ON;
    }
    fprintf(stderr, "trimtab: %s\n", err.message);
    return class == ERR_PERMANENT ? CLI_FAULTS : CLI_FAILED;
}

const char *cli_demand_name(const struct cli_demand *demand, struct arena *arena) {
    if (demand->path)
        return str_eq(demand->path, "-") ? "standard input" : demand->path;
    size_t size = strlen(demand->query);
    char *name = arena_strndup(arena, demand->query, size < NAME_MAX_SIZE ? size : NAME_MAX_SIZE);
    str_make_line(name); /* A character may have been cut. */
    return size > NAME_MAX_SIZE ? arena_printf(arena, "%s...", name) : name;
}

const char *cli_demand_title(const struct cli_demand *demand, struct arena *arena) {
    const char *slash = demand->path ? strrchr(demand->path, '/') : NULL;
    return slash ? slash + 1 : cli_demand_name(demand, arena);
}
