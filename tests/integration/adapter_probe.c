/*
 * A network adapter by hand: opens one, makes one call, prints the reply as JSON. For the integration tests, and for
 * trying an account without a controller.
 *
 *     adapter_probe TYPE ENDPOINT REGION account
 *     adapter_probe TYPE ENDPOINT REGION list KIND[,KIND...] [COUNT_MAX]
 *     adapter_probe TYPE ENDPOINT REGION count KIND[,KIND...]    (as list, but only how many, and the process's memory)
 *     adapter_probe TYPE ENDPOINT REGION limits
 *     adapter_probe TYPE ENDPOINT REGION prices [TYPE...]
 *     adapter_probe TYPE ENDPOINT REGION charges FROM TO [COUNT_MAX [CURSOR]]
 *     adapter_probe TYPE ENDPOINT REGION usage KIND[/METRIC] FROM TO STEP ID...
 *     adapter_probe TYPE ENDPOINT REGION apply ID COUNT          (Scale of an InstanceGroup)
 *     adapter_probe TYPE ENDPOINT REGION act VERB KIND ID [FIELD=VALUE...] [tag:KEY=VALUE...]
 *     adapter_probe TYPE ENDPOINT REGION poll HANDLE
 * Fields: count min max type zone vcpuMilli memoryMiB rollout token.
 * ENDPOINT "-": the cloud's own. Credentials come from the environment. Exit 0: the call succeeded, 1: it did not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/adapter.h"
#include "adapters/common/catalogue.h"
#include "base/json.h"
#include "base/runtime_uv.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "net/http.h"

/* Beside adapter_all: the probe needs no other back end. */
static const struct adapter_ops *const networked[] = {&adapter_aws, &adapter_kubernetes};

struct probe {
    uv_loop_t loop;
    struct runtime_uv runtime;
    struct http *http;
    struct adapter *adapter;
    struct arena arena;
    struct adapter_call call;
    struct cloud_query query;
    struct cloud_action action;
    struct cloud_tag tags[16];
    const char *verb;
    const char *operation;   /* poll */
    struct json *parameters; /* $PROBE_PARAMETERS: the block named like the type. */
    int exit_code;
};

static void on_http_closed(void *ctx) {
    struct probe *probe = ctx;
    runtime_uv_close(&probe->runtime);
}

static void on_adapter_closed(void *ctx) {
    struct probe *probe = ctx;
    http_close(probe->http, on_http_closed, probe);
}

static void write_error(struct json_writer *w, const struct error *error) {
    static const char *const effects[] = {"none", "applied", "unknown"};
    jw_key(w, "error");
    jw_open(w, '{');
    jw_put_string(w, "class", error_class_name(error->class));
    jw_put_string(w, "effect", effects[error->effect]);
    jw_put_string(w, "code", error->code);
    jw_put_int(w, "httpStatus", error->http_status);
    jw_put_string(w, "message", error->message);
    jw_close(w, '}');
}

static void write_resource(struct json_writer *w, const struct cloud_resource *resource) {
    jw_open(w, '{');
    jw_put_string(w, "kind", cloud_kind_name(resource->kind));
    jw_put_string(w, "state", cloud_state_name(resource->state));
    jw_put_string(w, "region", resource->region);
    jw_put_string(w, "zone", resource->zone);
    jw_put_string(w, "id", resource->id);
    jw_put_string(w, "name", resource->name);
    jw_put_string(w, "type", resource->type);
    jw_put_int(w, "count", resource->count);
    jw_put_int(w, "min", resource->count_min);
    jw_put_int(w, "max", resource->count_max);
    jw_put_int(w, "serving", resource->serving);
    jw_put_int(w, "vcpuMilli", resource->vcpu_milli);
    jw_put_int(w, "memoryMiB", resource->memory_mib);
    jw_put_int(w, "createdAtMs", resource->created_at_ms);
    jw_put_int(w, "asOfMs", resource->as_of_ms);
    jw_put_string(w, "parent", resource->parent);
    jw_put_bool(w, "spot", resource->is_spot);
    jw_put_int(w, "priceMicros", resource->price_hourly);
    jw_put_int(w, "drifted", resource->drifted);
    jw_put_string(w, "countManager", resource->count_manager);
    jw_put_string(w, "sizeManager", resource->size_manager);
    jw_key(w, "tags");
    jw_open(w, '{');
    for (size_t i = 0; i < resource->tag_count; i++)
        jw_put_string(w, resource->tags[i].key, resource->tags[i].value);
    jw_close(w, '}');
    jw_close(w, '}');
}

