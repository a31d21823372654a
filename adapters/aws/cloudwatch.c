/*
 * Utilisation from CloudWatch: GetMetricData, in requests of so many series and so long a time that neither the limit
 * of queries nor that of data points is met.
 *
 *     ids ->  [0 .. width) [width .. 2 width) ...        for each: time windows from_ms .. to_ms, for each: pages
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/aws_internal.h"
#include "adapters/common/samples.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

/* "GetMetricData": at most 500 queries and 100,800 data points a request. Half of the latter keeps a reply in 5 MB. */
#define QUERIES_MAX 500
#define POINTS_MAX 50400

struct track { /* One series as it comes in; in the call's arena. */
    struct cloud_sample *samples;
    size_t count;
};

struct subject {
    struct track utilization, serving;
};

struct usage_state {
    struct aws_scope scope;
    const struct cloud_query *query;
    struct subject *subjects; /* One for each id. */
    size_t width;             /* Ids in a request. */
    int64_t span_ms;          /* Time in a request. */
    int64_t from_ms, to_ms;   /* The query's, widened to the grid of the step. */
    size_t id_at;             /* Where the present request begins... */
    int64_t time_at_ms;       /* ...in both directions. */
};

static size_t series_per_id(const struct cloud_query *query) {
    return query->kind == CLOUD_INSTANCE_GROUP ? 2 : 1;
}

static size_t id_end(const struct usage_state *state) {
    size_t left = state->query->id_count - state->id_at;
    return state->id_at + (left < state->width ? left : state->width);
}

static int64_t time_end_ms(const struct usage_state *state) {
    int64_t end_ms = state->time_at_ms + state->span_ms;
    return end_ms < state->to_ms ? end_ms : state->to_ms;
}

struct metric {
    const char *namespace, *name, *statistic;
};

/* Over the period and, of a group, over its machines: see enum cloud_metric. */
static struct metric utilization_metric(const struct cloud_query *query) {
    if (query->metric == CLOUD_METRIC_MEMORY) /* Only where the CloudWatch agent runs in the machines. */
        return (struct metric){"CWAgent", "mem_used_percent", "Maximum"};
    return (struct metric){"AWS/EC2", "CPUUtilization", "Average"};
}

/* label: "u3" is the utilisation of the fourth id of this request, "s3" its machines in service. */
static void put_query(struct call *call, size_t number, const char *label, struct metric metric, const char *id) {
    const struct usage_state *state = call->state;
    struct exchange *exchange = &call->exchange;
    const char *dimension = state->query->kind == CLOUD_INSTANCE_GROUP ? "AutoScalingGroupName" : "InstanceId";
    char seconds[24];
    snprintf(seconds, sizeof(seconds), "%lld", (long long)(state->query->step_ms / 1000));
    const struct {
        const char *name, *value;
    } fields[] = {
        {"Id", label},
        {"MetricStat.Metric.Namespace", metric.namespace},
        {"MetricStat.Metric.MetricName", metric.name},
        {"MetricStat.Metric.Dimensions.member.1.Name", dimension},
        {"MetricStat.Metric.Dimensions.member.1.Value", id},
        {"MetricStat.Period", seconds},
        {"MetricStat.Stat", metric.statistic},
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const char *name = arena_printf(&exchange->arena, "MetricDataQueries.member.%zu.%s", number, fields[i].name);
        aws_query_put(exchange, name, fields[i].value);
    }
}

static void usage_build(struct call *call) {
    const struct usage_state *state = call->state;
    struct exchange *exchange = &call->exchange;
    char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX], label[24];
    time_format(state->time_at_ms, from);
    time_format(time_end_ms(state), to);
    aws_call_begin(call, &state->scope, "GetMetricData");
    aws_query_put(exchange, "StartTime", from);
    aws_query_put(exchange, "EndTime", to);
    aws_query_put(exchange, "ScanBy", "TimestampAscending");
    if (call->page_token[0] != '\0')
        aws_query_put(exchange, "NextToken", call->page_token);
    size_t number = 0;
    for (size_t i = state->id_at; i < id_end(state); i++) {
        const char *id = state->query->ids[i];
        snprintf(label, sizeof(label), "u%zu", i - state->id_at);
        put_query(call, ++number, label, utilization_metric(state->query), id);
        if (series_per_id(state->query) == 1)
            continue;
        label[0] = 's';
        put_query(call, ++number, label, (struct metric){"AWS/AutoScaling", "GroupInServiceInstances", "Average"}, id);
    }
}

/* NULL: not a label of this request. */
static struct track *track_of(const struct usage_state *state, const char *label) {
    int64_t index;
    if ((label[0] != 'u' && label[0] != 's') || !str_to_int64(label + 1, &index) || index < 0 ||
        (size_t)index >= id_end(state) - state->id_at)
        return NULL;
    struct subject *subject = &state->subjects[state->id_at + (size_t)index];
    return label[0] == 'u' ? &subject->utilization : &subject->serving;
}

static void read_series(struct call *call, const struct xml_node *result, struct track *track) {
    const struct xml_node *time = xml_first(xml_at(result, "Timestamps"), "member");
    const struct xml_node *value = xml_first(xml_at(result, "Values"), "member");
    for (; time != NULL && value != NULL; time = xml_next(time, "member"), value = xml_next(value, "member")) {
        struct cloud_sample sample;
        if (!time_parse(time->text, &sample.time_ms) || !str_to_double(value->text, &sample.value))
            continue; /* "NaN" among them: a missing sample. */
        track->samples = arena_push(&call->arena, track->samples, track->count, sizeof(*track->samples));
        track->samples[track->count++] = sample;
    }
}

