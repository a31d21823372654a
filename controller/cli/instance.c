/*
 * Putting a controller together; see instance.h. No logic of its own beyond order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/instance.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/common/catalogue.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/runtime_uv.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/live.h"
#include "cli/local_paths.h"
#include "cli/record.h"
#include "history/history.h"
#include "kube/client.h"
#include "kube/lease.h"
#include "loop/loop.h"
#include "net/http.h"
#include "serve/api.h"
#include "serve/health.h"
#include "serve/server.h"
#include "store/cluster.h"
#include "store/local.h"

#define TABLE_PERIOD_MS 1000
#define TABLE_PERIOD_PIPE_MS 5000
#define FLUSH_PERIOD_MS 2000
/* After so long a stop gives up waiting for what hangs: below the 30 s of terminationGracePeriodSeconds. */
#define STOP_MAX_MS 25000

struct instance {
    const struct instance_options *options;
    uv_loop_t uv;
    struct runtime_uv runtime;
    struct http *http;
    struct catalogue *catalogue;
    struct metrics *metrics;
    struct history *history;
    struct loop *loop;
    struct store *store;
    struct kube_client *client;
    struct kube_lease *lease;
    struct server *probes, *api;
    struct health health;
    const char *database_url, *history_url, *socket; /* Of a local run. */
    struct arena arena;
    struct live live;
    uv_signal_t sigterm, sigint;
    uv_timer_t table_timer, flush_timer, stop_timer;
    struct timer end;
    bool stopping, synced;
    int exit_code;
    const char *own_namespace;
};

static const char *const version_labels[] = {"version", NULL};
static const struct metric metric_build = {"trimtab_build_info", "Always 1; the version is the label.", METRIC_GAUGE,
                                           version_labels, NULL};

/* ---- probes and metrics ---- */

static bool check_synced(void *ctx, struct buf *why) {
    const struct instance *self = ctx;
    if (self->store && self->store->synced)
        return true;
    buf_puts(why, "not every kind has been listed yet");
    return false;
}

static bool check_running(void *ctx, struct buf *why) {
    const struct instance *self = ctx;
    if (!self->stopping)
        return true;
    buf_puts(why, "shutting down");
    return false;
}

static bool check_turns(void *ctx, struct buf *why) {
    (void)ctx;
    (void)why;
    return true; /* Who answers turns. Nothing remote is asked. */
}

static const struct health_check checks[] = {
    {"loop", true, true, check_turns},
    {"informer-sync", false, true, check_synced},
    {"shutdown", false, true, check_running},
    {0},
};

static void handle_health(void *ctx, const struct server_request *request, struct server_reply *reply) {
    struct instance *self = ctx;
    health_handle(&self->health, request, reply);
}

static void handle_metrics(void *ctx, const struct server_request *request, struct server_reply *reply) {
    struct instance *self = ctx;
    (void)request;
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_set(self->metrics, &metric_build, METRIC_LABELS(TRIMTAB_VERSION), 1);
    metrics_print(self->metrics, &reply->body);
    if (self->lease)
        kube_lease_metrics(self->lease, &reply->body);
}

static const struct server_route probe_routes[] = {
    {"/healthz", handle_health},  {"/livez", handle_health},
    {"/readyz", handle_health},   {"/healthz/", handle_health},
    {"/livez/", handle_health},   {"/readyz/", handle_health},
    {"/metrics", handle_metrics}, {0},
};

static void handle_api(void *ctx, const struct server_request *request, struct server_reply *reply) {
    struct instance *self = ctx;
    api_handle(self->store, request, reply);
    reply->date_ms = runtime_wall_ms(&self->runtime.base); /* It may run faster than the machine's. */
}

static const struct server_route api_routes[] = {{"/apis/", handle_api}, {"/api/", handle_api}, {0}};

/* ---- stopping, step by step; each says when the next may begin ---- */

static void on_handle_closed(uv_handle_t *handle) {
    (void)handle;
}