static void write_limit(struct json_writer *w, const struct cloud_limit *limit) {
    jw_open(w, '{');
    jw_put_string(w, "region", limit->region);
    jw_put_string(w, "id", limit->id);
    jw_put_string(w, "name", limit->name);
    jw_put_string(w, "types", limit->types);
    jw_put_string(w, "unit", limit->unit);
    jw_key(w, "value");
    jw_double(w, limit->value);
    jw_key(w, "used");
    jw_double(w, limit->used);
    jw_close(w, '}');
}

/* VmRSS, now, and VmHWM, the most so far, in KiB. */
static void write_memory(struct json_writer *w) {
    char line[256];
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (str_has_prefix(line, "VmRSS:"))
            jw_put_int(w, "rssKiB", strtoll(line + 6, NULL, 10));
        if (str_has_prefix(line, "VmHWM:"))
            jw_put_int(w, "peakKiB", strtoll(line + 6, NULL, 10));
    }
    if (file != NULL)
        fclose(file);
}

static void write_samples(struct json_writer *w, const char *key, const struct cloud_sample *samples, size_t count) {
    jw_key(w, key);
    jw_open(w, '[');
    for (size_t i = 0; i < count; i++) {
        jw_open(w, '[');
        jw_int(w, samples[i].time_ms);
        jw_double(w, samples[i].value);
        jw_close(w, ']');
    }
    jw_close(w, ']');
}

static void write_series(struct json_writer *w, const struct cloud_series *series) {
    jw_open(w, '{');
    jw_put_string(w, "id", series->id);
    write_samples(w, "utilization", series->utilization, series->utilization_count);
    write_samples(w, "serving", series->serving, series->serving_count);
    jw_close(w, '}');
}

static void write_offer(struct json_writer *w, const struct cloud_offer *offer) {
    jw_open(w, '{');
    jw_put_string(w, "region", offer->region);
    jw_put_string(w, "type", offer->type);
    jw_put_int(w, "vcpuMilli", offer->vcpu_milli);
    jw_put_int(w, "memoryMiB", offer->memory_mib);
    jw_put_int(w, "gpu", offer->gpu);
    jw_put_string(w, "architecture", offer->architecture);
    jw_put_int(w, "priceMicros", offer->price_hourly);
    jw_put_int(w, "spotMicros", offer->price_spot_hourly);
    jw_put_int(w, "asOfMs", offer->as_of_ms);
    jw_put_string(w, "source", offer->source);
    jw_close(w, '}');
}

static void write_charge(struct json_writer *w, const struct cloud_charge *charge) {
    jw_open(w, '{');
    jw_put_string(w, "BilledCost", charge->billed_cost);
    jw_put_string(w, "EffectiveCost", charge->effective_cost);
    jw_put_string(w, "BillingCurrency", charge->billing_currency);
    jw_put_string(w, "ServiceName", charge->service_name);
    jw_put_string(w, "RegionId", charge->region_id);
    jw_put_string(w, "ResourceId", charge->resource_id);
    jw_put_string(w, "ChargeCategory", charge->charge_category);
    jw_put_string(w, "ChargeDescription", charge->charge_description);
    jw_put_int(w, "startMs", charge->charge_period_start_ms);
    jw_put_int(w, "endMs", charge->charge_period_end_ms);
    jw_key(w, "tags");
    jw_open(w, '{');
    for (size_t i = 0; i < charge->tag_count; i++)
        jw_put_string(w, charge->tags[i].key, charge->tags[i].value);
    jw_close(w, '}');
    jw_close(w, '}');
}