static void read_page(struct call *call, const struct xml_node *results, struct error *err) {
    for (const struct xml_node *one = xml_first(results, "member"); one != NULL; one = xml_next(one, "member")) {
        struct track *track = track_of(call->state, xml_text(one, "Id"));
        const char *status = xml_text(one, "StatusCode");
        if (str_eq(status, "InternalError"))
            error_set(err, ERR_RETRYABLE, "a series failed: InternalError");
        else if (str_eq(status, "Forbidden"))
            error_set(err, ERR_PERMISSION, "a series is forbidden");
        else if (track != NULL)
            read_series(call, one, track);
    }
}

static const struct cloud_sample *settled(struct call *call, struct track *track, enum samples_rule rule,
                                          size_t *ret_count) {
    const struct usage_state *state = call->state;
    *ret_count = samples_normalise(track->samples, track->count, state->query, rule, call_host_now_ms(call->host));
    if (*ret_count == 0)
        return NULL;
    return arena_memdup(call->outer->arena, track->samples, *ret_count * sizeof(*track->samples));
}

static void finish(struct call *call) {
    const struct usage_state *state = call->state;
    struct adapter_reply *reply = &call->outer->reply;
    struct cloud_series *all = arena_alloc_array(call->outer->arena, state->query->id_count, sizeof(*all));
    for (size_t i = 0; i < state->query->id_count; i++) {
        struct cloud_series series = {.id = state->query->ids[i]};
        series.utilization = settled(call, &state->subjects[i].utilization, samples_rule_of(state->query->metric),
                                     &series.utilization_count);
        series.serving = settled(call, &state->subjects[i].serving, SAMPLES_LAST, &series.serving_count);
        if (series.utilization_count + series.serving_count == 0)
            continue;
        series.id = arena_strdup(call->outer->arena, series.id);
        all[reply->count++] = series;
    }
    reply->as.series = all;
}

/* The next window, then the next ids. False: all is read. */
static bool advance(struct usage_state *state) {
    state->time_at_ms = time_end_ms(state);
    if (state->time_at_ms < state->to_ms)
        return true;
    state->time_at_ms = state->from_ms;
    state->id_at = id_end(state);
    return state->id_at < state->query->id_count;
}

static enum exchange_next usage_read(struct call *call, struct error *err) {
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    if (root == NULL)
        return EXCHANGE_DONE;
    const struct xml_node *result = xml_at(root, "GetMetricDataResult");
    read_page(call, xml_at(result, "MetricDataResults"), err);
    if (err->class != ERR_NONE)
        return EXCHANGE_DONE;
    enum exchange_next next = call_page(call, xml_text(result, "NextToken"), err);
    if (err->class != ERR_NONE || next == EXCHANGE_MORE)
        return next;
    call_pages_restart(call);
    if (advance(call->state))
        return EXCHANGE_MORE;
    finish(call);
    return EXCHANGE_DONE;
}

static const struct call_verb usage_verb = {
    .name = "usage", .priority = GATE_USAGE, .build = usage_build, .read = usage_read};

/* NULL if the query can be asked. */
static const char *fault_of(const struct cloud_query *query) {
    if (!aws_region_is_valid(query->region))
        return "not a region";
    if (query->kind != CLOUD_INSTANCE && query->kind != CLOUD_INSTANCE_GROUP)
        return "no usage of this kind";
    if (query->metric != CLOUD_METRIC_CPU && query->metric != CLOUD_METRIC_MEMORY)
        return "no such metric";
    if (query->step_ms < 60000 || query->step_ms % 60000 != 0 || query->step_ms > 86400000)
        return "the step must be a whole number of minutes, at most a day";
    if (query->from_ms < 0 || query->from_ms >= query->to_ms)
        return "the time range is empty";
    return NULL;
}

static void plan_requests(struct usage_state *state) {
    const struct cloud_query *query = state->query;
    int64_t step_ms = query->step_ms;
    state->from_ms = query->from_ms - query->from_ms % step_ms;
    state->to_ms = query->to_ms + (step_ms - query->to_ms % step_ms) % step_ms;
    int64_t points = (state->to_ms - state->from_ms) / step_ms;
    int64_t points_each = points < POINTS_MAX / 2 ? points : POINTS_MAX / 2;
    state->span_ms = points_each * step_ms;
    size_t by_points = POINTS_MAX / ((size_t)points_each * series_per_id(query));
    size_t by_queries = QUERIES_MAX / series_per_id(query);
    state->width = by_points < by_queries ? by_points : by_queries;
    state->time_at_ms = state->from_ms;
    ASSERT(state->width > 0 && state->span_ms > 0);
}

void aws_usage(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query) {
    struct call *call = call_new(&aws->host, outer, &usage_verb, sizeof(struct usage_state));
    struct usage_state *state = call->state;
    state->scope = (struct aws_scope){&aws_cloudwatch, query->region};
    state->query = query;
    const char *fault = fault_of(query);
    if (fault != NULL) {
        call_refuse(call, "aws: usage: %s", fault);
        return;
    }
    state->subjects = arena_alloc_array(&call->arena, query->id_count, sizeof(*state->subjects));
    plan_requests(state);
    if (query->id_count == 0)
        call_end(call, NULL);
    else
        call_start(call);
}
