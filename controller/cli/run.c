/*
 * trimtab run: the controller, in a cluster or on a directory of manifests.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cli/cli.h"
#include "cli/instance.h"

static const char usage[] =
    "Usage: trimtab run [--kubeconfig F | --in-cluster | --manifests DIR] [options]\n"
    "Runs the controller until SIGTERM or SIGINT.\n"
    "  --kubeconfig F            API server by kubeconfig ($KUBECONFIG, ~/.kube/config)\n"
    "  --context NAME            context of the kubeconfig\n"
    "  --in-cluster              API server by the pod's ServiceAccount (found by itself inside a pod)\n"
    "  --manifests DIR           no cluster: watch a directory of manifests\n"
    "  --history URL             demand history: sqlite:PATH (local run: beside the database; cluster: memory)\n"
    "  --database URL            status and Recommendations of a local run: sqlite:PATH (with --speed: memory)\n"
    "  --socket PATH             unix socket of a local run, for `--local` verbs\n"
    "  --listen ADDR             probes and metrics (:8081; local run 127.0.0.1:0)\n"
    "  --catalogue F             price list (the installed one)\n"
    "  --record DIR              keep the latest plan of each policy with its inputs as DIR/NAMESPACE.NAME.json,\n"
    "                            for `trimtab plan --snapshot` and --replay (off)\n"
    "  --speed N                 local run: time runs N times as fast (1)\n"
    "  --start TIME              local run: wall time at the start, RFC 3339 (now)\n"
    "  --for DURATION            end by itself after so much of that time\n"
    "  --table                   live table on standard output\n"
    "  --namespace NS            the controller's own namespace (POD_NAMESPACE, trimtab-system)\n"
    "  --identity-namespaces NS,NS   beside it, where Providers may name no Secret and act as the controller (none)\n"
    "  --lease-name NAME         name of the Lease (trimtab)\n"
    "  --identity ID             holder identity (pod name or host name, pid)\n"
    "  --lease-duration D, --renew-deadline D, --retry-period D   leader election (15s, 10s, 2s)\n"
    "  --action-timeout D        longest request that changes a cloud (8s); must fit into the lease\n"
    "  --list-period D           between two listings of machines, groups and workloads (1m); of disks and addresses\n"
    "                            5 times, of snapshots and buckets 15 times that\n"
    "  --list-max COUNT          resources of one kind in a region that are held, of a Provider twice that (100000)\n"
    "  --usage-step D            grid of the demand history (5m)\n"
    "  --forecast-memory MIB     for fits that new samples are added to; resources beyond it are fitted each time "
    "(256)\n"
    "  --resync-period D         every object anew (10m)\n"
    "  --status-interval D       least time between two writes of figures alone (30s)\n"
    "  --log-level LEVEL         debug, info, warn, error (info)\n"
    "  --log-format FORMAT       text, json (text)\n"
    "  -h, --help                this text\n"
    "Exit: 0 stopped when asked, 2 could not start or lost its lease, 64 usage.\n";

#define LIST_MAX_MAX 10000000
#define FORECAST_MEMORY_MAX 1048576

enum run_flag {
    RUN_KUBECONFIG = 256,
    RUN_CONTEXT,
    RUN_IN_CLUSTER,
    RUN_MANIFESTS,
    RUN_HISTORY,
    RUN_DATABASE,
    RUN_SOCKET,
    RUN_LISTEN,
    RUN_CATALOGUE,
    RUN_RECORD,
    RUN_SPEED,
    RUN_START,
    RUN_FOR,
    RUN_TABLE,
    RUN_NAMESPACE,
    RUN_IDENTITY_NAMESPACES,
    RUN_LEASE_NAME,
    RUN_IDENTITY,
    RUN_LEASE_DURATION,
    RUN_RENEW_DEADLINE,
    RUN_RETRY_PERIOD,
    RUN_ACTION_TIMEOUT,
    RUN_LIST_PERIOD,
    RUN_LIST_MAX,
    RUN_FORECAST_MEMORY,
    RUN_USAGE_STEP,
    RUN_RESYNC_PERIOD,
    RUN_STATUS_INTERVAL,
    RUN_LOG_LEVEL,
    RUN_LOG_FORMAT,
};

static const struct option long_options[] = {
    {"kubeconfig", required_argument, NULL, RUN_KUBECONFIG},
    {"context", required_argument, NULL, RUN_CONTEXT},
    {"in-cluster", no_argument, NULL, RUN_IN_CLUSTER},
    {"manifests", required_argument, NULL, RUN_MANIFESTS},
    {"history", required_argument, NULL, RUN_HISTORY},
    {"database", required_argument, NULL, RUN_DATABASE},
    {"socket", required_argument, NULL, RUN_SOCKET},
    {"listen", required_argument, NULL, RUN_LISTEN},
    {"catalogue", required_argument, NULL, RUN_CATALOGUE},
    {"record", required_argument, NULL, RUN_RECORD},
    {"speed", required_argument, NULL, RUN_SPEED},
    {"start", required_argument, NULL, RUN_START},
    {"for", required_argument, NULL, RUN_FOR},
    {"table", no_argument, NULL, RUN_TABLE},
    {"namespace", required_argument, NULL, RUN_NAMESPACE},
    {"identity-namespaces", required_argument, NULL, RUN_IDENTITY_NAMESPACES},
    {"lease-name", required_argument, NULL, RUN_LEASE_NAME},
    {"identity", required_argument, NULL, RUN_IDENTITY},
    {"lease-duration", required_argument, NULL, RUN_LEASE_DURATION},
    {"renew-deadline", required_argument, NULL, RUN_RENEW_DEADLINE},
    {"retry-period", required_argument, NULL, RUN_RETRY_PERIOD},
    {"action-timeout", required_argument, NULL, RUN_ACTION_TIMEOUT},
    {"list-period", required_argument, NULL, RUN_LIST_PERIOD},
    {"list-max", required_argument, NULL, RUN_LIST_MAX},
    {"forecast-memory", required_argument, NULL, RUN_FORECAST_MEMORY},
    {"usage-step", required_argument, NULL, RUN_USAGE_STEP},
    {"resync-period", required_argument, NULL, RUN_RESYNC_PERIOD},
    {"status-interval", required_argument, NULL, RUN_STATUS_INTERVAL},
    {"log-level", required_argument, NULL, RUN_LOG_LEVEL},
    {"log-format", required_argument, NULL, RUN_LOG_FORMAT},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct run_config {
    struct instance_options instance;
    enum log_level level;
    enum log_format format;
};

static const char *flag_name(int flag) {
    for (const struct option *option = long_options; option->name; option++)
        if (option->val == flag)
            return option->name;
    return "?";
}

static bool refuse(int flag, const char *value, const char *wanted) {
    (void)fprintf(stderr, "trimtab run: --%s %s: %s\n", flag_name(flag), value, wanted);
    return false;
}

static bool take_duration(int flag, const char *text, int64_t *ret) {
    return duration_parse(text, ret) || refuse(flag, text, "expected a duration like 90s, 10m or 24h");
}

static bool take_speed(const char *text, uint64_t *ret) {
    int64_t value;
    if (!str_to_int64(text, &value) || value < 1 || value > 1000000)
        return refuse(RUN_SPEED, text, "expected a whole number from 1 to 1000000");
    *ret = (uint64_t)value;
    return true;
}

static bool take_name(int flag, const char *text, const char *const *names, size_t count, int *ret) {
    for (size_t i = 0; i < count; i++) {
        if (str_eq(text, names[i])) {
            *ret = (int)i;
            return true;
        }
    }
    return refuse(flag, text, "unknown; see --help");
}

static bool take_log(struct run_config *config, int flag, const char *text) {
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    static const char *const formats[] = {"text", "json"};
    int index = 0;
    if (flag == RUN_LOG_LEVEL) {
        if (!take_name(flag, text, levels, ARRAY_LEN(levels), &index))
            return false;
        config->level = (enum log_level)index;
        return true;
    }
    if (!take_name(flag, text, formats, ARRAY_LEN(formats), &index))
        return false;
    config->format = (enum log_format)index;
    return true;
}

/* Flags whose value is a duration, and where it goes. */
static int64_t *duration_of(struct instance_options *o, int flag) {
    switch (flag) {
    case RUN_FOR:
        return &o->run_for_ms;
    case RUN_LEASE_DURATION:
        return &o->lease_duration_ms;
    case RUN_RENEW_DEADLINE:
        return &o->renew_deadline_ms;
    case RUN_RETRY_PERIOD:
        return &o->retry_period_ms;
    case RUN_LIST_PERIOD:
        return &o->list_period_ms;
    case RUN_USAGE_STEP:
        return &o->usage_step_ms;
    case RUN_RESYNC_PERIOD:
        return &o->resync_period_ms;
    case RUN_STATUS_INTERVAL:
        return &o->status_interval_ms;
    default:
        return NULL;
    }
}

