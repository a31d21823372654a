/*
 * A bench for the Kubernetes adapter: a real loop, a real HTTP client, a scripted API server, and calls that count
 * their ends.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_UNIT_ADAPTERS_KUBERNETES_BENCH_H
#define TRIMTAB_TESTS_UNIT_ADAPTERS_KUBERNETES_BENCH_H

#include "adapters/adapter.h"
#include "base/runtime_uv.h"
#include "net/http.h"
#include "tests/support/script_server.h"

#define BENCH_CALLS_MAX 8
#define BENCH_TOKEN "s3cr3t-t0ken"
#define BENCH_NOW_MS INT64_C(1790000000000) /* 2026-09-21T14:13:20Z */

struct bench_call {
    struct adapter_call call;
    int done_count;
    bool is_submitting; /* done must not run now. */
};

struct bench {
    uv_loop_t loop;
    uv_timer_t watchdog;
    struct runtime_uv runtime;
    struct http *http;
    struct script_server server;
    struct catalogue *catalogue;
    struct adapter *adapter;
    struct arena arena;
    struct bench_call calls[BENCH_CALLS_MAX];
    const char *kubeconfig;     /* NULL: one with BENCH_TOKEN. */
    const char *own_kubeconfig; /* The environment's KUBECONFIG. */
    const char *endpoint;
    bool is_environment, has_no_kubeconfig;
    char *made_kubeconfig;
    bool is_closed;
};

void bench_init(struct bench *bench);
/* parameters: JSON text of spec.kubernetes, in which "@" stands for the scripted server's address; NULL: none. */
enum err_class bench_open(struct bench *bench, const char *parameters, struct error *err);
void bench_open_well(struct bench *bench, const char *parameters);
struct adapter_call *bench_call(struct bench *bench, size_t index);
void bench_submit(struct bench *bench, size_t index, const struct cloud_query *query);
void bench_wait(struct bench *bench, size_t index);
void bench_turn(struct bench *bench); /* One turn of the loop without waiting. */
/* Calls of their own in slot 0, run to their ends. */
const struct adapter_reply *bench_list(struct bench *bench, uint32_t kinds, size_t count_max);
typedef void bench_verb(struct adapter *self, struct adapter_call *call, const struct cloud_query *query);
const struct adapter_reply *bench_query(struct bench *bench, bench_verb *verb, const struct cloud_query *query);
const struct adapter_reply *bench_account(struct bench *bench);

/* Replies 200 with {"metadata": {"continue": more}, "items": [items]}. */
void bench_items(struct bench *bench, const char *more, const char *items);
/* Replies with a Status. */
void bench_status(struct bench *bench, int status, const char *reason, const char *message);
void bench_release(struct bench *bench);

#endif