static void close_handle(uv_handle_t *handle) {
    if (!uv_is_closing(handle))
        uv_close(handle, on_handle_closed);
}

static void stop_end(void *ctx) {
    struct instance *self = ctx;
    close_handle((uv_handle_t *)&self->sigterm);
    close_handle((uv_handle_t *)&self->sigint);
    close_handle((uv_handle_t *)&self->table_timer);
    close_handle((uv_handle_t *)&self->flush_timer);
    close_handle((uv_handle_t *)&self->stop_timer);
    runtime_uv_close(&self->runtime);
}

static void stop_http(void *ctx) {
    struct instance *self = ctx;
    http_close(self->http, stop_end, self);
}

static void stop_probes(void *ctx) {
    struct instance *self = ctx;
    if (self->probes)
        server_stop(self->probes, stop_http, self);
    else
        stop_http(self);
}

static void stop_api(void *ctx) {
    struct instance *self = ctx;
    if (self->api)
        server_stop(self->api, stop_probes, self);
    else
        stop_probes(self);
}

static void stop_client(void *ctx) {
    struct instance *self = ctx;
    if (self->client)
        kube_client_close(self->client, stop_api, self);
    else
        stop_api(self);
}

static void stop_store(void *ctx) {
    struct instance *self = ctx;
    self->lease = NULL;
    self->store->ops->stop(self->store, stop_client, self);
}

static void stop_lease(void *ctx) {
    struct instance *self = ctx;
    if (self->client)
        store_cluster_set_lease(self->store, NULL);
    if (self->lease)
        kube_lease_stop(self->lease, stop_store, self);
    else
        stop_store(self);
}

static void on_stop_expired(uv_timer_t *timer) {
    struct instance *self = timer->data;
    log_error("stopping takes too long; the rest is settled after the next start");
    self->exit_code = CLI_FAILED;
    uv_stop(&self->uv);
}

static void stop(struct instance *self, const char *why) {
    if (self->stopping)
        return;
    self->stopping = true;
    log_info("stopping", LOG_STR("reason", why));
    timer_stop(&self->runtime.base, &self->end);
    uv_timer_start(&self->stop_timer, on_stop_expired, STOP_MAX_MS, 0);
    uv_unref((uv_handle_t *)&self->stop_timer);
    loop_stop(self->loop, stop_lease, self);
}