/* Flags whose value is a text, and where it goes. */
static const char **text_of(struct instance_options *o, int flag) {
    switch (flag) {
    case RUN_KUBECONFIG:
        return &o->kubeconfig;
    case RUN_CONTEXT:
        return &o->context;
    case RUN_MANIFESTS:
        return &o->manifests;
    case RUN_HISTORY:
        return &o->history;
    case RUN_DATABASE:
        return &o->database;
    case RUN_SOCKET:
        return &o->socket;
    case RUN_LISTEN:
        return &o->listen;
    case RUN_CATALOGUE:
        return &o->catalogue;
    case RUN_RECORD:
        return &o->record;
    case RUN_NAMESPACE:
        return &o->namespace;
    case RUN_IDENTITY_NAMESPACES:
        return &o->identity_namespaces;
    case RUN_LEASE_NAME:
        return &o->lease_name;
    case RUN_IDENTITY:
        return &o->identity;
    default:
        return NULL;
    }
}

static bool take(struct run_config *config, int flag, const char *value) {
    struct instance_options *o = &config->instance;
    int64_t *duration = duration_of(o, flag);
    const char **text = text_of(o, flag);
    int64_t timeout_ms;
    if (duration)
        return take_duration(flag, value, duration);
    if (text) {
        *text = value;
        return true;
    }
    switch (flag) {
    case RUN_IN_CLUSTER:
        o->in_cluster = true;
        return true;
    case RUN_TABLE:
        o->table = true;
        return true;
    case RUN_SPEED:
        return take_speed(value, &o->speed);
    case RUN_LIST_MAX:
        return (str_to_int64(value, &o->list_max) && o->list_max >= 1 && o->list_max <= LIST_MAX_MAX) ||
               refuse(flag, value, "expected a whole number from 1 to 10000000");
    case RUN_FORECAST_MEMORY:
        return (str_to_int64(value, &o->forecast_memory_mib) && o->forecast_memory_mib >= 0 &&
                o->forecast_memory_mib <= FORECAST_MEMORY_MAX) ||
               refuse(flag, value, "expected a whole number of MiB from 0 to 1048576");
    case RUN_START:
        return time_parse(value, &o->start_ms) || refuse(flag, value, "expected a time like 2026-01-31T09:00:00Z");
    case RUN_ACTION_TIMEOUT:
        if (!take_duration(flag, value, &timeout_ms))
            return false;
        o->action_timeout_ms = (uint32_t)(timeout_ms < 3600000 ? timeout_ms : 3600000);
        return true;
    default:
        return take_log(config, flag, value);
    }
}