static void write_money(struct json_writer *w, const struct probe *probe) {
    const struct adapter_reply *reply = &probe->call.reply;
    bool is_prices = str_eq(probe->verb, "prices");
    if (!is_prices)
        jw_put_string(w, "cursor", reply->cursor);
    jw_key(w, "items");
    jw_open(w, '[');
    for (size_t i = 0; i < reply->count; i++) {
        if (is_prices)
            write_offer(w, &reply->as.offers[i]);
        else
            write_charge(w, &reply->as.charges[i]);
    }
    jw_close(w, ']');
}

static void write_result(struct json_writer *w, const struct probe *probe) {
    const struct adapter_reply *reply = &probe->call.reply;
    if (str_eq(probe->verb, "account") || str_eq(probe->verb, "apply")) {
        jw_put_string(w, "operation", reply->as.operation);
        return;
    }
    if (str_eq(probe->verb, "act") || str_eq(probe->verb, "poll")) {
        jw_put_string(w, "operation", reply->as.operation);
        jw_put_int(w, "pollAfterMs", reply->poll_after_ms);
        if (reply->id != NULL)
            jw_put_string(w, "id", reply->id);
        return;
    }
    if (str_eq(probe->verb, "prices") || str_eq(probe->verb, "charges")) {
        write_money(w, probe);
        return;
    }
    jw_put_bool(w, "truncated", reply->truncated);
    if (str_eq(probe->verb, "count")) {
        size_t tags = 0;
        for (size_t i = 0; i < reply->count; i++)
            tags += reply->as.resources[i].tag_count;
        jw_put_int(w, "count", (int64_t)reply->count);
        jw_put_int(w, "tags", (int64_t)tags);
        write_memory(w);
        return;
    }
    jw_key(w, "items");
    jw_open(w, '[');
    for (size_t i = 0; i < reply->count; i++) {
        if (str_eq(probe->verb, "list"))
            write_resource(w, &reply->as.resources[i]);
        else if (str_eq(probe->verb, "limits"))
            write_limit(w, &reply->as.limits[i]);
        else
            write_series(w, &reply->as.series[i]);
    }
    jw_close(w, ']');
}

static void on_done(struct adapter_call *call) {
    struct probe *probe = call->ctx;
    struct buf out = {0};
    struct json_writer w = {.out = &out};
    jw_open(&w, '{');
    jw_put_int(&w, "requests", call->reply.request_count);
    if (call->reply.error.class != ERR_NONE)
        write_error(&w, &call->reply.error);
    else
        write_result(&w, probe);
    jw_close(&w, '}');
    puts(buf_text(&out));
    buf_release(&out);
    probe->exit_code = call->reply.error.class != ERR_NONE;
    probe->adapter->ops->close(probe->adapter, on_adapter_closed, probe);
}

static bool parse_kinds(const char *text, uint32_t *ret) {
    char names[256];
    if (!str_copy(names, sizeof(names), text))
        return false;
    char *rest = names;
    for (char *name; (name = strsep(&rest, ",")) != NULL;) {
        enum cloud_kind kind;
        if (!cloud_kind_parse(name, &kind))
            return false;
        *ret |= 1u << kind;
    }
    return true;
}

static bool parse_verb(const char *name, enum cloud_verb *ret) {
    for (int verb = 0; verb < CLOUD_VERB_COUNT; verb++) {
        if (str_eq(cloud_verb_name((enum cloud_verb)verb), name)) {
            *ret = (enum cloud_verb)verb;
            return true;
        }
    }
    return false;
}

static bool parse_tag(struct probe *probe, char *key, const char *value) {
    if (probe->action.tag_count == sizeof(probe->tags) / sizeof(probe->tags[0]))
        return false;
    probe->tags[probe->action.tag_count++] = (struct cloud_tag){key, value};
    return true;
}

/* "type=m5.large", "tag:team=a"; splits the argument in place. */
static bool parse_field(struct probe *probe, char *argument) {
    struct cloud_action *action = &probe->action;
    char *value = argument;
    const char *name = strsep(&value, "=");
    if (value == NULL)
        return false;
    if (str_has_prefix(name, "tag:"))
        return parse_tag(probe, argument + 4, value);
    const struct {
        const char *name;
        const char **text;
        int64_t *number;
    } fields[] = {
        {"type", &action->type, NULL},
        {"zone", &action->zone, NULL},
        {"token", &action->token, NULL},
        {"count", NULL, &action->count},
        {"min", NULL, &action->count_min},
        {"max", NULL, &action->count_max},
        {"vcpuMilli", NULL, &action->vcpu_milli},
        {"memoryMiB", NULL, &action->memory_mib},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!str_eq(fields[i].name, name))
            continue;
        if (fields[i].number != NULL)
            return str_to_int64(value, fields[i].number);
        *fields[i].text = value;
        return true;
    }
    action->is_rollout = str_eq(value, "true");
    return str_eq(name, "rollout");
}