static void on_signal(uv_signal_t *signal, int number) {
    stop(signal->data, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void on_end(struct timer *timer) {
    stop(timer->ctx, "the time to run is over");
}

/* ---- leading ---- */

static void on_lease_change(void *ctx, bool is_leader) {
    struct instance *self = ctx;
    if (is_leader) {
        loop_lead(self->loop, self->options->action_timeout_ms);
        return;
    }
    if (self->stopping)
        return;
    /* Another may act now: nothing more may be sent, not even to tidy up. The pod is started again. The event loop ends
     * its turn first, with replies that may be waiting: they must not start anything. */
    log_error("the lease is lost; exiting");
    loop_abandon(self->loop);
    self->exit_code = CLI_FAILED;
    uv_stop(&self->uv);
}

/* ---- the table ---- */

static void print_buf(struct buf *out) {
    (void)fwrite(buf_text(out), 1, out->size, stdout);
    (void)fflush(stdout);
    buf_release(out);
}

static void on_table(uv_timer_t *timer) {
    struct instance *self = timer->data;
    struct buf out = {0};
    live_print(&self->live, self->loop, runtime_wall_ms(&self->runtime.base), &out);
    print_buf(&out);
}

static void on_flush(uv_timer_t *timer) {
    struct instance *self = timer->data;
    struct error error;
    if (history_flush(self->history, &error) != ERR_NONE)
        log_warn("history not written", LOG_ERR(&error));
}

static void on_account(struct timer *timer) {
    struct instance *self = timer->ctx;
    live_account(&self->live, self->loop, runtime_wall_ms(&self->runtime.base));
    timer_start(&self->runtime.base, timer, 60 * NS_PER_S, on_account, self);
}

/* ---- starting ---- */

static const char *environment(const char *name) {
    return getenv(name);
}

static int64_t log_wall_ms(void *ctx) {
    return runtime_wall_ms(ctx);
}

/* One thread does nearly all the work, in small pieces: glibc's many arenas and its fast bins (whose consolidation was
 * a twentieth of the CPU time of status writes) cost more than they bring. Large replies stay in mappings of their own,
 * which grow without a copy and are gone when freed, however large the last one was. */
static void tune_memory(void) {
    (void)mallopt(M_ARENA_MAX, 2);
    (void)mallopt(M_MXFAST, 0);
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

/* All accounts of a cloud share the host of an API, and most of them do not speak HTTP/2: one that is not answered must
 * not take a large part of what the others have. How often an API is asked is the budget's affair. */
#define CONNECTIONS_PER_HOST_MAX 64

static void start_base(struct instance *self) {
    const struct instance_options *o = self->options;
    tune_memory();
    ASSERT(uv_loop_init(&self->uv) == 0);
    runtime_uv_init(&self->runtime, &self->uv, o->speed, o->start_ms);
    log_set_clock(log_wall_ms, &self->runtime.base);
    const struct http_options http = {.connections_per_host_max = CONNECTIONS_PER_HOST_MAX,
                                      .user_agent = "trimtab/" TRIMTAB_VERSION};
    self->http = http_new(&self->uv, &http);
    self->metrics = metrics_new();
    self->health = (struct health){.checks = checks, .ctx = self};
    uv_signal_init(&self->uv, &self->sigterm);
    uv_signal_init(&self->uv, &self->sigint);
    uv_timer_init(&self->uv, &self->table_timer);
    uv_timer_init(&self->uv, &self->flush_timer);
    uv_timer_init(&self->uv, &self->stop_timer);
    self->sigterm.data = self->sigint.data = self;
    self->table_timer.data = self->flush_timer.data = self->stop_timer.data = self;
    uv_signal_start(&self->sigterm, on_signal, SIGTERM);
    uv_signal_start(&self->sigint, on_signal, SIGINT);
}

static void on_plan(void *ctx, const struct object *policy, const struct plan_input *input, const struct plan *plan) {
    const struct instance *self = ctx;
    struct error error;
    if (record_keep(self->options->record, policy, input, plan, &error) != ERR_NONE)
        log_warn("plan not recorded", LOG_ERR(&error));
}

static bool lends_identity(void *ctx, const char *namespace) {
    const struct instance *self = ctx;
    const char *rest = self->options->identity_namespaces;
    size_t size = strlen(namespace);
    if (str_eq(namespace, self->own_namespace))
        return true;
    while (rest && *rest) {
        size_t word = strcspn(rest, ",");
        if (word == size && memcmp(rest, namespace, size) == 0)
            return true;
        rest += word + (rest[word] == ',');
    }
    return false;
}

static enum err_class start_loop(struct instance *self, struct error *err) {
    const struct instance_options *o = self->options;
    const char *history = o->history ? o->history : o->manifests ? self->history_url : NULL;
    if (catalogue_open(o->catalogue, &self->catalogue, err) != ERR_NONE)
        return error_wrap(err, "price catalogue");
    if (o->record && record_folder_make(o->record, err) != ERR_NONE)
        return error_wrap(err, "--record");
    if (history_open(&(struct history_options){.url = history,
                                               .step_ms = o->usage_step_ms,
                                               .keep_ms = INT64_C(35) * 24 * 3600 * 1000,
                                               .series_max = 20000},
                     &self->history, err) != ERR_NONE)
        return error_wrap(err, "history");
    self->loop = loop_new(&(struct loop_options){.env = {&self->runtime.base, self->http, self->catalogue},
                                                 .history = self->history,
                                                 .metrics = self->metrics,
                                                 .environment = environment,
                                                 .lends_identity = o->manifests ? NULL : lends_identity,
                                                 .identity_ctx = self,
                                                 .secrets_from_environment = o->manifests != NULL,
                                                 .list_period_ms = o->list_period_ms,
                                                 .list_count_max = (size_t)o->list_max,
                                                 .usage_step_ms = o->usage_step_ms,
                                                 .resync_period_ms = o->resync_period_ms,
                                                 .status_interval_ms = o->status_interval_ms,
                                                 .action_timeout_ms = o->action_timeout_ms,
                                                 .concurrency = 128,
                                                 .recall_bytes_max = (size_t)o->forecast_memory_mib << 20,
                                                 .finished_max = 10,
                                                 .on_plan = o->record ? on_plan : NULL,
                                                 .plan_ctx = self});
    return ERR_NONE;
}

static enum err_class start_local(struct instance *self, struct error *err) {
    const struct instance_options *o = self->options;
    struct store_callbacks callbacks = loop_store_callbacks(self->loop);
    struct store_local_options options = {.directory = o->manifests,
                                          .database = o->database ? o->database : self->database_url,
                                          .loop = &self->uv,
                                          .default_namespace = "default"};
    if (store_local_new(&self->runtime.base, &options, &callbacks, &self->store, err) != ERR_NONE)
        return err->class;
    loop_start(self->loop, self->store);
    store_start(self->store);
    /* A request of a process that was killed on this database may still be under way. */
    loop_lead(self->loop, o->action_timeout_ms);
    return server_start(&self->uv,
                        &(struct server_options){.unix_socket = self->socket, .routes = api_routes, .ctx = self},
                        &self->api, err);
}

static const char *own_namespace(const struct instance *self, const struct kube_config *config) {
    const char *pod = getenv("POD_NAMESPACE");
    if (self->options->namespace)
        return self->options->namespace;
    if (pod && pod[0])
        return pod;
    return self->options->in_cluster ? config->namespace : "trimtab-system";
}

static const char *identity(struct instance *self) {
    const char *pod = getenv("POD_NAME");
    char host[256] = "trimtab";
    if (self->options->identity)
        return self->options->identity;
    (void)gethostname(host, sizeof(host) - 1);
    return arena_printf(&self->arena, "%s_%ld_%08llx", pod && pod[0] ? pod : host, (long)getpid(),
                        (unsigned long long)(runtime_random(&self->runtime.base) & 0xffffffffu));
}

static enum err_class start_cluster(struct instance *self, struct error *err) {
    const struct instance_options *o = self->options;
    struct store_callbacks callbacks = loop_store_callbacks(self->loop);
    struct kube_config config = {0};
    enum err_class class = o->in_cluster ? kube_config_in_cluster("", &self->arena, &config, err)
                                         : kube_config_load(o->kubeconfig, o->context, &self->arena, &config, err);
    if (class != ERR_NONE)
        return class;
    self->own_namespace = arena_strdup(&self->arena, own_namespace(self, &config));
    const char *id = identity(self);
    self->client = kube_client_new(&self->runtime.base, self->http, &self->uv, &config,
                                   &(struct kube_client_options){.metrics = self->metrics});
    self->store = store_cluster_new(
        &self->runtime.base, self->client,
        &(struct store_cluster_options){.own_namespace = self->own_namespace, .instance = id}, &callbacks);
    loop_start(self->loop, self->store);
    store_start(self->store);
    self->lease = kube_lease_start(self->client, &self->runtime.base,
                                   &(struct kube_lease_options){.namespace = self->own_namespace,
                                                                .name = o->lease_name,
                                                                .identity = id,
                                                                .lease_duration_ms = (uint32_t)o->lease_duration_ms,
                                                                .renew_deadline_ms = (uint32_t)o->renew_deadline_ms,
                                                                .retry_period_ms = (uint32_t)o->retry_period_ms,
                                                                .on_change = on_lease_change,
                                                                .ctx = self});
    store_cluster_set_lease(self->store, self->lease);
    log_info("started", LOG_STR("version", TRIMTAB_VERSION), LOG_STR("server", config.server),
             LOG_STR("namespace", self->own_namespace), LOG_STR("identity", id));
    return ERR_NONE;
}

static void start_table(struct instance *self) {
    const struct instance_options *o = self->options;
    static struct timer account;
    self->live.is_terminal = isatty(STDOUT_FILENO) == 1;
    uint64_t period_ms = self->live.is_terminal ? TABLE_PERIOD_MS : TABLE_PERIOD_PIPE_MS;
    if (!o->table)
        return;
    uv_timer_start(&self->table_timer, on_table, period_ms, period_ms);
    timer_start(&self->runtime.base, &account, 0, on_account, self);
}

/* The history stands beside the database: one is the cloud's past and can be read again, the other is ours. */
static enum err_class find_paths(struct instance *self, struct error *err) {
    struct local_paths paths;
    if (local_paths_of(self->options->manifests, true, &self->arena, &paths, err) != ERR_NONE)
        return err->class;
    /* Sped-up time is no time to remember: its records would lie in the future of the next run. */
    if (self->options->speed == 1) {
        self->database_url = arena_printf(&self->arena, "sqlite:%s", paths.database);
        self->history_url = arena_printf(&self->arena, "sqlite:%s.history", paths.database);
    }
    self->socket = self->options->socket ? self->options->socket : paths.socket;
    return ERR_NONE;
}

static enum err_class start(struct instance *self, struct error *err) {
    const struct instance_options *o = self->options;
    start_base(self);
    if (o->manifests && find_paths(self, err) != ERR_NONE)
        return err->class;
    if (start_loop(self, err) != ERR_NONE)
        return err->class;
    if (o->listen &&
        server_start(&self->uv, &(struct server_options){.listen = o->listen, .routes = probe_routes, .ctx = self},
                     &self->probes, err) != ERR_NONE)
        return err->class;
    if (self->probes)
        log_info("probes and metrics", LOG_INT("port", server_port(self->probes)));
    enum err_class class = o->manifests ? start_local(self, err) : start_cluster(self, err);
    if (class != ERR_NONE)
        return class;
    start_table(self);
    uv_timer_start(&self->flush_timer, on_flush, FLUSH_PERIOD_MS, FLUSH_PERIOD_MS);
    if (o->run_for_ms)
        timer_start(&self->runtime.base, &self->end, (uint64_t)o->run_for_ms * NS_PER_MS, on_end, self);
    return ERR_NONE;
}

/* Only after a whole stop; after uv_stop the process ends, and memory with it. */
static void release(struct instance *self) {
    loop_free(self->loop);
    self->store->ops->free(self->store);
    kube_client_free(self->client);
    http_free(self->http);
    history_close(self->history);
    catalogue_free(self->catalogue);
    metrics_free(self->metrics);
    runtime_uv_release(&self->runtime);
    arena_release(&self->arena);
    ASSERT(uv_loop_close(&self->uv) == 0);
}

int instance_run(const struct instance_options *options) {
    static struct instance self; /* Static: reachable for the leak checker when the process ends early. */
    struct error error = {0};
    self = (struct instance){.options = options, .exit_code = CLI_DONE};
    if (start(&self, &error) != ERR_NONE) {
        (void)fprintf(stderr, "trimtab run: %s\n", error.message);
        return CLI_FAILED;
    }
    (void)uv_run(&self.uv, UV_RUN_DEFAULT);
    if (options->table) {
        struct buf out = {0};
        live_print_summary(&self.live, runtime_wall_ms(&self.runtime.base), &out);
        print_buf(&out);
    }
    if (self.exit_code == CLI_DONE)
        release(&self);
    log_set_clock(NULL, NULL);
    return self.exit_code;
}
