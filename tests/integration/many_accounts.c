/*
 * Many AWS accounts on one thread: each is an adapter of its own and lists its instances again and again, a list every
 * PERIOD_MS. In every other window of WINDOW_MS the first of them, which signs with the key id "STALLED", waits for an
 * answer that never comes; in the windows between it is silent. The times of the others are told as JSON, apart for
 * both sorts of window: they take turns, so that a busy machine disturbs both alike. For the bench.
 *
 *     many_accounts ENDPOINT ACCOUNTS SECONDS
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/adapter.h"
#include "base/mem.h"
#include "base/runtime_uv.h"
#include "base/str.h"
#include "net/http.h"

#define PERIOD_MS 500
#define WINDOW_MS 1000
#define TIMES_MAX 1000000

struct account {
    struct adapter *adapter;
    struct adapter_call call;
    struct arena arena;
    struct timer timer;
    uint64_t begun_ns;
    size_t window; /* In which it began. */
    char key[32];
};

struct times {
    double *ms;
    size_t count;
};

static struct {
    uv_loop_t loop;
    struct runtime_uv runtime;
    struct http *http;
    struct account *accounts; /* The first is the one that is never answered. */
    size_t count, open, failed, unexpected;
    struct times times[2]; /* Without and with it. */
    bool is_over;
    size_t window;
    struct timer window_timer;
} self;

static const struct cloud_query query = {.kinds = 1u << CLOUD_INSTANCE, .region = "us-east-1", .count_max = 100000};

static void on_done(struct adapter_call *call);

static void submit(struct account *account) {
    arena_release(&account->arena);
    account->call =
        (struct adapter_call){.done = on_done, .ctx = account, .arena = &account->arena, .timeout_ms = 600000};
    account->begun_ns = uv_hrtime();
    account->window = self.window;
    account->adapter->ops->list(account->adapter, &account->call, &query);
}

static void begin(struct timer *timer) {
    submit(timer->ctx);
}

static void on_done(struct adapter_call *call) {
    struct account *account = call->ctx;
    if (account == self.accounts) {
        self.unexpected += call->reply.error.class != ERR_CANCELLED;
        return;
    }
    if (self.is_over)
        return;
    uint64_t spent_ns = uv_hrtime() - account->begun_ns;
    struct times *times = &self.times[account->window % 2];
    self.failed += call->reply.error.class != ERR_NONE || call->reply.count == 0;
    if (times->count < TIMES_MAX)
        times->ms[times->count++] = (double)spent_ns / (double)NS_PER_MS;
    uint64_t period_ns = PERIOD_MS * NS_PER_MS;
    timer_start(&self.runtime.base, &account->timer, spent_ns < period_ns ? period_ns - spent_ns : 0, begin, account);
}

static void on_window(struct timer *timer) {
    struct account *stalled = self.accounts;
    if (++self.window % 2 == 1)
        submit(stalled);
    else
        stalled->adapter->ops->cancel(stalled->adapter, &stalled->call);
    timer_start(&self.runtime.base, timer, WINDOW_MS * NS_PER_MS, on_window, NULL);
}

static void on_http_closed(void *ctx) {
    (void)ctx;
    runtime_uv_close(&self.runtime);
}

static void on_closed(void *ctx) {
    (void)ctx;
    if (--self.open == 0)
        http_close(self.http, on_http_closed, NULL);
}

static void on_end(struct timer *timer) {
    (void)timer;
    self.is_over = true;
    timer_stop(&self.runtime.base, &self.window_timer);
    for (size_t i = 0; i < self.count; i++) {
        timer_stop(&self.runtime.base, &self.accounts[i].timer);
        self.accounts[i].adapter->ops->close(self.accounts[i].adapter, on_closed, NULL);
    }
}

static const char *credential(void *ctx, const char *key) {
    const struct account *account = ctx;
    if (str_eq(key, "AWS_ACCESS_KEY_ID"))
        return account->key;
    return str_eq(key, "AWS_SECRET_ACCESS_KEY") ? "secret" : NULL;
}

static int time_cmp(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *name, struct times *times) {
    if (times->count > 1)
        qsort(times->ms, times->count, sizeof(*times->ms), time_cmp);
    size_t last = times->count > 0 ? times->count - 1 : 0;
    printf("\"%s\":{\"calls\":%zu,\"p50\":%.3f,\"p99\":%.3f},", name, times->count, times->ms[last / 2],
           times->ms[last * 99 / 100]);
}

int main(int argc, char **argv) {
    int64_t seconds = 0, count = 0;
    if (argc != 4 || !str_to_int64(argv[2], &count) || count < 2 || count > 1000 || !str_to_int64(argv[3], &seconds)) {
        fputs("usage: many_accounts ENDPOINT ACCOUNTS SECONDS\n", stderr);
        return 64;
    }
    uv_loop_init(&self.loop);
    runtime_uv_init(&self.runtime, &self.loop, 1, 0);
    /* As the controller has it. */
    self.http =
        http_new(&self.loop, &(struct http_options){.connections_per_host_max = 64, .user_agent = "trimtab-bench"});
    self.count = self.open = (size_t)count;
    self.accounts = mem_alloc_array(self.count, sizeof(*self.accounts));
    for (size_t i = 0; i < 2; i++)
        self.times[i].ms = mem_alloc_array(TIMES_MAX, sizeof(double));
    const struct adapter_env env = {&self.runtime.base, self.http, NULL};
    for (size_t i = 0; i < self.count; i++) {
        struct account *account = &self.accounts[i];
        struct error err = {0};
        snprintf(account->key, sizeof(account->key), "K%zu", i);
        if (i == 0)
            str_copy(account->key, sizeof(account->key), "STALLED");
        const char *const regions[] = {"us-east-1"};
        const struct adapter_config config = {.name = account->key,
                                              .regions = regions,
                                              .region_count = 1,
                                              .endpoint = argv[1],
                                              .credential = credential,
                                              .credential_ctx = account};
        if (adapter_aws.open(&account->adapter, &env, &config, &err) != ERR_NONE) {
            fprintf(stderr, "%s\n", err.message);
            return 2;
        }
        if (i > 0) /* Spread over the period. */
            timer_start(&self.runtime.base, &account->timer, i * PERIOD_MS * NS_PER_MS / self.count, begin, account);
    }
    timer_start(&self.runtime.base, &self.window_timer, WINDOW_MS * NS_PER_MS, on_window, NULL);
    struct timer end = {0};
    timer_start(&self.runtime.base, &end, (uint64_t)seconds * NS_PER_S, on_end, NULL);
    uv_run(&self.loop, UV_RUN_DEFAULT);
    putchar('{');
    print("without", &self.times[0]);
    print("with", &self.times[1]);
    printf("\"failed\":%zu,\"answered\":%zu}\n", self.failed, self.unexpected);
    for (size_t i = 0; i < self.count; i++)
        arena_release(&self.accounts[i].arena);
    mem_free(self.accounts);
    mem_free(self.times[0].ms);
    mem_free(self.times[1].ms);
    http_free(self.http);
    runtime_uv_release(&self.runtime);
    return uv_loop_close(&self.loop) == 0 ? 0 : 2;
}