static bool parse_act(struct probe *probe, int argc, char **argv) {
    probe->action.tags = probe->tags;
    probe->action.id = argv[2];
    if (!parse_verb(argv[0], &probe->action.verb) || !cloud_kind_parse(argv[1], &probe->action.kind))
        return false;
    for (int i = 3; i < argc; i++) {
        if (!parse_field(probe, argv[i]))
            return false;
    }
    return true;
}

static bool parse_money(struct probe *probe, int argc, char **argv) {
    if (str_eq(probe->verb, "prices")) {
        probe->query.types = argc > 1 ? (const char *const *)(argv + 1) : NULL;
        probe->query.type_count = (size_t)(argc - 1);
        return true;
    }
    int64_t count_max = 100000;
    bool ok = argc >= 3 && argc <= 5 && time_parse(argv[1], &probe->query.from_ms) &&
              time_parse(argv[2], &probe->query.to_ms) &&
              (argc == 3 || (str_to_int64(argv[3], &count_max) && count_max >= 0));
    probe->query.count_max = (size_t)count_max;
    probe->query.cursor = argc == 5 ? argv[4] : NULL;
    return ok;
}

/* "Workload/memory"; cpu where no metric is named. */
static bool parse_usage(struct probe *probe, int argc, char **argv) {
    char *metric = argv[1];
    const char *kind = strsep(&metric, "/");
    if (metric != NULL && str_eq(metric, cloud_metric_name(CLOUD_METRIC_MEMORY)))
        probe->query.metric = CLOUD_METRIC_MEMORY;
    else if (metric != NULL)
        return false;
    probe->query.ids = (const char *const *)(argv + 5);
    probe->query.id_count = (size_t)(argc - 5);
    return cloud_kind_parse(kind, &probe->query.kind) && time_parse(argv[2], &probe->query.from_ms) &&
           time_parse(argv[3], &probe->query.to_ms) && duration_parse(argv[4], &probe->query.step_ms);
}

/* argv from the verb on. */
static bool parse(struct probe *probe, int argc, char **argv) {
    probe->verb = argv[0];
    if (str_eq(probe->verb, "prices") || str_eq(probe->verb, "charges"))
        return parse_money(probe, argc, argv);
    if (str_eq(probe->verb, "account") || str_eq(probe->verb, "limits"))
        return argc == 1;
    if (str_eq(probe->verb, "list") || str_eq(probe->verb, "count")) {
        int64_t count_max = 100000;
        bool ok = (argc == 2 || (argc == 3 && str_to_int64(argv[2], &count_max))) &&
                  parse_kinds(argv[1], &probe->query.kinds);
        probe->query.count_max = (size_t)count_max;
        return ok;
    }
    if (str_eq(probe->verb, "usage"))
        return argc > 5 && parse_usage(probe, argc, argv);
    probe->action.token = "probe";
    if (str_eq(probe->verb, "poll")) {
        probe->operation = argc == 2 ? argv[1] : "";
        return argc == 2;
    }
    if (str_eq(probe->verb, "act"))
        return argc >= 4 && parse_act(probe, argc - 1, argv + 1);
    probe->action.kind = CLOUD_INSTANCE_GROUP;
    probe->action.id = argc > 1 ? argv[1] : "";
    return str_eq(probe->verb, "apply") && argc == 3 && str_to_int64(argv[2], &probe->action.count);
}