static bool check(const struct instance_options *o) {
    const char *fault = NULL;
    if ((o->manifests != NULL) + (o->kubeconfig != NULL) + o->in_cluster > 1)
        fault = "give one of --kubeconfig, --in-cluster and --manifests";
    else if (!o->manifests && (o->speed > 1 || o->start_ms))
        fault = "--speed and --start are for --manifests: a cluster and real clouds keep real time";
    else if (o->renew_deadline_ms >= o->lease_duration_ms || o->retry_period_ms >= o->renew_deadline_ms)
        fault = "leader election needs --retry-period < --renew-deadline < --lease-duration";
    else if (!o->manifests && o->action_timeout_ms + o->retry_period_ms >= o->lease_duration_ms)
        fault = "--action-timeout and --retry-period together must be shorter than --lease-duration";
    if (fault)
        (void)fprintf(stderr, "trimtab run: %s\n", fault);
    return fault == NULL;
}

int cli_run(int argc, char **argv) {
    struct run_config config = {.level = LOG_INFO,
                                .format = LOG_FORMAT_TEXT,
                                .instance = {.speed = 1,
                                             .lease_name = "trimtab",
                                             .lease_duration_ms = 15000,
                                             .renew_deadline_ms = 10000,
                                             .retry_period_ms = 2000,
                                             .list_period_ms = 60000,
                                             .list_max = 100000,
                                             .forecast_memory_mib = 256,
                                             .usage_step_ms = 300000,
                                             .resync_period_ms = 600000,
                                             .status_interval_ms = 30000,
                                             .action_timeout_ms = 8000}};
    struct instance_options *o = &config.instance;
    int flag;
    optind = 1;
    while ((flag = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (flag == 'h') {
            (void)fputs(usage, stdout);
            return CLI_DONE;
        }
        if (flag == '?') {
            (void)fputs("trimtab run: see trimtab run --help\n", stderr);
            return CLI_USAGE;
        }
        if (!take(&config, flag, optarg))
            return CLI_USAGE;
    }
    if (optind < argc) {
        (void)fprintf(stderr, "trimtab run: unexpected argument %s\n", argv[optind]);
        return CLI_USAGE;
    }
    if (!o->manifests && !o->kubeconfig && !o->in_cluster && getenv("KUBERNETES_SERVICE_HOST") && !getenv("KUBECONFIG"))
        o->in_cluster = true;
    if (!check(o))
        return CLI_USAGE;
    if (!o->listen)
        o->listen = o->manifests ? "127.0.0.1:0" : ":8081";
    log_configure(config.level, config.format);
    return instance_run(o);
}