static void submit(struct probe *probe) {
    struct adapter *adapter = probe->adapter;
    probe->call = (struct adapter_call){.done = on_done,
                                        .ctx = probe,
                                        .arena = &probe->arena,
                                        .timeout_ms = str_eq(probe->verb, "count") ? 600000 : 20000};
    if (str_eq(probe->verb, "account"))
        adapter->ops->account(adapter, &probe->call);
    else if (str_eq(probe->verb, "limits"))
        adapter->ops->limits(adapter, &probe->call, &probe->query);
    else if (str_eq(probe->verb, "list") || str_eq(probe->verb, "count"))
        adapter->ops->list(adapter, &probe->call, &probe->query);
    else if (str_eq(probe->verb, "prices"))
        adapter->ops->prices(adapter, &probe->call, &probe->query);
    else if (str_eq(probe->verb, "charges"))
        adapter->ops->charges(adapter, &probe->call, &probe->query);
    else if (str_eq(probe->verb, "usage"))
        adapter->ops->usage(adapter, &probe->call, &probe->query);
    else if (str_eq(probe->verb, "poll"))
        adapter->ops->poll(adapter, &probe->call, probe->operation);
    else
        adapter->ops->apply(adapter, &probe->call, &probe->action);
}

static const char *from_environment(void *ctx, const char *key) {
    (void)ctx;
    return getenv(key);
}

static enum err_class open_adapter(struct probe *probe, const struct adapter_env *env, char **argv, struct error *err) {
    const char *regions[] = {argv[2]};
    const struct adapter_config config = {.name = "probe",
                                          .regions = regions,
                                          .region_count = 1,
                                          .endpoint = str_eq(argv[1], "-") ? NULL : argv[1],
                                          .credential = from_environment,
                                          .is_environment = getenv("PROBE_IS_SECRET") == NULL,
                                          .parameters = probe->parameters};
    for (size_t i = 0; i < sizeof(networked) / sizeof(networked[0]); i++) {
        if (str_eq(networked[i]->type, argv[0]))
            return networked[i]->open(&probe->adapter, env, &config, err);
    }
    return error_set(err, ERR_PERMANENT, "no such adapter: %s", argv[0]);
}

/* 0: the machine's own; else a clock that is off by $PROBE_CLOCK_OFFSET_S. */
static int64_t clock_start_ms(void) {
    const char *offset = getenv("PROBE_CLOCK_OFFSET_S");
    int64_t offset_s;
    uv_timeval64_t now;
    if (offset == NULL || !str_to_int64(offset, &offset_s) || uv_gettimeofday(&now) != 0)
        return 0;
    return (now.tv_sec + offset_s) * 1000;
}

int main(int argc, char **argv) {
    static struct probe probe;
    if (argc < 5 || !parse(&probe, argc - 4, argv + 4)) {
        fputs("usage: adapter_probe TYPE ENDPOINT REGION account|list|count|usage|prices|charges|limits|apply|act|poll "
              "...\n",
              stderr);
        return 64;
    }
    probe.query.region = probe.action.region = argv[3];
    uv_loop_init(&probe.loop);
    runtime_uv_init(&probe.runtime, &probe.loop, 1, clock_start_ms());
    probe.http = http_new(&probe.loop, &(struct http_options){.user_agent = "trimtab-probe"});
    struct error err = {0};
    struct catalogue *catalogue = NULL;
    const char *prices = getenv("TRIMTAB_CATALOGUE");
    if (prices != NULL && catalogue_open(prices, &catalogue, &err) != ERR_NONE)
        fprintf(stderr, "catalogue: %s\n", err.message);
    const struct adapter_env env = {&probe.runtime.base, probe.http, catalogue};
    const char *parameters = getenv("PROBE_PARAMETERS");
    if (parameters != NULL && json_parse(bytes_of(parameters), &probe.parameters, &err) != ERR_NONE)
        fprintf(stderr, "PROBE_PARAMETERS: %s\n", err.message);
    if (open_adapter(&probe, &env, argv + 1, &err) == ERR_NONE) {
        submit(&probe);
    } else {
        fprintf(stderr, "%s\n", err.message);
        probe.exit_code = 2;
        http_close(probe.http, on_http_closed, &probe);
    }
    uv_run(&probe.loop, UV_RUN_DEFAULT);
    http_free(probe.http);
    runtime_uv_release(&probe.runtime);
    catalogue_free(catalogue);
    json_free(probe.parameters);
    arena_release(&probe.arena);
    return uv_loop_close(&probe.loop) == 0 ? probe.exit_code : 2;
}
